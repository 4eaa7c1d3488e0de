"""Implicit Runge-Kutta methods against the conditions of order, in exact arithmetic."""

import runpy
from decimal import localcontext
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.errors import InvalidPlan
from emberkeep.ode.methods import ALIASES, IMPLICIT, chosen, numbers_of
from emberkeep.ode.methods.collocation import ONE, integrals, legendre, radau, roots, start_weight
from emberkeep.ode.methods.implicit_checks import embedded
from emberkeep.ode.methods.order_conditions import runge_kutta
from emberkeep.ode.methods.stability import of_implicit
from emberkeep.startup_records import replace

HERE = Path(__file__).parent
exact_file = runpy.run_path(HERE / "exact_tableaux.py")["exact"]
reference = runpy.run_path(HERE / "implicit_reference.py")
MISSED = reference["MISSED"]

every_method = pytest.mark.parametrize("name", sorted(IMPLICIT))

# Order of the solution, of what it is compared with, and of values within a step.
ORDERS = {
    "esdirk436l2sa2": (4, 3, 0),
    "esdirk437l2sa": (4, 3, 0),
    "esdirk547l2sa2": (5, 4, 0),
    "esdirk54i8l2sa": (5, 4, 0),
    "gauss-legendre-4": (4, 0, 2),
    "gauss-legendre-6": (6, 0, 3),
    "gauss-legendre-8": (8, 0, 4),
    "implicit-euler": (1, 0, 0),
    "implicit-midpoint": (2, 0, 0),
    "kencarp3": (3, 2, 0),
    "kencarp4": (4, 3, 0),
    "kencarp47": (4, 3, 0),
    "kencarp5": (5, 4, 0),
    "kencarp58": (5, 4, 0),
    "kvaerno3": (3, 2, 0),
    "kvaerno4": (4, 3, 0),
    "kvaerno5": (5, 4, 0),
    "radau-iia-3": (3, 2, 2),
    "radau-iia-5": (5, 3, 3),
    "radau-iia-9": (9, 5, 5),
    "sdirk2": (2, 1, 0),
    "sdirk3": (3, 2, 0),
    "sdirk4": (4, 3, 3),
    "tr-bdf2": (2, 3, 0),
    "trapezoidal": (2, 0, 0),
}
COLLOCATION = {
    "gauss-legendre-4": legendre(2),
    "gauss-legendre-6": legendre(3),
    "gauss-legendre-8": legendre(4),
    "radau-iia-3": radau(2),
    "radau-iia-5": radau(3),
    "radau-iia-9": radau(5),
}
AT_INFINITY = {
    "gauss-legendre-4": 1,
    "gauss-legendre-6": -1,
    "gauss-legendre-8": 1,
    "implicit-midpoint": -1,
    "trapezoidal": -1,
}
RATIONAL = {
    "implicit-euler", "implicit-midpoint", "kencarp4", "sdirk4", "trapezoidal",
}  # fmt: skip
# Fractions of thirteen digits meet conditions to these; roots are written with forty.
PAIRS = {name for name in ORDERS if name.startswith(("kencarp", "esdirk"))} - RATIONAL
FEWER_DIGITS = {"kvaerno5": 1e-15, **dict.fromkeys(PAIRS, 1e-23)}


@pytest.fixture(autouse=True)
def _many_digits():
    with localcontext() as context:
        context.prec = 60
        yield


@cache
def exact(name):
    """A method with Fractions for its numbers."""
    if name not in COLLOCATION:
        return replace(exact_file(name), {"error_at_start": 0})
    polynomial = COLLOCATION[name]
    nodes = [Fraction(node, ONE) for node in roots(polynomial)]
    interpolant = tuple(
        tuple(Fraction(value, ONE) for value in row) for row in integrals(roots(polynomial))
    )
    gamma = Fraction(start_weight(polynomial), ONE)

    def until(row, x):
        return sum(value * x**power for power, value in enumerate(row, 1))

    fields = (
        {}
        if name.startswith("gauss")
        else {
            "error": tuple(gamma * row[0] for row in interpolant),
            "error_at_start": -gamma,
        }
    )
    fields |= {
        "nodes": tuple(nodes),
        "matrix": tuple(tuple(until(row, node) for row in interpolant) for node in nodes),
        "weights": tuple(until(row, 1) for row in interpolant),
        "interpolant": interpolant,
    }
    return replace(numbers_of(name), fields)


