"""Fully implicit methods, compiled: orders, what they keep, what they damp, what they say."""

import functools

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from emberkeep import InvalidPlan, ode
from emberkeep.ode.kernel.families.fully_implicit import fully_implicit_step
from emberkeep.ode.methods.implicit import ImplicitTableau
from emberkeep.ode.status import NOT_CONVERGED, SINGULAR, SUCCESS
from emberkeep.targets.cuda.target import CudaTarget
from emberkeep.targets.protocol import PrintedSource

pytestmark = pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")

GAUSS = ["gauss-legendre-4", "gauss-legendre-6", "gauss-legendre-8"]
RADAU = ["radau-iia-3", "radau-iia-5", "radau-iia-9"]
MANY = 30  # states: more than are written out, and products than are straight lines

KEPLER = ode.System(
    "dx = u; dy = v; du = -x/(x^2 + y^2)^1.5; dv = -y/(x^2 + y^2)^1.5;"
    "turning = x*v - y*u; energy = (u^2 + v^2)/2 - (x^2 + y^2)^(-0.5)",
    {"x": 0.5, "y": 0.0, "u": 0.0, "v": 3**0.5},  # once around in 2π, of eccentricity 1/2
    observables=["turning", "energy"],
    name="kepler",
)
SPIRAL = ode.System("dx = a*x - b*y; dy = b*x + a*y", {"x": 1.0, "y": 0.0}, {"a": -1.0, "b": 0.0})
VAN_DER_POL = ode.System(
    "dx = v; dv = m*((1 - x^2)*v - x)", {"x": 2.0, "v": -0.66}, {"m": 1e6}, name="van der pol"
)
DENSE = ode.System(
    {
        f"x{i}": " + ".join(f"{np.cos(i * j + 1) / MANY:.17g}*x{j}" for j in range(MANY))
        + f" - k*x{i}^3"
        for i in range(MANY)
    },
    {f"x{i}": 1.0 / (1 + i) for i in range(MANY)},
    {"k": 1.0},
    name="dense",
)


def solver(keep, system, method="radau-iia-5", **more):
    return ode.Solver(system, method=method, target="cpu", keep=keep, **more)


# What a step is -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", GAUSS + RADAU)
def test_orders(keep, method):
    """Once around an ellipse, by steps so long that rounding does not show."""
    one = solver(keep, KEPLER, method)
    order = one.tableau.order
    counts = np.array([60, 120]) if order < 9 else np.array([30, 60])
    if order < 5:
        counts *= 4
    errors = []
    for count in counts:
        found = one.solve(
            (0, 2 * np.pi), dt=2 * np.pi / count, controller="fixed", rtol=1e-12, atol=1e-13
        )
        errors.append(np.abs(found.require_success().final[0, :4] - [0.5, 0, 0, 3**0.5]).max())
    assert order - 0.7 < np.log2(errors[0] / errors[1]) < order + 0.7


def butchers(tableau, count):
    """Steps around the ellipse by Butcher's matrix alone: stages by going round in circles."""
    matrix, weights, h = np.array(tableau.matrix), np.array(tableau.weights), 2 * np.pi / count
    at = np.array([0.5, 0, 0, 3**0.5])
    for _ in range(count):
        slopes = np.zeros((len(weights), 4))
        for _ in range(100):
            x, y, u, v = (at + h * matrix @ slopes).T
            cube = np.hypot(x, y) ** 3
            slopes = np.stack([u, v, -x / cube, -y / cube], 1)
        at = at + h * weights @ slopes
    return at


@pytest.mark.parametrize("method", GAUSS + RADAU)
def test_steps_are_those_of_the_matrix(keep, method):
    one = solver(keep, KEPLER, method)
    found = one.solve((0, 2 * np.pi), dt=2 * np.pi / 60, controller="fixed", rtol=1e-14, atol=1e-14)
    expected = butchers(one.tableau, 60)
    np.testing.assert_allclose(
        found.require_success().final[0, :4], expected, rtol=1e-10, atol=1e-10
    )


