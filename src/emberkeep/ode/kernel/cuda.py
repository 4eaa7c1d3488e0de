"""Code as CUDA C++: a thread for each trajectory.

What several lanes would share is the thread's own here, and what is done lane by lane is an `if`.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import (
    BOOL,
    BYTE,
    INT,
    REAL,
    SINGLE,
    TIME,
    Block,
    Code,
    Value,
    all_instructions,
    items,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from emberkeep.ode.kernel.code import Argument, Function, LocalArray, Table, Variable
    from emberkeep.ode.kernel.teams import Team

ENTRY = "emberkeep_kernel"
THREADS = 128  # of a block
LANES = 32  # of a warp
_WARP = "0xffffffffu"  # all of its lanes

_KINDS = {REAL: "real", TIME: "double", SINGLE: "float", INT: "integer", BOOL: "bool"}
_SIGNS = {"and": "&&", "or": "||", "//": "/"}
# Functions that C++ calls by another name.
_NAMES = {
    "gamma": "tgamma",
    "abs": "fabs",
    "min": "smaller",
    "max": "larger",
    "minimum": "smaller",
    "maximum": "larger",
    "fmuladd": "fma",
}
_LONGEST = 90  # an expression that is longer gets a name

_HEAD = """typedef long long integer;
typedef {real} real;

// The smaller or larger of two; not-a-number where one of them is.
template <class T> __device__ __forceinline__ T smaller(T a, T b) {{
  return a < b || a != a ? a : b;
}}
template <class T> __device__ __forceinline__ T larger(T a, T b) {{
  return a > b || a != a ? a : b;
}}

// A GPU's own instructions: better than the polynomials that vectors have, and as quick.
__device__ __forceinline__ float quick_log2(float x) {{ return __log2f(x); }}
__device__ __forceinline__ float quick_exp2(float x) {{
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}}
__device__ __forceinline__ float apart(float x, float y) {{ return __fadd_rn(x, y); }}
__device__ __forceinline__ double apart(double x, double y) {{ return __dadd_rn(x, y); }}
__device__ __forceinline__ float quick_ratio(float x, float y) {{ return __fdividef(x, y); }}
"""

_FENCE = """
// A number that a compiler does not know to be the same.
__device__ __forceinline__ float fenced(float x) { asm("" : "+f"(x)); return x; }
__device__ __forceinline__ double fenced(double x) { asm("" : "+d"(x)); return x; }
"""


_ALONE = """  const integer begin = (integer)blockIdx.x * blockDim.x + threadIdx.x;
  if (begin >= count) return;
  const integer end = begin + 1;
"""
# A lane without a trajectory goes along: the others meet with it.
_TOGETHER = """  const int lane = threadIdx.x % {lanes}, warp = threadIdx.x / {lanes};
  const integer begin = (integer)blockIdx.x * {lanes} + lane;
  const integer end = begin < count ? begin + 1 : begin;
  extern __shared__ real told[][{lanes}];
