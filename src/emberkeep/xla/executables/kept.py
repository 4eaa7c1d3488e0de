"""Functions whose compiled programs outlive the process."""

from __future__ import annotations

import warnings
from functools import wraps
from importlib import import_module
from threading import RLock

from emberkeep.errors import (
    BuildFailed,
    InvalidBuild,
    StoreWarning,
    TargetUnavailable,
    Unkeyable,
    Unloadable,
)
from emberkeep.keep.default import default_keep
from emberkeep.keep.reports import depth_of_caller
from emberkeep.keys.keyed import key_of
from emberkeep.startup_records import final, frozen, replace, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from emberkeep.keep.artifact import Artifact
    from emberkeep.keep.keep import Keep
    from emberkeep.keys.keyed import Keyed
    from emberkeep.xla.executables.calls import Call, Statics
    from emberkeep.xla.executables.internals import Executable
    from emberkeep.xla.executables.serialisation import Compilation

KIND = "xla"
ATTEMPTS = 3  # kept programs that are passed over before one is compiled and not kept


@final
@frozen
class Options:
    """What `kept` was asked for; see there."""

    name: str | None
    spec: object
    keep: Keep | None
    verify: bool
    donate: tuple[int, ...]
    static: tuple[int | str, ...]
    requires: tuple[Callable[[], object], ...]
    compiler_options: Mapping[str, object]


