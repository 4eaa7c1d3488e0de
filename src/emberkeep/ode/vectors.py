"""Whole vectors and matrices, which solves are given and results give, as their parts."""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.system.notation import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def parts(
    kind: str, name: str, values: Any, known: Iterable[str], *, is_combined: bool
) -> dict[str, Any] | None:
    """The parts of a vector or matrix with their values; None where there is none of this name.

    Args:
        kind: of what is given, for messages.
        name: of the vector.
        values: an array of its shape, or with an axis for trajectories in front.
        known: names that values can be given for.
        is_combined: whether each is combined with each, which parts cannot be.

    Raises:
        InvalidPlan: the shape is another.
    """
    shape = shape_of(name, known)
    if shape is None:
        return None
    expected = f"The {kind} {name!r} is {_described(shape)}"
    wanted = f"shape {shape}, or {('runs', *shape)} with one for each trajectory".replace("'", "")
    try:
        array = np.asarray(values)
    except ValueError as problem:  # rows of different lengths
        raise InvalidPlan(f"{expected}; expected an array of {wanted}: {problem}") from None
    own = array.ndim - len(shape)
    if own not in (0, 1) or array.shape[own:] != shape:
        found = f"an array of shape {array.shape}" if array.ndim else repr(values)
        raise InvalidPlan(
            f"{expected}; {found} was passed, and {wanted} is expected. Single parts go by "
            f"their names, such as {part(name, [1] * len(shape))!r}"
        )
    if own and is_combined and array.shape[0] > 1:
        raise InvalidPlan(
            f"{expected}, and one for each trajectory was passed: its parts vary together, and "
            "grid='combinations' would combine each with each. Pass grid='verbatim', with as many "
            "values of everything else"
        )
    places = zip(names_of(name, shape), np.ndindex(shape), strict=True)
    return {each: array[(..., *index)] for each, index in places}


def names_of(name: str, shape: tuple[int, ...]) -> list[str]:
    """What the parts are called, row by row."""
    return [part(name, [place + 1 for place in index]) for index in np.ndindex(shape)]


def shape_of(name: str, known: Iterable[str]) -> tuple[int, ...] | None:
    """Of the vector or matrix whose parts have this name, where all of them are there."""
    rests = [each[len(name) + 1 :] for each in known if each.startswith(f"{name}_")]
    indices = {tuple(map(int, rest.split("_"))) for rest in rests if _is_index(rest)}
    if not indices or len({len(index) for index in indices}) > 1:
        return None
    shape = (*map(max, zip(*indices, strict=True)),)
    everything = {tuple(place + 1 for place in index) for index in np.ndindex(shape)}
    return shape if indices == everything else None


def _is_index(text: str) -> bool:
    return all(each.isdecimal() and each.isascii() for each in text.split("_"))


def _described(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"a vector of {shape[0]}"
    return f"a matrix of {' by '.join(map(str, shape))}"
