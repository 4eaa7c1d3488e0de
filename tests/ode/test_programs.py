"""What equations mean: the code that is printed for them has the values of their text."""

import ast
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from emberkeep.ode.codegen.generate import generate
from emberkeep.ode.codegen.printing import LONGEST, TARGETS_OWN, Literals, Names, Printer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emberkeep.ode.plan import make_plan
from emberkeep.ode.system.equations import equation_of
from emberkeep.ode.system.parsing import parse_equation
from emberkeep.ode.system.program import Program
from emberkeep.ode.system.system import System

WORDS = {name: getattr(np, name) for name in TARGETS_OWN}
VALUES = {"a": 1.75, "b": -0.6, "c": 3.2, "d": 0.3}


def printed(*texts, precision="float64", names=VALUES, functions=None):
    """Statements that compute the values of texts as r0, r1, …, and the constants they need."""
    program = Program()
    known = {name: program.name(name) for name in names}
    functions = functions or {}
    values = [
        parse_equation(equation_of("x", text, "equation 1"), program, known, functions)
        for text in texts
    ]
    literals = Literals(precision)
    unused = Names(names)
    printer = Printer(program, {name: unused.of(name) for name in names}, literals, unused)
    printer.write([(f"r{index}", value) for index, value in enumerate(values)])
    return printer.lines, literals.definitions()


def called(functions):
    """The user's functions by the names that they have in generated code."""
    return {f"user_{name}": function for name, function in functions.items()}


def line(text, **more):
    """The one statement that a text becomes."""
    (only,), _ = printed(text, **more)
    return only.removeprefix("r0 = ")


def value_of(text, values=VALUES, functions=None):
    """The value of a text, computed by the code that is printed for it."""
    lines, _ = printed(text, names=values, functions=functions)
    space = {"math": math, **WORDS, "real": float, "not_a_number": math.nan, **values}
    exec("\n".join(lines), {**space, **called(functions or {})}, space)
    return space["r0"]


def generated(system, precision="float64"):
    """A plan's source, executed as plain Python, and its text."""
    plan = make_plan(system, method_name="tsit5", outputs=None, precision=precision, saves=False)
    text = generate(plan, on_device=False).text
    real = np.dtype(precision).type
    space = {
        "math": math,
        **WORDS,
        "numpy": np,
        "real": real,
        "single": np.float32,
        **called(system.functions),
    }
    exec(text, space)
    return space, text


def derivatives(system, time=0.0):
    """The derivatives at the default values, as a small system computes them."""
    space, _ = generated(system)
    inputs = (*system.states.values(), *system.parameters.values(), *system.constants.values())
    return space["right_hand_side"](time, *inputs)


def derivatives_by_rows(system, time=0.0):
    """The derivatives at the default values, as a large system computes them: in every lane."""
    space, _ = generated(system)
    rows, lanes = np.zeros(space["WORK"]), space["LANES"]
    inputs = (*system.parameters.values(), *system.constants.values())
    for group, numbers in (("NEW", system.states.values()), ("P", inputs), ("TIME", (time,))):
        for index, number in enumerate(numbers):
            rows[space[group] + index * lanes :][:lanes] = number
    space["right_hand_side"](rows)
    return tuple(rows[space["LAST"] + lanes * index] for index in range(len(system.states)))


# Random expressions -----------------------------------------------------------------------------


def _each(function):
    def call(*arguments):
        try:
            return type(arguments[0])(function(*map(float, arguments)))
        except ValueError:
            return type(arguments[0])(math.nan)
        except OverflowError:
            return type(arguments[0])(math.inf)

    return call


