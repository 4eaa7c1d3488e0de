"""A calculation as data: a Wengert list, whose single operations any interpreter replays.

Slots begin with leaves: 1, other constants, and values that are linear in parameters. Each
operation adds a product or a quotient of two slots to a third. They are sorted by *level*: how many
come before it one after another, so that those of one level can be done in any order, or all at
once. A program that interprets tapes is compiled once, whatever is on them; and derivatives are
what the same operations give in reverse (automatic differentiation).

A pattern of elimination implies its operations and is much smaller; tapes are for what needs
derivatives, or runs where only arrays go.
"""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.errors import InvalidGraph
from emberkeep.elimination.kernels.tape_writer import (
    find_levels,
    find_useful,
    write_factors,
    write_solution,
)
from emberkeep.elimination.layout import DIVIDE, MULTIPLY, ONE
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.elimination.pattern import SparsityPattern

    Values = np.ndarray[Any, Any]

MOST_OPERATIONS = 1 << 25
CHUNK = 256  # of operations that arrays do at once


@final
@frozen
class Tape:
    """What an interpreter needs.

    Attributes:
        counts: how many leaves, slots, segments, linear terms and outputs there are.
        segments: kind, first operation and the one after the last, of each run of one kind and
            level; three rows.
        operations: target, first and second operand; three rows.
        leaves: values of the first slots where all parameters are zero.
        linear: slot and parameter of what is added to leaves, times `coefficients`; two rows.
        coefficients: of linear terms.
        outputs: slots.
    """

    counts: Values
    segments: Values
    operations: Values
    leaves: Values
    linear: Values
    coefficients: Values
    outputs: Values

    @property
    def slots(self) -> int:
        """How many values there are on the way."""
        return int(self.counts[1])

    @property
    def chunks(self) -> Values:
        """Kind, first operation and how many, of runs that are no longer than `CHUNK`; rows."""
        rows: Values = self.segments.astype(np.int64)
        kinds, begins, ends = rows[0], rows[1], rows[2]
        several: Values = -(-(ends - begins) // CHUNK)
        before: Values = np.cumsum(several) - several
        number: Values = np.arange(int(several.sum())) - np.repeat(before, several)
        first: Values = np.repeat(begins, several) + CHUNK * number
        last = np.minimum(first + CHUNK, np.repeat(ends, several))
        return np.stack([np.repeat(kinds, several), first, last - first]).astype(np.int32)


@final
@frozen
class Factored:
    """Where the factors of a pattern are on a tape.

    Attributes:
        pattern: whose.
        weights: slots of its edges' weights.
        first: the first slot of: raw entries of L, entries of L, entries of U, what leaves a row's
            component, D.
    """

    pattern: SparsityPattern
    weights: Values
    first: Values

    @property
    def upper(self) -> Values:
        """Slots of the entries of U; in rows that were kept, what leads from each to each."""
        return self.first[2] + np.arange(self.pattern.entries[1])


@final
class TapeWriter:
    """Takes down a calculation.

    Args:
        parameters: how many.
    """

    def __init__(self, parameters: int) -> None:
        self.parameters = parameters
        self._constants: dict[float, int] = {1.0: ONE}
        self._leaves: list[tuple[Values, Values]] = [(np.zeros(1, np.int64), np.ones(1))]
        self._linear: list[tuple[Values, Values, Values]] = []
        self._written: list[Values] = []
        self._slots = 1

    def slots(self, count: int) -> Values:
        """New ones, which begin as zero."""
        first = self._slots
        self._slots += count
        return np.arange(first, self._slots)

    def constants(self, values: Values) -> Values:
        """A slot for each; the same for equal ones."""
        known = self._constants
        distinct, which = np.unique(values, return_inverse=True)
        new = np.array([value for value in distinct.tolist() if value not in known])
        slots = self.slots(len(new))
        self._leaves.append((slots, new))
        known |= dict(zip(new.tolist(), slots.tolist(), strict=True))
        return np.array([known[value] for value in distinct.tolist()], np.int64)[which.reshape(-1)]

    @property
    def known_constants(self) -> list[int]:
        """Slots of constants."""
        return list(self._constants.values())

    def linear(self, base: Values, coefficients: Values) -> Values:
        """Slots of base + coefficients · theta."""
        slots = self.slots(len(base))
        self._leaves.append((slots, base))
        rows, parameters = np.nonzero(coefficients)
        self._linear.append((slots[rows], parameters, coefficients[rows, parameters]))
        return slots

    def add(self, targets: Values, first: Values, second: Any = ONE) -> None:
        """Add to each target a product, or where there is but one factor, that."""
        self._note(MULTIPLY, targets, first, second)

    def product(self, first: Values, second: Any) -> Values:
        """Slots of products."""
        slots = self.slots(len(first))
        self.add(slots, first, second)
        return slots

    def quotient(self, first: Values, second: Any) -> Values:
        """Slots of quotients."""
        slots = self.slots(len(first))
        self._note(DIVIDE, slots, first, second)
        return slots

    def dot(self, weights: Values, slots: Values) -> int:
        """The slot of a sum with constant weights; those that are zero are left out."""
        (total,) = self.slots(1)
        there = np.flatnonzero(weights)
        self.add(np.full(len(there), total), slots[there], self.constants(weights[there]))
        return int(total)

    def _note(self, kind: int, targets: Values, first: Values, second: Any) -> None:
        column = np.empty((4, len(targets)), np.int64)
        column[0], column[1], column[2], column[3] = kind, targets, first, second
        self._keep(column)

    def _keep(self, written: Values) -> None:
        self._written.append(written)
        total = sum(part.shape[1] for part in self._written)
        if total > MOST_OPERATIONS:
            raise InvalidGraph(
                f"Its moments or rewards take more than {MOST_OPERATIONS:,} operations, each of "
                "which would be kept in memory. Graph.moments and Graph.moment_gradient need no "
                "such list"
            )

    def factors(self, pattern: SparsityPattern, weights: Values) -> Factored:
        """The factors of an elimination.

        Args:
            pattern: what was recorded.
            weights: slots of its edges' weights.
        """
        lowers, uppers = pattern.entries
        rows = pattern.rows
        sizes = (lowers, lowers, uppers, rows, rows)
        first = np.array([self.slots(size)[:1].sum() for size in sizes], np.int64)
        lengths = np.diff(pattern.upper[0].astype(np.int64))
        most = pattern.edges + uppers + rows + int((lengths[pattern.lower[1]] + 2).sum())
        if most > MOST_OPERATIONS:
            self._keep(np.empty((4, most), np.int64))  # says so
        written, count = np.empty((4, most), np.int64), np.zeros(1, np.int64)
        where = np.empty(rows + 1, np.int64)
        write_factors(pattern.array, weights, first, where, written, count, count=1)
        self._keep(written[:, : count[0]])
        return Factored(pattern, weights, first)

    def solve(self, factored: Factored, right: Values) -> Values:
        """Slots of the solution of M x = b, by row; those of b are -1 where it is zero."""
        pattern = factored.pattern
        rows = pattern.rows
        first = np.array([self.slots(rows)[:1].sum() for _ in range(3)], np.int64)
        most = pattern.edges + sum(pattern.entries) + 3 * rows
        written, count = np.empty((4, most), np.int64), np.zeros(1, np.int64)
        write_solution(
            pattern.array, factored.weights, factored.first, first,
            np.ascontiguousarray(right, np.int64), written, count, count=1,
        )  # fmt: skip
        self._keep(written[:, : count[0]])
        return first[2] + np.arange(rows)

    def tape(self, outputs: Values) -> Tape:
        """All that outputs need, sorted by level; of those that are -1, nothing: they are zero."""
        nothing = np.empty((4, 0), np.int64)
        written = np.concatenate([nothing, *self._written], axis=1)
        leaves = np.concatenate([slots for slots, _ in self._leaves])
        written = _needed(written, leaves, outputs, self._slots)
        level = np.zeros(written.shape[1], np.int64)
        level_of_slot = np.zeros(self._slots, np.int64)
        find_levels(written, level_of_slot, level, count=1)
        order = np.argsort(2 * level + written[0], kind="stable")
        written, level = written[:, order], level[order]
        values = np.concatenate([values for _, values in self._leaves])
        new, leaves, values, last = _renumbered(written, leaves, values, self._slots)
        known = (outputs >= 0) & (new[outputs] >= 0)
        outputs, last = np.where(known, new[outputs], last), last + 1  # the last one stays zero
        linear = [np.concatenate(part) for part in zip(*self._linear, strict=True)] or [
            np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0),
        ]  # fmt: skip
        segments = _segments(2 * level + written[0], written[0])
        sizes = (len(leaves), last, segments.shape[1], len(linear[0]), len(outputs))
        return Tape(
            np.array(sizes, np.int64),
            segments,
            np.ascontiguousarray(new[written[1:]], np.int32),
            values,
            np.stack([new[linear[0]], linear[1]]).astype(np.int32),
            linear[2],
            outputs.astype(np.int32),
        )


