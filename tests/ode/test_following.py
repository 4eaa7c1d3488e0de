"""Python functions as programs: what is followed has their values, and what cannot be is not."""

import functools
import math
import os
import random
import time
from datetime import date
from math import exp, sin
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy import loadtxt as loaded

from emberkeep import ode
from emberkeep.errors import InvalidSystem
from emberkeep.ode.system import symbol
from emberkeep.ode.system.breakpoints import breakpoints
from emberkeep.ode.system.derivatives import jacobian
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.program import PRIMITIVES

STATES, PARAMETERS = {"x": 0.7, "v": -0.4}, {"k": 1.3, "w": 0.25}
RATES = [0.5, 1.5, 2.5]
TABLE = np.array([[0.0, 1.0, 4.0], [2.0, 5.0, -1.0]])
LOG = []


def read(function, states=STATES, parameters=PARAMETERS, **more):
    return ode.System(function, states, parameters, **more).read()


def is_followed(found):
    return not any(item[0] in ("external", "item") for item in found.program.instructions)


def alone(body):
    """A right-hand side whose first derivative is a function of t, x, v, k and w."""

    def right(t, y, p):
        return body(t, y.x, y.v, p.k, p.w), 0.0

    return right


def same(function, states=STATES, parameters=PARAMETERS):
    """That a function is followed, and has its own values at random numbers."""
    found = read(function, states, parameters)
    assert is_followed(found), found.reasons
    called = {item[1]: len(item) - 2 for item in found.program.instructions if item[0] == "call"}
    assert called.items() <= PRIMITIVES.items()
    draw = np.random.default_rng(5)
    for _ in range(20):
        t, *numbers = (float(x) for x in draw.uniform(0.1, 0.9, 1 + len(states) + len(parameters)))
        y = SimpleNamespace(**dict(zip(states, numbers, strict=False)))
        p = SimpleNamespace(**dict(zip(parameters, numbers[len(states) :], strict=True)))
        expected = function(t, y, p)
        got = evaluate(found.program, found.derivatives, {"t": t, **vars(y), **vars(p)})
        assert got == pytest.approx([float(item) for item in expected], rel=1e-12)
    return found


@functools.wraps(sin)
def wrapped(x):
    return sin(x)


def helper(x, scale=2.0, *, shift=0.5):
    return math.exp(-x) * sin(scale * x) + shift


def recursive(x, n):
    return x if n == 0 else x * recursive(x, n - 1)


class Spring:
    damping = 0.1

    def __init__(self, stiffness):
        self.stiffness = stiffness

    def force(self, x):
        return -self.stiffness * math.sin(x)

    def right(self, t, y, p):
        return y.v, self.force(y.x) - self.damping * y.v * p.w

    def __call__(self, t, y, p):
        return self.right(t, y, p)


def with_more(t, y, p, factor, power=1):
    return factor * y.v**power, math.cos(t) * y.x


