"""Graphs whose weights change: products of matrix exponentials to 60 digits, and closed forms."""

import math
import pickle
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
import scipy.sparse

from emberkeep.errors import InvalidGraph, TooStiff
from emberkeep.phasetype import Graph, models

DIGITS = 60


class Exact:
    """The same chain as matrices of 60 digits, with copies for powers of rewards."""

    def __init__(self, graph, epochs, rewards=None):
        self.graph, self.epochs, n = graph, epochs, len(graph)
        by_epoch = np.ones((len(epochs), n)) if rewards is None else np.asarray(rewards)
        self.rewards = np.where(np.isin(np.arange(n), graph.absorbing), 0.0, by_epoch)

    def generator(self, number):
        """Of one epoch."""
        n, graph = len(self.graph), self.graph
        found = mpmath.zeros(n, n)
        theta = self.epochs[number][1]
        weights = graph.edges.base + graph.edges.coefficients @ np.array(theta or [])
        for s, t, w in zip(graph.edges.sources, graph.edges.targets, weights, strict=True):
            found[int(s), int(t)] += mpmath.mpf(float(w))
            found[int(s), int(s)] -= mpmath.mpf(float(w))
        return found

    def copies(self, number, order):
        """The generator with what is earned leading from one copy of the chain to the next."""
        n = len(self.graph)
        found, own = mpmath.zeros(n * (order + 1), n * (order + 1)), self.generator(number)
        for level in range(order + 1):
            for i in range(n):
                for j in range(n):
                    found[level * n + i, level * n + j] = own[i, j]
                if level < order:
                    earned = mpmath.mpf(float(self.rewards[number, i]))
                    found[level * n + i, (level + 1) * n + i] = earned
        return found

    def at(self, time, order=0):
        """By copy and vertex, at a time and after what happens then; E[Y^k/k!] and being there."""
        n = len(self.graph)
        row = mpmath.zeros(1, n * (order + 1))
        for i, p in enumerate(self.graph.initial):
            row[i] = mpmath.mpf(float(p))
        for number, (start, _, *pulse) in enumerate(self.epochs):
            if start > time:
                break
            if pulse:
                moved = mpmath.zeros(1, len(row))
                for level in range(order + 1):
                    for i in range(n):
                        for j in range(n):
                            moved[level * n + j] += row[level * n + i] * pulse[0][i, j]
                row = moved
            last = number + 1 == len(self.epochs)
            end = time if last else min(time, self.epochs[number + 1][0])
            if end > start:
                length = mpmath.mpf(float(end)) - mpmath.mpf(float(start))
                row = row * mpmath.expm(self.copies(number, order) * length, method="taylor")
        return np.array([row[i] for i in range(len(row))]).reshape(order + 1, n)

    def density(self, time):
        number = max(i for i, (start, *_) in enumerate(self.epochs) if start <= time)
        flow = self.generator(number)
        here = self.at(time)[0]
        ends = set(self.graph.absorbing.tolist())
        return sum(here[i] * flow[i, j] for i in range(len(here)) if i not in ends for j in ends)

    def moments(self, order):
        before, n = self.at(self.epochs[-1][0], order), len(self.graph)
        stays = [i for i in range(n) if i not in set(self.graph.absorbing.tolist())]
        full = self.generator(len(self.epochs) - 1)
        flow = mpmath.matrix([[full[i, j] for j in stays] for i in stays])
        rest = [mpmath.ones(len(stays), 1)]
        for _ in range(order):
            right = mpmath.matrix(
                [mpmath.mpf(float(self.rewards[-1, i])) * rest[-1][k] for k, i in enumerate(stays)]
            )
            rest.append(mpmath.lu_solve(-flow, right))
        found = []
        for k in range(1, order + 1):
            total = sum(before[k][i] for i in range(n) if i not in stays)
            for low in range(k + 1):
                total += sum(before[low][i] * rest[k - low][p] for p, i in enumerate(stays))
            found.append(math.factorial(k) * total)
        return found


