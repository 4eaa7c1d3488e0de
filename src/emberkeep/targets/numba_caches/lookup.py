"""What both cache classes do: ask the keep, publish, and never be in the way."""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import logging
import time
import warnings
from typing import TYPE_CHECKING, Any

from emberkeep.errors import EmberkeepError, StoreWarning, Unkeyable
from emberkeep.keep.reports import depth_of_caller
from emberkeep.keys.keyed import key_of
from emberkeep.targets.kernel_lookup import BuildHalf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emberkeep.keep.artifact import Answer, Artifact
    from emberkeep.keep.keep import Keep
    from emberkeep.keys.keyed import Keyed
    from emberkeep.keys.toolchain import Toolchain


class NotKept(EmberkeepError):  # noqa: N818 - reads as what it says
    """Why something cannot be written down, or read back."""


class Malformed(NotKept):
    """What was kept has not the form of what is kept, whoever vouches for it: it is replaced."""


class Lookup:
    """One dispatcher's dealings with the keep.

    Args:
        keep: the keep.
        dispatcher: whose compiled forms are kept.
        toolchain: what compiles them.
        called: kind and name in the keep.
    """

    def __init__(
        self,
        keep: Keep,
        dispatcher: Any,
        toolchain: Callable[[], Toolchain],
        called: tuple[str, str],
    ) -> None:
        self._keep, self._dispatcher = keep, dispatcher
        self._toolchain = toolchain
        self.called = called
        self._keyed: Keyed | None = None
        self._answers: dict[str, tuple[Answer, float]] = {}  # what is to be published
        self._found: tuple[str, Answer] | None = None  # the last
        self._warned = False
        self.refusal = ""  # why something was not kept, the last time

    def is_current(self) -> bool:
        """Whether what was compiled or loaded is still what the dispatcher means.

        Where something has moved, the key is made again, and may be the same.
        """
        before = self._keyed
        if before is None or before.watch.unchanged():
            return True
        self._keyed = key_of(self._ingredients)
        return self._keyed.digest == before.digest

    def _ingredients(self) -> Mapping[str, object]:
        return {"dispatcher": self._dispatcher}

    def load(self, signature: str, ingredients: Mapping[str, object]) -> Artifact | None:
        """What is kept for a signature; None where it has to be compiled.

        Args:
            signature: what tells it from others in this process.
            ingredients: the same in all processes, with the types of the signature.
        """
        keyed = self._keyed
        if keyed is None or not keyed.watch.unchanged():
            keyed = self._keyed = key_of(self._ingredients)
        try:
            toolchain = self._toolchain()
            half = BuildHalf(
                toolchain.ingredients, toolchain, lambda: keyed.has_changed(self._ingredients)
            )
            answer = self._keep.ask(
                *self.called,
                {**keyed.ingredients(), **ingredients},
                toolchain=half,
            )
        except Unkeyable as problem:
            self._refuse(str(problem))
            return None
        if answer.artifact is None:
            self._answers[signature] = (answer, time.perf_counter())
        else:
            self._found = signature, answer
        return answer.artifact

    def put_off(self, signature: str, problem: NotKept) -> None:
        """Say that what was found is not used; where that is nobody's, it is to be replaced."""
        logging.getLogger("emberkeep.numba").debug(
            "%s(%s) is compiled again: %s", self.called[1], signature, problem
        )
        found, self._found = self._found, None
        if isinstance(problem, Malformed) and found is not None and found[0] == signature:
            self._answers[signature] = (found[1], time.perf_counter())

    def save(self, signature: str, write: Callable[[], Mapping[str, object]]) -> None:
        """Publish what was compiled since `load` found nothing."""
        answer, begun = self._answers.pop(signature, (None, 0.0))
        if answer is None:
            return
        try:
            answer.publish(write(), time.perf_counter() - begun)
        except NotKept as problem:
            self._refuse(str(problem))

    def _refuse(self, reason: str) -> None:
        self.refusal = reason
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.called[1]} is compiled in each process, not kept: {reason}",
                StoreWarning,
                stacklevel=depth_of_caller(),
            )
