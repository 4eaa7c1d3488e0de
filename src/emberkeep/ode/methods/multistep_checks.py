"""Whether formulas of several steps are what a kernel can go by: numbers, and stability."""

from __future__ import annotations

from functools import cache
from math import comb, pi
from typing import Any

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.methods.checks import is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.methods.multistep import MultistepTableau

MOST_ORDER = 5  # that of order 6 is hardly stable, those beyond are not at all
PLACES = 20_000  # on half the unit circle, where the edge of stability is looked for
ROUNDED = 1e-8  # by how much an unstable root is larger than 1, at least


def check(tableau: MultistepTableau) -> None:
    """Refuse what is no formula, or not stable where steps are short.

    Raises:
        InvalidPlan: names what is wrong.
    """
    given: Any = tableau.name
    if not isinstance(given, str) or not given:
        raise InvalidPlan(f"A method's name is {given!r}; expected text")
    given = tableau.kappas
    if not isinstance(given, tuple) or not all(map(is_number, given)):  # pyright: ignore[reportUnnecessaryIsInstance, reportUnknownArgumentType]
        raise _refusal(tableau, f"kappas is {given!r}; expected a tuple of numbers")
    if not 1 <= tableau.order <= MOST_ORDER:
        raise _refusal(
            tableau, f"kappas has {tableau.order} numbers; expected one for each order, 1 to 5"
        )
    _check_stable(tableau)


@cache
def _check_stable(tableau: MultistepTableau) -> None:
    """What decays at once needs no look: formulas forget it, whatever the numbers are."""
    for order, (kappa, lead) in enumerate(zip(tableau.kappas, tableau.leads, strict=True), 1):
        if abs(lead) < ROUNDED:
            raise _refusal(tableau, f"kappas[{order - 1}] is {kappa!r}, which leaves no formula")
        largest = _largest_root(formula(tableau, order))
        if largest >= 1 - ROUNDED:
            raise _refusal(
                tableau,
                f"with kappas[{order - 1}]={kappa!r} the formula of order {order} is not stable: "
                f"errors grow {largest:.3g}-fold from step to step",
            )


def _largest_root(polynomial: Any) -> float:
    """The size of the largest but 1, which is there for what is constant."""
    sizes: Any = np.roots(polynomial) - 1  # pyright: ignore[reportUnknownVariableType]
    others: Any = np.delete(sizes, np.argmin(abs(sizes))) + 1
    return float(abs(others).max(initial=0.0))


def formula(tableau: MultistepTableau, order: int) -> Any:
    """What the formula of an order makes of values, of the newest first, to be h f of that one."""
    kappa, total = tableau.kappas[order - 1], tableau.sums[order - 1]
    found = np.zeros(order + 2)
    for power in range(1, order + 1):
        found[: power + 1] += _difference(power) / power
    return found - kappa * total * _difference(order + 1)


def _difference(power: int) -> Any:
    """The coefficients of ∇ᵖ, of the newest value first."""
    return np.array([(-1.0) ** place * comb(power, place) for place in range(power + 1)])


def angle(tableau: MultistepTableau, order: int) -> float:
    """α, in degrees, of a formula's A(α)-stability."""
    edge = _edge(formula(tableau, order))
    left = edge[edge.real < -ROUNDED]
    return float(np.degrees(np.arctan2(abs(left.imag), -left.real)).min(initial=90.0))


def _edge(polynomial: Any) -> Any:
    """The h λ for which a root lies on the upper half of the unit circle."""
    circle = np.exp(1j * np.linspace(0.0, pi, PLACES + 1)[1:])
    return np.polyval(polynomial, circle) / circle ** (len(polynomial) - 1)  # pyright: ignore[reportUnknownVariableType]


def _refusal(tableau: MultistepTableau, what: str) -> InvalidPlan:
    return InvalidPlan(f"The method {tableau.name!r} cannot be used: {what}")
