"""Events at times that are known beforehand; events beside jumps, drivers and stored results."""

import os
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.errors import InvalidPlan, InvalidSystem
from emberkeep.keys import fingerprint
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.status import ENDED_BY_EVENT, SUCCESS

on_host = runpy.run_path(Path(__file__).parent / "gpu_on_host.py")
TIGHT = {"rtol": 1e-11, "atol": 1e-11}
# Absorbed at ka, eliminated at ke: doses go into the gut.
DRUG = ode.System(
    "dgut = -ka*gut; dblood = ka*gut - ke*blood",
    {"gut": 0.0, "blood": 0.0},
    {"ka": 1.0, "ke": 0.2, "dose": 100.0},
    name="drug",
)
DOSE = {"gut": "gut + dose"}


def blood(t, doses, ka=1.0, ke=0.2, dose=100.0):
    """Bateman's function, once for each dose before."""
    since = np.subtract.outer(t, np.asarray(doses))
    with np.errstate(over="ignore"):
        each = dose * ka / (ka - ke) * (np.exp(-ke * since) - np.exp(-ka * since))
    return np.where(since > 0, each, 0.0).sum(axis=-1)


def solver(keep, system, *events, **more):
    return ode.Solver(system, events=events, target="cpu", keep=keep, threads=1, **more)


@pytest.mark.parametrize("method", ["tsit5", "dop853"])
def test_doses_against_their_closed_form(method, keep):
    doses = [0.0, 6.0, 6.5, 12.0, 24.0]
    one = solver(keep, DRUG, ode.Event.at(doses, action=DOSE, name="dose"), method=method)
    times = np.array([0.0, 3.0, 6.0, 6.2, 7.0, 12.0, 18.0, 24.0])
    result = one.solve((0, 24), save_at=times, outputs=["states", "final", "events"], **TIGHT)
    np.testing.assert_allclose(result["blood"][0], blood(times, doses), atol=1e-8)
    # What is saved at the time of a dose is what was before it.
    gut = [sum(100 * np.exp(-(t - d)) for d in doses if d < t) for t in times]
    np.testing.assert_allclose(result["gut"][0], gut, atol=1e-8)
    # What is at the end is the next solve's.
    assert np.array_equal(result.final[0], result.states[0, -1])
    assert result.events["dose"].times[0, :4].tolist() == doses[:4]
    assert result.events["dose"].counts[0] == 4
    later = one.solve((24, 30), initial=result, save_at=[24.0, 27.0], **TIGHT)
    np.testing.assert_allclose(later["blood"][0], blood([24.0, 27.0], doses), atol=1e-8)


def test_each_trajectory_has_doses_of_its_own(keep):
    doses = np.array([[1.0, 2.0, np.nan], [5.0, 3.0, 0.0], [np.nan, np.inf, 7.9]])
    one = solver(keep, DRUG, ode.Event.at(doses, action=DOSE, name="dose"))
    times = [4.0, 8.0]
    ka = np.array([1.0, 0.5, 2.0])
    result = one.solve((0, 8), parameters={"ka": ka}, save_at=times, **TIGHT)
    for run in range(3):
        own = doses[run][np.isfinite(doses[run])]
        expected = blood(times, own, ka=ka[run])
        np.testing.assert_allclose(result["blood"][run], expected, atol=1e-8)
    with pytest.raises(InvalidPlan, match="times of the event 'dose' has 3"):
        one.solve((0, 8), parameters={"ka": [1.0, 2.0]})


