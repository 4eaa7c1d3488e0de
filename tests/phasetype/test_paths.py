"""Paths: what unconditioned ones have in common with draws, and conditioned ones with theory."""

import numpy as np
import pytest
import scipy.stats

from emberkeep.errors import InvalidGraph, TooStiff
from emberkeep.phasetype import Graph, models, paths


@pytest.fixture
def forked():
    builder = Graph.builder()
    a, b, c = (builder.add_vertex(s, p) for s, p in (("a", 0.5), ("b", 0.2), ("c", 0.2)))
    left, right = builder.add_vertex("left"), builder.add_vertex("right")
    for source, target, rate in (
        (a, b, 1.0), (b, a, 0.5), (b, c, 2.0), (a, left, 0.25), (c, left, 0.5), (c, right, 3.0)
    ):  # fmt: skip
        builder.add_edge(source, target, rate)
    return builder.build()


@pytest.fixture
def stepped():
    builder = Graph.builder(discrete=True)
    a, b = builder.add_vertex("a", 0.75), builder.add_vertex("b", 0.25)
    left, right = builder.add_vertex("left"), builder.add_vertex("right")
    for source, target, chance in ((a, b, 0.25), (b, a, 0.5), (a, left, 0.25), (b, right, 0.25)):
        builder.add_edge(source, target, chance)
    return builder.build()


def agree(found, expected, count):
    """A frequency, within five standard errors."""
    assert abs(found - expected) < 5 * np.sqrt(expected * (1 - expected) / count) + 1e-12


@pytest.mark.parametrize("which", ["forked", "stepped"])
def test_paths_take_what_draws_of_the_same_seed_take(request, which):
    graph = request.getfixturevalue(which)
    paths = graph.sample_paths(200, seed=5)
    draws = graph.sample(200, seed=5)
    assert [path.duration for path in paths] == pytest.approx(draws, rel=1e-14)
    rewards = np.arange(2.0 * len(graph)).reshape(-1, 2)
    earned = np.array([path.earned(rewards) for path in paths])
    assert earned == pytest.approx(graph.sample(200, rewards=rewards, seed=5), rel=1e-13)
    assert any(not len(path.vertices) for path in paths) == (graph.defect > 0)


def test_a_path_does_not_depend_on_how_many_are_drawn(forked, monkeypatch):
    for condition in ({}, {"ends": [3]}, {"duration": 1.5}, {"at": (1.0, [0, 1])}):
        few = forked.sample_paths(3, seed=1, **condition)
        many = forked.sample_paths(50, seed=1, **condition)
        with monkeypatch.context() as patch:
            patch.setattr(paths, "AT_ONCE", 100)
            parts = forked.sample_paths(50, seed=1, **condition)
        for one, other in [*zip(few, many, strict=False), *zip(parts, many, strict=True)]:
            assert (one.vertices == other.vertices).all()
            assert (one.times == other.times).all()
    assert forked.sample_paths(0) == forked.sample_paths(0, duration=1.0) == []


def test_a_path_goes_along_edges(forked):
    edges = {(v.number, target) for v in forked for target, _, _ in v.edges}
    for path in forked.sample_paths(50, seed=2):
        assert set(zip(path.vertices, path.vertices[1:], strict=False)) <= edges
        assert (np.diff(path.times) > 0).all()
        if len(path.vertices):
            assert path.times[0] == 0
            assert path.vertices[-1] in forked.absorbing
            middle = path.times[:-1] + path.sojourns / 2
            assert [path.vertex_at(time) for time in middle] == path.vertices[:-1].tolist()
            assert path.vertex_at(path.duration + 1) == path.vertices[-1]
            assert path.states[-1] in ("left", "right")


def test_paths_to_an_end_are_those_that_end_there(forked):
    count = 20_000
    given = forked.sample_paths(count, ends=[3], seed=3)
    assert {path.vertices[-1] for path in given} == {3}
    free = [p for p in forked.sample_paths(3 * count, seed=4) if p.vertices[-1:].tolist() == [3]]
    durations = [[path.duration for path in paths] for paths in (given, free)]
    assert scipy.stats.ks_2samp(*durations).pvalue > 1e-4
    # Where they begin: Bayes.
    h = forked.hitting_probabilities([3]) * forked.initial
    for vertex in range(3):
        agree(np.mean([p.vertices[0] == vertex for p in given]), h[vertex] / h.sum(), count)
    # By its hitting probability, a step from a to b.
    to_b = np.mean([p.vertices[1] == 1 for p in given if p.vertices[0] == 0])
    begun = sum(p.vertices[0] == 0 for p in given)
    agree(to_b, 0.8 * forked.hitting_probabilities([3])[1] / forked.hitting_probabilities([3])[0],
          begun)  # fmt: skip


