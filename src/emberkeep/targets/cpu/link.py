"""A static linker for kernels: from a relocatable object to a shared object.

What LLVM makes of a kernel is simple: code, constants, perhaps tables of addresses; calls of the C
library's mathematics; few ways to write an address down. So it is laid out here, by the rules of
ELF for x86-64. That needs no program, no folder, and no key of either; the same object gives the
same bytes wherever the C library is the same.

    constants    header, segments, tables for the loader; read-only data
    code         and behind it, a jump for each function outside
    data         addresses of functions, tables of addresses, the table for dynamic linking; the
                 loader fills them in, and protects them from then on
    variables    on pages of their own, where there are any

What an unwinder would read is left out: kernels throw nothing.
"""

from __future__ import annotations

import struct
from struct import Struct, pack_into
from typing import TYPE_CHECKING, final

from emberkeep.targets.cpu.c_library import library_version
from emberkeep.targets.cpu.elf import MACHINES, SHARED_OBJECT
from emberkeep.targets.cpu.object_file import ObjectFile, Relocation, Section, Symbol, read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

# ELF's numbers, by the names that they have there.
_SHT_PROGBITS, _SHT_NOBITS, _SHT_UNWIND = 1, 8, 0x70000001
_SHF_WRITE, _SHF_ALLOC, _SHF_CODE, _SHF_THREAD_LOCAL = 0x1, 0x2, 0x4, 0x400
_STB_GLOBAL, _STT_IFUNC, _FUNCTION = 1, 10, 0x12
_LOAD, _DYNAMIC, _STACK, _PROTECTED = 1, 2, 0x6474E551, 0x6474E552
_READ, _READ_RUN, _READ_WRITE = 4, 5, 6
_NEEDED, _HASH, _STRINGS, _SYMBOLS, _RELA, _RELA_SIZE, _RELA_ENTRY = 1, 4, 5, 6, 7, 8, 9
_STRINGS_SIZE, _SYMBOL_ENTRY, _VERSIONS = 10, 11, 0x6FFFFFF0
_VERSIONS_NEEDED, _VERSIONS_NEEDED_COUNT = 0x6FFFFFFE, 0x6FFFFFFF
_ABSOLUTE, _FROM_HERE, _CALL, _FROM_HERE_WIDE = 1, 2, 4, 24
_BY_SLOT = (9, 41, 42)  # from here to where the address is written
_FILL_IN, _MOVE = 6, 8  # relocations that are left to the loader

_HEADER, _SEGMENT = Struct("<16sHHIQQQIHHHHHH"), Struct("<IIQQQQQQ")
_SYMBOL, _RELOCATION, _TAG = Struct("<IBBHQQ"), Struct("<QQq"), Struct("<qQ")
_LIBRARY, _VERSION = Struct("<HHIII"), Struct("<IHHII")

_PAGE, _WORD = 4096, 8
_JUMP = b"\xff\x25"  # to the address that stands at a distance
_JUMP_SIZE = 6
_SEGMENTS = 6

# Versions of functions. All C libraries for x86-64 have the first one of each; of those that were
# changed, the later one is taken where it is there, as a linker would.
_FIRST, _FIRST_VECTORS = "GLIBC_2.2.5", "GLIBC_2.22"
_CHANGED = {
    **dict.fromkeys(("exp", "exp2", "log", "log2", "pow"), (2, 29)),
    **dict.fromkeys(("expf", "exp2f", "logf", "log2f", "powf"), (2, 27)),
    **dict.fromkeys(("fmod", "fmodf"), (2, 38)),
    **dict.fromkeys(("hypot", "hypotf"), (2, 35)),
    **dict.fromkeys(("lgamma", "lgammaf"), (2, 23)),
    **dict.fromkeys(("roundeven", "roundevenf"), (2, 25)),
    "exp10": (2, 39),
    "exp10f": (2, 32),
    "memcpy": (2, 14),
}


class Unlinkable(Exception):  # noqa: N818 - reads as what it says
    """An object has what is not laid out here; says what. LLVM can still load it in memory."""


def link(image: bytes) -> bytes:
    """Make a shared object.

    Raises:
        Unlinkable: it has what no kernel is known to have, or is for another kind of machine.
    """
    found = read_object(image)
    if found.machine != MACHINES["x86_64"]:
        raise Unlinkable(f"code for machine {found.machine}")
    try:
        return _Link(found).write()
    except (struct.error, LookupError, OverflowError) as problem:
        raise Unlinkable(f"numbers that lead nowhere ({problem})") from problem


