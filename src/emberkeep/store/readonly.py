"""A store that is read and never changed: a wrapper, not a flag."""

from __future__ import annotations

from emberkeep.errors import StoreProblem
from emberkeep.records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.store.protocol import Entry, Kept, Key, Miss, Store


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
        raise StoreProblem(f"{self.label} is read-only; {kept.manifest.key.name} was not kept")

    def remove(self, key: Key) -> bool:
        """Refused."""
        raise StoreProblem(f"{self.label} is read-only; {key.name} was not removed")

    def entries(self) -> Iterator[Entry]:
        """Everything in the store below."""
        return self._inner.entries()
