"""emberkeep's own kernels are keyed by the bytes of some of its files: they reach nothing else."""

import ast
import math
import types
from pathlib import Path

import numpy as np
import pytest

from emberkeep.elimination.kernels import factors, pattern, tape_interpreter, tape_writer
from emberkeep.keys.toolchain import toolchain
from emberkeep.phasetype.kernels import (
    observation,
    observation_along,
    observation_reverse,
    propagation,
    simulation,
    state_space,
)
from emberkeep.targets.kernel import Kernel

OBSERVATIONS = (observation, observation_along, observation_reverse)
CHAINS = (*OBSERVATIONS, state_space, simulation, propagation)
MODULES = (factors, pattern, tape_interpreter, tape_writer, *CHAINS)
MADE = [factors.evaluate_kernel(16), factors.solve_kernel(16)]
KERNELS = [*MADE, *(v for m in MODULES for v in vars(m).values() if isinstance(v, Kernel))]


def reached(function, seen):
    """Functions and modules that a function names or has captured, and those that they do."""
    if function in seen:
        return
    seen.add(function)
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    named = [function.__globals__.get(name) for name in function.__code__.co_names]
    for value in (*cells, *named):
        if isinstance(value, types.FunctionType):
            reached(value, seen)
        elif isinstance(value, types.ModuleType):
            assert value in (np, math), f"{function.__qualname__} reaches {value.__name__}"


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_all_that_a_kernel_reaches_is_in_its_key(kernel):
    source = kernel._source(kernel._declared[0])
    assert source.own
    assert set(toolchain(own=source.own).ingredients["own code"]) == set(source.own)
    functions = set()
    reached(kernel.function, functions)
    for function in functions:
        homes = source.own
        assert any(function.__module__.startswith(home) for home in homes), function


def test_forms_of_one_function_are_told_apart():
    one, many = factors.evaluate_kernel(1), factors.evaluate_kernel(16)
    assert (
        one._source(one._declared[0]).ingredients() != many._source(many._declared[0]).ingredients()
    )


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_constants_come_from_what_is_keyed(module):
    """Numbers have no module that could be asked: the imports of the file are looked at."""
    for statement in ast.parse(Path(module.__file__).read_text()).body:
        if isinstance(statement, ast.ImportFrom) and statement.module != "emberkeep.targets.kernel":
            assert statement.module.startswith(tuple(module.OWN))
