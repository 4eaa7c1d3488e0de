"""Graphs from matrices of rates, or probabilities, among transient states."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.assembly import check_weights, exact_sums
from emberkeep.phasetype.constructors import define
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.numeric import as_numbers
from emberkeep.phasetype.states import NONE, WORD, States, read_states
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.phasetype.structure import Definition, Structure

    Values = np.ndarray[Any, Any]

ROUNDING = 2.0**-52  # of each number in a row, by which it may miss what was meant
SLACK = 1e-9
MOST_DENSE = 10_000  # rows: 800 megabytes


@final
@frozen
class Matrices:
    """A distribution as matrices: ``alpha, matrix = m.alpha, m.matrix``.

    `Graph.from_matrix(m.matrix, m.alpha, m.states, exits=m.exits)` makes the graph of it.

    Attributes:
        alpha: probabilities of beginning.
        matrix: rates among states that can be left, with a diagonal such that rows and `exits` add
            up to 0; in discrete time probabilities, that add up to 1.
        exits: how fast, or with which probability, each ends.
        vertices: the graph's number of each row.
        states: their labels.
    """

    alpha: Values
    matrix: Any
    exits: Values
    vertices: Values
    states: tuple[object, ...]


def as_matrices(graph: Structure, vector: Values, *, sparse: bool) -> Matrices:
    """See `Graph.as_matrices`."""
    leaving = np.diff(graph.edges.starts) > 0
    vertices = np.flatnonzero(leaving)
    if len(vertices) > MOST_DENSE and not sparse:
        raise InvalidGraph(
            f"{graph.name} has {len(vertices):,} states that can be left: a dense matrix is for up "
            f"to {MOST_DENSE:,}. Pass sparse=True"
        )
    edges, place = graph.edges, np.cumsum(leaving) - 1
    weights = check_weights(graph.states, edges, vector, discrete=graph.is_discrete)
    sources, targets = place[edges.sources], edges.targets.astype(np.int64)
    inner = leaving[targets]
    count = len(vertices)
    exits = _sums(sources[~inner], weights[~inner], count)
    out = _sums(sources, weights, count)
    diagonal = np.maximum(1 - out, 0.0) if graph.is_discrete else -out
    rows = np.concatenate([sources[inner], np.arange(count)])
    columns = np.concatenate([place[targets[inner]], np.arange(count)])
    entries = np.concatenate([weights[inner], diagonal])
    if sparse:
        matrix = _sparse(rows, columns, entries, count)
    else:
        matrix = np.zeros((count, count))
        matrix[rows, columns] = entries
    states = tuple(graph.states.label(vertex) for vertex in vertices.tolist())
    return Matrices(graph.initial[vertices], matrix, exits, vertices, states)


def _sums(rows: Values, values: Values, count: int) -> Values:
    """By row; exactly rounded."""
    found = np.zeros(count)
    order = np.argsort(rows, kind="stable")
    there, begins = np.unique(rows[order], return_index=True)
    if len(there):
        found[there] = exact_sums(values[order], begins)
    return found


def _sparse(rows: Values, columns: Values, entries: Values, count: int) -> Any:
    try:
        from scipy import sparse  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as problem:
        raise InvalidGraph(
            "sparse=True needs SciPy, which is not installed: pip install scipy"
        ) from problem
    library: Any = sparse
    return library.csr_array((entries, (rows, columns)), shape=(count, count))


def from_matrix(
    matrix: Any,
    alpha: Any,
    states: Sequence[object] | None,
    *,
    exits: Any,
    discrete: bool,
    name: str | None,
    prune: bool,
) -> Definition:
    """A graph from rates or probabilities among transient states; the rest of a row ends."""
    sources, targets, weights, count = _entries(matrix)
    begins = as_numbers("The probabilities alpha", alpha).reshape(-1)
    if begins.shape != (count,):
        raise InvalidGraph(f"The matrix has {count} rows and alpha {begins.size} probabilities")
    labels = read_states([None] * count if states is None else [*states])
    if len(labels) != count:
        raise InvalidGraph(f"The matrix has {count} rows, and {len(labels)} states are named")
    ending = _ending(labels, sources, targets, weights, exits, discrete=discrete)
    if not ending.any():
        raise InvalidGraph(
            "All rows of the matrix add up to "
            + ("1" if discrete else "0")
            + ": no state leads to an end, and the chain never ends. Expected at least one row "
            "that adds up to less; if what is left of it is within the rounding of its numbers, "
            "pass it as exits=[…]"
        )
    leaving, off = np.flatnonzero(ending > 0), sources != targets
    return define(
        with_one_more(labels),
        np.concatenate([sources[off], leaving]),
        np.concatenate([targets[off], np.full(len(leaving), count)]),
        np.concatenate([weights[off], ending[leaving]]),
        np.zeros((int(off.sum()) + len(leaving), 0)),
        np.append(begins, 0.0),
        discrete=discrete,
        name=name,
        prune=prune,
    )


def _ending(
    labels: States,
    sources: Values,
    targets: Values,
    weights: Values,
    exits: Any,
    *,
    discrete: bool,
) -> Values:
    """By row, what is left of it."""
    bad = ~np.isfinite(weights)
    if bad.any():
        row = int(sources[bad][0])
        raise InvalidGraph(f"{_row(labels, row)} holds {weights[bad][0]}")
    count, off = len(labels), sources != targets
    diagonal = np.bincount(sources[~off], weights[~off], count)
    out = np.bincount(sources[off], weights[off], count)
    numbers = np.bincount(sources, minlength=count) + 1
    ending = _left(sources, weights, count, whole=float(discrete))
    scale = np.maximum(np.maximum(abs(diagonal), out), 1e-300)
    wrong = (ending < -SLACK * scale) | (diagonal < 0 if discrete else diagonal > 0)
    wrong[sources[off & (weights < 0)]] = True
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InvalidGraph(
            f"{_row(labels, row)} cannot be: its diagonal is {diagonal[row]:.6g}, and the rest of "
            f"it adds up to {out[row]:.6g}. "
            + (
                "Expected probabilities that add up to at most 1"
                if discrete
                else "Expected rates, and a diagonal that is negative and as large as they are, or "
                "larger"
            )
        )
    if exits is not None:
        return _given(labels, exits, ending, scale)
    # What may be there by rounding alone is no way out.
    return np.where(abs(ending) <= ROUNDING * numbers * scale, 0.0, np.maximum(ending, 0.0))


def _left(sources: Values, weights: Values, count: int, *, whole: float) -> Values:
    """By row, what is missing to a whole; exactly rounded, so in any order of the states."""
    rows = np.concatenate([np.arange(count), sources])
    parts = np.concatenate([np.full(count, whole), -weights])
    order = np.argsort(rows, kind="stable")
    return exact_sums(parts[order], np.searchsorted(rows[order], np.arange(count)))


def _given(labels: States, exits: Any, ending: Values, scale: Values) -> Values:
    """Ways out as they were passed, compared with what is left of the rows."""
    values = np.asarray(exits, float).reshape(-1)
    if values.shape != ending.shape or not (np.isfinite(values) & (values >= 0)).all():
        raise InvalidGraph(
            f"exits is {exits!r}; expected {len(ending)} numbers, one for each row, finite and not "
            "negative"
        )
    wrong = abs(values - ending) > SLACK * np.maximum(scale, values)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InvalidGraph(
            f"{_row(labels, row)} leaves {ending[row]:.6g}, and exits says {values[row]:.6g}"
        )
    return values


def _row(labels: States, row: int) -> str:
    """A row as it is spoken of: by its state, if it has a name."""
    named = "" if labels.kind == NONE else f", of state {labels.label(row)!r},"
    return f"Row {row} of the matrix{named}"


def with_one_more(labels: States, word: str = "end") -> States:
    """Labels with one more, that is not there yet: a word, or a number that is out of the way."""
    if labels.kind == NONE:
        return States(NONE, np.empty((len(labels) + 1, 0), np.int64))
    if labels.kind == WORD:
        words = [str(labels.label(vertex)) for vertex in range(len(labels))]
        names = ["", *(word + "'" * number for number in range(len(words)))]
        return read_states([*words, next(name for name in names if name not in words)])
    rows = labels.rows
    limits = np.iinfo(np.int64)
    end = rows[:1].copy()
    if rows[:, 0].min() > limits.min:
        end[0, 0] = rows[:, 0].min() - 1
    elif rows[:, 0].max() < limits.max:
        end[0, 0] = rows[:, 0].max() + 1
    else:
        raise InvalidGraph("There is no whole number left for one more state")
    return States(labels.kind, np.concatenate([rows, end]))


def _entries(matrix: Any) -> tuple[Values, Values, Values, int]:
    """Rows, columns and values of what is not zero; of NumPy's matrices and SciPy's."""
    rows: Values
    columns: Values
    if hasattr(matrix, "tocoo"):
        coordinates = matrix.tocoo()
        shape: tuple[int, ...] = coordinates.shape
        rows, columns, given = coordinates.row, coordinates.col, coordinates.data
    else:
        dense = as_numbers("The entries of the matrix", matrix)
        shape = dense.shape
        _require_square(shape)
        rows, columns = np.nonzero(dense)
        given = dense[rows, columns]
    _require_square(shape)
    values = np.asarray(given, float)
    return rows.astype(np.int64), columns.astype(np.int64), values, shape[0]


def _require_square(shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:  # noqa: PLR2004
        raise InvalidGraph(f"The matrix must be square; its shape is {shape}")
