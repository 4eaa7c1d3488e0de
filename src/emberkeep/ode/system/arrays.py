"""NumPy's functions of arrays, for arrays that hold symbols.

NumPy makes arrays of floats, into which no symbol goes, and asks conditions for their truth. In
copies of functions that are followed, these stand in place of its own.
"""

# What a user's function passes may be anything.
# pyright: basic

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from emberkeep.ode.system.symbol import Symbol, boxed

if TYPE_CHECKING:
    from collections.abc import Callable

_ANY = (None, float, np.float64, "float", "float64", "d", object)  # what symbols stand for


def _made(make: Callable[..., Any]) -> Callable[..., Any]:
    """Of floats, an array that symbols can be put into."""

    def call(shape: Any, dtype: Any = None, **options: Any) -> Any:
        if dtype in _ANY:
            return make(shape, **options).astype(object)
        return make(shape, dtype, **options)

    return call


def _empty(shape: Any, dtype: Any = None) -> Any:
    """Nothing is in it, and what reads it all the same is not followed."""
    return np.empty(shape, object if dtype in _ANY else dtype)


def _empty_like(prototype: Any, dtype: Any = None) -> Any:
    return _empty(np.shape(prototype), dtype)


def _full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    found = _empty(shape, dtype)
    found[...] = fill_value
    return found


def _like(make: Callable[..., Any]) -> Callable[..., Any]:
    def call(prototype: Any, dtype: Any = None) -> Any:
        return make(np.shape(prototype), dtype)

    return call


def _has_symbols(array: Any) -> bool:
    return any(isinstance(item, Symbol) for item in np.ravel([array]))


def _each(original: Any) -> Callable[..., Any]:
    """A function of numbers for each in an array, where NumPy would compare them."""

    def call(*given: Any, **options: Any) -> Any:
        arrays = [item for item in given if np.ndim(boxed(item))]
        if options or not arrays or not any(_has_symbols(item) for item in given):
            return original(*given, **options)
        return np.frompyfunc(original, len(given), 1)(*map(boxed, given))

    return call


def _extreme(name: str, pair: np.ufunc) -> Callable[..., Any]:
    """Of all numbers in an array."""
    original = getattr(np, name)

    def call(a: Any, *axis: Any, **options: Any) -> Any:
        if axis or options or not _has_symbols(a):
            return original(a, *axis, **options)
        return reduce(pair, [*np.ravel(a)])

    return call


_zeros, _ones = _made(np.zeros), _made(np.ones)
# From the original function to the one that takes symbols too.
ARRAYS: dict[Any, Callable[..., Any]] = {
    np.zeros: _zeros,
    np.ones: _ones,
    np.empty: _empty,
    np.full: _full,
    np.zeros_like: _like(_zeros),
    np.ones_like: _like(_ones),
    np.empty_like: _empty_like,
    np.where: _each(np.where),
    np.clip: _each(np.clip),
    np.maximum: _each(np.maximum),
    np.minimum: _each(np.minimum),
    np.max: _extreme("max", np.maximum),
    np.min: _extreme("min", np.minimum),
}
