"""Laplace transforms off the positive axis: against closed forms, mpmath, and inversion."""

from math import comb

import mpmath
import numpy as np
import pytest

from emberkeep.errors import InvalidGraph, TooStiff
from emberkeep.phasetype import Graph, models


def exact(graph, s, rewards=None, dps=60):
    """α (S(s))⁻¹ s by mpmath."""
    with mpmath.workdps(dps):
        inner = [v for v in range(len(graph)) if v not in graph.absorbing]
        n = len(inner)
        matrix, ending = mpmath.matrix(n, n), mpmath.matrix(n, 1)
        for i, vertex in enumerate(inner):
            out = mpmath.mpf(0)
            for target, weight, _ in graph.vertex(vertex).edges:
                out += mpmath.mpf(weight)
                if target in graph.absorbing:
                    ending[i] += mpmath.mpf(weight)
                else:
                    matrix[i, inner.index(target)] -= mpmath.mpf(weight)
            earned = 1 if rewards is None else mpmath.mpf(float(rewards[vertex]))
            killing = mpmath.expm1(mpmath.mpmathify(s)) if graph.is_discrete else s
            matrix[i, i] += out + killing * earned
        solved = mpmath.lu_solve(matrix, ending)
        begin = sum(mpmath.mpf(float(graph.initial[v])) * solved[i] for i, v in enumerate(inner))
        return complex(begin + graph.defect)


ARGUMENTS = [0.5 + 2j, -0.3, -0.3 + 1j, 1e3 - 1e4j, 25j, 1e-9j, -1e-12 + 0j]


def test_of_an_erlang(erlang):
    graph = erlang(4, 3.0)
    for s in [*ARGUMENTS, -2.5, -2.9 + 0.5j]:
        expected = (3 / (3 + s)) ** 4
        assert graph.laplace_transform(s) == pytest.approx(expected, rel=1e-12)


def test_against_mpmath(cyclic):
    rewards = [1.0, 0.0, 2.5, 0.0]
    for s in ARGUMENTS:
        for given in (None, rewards):
            found = cyclic.laplace_transform(s, rewards=given)
            scale = abs(exact(cyclic, np.real(s), given))
            assert abs(found - exact(cyclic, s, given)) < 1e-13 * scale


def test_of_steps():
    matrix = np.array([[0.5, 0.25, 0.0], [0.125, 0.25, 0.5], [0.0, 0.5, 0.0]])
    graph = Graph.from_matrix(matrix, [0.5, 0.25, 0.125], discrete=True)
    for s in [0.1 + 2j, -0.05, -0.05 + 3j, 2j]:
        assert graph.laplace_transform(s) == pytest.approx(exact(graph, s), rel=1e-12)
        steps = np.arange(4000)
        series = (graph.pmf(steps) * np.exp(-s * steps)).sum()
        assert graph.laplace_transform(s) == pytest.approx(series, rel=1e-10)
    radius = -np.log(np.abs(np.linalg.eigvals(matrix)).max())
    graph.laplace_transform(-0.999 * radius)
    with pytest.raises(InvalidGraph, match="region of convergence"):
        graph.laplace_transform(-1.001 * radius)


def test_the_border_is_the_slowest_decay(cyclic):
    matrix = np.array([[-3.0, 1.0, 0.5], [0.25, -2.0, 1.5], [2.0, 0.125, -4.0]])
    border = np.linalg.eigvals(matrix).real.max()
    assert cyclic.laplace_transform(border * 0.9999) > 100
    for s in (border * 1.0001, border * 1.0001 + 1j, border * 3, -1e6):
        with pytest.raises(InvalidGraph, match="region of convergence"):
            cyclic.laplace_transform(s)


def test_shapes_and_kinds(coalescent):
    graph = coalescent(4)
    theta = [[1.0], [2.0]]
    found = graph.laplace_transform([[0.5, -0.2], [1.0, 2.0]], theta)
    assert found.shape == (2, 2, 2)
    assert found.dtype == float
    assert found[1, 1, 1] == pytest.approx(graph.laplace_transform(2.0, [2.0]), rel=1e-13)
    assert isinstance(graph.laplace_transform(-0.1, [1.0]), float)
    assert isinstance(graph.laplace_transform(1j, [1.0]), complex)
    conjugate = graph.laplace_transform([1 + 2j, 1 - 2j], [1.0])
    assert conjugate[0] == pytest.approx(conjugate[1].conjugate(), rel=1e-14)


def test_a_value_does_not_depend_on_its_neighbours(cyclic):
    alone = cyclic.laplace_transform(0.5 + 1j)
    assert cyclic.laplace_transform([3.0, 0.5 + 1j, -0.1])[1] == alone


def test_far_out_it_is_as_precise_as_at_its_real_part():
    graph = models.erlang(30, 1.0)
    s = 1e6 + 1e6j
    assert graph.laplace_transform(s) == pytest.approx((1 / (1 + s)) ** 30, rel=1e-11)


@pytest.mark.parametrize("seed", range(6))
def test_rates_far_apart(stiff_graph, seed):
    graph = stiff_graph(np.random.default_rng(seed))
    for s in (1j, 0.5 + 100j, 1e4 * (1 + 1j)):
        try:
            found = graph.laplace_transform(s)
        except TooStiff:
            continue
        scale = abs(exact(graph, s.real)) - graph.defect
        assert abs(found - exact(graph, s)) < 2e-10 * scale + 1e-16


def test_an_inversion_gives_the_density(cyclic):
    # Abate and Whitt's Euler algorithm, from complex arguments alone.
    m, t = 15, 0.8
    total = 0.0
    for k in range(2 * m + 1):
        beta = m * np.log(10) / 3 + 1j * np.pi * k
        xi = 0.5 if k == 0 else 1.0
        if k > m:
            xi = sum(comb(m, j) for j in range(2 * m - k + 1)) * 2.0**-m
        value = cyclic.laplace_transform(beta / t) - cyclic.defect
        total += (-1) ** k * xi * value.real
    assert 10 ** (m / 3) / t * total == pytest.approx(cyclic.pdf(t), rel=1e-7)


def test_nonsense_is_refused_by_name(cyclic):
    for nonsense in (np.inf, complex(0, np.nan), "s"):
        with pytest.raises(InvalidGraph, match="arguments of the transform"):
            cyclic.laplace_transform(nonsense)
    with pytest.raises(InvalidGraph, match="up to 3,000"):
        models.rabbits(80).laplace_transform(1j, [1.0, 1.0, 1.0])
