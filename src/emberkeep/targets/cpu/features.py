"""What this processor can do, asked of the processor itself.

A kernel for features that are not there ends the process with an illegal instruction. So CPUID and
XGETBV are executed: a file of the system tells what the host of an emulator or of a virtual machine
can do, and a processor's name tells less than its features.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

# (leaf, subleaf, register) → LLVM's names by bit. Registers: eax, ebx, ecx, edx.
EAX, EBX, ECX, EDX = range(4)
_BITS: dict[tuple[int, int, int], dict[int, str]] = {
    (1, 0, ECX): {
        0: "sse3",
        1: "pclmul",
        9: "ssse3",
        12: "fma",
        13: "cx16",
        19: "sse4.1",
        20: "sse4.2",
        22: "movbe",
        23: "popcnt",
        25: "aes",
        28: "avx",
        29: "f16c",
        30: "rdrnd",
    },
    (7, 0, EBX): {
        0: "fsgsbase",
        3: "bmi",
        5: "avx2",
        8: "bmi2",
        16: "avx512f",
        17: "avx512dq",
        18: "rdseed",
        19: "adx",
        21: "avx512ifma",
        28: "avx512cd",
        29: "sha",
        30: "avx512bw",
        31: "avx512vl",
    },
    (7, 0, ECX): {
        1: "avx512vbmi",
        6: "avx512vbmi2",
        8: "gfni",
        9: "vaes",
        10: "vpclmulqdq",
        11: "avx512vnni",
        12: "avx512bitalg",
        14: "avx512vpopcntdq",
    },
    (7, 0, EDX): {8: "avx512vp2intersect", 23: "avx512fp16"},
    (7, 1, EAX): {4: "avxvnni", 5: "avx512bf16", 23: "avxifma"},
    (0x80000001, 0, ECX): {0: "sahf", 5: "lzcnt", 6: "sse4a", 11: "xop", 16: "fma4", 21: "tbm"},
}
# Every word in which processors list features, whatever they will mean; none that differs between
# the cores of one machine.
_WORDS = (
    *((1, 0, ECX), (1, 0, EDX), (7, 0, EBX), (7, 0, ECX), (7, 0, EDX)),
    *((7, 1, EAX), (7, 1, EBX), (7, 1, ECX), (7, 1, EDX), (7, 2, EDX)),
    *((0xD, 1, EAX), (0x14, 0, EBX), (0x19, 0, EBX), (0x1E, 1, EAX), (0x24, 0, EBX)),
    *((0x29, 0, EBX), (0x80000001, 0, ECX), (0x80000001, 0, EDX), (0x80000008, 0, EBX)),
)
# What also needs the system's consent: it must save these registers between processes.
_AVX = frozenset({"avx", "avx2", "fma", "f16c", "vaes", "vpclmulqdq", "avxvnni", "avxifma"}) | {
    "xop",
    "fma4",
}
_AVX_STATE, _AVX512_STATE = 0x6, 0xE6
_OSXSAVE = 27  # of leaf 1's ecx: whether XGETBV may be asked

_V2 = ("cx16", "popcnt", "sahf", "sse3", "sse4.1", "sse4.2", "ssse3")
_V3 = (*_V2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")
_V4 = (*_V3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")
LEVELS: dict[str, tuple[str, ...]] = {
    "x86-64": (),
    "x86-64-v2": _V2,
    "x86-64-v3": _V3,
    "x86-64-v4": _V4,
}


@final
@frozen
class Host:
    """This machine's processor.

    Attributes:
        architecture: ``x86-64``, or what the system calls another.
        vendor: as CPUID gives it; empty elsewhere.
        family: with model and stepping, what compilers tell processors apart by.
        model: see family.
        stepping: see family.
        features: LLVM's names of those that may be used, sorted.
        words: CPUID's own words on features, and XCR0: LLVM may know more of them than the table
            here, and what it compiles for this very machine may use all.
    """

    architecture: str
    vendor: str
    family: int
    model: int
    stepping: int
    features: tuple[str, ...]
    words: tuple[int, ...] = ()


@final
class _Machine:
    """What was found out about this machine, once it was asked."""

    processor: Host | None = None


_machine = _Machine()


def host() -> Host:
    """This machine's processor; asked once per process."""
    if _machine.processor is None:
        name = os.uname().machine if hasattr(os, "uname") else sys.platform
        is_x86 = name in ("x86_64", "AMD64")
        _machine.processor = _ask_x86() if is_x86 else Host(name, "", 0, 0, 0, ())
    return _machine.processor


def missing(needed: Iterable[str], here: Host) -> tuple[str, ...]:
    """Which of the needed features this processor lacks."""
    return tuple(name for name in needed if name not in here.features)


def _ask_x86() -> Host:
    ask = _processor_questions()
    if ask is None:
        return _from_system()
    cpuid, xgetbv = ask
    highest = cpuid(0, 0)[EAX]
    _, ebx, ecx, edx = cpuid(0, 0)
    vendor = b"".join(part.to_bytes(4, "little") for part in (ebx, edx, ecx)).decode("latin-1")
    version = cpuid(1, 0)
    family, model = version[EAX] >> 8 & 0xF, version[EAX] >> 4 & 0xF
    if family in (0x6, 0xF):
        model |= (version[EAX] >> 16 & 0xF) << 4
    if family == 0xF:  # noqa: PLR2004 - the family that says: see the extension
        family += version[EAX] >> 20 & 0xFF
    state = xgetbv() if version[ECX] >> _OSXSAVE & 1 else 0
    features = [
        name
        for (leaf, subleaf, register), names in _BITS.items()
        for bit, name in names.items()
        if _answers(cpuid, highest, leaf, subleaf)
        and cpuid(leaf, subleaf)[register] >> bit & 1
        and _is_saved(name, state)
    ]
    words = tuple(
        cpuid(leaf, subleaf)[register] if _answers(cpuid, highest, leaf, subleaf) else 0
        for leaf, subleaf, register in _WORDS
    )
    stepping = version[EAX] & 0xF
    return Host("x86-64", vendor, family, model, stepping, tuple(sorted(features)), (*words, state))


