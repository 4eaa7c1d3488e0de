"""What a Python file declares, had for machines: what ``build``, ``prewarm`` and ``rebuild`` do."""

from __future__ import annotations

import time

from emberkeep.cli.declared import declared_in, load
from emberkeep.cli.session import warn
from emberkeep.errors import EmberkeepError, InvalidKernel, TargetUnavailable
from emberkeep.keep.keep import Keep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Collection, Mapping

    from emberkeep.cli.session import Session
    from emberkeep.targets.declaration import Declared
    from emberkeep.targets.protocol import Target

PATIENCE_S = 600.0  # for what was built to reach the shared places


def configure_file(parser: ArgumentParser) -> None:
    """The file that declares what is meant."""
    parser.add_argument(
        "file", metavar="FILE", help="a Python file with kernels, solvers or graphs in it"
    )


def add_targets(parser: ArgumentParser) -> None:
    """Options by which machines are named."""
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


def named_targets(levels: list[str], architectures: list[str]) -> list[Target]:
    """The targets that a command names."""
    from emberkeep.targets.cpu.target import CpuTarget

    targets: list[Target] = [CpuTarget(level) for level in levels]
    if architectures:
        from emberkeep.targets.cuda.target import CudaTarget

        targets += [CudaTarget(architecture) for architecture in architectures]
    return targets


def have_all(session: Session, targets: list[Target]) -> list[dict[str, object]]:
    """Build or fetch everything that a file declares, and say so."""
    session.writable_directory()  # says at once where nothing can be kept
    keep = Keep(session.own_root)
    results = build_declared(session.options.file, targets, keep)
    if not keep.flush(PATIENCE_S):
        warn("not all has reached the shared places in time; `emberkeep push` brings the rest")
    session.answer({"kernels": results}, [describe(result) for result in results])
    return results


def describe(result: Mapping[str, object]) -> str:
    """What came of one thing, in a line."""
    what = f"{result['name']}({result['signature']}) for {result['architecture']}"
    return f"{what}: {result['result']}"


def build_declared(
    path: str, targets: list[Target], keep: Keep, names: Collection[str] = ()
) -> list[dict[str, object]]:
    """Have what a file declares.

    Args:
        path: of the file.
        targets: what for; by default this machine.
        keep: where it is looked for, and goes.
        names: of those that are meant; all by default, and what they run by.

    Raises:
        InvalidKernel: the file cannot be run, or declares nothing of that.
    """
    declared = list(declared_in(*load(path), keep))
    unknown = set(names) - {item.name for item in declared}
    if unknown:
        known = ", ".join(sorted({item.name for item in declared if item.named}))
        raise InvalidKernel(f"{path} declares no {', '.join(sorted(unknown))}, but: {known or '-'}")
    if names:
        declared = [item for item in declared if item.name in names]
    if not declared:
        raise InvalidKernel(
            f"{path} declares nothing to compile: no @emberkeep.kernel or @emberkeep.keep_kernel "
            "with a signature, no solver, no graph, nor anything else that says what is compiled "
            "of it, is a global name in it"
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
    return results


def _build_one(item: Declared, target: Target | None) -> dict[str, object]:
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
    item: Declared, problem: str, about: Mapping[str, object] | None = None
) -> dict[str, object]:
    where = about or {"target": item.only, "architecture": "this machine"}
    named = {"name": item.name, "signature": item.signature}
    return {**named, **where, "kept": False, "result": f"failed: {problem}"}
