"""What numba has compiled for the CPU, as code and JSON, and back."""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false, reportPrivateImportUsage=false

from __future__ import annotations

import functools
import itertools
import os
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
from numba.core import compiler, environment, funcdesc, sigutils, typing
from numba.core.bytecode import FunctionIdentity
from numba.core.runtime.nrt import rtsys

from emberkeep.store.manifest import MISREAD
from emberkeep.targets.numba_caches.lookup import Malformed, NotKept
from emberkeep.targets.numba_caches.types_json import decode_type, encode_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.keep.artifact import Artifact

OBJECT, BITCODE = "object", "bitcode"
MOST_FUNCTIONS = 10_000_000
_PLAIN = (bool, int, float, str, type(None))

# Writing ------------------------------------------------------------------------------------------


def reduce(compiled: Any) -> Mapping[str, object]:
    """A compile result as code and JSON."""
    if compiled.lifted or compiled.objectmode:
        raise NotKept("it uses lifted loops or object mode")
    if compiled.library.has_dynamic_globals:
        raise NotKept(
            "it holds addresses of this process (ctypes functions, or large global arrays)"
        )
    described = compiled.fndesc
    _, _, (code, bitcode) = compiled.library.serialize_using_object_code()
    environments = [
        {"name": found.env_name, "constants": _plain(found.consts)}
        for found in compiled._find_referenced_environments()  # noqa: SLF001 - as numba's own cache
    ]
    symbols = _symbols(llvm.parse_bitcode(bitcode))
    for symbol in symbols:
        _runs.setdefault(symbol, _run())
    layout = {
        "library": compiled.library.name,
        "module": described.modname,
        "name": described.qualname,
        "unique_name": described.unique_name,
        "arguments": list(described.args),
        "result": encode_type(compiled.signature.return_type),
        "noalias": bool(described.noalias),
        "tags": _plain(list(described.abi_tags)),
        "number": described.uid,
        "mangled": described.mangled_name,
        "environment": described.env_name,
        "environments": environments,
        "constants": _plain(compiled.environment.consts),
        "threads": _needs_threads(compiled.reload_init),
        "symbols": symbols,
        "run": _run(),
        "functions_so_far": next(FunctionIdentity._unique_ids),  # noqa: SLF001 - see _make_room
    }
    return {OBJECT: code, BITCODE: bitcode, "layout": layout}


def _plain(values: Any) -> list[Any]:
    for value in values:
        if type(value) not in _PLAIN:
            raise NotKept(f"it uses a {type(value).__qualname__} of Python's while it runs")
    return list(values)


def _needs_threads(reload: Any) -> bool:
    """Whether numba's threads must be started before the code runs; nothing else is known here."""
    names = {f"{function.__module__}.{function.__name__}" for function in reload or ()}
    if names - {_START_THREADS}:
        raise NotKept(f"it must run {', '.join(sorted(names))} when it is loaded")
    return bool(names)


_START_THREADS = "numba.core.typed_passes._reload_parfors"

# Reading ------------------------------------------------------------------------------------------


_FORM = frozenset(
    {"library", "module", "name", "unique_name", "arguments", "result", "noalias", "tags", "number"}
    | {"mangled", "environment", "environments", "constants", "threads", "symbols", "run"}
    | {"functions_so_far"}
)


def rebuild(artifact: Artifact, sig: Any, target_context: Any, function: Any) -> Any:
    """A compile result of what was kept.

    Raises:
        NotKept: this process cannot use it.
        Malformed: nobody can.
    """
    try:
        return _rebuilt(artifact, sig, target_context, function)
    except (*MISREAD, RuntimeError) as problem:  # what LLVM does not take is a RuntimeError
        raise Malformed(f"what was kept has another form: {problem!r:.200}") from problem


