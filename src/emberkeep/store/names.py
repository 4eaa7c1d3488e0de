"""Names of kinds and systems as names of folders: safe on every file system, and distinct."""

from __future__ import annotations

from emberkeep.digests import sha256

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
LONGEST = 64
REMEMBERED = 1024
MARK = 16  # hexadecimal digits that tell names apart which become the same folder
# Windows opens a device under these names, whatever the extension.
DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))]
)
# What lies in a keep's root beside the kinds.
RESERVED = frozenset(
    ["format", "blobs", "pins", "statistics", "leases", "quarantine", "temporary", "collected"]
)


# Asked at every lookup, for the same few names.
_known: dict[str, str] = {}


def folder_name(name: str) -> str:
    """The folder for a name: the name itself where it is plain, else a slug with a digest."""
    known = _known.get(name)
    if known is None:
        known = _folder_name(name)
        if len(_known) < REMEMBERED:
            _known[name] = known
    return known


def _folder_name(name: str) -> str:
    if _is_plain(name):
        return name
    slug = "".join(letter if letter in PLAIN else "_" for letter in name[:40]).strip(".-_ ")
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:MARK]
    return f"{slug or 'unnamed'}-{digest}"


def _is_plain(name: str) -> bool:
    if not 0 < len(name) <= LONGEST or not PLAIN.issuperset(name):
        return False
    if name[0] == "." or name[-1] == ".":
        return False
    if name.lower() in RESERVED or name.partition(".")[0].lower() in DEVICES:
        return False
    # A name that looks like one of ours with a digest could be taken for it.
    stem, _, digest = name.rpartition("-")
    return not (stem and len(digest) == MARK and not digest.strip("0123456789abcdef"))
