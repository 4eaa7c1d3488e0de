"""What a step makes of x' = λx: how long steps may be on what decays, and what remains of it.

A step multiplies x by R(z), where z = hλ.
"""

from __future__ import annotations

from math import cos, fsum, inf, radians, sin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from emberkeep.ode.methods.implicit import ImplicitTableau
    from emberkeep.ode.methods.rosenbrock import RosenbrockTableau

    Function = Callable[[complex], complex]

Row = tuple[float, ...]

SCAN = 2.0**-6  # the limit is looked for in steps of this, ...
HALVINGS = 60  # ... then by halving the one that it is in

# Where |R| is looked at along a ray from 0, and how much above 1 rounding may bring it.
RADII = tuple(2.0 ** (power / 16) for power in range(-96, 321))
ROUNDING = 1e-10
RIGHT_ANGLE = 90.0


def coefficients(stages: tuple[Row, ...], weights: Row) -> list[float]:
    """Of 1, z, z², … in the polynomial R of an explicit method."""
    powers = [1.0] * len(weights)  # the stages' matrix, applied to ones again and again
    found = [1.0]
    for _ in weights:
        pairs = zip(weights, powers, strict=True)
        found.append(fsum(weight * power for weight, power in pairs))
        rows = ((), *stages)
        powers = [fsum(a * power for a, power in zip(row, powers, strict=False)) for row in rows]
    return found


def real_limit(stages: tuple[Row, ...], weights: Row) -> float:
    """The largest x up to which R(-x) of an explicit method is no larger than one."""
    polynomial = coefficients(stages, weights)

    def grows(x: float) -> bool:
        total = 0.0
        for coefficient in reversed(polynomial):
            total = coefficient - x * total
        return abs(total) > 1

    end = SCAN
    while not grows(end):  # a polynomial that is not constant does, somewhere
        end += SCAN
    begin = end - SCAN
    for _ in range(HALVINGS):
        middle = (begin + end) / 2
        begin, end = (begin, middle) if grows(middle) else (middle, end)
    return begin


def of_rosenbrock(tableau: RosenbrockTableau) -> Function:
    """R of a Rosenbrock method."""

    def function(z: complex) -> complex:
        # Divided by z where that is large: then also its limit is plain arithmetic.
        large = abs(z) > 1
        slope, inverse = (1.0, 1 / z) if large else (z, 1.0)
        return _damped(tableau, slope, inverse / tableau.gamma - slope, inverse)

    return function


def rosenbrock_at_infinity(tableau: RosenbrockTableau) -> Any:
    """What is left of a state that decays at once: the limit of R; 0 with L-stable methods."""
    return _damped(tableau, 1, -1, 0)


def _damped(tableau: RosenbrockTableau, slope: Any, pivot: Any, coupling: Any) -> Any:
    found: list[Any] = []
    for row, couplings in zip(((), *tableau.stages), ((), *tableau.couplings), strict=True):
        state = 1 + sum(a * k for a, k in zip(row, found, strict=False))
        before = sum(c * k for c, k in zip(couplings, found, strict=False))
        found.append((slope * state + coupling * before) / pivot)
    return 1 + _sum(tableau.weights, found)


def estimates_at_once(tableau: RosenbrockTableau, power: int) -> Any:
    """The estimate of the error where x follows t^power at once: x' = z(x - g) + g', large z.

    A stage's states and its k are together what x is to be there; g' is 0 at the start.
    """
    found: list[Any] = []
    for node, row in zip(tableau.nodes, ((), *tableau.stages), strict=True):
        found.append(node**power - sum(a * k for a, k in zip(row, found, strict=False)))
    return sum(e * k for e, k in zip(tableau.error, found, strict=False))


def of_implicit(tableau: ImplicitTableau) -> Function:
    """R of an implicit Runge-Kutta method."""

    def function(z: complex) -> complex:
        matrix = [
            [(place == column) - z * a for column, a in enumerate(row)]
            for place, row in enumerate(tableau.matrix)
        ]
        states = solution(matrix, [1.0] * tableau.count)
        if tableau.ends_with_solution:  # and no large terms cancel
            return states[-1]
        return 1 + z * _sum(tableau.weights, states)

    return function


def implicit_at_infinity(tableau: ImplicitTableau) -> Any:
    """What is left of a state that decays at once: the limit of R; 0 with L-stable methods.

    With w = 1/z, the states Y of stages are those with wY - AY = w, which at w = 0 are `states` and
    change there by `slopes`; a stage that takes of none is at 1.
    """
    explicit = [not any(row) for row in tableau.matrix]
    matrix = [
        [column == place for column in range(tableau.count)] if explicit[place] else row
        for place, row in enumerate(tableau.matrix)
    ]
    states = solution(matrix, [1 * one for one in explicit])
    sides = [0 if one else state - 1 for one, state in zip(explicit, states, strict=True)]
    slopes = solution(matrix, sides)
    if abs(_sum(tableau.weights, states)) > ROUNDING:
        return inf
    return 1 + _sum(tableau.weights, slopes)


def _sum(weights: Sequence[Any], values: Sequence[Any]) -> Any:
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def angle(function: Function) -> float:
    """The largest α, in degrees, with which R stays within one in the sector |arg(-z)| < α.

    90 is A-stability. R is looked at along rays, with no pole assumed between them: where it has
    none, it is nowhere larger than at the edge of the sector.
    """

    def is_bounded(degrees: float) -> bool:
        direction = complex(-cos(radians(degrees)), sin(radians(degrees)))
        return all(abs(function(radius * direction)) <= 1 + ROUNDING for radius in RADII)

    if is_bounded(RIGHT_ANGLE):
        return RIGHT_ANGLE
    begin, end = 0.0, RIGHT_ANGLE
    for _ in range(20):
        middle = (begin + end) / 2
        begin, end = (middle, end) if is_bounded(middle) else (begin, middle)
    return begin


def solution(matrix: Sequence[Sequence[Any]], sides: Sequence[Any]) -> list[Any]:
    """Of a small system of linear equations, for numbers of any kind."""
    lines = [[*row, side] for row, side in zip(matrix, sides, strict=True)]
    for place in range(len(lines)):
        pivot = max(range(place, len(lines)), key=lambda row: abs(lines[row][place]))
        lines[place], lines[pivot] = lines[pivot], lines[place]
        for row in range(len(lines)):
            if row != place:
                factor = lines[row][place] / lines[place][place]
                lines[row] = [x - factor * y for x, y in zip(lines[row], lines[place], strict=True)]
    return [line[-1] / line[place] for place, line in enumerate(lines)]
