"""Graphs from matrices of rates, or probabilities, among transient states."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.assembly import exact_sums
from emberkeep.phasetype.constructors import define
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.numeric import as_numbers
from emberkeep.phasetype.states import NONE, WORD, States, read_states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.phasetype.structure import Definition

    Values = np.ndarray[Any, Any]

ROUNDING = 2.0**-52  # of each number in a row, by which it may miss what was meant
SLACK = 1e-9


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
        _with_an_end(labels),
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


def _with_an_end(labels: States) -> States:
    """Labels with one more, of where the chain ends: one that is not there yet."""
    if labels.kind == NONE:
        return States(NONE, np.empty((len(labels) + 1, 0), np.int64))
    if labels.kind == WORD:
        words = [str(labels.label(vertex)) for vertex in range(len(labels))]
        names = ["", *("end" + "'" * number for number in range(len(words)))]
        return read_states([*words, next(name for name in names if name not in words)])
    rows = labels.rows
    limits = np.iinfo(np.int64)
    end = rows[:1].copy()
    if rows[:, 0].min() > limits.min:
        end[0, 0] = rows[:, 0].min() - 1
    elif rows[:, 0].max() < limits.max:
        end[0, 0] = rows[:, 0].max() + 1
    else:
        raise InvalidGraph("There is no whole number left for the state where the chain ends")
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
