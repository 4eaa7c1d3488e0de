"""Rates and times too far apart for steps, against interval arithmetic and closed forms."""

import mpmath
import numpy as np
import pytest

from emberkeep.errors import TooStiff
from emberkeep.phasetype import Graph, doubling, emptying, models
from emberkeep.phasetype.chains import make_chain

ALPHA = np.array([0.5, 0.25, 0.25])


def switching(fast):
    """Two states that change fast, and a slow way out."""
    return np.array([[-fast - 0.25, fast, 0], [2 * fast, -2 * fast - 1, 1], [0, 0.5, -1.25]])


def bare(graph):
    return make_chain(graph, graph.edges.base, np.zeros((0, len(graph))))


def test_a_fast_state_at_the_end():
    graph = models.hypoexponential([1, 1, 1e7])
    times = np.array([0.1, 0.3, 1, 2, 5])
    left = (1 + times) * np.exp(-times)
    assert graph.survival(times).round(3).tolist() == [0.995, 0.963, 0.736, 0.406, 0.04]
    np.testing.assert_allclose(graph.survival(times), left, rtol=1e-6)
    np.testing.assert_allclose(graph.pdf(times), times * np.exp(-times), rtol=1e-5)


@pytest.mark.parametrize("fast", [2.0**20, 2.0**30, 2.0**50])
def test_fast_switching_and_a_slow_end(fast, enclosed):
    graph = Graph.from_matrix(switching(fast), ALPHA)
    times = np.array([4.0, 10.0, 50.0])
    known = enclosed(graph, times)
    np.testing.assert_allclose(graph.pdf(times), known["pdf"], rtol=1e-13)
    np.testing.assert_allclose(graph.survival(times), known["survival"], rtol=1e-13)
    np.testing.assert_allclose(graph.cdf(times), known["cdf"], rtol=1e-13)
    np.testing.assert_allclose(graph.state_probabilities(times), known["states"], rtol=1e-13)


def compare(graph, times, enclosed):
    """What is promised: cdf, survival and states to 1e-9 of themselves, densities to 1e-10."""
    known = enclosed(graph, times)
    rate = np.bincount(graph.edges.sources, graph.edges.base).max()
    late = rate * times > 2e6
    close = lambda found, expected, rtol: np.testing.assert_allclose(
        found, expected, rtol=rtol, atol=1e-270
    )
    close(graph.cdf(times), known["cdf"], 1e-9)
    close(graph.survival(times), known["survival"], 1e-9)
    close(graph.pdf(times), known["pdf"], 1e-9)
    np.testing.assert_allclose(graph.state_probabilities(times), known["states"], atol=1e-9)
    if late.any():  # what is proven to 1e-10 is in truth right to rounding
        close(graph.cdf(times[late]), known["cdf"][late], 1e-14)
        close(graph.survival(times[late]), known["survival"][late], 1e-14)
        close(graph.pdf(times[late]), known["pdf"][late], 1e-14)
        close(graph.state_probabilities(times[late]), known["states"][late], 1e-14)
    return int(late.sum())


@pytest.mark.parametrize(
    ("first", "count"), [(0, 30), pytest.param(1000, 1000, marks=pytest.mark.soak)]
)
def test_random_stiff_graphs(first, count, enclosed, stiff_graph):
    """Rates over twelve orders, and times over twelve: nothing is refused, nothing is off."""
    late = 0
    for seed in range(first, first + count):
        random = np.random.default_rng(seed)
        late += compare(stiff_graph(random), 10.0 ** random.uniform(-6, 6, 4), enclosed)
    assert late > count // 2


def test_small_probabilities_and_quantiles(enclosed):
    """A cdf is no difference: it is as precise when it is small."""
    graph = models.hypoexponential([1.0, 2.0, 3.0, 4e8])
    times = np.array([0.01, 0.1])
    known = enclosed(graph, times)
    assert known["cdf"][0] < 1e-5
    np.testing.assert_allclose(graph.cdf(times), known["cdf"], rtol=1e-13)
    np.testing.assert_allclose(graph.quantile(known["cdf"]), times, rtol=1e-13)
    np.testing.assert_allclose(graph.quantile([1e-12]), [(6e-12 / 6) ** (1 / 3)], rtol=1e-3)


def test_rewards_and_ends_of_their_own(enclosed):
    builder = Graph.builder()
    one, two = builder.add_vertex("slow", 0.75), builder.add_vertex("fast")
    ends = [builder.add_vertex("left"), builder.add_vertex("right", 0.25)]
    for edge in ((one, two, 0.5), (two, one, 1e9), (two, ends[0], 3e9), (one, ends[1], 0.25)):
        builder.add_edge(*edge)
    graph = builder.build()
    times = np.array([0.5, 4.0])
    known = enclosed(graph, times)["states"]
    found = graph.state_probabilities(times)
    np.testing.assert_allclose(found, known, rtol=1e-13)
    earned = graph.accumulated_rewards(times, rewards=[[1.0, 1e300], [0, 0], [0, 0], [0, 0]])
    # All that is spent in the slow state leads to the right end at a quarter.
    np.testing.assert_allclose(earned[:, 0] / 4, known[:, 3] - 0.25, rtol=1e-13)
    np.testing.assert_allclose(earned[:, 1], 1e300 * earned[:, 0], rtol=1e-14)


