"""XLA executables kept whole: loaded again without tracing, lowering or pickle.

::

    kept.py           the callable: signature → keep → program → JAX's own dispatch
    calls.py          a call's signature, and what of it is in the plan key
    environment.py    the build key: versions, JAX's options, device, processor
    trees.py          pytrees as values for keys, and as JSON
    serialisation.py  compiled program ↔ blobs
    internals.py      everything of JAX that is not public
"""

from __future__ import annotations

from emberkeep.xla.executables.kept import Kept, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from emberkeep.keep.keep import Keep

__all__ = ["Kept", "kept"]


def kept(  # noqa: PLR0913 - options, each given by its name
    function: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    spec: object = None,
    keep: Keep | None = None,
    verify: bool = False,
    donate: int | Sequence[int] = (),
    static: int | str | Sequence[int | str] = (),
    requires: Sequence[Callable[[], object]] = (),
    compiler_options: Mapping[str, object] | None = None,
) -> Any:
    """`jax.jit` whose compiled programs are kept whole.

    Programs are of what the function, and all that it reaches, is now: each call asks whether any
    of it was redefined or changed since, unless there is a spec.

    For each signature (structure, shapes and types of the arguments) the program is loaded from
    the keep, without tracing or lowering, or compiled and kept. Calls go through JAX's own
    dispatch. Within another trace (`jit`, `grad`, `vmap`) it is the function itself.

    Args:
        function: computes with arrays, as for `jax.jit`; left out, this is a decorator.
        name: what it is called in the keep; by default the function's own name.
        spec: values that say exactly what the function computes. The function's code is then not
            looked at: where it changes, the spec has to. Without it, the function is keyed by what
            it does (see "Exact keys").
        keep: where programs are kept; by default in the user's.
        verify: lower the function all the same, and take no program that was made from another
            text. Saves compiling only.
        donate: positions of arguments whose memory results may take.
        static: positions or names of arguments that are values of the program, not arrays.
        requires: called before a program is traced or loaded, to register what it calls (foreign
            functions). What they return, such as the registered name, belongs to the key.
        compiler_options: XLA's, as for `jax.jit`.

    Raises:
        TargetUnavailable: at the first call, where JAX is not installed.
    """
    options = Options(
        name=name,
        spec=spec,
        keep=keep,
        verify=verify,
        donate=(donate,) if isinstance(donate, int) else tuple(donate),
        static=(static,) if isinstance(static, (int, str)) else tuple(static),
        requires=tuple(requires),
        compiler_options=dict(compiler_options or {}),
    )

    def decorate(decorated: Callable[..., Any]) -> Kept:
        return Kept(decorated, options)

    return decorate if function is None else decorate(function)
