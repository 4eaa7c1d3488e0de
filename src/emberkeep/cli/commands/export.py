"""``export``: a library of artifacts as one signed file."""

from __future__ import annotations

import os

from emberkeep.cli import arguments
from emberkeep.cli.bundles import STREAM, USUAL_LEVEL, export_to, require_named
from emberkeep.cli.command import Command
from emberkeep.cli.naming import NoSuchEntry, split_namespace
from emberkeep.cli.session import warn
from emberkeep.cli.text import size
from emberkeep.sharing.library import About
from emberkeep.store.inspection import is_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

    from emberkeep.cli.session import Session
    from emberkeep.sharing.library import Exported
    from emberkeep.store.protocol import Entry

SOME_REFUSED = 1

SHOWN = 10

HIGHEST_LEVEL = 19

EXAMPLES = """\
  emberkeep export lorenz.ek --name lorenz --version 1.0
  emberkeep export all.ek --name lab --version 2026.11 --level 19 generated traces/coalescent
exit codes: 0 all went, 1 some entries were left out, 2 wrong usage, 3 a part is not there,
4 nothing to export, or trouble
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the bundle to write; - for standard output")
    parser.add_argument(
        "namespaces", metavar="KIND[/NAME]", nargs="*", help="what goes in; default: everything"
    )
    parser.add_argument("--name", metavar="NAME", required=True, help="of the library")
    parser.add_argument("--version", metavar="VERSION", required=True, help="of the library")
    parser.add_argument("--description", metavar="TEXT", default="", help="for people")
    parser.add_argument(
        "--level",
        type=int,
        choices=range(1, HIGHEST_LEVEL + 1),
        default=USUAL_LEVEL,
        metavar="N",
        help=f"how hard to compress, 1 to {HIGHEST_LEVEL} (default: {USUAL_LEVEL})",
    )
    parser.add_argument(
        "--no-details",
        action="store_true",
        help="leave out ingredients, which may show values that your functions captured",
    )
    arguments.add_since(parser)


def _export(session: Session) -> int:
    options = session.options
    require_named(options.name, options.version)
    chosen = _chosen(session, options.namespaces)
    entries = [entry for entry in chosen if arguments.is_recent(entry, options.since)]
    done = export_to(
        session,
        session.directory,
        entries,
        options.file,
        About(options.name, options.version, options.description),
        level=options.level,
        details=not options.no_details,
    )
    _answer_export(session, options.file, done)
    return SOME_REFUSED if done.refused else 0


def _chosen(session: Session, namespaces: Sequence[str]) -> list[Entry]:
    known = list(session.directory.entries())
    if not namespaces:
        return known
    chosen: dict[Entry, None] = {}
    for text in namespaces:
        kind, name = split_namespace(text, known)
        found = [e for e in known if is_named(e.kind, kind) and is_named(e.name, name)]
        if not found:
            raise NoSuchEntry(f"Nothing is kept under {text!r}. `emberkeep ls` lists what there is")
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def _answer_export(session: Session, path: str, done: Exported) -> None:
    index = done.index
    total = sum(member.size_bytes for member in index.members)
    left_out = [f"left out: {e.kind}/{e.name}: {reason}" for e, reason in done.refused[:SHOWN]]
    if path == STREAM:  # on standard output, the answer would be taken for the bundle
        for line in left_out:
            warn(line)
        return
    stored = os.path.getsize(path)
    values = {
        "file": path,
        "name": index.name,
        "library_version": index.version,
        "entries": len(index.entries),
        "size_bytes": total,
        "stored_bytes": stored,
        "refused": [
            {"entry": f"{e.kind}/{e.name} {e.key}", "reason": reason} for e, reason in done.refused
        ],
    }
    title = f"{path}: {index.name} {index.version}, {len(index.entries)} entries"
    lines = [f"{title}, {size(total)} in {size(stored)}", *(f"  {line}" for line in left_out)]
    session.answer(values, lines)


COMMAND = Command(_configure, _export, EXAMPLES)