@pytest.fixture(autouse=True)
def _digits():
    with mpmath.workdps(DIGITS):
        yield


def chain(rng, *, spread=0.0):
    """Three states that lead to each other and to two ends, with a defect and two parameters."""
    builder = Graph.builder(theta_length=2, name="changing")
    for vertex, begin in enumerate((0.5, 0.3, 0.1)):
        builder.add_vertex(vertex, begin)
    for end in (10, 11):
        builder.add_vertex(end)
    for i in range(3):
        for j in range(5):
            if i != j and (rng.random() < 0.8 or (i, j) in ((0, 1), (1, 2), (2, 3), (2, 4))):
                scale = 10.0 ** rng.uniform(-spread, spread)
                builder.add_edge(i, j, 0.1 * scale * rng.random(), scale * rng.random(2))
    return builder.build()


def pulse_of(rng, graph):
    """Probabilities from state to state; ends stay."""
    matrix = rng.dirichlet(np.ones(len(graph)), len(graph))
    matrix[graph.absorbing] = np.eye(len(graph))[graph.absorbing]
    return matrix


def close(found, exact, relative=1e-12):
    exact = np.array(exact, float)
    assert np.shape(found) == exact.shape
    np.testing.assert_allclose(np.asarray(found), exact, rtol=relative, atol=1e-300)


@pytest.mark.parametrize("seed", range(6))
def test_densities_and_probabilities(seed):
    rng = np.random.default_rng(seed)
    graph = chain(rng, spread=seed / 2)
    given = [(0, [1.0, 0.5]), (0.25, [0.0, 3.0]), (0.75, [2.0, 0.25], pulse_of(rng, graph))]
    given = given if seed % 2 else [*given[:2], (0.75, [2.0, 0.25])]
    epochs, exact = graph.epochs(given), Exact(graph, given)
    times = np.array([0.0, 1e-6, 0.1, 0.25, 0.3, 0.75, 1.0, 3.0])
    ends = graph.absorbing
    states = [exact.at(time)[0] for time in times]
    close(epochs.pdf(times), [exact.density(time) for time in times])
    close(epochs.state_probabilities(times), states, 1e-11)
    close(epochs.cdf(times), [graph.missing + state[ends].sum() for state in states])
    close(
        epochs.survival(times),
        [sum(p for i, p in enumerate(state) if i not in ends) for state in states],
    )