@pytest.mark.parametrize(
    "body",
    [
        lambda t, x, v, k, w: -k * x + v / w - 3,
        lambda t, x, v, k, w: x**2 + v**0.5 + 2**x + w**-1 + pow(x, 3),
        lambda t, x, v, k, w: math.sin(t) * math.exp(-x) + math.log(x) + math.log(v, 3) + exp(w),
        lambda t, x, v, k, w: np.sin(t) + np.arctan2(x, v) + np.hypot(x, v) + np.power(x, v),
        lambda t, x, v, k, w: np.where(x > v, np.sqrt(x), v * 2) + np.where(x > v, 1, 0),
        lambda t, x, v, k, w: np.where((x > v) & (k < w) | (t > 0.5), x, v),
        lambda t, x, v, k, w: np.where(np.logical_and(x > v, ~np.greater(k, w)), x, v),
        lambda t, x, v, k, w: np.interp(t, [0.2, 0.4, 0.8], [1.0, 3.0, -2.0]) * x,
        lambda t, x, v, k, w: np.interp(t, TABLE[0], TABLE[1]),
        lambda t, x, v, k, w: np.clip(x, 0.2, 0.6) + np.minimum(x, v) + np.maximum(x, 0.5),
        lambda t, x, v, k, w: np.clip(x, v, None) + np.fmin(x, v) + np.fmax(x, v) + np.sinc(x),
        lambda t, x, v, k, w: abs(x - v) + np.abs(v - x) + math.fabs(x) + np.sign(x - v),
        lambda t, x, v, k, w: max(x, v) + min(x, v, 0.5) + max([x, 0.3]),
        lambda t, x, v, k, w: (10 * x) // 3 + (10 * x) % 3 + (-10 * x) // 3 + (-10 * x) % 3,
        lambda t, x, v, k, w: 7 // x + 7 % x + np.mod(-7, x) + np.fmod(-7, x) + math.fmod(-7, x),
        lambda t, x, v, k, w: math.floor(9 * x) + math.ceil(9 * v) + math.trunc(-9 * k),
        lambda t, x, v, k, w: round(9 * x) + np.round(9 * v) + np.round(v, 1) + np.rint(9 * k),
        lambda t, x, v, k, w: sum([x, v, k]) + sum(r * x for r in RATES) + math.prod([x, v]),
        lambda t, x, v, k, w: sum(r * x**i for i, r in enumerate(RATES) if i != 1),
        lambda t, x, v, k, w: helper(x) + helper(v, 3, shift=w) + wrapped(k),
        lambda t, x, v, k, w: recursive(x, 4),
        lambda t, x, v, k, w: (x > v) * 2.0 + (x <= v) * w + -(x < v) + (x > v) + (k > w),
        lambda t, x, v, k, w: np.dot(np.array([x, v]), np.array([k, 2.0])),
        lambda t, x, v, k, w: (np.array([[1.0, k], [w, 2.0]]) @ np.array([x, v])).sum(),
        lambda t, x, v, k, w: np.sum(np.sin(np.array([x, v])) * np.exp(-np.array([k, w]))),
        lambda t, x, v, k, w: np.float64(2) * x + np.float64(0.5) * v + np.int64(3) * k + True,
        lambda t, x, v, k, w: np.array([1.0, 2.0])[0] * x + (x * np.array([1.0, 2.0])).sum(),
        lambda t, x, v, k, w: math.gamma(x + 1) + math.lgamma(v) + math.erf(k) + math.erfc(w),
        lambda t, x, v, k, w: math.hypot(x, v, k) + math.hypot(w) + math.degrees(x) + np.radians(v),
        lambda t, x, v, k, w: np.where(np.isnan(x), 0.0, np.where(math.isfinite(v), x, v)),
        lambda t, x, v, k, w: np.linalg.norm([x, v]) + np.where(math.isinf(x), x, k),
        lambda t, x, v, k, w: np.square(x) + np.reciprocal(v) + np.exp2(k) + np.cbrt(w) - +x,
        lambda t, x, v, k, w: np.heaviside(x - v, 0.5) + np.copysign(x, v - k) + x**v,
        lambda t, x, v, k, w: np.where(~(x > v) if isinstance(x, np.bool_) else x <= v, x, v),
    ],
)  # fmt: skip
def test_what_is_calculated_is_followed(body):
    same(alone(body))


def test_jumps_in_time_are_found_in_them():
    def right(t, y, p):
        dose = np.where(t < p.k, y.x, 0.0) + np.interp(t, [0.0, 1.0, 3.0], [0.0, 2.0, 0.0])
        return dose, np.where(t % 24 < 8, 1.0, 0.0)

    found = read(right)
    jumps = breakpoints(found.program, found.derivatives, [*STATES])
    assert {*evaluate(found.program, jumps.times, {"k": 7.0})} == {7.0, 0.0, 1.0, 3.0}
    firsts = [first for first, _ in jumps.periodic]
    assert {*evaluate(found.program, firsts, {})} == {0.0, 8.0}
    assert jumps.unsolved == ()


