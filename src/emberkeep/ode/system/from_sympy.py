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
from emberkeep.ode.system.equations import (
    DEFINITION,
    DERIVATIVE,
    SECOND,
    Equation,
    equation_of,
    read_equation,
)
from emberkeep.startup_records import replace


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

    def _print_ITE(self, expr: Any) -> str:  # noqa: N802 - SymPy's name
        condition, then, otherwise = (f"({self._print(item)})" for item in expr.args)
        return f"(({condition} & {then}) | (~{condition} & {otherwise}))"

    def _print_Xor(self, expr: Any) -> str:  # noqa: N802 - SymPy's name
        first, *rest = map(self._print, expr.args)
        for other in rest:
            first = f"(({first}) != ({other}))"
        return first

    def _print_sinc(self, expr: Any) -> str:
        argument = self._print(expr.args[0])  # NumPy's is of pi*x, and so is ours
        return f"sinc(({argument})/pi)"

    def _print_ImaginaryUnit(self, expr: Any) -> str:  # noqa: N802, ARG002 - as above
        raise InvalidSystem(
            "An equation contains SymPy's imaginary unit I: numbers are real here. Write an "
            "equation for the real part and one for the imaginary part of each state"
        )

    def _print_Derivative(self, expr: Any) -> str:  # noqa: N802 - SymPy's name
        return f"{self._print(expr.expr)}'"

    def _print_AppliedUndef(self, expr: Any) -> str:  # noqa: N802 - SymPy's name
        arguments = [self._print(argument) for argument in expr.args]
        name = type(expr).__name__
        return name if arguments == ["t"] else f"{name}({', '.join(arguments)})"

    def _print_Function(self, expr: Any) -> str:  # noqa: N802 - SymPy's name
        if isinstance(expr, sympy.core.function.AppliedUndef):
            return self._print_AppliedUndef(expr)
        return super()._print_Function(expr)


def _is_velocity(derivative: Any) -> bool:
    """Whether it is x'(t), which has a meaning where there is an equation for x''."""
    return [str(each) for each in derivative.variables] == ["t"]


def text_of(expression: Any, place: str) -> str:
    """A right-hand side as text.

    Raises:
        InvalidSystem: SymPy objects of this kind have no meaning in an equation.
    """
    if not isinstance(expression, sympy.Basic):
        raise InvalidSystem(f"{place} is a {type(expression).__qualname__}, no SymPy expression")
    kinds: Any = (sympy.Integral, sympy.MatrixBase)
    unknown = expression.atoms(*kinds)
    derivatives: Any = expression.atoms(sympy.Derivative)
    unknown |= {each for each in derivatives if not _is_velocity(each)}
    if unknown:
        raise InvalidSystem(
            f"{place} contains {sorted(map(str, unknown))}. Only the left-hand side may be a "
            "derivative, of first order: introduce a state for each further one"
        )
    return _Printer().doprint(expression)


def sides(equation: Any, place: str) -> Equation:
    """``Eq(Derivative(x(t), t), …)``, of second order too, or ``Eq(name, …)`` for a definition.

    ``Eq(0, …)`` is an algebraic equation, and derivatives may be in sums and products.

    Raises:
        InvalidSystem: it is another sort of equation.
    """
    left: Any = getattr(equation, "lhs", None)
    variables = [str(item) for item in getattr(left, "variables", ())]
    if isinstance(left, sympy.Derivative) and variables in (["t"], ["t", "t"]):
        kind = DERIVATIVE if len(variables) == 1 else SECOND
        target = _Printer().doprint(left.expr)
    elif isinstance(left, sympy.Symbol | sympy.core.function.AppliedUndef):
        kind, target = DEFINITION, _Printer().doprint(left)
    elif (
        isinstance(left, sympy.Expr)
        and not isinstance(left, sympy.Derivative)
        and (left.is_zero or left.has(sympy.Derivative))
    ):
        return read_equation(f"{text_of(left, place)} = {text_of(equation.rhs, place)}", place, ())
    else:
        raise InvalidSystem(
            f"{place} is {equation}. A SymPy equation must read Eq(Derivative(x(t), t), …), "
            "Eq(0, …) where it is algebraic, or Eq(name, …) for an intermediate value; or pass a "
            "dictionary {'x': expression}"
        )
    right = text_of(equation.rhs, place)
    return replace(equation_of(target, right, place), {"kind": kind})
