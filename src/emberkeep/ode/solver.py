"""Solving: a system, a plan, a kernel, a run, a result."""

from __future__ import annotations

import math

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.keep.default import default_keep
from emberkeep.ode.batch import VERBATIM, make_batch
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.control.presets import controller as chosen_controller
from emberkeep.ode.events.schedule import NO_EVENTS, Schedule
from emberkeep.ode.memory import ALWAYS_THERE
from emberkeep.ode.methods import AUTO, FIRST_TRIED, FITTING, chosen
from emberkeep.ode.outputs import is_sampled, listed
from emberkeep.ode.plan import CHOSEN, FIXED, make_plan
from emberkeep.ode.result import Result
from emberkeep.ode.running.job import Job
from emberkeep.ode.running.machines import runner_of, target_of
from emberkeep.ode.running.results import result_of
from emberkeep.ode.system.system import System
from emberkeep.ode.times import make_times
from emberkeep.ode.tolerances import ATOL, MAX_STEPS, RTOL, Numbers, kernel_numbers
from emberkeep.ode.windows import make_windows
from emberkeep.startup_records import final
from emberkeep.targets.kernel_lookup import fetch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from os import PathLike
    from typing import Any

    from emberkeep.keep.artifact import Artifact
    from emberkeep.keep.keep import Keep
    from emberkeep.ode.control.controller import Controller
    from emberkeep.ode.drivers import Table
    from emberkeep.ode.events.event import Event, SteadyState
    from emberkeep.ode.events.planned import PlannedEvent
    from emberkeep.ode.methods import Method
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.running.job import Outcome, Runner
    from emberkeep.ode.stored.destination import Destination
    from emberkeep.ode.stored.result import StoredResult
    from emberkeep.ode.summary import Summary
    from emberkeep.ode.times import Times
    from emberkeep.targets.declaration import Declared
    from emberkeep.targets.protocol import Target

    Advance = Callable[[int], None]


MOST_RECORDS = 100
BUILT_AHEAD = ("states", "final")  # what most solves ask for