class TestForms:
    @pytest.mark.parametrize(
        "give",
        [
            lambda a, b: (a, b),
            lambda a, b: [a, b],
            lambda a, b: np.array([a, b]),
            lambda a, b: np.asarray([a, b]),
        ],
    )
    def test_derivatives_may_come_in_any_sequence(self, give):
        same(lambda t, y, p: give(y.v, -p.k * y.x))

    def test_or_by_the_names_of_the_states(self):
        found = read(lambda t, y, p: {"v": -y.x, "x": p.k * y.v})
        numbers = {"x": 2.0, "v": 3.0, "k": 5.0, "w": 0.0, "t": 0.0}
        assert evaluate(found.program, found.derivatives, numbers) == [15.0, -2.0]

    def test_one_state_needs_no_tuple(self):
        assert is_followed(read(lambda t, y, p: -y.x, {"x": 1.0}, {}))

    def test_a_list_that_is_filled(self):
        def right(t, y, p):
            out = [0.0] * 2
            for index, value in enumerate(y):
                out[1 - index] = value * p.k
            return out

        found = read(right)
        assert is_followed(found)
        assert evaluate(found.program, found.derivatives, {"x": 2.0, "v": 3.0, "k": 5.0}) == [
            15,
            10,
        ]

    def test_states_are_unpacked_and_indexed(self):
        def right(t, y, p):
            x, v = y
            return y[1] * p.k, -x + v * p[1]

        found = read(right)
        numbers = {"x": 2.0, "v": 3.0, "k": 5.0, "w": 7.0}
        assert evaluate(found.program, found.derivatives, numbers) == [15.0, 19.0]

    def test_closures_partials_methods_and_objects(self):
        def with_rate(rate):
            return lambda t, y, p: (rate * y.v, math.sin(rate))

        same(with_rate(2.5))
        same(functools.partial(with_more, factor=3.0, power=2))
        same(Spring(2.0).right)
        same(Spring(2.0))

    def test_numbas_functions_are_those_that_they_compile(self):
        class Dispatcher:
            """As numba's, without the second that compiling takes."""

            def __init__(self, function):
                self.py_func = function

            def __call__(self, x):
                return self.py_func(float(x))

        quick = Dispatcher(helper)
        same(lambda t, y, p: (quick(y.x), y.v))

    def test_what_is_done_within_a_context(self):
        same(quiet)

    def test_modules_that_are_imported_within(self):
        def right(t, y, p):
            import math as m
            from math import cos

            return m.sin(y.x), cos(t)

        same(right)

    def test_it_has_derivatives(self):
        found = read(Spring(2.0))
        names = {"x": 0.3, "v": 1.0, "k": 0.0, "w": 5.0}
        entries = jacobian(found.program, found.derivatives, ["x", "v"])
        assert [*entries] == [(0, 1), (1, 0), (1, 1)]
        values = evaluate(found.program, [*entries.values()], names)
        assert values == pytest.approx([1, -2 * math.cos(0.3), -0.5])

    def test_constants_are_inputs(self):
        found = read(lambda t, y, p: (p.g * y.x, p.k), constants={"g": 9.81})
        assert evaluate(found.program, found.derivatives, {"x": 2.0, "g": 3.0, "k": 4.0}) == [6, 4]


def read_here():
    with open(__file__) as file:  # noqa: PTH123 - the builtin
        return len(file.read())


def filled(t, y, p):
    slope = np.zeros(2)
    slope[0] += y.x
    slope[1] = p.k * t
    return slope + np.ones(2) * p.w + np.full(2, y.v)


def empty(t, y, p):
    slope = np.empty_like(np.array([y.x, y.v]))
    slope[:1], slope[1] = y.v, np.empty(3).size
    return slope


def matrix(t, y, p):
    rates = np.zeros((2, 2))
    rates[0, 1], rates[1, 0] = 1.0, -p.k
    return rates @ np.array([y.x, y.v])


def elementwise(t, y, p):
    both = np.array([y.x, y.v])
    clipped = np.clip(both, p.w, 0.8) + np.maximum(both, 0.5) - np.minimum(p.k, both)
    return np.where(y.x > 0.4, clipped, -both) + np.where([True, False], both, 2.0)


def compared(t, y, p):
    both, rates = np.asarray((y.x, y.v), float), p.k * np.linspace(0, 1, 2)
    slope = np.where(both > p.w, both, -p.k * both) + both * (both <= 0.5) * (rates >= 0.2)
    return slope * np.logical_and(both > 0, rates < 1) + np.where(rates > 0.5, both, rates)


def extremes(t, y, p):
    both = np.array([y.x, y.v])
    spread = np.max(both) - both.min() + np.max([y.x, p.k]) + np.maximum.reduce(both)
    return spread, np.min([both, -both], axis=0)[1] + np.max([1.0, 2.0])


def in_place(t, y, p):
    slope = np.full_like(np.array([y.x, y.v]), p.k)
    slope *= p.w
    slope[1:] -= np.sign(slope[:1]) * y.v
    slope += np.cumsum(np.array([y.x, t])) - np.linalg.norm(slope)
    return slope


def products(t, y, p):
    both, rates = np.array([y.x, y.v]), np.array([[1.0, 2.0], [0.5, -1.0]])
    total = rates @ both + both @ rates + np.dot(both, both) * np.outer(both, both)[0]
    return total + np.einsum("ij,j->i", rates, both) + p.w * (rates.T @ both)


ARRAYS = [filled, empty, matrix, elementwise, compared, extremes, in_place, products]


@pytest.mark.parametrize("function", ARRAYS)
def test_arrays_are_followed(function):
    same(function)