OF_ONE = {
    "exp": np.exp,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "atan": np.arctan,
    "arcsin": np.arcsin,
    "sqrt": np.sqrt,
    "log": np.log,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "cbrt": np.cbrt,
    "expm1": np.expm1,
    "floor": np.floor,
    "ceil": np.ceil,
    "abs": np.abs,
    "sign": np.sign,
    "erf": _each(math.erf),
}
OF_TWO = {"atan2": np.arctan2, "hypot": np.hypot, "min": min, "max": max}
IN_MATH = {
    "pow": np.power,
    "asin": np.arcsin,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    **OF_ONE,
}
EXPONENTS = ["0", "1", "2", "3", "5", "10", "0.5", "1.5", "2.5", "-1", "-2", "-0.5", "-1.5"]


def _numbers(parts):
    join = st.sampled_from(["{} + {}", "{} - {}", "{}*{}", "{}/{}", "({} - {})*2", "-({} + {})"])
    conditions = _conditions(parts)
    return st.one_of(
        st.builds(lambda form, one, two: f"({form.format(one, two)})", join, parts, parts),
        st.builds("{} - ({} - {})".format, parts, parts, parts).map("({})".format),
        st.builds("{}/({}*{})".format, parts, parts, parts).map("({})".format),
        st.builds("(-{})".format, parts),
        st.builds("(+{})".format, parts),
        st.builds("(-abs({})**{})".format, parts, st.sampled_from(EXPONENTS)),
        st.builds("({}**{})".format, parts, st.sampled_from(["2", "3", "-1", "7"])),
        st.builds("abs({})**{}".format, parts, parts).map("({})".format),
        st.builds("{}({})".format, st.sampled_from(sorted(OF_ONE)), parts),
        st.builds("{}({}, {})".format, st.sampled_from(sorted(OF_TWO)), parts, parts),
        st.builds("max({}, {}, min({}, 1, {}))".format, parts, parts, parts, parts),
        st.builds("({} if {} else {})".format, parts, conditions, parts),
        st.builds("where({}, {}, {})".format, conditions, parts, parts),
        st.builds("({} + ({}))".format, parts, conditions),
    )


def _conditions(parts):
    signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    one = st.builds("{} {} {}".format, parts, signs, parts)
    chain = st.builds("{} {} {} {} {}".format, parts, signs, parts, signs, parts)
    single = one | chain | st.sampled_from(["True", "False"])
    joined = st.builds("{} {} {}".format, single, st.sampled_from(["and", "or"]), single)
    return st.one_of(
        single,
        joined,
        st.builds("not ({})".format, joined),
        st.builds("({}) and not {}".format, joined, single),
        st.builds("not {} or ({})".format, single, joined),
    )


LEAVES = st.sampled_from(sorted(VALUES)) | st.sampled_from(["2", "3", "0.5", "1.25", "7e-2"])
EXPRESSIONS = st.recursive(LEAVES, _numbers, max_leaves=12)


class _Typed(ast.NodeTransformer):
    """Numbers and conditions as numbers of a type, which divide by zero without an error."""

    def __init__(self, conditions):
        self._conditions = conditions

    def visit_Constant(self, node):
        name = "real" if not isinstance(node.value, bool) else "truth"
        return ast.Call(ast.Name(name, ast.Load()), [node], [])

    def visit_Compare(self, node):
        self.generic_visit(node)
        return ast.Call(ast.Name("truth", ast.Load()), [node], []) if self._conditions else node


def typed(code, mode, *, conditions):
    tree = _Typed(conditions).visit(ast.parse(code, mode=mode))
    return compile(ast.fix_missing_locations(tree), "<typed>", mode)


def directly(text, real, values):
    """A text's value in Python, with numbers of a type."""
    space = {
        **OF_ONE,
        **OF_TWO,
        "real": real,
        "truth": lambda condition: real(bool(condition)),
        "where": lambda condition, then, otherwise: then if condition else otherwise,
        "pi": real(math.pi),
        **{name: real(value) for name, value in values.items()},
    }
    with np.errstate(all="ignore"):
        return eval(typed(text, "eval", conditions=True), space)


