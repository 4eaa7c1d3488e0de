"""Steps of fixed length: as many, equally long, from each time to save to the next.

All trajectories take the same number of steps in an interval, so lanes stay together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.code import BOOL, INT, REAL, TIME
from emberkeep.ode.kernel.step import FIRST, NEW, Y

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Value, Variable
    from emberkeep.ode.kernel.outputs.outputs import Outputs
    from emberkeep.ode.kernel.trajectory import Trajectory

BURST = 256  # steps between two looks whether to stop
UNROLLED, MOST_UNROLLED_STATES = 4, 4


@final
class Fixed:
    """The loop of a method whose steps have a fixed length.

    Args:
        trajectory: what all loops have in common.
        outputs: what comes out.
    """

    def __init__(self, trajectory: Trajectory, outputs: Outputs) -> None:
        self._own, self._outputs, code = trajectory, outputs, trajectory.code
        self._code = code
        self._saved = code.variable("saved", INT) if trajectory.samples else None

    def write(self) -> None:
        """All of it: a block of as many trajectories as there are lanes."""
        code, own = self._code, self._own
        self._here = code.variable("here", BOOL)
        next_one = code.variable("next", INT, code.begin, uniform=True)
        outcome = code.variable("outcome", INT, status.SUCCESS)
        h = code.variable("h", TIME)
        taken = code.variable("attempts", INT, 0, uniform=True)
        begin = code.variable("interval_begin", TIME)
        end = code.variable("interval_end", TIME) if own.samples else None
        if self._saved is not None:
            self._saved.set(0)
        with code.for_each(code.value(True, BOOL)):  # noqa: FBT003 - a literal
            # Lanes that are left over do the same as the last one, and write nothing.
            is_here = next_one.get() < code.end
            self._here.set(is_here)
            run = code.smaller(next_one.get(), code.end - 1)
            own.take(run)
            self._outputs.begin()
            next_one.set(next_one.get() + 1)
        if own.implicit is not None:
            own.implicit.begin()
            own.implicit.forget()
        if own.constraints is not None and own.implicit is not None:
            own.settle(own.start.get(), None, (own.stepper["at"], own.stepper["ahead"]))
            missed = own.constraints.missed.get()
            trouble = code.value(status.INCONSISTENT, INT)
            own.implicit.note(code.where(missed, trouble, status.RUNNING))
        if not own.step.begins:
            self._begin_slopes()
        with code.count_up("interval", own.argument("intervals").get()) as interval:
            with code.for_each(code.value(True, BOOL)):  # noqa: FBT003
                place = self._place(interval)
                h.set(own.argument("sizes").get(place))
                begin.set(own.argument("begins").get(place))
                if end is not None:
                    end.set(own.argument("ends").get(place))
            self._interval(interval, h.get(), begin.get(), end)
            self._judge(outcome)
            count = own.argument("counts").get(interval)
            taken.set(taken.get() + count)
            reached = begin.get() + code.value(count, TIME) * h.get()
            self._outputs.accept(self._here.get(), reached, count)
            if self._outputs.reached is not None:
                come_to = reached if end is None else end.get()
                self._outputs.reached.come_to(come_to, outcome.get().equals(status.SUCCESS))
            if end is not None:
                with code.when(own.argument("slots").get(interval) >= 0):
                    self._sample(own.time(end.get()), outcome.get().equals(status.SUCCESS))
        with code.for_each(self._here.get()):
            saved = None if self._saved is None else self._saved.get()
            self._outputs.end(outcome.get(), saved, taken.get())

    def _begin_slopes(self) -> None:
        own = self._own
        own.stepped_slopes(own.vectors[Y], own.vectors[FIRST], own.start.get())

    def _interval(self, interval: Value, h: Value, begin: Value, end: Variable | None) -> None:
        code, own = self._code, self._own
        direction = own.setting("direction")
        signed = code.value(h * direction, REAL)
        done = code.variable("done", INT, 0, uniform=True)
        with code.loop():
            left = own.argument("counts").get(interval) - done.get()
            code.leave(left <= 0)
            code.stop(own.argument("stop").get(0).differs(0))
            burst = code.smaller(left, BURST)
            with code.count_up("turn", burst, self._at_once()) as turn:
                elapsed = begin + code.value(done.get() + turn, TIME) * h
                self._step(code.named("t", own.time(elapsed)), signed)
                if self._outputs.recorded is not None:
                    until = begin + code.value(done.get() + turn + 1, TIME) * h
                    if end is not None:
                        is_last = (turn + 1).equals(left)
                        until = code.where(is_last, end.get(), until)
                    self._outputs.recorded.add(self._here.get(), until)
            done.set(done.get() + burst)

    def _at_once(self) -> int:
        """How many steps follow one another without a look at the loop, where they are short."""
        is_short = not self._own.layout.large and self._own.states <= MOST_UNROLLED_STATES
        return UNROLLED if is_short else 1

    def _step(self, time: Value, signed: Value) -> None:
        own, y = self._own, self._own.vectors[Y]

        def clock(node: float) -> Value:
            return time if node == 0 else time + signed * node

        own.take_step(clock, signed)
        if own.implicit is not None:
            own.implicit.end(signed, self._code.value(True, BOOL))  # noqa: FBT003 - a literal
        if own.variational is not None:
            own.variational.take(None, signed)
        new = own.stepper[NEW]
        own.layout.each(own.stepped, lambda i: y.set(i, new.get(i)))
        if own.step.last:
            last, first = own.stepper[own.step.last], own.vectors[FIRST]
            own.layout.each(own.stepped, lambda i: first.set(i, last.get(i)))

    def _place(self, interval: Value) -> Value:
        """Where a trajectory's numbers of an interval are."""
        own = self._own
        return own.number() * own.argument("interval_step").get() + interval

    def _judge(self, outcome: Variable) -> None:
        """See whether all is finite."""
        code, own = self._code, self._own
        y = own.vectors[Y]
        # Infinity and not-a-number times zero are not-a-number.
        sum_of_all = own.layout.fold(own.judged, 0.0, lambda total, i: total + y.get(i) * 0.0)
        is_good = sum_of_all.equals(0.0)
        outcome.set(code.where(is_good, outcome.get(), code.value(status.NOT_FINITE, INT)))
        if own.implicit is not None:
            trouble = own.implicit.trouble.get()  # of the first step that had any
            is_fine = trouble.equals(status.RUNNING)
            outcome.set(code.where(is_fine, outcome.get(), trouble))

    def _sample(self, time: Value, is_good: Value) -> None:
        """Give values at a time to save to what comes out."""
        code, own = self._code, self._own
        assert self._saved is not None
        sample = self._outputs.sample(own.vectors[Y], time, self._saved.get(), is_good)
        with code.for_each(self._here.get() & is_good):
            self._outputs.store(sample)
            self._saved.set(self._saved.get() + 1)
