"""Coalescents in populations that change: sizes, migration, and lineages that move all at once.

Time goes backwards, as in all coalescents: an epoch begins at the time at which, looking back, its
sizes and rates begin to hold. In a deme of size N a pair of lineages coalesces at the rate 1/N.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import comb

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.graph import Graph
from emberkeep.phasetype.models.coalescent import kingman, lattice, lineages, together
from emberkeep.phasetype.models.rates import read_count
from emberkeep.phasetype.numeric import as_numbers
from emberkeep.phasetype.pulses import Pulse, make_pulse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from emberkeep.phasetype.epochs import Epochs

    Values = np.ndarray[Any, Any]


def size_history(n: int, sizes: Any, *, blocks: bool = False) -> Epochs:
    """Kingman's coalescent in a population whose size changes.

    It is ``lineages(n).epochs(…)``, or that of ``kingman(n)``, with the rate 1/size for a pair.

    Args:
        n: the size of the sample; 2 or more.
        sizes: from when on the population has which size: ``{0: 1.0, 0.2: 0.1, 0.5: 2.0}``, or such
            pairs.
        blocks: whether lineages are told apart by how many of the sample descend from them, as for
            the site frequency spectrum.

    Source: Griffiths and Tavaré (1994), Sampling theory for neutral alleles in a varying
    environment, Philosophical Transactions of the Royal Society B 344.
    """
    graph = kingman(n) if blocks else lineages(n)
    steps = _read_steps("sizes", sizes, ())
    return graph.epochs([(time, [1 / _size(size)]) for time, size in steps])


def demes(samples: Sequence[int]) -> Graph:
    """The structured coalescent: every deme has its size, and every two have rates of migration.

    States are tuples with the number of lineages in each deme; as of `islands`, those with one are
    one, ``(0, …, 0)``, where it ends. Parameters are the rates at which a pair coalesces, by deme;
    then those at which a lineage moves, from deme 0 to 1, 2, …, from deme 1 to 0, 2, …, and so on.

    Args:
        samples: how many of the sample are from each deme.

    Source: as of `islands`.
    """
    begin = tuple(read_count("samples", count, 0) for count in samples)
    places, total = len(begin), sum(begin)
    if not places or total < 2:  # noqa: PLR2004 - a pair
        raise InvalidGraph(
            f"samples is {samples!r}; expected by deme how many there are, at least 2 together"
        )
    one = np.eye(places, dtype=np.int64)
    ways = _ways(places)

    def edges(states: Values) -> tuple[Values, ...]:
        often = [i * (i - 1) / 2 for i in states.T] + [states[:, here] for here, _ in ways]
        after = [together(states - one[deme]) for deme in range(places)]
        after += [states - one[here] + one[there] for here, there in ways]
        sources = [np.flatnonzero(times) for times in often]
        rates = np.concatenate(
            [times[rows, None] * unit for times, rows, unit in zip(
                often, sources, np.eye(len(often)), strict=True
            )]
        )  # fmt: skip
        following = [rows_after[rows] for rows_after, rows in zip(after, sources, strict=True)]
        return np.concatenate(sources), np.concatenate(following), np.zeros(len(rates)), rates

    known = lattice(total, places) if places > 1 else None
    return Graph.from_frontier(edges, [(begin, 1.0)], places**2, name="demes", known=known)


def demography(
    samples: Sequence[int],
    sizes: Any,
    migration: Any = None,
    pulses: Iterable[tuple[float, int, int, float]] = (),
) -> Epochs:
    """The structured coalescent with sizes and migration that change, and pulses of migration.

    Args:
        samples: how many of the sample are from each deme.
        sizes: from when on demes have which sizes: ``{0: [1.0, 0.5], 2.0: [1.0, 0.1]}``; one number
            is that of all.
        migration: from when on a lineage moves at which rate, by deme that it is in and deme that
            it goes to: ``{0: [[0, 0.1], [0.2, 0]]}``; one number is the rate of every way. None by
            default.
        pulses: tuples of a time, a deme, another and a fraction: each lineage in the first moves to
            the second with that probability. With 1 that is where, forwards in time, populations
            have split. Several at one time follow each other as they are listed.

    Source: Hudson (1990), Gene genealogies and the coalescent process, Oxford Surveys in
    Evolutionary Biology 7.
    """
    graph = demes(samples)
    places = graph.states.rows.shape[1]
    of_sizes = _read_steps("sizes", sizes, (places,))
    moving = _read_steps("migration", {0: 0.0} if migration is None else migration, (places,) * 2)
    moved = [_read_pulse(each) for each in pulses]
    times = {time for time, _ in [*of_sizes, *moving]} | {time for time, _ in moved}
    epochs: list[tuple[float, Values, Pulse | None]] = []
    for time in sorted(times):
        theta = np.concatenate(
            [
                1 / _size(_held(of_sizes, time)),
                [_held(moving, time)[here, there] for here, there in _ways(places)],
            ]
        )
        due = [mass_migration(graph, *each) for when, each in moved if when == time]
        epochs += [(time, theta, pulse) for pulse in due or [None]]
    return graph.epochs(epochs)


def mass_migration(graph: Graph, source: int, destination: int, fraction: float) -> Pulse:
    """A pulse for a graph whose states are numbers of lineages by deme, such as `islands`.

    Args:
        graph: whose.
        source: the deme, from 0 on, that lineages leave, backwards in time.
        destination: the deme that they come to.
        fraction: the probability with which each of them moves.

    Raises:
        InvalidGraph: there is no such deme, or a state that it leads to is not in the graph.
    """
    rows = graph.states.rows
    for name, deme in (("source", source), ("destination", destination)):
        if read_count(name, deme, 0) >= rows.shape[1]:
            raise InvalidGraph(f"{name} is {deme}; {graph.name} has demes 0 to {rows.shape[1] - 1}")
    if not 0 <= fraction <= 1 or source == destination:
        raise InvalidGraph(
            f"A pulse of migration from deme {source} to {destination} with the fraction "
            f"{fraction!r}: expected two demes, and a number between 0 and 1"
        )
    number = {tuple(row): vertex for vertex, row in enumerate(rows.tolist())}
    ways: list[tuple[int, int, float]] = []
    for state, vertex in number.items():
        count = state[source]
        for moving in range(count + 1):
            probability = (
                comb(count, moving) * fraction**moving * (1 - fraction) ** (count - moving)
            )
            after = list(state)
            after[source] -= moving
            after[destination] += moving
            if probability and tuple(after) not in number:
                raise InvalidGraph(
                    f"The pulse leads from state {state} to {tuple(after)}, which {graph.name} "
                    "does not have: without migration, some states are never reached. Take "
                    "demes(samples)"
                )
            if probability:
                ways.append((vertex, number[tuple(after)], probability))
    sources, targets, values = map(np.array, zip(*ways, strict=True))
    return make_pulse(graph, sources, targets, values)


def _ways(places: int) -> list[tuple[int, int]]:
    return [(here, there) for here in range(places) for there in range(places) if here != there]


def _read_steps(name: str, given: Any, shape: tuple[int, ...]) -> list[tuple[float, Values]]:
    """Times, in order from 0 on, and what holds from each on."""
    try:
        pairs: list[Any] = [*given.items()] if isinstance(given, Mapping) else [*given]
        listed = [(float(time), as_numbers(name, value)) for time, value in pairs]
    except (TypeError, ValueError) as problem:
        raise InvalidGraph(
            f"{name} is {given!r}; expected values by the time from which on they hold, such as "
            f"{{0: …, 1.5: …}} ({problem})"
        ) from None
    if not listed or min(time for time, _ in listed) != 0:
        raise InvalidGraph(f"{name} is {given!r}; expected a value from time 0 on")
    found: dict[float, Values] = {}
    for time, value in sorted(listed, key=lambda pair: pair[0]):
        if time in found or not np.isfinite(time):
            raise InvalidGraph(f"{name} has two values, or none, for the time {time}")
        if value.shape not in ((), shape):
            raise InvalidGraph(
                f"{name} at time {time} has the shape {value.shape}; expected one number"
                + (f", or the shape {shape}" if shape else "")
            )
        found[time] = np.broadcast_to(value, shape)
    return [*found.items()]


def _held(steps: list[tuple[float, Values]], time: float) -> Values:
    return [value for begins, value in steps if begins <= time][-1]


def _size(size: Values) -> Values:
    if not (size > 0).all():
        raise InvalidGraph(
            f"The size of a population is {size.tolist()}; expected positive numbers"
        )
    return size


def _read_pulse(given: Any) -> tuple[float, tuple[int, int, float]]:
    try:
        time, source, destination, fraction = given
        return float(time), (source, destination, float(fraction))
    except (TypeError, ValueError):
        raise InvalidGraph(
            f"A pulse is {given!r}; expected (time, source, destination, fraction)"
        ) from None
