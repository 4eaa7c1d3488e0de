"""Compiling a model for the shapes of production, before they are needed."""

from __future__ import annotations

import time
from functools import wraps

from emberkeep.errors import InvalidArgument
from emberkeep.startup_records import final, frozen
from emberkeep.xla.jax_cache import import_jax, programs_in_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


@final
@frozen
class Prewarmed:
    """One function, compiled or found for one pair of shapes.

    Attributes:
        function: its name.
        theta: type and shape of the parameters, as in ``float64[3]``.
        times: the same of the times.
        seconds: what it took.
        compiled: how many programs had to be compiled for it; 0 where all were kept.
    """

    function: str
    theta: str
    times: str
    seconds: float
    compiled: int


def value_and_gradient(model: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The sum of what a model gives, and its gradient by theta, compiled: what prewarming keeps.

    Args:
        model: a function of theta and times.
    """
    jax = import_jax()

    @wraps(model)
    def total(theta: Any, times: Any) -> Any:
        return model(theta, times).sum()

    return jax.jit(jax.value_and_grad(total))


def prewarm(
    functions: Iterable[Callable[..., Any]], theta_samples: Any, time_grids: Any
) -> list[Prewarmed]:
    """Compile functions of theta and times for all pairs of their types and shapes.

    Args:
        functions: plain ones, or what `jax.jit` has made.
        theta_samples: an array, a shape, a `jax.ShapeDtypeStruct`, or several in a list.
        time_grids: the same.

    Raises:
        InvalidArgument: something is neither an array nor a shape.
    """
    thetas = specifications(theta_samples, "theta_samples")
    grids = specifications(time_grids, "time_grids")
    return [
        _prewarm(function, theta, times)
        for function in functions
        for theta in thetas
        for times in grids
    ]


def _prewarm(function: Callable[..., Any], theta: Any, times: Any) -> Prewarmed:
    started, before = time.perf_counter(), _compiled()
    _fresh(function).lower(theta, times).compile()
    seconds = time.perf_counter() - started
    name = getattr(function, "__name__", type(function).__name__)
    return Prewarmed(name, _told(theta), _told(times), seconds, _compiled() - before)


def _fresh(function: Any) -> Any:
    """The function for `jax.jit`, under its own name, which is in the key.

    As another object, of which JAX has nothing in memory: else nothing would be compiled or kept.
    """
    if hasattr(function, "lower"):
        return function

    @wraps(function)
    def again(theta: Any, times: Any) -> Any:
        return function(theta, times)

    return import_jax().jit(again)


def _compiled() -> int:
    programs = programs_in_use()
    return 0 if programs is None else programs.compiled


def specifications(given: Any, what: str) -> list[Any]:
    """Types and shapes of arrays, each once.

    A tuple or list of whole numbers is a shape; one of anything else holds several.

    Raises:
        InvalidArgument: there is nothing, or something that is neither an array nor a shape.
    """
    holds_several = _is_sequence(given) and not _is_shape(given)
    several: list[Any] = list(given) if holds_several else [given]
    if not several:
        raise InvalidArgument(f"{what} is empty; arrays or their shapes were expected.")
    found = [_specification(each, what) for each in several]
    return list({_told(each): each for each in found}.values())


def single_vectors(theta_samples: Any, length: int | None) -> list[Any]:
    """Types and shapes of parameter vectors, each once; of rows of them, that of a row.

    Args:
        theta_samples: as of `prewarm`.
        length: how long a vector is; None where nobody says, and shapes are taken as they are.
    """
    found = specifications(theta_samples, "theta_samples")
    if length is None:
        return found
    structure = import_jax().ShapeDtypeStruct
    rows = [
        structure((length,), each.dtype) if each.shape[1:] == (length,) else each for each in found
    ]
    return specifications(rows, "theta_samples")


def _is_shape(given: Any) -> bool:
    """A scalar's too, which is an empty tuple; an empty list is nothing."""
    if not _is_sequence(given) or given == []:
        return False
    return all(type(size) is int for size in given)


def _is_sequence(given: Any) -> bool:
    return isinstance(given, list | tuple)


def _specification(given: Any, what: str) -> Any:
    jax = import_jax()
    if _is_shape(given):
        return jax.ShapeDtypeStruct(tuple(given), jax.dtypes.canonicalize_dtype(float))
    shape, dtype = getattr(given, "shape", None), getattr(given, "dtype", None)
    if shape is None or dtype is None:
        raise InvalidArgument(
            f"{what} has {given!r}; an array, a shape such as (3,), or a jax.ShapeDtypeStruct was "
            "expected."
        )
    # As JAX will take it: without x64, float64 becomes float32.
    return jax.ShapeDtypeStruct(tuple(shape), jax.dtypes.canonicalize_dtype(dtype))


def _told(specification: Any) -> str:
    return f"{specification.dtype}[{','.join(map(str, specification.shape))}]"
