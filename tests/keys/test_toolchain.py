import importlib
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from emberkeep.errors import Unkeyable
from emberkeep.keys import drift
from emberkeep.keys import toolchain as module
from emberkeep.keys.toolchain import toolchain


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return folder


def install(site, name, version, content="", *, package=None):
    metadata = site / f"{name}-{version}.dist-info"
    metadata.mkdir(parents=True)
    folder = site / (package or name)
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").write_text(content)
    metadata.joinpath("RECORD").write_text(f"{folder.name}/__init__.py,,\n")
    importlib.invalidate_caches()
    return metadata


def package(name, **options):
    return toolchain((name,), **options).ingredients["packages"][name]


def run(code, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


class TestPackages:
    def test_an_installed_one_is_told_by_its_version(self, site):
        install(site, "lib", "1.0")
        assert package("lib") == {"version": "1.0"}

    def test_a_missing_one_is_absent(self, site):
        assert package("nobody-has-this") == {"version": "absent"}

    def test_another_version_is_another_toolchain(self, site):
        metadata = install(site, "lib", "1.0")
        metadata.rename(site / "lib-1.1.dist-info")
        assert package("lib") == {"version": "1.1"}

    def test_a_package_of_another_name_than_its_distribution(self, site):
        install(site, "PyYUML", "6.0", package="yuml")
        assert package("yuml") == {"version": "6.0"}
        assert package("PyYUML") == {"version": "6.0"}

    def test_a_package_within_a_namespace_is_told_by_its_version(self, site):
        metadata = install(site, "space_inner", "1.0", package="space_inner")
        (site / "space").mkdir()
        (site / "space_inner").rename(site / "space" / "inner")
        importlib.invalidate_caches()
        keyed = toolchain(("space.inner",))
        assert keyed.ingredients["packages"]["space.inner"] == {"version": "1.0"}
        importlib.import_module("space.inner")
        assert keyed.drift() == ()
        metadata.rename(site / "space_inner-2.0.dist-info")
        assert keyed.drift()

    def test_an_editable_one_is_its_contents(self, site):
        metadata = install(site, "lib", "1.0")
        metadata.joinpath("direct_url.json").write_text('{"dir_info": {"editable": true}}')
        before = package("lib")
        assert before["version"] == "1.0"
        (site / "lib" / "deep").mkdir()
        (site / "lib" / "deep" / "more.py").write_text("x = 1")
        assert package("lib") != before

    def test_an_editable_one_that_cannot_be_found_is_refused(self, site):
        metadata = install(site, "lib", "1.0", package="other")
        metadata.joinpath("direct_url.json").write_text('{"dir_info": {"editable": true}}')
        with pytest.raises(Unkeyable, match="Name the package as it is imported"):
            package("lib")

    def test_an_unowned_one_is_its_contents_and_its_libraries(self, site):
        (site / "mine").mkdir()
        (site / "mine" / "__init__.py").write_text("")
        (site / "mine" / "fast.cpython-311-x86_64-linux-gnu.so").write_bytes(b"native")
        importlib.invalidate_caches()
        before = package("mine")
        assert before["version"] == "unknown"
        assert len(before["libraries"]) == 1
        (site / "mine" / "fast.cpython-311-x86_64-linux-gnu.so").write_bytes(b"other!")
        after = package("mine")
        assert after["contents"] == before["contents"]
        assert after["libraries"] != before["libraries"]

    def test_an_unowned_module_is_its_bytes(self, site):
        (site / "mine.py").write_text("x = 1")
        importlib.invalidate_caches()
        before = package("mine")
        (site / "mine.py").write_text("x = 2")
        assert package("mine") != before

    def test_a_shadowed_one_is_its_contents(self, site, tmp_path):
        """A patched llvmlite put before the installed one: its metadata lies."""
        install(site, "llvmlite", "0.1")
        assert package("llvmlite") == {"version": "0.1"}
        patched = tmp_path / "patched"
        (patched / "llvmlite" / "binding").mkdir(parents=True)
        (patched / "llvmlite" / "__init__.py").write_text("patched = True")
        (patched / "llvmlite" / "binding" / "libllvmlite.so").write_bytes(b"native")
        sys.path.insert(0, str(patched))
        found = package("llvmlite")
        assert found["contents"].startswith("sha256:")
        assert found["libllvmlite.so"].startswith("sha256:")
        assert len(found["libraries"]) == 1

    def test_caches_and_hidden_files_are_no_contents(self, site):
        (site / "mine" / "__pycache__").mkdir(parents=True)
        (site / "mine" / "__init__.py").write_text("")
        importlib.invalidate_caches()
        before = package("mine")
        (site / "mine" / "__pycache__" / "a.py").write_text("x")
        (site / "mine" / ".#__init__.py").symlink_to("nowhere")
        (site / "mine" / "notes.txt").write_text("x")
        assert package("mine") == before

    def test_the_same_contents_elsewhere_are_the_same(self, site):
        (site / "mine").mkdir()
        (site / "mine" / "__init__.py").write_text("x = 1")
        importlib.invalidate_caches()
        before = package("mine")
        elsewhere = site.rename(site.parent / "elsewhere")
        sys.path[0] = str(elsewhere)
        assert package("mine") == before

    def test_one_llvmlite_on_another_llvm_is_another(self, site):
        install(site, "llvmlite", "0.1")
        (site / "llvmlite" / "binding").mkdir()
        library = site / "llvmlite" / "binding" / "libllvmlite.so"
        library.write_bytes(b"from PyPI")
        before = package("llvmlite")
        library.write_bytes(b"from conda")
        assert package("llvmlite") != before


class TestRest:
    def test_python_is_told_by_its_bytecode(self):
        python = toolchain(()).ingredients["python"]
        assert python["bytecode"] == sys.implementation.cache_tag
        assert python["implementation"] == sys.implementation.name
        assert python["machine"] == os.uname().machine

    def test_only_what_was_asked_for(self):
        assert set(toolchain(()).ingredients) == {"python", "packages"}
        everything = toolchain(cuda=True, own=("emberkeep.errors",)).ingredients
        assert set(everything) == {"python", "packages", "numba", "cuda", "own code"}

    @pytest.mark.parametrize("name", ["numba", "numba-cuda", "numba_cuda"])
    def test_numba_brings_its_settings(self, name, monkeypatch):
        before = toolchain((name,)).ingredients
        monkeypatch.setenv("NUMBA_OPT", "1")
        assert toolchain((name,)).ingredients["numba"]["settings"]["NUMBA_OPT"] == "1"
        assert toolchain((name,)).ingredients != before
        assert "numba" not in toolchain(("numpy",)).ingredients

    def test_cudas_libraries_count(self, tmp_path, monkeypatch):
        monkeypatch.setenv("CUDA_HOME", str(tmp_path))
        before = toolchain((), cuda=True).ingredients
        (tmp_path / "nvvm" / "libdevice").mkdir(parents=True)
        (tmp_path / "nvvm" / "libdevice" / "libdevice.10.bc").write_bytes(b"bitcode")
        assert toolchain((), cuda=True).ingredients["cuda"] != before["cuda"]

    @pytest.mark.parametrize("variable", ["PATH", "LIBRARY_PATH", "LD_RUN_PATH", "TMPDIR"])
    def test_what_no_build_uses_does_not_count(self, variable, tmp_path, monkeypatch):
        """`module load gcc` brings another `ld`, which nothing here calls."""
        for tool in ("ld", "cc"):
            (tmp_path / tool).write_bytes(b"another")
            (tmp_path / tool).chmod(0o755)
        before = toolchain(cuda=True, own=("emberkeep.targets",)).ingredients
        monkeypatch.setenv(variable, f"{tmp_path}:{os.environ.get(variable, '')}")
        assert toolchain(cuda=True, own=("emberkeep.targets",)).ingredients == before


class TestOwnCode:
    @pytest.fixture
    def checkout(self, tmp_path, monkeypatch):
        """A package of somebody's, whose kernels are written by its `codegen`."""
        root = tmp_path
        (root / "engine" / "codegen").mkdir(parents=True)
        (root / "engine" / "codegen" / "emit.py").write_text("x = 1")
        (root / "engine" / "other.py").write_text("x = 1")
        (root / "engine" / "__init__.py").write_text("")
        monkeypatch.syspath_prepend(tmp_path)
        return root

    def own(self, *names):
        return toolchain((), own=names).ingredients["own code"]

    def test_an_edited_checkout_counts(self, checkout):
        before = self.own("engine.codegen", "engine.other")
        (checkout / "engine" / "codegen" / "emit.py").write_text("x = 2")
        after = self.own("engine.codegen", "engine.other")
        assert after["engine.codegen"] != before["engine.codegen"]
        assert after["engine.other"] == before["engine.other"]

    @pytest.mark.parametrize("name", ["new.py", "template.cuh"])
    def test_new_files_and_files_of_any_kind_count(self, checkout, name):
        before = self.own("engine")
        (checkout / "engine" / name).write_text("")
        assert self.own("engine") != before

    def test_a_renamed_file_counts(self, checkout):
        before = self.own("engine.codegen")
        (checkout / "engine/codegen/emit.py").rename(checkout / "engine/codegen/omit.py")
        assert self.own("engine.codegen") != before

    def test_a_module_alone_and_a_loaded_package_are_found(self, checkout):
        (checkout / "alone.py").write_text("x = 1")
        before = self.own("alone")
        (checkout / "alone.py").write_text("x = 2")
        assert self.own("alone") != before
        assert set(self.own("emberkeep.keys", "emberkeep.errors")) == {
            "emberkeep.keys",
            "emberkeep.errors",
        }

    @pytest.mark.parametrize("name", ["alone.part", "nobody", "nobody.part", "engine.other.part"])
    def test_what_is_no_module_is_refused(self, checkout, name):
        (checkout / "alone.py").write_text("x = 1")
        with pytest.raises(Unkeyable, match="no package or module"):
            self.own(name)

    def test_an_unknown_name_is_refused(self, checkout):
        with pytest.raises(
            Unkeyable, match=r"own 'engine\.typo'.*no package or module of this name"
        ):
            self.own("engine.typo")


FINGERPRINT = """
import json, sys
from emberkeep.keys.toolchain import toolchain
found = toolchain(('numba', 'llvmlite', 'numpy'), own=('emberkeep.keys',), cuda=True)
print(json.dumps(found.ingredients))
"""

LIGHT = """
import sys
{first}
before = set(sys.modules)
from emberkeep.keys.toolchain import toolchain
toolchain(('numba', 'llvmlite', 'numpy'), own=('emberkeep.keys',), cuda=True)
new = sorted(set(sys.modules) - before)
import json
print(json.dumps(new))
"""


class TestProcesses:
    def test_two_processes_agree(self, tmp_path):
        one = run(FINGERPRINT, PYTHONHASHSEED="1")
        code = f"import os; os.chdir({str(tmp_path)!r})\n{FINGERPRINT}"
        assert run(code, PYTHONHASHSEED="2") == one

    def test_an_imported_numba_changes_nothing(self):
        assert run(f"import numba, numpy\n{FINGERPRINT}") == run(FINGERPRINT)

    def test_nothing_heavy_is_imported(self):
        new = run(LIGHT.format(first=""))
        heavy = {
            "numba", "llvmlite", "numpy", "sympy", "jax", "yaml", "importlib.metadata", "inspect",
            "email", "json", "dataclasses", "typing", "re", "pathlib", "struct", "shutil",
        }  # fmt: skip
        assert [name for name in new if name in heavy] == []

    def test_no_path_is_an_ingredient(self):
        text = json.dumps(toolchain(cuda=True, own=("emberkeep.keys",)).ingredients)
        for folder in {*filter(None, sys.path), sys.prefix, str(Path.home())}:
            assert folder not in text

    def test_nested_mappings_of_text(self):
        def check(value):
            if isinstance(value, dict):
                assert all(isinstance(name, str) for name in value)
                for inner in value.values():
                    check(inner)
            elif isinstance(value, tuple):
                assert all(isinstance(inner, str) for inner in value)
            else:
                assert isinstance(value, str)

        check(toolchain(cuda=True, own=("emberkeep.keys",)).ingredients)


class TestDrift:
    def test_none_after_the_real_numba_was_used(self):
        code = """
import json
from emberkeep.keys.toolchain import toolchain
keyed = toolchain(('numba', 'llvmlite', 'numpy'), own=('emberkeep.keys',), cuda=True)
import numba
numba.njit(lambda x: x + 1)(1)
print(json.dumps(keyed.drift()))
"""
        assert run(code) == []

    def test_a_version_that_lies(self, site):
        install(site, "lying_lib", "1.0", "__version__ = '1.1'")
        keyed = toolchain(("lying_lib",))
        importlib.import_module("lying_lib")
        (sentence,) = keyed.drift()
        assert "the key said version 1.0" in sentence
        assert "calls itself 1.1" in sentence
        assert "Install it again" in sentence

    @pytest.mark.parametrize("spelled", ["1.0", "1.0.0", "v1.0", "1", "01.0"])
    def test_versions_spelled_another_way_agree(self, site, spelled):
        install(site, "spelled_lib", "1.0", f"__version__ = {spelled!r}")
        keyed = toolchain(("spelled_lib",))
        importlib.import_module("spelled_lib")
        assert keyed.drift() == ()

    def test_a_package_replaced_between_key_and_check(self, site):
        metadata = install(site, "moving_lib", "1.0")
        keyed = toolchain(("moving_lib",))
        metadata.rename(site / "moving_lib-2.0.dist-info")
        (sentence,) = keyed.drift()
        assert sentence.startswith("packages → moving_lib → version: the key said '1.0'")
        assert "'2.0'" in sentence

    def test_another_copy_was_imported(self, site, tmp_path):
        install(site, "twin_lib", "1.0")
        keyed = toolchain(("twin_lib",))
        other = tmp_path / "other"
        install(other, "twin_lib", "1.0")
        sys.path.insert(0, str(other))
        importlib.import_module("twin_lib")
        assert any(str(other) in sentence for sentence in keyed.drift())

    def test_a_missing_package_that_was_there_after_all(self, monkeypatch):
        keyed = toolchain(("late_lib",))
        late = types.ModuleType("late_lib")
        late.__file__ = "/somewhere/late_lib.py"
        monkeypatch.setitem(sys.modules, "late_lib", late)
        with pytest.raises(FileNotFoundError):
            Path(late.__file__).stat()
        assert keyed.drift()

    def test_an_edited_checkout_has_no_version_to_lie_about(self, site):
        metadata = install(site, "edited_lib", "1.0", "__version__ = '1.1'")
        metadata.joinpath("direct_url.json").write_text('{"dir_info": {"editable": true}}')
        keyed = toolchain(("edited_lib",))
        importlib.import_module("edited_lib")
        assert keyed.drift() == ()
        (site / "edited_lib" / "__init__.py").write_text("")
        assert "edited_lib → contents" in keyed.drift()[0]

    def test_settings_that_changed(self, monkeypatch):
        keyed = toolchain(("numba",))
        monkeypatch.setenv("NUMBA_OPT", "1")
        (sentence,) = keyed.drift()
        assert sentence.startswith("numba → settings → NUMBA_OPT: the key said 'absent'")

    def test_a_cuda_library_that_the_key_does_not_know(self, monkeypatch):
        from emberkeep.keys.libraries import Library

        keyed = toolchain((), cuda=True)
        loaded = Library("nvvm", "libnvvm.so", "sha256:unknown", "/opt/libnvvm.so")
        monkeypatch.setattr(drift, "mapped_libraries", lambda roles: (loaded,))
        (sentence,) = keyed.drift()
        assert "/opt/libnvvm.so was loaded" in sentence
        assert "Set CUDA_HOME" in sentence

    def test_a_cuda_library_that_it_knows(self, tmp_path, monkeypatch):
        from emberkeep.keys.libraries import Library, identify

        path = tmp_path / "nvvm" / "lib64" / "libnvvm.so"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"content")
        monkeypatch.setenv("CUDA_HOME", str(tmp_path))
        keyed = toolchain((), cuda=True)
        loaded = Library("nvvm", "libnvvm.so", identify(str(path)), str(path))
        monkeypatch.setattr(drift, "mapped_libraries", lambda roles: (loaded,))
        assert keyed.drift() == ()

    def test_vector_mathematics_that_nobody_saw(self, monkeypatch):
        monkeypatch.setattr(module, "svml_libraries", lambda: ())
        config = types.ModuleType("numba.core.config")
        config.USING_SVML = True
        monkeypatch.setitem(sys.modules, "numba.core.config", config)
        assert "libsvml.so" in toolchain(("numba",)).drift()[0]


def test_one_name_is_not_taken_apart_into_letters():
    assert toolchain("numba").ingredients == toolchain(("numba",)).ingredients
    assert set(toolchain("numba").ingredients["packages"]) == {"numba"}
    one = toolchain(("numba",), own="emberkeep.keys.walk").ingredients
    assert one == toolchain(("numba",), own=("emberkeep.keys.walk",)).ingredients
