"""The conditions under which a method has an order, one for each rooted tree.

All is plain arithmetic, so the numbers may be floats, Fractions or Decimals: the latter two prove
what the first make plausible. (Butcher; Hairer, Nørsett & Wanner, Solving ODEs I, II.2; for
Rosenbrock methods Hairer & Wanner, Solving ODEs II, IV.7.)
"""

from __future__ import annotations

from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from emberkeep.ode.methods.rosenbrock import RosenbrockTableau
    from emberkeep.ode.methods.tableau import Tableau

    Tree = tuple["Tree", ...]
    # A tree whose vertices say whether they are of the matrix; then their branches.
    MarkedTree = tuple[Any, ...]
    # A tree's elementary differential in what each stage gives.
    Differentials = Callable[[Tree], Sequence[Any]]


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


def runge_kutta(matrix: Sequence[Sequence[Any]]) -> Differentials:
    """In the slopes of stages that take so much of each other: explicit or implicit."""

    @cache
    def at_stages(tree: Tree) -> Sequence[Any]:
        return _product(matrix, map(at_stages, tree))

    return at_stages


def rosenbrock(tableau: RosenbrockTableau) -> Differentials:
    """In the k of a Rosenbrock method, where the matrix is the Jacobian.

    That adds to vertices with one branch what the branch is itself at each stage.
    """
    matrix = ((), *tableau.stages)

    @cache
    def at_stages(tree: Tree) -> Sequence[Any]:
        sides = _product(matrix, map(at_stages, tree))
        if len(tree) == 1:
            sides = [side + k for side, k in zip(sides, at_stages(tree[0]), strict=True)]
        return _solved(tableau, sides)

    return at_stages


def _product(matrix: Sequence[Sequence[Any]], branches: Iterator[Sequence[Any]]) -> list[Any]:
    """What a vertex is at each stage, where its branches are so much at each."""
    product: list[Any] = [1] * len(matrix)
    for branch in branches:
        product = [
            value * sum(a * b for a, b in zip(row, branch, strict=False) if a)
            for value, row in zip(product, matrix, strict=True)
        ]
    return product


def _solved(tableau: RosenbrockTableau, sides: Sequence[Any]) -> list[Any]:
    """The k whose right-hand sides, but for what they take of each other, are these."""
    found: list[Any] = []
    for side, row in zip(sides, ((), *tableau.couplings), strict=True):
        found.append(tableau.gamma * (side + sum(c * k for c, k in zip(row, found, strict=False))))
    return found


def defects(
    weights: Sequence[Any], differentials: Differentials, size: int
) -> list[tuple[Tree, Any]]:
    """By how much weights miss the condition of each tree of a size, times the tree's density."""
    return [
        (tree, _share(weights, differentials(tree)) * density(tree) - 1) for tree in trees(size)
    ]


def _share(weights: Sequence[Any], values: Sequence[Any]) -> Any:
    return sum(weight * value for weight, value in zip(weights, values, strict=False))


# With any matrix in place of the Jacobian -------------------------------------------------------


@cache
def marked(tree: Tree) -> tuple[MarkedTree, ...]:
    """All ways to let vertices with one branch be of the matrix, not of the equations."""
    found = {(False, *branches) for branches in _each(tree)}
    if len(tree) == 1:
        found |= {(True, branch) for branch in marked(tree[0])}
    return tuple(sorted(found))


def _each(tree: Tree) -> Iterator[tuple[MarkedTree, ...]]:
    """All ways to mark a tree's branches, each once."""
    if not tree:
        yield ()
        return
    for first in marked(tree[0]):
        for others in _each(tree[1:]):
            yield tuple(sorted((first, *others)))


def matrix_order(tableau: RosenbrockTableau, tolerance: Any) -> int:
    """The order that a Rosenbrock method keeps whatever stands in place of the Jacobian.

    It is that of a W-method: of trees with a vertex of the matrix, nothing may remain.
    """
    matrix = ((), *tableau.stages)

    @cache
    def at_stages(tree: MarkedTree) -> Sequence[Any]:
        of_matrix, *branches = tree
        if of_matrix:
            return _solved(tableau, at_stages(branches[0]))
        return _solved(tableau, _product(matrix, map(at_stages, branches)))

    def is_met(tree: Tree, one: MarkedTree) -> bool:
        share = _share(tableau.weights, at_stages(one)) * density(tree)
        return abs(share - (not _is_marked(one))) <= tolerance

    order = 0
    while order < tableau.order and all(
        is_met(tree, one) for tree in trees(order + 1) for one in marked(tree)
    ):
        order += 1
    return order


def _is_marked(tree: MarkedTree) -> bool:
    return tree[0] or any(map(_is_marked, tree[1:]))