@cache
def prepared(name):
    """A method's exact numbers, the differentials in its slopes, and in those with the start's.

    Fractions of two hundred bits would grow too long: sixty digits of them are enough.
    """
    tableau = exact(name)
    if name in COLLOCATION:
        tableau = reference["decimals"](tableau)
    started = runge_kutta([(), *((0, *row) for row in tableau.matrix)])
    return tableau, runge_kutta(tableau.matrix), started


@cache
def defect(name):
    """The largest defect that is left by the digits of a method."""
    tableau, differentials, started = prepared(name)
    found = [reference["worst"](tableau.weights, differentials, tableau.order)]
    if tableau.error:
        found.append(reference["worst"](embedded(tableau), started, tableau.error_order))
    if tableau.interpolant:
        found.append(reference["worst_within"](tableau, differentials))
    return max(found)


# Orders -----------------------------------------------------------------------------------------


@every_method
def test_orders_are_those_of_the_literature(name):
    tableau = numbers_of(name)
    found = (tableau.order, tableau.error_order, tableau.interpolant_order)
    assert found == ORDERS[name]


@every_method
def test_solution_estimate_and_interpolant_meet_all_conditions(name):
    if name in RATIONAL:
        assert defect(name) == 0
    else:
        assert defect(name) < FEWER_DIGITS.get(name, 1e-37)


@every_method
def test_no_order_is_higher_than_it_says(name):
    tableau, differentials, started = prepared(name)
    if tableau.order < 8:
        assert reference["missed"](tableau.weights, differentials, tableau.order + 1) > MISSED
    if tableau.error:
        assert reference["missed"](embedded(tableau), started, tableau.error_order + 1) > MISSED


@every_method
def test_nodes_are_the_sums_of_their_rows(name):
    tableau = exact(name)
    for node, row in zip(tableau.nodes, tableau.matrix, strict=True):
        assert abs(sum(row) - node) < (1e-15 if name == "kvaerno5" else 1e-23)


@pytest.mark.parametrize("name", sorted(name for name in ORDERS if ORDERS[name][2]))
def test_interpolants_end_at_the_solution(name):
    tableau = exact(name)
    for row, weight in zip(tableau.interpolant, tableau.weights, strict=True):
        assert abs(sum(row) - weight) < 1e-50


# Collocation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COLLOCATION)
def test_nodes_are_those_of_quadrature(name):
    """Of NumPy's Legendre polynomials: P_s, and P_s - P_(s-1), from -1 to 1."""
    count = len(COLLOCATION[name]) - 1
    last = -1.0 if name.startswith("radau") else 0.0
    series = np.polynomial.Legendre([0.0] * (count - 1) + [last, 1.0])
    expected = (np.sort(series.roots().real) + 1) / 2
    assert numbers_of(name).nodes == pytest.approx(expected, abs=1e-14)
    assert tuple(map(float, exact(name).nodes)) == numbers_of(name).nodes


@pytest.mark.parametrize("name", COLLOCATION)
def test_doubles_are_the_exact_numbers_rounded_once(name):
    doubles, exactly = numbers_of(name), exact(name)
    assert doubles.matrix == tuple(tuple(map(float, row)) for row in exactly.matrix)
    assert doubles.interpolant == tuple(tuple(map(float, row)) for row in exactly.interpolant)
    for field in ("weights", "error"):
        assert getattr(doubles, field) == tuple(map(float, getattr(exactly, field)))


def test_radau_5_is_hairers():
    tableau, root = numbers_of("radau-iia-5"), 6**0.5
    assert tableau.nodes == pytest.approx(((4 - root) / 10, (4 + root) / 10, 1), abs=1e-15)
    assert tableau.matrix[0] == pytest.approx(
        ((88 - 7 * root) / 360, (296 - 169 * root) / 1800, (3 * root - 2) / 225), abs=1e-15
    )
    # γ₀ of his (8.8), and e of his (8.19), which is of the stages' states.
    gamma = -tableau.error_at_start
    assert gamma == pytest.approx((6 + 81 ** (1 / 3) - 9 ** (1 / 3)) / 30, rel=1e-14)
    e = gamma / 3 * np.array([-13 - 7 * root, -13 + 7 * root, -1])
    assert np.array(tableau.error) @ np.linalg.inv(tableau.matrix) == pytest.approx(-e, rel=1e-12)


