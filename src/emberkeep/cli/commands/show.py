"""``show``: all that is known of one entry."""

from __future__ import annotations

from emberkeep.cli.command import Command
from emberkeep.cli.naming import (
    add_key,
    candidates,
    find_entry,
)
from emberkeep.cli.text import duration, moment, size, table
from emberkeep.errors import StoreProblem
from emberkeep.keys.explain import summary
from emberkeep.startup_records import as_dict
from emberkeep.store.manifest import read_stamps
from emberkeep.store.manifest_writing import canonical, read_ingredients
from emberkeep.store.pins import is_pinned
from emberkeep.store.protocol import Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from emberkeep.cli.session import Session
    from emberkeep.keys import Fingerprint


def _show(session: Session) -> int:
    directory = session.directory
    entry = find_entry(candidates(directory, session.options.key), session.options.key)
    path = directory.entry_path(entry)
    manifest, document = directory.read_entry(entry)
    if isinstance(manifest, Miss):
        raise StoreProblem(
            f"{path} is {manifest.reason}: {manifest.detail}. `emberkeep verify` checks all entries"
        )
    trees = read_ingredients(document)
    stamps = read_stamps(document)
    signers = [] if stamps is None else list(stamps.signers)
    values = {
        **as_dict(manifest.key),
        "path": path,
        "size_bytes": entry.size_bytes,
        "last_used": entry.last_used,
        "pinned": is_pinned(directory, entry),
        "made_at": manifest.made_at,
        "made_by": dict(manifest.made_by),
        "signer": signers[0] if signers else "",
        "signers": signers,
        "payload": "" if stamps is None else stamps.payload,
        "cost_s": manifest.cost_s,
        "layout": manifest.layout,
        "blobs": [
            {**as_dict(blob), "path": directory.blob_path(blob.digest)} for blob in manifest.blobs
        ],
        "ingredients": {half: _as_json(tree) for half, tree in trees.items()},
    }
    session.answer(values, _details(values, trees))
    return 0


def _as_json(tree: Fingerprint) -> dict[str, object]:
    return {
        "kind": tree.kind,
        "digest": tree.digest,
        "text": tree.text,
        "children": [{"label": label, **_as_json(child)} for label, child in tree.children],
    }


def _details(values: dict[str, Any], trees: Mapping[str, Fingerprint]) -> Iterator[str]:
    yield f"{values['kind']}/{values['name']}{'  (pinned)' if values['pinned'] else ''}"
    yield f"  plan       {values['plan']}"
    yield f"  build      {values['build']}"
    yield f"  made       {moment(values['made_at'])}, in {duration(values['cost_s'])}"
    made_by = ", ".join(f"{what} {version}" for what, version in values["made_by"].items())
    yield f"  made by    {made_by or '-'}"
    yield f"  signed by  {', '.join(values['signers']) or '(nobody)'}"
    yield f"  payload    {values['payload']}"
    yield f"  last used  {moment(values['last_used'])}"
    yield f"  layout     {canonical(values['layout'])}"
    yield f"  manifest   {values['path']}"
    yield "blobs"
    rows = [(f"  {b['role']}", size(b["size_bytes"]), b["path"]) for b in values["blobs"]]
    if rows:
        yield from table(rows, "<>")
    yield "ingredients"
    for half, tree in trees.items():
        yield from _tree(half, tree, "  ")


def _tree(label: str, tree: Fingerprint, indent: str) -> Iterator[str]:
    if tree.children:
        yield f"{indent}{label} ({tree.kind})"
        for name, child in tree.children:
            yield from _tree(name, child, indent + "  ")
    else:
        yield f"{indent}{label} = {summary(tree)}"


COMMAND = Command(
    add_key,
    _show,
    """\
  emberkeep show lorenz
  emberkeep show 3f9a12bc-77de01aa
  emberkeep show 3f9a12bc --format json
""",
)
