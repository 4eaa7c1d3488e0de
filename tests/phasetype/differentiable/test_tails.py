"""Logarithms of densities down to 1e-300, and their gradients, against balls of 540 digits."""

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from emberkeep.phasetype import Graph
from emberkeep.phasetype.differentiable import primitives


@pytest.fixture(params=["along", "back", "other devices, along", "other devices, back"])
def way(request, monkeypatch):
    """All ways to a gradient."""
    monkeypatch.setattr(primitives, "FEW", 2 if request.param.endswith("along") else 0)
    if request.param.startswith("other"):
        monkeypatch.setattr(primitives, "is_supported", lambda: False)
    jax.clear_caches()
    yield request.param
    jax.clear_caches()


def precise(linear, theta, time):
    """The density, to some hundreds of digits; a ball that contains it."""
    n = len(linear.base) - 1
    matrix = flint.arb_mat(n, n)
    leaving = [flint.arb(0)] * n
    for i in range(n):
        for j in range(n + 1):
            weight = flint.arb(float(linear.base[i, j]))
            for coefficient, x in zip(linear.coefficients[i, j], theta, strict=True):
                weight += flint.arb(float(coefficient)) * x
            if i == j:
                continue
            matrix[i, i] = matrix[i, i] - weight
            if j == n:
                leaving[i] = weight
            else:
                matrix[i, j] = weight
    moved = (matrix * flint.arb(float(time))).exp() * flint.arb_mat(n, 1, leaving)
    return sum(flint.arb(float(p)) * moved[i, 0] for i, p in enumerate(linear.initial[:n]))


KNOWN = {}  # by what it was asked for: all ways ask for the same


def precise_logarithm(linear, theta, time):
    """That of the density, and its gradient by differences."""
    parts = (linear.base, linear.coefficients, linear.initial, np.asarray(theta, float))
    asked = (*(part.tobytes() for part in parts), float(time))
    if asked not in KNOWN:
        KNOWN[asked] = _precise_logarithm(linear, theta, time)
    return KNOWN[asked]


def _precise_logarithm(linear, theta, time):
    before, flint.ctx.prec = flint.ctx.prec, 1800
    try:
        x = [flint.arb(float(value)) for value in theta]
        value, slopes = precise(linear, x, time), []
        for i in range(len(x)):
            step = x[i] * flint.arb("1e-60")
            up, down = list(x), list(x)
            up[i], down[i] = x[i] + step, x[i] - step
            change = precise(linear, up, time) - precise(linear, down, time)
            assert change.rel_accuracy_bits() > 60
            slopes.append(float((change / (2 * step) / value).mid()))
        return float(value.log().mid()), slopes
    finally:
        flint.ctx.prec = before


def check(linear, theta, times):
    """The precise density is compared where it is 1e-300 or more."""
    model = linear.graph().model()
    theta, times = np.asarray(theta, float), np.asarray(times, float)
    logs = np.asarray(model.log_density(theta, times))
    slopes = np.asarray(jax.jacrev(model.log_density)(theta, times))
    smallest = 0.0
    for time, log, slope in zip(times, logs, slopes, strict=True):
        known, by_theta = precise_logarithm(linear, theta, time)
        assert known > -690
        smallest = min(smallest, known)
        assert log == pytest.approx(known, rel=1e-13, abs=1e-12)
        np.testing.assert_allclose(slope, by_theta, rtol=1e-10, atol=1e-10 * np.abs(by_theta).max())
    return smallest


def test_both_tails_of_a_line(chained, way):
    assert check(chained(np.ones((20, 1))), [1.0], [1e-13, 1e-3, 5.0, 160.0, 600.0, 740.0]) < -650


def test_a_line_of_two_rates(chained, way):
    """More steps than are the shortest way: what may follow the usual ones is not little."""
    coefficients = np.array([[1.0, 0.0], [0.0, 1.0]] * 20)
    assert check(chained(coefficients), [1.0, 2.5], [1e-6, 0.1, 1.0, 300.0]) < -450


def test_a_branch_that_is_hardly_taken_and_lasts(dense, way):
    """In the end it is all that is left, though it was less than 1e-30 when it was entered."""
    coefficients = np.zeros((4, 4, 2))
    coefficients[0, 1, 0] = 1.0
    coefficients[0, 2, 0] = 1e-45
    coefficients[1, 3, 0] = 1.0
    coefficients[2, 3, 1] = 1.0
    linear = dense.Linear(np.zeros((4, 4)), coefficients, np.eye(4)[0])
    assert check(linear, [1.0, 1e-3], [1.0, 80.0, 110.0, 300.0, 2000.0]) < -100


def test_early_rows_whose_rest_is_all_in_the_end(dense, way):
    """A fast state leads to one that is slow, and most take another way."""
    coefficients = np.zeros((5, 5, 2))
    coefficients[0, 1, 0], coefficients[0, 2, 0] = 10.0, 1.0
    coefficients[1, 4, 0] = 3.0
    coefficients[2, 3, 0], coefficients[3, 4, 1] = 2.0, 1e-2
    coefficients[2, 4, 0] = 0.5
    linear = dense.Linear(np.zeros((5, 5)), coefficients, np.array([0.6, 0.4 - 1e-60, 1e-60, 0, 0]))
    assert check(linear, [1.0, 1.0], [0.2, 30.0, 200.0, 5000.0]) < -40


@pytest.mark.parametrize("seed", range(3))
def test_random_chains_far_out(dense, seed):
    rng = np.random.default_rng(seed)
    linear = dense.random(rng, 5, 2, cyclic=seed == 0, spread=1.5)
    theta = rng.uniform(0.5, 2, 2)
    slowest = -np.linalg.eigvals(linear.sub(theta)[0]).real.max()
    check(linear, theta, np.array([1e-8, 1.0, 100.0, 300.0, 600.0]) / slowest)


def test_stiff_chains_of_one_rate_to_the_last():
    """Many steps, each of which leaves nearly all."""
    graph = Graph.from_callback(
        lambda s: {"a": [("b", 1000.0)], "b": [("end", [1.0])]}.get(s, []),
        initial=[("a", 0.5), ("b", 0.5)],
        theta_length=1,
    )
    found = graph.model().log_density([1.0], np.array([10.0, 100.0, 400.0, 680.0]))
    known = np.log(0.5 + 0.5 * 1000 / 999) - np.array([10.0, 100.0, 400.0, 680.0])
    np.testing.assert_allclose(found, known, rtol=1e-12)


def test_logarithms_of_nothing():
    model = Graph.from_callback(
        lambda s: [(s - 1, [1.0])] if s else [], initial=[(2, 1.0)], theta_length=1
    ).model()
    times = jnp.array([0.0, 1.0, 5000.0])
    found = model.log_density([1.0], times)
    assert found[1] == pytest.approx(scipy.stats.gamma(2).logpdf(1.0), rel=1e-14)
    assert np.isneginf(found[jnp.array([0, 2])]).all()
    slopes = jax.jacrev(model.log_density)(jnp.array([1.0]), times)
    np.testing.assert_allclose(slopes[:, 0], [0.0, 1.0, 0.0], atol=1e-14)
    assert np.isnan(model.log_density([np.nan], 1.0))
    assert np.isnan(jax.grad(model.log_density)(jnp.array([np.nan]), 1.0)).all()