def _needed(written: Values, leaves: Values, outputs: Values, slots: int) -> Values:
    """Operations that outputs depend on, and none of whose operands is always zero."""
    written = np.ascontiguousarray(written)
    useful = np.empty(written.shape[1], np.int64)
    there, wanted = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    there[leaves], wanted[outputs[outputs >= 0]] = 1, 1
    find_useful(written, there, wanted, useful, count=1)
    return np.ascontiguousarray(written[:, useful > 0])


def _renumbered(
    written: Values, leaves: Values, values: Values, slots: int
) -> tuple[Values, Values, Values, int]:
    """New numbers: leaves first, all in the order of their use, as near each other as that goes.

    Gives also the leaves and their values in the new order, and how many numbers there are.
    """
    used, when = np.unique(written[2:].T.reshape(-1), return_index=True)
    first_use = np.full(slots, written.size, np.int64)
    first_use[used] = when
    order = np.argsort(first_use[leaves], kind="stable")
    made, when = np.unique(written[1], return_index=True)
    made = made[np.argsort(when)]
    new = np.full(slots, -1, np.int64)
    new[leaves[order]] = np.arange(len(leaves))
    made = made[new[made] < 0]
    new[made] = len(leaves) + np.arange(len(made))
    return new, leaves[order], values[order], len(leaves) + len(made)


def _segments(groups: Values, kinds: Values) -> Values:
    """Kind, begin and end of runs of equal groups."""
    cuts = np.flatnonzero(groups[1:] != groups[:-1]) + 1
    begins = np.concatenate([[0], cuts]) if len(groups) else np.empty(0, np.int64)
    ends = np.append(begins[1:], len(groups)) if len(groups) else begins
    return np.stack([kinds[begins], begins, ends]).astype(np.int32)
