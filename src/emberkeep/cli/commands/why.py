"""``why``: what differs between an entry and what was kept before it, or another one."""

from __future__ import annotations

from emberkeep.cli.command import Command
from emberkeep.cli.naming import LATEST_HELP, candidates, find_latest
from emberkeep.cli.text import moment, short_key
from emberkeep.errors import StoreProblem
from emberkeep.startup_records import as_dict, final, frozen
from emberkeep.store.manifest_writing import read_ingredients
from emberkeep.store.neighbours import Neighbour, compare, nearest
from emberkeep.store.protocol import Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator, Mapping

    from emberkeep.cli.session import Session
    from emberkeep.keys import Fingerprint
    from emberkeep.keys.explain import Difference
    from emberkeep.store.protocol import Entry, Manifest


@final
@frozen
class _Known:
    """An entry that could be read."""

    entry: Entry
    manifest: Manifest
    trees: Mapping[str, Fingerprint]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("entry", metavar="A", help=LATEST_HELP)
    parser.add_argument(
        "other",
        metavar="B",
        nargs="?",
        help="compare with this one (default: the nearest that is older than A)",
    )


def _why(session: Session) -> int:
    options = session.options
    subject = _read(session, options.entry)
    if options.other is not None:
        other = _read(session, options.other)
        differences = compare(other.trees, subject.trees)
        neighbour = Neighbour(other.entry, other.manifest, differences)
    else:
        key = subject.manifest.key
        neighbour = nearest(
            session.directory,
            key.kind,
            subject.trees,
            name=key.name,
            before=subject.manifest.made_at,
        )
    chosen = options.other is not None
    values = {
        "entry": _identity(subject.entry, subject.manifest),
        "other": None if neighbour is None else _identity(neighbour.entry, neighbour.manifest),
        "differences": []
        if neighbour is None
        else [as_dict(difference) for difference in neighbour.differences],
    }
    session.answer(values, _lines(subject, neighbour, chosen=chosen))
    return 0


def _read(session: Session, text: str) -> _Known:
    entry = find_latest(candidates(session.directory, text), text)
    manifest, document = session.directory.read_entry(entry)
    if isinstance(manifest, Miss):
        path = session.directory.entry_path(entry)
        raise StoreProblem(f"{path} is {manifest.reason}: {manifest.detail}")
    return _Known(entry, manifest, read_ingredients(document))


def _identity(entry: Entry, manifest: Manifest) -> dict[str, object]:
    return {
        "kind": manifest.key.kind,
        "name": manifest.key.name,
        "key": entry.key,
        "made_at": manifest.made_at,
    }


def _title(entry: Entry, manifest: Manifest) -> str:
    made = moment(manifest.made_at)
    return f"{manifest.key.kind}/{manifest.key.name} {short_key(entry.key)}, made {made}"


def _lines(subject: _Known, neighbour: Neighbour | None, *, chosen: bool) -> Iterator[str]:
    title = _title(subject.entry, subject.manifest)
    if neighbour is None:
        kind = subject.manifest.key.kind
        yield f"{title}, is the first of its kind:"
        yield f"nothing older of kind {kind!r} is kept, so it had to be built."
        return
    count = len(neighbour.differences)
    if chosen:
        yield title
        yield f"compared with {_title(neighbour.entry, neighbour.manifest)}:"
    else:
        yield f"{title}, had to be built:"
        yield f"it is not {_title(neighbour.entry, neighbour.manifest)}, the nearest older entry."
    yield ""
    yield "1 ingredient differs:" if count == 1 else f"{count} ingredients differ:"
    for difference in neighbour.differences:
        yield from _difference(difference)


def _difference(difference: Difference) -> Iterator[str]:
    yield f"  {difference.path}"
    yield f"    - {difference.left}"
    yield f"    + {difference.right}"


COMMAND = Command(
    _configure,
    _why,
    """\
  emberkeep why lorenz                 # why its only entry had to be built
  emberkeep why 3f9a12bc               # against the nearest older entry
  emberkeep why 3f9a12bc 77de01aa      # against another one

Every miss publishes an entry with all its ingredients. What differs from the nearest entry that
was there before is why the miss was one: - is its value, + that of A.
""",
)
