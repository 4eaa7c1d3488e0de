"""What is in a bundle: entries that name members, written as canonical JSON."""

from __future__ import annotations

import re
from itertools import pairwise

from emberkeep.errors import BundleRejected
from emberkeep.sharing.bundle.frames import MEMBER_LIMIT
from emberkeep.startup_records import as_dict, final, frozen, parse_json, replace, values
from emberkeep.store.files import objection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# A manifest is some kilobytes; readers take the whole of one before they judge it.
DOCUMENT_LIMIT = 16 << 20

_is_digest = re.compile("[0-9a-f]{64}").fullmatch


@final
@frozen
class BundleEntry:
    """One artifact of a bundle.

    Attributes:
        kind: of its key.
        name: of its key; data, never a path.
        plan: digest of what was computed.
        build: digest of how it was compiled.
        document: SHA-256 of its manifest as it was signed.
        blobs: SHA-256 of its parts, sorted, each once.
    """

    kind: str
    name: str
    plan: str
    build: str
    document: str
    blobs: tuple[str, ...]

    def key(self) -> tuple[str, str, str, str]:
        """What it is sorted by; no two entries have the same."""
        return self.kind, self.name, self.plan, self.build


@final
@frozen
class Member:
    """Content that a bundle holds: a document or a blob.

    Attributes:
        digest: SHA-256 of the content.
        size_bytes: length of the content.
    """

    digest: str
    size_bytes: int


@final
@frozen
class BundleIndex:
    """What a bundle holds.

    Attributes:
        name: what its maker calls it.
        version: of the library, as its maker counts.
        description: for people.
        made_by: version of the emberkeep that wrote it.
        entries: artifacts, sorted by their keys.
        members: contents, in the order in which they follow.
    """

    name: str
    version: str
    description: str
    made_by: str
    entries: tuple[BundleEntry, ...]
    members: tuple[Member, ...]

    def sizes(self) -> dict[str, int]:
        """Size in bytes by digest, in the order of the file."""
        return {member.digest: member.size_bytes for member in self.members}


def members_named(entries: Iterable[BundleEntry]) -> dict[str, None]:
    """Digests that entries name, each once, in the order in which a bundle has them."""
    named: dict[str, None] = {}
    for entry in entries:
        named[entry.document] = None
        named.update(dict.fromkeys(entry.blobs))
    return named


def arrange(index: BundleIndex) -> BundleIndex:
    """The same index in the one order in which it is written, whatever order it was given in.

    Raises:
        BundleRejected: no reader would take it.
    """
    entries = tuple(
        replace(entry, {"blobs": tuple(sorted(set(entry.blobs)))})
        for entry in sorted(index.entries, key=BundleEntry.key)
    )
    place = {digest: at for at, digest in enumerate(members_named(entries))}
    # What no entry names comes last, for the check to find.
    members = sorted(index.members, key=lambda member: place.get(member.digest, len(place)))
    arranged = replace(index, {"entries": entries, "members": tuple(members)})
    if parse_index(canonical(arranged)) != arranged:
        raise BundleRejected("The bundle's index holds a text that JSON would change")
    return arranged


def canonical(index: BundleIndex) -> bytes:
    """An index as JSON: keys sorted, no spaces, ASCII; the same index gives the same bytes.

    Entries and members are lists of their fields in order: there are thousands.
    """
    import json

    # The records in it are lists of their fields.
    text = json.dumps(as_dict(index), default=values, sort_keys=True, separators=(",", ":"))
    return text.encode("ascii")


def parse_index(raw: bytes) -> BundleIndex:
    """The index that was written as these bytes.

    Raises:
        BundleRejected: they are not just what this format writes for some valid index.
    """
    try:
        index = _index(parse_json(raw.decode("ascii")))
        _check_entries(index.entries)
        _check_members(index)
        _check_form(index, raw)
    except RecursionError:
        raise BundleRejected("The bundle's index is nested deeper than any index is") from None
    except ValueError as problem:
        raise BundleRejected(
            f"The bundle's index is not what this format has: {problem}. Ask whoever made it to "
            "make it again"
        ) from problem
    return index


