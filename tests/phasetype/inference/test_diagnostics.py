"""What is to be noticed, is; and what posteriors show of themselves."""

import numpy as np
import pytest

from emberkeep.phasetype.inference import Gamma, Uniform, mcmc, svgd
from emberkeep.phasetype.inference.diagnostics import stein_matrix
from emberkeep.phasetype.inference.modes import batched
from emberkeep.startup_records import replace

PRIOR = Gamma(3.0, 1.5)
ARVIZ_SAYS = "ignore:(?s).*ArviZ is undergoing"


@pytest.fixture(scope="module")
def data():
    return np.random.default_rng(1).exponential(0.5, 60)


@pytest.fixture
def good(exponential, data):
    return svgd(exponential, data, prior=PRIOR, iterations=300)


def moved(posterior, points):
    """The same posterior with particles elsewhere."""
    flat = points.reshape(-1, points.shape[-1])
    heights, slopes = batched(posterior.posed.problem, flat, 100)
    changes = dict(
        points=points,
        chains=np.exp(points),
        heights=heights.reshape(points.shape[:2]),
        slopes=slopes.reshape(points.shape),
    )
    return replace(posterior, changes)


def shrunk(posterior, factor):
    center = posterior.points.mean(axis=1, keepdims=True)
    return moved(posterior, center + factor * (posterior.points - center))


def said(posterior, **options):
    return " | ".join(posterior.diagnostics(**options).flags)


@pytest.mark.soak  # half a minute of compiling NUTS, as below
def test_nothing_speaks_against_what_is_right(good):
    found = good.diagnostics(against_nuts=True)
    assert found.flags == ()
    assert found.trustworthy
    assert "nothing speaks against it" in repr(found)
    assert np.allclose(found.spread_against_nuts, 1, atol=0.15)


@pytest.mark.soak
def test_a_collapsed_set_is_noticed(good):
    half = shrunk(good, 0.5)
    assert "Stein discrepancy" in said(half)
    found = half.diagnostics(against_nuts=True)
    assert not found.trustworthy
    assert "of what NUTS finds" in repr(found)
    assert np.allclose(found.spread_against_nuts, 0.5, atol=0.1)


def test_a_shifted_or_widened_set_is_noticed(good):
    spread = good.points.std()
    assert "Stein discrepancy" in said(moved(good, good.points + spread))
    assert "Stein discrepancy" in said(shrunk(good, 1.6))


def test_particles_that_coincide_are_noticed(good):
    points = np.repeat(good.points[:, ::10], 10, axis=1)
    assert "only 10 are apart" in said(moved(good, points))


def test_restarts_that_disagree_are_noticed(exponential, data):
    found = svgd(exponential, data, prior=PRIOR, iterations=150, restarts=2)
    assert "disagree" not in said(found)
    apart = found.points + np.array([[[0.0]], [[found.points.std()]]])
    assert "restarts disagree" in said(moved(found, apart))


def test_what_is_not_over_is_noticed(exponential, data):
    assert "still moving" in said(svgd(exponential, data, prior=PRIOR, iterations=10))


def test_few_particles_are_noticed(exponential, data):
    assert "8 particles are few" in said(
        svgd(exponential, data, prior=PRIOR, particles=8, iterations=150)
    )


def test_what_is_impossible_is_noticed(good):
    heights = good.heights.copy()
    heights[0, :3] = -np.inf
    found = replace(good, {"heights": heights}).diagnostics()
    assert found.impossible == 3
    assert "3 samples have density zero" in found.flags[0]


def test_a_bound_that_is_wrong_is_noticed(exponential, data):
    """The rate is two, and the bound says at most a half."""
    found = svgd(exponential, np.tile(data, 40), prior=Uniform(0.1, 0.5), iterations=150)
    assert "upper bound" in said(found)


def test_chains_that_were_too_short_are_noticed(exponential, data):
    short = mcmc(exponential, data, prior=PRIOR, draws=250, warmup=250)
    stuck = replace(short, {"chains": short.chains + np.arange(4.0)[:, None, None]})
    assert "R-hat" in said(stuck)
    assert "diverged" not in said(short)
    assert "7 draws diverged" in said(replace(short, {"divergences": 7}))


def test_the_discrepancy_of_a_normal_target_is_known():
    """Its expectation over independent samples of the target is that of the diagonal over n."""
    random = np.random.default_rng(3)
    means = []
    for _ in range(300):
        points = random.standard_normal((40, 2))
        matrix = stein_matrix(points, -points)
        assert np.allclose(matrix, matrix.T)
        assert np.linalg.eigvalsh(matrix).min() > -1e-9
        means.append([matrix.mean(), np.trace(matrix) / 40**2])
    total, diagonal = np.transpose(means)
    error = (total - diagonal).std() / np.sqrt(len(total))
    assert abs((total - diagonal).mean()) < 4 * error


# Showing ------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings(ARVIZ_SAYS)
def test_inference_data_hold_everything(two_kinds):
    data = np.random.default_rng(6).exponential([0.5, 2.0], (30, 2))
    data[3, 1] = np.nan
    found = svgd(
        two_kinds,
        data,
        prior=PRIOR,
        names=["a", "b"],
        restarts=2,
        particles=50,
        iterations=60,
        independent=True,
    )
    held = found.to_inference_data()
    assert dict(held.posterior.sizes) == {"chain": 2, "draw": 50}
    assert np.array_equal(held.posterior["b"].values, found.chains[:, :, 1])
    assert np.array_equal(held.sample_stats["lp"].values, found.heights)
    assert np.array_equal(held.observed_data["observations"].values, data, equal_nan=True)
    assert held.attrs["inference_library"] == "emberkeep"
    assert "a " in repr(found)
    assert "30 observations" in repr(found)
    for figure, panels in (
        (found.plot_trace(), 2),
        (found.plot_pairs(), 4),
        (found.plot_predictive(), 2),
    ):
        assert len(figure.axes) == panels
        figure.canvas.draw()
        assert any(axis.has_data() for axis in figure.axes)


def test_what_is_drawn_is_the_density(geometric):
    """Of steps: bars at whole numbers, and between the band's lines the posterior's median."""
    data = np.random.default_rng(7).geometric(0.3, 300)
    found = svgd(geometric, data, bounds=(0, 1), iterations=150)
    axis = found.plot_predictive(draws=50).axes[0]
    steps, heights = axis.lines[0].get_data()
    median = np.median(found.samples)
    assert np.allclose(heights[1:6], median * (1 - median) ** (steps[1:6] - 1), rtol=0.05)
    assert heights[0] == 0


def test_the_summary_is_of_the_samples(good):
    summary = good.summary()
    assert np.allclose(summary.quantiles[0], np.quantile(good.samples, [0.025, 0.5, 0.975]))
    assert np.allclose(good.cov, good.std**2)
    assert summary.rhat is None
    assert repr(summary).count("\n") == 1
