"""Derivatives of a system's values by its parameters and initial values, as states of their own.

With S = ∂y/∂p of the states y' = f(t, y, p), S' = ∂f/∂y S + ∂f/∂p. So a system with sensitivities
is one with further states, block by block of each name, and whatever integrates it gives S with y.
Its values lie as ::

    states       y₁ … yₙ | ∂y₁/∂a … ∂yₙ/∂a | ∂y₁/∂b … ∂yₙ/∂b | …
    observables  g₁ … gₘ | ∂g₁/∂a … ∂gₘ/∂a | …

A state's name means its initial value, as it does where initial values are given.
"""

from __future__ import annotations

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@final
@frozen
class Sensitivities:
    """What a system's values are differentiated by.

    Attributes:
        names: of parameters, and of states for their initial values.
        states: the system's own.
        observables: likewise.
        are_judged: whether steps are chosen by their errors, too.
        may_jump: whether events may change any of them, also those that are zero by the equations.
    """

    names: tuple[str, ...]
    states: tuple[str, ...]
    observables: tuple[str, ...]
    are_judged: bool
    may_jump: bool = False

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


@final
@frozen
class Variational:
    """S' = J S + F, without zeros: the program's values.

    Attributes:
        jacobian: values of J, by row and column: the system's own states.
        forcing: values of F, by row and by number of the name.
    """

    jacobian: Mapping[tuple[int, int], int]
    forcing: Mapping[tuple[int, int], int]