@pytest.mark.parametrize("name", sorted(name for name in COLLOCATION if ORDERS[name][1]))
def test_the_weight_of_the_start_is_an_eigenvalue_where_one_is_real(name):
    tableau = numbers_of(name)
    values = np.linalg.eigvals(np.array(tableau.matrix))
    if tableau.count % 2:
        nearest = values[np.argmin(abs(values.imag))]
        assert abs(nearest + tableau.error_at_start) < 1e-13
    else:
        mean = abs(np.prod(values)) ** (1 / tableau.count)
        assert mean == pytest.approx(-tableau.error_at_start, rel=1e-13)


# Stability --------------------------------------------------------------------------------------


@every_method
def test_what_is_left_of_what_decays_at_once(name):
    assert float(exact(name).value_at_infinity) == pytest.approx(
        AT_INFINITY.get(name, 0), abs=1e-15
    )
    assert numbers_of(name).value_at_infinity == pytest.approx(AT_INFINITY.get(name, 0), abs=1e-13)


@every_method
def test_it_is_a_stable(name):
    """On the imaginary axis to 1e-10, and with no pole to the left of it."""
    tableau = numbers_of(name)
    assert tableau.stability_angle == 90
    eigenvalues = np.linalg.eigvals(np.array(tableau.matrix))
    assert min(eigenvalues.real) > -1e-12


@pytest.mark.parametrize("name", sorted(RATIONAL | set(COLLOCATION)))
def test_it_is_a_stable_in_exact_arithmetic(name):
    tableau, differentials, _ = prepared(name)
    below = denominator(name, tableau)
    above = reference["numerator"](tableau.weights, differentials, below)
    if name in COLLOCATION:  # whose nodes are roots, and P and Q fractions
        above = [Fraction(one).limit_denominator(10**12) for one in above]
    assert reference["is_bounded_on_imaginary_axis"](above, below)


def denominator(name, tableau):
    """Q of R = P/Q, by ascending powers: det(I - zA)."""
    if name in COLLOCATION:  # of the polynomial's derivatives at 0 (Hairer & Wanner II, IV.3)
        count, factorial, found = tableau.count, 1, []
        for place, value in enumerate(COLLOCATION[name]):
            factorial *= max(place, 1)
            found.append(Fraction(factorial * value))
        return [one / found[count] for one in reversed(found)]
    found = [Fraction(1)]
    for place, row in enumerate(tableau.matrix):
        found = [
            one - row[place] * other for one, other in zip([*found, 0], [0, *found], strict=True)
        ]
    return found


@every_method
def test_the_stability_function_is_the_exponential_to_the_order(name):
    function, order = of_implicit(numbers_of(name)), numbers_of(name).order
    z = (-0.4 + 0.2j) * (1 if order > 5 else 0.1)
    errors = [abs(function(one) - np.exp(one)) for one in (z, z / 2)]
    assert np.log2(errors[0] / errors[1]) > order + 0.6
    if name not in AT_INFINITY:
        assert abs(function(-1e9)) < 1e-6


def test_a_method_that_is_bounded_nowhere_has_no_value_at_infinity():
    own = ode.ImplicitTableau("own", 1, (0.0, 1.0), ((0.0, 0.0), (0.0, 1.0)), (0.5, 0.5)).check()
    assert own.value_at_infinity == np.inf
    assert own.stability_angle < 90


@every_method
def test_what_is_found_out_from_the_numbers(name):
    tableau = numbers_of(name)
    fully = name in COLLOCATION
    assert tableau.name == name
    assert tableau.check() is tableau
    assert tableau.is_diagonal != fully
    assert tableau.ends_with_solution == (
        name != "implicit-midpoint" and not name.startswith("gauss")
    )
    explicit = name.startswith(("esdirk", "ken", "kv", "tr"))
    assert tableau.begins_explicitly == explicit
    diagonal = {row[place] for place, row in enumerate(tableau.matrix) if place or not explicit}
    assert {tableau.gamma} == ({0.0} if fully else diagonal)
    assert tableau.is_adaptive == bool(ORDERS[name][1])
    assert tableau.has_interpolant == bool(ORDERS[name][2])
    # With a filtered estimate, and where values within a step are less accurate, steps end.
    assert tableau.interpolates == (name == "sdirk4")


# Measured ---------------------------------------------------------------------------------------


@every_method
def test_its_measured_order(name):
    tableau = reference["decimals"](exact(name))
    error = reference["at_end"](tableau, reference["implicit_slopes"])
    assert tableau.order - 0.3 < reference["power"](error, 2) < tableau.order + 0.9


