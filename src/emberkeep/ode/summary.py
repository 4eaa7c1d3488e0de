"""Summaries of the user's own: what each time to save is folded into."""

from __future__ import annotations

import math

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

LONGEST_NAME = 60
# Where result(held) may be defined, where it is not at the start, as means of nothing are not.
TRIED = (1.37, 0.43, -0.71)


@final
@frozen
class Summary:
    """Numbers that the values at each time to save are folded into, as they come.

    The functions are run once on symbols, as those of systems are: operators, functions of `math`
    and NumPy, and `numpy.where` for branches.

    Attributes:
        name: what it is called among the results.
        start: what is held before the first time: a number, or a tuple or list of numbers.
        fold: ``fold(held, t, y, p)`` is what is held after one more time: t, with states and
            observables as attributes of y, and parameters,
            constants and drivers as those of p.
        result: ``result(held)``, what comes out in the end: a number, or several; what
            is held itself where None.
    """

    name: str
    start: Any
    fold: Callable[..., Any]
    result: Callable[..., Any] | None = None

    @property
    def label(self) -> str:
        """What it is called in generated code: in ASCII, and as nothing else there is."""
        name = self.name
        return f"summary_{name}_" if name.isascii() else f"summary_utf8_{name.encode().hex()}"

    def holds(self) -> tuple[float, ...]:
        """What is held at the start, as a tuple."""
        given: Any = self.start
        return given if isinstance(given, tuple) else (given,)  # pyright: ignore[reportUnknownVariableType]

    def held(self, numbers: Sequence[Any]) -> Any:
        """Numbers as the functions are given them: alone, or as a tuple."""
        return (*numbers,) if isinstance(self.start, tuple) else numbers[0]

    def parts(self) -> int | None:
        """How many numbers come out; None for one alone, which is no tuple."""
        found = self.held(self.holds())
        if self.result is not None:
            found = self._resulting(self.result)
        return len(found) if np.ndim(found) else None

    def _resulting(self, result: Callable[..., Any]) -> Any:
        """What comes of numbers for which there is a result."""
        given = self.holds()
        with np.errstate(all="ignore"):
            for number in TRIED:
                try:
                    return result(self.held(given))
                except (ArithmeticError, ValueError):
                    given = tuple(number + place for place in range(len(given)))
            return result(self.held(given))

    def checked(self, taken: Sequence[str]) -> Summary:
        """The same, with numbers of one kind at the start.

        Args:
            taken: names of other outputs.

        Raises:
            InvalidPlan: it cannot be compiled; says what is wrong.
        """
        name: Any = self.name
        if not (isinstance(name, str) and name.isidentifier() and len(name) <= LONGEST_NAME):
            raise InvalidPlan(f"A summary is called {name!r}; expected letters, digits and '_'")
        if name in taken:
            raise InvalidPlan(f"{name!r} is an output already: give the summary another name")
        if not callable(self.fold) or not (self.result is None or callable(self.result)):
            raise InvalidPlan(
                f"The summary {name!r} has fold={self.fold!r} and result={self.result!r}; expected "
                "functions fold(held, t, y, p) and result(held)"
            )
        start = _numbers(self.start)
        if start is None:
            raise InvalidPlan(
                f"The summary {name!r} has start={self.start!r}; expected a number or a tuple of "
                "numbers"
            )
        same = replace(self, {"start": start})
        try:
            parts = same.parts()
        except Exception as problem:
            raise InvalidPlan(
                f"result(held) of the summary {name!r} cannot be called with what start= is, "
                f"{self.start!r}: {type(problem).__name__}: {problem}"
            ) from problem
        if parts == 0:
            raise InvalidPlan(
                f"result(held) of the summary {name!r} gives nothing; expected a number or a tuple "
                "of numbers"
            )
        return same

    def __eq__(self, other: object) -> bool:
        """What is held at the start is the same to its sign, and functions are the same objects.

        What a function equals may change without it, and zero is no other number than minus zero;
        what they do in a kernel is.
        """
        if not isinstance(other, Summary):
            return NotImplemented
        are_same = self.fold is other.fold and self.result is other.result
        return are_same and (self.name, repr(self.start)) == (other.name, repr(other.start))

    def __hash__(self) -> int:
        return hash((self.name, repr(self.start)))


def _numbers(given: Any) -> float | tuple[float, ...] | None:
    """A number, or several; None where it is neither."""
    is_one = not isinstance(given, tuple | list)
    items: tuple[Any, ...] = (given,) if is_one else (*given,)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    try:
        found = tuple(float(item) for item in items if not isinstance(item, str | bytes))
    except (TypeError, ValueError, OverflowError):
        return None
    if not found or len(found) != len(items) or any(map(math.isnan, found)):
        return None
    return found[0] if is_one else found
