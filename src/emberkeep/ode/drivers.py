"""Drivers: what is sampled over time and drives a right-hand side, as tables for kernels."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.batch import name_of, pairs_of
from emberkeep.ode.kernel.call import COEFFICIENTS
from emberkeep.ode.memory import require_room
from emberkeep.ode.splines import coefficients, marks
from emberkeep.ode.system.declarations import STEP
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.ode.system.system import System
    from emberkeep.ode.times import Times

    Values = np.ndarray[Any, Any]

REFUSE, HOLD, PERIODIC, EXTRAPOLATE = "refuse", "hold", "periodic", "extrapolate"
OUTSIDE = (REFUSE, HOLD, PERIODIC, EXTRAPOLATE)
ROUNDING = 2 * 2.0**-52  # of times: what is nearer than that is the same
AXES = 2  # of samples, at most: trajectories and times


@final
@frozen
class Driver:
    """Samples over time.

    Attributes:
        times: of the samples, each later than the one before.
        values: the samples: one at each time, or a row of them for each trajectory.
        outside: what is before the first sample and after the last: ``"refuse"`` spans that go
            there; ``"hold"`` the nearest sample; ``"periodic"``: the last sample is the first one
            again; ``"extrapolate"`` the polynomial at that end.
    """

    times: Any
    values: Any
    outside: str = REFUSE


@final
@frozen
class Table:
    """A driver as a kernel looks it up; see `emberkeep.ode.kernel.drivers`.

    Attributes:
        name: of the driver.
        knots: times of the samples.
        pieces: coefficients of the polynomials between, as a matrix, or one for each trajectory.
        ends: of each piece, the number of the knot ahead at which steps end; likewise.
        numbers: in the order of `call.DRIVER_NUMBERS`.
        counts: in the order of `call.DRIVER_COUNTS`.
    """

    name: str
    knots: Values
    pieces: Values
    ends: Values
    numbers: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return f"the driver {self.name!r}"

    @property
    def runs(self) -> int:
        """How many trajectories have samples of their own; 1 where all have the same."""
        return self.pieces.shape[0] if self.is_own else 1

    @property
    def is_own(self) -> bool:
        """Whether each trajectory has samples of its own."""
        return self.pieces.ndim > AXES

    @property
    def bytes_of_a_run(self) -> int:
        """What a trajectory's own samples take."""
        return self.pieces[0].nbytes + self.ends[0].nbytes if self.is_own else 0


def make_tables(system: System, given: Any, times: Times, precision: str) -> tuple[Table, ...]:
    """The tables of all drivers of a system, in their order.

    Args:
        system: what is driven.
        given: drivers by name: each a `Driver`, a pair of times and values, a pandas Series, or an
            xarray DataArray whose last axis is time.
        times: of the integration.
        precision: of its numbers.

    Raises:
        InvalidPlan: names the driver that is missing, unknown, no good, or too short.
    """
    by_name = _by_name(system, given)
    return tuple(
        _table(name, kind, _sampled(name, kind, by_name[name]), times, precision)
        for name, kind in system.drivers.items()
    )


def _by_name(system: System, named: Any) -> Mapping[str, Any]:
    given: Any = {} if named is None else named
    if not isinstance(given, Mapping) and not hasattr(given, "items"):
        raise InvalidPlan(
            "The drivers must be given by name: drivers={'light': ode.Driver(times, values)}; a "
            f"{type(given).__qualname__} was passed"
        )
    by_name = {name_of(name): driver for name, driver in pairs_of(given)}
    unknown = [name for name in by_name if name not in system.drivers]
    if unknown:
        raise InvalidPlan(
            f"{system.name} has no driver {unknown[0]!r}. There are "
            f"{', '.join(system.drivers) or 'none: declare them, ode.System(…, drivers=[…])'}"
        )
    for name in system.drivers:
        if name not in by_name:
            raise InvalidPlan(
                f"The driver {name!r} of {system.name} has no samples. Pass "
                f"drivers={{{name!r}: ode.Driver(times, values)}}"
            )
    return by_name


# Samples ----------------------------------------------------------------------------------------


