"""From what users give to a problem: checks, defaults, and where to start."""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.phasetype.inference.composite import corrected
from emberkeep.phasetype.inference.density import Problem, Stretch, moment_target
from emberkeep.phasetype.inference.information import Likelihood
from emberkeep.phasetype.inference.modes import batched, best_of, common_starts
from emberkeep.phasetype.inference.observations import Observations, read_observations
from emberkeep.phasetype.inference.priors import LogNormal, Normal, Uniform, read_prior, supports
from emberkeep.phasetype.inference.transforms import (
    Bounded,
    Unbounded,
    choose_transforms,
    forward,
    inverse,
)
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Values = np.ndarray[Any, Any]

DEFAULT_SD = 3.0  # of the default prior's logarithm: a factor of 360 each way


@final
@frozen
class Posed:
    """A problem with what is said about it.

    Attributes:
        problem: what programs take.
        observations: what was observed.
        start: a point in unconstrained coordinates where everything observed is possible.
        names: of the parameters.
    """

    problem: Problem
    observations: Observations
    start: Values
    names: tuple[str, ...]


def pose(  # noqa: PLR0913 - what can be said of a posterior
    model: Any,
    data: Any,
    *,
    theta_dim: int | None,
    prior: Any,
    positive: bool | None,
    bounds: Any,
    start: Any,
    names: Sequence[str] | None,
    moment_weight: float,
    moment_count: int | None,
    independent: bool,
    batch: int,
) -> Posed:
    """Check everything, and find a start."""
    _require_model(model)
    size = _size(model, theta_dim)
    observations = read_observations(data, model.kinds, is_discrete=bool(model.is_discrete))
    read = None if prior is None else read_prior(prior, size)
    known = [None] * size if read is None else supports(read, size)
    transforms = choose_transforms(size, bounds, known, positive=positive)
    target = None
    if moment_weight:
        order = _order(model, moment_count)
        target = moment_target(observations, order, float(moment_weight))
    problem = Problem(
        model,
        observations.values,
        observations.weights,
        float(observations.rows),
        read or _some_prior(transforms),
        transforms,
        target,
        stretch=None if model.kinds is None else Stretch(np.zeros(size), np.eye(size)),
    )
    if start is not None:
        starts = _given_start(start, transforms)[None, :]
    else:
        starts = common_starts(problem, batch)
    if read is None:
        begin = best_of(Likelihood(problem, batch).heights(starts), starts)
        problem = replace(problem, {"prior": default_prior(problem, begin)})
    else:
        begin = best_of(batched(problem, starts, batch)[0], starts)
    called = _names(names, size)
    if model.kinds is not None and not independent:
        problem = corrected(problem, begin, batch)
    return Posed(problem, observations, begin, called)


def _some_prior(transforms: tuple[Any, ...]) -> tuple[Any, ...]:
    """One of the kind that the default will be, so that the same program tells of likelihoods."""
    theta = np.asarray(forward(transforms, np.zeros(len(transforms))))
    pairs = zip(transforms, theta, strict=True)
    return tuple(_default_belief(each, float(value)) for each, value in pairs)


def default_prior(problem: Problem, start: Values) -> tuple[Any, ...]:
    """Weak beliefs around the size at which data are likeliest when all parameters have one size.

    A factor of 360 each way for positive parameters, nothing between bounds, and for others
    a normal distribution with ten times that size.
    """
    theta = np.asarray(forward(problem.transforms, start))
    return tuple(
        _default_belief(each, float(f"{value:.0e}"))
        for each, value in zip(problem.transforms, theta, strict=True)
    )


def _default_belief(transform: Any, typical: float) -> Any:
    if isinstance(transform, Bounded):
        return Uniform(transform.lower, transform.upper)
    if isinstance(transform, Unbounded) or typical <= 0:
        return Normal(0.0, 10 * max(1.0, abs(typical)))
    return LogNormal(typical, DEFAULT_SD)


def _require_model(model: Any) -> None:
    lacking = [name for name in ("density", "theta_length", "kinds") if not hasattr(model, name)]
    if not lacking:
        return
    if hasattr(model, "model") and hasattr(model, "theta_length"):
        raise InvalidPlan(
            f"A model is expected, and a graph was passed, {model.name!r}. Pass graph.model()"
        )
    raise InvalidPlan(
        f"A model is expected, as graph.model() gives it, and a {type(model).__qualname__} was "
        f"passed, which has no {', '.join(lacking)}"
    )


def _size(model: Any, theta_dim: int | None) -> int:
    size = int(model.theta_length)
    if theta_dim is not None and theta_dim != size:
        raise InvalidPlan(
            f"theta_dim is {theta_dim}, and the weights of {model.name!r} depend on {size} "
            f"parameters. Leave theta_dim out, or pass {size}"
        )
    if size == 0:
        raise InvalidPlan(
            f"The weights of {model.name!r} depend on no parameters: there is nothing to infer. "
            "Give its edges coefficients (theta_length=…)"
        )
    return size


def _order(model: Any, count: int | None) -> int:
    order = int(model.order)
    if order == 0 or (count or 1) > order:
        raise InvalidPlan(
            f"{count or 'Some'} moments are asked for, and the model gives {order}. Make it by "
            f"graph.model(moments={count or 2})"
        )
    return count or order


def _given_start(start: Any, transforms: tuple[Any, ...]) -> Values:
    theta = np.atleast_1d(np.asarray(start, dtype=float))
    if theta.shape != (len(transforms),):
        raise InvalidPlan(
            f"The start has shape {theta.shape}; expected a value for each of "
            f"{len(transforms)} parameters"
        )
    point = np.asarray(inverse(transforms, theta))
    if not np.isfinite(point).all():
        raise InvalidPlan(f"The start {theta} is not within the bounds of the parameters")
    return point


def _names(names: Sequence[str] | None, size: int) -> tuple[str, ...]:
    found = tuple(names) if names is not None else tuple(f"theta[{i}]" for i in range(size))
    if len(found) != size or len(set(found)) != size:
        raise InvalidPlan(f"The names are {found}; expected a different one for each of {size}")
    return found
