"""What a solve gives: arrays with names, and how each trajectory ended."""

from __future__ import annotations

import numpy as np

from emberkeep.ode.errors import SolveFailed, SolveWarning
from emberkeep.ode.status import MEANINGS, REMEDIES, SUCCESS
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from emberkeep.ode.batch import Batch

    Values = np.ndarray[Any, Any]


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
        status: by trajectory: 0 where it succeeded. The values of those that failed are NaN from
            where they failed on.
        state_names: in the order of the last axis.
        batch: parameters and initial values of each.
        t_span: start and end; arrays where each trajectory has its own.
        steps: by trajectory: how many were taken, and how many were tried in vain; None unless
            among the outputs.
        observable_names: in the order of the last axis of what follows.
        observables: by trajectory, time and observable; None where states are.
        final_observables: by trajectory and observable, at the end; None where final states are.
        summaries: by name, such as ``"mean"``: by trajectory, and state or observable.
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

    def __getitem__(self, state: str) -> Values:
        """A state or observable: by trajectory and time, or at the end where none were saved."""
        if self.states is None:
            return self.at_end(state)
        return self._named(state, self.states, self.observables)

    def at_end(self, name: str) -> Values:
        """A state or observable by trajectory, at the end; ``"final"`` is among the outputs."""
        assert self.final is not None
        return self._named(name, self.final, self.final_observables)

    def summary(self, kind: str, name: str) -> Values:
        """One summary of a state or observable, such as ``summary("mean", "x")``, by trajectory."""
        if kind not in self.summaries:
            raise KeyError(
                f"{kind!r} is no summary that was asked for; there are "
                f"{', '.join(self.summaries) or 'none'}. Pass outputs=[{kind!r}], and save_at= for "
                "the times whose values it is of"
            )
        values, states = self.summaries[kind], len(self.state_names)
        return self._named(name, values[..., :states], values[..., states:])

    def _named(self, name: str, states: Values, observables: Values | None) -> Values:
        if name in self.state_names:
            return states[..., self.state_names.index(name)]
        if name in self.observable_names and observables is not None:
            return observables[..., self.observable_names.index(name)]
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
        return np.flatnonzero(self.status != SUCCESS)

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

    def require_success(self) -> Result:
        """The result itself, where every trajectory succeeded.

        Raises:
            SolveFailed: says how many did not, why, and which was the first.
        """
        if self.status.any():
            raise SolveFailed(f"{self._failures()}. {self._remedies()}")
        return self

    def warn_of_failures(self) -> Result:
        """The result itself; where trajectories failed, after one warning that says why."""
        if self.status.any():
            import warnings

            from emberkeep.keep.reports import depth_of_caller

            text = (
                f"{self._failures()}, in result.failed; their values are NaN from there on. "
                f"{self._remedies()} result.require_success() makes this an error; "
                "warnings.simplefilter('ignore', emberkeep.SolveWarning) silences it"
            )
            warnings.warn(text, SolveWarning, stacklevel=depth_of_caller())
        return self

    def _failures(self) -> str:
        codes, counts = np.unique(self.status, return_counts=True)
        reasons = "; ".join(
            f"{count:,} {MEANINGS.get(code, 'stopped')}"
            for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
            if code != SUCCESS
        )
        failed = self.failed
        return (
            f"Of {len(self):,} trajectories of {self.name}, {failed.size:,} failed: {reasons}. The "
            f"first is number {failed[0]}"
        )

    def _remedies(self) -> str:
        return " ".join(
            REMEDIES[code] for code in np.unique(self.status).tolist() if code in REMEDIES
        )

    def to_pandas(self) -> Any:
        """A table: a row for each trajectory and time, with what was varied, and the status."""
        from emberkeep.ode.labelled import to_pandas

        return to_pandas(self)

    def to_xarray(self) -> Any:
        """A dataset with a variable for each state; what was varied are its coordinates."""
        from emberkeep.ode.labelled import to_xarray

        return to_xarray(self)

    def __repr__(self) -> str:
        """What there is, and how much of it failed."""
        from emberkeep.ode.showing import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from emberkeep.ode.showing import as_html

        return as_html(self)
