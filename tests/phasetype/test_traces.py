"""Traces: recorded once for a structure, kept, checked before they are used, light to load."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from emberkeep import Keep
from emberkeep.errors import EmberkeepWarning
from emberkeep.keep.default import DefaultKeep
from emberkeep.phasetype import (
    Graph,
    clear_trace_cache,
    get_trace_cache_stats,
    list_cached_traces,
    trace_cache_stats,
)
from emberkeep.phasetype import trace as trace_module

NEVER = {"numba", "llvmlite", "scipy", "sympy", "jax", "pandas", "xarray", "networkx"}


@pytest.fixture
def keep(tmp_path):
    return Keep(tmp_path / "keep")


def cycle(weights, order=None, name="cycle", states=False):
    """A ring of len(weights) vertices, each of which may end; in any numbering."""
    count = len(weights)
    builder = Graph.builder(name=name)
    number = {}
    for v in range(count + 1) if order is None else order:
        number[v] = builder.add_vertex(v if states else None, 1.0 if v == 0 else 0.0)
    for v, weight in enumerate(weights):
        builder.add_edge(number[v], number[(v + 1) % count], weight)
        builder.add_edge(number[v], number[count], 0.5 + v)
    return builder.build()


def expected(weights):
    """The mean, by dense algebra."""
    count = len(weights)
    matrix = np.diag(np.array(weights) + 0.5 + np.arange(count))
    for v, weight in enumerate(weights):
        matrix[v, (v + 1) % count] -= weight
    return np.linalg.solve(matrix, np.ones(count))[0]


WEIGHTS = [1.0, 2.0, 0.25, 3.0, 1.5]


# Hits --------------------------------------------------------------------------------------------


def test_a_second_graph_finds_the_trace(keep):
    first = cycle(WEIGHTS).record(keep)
    second = cycle(WEIGHTS).record(keep)
    assert not first.hit
    assert second.hit
    assert second.key == first.key != ""
    assert second.structure_hash == first.structure_hash == cycle(WEIGHTS).structure_hash
    np.testing.assert_array_equal(second.pattern.array, first.pattern.array)
    assert second.size_bytes == first.pattern.array.nbytes > 0
    assert second.operations > 0
    assert "cycle" in repr(first)
    assert "cycle" in repr(second)


@pytest.mark.parametrize("states", [False, True])
def test_other_weights_and_other_numberings_have_the_same_trace(keep, states):
    first = cycle(WEIGHTS, states=states).record(keep)
    rng = np.random.default_rng(0)
    for _ in range(5):
        weights = rng.uniform(0.1, 9, 5).tolist()
        found = cycle(weights, rng.permutation(6).tolist(), states=states).record(keep)
        assert found.hit
        assert found.key == first.key
        np.testing.assert_array_equal(found.pattern.array, first.pattern.array)


def test_another_structure_has_another_trace(keep):
    first = cycle(WEIGHTS).record(keep)
    for other in (cycle([1.0] * 6), cycle(WEIGHTS, states=True), cycle([1.0] * 4)):
        found = other.record(keep)
        assert not found.hit
        assert found.key != first.key
    assert trace_cache_stats(keep)["traces"] == 4


def test_other_thetas_have_the_same_trace(keep, coalescent):
    graph = coalescent(6)
    trace = graph.record(keep)
    assert trace.instantiate([2.0]).expectation() == pytest.approx(2 * (1 - 1 / 6) / 2)
    assert trace.instantiate([0.5]).expectation() == pytest.approx(2 * (1 - 1 / 6) / 0.5)


def test_the_order_of_hits_in_numbers(keep, monkeypatch):
    monkeypatch.setattr("emberkeep.keep.default.process", DefaultKeep(keep))
    cycle(WEIGHTS).record(keep)
    for order in ([5, 0, 3, 2, 1, 4], [1, 2, 3, 4, 5, 0]):
        graph = cycle(WEIGHTS, order)
        assert graph.expectation() == pytest.approx(expected(WEIGHTS), rel=1e-14)
        assert graph.record().hit


# Other processes ---------------------------------------------------------------------------------

PROGRAM = """
import json, sys
import numpy
before = set(sys.modules)
from emberkeep.phasetype import Graph
order = {order}
builder = Graph.builder(theta_length=1, name="process")
number = {{}}
for v in order:
    number[v] = builder.add_vertex((v, 0) if {states} else None, 1.0 if v == 0 else 0.0)
