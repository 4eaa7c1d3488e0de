"""What is believed of parameters before there are data.

A prior is one of these, any object with `log_prob` (such as NumPyro's distributions), or a function
of the parameter vector. A sequence has one for each parameter; a single one holds for every
parameter, unless it is a function or a joint distribution: these see the whole vector. Their
numbers are data of a compiled program, so another prior of the same kind compiles nothing.
"""

from __future__ import annotations

import math

from emberkeep.errors import InvalidPlan
from emberkeep.phasetype.inference.records import node, structure
from emberkeep.phasetype.inference.requirements import require
from emberkeep.startup_records import final, frozen
from emberkeep.xla.precision import is_double, precision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Prior(Protocol):
        """Anything with a log density."""

        def log_prob(self, value: Any) -> Any:
            """The logarithm of the density, by element or as a whole."""
            ...


jax: Any = require("jax")
jnp: Any = require("jax.numpy")

LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)
EVERYTHING = (None, None)
OVER_ZERO = (0.0, None)


def _within(lower: Any, value: Any, upper: Any, log_density: Callable[[Any], Any]) -> Any:
    """Minus infinity outside of the support, without spoiling gradients there."""
    inside = (value >= lower) & (value <= upper)
    return jnp.where(inside, log_density(jnp.where(inside, value, 0.5)), -jnp.inf)


@final
@node
@frozen
class Normal:
    """By mean and standard deviation."""

    mean: Any = 0.0
    sd: Any = 1.0

    @property
    def support(self) -> tuple[Any, Any]:
        """Bounds."""
        return EVERYTHING

    def log_prob(self, value: Any) -> Any:
        """The log density."""
        return -0.5 * ((value - self.mean) / self.sd) ** 2 - jnp.log(self.sd) - LOG_ROOT_TWO_PI


@final
@node
@frozen
class HalfNormal:
    """The absolute value of a normal variable around zero."""

    sd: Any = 1.0

    @property
    def support(self) -> tuple[Any, Any]:
        """Bounds."""
        return OVER_ZERO

    def log_prob(self, value: Any) -> Any:
        """The log density."""
        full = Normal(0.0, self.sd)
        return _within(0.0, value, jnp.inf, lambda x: full.log_prob(x) + math.log(2))


@final
@node
@frozen
class LogNormal:
    """By the median, and the standard deviation of the logarithm."""

    median: Any = 1.0
    sd: Any = 1.0

    @property
    def support(self) -> tuple[Any, Any]:
        """Bounds."""
        return OVER_ZERO

    def log_prob(self, value: Any) -> Any:
        """The log density."""
        inside = value > 0
        logs = jnp.log(jnp.where(inside, value, 1.0))
        of_log = Normal(jnp.log(self.median), self.sd).log_prob(logs) - logs
        return jnp.where(inside, of_log, -jnp.inf)


@final
@node
@frozen
class Gamma:
    """By shape and rate."""

    shape: Any
    rate: Any = 1.0

    @property
    def support(self) -> tuple[Any, Any]:
        """Bounds."""
        return OVER_ZERO

    def log_prob(self, value: Any) -> Any:
        """The log density."""
        shape = jnp.asarray(self.shape, float)
        constant = shape * jnp.log(self.rate) - jax.scipy.special.gammaln(shape)
        inside = value > 0
        safe = jnp.where(inside, value, 1.0)
        log_density = constant + (shape - 1) * jnp.log(safe) - self.rate * safe
        return jnp.where(inside, log_density, -jnp.inf)


@final
@node
@frozen
class Exponential:
    """By rate."""

    rate: Any = 1.0

    @property
    def support(self) -> tuple[Any, Any]:
        """Bounds."""
        return OVER_ZERO

    def log_prob(self, value: Any) -> Any:
        """The log density."""
        return _within(0.0, value, jnp.inf, lambda x: jnp.log(self.rate) - self.rate * x)


