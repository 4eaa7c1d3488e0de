"""Why something had to be built: the kept entry that it resembles most, and what differs."""

from __future__ import annotations

from emberkeep.errors import StoreProblem
from emberkeep.keys.explain import Difference, explain
from emberkeep.keys.fingerprint import branch
from emberkeep.startup_records import final, frozen
from emberkeep.store.inspection import is_named
from emberkeep.store.manifest_writing import read_ingredients
from emberkeep.store.protocol import Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from emberkeep.keys import Fingerprint
    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import Entry, Manifest


@final
@frozen
class Neighbour:
    """A kept entry, and every leaf in which its ingredients differ from given ones."""

    entry: Entry
    manifest: Manifest
    differences: tuple[Difference, ...]


def compare(
    before: Mapping[str, Fingerprint], after: Mapping[str, Fingerprint]
) -> tuple[Difference, ...]:
    """Every leaf in which the ingredients of two keys differ, both halves."""
    return explain(*(branch("key", sorted(halves.items())) for halves in (before, after)))


def nearest(
    directory: Directory,
    kind: str,
    fingerprints: Mapping[str, Fingerprint],
    *,
    name: str | None = None,
    before: float | None = None,
) -> Neighbour | None:
    """The kept entry of a kind whose ingredients differ least from these; the newest of several.

    Args:
        directory: where to look.
        kind: of the entries that are looked at.
        fingerprints: the trees of both halves, ``plan`` and ``build``.
        name: entries of this name come first, however much the others resemble.
        before: looks only at what was made before this time.

    Raises:
        StoreProblem: the layout is unknown, or something cannot be listed.
    """
    entries = [entry for entry in directory.entries() if is_named(entry.kind, kind)]
    own = [entry for entry in entries if is_named(entry.name, name)]
    others = [entry for entry in entries if not is_named(entry.name, name)]
    for group in (own, others):
        found = list(_neighbours(directory, group, fingerprints, name, before))
        if found:
            return min(found, key=lambda other: (len(other.differences), -other.manifest.made_at))
    return None


def _neighbours(
    directory: Directory,
    entries: list[Entry],
    fingerprints: Mapping[str, Fingerprint],
    name: str | None,
    before: float | None,
) -> Iterator[Neighbour]:
    for entry in entries:
        manifest, document = directory.read_entry(entry)
        if isinstance(manifest, Miss) or (before is not None and manifest.made_at >= before):
            continue
        try:
            differences = compare(read_ingredients(document), fingerprints)
        except StoreProblem:  # sealed by us, and yet without ingredients: nothing to compare
            continue
        if name is not None and not is_named(entry.name, name):
            differences = (Difference("name", manifest.key.name, name), *differences)
        if differences:  # the very same entry is no neighbour
            yield Neighbour(entry, manifest, differences)
