"""Other ways to write equations, put into plain ones: signs, vectors, second derivatives.

Only what contains such a thing comes here; plain equations go by tokens alone.
"""

from __future__ import annotations

import ast
import itertools
import operator
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.equations import DERIVATIVE, LETTER, SECOND, WORD, Equation
from emberkeep.startup_records import final, replace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

# Signs ------------------------------------------------------------------------------------------

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("−–—‒﹣－", "-"),  # noqa: RUF001 - such letters are what this is about
        **dict.fromkeys("·×∙⋅∗•", "*"),  # noqa: RUF001 - as above
        **dict.fromkeys("÷∕⁄", "/"),  # noqa: RUF001 - as above
        **dict.fromkeys("’′‘", "'"),  # noqa: RUF001 - as above
        "≤": "<=",
        "≥": ">=",
        "≠": "!=",
        "π": "pi",
    }
)
_RAISED = re.compile("([⁺⁻]?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")


def plain(text: str) -> str:
    """Equations with the signs of a keyboard; Greek letters stay, in one form each."""
    raised = _RAISED.sub(lambda found: f"**{found[0].translate(_DIGITS)}", text)
    raised = raised.replace("″", "''")
    return unicodedata.normalize("NFKC", raised.translate(_SIGNS)).translate(_SIGNS)


def plain_name(name: str) -> str:
    """A name as it is found in equations."""
    return unicodedata.normalize("NFKC", name)


# Second derivatives -----------------------------------------------------------------------------


def velocity(state: str) -> str:
    """The state that is the derivative of another."""
    return f"d{state}"


def first_order(equations: Sequence[Equation]) -> list[Equation]:
    """Each second derivative as an equation of its state and one of that state's velocity."""
    second = {equation.target for equation in equations if equation.kind == SECOND}
    found: list[Equation] = []
    for equation in equations:
        tokens = _unprimed(equation.tokens, second)
        if equation.kind == SECOND:
            name = velocity(equation.target)
            found.append(replace(equation, {"kind": DERIVATIVE, "tokens": (name,)}))
            changes: dict[str, object] = {"target": name, "kind": DERIVATIVE, "tokens": tokens}
            found.append(replace(equation, changes))
        else:
            found.append(replace(equation, {"tokens": tokens}))
    return found


def _unprimed(tokens: Sequence[str], second: set[str]) -> tuple[str, ...]:
    """Tokens in which x' is the velocity of x."""
    found: list[str] = []
    for each in tokens:
        if each == "'" and found and found[-1] in second:
            found[-1] = velocity(found[-1])
        else:
            found.append(each)
    return (*found,)


# Vectors ----------------------------------------------------------------------------------------

MOST_EQUATIONS = 100_000
_FOR = re.compile(r"\s+for\s+", re.ASCII)
_RANGE = re.compile(rf"\s*({LETTER}{WORD}*)\s+in\s+(.+?)\s*\.\.\s*(.+?)\s*", re.ASCII)
_LENGTH = re.compile(rf"len\s*\(\s*({LETTER}{WORD}*)\s*\)", re.ASCII)
_PART = re.compile(rf"({LETTER}{WORD}*)\s*\[([^\[\]]*)\]", re.ASCII)
_WORDS = re.compile(rf"(?<!{WORD})(?<!\d\.){LETTER}{WORD}*", re.ASCII)
_SUM = re.compile(rf"(?<!{WORD})sum\s*\(", re.ASCII)
_WHOLE: dict[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: int.__floordiv__,
    ast.Mod: operator.mod,
}


def part(name: str, indices: Sequence[int]) -> str:
    """What a part of a vector is called: x_3, A_1_2."""
    return "_".join([name, *map(str, indices)])


def defined(texts: Sequence[str]) -> set[str]:
    """Vectors that equations define: of these, the parts are those that have an equation."""
    found = (_PART.match(text.strip()) for text in texts)
    return {part[1] for part in found if part and part.string[part.end() :].lstrip()[:1] == "="}


