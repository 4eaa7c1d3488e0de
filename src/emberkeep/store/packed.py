"""Large contents, compressed where they lie: for places that many read by way of a network.

On the disk of this machine it does not pay: a shared object halves and takes a hit's time again to
unpack. XLA's executables become four or five times smaller, which a network shows. So what is large
and becomes clearly smaller is put as ``blobs/ab/cdef….z<size>``, and all who ask for the blob are
given what it was. Digests are those of the content itself, and its size bounds what is unpacked.
"""

from __future__ import annotations

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.store.object_store import Facts, ObjectStore

PACKS_FROM = 1 << 16  # bytes: less is read in less time than it takes to unpack
PAYS = 0.7  # of its size, at most, or it is put as it is
LEVEL = 1
MARK = ".z"
BLOBS = "blobs/"
SIZE_DIGITS = 15


@final
class Packed:
    """A place whose large blobs are compressed.

    Args:
        inner: the place itself.
    """

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner
        self.label = inner.label
        self.folder = inner.folder
        self._seen: dict[str, str] = {}  # blobs that were met compressed, under which name

    def address(self, name: str) -> str:
        """Where people find an object, or would if it were not compressed."""
        return self.inner.address(self._seen.get(name, name))

    def is_there(self) -> bool:
        """Whether the place itself is there."""
        return self.inner.is_there()

    def read(self, name: str, limit: int) -> tuple[bytes, Facts]:
        """All of an object, as it was before it was compressed."""
        if not name.startswith(BLOBS):
            return self.inner.read(name, limit)
        if limit < PACKS_FROM:  # what is compressed is larger than that
            return self.inner.read(name, limit)
        try:
            return self._unpack(name, f"{name}{MARK}{limit}")
        except FileNotFoundError:
            pass  # it lies there as it is, most likely
        try:
            return self.inner.read(name, limit)
        except FileNotFoundError:
            found = self._find(name)
        if _size_in(found) > limit:
            raise ValueError(f"{name} is larger than the {limit} bytes it can have")
        return self._unpack(name, found)

    def holds(self, name: str, content: bytes) -> bool:
        """Whether an object has just these bytes; its shelf need not be listed to tell."""
        if name.startswith(BLOBS) and len(content) >= PACKS_FROM:
            try:
                return self._unpack(name, f"{name}{MARK}{len(content)}")[0] == content
            except FileNotFoundError:
                pass
            except ValueError:
                return False
        return self.inner.holds(name, content)

    def _unpack(self, name: str, packed: str) -> tuple[bytes, Facts]:
        import zlib  # only what is large needs it

        size = _size_in(packed)
        content, facts = self.inner.read(packed, size)
        self._seen[name] = packed
        unpacking = zlib.decompressobj()
        try:
            unpacked = unpacking.decompress(content, size + 1)
        except zlib.error:
            unpacked = b""  # which has not the digest that it should have
        if len(unpacked) > size:
            raise ValueError(f"{name} is larger than the {size} bytes it can have")
        return unpacked, facts.of_size(size)

    def facts(self, name: str) -> Facts:
        """What is known of an object; its size is that of its content."""
        if name not in self._seen:
            try:
                return self.inner.facts(name)
            except FileNotFoundError:
                if not name.startswith(BLOBS):
                    raise
        packed = self._find(name)
        return self.inner.facts(packed).of_size(_size_in(packed))

    def list(self, prefix: str) -> Iterator[tuple[str, Facts]]:
        """All objects whose names begin so."""
        for name, facts in self.inner.list(prefix):
            size = _size_in(name) if MARK in name and name.startswith(BLOBS) else -1
            if size < 0:
                yield name, facts
            else:
                plain = name[: name.rindex(MARK)]
                self._seen[plain] = name
                yield plain, facts.of_size(size)

    def names(self, prefix: str) -> Iterator[str]:
        """The names of all objects that begin so, as they were before they were compressed."""
        for name in self.inner.names(prefix):
            is_packed = MARK in name and name.startswith(BLOBS) and _size_in(name) >= 0
            yield name[: name.rindex(MARK)] if is_packed else name

    def groups(self, prefix: str) -> list[str]:
        """What follows a prefix in names, up to the next slash."""
        return self.inner.groups(prefix)

    def write(self, name: str, content: bytes, *, replaces: bool = True) -> None:
        """Put an object, compressed where that pays."""
        if not (replaces and name.startswith(BLOBS) and len(content) >= PACKS_FROM):
            self.inner.write(name, content, replaces=replaces)
            return
        import zlib

        packed, compressed = f"{name}{MARK}{len(content)}", zlib.compress(content, LEVEL)
        if len(compressed) <= PAYS * len(content):
            self.inner.write(packed, compressed)
            self._seen[name] = packed
            return
        self.inner.write(name, content)
        self.inner.remove(packed)  # what another put there; if it were damaged, it would be read
        self._seen.pop(name, None)

    def touch(self, name: str) -> bool:
        """Note that an object was needed now."""
        return self.inner.touch(self._seen.get(name, name))

    def remove(self, name: str, version: str = "") -> bool:
        """Remove an object; of one that is there in both forms, one after the other."""
        if self.inner.remove(self._seen.pop(name, name), version):
            return True
        try:
            return name.startswith(BLOBS) and self.inner.remove(self._find(name), version)
        except FileNotFoundError:
            return False

    def _find(self, name: str) -> str:
        """Under which name a blob is there that was met compressed, or is looked for."""
        known = self._seen.get(name)
        if known is not None:
            return known
        shelf = name[: name.rindex("/") + 1]
        for each, _ in self.inner.list(shelf):
            if each.startswith(name + MARK) and _size_in(each) >= 0:
                self._seen[name] = each
                return each
        raise FileNotFoundError(f"{self.inner.address(name)} is not there")


def _size_in(packed: str) -> int:
    """The size that a name says; -1 where it says none."""
    _, mark, digits = packed.rpartition(MARK)
    is_size = mark and digits.isascii() and digits.isdigit() and len(digits) <= SIZE_DIGITS
    return int(digits) if is_size else -1
