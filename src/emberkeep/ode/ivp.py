"""One call as SciPy's users write it: ``solve_ivp(fun, t_span, y0)``, also for batches.

The function is a system of a vector ``y`` with parameters ``p_1``, `p_2`, …, one for each of its
further arguments. A second process finds it compiled, by what it does.
"""

# What users of SciPy pass may be anything.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import types

import numpy as np

from emberkeep.errors import InvalidPlan, InvalidSystem, SolveFailed
from emberkeep.ode.events.event import Event
from emberkeep.ode.methods import AUTO, chosen
from emberkeep.ode.result import Result
from emberkeep.ode.solver import MOST_RECORDS, Solver
from emberkeep.ode.status import has_failed
from emberkeep.ode.system.system import System
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from emberkeep.keep.keep import Keep
    from emberkeep.targets.protocol import Target

    Values = np.ndarray[Any, Any]
    Fun = Callable[..., Any]
    T = TypeVar("T")

CHOOSING = ("lsoda", AUTO)  # between what is stiff and what is not
BATCHED = 2  # dimensions of initial values, where each trajectory has its own
# What SciPy takes and this does not, and what there is in its place.
INSTEAD = {
    "jac": "Jacobians are derived from the function itself: leave it out",
    "jac_sparsity": "Jacobians are derived from the function itself: leave it out",
    "lband": "Jacobians are derived from the function itself: leave it out",
    "uband": "Jacobians are derived from the function itself: leave it out",
    "min_step": "ode.solve has dt_min=",
}
BIND = "bind it: solve_ivp(lambda t, y, k: fun(t, y, k, it), …)"


@final
@frozen
class OdeSolution:
    """The solution as a function of time, as SciPy's ``sol``: within a step, the method's own.

    Nothing of it is kept but the compiled function: each call integrates again, with the same
    steps, and gives values at its times. So it takes no memory, and is best called with many times
    at once.

    Attributes:
        solve: integrates with times to save.
        t_min: the earlier end of the span.
        t_max: the later one.
        is_backwards: whether the span goes from the later to the earlier.
        is_batch: whether there are several trajectories.
    """

    solve: Callable[[Any], Result]
    t_min: float
    t_max: float
    is_backwards: bool
    is_batch: bool

    def __call__(self, t: Any) -> Values:
        """The states at a time, or at several; in a batch, trajectories are the first axis.

        Raises:
            InvalidPlan: a time is outside the span; nothing is extrapolated.
        """
        times = _array("t", t)
        flat, places = np.unique(times, return_inverse=True)
        if times.ndim > 1 or not flat.size or not self.t_min <= flat[0] <= flat[-1] <= self.t_max:
            raise InvalidPlan(
                f"sol was called with t={t!r}; expected times from {self.t_min:g} to "
                f"{self.t_max:g}, where it was solved"
            )
        order = flat[::-1] if self.is_backwards else flat
        states = self.solve(order).states
        assert states is not None
        y = (states[:, ::-1] if self.is_backwards else states).swapaxes(1, 2)
        y = y[..., places.reshape(-1)]
        y = y[..., 0] if times.ndim == 0 else y
        return y if self.is_batch else y[0]


@final
@frozen
class OdeResult:
    """What SciPy's `solve_ivp` gives, by the same names; also ``solution["y"]``.

    Attributes:
        t: times: those of t_eval, or start and end.
        y: by state and time; in a batch by trajectory, state and time. NaN from where one failed.
        status: 0 where the end was reached, 1 where an event was the end, else -1; an array in a
            batch.
        message: how it ended.
        success: whether the end, or an event that ends it, was reached; an array in a batch.
        result: the same as `ode.solve` gives it, with states y_1, y_2, … and parameters p_1, ….
        sol: the solution as a function of time; None without ``dense_output=True``.
        t_events: for each event, when it occurred; in a batch a row for each trajectory, with NaN
            behind the last. None without events.
        y_events: likewise, the states there.
        nfev: None: calls of the function are not counted.
        njev: None, likewise.
        nlu: None, likewise.
    """

    t: Values
    y: Values
    status: Any
    message: str
    success: Any
    result: Result
    sol: OdeSolution | None = None
    t_events: list[Values] | None = None
    y_events: list[Values] | None = None
    nfev: None = None
    njev: None = None
    nlu: None = None

    def __getitem__(self, name: str) -> Any:
        """A field by its name."""
        if name not in self.keys():
            raise KeyError(f"{name!r} is not known; there are {', '.join(self.keys())}")
        return getattr(self, name)

    def keys(self) -> tuple[str, ...]:
        """Names of all fields."""
        return type(self).__match_args__

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())


