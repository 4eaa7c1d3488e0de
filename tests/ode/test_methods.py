"""Explicit methods against the conditions of order, in exact arithmetic on what is written."""

import dataclasses
import itertools
import runpy
from collections import Counter
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from math import factorial
from pathlib import Path

import pytest

from emberkeep import ode
from emberkeep.errors import InvalidPlan
from emberkeep.ode.methods import ALIASES, EXPLICIT, FILES, NAMES, chosen, method, numbers_of
from emberkeep.ode.methods.order_conditions import defects, density, rows, runge_kutta, trees
from emberkeep.ode.methods.tableau import Tableau
from emberkeep.startup_records import as_dict, replace

HERE = Path(__file__).parent
exact = cache(runpy.run_path(HERE / "exact_tableaux.py")["exact"])
reference = runpy.run_path(HERE / "explicit_reference.py")
SYNTHETIC = runpy.run_path(HERE / "synthetic_tableaux.py")["TABLEAUX"]

# Written with as many digits as are published; all others are rational.
DECIMAL = {"ralston4", "dop853", "tsit5", "vern7", "vern8", "vern9"}
DECIMAL_INTERPOLANT = DECIMAL | {"vern6"}
SMALL = Decimal("1e-25")
DIGITS = 60
# As few trees as prove that an order is not exceeded.
MISSED = 1e-7

ENDING_WITH_SOLUTION = {"bosh3", "bs5", "dop853", "dopri5", "tsit5", "vern6"}
WITH_INTERPOLANT = {
    "bs5": 5,
    "dop853": 7,
    "dopri5": 4,
    "tsit5": 4,
    "vern6": 5,
    "vern7": 6,
    "vern8": 7,
    "vern9": 8,
}
ADAPTIVE = {
    "bosh3": 2,
    "bs5": 4,
    "cash-karp": 4,
    "dop853": 5,
    "dopri5": 4,
    "fehlberg45": 5,
    "ssprk104": 3,
    "ssprk43": 2,
    "tsit5": 4,
    "vern6": 5,
    "vern7": 6,
    "vern8": 7,
    "vern9": 8,
}

every_method = pytest.mark.parametrize("name", sorted(EXPLICIT))


def numbers(tableau, *, rational):
    """A tableau's numbers as they are, or as Decimals of many digits."""

    def turned(value):
        if isinstance(value, tuple):
            return tuple(map(turned, value))
        return reference["decimal"](value) if isinstance(value, Fraction) else value

    fields = as_dict(tableau)
    return tableau if rational else Tableau(**{name: turned(one) for name, one in fields.items()})


@pytest.fixture(autouse=True)
def _many_digits():
    with localcontext() as context:
        context.prec = DIGITS
        yield


@cache
def prepared(name):
    """A method's numbers, what its stages take, and the elementary differentials in them."""
    tableau = numbers(exact(name), rational=name not in DECIMAL)
    return tableau, rows(tableau), runge_kutta(rows(tableau))


def raw(found):
    """Defects of sums, not times densities."""
    return max(abs(defect) / density(tree) for tree, defect in found)


def worst(name, weights, order):
    differentials = prepared(name)[2]
    return max(raw(defects(weights, differentials, size)) for size in range(1, order + 1))


def allowed(name, inexact=DECIMAL):
    return SMALL if name in inexact else 0


# Trees ------------------------------------------------------------------------------------------


def symmetry(tree):
    """How many ways there are to exchange equal branches."""
    product = 1
    for branch, times in Counter(tree).items():
        product *= symmetry(branch) ** times * factorial(times)
    return product


def test_there_are_as_many_trees_as_there_should_be():
    assert [len(trees(order)) for order in range(1, 10)] == [1, 1, 2, 4, 9, 20, 48, 115, 286]


@pytest.mark.parametrize("order", range(1, 9))
def test_trees_can_be_labelled_in_as_many_ways_as_there_should_be(order):
    """In (n - 1)! ways with labels that grow from the root; n! / (σ γ) are of one tree."""
    ways = [Fraction(factorial(order), symmetry(tree) * density(tree)) for tree in trees(order)]
    assert all(one.denominator == 1 for one in ways)
    assert sum(ways) == factorial(order - 1)


# Orders -----------------------------------------------------------------------------------------


@every_method
def test_it_has_the_order_that_it_says_and_no_higher(name):
    tableau, _, differentials = prepared(name)
    assert worst(name, tableau.weights, tableau.order) <= allowed(name)
    if tableau.order < 9:
        missed = defects(tableau.weights, differentials, tableau.order + 1)
        assert raw(missed) > MISSED


