"""Chains as dense matrices: another way to all that models give; slopes by complex steps."""

import math
from types import SimpleNamespace

import jax
import mpmath
import numpy as np
import pytest
import scipy.linalg

from emberkeep.phasetype import Graph

jax.config.update("jax_enable_x64", True)


@pytest.fixture(scope="module", autouse=True)
def _lasting_programs(lasting_programs):
    """Most of the time of these tests is compiling."""


class Linear:
    """A chain whose weights are base + coefficients · theta; its last state is the end."""

    def __init__(self, base, coefficients, initial, *, discrete=False):
        self.base, self.coefficients = np.asarray(base, float), np.asarray(coefficients, float)
        self.initial, self.discrete = np.asarray(initial, float), discrete

    @property
    def parameters(self):
        return self.coefficients.shape[2]

    def graph(self):
        last = len(self.base) - 1

        def edges(state):
            if state == last:
                return []
            return [
                (j, self.base[state, j], list(self.coefficients[state, j]))
                for j in range(last + 1)
                if j != state and (self.base[state, j] or self.coefficients[state, j].any())
            ]

        begin = [(i, p) for i, p in enumerate(self.initial) if p > 0]
        return Graph.from_callback(
            edges, begin, theta_length=self.parameters, discrete=self.discrete, name="linear"
        )

    def order(self, graph):
        """Our number of each of the graph's vertices."""
        return [int(graph.states.label(v)) for v in range(len(graph))]

    def weights(self, theta):
        found = self.base + self.coefficients @ np.asarray(theta)
        return found * (1 - np.eye(len(self.base)))

    def sub(self, theta):
        """The matrix among states that are left, and what leads from them to the end."""
        weights = self.weights(theta)
        out = weights.sum(axis=1)
        matrix = weights - np.diag(out)
        if self.discrete:
            matrix = matrix + np.eye(len(out))
        return matrix[:-1, :-1], weights[:-1, -1], self.initial[:-1]

    def earning(self, theta, rewards):
        """The same, in the time of rewards: states that earn nothing are removed."""
        matrix, leaving, initial = self.sub(theta)
        rewards = np.asarray(rewards, float)[:-1]
        none, some = np.flatnonzero(rewards == 0), np.flatnonzero(rewards > 0)
        inner = matrix[np.ix_(none, none)]
        inverse = np.linalg.inv(np.eye(len(none)) - inner if self.discrete else -inner)
        into = inverse @ matrix[np.ix_(none, some)]
        over = inverse @ leaving[none]
        matrix, back = matrix[np.ix_(some, some)], matrix[np.ix_(some, none)]
        leaving = leaving[some] + back @ over
        return matrix + back @ into, leaving, initial[some] + initial[none] @ into, rewards[some]

    def density(self, theta, time, rewards=None):
        matrix, leaving, initial = self.sub(theta)
        if rewards is not None:
            matrix, leaving, initial, earned = self.earning(theta, rewards)
            matrix, leaving = matrix / earned[:, None], leaving / earned
        return initial @ scipy.linalg.expm(matrix * time) @ leaving

    def survival(self, theta, time, rewards=None):
        matrix, leaving, initial = self.sub(theta)
        if rewards is not None:
            matrix, leaving, initial, earned = self.earning(theta, rewards)
            matrix = matrix / earned[:, None]
        return (initial @ scipy.linalg.expm(matrix * time)).sum()

    def masses(self, theta, most, rewards=None):
        """Of 0 to `most` steps, or of what is earned: by the rest, from the end on."""
        if rewards is None:
            rewards = np.ones(len(self.base))
        matrix, leaving, initial, earned = self.earning(theta, rewards)
        rest = []
        for y in range(most + 1):
            now = []
            for i, r in enumerate(earned.astype(int)):
                found = leaving[i] if y == r else 0.0
                now.append(found + (matrix[i] @ rest[y - r] if y >= r else 0.0))
            rest.append(np.array(now))
        ended = 1 - initial.sum()
        found = np.array([initial @ part for part in rest])
        found[0] += ended
        return found

    def moments(self, theta, order, rewards=None):
        matrix, _, initial = self.sub(theta)
        r = np.ones(len(initial)) if rewards is None else np.asarray(rewards, float)[:-1]
        found = []
        if not self.discrete:
            power = np.ones(len(initial))
            for k in range(1, order + 1):
                power = np.linalg.solve(-matrix, r * power)
                found.append(math.factorial(k) * initial @ power)
            return np.array(found)
        by_state = []
        for k in range(1, order + 1):
            right = r**k
            for j in range(1, k):
                right = right + math.comb(k, j) * r ** (k - j) * (matrix @ by_state[j - 1])
            by_state.append(np.linalg.solve(np.eye(len(initial)) - matrix, right))
            found.append(initial @ by_state[-1])
        return np.array(found)

    def precise(self, theta, time):
        """The density to 300 digits, for tiny ones; in continuous time."""
        with mpmath.workdps(300):
            n = len(self.base) - 1
            matrix, leaving = mpmath.zeros(n, n), mpmath.zeros(n, 1)
            for i in range(n):
                for j in range(n + 1):
                    weight = mpmath.mpf(float(self.base[i, j]))
                    for c, x in zip(self.coefficients[i, j], theta, strict=True):
                        weight += mpmath.mpf(float(c)) * mpmath.mpf(x)
                    if j == i or not weight:
                        continue
                    matrix[i, i] -= weight
                    if j == n:
                        leaving[i] = weight
                    else:
                        matrix[i, j] += weight
            moved = mpmath.expm(matrix * mpmath.mpf(time), method="taylor") * leaving
            return sum(mpmath.mpf(float(p)) * moved[i] for i, p in enumerate(self.initial[:n]))

    def precise_slopes(self, theta, time):
        """Central differences of that by theta, with a step far above its rounding."""
        with mpmath.workdps(300):
            found = []
            for i in range(len(theta)):
                x = [mpmath.mpf(float(value)) for value in theta]
                step = (abs(x[i]) or 1) * mpmath.mpf("1e-40")
                up, down = list(x), list(x)
                up[i], down[i] = x[i] + step, x[i] - step
                change = self.precise(up, time) - self.precise(down, time)
                found.append(change / (2 * step))
            return found


