"""Rosenbrock methods against the conditions of order, in exact arithmetic on what is written."""

import runpy
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.errors import InvalidPlan
from emberkeep.ode.methods import ALIASES, ROSENBROCK, chosen, numbers_of
from emberkeep.ode.methods.order_conditions import marked, rosenbrock, trees
from emberkeep.ode.methods.rosenbrock_forms import transformed
from emberkeep.startup_records import replace

HERE = Path(__file__).parent
exact = runpy.run_path(HERE / "exact_tableaux.py")["exact"]
reference = runpy.run_path(HERE / "implicit_reference.py")
MISSED = reference["MISSED"]

every_method = pytest.mark.parametrize("name", sorted(ROSENBROCK))

# Which order is left with any matrix in place of the Jacobian, where it is more than one.
MATRIX_ORDERS = {
    "rodas23w": 2,
    "rodas4p2": 2,
    "rodas4pw": 4,
    "rodas5p": 2,
    "rodas5pe": 2,
    "rodas6p": 2,
    "rok4a": 2,
    "ros2": 2,
    "ros2s": 2,
    "ros34prw": 3,
    "ros34pw1a": 3,
    "ros34pw1b": 3,
    "ros34pw2": 3,
    "ros34pw3": 3,
    "rosenbrock23": 2,
    "rosenbrock32": 2,
    "rosenbrockw6s4os": 4,
    "velds4": 2,
}
STIFFLY_ACCURATE = {name for name in ROSENBROCK if name.startswith("rodas")} - {"rodas23w"} | {
    "ros2pr",
    "ros2s",
    "ros34prw",
    "ros34pw2",
    "ros3prl",
    "ros3prl2",
}
# What is left of what decays at once, of those that are not L-stable.
AT_INFINITY = {
    "grk4a": 0.995,
    "grk4t": 0.454,
    "ros34pw3": -0.630,
    "ros3p": -0.732,
    "ros3pr": -0.732,
    "ros4lstab": -1.5e-5,  # its γ has five digits
    "rosenbrock32": 1.609,
    "rosshamp4": 1 / 3,
    "scholz4-7": -0.732,
    "veldd4": 0.242,
    "velds4": 1 / 3,
}
ANGLES = {"grk4t": 89.35, "rosenbrock32": 0.0, "rosenbrockw6s4os": 89.9, "veldd4": 89.5}
INTERPOLANTS = {
    "rodas23w": 2,
    "rodas3p": 3,
    "rodas4": 3,
    "rodas42": 3,
    "rodas4p": 3,
    "rodas4p2": 3,
    "rodas5": 4,
    "rodas5p": 4,
    "rodas5pe": 4,
    "rosenbrock23": 2,
}
# Those whose published estimate sees nothing of linear equations, or of time alone, and one that
# was published without.
WITHOUT_ESTIMATE = {
    "rodas5", "ros34pw1a", "ros34pw1b", "ros3p", "ros3pr", "rosenbrockw6s4os",
}  # fmt: skip
RATIONAL = {"rodas3", "rodas3p", "rodas23w", "rosshamp4", "velds4"}
# Square roots, with forty digits.
LONG = {"ros2", "ros3p", "rosenbrock23", "rosenbrock32"}
# What the digits of a method, or of its interpolant, leave of its conditions: else 1e-13.
FEWER_DIGITS = {"rodas4pw": 2e-12, "rodas5p": 5e-13, "rodas5pe": 5e-13}


@cache
def prepared(name):
    """A method with Fractions, and the elementary differentials in its k."""
    return exact(name), rosenbrock(exact(name))


def embedded(tableau):
    return [w - e for w, e in zip(tableau.weights, tableau.error, strict=True)]


@cache
def defect(name):
    """The largest defect that is left by the digits of a method."""
    tableau, differentials = prepared(name)
    found = [reference["worst"](tableau.weights, differentials, tableau.order)]
    if tableau.error:
        found.append(reference["worst"](embedded(tableau), differentials, tableau.error_order))
    return max(*found, reference["worst_within"](tableau, differentials))


# Orders -----------------------------------------------------------------------------------------


@every_method
def test_solution_estimate_and_interpolant_meet_all_conditions(name):
    """To what digits there are: published are 15 to 17, of one method 13 behind the point."""
    if name in RATIONAL:
        assert defect(name) == 0
    elif name in LONG:
        assert defect(name) < 1e-37
    else:
        assert 0 < defect(name) < FEWER_DIGITS.get(name, 1e-13)


