"""A system as a program: derivatives and definitions, each value computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emberkeep.ode.system.equations import DEFINITION, IMPLICIT, TIME
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
        derivatives: the value of each state's derivative; where there is a mass matrix, of each
            row's right-hand side.
        definitions: the value of each intermediate name; all observables are among them.
        reasons: why each function of the user's that is compiled by itself could not be followed.
        variational: of a system with sensitivities, what the derivatives of its own states make
            those of sensitivities of, which come behind them.
        mass: the entries of the mass matrix, by row and column; None where derivatives are given.
    """

    program: Program
    derivatives: tuple[int, ...]
    definitions: Mapping[str, int]
    reasons: Mapping[str, str]
    variational: Variational | None = None
    mass: Mapping[tuple[int, int], int] | None = None

    @property
    def algebraic(self) -> tuple[int, ...]:
        """The rows of the mass matrix in which there is nothing."""
        if self.mass is None:
            return ()
        rows = {row for row, _ in self.mass}
        return tuple(row for row in range(len(self.derivatives)) if row not in rows)


def read_equations(
    equations: Sequence[Equation],
    names: Sequence[str],
    functions: Mapping[str, Callable[..., float]],
    *,
    follow: bool = False,
) -> Read:
    """Parse all equations.

    Args:
        equations: derivatives in the order of states, implicit ones in place of those that have
            none; definitions after those that they need.
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
        if equation.kind == DEFINITION:
            value = parse_equation(equation, program, values, functions, calls)
            values[equation.target] = definitions[equation.target] = value
    rows = [equation for equation in equations if equation.kind != DEFINITION]

    def parse(equation: Equation, more: Mapping[str, int]) -> int:
        return parse_equation(equation, program, {**values, **more}, functions, calls)

    if any(equation.kind == IMPLICIT for equation in rows):
        from emberkeep.ode.system.implicit import read_rows

        derivatives, mass = read_rows(rows, program, names[: len(rows)], parse)
        return Read(program, derivatives, definitions, reasons, mass=mass)
    derivatives = tuple(parse(equation, {}) for equation in rows)
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
