"""One mathematics, calculated by three: NumPy and its kernels, XLA's kernels, whole arrays.

All three against closed forms, in 50 digits; and what they share, one against the other.
"""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from emberkeep.phasetype import Graph, uniformisation
from emberkeep.phasetype.differentiable import arrays, primitives
from emberkeep.phasetype.kernels import accuracy, poisson_window

RATES = (0.5, 1.25, 2.0, 3.5)
STAGES, ENDING, STEPS = 5, 0.3, 3
THETA = 1.7


def line(rates, *, discrete=False):
    """States one after the other, each left at its rate times theta."""
    last = len(rates)
    return Graph.from_callback(
        lambda i: [(i + 1, [rates[i]])] if i < last else [], [(0, 1.0)], 1, discrete
    )


def hypoexponential(time, theta):
    """Density and survival of a sum of exponentials of distinct rates."""
    rates = [mpmath.mpf(rate) * theta for rate in RATES]
    shares = [mpmath.fprod(b / (b - a) for b in rates if b != a) for a in rates]
    left = [share * mpmath.exp(-rate * time) for share, rate in zip(shares, rates, strict=True)]
    return mpmath.fsum(rate * x for rate, x in zip(rates, left, strict=True)), mpmath.fsum(left)


def erlang(time, theta):
    """Of a sum of exponentials of one rate."""
    mean = 2 * theta * mpmath.mpf(time)
    terms = [mean**k * mpmath.exp(-mean) / mpmath.factorial(k) for k in range(STAGES)]
    return 2 * theta * terms[-1], mpmath.fsum(terms)


def negative_binomial(steps, theta):
    """Of a sum of geometric numbers."""
    p, n = mpmath.mpf(ENDING) * theta, int(steps)

    def mass(k):
        return mpmath.binomial(k - 1, STEPS - 1) * p**STEPS * (1 - p) ** (k - STEPS)

    return mass(n), 1 - mpmath.fsum(mass(k) for k in range(STEPS, n + 1))


CASES = {
    "hypoexponential": (line(RATES), hypoexponential, (0.25, 1.0, 4.0, 16.0)),
    "Erlang": (line((2.0,) * STAGES), erlang, (0.015625, 0.5, 2.0, 9.0)),
    "negative binomial": (
        line((ENDING,) * STEPS, discrete=True), negative_binomial, (3.0, 4.0, 9.0, 40.0)
    ),
}  # fmt: skip


def by_numpy(graph, times):
    """Densities, and survival; their slopes it does not know."""
    return np.stack([graph.pdf(times, [THETA]), graph.survival(times, [THETA])]), None


def by_model(graph, times):
    """The same, and how fast they change with theta."""
    model, at = graph.model(), np.array(times)

    def both(theta):
        return jnp.stack([model.density(theta[None], at), model.survival(theta[None], at)])

    return both(jnp.float64(THETA)), jax.jacrev(both)(jnp.float64(THETA))


@pytest.fixture(params=["NumPy", "kernels", "arrays"])
def way(request, monkeypatch):
    """From a graph and times to numbers."""
    jax.clear_caches()
    if request.param == "arrays":
        monkeypatch.setattr(primitives, "is_supported", lambda: False)
    yield by_numpy if request.param == "NumPy" else by_model
    jax.clear_caches()


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_closed_forms_say(way, case):
    graph, closed, times = CASES[case]
    with mpmath.workdps(50):
        known = np.array([[float(x) for x in closed(time, THETA)] for time in times]).T
        slopes = np.array(
            [
                [float(mpmath.diff(lambda x, t=time, w=which: closed(t, x)[w], THETA))
                 for time in times]
                for which in (0, 1)
            ]
        )  # fmt: skip
    found, changes = way(graph, times)
    np.testing.assert_allclose(found, known, rtol=1e-12, atol=0)
    if changes is not None:
        np.testing.assert_allclose(changes, slopes, rtol=1e-11, atol=1e-14)


# What they share ----------------------------------------------------------------------------------

MEANS = (1e-300, 1e-9, 0.3, 15.0, 16.5, 250.0, 3e4, 1.9e6)


@pytest.mark.parametrize("mean", MEANS)
def test_a_poisson_number_is_one(mean):
    numbers = np.unique(np.array([0, 1, 3, 15, 16, 17, mean // 2, mean, mean + 40 + 3 * mean**0.5]))
    numbers = numbers.astype(np.int64)
    by_arrays = np.asarray(arrays._poisson(jnp.array(numbers, float), jnp.float64(mean)))
    for number, found in zip(numbers.tolist(), by_arrays.tolist(), strict=True):
        with mpmath.workdps(50):
            logarithm = number * mpmath.log(mean) - mean - mpmath.loggamma(number + 1)
        if logarithm < -accuracy.FAINTEST + 60:  # arrays lift nothing
            continue
        known = float(mpmath.exp(logarithm))
        lifted = poisson_window.poisson(number, mean)
        assert lifted / poisson_window.LIFTED == pytest.approx(known, rel=3e-13)
        assert found == pytest.approx(known, rel=3e-13)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("tail", [accuracy.TAIL, 300.0])
def test_what_is_left_out_is_as_little_as_is_said(mean, tail):
    steps = accuracy.steps_for(mean, tail)
    with mpmath.workdps(50):
        beyond = mpmath.gammainc(steps, 0, mean, regularized=True)  # of so many, or more
        assert beyond <= mpmath.exp(-tail)
    assert float(arrays._enough(jnp.float64(mean), tail)) == steps
    if tail == accuracy.TAIL:
        first, weights = uniformisation.poisson_weights(mean)
        last = first + len(weights) - 1
        assert last <= steps
        with mpmath.workdps(50):
            assert mpmath.gammainc(last + 1, 0, mean, regularized=True) <= mpmath.exp(-tail)
            faint = mpmath.exp(-mean) * mpmath.mpf(mean) ** (last + 1) / mpmath.factorial(last + 1)
        assert last == steps or faint < 2 * uniformisation.FAINT
        assert accuracy.mean_for(steps) <= max(mean, 0.0) + 2
        assert accuracy.steps_for(max(accuracy.mean_for(steps), 0), tail) <= steps + 1
