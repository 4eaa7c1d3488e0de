import hashlib
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from emberkeep.keys import libraries
from emberkeep.keys.libraries import (
    CUDA_ROLES,
    cuda_libraries,
    file_digest,
    identify,
    mapped_libraries,
    read_build_id,
    svml_libraries,
)

BUILD_ID = bytes(range(20))


def note(name, kind, content, step=4):
    def padded(data):
        return data + b"\0" * (-len(data) % step)

    # The header counts towards the alignment of the name.
    head = struct.pack("<III", len(name), len(content), kind) + name
    return padded(head) + padded(content)


def elf(notes, *, wide=True, order="<", alignment=4):
    """The smallest file with one segment of notes."""
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + b"\0" * 9
    if wide:
        header = struct.pack(f"{order}HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        segment = struct.pack(f"{order}IIQQQQQQ", 4, 4, 120, 0, 0, len(notes), 0, alignment)
    else:
        header = struct.pack(f"{order}HHIIIIIHHHHHH", 3, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
        segment = struct.pack(f"{order}IIIIIIII", 4, 84, 0, 0, len(notes), 0, 4, alignment)
    return ident + header + segment + notes


@pytest.fixture
def file(tmp_path):
    def write(content, name="lib.so"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)

    return write


class TestBuildIds:
    @pytest.mark.parametrize("wide", [True, False])
    def test_both_classes(self, file, wide):
        assert read_build_id(file(elf(note(b"GNU\0", 3, BUILD_ID), wide=wide))) == BUILD_ID.hex()

    def test_the_other_byte_order(self, file):
        notes = struct.pack(">III", 4, 20, 3) + b"GNU\0" + BUILD_ID
        assert read_build_id(file(elf(notes, order=">"))) == BUILD_ID.hex()

    def test_behind_other_notes(self, file):
        notes = (
            note(b"GNU\0", 1, b"abc") + note(b"Other\0", 3, b"wrong") + note(b"GNU\0", 3, BUILD_ID)
        )
        assert read_build_id(file(elf(notes))) == BUILD_ID.hex()

    def test_behind_a_property_note_of_alignment_eight(self, file):
        notes = note(b"GNU\0", 5, b"x" * 12, step=8) + note(b"GNU\0", 3, BUILD_ID, step=8)
        assert read_build_id(file(elf(notes, alignment=8))) == BUILD_ID.hex()

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x7fELF",
            b"\x7fELF\3\1" + b"\0" * 58,
            b"BC\xc0\xde" + b"\0" * 100,
            elf(b""),
            elf(note(b"GNU\0", 3, BUILD_ID))[:130],
            elf(note(b"GNU\0", 3, BUILD_ID))[:90],
            elf(note(b"GNU\0", 3, b"\0")),
            b"\x7fELF\2\1" + b"\xff" * 58,
        ],
    )
    def test_none_in_other_or_damaged_files(self, file, content):
        path = file(content)
        assert read_build_id(path) is None
        assert identify(path) == f"sha256:{hashlib.sha256(content).hexdigest()}"

    def test_agrees_with_readelf(self, tmp_path):
        compiler, reader = shutil.which("gcc") or shutil.which("cc"), shutil.which("readelf")
        if compiler is None or reader is None:
            pytest.skip("no C compiler or no readelf here")
        source, library = tmp_path / "a.c", tmp_path / "a.so"
        source.write_text("int answer(void) { return 42; }")
        command = [compiler, "-shared", "-fPIC", "-Wl,--build-id=sha1", source, "-o", library]
        subprocess.run(command, check=True)
        shown = subprocess.run([reader, "-n", library], capture_output=True, text=True, check=True)
        assert f"Build ID: {read_build_id(str(library))}" in shown.stdout

    def test_the_real_llvmlite_is_not_read_whole(self):
        from emberkeep.keys.distributions import locate_package

        folder = locate_package("llvmlite").folders[0]
        assert identify(f"{folder}/binding/libllvmlite.so").startswith("gnu-build-id:")


