"""What was probably meant by a name that nobody declared, or by a strange letter."""

from __future__ import annotations

import difflib
import re

from emberkeep.ode.system.equations import (
    CONSTANTS,
    FUNCTIONS,
    SPELLINGS,
    TIME,
    find_name,
    is_name,
    pointed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from emberkeep.errors import InvalidSystem
    from emberkeep.ode.system.equations import Equation

# What looks like something that equations are made of.
_MEANT = {
    "√": "sqrt(…)",
}
_REMEDIES = {
    "lambda": "It is a word of Python's: call the parameter 'lambda_'",
    "None": "Write a number",
}
# Functions that are seldom written by hand.
_OF_SYMPY = {"And", "Or", "Not", "Eq", "Ne"}
DECLARE = (
    "Declare it as a state, parameter, constant or driver, define it by an equation of its own, or "
    "pass it in functions={…}"
)


def strange_letter(equation: Equation) -> InvalidSystem | None:
    """An error about the first letter of another alphabet, which looks like a name and is none."""
    strange = (token for token in equation.tokens if not (token.isascii() or is_name(token)))
    token = next(strange, None)
    if token is None:
        return None
    found = re.search(re.escape(token), equation.text)
    meant = _MEANT.get(token)
    remedy = f"Write {meant} instead" if meant else "Write it in letters, as alpha or rate_2"
    return pointed(
        f"{equation.place}: {token!r} is no letter, digit or sign that equations are made of",
        equation.text,
        found.start() if found else 0,
        len(token),
        f"{remedy}; names are Latin and Greek letters, digits and underscores",
    )


def derivative_on_the_right(equation: Equation) -> InvalidSystem | None:
    """An error about x' where there is no equation for x''."""
    tokens = ("", *equation.tokens)
    for before, name, prime in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if prime == "'" and before != "'" and is_name(name):
            return pointed(
                f"{equation.place}: the derivative {name}' may stand on the right-hand side only "
                f"where {name}'' has an equation",
                equation.text,
                *find_name(equation, name),
                f"Give what is equal to it a name, as in: rate = …; d{name} = rate",
            )
    return None


def unknown_name(equation: Equation, name: str, known: Collection[str]) -> InvalidSystem:
    """An error about a name that nobody declared.

    Args:
        equation: where it is used.
        name: the name.
        known: all others that may be used there.
    """
    column, width = find_name(equation, name)
    rest = equation.text[column + width :]
    attribute = re.match(r"\s*\.\s*(?:\w+\s*\.\s*)*([A-Za-z_]\w*)", rest)
    if attribute:
        return _attribute(equation, name, attribute[1], (column, width + attribute.end()), known)
    glued = re.search(rf"[\d.]+{re.escape(name)}(?!\w)", equation.text)
    if glued and equation.text[column : column + width] != name:
        column, width = glued.start(), len(glued[0])
        problem = f"{glued[0]!r} is neither a number nor a name"
        remedy = "Write * between factors, and numbers without underscores or j"
    else:
        problem = f"the name {name!r} is not known"
        called = rest.lstrip().startswith("(")
        remedy = _REMEDIES.get(name) or _hint(name, known, called=called) + DECLARE
    return pointed(f"{equation.place}: {problem}", equation.text, column, width, remedy)


def _attribute(
    equation: Equation, name: str, function: str, mark: tuple[int, int], known: Collection[str]
) -> InvalidSystem:
    """About ``np.exp``: equations have functions of their own."""
    meant = SPELLINGS.get(function, function)
    if meant in FUNCTIONS or meant in CONSTANTS:
        remedy = f"Write {meant}{'(…)' if meant in FUNCTIONS else ''}, without {name!r}"
    else:
        remedy = _hint(function, known, called=True) + f"There are {', '.join(sorted(FUNCTIONS))}"
    return pointed(
        f"{equation.place}: equations use functions by their names alone, of no module",
        equation.text,
        *mark,
        remedy,
    )


def _hint(name: str, known: Collection[str], *, called: bool) -> str:
    """The name that was meant: of a function where it is called, of a value where it is not."""
    built_in = {*FUNCTIONS, *SPELLINGS} - _OF_SYMPY
    others = {*built_in, *known} if called else {*known, TIME, *CONSTANTS} - built_in
    by_case = {other.lower(): other for other in sorted(others)}
    close = difflib.get_close_matches(name.lower(), by_case, 1)
    halves = [(name[:at], name[at:]) for at in range(1, len(name)) if not called]
    meant = ["*".join(pair) for pair in halves if others.issuperset(pair)]
    meant += [by_case[found] for found in close]
    return f"Did you mean {meant[0]!r}? " if meant else ""
