"""Numbers against exact arithmetic, matrix exponentials, matrix powers and closed forms."""

from math import comb, factorial

import mpmath
import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph

few = settings(max_examples=20, deadline=None)


# References --------------------------------------------------------------------------------------


def dense(graph, theta=None):
    """(S, exit rates, alpha, vertices) of what can be left."""
    fixed = graph if theta is None else graph.instantiate(theta)
    count = len(fixed)
    rates = np.zeros((count, count))
    for vertex in fixed:
        for target, base, _ in vertex.edges:
            rates[vertex.number, target] += base
    inner = np.setdiff1d(np.arange(count), fixed.absorbing)
    matrix = rates[np.ix_(inner, inner)]
    out = rates[inner][:, fixed.absorbing].sum(axis=1)
    if fixed.is_discrete:
        matrix = matrix + np.diag(1 - rates[inner].sum(axis=1))
    else:
        matrix = matrix - np.diag(rates[inner].sum(axis=1))
    return matrix, out, fixed.initial[inner], inner


def moments_by_powers(matrix, alpha, rewards, order):
    """E[Y^k] = k! α (U R)^k 1, with U = (-S)⁻¹."""
    inverse = np.linalg.inv(-matrix) @ np.diag(rewards)
    value, found = np.ones(len(alpha)), []
    for k in range(1, order + 1):
        value = k * (inverse @ value)
        found.append(alpha @ value)
    return np.array(found)


def exact(graph, times, what, dps=60):
    """mpmath's α exp(S t) s, or α exp(S t) 1."""
    matrix, _, alpha, _ = dense(graph)
    with mpmath.workdps(dps):
        n = len(alpha)
        rates = mpmath.matrix(matrix.tolist())
        for i in range(n):  # rows that leave add up exactly
            leaving = sum(mpmath.mpf(float(w)) for w in weights_of(graph, i))
            rates[i, i] = -leaving
        ending = -rates * mpmath.ones(n, 1)
        begins = mpmath.matrix([alpha.tolist()])
        after = {"pdf": ending, "survival": mpmath.ones(n, 1)}[what]
        found = [begins * mpmath.expm(rates * mpmath.mpf(time)) * after for time in times]
        return np.array([float(value[0]) for value in found])


def weights_of(graph, row):
    inner = np.setdiff1d(np.arange(len(graph)), graph.absorbing)
    return [base for _, base, _ in graph.vertex(int(inner[row])).edges]


@st.composite
def chains(draw, most=6, discrete=False):
    """Random ones, all states of which can be reached and left."""
    n = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rates = rng.random((n, n)) * (rng.random((n, n)) < 0.5) * 10 ** rng.uniform(-1, 1, (n, 1))
    rates[np.arange(n), np.arange(n)] = 0
    ending = rng.random(n) * 10 ** rng.uniform(-1, 0.5, n)
    alpha = rng.dirichlet(np.ones(n)) * rng.choice([1.0, 0.75])
    if discrete:
        scale = (rates.sum(axis=1) + ending) / rng.uniform(0.05, 1.0, n)
        rates, ending = rates / scale[:, None], ending / scale
        return Graph.from_matrix(
            rates + np.diag(1 - rates.sum(axis=1) - ending), alpha, discrete=True
        )
    return Graph.from_matrix(rates - np.diag(rates.sum(axis=1) + ending), alpha)


STIFF = np.array(
    [
        [-1.0, 0.5, 0.5, 0.0],
        [0.0, -1e3, 999.0, 0.5],
        [0.125, 0.0, -0.375, 0.25],
        [1e2, 0.0, 1e3, -1.1e3 - 1e-3],
    ]
)


@pytest.fixture
def stiff():
    return Graph.from_matrix(STIFF, [0.5, 0.25, 0.125, 0.125])


@pytest.fixture
def geometric():
    """Discrete, cyclic, with a state that is always left."""
    matrix = np.array([[0.25, 0.5, 0.125], [0.5, 0.0, 0.25], [0.0, 0.125, 0.75]])
    return Graph.from_matrix(matrix, [0.5, 0.25, 0.125], discrete=True)


@pytest.fixture
def parameterised():
    """Cyclic; base and coefficients."""
    builder = Graph.builder(theta_length=3)
    a, b, c = builder.add_vertex(0, 0.75), builder.add_vertex(1, 0.125), builder.add_vertex(2)
    end, other = builder.add_vertex(3), builder.add_vertex(4)
    builder.add_edge(a, b, 0.5, [1.0, 0.0, 0.0])
    builder.add_edge(b, a, [0.0, 1.0, 0.5])
    builder.add_edge(b, c, [0.25, 0.0, 1.0])
    builder.add_edge(c, a, 0.125, [0.0, 0.5, 0.0])
    builder.add_edge(c, end, 0.0, [0.0, 0.0, 2.0])
    builder.add_edge(a, end, 0.25, [0.0, 0.0, 0.0])
    builder.add_edge(b, other, [1.0, 1.0, 1.0])
    return builder.build()


THETA = np.array([0.7, 1.3, 0.4])


# Densities and probabilities ---------------------------------------------------------------------