def by_printed_code(text, values):
    """A text's value by the code that is printed for it, in double precision."""
    lines, _ = printed(text)
    space = {
        "math": SimpleNamespace(**IN_MATH),
        **WORDS,
        "numpy": np,
        "real": np.float64,
        "truth": bool,
        "not_a_number": np.float64(math.nan),
        **{name: np.float64(value) for name, value in values.items()},
    }
    with np.errstate(all="ignore"):
        exec(typed("\n".join(lines), "exec", conditions=False), space)
    return space["r0"]


def agree(one, other, within):
    one, other = float(one), float(other)
    if not math.isfinite(one) or not math.isfinite(other):
        return math.isfinite(one) == math.isfinite(other)
    return abs(one - other) <= within * max(abs(one), abs(other))


@settings(max_examples=400, deadline=None)
@given(
    EXPRESSIONS,
    st.fixed_dictionaries({name: st.floats(-4, 4, width=16) for name in VALUES}),
)
def test_printed_code_has_the_value_of_the_text(text, values):
    expected = directly(text, np.float64, values)
    # Where more digits give something else, it is rounding that decides.
    assume(agree(expected, directly(text, np.longdouble, values), 1e-13))
    assert agree(by_printed_code(text, values), expected, 1e-12)


# Precedence -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a - (b - c)", "a - (b - c)"),
        ("(a - b) - c", "a - b - c"),
        ("a - (b + c)", "a - (b + c)"),
        ("a + (b + c)", "a + (b + c)"),
        ("a/(b*c)", "a / (b * c)"),
        ("a/b*c", "c * (a / b)"),
        ("a/(b/c)", "a / (b / c)"),
        ("(a + b)*(c - d)", "(a + b) * (c - d)"),
        ("a*(b + c)/d", "a * (b + c) / d"),
        ("-(a*b)", "-(a * b)"),
        ("-a*b", "b * -a"),
        ("-(a + b)", "-(a + b)"),
        ("a - -b", "a - -b"),
        ("a*(-2)", "a * -2.0"),
        ("-(a**2)", "-(a * a)"),
        ("-a**2", "-(a * a)"),
        ("a/b**2", "a / (b * b)"),
        ("2**-a", "math.pow(2.0, -a)"),
        ("a**b**c", "math.pow(a, math.pow(b, c))"),
        ("(a**b)**c", "math.pow(math.pow(a, b), c)"),
        ("(a if c > 0 else b)*d", "d * (a if c > 0.0 else b)"),
        ("a if c > 0 else b*d", "a if c > 0.0 else b * d"),
        ("-(a if c > 0 else b)", "-(a if c > 0.0 else b)"),
        ("a if b > 0 else c if d > 0 else 1", "a if b > 0.0 else (c if d > 0.0 else 1.0)"),
        ("(a if b > 0 else c) if d > 0 else 1", "(a if b > 0.0 else c) if d > 0.0 else 1.0"),
        ("a if (b if c > 0 else d) > 0 else 1", "a if (b if c > 0.0 else d) > 0.0 else 1.0"),
        ("a if not b > c else d", "a if not b > c else d"),
        ("a if not (b > c and c > d) else d", "a if not ((b > c) & (c > d)) else d"),
        ("a if (not b > c) and c > d else d", "a if (not b > c) & (c > d) else d"),
        (
            "a if a > b and (b > c or c > d) else d",
            "a if (a > b) & ((b > c) | (c > d)) else d",
        ),
        ("a if a > b and b > c or c > d else d", "a if ((a > b) & (b > c)) | (c > d) else d"),
        ("a + b if a + b > 2*c else d", None),
        ("max(a if b > 0 else c, d)", "max(a if b > 0.0 else c, d)"),
        ("(a > b) + 1", "1.0 + (1.0 if a > b else 0.0)"),
        ("(a > b) == (c > d)", None),
    ],
)
def test_no_bracket_is_lost(text, code):
    if code is not None:
        assert line(text) == code
    for signs in np.ndindex(2, 2, 2, 2):
        values = {
            name: (2 * sign - 1) * abs(value)
            for sign, (name, value) in zip(signs, VALUES.items(), strict=True)
        }
        expected = directly(text, np.float64, values)
        assert agree(by_printed_code(text, values), expected, 1e-14)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0 + a", "a"),
        ("a - 0", "a"),
        ("0 - a", "-a"),
        ("1*a/1", "a"),
        ("-1*a", "-a"),
        ("a/-1", "-a"),
        ("--a", "a"),
        ("a**1", "a"),
        ("a**0", "1.0"),
        ("2*3 - 7/2 + 2**0.5", repr(2 * 3 - 7 / 2 + 2**0.5)),
        ("-2", "-2.0"),
        ("a if b > 0 else a", "a"),
        ("pi", repr(math.pi)),
        ("0*a", "a * 0.0"),  # it may be infinite
        ("1/0", "1.0 / 0.0"),  # the processor knows what that is
    ],
)
def test_what_is_simpler_is_printed_simpler(text, code):
    assert line(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a**2", "a * a"),
        ("a^2", "a * a"),
        ("a**-1", "1.0 / a"),
        ("a**0.5", "math.sqrt(a)"),
        ("a**-0.5", "1.0 / math.sqrt(a)"),
        ("a**1.5", "a * math.sqrt(a)"),
        ("pow(a, 2)", "a * a"),
        ("a**0.3", "math.pow(a, 0.3)"),
        ("a**17", "math.pow(a, 17.0)"),
        ("a**b", "math.pow(a, b)"),
    ],
)
def test_whole_and_half_powers_are_products_and_roots(text, code):
    assert line(text) == code


