"""Mass matrices: M y' = f(t, y), where M is constant and may be singular.

A program is brought into a form in which rows of M are independent of each other, or zero. A row
that others make up becomes zero, and its equation what these leave of it: an algebraic one.
"""

# What users give may be anything.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

import numpy as np

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.equations import definition_of, is_name, names_in
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.startup_records import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.system.program import Program
    from emberkeep.ode.system.reading import Read

    Rows = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]

ZERO, ONE = "0.0", "1.0"
# What a difference leaves counts as nothing where it is so small beside what it was made of, ...
ROUNDING = 1e-11
# ... with so many sets of parameters near their defaults.
TRIALS = 3


# As users write it ------------------------------------------------------------------------------


def mass_rows(
    given: Any,
    states: Sequence[str],
    inputs: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
) -> Rows:
    """The rows of a matrix that are something else than a one on the diagonal.

    Args:
        given: by state, its entry on the diagonal or its row; or the diagonal; or a matrix.
        states: their names.
        inputs: names of parameters and constants, which entries may be made of.
        shapes: lengths of vectors, whose names stand for all of their parts.

    Raises:
        InvalidSystem: it is none of these, or is made of something else.
    """
    pairs = given.items() if isinstance(given, Mapping) else _listed(given, states)
    rows: dict[str, dict[str, str]] = {}
    for name, row in pairs:
        for state in _parts(str(name), states, shapes):
            cells = row.items() if isinstance(row, Mapping) else ((state, row),)
            entries: dict[str, str] = {}
            for column, value in cells:
                text = _entry(value, f"mass[{str(name)!r}]", inputs)
                for other in _parts(str(column), states, shapes):
                    entries[other] = text
            rows[state] = {column: entry for column, entry in entries.items() if entry != ZERO}
    return tuple(
        (state, tuple((column, rows[state][column]) for column in states if column in rows[state]))
        for state in states
        if state in rows and rows[state] != {state: ONE}
    )


def _listed(given: Any, states: Sequence[str]) -> list[tuple[str, Any]]:
    size = len(states)
    try:
        rows = [[*row] if _is_row(row) else row for row in given]
    except TypeError:
        rows = []
    is_matrix = [_is_row(row) and len(row) == size for row in rows]
    if len(rows) != size or (any(map(_is_row, rows)) and not all(is_matrix)):
        raise InvalidSystem(
            f"mass={given!r} must be a mapping from states to numbers, a list of {size} numbers "
            f"for the diagonal, or a matrix of {size} by {size}: one for each of "
            f"{', '.join(states)}"
        )
    if all(is_matrix):
        return [
            (state, dict(zip(states, row, strict=True)))
            for state, row in zip(states, rows, strict=True)
        ]
    return [*zip(states, rows, strict=True)]


def _is_row(given: Any) -> bool:
    return isinstance(given, list | tuple) or bool(getattr(given, "ndim", 0))


