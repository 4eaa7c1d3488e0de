"""The trajectories of a solve: initial values and parameters, given for each or as a grid."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.startup_records import final, frozen
from emberkeep.targets.arguments import is_traced
from emberkeep.targets.cpu.threads import run_on_threads, start_on_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from emberkeep.ode.system.system import System
    from emberkeep.targets.cpu.threads import Started

    Values = np.ndarray[Any, Any]

PIECE = 1 << 16  # numbers that a thread copies at once

VERBATIM, COMBINATIONS = "verbatim", "combinations"
GRIDS = (VERBATIM, COMBINATIONS)


@final
@frozen
class Column:
    """One state's initial value, or one parameter, over all trajectories.

    Attributes:
        name: whose.
        values: one for all, one for each trajectory, or an axis of a grid.
        stride: of a grid's axis: how many trajectories have the same value in a row; 0 where there
            is one for each trajectory.
    """

    name: str
    values: Values
    stride: int

    @property
    def is_single(self) -> bool:
        """Whether it is the same for all."""
        return self.values.size == 1


@final
class Copies:
    """Numbers to be copied: by several threads, where there are many, since one is slow at it.

    Args:
        pairs: from where, and to where.
    """

    def __init__(self, pairs: Sequence[tuple[Values, Values]]) -> None:
        self._pieces: list[tuple[Values, Values]] = []
        for source, target in pairs:
            if target.size <= PIECE:
                target[:] = source
                continue
            for begin in range(0, target.size, PIECE):
                here = slice(begin, begin + PIECE)
                self._pieces.append((source[here], target[here]))

    def start(self, threads: int) -> Started:
        """Begin, on other threads; the caller has to finish it."""
        return start_on_threads(self._copy, len(self._pieces), threads)

    def make(self, threads: int) -> None:
        """Make all of them."""
        run_on_threads(self._copy, len(self._pieces), threads)

    def _copy(self, begin: int, end: int) -> int:
        for source, target in self._pieces[begin:end]:
            target[:] = source
        return 0


@final
@frozen
class Batch:
    """What is integrated.

    Attributes:
        runs: how many trajectories.
        columns: states, parameters and constants, in the order of the generated code.
        varied: names of those that differ, in the order of the grid.
        grid: ``"verbatim"`` or ``"combinations"``.
    """

    runs: int
    columns: tuple[Column, ...]
    varied: tuple[str, ...]
    grid: str

    def chunk_size(self, runs: int) -> int:
        """How many numbers a chunk of trajectories is given."""
        return sum(_length(column, runs) for column in self.columns)

    def fill(self, begin: int, end: int, values: Values, sources: Values) -> Copies:
        """Write down where each of a chunk's numbers is found; what is left is to copy them."""
        offset = 0
        copies: list[tuple[Values, Values]] = []
        for index, column in enumerate(self.columns):
            length = _length(column, end - begin)
            part = column.values
            if column.stride == 0 and not column.is_single:
                part = part[begin:end]
            copies.append((part, values[offset : offset + length]))
            step = int(column.stride == 0 and not column.is_single)
            sources[4 * index : 4 * index + 4] = (offset, step, column.stride, length)
            offset += length
        return Copies(copies)

    def coordinate(self, name: str) -> Values:
        """The values of one that is varied: for each trajectory, or a grid's axis."""
        return next(column.values for column in self.columns if column.name == name)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a grid, the lengths of its axes; else the number of trajectories."""
        if self.grid == COMBINATIONS and self.varied:
            return tuple(self.coordinate(name).size for name in self.varied)
        return (self.runs,)


def _length(column: Column, runs: int) -> int:
    return runs if column.stride == 0 and not column.is_single else column.values.size


def make_batch(
    system: System,
    parameters: Mapping[str, Any] | None,
    initial: Mapping[str, Any] | None,
    grid: str,
    rows: Mapping[str, int] | None = None,
) -> Batch:
    """All trajectories.

    Args:
        system: what is integrated.
        parameters: by name.
        initial: initial values, likewise.
        grid: how they are combined.
        rows: what else is given for each trajectory, and for how many.

    Raises:
        InvalidPlan: an unknown name, or values that don't fit together.
    """
    named: Any = grid
    if not isinstance(named, str) or named not in GRIDS:
        raise InvalidPlan(
            f"grid={grid!r} is not known; expected 'verbatim' (the first of each, the second of "
            "each, …) or 'combinations' (each with each)"
        )
    is_combined = grid == COMBINATIONS
    given = {
        **single("parameter", parameters, system.parameters, system, is_combined=is_combined),
        **single("initial value", initial, system.states, system, is_combined=is_combined),
    }
    if not is_combined:
        _require_same_labels(each for each in (parameters, initial) if each is not None)
    defaults = {**system.states, **system.parameters, **system.constants}
    varied = tuple(name for name, values in given.items() if values.size != 1)
    strides = dict.fromkeys(defaults, 0)
    if grid == COMBINATIONS:
        runs = 1
        for name in reversed(varied):
            strides[name] = runs
            runs *= given[name].size
    else:
        lengths = {name: given[name].size for name in varied}
        runs = _common_length({**lengths, **(rows or {})})
    for what, count in (rows or {}).items():
        if count != runs:
            raise InvalidPlan(
                f"What is given for {what} is for {count} trajectories, and the grid has {runs}"
            )
    for name in system.states.keys() - given.keys():
        _require_finite("initial value", name, np.array([system.states[name]]))
    columns = tuple(
        Column(name, given[name] if name in given else np.array([default]), strides[name])
        for name, default in defaults.items()
    )
    return Batch(runs, columns, varied, grid)


def single(
    kind: str,
    given: Any,
    known: Mapping[str, float],
    system: System,
    *,
    is_combined: bool = False,
) -> dict[str, Values]:
    """What is given, by the names of single states or parameters, as arrays.

    Args:
        kind: what they are called in messages.
        given: by name, of vectors and matrices, too.
        known: names that there are, with their defaults.
        system: whose.
        is_combined: whether each goes with each.

    Raises:
        InvalidPlan: an unknown name, or what is no number.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) and not hasattr(given, "items"):
        raise InvalidPlan(
            f"The {kind}s must be given by name: {{{next(iter(known), 'name')!r}: 1.0}}; a "
            f"{type(given).__qualname__} was passed"
        )
    found: dict[str, Values] = {}
    for key, values in pairs_of(given):
        name = name_of(key)
        divided: Mapping[str, Any] | None = {name: values}
        if name not in known:
            from emberkeep.ode.vectors import parts

            divided = parts(kind, name, values, known, is_combined=is_combined)
            if divided is None:
                raise _unknown(kind, name, known, system)
        for each, part in divided.items():
            if each in found:
                raise InvalidPlan(
                    f"The {kind} {each!r} is given twice, as {name!r} for one. Leave out the other"
                )
            found[each] = _numbers(f"The {kind} {each!r}", part)
            _require_finite(kind, each, found[each])
    return found


