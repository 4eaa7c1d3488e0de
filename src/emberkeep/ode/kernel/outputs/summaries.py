"""Summaries, window by window: reductions of each state and observable, and the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INT, NAN, REAL
from emberkeep.ode.kernel.outputs.output import Held, Sampled
from emberkeep.ode.kernel.outputs.reductions import REDUCTIONS
from emberkeep.ode.outputs import DERIVATIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.outputs.output import Ending, Sample
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.kernel.vectors import Vector
    from emberkeep.ode.summary import Summary


@final
class Summaries(Sampled):
    """All summaries of a plan, which have their windows in common.

    Args:
        trajectory: whose.
        wanted: names of reductions, and summaries of the user's.
    """

    def __init__(self, trajectory: Trajectory, wanted: Sequence[str | Summary]) -> None:
        self._own, code = trajectory, trajectory.code
        self._code = code
        self._held = [_held(trajectory, summary) for summary in wanted]
        self._window = code.variable("window", INT)
        self._begin = code.variable("window_begin", INT)
        self._end = code.variable("window_end", INT)

    def begin(self) -> None:
        """The first window is next."""
        self._window.set(0)
        self._begin.set(self._edge(0))
        self._end.set(self._edge(1))
        for held in self._held:
            held.begin()

    def _edge(self, number: Operand) -> Value:
        own = self._own
        place = own.number() * own.argument("window_step").get()
        return own.argument("window_ends").get(place + number)

    def fold(self, sample: Sample, where: Value) -> None:
        """Fold values into what is held of the window."""
        begin = self._begin.get()
        count = sample.number + 1 - begin
        for held in self._held:
            held.fold(sample, count, where & (count > 0))

    def store(self, run: Value, sample: Sample) -> None:
        """At the end of a window, write what came of it, and begin the next one."""
        code, own = self._code, self._own
        with code.when((sample.number + 1).equals(self._end.get())):
            window = self._window.get()
            with code.when(window < own.argument("window_count").get()):
                for held in self._held:
                    held.store(run, window, self._end.get() - self._begin.get())
                    held.begin()
                self._begin.set(self._end.get())
                self._window.set(window + 1)
                with code.when(window + 1 < own.argument("window_count").get()):
                    self._end.set(self._edge(window + 2))

    def end(self, ending: Ending) -> None:
        """Write that there is nothing of windows that were not completed."""
        code, own = self._code, self._own
        if ending.is_cut is not None and ending.saved is not None:
            self._close(ending.run, ending.saved - self._begin.get(), ending.is_cut)
        left = code.variable("left", INT, self._window.get())
        with code.loop():
            code.leave(left.get() >= own.argument("window_count").get())
            for held in self._held:
                held.store_nothing(ending.run, left.get())
            left.set(left.get() + 1)

    def _close(self, run: Value, count: Value, is_cut: Value) -> None:
        """Write what came of a window that an event has cut short, where there was something."""
        window = self._window.get()
        is_open = window < self._own.argument("window_count").get()
        with self._code.when(is_cut & is_open & (count > 0)):
            for held in self._held:
                held.store(run, window, count)
            self._window.set(window + 1)


def _held(trajectory: Trajectory, summary: str | Summary) -> Held:
    if isinstance(summary, str):
        return ByColumn(trajectory, summary)
    from emberkeep.ode.kernel.outputs.own import Own

    return Own(trajectory, summary)


@final
class ByColumn(Held):
    """A reduction of each state and observable, or of their derivatives; with sensitivities, too.

    What is held of these lies behind what is held of the values, number by number.

    Args:
        trajectory: whose.
        name: of the output.
    """

    def __init__(self, trajectory: Trajectory, name: str) -> None:
        self._own, self._code, self._name = trajectory, trajectory.code, name
        self._of_derivatives = name.startswith(DERIVATIVE)
        self._reduction = REDUCTIONS[name.removeprefix(DERIVATIVE)]
        starts = enumerate(self._reduction.starts)
        kinds = [(f"{name}_{part}_", kind) for part, (kind, _) in starts]
        self._states = [trajectory.kept_states(*kind) for kind in kinds]
        self._observed = [trajectory.kept_observed(*kind) for kind in kinds]
        self._has_sensitivities = self._reduction.is_smooth and trajectory.names > 0

    def _each(self, do: Callable[[list[Vector], Operand, Value], None]) -> None:
        """What is done for each state and observable: what is held, its place there, its column."""
        code, own = self._code, self._own
        own.layout.each(own.own_states, lambda i: do(self._states, i, code.value(i, INT)))
        before = own.states if self._has_sensitivities else own.own_states
        for place in range(own.own_observables):
            do(self._observed, place, code.value(before + place, INT))

    def _each_sensitivity(
        self, do: Callable[[list[Vector], Operand, Operand, Value], None]
    ) -> None:
        """And for the derivatives of each: what is held, the value's place there, its own, …."""
        code, own = self._code, self._own
        if not self._has_sensitivities:
            return
        own.each_sensitivity(lambda i, place: do(self._states, i, place, code.value(place, INT)))
        for place in range(own.own_observables, own.observables):
            column = code.value(own.states + place, INT)
            do(self._observed, place % own.own_observables, place, column)

    def begin(self) -> None:
        """Hold what comes before the first value."""
        code = self._code

        def begin(vectors: list[Vector], i: Operand, _: Value) -> None:
            for vector, (kind, start) in zip(vectors, self._reduction.starts, strict=True):
                vector.set(i, code.value(start, kind))

        def begin_sensitivity(vectors: list[Vector], _: Operand, place: Operand, __: Value) -> None:
            for vector, (kind, _) in zip(vectors, self._reduction.starts, strict=True):
                vector.set(place, code.value(0.0, kind))

        self._each(begin)
        self._each_sensitivity(begin_sensitivity)

    def fold(self, sample: Sample, count: Value, where: Value) -> None:
        """Fold values in."""
        states, observed = sample.states, sample.observed
        if self._of_derivatives:
            assert sample.slopes is not None
            assert sample.rates is not None
            states, observed = sample.slopes, sample.rates

        def fold(vectors: list[Vector], i: Operand, _: Value) -> None:
            value = (states if vectors is self._states else observed).get(i)
            held = [vector.get(i) for vector in vectors]
            found = self._reduction.fold(self._code, held, value, sample.time, count)
            for vector, old, new in zip(vectors, held, found, strict=True):
                vector.set(i, self._code.where(where, new, old))

        def fold_sensitivity(vectors: list[Vector], i: Operand, place: Operand, _: Value) -> None:
            values = states if vectors is self._states else observed
            held = [vector.get(i) for vector in vectors]
            slopes = [vector.get(place) for vector in vectors]
            found = self._reduction.fold_slope(
                self._code, held, slopes, values.get(i), values.get(place), count
            )
            for vector, old, new in zip(vectors, slopes, found, strict=True):
                vector.set(place, self._code.where(where, new, old))

        self._each_sensitivity(fold_sensitivity)  # while what is held is from before
        self._each(fold)

    def store(self, run: Value, window: Value, count: Value) -> None:
        """Write the results."""
        row = self._own.row(self._name, run, window)

        def store(vectors: list[Vector], i: Operand, column: Value) -> None:
            held = [vector.get(i) for vector in vectors]
            row.set(column, self._reduction.result(self._code, held, count))

        def store_sensitivity(
            vectors: list[Vector], i: Operand, place: Operand, column: Value
        ) -> None:
            held = [vector.get(i) for vector in vectors]
            slopes = [vector.get(place) for vector in vectors]
            row.set(column, self._reduction.slope(self._code, held, slopes, count))

        self._each(store)
        self._each_sensitivity(store_sensitivity)

    def store_nothing(self, run: Value, window: Value) -> None:
        """Write not-a-number."""
        row, nothing = self._own.row(self._name, run, window), self._code.value(NAN, REAL)
        self._each(lambda _, __, column: row.set(column, nothing))
        self._each_sensitivity(lambda _, __, ___, column: row.set(column, nothing))