def solve_ivp(  # noqa: PLR0913, PLR0917 - SciPy's
    fun: Fun,
    t_span: tuple[float, float],
    y0: Any,
    method: str = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,  # noqa: FBT001, FBT002 - SciPy's
    events: Any = None,
    vectorized: bool = False,  # noqa: FBT001, FBT002, ARG001 - SciPy's
    args: Any = None,
    *,
    rtol: float = 1e-3,
    atol: Any = 1e-6,
    first_step: float | None = None,
    max_step: float = math.inf,
    target: str | Target = "auto",
    precision: str = "float64",
    keep: Keep | None = None,
    threads: int | None = None,
    **options: Any,
) -> OdeResult:
    """Integrate ``fun(t, y, *args)`` as `scipy.integrate.solve_ivp` does; and many at once.

    Args:
        fun: derivatives of the array y. It is run once on symbols, and must be possible to follow:
            `numpy.where` in place of a branch; else it must return a tuple, and numba compiles it.
        t_span: start and end.
        y0: initial values; a row of them for each trajectory in a batch.
        method: ``"RK23"``, ``"RK45"``, ``"DOP853"``, or any that `ode.solve` has.
        t_eval: times to give y at; None for start and end alone, whatever steps were taken.
        dense_output: whether to give the solution as a function of time, too.
        events: a function ``event(t, y, *args)``, or several, that go through zero; an attribute
            ``terminal`` (True, or a number) makes one end trajectories, and ``direction`` is 1 or
            -1 where it counts in one direction alone. They are followed, as `fun` is.
        vectorized: says nothing here: y is always an array of one dimension.
        args: further arguments: numbers, or arrays with one for each trajectory.
        rtol: tolerated error relative to a state.
        atol: tolerated error where a state is small: of all, or of each.
        first_step: the first step; the length of all, for a method of fixed steps.
        max_step: no step is longer.
        target: see `Solver`.
        precision: see `Solver`.
        keep: see `Solver`.
        threads: see `Solver`.
        **options: what else SciPy takes is refused by name.

    Raises:
        InvalidPlan: something asked for cannot be; says what to do.
        InvalidSystem: the function cannot be compiled; says why.
    """
    _refuse(
        {name: value for name, value in options.items() if value is not None and value is not False}
    )
    watched = _events(events)
    name = _method(method, first_step)
    begin, end = _span(t_span)
    start, arguments = _initial(y0), _arguments(args)
    is_batch = start.ndim == BATCHED or any(value.ndim for value in arguments)
    states = {f"y_{place}": values for place, values in enumerate(np.atleast_2d(start).T, 1)}
    parameters = {f"p_{place}": value for place, value in enumerate(arguments, 1)}
    asked = [begin, end] if t_eval is None else t_eval
    if t_eval is None and begin == end:
        asked = [begin]

    def solved(slope: Fun) -> tuple[Result, Callable[[Any], Result]]:
        system = System(slope, *map(_defaults, (states, parameters)), name=_name(fun))
        solver = Solver(
            system,
            events=watched,
            method=name,
            target=target,
            precision=precision,
            keep=keep,
            threads=threads,
        )

        def at(times: Any, room: int = MOST_RECORDS) -> Result:
            found = solver.solve(
                (begin, end),
                initial=states,
                parameters=parameters,
                save_at=times,
                rtol=rtol,
                atol=atol,
                dt=first_step,
                dt_max=max_step,
                outputs=["states", "final", "reached", "events"] if watched else None,
                most_records=room,
                memory=math.inf,
            )
            assert isinstance(found, Result)  # in memory, whatever its size
            return found

        found = at(asked)
        most = max((int(found.events[each].counts.max()) for each in found.event_names), default=0)
        if most > MOST_RECORDS:  # all of them, as SciPy's
            found = at(asked, most)
        solver.settle()  # what the solution is called for later is of the function as it is now
        return found, at

    try:
        result, at = solved(_of_arrays(fun))
    except InvalidSystem as problem:
        _require_callable(fun, begin, np.atleast_2d(start)[0], arguments)
        result, at = _compiled_as_it_is(fun, solved, problem, has_arguments=bool(arguments))
    sol = None
    if dense_output:
        last = end if is_batch or result.reached is None else float(result.reached[0])
        sol = OdeSolution(at, min(begin, last), max(begin, last), end < begin, is_batch)
    return _as_scipy(result, sol, is_batch=is_batch, is_sampled=t_eval is not None)


