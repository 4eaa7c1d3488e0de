"""Derivatives in reverse: those that are found forwards, and closed forms."""

import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.derivatives import jacobian
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.program import PRIMITIVES, Program
from emberkeep.ode.system.pullback import pullback

read = runpy.run_path(Path(__file__).parent / "test_derivatives.py")["read"]

NUMBERS = {"a": 1.3, "b": 0.7, "c": 2.1, "t": 0.4}
BOTH = [
    "a*b + b*b - c/a - (-a)",
    "a/(b + c) + a",
    "where(a > b, a*c, b) + where(b > a, a, a*a)",
    "where(a > 1, where(b > 1, c, c*c), a)*b",
    "min(a, b)*c + max(a*b, c)",
    "(a + b)**3 + a**b + 2**c + sqrt(a*b)",
    "exp(sin(a*b))*log(c) + exp(sin(a*b))",
    "a*a*a*a",
    "t*t",
]


def gradients(texts, weights, numbers, names=("a", "b", "c")):
    program, values = read(*texts)
    given = [program.name(f"weight {place}") for place in range(len(texts))]
    found = pullback(program, values, given, names)
    named = {f"weight {place}": weight for place, weight in enumerate(weights)}
    values = evaluate(program, [*found.values()], {**numbers, **named})
    return dict(zip(found, map(float, values), strict=True))


def forwards(texts, weights, numbers, names=("a", "b", "c")):
    program, values = read(*texts)
    found = jacobian(program, values, names)
    slopes = evaluate(program, [*found.values()], numbers)
    total = dict.fromkeys({names[column] for _, column in found}, 0.0)
    for (row, column), slope in zip(found, slopes, strict=True):
        total[names[column]] += weights[row] * float(slope)
    return total


@pytest.mark.parametrize("text", BOTH)
def test_each_operation(text):
    assert gradients([text], [1.7], NUMBERS) == pytest.approx(forwards([text], [1.7], NUMBERS))


def test_a_sum_of_all():
    weights = np.linspace(-1, 2, len(BOTH))
    expected = forwards(BOTH, weights, NUMBERS)
    assert gradients(BOTH, weights, NUMBERS) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_each_function(name):
    program = Program()
    names = ("a", "b")[: PRIMITIVES[name]]
    operands = [program.name(each) for each in names]
    if name == "acosh":
        operands[0] = program.arithmetic("+", operands[0], program.number(1.0))
    value = program.call(name, *operands)
    numbers = {"a": 0.6, "b": 0.7}
    [weight] = evaluate(program, [program.number(3.0)], {})
    found = pullback(program, [value], [program.name("weight 0")], names)
    slopes = jacobian(program, [value], names)
    assert {*found} == {names[column] for _, column in slopes}
    for (_, column), slope in slopes.items():
        one, other = evaluate(
            program, [found[names[column]], slope], {**numbers, "weight 0": weight}
        )
        assert float(one) == pytest.approx(3 * float(other), rel=1e-13)


def test_a_branch_that_is_not_taken_may_have_any_slope():
    """What is handed on there is chosen at the end: zero times infinity never comes up."""
    text = "where(a > 0, sqrt(a)*b, b*c)"
    found = gradients([text], [2.0], {**NUMBERS, "a": 0.0})
    assert found == {"a": 0.0, "b": 2 * NUMBERS["c"], "c": 2 * NUMBERS["b"]}
    both = f"{text} + where(b > 0, log(a + 1)*a, sqrt(-b))"
    assert all(map(math.isfinite, gradients([both], [2.0], {**NUMBERS, "a": 0.0}).values()))


def test_what_costs_little_stays_so():
    """A few times the instructions of the values, however many names there are."""
    n = 200
    names = tuple(f"w{place}" for place in range(n))
    text = " + ".join(f"{name}*sin({place + 1}*a)" for place, name in enumerate(names))
    program, values = read(f"tanh(exp({text}))", names=(*names, "a"))
    before = len(program.needed(values))
    found = pullback(program, values, [program.name("weight 0")], (*names, "a"))
    assert len(found) == n + 1
    assert len(program.needed([*found.values()])) < 5 * before


def test_what_is_not_followed_is_refused():
    program, values = read("a*f(b)", functions={"f": abs})
    weights = [program.name("weight 0")]
    assert [*pullback(program, values, weights, ["a"])] == ["a"]
    with pytest.raises(InvalidSystem, match="no derivative of f"):
        pullback(program, values, weights, ["b"])
