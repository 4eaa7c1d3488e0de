"""The cache class for `@njit`."""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false, reportPrivateImportUsage=false
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, final

from numba.core import caching, sigutils
from numba.core import dispatcher as numba_dispatcher
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from emberkeep.keys.toolchain import toolchain
from emberkeep.targets.compile_times import compile_spans
from emberkeep.targets.diagnosis import refused
from emberkeep.targets.numba_caches.cpu_code import rebuild, reduce
from emberkeep.targets.numba_caches.lookup import Lookup, NotKept
from emberkeep.targets.numba_caches.recompilation import plain_class, renewing
from emberkeep.targets.overloads import fresh_overloads
from emberkeep.telemetry.spans import span

if TYPE_CHECKING:
    from emberkeep.keep.artifact import Artifact
    from emberkeep.keep.keep import Keep

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
            return rebuild(artifact, sig, target_context, self._dispatcher.py_func)
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
            self.lookup.save(_text(sig), lambda: reduce(data))


def _types(sig: Any) -> tuple[Any, ...]:
    arguments, result = sigutils.normalize_signature(sig)
    return result, *arguments


def _text(sig: Any) -> str:
    """A signature as it is shown, with the numbers of its types: equal texts may differ."""
    result, *arguments = _types(sig)
    codes = [kind._code for kind in arguments]  # noqa: SLF001 - numba's own number of a type
    return f"{result}({', '.join(map(str, arguments))}) {codes}"


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
