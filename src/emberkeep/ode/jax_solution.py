# pyright: basic
"""A solution as JAX sees it: a foreign function, whose derivative is its sensitivities.

JAX has no types to speak of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.adjoint import LEAST_ROOM, Pullback
from emberkeep.ode.result import Result
from emberkeep.ode.times import make_times
from emberkeep.xla.precision import in_double, is_double, precision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emberkeep.ode.solver import Solver

# A batch comes as further axes in front, all of it in one call.
ONE_CALL = "expand_dims"


@final
class JaxSolution:
    """A solution as a function of an array; see `ode.jax_function`.

    Attributes:
        names: of what it is given, in their order.
        keys: of what it gives: states, then observables.
        t: times to save; None where it gives the end.
    """

    def __init__(
        self,
        solver: Solver,
        t_span: tuple[float, float],
        parameters: Mapping[str, float],
        initial: Mapping[str, float],
        given: Mapping[str, Any],
        *,
        is_adjoint: bool = False,
    ) -> None:
        system = solver.system
        self.names, self.keys = solver.sensitivities, (*system.states, *system.observables)
        self._solver, self._span, self._given = solver, t_span, dict(given)
        self._parameters, self._initial = parameters, initial
        # Values alone are those of the same steps, and cost less without derivatives.
        self._plain = solver if solver.error_norm != "states" else solver.without_sensitivities()
        times = make_times(t_span, given["save_at"])
        if times.runs > 1:
            raise InvalidPlan(
                "t_span= and save_at= are for several trajectories; a function for JAX has the "
                "same times for all. Make one for each"
            )
        self.t = times.saves
        self._shape = (*(() if self.t is None else (self.t.size,)), len(self.keys))
        self._room = LEAST_ROOM
        if is_adjoint:
            self._pullback(np.ones((1, len(self.names))))  # what has no adjoint shows here
        self._function = self._reversible() if is_adjoint else self._differentiable()

    def __repr__(self) -> str:
        return f"<JaxSolution of {self._solver.system.name}: a function of {', '.join(self.names)}>"

    def __call__(self, theta: Any) -> dict[str, Any]:
        """States and observables by name: at each time to save, or at the end.

        Args:
            theta: a value for each of `names`.
        """
        double = is_double()
        with precision(double=True):
            values = jnp.asarray(theta, jnp.float64)
            if values.shape != (len(self.names),):
                raise InvalidPlan(
                    f"theta has the shape {values.shape}; expected ({len(self.names)},): a value "
                    f"for each of {', '.join(self.names)}. For several use jax.vmap"
                )
            found = self._function(values)
            found = found if double else found.astype("float32")
            return {key: found[..., place] for place, key in enumerate(self.keys)}

    def _differentiable(self) -> Callable[[Any], Any]:
        count = len(self.names)

        @jax.custom_jvp
        def function(theta: Any) -> Any:
            [values] = _called(self._values, [self._shape], theta)
            return values

        @jax.custom_jvp
        def both(theta: Any) -> Any:
            return _called(self._derivatives, [self._shape, (*self._shape, count)], theta)

        @function.defjvp
        @in_double
        def _(primals: Any, tangents: Any) -> Any:
            values, jacobian = both(primals[0])
            # No product of matrices: backwards, JAX would ask for it with the user's precision.
            return values, (jacobian * tangents[0]).sum(axis=-1)

        @both.defjvp
        def _(_primals: Any, _tangents: Any) -> Any:
            raise self._no_second_derivatives()

        return function

    def _reversible(self) -> Callable[[Any], Any]:
        """The same with a derivative backwards alone."""

        @jax.custom_vjp
        def function(theta: Any) -> Any:
            [values] = _called(self._values, [self._shape], theta)
            return values

        @jax.custom_jvp
        def pulled(theta: Any, weights: Any) -> Any:
            [gradient] = _called(self._pulled, [theta.shape], theta, weights)
            return gradient

        @pulled.defjvp
        def _(_primals: Any, _tangents: Any) -> Any:
            raise self._no_second_derivatives()

        @in_double
        def backwards(theta: Any, weights: Any) -> Any:
            return (pulled(theta, weights),)

        function.defvjp(lambda theta: (function(theta), theta), backwards)
        return function

    def _no_second_derivatives(self) -> InvalidPlan:
        return InvalidPlan(
            f"JAX asks for second derivatives of {self!r}, which has first ones only. Use a "
            "method that needs no more, such as Gauss-Newton: scipy.optimize.least_squares, or "
            "jax.jacfwd of residuals"
        )

    # Called by XLA ----------------------------------------------------------------------------

    def _values(self, rows: Any) -> list[Any]:
        found = self._columns(self._solved(self._plain, rows))
        return [found.reshape(*rows.shape[:-1], *self._shape)]

    def _derivatives(self, rows: Any) -> list[Any]:
        result = self._solved(self._solver, rows)
        values = self._columns(result).reshape(*rows.shape[:-1], *self._shape)
        parts = [self._columns(result.sensitivities[name]) for name in self.names]
        jacobian = np.stack(parts, axis=-1)
        return [values, jacobian.reshape(*rows.shape[:-1], *self._shape, len(self.names))]

    def _pulled(self, rows: Any, weights: Any) -> list[Any]:
        """Gradients of a loss at each row; the weights are its derivatives by what there is."""
        batch = np.broadcast_shapes(rows.shape[:-1], weights.shape[: -len(self._shape)])
        rows = np.broadcast_to(rows, (*batch, len(self.names)))
        weights = np.broadcast_to(weights, (*batch, *self._shape))
        weights = weights.reshape(-1, 1 if self.t is None else self.t.size, len(self.keys))
        pullback = self._pullback(rows)
        found = pullback.pull(weights.astype(self._plain.precision))
        self._room = pullback.room
        return [found.reshape(*batch, len(self.names))]

    def _pullback(self, rows: Any) -> Pullback:
        job = self._plain.job(self._span, **self._numbers(rows), **self._given)
        return Pullback(self._solver, job, room=self._room)

    def _solved(self, solver: Solver, rows: Any) -> Result:
        """A batch with a trajectory for each row."""
        found = solver.solve(self._span, **self._numbers(rows), memory=np.inf, **self._given)
        assert isinstance(found, Result)
        return found

    def _numbers(self, rows: Any) -> dict[str, Any]:
        """Parameters and initial values of a batch with a trajectory for each row."""
        system = self._solver.system
        columns = dict(zip(self.names, rows.reshape(-1, len(self.names)).T, strict=True))
        parameters = {name: each for name, each in columns.items() if name in system.parameters}
        initial = {name: each for name, each in columns.items() if name in system.states}
        return {
            "parameters": {**self._parameters, **parameters},
            "initial": {**self._initial, **initial},
        }

    def _columns(self, result: Result) -> Any:
        """States, then observables, in double precision."""
        return np.stack([result[key] for key in self.keys], axis=-1).astype(np.float64)


def _called(
    function: Callable[..., list[Any]], shapes: list[tuple[int, ...]], *given: Any
) -> tuple[Any, ...]:
    """A call of Python with double precision, as words of 32 bits.

    JAX rounds doubles by the setting of whoever runs the program, who may have another one.
    """

    def words(*given: Any) -> tuple[Any, ...]:
        rows = [np.ascontiguousarray(each).view(np.float64)[..., 0] for each in given]
        made = (np.ascontiguousarray(each, np.float64) for each in function(*rows))
        return tuple(each[..., None].view(np.uint32) for each in made)

    wanted = tuple(jax.ShapeDtypeStruct((*shape, 2), jnp.uint32) for shape in shapes)
    passed = [jax.lax.bitcast_convert_type(each, jnp.uint32) for each in given]
    found = jax.pure_callback(words, wanted, *passed, vmap_method=ONE_CALL)
    return tuple(jax.lax.bitcast_convert_type(each, jnp.float64) for each in found)
