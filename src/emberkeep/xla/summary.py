"""What a keep holds and how it serves, in a word."""

from __future__ import annotations

import sys

from emberkeep.xla.jax_cache import KIND, programs_in_use
from emberkeep.xla.manager import CacheManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.keep.keep import Keep
    from emberkeep.store.eviction import Collected


def cache_info(keep: Keep | None = None) -> dict[str, Any]:
    """What a keep holds and how it serves; by default the user's own. See `CacheManager.info`."""
    return CacheManager(keep).info()


def clear_cache(kind: str | None = None, keep: Keep | None = None) -> Collected:
    """Remove all entries of a kind, or everything but pins. See `CacheManager.clear`."""
    return CacheManager(keep).clear(kind)


def jax_cache_info(keep: Keep | None = None) -> dict[str, Any]:
    """JAX's part: whether it is switched on, what is kept of it, hits, misses, seconds saved.

    Args:
        keep: by default the one that JAX uses, or else the user's own.

    Raises:
        StoreProblem: the keep cannot be listed.
    """
    programs = programs_in_use()
    if keep is None and programs is not None:
        keep = programs.keep
    manager = CacheManager(keep)
    kept = manager.list(KIND)
    counts: dict[str, int] = {"hit": 0, "miss": 0}
    saved = 0.0
    for (event, kind, _), (count, spent) in manager.keep.totals().items():
        if kind == KIND and event in counts:
            counts[event] += count
            saved += spent if event == "hit" else 0.0
    is_on = programs is not None and programs.keep is manager.keep
    return {
        "enabled": is_on,
        "root": manager.keep.settings.root,
        "programs": len(kept),
        "size_bytes": sum(each["size_bytes"] for each in kept),
        "hits": counts["hit"],
        "misses": counts["miss"],
        "seconds_saved": saved,
        "found_by_this_process": programs.found if is_on and programs else 0,
        "compiled_by_this_process": programs.compiled if is_on and programs else 0,
    }


def print_cache_info(keep: Keep | None = None) -> None:
    """Print what `cache_info` tells, for people."""
    told = cache_info(keep)
    rate = "-" if told["hit_rate"] is None else f"{told['hit_rate']:.1%}"
    lines = [
        f"keep           {told['root']} ({told['strategy']})",
        *(f"shared         {path}" for path in told["shared"]),
        f"entries        {told['entries']}, {told['size_bytes'] / 1e6:.1f} MB",
        *(f"  {kind:<12} {its['entries']}" for kind, its in told["kinds"].items()),
        f"hit rate       {rate} ({told['hits']} hits, {told['misses']} misses)",
        f"time saved     {told['seconds_saved']:.1f} s",
        f"time building  {told['build_seconds']:.1f} s in {told['builds']} builds",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