def rational(tableau, z):
    """What a step makes of x' = (z/h) x: Butcher's matrix, by NumPy."""
    matrix, weights = np.array(tableau.matrix), np.array(tableau.weights)
    ones = np.ones(len(weights))
    return 1 + z * weights @ np.linalg.solve(np.eye(len(weights)) - z * matrix, ones)


@pytest.mark.parametrize("method", GAUSS + RADAU)
def test_a_linear_system_is_multiplied_by_the_function_of_stability(keep, method):
    """Growing and decaying, turning, and beyond all measure: there, of Radau, nothing is left."""
    one = solver(keep, SPIRAL, method)
    z = np.array([0.5, -0.3 + 2j, -4 - 1j, 3j, -1e3 + 1e3j, -1e8, 1e6j, -1e12])
    found = one.solve(
        (0, 1), parameters={"a": z.real, "b": z.imag}, dt=1.0, controller="fixed", rtol=1e-13,
        atol=1e-13,
    ).require_success()  # fmt: skip
    expected = [rational(one.tableau, each) for each in z]
    np.testing.assert_allclose(found["x"] + 1j * found["y"], expected, rtol=1e-11, atol=1e-11)
    left = abs(found["x"][-1])
    if method in RADAU:
        assert left < 1e-11
    else:
        assert left == pytest.approx(1, rel=1e-9)


def estimates(tableau, z):
    """Of a step of x' = (z/h) x from 1: filtered once, and again (Hairer & Wanner II, IV.8)."""
    gamma, ones = -tableau.error_at_start, np.ones(tableau.count)
    slopes = z * np.linalg.solve(np.eye(tableau.count) - z * np.array(tableau.matrix), ones)
    compared = np.array(tableau.error) @ slopes
    first = (gamma * z - compared) / (1 - gamma * z)
    return abs(first), abs((gamma * z * (1 + first) - compared) / (1 - gamma * z))


@pytest.mark.parametrize("method", RADAU)
def test_steps_are_judged_by_an_estimate_that_is_filtered(keep, method):
    """One is taken where what is tolerated is a little more than that, not where it is less."""
    one = solver(keep, SPIRAL, method)
    again = 0
    for z in (-0.5, 0.3 + 1j, -2 + 0.5j, -30.0, -200 + 300j):
        first, second = estimates(one.tableau, z)
        again += second < first
        for share in (0.98, 1.02):
            found = one.solve(
                (0, 1), parameters={"a": np.real(z), "b": np.imag(z)}, dt=1.0, rtol=1e-13,
                atol=min(first, second) / 2**0.5 * share, outputs=["steps"],
            )  # fmt: skip
            assert (found.steps.tolist() == [[1, 0]]) == (share > 1)
    assert again > 1


