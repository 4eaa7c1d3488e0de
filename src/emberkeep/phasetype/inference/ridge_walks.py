"""Particles that go on as Markov chains, where the data leave a direction open.

Along a ridge a posterior is far from normal, and particles come to rest too close together. So
each takes a walk of its own: Hamiltonian steps, accepted or refused by the density, which is right
for any shape. All step at once, by the program that they have already, so nothing is compiled.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.inference.modes import batched
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.inference.density import Problem

    Values = np.ndarray[Any, Any]

WARMING, WALKING = 40, 60  # trajectories before draws count, and while they do
SHORTEST, LONGEST = 8, 64  # leapfrog steps of a trajectory
LENGTH = 1.6  # of a trajectory, in standard deviations of the particles
FIRST_STEP = 0.3  # in standard deviations of the particles
ACCEPTED = 0.8
LEARNING = 0.3  # of the logarithm of the step size, by trajectory
SWEEPS = 3
REGULAR = 1e-6


@final
@frozen
class Places:
    """Points with their log densities and gradients."""

    points: Values
    heights: Values
    slopes: Values


def walk(problem: Problem, points: Values, generator: Any, batch: int) -> Places:
    """As many draws as there are points, one from the walk of each.

    Of all draws those are taken whose means and standard deviations are those of all.
    """
    heights, slopes = batched(problem, points, batch)
    at = Places(points, heights, slopes)
    step, root = FIRST_STEP, _root(points)
    draws: list[Places] = []
    for number in range(WARMING + WALKING):
        if number in {WARMING // 4, WARMING // 2}:
            root = _root(at.points)
        most = int(np.clip(LENGTH / step, SHORTEST, SHORTEST if number < WARMING else LONGEST))
        steps = int(generator.integers(most // 2, most + 1))
        at, accepted = _trajectory(problem, at, step * root, steps, generator, batch)
        if number < WARMING:
            step *= np.exp(LEARNING * (accepted - ACCEPTED))
        else:
            draws.append(at)
    chosen = _representative(np.stack([draw.points for draw in draws]), generator)
    picked: list[tuple[Places, int]] = [
        (draws[number], walker) for walker, number in enumerate(chosen.tolist())
    ]
    return Places(
        np.stack([draw.points[walker] for draw, walker in picked]),
        np.array([draw.heights[walker] for draw, walker in picked]),
        np.stack([draw.slopes[walker] for draw, walker in picked]),
    )


def _root(points: Values) -> Values:
    """Of the covariance of points, as far as they tell it."""
    covariance = np.atleast_2d(np.cov(points, rowvar=False))
    typical = max(float(np.trace(covariance)) / len(covariance), np.finfo(float).tiny)
    return np.linalg.cholesky(covariance + REGULAR * typical * np.eye(len(covariance)))


def _trajectory(
    problem: Problem, at: Places, root: Values, steps: int, generator: Any, batch: int
) -> tuple[Places, float]:
    """One Hamiltonian step of all; how likely it was to be accepted."""
    count, size = at.points.shape
    first = generator.standard_normal((count, size))
    shaken = root * generator.uniform(0.6, 1.2)  # or a trajectory may come back to where it began
    momentum = first + 0.5 * at.slopes @ shaken
    points, heights, slopes = at.points, at.heights, at.slopes
    for number in range(steps):
        points = points + momentum @ shaken.T
        heights, slopes = batched(problem, points, batch)
        momentum = momentum + (1.0 if number < steps - 1 else 0.5) * slopes @ shaken
    with np.errstate(all="ignore"):  # what is impossible is refused
        gained = heights - at.heights + 0.5 * ((first**2).sum(axis=1) - (momentum**2).sum(axis=1))
        likely = np.where(
            np.isfinite(heights), np.exp(np.minimum(0.0, np.nan_to_num(gained, nan=-np.inf))), 0.0
        )
    taken = generator.uniform(size=count) < likely
    moved = Places(
        np.where(taken[:, None], points, at.points),
        np.where(taken, heights, at.heights),
        np.where(taken[:, None], slopes, at.slopes),
    )
    return moved, float(likely.mean())


def _representative(draws: Values, generator: Any) -> Values:
    """For each walk, which of its draws stands for it, so that all together are as all draws."""
    rounds, count, size = draws.shape
    pool = draws.reshape(-1, size)
    standard = (draws - pool.mean(axis=0)) / np.maximum(pool.std(axis=0), np.finfo(float).tiny)
    features = np.concatenate([standard, standard**2, np.exp(np.minimum(standard, 3.0))], axis=-1)
    features = features - features.mean(axis=(0, 1))
    chosen = generator.integers(rounds, size=count)
    total = sum(features[chosen[each], each] for each in range(count))
    for _ in range(SWEEPS):
        for each in range(count):
            others = total - features[chosen[each], each]
            tried = others + features[:, each]
            chosen[each] = int(np.argmin((tried**2).sum(axis=1)))
            total = tried[chosen[each]]
    return chosen
