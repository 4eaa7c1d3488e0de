"""Comparisons of values with what they were, written out as one function of straight code.

By identity wherever something refers to something else. They are collected as text, over a
namespace that holds the values, and compiled when they are first asked.
"""

# Values of any type are compared here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import keyword
import types
from operator import is_

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

MISSING = object()
_FEW = 8  # items that are compared one by one, which is quicker
# Where a comparison cannot be made, something has moved: a name, a cell or an attribute is gone.
_GONE = "(AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError)"


@final
class Comparisons:
    """What is to be so."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self._space: dict[str, Any] = {"all": all, "map": map, "len": len, "tuple": tuple}
        self._space["is_"] = is_
        self._globals: dict[int, tuple[dict[str, Any], dict[str, object]]] = {}

    def name(self, value: object) -> str:
        """The name by which the comparisons call a value."""
        name = f"v{len(self._space)}"
        self._space[name] = value
        return name

    def expect(self, condition: str) -> None:
        """That an expression over such names is true."""
        self._conditions.append(condition)

    def attribute_is(self, owner: str, attribute: str, value: object) -> None:
        """That an attribute refers to this value."""
        self.expect(f"{owner}.{attribute} is {self.name(value)}")

    def items_are(self, value: Any, items: tuple[object, ...]) -> None:
        """That iterating over a value gives these."""
        name = self.name(value)
        if not items:
            self.expect(f"not {name}")
            return
        self.expect(f"len({name}) == {len(items)}")
        if type(value) is list and len(items) <= _FEW:
            for index, item in enumerate(items):
                self.expect(f"{name}[{index}] is {self.name(item)}")
            return
        self.expect(f"all(map(is_, {name}, {self.name(items)}))")

    def mapping_is(self, value: Any) -> None:
        """That a dictionary, or what a class shows of its own, is as it is now."""
        keys, items = tuple(value.keys()), tuple(value.values())
        if not keys or len(keys) > _FEW or any(type(key) is not str for key in keys):
            self.items_are(value, keys)
            if keys:
                # A dictionary keeps a key when its value is replaced, so the order is the same.
                values = self.name(value.values())
                self.expect(f"all(map(is_, {values}, {self.name(items)}))")
            return
        name = self.name(value)
        self.expect(f"tuple({name}) == {self.name(keys)}")
        for key, item in zip(keys, items, strict=True):
            self.expect(f"{name}[{self.name(key)}] is {self.name(item)}")

    def global_is(self, space: dict[str, Any], name: str) -> object:
        """That a name means in a namespace what it means now; what that is, or `MISSING`."""
        _, known = self._globals.setdefault(id(space), (space, {}))
        if name not in known:
            known[name] = _meaning(space, name)
        return known[name]

    def meanings(self, names: frozenset[str]) -> list[object]:
        """What those of these names mean that `global_is` was asked for, in any namespace."""
        spaces = (known for _, known in self._globals.values())
        return [known[name] for known in spaces for name in names & known.keys()]

    def write_out(self) -> Callable[[], bool]:
        """Whether all is so, as a function."""
        conditions = list(self._conditions)
        for space, names in self._globals.values():
            conditions += self._in_namespace(space, names)
        text = (
            "def unchanged():\n"
            "    try:\n"
            f"        return {' and '.join(conditions) or 'True'}\n"
            f"    except {_GONE}:\n"
            "        return False\n"
        )
        exec(text, self._space)  # noqa: S102 - made of names and numbers of ours
        return self._space["unchanged"]

    def _in_namespace(self, space: dict[str, Any], names: dict[str, object]) -> Iterator[str]:
        """Names are read as the user's own code reads them: as globals, within that namespace."""
        plain = {name: value for name, value in names.items() if _is_plain(name, value)}
        for name in names.keys() - plain.keys():
            read = f"{self.name(_meaning)}({self.name(space)}, {name!r})"
            yield f"{read} is {self.name(names[name])}"
        if not plain:
            return
        listed = ", ".join(f"emberkeep_{index}" for index in range(len(plain)))
        same = " and ".join(f"{name} is emberkeep_{index}" for index, name in enumerate(plain))
        made: dict[str, Any] = {}
        exec(f"def same({listed}):\n    return {same}\n", made)  # noqa: S102 - names that code has
        values = tuple(plain.values())
        check = types.FunctionType(made["same"].__code__, space, "same", values)
        yield f"{self.name(check)}()"


def contents(cell: types.CellType) -> object:
    """What a cell holds, or `MISSING`."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def _is_plain(name: str, value: object) -> bool:
    """Whether Python's own reading of a global tells the same."""
    return (
        value is not MISSING
        and name.isidentifier()
        and name.isascii()
        and not keyword.iskeyword(name)
        and name != "__debug__"
    )


def _meaning(space: dict[str, Any], name: str) -> object:
    """What a global name means: there, or among what is built in."""
    value = space.get(name, MISSING)
    if value is not MISSING:
        return value
    built_in: Any = space.get("__builtins__", {})
    return (built_in if isinstance(built_in, dict) else vars(built_in)).get(name, MISSING)