def random_linear(rng, states, parameters, *, discrete=False, cyclic=True, base=0.3, spread=1.0):
    """States that lead to each other or only onward, with some end from each."""
    allowed = rng.random((states, states)) < 0.5
    allowed[np.arange(states - 1), np.arange(1, states)] = True
    allowed &= ~np.eye(states, dtype=bool)
    if not cyclic:
        allowed = np.triu(allowed, 1)
    allowed[-1] = False
    coefficients = rng.uniform(0.1, 1, (states, states, parameters)) * 10.0 ** rng.uniform(
        -spread, spread, (states, states, 1)
    )
    coefficients *= rng.random(coefficients.shape) < 0.6
    known = rng.uniform(0.1, 1, (states, states)) * (rng.random((states, states)) < base)
    none = allowed & ~coefficients.any(axis=2) & (known == 0)
    known[none] = 0.4
    known, coefficients = known * allowed, coefficients * allowed[:, :, None]
    if discrete:
        most = (known + coefficients.sum(axis=2)).sum(axis=1).max() * 1.2
        known, coefficients = known / most, coefficients / most
    initial = rng.dirichlet(np.ones(states)) * (rng.random(states) < 0.7)
    initial[0] += 0.1
    initial[-1] = 0.0
    initial /= max(initial.sum(), 1.0)
    return Linear(known, coefficients, initial, discrete=discrete)


def slopes(function, at):
    """Derivatives by complex steps, which cancel nothing; by parameter last."""
    at, found = np.asarray(at, complex), []
    for i in np.ndindex(at.shape):
        moved = at.copy()
        moved[i] += 1e-30j
        found.append(np.imag(function(moved)) / 1e-30)
    return np.stack(found, axis=-1) if at.ndim else found[0]


@pytest.fixture(scope="session")
def dense():
    """`Linear`, and a function that makes random ones."""
    return SimpleNamespace(Linear=Linear, random=random_linear, slopes=slopes)


@pytest.fixture(scope="session")
def chained():
    """A line of states with one rate each, from coefficients of theta."""

    def make(coefficients, initial=None):
        coefficients = np.asarray(coefficients, float)
        n = len(coefficients) + 1
        full = np.zeros((n, n, coefficients.shape[1]))
        full[np.arange(n - 1), np.arange(1, n)] = coefficients
        return Linear(np.zeros((n, n)), full, np.eye(n)[0] if initial is None else initial)

    return make
