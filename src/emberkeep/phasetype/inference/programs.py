"""What is compiled, and how: the only place where that is chosen.

All numbers are arguments of these programs: the model, the data, the prior, particles, keys and
learning rates. Only structure is compiled in.
"""

from __future__ import annotations

from emberkeep.keys.toolchain import toolchain
from emberkeep.phasetype.inference.density import scores
from emberkeep.xla import kept
from emberkeep.xla.precision import in_double

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

# What writes these programs, besides JAX.
LIBRARIES = ("optax", "blackjax", "numpyro")
OWN = ("emberkeep.phasetype.inference", "emberkeep.phasetype.differentiable")
QUICKLY = {"xla_backend_optimization_level": 0}

_made: dict[object, Callable[..., Any]] = {}  # in this process, by name and structure


def compiled(
    function: Callable[..., Any], name: str, spec: object, *, quickly: bool
) -> Callable[..., Any]:
    """A program of a function all of whose arguments are data; kept whole, in double precision.

    Args:
        function: what it computes.
        name: what it is called in the keep.
        spec: what is compiled in, beyond emberkeep's own code and the structure of arguments.
        quickly: whether it is so large, and so little of its time is its own, that it is better
            compiled soon than well.
    """
    made_by = toolchain(LIBRARIES, own=OWN)
    return in_double(
        kept(
            function,
            name=name,
            spec={"program": name, "compiled in": spec, "made by": made_by.ingredients},
            requires=(_kernels,),
            compiler_options=QUICKLY if quickly else None,
        )
    )


def _kernels() -> str:
    """Make known to XLA what models call; a part of the key."""
    from emberkeep.phasetype.differentiable.primitives import register

    return " ".join(register())


def program(
    name: str, spec: Hashable, make: Callable[[], Callable[..., Any]], *, quickly: bool = False
) -> Callable[..., Any]:
    """The program of a structure, made once a process."""
    if (name, spec) not in _made:
        _made[name, spec] = compiled(make(), name, spec, quickly=quickly)
    return _made[name, spec]


def evaluate(problem: Any, points: Any) -> tuple[Any, Any]:
    """Log densities and their gradients at points."""
    return program("scores", (), lambda: scores)(problem, points)
