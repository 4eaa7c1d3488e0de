"""Loops in which each thread of a GPU integrates one trajectory, all of it in registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.codegen.interpolation import weights
from emberkeep.ode.codegen.lanes import TAKE
from emberkeep.ode.codegen.shape import stop_read
from emberkeep.ode.codegen.straight import listed, numbered

if TYPE_CHECKING:
    from emberkeep.ode.codegen.shape import Shape


def adaptive(shape: Shape) -> str:
    """Steps of chosen length, and values in between."""
    parts = [TAKE]
    if shape.dense:
        parts.append(_weights(shape))
    return "".join([*parts, _adaptive_loop(shape)])


def fixed(shape: Shape) -> str:
    """Steps of equal length between one time to save and the next."""
    return "".join([TAKE, _fixed_loop(shape)])


def _begin(shape: Shape) -> str:
    names = [*numbered("y", shape.states), *numbered("p", shape.inputs)]
    return "".join(
        f"    {name} = fetch(values, sources, {index}, first, run)\n"
        for index, name in enumerate(names)
    )


def _save(shape: Shape, indent: str, time: str, values: list[str]) -> str:
    return "".join(
        f"{indent}{shape.saved(str(index), time)} = {value}\n" for index, value in enumerate(values)
    )


def _end(shape: Shape, indent: str, values: list[str]) -> str:
    inner = f"{indent}    " if shape.dense else indent
    return (f"{indent}if len(final) > 0:\n" if shape.dense else "") + "".join(
        f"{inner}{shape.ended(str(index))} = {value}\n" for index, value in enumerate(values)
    )


def _weights(shape: Shape) -> str:
    lines, names = weights(shape.tableau)
    return f'''
def interpolant(theta):
    """What a value at the fraction theta of a step takes of each stage."""
{lines}    return {listed(names)}
'''


def _adaptive_loop(shape: Shape) -> str:
    states, count = shape.states, shape.tableau.count
    y, p, k1 = numbered("y", states), numbered("p", shape.inputs), numbered("k1_", states)
    atols, new = numbered("atol", states), numbered("new", states)
    last = numbered(f"k{count}_", states)
    middle = [f"k{stage}_{index}" for stage in range(2, count) for index in range(states)]
    results = ["squared_error", *new, *last, *(middle if shape.dense else [])]
    given = ["start + direction * elapsed", "direction * size", "rtol", *atols, *y, *k1, *p]
    places = ", ".join(f"numbers[{7 + index}]" for index in range(states))
    comma = "," if states == 1 else ""
    is_single = shape.precision == "float32"
    nan = ["not_a_number"] * states
    saving, saved_at_start, missing = "", "", ""
    if shape.dense:
        saving = _saving(shape)
        saved_at_start = (
            "    saved = 0\n"
            "    while saved < len(save_times) and save_times[saved] <= 0:\n"
            f"{_save(shape, '        ', 'saved', y)}"
            "        saved += 1\n"
        )
        missing = (
            "    while saved < len(save_times):\n"
            f"{_save(shape, '        ', 'saved', nan)}"
            "        saved += 1\n"
        )
    reach = "            reached = elapsed + size\n"
    if is_single:
        reach = (
            "            # Compensated: what single precision loses of a step is added to the next.\n"
            "            added = size + rest\n"
            "            reached = elapsed + added\n"
            "            rest = added - (reached - elapsed)\n"
        )
    accept = "".join(
        f"            {old} = {value}\n"
        for old, value in (*zip(y, new, strict=True), *zip(k1, last, strict=True))
    )
    return f'''
def integrate(run, first, runs, share, values, sources, save_times, numbers, most_attempts, stop, states, final, status):
    """Integrate a trajectory."""
{_begin(shape)}    start, direction, span = numbers[0], numbers[1], numbers[2]
    given, least, largest, rtol = numbers[3], numbers[4], numbers[5], numbers[6]
    {listed(atols)} = {places}{comma}
    {listed(k1)} = right_hand_side(start, {", ".join([*y, *p])})
    size = given if given > 0 else first_step(span, least, largest, rtol, {", ".join([*atols, *y, *k1])})
    elapsed, memory = ZERO, UNIT
{"    rest = ZERO" + chr(10) if is_single else ""}    attempts = 0
{saved_at_start}    outcome = RUNNING if span > 0 else SUCCESS
    while outcome == RUNNING:
        remaining = span - elapsed
        size = min(size, remaining)
        {listed(results)} = step({", ".join(given)})
        accepted, factor, memory = controller(squared_error, real(memory))
        attempts += 1
        following = min(size * factor, largest)
        if accepted:
{reach}            reached = span if size >= remaining else reached
{saving}            elapsed = reached
{accept}            if elapsed >= span:
                outcome = SUCCESS
        if outcome == RUNNING:
            if following < least:
                # Not-a-number fails either comparison.
                outcome = STEP_TOO_SMALL if squared_error < HUGE else NOT_FINITE
            elif attempts >= most_attempts:
                outcome = TOO_MANY_STEPS
            elif {shape.stop_check("attempts")}:
                return
        size = following
    if outcome != SUCCESS:
        {listed(y)} = {listed(nan)}
{missing}{_end(shape, "    ", y)}    status[run] = outcome
'''


def _saving(shape: Shape) -> str:
    states, count = shape.states, shape.tableau.count
    _, names = weights(shape.tableau)
    stages = [int(name[1:]) for name in names]
    values: list[str] = []
    for index in range(states):
        change = " + ".join(f"b{stage} * k{stage}_{index}" for stage in stages)
        values.append(
            f"y{index} + direction * size * ({change}) if wanted < reached else new{index}"
        )
    assert count >= max(stages)
    return f"""            while saved < len(save_times) and save_times[saved] <= reached:
                wanted = save_times[saved]
                {listed(names)} = interpolant((wanted - elapsed) / size)
{_save(shape, "                ", "saved", values)}                saved += 1
"""


def _fixed_loop(shape: Shape) -> str:
    states = shape.states
    y, p = numbered("y", states), numbered("p", shape.inputs)
    nan = ["not_a_number"] * states
    finite = " and ".join(f"{name} - {name} == 0" for name in y)
    save = ""
    if shape.dense:
        save = f"""        saved = slots[interval]
        if saved >= 0:
{_save(shape, "            ", "saved", y)}"""
    return f'''
def integrate(run, first, runs, values, sources, counts, sizes, begins, slots, numbers, stop, states, final, status):
    """Integrate a trajectory."""
{_begin(shape)}    start, direction = numbers[0], numbers[1]
    outcome = SUCCESS
    for interval in range(len(counts)):
        h, elapsed = sizes[interval], begins[interval]
        # In bursts, so that it is not asked after each step whether to stop.
        for burst in range(0, counts[interval], BURST):
            if burst > 0 and {stop_read("burst")} != 0:
                return
            left = min(BURST, counts[interval] - burst)
{_steps(y, p, states)}        if not ({finite}):
            outcome = NOT_FINITE
        if outcome == NOT_FINITE:
            {listed(y)} = {listed(nan)}
{save}{_end(shape, "    ", y)}    status[run] = outcome
'''


# A loop costs a few instructions, which shows where a step has few: then there are several in each
# turn.
UNROLLED, MOST_UNROLLED_STATES = 4, 4


def _steps(y: list[str], p: list[str], states: int) -> str:
    """Statements that take the steps of a burst."""
    at_once = UNROLLED if states <= MOST_UNROLLED_STATES else 1

    def loop(times: str, first: str, steps: int) -> str:
        lines = [f"            for turn in range(numpy.int32({times})):"]
        for number in range(steps):
            taken = f"{first} + turn * {steps} + {number}" if steps > 1 else f"{first} + turn"
            lines.append(f"                t = start + direction * (elapsed + real({taken}) * h)")
            lines.append(
                f"                {listed(y)} = step(t, direction * h, {', '.join([*y, *p])})"
            )
        return "".join(f"{line}\n" for line in lines)

    if at_once == 1:
        return loop("left", "burst", 1)
    rest = f"left % {at_once}"
    return loop(f"left // {at_once}", "burst", at_once) + loop(rest, f"burst + left - {rest}", 1)
