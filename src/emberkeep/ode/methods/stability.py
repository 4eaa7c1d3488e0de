"""How long steps of a method may be on what decays, before they make it grow."""

from __future__ import annotations

from math import fsum

Row = tuple[float, ...]

SCAN = 2.0**-6  # the limit is looked for in steps of this, ...
HALVINGS = 60  # ... then by halving the one that it is in


def coefficients(stages: tuple[Row, ...], weights: Row) -> list[float]:
    """Of 1, z, z², … in the polynomial R by which a step multiplies x where x' = λx, z = hλ."""
    powers = [1.0] * len(weights)  # the stages' matrix, applied to ones again and again
    found = [1.0]
    for _ in weights:
        pairs = zip(weights, powers, strict=True)
        found.append(fsum(weight * power for weight, power in pairs))
        rows = ((), *stages)
        powers = [fsum(a * power for a, power in zip(row, powers, strict=False)) for row in rows]
    return found


def real_limit(stages: tuple[Row, ...], weights: Row) -> float:
    """The largest x up to which R(-x) is no larger than one."""
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
