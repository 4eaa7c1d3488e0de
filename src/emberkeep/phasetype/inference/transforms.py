"""From all numbers to those that a parameter may be, and how much that stretches.

Samplers move in unconstrained coordinates; the log-Jacobian is counted there, so a posterior does
not depend on the transform. A transform has `forward`, `inverse` and `log_slope`, the logarithm of
the derivative of `forward`.
"""

from __future__ import annotations

import math

from emberkeep.errors import InvalidPlan
from emberkeep.light import final, frozen
from emberkeep.phasetype.inference.records import node
from emberkeep.phasetype.inference.requirements import require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

jax: Any = require("jax")
jnp: Any = require("jax.numpy")

PAIR = 2


@final
@node
@frozen
class Unbounded:
    """Any number, as it is."""

    def forward(self, point: Any) -> Any:
        """The parameter."""
        return jnp.asarray(point)

    def inverse(self, value: Any) -> Any:
        """The coordinate."""
        return jnp.asarray(value)

    def log_slope(self, point: Any) -> Any:
        """Nothing is stretched."""
        return jnp.zeros_like(point)


@final
@node
@frozen
class Positive:
    """Numbers over a bound, by their logarithm: what rates and sizes are."""

    lower: Any = 0.0

    def forward(self, point: Any) -> Any:
        """The parameter."""
        return self.lower + jnp.exp(point)

    def inverse(self, value: Any) -> Any:
        """The coordinate."""
        return jnp.log(value - self.lower)

    def log_slope(self, point: Any) -> Any:
        """The coordinate itself."""
        return jnp.asarray(point)


@final
@node
@frozen
class Softplus:
    """Numbers over a bound, by log(1 + exp): nearly themselves where they are large."""

    lower: Any = 0.0

    def forward(self, point: Any) -> Any:
        """The parameter."""
        return self.lower + jax.nn.softplus(point)

    def inverse(self, value: Any) -> Any:
        """The coordinate."""
        over = value - self.lower
        return over + jnp.log(-jnp.expm1(-over))

    def log_slope(self, point: Any) -> Any:
        """Of a logistic."""
        return -jax.nn.softplus(-point)


@final
@node
@frozen
class Bounded:
    """Numbers between two bounds, by the logit of where between them."""

    lower: Any
    upper: Any

    def forward(self, point: Any) -> Any:
        """The parameter."""
        return self.lower + (self.upper - self.lower) * jax.nn.sigmoid(point)

    def inverse(self, value: Any) -> Any:
        """The coordinate."""
        return jnp.log(value - self.lower) - jnp.log(self.upper - value)

    def log_slope(self, point: Any) -> Any:
        """Of a logistic, and the distance of the bounds."""
        within = -jax.nn.softplus(-point) - jax.nn.softplus(point)
        return jnp.log(self.upper - self.lower) + within


TRANSFORMS = (Unbounded, Positive, Softplus, Bounded)


def forward(transforms: Sequence[Any], point: Any) -> Any:
    """Parameters of a point in unconstrained coordinates."""
    return jnp.stack([each.forward(point[index]) for index, each in enumerate(transforms)])


def inverse(transforms: Sequence[Any], theta: Any) -> Any:
    """The point of parameters; not finite where they are out of bounds."""
    return jnp.stack([each.inverse(theta[index]) for index, each in enumerate(transforms)])


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
