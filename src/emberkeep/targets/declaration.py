"""What a Python file declares that can be compiled ahead: `build` and `prewarm` ask its values.

A value answers by a method of the name `METHOD`. Kernels, solvers and graphs have it, and so may
whatever else is compiled: the command line knows none of them.
"""

from __future__ import annotations

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from emberkeep.keep.artifact import Artifact
    from emberkeep.keep.keep import Keep
    from emberkeep.targets.protocol import Target

    class Declares(Protocol):
        """A value of which something can be compiled ahead."""

        def __emberkeep_declares__(
            self, keep: Keep, tell: Callable[[str], None]
        ) -> Iterator[Declared]:
            """What that is.

            Args:
                keep: where it is looked for, and goes.
                tell: is told of what cannot be compiled ahead, and why.
            """
            ...


METHOD = "__emberkeep_declares__"


@final
@frozen
class Product:
    """What came of building or fetching one thing."""

    key: str
    hit: bool
    reason: str
    size_bytes: int


def product_of(artifact: Artifact) -> Product:
    """What came of an artifact that was asked for."""
    size = sum(map(len, artifact.blobs.values()))
    return Product(artifact.key, artifact.hit, artifact.reason, size)


@final
@frozen
class Declared:
    """Something that a file declares and that can be compiled ahead.

    Attributes:
        name: what it is called in the keep.
        signature: which form of it: types of arguments, or outputs of a solver.
        own_target: makes what it runs on where nothing else is said; None where it is the same
            for all.
        build: has it for a target: kept, or compiled now.
        only: the kind of target it is for; empty for any.
        named: whether the file itself names it, so that it is told where nothing is built of it;
            what several values need alike is had once.
    """

    name: str
    signature: str
    own_target: Callable[[], Target] | None
    build: Callable[[Target | None], Product]
    only: str = ""
    named: bool = True