@final
class Solver:
    """A system with a method, ready for many solves.

    Compiled code and memory to work in are reused; results own theirs.

    Args:
        system: what is integrated.
        events: what happens to trajectories, and what it does: `ode.Event`, `ode.SteadyState`.
        method: such as ``"tsit5"`` (adaptive), ``"rodas5p"`` (for stiff systems) or ``"rk4"``
            (fixed steps); ``"auto"`` to have one chosen for each batch.
        target: ``"cpu"``, ``"cuda"``, ``"auto"`` (a GPU where there is one), or a target.
        precision: ``"float64"`` or ``"float32"``.
        keep: where compiled code is kept; the user's own keep by default.
        threads: how many to use on a CPU; as many as there are processors by default.
        sensitivities: names of parameters, and of states for their initial values, by which all
            states and observables are differentiated; see `Result.sensitivity`.
        error_norm: whose errors choose the steps: ``"states"``, so that these are the same with
            and without sensitivities, or ``"all"``.

    Raises:
        InvalidPlan: an option is not known.
        TargetUnavailable: there is no such device.
    """

    def __init__(  # noqa: PLR0913 - what a solver is, all of it by name
        self,
        system: System,
        *,
        events: Any = (),
        method: str | Method = "tsit5",
        target: str | Target = "auto",
        precision: str = "float64",
        keep: Keep | None = None,
        threads: int | None = None,
        sensitivities: Iterable[str] = (),
        error_norm: str = "states",
    ) -> None:
        self.system, self.method, self.precision = _require_system(system), method, precision
        self.sensitivities: tuple[str, ...] = ()
        self.error_norm = error_norm
        self._solved = system  # with its sensitivities
        self.events, self._planned = _events(self.system, events)
        if sensitivities or error_norm != "states":
            from emberkeep.ode.sensitivities import with_sensitivities

            self._solved = with_sensitivities(
                system, sensitivities, error_norm, has_events=bool(self.events)
            )
            made = self._solved.sensitivities
            self.sensitivities = () if made is None else made.names
        self._given = (target, keep, threads)
        self._keep = _require_keep(keep)
        self.target = target_of(target, threads)
        self._runner: Runner | None = None
        self._plain: Solver | None = None  # without sensitivities, once it was asked for
        self._plans: dict[Any, Plan] = {}  # of outputs that are names
        # What is wrong with method or precision shows here, not at the first solve.
        automatic = FITTING if system.has_mass else FIRST_TRIED
        tried = automatic if method == AUTO else method
        plan = self._plan(tried, ("final",), saves=False, stepping=None)
        self.tableau = None if method == AUTO else plan.tableau
        self._precision = plan.precision

    def __repr__(self) -> str:
        where = f"{self.target.name} {self.target.architecture}"
        method = AUTO if self.tableau is None else self.tableau.name
        return f"<Solver of {self.system.name}: {method}, {self.precision}, {where}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """As a definition: whoever gets it looks for a GPU, and for what is kept, by itself."""
        wanted = (self.sensitivities, self.error_norm, self.events)
        return _solver, (self.system, self.method, self.precision, *self._given, *wanted)

    def without_sensitivities(self) -> Solver:
        """The same solver of states alone."""
        if not self.sensitivities and self.error_norm == "states":
            return self
        if self._plain is None:
            given = (self.system, self.method, self.precision, *self._given)
            self._plain = _solver(*given, (), "states", self.events)
        return self._plain

    def plan(
        self,
        *,
        outputs: Iterable[str | Summary] | None = None,
        saves: bool | None = None,
        stepping: str | None = None,
    ) -> Plan:
        """What is compiled for these outputs.

        Raises:
            InvalidPlan: the method is chosen by a solve, or something asked for cannot be.
        """
        if self.method == AUTO:
            raise InvalidPlan(
                "method='auto' is chosen when a batch is solved, and compiled then. Name a method, "
                "such as 'tsit5' or 'rodas5p', to plan or build ahead"
            )
        wanted = None if outputs is None else listed(outputs)
        if saves is None:
            saves = wanted is not None and any(map(is_sampled, wanted))
        return self._plan(self.method, wanted, saves=saves, stepping=stepping)

    def _plan(
        self,
        method: str | Method,
        outputs: Iterable[str | Summary] | None,
        *,
        saves: bool,
        stepping: str | None,
    ) -> Plan:
        """The same of a method; it is made once where outputs are but names."""
        wanted = None if outputs is None else listed(outputs)
        asked = (method, wanted, saves, stepping)
        found = None if wanted and not all(map(_is_name, wanted)) else self._plans.get(asked)
        if found is None:
            found = make_plan(
                self._solved,
                method_name=method,
                outputs=wanted,
                precision=self.precision,
                saves=saves,
                stepping=stepping,
                events=self._planned,
            )
            if all(map(_is_name, found.outputs)):  # functions may change
                self._plans[asked] = found
        return found

    def build(
        self,
        outputs: Iterable[str | Summary] = ("final",),
        *,
        target: Target | None = None,
        keep: Keep | None = None,
    ) -> Artifact:
        """Compile and keep, without running; what is kept already is found.

        Args:
            outputs: as they are given to `solve`: what is saved decides about the code.
            target: a machine that may be elsewhere; the solver's own by default.
            keep: where to; the solver's own by default.
        """
        compilation = Compilation(self.plan(outputs=outputs))
        return fetch(keep or self._keep, target or self.target, compilation)

    def __emberkeep_declares__(self, keep: Keep, tell: Callable[[str], None]) -> Iterator[Declared]:
        from emberkeep.targets.declaration import Declared, Product, product_of

        for output in BUILT_AHEAD:

            def build(target: Target | None, output: str = output) -> Product:
                return product_of(self.build([output], target=target, keep=keep))

            yield Declared(self.system.name, output, lambda: self.target, build)

    def source(self, outputs: Iterable[str | Summary] = ("final",)) -> str:
        """The code that is generated, for reading."""
        return Compilation(self.plan(outputs=outputs)).source(self.target).text

    def solve(  # noqa: PLR0913 - what a solve is, all of it by name
        self,
        t_span: tuple[float, float],
        *,
        parameters: Mapping[str, Any] | None = None,
        initial: Mapping[str, Any] | Result | None = None,
        drivers: Mapping[str, Any] | None = None,
        event_times: Mapping[str, Any] | None = None,
        grid: str = VERBATIM,
        save_at: Any = None,
        windows: Any = None,
        outputs: Iterable[str | Summary] | None = None,
        rtol: float = RTOL,
        atol: Any = ATOL,
        dt: float | None = None,
        dt_min: float = 0.0,
        dt_max: float = math.inf,
        max_steps: int = MAX_STEPS,
        controller: str | Controller | None = None,
        safety: float | None = None,
        most_records: int = MOST_RECORDS,
        progress: bool = False,
        into: str | PathLike[str] | None = None,
        overwrite: bool = False,
        memory: float | str | None = None,
    ) -> Result | StoredResult:
        """Integrate a batch of trajectories. No number that is passed here is compiled in.

        Args:
            t_span: start and end; backwards where the end is before the start. Either may be an
                array with one for each trajectory.
            parameters: by name: one value for all trajectories, or one for each.
            initial: initial values, likewise; or a result, to go on from where its trajectories
                ended, with their parameters unless others are given.
            drivers: by name, the samples of what drives the system: `ode.Driver`, a pandas Series
                over time, or an xarray DataArray whose last axis is time.
            event_times: by name, other times of events that are known beforehand: for all, or a row
                for each trajectory.
            grid: ``"verbatim"``: the first of each, the second of each, …; ``"combinations"``: each
                with each, the last one varying fastest.
            save_at: times to save states at, a row of them for each trajectory, or an interval
                between them.
            windows: of time, which summaries are of: a length, or a list of edges; the whole span
                where None.
            outputs: what comes out, such as ``"states"`` (at those times), ``"final"``, ``"mean"``,
                or an `ode.Summary`; by default the states where there are times, else the final
                ones, and events where there are any.
            rtol: tolerated error of a step relative to a state.
            atol: tolerated error where a state is small: one for all, or by state.
            dt: the length of fixed steps (no step is longer; each time to save is hit exactly), or
                of the first one.
            dt_min: no step may be shorter; by default what would not change the time.
            dt_max: no step is longer.
            max_steps: after how many attempts of a step a trajectory is given up.
            controller: how the next step is chosen: a name such as ``"pi"``, ``"i"``, ``"pid"``,
                ``"gustafsson"``, or an `ode.Controller`; ``"fixed"`` for steps of one length.
            safety: how much shorter a step is than the errors say, in place of the controller's.
            most_records: for how many peaks, troughs, steps and events of a trajectory there is
                room, where these are among the outputs.
            progress: draw how many trajectories have ended, and how long the others will take.
            into: a folder, such as ``"runs.zarr"``, that results are written to as they come.
            overwrite: replace an earlier result there.
            memory: bytes, or text such as ``"8 GiB"``, that results may take; larger ones are
                written to a new folder. By default three quarters of what there is; `math.inf` for
                results that stay in memory.

        Returns:
            A `Result`; or a `StoredResult`, where results are on disk.

        Raises:
            InvalidPlan: something asked for cannot be; says what to do.
            NotWritten: the disk is full, or the like; says how much is there, and where.
        """
        job = self.job(
            t_span,
            parameters=parameters,
            initial=initial,
            drivers=drivers,
            event_times=event_times,
            grid=grid,
            save_at=save_at,
            windows=windows,
            outputs=outputs,
            rtol=rtol,
            atol=atol,
            dt=dt,
            dt_min=dt_min,
            dt_max=dt_max,
            max_steps=max_steps,
            controller=controller,
            safety=safety,
            most_records=most_records,
        )
        place = _destination(job, into, memory, overwrite=overwrite)
        if place is not None:
            return self._written(job, place, progress=progress)

        def collect(advance: Advance | None) -> Outcome:
            [outcome] = self.running().run(job, [(0, job.batch.runs)], advance)
            return outcome

        outcome = self._watched(job, collect, progress=progress)
        result = result_of(job, outcome)
        return result.warn_of_failures() if outcome.may_have_failed else result

    def job(  # noqa: PLR0913 - what a solve is, all of it by name
        self,
        t_span: tuple[float, float],
        *,
        parameters: Mapping[str, Any] | None = None,
        initial: Mapping[str, Any] | Result | None = None,
        drivers: Mapping[str, Any] | None = None,
        event_times: Mapping[str, Any] | None = None,
        grid: str = VERBATIM,
        save_at: Any = None,
        windows: Any = None,
        outputs: Iterable[str | Summary] | None = None,
        rtol: float = RTOL,
        atol: Any = ATOL,
        dt: float | None = None,
        dt_min: float = 0.0,
        dt_max: float = math.inf,
        max_steps: int = MAX_STEPS,
        controller: str | Controller | None = None,
        safety: float | None = None,
        most_records: int = MOST_RECORDS,
    ) -> Job:
        """What a runner is asked to do for a solve; see `solve`."""
        before = initial if isinstance(initial, Result) else None
        if isinstance(initial, Result):
            from emberkeep.ode.restart import beginning_at

            begins = beginning_at(initial, self.system, parameters, grid)
            initial, parameters = begins.initial, begins.parameters
        times = make_times(t_span, save_at)
        tables = _tables(self.system, drivers, times, self._precision)
        schedule = self._schedule(event_times, times)
        rows = {**times.rows, **{table.title: table.runs for table in tables if table.is_own}}
        rows |= schedule.rows
        batch = make_batch(self.system, parameters, initial, grid, rows)
        if self._solved is not self.system:
            from emberkeep.ode.sensitivities import beginning

            batch = beginning(batch, self._solved, before)

        def job_of(method: str | Method) -> Job:
            steering = chosen_controller(controller, chosen(method), safety=safety)
            stepping = CHOSEN if steering.is_adaptive else FIXED
            plan = self._plan(method, outputs, saves=times.saves is not None, stepping=stepping)
            numbers = Numbers(rtol, atol, dt, dt_min, dt_max, max_steps, steering)
            settings, tolerated = kernel_numbers(plan, times, numbers)
            return Job(
                plan,
                batch,
                times,
                settings,
                tolerated,
                dt,
                int(max_steps),
                make_windows(windows, times),
                _require_records(most_records),
                tables,
                schedule,
            )

        return job_of(self.method) if self.method != AUTO else self._automatic(job_of, rtol)

    def _automatic(self, job_of: Callable[[str], Job], rtol: float) -> Job:
        """What is to be done, by the method that is found to fit."""
        from emberkeep.ode.automatic import choose, choose_for_constraints

        if self.system.has_mass:
            return choose_for_constraints(job_of)
        return choose(job_of, self.running(), rtol)

    def _schedule(self, event_times: Mapping[str, Any] | None, times: Times) -> Schedule:
        if not self.events and event_times is None:
            return NO_EVENTS
        from emberkeep.ode.events.planned import changed_parameters
        from emberkeep.ode.events.timetable import make_schedule

        changed = changed_parameters(self._planned, self.system)
        return make_schedule(self.events, event_times, times, changed)

    def settle(self) -> None:
        """From now on, solve with what is compiled, whatever becomes of the system's functions."""
        self.running().settle()

    def _written(self, job: Job, place: Destination, *, progress: bool) -> StoredResult:
        from emberkeep.ode.stored.writer import write_results

        def write(advance: Advance | None) -> StoredResult:
            return write_results(job, place, self.running(), self.target.name, advance)

        return self._watched(job, write, progress=progress).warn_of_failures()

    def running(self) -> Runner:
        """What runs its jobs."""
        runner = self._runner
        if runner is None:
            runner = self._runner = runner_of(self.target, self._keep)
        return runner

    def _watched(self, job: Job, work: Callable[[Advance | None], Any], *, progress: bool) -> Any:
        """What work gives, while it is shown how far it has come."""
        if not progress:
            return work(None)
        from emberkeep.ode.running.progress import showing

        # What is left of the work is not judged by how long this takes.
        self.running().prepare(job.plan)
        with showing(self.system.name, job.batch.runs) as advance:
            return work(advance)