def test_probabilities_over_twelve_orders():
    """Small ones are as precise as large ones, whatever the next epoch makes of them."""
    graph = Graph.from_callback(
        lambda s: [(s - 1, [1.0, 0.0] if s > 1 else [0.0, 1.0])] if s else [],
        [(6, 1.0)],
        theta_length=2,
    )
    given = [(0, [1e-6, 1e-3]), (1e-3, [1e-6, 1e12]), (2e-3, [1.0, 1e6])]
    epochs, exact = graph.epochs(given), Exact(graph, given)
    times = np.array([5e-4, 1e-3, 1e-3 + 1e-12, 1.5e-3, 2e-3, 2.5e-3])
    states = [exact.at(time)[0] for time in times]
    close(epochs.state_probabilities(times), states, 1e-9)
    close(epochs.pdf(times), [exact.density(time) for time in times], 1e-9)
    close(epochs.cdf(times), [state[graph.absorbing[0]] for state in states], 1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_moments(seed):
    rng = np.random.default_rng(seed)
    graph = chain(rng, spread=seed / 3)
    pulse = [pulse_of(rng, graph)] if seed % 2 else []
    given = [(0, [1.0, 0.5]), (0.5, [0.2, 3.0]), (0.75, [2.0, 0.25], *pulse)]
    epochs = graph.epochs(given)
    rewards = rng.uniform(0, 3, (3, len(graph), 1)) * (rng.random((3, len(graph), 1)) < 0.8)
    for earned in (None, rewards):
        exact = Exact(graph, given, None if earned is None else earned[:, :, 0]).moments(3)
        found = epochs.moments(3, rewards=earned)
        close(found, exact)
        mean, variance = epochs.expectation(rewards=earned), epochs.variance(rewards=earned)
        close(np.ravel(mean), exact[:1])
        close(np.ravel(variance), [exact[1] - exact[0] ** 2], 1e-11)


def test_covariances_are_of_the_sum():
    rng = np.random.default_rng(5)
    graph = chain(rng)
    given = [(0, [1.0, 0.5]), (0.5, [0.2, 3.0], pulse_of(rng, graph)), (0.75, [2.0, 0.25])]
    epochs = graph.epochs(given)
    both = rng.uniform(0, 2, (3, len(graph), 2))
    matrix = epochs.covariance(both)
    variances = []
    for rewards in (both[:, :, 0], both[:, :, 1], both.sum(axis=2)):
        first, second = Exact(graph, given, rewards).moments(2)
        variances.append(second - first**2)
    close(np.diag(matrix), variances[:2], 1e-11)
    close(matrix[0, 1], (variances[2] - variances[0] - variances[1]) / 2, 1e-11)
    np.testing.assert_allclose(epochs.variance(rewards=both), np.diag(matrix), rtol=1e-13)
    cross = epochs.covariance(both[:, :, :1], both[:, :, 1:])
    assert cross == pytest.approx(matrix[0, 1], rel=1e-13)


def test_what_is_earned_on_the_way():
    rng = np.random.default_rng(6)
    graph = chain(rng)
    given = [(0, [1.0, 0.5]), (0.5, [0.2, 3.0], pulse_of(rng, graph)), (0.75, [2.0, 0.25])]
    epochs = graph.epochs(given)
    rewards = rng.uniform(0, 3, (3, len(graph), 2))
    times = np.array([0.0, 0.25, 0.5, 0.6, 0.75, 2.0])
    found = epochs.accumulated_rewards(times, rewards=rewards)
    for kind in range(2):
        exact = Exact(graph, given, rewards[:, :, kind])
        close(found[:, kind], [exact.at(time, 1)[1].sum() for time in times])
    ended = epochs.accumulated_rewards(np.inf, rewards=rewards)
    np.testing.assert_array_equal(ended, epochs.expectation(rewards=rewards))
    assert epochs.accumulated_rewards(0.5) == pytest.approx(
        float(Exact(graph, given).at(0.5, 1)[1].sum()), rel=1e-13
    )


def test_two_lineages_in_closed_form():
    """Of one pair, the rate of ending is a step function."""
    sizes, starts = np.array([1.0, 0.1, 3.0]), np.array([0.0, 0.5, 0.7])
    epochs = models.lineages(2).epochs(
        [(t, [1 / size]) for t, size in zip(starts, sizes, strict=True)]
    )
    hazard = np.array([0.0, 0.5, 0.5 + 2.0])
    times = np.array([0.2, 0.6, 1.7])
    survival = np.exp(-hazard - (times - starts) / sizes)
    np.testing.assert_allclose(epochs.survival(times), survival, rtol=1e-13)
    np.testing.assert_allclose(epochs.pdf(times), survival / sizes, rtol=1e-13)
    lost = -np.diff(np.exp(-hazard), append=0.0)
    mean = (sizes * lost).sum()
    assert epochs.expectation() == pytest.approx(mean, rel=1e-13)
    quantile = epochs.quantile(1 - survival)
    np.testing.assert_allclose(quantile, times, rtol=1e-12)


def test_epochs_that_are_all_the_same_are_the_graph(cyclic):
    same = cyclic.epochs([(0, None), (0.25, None), (0.25, None), (1.5, None)])
    times = np.linspace(0, 4, 30)
    for name in ("pdf", "cdf", "survival", "state_probabilities", "accumulated_rewards"):
        ours, theirs = getattr(same, name)(times), getattr(cyclic, name)(times)
        np.testing.assert_allclose(ours, theirs, rtol=2e-14, atol=1e-16, err_msg=name)
    np.testing.assert_allclose(same.moments(4), cyclic.moments(4), rtol=1e-13)
    assert same.variance() == pytest.approx(cyclic.variance(), rel=1e-12)
    probabilities = [0.05, 0.1, 0.5, 0.999, 1.0]
    np.testing.assert_allclose(
        same.quantile(probabilities), cyclic.quantile(probabilities), rtol=1e-12
    )
    assert same.defect == cyclic.defect
    one = cyclic.epochs([(0, None)])
    np.testing.assert_array_equal(one.pdf(times), cyclic.pdf(times))
    assert one.expectation() == cyclic.expectation()


def test_an_epoch_of_no_length_has_its_pulse_alone(cyclic):
    swap = np.eye(len(cyclic))[[1, 2, 0, 3]]
    twice = cyclic.epochs([(0, None), (0.5, None, swap), (0.5, None, swap)])
    once = cyclic.epochs([(0, None), (0.5, None, swap @ swap)])
    times = [0.2, 0.5, 0.9]
    np.testing.assert_allclose(
        twice.state_probabilities(times), once.state_probabilities(times), rtol=1e-14
    )
    np.testing.assert_allclose(twice.moments(2), once.moments(2), rtol=1e-13)
    at_once = cyclic.epochs([(0, None, swap)])
    begins = np.array([0.1, 0.5, 0.3, 0.0])
    np.testing.assert_allclose(at_once.state_probabilities(0.0)[:3], begins[:3])
    assert at_once.state_probabilities(0.0)[3] == 0


def test_pulses_as_they_are_written(cyclic):
    matrix = np.eye(len(cyclic))
    matrix[0] = [0.25, 0.5, 0.25, 0]
    state = cyclic.states.label(0)
    others = [cyclic.states.label(vertex) for vertex in range(3)]

    def callback(label):
        return [*zip(others, (0.25, 0.5, 0.25), strict=True)] if label == state else []

    written = [matrix, scipy.sparse.csr_array(matrix), scipy.sparse.coo_matrix(matrix), callback]
    found = [cyclic.epochs([(0, None), (0.5, None, pulse)]).pdf(0.8) for pulse in written]
    assert len(set(found)) == 1


def test_a_pulse_may_end_chains():
    graph = models.lineages(3, theta=1.0)
    pulse = np.eye(3)
    pulse[1] = [0.5, 0.5, 0.0]  # with two lineages left
    epochs = graph.epochs([(0, None), (1.0, None, pulse)])
    there = graph.state_probabilities(1.0)
    np.testing.assert_allclose(epochs.atoms, [0.0, there[1] / 2], rtol=1e-14)
    before = graph.cdf(1.0)
    assert epochs.cdf(1.0) == pytest.approx(before + there[1] / 2, rel=1e-14)
    assert epochs.cdf(np.nextafter(1.0, 0)) == pytest.approx(before, rel=1e-14)
    assert epochs.quantile(before + there[1] / 4) == pytest.approx(1.0, rel=1e-14)
    assert epochs.moments(1)[0] == pytest.approx(epochs.expectation(), rel=1e-14)
    # Half of what is left with two lineages takes one unit less than a coalescent of two would.
    assert epochs.expectation() == pytest.approx(graph.expectation() - there[1] / 2, rel=1e-13)
    draws = epochs.sample(100_000, seed=3)
    assert abs((draws == 1.0).mean() - there[1] / 2) < 4 / np.sqrt(100_000)


def test_nothing_may_happen_for_a_while():
    graph = models.lineages(4)
    epochs = graph.epochs([(0, [1.0]), (0.5, [0.0]), (2.0, [1.0])])
    np.testing.assert_array_equal(epochs.pdf([0.5, 1.0]), [0.0, 0.0])
    assert epochs.survival(1.9) == pytest.approx(graph.survival(0.5, [1.0]), rel=1e-14)
    assert epochs.survival(2.5) == pytest.approx(graph.survival(1.0, [1.0]), rel=1e-13)
    late = graph.survival(0.5, [1.0])
    assert epochs.expectation() == pytest.approx(graph.expectation([1.0]) + 1.5 * late, rel=1e-13)
    exact = Exact(graph, [(0, [1.0]), (0.5, [0.0]), (2.0, [1.0])]).moments(2)
    close(epochs.moments(2), exact)
    assert epochs.sample(1000, seed=1).max() > 2.0


def test_what_never_ends_has_no_mean_but_probabilities():
    graph = models.lineages(4)
    stuck = graph.epochs([(0, [1.0]), (0.5, [0.0])])
    assert stuck.survival(1e9) == pytest.approx(graph.survival(0.5, [1.0]), rel=1e-14)
    for ask in (stuck.expectation, stuck.variance, lambda: stuck.moments(2), stuck.sample):
        with pytest.raises(InvalidGraph, match=r"no absorbing state can be reached"):
            ask()


# In steps -----------------------------------------------------------------------------------------


def steps_chain():
    """Two states and an end, with what is left staying; some mass has ended before it begins."""
    builder = Graph.builder(theta_length=1, discrete=True, name="steps")
    first, second, end = builder.add_vertex(0, 0.7), builder.add_vertex(1, 0.2), None
    end = builder.add_vertex(2)
    builder.add_edge(first, second, 0.1, [0.5])
    builder.add_edge(second, first, 0.2, [0.25])
    builder.add_edge(second, end, 0.1, [0.25])
    return builder.build()


def spread(earned, ways):
    """Probabilities by state and what has been earned, after going one of the ways from each."""
    after = {}
    for (v, y), p in earned.items():
        for w, more, q in ways(v):
            after[w, y + more] = after.get((w, y + more), 0.0) + p * q
    return after


def walked(graph, epochs, rewards, most):
    """By what has been earned, the probability of each state after each step, by brute force."""
    earned = {(int(v), 0): p for v, p in enumerate(graph.initial) if p}
    found, starts = [], graph.edges.starts.astype(int)

    def ways(v):
        edges = range(starts[v], starts[v + 1])
        more = int(now[v]) if edges else 0
        stays = 1.0 - sum(weights[e] for e in edges)
        return [(v, more, stays), *((int(graph.edges.targets[e]), more, weights[e]) for e in edges)]

    for step in range(most + 1):
        for number, (start, theta, *pulse) in enumerate(epochs):
            if start <= step:
                weights, now = graph.edges.weights(np.array(theta)), rewards[number]
            if start == step and pulse:
                matrix = pulse[0]
                earned = spread(earned, lambda v, m=matrix: [(w, 0, q) for w, q in enumerate(m[v])])
        found.append(earned)
        earned = {place: p for place, p in spread(earned, ways).items() if p}
    return found


def test_steps():
    graph = steps_chain()
    pulse = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    given = [(0, [0.1]), (3, [1.0], pulse), (3, [0.9]), (7, [0.4])]
    epochs = graph.epochs(given)
    rewards = np.array([[1, 2, 0], [5, 5, 0], [0, 3, 0], [2, 1, 0]])
    found = walked(graph, given, rewards, 400)
    steps = np.arange(40)
    states = np.zeros((40, 3))
    for step in steps:
        for (v, _), p in found[step].items():
            states[step, v] += p
    np.testing.assert_allclose(epochs.state_probabilities(steps), states, rtol=1e-12, atol=1e-16)
    ended = graph.missing + states[:, 2]
    np.testing.assert_allclose(epochs.cdf(steps), ended, rtol=1e-12)
    np.testing.assert_allclose(epochs.cdf(steps + 0.5), ended, rtol=1e-12)
    np.testing.assert_allclose(epochs.survival(steps), states[:, :2].sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(epochs.pmf(steps), np.diff(ended, prepend=0.0), rtol=1e-11)
    between = (ended[[3, 8]] + ended[[4, 9]]) / 2
    np.testing.assert_array_equal(epochs.quantile(between), [4, 9])
    last = np.array([[y, p] for (_, y), p in found[-1].items()])
    mean, second, third = ((last[:, 0] ** k * last[:, 1]).sum() for k in (1, 2, 3))
    by_epoch = rewards[:, :, None].astype(float)
    np.testing.assert_allclose(epochs.moments(3, rewards=by_epoch), [mean, second, third])
    np.testing.assert_allclose(epochs.variance(rewards=by_epoch), second - mean**2)
    np.testing.assert_allclose(epochs.expectation(rewards=by_epoch), [mean])
    at = np.array([[y, p] for (_, y), p in found[9].items()])
    np.testing.assert_allclose(
        epochs.accumulated_rewards(9, rewards=by_epoch)[0], (at[:, 0] * at[:, 1]).sum()
    )
    draws = epochs.sample(200_000, seed=4, rewards=by_epoch)[:, 0]
    assert abs(draws.mean() - mean) < 5 * math.sqrt((second - mean**2) / len(draws))


def test_the_same_steps_are_the_graph():
    graph = steps_chain()
    same = graph.epochs([(0, [0.7]), (2, [0.7]), (5, [0.7])])
    steps = np.arange(30)
    np.testing.assert_allclose(same.pmf(steps), graph.pmf(steps, [0.7]), rtol=1e-13)
    np.testing.assert_allclose(same.moments(3), graph.moments(3, [0.7]), rtol=1e-13)
    assert same.variance() == pytest.approx(graph.variance([0.7]), rel=1e-12)


# Draws, tails, limits -----------------------------------------------------------------------------


def test_draws():
    rng = np.random.default_rng(8)
    graph = chain(rng)
    epochs = graph.epochs(
        [(0, [1.0, 0.5]), (0.25, [0.2, 3.0], pulse_of(rng, graph)), (0.75, [2.0, 0.25])]
    )
    draws = np.sort(epochs.sample(50_000, seed=1))
    atom = 0.25
    for below in (atom - 1e-9, atom, 0.5, 0.75, 1.5):
        share = np.searchsorted(draws, below, side="right") / len(draws)
        assert abs(share - epochs.cdf(below)) < 4 * 0.5 / math.sqrt(len(draws))
    rewards = rng.uniform(0, 2, (3, len(graph), 2))
    earned = epochs.sample(50_000, rewards=rewards, seed=2)
    spread = np.sqrt(epochs.variance(rewards=rewards) / len(earned))
    assert (abs(earned.mean(axis=0) - epochs.expectation(rewards=rewards)) < 5 * spread).all()
    np.testing.assert_array_equal(epochs.sample(10, seed=1), epochs.sample(10, seed=1))


def test_a_stiff_epoch_is_exact_or_refused():
    graph = Graph.from_callback(
        lambda s: {2: [(1, [1.0, 0.0])], 1: [(2, [1.0, 0.0]), (0, [0.0, 1.0])], 0: []}[s],
        [(2, 1.0)],
        theta_length=2,
    )
    given = [(0, [1e9, 1.0]), (1.0, [1.0, 2.0])]
    epochs = graph.epochs(given)
    # So fast is the first epoch that both states are as likely all the time.
    x = mpmath.mpf(10) ** 9
    flow = mpmath.matrix([[-x, x], [x, -x - 1]])
    left = mpmath.matrix([[1, 0]]) * mpmath.expm(flow * 1, method="pade")
    order = [int(graph.states.label(v)) for v in range(3)]
    found = epochs.state_probabilities(1.0)
    close([found[order.index(2)], found[order.index(1)]], [left[0], left[1]], 1e-9)
    later = mpmath.expm(mpmath.matrix([[-1, 1], [1, -3]]) * mpmath.mpf(0.5))
    close(epochs.survival(1.5), sum(left * later), 1e-9)
    assert epochs.expectation() > 0
    with pytest.raises(TooStiff, match=r"left 1\.0e\+09 times"):
        epochs.moments(2)


def test_a_variance_that_would_be_rounding_is_refused(erlang):
    graph = erlang(4_000)
    epochs = graph.epochs([(0, None), (3_900.0, None)])
    assert epochs.expectation() == pytest.approx(4_000, rel=1e-10)
    with pytest.raises(TooStiff, match="would not be right"):
        epochs.variance()


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epochs", "said"),
    [
        ([], r"Epochs are a list of \(time, theta\)"),
        (3, "here is 3"),
        ([(0,)], r"Epoch 0 is \(0,\); expected \(time, theta\)"),
        ([(1, [1.0])], "begins at 1.0; expected 0, as the first"),
        ([(0, [1.0]), (2, [1.0]), (1, [1.0])], "Epoch 2 begins at 1.0; expected 2.0 or later"),
        ([(0, [1.0]), (math.inf, [1.0])], "Epoch 1 begins at inf; expected a finite"),
        ([(0, [1.0]), (math.nan, [1.0])], "Epoch 1 begins at nan"),
        ([(0, [1.0]), ("soon", [1.0])], "times of epochs must be numbers, not 'soon'"),
        ([(0, [1.0]), ([1, 2], [1.0])], "expected one number"),
        ([(0, [1.0, 2.0])], "has 1 parameters"),
        ([(0, [-1.0])], "expected one that is finite and not negative"),
        ([(0, [1.0], np.eye(2))], r"of the shape \(2, 2\); lineages has 3 states"),
        ([(0, [1.0], 2 * np.eye(3))], "add up to 2; expected 1, staying included"),
        ([(0, [1.0], np.eye(3)[[1, 1, 2]])], "in which the chain has ended"),
        ([(0, [1.0], np.diag([1, -1, 1]) * 1.0)], "with the probability -1"),
        ([(0, [1.0], lambda _: [(7, 1.0)])], "to 7, which lineages does not have"),
    ],
)
def test_impossible_epochs_are_named(epochs, said):
    with pytest.raises(InvalidGraph, match=said):
        models.lineages(3).epochs(epochs)


def test_impossible_questions_are_named(cyclic):
    epochs = cyclic.epochs([(0, None), (1, None)])
    with pytest.raises(InvalidGraph, match="is continuous"):
        epochs.pmf(1)
    with pytest.raises(InvalidGraph, match="finite and not negative"):
        epochs.state_probabilities(-1.0)
    with pytest.raises(InvalidGraph, match="not be negative"):
        epochs.accumulated_rewards(-1.0)
    with pytest.raises(InvalidGraph, match=r"epochs, of which there are 2"):
        epochs.expectation(rewards=np.ones((3, 4, 1)))
    with pytest.raises(InvalidGraph, match="there are 2 kinds"):
        epochs.moments(2, rewards=np.ones((4, 2)))
    with pytest.raises(InvalidGraph, match="order of a moment"):
        epochs.moments(0)
    with pytest.raises(InvalidGraph, match="between 0 and 1"):
        epochs.quantile(2.0)
    with pytest.raises(InvalidGraph, match="whole"):
        steps_chain().epochs([(0, [1.0]), (0.5, [1.0])])
    with pytest.raises(AttributeError, match="frozen"):
        epochs.graph = cyclic


def test_they_are_values(cyclic):
    epochs = cyclic.epochs([(0, None), (1, None, np.eye(4))])
    again = pickle.loads(pickle.dumps(epochs))
    assert again == epochs
    assert again.pdf(1.5) == epochs.pdf(1.5)
    assert epochs != cyclic.epochs([(0, None), (2, None)])
    assert repr(epochs) == f"<Epochs of {cyclic.name}: 2, which begin at 0, 1>"
    assert SimpleNamespace(epochs=epochs.epochs).epochs[1].start == 1


def test_a_thousand_epochs():
    graph = models.lineages(3)
    starts = np.linspace(0, 2, 1000)
    epochs = graph.epochs([(start, [1.0]) for start in starts])
    np.testing.assert_allclose(epochs.pdf([1.0, 3.0]), graph.pdf([1.0, 3.0], [1.0]), rtol=1e-12)
    assert epochs.state_probabilities([]).shape == (0, 3)
