"""Equations as text: split into targets and right-hand sides, checked, made canonical.

A warm start does this too, for systems of any size, so it goes by tokens alone: one pass of a
regular expression, and sets of names and of neighbours. Only what does not pass, and what is to be
compiled, is parsed.
"""

from __future__ import annotations

import re

from emberkeep.errors import InvalidSystem
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

# Names begin with a letter of the Latin or Greek alphabet.
LETTER, WORD = "[A-Za-z_Α-Ωα-ω]", r"[\wΑ-Ωα-ω]"  # noqa: RUF001 - these are Greek
_WORD = f"{LETTER}{WORD}*"
_TOKENS = re.compile(
    rf"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|{_WORD}|\*\*|<=|>=|==|!=|//|\S", re.ASCII
)
_NAME = re.compile(_WORD, re.ASCII)
_EQUALS = re.compile(r"(?<![<>=!])=(?!=)")
_TWICE = r"\s*(?:\*\*|\^)?\s*2\s*"
_QUOTIENT = re.compile(
    rf"(?<![\w/])d\s*(?:\(\s*(?P<inner>{_WORD})\s*\)|(?P<leibniz>{_WORD}))\s*/\s*d\s*t(?!{WORD}|\s*/)",
    re.ASCII,
)
_LEFT = re.compile(
    rf"\s*(?:d\s*\(\s*(?P<inner>{_WORD})\s*\)\s*/\s*d\s*t|d(?P<leibniz>{_WORD})\s*/\s*d\s*t"
    rf"|d{_TWICE}\(?\s*(?P<twice>{_WORD})\s*\)?\s*/\s*d\s*t{_TWICE}|(?P<second>{_WORD})\s*'\s*'"
    rf"|(?P<prime>{_WORD})\s*'|(?P<plain>{_WORD}))\s*",
    re.ASCII,
)

# Functions that equations may call, with the least and the largest number of arguments.
FUNCTIONS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("exp", "log10", "log2", "log1p", "expm1", "sqrt", "cbrt"), (1, 1)),
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan"), (1, 1)),
    **dict.fromkeys(("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"), (1, 1)),
    **dict.fromkeys(("abs", "sign", "floor", "ceil", "trunc", "rint"), (1, 1)),
    **dict.fromkeys(("erf", "erfc", "gamma", "lgamma"), (1, 1)),
    **dict.fromkeys(("sec", "csc", "cot", "sinc", "deg2rad", "rad2deg"), (1, 1)),
    **dict.fromkeys(("atan2", "hypot", "pow", "mod", "fmod", "copysign"), (2, 2)),
    "round": (1, 2),
    "clip": (3, 3),
    **dict.fromkeys(("min", "max"), (1, 99)),
    "log": (1, 2),
    "heaviside": (1, 2),
    "where": (3, 3),
    "Piecewise": (1, 99),
    "And": (1, 99),
    "Or": (1, 99),
    "Not": (1, 1),
    "Eq": (2, 2),
    "Ne": (2, 2),
}
SPELLINGS = {
    "ln": "log",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "Abs": "abs",
    "fabs": "abs",
    "sgn": "sign",
    "ceiling": "ceil",
    "Min": "min",
    "Max": "max",
    "minimum": "min",
    "maximum": "max",
    "loggamma": "lgamma",
    "Heaviside": "heaviside",
    "piecewise": "Piecewise",
    "Mod": "mod",
    "power": "pow",
    "tgamma": "gamma",
    "degrees": "rad2deg",
    "radians": "deg2rad",
}
CONSTANTS = ("pi",)
WHERE_FREE = ("e",)  # constants whose names may mean something else
WORDS = frozenset({"and", "or", "not", "if", "else", "True", "False"})
TIME = "t"

