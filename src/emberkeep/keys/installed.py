"""What installed libraries define: followed like the user's code, as far as it can be.

A part that has no key (a lock, an object of C, a name that is computed) is passed over, and all
that the library consists of stands in for it: `contents`. So does it for all that lies beyond the
first few dozen of functions, because libraries are large. What a user put into a library (a hook,
a replaced function) is never passed over: either it has a key, or nothing around it has.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import types

from emberkeep.errors import Unkeyable
from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.keys.names import names_of
from emberkeep.keys.origin import functions_of, home_of, is_followed, is_of_user, own_code
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.visitor import Visitor

# What classes hold that are written in C, and no class of Python's own making.
_OF_C = (
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.WrapperDescriptorType,
    types.BuiltinFunctionType,
)


@final
class Lenient:
    """A walk that passes over what has no key, unless it is the user's; and remembers that it did.

    Attributes:
        passed: whether something was passed over.
    """

    def __init__(self, walk: Visitor) -> None:
        self._walk = walk
        self.passed = False

    @property
    def compiled(self) -> bool:
        """Whether the walk is inside something that gets compiled."""
        return self._walk.compiled

    @property
    def literal(self) -> bool:
        """Whether names of globals count as they are written."""
        return self._walk.literal

    def names(self, function: types.FunctionType) -> None:
        """As the walk's own."""
        self._walk.names(function)

    def visit(self, value: object, path: str) -> Fingerprint:
        """The fingerprint of a value, or of nothing."""
        return self._try(self._walk.visit, value, path)

    def compile_time(self, value: object, path: str) -> Fingerprint:
        """The fingerprint of a value that code captures, or of nothing."""
        return self._try(self._walk.compile_time, value, path)

    def afresh(self) -> Visitor:
        """As the walk's own."""
        return self._walk.afresh()

    def met(self, value: object, aspect: str = "itself") -> Fingerprint | None:
        """As the walk's own."""
        return self._walk.met(value, aspect)

    def mark(self) -> int:
        """As the walk's own."""
        return self._walk.mark()

    def forget(self, mark: int) -> None:
        """As the walk's own."""
        self._walk.forget(mark)

    def may_follow(self) -> bool:
        """As the walk's own."""
        return self._walk.may_follow()

    def contents(self, module: str, file: str) -> str:
        """As the walk's own."""
        return self._walk.contents(module, file)

    def _try(
        self, visit: Callable[[object, str], Fingerprint], value: object, path: str
    ) -> Fingerprint:
        mark = self._walk.mark()
        try:
            return visit(value, path)
        except Unkeyable as problem:
            if problem.of_user:
                raise
        self._walk.forget(mark)  # nothing of it is in the key
        self.passed = True
        return leaf("passed over", b"", "(as its library)")


def library_home(value: Any) -> types.ModuleType | None:
    """The module of a followed library that a function or class is written in."""
    module = home_of(value)
    return module if module is not None and is_followed(module) else None


def describe_followed(
    value: Any,
    module: types.ModuleType,
    path: str,
    walk: Visitor,
    describe: Callable[[Any, str, Visitor], Fingerprint],
) -> Fingerprint:
    """A function or class of a library: followed, with the library's contents where it must be.

    Args:
        value: the function or class.
        module: that it is written in.
        path: how it is reached.
        walk: the walk.
        describe: what follows one of the user's.
    """
    if not walk.may_follow():
        held = [part for part in _held(value) if callable(part[1]) and is_of_user(part[1])]
        return _in_place(value, module, held, path, walk)
    lenient = Lenient(walk)
    mark = walk.mark()
    try:
        own = describe(value, path, lenient)
    except Unkeyable as problem:
        if problem.of_user:
            raise
        walk.forget(mark)
        return _in_place(value, module, list(_held(value)), path, walk)
    if lenient.passed or _has_parts_in_c(value):
        return branch("library", [("itself", own), ("contents", contents_leaf(module, walk))])
    return own


def _in_place(
    value: Any,
    module: types.ModuleType,
    held: list[tuple[str, object]],
    path: str,
    walk: Visitor,
) -> Fingerprint:
    """A function or class by its library's contents, with what else it holds."""
    name = f"{module.__name__}.{value.__qualname__}"
    lenient = Lenient(walk)
    # A class is in the contents, and what users replaced in it is held by it.
    own = b"" if isinstance(value, type) else own_code(value)
    children = [
        ("itself", leaf("library", name.encode() + own, name)),
        ("contents", contents_leaf(module, walk)),
    ]
    children += [(label, lenient.compile_time(part, f"{path} → {label}")) for label, part in held]
    return branch("library", children)


def contents_leaf(module: types.ModuleType, walk: Visitor) -> Fingerprint:
    """All that a library's module can run."""
    return module_contents(module.__name__, module.__file__ or "", walk)


def module_contents(name: str, file: str, walk: Visitor) -> Fingerprint:
    """The same for a module that may not be loaded."""
    text = f"{name} with contents {walk.contents(name, file)}"
    return leaf("contents", text.encode(), text)


def _held(value: Any) -> Iterator[tuple[str, object]]:
    """What a function captured, and what the names in its code stand for; a class's functions."""
    if isinstance(value, type):
        yield from functions_of(value)
    if not isinstance(value, types.FunctionType):
        return
    yield "default", (value.__defaults__, value.__kwdefaults__)
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        try:
            yield f"captured {name!r}", cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for name in sorted(names_of(value.__code__).used):
        if name in value.__globals__:
            yield f"global {name!r}", value.__globals__[name]


def _has_parts_in_c(value: Any) -> bool:
    return isinstance(value, type) and any(
        isinstance(getattr(part, "__func__", part), _OF_C) for part in vars(value).values()
    )