def _parts(
    name: str, states: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> Sequence[str]:
    if name in states:
        return (name,)
    if name in shapes:
        parts = [state for state in states if state.startswith(f"{name}_")]
        return [part for part in parts if part[len(name) + 1 :].replace("_", "").isdecimal()]
    raise InvalidSystem(f"mass has an entry for {name!r}, which is no state of {', '.join(states)}")


def _entry(value: Any, place: str, inputs: Sequence[str]) -> str:
    """An entry in one form: as a number, or as the tokens of an expression."""
    if not isinstance(value, str) and hasattr(value, "free_symbols"):
        from emberkeep.ode.system.from_sympy import text_of

        value = text_of(value, place)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        if not isinstance(value, str):
            raise InvalidSystem(
                f"{place} is {value!r}; expected a number, or an expression of parameters and "
                "constants as text or SymPy"
            ) from None
        equation = definition_of("mass", value, place)
        unknown = {
            name for name in names_in(equation) if is_name(name) and f"{name} (" not in value
        } - {*inputs, "pi", "e"}
        if unknown:
            raise InvalidSystem(
                f"{place} is {value!r}, in which {sorted(unknown)} is no parameter and no constant"
                ". A mass matrix is the same at all times: move what changes to the right-hand "
                "side, or give it a state of its own"
            ) from None
        return equation.canonical
    return repr(number + 0.0)


# In a program -----------------------------------------------------------------------------------


def with_rows(read: Read, rows: Rows, states: Sequence[str]) -> Read:
    """A program with a matrix as it was given beside its equations."""
    if not rows:
        return read
    from emberkeep.ode.system.parsing import parse_equation

    program = read.program
    inputs = {name: program.name(name) for name in _names(rows)}
    places = {state: place for place, state in enumerate(states)}
    mass = {(place, place): program.number(1.0) for place in places.values()}
    for state, entries in rows:
        place = places[state]
        del mass[place, place]
        for column, text in entries:
            equation = definition_of("mass", text, f"mass[{state!r}]")
            mass[place, places[column]] = parse_equation(equation, program, inputs, {})
    return replace(read, {"mass": mass})


def _names(rows: Rows) -> set[str]:
    texts = (text for _, entries in rows for _, text in entries)
    return {name for text in texts for name in names_in(definition_of("mass", text, ""))}


def separated(
    read: Read, inputs: Mapping[str, float], functions: Mapping[str, Callable[..., float]]
) -> Read:
    """A program in which rows of the matrix that depend on others have become algebraic equations.

    Args:
        read: with a mass matrix.
        inputs: parameters and constants with likely values.
        functions: what users call by a name of their own.

    Raises:
        InvalidSystem: the matrix is made of something else.
    """
    assert read.mass is not None
    changing = read.program.names(read.mass.values()) - inputs.keys()
    if changing:
        raise InvalidSystem(
            f"A factor of a derivative depends on {', '.join(sorted(changing))}; it must be made "
            "of parameters and constants. Divide the equation by it"
        )
    rows: dict[int, dict[int, int]] = {row: {} for row in range(len(read.derivatives))}
    for (row, column), value in read.mass.items():
        if read.program.literal(value) != 0:
            rows[row][column] = value
    columns = [column for row in rows.values() for column in row]
    mass = {
        (row, column): value for row, entries in rows.items() for column, value in entries.items()
    }
    if len(columns) == len({*columns}) and all(len(row) <= 1 for row in rows.values()):
        return replace(read, {"mass": mass})
    elimination = _Elimination(read.program, inputs, functions)
    slopes = [*read.derivatives]
    for row, entries in rows.items():
        left, slope = elimination.eliminate(entries, slopes[row])
        if not left:
            slopes[row] = slope
            mass = {place: value for place, value in mass.items() if place[0] != row}
    return replace(read, {"mass": mass, "derivatives": tuple(slopes)})


@final
class _Elimination:
    """Gauss's elimination, in a program; which entries vanish is told by numbers."""

    def __init__(
        self,
        program: Program,
        inputs: Mapping[str, float],
        functions: Mapping[str, Callable[..., float]],
    ) -> None:
        self._program, self._functions = program, functions
        self._pivots: list[tuple[int, dict[int, int], int]] = []  # column, row, right-hand side
        draw = random.Random(0)  # noqa: S311 - nothing secret
        self._trials = {
            name: np.array([(value or 1.0) * draw.uniform(0.5, 1.5) for _ in range(TRIALS)])
            for name, value in inputs.items()
        }

    def eliminate(self, entries: Mapping[int, int], right: int) -> tuple[dict[int, int], int]:
        """What rows before leave of one; what is left is a pivot for those that follow."""
        program, row = self._program, dict(entries)
        for column, other, its_right in self._pivots:
            if column not in row:
                continue
            factor = program.arithmetic("/", row.pop(column), other[column])
            for each, value in other.items():
                if each != column:
                    self._subtract(row, each, program.arithmetic("*", factor, value))
            product = program.arithmetic("*", factor, its_right)
            right = program.arithmetic("-", right, product)
        if row:
            sizes = self._sizes([*row.values()])
            column = max(zip(row, sizes, strict=True), key=lambda pair: pair[1].min())[0]
            self._pivots.append((column, row, right))
        return row, right

    def _subtract(self, row: dict[int, int], column: int, product: int) -> None:
        program = self._program
        if column not in row:
            row[column] = program.negative(product)
            return
        value = program.arithmetic("-", row[column], product)
        left, before = self._sizes([value, row[column]])
        if (left <= ROUNDING * before).all():
            del row[column]
        else:
            row[column] = value

    def _sizes(self, values: Sequence[int]) -> list[Any]:
        found = evaluate(self._program, values, self._trials, self._functions)
        return [np.broadcast_to(np.abs(value), TRIALS) for value in found]
