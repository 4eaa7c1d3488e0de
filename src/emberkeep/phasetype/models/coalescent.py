"""Coalescents: the history of a sample, backwards in time until its common ancestor.

Time is such that a pair of lineages coalesces at the rate of coalescence: with 1, it is in units of
the (effective) population size, 2N generations for diploids.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.constructors import define
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.graph import Graph, graph_of
from emberkeep.phasetype.models.rates import frontier_edges, parameters, read_count, split
from emberkeep.phasetype.states import NUMBER, States

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Values = np.ndarray[Any, Any]

BOTH, LEFT, RIGHT = np.eye(3, dtype=np.int64)
FEWEST_DEMES = 2


def lineages(n: int, *, theta: float | None = None) -> Graph:
    """Kingman's coalescent, of which only the number of lineages is kept.

    States are numbers of lineages, from n, where it begins, to 1, where it ends. From k to k - 1 at
    ``k (k - 1)/2 * theta``. Time is the height of the tree; with k as reward of state k it is the
    length of all branches.

    Args:
        n: the size of the sample; 2 or more.
        theta: the rate at which a pair coalesces; theta[0] by default.

    Source: Kingman (1982), The coalescent, Stochastic Processes and their Applications 13.
    """
    count = read_count("n", n, 2)
    ancestors = np.arange(1, count + 1)
    pairs = (ancestors[1:] * ancestors[:-1] / 2.0).reshape(-1, 1)
    base, coefficients = split(pairs, {"theta": theta})
    return graph_of(
        define(
            States(NUMBER, ancestors.reshape(-1, 1)),
            ancestors[1:] - 1,
            ancestors[:-1] - 1,
            base,
            coefficients,
            (ancestors == count).astype(float),
            discrete=False,
            name="lineages",
        )
    )


def kingman(n: int, *, theta: float | None = None) -> Graph:
    """Kingman's coalescent as its block counting process.

    States are tuples of length n: at place i - 1 the number of lineages that have i descendants
    in the sample. It begins with ``(n, 0, …)`` and ends in ``(…, 0, 1)``. Any two lineages
    coalesce at `theta`: one of i and one of j descendants at ``a_i a_j theta``, two of i at ``a_i
    (a_i - 1)/2 theta``, into one of i + j. With place i - 1 as reward, time is the length of
    branches that are above i of the sample, which is the site frequency spectrum but for the
    mutation rate. There are as many states as partitions of n.

    Args:
        n: the size of the sample; 2 or more.
        theta: the rate at which a pair coalesces; theta[0] by default.

    Source: Hobolth, Siri-Jégousse and Bladt (2019), Phase-type distributions in population
    genetics, Theoretical Population Biology 127.
    """
    count = read_count("n", n, 2)
    rates = {"theta": theta}

    def edges(states: Values) -> tuple[Values, ...]:
        # Choose a lineage by its size, then another among those that are left and no smaller.
        sources, first = np.nonzero(states)
        left = states[sources]
        left[np.arange(len(left)), first] -= 1
        chosen, second = np.nonzero(left * (np.arange(count) >= first[:, None]))
        sources, first, following = sources[chosen], first[chosen], left[chosen]
        edge = np.arange(len(chosen))
        pairs = states[sources, first] * following[edge, second] / np.where(first == second, 2, 1)
        following[edge, second] -= 1
        following[edge, first + second + 1] += 1
        return (sources, following, *split(pairs.reshape(-1, 1), rates))

    begin = (count, *[0] * (count - 1))
    return Graph.from_frontier(edges, [(begin, 1.0)], parameters(rates), name="kingman")


def islands(
    n: int,
    demes: int = 2,
    *,
    start: Sequence[int] | None = None,
    coalescence: float | None = None,
    migration: float | None = None,
) -> Graph:
    """The structured coalescent of the symmetric island model.

    States are tuples with the number of lineages in each deme. In a deme with i lineages two of
    them coalesce at ``i (i - 1)/2 * coalescence``. Each lineage migrates at `migration`, to any
    of the other demes alike: to one of them at ``migration/(demes - 1)``. It ends with the common
    ancestor, wherever that is: all states with one lineage are one, ``(0, …, 0)``, in which
    nothing is left to coalesce. With two demes and a start in the first there are (n + 1)(n +
    2)/2 - 2 states.

    Args:
        n: the size of the sample; 2 or more.
        demes: how many there are; 2 or more.
        start: how many of the sample are from each deme; all from the first by default.
        coalescence: the rate for a pair in one deme; theta[0] by default.
        migration: the rate at which a lineage leaves its deme; the next parameter by default.

    Source: Notohara (1990), The coalescent and the genealogical process in geographically
    structured population, Journal of Mathematical Biology 29; Wakeley (2009), Coalescent Theory,
    ch. 5.
    """
    count, places = read_count("n", n, 2), read_count("demes", demes, FEWEST_DEMES)
    given = (count, *[0] * (places - 1)) if start is None else start
    begin = tuple(read_count("start", lineages_there, 0) for lineages_there in given)
    if len(begin) != places or sum(begin) != count:
        raise InvalidGraph(
            f"start is {begin}; expected {places} whole numbers, for each deme one, that add up to "
            f"n={count}"
        )
    rates = {"coalescence": coalescence, "migration": migration}
    one = np.eye(places, dtype=np.int64)
    ways = [(here, there) for here in range(places) for there in range(places) if here != there]

    def edges(states: Values) -> tuple[Values, ...]:
        moves = [
            (i * (i - 1) / 2, together(states - one[deme]), 0) for deme, i in enumerate(states.T)
        ]
        moves += [
            (states[:, here] / (places - 1), states - one[here] + one[there], 1)
            for here, there in ways
        ]
        return frontier_edges(moves, rates)

    known = lattice(count, places) if migration != 0 and coalescence != 0 else None
    return Graph.from_frontier(
        edges, [(begin, 1.0)], parameters(rates), name="islands", known=known
    )


def lattice(count: int, places: int) -> Values:
    """All ways in which from two up to `count` lineages can be in some places."""
    states = np.zeros((1, 0), np.int64)
    for _ in range(places):
        left = count - states.sum(axis=1)
        rows = np.repeat(np.arange(len(states)), left + 1)
        begins = np.cumsum(left + 1) - (left + 1)
        here = np.arange(len(rows)) - begins[rows]
        states = np.concatenate([states[rows], here[:, None]], axis=1)
    return states[states.sum(axis=1) > 1]


def together(states: Values) -> Values:
    """All states with one lineage as one."""
    return states * (states.sum(axis=1, keepdims=True) > 1)


def two_locus(
    n: int, *, coalescence: float | None = None, recombination: float | None = None
) -> Graph:
    """The ancestral recombination graph of two loci: until both have found their common ancestors.

    States are ``(both, left, right)``: the numbers of lineages that are ancestral to the sample at
    both loci, only at the left, and only at the right one. It begins with ``(n, 0, 0)``. Any two
    lineages coalesce at `coalescence`: two of a kind into one of that kind, any others into one of
    both. Each lineage of both splits into a left and a right one at `recombination`.

    What is lumped: which sequences a lineage is ancestral to is not kept, only numbers are. A
    locus whose lineages, ``both + left`` or ``both + right``, have come down to one is done and
    no longer followed: its last lineage counts as not ancestral to it. So ``(0, 0, k)`` is where
    the left locus is done and the right one has k lineages, ``(0, k, 0)`` the reverse, and ``(0,
    0, 0)``, where both are done, the end. Nothing of either tree's height or length is lost by
    that.

    Time is the larger of the heights of the two trees. With ``both + left`` as reward it is the
    length of the left tree, with 1 where that is not 0 the height of the left tree; likewise for
    the right.

    Args:
        n: the size of the sample; 2 or more.
        coalescence: the rate for a pair; theta[0] by default.
        recombination: the rate between the loci for each lineage; the next parameter by default. In
            the common scaling it is rho/2.

    Source: Griffiths (1991), The two-locus ancestral graph; Simonsen and Churchill (1997), A Markov
    chain model of coalescence with recombination, Theoretical Population Biology 52.
    """
    begin = (read_count("n", n, 2), 0, 0)
    rates = {"coalescence": coalescence, "recombination": recombination}

    def edges(states: Values) -> tuple[Values, ...]:
        both, left, right = states.T
        moves = [
            (both * (both - 1) / 2, _unfinished(states - BOTH), 0),
            (left * (both + (left - 1) / 2), _unfinished(states - LEFT), 0),
            (right * (both + (right - 1) / 2), _unfinished(states - RIGHT), 0),
            (left * right, states - LEFT - RIGHT + BOTH, 0),
            (both, states - BOTH + LEFT + RIGHT, 1),
        ]
        return frontier_edges(moves, rates)

    return Graph.from_frontier(edges, [(begin, 1.0)], parameters(rates), name="two_locus")


def _unfinished(states: Values) -> Values:
    """States without the loci that have come down to one lineage."""
    both, left, right = states.T
    left_goes, right_goes = both + left > 1, both + right > 1
    return np.stack(
        [
            both * (left_goes & right_goes),
            left_goes * (left + both * ~right_goes),
            right_goes * (right + both * ~left_goes),
        ],
        axis=1,
    )
