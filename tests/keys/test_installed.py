"""Installed libraries count by what they do, or by all that they consist of."""

from __future__ import annotations

import os
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY = """
{before}
import alib
def f(x):
    return alib.f(x)
from emberkeep import fingerprint
print(fingerprint(f).digest)
"""

ALIB = {"alib/__init__.py": "import blib\ndef f(x):\n    return blib.g(x)\n"}
# What cannot be followed: a name that is computed.
OPAQUE = {
    "alib/__init__.py": "import blib\ndef f(x, name='g'):\n    return getattr(blib, name)(x)\n"
}
BLIB = {"blib/__init__.py": "def g(x):\n    return 1.0 * x\n"}
OTHER = {"blib/__init__.py": "def g(x):\n    return 2.0 * x\n"}


def key(site: Any, before: str = "", program: str = KEY) -> str:
    return site.run(program.format(before=before))


def put(
    site: Any,
    alib: Mapping[str, str],
    blib: Mapping[str, str],
    *,
    requires: Sequence[str] = ("blib",),
) -> None:
    site.install("blib", "1.0", blib)
    site.install("alib", "1.0", alib, requires=requires)


@pytest.mark.parametrize("alib", [ALIB, OPAQUE], ids=["followed", "opaque"])
class TestBoth:
    """Whether a function can be followed or not."""

    def test_the_key_is_the_same_in_every_process_and_place(self, site, tmp_path, alib):
        put(site, alib, BLIB)
        elsewhere = type(site)(tmp_path / "other" / "site-packages")
        put(elsewhere, alib, BLIB)
        keys = {key(site), key(site), key(elsewhere), key(site, "import json, blib, unittest")}
        assert len(keys) == 1

    def test_another_version_of_what_it_calls(self, site, alib):
        put(site, alib, BLIB)
        before = key(site)
        site.install("blib", "2.0", OTHER)
        assert key(site) != before

    def test_the_same_version_installed_again_from_another_source(self, site, alib):
        put(site, alib, BLIB)
        before = key(site)
        put(site, alib, OTHER)
        assert key(site) != before

    def test_what_it_calls_without_requiring_it(self, site, alib):
        put(site, alib, BLIB, requires=())
        before = key(site)
        put(site, alib, OTHER, requires=())
        assert key(site) != before

    @pytest.mark.parametrize("library", ["alib", "blib"])
    def test_a_file_edited_where_it_lies(self, site, alib, library):
        put(site, alib, BLIB)
        before = key(site)
        file = site / library / "__init__.py"
        time.sleep(0.02)
        text = file.read_text()
        file.write_text(text.replace("1.0", "2.0") + "UNREAD = 3\n")
        changed = key(site) != before
        # A constant that nothing reads is no change for who is followed.
        assert changed == (library == "blib" or alib is OPAQUE)

    def test_a_file_edited_with_its_size_and_time_kept(self, site, alib):
        put(site, alib, BLIB)
        before = key(site)
        file = site / "blib" / "__init__.py"
        facts = file.stat()
        file.write_text(file.read_text().replace("1.0", "2.0"))
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        assert key(site) != before

    def test_a_record_that_lies(self, site, alib):
        # The same record as before, and other bytes.
        put(site, alib, BLIB)
        before = key(site)
        record = (site / "blib-1.0.dist-info" / "RECORD").read_bytes()
        put(site, alib, OTHER)
        (site / "blib-1.0.dist-info" / "RECORD").write_bytes(record)
        assert key(site) != before

    def test_a_record_without_checksums(self, site, alib):
        site.install("blib", "1.0", BLIB, checksums=False)
        site.install("alib", "1.0", alib, checksums=False)
        before = key(site)
        site.install("blib", "1.0", OTHER, checksums=False)
        assert key(site) != before

    def test_no_record_at_all(self, site, alib):
        put(site, alib, BLIB)
        for metadata in site.folder.glob("*.dist-info"):
            (metadata / "RECORD").unlink()
        before = key(site)
        (site / "blib" / "__init__.py").write_text(OTHER["blib/__init__.py"])
        assert key(site) != before

    def test_a_helper_that_became_jitted(self, site, alib):
        put(site, alib, BLIB)
        before = key(site)
        jitted = "import numba\n@numba.njit(fastmath=True)\n" + BLIB["blib/__init__.py"]
        put(site, alib, {"blib/__init__.py": jitted})
        assert key(site) != before

    def test_a_namespace_package(self, site, alib):
        text = alib["alib/__init__.py"].replace("import blib", "import space.blib as blib")
        space = {"alib/__init__.py": text}
        site.install("alib", "1.0", space)
        site.install("space_blib", "1.0", {"space/blib.py": BLIB["blib/__init__.py"]})
        site.install("space_other", "1.0", {"space/other.py": ""})
        before = key(site)
        site.install("space_other", "1.0", {"space/other.py": "x = 1"})
        assert key(site) == before
        site.install("space_blib", "1.0", {"space/blib.py": OTHER["blib/__init__.py"]})
        assert key(site) != before

    def test_a_third_library_behind_the_second(self, site, alib):
        third = {"clib/__init__.py": "def h(x):\n    return x\n"}
        between = {"blib/__init__.py": "from clib import h\ndef g(x):\n    return h(x)\n"}
        put(site, alib, between)
        site.install("clib", "1.0", third)
        before = key(site)
        site.install("clib", "1.0", {"clib/__init__.py": "def h(x):\n    return -x\n"})
        assert key(site) != before

    def test_an_import_inside_a_function(self, site, alib):
        text = alib["alib/__init__.py"].replace("import blib\n", "")
        text = text.replace("    return", "    import blib\n    return")
        put(site, {"alib/__init__.py": text}, BLIB, requires=())
        before = key(site)
        assert key(site, "import blib") == before
        put(site, {"alib/__init__.py": text}, OTHER, requires=())
        assert key(site) != before

    def test_a_library_that_the_users_function_imports_by_itself(self, site, alib):
        put(site, alib, BLIB)
        inside = """
        {before}
        def f(x):
            import alib
            return alib.f(x)
        from emberkeep import fingerprint
        print(fingerprint(f).digest)
        """
        before = key(site, program=inside)
        assert key(site, "__import__('alib')", program=inside) == before
        put(site, alib, OTHER)
        assert key(site, program=inside) != before

    def test_a_hook_of_the_users_own(self, site, alib):
        hooked = alib["alib/__init__.py"] + "hooks = []\ndef hooked(x):\n    return hooks, f(x)\n"
        put(site, {"alib/__init__.py": hooked}, BLIB)
        program = KEY.replace("alib.f(x)", "alib.hooked(x)")
        program = program.replace("import alib\n", "import alib\nalib.hooks.append(lambda: HERE)\n")
        keys = {key(site, program=program.replace("HERE", each)) for each in ("1", "2")}
        assert len(keys) == 2

    def test_a_function_that_the_user_replaced_in_what_it_calls(self, site, alib):
        put(site, alib, BLIB)
        patch = "import blib\nblib.g = lambda x: {}"
        keys = {key(site), *(key(site, patch.format(number)) for number in (1, 2))}
        assert len(keys) == 3 or alib is OPAQUE


