"""Whether the solution of a system has derivatives, and its variational equations give them.

Where a right-hand side jumps at a place that a parameter moves, sensitivities jump as well. Times
that are known beforehand are gone across by steps that are chosen. All other jumps, such as where a
state reaches a threshold, are found by nobody; so whatever may jump there is refused, unless it is
seen not to: around places where both sides of a comparison are equal, differences of values become
smaller with the distance. Such places are looked at until all other comparisons have held at some
and not at others, as what jumps may be hidden behind them.
"""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

import numpy as np

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.breakpoints import breakpoints
from emberkeep.ode.system.derivatives import jacobian
from emberkeep.ode.system.equations import TIME
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.program import COMPARISONS
from emberkeep.ode.system.variational import JUMPING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.system import System

# Comparisons that change as values cross each other.
_CROSSINGS = frozenset(COMPARISONS) - {"==", "!="}
# How many places have to be found, and where other comparisons hide what jumps, such as a window of
# time; how often they are looked for, and how equal sides are there.
_PLACES, _HIDDEN, _TRIES, _TURNS, _NEAR = 6, 200, 2000, 30, 1e-12
# How far from it is looked, and what is left of a difference at the nearer distance: of a corner
# 1e-4, of a root 1e-2, of a jump all.
_FAR, _CLOSE, _SHARE, _ROUNDING = 1e-4, 1e-8, 0.05, 1e-10
_LONGEST = 60  # of a comparison in a message


def require_differentiable(system: System, read: Read, *, crosses: bool) -> None:
    """Refuse sensitivities that would be wrong.

    Args:
        system: with its sensitivities.
        read: its program.
        crosses: whether steps end where times of jumps are known beforehand.

    Raises:
        InvalidSystem: names what jumps.
    """
    _require_still_mass(system, read)
    own = read.derivatives[: len(system.own_states)]
    jumps = _Jumps(system, read, own, _changed(system, read))
    for value in jumps.moved(known_too=not crosses):
        if not jumps.is_continuous(value):
            raise InvalidSystem(
                f"There are no sensitivities of {system.name}: its right-hand side jumps with "
                f"{_short(read, value)}, at a time that depends on what it is differentiated by"
                + (
                    ", and steps of fixed length do not end there. Choose a method that estimates "
                    "its error"
                    if not crosses and jumps.is_known(value)
                    else ". Make it an event that changes a parameter: ode.Event(…, action={…}); "
                    "or write it without a jump, such as by max() or tanh()"
                )
            )


def _require_still_mass(system: System, read: Read) -> None:
    wanted = () if system.sensitivities is None else system.sensitivities.names
    used = read.program.names([*(read.mass or {}).values()])
    moving = [name for name in wanted if name in used]
    if moving:
        raise InvalidSystem(
            f"There are no sensitivities of {system.name} by {', '.join(moving)}: its mass matrix "
            "is made of that. Divide equations by it where that can be, or leave it out"
        )


def require_differentiable_events(system: System, read: Read, functions: Sequence[int]) -> None:
    """Refuse events whose functions jump: at a jump, they say nothing of how it moves.

    Args:
        system: with its sensitivities.
        read: its program.
        functions: of events.

    Raises:
        InvalidSystem: names what jumps.
    """
    jumps = _Jumps(system, read, functions, _changed(system, read))
    for value in jumps.all_of_them():
        if not jumps.is_continuous(value):
            raise InvalidSystem(
                f"There are no sensitivities of {system.name}: an event is where a function goes "
                f"through zero that jumps with {_short(read, value)}. Write it without a jump"
            )


def require_still_jumps(system: System, read: Read, by: Sequence[str]) -> None:
    """Refuse adjoints that would be wrong: they do not see jumps that move.

    Args:
        system: whose.
        read: its program.
        by: names of parameters that there are derivatives by, beside all initial values.

    Raises:
        InvalidSystem: names what jumps.
    """
    jumps = _Jumps(system, read, read.derivatives, {*system.states, *by})
    for value in jumps.moved(known_too=True):
        if not jumps.is_continuous(value):
            raise InvalidSystem(
                f"There is no adjoint of {system.name}: its right-hand side jumps with "
                f"{_short(read, value)}, at a time that depends on what it is differentiated by. "
                "Use forward sensitivities, which go across times of jumps that parameters move: "
                "ode.Solver(…, sensitivities=[names]).solve(…)"
            )


def _changed(system: System, read: Read) -> set[str]:
    """States that change with what is differentiated by, and parameters that are so."""
    assert system.sensitivities is not None
    states, zero = system.own_states, read.program.number(0.0)
    found = {
        states[place % len(states)]
        for place, slope in enumerate(read.derivatives[len(states) :])
        if slope != zero
    }
    return found | {*system.sensitivities.names}


