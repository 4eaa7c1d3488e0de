"""What a shared object would do when it is loaded, read from its bytes before it is.

A kernel needs almost nothing of what the format offers. So what may run code at loading, change
code, or bring in other libraries is refused, and anything that cannot be read is refused too.
"""

from __future__ import annotations

import os
import struct
from struct import Struct

from emberkeep.errors import Unloadable
from emberkeep.light import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINES = {"x86_64": 62, "AMD64": 62, "aarch64": 183}
SHARED_OBJECT, RELOCATABLE = 3, 1

# What a kernel may call: the C library's mathematics, and what compilers put in for plain copies.
_MATHEMATICS = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "copysign",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "fabs",
    "fdim",
    "floor",
    "fma",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "hypot",
    "ldexp",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "logb",
    "lrint",
    "lround",
    "llrint",
    "llround",
    "modf",
    "nearbyint",
    "nextafter",
    "pow",
    "remainder",
    "rint",
    "round",
    "roundeven",
    "sin",
    "sincos",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "tgamma",
    "trunc",
]
_VECTOR_MATHEMATICS = {"exp": "v", "log": "v", "sin": "v", "cos": "v", "pow": "vv"}
ALLOWED_SYMBOLS = frozenset(
    {
        *_MATHEMATICS,
        *(f"{name}f" for name in _MATHEMATICS),
        *(
            f"_ZGV{letter}N{lanes}{arguments}_{name}{suffix}"
            for name, arguments in _VECTOR_MATHEMATICS.items()
            for letter, lanes, suffix in (
                *(("b", 2, ""), ("d", 4, ""), ("e", 8, "")),
                *(("b", 4, "f"), ("d", 8, "f"), ("e", 16, "f")),
            )
        ),
        *("memcpy", "memmove", "memset", "memcmp"),
    }
)
ALLOWED_LIBRARIES = frozenset({"libc.so.6", "libm.so.6", "libmvec.so.1"})

_HEADER = Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = Struct("<IIQQQQQQ")
_ENTRY = Struct("<qQ")
_SYMBOL = Struct("<IBBHQQ")
_RELOCATION = Struct("<QQq")

_LOAD, _DYNAMIC, _INTERPRETER, _THREAD_LOCAL, _STACK = 1, 2, 3, 7, 0x6474E551
_EXECUTABLE, _WRITEABLE = 1, 2

