"""``gc`` and ``clear``: making room."""

from __future__ import annotations

import sys

from emberkeep.cli import USAGE_ERROR, arguments
from emberkeep.cli.command import Command
from emberkeep.cli.naming import NoSuchEntry, add_namespace, did_you_mean, split_namespace
from emberkeep.cli.session import warn
from emberkeep.cli.text import printable, size
from emberkeep.settings import has_limits
from emberkeep.startup_records import as_dict
from emberkeep.store.eviction import Collected, Policy, clear, collect
from emberkeep.store.inspection import is_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator, Sequence

    from emberkeep.cli.session import Session
    from emberkeep.settings import Place, Settings
    from emberkeep.store.directory import Directory

DECLINED = 1
# What users call the kinds; None is all of them.
PARTS = {"kernels": "generated", "traces": "traces", "xla": "xla", "all": None}


def _configure_gc(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--max-size",
        type=arguments.size,
        metavar="SIZE",
        help="leave at most this much, such as 2GB",
    )
    parser.add_argument(
        "--max-age",
        type=arguments.duration,
        metavar="TIME",
        help="remove what went unused longer, as in 30d",
    )
    parser.add_argument("--kind", help="look at entries of this kind alone; the size is theirs")
    parser.add_argument("--name", help="look at entries of this name alone")
    parser.add_argument(
        "--grace",
        type=arguments.duration,
        default=Policy().grace_s,
        metavar="TIME",
        help="leave what is younger (default: 1h)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would go; remove nothing")


def _collect(session: Session) -> int:
    options, settings = session.options, session.settings
    limits: Settings | Place = settings
    if session.place is not None and has_limits(session.place):
        limits = session.place
    policy = Policy(
        max_size_bytes=limits.max_size_bytes if options.max_size is None else options.max_size,
        max_age_s=limits.max_age_s if options.max_age is None else options.max_age,
        kind=options.kind,
        name=options.name,
        grace_s=options.grace,
        dry_run=options.dry_run,
    )
    directory = session.directory if policy.dry_run else session.writable_directory()
    _tell_unknown(directory, policy)
    done = collect(directory, policy)
    values = {"root": session.root, "dry_run": policy.dry_run, **as_dict(done)}
    session.answer(values, _lines(done, dry_run=policy.dry_run))
    return 0


def _tell_unknown(directory: Directory, policy: Policy) -> None:
    """Say where a kind or name was mistyped, perhaps; that there is nothing of it is no failure."""
    if policy.kind is None and policy.name is None:
        return
    known = list(directory.entries())
    for what, text, names in (
        ("kind", policy.kind, {entry.kind for entry in known}),
        ("name", policy.name, {entry.name for entry in known}),
    ):
        hint = did_you_mean(text or "", names)
        if hint and not any(is_named(name, text) for name in names):
            warn(f"nothing here has the {what} {text!r}.{hint}")


def _lines(done: Collected, *, dry_run: bool) -> Iterator[str]:
    freed = done.entries_size_bytes + done.blobs_size_bytes
    verb = "would remove" if dry_run else "removed"
    yield f"{verb} {done.entries} entries and {done.blobs} blobs: {size(freed)}"
    if done.temporaries or done.quarantined:
        yield f"{verb} {done.temporaries} stray and {done.quarantined} quarantined files"
    yield (
        f"{done.kept_entries} entries are left, {size(done.kept_size_bytes)} "
        f"({done.pinned} pinned, {done.young} too young to go)"
    )
    if done.foreign:
        yield (
            "All blobs stayed: there is a manifest of a newer format, or one that cannot be read. "
            "`emberkeep verify` names it."
        )


def _configure_clear(parser: ArgumentParser) -> None:
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
    session.answer({"root": session.root, **as_dict(together)}, _lines(together, dry_run=False))
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


COMMANDS = {
    "gc": Command(
        _configure_gc,
        _collect,
        """\
  emberkeep gc                              # by the limits of the settings
  emberkeep gc --max-size 2GB --dry-run
  emberkeep gc --kind xla --max-age 30d
  emberkeep gc --max-size 0 --grace 0       # all but what is pinned

The least recently used entries go first. Pinned entries and what is younger than the grace period
always stay.
""",
    ),
    "clear": Command(
        _configure_clear,
        _clear,
        """\
  emberkeep clear
  emberkeep clear generated/lorenz
  emberkeep clear xla --yes --pinned
  emberkeep clear --kernels --traces

Blobs that were written within the last minute are left to the next collection: somebody may be
publishing them. The exit code is 1 if you say no.
""",
    ),
}
