"""A plan's source: parts in the order in which they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode import status
from emberkeep.ode.codegen import grouped, lanes, straight, threads
from emberkeep.ode.codegen.interpolation import constants as interpolation_constants
from emberkeep.ode.codegen.printing import Literals
from emberkeep.ode.codegen.rows import Rows, rows_of
from emberkeep.ode.codegen.shape import Shape
from emberkeep.ode.codegen.wrapping import wrapped
from emberkeep.ode.control import controller_source
from emberkeep.ode.control.pi import CONSTANTS as CONTROLLER_CONSTANTS
from emberkeep.ode.plan import SETTINGS, compiled
from emberkeep.startup_records import final, frozen

if TYPE_CHECKING:
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.system.reading import Read

# Beyond either, loops stand for code that would take long to compile.
MOST_STATES, MOST_INSTRUCTIONS = 16, 400

# Lanes of a block: enough to hide the latency of instructions, and few enough for the cache. With
# more of them in large systems, LLVM unrolls loops that it should leave alone.
LANES = {"float64": 32, "float32": 64}
LANES_OF_LARGE = 32

# What is compiled into its callers: what stands in loops over lanes.
INLINED = ("controller", "fetch", "first_step", "right_hand_side", "step")


@final
@frozen
class Generated:
    """Source text, and how it is to be compiled.

    Attributes:
        text: of a module.
        inlined: names of functions that are compiled into their callers.
        notes: what whoever runs it must know: lanes of a block, and numbers that it works in.
    """

    text: str
    inlined: tuple[str, ...]
    notes: dict[str, int]


ENTRY = "integrate"


def generate(plan: Plan, *, on_device: bool) -> Generated:
    """The source of a plan for CPUs (blocks of lanes) or GPUs (a thread per trajectory).

    Raises:
        InvalidSystem: an equation cannot be read.
    """
    plan = compiled(plan)
    system, tableau = plan.system, plan.tableau
    read = None if system.function is not None else system.read()
    states, inputs = len(system.states), len(system.parameters) + len(system.constants)
    large = states > MOST_STATES or _instructions(read) > MOST_INSTRUCTIONS
    shape = Shape(
        tableau=tableau,
        states=states,
        inputs=inputs,
        precision=plan.precision,
        lanes=1 if on_device else LANES_OF_LARGE if large else LANES[plan.precision],
        dense="states" in plan.outputs,
        large=large,
        on_device=on_device,
    )
    literals = Literals(plan.precision)
    if large:
        parts = [grouped.right_hand_side(system, read, literals)]
        parts.append(grouped.step(tableau))
    else:
        parts = [straight.right_hand_side(system, read, literals)]
        if on_device or not tableau.is_adaptive:
            dense = shape.dense and tableau.is_adaptive
            parts.append(straight.step(tableau, states, inputs, dense=dense))
        if tableau.is_adaptive:
            parts.append(straight.first_step(states))
    parts.append(controller_source(plan.controller, tableau))
    loops = lanes if large or not on_device else threads
    parts.append(loops.adaptive(shape) if tableau.is_adaptive else loops.fixed(shape))
    functions = "".join(parts).replace("\ndef ", "\n\ndef ").rstrip("\n")
    text = wrapped(f"{_head(plan, shape)}{literals.definitions()}\n{functions}\n")
    notes = {
        "lanes": shape.lanes,
        "work": _rows(shape).count * shape.lanes,
        "places": 3 * shape.lanes,
    }
    users = (*system.functions.values(), *([system.function] if system.function else []))
    called = [getattr(function, "__name__", "") for function in users]
    inlined = ("controller", "fetch", *called) if large else (*INLINED, *called)
    return Generated(text, inlined, notes)


def _rows(shape: Shape) -> Rows:
    return rows_of(
        shape.tableau,
        shape.states,
        shape.inputs,
        shape.precision,
        dense=shape.dense,
        large=shape.large,
    )


def _instructions(read: Read | None) -> int:
    return 0 if read is None else len(read.program.needed(read.derivatives))


def _head(plan: Plan, shape: Shape) -> str:
    tableau = shape.tableau
    where = "each thread of a GPU" if shape.on_device else f"blocks of {shape.lanes} lanes on a CPU"
    constants = [
        f"LANES, SETTINGS = {shape.lanes}, {SETTINGS}  # lanes of a block; numbers before tolerances",
        f"ALL = {shape.states * shape.lanes}  # numbers in a row for each state",
        "ZERO, UNIT, NEVER, not_a_number = real(0), real(1), real(-1), real(math.nan)",
        f"RUNNING, SUCCESS = {status.RUNNING}, {status.SUCCESS}",
        f"STEP_TOO_SMALL, NOT_FINITE = {status.STEP_TOO_SMALL}, {status.NOT_FINITE}",
        f"TOO_MANY_STEPS = {status.TOO_MANY_STEPS}",
    ]
    if tableau.is_adaptive:
        constants += [
            "RUN, SAVED, STARTED = 0, LANES, 2 * LANES",
            f"STATES_SHARE = real({1 / shape.states!r})",
            "INFINITE, HUGE, TINY = real(math.inf), real(1e37), real(1e-37)",
            "HUNDREDTH, TENTH = real(0.01), real(0.1)",
        ]
    elif shape.on_device:
        constants.append("BURST = 256")
    rows = ""
    if shape.large or not shape.on_device:
        rows = f"\n# Where things lie in a block's memory, a number for each lane.\n{_rows(shape).definitions()}"
    lines = "\n".join(constants)
    return (
        f'"""{_quiet(plan.system.name)}: {tableau.name}, {plan.controller} steps, {plan.precision}, '
        f'{" and ".join(plan.outputs)}; for {where}."""\n\n{lines}\n{rows}'
        f"{straight.constants(tableau)}"
        f"{interpolation_constants(tableau) if shape.dense and tableau.interpolant else ''}"
        f"{CONTROLLER_CONSTANTS if plan.controller == 'pi' else ''}"
    )


def _quiet(name: str) -> str:
    """A name that can stand in a docstring, whatever the user has written."""
    return "".join(letter if letter.isalnum() or letter in " _-.,()+" else "?" for letter in name)
