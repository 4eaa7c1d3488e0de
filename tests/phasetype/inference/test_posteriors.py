"""Posteriors against those that are known exactly."""

import jax
import numpy as np
import pytest
from scipy import stats

from emberkeep.phasetype import models
from emberkeep.phasetype.inference import (
    SVGD,
    Beta,
    Gamma,
    LogNormal,
    Uniform,
    mcmc,
    method_of_moments,
    svgd,
)

WITHIN = 0.05


def close(found, mean, sd, *, within=WITHIN):
    """Mean within a tenth of a standard deviation, and the standard deviation within 5%."""
    assert (np.abs(found.mean - mean) < 0.1 * np.asarray(sd)).all(), (found.mean, mean, sd)
    assert np.allclose(found.std, sd, rtol=within), (found.std, sd)


def waits(seed, count, *rates):
    random = np.random.default_rng(seed)
    return sum(random.exponential(1 / rate, count) for rate in rates)


@pytest.mark.parametrize("bandwidth", ["median", "local", 0.7])
@pytest.mark.parametrize("count", [3, 60])
def test_a_conjugate_posterior(exponential, count, bandwidth):
    data = waits(1, count, 2.0)
    exact = stats.gamma(3 + count, scale=1 / (1.5 + data.sum()))
    found = SVGD(
        exponential,
        data,
        theta_dim=1,
        n_particles=100,
        n_iterations=300,
        prior=Gamma(3.0, 1.5),
        bandwidth=bandwidth,
        jit=True,
    ).fit()
    close(found, exact.mean(), exact.std())
    assert np.allclose(found.quantile([0.1, 0.5, 0.9]), exact.ppf([0.1, 0.5, 0.9]), rtol=0.05)
    assert found.samples.shape == (100, 1)


@pytest.mark.soak
def test_the_transform_does_not_matter(exponential):
    """The same posterior in other coordinates: a lost Jacobian would shift it."""
    data = waits(2, 5, 2.0)
    exact = stats.gamma(3 + 5, scale=1 / (1.5 + data.sum()))
    prior = Gamma(3.0, 1.5)
    from emberkeep.phasetype.inference import Softplus

    for bounds in (Softplus(), (0.0, 50.0)):
        close(
            svgd(exponential, data, prior=prior, bounds=bounds, iterations=300),
            exact.mean(),
            exact.std(),
        )


@pytest.mark.soak
def test_the_coalescent_of_five(coalescent, exact):
    data = waits(3, 1000, *(0.7 * np.array([10, 6, 3, 1])))
    found = svgd(coalescent, data, prior=LogNormal(1.0, 1.0), iterations=300)
    grid = np.linspace(0.6, 0.8, 1001)
    prior = stats.lognorm(1.0)
    mean, sd = exact(coalescent, data, [grid], lambda theta: prior.logpdf(theta[:, 0]))
    close(found, mean, sd)


def test_the_coalescent_as_a_graph(coalescent, exact):
    """The real model, and the truth from the closed form of its density."""
    data = waits(5, 400, *(1.2 * np.array([10, 6, 3, 1])))
    model = models.kingman(5).model(moments=1)
    found = svgd(model, data, prior=LogNormal(1.0, 1.0), iterations=200)
    prior = stats.lognorm(1.0)
    grid = np.linspace(1.0, 1.5, 1001)
    close(found, *exact(coalescent, data, [grid], lambda theta: prior.logpdf(theta[:, 0])))
    start = method_of_moments(model, data)
    assert start.theta[0] == pytest.approx((1 / np.array([10, 6, 3, 1])).sum() / data.mean())


@pytest.mark.soak
def test_two_parameters_that_depend_on_each_other(two_rates, exact):
    data = waits(4, 150, 4.0, 1.0)
    found = svgd(two_rates, data, prior=Gamma(2.0, 0.5), bounds=[(0, 2), (2, None)], iterations=500)
    grids = [np.linspace(0.5, 2.0, 303), np.linspace(2.0, 25.0, 401)[1:]]
    mean, sd = exact(
        two_rates, data, grids, lambda theta: stats.gamma(2, scale=2).logpdf(theta).sum(axis=1)
    )
    close(found, mean, sd)


@pytest.mark.soak
def test_many_parameters_do_not_collapse(two_kinds):
    """Eight rates at once: a Gaussian kernel alone loses a third of the spread."""
    model = type(two_kinds)(8)
    data = np.random.default_rng(5).exponential(1.0, (40, 8))
    exact = stats.gamma(2 + 40, scale=1 / (1 + data.sum(axis=0)))
    found = svgd(model, data, prior=Gamma(2.0, 1.0), iterations=500, independent=True)
    close(found, exact.mean(), exact.std())


def test_what_was_not_observed_does_not_count(two_kinds):
    data = np.random.default_rng(6).exponential([0.5, 2.0], (50, 2))
    data[10:, 0] = np.nan
    data[:5, 1] = np.nan
    data[7] = np.nan
    seen = np.isfinite(data)
    exact = stats.gamma(2 + seen.sum(axis=0), scale=1 / (1 + np.nansum(data, axis=0)))
    found = svgd(two_kinds, data, prior=Gamma(2.0, 1.0), iterations=300, independent=True)
    assert found.posed.observations.count == 49
    close(found, exact.mean(), exact.std())