def _compiled_as_it_is(
    fun: Fun, solved: Callable[[Fun], T], problem: InvalidSystem, *, has_arguments: bool
) -> T:
    try:
        return solved(_of_tuples(fun, has_arguments=has_arguments))
    except InvalidSystem:
        raise InvalidSystem(
            f"{_name(fun)} cannot be followed when it is run once on symbols"
            f"{_reason(problem)}. Write it with operators, loops of known length, functions of "
            "math and NumPy, and numpy.where for branches; what is no number, such as a count or a "
            f"switch, is no part of args: {BIND}. Or let it return a tuple, such as "
            "(y[1], -y[0]), of numbers alone: numba compiles it then as it is"
        ) from None


def _reason(problem: InvalidSystem) -> str:
    _, found, reason = str(problem).partition(" cannot be followed: ")
    return f": {reason.partition('. Such a function')[0]}" if found else f" ({problem})"


# What is passed on -------------------------------------------------------------------------------


def _of_arrays(fun: Fun) -> Fun:
    """The function as one of a system: with an array, and one in return."""

    def slope(t: Any, y: Any, p: Any) -> Any:
        return np.ravel([fun(t, np.array(y), *p)])

    return _of_user(slope)


def _of_tuples(fun: Fun, *, has_arguments: bool) -> Fun:
    """The same for numba: a tuple can be indexed like an array, and takes no memory."""

    def slope(t: Any, y: Any, p: Any) -> Any:
        return fun(t, y[:], *p[:])

    def plain_slope(t: Any, y: Any, _: Any) -> Any:
        return fun(t, y[:])  # numba passes on no empty tuple

    return _of_user(slope if has_arguments else plain_slope)


def _events(given: Any) -> tuple[Event, ...]:
    """SciPy's events as ours."""
    if given is None:
        return ()
    listed: list[Any] = [*given] if isinstance(given, list | tuple) else [given]
    found: list[Event] = []
    for place, event in enumerate(listed):
        if not callable(event):
            raise InvalidPlan(
                f"events[{place}] is {event!r}; expected a function event(t, y, *args)"
            )
        direction = float(getattr(event, "direction", 0.0))
        terminal = getattr(event, "terminal", False)
        name = f"event_{place}"
        found.append(
            Event(_of_event(event), name, (direction > 0) - (direction < 0), int(terminal or 0))
        )
    return (*found,)


def _of_event(event: Fun) -> Fun:
    def crossing(t: Any, y: Any, p: Any) -> Any:
        return event(t, np.array(y), *p)

    return _of_user(crossing)


def _of_user(function: Fun) -> Fun:
    """A function that is keyed and followed like the user's own, wherever emberkeep lies."""
    assert isinstance(function, types.FunctionType)
    names = {"np": np, "__name__": "__main__", "__builtins__": __builtins__}
    own = types.FunctionType(
        function.__code__, names, function.__name__, None, function.__closure__
    )
    own.__module__ = "__main__"
    return own


def _name(fun: Fun) -> str:
    return getattr(fun, "__name__", type(fun).__name__).strip("<>")


def _defaults(values: dict[str, Values]) -> dict[str, float]:
    return {name: float(value.flat[0]) for name, value in values.items()}


def _refuse(given: dict[str, Any]) -> None:
    for name in given:
        remedy = INSTEAD.get(name)
        if remedy is None:
            raise InvalidPlan(
                f"solve_ivp takes no {name}=. There are method, t_eval, args, rtol, atol, "
                "first_step, max_step, target, precision, keep and threads"
            )
        raise InvalidPlan(f"solve_ivp takes {name}= from SciPy's users, but has none. {remedy}")


def _method(given: Any, first_step: float | None) -> Any:
    """A method by its name; SciPy's classes are taken by theirs."""
    name = getattr(given, "__name__", given)
    plain = name.lower() if isinstance(name, str) else ""
    if plain in CHOOSING:
        return AUTO
    if not chosen(name).is_adaptive and first_step is None:
        raise InvalidPlan(
            f"{name} takes steps of fixed length: pass first_step=…, or use method='RK45'"
        )
    return name


def _span(given: Any) -> tuple[float, float]:
    try:
        begin, end = map(float, given)
    except (TypeError, ValueError, OverflowError):
        raise InvalidPlan(
            f"t_span must be a start and an end, such as (0, 10), not {given!r}. Times to give y "
            "at go into t_eval=…"
        ) from None
    return begin, end


