"""What is compiled: a system, a method, and what is wanted of it; no number is part of it."""

from __future__ import annotations

from emberkeep.errors import InvalidPlan
from emberkeep.ode.methods import chosen, interpolates_constraints, require_fit
from emberkeep.ode.outputs import EVENTS, is_sampled, listed, ordered
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from emberkeep.ode.events.planned import PlannedEvent
    from emberkeep.ode.methods import Method
    from emberkeep.ode.summary import Summary
    from emberkeep.ode.system.system import System

CHOSEN, FIXED = "chosen", "fixed"  # steps: by the error, or of one length
# Such steps that were recorded, from the last to the first.
REVERSED = {CHOSEN: "chosen, reversed", FIXED: "fixed, reversed"}
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
        stepping: `CHOSEN`, by the error, `FIXED`, or either `REVERSED`.
        outputs: what is kept of each trajectory.
        precision: ``"float64"`` or ``"float32"``.
        events: what is looked for, and what it does.
        by: where steps are reversed, names of the parameters that there are derivatives by.
    """

    system: System
    tableau: Method
    stepping: str
    outputs: tuple[str | Summary, ...]
    precision: str
    events: tuple[PlannedEvent, ...] = ()
    by: tuple[str, ...] = ()

    @property
    def is_adaptive(self) -> bool:
        """Whether steps are chosen by the error."""
        return self.stepping == CHOSEN

    @property
    def is_reversed(self) -> bool:
        """Whether recorded steps are gone through from the last to the first."""
        return self.stepping in REVERSED.values()

    @property
    def interpolates(self) -> bool:
        """Whether values within steps are as accurate; else these end at times to save."""
        if self.system.has_mass:
            return interpolates_constraints(self.tableau)
        return self.tableau.interpolates

    @property
    def is_sampled(self) -> bool:
        """Whether values are wanted at times to save."""
        return any(map(is_sampled, self.outputs))


def make_plan(
    system: System,
    *,
    method_name: str | Method,
    outputs: Iterable[str | Summary] | None,
    precision: str,
    saves: bool,
    stepping: str | None = None,
    events: tuple[PlannedEvent, ...] = (),
) -> Plan:
    """A plan with its defaults resolved.

    Args:
        system: what is integrated.
        method_name: any name of a method, or a tableau of the user's own.
        outputs: what is wanted; None for states where there are times to save them at, else the
            final ones, and for events where there are any.
        precision: any name of it.
        saves: whether there are times to save states at.
        stepping: `CHOSEN` or `FIXED`; None for the former where the method estimates its error.
        events: what is looked for.

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
        outputs = (*outputs, EVENTS) if events else outputs
    wanted = ordered(listed(outputs))
    sampled = [output for output in wanted if is_sampled(output)]
    if saves != bool(sampled):
        first = sampled and (sampled[0] if isinstance(sampled[0], str) else sampled[0].name)
        raise InvalidPlan(
            f"outputs contains {first!r}, and there are no times to save it at. Pass save_at=…"
            if sampled
            else "save_at was passed, and outputs does not contain 'states', nor a summary such as "
            "'mean'. Add one, or leave out save_at"
        )
    if system.has_mass:
        require_fit(tableau, system.name)
    if stepping == FIXED and "step_times" in wanted:
        raise InvalidPlan(
            f"outputs contains 'step_times', and the steps of {tableau.name} have a fixed length "
            "here: they end every dt. Leave it out, or choose an adaptive method"
        )
    if EVENTS in wanted and not events:
        raise InvalidPlan(
            f"outputs contains {EVENTS!r}, and there are none. Pass events=[ode.Event(…)] to Solver"
        )
    if events and stepping == FIXED:
        raise InvalidPlan(
            f"Events are found in steps whose length is chosen, and those of {tableau.name} are "
            "fixed here. Choose an adaptive method such as 'tsit5'; or leave out "
            "controller='fixed'"
        )
    plan = Plan(system, tableau, stepping, wanted, known, events)
    if not plan.interpolates and any(each.when is not None for each in events):
        raise InvalidPlan(
            f"Where in a step something occurs is found on values within it, and those of "
            f"{tableau.name} are less accurate than its steps. Choose a method that has its own: "
            "'tsit5' or 'vern7'; for stiff systems 'rodas5pe', 'bdf', or 'rosenbrock23'"
        )
    return plan


def compiled(plan: Plan) -> Plan:
    """The plan whose code gives what this one asks for, and more where that costs nothing.

    Steps of fixed length end where states are saved: one code saves them, or none. Among
    chosen steps, states are saved by interpolation, for which each step has to leave its stages.
    That takes a fifth of the time, so code for final states alone is code of its own.
    """
    if plan.is_reversed:
        return plan
    saves = "states" in plan.outputs or not (plan.is_adaptive or plan.is_sampled)
    outputs = ("states", "final") if saves else ("final",)
    more = [output for output in plan.outputs if output not in ("states", "final")]
    return replace(plan, {"outputs": (*outputs, *more)})
