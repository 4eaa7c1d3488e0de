"""Markov chains by blackjax's no-U-turn sampler: slower than particles, exact in the limit."""

from __future__ import annotations

from time import monotonic

from emberkeep.errors import InvalidPlan
from emberkeep.phasetype.inference.chains import BATCH, Chains, run_chains
from emberkeep.phasetype.inference.identifiability import unclear, warn_of
from emberkeep.phasetype.inference.information import measure
from emberkeep.phasetype.inference.modes import SMALLEST_BATCH, batched
from emberkeep.phasetype.inference.posterior import Posterior
from emberkeep.phasetype.inference.setup import pose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.phasetype.inference.chains import Drawn
    from emberkeep.phasetype.inference.setup import Posed

FEWEST_DRAWS = 4  # of which mixing can be told


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
    began_s = monotonic()
    drawn = run_chains(posed, Chains(draws, warmup, acceptance), count=chains, seed=seed)
    found = _posterior(posed, drawn, began_s)
    warn_of(found.unclear)
    return found


def _posterior(posed: Posed, drawn: Drawn, began_s: float) -> Posterior:
    problem, points = posed.problem, drawn.points
    flat = points.reshape(-1, problem.size)
    heights, slopes = batched(problem, flat, max(BATCH, SMALLEST_BATCH))
    information = measure(problem, drawn.mode, BATCH)
    count, draws, _ = points.shape
    return Posterior(
        method="nuts",
        chains=drawn.thetas,
        points=points,
        heights=heights.reshape(points.shape[:2]),
        slopes=slopes.reshape(points.shape),
        frames=(drawn.frame,) * count,
        histories=(),
        iterations=(draws,) * count,
        settled=True,
        divergences=drawn.divergences,
        posed=posed,
        information=information,
        unclear=unclear(posed, information, points, BATCH),
        seconds=monotonic() - began_s,
    )
