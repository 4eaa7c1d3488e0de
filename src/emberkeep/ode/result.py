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
        t: times at which states were saved; empty without any.
        states: by trajectory, time and state; None unless among the outputs.
        final: by trajectory and state, at the end; None unless among the outputs.
        status: by trajectory: 0 where it succeeded. The values of those that failed are NaN from
            where they failed on.
        state_names: in the order of the last axis.
        batch: parameters and initial values of each.
        t_span: start and end.
    """

    name: str
    t: Values
    states: Values | None
    final: Values | None
    status: Values
    state_names: tuple[str, ...]
    batch: Batch
    t_span: tuple[float, float]

    def __getitem__(self, state: str) -> Values:
        """One state by name: by trajectory and time, or at the end where no times were saved."""
        if state not in self.state_names:
            raise KeyError(
                f"{state!r} is no state; there are {', '.join(self.state_names)}. Trajectories "
                "are the first axis of each: result['" + self.state_names[0] + "'][0]"
            )
        values = self.final if self.states is None else self.states
        assert values is not None
        return values[..., self.state_names.index(state)]

    def __len__(self) -> int:
        """How many trajectories there are."""
        return self.status.size

    def __iter__(self) -> Iterator[str]:
        """Names of states, as a table goes through its columns."""
        return iter(self.state_names)

    def __contains__(self, state: object) -> bool:
        """Whether there is a state of this name."""
        return state in self.state_names

    def keys(self) -> tuple[str, ...]:
        """Names of states, so that ``dict(result)`` has each by its name."""
        return self.state_names

    def _ipython_key_completions_(self) -> tuple[str, ...]:
        return self.state_names

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
