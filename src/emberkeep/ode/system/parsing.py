"""From the text of equations to a program; only what is to be compiled is parsed."""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.equations import FUNCTIONS, SPELLINGS, Equation, pointed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emberkeep.ode.system.program import Program

_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_CONSTANTS = {"pi": math.pi, "e": math.e}
MOST_DECIMALS = 22  # up to here, powers of ten are exact


def parse_equation(
    equation: Equation,
    program: Program,
    values: Mapping[str, int],
    functions: Mapping[str, Callable[..., float]],
    calls: Mapping[str, Callable[..., int]] | None = None,
) -> int:
    """The value of an equation's right-hand side.

    Args:
        equation: what is parsed.
        program: gets its instructions.
        values: of the names that it may use.
        functions: the user's own.
        calls: what writes a call of each, where that is something else than a call.

    Raises:
        InvalidSystem: points at what cannot be read.
    """
    reader = _Reader(equation, program, values, functions, calls or {})
    try:
        result: int | None = None
        for sign, tokens in _terms(equation.tokens):
            value = reader.number(_parsed(equation, " ".join(tokens)))
            result = value if result is None else program.arithmetic(sign, result, value)
    except (RecursionError, MemoryError):
        raise InvalidSystem(
            f"{equation.place} ({_target(equation)}) is nested too deeply. Split it by naming parts"
        ) from None
    assert result is not None
    return result


def _parsed(equation: Equation, text: str) -> ast.expr:
    try:
        return ast.parse(text or " ", mode="eval").body
    except SyntaxError as problem:
        column = max(0, (problem.offset or 1) - 1)
        reason = problem.msg if text else "there is nothing after the equals sign"
        raise pointed(
            f"{equation.place} ({_target(equation)}) cannot be read: {reason}",
            text,
            column,
            1,
            "Write it as in Python, with * for products; ** or ^ for powers",
        ) from None


# Python's parser goes down a level for each term of a sum; it is spared those of long ones.
LONG = 1000
_LOOSER_THAN_SUMS = frozenset(
    {"<", ">", "<=", ">=", "==", "!=", "and", "or", "not", "if", "else", "&", "|", "~"}
)


