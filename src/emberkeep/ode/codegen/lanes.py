"""Loops over blocks of lanes: a lane is a trajectory with time and step of its own.

On the CPU, lanes lie side by side in rows, so that vector instructions work on several at once; a
lane that is done takes the next trajectory. What is rare (values to save, a trajectory's end) is
done lane by lane, only when one needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.codegen import staged
from emberkeep.ode.codegen.interpolation import weights
from emberkeep.ode.codegen.straight import listed, numbered

if TYPE_CHECKING:
    from emberkeep.ode.codegen.shape import Shape

TAKE = '''
def fetch(values, sources, i, first, run):
    """An initial value or parameter: one for all, one for each trajectory, or from a grid's axis."""
    offset, stride, length = sources[3 * i], sources[3 * i + 1], sources[3 * i + 2]
    if length == 1:
        return values[offset]
    if stride == 0:
        return values[offset + run]
    return values[offset + (first + run) // stride % length]
'''

_TAKE_LANE = '''
def take(rows, lane, first, run, values, sources):
    """Put a trajectory's initial values and parameters into a lane."""
    for i in range(len(sources) // 3):
        rows[i * LANES + lane] = fetch(values, sources, i, first, run)
'''


def adaptive(shape: Shape) -> str:
    """Steps of chosen length, values in between, and lanes that are filled again."""
    attempt = _attempt_large() if shape.large else staged.attempt(shape)
    start = _start_large() if shape.large else _start_small(shape)
    parts = [TAKE, _TAKE_LANE, start, attempt, _control(shape)]
    if shape.dense:
        parts.append(interpolate(shape))
    parts += [_finish(shape), _settle(shape), _adaptive_loop(shape)]
    return "".join(parts)


def _start_small(shape: Shape) -> str:
    y, p = numbered("y", shape.states), numbered("p", shape.inputs)
    k, atols = numbered("k", shape.states), numbered("atol", shape.states)
    lines = [*staged.reads(y, "Y"), *staged.reads(p, "P")]
    lines.append(f"{listed(k)} = right_hand_side(start, {', '.join([*y, *p])})")
    lines += [f"{staged.row('K1', index)} = {name}" for index, name in enumerate(k)]
    body = "\n".join(f"    {line}" for line in lines)
    places = ", ".join(f"numbers[{7 + index}]" for index in range(shape.states))
    given = ", ".join([*atols, *y, *k])
    return f'''
def start_lane(rows, lane, numbers):
    """The first derivatives and the first step of a lane that has just been filled."""
    start, span, given, least = numbers[0], numbers[2], numbers[3], numbers[4]
    largest, rtol = numbers[5], numbers[6]
    {listed(atols)} = {places}{"," if shape.states == 1 else ""}
{body}
    rows[SIZE + lane] = given if given > 0 else first_step(span, least, largest, rtol, {given})
'''


def _start_large() -> str:
    return '''
def start_lanes(rows, numbers):
    """The first derivatives and the first step of lanes that have just been filled."""
    start, span, given, least = numbers[0], numbers[2], numbers[3], numbers[4]
    largest, rtol = numbers[5], numbers[6]
    count = len(numbers) - SETTINGS
    for i in range(count):
        for lane in range(LANES):
            rows[NEW + i * LANES + lane] = rows[Y + i * LANES + lane]
    for lane in range(LANES):
        rows[TIME + lane] = start
        rows[START + lane] = UNIT
        rows[H + lane] = TINY
    right_hand_side(rows)
    for i in range(count):
        atol = numbers[7 + i]
        for lane in range(LANES):
            at = i * LANES + lane
            scale = atol + rtol * abs(rows[Y + at])
            rows[START + lane] = max(rows[START + lane], abs(rows[Y + at]) / scale)
            rows[H + lane] = max(rows[H + lane], abs(rows[LAST + at]) / scale)
            fresh = rows[FRESH + lane] > 0
            rows[K1 + at] = rows[LAST + at] if fresh else rows[K1 + at]
    for lane in range(LANES):
        # A step in which the states change by a hundredth, or if they are small, by less than is
        # tolerated.
        guess = HUNDREDTH * rows[START + lane] / rows[H + lane]
        most = min(TENTH * span, largest)
        guess = max(least, guess if guess < most else most)  # not-a-number is not smaller
        size = given if given > 0 else guess
        rows[SIZE + lane] = size if rows[FRESH + lane] > 0 else rows[SIZE + lane]
        rows[FRESH + lane] = ZERO
'''


_REACH = {
    "float64": "        reached = elapsed + size\n",
    # Compensated: what single precision loses of a step is added to the next.
    "float32": (
        "        added = size + rows[REST + lane]\n"
        "        reached = elapsed + added\n"
        "        lost = added - (reached - elapsed)\n"
        "        rows[REST + lane] = lost if accepted else rows[REST + lane]\n"
    ),
}


def _control(shape: Shape) -> str:
    """What follows an attempt; apart from the step, so that processors overlap more of it."""
    keep_old, keep_time = "", ""
    if shape.dense:
        last = shape.tableau.count - 1
        keep_old = (
            "            rows[OLD + at] = rows[Y + at]\n"
            "            rows[SLOPES + at] = rows[K1 + at]\n"
            f"            rows[SLOPES + {last} * ALL + at] = rows[LAST + at]\n"
        )
        keep_time = "        rows[BEFORE + lane] = elapsed\n        rows[TAKEN + lane] = size\n"
    return f'''
def accept(rows, numbers):
    """Take the steps whose errors are tolerated, and choose the next; how many need attention."""
    span, largest = numbers[2], numbers[5]
    count = len(numbers) - SETTINGS
    for i in range(count):
        for lane in range(LANES):
            at = i * LANES + lane
            accepted = rows[ERROR + lane] <= 1
{keep_old}            rows[Y + at] = rows[NEW + at] if accepted else rows[Y + at]
            rows[K1 + at] = rows[LAST + at] if accepted else rows[K1 + at]
    attention = 0
    for lane in range(LANES):
        elapsed = rows[ELAPSED + lane]
        remaining = span - elapsed
        size = min(rows[SIZE + lane], remaining)
        accepted, factor, memory = controller(rows[ERROR + lane], rows[MEMORY + lane])
        rows[MEMORY + lane] = memory
{keep_time}{_REACH[shape.precision]}        reached = span if size >= remaining else reached
        reached = reached if accepted else elapsed
        rows[ELAPSED + lane] = reached
        following = min(size * factor, largest)
        rows[SIZE + lane] = following
        needed = (reached >= rows[DUE + lane]) | (following < rows[LEAST_SIZE + lane])
        attention += 1 if needed else 0
    return attention
'''


def _attempt_large() -> str:
    return '''
def attempt(rows, numbers):
    """A step in every lane: the states after it, their derivatives, and its error."""
    start, direction, span = numbers[0], numbers[1], numbers[2]
    for lane in range(LANES):
        elapsed = rows[ELAPSED + lane]
        rows[START + lane] = start + direction * elapsed
        rows[H + lane] = direction * min(rows[SIZE + lane], span - elapsed)
    step(rows, len(numbers) - SETTINGS)
    estimate_error(rows, numbers)
'''


def interpolate(shape: Shape) -> str:
    """Values between the ends of a step."""
    lines, names = weights(shape.tableau)
    terms = [f"{name} * rows[SLOPES + {int(name[1:]) - 1} * ALL + at]" for name in names]
    return f'''
def interpolate(rows, lane, elapsed, wanted, direction, count, run, saved, states):
    """Save the states at a time within the last step of a lane."""
    taken = rows[TAKEN + lane]
    theta = (wanted - rows[BEFORE + lane]) / taken if taken > 0 else UNIT
{lines}    for i in range(count):
        at = i * LANES + lane
        change = {" + ".join(terms)}
        value = rows[OLD + at] + direction * taken * change
        # At the end of a step, its own result is the better one.
        {shape.saved("i")} = value if wanted < elapsed else rows[Y + at]
'''


def _finish(shape: Shape) -> str:
    ended = f"{shape.ended('i')} = rows[Y + i * LANES + lane] if is_good else not_a_number"
    lines = ["if len(final) > 0:", f"    {ended}"] if shape.dense else [ended]
    if shape.dense:
        lines.append("for missing in range(saved, len(save_times)):")
        lines.append(f"    {shape.saved('i', 'missing')} = not_a_number")
    body = "".join(f"        {line}\n" for line in lines)
    return f'''
def finish(rows, lane, count, run, saved, outcome, save_times, states, final, status):
    """Write a trajectory's result; of one that failed, nothing that could be taken for a value."""
    is_good = outcome == SUCCESS
    for i in range(count):
{body}    status[run] = outcome
'''


def _settle(shape: Shape) -> str:
    """What is done for lanes that need attention."""
    saving, due = "", "span"
    if shape.dense:
        saving = """        while saved < len(save_times) and save_times[saved] <= elapsed:
            interpolate(rows, lane, elapsed, save_times[saved], numbers[1], count, run, saved, states)
            saved += 1
"""
        due = "min(save_times[saved], span) if saved < len(save_times) else span"
    return f'''
def settle(rows, places, numbers, attempts, most_attempts, save_times, states, final, status):
    """Save what is due, and end what is done or fails; how many trajectories have ended."""
    span, least, count = numbers[2], numbers[4], len(numbers) - SETTINGS
    ended = 0
    for lane in range(LANES):
        run, saved = places[RUN + lane], places[SAVED + lane]
        if run < 0:
            continue
        elapsed = rows[ELAPSED + lane]
{saving}        outcome = RUNNING
        if elapsed >= span:
            outcome = SUCCESS
        elif rows[SIZE + lane] < least:
            # Not-a-number fails either comparison.
            outcome = STEP_TOO_SMALL if rows[ERROR + lane] < HUGE else NOT_FINITE
        elif attempts - places[STARTED + lane] >= most_attempts:
            outcome = TOO_MANY_STEPS
        if outcome == RUNNING:
            places[SAVED + lane] = saved
            rows[DUE + lane] = {due}
        else:
            finish(rows, lane, count, run, saved, outcome, save_times, states, final, status)
            ended += 1
            # The lane is empty: it takes no steps, and needs no attention.
            places[RUN + lane] = -1
            rows[ELAPSED + lane] = span
            rows[DUE + lane] = INFINITE
            rows[LEAST_SIZE + lane] = NEVER
    return ended
'''


def _adaptive_loop(shape: Shape) -> str:
    fresh, idle, start = "                start_lane(rows, lane, numbers)\n", "", ""
    if shape.large:
        fresh = "                rows[FRESH + lane] = real(1)\n"
        idle = "        rows[FRESH + lane] = real(1)\n"
        start = "            start_lanes(rows, numbers)\n"
    else:
        idle = "        start_lane(rows, lane, numbers)\n        rows[SIZE + lane] = ZERO\n"
    rest = "                rows[REST + lane] = ZERO\n" if shape.precision == "float32" else ""
    dense = ""
    if shape.dense:
        dense = """                rows[BEFORE + lane] = ZERO
                rows[TAKEN + lane] = ZERO
"""
    first_due = "ZERO" if shape.dense else "span"  # what is wanted at the start is saved at once
    settle_started = ""
    if shape.dense:
        settle_started = """            running -= settle(rows, places, numbers, attempts, most_attempts, save_times, states, final, status)
"""
    return f'''
def integrate(block, first, runs, share, values, sources, save_times, numbers, most_attempts, stop{shape.memory_names}, states, final, status):
    """Integrate a block's share of all trajectories, LANES at a time."""
    begin = block * share
    end = min(begin + share, runs)
    span, least = numbers[2], numbers[4]
{shape.memory}    for lane in range(LANES):
        # Lanes without a trajectory go along with the numbers of one, and take no steps.
        take(rows, lane, first, begin, values, sources)
        rows[ELAPSED + lane] = span
        rows[SIZE + lane] = ZERO
        rows[MEMORY + lane] = UNIT
        rows[DUE + lane] = INFINITE
        rows[LEAST_SIZE + lane] = NEVER
{idle}        places[RUN + lane] = -1
    waiting, running, attempts = begin, 0, 0
    while True:
        started = 0
        for lane in range(LANES):
            if waiting < end and places[RUN + lane] < 0:
                take(rows, lane, first, waiting, values, sources)
                rows[ELAPSED + lane] = ZERO
                rows[MEMORY + lane] = UNIT
                rows[DUE + lane] = {first_due}
                rows[LEAST_SIZE + lane] = least
                rows[ERROR + lane] = ZERO
{fresh}{rest}{dense}                places[RUN + lane] = waiting
                places[SAVED + lane] = 0
                places[STARTED + lane] = attempts
                waiting += 1
                started += 1
        if started > 0:
            running += started
{start}{settle_started}        if running == 0:
            if waiting == end:
                return
            continue
        deadline = attempts + most_attempts
        for lane in range(LANES):
            if places[RUN + lane] >= 0:
                deadline = min(deadline, places[STARTED + lane] + most_attempts)
        attention = 0
        while attention == 0 and attempts < deadline:
            attempt(rows, numbers)
            attention = accept(rows, numbers)
            attempts += 1
            if {shape.stop_check("attempts")}:
                return
        running -= settle(rows, places, numbers, attempts, most_attempts, save_times, states, final, status)
'''


# Fixed steps ------------------------------------------------------------------------------------


def fixed(shape: Shape) -> str:
    """Steps of equal length between one time to save and the next."""
    advance = _fixed_advance_large() if shape.large else _fixed_advance_small(shape)
    return "".join([TAKE, _TAKE_LANE, advance, _fixed_save(shape), _fixed_loop(shape)])


def _fixed_advance_small(shape: Shape) -> str:
    y, p = numbered("y", shape.states), numbered("p", shape.inputs)
    new = [staged.row("Y", index) for index in range(shape.states)]
    reads = "\n".join(f"        {line}" for line in (*staged.reads(y, "Y"), *staged.reads(p, "P")))
    return f'''
def advance(rows, count, t, h):
    """A step in every lane."""
    for lane in range(LANES):
{reads}
        {listed(new)} = step({", ".join(["t", "h", *y, *p])})
'''


def _fixed_advance_large() -> str:
    return '''
def advance(rows, count, t, h):
    """A step in every lane."""
    for lane in range(LANES):
        rows[START + lane] = t
        rows[H + lane] = h
    step(rows, count)
    for i in range(count):
        for lane in range(LANES):
            rows[Y + i * LANES + lane] = rows[NEW + i * LANES + lane]
'''


def _fixed_save(shape: Shape) -> str:
    lines = [
        "if saved >= 0:",
        f"    {shape.saved('i')} = value if is_good else not_a_number",
        "if is_last and len(final) > 0:",
        f"    {shape.ended('i')} = value if is_good else not_a_number",
    ]
    body = "".join(f"        {line}\n" for line in lines)
    return f'''
def save(rows, lane, count, run, saved, is_last, states, final, status):
    """Save a lane's states; of a trajectory that has failed, nothing that looks like a value."""
    is_good = status[run] != NOT_FINITE
    for i in range(count):
        value = rows[Y + i * LANES + lane]
        is_good = is_good and value - value == 0
    for i in range(count):
        value = rows[Y + i * LANES + lane]
{body}    status[run] = NOT_FINITE if not is_good else (SUCCESS if is_last else RUNNING)
'''


def _fixed_loop(shape: Shape) -> str:
    return f'''
def integrate(block, first, runs, values, sources, counts, sizes, begins, slots, numbers, stop{shape.memory_names}, states, final, status):
    """Integrate a block of trajectories, LANES at a time."""
    begin = block * LANES
    here = min(LANES, runs - begin)
    start, direction, count = numbers[0], numbers[1], len(numbers) - SETTINGS
{shape.memory}    for lane in range(LANES):
        # Lanes that are left over do the same as the last one.
        take(rows, lane, first, begin + min(lane, here - 1), values, sources)
    for interval in range(len(counts)):
        h, elapsed = sizes[interval], begins[interval]
        for taken in range(counts[interval]):
            advance(rows, count, start + direction * (elapsed + real(taken) * h), direction * h)
            if {shape.stop_check("taken")}:
                return
        is_last = interval == len(counts) - 1
        for lane in range(here):
            save(rows, lane, count, begin + lane, slots[interval], is_last, states, final, status)
'''