def _index(value: Any) -> BundleIndex:
    if value.__class__ is not dict or sorted(value) != sorted(_fields(BundleIndex)):
        raise ValueError(f"{_shown(value)} stands where {_fields(BundleIndex)} were expected")
    members = tuple([_member(member) for member in _list(value["members"])])
    there = {member.digest for member in members}
    return BundleIndex(
        _text(value["name"]),
        _text(value["version"]),
        _text(value["description"]),
        _text(value["made_by"]),
        tuple([_entry(entry, there) for entry in _list(value["entries"])]),
        members,
    )


def _entry(value: Any, there: set[str]) -> BundleEntry:
    if value.__class__ is not list or len(value) != len(_fields(BundleEntry)):
        raise ValueError(f"{_shown(value)} stands where {_fields(BundleEntry)} were expected")
    kind, name, plan, build, document, blobs = value
    return BundleEntry(
        _text(kind),
        _text(name),
        _digest(plan),
        _digest(build),
        _named(document, there),
        tuple([_named(blob, there) for blob in _list(blobs)]),
    )


def _member(value: Any) -> Member:
    if value.__class__ is not list or len(value) != len(_fields(Member)):
        raise ValueError(f"{_shown(value)} stands where {_fields(Member)} were expected")
    digest, size_bytes = value
    return Member(_digest(digest), _size(size_bytes))


def _fields(record: Any) -> tuple[str, ...]:
    return record.__match_args__


# What may stand at a place; nothing of a value that may not is shown at full length. -------------


def _list(value: Any) -> list[Any]:
    if value.__class__ is list:
        return value
    raise ValueError(f"{_shown(value)} stands where a list was expected")


def _text(value: Any) -> str:
    problem = "is no text" if value.__class__ is not str else objection(value)
    if problem is None:
        return value
    raise ValueError(f"{_shown(value)} stands where a text was expected, and {problem}")


def _digest(value: Any) -> str:
    if value.__class__ is str and _is_digest(value):
        return value
    raise ValueError(f"{_shown(value)} stands where 64 lower-case hexadecimal digits were expected")


def _named(value: Any, there: set[str]) -> str:
    if value.__class__ is str and value in there:
        return value
    raise ValueError(f"an entry names the member {_shown(value)}, which is missing")


def _size(value: Any) -> int:
    # Not `isinstance`: true is a number too.
    if value.__class__ is int and 0 <= value <= MEMBER_LIMIT:
        return value
    raise ValueError(f"{_shown(value)} stands where a size was expected, of at most {MEMBER_LIMIT}")


def _shown(value: Any) -> str:
    if value.__class__ in (dict, list):
        return f"a {value.__class__.__name__} of {len(value)}"
    if value.__class__ is str:
        return f"a text of {len(value)} that begins with {value[:40]!r}"
    return repr(value)[:40]


# Entries and members ----------------------------------------------------------------------------


def _check_entries(entries: tuple[BundleEntry, ...]) -> None:
    keys = [entry.key() for entry in entries]
    for before, after in pairwise(keys):
        if before == after:
            raise ValueError(f"{after[0][:40]!r}/{after[1][:40]!r} is there twice with one key")
        if before > after:
            raise ValueError("its entries are not sorted")
    if len({entry.document for entry in entries}) < len(entries):
        raise ValueError("two of its entries name one document, which tells of one artifact")
    for entry in entries:
        if any(map(str.__ge__, entry.blobs, entry.blobs[1:])):
            raise ValueError(f"the blobs of {entry.name[:40]!r} are not sorted, or one is twice")


def _check_members(index: BundleIndex) -> None:
    sizes = index.sizes()
    named = members_named(index.entries)
    if len(sizes) != len(index.members):
        raise ValueError("a member is there twice")
    for digest in sizes:
        if digest not in named:
            raise ValueError(f"no entry names the member {digest}")
    if list(sizes) != list(named):
        raise ValueError("its members are not in the order in which its entries name them")
    for entry in index.entries:
        if sizes[entry.document] > DOCUMENT_LIMIT:
            raise ValueError(
                f"the document of {entry.name[:40]!r} has {sizes[entry.document]} bytes, and at "
                f"most {DOCUMENT_LIMIT} are read"
            )


def _check_form(index: BundleIndex, raw: bytes) -> None:
    """One index, one text: nothing can be hidden in how it is written."""
    if canonical(index) != raw:
        raise ValueError("it is not written in the one way in which this format writes it")