def _terms(tokens: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The terms of a long sum with their signs; anything else as one term."""
    terms: list[tuple[str, list[str]]] = [("+", [])]
    if len(tokens) < LONG or _LOOSER_THAN_SUMS & set(tokens):
        return [("+", [*tokens])]
    depth = 0
    for part in tokens:
        depth += (part == "(") - (part == ")")
        # A sign after a value is one between terms.
        if depth == 0 and part in "+-" and terms[-1][1] and _ends_value(terms[-1][1][-1]):
            terms.append((part, []))
        else:
            terms[-1][1].append(part)
    return terms


def _ends_value(part: str) -> bool:
    return part[-1] == ")" or part[0].isalnum() or part[0] in "._"


def _lowered(program: Program, function: str, *values: int) -> int:
    # A warm start parses small systems, and most of them call nothing.
    from emberkeep.ode.system import lowering

    return lowering.call(program, function, *values)


def _target(equation: Equation) -> str:
    return f"d({equation.target})/dt" if equation.is_derivative else equation.target


class _Reader:
    """Walks one equation's tree."""

    def __init__(
        self,
        equation: Equation,
        program: Program,
        values: Mapping[str, int],
        functions: Mapping[str, Callable[..., float]],
        calls: Mapping[str, Callable[..., int]],
    ) -> None:
        self._equation, self._program = equation, program
        self._values, self._functions, self._calls = values, functions, calls

    def _error(self, node: ast.AST, problem: str, remedy: str) -> InvalidSystem:
        column = getattr(node, "col_offset", 0)
        width = getattr(node, "end_col_offset", column + 1) - column
        text = ast.unparse(node) if len(self._equation.tokens) >= LONG else self._equation.canonical
        column = 0 if len(self._equation.tokens) >= LONG else column
        place = f"{self._equation.place} ({_target(self._equation)})"
        return pointed(f"{place}: {problem}", text, column, width, remedy)

    def number(self, node: ast.expr) -> int:
        """A value that is a number."""
        value = self._read(node)
        if self._is_condition(value):
            # As in Python, a condition counts as one or zero.
            return self._program.choose(value, self._program.number(1.0), self._program.number(0.0))
        return value

    def condition(self, node: ast.expr) -> int:
        """A value that is a condition."""
        value = self._read(node)
        if not self._is_condition(value):
            raise self._error(node, "a condition is expected here", "Write a comparison: x > 0")
        return value

    def _is_condition(self, value: int) -> bool:
        return self._program.is_condition(value)

    def _read(self, node: ast.expr) -> int:
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.BinOp):
            return self._binary(node)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.BoolOp):
            word = "and" if isinstance(node.op, ast.And) else "or"
            return self._all_of(word, [self.condition(item) for item in node.values])
        if isinstance(node, ast.IfExp):
            condition = self.condition(node.test)
            return self._program.choose(condition, self.number(node.body), self.number(node.orelse))
        raise self._error(
            node,
            f"this ({type(node).__name__}) has no meaning in an equation",
            "Equations are made of numbers, names, operators, comparisons and functions",
        )

    def _constant(self, node: ast.Constant) -> int:
        if isinstance(node.value, bool):
            return self._program.truth(node.value)
        if isinstance(node.value, int | float):
            try:
                value = float(node.value)
            except OverflowError:
                value = math.inf
            if math.isinf(value):
                raise self._error(node, "this number is too large", "The largest is about 1.8e308")
            return self._program.number(value)
        raise self._error(node, "only real numbers may stand here", "Write a number or a name")

    def _name(self, node: ast.Name) -> int:
        if node.id in self._values:
            return self._values[node.id]
        if node.id in _CONSTANTS:
            return self._program.number(_CONSTANTS[node.id])
        raise self._error(node, f"{node.id!r} is a function", f"Give it arguments: {node.id}(x)")

    def _binary(self, node: ast.BinOp) -> int:
        if isinstance(node.op, ast.BitAnd | ast.BitOr):  # as SymPy and NumPy write them
            word = "and" if isinstance(node.op, ast.BitAnd) else "or"
            return self._all_of(word, [self.condition(node.left), self.condition(node.right)])
        # A sum of a thousand terms is a thousand levels deep on its left side, and no recursion.
        chain: list[ast.BinOp] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and not isinstance(left.op, ast.BitAnd | ast.BitOr):
            chain.append(left)
            left = left.left
        value = self.number(left)
        for link in reversed(chain):
            value = self._operation(link, value, self.number(link.right))
        return value

    def _operation(self, node: ast.BinOp, first: int, second: int) -> int:
        if isinstance(node.op, ast.Pow):
            return self._program.power(first, second)
        if isinstance(node.op, ast.Mod):
            return _lowered(self._program, "mod", first, second)
        operation = _ARITHMETIC.get(type(node.op))
        if operation is None:
            raise self._error(node, "this operator has no meaning here", "Use + - * / ** %")
        return self._program.arithmetic(operation, first, second)

    def _unary(self, node: ast.UnaryOp) -> int:
        if isinstance(node.op, ast.Not | ast.Invert):
            return self._program.inverse(self.condition(node.operand))
        value = self.number(node.operand)
        return self._program.negative(value) if isinstance(node.op, ast.USub) else value

    def _compare(self, node: ast.Compare) -> int:
        terms = [self.number(item) for item in (node.left, *node.comparators)]
        found: list[int] = []
        for place, operator in enumerate(node.ops):
            sign = _COMPARISONS.get(type(operator))
            if sign is None:
                raise self._error(
                    node, "this comparison has no meaning here", "Use < <= > >= == !="
                )
            found.append(self._program.compare(sign, terms[place], terms[place + 1]))
        return self._all_of("and", found)

    def _all_of(self, word: str, conditions: Sequence[int]) -> int:
        result = conditions[0]
        for condition in conditions[1:]:
            result = self._program.logic(word, result, condition)
        return result

    # Functions ----------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> int:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise self._error(
                node, "functions are called by their name and by position", "Write f(x, y)"
            )
        name = node.func.id
        if name in self._functions:
            arguments = [self.number(argument) for argument in node.args]
            if name in self._calls:
                return self._calls[name](*arguments)
            return self._program.call(f"user {name}", *arguments)
        if name in self._values:
            remedy = f"Write {name} * (…) for a product"
            raise self._error(node, f"{name!r} is a value, and is called like a function", remedy)
        name = SPELLINGS.get(name, name)
        if name not in FUNCTIONS:
            remedy = f"Write {name} * (…) for a product"
            raise self._error(node, f"{name!r} is a value, and is called like a function", remedy)
        least, most = FUNCTIONS[name]
        if not least <= len(node.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise self._error(
                node,
                f"{name} takes {wanted} arguments, not {len(node.args)}",
                "Check its arguments",
            )
        if name in ("Piecewise", "where", "And", "Or", "Not"):
            return self._logical_call(name, node)
        arguments = [self.number(argument) for argument in node.args]
        if name == "round":
            self._require_decimals(node, arguments[1:])
        return _lowered(self._program, name, *arguments)

    def _require_decimals(self, node: ast.Call, arguments: Sequence[int]) -> None:
        for place, argument in enumerate(arguments, 1):
            decimals = self._program.literal(argument)
            if decimals is None or not decimals.is_integer() or abs(decimals) > MOST_DECIMALS:
                problem = f"the decimals must be a whole number from -{MOST_DECIMALS} to"
                raise self._error(
                    node.args[place], f"{problem} {MOST_DECIMALS}", "Write round(x, 2)"
                )

    def _logical_call(self, name: str, node: ast.Call) -> int:
        if name == "Piecewise":
            return self._piecewise(node)
        if name == "where":
            condition = self.condition(node.args[0])
            return self._program.choose(condition, *map(self.number, node.args[1:]))
        conditions = [self.condition(argument) for argument in node.args]
        if name == "Not":
            return self._program.inverse(conditions[0])
        return self._all_of(name.lower(), conditions)

    def _piecewise(self, node: ast.Call) -> int:
        result: int | None = None
        for piece in reversed(node.args):
            if not isinstance(piece, ast.Tuple) or len(piece.elts) != 2:  # noqa: PLR2004 - a pair
                raise self._error(
                    piece, "a piece is a pair", "Write Piecewise((value, condition), (other, True))"
                )
            value, condition = piece.elts
            if isinstance(condition, ast.Constant) and condition.value is True:
                result = self.number(value)
            else:
                # Beyond the last piece it is not defined.
                otherwise = self._program.number(math.nan) if result is None else result
                result = self._program.choose(
                    self.condition(condition), self.number(value), otherwise
                )
        assert result is not None
        return result
