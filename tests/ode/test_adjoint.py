"""Gradients by adjoints: against closed forms, and against forward sensitivities to rounding."""

import json
import math
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.errors import InvalidPlan, InvalidSystem
from emberkeep.ode.adjoint import Pullback
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.methods import EXPLICIT, ROSENBROCK
from emberkeep.targets.cuda.target import CudaTarget

gpu = runpy.run_path(Path(__file__).parent / "gpu_on_host.py")

TIMES = np.array([0.0, 0.3, 0.77, 1.0])
LOOSE, TIGHT = {"rtol": 1e-4, "atol": 1e-6}, {"rtol": 1e-11, "atol": 1e-13}
PUSHED = ode.System(
    "dx = v; dv = -w^2*x - c*v*abs(v) + a*cos(t); e = v^2/2 + w^2*x^2/2",
    {"x": 1.0, "v": 0.2},
    {"w": 2.0, "c": 0.1, "a": 0.3},
    observables=["e"],
    name="pushed",
)
RING = ode.System(
    [
        f"dx{i} = (x{(i + 1) % 26} - x{(i - 2) % 26})*x{(i - 1) % 26} - x{i} + F{i}"
        for i in range(26)
    ],
    {f"x{i}": 1.0 + 0.1 * i for i in range(26)},
    {f"F{i}": 3.0 + 0.1 * i for i in range(26)},
    name="ring_of_forces",
)


REACTIONS = ode.System(
    "da = -k1*a + k2*b*c; db = k1*a - k2*b*c - k3*b^2; dc = k3*b^2 + s*cos(t)",
    {"a": 1.0, "b": 0.1, "c": 0.1},
    {"k1": 0.4, "k2": 10.0, "k3": 30.0, "s": 0.1},
    name="reactions",
)


def spread(n):
    """Reactions at places of a ring, between which they spread."""
    equations = []
    for i in range(n):
        before, after = (i - 1) % n, (i + 1) % n
        equations += [
            f"du{i} = 1 + u{i}^2*v{i} - (B{i} + 1)*u{i} + d*(u{before} - 2*u{i} + u{after})",
            f"dv{i} = B{i}*u{i} - u{i}^2*v{i} + d*(v{before} - 2*v{i} + v{after}) + sin(t)/10",
        ]
    begin = {f"u{i}": 1 + math.sin(2 * math.pi * i / n) for i in range(n)}
    return ode.System(
        equations,
        {**begin, **{f"v{i}": 3.0 for i in range(n)}},
        {"d": 5.0, **{f"B{i}": 3.0 for i in range(n)}},
        name="spread",
    )


def dense(n):
    """Each by all others: loops stand for what is eliminated."""
    rows = [
        f"dx{i} = -{i + 1}*x{i}^2 + "
        + " + ".join(f"{(i * 7 + j * 3) % 11 - 5}*k*x{j}/10" for j in range(n))
        for i in range(n)
    ]
    return ode.System(rows, {f"x{i}": 1 + 0.01 * i for i in range(n)}, {"k": 0.5}, name="dense")


def solver(keep, system, names, **options):
    given = {"target": "cpu", "keep": keep, "threads": 1, "sensitivities": names, **options}
    return ode.Solver(system, **given)


def losses(result, seed=0):
    """The derivatives of some loss by all that there is."""
    numbers = np.random.default_rng(seed)
    return {name: numbers.normal(size=result[name].shape) for name in result}


def by_sensitivities(result, weights, name):
    """The gradient of that loss, by forward sensitivities."""
    parts = [weights[key] * result.sensitivity(key, name) for key in weights]
    return sum(part.reshape(len(result), -1).sum(axis=1) for part in parts)


def agree(one, span, to=1e-11, **given):
    """Whether the adjoint's gradients are those of forward sensitivities."""
    forward = one.solve(span, **given)
    result, pullback = ode.vjp(one, span, **given)
    weights = losses(result)
    found = pullback(weights)
    assert [*found] == [*one.sensitivities]
    for name, gradient in found.items():
        expected = by_sensitivities(forward, weights, name)
        size = np.abs(expected).max()
        assert size > 0
        np.testing.assert_allclose(gradient, expected, rtol=to, atol=to * size)
    return found


