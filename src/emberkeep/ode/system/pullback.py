"""Derivatives of a program's values in reverse: what a change of each name does to a sum of them.

Of values v₁, v₂, … with weights w₁, w₂, …, the derivatives of w₁ v₁ + w₂ v₂ + … by all names cost a
few times what the values cost, however many names there are: from the last value to the first, each
hands on to its operands what it was handed.

What was handed on in a branch is kept with the condition, and chosen by it at the end alone: before
that, zero times an infinite slope of the branch that is not taken would be not-a-number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.system.derivatives import partials, require_followed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.system.program import Program

    # What a value was handed, by the condition that it holds under; None for always.
    Handed = dict[int | None, int]


def pullback(
    program: Program, values: Sequence[int], weights: Sequence[int], names: Sequence[str]
) -> dict[str, int]:
    """The derivatives of a weighted sum of values, by name, without zeros.

    Args:
        program: it gets their instructions.
        values: of it.
        weights: of each; values of it, too, which the derivatives do not go by way of.
        names: what the sum is differentiated by.

    Raises:
        InvalidSystem: a value depends on a name by way of a function that is not followed.
    """
    sources = {program.name(name): name for name in names}
    needed = program.needed(values)
    depending: set[int] = {*sources}
    for value in needed:
        if not program.is_condition(value) and not depending.isdisjoint(program.operands(value)):
            depending.add(value)
    handed: dict[int, Handed] = {}

    def hand(value: int, condition: int | None, amount: int) -> None:
        if value in depending and program.literal(amount) != 0:
            there = handed.setdefault(value, {})
            before = there.get(condition)
            there[condition] = amount if before is None else program.arithmetic("+", before, amount)

    for value, weight in zip(values, weights, strict=True):
        hand(value, None, weight)
    for value in reversed(needed):
        if value in handed and value not in sources:
            for condition, amount in handed.pop(value).items():
                for operand, within, part in _handed_on(program, value, amount, depending):
                    hand(operand, _both(program, condition, within), part)
    return {
        name: _chosen(program, handed[source])
        for source, name in sources.items()
        if source in handed
    }


def _handed_on(
    program: Program, value: int, amount: int, depending: set[int]
) -> list[tuple[int, int | None, int]]:
    """What a value hands on: to which operand, under which condition, and how much."""
    operation, *rest = program.instructions[value]
    operands = program.operands(value)
    if operation == "choose":
        return _branches(program, operands[0], operands[1:], amount)
    if operation == "-x":
        return [(operands[0], None, program.negative(amount))]
    if operation in ("+", "-"):
        other = amount if operation == "+" else program.negative(amount)
        return [(operands[0], None, amount), (operands[1], None, other)]
    if operation == "*":
        first, second = operands
        return [
            (one, None, program.arithmetic("*", amount, other))
            for one, other in ((first, second), (second, first))
            if one in depending
        ]
    if operation == "/":
        share = program.arithmetic("/", amount, operands[1])
        found: list[tuple[int, int | None, int]] = [(operands[0], None, share)]
        if operands[1] in depending:
            loss = program.negative(program.arithmetic("*", value, share))
            found.append((operands[1], None, loss))
        return found
    if rest[0] in ("min", "max"):
        comparison = program.compare("<=" if rest[0] == "min" else ">=", *operands)
        return _branches(program, comparison, operands, amount)
    require_followed(program, value)
    slopes = partials(program, value, [operand in depending for operand in operands])
    return [
        (operand, None, program.arithmetic("*", slope, amount))
        for operand, slope in zip(operands, slopes, strict=True)
        if slope is not None and operand in depending
    ]


def _branches(
    program: Program, condition: int, operands: Sequence[int], amount: int
) -> list[tuple[int, int | None, int]]:
    then, otherwise = operands
    return [(then, condition, amount), (otherwise, program.inverse(condition), amount)]


def _both(program: Program, outer: int | None, inner: int | None) -> int | None:
    if outer is None or inner is None:
        return inner if outer is None else outer
    return program.logic("and", outer, inner)


def _chosen(program: Program, handed: Handed) -> int:
    """All that a value was handed, as one number."""
    total, zero = program.number(0.0), program.number(0.0)
    for condition, amount in handed.items():
        part = amount if condition is None else program.choose(condition, amount, zero)
        total = program.arithmetic("+", total, part)
    return total
