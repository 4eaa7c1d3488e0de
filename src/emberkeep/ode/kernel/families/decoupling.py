"""The matrix of a fully implicit method in the coordinates in which its stages part.

With A = T Γ T⁻¹, the linear system of all stages together becomes one for each real eigenvalue γ
of A, and one of complex numbers for each pair (Hairer & Wanner, Solving ODEs II, IV.8). All is
calculated with so many digits that each number is rounded once.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, final

from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Row = Sequence[Decimal]
    Matrix = Sequence[Row]
    # The real and imaginary part of an eigenvalue.
    Pair = tuple[Decimal, Decimal]

DIGITS, RIGHT = 60, 40  # so many are calculated with; so many after the point are right
TURNS, POLISHING = 500, 8  # of the search for roots, at most; and with all digits
APART = 1e-6  # by which share of the largest eigenvalues have to differ from each other, and zero


@final
class Inseparable(Exception):  # noqa: N818 - reads as what it says
    """A matrix with an eigenvalue that is zero, or that it has twice.

    Args:
        eigenvalues: of the matrix.
    """

    def __init__(self, eigenvalues: Sequence[complex]) -> None:
        self.eigenvalues = tuple(eigenvalues)
        super().__init__(self.eigenvalues)  # as it is made again from a pickle

    def __str__(self) -> str:
        return f"eigenvalues {', '.join(map(_short, self.eigenvalues))}"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float | complex) else str(value)


@final
@frozen
class Decoupling:
    """A = T Γ T⁻¹.

    A pair is one complex unknown u + iv, and has two columns of T: those of Re(q (u + iv)), with
    its eigenvector q.

    Attributes:
        gammas: the real eigenvalues, then of each pair the one above the real axis.
        states: T: what it makes of the unknowns is, times h, where stages are from the start.
        inverse: T⁻¹.
        slopes: T Γ⁻¹: what it makes of them are the slopes at the stages.
    """

    gammas: tuple[complex, ...]
    states: tuple[tuple[float, ...], ...]
    inverse: tuple[tuple[float, ...], ...]
    slopes: tuple[tuple[Decimal, ...], ...]

    def of_slopes(self, row: Sequence[float]) -> tuple[float, ...]:
        """How much of each unknown is in a sum with so much of each slope."""
        with localcontext(prec=DIGITS):
            weights = [Decimal(value) for value in row]
            columns = zip(*self.slopes, strict=True)
            return _doubles(_dot(weights, column) for column in columns)


def decoupling(matrix: Sequence[Sequence[float]]) -> Decoupling:
    """The coordinates for a method's matrix.

    Raises:
        Inseparable: there are none.
    """
    with localcontext(prec=DIGITS):
        a = [[Decimal(value) for value in row] for row in matrix]
        polynomial = _characteristic(a)
        near = _roots([float(value) for value in polynomial])
        largest = max(map(abs, near))
        others = [[0.0, *near[:place]] for place in range(len(near))]
        if any(
            abs(value - other) < APART * largest
            for value, before in zip(near, others, strict=True)
            for other in before
        ):
            raise Inseparable(near)
        roots = [_polished(polynomial, value) for value in near if value.imag >= 0]
        roots.sort(key=lambda root: (root[1] > 0, root))
        columns: list[Row] = []
        inverses: list[Decimal] = []
        for place, (real, imaginary) in enumerate(roots):
            q = _eigenvector(a, roots[:place] + roots[place + 1 :], real, imaginary)
            columns += q
            square = real * real + imaginary * imaginary
            inverses += [real / square, -imaginary / square][: len(q)]
        states = [*zip(*columns, strict=True)]
        gammas = (*(complex(re, im) if im else float(re) for re, im in roots),)
        return Decoupling(
            gammas,
            (*map(_doubles, states),),
            (*map(_doubles, _inverse(states)),),
            (*(_turned(row, roots, inverses) for row in states),),
        )


def _turned(row: Row, roots: Sequence[Pair], inverses: Row) -> tuple[Decimal, ...]:
    """A row of T, times Γ⁻¹: of a pair, Re(q (re + i im) (u + iv))."""
    found: list[Decimal] = []
    for _, imaginary in roots:
        place = len(found)
        if not imaginary:
            found.append(row[place] * inverses[place])
            continue
        u, v = row[place : place + 2]
        re, im = inverses[place : place + 2]
        found += [u * re + v * im, v * re - u * im]
    return (*found,)


def _eigenvector(a: Matrix, others: Sequence[Pair], real: Decimal, imaginary: Decimal) -> list[Row]:
    """The columns of T for an eigenvalue, where the others are these; numbers up to 1.

    What is left of a vector when the others' parts are taken out of it is an eigenvector, or lies
    in the plane of a pair's: there, A less the conjugate makes one of it. Its last number is made
    real, so that what ends with a stage takes one term less.
    """
    units = [[Decimal(int(row == column)) for row in range(len(a))] for column in range(len(a))]
    left = [_without(a, unit, others) for unit in units]
    vector = max(left, key=lambda row: max(map(abs, row)))
    if not imaginary:
        size = max(vector, key=abs)
        return [[value / size for value in vector]]
    q = [*zip(_shifted(a, vector, real), (imaginary * value for value in vector), strict=True)]
    size = max((re * re + im * im).sqrt() for re, im in q)
    re, im = q[-1]
    turn = (re * re + im * im).sqrt() * size
    re, im = re / turn, -im / turn
    return [[x * re - y * im for x, y in q], [-(x * im + y * re) for x, y in q]]


def _without(a: Matrix, vector: Row, others: Sequence[Pair]) -> Row:
    """A vector without its parts in the directions of these eigenvalues."""
    for re, im in others:
        once = _shifted(a, vector, re)
        if im:
            twice = _shifted(a, once, re)
            once = [x + im * im * y for x, y in zip(twice, vector, strict=True)]
        vector = once
    return vector


def _shifted(a: Matrix, vector: Row, shift: Decimal) -> Row:
    """(A - shift) times a vector."""
    return [_dot(row, vector) - shift * value for row, value in zip(a, vector, strict=True)]


def _characteristic(a: Matrix) -> Row:
    """The characteristic polynomial by descending powers (Faddeev & LeVerrier)."""
    size = len(a)
    found, product = [Decimal(1)], [[Decimal(0)] * size] * size
    for count in range(1, size + 1):
        product = [
            [value + (found[-1] if row == column else 0) for column, value in enumerate(values)]
            for row, values in enumerate(product)
        ]
        columns = [*zip(*product, strict=True)]
        product = [[_dot(row, column) for column in columns] for row in a]
        found.append(-sum((product[place][place] for place in range(size)), Decimal(0)) / count)
    return found


def _roots(polynomial: Sequence[float]) -> list[complex]:
    """All roots, nearly (Durand & Kerner); real ones as such."""
    size = len(polynomial) - 1
    bound = 1 + max(map(abs, polynomial[1:]))
    roots = [bound * (0.4 + 0.9j) ** place for place in range(size)]
    for _ in range(TURNS):
        before = [*roots]
        for place, root in enumerate(roots):
            value = 0j
            for coefficient in polynomial:
                value = value * root + coefficient
            for other in (*roots[:place], *roots[place + 1 :]):
                value /= root - other
            roots[place] = root - value
        if all(abs(x - y) <= 1e-15 * abs(x) for x, y in zip(roots, before, strict=True)):
            break
    return [root if abs(root.imag) > APART * abs(root) else complex(root.real) for root in roots]


def _polished(polynomial: Row, near: complex) -> Pair:
    """A root with all digits (Newton); of a real polynomial, so its parts are calculated with."""
    re, im = Decimal(near.real), Decimal(near.imag)
    for _ in range(POLISHING):
        value, slope = (Decimal(0), Decimal(0)), (Decimal(0), Decimal(0))
        for coefficient in polynomial:
            slope = (
                slope[0] * re - slope[1] * im + value[0],
                slope[0] * im + slope[1] * re + value[1],
            )
            value = value[0] * re - value[1] * im + coefficient, value[0] * im + value[1] * re
        square = slope[0] * slope[0] + slope[1] * slope[1]
        re -= (value[0] * slope[0] + value[1] * slope[1]) / square
        im -= (value[1] * slope[0] - value[0] * slope[1]) / square
    return re, im


def _inverse(matrix: Matrix) -> list[list[Decimal]]:
    """Of a matrix that has one (Gauss & Jordan)."""
    size = len(matrix)
    rows = [
        [*row, *(Decimal(int(place == column)) for column in range(size))]
        for place, row in enumerate(matrix)
    ]
    for place in range(size):
        chosen = max(range(place, size), key=lambda row: abs(rows[row][place]))
        rows[place], rows[chosen] = rows[chosen], rows[place]
        pivot = rows[place] = [value / rows[place][place] for value in rows[place]]
        for other, row in enumerate(rows):
            if other != place:
                factor = row[place]
                rows[other] = [x - factor * y for x, y in zip(row, pivot, strict=True)]
    return [row[size:] for row in rows]


def _dot(first: Row, second: Row) -> Decimal:
    return sum((x * y for x, y in zip(first, second, strict=True)), Decimal(0))


def _doubles(row: Iterable[Decimal]) -> tuple[float, ...]:
    """Rounded; what is zero but for the last digits is zero."""
    return tuple(float(round(value, RIGHT)) for value in row)
