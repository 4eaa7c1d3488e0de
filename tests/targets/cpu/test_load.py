"""Loading: what was checked is what runs, whatever happens to files and descriptors."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from emberkeep.errors import Unloadable
from emberkeep.targets.cpu import load
from emberkeep.targets.cpu.load import load_object_llvmlite, load_shared_object

COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here")


@pytest.fixture
def build(tmp_path):
    def make(number, shared=True):
        source, result = tmp_path / f"{number}.c", tmp_path / f"{number}.out"
        source.write_text(f"long entry(void) {{ return {number}; }}\n")
        options = ["-shared", "-nostdlib", "-Wl,-z,noexecstack"] if shared else ["-c"]
        command = [COMPILER, "-O2", "-fPIC", *options, "-o", result, source]
        subprocess.run(command, check=True)
        return result.read_bytes()

    return make


def call(address):
    return ctypes.CFUNCTYPE(ctypes.c_long)(address)()


def test_equal_names_in_many_objects_run_their_own_code(build):
    addresses = {n: load_shared_object(build(n)).address("entry") for n in range(20)}
    assert {n: call(address) for n, address in addresses.items()} == {n: n for n in range(20)}


def test_descriptors_that_are_closed_and_opened_around_it_change_nothing(build):
    first = load_shared_object(build(100)).address("entry")
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
    for file in files:
        os.close(file)
    second = load_shared_object(build(101)).address("entry")
    assert (call(first), call(second)) == (100, 101)


def test_the_same_image_is_loaded_once(build):
    image = build(200)
    assert load_shared_object(image) is load_shared_object(bytes(bytearray(image)))


def test_a_function_of_a_library_it_needs_is_not_its_own(build):
    with pytest.raises(Unloadable, match="no function 'exp'"):
        load_shared_object(build(300)).address("exp")


def test_what_is_loaded_cannot_be_changed(build):
    load_shared_object(build(400))
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    digest_named = [
        path for path in paths if os.path.lexists(path) and "emberkeep-" in os.readlink(path)
    ]
    assert digest_named
    for path in digest_named:
        with pytest.raises(OSError, match=r"not permitted|denied"), open(path, "r+b") as file:
            file.write(b"x")


def test_without_files_in_memory_a_private_one_is_used_and_gone(build, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)

    def none(*arguments):
        raise OSError("no such system call")

    monkeypatch.setattr(os, "memfd_create", none)
    address = load_shared_object(build(500)).address("entry")
    assert call(address) == 500
    assert os.listdir(tmp_path / "scratch") == []
    monkeypatch.setattr("tempfile.tempdir", None)


def test_many_threads_load_at_once(build):
    images = {n: build(n) for n in range(600, 608)}
    results = []

    def work(number):
        results.extend(
            (number, call(load_shared_object(images[number]).address("entry"))) for _ in range(20)
        )

    threads = [threading.Thread(target=work, args=(n,)) for n in images for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 320
    assert all(number == got for number, got in results)


def test_a_forked_child_runs_and_loads(build):
    address, other = load_shared_object(build(700)).address("entry"), build(701)
    child = os.fork()
    if child == 0:
        same = call(address) == 700 and call(load_shared_object(other).address("entry")) == 701
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_cut_image_never_reaches_the_loader(build, monkeypatch):
    image = build(800)

    def opened(*arguments):
        raise AssertionError("the loader was asked")

    monkeypatch.setattr(load, "_open", opened)
    for size in range(0, len(image) // 2, 61):
        with pytest.raises(Unloadable):
            load_shared_object(image[:size])


def test_an_object_file_runs_where_there_was_no_linker(build):
    assert call(load_object_llvmlite(build(900, shared=False), "entry")) == 900
    with pytest.raises(Unloadable, match="no object file"):
        load_object_llvmlite(b"\x7fELF" + bytes(100), "entry")


def test_an_object_file_that_calls_anything_is_refused(tmp_path):
    (tmp_path / "a.c").write_text("int system(const char *); int entry(void) { return system(0); }")
    subprocess.run([COMPILER, "-c", "-o", tmp_path / "a.o", tmp_path / "a.c"], check=True)
    with pytest.raises(Unloadable, match="system"):
        load_object_llvmlite((tmp_path / "a.o").read_bytes(), "entry")


def test_damage_to_random_bytes_never_ends_a_process_that_checks(build, tmp_path, report):
    """Past the digest's guard even: of 300 damaged images, those that pass are not called."""
    (tmp_path / "image.so").write_bytes(build(1000))
    program = """
import random, sys
from emberkeep.errors import Unloadable
from emberkeep.targets.cpu.elf import check
image = open(sys.argv[1], "rb").read()
choose = random.Random(5)
refused = 0
for _ in range(300):
    damaged = bytearray(image)
    damaged[choose.randrange(len(damaged))] ^= 1 << choose.randrange(8)
    try:
        check(bytes(damaged))
    except Unloadable:
        refused += 1
print(refused)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "image.so"],
        capture_output=True,
        text=True,
        check=True,
    )
    report(damaged_images=300, refused_by_their_form=int(ran.stdout))


def test_the_number_of_a_file_that_others_closed_is_not_used_again(build):
    """As daemons do, which close all files: the loader would give the library it knows."""
    first = load_shared_object(build(1100)).address("entry")
    for name in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{name}"
        if os.path.lexists(path) and "emberkeep-" in os.readlink(path):
            os.close(int(name))
    others = [load_shared_object(build(number)).address("entry") for number in range(1101, 1106)]
    assert call(first) == 1100
    assert [call(address) for address in others] == [1101, 1102, 1103, 1104, 1105]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # a fork beside a thread
def test_a_child_forked_while_another_thread_loads_can_load(build):
    image, held, done = build(1200), threading.Event(), threading.Event()

    def hold():
        with load._process.lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if call(load_shared_object(image).address("entry")) == 1200 else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    done.set()
    thread.join()
    assert status == 0


def test_an_object_file_that_calls_what_is_not_here_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("llvmlite")
    name = "_ZGVbN2v_absent"
    (tmp_path / "a.c").write_text(
        f"double {name}(double); double entry(double x) {{ return {name}(x); }}"
    )
    subprocess.run([COMPILER, "-c", "-o", tmp_path / "a.o", tmp_path / "a.c"], check=True)
    monkeypatch.setattr(load, "ALLOWED_SYMBOLS", load.ALLOWED_SYMBOLS | {name})
    with pytest.raises(Unloadable, match=f"No library here has {name}"):
        load_object_llvmlite((tmp_path / "a.o").read_bytes(), "entry")
