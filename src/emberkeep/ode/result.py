"""What a solve gives: arrays with names, and how each trajectory ended."""

from __future__ import annotations

import numpy as np

from emberkeep.ode.events.found import Occurrences
from emberkeep.ode.outputs import EVENTS, SUMMARIES
from emberkeep.ode.status import ENDED_BY_EVENT, SUCCESS, has_failed
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from emberkeep.ode.batch import Batch

    Values = np.ndarray[Any, Any]


@final
@frozen
class Peaks:
    """Peaks or troughs of one state or observable among its values at the times to save.

    Attributes:
        times: by trajectory: when the first ones were; NaN behind the last.
        values: how high they were.
        counts: how many there were, also where that is more than there was room for.
    """

    times: Values
    values: Values
    counts: Values


@final
@frozen
class Result:
    """Trajectories: ``result["x"]`` is a state, and ``for name in result`` gives all their names.

    Results are equal where everything in them is, NaN included; they copy and pickle.

    Attributes:
        name: the system's.
        t: times at which states were saved, or a row for each trajectory; empty without any.
        states: by trajectory, time and state; None unless among the outputs.
        final: by trajectory and state, at the end; None unless among the outputs.
        status: by trajectory: 0 where it came to its end, -2 where an event ended it. The values of
            those that failed are NaN from where they failed on, as are those at times to save that
            are behind the event.
        state_names: in the order of the last axis.
        batch: parameters and initial values of each.
        t_span: start and end; arrays where each trajectory has its own.
        steps: by trajectory: how many were taken, and how many were tried in vain; None unless
            among the outputs.
        observable_names: in the order of the last axis of what follows.
        observables: by trajectory, time and observable; None where states are.
        final_observables: by trajectory and observable, at the end; None where final states are.
        summaries: by name, such as ``"mean"``: by trajectory, then by window where there are any,
            then by state or observable, or by part of what a summary of the user's own gives.
        windows: edges of the windows that summaries are of; a row for each trajectory where they
            have spans of their own; None for one window of all times.
        records: by name: what there is room for a number of, such as ``"step_times"``; NaN behind
            the last. See `peaks` and `troughs`.
        units: of states, observables, parameters and ``"t"``, as the system has them.
        reached: by trajectory: the time that it came to, its end or where it failed; None unless
            among the outputs.
        sensitivities: by name of a parameter, or of a state for its initial value: the derivatives
            of all values by it, as a result of its own. See `sensitivity`.
        event_names: of the solver's events, in their order.
        changed: parameters that actions of events change.
        method: that it was solved by; the one that ``"auto"`` chose.
    """

    name: str
    t: Values
    states: Values | None
    final: Values | None
    status: Values
    state_names: tuple[str, ...]
    batch: Batch
    t_span: tuple[Any, Any]
    steps: Values | None = None
    observable_names: tuple[str, ...] = ()
    observables: Values | None = None
    final_observables: Values | None = None
    summaries: Mapping[str, Values] = {}
    windows: Values | None = None
    records: Mapping[str, Values] = {}
    units: Mapping[str, str] = {}
    reached: Values | None = None
    sensitivities: Mapping[str, Result] = {}
    event_names: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    method: str = ""

    def __getitem__(self, state: str) -> Values:
        """A state or observable: by trajectory and time, or at the end where none were saved.

        A vector or matrix of parts ``x_1``, ``x_2``, … goes by its name: ``result["x"]``.
        """
        if self.states is None:
            return self.at_end(state)
        return self._named(state, self.states, self.observables)

    def at_end(self, name: str) -> Values:
        """A state or observable by trajectory, at the end; ``"final"`` is among the outputs."""
        if self.final is None:
            raise KeyError(
                f"{name!r} was neither saved nor is it known at the end: 'states' and 'final' are "
                "not among the outputs. Of summaries there are "
                f"{', '.join(self.summaries) or 'none'}: result.summary('mean', {name!r})"
            )
        return self._named(name, self.final, self.final_observables)

    def summary(self, kind: str, name: str) -> Values:
        """One summary of a state or observable, such as ``summary("mean", "x")``, by trajectory.

        Where there are windows, they are the second axis. One of the user's own is no state's:
        ``result.summaries["its name"]``.
        """
        if kind not in self.summaries:
            raise KeyError(
                f"{kind!r} is no summary that was asked for; there are "
                f"{', '.join(self.summaries) or 'none'}. Pass outputs=[{kind!r}], and save_at= for "
                "the times whose values it is of"
            )
        if kind not in SUMMARIES:
            raise KeyError(
                f"{kind!r} is of no single state: result.summaries[{kind!r}] is all of it"
            )
        values, states = self.summaries[kind], len(self.state_names)
        return self._named(name, values[..., :states], values[..., states:])

    def sensitivity(self, of: str, by: str | None = None, *, summary: str | None = None) -> Values:
        """The derivative of a state or observable: by trajectory and time, as ``result[of]``.

        Args:
            of: what is differentiated.
            by: a parameter, or a state for its initial value; all that the solver has
                ``sensitivities=`` by where None, in their order, as the last axis.
            summary: such as ``"mean"``, to have the derivative of that.
        """
        if by is not None and by in self.sensitivities:
            found = self.sensitivities[by]
            return found[of] if summary is None else found.summary(summary, of)
        names = (*self.sensitivities,)
        if by is not None:
            from emberkeep.ode.vectors import names_of, shape_of

            shape = shape_of(by, names)
            if shape is None:
                raise KeyError(
                    f"There are no derivatives by {by!r}, but by {', '.join(names) or 'nothing'}. "
                    f"Pass ode.Solver(…, sensitivities=[{by!r}])"
                )
            names = names_of(by, shape)
        elif not names:
            raise KeyError("There are no derivatives: pass ode.Solver(…, sensitivities=[names])")
        else:
            shape = (len(names),)
        each = [self.sensitivity(of, name, summary=summary) for name in names]
        return np.stack(each, axis=-1).reshape(*each[0].shape, *shape)

    @property
    def step_times(self) -> Values:
        """By trajectory: when its first steps ended; ``"step_times"`` is among the outputs."""
        return self._record("step_times")

    def peaks(self, name: str) -> Peaks:
        """The peaks of a state or observable; ``"peaks"`` is among the outputs."""
        return self._peaks("peaks", name)

    def troughs(self, name: str) -> Peaks:
        """The troughs of a state or observable; ``"troughs"`` is among the outputs."""
        return self._peaks("troughs", name)

    @property
    def events(self) -> Mapping[str, Occurrences]:
        """What was found of each event, by its name; ``"events"`` is among the outputs."""
        times, values, counts = (
            self._record(EVENTS, f"event_{part}") for part in ("times", "values", "counts")
        )
        return {
            name: Occurrences(times[:, place], values[:, place], counts[:, place], self.keys())
            for place, name in enumerate(self.event_names)
        }

    def _peaks(self, kind: str, name: str) -> Peaks:
        self._record(kind)
        names = self.keys()
        if name not in names:
            raise KeyError(f"{name!r} is no state or observable; there are {', '.join(names)}")
        place = names.index(name)
        values, times, counts = (
            self.records[kind + part][:, place] for part in ("", "_times", "_counts")
        )
        return Peaks(times, values, counts)

    def _record(self, kind: str, array: str | None = None) -> Values:
        name = array or kind
        if name not in self.records:
            raise KeyError(f"There are no {kind} in this result: pass outputs=[{kind!r}]")
        return self.records[name]

    def _named(self, name: str, states: Values, observables: Values | None) -> Values:
        if name in self.state_names:
            return states[..., self.state_names.index(name)]
        if name in self.observable_names and observables is not None:
            return observables[..., self.observable_names.index(name)]
        from emberkeep.ode.vectors import names_of, shape_of

        shape = shape_of(name, self.keys())
        if shape is not None:  # its parts, behind all other axes
            each = [self._named(part, states, observables) for part in names_of(name, shape)]
            return np.stack(each, axis=-1).reshape(*each[0].shape, *shape)
        raise KeyError(
            f"{name!r} is no state; there are {', '.join(self)}. Trajectories "
            "are the first axis of each: result['" + self.state_names[0] + "'][0]"
        )

    def __len__(self) -> int:
        """How many trajectories there are."""
        return self.status.size

    def __iter__(self) -> Iterator[str]:
        """Names of states and observables, as a table goes through its columns."""
        return iter((*self.state_names, *self.observable_names))

    def __contains__(self, state: object) -> bool:
        """Whether there is a state or observable of this name."""
        return state in self.state_names or state in self.observable_names

    def keys(self) -> tuple[str, ...]:
        """Names of states and observables, so that ``dict(result)`` has each by its name."""
        return (*self.state_names, *self.observable_names)

    def _ipython_key_completions_(self) -> tuple[str, ...]:
        return self.keys()

    @property
    def failed(self) -> Values:
        """Numbers of trajectories that did not succeed."""
        return np.flatnonzero(has_failed(self.status))

    @property
    def ended(self) -> Values:
        """Numbers of trajectories that an event has ended before the end of their span."""
        return np.flatnonzero(self.status == ENDED_BY_EVENT)

    def parameters(self) -> Mapping[str, Values]:
        """What was varied, by name: a value for each trajectory."""
        shape = self.batch.shape
        found: dict[str, Values] = {}
        for axis, name in enumerate(self.batch.varied):
            values = self.batch.coordinate(name)
            if len(shape) > 1:
                along = [1] * len(shape)
                along[axis] = -1
                values = np.broadcast_to(values.reshape(along), shape).reshape(-1)
            found[name] = values
        return found

    def _has_failures(self) -> bool:
        """Whether there are any: codes of failures are larger, and the largest is found soonest."""
        return int(self.status.max(initial=SUCCESS)) != SUCCESS

    def require_success(self) -> Result:
        """The result itself, where every trajectory succeeded.

        Raises:
            SolveFailed: says how many did not, why, and which was the first.
        """
        if self._has_failures():
            from emberkeep.ode.failures import solve_failed

            raise solve_failed(self.name, self.status, self._first_end())
        return self

    def warn_of_failures(self) -> Result:
        """The result itself; where trajectories failed, after one warning that says why."""
        if self._has_failures():
            from emberkeep.ode.failures import warn_of_failures

            warn_of_failures(self.name, self.status, self._first_end())
        return self

    def _first_end(self) -> float | None:
        """When the first of those that failed did, where that is known."""
        return None if self.reached is None else float(self.reached[self.failed[0]])

    def to_pandas(self, table: str | None = None) -> Any:
        """A table, with what was varied, and the status.

        Args:
            table: ``"states"``, a row for each trajectory and time; ``"windows"``, for each
                trajectory and window of summaries; ``"runs"``, for each trajectory; ``"peaks"``,
                for each peak and trough; or ``"events"``, for each occurrence of an event. By
                default the first of these that there is.
        """
        from emberkeep.ode.labelled import to_pandas

        return to_pandas(self, table)

    def to_xarray(self) -> Any:
        """A dataset of all that came out, by name; what was varied are its coordinates."""
        from emberkeep.ode.labelled import to_xarray

        return to_xarray(self)

    def plot(self, *names: str, ax: Any = None, most: int = 100) -> Any:
        """Trajectories over time: states and observables of these names, or all of them.

        Args:
            *names: what is drawn.
            ax: matplotlib's Axes to draw into; new ones where None.
            most: how many trajectories are drawn, evenly spread among all; the title says so.

        Returns:
            The Axes.
        """
        from emberkeep.ode.plots import plot_trajectories

        return plot_trajectories(self, names, ax, most)

    def plot_phase(self, x: str, y: str, *, ax: Any = None, most: int = 100) -> Any:
        """One state against another, with a dot where each trajectory begins; see `plot`."""
        from emberkeep.ode.plots import plot_phase

        return plot_phase(self, x, y, ax, most)

    def plot_map(
        self,
        name: str,
        *,
        over: tuple[str, str] | None = None,
        at: Mapping[str, float] | None = None,
        summary: str | None = None,
        ax: Any = None,
    ) -> Any:
        """A heat map of a state over two that are varied, with ``grid="combinations"``.

        Args:
            name: the state or observable, as it is at the end.
            over: what goes across and up; may be left out where two are varied.
            at: values of what else is varied, and with ``"t"`` another time.
            summary: such as ``"mean"``, to have that of it.
            ax: matplotlib's Axes to draw into; new ones where None.
        """
        from emberkeep.ode.plots import plot_map

        return plot_map(self, name, over, at, summary, ax)

    def plot_quantiles(
        self,
        name: str,
        quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
        *,
        ax: Any = None,
    ) -> Any:
        """Between which values a state's trajectories are, as bands over time around the median."""
        from emberkeep.ode.plots import plot_quantiles

        return plot_quantiles(self, name, quantiles, ax)

    def __repr__(self) -> str:
        """What there is, and how much of it failed."""
        from emberkeep.ode.showing import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from emberkeep.ode.showing import as_html

        return as_html(self)