"""


@final
class _Printer:
    """Prints one function's body."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self._lines: list[str] = []
        self._indent = "  "
        self._texts: dict[int, str] = {}
        self._taken: Counter[str] = Counter()
        self._names: dict[int, str] = {}
        self._uses: Counter[int] = Counter()
        self._leaving = "if ({}) break;"
        self._homes: Mapping[int, int] = {}  # of variables that a team shares, in its memory

    def name(self, item: Variable | LocalArray | Value) -> str:
        """What something is called: by its own name, and a number where that is taken."""
        if item.number not in self._names:
            wanted = getattr(item, "name", "") or "v"
            self._taken[wanted] += 1
            count = self._taken[wanted]
            self._names[item.number] = f"{wanted}_{count}"
        return self._names[item.number]

    def body(self, block: Block, known: Mapping[int, str]) -> list[str]:
        """The lines of a block."""
        self._texts.update(known)
        for _, *rest in all_instructions(block):
            self._uses.update(item.number for item in items(rest) if isinstance(item, Value))
        self._print(block)
        return self._lines

    def _say(self, text: str) -> None:
        self._lines.append(f"{self._indent}{text}")

    def _print(self, block: Block) -> None:
        for operation, *rest in block.instructions:
            method = getattr(self, f"_{operation}", None) if operation.isidentifier() else None
            if method is None or operation in ("and", "or", "not"):
                self._calculate(operation, *rest)
            else:
                method(*rest)

    def _inner(self, block: Block) -> None:
        self._indent += "  "
        self._print(block)
        self._indent = self._indent[:-2]

    # Values -----------------------------------------------------------------------------------

    def _text(self, value: Value) -> str:
        if value.literal is not None:
            return _literal(value.literal, value.kind, is_single=self._code.is_single)
        return self._texts[value.number]

    def _result(self, result: Value, text: str, *, is_pure: bool = True) -> None:
        """A value: within the only expression that uses it, or by a name."""
        # Each result is counted once where it is made.
        once = self._uses[result.number] == 2 and not result.name  # noqa: PLR2004
        if once and is_pure and len(text) < _LONGEST:
            self._texts[result.number] = text if text.isidentifier() else f"({text})"
            return
        name = self.name(result)
        self._say(f"const {_KINDS[result.kind]} {name} = {text};")
        self._texts[result.number] = name

    def _calculate(self, operation: str, result: Value, *given: Value) -> None:
        texts = [self._text(value) for value in given]
        if operation == "-x":
            self._result(result, f"-{texts[0]}")
        elif operation == "not":
            self._result(result, f"!{texts[0]}")
        else:
            sign = _SIGNS.get(operation, operation)
            self._result(result, f"{texts[0]} {sign} {texts[1]}")

    def _where(self, result: Value, *given: Value) -> None:
        condition, then, otherwise = (self._text(value) for value in given)
        self._result(result, f"{condition} ? {then} : {otherwise}")

    def _convert(self, result: Value, value: Value) -> None:
        self._result(result, f"({_KINDS[result.kind]}){self._text(value)}")

    def _whole(self, result: Value, value: Value) -> None:
        self._convert(result, value)

    def _call(self, result: Value, function: str, *given: Value) -> None:
        passed = ", ".join(self._text(value) for value in given)
        name = _NAMES.get(function, function)
        if result.kind == SINGLE and name == "fabs":
            name = "fabsf"
        self._result(result, f"{name}({passed})")

    def _user(self, made: tuple[Value, ...], name: str, *given: Value) -> None:
        """A call of a function that is compiled by itself."""
        for value in made:
            value.name = value.name or f"{name}_gave"
        self._taken[name] += 1
        memory = f"{name}_results_{self._taken[name]}"
        passed = "".join(f"{self._text(value)}, " for value in given)
        self._say(f"double {memory}[{len(made)}];")
        self._say(f"{name}({passed}{memory});")
        for place, value in enumerate(made):
            self._result(value, f"{memory}[{place}]")

    def _any(self, result: Value, condition: Value) -> None:
        self._result(result, self._text(condition))

    # Memory -----------------------------------------------------------------------------------

    def _get(self, result: Value, variable: Variable) -> None:
        self._result(result, self._place(variable), is_pure=False)

    def _set(self, variable: Variable, value: Value) -> None:
        self._say(f"{self._place(variable)} = {self._text(value)};")

    def _place(self, variable: Variable) -> str:
        home = self._homes.get(variable.number)
        return self.name(variable) if home is None else f"told[{home}][lane]"

    def _array(self, array: LocalArray) -> str:
        return self._texts.get(array.number) or self.name(array)

    def _read(self, result: Value, array: LocalArray, index: Value) -> None:
        self._result(result, f"{self._array(array)}[{self._text(index)}]", is_pure=False)

    def _write(self, array: LocalArray, index: Value, value: Value) -> None:
        self._say(f"{self._array(array)}[{self._text(index)}] = {self._text(value)};")

    def _load(self, result: Value, argument: Argument, *index: Value) -> None:
        if not argument.is_array:
            self._result(result, argument.name)
            return
        place = f"{argument.name}[{self._text(index[0])}]"
        self._result(result, place, is_pure=False)

    def _listed(self, result: Value, table: Table, index: Value) -> None:
        self._result(result, f"{_table_name(table)}[{self._text(index)}]")

    def _gather(self, result: Value, argument: Argument, index: Value) -> None:
        self._load(result, argument, index)

    def _store(self, argument: Argument, index: Value, value: Value) -> None:
        first = "if (warp == 0) " * self._code.is_shared
        self._say(f"{first}{argument.name}[{self._text(index)}] = {self._text(value)};")

    # Ways through it --------------------------------------------------------------------------

    def _when(self, condition: Value, block: Block) -> None:
        self._say(f"if ({_bare(self._text(condition))}) {{")
        self._inner(block)
        self._say("}")

    def _for_each(self, condition: Value, block: Block) -> None:
        self._when(condition, block)

    def _aside(self, _: str, __: bool, block: Block, ___: Sequence[Variable]) -> None:  # noqa: FBT001
        # No function: its calls would take registers of the whole kernel.
        self._say("{")
        self._inner(block)
        self._say("}")

    def _loop(self, block: Block) -> None:
        # All lanes of a warp go through the steps of a team together.
        holds_team = any(operation == "team" for operation, *_ in block.instructions)
        self._repeat(block, f"if (__all_sync({_WARP}, {{}})) break;" if holds_team else None)

    def _repeat(self, block: Block, leaving: str | None) -> None:
        outer, self._leaving = self._leaving, leaving or "if ({}) break;"
        self._say("for (;;) {")
        self._inner(block)
        self._say("}")
        self._leaving = outer

    def _leave(self, condition: Value) -> None:
        self._say(self._leaving.format(_bare(self._text(condition))))

    def _stop(self, condition: Value) -> None:
        text = _bare(self._text(condition))
        asked = f"__syncthreads_or({text})" if self._code.is_shared else text
        self._say(f"if ({asked}) return;")

    # A team -----------------------------------------------------------------------------------

    def _team(self, team: Team, *blocks: Block) -> None:
        """A loop over steps, for each thread of a team its own."""
        self._meet()
        for variable in team.shared:
            home, owner = team.homes[variable.number], team.owners[variable.number]
            self._say(f"if (warp == {owner}) told[{home}][lane] = {self.name(variable)};")
        self._meet()
        for thread, block in enumerate(blocks):
            self._say(f"{'else ' * (thread > 0)}if (warp == {thread}) {{")
            self._homes = team.homes
            self._indent += "  "
            self._repeat(block, f"if (__any_sync({_WARP}, {{}})) break;")
            self._indent = self._indent[:-2]
            self._homes = {}
            self._say("}")
        for variable in team.shared:
            self._say(f"{self.name(variable)} = told[{team.homes[variable.number]}][lane];")

    def _meet(self) -> None:
        self._say("__syncwarp();")
        self._say("__syncthreads();")

    def _tell(self, place: int, value: Value) -> None:
        self._say(f"told[{place}][lane] = {self._text(value)};")

    def _hear(self, value: Value, place: int) -> None:
        told = f"told[{place}][lane]"
        text = {BOOL: f"{told} != 0", INT: f"(integer){told}"}.get(value.kind, told)
        self._result(value, text, is_pure=False)

    def _told(self, result: Value, value: Value) -> None:
        self._result(result, self._text(value))

    def _same(self, result: Value, value: Value) -> None:
        self._texts[result.number] = self._text(value)

    def _count_up(self, index: Value, limit: Value, block: Block) -> None:
        name = self.name(index)
        self._texts[index.number] = name
        self._say(f"#pragma unroll {block.at_once}")
        self._say(f"for (integer {name} = 0; {name} < {self._text(limit)}; ++{name}) {{")
        self._inner(block)
        self._say("}")

    def _invoke(self, function: Function, given: Sequence[tuple[LocalArray, Value]]) -> None:
        places = ", ".join(f"{self._array(array)} + {self._text(at)}" for array, at in given)
        self._say(f"{function.name}({places});")


