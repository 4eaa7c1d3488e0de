"""An adaptive step of a small system in lanes: a loop for each stage.

One loop with the whole step in it is slower: each of its operations waits for the one before, and a
processor cannot look far enough ahead to work on the next lanes meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.codegen.straight import (
    coefficients,
    combination,
    listed,
    node,
    numbered,
    scaled_errors,
)

if TYPE_CHECKING:
    from emberkeep.ode.codegen.shape import Shape


def row(group: str, index: int = 0) -> str:
    """A lane's number in a group of rows."""
    return f"rows[{group}_{index} + lane]" if index else f"rows[{group} + lane]"


def reads(names: list[str], group: str, first: int = 0) -> list[str]:
    """Statements that read a group of rows."""
    return [f"{name} = {row(group, first + index)}" for index, name in enumerate(names)]


def attempt(shape: Shape) -> str:
    """All stages, the error, and what calls them."""
    stages = [_stage(shape, stage) for stage in range(1, shape.tableau.count)]
    calls = [f"stage_{stage + 1}(rows)" for stage in range(1, shape.tableau.count)]
    body = "\n".join(f"    {call}" for call in calls)
    return f'''{"".join(stages)}{_error(shape)}
def attempt(rows, numbers):
    """A step in every lane: the states after it, their derivatives, and its error."""
    start, direction, span = numbers[0], numbers[1], numbers[2]
    for lane in range(LANES):
        elapsed = rows[ELAPSED + lane]
        rows[START + lane] = start + direction * elapsed
        rows[H + lane] = direction * min(rows[SIZE + lane], span - elapsed)
{body}
    estimate_error(rows, numbers)
'''


def _slope(shape: Shape, stage: int, index: int) -> str:
    """Where the slope of a state at a stage lies."""
    if stage == 0:
        return row("K1", index)
    if stage == shape.tableau.count - 1:
        return row("LAST", index)
    return row("SLOPES", stage * shape.states + index)


def _stage(shape: Shape, stage: int) -> str:
    tableau, states = shape.tableau, shape.states
    y, p = numbered("y", states), numbered("p", shape.inputs)
    taken = coefficients(tableau.stages[stage - 1], f"A{stage + 1}_")
    lines = [f"t, h = {row('START')}, {row('H')}", *reads(y, "Y"), *reads(p, "P")]
    for source, _ in taken:
        lines += [
            f"k{source + 1}_{index} = {_slope(shape, source, index)}" for index in range(states)
        ]
    at = [
        combination(taken, [f"k{source + 1}_{index}" for source, _ in taken], y[index], "h")
        for index in range(states)
    ]
    if stage == tableau.count - 1:
        new = numbered("new", states)
        lines += [f"{name} = {value}" for name, value in zip(new, at, strict=True)]
        lines += [f"{row('NEW', index)} = {name}" for index, name in enumerate(new)]
        at = new
    slopes = [f"k{stage + 1}_{index}" for index in range(states)]
    arguments = ", ".join([node(tableau, stage), *at, *p])
    lines.append(f"{listed(slopes)} = right_hand_side({arguments})")
    lines += [f"{_slope(shape, stage, index)} = {name}" for index, name in enumerate(slopes)]
    body = "\n".join(f"        {line}" for line in lines)
    return f'''
def stage_{stage + 1}(rows):
    """Stage {stage + 1} of {tableau.name} in every lane."""
    for lane in range(LANES):
{body}
'''


def _error(shape: Shape) -> str:
    states, tableau = shape.states, shape.tableau
    y, new, atols = numbered("y", states), numbered("new", states), numbered("atol", states)
    lines = [f"h = {row('H')}", *reads(y, "Y"), *reads(new, "NEW")]
    for stage, _ in coefficients(tableau.error, "E"):
        lines += [
            f"k{stage + 1}_{index} = {_slope(shape, stage, index)}" for index in range(states)
        ]
    lines += [*scaled_errors(tableau, states), f"{row('ERROR')} = squared_error"]
    body = "\n".join(f"        {line}" for line in lines)
    places = ", ".join(f"numbers[{7 + index}]" for index in range(states))
    return f'''
def estimate_error(rows, numbers):
    """The mean of squared errors, each in units of what is tolerated."""
    rtol = numbers[6]
    {listed(atols)} = {places}{"," if states == 1 else ""}
    for lane in range(LANES):
{body}
'''