@pytest.mark.parametrize("exponent", [*range(-18, 19), *np.arange(-4.5, 5), 0.1, -3.7, 1e-3])
@pytest.mark.parametrize("base", [0.3, 1.0, 2.5, 1e-5, 1e5])
def test_powers(base, exponent):
    assert value_of(f"a**({exponent})", {"a": base}) == pytest.approx(base**exponent, rel=1e-14)


@pytest.mark.parametrize("exponent", range(-16, 17))
def test_whole_powers_of_negative_numbers(exponent):
    assert value_of(f"a**({exponent})", {"a": -1.3}) == pytest.approx((-1.3) ** exponent, rel=1e-14)


def test_powers_of_16_take_four_products():
    assert sum(text.count("*") for text in printed("a**16")[0]) == 4


# Functions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exp(b) + log(a) + log(a, 3)", math.exp(-0.6) + math.log(1.75) * (1 + 1 / math.log(3))),
        ("ln(a) + log10(a) + log2(a)", math.log(1.75) + math.log10(1.75) + math.log2(1.75)),
        ("log1p(a) + expm1(a)", math.log1p(1.75) + math.expm1(1.75)),
        ("arcsin(d) + acos(d) + arctan(d)", math.pi / 2 + math.atan(0.3)),
        ("sinh(d) + cosh(d) + tanh(d)", math.exp(0.3) + math.tanh(0.3)),
        ("asinh(a) + arccosh(a) + atanh(d)", math.asinh(1.75) + math.acosh(1.75) + math.atanh(0.3)),
        ("arctan2(a, b) + hypot(a, b)", math.atan2(1.75, -0.6) + math.hypot(1.75, 0.6)),
        ("erf(a) + erfc(a) + gamma(c) + lgamma(c)", 1 + math.gamma(3.2) + math.lgamma(3.2)),
        ("sqrt(a) + cbrt(b) + cbrt(a)", 1.75**0.5 - 0.6 ** (1 / 3) + 1.75 ** (1 / 3)),
        ("Abs(b) + fabs(b) + abs(b)", 1.8),
        ("floor(a) + ceil(a) + ceiling(b) + floor(b)", 1 + 2 + 0 - 1),
        ("Min(a, b) + Max(a, b) + minimum(a, c) + maximum(a, c)", 1.75 - 0.6 + 1.75 + 3.2),
        ("min(c, a, b, d, 9) + max(c, a, b, d, -9)", -0.6 + 3.2),
        ("min(a) + max(b)", 1.75 - 0.6),
        ("power(a, b)", 1.75**-0.6),
    ],
)
def test_functions(text, expected):
    assert value_of(text) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_of_many(name):
    terms = [f"a*{(7 * index) % 23}" for index in range(99)]
    expected = 22 * 1.75 if name == "max" else 0.0
    assert value_of(f"{name}({', '.join(terms)})") == pytest.approx(expected)


