"""What a kernel is passed, in one place: names, types, and when they are there.

The kernel's code, the packing of a call and both runners follow from this list.
"""

from __future__ import annotations

from emberkeep.ode.outputs import DOUBLE, INT, REAL, RECORD, WINDOW, filled_by
from emberkeep.ode.plan import FIXED
from emberkeep.ode.system.declarations import CUBIC, LINEAR, STEP
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.plan import Plan

BYTE = "int8"

# Of `settings`, by place.
SETTINGS = (
    "direction",  # 1 forwards, -1 backwards
    "first step",  # 0 where it is to be chosen
    "least step",
    "largest step",
    "rtol",
    "safety",  # as a binary logarithm
    "error",  # exponents of the controller: of this step's error, ...
    "error before",
    "error before that",
    "change",  # ... of the last change of size, ...
    "retry",  # ... and of the error alone, after a rejection
    "slack",  # of the bound by the error alone, as a binary logarithm
    "most shrinking",  # bounds of a change, as binary logarithms
    "most growing",
)


def stride_places(plan: Plan) -> dict[str, int]:
    """Where each result's strides begin among all `strides`: between trajectories, then by axis.

    The first of all is no stride: it is zero where there is no room for final values.
    """
    places: dict[str, int] = {}
    place = 1
    for array in filled_by(plan.outputs):
        places[array.name] = place
        place += 1 + len(array.axes)
    return places


# How many coefficients a piece of a driver has, by its kind.
COEFFICIENTS = {STEP: 1, LINEAR: 2, CUBIC: 4}

# Of `driver_numbers`, for each driver, by place.
DRIVER_NUMBERS = (
    "first",  # of its knots
    "scale",  # one over the mean distance of knots: the unit of its polynomials
    "frequency",  # of its periods; 0 where it has none
    "period",  # likewise
    "earliest",  # times before are taken for this one
    "latest",  # and times after for this one
    "last",  # of its knots
    "size",  # of times that rounding is told by
)

# Of `driver_counts`, for each driver, by place.
DRIVER_COUNTS = (
    "last piece",
    "guessed too high",  # by how many pieces, at most, where distances are taken for equal
    "turns",  # of the search from there on
    "first stride",  # of the search
    "own pieces",  # how many a trajectory has of its own; 0 where all have the same
)


@final
@frozen
class Passed:
    """One argument.

    Attributes:
        name: what it is called.
        kind: of its numbers; ``"real"`` is the precision of the plan.
        is_array: whether it is an array of them.
    """

    name: str
    kind: str
    is_array: bool = True


# Of the notes of CPUs' kernels: how many products the factors of a matrix take.
PRODUCTS = "products"

# Memory to work in, which CPUs' kernels are passed after all else.
WORK = Passed("work", BYTE)


def arguments(plan: Plan) -> tuple[Passed, ...]:
    """What the kernel of a plan is passed, in order."""
    adaptive = plan.is_adaptive
    listed = [
        Passed("first", INT, is_array=False),  # number of the first trajectory of a chunk
        Passed("runs", INT, is_array=False),  # trajectories of the chunk
        Passed("share", INT, is_array=False),  # trajectories of an index
        Passed("values", REAL),  # initial values, parameters, constants
        Passed("sources", INT),  # where each is found there: offset, step, stride, length
        Passed("spans", DOUBLE),  # start and end of a trajectory
        Passed("span_step", INT, is_array=False),  # 2 where each has its own, else 0
        Passed("settings", DOUBLE),
        Passed("atol", REAL),
        Passed("most_attempts", INT, is_array=False),
        Passed("stop", INT),  # not zero: return
        Passed("strides", INT),  # of results: see `stride_places`
        Passed("status", BYTE),
    ]
    sampled = plan.is_sampled
    if sampled:
        listed.append(Passed("save_count", INT, is_array=False))
    if plan.is_reversed:
        listed += [
            Passed("recorded_counts", INT),  # steps of each trajectory
            Passed("recorded_ends", DOUBLE),  # elapsed time at the start, and after each of them
            Passed("recorded_states", REAL),  # likewise
            Passed("weights", REAL),  # of values at each time to save: states, then observables
            Passed("save_count", INT, is_array=False),
        ]
    if (adaptive and sampled) or plan.is_reversed:
        listed += [
            Passed("save_times", DOUBLE),  # elapsed since the start, then infinity
            Passed("save_step", INT, is_array=False),
        ]
    results = filled_by(plan.outputs)
    if any(WINDOW in array.axes for array in results):
        listed += [
            # How many times to save are before the first window, and up to the end of each.
            Passed("window_ends", INT),
            Passed("window_count", INT, is_array=False),
            Passed("window_step", INT, is_array=False),
        ]
    if plan.is_reversed or any(RECORD in array.axes for array in results):
        listed.append(Passed("most_records", INT, is_array=False))
    if plan.stepping == FIXED:
        listed += [
            Passed("counts", INT),  # steps of an interval
            Passed("sizes", DOUBLE),  # their length
            Passed("begins", DOUBLE),  # elapsed time at the first of them
            Passed("ends", DOUBLE),  # and at the end of the last
            Passed("slots", INT),  # which of the times to save it ends at, or -1
            Passed("intervals", INT, is_array=False),
            Passed("interval_step", INT, is_array=False),
        ]
    if plan.events:
        listed += [
            Passed("event_limits", INT),  # at which of its occurrences each ends a trajectory
            # Of each event that is known beforehand: where its rows begin, and how far apart.
            Passed("timetable_places", INT),
            Passed("timetable", DOUBLE),  # elapsed since the start, then infinity
            Passed("steady", DOUBLE),  # of each steady state: rtol, atol
        ]
    if plan.system.drivers:
        listed += [Passed("driver_numbers", DOUBLE), Passed("driver_counts", INT)]
        for place in range(len(plan.system.drivers)):
            listed += [Passed(f"knots{place}", DOUBLE), Passed(f"pieces{place}", REAL)]
            listed += [Passed(f"ends{place}", INT)]
    listed += [Passed(array.name, array.kind) for array in results]
    return tuple(listed)