def expanded(
    text: str, place: str, shapes: Mapping[str, tuple[int, ...]], free: Collection[str]
) -> list[str]:
    """An equation of vectors as one for each of their parts.

    Args:
        text: such as ``x[i]' = k*(x[i-1] - x[i]) for i in 2..10``; a sum over an index is
            ``sum(A[i,j]*x[j] for j in 1..3)``.
        place: how it is called in messages.
        shapes: lengths of all vectors and matrices.
        free: vectors of any length.

    Raises:
        InvalidSystem: a part is outside its vector, or a range cannot be read.
    """
    return _Expansion(text, place, shapes, free).equations()


def parts_of(kind: str, name: str, given: Any) -> tuple[dict[str, object], tuple[int, ...]]:
    """The parts of a vector or matrix by their names, and its lengths.

    Raises:
        InvalidSystem: rows are of different lengths, or there are none.
    """
    rows = [_row(row) for row in given]
    lengths = {len(row) for row in rows}
    flat = lengths == {1} and not any(map(_is_row, given))
    is_deep = any(_is_row(cell) for row in rows for cell in row)
    if len(lengths) != 1 or 0 in lengths or is_deep or not (flat or all(map(_is_row, given))):
        raise InvalidSystem(
            f"The default of the {kind} {name!r} must be a number, a list of numbers or a matrix "
            f"with rows of the same length; it is {given!r}"
        )
    cells = {
        part(name, [index] if flat else [index, place]): cell
        for index, row in enumerate(rows, 1)
        for place, cell in enumerate(row, 1)
    }
    return cells, (len(rows),) if flat else (len(rows), lengths.pop())


def _is_row(given: Any) -> bool:
    return isinstance(given, list | tuple) or bool(getattr(given, "ndim", 0))


def _row(given: Any) -> list[Any]:
    return [*given] if _is_row(given) else [given]


