"""Numbers of linear systems: real, or complex as two real ones.

A part that is zero wherever the kernel runs is None, and takes no instructions: elimination of a
real matrix is real, and of a complex one only where something complex has come to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Code, LocalArray, Operand, Value


@final
@frozen
class Number:
    """One number.

    Attributes:
        real: its real part.
        imaginary: its imaginary part; None where it has none.
    """

    real: Value
    imaginary: Value | None = None

    @staticmethod
    def of(code: Code, number: complex) -> Number:
        """A number that is known."""
        imaginary = code.value(number.imag, REAL) if number.imag else None
        return Number(code.value(number.real, REAL), imaginary)

    @property
    def parts(self) -> tuple[Value, ...]:
        """Those that there are."""
        return (self.real,) if self.imaginary is None else (self.real, self.imaginary)

    def __neg__(self) -> Number:
        return Number(-self.real, None if self.imaginary is None else -self.imaginary)

    def __add__(self, other: Number) -> Number:
        parts = [part for part in (self.imaginary, other.imaginary) if part is not None]
        imaginary = parts[0] + parts[1] if len(parts) > 1 else parts[0] if parts else None
        return Number(self.real + other.real, imaginary)

    def __mul__(self, other: Number) -> Number:
        if self.imaginary is None and other.imaginary is None:
            return Number(self.real * other.real)
        if self.imaginary is None or other.imaginary is None:
            pure, mixed = (self, other) if self.imaginary is None else (other, self)
            assert mixed.imaginary is not None
            return Number(pure.real * mixed.real, pure.real * mixed.imaginary)
        return Number(
            _fused(-self.imaginary, other.imaginary, self.real * other.real),
            _fused(self.imaginary, other.real, self.real * other.imaginary),
        )

    def plus_product(self, first: Number, second: Number) -> Number:
        """This and a product, each part as few instructions as there can be."""
        real = _fused(first.real, second.real, self.real)
        if first.imaginary is not None and second.imaginary is not None:
            real = _fused(-first.imaginary, second.imaginary, real)
        imaginary = self.imaginary
        for part, other in (
            (second.imaginary, first.real),
            (first.imaginary, second.real),
        ):
            if part is not None:
                imaginary = other * part if imaginary is None else _fused(other, part, imaginary)
        return Number(real, imaginary)

    def inverse(self) -> Number:
        """One over it; not finite, of zero.

        Parts are divided by the larger one first: squares of what is there might not be numbers.
        """
        if self.imaginary is None:
            return Number(1.0 / self.real)
        code = self.real.code
        sizes = (code.call("fabs", part) for part in self.parts)
        share = 1.0 / code.larger(*sizes)
        real, imaginary = self.real * share, self.imaginary * share
        scaled = share / _fused(real, real, imaginary * imaginary)
        return Number(real * scaled, -(imaginary * scaled))

    def size(self) -> Value:
        """How large it is: the sum of its parts' sizes."""
        first, *more = (self.real.code.call("fabs", part) for part in self.parts)
        return first + more[0] if more else first


@final
@frozen
class Numbers:
    """Numbers that lie in arrays, part by part.

    Attributes:
        real: their real parts.
        imaginary: their imaginary parts; None where all are real.
    """

    real: LocalArray
    imaginary: LocalArray | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """What names of their parts end with."""
        return ("",) if self.imaginary is None else ("", "_imaginary")

    def get(self, index: Operand) -> Number:
        """The number at a place."""
        imaginary = None if self.imaginary is None else self.imaginary.get(index)
        return Number(self.real.get(index), imaginary)

    def set(self, index: Operand, number: Number) -> None:
        """Another number at a place."""
        self.real.set(index, number.real)
        if self.imaginary is not None:
            zero = number.real.code.value(0.0, REAL)
            self.imaginary.set(index, zero if number.imaginary is None else number.imaginary)


def _fused(first: Operand, second: Operand, third: Value) -> Value:
    return third.code.call("fmuladd", first, second, third)
