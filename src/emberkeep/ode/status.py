"""How a trajectory can end; the same numbers stand in the generated code."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SUCCESS, STEP_TOO_SMALL, NOT_FINITE, TOO_MANY_STEPS, STIFF = 0, 1, 2, 3, 4
SINGULAR, NO_JACOBIAN, NOT_CONVERGED, EVENT_STORM, INCONSISTENT = 5, 6, 7, 8, 9
RUNNING = -1  # it has not ended
# Ends that are no failures are negative: so the largest code tells whether there was one.
ENDED_BY_EVENT = -2

MEANINGS = {
    SUCCESS: "succeeded",
    STEP_TOO_SMALL: "needed a step too small to change the time, or below dt_min: a singularity, "
    "or too fast a change",
    NOT_FINITE: "reached infinity or not-a-number",
    TOO_MANY_STEPS: "took more than max_steps",
    ENDED_BY_EVENT: "ended at an event",
    STIFF: "turned out stiff: what decays fast keeps steps of explicit methods short long after it "
    "is gone, and max_steps or dt_min forbids them",
    SINGULAR: "met a linear system that is singular to rounding, however short the step",
    NO_JACOBIAN: "met a Jacobian that is infinite or not-a-number, where the slopes are not",
    NOT_CONVERGED: "had implicit stages that did not converge, however short the step",
    EVENT_STORM: "came upon events that follow one another without time going on",
    INCONSISTENT: "began, or went on behind a jump or an event, with values for which no solution "
    "of the algebraic equations was found",
}
# What there is to do about each.
REMEDIES = {
    STEP_TOO_SMALL: "End the span before a singularity, or loosen rtol and atol.",
    NOT_FINITE: "Look at the equations there: a division by zero, a root or logarithm of what "
    "became negative, or growth without bound; with fixed steps, try a smaller dt.",
    TOO_MANY_STEPS: "Raise max_steps, or loosen rtol and atol.",
    STIFF: "Solve stiff systems by an implicit method, such as method='rodas5p'; or end the span "
    "earlier, or raise max_steps many times.",
    SINGULAR: "Look whether the equations determine all states there; with fixed steps, try "
    "another dt.",
    NO_JACOBIAN: "Look for roots, logarithms or powers of what becomes zero: their slope is "
    "infinite there. Write them so that it is not, or choose an explicit method.",
    INCONSISTENT: "Begin nearer to a solution: what has a derivative keeps its initial value, and "
    "what has none is found from there. Look whether the equations determine it.",
    NOT_CONVERGED: "Look for jumps that depend on states; try a Rosenbrock method, such as "
    "'rodas5p', which does not iterate; with fixed steps, try a smaller dt.",
    EVENT_STORM: "Actions that bring about their own event again, at shorter and shorter "
    "distances, have no end: end such trajectories by a terminal event before, as where a ball "
    "hardly bounces any more; or let the action leave the event.",
}


def has_failed(status: Any) -> Any:
    """Whether a trajectory, or each of several, has neither succeeded nor ended at an event."""
    return (status != SUCCESS) & (status != ENDED_BY_EVENT)
