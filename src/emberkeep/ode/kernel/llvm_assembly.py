"""Code as LLVM assembly: what values, variables and arrays are as instructions.

A value that differs between lanes is a vector, one that does not is a plain number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from emberkeep.ode.kernel.code import (
    BOOL,
    INT,
    REAL,
    SINGLE,
    TIME,
    Block,
    Code,
    Value,
    Variable,
)
from emberkeep.ode.kernel.llvm_mathematics import Mathematics, literal_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emberkeep.ode.kernel.code import Argument, LocalArray, Table

# Liberties that change no result by more than rounding, and leave not-a-number alone: it is what
# tells a failed trajectory from a good one.
LIBERTIES = "contract nsz arcp"
_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div", "%": "rem"}
_ORDERED = {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq", "!=": "une"}
_SIGNED = {"<": "slt", "<=": "sle", ">": "sgt", ">=": "sge", "==": "eq", "!=": "ne"}
_WHOLE = {"+": "add", "-": "sub", "*": "mul", "//": "udiv", "%": "urem", "&": "and"}
ALIGNMENT = 64
PART = ".part"  # what functions for a part of the lanes end in


class Assembly(ABC):
    """One function that is being written: its lines, and instructions that are a few of them.

    Args:
        code: what is printed.
        lanes: how many trajectories go side by side.
        mathematics: how functions are called.
        row: how many numbers of an array lie side by side, where these are more than the lanes.
    """

    def __init__(
        self, code: Code, lanes: int, mathematics: Mathematics, row: int | None = None
    ) -> None:
        self._code, self._lanes, self._mathematics = code, lanes, mathematics
        self._row_size = lanes if row is None else row
        self._part = "" if row is None else PART
        self._lines: list[str] = []
        self._entry: list[str] = []
        self._count = 0
        self._label = "entry"
        self._names: dict[int, str] = {}
        self._splats: dict[tuple[str, int], str] = {}
        self._exits: list[str] = []
        self._in_lane = False
        self._lane = ""
        self._shadows: dict[int, str] = {}  # of variables, while lanes go one by one
        self._arrays: dict[int, str] = {}
        self._passed = self._given_back = 0  # numbers of double precision, at most in a call
        self.asides: list[str] = []  # functions that it calls

    # Text -------------------------------------------------------------------------------------

    def _kind(self, kind: str) -> str:
        real = "float" if self._code.is_single else "double"
        return {REAL: real, TIME: "double", SINGLE: "float", INT: "i64", BOOL: "i1"}.get(kind, "i8")

    def _type(self, kind: str, *, is_vector: bool) -> str:
        name = self._kind(kind)
        return f"<{self._lanes} x {name}>" if is_vector else name

    def _is_vector(self, value: Value | Variable) -> bool:
        return not (value.uniform or self._in_lane)

    def _new(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def _emit(self, text: str) -> str:
        name = self._new()
        self._lines.append(f"  {name} = {text}")
        return name

    def _say(self, text: str) -> None:
        self._lines.append(f"  {text}")

    def _begin(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._label = label

    def _labels(self, *names: str) -> list[str]:
        self._count += 1
        return [f"{name}{self._count}" for name in names]

    def _go(self, label: str) -> None:
        self._say(f"br label %{label}")

    def _branch(self, condition: str, then: str, otherwise: str) -> None:
        self._say(f"br i1 {condition}, label %{then}, label %{otherwise}")

    # Operands ---------------------------------------------------------------------------------

    def _operand(self, value: Value, *, is_vector: bool) -> str:
        """A value as it stands in an instruction."""
        if value.literal is not None:
            text = literal_text(value.literal, self._kind(value.kind))
            return f"splat ({self._kind(value.kind)} {text})" if is_vector else text
        name = self._names[value.number]
        if is_vector and value.uniform:
            return self._splat(value, name)
        return name

    def _splat(self, value: Value, name: str) -> str:
        place = (self._label, value.number)
        if place not in self._splats:
            vector, kind = self._type(value.kind, is_vector=True), self._kind(value.kind)
            first = self._emit(f"insertelement {vector} poison, {kind} {name}, i64 0")
            self._splats[place] = self._emit(
                f"shufflevector {vector} {first}, {vector} poison, "
                f"<{self._lanes} x i32> zeroinitializer"
            )
        return self._splats[place]

    # Functions --------------------------------------------------------------------------------

    def body(
        self,
        block: Block,
        variables: Sequence[Variable],
        names: Mapping[int, str],
        arrays: Mapping[int, str],
        places: Sequence[str] = (),
    ) -> str:
        """The text between the braces of a function that gives nothing back.

        Args:
            block: what is printed.
            variables: that change in it.
            names: of values that are there already.
            arrays: where arrays lie.
            places: instructions that find out where.
        """
        self._names.update(names)
        self._arrays.update(arrays)
        for variable in variables:
            kind = self._type(variable.kind, is_vector=self._is_vector(variable))
            self._entry.append(f"  %x{variable.number} = alloca {kind}, align {ALIGNMENT}")
        self._label = "begun"
        for variable in variables:
            kind = self._type(variable.kind, is_vector=self._is_vector(variable))
            self._say(f"store {kind} zeroinitializer, ptr %x{variable.number}, align {ALIGNMENT}")
        self._print(block)
        self._go("end")
        for name, size in (("passed", self._passed), ("given_back", self._given_back)):
            if size:
                self._entry.append(f"  %{name} = alloca [{size} x double], align {ALIGNMENT}")
        lines = [*self._entry, *places, "  br label %begun", "begun:", *self._lines]
        return "\n".join(["entry:", *lines, "end:", "  ret void"])

    @abstractmethod
    def _print(self, block: Block) -> None:
        """All instructions of a block."""

    # Values -----------------------------------------------------------------------------------

    def _calculate(self, operation: str, result: Value, *given: Value) -> None:
        is_vector = self._is_vector(result)
        kind = given[-1].kind
        operands = [self._operand(value, is_vector=is_vector) for value in given]
        kind_text = self._type(kind, is_vector=is_vector)
        if kind == INT and operation in _WHOLE:
            text = f"{_WHOLE[operation]} {kind_text} {operands[0]}, {operands[1]}"
        elif operation in _ARITHMETIC:
            name = f"f{_ARITHMETIC[operation]} {LIBERTIES}"
            text = f"{name} {kind_text} {operands[0]}, {operands[1]}"
        elif operation == "-x":
            text = f"fneg {LIBERTIES} {kind_text} {operands[0]}"
        else:
            compare = f"icmp {_SIGNED[operation]}" if kind == INT else f"fcmp {_ORDERED[operation]}"
            text = f"{compare} {kind_text} {operands[0]}, {operands[1]}"
        self._names[result.number] = self._emit(text)

    def _logic(self, operation: str, result: Value, *given: Value) -> None:
        is_vector = self._is_vector(result)
        operands = [self._operand(value, is_vector=is_vector) for value in given]
        kind = self._type(BOOL, is_vector=is_vector)
        if operation == "not":
            ones = "splat (i1 true)" if is_vector else "true"
            self._names[result.number] = self._emit(f"xor {kind} {operands[0]}, {ones}")
        else:
            text = f"{operation} {kind} {operands[0]}, {operands[1]}"
            self._names[result.number] = self._emit(text)

    def _where(self, _: str, result: Value, condition: Value, *given: Value) -> None:
        is_vector = self._is_vector(result)
        kind = self._type(result.kind, is_vector=is_vector)
        a, b = (self._operand(value, is_vector=is_vector) for value in given)
        choice_is_vector = self._is_vector(condition) and is_vector
        choice = self._operand(condition, is_vector=choice_is_vector)
        choice_kind = self._type(BOOL, is_vector=choice_is_vector)
        self._names[result.number] = self._emit(
            f"select {choice_kind} {choice}, {kind} {a}, {kind} {b}"
        )

    def _convert(self, _: str, result: Value, value: Value) -> None:
        is_vector = self._is_vector(result)
        before, after = self._kind(value.kind), self._kind(result.kind)
        operand = self._operand(value, is_vector=is_vector)
        if before == after:
            self._names[result.number] = operand
            return
        name = {
            ("double", "float"): "fptrunc",
            ("float", "double"): "fpext",
            ("i64", "float"): "sitofp",
            ("i64", "double"): "sitofp",
            ("i1", "float"): "uitofp",
            ("i1", "double"): "uitofp",
            ("i1", "i64"): "zext",
        }[before, after]
        source = self._type(value.kind, is_vector=is_vector)
        target = self._type(result.kind, is_vector=is_vector)
        self._names[result.number] = self._emit(f"{name} {source} {operand} to {target}")

    def _whole(self, _: str, result: Value, value: Value) -> None:
        # By way of 32 bits: processors before AVX-512 convert no vectors of numbers to 64.
        is_vector = self._is_vector(result)
        operand = self._operand(value, is_vector=is_vector)
        kinds = [self._type(kind, is_vector=is_vector) for kind in (value.kind, INT)]
        short = f"<{self._lanes} x i32>" if is_vector else "i32"
        found = self._emit(f"fptosi {kinds[0]} {operand} to {short}")
        self._names[result.number] = self._emit(f"sext {short} {found} to {kinds[1]}")

    def _call(self, _: str, result: Value, function: str, *given: Value) -> None:
        is_vector = self._is_vector(result)
        operands = [self._operand(value, is_vector=is_vector) for value in given]
        lanes = self._lanes if is_vector else 1
        self._names[result.number] = self._mathematics.call(
            function, operands, self._kind(result.kind), lanes, self._emit
        )

    def _user(self, _: str, made: tuple[Value, ...], name: str, *given: Value) -> None:
        """A call of a function that is compiled by itself: for all lanes, it is passed rows."""
        is_vector = self._is_vector(made[0])
        kind, lanes = self._type(TIME, is_vector=is_vector), self._lanes if is_vector else 1
        operands = [self._operand(value, is_vector=is_vector) for value in given]
        self._given_back = max(self._given_back, len(made) * lanes)
        if is_vector:
            self._passed = max(self._passed, len(given) * lanes)
            for place, operand in enumerate(operands):
                row = self._row("passed", place * lanes)
                self._say(f"store {kind} {operand}, ptr {row}, align {min(8 * lanes, ALIGNMENT)}")
            self._say(f"call void @{name}_in_lanes{self._part}(ptr %passed, ptr %given_back)")
        else:
            passed = "".join(f"double {operand}, " for operand in operands)
            self._say(f"call void @{name}({passed}ptr %given_back)")
        for place, value in enumerate(made):
            row = self._row("given_back", place * lanes)
            align = min(8 * lanes, ALIGNMENT)
            self._names[value.number] = self._emit(f"load {kind}, ptr {row}, align {align}")

    def _row(self, name: str, begin: int) -> str:
        return self._emit(f"getelementptr double, ptr %{name}, i64 {begin}")

    def _any(self, _: str, result: Value, condition: Value) -> None:
        operand = self._operand(condition, is_vector=self._is_vector(condition))
        if self._is_vector(condition):
            self._names[result.number] = self._emit(
                f"icmp ne i{self._lanes} {self._bits(operand)}, 0"
            )
        else:
            self._names[result.number] = operand

    def _bits(self, condition: str) -> str:
        return self._emit(f"bitcast <{self._lanes} x i1> {condition} to i{self._lanes}")

    # Memory -----------------------------------------------------------------------------------

    def _get(self, _: str, result: Value, variable: Variable) -> None:
        if self._in_lane and variable.number in self._shadows:
            self._names[result.number] = self._load_lane(
                self._shadows[variable.number], variable.kind
            )
            return
        kind = self._type(variable.kind, is_vector=self._is_vector(variable))
        self._names[result.number] = self._emit(
            f"load {kind}, ptr %x{variable.number}, align {ALIGNMENT}"
        )

    def _set(self, _: str, variable: Variable, value: Value) -> None:
        if self._in_lane and variable.number in self._shadows:
            operand = self._operand(value, is_vector=False)
            self._store_lane(self._shadows[variable.number], variable.kind, operand)
            return
        is_vector = self._is_vector(variable)
        kind = self._type(variable.kind, is_vector=is_vector)
        operand = self._operand(value, is_vector=is_vector)
        self._say(f"store {kind} {operand}, ptr %x{variable.number}, align {ALIGNMENT}")

    def _load_lane(self, shadow: str, kind: str) -> str:
        stored = "i8" if kind == BOOL else self._kind(kind)
        place = self._emit(f"getelementptr {stored}, ptr {shadow}, i64 {self._lane}")
        found = self._emit(f"load {stored}, ptr {place}")
        return self._emit(f"trunc i8 {found} to i1") if kind == BOOL else found

    def _store_lane(self, shadow: str, kind: str, operand: str) -> None:
        stored = "i8" if kind == BOOL else self._kind(kind)
        if kind == BOOL:
            operand = self._emit(f"zext i1 {operand} to i8")
        place = self._emit(f"getelementptr {stored}, ptr {shadow}, i64 {self._lane}")
        self._say(f"store {stored} {operand}, ptr {place}")

    def _place(self, array: LocalArray, index: Value) -> str:
        """Where a row of an array begins, or the number of one lane in it."""
        kind = self._kind(array.kind)
        if index.literal is not None:
            row = str(int(index.literal) * self._row_size)
        else:
            place = self._operand(index, is_vector=False)
            row = self._emit(f"mul i64 {place}, {self._row_size}")
        if self._in_lane:
            row = self._emit(f"add i64 {self._lane}, {row}")
        return self._emit(f"getelementptr {kind}, ptr {self._arrays[array.number]}, i64 {row}")

    def _read(self, _: str, result: Value, array: LocalArray, index: Value) -> None:
        place = self._place(array, index)
        kind = self._type(array.kind, is_vector=not self._in_lane)
        align = "" if self._in_lane else f", align {self._row_alignment(array)}"
        self._names[result.number] = self._emit(f"load {kind}, ptr {place}{align}")

    def _write(self, _: str, array: LocalArray, index: Value, value: Value) -> None:
        place = self._place(array, index)
        kind = self._type(array.kind, is_vector=not self._in_lane)
        operand = self._operand(value, is_vector=not self._in_lane)
        align = "" if self._in_lane else f", align {self._row_alignment(array)}"
        self._say(f"store {kind} {operand}, ptr {place}{align}")

    def _row_alignment(self, array: LocalArray) -> int:
        return min(ALIGNMENT, self._lanes * (4 if self._kind(array.kind) == "float" else 8))

    def _load(self, _: str, result: Value, argument: Argument, *index: Value) -> None:
        name = f"%{argument.name}"
        if not argument.is_array:
            self._names[result.number] = name
            return
        kind = self._kind(argument.kind)
        place = self._operand(index[0], is_vector=False)
        pointer = self._emit(f"getelementptr {kind}, ptr {name}, i64 {place}")
        volatile = "volatile " if argument.name == "stop" else ""
        found = self._emit(f"load {volatile}{kind}, ptr {pointer}")
        if kind == "i8":
            found = self._emit(f"sext i8 {found} to i64")
        self._names[result.number] = found

    def _listed(self, _: str, result: Value, table: Table, index: Value) -> None:
        place = self._operand(index, is_vector=False)
        pointer = self._emit(f"getelementptr i32, ptr @{table_name(table)}, i64 {place}")
        found = self._emit(f"load i32, ptr {pointer}, align 4, !invariant.load !{{}}")
        self._names[result.number] = self._emit(f"sext i32 {found} to i64")

    def _gather(self, _: str, result: Value, argument: Argument, index: Value) -> None:
        kind, places = self._kind(argument.kind), self._operand(index, is_vector=True)
        pointers = self._emit(
            f"getelementptr {kind}, ptr %{argument.name}, <{self._lanes} x i64> {places}"
        )
        self._names[result.number] = self._mathematics.gather(
            pointers, kind, self._lanes, self._emit
        )

    def _store(self, _: str, argument: Argument, index: Value, value: Value) -> None:
        kind = self._kind(argument.kind)
        place = self._operand(index, is_vector=False)
        operand = self._operand(value, is_vector=False)
        if kind == "i8":
            operand = self._emit(f"trunc i64 {operand} to i8")
        pointer = self._emit(f"getelementptr {kind}, ptr %{argument.name}, i64 {place}")
        self._say(f"store {kind} {operand}, ptr {pointer}")


def table_name(table: Table) -> str:
    """What a table is called in a module."""
    return f"{table.name}_{table.number}"
