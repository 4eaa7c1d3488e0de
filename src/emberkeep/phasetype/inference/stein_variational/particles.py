"""Particles on their way to a posterior: a stretch of steps as one compiled program.

They move in coordinates in which the posterior is about standard normal, around its mode, so
learning rates and widths mean the same for every problem.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.inference.density import scores
from emberkeep.phasetype.inference.history import STRETCH
from emberkeep.phasetype.inference.programs import program
from emberkeep.phasetype.inference.requirements import require
from emberkeep.phasetype.inference.stein_variational.stein_kernel import direction
from emberkeep.phasetype.inference.transforms import forward
from emberkeep.startup_records import final, frozen
from emberkeep.xla.precision import in_double

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from emberkeep.phasetype.inference.density import Problem
    from emberkeep.phasetype.inference.modes import Frame

jax: Any = require("jax")
jnp: Any = require("jax.numpy")


@final
@frozen
class Design:
    """What of a run is compiled in.

    Attributes:
        optimizer: optax's; what it gives is added. None: Adam.
        batch: how many observations a step sees; None: all.
    """

    optimizer: Any
    batch: int | None

    def advance(self, *arguments: Any) -> Any:
        """A stretch of steps; see `_advance`."""
        spec = (self.optimizer, self.batch)
        # An optimizer is a pair of functions, so it is equal to itself alone.
        return program("svgd", spec, lambda: _advance(self))(*arguments)

    @property
    @in_double
    def kind(self) -> str:
        """What tells optimizers apart, as far as what they remember does."""
        if self.optimizer is None:
            return "adam"
        return str(jax.tree.structure(self.optimizer.init(np.zeros((2, 1)))))

    @in_double
    def memory(self, standard: Any) -> tuple[Any, ...]:
        """What the optimizer remembers before the first step, without its structure.

        Of the default one that is known, and optax needs not be imported where programs are kept.
        """
        if self.optimizer is None:
            return np.int32(0), np.zeros_like(standard), np.zeros_like(standard)
        return tuple(jax.tree.leaves(self.optimizer.init(standard)))

    @property
    def mover(self) -> Any:
        """The optimizer."""
        if self.optimizer is not None:
            return self.optimizer
        optax = require("optax")
        return optax.chain(optax.scale_by_adam(), optax.scale(-1.0))


def _advance(design: Design) -> Callable[..., Any]:
    """The function of a stretch of steps.

    Its state are standardised particles and the leaves of the optimizer's state. `rates` has
    STRETCH learning rates, of which `count` are used, so a shorter stretch is the same program. The
    key of a step depends on its number alone. Gives the new state and, for each step, mean and
    standard deviation of the parameters and the mean log density.
    """

    def step(problem: Problem, frame: Frame, standard: Any, key: Any) -> tuple[Any, Any]:
        rows = None
        if design.batch is not None:
            # Padding is behind the rows, so it is never drawn.
            drawn = jax.random.uniform(key, (design.batch,)) * problem.rows
            rows = jnp.minimum(drawn.astype(int), jnp.asarray(problem.rows, int) - 1)
        heights, slopes = scores(problem, frame.outside(standard), rows)
        return heights, slopes @ frame.scale

    def advance(  # noqa: PLR0913, PLR0917 - all that is data
        problem: Problem,
        frame: Frame,
        state: Any,
        rates: Any,
        squared: Any,
        begin: Any,
        count: Any,
        key: Any,
    ) -> Any:
        mover = design.mover
        shape = jax.tree.structure(jax.eval_shape(mover.init, state[0]))
        size = problem.size
        history = (jnp.zeros((STRETCH, size)), jnp.zeros((STRETCH, size)), jnp.zeros(STRETCH))

        def body(number: Any, carried: Any) -> Any:
            (standard, memory), (means, deviations, levels) = carried
            own_key = jax.random.fold_in(key, begin + number)
            heights, slopes = step(problem, frame, standard, own_key)
            uphill = direction(standard, slopes, squared)
            remembered = jax.tree.unflatten(shape, memory)
            change, remembered = mover.update(-uphill, remembered, standard)
            memory = tuple(jax.tree.leaves(remembered))
            standard = standard + rates[number] * change
            thetas = forward(problem.transforms, frame.outside(standard).T).T
            possible = jnp.isfinite(heights)
            level = jnp.sum(jnp.where(possible, heights, 0.0)) / jnp.maximum(1, possible.sum())
            history = (
                means.at[number].set(thetas.mean(axis=0)),
                deviations.at[number].set(thetas.std(axis=0)),
                levels.at[number].set(level),
            )
            return (standard, memory), history

        return jax.lax.fori_loop(0, count, body, (state, history))

    return advance
