"""What is compiled: a system, a method, and what is wanted of it; no number is part of it."""

from __future__ import annotations

from emberkeep.errors import InvalidPlan
from emberkeep.ode.control import controller_for
from emberkeep.ode.methods import method
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from emberkeep.ode.methods.tableau import Tableau
    from emberkeep.ode.system.system import System

OUTPUTS = ("states", "final")
SETTINGS = 7  # of the numbers that a kernel is given: those before the absolute tolerances
PRECISIONS = {
    "float64": "float64",
    "double": "float64",
    "f64": "float64",
    "float32": "float32",
    "single": "float32",
    "f32": "float32",
}

ADAPTIVE = (
    "int64, int64, int64, real[::1], int64[::1], real[::1], real[::1], int64, int64[::1], "
    "{work}real[:, :, ::1], real[:, ::1], int8[::1]"
)
FIXED = (
    "int64, int64, real[::1], int64[::1], int64[::1], real[::1], real[::1], int64[::1], "
    "real[::1], int64[::1], {work}real[:, :, ::1], real[:, ::1], int8[::1]"
)


@final
@frozen
class Plan:
    """One computation.

    Attributes:
        system: what is integrated.
        tableau: the method's numbers.
        controller: how steps are chosen.
        outputs: what is kept of each trajectory.
        precision: ``"float64"`` or ``"float32"``.
    """

    system: System
    tableau: Tableau
    controller: str
    outputs: tuple[str, ...]
    precision: str


def listed_outputs(outputs: Iterable[str]) -> tuple[str, ...]:
    """Outputs as a tuple; one alone may be given as text."""
    listed: Any = (outputs,) if isinstance(outputs, str) else outputs
    if isinstance(listed, list | tuple | set | frozenset) and all(
        isinstance(name, str)
        for name in listed  # pyright: ignore[reportUnknownVariableType]
    ):
        return (*listed,)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise InvalidPlan(f"outputs={outputs!r} must be names; expected any of {', '.join(OUTPUTS)}")


def make_plan(
    system: System, *, method_name: str, outputs: Iterable[str] | None, precision: str, saves: bool
) -> Plan:
    """A plan with its defaults resolved.

    Args:
        system: what is integrated.
        method_name: any name of a method.
        outputs: what is wanted; None for states where there are times to save them at, else the
            final ones.
        precision: any name of it.
        saves: whether there are times to save states at.

    Raises:
        InvalidPlan: names what cannot be.
    """
    tableau = method(method_name)
    known = PRECISIONS.get(str(precision))
    if known is None:
        raise InvalidPlan(f"precision={precision!r} is not known; expected 'float64' or 'float32'")
    if outputs is None:
        outputs = ("states",) if saves else ("final",)
    wanted = set(listed_outputs(outputs))
    unknown = wanted - set(OUTPUTS)
    if unknown or not wanted:
        raise InvalidPlan(
            f"outputs={sorted(wanted)!r} is not known; expected any of {', '.join(OUTPUTS)}"
        )
    if saves != ("states" in wanted):
        raise InvalidPlan(
            "outputs contains 'states', and there are no times to save them at. Pass save_at=…"
            if "states" in wanted
            else "save_at was passed, and outputs does not contain 'states'. Add it, or leave out "
            "save_at"
        )
    ordered = tuple(output for output in OUTPUTS if output in wanted)
    return Plan(system, tableau, controller_for(tableau), ordered, known)


def compiled(plan: Plan) -> Plan:
    """The plan whose code gives what this one asks for, and more where that costs nothing.

    Steps of fixed length end where states are saved: one code writes what there is room for. Among
    chosen steps, states are saved by interpolation, for which each step has to leave its stages.
    That takes a fifth of the time, so code for final states alone is code of its own.
    """
    saves = not plan.tableau.is_adaptive or "states" in plan.outputs
    return replace(plan, {"outputs": OUTPUTS if saves else ("final",)})


def signature(plan: Plan, *, on_device: bool) -> str:
    """Types of the generated kernel's arguments, without the index."""
    text = ADAPTIVE if plan.tableau.is_adaptive else FIXED
    places = ", int64[::1]" if plan.tableau.is_adaptive else ""
    work = "" if on_device else f"real[::1]{places}, "
    return text.format(work=work).replace("real", plan.precision)
