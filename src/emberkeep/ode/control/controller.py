"""Ways to choose the next step, as numbers.

After a step whose error is 1 where it is just accepted, the next one is this one times

    safety · errorₙ^-b1 · errorₙ₋₁^-b2 · errorₙ₋₂^-b3 · (stepₙ / stepₙ₋₁)^r

within bounds, and never longer right after a rejection. The exponents of errors are given over the
power of the step by which a method's estimate grows, so one controller serves all methods
(Söderlind, ACM TOMS 29, 2003). They are arguments of a kernel: another controller of a kind
compiles nothing.
"""

from __future__ import annotations

from math import isfinite

from emberkeep.errors import InvalidPlan
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.methods import Method

# fixed: steps are as long as they are asked to be, whatever the error.
# pid: the formula above.
# gustafsson: the formula above, and at most what an I controller gives (Gustafsson, ACM TOMS 20,
#   1994).
KINDS = ("fixed", "pid", "gustafsson")
EXPONENTS = 3


@final
@frozen
class Controller:
    """How the next step is chosen.

    Attributes:
        name: what it is called.
        kind: ``"fixed"``, ``"pid"`` or ``"gustafsson"``: what is compiled.
        exponents: b1, b2 and b3 of the last errors, times the power by which the estimate grows.
        ratio: r, of the last step over the one before.
        safety: a step is chosen so much shorter than the errors say.
        least: the least factor between two steps.
        most: the largest factor between two steps.
    """

    name: str
    kind: str = "pid"
    exponents: tuple[float, float, float] = (1.0, 0.0, 0.0)
    ratio: float = 0.0
    safety: float = 0.9
    least: float = 0.2
    most: float = 10.0

    @property
    def is_adaptive(self) -> bool:
        """Whether steps go by the error."""
        return self.kind != "fixed"

    @property
    def goes_by_last_error(self) -> bool:
        """Whether by that alone (I)."""
        return self.is_adaptive and not (any(self.exponents[1:]) or self.ratio)


@final
@frozen
class Exponents:
    """A controller's exponents for one method: what a kernel is given as numbers.

    Attributes:
        errors: b1, b2 and b3.
        ratio: of the last two steps.
        retry: of the error alone, after a rejection; and the bound of Gustafsson's controller.
    """

    errors: tuple[float, float, float]
    ratio: float
    retry: float


def exponents(controller: Controller, tableau: Method) -> Exponents:
    """The exponents with which a controller is used for a method."""
    power = tableau.estimate_power
    first, second, third = controller.exponents
    return Exponents((first / power, second / power, third / power), controller.ratio, 1 / power)


def check(controller: Controller) -> Controller:
    """This very controller, once it is found to be one.

    Raises:
        InvalidPlan: names what is wrong.
    """
    if not isinstance(controller.name, str) or not controller.name:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidPlan(f"A controller's name is {controller.name!r}; expected text")
    if controller.kind not in KINDS:
        raise _refusal(controller, f"kind is {controller.kind!r}; expected any of {_listed(KINDS)}")
    given: object = controller.exponents
    if not _are_exponents(given):
        raise _refusal(
            controller,
            f"exponents is {given!r}; expected three numbers: of the last error, and of the two "
            "before it",
        )
    for field in ("ratio", "safety", "least", "most"):
        given = getattr(controller, field)
        if not _is_number(given):
            raise _refusal(controller, f"{field} is {given!r}; expected a finite number")
    for field, low, high in (("safety", 0, 1), ("least", 0, 1)):
        value: float = getattr(controller, field)
        if not low < value <= high or (field == "least" and value == high):
            bound = "below 1" if field == "least" else "1 at most"
            raise _refusal(controller, f"{field} is {value!r}; expected more than 0, and {bound}")
    if controller.most < 1:
        raise _refusal(controller, f"most is {controller.most!r}; expected 1 at least")
    if controller.is_adaptive and not sum(controller.exponents) > 0:
        raise _refusal(
            controller,
            f"exponents {controller.exponents!r} add up to {sum(controller.exponents):g}; expected "
            "more than 0, or errors above 1 would lengthen steps",
        )
    return controller


def _are_exponents(given: object) -> bool:
    if not isinstance(given, tuple):
        return False
    row: tuple[object, ...] = (*given,)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return len(row) == EXPONENTS and all(map(_is_number, row))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _refusal(controller: Controller, what: str) -> InvalidPlan:
    return InvalidPlan(f"The controller {controller.name!r} cannot be used: {what}")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(repr, names))