def name_of(given: object) -> str:
    """A name as text, as systems have it: SymPy's symbols by theirs."""
    text = str(given)
    if text.isascii():
        return text
    from emberkeep.ode.system.notation import plain_name

    return plain_name(text)


def _require_same_labels(given: Iterable[Any]) -> None:
    """The first of each, the second of each: not where labels say that they are not of one run."""
    first: tuple[str, Any] | None = None
    for name, values in (pair for each in given for pair in pairs_of(each)):
        labels = _labels(values)
        if labels is None:
            continue
        if first is None:
            first = name, labels
        elif not (labels[0] == first[1][0] and _are_equal(labels[1], first[1][1])):
            raise InvalidPlan(
                f"{first[0]!r} and {name!r} have different labels, and grid='verbatim' would take "
                "the first of each, the second of each, … Align them, pass "
                "values.to_numpy(), or grid='combinations' to combine each with each"
            )


def _labels(values: Any) -> tuple[Any, Any] | None:
    """What a pandas Series, or an xarray DataArray of one dimension, says of its places."""
    if getattr(values, "ndim", 0) != 1 or values.size == 1:
        return None
    dims = getattr(values, "dims", None)
    if dims is not None:
        return dims, values.indexes.get(dims[0])
    index = getattr(values, "index", None)
    return None if index is None or not hasattr(index, "equals") else ((), index)


