"""Builds that others made of the same plan, and that the user lets run here."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.store.layers import Layered
    from emberkeep.store.protocol import Key
    from emberkeep.trust.trust_list import Trust

PINNED = "pinned"  # the setting that means any of them


def pinned_builds(layers: Layered, trust: Trust, key: Key, wanted: str | None) -> tuple[str, ...]:
    """The build halves of other artifacts with a key's plan that may stand in for it.

    Args:
        layers: where to look.
        trust: has the pinned toolchains.
        key: what was asked for.
        wanted: the beginning of the one that the user wants; ``"pinned"`` or None for any.
    """
    beginning = "" if wanted in (None, PINNED) else str(wanted).lower()
    allowed = {build for build in trust.pinned if build.startswith(beginning)}
    if not allowed:
        return ()
    there = set(layers.builds(key.kind, key.name, key.plan))
    return tuple(sorted((allowed & there) - {key.build}))
