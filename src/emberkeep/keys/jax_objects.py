"""Functions as JAX wraps them: `jax.jit`, `custom_jvp`, `custom_vjp`, by what they wrap and how.

Nothing here imports JAX: where it is not loaded, no value can be one of its objects.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools

from emberkeep.errors import Unkeyable
from emberkeep.keys.fingerprint import branch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.visitor import Visitor

# What `jax.jit` was told that changes what is traced.
_TOLD = (
    "static_argnums",
    "static_argnames",
    "donate_argnums",
    "donate_argnames",
    "keep_unused",
    "inline",
    "compiler_options_kvs",
)
_LISTS = ("in_shardings_leaves", "out_shardings_leaves", "in_layouts_leaves", "out_layouts_leaves")


def describe_jax(value: Any, path: str, walk: Visitor) -> Fingerprint | None:
    """A function that JAX has wrapped; None for anything else."""
    kind = type(value)
    if kind.__name__ == "PjitFunction" and kind.__module__.partition(".")[0] == "jaxlib":
        return walk.met(value) or _jitted(value, path, walk)
    derivatives = "jax._src.custom_derivatives"
    if kind.__module__ == derivatives and kind.__name__ in ("custom_jvp", "custom_vjp"):
        return walk.met(value) or _with_derivative(kind.__name__, value, path, walk)
    return None


def _jitted(value: Any, path: str, walk: Visitor) -> Fingerprint | None:
    told: Any = getattr(value, "_jit_info", None)
    function = getattr(value, "__wrapped__", None)
    if function is None or any(not hasattr(told, name) for name in (*_TOLD, *_LISTS)):
        return None  # a JAX that says it in another way
    where = [told.device, told.backend]
    where += [leaf for name in _LISTS for leaf in getattr(told, name)]
    if any(item is not None and type(item).__name__ != "UnspecifiedValue" for item in where):
        raise Unkeyable(
            path,
            "is jitted for devices, shardings or layouts of its own",
            "Leave those out of jax.jit, and put the arguments where they are to be used",
        )
    options = {name: getattr(told, name) for name in _TOLD}
    children = [
        ("function", walk.compile_time(function, f"{path}.__wrapped__")),
        ("options", walk.compile_time(options, f"{path} options")),
    ]
    return branch("jax jit", children)


def _with_derivative(kind: str, value: Any, path: str, walk: Visitor) -> Fingerprint:
    """The function, its derivative, and what is said of both."""
    copied = {"__wrapped__", *functools.WRAPPER_ASSIGNMENTS}
    held = {name: item for name, item in sorted(vars(value).items()) if name not in copied}
    children = [(name, walk.compile_time(item, f"{path}.{name}")) for name, item in held.items()]
    return branch(f"jax {kind}", children)
