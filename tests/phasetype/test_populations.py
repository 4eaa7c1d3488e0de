"""Coalescents in populations that change: closed forms, PhaseGen's and msprime's numbers.

Those are what `benchmarks/peers/population_cases.py` prints with PhaseGen 2.2.0 and msprime 1.4.4.
"""

import math

import numpy as np
import pytest

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import models

SIZES = {0: 1.0, 0.2: 0.1, 0.5: 2.0}


def test_the_height_of_a_tree_of_twenty():
    epochs = models.size_history(20, SIZES)
    assert epochs.expectation() == pytest.approx(0.580057657322261, rel=1e-11)
    assert epochs.variance() == pytest.approx(0.9047709570571232, rel=1e-11)
    assert epochs.cdf(0.3) == pytest.approx(0.2807667927660955, rel=1e-11)
    assert epochs.pdf(0.01) == pytest.approx(4.41617e-23, rel=1e-6)


def test_a_site_frequency_spectrum():
    """Its means, and the covariances of its first entry, as PhaseGen's."""
    epochs = models.size_history(6, SIZES, blocks=True)
    branches = epochs.graph.states.rows[:, :5]
    means = [
        0.9808511453681243,
        0.2951407030898143,
        0.1602748849778255,
        0.12175588981225206,
        0.10716257176075634,
    ]
    with_first = [
        0.38661894038405664,
        -0.024734181441580905,
        -0.01176557890803795,
        -0.007684625415460333,
        0.31208906285423366,
    ]
    np.testing.assert_allclose(epochs.expectation(rewards=branches), means, rtol=1e-12)
    np.testing.assert_allclose(epochs.covariance(branches)[0], with_first, rtol=1e-10)


@pytest.fixture(scope="module")
def admixture():
    return models.demography(
        samples=[3, 2],
        sizes={0: [1.0, 0.5], 1.0: [2.0, 0.1]},
        migration={0: [[0, 0.1], [0.3, 0]], 0.4: [[0, 0], [1.0, 0]]},
        pulses=[(0.5, 0, 1, 0.3), (2.0, 1, 0, 1.0)],
    )


def test_admixture_as_phasegen_has_it(admixture):
    """There a pulse is a short time of fast migration: numbers agree to what that changes."""
    length = admixture.graph.states.rows.sum(axis=1)
    assert admixture.expectation() == pytest.approx(3.4685918208838062, rel=1e-8)
    assert admixture.variance() == pytest.approx(4.728688784087726, rel=1e-8)
    assert admixture.expectation(rewards=length) == pytest.approx(8.852544449904986, rel=1e-8)
    assert admixture.variance(rewards=length) == pytest.approx(23.212016929283095, rel=1e-8)
    density = [0.0013092335536370623, 0.1326733707360059, 0.1607425676698847, 0.226857615814039]
    np.testing.assert_allclose(admixture.pdf([0.2, 0.7, 1.5, 3.0]), density, rtol=1e-7)


def test_admixture_as_msprime_simulates_it(admixture):
    length = admixture.graph.states.rows.sum(axis=1)
    assert abs(admixture.expectation() - 3.46697328830048) < 4 * 0.004859283742109058
    mean = admixture.expectation(rewards=length)
    assert abs(mean - 8.84844442337492) < 4 * 0.01076495232326277


def test_a_split_in_closed_form():
    """Two lineages in two demes meet where, backwards, these become one."""
    epochs = models.demography([1, 1], {0: [1.0, 1.0], 1.5: [0.7, 1.0]}, pulses=[(1.5, 1, 0, 1)])
    assert epochs.expectation() == pytest.approx(1.5 + 0.7, rel=1e-14)
    assert epochs.variance() == pytest.approx(0.7**2, rel=1e-12)
    assert epochs.pdf(1.4) == 0
    assert epochs.pdf(2.0) == pytest.approx(math.exp(-0.5 / 0.7) / 0.7, rel=1e-13)