@final
class _Expansion:
    """One equation of vectors."""

    def __init__(
        self,
        text: str,
        place: str,
        shapes: Mapping[str, tuple[int, ...]],
        free: Collection[str],
    ) -> None:
        self._text, self._place, self._shapes, self._free = text, place, shapes, free
        self._own: tuple[int, ...] = ()  # lengths of the vector whose equation it is

    def _error(self, problem: str, remedy: str) -> InvalidSystem:
        return InvalidSystem(f"{self._place}: {problem}\n    {self._text}\n{remedy}")

    def equations(self) -> list[str]:
        target = _PART.search(self._text.partition("=")[0])
        name = self._differential(target[1])[1] if target else ""
        self._own = self._shapes.get(name, ())
        body, ranges = self._parted(self._text)
        return [self._written(body, values) for values in self._values(ranges, {})]

    def _parted(self, text: str) -> tuple[str, str]:
        """What is repeated, and over what: the last ``for`` that is in no brackets."""
        for found in reversed([*_FOR.finditer(text)]):
            before = text[: found.start()]
            if before.count("(") == before.count(")"):
                return before, text[found.end() :]
        return text, ""

    def _values(self, ranges: str, outer: Mapping[str, int]) -> list[dict[str, int]]:
        """What indices are, one after the other."""
        names: list[str] = []
        counted: list[range] = []
        for each in filter(None, ranges.split(",")):
            found = _RANGE.fullmatch(each)
            if found is None:
                raise self._error(f"{each.strip()!r} is no range", "Write: for i in 1..10")
            names.append(found[1])
            counted.append(range(self._bound(found[2], outer), self._bound(found[3], outer) + 1))
        if not all(counted):
            raise self._error("a range is empty", "Write: for i in 1..10")
        total = 1
        for each in counted:
            total *= len(each)
        if total > MOST_EQUATIONS:
            raise self._error(f"these are {total:,} parts", f"At most {MOST_EQUATIONS:,} are taken")
        return [
            {**outer, **dict(zip(names, values, strict=True))}
            for values in itertools.product(*counted)
        ]

    def _bound(self, text: str, outer: Mapping[str, int]) -> int:
        length = _LENGTH.fullmatch(text)
        if length:
            return self._shape(length[1])[0]
        if re.fullmatch(rf"{LETTER}{WORD}*", text, re.ASCII) and text not in outer:
            if len(self._own) == 1:
                return self._own[0]
            raise self._error(f"how far {text!r} is, is not known", "Write a number or len(x)")
        return self._whole(text, outer)

    def _shape(self, name: str) -> tuple[int, ...]:
        if name not in self._shapes:
            known = ", ".join(sorted(self._shapes)) or "none"
            raise self._error(
                f"{name!r} is no vector",
                f"Declare it with a list of values: {{{name!r}: [1.0, 2.0]}}; there are {known}",
            )
        return self._shapes[name]

    def _whole(self, text: str, values: Mapping[str, int]) -> int:
        """A whole number made of indices."""
        try:
            return self._calculated(ast.parse(text.strip(), mode="eval").body, values)
        except (SyntaxError, KeyError, ZeroDivisionError, RecursionError):
            raise self._error(
                f"{text.strip()!r} is no index",
                f"Indices are made of whole numbers, {', '.join(values) or 'i'} and + - * // %",
            ) from None

    def _calculated(self, node: ast.expr, values: Mapping[str, int]) -> int:
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return node.value
        if isinstance(node, ast.Name):
            return values[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self._calculated(node.operand, values)
        if isinstance(node, ast.BinOp):
            sides = [self._calculated(side, values) for side in (node.left, node.right)]
            return int(_WHOLE[type(node.op)](*sides))
        raise KeyError

    def _written(self, text: str, values: Mapping[str, int]) -> str:
        """Text with sums written out and parts by their names."""
        found = _SUM.search(text)
        while found:
            end = self._closing(text, found.end())
            body, ranges = self._parted(text[found.end() : end])
            if ranges:
                terms = [self._written(body, each) for each in self._values(ranges, values)]
                middle = f"({' + '.join(f'({term})' for term in terms)})"
                text = text[: found.start()] + middle + text[end + 1 :]
            found = _SUM.search(text, found.end())
        text = _PART.sub(lambda part: self._name(part, values), text)
        return _WORDS.sub(lambda word: str(values.get(word[0], word[0])), text) if values else text

    def _closing(self, text: str, start: int) -> int:
        depth = 1
        for place in range(start, len(text)):
            depth += (text[place] == "(") - (text[place] == ")")
            if depth == 0:
                return place
        raise self._error("'(' was never closed", "Close it")

    def _name(self, found: re.Match[str], values: Mapping[str, int]) -> str:
        indices = [self._whole(each, values) for each in found[2].split(",")]
        before, name = self._differential(found[1])
        if name in self._free:
            return part(name, indices)
        shape = self._shape(name)
        inside = len(indices) == len(shape) and all(
            1 <= index <= length for index, length in zip(indices, shape, strict=True)
        )
        if not inside:
            reached = f"{name}[{', '.join(map(str, indices))}]"
            ranges = ", ".join(f"1..{length}" for length in shape)
            raise self._error(
                f"{found[0]} is {reached}, and {name} has the parts [{ranges}]",
                "Give the parts at the ends equations of their own, or go round: "
                f"{name}[(i - 2) % {shape[0]} + 1]",
            )
        return before + part(name, indices)

    def _differential(self, name: str) -> tuple[str, str]:
        """What stands before a vector's name: the d of dx[i]/dt, the d2 of d2x[i]/dt2."""
        for before in ("", "d", "d2"):
            rest = name.removeprefix(before)
            if rest in self._shapes and name.startswith(before):
                return before, rest
        return "", name
