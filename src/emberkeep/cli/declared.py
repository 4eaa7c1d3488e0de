"""What a Python file declares that can be compiled ahead, and how each is built for a target."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from emberkeep.cli.session import warn
from emberkeep.errors import InvalidKernel
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import Any

    from emberkeep.keep import Artifact, Keep
    from emberkeep.ode.solver import Solver
    from emberkeep.targets.kernel import Kernel
    from emberkeep.targets.protocol import Target


@final
@frozen
class Had:
    """What came of building or fetching one thing."""

    key: str
    hit: bool
    reason: str
    size_bytes: int


def had_of(artifact: Artifact) -> Had:
    """What came of an artifact that was asked for."""
    size = sum(map(len, artifact.blobs.values()))
    return Had(artifact.key, artifact.hit, artifact.reason, size)


@final
@frozen
class Declared:
    """Something that a file declares and that can be compiled ahead.

    Attributes:
        name: what it is called in the keep.
        signature: which form of it: types of arguments, or outputs of a solver.
        own_target: makes what it runs on where nothing else is said; None where it is the same
            for all.
        build: has it for a target: kept, or compiled now.
        only: the kind of target it is for; empty for any.
        named: whether the file itself names it, so that it is told where nothing is built of it.
    """

    name: str
    signature: str
    own_target: Callable[[], Target] | None
    build: Callable[[Target | None], Had]
    only: str = ""
    named: bool = True


def declared_in(
    module: types.ModuleType, noted: Sequence[tuple[Any, tuple[Any, ...]]], keep: Keep
) -> Iterator[Declared]:
    """What is a global name of the file, once each."""
    from emberkeep.ode.solver import Solver
    from emberkeep.targets.kernel import Kernel

    # Of a file that has no graphs, nothing of phase-type distributions need be imported.
    graphs: Any = sys.modules.get("emberkeep.phasetype.graph")
    values = {id(value): value for value in vars(module).values()}.values()
    if graphs is not None and any(isinstance(value, graphs.Graph) for value in values):
        yield from _of_chains(keep)
    for value in values:
        if isinstance(value, Kernel):
            yield from _of_kernel(value, keep)
        elif isinstance(value, Solver):
            yield from _of_solver(value, keep)
        elif hasattr(value, "py_func"):
            signatures = [each for kept, given in noted if kept is value for each in given]
            is_kept = any(kept is value for kept, _ in noted)
            yield from _of_dispatcher(value, signatures, keep, is_kept=is_kept)
        elif graphs is not None and isinstance(value, graphs.Graph):
            yield _of_graph(value, keep)


def _of_chains(keep: Keep) -> Iterator[Declared]:
    """What emberkeep itself runs to make, record and evaluate graphs."""
    from emberkeep.phasetype.ahead import kernels

    for kernel in kernels():
        for declared in _of_kernel(kernel, keep):
            yield replace(declared, {"only": "cpu", "named": False})


def _of_kernel(kernel: Kernel, keep: Keep) -> Iterator[Declared]:
    if not kernel.signatures:
        warn(f"{kernel.name} declares no signature and is compiled at its first call")
    for signature in kernel.signatures:

        def build(target: Target | None, signature: str = signature) -> Had:
            return had_of(kernel.build(target, signature=signature, keep=keep)[0])

        yield Declared(kernel.name, signature, kernel.cpu_target, build)


def _of_dispatcher(
    dispatcher: Any, signatures: Sequence[Any], keep: Keep, *, is_kept: bool
) -> Iterator[Declared]:
    """What `keep_kernel` keeps of numba's own dispatchers."""
    name = dispatcher.py_func.__name__
    is_cuda = type(dispatcher).__module__.startswith("numba.cuda")
    if not is_kept:
        if is_cuda and not dispatcher.targetoptions.get("device"):
            warn(f"{name} is not built, as it is not kept: put @emberkeep.keep_kernel above it")
        return
    if not signatures:
        warn(
            f"{name} is not built, as it declares no signature: "
            "keep_kernel(…, 'float64(float64)') does"
        )
    for signature in signatures:

        def build(target: Target | None, signature: Any = signature) -> Had:
            return _of_numba(dispatcher, signature, keep, target)

        own = _device_here if is_cuda else _processor_here
        kind = "cuda" if is_cuda else "cpu"
        yield Declared(name, str(signature), own, build, only=kind)