def test_demes_as_other_models_have_them():
    islands = models.islands(4, 3, start=(2, 1, 1), coalescence=1.0, migration=0.6)
    demes = models.demes([2, 1, 1])
    theta = [1.0] * 3 + [0.3] * 6
    assert demes.expectation(theta) == pytest.approx(islands.expectation(), rel=1e-13)
    one = models.demes([5])
    assert one.expectation([2.0]) == pytest.approx(models.lineages(5, theta=2.0).expectation())
    same = models.demography([2, 1, 1], {0: 1.0}, {0: 0.3})
    assert same.expectation() == pytest.approx(islands.expectation(), rel=1e-13)
    alone = models.demography([4], [(0, 1.0), (0.3, 0.2)])
    other = models.size_history(4, {0.3: 0.2, 0: 1.0})
    np.testing.assert_allclose(alone.moments(3), other.moments(3), rtol=1e-13)


def test_each_lineage_moves_by_itself():
    graph = models.demes([2, 1])
    pulse = models.mass_migration(graph, 0, 1, 0.25)
    labels = [graph.states.label(vertex) for vertex in range(len(graph))]
    here = np.zeros(len(graph))
    here[labels.index((2, 1))] = 1.0
    after = dict(zip(labels, pulse.after(here).tolist(), strict=True))
    expected = {(2, 1): 0.75**2, (1, 2): 2 * 0.25 * 0.75, (0, 3): 0.25**2}
    assert {state: p for state, p in after.items() if p} == pytest.approx(expected, rel=1e-15)


def test_pulses_at_one_time_follow_each_other():
    samples, sizes = [2, 0, 0], {0: [np.inf, np.inf, 1.0], 2.0: 1.0}
    there = models.demography(samples, sizes, pulses=[(1.0, 0, 1, 1.0), (1.0, 1, 2, 1.0)])
    assert there.expectation() == pytest.approx(2.0, rel=1e-13)
    elsewhere = models.demography(samples, sizes, pulses=[(1.0, 1, 2, 1.0), (1.0, 0, 1, 1.0)])
    assert elsewhere.expectation() == pytest.approx(3.0, rel=1e-13)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: models.size_history(1, SIZES), "n is 1"),
        (lambda: models.size_history(5, {0: 0.0}), "size of a population is 0.0"),
        (lambda: models.size_history(5, {1: 1.0}), "expected a value from time 0 on"),
        (lambda: models.size_history(5, 1.0), "sizes is 1.0; expected values by the time"),
        (lambda: models.size_history(5, {0: [1.0, 2.0]}), "expected one number"),
        (lambda: models.size_history(5, [(0, 1.0), (0, 2.0)]), "two values"),
        (lambda: models.demes([1]), r"samples is \[1\]; expected"),
        (lambda: models.demes([2, -1]), "samples is -1"),
        (lambda: models.demography([2, 0], {0: [1.0] * 3}), r"or the shape \(2,\)"),
        (lambda: models.demography([2, 0], {0: 1.0}, {0: -0.1}), "finite and not negative"),
        (lambda: models.demography([2, 0], {0: 1.0}, pulses=[(1, 0, 1)]), "A pulse is"),
        (lambda: models.demography([2, 0], {0: 1.0}, pulses=[(1, 0, 2, 0.5)]), "has demes 0 to 1"),
        (lambda: models.demography([2, 0], {0: 1.0}, pulses=[(1, 0, 1, 1.5)]), "between 0 and 1"),
        (lambda: models.demography([2, 0], {0: 1.0}, pulses=[(1, 0, 0, 0.5)]), "two demes"),
        (
            lambda: models.mass_migration(models.islands(3, migration=0), 0, 1, 0.5),
            "some states are never reached",
        ),
    ],
)
def test_impossible_populations_are_named(make, said):
    with pytest.raises(InvalidGraph, match=said):
        make()
