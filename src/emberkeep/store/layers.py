"""The layers around a folder: memory above it, several stores as one, a store only for reading."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock, get_ident

from emberkeep.errors import StoreProblem, Untrusted
from emberkeep.startup_records import final, frozen
from emberkeep.store.directory import unchanging
from emberkeep.store.files import folder_name
from emberkeep.store.protocol import ABSENT, BY_WEIGHT, UNREADABLE, Entry, Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import Kept, Key, Store

# One for all of a process, held over a fork: a child that was forked while another thread held
# it would wait forever. `_thread`, not `threading`: the same lock without an import of 5 ms.
_lock = allocate_lock()


@final
class _Fork:
    """Whether that lock is held for a fork."""

    def __init__(self) -> None:
        self._is_held = False

    def begin(self) -> None:
        """Hold it."""
        _lock.acquire()
        self._is_held = True

    def end(self) -> None:
        """Let go; nothing, where this module came in the midst of a fork, which waited for that."""
        if self._is_held:
            self._is_held = False
            _lock.release()


_fork = _Fork()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_fork.begin, after_in_parent=_fork.end, after_in_child=_fork.end)


THREADS = 1024  # of which it is remembered what was said when they asked last


@final
class Memory:
    """Artifacts of this process. No byte is checked again: that was done on its way in.

    Who vouches for it is another matter: trust can be withdrawn. What was judged by what was said
    before is let go of, and read anew from where it came from.

    Args:
        limit_bytes: how much it holds; an artifact larger than that is not taken.
        standing: what is said of others at the moment; judgements stand while it is the same.
    """

    label = "memory"
    writable = True

    def __init__(self, limit_bytes: int, standing: Callable[[], object] = unchanging) -> None:
        self._limit_bytes = limit_bytes
        self._standing = standing
        self._size_bytes = 0
        self._held: dict[Key, tuple[Kept, float, object]] = {}
        self._asked: dict[int, object] = {}

    def read(self, key: Key) -> Kept | Miss:
        """The artifact of this key."""
        said = self._standing()
        with _lock:
            held = self._held.pop(key, None)
            if held is not None and held[2] == said:
                self._held[key] = (held[0], time.time(), said)  # last in the order of use
                return held[0]
            if held is not None:
                self._size_bytes -= size_of(held[0])
            # What this thread writes next was judged after this, at the earliest.
            if len(self._asked) >= THREADS:
                self._asked.clear()
            self._asked[get_ident()] = said
        return Miss(ABSENT, "this process has not used it yet")

    def write(self, kept: Kept) -> None:
        """Hold an artifact, and let go of what was not used for longest."""
        size = size_of(kept)
        now = self._standing()
        with _lock:
            self._drop(kept.manifest.key)
            if size > self._limit_bytes:
                return
            said = self._asked.get(get_ident(), now)
            self._held[kept.manifest.key] = (kept, time.time(), said)
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
        for key, (kept, used, _said) in held:
            kind, name = folder_name(key.kind), folder_name(key.name)
            yield Entry(kind, name, str(key), used, len(kept.document))

    def builds(self, kind: str, name: str, plan: str) -> Iterator[str]:
        """The build halves of what is held for this plan."""
        with _lock:
            held = list(self._held)
        for key in held:
            if (key.kind, key.name, key.plan) == (kind, name, plan):
                yield key.build


def size_of(kept: Kept) -> int:
    """How much memory an artifact takes, near enough."""
    return len(kept.document) + sum(len(content) for content in kept.blobs.values())


NOWHERE = Miss(ABSENT, "there is no layer to look in")


@final
class Layered:
    """Stores from the nearest to the farthest.

    Args:
        layers: read in this order; written wherever they are writable.
        on_problem: told when filling a layer above failed; that harms nobody else.
        on_refusal: told of each layer that has something and cannot or may not give it.
    """

    label = "layers"

    def __init__(
        self,
        layers: tuple[Store, ...],
        on_problem: Callable[[StoreProblem], None],
        on_refusal: Callable[[Key, str, Miss], None] = lambda _key, _label, _miss: None,
    ) -> None:
        self._layers = layers
        self._on_problem = on_problem
        self._on_refusal = on_refusal

    @property
    def writable(self) -> bool:
        """Whether any layer is."""
        return any(layer.writable for layer in self._layers)

    def read(self, key: Key) -> Kept | Miss:
        """The artifact from the nearest layer that has it; else the most telling miss."""
        return self.locate(key)[0]

    def locate(self, key: Key) -> tuple[Kept | Miss, str]:
        """As `read`, with the label of the layer that answered."""
        worst, label = NOWHERE, self.label
        for depth, layer in enumerate(self._layers):
            found = _read(layer, key)
            if not isinstance(found, Miss):
                for above in self._layers[:depth]:
                    self._fill(above, found)
                return found, layer.label
            if found.reason != ABSENT:
                self._on_refusal(key, layer.label, found)
            if BY_WEIGHT.index(found.reason) >= BY_WEIGHT.index(worst.reason):
                worst, label = found, layer.label
        return worst, label

    def _fill(self, layer: Store, kept: Kept) -> None:
        if layer.writable:
            try:
                _write(layer, kept)
            except Untrusted:  # the user lets it run, which does not make it worth keeping
                return
            except StoreProblem as problem:
                self._on_problem(problem)

    def write(self, kept: Kept) -> None:
        """Keep an artifact in every layer that can; the first problem is raised at the end."""
        if not self.writable:
            raise StoreProblem(f"No layer can be written; {kept.manifest.key.name} was not kept")
        problems: list[StoreProblem] = []
        for layer in self._layers:
            if layer.writable:
                try:
                    _write(layer, kept)
                except StoreProblem as problem:
                    problems.append(problem)
        if problems:
            raise problems[0]

    def remove(self, key: Key) -> bool:
        """Forget an artifact in every layer that can; the first problem is raised at the end."""
        removed = False
        problems: list[StoreProblem] = []
        for layer in self._layers:
            if layer.writable:
                try:
                    removed |= layer.remove(key)
                except StoreProblem as problem:
                    problems.append(problem)
        if problems:
            raise problems[0]
        return removed

    def entries(self) -> Iterator[Entry]:
        """Everything in any layer, once."""
        seen: set[tuple[str, str, str]] = set()
        for layer in self._layers:
            for entry in layer.entries():
                place = (entry.kind, entry.name, entry.key)
                if place not in seen:
                    seen.add(place)
                    yield entry

    def builds(self, kind: str, name: str, plan: str) -> Iterator[str]:
        """The build halves of what any layer has for this plan, once each."""
        seen: set[str] = set()
        for layer in self._layers:
            for build in _builds(layer, kind, name, plan, self._on_problem):
                if build not in seen:
                    seen.add(build)
                    yield build


def _read(layer: Store, key: Key) -> Kept | Miss:
    try:
        return layer.read(key)
    except Exception as problem:  # noqa: BLE001 - anybody can write a store; its trouble costs a build
        return Miss(UNREADABLE, f"{layer.label} raised {type(problem).__name__}: {problem}")


def _builds(
    layer: Store, kind: str, name: str, plan: str, on_problem: Callable[[StoreProblem], None]
) -> Iterator[str]:
    """What a layer has of a plan; one that cannot be listed does not keep others from it."""
    try:
        yield from layer.builds(kind, name, plan)
    except StoreProblem as problem:
        on_problem(problem)


def _write(layer: Store, kept: Kept) -> None:
    try:
        layer.write(kept)
    except (StoreProblem, Untrusted):
        raise
    except Exception as problem:  # the same
        name = type(problem).__name__
        raise StoreProblem(f"{layer.label} raised {name}: {problem}") from problem


@final
class Later:
    """Another store, opened when it is first asked: what it needs is loaded then."""

    def __init__(self, label: str, open_store: Callable[[], Store], *, writable: bool) -> None:
        self.label = label
        self.writable = writable
        self._open = open_store
        self._opened: list[Store] = []

    @property
    def store(self) -> Store:
        """The store itself."""
        if not self._opened:
            self._opened.append(self._open())
        return self._opened[0]

    def read(self, key: Key) -> Kept | Miss:
        """The artifact of this key, as the store has it."""
        return self.store.read(key)

    def write(self, kept: Kept) -> None:
        """Keep an artifact there, if it may be written."""
        _require_writable(self, kept.manifest.key)
        self.store.write(kept)

    def remove(self, key: Key) -> bool:
        """Forget an artifact there, if it may be written; whether it was there."""
        _require_writable(self, key)
        return self.store.remove(key)

    def entries(self) -> Iterator[Entry]:
        """Everything in the store."""
        return self.store.entries()

    def builds(self, kind: str, name: str, plan: str) -> Iterator[str]:
        """The build halves of what the store has for this plan."""
        return self.store.builds(kind, name, plan)


def _require_writable(store: Store, key: Key) -> None:
    if not store.writable:
        raise StoreProblem(f"{store.label} is read-only; {key.name} was not changed there")


@final
class ReadOnly:
    """Another store, for reading only."""

    writable = False

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.label = f"{inner.label} (read-only)"

    def read(self, key: Key) -> Kept | Miss:
        """The artifact of this key, as the store below has it."""
        return self._inner.read(key)

    def write(self, kept: Kept) -> None:
        """Refused."""
        _require_writable(self, kept.manifest.key)

    def remove(self, key: Key) -> bool:
        """Refused."""
        _require_writable(self, key)
        return False

    def entries(self) -> Iterator[Entry]:
        """Everything in the store below."""
        return self._inner.entries()

    def builds(self, kind: str, name: str, plan: str) -> Iterator[str]:
        """The build halves of what the store below has for this plan."""
        return self._inner.builds(kind, name, plan)


@final
@frozen
class Places:
    """Where a keep looks and what it writes.

    Attributes:
        near: stores that are written at once: memory, the local folder, those of the caller.
        shared: places below them, which are written in the background.
        local: the local folder, if there is one.
    """

    near: tuple[Store, ...]
    shared: tuple[Later, ...]
    local: Directory | None
