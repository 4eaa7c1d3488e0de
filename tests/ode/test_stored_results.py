"""Results on disk: the same numbers as in memory, whatever is cut where; and what goes wrong."""

import errno
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import emberkeep
from emberkeep import InvalidPlan, NotWritten, SolveFailed, SolveWarning, SpillWarning, ode
from emberkeep.ode import memory
from emberkeep.ode.running import cpu
from emberkeep.ode.running.job import Outcome
from emberkeep.ode.stored import destination, folder, layout, writer
from emberkeep.ode.stored.blocks import blocks
from emberkeep.ode.stored.folder import Folder

SPRING = ode.System(
    "dx = v; dv = -k*x; energy = v^2/2 + k*x^2/2",
    states={"x": 1.0, "v": 0.0},
    parameters={"k": 1.0, "m": 2.0},
    constants={"c": 3.0},
    observables=["energy"],
    name="spring",
    units={"t": "seconds", "x": "m", "energy": "J", "k": "1/s^2"},
)
BLOWUP = ode.System("dx = x^2", {"x": 0.1}, name="blowup")
K = np.linspace(0.5, 2, 1000)
SAVED = {"save_at": [0.0, 0.5, 1.0], "outputs": ["states", "final", "mean", "steps"]}


@pytest.fixture(scope="module")
def solver(keep):
    return ode.Solver(SPRING, target="cpu", keep=keep)


@pytest.fixture
def small(monkeypatch):
    """Parts of some hundred trajectories, in several chunks, which are written one by one."""
    monkeypatch.setattr(writer, "PART_BYTES", 1 << 13)
    monkeypatch.setattr(writer, "SLAB_BYTES", 1)
    monkeypatch.setattr(layout, "CHUNK_BYTES", 1 << 10)
    monkeypatch.setattr(cpu, "BUSY", 1)


def chunks(array):
    """Files of an array."""
    return sum(len(names) for _, _, names in os.walk(os.path.join(array, "c")))


def count(held, t, y, p):
    return held + 1


def both(held, t, y, p):
    return held[0] + 1, held[1] + p.k * y.x


# The same numbers --------------------------------------------------------------------------------

SOLVES = {
    "verbatim": {"parameters": {"k": K}, **SAVED},
    "final": {"parameters": {"k": K}, "initial": {"x": -K}},
    "summaries": {"parameters": {"k": K}, "save_at": 0.25, "outputs": ["std", "max_abs"]},
    "grid": {
        "parameters": {"k": K[:13], "m": np.arange(3.0)},
        "initial": {"v": np.linspace(0, 1, 17)},
        "grid": "combinations",
        **SAVED,
    },
    "one": SAVED,
    "times of their own": {
        "t_span": (np.zeros(1000), 1 + K),
        "parameters": {"k": K},
        "save_at": np.stack([0 * K, K, 1 + K], axis=-1),
        "outputs": ["states", "steps"],
    },
    "times of their own on a grid": {
        "parameters": {"k": K[:40], "m": np.arange(25.0)},
        "grid": "combinations",
        "save_at": np.stack([K / 4, K / 2], axis=-1),
    },
    "ends of their own": {"t_span": (0, K), "parameters": {"k": K}},
    "backwards": {"t_span": (1, 0), "parameters": {"k": K}, "save_at": [1.0, 0.25]},
    "windows": {
        "parameters": {"k": K},
        "save_at": 0.125,
        "windows": 0.5,
        "outputs": ["mean", "time_of_max", "derivative_max", "peaks", ode.Summary("n", 0, count)],
        "most_records": 4,
    },
    "windows of their own": {
        "t_span": (K, K + 1),
        "parameters": {"k": K},
        "save_at": 0.125,
        "windows": 0.5,
        "outputs": ["min", ode.Summary("both", (0, 0.0), both), "step_times"],
        "most_records": 3,
    },
    "fixed steps": {"controller": "fixed", "dt": 0.1, "parameters": {"k": K}, **SAVED},
}


