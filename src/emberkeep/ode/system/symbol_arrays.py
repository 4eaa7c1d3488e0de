"""Arrays of symbols and numbers, on which NumPy's functions work one by one."""

# What is in them may be anything.
# pyright: basic

from __future__ import annotations

from typing import Any, final

import numpy as np


@final
class Symbols(np.ndarray):
    """An array of objects that asks none of them for its truth, as NumPy's comparisons do."""

    def __array_ufunc__(
        self, function: Any, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        """The function of each item, whether that is a symbol or a number."""
        found = each(function, method, *inputs, **options)
        if out is None:
            return found
        out[0][...] = found
        return out[0]


def each(function: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """A universal function of arrays and numbers, by that of their items."""
    if function.signature is None:  # else it is a product of matrices, which adds and multiplies
        function = np.frompyfunc(function, function.nin, function.nout)
    return of_symbols(getattr(function, method)(*map(plain, inputs), **options))


def plain(item: Any) -> Any:
    """An array or number as NumPy takes it: without asking it what to do."""
    return np.asarray(item) if isinstance(item, np.ndarray) else boxed(item)


def boxed(item: Any) -> Any:
    """A symbol as an array of no dimensions; what else there is, as it is."""
    if isinstance(item, np.ndarray | int | float | list | tuple):
        return item
    box = np.empty((), object)
    box[()] = item
    return box


def of_symbols(found: Any) -> Any:
    """An array of objects as one of symbols; anything else as it is."""
    if isinstance(found, np.ndarray) and found.dtype == object:
        return found.view(Symbols)
    return found