@every_method
def test_no_order_is_higher_than_it_says(name):
    tableau, differentials = prepared(name)
    assert reference["missed"](tableau.weights, differentials, tableau.order + 1) > MISSED
    if tableau.error:
        other = embedded(tableau)
        assert reference["missed"](other, differentials, tableau.error_order + 1) > MISSED
    assert bool(tableau.error) == (name not in WITHOUT_ESTIMATE)


@every_method
def test_times_of_stages_are_those_of_the_equation_of_time(name):
    """Where x' = 1, a stage's states are its node, and its k the weight of the slope in time."""
    tableau, differentials = prepared(name)
    ks = differentials(())
    for place, row in enumerate(((), *tableau.stages)):
        node = sum(a * k for a, k in zip(row, ks, strict=False))
        assert abs(node - tableau.nodes[place]) < 1e-12
        assert abs(ks[place] - tableau.time_weights[place]) < 1e-12


@every_method
def test_interpolants_end_at_the_solution(name):
    tableau = exact(name)
    assert tableau.interpolant_order == INTERPOLANTS.get(name, 0)
    assert bool(tableau.interpolant) == (name in INTERPOLANTS)
    if name in INTERPOLANTS:
        for row, weight in zip(tableau.interpolant, tableau.weights, strict=True):
            assert abs(sum(row) - weight) < 1e-38


def test_there_are_as_many_ways_to_mark_trees_as_there_should_be():
    """Of the conditions of W-methods: 1, 2, 5, 13, 34 (Hairer & Wanner, Solving ODEs II, IV.7)."""
    found = [sum(len(marked(tree)) for tree in trees(size)) for size in range(1, 6)]
    assert found[:4] == [1, 2, 5, 13]


@every_method
def test_the_order_that_is_left_with_any_matrix(name):
    tableau = numbers_of(name)
    assert tableau.matrix_order == MATRIX_ORDERS.get(name, 1)


# Stability --------------------------------------------------------------------------------------


@every_method
def test_what_is_left_of_what_decays_at_once(name):
    tableau = exact(name)
    expected = AT_INFINITY.get(name, 0)
    assert float(tableau.value_at_infinity) == pytest.approx(
        expected, abs=6e-4 if expected else 1e-12
    )
    assert numbers_of(name).value_at_infinity == pytest.approx(
        float(tableau.value_at_infinity), abs=1e-11
    )


@every_method
def test_angles_of_stability(name):
    assert numbers_of(name).stability_angle == pytest.approx(ANGLES.get(name, 90), abs=0.05)


@pytest.mark.parametrize("name", sorted(RATIONAL))
def test_methods_of_fractions_are_stable_in_exact_arithmetic(name):
    tableau, differentials = prepared(name)
    below = [Fraction(1)]
    for _ in range(tableau.count):  # (1 - γz)^s
        below = [
            one - tableau.gamma * other for one, other in zip([*below, 0], [0, *below], strict=True)
        ]
    above = reference["numerator"](tableau.weights, differentials, below)
    assert reference["is_bounded_on_imaginary_axis"](above, below)


@every_method
def test_the_stability_function_is_the_exponential_to_the_order(name):
    from emberkeep.ode.methods.stability import of_rosenbrock

    function, order = of_rosenbrock(numbers_of(name)), numbers_of(name).order
    errors = [abs(function(z) - np.exp(z)) for z in (-0.1 + 0.05j, -0.05 + 0.02j)]
    assert np.log2(errors[0] / errors[1]) > order + 0.6
    assert abs(function(-1e13) - numbers_of(name).value_at_infinity) < 1e-9


@every_method
def test_what_is_found_out_from_the_numbers(name):
    tableau = numbers_of(name)
    assert tableau.name == name
    assert tableau.check() is tableau
    assert tableau.is_stiffly_accurate == (name in STIFFLY_ACCURATE)
    assert tableau.ends_with_solution == (name == "rosenbrock23")
    assert tableau.is_adaptive == (name not in WITHOUT_ESTIMATE)
    assert tableau.has_interpolant == (name in INTERPOLANTS)
    assert tableau.dense_order == INTERPOLANTS.get(name, min(tableau.order, 3))
    power = min(tableau.order, tableau.error_order) + 1 if tableau.error else 0
    assert tableau.estimate_power == power


# Measured ---------------------------------------------------------------------------------------


@pytest.fixture
def _many_digits():
    with localcontext() as context:
        context.prec = 45
        yield


@every_method
@pytest.mark.usefixtures("_many_digits")
def test_its_measured_order(name):
    tableau = reference["decimals"](exact(name))
    error = reference["at_end"](tableau, reference["rosenbrock_ks"])
    found = reference["power"](error, 4)
    assert tableau.order - 0.3 < found < tableau.order + 0.9