def test_steps_and_a_parameter_between_zero_and_one(geometric):
    data = np.random.default_rng(7).geometric(0.3, 80)
    exact = stats.beta(2 + 80, 3 + (data - 1).sum())
    found = svgd(geometric, data, prior=Beta(2.0, 3.0), iterations=300)
    close(found, exact.mean(), exact.std())
    assert found.posed.observations.rows < 40  # values that repeat are one, with a count


@pytest.mark.soak
def test_minibatches(exponential):
    data = waits(8, 400, 2.0)
    exact = stats.gamma(3 + 400, scale=1 / (1.5 + data.sum()))
    found = svgd(exponential, data, prior=Gamma(3.0, 1.5), minibatch=100, iterations=2000)
    assert np.allclose(found.mean, exact.mean(), atol=0.5 * exact.std())
    assert np.allclose(found.std, exact.std(), rtol=0.15)


@pytest.mark.soak
def test_moments_draw_where_they_are_told(coalescent):
    """With a strong weight the mean of the model is that of the data, whatever the prior."""
    data = waits(9, 30, *(0.7 * np.array([10, 6, 3, 1])))
    prior = LogNormal(20.0, 0.05)
    free = svgd(coalescent, data, prior=prior, iterations=200)
    drawn = svgd(coalescent, data, prior=prior, moment_weight=1e5, moment_count=1, iterations=200)
    inverse_mean = (1 / np.array([10, 6, 3, 1])).sum() / data.mean()
    assert np.allclose(drawn.mean, inverse_mean, rtol=0.02)
    assert free.mean > 3 * inverse_mean


def test_nuts_is_right_too(exponential):
    data = waits(10, 60, 2.0)
    exact = stats.gamma(3 + 60, scale=1 / (1.5 + data.sum()))
    found = mcmc(exponential, data, prior=Gamma(3.0, 1.5), draws=250, warmup=250, chains=4)
    summary = found.summary()
    assert summary.rhat.max() < 1.05
    assert summary.ess.min() > 100
    errors = 4 / np.sqrt(summary.ess.min())
    assert abs(found.mean - exact.mean()) < errors * exact.std()
    assert np.allclose(found.std, exact.std(), rtol=errors)
    assert found.chains.shape == (4, 250, 1)
    assert "rhat" in repr(found)


@pytest.mark.soak
def test_a_function_is_a_prior_and_numpyro_is_too(exponential):
    import numpyro.distributions as dist

    data = waits(11, 4, 2.0)
    exact = stats.gamma(3 + 4, scale=1 / (1.5 + data.sum()))

    def belief(theta):
        return 2 * jax.numpy.log(theta[0]) - 1.5 * theta[0]

    for prior in (belief, dist.Gamma(3.0, 1.5), [dist.Gamma(3.0, 1.5)]):
        close(svgd(exponential, data, prior=prior, iterations=200), exact.mean(), exact.std())


@pytest.mark.soak
def test_the_default_prior_is_weak(exponential):
    """A hundred observations outweigh it, whatever the unit of time."""
    for unit in (1e-4, 1e4):
        data = waits(12, 100, 2.0) * unit
        found = svgd(exponential, data, iterations=200)
        assert np.allclose(found.mean, 101 / data.sum(), rtol=0.02)
        assert np.allclose(found.std, 10 / data.sum(), rtol=WITHIN)


def test_moments_of_one_parameter_have_a_closed_form(coalescent, exponential):
    data = waits(13, 500, *(0.03 * np.array([10, 6, 3, 1])))
    found = method_of_moments(coalescent, data, moment_count=1)
    assert found.by == "moments"
    assert np.allclose(found.theta, (1 / np.array([10, 6, 3, 1])).sum() / data.mean(), rtol=1e-8)
    assert np.allclose(found.residuals, 0, atol=1e-6)
    likeliest = method_of_moments(exponential, data)
    assert likeliest.by == "likelihood"
    assert np.allclose(likeliest.theta, 1 / data.mean(), rtol=1e-6)


def test_moments_of_two_parameters_have_a_closed_form(two_rates):
    """Two waits: their sum has the mean a + b, and the variance a² + b²."""
    data = waits(14, 4000, 5.0, 1.0)
    mean, variance = data.mean(), data.var()
    apart = np.sqrt(2 * variance - mean**2)
    expected = sorted([2 / (mean + apart), 2 / (mean - apart)])
    found = method_of_moments(two_rates, data)
    assert np.allclose(sorted(found.theta), expected, rtol=1e-6)


@pytest.mark.soak
def test_bounds_hold(exponential):
    data = waits(15, 30, 2.0)
    found = svgd(exponential, data, prior=Uniform(1.0, 1.5), iterations=200)
    assert ((found.samples > 1.0) & (found.samples < 1.5)).all()


@pytest.mark.soak
def test_intervals_cover(exponential, report):
    """Of 200 data sets drawn from prior and model, 90% intervals hold the parameter in 90%.

    Binomial: the standard deviation is 4.2 of 180; three of them are allowed, 0.3% by chance.
    """
    random = np.random.default_rng(16)
    covered = 0
    for _ in range(200):
        theta = random.gamma(3.0, 1 / 1.5)
        data = random.exponential(1 / theta, 25)
        found = svgd(exponential, data, prior=Gamma(3.0, 1.5), iterations=200)
        low, high = found.quantile([0.05, 0.95])[0]
        covered += low <= theta <= high
    report(covered=covered)
    assert abs(covered - 180) <= 13
