"""Peaks and troughs among the values at times to save, with when they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INT, NAN, REAL, TIME
from emberkeep.ode.kernel.outputs.output import Sampled

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.outputs.output import Ending, Sample
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.kernel.vectors import Vector


@final
class Peaks(Sampled):
    """Where values that have risen begin to fall; or the other way round, for troughs.

    Of values that stay the same at the top, the first one counts.

    Args:
        trajectory: whose.
        name: ``"peaks"`` or ``"troughs"``.
    """

    def __init__(self, trajectory: Trajectory, name: str) -> None:
        self._own, self._code, self._name = trajectory, trajectory.code, name
        kinds = {"last": REAL, "when": TIME, "towards": INT, "found": INT}
        self._held = [
            {part: make(f"{name}_{part}_", kind) for part, kind in kinds.items()}
            for make in (trajectory.kept_states, trajectory.kept_observed)
        ]

    def _each(self, do: Callable[[dict[str, Vector], Operand, Value], None]) -> None:
        """What is done for each state and observable: what is held, its place there, its column."""
        code, own = self._code, self._own
        of_states, of_observed = self._held
        own.layout.each(own.own_states, lambda i: do(of_states, i, code.value(i, INT)))
        for place in range(own.own_observables):
            do(of_observed, place, code.value(own.own_states + place, INT))

    def begin(self) -> None:
        """Nothing has risen yet."""
        code = self._code

        def begin(held: dict[str, Vector], i: Operand, _: Value) -> None:
            held["last"].set(i, code.value(NAN, REAL))
            held["towards"].set(i, code.value(0, INT))
            held["found"].set(i, code.value(0, INT))

        self._each(begin)

    def fold(self, sample: Sample, where: Value) -> None:
        """All is done lane by lane."""

    def store(self, run: Value, sample: Sample) -> None:
        """Compare with what was before."""
        code, is_peak = self._code, self._name == "peaks"
        of_states, _ = self._held

        def compare(held: dict[str, Vector], i: Operand, column: Value) -> None:
            vector = sample.states if held is of_states else sample.observed
            value, last = vector.get(i), held["last"].get(i)
            rises, falls = (value > last, value < last) if is_peak else (value < last, value > last)
            with code.when(falls & held["towards"].get(i).differs(0)):
                self._record(held, i, column, run)
            # Neither beside what is not a number: what is before it says nothing of what comes.
            kept = code.where(value.equals(last), held["towards"].get(i), code.value(0, INT))
            held["towards"].set(i, code.where(rises, code.value(1, INT), kept))
            held["when"].set(i, code.where(rises, sample.time, held["when"].get(i)))
            held["last"].set(i, value)

        self._each(compare)

    def _record(self, held: dict[str, Vector], i: Operand, column: Value, run: Value) -> None:
        code, own = self._code, self._own
        found = held["found"].get(i)
        with code.when(found < own.argument("most_records").get()):
            own.row(self._name, run, column).set(found, held["last"].get(i))
            own.row(f"{self._name}_times", run, column).set(found, held["when"].get(i))
        held["found"].set(i, found + 1)

    def end(self, ending: Ending) -> None:
        """Write how many there were, and nothing that looks like one behind the last."""
        code, own, run = self._code, self._own, ending.run

        def finish(held: dict[str, Vector], i: Operand, column: Value) -> None:
            found = held["found"].get(i)
            own.row(f"{self._name}_counts", run).set(column, found)
            left = code.variable("left", INT, found)
            with code.loop():
                code.leave(left.get() >= own.argument("most_records").get())
                for name, kind in ((self._name, REAL), (f"{self._name}_times", TIME)):
                    own.row(name, run, column).set(left.get(), code.value(NAN, kind))
                left.set(left.get() + 1)

        self._each(finish)
