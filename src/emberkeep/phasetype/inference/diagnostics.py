"""What speaks against believing samples.

Each check can be computed and says what it found; none of them proves that samples are right.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.inference.chains import Chains, run_chains
from emberkeep.phasetype.inference.history import movement
from emberkeep.phasetype.inference.requirements import require
from emberkeep.phasetype.inference.transforms import Bounded, Positive, Softplus
from emberkeep.startup_records import final, frozen
from emberkeep.xla.precision import in_double

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.inference.samples import Samples

    Values = np.ndarray[Any, Any]

MOST_POINTS = 400  # of which the discrepancy is computed: it takes their square
BOOTSTRAPS = 1000
SIGNIFICANT = 0.01
APART = 1e-3  # closer than that, in standard deviations, particles are one
FEWEST_BY_PARAMETER = 10
LEAST_DISTINCT = 0.5
MOST_MOVEMENT = 0.05
MOST_SHIFT = 0.25  # of the means of restarts, in standard deviations
MOST_RATIO = 1.25  # of the standard deviations of restarts
MOST_NUTS_RATIO = 1.1  # against NUTS, beyond its own error
NEAR_BOUND = 1e-3  # of the way between bounds; of the median over a single bound, ten times that
MOST_NEAR = 0.05
MOST_RHAT = 1.01
LEAST_ESS = 100
ERRORS = 3.0  # standard errors which chance is allowed
NUTS_DRAWS, NUTS_WARMUP, NUTS_CHAINS = 250, 250, 4


@final
@frozen
class Diagnostics:
    """What was checked.

    Attributes:
        flags: what speaks against believing the samples; empty where nothing was found.
        discrepancy: kernelised Stein discrepancy, in standardised coordinates.
        p_value: how often chance alone gives as large a one with as many independent samples.
        distinct: how many particles are apart from all others, or the least effective sample size.
        impossible: how many samples have density zero.
        determined: the share of the data in what is known along the direction that they tell least
            of; zero where a likelihood is flat, and the prior alone decides.
        spread_against_nuts: standard deviations over those of NUTS, by parameter; None unless run.
    """

    flags: tuple[str, ...]
    discrepancy: float
    p_value: float
    distinct: float
    impossible: int
    determined: float
    spread_against_nuts: Values | None

    @property
    def trustworthy(self) -> bool:
        """Whether nothing was found."""
        return not self.flags

    def __repr__(self) -> str:
        head = (
            f"<Diagnostics: Stein discrepancy {self.discrepancy:.3g} (p = {self.p_value:.2g}), "
            f"{self.distinct:.0f} effective samples, {self.impossible} impossible"
        )
        if self.spread_against_nuts is not None:
            ratios = ", ".join(f"{ratio:.3f}" for ratio in self.spread_against_nuts)
            head += f", spread over that of NUTS {ratios}"
        if self.trustworthy:
            return f"{head}; nothing speaks against it>"
        return "\n".join([head, *(f"  ! {flag}" for flag in self.flags), ">"])


@in_double
def diagnose(posterior: Samples, *, against_nuts: bool, seed: int) -> Diagnostics:
    """All checks."""
    generator = np.random.default_rng([seed, 1])
    discrepancy, p_value = stein_discrepancy(posterior, generator)
    impossible = int(np.sum(~np.isfinite(posterior.heights)))
    flags: list[str] = []
    if p_value < SIGNIFICANT:
        flags.append(
            "the samples do not fit the posterior's gradient: Stein discrepancy "
            f"{discrepancy:.3g}, p = {p_value:.2g}. Run longer, or with more particles"
        )
    if impossible:
        flags.append(f"{impossible} samples have density zero or none that is a number")
    flags += [*posterior.unclear, *_piled(posterior)]
    if posterior.method == "svgd":
        distinct, further = _of_particles(posterior)
    else:
        distinct, further = _of_chains(posterior)
    ratio = None
    if against_nuts:
        ratio, collapse = compare_spread(posterior, seed)
        further = [*further, *collapse]
    share = float(posterior.information.shares.min())
    found = (*flags, *further)
    return Diagnostics(found, discrepancy, p_value, distinct, impossible, share, ratio)


def stein_discrepancy(posterior: Samples, generator: Any) -> tuple[float, float]:
    """The discrepancy in standardised coordinates, and its p-value by the wild bootstrap.

    For restarts of a multimodal posterior these are the coordinates of each restart's own mode.
    """
    frame = posterior.frames[0]
    size = len(frame.center)
    points = posterior.points.reshape(-1, size)
    chosen = np.arange(len(points))
    if len(points) > MOST_POINTS:
        chosen = generator.choice(len(points), MOST_POINTS, replace=False)
    standard = np.asarray(frame.inside(points[chosen]))
    slopes = posterior.slopes.reshape(-1, size)[chosen] @ frame.scale
    matrix = stein_matrix(standard, slopes)
    count = len(chosen)
    squared = float(matrix.mean())
    signs = generator.choice([-1.0, 1.0], (BOOTSTRAPS, count))
    by_chance = np.einsum("bi,ij,bj->b", signs, matrix, signs, optimize=True) / count**2
    p_value = (1 + float(np.sum(by_chance >= squared))) / (1 + BOOTSTRAPS)
    return float(np.sqrt(max(squared, 0.0))), p_value


def stein_matrix(points: Values, slopes: Values) -> Values:
    """The Stein kernel of the inverse multiquadric (1 + |x - y|²)^(-1/2) among particles.

    The mean of its elements is the squared kernelised Stein discrepancy.
    """
    size = points.shape[1]
    apart = points[:, None, :] - points[None, :, :]
    base = 1.0 + np.sum(apart**2, axis=-1)
    crossed = np.sum(apart * (slopes[:, None, :] - slopes[None, :, :]), axis=-1)
    kernel = base**-0.5
    return (
        (slopes @ slopes.T) * kernel
        + crossed * base**-1.5
        + size * base**-1.5
        - 3 * (base - 1.0) * base**-2.5
    )


@in_double
def mixing(chains: Values) -> tuple[Values, Values]:
    """R-hat and effective sample size of each parameter, as blackjax computes them."""
    diagnostics = require("blackjax.diagnostics")
    rhat, ess = diagnostics.rhat(chains), diagnostics.ess_bulk(chains)
    return np.atleast_1d(np.asarray(rhat)), np.atleast_1d(np.asarray(ess))


def _piled(posterior: Samples) -> list[str]:
    """Parameters of which many samples are at a bound."""
    flags: list[str] = []
    for index, (name, each) in enumerate(
        zip(posterior.names, posterior.posed.problem.transforms, strict=True)
    ):
        values = posterior.samples[:, index]
        sides: dict[str, Values] = {}
        if isinstance(each, Bounded):
            part = (values - each.lower) / (each.upper - each.lower)
            sides = {"lower": part < NEAR_BOUND, "upper": part > 1 - NEAR_BOUND}
        elif isinstance(each, (Positive, Softplus)):
            over = values - each.lower
            sides = {"lower": over < 10 * NEAR_BOUND * np.median(over)}
        for side, near in sides.items():
            if near.mean() > MOST_NEAR:
                flags.append(
                    f"{near.mean():.0%} of the samples of {name} are at its {side} bound: "
                    "the data may not tell it, or the bound may be wrong"
                )
    return flags


def _of_particles(posterior: Samples) -> tuple[float, list[str]]:
    flags: list[str] = []
    runs, count, size = posterior.points.shape
    distinct = sum(
        _distinct(points, frame)
        for points, frame in zip(posterior.points, posterior.frames, strict=True)
    )
    if count < FEWEST_BY_PARAMETER * size:
        flags.append(
            f"{count} particles are few for {size} parameters: take {FEWEST_BY_PARAMETER * size}"
        )
    if distinct < LEAST_DISTINCT * runs * count:
        flags.append(f"of {runs * count} particles only {distinct:.0f} are apart from each other")
    moved = max(movement(history.mean, history.std) for history in posterior.histories)
    if moved > MOST_MOVEMENT:
        told = f"{moved:.2g} standard deviations" if np.isfinite(moved) else "nobody knows how far"
        flags.append(f"the particles were still moving: {told} in the last 50 steps. Run longer")
    if runs > 1:
        flags += _disagreement(posterior)
    return distinct, flags


def _distinct(points: Values, frame: Any) -> float:
    standard = np.asarray(frame.inside(points))
    distances = np.linalg.norm(standard[:, None] - standard[None], axis=-1)
    return float(np.sum(1 / np.sum(distances < APART, axis=1)))


def _disagreement(posterior: Samples) -> list[str]:
    # In unconstrained coordinates, where no tail decides.
    means, spreads = posterior.points.mean(axis=1), posterior.points.std(axis=1)
    typical = np.maximum(spreads.mean(axis=0), np.finfo(float).tiny)
    shift = float(np.max((means.max(axis=0) - means.min(axis=0)) / typical))
    ratio = float(np.max(spreads.max(axis=0) / np.maximum(spreads.min(axis=0), 1e-300)))
    if shift <= MOST_SHIFT and ratio <= MOST_RATIO:
        return []
    flag = (
        f"restarts disagree: their means by {shift:.2g} standard deviations, their standard "
        f"deviations by a factor of {ratio:.2g}. There may be several modes, whose weights "
        "particles do not tell"
    )
    return [flag]


def _of_chains(posterior: Samples) -> tuple[float, list[str]]:
    flags: list[str] = []
    rhat, ess = mixing(posterior.chains)
    if np.nanmax(rhat, initial=1.0) > MOST_RHAT:
        flags.append(f"chains do not agree: R-hat {np.nanmax(rhat):.3f}. Run longer")
    if ess.min() < LEAST_ESS:
        flags.append(f"the draws are worth {ess.min():.0f} independent ones. Run longer")
    if posterior.divergences:
        flags.append(
            f"{posterior.divergences} draws diverged: raise acceptance, or think of other bounds"
        )
    return float(ess.min()), flags


def compare_spread(posterior: Samples, seed: int) -> tuple[Values, list[str]]:
    """Standard deviations over those of a short run of NUTS, and where they are too far off."""
    chains = Chains(NUTS_DRAWS, NUTS_WARMUP, 0.8)
    reference = run_chains(posterior.posed, chains, count=NUTS_CHAINS, seed=seed)
    _, ess = mixing(reference.thetas)
    # In logarithms of spreads of unconstrained coordinates, where no tail decides.
    flat = [found.points.reshape(-1, found.points.shape[-1]) for found in (posterior, reference)]
    logs = np.log(np.maximum(flat[0].std(axis=0), 1e-300)) - np.log(flat[1].std(axis=0))
    allowed = np.log(MOST_NUTS_RATIO) + ERRORS / np.sqrt(2 * ess)
    flags = [
        f"the spread of {name} is {np.exp(log):.2f} of what NUTS finds"
        for name, log, most in zip(posterior.names, logs, allowed, strict=True)
        if abs(log) > most
    ]
    return np.exp(logs), flags
