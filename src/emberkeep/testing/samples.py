"""Artifacts to keep: valid ones, made from whatever a test cares about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.startup_records import sha256
from emberkeep.store.manifest import HEX_DIGITS
from emberkeep.store.manifest_writing import compose
from emberkeep.store.protocol import BlobRef, Kept, Key, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emberkeep.keys import Fingerprint
    from emberkeep.store.protocol import Layout, Stamps

MADE_AT = 1_700_000_000.0
COST_S = 1.5


def unsealed(digest: str) -> str:  # noqa: ARG001 - as all seals
    """A seal that says nothing, for stores that look at none."""
    return "0" * HEX_DIGITS


def accept(manifest: Manifest, stamps: Stamps) -> None:
    """The judge of stores that ask for nobody's word: nothing is wrong."""


def tree(label: str, text: str) -> Fingerprint:
    """The ingredients of one half of a key, here a single text."""
    return branch(label, [("text", leaf("str", text.encode("utf-8", "surrogatepass"), text))])


def key(
    kind: str = "tables", name: str = "sample", plan: str = "plan", build: str = "build"
) -> Key:
    """The key of the ingredients that `kept` records for these texts."""
    return Key(kind, name, tree("ingredients", plan).digest, tree("toolchain", build).digest)


def kept(
    kind: str = "tables",
    name: str = "sample",
    *,
    plan: str = "plan",
    build: str = "build",
    blobs: Mapping[str, bytes] | None = None,
    layout: Layout = None,
    seal: Callable[[str], str] = unsealed,
) -> Kept:
    """A valid artifact; the same arguments give the same bytes.

    Args:
        kind: of its key.
        name: of its key.
        plan: a text that stands for what is computed; its fingerprint is in the key.
        build: a text that stands for how that is compiled; its fingerprint is in the key.
        blobs: contents by role; one short one by default.
        layout: any JSON values.
        seal: seals the digest of its document, as the store under test expects it.
    """
    contents = {"code": b"some code"} if blobs is None else dict(blobs)
    refs = tuple(
        BlobRef(role, sha256(content).hexdigest(), len(content))
        for role, content in sorted(contents.items())
    )
    made_by = {"emberkeep": "testing"}
    manifest = Manifest(key(kind, name, plan, build), refs, layout, COST_S, MADE_AT, made_by)
    trees = {"plan": tree("ingredients", plan), "build": tree("toolchain", build)}
    return Kept(manifest, compose(manifest, trees, seal), contents)
