"""How a keep is laid out, in a folder or another place: the names of all that is in it.

::

    <root>/format                          the layout's version; an unknown one: nothing is touched
    <root>/<kind>/<name>/<plan>-<build>.json   manifests
    <root>/<kind>/<name>/<plan>-<build>.py     source that was generated, for people to read; never
                                           read or run by emberkeep
    <root>/blobs/ab/cdef…                  contents, named by their SHA-256
    <root>/pins/<kind>/<name>/<key>        entries that eviction leaves alone
    <root>/statistics/…                    append-only counts, one file a process
    <root>/notes/…                         what manifests said, to list them in no time: a hint
    <root>/leases/…                        who builds what at the moment
    <root>/quarantine/…                    what was found damaged, in a folder of the user's own
    <root>/outages/…                       shared places that hang, for the next process to know
    <root>/temporary/…                     what is being written, in a folder
    <root>/revoked/<public key>            in a folder that others write too: statements by which
                                           owners revoke their keys

Files are the only truth: an entry's last use is its manifest's time of modification.
An object store as root holds the same names.
"""

from __future__ import annotations

from emberkeep.store.files import folder_name
from emberkeep.store.protocol import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.store.object_store import Facts, ObjectStore
    from emberkeep.store.protocol import Key

WORD = b"emberkeep "
LAYOUT = WORD + b"1\n"
SUFFIX = ".json"
TOUCH_AFTER_S = 3600.0


def is_of_a_version(content: bytes) -> bool:
    """Whether this is what some version of emberkeep writes there."""
    number = content.removeprefix(WORD).removesuffix(b"\n")
    return content == WORD + number + b"\n" and number.isdigit()


def manifest_name(key: Key) -> str:
    """The object that is a key's manifest; inside the place, whatever the names are."""
    return f"{folder_name(key.kind)}/{folder_name(key.name)}/{key.plan}-{key.build}{SUFFIX}"


def entry_name(entry: Entry) -> str:
    """The object that is an entry's manifest."""
    return f"{entry.kind}/{entry.name}/{entry.key}{SUFFIX}"


def is_manifest_name(name: str) -> bool:
    """Whether an object among those of a kind is named as a manifest is."""
    return name.endswith(SUFFIX) and name.count("/") == 2 and name[-len(SUFFIX) - 1] != "/"  # noqa: PLR2004


def entry_of(name: str, facts: Facts, now: float) -> Entry:
    """The entry whose manifest has this name."""
    kind, folder, file = name.split("/")
    used = last_use(facts, now)
    return Entry(kind, folder, file[: -len(SUFFIX)], used, facts.size_bytes, facts.version)


def blob_name(digest: str) -> str:
    """The object that is a blob."""
    return f"blobs/{digest[:2]}/{digest[2:]}"


def remove_entry(objects: ObjectStore, name: str, version: str = "") -> bool:
    """Remove a manifest and what is beside it for reading; whether it was there and could be."""
    removed = objects.remove(name, version)
    if removed:
        objects.remove(source_name(name))
    return removed


def source_name(manifest: str) -> str:
    """The object beside a manifest that shows the source."""
    return f"{manifest.removesuffix(SUFFIX)}.py"


def last_use(facts: Facts, now: float) -> float:
    """When an object was last used; a time from the future counts as when it was really put there.

    Clocks go wrong, and archives restore times: an entry from the year 2100 must not outlive all
    others.
    """
    if facts.modified <= now + TOUCH_AFTER_S:
        return facts.modified
    return min(facts.modified, facts.changed)
