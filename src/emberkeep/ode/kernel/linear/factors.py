"""The factors of the matrix W = M/γ - hJ, for one trajectory, in the form that its size asks for.

Measured on CPUs: straight lines of values up to what is written out at all (`kernel/source.py`);
beyond, functions of straight lines on arrays; from some thousands of products on, loops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL
from emberkeep.ode.kernel.linear.lines import Functions, Lines
from emberkeep.ode.kernel.linear.loops import Loops
from emberkeep.ode.kernel.linear.number import Number
from emberkeep.startup_records import replace

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Value, Variable
    from emberkeep.ode.kernel.linear.jacobian import Jacobian
    from emberkeep.ode.kernel.linear.lines import Key, Numbers
    from emberkeep.ode.kernel.vectors import Layout, Vector

MOST_PRODUCTS = 1000  # of straight lines: compilers take more than linear time


@final
class Factors:
    """The factors of W for one trajectory.

    Args:
        layout: where vectors lie.
        jacobian: what W is made of.
        gamma: γ; where it is complex, so are solutions.
    """

    def __init__(self, layout: Layout, jacobian: Jacobian, gamma: complex) -> None:
        self._matrix = replace(jacobian.matrix, {"diagonal": 1.0 / gamma})
        self._entries = jacobian.entries
        self._lines = Lines(layout.code, self._matrix, layout.shares)
        self._numbers: dict[Key, Number] = {}
        self._kept: dict[Key, list[Variable]] = {}
        self._code = layout.code
        self._trouble: Value | None = None
        self._functions: Functions | Loops | None = None
        if layout.large:
            is_long = self._matrix.products > MOST_PRODUCTS
            self._functions = (
                Loops(layout, self._matrix, len(self._matrix.values))
                if is_long
                else Functions(layout, self._matrix, self._lines)
            )

    @property
    def trouble(self) -> Value:
        """What is wrong with the factors; `status.RUNNING` for nothing."""
        assert self._trouble is not None, "not factored yet"
        return self._trouble

    def factor(self, h: Value, where: Value | None = None) -> None:
        """Write the factors where the Jacobian was evaluated last.

        Args:
            h: length of the step, negative backwards.
            where: in which lanes; others keep those that they have. None for factors that are
                used in the same step alone.
        """
        if self._functions is not None:
            self._trouble = self._functions.factor(self._entries, h, where)
            return
        self._numbers, self._trouble = self._lines.factored(self._entries, h)
        if where is not None:
            self._keep(where)

    def _keep(self, where: Value) -> None:
        """Let the numbers last from step to step."""
        code = self._code
        for place, (key, number) in enumerate(self._numbers.items()):
            if key not in self._kept:
                self._kept[key] = [code.variable(f"factor{place}", REAL) for _ in number.parts]
            for variable, part in zip(self._kept[key], number.parts, strict=True):
                variable.set(code.where(where, part, variable.get()))

    def solve(self, right: Vector, imaginary: Vector | None = None) -> None:
        """Write the solution, in place of the right-hand side.

        Args:
            right: its real part.
            imaginary: its imaginary part, where γ is complex.
        """
        if self._functions is not None:
            self._functions.solve(right, imaginary)
        else:
            self._lines.solved(self._number, right, imaginary)

    @property
    def keys(self) -> list[Key]:
        """Which numbers there are, where factors are straight lines."""
        assert self._functions is None
        return self._lines.keys()

    def number(self, key: Key) -> Number:
        """One of these numbers."""
        return self._number(key)

    def solve_by(self, number: Numbers, right: Vector) -> None:
        """Write the solution, likewise, where the numbers are given."""
        self._lines.solved(number, right, None)

    def solve_transposed(self, right: Vector) -> None:
        """Write the solution of the transposed system, likewise; all is real."""
        if self._functions is not None:
            self._functions.solve_transposed(right)
        else:
            self._lines.solved_transposed(self._number, right)

    def _number(self, key: Key) -> Number:
        if key in self._kept:
            return Number(*(variable.get() for variable in self._kept[key]))
        return self._numbers[key]
