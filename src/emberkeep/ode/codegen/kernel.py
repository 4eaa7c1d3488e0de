"""The generated source as a kernel that a target compiles."""

# The fields of the tuples that a user's function is given are the user's own.
# pyright: reportUntypedNamedTuple=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections import namedtuple
from typing import TYPE_CHECKING, Any

import numpy as np

from emberkeep.errors import InvalidSystem
from emberkeep.ode.codegen.generate import ENTRY, generate
from emberkeep.ode.codegen.printing import TARGETS_OWN, USERS
from emberkeep.ode.plan import signature
from emberkeep.targets.arguments import parse_signature
from emberkeep.targets.protocol import KernelSource, function_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.ode.plan import Plan
    from emberkeep.ode.system.system import System
    from emberkeep.targets.protocol import Target

# Liberties that change no result by more than rounding, and leave not-a-number alone: it is what
# tells a failed trajectory from a good one. "afn" lets exp, log, sin, cos and pow be vectors.
LIBERTIES = ("afn", "arcp", "contract", "nsz")


def kernel_source(plan: Plan, target: Target) -> KernelSource:
    """What is compiled for a plan.

    Raises:
        InvalidSystem: an equation cannot be read, or the system's function gives something else
            than a derivative for each state.
    """
    on_device = target.name == "cuda"
    generated = generate(plan, on_device=on_device)
    real = np.float32 if plan.precision == "float32" else np.float64
    names: dict[str, Any] = {
        "math": math,
        "numpy": np,
        "real": real,
        "single": np.float32,
        **_targets_own(target.vocabulary(), plan.precision),
        **_users_own(plan.system),
    }
    function = function_from(generated.text, ENTRY, names)
    options: dict[str, Any] = {"inline": generated.inlined}
    if not on_device:  # there, any liberty would be all of them
        options["fastmath"] = LIBERTIES
    types = parse_signature(signature(plan, on_device=on_device))
    return KernelSource(plan.system.name, function, types, options, generated.text, generated.notes)


def _targets_own(vocabulary: Mapping[str, Any], precision: str) -> dict[str, Any]:
    """A target's words, with floor, ceil and fmod as it has them: NumPy's, or those of CUDA's library."""
    library = vocabulary.get("libdevice")
    if library is None:
        return {**vocabulary, **{name: getattr(np, name) for name in TARGETS_OWN}}
    suffix = "f" if precision == "float32" else ""
    return {**vocabulary, **{name: getattr(library, f"{name}{suffix}") for name in TARGETS_OWN}}


def _users_own(system: System) -> dict[str, Any]:
    """The user's functions, by the names they have in the generated code."""
    if system.function is None:
        return {f"{USERS}{name}": function for name, function in system.functions.items()}
    inputs = {**system.parameters, **system.constants}
    states = namedtuple("States", [*system.states])  # noqa: PYI024 - its fields are the user's
    parameters = namedtuple("Parameters", [*inputs])  # noqa: PYI024
    _try(system, states(**system.states), parameters(**inputs))
    return {"equations": system.function, "States": states, "Parameters": parameters}


def _try(system: System, states: Any, parameters: Any) -> None:
    """Call the user's function once, as Python: errors are clearer here than from a compiler."""
    assert system.function is not None
    with np.errstate(all="ignore"):
        try:
            found: Any = system.function(0.0, states, parameters)
        except (ArithmeticError, ValueError):  # compiled, that is infinity or not-a-number
            return
        except (TypeError, AttributeError, NameError, LookupError) as problem:
            raise InvalidSystem(
                f"The function of the system {system.name!r} cannot be called as f(t, y, p), with "
                f"y.{next(iter(system.states))} and so on: {type(problem).__name__}: {problem}"
            ) from problem
    count = len(system.states)
    if not isinstance(found, tuple) or len(found) != count:
        size = f" of {len(found)}" if hasattr(found, "__len__") else ""
        raise InvalidSystem(
            f"The function of the system {system.name!r} gave a {type(found).__name__}{size}; it "
            f"must return a tuple with the derivatives of {', '.join(system.states)}, in this "
            'order: "return dx, dy". Compiled code makes no lists or arrays'
        )