def test_what_reads_an_empty_array_is_not_followed():
    with pytest.raises(InvalidSystem, match="cannot be followed"):
        read(lambda t, y, p: list(np.empty(2)))


class Peeking:
    """Asks a file, in a method and by a property."""

    def size(self):
        return read_here()

    @property
    def length(self):
        return self.size()


PEEKING, HERE, DRAWN = Peeking(), Path(__file__), np.random.default_rng(1)


def counting():
    seen = []

    def right(t, y, p):
        seen.append(1)
        return len(seen) * y.x, y.v

    return right


def branching(t, y, p):
    if y.x > 0:
        return y.x, y.v
    return -y.x, y.v


def swallowing(t, y, p):
    try:
        big = bool(y.x > 0)
    except:  # noqa: E722 - as some write it
        big = True
    return (y.x if big else -y.x * 3), y.v


def catching(t, y, p):
    try:
        return 1 / y.x, y.v
    except ZeroDivisionError:
        return 0.0, y.v


def quiet(t, y, p):
    with np.errstate(all="ignore"):
        return np.sqrt(y.x), [y.v for _ in range(2)][0]


def by_type(t, y, p):
    return (y.x if isinstance(y.x, float) else 2 * y.x), y.v


def writing(t, y, p):
    global LOG  # noqa: PLW0603 - that is the test
    LOG = [*LOG, 1]
    return y.x, y.v


def marking(t, y, p):
    LOG.append(y.x)
    return y.x, y.v


class Counter:
    def __init__(self):
        self.calls = 0

    def __call__(self, t, y, p):
        self.calls += 1
        return y.x, y.v


class TestWhatIsNot:
    @pytest.mark.parametrize(
        ("function", "reason"),
        [
            (branching, "branches"),
            (alone(lambda t, x, v, k, w: x if x > v and k else v), "branches"),
            (alone(lambda t, x, v, k, w: RATES[int(abs(x)) % 3]), "number itself"),
            (alone(lambda t, x, v, k, w: float(x)), "number itself"),
            (
                alone(lambda t, x, v, k, w: np.array([x, v], dtype=np.float32).sum()),
                "number itself",
            ),
            (
                alone(lambda t, x, v, k, w: np.array([x, v])[np.array([x, v]) > 0].sum()),
                "IndexError",
            ),
            (alone(lambda t, x, v, k, w: round(x, 2)), "TypeError"),
            (alone(lambda t, x, v, k, w: sorted([x, v])[1]), "branches"),
            (alone(lambda t, x, v, k, w: random.random() * x), "uses random"),
            (alone(lambda t, x, v, k, w: np.random.normal() * x), "uses numpy.random"),  # noqa: NPY002
            (alone(lambda t, x, v, k, w: time.time() * 0 + x), "uses time"),
            (alone(lambda t, x, v, k, w: date.today().year * x), "uses date"),  # noqa: DTZ011
            (alone(lambda t, x, v, k, w: float(os.environ.get("N", "1")) * x), "uses os"),
            (alone(lambda t, x, v, k, w: read_here() * x), "uses open"),
            (alone(lambda t, x, v, k, w: np.loadtxt(["1"]) * x), "uses loadtxt"),
            (alone(lambda t, x, v, k, w: loaded(["1"]) * x), "uses loadtxt"),
            (alone(lambda t, x, v, k, w: HERE.stat().st_size * x), "uses an object of PosixPath"),
            (alone(lambda t, x, v, k, w: DRAWN.normal() * 0 + x), "uses an object of Generator"),
            (alone(lambda t, x, v, k, w: eval("1.0") * x), "uses eval"),  # noqa: S307
            (alone(lambda t, x, v, k, w: id(RATES) * 0 + x), "uses id"),
            (alone(lambda t, x, v, k, w: Peeking().size() * x), "uses Peeking"),
            (alone(lambda t, x, v, k, w: PEEKING.size() * x), "uses open"),
            (alone(lambda t, x, v, k, w: PEEKING.length * x), "uses open"),
            (alone(lambda t, x, v, k, w: x.is_integer()), "is_integer"),
            (alone(lambda t, x, v, k, w: {0.5: 1.0}.get(x, 2.0)), "unhashable"),
            (alone(lambda t, x, v, k, w: np.interp(t, [x, 2.0], [0.0, 1.0])), ""),
            (swallowing, "catches errors"),
            (catching, "catches errors"),
            (by_type, "formulas"),
            (writing, "changes 'LOG'"),
            (Counter(), "changes 'calls'"),
            (counting(), "as formulas it gives"),
        ],
    )
    def test_it_is_one_instruction_and_says_why(self, function, reason):
        found = read(function)
        assert not is_followed(found)
        assert reason in found.reasons["f(t, y, p)"]
        external = next(item for item in found.program.instructions if item[0] == "external")
        assert external[1].function is function
        assert (external[1].states, external[1].inputs) == (("x", "v"), ("k", "w"))
        kinds = [found.program.instructions[value][0] for value in found.derivatives]
        assert kinds == ["item", "item"]

    def test_a_loop_that_is_too_long_stays_one(self, monkeypatch):
        monkeypatch.setattr(symbol, "MOST_INSTRUCTIONS", 100)
        found = read(alone(lambda t, x, v, k, w: sum(x * r for r in range(200))))
        assert found.reasons == {"f(t, y, p)": "it has more than 100 operations"}

    def test_no_symbol_is_left_behind(self):
        read(marking)
        assert all(isinstance(item, float | int) for item in LOG)

    def test_one_that_gives_no_tuple_is_refused_with_the_reason(self):
        with pytest.raises(InvalidSystem, match=r"cannot be followed: it branches .*a tuple"):
            read(lambda t, y, p: [y.x if y.x > 0 else 0.0, y.v])

    @pytest.mark.parametrize(
        "given", [(1.0,), 3.0, "xv", None, {"x": 1.0}, {"x": 1, "v": 2, "z": 3}]
    )
    def test_what_it_gives_must_be_the_derivatives(self, given):
        with pytest.raises(InvalidSystem, match="The function of the system 'x_v' gave a"):
            read(lambda t, y, p: given)

    def test_it_must_take_three_arguments(self):
        with pytest.raises(InvalidSystem, match=r"cannot be called as f\(t, y, p\)"):
            read(lambda t, y: (y.x, y.v))