def test_periods_and_other_times_in_place_of_an_events_own(keep):
    one = solver(keep, DRUG, ode.Event.every(6.0, first=-1.0, action=DOSE, name="dose"))
    result = one.solve((0, 24), **TIGHT)
    np.testing.assert_allclose(result["blood"], blood([24.0], [5, 11, 17, 23]), atol=1e-8)
    assert result.events["dose"].times[0, :4].tolist() == [5, 11, 17, 23]
    for given, doses in (
        ([3.0], [3.0]),
        (ode.Event.every(12.0), [0.0, 12.0]),
        ([], []),
        (np.linspace(0, 23, 200), np.linspace(0, 23, 200)),
    ):
        other = one.solve((0, 24), event_times={"dose": given}, most_records=300, **TIGHT)
        np.testing.assert_allclose(other["blood"], blood([24.0], doses), atol=1e-6)
        assert other.events["dose"].counts[0] == len(doses)
    # Spans of their own: each begins with what comes first in it.
    spans = one.solve(([0, 10], [6, 12]), **TIGHT)
    np.testing.assert_allclose(spans["blood"], [*blood([6.0], [5]), *blood([2.0], [1])], atol=1e-8)


def test_doses_backwards(keep):
    """Each takes back what it gave."""
    decay = ode.System("dA = -k*A", {"A": 1.0}, {"k": 0.5}, name="decay back")
    taken = ode.Event.at([1.0, 3.0], action={"A": "A - 0.25"}, name="taken")
    result = solver(keep, decay, taken).solve(
        (4, 0), initial={"A": 10.0}, save_at=[3, 2, 0], **TIGHT
    )
    at_3 = 10 * np.exp(0.5)
    at_2 = (at_3 - 0.25) * np.exp(0.5)
    at_0 = (at_2 * np.exp(0.5) - 0.25) * np.exp(0.5)
    np.testing.assert_allclose(result["A"][0], [at_3, at_2, at_0], rtol=1e-9)
    assert result.events["taken"].times[0, :2].tolist() == [3.0, 1.0]


def test_a_timed_event_may_end_trajectories(keep):
    end = ode.Event.at([[1.0, 2.0], [1.5, 9.0]], name="stop", terminal=2)
    result = solver(keep, DRUG, end).solve((0, 4), outputs=["reached", "final"])
    assert result.status.tolist() == [ENDED_BY_EVENT, SUCCESS]
    assert result.reached.tolist() == [2.0, 4.0]


def test_events_and_jumps_in_time(keep):
    """A pulse between 2 and 2.01, doses at its edges and within, a crossing in between."""
    system = ode.System(
        "dx = where(t < 2, 0, where(t < 2 + width, 1/width, 0)) - 0*x",
        {"x": 0.0},
        {"width": 0.01},
        name="pulse",
    )
    events = [
        ode.Event.at([2.0, 2.005, 2.01], action={"x": "x + 10"}, name="dose"),
        ode.Event("x - 10.25", name="through", direction="rising"),
    ]
    result = solver(keep, system, *events).solve((0, 4), save_at=[2.0, 2.005, 2.01, 4.0], **TIGHT)
    np.testing.assert_allclose(result["x"][0], [0.0, 10.5, 21.0, 31.0], atol=1e-9)
    assert result.events["through"].times[0, 0] == pytest.approx(2.0025, abs=1e-12)
    assert result.events["through"].counts[0] == 1
    assert result.events["dose"].times[0, :3].tolist() == [2.0, 2.005, 2.01]


def test_an_action_moves_the_times_of_jumps(keep):
    """The edge of a pulse is a parameter, which an event changes."""
    system = ode.System("dx = where(t < edge, 1, 0)", {"x": 0.0}, {"edge": 9.0}, name="edge")
    move = ode.Event("x - 1", name="move", action={"edge": "t + 0.5"})
    result = solver(keep, system, move).solve((0, 4), initial={"x": [0.0, 0.25]}, **TIGHT)
    np.testing.assert_allclose(result["x"], [1.5, 1.5], rtol=1e-10)


