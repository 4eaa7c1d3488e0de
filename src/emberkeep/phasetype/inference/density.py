"""A posterior: a model, what was observed, what was believed before.

All of it is one tree of arrays, which compiled programs take as an argument.
"""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.phasetype.inference.priors import log_prior
from emberkeep.phasetype.inference.records import node
from emberkeep.phasetype.inference.requirements import require
from emberkeep.phasetype.inference.transforms import forward, log_jacobian
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.inference.observations import Observations

    Values = np.ndarray[Any, Any]

jax: Any = require("jax")
jnp: Any = require("jax.numpy")


@final
@node
@frozen
class MomentTarget:
    """What moments of the model are drawn to.

    Attributes:
        moments: of the data, as the model gives them.
        errors: their standard errors.
        strength: how much half of a squared standardised difference counts.
    """

    moments: Any
    errors: Any
    strength: Any


@final
@node
@frozen
class Stretch:
    """Where a likelihood is highest, and how points are moved before it is asked for."""

    center: Any
    matrix: Any

    def applied(self, point: Any) -> Any:
        """Where the likelihood is taken for a point."""
        return self.center + self.matrix @ (point - self.center)


@final
@node
@frozen
class Problem:
    """A posterior density in unconstrained coordinates.

    Attributes:
        model: as `Graph.model` gives it.
        values: observations, padded.
        weights: of each; zero for padding and what was not observed.
        rows: how many are no padding.
        prior: as `read_prior` gives it; None: flat in unconstrained coordinates.
        transforms: one for each parameter.
        target: what moments are drawn to; None: nothing.
        stretch: of the likelihood, where kinds depend on each other; None where there is one kind.
    """

    model: Any
    values: Any
    weights: Any
    rows: Any
    prior: Any
    transforms: tuple[Any, ...]
    target: MomentTarget | None
    stretch: Stretch | None

    @property
    def size(self) -> int:
        """How many parameters there are."""
        return len(self.transforms)


def log_likelihood(problem: Problem, theta: Any, rows: Any = None) -> tuple[Any, Any]:
    """The log likelihood of what is possible, and whether everything is.

    Both, so that a gradient leads back from where a single observation is impossible.

    Args:
        problem: see there.
        theta: the parameters.
        rows: the observations that count, scaled up to all; None: all.
    """
    values, weights = problem.values, problem.weights
    if rows is not None:
        values = values[rows]
        weights = weights[rows] * (problem.rows / rows.shape[0])
    density = problem.model.likelihood(theta, values)
    counts = weights > 0
    possible = density > 0  # false for NaN
    # The inner choice keeps an infinite slope out of the gradient, where it would become NaN.
    logs = jnp.log(jnp.where(possible, density, 1.0))
    total = jnp.sum(jnp.where(counts, weights * logs, 0.0))
    return total, jnp.all(possible | ~counts)


def moment_penalty(problem: Problem, theta: Any) -> Any:
    """Half of the squared standardised differences of moments, times the strength."""
    target = problem.target
    if target is None:
        return 0.0
    order = target.moments.shape[-1]
    difference = (problem.model.moments(theta)[..., :order] - target.moments) / target.errors
    return 0.5 * target.strength * jnp.sum(difference**2)


def log_posterior(problem: Problem, point: Any, rows: Any = None) -> tuple[Any, Any]:
    """The unnormalised log density at a point, as far as possible, and whether it is possible."""
    theta = forward(problem.transforms, point)
    seen = theta
    if problem.stretch is not None:
        seen = forward(problem.transforms, problem.stretch.applied(point))
    total, possible = log_likelihood(problem, seen, rows)
    total = total - moment_penalty(problem, theta)
    if problem.prior is not None:
        total = total + log_prior(problem.prior, theta) + log_jacobian(problem.transforms, point)
    return total, possible & jnp.isfinite(total)


def scores(problem: Problem, points: Any, rows: Any = None) -> tuple[Any, Any]:
    """Log densities of points, minus infinity where impossible, and their gradients, all finite."""

    def one(point: Any) -> tuple[Any, Any]:
        return log_posterior(problem, point, rows)

    (totals, possible), slopes = jax.vmap(jax.value_and_grad(one, has_aux=True))(points)
    return jnp.where(possible, totals, -jnp.inf), jnp.where(jnp.isfinite(slopes), slopes, 0.0)


def row_logs(problem: Problem, points: Any) -> Any:
    """Log densities by point, row and kind; zero for what was not observed."""

    def one(point: Any) -> Any:
        density = problem.model.likelihood(forward(problem.transforms, point), problem.values)
        counts = (problem.weights > 0) & (density > 0)
        return jnp.log(jnp.where(counts, density, 1.0))

    return jax.vmap(one)(points)


# Moments ------------------------------------------------------------------------------------------


def moment_target(observations: Observations, order: int, strength: float) -> MomentTarget:
    """Raw moments of the data up to an order, by kind, and their standard errors.

    Raises:
        InvalidPlan: a kind has too few observations to know an error.
    """
    given = observations.given
    columns = given[None, :] if given.ndim == 1 else given.T
    moments = np.empty((len(columns), order))
    errors = np.empty_like(moments)
    for kind, column in enumerate(columns):
        seen = column[np.isfinite(column)]
        powers = seen[:, None] ** np.arange(1, order + 1)
        if len(seen) <= 1 or not (powers.std(axis=0) > 0).all():
            raise InvalidPlan(
                f"Moments need at least two different observations of each kind; of kind {kind} "
                f"there are {len(np.unique(seen))}"
            )
        moments[kind] = powers.mean(axis=0)
        errors[kind] = powers.std(axis=0, ddof=1) / np.sqrt(len(seen))
    if given.ndim == 1:
        return MomentTarget(moments[0], errors[0], strength)
    return MomentTarget(moments, errors, strength)
