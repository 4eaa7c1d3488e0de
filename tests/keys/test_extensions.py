"""Extensions of numba that entry points declare: in every key of what numba compiles."""

from __future__ import annotations

import json
from typing import Any

import pytest

ALIB = {"alib/__init__.py": "def twice(x):\n    return 2.0 * x\n"}
EXTENSION = """
from numba.extending import overload
import alib
FACTOR = {factor}
def init():
    @overload(alib.twice)
    def twice(x):
        def doubled(x):
            return FACTOR * x
        return doubled
"""
ENTRY = "[console_scripts]\nx = y:z\n\n[numba_extensions]\ninit = aext.impl:init\n"

KEPT = """
import json, sys, warnings
warnings.simplefilter("error")
import numpy as np
import emberkeep
import alib
import numba
@emberkeep.keep_kernel
@numba.njit
def apply(x):
    return alib.twice(x)
print(json.dumps([apply(1.0), apply.stats.cache_hits and 1 or 0]))
"""

KERNEL = """
import json, sys, warnings
warnings.simplefilter("error")
import numpy as np
import emberkeep
import alib
@emberkeep.kernel("float64[::1]")
def apply(i, x):
    x[i] = alib.twice(x[i])
x = np.ones(1)
apply(x, count=1)
print(json.dumps([x[0], "numba" not in sys.modules]))
"""

TOOLS = """
import json, sys
from emberkeep.keys.toolchain import toolchain
print(json.dumps([str(toolchain().ingredients.get("numba extensions")), "numba" in sys.modules]))
"""


def extend(site: Any, factor: float, version: str = "1.0") -> None:
    files = {"aext/__init__.py": "", "aext/impl.py": EXTENSION.format(factor=factor)}
    site.install("aext", version, files, entry_points=ENTRY)


def run(site: Any, program: str) -> list[Any]:
    return json.loads(site.run(program))


class TestToolchain:
    def test_without_extensions_there_is_no_such_ingredient(self, site):
        assert run(site, TOOLS) == ["None", False]

    def test_an_extension_counts_by_what_it_consists_of(self, site):
        site.install("alib", "1.0", ALIB)
        extend(site, 2.0)
        before, loaded = run(site, TOOLS)
        assert "aext.impl" in before
        assert not loaded, "numba must not be imported for a key"
        extend(site, 2.0, version="1.0")
        assert run(site, TOOLS)[0] == before
        extend(site, 3.0)
        assert run(site, TOOLS)[0] != before

    def test_so_does_what_it_imports(self, site):
        site.install("alib", "1.0", ALIB)
        extend(site, 2.0)
        before = run(site, TOOLS)[0]
        other = {"alib/__init__.py": ALIB["alib/__init__.py"].replace("2.0", "4.0")}
        site.install("alib", "1.0", other)
        assert run(site, TOOLS)[0] != before

    def test_an_editable_extension_is_whatever_lies_in_its_folder(self, site, tmp_path):
        checkout = tmp_path / "checkout"
        (checkout / "bext").mkdir(parents=True)
        (checkout / "bext" / "__init__.py").write_text("def init(): pass\n")
        entry = "[numba_extensions]\ninit = bext:init\n"
        path = {"__editable__.bext-1.0.pth": f"{checkout}\n"}
        site.install("bext", "1.0", path, entry_points=entry)
        # Python reads .pth files in site folders alone; a path does the same.
        program = f"import sys; sys.path.append({str(checkout)!r})" + TOOLS
        before = run(site, program)[0]
        (checkout / "bext" / "helper.py").write_text("x = 1\n")
        assert run(site, program)[0] != before

    def test_an_extension_installed_in_the_middle_of_a_process_is_seen(self, site, monkeypatch):
        from emberkeep.keys.toolchain import toolchain

        monkeypatch.syspath_prepend(str(site.folder))
        site.install("alib", "1.0", ALIB)
        before = toolchain().ingredients.get("numba extensions", {})
        extend(site, 2.0)
        after = toolchain().ingredients["numba extensions"]
        assert "aext.impl" in after
        assert "aext.impl" not in before
        file = site / "aext/impl.py"
        file.write_text(file.read_text().replace("2.0", "3.0"))
        assert toolchain().ingredients["numba extensions"] != after


@pytest.mark.parametrize("program", [KERNEL, KEPT], ids=["kernel", "keep_kernel"])
def test_a_changed_overload_of_an_extension_is_not_served_stale(
    site, program, tmp_path, monkeypatch
):
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "keep"))
    site.install("alib", "1.0", ALIB)
    extend(site, 5.0)
    assert run(site, program)[0] == 5.0
    assert run(site, program) == [5.0, True], "what was compiled with an extension is kept"
    extend(site, 7.0)
    assert run(site, program)[0] == 7.0
