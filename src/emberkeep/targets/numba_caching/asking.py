"""What both cache classes do: ask the keep, publish, and never be in the way."""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import logging
import time
import warnings
from typing import TYPE_CHECKING, Any

from emberkeep.cache import depth_of_caller
from emberkeep.errors import EmberkeepError, StoreWarning, Unkeyable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emberkeep.cache import Answer, Artifact, Keep
    from emberkeep.keys.toolchain import Toolchain

KIND = "generated"


class NotKept(EmberkeepError):  # noqa: N818 - reads as what it says
    """Why something cannot be written down, or read back."""


class Asking:
    """One dispatcher's dealings with the keep.

    Args:
        keep: the keep.
        function: whose compiled forms are kept.
        toolchain: what compiles them.
    """

    def __init__(self, keep: Keep, function: Any, toolchain: Callable[[], Toolchain]) -> None:
        self._keep, self._function = keep, function
        self._toolchain = toolchain
        self._answers: dict[str, tuple[Answer, float]] = {}
        self._warned = False

    def load(self, signature: str, ingredients: Mapping[str, object]) -> Artifact | None:
        """What is kept for a signature; None where it has to be compiled."""
        if " at 0x" in signature:
            self._refuse(f"its argument types ({signature}) name objects of this process only")
            return None
        try:
            answer = self._keep.ask(
                KIND,
                self._function.__name__,
                {**ingredients, "signature": signature},
                toolchain=self._toolchain(),
            )
        except Unkeyable as problem:
            self._refuse(str(problem))
            return None
        if answer.artifact is None:
            self._answers[signature] = (answer, time.perf_counter())
        return answer.artifact

    def put_off(self, signature: str, reason: str) -> None:
        """Say that what was found is not used, and is to be compiled and published anew."""
        logging.getLogger("emberkeep.numba").debug(
            "%s(%s) is compiled again: %s", self._function.__name__, signature, reason
        )

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
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._function.__name__} is compiled in each process, not kept: {reason}",
                StoreWarning,
                stacklevel=depth_of_caller(),
            )