@pytest.mark.parametrize("a", [-2.5, -0.0, 0.0, 3.5, math.inf, -math.inf, math.nan])
def test_sign_keeps_not_a_number(a):
    found = value_of("sign(a)", {"a": a})
    assert found == np.sign(a) or (math.isnan(a) and math.isnan(found))


@pytest.mark.parametrize("a", [-2.5, 0.0, 3.5, math.inf, -math.inf])
@pytest.mark.parametrize(("more", "middle"), [("", 0.5), (", 1", 1.0), (", 0.25", 0.25)])
def test_heaviside(a, more, middle):
    assert value_of(f"Heaviside(a{more})", {"a": a}) == np.heaviside(a, middle)


def test_heaviside_keeps_not_a_number():
    assert math.isnan(value_of("heaviside(a)", {"a": math.nan}))


@pytest.mark.parametrize("a", [7.25, -7.25, 0.3, -0.3, 0.0])
@pytest.mark.parametrize("b", [2.0, -2.0, 1.7, -1.7])
@pytest.mark.parametrize("text", ["a % b", "mod(a, b)", "Mod(a, b)"])
def test_remainders_have_the_sign_of_the_divisor(text, a, b):
    assert value_of(text, {"a": a, "b": b}) == pytest.approx(a % b, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.1), (5.0, math.inf), (1e17, 3.0), (6.0, 0.7)])
def test_remainders_are_exact_as_in_python(a, b):
    assert value_of("a % b", {"a": a, "b": b}) == pytest.approx(a % b, rel=1e-9)


@pytest.mark.parametrize("a", [-1.0, 0.5, 1.5, 3.0])
def test_piecewise_takes_the_first_that_holds(a):
    text = "Piecewise((1, a < 0), (2, a < 1), (3, a < 2), (4, True))"
    assert value_of(text, {"a": a}) == {-1.0: 1, 0.5: 2, 1.5: 3, 3.0: 4}[a]
    assert value_of(text.lower().replace("true", "True"), {"a": a}) == value_of(text, {"a": a})


def test_piecewise_is_not_defined_beyond_its_last_piece():
    text = "Piecewise((1, a < 0), (2, a < 1))"
    assert value_of(text, {"a": 0.5}) == 2
    assert math.isnan(value_of(text, {"a": 1.5}))


def test_pieces_after_one_that_always_holds_are_not_reached():
    assert line("Piecewise((a, b > 0), (c, True), (d, a > 0))") == "a if b > 0.0 else c"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where(a > b, c, d)", 3.2),
        ("where(a > b and c < d, c, d)", 0.3),
        ("where((a > b) & (c > d), c, d)", 3.2),
        ("where((a < b) | (c > d), c, d)", 3.2),
        ("where(~(a > b), c, d)", 0.3),
        ("where(And(a > b, c > d, b < 0), c, d)", 3.2),
        ("where(Or(a < b, c < d, b > 0), c, d)", 0.3),
        ("where(Not(a > b), c, d)", 0.3),
        ("where(Eq(a, a), c, d) + where(Ne(a, a), c, d)", 3.5),
        ("where(b < d < a < c, c, d)", 3.2),
        ("where(b < a < d, c, d)", 0.3),
        ("where(True, c, d) + where(False, c, d)", 3.5),
        ("(a > b) + (a > b) - (c < d)", 2.0),
        ("a*(b < 0)", 1.75),
        ("a > b", 1.0),
        ("not a > b", 0.0),
    ],
)
def test_conditions(text, expected):
    assert value_of(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text", ["where(a > 0, 1, 2)", "1 if a > 0 else 2", "Piecewise((1, a > 0), (2, True))"]
)
def test_not_a_number_is_not_greater(text):
    assert value_of(text, {"a": math.nan}) == 2