@pytest.mark.parametrize("name", SOLVES)
def test_what_is_on_disk_is_what_would_be_in_memory(name, solver, small, tmp_path):
    options = {"t_span": (0, 1), **SOLVES[name]}
    here = solver.solve(**options)
    there = solver.solve(**options, into=tmp_path / "runs.zarr")
    if name != "one":
        assert chunks(tmp_path / "runs.zarr" / "status") > 2
    expected, found = here.to_xarray(), there.to_xarray()
    assert len(expected.data_vars) > 1
    extra = {"t_start", "t_end"} & set(found.coords)
    xr.testing.assert_identical(found.drop_vars(extra).drop_attrs(), expected.drop_attrs())
    assert list(found.data_vars) == list(expected.data_vars)
    np.testing.assert_array_equal(there.status, here.status)
    for variable in expected.variables:
        assert found[variable].dtype == expected[variable].dtype
        assert found[variable].attrs == expected[variable].attrs


def test_drivers_of_their_own_are_cut_with_their_trajectories(keep, small, tmp_path):
    system = ode.System("dx = u", {"x": 0.0}, drivers=["u"], name="driven")
    solver = ode.Solver(system, target="cpu", keep=keep)
    rows = ode.Driver(np.linspace(0, 1, 5), np.random.default_rng(1).random((1000, 5)))
    there = solver.solve((0, 1), drivers={"u": rows}, into=tmp_path / "x")
    assert chunks(tmp_path / "x" / "status") > 1
    here = solver.solve((0, 1), drivers={"u": rows})
    np.testing.assert_array_equal(there["x"], here["x"])


def test_spans_of_their_own_are_told(solver, tmp_path):
    solver.solve((K - 0.5, 1 + K), parameters={"k": K}, into=tmp_path / "runs.zarr")
    stored = xr.open_zarr(tmp_path / "runs.zarr")
    np.testing.assert_array_equal(stored.coords["t_start"], K - 0.5)
    np.testing.assert_array_equal(stored.coords["t_end"], K + 1)


def test_spans_of_their_own_beside_a_summary_of_their_name(solver, tmp_path):
    ones = ode.Summary("t_start", 0.0, lambda held, t, y, p: held + 1)
    stored = solver.solve(
        ([0, 0.5], [1, 1.5]), save_at=[[0.5, 1.0], [1.0, 1.5]], outputs=[ones],
        into=tmp_path / "runs.zarr",
    ).to_xarray()  # fmt: skip
    assert stored["t_start"].values.tolist() == [2, 2]
    assert stored["t_start_"].values.tolist() == [0, 0.5]


def test_single_precision(keep, small, tmp_path):
    solver = ode.Solver(SPRING, target="cpu", precision="float32", keep=keep)
    given = {"parameters": {"k": K}, **SAVED}
    here, there = solver.solve((0, 1), **given), solver.solve((0, 1), **given, into=tmp_path / "x")
    assert there["x"].dtype == np.float32
    np.testing.assert_array_equal(there["x"], here["x"])


