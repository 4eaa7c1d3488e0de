"""Writing a manifest's document, and reading back the ingredients that it records."""

from __future__ import annotations

from emberkeep.errors import StoreProblem
from emberkeep.startup_records import as_dict, parse_json, sha256
from emberkeep.store.manifest import (
    FORMAT,
    MISREAD,
    MOST_SIGNATURES,
    NO_SEAL,
    TRAILER,
    TRAILER_BYTES,
    payload_of,
    read_stamps,
    signature_line,
)
from emberkeep.store.protocol import Signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from emberkeep.keys import Fingerprint
    from emberkeep.store.protocol import Manifest

RECORDED_NODES = 4096  # of a tree of ingredients; what is below is there as digests
RECORDED_LEVELS = 128  # of it: whoever reads it, in whatever depth, can recurse over it


def compose(
    manifest: Manifest, ingredients: Mapping[str, Fingerprint], seal: Callable[[str], str]
) -> bytes:
    """The document of a manifest, with the ingredients recorded for `explain`."""
    body = {
        "format": FORMAT,
        **as_dict(manifest.key),
        "blobs": [as_dict(blob) for blob in manifest.blobs],
        "layout": manifest.layout,
        "cost_s": manifest.cost_s,
        "made_at": manifest.made_at,
        "made_by": dict(manifest.made_by),
    }
    budget = [RECORDED_NODES]
    recorded = {half: record_tree(tree, budget) for half, tree in ingredients.items()}
    lines = f'{{"manifest":{canonical(body)},\n"ingredients":{canonical(recorded)},\n'.encode()
    return _finish(lines, seal)


def _finish(lines: bytes, seal: Callable[[str], str]) -> bytes:
    digest = sha256(lines).hexdigest()
    return lines + TRAILER % (digest.encode(), seal(digest).encode())


def _no_seal(_digest: str) -> str:
    return NO_SEAL


def resealed(document: bytes, seal: Callable[[str], str] = _no_seal) -> bytes:
    """The same document under another seal; without one by default, as it goes to others."""
    return _finish(document[:-TRAILER_BYTES], seal)


def signed(document: bytes, signer: str, sign: Callable[[str], str]) -> bytes:
    """A document with one more signature of its payload, and without a seal.

    Args:
        document: as it was composed, or as others have signed it.
        signer: the public key.
        sign: gives the signature of a payload's digest.

    Raises:
        StoreProblem: it has as many signatures as it may have.
    """
    stamps = read_stamps(document)
    others = () if stamps is None else stamps.signatures
    if signer not in {each.by for each in others} and len(others) >= MOST_SIGNATURES:
        raise StoreProblem(f"It has {MOST_SIGNATURES} signatures, and no more are read")
    value = sign(sha256(payload_of(document)).hexdigest())
    return with_signatures(document, (*others, Signature(signer, value)))


def with_signatures(document: bytes, signatures: Sequence[Signature]) -> bytes:
    """The same document with these signatures and no others, and without a seal."""
    return _finish(payload_of(document) + signature_line(signatures), _no_seal)


def without_details(document: bytes) -> bytes:
    """A document without its ingredients, which may show values of a program, and unsigned."""
    first_line = document.partition(b"\n")[0]
    return _finish(first_line + b'\n"ingredients":{},\n', _no_seal)


def canonical(value: object) -> str:
    """JSON in its one canonical form: sorted, no spaces, ASCII, no NaN."""
    import json

    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read_ingredients(document: bytes) -> dict[str, Fingerprint]:
    """The trees of ingredients in a document that was checked before.

    Raises:
        StoreProblem: they are none: who vouches for a document may have written anything there.
    """
    lines = document.split(b"\n")
    try:
        recorded: Any = parse_json("{" + lines[1].decode("ascii")[:-1] + "}")["ingredients"]
        return {_text(half): _tree(node, 1) for half, node in recorded.items()}
    except MISREAD as error:
        raise StoreProblem(
            f"The ingredients in a manifest cannot be read: {error!r:.200}"
        ) from error


def record_tree(node: Fingerprint, budget: list[int], level: int = 1) -> list[object]:
    """A tree of ingredients as JSON; past the budget, and too deep, children are left out."""
    budget[0] -= 1
    children: list[object] = []
    if level < RECORDED_LEVELS and len(node.children) <= budget[0]:
        children = [[name, *record_tree(child, budget, level + 1)] for name, child in node.children]
    return [node.kind, node.digest, node.text, children]


def _tree(node: Any, level: int) -> Fingerprint:
    from emberkeep.keys import Fingerprint

    kind, digest, text, children = node
    if level == RECORDED_LEVELS:
        children = ()
    return Fingerprint(
        _text(kind),
        _text(digest),
        _text(text),
        tuple((_text(child[0]), _tree(child[1:], level + 1)) for child in children),
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(f"{value!r:.40} is no text")
