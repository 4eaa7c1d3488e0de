# pyright: basic
"""The two calculations as operations on whole arrays, for where XLA has no kernels of ours.

Of a tape, operations of one level are done at once, some hundred at a time. Steps of a chain are
gathers and scatters. One loop does each, whose length is data, so that compiling takes as long for
a large graph as for a small one; and each has its derivative written by hand, in reverse.

JAX has no types to speak of.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from emberkeep.elimination.layout import DIVIDE
from emberkeep.elimination.tape import CHUNK
from emberkeep.phasetype.differentiable.chain_tape import depth_for
from emberkeep.phasetype.kernels.accuracy import (
    EXACT,
    FAINTEST,
    LAST,
    MOST_STEPS,
    SLACK,
    TAIL,
    stirling,
)
from emberkeep.phasetype.kernels.layout import DISCRETE, LEAST

# Tapes -------------------------------------------------------------------------------------------


def _leaves(tape: Any, theta: Any) -> Any:
    """All slots by row of theta, with what leaves begin with; and one more slot, to throw away."""
    slots = jnp.zeros((len(tape["room"]) + 1, len(theta)), theta.dtype)
    leaves = tape["leaves"].astype(theta.dtype)
    slots = slots.at[: len(leaves)].set(leaves[:, None])
    coefficients = tape["coefficients"].astype(theta.dtype)
    return slots.at[tape["linear"][0]].add(coefficients[:, None] * theta.T[tape["linear"][1]])


def _chunk(tape: Any, number: Any) -> Any:
    """Whether they divide, and three rows of slots; past the end it is the last slot."""
    kind, first, many = tape["chunks"][:, number]
    operations = lax.dynamic_slice(tape["operations"], (jnp.zeros_like(first), first), (3, CHUNK))
    there = jnp.arange(CHUNK) < many
    spare = len(tape["room"])
    return kind == DIVIDE, jnp.where(there, operations, spare), there[:, None]


def _forward(tape: Any, theta: Any) -> Any:
    def step(number: Any, slots: Any) -> Any:
        divides, (target, first, second), there = _chunk(tape, number)
        x, y = slots[first], slots[second]
        found = jnp.where(divides, x / jnp.where(there, y, 1), x * y)
        return slots.at[target].add(jnp.where(there, found, 0))

    many = (tape["chunks"][2] > 0).sum()
    return lax.fori_loop(0, many, step, _leaves(tape, theta))


def _mark(tape: Any, slots: Any) -> Any:
    """No number where a weight is negative, or infinite."""
    of_parameters = tape["coefficients"] != 0
    weights = slots[tape["linear"][0]]
    bad = of_parameters[:, None] & ~((weights >= 0) & jnp.isfinite(weights))
    return jnp.where(bad.any(axis=0), jnp.nan, 0.0)


def replay(tape: Any, theta: Any) -> Any:
    """What a tape gives, by row of theta and output."""
    slots = _forward(tape, theta)
    return slots[tape["outputs"]].T + _mark(tape, slots)[:, None]


def replay_reverse(tape: Any, theta: Any, sought: Any) -> Any:
    """The gradient of the outputs' sum, with the weights `sought`."""
    slots = _forward(tape, theta)
    many = (tape["chunks"][2] > 0).sum()

    def step(back: Any, gradient: Any) -> Any:
        divides, (target, first, second), there = _chunk(tape, many - 1 - back)
        g, x, y = gradient[target], slots[first], jnp.where(there, slots[second], 1)
        by_first = jnp.where(divides, g / y, g * y)
        by_second = jnp.where(divides, -g / y * slots[target], g * x)
        gradient = gradient.at[first].add(jnp.where(there, by_first, 0))
        return gradient.at[second].add(jnp.where(there, by_second, 0))

    gradient = jnp.zeros_like(slots).at[tape["outputs"]].add(sought.T)
    gradient = lax.fori_loop(0, many, step, gradient)
    linear, coefficients = tape["linear"], tape["coefficients"].astype(theta.dtype)
    found = jnp.zeros_like(theta.T)
    found = found.at[linear[1]].add(coefficients[:, None] * gradient[linear[0]])
    return found.T + _mark(tape, slots)[:, None]


# Chains ------------------------------------------------------------------------------------------


