"""What a graph's distribution is asked for: how long the chain takes, and what it gathers."""

from __future__ import annotations

from emberkeep.phasetype.distribution import (
    accumulated,
    cumulative,
    density,
    joint_probabilities,
    laplace,
    quantile,
    state_probabilities,
    survival,
)
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.linear_systems import read_theta
from emberkeep.phasetype.moments import (
    Eliminated,
    covariance,
    expectation,
    gradient,
    moments,
    sojourn,
    variance,
    waiting,
)
from emberkeep.phasetype.rewards import one_kind
from emberkeep.phasetype.sampling import sample
from emberkeep.phasetype.structure import Structure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PhaseType(Structure):
    """A phase-type distribution: a structure of which all of its quantities can be asked."""

    __slots__ = ()

    def expectation(self, theta: Any = None, *, rewards: Any = None) -> Any:
        """The mean of the time until the chain ends, or of the rewards that it gathers.

        Args:
            theta: a parameter vector, or rows of them; results then have an axis for them, first.
            rewards: what each state earns by time or step: by vertex; by vertex and kind; or a
                function of the state. By default 1.
        """
        return expectation(self, theta, rewards)

    def moments(self, k: int, theta: Any = None, *, rewards: Any = None) -> Any:
        """The raw moments of orders 1 to k."""
        return moments(self, k, theta, rewards)

    def variance(self, theta: Any = None, *, rewards: Any = None) -> Any:
        """The variance; without cancellation."""
        return variance(self, theta, rewards)

    def covariance(self, rewards: Any, others: Any = None, theta: Any = None) -> Any:
        """The covariance of two rewards, or the matrix of those of several kinds."""
        return covariance(self, theta, rewards, others)

    def gradient(self, theta: Any, *, order: int = 1, rewards: Any = None) -> tuple[Any, Any]:
        """A raw moment and its derivatives by parameter; exact."""
        return gradient(self, theta, order, rewards)

    def sojourn_times(self, theta: Any = None) -> Any:
        """By vertex: the time that is spent there, on average (in discrete time, visits)."""
        vectors, single = read_theta(self, theta)
        with Eliminated(self, vectors) as system:
            found = sojourn(system)
        return found[0] if single else found

    def waiting_times(self, theta: Any = None, *, rewards: Any = None) -> Any:
        """By vertex: the mean of the rest, for a chain that is there now."""
        vectors, single = read_theta(self, theta)
        with Eliminated(self, vectors) as system:
            found = system.by_vertex(waiting(system, one_kind(self, rewards)))
        return found[0] if single else found

    def pdf(self, times: Any, theta: Any = None) -> Any:
        """The density, to 1e-10 of its peak or better; in discrete time the probability mass."""
        return density(self, times, theta)

    def pmf(self, steps: Any, theta: Any = None) -> Any:
        """The probability of ending with a step; in discrete time.

        Raises:
            InvalidGraph: the graph is continuous.
        """
        if not self.is_discrete:
            raise InvalidGraph(f"{self.name} is continuous: it has a density, pdf(times)")
        return self.pdf(steps, theta)

    def cdf(self, times: Any, theta: Any = None) -> Any:
        """The probability that it takes no longer."""
        return cumulative(self, times, theta)

    def survival(self, times: Any, theta: Any = None) -> Any:
        """The probability that it takes longer; small ones are as precise as large ones."""
        return survival(self, times, theta)

    def quantile(self, probabilities: Any, theta: Any = None) -> Any:
        """The least times that are not exceeded with given probabilities."""
        return quantile(self, probabilities, theta)

    def state_probabilities(self, times: Any, theta: Any = None) -> Any:
        """By time and vertex: the probability of being there."""
        return state_probabilities(self, times, theta)

    def accumulated_rewards(self, times: Any, theta: Any = None, *, rewards: Any = None) -> Any:
        """What was earned up to times, on average; by kind of reward where there are several."""
        return accumulated(self, times, rewards, theta)

    def laplace_transform(self, s: Any, theta: Any = None, *, rewards: Any = None) -> Any:
        """E[exp(-s Y)], for real s that are not negative."""
        return laplace(self, s, theta, rewards)

    def joint_probabilities(
        self, counts: Any, theta: Any = None, *, rewards: Any = None, rate: Any = 1.0
    ) -> Any:
        """Probabilities of numbers of events that come at the rate of rewards: mutations, say.

        Args:
            counts: up to how many of each kind.
            theta: parameters.
            rewards: by vertex and kind.
            rate: of events by reward; one, or by kind.

        Returns:
            An array with an axis for each kind: at [i, j], the probability of i and j.
        """
        return joint_probabilities(self, counts, rewards, rate, theta)

    def sample(
        self, size: int = 1, theta: Any = None, *, rewards: Any = None, seed: int | None = None
    ) -> Any:
        """Draw from the distribution by running the chain.

        Args:
            size: how many.
            theta: one parameter vector.
            rewards: by vertex, or by vertex and kind; draws then have a column for each kind.
            seed: the same gives the same, whatever the number of threads.
        """
        return sample(self, size, theta, rewards, seed)
