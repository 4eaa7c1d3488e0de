"""Distributions made from independent ones: their minimum, maximum and sum, and mixtures.

Each is a graph again, whose states say which vertex each part is in: pairs of numbers, -1 where a
part has ended. Parameters are those of the parts, which they share: parts have equally many, or
none.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from emberkeep.phasetype.constructors import define
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.graph import Graph, graph_of
from emberkeep.phasetype.states import TUPLE, States
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Values = np.ndarray[Any, Any]

ENDED = -1
MOST_STATES = 20_000_000


@final
@frozen
class _Part:
    """A graph as what is combined: states that can be left, and one end for all.

    Attributes:
        vertices: the graph's number of each state.
        sources, targets: of edges, by position; the end is the position behind all.
        base, coefficients: of edges.
        initial: by position; of the end, what has ended before it begins.
    """

    vertices: Values
    sources: Values
    targets: Values
    base: Values
    coefficients: Values
    initial: Values

    @property
    def size(self) -> int:
        """How many states can be left."""
        return len(self.vertices)


def _part(graph: Graph, width: int) -> _Part:
    edges, leaving = graph.edges, np.diff(graph.edges.starts) > 0
    place = np.where(leaving, np.cumsum(leaving) - 1, int(leaving.sum()))
    coefficients = np.zeros((len(edges.base), width))
    coefficients[:, : graph.theta_length] = edges.coefficients
    initial = np.append(graph.initial[leaving], graph.defect)
    sources, targets = place[edges.sources], place[edges.targets.astype(np.int64)]
    return _Part(np.flatnonzero(leaving), sources, targets, edges.base, coefficients, initial)


def _parts(graphs: Sequence[Graph], *, fewest: int = 2) -> list[_Part]:
    """All of them, with parameters in common.

    Raises:
        InvalidGraph: they cannot be combined.
    """
    if len(graphs) < fewest or not all(isinstance(each, Graph) for each in graphs):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidGraph(
            f"Expected {fewest} graphs or more; here are {len(graphs)}: {graphs!r:.200}"
        )
    if len({graph.is_discrete for graph in graphs}) > 1:
        raise InvalidGraph("Some of the graphs are discrete and some are not: their times differ")
    widths = {graph.theta_length for graph in graphs} - {0}
    if len(widths) > 1:
        raise InvalidGraph(
            f"The graphs have {sorted(widths)} parameters; expected equally many, which they "
            "share, or none. instantiate(theta) gives one without"
        )
    return [_part(graph, max(widths, default=0)) for graph in graphs]


def mixture(probabilities: Sequence[float], graphs: Sequence[Graph]) -> Graph:
    """One of several distributions, each with its probability.

    Args:
        probabilities: of each; they add up to at most one, and with the rest it has ended at once.
        graphs: as many.
    """
    parts = _parts(graphs, fewest=1)
    shares = np.asarray(probabilities, float)
    if shares.shape != (len(parts),) or not (shares >= 0).all() or not np.isfinite(shares).all():
        raise InvalidGraph(
            f"probabilities is {probabilities!r}; expected {len(parts)} numbers, one for each graph"
        )
    used = [(share, part) for share, part in zip(shares, parts, strict=True) if share > 0]
    offsets = np.cumsum([0, *(part.size for _, part in used)])
    end = int(offsets[-1])
    names = [
        np.stack([np.full(part.size, number), part.vertices], axis=1)
        for number, part in enumerate(part for _, part in used)
    ]
    moved = [
        (begin + part.sources, np.where(part.targets == part.size, end, begin + part.targets))
        for begin, (_, part) in zip(offsets.tolist(), used, strict=False)
    ]
    return _made(
        "mixture",
        np.concatenate([*names, [[ENDED, ENDED]]]),
        np.concatenate([sources for sources, _ in moved]),
        np.concatenate([targets for _, targets in moved]),
        np.concatenate([part.base for _, part in used]),
        np.concatenate([part.coefficients for _, part in used]),
        np.append(np.concatenate([share * part.initial[:-1] for share, part in used]), 0.0),
        discrete=graphs[0].is_discrete,
    )


def convolution(*graphs: Graph) -> Graph:
    """The sum of independent times: one chain after the other."""
    parts = _parts(graphs)
    offsets = np.cumsum([0, *(part.size for part in parts)])
    end = int(offsets[-1])
    sources: list[Values] = []
    targets: list[Values] = []
    base: list[Values] = []
    coefficients: list[Values] = []
    # Where a chain that ends goes on: by position, from each part on.
    entries = [np.append(np.zeros(end), 1.0)]
    for begin, part in zip(offsets[-2::-1].tolist(), reversed(parts), strict=True):
        following = entries[-1]
        ends = part.targets == part.size
        sources.append(begin + part.sources[~ends])
        targets.append(begin + part.targets[~ends])
        base.append(part.base[~ends])
        coefficients.append(part.coefficients[~ends])
        there = np.flatnonzero(following)
        sources.append(np.repeat(begin + part.sources[ends], len(there)))
        targets.append(np.tile(there, int(ends.sum())))
        base.append(np.outer(part.base[ends], following[there]).reshape(-1))
        shares = part.coefficients[ends][:, None, :] * following[there][None, :, None]
        coefficients.append(shares.reshape(len(base[-1]), part.coefficients.shape[1]))
        entering = part.initial[-1] * following
        entering[begin : begin + part.size] += part.initial[:-1]
        entries.append(entering)
    names = [
        np.stack([np.full(part.size, number), part.vertices], axis=1)
        for number, part in enumerate(parts)
    ]
    initial = entries[-1]
    initial[-1] = 0.0
    return _made(
        "convolution",
        np.concatenate([*names, [[ENDED, ENDED]]]),
        np.concatenate(sources),
        np.concatenate(targets),
        np.concatenate(base),
        np.concatenate(coefficients),
        initial,
        discrete=graphs[0].is_discrete,
    )


def minimum(*graphs: Graph) -> Graph:
    """The least of independent times: it ends when the first chain does."""
    return _together(graphs, "minimum", all_end=False)


def maximum(*graphs: Graph) -> Graph:
    """The largest of independent times: it ends when the last chain does."""
    return _together(graphs, "maximum", all_end=True)


def _together(graphs: tuple[Graph, ...], name: str, *, all_end: bool) -> Graph:
    """Chains that go on side by side."""
    parts = _parts(graphs)
    sizes = [part.size + 1 for part in parts]
    if np.prod([float(size) for size in sizes]) > MOST_STATES:
        raise InvalidGraph(
            f"Chains of {[size - 1 for size in sizes]} states side by side have more than "
            f"{MOST_STATES:,}"
        )
    discrete = graphs[0].is_discrete
    if discrete and any(graph.theta_length for graph in graphs):
        raise InvalidGraph(
            f"In discrete time the {name} has products of weights, which are no sums of "
            "parameters: pass graphs with fixed weights, instantiate(theta)"
        )
    step: Callable[[_Ways, _Ways], _Ways] = _both if discrete else _either
    ways = reduce(step, [_ways(part, staying=discrete) for part in parts])
    places = np.indices(sizes).reshape(len(sizes), -1).T
    ended = places == np.array(sizes) - 1
    over = ended.all(axis=1) if all_end else ended.any(axis=1)
    position = np.where(over, int((~over).sum()), np.cumsum(~over) - 1)
    named = [np.append(part.vertices, ENDED) for part in parts]
    labels = np.stack(
        [numbers[place] for numbers, place in zip(named, places.T, strict=True)], axis=1
    )[~over]
    initial = reduce(np.multiply.outer, [part.initial for part in parts]).reshape(-1)
    going = ~over[ways.sources] & (ways.sources != ways.targets)
    return _made(
        name,
        np.concatenate([labels, np.full((1, len(parts)), ENDED)]),
        position[ways.sources[going]],
        position[ways.targets[going]],
        ways.base[going],
        ways.coefficients[going],
        np.append(initial[~over], 0.0),
        discrete=discrete,
    )


@final
@frozen
class _Ways:
    """Edges among `size` states, the ends included."""

    size: int
    sources: Values
    targets: Values
    base: Values
    coefficients: Values


def _ways(part: _Part, *, staying: bool) -> _Ways:
    """Those of a part; in discrete time also the probability of staying."""
    found = _Ways(part.size + 1, part.sources, part.targets, part.base, part.coefficients)
    if not staying:
        return found
    everywhere = np.arange(found.size)
    stay = np.maximum(1 - np.bincount(part.sources, part.base, found.size), 0.0)
    return _Ways(
        found.size,
        np.concatenate([part.sources, everywhere]),
        np.concatenate([part.targets, everywhere]),
        np.concatenate([part.base, stay]),
        np.zeros((len(part.base) + found.size, part.coefficients.shape[1])),
    )


def _either(one: _Ways, other: _Ways) -> _Ways:
    """In continuous time one of them moves."""
    first, second = np.arange(one.size), np.arange(other.size)
    edges, others = len(one.sources), len(other.sources)
    return _Ways(
        one.size * other.size,
        np.concatenate([
            np.repeat(one.sources, other.size) * other.size + np.tile(second, edges),
            np.repeat(first, others) * other.size + np.tile(other.sources, one.size),
        ]),
        np.concatenate([
            np.repeat(one.targets, other.size) * other.size + np.tile(second, edges),
            np.repeat(first, others) * other.size + np.tile(other.targets, one.size),
        ]),
        np.concatenate([np.repeat(one.base, other.size), np.tile(other.base, one.size)]),
        np.concatenate([
            np.repeat(one.coefficients, other.size, axis=0),
            np.tile(other.coefficients, (one.size, 1)),
        ]),
    )  # fmt: skip


def _both(one: _Ways, other: _Ways) -> _Ways:
    """In discrete time both move, or stay."""
    edges, others = len(one.sources), len(other.sources)
    return _Ways(
        one.size * other.size,
        np.repeat(one.sources, others) * other.size + np.tile(other.sources, edges),
        np.repeat(one.targets, others) * other.size + np.tile(other.targets, edges),
        np.outer(one.base, other.base).reshape(-1),
        np.zeros((edges * others, one.coefficients.shape[1])),
    )


def _made(  # noqa: PLR0913 - what a graph is made of
    name: str,
    labels: Values,
    sources: Values,
    targets: Values,
    base: Values,
    coefficients: Values,
    initial: Values,
    *,
    discrete: bool,
) -> Graph:
    """The graph; without what cannot be reached."""
    return graph_of(
        define(
            States(TUPLE, labels.astype(np.int64)),
            sources,
            targets,
            base,
            coefficients,
            initial,
            discrete=discrete,
            name=name,
            prune=True,
        )
    )
