"""``build``: compile what a Python file declares, for this machine or for others."""

from __future__ import annotations

from emberkeep.cli.builds import add_targets, configure_file, have_all, named_targets
from emberkeep.cli.command import Command
from emberkeep.cli.session import warn
from emberkeep.cli.streams import write_out
from emberkeep.errors import InvalidSetting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

    from emberkeep.cli.session import Session

SOME_FAILED = 1

EXAMPLES = """\
  emberkeep build model.py
  emberkeep build model.py --arch sm_80 --arch sm_90 --cpu x86-64-v3
  emberkeep build model.py --arch sm_90 --export model.ek --name model --version 1.0
exit codes: 0 all are kept, 1 some could not be built or exported, 2 wrong usage,
4 the keep cannot be used
"""


def _configure(parser: ArgumentParser) -> None:
    configure_file(parser)
    add_targets(parser)
    parser.add_argument("--export", metavar="BUNDLE", help="write what was built to a bundle")
    parser.add_argument("--name", metavar="NAME", help="with --export: of the library")
    parser.add_argument("--version", metavar="VERSION", help="with --export: of the library")


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
        from emberkeep.cli.bundles import require_named

        require_named(options.name, options.version)
    results = have_all(session, named_targets(options.cpu, options.arch))
    all_went = _export(session, results) if options.export else True
    return 0 if all_went and all(result["kept"] for result in results) else SOME_FAILED


def _export(session: Session, results: list[dict[str, object]]) -> bool:
    """Write to a bundle what was just built; whether all of it went."""
    from emberkeep.cli.bundles import export_to
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


COMMAND = Command(_configure, _build, EXAMPLES)