def test_functions_of_the_user():
    lines, _ = printed("f(a, 2) + f(a, 2)*b", functions={"f": pow})
    assert lines == ["v1 = real(user_f(a, 2.0))", "r0 = v1 + b * v1"]
    assert value_of("sin(a, b)", functions={"sin": lambda a, b: a - b}) == 1.75 + 0.6


def test_functions_of_the_user_hide_ours():
    assert line("exp(a)", functions={"exp": abs}) == "real(user_exp(a))"


# Common subexpressions --------------------------------------------------------------------------


class TestOnce:
    def test_what_stands_twice_is_computed_once(self):
        lines, _ = printed("exp(a*b) + c*exp(a*b)")
        assert lines == ["v1 = math.exp(a * b)", "r0 = v1 + c * v1"]

    def test_in_whatever_order(self):
        lines, _ = printed("exp(a*b + c) - exp(c + b*a)*d")
        assert "".join(lines).count("exp") == 1

    def test_across_equations(self):
        lines, _ = printed("a*exp(b)", "c*exp(b)", "exp(b)")
        assert lines == ["v1 = math.exp(b)", "r0 = a * v1", "r1 = c * v1", "r2 = v1"]

    def test_across_definitions(self):
        system = System("dx = -r; dy = r; r = k*exp(x)", {"x": 1.0, "y": 2.0}, {"k": 2.0})
        _, text = generated(system)
        assert text.count("math.exp(x)") == 1
        assert derivatives(system) == pytest.approx((-2 * math.e, 2 * math.e))

    def test_parts_of_powers(self):
        lines, _ = printed("a**4 + a**2")
        assert lines == ["v1 = a * a", "r0 = v1 + v1 * v1"]

    def test_equal_numbers_of_different_signs_are_not_the_same(self):
        assert math.copysign(1, value_of("-0.0", {})) == -1
        assert line("atan2(a, 0.0) + atan2(a, -0.0)") == "math.atan2(a, 0.0) + math.atan2(a, -0.0)"

    def test_differences_are_not_turned_round(self):
        assert line("exp(a - b)*exp(b - a)") == "math.exp(a - b) * math.exp(b - a)"

    def test_numbers_and_names_get_no_names_of_their_own(self):
        assert line("a*a + 2.5*a - 2.5") == "a * a + a * 2.5 - 2.5"

    def test_long_expressions_are_split_by_naming_parts(self):
        text = " + ".join(f"a*exp(b/{index})" for index in range(2, 40))
        lines, _ = printed(text)
        assert len(lines) > 5
        assert all(len(item) < 2 * LONGEST for item in lines)
        assert value_of(text) == pytest.approx(float(directly(text, np.float64, VALUES)), rel=1e-14)

    def test_new_names_avoid_those_of_the_user(self):
        lines, _ = printed("exp(v1) + v1*exp(v1)", names=("v1",))
        assert lines == ["v1_ = math.exp(v1)", "r0 = v1_ + v1 * v1_"]


@pytest.mark.parametrize("operator", ["+", "-"])
def test_a_sum_of_2000_terms_has_its_value(operator):
    text = f" {operator} ".join(f"a*{index}" for index in range(2000))
    total = 1.75 * sum(range(2000))
    assert value_of(text) == pytest.approx(total if operator == "+" else -total)