def solve(  # noqa: PLR0913 - what a solve is, all of it by name
    system: System,
    t_span: tuple[float, float],
    *,
    parameters: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | Result | None = None,
    drivers: Mapping[str, Any] | None = None,
    events: Any = (),
    event_times: Mapping[str, Any] | None = None,
    method: str | Method = "tsit5",
    grid: str = VERBATIM,
    save_at: Any = None,
    windows: Any = None,
    outputs: Iterable[str | Summary] | None = None,
    rtol: float = RTOL,
    atol: Any = ATOL,
    dt: float | None = None,
    dt_min: float = 0.0,
    dt_max: float = math.inf,
    max_steps: int = MAX_STEPS,
    controller: str | Controller | None = None,
    safety: float | None = None,
    most_records: int = MOST_RECORDS,
    target: str | Target = "auto",
    precision: str = "float64",
    keep: Keep | None = None,
    threads: int | None = None,
    sensitivities: Iterable[str] = (),
    error_norm: str = "states",
    progress: bool = False,
    into: str | PathLike[str] | None = None,
    overwrite: bool = False,
    memory: float | str | None = None,
) -> Result | StoredResult:
    """Integrate a batch of trajectories once; see `Solver` and `Solver.solve` for the arguments."""
    solver = Solver(
        system,
        events=events,
        method=method,
        target=target,
        precision=precision,
        keep=keep,
        threads=threads,
        sensitivities=sensitivities,
        error_norm=error_norm,
    )
    return solver.solve(
        t_span,
        parameters=parameters,
        initial=initial,
        drivers=drivers,
        event_times=event_times,
        grid=grid,
        save_at=save_at,
        windows=windows,
        outputs=outputs,
        rtol=rtol,
        atol=atol,
        dt=dt,
        dt_min=dt_min,
        dt_max=dt_max,
        max_steps=max_steps,
        controller=controller,
        safety=safety,
        most_records=most_records,
        progress=progress,
        into=into,
        overwrite=overwrite,
        memory=memory,
    )


