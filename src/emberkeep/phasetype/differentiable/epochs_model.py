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

from emberkeep.phasetype.differentiable import epoch_quantities
from emberkeep.phasetype.differentiable.chain_tape import (
    padded,
    record_chain,
    record_rests,
    rounded,
)
from emberkeep.phasetype.differentiable.copies import Copies, factorials, make_copies
from emberkeep.phasetype.differentiable.epoch_quantities import Shape
from emberkeep.phasetype.differentiable.model import (
    as_precise,
    chain_arrays,
    on_device,
    tape_arrays,
)
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.history import rewards_by_epoch
from emberkeep.startup_records import final
from emberkeep.xla.precision import in_double, rounding

MOST_ORDER = 8  # of moments: more copies would hold too little


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
        return self._of_time(epoch_quantities.density, theta, times)

    @rounding
    def log_density(self, theta: Any, times: Any) -> Any:
        """The logarithm of the density; where that is zero, minus infinity, with no gradient."""
        return epoch_quantities.logarithm(self._of_time(epoch_quantities.density, theta, times))

    @rounding
    def likelihood(self, theta: Any, times: Any) -> Any:
        """How likely what was observed is: the density, and the probability of what has one.

        That is time 0, where a chain may have ended before it begins, and the times of pulses that
        end chains.
        """
        return self._of_time(epoch_quantities.likelihood, theta, times)

    @rounding
    def survival(self, theta: Any, times: Any) -> Any:
        """The probability that it takes longer; for what was seen not to have ended yet."""
        return self._of_time(epoch_quantities.survival, theta, times)

    @rounding
    def moments(self, theta: Any) -> Any:
        """Raw moments of orders 1 to `order`; by kind of reward where there are several.

        Raises:
            InvalidGraph: the model was made without any.
        """
        self._require_order()
        vector = self._vector(theta)
        arrays = self._places | self._powers
        found = _evaluated(
            epoch_quantities.moments, self._shape, arrays, vector, jnp.zeros(0, vector.dtype)
        )
        return found if self.kinds is not None else found[0]

    @rounding
    def accumulated_rewards(self, theta: Any, times: Any) -> Any:
        """What was earned up to times, on average; by kind of reward where there are several.

        Where a time is infinite this is no number: see `moments`.

        Raises:
            InvalidGraph: the model was made without moments.
        """
        self._require_order()
        at = as_precise(times)
        arrays = self._places | self._powers
        vector = self._vector(theta)
        found = _evaluated(
            epoch_quantities.accumulated, self._shape, arrays, vector, at.reshape(-1)
        )
        return found.reshape(*at.shape, *(() if self.kinds is None else (self.kinds,)))

    def _require_order(self) -> None:
        if not self.order:
            raise InvalidGraph(
                "The model was made without moments: make it by epochs.model(moments=2)"
            )

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


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _differentiable(ask: Any, shape: Shape, arrays: Any, vector: Any, times: Any) -> Any:
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


_differentiable.defvjp(_evaluated_forward, _evaluated_backward)
_evaluated = jax.jit(_differentiable, static_argnums=(0, 1))


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
