"""What the parts of a walk ask of it: the type that `walk.Walk` has, for those below it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from typing import Protocol

    from emberkeep.keys.fingerprint import Fingerprint

    class Visitor(Protocol):
        """A walk over a value, as those see it who take one sort of value apart."""

        @property
        def compiled(self) -> bool:
            """Whether the walk is inside something that gets compiled."""
            ...

        @property
        def literal(self) -> bool:
            """Whether names of globals count as they are written, also those of libraries."""
            ...

        def visit(self, value: object, path: str) -> Fingerprint:
            """The fingerprint of a value that is reached by `path`."""
            ...

        def compile_time(self, value: object, path: str) -> Fingerprint:
            """The fingerprint of a value that code captures."""
            ...

        def names(self, function: types.FunctionType) -> None:
            """Called before the names are looked up that a function's code reads."""
            ...

        def met(self, value: object, aspect: str = "itself") -> Fingerprint | None:
            """A reference to something met before in this walk; else remembers it."""
            ...

        def afresh(self) -> Visitor:
            """A walk of its own, which nothing that was met so far counts for."""
            ...

        def mark(self) -> int:
            """How much was met so far."""
            ...

        def forget(self, mark: int) -> None:
            """Take back what was met since: nothing of it is in the key."""
            ...

        def may_follow(self) -> bool:
            """Whether one more function of a library may be followed; counts them."""
            ...

        def contents(self, module: str, file: str) -> str:
            """A digest over all that a library's module can run."""
            ...