# Against closed forms -----------------------------------------------------------------------------


@pytest.mark.parametrize("span", [(0, 2), (1.5, -0.5)])
def test_an_oscillator_forwards_and_backwards(span, keep, oscillator):
    """X = x₀ cos wτ + v₀/w sin wτ, with τ since the start."""
    one = solver(keep, oscillator, ["w", "x", "v"], method="dop853")
    w = np.linspace(1, 3, 5)
    _, pullback = ode.vjp(one, span, parameters={"w": w}, **TIGHT)
    found = pullback({"x": np.ones(5)})
    tau = span[1] - span[0]
    np.testing.assert_allclose(found["w"], -tau * np.sin(w * tau), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found["x"], np.cos(w * tau), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found["v"], np.sin(w * tau) / w, rtol=1e-9, atol=1e-9)


def test_a_sum_of_squares_in_single_precision(keep, decay):
    one = solver(keep, decay, ["k", "x"], precision="float32")
    times, k = np.array([0.5, 1.0, 2.0]), np.array([0.5, 1.0, 1.5])
    result, pullback = ode.vjp(one, (0, 2), parameters={"k": k}, save_at=times, rtol=1e-5)
    found = pullback({"x": 2 * result["x"]})
    square = np.exp(-2 * k[:, None] * times)
    np.testing.assert_allclose(found["x"], 2 * square.sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(found["k"], (-2 * times * square).sum(axis=1), rtol=1e-4)
    assert found["k"].dtype == np.float32


def test_branches_whose_other_side_has_infinite_slopes(keep):
    """What is not taken may be anything: sqrt at zero, log of what is negative."""
    system = ode.System("dx = where(p > 0, sqrt(abs(p)), -log(1 + q)*x) + q", {"x": 1.0},
                        {"p": 0.0, "q": 0.5}, name="branches")  # fmt: skip
    one = solver(keep, system, ["p", "q", "x"])
    found = agree(one, (0, 1), parameters={"p": [0.0, -1.0, 4.0], "q": [0.5, 0.2, -0.5]})
    assert found["p"][0] == 0
    assert found["p"][2] > 0


# Against forward sensitivities --------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bosh3", "tsit5", "bs5", "vern7", "dop853", "ssprk43"])
def test_chosen_steps(method, keep):
    one = solver(keep, PUSHED, ["w", "c", "a", "x"], method=method)
    agree(one, (0, 1), parameters={"w": np.linspace(1, 3, 21)}, save_at=TIMES, **LOOSE)


@pytest.mark.parametrize("method", ["euler", "rk4", "tsit5"])
@pytest.mark.parametrize("save_at", [None, TIMES])
def test_fixed_steps(method, save_at, keep):
    given = {"dt": 0.04, "controller": "fixed", "save_at": save_at}
    one = solver(keep, PUSHED, ["w", "c", "x", "v"], method=method)
    agree(one, (0, 1), parameters={"w": np.linspace(1, 3, 5)}, **given)


def test_the_end_alone(keep):
    one = solver(keep, PUSHED, ["a", "w", "v"])
    agree(one, (1, -2), parameters={"w": np.linspace(1, 3, 5)}, **LOOSE)


@pytest.mark.parametrize("save_at", [None, 0.2])
def test_large_systems(save_at, keep):
    names = [*RING.parameters][:3] + ["x0"]
    varied = {"F1": np.linspace(2, 4, 11)}
    agree(solver(keep, RING, names), (0, 1), parameters=varied, save_at=save_at, **LOOSE)


@pytest.mark.parametrize("method", ["rosenbrock23", "rodas4", "rodas5p", "ros34pw2"])
def test_rosenbrock_steps(method, keep):
    """Of linear systems, solved transposed by the same factors."""
    one = solver(keep, REACTIONS, ["k1", "k2", "k3", "s", "a", "b"], method=method)
    given = {"parameters": {"k1": np.linspace(0.1, 1, 9)}, **LOOSE}
    agree(one, (0, 2), save_at=[0.0, 0.3, 1.7], **given)
    agree(one, (0, 2), **given)


@pytest.mark.parametrize("method", ["sdirk2", "kvaerno3", "kencarp4", "trapezoidal"])
def test_diagonally_implicit_steps(method, keep):
    """Stages are found to a share of the tolerance, and what follows from them."""
    one = solver(keep, REACTIONS, ["k1", "k2", "s", "b"], method=method)
    given = {"parameters": {"k1": np.linspace(0.1, 1, 9)}, "save_at": [0.3, 1.7]}
    given |= {"dt": 0.05, "controller": "fixed"} if method == "trapezoidal" else {}
    for tolerance in (1e-5, 1e-8):
        forward = one.solve((0, 2), rtol=tolerance, atol=tolerance / 100, **given)
        result, pullback = ode.vjp(one, (0, 2), rtol=tolerance, atol=tolerance / 100, **given)
        weights = losses(result)
        for name, gradient in pullback(weights).items():
            expected = by_sensitivities(forward, weights, name)
            assert np.abs(gradient - expected).max() < 10 * tolerance * np.abs(expected).max()


@pytest.mark.parametrize("make", [lambda: spread(13), lambda: dense(26)], ids=["lines", "loops"])
def test_implicit_steps_of_large_systems(make, keep):
    system = make()
    names = [*system.parameters][:2] + [[*system.states][3]]
    first = names[0]
    varied = {first: system.parameters[first] * np.linspace(0.8, 1.2, 5)}
    one = solver(keep, system, names, method="rodas5p")
    agree(one, (0, 0.3), parameters=varied, save_at=[0.1, 0.3], **LOOSE)


def test_times_of_their_own_and_grids(keep):
    one = solver(keep, PUSHED, ["w", "x"])
    ends = np.array([0.5, 1.0, 2.0, 0.0])
    agree(one, (0, ends), **LOOSE)
    rows = np.array([[0.1, 0.4], [0.0, 1.0], [1.5, 2.0]])
    agree(one, (0, ends[:3]), save_at=rows, **LOOSE)
    axes = {"parameters": {"w": [1.0, 2.0, 3.0], "a": [0.1, 0.2]}, "grid": "combinations"}
    agree(one, (0, 1), save_at=[0.5], **axes, **LOOSE)


def test_vectors(keep):
    system = ode.System(
        ["dx_1 = -k_1*x_1 + k_2*x_2", "dx_2 = k_1*x_1 - k_2*x_2"],
        {"x_1": 1.0, "x_2": 0.0},
        {"k_1": 1.0, "k_2": 0.5},
        name="exchange",
    )
    one = solver(keep, system, ["k"])
    result, pullback = ode.vjp(one, (0, 1), parameters={"k_1": [1.0, 2.0]}, save_at=[0.5, 1.0])
    weights = np.random.default_rng(1).normal(size=result["x"].shape)
    whole = pullback({"x": weights})
    parts = pullback({"x_1": weights[..., 0], "x_2": weights[..., 1]})
    for name in ("k_1", "k_2"):
        np.testing.assert_array_equal(whole[name], parts[name])


@pytest.mark.parametrize("kind", ["step", "linear", "cubic"])
def test_drivers(kind, keep):
    system = ode.System(
        "dx = -k*x + u; g = u*x", {"x": 1.0}, {"k": 1.0}, drivers={"u": kind},
        observables=["g"], name="driven",
    )  # fmt: skip
    at = np.linspace(0, 2, 9)
    samples = np.stack([np.sin(3 * at), np.cos(at) + 2])
    driver = ode.Driver(at, samples)
    one = solver(keep, system, ["k", "x"])
    given = {"parameters": {"k": [1.0, 2.0]}, "drivers": {"u": driver}}
    agree(one, (0, 2), save_at=[0.1, 0.25, 1.3], **given, **LOOSE)


def test_jumps_at_times_that_nothing_moves(keep):
    """A step ends at each; on its own side of it the adjoint is, too."""
    system = ode.System(
        "dx = where(mod(t, 0.7) < 0.2, k*x, -x)", {"x": 1.0}, {"k": 0.4}, name="pulses"
    )
    one = solver(keep, system, ["k", "x"])
    given = {"parameters": {"k": np.linspace(0.1, 4, 9)}}
    agree(one, (0, 2), **given, **TIGHT)
    on = 0.2 * 3  # for so long, of two
    expected = np.exp(given["parameters"]["k"] * on - (2 - on))
    _, pullback = ode.vjp(one, (0, 2), **given, **TIGHT)
    found = pullback({"x": 1.0})
    np.testing.assert_allclose(found["x"], expected, rtol=1e-8)
    np.testing.assert_allclose(found["k"], on * expected, rtol=1e-8)


# Whatever else is solved --------------------------------------------------------------------------


def test_bits_do_not_depend_on_the_batch_on_memory_or_on_threads(keep):
    one = solver(keep, PUSHED, ["w", "x"])
    w = np.linspace(1, 3, 40)
    given = {"save_at": TIMES, **LOOSE}
    result, pullback = ode.vjp(one, (0, 1), parameters={"w": w}, **given)
    weights = losses(result)
    whole = pullback(weights)
    little = 5 * pullback.room * (8 + 2 * 8) + 10  # for five at once
    _, by_parts = ode.vjp(one, (0, 1), parameters={"w": w}, memory=little, **given)
    np.testing.assert_array_equal(by_parts(weights)["w"], whole["w"])
    two = solver(keep, PUSHED, ["w", "x"], threads=2)
    _, on_threads = ode.vjp(two, (0, 1), parameters={"w": w}, **given)
    np.testing.assert_array_equal(on_threads(weights)["w"], whole["w"])
    _, alone = ode.vjp(one, (0, 1), parameters={"w": w[17]}, **given)
    found = alone({name: each[17:18] for name, each in weights.items()})
    for name in ("w", "x"):
        assert found[name][0] == whole[name][17]


def test_a_record_is_made_with_the_result_where_it_is_small(keep, monkeypatch):
    one = solver(keep, PUSHED, ["w", "x"])
    given = {"parameters": {"w": np.linspace(1, 3, 40)}, "save_at": TIMES, **LOOSE}
    made = []
    record = Pullback._recorded_part

    def counted(self, runner, begin, end):
        made.append((begin, end))
        return record(self, runner, begin, end)

    monkeypatch.setattr(Pullback, "_recorded_part", counted)
    _, pullback = ode.vjp(one, (0, 1), **given)
    found = [pullback({"x": 1.0})["w"] for _ in range(2)]
    np.testing.assert_array_equal(*found)
    assert not made
    _, by_parts = ode.vjp(one, (0, 1), memory=15 * pullback.room * (8 + 2 * 8), **given)
    np.testing.assert_array_equal(by_parts({"x": 1.0})["w"], found[0])
    assert made == [(0, 15), (15, 30), (30, 40)]


def test_records_without_room_are_made_again(keep):
    one = solver(keep, PUSHED, ["w"])
    job = one.without_sensitivities().job((0, 3), save_at=[1.0], parameters={"w": [1.0, 9.0]})
    weights = np.ones((2, 1, 3))
    expected = Pullback(one, job).pull(weights)
    small = Pullback(one, job, room=2)
    np.testing.assert_array_equal(small.pull(weights), expected)
    assert small.room > 2


def test_no_number_is_compiled_in(keep):
    one = solver(keep, PUSHED, ["w", "x"])
    kernels = None
    for end, given in ((1.0, LOOSE), (2.0, TIGHT)):
        _, pullback = ode.vjp(one, (0, end), save_at=[end / 2], parameters={"w": [1.0]}, **given)
        pullback({"x": 1.0})
        there = len(one.without_sensitivities().running()._kernels)
        assert kernels in (None, there)
        kernels = there


def test_trajectories_that_fail_have_no_gradient(keep, blowup):
    one = solver(keep, blowup, ["x"])
    with pytest.warns(match="failed"):
        result, pullback = ode.vjp(one, (0, 2), initial={"x": [0.25, 1.0]}, **TIGHT)
    found = pullback({"x": 1.0})["x"]
    assert result.status.tolist()[0] == 0
    assert found[0] == pytest.approx(4.0, rel=1e-8)  # 1 / (1 - 2 x)²
    assert math.isnan(found[1])


def test_what_cannot_be_is_refused(keep, decay):
    one = solver(keep, decay, ["k"])
    with pytest.raises(InvalidPlan, match="no sensitivities"):
        ode.vjp(solver(keep, decay, []), (0, 1))
    with pytest.raises(InvalidPlan, match="error_norm"):
        ode.vjp(solver(keep, decay, ["k"], error_norm="all"), (0, 1))
    with pytest.raises(InvalidPlan, match="through events"):
        ode.vjp(solver(keep, decay, ["k"], events=[ode.Event("x - 0.5")]), (0, 1))
    with pytest.raises(InvalidPlan, match="no adjoint of radau-iia-5.* forward sensitivities"):
        ode.vjp(solver(keep, decay, ["k"], method="radau-iia-5"), (0, 1))
    with pytest.raises(InvalidPlan, match="no adjoint of bdf.* forward sensitivities"):
        ode.vjp(solver(keep, decay, ["k"], method="bdf"), (0, 1))
    mass = ode.System("x' = -k*y; 0 = y - x", {"x": 1.0, "y": 1.0}, {"k": 1.0}, name="massive")
    with pytest.raises(InvalidPlan, match=r"massive.*algebraic"):
        ode.vjp(solver(keep, mass, ["k"], method="rodas5p"), (0, 1))
    _, pullback = ode.vjp(one, (0, 1), save_at=[0.5, 1.0])
    with pytest.raises(InvalidPlan, match="'z', which is no state"):
        pullback({"z": 1.0})
    with pytest.raises(InvalidPlan, match=r"shape \(3,\) for 'x'; expected \(1, 2\)"):
        pullback({"x": np.ones(3)})
    _, pullback = ode.vjp(one, (0, 1), memory=100)
    with pytest.raises(InvalidPlan, match=r"steps of one trajectory .*memory=100"):
        pullback({"x": 1.0})


@pytest.mark.parametrize("text", ["where(t < k, 1, 0)", "where(x < 0.5, 1, 0)", "floor(x)"])
def test_jumps_that_move_are_refused(text, keep):
    system = ode.System(f"dx = {text} - x", {"x": 1.0}, {"k": 0.5}, name="jumping")
    _, pullback = ode.vjp(solver(keep, system, ["k", "x"]), (0, 1))
    with pytest.raises(InvalidSystem, match=r"no adjoint of jumping.*forward sensitivities"):
        pullback({"x": 1.0})


def test_a_jump_that_another_parameter_moves_is_none_of_its_business(keep):
    system = ode.System("dx = where(t < k, 1, 0) - x", {"x": 1.0}, {"k": 0.5}, name="jumping")
    agree(solver(keep, system, ["x"]), (0, 1), parameters={"k": [0.3, 0.5]}, save_at=[0.3, 0.6])


GUARDED = """
import ctypes, mmap
import numpy as np
from emberkeep import ode
from emberkeep.ode import adjoint
from emberkeep.ode.running.job import Rows

GUARD = 1 << 24  # bytes that nobody may read, before and behind what is given
protect = ctypes.CDLL(None, use_errno=True).mprotect
held = []

def guarded(array, *, at_end):
    size = -(-array.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    room = mmap.mmap(-1, GUARD + size + GUARD)
    held.append(room)
    begin = ctypes.addressof(ctypes.c_char.from_buffer(room))
    for place in (begin, begin + GUARD + size):
        assert not protect(ctypes.c_void_p(place), ctypes.c_size_t(GUARD), 0)
    first = GUARD + (size - array.nbytes if at_end else 0)
    copy = np.frombuffer(room, array.dtype, array.size, first).reshape(array.shape)
    copy[...] = array
    return copy

class Guarded:
    def __new__(cls, first, arrays):
        kinds = {name: guarded(array, at_end=at_end) for name, array in arrays.items()}
        return Rows(first, kinds)

adjoint.Rows = Guarded
system = ode.System("dx = -k*x + sin(w*t)", {"x": 1.0}, {"k": 1.0, "w": 1.0}, name="guarded")
solver = ode.Solver(system, target="cpu", threads=1, sensitivities=["k", "w"])
w = np.ones(40)
w[3] = 3000.0  # goes on long after all others, beside lanes that have nothing to do
for at_end in (False, True):
    for save_at in (None, [0.5, 9.0]):
        result, pullback = ode.vjp(solver, (0, 10), parameters={"w": w}, save_at=save_at)
        found = pullback({"x": 1.0})["k"]
        assert np.isfinite(found).all() and result.steps[3, 0] > 50 * result.steps[0, 0]
print("read nothing else")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="protects memory")
def test_nothing_is_read_beside_what_is_given():
    """Also by lanes that have no trajectory."""
    command = [sys.executable, "-c", GUARDED]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, "read nothing else"), ran.stderr[-2000:]


WARM = """
import json, sys
from emberkeep import ode
system = ode.System("dx = -k*x", {"x": 1.0}, {"k": 1.0}, name="decay")
solver = ode.Solver(system, target="cpu", threads=1, sensitivities=["k"])
before = set(sys.modules)
_, pullback = ode.vjp(solver, (0, 1), save_at=[0.5])
found = pullback({"x": 1.0})["k"]
print(json.dumps([sorted(set(sys.modules) - before), found.tolist()]))
"""


def test_where_it_is_kept_nothing_is_transposed_again(tmp_path):
    environ = {**os.environ, "EMBERKEEP_DIR": str(tmp_path)}
    command = [sys.executable, "-c", WARM]
    (cold, first), (warm, second) = (
        json.loads(subprocess.run(command, env=environ, capture_output=True, check=True).stdout)
        for _ in range(2)
    )
    assert first == second
    writing = {f"emberkeep.ode.{name}" for name in ("kernel.adjoint.reversed", "system.pullback")}
    assert writing <= {*cold}
    assert not writing & {*warm}
    assert "emberkeep.ode.kernel.source" not in warm


@pytest.mark.soak
@pytest.mark.parametrize("method", [*EXPLICIT, *ROSENBROCK])
def test_every_method_whose_stages_are_not_iterated(method, keep):
    one = solver(keep, REACTIONS, ["k1", "k2", "s", "b"], method=method)
    given = {"parameters": {"k1": np.linspace(0.1, 1, 9)}, "save_at": [0.0, 0.3, 1.7]}
    given |= LOOSE if one.tableau.is_adaptive else {"dt": 0.02}
    agree(one, (0, 2), to=1e-10, **given)


# On a GPU -----------------------------------------------------------------------------------------


def reversed_plan(one, **given):
    job = one.without_sensitivities().job((0, 1), **given)
    return Pullback(one, job)._reversed


@pytest.mark.skipif(not gpu["HAS_COMPILER"], reason="needs a C++ compiler")
@pytest.mark.parametrize("case", ["lines", "arrays", "stiff", "iterated"])
def test_what_a_gpu_is_given(case, keep, tmp_path):
    """Its text, compiled for this processor."""
    system, names, method = {
        "lines": (PUSHED, ["w", "x"], "tsit5"),
        "arrays": (RING, ["F0", "x1"], "tsit5"),
        "stiff": (REACTIONS, ["k1", "b"], "rodas5p"),
        "iterated": (REACTIONS, ["k1", "b"], "kvaerno5"),
    }[case]
    first = next(iter(system.parameters))
    given = {"parameters": {first: np.linspace(1, 3, 9)}, "save_at": TIMES, **TIGHT}
    here, there = (solver(keep, system, names, method=method) for _ in range(2))
    there.without_sensitivities()._runner = gpu["Threads"](tmp_path)
    result, pullback = ode.vjp(here, (0, 1), **given)
    _, other = ode.vjp(there, (0, 1), **given)
    weights = losses(result)
    one, two = pullback(weights), other(weights)
    for name in names:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("system", "method"),
    [(PUSHED, "tsit5"), (RING, "tsit5"), (REACTIONS, "rodas5p"), (REACTIONS, "kvaerno3")],
    ids=["lines", "arrays", "stiff", "iterated"],
)
def test_it_compiles_for_a_gpu(system, method, keep):
    nvrtc = pytest.importorskip("emberkeep.targets.cuda.nvrtc")
    one = solver(keep, system, [*system.parameters], method=method)
    for save_at in (None, [0.5]):
        plan = reversed_plan(one, save_at=save_at)
        source = Compilation(plan).source(CudaTarget("sm_90"))
        assert nvrtc.compile_source(source, "sm_90")[0].startswith(b"\x7fELF")
