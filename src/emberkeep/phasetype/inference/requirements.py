"""What inference needs that emberkeep alone does not bring."""

from __future__ import annotations

from importlib import import_module

from emberkeep.errors import TargetUnavailable

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
