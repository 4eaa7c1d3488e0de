"""Chains to try."""

import numpy as np
import pytest

from emberkeep.phasetype import Graph


@pytest.fixture
def cyclic():
    """Three states that lead to each other; with a defect of 0.1."""
    matrix = np.array([[-3.0, 1.0, 0.5], [0.25, -2.0, 1.5], [2.0, 0.125, -4.0]])
    return Graph.from_matrix(matrix, [0.5, 0.3, 0.1])


@pytest.fixture
def erlang():
    def make(k, rate=1.0):
        return Graph.from_callback(
            lambda s: [(s - 1, rate)] if s else [], initial=[(k, 1.0)], name="erlang"
        )

    return make


@pytest.fixture
def coalescent():
    """Kingman's, as parameterised: pairs times theta[0]."""

    def make(n):
        def coalesce(state):
            edges = []
            for i in range(n):
                for j in range(i, n):
                    pairs = state[i] * (state[i] - 1) / 2 if i == j else float(state[i] * state[j])
                    if pairs > 0 and sum(state) > 1:
                        after = list(state)
                        after[i] -= 1
                        after[j] -= 1
                        after[i + j + 1] += 1
                        edges.append((tuple(after), [pairs]))
            return edges

        return Graph.from_callback(
            coalesce, initial=[((n,) + (0,) * (n - 1), 1.0)], theta_length=1, name="coalescent"
        )

    return make


@pytest.fixture
def enclosed():
    """What interval arithmetic says of a chain in continuous time, to 14 digits or more."""
    pytest.importorskip("flint", reason="needs python-flint, of the extra `dev`")
    return intervals


def intervals(graph, times, theta=()):
    """By name and time: densities, probabilities that it has ended and not, and those of states.

    The radius of an interval is proven, so these numbers are; of values below 1e-270, absolutely.
    """
    from flint import arb, arb_mat, ctx

    weights = graph.edges.weights(np.asarray(theta, float)).tolist()
    edges = [*zip(graph.edges.sources.tolist(), graph.edges.targets.tolist(), weights, strict=True)]
    ends = set(graph.absorbing.tolist())
    found = []
    for time in np.asarray(times, float).tolist():
        bits = 320
        while True:
            ctx.prec = bits
            rows = [[arb(0)] * len(graph) for _ in range(len(graph))]
            for source, target, weight in edges:
                rows[source][target] += arb(weight)
                rows[source][source] -= arb(weight)
            missing = graph.defect - float(graph.initial[graph.absorbing].sum())
            begin = arb_mat([[arb(part) for part in graph.initial.tolist()]])
            row = begin * (arb_mat(rows) * arb(time)).exp()
            states = [row[0, vertex] for vertex in range(len(graph))]
            left = sum((p for vertex, p in enumerate(states) if vertex not in ends), arb(0))
            ended = sum((states[end] for end in ends), arb(missing))
            density = sum((states[s] * arb(w) for s, t, w in edges if t in ends), arb(0))
            values = [density, ended, left, *states]
            if all(float(v.rad()) <= 1e-14 * abs(float(v.mid())) + 1e-284 for v in values):
                break
            bits *= 2
            assert bits < 40_000, "interval arithmetic did not get anywhere"
        found.append([float(v.mid()) for v in values])
    table = np.array(found)
    parts = {"pdf": table[:, 0], "cdf": table[:, 1], "survival": table[:, 2]}
    return {**parts, "states": table[:, 3:]}


@pytest.fixture
def stiff_graph():
    """Random chains with rates up to twelve orders apart: any edges, one way, there and back."""

    def make(random):
        count, orders = int(random.integers(2, 9)), random.uniform(1, 12)
        rates = lambda *shape: 10.0 ** random.uniform(-orders / 2, orders / 2, shape)
        matrix = np.diag(rates(count - 1), 1)
        match random.integers(3):
            case 0:
                matrix += rates(count, count) * (random.random((count, count)) < random.random())
            case 1:
                matrix += np.triu(rates(count, count) * (random.random((count, count)) < 0.2), 1)
            case _:
                matrix += np.diag(rates(count - 1), -1)
        np.fill_diagonal(matrix, 0)
        out = rates(count) * (random.random(count) < 0.4)
        out[-1] = rates(1)[0]
        begin = random.random(count) * (random.random(count) < 0.5)
        begin[0] += 0.1
        begin /= begin.sum() * random.choice([1.0, 1.25])
        builder = Graph.builder(name="stiff")
        for vertex in range(count):
            builder.add_vertex(vertex + 1, begin[vertex])
        end = builder.add_vertex(0)
        for source, target in np.argwhere(matrix > 0).tolist():
            builder.add_edge(source, target, matrix[source, target])
        for vertex in np.flatnonzero(out).tolist():
            builder.add_edge(vertex, end, out[vertex])
        return builder.build()

    return make
