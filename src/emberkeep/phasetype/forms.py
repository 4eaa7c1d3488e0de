"""Canonical and minimal forms: what different matrices of one distribution have in common.

CF1 (Cumani, 1982) of acyclic graphs: states in a row, each faster than the one before. A state with
a rate λ that is followed by faster ones is put in its place by the identity

    λ/(s + λ) = λ/μ · μ/(s + μ) + (1 - λ/μ) · λ/(s + λ) · μ/(s + μ)

for μ > λ, of which all terms are positive: nothing is subtracted but rates that differ.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.constructors import define
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.graph import Graph, graph_of
from emberkeep.phasetype.linear_systems import read_single
from emberkeep.phasetype.matrices import as_matrices
from emberkeep.phasetype.states import NUMBER, States
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.matrices import Matrices

    Values = np.ndarray[Any, Any]

TOLERANCE = 1e-10
ALIKE = 1e-6  # moments of what is the same


def canonical_form(graph: Graph, theta: Any = None) -> Graph:
    """CF1: all states in a row, each one left at a higher rate than the last.

    States are 1, 2, …, and 0 is where it ends. States at the beginning of the row in which nothing
    begins are left out. Acyclic graphs all have this form, and so has each graph of two states;
    others may have it, with as many states: what is found is then compared by moments, to 1e-6.

    Args:
        graph: in continuous time.
        theta: one parameter vector.

    Raises:
        InvalidGraph: it is discrete, or has no such form with as many states.

    Source: Cumani (1982), On the canonical representation of homogeneous Markov processes modelling
    failure-time distributions, Microelectronics and Reliability 22.
    """
    if graph.is_discrete:
        raise InvalidGraph("CF1 is of continuous time; this graph is discrete")
    found = as_matrices(graph, read_single(graph, theta), sparse=False)
    if len(graph.components) == len(graph):
        order = graph.components.number[found.vertices]
        rates, chances = _bidiagonal(found.matrix, found.exits, order)
        initial = found.alpha @ chances
    else:
        rates, initial = _by_eigenvalues(graph, found)
    first = int((initial > 0).argmax())
    rates, initial = rates[first:], initial[first:]
    count = len(rates)
    return graph_of(
        define(
            States(NUMBER, np.append(np.arange(1, count + 1), 0).reshape(-1, 1)),
            np.arange(count),
            np.arange(1, count + 1),
            rates,
            np.zeros((count, 0)),
            np.append(initial, 0.0),
            discrete=False,
            name=f"{graph.name} (CF1)",
        )
    )


def _by_eigenvalues(graph: Graph, given: Matrices) -> tuple[Values, Values]:
    """Rates and beginnings of a graph with circles: rates are eigenvalues.

    Raises:
        InvalidGraph: some are complex, a probability would be negative, or moments differ.
    """
    linear: Any = np.linalg
    values: Any = -linear.eigvals(given.matrix)
    turning: Values = np.abs(values.imag)
    if (turning > TOLERANCE * np.abs(values)).any():
        raise InvalidGraph(
            f"{graph.name} has circles, and eigenvalues that are complex, such as "
            f"{values[turning.argmax()]:.6g}: those of a row are its rates. minimal_form() is of "
            "all"
        )
    rates: Values = np.sort(values.real)
    column = given.exits.astype(np.longdouble) / rates[-1]
    initial = np.empty(len(rates))
    for place in range(len(rates) - 1, -1, -1):
        initial[place] = given.alpha @ column
        if place:
            moved = given.matrix @ column + rates[place] * column
            column = moved / rates[place - 1]
    if initial.min() < -TOLERANCE:
        raise InvalidGraph(
            f"{graph.name} has circles, and in a row of as many states it would begin with a "
            f"probability of {initial.min():.3g}. minimal_form() is of all"
        )
    initial = np.where(initial > TOLERANCE, initial, 0.0)
    matrix = np.diag(rates[:-1], 1) - np.diag(rates)
    found = MatrixExponential(initial, matrix).moments(2 * len(rates))
    expected = MatrixExponential(given.alpha, given.matrix).moments(2 * len(rates))
    _require_moments(graph, found, expected)
    return rates, initial


def _require_moments(graph: Graph, found: Values, expected: Values) -> None:
    if not np.allclose(found, expected, rtol=ALIKE, atol=0):
        raise InvalidGraph(
            f"What was found has other moments than {graph.name}: rates are too far apart, or too "
            "near each other, to tell what it is"
        )


def _bidiagonal(matrix: Values, exits: Values, order: Values) -> tuple[Values, Values]:
    """Rates in their order; by state, with which probabilities it begins where in the row."""
    count = len(matrix)
    rates, chances = np.empty(0), np.zeros((count, 0))
    for state in np.argsort(-order, kind="stable").tolist():  # what ends comes first
        rate = float(-matrix[state, state])
        ways = matrix[state] / rate
        ways[state] = 0.0
        following = np.append(ways @ chances, exits[state] / rate)
        place = int(np.searchsorted(rates, rate))
        own = _before(rates, following, rate, place)
        chances = _with_one_more(rates, chances, rate, place)
        chances[state] = own
        rates = np.insert(rates, place, rate)
    return rates, chances


def _with_one_more(rates: Values, chances: Values, rate: float, place: int) -> Values:
    """The same distributions in a row with one more rate: from slower ones it is gone through."""
    found = np.zeros((len(chances), len(rates) + 1))
    found[:, place + 1 :] = chances[:, place:]
    slower = rates[:place]
    found[:, :place] += chances[:, :place] * ((rate - slower) / rate)
    found[:, 1 : place + 1] += chances[:, :place] * (slower / rate)
    return found


def _before(rates: Values, following: Values, rate: float, place: int) -> Values:
    """One more rate, and then what follows: beginnings in the row, or at last the end."""
    found = np.zeros(len(rates) + 1)
    found[:place] = following[:place]  # slower ones: it is in their row
    waiting = following[len(rates)]
    for skipped in range(len(rates) - 1, place - 1, -1):
        found[skipped + 1] = rate / rates[skipped] * waiting
        waiting = (rates[skipped] - rate) / rates[skipped] * waiting + following[skipped]
    found[place] = waiting
    return found


@final
@frozen
class MatrixExponential:
    """A distribution with the density alpha exp(matrix t) (-matrix) 1; no chain need have it.

    Attributes:
        alpha, matrix: the representation.
    """

    alpha: Values
    matrix: Values

    @property
    def order(self) -> int:
        """How many rows there are."""
        return len(self.alpha)

    def moments(self, count: int) -> Values:
        """The raw moments of orders 1 to `count`."""
        found, value = np.empty(count), np.ones(self.order)
        for k in range(1, count + 1):
            value = k * np.linalg.solve(-self.matrix, value)
            found[k - 1] = self.alpha @ value
        return found


def minimal_form(
    graph: Graph, theta: Any = None, *, tolerance: float = TOLERANCE
) -> MatrixExponential:
    """A representation of the least order: without what nothing that can be seen depends on.

    First without what cannot be seen at the end, then without what no beginning leads to, each by
    an orthonormal basis. Alike states become one; the result may have negative numbers.

    Args:
        graph: in continuous time.
        theta: one parameter vector.
        tolerance: directions count that are larger than this, of one.

    Raises:
        InvalidGraph: it is discrete, or what was found has other moments.

    Source: Buchholz and Telek (2013), On minimal representations of rational arrival processes,
    Annals of Operations Research 202.
    """
    if graph.is_discrete:
        raise InvalidGraph("Minimal forms are of continuous time; this graph is discrete")
    if not 0 < tolerance < 1:
        raise InvalidGraph(f"tolerance is {tolerance!r}; expected a number between 0 and 1")
    given = as_matrices(graph, read_single(graph, theta), sparse=False)
    scale = float(np.abs(np.diag(given.matrix)).max())
    seen = _krylov(given.matrix / scale, np.ones(len(given.alpha)), tolerance)
    alpha, matrix = given.alpha @ seen, seen.T @ given.matrix @ seen
    closing = seen.T @ np.ones(len(given.alpha))
    led = _krylov(matrix.T / scale, alpha, tolerance)
    alpha, matrix, closing = led.T @ alpha, led.T @ matrix @ led, led.T @ closing
    found = _with_ones(alpha, matrix, closing)
    count = 2 * found.order
    _require_moments(graph, found.moments(count), graph.moments(count, theta))
    return found


def _krylov(matrix: Values, start: Values, tolerance: float) -> Values:
    """An orthonormal basis of all that a vector is led to; by Arnoldi, with two projections."""
    basis = [start / np.linalg.norm(start)]
    while len(basis) < len(start):
        known = np.array(basis)
        vector = matrix @ basis[-1]
        size = float(np.linalg.norm(vector))
        for _ in range(2):
            vector = vector - known.T @ (known @ vector)
        left = float(np.linalg.norm(vector))
        if left <= tolerance * max(size, 1.0):
            break
        basis.append(vector / left)
    return np.array(basis).T


def _with_ones(alpha: Values, matrix: Values, closing: Values) -> MatrixExponential:
    """In coordinates in which the closing vector is all ones."""
    order = len(alpha)
    # A reflection takes it to a multiple of the ones: to that which is not near, so that it is
    # precise.
    size = float(np.linalg.norm(closing)) / np.sqrt(order)
    multiple = -size if closing.sum() > 0 else size
    normal = closing - multiple
    mirror = np.eye(order) - np.outer(normal, normal) * (2 / (normal @ normal))
    return MatrixExponential(alpha @ mirror * multiple, mirror @ matrix @ mirror)
