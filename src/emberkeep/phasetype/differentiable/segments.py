# pyright: basic
"""What becomes of a chain in a time, and what is observed of one, as JAX sees them.

As `primitives`, for chains whose beginning depends on what is differentiated by: they begin where
an epoch before has left them. Nothing here is compiled that is not there: where a chain is after a
time is how much what is watched would count in an observation of it.

JAX has no types to speak of.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from emberkeep.phasetype.differentiable.primitives import (
    _change,
    _nothing,
    _observations,
    _observations_reverse,
)
from emberkeep.phasetype.kernels.layout import DISCRETE
from emberkeep.xla.precision import in_double

FAINT = 1e-290  # so small may what is carried on be, and count


def _times(chain: Any, lengths: Any) -> Any:
    """In discrete time, what is seen at a step is what was there before it."""
    return (lengths + (chain["counts"][DISCRETE] != 0))[:, None]


def _back(chain: Any, weights: Any, watched: Any, lengths: Any) -> Any:
    times = _times(chain, lengths)
    ones = jnp.ones_like(times)
    return _observations_reverse(chain, (*weights, watched), times, FAINT * ones, ones)


@jax.custom_vjp
def carried(chain: Any, weights: Any, lengths: Any) -> Any:
    """By chain and row, the probability of being there after a time.

    Args:
        chain: its arrays.
        weights: by chain: of edges; of leaving; of beginning.
        lengths: of time, by chain.
    """
    return _back(chain, weights, jnp.ones_like(weights[2]), lengths)[3]


@in_double
def _carried_forward(chain: Any, weights: Any, lengths: Any) -> Any:
    found = carried(chain, weights, lengths)
    return found, (chain, weights, lengths, found)


@in_double
def _carried_backward(known: Any, sought: Any) -> Any:
    chain, weights, lengths, found = known
    edges, leaving, initial = weights
    by_weights = _back(chain, weights, sought, lengths)[:3]
    slopes = (found * _change(chain, edges, leaving, initial, sought)).sum(axis=1)
    by_length = jnp.where(chain["counts"][DISCRETE] == 0, slopes, 0.0)
    return _nothing(chain), tuple(by_weights), by_length


carried.defvjp(_carried_forward, _carried_backward)


@jax.custom_vjp
def seen(chain: Any, weights: Any, times: Any) -> Any:
    """By chain and time, what is observed.

    Args:
        chain: its arrays.
        weights: by chain: of edges; of leaving; of beginning; of what is watched.
        times: by chain.
    """
    return _observations(chain, weights, times)


@in_double
def _seen_forward(chain: Any, weights: Any, times: Any) -> Any:
    found = _observations(chain, weights, times)
    return found, (chain, weights, times, found)


@in_double
def _seen_backward(known: Any, sought: Any) -> Any:
    chain, weights, times, found = known
    by_weights = _observations_reverse(chain, weights, times, found, sought)
    by_step = _observations(chain, (*weights[:3], _change(chain, *weights)), times)
    asked = (sought != 0) & (chain["counts"][DISCRETE] == 0)
    return _nothing(chain), tuple(by_weights), jnp.where(asked, by_step * sought, 0.0)


seen.defvjp(_seen_forward, _seen_backward)