class TestFunctionsInEquations:
    def read(self, text, **functions):
        return ode.System(text, {"x": 0.5}, {"k": 2.0}, functions=functions).read()

    def test_they_are_followed(self):
        found = self.read("dx = -hill(x, k) + hill(x, 2*k)", hill=lambda x, n: x**2 / (n + x**2))
        assert found.reasons == {}
        assert not any(str(item[1]).startswith("user") for item in found.program.instructions)
        values = evaluate(found.program, found.derivatives, {"x": 0.5, "k": 2.0})
        assert values == pytest.approx([-0.25 / 2.25 + 0.25 / 4.25])

    def test_one_that_is_not_is_called_and_says_why(self):
        found = self.read("dx = -gate(x) + k", gate=lambda x: x if x > 0 else 0.0)
        assert "branches" in found.reasons["gate"]
        called = [item for item in found.program.instructions if item[0] == "call"]
        assert [item[1] for item in called] == ["user gate"]

    def test_making_a_system_runs_none(self):
        def broken(x):
            raise AssertionError

        ode.System("dx = broken(x)", {"x": 0.5}, functions={"broken": broken})


class TestObservables:
    def test_a_function_may_give_them_behind_the_derivatives(self):
        def right(t, y, p):
            energy = y.v**2 / 2 + p.k * y.x**2 / 2
            return (y.v, -p.k * y.x), {"energy": energy}

        found = read(right, observables=["energy"])
        numbers = {"x": 2.0, "v": 3.0, "k": 5.0}
        assert evaluate(found.program, [found.definitions["energy"]], numbers) == [14.5]

    def test_or_among_them_by_name(self):
        found = read(lambda t, y, p: {"x": y.v, "v": y.x, "sum": y.x + y.v}, observables=["sum"])
        assert [*found.definitions] == ["sum"]

    @pytest.mark.parametrize(
        "given", [(1.0, 2.0), ((1.0, 2.0), {"other": 1.0}), {"x": 1.0, "v": 2.0}]
    )
    def test_one_that_is_missing_is_an_error(self, given):
        with pytest.raises(InvalidSystem, match="energy"):
            read(lambda t, y, p: given, observables=["energy"])

    def test_one_that_is_not_listed_is_an_error(self):
        with pytest.raises(InvalidSystem, match="listed in observables="):
            read(lambda t, y, p: ((y.x, y.v), {"energy": 1.0}))

    def test_what_cannot_be_followed_has_none(self):
        with pytest.raises(InvalidSystem, match="cannot be followed: it branches"):
            read(
                lambda t, y, p: ((y.x, y.v), {"energy": 1.0 if y.x > 0 else 0.0}),
                observables=["energy"],
            )