for v in range({count}):
    builder.add_edge(number[v], number[(v + 1) % {count}], [{weight} + v])
    builder.add_edge(number[v], number[{count}], 0.5 + v)
graph = builder.build()
trace = graph.record()
mean = graph.expectation([2.0])
more = [graph.variance([2.0]), graph.pdf(1.0, [2.0]), graph.cdf(1.0, [2.0])] if {more} else []
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(json.dumps([trace.hit, trace.key, mean, more, sorted(loaded)]))
"""


def run(order, weight=1.0, states=True, more=True):
    program = PROGRAM.format(
        order=order, weight=weight, states=states, count=len(order) - 1, more=more
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("states", [True, False])
def test_a_second_process_hits_and_imports_no_compiler(states):
    count = 7 + states  # a structure that no other test has
    _, key, mean, more, _ = run([*range(count + 1)], states=states)
    shuffled = np.random.default_rng(1).permutation(count + 1).tolist()
    hit, again, second, also, loaded = run(shuffled, states=states)
    assert hit
    assert again == key
    assert second == pytest.approx(mean, rel=1e-14)
    assert also == pytest.approx(more, rel=1e-12)
    assert not NEVER & set(loaded), NEVER & set(loaded)
    hit, again, other, _, loaded = run(shuffled, weight=3.0, states=states)
    assert hit
    assert again == key
    assert other != mean
    assert not NEVER & set(loaded)


# What is put in place of a trace -----------------------------------------------------------------


def forge(keep, graph, other, monkeypatch):
    """Keep, sealed and under the graph's own key, what was recorded for another graph."""
    edges = other.canonical.edges
    honest = trace_module.analyse
    with monkeypatch.context() as patch:
        patch.setattr(trace_module, "analyse", lambda *_: honest(edges.starts, edges.targets))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trace_module.obtain_trace(graph, keep)


@pytest.mark.parametrize(
    "other",
    [
        lambda: cycle([1.0] * 6),
        lambda: cycle([1.0] * 4),
        lambda: Graph.from_matrix(np.diag([-1.0] * 5), [0.2] * 5),
        lambda: Graph.from_callback(
            lambda s: [(s - 1, 1.0), (0, 0.5)] if s > 1 else [(0, 1.0)] if s else [], [(5, 1.0)]
        ),
    ],
)
def test_a_kept_trace_of_another_graph_is_not_used(keep, other, monkeypatch):
    forge(keep, cycle(WEIGHTS), other(), monkeypatch)
    monkeypatch.setattr("emberkeep.keep.default.process", DefaultKeep(keep))
    graph = cycle(WEIGHTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmberkeepWarning)
        trace = graph.record(keep)
        assert not trace.hit
        edges = graph.canonical.edges
        assert trace.pattern.fits(edges.starts, edges.targets)
        assert graph.expectation() == pytest.approx(expected(WEIGHTS), rel=1e-14)
    assert cycle(WEIGHTS).record(keep).hit, "it was replaced"


@pytest.mark.parametrize(
    "blobs",
    [{}, {"program": b"odd"}, {"program": b""}, {"program": b"\xff" * 400}, {"other": b"1234"}],
)
def test_what_is_no_trace_is_recorded_again_and_replaced(keep, blobs, monkeypatch):
    """Whoever is trusted may have signed anything."""
    ask = keep.get_or_build
    with monkeypatch.context() as patch:
        patch.setattr(trace_module, "_fitting", lambda *_: "anything")
        patch.setattr(
            type(keep),
            "get_or_build",
            lambda _self, *given, **options: ask(*given[:3], lambda: blobs, **options),
        )
        cycle(WEIGHTS).record(keep)
    assert not cycle(WEIGHTS).record(keep).hit
    assert cycle(WEIGHTS).record(keep).hit