def _solver(  # noqa: PLR0913, PLR0917 - as a pickle has it
    system: System,
    method: str | Method,
    precision: str,
    target: str | Target,
    keep: Keep | None,
    threads: int | None,
    sensitivities: Iterable[str],
    error_norm: str,
    events: tuple[Event | SteadyState, ...],
) -> Solver:
    return Solver(
        system,
        events=events,
        method=method,
        precision=precision,
        target=target,
        keep=keep,
        threads=threads,
        sensitivities=sensitivities,
        error_norm=error_norm,
    )


def _events(
    system: System, given: Any
) -> tuple[tuple[Event | SteadyState, ...], tuple[PlannedEvent, ...]]:
    """Events with their names, and what is compiled of them."""
    if isinstance(given, tuple) and not given:
        return (), ()
    from emberkeep.ode.events.event import listed_events
    from emberkeep.ode.events.planned import planned

    events = listed_events(given)
    return events, planned(events, system)


def _is_name(output: str | Summary) -> bool:
    return isinstance(output, str)


def _require_records(given: Any) -> int:
    if isinstance(given, int | np.integer) and 1 <= int(given) < 1 << 40:  # pyright: ignore[reportUnknownArgumentType]
        return int(given)  # pyright: ignore[reportUnknownArgumentType]
    raise InvalidPlan(f"most_records={given!r} must be a whole number, at least 1")


def _require_system(given: Any) -> System:
    if isinstance(given, System):
        return given
    raise InvalidPlan(
        f"The first argument must be a System; it is a {type(given).__qualname__}. Make one: "
        "ode.System('dx = -k*x', states={'x': 1.0}, parameters={'k': 0.5})"
    )


def _tables(
    system: System, given: Mapping[str, Any] | None, times: Times, precision: str
) -> tuple[Table, ...]:
    if not system.drivers and given is None:
        return ()
    from emberkeep.ode.drivers import make_tables

    return make_tables(system, given, times, precision)


def _require_keep(given: Keep | None) -> Keep:
    if given is None:
        return default_keep()
    if not hasattr(given, "get_or_build"):
        raise InvalidPlan(f"keep={given!r} is no keep. Pass emberkeep.Keep({given!r})")
    return given


def _destination(job: Job, into: Any, memory: Any, *, overwrite: bool) -> Destination | None:
    """Where results are written; None where they stay in memory, as those of most solves do."""
    is_plain = into is None and memory is None and not overwrite
    if is_plain and job.size_bytes() <= ALWAYS_THERE:
        return None
    from emberkeep.ode.stored.destination import destination

    return destination(job, into, memory, overwrite=overwrite)