@pytest.mark.parametrize("name", sorted(name for name in ORDERS if ORDERS[name][2]))
def test_the_measured_order_of_values_within_a_step(name):
    tableau = reference["decimals"](exact(name))
    error = reference["inside"](tableau, reference["implicit_slopes"])
    assert reference["power"](error, 4) == pytest.approx(tableau.dense_order + 1, abs=0.15)


# A user's own -----------------------------------------------------------------------------------

OWN = ode.ImplicitTableau("own", 2, (1 / 4, 3 / 4), ((1 / 4, 0), (1 / 2, 1 / 4)), (1 / 2, 1 / 2))
RADAU = numbers_of("radau-iia-5")
REFUSED = {
    "no name": (OWN, {"name": ""}, "name is ''; expected text"),
    "no order": (OWN, {"order": 0}, "order is 0; expected 1 at least"),
    "no nodes": (OWN, {"nodes": ()}, r"nodes is \(\); expected one stage at least"),
    "rows": (OWN, {"matrix": ((1 / 4, 0),)}, "matrix has 1 rows; expected 2, one for each node"),
    "a short row": (OWN, {"matrix": ((1 / 4,), (1 / 2, 1 / 4))}, r"matrix\[0\] has 1 numbers; exp"),
    "explicit": (
        OWN,
        {"matrix": ((0, 0), (1, 0)), "nodes": (0, 1)},
        "no stage of matrix takes of itself or of a later one; that is an explicit method, an ode",
    ),
    "a node": (OWN, {"nodes": (1 / 4, 1 / 2)}, r"matrix\[1\] adds up to 0.75; its node is 0.5, an"),
    "weights": (OWN, {"weights": (1.0,)}, "weights has 1 numbers; expected 2"),
    "too high an order": (OWN, {"order": 3}, "order is 3, and the numbers reach order 2 only"),
    "no number at the start": (RADAU, {"error_at_start": "0"}, "error_at_start is '0'; expected a"),
    "a start without an estimate": (
        OWN,
        {"error_at_start": 0.5},
        "error_at_start is given, and error is not",
    ),
    "another weight of the start": (
        RADAU,
        {"error_at_start": -0.3},
        "error_order is 3, and the numbers reach order 0 only",
    ),
    "too high an interpolant": (RADAU, {"interpolant_order": 4}, "misses the condition"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_tableau_that_is_not_what_it_says_is_refused(case):
    tableau, changes, message = REFUSED[case]
    with pytest.raises(InvalidPlan, match=message):
        replace(tableau, changes).check()


def test_a_tableau_of_ones_own_is_public():
    assert OWN.check() is OWN
    assert chosen(OWN) is OWN
    with pytest.raises(InvalidPlan, match=r"expected a name, or an ode.Tableau, an ode.Rosenbrock"):
        chosen(7)


# Stiff equations --------------------------------------------------------------------------------


@cache
def stiff_order(name):
    """See there: on the equation of Prothero and Robinson."""
    with localcontext() as context:
        context.prec = 60
        tableau = reference["decimals"](exact(name))
        at_infinity = numbers_of(name).value_at_infinity
        return reference["stiff_order"](tableau, reference["implicit_error"], at_infinity)


@every_method
def test_the_order_that_is_left_on_stiff_equations(name):
    """That of stages: 1 where the first is implicit, 2 where it is the start, s of collocation."""
    tableau = numbers_of(name)
    expected = 2 if tableau.begins_explicitly else 1
    if name in COLLOCATION:
        expected = tableau.count + (name == "gauss-legendre-6")
    if name == "implicit-midpoint":
        expected = 2
    assert stiff_order(name) == (expected, tableau.ends_with_solution)


# Documents --------------------------------------------------------------------------------------


def line(name):
    one = numbers_of(name)
    others = ", ".join(f"`{alias}`" for alias, found in ALIASES.items() if found == name)
    kind = "fully" if not one.is_diagonal else "ESDIRK" if one.begins_explicitly else "SDIRK"
    return reference["line"](
        f"`{name}`",
        others,
        one.order,
        one.error_order or "–",
        one.count,
        kind,
        reference["stability"](one),
        reference["when_stiff"](stiff_order(name)),
        "yes" if one.ends_with_solution else "no",
        reference["dense"](one),
        reference["left"](defect(name)),
    )


def test_the_table_of_the_documents_is_what_the_numbers_say():
    """After a change on purpose: the lines that are missing stand in the assertion."""
    text = (HERE.parents[1] / "docs" / "methods.md").read_text()
    missing = [line(name) for name in IMPLICIT if line(name) not in text]
    assert missing == []
