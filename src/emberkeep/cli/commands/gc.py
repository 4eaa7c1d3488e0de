"""``gc``: making room, by limits."""

from __future__ import annotations

from emberkeep.cli import arguments
from emberkeep.cli.command import Command
from emberkeep.cli.naming import did_you_mean
from emberkeep.cli.removal import removal_lines
from emberkeep.cli.session import warn
from emberkeep.settings import has_limits
from emberkeep.startup_records import as_dict
from emberkeep.store.eviction import Policy, collect
from emberkeep.store.inspection import is_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

    from emberkeep.cli.session import Session
    from emberkeep.settings import Place, Settings
    from emberkeep.store.directory import Directory


def _configure(parser: ArgumentParser) -> None:
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
    session.answer(values, removal_lines(done, dry_run=policy.dry_run))
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


COMMAND = Command(
    _configure,
    _collect,
    """\
  emberkeep gc                              # by the limits of the settings
  emberkeep gc --max-size 2GB --dry-run
  emberkeep gc --kind xla --max-age 30d
  emberkeep gc --max-size 0 --grace 0       # all but what is pinned

The least recently used entries go first. Pinned entries and what is younger than the grace period
always stay.
""",
)