def test_parameter_vectors_that_need_different_ways():
    graph = models.islands(2, start=(1, 1))
    times = np.array([0.5, 100.0])
    rows = np.array([[1.0, 0.5], [1.0, 1e8], [1e-3, 1.0]])
    together = [graph.survival(times, rows), graph.pdf(times, rows), graph.cdf(times, rows)]
    states = graph.state_probabilities(times, rows)
    for vector, row in enumerate(rows):
        alone = [graph.survival(times, row), graph.pdf(times, row), graph.cdf(times, row)]
        for some, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(some[vector], one, rtol=1e-9)
        np.testing.assert_allclose(states[vector], graph.state_probabilities(times, row))


def test_rates_twelve_orders_apart():
    """Two lineages that hardly ever meet: the time is exponential."""
    graph = models.islands(2, start=(1, 1))
    times = np.array([5e11, 5e12, 1e13])
    found = graph.survival(times, [1.0, 1e-13])
    np.testing.assert_allclose(found, np.exp(-2e-13 * times), rtol=1e-9)


def coalesced(lineages, time):
    """(left, density) of the time to one ancestor (Tavaré, Theor. Popul. Biol. 26, 1984)."""
    with mpmath.workprec(400):
        left = density = mpmath.mpf(0)
        ratio = mpmath.mpf(1)
        for i in range(2, lineages + 1):
            ratio *= mpmath.mpf(lineages - i + 1) / (lineages + i - 1)
            rate = mpmath.mpf(i * (i - 1)) / 2
            if rate * time > 800:
                break
            term = (-1) ** i * (2 * i - 1) * ratio * mpmath.exp(-rate * time)
            left, density = left + term, density + rate * term
        return float(left), float(1 - left), float(density)


@pytest.mark.parametrize("lineages", [700, pytest.param(10_000, marks=pytest.mark.soak)])
def test_long_ways_down(lineages, monkeypatch):
    """States that are left ever more slowly: steps become longer as the fast ones empty."""
    monkeypatch.setattr(emptying, "LITTLE_WORK", 1e6)
    graph = models.lineages(lineages, theta=1.0)
    times = np.array([10.0, 20.0]) if lineages < 1000 else np.array([0.05, 1.0])
    known = np.array([coalesced(lineages, time) for time in times.tolist()]).T
    found = [graph.survival(times), graph.cdf(times), graph.pdf(times)]
    np.testing.assert_allclose(found, known, rtol=1e-12)


def test_both_ways_agree_on_what_is_gathered(monkeypatch):
    graph = models.lineages(60, theta=2e5)
    times = np.array([0.02, 3e-5, 1.0])
    rewards = np.arange(len(graph), dtype=float)
    doubled = graph.accumulated_rewards(times, rewards=rewards), graph.state_probabilities(times)
    monkeypatch.setattr(emptying, "LITTLE_WORK", 0)
    monkeypatch.setattr(emptying, "FEW", 64)
    emptied = graph.accumulated_rewards(times, rewards=rewards), graph.state_probabilities(times)
    for one, other in zip(doubled, emptied, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-270)


def test_a_time_without_end_is_no_trouble_once_all_has_ended():
    graph = models.erlang(2, 1.0)
    assert graph.survival([1e9, 1e30, 1e300]).tolist() == [0, 0, 0]
    assert graph.cdf([1e9, 1e30, 1e300]).tolist() == [1, 1, 1]
    states = graph.state_probabilities([1e9, 1e30])
    np.testing.assert_allclose(states[:, graph.absorbing[0]], 1, rtol=1e-14)


def test_what_could_not_be_right_is_refused():
    graph = models.hypoexponential([1e-15, 1e15])
    np.testing.assert_allclose(graph.survival(100.0), 1, rtol=1e-12)
    with pytest.raises(TooStiff, match="no digit would be certain"):
        graph.survival(1e15)
    with pytest.raises(TooStiff, match="no digit"):
        graph.state_probabilities(1e15)


def test_too_many_states_are_refused(monkeypatch):
    monkeypatch.setattr(emptying, "LITTLE_WORK", 10)
    monkeypatch.setattr(emptying, "MOST_WORK", 10)
    monkeypatch.setattr(emptying, "MOST_STEPS", 10_000)
    graph = Graph.from_matrix(switching(2.0**30), ALPHA)
    with pytest.raises(TooStiff, match="too many for anything but steps"):
        graph.pdf([10.0])


