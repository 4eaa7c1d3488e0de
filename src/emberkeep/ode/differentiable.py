"""The way from a solver to what needs JAX, which is an extra."""

from __future__ import annotations

import math

from emberkeep.errors import InvalidPlan, TargetUnavailable
from emberkeep.ode.tolerances import ATOL, MAX_STEPS, RTOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.ode.control.controller import Controller
    from emberkeep.ode.jax_solution import JaxSolution
    from emberkeep.ode.solver import Solver

FORWARD, ADJOINT = GRADIENTS = ("forward", "adjoint")


def jax_function(  # noqa: PLR0913 - what a solve is, all of it by name
    solver: Solver,
    t_span: tuple[float, float],
    *,
    save_at: Any = None,
    parameters: Mapping[str, float] | None = None,
    initial: Mapping[str, float] | None = None,
    drivers: Mapping[str, Any] | None = None,
    rtol: float = RTOL,
    atol: Any = ATOL,
    dt: float | None = None,
    dt_min: float = 0.0,
    dt_max: float = math.inf,
    max_steps: int = MAX_STEPS,
    controller: str | Controller | None = None,
    gradients: str = FORWARD,
) -> JaxSolution:
    """A solution as a function that JAX calls and differentiates, once.

    It works under `jit`, `grad`, `jacfwd`, `jacrev` and `vmap`, in double precision. What it is
    given is an array: values of the solver's ``sensitivities=``, in their order. It gives states
    and observables by name, at the times to save or at the end. A batch, by `vmap`, is one solve.

    Args:
        solver: with ``sensitivities=``, which say what it is a function of.
        t_span: start and end.
        save_at: times to save, or an interval between them; only the end where None.
        parameters: values of others, by name.
        initial: initial values of others, likewise.
        drivers: samples of what drives the system.
        rtol: see `Solver.solve`, for this and all that follows.
        atol: likewise.
        dt: likewise.
        dt_min: likewise.
        dt_max: likewise.
        max_steps: likewise.
        controller: likewise.
        gradients: ``"forward"``, by sensitivities, which cost as many solves as there are names; or
            ``"adjoint"``, for `grad`, `jacrev` and `vjp` alone, which cost a few solves however
            many names there are.

    Raises:
        InvalidPlan: something asked for cannot be; says what to do.
        TargetUnavailable: JAX is not installed.
    """
    if not solver.sensitivities:
        raise InvalidPlan(
            f"{solver!r} has no sensitivities, and so nothing that JAX could differentiate by. "
            "Pass ode.Solver(…, sensitivities=[names]) of what the function is to be given"
        )
    twice = [
        name for name in solver.sensitivities if name in {**(parameters or {}), **(initial or {})}
    ]
    if twice:
        raise InvalidPlan(
            f"{', '.join(twice)} is given, and is what the function is of. Leave it out there, or "
            "in sensitivities="
        )
    if gradients not in GRADIENTS:
        raise InvalidPlan(
            f"gradients={gradients!r} is not known; expected 'forward', or 'adjoint' where there "
            "are many names"
        )
    try:
        from emberkeep.ode.jax_solution import JaxSolution
    except ImportError as problem:
        if (problem.name or "").partition(".")[0] not in ("jax", "jaxlib"):
            raise
        raise TargetUnavailable(
            "Functions for JAX need JAX, which is not installed: pip install 'emberkeep[xla]'"
        ) from problem
    given = {
        "save_at": save_at,
        "drivers": drivers,
        "rtol": rtol,
        "atol": atol,
        "dt": dt,
        "dt_min": dt_min,
        "dt_max": dt_max,
        "max_steps": max_steps,
        "controller": controller,
    }
    others = dict(parameters or {}), dict(initial or {})
    return JaxSolution(solver, t_span, *others, given, is_adjoint=gradients == ADJOINT)
