"""What inference needs that emberkeep alone does not bring."""

from __future__ import annotations

from importlib import import_module

from emberkeep.errors import InvalidPlan, TargetUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def require(name: str) -> Any:
    """Import a module of the extra ``jax``.

    Raises:
        TargetUnavailable: it is not installed; says how to.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as problem:
        raise TargetUnavailable(
            f"Inference needs {name.partition('.')[0]}, which cannot be imported here ({problem}). "
            "Install it: pip install 'emberkeep[inference]'"
        ) from problem


def require_float64() -> None:
    """Densities are of double precision, and JAX has to allow it.

    Raises:
        InvalidPlan: it does not.
    """
    if not require("jax").config.jax_enable_x64:
        raise InvalidPlan(
            "JAX computes in single precision here, in which likelihoods of many observations have "
            "no digits left. Before anything else: jax.config.update('jax_enable_x64', True)"
        )
