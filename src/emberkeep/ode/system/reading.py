"""A system as a program: derivatives and definitions, each value computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.system.equations import TIME
from emberkeep.ode.system.parsing import parse_equation
from emberkeep.ode.system.program import Program
from emberkeep.startup_records import final, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emberkeep.ode.system.equations import Equation


@final
@frozen
class Read:
    """A system's program.

    Attributes:
        program: its instructions.
        derivatives: the value of each state's derivative.
        definitions: the value of each intermediate name.
    """

    program: Program
    derivatives: tuple[int, ...]
    definitions: Mapping[str, int]


def read_equations(
    equations: Sequence[Equation],
    names: Sequence[str],
    functions: Mapping[str, Callable[..., float]],
) -> Read:
    """Parse all equations.

    Args:
        equations: derivatives in the order of states; definitions after those that they need.
        names: of states, parameters and constants.
        functions: what users call by a name of their own.

    Raises:
        InvalidSystem: points at what cannot be read.
    """
    program = Program()
    values = {name: program.name(name) for name in (TIME, *names)}
    definitions: dict[str, int] = {}
    for equation in equations:
        if not equation.is_derivative:
            value = parse_equation(equation, program, values, functions)
            values[equation.target] = definitions[equation.target] = value
    derivatives = tuple(
        parse_equation(equation, program, values, functions)
        for equation in equations
        if equation.is_derivative
    )
    return Read(program, derivatives, definitions)
