"""Keys without compiling: what decides whether something is compiled, at none of its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.keep.artifact import make_key
from emberkeep.targets.kernel_lookup import KIND, build_half

if TYPE_CHECKING:
    from emberkeep.store.protocol import Key
    from emberkeep.targets.protocol import Request, Target


def key_of(request: Request, target: Target) -> Key:
    """The key under which a kernel would be kept; it is neither compiled nor looked for.

    Raises:
        Unkeyable: it has none.
    """
    half = build_half(target, request.own)
    return make_key(KIND, request.name, request.ingredients(), half)[0]
