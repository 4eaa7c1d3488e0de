"""Every implicit method, compiled: steps are those of its numbers, and right where it is stiff."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.errors import InvalidPlan
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.methods import IMPLICIT, ROSENBROCK, numbers_of
from emberkeep.ode.methods.rosenbrock import RosenbrockTableau
from emberkeep.targets.cuda.target import CudaTarget

HERE = Path(__file__).parent
reference = runpy.run_path(HERE / "implicit_reference.py")
gpu = runpy.run_path(HERE / "gpu_on_host.py")
explicit = runpy.run_path(HERE / "test_kernel_methods.py")
stiff_orders = {
    **dict.fromkeys(
        ROSENBROCK, runpy.run_path(HERE / "test_rosenbrock_tableaux.py")["stiff_order"]
    ),
    **dict.fromkeys(IMPLICIT, runpy.run_path(HERE / "test_implicit_tableaux.py")["stiff_order"]),
}

METHODS = sorted({*ROSENBROCK, *IMPLICIT})
# One of each kind is compiled by every run of the tests.
EVERYDAY = {
    "rosenbrock23",  # the last stage looks at the solution
    "rodas5p",
    "ros34pw1a",  # a stage at the start once more
    "implicit-midpoint",  # one stage, inside
    "trapezoidal",  # one stage behind the start
    "sdirk4",  # the first stage is implicit, and values within a step are its own
    "kencarp4",
    "gauss-legendre-4",  # two stages at once
    "radau-iia-5",  # three, one of them real
}


def kinds(names):
    return [
        pytest.param(name, marks=() if name in EVERYDAY else pytest.mark.soak) for name in names
    ]


every_method = pytest.mark.parametrize("method", kinds(METHODS))
ADAPTIVE = [name for name in METHODS if numbers_of(name).is_adaptive]

BELL = """du{0} = -2*t*u{0}^2 + (v{0} - (1 + t)*u{0})*v{0}
dv{0} = u{0} - 2*t*u{0}*v{0} + (v{0} - (1 + t)*u{0})*(1 + u{0})"""
COPIES = {False: 1, True: 13}  # of two states: more than are written out
START = 0.3


def bells(*, large):
    copies = range(COPIES[large])
    states = {name: value for copy in copies for name, value in bells_states(copy).items()}
    equations = "\n".join(BELL.format(copy) for copy in copies)
    return ode.System(equations, states, name="bells" if large else "bell")


def bells_states(copy):
    u, v = reference["bells_solution"](START)
    return {f"u{copy}": u, f"v{copy}": v}


def solver(keep, system, method, **more):
    return ode.Solver(system, method=method, target="cpu", keep=keep, threads=1, **more)


def steps(one, dt, count, **more):
    """The final states after steps of one length, whose stages are found to the last digits."""
    return one.solve(
        (START, START + count * dt), dt=dt, controller="fixed", rtol=1e-13, atol=1e-13, **more
    ).require_success()


def expected(tableau, dt, count):
    """The same in plain Python."""
    is_rosenbrock = isinstance(tableau, RosenbrockTableau)
    stages = reference["rosenbrock_ks" if is_rosenbrock else "implicit_slopes"]
    y = reference["bells_solution"](START)
    for place in range(count):
        found = stages(tableau, reference["BELL"], START + place * dt, y, dt)
        y = reference["moved"](y, dt, tableau.weights, found)
    return y


def check_steps(keep, method, tableau, *, large):
    dt, count = 1 / 16, 4
    found = steps(solver(keep, bells(large=large), method), dt, count).final[0]
    assert found == pytest.approx(expected(tableau, dt, count) * COPIES[large], rel=2e-12)


# What is right where nothing is stiff -----------------------------------------------------------


@every_method
def test_steps_are_those_of_the_numbers(method, keep):
    check_steps(keep, method, numbers_of(method), large=False)


@pytest.mark.soak
@pytest.mark.parametrize("method", METHODS)
def test_steps_of_many_states_are_those_of_the_numbers(method, keep):
    check_steps(keep, method, numbers_of(method), large=True)


@pytest.mark.soak
@pytest.mark.skipif(not gpu["HAS_COMPILER"], reason="there is no C++ compiler")
@pytest.mark.parametrize("method", METHODS)
def test_a_gpu_is_given_the_same_steps(method, keep, monkeypatch, tmp_path):
    """What is written for GPUs, as threads of this machine."""
    one = solver(keep, bells(large=False), method)
    monkeypatch.setattr(one, "_runner", gpu["Threads"](tmp_path))
    found = steps(one, 1 / 16, 4).final[0]
    assert found == pytest.approx(expected(numbers_of(method), 1 / 16, 4), rel=2e-12)


@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.soak)])
@every_method
def test_what_a_gpu_is_given_compiles(method, large, keep):
    nvrtc = pytest.importorskip("emberkeep.targets.cuda.nvrtc")
    plan = solver(keep, bells(large=large), method).plan(outputs=("states", "final"))
    source = Compilation(plan).source(CudaTarget("sm_90"))
    assert nvrtc.compile_source(source, "sm_90")[0].startswith(b"\x7fELF")


DT = {1: 2e-3, 2: 1e-2, 3: 5e-3, 4: 2e-2, 5: 4e-2, 6: 0.2, 8: 0.25, 9: 0.25}


@every_method
def test_its_order(method, keep):
    one, order = solver(keep, bells(large=False), method), numbers_of(method).order
    dt = DT[order]
    count = round(2 / dt)
    known = reference["bells_solution"](START + count * dt)
    errors = [
        np.abs(steps(one, dt / parts, count * parts).final[0] - known).max() for parts in (1, 2)
    ]
    slack = 0.4 if order < 9 else 1.0  # where the second error is of rounding already
    assert order - slack < np.log2(errors[0] / errors[1]) < order + 1.0


# Estimates that are small beside their errors.
WEAK = {"kencarp47": 10, "kencarp5": 10, "esdirk437l2sa": 10}


@pytest.mark.parametrize("method", kinds(ADAPTIVE))
def test_what_is_saved_is_right_to_the_tolerance(method, keep):
    """By the powers of the step with which estimate, solution and values within a step go."""
    one, tableau = explicit["solver"](keep, method), numbers_of(method)
    rates, times = explicit["RATES"], explicit["SAVED"]
    for tolerance in (1e-5, 1e-8):
        step = tolerance ** (1 / tableau.estimate_power)
        most = 100 * WEAK.get(method, 1)
        error = max(tolerance, step**tableau.order)  # of very high orders, others show
        found = one.solve(
            (0, times[-1]), parameters={"a": rates}, save_at=times, rtol=tolerance, atol=tolerance
        )
        explicit["check_saved"](found, bound=most * (error + step ** (tableau.dense_order + 1)))
        ended = found.states[:, -1, :3] - explicit["exact"](times[-1:])[:, 0]
        assert np.abs(ended).max() < most * error


# Each by itself, since one with large errors keeps steps short for all: linear equations, those of
# time alone, and what is between. Their span, and their end states.
KINDS = {
    "decay": ("dx = -x; dy = 0.5*y", (1, 1), 3, (np.exp(-3), np.exp(1.5))),
    "oscillation": ("dx = y; dy = -4*x", (1, 0), 6, (np.cos(12), -2 * np.sin(12))),
    "time": ("dx = cos(3*t); dy = t*exp(-t)", (0, 0), 6, (np.sin(18) / 3, 1 - 7 * np.exp(-6))),
    "rate": ("dx = cos(t)*x; dy = -2*t*y", (1, 1), 3, (np.exp(np.sin(3)), np.exp(-9))),
    "chain": ("dx = 1; dy = x^2", (0, 0), 6, (6, 72)),
    "power": ("dx = -x^2; dy = x*y", (1, 1), 6, (1 / 7, 7)),
}


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ADAPTIVE)
def test_no_kind_of_equation_escapes_the_estimate(method, kind, keep):
    equations, (x, y), span, ends = KINDS[kind]
    one = solver(keep, ode.System(equations, {"x": x, "y": y}, name=kind), method)
    tableau = numbers_of(method)
    for tolerance in (1e-5, 1e-8):
        allowed = 60 * WEAK.get(method, 1) * (1 + max(map(abs, ends)))
        allowed *= tolerance ** min(1, tableau.order / tableau.estimate_power)
        found = one.solve((0, span), rtol=tolerance, atol=tolerance).require_success()
        assert np.abs(found.final[0] - ends).max() < allowed


# What is stiff ----------------------------------------------------------------------------------

PROTHERO = ode.System(
    "dx = -k*(x - cos(t + p)) - sin(t + p)", {"x": 1.0}, {"k": 1.0, "p": 0.0}, name="prothero"
)
PHASES = np.linspace(0.0, 3.0, 9)  # that errors do not vanish by chance


@every_method
def test_orders_fall_on_stiff_equations_to_what_the_documents_say(method, keep):
    """On the equation of Prothero and Robinson, with λh large; and whether errors fall with λ."""
    if method in {"rosenbrock32", "grk4a"}:
        pytest.skip("what decays at once grows, or stays")
    one, (power, falls) = solver(keep, PROTHERO, method), stiff_orders[method](method)
    rate = 1e5 if power < 5 else 1e3  # so that errors are more than rounding

    def error(dt, rate):
        found = one.solve(
            (0, 2), initial={"x": np.cos(PHASES)}, parameters={"k": rate, "p": PHASES},
            dt=dt, controller="fixed", rtol=1e-13, atol=1e-13,
        )  # fmt: skip
        return np.abs(found.require_success().final[:, 0] - np.cos(2 + PHASES)).max()

    measured = np.log2(error(0.1, rate) / error(0.05, rate))
    assert measured == pytest.approx(power, abs=0.45)
    assert error(0.1, 10 * rate) == pytest.approx(error(0.1, rate) / (10 if falls else 1), rel=0.1)


@pytest.mark.parametrize("method", kinds(one for one in ADAPTIVE if one != "rosenbrock32"))
def test_values_to_save_are_right_where_decay_is_fast(method, keep):
    """Also where an end of a step is right whatever its length, and slopes enlarge every error."""
    one, times = solver(keep, PROTHERO, method), np.linspace(0, 5, 101)
    for rate, tolerance in ((1e2, 1e-7), (1e6, 1e-4), (1e6, 1e-6)):
        found = one.solve(
            (0, 5), initial={"x": np.cos(PHASES)}, parameters={"k": rate, "p": PHASES},
            save_at=times, rtol=tolerance, atol=tolerance,
        )  # fmt: skip
        errors = found.require_success()["x"] - np.cos(times + PHASES[:, None])
        assert np.abs(errors).max() < 30 * tolerance


INSIDE = [one for one in ADAPTIVE if numbers_of(one).interpolates]


@pytest.mark.parametrize("method", INSIDE)
def test_events_are_found_where_decay_is_fast(method, keep):
    one = solver(keep, PROTHERO, method, events=[ode.Event("x - 0.3", name="crossed")])
    first = np.arccos(0.3)
    times = [first, 2 * np.pi - first, 2 * np.pi + first]
    for tolerance in (1e-4, 1e-7):
        found = one.solve(
            (0, 9), parameters={"k": 1e6}, rtol=tolerance, atol=tolerance, outputs=["events"]
        ).events["crossed"]
        assert found.counts.tolist() == [3]
        assert found.times[0, :3] == pytest.approx(times, abs=10 * tolerance)


def test_methods_without_values_within_their_steps_find_no_events(keep):
    assert INSIDE == ["rodas5pe", "rosenbrock23", "sdirk4"]
    with pytest.raises(
        InvalidPlan, match="rodas5p are less accurate .*'rodas5pe', 'bdf', or 'rosenbrock23'"
    ):
        solver(keep, PROTHERO, "rodas5p", events=[ode.Event("x")])


FOLLOWER = ode.System("dx = -1e8*(x - cos(t))", {"x": 10.0}, name="follower8")


@every_method
def test_what_decays_at_once_is_gone_or_what_is_left_of_it(method, keep):
    """From far off: each step multiplies it by the value of R at infinity."""
    one, left = solver(keep, FOLLOWER, method), numbers_of(method).value_at_infinity
    for count in (1, 2, 5):
        found = one.solve((0, 0.1 * count), dt=0.1, controller="fixed", rtol=1e-10, atol=1e-10)
        off = found.require_success().final[0, 0] - np.cos(0.1 * count)
        assert off == pytest.approx(9 * left**count, abs=6e-3 + 0.01 * abs(9 * left**count))
        if stiff_orders[method](method)[1] and abs(left) < 1e-9 and count > 1:
            assert abs(off) < 2e-8


# A user's own -----------------------------------------------------------------------------------

OWN = {
    # No stage takes of another by its states, and one has no weight.
    "rosenbrock-of-zeros": ode.RosenbrockTableau(
        "rosenbrock-of-zeros", 1, gamma=0.5, nodes=(0.0, 0.0), time_weights=(0.5, 0.5),
        stages=((0.0,),), couplings=((0.0,),), weights=(2.0, 0.0),
    ),
    # Rows that end early, as zeros may be left out.
    "rosenbrock-of-short-rows": ode.RosenbrockTableau(
        "rosenbrock-of-short-rows", 1, gamma=1.0, nodes=(0.0, 0.0), time_weights=(1.0, 1.0),
        stages=((),), couplings=((),), weights=(0.5, 0.5),
    ),
    # Another number on each place of the diagonal.
    "two-diagonals": ode.ImplicitTableau(
        "two-diagonals", 1, (0.25, 1.0), ((0.25, 0.0), (0.5, 0.5)), (0.5, 0.5)
    ),
    # An explicit stage between implicit ones, and the solution is none.
    "explicit-inside": ode.ImplicitTableau(
        "explicit-inside", 1, (0.5, 0.5, 1.0),
        ((0.5, 0.0, 0.0), (0.5, 0.0, 0.0), (0.25, 0.25, 0.5)), (0.25, 0.5, 0.25),
    ),
    # The last stage, explicit, is the solution.
    "explicit-at-the-end": ode.ImplicitTableau(
        "explicit-at-the-end", 1, (0.5, 1.0), ((0.5, 0.0), (1.0, 0.0)), (1.0, 0.0)
    ),
    # The first stage is explicit, and not at the start of what the next step begins with.
    "explicit-first": ode.ImplicitTableau(
        "explicit-first", 2, (0.0, 1.0), ((0.0, 0.0), (0.5, 0.5)), (0.5, 0.5)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_steps_of_odd_tableaux_are_those_of_their_numbers(name, keep):
    check_steps(keep, OWN[name], OWN[name].check(), large=False)
