"""What models give, and its derivatives, against dense matrices, 50 digits and closed forms."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.phasetype import Graph
from emberkeep.phasetype.differentiable import primitives

few = settings(max_examples=3, deadline=None, derandomize=True)
TIMES = np.array([0.7, 0.0, 3.0, 0.05, 0.7, 12.0, 1e-4])


def close(found, expected, rtol=1e-9, atol=1e-12):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=rtol, atol=atol)


def check_continuous(dense, linear, model, theta, rewards=None):
    later = TIMES + 1e-3  # of two sides of 0, the right one is meant
    for name in ("density", "survival"):
        reference, own = getattr(linear, name), getattr(model, name)
        found, back = jax.vjp(own, theta, later)
        close(found, [reference(theta, t, rewards) for t in later])
        close(own(theta, TIMES), [reference(theta, t, rewards) for t in TIMES])
        known = [dense.slopes(lambda x, t=t: reference(x, t, rewards), theta) for t in later]
        close(jax.vmap(back)(jnp.eye(len(later)))[0], known, rtol=1e-8, atol=1e-11)
        known = [dense.slopes(lambda t: reference(theta, t, rewards), t) for t in later]
        close(back(jnp.ones(len(later)))[1], known, rtol=1e-8, atol=1e-11)
    check_moments(dense, linear, model, theta, rewards)


def check_moments(dense, linear, model, theta, rewards):
    reference = lambda x: linear.moments(x, model.order, rewards)  # noqa: E731
    close(model.moments(theta), reference(theta), rtol=1e-9)
    known = dense.slopes(reference, theta)
    close(jax.jacrev(model.moments)(theta), known, rtol=1e-8, atol=1e-9)


def check_discrete(dense, linear, model, theta, rewards=None):
    steps = np.arange(12.0)
    reference = lambda x: linear.masses(x, 11, rewards)  # noqa: E731
    left = lambda x: 1 - np.cumsum(reference(x))  # noqa: E731
    for own, known in ((model.density, reference), (model.survival, left)):
        close(own(theta, steps), known(theta))
        close(jax.jacrev(own)(theta, steps), dense.slopes(known, theta), rtol=1e-8, atol=1e-11)
    check_moments(dense, linear, model, theta, rewards)


@few
@given(st.integers(0, 10**6), st.integers(2, 8), st.integers(1, 4), st.booleans())
def test_continuous_graphs_are_what_dense_matrices_are(dense, seed, states, parameters, cyclic):
    rng = np.random.default_rng(seed)
    linear = dense.random(rng, states, parameters, cyclic=cyclic)
    model = linear.graph().model(moments=3)
    check_continuous(dense, linear, model, rng.uniform(0.2, 2, parameters))


@few
@given(st.integers(0, 10**6), st.integers(3, 8), st.booleans())
def test_rewards_are_what_dense_matrices_say(dense, seed, states, cyclic):
    rng = np.random.default_rng(seed)
    linear = dense.random(rng, states, 2, cyclic=cyclic)
    graph = linear.graph()
    rewards = rng.uniform(0.2, 3, states) * (rng.random(states) < 0.5)
    rewards[0] = 1.5
    model = graph.model(rewards=rewards[linear.order(graph)], moments=3)
    check_continuous(dense, linear, model, rng.uniform(0.2, 2, 2), rewards)


@few
@given(st.integers(0, 10**6), st.integers(2, 8), st.booleans())
def test_discrete_graphs_are_what_dense_matrices_are(dense, seed, states, cyclic):
    rng = np.random.default_rng(seed)
    linear = dense.random(rng, states, 2, cyclic=cyclic, discrete=True)
    check_discrete(dense, linear, linear.graph().model(moments=3), rng.uniform(0.2, 1, 2))


@few
@given(st.integers(0, 10**6), st.integers(3, 7), st.booleans())
def test_discrete_rewards_are_what_dense_matrices_say(dense, seed, states, cyclic):
    rng = np.random.default_rng(seed)
    linear = dense.random(rng, states, 2, cyclic=cyclic, discrete=True)
    graph = linear.graph()
    rewards = rng.integers(0, 4, states).astype(float)
    rewards[0] = 2.0
    model = graph.model(rewards=rewards[linear.order(graph)], moments=2)
    check_discrete(dense, linear, model, rng.uniform(0.2, 1, 2), rewards)


def test_removed_states_that_form_cycles(dense):
    """0 → {1 ⇄ 2 ⇄ 3} → 4 and back to 0; those in the middle, where it may begin, earn nothing."""
    base, coefficients = np.zeros((6, 6)), np.zeros((6, 6, 2))
    for i, j, b, c in [
        (0, 1, 0.5, (1, 0)), (1, 2, 0, (0, 2)), (2, 1, 1.5, (0, 0)), (2, 3, 0, (1, 1)),
        (3, 2, 0.25, (0, 1)), (3, 0, 0, (0.5, 0)), (3, 4, 1, (0, 0)), (4, 5, 0.1, (1, 0)),
        (4, 3, 0, (0, 0.3)), (1, 5, 0, (0.2, 0)),
    ]:  # fmt: skip
        base[i, j], coefficients[i, j] = b, c
    linear = dense.Linear(base, coefficients, [0.3, 0.3, 0.2, 0.1, 0.0, 0.0])
    graph, rewards = linear.graph(), np.array([2.0, 0, 0, 0, 0.5, 0])
    model = graph.model(rewards=rewards[linear.order(graph)], moments=3)
    check_continuous(dense, linear, model, np.array([0.8, 1.7]), rewards)
    scale = 12.0
    slow = dense.Linear(base / scale, coefficients / scale, linear.initial, discrete=True)
    graph, rewards = slow.graph(), np.array([3.0, 0, 0, 0, 1, 0])
    model = graph.model(rewards=rewards[slow.order(graph)], moments=2)
    check_discrete(dense, slow, model, np.array([0.8, 1.7]), rewards)


def test_several_kinds(dense):
    rng = np.random.default_rng(5)
    linear = dense.random(rng, 6, 2)
    graph, theta = linear.graph(), np.array([0.6, 1.3])
    rewards = np.stack([rng.uniform(0, 2, 6), np.arange(6.0), np.ones(6)], axis=1)
    rewards[2, :2] = 0
    model = graph.model(rewards=rewards[linear.order(graph)], moments=2)
    assert model.kinds == 3
    times = rng.uniform(0.1, 3, (4, 5, 3))
    found, moments = model(theta, times)
    slopes = jax.jacrev(model.density)(theta, times[0])
    for k in range(3):
        flat = times[..., k].reshape(-1)
        expected = [linear.density(theta, t, rewards[:, k]) for t in flat]
        close(found[..., k].reshape(-1), expected)
        close(moments[k], linear.moments(theta, 2, rewards[:, k]))
        expected = [
            dense.slopes(lambda x, t=t: linear.density(x, t, rewards[:, k]), theta)
            for t in times[0, :, k]
        ]
        close(slopes[:, k], expected, rtol=1e-8)
    (single,) = graph.model(rewards=rewards[linear.order(graph)][:, :1])(theta, [[0.5]])
    close(single, [linear.density(theta, 0.5, rewards[:, 0])])


def test_familiar_names(dense):
    linear = dense.random(np.random.default_rng(2), 5, 2)
    graph, theta = linear.graph(), np.array([0.5, 1.5])
    expected = [linear.density(theta, t) for t in (0.3, 2.0)]
    close(Graph.pmf_from_graph(graph, discrete=False, param_length=2)(theta, [0.3, 2.0]), expected)
    found, moments = Graph.pmf_and_moments_from_graph(graph, nr_moments=3)(theta, [0.3, 2.0])
    close(found, expected)
    close(moments, linear.moments(theta, 3))


def test_many_steps_of_one_rate():
    """Chains that have ended after as many steps as they have states."""
    for k in (1, 2, 3, 17, 40):
        graph = Graph.from_callback(
            lambda s: [(s - 1, [2.0])] if s else [], initial=[(k, 1.0)], theta_length=1
        )
        known = scipy.stats.gamma(k, scale=1 / 3.0)
        model = graph.model(moments=2)
        for times in (np.array([0.2]), k * np.array([0.1, 0.4, 1.0])):
            found, moments = model([1.5], times)
            close(found, known.pdf(times), rtol=1e-12)
            close(model.survival([1.5], times), known.sf(times), rtol=1e-11)
            close(moments, [known.mean(), known.var() + known.mean() ** 2])
            logs = jax.jacrev(lambda x, m=model, t=times: jnp.log(m.density(x, t)))(
                jnp.array([1.5])
            )
            close(logs[:, 0], (k - 3.0 * times) / 1.5, rtol=1e-10)
            slopes = jax.vmap(jax.grad(lambda t, m=model: m.density([1.5], t)))(times)
            close(slopes, known.pdf(times) * ((k - 1) / times - 3), rtol=1e-9)


def test_geometric_and_certain_steps():
    graph = Graph.from_callback(
        lambda s: [(s - 1, [1.0])] if s else [], initial=[(2, 1.0)], theta_length=1, discrete=True
    )
    model, steps = graph.model(moments=2), np.arange(8.0)
    known = scipy.stats.nbinom(2, 0.3, loc=2)
    close(model.density([0.3], steps), known.pmf(steps), atol=1e-15)
    close(model.survival([0.3], steps + 0.5), known.sf(steps), rtol=1e-12)
    close(model.moments([0.3]), [known.mean(), known.var() + known.mean() ** 2])
    close(model.density([1.0], steps), steps == 2)
    assert np.isnan(model.density([0.3], [2.5])).all()
    assert np.isnan(model.density([1.01], [2.0])).all()


@pytest.mark.parametrize("time", [1e-12, 1e-9, 1e-6, 1e-3, 0.1, 1.0, 8.0])
def test_logarithms_and_their_slopes_are_precise_for_short_times(chained, time):
    """The density begins as t³: its logarithm is far from zero, and must be right all the same."""
    linear = chained([[1, 0], [0, 1], [1, 1], [0.5, 0]])
    model, theta = linear.graph().model(), np.array([0.7, 1.9])
    value, slopes = jax.value_and_grad(lambda x: jnp.log(model.density(x, time)))(theta)
    expected = linear.precise(theta, time)
    assert float(value) == pytest.approx(float(mpmath.log(expected)), rel=1e-12)
    known = [float(slope / expected) for slope in linear.precise_slopes(theta, time)]
    # All weights on the way back come from `poisson(high - 1, mean)`, also where mean « 1.
    np.testing.assert_allclose(slopes, known, rtol=1e-9)
    slope = jax.grad(lambda t: jnp.log(model.density(theta, t)))(time)
    assert float(slope) == pytest.approx(
        float((linear.precise(theta, time * 1.0001) - linear.precise(theta, time * 0.9999))
              / (2e-4 * time) / expected), rel=1e-6,
    )  # fmt: skip


@pytest.mark.soak
def test_a_long_way_within_a_short_time(chained):
    """20 steps: λt = 1e-8 gives 1e-170, whose logarithm has a slope."""
    linear = chained(np.ones((20, 1)) * np.linspace(1, 2, 20)[:, None])
    model, theta = linear.graph().model(), np.array([0.5])
    for time in (1e-8, 1e-2, 1.0):
        value, slope = jax.value_and_grad(lambda x, t=time: jnp.log(model.density(x, t)))(theta)
        with_50 = linear.precise(theta, time)
        assert float(value) == pytest.approx(float(mpmath.log(with_50)), rel=1e-11)
        known = float(linear.precise_slopes(theta, time)[0] / with_50)
        assert slope[0] == pytest.approx(known, rel=1e-8)


def test_stiff_rates(chained, dense):
    base, coefficients = np.zeros((3, 3)), np.zeros((3, 3, 2))
    coefficients[0, 1, 0] = coefficients[1, 2, 1] = base[1, 0] = 1.0
    linear = dense.Linear(base, coefficients, [1, 0, 0])
    model = linear.graph().model()
    for theta, time in [((1e5, 0.5), 1e-9), ((1e5, 0.5), 1.0), ((3e3, 1e-3), 30.0)]:
        theta = np.array(theta)
        value, slopes = jax.value_and_grad(model.density)(theta, time)
        close(value, float(linear.precise(theta, time)), rtol=1e-10)
        known = [float(slope) for slope in linear.precise_slopes(theta, time)]
        close(slopes, known, rtol=1e-6, atol=1e-10)
    fast = chained([[1.0]]).graph().model()
    close(fast([600.0], 0.001), 600 * np.exp(-0.6), rtol=1e-13)
    close(jax.grad(fast)(jnp.array([600.0]), 0.001), [0.4 * np.exp(-0.6)], rtol=1e-11)


def test_all_levels_of_notes(dense):
    """More steps than depth², so that where chains were is found from notes of notes."""
    n = 450  # whose depth is the least, 100
    coefficients, base = np.zeros((n + 1, n + 1, 2)), np.zeros((n + 1, n + 1))
    for i in range(n - 1):
        coefficients[i, i + 1, 0] = 1.0 + (i % 7) / 7
        base[i + 1, i] = 0.3
    coefficients[n - 1, n, 1] = 1.0
    linear = dense.Linear(base, coefficients, np.eye(n + 1)[0])
    graph, theta, time = linear.graph(), np.array([40.0, 0.02]), 260.0
    model = graph.model()
    chain = model._chains[0]
    assert 80 * time > int(chain["counts"][6]) ** 2
    value, slopes = jax.value_and_grad(model.density)(theta, time)

    def known(x):
        matrix, leaving, initial = (np.asarray(part) for part in linear.sub(x))
        return initial @ scipy.linalg.expm(matrix * time) @ leaving

    close(value, known(theta), rtol=1e-9)
    for i, step in enumerate((4e-3, 2e-6)):
        up, down = theta.copy(), theta.copy()
        up[i], down[i] = theta[i] + step, theta[i] - step
        close(slopes[i], (known(up) - known(down)) / (2 * step), rtol=1e-5, atol=1e-11)


@pytest.mark.parametrize("few", [0, 2])
@pytest.mark.parametrize("supported", [True, False])
def test_more_steps_than_there_may_be_give_no_number(chained, monkeypatch, few, supported):
    monkeypatch.setattr(primitives, "FEW", few)
    if not supported:
        monkeypatch.setattr(primitives, "is_supported", lambda: False)
    jax.clear_caches()
    model = chained([[1.0]]).graph().model()
    assert np.isnan(model([1e9], 1.0))
    assert np.isnan(jax.grad(model)(jnp.array([1e9]), 1.0)).all()
    found = model([1e9], np.array([1e-9, 1.0]))
    assert float(found[0]) == pytest.approx(1e9 * np.exp(-1))
    assert np.isnan(found[1])