def _answers(cpuid: Callable[[int, int], Any], highest: int, leaf: int, subleaf: int) -> bool:
    """Whether a leaf exists: processors answer nonsense for those that do not."""
    if leaf >= 0x80000000:  # noqa: PLR2004 - where extended leaves begin
        return cpuid(0x80000000, 0)[EAX] >= leaf
    return leaf <= highest and (subleaf == 0 or cpuid(leaf, 0)[EAX] >= subleaf)


def _is_saved(name: str, state: int) -> bool:
    if name.startswith("avx512"):
        return state & _AVX512_STATE == _AVX512_STATE
    return name not in _AVX or state & _AVX_STATE == _AVX_STATE


# Asking the processor -----------------------------------------------------------------------------

# void cpuid(uint32_t in_out[4]): eax and ecx in, all four out. rbx belongs to the caller.
_CPUID = bytes.fromhex("53 8b07 8b4f08 0fa2 8907 895f04 894f08 89570c 5b c3")
# uint32_t xgetbv(void): the low half of XCR0.
_XGETBV = bytes.fromhex("31c9 0f01d0 c3")
_PAGE = 4096
# fcntl's F_ADD_SEALS with SEAL, SHRINK, GROW, WRITE.
_ADD_SEALS, _ALL_SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8


def _processor_questions() -> tuple[Callable[[int, int], Any], Callable[[], int]] | None:
    """Functions that execute CPUID and XGETBV; None where the system allows no new code."""
    code = _CPUID.ljust(64, b"\xcc") + _XGETBV.ljust(64, b"\xcc")
    try:
        # Never writable and executable at once: written to a file in memory, then mapped.
        # And sealed: the mapping keeps a descriptor of its own, by which it could be written later.
        import fcntl

        file = os.memfd_create("emberkeep-cpuid", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.write(file, code.ljust(_PAGE, b"\xcc"))
            fcntl.fcntl(file, _ADD_SEALS, _ALL_SEALS)
            page = mmap.mmap(file, _PAGE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
        finally:
            os.close(file)
    except (AttributeError, ImportError, OSError, ValueError):
        return None
    _pages.append(page)
    address = _address(page)
    raw_cpuid = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)
    raw_xgetbv = ctypes.CFUNCTYPE(ctypes.c_uint32)(address + 64)

    asked: dict[tuple[int, int], tuple[int, int, int, int]] = {}

    def cpuid(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        # Each leaf once: in a virtual machine, the question goes to the host and takes its time.
        if (leaf, subleaf) not in asked:
            registers = (ctypes.c_uint32 * 4)(leaf, 0, subleaf, 0)
            raw_cpuid(ctypes.addressof(registers))
            asked[leaf, subleaf] = (registers[0], registers[1], registers[2], registers[3])
        return asked[leaf, subleaf]

    return cpuid, raw_xgetbv


_pages: list[Any] = []  # mapped as long as the process lives


def _address(page: Any) -> int:
    """Where a read-only mapping begins."""

    class Buffer(ctypes.Structure):
        """The head of Python's own description of a buffer."""

        _fields_ = (("address", ctypes.c_void_p), ("rest", ctypes.c_char * 256))

    buffer = Buffer()
    get, release = ctypes.pythonapi.PyObject_GetBuffer, ctypes.pythonapi.PyBuffer_Release
    get(ctypes.py_object(page), ctypes.byref(buffer), 0)
    address = buffer.address
    release(ctypes.byref(buffer))
    assert address is not None
    return address


# The system's names where they differ from LLVM's.
_SYSTEM_NAMES = {
    "pni": "sse3",
    "pclmulqdq": "pclmul",
    "sse4_1": "sse4.1",
    "sse4_2": "sse4.2",
    "abm": "lzcnt",
    "bmi1": "bmi",
    "lahf_lm": "sahf",
    "rdrand": "rdrnd",
    "sha_ni": "sha",
    "avx512_vbmi2": "avx512vbmi2",
    "avx512_vnni": "avx512vnni",
    "avx512_bitalg": "avx512bitalg",
    "avx512_vpopcntdq": "avx512vpopcntdq",
    "avx512_vp2intersect": "avx512vp2intersect",
    "avx512_fp16": "avx512fp16",
    "avx512_bf16": "avx512bf16",
    "avx_vnni": "avxvnni",
    "avx_ifma": "avxifma",
}


def _from_system() -> Host:
    """What Linux says of the first processor; nothing where it says nothing."""
    values: dict[str, str] = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if not line.strip():
                    break
                values[name.strip()] = value.strip()
    except OSError:
        return Host("x86-64", "", 0, 0, 0, ())
    ours = {name for names in _BITS.values() for name in names.values()}
    flags = {_SYSTEM_NAMES.get(flag, flag) for flag in values.get("flags", "").split()}
    numbers = [values.get(name, "") for name in ("cpu family", "model", "stepping")]
    family, model, stepping = (int(number) if number.isdigit() else 0 for number in numbers)
    vendor = values.get("vendor_id", "")
    return Host("x86-64", vendor, family, model, stepping, tuple(sorted(flags & ours)))
