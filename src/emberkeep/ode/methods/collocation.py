"""Methods of collocation, from the polynomials whose roots their nodes are: Gauss and Radau.

Stages are at the roots; the polynomial that meets the equations there is the solution, and what it
is within a step. Numbers are counted in parts of `ONE`, as integers of any size, so that each is
rounded to a double once, without a library. (Hairer & Wanner, Solving ODEs II, IV.5 and IV.8.)
"""

from __future__ import annotations

from emberkeep.ode.methods.implicit import ImplicitTableau
from emberkeep.startup_records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Polynomial = Sequence[int]
    Table = list[list[int]]

ONE = 1 << 200
# Roots are first told apart on a grid this fine, then found by as many of Newton's steps.
GRID = 64
STEPS = 12


def collocation(name: str, order: int, polynomial: Polynomial) -> ImplicitTableau:
    """The method whose nodes are a polynomial's roots, without an estimate."""
    nodes = roots(polynomial)
    interpolant = integrals(nodes)
    return ImplicitTableau(
        name=name,
        order=order,
        nodes=_doubles(nodes),
        matrix=tuple(_doubles([at(row, node) for row in interpolant]) for node in nodes),
        weights=_doubles([at(row, ONE) for row in interpolant]),
        interpolant=tuple(map(_doubles, interpolant)),
        interpolant_order=len(nodes),
    )


def compared_at_start(name: str, order: int, polynomial: Polynomial) -> ImplicitTableau:
    """The same with Hairer's estimate, for methods whose last stage is the solution.

    It is compared with what takes of the slopes at the start too, with the weight γ₀, and has the
    order that there are stages. So the error is γ₀ times what the slopes there differ by from those
    of the stages, extrapolated.
    """
    gamma = start_weight(polynomial)
    interpolant = integrals(roots(polynomial))
    estimate: dict[str, object] = {
        "error": _doubles([gamma * row[0] // ONE for row in interpolant]),
        "error_at_start": -gamma / ONE,
        "error_order": len(interpolant),
    }
    return replace(collocation(name, order, polynomial), estimate)


def legendre(count: int) -> list[int]:
    """The Legendre polynomial from 0 to 1, by ascending powers: its roots are Gauss's nodes."""
    found = [1]
    for power in range(count):  # (-1)^(n + k) C(n, k) C(n + k, k), from the last one on
        ratio = (count - power) * (count + power + 1)
        found.append(-found[-1] * ratio // (power + 1) ** 2)
    return [(-1) ** count * value for value in found]


def radau(count: int) -> list[int]:
    """The polynomial whose roots are Radau's nodes on the right: the last one is 1."""
    smaller = [*legendre(count - 1), 0]
    return [one - other for one, other in zip(legendre(count), smaller, strict=True)]


def at(row: Sequence[int], x: int) -> int:
    """What a polynomial without a constant is at x; all in parts of one."""
    total = 0
    for coefficient in reversed(row):
        total = (total + coefficient) * x // ONE
    return total


def roots(polynomial: Polynomial) -> list[int]:
    """The roots above 0, up to 1, of a polynomial by ascending powers."""
    found: list[int] = []
    before = polynomial[0] * ONE
    for place in range(1, GRID + 1):
        value = _value(polynomial, place * ONE // GRID)
        if not value:
            found.append(place * ONE // GRID)
        elif (value < 0) != (before < 0) and before:
            found.append(_root(polynomial, (2 * place - 1) * ONE // (2 * GRID)))
        before = value
    return found


def _root(polynomial: Polynomial, near: int) -> int:
    slopes = [power * value for power, value in enumerate(polynomial)][1:]
    for _ in range(STEPS):
        near -= _value(polynomial, near) * ONE // _value(slopes, near)
    return near


def _value(polynomial: Polynomial, x: int) -> int:
    total = 0
    for coefficient in reversed(polynomial):
        total = total * x // ONE + coefficient * ONE
    return total


def integrals(nodes: Sequence[int]) -> Table:
    """Of each polynomial that is 1 at one node and 0 at all others: from θ, θ², … on."""
    found: Table = []
    for node in nodes:
        basis = [ONE]
        for other in nodes:
            if other != node:  # times (θ - other) / (node - other)
                raised, kept = [0, *basis], [*(-value * other // ONE for value in basis), 0]
                basis = [
                    (one + two) * ONE // (node - other)
                    for one, two in zip(raised, kept, strict=True)
                ]
        found.append([value // power for power, value in enumerate(basis, 1)])
    return found


def start_weight(polynomial: Polynomial) -> int:
    """γ₀: the real eigenvalue of the method's matrix; of an even number, their geometric mean.

    With γ₀ as that, (I - hγ₀J) is a factor of the stages' own system.
    """
    characteristic: list[int] = []
    factorial = 1
    for power, value in enumerate(polynomial):
        factorial *= max(power, 1)
        characteristic.append(value * factorial)
    if len(polynomial) % 2:
        product, *_, highest = characteristic
        characteristic = [-abs(product), *(0 for _ in polynomial[2:]), abs(highest)]
    return roots(characteristic)[0]


def _doubles(values: Sequence[int]) -> tuple[float, ...]:
    return tuple(value / ONE for value in values)