def _sampled(name: str, kind: str, given: Any) -> Driver:
    """Samples as numbers, checked by themselves."""
    driver = _of_any_form(name, given)
    known: Any = driver.outside
    if not isinstance(known, str) or known not in OUTSIDE:
        raise InvalidPlan(
            f"The driver {name!r} has outside={known!r}; expected one of "
            f"{', '.join(map(repr, OUTSIDE))}"
        )
    knots = _numbers(f"The times of the driver {name!r}", driver.times)
    held = COEFFICIENTS[kind] + 1  # and where steps end
    values = _numbers(f"The values of the driver {name!r}", driver.values, held)
    if knots.ndim != 1 or knots.size < 2:  # noqa: PLR2004 - a piece has two ends
        raise InvalidPlan(
            f"The times of the driver {name!r} have shape {knots.shape}; expected a list of at "
            "least two, the same for all trajectories"
        )
    if values.ndim not in (1, AXES) or values.shape[-1] != knots.size or not values.size:
        raise InvalidPlan(
            f"The driver {name!r} has {knots.size} times, and values of shape {values.shape}; "
            f"expected ({knots.size},), or (trajectories, {knots.size}) with a row for each"
        )
    later = np.diff(knots) > 0
    if not later.all():
        place = int(np.argmin(later))
        raise InvalidPlan(
            f"The times of the driver {name!r} must each be later than the one before; number "
            f"{place + 1} is {knots[place + 1]:g}, after {knots[place]:g}. Sort them with their "
            "values, and leave out what is there twice"
        )
    if known == PERIODIC and not (values[..., 0] == values[..., -1]).all():
        row = np.atleast_2d(values)[np.argmax(np.atleast_2d(values[..., 0] != values[..., -1]))]
        raise InvalidPlan(
            f"The driver {name!r} is periodic, so that its last value is the first one again; they "
            f"are {row[0]:g} and {row[-1]:g}. Append the first value, a period after it"
        )
    return Driver(knots, values[0] if values.shape[0] == 1 else values, known)


def _of_any_form(name: str, given: Any) -> Driver:
    form: Any = given  # for what a type checker would make of it below
    if isinstance(given, Driver):
        return given
    if isinstance(given, tuple) and len(form) == AXES:
        return Driver(*form)
    dims = getattr(form, "dims", ())
    if dims and dims[-1] in form.coords:  # of xarray
        return Driver(form.coords[dims[-1]].values, form.values)
    index = getattr(form, "index", None)
    if index is not None and hasattr(form, "to_numpy"):  # of pandas
        return Driver(index.to_numpy(), form.to_numpy())
    raise InvalidPlan(
        f"The driver {name!r} is a {type(form).__qualname__}; expected ode.Driver(times, values), "
        "a pandas Series whose index is time, or an xarray DataArray whose last axis is time"
    )


def _numbers(what: str, given: Any, copies: int = 1) -> Values:
    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(given, masked.MaskedArray):
        raise InvalidPlan(f"{what} have a mask. Fill it, or leave out what it hides")
    try:
        found = np.asarray(given)
        if found.dtype.kind not in "fiub":
            raise TypeError(f"these are {found.dtype}")  # noqa: TRY301 - as NumPy's below
        require_room(8 * copies * found.size, what, "Pass fewer, or the same for all trajectories")
        found = np.array(found, np.float64)
    except InvalidPlan:
        raise
    except (TypeError, ValueError, OverflowError) as problem:
        raise InvalidPlan(f"{what} must be numbers, in the units of t: {problem}") from None
    good = np.isfinite(found)
    if not good.all():
        place = np.unravel_index(int(np.argmin(good)), found.shape)
        at = ", ".join(map(str, place))
        raise InvalidPlan(
            f"{what} must be finite; number {at} is {found[place]}. Fill what is missing, or leave "
            "its time out"
        )
    return found


# Tables -----------------------------------------------------------------------------------------


