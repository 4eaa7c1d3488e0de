"""What newcomers write, and what they read then."""

import jax
import numpy as np
import pytest

from emberkeep.errors import InvalidGraph, InvalidPlan
from emberkeep.phasetype import SVGD, Graph, inference


def halving(n):
    return [(n // 2, [float(n)])] if n else []


@pytest.fixture
def graph():
    return Graph.from_callback(halving, initial=[(4, 1.0)], theta_length=1, name="halving")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda g: g.expectation("a"), "theta must be numbers, not 'a'"),
        (lambda g: g.expectation([1.0, 2.0]), r"shape \(2,\), and halving has 1 parameters"),
        (lambda g: g.expectation(), r"pass theta=\[…\]"),
        (lambda g: g.pdf("soon", [1.0]), "The times must be numbers, not 'soon'"),
        (lambda g: g.quantile("half", [1.0]), "The probabilities must be numbers"),
        (lambda g: g.expectation([1.0], rewards="all"), "Rewards must be numbers, not 'all'"),
        (lambda g: g.model(moments="2"), "moments='2': expected how many"),
        (lambda g: g.model()("soon", [1.0]), "theta and times must be numbers, not 'soon'"),
    ],
)
def test_of_a_graph(graph, call, told):
    with pytest.raises(InvalidGraph, match=told):
        call(graph)


@pytest.mark.parametrize("how", [jax.jit, jax.grad])
@pytest.mark.parametrize("wrap", [lambda theta: theta, lambda theta: [theta[0]]])
def test_what_jax_traces_goes_to_a_model(graph, how, wrap):
    with pytest.raises(InvalidGraph, match=r"JAX traces them.*graph\.model\(\)"):
        how(lambda theta: graph.expectation(wrap(theta)))(np.ones(1))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: Graph.from_callback([1], [(0, 1.0)]), r"The callback is \[1\]; expected a func"),
        (lambda: Graph.from_callback(halving, [(4, 1.0)]), "1 coefficients, and there are 0 param"),
        (lambda: Graph.from_matrix("a", [1.0]), "entries of the matrix must be numbers, not 'a'"),
        (lambda: Graph.from_matrix([[-1.0]], ["a"]), "The probabilities alpha must be numbers"),
        (
            lambda: Graph.from_callback(lambda _: 3, [(0, 1.0)]),
            "For state 0 the callback returned 3",
        ),
        (lambda: Graph.pmf_from_graph(3), "A Graph is expected, and a int was passed"),
        (lambda: Graph.pmf_and_moments_from_graph(halving), "a function was passed"),
    ],
)
def test_of_making_one(call, told):
    with pytest.raises(InvalidGraph, match=told):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda given: SVGD(given, [1.0, 2.0]),
        lambda given: inference.svgd(given, [1.0]),
        lambda given: inference.mcmc(given, [1.0]),
        lambda given: inference.method_of_moments(given, [1.0]),
    ],
)
def test_a_graph_is_no_model(graph, call):
    with pytest.raises(InvalidPlan, match=r"a graph was passed, 'halving'. Pass graph\.model\(\)"):
        call(graph)
    with pytest.raises(InvalidPlan, match="a function was passed, which has no density"):
        call(halving)
