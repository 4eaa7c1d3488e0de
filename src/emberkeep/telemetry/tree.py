"""Spans, folded into a tree of components."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from emberkeep.telemetry.durations import SpanKey, exclusive_ns, key_of, threads_ns
from emberkeep.telemetry.spans import Category, Span

_NS = 1e-9


@final
@dataclass(frozen=True, slots=True)
class TreeNode:
    """All spans of one name at one place of the tree.

    Attributes:
        name: the spans' name.
        category: their category.
        description: what an event was registered with; empty for spans of the library.
        count: how many there were.
        failed: how many of them an exception ended.
        inclusive_s: seconds with all that is inside, added up over threads.
        exclusive_s: seconds in which none of what is inside was open.
        children: what is inside, in the order of first appearance.
    """

    name: str
    category: Category
    description: str
    count: int
    failed: int
    inclusive_s: float
    exclusive_s: float
    children: tuple["TreeNode", ...]


_Place = tuple[int | None, str, Category]


def tree_of(spans: Iterable[Span]) -> tuple[TreeNode, ...]:
    """Return the roots: spans without a parent, or whose parent is not among `spans`."""
    # Parents have lower ids than their children, so each finds its parent's place known.
    known = sorted(spans, key=key_of)
    places: dict[_Place, int] = {}
    groups: list[list[Span]] = []
    parents: list[int | None] = []
    place_of: dict[SpanKey, int] = {}
    for span in known:
        above = None
        if span.parent_id is not None:
            above = place_of.get((span.process_id, span.parent_id))
        index = places.setdefault((above, span.name, span.category), len(groups))
        if index == len(groups):
            groups.append([])
            parents.append(above)
        groups[index].append(span)
        place_of[key_of(span)] = index
    return _fold(groups, parents, exclusive_ns(known))


def _fold(
    groups: list[list[Span]], parents: list[int | None], own: dict[SpanKey, int]
) -> tuple[TreeNode, ...]:
    """Make nodes from the last to the first: children come after their parents."""
    # A loop and no recursion: events may nest deeper than Python's stack allows.
    children: list[list[TreeNode]] = [[] for _ in groups]
    roots: list[TreeNode] = []
    for index in reversed(range(len(groups))):
        group, above = groups[index], parents[index]
        node = TreeNode(
            name=group[0].name,
            category=group[0].category,
            description=str(group[0].attributes.get("description", "")),
            count=len(group),
            failed=sum(span.failed for span in group),
            inclusive_s=threads_ns(group) * _NS,
            exclusive_s=sum(own[key_of(span)] for span in group) * _NS,
            children=tuple(reversed(children[index])),
        )
        (roots if above is None else children[above]).append(node)
    return tuple(reversed(roots))
