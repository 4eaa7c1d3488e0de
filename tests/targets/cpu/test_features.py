"""The processor's features against LLVM's own answer, on this machine and on emulated ones."""

import os
import shutil
import subprocess
import sys

import pytest

from emberkeep.targets.cpu import features
from emberkeep.targets.cpu.features import LEVELS, Host, host, missing

QEMU = shutil.which("qemu-x86_64")
needs_x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="this is no x86-64")
needs_qemu = pytest.mark.skipif(QEMU is None, reason="qemu-user is not installed")

PROGRAM = """
from emberkeep.targets.cpu.features import _BITS, host
import llvmlite.binding as llvm
theirs, here = llvm.get_host_cpu_features(), host()
ours = {name for names in _BITS.values() for name in names.values()} & set(theirs)
assert len(ours) > 40, ours
print(sorted(name for name in ours if (name in here.features) != theirs[name]))
print(here.vendor, here.family, here.model)
print(",".join(here.features))
"""


def ask(*prefix):
    """What a fresh process says: where it and LLVM differ, who it is, and its features."""
    pytest.importorskip("llvmlite")
    command = [*prefix, sys.executable, "-c", PROGRAM]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert ran.returncode == 0, ran.stderr[-2000:]
    differences, identity, names = ran.stdout.splitlines()
    return differences, identity, set(names.split(","))


@needs_x86
def test_llvm_says_the_same_of_this_machine():
    differences, _, names = ask()
    assert differences == "[]"
    assert names == set(host().features)


@needs_x86
@needs_qemu
@pytest.mark.parametrize(
    ("processor", "identity", "level", "lacks"),
    [
        # Families and models as Intel and AMD publish them, not as we compute them.
        ("Nehalem", "GenuineIntel 6 26", "x86-64-v2", {"avx", "fma", "avx2", "movbe", "lzcnt"}),
        ("Haswell", "GenuineIntel 6 60", "x86-64-v3", {"avx512f", "sse4a", "adx"}),
        ("Opteron_G3", "AuthenticAMD 16 2", "x86-64", {"ssse3", "sse4.1", "sse4.2", "avx"}),
        ("max", None, "x86-64-v3", {"avx512f"}),
    ],
)
def test_llvm_says_the_same_of_an_emulated_one(processor, identity, level, lacks):
    """The system's files tell of the machine beneath the emulator; the processor does not."""
    differences, found, names = ask(QEMU, "-cpu", processor)
    assert differences == "[]"
    assert identity in (None, found)
    assert not set(LEVELS[level]) - names
    assert not lacks & names


# A processor made of numbers: what no machine at hand is ------------------------------------------

LEAVES = {
    (0, 0): (7, 0x756E6547, 0x6C65746E, 0x49656E69),  # 7 leaves, "Genu" "ntel" "ineI"
    (1, 0): (0x000906EA, 0, 1 << 27 | 1 << 28 | 1 << 12 | 1 << 20, 0),
    (7, 0): (0, 1 << 5 | 1 << 16 | 1 << 3, 0, 0),
    (7, 1): (1 << 5, 0, 0, 0),
    (0x80000000, 0): (0x80000001, 0, 0, 0),
    (0x80000001, 0): (0, 0, 1 << 5, 0),
}


@pytest.fixture
def made_of(monkeypatch):
    def make(state, leaves=LEAVES):
        def cpuid(leaf, subleaf):
            return leaves.get((leaf, subleaf), (0, 0, 0, 0))

        monkeypatch.setattr(features, "_processor_questions", lambda: (cpuid, lambda: state))
        return features._ask_x86()

    return make


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (0xE7, ("avx", "avx2", "avx512f", "bmi", "fma", "lzcnt", "sse4.2")),
        (0x07, ("avx", "avx2", "bmi", "fma", "lzcnt", "sse4.2")),
        (0x67, ("avx", "avx2", "bmi", "fma", "lzcnt", "sse4.2")),  # the upper registers are lost
        (0x03, ("bmi", "lzcnt", "sse4.2")),
    ],
)
def test_what_the_system_does_not_save_may_not_be_used(made_of, state, expected):
    assert made_of(state).features == expected


def test_without_consent_to_ask_no_vector_state_is_assumed(made_of):
    leaves = {**LEAVES, (1, 0): (0x906EA, 0, 1 << 28 | 1 << 12 | 1 << 20, 0)}
    assert made_of(0xE7, leaves).features == ("bmi", "lzcnt", "sse4.2")


def test_family_and_model_are_put_together_as_intel_says(made_of):
    here = made_of(0xE7)
    assert (here.vendor, here.family, here.model, here.stepping) == ("GenuineIntel", 6, 158, 10)
    milan = {**LEAVES, (1, 0): (0x00A00F11, 0, 0, 0)}
    here = made_of(0, milan)
    assert (here.family, here.model, here.stepping) == (25, 1, 1)


def test_leaves_that_do_not_exist_are_not_believed(made_of):
    leaves = {**LEAVES, (0, 0): (1, *LEAVES[0, 0][1:]), (0x80000000, 0): (0, 0, 0, 0)}
    assert made_of(0xE7, leaves).features == ("avx", "fma", "sse4.2")
    # bf16 is in subleaf 1, which the leaf itself says does not exist.
    assert "avx512bf16" not in made_of(0xE7).features


# Where the processor cannot be asked --------------------------------------------------------------


def refuse(*arguments):
    raise PermissionError("refused for a test")


@needs_x86
@pytest.mark.parametrize("place", ["os.memfd_create", "mmap.mmap"])
def test_where_new_code_is_refused_the_system_is_asked(monkeypatch, place):
    monkeypatch.setattr(place, refuse)
    monkeypatch.setattr(features._machine, "processor", None)
    assert features._processor_questions() is None
    assert host().architecture == "x86-64"
    assert host() == features._from_system()


def test_another_architecture_promises_nothing(monkeypatch):
    other = os.uname_result(("Linux", "here", "6.1", "1", "aarch64"))
    monkeypatch.setattr(os, "uname", lambda: other)
    monkeypatch.setattr(features._machine, "processor", None)
    assert host() == Host("aarch64", "", 0, 0, 0, ())
    assert missing(LEVELS["x86-64-v2"], host()) == LEVELS["x86-64-v2"]


@needs_x86
def test_no_page_is_writeable_and_executable():
    """In a fresh process: others' libraries may map what they like."""
    program = (
        "from emberkeep.targets.cpu.features import host; host()\n"
        "print(*[line.split()[1] for line in open('/proc/self/maps') if 'emberkeep' in line])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    (permissions,) = ran.stdout.split()
    assert permissions == "r-xp"


@needs_x86
def test_the_page_cannot_be_written_through_a_descriptor_either():
    program = (
        "import os\n"
        "from emberkeep.targets.cpu.features import host; host()\n"
        "paths = ['/proc/self/fd/' + name for name in os.listdir('/proc/self/fd')]\n"
        "(path,) = [p for p in paths if os.path.lexists(p) and 'emberkeep' in os.readlink(p)]\n"
        "try:\n    os.write(os.open(path, os.O_RDWR), b'x')\n"
        "except PermissionError:\n    print('refused')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "refused"


@needs_x86
def test_asking_imports_nothing_slow():
    program = (
        "import sys; before = set(sys.modules)\n"
        "from emberkeep.targets.cpu.features import host; host()\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    slow = {"json", "re", "typing", "dataclasses", "enum", "pathlib", "hashlib", "numpy", "numba"}
    assert not slow & set(ran.stdout.split())
