"""Derivatives of a system's values by its parameters and initial values, as states of their own.

With S = ∂y/∂p of the states y' = f(t, y, p), S' = ∂f/∂y S + ∂f/∂p. So a system with sensitivities
is one with further states, block by block of each name, and whatever integrates it gives S with y.
Its values lie as ::

    states       y₁ … yₙ | ∂y₁/∂a … ∂yₙ/∂a | ∂y₁/∂b … ∂yₙ/∂b | …
    observables  g₁ … gₘ | ∂g₁/∂a … ∂gₘ/∂a | …

A state's name means its initial value, as it does where initial values are given.
"""

from __future__ import annotations

from emberkeep.errors import InvalidPlan
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from emberkeep.ode.system.system import System

STATES, ALL = ERROR_NORMS = ("states", "all")


@final
@frozen
class Sensitivities:
    """What a system's values are differentiated by.

    Attributes:
        names: of parameters, and of states for their initial values.
        states: the system's own.
        observables: likewise.
        are_judged: whether steps are chosen by their errors, too.
    """

    names: tuple[str, ...]
    states: tuple[str, ...]
    observables: tuple[str, ...]
    are_judged: bool

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Of each derivative of a state: whose it is, and by what; in their order."""
        return tuple((state, name) for name in self.names for state in self.states)

    def initial(self) -> dict[str, float]:
        """What the derivatives of states begin with."""
        return {label(state, name): float(state == name) for state, name in self.pairs}


def label(value: str, name: str) -> str:
    """What the derivative of a value is called; no name of the user's has spaces."""
    return f"{value} by {name}"


def with_sensitivities(system: System, given: Any, error_norm: str) -> System:
    """A system with its derivatives by what is given; itself, where that is nothing.

    Args:
        system: the user's.
        given: names of parameters and states, of vectors and matrices too.
        error_norm: whose errors steps are chosen by: ``"states"`` or ``"all"``.

    Raises:
        InvalidPlan: something cannot be differentiated by.
    """
    if error_norm not in ERROR_NORMS:
        raise InvalidPlan(
            f"error_norm={error_norm!r} is not known; expected 'states', whose errors choose the "
            "steps, or 'all', for those of sensitivities too"
        )
    names = _names(system, _listed(given))
    if not names:
        return system
    observables = system.observables
    made = Sensitivities(names, (*system.states,), observables, error_norm == ALL)
    further = (label(value, name) for name in names for value in observables)
    return system.differentiated(
        made, {**system.states, **made.initial()}, (*observables, *further)
    )


def _listed(given: Any) -> Iterable[Any]:
    if isinstance(given, str):
        return (given,)
    if isinstance(given, list | tuple | dict):
        return given  # pyright: ignore[reportUnknownVariableType]
    raise InvalidPlan(
        f"sensitivities={given!r} must be a list of names: of parameters, and of states for their "
        "initial values"
    )


def _names(system: System, given: Iterable[Any]) -> tuple[str, ...]:
    """Single names, each once; vectors and matrices as their parts."""
    from emberkeep.ode.batch import name_of

    known = (*system.parameters, *system.states)
    found: dict[str, None] = {}
    for each in given:
        name = name_of(each)
        parts = [name] if name in known else _parts(name, known)
        if not parts:
            raise _unknown(system, name, known)
        for part in parts:
            if part in found:
                raise InvalidPlan(f"sensitivities= has {part!r} twice. Leave out one")
            found[part] = None
    return (*found,)


def _parts(name: str, known: tuple[str, ...]) -> list[str]:
    from emberkeep.ode.vectors import names_of, shape_of

    shape = shape_of(name, known)
    return [] if shape is None else names_of(name, shape)


def _unknown(system: System, name: str, known: tuple[str, ...]) -> InvalidPlan:
    import difflib

    if name in system.constants:
        return InvalidPlan(
            f"sensitivities= has {name!r}, which is a constant. Declare it as a parameter to "
            "differentiate by it"
        )
    close = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return InvalidPlan(
        f"sensitivities= has {name!r}, which is no parameter and no state of {system.name}. "
        f"{hint}There are {', '.join(known)}; a state's name means its initial value"
    )
