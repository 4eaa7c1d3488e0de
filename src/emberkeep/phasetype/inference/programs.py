"""What is compiled, and how: the only place where that is chosen.

All numbers are arguments of these programs: the model, the data, the prior, particles, keys and
learning rates. Only structure is compiled in.
"""

from __future__ import annotations

from emberkeep.phasetype.inference.problem import scores
from emberkeep.phasetype.inference.requirements import require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

QUICKLY = {"xla_backend_optimization_level": 0}

_made: dict[object, Callable[..., Any]] = {}


def compiled(function: Callable[..., Any], name: str, *, quickly: bool) -> Callable[..., Any]:
    """A program of a function all of whose arguments are data.

    Args:
        function: what it computes.
        name: what it is called.
        quickly: whether it is so large, and so little of its time is its own, that it is better
            compiled soon than well.
    """
    del name  # of the executable in the keep
    return require("jax").jit(function, compiler_options=QUICKLY if quickly else None)


def program(
    key: object, make: Callable[[], Callable[..., Any]], name: str, *, quickly: bool = False
) -> Callable[..., Any]:
    """The program of a structure, made once a process."""
    if key not in _made:
        _made[key] = compiled(make(), name, quickly=quickly)
    return _made[key]


def evaluate(problem: Any, points: Any) -> tuple[Any, Any]:
    """Log densities and their gradients at points."""
    return program("scores", lambda: scores, "scores")(problem, points)
