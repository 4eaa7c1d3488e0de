"""Site frequency spectra and two loci, against Fu (1995), Ohta and Kimura (1971), and msprime."""

from math import comb

import numpy as np
import pytest

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import models


def fu_covariance(n, theta):
    """Equations 1 to 6 of Fu (1995)."""
    a = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])  # a[k] = 1 + … + 1/k
    harmonic = lambda k: a[k - 1]
    beta = lambda i: 2 * n / ((n - i + 1) * (n - i)) * (harmonic(n + 1) - harmonic(i)) - 2 / (n - i)
    sigma = np.zeros((n, n))
    for i in range(1, n):
        for j in range(1, i + 1):
            if i == j:
                if 2 * i < n:
                    value = beta(i + 1)
                elif 2 * i == n:
                    value = 2 * (harmonic(n) - harmonic(i)) / (n - i) - 1 / i**2
                else:
                    value = beta(i) - 1 / i**2
            elif i + j < n:
                value = (beta(i + 1) - beta(i)) / 2
            elif i + j == n:
                value = (
                    (harmonic(n) - harmonic(i)) / (n - i)
                    + (harmonic(n) - harmonic(j)) / (n - j)
                    - (beta(i) + beta(j + 1)) / 2
                    - 1 / (i * j)
                )
            else:
                value = (beta(j) - beta(j + 1)) / 2 - 1 / (i * j)
            sigma[i, j] = sigma[j, i] = value
    return np.diag(theta / np.arange(1, n)) + theta**2 * sigma[1:, 1:]


@pytest.mark.parametrize("n", [4, 7, 10])
def test_means_and_covariances_are_those_of_fu(n):
    theta = 3.0
    spectrum = models.site_frequency_spectrum(models.kingman(n), [1.0], mutation_rate=theta / 2)
    assert spectrum.kinds == n - 1
    assert spectrum.expectation() == pytest.approx(theta / np.arange(1, n), rel=1e-12)
    assert spectrum.covariance() == pytest.approx(fu_covariance(n, theta), rel=1e-10, abs=1e-12)


def test_the_number_of_segregating_sites_is_tavares():
    # Tavaré (1984): P(S = k) of all branches together.
    n, theta = 6, 2.5
    graph = models.kingman(n, theta=1.0)
    table = graph.joint_table(rewards=graph.states.rows.sum(axis=1), rate=theta / 2)
    for k in (0, 1, 5):
        terms = [
            (-1) ** (i - 1)
            * comb(n - 2, i - 1)
            * (n - 1)
            / (theta + i)
            * (theta / (theta + i)) ** k
            for i in range(1, n)
        ]
        assert table[k] == pytest.approx(sum(terms), rel=1e-10)


def test_joint_probabilities_of_three():
    # Two coalescents of exponential times: by hand, from the joint density of branch lengths.
    theta = 1.4
    spectrum = models.site_frequency_spectrum(models.kingman(3), [1.0], mutation_rate=theta / 2)
    mu = theta / 2
    # Until the first coalescence three branches (rate 3), then two of one and one of two.
    a, b = 3 + 3 * mu, 1 + 2 * mu
    assert spectrum[0, 0] == pytest.approx(3 / a / b, rel=1e-14)
    first = 3 * mu / a * 3 / a / b + 3 / a * mu / b / b
    assert spectrum[1, 0] == pytest.approx(first, rel=1e-13)
    assert spectrum[0, 1] == pytest.approx(3 / a * mu / b / b, rel=1e-13)


def test_folded_spectra():
    n = 6
    whole = models.site_frequency_spectrum(models.kingman(n), [1.0], mutation_rate=0.5)
    folded = models.site_frequency_spectrum(
        models.kingman(n), [1.0], mutation_rate=0.5, folded=True
    )
    means = whole.expectation()
    assert folded.expectation() == pytest.approx(
        [means[0] + means[4], means[1] + means[3], means[2]], rel=1e-13
    )
    matrix = whole.covariance()
    assert folded.covariance()[0, 2] == pytest.approx(matrix[0, 2] + matrix[4, 2], rel=1e-11)


# By msprime 1.4.4: sim_ancestry(samples=5, ploidy=1, population_size=1, num_replicates=200_000,
# random_seed=1), then for each tree Poisson numbers of mutations at a rate of 0.5 on each branch.
MSPRIME = {
    "none": (0.198055, 0.00089),
    "singletons": (0.310035, 0.00103),
    "pair": (0.064045, 0.00055),
}


def test_joint_probabilities_against_msprime():
    table = models.site_frequency_spectrum(models.kingman(5), [1.0], mutation_rate=0.5)
    found = {
        "none": table[0, 0, 0, 0],
        "singletons": table.marginal(0)[1],
        "pair": table.marginal(0, 1)[1, 1],
    }
    for name, (expected, error) in MSPRIME.items():
        assert abs(found[name] - expected) < 4 * error, name


@pytest.mark.parametrize("rho", [0.01, 1.0, 30.0])
def test_linkage_disequilibrium_is_that_of_ohta_and_kimura(rho):
    expected = (10 + rho) / (22 + 13 * rho + rho**2)
    assert models.linkage_disequilibrium(rho / 2) == pytest.approx(expected, rel=1e-10)
    scaled = models.linkage_disequilibrium(3 * rho / 2, coalescence=3.0)
    assert scaled == pytest.approx(expected, rel=1e-10)


def test_two_loci_of_a_pair():
    # Griffiths (1981): Cov = (ρ + 18)/(ρ² + 13ρ + 18).
    for rho in (0.1, 2.0, 25.0):
        found = models.two_locus_statistics(models.two_locus(2), [1.0, rho / 2])
        expected = (rho + 18) / (rho**2 + 13 * rho + 18)
        assert found.height_covariance == pytest.approx(expected, rel=1e-12)
        assert found.height_correlation == pytest.approx(expected, rel=1e-12)
        assert found.length_covariance == pytest.approx(4 * expected, rel=1e-12)
    assert found.length_correlation == pytest.approx(expected, rel=1e-12)


def test_nonsense_is_refused_by_name():
    with pytest.raises(InvalidGraph, match="do not count lineages"):
        models.site_frequency_spectrum(models.lineages(4), [1.0])
    with pytest.raises(InvalidGraph, match="do not count lineages"):
        models.site_frequency_spectrum(models.two_locus(3), [1.0, 1.0])
    with pytest.raises(InvalidGraph, match="not those of two loci"):
        models.two_locus_statistics(models.kingman(4), [1.0])
    with pytest.raises(InvalidGraph, match="one parameter vector"):
        models.two_locus_statistics(models.two_locus(2), [[1.0, 1.0], [2.0, 1.0]])
    with pytest.raises(InvalidGraph, match="positive"):
        models.linkage_disequilibrium(0.0)