@final
class _Jumps:
    """Where values of a system's program may jump.

    Args:
        system: whose.
        read: its program.
        values: of it.
        moved: names of what changes with what is differentiated by.
    """

    def __init__(
        self, system: System, read: Read, values: Sequence[int], moved: Collection[str]
    ) -> None:
        self._system, self._read, self._program = system, read, read.program
        states = system.own_states
        self._values = values
        self._needed = self._program.needed(self._values)
        self._moved = {*moved}
        self._unknown = {*states, *system.drivers}
        self._functions = system.functions
        self._places = sorted({0.0, *filter(math.isfinite, self._literals())})
        found = breakpoints(self._program, self._values, self._unknown)
        self._unsolved = {*found.unsolved}

    def all_of_them(self) -> list[int]:
        """What may jump."""
        return [value for value in self._needed if self._may_jump(value)]

    def moved(self, *, known_too: bool) -> list[int]:
        """What may jump at times that depend on what is differentiated by."""
        found: list[int] = []
        for value in self.all_of_them():
            names = self._program.names(self._program.operands(value))
            changes = bool(names & ({TIME} | self._unknown))
            if names & self._moved and changes and (known_too or not self.is_known(value)):
                found.append(value)
        return found

    def is_known(self, value: int) -> bool:
        """Whether its times are known beforehand, and steps end there."""
        names = self._program.names(self._program.operands(value))
        return not names & self._unknown and value not in self._unsolved

    def _may_jump(self, value: int) -> bool:
        operation, *rest = self._program.instructions[value]
        if operation in _CROSSINGS:
            return True
        return operation == "call" and rest[0] in JUMPING

    def is_continuous(self, value: int) -> bool:
        """Whether values are the same on both sides, wherever the sides were looked at."""
        program = self._program
        if program.instructions[value][0] not in _CROSSINGS:
            return False
        difference = program.arithmetic("-", *program.operands(value))
        names = sorted(program.names([difference]))
        slopes = jacobian(program, [difference], names)
        others = self._others({*names})
        enough = _HIDDEN if others else _PLACES
        numbers, found, seen = random.Random(0), 0, set[tuple[int, bool]]()  # noqa: S311 - places
        for turn in range(_TRIES):
            at = self._somewhere(numbers, [difference])
            name = names[turn % len(names)]
            slope = slopes.get((0, names.index(name)))
            if slope is None or not self._make_equal(difference, slope, name, at):
                continue
            far, close = (self._difference(at, name, distance) for distance in (_FAR, _CLOSE))
            if np.isfinite(far) and np.isfinite(close):
                if close > _SHARE * far + _ROUNDING:
                    return False
                found += 1
                holds = evaluate(program, others, at, self._functions)
                seen |= {(other, bool(each)) for other, each in zip(others, holds, strict=True)}
            if found >= enough and len(seen) == 2 * len(others):
                return True
        return False

    def _others(self, names: set[str]) -> list[int]:
        """Comparisons of other names, too: what those of the same are is told by the place."""
        program = self._program
        return [
            value
            for value in self._needed
            if program.instructions[value][0] in _CROSSINGS
            and not program.names(program.operands(value)) <= names
        ]

    def _literals(self) -> set[float]:
        found = (self._program.literal(value) for value in self._needed)
        return {number for number in found if number is not None}

    def _somewhere(self, numbers: random.Random, more: list[int]) -> dict[str, Any]:
        """Numbers of all sizes, and between those that equations have themselves."""
        first, last = self._places[0], self._places[-1]
        places = [first - 1 - abs(first), *self._places, last + 1 + abs(last)]

        def drawn() -> float:
            kind = numbers.randrange(3)
            if kind == 0:
                return numbers.uniform(-2, 2)
            if kind == 1:
                place = numbers.randrange(len(places) - 1)
                return numbers.uniform(places[place], places[place + 1])
            return numbers.choice((-1, 1)) * 10 ** numbers.uniform(-3, 3)

        names = sorted(self._program.names([*self._values, *more]))
        return {name: np.float64(drawn()) for name in names}

    def _make_equal(self, difference: int, slope: int, name: str, at: dict[str, Any]) -> bool:
        """Change a number so that both sides of a comparison are equal, by Newton's method."""
        for _ in range(_TURNS):
            apart, rate = evaluate(self._program, [difference, slope], at, self._functions)
            if not (np.isfinite(apart) and np.isfinite(rate) and rate):
                return False
            if abs(apart) <= _NEAR * max(1.0, abs(rate * at[name])):
                return True
            at[name] -= apart / rate
        return False

    def _difference(self, at: Mapping[str, Any], name: str, distance: float) -> float:
        """By how much values differ on both sides of a place, to their size."""
        step = distance * max(1.0, abs(at[name]))
        sides = [{**at, name: at[name] + way * step} for way in (-1, 1)]
        both = [
            np.array(evaluate(self._program, self._values, side, self._functions)) for side in sides
        ]
        sizes = 1.0 + np.abs(both).max(axis=0)
        [apart] = [np.abs(after - before) / sizes for before, after in pairwise(both)]
        return float(apart.max())


def _short(read: Read, value: int) -> str:
    text = _text(read, value)
    return text if len(text) < _LONGEST else f"{text[:_LONGEST]}…"


def _text(read: Read, value: int) -> str:
    """A value as somebody might have written it."""
    program = read.program
    operation, *rest = program.instructions[value]
    if operation == "number":
        return f"{rest[0]:g}"
    if operation == "name":
        return str(rest[0])
    parts = [_text(read, operand) for operand in program.operands(value)]
    if operation == "call":
        return f"{rest[0]}({_listed(parts)})"
    if operation in ("-x", "not"):
        return f"{'-' if operation == '-x' else 'not '}{parts[0]}"
    if operation == "choose":
        return f"where({_listed(parts)})"
    if operation in ("external", "item"):
        return "f(t, y, p)"
    joined = f" {operation} ".join(parts)
    return joined if operation in COMPARISONS else f"({joined})"


def _listed(parts: Iterable[str]) -> str:
    return ", ".join(parts)