@pytest.mark.parametrize("name", sorted(MATRIX_ORDERS))
@pytest.mark.usefixtures("_many_digits")
def test_the_measured_order_with_another_matrix(name):
    tableau = reference["decimals"](exact(name))
    matrix = [[Decimal(-1), Decimal("0.5")], [Decimal("0.25"), Decimal(-2)]]

    def ks(*given):
        # The equation of time is one of the system's: the matrix has nothing of it.
        return reference["rosenbrock_ks"](timeless, *given[1:], matrix=matrix)

    timeless = replace(tableau, {"time_weights": (0,) * tableau.count})
    found = reference["power"](reference["at_end"](tableau, ks), 4)
    assert found == pytest.approx(MATRIX_ORDERS[name], abs=0.3)


@pytest.mark.parametrize("name", sorted(INTERPOLANTS))
@pytest.mark.usefixtures("_many_digits")
def test_the_measured_order_of_values_within_a_step(name):
    tableau = reference["decimals"](exact(name))
    error = reference["inside"](tableau, reference["rosenbrock_ks"])
    assert reference["power"](error, 8) == pytest.approx(tableau.dense_order + 1, abs=0.15)


# Forms ------------------------------------------------------------------------------------------


def test_a_method_is_transformed_as_matrices_are():
    rng = np.random.default_rng(5)
    gamma, alphas, gammas = 0.4, np.tril(rng.random((4, 4)), -1), np.tril(rng.random((4, 4)), -1)
    weights, other = rng.random(4), rng.random(4)
    full = gammas + gamma * np.eye(4)
    inverse = np.linalg.inv(full)
    found = transformed(
        name="any",
        order=1,
        gamma=gamma,
        alphas=tuple(tuple(row[:place]) for place, row in enumerate(alphas))[1:],
        gammas=tuple(tuple(row[:place]) for place, row in enumerate(gammas))[1:],
        weights=tuple(weights),
        embedded=tuple(other),
        error_order=1,
    )

    def square(rows):
        return np.array([[*row, *[0.0] * (4 - len(row))] for row in ((), *rows)])

    assert square(found.stages) == pytest.approx(alphas @ inverse, abs=1e-12)
    assert square(found.couplings) == pytest.approx(np.eye(4) / gamma - inverse, abs=1e-11)
    assert found.weights == pytest.approx(weights @ inverse, abs=1e-12)
    assert found.error == pytest.approx((weights - other) @ inverse, abs=1e-11)
    assert found.nodes == pytest.approx(alphas.sum(1))
    assert found.time_weights == pytest.approx(full.sum(1))


# A user's own -----------------------------------------------------------------------------------

OWN = ode.RosenbrockTableau(
    "own", 2, gamma=1.0, nodes=(0, 1), time_weights=(1.0, -1.0),
    stages=((1.0,),), couplings=((-2.0,),), weights=(1.5, 0.5), error=(0.5, 0.5), error_order=1,
)  # fmt: skip


def test_a_tableau_of_ones_own_is_public():
    assert OWN.check() is OWN
    assert chosen(OWN) is OWN
    assert OWN.matrix_order == 2
    with pytest.raises(InvalidPlan, match="order is 3, and the numbers reach order 2 only"):
        chosen(replace(OWN, {"order": 3}))


