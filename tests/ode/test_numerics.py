"""Results against closed forms, SciPy at tight tolerance and mpmath; never against our own."""

import numpy as np
import pytest

from emberkeep import ode

METHODS = {"rk4": 4, "tsit5": 5}


@pytest.fixture
def solver(keep):
    """Solvers on the CPU, kept by what they are for."""

    def make(system, **options):
        return ode.Solver(system, target="cpu", keep=keep, **options)

    return make


def exact(name, t):
    return {
        "decay": lambda: [np.exp(-t)],
        "oscillator": lambda: [np.cos(2 * t), -2 * np.sin(2 * t)],
        "forced": lambda: [np.sin(t) + np.exp(-t)],
    }[name]()


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", ["decay", "oscillator", "forced"])
def test_fixed_steps_converge_with_the_order_of_the_method(name, precision, solver, request):
    one = solver(request.getfixturevalue(name), method="rk4", precision=precision)
    # Single precision sees the order only while the error is well above rounding.
    steps = np.array([0.2, 0.1, 0.05]) if precision == "float64" else np.array([0.5, 0.25])
    errors = [np.abs(one.solve((0, 2), dt=dt).final[0] - exact(name, 2.0)).max() for dt in steps]
    orders = np.diff(np.log(errors)) / np.diff(np.log(steps))
    np.testing.assert_allclose(orders, 4, atol=0.35)


@pytest.mark.parametrize("name", ["decay", "oscillator", "forced"])
def test_the_adaptive_method_converges_with_its_order_where_steps_are_forced(name, solver, request):
    """With huge tolerances every step is accepted, and dt_max makes them equal."""
    one = solver(request.getfixturevalue(name))
    steps = np.array([0.2, 0.1, 0.05])
    errors = []
    for dt in steps:
        result = one.solve((0, 2), rtol=1e3, atol=1e3, dt=dt, dt_max=dt)
        errors.append(np.abs(result.final[0] - exact(name, 2.0)).max())
    orders = np.diff(np.log(errors)) / np.diff(np.log(steps))
    assert (orders > 4.6).all(), orders  # its constants are small: some problems see order 6


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", ["decay", "oscillator", "forced"])
def test_errors_follow_the_tolerance(name, precision, solver, request):
    one = solver(request.getfixturevalue(name), precision=precision)
    tolerances = [1e-4, 1e-6, 1e-8, 1e-10] if precision == "float64" else [1e-3, 1e-4, 1e-5]
    for tolerance in tolerances:
        result = one.solve((0, 3), rtol=tolerance, atol=tolerance).require_success()
        error = np.abs(result.final[0] - exact(name, 3.0)).max()
        assert error < 30 * tolerance + 1e-6 * (precision == "float32")
        if precision == "float64":
            assert error > tolerance / 1e4, "it works harder than it was asked to"


@pytest.mark.parametrize("name", ["oscillator", "forced", "ring"])
def test_values_within_steps_are_as_good_as_their_ends(name, solver, request, ring_exact):
    one = solver(request.getfixturevalue(name))
    times = np.linspace(0, 3, 301)
    result = one.solve((0, 3), save_at=times, rtol=1e-7, atol=1e-9).require_success()
    if name == "ring":
        expected = np.array([ring_exact(t) for t in times])
    else:
        expected = np.array([exact(name, t) for t in times])
    np.testing.assert_allclose(result.states[0], expected, atol=2e-6)
    np.testing.assert_array_equal(result.t, times)


@pytest.mark.parametrize("method", METHODS)
def test_saving_does_not_change_where_it_ends(method, solver, lorenz):
    one = solver(lorenz, method=method)
    options = {"dt": 1e-3} if method == "rk4" else {}
    plain = one.solve((0, 1), **options).final
    both = one.solve((0, 1), save_at=0.125, outputs=["states", "final"], **options)
    np.testing.assert_allclose(both.final, plain, rtol=1e-12)
    np.testing.assert_array_equal(both.states[:, -1], both.final)
    np.testing.assert_array_equal(both.states[:, 0], [[1, 1, 1]])