_NEEDED, _STRINGS, _SYMBOLS, _RELA, _RELA_SIZE, _STRINGS_SIZE = 1, 5, 6, 7, 8, 10
_JUMP_RELOCATIONS, _JUMP_SIZE, _FLAGS, _GNU_HASH = 23, 2, 30, 0x6FFFFEF5
_VERSIONS_NEEDED, _VERSIONS_NEEDED_COUNT, _SYMBOL_VERSIONS = 0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFFF0
_TEXT_FLAG = 0x4
_HARMLESS = frozenset(
    {0, _NEEDED, _STRINGS, _SYMBOLS, _RELA, _RELA_SIZE, 9, _STRINGS_SIZE, 11, _JUMP_RELOCATIONS}
    | {_JUMP_SIZE, 3, 20, 24, _FLAGS, _GNU_HASH, 4, 14, 0x6FFFFFFB, 0x6FFFFFF9}
    | {_VERSIONS_NEEDED, _VERSIONS_NEEDED_COUNT, _SYMBOL_VERSIONS}
)
_REFUSED = {
    12: "code that runs when it is loaded (DT_INIT)",
    13: "code that runs when it is unloaded (DT_FINI)",
    25: "code that runs when it is loaded (DT_INIT_ARRAY)",
    26: "code that runs when it is unloaded (DT_FINI_ARRAY)",
    32: "code that runs when it is loaded (DT_PREINIT_ARRAY)",
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
_INDIRECT_FUNCTION = 10  # a symbol's type
_MOST = 100_000  # of anything: no kernel comes near


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
    newer = [name for name in elf.versions if _version(name) > here]
    if newer:
        found = ".".join(map(str, here))
        problems.append(f"a need for {', '.join(newer)}, and the C library here is {found}")
    if problems:
        raise Unloadable(f"The shared object has {'; and '.join(problems)}")
    return elf


def library_version() -> tuple[int, ...]:
    """The version of the GNU C library here; empty where there is another."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return ()
    return _numbers(text.rpartition(" ")[2])


def _version(name: str) -> tuple[int, ...]:
    """``GLIBC_2.29`` as numbers; what has another form is newer than anything."""
    prefix, _, number = name.partition("_")
    numbers = _numbers(number)
    return numbers if prefix == "GLIBC" and numbers else (_MOST,)


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else ()


@final
class _Reader:
    """One pass over an image; every offset is checked by `struct` or by slices."""

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
        if size != _SEGMENT.size or count > _MOST:
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
        undefined, defined = self._symbols(values, strings)
        self._judge_relocations(values, machine)
        versions = tuple(self._versions(values, strings))
        return Elf(machine, kind, needed, undefined, defined, versions, tuple(self._dangers))

    def _judge_segments(self) -> None:
        end = len(self._image)
        has_stack = False
        for kind, flags, offset, _, _, size_here, size_there, _ in self._segments:
            if kind == _LOAD:
                if offset + size_here > end or size_here > size_there:
                    raise ValueError("a segment lies outside the file")
                if flags & _EXECUTABLE and flags & _WRITEABLE:
                    self._dangers.append("memory that is writeable and executable")
            elif kind == _INTERPRETER:
                self._dangers.append("an interpreter")
            elif kind == _THREAD_LOCAL:
                self._dangers.append("thread-local variables")
            elif kind == _STACK:
                has_stack = not flags & _EXECUTABLE
        if not has_stack:
            self._dangers.append("a wish for an executable stack")

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

    def _symbols(
        self, values: dict[int, int], strings: bytes
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        undefined: list[str] = []
        defined: list[str] = []
        start = values.get(_SYMBOLS)
        if start is None:
            return (), ()
        offset = self._offset(start, _SYMBOL.size)
        for number in range(1, self._count_of_symbols(values)):
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
        elif 4 in values:  # noqa: PLR2004 - DT_HASH
            (_, chains) = Struct("<II").unpack_from(self._image, self._offset(values[4], 8))
            highest = max(highest, chains - 1)
        if highest > _MOST:
            raise ValueError("it has too many symbols")
        return highest + 1

    def _highest_hashed(self, address: int) -> int:
        word = Struct("<I")
        offset = self._offset(address, 16)
        buckets, first, blooms, _ = Struct("<IIII").unpack_from(self._image, offset)
        if buckets > _MOST or blooms > _MOST:
            raise ValueError("its table of hashes is too large")
        table = offset + 16 + 8 * blooms
        starts = [word.unpack_from(self._image, table + 4 * n)[0] for n in range(buckets)]
        highest = max(starts, default=0)
        if highest < first:
            return max(first - 1, 0)
        chain = table + 4 * buckets
        while not word.unpack_from(self._image, chain + 4 * (highest - first))[0] & 1:
            highest += 1
            if highest > _MOST:
                raise ValueError("its table of hashes does not end")
        return highest

    def _relocations(self, values: dict[int, int]) -> Iterator[tuple[int, int, int]]:
        for start, size in ((_RELA, _RELA_SIZE), (_JUMP_RELOCATIONS, _JUMP_SIZE)):
            if start not in values:
                continue
            length = values.get(size, 0)
            offset = self._offset(values[start], length)
            for number in range(min(length // _RELOCATION.size, _MOST)):
                yield _RELOCATION.unpack_from(self._image, offset + number * _RELOCATION.size)

    def _judge_relocations(self, values: dict[int, int], machine: int) -> None:
        plain = _PLAIN_RELOCATIONS.get(machine, frozenset[int]())
        writeable = [
            (start, start + size)
            for kind, flags, _, start, _, _, size, _ in self._segments
            if kind == _LOAD and flags & _WRITEABLE
        ]
        for address, info, _ in self._relocations(values):
            if info & 0xFFFFFFFF not in plain:
                self._dangers.append(f"a relocation of kind {info & 0xFFFFFFFF}")
            if not any(low <= address and address + 8 <= high for low, high in writeable):
                self._dangers.append("a relocation outside its data")

    def _versions(self, values: dict[int, int], strings: bytes) -> Iterator[str]:
        if _VERSIONS_NEEDED not in values:
            return
        record, auxiliary = Struct("<HHIII"), Struct("<IHHII")
        place = self._offset(values[_VERSIONS_NEEDED], record.size)
        for _ in range(min(values.get(_VERSIONS_NEEDED_COUNT, 0), _MOST)):
            _, count, _, first, following = record.unpack_from(self._image, place)
            entry = place + first
            for _ in range(count):
                _, _, _, name, step = auxiliary.unpack_from(self._image, entry)
                yield _text(strings, name)
                entry += step
            if following == 0:
                return
            place += following


def _text(strings: bytes, offset: int) -> str:
    end = strings.index(b"\0", offset)
    if offset < 0 or end - offset > 4096:  # noqa: PLR2004 - no name is as long
        raise ValueError("a name lies outside its table")
    return strings[offset:end].decode("latin-1")
