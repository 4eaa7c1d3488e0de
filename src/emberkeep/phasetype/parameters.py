"""What weights depend on: parameters that are fixed or tied, any function of them, and beginnings.

A graph's weights are sums of parameters. Whatever else they are to be is said by what is put before
it: so everything that is known of a graph, JAX's derivatives included, is known of these too.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.assembly import Edges
from emberkeep.phasetype.constructors import define, read_pairs
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.graph import Graph, graph_of
from emberkeep.phasetype.matrices import with_one_more
from emberkeep.phasetype.numeric import as_numbers
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    Values = np.ndarray[Any, Any]


def reparameterised(graph: Graph, matrix: Any, offset: Any = None) -> Graph:
    """The graph whose parameters are linear functions of others: theta = matrix @ new + offset.

    Args:
        graph: whose.
        matrix: a row for each of its parameters, a column for each new one.
        offset: a number for each of its parameters; zero by default.
    """
    count = graph.theta_length
    ways = as_numbers("The matrix of parameters", matrix)
    moved = np.zeros(count) if offset is None else as_numbers("The offset", offset)
    if ways.ndim != 2 or len(ways) != count or moved.shape != (count,):  # noqa: PLR2004
        raise InvalidGraph(
            f"The matrix has the shape {ways.shape} and the offset {moved.shape}; {graph.name} has "
            f"{count} parameters: expected ({count}, any) and ({count},)"
        )
    edges = graph.edges
    made = define(
        graph.states,
        edges.sources,
        edges.targets.astype(np.int64),
        edges.base + edges.coefficients @ moved,
        edges.coefficients @ ways,
        graph.initial,
        discrete=graph.is_discrete,
        name=graph.name,
    )
    return graph_of(made)


def fixed(graph: Graph, values: Mapping[int, float]) -> Graph:
    """The graph some of whose parameters have a value; the others keep their order.

    Args:
        graph: whose.
        values: by the number of a parameter.
    """
    for parameter in values:
        _require(graph, parameter)
    free = [number for number in range(graph.theta_length) if number not in values]
    offset = np.zeros(graph.theta_length)
    offset[[*values]] = [*values.values()]
    return reparameterised(graph, np.eye(graph.theta_length)[:, free], offset)


def tied(graph: Graph, groups: Iterable[Sequence[int]]) -> Graph:
    """The graph some of whose parameters are one: each group takes the place of its first.

    Args:
        graph: whose.
        groups: of numbers of parameters, such as ``[(0, 2)]``; none is in two of them.
    """
    leader = {number: number for number in range(graph.theta_length)}
    seen: set[int] = set()
    for group in groups:
        for number in group:
            _require(graph, number)
            if number in seen:
                raise InvalidGraph(f"Parameter {number} is tied twice; name it in one group")
            seen.add(number)
            leader[number] = min(group)
    kept = sorted(set(leader.values()))
    matrix = np.zeros((graph.theta_length, len(kept)))
    for number, first in leader.items():
        matrix[number, kept.index(first)] = 1.0
    return reparameterised(graph, matrix)


def _require(graph: Graph, number: Any) -> None:
    if (
        isinstance(number, bool)
        or not isinstance(number, int)
        or not (0 <= number < graph.theta_length)
    ):
        raise InvalidGraph(
            f"There is no parameter {number!r}; {graph.name} has {graph.theta_length}, from 0"
        )


@final
@frozen
class Weighed:
    """A graph whose weights are any function of parameters: ``graph.pdf(times, weighed(theta))``.

    Of JAX's arrays it makes JAX's: ``model(weighed(theta), times)``, of ``model = graph.model()``,
    is differentiated by theta.

    Attributes:
        graph: with one parameter for each kind of edge, its weight.
        kinds: by kind of edge, base and coefficients as the original has them.
        weigh: of parameters and `kinds`, weights of kinds.
    """

    graph: Graph
    kinds: Values
    weigh: Callable[[Any, Values], Any]

    def __call__(self, theta: Any) -> Any:
        """Weights by kind; of rows of parameters, rows.

        Raises:
            InvalidGraph: the function gave something else.
        """
        if isinstance(theta, list | tuple | float | int):
            theta = np.asarray(theta, float)
        if isinstance(theta, np.ndarray) and theta.ndim == 2:  # noqa: PLR2004
            return np.stack([self(row) for row in theta])
        found = self.weigh(theta, self.kinds)
        shape = np.shape(found)
        if shape != (len(self.kinds),):
            raise InvalidGraph(
                f"The function of weights gave the shape {shape}; expected ({len(self.kinds)},): a "
                "weight for each row of base and coefficients that it is given"
            )
        return found


def weighed(graph: Graph, weigh: Callable[[Any, Values], Any]) -> Weighed:
    """A graph whose weights are any function of parameters.

    Args:
        graph: whose coefficients are what the function tells edges apart by; edges with the same
            base and coefficients are of a kind.
        weigh: of parameters and of base and coefficients, a row for each kind, gives weights: a
            number for each row. For JAX to differentiate, it is made of JAX's operations.
    """
    edges = graph.edges
    numbers = np.concatenate([edges.base[:, None], edges.coefficients], axis=1)
    kinds: Values
    kind: Values
    kinds, kind = np.unique(numbers, axis=0, return_inverse=True)
    coefficients = np.zeros((len(numbers), len(kinds)))
    coefficients[np.arange(len(numbers)), kind.reshape(-1)] = 1.0
    changed = Edges(edges.starts, edges.targets, np.zeros(len(numbers)), coefficients)
    return Weighed(graph_of(replace(graph.definition(), {"edges": changed})), kinds, weigh)


@final
@frozen
class Started:
    """A graph whose beginning depends on parameters: all that it is asked takes `rewards`.

    Attributes:
        graph: with one more state, which the chain begins in and which takes no time.
        rewards: 1 by vertex, and 0 in that state: ``graph.expectation(theta, rewards=rewards)``,
            ``graph.model(rewards=rewards)``.
    """

    graph: Graph
    rewards: Values


def started(graph: Graph, initial: Any, coefficients: Any) -> Started:
    """A graph that begins in states with probabilities that depend on parameters.

    They are proportional to base + coefficients · theta; in continuous time they need not add up
    to one.

    Args:
        graph: whose.
        initial: pairs of a state to begin in and its base.
        coefficients: for each of these, what is added for each parameter of the graph.
    """
    pairs = read_pairs(initial)
    more = as_numbers("The coefficients of beginnings", coefficients)
    if more.shape != (len(pairs), graph.theta_length):
        raise InvalidGraph(
            f"The coefficients of beginnings have the shape {more.shape}; expected "
            f"({len(pairs)}, {graph.theta_length}): by state to begin in and parameter"
        )
    edges, count = graph.edges, len(graph)
    made = define(
        with_one_more(graph.states, "start"),
        np.concatenate([edges.sources, np.full(len(pairs), count)]),
        np.concatenate([edges.targets, [graph.states.find(state) for state, _ in pairs]]).astype(
            np.int64
        ),
        np.concatenate([edges.base, [base for _, base in pairs]]),
        np.concatenate([edges.coefficients, more]),
        np.append(np.zeros(count), 1.0),
        discrete=graph.is_discrete,
        name=graph.name,
        prune=True,
    )
    result = graph_of(made)
    return Started(result, np.append(np.ones(len(result) - 1), 0.0))
