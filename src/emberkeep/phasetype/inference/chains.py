"""No-U-turn chains of blackjax's, side by side."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.inference.density import log_posterior
from emberkeep.phasetype.inference.modes import Frame, find_mode
from emberkeep.phasetype.inference.programs import program
from emberkeep.phasetype.inference.requirements import require
from emberkeep.phasetype.inference.transforms import forward
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from emberkeep.phasetype.inference.modes import Mode
    from emberkeep.phasetype.inference.setup import Posed

    Values = np.ndarray[Any, Any]

BATCH = 100  # points whose densities are asked for at once


@final
@frozen
class Chains:
    """How chains are run; part of the program.

    Attributes:
        draws: of each, after warming up.
        warmup: steps in which step size and mass matrix are adapted.
        acceptance: that step sizes are adapted to.
    """

    draws: int
    warmup: int
    acceptance: float

    def sample(self, *arguments: Any) -> Any:
        """Run them, side by side: (problem, frame, starts, keys) → positions, divergences."""
        spec = (self.draws, self.warmup, self.acceptance)
        # A sampler is inlined several times: 20 seconds for what then takes a quarter of one.
        return program("nuts", spec, lambda: _sample(self), quickly=True)(*arguments)


def _sample(chains: Chains) -> Callable[..., Any]:
    jax, jnp, blackjax = require("jax"), require("jax.numpy"), require("blackjax")

    def sample(problem: Any, frame: Frame, starts: Any, keys: Any) -> Any:
        def log_density(standard: Any) -> Any:
            total, possible = log_posterior(problem, frame.center + frame.scale @ standard)
            return jnp.where(possible, total, -jnp.inf)

        def chain(start: Any, key: Any) -> Any:
            first, second = jax.random.split(key)
            adaptation = blackjax.window_adaptation(
                blackjax.nuts, log_density, target_acceptance_rate=chains.acceptance
            )
            (state, parameters), _ = adaptation.run(first, start, chains.warmup)
            step = blackjax.nuts(log_density, **parameters).step

            def draw(state: Any, key: Any) -> Any:
                state, told = step(key, state)
                return state, (state.position, told.is_divergent)

            _, found = jax.lax.scan(draw, state, jax.random.split(second, chains.draws))
            return found

        return jax.vmap(chain)(starts, keys)

    return sample


@final
@frozen
class Drawn:
    """What chains that begin around the mode have drawn.

    Attributes:
        mode: around which they began.
        frame: its standardised coordinates.
        points: by chain and draw, in unconstrained coordinates.
        thetas: the parameters there.
        divergences: how many steps went astray.
    """

    mode: Mode
    frame: Frame
    points: Values
    thetas: Values
    divergences: int


def run_chains(posed: Posed, chains: Chains, *, count: int, seed: int) -> Drawn:
    """Chains that begin around the mode."""
    problem = posed.problem
    mode = find_mode(problem, posed.start, BATCH)
    frame = Frame(mode.point, mode.scale)
    starts = np.random.default_rng([seed, count]).standard_normal((count, problem.size))
    keys = np.array([[chain, seed & 0xFFFFFFFF] for chain in range(count)], np.uint32)
    positions, divergent = chains.sample(problem, frame, starts, keys)
    points = np.asarray(frame.outside(np.asarray(positions)))
    thetas = np.asarray(forward(problem.transforms, points.reshape(-1, problem.size).T)).T
    return Drawn(
        mode, frame, points, thetas.reshape(points.shape), int(np.sum(np.asarray(divergent)))
    )
