"""What data determine of the parameters, and what nothing but the prior says of them.

The curvature of the likelihood, against that of the prior. It is taken where the likelihood is
highest near the mode of the posterior: off that place, where the prior has pulled it, a likelihood
that is constant along a curve is curved along its tangent.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.inference.modes import batched, look
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.inference.density import Problem
    from emberkeep.phasetype.inference.modes import Mode

    Values = np.ndarray[Any, Any]

LEAST_SHARE = 0.02  # of the data, in what is known of a direction that they determine
STRIDE, STRIDES = 0.1, 5  # along a direction that may be open, in standard deviations of the prior
WIDEST_STRIDE = 10.0  # in units in which the curvature is about one
CORRECTIONS = 3  # back to the ridge, after each stride
MOST_LOST = 0.5  # of the log likelihood on the way, where the direction is open
NOTICEABLE = 0.3  # of the largest part that a parameter has in a direction
ROUNDING = 1e-7  # of the largest curvature: differences of gradients know no better
STRONG = 0.1  # of the curvature of the posterior: where the data lead to what they like best
FARTHEST = 3.0  # from the mode, in standard deviations
MOST_STEPS = 8
STILL = 1e-6


@final
@frozen
class Information:
    """How much of what is known at a mode comes from data, by direction.

    Attributes:
        shares: of the data in the curvature, between 0 and 1; the least comes first.
        directions: of each a row, in unconstrained coordinates: how a point changes.
        parts: of each a row: how much each parameter has to do with it; the largest is one.
        undetermined: numbers of those that the data leave open.
        likeliest: the point near the mode where the likelihood is highest.
        curvature: of the log likelihood there, with its sign changed.
    """

    shares: Values
    directions: Values
    parts: Values
    undetermined: tuple[int, ...]
    likeliest: Values
    curvature: Values

    def told(self, index: int, names: tuple[str, ...]) -> str:
        """A direction in words."""
        parts = self.parts[index]
        found = np.flatnonzero(np.abs(parts) > NOTICEABLE).tolist()
        if len(found) == 1:
            return names[found[0]]
        up = " and ".join(names[each] for each in found if parts[each] > 0)
        down = " and ".join(names[each] for each in found if parts[each] < 0)
        if not up or not down:
            return f"how large {up or down} are together"
        return f"how much of it is {up} and how much {down}"


def without_data(problem: Problem) -> Problem:
    """What was believed before; for the same programs."""
    changes: dict[str, object] = {"weights": np.zeros_like(problem.weights)}
    if problem.target is not None:
        changes["target"] = replace(problem.target, {"strength": 0.0})
    return replace(problem, changes)


def measure(problem: Problem, mode: Mode, batch: int) -> Information:
    """Compare likelihood and prior at a mode."""
    likelihood = Likelihood(problem, batch)
    prior = look(without_data(problem), mode.point, batch)[2]
    likeliest, curvature = _climb(likelihood, mode)
    total = np.abs(np.diag(curvature)) + np.abs(np.diag(prior))
    units = 1 / np.sqrt(np.where(total > 0, total, 1.0))
    data, belief = (_clipped(units[:, None] * each * units) for each in (curvature, prior))
    root = np.linalg.cholesky(data + belief + ROUNDING**2 * np.eye(len(units)))
    half = np.linalg.solve(root, data)
    shares, vectors = np.linalg.eigh(np.linalg.solve(root, half.T))
    parts = np.linalg.solve(root.T, vectors).T
    lengths = np.linalg.norm(parts, axis=1, keepdims=True)
    strides = units * parts * np.minimum(STRIDE, WIDEST_STRIDE / lengths)
    held = (root @ vectors).T / units
    return Information(
        shares=np.clip(shares, 0.0, 1.0),
        directions=strides / np.linalg.norm(strides, axis=1, keepdims=True),
        parts=parts / np.abs(parts).max(axis=1, keepdims=True),
        undetermined=tuple(
            index
            for index in np.flatnonzero(shares < LEAST_SHARE).tolist()
            if _is_open(likelihood, likeliest, strides[index], held[index])
        ),
        likeliest=likeliest,
        curvature=curvature,
    )


@final
@frozen
class Likelihood:
    """What the data say: the posterior without its prior, by the same program.

    Attributes:
        problem: the posterior.
        batch: of points that are asked for at once.
    """

    problem: Problem
    batch: int

    def heights(self, points: Values) -> Values:
        """Log likelihoods."""
        total, prior = (
            batched(each, points, self.batch)[0]
            for each in (self.problem, without_data(self.problem))
        )
        return total - prior

    def look(self, point: Values) -> tuple[float, Values, Values]:
        """The log likelihood, its gradient, and minus its second derivatives."""
        both = (
            look(each, point, self.batch) for each in (self.problem, without_data(self.problem))
        )
        height, slope, curvature = (total - prior for total, prior in zip(*both, strict=True))
        return height, slope, curvature


def _is_open(likelihood: Likelihood, start: Values, stride: Values, held: Values) -> bool:
    """Whether one can go some way along a ridge, to both sides, and the likelihood stays.

    To one side it does at every bound, which the data may well tell of. A curvature of zero does
    not tell: between two parameters that can be exchanged it may be zero by chance, and the
    likelihood falls with a higher power.

    Args:
        likelihood: of the data.
        start: where it is highest.
        stride: one step along.
        held: what tells how far along a point is, while corrections bring it back to the ridge.
    """
    across = np.linalg.svd(held[None, :])[2][1:].T
    top = likelihood.look(start)[0]
    for way in (stride, -stride):
        point = start
        for _ in range(STRIDES):
            point = point + way
            for _ in range(CORRECTIONS if across.size else 0):
                _, slope, curvature = look(likelihood.problem, point, likelihood.batch)
                inner = across.T @ curvature @ across
                point = point + across @ np.linalg.lstsq(inner, across.T @ slope)[0]
        if not likelihood.look(point)[0] > top - MOST_LOST:
            return False
    return True


def _climb(likelihood: Likelihood, mode: Mode) -> tuple[Values, Values]:
    """From a mode to where the likelihood is highest, in directions in which it leads anywhere."""
    standard = np.zeros(len(mode.point))
    point, curvature = mode.point, np.zeros_like(mode.scale)
    for _ in range(MOST_STEPS):
        point = mode.point + mode.scale @ standard
        _, slope, curvature = likelihood.look(point)
        values, vectors = np.linalg.eigh(mode.scale.T @ curvature @ mode.scale)
        strong = vectors[:, values > STRONG]
        step = strong @ (strong.T @ mode.scale.T @ slope / values[values > STRONG])
        length = float(np.linalg.norm(step))
        step /= max(1.0, length)
        if length < STILL or np.linalg.norm(standard + step) > FARTHEST:
            break
        standard = standard + step
    return point, curvature


def _clipped(matrix: Values) -> Values:
    """The nearest one without negative curvature, nor any that may be rounding alone."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.where(values > ROUNDING, values, 0.0)) @ vectors.T
