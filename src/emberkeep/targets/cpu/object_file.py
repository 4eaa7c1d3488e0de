"""A relocatable object, read from its bytes: its sections, symbols and relocations."""

from __future__ import annotations

import struct
from struct import Struct

from emberkeep.errors import Unloadable
from emberkeep.startup_records import final, frozen
from emberkeep.targets.cpu.elf import RELOCATABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = Struct("<16sHHIQQQIHHHHHH")
_SECTION = Struct("<IIQQQQIIQQ")
_SYMBOL = Struct("<IBBHQQ")
_RELOCATION = Struct("<QQq")
_SYMBOL_TABLE, _WITHOUT_CONTENT, _RELA = 2, 8, 4
_SECTION_SYMBOL = 3  # a symbol's type
_NAMED_BY_CODE = ("_GLOBAL_OFFSET_TABLE_",)
_MOST = 1_000_000  # entries of a table: no kernel comes near


@final
@frozen
class Relocation:
    """A place in a section that an address is written to.

    Attributes:
        offset: where, within the section.
        kind: ELF's number of how it is calculated.
        symbol: the number of the symbol whose address it is.
        addend: what is added to it.
    """

    offset: int
    kind: int
    symbol: int
    addend: int


@final
@frozen
class Section:
    """A part of an object file. `kind`, `flags` and `alignment` are ELF's numbers."""

    name: str
    kind: int
    flags: int
    size: int
    alignment: int
    content: bytes
    relocations: tuple[Relocation, ...]


@final
@frozen
class Symbol:
    """A name for a place in a section; section 0 stands for another file.

    Attributes:
        name: empty for a section itself.
        information: ELF's numbers of binding and of the sort of thing it is.
        visible: whether other files may see it.
        section: the section's number.
        value: the place within the section.
        size: bytes from there on.
    """

    name: str
    information: int
    visible: bool
    section: int
    value: int
    size: int

    @property
    def binding(self) -> int:
        """ELF's number of who may see it: 1 is everybody."""
        return self.information >> 4


@final
@frozen
class ObjectFile:
    """What is in a relocatable object, by ELF's numbers of sections and symbols."""

    machine: int
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]


def read_object(image: bytes) -> ObjectFile:
    """Read an object file.

    Raises:
        Unloadable: it is no such file, or is damaged.
    """
    try:
        return _read(image)
    except (struct.error, ValueError, IndexError, OverflowError) as problem:
        raise Unloadable(f"It is no object file that can be read ({problem})") from None


def undefined_in_object(image: bytes) -> tuple[str, ...]:
    """The symbols that an object file wants from others.

    Raises:
        Unloadable: it is no such file, or is damaged.
    """
    return tuple(
        symbol.name
        for symbol in read_object(image).symbols[1:]
        if symbol.section == 0 and symbol.name not in _NAMED_BY_CODE
    )


def _read(image: bytes) -> ObjectFile:
    header = _HEADER.unpack_from(image)
    if header[0][:6] != b"\x7fELF\x02\x01" or header[1] != RELOCATABLE:
        raise ValueError("not a relocatable 64-bit little-endian ELF file")
    start, size, count = header[6], header[11], header[12]
    names: int = header[13]
    if size != _SECTION.size:
        raise ValueError("its table of sections has another form")
    table: list[tuple[int, ...]] = [
        _SECTION.unpack_from(image, start + number * size) for number in range(count)
    ]
    contents: list[bytes] = [_content(image, entry) for entry in table]
    relocations: dict[int, tuple[Relocation, ...]] = {}
    for entry, content in zip(table, contents, strict=True):
        if entry[1] == _RELA:
            if entry[7] in relocations:
                raise ValueError("a section has two tables of relocations")
            relocations[entry[7]] = tuple(_relocations(content))
    sections = tuple(
        Section(
            _text(contents[names], entry[0]),
            *(entry[1], entry[2], entry[5], entry[8]),
            contents[number],
            relocations.get(number, ()),
        )
        for number, entry in enumerate(table)
    )
    tables = [number for number, entry in enumerate(table) if entry[1] == _SYMBOL_TABLE]
    if len(tables) != 1:
        raise ValueError(f"it has {len(tables)} tables of symbols")
    strings: bytes = contents[table[tables[0]][6]]
    return ObjectFile(header[2], sections, tuple(_symbols(contents[tables[0]], strings)))


def _content(image: bytes, entry: tuple[int, ...]) -> bytes:
    kind, offset, size = entry[1], entry[4], entry[5]
    if kind == _WITHOUT_CONTENT:
        return b""
    if offset + size > len(image):
        raise ValueError("a section lies outside the file")
    return image[offset : offset + size]


def _relocations(content: bytes) -> Iterator[Relocation]:
    for number in range(_entries(content, _RELOCATION)):
        offset, information, addend = _RELOCATION.unpack_from(content, number * _RELOCATION.size)
        yield Relocation(offset, information & 0xFFFFFFFF, information >> 32, addend)


def _symbols(content: bytes, strings: bytes) -> Iterator[Symbol]:
    for number in range(_entries(content, _SYMBOL)):
        name, information, other, section, value, size = _SYMBOL.unpack_from(
            content, number * _SYMBOL.size
        )
        text = "" if information & 0xF == _SECTION_SYMBOL else _text(strings, name)
        yield Symbol(text, information, other & 0x3 in (0, 3), section, value, size)


def _entries(content: bytes, entry: Struct) -> int:
    if len(content) // entry.size > _MOST:
        raise ValueError(f"it has {len(content)} bytes in one table")
    return len(content) // entry.size


def _text(strings: bytes, offset: int) -> str:
    return strings[offset : strings.index(b"\0", offset)].decode("latin-1")
