"""The multistep method of variable order: its formulas, its steps, and what it stands in for."""

import runpy
from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate

from emberkeep import InvalidPlan, ode
from emberkeep.ode.methods import ALIASES, chosen, numbers_of
from emberkeep.ode.methods.multistep_checks import formula
from emberkeep.ode.status import SUCCESS

HERE = Path(__file__).parent
reference = runpy.run_path(str(HERE / "multistep_reference.py"))
gpu = runpy.run_path(str(HERE / "gpu_on_host.py"))
pytestmark = pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")

BDF = numbers_of("bdf")
PURE = ode.MultistepTableau("pure", (0.0,) * 5)
every_order = pytest.mark.parametrize("order", range(1, 6))
FOLLOWER = ode.System("dx = -k*(x - cos(t)) - sin(t)", {"x": 1.0}, {"k": 1.0}, name="follower")
OSCILLATOR = ode.System("dx = v; dv = -w^2*x", {"x": 1.0, "v": 0.0}, {"w": 1.0}, name="oscillator")


def solver(keep, system, method="bdf", **more):
    return ode.Solver(system, method=method, target="cpu", keep=keep, **more)


# Formulas ----------------------------------------------------------------------------------------

# Of values, the newest first, over h f there (Hairer, Nørsett & Wanner, Solving ODEs I, III.1).
IN_PRINT = {
    1: (1, -1),
    2: (Fraction(3, 2), -2, Fraction(1, 2)),
    3: (Fraction(11, 6), -3, Fraction(3, 2), Fraction(-1, 3)),
    4: (Fraction(25, 12), -4, 3, Fraction(-4, 3), Fraction(1, 4)),
    5: (Fraction(137, 60), -5, 5, Fraction(-10, 3), Fraction(5, 4), Fraction(-1, 5)),
}


@every_order
def test_without_kappas_the_formulas_are_those_in_print(order):
    assert formula(PURE, order) == pytest.approx([*map(float, IN_PRINT[order]), 0.0], abs=1e-14)


@every_order
@pytest.mark.parametrize("tableau", [BDF, PURE], ids=lambda each: each.name)
def test_a_formula_is_right_for_polynomials_up_to_its_order(tableau, order):
    """And wrong for the next one by what its error is said to be, in exact arithmetic."""
    kappa, total = (
        Fraction(tableau.kappas[order - 1]),
        sum(Fraction(1, j) for j in range(1, order + 1)),
    )

    def difference(power, degree):
        """That of t to a degree at 0, of backward steps of length 1."""
        return sum((-1) ** i * comb(power, i) * Fraction(-i) ** degree for i in range(power + 1))

    for degree in range(1, order + 2):
        left = sum(difference(j, degree) / j for j in range(1, order + 1))
        left -= kappa * total * difference(order + 1, degree)
        missed = left - (degree == 1)
        written = sum(
            Fraction(each) * Fraction(-place) ** degree
            for place, each in enumerate(formula(tableau, order))
        )
        assert float(written) == pytest.approx(float(left), abs=1e-9)
        if degree <= order:
            assert missed == 0
    said = -Fraction(tableau.errors[order - 1]) * difference(order + 1, order + 1)
    assert float(missed) == pytest.approx(float(said), rel=1e-12)


def test_formulas_are_as_stable_as_in_print():
    """Hairer & Wanner, V.2; Shampine & Reichelt, table 1, where angles are whole degrees."""
    assert PURE.stability_angles == pytest.approx((90, 90, 86.03, 73.35, 51.84), abs=0.01)
    assert BDF.stability_angles == pytest.approx((90, 90, 80, 66, 51), abs=1)


