"""One walk over a value: containers, enums, dataclasses; callables and classes by behaviour."""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import sys

from emberkeep.errors import Unkeyable
from emberkeep.keys.fingerprint import Fingerprint, atom, branch, leaf
from emberkeep.keys.refusal import GlobalsChange, declared_leaf, refusal
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Callable
    from typing import Any

    import numpy as np

    from emberkeep.keys.contents import Contents
    from emberkeep.keys.watch import Watch

CONTAINERS = (tuple, list)
MOST_FOLLOWED = 32  # functions and classes of installed libraries, in one walk
OF_LIBRARIES = frozenset({"library", "library method", "module"})  # kinds of what goes by version
BUILT_IN_VIEWS = (memoryview, type(vars(object)))


@final
class Walk:
    """One walk over a value: remembers what it has met, so that recursion ends.

    Args:
        watch: is told of each value before it is read.
        lenient: whether what has no exact key is passed over, for who wants to watch and not to
            keep.

    Attributes:
        compiled: whether the walk is inside something that gets compiled. There, the order of a
            dictionary and the memory layout of an array can change the code, so they count.
        literal: whether names of globals count as they are written, also those of libraries.
    """

    def __init__(
        self, watch: Watch | None = None, *, lenient: bool = False, literal: bool = False
    ) -> None:
        self._watch, self._lenient = watch, lenient
        self.compiled = False
        self.literal = literal
        self._met: list[tuple[object, str]] = []  # callables, classes…, in the order of the walk
        self._numbers: dict[tuple[int, str], int] = {}  # where in it, by identity
        self._open: list[object] = []  # containers that are being walked
        self._followed = 0
        self._contents: Contents | None = None

    def visit(self, value: object, path: str) -> Fingerprint:
        """The fingerprint of a value that is reached by `path`."""
        if self._watch is not None:
            self._watch.note(value)
            if self._lenient:
                return self._visit_leniently(value, path)
        return self._visit(value, path)

    def names(self, function: types.FunctionType) -> None:
        """Called before the names are looked up that a function's code reads."""
        if self._watch is not None:
            self._watch.note_names(function)

    def _visit_leniently(self, value: object, path: str) -> Fingerprint:
        """What is refused is passed over; whatever a user's function's names mean is visited.

        What a library's mean is no more watched than where all has a key.
        """
        assert self._watch is not None
        try:
            found = self._visit(value, path)
        except Unkeyable:
            found = leaf("refused", b"", "(has no exact key)")
        if found.kind not in OF_LIBRARIES and self.met(value, "leniently") is None:
            for reached in self._watch.meanings(value):
                self.visit(reached, path)
        return found

    def _visit(self, value: object, path: str) -> Fingerprint:
        found = atom(value)
        if found is not None:
            return found
        found = declared_leaf(value)
        if found is not None:
            return found
        kind = type(value)
        if kind is dict:
            return self._once(value, path, self._dict)
        if kind in CONTAINERS:
            return self._once(value, path, self._sequence)
        return self._rarer(value, path)

    def _rarer(self, value: object, path: str) -> Fingerprint:
        if _is_numpy(value):
            return self._numpy(value, path)
        if isinstance(value, (set, frozenset)) and type(value) in (set, frozenset):
            return self._once(value, path, self._set)
        if type(value) in (range, slice):
            return self._range(value, path)
        if _is_enum(value):
            return self._enum(value, path)
        if hasattr(type(value), "__dataclass_fields__") and not isinstance(value, type):
            return self._once(value, path, self._dataclass)
        if isinstance(value, tuple) and hasattr(type(value), "_fields"):
            return self._once(value, path, self._named_tuple)
        if type(value).__module__ != "builtins" or type(value) in BUILT_IN_VIEWS:
            from emberkeep.keys.standard import describe_standard, standard_name

            if standard_name(value):
                return self._once(value, path, lambda item, at: describe_standard(item, at, self))
        return self._behaviour(value, path)

    def _behaviour(self, value: object, path: str) -> Fingerprint:
        from emberkeep.keys import behaviour

        found = behaviour.describe(value, path, self)
        if found is None:
            problem = refusal(value, path)
            problem.of_user = behaviour.is_of_user(value)
            raise problem
        return found

    def compile_time(self, value: object, path: str) -> Fingerprint:
        """The fingerprint of a value that code captures."""
        before, self.compiled = self.compiled, True
        try:
            return self.visit(value, path)
        finally:
            self.compiled = before

    def met(self, value: object, aspect: str = "itself") -> Fingerprint | None:
        """A reference to a callable, class or object met before in this walk; else remembers it.

        The number counts in the order of the walk, which is the same in every process.
        """
        number = len(self._met)
        known = self._numbers.setdefault((id(value), aspect), number)
        if known != number:
            return leaf("again", b"%d" % known, f"(the same as #{known})")
        self._met.append((value, aspect))  # held, so that no id is used again
        return None

    def afresh(self) -> Walk:
        """A walk of its own, which nothing that was met so far counts for."""
        return Walk(literal=True)

    def mark(self) -> int:
        """How much was met so far."""
        return len(self._met)

    def forget(self, mark: int) -> None:
        """Take back what was met since: nothing of it is in the key."""
        for value, aspect in self._met[mark:]:
            del self._numbers[id(value), aspect]
        del self._met[mark:]

    def may_follow(self) -> bool:
        """Whether one more function of a library may be followed; counts them."""
        self._followed += 1
        return self._followed <= MOST_FOLLOWED

    def contents(self, module: str, file: str) -> str:
        """A digest over all that a library's module can run."""
        if self._contents is None:
            from emberkeep.keys.contents import Contents  # most keys need none of it

            self._contents = Contents()
        return self._contents.of(module, file)

    def _once(
        self, value: object, path: str, walk: Callable[[Any, str], Fingerprint]
    ) -> Fingerprint:
        for depth, open_ in enumerate(self._open):
            if open_ is value:
                return leaf("open", b"%d" % depth, f"(the value itself, {depth} levels down)")
        self._open.append(value)
        try:
            return walk(value, path)
        finally:
            self._open.pop()

    def _sequence(self, value: tuple[object, ...] | list[object], path: str) -> Fingerprint:
        children = [
            (str(index), self.visit(item, f"{path}[{index}]")) for index, item in enumerate(value)
        ]
        return branch(type(value).__name__, children)

    def _dict(self, value: dict[object, object], path: str) -> Fingerprint:
        names = list(value)
        if all(type(name) is str for name in names):
            if not self.compiled:
                names.sort()  # type: ignore[reportCallIssue] # all are str
            return branch(
                "ordered dict" if self.compiled else "dict",
                [(str(name), self.visit(value[name], f"{path}[{name!r}]")) for name in names],
            )
        items: list[tuple[str, Fingerprint]] = []
        for name, item in value.items():
            mark = self.mark()
            key = self.visit(name, f"{path} key {name!r}")
            pair = [("key", key), ("value", self.visit(item, f"{path}[{name!r}]"))]
            items.append((key.text or key.digest[:12], branch("item", pair)))
            if not self.compiled:
                self.forget(mark)  # what one item has met does not count for the next
        if not self.compiled:
            items.sort(key=lambda labelled: [part.digest for _, part in labelled[1].children])
        return branch("ordered items" if self.compiled else "items", items)

    def _set(self, value: set[object] | frozenset[object], path: str) -> Fingerprint:
        members: list[Fingerprint] = []
        for member in value:
            mark = self.mark()
            members.append(self.visit(member, f"{path} member {member!r}"))
            self.forget(mark)  # members come in any order: none counts for the next
        members.sort(key=lambda member: member.digest)
        return branch(type(value).__name__, [(m.text or m.digest[:12], m) for m in members])

    def _range(self, value: Any, path: str) -> Fingerprint:
        parts = ("start", "stop", "step")
        children = [(part, self.visit(getattr(value, part), f"{path}.{part}")) for part in parts]
        return branch(type(value).__name__, children)

    def _numpy(self, value: Any, path: str) -> Fingerprint:
        import numpy as np

        from emberkeep.keys import arrays

        dtype: np.dtype[Any] = value if isinstance(value, np.dtype) else value.dtype
        if dtype.metadata:
            raise Unkeyable(path, "has a dtype with metadata", "Remove the metadata from the dtype")
        if isinstance(value, np.dtype):
            return arrays.dtype_leaf(dtype)
        if dtype.hasobject or dtype.char == "T":
            raise Unkeyable(
                path,
                f"is a NumPy value of dtype {dtype}, which holds references instead of values",
                "Convert it to a numeric or fixed-width dtype, or to a tuple",
            )
        if isinstance(value, np.generic) and type(value) is dtype.type:
            return arrays.scalar_leaf(value)
        if type(value) is not np.ndarray:
            raise Unkeyable(
                path,
                f"is a {type(value).__qualname__}, a subclass of NumPy's with state of its own",
                "Pass numpy.array(value), and what else matters about it beside it",
            )
        return arrays.array_leaf(value, layout=self.compiled)

    def _enum(self, value: Any, path: str) -> Fingerprint:
        from emberkeep.keys.classes import member_state

        children = [
            ("class", self.visit(type(value), f"{path}.__class__")),
            ("name", self.visit(value._name_, path)),
            ("value", self.visit(value._value_, f"{path}.value")),
        ]
        for name, item in member_state(value).items():
            children.append((name, self.visit(item, f"{path}.{name}")))
        return branch("enum", children)

    def _dataclass(self, value: Any, path: str) -> Fingerprint:
        from emberkeep.keys.classes import known_state, state_is_visible

        cls = type(value)
        if not state_is_visible(cls):
            raise refusal(value, path)
        if not (cls.__dataclass_params__.frozen or self.compiled):
            raise Unkeyable(
                path,
                f"is a {cls.__qualname__}, a dataclass that can change after it was keyed",
                "Declare it @dataclass(frozen=True)",
            )
        children = [("class", self.visit(cls, f"{path}.__class__"))]
        state = known_state(value, self)
        for name, field in cls.__dataclass_fields__.items():
            if field._field_type.name != "_FIELD":  # noqa: SLF001 - leaves ClassVar and InitVar out
                continue
            if name not in state and not hasattr(value, name):
                children.append((name, leaf("unset", b"", "(not set)")))
                continue
            item = state.pop(name, None) if name in state else getattr(value, name)
            children.append((name, self.visit(item, f"{path}.{name}")))
        beside = sorted(state)  # set by other means than the fields
        children += [(name, self.visit(state[name], f"{path}.{name}")) for name in beside]
        return branch(cls.__qualname__, children)

    def _named_tuple(self, value: Any, path: str) -> Fingerprint:
        cls = type(value)
        items = list(tuple.__iter__(value))
        if len(items) != len(cls._fields):
            raise refusal(value, path)
        children = [("class", self.visit(cls, f"{path}.__class__"))]
        for name, item in zip(cls._fields, items, strict=True):
            children.append((name, self.visit(item, f"{path}.{name}")))
        for name, item in sorted(getattr(value, "__dict__", {}).items()):
            children.append((f"attribute {name}", self.visit(item, f"{path}.{name}")))
        return branch(cls.__qualname__, children)


def walked(value: object, label: str, watch: Watch | None = None) -> Fingerprint:
    """The fingerprint of a value, by one walk; by another one where code changes globals."""
    try:
        return Walk(watch).visit(value, label)
    except GlobalsChange:
        return Walk(watch, literal=True).visit(value, label)


def _is_numpy(value: object) -> bool:
    """Whether a value is NumPy's, asked without importing it."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.generic, numpy.dtype, numpy.ndarray))


def _is_enum(value: object) -> bool:
    enum = sys.modules.get("enum")
    return enum is not None and isinstance(value, enum.Enum)
