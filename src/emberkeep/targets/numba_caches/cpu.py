"""The cache class for `@njit`."""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false, reportPrivateImportUsage=false
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import functools
import itertools
import os
from typing import TYPE_CHECKING, Any, final

import llvmlite.binding as llvm
from numba.core import caching, compiler, environment, funcdesc, sigutils, typing
from numba.core import dispatcher as numba_dispatcher
from numba.core.bytecode import FunctionIdentity
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError, UnsupportedBytecodeError
from numba.core.runtime.nrt import rtsys

from emberkeep.keys.toolchain import toolchain
from emberkeep.store.manifest import MISREAD
from emberkeep.targets.compile_times import compile_spans
from emberkeep.targets.diagnosis import refused
from emberkeep.targets.numba_caches.lookup import Lookup, Malformed, NotKept
from emberkeep.targets.numba_caches.recompilation import plain_class, renewing
from emberkeep.targets.numba_caches.types_json import decode_type, encode_type
from emberkeep.targets.overloads import fresh_overloads
from emberkeep.telemetry.spans import span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.keep.artifact import Artifact
    from emberkeep.keep.keep import Keep

OBJECT, BITCODE = "object", "bitcode"
MOST_FUNCTIONS = 10_000_000
_PLAIN = (bool, int, float, str, type(None))

# emberkeep's own code that decides about what is kept.
OWN = (
    "emberkeep.targets.callees",
    "emberkeep.targets.numba_caches",
    "emberkeep.targets.overloads",
)


def attach(dispatcher: Any, keep: Keep, called: tuple[str, str]) -> None:
    """Let a dispatcher keep what it compiles, compile it afresh, and ask at each call."""
    cache = FunctionCache(dispatcher, keep, called)
    dispatcher._cache = cache  # noqa: SLF001 - as its enable_caching does
    compiler = dispatcher._compiler  # noqa: SLF001 - the same
    if type(compiler) is numba_dispatcher._FunctionCompiler:  # noqa: SLF001 - the same
        dispatcher._compiler = _Afresh(dispatcher, cache, compiler)  # noqa: SLF001 - the same
        dispatcher.__class__ = _checking_class(plain_class(type(dispatcher)))


@functools.cache
def _checking_class(plain: Any) -> type:
    """The class of dispatchers that ask, before each call, whether they are what they were.

    numba answers a call in C, without asking its cache. What other compiled code calls is typed and
    linked by numba, and never comes here.
    """
    call = plain.__call__

    class Checking(plain):
        emberkeep_plain = plain

        def __call__(self, *arguments: Any, **keywords: Any) -> Any:
            self._cache.check()
            return call(self, *arguments, **keywords)

        def _reduce_class(self) -> type:
            return plain

    Checking.__name__, Checking.__qualname__ = plain.__name__, plain.__qualname__
    Checking.__module__ = plain.__module__
    return Checking


@final
class _Afresh(numba_dispatcher._FunctionCompiler):  # noqa: SLF001 - numba's own
    """Compiles a copy of the function, in which every callee is new."""

    def __init__(self, dispatcher: Any, cache: FunctionCache, before: Any) -> None:
        super().__init__(
            before.py_func,
            before.targetdescr,
            before.targetoptions,
            before.locals,
            before.pipeline_class,
        )
        self._dispatcher, self._cache = dispatcher, cache
        self._copies: list[Any] = []

    def _compile_cached(self, args: Any, return_type: Any) -> Any:
        self._failed_cache.clear()  # what failed may have been redefined since
        return super()._compile_cached(args, return_type)

    def _compile_core(self, args: Any, return_type: Any) -> Any:
        adapter = renewing()
        self._copies.append(adapter.stand_in(self._dispatcher).py_func)
        kind, name = self._cache.called
        shown = {"function": name, "signature": ", ".join(map(str, args)), "target": "cpu"}
        build, own = (
            span(f"build {kind}/{name}", "build"),
            span(f"compile_{name}", "compile", shown),
        )
        try:
            with build, own, compile_spans("cpu"), fresh_overloads(adapter.adapt):
                return super()._compile_core(args, return_type)
        finally:
            self._copies.pop()

    def _get_implementation(self, args: Any, kws: Any) -> Any:  # noqa: ARG002 - numba's signature
        return self._copies[-1]


