# pyright: basic
"""`EpochsModel`: densities and moments in time that changes, as functions that JAX differentiates.

JAX has no types to speak of.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from emberkeep.phasetype.differentiable.chain_tape import (
    padded,
    record_chain,
    record_rests,
    rounded,
)
from emberkeep.phasetype.differentiable.copies import Copies, factorials, make_copies
from emberkeep.phasetype.differentiable.model import (
    LEAST_ATOM,
    as_precise,
    chain_arrays,
    on_device,
    tape_arrays,
)
from emberkeep.phasetype.differentiable.primitives import values, weights_of
from emberkeep.phasetype.differentiable.segments import carried, seen
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.history import rewards_by_epoch
from emberkeep.startup_records import final, frozen
from emberkeep.xla.precision import in_double, rounding

MOST_ORDER = 8  # of moments: more copies would hold too little
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


@final
@jax.tree_util.register_pytree_node_class
class EpochsModel:
    """Densities, survival and moments of a graph whose weights change, by all that is said of it.

    It is called with a vector and times, and works under `jit`, `grad`, `jacrev` and `vmap`. In the
    vector are the parameters of each epoch, one epoch after the other, and then the times at which
    epochs begin, but for the first. Passed as an argument to a function under `jit` it is data.

    Attributes:
        theta_length: how many numbers there are in the vector.
        kinds: how many kinds of rewards moments are of; None where they are of time.
        order: how many moments there are; 0 for none.
        is_discrete: whether time goes in steps.
        name: the graph's.
    """

    def __init__(
        self, places: Any, powers: Any, described: tuple[Any, ...], name: str = "epochs"
    ) -> None:
        self._places, self._powers, self._described, self.name = places, powers, described, name
        *sizes, self._of_rewards, several = described  # plain values: programs are kept under them
        self._shape = shape = Shape(*sizes)
        self.theta_length = shape.epochs * (shape.parameters + 1) - 1
        self.kinds = shape.kinds if several else None
        self.order, self.is_discrete = shape.order, shape.is_discrete

    def __repr__(self) -> str:
        time = "discrete" if self.is_discrete else "continuous"
        moments = f", {self.order} moments" if self.order else ""
        return (
            f"<EpochsModel {self.name}: {time}, {self._shape.epochs} epochs, {self.theta_length} "
            f"parameters{moments}>"
        )

    def tree_flatten(self) -> tuple[Any, Any]:
        """For JAX: arrays, and what a program depends on."""
        return (self._places, self._powers), self._described

    @classmethod
    def tree_unflatten(cls, described: Any, arrays: Any) -> EpochsModel:
        """For JAX."""
        places, powers = arrays
        return cls(places, powers, described)

    def __call__(self, theta: Any, times: Any) -> Any:
        """Densities at times; with moments, where the model was made with some, a pair."""
        found = self.density(theta, times)
        return (found, self.moments(theta)) if self.order else found

    @rounding
    def density(self, theta: Any, times: Any) -> Any:
        """The density at times; in discrete time, the probability of ending with a step."""
        return self._of_time(_density, theta, times)

    @rounding
    def log_density(self, theta: Any, times: Any) -> Any:
        """The logarithm of the density; where that is zero, minus infinity, with no gradient."""
        return _logarithm(self._of_time(_density, theta, times))

    @rounding
    def likelihood(self, theta: Any, times: Any) -> Any:
        """How likely what was observed is: the density, and the probability of what has one.

        That is time 0, where a chain may have ended before it begins, and the times of pulses that
        end chains.
        """
        return self._of_time(_likelihood, theta, times)

    @rounding
    def survival(self, theta: Any, times: Any) -> Any:
        """The probability that it takes longer; for what was seen not to have ended yet."""
        return self._of_time(_survival, theta, times)

    @rounding
    def moments(self, theta: Any) -> Any:
        """Raw moments of orders 1 to `order`; by kind of reward where there are several.

        Raises:
            InvalidGraph: the model was made without any.
        """
        if not self.order:
            raise InvalidGraph(
                "The model was made without moments: make it by epochs.model(moments=2)"
            )
        vector = self._vector(theta)
        arrays = self._places | self._powers
        found = _evaluated(_moments, self._shape, arrays, vector, jnp.zeros(0, vector.dtype))
        return found if self.kinds is not None else found[0]

    def _of_time(self, ask: Any, theta: Any, times: Any) -> Any:
        if self._of_rewards:
            raise InvalidGraph(
                "The model was made with rewards: how those are distributed is not known where "
                "weights change with time. It gives their moments(theta); for densities of time "
                "make one without rewards"
            )
        at = as_precise(times)
        found = _evaluated(ask, self._shape, self._places, self._vector(theta), at.reshape(-1))
        return found.reshape(at.shape)

    def _vector(self, theta: Any) -> Any:
        vector = as_precise(() if theta is None else theta)
        if vector.ndim == 0 and self.theta_length == 1:
            vector = vector.reshape(1)
        if vector.shape != (self.theta_length,):
            raise InvalidGraph(
                f"theta has the shape {vector.shape}; expected ({self.theta_length},): "
                f"{self._shape.parameters} parameters for each of {self._shape.epochs} epochs, and "
                "the times at which all but the first begin. For several vectors use jax.vmap"
            )
        return vector


# Calls, of either precision ---------------------------------------------------------------------


@partial(jax.jit, static_argnums=(0, 1))
@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _evaluated(ask: Any, shape: Shape, arrays: Any, vector: Any, times: Any) -> Any:
    return ask(shape, arrays, vector.astype(jnp.float64), times.astype(jnp.float64))


@in_double
def _evaluated_forward(ask: Any, shape: Shape, arrays: Any, vector: Any, times: Any) -> Any:
    wide = vector.astype(jnp.float64), times.astype(jnp.float64)
    found, back = jax.vjp(lambda *given: ask(shape, arrays, *given), *wide)
    return found, (back, arrays, vector, times)


@in_double
def _evaluated_backward(ask: Any, shape: Shape, known: Any, sought: Any) -> Any:
    del ask, shape
    back, arrays, *given = known
    slopes = back(sought)
    rounded_ = [slope.astype(each.dtype) for slope, each in zip(slopes, given, strict=True)]
    return jax.tree.map(lambda _: None, arrays), *rounded_


_evaluated.__wrapped__.defvjp(_evaluated_forward, _evaluated_backward)


# What is asked ----------------------------------------------------------------------------------


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


def _density(shape: Shape, arrays: Any, vector: Any, times: Any) -> Any:
    found, weights, starts, atoms = _observed(shape, arrays, vector, times, lasting=False)
    if not shape.is_discrete:
        return found
    found = jnp.where(times == 0, 1 - weights[2][0].sum(), found)  # it has ended before it begins
    return found + jnp.where(times == starts[:, None], atoms[:, None], 0.0).sum(axis=0)


def _likelihood(shape: Shape, arrays: Any, vector: Any, times: Any) -> Any:
    if shape.is_discrete:
        return _density(shape, arrays, vector, times)
    found, weights, starts, atoms = _observed(shape, arrays, vector, times, lasting=False)
    before = jnp.where(times == 0, 1 - weights[2][0].sum(), 0.0)
    ended = before + jnp.where(times == starts[:, None], atoms[:, None], 0.0).sum(axis=0)
    return jnp.where(ended > LEAST_ATOM, ended, found)


def _survival(shape: Shape, arrays: Any, vector: Any, times: Any) -> Any:
    # In discrete time what is seen at a step is what is left before the next one.
    later = jnp.floor(times) + 1 if shape.is_discrete else times
    at = jnp.where(times < 0, 1.0, later)
    found = _observed(shape, arrays, vector, at, lasting=True)[0]
    return jnp.where(times < 0, 1.0, found)


def _logarithm(found: Any) -> Any:
    is_zero = found == 0
    # The inner choice keeps an infinite slope out of the gradient, where it would be NaN.
    return jnp.where(is_zero, -jnp.inf, jnp.log(jnp.where(is_zero, 1.0, found)))


def _moments(shape: Shape, arrays: Any, vector: Any, _: Any) -> Any:
    """By kind and order, without epsilons."""
    theta, starts = _read(shape, vector)
    weights = weights_of(arrays["chain"], theta)
    copies, rewards = arrays["copies"], arrays["rewards"]
    most = rewards.max(axis=(0, 2)) * jax.lax.stop_gradient(starts[-1])  # that can be earned before
    scale = jnp.where(most > 0, SMALL / jnp.where(most > 0, most, 1.0), 1.0)
    powers = jnp.arange(shape.order + 1)
    gains = (scale[:, None] * rewards)[:, :, None, :] ** powers[:, None]
    gains = gains / arrays["factorials"][:, None]
    here = _earned(shape, arrays, weights, starts, gains)
    held = jnp.concatenate([here, jnp.zeros((shape.kinds, 1))], axis=1)
    units = scale[:, None] ** powers
    masses = held[:, copies["where"]] / units[:, :, None]
    ended = here[:, copies["ended"]] / units[:, 1:]
    rests = values(arrays["rests"], theta[-1:])[0].reshape(shape.kinds, shape.order, -1)
    rests = rests / arrays["factorials"][1:, None]
    rests = jnp.concatenate([jnp.ones_like(rests[:, :1]), rests], axis=1)
    found = [
        ended[:, k - 1]
        + sum((masses[:, low] * rests[:, k - low]).sum(axis=1) for low in range(k + 1))
        for k in range(1, shape.order + 1)
    ]
    return _in_order(jnp.stack(found, axis=1) * arrays["factorials"][1:], starts)


def _earned(shape: Shape, arrays: Any, weights: Any, starts: Any, gains: Any) -> Any:
    """By kind and row of all copies, when the last epoch begins."""
    copies, (edges, leaving, initial) = arrays["copies"], weights
    chain = {name: copies[name] for name in ("counts", "starts", "sources", "targets", "ends")}
    out = jnp.zeros((shape.epochs, leaving.shape[1] + 1))
    out = out.at[:, arrays["places"]["sources"]].add(edges)[:, :-1] + leaving
    one = jnp.ones((shape.epochs, 1))
    moves = jnp.concatenate([edges, leaving, jnp.maximum(1 - out, 0.0), one, 0 * one], axis=1)
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
        by_step, by_gain, leaves, length, pulse = epoch
        by_edge = by_step[copies["moves"]] * by_gain.reshape(shape.kinds, -1)[:, copies["gains"]]
        leaves = jnp.append(leaves, 0.0)[copies["leaving"]]
        leaves = jnp.broadcast_to(leaves, (shape.kinds, whole))
        lengths = jnp.broadcast_to(length, (shape.kinds,))
        return pulsed(pulse, carried(chain, (by_edge, leaves, here), lengths)), None

    begin = jnp.zeros((shape.kinds, whole + 1)).at[:, where[0]].set(initial[0])[:, :whole]
    through = (moves[:-1], gains[:-1], leaving[:-1], jnp.diff(starts), later)
    return jax.lax.scan(step, pulsed(pulse, begin), through)[0]


# Making them ------------------------------------------------------------------------------------


@in_double
def make_epochs_model(epochs: Any, rewards: Any, moments: int) -> EpochsModel:
    """See `Epochs.model`."""
    if not isinstance(moments, (int, np.integer)) or not 0 <= moments <= MOST_ORDER:
        raise InvalidGraph(
            f"moments={moments!r}: expected how many there are, a whole number from 0 to "
            f"{MOST_ORDER}"
        )
    if rewards is not None and not moments:
        raise InvalidGraph(
            "With rewards, an EpochsModel gives their moments: pass moments=2, say. How they are "
            "distributed is not known where weights change with time"
        )
    graph, order = epochs.graph, int(moments)
    recorded = record_chain(graph, None)
    chain = chain_arrays(recorded)
    places = {name: part for name, part in chain.items() if name != "tape"}
    # Where it begins is what is differentiated by.
    places["counts"] = on_device(np.append(recorded.counts[:-1], 0))
    arrays = {"chain": chain, "places": places, "pulses": _pulse_arrays(epochs, recorded)}
    powers: dict[str, Any] = {}
    by_epoch, several = rewards_by_epoch(graph, rewards, len(epochs))
    if order:
        copies: Copies = make_copies(recorded, order, discrete=graph.is_discrete)
        powers["copies"] = {
            name: on_device(getattr(copies, name)) for name in Copies.__match_args__
        }
        size = len(recorded.ends)
        earned = [padded(each[recorded.vertices].T, size) for each in by_epoch]
        powers["rewards"] = on_device(np.stack(earned))
        powers["rests"] = tape_arrays(record_rests(graph, by_epoch[-1], order, recorded))
        powers["factorials"] = on_device(factorials(order))
    sizes = (len(epochs), graph.theta_length, order, by_epoch[0].shape[1], bool(graph.is_discrete))
    return EpochsModel(arrays, powers, (*sizes, rewards is not None, several), graph.name)


def _pulse_arrays(epochs: Any, chain: Any) -> Any:
    """By epoch, ways of its pulse between rows; those to the end lead past them. None for none."""
    if all(epoch.pulse is None for epoch in epochs.epochs):
        return None
    size, n = len(chain.ends), len(chain.vertices)
    row = np.full(len(epochs.graph), -1)
    row[chain.vertices] = np.arange(n)
    ways = []
    for epoch in epochs.epochs:
        if epoch.pulse is None:
            ways.append((np.arange(n), np.arange(n), np.ones(n)))
            continue
        sources, targets = row[epoch.pulse.sources], row[epoch.pulse.targets]
        there = sources >= 0
        targets = np.where(targets < 0, size, targets)
        ways.append((sources[there], targets[there], epoch.pulse.probabilities[there]))
    most = rounded(max(len(sources) for sources, _, _ in ways))
    columns = [
        np.stack([padded(part, most) for part in parts]) for parts in zip(*ways, strict=True)
    ]
    sources, targets, probabilities = columns
    return {
        "sources": on_device(sources.astype(np.int32)),
        "targets": on_device(targets.astype(np.int32)),
        "values": on_device(probabilities.astype(float)),
    }