def blob_paths(root):
    found = []
    for folder, _, files in os.walk(root / "blobs"):
        found += [os.path.join(folder, name) for name in files]
    return found


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write_over(path, data):
    os.chmod(path, 0o600)
    with open(path, "wb") as file:
        file.write(data)


@pytest.mark.parametrize("damage", ["empty", "truncated", "a bit", "longer", "another's", "gone"])
def test_a_damaged_trace_is_recorded_anew(tmp_path, damage, monkeypatch):
    keep = Keep(tmp_path / "keep")
    first = cycle(WEIGHTS).record(keep)
    foreign = cycle([1.0] * 6)
    edges = foreign.canonical.edges
    data = first.pattern.array.tobytes()
    (path,) = [p for p in blob_paths(tmp_path / "keep") if read(p) == data]
    bit = bytearray(data)
    bit[200] ^= 4
    if damage == "gone":
        os.remove(path)
    else:
        write_over(
            path,
            {
                "empty": b"",
                "truncated": data[:-4],
                "a bit": bytes(bit),
                "longer": data + b"\0\0\0\0",
                "another's": trace_module.analyse(edges.starts, edges.targets).array.tobytes(),
            }[damage],
        )
    again = Keep(tmp_path / "keep")
    monkeypatch.setattr("emberkeep.keep.default.process", DefaultKeep(again))
    graph = cycle(WEIGHTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmberkeepWarning)
        assert graph.expectation() == pytest.approx(expected(WEIGHTS), rel=1e-14)
        assert not graph.record().hit
        np.testing.assert_array_equal(graph.record().pattern.array, first.pattern.array)
        # It has healed.
        assert cycle(WEIGHTS).record(Keep(tmp_path / "keep")).hit


def test_a_trace_without_the_users_seal_is_not_used(tmp_path, monkeypatch):
    first = cycle(WEIGHTS).record(Keep(tmp_path / "keep"))
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "somebody else"))
    stranger = Keep(tmp_path / "keep")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmberkeepWarning)
        trace = cycle(WEIGHTS).record(stranger)
    assert not trace.hit
    np.testing.assert_array_equal(trace.pattern.array, first.pattern.array)


# Keeps that cannot be written or read ------------------------------------------------------------


def test_a_keep_in_a_place_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(EmberkeepWarning):
        trace = cycle(WEIGHTS).record(Keep(tmp_path / "file"))
    assert not trace.hit
    edges = cycle(WEIGHTS).canonical.edges
    assert trace.pattern.fits(edges.starts, edges.targets)