@final
class FunctionCache(caching._Cache):  # noqa: SLF001 - numba's own base of caches
    """Finds and keeps compiled functions of one dispatcher."""

    def __init__(self, dispatcher: Any, keep: Keep, called: tuple[str, str]) -> None:
        self._dispatcher = dispatcher
        self._enabled = True
        self._root = keep.settings.root
        self.called = called
        self.lookup = Lookup(keep, dispatcher, lambda: toolchain(own=OWN), called)
        self._before: list[Any] = []

    def check(self) -> None:
        """Let go of what was compiled, where the dispatcher means something else by now."""
        if self.lookup.is_current():
            return
        with global_compiler_lock:
            dispatcher = self._dispatcher
            # Other threads may be within it, and other code may be linked with it.
            self._before.append(dict(dispatcher.overloads))
            dispatcher._make_finalizer()()  # noqa: SLF001 - as its recompile does
            dispatcher._reset_overloads()  # noqa: SLF001 - the same

    @property
    def cache_path(self) -> str | None:
        """The keep's folder."""
        return self._root

    def enable(self) -> None:
        """Look and keep."""
        self._enabled = True

    def disable(self) -> None:
        """Do neither."""
        self._enabled = False

    def flush(self) -> None:
        """Do nothing: what is kept has an exact key, so none of it is ever out of date."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function for a signature, or None."""
        artifact = self.find(sig, target_context) if self._enabled else None
        if artifact is None:
            return None
        try:
            return _rebuild(artifact, sig, target_context, self._dispatcher.py_func)
        except NotKept as problem:
            self.lookup.put_off(_text(sig), problem)
            return None

    def find(self, sig: Any, target_context: Any) -> Artifact | None:
        """What is kept for a signature."""
        processor = target_context.codegen().magic_tuple()
        return self.lookup.load(
            _text(sig), {"processor": list(processor), "signature": list(_types(sig))}
        )

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled function."""
        if self._enabled:
            self.lookup.save(_text(sig), lambda: _reduce(data))


def _types(sig: Any) -> tuple[Any, ...]:
    arguments, result = sigutils.normalize_signature(sig)
    return result, *arguments


def _text(sig: Any) -> str:
    """A signature as it is shown, with the numbers of its types: equal texts may differ."""
    result, *arguments = _types(sig)
    codes = [kind._code for kind in arguments]  # noqa: SLF001 - numba's own number of a type
    return f"{result}({', '.join(map(str, arguments))}) {codes}"


# Writing ------------------------------------------------------------------------------------------


def _reduce(compiled: Any) -> Mapping[str, object]:
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


def _rebuild(artifact: Artifact, sig: Any, target_context: Any, function: Any) -> Any:
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


def build_ahead(dispatcher: Any, signature: Any, keep: Keep) -> tuple[Artifact | None, bool, str]:
    """What is kept for a signature, compiled now where nothing was; whether it was; why it is not.

    Raises:
        InvalidKernel: numba cannot compile it.
    """
    # Another dispatcher of the same function: what this one has compiled may not be in this keep.
    plain = plain_class(type(dispatcher))
    fresh = plain(dispatcher.py_func, dispatcher.locals, dict(dispatcher.targetoptions))
    attach(fresh, keep, dispatcher._cache.called)  # noqa: SLF001 - as keep_kernel has attached it
    cache = fresh._cache  # noqa: SLF001 - attached above
    fresh.targetctx.refresh()
    found = cache.find(signature, fresh.targetctx)
    if found is not None:
        return found, True, ""
    try:
        fresh.compile(signature)
    except (NumbaError, UnsupportedBytecodeError) as problem:
        raise refused(dispatcher.py_func.__name__, dispatcher.py_func, problem) from problem
    return cache.find(signature, fresh.targetctx), False, cache.lookup.refusal
