"""Gradients by adjoints: what they cost does not depend on how many parameters there are.

Each step of a trajectory is written down as it is taken; then the steps are gone through from the
last to the first, each transposed. So gradients are exact to the discretisation, as forward
sensitivities are: of the steps that were taken, whose lengths are held. Of a large batch, as many
trajectories are integrated once more, and written down, at once as there is memory for.
"""

from __future__ import annotations

import math

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.batch import VERBATIM
from emberkeep.ode.memory import budget
from emberkeep.ode.methods.implicit import ImplicitTableau
from emberkeep.ode.methods.multistep import MultistepTableau
from emberkeep.ode.outputs import GRADIENT, GRADIENT_WITHIN, RECORDED
from emberkeep.ode.plan import REVERSED
from emberkeep.ode.running.job import Rows
from emberkeep.ode.running.results import result_of
from emberkeep.ode.status import SUCCESS
from emberkeep.ode.times import Times
from emberkeep.ode.tolerances import ATOL, MAX_STEPS, RTOL
from emberkeep.ode.vectors import names_of, shape_of
from emberkeep.startup_records import final, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.ode.control.controller import Controller
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.result import Result
    from emberkeep.ode.running.job import Job, Outcome, Runner
    from emberkeep.ode.solver import Solver

    Values = np.ndarray[Any, Any]

# Of records, as much as is at once in memory where there is more of it, and no trajectory needs as
# much: memory that was used before is faster than new one.
ENOUGH = 256 << 20
LEAST_ROOM = 256  # of steps, for trajectories of which nobody knows how many they take
REMEDY = (
    "Use forward sensitivities, which cost as many solves more as there are names: "
    "ode.Solver(…, sensitivities=[names]).solve(…)"
)


def vjp(  # noqa: PLR0913 - what a solve is, all of it by name
    solver: Solver,
    t_span: tuple[float, float],
    *,
    parameters: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
    drivers: Mapping[str, Any] | None = None,
    grid: str = VERBATIM,
    save_at: Any = None,
    rtol: float = RTOL,
    atol: Any = ATOL,
    dt: float | None = None,
    dt_min: float = 0.0,
    dt_max: float = math.inf,
    max_steps: int = MAX_STEPS,
    controller: str | Controller | None = None,
    safety: float | None = None,
    memory: float | str | None = None,
) -> tuple[Result, Pullback]:
    """A result, and what makes gradients of a loss's derivatives by it, by an adjoint.

    Gradients are by the solver's ``sensitivities=``, however many these are, for a few times the
    cost of a solve::

        result, pullback = ode.vjp(solver, (0, 10), save_at=times)
        gradient = pullback({"x": 2 * (result["x"] - data)})  # of a sum of squares, by name

    Args:
        solver: with ``sensitivities=``, which say what gradients are by.
        t_span: see `Solver.solve`, for this and all that follows.
        parameters: likewise.
        initial: likewise.
        drivers: likewise.
        grid: likewise.
        save_at: times that a loss is of; only the end where None.
        rtol: likewise.
        atol: likewise.
        dt: likewise.
        dt_min: likewise.
        dt_max: likewise.
        max_steps: likewise.
        controller: likewise.
        safety: likewise.
        memory: bytes, or text such as ``"8 GiB"``, that records of steps may take at once.

    Raises:
        InvalidPlan: something asked for cannot be; says what to do.
        InvalidSystem: the right-hand side jumps at times that what gradients are by moves.
    """
    made = Pullback(
        solver,
        solver.without_sensitivities().job(
            t_span,
            parameters=parameters,
            initial=initial,
            drivers=drivers,
            grid=grid,
            save_at=save_at,
            rtol=rtol,
            atol=atol,
            dt=dt,
            dt_min=dt_min,
            dt_max=dt_max,
            max_steps=max_steps,
            controller=controller,
            safety=safety,
        ),
        memory,
    )
    return made.solve(), made


