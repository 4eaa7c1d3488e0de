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