def _bare(text: str) -> str:
    """An expression without the brackets around all of it."""
    if not text.startswith("("):
        return text
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[1:-1] if place == len(text) - 1 else text
    return text


def _literal(value: float, kind: str, *, is_single: bool) -> str:
    if kind == BOOL:
        return "true" if value else "false"
    if kind == INT:
        return f"{int(value)}LL" if abs(value) >= 1 << 31 else str(int(value))
    number = float(value)
    single = kind == SINGLE or (kind == REAL and is_single)
    if math.isnan(number):
        return (
            "__int_as_float(0x7fc00000)" if single else "__longlong_as_double(0x7ff8000000000000)"
        )
    if math.isinf(number):
        text = (
            "__int_as_float(0x7f800000)" if single else "__longlong_as_double(0x7ff0000000000000)"
        )
        return text if number > 0 else f"(-{text})"
    text = f"{number!r}{'f' if single else ''}"
    return f"({text})" if number < 0 or math.copysign(1, number) < 0 else text


def print_cuda(code: Code, title: str, *, blocks: int = 0, team: Team | None = None) -> str:
    """Code as a source file with one kernel.

    Args:
        code: what is printed.
        title: what it is, in a comment.
        blocks: how many of threads a processor is to hold at least, for which registers are left;
            zero to leave that to the compiler.
        team: what threads that work on a trajectory together share; None where one does it all.
    """
    users = "".join(_user(name, given) for name, (given, _) in code.users.items())
    tables = "".join(map(_table, code.tables))
    functions = "\n".join(_function(code, function) for function in code.functions)
    printer = _Printer(code)
    known = {code.begin.number: "begin", code.end.number: "end"}
    lines = printer.body(code.body, known)
    declared = [
        *_declarations(printer, code.variables),
        # C++ has no arrays of nothing, such as the parameters of a system without any.
        *(
            f"  {'volatile ' * array.is_rare}{_KINDS[array.kind]} {printer.name(array)}"
            f"[{max(array.size, 1)}];"
            for array in code.arrays
        ),
    ]
    stored = {rest[0] for operation, *rest in all_instructions(code.body) if operation == "store"}
    listed = [_parameter(argument, is_result=argument in stored) for argument in code.arguments]
    parameters = ",\n    ".join(["integer count", *listed])
    has_fences = any(rest[1:2] == ["fenced"] for _, *rest in all_instructions(code.body))
    head = _HEAD.format(real="float" if code.is_single else "double") + _FENCE * has_fences
    body = "\n".join([*declared, *lines])
    threads = LANES * team.size if team else THREADS
    bounds = f"{threads}, {blocks}" if blocks else str(threads)
    return (
        f"// {title}\n\n{head}\n{users}{tables}{functions}\n"
        f'extern "C" __global__ void __launch_bounds__({bounds}) {ENTRY}(\n    {parameters}) {{\n'
        f"{_ALONE if team is None else _TOGETHER.format(lanes=LANES)}"
        f"{body}\n}}\n"
    )


