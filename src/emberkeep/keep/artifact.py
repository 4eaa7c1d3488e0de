"""What a keep is asked for, and what it gives: keys of ingredients, artifacts, answers."""

from __future__ import annotations

from emberkeep.errors import Unkeyable
from emberkeep.keys import fingerprint_mapping
from emberkeep.keys.fingerprint import branch
from emberkeep.startup_records import final, frozen
from emberkeep.store.files import objection
from emberkeep.store.manifest import copy_layout
from emberkeep.store.protocol import Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from emberkeep.keys import Fingerprint
    from emberkeep.store.protocol import Kept, Layout

    class BuildHalf(Protocol):
        """How something is compiled: ingredients of the build key, checked after the build."""

        @property
        def ingredients(self) -> Mapping[str, object]:
            """What the build key is made of."""
            ...

        def drift(self) -> tuple[str, ...]:
            """In what the toolchain that was used differs from the key; empty where it does not."""
            ...


NO_TOOLCHAIN = branch("ingredients", ())


def make_key(
    kind: str, name: str, ingredients: Mapping[str, object], toolchain: BuildHalf | None
) -> tuple[Key, Mapping[str, Fingerprint]]:
    """The key of what is made from these, and what its halves are made of."""
    _require_text(kind, "kind")
    _require_text(name, "name")
    made_by: Mapping[str, object] = {} if toolchain is None else toolchain.ingredients
    trees = {
        "plan": fingerprint_mapping(ingredients, label="ingredients"),
        "build": fingerprint_mapping(made_by, label="toolchain") if made_by else NO_TOOLCHAIN,
    }
    return Key(kind, name, trees["plan"].digest, trees["build"].digest), trees


def _require_text(value: object, label: str) -> None:
    if not isinstance(value, str):
        kind = type(value).__qualname__
        raise Unkeyable(label, f"is {value!r}, a {kind}", "Pass text; it becomes a folder's name")


def require_name(key: Key) -> None:
    """Refuse to keep what no bundle could name; what is kept is found, whatever its name."""
    for label, text in (("kind", key.kind), ("name", key.name)):
        problem = objection(text)
        if problem is not None:
            remedy = "Give it another: it is shown, becomes a folder's name, and goes into bundles"
            raise Unkeyable(label, f"{text[:40]!r} {problem}", remedy)


@final
@frozen
class Artifact:
    """What `get_or_build` gives.

    Attributes:
        key: plan and build digests; empty where caching was off.
        blobs: contents by role.
        layout: what the build said beside them, as JSON values.
        hit: whether it was kept.
        reason: where it was kept, or why it had to be built.
    """

    key: str
    blobs: Mapping[str, bytes]
    layout: Layout
    hit: bool
    reason: str

    def __repr__(self) -> str:
        sizes = ", ".join(f"{role!r}: {len(content)} bytes" for role, content in self.blobs.items())
        how = "kept" if self.hit else "built"
        return f"<Artifact {self.key[:12] or 'without a key'}, {how} ({self.reason}): {sizes}>"


@final
@frozen
class Answer:
    """What `ask` gives.

    Attributes:
        artifact: what is kept; None where it has to be built.
        reason: where it was kept, or why it has to be built.
        publish: takes what a build function would return, and the seconds it took; also to replace
            what is kept and cannot be used.
    """

    artifact: Artifact | None
    reason: str
    publish: Callable[[Mapping[str, object], float], None]


def artifact_of(kept: Kept, *, hit: bool, reason: str) -> Artifact:
    """A kept artifact for its user."""
    layout = copy_layout(kept.manifest.layout)  # what a caller changes must not change what is kept
    return Artifact(str(kept.manifest.key), dict(kept.blobs), layout, hit, reason)


def is_refused(found: Kept, refused: Artifact) -> bool:
    """Whether this is what somebody was given before, and could not use."""
    return found.blobs == refused.blobs and found.manifest.layout == refused.layout
