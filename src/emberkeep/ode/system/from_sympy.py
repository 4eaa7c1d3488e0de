"""SymPy's expressions as text of our equations.

They are printed exactly (SymPy's own printing rounds numbers), and then go the same way as
equations that were written as text.
"""

# SymPy has no types.
# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

from typing import Any

import sympy
from sympy.printing.str import StrPrinter

from emberkeep.errors import InvalidSystem


class _Printer(StrPrinter):
    """SymPy's own printer, with numbers in full and derivatives and functions of time resolved."""

    def _print_Float(self, expr: Any) -> str:  # noqa: N802 - SymPy's name
        return repr(float(expr))

    def _print_Exp1(self, expr: Any) -> str:  # noqa: N802, ARG002 - SymPy's name and signature
        return "exp(1)"

    def _print_Rational(self, expr: Any) -> str:  # noqa: N802 - SymPy's name
        return f"({expr.p}.0/{expr.q}.0)"

    def _print_Relational(self, expr: Any) -> str:  # noqa: N802 - SymPy's name
        sign = {"Equality": "==", "Unequality": "!="}.get(type(expr).__name__, expr.rel_op)
        return f"({self._print(expr.lhs)} {sign} {self._print(expr.rhs)})"

    def _print_AppliedUndef(self, expr: Any) -> str:  # noqa: N802 - SymPy's name
        arguments = [self._print(argument) for argument in expr.args]
        name = type(expr).__name__
        return name if arguments == ["t"] else f"{name}({', '.join(arguments)})"

    def _print_Function(self, expr: Any) -> str:  # noqa: N802 - SymPy's name
        if isinstance(expr, sympy.core.function.AppliedUndef):
            return self._print_AppliedUndef(expr)
        return super()._print_Function(expr)


def text_of(expression: Any, place: str) -> str:
    """A right-hand side as text.

    Raises:
        InvalidSystem: SymPy objects of this kind have no meaning in an equation.
    """
    if not isinstance(expression, sympy.Basic):
        raise InvalidSystem(f"{place} is a {type(expression).__qualname__}, no SymPy expression")
    kinds: Any = (sympy.Derivative, sympy.Integral, sympy.MatrixBase)
    unknown = expression.atoms(*kinds)
    if unknown:
        raise InvalidSystem(
            f"{place} contains {sorted(map(str, unknown))}. Only the left-hand side may be a "
            "derivative, of first order: introduce a state for each further one"
        )
    return _Printer().doprint(expression)


def sides(equation: Any, place: str) -> tuple[str, str]:
    """The state and the right-hand side of ``Eq(Derivative(x(t), t), …)``.

    Raises:
        InvalidSystem: it is another sort of equation.
    """
    left: Any = getattr(equation, "lhs", None)
    variables = getattr(left, "variables", ())
    if not isinstance(left, sympy.Derivative) or [str(item) for item in variables] != ["t"]:
        raise InvalidSystem(
            f"{place} is {equation}. A SymPy equation must read Eq(Derivative(x(t), t), …); or "
            "pass a dictionary {'x': expression}"
        )
    return _Printer().doprint(left.expr), text_of(equation.rhs, place)
