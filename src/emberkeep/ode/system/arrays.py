"""NumPy's functions of arrays, for arrays that hold symbols.

NumPy makes arrays of floats, into which no symbol goes, and asks conditions for their truth. In
copies of functions that are followed, these stand in place of its own.
"""

# What a user's function passes may be anything.
# pyright: basic

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emberkeep.ode.system.symbol import Symbol
from emberkeep.ode.system.symbol_arrays import boxed, of_symbols, plain

if TYPE_CHECKING:
    from collections.abc import Callable

_ANY = (None, float, np.float64, "float", "float64", "d", object)  # what symbols stand for


def _made(make: Callable[..., Any]) -> Callable[..., Any]:
    """Of floats, an array that symbols can be put into."""

    def call(shape: Any, dtype: Any = None, **options: Any) -> Any:
        if dtype in _ANY:
            return of_symbols(make(shape, **options).astype(object))
        return make(shape, dtype, **options)

    return call


def _empty(shape: Any, dtype: Any = None) -> Any:
    """Nothing is in it, and what reads it all the same is not followed."""
    return of_symbols(np.empty(shape, object if dtype in _ANY else dtype))


def _full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    found = _empty(shape, dtype)
    found[...] = fill_value
    return found


def _like(make: Callable[..., Any]) -> Callable[..., Any]:
    def call(prototype: Any, *given: Any, **options: Any) -> Any:
        return make(np.shape(prototype), *given, **options)

    return call


def _has_symbols(array: Any) -> bool:
    return any(isinstance(item, Symbol) for item in np.ravel([array]))


def _each(original: Any) -> Callable[..., Any]:
    """A function of numbers for each in an array, where NumPy would compare them."""

    def call(*given: Any, **options: Any) -> Any:
        arrays = [item for item in given if np.ndim(boxed(item))]
        if options or not arrays or not any(_has_symbols(item) for item in given):
            return original(*given, **options)
        return of_symbols(np.frompyfunc(original, len(given), 1)(*map(plain, given)))

    return call


def _array(original: Any) -> Callable[..., Any]:
    def call(given: Any, *dtype: Any, **options: Any) -> Any:
        if _has_symbols(given):
            dtype = tuple(each for each in dtype if each not in _ANY)
            options = {key: each for key, each in options.items() if each not in _ANY}
        return of_symbols(original(given, *dtype, **options))

    return call


def _of_array(original: Any) -> Callable[..., Any]:
    """A function of an array that may be given a list."""

    def call(a: Any, *given: Any, **options: Any) -> Any:
        return original(of_symbols(np.asarray(a)) if _has_symbols(a) else a, *given, **options)

    return call


_zeros, _ones = _made(np.zeros), _made(np.ones)
# From the original function to the one that takes symbols too.
ARRAYS: dict[Any, Callable[..., Any]] = {
    np.array: _array(np.array),
    np.asarray: _array(np.asarray),
    np.zeros: _zeros,
    np.ones: _ones,
    np.empty: _empty,
    np.full: _full,
    np.zeros_like: _like(_zeros),
    np.ones_like: _like(_ones),
    np.empty_like: _like(_empty),
    np.full_like: _like(_full),
    np.where: _each(np.where),
    np.clip: _each(np.clip),
    np.max: _of_array(np.max),
    np.min: _of_array(np.min),
}
