"""Moments of what a chain earns across epochs: by copies of it, one for each power of rewards.

With a power α, say that of one reward by another's square, w_α(x) = E[Y^α/α!; X = x]: what has been
earned so far, and where the chain is. w_0 is where it is; and what a state earns in a moment leads
from w_β to w_α, with β one lower in one kind. So all w are one longer chain, whose steps are those
of uniformisation; all its terms are positive. In the last epoch, which does not end, the moments of
the rest are known by elimination.

A variance is that of what is still expected when the last epoch begins, and the mean of the
variance from there on, which is a sum of squares. Only what is earned before, given where the chain
is then, is a difference; if too few of its digits were certain, it is refused.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import factorial, prod

import numpy as np

from emberkeep.phasetype.distribution import weights_of
from emberkeep.phasetype.errors import TooStiff
from emberkeep.phasetype.kernels.accuracy import MOST_STEPS
from emberkeep.phasetype.moments import Eliminated, covariances_from, waiting
from emberkeep.phasetype.moves import Moves, moved, moves_of, rate_for
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.phasetype.history import Epoch
    from emberkeep.phasetype.linear_systems import Elimination
    from emberkeep.phasetype.stretches import Stretch

    Values = np.ndarray[Any, Any]
    Power = tuple[int, ...]  # by kind of reward

CERTAIN = 1e-9  # relative error of a variance that is not refused


def powers_up_to(kinds: int, order: int) -> list[Power]:
    """All powers of rewards, lower ones first."""
    return [
        tuple(chosen.count(kind) for kind in range(kinds))
        for total in range(order + 1)
        for chosen in combinations_with_replacement(range(kinds), total)
    ]


def _factorial(power: Power) -> int:
    return prod(map(factorial, power))


@final
@frozen
class Earned:
    """What has been earned when the last epoch begins.

    Attributes:
        powers: lower ones first.
        by_vertex: by power and vertex, E[Y^α/α!] and being there.
        steps: how many there were, each of which has rounded.
    """

    powers: list[Power]
    by_vertex: Values
    steps: float


def earned(
    stretches: Sequence[Stretch],
    epochs: Sequence[Epoch],
    rewards: Sequence[Values],
    powers: list[Power],
) -> Earned:
    """Go through all epochs but the last, and through the pulse that begins that.

    Args:
        stretches: by epoch.
        epochs: when they begin, and their parameters.
        rewards: by epoch: by vertex and kind.
        powers: of rewards.

    Raises:
        TooStiff: there would be too many steps.
    """
    found = np.zeros((len(powers), len(stretches[0])))
    found[0] = stretches[0].initial
    steps = 0.0
    for number, (stretch, epoch) in enumerate(zip(stretches, epochs, strict=True)):
        if number and epoch.pulse is not None:
            found = epoch.pulse.after(found)
        if number + 1 < len(epochs) and (length := epochs[number + 1].start - epoch.start) > 0:
            found, more = _grown(stretch, epoch.theta, rewards[number], powers, found, length)
            steps += more
    return Earned(powers, found, steps)


def _grown(
    stretch: Stretch,
    theta: Values,
    rewards: Values,
    powers: list[Power],
    before: Values,
    length: float,
) -> tuple[Values, float]:
    """What comes of w by power and vertex after a time, and the number of steps."""
    weights = weights_of(stretch, theta[None])[0]
    rate = rate_for(stretch, weights, length)
    if rate * length > MOST_STEPS:
        raise TooStiff(
            f"In an epoch of the length {length:.6g} the fastest state could be left "
            f"{rate * length:.1e} times; for moments beyond the mean, {MOST_STEPS:,} are too many. "
            "Leave out what is so fast that it takes no time"
        )
    discrete = stretch.is_discrete
    moves = _between_powers(
        moves_of(stretch, weights, rate), rewards, powers, rate, discrete=discrete
    )
    found, steps = moved(moves, before.reshape(-1), rate * length, discrete=discrete)
    return found.reshape(before.shape), float(steps)


def _between_powers(
    moves: Moves, rewards: Values, powers: list[Power], rate: float, *, discrete: bool
) -> Moves:
    """One step of all copies of a chain."""
    count, number = len(rewards), {power: place for place, power in enumerate(powers)}
    parts: list[tuple[Values, Values, Values]] = []
    vertices = np.arange(count)
    sources, targets = np.append(moves.sources, vertices), np.append(moves.targets, vertices)
    factors = np.append(moves.factors, moves.staying)
    for power, place in number.items():
        to = place * count
        parts.append((to + moves.sources, to + moves.targets, moves.factors))
        for lower, begin in number.items():
            gap = tuple(high - low for high, low in zip(power, lower, strict=True))
            if min(gap) < 0 or not any(gap) or (sum(gap) > 1 and not discrete):
                continue
            gained = np.prod(rewards ** np.array(gap), axis=1) / _factorial(gap)
            if discrete:  # it is earned, and then it goes
                steps = (begin * count + sources, to + targets, gained[sources] * factors)
            else:
                steps = (begin * count + vertices, to + vertices, gained / rate)
            there = steps[2] > 0
            parts.append((steps[0][there], steps[1][there], steps[2][there]))
    sources, targets, factors = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Moves(sources, targets, factors, np.tile(moves.staying, len(powers)))


def rest(system: Elimination, rewards: Values, powers: list[Power]) -> Values:
    """By power and vertex: E[Y^α/α!] of the rest, from each vertex on."""
    factors = system.factors
    ones = np.ones((factors.blocks, system.pattern.rows, factors.width))
    stepped = {powers[0]: ones}  # after one step
    found = np.ones((len(powers), len(system.graph)))
    for place, power in enumerate(powers[1:], 1):
        right = np.zeros_like(ones)
        for lower in powers[:place]:
            gap = tuple(high - low for high, low in zip(power, lower, strict=True))
            if min(gap) < 0 or (sum(gap) > 1 and not system.graph.is_discrete):
                continue
            gained = np.prod(rewards ** np.array(gap), axis=1) / _factorial(gap)
            right += system.rows(gained) * stepped[lower]
        by_row = system.solve(right)
        discrete = system.graph.is_discrete
        stepped[power] = np.maximum(by_row - right, 0.0) if discrete else by_row
        found[place] = system.by_vertex(by_row)[0]
    return found


def moments_of(before: Earned, last: Stretch, theta: Values, rewards: Values) -> Values:
    """By power: E[Y^α] of all that is earned."""
    masses = before.by_vertex
    with Eliminated(last.eliminable(), theta[None]) as system:
        to_come = rest(system, rewards, before.powers)
    found = np.zeros(len(before.powers))
    number = {power: place for place, power in enumerate(before.powers)}
    for power, place in number.items():
        for lower, begin in number.items():
            gap = tuple(high - low for high, low in zip(power, lower, strict=True))
            if min(gap) >= 0:
                found[place] += _product(masses[begin], to_come[number[gap]])
        found[place] *= _factorial(power)
    return found


def _product(masses: Values, values: Values) -> float:
    """The sum over where there is something; elsewhere values may be none."""
    there = masses > 0
    return float(masses[there] @ values[there])


def covariances_of(
    before: Earned,
    last: Stretch,
    theta: Values,
    rewards: Values,
    pairs: list[tuple[int, int]],
) -> list[float]:
    """By pair of kinds.

    Raises:
        TooStiff: a variance is so small beside what is earned that its digits are not certain.
    """
    kinds = list(rewards.T)
    with Eliminated(last.eliminable(), theta[None]) as system:
        waits = [waiting(system, kind) for kind in kinds]
        inner = covariances_from(system, kinds, waits, pairs)
        to_come = [system.by_vertex(wait)[0] for wait in waits]
        spread = {pair: system.by_vertex(by)[0] for pair, by in zip(pairs, inner, strict=True)}
    number = {power: place for place, power in enumerate(before.powers)}
    masses = before.by_vertex[0]
    there = masses > 0
    masses, size = masses[there], len(kinds)
    missing = last.whole.missing
    means: list[Values] = []
    firsts: list[Values] = []
    for kind in range(size):
        first = before.by_vertex[number[_unit(size, kind)]][there] / masses
        firsts.append(first)
        means.append(first + to_come[kind][there])
    averages = [float(masses @ mean) for mean in means]
    found: dict[tuple[int, int], float] = {}
    doubt: dict[tuple[int, int], float] = {}
    for one, other in pairs:
        power = tuple(map(sum, zip(_unit(size, one), _unit(size, other), strict=True)))
        seconds = before.by_vertex[number[power]][there] * _factorial(power)
        apart = (means[one] - averages[one]) * (means[other] - averages[other])
        within = float((seconds - masses * firsts[one] * firsts[other]).sum())
        between = float(masses @ apart) + missing * averages[one] * averages[other]
        found[one, other] = within + between + float(masses @ spread[one, other][there])
        doubt[one, other] = float(seconds.sum()) * 2.0**-53 * (before.steps + 16)
    _require_certain(found, doubt)
    return [found[pair] for pair in pairs]


def _unit(size: int, kind: int) -> Power:
    return tuple(int(place == kind) for place in range(size))


def _require_certain(
    found: dict[tuple[int, int], float], doubt: dict[tuple[int, int], float]
) -> None:
    for (one, other), doubtful in doubt.items():
        scale = np.sqrt(max(found[one, one], 0.0) * max(found[other, other], 0.0))
        if doubtful > CERTAIN * scale:
            raise TooStiff(
                f"A variance is about {found[one, one]:.3g}, and rounding of what is earned before "
                f"the last epoch could be {doubtful:.1e}: it would not be right to {CERTAIN:g}. "
                "Ask for moments(2), which are, or let the last epoch begin earlier"
            )
