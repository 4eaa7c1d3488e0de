"""What users give as numbers, as arrays."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.targets.arguments import is_traced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]


def as_numbers(what: str, given: Any) -> Values:
    """An array of double precision.

    Args:
        what: what it is called in messages; in the plural, or a mass noun.
        given: an array, a number, or lists of such.

    Raises:
        InvalidGraph: it is something else; says what.
    """
    try:
        return np.asarray(given, float)
    except (TypeError, ValueError) as problem:
        listed: list[object] = [*given] if isinstance(given, list | tuple) else [given]
        if any(map(is_traced, listed)):
            raise InvalidGraph(
                f"{what} cannot be read: JAX traces them (under jit, grad or vmap), so that they "
                "have no values yet. What JAX can trace is a model: graph.model()"
            ) from None
        raise InvalidGraph(f"{what} must be numbers, not {given!r}: {problem}") from None