@pytest.mark.parametrize("kind", ["linear", "cubic", "step"])
def test_events_of_drivers(kind, keep):
    """A pulse of a driver that no derivative depends on, shorter than any step."""
    system = ode.System("dx = 1 + 0*x", {"x": 0.0}, drivers={"light": kind}, name="watched")
    events = [
        ode.Event("light - 0.5", name="on", direction="rising", action={"x": "x + 100"}),
        ode.Event("light - 0.5", name="off", direction="falling"),
    ]
    times = np.array([0.0, 4.99, 5.0, 5.01, 10.0])
    samples = ode.Driver(times, [0.0, 0.0, 1.0, 0.0, 0.0])
    result = solver(keep, system, *events).solve((0, 10), drivers={"light": samples}, dt_max=0.5)
    assert [each.counts[0] for each in result.events.values()] == [1, 1]
    assert result["x"][0] == pytest.approx(110, rel=1e-12)
    on, off = (each.times[0, 0] for each in result.events.values())
    if kind == "linear":
        assert (on, off) == pytest.approx((4.995, 5.005), abs=1e-9)
    if kind == "step":
        assert (on, off) == pytest.approx((5.0, 5.01), abs=1e-9)


# Keys -------------------------------------------------------------------------------------------


def test_what_events_are_is_in_the_key_and_their_numbers_are_not():
    def key(*events):
        compilation = Compilation(ode.Solver(DRUG, events=events, target="cpu").plan())
        return fingerprint(dict(compilation.ingredients())).digest

    def crossing(t, y, p):
        return y.gut - 1

    def another(t, y, p):
        return y.gut - 2

    different = [
        (),
        (ode.Event("gut - 1"),),
        (ode.Event("gut - dose"),),
        (ode.Event("gut - 1", direction=1),),
        (ode.Event("gut - 1", direction=-1),),
        (ode.Event("gut - 1", checks=2),),
        (ode.Event("gut - 1", action=DOSE),),
        (ode.Event("gut - 1", action={"blood": "gut + dose"}),),
        (ode.Event("gut - 1", action={"gut": "gut - dose"}),),
        (ode.Event("gut - 1"), ode.Event("gut - 1")),
        (ode.Event(crossing),),
        (ode.Event(another),),
        (ode.Event("gut - 1", action=lambda t, y, p: {"gut": 1.0 + 0 * t}),),
        (ode.Event("gut - 1", action=lambda t, y, p: {"gut": 2.0 + 0 * t}),),
        (ode.Event.at([1.0], action=DOSE),),
        (ode.Event.at([1.0], action={"gut": "dose"}),),
        (ode.SteadyState(),),
    ]
    keys = [key(*events) for events in different]
    assert len(set(keys)) == len(different)
    for one, other in (
        (ode.Event("gut - 1", terminal=True), ode.Event("gut-1", name="other", terminal=7)),
        (ode.Event.at([1.0], action=DOSE), ode.Event.every(3.0, action=DOSE, terminal=4)),
        (ode.SteadyState(), ode.SteadyState(0.1, 0.2, name="still")),
        (ode.Event("gut - 1", direction="rising"), ode.Event("gut - 1", direction=1)),
    ):  # fmt: skip
        assert key(one) == key(other)


def test_other_times_and_counts_compile_nothing(test_keep, monkeypatch):
    built = []
    source = Compilation.source
    monkeypatch.setattr(Compilation, "source", lambda *given: built.append(1) or source(*given))
    doses = ode.Event.at([0.5], action={"gut": "gut + dose + 0.125"}, name="dose")
    first = ode.Solver(DRUG, events=[doses], target="cpu", keep=test_keep.keep)
    first.solve((0, 1))
    before = len(built)
    for times in ([0.1, 0.2, 0.3], np.random.default_rng(0).random((5, 7))):
        first.solve((0, 1), event_times={"dose": times})
        again = ode.Event.at(times, action={"gut": "gut + dose + 0.125"}, terminal=3)
        ode.Solver(DRUG, events=[again], target="cpu", keep=test_keep.keep).solve((0, 1))
    assert len(built) == before


