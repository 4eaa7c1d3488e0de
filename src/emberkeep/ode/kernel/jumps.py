"""Sensitivities across jumps of the right-hand side at times that parameters move.

Where a right-hand side jumps from f₁ to f₂ at a time T, a change of T by dT changes the states
behind it by (f₁ - f₂) dT. So S = ∂y/∂p jumps by (f₁ - f₂) ∂T/∂p. Where two times fall together that
move differently, nobody knows which jump is whose, and S is not a number from there on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.errors import InvalidSystem
from emberkeep.ode.kernel.code import NAN, REAL
from emberkeep.ode.kernel.equations import write_program
from emberkeep.ode.kernel.step import Y
from emberkeep.ode.system.derivatives import jacobian
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.ode.kernel.code import Value
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.kernel.vectors import Vector
    from emberkeep.ode.system.breakpoints import Breakpoints

    Moves = Mapping[int, Value]  # ∂T/∂p, by number of the name, without zeros

STILL: Moves = {}  # of what no parameter moves
ALIKE = 1e-6  # moves that differ by rounding alone


@final
@frozen
class Jump:
    """A jump that is being crossed.

    Attributes:
        moves: how it moves.
        slopes: before it.
    """

    moves: Moves
    slopes: Vector


@final
class MovingJumps:
    """How jumps move, and what becomes of sensitivities there.

    Args:
        trajectory: whose.
        found: when its right-hand side jumps.
    """

    def __init__(self, trajectory: Trajectory, found: Breakpoints) -> None:
        self._own, self._code = trajectory, trajectory.code
        wanted = trajectory.system.sensitivities
        names = () if wanted is None else wanted.names
        self._singles = len(found.times)
        times = [*found.times, *(value for pair in found.periodic for value in pair)]
        self._slopes = jacobian(trajectory.read.program, times, names)
        if self._slopes and trajectory.constraints is not None:
            by = ", ".join(names[number] for number in sorted({k for _, k in self._slopes}))
            raise InvalidSystem(
                f"There are no sensitivities of {trajectory.system.name} by {by}: that moves the "
                "times of jumps, behind which algebraic equations have other solutions. Leave it "
                "out, or solve algebraic equations by hand where that can be"
            )
        self._known: dict[tuple[int, int], Value] = {}
        self._next = {
            number: self._code.variable(f"moves{number}", REAL)
            for number in sorted({number for _, number in self._slopes})
        }

    @property
    def there_are(self) -> bool:
        """Whether a parameter that sensitivities are by moves a jump."""
        return bool(self._next)

    # Which is next --------------------------------------------------------------------------------

    def begin(self) -> None:
        """Compute how each moves; lane by lane."""
        own = self._own
        values = write_program(
            self._code, own.read.program, [*self._slopes.values()], own.named_inputs()
        )
        self._known = dict(zip(self._slopes, values, strict=True))

    def of_single(self, place: int) -> Moves:
        """Those of a single time."""
        return {number: value for (row, number), value in self._known.items() if row == place}

    def of_periodic(self, place: int, turns: Value, direction: Value) -> Moves:
        """Those of a time so many distances behind the first of its kind, in a direction."""
        if not self.there_are:
            return STILL
        turns = turns * direction
        first = self._singles + 2 * place
        starts, distances = self.of_single(first), self.of_single(first + 1)
        zero = self._code.value(0.0, REAL)
        return {
            number: starts.get(number, zero) + turns * distances.get(number, zero)
            for number in {**starts, **distances}
        }

    def take(self, is_next: Value, is_near: Value | None, moves: Moves) -> None:
        """This is the next jump, or at the same time as the next, where that holds; in a lane."""
        code = self._code
        for number, variable in self._next.items():
            move, other = moves.get(number, code.value(0.0, REAL)), variable.get()
            taken = code.where(is_next, move, other)
            if is_near is not None:
                size = code.call("abs", other) + code.call("abs", move)
                is_alike = code.call("abs", other - move) <= size * ALIKE
                together = code.where(is_alike, other, code.value(NAN, REAL))
                taken = code.where(is_near, together, taken)
            variable.set(taken)

    # Across it ------------------------------------------------------------------------------------

    def before(self, time: Value, is_there: Value, is_at_event: Value | None) -> Jump:
        """The jump at which a trajectory is, seen from before it, if it is; lane by lane.

        Args:
            time: when.
            is_there: whether it is at one.
            is_at_event: whether it is at an event, too; None where there are none.
        """
        code = self._code
        moves: dict[int, Value] = {}
        for number, variable in self._next.items():
            moves[number] = code.where(is_there, variable.get(), 0.0)
            if is_at_event is not None:
                is_shared = is_at_event & moves[number].differs(0.0)
                moves[number] = code.where(is_shared, NAN, moves[number])
        return Jump(moves, self._slopes_at(time, "k2", "before_jump"))

    def cross(self, jump: Jump, time: Value) -> None:
        """Go across it; the time is the same, seen from behind."""
        own, y = self._own, self._own.vectors[Y]
        behind = self._slopes_at(time, "k3", "behind_jump")
        for number, move in jump.moves.items():
            first = (number + 1) * own.own_states
            own.layout.each(
                own.own_states,
                lambda i, first=first, move=move: y.set(
                    first + i, y.get(first + i) + (jump.slopes.get(i) - behind.get(i)) * move
                ),
            )

    def _slopes_at(self, time: Value, place: str, name: str) -> Vector:
        """The slopes at a time; of a large system, in memory that steps are not using now."""
        own = self._own
        result = (
            own.stepper[place] if own.layout.large else own.layout.passing(name, own.own_states)
        )
        own.own_slopes(own.vectors[Y], result, time)
        return result
