"""What vertices are called: whole numbers, tuples of them, or words; as rows of numbers inside."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Values = np.ndarray[Any, Any]

SEQUENCES: Any = (tuple, list, np.ndarray)
NUMBER, TUPLE, WORD, NONE = "number", "tuple", "word", "none"


@final
@frozen
class States:
    """Labels of vertices, which need not be different from each other.

    Attributes:
        kind: ``"number"``, ``"tuple"``, ``"word"``, or ``"none"`` where vertices have no labels.
        rows: by vertex, the numbers of a tuple, or the letters of a word.
    """

    kind: str
    rows: Values

    def __len__(self) -> int:
        """How many vertices there are."""
        return len(self.rows)

    def label(self, vertex: int) -> object:
        """What a vertex is called; its number where it has no label."""
        if self.kind == NONE:
            return vertex
        row = self.rows[vertex].tolist()
        if self.kind == NUMBER:
            return row[0]
        if self.kind == TUPLE:
            return tuple(row)
        return "".join(map(chr, row)).rstrip("\0")

    def matches(self, label: object) -> Values:
        """Numbers of the vertices that are called so; where there are no labels, by number."""
        if self.kind == NONE:
            number = isinstance(label, int | np.integer) and 0 <= label < len(self.rows)
            return np.array([label] if number else [], np.int64)
        asked = read_states([label])
        row = asked.rows[0]
        if self.kind == WORD and asked.kind == WORD:
            spare = self.rows.shape[1] - len(row)
            row = np.pad(row, (0, spare)) if spare > 0 else row
        if asked.kind != self.kind or len(row) != self.rows.shape[1]:
            return np.empty(0, np.int64)
        return np.flatnonzero((self.rows == row).all(axis=1))

    def find(self, label: object) -> int:
        """The number of the one vertex that is called so.

        Raises:
            InvalidGraph: there is none, or there are several.
        """
        found = self.matches(label)
        if len(found) != 1:
            raise InvalidGraph(
                f"There {'are several vertices' if len(found) else 'is no vertex'} of state "
                f"{label!r}"
                + (f": {found.tolist()!r:.100}" if len(found) else "")
                + f"; states are such as {self.label(0)!r}"
            )
        return int(found[0])

    def with_more(self, labels: Sequence[object]) -> States:
        """These and others behind them.

        Raises:
            InvalidGraph: the others are of another kind.
        """
        if self.kind == NONE:
            expected = [*range(len(self.rows), len(self.rows) + len(labels))]
            if [*labels] != expected:
                raise InvalidGraph(
                    f"Vertices have no states here, and are named by number: {labels[0]!r} is "
                    f"none, and the next one is {len(self.rows)}"
                )
            return States(NONE, np.empty((len(self.rows) + len(labels), 0), np.int64))
        more = read_states(labels)
        width = self.rows.shape[1]
        if more.kind != self.kind or (self.kind == TUPLE and more.rows.shape[1] != width):
            raise InvalidGraph(
                f"{labels[0]!r} cannot be a state here; states are such as {self.label(0)!r}"
            )
        widest = max(width, more.rows.shape[1])
        rows = [
            np.pad(part, ((0, 0), (0, widest - part.shape[1]))) for part in (self.rows, more.rows)
        ]
        return States(self.kind, np.concatenate(rows))

    def order(self) -> Values | None:
        """Vertices in the order of their labels; None unless these are all different."""
        if self.kind == NONE:
            return None if len(self.rows) > 1 else np.arange(len(self.rows))
        order = np.lexsort(self.rows.T[::-1]) if self.rows.shape[1] else np.arange(len(self.rows))
        ordered = self.rows[order]
        if len(ordered) > 1 and (ordered[1:] == ordered[:-1]).all(axis=1).any():
            return None
        return order


def read_states(given: Sequence[object]) -> States:
    """States as users write them.

    Raises:
        InvalidGraph: they are of different kinds, or of none that is known.
    """
    if all(state is None for state in given):
        return States(NONE, np.empty((len(given), 0), np.int64))
    words = [isinstance(state, str) for state in given]
    if all(words):
        for word in given:
            if "\0" in str(word):
                raise InvalidGraph(f"The state {word!r} holds a letter that no word can have: \\0")
        letters = max(map(len, map(str, given)))
        rows = np.zeros((len(given), max(letters, 1)), np.int64)
        for row, word in zip(rows, given, strict=True):
            row[: len(str(word))] = [*map(ord, str(word))]
        return States(WORD, rows)
    numbers = [isinstance(state, int | np.integer) for state in given]
    try:
        if all(numbers):
            return States(NUMBER, np.array(given, np.int64).reshape(-1, 1))
        rows = np.array([[_whole(part) for part in _parts(state)] for state in given], np.int64)
    except (TypeError, ValueError, OverflowError) as problem:
        raise InvalidGraph(
            "States must be all whole numbers, all words, or all tuples of as many whole numbers; "
            f"here is {_example(given)!r} ({problem})"
        ) from None
    return States(TUPLE, rows.reshape(len(given), -1))


def _parts(state: Any) -> Sequence[object]:
    if not isinstance(state, SEQUENCES):
        raise TypeError(f"a state is a {type(state).__name__}")
    return state


def _whole(part: Any) -> int:
    whole: type[Any] = np.integer
    if isinstance(part, (int, whole)):
        return int(part)
    raise TypeError(f"a state holds a {type(part).__name__}")


def _example(given: Sequence[Any]) -> object:
    lengths = [len(state) if isinstance(state, SEQUENCES) else -1 for state in given]
    for state, length in zip(given, lengths, strict=True):
        if length != lengths[0] or type(state) is not type(given[0]):
            return state
    return given[0]