# Results ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dosed(test_keep):
    high = ode.Event("blood - 40", name="high")
    dose = ode.Event.every(8.0, action=DOSE, name="dose")
    one = ode.Solver(DRUG, events=[high, dose], target="cpu", keep=test_keep.keep)
    return one, {"parameters": {"ke": [0.1, 0.2, 0.4]}, "most_records": 4}


def test_datasets_and_tables_have_events(dosed):
    one, given = dosed
    result = one.solve((0, 24), **given)
    data = result.to_xarray()
    high = result.events["high"]
    assert data["high_time"].dims == ("run", "event")
    assert np.array_equal(data["high_time"], high.times, equal_nan=True)
    assert np.array_equal(data["blood_high"], high["blood"], equal_nan=True)
    assert np.array_equal(data["dose_count"], [3, 3, 3])
    table = result.to_pandas("events")
    assert [*table.columns] == ["run", "event", "number", "t", "gut", "blood"]
    assert len(table) == np.isfinite(high.times).sum() + 9
    rows = table[(table.event == "high") & (table.run == 1)]
    assert np.array_equal(rows.t, high.times[1][np.isfinite(high.times[1])])
    np.testing.assert_allclose(rows.blood, 40.0, rtol=1e-6)
    assert pickle.loads(pickle.dumps(result)) == result
    assert pickle.loads(pickle.dumps(one)).events == one.events
    with pytest.raises(KeyError, match="pass outputs=\\['events'\\]"):
        one.solve((0, 24), outputs=["final"]).events  # noqa: B018


def test_stored_results_have_events(dosed, tmp_path):
    one, given = dosed
    end = ode.Event("gut - 150", name="end", terminal=True)
    one = ode.Solver(DRUG, events=[*one.events, end], target="cpu", keep=one._keep)
    given = {**given, "parameters": {"dose": [100.0, 200.0, 50.0]}, "save_at": 6.0}
    outputs = ["states", "events", "reached"]
    memory = one.solve((0, 24), outputs=outputs, **given)
    stored = one.solve((0, 24), outputs=outputs, into=tmp_path / "runs.zarr", **given)
    assert memory.status.tolist() == stored.status.tolist() == [0, ENDED_BY_EVENT, 0]
    assert not stored.failed.size
    assert stored.require_success() is stored
    assert memory.to_xarray().equals(stored.to_xarray().load())


# What cannot be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "error", "message"),
    [
        ("gut", InvalidPlan, "expected events"),
        ([ode.Event("gut", name="a"), ode.Event("blood", name="a")], InvalidPlan, "Two events"),
        (ode.Event("gut", name="a b"), InvalidPlan, "is called 'a b'"),
        (ode.Event("gut", direction="up"), InvalidPlan, "direction='up'; expected 'rising'"),
        (ode.Event("gut", terminal=-1), InvalidPlan, "terminal=-1"),
        (ode.Event("gut", checks=0.5), InvalidPlan, "checks=0.5"),
        (ode.Event("gut > 1"), InvalidPlan, "is the condition 'gut > 1'"),
        (ode.Event("gut - gutt"), InvalidSystem, "'gutt' is not known"),
        (ode.Event("gut -"), InvalidSystem, "event 'event_1'"),
        (ode.Event("gut", action={"t": "0"}), InvalidPlan, "changes 't', which is none"),
        (ode.Event("gut", action="gut"), InvalidPlan, "expected new values by name"),
        (ode.Event("gut", action={"gut": "1 +"}), InvalidSystem, "action of 'event_1'"),
        (ode.Event.at([1.0]), InvalidPlan, "does nothing"),
        (ode.SteadyState(rtol=0.0), InvalidPlan, "rtol=0.0"),
    ],
)  # fmt: skip
def test_events_that_cannot_be(events, error, message):
    with pytest.raises(error, match=message):
        ode.Solver(DRUG, events=events, target="cpu")


