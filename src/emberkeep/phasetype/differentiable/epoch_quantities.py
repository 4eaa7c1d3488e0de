# pyright: basic
"""What can be asked of a model of time that changes, as functions of its vector and of times.

JAX has no types to speak of.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from emberkeep.phasetype.differentiable.model import LEAST_ATOM
from emberkeep.phasetype.differentiable.primitives import values, weights_of
from emberkeep.phasetype.differentiable.segments import carried, seen
from emberkeep.startup_records import final, frozen

SMALL = 2.0**-64  # what has been earned, so scaled that it changes no digit of a probability


@final
@frozen
class Shape:
    """What a program depends on.

    Attributes:
        epochs: how many there are.
        parameters: how many the graph has.
        order: how many moments there are.
        kinds: how many kinds of rewards those are of.
        is_discrete: whether time goes in steps.
    """

    epochs: int
    parameters: int
    order: int
    kinds: int
    is_discrete: bool


def _read(shape: Shape, vector: Any) -> tuple[Any, Any]:
    """Parameters by epoch, and when epochs begin."""
    many = shape.epochs * shape.parameters
    theta = vector[:many].reshape(shape.epochs, shape.parameters)
    if not shape.parameters:  # one that nothing depends on: there is something to look up
        theta = jnp.zeros((shape.epochs, 1))
    return theta, jnp.concatenate([jnp.zeros(1), vector[many:]])


def _pulsed(pulse: Any, here: Any) -> tuple[Any, Any]:
    """What is by row, in the last axis, after a pulse; and what has ended by it."""
    if pulse is None:
        return here, jnp.zeros(here.shape[:-1])
    size = here.shape[-1]
    moved = here[..., pulse["sources"]] * pulse["values"]
    after = jnp.zeros((*here.shape[:-1], size + 1)).at[..., pulse["targets"]].add(moved)
    return after[..., :size], after[..., size]


def _first_and_later(pulses: Any) -> tuple[Any, Any]:
    first = jax.tree.map(lambda part: part[0], pulses)
    return first, jax.tree.map(lambda part: part[1:], pulses)


def _in_order(found: Any, starts: Any) -> Any:
    """No number where an epoch begins before the one before it."""
    return jnp.where((jnp.diff(starts) >= 0).all(), found, jnp.nan)


def _begun(arrays: Any, weights: Any, lengths: Any) -> tuple[Any, Any]:
    """By epoch: probabilities by row when it begins; what has ended by its pulse."""
    edges, leaving, initial = weights
    chain = arrays["places"]
    pulse, later = _first_and_later(arrays["pulses"])
    first, atom = _pulsed(pulse, initial[0])

    def step(here: Any, epoch: Any) -> Any:
        *held, length, pulse = epoch
        moves = tuple(part[None] for part in (*held, here))
        after, ended = _pulsed(pulse, carried(chain, moves, length[None])[0])
        return after, (after, ended)

    through = (edges[:-1], leaving[:-1], lengths, later)
    _, (begins, atoms) = jax.lax.scan(step, first, through)
    return jnp.concatenate([first[None], begins]), jnp.concatenate([atom[None], atoms])


def _observed(shape: Shape, arrays: Any, vector: Any, times: Any, *, lasting: bool) -> Any:
    """What is observed at times, weights by epoch, when epochs begin, and what their pulses end."""
    theta, starts = _read(shape, vector)
    weights = weights_of(arrays["chain"], theta)
    # What begins when all is over is not asked for, and may be far away.
    last = jnp.where(jnp.isnan(times), 0.0, times).max(initial=0.0)
    lengths = jnp.where(starts[1:] <= last, jnp.diff(starts), 0.0)
    begins, atoms = _begun(arrays, weights, lengths)
    # In discrete time a step is made with what held before it.
    held = times - 1 if shape.is_discrete else times
    number = jnp.maximum((starts[:, None] <= held).sum(axis=0) - 1, 0)
    inside = number == jnp.arange(shape.epochs)[:, None]
    since = jnp.where(inside, times - starts[:, None], -1.0)
    watched = jnp.ones_like(weights[1]) if lasting else weights[1]
    found = seen(arrays["places"], (*weights[:2], begins, watched), since)
    found = _in_order(jnp.where(inside, found, 0.0).sum(axis=0), starts)
    return found, weights, starts, atoms


def density(shape: Shape, arrays: Any, vector: Any, times: Any) -> Any:
    """See `EpochsModel.density`."""
    found, weights, starts, atoms = _observed(shape, arrays, vector, times, lasting=False)
    if not shape.is_discrete:
        return found
    found = jnp.where(times == 0, 1 - weights[2][0].sum(), found)  # it has ended before it begins
    return found + jnp.where(times == starts[:, None], atoms[:, None], 0.0).sum(axis=0)


def likelihood(shape: Shape, arrays: Any, vector: Any, times: Any) -> Any:
    """See `EpochsModel.likelihood`."""
    if shape.is_discrete:
        return density(shape, arrays, vector, times)
    found, weights, starts, atoms = _observed(shape, arrays, vector, times, lasting=False)
    before = jnp.where(times == 0, 1 - weights[2][0].sum(), 0.0)
    ended = before + jnp.where(times == starts[:, None], atoms[:, None], 0.0).sum(axis=0)
    return jnp.where(ended > LEAST_ATOM, ended, found)


def survival(shape: Shape, arrays: Any, vector: Any, times: Any) -> Any:
    """See `EpochsModel.survival`."""
    # In discrete time what is seen at a step is what is left before the next one.
    later = jnp.floor(times) + 1 if shape.is_discrete else times
    at = jnp.where(times < 0, 1.0, later)
    found = _observed(shape, arrays, vector, at, lasting=True)[0]
    return jnp.where(times < 0, 1.0, found)


def logarithm(found: Any) -> Any:
    """Of densities; see `EpochsModel.log_density`."""
    is_zero = found == 0
    # The inner choice keeps an infinite slope out of the gradient, where it would be NaN.
    return jnp.where(is_zero, -jnp.inf, jnp.log(jnp.where(is_zero, 1.0, found)))


def moments(shape: Shape, arrays: Any, vector: Any, _: Any) -> Any:
    """By kind and order."""
    theta, starts = _read(shape, vector)
    copies, factorials_ = arrays["copies"], arrays["factorials"]
    moving, units = _copied(shape, arrays, theta, starts[-1])
    here = _copies_begun(shape, arrays, moving, jnp.diff(starts))[-1]
    held = jnp.concatenate([here, jnp.zeros((shape.kinds, 1))], axis=1)
    masses = held[:, copies["where"]] / units[:, :, None]
    ended = here[:, copies["ended"]] / units[:, 1:]
    rests = values(arrays["rests"], theta[-1:])[0].reshape(shape.kinds, shape.order, -1)
    rests = rests / factorials_[1:, None]
    rests = jnp.concatenate([jnp.ones_like(rests[:, :1]), rests], axis=1)
    found = [
        ended[:, k - 1]
        + sum((masses[:, low] * rests[:, k - low]).sum(axis=1) for low in range(k + 1))
        for k in range(1, shape.order + 1)
    ]
    return _in_order(jnp.stack(found, axis=1) * factorials_[1:], starts)


def accumulated(shape: Shape, arrays: Any, vector: Any, times: Any) -> Any:
    """By time and kind: the mean of what is earned until then."""
    theta, starts = _read(shape, vector)
    copies = arrays["copies"]
    good = jnp.isfinite(times) & (times >= 0)
    times = jnp.where(good, times, 0.0)
    last = times.max(initial=0.0)
    lengths = jnp.where(starts[1:] <= last, jnp.diff(starts), 0.0)
    (edges, leaving, initial), units = _copied(shape, arrays, theta, last)
    begins = _copies_begun(shape, arrays, (edges, leaving, initial), lengths)
    number = jnp.maximum((starts[:, None] <= times).sum(axis=0) - 1, 0)
    inside = number == jnp.arange(shape.epochs)[:, None]
    since = jnp.where(inside, times - starts[:, None] + shape.is_discrete, -1.0)
    counted = jnp.zeros(begins.shape[-1] + 1).at[copies["where"][1]].set(1.0)[:-1]
    counted = counted.at[copies["ended"][0]].set(1.0)
    rows = (edges, leaving, begins, jnp.broadcast_to(counted, begins.shape))
    flat = tuple(part.reshape(-1, part.shape[-1]) for part in rows)
    found = seen(_chain_of(copies), flat, jnp.repeat(since, shape.kinds, axis=0))
    found = found.reshape(shape.epochs, shape.kinds, -1)
    found = jnp.where(inside[:, None], found, 0.0).sum(axis=0) / units[:, 1:2]
    return _in_order(jnp.where(good, found, jnp.nan).T, starts)


def _chain_of(copies: Any) -> Any:
    return {name: copies[name] for name in ("counts", "starts", "sources", "targets", "ends")}


def _copied(shape: Shape, arrays: Any, theta: Any, until: Any) -> tuple[Any, Any]:
    """Weights of all copies by epoch, kind, and edge or row; and by kind and copy, ε to its power.

    Args:
        shape: of the model.
        arrays: of the model.
        theta: by epoch.
        until: until when they are carried: what can be earned by then says what ε is.
    """
    copies, rewards = arrays["copies"], arrays["rewards"]
    edges, leaving, initial = weights_of(arrays["chain"], theta)
    most = rewards.max(axis=(0, 2)) * jax.lax.stop_gradient(until)
    scale = jnp.where(most > 0, SMALL / jnp.where(most > 0, most, 1.0), 1.0)
    powers = jnp.arange(shape.order + 1)
    gains = (scale[:, None] * rewards)[:, :, None, :] ** powers[:, None]
    gains = (gains / arrays["factorials"][:, None]).reshape(shape.epochs, shape.kinds, -1)
    out = jnp.zeros((shape.epochs, leaving.shape[1] + 1))
    out = out.at[:, arrays["places"]["sources"]].add(edges)[:, :-1] + leaving
    one = jnp.ones((shape.epochs, 1))
    moves = jnp.concatenate([edges, leaving, jnp.maximum(1 - out, 0.0), one, 0 * one], axis=1)
    by_edge = moves[:, None, copies["moves"]] * gains[:, :, copies["gains"]]
    leaves = jnp.concatenate([leaving, 0 * one], axis=1)[:, None, copies["leaving"]]
    whole = len(copies["leaving"])
    leaves = jnp.broadcast_to(leaves, (shape.epochs, shape.kinds, whole))
    begin = jnp.zeros((shape.kinds, whole + 1)).at[:, copies["where"][0]].set(initial[0])
    return (by_edge, leaves, begin[:, :whole]), scale[:, None] ** powers


def _copies_begun(shape: Shape, arrays: Any, moving: Any, lengths: Any) -> Any:
    """By epoch, kind and row of all copies, when it begins, after its pulse."""
    copies, (edges, leaving, initial) = arrays["copies"], moving
    whole, where = len(copies["leaving"]), copies["where"]
    pulse, later = _first_and_later(arrays["pulses"])

    def pulsed(pulse: Any, here: Any) -> Any:
        if pulse is None:
            return here
        held = jnp.concatenate([here, jnp.zeros((shape.kinds, 1))], axis=1)
        after, ended = _pulsed(pulse, held[:, where])
        held = held.at[:, where].set(after)[:, :whole]
        return held.at[:, copies["ended"]].add(ended[:, 1:])

    def step(here: Any, epoch: Any) -> Any:
        *held, length, pulse = epoch
        lengths = jnp.broadcast_to(length, (shape.kinds,))
        after = pulsed(pulse, carried(_chain_of(copies), (*held, here), lengths))
        return after, after

    first = pulsed(pulse, initial)
    begins = jax.lax.scan(step, first, (edges[:-1], leaving[:-1], lengths, later))[1]
    return jnp.concatenate([first[None], begins])
