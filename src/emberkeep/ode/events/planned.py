"""Events as parts of a plan: what is compiled of them, without times, counts and names."""

from __future__ import annotations

from emberkeep.errors import InvalidPlan
from emberkeep.ode.events.event import SteadyState
from emberkeep.ode.system.beside import texts_beside
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from emberkeep.ode.events.event import Event
    from emberkeep.ode.system.equations import Equation
    from emberkeep.ode.system.system import System

CROSSING, TIMED, STEADY = "crossing", "timed", "steady"


@final
@frozen
class PlannedEvent:
    """What is compiled of an event.

    Attributes:
        kind: `CROSSING`, `TIMED` or `STEADY`.
        when: what goes through zero; None of other kinds.
        direction: 1 where it rises, -1 where it falls, 0 for both.
        checks: at how many times within a step it is looked at.
        action: a new value each, as a definition of what gets it; or a function.
    """

    kind: str
    when: Equation | Callable[..., Any] | None = None
    direction: int = 0
    checks: int = 0
    action: tuple[Equation, ...] | Callable[..., Any] = ()

    def ingredients(self) -> dict[str, object]:
        """All of it that can change compiled code."""
        action = self.action
        return {
            "kind": self.kind,
            "when": self.when if self.when is None or callable(self.when) else self.when.canonical,
            "direction": self.direction,
            "checks": self.checks,
            "action": action
            if callable(action)
            else tuple((each.target, each.canonical) for each in action),
        }


def planned(events: Iterable[Event | SteadyState], system: System) -> tuple[PlannedEvent, ...]:
    """What is compiled of events, in their order.

    Raises:
        InvalidPlan: an event cannot be; says why.
        InvalidSystem: points at what cannot be read in it.
    """
    return tuple(
        PlannedEvent(STEADY) if isinstance(each, SteadyState) else _planned(each, system)
        for each in events
    )


def _planned(event: Event, system: System) -> PlannedEvent:
    action = _action(event, system)
    if event.is_timed:
        return PlannedEvent(TIMED, action=action)
    when = event.when
    if not callable(when) or _is_expression(when):
        place = f"the event {event.name!r}"
        [when] = texts_beside(system, {"when": when}, place)
        if _is_condition(when.tokens):
            raise InvalidPlan(
                f"The event {event.name!r} is the condition {when.canonical!r}; expected what goes "
                "through zero, as 'y - 0.5' for y > 0.5, with direction='rising'"
            )
    return PlannedEvent(CROSSING, when, int(event.direction), event.checks, action)


def _action(event: Event, system: System) -> tuple[Equation, ...] | Callable[..., Any]:
    action: Any = event.action
    if action is None:
        return ()
    if callable(action):
        return action
    if not hasattr(action, "items") or not action:
        raise InvalidPlan(
            f"The event {event.name!r} has action={action!r}; expected new values by name, "
            "{'v': '-0.9*v'}, or a function f(t, y, p) that returns them"
        )
    texts: Mapping[str, Any] = {str(name): value for name, value in action.items()}
    require_changeable(texts, system, str(event.name))
    return texts_beside(system, texts, f"the action of {event.name!r}")


def changed_parameters(events: Iterable[PlannedEvent], system: System) -> tuple[str, ...]:
    """The parameters that actions change; those of functions are called for it."""
    names: set[str] = set()
    for event in events:
        if callable(event.action):
            names |= _changed(event.action, system)
        else:
            names |= {each.target for each in event.action}
    return tuple(name for name in system.parameters if name in names)


def _changed(action: Callable[..., Any], system: System) -> set[str]:
    from emberkeep.ode.system.evaluate import record

    values = {**system.states, **dict.fromkeys(system.observables, 1.0)}
    y = record("Values", (*values,), [*values.values()])
    p = record("Inputs", (*system.inputs,), [*system.inputs.values()])
    try:
        return set(map(str, action(0.0, y, p)))
    except Exception:  # noqa: BLE001 - said better where it is followed
        return set()


def require_changeable(names: Iterable[str], system: System, event: str) -> None:
    """Refuse actions on what does not change.

    Raises:
        InvalidPlan: names what it is.
    """
    for name in names:
        if name in system.states or name in system.parameters:
            continue
        known = ", ".join((*system.states, *system.parameters))
        reason = "is none"
        if name in system.constants:
            reason = "is a constant, the same for all trajectories: declare it as a parameter"
        elif name in system.drivers:
            reason = "is a driver, whose samples are given"
        raise InvalidPlan(
            f"The action of the event {event!r} changes {name!r}, which {reason}. States and "
            f"parameters are {known}"
        )


def _is_expression(value: Any) -> bool:
    """Whether it is one of SymPy's, of which some can be called."""
    return any(str(base.__module__).partition(".")[0] == "sympy" for base in type(value).__mro__)


def _is_condition(tokens: Iterable[str]) -> bool:
    """Whether the outermost operation is a comparison, or the like."""
    depth, outermost = 0, set[str]()
    for sign in tokens:
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            outermost.add(sign)
    if "if" in outermost:
        return False
    return bool(outermost & {"<", "<=", ">", ">=", "==", "!=", "and", "or", "not", "&", "|", "~"})
