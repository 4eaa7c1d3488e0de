"""The right-hand side and the step of a small system: numbers in, numbers out, no loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.codegen.printing import Literals, Names, Printer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from emberkeep.ode.methods.tableau import Tableau
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.system import System


def listed(names: Sequence[str]) -> str:
    """Names for a call, a signature, or a tuple to unpack; one alone keeps its comma."""
    return ", ".join(names) + ("," if len(names) == 1 else "")


def numbered(stem: str, count: int) -> list[str]:
    """Names such as y0, y1, …: one for each state or input."""
    return [f"{stem}{index}" for index in range(count)]


def right_hand_side(system: System, read: Read | None, literals: Literals) -> str:
    """The derivatives of all states, as a function of time, states, parameters and constants."""
    names = (*system.states, *system.parameters, *system.constants)
    mine = Names(("t", *names))
    signature = ", ".join(mine.of(name) for name in ("t", *names))
    derivatives = [mine.new(f"d{state}") for state in system.states]
    if read is None:
        states = listed([mine.of(name) for name in system.states])
        rest = listed([mine.of(name) for name in (*system.parameters, *system.constants)])
        lines = [
            f"{listed(derivatives)} = equations(t, States({states}), Parameters({rest}))",
            f"return {listed([f'real({name})' for name in derivatives])}",
        ]
    else:
        written = {name: mine.of(name) for name in ("t", *names)}
        printer = Printer(read.program, written, literals, mine)
        printer.write(list(zip(derivatives, read.derivatives, strict=True)))
        lines = [*printer.lines, f"return {listed(derivatives)}"]
    body = "\n".join(f"    {line}" for line in lines)
    return f'''
def right_hand_side({signature}):
    """The derivatives of {_shortened(system.states)}."""
{body}
'''


def _shortened(names: Iterable[str]) -> str:
    shown = [*names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")  # noqa: PLR2004


def combination(row: Sequence[tuple[int, str]], slopes: Sequence[str], base: str, h: str) -> str:
    """Base + h · factor · (first slope + ratio · slope + …), as source."""
    if not row:
        return base
    (_, factor), *rest = row
    scale = h if factor == ONE else f"{h} * {factor}"
    total = " + ".join(
        [slopes[0]]
        + [
            slope if ratio == ONE else f"{ratio} * {slope}"
            for (_, ratio), slope in zip(rest, slopes[1:], strict=True)
        ]
    )
    return f"{base} + {scale} * {f'({total})' if rest else total}"


ONE = "1.0"  # a coefficient that is left out of the code


def coefficients(row: Sequence[float], label: str) -> list[tuple[int, str]]:
    """Stages that a row of a tableau takes something of, with the names of how much.

    The first is a factor of the whole row, the others are relative to it: that takes one
    multiplication less for each state.
    """
    found = [(stage, value) for stage, value in enumerate(row) if value]
    return [
        (stage, ONE if value == (1 if number == 0 else found[0][1]) else f"{label}{stage + 1}")
        for number, (stage, value) in enumerate(found)
    ]


def _relative(row: Sequence[float]) -> list[float]:
    """A row as the code has it: its first number, and the others relative to that."""
    first = next((value for value in row if value), 1.0)
    started = False
    relative: list[float] = []
    for value in row:
        relative.append(value / first if started else value)
        started = started or bool(value)
    return relative


def constants(tableau: Tableau) -> str:
    """The tableau's numbers as named constants; zeros and ones are left out of the code."""
    rows = [(f"A{stage}_", row) for stage, row in enumerate(tableau.stages, 2)]
    if not tableau.ends_with_solution:  # else its weights are those of its last stage
        rows.append(("B", tableau.weights))
    rows.append(("E", tableau.error))
    named = [(f"C{stage + 1}", node) for stage, node in enumerate(tableau.nodes)]
    for label, row in rows:
        named += [(f"{label}{source + 1}", value) for source, value in enumerate(_relative(row))]
    text = "".join(f"{name} = real({value!r})\n" for name, value in named if value not in (0, 1))
    return (
        f"\n# Of {tableau.name}: where its stages lie, and what they take of others. The first "
        f"number of a row is\n# a factor of all of it, the others are relative to that.\n{text}"
    )