class TestFollowed:
    def test_a_version_alone_says_nothing(self, site):
        put(site, ALIB, BLIB)
        before = key(site)
        site.install("blib", "1.1", BLIB)
        site.install("alib", "7.0", ALIB)
        assert key(site) == before

    def test_a_constant_that_the_user_changed(self, site):
        put(site, {"alib/__init__.py": "scale = 2.0\ndef f(x):\n    return scale * x\n"}, BLIB)
        assert key(site) != key(site, "import alib\nalib.scale = 3.0")

    def test_a_class_of_a_library(self, site):
        text = "class f:\n    def __init__(self, x):\n        self.x = {} * x\n"
        put(site, {"alib/__init__.py": text.format("1.0")}, BLIB)
        before = key(site)
        put(site, {"alib/__init__.py": text.format("2.0")}, BLIB)
        assert key(site) != before


class TestOpaque:
    def test_an_unkeyable_hook_of_the_users_is_refused(self, site):
        text = OPAQUE["alib/__init__.py"] + "hook = None\ndef hooked(x):\n    return hook, f(x)\n"
        put(site, {"alib/__init__.py": text}, BLIB)
        program = """
        import alib, emberkeep
        class Hook:
            def __init__(self): self.file = open("/dev/null")
        alib.hook = Hook()
        def f(x):
            return alib.hooked(x)
        try:
            emberkeep.fingerprint(f)
        except emberkeep.errors.Unkeyable as problem:
            print(problem)
        """
        assert "hook" in site.run(program)

    def test_a_very_deep_library_goes_by_its_contents(self, site):
        chain = "\n".join(f"def f{n}(x):\n    return f{n + 1}(x)\n" for n in range(200))
        text = chain + "def f200(x):\n    return {} * x\nf = f0\n"
        put(site, {"alib/__init__.py": text.format("1.0")}, BLIB)
        before = key(site)
        put(site, {"alib/__init__.py": text.format("2.0")}, BLIB)
        assert key(site) != before

    def test_an_optional_library_that_appears(self, site):
        text = "def f(x, name='y'):\n    try:\n        import fast\n    except ImportError:\n"
        text += "        fast = None\n    return getattr(fast, name)\n"
        put(site, {"alib/__init__.py": text}, BLIB)
        before = key(site)
        site.install("fast", "1.0", {"fast.py": "y = 1"})
        assert key(site) != before

    def test_a_module_of_the_library_that_is_loaded_later(self, site):
        files = {**OPAQUE, "alib/late.py": "y = 1\n"}
        put(site, files, BLIB)
        before = key(site)
        assert key(site, "import alib.late") == before
        put(site, {**OPAQUE, "alib/late.py": "y = 2\n"}, BLIB)
        assert key(site) != before

    def test_an_object_that_a_library_holds(self, site):
        text = "class Scale:\n    def __init__(self, by): self.by = by\n"
        text += "    def __call__(self, x): return self.by * x\n_scale = Scale({})\n"
        text += "f = _scale.__call__\n"
        put(site, {"alib/__init__.py": text.format("1.0")}, BLIB)
        before = key(site)
        put(site, {"alib/__init__.py": text.format("2.0")}, BLIB)
        assert key(site) != before


def test_real_libraries_are_no_trouble(site) -> None:
    program = """
    import sys, networkx, scipy.special
    from emberkeep import fingerprint
    def f(x): return scipy.special.gamma(x)
    def g(x): return networkx.shortest_path(x)
    print(fingerprint(f).digest, fingerprint(g).digest)
    """
    first = site.run(program)
    second = site.run("import scipy.linalg\n" + textwrap.dedent(program))
    assert first == second
