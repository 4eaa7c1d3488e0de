"""Canonical and minimal forms."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph, combinations, forms, models

TIMES = np.array([0.01, 0.3, 1.0, 4.0])


def is_in_a_row(graph):
    rates = []
    for vertex in graph:
        if vertex.is_absorbing:
            continue
        ((target, rate, _),) = vertex.edges
        assert target == vertex.number + 1
        rates.append(rate)
    return all(np.diff(rates) >= 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_cf1_is_the_same_distribution(seed, count):
    random = np.random.default_rng(seed)
    matrix = np.triu(random.random((count, count)) * (random.random((count, count)) < 0.6), 1)
    matrix *= 10 ** random.uniform(-2, 2, (count, 1))
    exits = random.random(count) * 10 ** random.uniform(-2, 2, count)
    if random.random() < 0.3:  # some states alike
        exits[:] = exits[-1]
        matrix[:-1] *= 0
    matrix -= np.diag(matrix.sum(axis=1) + exits)
    alpha = random.dirichlet(np.ones(count)) * random.choice([1.0, 0.5])
    graph = Graph.from_matrix(matrix, alpha, exits=exits)
    form = forms.canonical_form(graph)
    assert is_in_a_row(form)
    np.testing.assert_allclose(form.moments(3), graph.moments(3), rtol=1e-12)
    assert form.defect == pytest.approx(graph.defect, abs=1e-14)
    np.testing.assert_allclose(form.pdf(TIMES), graph.pdf(TIMES), rtol=1e-9, atol=1e-12)


def test_cf1_of_a_hyperexponential_by_hand():
    # p Exp(1) + (1 - p) Exp(3): from the slow one, or from the fast one.
    graph = Graph.from_matrix([[-1.0, 0.0], [0.0, -3.0]], [0.6, 0.4])
    form = forms.canonical_form(graph)
    # Exp(1) = 1/3 Exp(3) + 2/3 (Exp(1) then Exp(3)).
    assert form.initial[:2] == pytest.approx([0.6 * 2 / 3, 0.4 + 0.6 / 3], rel=1e-15)


def test_cf1_is_unique():
    # Two ways to write one distribution.
    one = Graph.from_matrix([[-1.0, 0.0], [0.0, -3.0]], [0.6, 0.4])
    other = Graph.from_matrix([[-1.0, 1.0], [0.0, -3.0]], [0.4, 0.6])
    first, second = forms.canonical_form(one), forms.canonical_form(other)
    assert first.initial == pytest.approx(second.initial, rel=1e-14)
    hypo = models.hypoexponential([3.0, 1.0, 2.0])
    reverse = models.hypoexponential([1.0, 2.0, 3.0])
    assert forms.canonical_form(hypo).initial == pytest.approx([1.0, 0.0, 0.0, 0.0])
    assert forms.canonical_form(hypo).moments(3) == pytest.approx(reverse.moments(3), rel=1e-13)


def test_cf1_with_rates_far_apart_keeps_all_digits():
    rates = [1e-6, 1e6, 1.0, 1e3]
    graph = models.hyperexponential([0.1, 0.2, 0.3, 0.4], rates)
    form = forms.canonical_form(graph)
    with mpmath.workdps(60):
        exact = sum(
            mpmath.mpf(p) * mpmath.mpf(r) * mpmath.exp(-mpmath.mpf(r) * 2)
            for p, r in zip([0.1, 0.2, 0.3, 0.4], rates, strict=True)
        )
    assert form.pdf(2.0) == pytest.approx(float(exact), rel=1e-9)
    assert form.expectation() == pytest.approx(graph.expectation(), rel=1e-13)


def test_cf1_of_a_coalescent():
    graph = models.kingman(6, theta=1.0)
    form = forms.canonical_form(graph)
    assert is_in_a_row(form)
    assert form.variance() == pytest.approx(graph.variance(), rel=1e-12)
    assert len(form) <= len(graph)


def test_minimal_forms_lump_what_is_alike():
    # The height of Kingman's coalescent depends on the number of lineages alone: n - 1 of them.
    graph = models.kingman(7, theta=1.0)
    form = forms.minimal_form(graph)
    assert form.order == 6
    assert form.moments(4) == pytest.approx(graph.moments(4), rel=1e-8)
    for time in (0.5, 2.0):
        from scipy.linalg import expm

        density = form.alpha @ expm(form.matrix * time) @ (-form.matrix).sum(axis=1)
        assert density == pytest.approx(graph.pdf(time), rel=1e-7)


def test_minimal_forms_leave_out_what_is_not_led_to():
    # Of a mixture of one distribution with itself, half is left.
    one = Graph.from_matrix([[-3.0, 1.0], [0.5, -2.0]], [1.0, 0.0])
    twice = combinations.mixture([0.5, 0.5], [one, one])
    assert forms.minimal_form(twice).order == 2
    assert forms.minimal_form(one).order == 2
    # Exit rates that are all one: exponential, however it moves about.
    moves = np.array([[-3.0, 2.0], [4.0, -5.0]])
    assert forms.minimal_form(Graph.from_matrix(moves, [0.5, 0.5])).order == 1


@pytest.mark.parametrize("seed", range(12))
def test_all_of_two_states_have_a_canonical_form(seed):
    random = np.random.default_rng(seed)
    rates = random.random((2, 2)) * 3
    exits = random.random(2) + 0.05
    np.fill_diagonal(rates, 0)
    matrix = rates - np.diag(rates.sum(axis=1) + exits)
    graph = Graph.from_matrix(matrix, random.dirichlet([1, 1]) * 0.9)
    form = forms.canonical_form(graph)
    assert is_in_a_row(form)
    assert form.defect == pytest.approx(graph.defect, rel=1e-9)
    np.testing.assert_allclose(form.pdf(TIMES), graph.pdf(TIMES), rtol=1e-9)


def test_circles_that_no_row_can_stand_for():
    # Three states that follow each other round and round: eigenvalues are complex.
    matrix = np.array([[-1.0, 1.0, 0.0], [0.0, -1.0, 1.0], [0.9, 0.0, -1.0]])
    with pytest.raises(InvalidGraph, match="eigenvalues that are complex"):
        forms.canonical_form(Graph.from_matrix(matrix, [1.0, 0.0, 0.0]))


def test_circles_with_real_eigenvalues(cyclic):
    with pytest.raises(InvalidGraph, match="complex"):
        forms.canonical_form(cyclic)
    chain = models.birth_death(3, [0.5, 0.5], [1.0, 1.0, 1.0])  # reversible: they are real
    form = forms.canonical_form(chain)
    assert is_in_a_row(form)
    np.testing.assert_allclose(form.moments(5), chain.moments(5), rtol=1e-9)


def test_nonsense_is_refused_by_name(cyclic):
    steps = Graph.from_matrix([[0.5]], [1.0], discrete=True)
    for make in (forms.canonical_form, forms.minimal_form):
        with pytest.raises(InvalidGraph, match="continuous time"):
            make(steps)
        with pytest.raises(InvalidGraph, match="theta"):
            make(models.kingman(3))
    with pytest.raises(InvalidGraph, match="between 0 and 1"):
        forms.minimal_form(cyclic, tolerance=2)
