"""Python functions as programs: run once on symbols, and believed only where both agree.

A function is run as a copy of itself, in which functions of `math` take symbols too, and whatever
it could change is a copy. The program is then compared with the function at random numbers:
what does not agree, what differs from run to run, and what cannot be followed is not.
"""

# What is followed may be anything.
# pyright: basic

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emberkeep.ode.system.copies import Copies
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.program import Program
from emberkeep.ode.system.symbol import Followed, NotFollowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Arrange = Callable[[Sequence[Any]], tuple[Any, ...]]
    Collect = Callable[[Any], Sequence[Any]]

POINTS, ENOUGH = 24, 3  # where it is compared; how many of these the function must be defined at
AGREE = 1e-7  # relative; powers are products in one of the two, and differences cancel


def follow(
    function: Callable[..., Any],
    program: Program,
    operands: Sequence[int],
    defaults: Sequence[float],
    *,
    arrange: Arrange,
    collect: Collect,
) -> tuple[int, ...] | str:
    """The values of a function in a program, or why it cannot be followed.

    Args:
        function: the user's.
        program: gets its instructions.
        operands: what it is given, in the program.
        defaults: numbers in place of these that are likely to make sense.
        arrange: operands as the function's arguments.
        collect: the function's result as a sequence of numbers.
    """
    names = [f"operand {index}" for index in range(len(operands))]
    trials: list[tuple[Program, tuple[int, ...]]] = []
    for _ in range(2):
        trial = Program()
        given = [trial.name(name) for name in names]
        found = _run(function, trial, given, arrange, collect)
        if isinstance(found, str):
            return found
        trials.append((trial, found))
    (first, values), (second, others) = trials
    if first.instructions != second.instructions or values != others:
        return "it does something else each time it is called"
    problem = _compare(
        function, first, values, dict(zip(names, defaults, strict=True)), arrange, collect
    )
    return problem or _run(function, program, operands, arrange, collect)


def _run(
    function: Callable[..., Any],
    program: Program,
    operands: Sequence[int],
    arrange: Arrange,
    collect: Collect,
) -> tuple[int, ...] | str:
    followed = Followed(program)
    try:
        copy = Copies(followed).of(function)
        arguments = arrange([followed.symbol(operand) for operand in operands])
        values = [followed.number(item) for item in collect(copy(*arguments))]
    except NotFollowed as problem:
        return followed.problem or str(problem)
    except Exception as problem:  # noqa: BLE001 - what a symbol does to code that expects numbers
        return followed.problem or f"{type(problem).__name__}: {problem}"
    if followed.problem:  # and was caught
        return followed.problem
    found = [value for value in values if value is not None]
    return (*found,) if len(found) == len(values) else "it returns something other than numbers"


# Comparing ----------------------------------------------------------------------------------------


def _compare(
    function: Callable[..., Any],
    program: Program,
    values: Sequence[int],
    defaults: dict[str, float],
    arrange: Arrange,
    collect: Collect,
) -> str:
    """Why a program is not what the function does; empty where they agree."""
    given: list[list[float]] = []
    expected: list[list[float]] = []
    for numbers in _points([*defaults.values()]):
        try:
            with np.errstate(all="ignore"):
                found = [*collect(function(*arrange(numbers)))]
            if any(isinstance(item, complex) for item in found):
                continue  # as Python's roots of negative numbers
            expected.append([float(item) for item in found])
        except (ArithmeticError, ValueError):
            continue
        except Exception as problem:  # noqa: BLE001 - whatever the user's code raises
            return f"{type(problem).__name__}: {problem}"
        given.append(numbers)
    if len(given) < ENOUGH:
        return "it is defined at too few numbers to be compared"
    columns = dict(zip(defaults, np.transpose(given), strict=True))
    for index, found in enumerate(evaluate(program, values, columns)):
        for one, row in zip(np.broadcast_to(found, len(given)), expected, strict=True):
            if not _agree(float(one), row[index]):
                return f"as formulas it gives {float(one)!r} where it gives {row[index]!r}"
    return ""


def _agree(one: float, other: float) -> bool:
    if not (math.isfinite(one) and math.isfinite(other)):
        return one == other or (one != one and other != other)  # noqa: PLR0124 - not-a-number
    return abs(one - other) <= AGREE * max(abs(one), abs(other), 1e-12)


def _points(defaults: Sequence[float]) -> list[list[float]]:
    """Numbers at and near the defaults, small and large ones, of either sign."""
    draw = _drawn().__next__
    points = [[*defaults]]
    for turn in range(POINTS - 1):
        kind = turn % 4
        if kind == 0:
            points.append([number * (0.5 + 1.5 * draw()) + 0.5 * draw() for number in defaults])
        elif kind == 1:
            points.append([0.05 + 3 * draw() for _ in defaults])
        elif kind == 2:  # noqa: PLR2004 - the third
            points.append([4 * draw() - 2 for _ in defaults])
        else:
            points.append([10 ** (6 * draw() - 3) * (-1 if draw() < 0.3 else 1) for _ in defaults])  # noqa: PLR2004
    return points


def _drawn() -> Iterator[float]:
    """Numbers from 0 to 1, the same ones each time; `numpy.random` takes long to import."""
    state = 18
    while True:
        state = (6364136223846793005 * state + 1442695040888963407) % 2**64
        yield state / 2**64
