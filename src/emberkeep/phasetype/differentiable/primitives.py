# pyright: basic
"""The two calculations that everything is made of, as JAX sees them.

`values`: what a tape gives. `observations`: what is observed of a chain. Both are for many at once,
in rows; `vmap` adds rows, and never calls twice. On a CPU they are kernels that XLA calls,
elsewhere programs of XLA's own. The arrays that say what is computed are arguments like any other.
All is computed in double precision: what JAX calls later, when it differentiates or adds rows, says
so itself. What is differentiated takes parameters and times of either precision, as JAX, outside,
adds up their gradients.

JAX has no types to speak of.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jax.extend import backend

from emberkeep.elimination.kernels.lanes import LANES
from emberkeep.elimination.kernels.tape_interpreter import replay, replay_along, replay_reverse
from emberkeep.phasetype.differentiable import arrays
from emberkeep.phasetype.differentiable.chain_tape import depth_for
from emberkeep.phasetype.kernels.layout import DISCRETE, FOUR, PARTS, TIMES
from emberkeep.phasetype.kernels.observation import observe, room_for
from emberkeep.phasetype.kernels.observation_along import observe_along, room_for_along
from emberkeep.phasetype.kernels.observation_reverse import observe_reverse, room_for_reverse
from emberkeep.targets.cpu.threads import default_threads
from emberkeep.xla.handlers import Handler, is_supported
from emberkeep.xla.precision import in_double

_REPLAY, _REPLAY_ALONG, _REPLAY_REVERSE = map(Handler, (replay, replay_along, replay_reverse))
_OBSERVE, _OBSERVE_ALONG, _OBSERVE_REVERSE = map(Handler, (observe, observe_along, observe_reverse))
HANDLERS = (
    *(_REPLAY, _REPLAY_ALONG, _REPLAY_REVERSE),
    *(_OBSERVE, _OBSERVE_ALONG, _OBSERVE_REVERSE),
)
MOST_ROOM = 1 << 25  # numbers that those who work at the same time have to work in, together


def register() -> tuple[str, ...]:
    """Make the kernels known to XLA; what programs call them."""
    return tuple(handler.target for handler in HANDLERS) if is_supported() else ()


def _choose(native: Any, other: Any, *arguments: Any) -> Any:
    """Run kernels where the program is for a CPU.

    Where there is nothing else, the other way is not even traced, which takes as long as the rest.
    """
    if set(backend.backends()) <= {"cpu", "interpreter"}:
        return native(*arguments)
    return jax.lax.platform_dependent(*arguments, cpu=native, default=other)


def _workers(rows: int, lanes: int, room: int) -> int:
    blocks = -(-rows // lanes)
    return max(1, min(default_threads(), blocks, MOST_ROOM // max(room, 1)))


def _room(rows: int, size: int, lanes: int = LANES) -> Any:
    return jax.ShapeDtypeStruct((_workers(rows, lanes, size), size), jnp.float64)


def _rows(array: Any, mapped: Any, size: int) -> Any:
    """With the rows of a mapped axis among its own; what is not mapped is repeated."""
    if not mapped:
        array = jnp.broadcast_to(array[None], (size, *array.shape))
    return array.reshape(size * array.shape[1], *array.shape[2:])


def _refuse(mapped: Any) -> None:
    if any(jax.tree.leaves(mapped)):
        raise TypeError(
            "vmap over models themselves is not possible: their arrays differ in meaning, not only "
            "in numbers. Call them one by one; a program is compiled once for all of about one size"
        )


# What a tape gives ------------------------------------------------------------------------------

_TAPE = ("counts", "segments", "operations", "leaves", "linear", "coefficients", "outputs")


@custom_vmap
def _values(tape: Any, theta: Any) -> Any:
    """By row of theta and output."""
    if not is_supported():
        return arrays.replay(tape, theta)

    def native(tape: Any, theta: Any) -> Any:
        found = jax.ShapeDtypeStruct((len(theta), len(tape["outputs"])), jnp.float64)
        room = _room(len(theta), LANES * len(tape["room"]) + LANES)
        return _REPLAY((found, room), *(tape[name] for name in _TAPE), theta)[0]

    return _choose(native, arrays.replay, tape, theta)


@_values.def_vmap
@in_double
def _values_mapped(size: int, mapped: Any, tape: Any, theta: Any) -> Any:
    _refuse(mapped[0])
    rows = theta.shape[1]
    found = _values(tape, theta.reshape(size * rows, theta.shape[-1]))
    return found.reshape(size, rows, found.shape[-1]), True


@custom_vmap
def _values_reverse(tape: Any, theta: Any, sought: Any) -> Any:
    if not is_supported():
        return arrays.replay_reverse(tape, theta, sought)

    def native(tape: Any, theta: Any, sought: Any) -> Any:
        found = jax.ShapeDtypeStruct(theta.shape, jnp.float64)
        room = _room(len(theta), 2 * (LANES * len(tape["room"]) + LANES))
        return _REPLAY_REVERSE((found, room), *(tape[name] for name in _TAPE), theta, sought)[0]

    return _choose(native, arrays.replay_reverse, tape, theta, sought)


@_values_reverse.def_vmap
@in_double
def _values_reverse_mapped(size: int, mapped: Any, tape: Any, theta: Any, sought: Any) -> Any:
    _refuse(mapped[0])
    found = _values_reverse(tape, _rows(theta, mapped[1], size), _rows(sought, mapped[2], size))
    return _apart(found, size, theta.shape[-2]), True


def _along(function: Any, given: Any, changes: Any) -> Any:
    """What a function of arrays gives, and how fast it changes; what is no number has no slope."""
    found, slope = jax.jvp(function, (given,), (changes,))
    return found, jnp.where(jnp.isnan(found), jnp.nan, slope)


@custom_vmap
def _values_along(tape: Any, theta: Any, direction: Any) -> Any:
    """What a tape gives, and how fast that changes along a direction; both by row and output."""

    def other(tape: Any, theta: Any, direction: Any) -> Any:
        return _along(lambda vector: arrays.replay(tape, vector), theta, direction)

    if not is_supported():
        return other(tape, theta, direction)

    def native(tape: Any, theta: Any, direction: Any) -> Any:
        found = jax.ShapeDtypeStruct((len(theta), len(tape["outputs"])), jnp.float64)
        room = _room(len(theta), 2 * (LANES * len(tape["room"]) + LANES))
        known = [tape[name] for name in _TAPE]
        return tuple(_REPLAY_ALONG((found, found, room), *known, theta, direction)[:2])

    return _choose(native, other, tape, theta, direction)


@_values_along.def_vmap
@in_double
def _values_along_mapped(size: int, mapped: Any, tape: Any, theta: Any, direction: Any) -> Any:
    _refuse(mapped[0])
    found = _values_along(tape, _rows(theta, mapped[1], size), _rows(direction, mapped[2], size))
    return tuple(_apart(part, size, theta.shape[-2]) for part in found), (True, True)


@jax.custom_vjp
def values(tape: Any, theta: Any) -> Any:
    """What a tape gives, by row of theta and output."""
    return _values(tape, _wide(theta))


@in_double
def _values_forward(tape: Any, theta: Any) -> Any:
    return _values(tape, _wide(theta)), (tape, theta)


@in_double
def _values_backward(known: Any, sought: Any) -> Any:
    tape, theta = known
    return _nothing(tape), _values_reverse(tape, _wide(theta), sought).astype(theta.dtype)


values.defvjp(_values_forward, _values_backward)


def _wide(array: Any) -> Any:
    return array.astype(jnp.float64)


def _nothing(data: Any) -> Any:
    """The gradient by what is no number to differentiate by."""
    return jax.tree.map(lambda _: None, data)


# What is observed of a chain --------------------------------------------------------------------


def _with_sizes(chain: Any, times: Any, parts: int) -> Any:
    counts = chain["counts"]
    return counts.at[TIMES].set(times.shape[-1]).at[PARTS].set(parts)


def _parts(chains: int, size: int) -> int:
    """How many times 8 chains go side by side: four, where there are so many, and there is room."""
    return FOUR if chains > LANES and FOUR * size <= MOST_ROOM // 4 else 1


def _sizes(chain: Any, times: Any) -> tuple[int, int, int]:
    return len(chain["sources"]), len(chain["ends"]), times.shape[-1]


@custom_vmap
def _observations(chain: Any, weights: Any, times: Any) -> Any:
    """By row of weights and time.

    Args:
        chain: its arrays.
        weights: by row: of edges; of leaving; of beginning; of what is watched.
        times: one row for all, or one for each.
    """
    if not is_supported():
        return arrays.observe(chain, weights, times)

    def native(chain: Any, weights: Any, times: Any) -> Any:
        edges, rows, many = _sizes(chain, times)
        chains = len(weights[0])
        parts = _parts(chains, room_for(rows, edges, many, 1))
        found = jax.ShapeDtypeStruct((chains, many), jnp.float64)
        room = _room(chains, room_for(rows, edges, many, parts), parts * LANES)
        counts = _with_sizes(chain, times, parts)
        places = (chain["starts"], chain["sources"], chain["ends"])
        return _OBSERVE((found, room), counts, *places, *weights, times)[0]

    return _choose(native, arrays.observe, chain, weights, times)


@_observations.def_vmap
@in_double
def _observations_mapped(size: int, mapped: Any, chain: Any, weights: Any, times: Any) -> Any:
    _refuse(mapped[0])
    if any(mapped[1]):
        together = tuple(
            _rows(part, axis, size) for part, axis in zip(weights, mapped[1], strict=True)
        )
        rows = weights[0].shape[-2]
        if mapped[2] or len(times) > 1:
            times = _times_by_row(times, mapped[2], size, rows)
        return _apart(_observations(chain, together, times), size, rows), True
    # More times for the same chains.
    each = times.shape[1:]
    found = _observations(
        chain, weights, jnp.moveaxis(times, 0, 1).reshape(each[0], size * each[1])
    )
    return jnp.moveaxis(found.reshape(len(found), size, each[1]), 1, 0), True


def _times_by_row(times: Any, mapped: Any, size: int, rows: int) -> Any:
    if not mapped:
        times = jnp.broadcast_to(times[None], (size, *times.shape))
    each = jnp.broadcast_to(times, (size, rows, times.shape[-1]))
    return each.reshape(size * rows, times.shape[-1])


def _apart(found: Any, size: int, rows: int) -> Any:
    """With the mapped axis as one of its own again."""
    return found.reshape(size, rows, found.shape[-1])


@custom_vmap
def _observations_reverse(chain: Any, weights: Any, times: Any, found: Any, sought: Any) -> Any:
    """The gradient of the observations' sum, with the weights `sought`; `found` are they."""
    if not is_supported():
        return arrays.observe_reverse(chain, weights, times, found, sought)

    def native(chain: Any, weights: Any, times: Any, values: Any, sought: Any) -> Any:
        edges, rows, many = _sizes(chain, times)
        chains, depth = len(weights[0]), depth_for(rows)
        parts = _parts(chains, room_for_reverse(rows, edges, many, 1, depth))
        room = _room(chains, room_for_reverse(rows, edges, many, parts, depth), parts * LANES)
        shapes = ((chains, edges), *[(chains, rows)] * 3)
        found = [jax.ShapeDtypeStruct(shape, jnp.float64) for shape in shapes]
        counts = _with_sizes(chain, times, parts)
        places = (chain["starts"], chain["sources"], chain["ends"])
        call = _OBSERVE_REVERSE((*found, room), counts, *places, *weights, times, values, sought)
        return tuple(call[:4])

    return _choose(native, arrays.observe_reverse, chain, weights, times, found, sought)