def _table_name(table: Table) -> str:
    return f"{table.name}_{table.number}"


def _table(table: Table) -> str:
    numbers = table.numbers or (0,)
    listed = ", ".join(map(str, numbers))
    return f"__device__ const int {_table_name(table)}[{len(numbers)}] = {{{listed}}};\n"


def _user(name: str, given: int) -> str:
    """The declaration of a function of the user's: numbers, and where its results go."""
    return f'extern "C" __device__ void {name}({"double, " * given}double*);\n'


def _declarations(printer: _Printer, variables: Sequence[Variable]) -> Iterator[str]:
    by_kind: dict[str, list[str]] = {}
    for variable in variables:
        by_kind.setdefault(_KINDS[variable.kind], []).append(f"{printer.name(variable)} = 0")
    for kind, names in by_kind.items():
        for begin in range(0, len(names), 8):
            yield f"  {kind} {', '.join(names[begin : begin + 8])};"


def _parameter(argument: Argument, *, is_result: bool) -> str:
    kind = "signed char" if argument.kind == BYTE else _KINDS[argument.kind]
    if not argument.is_array:
        return f"{kind} {argument.name}"
    if argument.name == "stop":
        return f"const volatile {kind}* {argument.name}"
    constant = "" if is_result else "const "
    return f"{constant}{kind}* __restrict__ {argument.name}"


def _stored(function: Function) -> set[LocalArray]:
    """The arrays that a function writes to, or has others write to."""
    found: set[LocalArray] = set()
    for operation, *rest in all_instructions(function.body):
        if operation == "write":
            found.add(rest[0])
        elif operation == "invoke":
            called, given = rest
            theirs = _stored(called)
            parameters = zip(called.parameters, given, strict=True)
            found |= {array for parameter, (array, _) in parameters if parameter in theirs}
    return found


def _function(code: Code, function: Function) -> str:
    printer = _Printer(code)
    known = {parameter.number: parameter.name for parameter in function.parameters}
    body = printer.body(function.body, known)
    lines = "\n".join([*_declarations(printer, function.variables), *body])
    stored = _stored(function)
    parameters = ", ".join(
        f"{'' if parameter in stored else 'const '}{_KINDS[parameter.kind]}* __restrict__ "
        f"{parameter.name}"
        for parameter in function.parameters
    )
    return f"__device__ __noinline__ void {function.name}({parameters}) {{\n{lines}\n}}\n"
