"""Joint probabilities of numbers of events: tables, marginals, conditionals, what is left out."""

import pickle
from itertools import product
from math import comb

import mpmath
import numpy as np
import pytest
import scipy.stats

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph, models

REWARDS = np.array([[1.0, 0.0], [0.5, 2.0], [0.0, 1.0]])


@pytest.fixture
def steps():
    """In discrete time: words, of which some earn nothing, with loops among those."""
    builder = Graph.builder(discrete=True)
    for state, begin in (("a", 0.5), ("b", 0.3), ("idle", 0.1)):
        builder.add_vertex(state, begin)
    other = builder.add_vertex("wait")
    end = builder.add_vertex("end")
    for source, target, weight in [
        (0, 1, 0.25), (0, 2, 0.5), (1, 0, 0.125), (1, end, 0.5), (2, other, 0.5), (other, 2, 0.25),
        (2, 1, 0.25), (other, end, 0.0625),
    ]:  # fmt: skip
        builder.add_edge(source, target, weight)
    return builder.build()


EARNED = np.array([[1, 0], [2, 1], [0, 0], [0, 0], [0, 0]])


def by_series(graph, rewards, limits):
    """A discrete graph's joint probabilities: sums over steps of all that was earned so far."""
    count = len(graph)
    matrix = np.zeros((count, count))
    for vertex in graph:
        for target, weight, _ in vertex.edges:
            matrix[vertex.number, target] = weight
    matrix += np.diag(1 - matrix.sum(axis=1))
    ends = graph.absorbing
    found = np.zeros([limit + 1 for limit in limits])
    found[(0,) * len(limits)] = 1 - graph.initial.sum()
    here = {(0,) * len(limits): graph.initial.copy()}
    for _ in range(1200):
        after = {}
        for earned, chances in here.items():
            for vertex in np.flatnonzero(chances):
                if vertex in ends:
                    found[earned] += chances[vertex]
                    continue
                more = tuple(np.add(earned, rewards[vertex]).tolist())
                if all(m <= limit for m, limit in zip(more, limits, strict=True)):
                    row = after.setdefault(more, np.zeros(count))
                    row += chances[vertex] * matrix[vertex]
        here = after
    return found


def test_in_steps_what_is_earned_is_counted(steps):
    limits = (5, 3)
    expected = by_series(steps, EARNED, limits)
    assert steps.joint_probabilities(limits, rewards=EARNED) == pytest.approx(expected, rel=1e-12)
    table = steps.joint_table(rewards=EARNED)
    assert table.array(limits) == pytest.approx(expected, rel=1e-12)
    assert table[2, 1] == pytest.approx(expected[2, 1], rel=1e-12)
    assert table.beyond(limits) == pytest.approx(1 - expected.sum(), rel=1e-11)
    # (1, 1) takes state b, which earns 2.
    assert table[1, 1] == pytest.approx(0.0, abs=1e-250)


def test_in_steps_of_one_kind_it_is_what_rewards_transform_to(steps):
    rewards = EARNED[:, 0]
    found = steps.joint_probabilities(12, rewards=rewards)
    other = steps.reward_transform(rewards).pmf(np.arange(13))
    assert found == pytest.approx(other, rel=1e-12)


def test_tables_know_moments_of_steps(steps):
    table = steps.joint_table(rewards=EARNED)
    assert table.expectation() == pytest.approx(steps.expectation(rewards=EARNED), rel=1e-13)
    assert table.covariance() == pytest.approx(steps.covariance(EARNED), rel=1e-13)


