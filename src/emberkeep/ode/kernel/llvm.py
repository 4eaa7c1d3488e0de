"""Code as LLVM assembly: trajectories side by side, as the lanes of vectors.

What is done lane by lane works on copies in memory, so that everything else can stay in registers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from emberkeep.ode.kernel.code import BOOL, Block, Code, Value, Variable
from emberkeep.ode.kernel.contents import Contents
from emberkeep.ode.kernel.llvm_assembly import ALIGNMENT, Assembly, table_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.kernel.code import Function


@final
class Printer(Assembly):
    """Prints one function: ways through it, and what is done lane by lane."""

    def _print(self, block: Block) -> None:
        for operation, *rest in block.instructions:
            getattr(self, _METHODS.get(operation, "_calculate"))(operation, *rest)

    # Ways through it --------------------------------------------------------------------------

    def _when(self, _: str, condition: Value, block: Block) -> None:
        then, after = self._labels("then", "after")
        self._branch(self._operand(condition, is_vector=False), then, after)
        self._begin(then)
        self._print(block)
        self._go(after)
        self._begin(after)

    def _loop(self, _: str, block: Block) -> None:
        head, after = self._labels("loop", "left")
        self._go(head)
        self._begin(head)
        self._exits.append(after)
        self._print(block)
        self._exits.pop()
        self._go(head)
        self._begin(after)

    def _leave(self, _: str, condition: Value) -> None:
        (stay,) = self._labels("stay")
        self._branch(self._operand(condition, is_vector=False), self._exits[-1], stay)
        self._begin(stay)

    def _stop(self, _: str, condition: Value) -> None:
        (go_on,) = self._labels("on")
        self._branch(self._operand(condition, is_vector=False), "end", go_on)
        self._begin(go_on)

    def _count_up(self, _: str, index: Value, limit: Value, block: Block) -> None:
        head, body, after = self._labels("count", "counted", "done")
        before = self._label
        end = self._operand(limit, is_vector=False)
        self._go(head)
        self._begin(head)
        name = self._names[index.number] = self._new()
        phi = len(self._lines)
        self._lines.append("")
        is_less = self._emit(f"icmp slt i64 {name}, {end}")
        self._branch(is_less, body, after)
        self._begin(body)
        self._exits.append(after)
        self._print(block)
        self._exits.pop()
        following = self._emit(f"add nsw i64 {name}, 1")
        self._lines[phi] = f"  {name} = phi i64 [ 0, %{before} ], [ {following}, %{self._label} ]"
        self._say(f"br label %{head}, !llvm.loop !0")
        self._begin(after)

    def _invoke(self, _: str, function: Function, given: Sequence[Any]) -> None:
        pointers: list[str] = []
        for array, offset in given:
            place = self._operand(offset, is_vector=False)
            row = self._emit(f"mul i64 {place}, {self._row_size}")
            kind = self._kind(array.kind)
            found = self._emit(f"getelementptr {kind}, ptr {self._arrays[array.number]}, i64 {row}")
            pointers.append(f"ptr {found}")
        self._say(f"call void @{function.name}{self._part}({', '.join(pointers)})")

    # Lane by lane -----------------------------------------------------------------------------

    def _for_each(self, _: str, condition: Value, block: Block) -> None:
        inside = Contents(block)
        enter, each, after, skip = self._labels("enter", "each", "after", "skip")
        mask = self._mask(condition)
        self._branch(self._emit(f"icmp ne i64 {mask}, 0"), enter, skip)
        self._begin(enter)
        shadows = {value.number: self._shadow(value) for value in inside.values}
        self._shadows = {variable.number: self._shadow(variable) for variable in inside.variables}
        self._go(each)
        self._begin(each)
        waiting, phi = self._new(), len(self._lines)
        self._lines.append("")
        self._lane = self._emit(f"call i64 @llvm.cttz.i64(i64 {waiting}, i1 true)")
        self._in_lane = True
        outside = {number: self._names[number] for number in shadows}
        for value in inside.values:
            self._names[value.number] = self._load_lane(shadows[value.number], value.kind)
        self._print(block)
        self._in_lane = False
        self._names.update(outside)
        less = self._emit(f"add i64 {waiting}, -1")
        rest = self._emit(f"and i64 {waiting}, {less}")
        self._lines[phi] = f"  {waiting} = phi i64 [ {mask}, %{enter} ], [ {rest}, %{self._label} ]"
        self._branch(self._emit(f"icmp eq i64 {rest}, 0"), after, each)
        self._begin(after)
        for variable in inside.assigned:
            self._restore(variable)
        self._go(skip)
        self._begin(skip)

    def _aside(
        self,
        _: str,
        name: str,
        is_quick: bool,  # noqa: FBT001 - as the instruction has it
        block: Block,
        own: Sequence[Variable],
    ) -> None:
        """A function that is left as it is, unless it is to be quick; it is passed what it uses."""
        inside = Contents(block)
        # Where other functions can reach them, variables would always lie in memory.
        assert {each.number for each in inside.alike} <= {each.number for each in own}
        printer = Printer(self._code, self._lanes, self._mathematics)
        printer._in_lane, printer._lane = True, "%lane"
        given, names = {"%lane": ("i64", self._lane)}, dict[int, str]()
        for value in (*inside.values, *inside.shared):
            names[value.number] = f"%g{value.number}"
            operand = self._operand(value, is_vector=False)
            given[names[value.number]] = self._type(value.kind, is_vector=False), operand
        its_own = {variable.number for variable in own}
        for variable in inside.variables:
            if variable.number in its_own:
                continue
            shadow = printer._shadows[variable.number] = f"%s{variable.number}_"
            given[shadow] = "ptr", self._shadows[variable.number]
        arrays = {array.number: self._arrays[array.number] for array in inside.arrays}
        given |= {place: ("ptr", place) for place in arrays.values()}
        for argument in inside.arguments:
            kind = "ptr" if argument.is_array else self._kind(argument.kind)
            given[f"%{argument.name}"] = kind, f"%{argument.name}"
        parameters = ", ".join(f"{kind} {name}" for name, (kind, _) in given.items())
        body = printer.body(block, own, names, arrays)
        self.asides += printer.asides
        how = "noinline nounwind" if is_quick else "#3"
        self.asides.append(f"define internal void @{name}({parameters}) {how} {{\n{body}\n}}\n")
        passed = ", ".join(f"{kind} {operand}" for kind, operand in given.values())
        self._say(f"call void @{name}({passed})")

    def _mask(self, condition: Value) -> str:
        everyone = (1 << self._lanes) - 1
        if condition.uniform:
            operand = self._operand(condition, is_vector=False)
            text = everyone if everyone < 1 << 63 else everyone - (1 << 64)
            return self._emit(f"select i1 {operand}, i64 {text}, i64 0")
        bits = self._bits(self._operand(condition, is_vector=True))
        if self._lanes == 64:  # noqa: PLR2004 - as many as there are bits
            return bits
        return self._emit(f"zext i{self._lanes} {bits} to i64")

    def _shadow(self, item: Value | Variable) -> str:
        """A copy in memory, of which lanes have their parts."""
        kind = self._type(item.kind, is_vector=True)
        if isinstance(item, Variable):
            operand = self._emit(f"load {kind}, ptr %x{item.number}, align {ALIGNMENT}")
        else:
            operand = self._operand(item, is_vector=True)
        stored = kind
        if item.kind == BOOL:
            stored = f"<{self._lanes} x i8>"
            operand = self._emit(f"zext {kind} {operand} to {stored}")
        self._count += 1
        shadow = f"%s{self._count}"
        self._entry.append(f"  {shadow} = alloca {stored}, align {ALIGNMENT}")
        self._say(f"store {stored} {operand}, ptr {shadow}, align {ALIGNMENT}")
        return shadow

    def _restore(self, variable: Variable) -> None:
        kind = self._type(variable.kind, is_vector=True)
        stored = f"<{self._lanes} x i8>" if variable.kind == BOOL else kind
        shadow = self._shadows[variable.number]
        found = self._emit(f"load {stored}, ptr {shadow}, align {ALIGNMENT}")
        if variable.kind == BOOL:
            found = self._emit(f"trunc {stored} {found} to {kind}")
        self._say(f"store {kind} {found}, ptr %x{variable.number}, align {ALIGNMENT}")


def print_tables(code: Code) -> str:
    """All tables, as constants of a module."""
    lines: list[str] = []
    for table in code.tables:
        numbers = table.numbers or (0,)
        listed = ", ".join(f"i32 {number}" for number in numbers)
        kind = f"[{len(numbers)} x i32]"
        lines.append(f"@{table_name(table)} = internal constant {kind} [{listed}], align 4\n")
    return "".join(lines)


_METHODS = {
    **dict.fromkeys(("and", "or", "not"), "_logic"),
    **{
        name: f"_{name}"
        for name in (
            *("where", "convert", "call", "user", "any", "get", "set", "read", "write", "load"),
            *("whole", "gather", "listed"),
            *("store", "when", "loop", "leave", "stop", "count_up", "invoke", "for_each"),
            "aside",
        )
    },
}
