"""Finding out that a trajectory is stiff: how fast perturbations of it decay, looked at rarely.

What decays at a rate λ is stable under an explicit method while λh is below the limit of the
method, and however little is left of it, steps cannot be longer. So a trajectory is called stiff
where its steps are as long as the fastest decay allows, and it hardly moves in one of them: then it
is not the error that keeps them short. One that is stiff is given up early only where it is also
hopeless: where the rest of its span is far more than its attempts are going to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.code import INFINITY, INT, REAL, SINGLE, TIME
from emberkeep.ode.kernel.step import FIRST, Y
from emberkeep.ode.kernel.vectors import Vector

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import LocalArray, Operand, Value, Variable
    from emberkeep.ode.kernel.trajectory import Trajectory

# When: so often while a trajectory takes all its attempts, but after as many as make up for it.
LOOKS, LEAST_ATTEMPTS = 64, 1024
# Steps count as held where their mean is so much of what is stable. By experiment: 0.5 to 1 for
# stiff systems, whatever the method and its controller.
HELD = 0.45
# A trajectory counts as hardly moving where a mean step changes states by so much of their size.
# By experiment: at most 0.01 for stiff systems, at least 0.04 where errors keep steps short.
MOVING = 0.03
# Given up where, so many looks in a row, it would need so many times the attempts that are left.
IN_A_ROW, TIMES = 4, 10.0
# Turns of the power method, and how many of the last have to agree.
TURNS, LAST = 24, 4
STRIDE, PERIOD, MIDDLE = 7, 11, 4.75  # of the numbers that the first probe consists of
# How far a probe goes, in units of what is tolerated: so far that slopes do not change by rounding.
MOVE = {"float32": 32.0, "float64": 1.0}
NEVER = 1 << 62


@final
class Cell:
    """One number in an array, as a variable that lies in memory."""

    def __init__(self, array: LocalArray, place: int) -> None:
        self._array, self._place = array, place

    def get(self) -> Value:
        """The number that it has here."""
        return self._array.get(self._place)

    def set(self, value: Operand) -> None:
        """Another number from here on."""
        self._array.set(self._place, value)


@final
class Stiffness:
    """What is remembered of a trajectory to find out.

    Args:
        trajectory: whose.
    """

    def __init__(self, trajectory: Trajectory) -> None:
        self._own, code = trajectory, trajectory.code
        self._code = code
        counts = code.array("looks", INT, 5, is_rare=True)
        times = code.array("paces", TIME, 2, is_rare=True)
        self._due = Cell(counts, 0)  # it is looked at next after so many attempts
        self._looked = Cell(counts, 1)  # it was after so many, ...
        self._was_stiff = Cell(counts, 2)  # ... when it was stiff, ...
        self._then = Cell(times, 0)  # ... and so much had elapsed, ...
        self._progress = Cell(times, 1)  # ... of which so much since the look before
        self._doubts = Cell(counts, 3)  # at so many looks in a row it was hopeless
        self._crossed = Cell(counts, 4)  # it has gone across a jump or corner since the last look
        found = code.array("probed", REAL, 3)
        self._decay, self._speed, self._square = (Cell(found, place) for place in range(3))
        states = trajectory.judged
        self._probe = Vector(states, array=code.array("probe", REAL, states))

    def rest(self) -> None:
        """Look at no trajectory."""
        self._due.set(NEVER)

    def begin(self, attempts: Value) -> None:
        """Remember nothing of other trajectories."""
        self._looked.set(attempts)
        self._was_stiff.set(0)
        self._then.set(0.0)
        self._progress.set(0.0)
        self._doubts.set(0)
        self._crossed.set(0)
        self._set_due(attempts + self._own.argument("most_attempts").get())

    def cross(self) -> None:
        """Go across a jump or corner, behind which all may be different."""
        self._crossed.set(1)

    def due(self) -> Value:
        """After how many attempts a trajectory is looked at, at the latest after its last."""
        return self._due.get()

    def _set_due(self, last: Value) -> None:
        code = self._code
        share = code.quotient(self._own.argument("most_attempts").get(), code.value(LOOKS, INT))
        apart = code.larger(share, LEAST_ATTEMPTS)
        look = self._looked.get() + apart
        self._due.set(code.where(last - look < apart, last, look))

    def judge(
        self,
        outcome: Variable,
        attempts: Value,
        last: Value,
        elapsed: Value,
        size: Value,
        limit: Value,
    ) -> None:
        """How a trajectory stands that has been probed; lane by lane.

        Args:
            outcome: how it would stand otherwise.
            attempts: how many there were.
            last: at how many it is given up.
            elapsed: how far it came.
            size: of its next step.
            limit: how far nothing happens to its right-hand side.
        """
        code, own, stands = self._code, self._own, outcome.get()
        progress = elapsed - self._then.get()
        lasted = code.value(attempts - self._looked.get(), TIME)
        is_short = stands.equals(status.STEP_TOO_SMALL)
        # All is multiplied by what there was of attempts: the mean step is what they came to.
        came = code.where(is_short, code.value(size, TIME) * lasted, progress)
        is_held = self._decay.get() * came >= lasted * (HELD * own.stability_limit)
        moved = self._speed.get() * (came * own.setting("rtol")) * came * own.setting("rtol")
        is_stiff_now = is_held & (moved <= lasted * lasted * (MOVING**2 * own.judged))
        # One of two looks is enough: a state that goes through zero has no size to move little by.
        is_stiff = is_stiff_now | self._was_stiff.get().differs(0)
        # The longest step there will be, if they go on growing as they did since the last look.
        # What is behind the next jump is foreseen only where the look before was behind others.
        ahead = code.where(self._crossed.get().differs(0), own.span.get(), limit)
        rest = ahead - elapsed
        growth = code.larger(progress - self._progress.get(), 0.0)
        longest = progress * progress + growth * rest
        left = code.value(last - attempts, TIME)
        is_hopeless = is_stiff & (rest * lasted * progress > longest * left * TIMES)
        doubts = code.where(is_hopeless, self._doubts.get() + 1, 0)
        is_over = stands.equals(status.RUNNING) & (doubts >= IN_A_ROW)
        is_over = is_over | is_short | stands.equals(status.TOO_MANY_STEPS)
        outcome.set(code.where(is_stiff & is_over, status.STIFF, stands))
        self._was_stiff.set(is_stiff_now)
        self._crossed.set(0)
        self._doubts.set(doubts)
        self._looked.set(attempts)
        self._then.set(elapsed)
        self._progress.set(progress)
        self._set_due(last)

    def probe(self, time: Value) -> None:
        """Find out how fast a trajectory moves, and how fast perturbations decay; lane by lane."""
        code, own, layout = self._code, self._own, self._own.layout
        y, rtol, slopes = own.vectors[Y], own.real_setting("rtol"), self._slopes(time)
        units, shares = self._passing("k3", "unit"), self._passing("k4", "share")

        def square(total: Value, index: Operand) -> Value:
            unit = own.scale(y.get(index), index, rtol)
            units.set(index, unit)
            shares.set(index, code.value(1.0 / code.value(unit, SINGLE), REAL))
            speed = slopes.get(index) * shares.get(index)
            return total + speed * speed

        self._speed.set(layout.fold(own.judged, 0.0, square))
        self._find_decay(slopes, units, shares, time)

    def _find_decay(self, slopes: Vector, units: Vector, shares: Vector, time: Value) -> None:
        """The fastest decay: the power method, with differences of slopes.

        Where oscillations are faster, or growth, what it finds changes from turn to turn, or is
        not positive; the smallest of the last turns counts. Turns take either side of the states
        by turns: what is a jump of the slopes shows on one side alone.
        """
        code, own, layout, probe = self._code, self._own, self._own.layout, self._probe
        y, states = own.vectors[Y], own.judged
        at, bent = self._passing("at", "probed"), self._passing("k2", "bent")
        move = MOVE["float32" if code.is_single else "float64"]
        layout.each(states, lambda i: probe.set(i, self._first_probe(i)))
        self._square.set(sum(_first(place) ** 2 for place in range(states)))
        self._decay.set(INFINITY)

        def difference(total: Value, index: Operand) -> Value:
            bent.set(index, (bent.get(index) - slopes.get(index)) * shares.get(index))
            return total + before.get(index) * bent.get(index)

        def follow(total: Value, index: Operand) -> Value:
            probe.set(index, bent.get(index))
            return total + bent.get(index) * bent.get(index)

        with code.count_up("turn", TURNS) as turn:
            root = code.call("sqrt", code.value(self._square.get(), SINGLE))
            length = code.value(move / root, REAL)
            length = code.where(code.is_multiple(turn, 2), length, -length)
            before = (
                probe if layout.large else Vector(states, [probe.get(i) for i in range(states)])
            )
            layout.each(
                states, lambda i: at.set(i, y.get(i) + length * (units.get(i) * before.get(i)))
            )
            own.judged_slopes(at, bent, time)
            product = layout.fold(states, 0.0, difference)
            # The length of the probe is `move` now, so no square divides this.
            decay = product * (length * (-1 / move**2)) * own.real_setting("direction")
            decay = code.call("min", self._decay.get(), decay)  # of not-a-number, itself
            self._decay.set(code.where(turn < TURNS - LAST, INFINITY, decay))
            self._square.set(layout.fold(states, 0.0, follow))

    def _first_probe(self, index: Operand) -> Value:
        """A direction to begin with, in which there is something of every other."""
        if isinstance(index, int):
            return self._code.value(_first(index), REAL)
        code = self._code
        place = code.value(index, INT) * STRIDE
        rest = code.remainder(place, code.value(PERIOD, INT))
        return code.value(rest, REAL) - MIDDLE

    def _slopes(self, time: Value) -> Vector:
        """The slopes where the trajectory is: those that its next step begins with."""
        own = self._own
        if not own.step.begins:
            return own.vectors[FIRST]
        slopes = self._passing(FIRST, "slopes_here")
        own.judged_slopes(own.vectors[Y], slopes, time)
        return slopes

    def _passing(self, place: str, name: str) -> Vector:
        """A vector of a name; of a large system, in memory that steps are not using now."""
        own = self._own
        return own.stepper[place] if own.layout.large else own.layout.passing(name, own.states)


def _first(index: int) -> float:
    """A number of the direction that probes begin with."""
    return index * STRIDE % PERIOD - MIDDLE
