"""Events, as users say them: when something happens to trajectories, and what it does to them."""

from __future__ import annotations

from emberkeep.errors import InvalidPlan
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

DIRECTIONS = {"rising": 1, "falling": -1, "both": 0}
LONGEST_NAME = 60
MOST_CHECKS = 1000


@final
@frozen
class At:
    """Times that are known beforehand.

    Attributes:
        times: of all trajectories, or a row for each; what is not-a-number or infinite never comes.
    """

    times: Any


@final
@frozen
class Every:
    """Times that come again and again.

    Attributes:
        period: from one to the next.
        first: one of them; there are those before it, too.
    """

    period: float
    first: float = 0.0


@final
@frozen
class Event:
    """Something that happens to a trajectory where a function of it goes through zero.

    Attributes:
        when: the function: text such as ``"y - 0.5"``, a SymPy expression, or a Python function
            ``f(t, y, p)``; see also `at` and `every`.
        name: what it is called among the results; by its place, ``"event_1"``, where None.
        direction: of the function: ``"rising"`` (or 1), ``"falling"`` (or -1), or ``"both"`` (0).
        terminal: whether a trajectory ends there; a number to end at that occurrence.
        action: new values of states and parameters, ``{"v": "-0.9*v"}``, or a Python function
            ``f(t, y, p)`` that gives such a dictionary; all are of what was before.
        checks: at how many times within each step to look, beside its end.
    """

    when: Any
    name: str | None = None
    direction: int | str = 0
    terminal: bool | int = False
    action: Any = None
    checks: int = 0

    @staticmethod
    def at(
        times: Any, *, action: Any = None, name: str | None = None, terminal: bool | int = False
    ) -> Event:
        """An event at times that are known beforehand; others compile nothing.

        Args:
            times: of all trajectories, or a row for each (NaN where one has fewer than others).
            action: see `Event`.
            name: likewise.
            terminal: likewise.
        """
        return Event(At(times), name, 0, terminal, action)

    @staticmethod
    def every(
        period: float,
        *,
        first: float = 0.0,
        action: Any = None,
        name: str | None = None,
        terminal: bool | int = False,
    ) -> Event:
        """An event that comes again and again, as far as the span goes.

        Args:
            period: from one time to the next.
            first: one of the times.
            action: see `Event`.
            name: likewise.
            terminal: likewise.
        """
        return Event(Every(period, first), name, 0, terminal, action)

    @property
    def is_timed(self) -> bool:
        """Whether its times are known beforehand."""
        return isinstance(self.when, At | Every)


@final
@frozen
class SteadyState:
    """The end of trajectories that hardly move any more.

    One ends where its next step begins at states whose derivatives, each divided by
    ``atol + rtol*abs(state)``, have a root mean square of at most one: so slow is a change by a
    share of ``rtol`` for each unit of time.

    Attributes:
        rtol: tolerated speed relative to a state.
        atol: tolerated speed where a state is small.
        name: what it is called among the results.
    """

    rtol: float = 1e-5
    atol: float = 1e-8
    name: str = "steady_state"


def listed_events(given: Any) -> tuple[Event | SteadyState, ...]:
    """Events as a tuple, each with a name; one alone may be given as it is.

    Raises:
        InvalidPlan: they are no events, or two have one name.
    """
    if given is None:
        return ()
    items: Sequence[Any] = (
        [given] if isinstance(given, Event | SteadyState) or not _is_list(given) else [*given]
    )
    named: dict[str, Event | SteadyState] = {}
    for place, item in enumerate(items, 1):
        if not isinstance(item, Event | SteadyState):
            raise InvalidPlan(
                f"events has {item!r}; expected events: ode.Event('y - 0.5'), ode.Event.at(times, "
                "action={…}), or ode.SteadyState()"
            )
        name = _name(item, place)
        if name in named:
            raise InvalidPlan(f"Two events are called {name!r}. Give one another name")
        event = replace(item, {"name": name})
        named[name] = _checked(event) if isinstance(event, Event) else _checked_steady(event)
    return tuple(named.values())


def _is_list(given: Any) -> bool:
    return isinstance(given, list | tuple)


def _name(event: Event | SteadyState, place: int) -> str:
    name: Any = f"event_{place}" if event.name is None else event.name
    if not (isinstance(name, str) and name.isidentifier() and len(name) <= LONGEST_NAME):
        raise InvalidPlan(f"An event is called {name!r}; expected letters, digits and '_'")
    return name


def _checked(event: Event) -> Event:
    direction: Any = event.direction
    known = (*DIRECTIONS, *DIRECTIONS.values())
    if isinstance(direction, bool) or direction not in known:
        raise InvalidPlan(
            f"The event {event.name!r} has direction={direction!r}; expected "
            f"{', '.join(map(repr, known))}"
        )
    _require_whole(event, "terminal", event.terminal, 0)
    _require_whole(event, "checks", event.checks, 0, MOST_CHECKS)
    if event.is_timed and event.action is None and event.terminal is False:
        raise InvalidPlan(
            f"The event {event.name!r} is at times that are known beforehand, and does nothing "
            "there. Pass action={…}, or terminal=True; states at such times come by save_at=…"
        )
    return replace(event, {"direction": DIRECTIONS.get(direction, direction)})


def _require_whole(
    event: Event, what: str, value: Any, least: int, most: int = (1 << 62) - 1
) -> None:
    try:
        good = float(value).is_integer() and least <= value <= most
    except (TypeError, ValueError):
        good = False
    if not good:
        raise InvalidPlan(
            f"The event {event.name!r} has {what}={value!r}; expected a whole number of at least "
            f"{least}{'' if most > MOST_CHECKS else f' and at most {most}'}"
        )


def _checked_steady(event: SteadyState) -> SteadyState:
    for name in ("rtol", "atol"):
        value: Any = getattr(event, name)
        try:
            good = 0 < float(value) < float("inf")
        except (TypeError, ValueError):
            good = False
        if not good:
            raise InvalidPlan(f"SteadyState has {name}={value!r}; expected a positive number")
    return event
