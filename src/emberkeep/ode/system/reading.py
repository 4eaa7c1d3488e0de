"""A system as a program: derivatives and definitions, each value computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emberkeep.ode.system.equations import TIME
from emberkeep.ode.system.parsing import parse_equation
from emberkeep.ode.system.program import Program
from emberkeep.startup_records import final, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emberkeep.ode.system.equations import Equation
    from emberkeep.ode.system.sensitivities import Variational


@final
@frozen
class Read:
    """A system's program.

    Attributes:
        program: its instructions.
        derivatives: the value of each state's derivative.
        definitions: the value of each intermediate name; all observables are among them.
        reasons: why each function of the user's that is compiled by itself could not be followed.
        variational: of a system with sensitivities, what the derivatives of its own states make
            those of sensitivities of, which come behind them.
    """

    program: Program
    derivatives: tuple[int, ...]
    definitions: Mapping[str, int]
    reasons: Mapping[str, str]
    variational: Variational | None = None


def read_equations(
    equations: Sequence[Equation],
    names: Sequence[str],
    functions: Mapping[str, Callable[..., float]],
    *,
    follow: bool = False,
) -> Read:
    """Parse all equations.

    Args:
        equations: derivatives in the order of states; definitions after those that they need.
        names: of states, parameters and constants.
        functions: what users call by a name of their own.
        follow: whether these are written into the program where that can be, in place of a call;
            they are run for it.

    Raises:
        InvalidSystem: points at what cannot be read.
    """
    program = Program()
    values = {name: program.name(name) for name in (TIME, *names)}
    definitions: dict[str, int] = {}
    reasons: dict[str, str] = {}
    calls = _calls(program, functions, reasons) if follow else {}
    for equation in equations:
        if not equation.is_derivative:
            value = parse_equation(equation, program, values, functions, calls)
            values[equation.target] = definitions[equation.target] = value
    derivatives = tuple(
        parse_equation(equation, program, values, functions, calls)
        for equation in equations
        if equation.is_derivative
    )
    return Read(program, derivatives, definitions, reasons)


def read_beside(
    equations: Sequence[Equation],
    read: Read,
    names: Sequence[str],
    functions: Mapping[str, Callable[..., float]],
) -> list[int]:
    """The values of further texts in a system's program.

    Args:
        equations: definitions that no equation uses.
        read: the system; its program gets their instructions.
        names: of states, parameters, constants and drivers.
        functions: what users call by a name of their own.

    Raises:
        InvalidSystem: points at what cannot be read.
    """
    program = read.program
    values = {name: program.name(name) for name in (TIME, *names)} | dict(read.definitions)
    calls = _calls(program, functions, dict(read.reasons))
    return [parse_equation(each, program, values, functions, calls) for each in equations]


def _calls(
    program: Program, functions: Mapping[str, Callable[..., float]], reasons: dict[str, str]
) -> dict[str, Callable[..., int]]:
    """For each of the user's functions, what writes a call of it."""

    def writing(name: str) -> Callable[..., int]:
        def call(*operands: int) -> int:
            from emberkeep.ode.system.following import follow

            if name not in reasons:
                found = follow(
                    functions[name],
                    program,
                    operands,
                    [1.0] * len(operands),
                    arrange=tuple,
                    collect=_alone,
                )
                if not isinstance(found, str):
                    return found[0]
                reasons[name] = found
            return program.call(f"user {name}", *operands)

        return call

    return {name: writing(name) for name in functions}


def _alone(found: Any) -> Sequence[Any]:
    return (found,)