@_observations_reverse.def_vmap
@in_double
def _observations_reverse_mapped(
    size: int, mapped: Any, chain: Any, weights: Any, times: Any, found: Any, sought: Any
) -> Any:
    _refuse(mapped[0])
    together = tuple(_rows(part, axis, size) for part, axis in zip(weights, mapped[1], strict=True))
    rows = weights[0].shape[-2]
    if mapped[2] or len(times) > 1:
        times = _times_by_row(times, mapped[2], size, rows)
    values, sought = _rows(found, mapped[3], size), _rows(sought, mapped[4], size)
    slopes = _observations_reverse(chain, together, times, values, sought)
    shaped = tuple(_apart(part, size, rows) for part in slopes)
    return shaped, (True,) * len(shaped)


@custom_vmap
def _observations_along(chain: Any, weights: Any, changes: Any, times: Any) -> Any:
    """What is observed, and how fast that changes along a direction; both by row and time.

    Args:
        chain: its arrays.
        weights: as of `_observations`.
        changes: how fast they change.
        times: as of `_observations`.
    """

    def other(chain: Any, weights: Any, changes: Any, times: Any) -> Any:
        return _along(lambda given: arrays.observe(chain, given, times), weights, changes)

    if not is_supported():
        return other(chain, weights, changes, times)

    def native(chain: Any, weights: Any, changes: Any, times: Any) -> Any:
        edges, rows, many = _sizes(chain, times)
        chains = len(weights[0])
        parts = _parts(chains, room_for_along(rows, edges, many, 1))
        found = jax.ShapeDtypeStruct((chains, many), jnp.float64)
        room = _room(chains, room_for_along(rows, edges, many, parts), parts * LANES)
        counts = _with_sizes(chain, times, parts)
        places = (chain["starts"], chain["sources"], chain["ends"])
        given = (*weights, *changes, times)
        return tuple(_OBSERVE_ALONG((found, found, room), counts, *places, *given)[:2])

    return _choose(native, other, chain, weights, changes, times)


