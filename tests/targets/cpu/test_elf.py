"""What is refused before the loader sees it; made with the system's compiler."""

import shutil
import struct
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.errors import Unloadable
from emberkeep.targets.cpu.c_library import ALLOWED_SYMBOLS, library_version
from emberkeep.targets.cpu.elf import check, inspect
from emberkeep.targets.cpu.load import load_shared_object
from emberkeep.targets.cpu.object_file import undefined_in_object

COMPILER = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here")

PLAIN = "double entry(double x) { return 2 * x; }\n"
LINK = ("-shared", "-nostartfiles", "-nostdlib", "-Wl,-z,noexecstack")


def build(folder, text, *options, link=LINK, libraries=()):
    source, result = folder / "source.c", folder / "result.so"
    source.write_text(text)
    command = [COMPILER, "-O2", "-fPIC", *link, *options, "-o", result, source, *libraries]
    subprocess.run(command, check=True, capture_output=True)
    return result.read_bytes()


@needs_compiler
def test_a_plain_function_passes(tmp_path):
    elf = check(build(tmp_path, PLAIN))
    assert elf.defined.count("entry") == 1
    assert elf.undefined == elf.needed == elf.dangers == ()


@needs_compiler
@pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
def test_mathematics_of_the_c_library_passes(tmp_path, style):
    text = "double exp(double); double entry(double x) { return exp(x); }\n"
    elf = check(build(tmp_path, text, f"-Wl,--hash-style={style}", libraries=["-lm"]))
    assert "exp" in elf.undefined
    assert elf.needed == ("libm.so.6",)
    assert all(name.startswith("GLIBC_") for name in elf.versions)
    assert "entry" in elf.defined


BAD = {
    "constructor": (
        "__attribute__((constructor)) void begin(void) {} " + PLAIN,
        (),
        "runs when it is loaded",
    ),
    "destructor": (
        "__attribute__((destructor)) void end(void) {} " + PLAIN,
        (),
        "runs when it is unloaded",
    ),
    "init": ("void _init(void) {} " + PLAIN, ("-Wl,-init,_init",), "DT_INIT"),
    "ifunc": (
        """
        static double f(double x) { return x; }
        static void *pick(void) { return (void *)f; }
        double entry(double x) __attribute__((ifunc("pick")));
        """,
        (),
        "IFUNC|relocation of kind 37",
    ),
    "rpath": (PLAIN, ("-Wl,-rpath,/tmp",), "search path"),
    "old rpath": (PLAIN, ("-Wl,--disable-new-dtags,-rpath,/tmp",), "search path"),
    "stack": (PLAIN, ("-Wl,-z,execstack",), "executable stack"),
    "thread-local": (
        "static __thread double t; double entry(double x) { t += x; return t; }\n",
        (),
        "thread-local|relocation|calls of",
    ),
    "system": ("int system(const char *); int entry(void) { return system(0); }\n", (), "system"),
    "variable": ("extern char **environ; char **entry(void) { return environ; }\n", (), "environ"),
    "auxiliary": (PLAIN, ("-Wl,-f,libevil.so",), "auxiliary"),
    "filter": (PLAIN, ("-Wl,-F,libevil.so",), "filter"),
    "audit": (PLAIN, ("-Wl,--audit=libevil.so",), "audit"),
}


@needs_compiler
@pytest.mark.parametrize("name", BAD)
def test_what_no_kernel_needs_is_refused(tmp_path, name):
    text, options, said = BAD[name]
    try:
        image = build(tmp_path, text, *options)
    except subprocess.CalledProcessError:
        pytest.skip("this linker cannot make one")
    with pytest.raises(Unloadable, match=said):
        check(image)
    with pytest.raises(Unloadable):
        load_shared_object(image)


