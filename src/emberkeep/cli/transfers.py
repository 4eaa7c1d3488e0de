"""Between the user's own keep and a shared place: what ``push``, ``pull`` and ``sync`` do."""

from __future__ import annotations

from emberkeep.cli import arguments
from emberkeep.cli.naming import (
    NoSuchEntry,
    add_namespace,
    did_you_mean,
    split_namespace,
    words_of,
)
from emberkeep.cli.progress import showing
from emberkeep.cli.text import size
from emberkeep.errors import InvalidSetting, StoreProblem
from emberkeep.sharing.transfer import transfer
from emberkeep.store.inspection import is_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterator, Sequence

    from emberkeep.cli.session import Session
    from emberkeep.settings import Place
    from emberkeep.sharing.folder import SharedFolder
    from emberkeep.sharing.transfer import Transferred
    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import Entry

SOME_REFUSED = 1

SHOWN = 10  # refusals that are told one by one

EXIT_CODES = "exit codes: 0 all is there, 1 some were refused, 2 wrong usage, 4 a place fails\n"


def configure(parser: ArgumentParser) -> None:
    """What is brought."""
    add_namespace(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would go, bring nothing")
    arguments.add_since(parser)


def bring(session: Session, directions: tuple[str, ...]) -> int:
    """Push, pull or both; returns the exit code."""
    place = _place(session)
    if not session.options.dry_run:
        _require_writable(session, place, directions)
    own, shared = session.own_directory(), session.open_shared(place)
    # A disk may hold other things beside a keep that is about to be laid out.
    shared.require_keep(strangers="pull" not in directions)
    _require_named(session, [{"push": own, "pull": shared}[each] for each in directions])
    done = {
        direction: _transfer(
            session, direction, *((own, shared)[:: 1 if direction == "push" else -1])
        )
        for direction in directions
    }
    values = {direction: _values(each) for direction, each in done.items()}
    lines = [line for direction, each in done.items() for line in _lines(direction, each)]
    session.answer({"dry_run": session.options.dry_run, **values}, lines)
    return SOME_REFUSED if any(each.refused for each in done.values()) else 0


def _require_named(session: Session, sources: Sequence[Directory | SharedFolder]) -> None:
    """Refuse to bring what is called so by nobody, in place of bringing nothing.

    Raises:
        NoSuchEntry: nothing is, in any of the sources.
    """
    text = session.options.namespace
    if text is None:
        return
    known = [entry for source in sources for entry in source.entries()]
    kind, name = split_namespace(text, known)
    if not any(is_named(entry.kind, kind) and is_named(entry.name, name) for entry in known):
        hint = did_you_mean(text, words_of(known))
        raise NoSuchEntry(f"Nothing is kept under {text!r} where it would come from.{hint}")


def _place(session: Session) -> Place:
    if session.place is not None:
        return session.place
    if not session.settings.shared:
        raise InvalidSetting(
            "There is no shared place. Set EMBERKEEP_SHARED, or name a folder: --layer DIR"
        )
    return session.settings.shared[0]


def _require_writable(session: Session, place: Place, directions: tuple[str, ...]) -> None:
    """Refuse to write where the settings say that it is only read.

    Raises:
        StoreProblem: they do.
    """
    origins = session.settings.origins
    if session.settings.read_only:
        raise StoreProblem(
            f"Nothing is brought: read_only is set by {origins['read_only']}. Unset it"
        )
    if "push" in directions and place.read_only:
        raise StoreProblem(
            f"{place.path} is only read: the setting 'shared' says so, by {origins['shared']}. "
            "`emberkeep pull` brings what is there"
        )


def _transfer(
    session: Session,
    direction: str,
    source: Directory | SharedFolder,
    target: Directory | SharedFolder,
) -> Transferred:
    wanted = _wanted(session, source)
    with showing(session, direction) as tell:
        return transfer(source, target, wanted, dry_run=session.options.dry_run, on_progress=tell)


def _wanted(session: Session, source: Directory | SharedFolder) -> Callable[[Entry], bool] | None:
    """Which entries are meant; None for all of them."""
    text, since = session.options.namespace, session.options.since
    if text is None and since is None:
        return None
    kind, name = split_namespace(text, () if text is None else source.entries())
    return lambda entry: (
        is_named(entry.kind, kind)
        and is_named(entry.name, name)
        and arguments.is_recent(entry, since)
    )


def _values(done: Transferred) -> dict[str, object]:
    return {
        "brought": [f"{e.kind}/{e.name} {e.key}" for e in done.brought],
        "size_bytes": done.size_bytes,
        "present": done.present,
        "refused": [
            {"entry": f"{e.kind}/{e.name} {e.key}", "reason": reason} for e, reason in done.refused
        ],
    }


def _lines(direction: str, done: Transferred) -> Iterator[str]:
    yield (
        f"{direction}: {len(done.brought)} entries, {size(done.size_bytes)}; {done.present} were "
        f"there already; {len(done.refused)} refused"
    )
    for entry, reason in done.refused[:SHOWN]:
        yield f"  {entry.kind}/{entry.name}: {reason}"
    if len(done.refused) > SHOWN:
        yield f"  and {len(done.refused) - SHOWN} more"
