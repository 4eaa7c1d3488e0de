"""Which arrays a kernel indexes by its own index, and so how long they must be.

``x[i]`` and ``x[i, j]``, with `i` the kernel's index and `x` an argument, are seen; ``x[i + 1]``,
``x[order[i]]`` and what callees do are not. Where branches depend on the index (``if i < n:``),
only what is reached whatever they decide. It is found out where a kernel is compiled, from numba's
intermediate representation, and kept in its layout.
"""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import analysis, compiler, errors, ir

from emberkeep.targets.arguments import Array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.targets.protocol import KernelSource

_READS = ("getitem", "static_getitem")


def indexed_arrays(source: KernelSource) -> tuple[int, ...]:
    """Positions of the array arguments whose first axis must be as long as the count."""
    try:
        blocks = compiler.run_frontend(source.function).blocks
    except errors.NumbaError:  # whoever compiles it says what is wrong
        return ()
    meanings = _Meanings(blocks)
    graph = analysis.compute_cfg_from_blocks(blocks)
    reached = blocks.keys()
    if meanings.has_guards(blocks):
        reached = graph.post_dominators()[graph.entry_point()]
    found = {
        array - 1
        for label in reached
        for array in meanings.indexed(blocks[label])
        if isinstance(source.types[array - 1], Array)
    }
    return tuple(sorted(found))


class _Meanings:
    """What variables stand for.

    Args:
        blocks: of numba's representation.
    """

    def __init__(self, blocks: Any) -> None:
        self._values: dict[str, list[Any]] = {}
        for block in blocks.values():
            for statement in block.find_insts(ir.Assign):
                self._values.setdefault(statement.target.name, []).append(statement.value)
        self._derived = self._find_derived()

    def _argument(self, name: str) -> int | None:
        """Which argument a variable is, wherever it was assigned; None for any other."""
        values = self._values.get(name, [])
        while len(values) == 1 and isinstance(values[0], ir.Var):
            values = self._values.get(values[0].name, [])
        if len(values) == 1 and isinstance(values[0], ir.Arg):
            return int(values[0].index)
        return None

    def _find_derived(self) -> set[str]:
        """Variables that are calculated from the index; what is read at it from an array is not."""
        derived = {name for name in self._values if self._argument(name) == 0}
        grown = True
        while grown:
            more = {
                name
                for name, values in self._values.items()
                if name not in derived and any(self._depends(value, derived) for value in values)
            }
            derived |= more
            grown = bool(more)
        return derived

    def _depends(self, value: Any, derived: set[str]) -> bool:
        if isinstance(value, ir.Var):
            return value.name in derived
        if not isinstance(value, ir.Expr) or value.op in _READS:
            return False
        return any(variable.name in derived for variable in value.list_vars())

    def has_guards(self, blocks: Any) -> bool:
        """Whether a branch depends on the index."""
        return any(
            isinstance(block.terminator, ir.Branch) and block.terminator.cond.name in self._derived
            for block in blocks.values()
        )

    def indexed(self, block: Any) -> Iterator[int]:
        """Arguments that a block reads or writes at the index."""
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ir.SetItem):
                pair = statement.target, statement.index
            elif isinstance(value, ir.Expr) and value.op == "getitem":
                pair = value.value, value.index
            else:
                continue
            array = self._argument(pair[0].name)
            if array is not None and self._is_index(pair[1]):
                yield array

    def _is_index(self, variable: Any) -> bool:
        """Whether it is the index, or begins with it."""
        values = self._values.get(variable.name, [])
        if len(values) == 1 and isinstance(values[0], ir.Expr) and values[0].op == "build_tuple":
            return self._argument(values[0].items[0].name) == 0
        return self._argument(variable.name) == 0
