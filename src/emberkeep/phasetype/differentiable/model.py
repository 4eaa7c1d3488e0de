# pyright: basic
"""`Model`: a graph's density and moments as functions that JAX knows how to differentiate.

JAX has no types to speak of.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from emberkeep.elimination.tape import CHUNK, Tape
from emberkeep.phasetype.differentiable import primitives
from emberkeep.phasetype.differentiable.chain_tape import (
    Chain,
    kinds_of,
    padded,
    record_chain,
    record_moments,
    rounded,
)
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.startup_records import final
from emberkeep.xla.precision import in_double, rounding

LEAST_ATOM = 1e-12  # a probability of nothing at all that is no rounding of none


@final
@jax.tree_util.register_pytree_node_class
class Model:
    """Densities, survival and moments of a graph, as functions of its parameters.

    It is called with a parameter vector and times; it works under `jit`, `grad`, `jacrev` and
    `vmap`. Passed as an argument to a function under `jit` it is data: another graph of about the
    same size needs no new program.

    Attributes:
        theta_length: how many parameters there are.
        kinds: how many kinds of rewards; None where it is time, or one reward.
        order: how many moments a call gives besides densities; 0 for none.
        is_discrete: whether time goes in steps.
        name: the graph's.
    """

    def __init__(
        self, chains: Any, moments: Any, described: tuple[Any, ...], name: str = "model"
    ) -> None:
        self._chains, self._moments, self._described = chains, moments, described
        self.theta_length, self.kinds, self.order, self.is_discrete = described
        self.name = name

    def __repr__(self) -> str:
        kinds = "" if self.kinds is None else f", {self.kinds} kinds of rewards"
        moments = f", {self.order} moments" if self.order else ""
        time = "discrete" if self.is_discrete else "continuous"
        return f"<Model {self.name}: {time}, {self.theta_length} parameters{kinds}{moments}>"

    def tree_flatten(self) -> tuple[Any, Any]:
        """For JAX: arrays, and what a program depends on."""
        return (self._chains, self._moments), self._described

    @classmethod
    def tree_unflatten(cls, described: Any, arrays: Any) -> Model:
        """For JAX."""
        chains, moments = arrays
        return cls(chains, moments, described)

    def __call__(self, theta: Any, times: Any) -> Any:
        """Densities at times; with moments, where the model was made with some, a pair.

        Args:
            theta: a parameter vector; None where there are no parameters.
            times: of any shape; with several kinds of rewards, those are the last axis.
        """
        found = self.density(theta, times)
        return (found, self.moments(theta)) if self.order else found

    @rounding
    def density(self, theta: Any, times: Any) -> Any:
        """The density at times; in discrete time, the probability of ending with a step."""
        return _density(self, self._vector(theta), self._times(times))

    @rounding
    def log_density(self, theta: Any, times: Any) -> Any:
        """The logarithm of the density, and its gradient, where the density is 1e-300 or more.

        Where it is zero this is minus infinity, and leads nowhere: its gradient is zero.
        """
        return _log_density(self, self._vector(theta), self._times(times))

    @rounding
    def likelihood(self, theta: Any, times: Any) -> Any:
        """How likely what was observed is: the density, and the probability of what has one.

        That is nothing at all, where a chain may earn nothing, or end before it begins.
        """
        return _likelihood(self, self._vector(theta), self._times(times))

    @rounding
    def survival(self, theta: Any, times: Any) -> Any:
        """The probability that it takes longer; for what was seen not to have ended yet."""
        return _survival(self, self._vector(theta), self._times(times))

    @rounding
    def moments(self, theta: Any) -> Any:
        """Raw moments of orders 1 to `order`; by kind of reward where there are several.

        Raises:
            InvalidGraph: the model was made without any.
        """
        if not self.order:
            raise InvalidGraph(
                "The model was made without moments: make it by graph.model(moments=2)"
            )
        return _moments(self, self._vector(theta))

    def _vector(self, theta: Any) -> Any:
        vector = as_precise(() if theta is None else theta)
        if vector.ndim == 0 and self.theta_length == 1:
            vector = vector.reshape(1)
        if vector.shape != (self.theta_length,):
            raise InvalidGraph(
                f"theta has the shape {vector.shape}, and {self.name} has {self.theta_length} "
                f"parameters; expected ({self.theta_length},). For several vectors use jax.vmap"
            )
        # Where there are none, one that nothing depends on: there is something to look up.
        return vector if self.theta_length else jnp.zeros(1, vector.dtype)

    def _times(self, times: Any) -> Any:
        values = as_precise(times)
        if self.kinds is not None and values.shape[-1:] != (self.kinds,):
            raise InvalidGraph(
                f"times have the shape {values.shape}; with {self.kinds} kinds of rewards the last "
                f"axis must be {self.kinds} long"
            )
        return values


def as_precise(given: Any) -> Any:
    """As precise as they are; see `primitives`."""
    try:
        array = jnp.asarray(given)
    except TypeError as problem:
        raise InvalidGraph(f"theta and times must be numbers, not {given!r}: {problem}") from None
    return array if array.dtype == jnp.float32 else array.astype(jnp.float64)


@jax.jit
def _moments(model: Model, theta: Any) -> Any:
    found = primitives.values(model._moments, theta[None])[0]  # noqa: SLF001 - its own
    return found if model.kinds is None else found.reshape(model.kinds, model.order)


@jax.jit
def _density(model: Model, theta: Any, times: Any) -> Any:
    def one(chain: Any, at: Any) -> Any:
        flat = at.reshape(1, at.size)
        found: Any = primitives.observed(False, chain, theta[None], flat)  # noqa: FBT003
        found = found.reshape(at.shape)
        if not model.is_discrete:
            return found
        beginning = primitives.weights_of(chain, theta[None])[2].sum()
        return jnp.where(at == 0, 1 - beginning, found)  # it has ended before it begins

    return _by_kind(model, times, one)


@jax.jit
def _likelihood(model: Model, theta: Any, times: Any) -> Any:
    found = _density(model, theta, times)

    def one(chain: Any, at: Any) -> Any:
        atom = 1 - primitives.weights_of(chain, theta[None])[2].sum()
        return jnp.where((at == 0) & (atom > LEAST_ATOM), atom, jnp.nan)

    atoms = _by_kind(model, times, one)
    return jnp.where(jnp.isnan(atoms), found, atoms)


@jax.jit
def _log_density(model: Model, theta: Any, times: Any) -> Any:
    found = _density(model, theta, times)
    is_zero = found == 0
    # The inner choice keeps an infinite slope out of the gradient, where it would be NaN.
    return jnp.where(is_zero, -jnp.inf, jnp.log(jnp.where(is_zero, 1.0, found)))


@jax.jit
def _survival(model: Model, theta: Any, times: Any) -> Any:
    def one(chain: Any, at: Any) -> Any:
        # In discrete time what is seen at a step is what is left before the next one.
        later = jnp.floor(at) + 1 if model.is_discrete else at
        flat = jnp.where(at < 0, 1.0, later).reshape(1, at.size)
        found: Any = primitives.observed(True, chain, theta[None], flat)  # noqa: FBT003
        return jnp.where(at < 0, 1.0, found.reshape(at.shape))

    return _by_kind(model, times, one)


def _by_kind(model: Model, times: Any, one: Any) -> Any:
    chains = model._chains  # noqa: SLF001 - its own
    if model.kinds is None:
        return one(chains[0], times)
    return jnp.stack([one(chain, times[..., k]) for k, chain in enumerate(chains)], axis=-1)


# Making them ------------------------------------------------------------------------------------


@in_double
def make_model(graph: Any, rewards: Any, moments: int) -> Model:
    """See `Graph.model`."""
    if not isinstance(moments, (int, np.integer)) or moments < 0:
        raise InvalidGraph(
            f"moments={moments!r}: expected how many there are, a whole number that is not negative"
        )
    values, several = kinds_of(graph, rewards)
    columns = [None] if values is None else list(values.T)
    chains = tuple(chain_arrays(record_chain(graph, column)) for column in columns)
    tape = None
    if moments:
        earned = (np.diff(graph.edges.starts) > 0).astype(float)[:, None]
        tape = tape_arrays(record_moments(graph, earned if values is None else values, moments))
    kinds = len(columns) if several else None
    described = (graph.theta_length, kinds, moments, graph.is_discrete)
    return Model(chains, tape, described, graph.name)


def on_device(values: np.ndarray[Any, Any]) -> Any:
    """Data for programs."""
    return jax.device_put(values)  # jnp.asarray compiles a program for each shape


def tape_arrays(tape: Tape) -> dict[str, Any]:
    """Arrays by name, of rounded sizes; `room` has no content but its size."""
    operations = padded(tape.operations, rounded(tape.operations.shape[1] + CHUNK))
    leaves = padded(tape.leaves, rounded(len(tape.leaves)))
    chunks = tape.chunks
    terms = rounded(len(tape.coefficients))
    found = {
        "counts": tape.counts,
        "segments": padded(tape.segments, rounded(tape.segments.shape[1])),
        "chunks": padded(chunks, rounded(chunks.shape[1])),
        "operations": operations,
        "leaves": leaves,
        "linear": padded(tape.linear, terms),
        "coefficients": padded(tape.coefficients, terms),
        "outputs": tape.outputs,
        "room": np.zeros(max(rounded(tape.slots), len(leaves)), np.int8),
    }
    return {name: on_device(values) for name, values in found.items()}


def chain_arrays(chain: Chain) -> dict[str, Any]:
    """Arrays by name, and among them those of its tape."""
    found = {
        name: getattr(chain, name) for name in ("counts", "starts", "sources", "targets", "ends")
    }
    return {"tape": tape_arrays(chain.tape)} | {
        name: on_device(values) for name, values in found.items()
    }