@needs_compiler
def test_relocations_of_code_are_refused(tmp_path):
    source = tmp_path / "text.s"
    source.write_text(
        ".globl entry\n.text\nentry:\n movabsq $target, %rax\n ret\n.globl target\ntarget: ret\n"
        '.section .note.GNU-stack,"",@progbits\n'
    )
    made = subprocess.run(
        [COMPILER, *LINK, "-Wl,-z,notext", "-o", tmp_path / "text.so", source],
        check=False,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("this linker makes no such file")
    with pytest.raises(Unloadable, match=r"TEXTREL|outside its data"):
        check((tmp_path / "text.so").read_bytes())


@needs_compiler
def test_a_library_of_unknown_name_is_refused(tmp_path):
    build(tmp_path, "double other(double x) { return x; }\n", "-Wl,-soname,libstrange.so.1")
    (tmp_path / "result.so").rename(tmp_path / "libstrange.so")
    image = build(
        tmp_path,
        "double other(double); double entry(double x) { return other(x); }\n",
        libraries=[str(tmp_path / "libstrange.so")],
    )
    with pytest.raises(Unloadable, match=r"libstrange\.so\.1"):
        check(image)


@needs_compiler
def test_a_newer_c_library_is_asked_for_in_vain(tmp_path):
    text = "double exp(double); double entry(double x) { return exp(x); }\n"
    image = build(tmp_path, text, libraries=["-lm"])
    (version,) = inspect(image).versions
    newer = f"GLIBC_9.{'9' * (len(version) - 8)}"
    changed = image.replace(version.encode() + b"\0", newer.encode() + b"\0")
    assert changed != image
    with pytest.raises(Unloadable, match=newer.replace(".", r"\.")):
        check(changed)


@needs_compiler
def test_code_for_another_machine_is_refused(tmp_path):
    image = bytearray(build(tmp_path, PLAIN))
    image[18:20] = (183).to_bytes(2, "little")
    with pytest.raises(Unloadable, match="machine 183"):
        check(bytes(image))


def test_the_version_of_the_c_library_is_numbers():
    assert library_version() >= (2, 17)


def test_vector_functions_are_allowed_and_nothing_dangerous_is():
    assert {"exp", "powf", "_ZGVeN16vv_powf", "_ZGVbN2v_sin", "memcpy"} <= ALLOWED_SYMBOLS
    assert not {"system", "execve", "dlopen", "malloc", "NRT_Allocate"} & ALLOWED_SYMBOLS


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    if COMPILER is None:
        pytest.skip("there is no C compiler here")
    text = "double exp(double); double entry(double x) { return exp(x) + 1; }\n"
    shared = build(tmp_path_factory.mktemp("fuzz"), text, "-Wl,-z,now", libraries=["-lm"])
    folder = tmp_path_factory.mktemp("object")
    (folder / "source.c").write_text(text)
    subprocess.run([COMPILER, "-c", "-o", folder / "source.o", folder / "source.c"], check=True)
    return shared, (folder / "source.o").read_bytes()


def survives(read, image):
    """Reading ends, with an answer or with the one error there is."""
    try:
        read(bytes(image))
    except Unloadable:
        return


EDITS = st.tuples(
    # Most of what is read lies at the beginning and in few tables.
    st.sampled_from([64, 512, 1024, 1 << 20]),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([0, 1, 0x7F, 0xFF]) | st.integers(0, 255),
)


@settings(max_examples=1500, deadline=None)
@given(which=st.integers(0, 1), edits=st.lists(EDITS, max_size=6), cut=st.none() | st.floats(0, 1))
def test_damage_anywhere_is_read_without_harm(samples, which, edits, cut):
    image = bytearray(samples[which])
    for limit, where, width, value in edits:
        place = int(where * min(limit, len(image)))
        image[place : place + width] = bytes([value]) * len(image[place : place + width])
    if cut is not None:
        del image[int(cut * len(image)) :]
    survives(check, image)
    survives(undefined_in_object, image)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_harm(content):
    for head in (b"", b"\x7fELF\x02\x01\x01" + bytes(9)):
        survives(check, head + content)
        survives(undefined_in_object, head + content)


def test_every_cut_is_refused(samples):
    shared, relocatable = samples
    for size in range(0, len(shared), 7):
        survives(check, shared[:size])
    with pytest.raises(Unloadable):
        check(shared[: len(shared) // 3])
    assert undefined_in_object(relocatable) == ("exp",)


# What would end the process, or run another's code ------------------------------------------------


def tags(image):
    """Where each entry of the dynamic table lies in the file; an independent, trusting reader."""
    start, count = struct.unpack_from("<Q", image, 32)[0], struct.unpack_from("<H", image, 56)[0]
    for number in range(count):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", image, start + 56 * number)
        if kind == 2:
            places = range(offset, offset + size, 16)
            return {struct.unpack_from("<q", image, place)[0]: place for place in places}
    raise AssertionError("no dynamic table")


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        (20, 5, "unknown wish"),  # DT_PLTREL
        (11, 5, "unknown wish"),  # DT_SYMENT
        (30, 0x10, "unknown wish"),  # DT_FLAGS with DF_STATIC_TLS
        (0x6FFFFFF0, 1 << 40, "lies in no segment"),  # DT_VERSYM
        (0x6FFFFFFE, 1 << 40, "lies in no segment"),  # DT_VERNEED
        (6, 1 << 40, "lies in no segment"),  # DT_SYMTAB
        (3, 0, "not in its data"),  # DT_PLTGOT
    ],
)
def test_values_over_which_the_loader_ends_the_process_are_refused(samples, tag, value, said):
    image = bytearray(samples[0])
    struct.pack_into("<Q", image, tags(image)[tag] + 8, value)
    with pytest.raises(Unloadable, match=said):
        check(bytes(image))


def test_a_table_that_lacks_what_belongs_together_is_refused(samples):
    image = bytearray(samples[0])
    struct.pack_into("<q", image, tags(image)[0x6FFFFFFE], 24)  # DT_VERNEED becomes DT_BIND_NOW
    with pytest.raises(Unloadable, match="belongs together"):
        check(bytes(image))


@needs_compiler
def test_a_name_that_others_could_load_it_by_is_refused(tmp_path):
    image = build(tmp_path, PLAIN, "-Wl,-soname,libstrange.so.9")
    with pytest.raises(Unloadable, match="SONAME"):
        check(image)


def test_a_version_in_odd_digits_is_refused_as_any_other(samples):
    (version,) = inspect(samples[0]).versions
    odd = b"GLIBC_\xb2".ljust(len(version), b"1")  # a superscript two in latin-1
    with pytest.raises(Unloadable, match="a need for GLIBC_"):
        check(samples[0].replace(version.encode() + b"\0", odd + b"\0"))


def headers(image):
    start, count = struct.unpack_from("<Q", image, 32)[0], struct.unpack_from("<H", image, 56)[0]
    return [start + 56 * number for number in range(count)]


def of_kind(image, kind):
    return [place for place in headers(image) if struct.unpack_from("<I", image, place)[0] == kind]


def test_segments_that_overlap_or_descend_are_refused(samples):
    image = bytearray(samples[0])
    first, *_, last = of_kind(image, 1)
    image[first : first + 56], image[last : last + 56] = (
        image[last : last + 56],
        image[first : first + 56],
    )
    with pytest.raises(Unloadable, match="overlap"):
        check(bytes(image))


def test_protecting_memory_that_is_not_its_own_is_refused(samples):
    image = bytearray(samples[0])
    (place,) = of_kind(image, 0x6474E552)
    struct.pack_into("<Q", image, place + 40, 1 << 40)
    with pytest.raises(Unloadable, match="not in its data"):
        check(bytes(image))


@needs_compiler
def test_no_relocation_is_beyond_what_is_read(tmp_path):
    count = 100_050
    text = f"static long v; void *t[] = {{{'&v,' * count}}}; void **entry(void) {{ return t; }}\n"
    image = bytearray(build(tmp_path, text))
    place = tags(image)
    start, size = (struct.unpack_from("<Q", image, place[tag] + 8)[0] for tag in (7, 8))
    struct.pack_into("<Q", image, start + size - 24 + 8, 37)  # the last one: IRELATIVE
    with pytest.raises(Unloadable, match="relocations"):
        check(bytes(image))


@needs_compiler
def test_a_list_of_versions_that_goes_on_and_on_is_refused_at_once(tmp_path):
    text = (
        "double exp(double); double entry(double x) { return exp(x); }\n"
        "const unsigned char room[200000] = {77, 88, 99};\n"
    )
    image = bytearray(build(tmp_path, text, "-Wl,--hash-style=gnu", libraries=["-lm"]))
    room = image.index(bytes([77, 88, 99]) + bytes(1000))
    end = room + 16 * 12_000
    name = inspect(bytes(image)).needed[0].encode() + b"\0"
    place = tags(image)
    library = bytes(image).index(name) - struct.unpack_from("<Q", image, place[5] + 8)[0]
    for entry in range(room, end, 16):  # each names the same entry 65535 times
        struct.pack_into("<HHIII", image, entry, 1, 65535, library, end - entry, 16)
    loads = [struct.unpack_from("<IIQQQQ", image, header) for header in of_kind(image, 1)]
    (address,) = [s[3] + room - s[2] for s in loads if s[2] <= room < s[2] + s[5]]
    struct.pack_into("<Q", image, place[0x6FFFFFFE] + 8, address)
    began = time.monotonic()
    with pytest.raises(Unloadable, match="versions"):
        check(bytes(image))
    assert time.monotonic() - began < 2