def exactly(graph, rewards, rate, index):
    """α ∏ … by mpmath: coefficients of the generating function, from a Taylor polynomial in 2D."""
    with mpmath.workdps(40):
        inner = np.setdiff1d(np.arange(len(graph)), graph.absorbing)
        n, (a, b) = len(inner), index
        known = {}
        rates = mpmath.matrix(n, n)
        ending = mpmath.matrix(n, 1)
        for i, vertex in enumerate(inner):
            for target, weight, _ in graph.vertex(int(vertex)).edges:
                rates[i, i] += mpmath.mpf(weight)
                if target in graph.absorbing:
                    ending[i] += mpmath.mpf(weight)
                else:
                    rates[i, int(np.flatnonzero(inner == target)[0])] -= mpmath.mpf(weight)
            rates[i, i] += sum(mpmath.mpf(r) * rate for r in rewards[i])
        for i, j in product(range(a + 1), range(b + 1)):
            right = ending.copy() if i == j == 0 else mpmath.matrix(n, 1)
            for kind, before in ((0, (i - 1, j)), (1, (i, j - 1))):
                if before in known:
                    for row in range(n):
                        right[row] += mpmath.mpf(rewards[row][kind]) * rate * known[before][row]
            known[i, j] = mpmath.lu_solve(rates, right)
        alpha = mpmath.matrix([graph.initial[inner].tolist()])
        found = (alpha * known[a, b])[0]
        return float(found + (graph.defect if a == b == 0 else 0))


def test_tables_in_time_against_mpmath(cyclic):
    table = cyclic.joint_table(rewards=REWARDS, rate=0.75)
    for index in ((0, 0), (3, 0), (1, 2), (9, 14)):
        assert table[index] == pytest.approx(exactly(cyclic, REWARDS, 0.75, index), rel=1e-13)


def test_what_lies_outside_is_precise_where_a_difference_would_not_be(erlang):
    # Of an Erlang distribution numbers of events are negative binomial.
    table = erlang(3, 2.0).joint_table(rate=0.5)
    p = 2 / 2.5
    for count in (0, 5, 40, 120):
        with mpmath.workdps(60):
            terms = (
                comb(k + 2, 2) * mpmath.mpf(0.8) ** 3 * (1 - mpmath.mpf(0.8)) ** k
                for k in range(count + 1, count + 400)
            )
            exact = float(mpmath.fsum(terms))
        assert table.beyond(count) == pytest.approx(exact, rel=1e-12)
    assert table.beyond(5) == pytest.approx(scipy.stats.nbinom(3, p).sf(5), rel=1e-12)
    (most,) = table.within(1e-9)
    assert table.beyond(most) <= 1e-9 < table.beyond(most - 1)


def test_what_lies_outside_of_a_box(cyclic):
    table = cyclic.joint_table(rewards=REWARDS)
    for limits in ((0, 0), (2, 3), (6, 1)):
        assert table.beyond(limits) == pytest.approx(1 - table.array(limits).sum(), rel=1e-11)
    within = table.within(1e-6)
    assert 0 < table.beyond(within) <= 1e-6
    assert table.array(within).sum() == pytest.approx(1.0, abs=1e-6)


def test_marginals_are_sums(cyclic):
    table = cyclic.joint_table(rewards=REWARDS)
    whole = table.array((8, 150))
    assert table.marginal(0).array(8) == pytest.approx(whole.sum(axis=1), rel=1e-11)
    swapped = table.marginal(1, 0)
    assert swapped[3, 2] == table[2, 3]
    assert swapped.marginal(1)[4] == pytest.approx(table.marginal(0)[4], rel=1e-14)


def test_a_table_survives_a_pickle(cyclic):
    table = cyclic.joint_table(rewards=REWARDS)
    for one in (table, table.conditional({0: 2})):
        again = pickle.loads(pickle.dumps(one))
        assert again.kinds == one.kinds
        limits = (3,) * one.kinds
        np.testing.assert_array_equal(again.array(limits), one.array(limits))


def test_conditionals_are_ratios(cyclic):
    table = cyclic.joint_table(rewards=REWARDS)
    for count in (0, 3):  # nothing at all happens also where the chain has ended before it began
        given = table.conditional({0: count})
        assert given.kinds == 1
        assert given.given_probability == pytest.approx(table.marginal(0)[count], rel=1e-14)
        expected = table.array((count, 20))[count] / table.marginal(0)[count]
        assert given.array(20) == pytest.approx(expected, rel=1e-13)
        assert given.beyond(3) == pytest.approx(1 - given.array(3).sum(), rel=1e-11)
        assert given.array(given.within(1e-8)).sum() == pytest.approx(1.0, abs=1e-8)


