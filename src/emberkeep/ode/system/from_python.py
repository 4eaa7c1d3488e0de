"""Right-hand sides that are Python functions ``f(t, y, p)``, as programs.

They are run once, on symbols. One that cannot be followed is a single instruction, and whoever
prints programs has it compiled as it is.
"""

# A function may give anything.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.equations import TIME
from emberkeep.ode.system.evaluate import record
from emberkeep.ode.system.following import follow
from emberkeep.ode.system.program import External, Program
from emberkeep.ode.system.reading import Read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_NOTHING = object()  # what a function gives that is not defined at its defaults


def read_function(
    function: Callable[..., Any],
    states: Mapping[str, float],
    inputs: Mapping[str, float],
    observables: Sequence[str],
    name: str,
) -> Read:
    """Run a function ``f(t, y, p)`` on symbols, or take it as it is.

    Args:
        function: returns the derivatives, in the order of the states or by their names; then, if
            there are any, ``{name: value}`` with the observables.
        states: names and likely values.
        inputs: those of parameters and constants.
        observables: what it must give beside the derivatives.
        name: of the system, for messages.

    Raises:
        InvalidSystem: it cannot be called so, or gives something else.
    """

    def arrange(flat: Sequence[Any]) -> tuple[Any, ...]:
        given = record("States", (*states,), flat[1 : len(states) + 1])
        return flat[0], given, record("Inputs", (*inputs,), flat[len(states) + 1 :])

    def collect(found: Any) -> Sequence[Any]:
        return _listed(found, (*states,), observables, name)

    defaults = (0.0, *states.values(), *inputs.values())
    plain = _called(function, arrange(defaults), next(iter(states)), name)
    if plain is not _NOTHING:
        collect(plain)
    program = Program()
    operands = [program.name(each) for each in (TIME, *states, *inputs)]
    found = follow(function, program, operands, defaults, arrange=arrange, collect=collect)
    if not isinstance(found, str):
        derivatives, rest = found[: len(states)], found[len(states) :]
        return Read(program, derivatives, dict(zip(observables, rest, strict=True)), {})
    if observables or not (plain is _NOTHING or isinstance(plain, tuple)):
        wanted = "without observables" if observables else "a tuple, as in: return dx, dy"
        raise InvalidSystem(
            f"The function of the system {name!r} cannot be followed: {found}. Such a function is "
            f"compiled as it is, and must give derivatives alone, {wanted}; or write it without "
            "that, with operators, functions of math and NumPy, and numpy.where for branches"
        )
    program = Program()
    operands = [program.name(each) for each in (TIME, *states, *inputs)]
    external = External(function, (*states,), (*inputs,))
    return Read(program, program.external(external, *operands), {}, {"f(t, y, p)": found})


def _called(function: Callable[..., Any], arguments: Sequence[Any], state: str, name: str) -> Any:
    """What a function gives as Python: errors are clearer here than from a compiler."""
    with np.errstate(all="ignore"):
        try:
            return function(*arguments)
        except (ArithmeticError, ValueError):  # compiled, that is infinity or not-a-number
            return _NOTHING
        except (TypeError, AttributeError, NameError, LookupError) as problem:
            raise InvalidSystem(
                f"The function of the system {name!r} cannot be called as f(t, y, p), with "
                f"y.{state} and so on: {type(problem).__name__}: {problem}"
            ) from problem


def _parted(found: Any) -> tuple[Any, Mapping[str, Any]]:
    """Derivatives, and observables by name."""
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], Mapping):  # noqa: PLR2004
        return found[0], found[1]
    return found, {}


def _listed(found: Any, states: Sequence[str], observables: Sequence[str], name: str) -> list[Any]:
    """Derivatives in the order of the states, then observables."""
    found, more = _parted(found)
    if isinstance(found, Mapping):
        given: dict[str, Any] = {**found, **more}
        missing = [each for each in (*states, *observables) if each not in given]
        unknown = [each for each in given if each not in (*states, *observables)]
        if missing or unknown:
            problem = f"has nothing for {missing}" if missing else f"has {unknown} beside them"
            raise InvalidSystem(
                f"The function of the system {name!r} gave a dictionary that {problem}; it must "
                f"have the derivatives of {', '.join(states)}, and of nothing else but what is "
                f"listed in observables=, which is {[*observables]}"
            )
        return [given[each] for each in (*states, *observables)]
    if len(states) == 1 and not hasattr(found, "__len__"):
        found = (found,)
    size = f" of {len(found)}" if hasattr(found, "__len__") else ""
    if not size or isinstance(found, str) or len(found) != len(states):
        raise InvalidSystem(
            f"The function of the system {name!r} gave a {type(found).__name__}{size}; it "
            f"must return the derivatives of {', '.join(states)}, in this order or by name: "
            '"return dx, dy"'
        )
    if sorted(more) != sorted(observables):
        raise InvalidSystem(
            f"The function of the system {name!r} gives the observables {sorted(more)}, and "
            f"{sorted(observables)} are listed in observables=. Return them behind the "
            'derivatives: "return (dx, dy), {name: value}"'
        )
    return [*found, *(more[each] for each in observables)]
