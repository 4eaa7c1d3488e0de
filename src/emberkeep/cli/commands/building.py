"""``build`` and ``prewarm``: have what a Python file declares, for this machine or for others."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager

from emberkeep.cache import Keep
from emberkeep.cli.command import Command
from emberkeep.cli.session import warn
from emberkeep.cli.streams import write_out
from emberkeep.errors import EmberkeepError, InvalidKernel, InvalidSetting, TargetUnavailable
from emberkeep.light import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from argparse import ArgumentParser
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from typing import Any

    from emberkeep.cache import Artifact
    from emberkeep.cli.session import Session
    from emberkeep.ode.solver import Solver
    from emberkeep.targets.kernel import Kernel
    from emberkeep.targets.protocol import Target

SOME_FAILED = 1

EXAMPLES = """\
  emberkeep build model.py
  emberkeep build model.py --arch sm_80 --arch sm_90 --cpu x86-64-v3
  emberkeep build model.py --arch sm_90 --export model.ek --name model --version 1.0
exit codes: 0 all are kept, 1 some could not be built or exported, 2 wrong usage,
4 the keep cannot be used
"""
PREWARM_EXAMPLES = """\
  emberkeep prewarm model.py
  emberkeep prewarm model.py --format json
exit codes: 0 all is here, 1 some could not be had, 2 wrong usage, 4 the keep cannot be used
"""
PATIENCE_S = 600.0  # for what was built to reach the shared places


def _configure_file(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", help="a Python file with kernels, solvers or graphs in it"
    )


def _configure(parser: ArgumentParser) -> None:
    _configure_file(parser)
    parser.add_argument(
        "--arch",
        action="append",
        default=[],
        metavar="sm_XY",
        help="a GPU architecture; may be given several times; needs no GPU",
    )
    parser.add_argument(
        "--cpu",
        action="append",
        default=[],
        metavar="LEVEL",
        help="host, x86-64, x86-64-v2, -v3 or -v4; may be given several times",
    )
    parser.add_argument("--export", metavar="BUNDLE", help="write what was built to a bundle")
    parser.add_argument("--name", metavar="NAME", help="with --export: of the library")
    parser.add_argument("--version", metavar="VERSION", help="with --export: of the library")


@final
@frozen
class _Had:
    """What came of building or fetching one thing."""

    key: str
    hit: bool
    reason: str
    size_bytes: int


def _had(artifact: Artifact) -> _Had:
    size = sum(map(len, artifact.blobs.values()))
    return _Had(artifact.key, artifact.hit, artifact.reason, size)


@final
@frozen
class _Declared:
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
    build: Callable[[Target | None], _Had]
    only: str = ""
    named: bool = True


def _build(session: Session) -> int:
    options = session.options
    if options.export is None and (options.name or options.version):
        raise InvalidSetting("--name and --version go with --export BUNDLE: they are the library's")
    if options.export == "":
        raise InvalidSetting("--export needs the name of a file")
    if options.export and not (options.name and options.version):
        raise InvalidSetting("--export needs --name and --version, for those who import it")
    if options.export == "-":
        raise InvalidSetting(
            "--export needs a file, since standard output has the answer; `emberkeep export -` "
            "writes a bundle to it"
        )
    if options.export:
        from emberkeep.cli.commands.bundling import require_named

        require_named(options.name, options.version)
    results = _have_all(session, _targets(options.cpu, options.arch))
    all_went = _export(session, results) if options.export else True
    return 0 if all_went and all(result["kept"] for result in results) else SOME_FAILED


def _prewarm(session: Session) -> int:
    results = _have_all(session, [])
    return SOME_FAILED if any(not result["kept"] for result in results) else 0


def _have_all(session: Session, targets: list[Target]) -> list[dict[str, object]]:
    """Build or fetch everything that a file declares, and say so."""
    session.writable_directory()  # says at once where nothing can be kept
    path = session.options.file
    keep = Keep(session.own_root)
    declared = list(_declared(*_load(path), keep))
    if not declared:
        raise InvalidKernel(
            f"{path} declares nothing to compile: no @emberkeep.kernel or @emberkeep.keep_kernel "
            "with a signature, no emberkeep.ode.Solver and no emberkeep.phasetype.Graph in it is a "
            "global name"
        )
    results: list[dict[str, object]] = []
    for item in declared:
        if item.own_target is None:
            results.append(_build_one(item, None))
            continue
        meant = [target for target in targets if item.only in ("", target.name)]
        if not targets:
            try:
                meant = [item.own_target()]
            except TargetUnavailable as problem:
                results.append(_failed(item, f"{problem}. Or name an architecture by --arch"))
                continue
        elif not meant and item.named:
            flag = "--cpu" if item.only == "cpu" else "--arch"
            warn(f"{item.name}({item.signature}) is not built: no {flag} is given, which it needs")
        results += [_build_one(item, target) for target in meant]
    if not results:
        raise InvalidKernel(
            f"{path}: nothing of what it declares is for the targets that are named"
        )
    if not keep.flush(PATIENCE_S):
        warn("not all has reached the shared places in time; `emberkeep push` brings the rest")
    lines = [
        f"{result['name']}({result['signature']}) for {result['architecture']}: {result['result']}"
        for result in results
    ]
    session.answer({"kernels": results}, lines)
    return results


def _export(session: Session, results: list[dict[str, object]]) -> bool:
    """Write to a bundle what was just built; whether all of it went."""
    from emberkeep.cli.commands.bundling import export_to
    from emberkeep.sharing.library import About

    options, directory = session.options, session.own_directory()
    keys = {result["key"] for result in results if result["kept"]}
    entries = [entry for entry in directory.entries() if entry.key in keys]
    about = About(options.name, options.version)
    done = export_to(session, directory, entries, options.export, about)
    if options.format == "text":
        write_out(f"{options.export}: {len(done.index.entries)} entries\n")
    reasons = {entry.key: reason for entry, reason in done.refused}
    went = {f"{entry.plan}-{entry.build}" for entry in done.index.entries}
    left_out = [result for result in results if result["kept"] and result["key"] not in went]
    for result in left_out:
        reason = reasons.get(str(result["key"]), f"it is kept elsewhere than in {directory.root}")
        warn(f"{result['name']}({result['signature']}) is not in the bundle: {reason}")
    return not left_out


def _targets(levels: list[str], architectures: list[str]) -> list[Target]:
    from emberkeep.targets.cpu.target import CpuTarget

    targets: list[Target] = [CpuTarget(level) for level in levels]
    if architectures:
        from emberkeep.targets.cuda.target import CudaTarget

        targets += [CudaTarget(architecture) for architecture in architectures]
    return targets


def _build_one(item: _Declared, target: Target | None) -> dict[str, object]:
    started = time.perf_counter()
    about: dict[str, object] = {
        "name": item.name,
        "signature": item.signature,
        "target": "any" if target is None else target.name,
        "architecture": "any machine" if target is None else target.architecture,
    }
    try:
        had = item.build(target)
    except EmberkeepError as problem:
        return _failed(item, str(problem), about)
    seconds = time.perf_counter() - started
    how = f"was {had.reason}" if had.hit else f"built in {seconds:.2f} s"
    return {
        **about,
        "kept": bool(had.key),
        "key": had.key,
        "size_bytes": had.size_bytes,
        "built_s": None if had.hit else seconds,
        "reason": had.reason,
        "result": f"{how}, {had.size_bytes:,} bytes",
    }


def _failed(
    item: _Declared, problem: str, about: Mapping[str, object] | None = None
) -> dict[str, object]:
    where = about or {"target": item.only, "architecture": "this machine"}
    named = {"name": item.name, "signature": item.signature}
    return {**named, **where, "kept": False, "result": f"failed: {problem}"}


def _declared(
    module: types.ModuleType, noted: Sequence[tuple[Any, tuple[Any, ...]]], keep: Keep
) -> Iterator[_Declared]:
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


def _of_chains(keep: Keep) -> Iterator[_Declared]:
    """What emberkeep itself runs to make, record and evaluate graphs."""
    from emberkeep.phasetype.ahead import kernels

    for kernel in kernels():
        for declared in _of_kernel(kernel, keep):
            yield replace(declared, {"only": "cpu", "named": False})


def _of_kernel(kernel: Kernel, keep: Keep) -> Iterator[_Declared]:
    if not kernel.signatures:
        warn(f"{kernel.name} declares no signature and is compiled at its first call")
    for signature in kernel.signatures:

        def build(target: Target | None, signature: str = signature) -> _Had:
            return _had(kernel.build(target, signature=signature, keep=keep)[0])

        yield _Declared(kernel.name, signature, kernel.cpu_target, build)


def _of_dispatcher(
    dispatcher: Any, signatures: Sequence[Any], keep: Keep, *, is_kept: bool
) -> Iterator[_Declared]:
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

        def build(target: Target | None, signature: Any = signature) -> _Had:
            return _had_of_numba(dispatcher, signature, keep, target)

        own = _device_here if is_cuda else _processor_here
        kind = "cuda" if is_cuda else "cpu"
        yield _Declared(name, str(signature), own, build, only=kind)


def _processor_here() -> Target:
    from emberkeep.targets.cpu.target import CpuTarget

    return CpuTarget("host")


def _device_here() -> Target:
    from emberkeep.targets.cuda.target import CudaTarget

    return CudaTarget.of_this_machine()


def _had_of_numba(dispatcher: Any, signature: Any, keep: Keep, target: Target | None) -> _Had:
    assert target is not None  # it says on what it runs
    name = dispatcher.py_func.__name__
    if target.name == "cuda":
        from emberkeep.targets.numba_caching.cuda import build_ahead as build_for

        artifact, hit, refusal = build_for(dispatcher, signature, keep, target.architecture)
    else:
        if target.architecture != "host":
            raise InvalidKernel(
                f"numba compiles {name!r} for the processor that it runs on, or for that in "
                "NUMBA_CPU_NAME. Use --cpu host, or @emberkeep.kernel, which is built for any"
            )
        from emberkeep.targets.numba_caching.cpu import build_ahead

        artifact, hit, refusal = build_ahead(dispatcher, signature, keep)
    if artifact is None:
        raise InvalidKernel(f"{name!r} cannot be kept: {refusal}")
    return replace(_had(artifact), {"hit": hit})


def _of_solver(solver: Solver, keep: Keep) -> Iterator[_Declared]:
    from emberkeep.ode.plan import OUTPUTS

    for output in OUTPUTS:

        def build(target: Target | None, output: str = output) -> _Had:
            return _had(solver.build([output], target=target, keep=keep))

        yield _Declared(solver.system.name, output, lambda: solver.target, build)


def _of_graph(graph: Any, keep: Keep) -> _Declared:
    def build(_target: Target | None) -> _Had:
        trace = graph.record(keep)
        return _Had(trace.key, trace.hit, trace.reason, trace.program.array.nbytes)

    return _Declared(graph.name, "trace", None, build)


def _load(path: str) -> tuple[types.ModuleType, Sequence[tuple[Any, tuple[Any, ...]]]]:
    """Run a Python file as a module, with its folder first on the path, as Python itself does.

    What it keeps of numba's is compiled later, for the targets that are named.
    """
    from importlib.util import module_from_spec, spec_from_file_location

    from emberkeep.targets.numba_caching import declaring

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
            what = f"it ends the process by itself (exit code {problem.code})"
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


COMMANDS = {
    "build": Command(_configure, _build, EXAMPLES),
    "prewarm": Command(_configure_file, _prewarm, PREWARM_EXAMPLES),
}
