"""Derivatives of programs against differences in more digits, and against mpmath."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.derivatives import OF_ONE, OF_TWO, derivative, jacobian, opaque
from emberkeep.ode.system.equations import equation_of
from emberkeep.ode.system.evaluate import MEANINGS, evaluate
from emberkeep.ode.system.parsing import parse_equation
from emberkeep.ode.system.program import PRIMITIVES, External, Program

NAMES = ("a", "b", "c", "t")


def read(*texts, names=NAMES, functions=None):
    """A program with the values of texts."""
    program = Program()
    known = {name: program.name(name) for name in names}
    values = [
        parse_equation(equation_of("x", text, "equation 1"), program, known, functions or {})
        for text in texts
    ]
    return program, values


def slope(text, name="a", **numbers):
    program, (value,) = read(text)
    return float(evaluate(program, [derivative(program, value, name)], numbers)[0])


def difference(program, value, name, numbers):
    """A central difference in extended precision."""
    step = np.longdouble(2) ** -20
    long = {key: np.longdouble(number) for key, number in numbers.items()}
    ends = [
        evaluate(program, [value], {**long, name: long[name] + way * step})[0] for way in (1, -1)
    ]
    return (ends[0] - ends[1]) / (2 * step)


def test_each_function_has_a_meaning_and_a_derivative():
    assert set(MEANINGS) >= set(PRIMITIVES)
    assert {*OF_ONE, *OF_TWO, "pow", "min", "max"} == set(PRIMITIVES)


MPMATH = {
    "abs": "fabs",
    "rint": "nint",
    "trunc": lambda x: mpmath.floor(x) if x > 0 else mpmath.ceil(x),
    "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))),
    "exp": "exp", "expm1": "expm1", "cbrt": "cbrt", "log2": lambda x: mpmath.log(x, 2),
    "log1p": lambda x: mpmath.log(1 + x),
}  # fmt: skip
WHERE = {"acosh": (1.25, 7.5), "cbrt": (0.3, 20.0), "log1p": (-0.4, 3.0)}
WHERE |= dict.fromkeys(("asin", "acos", "atanh"), (-0.9, 0.2, 0.75))
WHERE |= dict.fromkeys(("log", "log2", "log10", "sqrt"), (0.02, 3.7))
WHERE |= dict.fromkeys(("gamma", "lgamma"), (-3.3, -0.6, 0.01, 0.7, 1.4616, 5.5, 40.0))


@pytest.mark.parametrize("function", sorted(OF_ONE))
def test_functions_of_one(function):
    exact = MPMATH.get(function, function)
    exact = getattr(mpmath, exact) if isinstance(exact, str) else exact
    for x in WHERE.get(function, (-2.3, -0.4, 0.6, 3.2)):
        with mpmath.workdps(30):
            expected = float(mpmath.diff(exact, mpmath.mpf(x)))
        assert slope(f"{function}(a)", a=x) == pytest.approx(expected, rel=2e-13, abs=1e-14)


@pytest.mark.parametrize(
    ("text", "at", "by"),
    [
        ("atan2(a, b)", (3.0, -4.0), (lambda a, b: b / 25, lambda a, b: -a / 25)),
        ("hypot(a, b)", (3.0, -4.0), (lambda a, b: 0.6, lambda a, b: -0.8)),
        ("hypot(a, b)", (0.0, 0.0), (lambda a, b: 0, lambda a, b: 0)),
        ("a**b", (1.7, 2.3), (lambda a, b: b * a ** (b - 1), lambda a, b: a**b * math.log(a))),
        ("a**b", (0.0, 2.0), (lambda a, b: 0, lambda a, b: 0)),
        ("a**b", (0.0, 0.0), (lambda a, b: 0, lambda a, b: -math.inf)),
        ("a**b", (-2.0, 3.0), (lambda a, b: 12, lambda a, b: math.nan)),
        ("fmod(a, b)", (7.5, 2.0), (lambda a, b: 1, lambda a, b: -3)),
        ("mod(a, b)", (-7.5, 2.0), (lambda a, b: 1, lambda a, b: 4)),
        ("mod(a, b)", (0.0, 2.0), (lambda a, b: 1, lambda a, b: 0)),
        ("copysign(a, b)", (-2.0, -0.1), (lambda a, b: 1, lambda a, b: 0)),
        ("min(a, b)", (1.0, 2.0), (lambda a, b: 1, lambda a, b: 0)),
        ("max(a, b)", (1.0, 2.0), (lambda a, b: 0, lambda a, b: 1)),
        ("max(a, b)", (2.0, 2.0), (lambda a, b: 1, lambda a, b: 0)),
        ("max(b, sqrt(a))", (0.0, 1.0), (lambda a, b: 0, lambda a, b: 1)),
        ("a/b", (3.0, 7.0), (lambda a, b: 1 / b, lambda a, b: -a / b**2)),
        ("a*a*b", (3.0, 7.0), (lambda a, b: 42, lambda a, b: 9)),
        ("where(a > 0, sqrt(a), b)", (0.0, 7.0), (lambda a, b: 0, lambda a, b: 1)),
        ("abs(a) + sign(a)*b + heaviside(b)", (0.0, -1.0), (lambda a, b: 0, lambda a, b: 0)),
        ("clip(a, b, 5)", (3.0, 1.0), (lambda a, b: 1, lambda a, b: 0)),
        ("clip(a, b, 5)", (0.0, 1.0), (lambda a, b: 0, lambda a, b: 1)),
        ("a**0.5 + a**-2", (4.0, 3.0), (lambda a, b: 0.25 - 1 / 32, lambda a, b: 0)),
        ("2**b", (4.0, 3.0), (lambda a, b: 0, lambda a, b: 8 * math.log(2))),
    ],
)  # fmt: skip
def test_functions_of_two(text, at, by):
    for name, exact in zip("ab", by, strict=True):
        found = slope(text, name, a=at[0], b=at[1])
        assert found == pytest.approx(exact(*at), rel=1e-14, abs=1e-300, nan_ok=True)


JOINED = ["({} + {})", "({} - {})", "({}*{})", "({}/(2 + abs({})))", "hypot({}, 1 + {})"]
JOINED += ["max({}, {})", "min({}, {})", "atan2({}, 3 + {})"]
ALONE = ["sin({})", "cos({})", "exp(-abs({}))", "tanh({})", "({})**2", "sqrt(1 + ({})**2)"]
ALONE += ["log1p(abs({}))", "erf({})", "(-{})", "cbrt(2 + sin({}))"]


def _parts(parts):
    join, one = st.sampled_from(JOINED), st.sampled_from(ALONE)
    return st.one_of(
        st.builds(lambda form, x, y: form.format(x, y), join, parts, parts),
        st.builds(lambda form, x: form.format(x), one, parts),
        st.builds("where({} < {}, {}, {})".format, parts, parts, parts, parts),
    )


LEAVES = st.sampled_from(["a", "b", "c", "t", "2", "0.5"])


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(LEAVES, _parts, max_leaves=8),
    st.integers(0, 10**6),
)
def test_derivatives_are_the_limits_of_differences(text, seed):
    # Random, so that nothing is equal by chance: there, one of several slopes is taken.
    numbers = dict(zip(NAMES, np.random.default_rng(seed).uniform(-3, 3, 4), strict=True))
    program, (value,) = read(text)
    for name in NAMES:
        expected = difference(program, value, name, numbers)
        nearby = [
            difference(program, value, name, {**numbers, name: numbers[name] + way * 2e-6})
            for way in (1, -1)
        ]
        assume(np.ptp([expected, *nearby]) < 1e-3 * (1 + abs(expected)))  # no corner, no jump
        found = evaluate(program, [derivative(program, value, name)], numbers)[0]
        # erf is of double precision only.
        within = 1e-8 if "erf" not in text else 1e-4
        assert found == pytest.approx(float(expected), rel=within, abs=within)


class TestJacobian:
    def test_zeros_are_left_out(self):
        program, values = read("a*b", "c + 3", "floor(a) + sign(b) + (a > c)", "b")
        found = jacobian(program, values, ["a", "b", "c"])
        assert [*found] == [(0, 0), (0, 1), (1, 2), (3, 1)]
        numbers = {"a": 2.0, "b": 5.0, "c": 7.0}
        assert evaluate(program, [*found.values()], numbers) == [5.0, 2.0, 1.0, 1.0]

    def test_what_is_needed_twice_is_computed_once(self):
        program, values = read("exp(a*b)", "exp(a*b)*c")
        jacobian(program, values, ["a", "b", "c"])
        calls = [item for item in program.instructions if item[0] == "call"]
        assert len(calls) == 1

    def test_derivatives_have_derivatives(self):
        program, (value,) = read("sin(a)*b**3")
        once = derivative(program, value, "b")
        twice = derivative(program, once, "a")
        assert evaluate(program, [twice], {"a": 0.5, "b": 2.0})[0] == pytest.approx(
            12 * math.cos(0.5)
        )

    def test_a_band_is_found_in_time_that_grows_with_its_entries(self):
        n = 300
        names = [f"x{index}" for index in range(n)]
        texts = [f"x{(i + 1) % n} - 2*x{i}**2 + x{(i - 1) % n}" for i in range(n)]
        program, values = read(*texts, names=names)
        assert len(jacobian(program, values, names)) == 3 * n
        assert len(program.instructions) < 12 * n

    def test_names_that_nothing_needs(self):
        program, values = read("a")
        assert jacobian(program, values, ["b"]) == {}
        assert evaluate(program, [derivative(program, values[0], "b")], {}) == [0.0]


class TestOpaque:
    def test_a_function_of_the_user_has_none_and_is_named(self):
        program, values = read("forcing(a)*b + c", functions={"forcing": abs})
        assert opaque(program, values) == ("forcing",)
        with pytest.raises(InvalidSystem, match=r"no derivative of forcing.*not followed"):
            jacobian(program, values, ["a"])
        assert len(jacobian(program, values, ["b", "c"])) == 2

    def test_a_whole_right_hand_side_has_none(self):
        def decay(t, y, p):
            return (-p.a * y.x,)

        program = Program()
        operands = [program.name(name) for name in ("t", "x", "a")]
        (value,) = program.external(External(decay, ("x",), ("a",)), *operands)
        assert evaluate(program, [value], {"t": 0.0, "x": 3.0, "a": 2.0}) == [-6.0]
        assert program.needed([value]) == [0, 1, 2, 3, 4]
        with pytest.raises(InvalidSystem, match="decay"):
            derivative(program, value, "x")