@every_order
def test_steps_of_one_length_converge_by_the_order(order):
    """On x' = -5 (x - cos t) - sin t and y' = -y², from exact values on."""

    def slopes(t, y):
        return np.array([-5 * (y[0] - np.cos(t)) - np.sin(t), -(y[1] ** 2)])

    def jacobian(t, y):
        return np.array([[-5.0, 0.0], [0.0, -2 * y[1]]])

    def exact(t):
        return np.array([np.cos(t), 1 / (3 + t)])

    errors = [
        np.abs(reference["steps"](BDF, (slopes, jacobian), exact, order, h, 3.0) - exact(3.0))
        for h in (0.1, 0.05)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx([order, order], abs=0.35)


# Steps -------------------------------------------------------------------------------------------


@every_order
def test_what_is_tolerated_and_steps_go_together_by_the_highest_order(keep, order):
    """Of order k, a tolerance so many times smaller takes the (k + 1)th root of that more steps."""
    one = solver(keep, OSCILLATOR, ode.MultistepTableau(f"bdf{order}", BDF.kappas[:order]))
    tight = {1: 1e-6, 2: 1e-7, 3: 1e-8, 4: 1e-9, 5: 1e-10}[order]
    factor = 8.0 ** (order + 1)
    counts, errors = [], []
    for tolerance in (tight * factor, tight):
        found = one.solve(
            (0, 30), rtol=tolerance, atol=tolerance, max_steps=10**6, outputs=["final", "steps"]
        ).require_success()
        counts.append(found.steps[0, 0])
        errors.append(np.abs(found.final[0] - [np.cos(30), -np.sin(30)]).max())
    assert counts[1] / counts[0] == pytest.approx(8.0, rel=0.2)
    assert np.log(errors[0] / errors[1]) / np.log(8) == pytest.approx(order, abs=0.6)


PROBLEMS = {
    "van-der-pol": (
        ode.System("dx = v; dv = 20*(1 - x^2)*v - x", {"x": 2.0, "v": 0.0}, name="van der pol"),
        lambda t, y: np.array([y[1], 20 * (1 - y[0] ** 2) * y[1] - y[0]]),
        lambda t, y: np.array([[0, 1], [-40 * y[0] * y[1] - 1, 20 * (1 - y[0] ** 2)]]),
        10.0,
    ),
    "oscillator": (
        OSCILLATOR,
        lambda t, y: np.array([y[1], -y[0]]),
        lambda t, y: np.array([[0.0, 1.0], [-1.0, 0.0]]),
        20.0,
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_steps_are_those_of_plain_python(keep, name):
    """Of one that solves for each step to rounding, with new matrices in each turn."""
    system, slopes, jacobian, end = PROBLEMS[name]
    options = {"rtol": 1e-5, "atol": 1e-7}
    start = [*system.states.values()]
    expected, count = reference["integrated"](BDF, (slopes, jacobian), start, end, 1e-4, **options)
    found = solver(keep, system).solve((0, end), dt=1e-4, outputs=["final", "steps"], **options)
    assert abs(found.steps[0, 0] - count) <= 0.05 * count
    np.testing.assert_allclose(found.require_success().final[0], expected, rtol=2e-4, atol=2e-5)


def test_steps_are_about_as_many_as_those_of_scipy(keep):
    def slopes(t, y):
        fast = 1e4 * y[1] * y[2]
        return [-0.04 * y[0] + fast, 0.04 * y[0] - fast - 3e7 * y[1] ** 2, 3e7 * y[1] ** 2]

    system = ode.System(
        "dx = -0.04*x + 1e4*y*z; dy = 0.04*x - 1e4*y*z - 3e7*y^2; dz = 3e7*y^2",
        {"x": 1.0, "y": 0.0, "z": 0.0},
        name="robertson",
    )
    for rtol in (1e-4, 1e-6, 1e-8):
        options = {"rtol": rtol, "atol": rtol * 1e-4}
        theirs = scipy.integrate.solve_ivp(slopes, (0, 1e6), [1.0, 0, 0], "BDF", **options)
        ours = solver(keep, system).solve((0, 1e6), outputs=["final", "steps"], **options)
        assert ours.steps[0, 0] == pytest.approx(theirs.t.size - 1, rel=0.3)
        assert ours.steps[0, 1] < 0.1 * ours.steps[0, 0]
        np.testing.assert_allclose(
            ours.require_success().final[0], theirs.y[:, -1], rtol=100 * rtol, atol=0
        )


@pytest.mark.parametrize("k", [1.0, 1e3, 1e9])
def test_values_within_steps_are_as_accurate_as_their_ends(keep, k):
    times = np.linspace(0, 10, 301)
    options = {"parameters": {"k": k}, "rtol": 1e-7, "atol": 1e-9}
    within = solver(keep, FOLLOWER).solve(
        (0, 10), save_at=times, outputs=["states", "steps"], **options
    )
    assert within.steps[0].sum() < 250  # steps do not end at times to save
    np.testing.assert_allclose(within.require_success()["x"][0], np.cos(times), atol=5e-6)
    alone = solver(keep, FOLLOWER).solve((0, 10), outputs=["final", "steps"], **options)
    np.testing.assert_array_equal(alone.steps, within.steps)
    assert alone["x"][0] == within["x"][0, -1]


# Each by itself ----------------------------------------------------------------------------------


def reaction(points):
    """A wave that runs along a line, with diffusion on a torus of points by points."""

    def at(i, j):
        return f"x{i % points}_{j % points}"

    return ode.System(
        [
            f"d{at(i, j)} = d*({at(i + 1, j)} + {at(i - 1, j)} + {at(i, j + 1)} + {at(i, j - 1)}"
            f" - 4*{at(i, j)}) + 5*{at(i, j)}*(1 - {at(i, j)})"
            for i in range(points)
            for j in range(points)
        ],
        {at(i, j): 1.0 if i + j == 0 else 0.01 for i in range(points) for j in range(points)},
        {"d": 1.0},
        name=f"reaction {points}",
    )


@pytest.mark.parametrize("points", [6, 11], ids=["lines", "loops"])
def test_bits_do_not_depend_on_neighbours_in_large_systems(keep, points):
    """Whose factors are functions of lines, or loops over tables; each has its own age."""
    one = solver(keep, reaction(points))
    rates = 10 ** np.random.default_rng(1).uniform(-1, 2, 19)
    options = {"rtol": 1e-5, "atol": 1e-7, "outputs": ["final", "steps"]}
    whole = one.solve((0, 2), parameters={"d": rates}, **options).require_success()
    assert len({*whole.steps[:, 0].tolist()}) > 5
    for begin, end in ((0, 1), (3, 5), (8, 19)):
        part = one.solve((0, 2), parameters={"d": rates[begin:end]}, **options)
        np.testing.assert_array_equal(part.final, whole.final[begin:end])
        np.testing.assert_array_equal(part.steps, whole.steps[begin:end])
    precise = solver(keep, reaction(points), "tsit5").solve(
        (0, 2), parameters={"d": rates}, rtol=1e-9, atol=1e-11, max_steps=10**6
    )
    np.testing.assert_allclose(whole.final, precise.require_success().final, atol=2e-4)


# With all else -----------------------------------------------------------------------------------


def test_events_are_found_within_steps_and_begin_anew(keep):
    """A ball that is thrown back, by times in closed form."""
    ball = ode.System("dh = v; dv = -9.81", {"h": 1.0, "v": 0.0}, {"back": 0.8}, name="ball")
    bounce = ode.Event("h", direction=-1, action={"v": "-back*v"}, name="bounce")
    back = np.array([0.5, 0.8])
    found = solver(keep, ball, events=[bounce]).solve(
        (0, 1.2), parameters={"back": back}, rtol=1e-9, atol=1e-11
    )
    first = np.sqrt(2 / 9.81)
    for run, share in enumerate(back):
        expected = first * (1 + 2 * np.cumsum([0.0, *share ** np.arange(1, 20)]))
        expected = expected[expected < 1.2]
        occurred = found.events["bounce"].times[run]
        occurred = occurred[np.isfinite(occurred)]
        assert len(occurred) == len(expected)
        np.testing.assert_allclose(occurred, expected, atol=1e-7)


def test_a_steady_state_ends_a_trajectory(keep):
    decay = ode.System("dx = -x + 2", {"x": 0.0}, name="decay")
    found = solver(keep, decay, events=[ode.SteadyState(rtol=1e-6, atol=1e-6)]).solve(
        (0, 1e6), rtol=1e-8, atol=1e-10
    )
    assert found.require_success()["x"][0] == pytest.approx(2.0, abs=1e-5)


def test_a_driver_with_corners_is_followed_from_each_on(keep):
    """In closed form: x' = u, the integral of a broken line."""
    system = ode.System("dx = u", {"x": 0.0}, drivers={"u": "linear"}, name="broken")
    times, values = np.array([0.0, 1.0, 2.5, 3.0]), np.array([0.0, 4.0, -2.0, 5.0])
    found = solver(keep, system).solve(
        (0, 3), drivers={"u": ode.Driver(times, values)}, rtol=1e-8, atol=1e-10
    )
    assert found.require_success()["x"][0] == pytest.approx(np.trapezoid(values, times), rel=1e-6)


@pytest.mark.parametrize("states", [3, 30], ids=["small", "large"])
def test_a_mass_that_is_a_parameter_is_each_trajectorys_own(keep, states):
    """Also in steps that keep factors: M x' = -x decays by 1/m."""
    system = ode.System(
        {f"x{i}": f"-x{i}" for i in range(states)} | {"s": "x0 + x1 - s"},
        {f"x{i}": 1.0 + i for i in range(states)} | {"s": 3.0},
        {"m": 2.0},
        mass={f"x{i}": "m" for i in range(states)} | {"s": 0},
        name=f"heavy {states}",
    )
    masses = np.geomspace(0.1, 10, 11)
    found = solver(keep, system).solve((0, 1), parameters={"m": masses}, rtol=1e-8, atol=1e-10)
    left = np.exp(-1 / masses)
    start = np.array([*(1.0 + i for i in range(states)), 3.0])
    np.testing.assert_allclose(found.require_success().final, left[:, None] * start, rtol=2e-6)


def test_sensitivities_are_those_in_closed_form(keep):
    decay = ode.System("dx = -k*x", {"x": 1.0}, {"k": 2.0}, name="decay")
    found = solver(keep, decay, sensitivities=["k"]).solve((0, 1), rtol=1e-9, atol=1e-11)
    assert found.require_success()["x"][0] == pytest.approx(np.exp(-2.0), rel=1e-7)
    assert found.sensitivity("x", "k")[0] == pytest.approx(-np.exp(-2.0), rel=1e-6)


# Names and refusals ------------------------------------------------------------------------------


def test_names_of_others_are_taken(keep):
    assert chosen("NDF") is chosen("ode15s") is BDF
    assert {name for name, of in ALIASES.items() if of == "bdf"} == {"ndf", "ode15s"}

    def slopes(t, y):
        return [-1e3 * (y[0] - np.cos(t))]

    for method in ("BDF", scipy.integrate.BDF):
        found = ode.solve_ivp(slopes, (0, 2), [1.0], method, rtol=1e-6, atol=1e-8, keep=keep)
        assert found.success
        assert found.result.status[0] == SUCCESS
        expected = scipy.integrate.solve_ivp(slopes, (0, 2), [1.0], "Radau", rtol=1e-9, atol=1e-11)
        assert found.y[0, -1] == pytest.approx(expected.y[0, -1], abs=1e-5)


@pytest.mark.parametrize(
    ("kappas", "message"),
    [
        ((), "kappas has 0 numbers; expected one for each order"),
        ((0.0,) * 6, "kappas has 6 numbers"),
        ([0.0], r"kappas is \[0.0\]; expected a tuple"),
        ((float("nan"),), "expected a tuple of numbers"),
        ((1.0,), r"kappas\[0\] is 1.0, which leaves no formula"),
        ((0.0, 3.0), r"kappas\[1\]=3.0 the formula of order 2 is not stable: errors grow"),
    ],
)
def test_formulas_that_are_none_are_refused(kappas, message):
    with pytest.raises(InvalidPlan, match=message):
        ode.MultistepTableau("own", kappas).check()


@pytest.mark.parametrize("controller", ["pi", "gustafsson", "h211b", "fixed"])
def test_controllers_that_go_by_more_than_the_last_error_are_refused(keep, controller):
    with pytest.raises(InvalidPlan, match=f"'{controller}' goes by.*'bdf'.*Leave out controller="):
        solver(keep, FOLLOWER).solve((0, 1), controller=controller, dt=0.1)


def test_a_careful_controller_takes_more_steps(keep):
    one = solver(keep, FOLLOWER)
    counts = [
        one.solve((0, 10), safety=safety, outputs=["final", "steps"]).steps[0, 0]
        for safety in (0.9, 0.3)
    ]
    assert counts[1] > 1.5 * counts[0]


def stable(angle):
    return "A" if angle == 90 else f"A({angle:.1f}°)"


def test_the_table_of_the_documents_is_what_the_numbers_say():
    """After a change on purpose: the lines that are missing stand in the assertion."""
    text = (HERE.parents[1] / "docs" / "methods.md").read_text()
    wanted = [
        f"| {order} | {kappa:.4f} | {error:.4f} | {pure:.4f} | {stable(angle)} |"
        for order, kappa, error, pure, angle in zip(
            range(1, 6), BDF.kappas, BDF.errors, PURE.errors, BDF.stability_angles, strict=True
        )
    ]
    assert [line for line in wanted if line not in text] == []