# What may follow what, by kind of token: n a value, o an operator, u one that may also stand before
# a value, and brackets.
_FOLLOWERS = {
    "n": "ouc)",
    "o": "nu(",
    "u": "nu(",
    "c": "nu(",
    "(": "nu()",
    ")": "ouc)",
    "^": "nu(",  # the beginning
}
_LEGAL = frozenset(first + second for first, all_ in _FOLLOWERS.items() for second in all_)
_KINDS = {
    **dict.fromkeys(("+", "-", "not", "~"), "u"),
    **dict.fromkeys(("*", "/", "**", "<", ">", "<=", ">=", "==", "!=", "%", "&", "|"), "o"),
    **dict.fromkeys(("and", "or", "if", "else"), "o"),
    "(": "(",
    ")": ")",
    ",": "c",
}


DERIVATIVE, SECOND, DEFINITION = "derivative", "second derivative", "definition"
ZERO = "0"
IMPLICIT = "implicit"  # 0 = …, or a left-hand side in which there are derivatives


@final
@frozen
class Equation:
    """One equation.

    Attributes:
        target: the state whose derivative it gives, or the name that it defines; of an implicit
            equation, its left-hand side, as tokens with spaces between them.
        kind: which of these; a second derivative becomes two equations.
        tokens: of its right-hand side.
        text: as it was written.
        place: how it is called in messages, such as ``equation 2``.
    """

    target: str
    kind: str
    tokens: tuple[str, ...]
    text: str
    place: str

    @property
    def is_derivative(self) -> bool:
        """Whether it gives the derivative of a state."""
        return self.kind == DERIVATIVE

    @property
    def canonical(self) -> str:
        """The right-hand side without the user's own spaces."""
        return " ".join(self.tokens)


def split_equations(text: str) -> list[str]:
    """The equations in a text: one a line, or separated by semicolons; # begins a comment.

    A line whose brackets are open goes on in the next one, unless that is an equation by itself.
    """
    lines: list[str] = []
    for line in text.splitlines():
        code = line.partition("#")[0]
        if lines and _is_open(lines[-1]) and not _EQUALS.search(code):
            lines[-1] += f" {code.strip()}"
        else:
            lines.append(code)
    return [part.strip() for line in lines for part in line.split(";") if part.strip()]


def _is_open(line: str) -> bool:
    return "(" in line and line.count("(") > line.count(")")


def read_equation(text: str, place: str, states: Collection[str]) -> Equation:
    """Split an equation into its target and its right-hand side.

    Raises:
        InvalidSystem: it has no target that could be one.
    """
    parts = _EQUALS.split(text)
    if len(parts) != 2:  # noqa: PLR2004 - two sides
        raise InvalidSystem(
            f"{place} has {len(parts) - 1} equals signs and must have one:\n    {text}\nWrite "
            '"dx = …", "x\' = …" or "d(x)/dt = …" for the derivative of a state x, and '
            '"name = …" for an intermediate value. Each line is an equation of its own; nothing is '
            "imported or returned"
        )
    left, right = parts
    found, tokens = _LEFT.fullmatch(left), _tokens(right)
    if found is None:
        return Equation(_implicit(left, text, place), IMPLICIT, tokens, text, place)
    plain, second = found["plain"], found["second"] or found["twice"]
    if second is not None:
        return Equation(second, SECOND, tokens, text, place)
    if plain is None:
        target = found["inner"] or found["leibniz"] or found["prime"]
        return Equation(target, DERIVATIVE, tokens, text, place)
    if plain[0] == "d" and plain[1:] in states and plain not in states:
        return Equation(plain[1:], DERIVATIVE, tokens, text, place)
    return Equation(plain, DEFINITION, tokens, text, place)


def _implicit(left: str, text: str, place: str) -> str:
    """A left-hand side that is zero, or has derivatives in it; these as x', all as tokens."""
    tokens = _tokens(_QUOTIENT.sub(lambda found: f"{found['inner'] or found['leibniz']}'", left))
    is_zero = len(tokens) == 1 and not tokens[0].strip("0.")
    if is_zero or ("'" in tokens and "' '" not in " ".join(tokens)):
        return ZERO if is_zero else " ".join(tokens)
    raise pointed(
        f"{place}: the left-hand side is neither a derivative nor a name",
        text,
        0,
        len(left.rstrip()),
        'Write "dx = …", "x\' = …" or "d(x)/dt = …" for a state x, or "0 = …" for an algebraic '
        "equation",
    )


