import base64
import hashlib
import importlib
import importlib.util
import os
import random
import subprocess
import sys
import types
from pathlib import Path

import pytest

from emberkeep.keys.distributions import (
    distribution_of_module,
    distribution_of_module_file,
    find_distribution,
    is_standard_library,
    locate_package,
)
from emberkeep.keys.metadata import normalised


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site folder of its own, first on sys.path."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return folder


def checksum(path):
    digest = hashlib.sha256(path.read_bytes()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def install(site, name, version, *, files=None, editable=False):
    """Do what pip does: packages, metadata and a record with checksums."""
    metadata = site / f"{name}-{version}.dist-info"
    metadata.mkdir(parents=True)
    metadata.joinpath("METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    record = ""
    for file, content in (files or {}).items():
        path = site / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        quoted = f'"{file}"' if "," in file else file
        record += f"{quoted},{checksum(path)},{len(content)}\n"
    metadata.joinpath("RECORD").write_text(record + f"{metadata.name}/RECORD,,\n")
    if editable:
        text = '{"url": "file:///somewhere", "dir_info": {"editable": true}}'
        metadata.joinpath("direct_url.json").write_text(text)
    importlib.invalidate_caches()
    return metadata


class TestNames:
    @pytest.mark.parametrize(
        "spelled", ["Ruamel.Yaml", "ruamel_yaml", "RUAMEL--yaml", "ruamel-_.yaml"]
    )
    def test_spellings_of_one_name_agree(self, spelled):
        assert normalised(spelled) == "ruamel-yaml"


class TestFinding:
    def test_version_and_folder_come_from_the_metadata_folder(self, site):
        metadata = install(site, "some_lib", "1.2.3")
        found = find_distribution("Some.Lib")
        assert found.name == "some-lib"
        assert found.version == "1.2.3"
        assert found.folder == str(site)
        assert found.metadata == str(metadata)
        assert not found.editable

    def test_what_is_not_installed_is_none(self, site):
        assert find_distribution("nobody-has-this") is None

    def test_the_first_on_the_path_wins(self, site, tmp_path, monkeypatch):
        install(site, "lib", "2.0")
        first = tmp_path / "first"
        install(first, "lib", "1.0")
        monkeypatch.setattr(sys, "path", [str(first), *sys.path])
        assert find_distribution("lib").version == "1.0"

    def test_an_installation_in_the_middle_of_the_process_is_seen(self, site):
        assert find_distribution("lib") is None
        metadata = install(site, "lib", "1.0")
        assert find_distribution("lib").version == "1.0"
        metadata.rename(site / "lib-1.1.dist-info")
        assert find_distribution("lib").version == "1.1"

    def test_an_installation_into_a_settled_folder_is_seen(self, site):
        os.utime(site, ns=(10**18, 10**18))
        assert find_distribution("lib") is None
        assert find_distribution("lib") is None
        install(site, "lib", "1.0")
        assert find_distribution("lib").version == "1.0"

    def test_egg_information_with_a_version_in_its_name(self, site):
        (site / "old_lib-0.3-py3.11.egg-info").write_text("Name: old-lib\nVersion: 0.3\n")
        assert find_distribution("old-lib").version == "0.3"

    def test_egg_information_without_one_is_read(self, site):
        (site / "old.egg-info").mkdir()
        (site / "old.egg-info" / "PKG-INFO").write_text("Metadata-Version: 1\nVersion: 0.4\n")
        assert find_distribution("old").version == "0.4"

    def test_a_missing_folder_on_the_path_is_no_trouble(self, site, monkeypatch):
        monkeypatch.setattr(sys, "path", ["/nowhere/at/all", *sys.path])
        install(site, "lib", "1.0")
        assert find_distribution("lib").version == "1.0"

    def test_the_real_numba(self):
        numba = find_distribution("numba")
        assert numba.version == importlib.import_module("importlib.metadata").version("numba")


class TestEditable:
    def test_by_the_origin_that_pip_records(self, site):
        install(site, "lib", "1.0", editable=True)
        assert find_distribution("lib").editable

    @pytest.mark.parametrize(
        "mark",
        [
            "__editable__.my_lib-1.0.pth",
            "__editable___my_lib_1_0_finder.py",
            "_editable_impl_my_lib.pth",
        ],
    )
    def test_by_the_marks_of_build_tools(self, site, mark):
        install(site, "my_lib", "1.0")
        install(site, "my", "1.0")
        (site / mark).write_text("/nowhere\n")
        assert find_distribution("my-lib").editable
        assert not find_distribution("my").editable

    def test_by_egg_information_in_a_checkout(self, site):
        (site / "lib.egg-info").mkdir()
        (site / "lib.egg-info" / "PKG-INFO").write_text("Version: 1.0\n")
        assert find_distribution("lib").editable


class TestOwners:
    def test_a_package_of_another_name_than_its_distribution(self, site):
        install(site, "PyYUML", "6.0", files={"yuml/__init__.py": "", "yuml/load.py": "x = 1"})
        found = distribution_of_module_file(str(site / "yuml" / "load.py"))
        assert (found.name, found.version) == ("pyyuml", "6.0")

    def test_the_real_pyyaml(self):
        spec = importlib.util.find_spec("yaml")
        assert distribution_of_module("yaml", spec.origin).name == "pyyaml"

    def test_namespace_packages_are_told_apart_by_file(self, site):
        install(site, "space-one", "1.0", files={"space/one/__init__.py": ""})
        install(site, "space-two", "2.0", files={"space/two/__init__.py": ""})
        assert distribution_of_module_file(str(site / "space/one/__init__.py")).version == "1.0"
        assert distribution_of_module_file(str(site / "space/two/__init__.py")).version == "2.0"

    def test_a_file_put_into_a_site_folder_by_hand_is_the_users(self, site):
        install(site, "lib", "1.0", files={"lib/__init__.py": ""})
        (site / "mine.py").write_text("")
        (site / "lib" / "mine.py").write_text("")
        assert distribution_of_module_file(str(site / "mine.py")) is None
        assert distribution_of_module_file(str(site / "lib" / "mine.py")) is None

    def test_an_installed_file_that_was_edited_is_the_users(self, site):
        install(site, "lib", "1.0", files={"lib/__init__.py": "x = 1"})
        file = site / "lib" / "__init__.py"
        assert distribution_of_module_file(str(file)) is not None
        file.write_text("x = 2")
        assert distribution_of_module_file(str(file)) is None

    def test_an_editable_distribution_owns_nothing(self, site):
        install(site, "lib", "1.0", files={"lib/__init__.py": ""}, editable=True)
        assert distribution_of_module_file(str(site / "lib" / "__init__.py")) is None

    def test_a_name_that_ends_alike_is_another_file(self, site):
        install(site, "lib", "1.0", files={"lib/a.py": ""})
        (site / "a.py").write_text("")
        assert distribution_of_module_file(str(site / "a.py")) is None

    def test_a_name_with_a_comma(self, site):
        install(site, "lib", "1.0", files={"lib/a,b.py": ""})
        assert distribution_of_module_file(str(site / "lib" / "a,b.py")).version == "1.0"

    def test_a_site_folder_reached_by_a_link(self, site, tmp_path):
        install(site, "lib", "1.0", files={"lib/__init__.py": ""})
        (tmp_path / "link").symlink_to(site)
        assert distribution_of_module_file(str(tmp_path / "link/lib/__init__.py")).version == "1.0"

    def test_files_that_setuptools_listed(self, site):
        metadata = site / "old-0.3-py3.11.egg-info"
        metadata.mkdir()
        metadata.joinpath("PKG-INFO").write_text("Version: 0.3\n")
        metadata.joinpath("installed-files.txt").write_text("../old/__init__.py\nPKG-INFO\n")
        (site / "old").mkdir()
        (site / "old" / "__init__.py").write_text("")
        renamed = site.rename(site.parent / "site-packages")
        sys.path[0] = str(renamed)
        assert distribution_of_module_file(str(renamed / "old" / "__init__.py")).version == "0.3"

    def test_a_file_outside_every_folder(self, site, tmp_path):
        assert distribution_of_module_file(str(tmp_path / "else.py")) is None

    def test_the_standard_library_and_built_in_modules_have_none(self):
        assert distribution_of_module("random", random.__file__) is None
        assert distribution_of_module("sys", None) is None


class TestStandardLibrary:
    @pytest.mark.parametrize("name", ["random", "json.decoder", "sys", "math", "collections.abc"])
    def test_pythons_own_modules(self, name):
        module = importlib.import_module(name)
        assert is_standard_library(name, getattr(module, "__file__", None))

    def test_a_users_module_with_such_a_name_is_not(self, tmp_path):
        assert not is_standard_library("random", str(tmp_path / "random.py"))

    def test_nor_one_that_lies_in_a_site_folder_below_pythons_own(self):
        folder = Path(os.__file__).parent / "site-packages"
        assert not is_standard_library("random", str(folder / "random.py"))

    def test_nor_a_library(self):
        assert not is_standard_library("numpy", importlib.util.find_spec("numpy").origin)

    def test_nor_a_generated_module_with_such_a_name(self):
        assert not is_standard_library("random", None)


class TestLocating:
    def test_a_package_a_module_and_a_namespace(self, site):
        install(site, "one", "1.0", files={"one/__init__.py": "", "two.py": "", "three/x.py": ""})
        assert locate_package("one").file == str(site / "one" / "__init__.py")
        assert locate_package("one").roots == (str(site),)
        assert locate_package("two").file == str(site / "two.py")
        assert locate_package("two").roots == (str(site),)
        assert locate_package("three").file is None
        assert locate_package("three").roots == (str(site),)

    def test_nothing_is_run_to_find_out(self, site):
        install(site, "loud", "1.0", files={"loud/__init__.py": "raise RuntimeError"})
        assert locate_package("loud").file == str(site / "loud" / "__init__.py")
        assert "loud" not in sys.modules

    def test_a_package_within_another_is_found_without_running_that(self, site):
        install(site, "a", "1.0", files={"outer/__init__.py": "1 / 0", "outer/inner.py": ""})
        assert locate_package("outer.inner").file == str(site / "outer" / "inner.py")
        assert locate_package("outer.inner").roots == (str(site),)
        assert "outer" not in sys.modules
        assert locate_package("outer.inner.none") is None

    def test_what_is_missing(self, site):
        assert locate_package("nobody_has_this") is None
        assert locate_package("nobody_has_this.at_all") is None

    def test_a_loaded_module_tells_its_own_file(self, monkeypatch):
        module = types.ModuleType("already_here")
        module.__file__ = "/elsewhere/already_here.py"
        monkeypatch.setitem(sys.modules, "already_here", module)
        assert locate_package("already_here").file == "/elsewhere/already_here.py"

    def test_a_forbidden_import_is_absent(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "forbidden", None)
        assert locate_package("forbidden") is None

    def test_editable_installs_own_finders_are_asked(self, site, tmp_path, monkeypatch):
        target = tmp_path / "checkout" / "far.py"

        class Finder:
            @staticmethod
            def find_spec(name, path=None, target_module=None):
                if name == "far_away":
                    return importlib.util.spec_from_file_location(name, target)
                return None

        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
        assert locate_package("far_away").file == str(target)

    def test_the_folder_that_comes_first_on_the_path(self, site, tmp_path, monkeypatch):
        install(site, "lib", "1.0", files={"lib/__init__.py": ""})
        patched = tmp_path / "patched"
        (patched / "lib").mkdir(parents=True)
        (patched / "lib" / "__init__.py").write_text("")
        monkeypatch.setattr(sys, "path", [str(patched), *sys.path])
        assert locate_package("lib").roots == (str(patched),)

    def test_a_removed_working_directory_is_no_trouble(self, tmp_path):
        code = (
            "import os, shutil, sys; os.mkdir(sys.argv[1]); os.chdir(sys.argv[1]);"
            "shutil.rmtree(sys.argv[1]); sys.path.insert(0, '')\n"
            "from emberkeep.keys.distributions import find_distribution\n"
            "print(find_distribution('numba').version)"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "gone")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == find_distribution("numba").version
