"""A layer in the memory of one process, bounded by bytes; the least recently used goes first."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock

from emberkeep.records import final
from emberkeep.store.names import folder_name
from emberkeep.store.protocol import ABSENT, Entry, Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.store.protocol import Kept, Key

# One for all of a process, held over a fork: a child that was forked while another thread held
# it would wait forever. `_thread`, not `threading`: the same lock without an import of 5 ms.
_lock = allocate_lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


@final
class Memory:
    """Artifacts of this process. Nothing is checked again: what is here was checked on its way in.

    Args:
        limit_bytes: how much it holds; an artifact larger than that is not taken.
    """

    label = "memory"
    writable = True

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._held: dict[Key, tuple[Kept, float]] = {}

    def read(self, key: Key) -> Kept | Miss:
        """The artifact of this key."""
        with _lock:
            held = self._held.pop(key, None)
            if held is None:
                return Miss(ABSENT, "it was not used in this process yet")
            self._held[key] = (held[0], time.time())  # last in the order of use
            return held[0]

    def write(self, kept: Kept) -> None:
        """Hold an artifact, and let go of what was not used for longest."""
        size = size_of(kept)
        with _lock:
            self._drop(kept.manifest.key)
            if size > self._limit_bytes:
                return
            self._held[kept.manifest.key] = (kept, time.time())
            self._size_bytes += size
            while self._size_bytes > self._limit_bytes:
                self._drop(next(iter(self._held)))

    def remove(self, key: Key) -> bool:
        """Forget an artifact; whether it was there."""
        with _lock:
            return self._drop(key)

    def _drop(self, key: Key) -> bool:
        held = self._held.pop(key, None)
        if held is not None:
            self._size_bytes -= size_of(held[0])
        return held is not None

    def entries(self) -> Iterator[Entry]:
        """Everything that is held."""
        with _lock:
            held = list(self._held.items())
        for key, (kept, used) in held:
            kind, name = folder_name(key.kind), folder_name(key.name)
            yield Entry(kind, name, str(key), used, len(kept.document))


def size_of(kept: Kept) -> int:
    """How much memory an artifact takes, near enough."""
    return len(kept.document) + sum(len(content) for content in kept.blobs.values())