def _table(name: str, kind: str, driver: Driver, times: Times, precision: str) -> Table:
    knots, values, outside = driver.times, driver.values, driver.outside
    first, last = float(knots[0]), float(knots[-1])
    if outside == REFUSE:
        _require_covered(name, first, last, times)
    size = COEFFICIENTS[kind]
    with np.errstate(all="ignore"):
        # In units of the mean distance of knots, so that no unit of time is too long or too short.
        scale = (knots.size - 1) / (last - first)
        pieces = coefficients(kind, knots, values, periodic=outside == PERIODIC)
        ends = _ends(marks(kind, knots, pieces), pieces.shape[-2], times.direction)
        pieces *= scale ** -np.arange(float(size))
        pieces = np.ascontiguousarray(pieces, precision)
    if not (math.isfinite(scale) and np.isfinite(pieces).all()):
        raise InvalidPlan(
            f"The driver {name!r} has times too near each other, or values too large, for "
            f"{precision}: its polynomials are not finite. Choose other units"
        )
    high, turns, is_near_enough = _search(knots, scale, is_exact=kind == STEP)
    rounded = max(abs(first), abs(last)) if is_near_enough else abs(first) * (outside == PERIODIC)
    is_periodic, is_bounded = outside == PERIODIC, outside in (REFUSE, HOLD)
    numbers = (
        first,
        scale,
        1 / (last - first) if is_periodic else 0.0,
        last - first if is_periodic else 0.0,
        first if is_bounded else -math.inf,
        last if is_bounded else math.inf,
        last,
        rounded,
    )
    count = pieces.shape[-2]
    own = count if pieces.ndim > AXES else 0
    counts = (count - 1, high, turns, 1 << max(turns - 1, 0), own)
    return Table(name, knots, pieces, ends, numbers, counts)


def _require_covered(name: str, first: float, last: float, times: Times) -> None:
    early = np.minimum(times.starts, times.ends) - first
    late = last - np.maximum(times.starts, times.ends)
    beyond = np.minimum(early, late) < -ROUNDING * max(abs(first), abs(last))
    if not beyond.any():
        return
    run = int(np.argmax(beyond))
    start, end = (
        float(np.broadcast_to(one, beyond.shape)[run]) for one in (times.starts, times.ends)
    )
    whose = "the span" if beyond.size == 1 else f"the span of trajectory {run}"
    raise InvalidPlan(
        f"The driver {name!r} has samples from {first:g} to {last:g}, and {whose} goes from "
        f"{start:g} to {end:g}. Pass samples that cover it, or say what is outside of them: "
        "ode.Driver(times, values, outside='hold'), 'periodic' or 'extrapolate'"
    )


def _ends(marked: Values, pieces: int, direction: float) -> Values:
    """Of each piece, the next marked knot in a direction of time."""
    places: Values = np.arange(marked.shape[-1], dtype=np.int64)
    if direction < 0:
        return np.maximum.accumulate(np.where(marked, places, 0), axis=-1)[..., :pieces]
    ahead: Values = np.where(marked, places, places[-1])[..., ::-1]
    ahead = np.minimum.accumulate(ahead, axis=-1)[..., ::-1]
    return np.concatenate([ahead[..., 1:], ahead[..., -1:]], axis=-1)[..., :pieces]


def _search(knots: Values, scale: float, *, is_exact: bool) -> tuple[int, int, bool]:
    """How far a piece's number, guessed from equal distances, is too high; turns to find it.

    Where a time that is a knot but for rounding is taken for the piece before it, a curve without
    jumps has the same value there. So where distances are equal but for rounding, the guess is near
    enough, which is the third that is told; elsewhere knots may be of all sizes, and all count.
    """
    last = knots.size - 1
    size = max(abs(float(knots[0])), abs(float(knots[-1])))
    slack = ROUNDING * (size * scale + last)
    places, ideal = (knots - knots[0]) * scale, np.arange(knots.size)
    is_regular = not is_exact and bool((np.abs(places - ideal) <= slack).all())
    if is_exact:
        low, high = places - slack, places + slack
    else:
        low = ideal if is_regular else places
        high = np.nextafter(low, -math.inf)
    pieces = np.arange(last)
    highest = np.minimum(np.floor(high[1:]), last) - pieces
    lowest = pieces - np.maximum(np.floor(low[:-1]), 0)
    too_high, too_low = (max(int(each.max()), 0) for each in (highest, lowest))
    return too_high, (too_high + too_low).bit_length(), is_regular
