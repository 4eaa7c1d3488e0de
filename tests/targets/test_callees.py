import types

import numba
import numpy as np
import pytest
from numba import njit

from emberkeep.targets.callees import Adapter, compiled_by
from emberkeep.targets.cpu.code_generator import implemented

OFFSET = 3


def inner(x):
    return x + OFFSET


def outer(x):
    return 2 * inner(x)


def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


@njit(fastmath=True)
def compiled(x):
    return inner_compiled(x)


@njit
def inner_compiled(x):
    return -x


def uses_compiled(x):
    return compiled(x)


PAIR = (inner, outer)


def uses_tuple(x):
    return PAIR[0](x) + PAIR[1](x)


def in_comprehension(x):
    return sum([inner(value) for value in (x, x)])


def of_library(x):
    return np.exp(x)


def adapted(function):
    """A copy, and what was compiled for it: name → options."""
    made = {}

    def jit(copy, options):
        made[copy.__name__] = dict(options)
        return Compiled(copy)

    return Adapter(compiled_by(jit, implemented())).adapt(function), made


class Compiled:
    def __init__(self, copy):
        self.copy = copy

    def __call__(self, *arguments):
        return self.copy(*arguments)


@pytest.mark.parametrize(
    ("function", "callees"),
    [
        (outer, {"inner"}),
        (factorial, {"factorial"}),
        (uses_compiled, {"compiled", "inner_compiled"}),
        (uses_tuple, {"inner", "outer"}),
        (in_comprehension, {"inner"}),
        (of_library, set()),
    ],
)
def test_every_callee_is_compiled_once_and_results_stay(function, callees):
    copy, made = adapted(function)
    assert set(made) == callees
    assert copy(3) == function(3)


def test_the_original_is_left_alone():
    before = dict(outer.__globals__)
    copy, _ = adapted(outer)
    assert outer.__globals__["inner"] is inner
    assert isinstance(copy.__globals__["inner"], Compiled)
    assert {name: outer.__globals__[name] for name in before} == before


def test_captured_functions_are_replaced_and_numbers_kept():
    def make(function, number):
        def call(x):
            return function(x) + number

        return call

    original = make(inner, 10)
    copy, made = adapted(original)
    assert set(made) == {"inner"}
    assert copy(1) == original(1) == 14
    assert original.__closure__[0].cell_contents is inner


def test_a_function_that_calls_itself_ends():
    def local(n):
        return 0 if n == 0 else local(n - 1)

    copy, made = adapted(local)
    assert set(made) == {"local"}
    assert copy(5) == 0


def test_options_of_dispatchers_are_carried():
    _, made = adapted(uses_compiled)
    assert made["compiled"]["fastmath"]
    assert "cache" not in made["compiled"]


def test_functions_of_a_users_module_are_compiled():
    module = types.ModuleType("user_module")
    exec("def f(x):\n    return g(x) + 1\ndef g(x):\n    return 5 * x\n", module.__dict__)

    def call(x):
        return module.f(x)

    copy, made = adapted(call)
    assert set(made) == {"f", "g"}
    assert copy(2) == 11
    assert isinstance(module.f, types.FunctionType)


def test_a_function_with_an_overload_of_the_users_is_left_to_numba():
    def special(x):
        return x

    @numba.extending.overload(special)
    def overloaded(x):
        return lambda x: x + 1

    def call(x):
        return special(x)

    _, made = adapted(call)
    assert made == {}
