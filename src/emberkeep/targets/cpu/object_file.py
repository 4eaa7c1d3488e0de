"""What a relocatable object calls from outside, read from its bytes.

Only where there was no linker are such objects kept, and LLVM links them in memory.
"""

from __future__ import annotations

import struct
from struct import Struct

from emberkeep.errors import Unloadable
from emberkeep.targets.cpu.elf import RELOCATABLE

_HEADER = Struct("<16sHHIQQQIHHHHHH")
_SECTION = Struct("<IIQQQQIIQQ")
_SYMBOL = Struct("<IBBHQQ")
_SYMBOL_TABLE = 2
_NAMED_BY_CODE = ("_GLOBAL_OFFSET_TABLE_",)


def undefined_in_object(image: bytes) -> tuple[str, ...]:
    """The symbols that an object file wants from others.

    Raises:
        Unloadable: it is no such file, or is damaged.
    """
    try:
        return tuple(_read(image))
    except (struct.error, ValueError, IndexError, OverflowError) as problem:
        raise Unloadable(f"It is no object file that can be read ({problem})") from None


def _read(image: bytes) -> list[str]:
    header = _HEADER.unpack_from(image)
    if header[0][:6] != b"\x7fELF\x02\x01" or header[1] != RELOCATABLE:
        raise ValueError("not a relocatable 64-bit little-endian ELF file")
    offset, size, count = header[6], header[11], header[12]
    if size != _SECTION.size:
        raise ValueError("its table of sections has another form")
    sections: list[tuple[int, ...]] = [
        _SECTION.unpack_from(image, offset + number * size) for number in range(count)
    ]
    for section in sections:
        if section[1] != 8 and section[4] + section[5] > len(image):  # noqa: PLR2004 - empty ones
            raise ValueError("a section lies outside the file")
    tables = [section for section in sections if section[1] == _SYMBOL_TABLE]
    if len(tables) != 1:
        raise ValueError(f"it has {len(tables)} tables of symbols")
    start, length, strings_of = tables[0][4], tables[0][5], sections[tables[0][6]]
    strings = image[strings_of[4] : strings_of[4] + strings_of[5]]
    undefined: list[str] = []
    for number in range(1, length // _SYMBOL.size):
        name, _, _, section, _, _ = _SYMBOL.unpack_from(image, start + number * _SYMBOL.size)
        if section == 0:
            text = strings[name : strings.index(b"\0", name)].decode("latin-1")
            if text not in _NAMED_BY_CODE:
                undefined.append(text)
    return undefined
