"""What a block of code uses of what is outside of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import (
    Argument,
    LocalArray,
    Value,
    Variable,
    all_instructions,
    items,
)

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Block

_MAKING = frozenset(
    {"+", "-", "*", "/", "//", "%", "&", "-x", "<", "<=", ">", ">=", "==", "!=", "and", "or", "not"}
    | {"where", "convert", "call", "user", "any", "get", "read", "load", "count_up"}
    | {"whole", "gather"}
)


@final
class Contents:
    """What a block uses.

    Attributes:
        values: that differ between lanes, and are computed outside.
        shared: values that are the same in all lanes, and are computed outside.
        variables: that differ between lanes, and are read or set; but for those of asides.
        assigned: those that are set.
        alike: variables that are the same in all lanes.
        arrays: all of them.
        arguments: of the kernel.
    """

    def __init__(self, block: Block) -> None:
        made: set[int] = set()
        values: dict[int, Value] = {}
        variables: dict[int, Variable] = {}
        assigned: dict[int, Variable] = {}
        alike: dict[int, Variable] = {}
        arrays: dict[int, LocalArray] = {}
        arguments: dict[int, Argument] = {}
        asides: set[int] = set()
        for operation, *rest in all_instructions(block):
            if operation == "aside":
                asides.update(variable.number for variable in rest[-1])
            for item in items(rest):
                if isinstance(item, Variable):
                    (alike if item.uniform else variables)[item.number] = item
                    if operation == "set" and not item.uniform:
                        assigned[item.number] = item
                elif isinstance(item, Value) and item.literal is None:
                    values[item.number] = item
                elif isinstance(item, LocalArray):
                    arrays[item.number] = item
                elif isinstance(item, Argument):
                    arguments[item.number] = item
            if operation in _MAKING:
                made.update(value.number for value in items(rest[:1]))
        outside = [value for number, value in values.items() if number not in made]
        self.values = [value for value in outside if not value.uniform]
        self.shared = [value for value in outside if value.uniform]
        self.variables = [each for number, each in variables.items() if number not in asides]
        self.assigned = [each for number, each in assigned.items() if number not in asides]
        self.alike = list(alike.values())
        self.arrays = list(arrays.values())
        self.arguments = list(arguments.values())
