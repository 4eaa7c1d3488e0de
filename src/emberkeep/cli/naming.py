"""What a user calls an entry → the entry."""

from __future__ import annotations

from emberkeep.cli.text import short_key
from emberkeep.errors import EmberkeepError
from emberkeep.store.files import folders_of
from emberkeep.store.inspection import is_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable

    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import Entry

SHOWN = 5  # of the entries that an ambiguous key may mean
KEY_HELP = "a key, the beginning of one, PLAN-BUILD with both shortened, or a name with one entry"
LATEST_HELP = "a key, the beginning of one, or a name (of several entries, the one used last)"
NAMESPACE_HELP = "a kind, or a kind and a name"


class NoSuchEntry(EmberkeepError, LookupError):  # noqa: N818 - reads as what it says
    """Nothing, or more than one thing, is called that."""

    exit_code = 3


def add_key(parser: ArgumentParser) -> None:
    """The argument by which a user names an entry."""
    parser.add_argument("key", metavar="KEY", help=KEY_HELP)


def add_namespace(parser: ArgumentParser) -> None:
    """The optional argument by which a user names a part of the keep."""
    parser.add_argument("namespace", metavar="KIND[/NAME]", nargs="?", help=NAMESPACE_HELP)


def split_namespace(text: str | None, entries: Iterable[Entry]) -> tuple[str | None, str | None]:
    """Kind and name of ``KIND[/NAME]``; None where it says nothing.

    Kinds and names may hold slashes themselves, so what is kept decides where to split.
    """
    if text is None:
        return None, None
    known = list(entries)
    for kind, name in _readings(text):
        if any(is_named(entry.kind, kind) and is_named(entry.name, name) for entry in known):
            return kind, name
    return text, None


def _readings(text: str) -> list[tuple[str, str | None]]:
    """Every way to read ``KIND[/NAME]``."""
    slashes = [index for index, letter in enumerate(text) if letter == "/"]
    return [(text, None), *((text[:index], text[index + 1 :] or None) for index in slashes)]


def is_within(kind: str, name: str, text: str) -> bool:
    """Whether ``KIND[/NAME]`` covers an artifact of this kind and name."""
    return any(
        known_kind == kind and known_name in (None, name)
        for known_kind, known_name in _readings(text)
    )


def candidates(directory: Directory, text: str) -> Iterable[Entry]:
    """The entries among which one is looked for: where a name is meant, those of that name.

    To find them costs a look at the folders of kinds, however much there is; only the beginning of
    a key needs a listing of all.
    """
    kinds = directory.kinds() if directory.is_keep() else []
    found = [
        entry
        for kind_given, name in [(None, text), *_readings(text)[1:]]
        if name is not None
        for kind in kinds
        if is_named(kind, kind_given)
        for folder in folders_of(name)
        for entry in directory.entries(kind, folder)
    ]
    return list(dict.fromkeys(found)) or directory.entries()


def find_entry(entries: Iterable[Entry], text: str) -> Entry:
    """The entry that a user means.

    Raises:
        NoSuchEntry: there is none, or it may be one of several.
    """
    found = _called(entries, text)
    if len(found) == 1:
        return found[0]
    shown = ", ".join(
        f"{entry.kind}/{entry.name} {short_key(entry.key)}" for entry in found[:SHOWN]
    )
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise NoSuchEntry(
        f"{text!r} may be any of {len(found)} entries: {shown}{more}. Give more of it"
    )


def find_latest(entries: Iterable[Entry], text: str) -> Entry:
    """The entry that a user means: of several with that name, the one used last.

    Raises:
        NoSuchEntry: there is none, or they have different names.
    """
    found = _called(entries, text)
    if len({(entry.kind, entry.name) for entry in found}) > 1:
        return find_entry(found, text)
    return max(found, key=lambda entry: entry.last_used)


def _called(entries: Iterable[Entry], text: str) -> list[Entry]:
    known = list(entries)
    found = [entry for entry in known if is_called(entry, text)]
    if not found:
        hint = did_you_mean(text, words_of(known))
        raise NoSuchEntry(f"No entry is called {text!r}.{hint} `emberkeep ls` lists what there is")
    return found


def words_of(entries: Iterable[Entry]) -> list[str]:
    """All that a user may type for entries: kinds, names, both, and the beginnings of keys."""
    words: dict[str, None] = {}
    for entry in entries:
        full = f"{entry.kind}/{entry.name}"
        words |= dict.fromkeys((entry.kind, entry.name, full, short_key(entry.key)))
    return list(words)


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """A hint for what was mistyped, with a space before it; nothing where nothing is near."""
    from difflib import get_close_matches

    near = get_close_matches(text, list(known), 1)
    return f" Did you mean {near[0]!r}?" if near else ""


def is_called(entry: Entry, text: str) -> bool:
    """Whether a text may mean an entry: by its name, or by how its key begins."""
    if is_named(entry.name, text):
        return True
    for kind, name in _readings(text):
        if name is not None and is_named(entry.kind, kind) and is_named(entry.name, name):
            return True
    plan, _, build = entry.key.partition("-")
    given_plan, _, given_build = text.lower().partition("-")
    return bool(given_plan) and plan.startswith(given_plan) and build.startswith(given_build)
