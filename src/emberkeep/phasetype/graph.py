"""The graph of a phase-type distribution: states, and how the chain goes from one to another."""

from __future__ import annotations

from collections.abc import Callable
from math import fsum

import numpy as np

from emberkeep.errors import InvalidGraph
from emberkeep.light import final, frozen
from emberkeep.phasetype.views import Rows, Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from emberkeep.cache import Keep
    from emberkeep.phasetype.assembly import Edges
    from emberkeep.phasetype.building import GraphBuilder
    from emberkeep.phasetype.canonical import Canonical
    from emberkeep.phasetype.differentiable.model import Model
    from emberkeep.phasetype.states import States
    from emberkeep.phasetype.trace import Trace

    Values = np.ndarray[Any, Any]

MOST_STATES = 20_000_000


@final
@frozen
class Definition:
    """All that a graph was given."""

    states: States
    edges: Edges
    initial: Values
    is_discrete: bool
    name: str


def _graph(of: Definition) -> Graph:
    return Graph(of.states, of.edges, of.initial, is_discrete=of.is_discrete, name=of.name)


@final
class Graph:
    """A Markov chain that ends: how long that takes, and what it gathers until then, is phase-type.

    Frozen. It is made by `from_callback`, `from_frontier`, `from_matrix` or `builder`; or, as other
    libraries write it, by ``Graph(callback, parameterized=True, nr_samples=10)``, with ``ipv=`` for
    states to begin in and their probabilities. Weights are rates in continuous time, and
    probabilities in discrete time, where what is left is staying. They may depend on parameters:
    base + coefficients · theta. The chain ends in the states that have no edges.

    Attributes:
        states: labels, as rows of numbers.
        edges: in the order of vertices.
        initial: probabilities of beginning, by vertex; what is missing to one ends at once.
        is_discrete: whether time goes in steps.
        name: what its trace is called in the keep.
        remembered: what has been found out about it; for this package alone.
    """

    __slots__ = ("edges", "initial", "is_discrete", "name", "remembered", "states")

    states: States
    edges: Edges
    initial: Values
    is_discrete: bool
    name: str
    remembered: dict[str, Any]

    def __init__(  # noqa: PLR0913 - what other libraries' graphs are given, by name
        self,
        states: States | Callable[..., Iterable[Any]] | None = None,
        edges: Edges | None = None,
        initial: Values | None = None,
        *,
        is_discrete: bool = False,
        name: str = "graph",
        callback: Callable[..., Iterable[Any]] | None = None,
        parameterized: bool = False,
        ipv: Any = None,
        **constants: Any,
    ) -> None:
        if isinstance(states, Callable):
            states, callback = None, states
        if callback is not None:
            from emberkeep.phasetype.calling import explore

            made = explore(
                callback, ipv, constants, is_discrete=is_discrete, parameterized=parameterized
            )
            states, edges, initial, name = made.states, made.edges, made.initial, made.name
        if states is None or edges is None or initial is None or (constants and callback is None):
            raise InvalidGraph(
                "A graph is made by Graph.from_callback, from_frontier, from_matrix or builder; or "
                "by Graph(callback, ipv=…, parameterized=True), with what it takes by name"
            )
        for array in (states.rows, edges.starts, edges.targets, edges.base, initial):
            array.flags.writeable = False
        edges.coefficients.flags.writeable = False
        values: dict[str, Any] = {"states": states, "edges": edges, "initial": initial}
        values |= {"is_discrete": is_discrete, "name": name, "remembered": {}}
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"A graph is frozen: {name!r} cannot change. Make a new one, or use instantiate()"
        )

    # Making ---------------------------------------------------------------------------------------

    @staticmethod
    def from_callback(
        callback: Callable[[Any], Iterable[Any]],
        initial: Any,
        theta_length: int = 0,
        discrete: bool = False,  # noqa: FBT001, FBT002 - as it is written in papers and documents
        *,
        name: str | None = None,
        most_states: int = MOST_STATES,
    ) -> Graph:
        """Explore what can be reached from where the chain begins.

        Args:
            callback: from a state, edges: ``(next_state, weight)``, ``(next_state, coefficients)``
                or ``(next_state, base, coefficients)``; none where the chain ends.
            initial: pairs of a state and the probability of beginning there.
            theta_length: how many parameters weights depend on.
            discrete: whether time goes in steps.
            name: what its trace is called in the keep; the callback's name by default.
            most_states: an endless state space is given up beyond.

        Raises:
            InvalidGraph: names the state with which something is wrong.
        """
        from emberkeep.phasetype.building import from_callback

        return from_callback(
            callback,
            initial,
            theta_length=theta_length,
            discrete=discrete,
            name=name or getattr(callback, "__name__", None),
            most_states=most_states,
        )

    @staticmethod
    def from_frontier(
        callback: Callable[[Values], Any],
        initial: Any,
        theta_length: int = 0,
        discrete: bool = False,  # noqa: FBT001, FBT002 - as in `from_callback`
        *,
        name: str | None = None,
        most_states: int = MOST_STATES,
        known: Any = None,
    ) -> Graph:
        """Explore a whole frontier of states at a time: the way for millions.

        Args:
            callback: from states as rows of numbers, edges: ``(sources, next_states, weights)``, or
                ``(sources, next_states, base, coefficients)``, with sources as positions among the
                rows; `weights` may also be coefficients, a column for each parameter.
            initial: as in `from_callback`, and so all that follows.
            theta_length: how many parameters weights depend on.
            discrete: whether time goes in steps.
            name: what its trace is called in the keep.
            most_states: an endless state space is given up beyond.
            known: states that are known to be reached: the fewer frontiers, the faster.
        """
        from emberkeep.phasetype.building import from_frontier

        return from_frontier(
            callback,
            initial,
            theta_length=theta_length,
            discrete=discrete,
            name=name or getattr(callback, "__name__", None),
            most_states=most_states,
            known=known,
        )

    @staticmethod
    def from_matrix(
        matrix: Any,
        alpha: Any,
        states: Sequence[object] | None = None,
        *,
        discrete: bool = False,
        name: str | None = None,
        exits: Any = None,
        prune: bool = False,
    ) -> Graph:
        """From the rates, or probabilities, among transient states; what is left in a row ends.

        Args:
            matrix: NumPy's or SciPy's; a subintensity matrix, or a substochastic one.
            alpha: probabilities of beginning.
            states: labels.
            discrete: whether time goes in steps.
            name: what its trace is called in the keep.
            exits: by row, how fast it ends, where what is left of a row would say so with too few
                digits: a difference of large numbers is no more precise than they are.
            prune: whether states that nothing leads to are left out; else they are refused.
        """
        from emberkeep.phasetype.matrices import from_matrix

        return from_matrix(
            matrix, alpha, states, exits=exits, discrete=discrete, name=name, prune=prune
        )

    @staticmethod
    def builder(
        *, theta_length: int = 0, discrete: bool = False, name: str | None = None
    ) -> GraphBuilder:
        """What makes a graph by hand, with `add_vertex` and `add_edge`."""
        from emberkeep.phasetype.building import GraphBuilder

        return GraphBuilder(theta_length=theta_length, discrete=discrete, name=name)

    def instantiate(self, theta: Any) -> Graph:
        """The graph with the weights that a parameter vector gives.

        Raises:
            InvalidGraph: a weight is negative with it, or probabilities are over one.
        """
        from emberkeep.phasetype.assembly import Edges, check_weights
        from emberkeep.phasetype.solving import read_single

        vector = read_single(self, theta)
        weights = check_weights(self.states, self.edges, vector, discrete=self.is_discrete)
        edges = Edges(self.edges.starts, self.edges.targets, weights, np.zeros((len(weights), 0)))
        return Graph(self.states, edges, self.initial, is_discrete=self.is_discrete, name=self.name)

    # Looking --------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many vertices there are, those included where the chain ends."""
        return len(self.states)

    def __iter__(self) -> Iterator[Vertex]:
        return map(self.vertex, range(len(self)))

    def __repr__(self) -> str:
        kind = "discrete" if self.is_discrete else "continuous"
        more = f", {self.theta_length} parameters" if self.theta_length else ""
        return (
            f"<Graph {self.name}: {kind}, {len(self):,} vertices ({len(self.absorbing):,} "
            f"absorbing), {len(self.edges.targets):,} edges{more}>"
        )

    def __eq__(self, other: object) -> bool:
        """Whether all is the same in the same order; `content_hash` knows no order."""
        if not isinstance(other, Graph):
            return NotImplemented
        return self is other or self._definition() == other._definition()

    def __hash__(self) -> int:
        return hash((self.name, self.is_discrete, len(self), len(self.edges.targets)))

    def _definition(self) -> Definition:
        return Definition(self.states, self.edges, self.initial, self.is_discrete, self.name)

    def __copy__(self) -> Graph:
        return self

    def __deepcopy__(self, _: object) -> Graph:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Arrays and labels; what has been found out about it is found again, or kept."""
        return _graph, (self._definition(),)

    def vertex(self, number: int) -> Vertex:
        """One vertex."""
        begin, end = map(int, self.edges.starts[number : number + 2])
        edges = tuple(
            (
                int(self.edges.targets[edge]),
                float(self.edges.base[edge]),
                tuple(map(float, self.edges.coefficients[edge])),
            )
            for edge in range(begin, end)
        )
        return Vertex(number, self.states.label(number), float(self.initial[number]), edges)

    @property
    def theta_length(self) -> int:
        """How many parameters weights depend on."""
        return self.edges.coefficients.shape[1]

    @property
    def defect(self) -> float:
        """The probability that it has ended before it begins."""
        return self._once("defect", self._find_defect)

    def _find_defect(self) -> float:
        begins = self.initial[self.initial > 0]
        missing = fsum([1.0, *(-begins).tolist()])
        # What may be missing by rounding alone is not: small probabilities would be lost in it.
        is_rounding = missing <= len(begins) * 2.0**-53
        ended = fsum(self.initial[self.absorbing].tolist())
        return ended if is_rounding else missing + ended

    @property
    def absorbing(self) -> Values:
        """Numbers of the vertices where the chain ends."""
        return np.flatnonzero(np.diff(self.edges.starts) == 0)

    def _once(self, what: str, make: Callable[[], Any]) -> Any:
        if what not in self.remembered:
            self.remembered[what] = make()
        return self.remembered[what]

    @property
    def canonical(self) -> Canonical:
        """The form that does not depend on the numbering of vertices."""
        from emberkeep.phasetype.canonical import canonical

        return self._once("canonical", lambda: canonical(self))

    @property
    def structure_hash(self) -> str:
        """Of states, edges and the parameters they use; the same for all weights and numberings."""
        from emberkeep.phasetype.canonical import structure_hash

        return self._once("structure", lambda: structure_hash(self))

    @property
    def content_hash(self) -> str:
        """Of everything; the same for all numberings."""
        from emberkeep.phasetype.canonical import content_hash

        return self._once("content", lambda: content_hash(self))

    def record(self, keep: Keep | None = None) -> Trace:
        """The elimination trace: kept for this structure, or recorded now and kept."""
        from emberkeep.phasetype.trace import obtain_trace

        if keep is not None:
            return obtain_trace(self, keep)
        return self._once("trace", lambda: obtain_trace(self))

    @property
    def rows(self) -> Rows:
        """The vertices that can be left, in the order of elimination."""
        return self._once("rows", self._find_rows)

    def _find_rows(self) -> Rows:
        form, program = self.canonical, self.record().program
        vertices = form.order[program.vertex]
        row = np.empty(len(self), np.int64)
        row[program.vertex] = np.arange(program.rows)
        return Rows(program, vertices, form.edges, row[form.edges.sources], self.initial[vertices])

    def to_networkx(self) -> Any:
        """A directed graph of networkx: vertices by number, with their state and what is known."""
        from emberkeep.phasetype.drawing import to_networkx

        return to_networkx(self)

    def to_graphviz(self) -> str:
        """Its text in the language of Graphviz; notebooks draw it where ``dot`` is installed."""
        from emberkeep.phasetype.drawing import to_graphviz

        return to_graphviz(self)

    def _repr_svg_(self) -> str | None:
        from emberkeep.phasetype.drawing import as_svg

        return as_svg(self)

    # For JAX --------------------------------------------------------------------------------------

    def model(self, *, rewards: Any = None, moments: int = 0) -> Model:
        """Densities, and moments, as functions of parameters that JAX differentiates.

        Args:
            rewards: in place of time; by vertex, or by vertex and kind: times then have a last axis
                for kinds, and densities are those of each kind by itself.
            moments: how many raw moments a call gives besides densities.

        Raises:
            InvalidGraph: rewards are impossible.
        """
        from emberkeep.phasetype.differentiable.opening import open_model

        return open_model(self, rewards, moments)

    @staticmethod
    def pmf_from_graph(
        graph: Graph,
        discrete: bool | None = None,  # noqa: FBT001 - as others write it
        param_length: int | None = None,
        *,
        use_cache: bool = True,
    ) -> Model:
        """The same as `graph.model()`, as it is written elsewhere.

        Args:
            graph: the graph.
            discrete: must be what the graph is, where it is given.
            param_length: must be how many parameters it has, where it is given.
            use_cache: nothing here depends on it: models are made of traces that are kept.
        """
        from emberkeep.phasetype.differentiable.opening import check_call, open_model

        check_call(graph, discrete, param_length)
        del use_cache
        return open_model(graph, None, 0)

    @staticmethod
    def pmf_and_moments_from_graph(
        graph: Graph,
        nr_moments: int = 2,
        discrete: bool | None = None,  # noqa: FBT001 - as others write it
        *,
        rewards: Any = None,
    ) -> Model:
        """The same as `graph.model(moments=nr_moments)`: a call gives densities and moments."""
        from emberkeep.phasetype.differentiable.opening import check_call, open_model

        check_call(graph, discrete, None)
        return open_model(graph, rewards, nr_moments)

    # The distribution -----------------------------------------------------------------------------

    def expectation(self, theta: Any = None, *, rewards: Any = None) -> Any:
        """The mean of the time until the chain ends, or of the rewards that it gathers.

        Args:
            theta: a parameter vector, or rows of them; results then have an axis for them, first.
            rewards: what each state earns by time or step: by vertex; by vertex and kind; or a
                function of the state. By default 1.
        """
        from emberkeep.phasetype.moments import expectation

        return expectation(self, theta, rewards)

    def moments(self, k: int, theta: Any = None, *, rewards: Any = None) -> Any:
        """The raw moments of orders 1 to k."""
        from emberkeep.phasetype.moments import moments

        return moments(self, k, theta, rewards)

    def variance(self, theta: Any = None, *, rewards: Any = None) -> Any:
        """The variance; without cancellation."""
        from emberkeep.phasetype.moments import variance

        return variance(self, theta, rewards)

    def covariance(self, rewards: Any, others: Any = None, theta: Any = None) -> Any:
        """The covariance of two rewards, or the matrix of those of several kinds."""
        from emberkeep.phasetype.moments import covariance

        return covariance(self, theta, rewards, others)

    def gradient(self, theta: Any, *, order: int = 1, rewards: Any = None) -> tuple[Any, Any]:
        """A raw moment and its derivatives by parameter; exact."""
        from emberkeep.phasetype.moments import gradient

        return gradient(self, theta, order, rewards)

    def sojourn_times(self, theta: Any = None) -> Any:
        """By vertex: the time that is spent there, on average (in discrete time, visits)."""
        from emberkeep.phasetype.moments import Eliminated, sojourn
        from emberkeep.phasetype.solving import read_theta

        vectors, single = read_theta(self, theta)
        with Eliminated(self, vectors) as system:
            found = sojourn(system)
        return found[0] if single else found

    def waiting_times(self, theta: Any = None, *, rewards: Any = None) -> Any:
        """By vertex: the mean of the rest, for a chain that is there now."""
        from emberkeep.phasetype.moments import Eliminated, waiting
        from emberkeep.phasetype.rewards import one_kind
        from emberkeep.phasetype.solving import read_theta

        vectors, single = read_theta(self, theta)
        with Eliminated(self, vectors) as system:
            found = system.by_vertex(waiting(system, one_kind(self, rewards)))
        return found[0] if single else found

    def pdf(self, times: Any, theta: Any = None) -> Any:
        """The density, to 1e-10 of its peak or better; in discrete time the probability mass."""
        from emberkeep.phasetype.distribution import density

        return density(self, times, theta)

    def pmf(self, steps: Any, theta: Any = None) -> Any:
        """The probability of ending with a step; in discrete time.

        Raises:
            InvalidGraph: the graph is continuous.
        """
        from emberkeep.errors import InvalidGraph

        if not self.is_discrete:
            raise InvalidGraph(f"{self.name} is continuous: it has a density, pdf(times)")
        return self.pdf(steps, theta)

    def cdf(self, times: Any, theta: Any = None) -> Any:
        """The probability that it takes no longer."""
        from emberkeep.phasetype.distribution import cumulative

        return cumulative(self, times, theta)

    def survival(self, times: Any, theta: Any = None) -> Any:
        """The probability that it takes longer; small ones are as precise as large ones."""
        from emberkeep.phasetype.distribution import survival

        return survival(self, times, theta)

    def quantile(self, probabilities: Any, theta: Any = None) -> Any:
        """The least times that are not exceeded with given probabilities."""
        from emberkeep.phasetype.distribution import quantile

        return quantile(self, probabilities, theta)

    def state_probabilities(self, times: Any, theta: Any = None) -> Any:
        """By time and vertex: the probability of being there."""
        from emberkeep.phasetype.distribution import state_probabilities

        return state_probabilities(self, times, theta)

    def accumulated_rewards(self, times: Any, theta: Any = None, *, rewards: Any = None) -> Any:
        """What was earned up to times, on average; by kind of reward where there are several."""
        from emberkeep.phasetype.distribution import accumulated

        return accumulated(self, times, rewards, theta)

    def laplace_transform(self, s: Any, theta: Any = None, *, rewards: Any = None) -> Any:
        """E[exp(-s Y)], for real s that are not negative."""
        from emberkeep.phasetype.distribution import laplace

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
        from emberkeep.phasetype.distribution import joint_probabilities

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
        from emberkeep.phasetype.sampling import sample

        return sample(self, size, theta, rewards, seed)

    def reward_transform(self, rewards: Any, theta: Any = None) -> Graph:
        """The graph whose time until the end is what this one earns.

        States that earn nothing are removed, exactly. Where there are such, weights must be known:
        pass theta. In discrete time rewards are whole numbers.
        """
        from emberkeep.phasetype.transforming import reward_transform

        return reward_transform(self, rewards, theta)
