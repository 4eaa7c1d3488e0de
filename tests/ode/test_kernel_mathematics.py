"""Functions in kernels: compiled in lanes, and as GPUs are given them, they are NumPy's."""

import functools
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.ode.kernel.code import BOOL, REAL
from emberkeep.ode.kernel.cuda import print_cuda
from emberkeep.ode.kernel.equations import write_program
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.program import PRIMITIVES, Program
from emberkeep.targets.protocol import PrintedSource

machine = runpy.run_path(Path(__file__).parent / "kernel_machine.py")
Compiled, Hosted = machine["Compiled"], machine["Hosted"]
needs_compiler = pytest.mark.skipif(not machine["HAS_COMPILER"], reason="there is no g++")

NAMES = ("a", "b", "c", "d")
# The C library's functions for vectors are good to four units in the last place.
OF_VECTORS = ("exp", "log", "sin", "cos", "pow")
UNITS = dict.fromkeys(OF_VECTORS, 4.0)
# Beyond what C promises; NumPy's, or Python's, are no better.
UNITS |= {"gamma": 10.0, "lgamma": 10.0, "erfc": 4.0, "sinh": 3.0, "cosh": 3.0, "tanh": 3.0}
UNITS |= {"asinh": 3.0, "acosh": 3.0, "atanh": 3.0, "expm1": 2.0, "log1p": 2.0, "log10": 2.0}
UNITS |= {"tan": 2.0, "asin": 2.0, "acos": 2.0, "atan": 2.0, "atan2": 2.0, "erf": 2.0}
EXACT = ("abs", "floor", "ceil", "trunc", "rint", "copysign", "fmod", "min", "max", "sqrt")

SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    2.0,
    3.0,
    8.0,
    64.0,
    -64.0,
    10.0,
    1000.0,
]
SPECIAL += [math.inf, -math.inf, math.nan, math.pi, -math.e, 7.25, 1e-5, -1e-5, 0.1, 0.3, 20.5]
WIDE = [5e-324, -5e-324, 1e-310, 2.2250738585072014e-308, 1.7976931348623157e308, -1e300, 1e300]
WIDE += [709.5, 710.0, -745.0, -746.0, 1e15 + 0.5, 4503599627370497.5, 1e18, 170.5, 172.0, 1e5]
NARROW = [1e-45, -1e-45, 1e-40, 1.1754944e-38, 3.4028235e38, -1e38, 88.5, 89.0, -103.0, -104.0]
NARROW += [8388607.5, 1e10, 34.5, 36.0, 1e4]


def kernel(program, values, *, single=False):
    """Code that computes values of a program for each trajectory."""
    code = machine["fresh"](single=single)
    arguments = [code.argument(f"in_{name}", REAL) for name in NAMES]
    out = code.argument("out", REAL)
    run, here = machine["trajectories"](code)
    inputs = {name: code.variable(name, REAL) for name in NAMES}
    with code.for_each(code.value(True, BOOL)):
        for name, argument in zip(NAMES, arguments, strict=True):
            inputs[name].set(argument.get(run.get()))
    given_names = {name: variable.get() for name, variable in inputs.items()}
    found = write_program(code, program, values, given_names)
    with code.for_each(here.get()):
        for place, value in enumerate(found):
            out.set(run.get() * len(found) + place, value)
    return code


def results(runner, numbers, count, *, single=False):
    """What it gives: by trajectory, each of the values."""
    real = np.float32 if single else np.float64
    runs = len(numbers["a"])
    given = {f"in_{name}": np.array(numbers[name], real) for name in NAMES}
    given["out"] = np.full(runs * count, -77, real)
    runner(given, runs)
    return given["out"].reshape(runs, count)


@functools.cache
def primitives(*, literal=False):
    """Every function, of one or two names; or of literals, where none of them is known before."""
    program = Program()
    a, b = (program.name(name) for name in "ab")
    return program, [
        program.call(function, *(a, b)[:count]) for function, count in PRIMITIVES.items()
    ]


def special(*, single):
    numbers = SPECIAL + (NARROW if single else WIDE)
    a, b = (part.ravel() for part in np.meshgrid(numbers, numbers))
    return {"a": a, "b": b, "c": a, "d": b}


def units_apart(found, expected, real):
    """How far, in units of the last place; none where both are alike without being numbers."""
    expected = np.asarray(expected, np.float64)
    with np.errstate(all="ignore"):
        rounded = expected.astype(real)
        alike = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
        unit = np.spacing(np.abs(rounded)).astype(np.float64)
        apart = np.abs(found.astype(np.float64) - expected) / unit
    # The largest number and infinity are one unit apart, when rounding decides.
    largest = np.finfo(real).max
    close = np.isinf(rounded) & (np.abs(found) == largest) & (np.sign(found) == np.sign(rounded))
    return np.where(alike, 0.0, np.where(close, 1.0, np.where(np.isnan(apart), np.inf, apart)))


