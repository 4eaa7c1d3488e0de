"""The call that other libraries have: Graph(callback=…, parameterized=True, …)."""

import numpy as np
import pytest

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph, models


def coalescent(state, nr_samples=None):
    if not state.size:
        return [([nr_samples, *[0] * (nr_samples - 1)], 1.0, [1.0])]
    edges = []
    if state.sum() <= 1:
        return edges
    for i in range(nr_samples):
        for j in range(i, nr_samples):
            pairs = state[i] * (state[i] - 1) / 2 if i == j else float(state[i] * state[j])
            if pairs > 0:
                after = state.copy()
                after[i] -= 1
                after[j] -= 1
                after[i + j + 1] += 1
                edges.append([after, 0.0, [pairs]])
    return edges


def test_it_is_the_same_graph():
    graph = Graph(callback=coalescent, parameterized=True, nr_samples=6)
    assert graph.theta_length == 1
    assert graph.name == "coalescent"
    times = np.linspace(0.1, 4, 9)
    known = models.kingman(6)
    assert np.allclose(graph.pdf(times, [1.3]), known.pdf(times, [1.3]), rtol=1e-13)
    assert graph.expectation([0.5]) == pytest.approx(known.expectation([0.5]), rel=1e-14)


def test_weights_without_parameters():
    def steps(state):
        return [([3], 1.0)] if not state.size else [([state[0] - 1], 0.5)] if state[0] else []

    graph = Graph(callback=steps, is_discrete=True)
    assert graph.is_discrete
    assert graph.expectation() == pytest.approx(6)
    with pytest.raises(InvalidGraph, match="coefficients"):
        Graph(callback=steps, parameterized=True)


def test_what_is_no_call():
    with pytest.raises(InvalidGraph, match="from_callback"):
        Graph()
    with pytest.raises(InvalidGraph, match="from_callback"):
        Graph(nr_samples=3)
    with pytest.raises(InvalidGraph, match="empty state"):
        Graph(callback=lambda _: [])


def test_where_it_begins_may_be_passed():
    def down(state):
        return [([state[0] - 1], 2.0)] if state[0] else []

    for ipv in ([((3,), 1.0)], [[[3], 1.0]], [3], (3,), np.array([3])):
        graph = Graph(down, ipv=ipv)
        assert (graph.name, len(graph)) == ("down", 4)
        assert graph.expectation() == 1.5
    halves = Graph(callback=down, ipv=[([3], 0.5), ([1], 0.25)])
    assert halves.expectation() == 0.5 * 1.5 + 0.25 * 0.5
    assert halves.defect == 0.25


@pytest.mark.parametrize("ipv", [3, [([3], [1.0])], [([3], 1.0, 2.0)]])
def test_what_is_no_beginning(ipv):
    with pytest.raises(InvalidGraph, match="ipv is"):
        Graph(coalescent, ipv=ipv, nr_samples=3)
