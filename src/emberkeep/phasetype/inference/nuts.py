"""Markov chains by blackjax's no-U-turn sampler: slower than particles, exact in the limit."""

from __future__ import annotations

from time import monotonic

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.light import final, frozen
from emberkeep.phasetype.inference.information import measure
from emberkeep.phasetype.inference.modes import SMALLEST_BATCH, batched, find_mode
from emberkeep.phasetype.inference.particles import Frame
from emberkeep.phasetype.inference.posing import pose
from emberkeep.phasetype.inference.posterior import Posterior
from emberkeep.phasetype.inference.problem import log_posterior
from emberkeep.phasetype.inference.programs import program
from emberkeep.phasetype.inference.requirements import require
from emberkeep.phasetype.inference.transforms import forward
from emberkeep.phasetype.inference.unclear import unclear, warn_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from emberkeep.phasetype.inference.posing import Posed

    Values = np.ndarray[Any, Any]

BATCH = 100  # points whose densities are asked for at once
FEWEST_DRAWS = 4  # of which mixing can be told


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


def mcmc(  # noqa: PLR0913 - what can be chosen
    model: Any,
    data: Any,
    *,
    draws: int = 1000,
    warmup: int = 500,
    chains: int = 4,
    theta_dim: int | None = None,
    prior: Any = None,
    positive: bool | None = None,
    bounds: Any = None,
    start: Any = None,
    names: Sequence[str] | None = None,
    moment_weight: float = 0.0,
    moment_count: int | None = None,
    independent: bool = False,
    acceptance: float = 0.8,
    seed: int = 0,
) -> Posterior:
    """A posterior by NUTS, with the arguments of `SVGD` and some more.

    Args:
        model: as `Graph.model` gives it.
        data: observations.
        draws: of each chain.
        warmup: steps in which step size and mass matrix are adapted, before.
        chains: how many; they run side by side.
        theta_dim: as of `SVGD`, like all that follows but `acceptance`.
        prior: likewise.
        positive: likewise.
        bounds: likewise.
        start: likewise.
        names: likewise.
        moment_weight: likewise.
        moment_count: likewise.
        independent: likewise.
        acceptance: what step sizes are adapted to; nearer to one where chains diverge.
        seed: of all that is random.

    Raises:
        InvalidPlan: something does not fit together; says what.
        TargetUnavailable: JAX or blackjax is missing.
    """
    if draws < FEWEST_DRAWS or warmup < 1 or chains < 1:
        raise InvalidPlan(
            f"{chains} chains of {draws} draws after {warmup} steps cannot be run: expected at "
            f"least one chain, {FEWEST_DRAWS} draws and one step of warming up"
        )
    posed = pose(
        model,
        data,
        theta_dim=theta_dim,
        prior=prior,
        positive=positive,
        bounds=bounds,
        start=start,
        names=names,
        moment_weight=moment_weight,
        moment_count=moment_count,
        independent=independent,
        batch=BATCH,
    )
    found = run_chains(posed, Chains(draws, warmup, acceptance), count=chains, seed=seed)
    warn_of(found.unclear)
    return found


def run_chains(posed: Posed, chains: Chains, *, count: int, seed: int) -> Posterior:
    """Chains that begin around the mode."""
    began_s = monotonic()
    problem = posed.problem
    mode = find_mode(problem, posed.start, BATCH)
    frame = Frame(mode.point, mode.scale)
    starts = np.random.default_rng([seed, count]).standard_normal((count, problem.size))
    keys = np.array([[chain, seed & 0xFFFFFFFF] for chain in range(count)], np.uint32)
    positions, divergent = chains.sample(problem, frame, starts, keys)
    points = np.asarray(frame.outside(np.asarray(positions)))
    flat = points.reshape(-1, problem.size)
    heights, slopes = batched(problem, flat, max(BATCH, SMALLEST_BATCH))
    thetas = np.asarray(forward(problem.transforms, flat.T)).T
    information = measure(problem, mode, BATCH)
    return Posterior(
        method="nuts",
        chains=thetas.reshape(points.shape),
        points=points,
        heights=heights.reshape(points.shape[:2]),
        slopes=slopes.reshape(points.shape),
        frames=(frame,) * count,
        histories=(),
        iterations=(chains.draws,) * count,
        settled=True,
        divergences=int(np.sum(np.asarray(divergent))),
        posed=posed,
        information=information,
        unclear=unclear(posed, information, points, BATCH),
        seconds=monotonic() - began_s,
    )
