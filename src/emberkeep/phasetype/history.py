"""Epochs as users write them: when each begins, with what parameters, after which pulse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emberkeep.phasetype.distribution import weights_of
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.linear_systems import read_single
from emberkeep.phasetype.numeric import as_numbers
from emberkeep.phasetype.pulses import Pulse, read_pulse
from emberkeep.phasetype.rewards import read_rewards
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

SHORT, LONG = 2, 3  # (time, theta), (time, theta, pulse)
KINDS = 3  # axes of rewards by epoch, vertex and kind


@final
@frozen
class Epoch:
    """A stretch of time in which weights do not change.

    Attributes:
        start: when it begins; it ends where the next one begins.
        theta: the parameters.
        pulse: what happens to the chain when it begins; None for nothing.
    """

    start: float
    theta: Values
    pulse: Pulse | None = None


def read_epochs(graph: Structure, given: Any) -> tuple[Epoch, ...]:
    """Epochs, checked.

    Args:
        graph: whose weights change.
        given: tuples of a time and parameters, and perhaps a pulse; in order, from time 0 on.

    Raises:
        InvalidGraph: says which of them is impossible, and why.
    """
    try:
        listed: list[Any] = [*given]
    except TypeError:
        listed = []
    if not listed:
        raise InvalidGraph(
            f"Epochs are a list of (time, theta), the first with the time 0; here is {given!r}"
        )
    found: list[Epoch] = []
    for number, each in enumerate(listed):
        epoch = each if isinstance(each, Epoch) else _read(graph, number, each)
        if not np.isfinite(epoch.start):
            raise InvalidGraph(
                f"Epoch {number} begins at {epoch.start}; expected a finite time. The last one "
                "goes on for ever by itself"
            )
        if graph.is_discrete and epoch.start != np.floor(epoch.start):
            raise InvalidGraph(
                f"Epoch {number} begins at {epoch.start}; in discrete time it begins after a whole "
                "number of steps"
            )
        before = found[-1].start if found else 0.0
        if epoch.start < before or (not found and epoch.start != 0):
            raise InvalidGraph(
                f"Epoch {number} begins at {epoch.start}; expected "
                + (f"{before} or later, as they follow each other" if found else "0, as the first")
            )
        weights_of(graph, epoch.theta[None])
        found.append(epoch)
    return tuple(found)


def _read(graph: Structure, number: int, given: Any) -> Epoch:
    parts: list[Any] = [*given] if isinstance(given, list | tuple) else []
    if len(parts) not in (SHORT, LONG):
        raise InvalidGraph(
            f"Epoch {number} is {given!r}; expected (time, theta) or (time, theta, pulse), with "
            "theta=None where weights depend on no parameters"
        )
    start = as_numbers("The times of epochs", parts[0])
    if start.ndim:
        raise InvalidGraph(f"Epoch {number} begins at {parts[0]!r}; expected one number")
    pulse = None if len(parts) == SHORT or parts[2] is None else read_pulse(graph, parts[2])
    return Epoch(float(start), read_single(graph, parts[1]).copy(), pulse)


def rewards_by_epoch(graph: Structure, rewards: Any, count: int) -> tuple[list[Values], bool]:
    """By epoch: rewards by vertex and kind; and whether there are kinds.

    Args:
        graph: whose vertices.
        rewards: what a graph takes, the same in all epochs; or by epoch, vertex and kind.
        count: how many epochs there are.

    Raises:
        InvalidGraph: rewards are impossible, or for another number of epochs.
    """
    plain = rewards is None or isinstance(rewards, Callable)
    by_epoch = np.empty(0) if plain else as_numbers("Rewards", rewards)
    if by_epoch.ndim == KINDS:
        if len(by_epoch) != count:
            raise InvalidGraph(
                f"Rewards have the shape {by_epoch.shape}; with three axes the first is for "
                f"epochs, of which there are {count}"
            )
        return [read_rewards(graph, each) for each in by_epoch], True
    values = read_rewards(graph, rewards)
    columns = values.reshape(len(graph), -1)
    return [columns] * count, values.ndim > 1
