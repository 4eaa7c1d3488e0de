"""`Epochs`: a graph whose weights change at given times, and what can be asked of it.

Within an epoch it is a graph that begins where the epoch before has come to, so that all of it is
found as precisely as of one.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from emberkeep.phasetype.distribution import (
    accumulated,
    cumulative,
    density,
    read_times,
    state_probabilities,
    survival,
)
from emberkeep.phasetype.epoch_moments import covariances_of, earned, moments_of, powers_up_to
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.history import Epoch, read_epochs, rewards_by_epoch
from emberkeep.phasetype.moments import expectation, require_order
from emberkeep.phasetype.quantiles import quantiles, read_probabilities
from emberkeep.phasetype.stretches import Stretch
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from emberkeep.phasetype.differentiable.epochs_model import EpochsModel
    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


@final
class Epochs:
    """A phase-type distribution in time that changes: weights are those of the epoch.

    Frozen; `Graph.epochs` makes one. An epoch begins at its time, with its pulse if it has one, and
    in continuous time what begins at a time is there at that time. In discrete time the weights of
    an epoch that begins at k are those of step k + 1 and of later ones.

    Attributes:
        graph: states and edges, the same in all epochs.
        epochs: when each begins, with what parameters, after which pulse.
    """

    __slots__ = ("_remembered", "epochs", "graph")

    graph: Structure
    epochs: tuple[Epoch, ...]
    _remembered: dict[str, Any]

    def __init__(self, graph: Structure, epochs: Any) -> None:
        object.__setattr__(self, "graph", graph)
        object.__setattr__(self, "epochs", read_epochs(graph, epochs))
        object.__setattr__(self, "_remembered", {})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Epochs are frozen: {name!r} cannot change. Make new ones")

    def __reduce__(self) -> tuple[Any, ...]:
        """The graph and the epochs; what has been found out is found again."""
        return Epochs, (self.graph, self.epochs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Epochs):
            return NotImplemented
        return self.graph == other.graph and self.epochs == other.epochs

    def __hash__(self) -> int:
        return hash((self.graph, tuple(epoch.start for epoch in self.epochs)))

    def __len__(self) -> int:
        """How many epochs there are."""
        return len(self.epochs)

    def __repr__(self) -> str:
        starts = ", ".join(f"{epoch.start:g}" for epoch in self.epochs)
        return f"<Epochs of {self.graph.name}: {len(self)}, which begin at {starts}>"

    @property
    def is_discrete(self) -> bool:
        """Whether time goes in steps."""
        return self.graph.is_discrete

    @property
    def starts(self) -> Values:
        """When each epoch begins."""
        return np.array([epoch.start for epoch in self.epochs])

    @property
    def defect(self) -> float:
        """The probability that it has ended before it begins, or by a pulse at time 0."""
        return self._stretch(int(np.flatnonzero(self.starts == 0)[-1])).defect

    @property
    def atoms(self) -> Values:
        """By epoch, the probability of ending just when it begins, by its pulse.

        `pdf` is without them in continuous time, where they have no density.
        """
        return self._once("atoms", self._find_atoms)

    def _find_atoms(self) -> Values:
        found = np.zeros(len(self))
        ends = self.graph.absorbing
        for number, epoch in enumerate(self.epochs):
            if epoch.pulse is not None:
                before = self._arrived(number).copy()
                before[ends] = 0.0
                found[number] = epoch.pulse.after(before)[ends].sum()
        return found

    # On the way -----------------------------------------------------------------------------------

    def pdf(self, times: Any) -> Any:
        """The density; in discrete time, the probability of ending with a step."""
        flat, shape = read_times(times, whole=self.is_discrete)
        # A step is made with what held before it.
        found = self._by_epoch(density, flat, flat - 1 if self.is_discrete else flat)
        if self.is_discrete:
            found[flat == 0] = self.graph.defect
            for start, atom in zip(self.starts, self.atoms, strict=True):
                found[flat == start] += atom
        return _shaped(found, shape)

    def pmf(self, steps: Any) -> Any:
        """The probability of ending with a step; in discrete time.

        Raises:
            InvalidGraph: time is continuous.
        """
        if not self.is_discrete:
            raise InvalidGraph(f"{self.graph.name} is continuous: it has a density, pdf(times)")
        return self.pdf(steps)

    def cdf(self, times: Any) -> Any:
        """The probability that it takes no longer."""
        flat, shape = read_times(times, whole=False)
        return _shaped(self._by_epoch(cumulative, flat, flat), shape)

    def survival(self, times: Any) -> Any:
        """The probability that it takes longer; small ones are as precise as large ones."""
        flat, shape = read_times(times, whole=False)
        return _shaped(self._by_epoch(survival, flat, flat), shape)

    def quantile(self, probabilities: Any) -> Any:
        """The least times that are not exceeded with given probabilities."""
        wanted = read_probabilities(probabilities)
        return _shaped(quantiles(self, wanted.reshape(-1)), wanted.shape)

    def state_probabilities(self, times: Any) -> Any:
        """By time and vertex: the probability of being there, after what happens at that time."""
        flat, shape = self._read_finite(times)
        found = self._by_epoch(state_probabilities, flat, flat)
        return found.reshape(*shape, len(self.graph))

    def accumulated_rewards(self, times: Any, *, rewards: Any = None) -> Any:
        """What was earned up to times, on average; by kind of reward where there are several.

        Args:
            times: any; infinite ones too.
            rewards: as of `expectation`.
        """
        by_epoch, several = rewards_by_epoch(self.graph, rewards, len(self))
        flat, shape = read_times(times, whole=self.is_discrete)
        if (flat < 0).any():
            raise InvalidGraph("Times must not be negative")
        before = self._earned_before(by_epoch)
        found = np.empty((len(flat), by_epoch[0].shape[1]))
        finite = np.isfinite(flat)
        numbers = self._numbers(flat)
        for number in _different(numbers[finite]):
            there = finite & (numbers == number)
            since = flat[there] - self.epochs[number].start
            found[there] = before[number] + self._accumulated(number, since, by_epoch[number])
        if not finite.all():
            found[~finite] = before[-1] + self._expected_last(by_epoch[-1])
        return found.reshape(*shape, -1) if several else _shaped(found[:, 0], shape)

    # In the end -----------------------------------------------------------------------------------

    def expectation(self, *, rewards: Any = None) -> Any:
        """The mean of the time until the chain ends, or of the rewards that it gathers.

        Args:
            rewards: what each state earns by time or step: by vertex; by vertex and kind; a
                function of the state; or, where that changes, by epoch, vertex and kind. By default
                1.
        """
        by_epoch, several = rewards_by_epoch(self.graph, rewards, len(self))
        found = self._earned_before(by_epoch)[-1] + self._expected_last(by_epoch[-1])
        return found if several else float(found[0])

    def moments(self, k: int, *, rewards: Any = None) -> Any:
        """The raw moments of orders 1 to k."""
        require_order(k)
        by_epoch, several = rewards_by_epoch(self.graph, rewards, len(self))
        if several and by_epoch[0].shape[1] > 1:
            raise InvalidGraph(
                f"Moments are of one reward, and there are {by_epoch[0].shape[1]} kinds; for two "
                "together there is covariance(rewards)"
            )
        powers = powers_up_to(1, int(k))
        return self._moments(by_epoch, powers)[1:]

    def variance(self, *, rewards: Any = None) -> Any:
        """The variance; by kind of reward where there are several.

        Raises:
            TooStiff: it is so small beside the mean's square that its digits are not certain.
        """
        by_epoch, several = rewards_by_epoch(self.graph, rewards, len(self))
        kinds = range(by_epoch[0].shape[1])
        found = [
            self._covariances([values[:, [kind]] for values in by_epoch], [(0, 0)])[0]
            for kind in kinds
        ]
        return np.array(found) if several else found[0]

    def covariance(self, rewards: Any, others: Any = None) -> Any:
        """The covariance of two rewards, or the matrix of those of several kinds."""
        by_epoch, _ = rewards_by_epoch(self.graph, rewards, len(self))
        if others is not None:
            more, _ = rewards_by_epoch(self.graph, others, len(self))
            if by_epoch[0].shape[1] != 1 or more[0].shape[1] != 1:
                raise InvalidGraph("The covariance of two rewards is of one kind and another one")
            both = [np.concatenate(pair, axis=1) for pair in zip(by_epoch, more, strict=True)]
            return self._covariances(both, [(0, 0), (1, 1), (0, 1)])[2]
        kinds = range(by_epoch[0].shape[1])
        pairs = [(one, other) for one in kinds for other in kinds if one <= other]
        matrix = np.empty((len(kinds), len(kinds)))
        for (one, other), value in zip(pairs, self._covariances(by_epoch, pairs), strict=True):
            matrix[one, other] = matrix[other, one] = value
        return matrix

    def sample(self, size: int = 1, *, rewards: Any = None, seed: int | None = None) -> Any:
        """Draw from the distribution by running the chain.

        Args:
            size: how many.
            rewards: as of `expectation`; with kinds, draws have a column for each.
            seed: the same gives the same, whatever the number of threads.
        """
        from emberkeep.phasetype.epoch_sampling import sample

        by_epoch, several = rewards_by_epoch(self.graph, rewards, len(self))
        self.expectation()  # it must end, or a chain would run for ever
        found: Any = sample(self.graph, self.epochs, size, by_epoch, seed)
        return found if several else found[:, 0]

    @property
    def theta(self) -> Values:
        """All parameters as one vector: those of each epoch, then the times of all but the first.

        That is what `model` is a function of.
        """
        return np.concatenate([*(epoch.theta for epoch in self.epochs), self.starts[1:]])

    def model(self, *, rewards: Any = None, moments: int = 0) -> EpochsModel:
        """Densities, and moments, as functions of all parameters that JAX differentiates.

        Args:
            rewards: that moments are of, in place of time; as of `expectation`. Then there are no
                densities.
            moments: how many raw moments a call gives besides densities.

        Raises:
            InvalidGraph: rewards are impossible, or there are too many moments.
        """
        from emberkeep.phasetype.differentiable.entry import open_epochs_model

        return open_epochs_model(self, rewards, moments)

    # Epoch by epoch -------------------------------------------------------------------------------

    def _once(self, what: str, make: Callable[[], Any]) -> Any:
        if what not in self._remembered:
            self._remembered[what] = make()
        return self._remembered[what]

    def _stretch(self, number: int) -> Stretch:
        """The chain from where an epoch begins, after its pulse."""
        for each in range(number + 1):
            self._once(f"stretch {each}", partial(self._begin, each))
        return self._remembered[f"stretch {number}"]

    def _begin(self, number: int) -> Stretch:
        pulse, begins = self.epochs[number].pulse, self._arrived(number)
        after = begins if pulse is None else pulse.after(begins)
        return Stretch(self.graph, after, self.graph.missing)

    def _arrived(self, number: int) -> Values:
        """By vertex, the probability of being there when an epoch begins, before its pulse."""
        if not number:
            return self.graph.initial
        before, now = self.epochs[number - 1 : number + 1]
        length = now.start - before.start
        stretch = self._stretch(number - 1)
        return self._once(f"arrived {number}", lambda: stretch.arrived(before.theta, length))

    def _numbers(self, times: Values) -> Values:
        """The epoch of each time; of earlier ones the first."""
        return np.maximum(np.searchsorted(self.starts, times, side="right") - 1, 0)

    def _by_epoch(self, quantity: Callable[..., Any], times: Values, held: Values) -> Values:
        """A quantity of graphs at times, each asked of the epoch that held at another time."""
        numbers = self._numbers(held)
        found: Values | None = None
        for number in _different(numbers):
            there, epoch = numbers == number, self.epochs[number]
            theta = epoch.theta if epoch.theta.size else None
            part = quantity(self._stretch(number), times[there] - epoch.start, theta)
            if found is None:
                found = np.empty((len(times), *part.shape[1:]))
            found[there] = part
        return np.empty(0) if found is None else found

    def _read_finite(self, times: Any) -> tuple[Values, tuple[int, ...]]:
        flat, shape = read_times(times, whole=self.is_discrete)
        if (flat < 0).any() or not np.isfinite(flat).all():
            raise InvalidGraph("Times must be finite and not negative")
        return flat, shape

    def _accumulated(self, number: int, since: Values, rewards: Values) -> Values:
        theta = self.epochs[number].theta
        return accumulated(self._stretch(number), since, rewards, theta if theta.size else None)

    def _earned_before(self, rewards: list[Values]) -> Values:
        """By epoch and kind, what has been earned on average when it begins."""
        lengths = np.diff(self.starts)
        parts = [
            self._accumulated(number, lengths[number : number + 1], rewards[number])[0]
            for number in range(len(lengths))
        ]
        return np.cumsum([np.zeros(rewards[0].shape[1]), *parts], axis=0)

    def _expected_last(self, rewards: Values) -> Values:
        """By kind, what is earned on average in the last epoch."""
        theta = self.epochs[-1].theta
        last = self._stretch(len(self) - 1).eliminable()
        return expectation(last, theta if theta.size else None, rewards)

    def _moments(self, rewards: list[Values], powers: list[tuple[int, ...]]) -> Values:
        stretches = [self._stretch(number) for number in range(len(self))]
        before = earned(stretches, self.epochs, rewards, powers)
        return moments_of(before, stretches[-1], self.epochs[-1].theta, rewards[-1])

    def _covariances(self, rewards: list[Values], pairs: list[tuple[int, int]]) -> list[float]:
        stretches = [self._stretch(number) for number in range(len(self))]
        powers = powers_up_to(rewards[0].shape[1], 2)
        before = earned(stretches, self.epochs, rewards, powers)
        return covariances_of(before, stretches[-1], self.epochs[-1].theta, rewards[-1], pairs)


def _different(numbers: Values) -> list[int]:
    found: set[int] = {*numbers.tolist()}
    return sorted(found)


def _shaped(found: Values, shape: tuple[int, ...]) -> Any:
    shaped = found.reshape(shape)
    return float(shaped) if shaped.ndim == 0 else shaped
