"""A numbering of vertices that depends on nothing but the graph, where labels do not give one.

Vertices are told apart by what they are and by what they are next to, again and again. Where that
leaves some alike, one is singled out and the rest follows, for each of them in turn; the smallest
of the forms that come out is the canonical one. Symmetries that are met on the way spare the rest
of what they make equal (McKay and Piperno, J. Symbolic Comput. 60, 2014). Parts that hang together
by vertices alone that are like no other are looked at one by one: what can be swapped within one
says nothing of another.

What surrounds a vertex is told by a sum of hashes, so that it changes only where a neighbour does.
Two surroundings with the same sum would be two orders for one graph, and so two hashes for it:
never one hash for two graphs.
"""

from __future__ import annotations

import numpy as np

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

MOST_REFINEMENTS = 4000
MOST_LABELS = 8  # of edges among vertices that can be swapped
ODD = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of splitmix64


class TooSymmetric(Exception):  # noqa: N818 - a signal within this package
    """More cases than are worth looking at."""


def ranked(rows: Values) -> Values:
    """For each row, how many different ones are smaller."""
    if not rows.shape[1]:
        return np.zeros(len(rows), np.int64)
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)


@final
class Refinement:
    """A search for the canonical order.

    A vertex's color says what it is known to be: how many vertices have smaller ones.

    Args:
        ranks: by vertex, the rank of what it is by itself.
        sources, targets, labels: edges, and the rank of what each is by itself.
    """

    def __init__(self, ranks: Values, sources: Values, targets: Values, labels: Values) -> None:
        self._count = len(ranks)
        self._edges = sources, targets, labels
        # Out of a vertex and into it, each with its own marks.
        ends = np.concatenate([sources, targets])
        order = np.argsort(ends, kind="stable")
        self._ends = ends[order]
        self._others = np.concatenate([targets, sources])[order]
        self._labels = np.concatenate([2 * labels, 2 * labels + 1])[order]
        self._bounds = np.searchsorted(self._ends, np.arange(self._count + 1))
        self._colors = _placed(ranks)
        self._refined = 0
        self._best: tuple[list[bytes], bytes, Values] | None = None
        self._best_path: list[int] = []
        self._symmetries: list[Values] = []

    def order(self) -> Values:
        """Vertices in the canonical order.

        Raises:
            TooSymmetric: the graph has too many vertices that are alike.
        """
        colors = self._refine(self._twins_apart(self._refine(self._colors)))
        parts = self._parts(colors)
        if len(parts) == 1 and len(parts[0]) == self._count:
            self._search(colors, [], [])
            assert self._best is not None
            return self._best[2]
        found: list[tuple[bytes, Values]] = []
        for part in parts:
            below = self._within(part, colors)
            order = below.order()
            found.append((below.form(order), part[order]))
        # Parts of the same form are the same: either may come first.
        place = np.zeros(self._count, np.int64)
        seen = 0
        for _, ordered in sorted(found, key=lambda pair: pair[0]):
            place[ordered] = np.arange(seen, seen + len(ordered))
            seen += len(ordered)
        return np.lexsort((place, colors))

    def form(self, order: Values) -> bytes:
        """What the graph is in an order."""
        rank = np.empty(self._count, np.int64)
        rank[order] = np.arange(self._count)
        sources, targets, labels = self._edges
        edges = np.stack([rank[sources], rank[targets], labels], axis=1)
        edges = edges[np.lexsort((edges[:, 1], edges[:, 0]))]
        return self._colors[order].tobytes() + edges.tobytes()

    def _parts(self, colors: Values) -> list[Values]:
        """Vertices that are like others, by what hangs together."""
        alike = np.bincount(colors, minlength=self._count)[colors] > 1
        inner = alike[self._ends] & alike[self._others]
        ends, others = self._ends[inner], self._others[inner]
        label = np.arange(self._count)
        while True:
            lower = label.copy()
            np.minimum.at(lower, ends, label[others])
            lower = lower[lower]
            if (lower == label).all():
                break
            label = lower
        own = np.flatnonzero(alike)
        own = own[np.argsort(label[own], kind="stable")]
        return np.split(own, np.flatnonzero(np.diff(label[own])) + 1) if len(own) else []

    def _within(self, part: Values, colors: Values) -> Refinement:
        """A part by itself; its colors tell what it is next to outside."""
        number = np.full(self._count, -1, np.int64)
        number[part] = np.arange(len(part))
        sources, targets, labels = self._edges
        inner = (number[sources] >= 0) & (number[targets] >= 0)
        below = Refinement(
            colors[part], number[sources[inner]], number[targets[inner]], labels[inner]
        )
        below._colors = colors[part]
        return below

    def _refine(self, colors: Values) -> Values:
        """Tell apart what has different surroundings, until nothing changes."""
        self._refined += 1
        if self._refined > MOST_REFINEMENTS:
            raise TooSymmetric
        colors = _placed(colors)
        sizes = np.bincount(colors, minlength=self._count)
        known: Values = np.zeros(self._count, np.uint64)  # by color: what surrounds its vertices
        touched, is_known = np.arange(self._count), False
        while len(touched):
            around = self._surroundings(touched, colors)
            cells = colors[touched]
            moves = (around != known[cells]) | (not is_known)
            touched, around, cells = touched[moves], around[moves], cells[moves]
            order = np.lexsort((around, cells))
            touched, around, cells = touched[order], around[order], cells[order]
            is_first = np.r_[True, (cells[1:] != cells[:-1]) | (around[1:] != around[:-1])]
            if not len(touched):
                break
            begins = np.flatnonzero(is_first)
            counts = np.diff(np.append(begins, len(touched)))
            # What did not move stays in front, under the name that it had.
            moved = np.bincount(cells, minlength=self._count)
            of_cell = cells[begins]
            before = np.searchsorted(cells, of_cell)
            names = of_cell + (sizes - moved)[of_cell] + (begins - before)
            sizes[np.unique(of_cell)] -= moved[np.unique(of_cell)]
            sizes[names] = counts
            known[names] = around[begins]
            fresh = np.repeat(names, counts)
            colors[touched] = fresh
            touched, is_known = self._neighbours(touched[fresh != cells]), True
            touched = touched[sizes[colors[touched]] > 1]
        return colors

    def _surroundings(self, vertices: Values, colors: Values) -> Values:
        """By vertex, a sum of hashes of its neighbours' colors, each with the edge's label."""
        at, starts = self._around(vertices)
        # From 1 on: the hash of nothing is nothing, and would not be missed.
        mixed = (self._labels[at] + 1).astype(np.uint64) * np.uint64(ODD[0])
        mixed += colors[self._others[at]].astype(np.uint64) * np.uint64(ODD[1])
        for shift, factor in ((30, ODD[1]), (27, ODD[2])):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed ^ (mixed >> np.uint64(31)))])
        return sums[starts[1:]] - sums[starts[:-1]]

    def _neighbours(self, vertices: Values) -> Values:
        return np.unique(self._others[self._around(vertices)[0]])

    def _around(self, vertices: Values) -> tuple[Values, Values]:
        """Where the neighbours of vertices are, one after another, and where each one's begin."""
        begins: Values = self._bounds[vertices]
        counts: Values = self._bounds[vertices + 1] - begins
        starts = np.concatenate([[0], np.cumsum(counts)])
        shifts: Values = np.repeat(begins - starts[:-1], counts)
        at: Values = np.arange(len(shifts)) + shifts
        return at, starts

    def _twins_apart(self, colors: Values) -> Values:
        """Give an order to vertices that can be swapped by themselves: any is as good as another.

        They have the very same neighbours; or they are neighbours of each other, and would have the
        same if each led to itself by such an edge too.
        """
        colors = self._twins(colors, np.empty(0, np.int64))
        labels, counts = np.unique(self._edges[2], return_counts=True)
        order = np.lexsort((labels, -counts))[:MOST_LABELS]
        for label in labels[order[counts[order] > 1]].tolist():
            if np.bincount(colors, minlength=self._count).max(initial=0) > 1:
                colors = self._twins(colors, np.array([2 * label, 2 * label + 1]))
        return colors

    def _twins(self, colors: Values, own: Values) -> Values:
        vertices = np.arange(self._count)
        ends = np.concatenate([self._ends, np.repeat(vertices, len(own))])
        others = np.concatenate([self._others, np.repeat(vertices, len(own))])
        labels = np.concatenate([self._labels, np.tile(own, self._count)])
        order = np.lexsort((others, labels, ends))
        data = np.stack([labels[order], others[order]], axis=1)
        bounds = (self._bounds + len(own) * np.arange(self._count + 1)).tolist()
        seen: dict[bytes, int] = {}
        place = np.zeros(self._count, np.int64)
        for vertex, color in enumerate(colors.tolist()):
            part = data[bounds[vertex] : bounds[vertex + 1]].tobytes()
            key = color.to_bytes(8, "little") + part
            place[vertex] = seen.get(key, 0)
            seen[key] = int(place[vertex]) + 1
        return _placed(ranked(np.stack([colors, place], axis=1)))

    def _search(self, colors: Values, path: list[int], invariants: list[bytes]) -> int:
        """Look below a vertex that was singled out; up to how long a path all has been seen."""
        sizes = np.bincount(colors, minlength=self._count)
        invariants = [*invariants, sizes.tobytes()]
        if self._best is not None and invariants > self._best[0][: len(invariants)]:
            return len(path)
        several = np.flatnonzero(sizes > 1)
        if not several.size:
            return self._leaf(np.argsort(colors), path, invariants)
        cell = several[np.argmin(sizes[several])]
        tried: list[int] = []
        for vertex in np.flatnonzero(colors == cell).tolist():
            if self._is_like(vertex, tried, path):
                continue
            tried.append(vertex)
            single = 2 * colors + 1
            single[vertex] -= 1
            refined = self._refine(ranked(single[:, None]))
            seen = self._search(refined, [*path, vertex], invariants)
            if seen < len(path):
                return seen
        return len(path)

    def _leaf(self, order: Values, path: list[int], invariants: list[bytes]) -> int:
        form = self.form(order)
        if self._best is None or (invariants, form) < self._best[:2]:
            self._best, self._best_path = (invariants, form, order), path
        elif form == self._best[1]:
            symmetry = np.empty(self._count, np.int64)
            symmetry[self._best[2]] = order
            self._symmetries.append(symmetry)
            # All below where the paths part is the same as below the other: it has been seen.
            pairs = zip(path, self._best_path, strict=False)
            return next((depth for depth, (one, other) in enumerate(pairs) if one != other), 0)
        return len(path)

    def _is_like(self, vertex: int, tried: list[int], path: list[int]) -> bool:
        """Whether a symmetry that leaves the path alone takes a vertex to one that was tried."""
        fixing = [s for s in self._symmetries if all(s[fixed] == fixed for fixed in path)]
        reached, waiting = {vertex}, [vertex]
        while waiting:
            here = waiting.pop()
            for symmetry in fixing:
                there = int(symmetry[here])
                if there not in reached:
                    reached.add(there)
                    waiting.append(there)
        return not reached.isdisjoint(tried)


def _placed(ranks: Values) -> Values:
    """Ranks as colors: how many vertices have a smaller one."""
    counts = np.bincount(ranks)
    return (np.cumsum(counts) - counts)[ranks]
