"""``clear``: making room, by kind and name."""

from __future__ import annotations

import sys

from emberkeep.cli import USAGE_ERROR
from emberkeep.cli.command import Command
from emberkeep.cli.naming import NoSuchEntry, add_namespace, split_namespace
from emberkeep.cli.removal import removal_lines
from emberkeep.cli.session import warn
from emberkeep.cli.text import printable
from emberkeep.startup_records import as_dict
from emberkeep.store.eviction import Collected, clear
from emberkeep.store.inspection import is_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

    from emberkeep.cli.session import Session

DECLINED = 1

# What users call the kinds; None is all of them.
PARTS = {"kernels": "generated", "traces": "traces", "xla": "xla", "all": None}


def _configure(parser: ArgumentParser) -> None:
    add_namespace(parser)
    for part, kind in PARTS.items():
        parser.add_argument(
            f"--{part}",
            dest="kinds",
            action="append_const",
            const=kind,
            help="remove everything" if kind is None else f"remove all {part}: kind {kind}",
        )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--pinned", action="store_true", help="remove pinned entries too")


def _clear(session: Session) -> int:
    options = session.options
    if options.kinds and options.namespace is not None:
        flags = ", ".join(f"--{part}" for part in PARTS)
        warn(f"clear takes {options.namespace!r} or one of {flags}, not both")
        return USAGE_ERROR
    directory = session.writable_directory()
    known = list(directory.entries())
    parts = _parts(options.kinds) or (split_namespace(options.namespace, known),)
    entries = [
        entry
        for entry in known
        if any(is_named(entry.kind, kind) and is_named(entry.name, name) for kind, name in parts)
    ]
    if options.namespace is not None and not entries:
        raise NoSuchEntry(
            f"Nothing is kept under {options.namespace!r}. `emberkeep ls` lists what there is"
        )
    if entries and not options.yes:
        if not sys.stdin.isatty():
            warn("clear asks before it removes anything, and this is no terminal. Pass --yes")
            return USAGE_ERROR
        what = options.namespace or " and ".join(kind or "everything" for kind, _ in parts)
        question = f"Remove {what}, {len(entries)} entries, from {session.root}? [y/N] "
        sys.stderr.write(printable(question))
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            warn("nothing was removed")
            return DECLINED
    done = [clear(directory, kind, name, pinned=options.pinned) for kind, name in parts]
    together = _together(done)
    session.answer(
        {"root": session.root, **as_dict(together)}, removal_lines(together, dry_run=False)
    )
    return 0


def _parts(kinds: Sequence[str | None] | None) -> tuple[tuple[str | None, None], ...]:
    """Kinds with no name; one that stands for everything stands for the others too."""
    chosen = list(dict.fromkeys(kinds or ()))
    return ((None, None),) if None in chosen else tuple((kind, None) for kind in chosen)


def _together(done: Sequence[Collected]) -> Collected:
    """What several parts come to; each is a kind of its own, so nothing counts twice."""
    counts = {
        name: sum(getattr(each, name) for each in done)
        for name in as_dict(done[0])
        if name != "foreign"
    }
    return Collected(**counts, foreign=any(each.foreign for each in done))


COMMAND = Command(
    _configure,
    _clear,
    """\
  emberkeep clear
  emberkeep clear generated/lorenz
  emberkeep clear xla --yes --pinned
  emberkeep clear --kernels --traces

Blobs that were written within the last minute are left to the next collection: somebody may be
publishing them. The exit code is 1 if you say no.
""",
)