@pytest.mark.parametrize("method", METHODS)
def test_backwards_undoes_forwards(method, solver, oscillator):
    one = solver(oscillator, method=method)
    options = {"dt": 1e-3} if method == "rk4" else {"rtol": 1e-10, "atol": 1e-12}
    there = one.solve((1, 4), save_at=[1.0, 2.5, 4.0], outputs=["states", "final"], **options)
    start = {"x": there.final[:, 0], "v": there.final[:, 1]}
    back = one.solve(
        (4, 1), save_at=[4.0, 2.5, 1.0], outputs=["states", "final"], initial=start, **options
    )
    np.testing.assert_allclose(back.states[:, ::-1], there.states, atol=1e-8)
    np.testing.assert_allclose(back.final[0], [1, 0], atol=1e-8)


def test_time_itself_runs_backwards_too(solver, forced):
    result = solver(forced).solve(
        (2, 0), initial={"x": np.sin(2) + np.exp(-2)}, rtol=1e-9, atol=1e-11
    )
    np.testing.assert_allclose(result.final[0], [1.0], atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_lorenz_agrees_with_scipy_at_tight_tolerance(method, solver, lorenz):
    from scipy.integrate import solve_ivp

    rho = np.array([15.0, 24.0, 28.0])
    options = {"dt": 5e-4} if method == "rk4" else {"rtol": 1e-10, "atol": 1e-12}
    times = np.linspace(0, 5, 11)
    result = solver(lorenz, method=method).solve(
        (0, 5), save_at=times, parameters={"rho": rho}, outputs=["states"], **options
    )
    for index, value in enumerate(rho):

        def slope(_t, y, r=value):
            return [10 * (y[1] - y[0]), y[0] * (r - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]

        expected = solve_ivp(
            slope, (0, 5), [1, 1, 1], method="DOP853", rtol=1e-13, atol=1e-13, t_eval=times
        )
        np.testing.assert_allclose(result.states[index], expected.y.T, atol=2e-6)


def test_it_agrees_with_mpmath_to_ten_digits(solver, forced):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(30):
        reference = mpmath.odefun(lambda t, x: mpmath.cos(t) + mpmath.sin(t) - x, 0, 1)
        expected = float(reference(2))
    found = solver(forced).solve((0, 2), rtol=1e-12, atol=1e-13).final[0, 0]
    assert abs(found - expected) < 1e-10


def test_all_that_a_modeller_writes_means_the_same_compiled(solver):
    """Each function in one equation: after one Euler-like step it has its own value."""
    from math import erf, erfc, gamma, lgamma

    terms = {
        "exp(-u)": np.exp(-0.7), "log(u)": np.log(0.7), "log10(u)": np.log10(0.7),
        "log2(u)": np.log2(0.7), "log(u, 3)": np.log(0.7) / np.log(3), "sqrt(u)": np.sqrt(0.7),
        "cbrt(-u)": -np.cbrt(0.7), "log1p(u)": np.log1p(0.7), "expm1(u)": np.expm1(0.7),
        "sin(u)": np.sin(0.7), "cos(u)": np.cos(0.7), "tan(u)": np.tan(0.7),
        "asin(u)": np.arcsin(0.7), "acos(u)": np.arccos(0.7), "atan(u)": np.arctan(0.7),
        "sinh(u)": np.sinh(0.7), "cosh(u)": np.cosh(0.7), "tanh(u)": np.tanh(0.7),
        "asinh(u)": np.arcsinh(0.7), "acosh(2*u)": np.arccosh(1.4), "atanh(u)": np.arctanh(0.7),
        "abs(-u)": 0.7, "sign(-u)": -1, "sign(u - u)": 0, "floor(-u)": -1, "ceil(u)": 1,
        "erf(u)": erf(0.7), "erfc(u)": erfc(0.7), "gamma(u)": gamma(0.7), "lgamma(u)": lgamma(0.7),
        "atan2(u, -1)": np.arctan2(0.7, -1), "hypot(u, 2)": np.hypot(0.7, 2),
        "pow(u, 1.3)": 0.7**1.3,
        "mod(-u, 0.5)": -0.7 % 0.5, "-u % 0.5": -0.7 % 0.5, "min(u, 2, -1)": -1, "max(u, 2, -1)": 2,
        "heaviside(u)": 1, "heaviside(u - u)": 0.5, "where(u > 1, 5, 6)": 6, "u**3": 0.7**3,
        "u^-2": 0.7**-2, "u**2.5": 0.7**2.5, "2**u": 2**0.7, "pi*u": np.pi * 0.7,
        "1 if t < 5 else 2": 1, "3 if u > 0 and not u > 1 else 4": 3,
        "3 if u < 0 or u > 1 else 4": 4,
        "Piecewise((u, u > 1), (2*u, u > 0.5), (9, True))": 1.4, "(u > 0) + (u > 1)": 1,
        "0 < u < 1": 1, "u != u": 0,
    }  # fmt: skip
    equations = [f"dx{index} = {term}" for index, term in enumerate(terms)]
    system = ode.System(
        equations, {f"x{index}": 0.0 for index in range(len(terms))}, {"u": 0.7}, name="functions"
    )
    found = solver(system, method="rk4").solve((0, 1), dt=1.0).final[0]
    for index, (term, value) in enumerate(terms.items()):
        assert abs(found[index] - value) <= 1e-13 + 1e-13 * abs(value), term


def twice(x):
    return 2.0 * x


def saturating(x, half):
    if x <= 0:
        return 0.0
    return twice(x) / (half + x)


def two_pools(t, y, p):
    flow = p.rate * (y.a - y.b)
    if t > 100:
        flow = 0.0
    return -flow, flow * p.share


def test_users_functions_and_systems_that_are_functions(solver):
    by_text = ode.System(
        "da = -hill(a, k)", {"a": 1.0}, {"k": 0.5}, functions={"hill": saturating}, name="hill"
    )
    by_hand = ode.System("da = -2*a/(k + a)", {"a": 1.0}, {"k": 0.5}, name="hill2")
    first, second = (solver(one).solve((0, 0.3), rtol=1e-9).final for one in (by_text, by_hand))
    np.testing.assert_allclose(first, second, rtol=1e-9)
    pools = ode.System(
        two_pools, {"a": 1.0, "b": 0.0}, {"rate": 2.0}, constants={"share": 0.5}, name="pools"
    )
    same = ode.System(
        "da = -f; db = f*share; f = rate*(a - b)", {"a": 1.0, "b": 0.0}, {"rate": 2.0},
        constants={"share": 0.5}, name="pools2",
    )  # fmt: skip
    first, second = (solver(one).solve((0, 1), rtol=1e-9).final for one in (pools, same))
    np.testing.assert_allclose(first, second, rtol=1e-9)


def test_sympy_expressions_are_equations(solver):
    sympy = pytest.importorskip("sympy")
    x, v, w, t = sympy.symbols("x v w t")
    one = ode.System({x: v, v: -(w**2) * x}, {x: 1.0, v: 0.0}, {w: 2.0}, name="sympy")
    x_of, v_of = sympy.Function("x")(t), sympy.Function("v")(t)
    two = ode.System(
        [
            sympy.Eq(sympy.Derivative(x_of, t), v_of),
            sympy.Eq(sympy.Derivative(v_of, t), -(w**2) * x_of * sympy.Rational(1, 1)),
        ],
        {"x": 1.0, "v": 0.0}, {"w": 2.0}, name="sympy",
    )  # fmt: skip
    for system in (one, two):
        result = solver(system).solve((0, 1), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(result.final[0], [np.cos(2), -2 * np.sin(2)], atol=1e-8)


def test_single_precision_keeps_time_over_many_steps(keep):
    """A hundred thousand steps of uncompensated single precision lose several digits of time."""
    clock = ode.System("dx = cos(t)", {"x": 0.0}, name="clock")
    one = ode.Solver(clock, target="cpu", precision="float32", keep=keep)
    result = one.solve((0, 100), dt=1e-3, dt_max=1e-3, rtol=1e3, atol=1e3)
    assert abs(result.final[0, 0] - np.sin(100)) < 2e-4


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("comparison", ["<", "<=", ">", ">="])
def test_jumps_cost_no_accuracy_and_few_steps(comparison, precision, solver):
    """A stage on the far side of a jump would be wrong, or tried again and again."""
    system = ode.System(
        f"dx/dt = where(t {comparison} jump, 1, 0)", states={"x": 0.0}, parameters={"jump": 1.0}
    )
    jump = np.random.default_rng(5).uniform(2, 15, 400).astype(np.float32)
    result = solver(system, precision=precision).solve(
        (0, 20), parameters={"jump": jump}, rtol=1e-5, atol=1e-6, max_steps=20
    )
    expected = jump.astype(float) if "<" in comparison else 20 - jump.astype(float)
    unit = np.finfo(precision).eps
    np.testing.assert_allclose(
        result.require_success().final.ravel(), expected, atol=32 * 20 * unit
    )