def _are_equal(one: Any, other: Any) -> bool:
    return one is None or other is None or bool(one.equals(other))


def _require_finite(kind: str, name: str, values: Values) -> None:
    """Of a state that begins nowhere no trajectory succeeds; where some do, the others are told."""
    if kind == "initial value" and not np.isfinite(values).any():
        raise InvalidPlan(
            f"The {kind} of {name!r} is {values[0]}, so that no trajectory can succeed. Pass a "
            f"finite one: initial={{{name!r}: 1.0}}"
        )


def pairs_of(given: Any) -> Iterable[tuple[Any, Any]]:
    """The items of a mapping, or of what is like one."""
    return given.items()


def _numbers(what: str, values: Any) -> Values:
    try:
        masked = sys.modules.get("numpy.ma")
        if masked is not None and isinstance(values, masked.MaskedArray):
            raise TypeError("it has a mask. Pass array.filled(…) or array.compressed()")  # noqa: TRY301 - as those of NumPy below
        array = np.asarray(values)
        if array.dtype.kind == "O":
            array = np.vectorize(float, otypes=[float])(array)
        elif array.dtype.kind not in "fiub":
            raise TypeError(f"these are {array.dtype}")  # noqa: TRY301 - as those of NumPy below
        if array.dtype.name not in ("float32", "float64"):
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as problem:
        raise InvalidPlan(
            f"{what} must be a number or an array of numbers: {_told(values, problem)}"
        ) from None
    if array.size == 0:
        raise InvalidPlan(f"{what} has no values: there is nothing to solve. Pass at least one")
    if array.ndim > 1:
        raise InvalidPlan(
            f"{what} has shape {array.shape}; pass one number, or one for each trajectory. Of an "
            "array with more dimensions, pass array.ravel()"
        )
    return array.reshape(-1)


def _told(values: Any, problem: Exception) -> str:
    if values is None:
        return "it is None"
    if is_traced(values):
        return (
            "it is one that JAX traces (under jit, grad or vmap), which has no value yet. Call "
            "the solver outside of JAX's transformations"
        )
    return str(problem)


def _unknown(kind: str, name: str, known: Mapping[str, float], system: System) -> InvalidPlan:
    import difflib

    if name in system.constants:
        return InvalidPlan(
            f"{name!r} is a constant, the same for all trajectories. Use "
            f"system.with_constants({name}=…), or declare it as a parameter"
        )
    if name in system.parameters or name in system.states:
        other = "parameters" if name in system.parameters else "initial"
        return InvalidPlan(f"{name!r} is no {kind}; pass it in {other}={{…}}")
    by_case = {other.lower(): other for other in known}
    close = difflib.get_close_matches(name.lower(), by_case, 1)
    hint = f"Did you mean {by_case[close[0]]!r}? " if close else ""
    return InvalidPlan(
        f"{system.name} has no {kind} {name!r}. {hint}There are {', '.join(known) or 'none'}"
    )


def _common_length(lengths: Mapping[str, int]) -> int:
    different: Sequence[int] = sorted(set(lengths.values()))
    if len(different) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InvalidPlan(
            f"Values for each trajectory must be equally many, and {listed}. Pass "
            "grid='combinations' to combine each with each"
        )
    return different[0] if different else 1
