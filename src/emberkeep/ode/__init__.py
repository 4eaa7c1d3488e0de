"""Batches of ordinary differential equations on CPUs and GPUs."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.adjoint import Pullback, vjp
    from emberkeep.ode.control.controller import Controller
    from emberkeep.ode.differentiable import jax_function
    from emberkeep.ode.drivers import Driver
    from emberkeep.ode.events.event import Event, SteadyState
    from emberkeep.ode.events.found import Occurrences
    from emberkeep.ode.ivp import solve_ivp
    from emberkeep.ode.methods.implicit import ImplicitTableau
    from emberkeep.ode.methods.multistep import MultistepTableau
    from emberkeep.ode.methods.rosenbrock import RosenbrockTableau
    from emberkeep.ode.methods.tableau import Tableau
    from emberkeep.ode.result import Result
    from emberkeep.ode.solver import Solver, solve
    from emberkeep.ode.stored.result import StoredResult, open_result
    from emberkeep.ode.summary import Summary
    from emberkeep.ode.system.system import System

__all__ = [
    "Controller",
    "Driver",
    "Event",
    "ImplicitTableau",
    "MultistepTableau",
    "Occurrences",
    "Pullback",
    "Result",
    "RosenbrockTableau",
    "Solver",
    "SteadyState",
    "StoredResult",
    "Summary",
    "System",
    "Tableau",
    "jax_function",
    "open_result",
    "solve",
    "solve_ivp",
    "vjp",
]

_HOMES = {
    "Controller": "control.controller",
    "Driver": "drivers",
    "Event": "events.event",
    "Occurrences": "events.found",
    "ImplicitTableau": "methods.implicit",
    "MultistepTableau": "methods.multistep",
    "Pullback": "adjoint",
    "Result": "result",
    "RosenbrockTableau": "methods.rosenbrock",
    "Solver": "solver",
    "SteadyState": "events.event",
    "StoredResult": "stored.result",
    "Summary": "summary",
    "System": "system.system",
    "Tableau": "methods.tableau",
    "jax_function": "differentiable",
    "open_result": "stored.result",
    "solve": "solver",
    "solve_ivp": "ivp",
    "vjp": "adjoint",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'emberkeep.ode' has no attribute {name!r}")
    home = __import__(f"emberkeep.ode.{_HOMES[name]}", fromlist=(name,))
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
