"""What the keep knows of traces; the command line says the same: `emberkeep ls traces`."""

from __future__ import annotations

from emberkeep.keep.default import default_keep
from emberkeep.phasetype.trace import KIND
from emberkeep.store.directory import Directory
from emberkeep.store.eviction import clear
from emberkeep.store.inspection import is_named
from emberkeep.store.protocol import Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.keep.keep import Keep
    from emberkeep.store.protocol import Manifest


def list_cached_traces(keep: Keep | None = None) -> list[dict[str, Any]]:
    """The kept traces, last used first: name, key, structure, size, and time of the last use."""
    directory = _directory(keep)
    if directory is None or not directory.is_keep():
        return []
    found: list[dict[str, Any]] = []
    for entry in directory.entries():
        if not is_named(entry.kind, KIND):
            continue
        manifest, _ = directory.read_entry(entry)
        if isinstance(manifest, Miss):
            continue
        found.append(
            {
                "name": manifest.key.name,
                "key": entry.key,
                "size_bytes": entry.size_bytes + _size(manifest),
                "last_used": entry.last_used,
                "cost_s": manifest.cost_s,
            }
        )
    return sorted(found, key=lambda trace: -trace["last_used"])


def trace_cache_stats(keep: Keep | None = None) -> dict[str, Any]:
    """How many traces are kept, their size, and how often they were found or had to be recorded."""
    used = keep or default_keep()
    traces = list_cached_traces(used)
    counts = {"hit": 0, "miss": 0}
    for (event, kind, _), (count, _) in used.totals().items():
        if kind == KIND and event in counts:
            counts[event] += count
    return {
        "traces": len(traces),
        "size_bytes": sum(trace["size_bytes"] for trace in traces),
        "hits": counts["hit"],
        "misses": counts["miss"],
        "seconds_spent": sum(trace["cost_s"] or 0.0 for trace in traces),
        "root": used.settings.root,
    }


def clear_trace_cache(keep: Keep | None = None) -> int:
    """Forget all kept traces but pinned ones; how many went."""
    directory = _directory(keep)
    if directory is None or not directory.is_keep():
        return 0
    return clear(directory, KIND).entries


def _directory(keep: Keep | None) -> Directory | None:
    root = (keep or default_keep()).settings.root
    return None if root is None else Directory(root, lambda _digest, _seal: None)


def _size(manifest: Manifest) -> int:
    return sum(blob.size_bytes for blob in manifest.blobs)
