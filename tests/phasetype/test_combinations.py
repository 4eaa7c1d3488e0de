"""Minima, maxima, sums and mixtures: by what is known of independent times."""

import numpy as np
import pytest
import scipy.integrate

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph, combinations, models

TIMES = np.array([0.0, 0.1, 0.7, 2.0, 9.0])


@pytest.fixture
def stepped():
    matrix = np.array([[0.5, 0.25, 0.0], [0.125, 0.25, 0.5], [0.0, 0.5, 0.0]])
    return Graph.from_matrix(matrix, [0.5, 0.25, 0.125], discrete=True)


@pytest.fixture
def geometric():
    return Graph.from_matrix([[0.75]], [1.0], discrete=True)


def test_the_least_of_independent_times(cyclic, erlang):
    graph = combinations.minimum(cyclic, erlang(3, 2.0), erlang(1, 0.25))
    expected = (
        cyclic.survival(TIMES) * erlang(3, 2.0).survival(TIMES) * erlang(1, 0.25).survival(TIMES)
    )
    assert graph.survival(TIMES) == pytest.approx(expected, rel=1e-10)
    assert graph.defect == pytest.approx(cyclic.defect, rel=1e-14)


def test_the_largest_of_independent_times(cyclic, erlang):
    graph = combinations.maximum(cyclic, erlang(3, 2.0))
    expected = cyclic.cdf(TIMES) * erlang(3, 2.0).cdf(TIMES)
    assert graph.cdf(TIMES) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    rates = [1.0, 2.0, 3.5]
    graph = combinations.maximum(*(erlang(1, rate) for rate in rates))
    a, b, c = rates
    mean = 1 / a + 1 / b + 1 / c - 1 / (a + b) - 1 / (a + c) - 1 / (b + c) + 1 / (a + b + c)
    assert graph.expectation() == pytest.approx(mean, rel=1e-14)


def test_the_sum_of_independent_times(cyclic, erlang):
    other = erlang(2, 3.0)
    graph = combinations.convolution(cyclic, other)
    assert graph.expectation() == pytest.approx(cyclic.expectation() + other.expectation())
    assert graph.variance() == pytest.approx(cyclic.variance() + other.variance(), rel=1e-13)
    s = np.array([0.1, 1.0, 5.0])
    expected = cyclic.laplace_transform(s) * other.laplace_transform(s)
    assert graph.laplace_transform(s) == pytest.approx(expected, rel=1e-13)
    once, _ = scipy.integrate.quad(lambda t: cyclic.pdf(t) * other.pdf(1.5 - t), 0, 1.5)
    assert graph.pdf(1.5) == pytest.approx(once + cyclic.defect * other.pdf(1.5), rel=1e-8)
    assert graph.defect == 0.0


def test_sums_of_what_may_have_ended_before(cyclic):
    graph = combinations.convolution(cyclic, cyclic, cyclic)
    assert graph.defect == pytest.approx(cyclic.defect**3, rel=1e-12)
    assert graph.laplace_transform(0.5) == pytest.approx(
        cyclic.laplace_transform(0.5) ** 3, rel=1e-13
    )


def test_one_of_several(cyclic, erlang):
    graph = combinations.mixture([0.25, 0.0, 0.5], [cyclic, erlang(1), erlang(4, 3.0)])
    expected = 0.25 * cyclic.pdf(TIMES) + 0.5 * erlang(4, 3.0).pdf(TIMES)
    assert graph.pdf(TIMES) == pytest.approx(expected, rel=1e-10)
    assert graph.defect == pytest.approx(0.25 + 0.25 * cyclic.defect, rel=1e-13)
    assert len(graph) == 3 + 4 + 1


def test_in_steps(stepped, geometric):
    steps = np.arange(30)
    least = combinations.minimum(stepped, geometric)
    expected = stepped.survival(steps) * geometric.survival(steps)
    assert least.survival(steps) == pytest.approx(expected, rel=1e-12)
    most = combinations.maximum(stepped, geometric)
    assert most.cdf(steps) == pytest.approx(stepped.cdf(steps) * geometric.cdf(steps), rel=1e-12)
    total = combinations.convolution(stepped, geometric)
    expected = np.convolve(stepped.pmf(steps), geometric.pmf(steps))[:30]
    assert total.pmf(steps) == pytest.approx(expected, rel=1e-12)
    either = combinations.mixture([0.5, 0.5], [stepped, geometric])
    expected = (stepped.pmf(steps) + geometric.pmf(steps)) / 2
    assert either.pmf(steps) == pytest.approx(expected, rel=1e-13)


def test_parameters_are_shared(coalescent):
    one, other = coalescent(3), models.erlang(2, 1.5)
    theta = [[0.5], [2.0]]
    for made in (
        combinations.minimum(one, other),
        combinations.maximum(one, one),
        combinations.convolution(one, other, one),
        combinations.mixture([0.5, 0.5], [one, other]),
    ):
        assert made.theta_length == 1
        for vector in theta:
            fixed = made.instantiate(vector)
            assert made.expectation(vector) == pytest.approx(fixed.expectation(), rel=1e-13)
    total = combinations.convolution(one, other, one)
    expected = 2 * one.expectation(theta) + other.expectation()
    assert total.expectation(theta) == pytest.approx(expected, rel=1e-13)


def test_states_say_where_each_part_is(erlang):
    graph = combinations.maximum(erlang(2), erlang(1))
    states = {graph.states.label(vertex) for vertex in range(len(graph))}
    assert states == {(0, 0), (1, 0), (0, -1), (1, -1), (-1, 0), (-1, -1)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda g, _: combinations.minimum(g), "2 graphs or more"),
        (lambda g, _: combinations.maximum(g, 3), "2 graphs or more"),
        (lambda g, s: combinations.convolution(g, s), "some are not"),
        (lambda g, _: combinations.mixture([0.5], [g, g]), "one for each graph"),
        (lambda g, _: combinations.mixture([0.5, -0.5], [g, g]), "one for each graph"),
        (lambda g, _: combinations.mixture([0.5, 0.75], [g, g]), "add up to"),
        (
            lambda g, _: combinations.minimum(models.kingman(3), models.two_locus(2)),
            "equally many",
        ),
        (lambda g, _: combinations.minimum(*[models.rabbits(50)] * 3), "more than"),
    ],
)
def test_nonsense_is_refused_by_name(cyclic, stepped, make, message):
    with pytest.raises(InvalidGraph, match=message):
        make(cyclic, stepped)


def test_in_steps_products_of_parameters_are_refused():
    builder = Graph.builder(theta_length=1, discrete=True)
    builder.add_edge(builder.add_vertex(1, 1.0), builder.add_vertex(0), [1.0])
    graph = builder.build()
    with pytest.raises(InvalidGraph, match="products of weights"):
        combinations.minimum(graph, graph)
    least = combinations.minimum(graph.instantiate([0.5]), graph.instantiate([0.25]))
    assert least.pmf(1) == pytest.approx(1 - 0.5 * 0.75)
