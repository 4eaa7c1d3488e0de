"""Equations in all forms that users write them in: texts, mappings, SymPy's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.declarations import name_of, pairs_of
from emberkeep.ode.system.equations import (
    Equation,
    definition_of,
    equation_of,
    read_equation,
    split_equations,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any


def written_equations(
    given: Any,
    states: Mapping[str, float],
    observables: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
) -> list[Equation]:
    """Equations of any form, as text."""
    if isinstance(given, str):
        given = (given,)
    if isinstance(given, bytes):
        raise InvalidSystem("Equations are text, and these are bytes: pass equations.decode()")
    if isinstance(given, Mapping):
        return [
            _of_name(name_of(target), right, observables, f"equation {number}")
            for number, (target, right) in enumerate(pairs_of(given), 1)
        ]
    try:
        items: Sequence[Any] = list(given)
    except TypeError:
        raise InvalidSystem(
            f"Equations are text, a list of texts, a mapping from state to right-hand side or a "
            f"function f(t, y, p), not a {type(given).__name__}"
        ) from None
    read: list[Equation] = []
    items = [part for item in items for part in (_split(item) if isinstance(item, str) else [item])]
    expand = _expansion(items, shapes) if shapes else None  # else brackets are a mistake
    for number, item in enumerate(items, 1):
        place = f"equation {number}"
        if isinstance(item, str):
            texts = expand(item, place) if expand and "[" in item else (item,)
            read += [read_equation(text, place, states) for text in texts]
        elif _is_sympy(item):
            from emberkeep.ode.system.from_sympy import sides

            read.append(sides(item, place))
        else:
            raise InvalidSystem(
                f"{place} is {item!r}, a {type(item).__qualname__}; expected text such as "
                '"dx = -x", or SymPy\'s Eq(Derivative(x(t), t), …)'
            )
    return read


def _split(text: str) -> list[str]:
    return split_equations(text if text.isascii() else plain_text(text))


def plain_text(text: str) -> str:
    """A text with its Greek letters and signs in one form each."""
    from emberkeep.ode.system.notation import plain

    return plain(text)


def _expansion(
    items: Iterable[Any], shapes: Mapping[str, tuple[int, ...]]
) -> Callable[[str, str], Iterable[str]]:
    """What makes of an equation of vectors those of their parts."""
    from emberkeep.ode.system.notation import defined, expanded

    taken = {*shapes, *(f"d{name}" for name in shapes)}  # dx[i] = … is a derivative
    free = defined([item for item in items if isinstance(item, str)]) - taken
    return lambda text, place: expanded(text, place, shapes, free)


def _of_name(target: str, right: Any, observables: Sequence[str], place: str) -> Equation:
    """An item of a mapping: the derivative of a state, or the definition of an observable."""
    text = text_of(right, f"the equation of {target}")
    text = text if text.isascii() else plain_text(text)
    if target in observables:
        return definition_of(target, text, place)
    if target.endswith("'"):
        return read_equation(f"{target} = {text}", place, ())
    return equation_of(target, text, place)


def _is_sympy(value: object) -> bool:
    # Of functions of time such as x(t), only the classes above are SymPy's.
    return any(str(base.__module__).partition(".")[0] == "sympy" for base in type(value).__mro__)


def text_of(right: Any, place: str) -> str:
    """A right-hand side as text: a number, or a SymPy expression, too.

    Raises:
        InvalidSystem: it is something else.
    """
    if isinstance(right, str):
        return right
    if _is_sympy(right):
        from emberkeep.ode.system import from_sympy

        return from_sympy.text_of(right, place)
    try:
        return repr(float(right))
    except (TypeError, ValueError, OverflowError):
        raise InvalidSystem(
            f"{place} is {right!r}, a {type(right).__qualname__}; expected text, a number or a "
            "SymPy expression"
        ) from None
