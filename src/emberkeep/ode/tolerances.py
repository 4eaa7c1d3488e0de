"""The numbers that control an integration, checked and laid out for the kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.control.controller import exponents
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.ode.control.controller import Controller
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.system.system import System
    from emberkeep.ode.times import Times

    Values = np.ndarray[Any, Any]

RTOL, ATOL = 1e-6, 1e-9
MAX_STEPS = 1_000_000
CONTROL = 9  # numbers of a controller
NEVER = 1e9


@final
@frozen
class Numbers:
    """What a user may say about steps.

    Attributes:
        rtol: tolerated error relative to a state.
        atol: tolerated error where a state is small: for all, or by state.
        dt: the length of steps where it is fixed; else of the first one, chosen where None.
        dt_min: no step becomes shorter than this, but fails.
        dt_max: no step becomes longer.
        max_steps: attempts of a step, after which a trajectory is given up.
        controller: how the next step is chosen.
    """

    rtol: float
    atol: Any
    dt: float | None
    dt_min: float
    dt_max: float
    max_steps: int
    controller: Controller


def kernel_numbers(plan: Plan, times: Times, numbers: Numbers) -> tuple[Values, Values]:
    """What controls steps, in the order of `call.SETTINGS`; and atol of each state.

    Raises:
        InvalidPlan: names the number that cannot be, and says what to do.
    """
    system = plan.system
    for name in ("rtol", "dt_max"):
        _require_positive(name, getattr(numbers, name))
    if numbers.dt is not None:
        _require_positive("dt", numbers.dt)
    if not _is_number(numbers.dt_min) or not 0 <= numbers.dt_min < math.inf:
        raise InvalidPlan(f"dt_min={numbers.dt_min!r} must be zero or a positive number")
    if numbers.dt_min > numbers.dt_max:
        raise InvalidPlan(
            f"dt_min={numbers.dt_min!r} is larger than dt_max={numbers.dt_max!r}; no step is both"
        )
    steps: Any = numbers.max_steps
    if not isinstance(steps, int | np.integer) or not 1 <= steps < 1 << 62:
        raise InvalidPlan(f"max_steps={numbers.max_steps!r} must be a whole number, at least 1")
    if not plan.is_adaptive and numbers.dt is None:
        raise InvalidPlan(
            f"{plan.tableau.name} takes steps of fixed length: pass dt=…, or use an adaptive "
            "method such as 'tsit5'"
        )
    if not plan.is_adaptive:
        _require_few(times, numbers)
    pairs, given = _by_pair(system, numbers.atol)
    atol = _absolute(given, system.own_states)
    if system.sensitivities is not None:
        atol += _of_sensitivities(system, pairs, atol)
    real = np.dtype(plan.precision)
    limits = np.finfo(real)
    least = max(numbers.dt_min, float(limits.tiny))
    largest = min(numbers.dt_max, float(limits.max))
    first = 0.0 if numbers.dt is None else min(max(numbers.dt, least), largest)
    settings = [
        times.direction,
        first,
        least,
        largest,
        numbers.rtol,
        *_control(plan, numbers.controller),
    ]
    tolerated = np.array(atol, real)
    if not ((tolerated > 0).all() and real.type(numbers.rtol) > 0):
        raise InvalidPlan(
            f"rtol={numbers.rtol!r} or atol={numbers.atol!r} is zero in {plan.precision}; choose "
            "larger ones, or precision='float64'"
        )
    return np.array(settings, np.float64), tolerated


def _control(plan: Plan, chosen: Controller) -> list[float]:
    """The controller's numbers; of fixed steps there are none."""
    if not plan.is_adaptive:
        return [0.0] * CONTROL
    powers = exponents(chosen, plan.tableau)
    # What bounds Gustafsson's controller is never reached by others.
    slack = 0.0 if chosen.kind == "gustafsson" else NEVER
    return [
        math.log2(chosen.safety),
        *powers.errors,
        powers.ratio,
        powers.retry,
        slack,
        math.log2(chosen.least),
        math.log2(chosen.most),
    ]


def _require_few(times: Times, numbers: Numbers) -> None:
    """Fixed steps are known to be too many before the first is taken."""
    assert numbers.dt is not None
    taken = times.span / numbers.dt
    if taken > numbers.max_steps * (1 + 1e-9):
        raise InvalidPlan(
            f"dt={numbers.dt!r} makes {taken:.6g} steps, and max_steps is {numbers.max_steps:,}. "
            "Choose a longer one, or pass max_steps="
        )


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, str) and not math.isnan(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _require_positive(name: str, value: Any) -> None:
    try:
        number = float(value)
        good = not isinstance(value, str) and number > 0
        good = good and (name == "dt_max" or math.isfinite(number))
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        advice = "such as 1e-6: no computation has an error of zero" if "tol" in name else ""
        raise InvalidPlan(f"{name}={value!r} must be a positive number{advice and ', ' + advice}")


def _by_pair(system: System, given: Any) -> tuple[dict[Any, Any], Any]:
    """What is given by pairs of a state and what it is differentiated by; and all else.

    Raises:
        InvalidPlan: there is no such sensitivity.
    """
    if not isinstance(given, Mapping):
        return {}, given
    pairs: dict[Any, Any] = {key: value for key, value in given.items() if isinstance(key, tuple)}  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    wanted = system.sensitivities
    for pair, value in pairs.items():
        if wanted is None or pair not in wanted.pairs:
            raise InvalidPlan(
                f"atol names {pair!r}; a pair is a state and what it is differentiated by, among "
                "the sensitivities= of the solver"
            )
        _require_positive("atol", value)
    rest = {key: value for key, value in given.items() if key not in pairs}  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return pairs, rest  # pyright: ignore[reportUnknownVariableType]


def _by_state(given: Any) -> dict[str, Any]:
    return {str(state): value for state, value in given.items()}


def _absolute(given: Any, states: tuple[str, ...]) -> list[float]:
    values: list[Any]
    if isinstance(given, Mapping):
        by_state = _by_state(given)
        unknown = by_state.keys() - set(states)
        if unknown:
            raise InvalidPlan(
                f"atol names {sorted(unknown)}, which are no states; there are {', '.join(states)}"
            )
        values = [by_state.get(state, ATOL) for state in states]
    elif np.ndim(given) == 0:
        values = [given] * len(states)
    else:
        values = list(given)
        if len(values) != len(states):
            raise InvalidPlan(
                f"atol has {len(values)} values for {len(states)} states. Pass one number, one for "
                f"each state, or {{{states[0]!r}: 1e-9}}"
            )
    for value in values:
        _require_positive("atol", value)
    return [float(value) for value in values]


def _of_sensitivities(
    system: System, given: Mapping[Any, Any], atol: Sequence[float]
) -> list[float]:
    """The errors of sensitivities that are tolerated where they are small, in their order.

    That of a state over the size of the parameter, by its default: then both errors mean as much
    for what a change of the parameter by its own size does. A parameter that is zero by default,
    and an initial value, counts as one.

    Args:
        system: with its sensitivities.
        given: the user's own, by pairs of a state and a name.
        atol: of each state.
    """
    wanted = system.sensitivities
    assert wanted is not None
    by_state = dict(zip(wanted.states, atol, strict=True))
    sizes = {name: abs(system.parameters.get(name, 1.0)) or 1.0 for name in wanted.names}
    return [
        float(given.get((state, name), by_state[state] / sizes[name]))
        for state, name in wanted.pairs
    ]
