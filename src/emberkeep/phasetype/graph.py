"""The graph of a phase-type distribution: states, and how the chain goes from one to another.

Each way to make, hash or draw one is imported by who asks for it, as few need more than one of
them; and so is what needs JAX.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emberkeep.phasetype.constructors import Draft
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.readable import Readable
from emberkeep.phasetype.structure import Definition
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from emberkeep.keep.keep import Keep
    from emberkeep.phasetype.assembly import Edges
    from emberkeep.phasetype.differentiable.model import Model
    from emberkeep.phasetype.epochs import Epochs
    from emberkeep.phasetype.states import States
    from emberkeep.phasetype.trace import Trace
    from emberkeep.targets.declaration import Declared

    Values = np.ndarray[Any, Any]

MOST_STATES = 20_000_000


@final
class GraphBuilder(Draft):
    """A graph that is made by hand; `build` gives the frozen one.

    Args:
        theta_length: how many parameters weights depend on.
        discrete: whether time goes in steps.
        name: what traces are called in the keep.
    """

    def build(self, *, prune: bool = False) -> Graph:
        """The graph, checked and frozen.

        Args:
            prune: whether states that nothing leads to are left out; else they are refused.

        Raises:
            InvalidGraph: names the state with which something is wrong.
        """
        return graph_of(self.drawn(prune=prune))


def graph_of(definition: Definition) -> Graph:
    """The graph of what it is given."""
    return Graph(
        definition.states,
        definition.edges,
        definition.initial,
        is_discrete=definition.is_discrete,
        name=definition.name,
    )


@final
class Graph(Readable):
    """A Markov chain that ends: how long that takes, and what it gathers until then, is phase-type.

    Frozen. It is made by `from_callback`, `from_frontier`, `from_matrix` or `builder`; or, as other
    libraries write it, by ``Graph(callback, parameterized=True, nr_samples=10)``, with ``ipv=`` for
    states to begin in and their probabilities. Weights are rates in continuous time, and
    probabilities in discrete time, where what is left is staying. They may depend on parameters:
    base + coefficients · theta. The chain ends in the states that have no edges.
    """

    __slots__ = ()

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
            from emberkeep.phasetype.phasic_api import explore

            made = explore(
                callback, ipv, constants, is_discrete=is_discrete, parameterized=parameterized
            )
            states, edges, initial, name = made.states, made.edges, made.initial, made.name
        if states is None or edges is None or initial is None or (constants and callback is None):
            raise InvalidGraph(
                "A graph is made by Graph.from_callback, from_frontier, from_matrix or builder; or "
                "by Graph(callback, ipv=…, parameterized=True), with what it takes by name"
            )
        self._define(Definition(states, edges, initial, is_discrete, name))

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
        from emberkeep.phasetype.constructors import from_callback

        found = from_callback(
            callback,
            initial,
            theta_length=theta_length,
            discrete=discrete,
            name=name or getattr(callback, "__name__", None),
            most_states=most_states,
        )
        return graph_of(found)

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
        from emberkeep.phasetype.constructors import from_frontier

        found = from_frontier(
            callback,
            initial,
            theta_length=theta_length,
            discrete=discrete,
            name=name or getattr(callback, "__name__", None),
            most_states=most_states,
            known=known,
        )
        return graph_of(found)

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

        found = from_matrix(
            matrix, alpha, states, exits=exits, discrete=discrete, name=name, prune=prune
        )
        return graph_of(found)

    @staticmethod
    def from_json(text: str | bytes) -> Graph:
        """The graph that `to_json` wrote.

        Raises:
            InvalidGraph: it is damaged, of another version, or cannot be a graph.
        """
        from emberkeep.phasetype.serialisation import from_json

        return graph_of(from_json(text))

    @staticmethod
    def from_phasic(document: Any, *, discrete: bool = False) -> Graph:
        """The graph that phasic serialised.

        Args:
            document: what its ``graph.serialize()`` gives, or JSON of that.
            discrete: whether time goes in steps, which is not said there.
        """
        from emberkeep.phasetype.serialisation import from_phasic

        return graph_of(from_phasic(document, discrete=discrete))

    @staticmethod
    def builder(
        *, theta_length: int = 0, discrete: bool = False, name: str | None = None
    ) -> GraphBuilder:
        """What makes a graph by hand, with `add_vertex` and `add_edge`."""
        return GraphBuilder(theta_length=theta_length, discrete=discrete, name=name)

    def instantiate(self, theta: Any) -> Graph:
        """The graph with the weights that a parameter vector gives.

        Raises:
            InvalidGraph: a weight is negative with it, or probabilities are over one.
        """
        from emberkeep.phasetype.assembly import Edges, check_weights
        from emberkeep.phasetype.linear_systems import read_single

        vector = read_single(self, theta)
        weights = check_weights(self.states, self.edges, vector, discrete=self.is_discrete)
        edges = Edges(self.edges.starts, self.edges.targets, weights, np.zeros((len(weights), 0)))
        return Graph(self.states, edges, self.initial, is_discrete=self.is_discrete, name=self.name)

    def epochs(self, epochs: Any) -> Epochs:
        """The same chain in time that changes: its weights are those of the epoch.

        Args:
            epochs: tuples of a time and a parameter vector, ``[(0, theta), (1.5, theta), …]``, in
                order from time 0 on; the last epoch goes on for ever. A third member is a *pulse*,
                what happens to the chain when the epoch begins: a matrix of probabilities by vertex
                and vertex, or a function of a state that gives pairs of a state and a probability.

        Raises:
            InvalidGraph: says which of them is impossible, and why.
        """
        from emberkeep.phasetype.epochs import Epochs

        return Epochs(self, epochs)

    def with_edge(
        self,
        source: Any,
        target: Any,
        weight: Any,
        coefficients: Sequence[float] | None = None,
        *,
        prune: bool = False,
    ) -> Graph:
        """The graph with one more edge, or with another weight for one that is there.

        Args:
            source: the state that it leads from; where vertices have none, the number. What is not
                there yet becomes a vertex.
            target: the state that it leads to.
            weight: as of `GraphBuilder.add_edge`; with 0 and no coefficients the edge is gone.
            coefficients: what is added for each parameter.
            prune: whether states that nothing leads to any more are left out, or refused.
        """
        from emberkeep.phasetype.editing import with_edge

        return graph_of(with_edge(self, source, target, weight, coefficients, prune=prune))

    def with_weights(self, weights: Any) -> Graph:
        """The graph with other weights.

        Args:
            weights: of some edges, by pairs of states, ``{(source, target): weight}``; or of all,
                in the order of `edges`. A weight is a number, or coefficients by parameter.
        """
        from emberkeep.phasetype.editing import with_weights

        return graph_of(with_weights(self, weights))

    def with_initial(self, initial: Any) -> Graph:
        """The graph of a chain that begins elsewhere; what nothing leads to then is left out.

        Args:
            initial: pairs of a state and the probability of beginning there.
        """
        from emberkeep.phasetype.editing import with_initial

        return graph_of(with_initial(self, initial))

    # Keeping --------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        """Arrays and labels; what has been found out about it is found again, or kept."""
        return graph_of, (self.definition(),)

    def record(self, keep: Keep | None = None) -> Trace:
        """The elimination trace: kept for this structure, or recorded now and kept."""
        from emberkeep.phasetype.trace import obtain_trace, trace_of

        return trace_of(self) if keep is None else obtain_trace(self, keep)

    def __emberkeep_declares__(self, keep: Keep, tell: Callable[[str], None]) -> Iterator[Declared]:
        from emberkeep.phasetype.ahead import declared

        return declared(self, keep, tell)

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
        from emberkeep.phasetype.differentiable.entry import open_model

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
        from emberkeep.phasetype.differentiable.entry import check_call, open_model

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
        from emberkeep.phasetype.differentiable.entry import check_call, open_model

        check_call(graph, discrete, None)
        return open_model(graph, rewards, nr_moments)

    def reward_transform(self, rewards: Any, theta: Any = None) -> Graph:
        """The graph whose time until the end is what this one earns.

        States that earn nothing are removed, exactly. Where there are such, weights must be known:
        pass theta. In discrete time rewards are whole numbers.
        """
        from emberkeep.phasetype.transformation import reward_transform

        return graph_of(reward_transform(self, rewards, theta))