def _processor_here() -> Target:
    from emberkeep.targets.cpu.target import CpuTarget

    return CpuTarget("host")


def _device_here() -> Target:
    from emberkeep.targets.cuda.target import CudaTarget

    return CudaTarget.of_this_machine()


def _of_numba(dispatcher: Any, signature: Any, keep: Keep, target: Target | None) -> Had:
    assert target is not None  # it says on what it runs
    name = dispatcher.py_func.__name__
    if target.name == "cuda":
        from emberkeep.targets.numba_caches.cuda import build_ahead as build_for

        artifact, hit, refusal = build_for(dispatcher, signature, keep, target.architecture)
    else:
        if target.architecture != "host":
            raise InvalidKernel(
                f"numba compiles {name!r} for the processor that it runs on, or for that in "
                "NUMBA_CPU_NAME. Use --cpu host, or @emberkeep.kernel, which is built for any"
            )
        from emberkeep.targets.numba_caches.cpu import build_ahead

        artifact, hit, refusal = build_ahead(dispatcher, signature, keep)
    if artifact is None:
        raise InvalidKernel(f"{name!r} cannot be kept: {refusal}")
    return replace(had_of(artifact), {"hit": hit})


def _of_solver(solver: Solver, keep: Keep) -> Iterator[Declared]:
    from emberkeep.ode.plan import OUTPUTS

    for output in OUTPUTS:

        def build(target: Target | None, output: str = output) -> Had:
            return had_of(solver.build([output], target=target, keep=keep))

        yield Declared(solver.system.name, output, lambda: solver.target, build)


def _of_graph(graph: Any, keep: Keep) -> Declared:
    def build(_target: Target | None) -> Had:
        trace = graph.record(keep)
        return Had(trace.key, trace.hit, trace.reason, trace.program.array.nbytes)

    return Declared(graph.name, "trace", None, build)


def load(path: str) -> tuple[types.ModuleType, Sequence[tuple[Any, tuple[Any, ...]]]]:
    """Run a Python file as a module, with its folder first on the path, as Python itself does.

    What it keeps of numba's is compiled later, for the targets that are named.
    """
    from importlib.util import module_from_spec, spec_from_file_location

    from emberkeep.targets.numba_caches import declaring

    full = os.path.abspath(path)
    if not os.path.isfile(full):
        raise InvalidKernel(f"{path} is no file. Name a Python file that declares kernels")
    name = os.path.splitext(os.path.basename(full))[0]
    spec = spec_from_file_location(name, full)
    if spec is None or spec.loader is None:
        raise InvalidKernel(f"{path} is no Python file; its name must end in .py")
    module = module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(full))
    sys.modules[name] = module
    try:
        with declaring() as noted, _staying():
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as problem:
        what = f"{type(problem).__name__}: {problem}"
        if isinstance(problem, SystemExit):
            what = f"it ends the process by itself (exit code {problem.code or 0})"
        raise InvalidKernel(
            f"{path} cannot be run: {what}. Everything at its top level is executed; put what "
            "runs the model under if __name__ == '__main__':"
        ) from problem
    return module, noted


@contextmanager
def _staying() -> Generator[None]:
    """Have what ends a process without a word raise in its place: its exit code would be ours."""
    process = os.getpid()

    def held(name: str, end: Callable[..., Any]) -> Callable[..., Any]:
        def leave(*arguments: Any) -> Any:
            if os.getpid() == process:  # a child that was forked ends as it likes
                raise SystemExit(f"os.{name}")
            return end(*arguments)

        return leave

    ends: dict[str, Any] = {name: getattr(os, name) for name in ("_exit", "execv", "execve")}
    for name, end in ends.items():
        setattr(os, name, held(name, end))
    try:
        yield
    finally:
        for name, end in ends.items():
            setattr(os, name, end)
