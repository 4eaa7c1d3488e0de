"""A compiled program as blobs, and back."""

from __future__ import annotations

from contextlib import nullcontext
from importlib import import_module

from emberkeep.errors import InvalidBuild, Unloadable
from emberkeep.startup_records import final, frozen, sha256
from emberkeep.store.manifest import MISREAD
from emberkeep.xla.executables import internals, trees
from emberkeep.xla.executables.outside import nothing_is_asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.keep.artifact import Artifact
    from emberkeep.xla.executables.calls import Call

EXECUTABLE = "executable"
# JAX that has changed, a class that is gone, bytes that XLA does not take (a RuntimeError).
CAUSES = (*MISREAD, ImportError, RuntimeError)


@final
@frozen
class Lowered:
    """A function traced and lowered for one signature.

    Attributes:
        program: JAX's.
        text: StableHLO, without places in the source.
    """

    program: Any
    text: str

    @property
    def digest(self) -> str:
        """What the program is, whatever it was made from."""
        return sha256(self.text.encode()).hexdigest()


@final
class Compilation:
    """A function being traced, lowered and compiled for one call; each when it is needed.

    Args:
        jitted: the function, as `jax.jit` gives it.
        call: what is known of the call.
        args: its arguments.
        kwargs: those given by name.
        watched: the function's name, where what it asks of files and the like is refused; empty
            where it is not.
    """

    def __init__(
        self,
        jitted: Any,
        call: Call,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        watched: str = "",
    ) -> None:
        self.call, self._watched = call, watched
        self.built: Any = None
        self._jitted = jitted
        self._given = args, kwargs
        self._lowered: Lowered | None = None

    def lowered(self) -> Lowered:
        """Trace and lower, once.

        Raises:
            Unkeyable: the function asks what no key has; says what.
        """
        if self._lowered is None:
            args, kwargs = self._given
            watching = nothing_is_asked(self._watched) if self._watched else nullcontext()
            with internals.traced_afresh(object()), watching:
                program = self._jitted.lower(*args, **kwargs)
            self._lowered = Lowered(program, program.as_text())
        return self._lowered

    def build(self) -> Mapping[str, object]:
        """Compile; what is kept of it."""
        lowered = self.lowered()
        self.built = internals.compile_anew(lowered.program)
        return pack(self.built, lowered, self.call)

    def program(self) -> internals.Executable:
        """What was compiled, ready to run."""
        return internals.of_compiled(self.built)


def pack(compiled: Any, lowered: Lowered, call: Call) -> dict[str, object]:
    """What is kept of a compiled program.

    Raises:
        InvalidBuild: it cannot be kept; says why.
    """
    told = internals.facts(compiled, call.device)
    if told.obstacle:
        raise InvalidBuild(told.obstacle)
    layout = {
        "name": told.name,
        "taken": list(told.taken),
        "results": [_type_to_json(aval) for aval in told.results],
        "out": trees.to_json(compiled.out_tree, call.tree),
        "committed": told.committed,
        "lowered": lowered.digest,
        "lapack": "lapack" in lowered.text,
    }
    return {EXECUTABLE: internals.serialise(compiled, call.device), "layout": layout}


def unpack(artifact: Artifact, call: Call) -> internals.Executable:
    """The kept program, ready to run.

    Raises:
        Unloadable: XLA does not take it, or it is none.
    """
    layout: Any = artifact.layout
    try:
        told = internals.Facts(
            layout["name"],
            tuple(layout["taken"]),
            tuple(_type_from_json(item, call) for item in layout["results"]),
            layout["committed"] or call.is_committed,
            "",
        )
        if layout["lapack"] and call.device.platform == "cpu":
            internals.initialise_lapack()
        out_tree = trees.from_json(layout["out"], call.tree, internals.make_tree)
        content = artifact.blobs[EXECUTABLE]
        return internals.restore(content, told, call.device, call.types, out_tree)
    except CAUSES as problem:
        raise Unloadable(f"{type(problem).__name__}: {problem}") from problem


def _type_to_json(aval: Any) -> object:
    return [list(aval.shape), str(aval.dtype), bool(aval.weak_type)]


def _type_from_json(item: Any, call: Call) -> Any:
    shape, name, is_weak = item
    return internals.result_type(shape, _dtype(name, call), is_weak=is_weak)


def _dtype(name: str, call: Call) -> Any:
    """A dtype by its name; random keys have dtypes of JAX's own."""
    for aval in call.types:
        if str(aval.dtype) == name:
            return aval.dtype
    jax: Any = import_module("jax")
    if name.startswith("key<"):
        for kind in ("threefry2x32", "rbg", "unsafe_rbg"):
            dtype = jax.eval_shape(lambda kind=kind: jax.random.key(0, impl=kind)).dtype
            if str(dtype) == name:
                return dtype
    return jax.numpy.dtype(name)
