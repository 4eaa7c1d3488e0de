"""What equations mean: programs and kernels have the values of their text."""

import ast
import functools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emberkeep.ode.compilation import Compilation
from emberkeep.ode.plan import make_plan
from emberkeep.ode.solver import Solver
from emberkeep.ode.system.equations import equation_of
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.parsing import parse_equation
from emberkeep.ode.system.program import Program
from emberkeep.ode.system.system import System
from emberkeep.targets.cpu.target import CpuTarget

VALUES = {"a": 1.75, "b": -0.6, "c": 3.2, "d": 0.3}


def program_of(*texts, names=VALUES, functions=None):
    """The program of some texts, and the values that they are in it."""
    program = Program()
    known = {name: program.name(name) for name in names}
    values = [
        parse_equation(equation_of("x", text, "equation 1"), program, known, functions or {})
        for text in texts
    ]
    return program, values


def operations(*texts, **more):
    """All that is calculated for texts, in order: operations, and functions by their names."""
    program, values = program_of(*texts, **more)
    found = [program.instructions[number] for number in program.needed(values)]
    return [
        str(one[1] if one[0] == "call" else one[0])
        for one in found
        if one[0] not in ("number", "name")
    ]


def line(text, **more):
    """What a text becomes, with all its brackets."""
    program, (value,) = program_of(text, **more)

    def written(number):
        operation, *rest = program.instructions[number]
        if operation in ("number", "name"):
            return str(rest[0])
        parts = [written(operand) for operand in program.operands(number)]
        if operation == "call":
            return f"{rest[0]}({', '.join(parts)})"
        if operation == "choose":
            return f"({parts[1]} if {parts[0]} else {parts[2]})"
        if operation == "-x":
            return f"(-{parts[0]})"
        return f"({parts[0]} {operation} {parts[1]})" if len(parts) > 1 else f"(not {parts[0]})"

    return written(value)


def value_of(text, values=VALUES, functions=None):
    """The value of a text, as its program has it."""
    program, (value,) = program_of(text, names=values, functions=functions)
    return float(evaluate(program, [value], values, functions)[0])


