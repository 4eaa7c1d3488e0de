# pyright: basic
"""The two calculations that everything is made of, as JAX sees them.

`values`: what a tape gives. `observations`: what is observed of a chain. Both are for many at once,
in rows; `vmap` adds rows, and never calls twice. On a CPU they are kernels that XLA calls,
elsewhere programs of XLA's own. The arrays that say what is computed are arguments like any other.

JAX has no types to speak of.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from emberkeep.elimination.kernels.lanes import LANES
from emberkeep.elimination.kernels.replaying import replay, replay_reverse
from emberkeep.phasetype.differentiable import arrays
from emberkeep.phasetype.differentiable.recording import depth_for
from emberkeep.phasetype.kernels.observing import (
    FOUR,
    PARTS,
    TIMES,
    observe,
    observe_reverse,
    room_for,
    room_for_reverse,
)
from emberkeep.targets.cpu.threads import default_threads
from emberkeep.xla.handlers import Handler, is_supported

HANDLERS = tuple(map(Handler, (replay, replay_reverse, observe, observe_reverse)))
_REPLAY, _REPLAY_REVERSE, _OBSERVE, _OBSERVE_REVERSE = HANDLERS
MOST_ROOM = 1 << 25  # numbers that those who work at the same time have to work in, together


def register() -> tuple[str, ...]:
    """Make the kernels known to XLA; what programs call them."""
    return tuple(handler.target for handler in HANDLERS) if is_supported() else ()


def _is_native(precise: Any) -> bool:
    return precise.dtype == jnp.float64 and is_supported()


def _choose(native: Any, other: Any, *arguments: Any) -> Any:
    """Run kernels where the program is for a CPU."""
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
    if not _is_native(theta):
        return arrays.replay(tape, theta)

    def native(tape: Any, theta: Any) -> Any:
        found = jax.ShapeDtypeStruct((len(theta), len(tape["outputs"])), jnp.float64)
        room = _room(len(theta), LANES * len(tape["room"]) + LANES)
        return _REPLAY((found, room), *(tape[name] for name in _TAPE), theta)[0]

    return _choose(native, arrays.replay, tape, theta)


@_values.def_vmap
def _values_mapped(size: int, mapped: Any, tape: Any, theta: Any) -> Any:
    _refuse(mapped[0])
    rows = theta.shape[1]
    found = _values(tape, theta.reshape(size * rows, theta.shape[-1]))
    return found.reshape(size, rows, found.shape[-1]), True


@custom_vmap
def _values_reverse(tape: Any, theta: Any, sought: Any) -> Any:
    if not _is_native(theta):
        return arrays.replay_reverse(tape, theta, sought)

    def native(tape: Any, theta: Any, sought: Any) -> Any:
        found = jax.ShapeDtypeStruct(theta.shape, jnp.float64)
        room = _room(len(theta), 2 * (LANES * len(tape["room"]) + LANES))
        return _REPLAY_REVERSE((found, room), *(tape[name] for name in _TAPE), theta, sought)[0]

    return _choose(native, arrays.replay_reverse, tape, theta, sought)


@_values_reverse.def_vmap
def _values_reverse_mapped(size: int, mapped: Any, tape: Any, theta: Any, sought: Any) -> Any:
    _refuse(mapped[0])
    found = _values_reverse(tape, _rows(theta, mapped[1], size), _rows(sought, mapped[2], size))
    return _apart(found, size, theta.shape[-2]), True


@jax.custom_vjp
def values(tape: Any, theta: Any) -> Any:
    """What a tape gives, by row of theta and output."""
    return _values(tape, theta)


def _values_forward(tape: Any, theta: Any) -> Any:
    return _values(tape, theta), (tape, theta)


def _values_backward(known: Any, sought: Any) -> Any:
    tape, theta = known
    return _nothing(tape), _values_reverse(tape, theta, sought)


values.defvjp(_values_forward, _values_backward)


def _nothing(data: Any) -> Any:
    """The gradient by what is no number to differentiate by."""
    return jax.tree.map(lambda _: None, data)


# What is observed of a chain --------------------------------------------------------------------


def _with_sizes(chain: Any, times: Any, parts: int) -> Any:
    counts = chain["counts"]
    return counts.at[TIMES].set(times.shape[-1]).at[PARTS].set(parts)


def _parts(chains: int, times: Any, size: int) -> int:
    """How many times 8 chains have one rate: four, where there are so many, and there is room."""
    return FOUR if chains > LANES and len(times) == 1 and FOUR * size <= MOST_ROOM // 4 else 1


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
    if not _is_native(times):
        return arrays.observe(chain, weights, times)

    def native(chain: Any, weights: Any, times: Any) -> Any:
        edges, rows, many = _sizes(chain, times)
        chains = len(weights[0])
        parts = _parts(chains, times, room_for(rows, edges, many, 1))
        found = jax.ShapeDtypeStruct((chains, many), jnp.float64)
        at_once = 1 if len(times) > 1 else parts * LANES
        room = _room(chains, room_for(rows, edges, many, parts), at_once)
        counts = _with_sizes(chain, times, parts)
        places = (chain["starts"], chain["sources"], chain["ends"])
        return _OBSERVE((found, room), counts, *places, *weights, times)[0]

    return _choose(native, arrays.observe, chain, weights, times)


@_observations.def_vmap
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
def _observations_reverse(chain: Any, weights: Any, times: Any, sought: Any) -> Any:
    if not _is_native(times):
        return arrays.observe_reverse(chain, weights, times, sought)

    def native(chain: Any, weights: Any, times: Any, sought: Any) -> Any:
        edges, rows, many = _sizes(chain, times)
        chains, depth = len(weights[0]), depth_for(rows)
        parts = _parts(chains, times, room_for_reverse(rows, edges, many, 1, depth))
        at_once = 1 if len(times) > 1 else parts * LANES
        room = _room(chains, room_for_reverse(rows, edges, many, parts, depth), at_once)
        shapes = ((chains, edges), *[(chains, rows)] * 3)
        found = [jax.ShapeDtypeStruct(shape, jnp.float64) for shape in shapes]
        counts = _with_sizes(chain, times, parts)
        places = (chain["starts"], chain["sources"], chain["ends"])
        call = _OBSERVE_REVERSE((*found, room), counts, *places, *weights, times, sought)
        return tuple(call[:4])

    return _choose(native, arrays.observe_reverse, chain, weights, times, sought)


@_observations_reverse.def_vmap
def _observations_reverse_mapped(
    size: int, mapped: Any, chain: Any, weights: Any, times: Any, sought: Any
) -> Any:
    _refuse(mapped[0])
    together = tuple(_rows(part, axis, size) for part, axis in zip(weights, mapped[1], strict=True))
    rows = weights[0].shape[-2]
    if mapped[2] or len(times) > 1:
        times = _times_by_row(times, mapped[2], size, rows)
    found = _observations_reverse(chain, together, times, _rows(sought, mapped[3], size))
    shaped = tuple(_apart(part, size, rows) for part in found)
    return shaped, (True,) * len(shaped)


@jax.custom_vjp
def observations(chain: Any, weights: Any, times: Any) -> Any:
    """What is observed, by row of weights and time; see `_observations`."""
    return _observations(chain, weights, times)


def _observations_forward(chain: Any, weights: Any, times: Any) -> Any:
    return _observations(chain, weights, times), (chain, weights, times)


def _observations_backward(known: Any, sought: Any) -> Any:
    chain, weights, times = known
    found = _observations_reverse(chain, weights, times, sought)
    # An observation changes with time as fast as what one step of the chain changes of it. XLA
    # leaves this out where nobody asks for it.
    slopes = _observations(chain, (*weights[:3], _change(chain, *weights)), times)
    by_time = jnp.where(chain["counts"][3] != 0, 0.0, slopes * sought)
    if len(times) != len(sought):
        by_time = by_time.sum(axis=0, keepdims=True)
    return _nothing(chain), tuple(found), by_time


observations.defvjp(_observations_forward, _observations_backward)


def _change(chain: Any, edges: Any, leaving: Any, initial: Any, watched: Any) -> Any:
    """By row, how fast what is watched changes from there on."""
    ended = jnp.concatenate([watched, jnp.zeros_like(watched[:, :1])], axis=1)
    sources = chain["sources"]
    gain = edges * (ended[:, chain["targets"]] - ended[:, sources])
    found = jnp.zeros_like(ended).at[:, sources].add(gain)
    return found[:, : initial.shape[1]] - leaving * watched