class TestIdentities:
    def test_the_size_tells_what_was_patched_after_linking(self, file):
        content = elf(note(b"GNU\0", 3, BUILD_ID))
        assert identify(file(content)) != identify(file(content + b"patched", "other.so"))

    def test_a_changed_file_changes_it(self, file):
        path = file(b"one")
        before = identify(path)
        assert identify(file(b"two")) != before

    def test_a_change_with_restored_times_is_seen(self, file):
        path = file(b"one")
        status = Path(path).stat()
        before = file_digest(path)
        file(b"two")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert file_digest(path) != before

    def test_settled_files_are_hashed_once(self, file, monkeypatch):
        path = file(b"one")
        monkeypatch.setattr(libraries, "SETTLED_NS", -1)
        hashed = []
        monkeypatch.setattr(
            libraries, "_hash_content", lambda path: hashed.append(path) or "digest"
        )
        assert file_digest(path) == file_digest(path) == "digest"
        assert hashed == [path]

    def test_an_unreadable_file_is_named_so(self, tmp_path):
        assert identify(str(tmp_path / "missing.so")) == "unreadable"


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine without CUDA: nothing of the real one is seen."""
    site = tmp_path / "site"
    site.mkdir()
    for variable in ("CONDA_PREFIX", "CUDA_HOME", "CUDA_PATH", "LD_LIBRARY_PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sys, "path", [str(site)])
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(libraries, "SYSTEM_CUDA", str(tmp_path / "cuda"))
    monkeypatch.setattr(libraries, "LINKER_CACHE", str(tmp_path / "ld.so.cache"))
    return tmp_path


def found():
    return [(library.role, library.name) for library in cuda_libraries()]


class TestCuda:
    def test_nothing_where_there_is_none(self, bare):
        assert found() == []

    @pytest.mark.parametrize(
        ("place", "role"),
        [
            ("site/nvidia/cuda_nvcc/nvvm/lib64/libnvvm.so", "nvvm"),
            ("site/nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc", "libdevice"),
            ("site/nvidia/nvjitlink/lib/libnvJitLink.so.12", "nvjitlink"),
            ("site/nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "nvrtc"),
            ("site/nvidia/cuda_nvrtc/lib/libnvrtc-builtins.so.12.4", "nvrtc-builtins"),
            ("site/nvidia/cuda_runtime/lib/libcudadevrt.a", "cudadevrt"),
            ("site/nvidia/cu13/lib/libnvvm.so.4", "nvvm"),
            ("site/nvidia/cu13/nvvm/libdevice/libdevice.10.bc", "libdevice"),
            ("site/nvidia/cu13/lib/libnvJitLink.so.13", "nvjitlink"),
            ("site/nvidia/cu13/lib/libnvrtc.so.13", "nvrtc"),
            ("conda/lib/libnvrtc.so.12", "nvrtc"),
            ("conda/nvvm/lib64/libnvvm.so.4", "nvvm"),
            ("conda/nvvm/libdevice/libdevice.10.bc", "libdevice"),
            ("conda/targets/x86_64-linux/lib/libnvJitLink.so.12", "nvjitlink"),
            ("home/nvvm/lib64/libnvvm.so", "nvvm"),
            ("home/lib64/libnvrtc.so.12", "nvrtc"),
            ("path/nvvm/libdevice/libdevice.10.bc", "libdevice"),
            ("cuda/lib64/libnvJitLink.so.12", "nvjitlink"),
            ("cuda/nvvm/lib64/libnvvm.so", "nvvm"),
            ("loader/libnvvm.so.4", "nvvm"),
        ],
    )
    def test_every_layout(self, bare, file, monkeypatch, place, role):
        monkeypatch.setenv("CONDA_PREFIX", str(bare / "conda"))
        monkeypatch.setenv("CUDA_HOME", str(bare / "home"))
        monkeypatch.setenv("CUDA_PATH", str(bare / "path"))
        monkeypatch.setenv("LD_LIBRARY_PATH", str(bare / "loader"))
        file(b"content", place)
        assert found() == [(role, Path(place).name)]

    def test_an_active_conda_without_its_variable(self, bare, file):
        (bare / "prefix" / "conda-meta").mkdir(parents=True)
        file(b"content", "prefix/lib/libnvrtc.so.12")
        assert found() == [("nvrtc", "libnvrtc.so.12")]

    def test_the_linkers_cache(self, bare, file):
        path = file(b"content", "usr/lib/libnvvm.so.4")
        file(f"libnvvm.so.4\0{path}\0libother.so\0/usr/lib/libother.so\0".encode(), "ld.so.cache")
        assert found() == [("nvvm", "libnvvm.so.4")]

    def test_all_candidates_in_search_order(self, bare, file, monkeypatch):
        file(b"system", "cuda/nvvm/lib64/libnvvm.so")
        file(b"wheel", "site/nvidia/cu13/lib/libnvvm.so.4")
        file(b"home", "home/nvvm/lib64/libnvvm.so")
        monkeypatch.setenv("CUDA_HOME", str(bare / "home"))
        expected = [
            f"sha256:{hashlib.sha256(c).hexdigest()}" for c in (b"wheel", b"home", b"system")
        ]
        assert [library.identity for library in cuda_libraries()] == expected

    def test_links_and_copies_count_once(self, bare, file):
        path = file(b"content", "cuda/lib64/libnvvm.so.4.0.0")
        (bare / "cuda/lib64/libnvvm.so.4").symlink_to(path)
        (bare / "cuda/lib").symlink_to(bare / "cuda/lib64")
        file(b"content", "cuda/nvvm/lib64/libnvvm.so")
        assert len(cuda_libraries()) == 1

    def test_the_place_is_no_part_of_the_identity(self, bare, file, monkeypatch):
        file(b"content", "site/nvidia/cu13/lib/libnvvm.so.4")
        here = [library.identity for library in cuda_libraries()]
        (bare / "site").rename(bare / "elsewhere")
        monkeypatch.setattr(sys, "path", [str(bare / "elsewhere")])
        assert [library.identity for library in cuda_libraries()] == here

    def test_another_cuda_home_changes_it(self, bare, file, monkeypatch):
        for version in (b"12", b"13"):
            file(version, f"home{version.decode()}/nvvm/libdevice/libdevice.10.bc")
        monkeypatch.setenv("CUDA_HOME", str(bare / "home12"))
        before = [library.identity for library in cuda_libraries()]
        monkeypatch.setenv("CUDA_HOME", str(bare / "home13"))
        assert [library.identity for library in cuda_libraries()] != before


class TestVectorMathematics:
    def test_found_beside_python_or_for_the_loader(self, bare, file, monkeypatch):
        assert svml_libraries() == ()
        file(b"one", "prefix/lib/libsvml.so")
        assert len(svml_libraries()) == 1
        file(b"two", "loader/libsvml.so")
        monkeypatch.setenv("LD_LIBRARY_PATH", str(bare / "loader"))
        assert len(svml_libraries()) == 2


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc here")
class TestMapped:
    def test_what_this_process_has_loaded(self):
        mapped = mapped_libraries({"c": "libc.so"}) or mapped_libraries({"c": "ld-"})
        assert mapped
        assert all(library.role == "c" for library in mapped)
        assert all(library.identity != "unreadable" for library in mapped)

    def test_no_cuda_here_means_none(self):
        assert mapped_libraries({"cuda": "libno-such-thing.so"}) == ()
        assert set(CUDA_ROLES) >= {"nvvm", "libdevice", "nvjitlink", "nvrtc"}
