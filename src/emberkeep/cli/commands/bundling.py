"""``export`` and ``import``: a library of artifacts as one signed file."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from emberkeep.cli import arguments
from emberkeep.cli.command import Command
from emberkeep.cli.naming import NoSuchEntry, is_within, split_namespace
from emberkeep.cli.progress import showing
from emberkeep.cli.session import warn
from emberkeep.cli.text import short_key, size, table
from emberkeep.errors import InvalidSetting, StoreProblem
from emberkeep.sharing.bundle_files import pin_builds, written_whole
from emberkeep.sharing.library import About, export_library, import_library
from emberkeep.store.files import objection
from emberkeep.store.inspection import is_named
from emberkeep.trust.judging import Others, judge_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Generator, Iterator, Sequence
    from typing import BinaryIO

    from emberkeep.cli.session import Session
    from emberkeep.sharing.bundle.index import BundleEntry
    from emberkeep.sharing.bundle.reading import BundleReader
    from emberkeep.sharing.library import Exported, Imported
    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import Entry

SOME_REFUSED = 1
SHOWN = 10
USUAL_LEVEL, HIGHEST_LEVEL = 1, 19  # machine code gains next to nothing between 1 and 10
STREAM = "-"

EXPORT_EXAMPLES = """\
  emberkeep export lorenz.ek --name lorenz --version 1.0
  emberkeep export all.ek --name lab --version 2026.11 --level 19 generated traces/coalescent
exit codes: 0 all went, 1 some entries were left out, 2 wrong usage, 3 a part is not there,
4 nothing to export, or trouble
"""
IMPORT_EXAMPLES = """\
  emberkeep import lorenz.ek --dry-run
  emberkeep import lorenz.ek
  curl https://example.org/lab.ek | emberkeep import - generated/lorenz
exit codes: 0 all is there, 1 some were refused, 2 wrong usage, 3 a part is not in it,
4 the bundle or the keep is no good
"""


def _configure_export(parser: ArgumentParser) -> None:
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


def require_named(*given: str) -> None:
    """Refuse a name or version by which nobody could tell a library from others.

    Raises:
        InvalidSetting: one is empty, or no bundle could hold it.
    """
    for text in given:
        problem = objection(text) if text.strip() else "says nothing"
        if problem is not None:
            raise InvalidSetting(
                f"{text[:40]!r} is no name and no version of a library: it {problem}"
            )


def export_to(
    session: Session,
    directory: Directory,
    entries: Sequence[Entry],
    path: str,
    about: About,
    *,
    level: int = USUAL_LEVEL,
    details: bool = True,
) -> Exported:
    """Write entries of a keep to a bundle.

    Args:
        session: has the settings.
        directory: the keep.
        entries: of it.
        path: of the bundle.
        about: name, version and description.
        level: of zstd.
        details: whether ingredients go along.
    """
    judge = judge_of(session.settings, warn)
    others = Others(judge, session.sealer, details=details, on_problem=warn)
    with _written(path) as out, showing(session, "export") as tell:
        return export_library(directory, entries, out, about, others, level=level, on_progress=tell)


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


@contextmanager
def _written(path: str) -> Generator[BinaryIO]:
    """The file, or what is piped into another command."""
    if path == STREAM:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with written_whole(path) as out:
        yield out


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


def _configure_import(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the bundle; - for standard input")
    parser.add_argument(
        "namespaces", metavar="KIND[/NAME]", nargs="*", help="what to take; default: everything"
    )
    parser.add_argument("--dry-run", action="store_true", help="list what is in it, take nothing")
    parser.add_argument(
        "--no-pin",
        action="store_true",
        help="don't let its builds run in place of this machine's own where there is no compiler",
    )


def _import(session: Session) -> int:
    from emberkeep.sharing.bundle.reading import BundleReader

    options = session.options
    judge = judge_of(session.settings, warn)
    with _opened(options.file) as file:
        reader = BundleReader(file, judge.require_signer)
        chosen = _chosen_of(reader, options.namespaces)
        if options.dry_run:
            session.answer(_about(reader, chosen), _listing(reader, chosen))
            return 0
        with showing(session, "import") as tell:
            target = session.writable_directory()
            done = import_library(reader, target, chosen, on_progress=tell)
    if not options.no_pin:
        refused = {entry for entry, _ in done.refused}
        # What was there already may be what an import took that did not come to its end.
        builds = [entry.build for entry in chosen if entry not in refused]
        pin_builds(session.settings.config_dir, reader.index, builds)
    values = {
        **_about(reader, done.entries),
        "present": done.present,
        "refused": [{"entry": _label(entry), "reason": reason} for entry, reason in done.refused],
    }
    session.answer(values, _taken(reader, done))
    return SOME_REFUSED if done.refused else 0


@contextmanager
def _opened(path: str) -> Generator[BinaryIO]:
    if path == STREAM:
        yield sys.stdin.buffer
        return
    if not os.path.exists(path) or os.path.isdir(path):  # else a file, or a pipe
        raise StoreProblem(f"There is no bundle {path}")
    with open(path, "rb") as file:
        yield file


def _chosen_of(reader: BundleReader, namespaces: Sequence[str]) -> list[BundleEntry]:
    entries = reader.index.entries
    for text in namespaces:
        if not any(is_within(entry.kind, entry.name, text) for entry in entries):
            raise NoSuchEntry(
                f"The bundle has nothing under {text!r}. `emberkeep import --dry-run` lists what "
                "is in it"
            )
    return [
        entry
        for entry in entries
        if not namespaces or any(is_within(entry.kind, entry.name, text) for text in namespaces)
    ]


def _about(reader: BundleReader, entries: Sequence[BundleEntry]) -> dict[str, object]:
    index = reader.index
    return {
        "name": index.name,
        "library_version": index.version,
        "description": index.description,
        "made_by": index.made_by,
        "signer": reader.signer,
        "entries": [
            {"kind": e.kind, "name": e.name, "key": f"{e.plan}-{e.build}"} for e in entries
        ],
    }


def _label(entry: BundleEntry) -> str:
    return f"{entry.kind}/{entry.name} {entry.plan}-{entry.build}"


def _title(reader: BundleReader) -> str:
    index = reader.index
    return f"{index.name} {index.version}, signed by {reader.signer[:16]}…"


def _listing(reader: BundleReader, entries: Sequence[BundleEntry]) -> Iterator[str]:
    sizes = reader.index.sizes()
    yield _title(reader)
    if reader.index.description:
        yield reader.index.description
    rows = [("kind", "name", "key", "size")]
    rows += [
        (
            entry.kind,
            entry.name,
            short_key(f"{entry.plan}-{entry.build}"),
            size(sum(sizes[blob] for blob in entry.blobs)),
        )
        for entry in entries
    ]
    yield from table(rows, "<<<>")


def _taken(reader: BundleReader, done: Imported) -> Iterator[str]:
    yield (
        f"{_title(reader)}: {len(done.entries)} entries taken, {done.present} were there already, "
        f"{len(done.refused)} refused"
    )
    for entry, reason in done.refused[:SHOWN]:
        yield f"  {entry.kind}/{entry.name}: {reason}"


COMMANDS = {
    "export": Command(_configure_export, _export, EXPORT_EXAMPLES),
    "import": Command(_configure_import, _import, IMPORT_EXAMPLES),
}