@every_method
def test_what_it_compares_with_has_the_order_that_it_says(name):
    tableau, _, differentials = prepared(name)
    assert tableau.error_order == ADAPTIVE.get(name, 0)
    assert bool(tableau.error) == (name in ADAPTIVE)
    if not tableau.error:
        return
    other = [w - e for w, e in zip(tableau.weights, tableau.error, strict=True)]
    assert worst(name, other, tableau.error_order) <= allowed(name)
    if tableau.error_order < 8:
        assert raw(defects(other, differentials, tableau.error_order + 1)) > MISSED


def test_the_second_estimate_is_two_orders_lower():
    tableau, _, differentials = prepared("dop853")
    other = [w - e for w, e in zip(tableau.weights, tableau.second_error, strict=True)]
    assert worst("dop853", other, 3) <= SMALL
    assert raw(defects(other, differentials, 4)) > MISSED
    assert [numbers_of(one).second_error for one in EXPLICIT if one != "dop853"] == [()] * 24


@every_method
def test_nodes_are_the_sums_of_their_rows(name):
    tableau, matrix, _ = prepared(name)
    for node, row in zip((*tableau.nodes, *tableau.extra_nodes), matrix, strict=True):
        assert abs(sum(row) - node) <= allowed(name)


@pytest.mark.parametrize("name", sorted(WITH_INTERPOLANT))
def test_values_within_a_step_are_of_their_order_at_every_fraction(name):
    """As identities between polynomials: each power of θ by itself."""
    tableau = numbers(exact(name), rational=name not in DECIMAL_INTERPOLANT)
    differentials = runge_kutta(rows(tableau))
    for power, size in itertools.product(range(1, 9), range(1, tableau.interpolant_order + 1)):
        if power > len(tableau.interpolant[0]):
            continue
        weights = [row[power - 1] for row in tableau.interpolant]
        for tree in trees(size):
            values = differentials(tree)
            found = sum(w * v for w, v in zip(weights, values, strict=True))
            share = reference["decimal"](Fraction(1, density(tree))) if size == power else 0
            if name not in DECIMAL_INTERPOLANT:
                share = Fraction(size == power, density(tree))
            assert abs(found - share) <= allowed(name, DECIMAL_INTERPOLANT), (power, tree)


@pytest.mark.parametrize("name", sorted(WITH_INTERPOLANT))
def test_values_within_a_step_meet_both_ends_and_their_slopes(name):
    tableau = numbers(exact(name), rational=name not in DECIMAL_INTERPOLANT)
    small = allowed(name, DECIMAL_INTERPOLANT)
    last = tableau.count - 1
    if not tableau.ends_with_solution:
        last = tableau.count + numbers_of(name).extra_ends
    weights = (*tableau.weights, *[0] * len(tableau.extra_nodes))
    for place, row in enumerate(tableau.interpolant):
        assert abs(sum(row) - weights[place]) <= small
        assert abs(row[0] - (place == 0)) <= small
        slope = sum(power * value for power, value in enumerate(row, 1))
        assert abs(slope - (place == last)) <= small


# What is found out from the numbers -------------------------------------------------------------


@every_method
def test_what_is_found_out_from_the_numbers(name):
    tableau = numbers_of(name)
    assert tableau.name == name
    assert tableau.ends_with_solution == (name in ENDING_WITH_SOLUTION)
    assert tableau.extra_ends == (0 if name in {"vern7", "vern8", "vern9"} else None)
    assert tableau.is_adaptive == (name in ADAPTIVE)
    assert tableau.has_interpolant == (name in WITH_INTERPOLANT)
    assert tableau.dense_order == WITH_INTERPOLANT.get(name, min(tableau.order, 3))
    power = 8 if name == "dop853" else min(tableau.order, tableau.error_order) + 1
    assert tableau.estimate_power == (power if tableau.error else 0)


@every_method
def test_doubles_pass_the_check_that_users_tableaux_pass(name):
    assert numbers_of(name).check() is numbers_of(name)


# Measured ---------------------------------------------------------------------------------------


def bell(t, y):
    """u(t) = 1 / (1 + t²) and v(t) = (1 + t) u(t); what keeps them together is not linear."""
    u, v = y
    apart = v - (1 + t) * u
    return [-2 * t * u * u + apart * v, u - 2 * t * u * v + apart * (1 + u)]


def solution(t):
    u = 1 / (1 + t * t)
    return [u, (1 + t) * u]


def distance(found, t):
    return sum(abs(one - known) for one, known in zip(found, solution(t), strict=True))


def power(error_of, h):
    """The power of the step by which an error falls, from one to half of it."""
    return float((error_of(h) / error_of(h / 2)).ln() / Decimal(2).ln())


