"""A numbering of vertices that depends on nothing but the graph, where labels do not give one.

Vertices are told apart by what they are and by what they are next to, again and again. Where that
leaves some alike, one is singled out and the rest follows, for each of them in turn; the smallest
of the forms that come out is the canonical one. Symmetries that are met on the way spare the rest
of what they make equal (McKay and Piperno, J. Symbolic Comput. 60, 2014).
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from emberkeep.light import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Values = np.ndarray[Any, Any]

MOST_REFINEMENTS = 4000


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

    Args:
        colors: by vertex, what it is by itself.
        sources, targets, labels: edges, and what each is by itself.
        certificate: the form that an order of the vertices gives.
    """

    def __init__(
        self,
        colors: Values,
        sources: Values,
        targets: Values,
        labels: Values,
        certificate: Callable[[Values], bytes],
    ) -> None:
        self._count = len(colors)
        self._certificate = certificate
        # Out of a vertex and into it, each with its own marks.
        self._ends = np.concatenate([sources, targets])
        self._others = np.concatenate([targets, sources])
        self._labels = np.concatenate([2 * labels, 2 * labels + 1])
        order = np.argsort(self._ends, kind="stable")
        self._ends, self._others = self._ends[order], self._others[order]
        self._labels = self._labels[order]
        self._bounds = np.searchsorted(self._ends, np.arange(self._count + 1))
        self._colors = colors
        self._refined = 0
        self._best: tuple[list[bytes], bytes, Values] | None = None
        self._best_path: list[int] = []
        self._symmetries: list[Values] = []

    def order(self) -> Values:
        """Vertices in the canonical order.

        Raises:
            TooSymmetric: the graph has too many vertices that are alike.
        """
        colors = self._twins_apart(self._refine(self._colors))
        self._search(self._refine(colors), [], [])
        assert self._best is not None
        return self._best[2]

    def _refine(self, colors: Values) -> Values:
        """Tell apart what has different surroundings, until nothing changes."""
        self._refined += 1
        if self._refined > MOST_REFINEMENTS:
            raise TooSymmetric
        known = int(colors.max(initial=-1)) + 1
        while True:
            around = np.stack([self._labels, colors[self._others]], axis=1)
            order = np.lexsort((around[:, 1], around[:, 0], self._ends))
            data = np.ascontiguousarray(around[order], np.int64)
            digests = np.empty((self._count, 2), np.uint64)
            for vertex in range(self._count):
                part = data[self._bounds[vertex] : self._bounds[vertex + 1]]
                digests[vertex] = np.frombuffer(
                    blake2b(part.tobytes(), digest_size=16).digest(), np.uint64
                )
            colors = ranked(np.concatenate([colors[:, None].astype(np.uint64), digests], axis=1))
            many = int(colors.max(initial=-1)) + 1
            if many == known:
                return colors
            known = many

    def _twins_apart(self, colors: Values) -> Values:
        """Give an order to vertices with the very same neighbours: any is as good as another."""
        order = np.lexsort((self._others, self._labels, self._ends))
        data = np.stack([self._labels[order], self._others[order]], axis=1)
        seen: dict[bytes, int] = {}
        place = np.zeros(self._count, np.int64)
        for vertex in range(self._count):
            part = data[self._bounds[vertex] : self._bounds[vertex + 1]].tobytes()
            key = int(colors[vertex]).to_bytes(8, "little") + part
            place[vertex] = seen.get(key, 0)
            seen[key] = int(place[vertex]) + 1
        return ranked(np.stack([colors, place], axis=1))

    def _search(self, colors: Values, path: list[int], invariants: list[bytes]) -> int:
        """Look below a vertex that was singled out; up to how long a path all has been seen."""
        sizes = np.bincount(colors)
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
        form = self._certificate(order)
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
