"""Explicit Runge-Kutta steps in plain Python, for whatever numbers: what kernels are judged by."""

from decimal import Decimal
from fractions import Fraction


def slopes(tableau, f, t, y, h):
    """The slopes of all stages of a step, of extra ones too."""
    found = []
    nodes = (*tableau.nodes, *tableau.extra_nodes)
    for node, row in zip(nodes, ((), *tableau.stages, *tableau.extra_stages), strict=True):
        found.append(f(t + h * node, moved(y, h, row, found)))
    return found


def moved(y, h, weights, found):
    """The states moved by so much of each slope."""
    pairs = list(zip(weights, found, strict=False))
    return [value + h * sum(w * k[i] for w, k in pairs if w) for i, value in enumerate(y)]


def step(tableau, f, t, y, h):
    """The states after a step, the estimate of its error (or None), and all slopes."""
    found = slopes(tableau, f, t, y, h)
    zero = [0 * value for value in y]
    error = moved(zero, h, tableau.error, found) if tableau.error else None
    return moved(y, h, tableau.weights, found), error, found


def within(tableau, f, t, y, h, theta):
    """The states at a fraction of a step: by its interpolant, or Hermite's."""
    after, _, found = step(tableau, f, t, y, h)
    if tableau.interpolant:
        weights = [
            sum(c * theta**power for power, c in enumerate(row, 1)) for row in tableau.interpolant
        ]
        return moved(y, h, weights, found)
    last = f(t + h, after)
    change, start, end = (
        theta**2 * (3 - 2 * theta),
        theta * (1 - theta) ** 2,
        theta**2 * (theta - 1),
    )
    return [
        y0 + change * (y1 - y0) + h * (start * k0 + end * k1)
        for y0, y1, k0, k1 in zip(y, after, found[0], last, strict=True)
    ]


def integrate(tableau, f, t, y, h, count):
    """The states after so many steps."""
    for place in range(count):
        y = step(tableau, f, t + place * h, y, h)[0]
    return y


def decimal(value):
    """A number as Decimal, exactly where it can be."""
    if isinstance(value, Fraction):
        return Decimal(value.numerator) / Decimal(value.denominator)
    return Decimal(value)
