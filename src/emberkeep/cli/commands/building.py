"""``build`` and ``prewarm``: have what a Python file declares, for this machine or for others."""

from __future__ import annotations

import time

from emberkeep.cli.command import Command
from emberkeep.cli.declared import Declared, declared_in, load
from emberkeep.cli.session import warn
from emberkeep.cli.streams import write_out
from emberkeep.errors import EmberkeepError, InvalidKernel, InvalidSetting, TargetUnavailable
from emberkeep.keep import Keep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Collection, Mapping

    from emberkeep.cli.session import Session
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


def configure_file(parser: ArgumentParser) -> None:
    """The file that declares what is meant."""
    parser.add_argument(
        "file", metavar="FILE", help="a Python file with kernels, solvers or graphs in it"
    )


def _configure(parser: ArgumentParser) -> None:
    configure_file(parser)
    add_targets(parser)
    parser.add_argument("--export", metavar="BUNDLE", help="write what was built to a bundle")
    parser.add_argument("--name", metavar="NAME", help="with --export: of the library")
    parser.add_argument("--version", metavar="VERSION", help="with --export: of the library")


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
    results = _have_all(session, named_targets(options.cpu, options.arch))
    all_went = _export(session, results) if options.export else True
    return 0 if all_went and all(result["kept"] for result in results) else SOME_FAILED


def _prewarm(session: Session) -> int:
    results = _have_all(session, [])
    return SOME_FAILED if any(not result["kept"] for result in results) else 0


def _have_all(session: Session, targets: list[Target]) -> list[dict[str, object]]:
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


def named_targets(levels: list[str], architectures: list[str]) -> list[Target]:
    """The targets that a command names."""
    from emberkeep.targets.cpu.target import CpuTarget

    targets: list[Target] = [CpuTarget(level) for level in levels]
    if architectures:
        from emberkeep.targets.cuda.target import CudaTarget

        targets += [CudaTarget(architecture) for architecture in architectures]
    return targets


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


COMMANDS = {
    "build": Command(_configure, _build, EXAMPLES),
    "prewarm": Command(configure_file, _prewarm, PREWARM_EXAMPLES),
}