def version_of(function: str) -> tuple[str, str]:
    """The library that has a function, and the version of it that is wanted."""
    if function.startswith("_ZGV"):
        return "libmvec.so.1", _FIRST_VECTORS
    library = "libc.so.6" if function.startswith("mem") else "libm.so.6"
    changed = _CHANGED.get(function)
    later = changed is not None and changed <= library_version()
    return library, f"GLIBC_{'.'.join(map(str, changed or ()))}" if later else _FIRST


@final
class _Link:
    """One object on its way: laid out as it will be in memory, and then filled in."""

    def __init__(self, found: ObjectFile) -> None:
        self._symbols = found.symbols
        self._kept = {n: part for n, part in enumerate(found.sections) if _is_kept(part)}
        self._by_slot = list(dict.fromkeys(self._reached_by_slot()))
        self._outside = [n for n in self._by_slot if found.symbols[n].section == 0]
        self._offered = [
            number
            for number, symbol in enumerate(found.symbols)
            if symbol.section in self._kept and symbol.binding == _STB_GLOBAL and symbol.visible
        ]
        self._memory = bytearray()
        self._places: dict[int, int] = {}  # of sections
        self._jumps: dict[int, int] = {}  # of symbols
        self._slots: dict[int, int] = {}
        self._to_loader: list[tuple[int, int, int]] = []

    def _relocations(self) -> Iterator[tuple[int, Relocation, Symbol]]:
        for number, section in self._kept.items():
            for relocation in section.relocations:
                yield number, relocation, self._symbols[relocation.symbol]

    def _reached_by_slot(self) -> Iterator[int]:
        """Symbols of other files, and those whose addresses code reads from where they stand."""
        for number, relocation, symbol in self._relocations():
            if symbol.section == 0 or relocation.kind in _BY_SLOT:
                yield relocation.symbol
            elif symbol.section not in self._kept or symbol.information & 0xF == _STT_IFUNC:
                name = self._kept[number].name
                raise Unlinkable(f"a reference in {name} to section {symbol.section}")

    def write(self) -> bytes:
        """The file."""
        self._take(_HEADER.size + _SEGMENTS * _SEGMENT.size, _WORD)
        tags, symbols, relocations = self._tables()
        self._place(lambda part: not part.flags & (_SHF_WRITE | _SHF_CODE))
        code = self._next_segment()
        self._place(lambda part: bool(part.flags & _SHF_CODE))
        self._jumps = {number: self._take(_JUMP_SIZE, 2) for number in self._outside}
        data = self._next_segment()
        self._slots = {number: self._take(_WORD, _WORD) for number in self._by_slot}
        table = self._take(_TAG.size * len(tags), _WORD)
        self._place(lambda part: part.name.startswith(".data.rel.ro"))
        protected = -(-len(self._memory) // _PAGE) * _PAGE
        if len(self._places) < len(self._kept):
            self._take(0, _PAGE)
        self._place(lambda part: part.kind != _SHT_NOBITS)
        end = len(self._memory)
        self._place(lambda _: True)

        self._fill()
        self._write_all(symbols, _SYMBOL, self._symbol_entries())
        self._write_all(relocations, _RELOCATION, self._to_loader)
        self._write_all(table, _TAG, tags)
        whole, constants, code_end = len(self._memory), code - _PAGE, data - _PAGE
        in_file = constants + code_end - code  # where the data begins
        size = _TAG.size * len(tags)
        table_in_file = in_file + table - data
        segments = [
            (_LOAD, _READ, 0, 0, 0, constants, constants, _PAGE),
            (_LOAD, _READ_RUN, constants, code, code, code_end - code, code_end - code, _PAGE),
            (_LOAD, _READ_WRITE, in_file, data, data, end - data, whole - data, _PAGE),
            (_DYNAMIC, _READ_WRITE, table_in_file, table, table, size, size, _WORD),
            (_PROTECTED, _READ, in_file, data, data, end - data, protected - data, 1),
            (_STACK, _READ_WRITE, 0, 0, 0, 0, 0, 16),
        ]
        self._write_all(_HEADER.size, _SEGMENT, segments)
        _HEADER.pack_into(self._memory, 0, *_header())
        parts = ((0, constants), (code, code_end), (data, end))
        return b"".join(self._memory[first:last] for first, last in parts)

    # Places ---------------------------------------------------------------------------------------

    def _take(self, size: int, alignment: int) -> int:
        """Room for so many bytes; its address."""
        self._memory.extend(bytes(-len(self._memory) % alignment))
        address = len(self._memory)
        self._memory.extend(bytes(size))
        return address

    def _next_segment(self) -> int:
        """A page further in memory, so that no two share one; in the file, it follows at once."""
        return self._take(_PAGE, 1) + _PAGE

    def _place(self, belongs: Callable[[Section], bool]) -> None:
        for number, section in self._kept.items():
            if number not in self._places and belongs(section):
                self._places[number] = address = self._take(section.size, section.alignment or 1)
                self._memory[address : address + len(section.content)] = section.content

    def _tables(self) -> tuple[list[tuple[int, int]], int, int]:
        """What the loader reads, by its addresses; and where symbols and relocations will be."""
        names = _Names()
        for number in (*self._outside, *self._offered):
            names.offset(self._symbols[number].name)
        indices, wanted = self._wanted_versions(names)
        count = 1 + len(self._outside) + len(self._offered)
        first = 1 + len(self._outside)
        # One bucket for all: nobody looks anything up here but what is offered.
        chain = [0] * first + [*range(first + 1, count), 0] if self._offered else [0] * count
        hashes = Struct(f"<{3 + count}I").pack(1, count, first if self._offered else 0, *chain)
        versions = Struct(f"<{count}H").pack(0, *indices, *(1 for _ in self._offered))
        absolute = sum(each.kind == _ABSOLUTE for _, each, _ in self._relocations())
        left = absolute + len(self._by_slot)
        symbols = self._take(_SYMBOL.size * count, _WORD)
        relocations = self._take(_RELOCATION.size * left, _WORD)
        tags = [(_NEEDED, names.offset(library)) for library in wanted]
        tags += [(_HASH, self._content(hashes)), (_SYMBOLS, symbols), (_SYMBOL_ENTRY, _SYMBOL.size)]
        if left:
            tags += [(_RELA, relocations), (_RELA_SIZE, _RELOCATION.size * left)]
            tags += [(_RELA_ENTRY, _RELOCATION.size)]
        if wanted:
            needs = self._content(_needs(wanted, names))
            tags += [(_VERSIONS, self._content(versions)), (_VERSIONS_NEEDED, needs)]
            tags += [(_VERSIONS_NEEDED_COUNT, len(wanted))]
        self._names = names
        tags += [(_STRINGS, self._content(names.content)), (_STRINGS_SIZE, len(names.content))]
        return [*tags, (0, 0)], symbols, relocations

    def _content(self, content: bytes | bytearray) -> int:
        address = self._take(len(content), _WORD)
        self._memory[address : address + len(content)] = content
        return address

    def _wanted_versions(self, names: _Names) -> tuple[list[int], Mapping[str, dict[str, int]]]:
        """For each function outside, the number of its version; libraries with their versions."""
        wanted: dict[str, dict[str, int]] = {}
        indices: list[int] = []
        for number in self._outside:
            library, version = version_of(self._symbols[number].name)
            for name in (library, version):
                names.offset(name)
            known = wanted.setdefault(library, {})
            following = 2 + sum(map(len, wanted.values()))  # 0 and 1 have a meaning of their own
            indices.append(known.setdefault(version, following))
        return indices, wanted

    # Contents -------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Addresses, as far as they are known now; the others are left to the loader."""
        index = {number: 1 + place for place, number in enumerate(self._outside)}
        for number, slot in self._slots.items():
            if number in index:
                self._to_loader.append((slot, index[number] << 32 | _FILL_IN, 0))
            else:
                self._to_loader.append((slot, _MOVE, self._address(self._symbols[number])))
        for number, jump in self._jumps.items():
            self._memory[jump : jump + 2] = _JUMP
            pack_into("<i", self._memory, jump + 2, self._slots[number] - (jump + _JUMP_SIZE))
        for number, relocation, symbol in self._relocations():
            section = self._kept[number]
            wide = relocation.kind in (_ABSOLUTE, _FROM_HERE_WIDE)
            if relocation.offset + (8 if wide else 4) > len(section.content):
                raise Unlinkable(f"a relocation outside {section.name}")
            place = self._places[number] + relocation.offset
            if relocation.kind == _ABSOLUTE:
                if not section.flags & _SHF_WRITE:
                    raise Unlinkable(f"an address in {section.name}, which cannot be written to")
                outside = index.get(relocation.symbol)
                known = 0 if outside else self._address(symbol)
                information = outside << 32 | _ABSOLUTE if outside else _MOVE
                self._to_loader.append((place, information, known + relocation.addend))
                continue
            target = self._target(relocation, symbol) + relocation.addend - place
            pack_into("<q" if wide else "<i", self._memory, place, target)

    def _target(self, relocation: Relocation, symbol: Symbol) -> int:
        if relocation.kind in _BY_SLOT:
            return self._slots[relocation.symbol]
        if relocation.kind not in (_FROM_HERE, _CALL, _FROM_HERE_WIDE):
            raise Unlinkable(f"a relocation of kind {relocation.kind}")
        return self._address(symbol) if symbol.section else self._jumps[relocation.symbol]

    def _address(self, symbol: Symbol) -> int:
        return self._places[symbol.section] + symbol.value

    def _symbol_entries(self) -> Iterator[tuple[int, ...]]:
        yield (0, 0, 0, 0, 0, 0)
        for number in self._outside:
            yield (self._names.offset(self._symbols[number].name), _FUNCTION, 0, 0, 0, 0)
        for number in self._offered:
            symbol = self._symbols[number]
            name = self._names.offset(symbol.name)
            yield (name, symbol.information, 0, 1, self._address(symbol), symbol.size)

    def _write_all(self, address: int, form: Struct, entries: Iterable[tuple[Any, ...]]) -> None:
        for number, entry in enumerate(entries):
            form.pack_into(self._memory, address + number * form.size, *entry)


@final
class _Names:
    """A table of texts, each of which is there once."""

    def __init__(self) -> None:
        self.content = bytearray(b"\0")
        self._known: dict[str, int] = {}

    def offset(self, name: str) -> int:
        """Where a text begins."""
        if name not in self._known:
            self._known[name] = len(self.content)
            self.content += name.encode("latin-1") + b"\0"
        return self._known[name]


def _is_kept(section: Section) -> bool:
    """Whether a section is there while code runs."""
    if not section.flags & _SHF_ALLOC or section.kind == _SHT_UNWIND:
        return False
    if section.name == ".eh_frame":
        return False
    known = section.kind in (_SHT_PROGBITS, _SHT_NOBITS) and section.alignment <= _PAGE
    both = section.flags & _SHF_WRITE and section.flags & _SHF_CODE
    if not known or both or section.flags & _SHF_THREAD_LOCAL:
        raise Unlinkable(f"a section {section.name!r} of kind {section.kind}")
    return True


def _needs(wanted: Mapping[str, dict[str, int]], names: _Names) -> bytes:
    """The list of libraries, each followed by the versions that are wanted of it."""
    pieces: list[bytes] = []
    for number, (library, versions) in enumerate(wanted.items(), 1):
        size = _LIBRARY.size + _VERSION.size * len(versions)
        following = 0 if number == len(wanted) else size
        place = names.offset(library)
        pieces.append(_LIBRARY.pack(1, len(versions), place, _LIBRARY.size, following))
        for position, (version, index) in enumerate(versions.items(), 1):
            step = 0 if position == len(versions) else _VERSION.size
            place = names.offset(version)
            pieces.append(_VERSION.pack(_hash(version), 0, index, place, step))
    return b"".join(pieces)


def _hash(name: str) -> int:
    """ELF's hash of a text, by which the loader compares versions."""
    value = 0
    for letter in name.encode():
        value = (value << 4) + letter
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high
    return value


def _header() -> tuple[object, ...]:
    magic = b"\x7fELF\x02\x01\x01" + bytes(9)  # 64 bits, little-endian, first version
    sizes = (_HEADER.size, _SEGMENT.size, _SEGMENTS, 64, 0, 0)
    return (magic, SHARED_OBJECT, MACHINES["x86_64"], 1, 0, _HEADER.size, 0, 0, *sizes)