def test_a_sum_of_3000_terms_has_its_value():
    text = " + ".join(f"a*{index}" for index in range(3000))
    assert value_of(text) == pytest.approx(1.75 * sum(range(3000)))


# Single precision -------------------------------------------------------------------------------


class TestSinglePrecision:
    def test_literals_become_named_constants(self):
        lines, definitions = printed("0.5*a + 2 - 1e-7*b/1e20 - 0.5", precision="float32")
        assert lines == ["r0 = a * n0p5 + n2 - b * n1em07 / n1e20 - n0p5"]
        assert definitions.splitlines() == [
            "n0p5 = real(0.5)",
            "n2 = real(2.0)",
            "n1em07 = real(1e-07)",
            "n1e20 = real(1e+20)",
        ]

    def test_negative_ones_are_those_with_a_sign(self):
        lines, definitions = printed("a*(-2.5) - 2.5", precision="float32")
        assert lines == ["r0 = a * -n2p5 - n2p5"]
        assert definitions == "n2p5 = real(2.5)\n"

    def test_different_numbers_have_different_names(self):
        numbers = ["1", "11", "1.1", "0.11", "1e1", "1e11", "1e-11", "1.1e-11", "0.001", "1e-05"]
        _, definitions = printed(" + ".join(f"a*{n}" for n in numbers), precision="float32")
        found = re.findall(r"(\w+) = real\((.*)\)", definitions)
        assert len(dict(found)) == len({float(value) for _, value in found}) == 9

    def test_nothing_of_it_is_in_double_precision(self):
        system = System(
            "dx = 0.1*x**3/(1 + k*x) - 2.5*sin(x) + where(x > 0.3, 1e-3, -0.7)",
            {"x": 1.3},
            {"k": 0.7},
        )
        space, text = generated(system, "float32")
        body = text.partition("def right_hand_side")[2].partition("\ndef ")[0]
        assert not re.search(r"(?<![\w.])\d+\.?\d*", body.partition('"""')[2].partition('"""')[2])
        (found,) = space["right_hand_side"](0.0, np.float32(1.3), np.float32(0.7))
        assert found == pytest.approx(derivatives(system)[0], rel=1e-6)

    def test_double_precision_needs_no_constants(self):
        assert printed("0.5*a")[1] == ""


# Names that clash -------------------------------------------------------------------------------

CLASHING = ["math", "numpy", "real", "single", "lane", "rows", "max", "min", "abs", "equations"]
CLASHING += ["States", "Parameters", "LANES", "right_hand_side", "not_a_number", "v1", "sin", "y0"]
CLASHING += ["step", "integrate", "fetch", "ZERO", "A2_1", "work", "status", "class_", "nan", "k1"]