def derivatives(system, time=0.0):
    """The derivatives at the default values, by the system's program."""
    read = system.read()
    names = {"t": time, **system.states, **system.parameters, **system.constants}
    return tuple(map(float, evaluate(read.program, read.derivatives, names, system.functions)))


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
OF_TWO = {
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "min": lambda *numbers: functools.reduce(np.minimum, numbers),
    "max": lambda *numbers: functools.reduce(np.maximum, numbers),
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

    def visit_Constant(self, node):
        name = "real" if not isinstance(node.value, bool) else "truth"
        return ast.Call(ast.Name(name, ast.Load()), [node], [])

    def visit_Compare(self, node):
        self.generic_visit(node)
        return ast.Call(ast.Name("truth", ast.Load()), [node], [])


def typed(code):
    tree = _Typed().visit(ast.parse(code, mode="eval"))
    return compile(ast.fix_missing_locations(tree), "<typed>", "eval")


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
        return eval(typed(text), space)


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
def test_programs_have_the_value_of_the_text(text, values):
    expected = directly(text, np.float64, values)
    # Where more digits give something else, it is rounding that decides.
    assume(agree(expected, directly(text, np.longdouble, values), 1e-13))
    assert agree(value_of(text, values), expected, 1e-12)


# Precedence -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a - (b - c)",
        "(a - b) - c",
        "a - (b + c)",
        "a + (b + c)",
        "a/(b*c)",
        "a/b*c",
        "a/(b/c)",
        "(a + b)*(c - d)",
        "a*(b + c)/d",
        "-(a*b)",
        "-a*b",
        "-(a + b)",
        "a - -b",
        "a*(-2)",
        "-(a**2)",
        "-a**2",
        "a/b**2",
        "2**-a",
        "a**b**c",
        "(a**b)**c",
        "(a if c > 0 else b)*d",
        "a if c > 0 else b*d",
        "-(a if c > 0 else b)",
        "a if b > 0 else c if d > 0 else 1",
        "(a if b > 0 else c) if d > 0 else 1",
        "a if (b if c > 0 else d) > 0 else 1",
        "a if not b > c else d",
        "a if not (b > c and c > d) else d",
        "a if (not b > c) and c > d else d",
        "a if a > b and (b > c or c > d) else d",
        "a if a > b and b > c or c > d else d",
        "a + b if a + b > 2*c else d",
        "max(a if b > 0 else c, d)",
        "(a > b) + 1",
        "(a > b) == (c > d)",
    ],
)
def test_no_bracket_is_lost(text):
    for signs in np.ndindex(2, 2, 2, 2):
        values = {
            name: (2 * sign - 1) * abs(value)
            for sign, (name, value) in zip(signs, VALUES.items(), strict=True)
        }
        assert agree(value_of(text, values), directly(text, np.float64, values), 1e-14)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0 + a", "a"),
        ("a - 0", "a"),
        ("0 - a", "(-a)"),
        ("1*a/1", "a"),
        ("-1*a", "(-a)"),
        ("a/-1", "(-a)"),
        ("--a", "a"),
        ("a**1", "a"),
        ("a**0", "1.0"),
        ("2*3 - 7/2 + 2**0.5", repr(2 * 3 - 7 / 2 + 2**0.5)),
        ("-2", "-2.0"),
        ("a if b > 0 else a", "a"),
        ("pi", repr(math.pi)),
        ("0*a", "(a * 0.0)"),  # it may be infinite
        ("1/0", "(1.0 / 0.0)"),  # the processor knows what that is
    ],
)
def test_what_is_simpler_becomes_simpler(text, code):
    assert line(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a**2", "(a * a)"),
        ("a^2", "(a * a)"),
        ("a**-1", "(1.0 / a)"),
        ("a**0.5", "sqrt(a)"),
        ("a**-0.5", "(1.0 / sqrt(a))"),
        ("a**1.5", "(a * sqrt(a))"),
        ("pow(a, 2)", "(a * a)"),
        ("a**0.3", "pow(a, 0.3)"),
        ("a**17", "pow(a, 17.0)"),
        ("a**b", "pow(a, b)"),
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
    assert operations("a**16") == ["*"] * 4


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
    assert line("Piecewise((a, b > 0), (c, True), (d, a > 0))") == "(a if (b > 0.0) else c)"


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
    text = "f(a, 2) + f(a, 2)*b"
    assert operations(text, functions={"f": pow}) == ["user f", "*", "+"]
    assert value_of(text, functions={"f": pow}) == pytest.approx(1.75**2 * 0.4)
    assert value_of("sin(a, b)", functions={"sin": lambda a, b: a - b}) == 1.75 + 0.6


def test_functions_of_the_user_hide_ours():
    assert line("exp(a)", functions={"exp": abs}) == "user exp(a)"


# Common subexpressions --------------------------------------------------------------------------


class TestOnce:
    def test_what_stands_twice_is_computed_once(self):
        assert operations("exp(a*b) + c*exp(a*b)") == ["*", "exp", "*", "+"]

    def test_in_whatever_order(self):
        assert operations("exp(a*b + c) - exp(c + b*a)*d").count("exp") == 1

    def test_across_equations(self):
        program, values = program_of("a*exp(b)", "c*exp(b)", "exp(b)")
        assert operations("a*exp(b)", "c*exp(b)", "exp(b)") == ["exp", "*", "*"]
        assert program.instructions[values[2]][:2] == ("call", "exp")

    def test_across_definitions(self):
        system = System("dx = -r; dy = r; r = k*exp(x)", {"x": 1.0, "y": 2.0}, {"k": 2.0})
        read = system.read()
        found = [read.program.instructions[one] for one in read.program.needed(read.derivatives)]
        assert sum(one[:2] == ("call", "exp") for one in found) == 1
        assert derivatives(system) == pytest.approx((-2 * math.e, 2 * math.e))

    def test_parts_of_powers(self):
        assert operations("a**4 + a**2") == ["*", "*", "+"]

    def test_equal_numbers_of_different_signs_are_not_the_same(self):
        assert math.copysign(1, value_of("-0.0", {})) == -1
        assert line("atan2(a, 0.0) + atan2(a, -0.0)") == "(atan2(a, 0.0) + atan2(a, -0.0))"

    def test_differences_are_not_turned_round(self):
        assert operations("exp(a - b)*exp(b - a)") == ["-", "exp", "-", "exp", "*"]

    def test_long_sums_have_their_value(self):
        text = " + ".join(f"a*exp(b/{index})" for index in range(2, 40))
        assert value_of(text) == pytest.approx(float(directly(text, np.float64, VALUES)), rel=1e-14)


@pytest.mark.parametrize("operator", ["+", "-"])
def test_a_sum_of_2000_terms_has_its_value(operator):
    text = f" {operator} ".join(f"a*{index}" for index in range(2000))
    total = 1.75 * sum(range(2000))
    assert value_of(text) == pytest.approx(total if operator == "+" else -total)


def test_a_sum_of_3000_terms_has_its_value():
    text = " + ".join(f"a*{index}" for index in range(3000))
    assert value_of(text) == pytest.approx(1.75 * sum(range(3000)))


# Names that clash -------------------------------------------------------------------------------

# Words of C++ and CUDA, of LLVM, of what is written around them, and of our kernels.
CLASHING = ["float", "double", "int", "long", "bool", "const", "register", "signed", "typedef"]
CLASHING += ["template", "volatile", "asm", "goto", "switch", "threadIdx", "blockIdx", "blockDim"]
CLASHING += ["warpSize", "NULL", "fabs", "smaller", "larger", "quick_log2", "ptr"]
CLASHING += ["define", "declare", "entry", "each", "one", "select", "load", "store", "undef", "i64"]
CLASHING += ["align", "noalias", "poison", "splat", "v1", "x1", "m1", "s1", "begun", "loop1"]
CLASHING += ["begin", "end", "count", "first", "runs", "share", "values", "sources", "spans"]
CLASHING += ["settings", "atol", "stop", "status", "final", "states", "work", "mode", "packed"]
CLASHING += ["main", "run", "start", "span", "real", "integer", "single", "math", "numpy", "lane"]
CLASHING += ["integrate", "emberkeep_kernel", "right_hand_side", "y", "p", "slope", "when", "time"]
CLASHING += ["k1", "new", "y0_1", "elapsed", "size", "square", "h", "place", "total", "class_"]
PER_SYSTEM = 15


def ends(system, keep, start=0.0):
    """What one Euler step of length 1 gives."""
    solver = Solver(system, method="euler", target="cpu", keep=keep, threads=1)
    solved = solver.solve((start, start + 1.0), dt=1.0)
    return {name: solved.final[0, place] for place, name in enumerate(system.states)}


def require_compiled_for_gpus(system):
    nvrtc = pytest.importorskip("emberkeep.targets.cuda.nvrtc")
    from emberkeep.targets.cuda.target import CudaTarget

    plan = make_plan(system, method_name="euler", outputs=None, precision="float64", saves=False)
    source = Compilation(plan).source(CudaTarget("sm_90"))
    assert nvrtc.compile_source(source, "sm_90")[0].startswith(b"\x7fELF")


class TestClashes:
    def system(self, names):
        """States that follow each other, by a parameter and with a function."""
        equations = {
            name: f"2*{name} + Max(3*{names[place - 1]}, exp(0*{name})) + t"
            for place, name in enumerate(names)
        }
        return System(equations, {name: place - 2.5 for place, name in enumerate(names)})

    def expected(self, names, time=0.5):
        numbers = np.arange(len(names)) - 2.5
        slopes = 2 * numbers + np.maximum(3 * np.roll(numbers, 1), 1) + time
        return dict(zip(names, numbers + slopes, strict=True))

    @pytest.mark.parametrize("begin", range(0, len(CLASHING), PER_SYSTEM))
    def test_states_may_be_called_like_words_of_the_code(self, begin, keep):
        names = CLASHING[begin : begin + PER_SYSTEM]
        assert ends(self.system(names), keep, 0.5) == pytest.approx(self.expected(names))

    def test_in_large_systems_too(self, keep):
        assert ends(self.system(CLASHING), keep, 0.5) == pytest.approx(self.expected(CLASHING))

    def test_on_gpus_too(self):
        require_compiled_for_gpus(self.system(CLASHING))
        require_compiled_for_gpus(self.system([*CLASHING[:5], *CLASHING[-5:]]))

    def test_parameters_constants_and_observables_may(self, keep):
        parameters = {name: float(place) for place, name in enumerate(CLASHING[::2])}
        constants = {name: float(place) for place, name in enumerate(CLASHING[1::2])}
        text = " + ".join([*parameters, *constants])
        system = System(f"du = {text} - u", {"u": 1.0}, parameters, constants=constants)
        total = sum(parameters.values()) + sum(constants.values())
        assert ends(system, keep) == pytest.approx({"u": total})
        require_compiled_for_gpus(system)

    @pytest.mark.parametrize("name", ["right_hand_side", "float", "fetch", "max", "math", "v1"])
    def test_functions_may(self, name):
        system = System(f"dx = -{name}(x, 2)", {"x": 3.0}, functions={name: math.fmod})
        assert derivatives(system) == (-1.0,)

    @pytest.mark.parametrize(
        "name", ['x"; } int evil() { return 1; }', "a\nb", "a*/b", "%0 = add", "\\", "??/", "ü"]
    )
    def test_a_systems_name_is_no_code(self, name, keep):
        system = System("dx = 2*x", {"x": 1.0}, name=name)
        assert ends(system, keep) == {"x": 3.0}
        require_compiled_for_gpus(system)

    def test_a_state_may_be_called_like_a_derivative(self):
        system = System("x' = 2*dx; ddx = -dx", {"x": 1.0, "dx": 3.0})
        assert derivatives(system) == (6.0, -3.0)

    def test_a_parameter_may_be_called_like_a_derivative(self):
        system = System("x' = y/dx; y' = x/dx", {"x": 1.0, "y": 2.0}, {"dx": 4.0})
        assert derivatives(system) == (0.5, 0.25)


class TestLargeSystems:
    def test_large_and_small_give_the_same_numbers(self, keep):
        names = [f"x{index}" for index in range(5)]
        small = {
            name: f"k*sin(t)*{name} - {names[index - 1]}**2" for index, name in enumerate(names)
        }
        more = {f"y{index}": "0" for index in range(15)}
        states = dict(zip(names, [0.5, -1.0, 2.0, 0.25, 3.0], strict=True))
        few = System(small, states, {"k": 0.7})
        many = System({**small, **more}, {**states, **dict.fromkeys(more, 0.0)}, {"k": 0.7})
        large, expected = ends(many, keep, 0.3), ends(few, keep, 0.3)
        assert {name: large[name] for name in names} == pytest.approx(expected, rel=1e-14)
        slopes = dict(zip(names, derivatives(few, 0.3), strict=True))
        assert expected == pytest.approx({name: states[name] + slopes[name] for name in names})

    def test_only_what_is_used_is_read(self):
        states = {f"x{index}": 1.0 for index in range(26)}
        equations = dict.fromkeys(states, "x0*used")
        system = System(equations, states, {"unused": 1.0, "used": 2.0})
        plan = make_plan(
            system, method_name="euler", outputs=None, precision="float64", saves=False
        )
        text = Compilation(plan).source(CpuTarget("host", 1)).text
        body = text.partition("define internal void @right_hand_side(")[2].partition("\n}")[0]
        assert body.count(" load <") == 3  # x0, used, and the time