def test_where_it_is_cut_changes_nothing(solver, monkeypatch, tmp_path):
    found = []
    for place, (part, chunk) in enumerate(
        [(1 << 14, 1 << 9), (1 << 16, 1 << 13), (1 << 30, 1 << 30)]
    ):
        monkeypatch.setattr(writer, "PART_BYTES", part)
        monkeypatch.setattr(layout, "CHUNK_BYTES", chunk)
        monkeypatch.setattr(cpu, "BUSY", 1)
        path = tmp_path / str(place)
        solver.solve((0, 1), parameters={"k": K, "m": K[::-1]}, **SAVED, into=path)
        found.append((chunks(path / "status"), xr.open_zarr(path).load()))
    assert [count for count, _ in found] == [16, 4, 1]
    for _, other in found[1:]:
        xr.testing.assert_identical(other, found[0][1])


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 300), st.integers(1, 300)
)
def test_blocks_cover_a_grid_and_lie_within_larger_ones(lengths, most, fewer):
    shape = (*lengths,)
    cut, finer = blocks(shape, most), blocks(shape, min(most, fewer))
    numbers = np.arange(np.prod(shape)).reshape(shape)
    ranges = [*cut.ranges()]
    assert [begin for begin, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
    assert ranges[-1][1] == numbers.size
    for begin, end in ranges:
        assert 0 < end - begin <= most
        place = cut.place(begin, end)
        np.testing.assert_array_equal(numbers[place].ravel(), np.arange(begin, end))
        # Each begins where a chunk does: no two write to one.
        assert all(each.start % size == 0 for each, size in zip(place, finer.box, strict=True))


def test_results_as_a_gpu_lays_them_out_are_written_the_same(solver, small, monkeypatch, tmp_path):
    given = {"parameters": {"k": K}, **SAVED}
    here = solver.solve((0, 1), **given)
    part = solver.running()._part

    def turned(*given):
        outcome = part(*given)
        arrays = {name: np.asfortranarray(array) for name, array in outcome.results.items()}
        assert arrays["states"].strides[0] == 8
        return Outcome(outcome.status, arrays)

    monkeypatch.setattr(solver.running(), "_part", turned)
    there = solver.solve((0, 1), **given, into=tmp_path / "x")
    xr.testing.assert_identical(there.to_xarray().drop_attrs(), here.to_xarray().drop_attrs())


def test_a_trajectory_that_is_larger_than_a_chunk_is_cut_along_time(solver, monkeypatch, tmp_path):
    monkeypatch.setattr(layout, "CHUNK_BYTES", 1 << 10)
    there = solver.solve((0, 1), parameters={"k": [1, 4]}, save_at=1 / 1024, into=tmp_path / "x")
    assert chunks(tmp_path / "x" / "x") == 2 * 9
    t = np.arange(1025) / 1024
    np.testing.assert_allclose(there["x"], [np.cos(t), np.cos(2 * t)], atol=1e-5)


# What one does with it ---------------------------------------------------------------------------


def test_few_trajectories_with_many_times_are_in_few_files(solver, tmp_path):
    times = np.linspace(0, 1, 10_000)
    stored = solver.solve((0, 1), save_at=times, into=tmp_path / "x")
    assert [chunks(tmp_path / "x" / label) for label in ("t", "x", "status")] == [1, 1, 1]
    np.testing.assert_array_equal(stored["x"].t, times)


def test_a_stored_result_reads_as_one_in_memory(solver, tmp_path):
    given = {"parameters": {"k": K}, **SAVED}
    here, there = solver.solve((0, 1), **given), solver.solve((0, 1), **given, into=tmp_path / "x")
    assert isinstance(there, ode.StoredResult)
    assert (len(there), [*there], there.name) == (1000, ["x", "v", "energy"], "spring")
    assert "energy" in there
    assert "k" not in there
    np.testing.assert_array_equal(there["energy"][3:5], here["energy"][3:5])
    np.testing.assert_array_equal(there.at_end("v"), here.at_end("v"))
    np.testing.assert_array_equal(there.summary("mean", "x"), here.summary("mean", "x"))
    np.testing.assert_array_equal(there["x"].k, K)
    assert there.require_success() is there
    assert there.failed.size == 0
    text = repr(there)
    assert "1,000 of them succeeded" in text
    assert str(tmp_path / "x") in text
    with pytest.raises(KeyError, match="'q' is no state; there are x, v, energy"):
        there["q"]
    with pytest.raises(KeyError, match="'max' was not asked for; there are states, final"):
        there.summary("max", "x")


def test_values_are_read_when_they_are_asked_for(solver, small, tmp_path):
    there = solver.solve((0, 1), parameters={"k": K}, **SAVED, into=tmp_path / "x")
    one = there["x"].to_numpy()
    shutil.rmtree(tmp_path / "x" / "x" / "c")
    assert np.isnan(there["x"]).all()  # none of them is remembered
    assert np.isfinite(one).all()


def test_it_pickles_as_its_path(solver, tmp_path):
    there = solver.solve((0, 1), parameters={"k": K}, **SAVED, into=tmp_path / "x")
    pickled = pickle.dumps(there)
    assert len(pickled) < 4000
    np.testing.assert_array_equal(pickle.loads(pickled)["x"], there["x"])


OTHERS = """
import sys, warnings
warnings.simplefilter("error")
import xarray
stored = xarray.open_zarr(sys.argv[1])
print(dict(stored.sizes), sorted(stored.coords), stored.attrs["system"], stored.attrs["complete"])
print(stored.x.sel(run=3, t=1.0).item(), stored.attrs["method"], stored.attrs["constants"])
print(any(name.startswith("emberkeep") for name in sys.modules))
"""


def test_others_read_it_without_emberkeep(solver, tmp_path):
    path = tmp_path / "runs.zarr"
    there = solver.solve((0, 1), parameters={"k": K}, **SAVED, into=path)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", OTHERS, str(path)]
    read = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    lines = read.splitlines()
    assert lines[0] == "{'run': 1000, 't': 3} ['k', 'run', 't'] spring 1"
    assert lines[1] == f'{float(there["x"][3, -1])} tsit5 {{"c": 3.0}}'
    assert lines[2] == "False"
    assert not [name for name in path.rglob("*") if name.suffix in (".pkl", ".pickle")]


REOPEN = """
import sys
from emberkeep import ode
result = ode.open_result(sys.argv[1])
print(len(result), result.is_complete, float(result["x"][7, 1]))
"""


def test_another_process_opens_it(solver, tmp_path):
    there = solver.solve((0, 1), parameters={"k": K}, **SAVED, into=tmp_path / "x")
    command = [sys.executable, "-c", REOPEN, str(tmp_path / "x")]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert read == f"1000 True {float(there['x'][7, 1])}\n"


def test_failures_are_told_as_those_in_memory_are(keep, small, tmp_path):
    solver = ode.Solver(BLOWUP, target="cpu", keep=keep)
    x = np.linspace(0.01, 1.2, 3000)
    with pytest.warns(SolveWarning, match="Of 3,000 trajectories of blowup, "):
        there = solver.solve((0, 1), initial={"x": x}, into=tmp_path / "x")
    with pytest.warns(SolveWarning):
        here = solver.solve((0, 1), initial={"x": x})
    np.testing.assert_array_equal(there.failed, here.failed)
    assert there.failed.size
    np.testing.assert_array_equal(there["x"], here["x"])
    with pytest.raises(SolveFailed, match=f"The first is number {here.failed[0]}"):
        there.require_success()


# Where it goes, and what is refused --------------------------------------------------------------


def test_what_is_there_is_not_overwritten_unless_that_is_said(solver, tmp_path):
    path = tmp_path / "runs.zarr"
    path.mkdir()  # an empty folder may be one that somebody made for it
    solver.solve((0, 1), parameters={"k": K}, into=path)
    with pytest.raises(InvalidPlan, match=r"is an earlier result.*overwrite=True"):
        solver.solve((0, 1), into=path)
    assert len(ode.open_result(path)) == 1000
    assert len(solver.solve((0, 1), into=path, overwrite=True)) == 1
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("years of work")
    with pytest.raises(InvalidPlan, match="no result of emberkeep's"):
        solver.solve((0, 1), into=tmp_path / "thesis", overwrite=True)
    with pytest.raises(InvalidPlan, match="no result of emberkeep's"):
        solver.solve((0, 1), into=tmp_path / "thesis" / "text", overwrite=True)
    assert (tmp_path / "thesis" / "text").read_text() == "years of work"
    (path / "notes.txt").write_text("what this was about")
    with pytest.raises(InvalidPlan, match=r"'notes.txt' lies in it"):
        solver.solve((0, 1), into=path, overwrite=True)
    (path / "notes.txt").unlink()
    assert len(ode.open_result(path)) == 1
    link = tmp_path / "link.zarr"
    link.symlink_to(path)
    assert len(solver.solve((0, 1), parameters={"k": K[:2]}, into=link, overwrite=True)) == 2
    assert len(ode.open_result(path)) == 2


def test_what_is_made_of_a_dataset_is_no_result(solver, tmp_path):
    stored = solver.solve((0, 1), parameters={"k": K}, into=tmp_path / "runs.zarr")
    path = tmp_path / "first.zarr"
    stored.to_xarray()[["x"]].isel(run=slice(10)).to_zarr(path, consolidated=False)
    with pytest.raises(InvalidPlan, match="no result of emberkeep's"):
        ode.open_result(path)
    with pytest.raises(InvalidPlan, match="no result of emberkeep's"):
        solver.solve((0, 1), into=path, overwrite=True)


def test_a_folder_is_one_solves_alone(solver, small, monkeypatch, tmp_path):
    """Also while there is nothing in it; and where it may be replaced."""
    path, refused = tmp_path / "runs.zarr", []

    def meanwhile(self, *given):
        for overwrite in (False, True):
            with pytest.raises(InvalidPlan, match="Another solve is writing") as caught:
                Folder(path)
            refused.append(caught.value)
            with pytest.raises(InvalidPlan):
                solver.solve((0, 1), into=path, overwrite=overwrite)
        return make(self, *given)

    make = writer.Writer._make
    with monkeypatch.context() as patched:
        patched.setattr(writer.Writer, "_make", meanwhile)
        first = solver.solve((0, 1), parameters={"k": K}, into=path)
    assert len(refused) == 2
    assert first.is_complete
    assert len(first) == 1000
    assert len(solver.solve((0, 1), into=path, overwrite=True)) == 1  # it was left


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"into": "s3://bucket/runs"}, r"into='s3://bucket/runs' must be the path of a folder"),
        ({"into": 3}, "into=3 must be the path"),
        ({"into": ""}, "into='' must be the path"),
        ({"into": "no/where/runs.zarr"}, "there is no folder .*no/where"),
        ({"into": "a\0b"}, "must be the path"),
        ({"into": "x", "overwrite": "no"}, "overwrite='no' must be True or False"),
        ({"overwrite": True}, "overwrite=True is of what into= names"),
        ({"memory": "much"}, "memory='much' is no size"),
        ({"memory": -1}, "memory=-1 is no size"),
        ({"memory": float("nan")}, "memory=nan is no size"),
        ({"memory": [1]}, "is no size"),
        ({"memory": 100}, "One trajectory's results alone take"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_compiled(
    options, problem, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    system = ode.System("dx = -1.25*x", {"x": 1.0}, name="never compiled")
    with pytest.raises(InvalidPlan, match=problem):
        ode.solve(system, (0, 1), save_at=0.01, target="cpu", **options)
    assert not [*tmp_path.iterdir()]


def test_results_larger_than_memory_may_hold_go_to_a_new_folder(solver, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = {"parameters": {"k": K}, "save_at": 0.1, "memory": "200 kB"}
    for number in (1, 2):
        with pytest.warns(SpillWarning, match=rf"memory='200 kB'.*spring-{number}\.zarr") as told:
            there = solver.solve((0, 1), **given)
        assert told[0].filename == __file__
        assert there.path == str(tmp_path / f"spring-{number}.zarr")
        assert len(there) == 1000
    assert isinstance(solver.solve((0, 1), **given | {"memory": "300 kB"}), ode.Result)
    assert isinstance(solver.solve((0, 1), **given | {"memory": float("inf")}), ode.Result)
    assert len([*tmp_path.iterdir()]) == 2


def test_by_default_memory_is_three_quarters_of_what_there_is(solver, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory, "ALWAYS_THERE", 0)
    monkeypatch.setattr("emberkeep.ode.solver.ALWAYS_THERE", 0)
    monkeypatch.setattr(memory, "_machine", lambda: 400_000)
    given = {"parameters": {"k": K}, "save_at": 0.1}
    with pytest.warns(SpillWarning, match="three quarters of this machine's memory"):
        assert isinstance(solver.solve((0, 1), **given | {"save_at": 0.0625}), ode.StoredResult)
    assert isinstance(solver.solve((0, 1), **given), ode.Result)
    with pytest.raises(InvalidPlan, match=r"this machine has.*into='….zarr'"):
        solver.solve((0, 1), **given | {"save_at": 0.0625}, memory=float("inf"))


def test_a_disk_that_may_be_too_small_is_told_before(solver, monkeypatch, tmp_path):
    disk = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(destination.shutil, "disk_usage", lambda path: disk._replace(free=10_000))
    with (
        pytest.warns(SpillWarning, match="are free where .*runs.zarr is written"),
        pytest.raises(NotWritten, match="No space left"),
    ):
        solver.solve((0, 1), parameters={"k": K}, save_at=0.1, into=tmp_path / "runs.zarr")


@pytest.mark.parametrize("name", ["zarr", "xarray"])
def test_without_zarr_the_extra_is_named(name, solver, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(emberkeep.EmberkeepError, match=rf"{name}.*emberkeep\[zarr\]"):
        solver.solve((0, 1), into=tmp_path / "x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(emberkeep.EmberkeepError, match=rf"GiB.*{name}.*emberkeep\[zarr\]"):
        solver.solve((0, 1), parameters={"k": K}, memory="10 kB")
    assert not [*tmp_path.iterdir()]


# Memory ------------------------------------------------------------------------------------------

SECOND = {
    "proc": "0::/user.slice/job\n",
    "fs/user.slice/memory.max": "3000",
    "fs/memory.max": "max",
}
FIRST = {
    "proc": "9:name=systemd:/\n4:cpu,memory:/docker/1\n1:cpu:/\n0::/\n",
    "fs/memory/memory.limit_in_bytes": "2000\n",  # a container sees its own group as the root
    "fs/memory/docker/memory.limit_in_bytes": "9223372036854771712\n",
}


@pytest.mark.parametrize(("files", "expected"), [(SECOND, 3000), (FIRST, 2000), ({}, 5000)])
def test_a_containers_limit_counts(files, expected, tmp_path, monkeypatch):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "GROUPS", str(tmp_path / "proc"))
    monkeypatch.setattr(memory, "MOUNTED", str(tmp_path / "fs"))
    monkeypatch.setattr(memory, "_machine", lambda: 5000)
    assert memory.available() == expected
    assert memory.budget(None).size_bytes == 0.75 * expected


def test_a_budget_is_what_is_said():
    assert memory.budget("8 GiB").size_bytes == 8 << 30
    assert memory.budget(1e6).size_bytes == 1e6
    assert memory.budget(float("inf")).size_bytes == float("inf")


# What goes wrong on the way ----------------------------------------------------------------------


class Broken:
    """An array that takes so many writes, and then fails."""

    def __init__(self, array, writes, problem):
        self._array, self._writes, self._problem = array, writes, problem
        self.chunks = array.chunks

    def __setitem__(self, place, values):
        if self._writes == 0:
            raise self._problem
        self._writes -= 1
        self._array[place] = values


def break_after(monkeypatch, writes, problem, label="x"):
    make = writer.Writer._make

    def broken(self, *given):
        make(self, *given)
        self._arrays[label] = Broken(self._arrays[label], writes, problem)

    monkeypatch.setattr(writer.Writer, "_make", broken)


def require_partial(path, least=1):
    """What can be mistaken for no finished result, and is right as far as it goes."""
    with pytest.raises(NotWritten, match="is not complete: of 1,000 trajectories"):
        ode.open_result(path)
    there = ode.open_result(path, incomplete=True)
    done = there.status == 0
    assert least <= done.sum() < 1000
    assert (there.status[~done] == -1).all()
    assert not there.is_complete
    assert "not complete" in repr(there)
    assert json.loads((path / "zarr.json").read_text())["attributes"]["complete"] == 0
    expected = np.cos(np.sqrt(K) * 1.0)
    np.testing.assert_allclose(there["x"][done, -1], expected[done], atol=1e-5)
    return done.sum()


def test_a_full_disk_says_how_much_is_there_and_where(solver, small, monkeypatch, tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    break_after(monkeypatch, 6, full)
    path = tmp_path / "runs.zarr"
    with pytest.raises(NotWritten, match="No space left on device") as caught:
        solver.solve((0, 1), parameters={"k": K}, save_at=[0.5, 1.0], into=path)
    done = require_partial(path)
    assert f"Of 1,000 trajectories, {done} are in {path}" in str(caught.value)
    assert isinstance(caught.value, OSError)
    monkeypatch.undo()
    with pytest.raises(InvalidPlan, match="overwrite=True"):
        solver.solve((0, 1), into=path)
    assert solver.solve((0, 1), into=path, overwrite=True).is_complete


LIMITED = """
import resource, sys
import numpy as np
from emberkeep import NotWritten, ode
system = ode.System("dx = -k*x", {"x": 1.0}, {"k": 1.0}, name="decay")
given = {"parameters": {"k": np.random.default_rng(1).random(300_000)}, "target": "cpu"}
ode.solve(system, (0, 1), save_at=0.1, **given)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, -1))
try:
    ode.solve(system, (0, 1), save_at=0.1, into=sys.argv[1], **given)
except NotWritten as problem:
    print(problem)
"""


def test_what_the_system_refuses_to_write_is_told(tmp_path):
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "x")]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "File too large" in read
    assert str(tmp_path / "x") in read
    with pytest.raises(NotWritten):
        ode.open_result(tmp_path / "x")


def test_a_folder_that_cannot_be_written_is_told(solver, monkeypatch, tmp_path):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(writer.os, "mkdir", refuse)
    with pytest.raises(NotWritten, match=r"Permission denied.*pass into="):
        solver.solve((0, 1), into=tmp_path / "x")


def test_an_interruption_while_it_computes_leaves_what_was_written(
    solver, small, monkeypatch, tmp_path
):
    made = []

    def interrupted(job, begin, *given):
        made.append(begin)
        if len(made) == 3:
            raise KeyboardInterrupt
        return part(job, begin, *given)

    part = solver.running()._part
    monkeypatch.setattr(solver.running(), "_part", interrupted)
    path = tmp_path / "runs.zarr"
    with pytest.raises(KeyboardInterrupt) as caught:
        solver.solve((0, 1), parameters={"k": K}, save_at=[0.5, 1.0], into=path)
    assert any(str(path) in note for note in caught.value.__notes__)
    require_partial(path, least=0)


ENDLESS = """
import sys
import numpy as np
from emberkeep import ode
system = ode.System("dx = -k*x + m", {"x": 1.0}, {"k": 1.0, "m": 0.0}, name="decay")
solver = ode.Solver(system, target="cpu")
solver.solve((0, 1), save_at=0.1)
print("ready", flush=True)
grid = {"parameters": {"k": np.linspace(0, 1, 10_000), "m": np.arange(1e4)}, "grid": "combinations"}
try:
    solver.solve((0, 1), save_at=0.1, **grid, into=sys.argv[1], memory="800 MiB")
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(len(solver.solve((0, 1))), flush=True)
"""


def test_ctrl_c_ends_it_within_a_second(tmp_path):
    command = [sys.executable, "-c", ENDLESS, tmp_path / "x"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        while not (tmp_path / "x" / "status" / "c").exists():
            time.sleep(0.1)
            assert process.poll() is None
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        took = time.monotonic() - sent
        assert process.stdout.readline() == "1\n"
    assert took < 1
    there = ode.open_result(tmp_path / "x", incomplete=True)
    assert 0 < np.count_nonzero(there.status == 0) < len(there) == 100_000_000
    shutil.rmtree(tmp_path / "x")


def test_writing_does_not_fall_behind_without_end(solver, small, monkeypatch, tmp_path):
    """Where the disk is slow, the machine waits: few parts are in memory at any time."""
    alive, most = [0], [0]
    part, write = solver.running()._part, writer.Writer._write

    def computed(*given):
        alive[0] += 1
        most[0] = max(most[0], alive[0])
        return part(*given)

    def written(self, *given):
        time.sleep(0.02)
        write(self, *given)
        alive[0] -= 1

    monkeypatch.setattr(solver.running(), "_part", computed)
    monkeypatch.setattr(writer.Writer, "_write", written)
    solver.solve((0, 1), parameters={"k": K}, save_at=[0.5, 1.0], into=tmp_path / "x")
    assert most[0] <= 3
    assert alive[0] == 0


def test_it_is_shown_how_far_it_has_come(solver, small, capsys, tmp_path):
    solver.solve((0, 1), parameters={"k": K}, into=tmp_path / "x", progress=True)
    assert "solve spring  1000/1000" in capsys.readouterr().err


def test_damage_is_no_number(solver, small, tmp_path):
    """A bit that is another, what is cut off, and what is nothing any more."""
    path = tmp_path / "runs.zarr"
    expected = solver.solve((0, 1), parameters={"k": K}, save_at=[0.5, 1.0], into=path)
    expected = expected["x"].to_numpy()
    files = sorted(each for each in (path / "x" / "c").rglob("*") if each.is_file())
    for number, file in enumerate(files[:12]):
        whole = file.read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) * number // 12] ^= 1 << number % 8
        for damaged in (bytes(flipped), whole[:-1], whole[: len(whole) // 2], b""):
            file.write_bytes(damaged)
            with pytest.raises(Exception, match=r"(?i)checksum|decompress|buffer|size|byte|slice"):
                ode.open_result(path)["x"].to_numpy()
        file.write_bytes(whole)
    np.testing.assert_array_equal(ode.open_result(path)["x"], expected)


def test_all_is_on_the_disk_itself_before_it_is_said_to_be_there(
    solver, small, monkeypatch, tmp_path
):
    """Of each file's last change, `fsync`, and of all folders, before `complete`."""
    path, settled = tmp_path / "runs.zarr", {}

    def settle(number):
        file = os.readlink(f"/proc/self/fd/{number}")
        settled[os.path.relpath(file, path)] = os.stat(number).st_mtime_ns
        if file == str(path / "zarr.json"):
            said.append(json.loads((path / "zarr.json").read_text())["attributes"]["complete"])
            there = {str(each.relative_to(path)) for each in path.rglob("*")}
            assert not said[-1] or there <= {*settled}

    said = []
    monkeypatch.setattr(folder.os, "fsync", settle)
    solver.solve((0, 1), parameters={"k": K}, save_at=[0.5, 1.0], into=path)
    assert said == [0, 1]
    for file in path.rglob("*"):
        assert settled[str(file.relative_to(path))] == file.stat().st_mtime_ns or file.is_dir()


def test_what_goes_wrong_at_the_very_end_is_told_too(solver, monkeypatch, tmp_path):
    def full(number):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    def full_at_last(number):
        if os.readlink(f"/proc/self/fd/{number}") == str(path / "zarr.json"):
            said.append(1)
            if len(said) == 2:
                full(number)

    for each in (full, full_at_last):
        path, said = tmp_path / each.__name__, []
        with monkeypatch.context() as patched:
            patched.setattr(folder.os, "fsync", each)
            with pytest.raises(NotWritten, match="quota exceeded"):
                solver.solve((0, 1), parameters={"k": K}, into=path)


def test_ctrl_c_at_the_end_is_told_too(solver, monkeypatch, tmp_path):
    """While it waits for the last part; nothing is written any more behind it."""

    def interrupted(self):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(writer.Writer, "_end", interrupted)
    path = tmp_path / "runs.zarr"
    with pytest.raises(KeyboardInterrupt) as caught:
        solver.solve((0, 1), parameters={"k": K}, into=path)
    assert any(str(path) in note for note in caught.value.__notes__)
    # What waits for a disk is not waited for, and ends by itself. Zarr keeps threads of its own.
    for each in threading.enumerate():
        if "emberkeep" in each.name:
            each.join(60)
            assert not each.is_alive()
    with pytest.raises(NotWritten):
        ode.open_result(path)
    assert solver.solve((0, 1), into=path, overwrite=True).is_complete


def test_what_is_no_result_is_not_opened(tmp_path):
    with pytest.raises(InvalidPlan, match="There is no result of emberkeep's in"):
        ode.open_result(tmp_path)
    group = zarr.create_group(tmp_path / "x", attributes={"emberkeep_format": 99, "emberkeep": "7"})
    assert group is not None
    with pytest.raises(InvalidPlan, match="was written by emberkeep 7, in another format"):
        ode.open_result(tmp_path / "x")


@pytest.mark.soak
def test_ten_million_means_take_less_than_two_gigabytes(tmp_path):
    program = (
        "import resource\nimport numpy as np\nfrom emberkeep import ode\n"
        "lorenz = ode.System('dx = s*(y - x); dy = x*(r - z) - y; dz = x*y - 8*z/3',"
        " {'x': 1.0, 'y': 1.0, 'z': 1.0}, {'s': 10.0, 'r': 28.0}, name='lorenz')\n"
        "given = {'parameters': {'r': np.linspace(20, 30, 10_000_000)}}\n"
        "ode.solve(lorenz, (0, 1), save_at=0.1, outputs=['mean'], target='cpu', **given)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)\n"
    )
    command = [sys.executable, "-c", program]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert float(read) < 2