def node(tableau: Tableau, stage: int) -> str:
    """Time at a stage."""
    value = tableau.nodes[stage]
    known: dict[float, str] = {0: "t", 1: "t + h"}
    return known.get(value, f"t + C{stage + 1} * h")


def step(tableau: Tableau, states: int, inputs: int, *, dense: bool) -> str:
    """One step of a method; its stages are given back where values in between are wanted."""
    y, p = numbered("y", states), numbered("p", inputs)
    slopes = [
        [f"k{stage + 1}_{index}" for index in range(states)] for stage in range(tableau.count)
    ]
    reused = tableau.ends_with_solution
    given = ["t", "h"]
    if tableau.is_adaptive:
        given += ["rtol", *numbered("atol", states)]
    given += [*y, *(slopes[0] if reused else []), *p]
    lines: list[str] = []
    if not reused:
        lines.append(f"{listed(slopes[0])} = right_hand_side({', '.join(['t', *y, *p])})")
    new = numbered("new", states)
    for stage in range(1, tableau.count):
        row = coefficients(tableau.stages[stage - 1], f"A{stage + 1}_")
        at = [
            combination(row, [slopes[source][index] for source, _ in row], y[index], "h")
            for index in range(states)
        ]
        if reused and stage == tableau.count - 1:
            lines += [f"{name} = {value}" for name, value in zip(new, at, strict=True)]
            at = new
        arguments = ", ".join([node(tableau, stage), *at, *p])
        lines.append(f"{listed(slopes[stage])} = right_hand_side({arguments})")
    if not reused:
        row = coefficients(tableau.weights, "B")
        for index in range(states):
            taken = [slopes[source][index] for source, _ in row]
            lines.append(f"{new[index]} = {combination(row, taken, y[index], 'h')}")
    results = [*new]
    if tableau.is_adaptive:
        lines += scaled_errors(tableau, states)
        results = ["squared_error", *new]
    if reused:
        results += slopes[-1]
    if dense:
        results += [name for row in slopes[1:-1] for name in row]
    body = "\n".join(f"    {line}" for line in lines)
    return f'''
def step({", ".join(given)}):
    """One step of {tableau.name}: the states at its end{_also(tableau, dense=dense)}."""
{body}
    return {listed(results)}
'''


def _also(tableau: Tableau, *, dense: bool) -> str:
    found = ["after the squared error"] if tableau.is_adaptive else []
    found += ["with their derivatives"] if tableau.ends_with_solution else []
    found += ["and the slopes in between"] if dense else []
    return f", {' '.join(found)}" if found else ""


def scaled_errors(tableau: Tableau, states: int) -> list[str]:
    """Statements for the mean of squared errors, each in units of what is tolerated."""
    lines: list[str] = []
    row = coefficients(tableau.error, "E")
    for index in range(states):
        taken = [f"k{source + 1}_{index}" for source, _ in row]
        lines.append(f"scale = atol{index} + rtol * max(abs(y{index}), abs(new{index}))")
        lines.append(f"e{index} = {combination(row, taken, '', 'h').removeprefix(' + ')} / scale")
    squares = " + ".join(f"e{index} * e{index}" for index in range(states))
    mean = f"({squares}) * STATES_SHARE" if states > 1 else squares
    return [*lines, f"squared_error = {mean}"]


def first_step(states: int) -> str:
    """The length of the first step."""
    y, k = numbered("y", states), numbered("k", states)
    lines: list[str] = []
    for index in range(states):
        lines.append(f"scale = atol{index} + rtol * abs(y{index})")
        lines.append(f"size = max(size, abs(y{index}) / scale)")
        lines.append(f"slope = max(slope, abs(k{index}) / scale)")
    body = "\n".join(f"    {line}" for line in lines)
    return f'''
def first_step(span, least, largest, rtol, {", ".join([*numbered("atol", states), *y, *k])}):
    """A step in which the states change by a hundredth; small ones, by less than is tolerated."""
    size, slope = UNIT, TINY
{body}
    guess = HUNDREDTH * size / slope
    most = min(TENTH * span, largest)
    return max(least, guess if guess < most else most)  # not-a-number is not smaller
'''
