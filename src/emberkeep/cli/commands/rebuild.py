"""``rebuild``: is what is kept what comes out of building it again?"""

from __future__ import annotations

import os
import tempfile

from emberkeep.cli.builds import (
    add_targets,
    build_declared,
    configure_file,
    describe,
    named_targets,
)
from emberkeep.cli.command import Command
from emberkeep.errors import InvalidSetting, StoreProblem
from emberkeep.keep.keep import Keep
from emberkeep.startup_records import final, frozen
from emberkeep.store.layout import blob_name
from emberkeep.store.manifest import read_stamps
from emberkeep.store.protocol import Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator, Mapping, Sequence

    from emberkeep.cli.session import Session
    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import BlobRef, Kept, Manifest

SOME_DIFFER = 1
SAME, DIFFERS, NEW, FAILED = "same", "differs", "new", "failed"
SHOWN_DIGITS = 16

EXAMPLES = """\
  emberkeep rebuild model.py
  emberkeep rebuild model.py lorenz --layer shared
  emberkeep rebuild model.py --cpu x86-64-v3 --replace

What the file declares is built anew, as if nothing were kept, and compared, content by content,
with what is kept under the same key: in your keep, or in the layer that you name, where a
signature says that just these bytes come of it. Nothing is changed without --replace.
exit codes: 0 all is the same or was not kept, 1 something differs or could not be built,
2 wrong usage, 4 the keep cannot be used
"""


@final
@frozen
class _Difference:
    """One content of an artifact that came out otherwise.

    Attributes:
        role: what it is for.
        kept: its SHA-256 in what is kept; empty where that has none.
        built: its SHA-256 now; empty where there is none now.
        detail: sizes, and where the bytes part.
    """

    role: str
    kept: str
    built: str
    detail: str


def _configure(parser: ArgumentParser) -> None:
    configure_file(parser)
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="of what it declares; default: everything"
    )
    add_targets(parser)
    parser.add_argument(
        "--replace", action="store_true", help="keep what was built in place of what differs"
    )


def _rebuild(session: Session) -> int:
    options = session.options
    if options.replace and session.place is not None:
        raise InvalidSetting(
            "--replace changes your own keep; `emberkeep push` brings it to a shared place"
        )
    layer = session.writable_directory() if options.replace else session.directory
    with tempfile.TemporaryDirectory(prefix="emberkeep-rebuild-") as folder:
        fresh = Keep(os.path.join(folder, "keep"), memory_size=0, shared=(), strategy="local")
        targets = named_targets(options.cpu, options.arch)
        results = build_declared(options.file, targets, fresh, options.names)
        built = session.directory_at(os.path.join(folder, "keep"))
        found = [_compared(built, layer, result) for result in results]
        if options.replace:
            _replace(built, layer, found)
    session.answer({"root": session.root, "results": found}, _lines(found))
    return SOME_DIFFER if any(each["outcome"] in (DIFFERS, FAILED) for each in found) else 0


def _compared(
    built: Directory, layer: Directory, result: Mapping[str, object]
) -> dict[str, object]:
    """What came of one thing, beside what is kept of it."""
    about = {name: result[name] for name in ("name", "signature", "architecture") if name in result}
    entry = None
    if result["kept"]:
        entry = next((each for each in built.entries() if each.key == result["key"]), None)
    if entry is None:
        return {**about, "outcome": FAILED, "detail": result["result"]}
    about |= {"kind": entry.kind, "key": entry.key}
    now, _ = built.read_entry(entry)
    if isinstance(now, Miss):
        return {**about, "outcome": FAILED, "detail": f"{now.reason}: {now.detail}"}
    before, document = layer.read_entry(entry)
    if isinstance(before, Miss):
        detail = f"{before.reason}: {before.detail}" if document else "it was not kept here"
        return {**about, "outcome": NEW, "detail": detail}
    stamps = read_stamps(document)
    about["signers"] = [] if stamps is None else list(stamps.signers)
    differences = list(_differences(built, now, layer, before))
    detail = "" if now.layout == before.layout else "what it says beside its contents (layout)"
    outcome = DIFFERS if differences or detail else SAME
    listed = [
        {"role": each.role, "kept": each.kept, "built": each.built, "detail": each.detail}
        for each in differences
    ]
    return {**about, "outcome": outcome, "detail": detail, "differences": listed}


