# pyright: basic
"""Double precision within emberkeep's own calls, whatever JAX is set to outside.

The setting is JAX's own, of this thread alone, and is the user's again when a call ends, and while
a function of the user's is called.

JAX has no types to speak of.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])


def is_double() -> bool:
    """Whether JAX computes in double precision here and now, in this thread."""
    return bool(import_module("jax").config.jax_enable_x64)


@contextmanager
def precision(*, double: bool) -> Generator[None]:
    """JAX computes in double precision, or does not, in this thread until the end of the block."""
    with import_module("jax").enable_x64(double):
        yield


def in_double(function: F) -> F:
    """A function that computes in double precision, also where JAX calls it later."""

    @wraps(function)
    def doubly(*args: Any, **kwargs: Any) -> Any:
        with precision(double=True):
            return function(*args, **kwargs)

    return doubly  # pyright: ignore[reportReturnType] - as typed as what is given


def rounding(function: F) -> F:
    """A function that computes in double precision; its array is as precise as JAX is set to."""

    @wraps(function)
    def rounded(*args: Any, **kwargs: Any) -> Any:
        double = is_double()
        with precision(double=True):
            found = function(*args, **kwargs)
            return found if double else found.astype("float32")

    return rounded  # pyright: ignore[reportReturnType] - as above


def as_set_now(function: Callable[..., Any]) -> Callable[..., Any]:
    """A user's function, called with the setting that is in force now."""
    double = is_double()

    @wraps(function)
    def as_set(*args: Any, **kwargs: Any) -> Any:
        with precision(double=double):
            return function(*args, **kwargs)

    return as_set