def expected_of(program, values, numbers, *, single):
    """The oracle's, in double precision also for numbers of single precision."""
    real = np.float32 if single else np.float64
    with np.errstate(all="ignore"):
        given = {name: np.array(numbers[name], real).astype(np.float64) for name in NAMES}
    return evaluate(program, values, given)


def check_primitives(runner, *, single, units=UNITS):
    program, values = primitives()
    real = np.float32 if single else np.float64
    numbers = special(single=single)
    found = results(runner, numbers, len(values), single=single)
    wrong = []
    for place, (function, expected) in enumerate(
        zip(PRIMITIVES, expected_of(program, values, numbers, single=single), strict=True)
    ):
        apart = units_apart(found[:, place], expected, real)
        if function == "lgamma":  # of which Python's is good to a unit of 1 around its zeros
            with np.errstate(invalid="ignore"):
                apart[np.abs(found[:, place] - expected) < 4 * np.finfo(real).eps] = 0
        allowed = 0.5 if function in EXACT else units.get(function, 1.0) + 0.5 * single
        for index in np.flatnonzero(apart > allowed)[:2]:
            at = numbers["a"][index], numbers["b"][index]
            wrong.append((function, at, found[index, place], expected[index], apart[index]))
        zero = (np.asarray(expected) == 0) & (found[:, place] == 0) & (function in SIGNED)
        signs = np.signbit(found[:, place]) != np.signbit(expected)
        wrong += [
            (function, numbers["a"][i], numbers["b"][i], "sign of zero")
            for i in np.flatnonzero(zero & signs)[:2]
        ]
    assert not wrong, wrong


SIGNED = ("floor", "ceil", "trunc", "rint", "copysign", "abs", "sqrt", "sin", "atan", "fmod")


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(("lanes", "bits"), [(2, 0), (2, 128), (8, 256)])
def test_functions_of_special_numbers(lanes, bits, single):
    program, values = primitives()
    check_primitives(Compiled(kernel(program, values, single=single), lanes, bits), single=single)


