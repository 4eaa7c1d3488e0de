"""What is compiled: a system, a method, and what is wanted of it; no number is part of it."""

from __future__ import annotations

from emberkeep.errors import InvalidPlan
from emberkeep.ode.methods import chosen
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from emberkeep.ode.methods.tableau import Tableau
    from emberkeep.ode.system.system import System

SUMMARY_NAMES = ("mean", "std", "rms", "min", "max", "max_abs")  # of values at times to save
OUTPUTS = ("states", "final", "steps", *SUMMARY_NAMES)
SAMPLED = frozenset({"states", *SUMMARY_NAMES})  # they need times to save
CHOSEN, FIXED = "chosen", "fixed"  # steps: by the error, or of one length
PRECISIONS = {
    "float64": "float64",
    "double": "float64",
    "f64": "float64",
    "float32": "float32",
    "single": "float32",
    "f32": "float32",
}


@final
@frozen
class Plan:
    """One computation.

    Attributes:
        system: what is integrated.
        tableau: the method's numbers.
        stepping: `CHOSEN`, by the error, or `FIXED`.
        outputs: what is kept of each trajectory.
        precision: ``"float64"`` or ``"float32"``.
    """

    system: System
    tableau: Tableau
    stepping: str
    outputs: tuple[str, ...]
    precision: str

    @property
    def is_adaptive(self) -> bool:
        """Whether steps are chosen by the error."""
        return self.stepping == CHOSEN

    @property
    def is_sampled(self) -> bool:
        """Whether values are wanted at times to save."""
        return not SAMPLED.isdisjoint(self.outputs)


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
    system: System,
    *,
    method_name: str | Tableau,
    outputs: Iterable[str] | None,
    precision: str,
    saves: bool,
    stepping: str | None = None,
) -> Plan:
    """A plan with its defaults resolved.

    Args:
        system: what is integrated.
        method_name: any name of a method, or a tableau of the user's own.
        outputs: what is wanted; None for states where there are times to save them at, else the
            final ones.
        precision: any name of it.
        saves: whether there are times to save states at.
        stepping: `CHOSEN` or `FIXED`; None for the former where the method estimates its error.

    Raises:
        InvalidPlan: names what cannot be.
    """
    tableau = chosen(method_name)
    if stepping is None:
        stepping = CHOSEN if tableau.is_adaptive else FIXED
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
    sampled = wanted & SAMPLED
    if saves != bool(sampled):
        raise InvalidPlan(
            f"outputs contains {min(sampled)!r}, and there are no times to save it at. Pass "
            "save_at=…"
            if sampled
            else "save_at was passed, and outputs does not contain 'states', nor a summary such as "
            "'mean'. Add one, or leave out save_at"
        )
    ordered = tuple(output for output in OUTPUTS if output in wanted)
    return Plan(system, tableau, stepping, ordered, known)


def compiled(plan: Plan) -> Plan:
    """The plan whose code gives what this one asks for, and more where that costs nothing.

    Steps of fixed length end where states are saved: one code saves them, or none. Among
    chosen steps, states are saved by interpolation, for which each step has to leave its stages.
    That takes a fifth of the time, so code for final states alone is code of its own.
    """
    saves = "states" in plan.outputs or not (plan.is_adaptive or plan.is_sampled)
    outputs = ("states", "final") if saves else ("final",)
    more = [name for name in plan.outputs if name not in ("states", "final")]
    return replace(plan, {"outputs": (*outputs, *more)})
