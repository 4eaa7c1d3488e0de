"""What a shared object would do when it is loaded, read from its bytes before it is.

A kernel needs almost nothing of what the format offers. So what may run code at loading, change
code, or bring in other libraries is refused, and anything that cannot be read is refused too.
"""

from __future__ import annotations

import os
import struct
from struct import Struct

from emberkeep.errors import Unloadable
from emberkeep.startup_records import final, frozen
from emberkeep.targets.cpu.c_library import (
    ALLOWED_LIBRARIES,
    ALLOWED_SYMBOLS,
    library_version,
    parsed_version,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINES = {"x86_64": 62, "AMD64": 62, "aarch64": 183}
SHARED_OBJECT, RELOCATABLE = 3, 1

_HEADER = Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = Struct("<IIQQQQQQ")
_ENTRY = Struct("<qQ")
_SYMBOL = Struct("<IBBHQQ")
_RELOCATION = Struct("<QQq")

_LOAD, _DYNAMIC, _INTERPRETER, _THREAD_LOCAL = 1, 2, 3, 7
_STACK, _PROTECTED = 0x6474E551, 0x6474E552
# What the loader or an unwinder reads where they say: the dynamic table, notes, frames, properties.
_READ_IN_PLACE = frozenset({_DYNAMIC, 4, 0x6474E550, 0x6474E553})
_EXECUTABLE, _WRITEABLE, _READABLE = 1, 2, 4
_PAGE = 4096

_NEEDED, _STRINGS, _SYMBOLS, _RELA, _RELA_SIZE, _STRINGS_SIZE = 1, 5, 6, 7, 8, 10
_JUMP_RELOCATIONS, _JUMP_SIZE, _FLAGS, _GNU_HASH = 23, 2, 30, 0x6FFFFEF5
_VERSIONS_NEEDED, _VERSIONS_NEEDED_COUNT, _SYMBOL_VERSIONS = 0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFFF0
_PLT, _HASH, _RELATIVE_COUNT, _TEXT_FLAG = 3, 4, 0x6FFFFFF9, 0x4
# What can have one value only: the loader ends the process over another, or obeys it.
_FIXED = {9: (24,), 11: (24,), 20: (_RELA,), _FLAGS: (0, 8), 0x6FFFFFFB: (0, 1)}
_HARMLESS = frozenset(
    {0, _NEEDED, _STRINGS, _SYMBOLS, _RELA, _RELA_SIZE, 9, _STRINGS_SIZE, 11, _JUMP_RELOCATIONS}
    | {_JUMP_SIZE, _PLT, 20, 24, _FLAGS, _GNU_HASH, _HASH, 0x6FFFFFFB, _RELATIVE_COUNT}
    | {_VERSIONS_NEEDED, _VERSIONS_NEEDED_COUNT, _SYMBOL_VERSIONS}
)
# Each of these needs the others: the loader follows one without asking for the rest.
_TOGETHER = (
    frozenset({_STRINGS, _STRINGS_SIZE, _SYMBOLS, 11}),
    frozenset({_JUMP_RELOCATIONS, _JUMP_SIZE, 20}),
    frozenset({_RELA, _RELA_SIZE, 9}),
    frozenset({_VERSIONS_NEEDED, _VERSIONS_NEEDED_COUNT, _SYMBOL_VERSIONS}),
)
_REFUSED = {
    12: "code that runs when it is loaded (DT_INIT)",
    13: "code that runs when it is unloaded (DT_FINI)",
    25: "code that runs when it is loaded (DT_INIT_ARRAY)",
    26: "code that runs when it is unloaded (DT_FINI_ARRAY)",
    32: "code that runs when it is loaded (DT_PREINIT_ARRAY)",
    14: "a name that others could load it by (DT_SONAME)",
    15: "a search path for libraries (DT_RPATH)",
    29: "a search path for libraries (DT_RUNPATH)",
    22: "relocations of code (DT_TEXTREL)",
    0x7FFFFFFD: "an auxiliary library",
    0x7FFFFFFF: "a filter library",
    0x6FFFFEFC: "an audit library",
    0x6FFFFEFB: "an audit library",
}
# Relocations that put addresses into data; anything else may call code while loading (IRELATIVE).
_PLAIN_RELOCATIONS = {62: frozenset({0, 1, 6, 7, 8}), 183: frozenset({0, 257, 1025, 1026, 1027})}
_RELATIVE = {62: 8, 183: 1027}
_INDIRECT_FUNCTION = 10  # a symbol's type
# No kernel comes near; without limits, a few bytes could make reading take hours.
_MOST, _MOST_SEGMENTS, _MOST_VERSIONS, _MOST_MEMORY = 100_000, 64, 1000, 1 << 31


@final
@frozen
class Elf:
    """What a shared object says of itself.

    Attributes:
        machine: ELF's number of the architecture.
        kind: ELF's number of the kind of file.
        needed: libraries it wants loaded.
        undefined: symbols it wants from them.
        defined: symbols it offers.
        versions: versions of symbols it wants, such as ``GLIBC_2.29``.
        dangers: what it has that no kernel needs, in words.
    """

    machine: int
    kind: int
    needed: tuple[str, ...]
    undefined: tuple[str, ...]
    defined: tuple[str, ...]
    versions: tuple[str, ...]
    dangers: tuple[str, ...]


def inspect(image: bytes) -> Elf:
    """Read an ELF file.

    Raises:
        Unloadable: it is none, is of another kind than 64-bit little-endian, or is damaged.
    """
    try:
        return _Reader(image).read()
    except (struct.error, ValueError, IndexError, OverflowError) as problem:
        raise Unloadable(
            f"It is no shared object that can be read ({problem}); {len(image)} bytes"
        ) from None


def check(image: bytes) -> Elf:
    """Read a shared object, and refuse it unless it does nothing but wait to be called.

    Raises:
        Unloadable: says what it is or has.
    """
    elf = inspect(image)
    machine = os.uname().machine
    problems = list(elf.dangers)
    if elf.kind != SHARED_OBJECT:
        problems.append(f"kind {elf.kind} where a shared object is {SHARED_OBJECT}")
    if elf.machine != MACHINES.get(machine):
        problems.append(f"code for machine {elf.machine}, and this is {machine}")
    strangers = sorted(set(elf.needed) - ALLOWED_LIBRARIES)
    if strangers:
        problems.append(f"a need for {', '.join(strangers)}")
    unknown = sorted(set(elf.undefined) - ALLOWED_SYMBOLS)
    if unknown:
        problems.append(f"calls of {', '.join(unknown[:5])}")
    here = library_version()
    newer = [name for name in elf.versions if parsed_version(name) > here]
    if newer:
        found = ".".join(map(str, here))
        problems.append(f"a need for {', '.join(newer)}, and the C library here is {found}")
    if problems:
        raise Unloadable(f"The shared object has {'; and '.join(problems)}")
    return elf


@final
class _Reader:
    """One pass over an image; whatever the loader will read is looked up by its address."""

    def __init__(self, image: bytes) -> None:
        self._image = image
        self._segments: list[tuple[int, ...]] = []
        self._dangers: list[str] = []

    def read(self) -> Elf:
        header = _HEADER.unpack_from(self._image)
        if header[0][:6] != b"\x7fELF\x02\x01":
            raise ValueError("not a 64-bit little-endian ELF file")
        kind, machine = header[1], header[2]
        offset, size, count = header[5], header[9], header[10]
        if size != _SEGMENT.size or count > _MOST_SEGMENTS:
            raise ValueError("its table of segments has another form")
        self._segments = [
            _SEGMENT.unpack_from(self._image, offset + number * size) for number in range(count)
        ]
        self._judge_segments()
        tags = self._dynamic()
        strings = self._strings(tags)
        needed = tuple(_text(strings, value) for tag, value in tags if tag == _NEEDED)
        values = dict(tags)
        self._judge_tags(values)
        self._judge_relocations(values, machine)
        undefined, defined = self._symbols(values, strings)
        count = 1 + len(undefined) + len(defined)
        versions = self._versions(values, strings, needed, count)
        dangers = tuple(dict.fromkeys(self._dangers))
        return Elf(machine, kind, needed, undefined, defined, versions, dangers)

    def _judge_segments(self) -> None:
        self._judge_memory()
        has_stack = False
        for kind, flags, _, start, _, size_here, size_there, _ in self._segments:
            if kind == _INTERPRETER:
                self._dangers.append("an interpreter")
            elif kind == _THREAD_LOCAL:
                self._dangers.append("thread-local variables")
            elif kind == _STACK:
                has_stack = not flags & _EXECUTABLE
            elif kind == _PROTECTED:
                self._require_writeable(start, size_there)
            elif kind in _READ_IN_PLACE:
                self._offset(start, max(size_here, size_there))
            elif kind not in (0, _LOAD):
                self._dangers.append(f"a segment of unknown kind ({kind:#x})")
        if not has_stack:
            self._dangers.append("a wish for an executable stack")

    def _judge_memory(self) -> None:
        """Segments must ascend on pages of their own: the loader relies on it, unchecked."""
        free = 0
        for kind, flags, offset, start, _, size_here, size_there, _ in self._segments:
            if kind != _LOAD:
                continue
            if offset + size_here > len(self._image) or size_here > size_there:
                raise ValueError("a segment lies outside the file")
            if (start - offset) % _PAGE or start // _PAGE * _PAGE < free:
                raise ValueError("its segments overlap, or are not in order")
            free = -(-(start + size_there) // _PAGE) * _PAGE
            if not flags & _READABLE:
                raise ValueError("a segment cannot be read")
            if flags & _EXECUTABLE and flags & _WRITEABLE:
                self._dangers.append("memory that is writeable and executable")
        if free > _MOST_MEMORY:
            raise ValueError(f"it wants {free} bytes of memory")

    def _require_writeable(self, address: int, size: int) -> None:
        for kind, flags, _, start, _, _, there, _ in self._segments:
            end = -(-(start + there) // _PAGE) * _PAGE
            if kind == _LOAD and flags & _WRITEABLE and start <= address and address + size <= end:
                return
        raise ValueError(f"{address:#x} is not in its data")

    def _offset(self, address: int, size: int) -> int:
        """Where in the file lies what will be at this address."""
        for kind, _, offset, start, _, size_here, _, _ in self._segments:
            if kind == _LOAD and start <= address and address + size <= start + size_here:
                return offset + address - start
        raise ValueError(f"the address {address:#x} lies in no segment")

    def _dynamic(self) -> list[tuple[int, int]]:
        tables = [segment for segment in self._segments if segment[0] == _DYNAMIC]
        if len(tables) != 1:
            raise ValueError(f"it has {len(tables)} tables for dynamic linking")
        # By address, as the loader finds it, whatever the file offset beside it says.
        start, size = tables[0][3], tables[0][5]
        offset = self._offset(start, size)
        tags: list[tuple[int, int]] = []
        for number in range(min(size // _ENTRY.size, _MOST)):
            tag, value = _ENTRY.unpack_from(self._image, offset + number * _ENTRY.size)
            if tag == 0:
                return tags
            tags.append((tag, value))
        raise ValueError("its table for dynamic linking does not end")

    def _strings(self, tags: list[tuple[int, int]]) -> bytes:
        values = dict(tags)
        singles = [tag for tag, _ in tags if tag != _NEEDED]
        if len(singles) != len(set(singles)):
            raise ValueError("its table for dynamic linking says something twice")
        size = values.get(_STRINGS_SIZE, 0)
        offset = self._offset(values.get(_STRINGS, -1), size)
        return self._image[offset : offset + size]

    def _judge_tags(self, values: dict[int, int]) -> None:
        for tag, value in values.items():
            if tag in _REFUSED:
                self._dangers.append(_REFUSED[tag])
            elif tag not in _HARMLESS:
                self._dangers.append(f"an unknown wish to the loader ({tag:#x})")
            elif tag == _FLAGS and value & _TEXT_FLAG:
                self._dangers.append("relocations of code (DF_TEXTREL)")
            elif tag in _FIXED and value not in _FIXED[tag]:
                self._dangers.append(f"an unknown wish to the loader ({tag:#x} is {value:#x})")
        if any(0 < len(group & values.keys()) < len(group) for group in _TOGETHER):
            raise ValueError("its table for dynamic linking lacks what belongs together")
        if _PLT in values:
            self._require_writeable(values[_PLT], 8)

    def _symbols(
        self, values: dict[int, int], strings: bytes
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        undefined: list[str] = []
        defined: list[str] = []
        count = self._count_of_symbols(values)
        offset = self._offset(values.get(_SYMBOLS, -1), count * _SYMBOL.size)
        for number in range(1, count):
            name, info, _, section, _, _ = _SYMBOL.unpack_from(
                self._image, offset + number * _SYMBOL.size
            )
            if info & 0xF == _INDIRECT_FUNCTION:
                self._dangers.append("functions that are chosen by code at loading (IFUNC)")
            (undefined if section == 0 else defined).append(_text(strings, name))
        return tuple(undefined), tuple(defined)

    def _count_of_symbols(self, values: dict[int, int]) -> int:
        """How many there are: only tables of hashes say; all that relocations name count too."""
        highest = 0
        for _, info, _ in self._relocations(values):
            highest = max(highest, info >> 32)
        if _GNU_HASH in values:
            highest = max(highest, self._highest_hashed(values[_GNU_HASH]))
        elif _HASH in values:
            place = self._offset(values[_HASH], 8)
            buckets, chains = Struct("<II").unpack_from(self._image, place)
            self._offset(values[_HASH], 8 + 4 * (buckets + chains))
            highest = max(highest, chains - 1)
        if highest > _MOST:
            raise ValueError("it has too many symbols")
        return highest + 1

    def _highest_hashed(self, address: int) -> int:
        word = Struct("<I")
        offset = self._offset(address, 16)
        buckets, first, blooms, _ = Struct("<IIII").unpack_from(self._image, offset)
        if buckets > _MOST or blooms > _MOST or blooms & (blooms - 1) or not blooms:
            raise ValueError("its table of hashes has another form")
        table = offset + 16 + 8 * blooms
        self._offset(address, 16 + 8 * blooms + 4 * buckets)
        starts = [word.unpack_from(self._image, table + 4 * n)[0] for n in range(buckets)]
        highest = max(starts, default=0)
        if highest < first:
            return max(first - 1, 0)
        chain = table + 4 * buckets
        while not word.unpack_from(self._image, chain + 4 * (highest - first))[0] & 1:
            highest += 1
            if highest > _MOST:
                raise ValueError("its table of hashes does not end")
        self._offset(address, chain + 4 * (highest - first + 1) - offset)
        return highest

    def _relocations(self, values: dict[int, int]) -> Iterator[tuple[int, int, int]]:
        for start, size in ((_RELA, _RELA_SIZE), (_JUMP_RELOCATIONS, _JUMP_SIZE)):
            if start not in values:
                continue
            length = values.get(size, 0)
            offset = self._offset(values[start], length)
            if length % _RELOCATION.size or length // _RELOCATION.size > _MOST:
                raise ValueError(f"it has {length} bytes of relocations")
            for number in range(length // _RELOCATION.size):
                yield _RELOCATION.unpack_from(self._image, offset + number * _RELOCATION.size)

    def _judge_relocations(self, values: dict[int, int], machine: int) -> None:
        plain = _PLAIN_RELOCATIONS.get(machine, frozenset[int]())
        writeable = [
            (start, start + size)
            for kind, flags, _, start, _, _, size, _ in self._segments
            if kind == _LOAD and flags & _WRITEABLE
        ]
        kinds: list[int] = []
        for address, info, _ in self._relocations(values):
            kinds.append(info & 0xFFFFFFFF)
            if not any(low <= address and address + 8 <= high for low, high in writeable):
                self._dangers.append("a relocation outside its data")
        for kind in sorted(set(kinds) - plain):
            self._dangers.append(f"a relocation of kind {kind}")
        # So many at the beginning, the loader takes for addresses of its own without looking.
        relative = values.get(_RELATIVE_COUNT, 0)
        count = values.get(_RELA_SIZE, 0) // _RELOCATION.size
        if relative > count or set(kinds[:relative]) - {_RELATIVE.get(machine)}:
            self._dangers.append("a wrong count of relocations")

    def _versions(
        self, values: dict[int, int], strings: bytes, needed: tuple[str, ...], symbols: int
    ) -> tuple[str, ...]:
        names: dict[int, str] = {}
        if _VERSIONS_NEEDED in values:
            names = dict(self._versions_needed(values[_VERSIONS_NEEDED], strings, needed))
        if _SYMBOL_VERSIONS in values:
            # The loader looks a symbol's version up by a number that it does not check.
            offset = self._offset(values[_SYMBOL_VERSIONS], 2 * symbols)
            numbers = Struct(f"<{symbols}H").unpack_from(self._image, offset)
            if {number & 0x7FFF for number in numbers} - {0, 1, *names}:
                raise ValueError("a symbol has a version that is not listed")
        return tuple(dict.fromkeys(names.values()))

    def _versions_needed(
        self, address: int, strings: bytes, needed: tuple[str, ...]
    ) -> Iterator[tuple[int, str]]:
        record, auxiliary = Struct("<HHIII"), Struct("<IHHII")
        left = _MOST_VERSIONS
        while True:
            place = self._offset(address, record.size)
            _, count, library, first, following = record.unpack_from(self._image, place)
            if _text(strings, library) not in needed:
                raise ValueError("it wants a version of a library that it does not need")
            entry, left = address + first, left - 1 - count
            if left < 0 or count == 0:
                raise ValueError(f"it wants {count} versions of a library")
            for number in range(count):
                place = self._offset(entry, auxiliary.size)
                _, _, index, name, step = auxiliary.unpack_from(self._image, place)
                yield index & 0x7FFF, _text(strings, name)
                if (step == 0) != (number == count - 1):  # the loader goes by this alone
                    raise ValueError("its list of versions has another length")
                entry += step
            if following == 0:
                return
            address += following


def _text(strings: bytes, offset: int) -> str:
    end = strings.index(b"\0", offset)
    if offset < 0 or end - offset > 4096:  # noqa: PLR2004 - no name is as long
        raise ValueError("a name lies outside its table")
    return strings[offset:end].decode("latin-1")
