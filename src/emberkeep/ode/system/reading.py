"""A system as a program: derivatives and definitions, each value computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.light import final, frozen
from emberkeep.ode.system.equations import TIME
from emberkeep.ode.system.parsing import parse_equation
from emberkeep.ode.system.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.ode.system.system import System


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


def read_system(system: System) -> Read:
    """Parse all equations.

    Raises:
        InvalidSystem: points at what cannot be read.
    """
    program = Program()
    names = (TIME, *system.states, *system.parameters, *system.constants)
    values = {name: program.name(name) for name in names}
    definitions: dict[str, int] = {}
    for equation in system.equations[len(system.states) :]:
        value = parse_equation(equation, program, values, system.functions)
        values[equation.target] = definitions[equation.target] = value
    derivatives = tuple(
        parse_equation(equation, program, values, system.functions)
        for equation in system.equations[: len(system.states)]
    )
    return Read(program, derivatives, definitions)