@final
@node
@frozen
class Uniform:
    """Between two bounds."""

    lower: Any
    upper: Any

    @property
    def support(self) -> tuple[Any, Any]:
        """Bounds."""
        return self.lower, self.upper

    def log_prob(self, value: Any) -> Any:
        """The log density."""
        height = -jnp.log(self.upper - self.lower)
        return _within(self.lower, value, self.upper, lambda x: height + jnp.zeros_like(x))


@final
@node
@frozen
class Beta:
    """Between zero and one, by two shapes."""

    a: Any
    b: Any

    @property
    def support(self) -> tuple[Any, Any]:
        """Bounds."""
        return 0.0, 1.0

    def log_prob(self, value: Any) -> Any:
        """The log density."""
        constant = jax.scipy.special.betaln(jnp.asarray(self.a, float), jnp.asarray(self.b, float))

        def log_density(x: Any) -> Any:
            return (self.a - 1) * jnp.log(x) + (self.b - 1) * jnp.log1p(-x) - constant

        return _within(0.0, value, 1.0, log_density)


@final
@structure
@frozen
class Function:
    """A user's function of all parameters, which gives the log density; part of the program."""

    function: Callable[[Any], Any]

    def log_prob(self, value: Any) -> Any:
        """The log density."""
        return self.function(value)


@final
@node
@frozen
class Single:
    """A prior of a user who computes in single precision: it sees such numbers, and no others."""

    prior: Any

    @property
    def support(self) -> Any:
        """The prior's."""
        return getattr(self.prior, "support", None)

    def log_prob(self, value: Any) -> Any:
        """The log density."""
        with precision(double=False):
            found = jax.tree.map(_narrow, self.prior).log_prob(_narrow(value))
        return jnp.asarray(found, float)


def _narrow(value: Any) -> Any:
    """As it is where JAX is set to single precision."""
    array = jnp.asarray(value)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype))


OWN = (Normal, HalfNormal, LogNormal, Gamma, Exponential, Uniform, Beta)


def read_prior(prior: Any, size: int) -> Any:
    """A prior as JAX sees it: an object with `log_prob`, or a tuple of such, one a parameter.

    Raises:
        InvalidPlan: it is neither, or not for as many parameters.
    """
    if isinstance(prior, OWN):
        return prior
    if hasattr(prior, "log_prob"):
        return prior if is_double() else Single(prior)
    if callable(prior):
        return read_prior(Function(prior), size)
    if not isinstance(prior, (list, tuple)):
        raise InvalidPlan(
            f"The prior is {prior!r}; expected an object with log_prob, a function of all "
            "parameters that gives the log density, or a sequence with a prior for each parameter"
        )
    each: list[Any] = [read_prior(one, 1) for one in prior]  # pyright: ignore[reportUnknownVariableType]
    if len(each) != size:
        raise InvalidPlan(
            f"There are priors of {len(each)} parameters, and the model has {size}: give one for "
            "each, or a single one for all"
        )
    return tuple(each)


def log_prior(prior: Any, theta: Any) -> Any:
    """The log density of a parameter vector."""
    if hasattr(prior, "log_prob"):
        return jnp.sum(prior.log_prob(theta))
    return sum(jnp.sum(each.log_prob(theta[index])) for index, each in enumerate(prior))


def supports(prior: Any, size: int) -> list[Any]:
    """Bounds of each parameter as its prior says; None where it does not say."""
    if hasattr(prior, "log_prob"):
        return [_support(prior)] * size
    return [_support(each) for each in prior]


def _support(prior: Any) -> Any:
    support = getattr(prior, "support", None)
    if support is None or isinstance(support, tuple):
        return support  # pyright: ignore[reportUnknownVariableType]
    # NumPyro's constraints.
    if type(support).__name__.strip("_").lower() == "real":
        return EVERYTHING
    bounds = [getattr(support, f"{side}_bound", None) for side in ("lower", "upper")]
    scalar = [None if bound is None or jnp.ndim(bound) else float(bound) for bound in bounds]
    return None if scalar == [None, None] else tuple(scalar)
