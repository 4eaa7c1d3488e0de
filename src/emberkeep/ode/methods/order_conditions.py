"""The conditions under which a Runge-Kutta method has an order, one for each rooted tree.

All is plain arithmetic, so the numbers may be floats, Fractions or Decimals: the latter two prove
what the first make plausible. (Butcher; Hairer, Nørsett & Wanner, Solving ODEs I, II.2.)
"""

from __future__ import annotations

from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from emberkeep.ode.methods.tableau import Tableau

    Tree = tuple["Tree", ...]
    Slopes = dict[Tree, list[Any]]


@cache
def trees(size: int) -> tuple[Tree, ...]:
    """All rooted trees with so many vertices; a tree is the sorted tuple of its branches."""
    if size == 1:
        return ((),)
    return tuple(sorted({larger for tree in trees(size - 1) for larger in _grown(tree)}))


def _grown(tree: Tree) -> Iterator[Tree]:
    """The trees with one leaf more."""
    yield tuple(sorted((*tree, ())))
    for place, branch in enumerate(tree):
        for larger in _grown(branch):
            yield tuple(sorted((*tree[:place], larger, *tree[place + 1 :])))


def vertices(tree: Tree) -> int:
    """How many vertices a tree has: the order that its condition belongs to."""
    return 1 + sum(map(vertices, tree))


def density(tree: Tree) -> int:
    """The product of the sizes of all subtrees: the solution's own share is its inverse."""
    product = vertices(tree)
    for branch in tree:
        product *= density(branch)
    return product


def rows(tableau: Tableau) -> list[Sequence[float]]:
    """What each stage takes of those before, extra stages too; the first takes nothing."""
    return [(), *tableau.stages, *tableau.extra_stages]


def at_stages(tree: Tree, matrix: Sequence[Sequence[Any]], known: Slopes) -> list[Any]:
    """A tree's elementary differential at each stage; those of branches are kept in `known`."""
    if tree not in known:
        product: list[Any] = [1] * len(matrix)
        for branch in tree:
            inner = at_stages(branch, matrix, known)
            product = [
                value * sum(a * b for a, b in zip(row, inner, strict=False) if a)
                for value, row in zip(product, matrix, strict=True)
            ]
        known[tree] = product
    return known[tree]


def defects(
    weights: Sequence[Any], matrix: Sequence[Sequence[Any]], size: int, known: Slopes
) -> list[tuple[Tree, Any]]:
    """By how much weights miss the condition of each tree of a size, times the tree's density."""
    found: list[tuple[Tree, Any]] = []
    for tree in trees(size):
        values = at_stages(tree, matrix, known)
        share = sum(weight * value for weight, value in zip(weights, values, strict=False))
        found.append((tree, share * density(tree) - 1))
    return found
