"""What another process finds by its name."""

import numpy as np

import emberkeep
from emberkeep import ode


def decay(t, y, p):
    return (-p.k * y.x,)


def rate(x, k):
    return k * x


def scaled(factor, t, y, p):
    return (-factor * p.k * y.x,)


class Law:
    """A right-hand side that is an object, and has one as a method."""

    def __init__(self, factor):
        self.factor = factor

    def __eq__(self, other):
        return type(other) is Law and other.factor == self.factor

    __hash__ = None

    def __call__(self, t, y, p):
        return (-self.factor * p.k * y.x,)

    def slope(self, t, y, p):
        return self(t, y, p)


@emberkeep.kernel("float64[::1]")
def double(i, values):
    values[i] = 2.0 * values[i]


def triple(i, values):
    values[i] = 3.0 * values[i]


beside = emberkeep.kernel("float64[::1]")(triple)


def slope(t, y):
    return [y[1], -y[0]]


def run(kernel, values):
    kernel(values, count=values.size)
    return values


def solve(solver, **arguments):
    return solver.solve((0.0, 1.0), **arguments)


def expect(graph, theta):
    return graph.expectation(theta)


def where(keep):
    return keep.settings.root, keep.settings.read_only


def echo(thing):
    return thing


def text_system(**named):
    given = {"states": {"x": 1.0}, "parameters": {"k": 0.5}, **named}
    return ode.System("dx = -k*x", **given)


def two_stages(state):
    return [((state[0] + 1,), [1.0, 0.0] if state[0] == 0 else [0.0, 1.0])] if state[0] < 2 else []


THETA = np.array([2.0, 4.0])