@final
class Pullback:
    """What makes gradients of a loss's derivatives by what a solve gives; see `ode.vjp`.

    Args:
        solver: whose ``sensitivities=`` say what gradients are by.
        job: what is solved, without any.
        memory: that records of steps may take at once.

        room: for how many steps of a trajectory there is room at first; where some take more, all
            that were written down with them are integrated again.

    Attributes:
        names: what gradients are by.
        keys: of what a loss may be of: states, then observables.
        room: for how many steps there is room by now.
    """

    def __init__(
        self,
        solver: Solver,
        job: Job,
        memory: float | str | None = None,
        room: int = LEAST_ROOM,
    ) -> None:
        system = job.plan.system
        _require_adjoint(solver, job.plan)
        self.names, self.keys = solver.sensitivities, (*system.states, *system.observables)
        self._states = (*system.states,)
        self._job, self._plain = job, solver.without_sensitivities()
        by = tuple(name for name in self.names if name not in self._states)
        outputs = (*job.plan.outputs, "steps", RECORDED)
        self._recorded = replace(job.plan, {"outputs": outputs})
        is_within = job.plan.is_adaptive and job.plan.interpolates and job.times.saves is not None
        reverse: dict[str, object] = {
            "stepping": REVERSED[job.plan.stepping],
            "outputs": (GRADIENT_WITHIN if is_within else GRADIENT,),
            "by": by,
        }
        self._reversed = replace(job.plan, reverse)
        self._times = job.times if job.times.saves is not None else _ends_of(job.times)
        self._budget = budget(memory)
        self.room = room
        self._record: Outcome | None = None  # of all trajectories, once it is there

    def __repr__(self) -> str:
        return f"<Pullback of {self._job.plan.system.name}: by {', '.join(self.names)}>"

    def solve(self) -> Result:
        """The result that a loss is of, with a record of its steps where that is not too large."""
        runs, plan = self._job.batch.runs, self._recorded
        is_recorded = runs * self._size_bytes <= min(ENOUGH, self._budget.size_bytes)
        if not is_recorded:
            plan = replace(plan, {"outputs": plan.outputs[:-1]})
        job = replace(self._job, {"plan": plan, "most_records": self.room})
        [outcome] = self._plain.running().run(job, [(0, runs)], None)
        most = int(outcome.results["steps"][:, 0].max(initial=0)) + 1
        if is_recorded and most <= self.room:
            self._record = outcome
        self.room = max(most, 2)
        result = result_of(job, outcome)
        return result.warn_of_failures() if outcome.may_have_failed else result

    def __call__(self, derivatives: Mapping[str, Any]) -> dict[str, Values]:
        """Gradients by name, with one for each trajectory.

        Args:
            derivatives: of a loss, by states and observables: by name, each of the shape that a
                result has of it, or one that is broadcast to it. What is not there is zero.

        Raises:
            InvalidPlan: a name or shape is another, or there is no memory for any trajectory.
        """
        rows = self.pull(self._weights(derivatives))
        return {name: rows[:, place] for place, name in enumerate(self.names)}

    def pull(self, weights: Values) -> Values:
        """Gradients, a row for each trajectory, by `names`.

        Args:
            weights: derivatives of a loss: by trajectory, time to save and `keys`.
        """
        states, own = self._states, self._reversed.by
        places = [
            states.index(name) if name in states else len(states) + own.index(name)
            for name in self.names
        ]
        runs = self._job.batch.runs
        found = np.empty((runs, len(places)), weights.dtype)
        runner, begin = self._plain.running(), 0
        while begin < runs:
            end = runs if self._record else min(begin + self._at_once(runner), runs)
            record = self._record or self._recorded_part(runner, begin, end)
            if record is not None:  # else there was too little room for a trajectory, and now is
                found[begin:end] = self._reverse(runner, record, weights, begin, end)[:, places]
                begin = end
        return found

    def _weights(self, derivatives: Mapping[str, Any]) -> Values:
        """Derivatives of a loss as an array; see `pull`."""
        runs, count = self._job.batch.runs, self._times.count
        weights = np.zeros((runs, count, len(self.keys)), self._job.plan.precision)
        is_at_end = self._job.times.saves is None
        for name, given in dict(derivatives).items():
            shape: tuple[int, ...] | None = ()
            places = [self.keys.index(name)] if name in self.keys else []
            if not places:
                shape = shape_of(name, self.keys)
                if shape is None:
                    raise InvalidPlan(
                        f"derivatives= has {name!r}, which is no state and no observable of "
                        f"{self._job.plan.system.name}. There are {', '.join(self.keys)}"
                    )
                places = [self.keys.index(each) for each in names_of(name, shape)]
            wanted = (runs, *(() if is_at_end else (count,)), *shape)
            try:
                values = np.broadcast_to(np.asarray(given, np.float64), wanted)
            except (TypeError, ValueError):
                raise InvalidPlan(
                    f"derivatives= has the shape {np.shape(given)} for {name!r}; expected "
                    f"{wanted}: that of result[{name!r}]"
                ) from None
            weights[:, :, places] += values.reshape(runs, count, len(places))
        return weights

    # Part by part ---------------------------------------------------------------------------------

    @property
    def _size_bytes(self) -> int:
        """What a record of one trajectory takes, with as many steps as there is room for."""
        item = np.dtype(self._job.plan.precision).itemsize
        return self.room * (8 + len(self._states) * item)

    def _at_once(self, runner: Runner) -> int:
        """How many trajectories' steps are written down at once."""
        each, most = self._size_bytes, self._budget.size_bytes
        if each > most:
            name = self._job.plan.system.name
            raise InvalidPlan(
                f"A record of {self.room:,} steps of one trajectory of {name} takes {each:,} "
                f"bytes, and there are {most:,.0f} ({self._budget.origin}). Raise memory=, loosen "
                f"rtol and atol, or shorten the span. {REMEDY}"
            )
        enough = max(ENOUGH // each, runner.busy)
        return int(max(min(enough, most // each), 1))

    def _recorded_part(self, runner: Runner, begin: int, end: int) -> Outcome | None:
        """Trajectories with their steps; None where these are more than there was room for."""
        job = replace(self._job, {"plan": self._recorded, "most_records": self.room})
        [record] = runner.run(job, [(begin, end)], None)
        most = int(record.results["recorded_counts"].max(initial=0)) + 1
        if most > self.room:
            self.room = most
            return None
        return record

    def _reverse(
        self, runner: Runner, record: Outcome, weights: Values, begin: int, end: int
    ) -> Values:
        """Gradients of some trajectories, by all initial values and then by parameters."""
        rows = {
            name: np.ascontiguousarray(record.results[name])
            for name in ("recorded_counts", "recorded_ends", "recorded_states")
        }
        # Of a trajectory that failed there is no gradient, and no step is gone through.
        is_good = record.status == SUCCESS
        rows["recorded_counts"] = np.where(is_good, rows["recorded_counts"], 0)
        given: dict[str, object] = {
            "plan": self._reversed,
            "times": self._times,
            "most_records": rows["recorded_ends"].shape[1],
            "rows": Rows(begin, {**rows, "weights": weights[begin:end]}),
        }
        [outcome] = runner.run(replace(self._job, given), [(begin, end)], None)
        found = outcome.results["gradient"]
        found[~is_good] = np.nan
        return found


def _ends_of(times: Times) -> Times:
    """The same with the end as the only time to save."""
    runs = times.runs
    saves = times.ends.copy() if runs == 1 else np.broadcast_to(times.ends, runs)[:, None].copy()
    return Times(times.starts, times.ends, saves)


def _require_adjoint(solver: Solver, plan: Plan) -> None:
    """Refuse what there is no adjoint of.

    Raises:
        InvalidPlan: names it, and says what to do.
    """
    system = plan.system
    if not solver.sensitivities:
        raise InvalidPlan(
            f"{solver!r} has no sensitivities, and so nothing that gradients could be by. Pass "
            "ode.Solver(…, sensitivities=[names])"
        )
    if solver.error_norm != "states":
        raise InvalidPlan(
            f"error_norm={solver.error_norm!r} chooses steps by errors of sensitivities, and an "
            f"adjoint has none. Leave it out; or: {REMEDY}"
        )
    if plan.events:
        raise InvalidPlan(f"There is no adjoint of trajectories through events. {REMEDY}")
    if system.has_mass:
        raise InvalidPlan(
            f"There is no adjoint of {system.name}, which has algebraic equations or a mass "
            "matrix. Solve algebraic equations by hand where that can be"
        )
    if isinstance(plan.tableau, MultistepTableau):
        raise InvalidPlan(
            f"There is no adjoint of {plan.tableau.name}, whose steps go on from several before. "
            f"Choose another method, such as 'rodas5p' for stiff systems. Or: {REMEDY}"
        )
    if isinstance(plan.tableau, ImplicitTableau) and not plan.tableau.is_diagonal:
        raise InvalidPlan(
            f"There is no adjoint of {plan.tableau.name}, whose stages are found all at once. "
            f"Choose another method, such as 'rodas5p' for stiff systems. Or: {REMEDY}"
        )
