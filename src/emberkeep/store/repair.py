"""Repairing a keep: what is damaged is moved away, what cannot be used any more is removed."""

from __future__ import annotations

import os
import time

from emberkeep.startup_records import final, frozen, sha256
from emberkeep.store import files
from emberkeep.store.inspection import MANIFEST, STRAY_AFTER_S, inspect, reap
from emberkeep.store.layout import (
    blob_name,
    entry_name,
    is_of_a_version,
    manifest_name,
    remove_entry,
)
from emberkeep.store.manifest import SIZE_LIMIT, read_document
from emberkeep.store.no_follow import move_within
from emberkeep.store.protocol import DAMAGED, Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.store.directory import Directory
    from emberkeep.store.inspection import Finding
    from emberkeep.store.protocol import Entry, Manifest


def _anybody(*_: object) -> None:
    """Whoever vouches for it: what is moved back is as it was found."""


@final
@frozen
class Repaired:
    """One thing that `repair` did, or could not do: a verb, the file, and why."""

    action: str
    path: str
    detail: str


QUARANTINED = "moved to quarantine"
REMOVED = "removed"
LEFT = "left alone"


def repair(directory: Directory) -> tuple[Repaired, ...]:
    """Move damaged files to quarantine, remove what cannot be used any more and what is stray.

    Untrusted entries and newer formats stay: they may be good to somebody else.

    Raises:
        StoreProblem: the layout is unknown, or something cannot be listed.
    """
    done: list[Repaired] = []
    layout = directory.objects.address("format")
    if not _is_known(directory) and directory.mend_format(layout):
        done.append(Repaired(QUARANTINED, layout, "it was damaged, and is written anew"))
    for finding in list(inspect(directory)):
        if finding.state == DAMAGED and finding.entry is not None:
            if finding.role == MANIFEST:
                done += _quarantine_manifest(directory, finding.entry, finding)
            else:
                done += _drop_incomplete(directory, finding.entry, finding)
    reaped = reap(directory, time.time() - STRAY_AFTER_S)
    if reaped:
        detail = f"{reaped} files that a process which died was writing"
        done.append(Repaired(REMOVED, directory.objects.address("temporary"), detail))
    return tuple(done)


def _is_known(directory: Directory) -> bool:
    """Whether the layout is one that a version of emberkeep has written down, or none."""
    try:
        return is_of_a_version(directory.objects.read("format", 4096)[0])
    except (FileNotFoundError, NotADirectoryError):
        return True
    except ValueError:
        return False


def _quarantine_manifest(directory: Directory, entry: Entry, finding: Finding) -> list[Repaired]:
    moved = directory.move_away(finding.path)
    if moved is None:
        return _left(directory, entry, finding)
    try:
        found = read_document(files.read_file(moved, SIZE_LIMIT), None, _anybody)
    except (OSError, ValueError):
        found = None
    if found is not None and not isinstance(found, Miss) and _is_at_home(entry, found):
        move_within(directory.root, moved, finding.path)  # a healer was faster: this one is good
        return []
    return [Repaired(QUARANTINED, finding.path, finding.detail)]


def _is_at_home(entry: Entry, manifest: Manifest) -> bool:
    return manifest_name(manifest.key) == entry_name(entry)


def _drop_incomplete(directory: Directory, entry: Entry, finding: Finding) -> list[Repaired]:
    """Take a bad blob away, and then the manifest that cannot be used without it."""
    done: list[Repaired] = []
    digest = _digest_in(finding.path)
    moved = directory.move_away(finding.path)
    if moved is not None:
        try:
            size = os.stat(moved).st_size
            healed = sha256(files.read_file(moved, size)).hexdigest() == digest
        except (OSError, ValueError):
            healed = False
        if healed:
            move_within(directory.root, moved, finding.path)
            return []
        done.append(Repaired(QUARANTINED, finding.path, finding.detail))
    if directory.has_object(blob_name(digest)):  # not ours to move, or written anew a moment ago
        return done or _left(directory, entry, finding)
    path = directory.entry_path(entry)
    if not directory.heals:  # another host may see the blob that is missing here
        return [Repaired(LEFT, path, f"{finding.detail}; the next builder replaces it")]
    if remove_entry(directory.objects, entry_name(entry)):
        done.append(Repaired(REMOVED, path, finding.detail))
    return done


def _left(directory: Directory, entry: Entry, finding: Finding) -> list[Repaired]:
    is_manifest = finding.role == MANIFEST
    name = entry_name(entry) if is_manifest else blob_name(_digest_in(finding.path))
    if not directory.has_object(name):
        return []
    return [Repaired(LEFT, finding.path, f"{finding.detail}; it could not be moved")]


def _digest_in(path: str) -> str:
    return "".join(path.split("/")[-2:])