def _differences(
    built: Directory, now: Manifest, layer: Directory, before: Manifest
) -> Iterator[_Difference]:
    new, old = ({blob.role: blob for blob in manifest.blobs} for manifest in (now, before))
    for role in sorted({*new, *old}):
        mine, theirs = new.get(role), old.get(role)
        if mine is None or theirs is None:
            detail = "is not built now" if mine is None else "was not there"
            yield _Difference(role, _digest(theirs), _digest(mine), detail)
        elif mine.digest != theirs.digest:
            yield _Difference(role, theirs.digest, mine.digest, _part(built, mine, layer, theirs))


def _digest(blob: BlobRef | None) -> str:
    return "" if blob is None else blob.digest


def _part(built: Directory, mine: BlobRef, layer: Directory, theirs: BlobRef) -> str:
    """Sizes, and the first byte in which two contents differ."""
    sizes = f"{theirs.size_bytes:,} bytes kept, {mine.size_bytes:,} built"
    try:
        one, _ = layer.objects.read(blob_name(theirs.digest), theirs.size_bytes)
        other, _ = built.objects.read(blob_name(mine.digest), mine.size_bytes)
    except (OSError, ValueError) as problem:
        return f"{sizes}; what is kept cannot be read: {problem}"
    shorter = min(len(one), len(other))
    at = next((index for index in range(shorter) if one[index] != other[index]), shorter)
    count = sum(map(int.__ne__, one, other)) + abs(len(one) - len(other))
    return f"{sizes}; {count:,} bytes differ, the first at {at:,}"


def _replace(built: Directory, layer: Directory, found: Sequence[dict[str, object]]) -> None:
    for each in found:
        if each["outcome"] not in (DIFFERS, NEW):
            continue
        kept = _read(built, each)
        try:
            layer.write(kept)
        except StoreProblem as problem:
            each["detail"] = f"it cannot be kept: {problem}"
            each["outcome"] = FAILED
        else:
            each["replaced"] = True


def _read(built: Directory, each: Mapping[str, object]) -> Kept:
    key = str(each["key"])
    entry = next(entry for entry in built.entries() if entry.key == key)
    manifest, _ = built.read_entry(entry)
    assert not isinstance(manifest, Miss)  # it was read a moment ago
    kept = built.read(manifest.key)
    if isinstance(kept, Miss):
        raise StoreProblem(f"What was built cannot be read: {kept.detail}")
    return kept


def _lines(found: Sequence[Mapping[str, object]]) -> Iterator[str]:
    for each in found:
        yield describe({**each, "result": _told(each)})
        differences: Sequence[Mapping[str, str]] = each.get("differences", ())  # pyright: ignore[reportAssignmentType]
        for difference in differences:
            kept, built = (difference[which][:SHOWN_DIGITS] or "-" for which in ("kept", "built"))
            yield f"  {difference['role']}: kept {kept}, built {built}: {difference['detail']}"
        signers: Sequence[str] = each.get("signers", ())  # pyright: ignore[reportAssignmentType]
        if each["outcome"] == DIFFERS:
            for signer in signers:
                yield f"  {signer} has signed what was kept"


def _told(each: Mapping[str, object]) -> str:
    outcome = each["outcome"]
    if outcome == SAME:
        return "the same bytes as those that are kept"
    if outcome == DIFFERS:
        and_more = f", and {each['detail']}" if each["detail"] else ""
        told = f"other bytes than those that are kept{and_more}"
    else:
        told = str(each["detail"])
    return told + (", and is now" if each.get("replaced") else "")


COMMAND = Command(_configure, _rebuild, EXAMPLES)
