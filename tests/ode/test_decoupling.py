"""Stages of fully implicit methods, in the coordinates in which they part."""

import numpy as np
import pytest
from numpy.polynomial import Legendre, Polynomial

from emberkeep.ode.kernel.families.decoupling import Inseparable, decoupling

GAUSS, RADAU = "gauss", "radau"
METHODS = [(GAUSS, 2), (GAUSS, 3), (GAUSS, 4), (RADAU, 2), (RADAU, 3), (RADAU, 5), (RADAU, 7)]


def collocation(kind, count):
    """What each stage takes of each: integrals of the polynomials that are 1 at one node."""
    polynomial = Legendre.basis(count, domain=[0, 1])
    if kind == RADAU:
        polynomial -= Legendre.basis(count - 1, domain=[0, 1])
    nodes = np.sort(polynomial.roots().real)
    integrals = []
    for node in nodes:
        others = nodes[nodes != node]
        integrals.append((Polynomial.fromroots(others) / np.prod(node - others)).integ())
    return np.array([[integral(node) for integral in integrals] for node in nodes])


def blocks(gammas):
    """Γ, as T has its columns."""
    found = np.zeros((0, 0))
    for gamma in gammas:
        block = np.atleast_2d(gamma)
        if isinstance(gamma, complex):
            block = np.array([[gamma.real, -gamma.imag], [gamma.imag, gamma.real]])
        size = len(found)
        both = np.zeros((size + len(block),) * 2)
        both[:size, :size], both[size:, size:] = found, block
        found = both
    return found


@pytest.mark.parametrize(("kind", "count"), METHODS)
def test_a_matrix_is_what_it_is_taken_apart_into(kind, count):
    matrix = collocation(kind, count)
    parts = decoupling(matrix.tolist())
    states, inverse = np.array(parts.states), np.array(parts.inverse)
    gammas = blocks(parts.gammas)
    assert np.abs(states).max() <= 1 + 1e-15
    condition = np.linalg.cond(states)
    np.testing.assert_allclose(states @ inverse, np.eye(count), atol=2e-16 * condition)
    np.testing.assert_allclose(states @ gammas @ inverse, matrix, atol=2e-16 * condition)
    slopes = np.array(parts.slopes, float)
    np.testing.assert_allclose(matrix @ slopes, states, atol=1e-15)
    found = [*parts.gammas, *(gamma.conjugate() for gamma in parts.gammas if gamma.imag)]
    np.testing.assert_allclose(
        np.sort_complex(found), np.sort_complex(np.linalg.eigvals(matrix)), rtol=1e-11
    )


@pytest.mark.parametrize("count", [2, 3, 5])
def test_what_ends_with_a_stage_takes_as_little_of_the_unknowns_as_can_be(count):
    """Of a pair only the first, by 1 at most, without a trace of rounding."""
    matrix = collocation(RADAU, count)
    parts = decoupling(matrix.tolist())
    weights = parts.of_slopes(matrix[-1].tolist())
    assert weights == parts.states[-1]
    assert sum(weight == 0 for weight in weights) == count // 2


def test_real_eigenvalues_are_real():
    parts = decoupling([[0.5, 0.0, 0.0], [0.25, 0.125, 0.0], [1.0, 0.5, -2.0]])
    assert parts.gammas == (-2.0, 0.125, 0.5)
    assert not any(isinstance(gamma, complex) for gamma in parts.gammas)


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.25, 0.0], [0.5, 0.25]],  # of one direction
        [[0.0, 0.0], [0.5, 0.5]],  # the trapezoidal rule: a stage that is the start
        [[0.3, 0.0], [0.0, 0.3]],
    ],
)
def test_what_does_not_part_is_refused(matrix):
    with pytest.raises(Inseparable, match="eigenvalues"):
        decoupling(matrix)


def test_radau_5_has_the_eigenvalues_of_the_literature():
    """Hairer & Wanner's RADAU5 has their inverses, to twenty digits."""
    [gamma, pair] = decoupling(collocation(RADAU, 3).round(15).tolist()).gammas
    assert gamma == pytest.approx(1 / 3.6378342527444957, rel=1e-14)
    assert 1 / pair == pytest.approx(2.6810828736277521 - 3.0504301992474105j, rel=1e-14)