START = Decimal("0.3")


def at_end(tableau, span):
    """The error after a span, by the step."""

    def error(h):
        steps = int(span / h)
        found = reference["integrate"](tableau, bell, START, solution(START), h, steps)
        return distance(found, START + span)

    return error


def inside(tableau):
    """The largest error within one step, by the step."""

    def error(h):
        return max(
            distance(
                reference["within"](tableau, bell, START, solution(START), h, theta),
                START + theta * h,
            )
            for theta in (Decimal("0.3"), Decimal("0.5"), Decimal("0.8"))
        )

    return error


@every_method
def test_its_measured_order(name):
    tableau, span = numbers(exact(name), rational=False), Decimal("0.01")
    # Where the first error is very small, the next ones show: that it is there, trees say above.
    assert tableau.order - 0.25 < power(at_end(tableau, span), span / 8) < tableau.order + 0.9


@every_method
def test_the_measured_order_of_values_within_a_step(name):
    tableau = numbers(exact(name), rational=False)
    found = power(inside(tableau), Decimal("0.002"))
    assert found == pytest.approx(tableau.dense_order + 1, abs=0.1)


# Names ------------------------------------------------------------------------------------------


def test_every_name_leads_to_one_method_and_others_are_refused():
    assert {name for name in NAMES.values() if name not in FILES} == set()
    assert set(ALIASES) & set(FILES) == set()
    for name, found in NAMES.items():
        spellings = [name, name.upper(), name.replace("-", "_")]
        assert {method(spelling).name for spelling in spellings} == {found}
    with pytest.raises(InvalidPlan, match="'rk5'.*rk4.*tsit5"):
        method("rk5")


# A user's own -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tableau", SYNTHETIC.values(), ids=SYNTHETIC)
def test_odd_tableaux_are_right(tableau):
    assert tableau.check() is tableau


@pytest.mark.parametrize("name", SYNTHETIC)
def test_the_measured_order_of_odd_tableaux_and_of_values_within_their_steps(name):
    tableau, span = Tableau(**as_decimals(SYNTHETIC[name])), Decimal("0.01")
    assert power(at_end(tableau, span), span / 8) == pytest.approx(tableau.order, abs=0.25)
    assert power(inside(tableau), Decimal("0.002")) == pytest.approx(
        tableau.dense_order + 1, abs=0.1
    )


def as_decimals(tableau):
    """Thirds and the like to more digits than doubles have: none has a denominator above 144."""

    def turned(value):
        if isinstance(value, tuple):
            return tuple(map(turned, value))
        if isinstance(value, float):
            return reference["decimal"](Fraction(value).limit_denominator(144))
        return value

    return {name: turned(value) for name, value in as_dict(tableau).items()}


def test_what_odd_tableaux_are_odd_in():
    ending = {name for name, one in SYNTHETIC.items() if one.ends_with_solution}
    assert ending == {"no-interpolant", "two-estimates"}
    assert SYNTHETIC["last-slope-is-extra"].extra_ends == 0
    assert SYNTHETIC["extra-stages-inside"].extra_ends is None
    assert {name for name, one in SYNTHETIC.items() if not one.is_adaptive} == {
        "one-stage",
        "one-stage-with-interpolant",
        "no-estimate",
        "empty-row",
    }


def test_a_tableau_of_ones_own_is_public():
    own = ode.Tableau("mine", 2, nodes=(0, 1), stages=((1,),), weights=(0.5, 0.5))
    assert own.check() is own
    assert chosen(own) is own
    assert chosen("Classic_RK4") is numbers_of("rk4")
    with pytest.raises(InvalidPlan, match="order is 3, and the numbers reach order 2 only"):
        chosen(replace(own, {"order": 3}))
    with pytest.raises(InvalidPlan, match=r"method=7 is not known; expected a name, or an ode\."):
        chosen(7)