@final
class Kept:
    """A function with its kept programs; see `kept`."""

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        if not callable(function):
            raise TypeError(f"{function!r} cannot be called. Pass a function of arrays")
        self.__wrapped__ = function
        self.__name__: str = options.name or getattr(function, "__name__", type(function).__name__)
        self.__doc__ = function.__doc__
        self.__module__: str = getattr(function, "__module__", __name__)
        self.__qualname__: str = getattr(function, "__qualname__", self.__name__)
        self._options = options
        self._required: tuple[object, ...] | None = None
        self._said: set[str] = set()
        self._executables: dict[object, Executable] = {}
        self._jitted: Any = None
        self._lock = RLock()
        self._keyed: Keyed | None = None  # of the function, where it is keyed by what it does
        self._run: Callable[..., Any] = self._first

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        keyed = self._keyed
        if keyed is not None and not keyed.watch.unchanged():
            self._renew()
        return self._run(*args, **kwargs)

    def __copy__(self) -> Kept:
        return self

    def __deepcopy__(self, _: object) -> Kept:
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        """By name, as functions are: where it stands in place of its function, or beside it."""
        from emberkeep.targets.references import is_found, require_reference

        if is_found(self, self.__qualname__):
            return self.__qualname__
        if getattr(self.__wrapped__, "__qualname__", ""):
            require_reference(self.__wrapped__, f"The kept function {self.__name__}")
        return Kept, (self.__wrapped__, replace(self._options, {"name": self.__name__}))

    def __repr__(self) -> str:
        return f"<Kept {self.__name__}: {len(self._executables)} programs in this process>"

    def __len__(self) -> int:
        """How many programs there are in this process."""
        return len(self._executables)

    def _renew(self) -> None:
        """Key the function again; where it does something else by now, begin anew."""
        with self._lock:
            before, self._keyed = self._keyed, key_of(self._behaviour)
            if before is None or self._keyed.digest != before.digest:
                self._executables = {}
                self._jitted = None
                self._run = self._first

    def _behaviour(self) -> Mapping[str, object]:
        return {"function": self.__wrapped__}

    def prewarm(self, *args: Any, **kwargs: Any) -> None:
        """Build or load the program for such arguments, and call nothing.

        Args:
            args: arrays, or shapes and types of them (`jax.ShapeDtypeStruct`).
            kwargs: those given by name.
        """
        keyed = self._keyed
        if keyed is not None and not keyed.watch.unchanged():
            self._renew()
        if self._run == self._first:
            self._start()
        if self._run == self._alone:
            return
        call = self._read(args, kwargs)
        if call is None:
            self._plain.lower(*args, **kwargs)  # says what is wrong
        else:
            self._program(call, args, kwargs)

    def lowered_text(self, *args: Any, **kwargs: Any) -> str:
        """The program that the function is for such arguments, as StableHLO; traced now."""
        self._require()
        from emberkeep.xla.executables import internals

        with internals.traced_afresh(object()):
            text: str = self._afresh().lower(*args, **kwargs).as_text()
        return text

    @property
    def _plain(self) -> Any:
        """What it is without a keep."""
        if self._jitted is None:
            self._jitted = self._afresh()
        return self._jitted

    def _alone(self, *args: Any, **kwargs: Any) -> Any:
        """What `jax.jit` makes of it, as the function and all that it reaches is now."""
        if self._keyed is None:
            return self._plain(*args, **kwargs)
        from emberkeep.xla.executables import internals

        with internals.traced_afresh(self._keyed.watch):
            return self._plain(*args, **kwargs)

    def _afresh(self) -> Any:
        """What is traced for a build.

        JAX remembers traces by the function's identity, and with them the values that it reached
        then; the key is made of what it reaches now.
        """
        function = self.__wrapped__

        @wraps(function)
        def afresh(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return self._jit(afresh)

    def _jit(self, function: Callable[..., Any]) -> Any:
        statics = self._statics()
        return _jax().jit(
            function,
            donate_argnums=self._options.donate,
            static_argnums=statics.positions,
            static_argnames=statics.names,
            compiler_options=self._options.compiler_options or None,
        )

    def _first(self, *args: Any, **kwargs: Any) -> Any:
        self._start()
        return self._run(*args, **kwargs)

    def _start(self) -> None:
        """From here on calls go to JAX's dispatch, which asks `_miss` about new signatures."""
        with self._lock:
            if self._run != self._first:
                return
            _jax()
            try:
                from emberkeep.xla.executables import internals

                statics = self._statics()
                self._run = internals.dispatcher(
                    self.__name__, self.__wrapped__, self._miss, statics.positions, statics.names
                )
            except (AttributeError, ImportError, TypeError) as problem:
                self._give_up(f"This JAX is none that programs can be kept of: {problem}")

    def _statics(self) -> Statics:
        from emberkeep.xla.executables.calls import statics_of

        return statics_of(self.__wrapped__, self._options.static)

    def _miss(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, bool]:
        """A call that JAX's dispatch has no shortcut for: results, shortcut, and not to forget."""
        call = self._read(args, kwargs)
        program = None if call is None else self._program(call, args, kwargs)
        if call is None:
            return self._plain(*args, **kwargs), None, False
        if program is None:
            return self._alone(*args, **kwargs), None, False
        results, shortcut = program.run(call.leaves)
        return results, shortcut, False

    def _read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | None:
        """The call, or None where it is for JAX alone to answer: traced, or with an error."""
        from emberkeep.xla.executables import calls, internals

        try:
            call = calls.read(args, kwargs, self._statics())
        except (TypeError, ValueError) as problem:
            if isinstance(problem, Unkeyable):
                self._warn(f"A program of {self.__name__!r} is not kept. {problem}")
            return None
        return call if internals.is_plain_call(call.leaves) else None

    def _program(
        self, call: Call, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Executable | None:
        with self._lock:
            signature = call.signature
            program = self._executables.get(signature)
            if program is None:
                try:
                    program = self._obtain(call, args, kwargs)
                except Unkeyable as problem:
                    self._give_up(str(problem))
                    return None
                except BuildFailed:
                    return None  # somebody else's attempt: what is wrong, JAX says here itself
                if program is not None:
                    self._executables[signature] = program
            return program

    def _obtain(
        self, call: Call, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Executable | None:
        """The program for a new signature: kept, or built now; None where it cannot be kept."""
        from emberkeep.xla.executables import environment
        from emberkeep.xla.executables.serialisation import Compilation

        self._require()
        watched = self.__name__ if self._options.spec is None else ""
        compilation = Compilation(self._afresh(), call, args, kwargs, watched)
        keep = self._options.keep or default_keep()
        try:
            half = environment.build_half(call.device)
        except Unkeyable as problem:  # of this call, not of the function
            self._warn(f"A program of {self.__name__!r} is not kept. {problem}")
            return None
        if self._options.spec is None:
            self._keyed = self._keyed or key_of(self._behaviour)
            half = replace(
                half, {"has_changed": lambda: self._has_changed(compilation, args, kwargs)}
            )
        ingredients = self._ingredients(call)
        for _ in range(ATTEMPTS):
            try:
                artifact = keep.get_or_build(
                    KIND, self.__name__, ingredients, compilation.build, toolchain=half
                )
            except InvalidBuild as problem:
                if compilation.built is None:
                    raise
                self._give_up(str(problem))
                return None
            if compilation.built is not None:
                return compilation.program()
            try:
                return self._loaded(artifact, compilation)
            except Unloadable as problem:
                self._warn(f"A kept program of {self.__name__!r} is built again: {problem}")
            # It stays where it is, as others may run it; the next one has a key of its own.
            passed_over = sha256(artifact.blobs.get("executable", b"")).hexdigest()
            ingredients = {**ingredients, "instead of": passed_over}
        compilation.build()
        return compilation.program()

    def _has_changed(
        self, compilation: Compilation, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> bool:
        """Whether the function was redefined while it was compiled.

        Tracing runs it, and it may count or note that. So where its key has changed, it is traced
        once more: if that changes the key again and gives the same program, it is the program of
        either key. What changed once may have done so before it was traced.
        """
        from emberkeep.xla.executables.serialisation import Compilation

        if self._keyed is None or not self._keyed.has_changed(self._behaviour):
            return False
        changed = key_of(self._behaviour)
        again = Compilation(self._afresh(), compilation.call, args, kwargs)
        if again.lowered().digest != compilation.lowered().digest:
            return True
        anew = key_of(self._behaviour)
        if anew.digest == changed.digest:
            return True
        self._keyed = anew
        return False

    def _ingredients(self, call: Call) -> dict[str, object]:
        by_behaviour = self._options.spec is None
        told: Mapping[str, object] = {"spec": self._options.spec}
        if self._keyed is not None:
            told = self._keyed.ingredients()
        return {
            **told,
            **call.ingredients(by_behaviour=by_behaviour),
            "donate": self._options.donate,
            "compiler options": self._options.compiler_options,
            "requires": self._required,
        }

    def _loaded(self, artifact: Artifact, compilation: Compilation) -> Executable:
        from emberkeep.xla.executables.serialisation import unpack

        if self._options.verify:
            layout: Any = artifact.layout
            said = layout.get("lowered") if hasattr(layout, "get") else None
            if said != compilation.lowered().digest:
                raise Unloadable(
                    "the function is lowered to another program now. Its spec does not say all "
                    "that it computes: raise the spec where the function changes"
                )
        return unpack(artifact, compilation.call)

    def _require(self) -> None:
        with self._lock:
            if self._required is None:
                self._required = tuple(_told(ask()) for ask in self._options.requires)

    def _give_up(self, problem: str) -> None:
        """From here on it is what `jax.jit` makes of it."""
        self._run = self._alone
        self._warn(
            f"The programs of {self.__name__!r} are compiled in each process, not kept: {problem}"
        )

    def _warn(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            warnings.warn(text, StoreWarning, stacklevel=depth_of_caller())


def _jax() -> Any:
    try:
        return import_module("jax")
    except ImportError as problem:
        raise TargetUnavailable(
            f"JAX is not installed ({problem}). Install it: pip install 'emberkeep[xla]'"
        ) from problem


def _told(value: object) -> object:
    """What a requirement adds to the key: text, or nothing."""
    return value if isinstance(value, (str, int)) else None
