"""``import``: artifacts out of a signed file."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from emberkeep.cli.bundles import STREAM
from emberkeep.cli.command import Command
from emberkeep.cli.naming import NoSuchEntry, is_within
from emberkeep.cli.progress import showing
from emberkeep.cli.session import warn
from emberkeep.cli.text import short_key, size, table
from emberkeep.errors import StoreProblem
from emberkeep.sharing.bundle_files import pin_builds
from emberkeep.sharing.library import import_library
from emberkeep.trust.judge import judge_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Generator, Iterator, Sequence
    from typing import BinaryIO

    from emberkeep.cli.session import Session
    from emberkeep.sharing.bundle.index import BundleEntry
    from emberkeep.sharing.bundle.reader import BundleReader
    from emberkeep.sharing.library import Imported

SOME_REFUSED = 1

SHOWN = 10

EXAMPLES = """\
  emberkeep import lorenz.ek --dry-run
  emberkeep import lorenz.ek
  curl https://example.org/lab.ek | emberkeep import - generated/lorenz
exit codes: 0 all is there, 1 some were refused, 2 wrong usage, 3 a part is not in it,
4 the bundle or the keep is no good
"""


def _configure(parser: ArgumentParser) -> None:
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
    from emberkeep.sharing.bundle.reader import BundleReader

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


COMMAND = Command(_configure, _import, EXAMPLES)