@_observations_along.def_vmap
@in_double
def _observations_along_mapped(
    size: int, mapped: Any, chain: Any, weights: Any, changes: Any, times: Any
) -> Any:
    _refuse(mapped[0])
    rows = weights[0].shape[-2]
    given = [
        tuple(_rows(part, axis, size) for part, axis in zip(parts, axes, strict=True))
        for parts, axes in ((weights, mapped[1]), (changes, mapped[2]))
    ]
    if mapped[3] or len(times) > 1:
        times = _times_by_row(times, mapped[3], size, rows)
    found = _observations_along(chain, *given, times)
    return tuple(_apart(part, size, rows) for part in found), (True, True)


# What is observed for parameters ----------------------------------------------------------------

FEW = 2  # parameters for which their directions are walked along, in place of going back


def weights_of(chain: Any, theta: Any) -> tuple[Any, Any, Any]:
    """By row of theta: weights of edges, of leaving, of beginning."""
    return _divided(chain, values(chain["tape"], theta))


def _divided(chain: Any, found: Any) -> tuple[Any, Any, Any]:
    edges, rows = len(chain["sources"]), len(chain["ends"])
    return found[:, :edges], found[:, edges : edges + rows], found[:, edges + rows :]


def _watching(weights: Any, lasting: bool) -> Any:  # noqa: FBT001 - one of two quantities
    """Weights, and what is watched: how fast chains end, or that they have not."""
    return (*weights, jnp.ones_like(weights[1]) if lasting else weights[1])


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def observed(lasting: bool, chain: Any, theta: Any, times: Any) -> Any:  # noqa: FBT001
    """By row of theta and time: how fast chains end; or, lasting, that they have not ended.

    Args:
        lasting: which.
        chain: its arrays.
        theta: parameter vectors, in rows.
        times: one row for all, or one for each.
    """
    weights = _divided(chain, _values(chain["tape"], _wide(theta)))
    return _observations(chain, _watching(weights, lasting), _wide(times))