@pytest.mark.soak
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("lanes", [2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("bits", [0, 128, 256, 512])
def test_functions_in_all_widths(lanes, bits, single, monkeypatch):
    program, values = primitives()
    check_primitives(Compiled(kernel(program, values, single=single), lanes, bits), single=single)


@needs_compiler
@pytest.mark.parametrize("single", [False, True])
def test_functions_as_gpus_are_given_them(single, tmp_path):
    program, values = primitives()
    hosted = Hosted(kernel(program, values, single=single), tmp_path)
    check_primitives(hosted, single=single, units={**UNITS, "cbrt": 4.0})  # it is the host's here


@functools.cache
def exact_cases():
    program = Program()
    a = program.name("a")
    two = program.number(2.0)
    return program, [
        program.call("log2", a),
        program.call("cbrt", program.call("pow", a, program.number(3.0))),
        program.call("pow", two, a),
        program.call("pow", program.negative(two), a),
        program.call("log10", program.call("pow", program.number(10.0), a)),
        program.call("fmod", program.negative(a), program.number(3.0)),
        program.call("rint", program.arithmetic("/", a, two)),
    ]


@pytest.mark.parametrize("single", [False, True])
def test_what_is_exact_in_mathematics_is_exact(single):
    program, values = exact_cases()
    numbers = {name: np.arange(1.0, 9.0) for name in NAMES}
    compiled = Compiled(kernel(program, values, single=single), 4, 256)
    found = results(compiled, numbers, len(values), single=single)
    for place in (0, 1, 4):  # log2(8) is 3; cbrt(64) is 4
        whole = np.log2(numbers["a"]) if place == 0 else numbers["a"]
        there = whole == np.round(whole)
        assert found[there, place] == pytest.approx(whole[there], abs=0 if place == 0 else 5e-7)
    assert np.array_equal(found[:, 5], np.fmod(-numbers["a"], 3))
    assert np.array_equal(found[:, 6], np.rint(numbers["a"] / 2))
    # Written as a power of a number that is known, too.
    assert found[:, 2] == pytest.approx(2 ** numbers["a"], rel=1e-6)
    assert found[:, 3] == pytest.approx((-2.0) ** numbers["a"], rel=1e-6)


def test_functions_of_literals_are_those_of_numbers():
    program = Program()
    texts = [("log2", 8.0), ("cbrt", 64.0), ("exp", 1.0), ("gamma", 5.0), ("erf", 0.5)]
    values = [program.call(name, program.number(x)) for name, x in texts]
    values += [program.call("pow", program.number(0.0), program.number(0.0))]
    values += [program.arithmetic("/", program.number(-1.0), program.number(0.0))]
    values += [program.call("min", program.number(math.nan), program.number(1.0))]
    values += [program.number(math.inf), program.number(-0.0), program.number(5e-324)]
    expected = [float(one) for one in evaluate(program, values, {})]
    numbers = {name: np.zeros(3) for name in NAMES}
    found = results(Compiled(kernel(program, values), 2, 128), numbers, len(values))
    for row in found:
        assert row == pytest.approx(expected, rel=4e-16, abs=0, nan_ok=True)
        assert math.copysign(1, row[9]) == -1


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("bits", [0, 256])
def test_lanes_do_not_hear_of_each_other(bits, single):
    program, values = primitives()
    compiled = Compiled(kernel(program, values, single=single), 8, bits)
    quiet = {name: np.linspace(0.25, 0.75, 16) for name in NAMES}
    loud = {name: np.where(np.arange(16) % 8 == 3, math.nan, x) for name, x in quiet.items()}
    huge = {name: np.where(np.arange(16) % 8 == 3, 1e30, x) for name, x in quiet.items()}
    reference = results(compiled, quiet, len(values), single=single)
    others = np.arange(16) % 8 != 3
    for numbers in (loud, huge):
        found = results(compiled, numbers, len(values), single=single)
        assert np.array_equal(found[others], reference[others], equal_nan=True)


# Expressions ------------------------------------------------------------------------------------

BINARY = ["+", "-", "*", "/"]
CALLS = [name for name in PRIMITIVES if name not in ("gamma", "lgamma", "pow", "fmod")]


def draw_program(draw, size):
    """Values of some expressions, each of them of earlier ones."""
    program = Program()
    found = [program.name(name) for name in NAMES] + [program.number(x) for x in (2.0, -0.5)]
    pick = st.integers(0, 10_000)

    def one():
        return found[draw(pick) % len(found)]

    def condition():
        signs = ["<", "<=", ">", ">=", "==", "!="]
        first = program.compare(draw(st.sampled_from(signs)), one(), one())
        kind = draw(st.sampled_from(["plain", "and", "or", "not"]))
        if kind == "plain":
            return first
        if kind == "not":
            return program.inverse(first)
        return program.logic(
            kind, first, program.compare(draw(st.sampled_from(signs)), one(), one())
        )

    for _ in range(size):
        kind = draw(st.sampled_from(["join", "join", "call", "choose", "power", "negative"]))
        if kind == "join":
            found.append(program.arithmetic(draw(st.sampled_from(BINARY)), one(), one()))
        elif kind == "call":
            name = draw(st.sampled_from(CALLS))
            found.append(program.call(name, *(one() for _ in range(PRIMITIVES[name]))))
        elif kind == "choose":
            found.append(program.choose(condition(), one(), one()))
        elif kind == "power":
            exponent = draw(st.sampled_from([0.0, 0.5, 1.0, -1.0, 2.0, 3.0, -1.5, 5.0]))
            found.append(program.power(one(), program.number(exponent)))
        else:
            found.append(program.negative(one()))
    return program, found


programs = st.composite(lambda draw: draw_program(draw, 25))()
VALUES = st.floats(-4, 4, width=16)


def check_expressions(runner_of, made, rows):
    program, values = made
    numbers = {name: np.array(column) for name, column in zip(NAMES, zip(*rows, strict=True))}
    found = results(runner_of(kernel(program, values)), numbers, len(values))
    expected = expected_of(program, values, numbers, single=False)
    with np.errstate(all="ignore"):
        wide = {name: column.astype(np.longdouble) for name, column in numbers.items()}
        # Where inputs that are a little different give something else, rounding decides.
        near = [
            evaluate(
                program,
                values,
                {name: column * (1 + sign * 1e-13) for name, column in wide.items()},
            )
            for sign in (-1, 1)
        ]
    for place, value in enumerate(expected):
        value = np.broadcast_to(value, len(rows))
        with np.errstate(over="ignore"):
            one, other = (np.broadcast_to(part[place], len(rows)).astype(float) for part in near)
        for row in range(len(rows)):
            a, b, x, y = (float(part[row]) for part in (one, other, value, found[:, place]))
            spread = abs(a - b) + abs(a - x)
            if not all(map(math.isfinite, (a, b, x))) or spread > 1e-10 * abs(x):
                continue
            assert abs(y - x) <= 1e-9 * abs(x) + 1e-300, (place, program.instructions, x, y)


@settings(max_examples=12, deadline=None)
@given(programs, st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=9, max_size=9))
def test_random_expressions(made, rows):
    check_expressions(lambda code: Compiled(code, 4, 256), made, rows)


@pytest.mark.soak
@settings(max_examples=400, deadline=None)
@given(programs, st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=9, max_size=9))
def test_many_random_expressions(made, rows):
    check_expressions(lambda code: Compiled(code, 8, 256), made, rows)


# For GPUs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("single", [False, True])
def test_gpus_have_all_functions(single):
    nvrtc = pytest.importorskip("emberkeep.targets.cuda.nvrtc")
    program, values = primitives()
    more, cases = exact_cases()
    for made, wanted in ((program, values), (more, cases)):
        text = print_cuda(kernel(made, wanted, single=single), "all functions")
        cubin, _ = nvrtc.compile_source(PrintedSource("all functions", text, (), {}), "sm_90")
        assert cubin.startswith(b"\x7fELF")
