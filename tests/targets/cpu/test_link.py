"""Objects laid out without a linker: what C compilers make of what kernels may hold, and more."""

import ctypes
import errno
import os
import shutil
import struct
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.errors import Unloadable
from emberkeep.startup_records import sha256
from emberkeep.targets.cpu import link as linking
from emberkeep.targets.cpu import load
from emberkeep.targets.cpu.c_library import ALLOWED_SYMBOLS, library_version
from emberkeep.targets.cpu.elf import check
from emberkeep.targets.cpu.link import Unlinkable, link, version_of
from emberkeep.targets.cpu.load import load_shared_object
from emberkeep.targets.cpu.object_file import read_object

COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="lays out x86-64 alone"),
]
OPTIONS = ("-O2", "-fPIC", "-fno-builtin")


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    def build(text, *options):
        folder = tmp_path_factory.mktemp("link")
        (folder / "a.c").write_text(text)
        command = [COMPILER, *OPTIONS, *options, "-c", "-o", folder / "a.o", folder / "a.c"]
        subprocess.run(command, check=True)
        return (folder / "a.o").read_bytes()

    return build


def call(image, *arguments, name="entry"):
    kind = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * len(arguments))
    return kind(load_shared_object(image).address(name))(*arguments)


PROGRAMS = {
    "plain": ("double entry(double x) { return 2 * x; }", 3.0, 6.0),
    "mathematics": (
        (
            "double exp(double), pow(double, double), lgamma(double);"
            "double entry(double x) { return exp(x) + pow(x, 3) + lgamma(x); }"
        ),
        1.0,
        2.718281828459045 + 1.0,
    ),
    "copies": (
        (
            "void *memcpy(void *, const void *, unsigned long);"
            "double entry(double x) { double y; memcpy(&y, &x, 8); return y; }"
        ),
        7.0,
        7.0,
    ),
    "constants": (
        (
            "static const double table[3] = {1.5, 2.5, 3.5};"
            "double entry(double x) { return table[(int)x]; }"
        ),
        2.0,
        3.5,
    ),
    "addresses": (
        (
            "static const double a = 4, b = 5; static const double *const table[2] = {&a, &b};"
            "double entry(double x) { return *table[(int)x]; }"
        ),
        1.0,
        5.0,
    ),
    "addresses of functions outside": (
        (
            "double sin(double), cos(double);"
            "static double (*const table[2])(double) = {sin, cos};"
            "double entry(double x) { return table[1](x); }"
        ),
        0.0,
        1.0,
    ),
    "branches": (
        (
            "double entry(double x) { switch ((int)x) { case 0: return 3; case 1: return 9; "
            "case 2: return 2; case 3: return 8; case 4: return 1; case 5: return 7; } return -1; }"
        ),
        5.0,
        7.0,
    ),
    "variables": (
        "static double held = 40; double entry(double x) { held += x; return held; }",
        2.0,
        42.0,
    ),
    "empty variables": (
        "static double held[5000]; double entry(double x) { held[4999] += x; return held[4999]; }",
        2.0,
        2.0,
    ),
    "a slot for its own": (
        (
            "double given = 11; double inner(double x) { return given + x; }"
            "double entry(double x) { double (*volatile f)(double) = inner; return f(x); }"
        ),
        1.0,
        12.0,
    ),
    "exceptional alignment": (
        (
            "static const double a[8] __attribute__((aligned(4096))) = {6};"
            "double entry(double x) { return a[0] + ((unsigned long)a % 4096) + x; }"
        ),
        1.0,
        7.0,
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_runs_as_it_should(build, name):
    text, argument, expected = PROGRAMS[name]
    image = link(build(text))
    assert check(image).dangers == ()
    assert call(image, argument) == expected


def test_slots_are_also_reached_without_calls(build):
    text = "double exp(double); double entry(double x) { return exp(x) + 1; }"
    image = link(build(text, "-fno-plt"))  # GOTPCRELX
    assert call(image, 0.0) == 2.0


def test_the_same_object_gives_the_same_bytes(build):
    image = build(PROGRAMS["mathematics"][0])
    assert link(image) == link(image)


def test_vector_functions_are_found(build):
    text = (
        "typedef double v __attribute__((vector_size(16))); v _ZGVbN2v_exp(v);"
        "double entry(double x) { v y = {x, x}; return _ZGVbN2v_exp(y)[1]; }"
    )
    image = link(build(text))
    assert check(image).needed == ("libmvec.so.1",)
    assert call(image, 0.0) == 1.0


def test_what_others_offer_under_the_same_name_is_not_called(build):
    """The kernel's own function is called, though the process has one of this name."""
    text = "double y0(double x) { return x + 5; } double entry(double x) { return y0(x); }"
    assert call(link(build(text)), 1.0) == 6.0


def test_only_what_is_visible_is_offered(build):
    text = (
        '__attribute__((visibility("hidden"))) double inner(double x) { return x; }'
        "double other(double x) { return 1; } double entry(double x) { return inner(x); }"
    )
    image = link(build(text))
    assert set(check(image).defined) == {"entry", "other"}
    assert call(image, 3.0, name="other") == 1.0


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no files in memory here")
@pytest.mark.parametrize("name", ["addresses", "variables", "mathematics"])
def test_memory_is_protected(build, name):
    image = link(build(PROGRAMS[name][0] + f"// {name}"))
    call(image, 0.0)
    digest = sha256(image).hexdigest()[:16]
    with open("/proc/self/maps") as file:
        modes = [line.split()[1] for line in file if f"emberkeep-{digest}" in line]
    assert modes.count("r-xp") == 1
    assert modes.count("rw-p") == (name == "variables")


# Versions of functions ----------------------------------------------------------------------------


def symbol(library, name, version=None):
    """What the loader finds: without a version, the newest."""
    own = ctypes.CDLL(None)
    own.dlvsym.restype = own.dlsym.restype = ctypes.c_void_p
    handle, text = ctypes.c_void_p(ctypes.CDLL(library)._handle), name.encode()
    if version is None:
        return own.dlsym(handle, text)
    return own.dlvsym(handle, text, version.encode())


@pytest.mark.skipif(not library_version(), reason="another C library")
def test_every_function_is_wanted_in_the_version_that_a_linker_would_take():
    here = library_version()
    for name in sorted(ALLOWED_SYMBOLS):
        library, version = version_of(name)
        newest = symbol(library, name)
        if newest is None:  # later libraries have it
            assert linking._CHANGED.get(name, (2, 22)) > here or name.startswith("_ZGV"), name
            continue
        assert symbol(library, name, version), (name, version)
        if here <= (2, 42):  # all that the table can know of
            assert symbol(library, name, version) == newest, (name, version)


def test_an_older_library_gets_older_versions(monkeypatch):
    monkeypatch.setattr(linking, "library_version", lambda: (2, 17))
    assert version_of("exp") == ("libm.so.6", "GLIBC_2.2.5")
    assert version_of("memcpy") == ("libc.so.6", "GLIBC_2.14")
    monkeypatch.setattr(linking, "library_version", lambda: (2, 28))
    assert version_of("expf") == ("libm.so.6", "GLIBC_2.27")


# What is not laid out -----------------------------------------------------------------------------

REFUSED = {
    "thread-local variables": (
        "static __thread double t; double entry(double x) { t += x; return t; }",
        (),
    ),
    "a constructor": (
        "__attribute__((constructor)) void begin(void) {} double entry(double x) { return x; }",
        (),
    ),
    "a function chosen at loading": (
        (
            "static double f(double x) { return x; } static void *pick(void) { return (void *)f; }"
            'static double g(double) __attribute__((ifunc("pick")));'
            "double entry(double x) { return g(x); }"
        ),
        (),
    ),
    "absolute addresses in code": (
        "static double v[3]; double *entry(int n) { return v + n; }",
        ("-fno-pic", "-mcmodel=large"),
    ),
    "32-bit addresses in code": (
        "static double v[3]; double *entry(int n) { return v + n; }",
        ("-fno-pic",),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_kernel_needs_is_not_laid_out(build, name):
    text, options = REFUSED[name]
    with pytest.raises(Unlinkable):
        link(build(text, *options))


def test_another_machine(build):
    image = bytearray(build(PROGRAMS["plain"][0]))
    image[18:20] = (183).to_bytes(2, "little")
    with pytest.raises(Unlinkable, match="machine 183"):
        link(bytes(image))


EDITS = st.tuples(
    st.floats(0, 1, exclude_max=True), st.sampled_from([1, 2, 4]), st.integers(0, 255)
)


@settings(max_examples=300, deadline=None)
@given(edits=st.lists(EDITS, max_size=5))
def test_damaged_objects_are_refused_or_laid_out_and_nothing_else(build, edits):
    image = bytearray(damaged_sample(build))
    for where, width, value in edits:
        place = int(where * len(image))
        image[place : place + width] = bytes([value]) * len(image[place : place + width])
    try:
        if sum(section.size for section in read_object(bytes(image)).sections) < 1 << 24:
            check(link(bytes(image)))
    except (Unlinkable, Unloadable):
        return


_samples = []


def damaged_sample(build):
    if not _samples:
        _samples.append(build(PROGRAMS["addresses of functions outside"][0]))
    return _samples[0]


# No folder and no program -------------------------------------------------------------------------

KERNEL = """
import sys, tempfile, errno
import numpy as np
import emberkeep

def refuse(*arguments, **named):
    raise OSError(errno.ENOSPC, "No space left on device")

for name in ("mkstemp", "mkdtemp", "gettempdir", "NamedTemporaryFile", "TemporaryFile"):
    setattr(tempfile, name, refuse)

@emberkeep.kernel("float64[::1]", keep=emberkeep.Keep(sys.argv[1]), threads=1)
def double(i, x):
    x[i] = 2 * np.exp(x[i])

x = np.zeros(3)
double(x, count=3)
print(x.tolist())
"""


@pytest.mark.parametrize("folder", ["missing", "a file"])
def test_a_kernel_is_compiled_without_room_and_without_tools(tmp_path, folder):
    (tmp_path / "a file").touch()
    environ = {**os.environ, "TMPDIR": str(tmp_path / folder), "PATH": "/nowhere"}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", KERNEL, str(tmp_path / "keep")],
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    assert ran.stdout.strip() == "[2.0, 2.0, 2.0]", ran.stderr[-2000:]


def test_a_full_folder_is_not_the_last_one(build, monkeypatch, tmp_path):
    """Where there are no files in memory, and the first folder is full or missing."""
    (tmp_path / "full").mkdir()
    written = load._write

    def full(file, content):
        if "full" in os.readlink(f"/proc/self/fd/{file}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        written(file, content)

    monkeypatch.setattr(load, "_write", full)
    monkeypatch.delattr(os, "memfd_create")
    for number, folder in enumerate(("full", "missing")):
        monkeypatch.setenv("TMPDIR", str(tmp_path / folder))
        image = link(build(f"double entry(double x) {{ return x + {number} + 0.5; }}"))
        assert call(image, 1.0) == 1.5 + number
    assert os.listdir(tmp_path / "full") == []
    monkeypatch.setattr(load, "_temporary_folders", lambda: (str(tmp_path / "full"),))
    with pytest.raises(Unloadable, match="No space left"):
        load_shared_object(link(build("double entry(double x) { return x + 99; }")))


def test_sections_say_where_their_addresses_go(build):
    found = read_object(build(PROGRAMS["addresses"][0]))
    (table,) = [part for part in found.sections if part.name.startswith(".data.rel.ro")]
    assert [relocation.kind for relocation in table.relocations] == [1, 1]
    assert struct.calcsize("P") == table.relocations[1].offset - table.relocations[0].offset
