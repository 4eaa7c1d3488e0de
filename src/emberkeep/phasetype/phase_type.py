"""What a graph's distribution is asked for: how long the chain takes, and what it gathers."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from emberkeep.phasetype.distribution import (
    accumulated,
    cumulative,
    density,
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
    from collections.abc import Callable
    from typing import Any

    from emberkeep.phasetype.joint import JointTable
    from emberkeep.phasetype.paths import Path


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

    @abstractmethod
    def reward_transform(self, rewards: Any, theta: Any = None) -> PhaseType:
        """The graph whose time until the end is what this one earns."""

    def pdf(self, times: Any, theta: Any = None, *, rewards: Any = None) -> Any:
        """The density, to 1e-10 of its peak or better; in discrete time the probability mass.

        Args:
            times: of which the density is wanted; with `rewards`, what is earned.
            theta: as of `expectation`.
            rewards: of one kind, in place of time. Nothing is earned with a probability of its
                own (`1 - earning_probability(rewards)`), which is no density.
        """
        return self._ask(density, times, theta, rewards)

    def pmf(self, steps: Any, theta: Any = None, *, rewards: Any = None) -> Any:
        """The probability of ending with a step; in discrete time.

        Raises:
            InvalidGraph: the graph is continuous.
        """
        if not self.is_discrete:
            raise InvalidGraph(f"{self.name} is continuous: it has a density, pdf(times)")
        return self.pdf(steps, theta, rewards=rewards)

    def cdf(self, times: Any, theta: Any = None, *, rewards: Any = None) -> Any:
        """The probability that it takes no longer, or that no more is earned."""
        return self._ask(cumulative, times, theta, rewards)

    def survival(self, times: Any, theta: Any = None, *, rewards: Any = None) -> Any:
        """The probability that it takes longer; small ones are as precise as large ones."""
        return self._ask(survival, times, theta, rewards)

    def quantile(self, probabilities: Any, theta: Any = None, *, rewards: Any = None) -> Any:
        """The least times, or rewards, that are not exceeded with given probabilities."""
        return self._ask(quantile, probabilities, theta, rewards)

    def _ask(
        self, question: Callable[[PhaseType, Any, Any], Any], given: Any, theta: Any, rewards: Any
    ) -> Any:
        """What is known of time, of rewards too: as that of the graph they transform it to."""
        if rewards is None:
            return question(self, given, theta)
        vectors, single = read_theta(self, theta)
        found = [
            question(self.reward_transform(rewards, vector if vector.size else None), given, None)
            for vector in vectors
        ]
        return found[0] if single else np.stack(found)

    def state_probabilities(self, times: Any, theta: Any = None) -> Any:
        """By time and vertex: the probability of being there."""
        return state_probabilities(self, times, theta)

    def accumulated_rewards(self, times: Any, theta: Any = None, *, rewards: Any = None) -> Any:
        """What was earned up to times, on average; by kind of reward where there are several."""
        return accumulated(self, times, rewards, theta)

    def occupancies(self, times: Any, theta: Any = None) -> Any:
        """By time and vertex: the time that was spent there until then, on average.

        In discrete time, how many steps; zero where the chain ends. Without end (``numpy.inf``)
        these are `sojourn_times`.
        """
        from emberkeep.phasetype.occupancy import occupancies

        return occupancies(self, times, theta)

    def visits(self, times: Any, theta: Any = None) -> Any:
        """By time and vertex: how often it was come to until then, on average.

        Where it begins has been come to; in discrete time, staying is no new visit.
        """
        from emberkeep.phasetype.occupancy import visits

        return visits(self, times, theta)

    def hitting_probabilities(self, targets: Any, theta: Any = None) -> Any:
        """By vertex: the probability of ever coming to a target, for a chain that is there now.

        Args:
            targets: numbers of vertices, a mask by vertex, or a function of the state. Of where the
                chain ends, these are also known as backward probabilities.
            theta: as of `expectation`.
        """
        from emberkeep.phasetype.hitting import hitting_probabilities

        return hitting_probabilities(self, targets, theta)

    def earning_probability(self, rewards: Any, theta: Any = None) -> Any:
        """The probability that anything is earned; by kind where there are several."""
        from emberkeep.phasetype.hitting import earning_probability

        return earning_probability(self, rewards, theta)

    def laplace_transform(self, s: Any, theta: Any = None, *, rewards: Any = None) -> Any:
        """E[exp(-s Y)], for real and complex s.

        Args:
            s: one argument, or an array of them.
            theta: as of `expectation`.
            rewards: of one kind, in place of time.

        Raises:
            InvalidGraph: it is infinite: s is not inside the region of convergence.
            TooStiff: rounding may have changed it by more than 1e-10 of its value at the real part.
        """
        from emberkeep.phasetype.laplace import laplace

        return laplace(self, s, theta, rewards)

    def joint_probabilities(
        self, counts: Any, theta: Any = None, *, rewards: Any = None, rate: Any = 1.0
    ) -> Any:
        """Probabilities of numbers of events that come at the rate of rewards: mutations, say.

        Args:
            counts: up to how many of each kind.
            theta: parameters.
            rewards: by vertex and kind. In discrete time they are whole numbers, and themselves
                what is counted.
            rate: of events by reward; one, or by kind. Only in continuous time.

        Returns:
            An array with an axis for each kind: at [i, j], the probability of i and j.
        """
        from emberkeep.phasetype.joint import joint_probabilities

        return joint_probabilities(self, counts, rewards, rate, theta)

    def joint_table(self, theta: Any = None, *, rewards: Any = None, rate: Any = 1.0) -> JointTable:
        """The same for one parameter vector, as a table that grows with what it is asked for.

        It has marginals, conditionals, and the probability of what lies outside of it.
        """
        from emberkeep.phasetype.joint import JointTable

        return JointTable(self, rewards=rewards, rate=rate, theta=theta)

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

    def sample_paths(
        self,
        size: int = 1,
        theta: Any = None,
        *,
        ends: Any = None,
        duration: float | None = None,
        at: tuple[float, Any] | None = None,
        seed: int | None = None,
    ) -> list[Path]:
        """Draw whole paths: where the chain goes and when, also of those that meet a condition.

        Args:
            size: how many.
            theta: one parameter vector.
            ends: those that end in one of these vertices; all such arguments are read as those
                of `hitting_probabilities`.
            duration: those that take just so long.
            at: those that are in one of some vertices at a time, as ``(time, vertices)``.
            seed: without a condition, paths take what `sample` of the same seed gives.

        Raises:
            InvalidGraph: the condition has no probability, or there are several of them.
        """
        from emberkeep.phasetype.paths import sample_paths

        return sample_paths(self, size, theta, ends=ends, duration=duration, at=at, seed=seed)