def _set_up(chain: Any, weights: Any) -> Any:
    """Probabilities by edge, and of staying; where chains begin; what is watched; the rates λ.

    Axes: edge or row, then chain. There is one more row, for edges that are none.
    """
    edges, leaving, initial, watched = (part.T for part in weights)
    many = jnp.zeros((1, leaving.shape[1]), leaving.dtype)
    out = jnp.concatenate([leaving, many]).at[chain["sources"]].add(edges)
    discrete = chain["counts"][DISCRETE] != 0
    # Staying is what is left, which may be less than nothing by rounding.
    edges = jnp.where(discrete & (edges > -SLACK) & (edges < 0), 0.0, edges)
    highest = out.max(axis=0)
    # Nothing that is observed depends on it.
    rate = lax.stop_gradient(jnp.where(discrete | (highest == 0), 1.0, highest))
    good = ((edges >= 0) & jnp.isfinite(edges)).all(axis=0)
    good &= ((leaving >= 0) & jnp.isfinite(leaving)).all(axis=0)
    good &= jnp.isfinite(highest) & (~discrete | (highest <= 1 + SLACK))
    rate = jnp.where(good, rate, 1.0)  # what is no number would be all others' number of steps
    stays = 1 - out / rate
    stays = jnp.where(
        stays < 0, 0.0, stays
    )  # not the maximum: it has half a slope where both are 0
    begin, seen = jnp.concatenate([initial, many]), jnp.concatenate([watched, many])
    return edges / rate, stays, begin, seen, rate, jnp.where(good, 0.0, jnp.nan)


def _enough(mean: Any, tail: Any) -> Any:
    """`accuracy.steps_for` of arrays."""
    third = tail / 3
    return jnp.ceil(mean + third + jnp.sqrt(third * third + 2 * tail * mean)) + 1


def _means(chain: Any, rate: Any, times: Any) -> Any:
    """By chain and time: the mean number of steps; how many count; and where there is no answer."""
    discrete = chain["counts"][DISCRETE] != 0
    inside = jnp.where(discrete, times >= 1, times >= 0) & jnp.isfinite(times)
    mean = jnp.where(inside, jnp.where(discrete, times - 1, rate[:, None] * times), 0.0)
    enough = jnp.maximum(_enough(mean, TAIL), chain["counts"][LEAST])
    steps = jnp.where(inside, jnp.where(discrete, times, enough), 0)
    lost = jnp.isnan(times) | ~(steps <= _most(chain))
    lost |= discrete & jnp.isfinite(times) & (times != jnp.floor(times))
    return jnp.where(lost, 0.0, mean), jnp.where(lost, 0, steps), inside & ~lost, lost


def _most(chain: Any) -> int:
    """The most steps that are walked."""
    return min(depth_for(len(chain["ends"])) ** 3, 2 * MOST_STEPS)


def _poisson(k: Any, mean: Any) -> Any:
    """The probability of k, by Loader's form, or the product where k is small."""
    safe = jnp.maximum(k, 1.0)
    apart = mean - safe
    positive = jnp.where(mean > 0, mean, 1.0)
    # Near the mean the first is precise, and far from it the second.
    is_near = 2 * mean > safe
    by_distance = jnp.log1p(jnp.where(is_near, apart / safe, 0.0))
    ratio = jnp.where(is_near, by_distance, jnp.log(positive / safe))
    large = jnp.exp(safe * ratio - apart - stirling(safe)) / jnp.sqrt(2 * jnp.pi * safe)
    small = jnp.exp(k * jnp.log(positive) - mean - lax.lgamma(k + 1.0))
    found = jnp.where(k < EXACT, small, large)
    return jnp.where(mean > 0, found, jnp.where(k == 0, 1.0, 0.0))


def _weight(chain: Any, k: Any, mean: Any, counts: Any) -> Any:
    """By chain and time, how much what is seen after k steps counts."""
    k = jnp.asarray(k, mean.dtype)
    discrete = chain["counts"][DISCRETE] != 0
    return jnp.where(
        counts, jnp.where(discrete, (mean == k).astype(mean.dtype), _poisson(k, mean)), 0
    )


def _step(chain: Any, probabilities: Any, stays: Any, here: Any) -> Any:
    moved = here[chain["sources"]] * probabilities
    return (here * stays).at[chain["targets"]].add(moved)


def observe(chain: Any, weights: Any, times: Any) -> Any:
    """What is observed, by row of weights and time.

    Each goes on until what may follow cannot change the last digit of its sum.
    """
    probabilities, stays, begin, seen, rate, mark = _set_up(chain, weights)
    mean, steps, counts, lost = _means(chain, rate, times)
    discrete, most = chain["counts"][DISCRETE] != 0, _most(chain)
    largest = lax.stop_gradient(jnp.abs(seen).max(axis=0))

    def step(state: Any) -> Any:
        k, here, found, going = state
        weight = _weight(chain, k, mean, going)
        found = found + weight * (here * seen).sum(axis=0)[:, None]
        rest = lax.stop_gradient(weight * (here.sum(axis=0) * largest)[:, None])
        more = rest > LAST * lax.stop_gradient(jnp.abs(found)) * (1 - mean / (k + 1))
        going &= (k + 1 < steps) | (more & ~discrete & (k + 1 < most))
        return k + 1, _step(chain, probabilities, stays, here), found, going

    state = (0, begin, jnp.zeros_like(mean), counts & (steps > 0))
    found = lax.while_loop(lambda state: state[3].any(), step, state)[2]
    return jnp.where(lost, jnp.nan, found) + mark[:, None]