def _rebuilt(artifact: Artifact, sig: Any, target_context: Any, function: Any) -> Any:
    layout: Any = artifact.layout
    arguments, _ = sigutils.normalize_signature(sig)
    if set(layout) != _FORM:
        raise Malformed("what was kept has another form")
    result = decode_type(layout["result"])
    described = funcdesc.PythonFunctionDescriptor(
        native=True,
        modname=layout["module"],
        qualname=layout["name"],
        unique_name=layout["unique_name"],
        doc=function.__doc__ or "",
        typemap=None,
        restype=result,
        calltypes=None,
        args=tuple(layout["arguments"]),
        kws=(),
        argtypes=tuple(arguments),
        noalias=layout["noalias"],
        env_name=layout["environment"],
        abi_tags=tuple(layout["tags"]),
        uid=layout["number"],
    )
    _make_room(layout, target_context)
    if described.mangled_name != layout["mangled"]:
        raise NotKept("this numba names functions in another way")
    if layout["threads"]:
        from numba.core.typed_passes import _reload_parfors

        _reload_parfors()
    rtsys.initialize(target_context)  # a refresh of the whole context would take half a second
    content = (artifact.blobs[OBJECT], artifact.blobs[BITCODE])
    library = target_context.codegen().unserialize_library((layout["library"], "object", content))
    own = _environment(layout["environment"], layout["constants"], function)
    others = [
        _environment(item["name"], item["constants"], function) for item in layout["environments"]
    ]
    entry = target_context.get_executable(library, described, own)
    for found in others:
        library.codegen.set_env(found.env_name, found)
    for symbol in layout["symbols"]:
        _runs[symbol] = layout["run"]
    return compiler.CompileResult(
        target_context=target_context,
        typing_context=target_context.typing_context,
        library=library,
        environment=own,
        entry_point=entry,
        fndesc=described,
        type_annotation="",
        signature=typing.signature(result, *arguments),
        objectmode=False,
        lifted=(),
        typing_error=None,
        call_helper=None,
        metadata=None,
        reload_init=[],
        referenced_envs=tuple(others),
    )


def _environment(name: str, constants: list[Any], function: Any) -> Any:
    """Numba's link from compiled code to Python: globals, which compiled code does not read."""
    found = environment.lookup_environment(name)
    if found is None:
        found = environment.Environment(function.__globals__)
        found.consts[:] = constants
        found.env_name = name
        environment.Environment._memo[name] = found  # noqa: SLF001 - as numba's own rebuild does
    return found


# Names --------------------------------------------------------------------------------------------
#
# In one process, LLVM binds calls by name, and numba tells functions of equal name apart by a
# number that it counts up in each process. Two kept functions from different processes may so share
# names, and one would run the other's code. So each artifact says in which run its names were
# given: names of one run never clash. What clashes is compiled anew.

_runs: dict[str, str] = {}  # symbol → the run that named it


@functools.cache
def _run() -> str:
    return os.urandom(12).hex()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_run.cache_clear)


def _symbols(module: Any) -> list[str]:
    """Functions that a library defines, without those of numba's runtime, which all share."""
    return sorted(
        function.name
        for function in module.functions
        if not function.is_declaration and not function.name.lower().startswith("nrt_")
    )


def _make_room(layout: Any, target_context: Any) -> None:
    """Refuse names that are taken by other code, and give none of these to new functions."""
    engine = target_context.codegen()._engine  # noqa: SLF001 - the only place that knows
    for symbol in layout["symbols"]:
        if engine.is_symbol_defined(symbol) and _runs.get(symbol) != layout["run"]:
            raise NotKept(f"another function of this process has the name {symbol}")
    given = int(layout["functions_so_far"])
    if given > MOST_FUNCTIONS:
        raise NotKept(f"it was compiled after {given} other functions")
    numbers = FunctionIdentity._unique_ids  # noqa: SLF001 - read on, never replaced
    for number in numbers:
        if number >= given:
            break
    assert isinstance(numbers, itertools.count)
