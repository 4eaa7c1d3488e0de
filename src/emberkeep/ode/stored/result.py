"""A result on disk."""

# xarray's and zarr's types are not ours.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, final

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.errors import NotWritten
from emberkeep.ode.failures import solve_failed, warn_of_failures
from emberkeep.ode.labelled import optional
from emberkeep.ode.outputs import REACHED
from emberkeep.ode.status import RUNNING, has_failed
from emberkeep.ode.stored.layout import FORMAT, STATUS
from emberkeep.ode.variables import PARAMETER, state_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Values = np.ndarray[Any, Any]

DOCUMENT = "zarr.json"
EXTRA = "emberkeep[zarr]"
OF_STORES = ("emberkeep_format", "complete", "coordinates", "variables", "trajectories")


def _attributes(path: str) -> Mapping[str, Any] | None:
    """What a store says of itself; None where it is none of emberkeep's."""
    try:
        with open(os.path.join(path, DOCUMENT), encoding="utf-8") as file:
            found = json.load(file)["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) and "emberkeep_format" in found else None


def is_result(path: str) -> bool:
    """Whether results of emberkeep lie there, complete or not."""
    return _attributes(path) is not None


def strangers(path: str) -> list[str]:
    """Names in the folder of a result that are no part of it."""
    found = _attributes(path) or {}
    own = {*found.get("variables", ()), *str(found.get("coordinates", "")).split()}
    return sorted(
        name for name in os.listdir(path) if name not in own and not name.startswith(DOCUMENT)
    )


def open_result(path: Any, *, incomplete: bool = False) -> StoredResult:
    """A result that a solve wrote with ``into=``; also of another process.

    Args:
        path: of its folder.
        incomplete: whether it may be one of a solve that was interrupted, or is running.

    Raises:
        InvalidPlan: there is no result.
        NotWritten: it is not complete.
    """
    folder = os.path.abspath(os.path.expanduser(os.fspath(path)))
    found = _attributes(folder)
    if found is None:
        raise InvalidPlan(f"There is no result of emberkeep's in {folder}")
    if found["emberkeep_format"] != FORMAT:
        raise InvalidPlan(
            f"{folder} was written by emberkeep {found.get('emberkeep')}, in another format "
            f"({found['emberkeep_format']}; this one reads {FORMAT}). Read it by "
            "xarray.open_zarr(…), or with that version"
        )
    opened = StoredResult(folder, found)
    if not found["complete"] and not incomplete:
        there = int(np.count_nonzero(opened.status != RUNNING))
        raise NotWritten(
            f"{folder} is not complete: of {len(opened):,} trajectories, {there:,} are there. "
            "Solve again; or pass incomplete=True for those that are: the status of all others "
            f"is {RUNNING}"
        )
    return opened


@final
class StoredResult:
    """Trajectories on disk: what is asked for is read when its values are.

    ``result["x"]`` is a state as xarray's DataArray: by trajectory, or by what a grid varies, and
    time. ``result["x"][:10].to_numpy()`` reads the chunks of ten trajectories.

    Attributes:
        path: of the folder, a group of Zarr's.
        name: the system's.
        attributes: how it was solved.
        state_names: in their order.
        observable_names: likewise.
        sensitivity_names: of what all are differentiated by.
        status: by trajectory: 0 where it succeeded, -2 where an event ended it.
    """

    def __init__(self, path: str, attributes: Mapping[str, Any]) -> None:
        zarr = optional("zarr", EXTRA)
        self.path, self.attributes = path, attributes
        self.name: str = attributes["system"]
        self.state_names = (*attributes["states"],)
        self.observable_names = (*attributes["observables"],)
        self.sensitivity_names = (*attributes.get("sensitivities", ()),)
        self._outputs = (*attributes["outputs"],)
        self._dataset: Any = None
        try:
            self.status: Values = zarr.open_group(path, mode="r")[STATUS][...].reshape(-1)
        except KeyError:  # it was not even begun
            self.status = np.full(attributes["trajectories"], RUNNING, np.int8)

    def __reduce__(self) -> tuple[Any, ...]:
        """As where it is: whoever gets it opens it again."""
        return StoredResult, (self.path, self.attributes)

    def to_xarray(self) -> Any:
        """A dataset whose values are read when they are asked for; see `Result.to_xarray`."""
        if self._dataset is None:
            opened = optional("xarray", EXTRA).open_dataset(
                self.path, engine="zarr", consolidated=False, decode_times=False, cache=False
            )
            # Said of the store: what is made of the dataset is none.
            for name in OF_STORES:
                opened.attrs.pop(name, None)
            self._dataset = opened[self.attributes["variables"]]
            if self.sensitivity_names:
                names = np.array(self.sensitivity_names)
                self._dataset = self._dataset.assign_coords({PARAMETER: names})
        return self._dataset

    def __getitem__(self, name: str) -> Any:
        """A state or observable: over time, or at the end where none were saved."""
        return self._named(name, "states" if "states" in self._outputs else "final", "")

    def at_end(self, name: str) -> Any:
        """A state or observable at the end; ``"final"`` is among the outputs."""
        return self._named(name, "final", "_final" if "states" in self._outputs else "")

    def summary(self, kind: str, name: str) -> Any:
        """One summary of a state or observable, such as ``summary("mean", "x")``."""
        return self._named(name, kind, f"_{kind}")

    def sensitivity(self, of: str, by: str | None = None, *, summary: str | None = None) -> Any:
        """The derivative of a state or observable, by a parameter or initial value, or by all."""
        is_saved = "states" in self._outputs
        found = self._named(
            of,
            summary or ("states" if is_saved else "final"),
            f"_{summary}_sensitivity" if summary else "_sensitivity",
        )
        if by is not None and by not in self.sensitivity_names:
            raise KeyError(
                f"There are no derivatives by {by!r}, but by {', '.join(self.sensitivity_names)}"
            )
        return found if by is None else found.sel({PARAMETER: by}, drop=True)

    def _named(self, name: str, output: str, ending: str) -> Any:
        if name not in self:
            raise KeyError(f"{name!r} is no state; there are {', '.join(self)}")
        label = name + ending if ending else state_label(name)
        if output not in self._outputs:
            raise KeyError(
                f"{output!r} was not asked for; there are {', '.join(self._outputs)}. Pass "
                f"outputs=[{output!r}]"
            )
        # Where a name is taken by another quantity, the label is a longer one.
        if label not in self.attributes["variables"] or (ending and label in self):
            raise KeyError(
                f"{label!r} is the name of something else, too. In to_xarray(), there are "
                f"{', '.join(self.attributes['variables'])}"
            )
        return self.to_xarray()[label]

    def __len__(self) -> int:
        """How many trajectories there are."""
        return self.status.size

    def __iter__(self) -> Iterator[str]:
        """Names of states and observables."""
        return iter(self.keys())

    def __contains__(self, name: object) -> bool:
        """Whether there is a state or observable of this name."""
        return name in self.keys()

    def keys(self) -> tuple[str, ...]:
        """Names of states and observables."""
        return (*self.state_names, *self.observable_names)

    @property
    def is_complete(self) -> bool:
        """Whether all trajectories are there."""
        return bool(self.attributes["complete"])

    @property
    def failed(self) -> Values:
        """Numbers of trajectories that did not succeed."""
        return np.flatnonzero(has_failed(self.status))

    def require_success(self) -> StoredResult:
        """The result itself, where every trajectory succeeded.

        Raises:
            SolveFailed: says how many did not, why, and which was the first.
        """
        if self.failed.size:
            raise solve_failed(self.name, self.status, self._first_end())
        return self

    def warn_of_failures(self) -> StoredResult:
        """The result itself; where trajectories failed, after one warning that says why."""
        if self.failed.size:
            warn_of_failures(self.name, self.status, self._first_end())
        return self

    def _first_end(self) -> float | None:
        """When the first of those that failed did, where that is known."""
        if REACHED not in self._outputs or REACHED in self:  # or a state is called so
            return None
        times = optional("zarr", EXTRA).open_group(self.path, mode="r")[REACHED]
        return float(times[np.unravel_index(self.failed[0], times.shape)])

    def __repr__(self) -> str:
        there = int(np.count_nonzero(self.status != RUNNING))
        good = len(self) - self.failed.size
        lines = [
            f"<StoredResult of {self.name}",
            f"  trajectories  {len(self):,}, {good:,} of them succeeded",
            *([] if self.is_complete else [f"  not complete  {there:,} are there"]),
            f"  outputs       {', '.join(self._outputs)} of {', '.join(self)}",
            f"  in            {self.path}",
            ">",
        ]
        return "\n".join(lines)