def observe_reverse(chain: Any, weights: Any, times: Any, found: Any, sought: Any) -> Any:
    """The gradient of the observations' sum, with the weights `sought`, by all weights.

    What was found says how many Poisson weights count.
    """
    probabilities, stays, begin, seen, rate, mark = _set_up(chain, weights)
    mean, steps, counts, lost = _means(chain, rate, times)
    counts &= sought != 0
    share = found / jnp.abs(seen).max(axis=0)[:, None]
    small = jnp.log(jnp.where((share > 0) & (share < 1), share, 1.0))
    tail = jnp.where(share > 0, jnp.minimum(TAIL - small, FAINTEST), FAINTEST)
    further = jnp.minimum(jnp.maximum(steps, _enough(mean, tail)), _most(chain))
    steps = jnp.where(chain["counts"][DISCRETE] != 0, steps, further)
    steps = jnp.where(counts, steps, 0)
    # Weights of logarithms are as large as what is observed is small.
    scale = jnp.abs(sought).max(axis=1, initial=0.0)
    scale = jnp.where((scale > 0) & jnp.isfinite(scale), scale, 1.0)
    sought = sought / scale[:, None]
    mark = mark + jnp.where((lost & (sought != 0)).any(axis=1), jnp.nan, 0.0)
    depth = depth_for(len(chain["ends"]))
    last = jnp.max(steps, initial=0).astype(jnp.int32)

    def walk(here: Any, _: Any) -> Any:
        return _step(chain, probabilities, stays, here), here

    def noted(here: Any, many: Any, apart: int) -> Any:
        """Where chains are after every so many steps, beginning with `here`."""

        def further(block: Any, state: Any) -> Any:
            here, notes = state
            here = lax.fori_loop(0, apart, lambda _, v: walk(v, None)[0], here)
            return here, notes.at[block].set(here)

        notes = jnp.zeros((depth, *here.shape), here.dtype).at[0].set(here)
        return lax.fori_loop(1, many, further, (here, notes))[1]

    def back(first: Any, here: Any, state: Any) -> Any:
        """Through `depth` steps, of which the first is `first`."""
        _, every = lax.scan(walk, here, None, length=depth)

        def one(state: Any, known: Any) -> Any:
            u, by_edge, by_staying, by_seen = state
            here, k = known
            weight = _weight(chain, k, mean, counts & (k < steps))
            counted = (weight * sought).sum(axis=1)
            by_edge = by_edge + here[chain["sources"]] * u[chain["targets"]]
            by_staying, by_seen = by_staying + here * u, by_seen + here * counted
            gathered = u[chain["targets"]] * probabilities
            u = (u * stays + counted * seen).at[chain["sources"]].add(gathered)
            return (u, by_edge, by_staying, by_seen), None

        known = (every, first + jnp.arange(depth))
        return lax.scan(one, state, known, reverse=True)[0]

    def far_back(number: Any, state: Any) -> Any:
        """Through `depth` times as many."""
        first = (far - 1 - number) * depth**2
        many = jnp.clip((last - first + depth - 1) // depth, 1, depth)
        near = noted(distant[far - 1 - number], many, depth)

        def one(number: Any, state: Any) -> Any:
            block = many - 1 - number
            return back(first + block * depth, near[block], state)

        return lax.fori_loop(0, many, one, state)

    far = (last + depth**2 - 1) // depth**2
    distant = noted(begin, far, depth**2)
    nothing = (jnp.zeros_like(begin), jnp.zeros_like(probabilities))
    u, by_edge, by_staying, by_seen = lax.fori_loop(
        0, far, far_back, (*nothing, jnp.zeros_like(begin), jnp.zeros_like(begin))
    )
    edges = (by_edge - by_staying[chain["sources"]]) / rate * scale + mark
    rows = (-by_staying[:-1] / rate * scale, u[:-1] * scale, by_seen[:-1] * scale)
    rows = tuple(part + mark for part in rows)
    return (edges.T, *(part.T for part in rows))
