"""``method="auto"``: an explicit method or an implicit one, by trying both on a few trajectories.

The rule. Up to sixteen trajectories, spread over the batch, are integrated by the explicit method,
for some thousands of attempts of a step at most. Where all of them end within a few hundred, it is
chosen. Else the same trajectories are integrated by the implicit method. Attempts are extended to
the end of the span where a trajectory did not come that far. An attempt of an implicit step counts
as several explicit ones, and as more of them the more states there are. The kind that needs less is
chosen, for the whole batch. Where equations are algebraic, it is the implicit one without trying.

A multistep method takes its place where factors fill in, on a CPU, and little is tolerated.
Measured at equal error (`benchmarks/stiff_large.py`), it takes two thirds to a quarter of the time
there; and longer where factors are sparse, or 1e-4 is enough.
"""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan, InvalidSystem
from emberkeep.ode.kernel.call import PRODUCTS
from emberkeep.ode.methods import FIRST_TRIED, FITTING
from emberkeep.ode.outputs import REACHED, ordered
from emberkeep.startup_records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from emberkeep.ode.plan import Plan
    from emberkeep.ode.running.job import Job, Runner

    Values = np.ndarray[Any, Any]

EXPLICIT, IMPLICIT = FIRST_TRIED, "rodas5p"
# Where values within steps are wanted: its estimate is of these too.
IMPLICIT_WITHIN = FITTING
# Where factors take so many products a state, at this tolerance and below.
FILLED_IN, PRECISE, MULTISTEP = 100, 1e-6, "bdf"
# Below this tolerance, an explicit method of higher order takes fewer evaluations.
TIGHT, EXPLICIT_TIGHT = 1e-8, "vern7"

TRIED = 16  # trajectories
FEW = 300  # attempts: so few are explicit steps of what is not stiff
MOST = 5000
# What an implicit attempt counts as: measured, it takes 1.2 to 5.9 times as long as an explicit one
# with 3 to 128 states of sparse systems, and not more the more there are.
WORTH = 5.0


def choose(job_of: Callable[[str], Job], runner: Runner, rtol: float) -> Job:
    """What is to be done, by the method that takes less work.

    Args:
        job_of: what is to be done, by a method.
        runner: of the machine.
        rtol: tolerated relative error of a step.

    Raises:
        InvalidPlan: steps have a fixed length, so that nothing tells methods apart.
    """
    explicit = job_of(EXPLICIT_TIGHT if rtol < TIGHT else EXPLICIT)
    if not explicit.plan.is_adaptive:
        raise InvalidPlan(
            "method='auto' is chosen by how many steps errors ask for, and steps are fixed here. "
            "Name a method, or leave out controller='fixed'"
        )
    needed = _attempts(explicit, runner)
    if needed.max() <= FEW:
        return explicit
    try:
        implicit = job_of(IMPLICIT_WITHIN if _needs_within(explicit.plan) else IMPLICIT)
        needed_then = _attempts(implicit, runner)
    except InvalidSystem:  # it has no Jacobian
        return explicit
    if needed.mean() <= WORTH * needed_then.mean():
        return explicit
    if rtol > PRECISE or not _fills_in(implicit, runner):
        return implicit
    try:
        return job_of(MULTISTEP)
    except InvalidPlan:  # a controller is asked for that it does not go by
        return implicit


def choose_for_constraints(job_of: Callable[[str], Job]) -> Job:
    """The same where equations are algebraic: implicit methods alone fit."""
    implicit = job_of(IMPLICIT_WITHIN)
    return implicit if _needs_within(implicit.plan) else job_of(IMPLICIT)


def _needs_within(plan: Plan) -> bool:
    """Whether values within steps are wanted."""
    return plan.is_sampled or bool(plan.events)


def _fills_in(implicit: Job, runner: Runner) -> bool:
    """Whether factors fill in, so that to factor takes most of a step's time."""
    products = runner.notes(_tried(implicit.plan)).get(PRODUCTS, 0)
    return products >= FILLED_IN * len(implicit.plan.system.states)


def _tried(plan: Plan) -> Plan:
    """What is wanted of a trial: where it came, and how."""
    return replace(plan, {"outputs": ordered(("final", "steps", REACHED))})


def _attempts(job: Job, runner: Runner) -> Values:
    """How many attempts of a step some trajectories take, or would to the end of their spans."""
    probe = replace(job, {"plan": _tried(job.plan), "max_steps": min(job.max_steps, MOST)})
    runs = job.batch.runs
    chosen = np.unique(np.linspace(0, runs - 1, min(runs, TRIED)).astype(int))
    parts = [(int(run), int(run) + 1) for run in chosen]
    attempts: list[float] = []
    for (run, _), outcome in zip(parts, runner.run(probe, parts, None), strict=True):
        taken = float(outcome.results["steps"].sum())
        starts, ends = job.times.starts, job.times.ends
        start, end = (float(each[run if each.size > 1 else 0]) for each in (starts, ends))
        came = abs(float(outcome.results[REACHED][0]) - start)
        span = abs(end - start)
        has_ended = outcome.status[0] == 0 or span == 0
        attempts.append(taken if has_ended else taken * span / max(came, span * 1e-9))
    return np.array(attempts)
