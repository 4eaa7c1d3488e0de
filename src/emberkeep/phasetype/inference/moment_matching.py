"""The method of moments: parameters with which moments are those of the data; where to start."""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.phasetype.inference.density import moment_target
from emberkeep.phasetype.inference.modes import (
    SMALLEST_BATCH,
    batched,
    best_of,
    common_starts,
    find_mode,
)
from emberkeep.phasetype.inference.setup import pose
from emberkeep.phasetype.inference.transforms import forward
from emberkeep.startup_records import final, frozen, replace
from emberkeep.xla.precision import in_double

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

BATCH = 100


@final
@frozen
class Estimate:
    """Parameters that fit.

    Attributes:
        theta: the parameters.
        by: ``"moments"``, or ``"likelihood"`` where the model gives none.
        residuals: differences of moments in their standard errors, by kind and order; of a good fit
            they are around one. None where there are none.
    """

    theta: Values
    by: str
    residuals: Values | None


def method_of_moments(
    model: Any,
    data: Any,
    *,
    moment_count: int | None = None,
    theta_dim: int | None = None,
    positive: bool | None = None,
    bounds: Any = None,
    start: Any = None,
) -> Estimate:
    """Least squares of standardised differences of moments.

    A model without moments is fitted by its likelihood.

    Args:
        model: as `Graph.model` gives it, with ``moments=k``.
        data: observations.
        moment_count: how many moments; as many as the model gives by default.
        theta_dim: how many parameters there are, if you want that checked.
        positive: as of `SVGD`.
        bounds: as of `SVGD`.
        start: as of `SVGD`.

    Raises:
        InvalidPlan: there are fewer moments than parameters, or data that do not fit the model.
    """
    posed = pose(
        model,
        data,
        theta_dim=theta_dim,
        prior=None,
        positive=positive,
        bounds=bounds,
        start=start,
        names=None,
        moment_weight=0.0,
        moment_count=None,
        independent=True,  # of spreads nothing is said
        batch=BATCH,
    )
    problem, begin = replace(posed.problem, {"prior": None}), posed.start
    if int(model.order) or moment_count:
        order = _order(model, moment_count, problem.size)
        # Without weights no observation counts: what is left is the penalty of moments.
        target = moment_target(posed.observations, order, 1.0)
        changes: dict[str, object] = {"weights": np.zeros_like(problem.weights), "target": target}
        problem = replace(problem, changes)
        if start is None:
            starts = common_starts(problem, BATCH)
            begin = best_of(batched(problem, starts, BATCH)[0], starts)
    found = find_mode(problem, begin, max(BATCH, SMALLEST_BATCH))
    theta = np.asarray(forward(problem.transforms, found.point))
    if problem.target is None:
        return Estimate(theta, "likelihood", None)
    moments = np.asarray(in_double(model.moments)(theta))[..., : problem.target.moments.shape[-1]]
    return Estimate(theta, "moments", (moments - problem.target.moments) / problem.target.errors)


def _order(model: Any, count: int | None, size: int) -> int:
    order = count or int(model.order)
    if order > int(model.order) or order * (model.kinds or 1) < size:
        raise InvalidPlan(
            f"The model gives {model.order} moments of {model.kinds or 1} kinds, and {order} of "
            f"each are to determine {size} parameters. Make it by graph.model(moments={size})"
        )
    return order
