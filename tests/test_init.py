"""The public names, and what an import and a warm hit load."""

import importlib
import os
import subprocess
import sys

import pytest

import emberkeep

HEAVY = ["numba", "llvmlite", "sympy", "jax", "pandas", "rich", "sqlite3", "numpy", "json"]
HEAVY += ["typing", "dataclasses", "re", "enum", "logging", "threading", "inspect", "pickle"]
HEAVY += ["platformdirs", "tomllib", "datetime", "pathlib", "tempfile", "shutil", "subprocess"]
HEAVY += [
    "hmac",
    "hashlib",
    "_hashlib",
    "importlib",
    "importlib.metadata",
    "asyncio",
    "ast",
    "urllib",
]
WARM = [
    "emberkeep",
    "emberkeep.errors",
    "emberkeep.keep",
    "emberkeep.keep.artifact",
    "emberkeep.keep.keep",
    "emberkeep.keep.reports",
    "emberkeep.keys",
    "emberkeep.keys.fingerprint",
    "emberkeep.keys.refusal",
    "emberkeep.keys.walk",
    "emberkeep.settings",
    "emberkeep.startup_records",
    "emberkeep.store",
    "emberkeep.store.counts",
    "emberkeep.store.directory",
    "emberkeep.store.files",
    "emberkeep.store.layers",
    "emberkeep.store.layout",
    "emberkeep.store.manifest",
    "emberkeep.store.object_store",
    "emberkeep.store.protocol",
    "emberkeep.trust",
    "emberkeep.trust.seals",
]
# With `-S`, as what `site` and .pth files load is not ours; the path is made up for.
PRELUDE = "import sys; sys.path[:] = {path!r}; before = set(sys.modules)\n"
SHOW = "\nprint('\\n'.join(sorted(set(sys.modules) - before)))"


def modules_after(program):
    """The modules that a program loads in a fresh interpreter."""
    text = PRELUDE.format(path=sys.path) + program + SHOW
    ran = subprocess.run(
        [sys.executable, "-S", "-c", text], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


@pytest.mark.parametrize("name", emberkeep.__all__)
def test_every_public_name_is_there(name):
    value = getattr(emberkeep, name)
    assert value.__module__.startswith("emberkeep.")
    assert value.__doc__
    # Found from then on without asking again.
    assert vars(emberkeep)[name] is value


def test_the_names_are_sorted_and_listed():
    assert sorted(emberkeep.__all__) == list(emberkeep.__all__)
    assert len(set(emberkeep.__all__)) == len(emberkeep.__all__)
    assert dir(emberkeep) == sorted([*emberkeep.__all__, *emberkeep._PACKAGES])


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Keeep'"):
        emberkeep.Keeep  # noqa: B018 - asking is the test
    with pytest.raises(ImportError):
        exec("from emberkeep import Keeep", {})


def test_all_names_come_with_a_star():
    scope = {}
    exec("from emberkeep import *", scope)
    assert set(emberkeep.__all__) <= set(scope)


def test_the_version_is_one():
    assert emberkeep.__version__.split(".")[0].isdigit()


def test_importing_loads_one_module():
    loaded = modules_after("import emberkeep")
    assert [name for name in loaded if name.startswith("emberkeep")] == ["emberkeep"]
    assert set(loaded).isdisjoint(HEAVY)


@pytest.mark.parametrize("name", emberkeep._PACKAGES)
def test_a_package_is_there_when_it_is_asked_for(name):
    loaded = modules_after(
        f"import emberkeep; assert emberkeep.{name}.__name__ == 'emberkeep.{name}'"
    )
    assert f"emberkeep.{name}" in loaded
    if name != "testing":
        by_hand = modules_after(f"import emberkeep.{name}")
        assert set(loaded) == set(by_hand)
    modules_after(f"from emberkeep import {name}; {name}.__doc__")


def test_every_package_for_users_is_there():
    folder = os.path.dirname(emberkeep.__file__)
    inner = {"cli", "elimination", "keep", "keys", "lease", "sharing", "store", "targets", "trust"}
    packages = {
        name for name in os.listdir(folder) if os.path.isfile(f"{folder}/{name}/__init__.py")
    }
    assert packages - inner == set(emberkeep._PACKAGES) - {"errors"}


def test_a_package_that_lacks_what_it_needs_says_so():
    program = """
sys.modules["pytest"] = None
import emberkeep
assert not hasattr(emberkeep, "testing")
try:
    emberkeep.testing
except AttributeError as problem:
    assert "pip install 'emberkeep[testing]'" in str(problem), problem
    assert "pytest" in str(problem)
"""
    modules_after(program)


def test_a_name_loads_its_home_alone():
    loaded = modules_after("from emberkeep import StoreProblem")
    ours = [name for name in loaded if name.startswith("emberkeep")]
    assert ours == ["emberkeep", "emberkeep.errors"]


def test_artifacts_are_there_without_a_keep():
    loaded = modules_after("from emberkeep.keep import Answer, Artifact")
    assert "emberkeep.keep.artifact" in loaded
    assert "emberkeep.keep.keep" not in loaded
    modules_after(
        "from emberkeep import Keep\nfrom emberkeep.keep import Keep as same\nassert same is Keep\n"
        "import emberkeep.keep\nassert not hasattr(emberkeep.keep, 'Keeep')"
    )


def test_a_warm_hit_loads_what_it_needs_and_no_more(tmp_path):
    program = f"""
from emberkeep import Keep
ingredients = {{'x': 1, 'y': [1.0, 'a', None], 'z': {{'b': b'bytes', 't': (1, 2)}}}}
build = lambda: {{'code': b'1', 'layout': {{'n': 1}}}}
found = Keep({str(tmp_path / "keep")!r}).get_or_build('tables', 'warm', ingredients, build)
assert (found.blobs, found.layout) == ({{'code': b'1'}}, {{'n': 1}})
assert found.hit is """
    modules_after(program + "False")
    loaded = modules_after(program + "True")
    assert [name for name in loaded if name.startswith("emberkeep")] == WARM
    assert set(loaded).isdisjoint(HEAVY)


@pytest.mark.parametrize("name", WARM)
def test_every_module_of_a_warm_hit_says_what_it_is_for(name):
    module = importlib.import_module(name)
    assert module.__doc__ or name in ("emberkeep.store", "emberkeep.trust")
