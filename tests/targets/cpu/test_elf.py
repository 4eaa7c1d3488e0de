"""What is refused before the loader sees it; made with the system's compiler."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.errors import Unloadable
from emberkeep.targets.cpu.elf import ALLOWED_SYMBOLS, check, inspect, library_version
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
    shared = build(tmp_path_factory.mktemp("fuzz"), text, libraries=["-lm"])
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
