"""Keeping what users compile with their own `@njit` and `@cuda.jit`."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

from emberkeep.errors import InvalidKernel, StoreWarning
from emberkeep.keep.default import default_keep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from emberkeep.keep.keep import Keep


KIND = "generated"
# Who notes what is kept, the innermost last: what a file declares is built ahead.
_declaring: list[list[tuple[Any, tuple[Any, ...]]]] = []


@contextmanager
def declaring() -> Generator[list[tuple[Any, tuple[Any, ...]]]]:
    """Note what is kept and for which signatures, and compile nothing of it: it is built ahead."""
    noted: list[tuple[Any, tuple[Any, ...]]] = []
    _declaring.append(noted)
    try:
        yield noted
    finally:
        _declaring.remove(noted)


def keep_kernel(
    dispatcher: Any = None,
    *signatures: Any,
    keep: Keep | None = None,
    name: str | None = None,
    kind: str = KIND,
) -> Any:
    """Keep what a dispatcher of numba's compiles; returns the dispatcher.

    In place of ``cache=True``: keyed by what the function does, with all that it calls, wherever
    that is written; kept as machine code and JSON; sealed and checked. It is compiled together with
    all that it calls, as that is now; and compiled again where any of it was redefined, which each
    call asks. (A call from other compiled code cannot ask.)

    ::

        @emberkeep.keep_kernel
        @numba.njit(parallel=True)
        def simulate(x): ...

        @emberkeep.keep_kernel(name="simulate, in single precision", kind="solvers")
        @numba.njit
        def simulate32(x): ...

    Args:
        dispatcher: of `@njit` or `@cuda.jit`, without signatures: numba compiles for those at once,
            before this is called. Declare them here instead. Left out, this is a decorator.
        signatures: to compile for now, or to load.
        keep: where; by default the user's own keep.
        name: what it is called in the keep; by default the function's own name.
        kind: a folder of the keep for kernels of one sort.

    Raises:
        InvalidKernel: it is no dispatcher.
    """
    if dispatcher is None or isinstance(dispatcher, str):
        declared = signatures if dispatcher is None else (dispatcher, *signatures)

        def decorate(decorated: Any) -> Any:
            return keep_kernel(decorated, *declared, keep=keep, name=name, kind=kind)

        return decorate
    if not hasattr(dispatcher, "py_func") or not hasattr(dispatcher, "_cache"):
        raise InvalidKernel(
            f"{dispatcher!r} is a {type(dispatcher).__qualname__}. keep_kernel takes what @njit or "
            "@cuda.jit has made; for plain functions there is emberkeep.kernel"
        )
    is_cuda = type(dispatcher).__module__.startswith("numba.cuda")
    if is_cuda and dispatcher.targetoptions.get("device"):
        raise InvalidKernel(
            f"{dispatcher.py_func.__name__} is a device function. It is compiled within each "
            "kernel that calls it: keep those"
        )
    if dispatcher.overloads and not signatures:
        warnings.warn(
            f"{dispatcher.py_func.__name__} is compiled already, before it could be kept. Write "
            "its signatures in keep_kernel(…, 'float64(float64)') rather than in the decorator",
            StoreWarning,
            stacklevel=2,
        )
    chosen = keep or default_keep()
    if is_cuda:
        from emberkeep.targets.numba_caches.cuda import attach
    else:
        from emberkeep.targets.numba_caches.cpu import attach
    attach(dispatcher, chosen, (kind, name or dispatcher.py_func.__name__))
    if _declaring:
        _declaring[-1].append((dispatcher, signatures))
        return dispatcher
    for signature in signatures:
        dispatcher.compile(signature)
    return dispatcher