def test_paths_of_a_known_length(forked):
    """Where one is half way: P(in v at t/2) density of the rest."""
    count, time = 20_000, 1.6
    paths = forked.sample_paths(count, duration=time, seed=6)
    assert {path.duration for path in paths} == {time}
    half = forked.state_probabilities(time / 2)
    rest = [forked.with_initial([(forked.states.label(v), 1.0)]).pdf(time / 2) for v in range(3)]
    expected = half[:3] * rest
    expected /= expected.sum()
    assert expected @ np.ones(3) == pytest.approx(1)
    for vertex in range(3):
        found = np.mean([path.vertex_at(time / 2) == vertex for path in paths])
        agree(found, expected[vertex], count)


def test_paths_that_are_somewhere_at_a_time(forked):
    count, time = 20_000, 1.2
    paths = forked.sample_paths(count, at=(time, [0, 1, 2]), seed=7)
    assert min(path.duration for path in paths) > time
    states = forked.state_probabilities(time)[:3]
    for vertex in range(3):
        found = np.mean([path.vertex_at(time) == vertex for path in paths])
        agree(found, states[vertex] / states.sum(), count)
    longer = np.mean([path.duration > 2 * time for path in paths])
    agree(longer, forked.survival(2 * time) / forked.survival(time), count)
    ended = forked.sample_paths(2000, at=(time, [4]), seed=8)
    assert {path.vertices[-1] for path in ended} == {4}
    assert max(path.duration for path in ended) <= time


def test_conditions_in_steps(stepped):
    count = 20_000
    paths = stepped.sample_paths(count, duration=3, seed=9)
    assert {path.duration for path in paths} == {3.0}
    matrix = np.array([[0.5, 0.25], [0.5, 0.25]])
    out = np.array([0.25, 0.25])
    alpha = stepped.initial[:2]
    middle = (alpha @ matrix) * (matrix @ out)
    middle /= middle.sum()
    agree(np.mean([path.vertex_at(1) == 0 for path in paths]), middle[0], count)
    there = stepped.sample_paths(count, at=(2, [1]), seed=10)
    assert {path.vertex_at(2) for path in there} == {1}
    begin = alpha * np.linalg.matrix_power(matrix, 2)[:, 1]
    agree(np.mean([path.vertices[0] == 0 for path in there]), begin[0] / begin.sum(), count)


def test_far_in_the_tail_a_time_can_still_be_known():
    graph = models.erlang(3, 2.0)
    (path,) = graph.sample_paths(1, duration=900.0, seed=0)
    assert path.duration == 900.0
    assert len(path.vertices) == 4
    quick = graph.sample_paths(100, duration=1e-6, seed=0)
    assert all(len(each.vertices) == 4 for each in quick)


def test_jumps_of_a_short_erlang_are_uniform():
    # An Erlang's jumps, given its length, are as uniform numbers in order.
    paths = models.erlang(3, 2.0).sample_paths(5000, duration=4.0, seed=1)
    first = np.array([path.times[1] for path in paths]) / 4.0
    assert scipy.stats.kstest(first, scipy.stats.beta(1, 2).cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": -1}, "size is -1"),
        ({"ends": [0]}, "no chain ends"),
        ({"ends": [3], "duration": 1.0}, "at most one"),
        ({"duration": -1.0}, "not negative"),
        ({"duration": 0.0}, "takes longer"),
        ({"duration": np.inf}, "finite"),
        ({"at": 1.0}, "pair of a time and vertices"),
        ({"at": (1.0, [17])}, "no vertex 17"),
        ({"at": (0.0, [4])}, "no probability"),
    ],
)
def test_nonsense_is_refused_by_name(forked, given, message):
    with pytest.raises(InvalidGraph, match=message):
        forked.sample_paths(**given)


def test_too_many_steps_are_refused(forked):
    with pytest.raises(TooStiff, match="too many"):
        forked.sample_paths(1, duration=1e9)
    builder = Graph.builder(discrete=True)
    builder.add_edge(builder.add_vertex(1, 1.0), builder.add_vertex(0), 0.5)
    with pytest.raises(InvalidGraph, match="whole steps"):
        builder.build().sample_paths(1, duration=1.5)
