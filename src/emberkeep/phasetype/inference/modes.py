"""Where a posterior is, and how wide: its mode and the curvature there.

A few Newton steps, by differences of exact gradients. Each asks for a batch of points of the size
that the particles have, so this needs no program of its own.
"""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.phasetype.inference.programs import evaluate
from emberkeep.phasetype.inference.records import node
from emberkeep.phasetype.inference.requirements import require
from emberkeep.phasetype.inference.transforms import Bounded, Unbounded
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.inference.density import Problem

    Values = np.ndarray[Any, Any]

jnp: Any = require("jax.numpy")

DECADES = 12.0  # common sizes of parameters which are tried, around one
STEP = 1e-4  # of differences of gradients, in unconstrained coordinates
MOST_STEPS = 60
DAMPINGS = 10.0 ** np.arange(-8, 9, 1.0)  # tried side by side, as parts of the largest curvature
WAYS_OFF = np.array([-3.0, -1.0, -0.3, -0.1, 0.1, 0.3, 1.0, 3.0])
STILL = 1e-9  # improvement of the log density from which on it is over
WIDEST = 10.0  # standard deviation in directions in which nothing is known
SMALLEST_BATCH = 32


@final
@frozen
class Mode:
    """A mode, and a square root of the covariance of the normal distribution that fits there."""

    point: Values
    scale: Values


@final
@node
@frozen
class Frame:
    """Standardised coordinates: point = center + scale @ z."""

    center: Any
    scale: Any

    def outside(self, standard: Any) -> Any:
        """Points of standardised ones, a row each."""
        return self.center + standard @ self.scale.T

    def inside(self, points: Any) -> Any:
        """Standardised points, a row each."""
        inverse: Any = jnp.linalg.inv(self.scale)
        return (points - self.center) @ inverse.T


def batched(problem: Problem, points: Values, batch: int) -> tuple[Values, Values]:
    """Log densities and gradients, always asked for in batches of one size."""
    heights = np.empty(len(points))
    slopes = np.empty(points.shape)
    for begin in range(0, len(points), batch):
        part = points[begin : begin + batch]
        filled = np.concatenate([part, np.repeat(part[:1], batch - len(part), axis=0)])
        found = evaluate(problem, filled)
        heights[begin : begin + batch] = np.asarray(found[0])[: len(part)]
        slopes[begin : begin + batch] = np.asarray(found[1])[: len(part)]
    return heights, slopes


def common_starts(problem: Problem, batch: int) -> Values:
    """Points at which all positive parameters have one size, over many decades.

    Bounded ones are in the middle, unbounded ones zero. Every other point is scattered around that:
    where parameters can be exchanged, the gradient leads away from none of those in common.
    """
    sizes = np.linspace(-DECADES / 2, DECADES / 2, max(batch, SMALLEST_BATCH)) * np.log(10)
    columns = [
        np.zeros(len(sizes))
        if isinstance(each, (Bounded, Unbounded))
        else np.asarray(each.inverse(each.lower + np.exp(sizes)))
        for each in problem.transforms
    ]
    starts = np.stack(columns, axis=1)
    starts[1::2] += np.random.default_rng(0).standard_normal(starts[1::2].shape)
    return starts


def best_of(heights: Values, starts: Values) -> Values:
    """The start with the highest density.

    Raises:
        InvalidPlan: none is possible.
    """
    best = int(np.argmax(np.where(np.isnan(heights), -np.inf, heights)))
    if not np.isfinite(heights[best]):
        raise InvalidPlan(
            f"At none of {len(starts)} starting points are all observations possible: the density "
            "of at least one is zero or not a number. Look for data outside of what the model can "
            "give, for parameters out of bounds, or give a start at which the density is positive"
        )
    return starts[best]


def find_mode(problem: Problem, start: Values, batch: int) -> Mode:
    """Climb from a start, and measure the curvature where it ends."""
    batch = max(batch, SMALLEST_BATCH)
    point = np.asarray(start, dtype=float)
    height, slope, curvature = look(problem, point, batch)
    for _ in range(MOST_STEPS):
        candidates = point + _steps(slope, curvature)
        heights, _ = batched(problem, candidates, batch)
        best = int(np.argmax(heights))
        gained = heights[best] - height
        if not gained > 0:
            break
        point = candidates[best]
        height, slope, curvature = look(problem, point, batch)
        if gained < STILL * max(1.0, abs(height)) and np.abs(slope).max() < np.sqrt(STILL):
            break
    return Mode(point, _root_of_inverse(curvature))


def look(problem: Problem, point: Values, batch: int) -> tuple[float, Values, Values]:
    """The log density, its gradient, and minus its second derivatives."""
    shifts = STEP * np.eye(len(point))
    heights, slopes = batched(
        problem, np.concatenate([[point], point + shifts, point - shifts]), batch
    )
    size = len(point)
    second = -(slopes[1 : size + 1] - slopes[size + 1 :]) / (2 * STEP)
    return float(heights[0]), slopes[0], (second + second.T) / 2


def _steps(slope: Values, curvature: Values) -> Values:
    """Newton's step, ever shorter ones towards the gradient, and ways off a saddle."""
    values, vectors = np.linalg.eigh(curvature)
    along = vectors.T @ slope
    largest = max(float(np.abs(values).max()), 1e-12)
    damped = np.abs(values) + DAMPINGS[:, None] * largest
    steps = along / damped
    lengths = np.linalg.norm(steps, axis=1, keepdims=True)
    steps = (steps / np.maximum(1.0, lengths / WIDEST)) @ vectors.T
    if values[0] >= 0:
        return steps
    # Between parameters that can be exchanged the gradient is zero, and it is no mode.
    return np.concatenate([steps, WAYS_OFF[:, None] * vectors[:, 0]])


def _root_of_inverse(curvature: Values) -> Values:
    values, vectors = np.linalg.eigh(curvature)
    deviations = 1 / np.sqrt(np.maximum(values, WIDEST**-2))
    return (vectors * deviations) @ vectors.T