@in_double
def _observed_forward(lasting: bool, chain: Any, theta: Any, times: Any) -> Any:  # noqa: FBT001
    if theta.shape[1] > FEW:
        found = observed(lasting, chain, theta, times)
        return found, (chain, theta, times, found, None)
    known_by = (chain, theta, times)
    theta, times = _wide(theta), _wide(times)
    found, slopes = None, []
    for direction in jnp.eye(theta.shape[1], dtype=theta.dtype):
        ways = jnp.broadcast_to(direction, theta.shape)
        known, change = _values_along(chain["tape"], theta, ways)
        weights, changes = _divided(chain, known), _divided(chain, change)
        watched = jnp.zeros_like(changes[1]) if lasting else changes[1]
        given = (_watching(weights, lasting), (*changes, watched))
        found, slope = _observations_along(chain, *given, times)
        slopes.append(slope)
    return found, (*known_by, found, jnp.stack(slopes, axis=-1))


@in_double
def _observed_backward(lasting: bool, known: Any, sought: Any) -> Any:  # noqa: FBT001
    chain, *given, found, slopes = known
    theta, times = map(_wide, given)
    weights = _divided(chain, _values(chain["tape"], theta))
    watched = _watching(weights, lasting)
    if slopes is not None:
        asked = (sought != 0)[..., None]  # what nobody asks for may be no number
        by_theta = jnp.where(asked, slopes * sought[..., None], 0.0).sum(axis=-2)
    else:
        back = _observations_reverse(chain, watched, times, found, sought)
        edges, leaving, initial, seen = back
        leaving = leaving if lasting else leaving + seen
        joined = jnp.concatenate([edges, leaving, initial], axis=1)
        by_theta = _values_reverse(chain["tape"], theta, joined)
    # An observation changes with time as fast as what one step of the chain changes of it. XLA
    # leaves this out where nobody asks for it.
    by_step = _observations(chain, (*weights, _change(chain, *watched)), times)
    asked = (sought != 0) & (chain["counts"][DISCRETE] == 0)
    by_time = jnp.where(asked, by_step * sought, 0.0)
    if len(times) != len(sought):
        by_time = by_time.sum(axis=0, keepdims=True)
    by_theta, by_time = (
        slope.astype(values.dtype) for slope, values in zip((by_theta, by_time), given, strict=True)
    )
    return _nothing(chain), by_theta, by_time


observed.defvjp(_observed_forward, _observed_backward)


def _change(chain: Any, edges: Any, leaving: Any, initial: Any, watched: Any) -> Any:
    """By row, how fast what is watched changes from there on."""
    ended = jnp.concatenate([watched, jnp.zeros_like(watched[:, :1])], axis=1)
    sources = chain["sources"]
    gain = edges * (ended[:, chain["targets"]] - ended[:, sources])
    found = jnp.zeros_like(ended).at[:, sources].add(gain)
    return found[:, : initial.shape[1]] - leaving * watched