RODAS4 = numbers_of("rodas4")
ROS3P = numbers_of("ros3p")
REFUSED = {
    "no name": (OWN, {"name": 3}, "name is 3; expected text"),
    "gamma": (OWN, {"gamma": 0.0}, "gamma is 0.0; expected a number above 0"),
    "gamma in text": (OWN, {"gamma": "1"}, "gamma is '1'; expected a number above 0"),
    "a list": (OWN, {"time_weights": [1.0, -1.0]}, r"time_weights is \[1.0, -1.0\]; expected a t"),
    "a first node": (OWN, {"nodes": (0.5, 1.0)}, "the first stage of a step is at 0"),
    "no nodes": (OWN, {"nodes": ()}, "the first stage of a step is at 0"),
    "rows": (OWN, {"couplings": ()}, "couplings has 0 rows; expected 1, one for each node but the"),
    "too long": (OWN, {"stages": ((1.0, 0.5),)}, r"stages\[0\] has 2 numbers; an explicit stage"),
    "time weights": (OWN, {"time_weights": (1.0,)}, "time_weights has 1 numbers; expected 2"),
    "error": (OWN, {"error": (1.0,)}, "error has 1 numbers; expected 2"),
    "an order without its estimate": (OWN, {"error": ()}, "error_order is 1; expected the order"),
    "a node": (OWN, {"nodes": (0.0, 0.9)}, r"nodes\[1\] is 0.9, and the stage is at 1 by its row"),
    "a time weight": (
        OWN,
        {"time_weights": (1.0, 0.5)},
        r"time_weights\[1\] is 0.5, and the stage is at -1 by",
    ),
    "a wrong digit": (
        RODAS4,
        {"weights": (RODAS4.weights[0] + 1e-8, *RODAS4.weights[1:])},
        "order is 4, and the numbers reach order 0 only",
    ),
    "too high an estimate": (RODAS4, {"error_order": 4}, "error_order is 4, .* order 3 only"),
    "too high an interpolant": (RODAS4, {"interpolant_order": 4}, "misses the condition"),
    "an estimate that sees nothing of what is linear": (
        ROS3P,  # Lang & Verwer's other solution has a third of each slope
        {
            "error": tuple(
                np.subtract(ROS3P.weights, (2.113248654051871, 1.0, 0.4226497308103742))
            ),
            "error_order": 2,
        },
        "its error is none at all for equations that are linear, x' = λx. Give another error, or",
    ),
    "an estimate that sees nothing of time": (
        numbers_of("rodas5"),
        {"error": (0, 0, 0, 0, 0, 0, 0, 1), "error_order": 4},
        r"its error is none at all for equations that are of time alone, x' = g\(t\). Give another",
    ),
    "interpolant": (RODAS4, {"interpolant": RODAS4.interpolant[:5]}, "interpolant has 5 rows; ex"),
    "an interpolant that ends elsewhere": (
        OWN,
        {"interpolant": ((1.0,), (0.0,)), "interpolant_order": 1},
        r"interpolant\[0\] adds up to 1 at θ = 1; expected 1.5, the stage's weight",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_tableau_that_is_not_what_it_says_is_refused(case):
    tableau, changes, message = REFUSED[case]
    with pytest.raises(InvalidPlan, match=message):
        replace(tableau, changes).check()


# Stiff equations --------------------------------------------------------------------------------


@cache
def stiff_order(name):
    """See there: on the equation of Prothero and Robinson."""
    with localcontext() as context:
        context.prec = 45
        tableau = reference["decimals"](exact(name))
        at_infinity = numbers_of(name).value_at_infinity
        return reference["stiff_order"](tableau, reference["rosenbrock_error"], at_infinity)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rosenbrock23", (2, False)),
        ("rodas4", (1, True)),
        ("rodas4p", (3, True)),
        ("rodas5p", (3, True)),
        ("ros34pw1a", (3, False)),
        ("ros3prl2", (3, True)),
        ("scholz4-7", (4, False)),
    ],
)
def test_the_order_that_is_left_on_stiff_equations(name, expected):
    """Of Rang's, and of those that Steinebach made, it is what they say."""
    assert stiff_order(name) == expected


def test_which_estimates_see_the_inside_of_steps_where_decay_is_fast():
    """Not those of a last stage: the end is right, and that stage nothing, whatever is between."""
    blind = {
        name for name in ROSENBROCK if numbers_of(name).error and not sees_inside(numbers_of(name))
    }
    last = {name for name in ROSENBROCK if name.startswith("rodas")}
    assert blind == last - {"rodas5", "rodas5pe"} | {"ros2pr"}
    found = {name for name in ROSENBROCK if numbers_of(name).interpolates}
    assert found == {"rodas5pe", "rosenbrock23"}


def sees_inside(tableau):
    """By a step of the equation of Prothero and Robinson, where z is large."""
    decimals = reference["decimals"](tableau)
    return any(
        abs(reference["rosenbrock_sum"](decimals, power, decimals.error)) > 1e-4
        for power in range(2, tableau.order + 2)
    )


# Documents --------------------------------------------------------------------------------------


def line(name):
    one = numbers_of(name)
    others = ", ".join(f"`{alias}`" for alias, found in ALIASES.items() if found == name)
    return reference["line"](
        f"`{name}`",
        others,
        one.order,
        one.error_order or "–",
        one.count,
        one.matrix_order,
        reference["stability"](one),
        reference["when_stiff"](stiff_order(name)),
        "yes" if one.is_stiffly_accurate else "no",
        reference["dense"](one),
        reference["left"](defect(name)),
    )


def test_the_table_of_the_documents_is_what_the_numbers_say():
    """After a change on purpose: the lines that are missing stand in the assertion."""
    text = (HERE.parents[1] / "docs" / "methods.md").read_text()
    missing = [line(name) for name in ROSENBROCK if line(name) not in text]
    assert missing == []