def _initial(given: Any) -> Values:
    array = _array("y0", given)
    if array.ndim not in (1, BATCHED) or not array.size:
        raise InvalidPlan(
            f"y0 has shape {array.shape}; expected (n,), or (runs, n) with a row of initial values "
            "for each trajectory"
        )
    return array


def _arguments(given: Any) -> list[Values]:
    """Numbers, or one for each trajectory."""
    try:
        listed = [] if given is None else [*given]
    except TypeError:
        raise InvalidPlan(
            f"args={given!r} must be a tuple of arguments: args=({given!r},)"
        ) from None
    arguments: list[Values] = []
    for place, value in enumerate(listed):
        is_plain = isinstance(value, bool | str | bytes | list | tuple) or callable(value)
        if value is None or is_plain:
            raise InvalidPlan(
                f"args[{place}] is {value!r}; expected a number, or an array with one number for "
                "each trajectory: numpy.array([…]). What is the same for all, and no number, is "
                f"part of the function; {BIND}"
            )
        array = _array(f"args[{place}]", value)
        if array.ndim > 1:
            raise InvalidPlan(
                f"args[{place}] has shape {array.shape}; expected a number, or one for each "
                f"trajectory. If it is the same for all, such as a matrix, {BIND}"
            )
        arguments.append(array)
    return arguments


def _array(what: str, given: Any) -> Values:
    try:
        array = np.asarray(given)
        if array.dtype.kind not in "fiubO":
            raise TypeError(f"these are {array.dtype}")  # noqa: TRY301 - as NumPy's below
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as problem:
        raise InvalidPlan(f"{what} must be real numbers: {problem}") from None


def _require_callable(fun: Fun, t: float, y: Values, arguments: list[Values]) -> None:
    """What is wrong with the function in Python is clearer there."""
    numbers = [float(value.flat[0]) for value in arguments]
    try:
        with np.errstate(all="ignore"):
            found = fun(t, y.copy(), *numbers)
    except (ArithmeticError, ValueError):
        return
    except (TypeError, AttributeError, NameError, LookupError) as problem:
        raise InvalidSystem(
            f"{_name(fun)} cannot be called as fun(t, y, *args) with {len(y)} states and "
            f"{len(numbers)} args: {type(problem).__name__}: {problem}"
        ) from problem
    if np.size(found) != len(y):
        raise InvalidSystem(
            f"{_name(fun)} returns {np.size(found)} derivatives, and y0 has {len(y)} states; "
            "expected as many"
        )


# What comes back ---------------------------------------------------------------------------------


def _as_scipy(
    result: Result, sol: OdeSolution | None, *, is_batch: bool, is_sampled: bool
) -> OdeResult:
    assert result.states is not None
    t, y = result.t, result.states.swapaxes(1, 2)
    status = np.where(has_failed(result.status), -1, 0)
    status[result.ended] = 1
    if result.ended.size and result.final is not None and not is_sampled:
        # The end is where an event was.
        y, ends = y.copy(), result.ended
        y[ends, :, -1] = result.final[ends]
        reached = np.asarray(result.reached)
        t = np.stack([np.full(reached.shape, result.t[0]), reached], axis=-1)
    message = "The solver successfully reached the end of the integration interval."
    if (status == 1).all():
        message = "A termination event occurred."
    try:
        result.require_success()
    except SolveFailed as problem:
        message = str(problem)
    t_events, y_events = _occurrences(result, is_batch=is_batch)
    if is_batch:
        return OdeResult(t, y, status, message, status >= 0, result, sol, t_events, y_events)
    if status[0] == 1:
        t = t[0] if t.ndim > 1 else t[~np.isnan(y[0, 0])]
        y = y[..., : t.size]
    return OdeResult(
        t, y[0], int(status[0]), message, bool(status[0] >= 0), result, sol, t_events, y_events
    )


def _occurrences(
    result: Result, *, is_batch: bool
) -> tuple[list[Values] | None, list[Values] | None]:
    """Times and states of all events."""
    if not result.event_names:
        return None, None
    found = [*result.events.values()]
    if is_batch:
        return [each.times for each in found], [each.values for each in found]
    counts = [int(each.counts[0]) for each in found]
    return (
        [each.times[0, :count] for each, count in zip(found, counts, strict=True)],
        [each.values[0, :count] for each, count in zip(found, counts, strict=True)],
    )
