"""What a compiler said of a kernel, in a few lines: what is wrong, where, and what to do.

numba's own messages tell every implementation that it tried, through several of its own files. All
of that stays with the error, as its cause.
"""

from __future__ import annotations

import dis
import linecache
import os
import re
import types

from emberkeep.errors import InvalidKernel, TargetUnavailable
from emberkeep.keys.names import nested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.targets.protocol import PrintedSource

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# "(path)" is of generated code, "<emberkeep …>" too: nobody wrote what is there.
_FILES = re.compile(r'^File "([^<"\n][^"\n]*)", line (\d+)', re.MULTILINE)
_RAISED = re.compile(r"Raised from ([^<(\n][^(\n]*) \((\d+)\)")
_SAYS_NOTHING = re.compile(
    r"Failed in \w+ mode pipeline|During:|The compiler failed to analyze the bytecode\.\s*$"
)
_NO_IMPLEMENTATION = re.compile(r"No implementation of function (\S.*) found for signature")
_CALL = re.compile(r">>> (\w+)\((.*)\)")
_UNDEFINED = re.compile(r"NameError: name '(\w+)' is not defined")
_LITERAL = re.compile(r"Literal\[(\w+)\]\([^()]*\)")

# What is said, and what to do about it; the first that is found counts.
_REMEDIES = (
    (_UNDEFINED, "Define or import it before the kernel is called, or pass it as an argument"),
    (r"IMPORT_NAME", "Import at the top of the file, not within the function"),
    (r"Variable '\w+' is not defined", "Assign to it on every way that leads there"),
    (
        r"Cannot cast .* to float",
        "A real number is wanted there: no tuple, no complex number, and not nothing",
    ),
    (r"Cannot unify", "Give the name values of one type, or use two names"),
    (
        r"attribute '\w+' of type array|cannot index array",
        "Check the name and the number of indices",
    ),
    (r"return_dynamic_user_exc", "Raise exceptions with constant arguments"),
    (r"Literal\[str\]|unicode_type", "Text cannot be computed with: pass numbers"),
)
_COMMON = "Kernels compute with numbers and arrays, by operators and by functions of math and NumPy"
_SAID = (
    (r"Use of unsupported opcode \(IMPORT_NAME\).*", "it imports a module while it runs"),
    (r"The compiler failed to analyze the bytecode\. ", ""),
    (r"\.*\s*Raised from .*", ""),
    (r'(Cannot cast [^:]*): %"[^"]*" = .*', r"\1"),
)


def refused(
    name: str, function: types.FunctionType, problem: BaseException, compiler: str = "numba"
) -> InvalidKernel:
    """The error for a kernel that a compiler does not take; to be raised from what it said.

    Args:
        name: of the kernel.
        function: of an index.
        problem: the compiler's.
        compiler: its name.
    """
    text = _COLOURS.sub("", str(problem)) or type(problem).__name__
    said = _said(text)
    remedy = next((way for told, way in _REMEDIES if re.search(told, text)), None)
    place = _place(text, function)
    where = f"\n    {place}" if place else ""
    return InvalidKernel(
        f"{compiler} cannot compile the kernel {name!r}: {said}{where}\n{remedy or _COMMON}. All "
        f"that {compiler} said is the cause of this error"
    )


def no_numba(source: PrintedSource, compiler: str, problem: ImportError) -> TargetUnavailable:
    """The error where functions of the user's are to be compiled, and their compiler is missing."""
    names = ", ".join(
        repr(getattr(function.written, "__name__", function.symbol))
        for function in source.functions
    )
    extra = "numba" if compiler == "numba" else "cuda"
    return TargetUnavailable(
        f"The kernel {source.name!r} is not kept yet, and it calls Python functions ({names}) that "
        f"{compiler} compiles, which cannot be imported ({problem}). Install it: pip install "
        f"'emberkeep[{extra}]'"
    )


def _said(text: str) -> str:
    """The one line that matters."""
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not _SAYS_NOTHING.match(line)]
    said = telling[0] if telling else lines[0]
    call = _CALL.search(text)
    if _NO_IMPLEMENTATION.search(said) and call:
        specific = re.search(r"^\s*\w*(?:Error|Exception): (.+)$", text, re.MULTILINE)
        types_given = _LITERAL.sub(r"\1", call[2])
        said = f"there is no {call[1]} of ({types_given})"
        said += f": {specific[1]}" if specific else ""
    for pattern, plain in _SAID:
        said = re.sub(pattern, plain, said)
    return said


def _place(text: str, function: types.FunctionType) -> str:
    """The file, the line and what is written there, of the user's own code."""
    found = _FILES.search(text) or _RAISED.search(text)
    undefined = _UNDEFINED.search(text)
    if found:
        path, line = found[1], int(found[2])
    elif undefined:
        path, line = _first_use(function, undefined[1])
    else:
        path, line = function.__code__.co_filename, function.__code__.co_firstlineno
    if path.startswith("<"):
        return ""
    path = os.path.abspath(path)
    written = linecache.getline(path, line).strip()
    return f"{path}, line {line}" + (f": {written}" if written else "")


def _first_use(function: types.FunctionType, name: str) -> tuple[str, int]:
    """Where a name is read first, in a function, in what is within it, or in what it calls."""
    for code in _reached(function, set()):
        line = code.co_firstlineno
        for instruction in dis.get_instructions(code):
            line = instruction.starts_line if type(instruction.starts_line) is int else line
            positions = getattr(instruction, "positions", None)
            if instruction.argval == name:
                return code.co_filename, getattr(positions, "lineno", None) or line
    return function.__code__.co_filename, function.__code__.co_firstlineno


def _reached(function: types.FunctionType, seen: set[int]) -> Iterator[types.CodeType]:
    if id(function) in seen:
        return
    seen.add(id(function))
    yield from nested(function.__code__)
    for name in function.__code__.co_names:
        value: object = function.__globals__.get(name)
        callee = getattr(value, "py_func", value)
        if isinstance(callee, types.FunctionType) and callee.__module__ == function.__module__:
            yield from _reached(callee, seen)
