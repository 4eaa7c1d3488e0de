"""What the functions of equations mean: NumPy's, to the last digit."""

import math

import numpy as np
import pytest

from emberkeep.ode.system.equations import equation_of
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.parsing import parse_equation
from emberkeep.ode.system.program import PRIMITIVES, Program

ODD = (0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 7.25, 1e300, math.inf, -math.inf, math.nan)


def read(text, names=("a", "b", "c")):
    program = Program()
    known = {name: program.name(name) for name in names}
    return program, parse_equation(equation_of("x", text, "equation 1"), program, known, {})


def value(text, **numbers):
    program, result = read(text)
    return evaluate(program, [result], numbers)[0]


def test_powers_of_two_and_ten_have_exact_logarithms():
    assert [value("log2(a)", a=2.0**n) for n in range(-3, 60)] == [*range(-3, 60)]
    assert [value("log(a, 2)", a=2.0**n) for n in range(60)] == [*range(60)]
    assert value("log(a, 10)", a=1000.0) == 3
    assert value("cbrt(a) + cbrt(-a)", a=64.0) == 0
    assert value("cbrt(a)", a=64.0) == 4


@pytest.mark.parametrize("a", ODD)
@pytest.mark.parametrize("b", ODD)
def test_functions_of_two_are_those_of_numpy(a, b):
    with np.errstate(all="ignore"):
        for text, exact in {
            "mod(a, b)": np.mod,
            "a % b": np.mod,
            "fmod(a, b)": np.fmod,
            "min(a, b)": np.minimum,
            "max(a, b)": np.maximum,
            "Max(b, a)": np.maximum,
            "copysign(a, b)": np.copysign,
            "heaviside(a, b)": np.heaviside,
            "hypot(a, b)": np.hypot,
            "atan2(a, b)": np.arctan2,
        }.items():
            assert np.array_equal(value(text, a=a, b=b), exact(a, b), equal_nan=True), text


@pytest.mark.parametrize("a", ODD)
def test_functions_of_one_are_those_of_numpy(a):
    with np.errstate(all="ignore"):
        for text, exact in {
            "round(a)": np.round,
            "round(a, 1)": lambda a: np.round(a, 1),
            "round(a, -1)": lambda a: np.round(a, -1),
            "trunc(a)": np.trunc,
            "rint(a)": np.rint,
            "sign(a)": np.sign,
            "sinc(a)": np.sinc,
            "radians(a)": np.deg2rad,
            "degrees(a)": np.rad2deg,
            "clip(a, -1, 2)": lambda a: np.clip(a, -1.0, 2.0),
            "sec(a)": lambda a: 1 / np.cos(a),
            "csc(a)": lambda a: 1 / np.sin(a),
            "cot(a)": lambda a: 1 / np.tan(a),
        }.items():
            assert np.array_equal(value(text, a=a), exact(a), equal_nan=True), text


@pytest.mark.parametrize("function", ["abs", "floor", "ceil", "trunc", "rint"])
@pytest.mark.parametrize("a", [0.5, -0.5, 2.5, -3.5, 0.0, -0.0, 1e17])
def test_what_is_known_beforehand_is_the_same(function, a):
    program = Program()
    folded = program.literal(program.call(function, program.number(a)))
    found = evaluate(program, [program.call(function, program.name("a"))], {"a": a})[0]
    assert (folded, math.copysign(1, folded)) == (found, math.copysign(1, found))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gamma(a)", [math.inf, math.nan, 24.0, math.inf]),
        ("lgamma(a)", [math.inf, math.inf, math.log(24), math.inf]),
        ("erfc(a)", [1.0, 1.8427007929497148, 1.5374597944280347e-12, 0.0]),
    ],
)
def test_functions_that_numpy_lacks(text, expected):
    found = value(text, a=np.array([0.0, -1.0, 5.0, math.inf]))
    assert found == pytest.approx(expected, rel=1e-15, nan_ok=True)


def test_only_primitives_are_called():
    everything = (
        "sec(a) + csc(a) + cot(a) + sinc(a) + round(a, 2) + clip(a, b, c) + sign(a) + mod(a, b)"
        " + fmod(a, b) + heaviside(a) + log(a, b) + log2(a) + cbrt(a) + min(a, b, c) + max(a, b)"
        " + tgamma(a) + degrees(b) + radians(b) + copysign(a, b) + trunc(a) + rint(b)"
    )
    program, _ = read(everything)
    calls = {item[1]: len(item) - 2 for item in program.instructions if item[0] == "call"}
    assert calls.items() <= PRIMITIVES.items()


def test_conditions_that_always_hold_decide():
    for text in ("where(1 < 2, a, b)", "where(not 1 > 2 or a > b, a, b)", "a if True else b"):
        program, result = read(text)
        assert program.instructions[result] == ("name", "a")
    program, result = read("where(a > b and 1 > 0, a, b)")
    assert [program.instructions[item][0] for item in program.needed([result])] == [
        "name",
        "name",
        ">",
        "choose",
    ]
