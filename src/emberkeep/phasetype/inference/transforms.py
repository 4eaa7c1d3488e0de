"""From all numbers to those that a parameter may be, and how much that stretches.

Samplers move in unconstrained coordinates; the log-Jacobian is counted there, so a posterior does
not depend on the transform. A transform has `forward`, `inverse` and `log_slope`, the logarithm of
the derivative of `forward`. They are of NumPy's arrays as of JAX's: outside of a program nothing is
compiled for them.
"""

from __future__ import annotations

import math

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.phasetype.inference.records import node
from emberkeep.phasetype.inference.requirements import require
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

jnp: Any = require("jax.numpy")

PAIR = 2


def _library(value: Any) -> Any:
    return np if isinstance(value, (np.ndarray, np.generic, float, int)) else jnp


def _softplus(value: Any) -> Any:
    return _library(value).logaddexp(value, 0.0)


@final
@node
@frozen
class Unbounded:
    """Any number, as it is."""

    def forward(self, point: Any) -> Any:
        """The parameter."""
        return point

    def inverse(self, value: Any) -> Any:
        """The coordinate."""
        return value

    def log_slope(self, point: Any) -> Any:
        """Nothing is stretched."""
        return 0.0 * point


@final
@node
@frozen
class Positive:
    """Numbers over a bound, by their logarithm: what rates and sizes are."""

    lower: Any = 0.0

    def forward(self, point: Any) -> Any:
        """The parameter."""
        return self.lower + _library(point).exp(point)

    def inverse(self, value: Any) -> Any:
        """The coordinate."""
        return _library(value).log(value - self.lower)

    def log_slope(self, point: Any) -> Any:
        """The coordinate itself."""
        return point


@final
@node
@frozen
class Softplus:
    """Numbers over a bound, by log(1 + exp): nearly themselves where they are large."""

    lower: Any = 0.0

    def forward(self, point: Any) -> Any:
        """The parameter."""
        return self.lower + _softplus(point)

    def inverse(self, value: Any) -> Any:
        """The coordinate."""
        over, library = value - self.lower, _library(value)
        return over + library.log(-library.expm1(-over))

    def log_slope(self, point: Any) -> Any:
        """Of a logistic."""
        return -_softplus(-point)


@final
@node
@frozen
class Bounded:
    """Numbers between two bounds, by the logit of where between them."""

    lower: Any
    upper: Any

    def forward(self, point: Any) -> Any:
        """The parameter."""
        return self.lower + (self.upper - self.lower) * _library(point).exp(-_softplus(-point))

    def inverse(self, value: Any) -> Any:
        """The coordinate."""
        library = _library(value)
        return library.log(value - self.lower) - library.log(self.upper - value)

    def log_slope(self, point: Any) -> Any:
        """Of a logistic, and the distance of the bounds."""
        within = -_softplus(-point) - _softplus(point)
        return _library(point).log(self.upper - self.lower) + within


TRANSFORMS = (Unbounded, Positive, Softplus, Bounded)


def forward(transforms: Sequence[Any], point: Any) -> Any:
    """Parameters of a point in unconstrained coordinates."""
    with np.errstate(all="ignore"):  # as JAX: infinities say enough
        parts = [each.forward(point[index]) for index, each in enumerate(transforms)]
    return _library(point).stack(parts)


def inverse(transforms: Sequence[Any], theta: Any) -> Any:
    """The point of parameters; not finite where they are out of bounds."""
    with np.errstate(all="ignore"):
        parts = [each.inverse(theta[index]) for index, each in enumerate(transforms)]
    return _library(theta).stack(parts)


def log_jacobian(transforms: Sequence[Any], point: Any) -> Any:
    """The logarithm of how much a volume grows on the way to parameters."""
    return sum(each.log_slope(point[index]) for index, each in enumerate(transforms))


# Choosing -----------------------------------------------------------------------------------------


def choose_transforms(
    size: int, bounds: Any, supports: Sequence[Any], *, positive: bool | None
) -> tuple[Any, ...]:
    """A transform for each parameter.

    Args:
        size: how many parameters there are.
        bounds: None; or for each parameter a pair of bounds (None: there is none), a transform, or
            None; one pair or transform holds for all.
        supports: where the prior of each is not zero: a pair of bounds, or None where unknown.
        positive: of those for which nothing is said; None: by the prior's support, else positive.
    """
    if bounds is None or isinstance(bounds, TRANSFORMS) or _is_pair(bounds):
        bounds = [bounds] * size
    if len(bounds) != size:
        raise InvalidPlan(
            f"There are bounds of {len(bounds)} parameters, and the model has {size}. Give a pair "
            "(lower, upper) for each, with None where there is no bound"
        )
    return tuple(
        _choose(index, given, support, positive=positive)
        for index, (given, support) in enumerate(zip(bounds, supports, strict=True))
    )


def _is_pair(bounds: Any) -> bool:
    return (
        isinstance(bounds, tuple)
        and len(bounds) == PAIR  # pyright: ignore[reportUnknownArgumentType]
        and all(bound is None or isinstance(bound, (int, float)) for bound in bounds)  # pyright: ignore[reportUnknownVariableType]
        and any(bound is not None for bound in bounds)  # pyright: ignore[reportUnknownVariableType]
    )


def _choose(index: int, given: Any, support: Any, *, positive: bool | None) -> Any:
    if isinstance(given, TRANSFORMS):
        return given
    if given is None and positive is None:
        given = support
    if given is None:
        return Unbounded() if positive is False else Positive()
    try:
        lower, upper = (None if _absent(bound) else float(bound) for bound in given)
    except (TypeError, ValueError):
        raise InvalidPlan(
            f"The bounds of parameter {index} are {given!r}; expected a pair (lower, upper), with "
            "None where there is no bound, or a transform"
        ) from None
    if lower is None:
        if upper is None:
            return Unbounded()
        raise InvalidPlan(
            f"Parameter {index} is bounded from above alone, by {upper}. Give a lower bound too, "
            "or model its negative"
        )
    if upper is None:
        return Positive(lower)
    if not lower < upper:
        raise InvalidPlan(f"The lower bound {lower} of parameter {index} is not below {upper}")
    return Bounded(lower, upper)


def _absent(bound: Any) -> bool:
    return bound is None or math.isinf(bound)
