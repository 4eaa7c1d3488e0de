"""Vector forms of exp, log, sin, cos and pow from the C library (libmvec).

LLVM widens a call in a vectorised loop to an intrinsic on a vector, and then takes it apart again
into scalar calls, because it knows no vector library. The GNU C library has one, good to 4 units
in the last place and ten times as fast: those intrinsics are called by its names instead.
"""

from __future__ import annotations

import re

# Lanes by bits of one number → the letter for the instruction set in the vector functions' names.
_LETTERS = {
    (2, 64): "b",  # SSE
    (4, 32): "b",
    (4, 64): "d",  # AVX2
    (8, 32): "d",
    (8, 64): "e",  # AVX-512
    (16, 32): "e",
}
_FUNCTIONS = {"exp": 1, "log": 1, "sin": 1, "cos": 1, "pow": 2}

_NAME = re.compile(r"@llvm\.(exp|log|sin|cos|pow)\.v(\d+)f(32|64)\(")
_DECLARATION = re.compile(
    r"^declare [^\n]*@llvm\.(?:exp|log|sin|cos|pow)\.v\d+f(?:32|64)\([^\n]*\n", re.MULTILINE
)


def vector_name(function: str, lanes: int, bits: int) -> str | None:
    """The name of a function's vector form in the C library; None where there is none."""
    letter = _LETTERS.get((lanes, bits))
    if letter is None or function not in _FUNCTIONS:
        return None
    suffix = "f" if bits == 32 else ""  # noqa: PLR2004
    return f"_ZGV{letter}N{lanes}{'v' * _FUNCTIONS[function]}_{function}{suffix}"


def bind_vector_math(text: str) -> str:
    """LLVM assembly with the vector intrinsics that have a vector function called by its name."""
    declarations: dict[str, str] = {}

    def rename(found: re.Match[str]) -> str:
        function, lanes, bits = found[1], int(found[2]), int(found[3])
        name = vector_name(function, lanes, bits)
        if name is None:
            return found[0]
        vector = f"<{lanes} x {'float' if bits == 32 else 'double'}>"  # noqa: PLR2004
        arguments = ", ".join([vector] * _FUNCTIONS[function])
        declarations[name] = f"declare {vector} @{name}({arguments}) #9999\n"
        return f"@{name}("

    kept = "".join(found[0] for found in _DECLARATION.finditer(text) if _stays(found[0]))
    body = _NAME.sub(rename, _DECLARATION.sub("", text))
    if not declarations:
        return text
    pure = "attributes #9999 = { nounwind willreturn memory(none) }\n"
    return f"{body}\n{kept}{''.join(declarations.values())}{pure}"


def _stays(declaration: str) -> bool:
    """Whether a declared intrinsic has no vector function, so that its calls stay."""
    found = _NAME.search(declaration)
    return found is not None and vector_name(found[1], int(found[2]), int(found[3])) is None