HEUN = numbers_of("heun")
TSIT5 = numbers_of("tsit5")
BS5 = numbers_of("bs5")
REFUSED = {
    "no name": (HEUN, {"name": ""}, "name is ''; expected text"),
    "no order": (HEUN, {"order": 0}, "order is 0; expected 1 at least"),
    "an order in text": (HEUN, {"order": "2"}, "order is '2'; expected an integer"),
    "a list": (HEUN, {"weights": [0.5, 0.5]}, r"weights is \[0.5, 0.5\]; expected a tuple"),
    "no number": (HEUN, {"weights": (0.5, float("nan"))}, "weights is .*expected a tuple of fini"),
    "a flat row": (HEUN, {"stages": (1.0,)}, r"stages\[0\] is 1.0; expected a tuple of finite"),
    "no stages": (HEUN, {"stages": 1.0}, "stages is 1.0; expected a tuple of tuples"),
    "a first node": (HEUN, {"nodes": (0.5, 1.0)}, "first stage of a step is at 0"),
    "no nodes": (HEUN, {"nodes": ()}, "first stage of a step is at 0"),
    "rows": (
        HEUN,
        {"stages": ()},
        "stages has 0 rows; expected 1, one for each node but",
    ),
    "implicit": (HEUN, {"stages": ((0.5, 0.5),)}, r"stages\[0\] has 2 numbers; an explicit stage"),
    "weights": (HEUN, {"weights": (1.0,)}, "weights has 1 numbers; expected 2, one for each node"),
    "error": (HEUN, {"error": (1.0,), "error_order": 1}, "error has 1 numbers; expected 2"),
    "a second without a first": (HEUN, {"second_error": (0.5, -0.5)}, "and error is not"),
    "an estimate without its order": (HEUN, {"error": (0.5, -0.5)}, "error_order is 0; expected"),
    "an order without its estimate": (HEUN, {"error_order": 1}, "error_order is 1; expected"),
    "interpolant's order": (TSIT5, {"interpolant_order": 0}, "interpolant_order is 0; expected"),
    "interpolant": (TSIT5, {"interpolant": TSIT5.interpolant[:6]}, "interpolant has 6 rows; exp"),
    "a short row": (
        TSIT5,
        {"interpolant": ((1.0,), *TSIT5.interpolant[1:])},
        "rows of interpolant differ in length; fill up with zeros",
    ),
    "extra stages for nothing": (
        HEUN,
        {"extra_nodes": (1.0,), "extra_stages": ((0.5, 0.5),)},
        "no interpolant that uses them",
    ),
    "extra rows": (BS5, {"extra_stages": BS5.extra_stages[:2]}, "extra_stages has 2 rows; expect"),
    "a node": (HEUN, {"nodes": (0.0, 0.9)}, r"stages\[0\] adds up to 1; its node is 0.9"),
    "an extra node": (
        BS5,
        {"extra_nodes": (0.5, 0.8, 1 / 9)},
        r"extra_stages\[1\] adds up to 0.8",
    ),
    "too high an order": (HEUN, {"order": 3}, "order is 3, and the numbers reach order 2 only"),
    "a wrong digit": (
        TSIT5,
        {"weights": (TSIT5.weights[0] + 1e-8, *TSIT5.weights[1:])},
        "order is 5, and the numbers reach order 0 only: .*state order=0",
    ),
    "too high an estimate": (TSIT5, {"error_order": 5}, "error_order is 5, .* order 4 only"),
    "too high an interpolant": (TSIT5, {"interpolant_order": 5}, "misses the condition"),
    "an interpolant that ends elsewhere": (
        HEUN,
        {"interpolant": ((1.0,), (0.0,)), "interpolant_order": 1},
        r"interpolant\[0\] adds up to 1 at θ = 1; expected 0.5, the stage's weight",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_tableau_that_is_not_what_it_says_is_refused(case):
    tableau, changes, message = REFUSED[case]
    with pytest.raises(InvalidPlan, match=message):
        replace(tableau, changes).check()


# Documents --------------------------------------------------------------------------------------


def error_norm(name):
    """The norm of the coefficients of the first power that a method misses."""
    tableau, _, differentials = prepared(name)
    found = defects(tableau.weights, differentials, tableau.order + 1)
    squares = (float(defect / density(tree) / symmetry(tree)) ** 2 for tree, defect in found)
    return sum(squares) ** 0.5


@dataclasses.dataclass
class Line:
    name: str

    def __str__(self):
        one = numbers_of(self.name)
        others = ", ".join(f"`{alias}`" for alias, found in ALIASES.items() if found == self.name)
        extra = len(one.extra_nodes) - (one.extra_ends is not None)
        dense = f"{one.dense_order}" if one.interpolant else f"{one.dense_order}, Hermite"
        cells = [
            f"`{self.name}`",
            others,
            str(one.order),
            str(one.error_order or "–"),
            str(one.count),
            "yes" if one.ends_with_solution else "no",
            dense + (f", {extra} more" if extra else ""),
            f"{error_norm(self.name):.1e}",
        ]
        return "| " + " | ".join(cells) + " |"


def test_the_table_of_the_documents_is_what_the_numbers_say():
    """After a change on purpose: the lines that are missing stand in the assertion."""
    text = (HERE.parents[1] / "docs" / "methods.md").read_text()
    missing = [str(Line(name)) for name in EXPLICIT if str(Line(name)) not in text]
    assert missing == []
