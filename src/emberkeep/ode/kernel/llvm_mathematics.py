"""How functions of mathematics are called in LLVM assembly, also for many numbers at once."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Emit = Callable[[str], str]

# Functions that processors have, or that LLVM writes as a few instructions for whole vectors.
_INSTRUCTIONS = {
    "sqrt": "sqrt",
    "abs": "fabs",
    "fabs": "fabs",
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "rint": "rint",
    "copysign": "copysign",
    "fmuladd": "fmuladd",  # at once where the processor can
}
# Functions of the C library that have forms for vectors there; good to 4 units in the last place.
_VECTORS = {"exp": 1, "log": 1, "sin": 1, "cos": 1, "pow": 2}
_LETTERS = {128: "b", 256: "d", 512: "e"}
# What the C library calls by another name.
_NAMES = {"gamma": "tgamma"}

# Binary logarithm and power for the length of steps, good to 1e-5: log2(1 + x) is x times the
# first, and 2 to the x the second, for x from 0 to 1; coefficients of 1, x, x², … by least largest
# error. The second is exact at both ends.
LOG2 = (1.4426848, -0.72051972, 0.46992009, -0.30512043, 0.14841099, -0.035385969)
EXP2 = (1.0, 0.69308783, 0.24131438, 0.051872769, 0.013725029)
LARGEST_POWER = 60.0


def literal_text(value: float, kind: str) -> str:
    """A number as LLVM reads it."""
    if kind == "i1":
        return "true" if value else "false"
    if kind.startswith("i"):
        return str(int(value))
    number = float(value)
    if kind == "float":
        number = _rounded(number)
    return f"0x{struct.pack('>d', number).hex().upper()}"


def _rounded(number: float) -> float:
    """The nearest number of single precision."""
    try:
        return struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)


@final
class Mathematics:
    """Functions as a processor and its C library have them.

    Args:
        vector_bits: of the vectors that the C library's functions take; 0 where it has none.

    Attributes:
        declarations: of all functions that were called.
    """

    def __init__(self, vector_bits: int) -> None:
        self._vector_bits = vector_bits
        self.declarations: dict[str, str] = {}

    def call(
        self, function: str, operands: Sequence[str], kind: str, lanes: int, emit: Emit
    ) -> str:
        """A call; for vectors where there are several lanes."""
        whole = f"<{lanes} x {kind}>" if lanes > 1 else kind
        if function == "quick_log2":
            return _quick_log2(operands[0], lanes, emit)
        if function == "quick_exp2":
            return _quick_exp2(operands[0], lanes, emit)
        if function == "apart":
            return emit(f"fadd {whole} {operands[0]}, {operands[1]}")
        if function == "fenced":
            bits = "f32" if kind == "float" else "f64"
            suffix = f"v{lanes}{bits}" if lanes > 1 else bits
            return self._plain(f"llvm.arithmetic.fence.{suffix}", operands, whole, emit)
        if function == "quick_ratio":
            return emit(f"fdiv {whole} {operands[0]}, {operands[1]}")
        if function in ("min", "max", "minimum", "maximum"):
            return self._extreme(function, operands, whole, emit)
        if function in _INSTRUCTIONS:
            suffix = (
                ("f32" if kind == "float" else "f64")
                if lanes == 1
                else (f"v{lanes}{'f32' if kind == 'float' else 'f64'}")
            )
            name = f"llvm.{_INSTRUCTIONS[function]}.{suffix}"
            return self._plain(name, operands, whole, emit)
        if function == "cbrt" and kind == "double":
            return self._cube_root(operands[0], lanes, emit)
        return self._library(function, operands, kind, lanes, emit)

    def gather(self, pointers: str, kind: str, lanes: int, emit: Emit) -> str:
        """The numbers that pointers point to, one for each lane."""
        bits = {"float": 32, "double": 64, "i64": 64}[kind]
        letter = "i" if kind.startswith("i") else "f"
        name = f"llvm.masked.gather.v{lanes}{letter}{bits}.v{lanes}p0"
        places, flags, found = (f"<{lanes} x {each}>" for each in ("ptr", "i1", kind))
        self.declarations[name] = f"declare {found} @{name}({places}, i32, {flags}, {found})"
        return emit(
            f"call {found} @{name}({places} {pointers}, i32 {bits // 8}, "
            f"{flags} splat (i1 true), {found} poison)"
        )

    def _library(
        self, function: str, operands: Sequence[str], kind: str, lanes: int, emit: Emit
    ) -> str:
        """The C library's function."""
        if lanes > 1:
            return self._parts(function, operands, kind, lanes, emit)
        name = _NAMES.get(function, function) + ("f" if kind == "float" else "")
        return self._plain(name, operands, kind, emit, pure=True)

    def _plain(
        self, name: str, operands: Sequence[str], kind: str, emit: Emit, *, pure: bool = False
    ) -> str:
        kinds = ", ".join([kind] * len(operands))
        mark = " #0" if pure else ""
        self.declarations[name] = f"declare {kind} @{name}({kinds}){mark}"
        given = ", ".join(f"{kind} {operand}" for operand in operands)
        return emit(f"call {kind} @{name}({given})")

    def _cube_root(self, x: str, lanes: int, emit: Emit) -> str:
        """To one unit in the last place.

        The C library's may be wrong by four, so one of Newton's steps follows, but for numbers so
        small, or not finite, that it cannot.
        """
        whole, many = (f"<{lanes} x double>", f"v{lanes}") if lanes > 1 else ("double", "")
        flags = whole.replace("double", "i1")

        def number(value: float) -> str:
            return _many(literal_text(value, "double"), "double", lanes)

        def fused(a: str, b: str, c: str) -> str:
            return self._plain(f"llvm.fma.{many}f64", [a, b, c], whole, emit)

        y = self._library("cbrt", [x], "double", lanes, emit)
        square = emit(f"fmul {whole} {y}, {y}")
        lost = fused(y, y, emit(f"fneg {whole} {square}"))
        rest = fused(square, y, emit(f"fneg {whole} {x}"))
        rest = fused(lost, y, rest)  # y³ - x
        slope = emit(f"fmul {whole} {square}, {number(3.0)}")
        change = emit(f"fdiv {whole} {rest}, {slope}")
        better = emit(f"fsub {whole} {y}, {change}")
        size = self._plain(f"llvm.fabs.{many}f64", [x], whole, emit)
        enough = emit(f"fcmp ogt {whole} {size}, {number(1e-280)}")
        finite = emit(f"fcmp olt {whole} {size}, {number(math.inf)}")
        can = emit(f"and {flags} {enough}, {finite}")
        return emit(f"select {flags} {can}, {whole} {better}, {whole} {y}")

    def _extreme(self, function: str, operands: Sequence[str], kind: str, emit: Emit) -> str:
        """The smaller or larger of two; not-a-number where one of them is."""
        first, second = operands
        sign = "olt" if function.startswith("min") else "ogt"
        condition = emit(f"fcmp {sign} {kind} {first}, {second}")
        flags = kind.replace("double", "i1").replace("float", "i1")
        chosen = emit(f"select {flags} {condition}, {kind} {first}, {kind} {second}")
        wrong = emit(f"fcmp uno {kind} {first}, {first}")
        return emit(f"select {flags} {wrong}, {kind} {first}, {kind} {chosen}")

    def _parts(
        self, function: str, operands: Sequence[str], kind: str, lanes: int, emit: Emit
    ) -> str:
        """A function of vectors, part by part: as long as the C library's, or number by number."""
        bits = 32 if kind == "float" else 64
        width = min(self._vector_bits // bits, lanes) if function in _VECTORS else 1
        whole = f"<{lanes} x {kind}>"
        if width * bits not in _LETTERS:
            result = "poison"
            for lane in range(lanes):
                given = [emit(f"extractelement {whole} {each}, i64 {lane}") for each in operands]
                one = self._library(function, given, kind, 1, emit)
                result = emit(f"insertelement {whole} {result}, {kind} {one}, i64 {lane}")
            return result
        letter = _LETTERS[width * bits]
        suffix = "f" if kind == "float" else ""
        name = f"_ZGV{letter}N{width}{'v' * _VECTORS[function]}_{function}{suffix}"
        part = f"<{width} x {kind}>"
        parts: list[str] = []
        for begin in range(0, lanes, width):
            given = [_taken(each, whole, range(begin, begin + width), emit) for each in operands]
            parts.append(self._plain(name, given, part, emit, pure=True))
        return _joined(parts, kind, width, emit)


def _taken(operand: str, whole: str, places: Sequence[int], emit: Emit) -> str:
    wanted = ", ".join(f"i32 {place}" for place in places)
    return emit(
        f"shufflevector {whole} {operand}, {whole} poison, <{len(places)} x i32> <{wanted}>"
    )


def _joined(parts: list[str], kind: str, width: int, emit: Emit) -> str:
    """Vectors one after the other, joined two by two."""
    while len(parts) > 1:
        whole = f"<{width} x {kind}>"
        wanted = ", ".join(f"i32 {place}" for place in range(2 * width))
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [
            emit(f"shufflevector {whole} {a}, {whole} {b}, <{2 * width} x i32> <{wanted}>")
            for a, b in pairs
        ]
        width *= 2
    return parts[0]


def _many(text: str, kind: str, lanes: int) -> str:
    return f"splat ({kind} {text})" if lanes > 1 else text


def _quick_log2(operand: str, lanes: int, emit: Emit) -> str:
    """From the exponent of a number of single precision, and a polynomial of the rest."""
    whole, real = (f"<{lanes} x i32>", f"<{lanes} x float>") if lanes > 1 else ("i32", "float")

    def integer(value: int) -> str:
        return _many(str(value), "i32", lanes)

    bits = emit(f"bitcast {real} {operand} to {whole}")
    shifted = emit(f"lshr {whole} {bits}, {integer(23)}")
    exponent = emit(f"sitofp {whole} {emit(f'sub {whole} {shifted}, {integer(127)}')} to {real}")
    rest = emit(f"and {whole} {bits}, {integer(0x7FFFFF)}")
    rest = emit(f"or {whole} {rest}, {integer(0x3F800000)}")
    number = emit(f"bitcast {whole} {rest} to {real}")
    one = _many(literal_text(1.0, "float"), "float", lanes)
    x = emit(f"fsub {real} {number}, {one}")
    product = _horner(x, LOG2, real, lanes, emit)
    times = emit(f"fmul contract {real} {product}, {x}")
    return emit(f"fadd contract {real} {times}, {exponent}")


def _quick_exp2(operand: str, lanes: int, emit: Emit) -> str:
    """From a whole power of two, as the exponent of a number, and a polynomial of the rest."""
    whole, real = (f"<{lanes} x i32>", f"<{lanes} x float>") if lanes > 1 else ("i32", "float")

    def number(value: float) -> str:
        return _many(literal_text(value, "float"), "float", lanes)

    flags = f"<{lanes} x i1>" if lanes > 1 else "i1"
    bounded = operand
    for sign, limit in (("olt", LARGEST_POWER), ("ogt", -LARGEST_POWER)):
        inside = emit(f"fcmp {sign} {real} {bounded}, {number(limit)}")
        bounded = emit(f"select {flags} {inside}, {real} {bounded}, {real} {number(limit)}")
    shifted = emit(f"fadd {real} {bounded}, {number(127.0)}")
    floor = emit(f"fptosi {real} {shifted} to {whole}")  # of a positive number
    back = emit(f"sitofp {whole} {floor} to {real}")
    x = emit(f"fsub {real} {shifted}, {back}")
    power = emit(f"shl {whole} {floor}, {_many('23', 'i32', lanes)}")
    scale = emit(f"bitcast {whole} {power} to {real}")
    product = _horner(x, EXP2, real, lanes, emit)
    return emit(f"fmul {real} {product}, {scale}")


def _horner(x: str, coefficients: Sequence[float], kind: str, lanes: int, emit: Emit) -> str:
    total = _many(literal_text(coefficients[-1], "float"), "float", lanes)
    for coefficient in reversed(coefficients[:-1]):
        term = _many(literal_text(coefficient, "float"), "float", lanes)
        product = emit(f"fmul contract {kind} {total}, {x}")
        total = emit(f"fadd contract {kind} {product}, {term}")
    return total
