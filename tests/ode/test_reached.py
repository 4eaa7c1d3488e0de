"""The time that each trajectory came to, by every way to integrate it."""

import numpy as np
import pytest

from emberkeep import SolveFailed, SolveWarning, ode
from emberkeep.ode.status import NOT_FINITE, STEP_TOO_SMALL, STIFF, SUCCESS, TOO_MANY_STEPS

quietly = pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")
MANY = {f"s{index}": 1.0 for index in range(26)}


def grower(*, large=False):
    """x' = x^2 is infinite at 1/x(0)."""
    more = MANY if large else {}
    equations = {"x": "x^2", **{name: f"-{name}" for name in more}}
    return ode.System(equations, {"x": 1.0, **more}, units={"t": "s"}, name="grower")


def solver(keep, system, method="tsit5", **more):
    return ode.Solver(system, method=method, target="cpu", keep=keep, threads=1, **more)


@quietly
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_where_trajectories_fail(precision, large, keep):
    x = np.array([0.1, 0.5, 0.8, 0.2, 4.0])
    one = solver(keep, grower(large=large), precision=precision)
    found = one.solve((0, 3), initial={"x": x}, outputs=["reached"], rtol=1e-6, atol=1e-6)
    assert found.reached.dtype == np.float64
    assert found.reached.shape == (5,)
    good = x < 1 / 3
    assert (found.reached[good] == 3).all()
    assert (found.status[good] == SUCCESS).all()
    assert found.reached[~good] == pytest.approx(1 / x[~good], rel=1e-4)
    assert (found.status[~good] == STEP_TOO_SMALL).all()


@quietly
def test_ends_are_those_that_were_given(keep, decay):
    """Not what is computed from a start and what has elapsed since."""
    rng = np.random.default_rng(1)
    starts, ends = rng.normal(size=(2, 50)) * 10.0 ** rng.integers(-3, 4, size=(2, 50))
    starts, ends = np.minimum(starts, ends), np.maximum(starts, ends)
    for method, given in (("tsit5", {}), ("rk4", {"dt": 100.0})):
        one = solver(keep, decay, method)
        for begin, end in ((starts, ends), (ends, starts)):
            found = one.solve((begin, end), outputs=["reached"], parameters={"k": 1e-5}, **given)
            assert np.array_equal(found.reached, end)
    assert one.solve((2, 2), outputs=["reached"], dt=1.0).reached.tolist() == [2.0]


@quietly
def test_each_way_to_fail(keep):
    system = ode.System(
        "dx = -k*(x - cos(t)) + log(s)", {"x": 1.0}, {"k": 1.0, "s": 1.0}, name="failing"
    )
    given = {"parameters": {"k": [1.0, 1e6, 1.0], "s": [1.0, 1.0, -1.0]}}
    found = solver(keep, system).solve(
        (5, 105), outputs=["reached", "steps"], max_steps=70_000, **given
    )
    assert found.status.tolist() == [SUCCESS, STIFF, NOT_FINITE]
    assert found.reached[[0, 2]].tolist() == [105.0, 5.0]
    # As far as so many steps of the longest stable length go.
    length = found.steps[1, 0] * 3.507 / 1e6
    assert found.reached[1] - 5 == pytest.approx(length, rel=0.1)
    few = solver(keep, system).solve((5, 105), outputs=["reached", "step_times"], max_steps=7)
    assert few.status.tolist() == [TOO_MANY_STEPS]
    assert few.reached[0] == few.step_times[0][np.isfinite(few.step_times[0])][-1]


@quietly
@pytest.mark.parametrize("span", [(0.0, 2.0), (2.0, 0.0)], ids=["forwards", "backwards"])
def test_fixed_steps_come_to_times_to_save(span, keep):
    """The last of them before infinity."""
    sign = 1.0 if span[0] < span[1] else -1.0
    system = ode.System("dx = sign*x^2", {"x": 1.0}, {"sign": 1.0}, name="grower")
    given = {"initial": {"x": [0.1, 0.9, 2.2, 50.0]}, "parameters": {"sign": sign}, "dt": 1e-3}
    found = solver(keep, system, "rk4").solve(
        span, save_at=0.25, outputs=["reached", "states"], **given
    )
    assert found.status.tolist() == [SUCCESS] + [NOT_FINITE] * 3
    elapsed = np.abs(found.reached - span[0])
    # Numbers of double precision are soon exceeded behind the pole, by squaring again and again.
    assert elapsed.tolist() == [2.0, 1.0, 0.25, 0.0]
    for run in range(4):
        last = np.flatnonzero(np.isfinite(found.states[run, :, 0]))[-1]
        assert found.reached[run] == found.t[last]
    without = solver(keep, system, "rk4").solve(span, outputs=["reached"], **given)
    assert without.reached.tolist() == [span[1]] + [span[0]] * 3


@quietly
def test_neighbours_and_threads_change_nothing(keep):
    x = np.random.default_rng(5).uniform(0.1, 4, 137)
    whole = solver(keep, grower()).solve((0, 3), initial={"x": x}, outputs=["reached"])
    again = ode.Solver(grower(), target="cpu", keep=keep, threads=3)
    assert np.array_equal(
        again.solve((0, 3), initial={"x": x}, outputs=["reached"]).reached, whole.reached
    )
    for run in (0, 40, 136):
        alone = again.solve((0, 3), initial={"x": x[run]}, outputs=["reached"])
        assert alone.reached[0] == whole.reached[run]


def test_failures_are_told_with_the_time_of_the_first(keep):
    one = solver(keep, grower())
    given = {"initial": {"x": [0.1, 0.8, 2.0]}, "outputs": ["final", "reached"]}
    with pytest.warns(
        SolveWarning, match=r"The first is number 1, at t = 1\.25, in result\.failed"
    ):
        found = one.solve((0, 3), **given)
    with pytest.raises(SolveFailed, match=r"The first is number 1, at t = 1\.25\. End the span"):
        found.require_success()
    assert ".reached" in repr(found)


@quietly
def test_with_labels(keep):
    pytest.importorskip("xarray")
    pytest.importorskip("pandas")
    found = solver(keep, grower()).solve(
        (0, 3), initial={"x": [0.1, 0.8]}, outputs=["final", "reached"]
    )
    data = found.to_xarray()["reached"]
    assert data.dims == ("run",)
    assert data.attrs["units"] == "s"
    assert np.array_equal(data, found.reached)
    assert np.array_equal(found.to_pandas("runs")["reached"], found.reached)


@quietly
def test_on_disk(keep, tmp_path):
    pytest.importorskip("zarr")
    one = solver(keep, grower())
    given = {"initial": {"x": np.array([0.1, 0.8, 0.2])}, "outputs": ["final", "reached"]}
    stored = one.solve((0, 3), into=tmp_path / "runs.zarr", **given)
    there = one.solve((0, 3), **given)
    assert np.array_equal(stored.to_xarray()["reached"], there.reached)
    with pytest.raises(SolveFailed, match=r"number 1, at t = 1\.25\."):
        stored.require_success()
