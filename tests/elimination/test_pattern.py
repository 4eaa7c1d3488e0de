"""Elimination against dense algebra, exact arithmetic, and small references of its own."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from emberkeep.elimination.factors import Factors
from emberkeep.elimination.pattern import (
    HEADER,
    VERSION,
    SparsityPattern,
    analyse,
    components,
    minimum_degree,
)

few = settings(max_examples=60, deadline=None)


# Graphs ------------------------------------------------------------------------------------------


def csr(edges, count):
    """Where rows of edges start, and targets, of a sorted list of pairs."""
    pairs = np.array(sorted(edges), np.int64).reshape(-1, 2)
    starts = np.zeros(count + 1, np.uint32)
    starts[1:] = np.cumsum(np.bincount(pairs[:, 0], minlength=count))
    return starts, np.ascontiguousarray(pairs[:, 1], np.uint32)


@st.composite
def chains(draw, most=9):
    """(edges, count): every vertex leads to vertex 0 in the end; any numbering."""
    count = draw(st.integers(2, most))
    edges = {(v, draw(st.integers(0, v - 1))) for v in range(1, count)}
    more = st.tuples(st.integers(1, count - 1), st.integers(0, count - 1))
    edges |= {(a, b) for a, b in draw(st.lists(more, max_size=4 * count)) if a != b}
    number = draw(st.permutations(range(count)))
    return [(number[a], number[b]) for a, b in edges], count


def random_chain(rng, count, density, low=-1.0, high=1.0):
    """Edges with rates between powers of ten; the last vertex is the end."""
    edges = {(v, int(rng.integers(v + 1, count))) for v in range(count - 1)}
    for a, b in np.argwhere(rng.random((count, count)) < density).tolist():
        if a != b and a != count - 1:
            edges.add((a, b))
    return *csr(edges, count), 10 ** rng.uniform(low, high, len(edges))


def dense(pattern, starts, targets, weights):
    """M = D - W among the rows, in their order."""
    count = len(starts) - 1
    row = {int(v): r for r, v in enumerate(pattern.vertex)}
    matrix = np.zeros((pattern.rows, pattern.rows))
    for source in range(count):
        for edge in range(starts[source], starts[source + 1]):
            r = row[source]
            matrix[r, r] += weights[edge]
            if int(targets[edge]) in row:
                matrix[r, row[int(targets[edge])]] -= weights[edge]
    return matrix


def factors_of(pattern, weights, killed=None, killing=None):
    """Evaluated for fixed weights."""
    factors = Factors(pattern, weights, np.zeros((len(weights), 0)), 1, killed)
    factors.update(np.zeros((1, 0)), killing)
    return factors


def solved(factors, right, *, transposed=False):
    return factors.solve(right[None, :, None], transposed=transposed)[0, :, 0].copy()


def parts(pattern, factors, vector=0):
    """L, U, D and what leaves, dense, from the layout that pattern.py describes."""
    n = pattern.rows
    lowers, uppers = pattern.entries
    at = HEADER + 5 * n + pattern.edges
    starts, columns = pattern.array[at : at + n + 1], pattern.array[at + n + 1 :][:lowers]
    rows = np.repeat(np.arange(n), np.diff(starts))
    values = factors.values[0, :, vector]
    lower, upper = np.zeros((n, n)), np.zeros((n, n))
    lower[rows, columns] = values[:lowers]
    starts, columns = pattern.upper
    upper[np.repeat(np.arange(n), np.diff(starts)), columns] = values[lowers : lowers + uppers]
    return lower, upper, values[lowers + uppers :][:n], values[lowers + uppers + n :][:n]


# Components --------------------------------------------------------------------------------------


def reachable(edges, count):
    """By pairs, whether one leads to the other; each leads to itself."""
    reach = np.eye(count, dtype=bool)
    for a, b in edges:
        reach[a, b] = True
    for middle in range(count):
        reach |= reach[:, [middle]] & reach[[middle], :]
    return reach


@few
@given(st.integers(0, 10).flatmap(
    lambda n: st.tuples(
        st.just(n), st.sets(st.tuples(st.integers(0, max(n - 1, 0)), st.integers(0, max(n - 1, 0))))
    )
))  # fmt: skip
def test_components_are_those_that_reach_each_other_in_order(given_):
    count, edges = given_
    edges = edges if count else set()
    number = components(*csr(edges, count))
    reach = reachable(edges, count)
    together = reach & reach.T
    assert ((number[:, None] == number[None, :]) == together).all()
    assert sorted(set(number.tolist())) == list(range(len(set(number.tolist()))))
    assert all(number[a] <= number[b] for a, b in edges)


def test_components_of_a_large_graph_are_scipys():
    rng = np.random.default_rng(0)
    count = 20_000
    edges = {(int(a), int(b)) for a, b in rng.integers(0, count, (26_000, 2))}
    starts, targets = csr(edges, count)
    many, expected = connected_components(
        csr_array((np.ones(len(targets)), targets.astype(int), starts.astype(int))),
        connection="strong",
    )
    number = components(starts, targets)
    assert len(np.unique(number)) == many
    assert len(np.unique(number * many + expected)) == many


@pytest.mark.parametrize("closed", [False, True])
def test_components_of_a_long_path_need_no_recursion(closed):
    count = 200_000
    edges = [(v, v + 1) for v in range(count - 1)] + ([(count - 1, 0)] if closed else [])
    number = components(*csr(edges, count))
    assert (number == (0 if closed else np.arange(count))).all()


# Order -------------------------------------------------------------------------------------------


def exact_minimum_degree_fill(edges, count):
    """Entries below the diagonal of the factor, when always a vertex of least degree is next."""
    around = [set() for _ in range(count)]
    for a, b in edges:
        around[a].add(b)
        around[b].add(a)
    left, total = set(range(count)), 0
    while left:
        pivot = min(left, key=lambda v: (len(around[v]), v))
        left.remove(pivot)
        total += len(around[pivot])
        for v in around[pivot]:
            around[v] |= around[pivot]
            around[v] -= {v, pivot}
    return total


def both_ways(edges):
    return np.array([*edges, *[(b, a) for a, b in edges]], np.int64)


def lattice(*sides):
    number = np.arange(np.prod(sides)).reshape(sides)
    edges = []
    for axis in range(len(sides)):
        first = np.take(number, range(sides[axis] - 1), axis).ravel()
        second = np.take(number, range(1, sides[axis]), axis).ravel()
        edges += zip(first.tolist(), second.tolist(), strict=True)
    return edges, number.size


@few
@given(st.integers(1, 14).flatmap(
    lambda n: st.tuples(
        st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=60)
    )
))  # fmt: skip
def test_the_order_is_a_permutation(given_):
    count, edges = given_
    pairs = np.array(edges, np.int64).reshape(-1, 2)
    order = minimum_degree(pairs[:, 0], pairs[:, 1], count)
    assert sorted(order.tolist()) == list(range(count))


@pytest.mark.parametrize(("count", "density"), [(300, 0.01), (300, 0.1), (120, 1.0), (2000, 0.002)])
def test_the_order_of_random_patterns_is_a_permutation(count, density):
    rng = np.random.default_rng(count)
    pairs = np.argwhere(rng.random((count, count)) < density)
    order = minimum_degree(pairs[:, 0], pairs[:, 1], count)
    assert sorted(order.tolist()) == list(range(count))


def recorded(edges, count, ends=(0,)):
    """The pattern of an undirected graph, with a vertex more where the chain ends."""
    pairs = [*map(tuple, both_ways(edges).tolist()), *[(v, count) for v in ends]]
    return analyse(*csr(set(pairs), count + 1))


@pytest.mark.parametrize("sides", [(12, 12), (25, 25), (5, 60), (6, 6, 6)])
def test_lattices_fill_in_as_little_as_with_exact_minimum_degree(sides):
    edges, count = lattice(*sides)
    lower, upper = recorded(edges, count).entries
    assert lower == upper
    assert lower <= 1.25 * exact_minimum_degree_fill(edges, count)


def test_a_large_lattice_fills_in_little():
    edges, count = lattice(80, 80)
    lower, _ = recorded(edges, count).entries
    assert lower < 0.3 * 80 * count  # of a band's


@few
@given(st.integers(2, 60).flatmap(
    lambda n: st.tuples(*[st.integers(0, v - 1) for v in range(1, n)])
))  # fmt: skip
def test_trees_do_not_fill_in(parents):
    edges = [(v, parent) for v, parent in enumerate(parents, 1)]
    pattern = recorded(edges, len(edges) + 1)
    assert pattern.entries == (len(edges), len(edges))


def test_a_long_path_and_a_star_do_not_fill_in():
    count = 5000
    path = [(v, v + 1) for v in range(count - 1)]
    star = [(count // 2, v) for v in range(count) if v != count // 2]
    for edges in (path, star):
        assert recorded(edges, count).entries == (count - 1, count - 1)


def test_acyclic_graphs_have_no_entries():
    starts, targets = csr([(a, b) for a in range(40) for b in range(a + 1, 41)], 41)
    pattern = analyse(starts, targets)
    assert pattern.entries == (0, 0)
    assert pattern.edges == len(targets)


# Factors and solutions ---------------------------------------------------------------------------


@few
@given(chains(), st.integers(0, 2**32 - 1))
def test_solutions_are_those_of_dense_algebra(chain, seed):
    edges, count = chain
    rng = np.random.default_rng(seed)
    starts, targets = csr(edges, count)
    weights = 10 ** rng.uniform(-1, 1, len(targets))
    pattern = analyse(starts, targets)
    matrix = dense(pattern, starts, targets, weights)
    factors = factors_of(pattern, weights)
    assert not factors.problems
    right = rng.random(pattern.rows)
    for transposed, system in ((False, matrix), (True, matrix.T)):
        found = solved(factors, right, transposed=transposed)
        np.testing.assert_allclose(found, np.linalg.solve(system, right), rtol=1e-11)


@few
@given(chains(), st.integers(0, 2**32 - 1))
def test_factors_multiply_to_the_matrix_of_each_component(chain, seed):
    edges, count = chain
    rng = np.random.default_rng(seed)
    starts, targets = csr(edges, count)
    weights = 10 ** rng.uniform(-3, 3, len(targets))
    pattern = analyse(starts, targets)
    matrix = dense(pattern, starts, targets, weights)
    number = components(starts, targets)[pattern.vertex]
    assert (np.diff(number) >= 0).all()
    lower, upper, diagonal, leaving = parts(pattern, factors_of(pattern, weights))
    assert (lower >= 0).all()
    assert (upper >= 0).all()
    assert (leaving >= 0).all()
    assert (np.tril(lower, -1) == lower).all()
    assert (np.triu(upper, 1) == upper).all()
    product = (np.eye(len(matrix)) - lower) @ (np.diag(diagonal) - upper)
    within = number[:, None] == number[None, :]
    scale = abs(matrix).max(axis=1, keepdims=True)
    assert (abs(np.where(within, matrix, 0) - product) <= 1e-13 * scale).all()
    np.testing.assert_allclose(diagonal, leaving + upper.sum(axis=1), rtol=1e-14)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("density", [0.15, 0.5])
def test_every_entry_is_right_whatever_the_range_of_rates(seed, density):
    rng = np.random.default_rng(seed)
    starts, targets, weights = random_chain(rng, 10, density, -6, 6)
    pattern = analyse(starts, targets)
    n = pattern.rows
    with mpmath.workdps(120):
        exact = mpmath.zeros(n, n)
        row = {int(v): r for r, v in enumerate(pattern.vertex)}
        for source, r in row.items():
            for edge in range(starts[source], starts[source + 1]):
                exact[r, r] += mpmath.mpf(weights[edge])
                if int(targets[edge]) in row:
                    exact[r, row[int(targets[edge])]] -= mpmath.mpf(weights[edge])
        exact = exact**-1
        factors = factors_of(pattern, weights)
        worst = 0.0
        for column in range(n):
            unit = np.eye(n)[column]
            for transposed in (False, True):
                found = solved(factors, unit, transposed=transposed)
                for r in range(n):
                    true = exact[column, r] if transposed else exact[r, column]
                    if true == 0:
                        assert found[r] == 0
                    else:
                        worst = max(worst, float(abs(found[r] - true) / true))
    assert worst < 1e-13


def test_a_nearly_closed_component_is_right():
    # Out only by 1e-12 against 1e6: D - W by subtraction would lose all digits.
    edges = [(0, 1), (1, 0), (1, 2)]
    starts, targets = csr(edges, 3)
    factors = factors_of(analyse(starts, targets), np.array([1e6, 1e6, 1e-12]))
    found = solved(factors, np.ones(2))
    times = dict(zip(factors.pattern.vertex.tolist(), found.tolist(), strict=True))
    assert times[1] == pytest.approx(2e12, rel=1e-15)
    assert times[0] == pytest.approx(2e12 + 1e-6, rel=1e-15)


def test_killing_is_added_to_what_leaves():
    rng = np.random.default_rng(3)
    starts, targets, weights = random_chain(rng, 9, 0.3)
    pattern = analyse(starts, targets)
    killed = rng.random(pattern.rows)
    factors = factors_of(pattern, weights, killed, np.array([0.7]))
    matrix = dense(pattern, starts, targets, weights) + 0.7 * np.diag(killed)
    right = rng.random(pattern.rows)
    np.testing.assert_allclose(solved(factors, right), np.linalg.solve(matrix, right), rtol=1e-13)


def test_a_row_without_a_way_out_is_told():
    starts, targets = csr([(0, 1), (1, 0), (1, 2)], 3)
    assert factors_of(analyse(starts, targets), np.array([1.0, 1.0, 0.0])).problems
    assert factors_of(analyse(starts, targets), np.array([0.0, 1.0, 1.0])).problems
    assert not factors_of(analyse(starts, targets), np.array([1.0, 0.0, 1.0])).problems


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_an_impossible_weight_is_told(weight):
    starts, targets = csr([(0, 1), (1, 0), (1, 2)], 3)
    assert factors_of(analyse(starts, targets), np.array([1.0, 1.0, weight])).problems


# Batches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 100])
@pytest.mark.parametrize("density", [0.05, 0.4])
def test_batches_give_what_single_ones_give(count, density):
    rng = np.random.default_rng(count)
    starts, targets, base = random_chain(rng, 30, density)
    coefficients = rng.random((len(targets), 3)) * (rng.random((len(targets), 3)) < 0.5)
    theta = 10 ** rng.uniform(-2, 2, (count, 3))
    killing = rng.random(count)
    pattern = analyse(starts, targets)
    killed, right = rng.random(pattern.rows), rng.random(pattern.rows)
    batch = Factors(pattern, base, coefficients, count, killed)
    batch.update(theta, killing)
    assert not batch.problems
    single = Factors(pattern, base, coefficients, 1, killed)
    for transposed in (False, True):
        found = batch.one_by_one(batch.solve(right[None, :, None], transposed=transposed).copy())
        assert found.shape == (count, pattern.rows)
        for vector in range(count):
            single.update(theta[vector : vector + 1], killing[vector : vector + 1])
            alone = solved(single, right, transposed=transposed)
            np.testing.assert_allclose(found[vector], alone, rtol=1e-13)


@pytest.mark.parametrize("bad", [0, 1, 31, 32, 39])
def test_a_batch_tells_which_vector_is_bad(bad):
    starts, targets = csr([(0, 1), (1, 0), (1, 2)], 3)
    pattern = analyse(starts, targets)
    factors = Factors(pattern, np.array([1.0, 1.0, 0.0]), np.array([[0.0], [0.0], [1.0]]), 40)
    theta = np.ones((40, 1))
    factors.update(theta)
    assert not factors.problems
    theta[bad] = 0.0
    factors.update(theta)
    assert factors.problems
    assert [vector for vector, _ in factors.problems] == [bad]
    factors.update(np.ones((40, 1)))
    assert not factors.problems


# What stays --------------------------------------------------------------------------------------


@few
@given(chains(12), st.integers(0, 2**32 - 1))
def test_what_stays_holds_the_schur_complement(chain, seed):
    edges, count = chain
    rng = np.random.default_rng(seed)
    starts, targets = csr(edges, count)
    weights = 10 ** rng.uniform(-2, 2, len(targets))
    keep = rng.random(count) < 0.5
    pattern = analyse(starts, targets, keep=keep)
    matrix = dense(pattern, starts, targets, weights)
    gone = pattern.eliminated
    assert keep[pattern.vertex[gone:]].all()
    assert not keep[pattern.vertex[:gone]].any()
    factors = factors_of(pattern, weights)
    assert not factors.problems
    _, upper, diagonal, leaving = parts(pattern, factors)
    inner, out = matrix[:gone, :gone], matrix.sum(axis=1)
    through = matrix[gone:, :gone] @ np.linalg.inv(inner) if gone else np.zeros((len(matrix), 0))
    schur = matrix[gone:, gone:] - through @ matrix[:gone, gone:]
    ending = out[gone:] - through @ out[:gone]
    off = ~np.eye(len(schur), dtype=bool)
    scale = abs(matrix).max(initial=1.0)
    found = upper[gone:, gone:]
    assert (abs(found[off] + schur[off]) <= 1e-11 * scale).all()
    assert (abs(leaving[gone:] - ending) <= 1e-11 * scale).all()
    assert (abs(diagonal[gone:] - np.diag(schur)) <= 1e-11 * scale).all()


def test_what_stays_may_be_all_or_nothing():
    starts, targets, weights = random_chain(np.random.default_rng(1), 8, 0.4)
    nothing = analyse(starts, targets, keep=np.zeros(8, bool))
    assert nothing.eliminated == nothing.rows == 7
    everything = analyse(starts, targets, keep=np.ones(8, bool))
    assert everything.eliminated == 0
    _, upper, _, _ = parts(everything, factors_of(everything, weights))
    matrix = dense(everything, starts, targets, weights)
    np.testing.assert_array_equal(upper, np.diag(np.diag(matrix)) - matrix)


# Whether a pattern fits --------------------------------------------------------------------------


@few
@given(chains(7))
def test_a_program_fits_its_graph_and_no_other(chain):
    edges, count = chain
    starts, targets = csr(edges, count)
    pattern = analyse(starts, targets)
    assert SparsityPattern(pattern.array.copy()).fits(starts, targets)
    assert SparsityPattern(np.frombuffer(pattern.array.tobytes(), np.uint32)).fits(starts, targets)
    there = set(edges)
    for changed in {(a, b) for a in range(count) for b in range(count) if a != b}:
        assert not pattern.fits(*csr(there ^ {changed}, count)), changed
        for moved in range(count):
            other = {(changed[0], moved)} | (there - {changed})
            if changed in there and moved != changed[0] and other != there:
                assert not pattern.fits(*csr(other, count)), (changed, moved)
    assert not pattern.fits(*csr(there, count + 1))


@few
@given(chains(6), chains(6))
def test_a_program_fits_only_equal_graphs(one, other):
    first, second = csr(*one), csr(*other)
    same = all(map(np.array_equal, first, second))
    assert analyse(*first).fits(*second) == same


def test_truncated_and_lengthened_programs_do_not_fit():
    starts, targets, _ = random_chain(np.random.default_rng(0), 12, 0.3)
    array = analyse(starts, targets).array
    for size in range(len(array)):
        assert not SparsityPattern(array[:size].copy()).fits(starts, targets)
    assert not SparsityPattern(np.append(array, np.uint32(0))).fits(starts, targets)


@pytest.mark.parametrize("version", [0, VERSION + 1, 2**32 - 1])
def test_another_version_does_not_fit(version):
    starts, targets, _ = random_chain(np.random.default_rng(0), 12, 0.3)
    array = analyse(starts, targets).array.copy()
    array[0] = version
    assert not SparsityPattern(array).fits(starts, targets)


def test_a_change_of_what_it_was_made_from_does_not_fit():
    starts, targets, _ = random_chain(np.random.default_rng(0), 12, 0.3)
    pattern = analyse(starts, targets)
    n = pattern.rows
    described = [1, 2, 3, *range(HEADER, HEADER + n)]  # counts, and vertices
    described += range(HEADER + 3 * n, HEADER + 5 * n + pattern.edges)  # edges
    for at in described:
        for value in (0, 1, int(pattern.array[at]) + 1, 2**32 - 1):
            array = pattern.array.copy()
            if array[at] != value:
                array[at] = value
                assert not SparsityPattern(array).fits(starts, targets), (at, value)
