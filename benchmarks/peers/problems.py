"""The problems of the work-precision diagrams, written once for all tools.

`slopes(t, y, p, sqrt)` takes and gives sequences of whatever a tool calculates with: numbers,
arrays, expressions. Only arithmetic and `sqrt` are used. Of each problem one parameter varies
between trajectories.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """Equations, where they start and end, and the range of the parameter."""

    name: str
    title: str
    slopes: Callable[[Any, Sequence[Any], Any, Callable[[Any], Any]], list[Any]]
    start: tuple[float, ...]
    end: float
    first: float
    last: float


def lorenz(_t, y, p, _sqrt):
    a, b, c = y
    return [10.0 * (b - a), a * (p - c) - b, a * b - 8.0 / 3.0 * c]


def van_der_pol(_t, y, p, _sqrt):
    a, b = y
    return [b, p * (1.0 - a * a) * b - a]


def lotka_volterra(_t, y, p, _sqrt):
    prey, hunters = y
    return [1.5 * prey - p * prey * hunters, prey * hunters - 3.0 * hunters]


def pleiades(_t, y, p, sqrt):
    """Seven stars in a plane (Hairer, Nørsett & Wanner I); `p` scales their masses, 1 to 7."""
    at, moving = [y[2 * i : 2 * i + 2] for i in range(7)], y[14:28]
    pulls = [[0.0, 0.0] for _ in range(7)]
    for i in range(7):
        for j in range(i):
            dx, dy = at[j][0] - at[i][0], at[j][1] - at[i][1]
            square = dx * dx + dy * dy
            cube = 1.0 / (square * sqrt(square))
            px, py = cube * dx, cube * dy
            pulls[i] = [pulls[i][0] + (j + 1.0) * px, pulls[i][1] + (j + 1.0) * py]
            pulls[j] = [pulls[j][0] - (i + 1.0) * px, pulls[j][1] - (i + 1.0) * py]
    return [*moving, *(p * pull for star in pulls for pull in star)]


def genes(_t, y, p, _sqrt):
    """A ring of 20 genes, each of which represses the next one."""
    return [p / (1.0 + y[i - 1] * y[i - 1]) - y[i] for i in range(20)]


STARS = (3.0, 3.0, 3.0, -3.0, -1.0, 2.0, -3.0, 0.0, 2.0, 0.0, -2.0, -4.0, 2.0, 4.0)
SPEEDS = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.25, 0.0, 1.0, 1.75, 0.0, -1.5, 0.0)
GENES = tuple(1.0 + 0.5 * math.sin(1.0 + 2.0 * i) for i in range(20))

PROBLEMS = (
    Problem("lorenz", "Lorenz, T = 2", lorenz, (1.0, 1.0, 1.0), 2.0, 20.0, 30.0),
    Problem("van-der-pol", "Van der Pol, T = 10", van_der_pol, (2.0, 0.0), 10.0, 1.0, 5.0),
    Problem("lotka-volterra", "Lotka-Volterra, T = 10", lotka_volterra, (1.0, 1.0), 10.0, 0.8, 1.2),
    Problem("pleiades", "Pleiades, 28 states, T = 3", pleiades, (*STARS, *SPEEDS), 3.0, 0.998, 1.0),
    Problem("genes", "A ring of 20 genes, T = 20", genes, GENES, 20.0, 2.0, 10.0),
)
TOLERANCES = tuple(10.0**-digits for digits in range(3, 14))
SAMPLES = 16  # trajectories whose ends are compared; slow tools solve no others


def parameters(problem: Problem, count: int) -> list[float]:
    """Of a batch: the samples first, so that every tool has them, then as many others."""
    width = problem.last - problem.first
    samples = [problem.first + width * i / (SAMPLES - 1) for i in range(SAMPLES)]
    return (
        [samples[i % SAMPLES] for i in range(count)]
        if count <= SAMPLES
        else samples
        + [problem.first + width * i / (count - SAMPLES) for i in range(count - SAMPLES)]
    )