@few
@given(chains())
def test_densities_and_probabilities_are_those_of_the_matrix_exponential(graph):
    matrix, out, alpha, _ = dense(graph)
    mean = graph.expectation()
    times = np.array([0.0, 0.01, 0.3, 1.0, 2.5, 7.0]) * mean
    flows = [alpha @ scipy.linalg.expm(matrix * t) for t in times]
    pdf = np.array([flow @ out for flow in flows])
    survival = np.array([flow.sum() for flow in flows])
    np.testing.assert_allclose(graph.pdf(times), pdf, rtol=1e-11, atol=1e-12 * pdf.max())
    np.testing.assert_allclose(graph.survival(times), survival, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(graph.cdf(times), 1 - survival, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["cyclic", "stiff"])
def test_densities_are_exact_to_rounding_far_out_in_the_tail(name, request):
    graph = request.getfixturevalue(name)
    times = [0.0, 1e-9, 1e-3, 0.1, 1.0, 10.0, 60.0, 200.0]
    np.testing.assert_allclose(graph.pdf(times), exact(graph, times, "pdf"), rtol=1e-11)
    np.testing.assert_allclose(graph.survival(times), exact(graph, times, "survival"), rtol=1e-11)


def test_small_probabilities_of_ending_early(erlang):
    graph, times = erlang(8), [1e-8, 1e-3, 0.1]
    with mpmath.workdps(60):
        expected = [float(mpmath.gammainc(8, 0, t, regularized=True)) for t in times]
    np.testing.assert_allclose(graph.cdf(times), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("k", "rate"), [(1, 1e-3), (3, 2.0), (100, 1.0), (1000, 10.0), (3000, 1.0)]
)
def test_erlang(erlang, k, rate):
    graph = erlang(k, rate)
    deviation = np.sqrt(k) / rate
    times = k / rate + deviation * np.array([-6, -3, -1, 0, 1, 3, 6, 10])
    times = times[times > 0]
    with mpmath.workdps(60):
        rated, t = mpmath.mpf(rate), [*map(mpmath.mpf, times.tolist())]
        pdf = [
            rated * mpmath.exp(-rated * x + (k - 1) * mpmath.log(rated * x) - mpmath.loggamma(k))
            for x in t
        ]
        survival = [mpmath.gammainc(k, rated * x, regularized=True) for x in t]
        cdf = [mpmath.gammainc(k, 0, rated * x, regularized=True) for x in t]
    np.testing.assert_allclose(graph.pdf(times), np.array(pdf, float), rtol=1e-11)
    np.testing.assert_allclose(graph.survival(times), np.array(survival, float), rtol=1e-11)
    np.testing.assert_allclose(graph.cdf(times), np.array(cdf, float), rtol=1e-11)


@pytest.mark.parametrize("steps", [1e3, 1e4, 1e5])
def test_many_steps(steps):
    # One state goes to and fro fast, so that λt is large where the density is.
    matrix = np.array([[-steps, steps - 0.5], [steps / 2, -steps / 2 - 0.25]])
    graph = Graph.from_matrix(matrix, [0.75, 0.25])
    times = np.array([0.0, 1e-3, 0.5, 1.0, 3.0])
    pdf, survival = exact(graph, times, "pdf"), exact(graph, times, "survival")
    np.testing.assert_allclose(graph.pdf(times), pdf, rtol=3e-11)
    np.testing.assert_allclose(graph.survival(times), survival, rtol=3e-11)
    np.testing.assert_allclose(graph.cdf(times), 1 - survival, rtol=3e-11, atol=1e-13)


def test_many_steps_of_a_long_chain(erlang):
    # λt = 100,000 at the peak.
    k = 2000
    graph = Graph.from_callback(
        lambda s: [(s - 1, 1.0)] if s > 1 else [(0, 50.0)] if s else [], [(k, 1.0)]
    )
    times = np.array([1850.0, 2000.0, 2150.0])
    with mpmath.workdps(50):
        expected = []
        for t in map(mpmath.mpf, times.tolist()):
            # An Erlang of k - 1 steps, and an exponential one of rate 50, folded: a recurrence.
            tilted = mpmath.gammainc(k - 1, 0, (1 - 50) * t, regularized=False)
            scale = mpmath.mpf(50) / mpmath.gamma(k - 1) * mpmath.exp(-50 * t)
            expected.append(float(mpmath.re(scale * tilted / mpmath.mpf(1 - 50) ** (k - 1))))
    found = graph.pdf(times)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_rates_of_any_unit(cyclic):
    matrix, _, alpha, _ = dense(cyclic)
    times = np.array([0.1, 1.0, 5.0])
    for unit in (1e-150, 1e-12, 1e12, 1e150):
        graph = Graph.from_matrix(matrix * unit, alpha)
        np.testing.assert_allclose(graph.pdf(times / unit) / unit, cyclic.pdf(times), rtol=1e-12)
        np.testing.assert_allclose(graph.cdf(times / unit), cyclic.cdf(times), rtol=1e-12)
        assert graph.expectation() * unit == pytest.approx(cyclic.expectation(), rel=1e-13)


@pytest.mark.parametrize("p", [1e-9, 0.11, 0.5, 0.9, 0.999999, 1 - 1e-12])
@pytest.mark.parametrize("name", ["cyclic", "stiff"])
def test_quantiles_are_where_the_probability_is(name, p, request):
    graph = request.getfixturevalue(name)
    t = graph.quantile(p)
    if p <= graph.defect:
        assert t == 0.0
    else:
        assert isinstance(t, float)
        # As precise as p itself is, seen from the nearer end.
        error = abs(exact(graph, [t], "survival")[0] - (1 - p))
        assert error <= 1e-11 * min(p, 1 - p) + 2e-16


def test_quantiles_at_the_ends(cyclic, erlang):
    assert cyclic.quantile(0.0) == 0.0
    assert cyclic.quantile(0.1 - 1e-12) == 0.0
    assert cyclic.quantile(1.0) == np.inf
    assert erlang(3).quantile(0.5) == pytest.approx(scipy.stats.gamma(3).ppf(0.5), rel=1e-13)
    found = erlang(3).quantile([[0.1, 0.5], [0.9, 1.0]])
    assert found.shape == (2, 2)
    np.testing.assert_allclose(
        found, scipy.stats.gamma(3).ppf([[0.1, 0.5], [0.9, 1.0]]), rtol=1e-12
    )
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(InvalidGraph):
            cyclic.quantile(wrong)


def test_quantiles_of_steps(geometric):
    cdf = geometric.cdf(np.arange(400))
    for p in (0.0, 0.125, 0.126, 0.3, 0.5, 0.9, 0.999, 1 - 1e-9):
        assert geometric.quantile(p) == np.argmax(cdf >= p)
    at = float(cdf[7])
    assert geometric.quantile(np.nextafter(at, 1)) == 8
    assert geometric.quantile(at * (1 - 1e-13)) == 7


@pytest.mark.parametrize("method", ["pdf", "cdf", "survival"])
def test_times_of_any_shape(method, cyclic, geometric):
    call = getattr(cyclic, method)
    assert isinstance(call(1.0), float)
    assert isinstance(call(1), float)
    assert call([]).shape == (0,)
    assert call([1.0, 2.0]).shape == (2,)
    assert call(np.ones((3, 0))).shape == (3, 0)
    grid = np.array([[0.0, 1.0, 2.0], [3.0, -1.0, np.inf]])
    found = call(grid)
    assert found.shape == (2, 3)
    for at in np.ndindex(grid.shape):
        assert found[at] == pytest.approx(call(grid[at]), rel=1e-14)
    assert isinstance(getattr(geometric, method)(2), float)
    assert getattr(geometric, method)(np.array([[0, 1], [2, 3]])).shape == (2, 2)


@pytest.mark.parametrize("name", ["cyclic", "geometric"])
def test_times_at_the_ends(name, request):
    graph = request.getfixturevalue(name)
    assert graph.pdf(-1.0) == 0
    assert graph.pdf(np.inf) == 0
    assert graph.cdf([-np.inf, -1.0, np.inf]).tolist() == [0.0, 0.0, 1.0]
    assert graph.survival([-np.inf, -1.0, np.inf]).tolist() == [1.0, 1.0, 0.0]
    assert graph.cdf(0.0) == pytest.approx(graph.defect, rel=1e-15)
    assert graph.survival(0.0) == pytest.approx(1 - graph.defect, rel=1e-15)
    for method in (graph.pdf, graph.cdf, graph.survival):
        with pytest.raises(InvalidGraph):
            method([1.0, np.nan])


def test_the_order_of_questions_does_not_matter(stiff):
    times = np.array([0.5, 40.0, 0.001, 3.0, 3.0])
    whole = stiff.pdf(times)
    for at in (3, 1, 0, 2):
        assert stiff.pdf(times[at]) == pytest.approx(whole[at], rel=1e-14)


def test_very_late_times(cyclic, erlang):
    assert cyclic.survival(1e6) == 0.0
    assert cyclic.pdf(1e6) == 0.0
    assert cyclic.cdf(1e6) == 1.0
    assert erlang(2).survival(600.0) == pytest.approx(601 * np.exp(-600.0), rel=1e-10)
    assert cyclic.cdf(1e300) == 1.0


@few
@given(chains(discrete=True))
def test_steps_are_those_of_matrix_powers(graph):
    matrix, out, alpha, _ = dense(graph)
    state, pmf, survival = alpha.copy(), [graph.defect], [alpha.sum()]
    for _ in range(40):
        pmf.append(state @ out)
        state = state @ matrix
        survival.append(state.sum())
    steps = np.arange(41)
    np.testing.assert_allclose(graph.pmf(steps), pmf, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(graph.pdf(steps), pmf, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(graph.survival(steps), survival, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(graph.cdf(steps), np.cumsum(pmf), rtol=1e-12)
    np.testing.assert_allclose(graph.cdf(steps + 0.5), np.cumsum(pmf), rtol=1e-12)


def test_a_density_by_steps_is_asked_for_whole_steps(geometric, cyclic):
    with pytest.raises(InvalidGraph):
        geometric.pmf(1.5)
    with pytest.raises(InvalidGraph):
        cyclic.pmf(1)


def test_many_discrete_steps():
    graph = Graph.from_matrix([[1 - 1e-4]], [1.0], discrete=True)
    steps = np.array([1, 10, 1000, 100_000, 400_000])
    expected = 1e-4 * np.exp((steps - 1) * np.log1p(-1e-4))
    np.testing.assert_allclose(graph.pmf(steps), expected, rtol=1e-10)
    np.testing.assert_allclose(graph.survival(steps), (1 - 1e-4) ** steps, rtol=1e-10)


# Moments -----------------------------------------------------------------------------------------


@few
@given(chains(), st.integers(0, 2**32 - 1))
def test_moments_are_those_of_matrix_powers(graph, seed):
    matrix, _, alpha, inner = dense(graph)
    rng = np.random.default_rng(seed)
    rewards = np.zeros(len(graph))
    rewards[inner] = rng.random(len(inner)) * (rng.random(len(inner)) < 0.7)
    for given_, values in ((None, np.ones(len(inner))), (rewards, rewards[inner])):
        expected = moments_by_powers(matrix, alpha, values, 4)
        np.testing.assert_allclose(graph.moments(4, rewards=given_), expected, rtol=1e-11)
        assert graph.expectation(rewards=given_) == pytest.approx(expected[0], rel=1e-12)
        variance = expected[1] - expected[0] ** 2
        assert graph.variance(rewards=given_) == pytest.approx(
            variance, rel=1e-9, abs=1e-11 * expected[1]
        )


def test_rewards_by_function_and_without_ends(parameterised):
    by_vertex = parameterised.expectation(THETA, rewards=[1.0, 2.0, 3.0, 0.0, 0.0])
    assert parameterised.expectation(THETA, rewards=[1.0, 2.0, 3.0]) == by_vertex
    assert parameterised.expectation(THETA, rewards=lambda state: state + 1) == by_vertex
    # What is earned after the end does not count.
    assert parameterised.expectation(THETA, rewards=[1.0, 2.0, 3.0, 9.0, 9.0]) == by_vertex


def test_expectations_of_several_kinds(parameterised):
    rewards = np.array([[1.0, 0.5], [2.0, 0.0], [3.0, 0.25]])
    found = parameterised.expectation(THETA, rewards=rewards)
    assert found.shape == (2,)
    for kind in range(2):
        alone = parameterised.expectation(THETA, rewards=rewards[:, kind])
        assert found[kind] == pytest.approx(alone, rel=1e-14)


def discrete_moments(graph, rewards, order):
    """Raw moments of what is earned, by running the distribution of the pair (state, earned)."""
    matrix, out, alpha, inner = dense(graph)
    earned = rewards[inner].astype(int)
    most = 3000
    table = np.zeros((len(inner), most))
    table[:, 0] = alpha
    ended = np.zeros(most)
    ended[0] = graph.defect
    for _ in range(2000):
        moved = np.zeros_like(table)
        for i, r in enumerate(earned):
            moved[i, r:] = table[i, : most - r] if r else table[i]
        ended += out @ moved
        table = matrix.T @ moved
        if table.sum() < 1e-18:
            break
    return ended, np.array(
        [(ended * np.arange(most, dtype=float) ** k).sum() for k in range(1, order + 1)]
    )


@pytest.mark.parametrize("rewards", [[1, 1, 1, 0], [2, 0, 3, 0], [0, 1, 0, 0], [5, 1, 2, 0]])
def test_discrete_moments_are_those_of_the_distribution(geometric, rewards):
    values = np.array(rewards, float)
    _, expected = discrete_moments(geometric, values, 3)
    np.testing.assert_allclose(geometric.moments(3, rewards=values), expected, rtol=1e-11)
    variance = expected[1] - expected[0] ** 2
    assert geometric.variance(rewards=values) == pytest.approx(variance, rel=1e-10)


@few
@given(chains(discrete=True))
def test_discrete_moments_of_random_chains(graph):
    matrix, _, alpha, _ = dense(graph)
    inverse, ones = np.linalg.inv(np.eye(len(alpha)) - matrix), np.ones(len(alpha))
    mean = alpha @ inverse @ ones
    pairs = 2 * alpha @ matrix @ inverse @ inverse @ ones  # E[N (N - 1)]
    assert graph.expectation() == pytest.approx(mean, rel=1e-12)
    np.testing.assert_allclose(graph.moments(2), [mean, pairs + mean], rtol=1e-11)
    variance = pairs + mean - mean**2
    assert graph.variance() == pytest.approx(variance, rel=1e-9, abs=1e-12 * mean**2)


def test_a_variance_without_cancellation(erlang):
    # E[Y²] - E[Y]² would keep 5 digits.
    k = 20_000
    assert erlang(k).variance() == pytest.approx(k, rel=1e-12)
    sure = Graph.from_callback(lambda s: [(s - 1, 1.0)] if s else [], [(50, 1.0)], discrete=True)
    assert sure.variance() == 0.0
    assert sure.moments(3).tolist() == [50.0, 2500.0, 125000.0]


def test_a_variance_of_beginnings_far_apart():
    graph = Graph.from_matrix(np.diag([-1e-6, -1e6]), [0.5, 0.25])
    with mpmath.workdps(40):
        slow, fast = mpmath.mpf(1) / mpmath.mpf(1e-6), mpmath.mpf(1) / mpmath.mpf(1e6)
        mean = slow / 2 + fast / 4
        expected = float(slow**2 + fast**2 / 2 - mean**2)
    assert graph.variance() == pytest.approx(expected, rel=1e-14)


@few
@given(chains(), st.integers(0, 2**32 - 1))
def test_covariances_are_those_of_inverses(graph, seed):
    matrix, _, alpha, inner = dense(graph)
    rng = np.random.default_rng(seed)
    rewards = rng.random((len(graph), 3)) * (rng.random((len(graph), 3)) < 0.8)
    inverse = np.linalg.inv(-matrix)
    r = rewards[inner]
    means = alpha @ inverse @ r
    expected = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            mixed = r[:, i] * (inverse @ r[:, j]) + r[:, j] * (inverse @ r[:, i])
            expected[i, j] = alpha @ inverse @ mixed - means[i] * means[j]
    found = graph.covariance(rewards)
    scale = abs(means[:, None] * means[None, :]) + abs(expected)
    assert (abs(found - expected) <= 1e-10 * scale + 1e-300).all()
    assert (found == found.T).all()
    one = graph.covariance(rewards[:, 0], rewards[:, 1])
    assert isinstance(one, float)
    assert one == pytest.approx(found[0, 1], rel=1e-12, abs=1e-14 * scale[0, 1])
    np.testing.assert_allclose(
        graph.variance(rewards=rewards), np.diag(found), rtol=1e-12, atol=1e-14 * scale.max()
    )


def test_discrete_covariances(geometric):
    # Var[X + Y] - Var[X - …] is not to be had, so: Cov = (Var[X + Y] - Var[X] - Var[Y]) / 2.
    x, y = np.array([2.0, 0.0, 3.0, 0.0]), np.array([1.0, 4.0, 0.0, 0.0])
    variances = []
    for rewards in (x, y, x + y):
        _, (mean, second) = discrete_moments(geometric, rewards, 2)
        variances.append(second - mean**2)
    expected = (variances[2] - variances[0] - variances[1]) / 2
    assert geometric.covariance(x, y) == pytest.approx(expected, rel=1e-9)
    found = geometric.covariance(np.stack([x, y], axis=1))
    np.testing.assert_allclose(
        found, [[variances[0], expected], [expected, variances[1]]], rtol=1e-9
    )


def test_sojourn_and_waiting_times(parameterised):
    matrix, _, alpha, inner = dense(parameterised, THETA)
    inverse = np.linalg.inv(-matrix)
    sojourn, waiting = parameterised.sojourn_times(THETA), parameterised.waiting_times(THETA)
    np.testing.assert_allclose(sojourn[inner], alpha @ inverse, rtol=1e-13)
    np.testing.assert_allclose(waiting[inner], inverse.sum(axis=1), rtol=1e-13)
    assert sojourn[parameterised.absorbing].tolist() == [0.0, 0.0]
    assert waiting[parameterised.absorbing].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("k", [0, -1, 1.5, "2"])
def test_orders_of_moments_that_are_none(cyclic, k):
    with pytest.raises(InvalidGraph):
        cyclic.moments(k)


@pytest.mark.parametrize("n", [2, 5, 9])
def test_the_coalescent(coalescent, n):
    graph, theta = coalescent(n), 1.75
    height = sum(2 / (i * (i - 1)) for i in range(2, n + 1)) / theta
    assert graph.expectation([theta]) == pytest.approx(height, rel=1e-13)
    variance = sum(4 / (i * (i - 1)) ** 2 for i in range(2, n + 1)) / theta**2
    assert graph.variance([theta]) == pytest.approx(variance, rel=1e-13)
    # The site frequency spectrum: branches above i leaves have the mean length 2/i.
    lengths = np.array([v.state[:-1] for v in graph], float)
    expected = 2 / np.arange(1, n) / theta
    np.testing.assert_allclose(graph.expectation([theta], rewards=lengths), expected, rtol=1e-12)
    total = lengths.sum(axis=1)
    variance = 4 * sum(1 / i**2 for i in range(1, n)) / theta**2
    assert graph.variance([theta], rewards=total) == pytest.approx(variance, rel=1e-12)


# Transforms, states, rewards, events -------------------------------------------------------------


@few
@given(chains(), st.integers(0, 2**32 - 1))
def test_laplace_transforms(graph, seed):
    matrix, out, alpha, inner = dense(graph)
    rng = np.random.default_rng(seed)
    rewards = np.zeros(len(graph))
    rewards[inner] = rng.random(len(inner)) * (rng.random(len(inner)) < 0.7)
    arguments = np.array([0.0, 1e-6, 0.5, 3.0, 1e4])
    for given_, values in ((None, np.ones(len(inner))), (rewards, rewards[inner])):
        expected = [
            alpha @ np.linalg.solve(s * np.diag(values) - matrix, out) + graph.defect
            for s in arguments
        ]
        found = graph.laplace_transform(arguments, rewards=given_)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert graph.laplace_transform(0.0) == pytest.approx(1.0, rel=1e-14)


def test_laplace_transforms_of_any_shape(cyclic, geometric, parameterised):
    assert isinstance(cyclic.laplace_transform(1.0), float)
    assert cyclic.laplace_transform(np.ones((2, 3))).shape == (2, 3)
    theta = np.array([THETA, THETA * 2])
    found = parameterised.laplace_transform([0.5, 1.0, 2.0], theta)
    assert found.shape == (2, 3)
    for vector in range(2):
        np.testing.assert_allclose(
            found[vector],
            parameterised.laplace_transform([0.5, 1.0, 2.0], theta[vector]),
            rtol=1e-13,
        )
    steps = np.arange(2000)
    for s in (0.0, 0.1, 2.0):
        expected = (geometric.pmf(steps) * np.exp(-s * steps)).sum()
        assert geometric.laplace_transform(s) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(InvalidGraph):
        cyclic.laplace_transform(-5.0)  # beyond the slowest decay
    with pytest.raises(InvalidGraph):
        cyclic.laplace_transform(np.nan)


def test_laplace_transforms_of_rewards_in_steps(geometric):
    # Rewards of one or none: the number of visits to some states.
    rewards = np.array([1.0, 0.0, 1.0, 0.0])
    ended, _ = discrete_moments(geometric, rewards, 1)
    for s in (0.0, 0.3, 2.0):
        expected = (ended * np.exp(-s * np.arange(len(ended)))).sum()
        found = geometric.laplace_transform(s, rewards=rewards)
        assert found == pytest.approx(expected, rel=1e-12)


@few
@given(chains())
def test_state_probabilities(graph):
    matrix, out, alpha, inner = dense(graph)
    times = np.array([0.0, 0.2, 1.0, 5.0]) * graph.expectation()
    found = graph.state_probabilities(times)
    assert found.shape == (4, len(graph))
    expected = np.array([alpha @ scipy.linalg.expm(matrix * t) for t in times])
    np.testing.assert_allclose(found[:, inner], expected, rtol=1e-11, atol=1e-13)
    (end,) = graph.absorbing
    # What began nowhere is nowhere.
    ended = alpha.sum() - expected.sum(axis=1)
    np.testing.assert_allclose(found[:, end], ended, rtol=1e-10, atol=1e-12)


def test_state_probabilities_at_several_ends(parameterised):
    matrix, _, alpha, inner = dense(parameterised, THETA)
    fixed = parameterised.instantiate(THETA)
    leads = np.zeros((3, 2))
    for row, vertex in enumerate(inner.tolist()):
        for target, base, _ in fixed.vertex(vertex).edges:
            if target in fixed.absorbing:
                leads[row, fixed.absorbing.tolist().index(target)] += base
    times = np.array([[0.0, 0.5], [2.0, 1e3]])
    found = parameterised.state_probabilities(times, THETA)
    assert found.shape == (2, 2, 5)
    for at in np.ndindex(2, 2):
        through = np.linalg.solve(matrix, scipy.linalg.expm(matrix * times[at]) - np.eye(3))
        expected = alpha @ through @ leads
        np.testing.assert_allclose(found[at][fixed.absorbing], expected, rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(found.sum(axis=2), 0.875, rtol=1e-13)
    alone = parameterised.state_probabilities(2.0, THETA)
    np.testing.assert_allclose(alone, found[1, 0], rtol=1e-13)


def test_state_probabilities_by_steps(geometric):
    matrix, _, alpha, inner = dense(geometric)
    found = geometric.state_probabilities([0, 1, 2, 50])
    for row, step in zip(found, [0, 1, 2, 50], strict=True):
        expected = alpha @ np.linalg.matrix_power(matrix, step)
        np.testing.assert_allclose(row[inner], expected, rtol=1e-12)
        assert row.sum() == pytest.approx(0.875, rel=1e-13)


@few
@given(chains(), st.integers(0, 2**32 - 1))
def test_accumulated_rewards(graph, seed):
    matrix, _, alpha, inner = dense(graph)
    rng = np.random.default_rng(seed)
    rewards = np.zeros((len(graph), 2))
    rewards[inner] = rng.random((len(inner), 2))
    times = np.array([0.0, 1e-4, 0.5, 3.0]) * graph.expectation()
    found = graph.accumulated_rewards(times, rewards=rewards)
    assert found.shape == (4, 2)
    n = len(inner)
    for at, t in enumerate(times):
        # Van Loan: the integral of the exponential is a block of a larger one.
        block = np.zeros((n + 2, n + 2))
        block[:n, :n], block[:n, n:] = matrix, rewards[inner]
        expected = alpha @ scipy.linalg.expm(block * t)[:n, n:]
        np.testing.assert_allclose(found[at], expected, rtol=1e-10, atol=1e-14)
    whole = graph.accumulated_rewards(np.inf, rewards=rewards[:, 0])
    assert whole == pytest.approx(graph.expectation(rewards=rewards[:, 0]), rel=1e-13)
    late = graph.accumulated_rewards(400 * graph.expectation())
    assert late == pytest.approx(graph.expectation(), rel=1e-10)


def test_accumulated_rewards_by_steps(geometric):
    matrix, _, alpha, inner = dense(geometric)
    rewards = np.array([2.0, 0.0, 0.5, 0.0])
    expected, state = [0.0], alpha.copy()
    for _ in range(30):
        expected.append(expected[-1] + state @ rewards[inner])
        state = state @ matrix
    found = geometric.accumulated_rewards(np.arange(31), rewards=rewards)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_joint_probabilities_are_those_of_an_enlarged_chain(cyclic):
    # States with counters: an event is one more edge; beyond the limits nothing is asked.
    matrix, out, alpha, _ = dense(cyclic)
    rewards, rate = np.array([[1.0, 0.0], [0.5, 2.0], [0.0, 0.25]]), np.array([0.75, 1.5])
    limits = (3, 2)
    events = rewards * rate
    flows = {}
    killed = np.diag(events.sum(axis=1)) - matrix
    for i in range(limits[0] + 1):
        for j in range(limits[1] + 1):
            coming = alpha.copy() if i == j == 0 else np.zeros(3)
            if i:
                coming += flows[i - 1, j] * events[:, 0]
            if j:
                coming += flows[i, j - 1] * events[:, 1]
            flows[i, j] = np.linalg.solve(killed.T, coming)
    found = cyclic.joint_probabilities(limits, rewards=rewards, rate=rate)
    assert found.shape == (4, 3)
    for index, flow in flows.items():
        expected = flow @ out + (cyclic.defect if index == (0, 0) else 0.0)
        assert found[index] == pytest.approx(expected, rel=1e-13)


def test_joint_probabilities_of_an_erlang_are_negative_binomial(erlang):
    found = erlang(4, 2.0).joint_probabilities(30, rate=0.5)
    expected = [comb(k + 3, k) * 0.2**k * 0.8**4 for k in range(31)]
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert found.sum() == pytest.approx(1.0, rel=1e-12)


def test_joint_probabilities_of_many_thetas(parameterised):
    rewards = np.array([[1.0, 0.0], [0.5, 2.0], [0.0, 0.25]])
    theta = np.array([THETA * k for k in (0.5, 1.0, 2.0)])
    found = parameterised.joint_probabilities((2, 1), theta, rewards=rewards, rate=0.5)
    assert found.shape == (3, 3, 2)
    for vector in range(3):
        alone = parameterised.joint_probabilities((2, 1), theta[vector], rewards=rewards, rate=0.5)
        np.testing.assert_allclose(found[vector], alone, rtol=1e-13)


@pytest.mark.parametrize("counts", [-1, 1.5, (1, 2, 3)])
def test_impossible_counts(cyclic, counts):
    with pytest.raises((InvalidGraph, ValueError)):
        cyclic.joint_probabilities(counts, rewards=np.ones((3, 2)))


@pytest.mark.parametrize("rate", [-1.0, np.nan, np.inf])
def test_impossible_rates_of_events(cyclic, rate):
    with pytest.raises(InvalidGraph):
        cyclic.joint_probabilities(2, rate=rate)


# Reward transformation ---------------------------------------------------------------------------


@few
@given(chains(), st.integers(0, 2**32 - 1))
def test_a_transformed_graph_has_the_moments_of_the_rewards(graph, seed):
    _, _, _, inner = dense(graph)
    rng = np.random.default_rng(seed)
    rewards = np.zeros(len(graph))
    rewards[inner] = rng.random(len(inner)) * (rng.random(len(inner)) < 0.6)
    if not rewards.any():
        rewards[inner[0]] = 0.5
    made = graph.reward_transform(rewards)
    assert len(made) == np.count_nonzero(rewards) + 1
    np.testing.assert_allclose(made.moments(4), graph.moments(4, rewards=rewards), rtol=1e-11)
    arguments = [0.0, 0.5, 10.0]
    np.testing.assert_allclose(
        made.laplace_transform(arguments),
        graph.laplace_transform(arguments, rewards=rewards),
        rtol=1e-12,
    )


def test_cycles_among_states_that_earn_nothing():
    # 1 and 2 lead to each other a million times before they lead on.
    builder = Graph.builder()
    start, one, two = builder.add_vertex(0, 0.5), builder.add_vertex(1), builder.add_vertex(2, 0.5)
    paid, end = builder.add_vertex(3), builder.add_vertex(4)
    builder.add_edge(start, one, 1.0)
    builder.add_edge(one, two, 1e6)
    builder.add_edge(two, one, 1e6)
    builder.add_edge(two, paid, 3.0)
    builder.add_edge(two, end, 1.0)
    builder.add_edge(paid, two, 1.0)
    builder.add_edge(paid, end, 3.0)
    graph = builder.build()
    made = graph.reward_transform([1.0, 0.0, 0.0, 2.0, 0.0])
    assert len(made) == 3
    # From 2 on, it is paid with probability 3/4; and after each, again with 1/4 times that.
    visits = 0.75 / (1 - 0.25 * 0.75)
    assert made.expectation() == pytest.approx(0.5 * 1 + visits * 2 / 4, rel=1e-14)
    assert made.defect == pytest.approx(0.5 * 0.25, rel=1e-14)


def test_beginning_where_nothing_is_earned_and_then_ending_is_a_defect(cyclic):
    made = cyclic.reward_transform([0.0, 1.0, 0.0])
    assert made.defect > cyclic.defect
    assert made.cdf(0.0) == pytest.approx(made.defect, rel=1e-15)
    limit = cyclic.laplace_transform(1e14, rewards=[0.0, 1.0, 0.0])
    assert made.defect == pytest.approx(limit, rel=1e-12)


def test_a_transformed_graph_keeps_its_parameters_where_all_earn(parameterised):
    made = parameterised.reward_transform([1.0, 2.0, 0.5])
    assert made.theta_length == 3
    expected = parameterised.moments(3, THETA, rewards=[1.0, 2.0, 0.5])
    np.testing.assert_allclose(made.moments(3, THETA), expected, rtol=1e-13)
    with pytest.raises(InvalidGraph, match="theta"):
        parameterised.reward_transform([1.0, 0.0, 0.5])
    fixed = parameterised.reward_transform([1.0, 0.0, 0.5], THETA)
    expected = parameterised.moments(3, THETA, rewards=[1.0, 0.0, 0.5])
    np.testing.assert_allclose(fixed.moments(3), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "rewards", [[1, 1, 1, 0], [2, 0, 3, 0], [0, 1, 0, 0], [5, 1, 2, 0], [0, 0, 4, 0]]
)
def test_a_transformed_discrete_graph_has_the_distribution_of_the_rewards(geometric, rewards):
    values = np.array(rewards, float)
    made = geometric.reward_transform(values)
    assert made.is_discrete
    ended, _ = discrete_moments(geometric, values, 1)
    np.testing.assert_allclose(made.pmf(np.arange(60)), ended[:60], rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(made.moments(3), geometric.moments(3, rewards=values), rtol=1e-11)


@few
@given(chains(discrete=True), st.integers(0, 2**32 - 1))
def test_transformed_discrete_graphs(graph, seed):
    _, _, _, inner = dense(graph)
    rewards = np.zeros(len(graph))
    rewards[inner] = np.random.default_rng(seed).integers(0, 4, len(inner))
    if not rewards.any():
        rewards[inner[0]] = 2
    made = graph.reward_transform(rewards)
    np.testing.assert_allclose(made.moments(3), graph.moments(3, rewards=rewards), rtol=1e-10)


def test_discrete_parameters_and_rewards():
    graph = Graph.from_callback(
        lambda s: [(s - 1, [0.5]), (0, 0.125)] if s else [],
        [(3, 1.0)],
        theta_length=1,
        discrete=True,
    )
    rewards = lambda s: 2.0 if s == 2 else 3.0  # noqa: E731
    made = graph.reward_transform(rewards)
    for theta in (0.25, 0.9, 1.75):
        np.testing.assert_allclose(
            made.moments(3, [theta]), graph.moments(3, [theta], rewards=rewards), rtol=1e-11
        )


@pytest.mark.parametrize("kind", ["word", "number", "tuple", "none"])
def test_states_of_a_transformed_graph_stay_different(kind):
    states = {"word": ["a", "b"], "number": [1, 2], "tuple": [(1, 1), (1, 2)], "none": None}[kind]
    graph = Graph.from_matrix([[0.5, 0.25], [0.0, 0.5]], [1.0, 0.0], states=states, discrete=True)
    made = graph.reward_transform([3.0, 2.0])
    assert len({v.state for v in made}) == len(made) == 6


def test_impossible_rewards_of_a_transformation(cyclic, geometric):
    with pytest.raises(InvalidGraph):
        cyclic.reward_transform([0.0, 0.0, 0.0])
    with pytest.raises(InvalidGraph):
        geometric.reward_transform([0.5, 1.0, 1.0])
    with pytest.raises(InvalidGraph):
        cyclic.reward_transform([1.0, -1.0, 1.0])


# Gradients ---------------------------------------------------------------------------------------


def precise_moment(graph, theta, rewards, order):
    """mpmath's moment for a parameter vector of any precision."""
    inner = np.setdiff1d(np.arange(len(graph)), graph.absorbing).tolist()
    row = {v: r for r, v in enumerate(inner)}
    n = len(inner)
    system, ones = mpmath.zeros(n, n), mpmath.ones(n, 1)
    for vertex in inner:
        for target, base, coefficients in graph.vertex(vertex).edges:
            weight = mpmath.mpf(base)
            for c, t in zip(coefficients, theta, strict=True):
                weight += mpmath.mpf(c) * t
            system[row[vertex], row[vertex]] += weight
            if target in row:
                system[row[vertex], row[target]] -= weight
    begins = mpmath.matrix([[mpmath.mpf(float(graph.initial[v])) for v in inner]])
    earned = mpmath.diag([mpmath.mpf(float(rewards[v])) for v in inner])
    if not graph.is_discrete:
        value = ones
        for k in range(1, order + 1):
            value = k * mpmath.lu_solve(system, earned * value)
        return (begins * value)[0]
    staying = mpmath.eye(n) - system
    known = [ones]
    for k in range(1, order + 1):
        right = earned**k * ones
        for j in range(1, k):
            right += comb(k, j) * (earned ** (k - j)) * (staying * known[j])
        known.append(mpmath.lu_solve(system, right))
    return (begins * known[-1])[0]


def precise_gradient(graph, theta, rewards, order):
    with mpmath.workdps(80):
        h, found = mpmath.mpf(10) ** -25, []
        for which in range(len(theta)):
            values = []
            for sign in (1, -1):
                moved = [mpmath.mpf(float(t)) for t in theta]
                moved[which] += sign * h
                values.append(precise_moment(graph, moved, rewards, order))
            found.append(float((values[0] - values[1]) / (2 * h)))
        at = [mpmath.mpf(float(t)) for t in theta]
        return float(precise_moment(graph, at, rewards, order)), found


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("rewards", [None, [1.0, 0.0, 0.5, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0, 0.0]])
def test_gradients_are_those_of_precise_differences(parameterised, order, rewards):
    values = np.ones(5) if rewards is None else rewards
    value, gradient = precise_gradient(parameterised, THETA, values, order)
    found, derivatives = parameterised.gradient(THETA, order=order, rewards=rewards)
    assert isinstance(found, float)
    assert found == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(derivatives, gradient, rtol=1e-11)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("rewards", [None, [1.0, 0.0, 3.0, 0.0, 0.0]])
def test_gradients_by_steps(order, rewards):
    builder = Graph.builder(theta_length=2, discrete=True)
    a, b, c = builder.add_vertex(0, 0.5), builder.add_vertex(1, 0.25), builder.add_vertex(2)
    end, other = builder.add_vertex(3), builder.add_vertex(4)
    builder.add_edge(a, b, 0.125, [0.5, 0.0])
    builder.add_edge(a, end, [0.0, 0.25])
    builder.add_edge(b, c, [0.25, 0.25])
    builder.add_edge(b, a, 0.25)
    builder.add_edge(c, a, [0.0, 0.5])
    builder.add_edge(c, other, 0.125, [0.125, 0.0])
    graph, theta = builder.build(), np.array([0.6, 0.9])
    values = np.ones(5) if rewards is None else rewards
    value, gradient = precise_gradient(graph, theta, values, order)
    found, derivatives = graph.gradient(theta, order=order, rewards=rewards)
    assert found == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(derivatives, gradient, rtol=1e-11)


def test_gradients_of_stiff_rates():
    graph = Graph.from_callback(
        lambda s: {
            0: [(1, [1.0, 0.0, 0.0]), (3, [0.0, 0.0, 1.0])],
            1: [(0, [0.0, 1.0, 0.0]), (2, [0.0, 0.0, 1.0])],
            2: [(1, [1.0, 1.0, 0.0]), (3, [0.0, 0.0, 2.0])],
            3: [],
        }[s],
        [(0, 1.0)],
        theta_length=3,
    )
    theta = np.array([1e6, 1e3, 1e-6])
    values = (graph.states.rows[:, 0] < 3).astype(float)
    value, gradient = precise_gradient(graph, theta, values, 2)
    found, derivatives = graph.gradient(theta, order=2)
    assert found == pytest.approx(value, rel=1e-12)
    assert derivatives[2] == pytest.approx(gradient[2], rel=1e-12)
    # The others are differences of means of 1e9, times 2e15: right to the rounding of those.
    assert (abs(derivatives - gradient)[:2] <= 4e-16 * 1e9 * np.array([2e15, 2e18])).all()


@pytest.mark.parametrize("count", [1, 2, 32, 33, 70])
def test_gradients_of_many_thetas(parameterised, count):
    theta = THETA * np.random.default_rng(count).uniform(0.5, 2, (count, 3))
    values, gradients = parameterised.gradient(theta, order=2)
    assert values.shape == (count,)
    assert gradients.shape == (count, 3)
    for vector in range(count):
        value, gradient = parameterised.gradient(theta[vector], order=2)
        assert values[vector] == pytest.approx(value, rel=1e-13)
        np.testing.assert_allclose(gradients[vector], gradient, rtol=1e-11, atol=1e-13)


def test_a_gradient_needs_parameters_and_an_order(cyclic, parameterised):
    with pytest.raises(InvalidGraph):
        cyclic.gradient(None)
    for order in (0, -1, 1.5):
        with pytest.raises(InvalidGraph):
            parameterised.gradient(THETA, order=order)


# Batches -----------------------------------------------------------------------------------------

REWARDS = np.array([[1.0, 0.5], [0.0, 2.0], [0.25, 0.0]])
METHODS = {
    "expectation": lambda g, t: g.expectation(t),
    "expectation of kinds": lambda g, t: g.expectation(t, rewards=REWARDS),
    "moments": lambda g, t: g.moments(3, t),
    "moments of rewards": lambda g, t: g.moments(3, t, rewards=REWARDS[:, 0]),
    "variance": lambda g, t: g.variance(t),
    "variance of kinds": lambda g, t: g.variance(t, rewards=REWARDS),
    "covariance": lambda g, t: g.covariance(REWARDS, theta=t),
    "covariance of two": lambda g, t: g.covariance(REWARDS[:, 0], REWARDS[:, 1], t),
    "sojourn times": lambda g, t: g.sojourn_times(t),
    "waiting times": lambda g, t: g.waiting_times(t),
    "waiting times of rewards": lambda g, t: g.waiting_times(t, rewards=REWARDS[:, 1]),
    "pdf": lambda g, t: g.pdf([0.0, 0.5, 3.0], t),
    "pdf at one": lambda g, t: g.pdf(0.5, t),
    "pdf of a grid": lambda g, t: g.pdf([[0.5], [1.0]], t),
    "cdf": lambda g, t: g.cdf([-1.0, 0.0, 0.5, np.inf], t),
    "survival": lambda g, t: g.survival([-1.0, 0.0, 0.5, np.inf], t),
    "quantile": lambda g, t: g.quantile([0.1, 0.5, 0.99], t),
    "laplace": lambda g, t: g.laplace_transform([0.0, 1.5], t, rewards=REWARDS[:, 0]),
    "state probabilities": lambda g, t: g.state_probabilities([0.0, 0.5], t),
    "accumulated": lambda g, t: g.accumulated_rewards([0.0, 0.5, np.inf], t, rewards=REWARDS),
    "joint": lambda g, t: g.joint_probabilities((1, 2), t, rewards=REWARDS),
}


@pytest.mark.parametrize("count", [1, 2, 33])
@pytest.mark.parametrize("method", METHODS)
def test_many_thetas_give_what_single_ones_give(parameterised, method, count):
    call = METHODS[method]
    theta = THETA * np.random.default_rng(count).uniform(0.25, 4, (count, 3))
    found = call(parameterised, theta)
    assert len(found) == count
    for vector in range(count):
        alone = np.asarray(call(parameterised, theta[vector]))
        assert found[vector].shape == alone.shape
        np.testing.assert_allclose(found[vector], alone, rtol=1e-12, atol=1e-15)
        fixed = np.asarray(call(parameterised.instantiate(theta[vector]), None))
        np.testing.assert_allclose(alone, fixed, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_asking_for_something_else_between_changes_nothing(parameterised, method):
    call = METHODS[method]
    before = np.array(call(parameterised, THETA))
    for other in METHODS.values():
        other(parameterised, THETA)
        other(parameterised, THETA * 2)
        other(parameterised, np.array([THETA, THETA * 3]))
        np.testing.assert_array_equal(call(parameterised, THETA), before)


def test_results_may_be_written_to(parameterised):
    for call in METHODS.values():
        for theta in (THETA, np.array([THETA, THETA * 2])):
            first = call(parameterised, theta)
            if np.ndim(first):
                kept = first.copy()
                first[...] = -1
                np.testing.assert_array_equal(call(parameterised, theta), kept)


def test_theta_may_change_afterwards(parameterised):
    theta = THETA.copy()
    before = parameterised.expectation(theta), parameterised.pdf(1.0, theta)
    theta *= 2
    after = parameterised.expectation(theta), parameterised.pdf(1.0, theta)
    assert before == (parameterised.expectation(THETA), parameterised.pdf(1.0, THETA))
    assert before != after


@pytest.mark.parametrize("method", METHODS)
def test_no_thetas_at_all(parameterised, method):
    try:
        found = METHODS[method](parameterised, np.empty((0, 3)))
    except InvalidGraph:
        return  # as good
    assert len(found) == 0


# Draws -------------------------------------------------------------------------------------------


def test_two_million_draws_have_the_distribution(cyclic):
    draws = cyclic.sample(2_000_000, seed=1)
    assert draws.shape == (2_000_000,)
    ended = (draws == 0).mean()
    assert ended == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / 2e6))
    rest = np.sort(draws[draws > 0])
    grid = np.linspace(0, rest[-1], 4000)
    # The cdf is smooth: between points of a fine grid it is as good as a line.
    cdf = (np.interp(rest, grid, cyclic.cdf(grid)) - 0.1) / 0.9
    steps = np.arange(len(rest) + 1) / len(rest)
    distance = max((steps[1:] - cdf).max(), (cdf - steps[:-1]).max())
    assert scipy.stats.kstwobign.sf(distance * np.sqrt(len(rest))) > 1e-3


def test_two_million_discrete_draws_have_the_distribution(geometric):
    draws = geometric.sample(2_000_000, seed=2)
    counts = np.bincount(draws.astype(int), minlength=80)
    pmf = geometric.pmf(np.arange(80))
    expected = 2e6 * np.append(pmf[:60], geometric.survival(59))
    found = np.append(counts[:60], counts[60:].sum())
    expected *= found.sum() / expected.sum()
    assert scipy.stats.chisquare(found, expected).pvalue > 1e-3


def test_the_same_seed_gives_the_same_draws(cyclic):
    one, other = cyclic.sample(1000, seed=7), cyclic.sample(1000, seed=7)
    assert one.tolist() == other.tolist()
    assert cyclic.sample(1000, seed=8).tolist() != one.tolist()
    assert cyclic.sample(1000).tolist() != cyclic.sample(1000).tolist()
    assert cyclic.sample(300, seed=7).tolist() == one[:300].tolist()
    assert len(np.unique(one[one > 0])) == np.count_nonzero(one)


def test_draws_of_rewards_belong_together(parameterised):
    rewards = np.array([[1.0, 0.5, 1.0], [0.0, 2.0, 1.0], [0.25, 0.0, 1.0]])
    draws = parameterised.sample(400_000, THETA, rewards=rewards, seed=3)
    assert draws.shape == (400_000, 3)
    expected = parameterised.expectation(THETA, rewards=rewards)
    covariance = parameterised.covariance(rewards, theta=THETA)
    error = 5 * np.sqrt(np.diag(covariance) / 4e5)
    assert (abs(draws.mean(axis=0) - expected) < error).all()
    np.testing.assert_allclose(np.cov(draws.T), covariance, rtol=0.05)
    alone = parameterised.sample(1000, THETA, seed=3)
    np.testing.assert_allclose(alone, draws[:1000, 2], rtol=1e-15)


def test_few_draws(cyclic):
    assert cyclic.sample().shape == (1,)
    assert cyclic.sample(0).shape == (0,)


@pytest.mark.parametrize("size", [-1, 1.5, "many"])
def test_impossible_numbers_of_draws(cyclic, size):
    with pytest.raises((InvalidGraph, TypeError, ValueError)):
        cyclic.sample(size)


# Large graphs ------------------------------------------------------------------------------------


def test_moments_of_an_erlang_of_many_stages(erlang):
    k = 5000
    expected = [1.0]
    for order in range(4):
        expected.append(expected[-1] * (k + order))
    np.testing.assert_allclose(erlang(k).moments(4), expected[1:], rtol=1e-12)
    assert erlang(6).moments(5)[-1] == pytest.approx(factorial(10) / factorial(5), rel=1e-14)


def test_a_large_lattice_against_scipy():
    import scipy.sparse
    import scipy.sparse.linalg

    n = 40
    rng = np.random.default_rng(0)
    edges = {}
    number = np.arange(n * n).reshape(n, n)
    for a, b in (
        (number[:, 1:], number[:, :-1]), (number[:, :-1], number[:, 1:]),
        (number[1:], number[:-1]), (number[:-1], number[1:]),
    ):  # fmt: skip
        for pair in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
            edges[pair] = 10 ** rng.uniform(-2, 2)
    rows, columns = np.array([*edges]).T
    rates = scipy.sparse.csr_array((np.array([*edges.values()]), (rows, columns)), (n * n, n * n))
    ending = np.zeros(n * n)
    ending[n * n // 2] = 1.0
    system = scipy.sparse.diags_array(rates.sum(axis=1) + ending) - rates
    alpha = np.full(n * n, 1 / n**2)
    graph = Graph.from_matrix(-system, alpha)
    expected = scipy.sparse.linalg.spsolve(system.tocsc(), np.ones(n * n))
    assert graph.expectation() == pytest.approx(alpha @ expected, rel=1e-8)
