"""Parameters that are fixed, tied, or any function; beginnings that depend on them."""

import numpy as np
import pytest

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph, models, parameters


@pytest.fixture
def graph():
    return models.two_locus(3)


def test_fixed_parameters(graph):
    half = parameters.fixed(graph, {1: 0.75})
    assert half.theta_length == 1
    assert half.expectation([2.0]) == pytest.approx(graph.expectation([2.0, 0.75]), rel=1e-13)
    none = parameters.fixed(graph, {0: 2.0, 1: 0.75})
    assert none.theta_length == 0
    assert none.expectation() == pytest.approx(graph.expectation([2.0, 0.75]), rel=1e-13)


def test_tied_parameters(graph):
    one = parameters.tied(graph, [(0, 1)])
    assert one.theta_length == 1
    assert one.expectation([1.5]) == pytest.approx(graph.expectation([1.5, 1.5]), rel=1e-13)
    value, slope = one.gradient([1.5])
    _, slopes = graph.gradient([1.5, 1.5])
    assert slope[0] == pytest.approx(slopes.sum(), rel=1e-12)


def test_linear_functions_of_parameters(graph):
    other = parameters.reparameterised(graph, [[2.0], [0.5]], [0.0, 0.25])
    assert other.expectation([1.5]) == pytest.approx(graph.expectation([3.0, 1.0]), rel=1e-13)


def test_weights_by_a_function():
    graph = models.kingman(4)
    made = parameters.weighed(graph, lambda theta, kinds: kinds[:, 1] ** theta[0] * theta[1])
    theta = [0.5, 2.0]
    builder = Graph.builder()
    for vertex in graph:
        builder.add_vertex(vertex.state, vertex.initial)
    for vertex in graph:
        for target, _, (coefficient,) in vertex.edges:
            builder.add_edge(vertex.number, target, coefficient**0.5 * 2.0)
    expected = builder.build()
    assert made.graph.expectation(made(theta)) == pytest.approx(expected.expectation(), rel=1e-13)
    assert made.graph.pdf(0.5, made(theta)) == pytest.approx(expected.pdf(0.5), rel=1e-11)
    rows = made(np.array([theta, [1.0, 1.0]]))
    assert made.graph.expectation(rows)[1] == pytest.approx(graph.expectation([1.0]), rel=1e-13)


def test_weights_by_a_function_that_jax_differentiates():
    jax = pytest.importorskip("jax")
    graph = models.lineages(3)
    made = parameters.weighed(graph, lambda theta, kinds: kinds[:, 1] * theta[0] ** 2)
    model = made.graph.model()
    with jax.enable_x64(True):
        slope = jax.grad(lambda theta: model(made(theta), jax.numpy.array([0.7]))[0])(
            jax.numpy.array([1.3])
        )
    h = 1e-5
    expected = (graph.pdf(0.7, [(1.3 + h) ** 2]) - graph.pdf(0.7, [(1.3 - h) ** 2])) / (2 * h)
    assert float(slope[0]) == pytest.approx(expected, rel=1e-7)


def test_beginnings_that_depend_on_parameters():
    # Hyperexponential: with probability theta[0] at rate 1, else at rate 3.
    builder = Graph.builder(theta_length=1)
    slow, fast = builder.add_vertex(1, 0.5), builder.add_vertex(2, 0.5)
    end = builder.add_vertex(0)
    builder.add_edge(slow, end, 1.0)
    builder.add_edge(fast, end, 3.0)
    made = parameters.started(builder.build(), [(1, 0.0), (2, 1.0)], [[1.0], [-1.0]])
    graph, rewards = made.graph, made.rewards
    assert graph.states.label(len(graph) - 1) == -1
    for p in (0.25, 0.9):
        mean = p + (1 - p) / 3
        assert graph.expectation([p], rewards=rewards) == pytest.approx(mean, rel=1e-13)
        second = 2 * p + 2 * (1 - p) / 9
        variance = graph.variance([p], rewards=rewards)
        assert variance == pytest.approx(second - mean**2, rel=1e-12)
        density = p * np.exp(-0.7) + (1 - p) * 3 * np.exp(-2.1)
        assert graph.pdf(0.7, [p], rewards=rewards) == pytest.approx(density, rel=1e-11)
        value, slope = graph.gradient([p], rewards=rewards)
        assert slope[0] == pytest.approx(1 - 1 / 3, rel=1e-12)


def test_beginnings_as_a_model():
    jax = pytest.importorskip("jax")
    builder = Graph.builder(theta_length=1)
    slow, fast = builder.add_vertex("slow", 0.5), builder.add_vertex("fast", 0.5)
    end = builder.add_vertex("end")
    builder.add_edge(slow, end, 1.0)
    builder.add_edge(fast, end, 3.0)
    made = parameters.started(builder.build(), [("slow", 0.0), ("fast", 1.0)], [[1.0], [-1.0]])
    model = made.graph.model(rewards=made.rewards)
    with jax.enable_x64(True):
        times = jax.numpy.array([0.7])
        value, slope = jax.value_and_grad(lambda theta: model(theta, times)[0])(
            jax.numpy.array([0.25])
        )
    slow, fast = np.exp(-0.7), 3 * np.exp(-2.1)
    assert float(value) == pytest.approx(0.25 * slow + 0.75 * fast, rel=1e-11)
    assert float(slope[0]) == pytest.approx(slow - fast, rel=1e-9)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda g: parameters.fixed(g, {2: 1.0}), "no parameter 2"),
        (lambda g: parameters.fixed(g, {0: -1.0}), "negative weight"),
        (lambda g: parameters.tied(g, [(0, 3)]), "no parameter 3"),
        (lambda g: parameters.tied(g, [(0, 1), (1,)]), "tied twice"),
        (lambda g: parameters.reparameterised(g, np.eye(3)), "expected \\(2, any\\)"),
        (lambda g: parameters.weighed(g, lambda _, __: 1.0)([1.0]), "a weight for each row"),
        (lambda g: parameters.started(g, [((3, 0, 0), 1.0)], [[1.0]]), "by state to begin in"),
        (lambda g: parameters.started(g, [((9, 0, 0), 1.0)], [[0.0, 0.0]]), "no vertex"),
    ],
)
def test_nonsense_is_refused_by_name(graph, ask, message):
    with pytest.raises(InvalidGraph, match=message):
        ask(graph)