@pytest.mark.parametrize("mean", [1e7, 1e12, 1e17])
def test_the_bound_holds_for_what_is_worst(mean):
    """One state, left once: the error of e^-λt is all there is, doubled each time."""
    graph = models.hypoexponential([1.0, mean])
    chain = bare(graph)
    assert doubling.longest(chain) > 4 * mean
    found = doubling.doubled(chain, np.array([0.75]))[0]
    with mpmath.workdps(40):
        known = float(mpmath.exp(-mpmath.mpf(0.75)))
    assert found[0] == pytest.approx(known, rel=1e-15)


def test_twice_the_digits():
    """Products keep 30 digits, as the bound says."""
    random = np.random.default_rng(5)
    values = random.random((2, 7, 7)) * 10.0 ** random.uniform(-30, 30, (2, 7, 7))
    small = values * random.uniform(-1, 1, values.shape) * 2.0**-54
    one, other = (doubling.Precise(*pair) for pair in zip(values, small, strict=True))
    found = one.times(other)
    with mpmath.workprec(300):
        exact = np.vectorize(mpmath.mpf, otypes=[object])
        known = (exact(values[0]) + exact(small[0])) @ (exact(values[1]) + exact(small[1]))
        off = abs(exact(found.high) + exact(found.low) - known) / known
        assert float(off.max()) <= 15 * 2.0**-103


def test_more_steps_than_anybody_has_time_for():
    """In discrete time: the matrix of one step, squared again and again."""
    rare = 2.0**-40
    builder = Graph.builder(discrete=True)
    one, two, end = (builder.add_vertex(state, float(state == 0)) for state in range(3))
    for edge in ((one, two, 0.5), (two, one, 0.25), (two, end, rare)):
        builder.add_edge(*edge)
    graph = builder.build()
    steps = np.array([1.0, 2e6, 3e6, 1e12, 1e13])
    with mpmath.workdps(60):
        chain = mpmath.matrix([[0.5, 0.5], [0.25, 0.75 - mpmath.mpf(rare)]])
        powers = [chain ** int(step) for step in steps]
        left = [float(power[0, 0] + power[0, 1]) for power in powers]
        ended = [float(1 - power[0, 0] - power[0, 1]) for power in powers]
        before = [chain ** (int(step) - 1) for step in steps]
        mass = [float(power[0, 1] * rare) for power in before]
        states = [[float(power[0, 0]), float(power[0, 1])] for power in powers]
    np.testing.assert_allclose(graph.survival(steps), left, rtol=1e-9)
    np.testing.assert_allclose(graph.cdf(steps + 0.5), ended, rtol=1e-9)
    np.testing.assert_allclose(graph.pmf(steps), mass, rtol=1e-9)
    np.testing.assert_allclose(graph.state_probabilities(steps)[:, :2], states, rtol=1e-9)
    middle = graph.quantile(0.5)
    assert graph.cdf(middle) >= 0.5 > graph.cdf(middle - 1)
    earned = graph.accumulated_rewards([1e12], rewards=[1.0, 0.0, 0.0])
    assert 0 < earned[0] < graph.expectation(rewards=[1.0, 0.0, 0.0])


def test_long_discrete_chains_go_step_by_step(monkeypatch):
    builder = Graph.builder(discrete=True)
    for state in range(4):
        builder.add_vertex(state, float(state == 0))
    for state in range(3):
        builder.add_edge(state, state + 1, 2.0**-20)
    graph = builder.build()
    steps = np.array([2_100_000.0, 4_000_000.0])
    known = graph.survival(steps), graph.cdf(steps), graph.pmf(steps)
    monkeypatch.setattr(emptying, "LITTLE_WORK", 0)
    monkeypatch.setattr(emptying, "MOST_WORK", 1e9)
    monkeypatch.setattr(emptying, "work", lambda *_: 1e10)
    found = graph.survival(steps), graph.cdf(steps), graph.pmf(steps)
    np.testing.assert_allclose(found, known, rtol=1e-8)


@pytest.mark.parametrize("fast", [[1.5e308], [9e307, 9e307]])
def test_rates_next_to_the_largest_number_are_refused(fast):
    builder = Graph.builder()
    slow, quick = builder.add_vertex("slow", 1.0), builder.add_vertex("quick")
    ends = [builder.add_vertex(f"end {number}") for number in range(len(fast))]
    builder.add_edge(slow, quick, 1.0)
    for end, rate in zip(ends, fast, strict=True):
        builder.add_edge(quick, end, rate)
    graph = builder.build()
    with pytest.raises(TooStiff, match="smaller units"):
        graph.survival(1.0)


def test_rates_and_times_at_the_ends_of_what_floats_can_hold():
    graph = models.hypoexponential([1e-280, 1e-290])
    times = np.array([1e290, 1e303])
    np.testing.assert_allclose(graph.survival(times), [np.exp(-1), 0], rtol=1e-9)
    np.testing.assert_allclose(graph.cdf(times), [1 - np.exp(-1), 1], rtol=1e-9)
    fast = models.hypoexponential([1e300, 1e290])
    np.testing.assert_allclose(fast.survival(1e-290), np.exp(-1), rtol=1e-9)
