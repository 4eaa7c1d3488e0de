"""The right-hand side and the step of a large system: loops over rows, so that code stays short.

Compilers take time by the statement: fifty states with seven stages, written out, take seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.codegen.printing import Literals, Names, Printer
from emberkeep.ode.codegen.straight import coefficients, combination, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.methods.tableau import Tableau
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.system import System


def right_hand_side(system: System, read: Read | None, literals: Literals) -> str:
    """The derivatives of all states in every lane: from the rows of a stage to those of slopes."""
    inputs = (*system.parameters, *system.constants)
    mine = Names(("t", *system.states, *inputs))
    used = _used(system, read)
    lines = ["t = rows[TIME + lane]"] if "t" in used else []
    for group, names in (("NEW", [*system.states]), ("P", [*inputs])):
        lines += [
            f"{mine.of(name)} = rows[{group} + {index} * LANES + lane]"
            for index, name in enumerate(names)
            if name in used
        ]
    slopes = [f"rows[LAST + {index} * LANES + lane]" for index in range(len(system.states))]
    if read is None:
        states = listed([mine.of(name) for name in system.states])
        rest = listed([mine.of(name) for name in inputs])
        results = [mine.new(f"d{state}") for state in system.states]
        lines.append(f"{listed(results)} = equations(t, States({states}), Parameters({rest}))")
        lines += [f"{slope} = real({name})" for slope, name in zip(slopes, results, strict=True)]
    else:
        names = {name: mine.of(name) for name in ("t", *system.states, *inputs)}
        printer = Printer(read.program, names, literals, mine)
        printer.write(list(zip(slopes, read.derivatives, strict=True)))
        lines += printer.lines
    body = "\n".join(f"        {line}" for line in lines)
    return f'''
def right_hand_side(rows):
    """The derivatives of all {len(system.states)} states at a stage, in every lane."""
    for lane in range(LANES):
{body}
'''


def _used(system: System, read: Read | None) -> set[str]:
    """Names that are read at all."""
    if read is None:
        return {"t", *system.states, *system.parameters, *system.constants}
    program = read.program
    needed = program.needed(read.derivatives)
    instructions = [program.instructions[value] for value in needed]
    return {str(rest[0]) for operation, *rest in instructions if operation == "name"}


def step(tableau: Tableau) -> str:
    """One step of a method in every lane, stage by stage."""
    reused = tableau.ends_with_solution
    parts: list[str] = [] if reused else [_begin()]
    calls: list[str] = [] if reused else ["begin_step(rows, count)"]
    for stage in range(1, tableau.count):
        parts.append(_stage(tableau, stage))
        calls.append(f"stage_{stage + 1}(rows, count)")
    choices = "".join(
        f"        {'el' if number else ''}if stage == {number}:\n            {call}\n"
        for number, call in enumerate(calls)
    )
    solution = ""
    if not reused:
        parts.append(_solution(tableau))
        solution = "    solution(rows, count)\n"
    if tableau.is_adaptive:
        parts.append(_error(tableau))
    return f'''{"".join(parts)}
def step(rows, count):
    """One step of {tableau.name} in every lane: the states after it are in NEW."""
    # One place that calls the right-hand side, or compilers would copy it for each stage.
    for stage in range({len(calls)}):
{choices}        right_hand_side(rows)
{solution}'''


def _begin() -> str:
    return '''
def begin_step(rows, count):
    """The first stage lies at the beginning."""
    for i in range(count):
        for lane in range(LANES):
            at = i * LANES + lane
            rows[NEW + at] = rows[Y + at]
    for lane in range(LANES):
        rows[TIME + lane] = rows[START + lane]
'''


def _sum(row: Sequence[tuple[int, str]], last: int, base: str) -> str:
    """A state and what a row of the tableau adds to it; the slope of the last stage is at hand."""
    slopes = [
        "slope" if source == last else f"rows[SLOPES + {source} * ALL + at]" for source, _ in row
    ]
    return combination(row, slopes, base, "rows[H + lane]").removeprefix(" + ")


def _stage(tableau: Tableau, stage: int) -> str:
    row = coefficients(tableau.stages[stage - 1], f"A{stage + 1}_")
    last = stage - 1
    found = "K1" if last == 0 and tableau.ends_with_solution else "LAST"
    value = tableau.nodes[stage]
    known: dict[float, str] = {0: "", 1: " + rows[H + lane]"}
    share = known.get(value, f" + C{stage + 1} * rows[H + lane]")
    return f'''
def stage_{stage + 1}(rows, count):
    """States and time at stage {stage + 1}; the slope at the stage before is put aside."""
    for i in range(count):
        for lane in range(LANES):
            at = i * LANES + lane
            slope = rows[{found} + at]
            rows[SLOPES + {last} * ALL + at] = slope
            rows[NEW + at] = {_sum(row, last, "rows[Y + at]")}
    for lane in range(LANES):
        rows[TIME + lane] = rows[START + lane]{share}
'''


def _solution(tableau: Tableau) -> str:
    row = coefficients(tableau.weights, "B")
    return f'''
def solution(rows, count):
    """The states after the step."""
    for i in range(count):
        for lane in range(LANES):
            at = i * LANES + lane
            slope = rows[LAST + at]
            rows[NEW + at] = {_sum(row, tableau.count - 1, "rows[Y + at]")}
'''


def _error(tableau: Tableau) -> str:
    row = coefficients(tableau.error, "E")
    return f'''
def estimate_error(rows, numbers):
    """The mean of squared errors, each in units of what is tolerated."""
    rtol, count = numbers[6], len(numbers) - SETTINGS
    for lane in range(LANES):
        rows[ERROR + lane] = ZERO
    for i in range(count):
        atol = numbers[7 + i]
        for lane in range(LANES):
            at = i * LANES + lane
            slope = rows[LAST + at]
            scale = atol + rtol * max(abs(rows[Y + at]), abs(rows[NEW + at]))
            e = {_sum(row, tableau.count - 1, "")} / scale
            rows[ERROR + lane] += e * e
    for lane in range(LANES):
        rows[ERROR + lane] *= STATES_SHARE
'''