class TestClashes:
    def equations(self, name):
        return f"d({name})/dt = 2*{name} + Max(3*u, exp({name})*exp({name})); du = {name} - 1.5"

    @pytest.mark.parametrize("name", CLASHING)
    def test_states_may_be_called_like_words_of_the_code(self, name):
        system = System(self.equations(name), {name: 0.5, "u": 3.0})
        assert derivatives(system) == pytest.approx((10.0, -1.0))

    @pytest.mark.parametrize("name", CLASHING)
    def test_parameters_may(self, name):
        system = System(f"dx = {name}*exp(x)*x; y' = x - {name}", {"x": 1.0, "y": 2.0}, {name: 3.0})
        assert derivatives(system) == pytest.approx((3 * math.e, -2.0))

    @pytest.mark.timeout(2)
    @pytest.mark.parametrize(("name", "precision"), [("n2", "float64"), ("n0p5", "float32")])
    def test_states_may_be_called_like_literals(self, name, precision):
        system = System(f"d({name})/dt = 2*{name} + 0.5", {name: 0.5})
        space, _ = generated(system, precision)
        (found,) = space["right_hand_side"](0.0, np.dtype(precision).type(0.5))
        assert found == 1.5

    def test_a_state_may_be_called_like_a_derivative(self):
        system = System("x' = 2*dx; ddx = -dx", {"x": 1.0, "dx": 3.0})
        assert derivatives(system) == (6.0, -3.0)

    def test_a_parameter_may_be_called_like_a_derivative(self):
        system = System("x' = y/dx; y' = x/dx", {"x": 1.0, "y": 2.0}, {"dx": 4.0})
        assert derivatives(system) == (0.5, 0.25)

    @pytest.mark.parametrize("name", ["math", "real", "lane", "rows", "max", "LANES", "v1", "dx1"])
    def test_in_large_systems_too(self, name):
        self.check_large(name)

    @pytest.mark.parametrize("name", ["P", "NEW", "LAST", "TIME"])
    def test_in_large_systems_names_of_rows_too(self, name):
        self.check_large(name)

    def check_large(self, name):
        states = {f"x{index}": float(index) for index in range(20)}
        equations = {state: f"t - {name}*{state}" for state in states}
        found = derivatives_by_rows(System(equations, states, {name: 3.0}), time=0.5)
        assert found == tuple(0.5 - 3 * index for index in range(20))
        system = System({**equations, name: "x1"}, {**states, name: 3.0})
        assert derivatives_by_rows(system, time=0.5) == (*found, 1.0)

    @pytest.mark.parametrize("name", ["max", "math", "real"])
    def test_functions_may_be_called_like_words_of_the_code(self, name):
        from emberkeep.ode.codegen.kernel import _users_own

        system = System(f"dx = exp({name}(x, 2))", {"x": 3.0}, functions={name: math.fmod})
        plan = make_plan(system, method_name="rk4", outputs=None, precision="float64", saves=False)
        space = {"math": math, **WORDS, "real": float, "single": np.float32}
        space |= _users_own(system)
        exec(generate(plan, on_device=False).text, space)
        assert space["right_hand_side"](0.0, 3.0) == pytest.approx((math.e,))

    @pytest.mark.parametrize("name", ["step", "integrate", "fetch", "controller", "take"])
    def test_functions_may_be_called_like_functions_of_the_code(self, name):
        from emberkeep.ode.codegen.kernel import _users_own

        system = System(f"dx = -{name}(x, 2)", {"x": 3.0}, functions={name: math.fmod})
        plan = make_plan(
            system, method_name="tsit5", outputs=None, precision="float64", saves=False
        )
        space = {"math": math, **WORDS, "real": float, "single": np.float32}
        space |= _users_own(system)
        exec(generate(plan, on_device=False).text, space)
        assert space["right_hand_side"](0.0, 3.0) == (-1.0,)


class TestLargeSystems:
    def test_rows_and_names_give_the_same_numbers(self):
        names = [f"x{index}" for index in range(5)]
        small = {
            name: f"k*sin(t)*{name} - {names[index - 1]}**2" for index, name in enumerate(names)
        }
        more = {f"y{index}": "0" for index in range(15)}
        states = dict(zip(names, [0.5, -1.0, 2.0, 0.25, 3.0], strict=True))
        few = System(small, states, {"k": 0.7})
        many = System({**small, **more}, {**states, **dict.fromkeys(more, 0.0)}, {"k": 0.7})
        assert derivatives_by_rows(many, 0.3)[:5] == derivatives(few, 0.3)

    def test_only_what_is_used_is_read(self):
        states = {f"x{index}": 1.0 for index in range(20)}
        equations = dict.fromkeys(states, "x0*used")
        _, text = generated(System(equations, states, {"unused": 1.0, "used": 2.0}))
        body = text.partition("def right_hand_side")[2].partition("\ndef ")[0]
        assert "unused" not in body
        assert "x1 =" not in body
        assert "t = rows" not in body
