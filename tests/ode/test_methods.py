"""Tableaus against the conditions of order, in exact terms."""

import itertools

import numpy as np
import pytest

from emberkeep.errors import InvalidPlan
from emberkeep.ode.methods import NAMES, method

TABLEAUS = [method(name) for name in sorted(set(NAMES.values()))]


def trees(order):
    """Rooted trees with `order` vertices, as sorted tuples of their branches."""
    if order == 1:
        return {()}
    found = set()
    for tree in trees(order - 1):
        found |= set(grown(tree))
    return found


def grown(tree):
    yield tuple(sorted((*tree, ())))
    for place, branch in enumerate(tree):
        for larger in grown(branch):
            yield tuple(sorted((*tree[:place], larger, *tree[place + 1 :])))


def size(tree):
    return 1 + sum(map(size, tree))


def density(tree):
    product = size(tree)
    for branch in tree:
        product *= density(branch)
    return product


def stages(tree, a):
    """What each stage contributes to a tree's elementary weight."""
    product = np.ones(len(a))
    for branch in tree:
        product = product * (a @ stages(branch, a))
    return product


def matrix(tableau):
    a = np.zeros((tableau.count, tableau.count))
    for row, values in enumerate(tableau.stages, 1):
        a[row, : len(values)] = values
    return a


def defects(weights, a, order):
    return [
        abs(weights @ stages(tree, a) - 1 / density(tree))
        for size_of in range(1, order + 1)
        for tree in trees(size_of)
    ]


def test_there_are_as_many_trees_as_there_should_be():
    assert [len(trees(order)) for order in range(1, 7)] == [1, 1, 2, 4, 9, 20]


@pytest.mark.parametrize("tableau", TABLEAUS, ids=lambda tableau: tableau.name)
def test_it_has_the_order_that_it_says_and_no_higher(tableau):
    weights, a = np.array(tableau.weights), matrix(tableau)
    assert max(defects(weights, a, tableau.order)) < 5e-14
    assert max(defects(weights, a, tableau.order + 1)) > 1e-5


@pytest.mark.parametrize("tableau", TABLEAUS, ids=lambda tableau: tableau.name)
def test_nodes_are_the_sums_of_their_rows(tableau):
    np.testing.assert_allclose(matrix(tableau).sum(axis=1), tableau.nodes, atol=2e-15)


@pytest.mark.parametrize(
    "tableau", [one for one in TABLEAUS if one.is_adaptive], ids=lambda tableau: tableau.name
)
def test_the_embedded_solution_is_of_one_order_less(tableau):
    embedded = np.array(tableau.weights) - np.array(tableau.error)
    a = matrix(tableau)
    assert max(defects(embedded, a, tableau.order - 1)) < 5e-14
    assert max(defects(embedded, a, tableau.order)) > 1e-5


@pytest.mark.parametrize(
    "tableau", [one for one in TABLEAUS if one.interpolant], ids=lambda tableau: tableau.name
)
def test_values_within_a_step_are_of_order_four_and_meet_its_ends(tableau):
    a, rows = matrix(tableau), np.array(tableau.interpolant)
    for theta in (0.1, 0.37, 0.5, 0.93):
        weights = rows @ theta ** np.arange(1, rows.shape[1] + 1)
        for order in range(1, 5):
            for tree in trees(order):
                found = weights @ stages(tree, a)
                assert abs(found - theta**order / density(tree)) < 1e-13
    np.testing.assert_allclose(rows.sum(axis=1), tableau.weights, atol=2e-14)
    # Its derivative meets the slopes at both ends: first stage at 0, last one at 1.
    powers = np.arange(1, rows.shape[1] + 1)
    np.testing.assert_allclose(rows[:, 0], np.eye(tableau.count)[0], atol=1e-14)
    np.testing.assert_allclose(rows @ powers, np.eye(tableau.count)[-1], atol=1e-13)


def test_every_name_leads_to_one_method_and_others_are_refused():
    for name, file in NAMES.items():
        spellings = itertools.chain([name, name.upper(), name.replace("-", "_")])
        assert {method(spelling).name for spelling in spellings} == {file}
    with pytest.raises(InvalidPlan, match="'rk5'.*rk4, tsit5"):
        method("rk5")
