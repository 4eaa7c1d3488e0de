"""What comes out of a trajectory: outputs by name, and the arrays that each of them fills."""

from __future__ import annotations

from emberkeep.errors import InvalidPlan
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from emberkeep.ode.summary import Summary

REAL, DOUBLE, INT = (
    "real",
    "float64",
    "int64",
)  # kinds of numbers; the first is the plan's precision
# Axes of results, after that of trajectories, whose lengths a solve decides about.
TIME, WINDOW, RECORD, EVENT = "time", "window", "record", "event"
# States and observables: with sensitivities, where there are any, or without.
COLUMN, VALUE = "column", "value"
# Of adjoints: states alone; what there are derivatives by.
STATE, BY = "state", "by"
TAKEN_AND_REJECTED = 2

# What is made of the values at the times to save, each by column and window.
REDUCTIONS = ("mean", "std", "rms", "min", "max", "max_abs")
TIMES_OF = ("time_of_min", "time_of_max")
DERIVATIVE = "derivative_"  # before each of these: of first derivatives, in place of values
SUMMARIES = tuple(prefix + name for prefix in ("", DERIVATIVE) for name in (*REDUCTIONS, *TIMES_OF))
PEAKS = ("peaks", "troughs")
REACHED, EVENTS = "reached", "events"
# What adjoints are made from, and what they give: at ends of steps alone, or within them, too.
RECORDED, GRADIENT, GRADIENT_WITHIN = "recorded", "gradient", "gradient_within"
SAMPLED = ("states", *SUMMARIES, *PEAKS)  # they need times to save
OUTPUTS = ("states", "final", "steps", REACHED, "step_times", *SUMMARIES, *PEAKS, EVENTS)


@final
@frozen
class Filled:
    """An array that an output fills.

    Attributes:
        name: what it is called.
        kind: of its numbers.
        axes: after that of trajectories: names, or lengths that are always the same.
    """

    name: str
    kind: str
    axes: tuple[str | int, ...]


_ARRAYS = {
    "states": (Filled("states", REAL, (TIME, COLUMN)),),
    "final": (Filled("final", REAL, (COLUMN,)),),
    "steps": (Filled("steps", INT, (TAKEN_AND_REJECTED,)),),
    REACHED: (Filled(REACHED, DOUBLE, ()),),
    "step_times": (Filled("step_times", DOUBLE, (RECORD,)),),
    **{name: (Filled(name, REAL, (WINDOW, COLUMN)),) for name in SUMMARIES},
    **{
        prefix + name: (Filled(prefix + name, DOUBLE, (WINDOW, VALUE)),)
        for prefix in ("", DERIVATIVE)
        for name in TIMES_OF
    },
    **{
        name: (
            Filled(name, REAL, (VALUE, RECORD)),
            Filled(f"{name}_times", DOUBLE, (VALUE, RECORD)),
            Filled(f"{name}_counts", INT, (VALUE,)),
        )
        for name in PEAKS
    },
    EVENTS: (
        Filled("event_values", REAL, (EVENT, RECORD, VALUE)),
        Filled("event_times", DOUBLE, (EVENT, RECORD)),
        Filled("event_counts", INT, (EVENT,)),
    ),
    RECORDED: (
        Filled("recorded_counts", INT, ()),
        Filled("recorded_ends", DOUBLE, (RECORD,)),
        Filled("recorded_states", REAL, (RECORD, STATE)),
    ),
    GRADIENT: (Filled("gradient", REAL, (BY,)),),
    GRADIENT_WITHIN: (Filled("gradient", REAL, (BY,)),),
}


def arrays_of(output: str | Summary) -> tuple[Filled, ...]:
    """The arrays that an output fills."""
    if isinstance(output, str):
        return _ARRAYS[output]
    parts = output.parts()
    return (Filled(output.label, REAL, (WINDOW,) if parts is None else (WINDOW, parts)),)


def filled_by(outputs: Iterable[str | Summary]) -> tuple[Filled, ...]:
    """The arrays that outputs fill, in their order."""
    return tuple(array for output in outputs for array in arrays_of(output))


def is_sampled(output: str | Summary) -> bool:
    """Whether an output needs times to save."""
    return not isinstance(output, str) or output in SAMPLED


def listed(given: Any) -> tuple[str | Summary, ...]:
    """Outputs as a tuple; one alone may be given as it is.

    Raises:
        InvalidPlan: they are neither names nor summaries.
    """
    is_one = isinstance(given, str) or hasattr(given, "fold")
    items: Any = (given,) if is_one else given
    if isinstance(items, list | tuple | set | frozenset) and all(
        isinstance(item, str) or hasattr(item, "fold")  # pyright: ignore[reportUnknownArgumentType]
        for item in items  # pyright: ignore[reportUnknownVariableType]
    ):
        return (*items,)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise InvalidPlan(
        f"outputs={given!r} must be names or summaries; expected any of {', '.join(OUTPUTS)}, or "
        "an ode.Summary"
    )


def ordered(outputs: Iterable[str | Summary]) -> tuple[str | Summary, ...]:
    """Each output once, in the order in which kernels are passed what they fill.

    Raises:
        InvalidPlan: one is not known, or two have one name.
    """
    own: dict[str, Summary] = {}
    names: set[str] = set()
    for output in outputs:
        if isinstance(output, str):
            names.add(output)
        elif own.setdefault(output.name, output) != output:
            raise InvalidPlan(
                f"outputs has two summaries called {output.name!r}. Give one another name"
            )
    unknown = sorted(names - set(OUTPUTS))
    if unknown or not (names or own):
        raise InvalidPlan(
            f"outputs={unknown!r} is not known; expected any of {', '.join(OUTPUTS)}, or an "
            "ode.Summary"
        )
    known = (output for output in OUTPUTS if output in names)
    return (*known, *(own[name].checked(OUTPUTS) for name in sorted(own)))