def equation_of(target: str, right: str, place: str) -> Equation:
    """The derivative of a state, given as its right-hand side alone."""
    text = " ".join(line.partition("#")[0].strip() for line in right.splitlines())
    return Equation(target, DERIVATIVE, _tokens(text), f"d({target})/dt = {text}", place)


def definition_of(target: str, right: str, place: str) -> Equation:
    """An intermediate value, given as its right-hand side alone."""
    derivative = equation_of(target, right, place)
    text = derivative.text.partition(" = ")[2]
    return Equation(target, DEFINITION, derivative.tokens, f"{target} = {text}", place)


def _tokens(text: str) -> tuple[str, ...]:
    return tuple(["**" if part == "^" else part for part in _TOKENS.findall(text)])


def looks_right(equation: Equation) -> bool:
    """Whether brackets are balanced and neighbours possible; what fails here is parsed to say why.

    Between values and operators, this is all the grammar there is.
    """
    kinds = "".join(_KINDS.get(token) or "n" for token in equation.tokens)
    pairs = set(map(str.__add__, f"^{kinds}", kinds))
    depth = 0
    for kind in kinds:
        depth += (kind == "(") - (kind == ")")
        if depth < 0:
            return False
    # A value before a bracket is a function's name.
    pairs.discard("n(")
    return bool(kinds) and depth == 0 and kinds[-1] in "n)" and pairs <= _LEGAL


def names_in(equation: Equation) -> set[str]:
    """Names that an equation uses, those of functions included."""
    tokens = set(equation.tokens)
    if equation.kind == IMPLICIT:
        tokens.update(equation.target.split())
    return {token for token in tokens if _NAME.fullmatch(token)} - WORDS


def is_name(text: str) -> bool:
    """Whether something could be a name."""
    return _NAME.fullmatch(text) is not None


def pointed(problem: str, text: str, column: int, width: int, remedy: str) -> InvalidSystem:
    """An error that points into an equation."""
    mark = " " * column + "^" * max(1, width)
    return InvalidSystem(f"{problem}\n    {text}\n    {mark}\n{remedy}")


def find_name(equation: Equation, name: str) -> tuple[int, int]:
    """Column and width of a name in an equation as it was written, but for its target."""
    equals = _EQUALS.search(equation.text)
    start = equals.end() if equals and equation.kind != IMPLICIT else 0
    found = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)").search(equation.text, start)
    return (found.start(), len(name)) if found else (start, 1)


def _target(equation: Equation) -> str:
    return equation.target


def _ring(needs: Mapping[str, set[str]], waiting: Collection[str]) -> list[str]:
    """Of definitions that wait for each other, those that are needed by one of them."""
    names = set(waiting)
    while True:
        needed = set[str]().union(*(needs[name] for name in names)) & names
        if needed == names:
            return sorted(names)
        names = needed


def in_order(equations: Sequence[Equation]) -> list[Equation]:
    """Definitions in an order in which each needs only those before it.

    Raises:
        InvalidSystem: some define each other; names them.
    """
    waiting = {equation.target: equation for equation in sorted(equations, key=_target)}
    needs = {target: names_in(equation) & waiting.keys() for target, equation in waiting.items()}
    done: list[Equation] = []
    while waiting:
        ready = [target for target in waiting if not needs[target] & waiting.keys()]
        if not ready:
            names = ", ".join(map(repr, _ring(needs, waiting)))
            raise InvalidSystem(
                f"The definitions of {names} need each other. An intermediate value may use "
                "others, but not, by way of them, itself"
            )
        done += [waiting.pop(target) for target in ready]
    return done