def test_solves_with_events_that_cannot_be(keep):
    dose = ode.Event.at([1.0], action=DOSE, name="dose")
    one = solver(keep, DRUG, dose)
    for given, message in (
        ({"event_times": {"does": [1.0]}}, "'does', which is no event"),
        ({"event_times": {"dose": "noon"}}, "are 'noon'; expected numbers"),
        ({"event_times": {"dose": np.zeros((1, 1, 1))}}, "shape"),
        ({"event_times": {"dose": ode.Event.every(-1.0)}}, "every -1.0"),
        ({"event_times": {"dose": ode.Event.every(1e-12)}}, "choose a longer period"),
    ):
        with pytest.raises(InvalidPlan, match=message):
            one.solve((0, 2), **given)
    with pytest.raises(InvalidPlan, match="those of rk4 are fixed here"):
        solver(keep, DRUG, dose, method="rk4")
    with pytest.raises(InvalidPlan, match="there are none. Pass events="):
        solver(keep, DRUG).solve((0, 1), outputs=["events"])
    branched = ode.Event(lambda t, y, p: 1.0 if y.gut > 1 else -1.0)
    with pytest.raises(InvalidPlan, match="cannot be followed"):
        solver(keep, DRUG, branched).solve((0, 1))


# A GPU's kernel, and warm starts ----------------------------------------------------------------


@pytest.mark.skipif(not on_host["HAS_COMPILER"], reason="needs g++")
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_what_a_gpu_is_given_finds_the_same_events(precision, keep, tmp_path):
    high = ode.Event("blood - 40", name="high", direction="rising", action={"dose": "0.9*dose"})
    low = ode.Event("blood - 20", name="low", checks=1)
    dose = ode.Event.at(np.random.default_rng(1).random((20, 3)) * 20, action=DOSE, name="dose")
    events = [high, low, dose, ode.Event("gut - 180", name="end", terminal=True), ode.SteadyState()]
    given = {
        "parameters": {"ke": np.linspace(0.05, 0.5, 20)},
        "initial": {"gut": 50.0},
        "save_at": 2.0,
        "outputs": ["states", "final", "events", "reached", "mean"],
        "most_records": 5,
        "rtol": 1e-8 if precision == "float64" else 1e-5,
    }
    here = solver(keep, DRUG, *events, precision=precision)
    there = solver(keep, DRUG, *events, precision=precision)
    there._runner = on_host["Threads"](tmp_path)
    ours, theirs = here.solve((0, 24), **given), there.solve((0, 24), **given)
    tolerance = 1e-6 if precision == "float64" else 1e-2
    assert np.array_equal(ours.status, theirs.status)
    assert len({*ours.status}) > 1
    for name in ("states", "final", "reached"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=tolerance, atol=tolerance
        )
    for name, array in ours.records.items():
        np.testing.assert_allclose(array, theirs.records[name], rtol=tolerance, atol=tolerance)


WARM = """
import sys, json, numpy
before = set(sys.modules)
from emberkeep import ode
system = ode.System("dx = -k*x", {"x": 1.0}, {"k": 1.0}, name="one")
events = [ode.Event("x - 0.5", action={"x": "2*x"}), ode.Event.at([0.25], action={"k": "k/2"})]
result = ode.solve(system, (0, 3), events=events, target="cpu")
print(json.dumps([sorted(set(sys.modules) - before), result.events["event_1"].counts.tolist()]))
"""


def test_a_kept_solve_with_events_compiles_and_parses_nothing(tmp_path):
    import json
    import subprocess
    import sys

    def run():
        environ = {**os.environ, "EMBERKEEP_DIR": str(tmp_path)}
        command = [sys.executable, "-c", WARM]
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        return json.loads(ran.stdout)

    cold, first = run()
    warm, second = run()
    assert first == second != [0]
    assert "llvmlite" in cold
    assert not {name for name in warm if name.startswith("emberkeep.ode.kernel.events")}
    assert not {name.partition(".")[0] for name in warm} & {"numba", "llvmlite", "sympy", "pandas"}
    assert "emberkeep.ode.kernel.source" not in warm
