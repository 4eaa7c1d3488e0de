"""Sensitivities across events.

What goes through zero, g(t, y, p), does so at a time T that moves with what is differentiated by:
∂T/∂p = -(∂g/∂y S + ∂g/∂p) / (dg/dt). So the states there move by S + f ∂T/∂p, with the slopes f
before the event; actions make of this what they make of states; and behind it, where integration
goes on with other slopes f, the states at one time are told from those at the event by - f ∂T/∂p.
An event that ends a trajectory leaves the derivatives of its last states, wherever they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INT, NAN, REAL
from emberkeep.ode.kernel.event_programs import move_of
from emberkeep.ode.kernel.jumps import ALIKE
from emberkeep.ode.kernel.step import Y
from emberkeep.ode.system.derivatives import jacobian
from emberkeep.ode.system.sensitivities import label

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Value, Variable
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.kernel.vectors import Vector


@final
class EventSensitivities:
    """How the events of a trajectory move, and what becomes of sensitivities there; lane by lane.

    Args:
        trajectory: whose.
    """

    def __init__(self, trajectory: Trajectory) -> None:
        self._own, self._code = trajectory, trajectory.code
        wanted = trajectory.system.sensitivities
        assert wanted is not None
        self._names, self._states = wanted.names, wanted.states
        # By number of the event that goes through zero: how it moves, name by name.
        self._programs = {
            number: self._moves_of(each.function)
            for number, each in enumerate(trajectory.events)
            if each.function is not None
        }
        self._moves: list[Variable] = [
            self._code.variable(f"event_moves{number}", REAL) for number in range(len(self._names))
        ]
        self._met = self._code.variable("events_met", INT)
        self._before: Vector | None = None

    def _moves_of(self, function: int) -> list[int]:
        """∂T/∂p, as values of the program, by way of slopes that are given."""
        program = self._own.read.program
        [rate] = self._own.rates_by_slopes([function])
        columns = [*self._states, *(name for name in self._names if name not in self._states)]
        found_slopes = jacobian(program, [function], columns)
        slopes = {columns[column]: value for (_, column), value in found_slopes.items()}
        zero, found = program.number(0.0), list[int]()
        for name in self._names:
            total = zero if name in self._states else slopes.get(name, zero)
            for state in self._states:
                if state in slopes:
                    by = program.name(label(state, name))
                    product = program.arithmetic("*", slopes[state], by)
                    total = program.arithmetic("+", total, product)
            found.append(program.negative(program.arithmetic("/", total, rate)))
        return found

    def begin(self, time: Value) -> None:
        """A trajectory is at events."""
        self._before = self._slopes("k2", "slopes_before_events", time)
        self._met.set(0)
        for move in self._moves:
            move.set(0.0)

    def meet(self, event: int, time: Value) -> None:
        """One of them acts, or ends the trajectory: so this place moves as it does."""
        code, own = self._code, self._own
        program = self._programs.get(event)
        found = [code.value(0.0, REAL)] * len(self._moves)
        if program is not None:
            found = own.evaluate(program, own.vectors[Y], time, self._before)
        is_first = self._met.get().equals(0)
        for variable, move in zip(self._moves, found, strict=True):
            other = variable.get()
            size = code.call("abs", other) + code.call("abs", move)
            is_alike = code.call("abs", other - move) <= size * ALIKE
            # Nobody knows what becomes of several that move apart.
            together = code.where(is_alike, other, code.value(NAN, REAL))
            variable.set(code.where(is_first, move, together))
        self._met.set(self._met.get() + 1)

    def arrive(self) -> None:
        """Move with the place, before actions."""
        assert self._before is not None
        self._shift(self._before, 1.0)

    def leave(self, time: Value) -> None:
        """Stay at the time, behind actions."""
        self._shift(self._slopes("k3", "slopes_behind_events", time), -1.0)

    def named_moves(self) -> dict[str, Value]:
        """How the place moves, as actions call it."""
        return {
            move_of(name): move.get() for name, move in zip(self._names, self._moves, strict=True)
        }

    def _shift(self, slopes: Vector, way: float) -> None:
        own, y = self._own, self._own.vectors[Y]
        moves = [move.get() * way for move in self._moves]
        for number, move in enumerate(moves, 1):
            first = number * own.own_states
            own.layout.each(
                own.own_states,
                lambda i, first=first, move=move: y.set(
                    first + i, y.get(first + i) + slopes.get(i) * move
                ),
            )

    def _slopes(self, place: str, name: str, time: Value) -> Vector:
        """Slopes of the system's own states; of a large system, where steps are not using it."""
        own = self._own
        result = (
            own.stepper[place] if own.layout.large else own.layout.passing(name, own.own_states)
        )
        own.own_slopes(own.vectors[Y], result, time)
        return result
