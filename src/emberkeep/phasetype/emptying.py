"""Chains that leave their fastest states for good: steps that become longer as these empty.

A long one-way chain has too many states for `doubling`, and its first states are so fast that steps
at their rate would not end. But soon nothing is left in them. So it goes by a few thousand steps at
a time; then states in which less than 1e-300 is left, and to which nothing leads that holds more,
are forgotten, and the next steps are as long as what remains allows.

All terms are positive. What is forgotten is less than 1e-300 for each state; steps are not more
than 2,000,000, as of uniformisation everywhere.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.assembly import closure
from emberkeep.phasetype.chains import Chain, assembled
from emberkeep.phasetype.doubling import doubled, work
from emberkeep.phasetype.errors import TooStiff
from emberkeep.phasetype.kernels.accuracy import MOST_STEPS
from emberkeep.phasetype.kernels.propagation import propagate
from emberkeep.phasetype.uniformisation import poisson_weights
from emberkeep.startup_records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

EMPTY = 1e-300
FEW = 2048
LITTLE_WORK, MOST_WORK = 1e8, 1e11  # multiplications: less than a second; a minute or two


def probabilities(chain: Chain, times: Values) -> Values:
    """By time and place: the probability of being there, or what has been gathered.

    Raises:
        TooStiff: no way is known that would end.
    """
    found = np.zeros((len(times), chain.size))
    places, elapsed, steps, taken = np.arange(chain.size), 0.0, FEW, 0
    waiting = np.argsort(times, kind="stable")
    while len(waiting):
        late = times[waiting] - elapsed
        if not len(chain.vertices):
            states = np.repeat(chain.initial[None, :], len(late), axis=0)
        elif work(chain, late) <= (LITTLE_WORK if steps == FEW else MOST_WORK):
            states = doubled(chain, late)
        elif taken + steps > _most_steps(chain):
            raise TooStiff(
                f"At time {times.max():.6g} the fastest state could have been left "
                f"{chain.rate * late.max():.1e} times, and {len(chain.vertices):,} states are too "
                "many for anything but steps. Ask for shorter times, or leave out what is so fast "
                "that it takes no time"
            )
        else:
            # A power of two, so that the sum of all stretches is exact.
            stretch = float(2.0 ** np.floor(np.log2(steps / chain.rate)))
            due = np.count_nonzero(late <= stretch)
            states = _after(chain, np.append(late[:due], stretch))
            found[np.ix_(waiting[:due], places)] = states[:-1]
            waiting, elapsed, taken = waiting[due:], elapsed + stretch, taken + steps
            chain, kept = _without_empty(chain, states[-1])
            steps = FEW if len(kept) < len(places) else 2 * steps
            places = places[kept]
            continue
        found[np.ix_(waiting, places)] = states
        break
    return found


def _most_steps(chain: Chain) -> float:
    """In continuous time rounding says how many are too many; in discrete time, patience."""
    patience = MOST_WORK / (len(chain.weights) + chain.size)
    return patience if chain.is_discrete else MOST_STEPS


def _after(chain: Chain, times: Values) -> Values:
    """By time and place, by uniformisation; or step by step."""
    rate, gatherers = chain.rate, chain.size - len(chain.vertices)
    windows = [
        (int(time), np.ones(1)) if chain.is_discrete else poisson_weights(rate * float(time))
        for time in times
    ]
    first = np.array([low for low, _ in windows], np.int64)
    sizes = np.array([len(weights) for _, weights in windows], np.int64)
    vectors = np.zeros((2, chain.size))
    vectors[0] = chain.initial
    found = np.zeros((len(times), chain.size))
    staying = np.append(np.maximum(rate - chain.leaving, 0.0) / rate, np.ones(gatherers))
    propagate(
        chain.starts, chain.sources, chain.weights / rate, staying, vectors,
        int((first + sizes).max()), first, first + sizes,
        np.concatenate([weights for _, weights in windows]),
        (np.cumsum(sizes) - sizes).astype(np.int64), found, count=1,
    )  # fmt: skip
    return found


def _without_empty(chain: Chain, here: Values) -> tuple[Chain, Values]:
    """The chain from where it is, and which places it still has."""
    count = len(chain.vertices)
    targets = np.repeat(np.arange(chain.size), np.diff(chain.starts))
    sources = chain.sources.astype(np.int64)
    gathers = np.arange(chain.size) >= count
    kept = closure((here > EMPTY) | gathers, sources, targets)
    if kept.all():
        return replace(chain, {"initial": here}), np.arange(chain.size)
    number = np.cumsum(kept) - 1
    inner = kept[sources]  # and so is where they lead
    places = np.flatnonzero(kept)
    rows = places[places < count]
    begins = np.searchsorted(places, chain.begins[rows])
    rest = assembled(
        chain.vertices[rows],
        number[sources[inner]],
        number[targets[inner]],
        chain.weights[inner],
        (chain.leaving[rows], chain.leaving_more[rows]),
        here[places],
        begins,
        is_discrete=chain.is_discrete,
    )
    return rest, places