def test_a_broken_keep_by_default_still_gives_right_numbers(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr("emberkeep.keep.default.process", DefaultKeep(Keep(tmp_path / "file")))
    with pytest.warns(EmberkeepWarning):
        found = cycle(WEIGHTS).expectation()
    assert found == pytest.approx(expected(WEIGHTS), rel=1e-14)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    folder = tmp_path / "keep"
    folder.mkdir()
    folder.chmod(0o500)
    monkeypatch.setattr("emberkeep.keep.default.process", DefaultKeep(Keep(folder)))
    with pytest.warns(EmberkeepWarning):
        found = cycle(WEIGHTS).expectation()
    assert found == pytest.approx(expected(WEIGHTS), rel=1e-14)
    folder.chmod(0o700)


def test_a_read_only_keep_is_read_and_not_written(tmp_path, monkeypatch):
    cycle(WEIGHTS).record(Keep(tmp_path / "keep"))
    monkeypatch.setenv("EMBERKEEP_READ_ONLY", "1")
    before = sorted(blob_paths(tmp_path / "keep"))
    reader = Keep(tmp_path / "keep")
    assert cycle(WEIGHTS).record(reader).hit
    assert not cycle([1.0] * 6).record(reader).hit
    assert sorted(blob_paths(tmp_path / "keep")) == before


# Looking at what is kept -------------------------------------------------------------------------


def test_statistics_listing_and_clearing(keep, tmp_path):
    assert list_cached_traces(keep) == []
    empty = trace_cache_stats(keep)
    assert (empty["traces"], empty["size_bytes"], empty["hits"], empty["misses"]) == (0, 0, 0, 0)
    assert clear_trace_cache(keep) == 0
    first = cycle(WEIGHTS, name="one").record(keep)
    second = cycle([1.0] * 9, name="two").record(keep)
    cycle(WEIGHTS, name="one").record(keep)
    stats = trace_cache_stats(keep)
    assert (stats["traces"], stats["hits"], stats["misses"]) == (2, 1, 2)
    assert stats["size_bytes"] >= first.size_bytes + second.size_bytes
    assert stats["seconds_spent"] > 0
    assert str(stats["root"]) == str(tmp_path / "keep")
    listed = list_cached_traces(keep)
    assert {trace["name"] for trace in listed} == {"one", "two"}
    assert {trace["key"] for trace in listed} == {first.key, second.key}
    assert [t["last_used"] for t in listed] == sorted(
        (t["last_used"] for t in listed), reverse=True
    )
    assert clear_trace_cache(keep) == 2
    assert list_cached_traces(keep) == []
    assert not cycle(WEIGHTS, name="one").record(Keep(tmp_path / "keep")).hit
    assert get_trace_cache_stats is trace_cache_stats


def test_clearing_leaves_other_artifacts_alone(keep):
    keep.get_or_build("other", "thing", {"a": 1}, lambda: {"x": b"data"})
    cycle(WEIGHTS).record(keep)
    assert clear_trace_cache(keep) == 1
    assert keep.get_or_build("other", "thing", {"a": 1}, lambda: {"x": b"data"}).hit


def test_looking_makes_no_keep(tmp_path):
    keep = Keep(tmp_path / "none")
    trace_cache_stats(keep)
    list_cached_traces(keep)
    clear_trace_cache(keep)
    assert not (tmp_path / "none").exists()


def test_looking_by_default_is_at_the_keep_of_the_process(keep, monkeypatch):
    monkeypatch.setattr("emberkeep.keep.default.process", DefaultKeep(keep))
    cycle(WEIGHTS).expectation()
    assert trace_cache_stats()["traces"] == 1
    assert [trace["name"] for trace in list_cached_traces()] == ["cycle"]
    assert clear_trace_cache() == 1


def test_a_keep_that_is_passed_is_the_one_that_is_used(tmp_path, keep, monkeypatch):
    monkeypatch.setattr("emberkeep.keep.default.process", DefaultKeep(keep))
    one, other = Keep(tmp_path / "one"), Keep(tmp_path / "other")
    graph = cycle([1.0] * 11)
    assert not graph.record(one).hit
    assert not graph.record(other).hit
    assert graph.record(one).hit
    assert trace_cache_stats(keep)["traces"] == 0
    assert (tmp_path / "one").is_dir()


def test_the_command_line_lists_and_clears_traces(keep, tmp_path, home):
    trace = cycle(WEIGHTS, name="by command").record(keep)
    environ = {**os.environ, "EMBERKEEP_DIR": str(tmp_path / "keep")}
    command = [sys.executable, "-m", "emberkeep", "ls", "traces"]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "by command" in ran.stdout or "by-command" in ran.stdout
    assert trace.key


def test_a_graph_remembers_its_trace(keep, monkeypatch):
    monkeypatch.setattr("emberkeep.keep.default.process", DefaultKeep(keep))
    graph = cycle(WEIGHTS)
    assert graph.record() is graph.record()
    graph.expectation()
    assert trace_cache_stats(keep)["misses"] == 1
