"""Summaries of the user's own: what each time to save is folded into."""

from __future__ import annotations

import math

from emberkeep.errors import InvalidPlan
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

LONGEST_NAME = 60


@final
@frozen
class Summary:
    """Numbers that the values at each time to save are folded into, as they come.

    The functions are run once on symbols, as those of systems are: operators, functions of `math`
    and NumPy, and `numpy.where` for branches.

    Attributes:
        name: what it is called among the results.
        start: what is held before the first time: a number, or a tuple of numbers.
        fold: ``fold(held, t, y, p)`` is what is held after one more time: t, with states and
            observables as attributes of y, and parameters,
            constants and drivers as those of p.
        result: ``result(held)``, what comes out in the end: a number, or a tuple of numbers; what
            is held itself where None.
    """

    name: str
    start: Any
    fold: Callable[..., Any]
    result: Callable[..., Any] | None = None

    def holds(self) -> tuple[float, ...]:
        """What is held at the start, as a tuple."""
        given: Any = self.start
        return (*map(float, given),) if isinstance(given, tuple | list) else (float(given),)  # pyright: ignore[reportUnknownArgumentType]

    def held(self, numbers: Sequence[Any]) -> Any:
        """Numbers as the functions are given them: alone, or as a tuple."""
        return (*numbers,) if isinstance(self.start, tuple | list) else numbers[0]

    def parts(self) -> int | None:
        """How many numbers come out; None for one alone, which is no tuple."""
        found = self.held(self.holds())
        if self.result is not None:
            try:
                found = self.result(found)
            except ArithmeticError:  # as of a mean of nothing
                found = self.result(self.held([1.0 + place for place in range(len(self.holds()))]))
        return len(found) if isinstance(found, tuple | list) else None  # pyright: ignore[reportUnknownArgumentType]

    def check(self, taken: Sequence[str]) -> None:
        """Refuse what cannot be compiled.

        Args:
            taken: names of other outputs.

        Raises:
            InvalidPlan: says what is wrong.
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
        try:
            good = bool(self.holds()) and not any(map(math.isnan, self.holds()))
        except (TypeError, ValueError):
            good = False
        if not good:
            raise InvalidPlan(
                f"The summary {name!r} has start={self.start!r}; expected a number or a tuple of "
                "numbers"
            )
        try:
            self.parts()
        except Exception as problem:
            raise InvalidPlan(
                f"result(held) of the summary {name!r} cannot be called with what start= is, "
                f"{self.start!r}: {type(problem).__name__}: {problem}"
            ) from problem
