"""Callbacks as other libraries call them: with arrays, and an empty one for where it begins."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.constructors import from_callback
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.states import SEQUENCES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from emberkeep.phasetype.structure import Definition

MOST_STATES = 20_000_000
NUMBERS: Any = (int, float, np.integer, np.floating)


def explore(
    callback: Callable[..., Iterable[Any]],
    ipv: Any,
    constants: Mapping[str, Any],
    *,
    is_discrete: bool,
    parameterized: bool,
) -> Definition:
    """The graph of a callback that takes a state as an array of whole numbers.

    Args:
        callback: of an empty array it gives pairs of a state and the probability of beginning
            there (what comes after those two is not looked at); of others, edges: ``(next_state,
            weight)``, ``(next_state, coefficients)`` or ``(next_state, base, coefficients)``.
        ipv: pairs of a state to begin in and its probability, or one state alone; None where the
            callback says so itself.
        constants: what it takes besides, by name.
        is_discrete: whether time goes in steps.
        parameterized: whether weights have coefficients.

    Raises:
        InvalidGraph: it gives no beginning, or no coefficients where there should be some.
    """
    given = callback(np.empty(0, int), **constants) if ipv is None else _pairs(ipv)
    begins = [(_label(answer[0]), float(answer[1])) for answer in given]
    if not begins:
        raise InvalidGraph(
            "The callback gave nothing for an empty state; expected pairs of a state to begin in "
            "and its probability. If it has no such case, pass them as ipv=[(state, 1.0)]"
        )

    def edges(state: tuple[int, ...]) -> list[tuple[Any, ...]]:
        found = callback(np.array(state), **constants)
        return [(_label(following), *weights) for following, *weights in found]

    return from_callback(
        edges,
        begins,
        theta_length=_theta_length(edges, begins) if parameterized else 0,
        discrete=is_discrete,
        name=getattr(callback, "__name__", None),
        most_states=MOST_STATES,
    )


def _pairs(ipv: Any) -> Iterable[Any]:
    """Pairs, of one state alone too.

    Raises:
        InvalidGraph: it is neither.
    """
    given: list[Any] = [*ipv] if isinstance(ipv, SEQUENCES) else []
    if given and all(isinstance(part, NUMBERS) for part in given):
        return [(given, 1.0)]
    if given and all(
        isinstance(pair, SEQUENCES) and len(pair) == 2 and isinstance(pair[1], NUMBERS)  # noqa: PLR2004
        for pair in given
    ):
        return given
    raise InvalidGraph(
        f"ipv is {ipv!r}; expected pairs of a state and the probability of beginning there, such "
        "as [((3, 0), 1.0)], or one state"
    )


def _label(state: Any) -> tuple[int, ...]:
    return tuple(int(number) for number in np.atleast_1d(state))


def _theta_length(
    edges: Callable[[tuple[int, ...]], list[tuple[Any, ...]]], begins: Iterable[tuple[Any, float]]
) -> int:
    """How many coefficients the first edge has that is found to have some."""
    waiting = [state for state, _ in begins]
    seen = set(waiting)
    for state in waiting:  # grows on the way
        for following, *weights in edges(state):
            if np.ndim(weights[-1]) == 1:
                return len(weights[-1])
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    raise InvalidGraph(
        "With parameterized=True, edges have coefficients: (next_state, base, [coefficients, …]); "
        "the callback gave none"
    )