@pytest.mark.parametrize("method", [*GAUSS[:2], "radau-iia-5"])
def test_gauss_keeps_what_motion_keeps(keep, method):
    """Over 300 times around: the angular momentum to rounding, the energy without a drift."""
    one = solver(keep, KEPLER, method)
    turns, dt = 300, 2 * np.pi / 50
    found = one.solve(
        (0, turns * 2 * np.pi), dt=dt, save_at=10 * dt, controller="fixed", rtol=1e-13, atol=1e-13,
    ).require_success()  # fmt: skip
    turning, energy = (
        np.abs(found[name][0] / found[name][0, 0] - 1) for name in ("turning", "energy")
    )
    early, late = energy[: len(energy) // 10].max(), energy[-len(energy) // 10 :].max()
    if method in GAUSS:
        assert turning.max() < 1e-10
        assert late < 2 * early
    else:
        assert turning.max() > 1e-6
        assert late > 5 * early


# What is solved -----------------------------------------------------------------------------------


@functools.cache
def van_der_pol():
    """Times, and where it is then, by SciPy."""
    times, m = np.linspace(0, 1.5, 16), 1e6
    found = solve_ivp(
        lambda t, y: [y[1], m * ((1 - y[0] ** 2) * y[1] - y[0])],
        (0, 1.5),
        [2.0, -0.66],
        method="Radau",
        t_eval=times,
        rtol=1e-9,
        atol=1e-9,
        jac=lambda t, y: [[0, 1], [-m * (2 * y[0] * y[1] + 1), m * (1 - y[0] ** 2)]],
    )
    return times, found.y.T


@pytest.mark.parametrize("method", RADAU)
@pytest.mark.parametrize("tolerance", [1e-5, 1e-7])
def test_van_der_pol_as_scipy_solves_it(keep, method, tolerance):
    times, exact = van_der_pol()
    found = solver(keep, VAN_DER_POL, method).solve(
        (0, 1.5), save_at=times, rtol=tolerance, atol=tolerance
    )
    error = np.abs(found.require_success().states[0] - exact) / (1 + np.abs(exact))
    assert error.max() < 30 * tolerance


@pytest.mark.parametrize("method", RADAU)
def test_what_follows_a_fast_decay_is_right_where_it_is_saved(keep, method):
    """Steps could be so long that nothing between their ends is: so these are where it is saved."""
    rates, times = 10.0 ** np.arange(0, 9), np.linspace(0, 3, 31)
    following = ode.System(
        "dx = -k*(x - cos(t)) - sin(t)", {"x": 1.0}, {"k": 1.0}, name="following"
    )
    found = solver(keep, following, method).solve(
        (0, 3), parameters={"k": rates}, save_at=times, rtol=1e-6, atol=1e-8
    )
    expected = np.broadcast_to(np.cos(times), (9, 31))
    np.testing.assert_allclose(found.require_success()["x"], expected, atol=1e-5)


@pytest.mark.parametrize("method", ["radau-iia-5", "radau-iia-9"])
def test_many_states_that_all_depend_on_each_other(keep, method):
    """Complex factors in loops over arrays, against SciPy."""
    matrix = np.cos(np.outer(np.arange(MANY), np.arange(MANY)) + 1) / MANY
    start = 1.0 / (1 + np.arange(MANY))
    strengths = np.array([1.0, 100.0])
    found = solver(keep, DENSE, method).solve(
        (0, 2), parameters={"k": strengths}, rtol=1e-8, atol=1e-10
    )
    for k, final in zip(strengths, found.require_success().final, strict=True):
        exact = solve_ivp(
            lambda t, y, k=k: matrix @ y - k * y**3, (0, 2), start, "DOP853", rtol=1e-11, atol=1e-13
        )
        np.testing.assert_allclose(final, exact.y[:, -1], atol=2e-7)


@pytest.mark.parametrize("method", ["radau-iia-9", "gauss-legendre-8"])
def test_single_precision(keep, method):
    one = solver(keep, KEPLER, method, precision="float32")
    dt = None if one.tableau.is_adaptive else 2 * np.pi / 50
    found = one.solve((0, 2 * np.pi), rtol=1e-5, atol=1e-5, dt=dt)
    np.testing.assert_allclose(found.require_success().final[0, :4], [0.5, 0, 0, 3**0.5], atol=2e-3)


# Each by itself -----------------------------------------------------------------------------------


def test_a_step_is_predicted_from_its_own_trajectory(keep):
    """Side by side with others that begin, end and reject at other times, and cross jumps."""
    pulsed = ode.System(
        "dx = -k*x*x + where(t < t1, 0, k)", {"x": 1.0}, {"k": 1.0, "t1": 0.5}, name="switched"
    )
    rng = np.random.default_rng(0)
    values = {"k": 10 ** rng.uniform(-1, 5, 60), "t1": rng.uniform(0.1, 0.9, 60)}
    one = solver(keep, pulsed, threads=2)
    options = {"rtol": 1e-7, "atol": 1e-9, "outputs": ["final", "steps"]}
    whole = one.solve((0, 1), parameters=values, **options)
    for begin, end in ((0, 1), (5, 8), (31, 60)):
        given = {name: value[begin:end] for name, value in values.items()}
        part = one.solve((0, 1), parameters=given, **options)
        np.testing.assert_array_equal(part.final, whole.final[begin:end])
        np.testing.assert_array_equal(part.steps, whole.steps[begin:end])
    k, t1 = values["k"], values["t1"]
    at_jump = 1 / (1 + k * t1)
    exact = np.tanh(np.arctanh(at_jump) + k * (1 - t1))
    np.testing.assert_allclose(whole.require_success()["x"], exact, rtol=1e-5)


@pytest.mark.parametrize("system", [KEPLER, DENSE], ids=["small", "large"])
@pytest.mark.parametrize("method", ["radau-iia-5", "gauss-legendre-4"])
def test_what_a_gpu_is_given_compiles(keep, system, method):
    nvrtc = pytest.importorskip("emberkeep.targets.cuda.nvrtc")
    from emberkeep.ode.compilation import Compilation

    plan = solver(keep, system, method).plan(outputs=("states", "final"))
    source = Compilation(plan).source(CudaTarget("sm_90"))
    assert isinstance(source, PrintedSource)
    assert nvrtc.compile_source(source, "sm_90")[0].startswith(b"\x7fELF")


# What goes wrong ----------------------------------------------------------------------------------


def test_a_fixed_step_that_makes_a_matrix_singular_is_told(keep):
    """1/γ = hλ, of the method's real eigenvalue γ: there, and for that trajectory alone."""
    growing = ode.System("dx = r*x", {"x": 1.0}, {"r": 1.0}, name="growing")
    one = solver(keep, growing)
    [gamma] = np.linalg.eigvals(np.array(one.tableau.matrix)).real[
        np.abs(np.linalg.eigvals(np.array(one.tableau.matrix)).imag) < 1e-9
    ]
    step = fully_implicit_step(one.tableau, is_judged=False)
    exact = step.operations[0].gamma
    assert exact == pytest.approx(gamma, rel=1e-13)
    rates = np.array([8 * (1.0 / exact), 1.0, -1.0])
    found = one.solve((0, 1), parameters={"r": rates}, dt=0.125, controller="fixed")
    assert found.status.tolist() == [SINGULAR, SUCCESS, SUCCESS]
    np.testing.assert_allclose(found["x"][1:], np.exp(rates[1:]), rtol=1e-8)


def test_stages_that_are_not_found_are_told(keep):
    """A slope that jumps with the state, across every way to go; neighbours converge."""
    jumping = ode.System("dx = where(x > 0, -k, k) + s*x", {"x": 0.3}, {"k": 1.0, "s": 1.0})
    one = solver(keep, jumping)
    options = {"dt": 0.25, "controller": "fixed"}
    found = one.solve((0, 1), parameters={"k": [1.0, 0.0]}, **options)
    assert found.status.tolist() == [NOT_CONVERGED, SUCCESS]
    assert found["x"][1] == pytest.approx(0.3 * np.e, rel=1e-6)


def test_slow_turns_are_enough_where_steps_are_fixed(keep):
    """Steps so long that each turn of Newton's method leaves a good part of the error."""
    found = solver(keep, KEPLER, "gauss-legendre-4").solve(
        (0, 2 * np.pi), dt=2 * np.pi / 30, controller="fixed", rtol=1e-12, atol=1e-12
    )
    matrix = np.array(found.require_success().final[0, :4])
    assert np.abs(matrix - [0.5, 0, 0, 3**0.5]).max() < 0.05


def test_a_tableau_whose_stages_do_not_part_is_refused():
    """Its matrix has one eigenvalue twice; and what could be done is said."""
    twice = ImplicitTableau(
        "twice", order=1, nodes=(0.25, 0.75), matrix=((0.5, -0.25), (0.25, 0.0)), weights=(0.5, 0.5)
    )
    with pytest.raises(InvalidPlan, match=r"'twice' cannot be solved for.*0\.25.*'radau-iia-5'"):
        fully_implicit_step(twice, is_judged=False)


def test_without_a_polynomial_of_its_own_values_are_hermites():
    """Lobatto IIIC: stages at both ends, and nothing that is known between them."""
    lobatto = ImplicitTableau(
        "lobatto-iiic-2",
        order=2,
        nodes=(0.0, 1.0),
        matrix=((0.5, -0.5), (0.5, 0.5)),
        weights=(0.5, 0.5),
    )
    step = fully_implicit_step(lobatto, is_judged=False)
    assert not step.interpolant
    assert any(getattr(each, "target", "") == "k1" for each in step.operations)