def test_conditionals_of_conditionals_and_of_marginals():
    graph = models.kingman(4, theta=1.0)
    table = models.site_frequency_spectrum(graph, mutation_rate=0.5)
    both = table.conditional({0: 1}).conditional({1: 2})
    once = table.conditional({2: 2, 0: 1})
    assert both[3] == pytest.approx(once[3], rel=1e-13)
    assert both[3] == pytest.approx(table[1, 3, 2] / table.marginal(0, 2)[1, 2], rel=1e-13)
    half = table.conditional({0: 1}).marginal(1)
    assert half[2] == pytest.approx(table.marginal(0, 2)[1, 2] / table.marginal(0)[1], rel=1e-13)
    assert half.beyond(2) == pytest.approx(1 - half.array(2).sum(), rel=1e-11)


def test_conditionals_in_steps(steps):
    table = steps.joint_table(rewards=EARNED)
    given = table.conditional({1: 1})
    expected = table.array((12, 1))[:, 1] / table.marginal(1)[1]
    assert given.array(12) == pytest.approx(expected, rel=1e-12)
    assert given.beyond(2) == pytest.approx(1 - given.array(2).sum(), rel=1e-10)


def test_a_table_depends_on_theta(coalescent):
    graph = coalescent(4)
    table = graph.joint_table([2.0], rewards=graph.states.rows[:, :3], rate=0.5)
    other = graph.instantiate([2.0]).joint_table(rewards=graph.states.rows[:, :3], rate=0.5)
    assert table[1, 1, 0] == other[1, 1, 0] > 0


def test_probabilities_do_not_depend_on_what_was_asked_before(cyclic):
    one, other = (cyclic.joint_table(rewards=REWARDS) for _ in range(2))
    one.array((5, 5))
    assert one[2, 3] == other[2, 3]


def test_as_pandas(cyclic):
    pytest.importorskip("pandas")
    series = cyclic.joint_table(rewards=REWARDS).to_pandas((2, 1))
    assert series[2, 1] == cyclic.joint_table(rewards=REWARDS)[2, 1]
    assert len(series) == 6


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda t: t[1], "expected 2 whole numbers"),
        (lambda t: t[1, 0.5], "expected 2 whole numbers"),
        (lambda t: t[1, -1], "not negative"),
        (lambda t: t.array((1, 2, 3)), "one for each of 2 kinds"),
        (lambda t: t.array((100_000, 100_000)), "more than"),
        (lambda t: t.within(0), "between 0 and 1"),
        (lambda t: t.marginal(), "at least one"),
        (lambda t: t.marginal(2), "no kind 2"),
        (lambda t: t.marginal(0, 0), "twice"),
        (lambda t: t.conditional({0: 1, 1: 1}), "none is left"),
        (lambda t: t.conditional({0: 1}).expectation(), "nothing is given"),
    ],
)
def test_nonsense_is_refused_by_name(cyclic, ask, message):
    with pytest.raises(InvalidGraph, match=message):
        ask(cyclic.joint_table(rewards=REWARDS))


def test_what_cannot_be_counted_is_refused(steps, cyclic):
    with pytest.raises(InvalidGraph, match="whole numbers"):
        steps.joint_table(rewards=EARNED * 0.5)
    with pytest.raises(InvalidGraph, match="without a rate"):
        steps.joint_table(rewards=EARNED, rate=2.0)
    with pytest.raises(InvalidGraph, match="has no probability"):
        steps.joint_table(rewards=EARNED * [2, 1]).conditional({0: 1})
    with pytest.raises(InvalidGraph, match="one for each of 2 kinds"):
        cyclic.joint_table(rewards=REWARDS, rate=[1.0, 2.0, 3.0])
