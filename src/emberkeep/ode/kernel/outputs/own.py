"""Summaries of the user's own: their functions as programs, written into the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.kernel.code import INT, NAN, REAL
from emberkeep.ode.kernel.equations import write_program
from emberkeep.ode.kernel.outputs.output import Held
from emberkeep.ode.system.evaluate import record
from emberkeep.ode.system.following import follow
from emberkeep.ode.system.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from emberkeep.ode.kernel.code import Value, Variable
    from emberkeep.ode.kernel.outputs.output import Sample
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.summary import Summary


@final
class Own(Held):
    """A summary of the user's own.

    Args:
        trajectory: whose.
        summary: which.

    Raises:
        InvalidPlan: a function of it cannot be followed; says why.
    """

    def __init__(self, trajectory: Trajectory, summary: Summary) -> None:
        self._own, self._code, self._summary = trajectory, trajectory.code, summary
        self._starts, self._parts = summary.holds(), summary.parts()
        self._names = [f"held {place}" for place in range(len(self._starts))]
        self._held: list[Variable] = [
            self._code.variable(f"{summary.label}{place}", REAL)
            for place in range(len(self._starts))
        ]
        self._fold = self._followed_fold()
        self._result = self._followed_result()

    def _followed_fold(self) -> tuple[Program, tuple[int, ...]]:
        own, summary, size = self._own, self._summary, len(self._starts)
        system = own.system
        states = {name: system.states[name] for name in system.own_states}
        values = {**states, **dict.fromkeys(system.own_observables, 1.0)}
        inputs = system.inputs

        def arrange(flat: Sequence[Any]) -> tuple[Any, ...]:
            held, (time, *rest) = flat[:size], flat[size:]
            y = record("Values", (*values,), rest[: len(values)])
            return summary.held(held), time, y, record("Inputs", (*inputs,), rest[len(values) :])

        defaults = (*self._starts, 0.0, *values.values(), *inputs.values())
        names = (*self._names, "t", *values, *inputs)
        return self._followed("fold(held, t, y, p)", summary.fold, names, defaults, arrange, size)

    def _followed_result(self) -> tuple[Program, tuple[int, ...]] | None:
        summary = self._summary
        if summary.result is None:
            return None
        size = 1 if self._parts is None else self._parts

        def arrange(flat: Sequence[Any]) -> tuple[Any, ...]:
            return (summary.held(flat),)

        return self._followed(
            "result(held)", summary.result, self._names, self._starts, arrange, size
        )

    def _followed(
        self,
        what: str,
        function: Callable[..., Any],
        names: Sequence[str],
        defaults: Sequence[float],
        arrange: Callable[[Sequence[Any]], tuple[Any, ...]],
        size: int,
    ) -> tuple[Program, tuple[int, ...]]:
        program = Program()
        operands = [program.name(name) for name in names]
        found = follow(function, program, operands, defaults, arrange=arrange, collect=_collected)
        if not isinstance(found, str) and len(found) != size:
            found = f"it gives {len(found)} numbers, and {size} are expected"
        if isinstance(found, str):
            raise InvalidPlan(
                f"{what} of the summary {self._summary.name!r} cannot be followed: {found}. Write "
                "it with operators, functions of math and NumPy, and numpy.where for branches; "
                "what is held are as many numbers as in start="
            )
        return program, found

    def begin(self) -> None:
        """Hold what comes before the first time."""
        for variable, start in zip(self._held, self._starts, strict=True):
            variable.set(start)

    def fold(self, sample: Sample, count: Value, where: Value) -> None:  # noqa: ARG002
        """Fold values in."""
        code, own, system = self._code, self._own, self._own.system
        held = [variable.get() for variable in self._held]
        program, results = self._fold
        used = program.names(results)
        values = dict(zip(self._names, held, strict=True)) | own.named_inputs(used)
        values |= own.drivers.values(used, sample.time)
        values["t"] = code.value(sample.time, REAL)
        for vector, names in (
            (sample.states, system.own_states),
            (sample.observed, system.own_observables),
        ):
            values |= {name: vector.get(i) for i, name in enumerate(names) if name in used}
        found = write_program(code, program, results, values)
        for variable, old, new in zip(self._held, held, found, strict=True):
            variable.set(code.where(where, new, old))

    def store(self, run: Value, window: Value, count: Value) -> None:  # noqa: ARG002
        """Write what is made of it."""
        values = [variable.get() for variable in self._held]
        if self._result is not None:
            program, results = self._result
            named = dict(zip(self._names, values, strict=True))
            values = write_program(self._code, program, results, named)
        self._write(run, window, values)

    def store_nothing(self, run: Value, window: Value) -> None:
        """Write not-a-number."""
        self._write(run, window, [self._code.value(NAN, REAL)] * (self._parts or 1))

    def _write(self, run: Value, window: Value, values: Sequence[Value]) -> None:
        own, name = self._own, self._summary.label
        if self._parts is None:
            own.row(name, run).set(window, values[0])
            return
        row = own.row(name, run, window)
        for place, value in enumerate(values):
            row.set(self._code.value(place, INT), value)


def _collected(found: Any) -> Sequence[Any]:
    if isinstance(found, np.ndarray):
        return found.tolist() if found.ndim else (found[()],)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return found if isinstance(found, tuple | list) else (found,)  # pyright: ignore[reportUnknownVariableType]
