"""Engines: what they register with emberkeep, and the keep without any of them."""

import importlib
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import emberkeep

CHECKOUT = Path(__file__).resolve().parent.parent
# What goes away with the engines; `elimination` is a part of one.
FOLDERS = (*emberkeep.ENGINES, "elimination")
NEEDS_ENGINE = re.compile(
    rf"emberkeep\.({'|'.join(FOLDERS)})\b|from emberkeep import .*\b({'|'.join(FOLDERS)})\b"
)
# Names, a miss and a hit, what keys are, how it lies on the disk, a command.
SAMPLE = [
    "tests/test_init.py",
    "tests/test_keep.py",
    "tests/keys/test_golden.py",
    "tests/store/test_directory.py",
    "tests/cli/test_listing.py",
    "tests/cli/test_commands.py::test_every_command_is_documented",
]
ROOMS = ["keys", "store", "trust", "lease", "telemetry", "cli"]
KERNEL = """
import numpy, sys
import emberkeep

@emberkeep.kernel("float64[::1]")
def double(i, x):
    x[i] *= 2

x = numpy.arange(3.0)
double(x, count=3)
assert x.tolist() == [0, 2, 4]
assert emberkeep.__file__.startswith(sys.argv[1]), emberkeep.__file__
for name in ("ode", "trace_cache_stats", "SolveFailed", "CacheManager"):
    assert name not in emberkeep.__all__ and name not in dir(emberkeep)
    try:
        getattr(emberkeep, name)
    except AttributeError as problem:
        assert str(problem).endswith(", which is not installed"), problem
    else:
        raise AssertionError(name)
assert not hasattr(emberkeep.errors, "TooStiff")
exec("from emberkeep import *")
"""


def test_every_home_belongs_to_a_public_name():
    shown = {name for names in emberkeep.ENGINES.values() for name in names}
    assert {*emberkeep._HOMES, *shown} - {"__version__"} <= set(emberkeep.__all__)


OF_ENGINES = [
    (name, f"emberkeep.{engine}.{home}")
    for engine, shown in emberkeep.ENGINES.items()
    for name, home in shown.items()
]


@pytest.mark.parametrize(("name", "home"), OF_ENGINES)
def test_what_an_engine_registers_is_there(name, home):
    value = getattr(importlib.import_module(home), name)
    assert getattr(emberkeep, name) is value


@pytest.mark.parametrize("name", [name for name, home in OF_ENGINES if home.endswith(".errors")])
def test_errors_of_engines_are_found_where_they_were_once(name):
    """By an import as users have written it, and by a pickle of before."""
    scope = {}
    exec(f"from emberkeep.errors import {name} as found", scope)
    assert scope["found"] is getattr(emberkeep, name)
    before = pickle.loads(f"cemberkeep.errors\n{name}\n(S'what happened'\ntR.".encode())
    assert type(before) is scope["found"]
    assert type(pickle.loads(pickle.dumps(before))) is scope["found"]
    assert not hasattr(emberkeep.errors, "Keep")


def test_what_type_checkers_see_is_what_there_is():
    with open(emberkeep.__file__) as file:
        source = file.read()
    block = source.partition("if TYPE_CHECKING:")[2].partition("__all__")[0]
    scope = {}
    exec("\n".join(line[4:] for line in block.splitlines()), scope)
    assert set(emberkeep.__all__) <= set(scope)
    assert all(scope[name] is getattr(emberkeep, name) for name in emberkeep.__all__)


# Without any -------------------------------------------------------------------------------------


def copy_without(folder, engines):
    """A copy of emberkeep of which some folders were deleted."""
    source = folder / "src" / "emberkeep"
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "src" / "emberkeep", source, ignore=unwanted)
    for name in engines:
        shutil.rmtree(source / name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A checkout whose engines were deleted."""
    folder = tmp_path_factory.mktemp("alone")
    copy_without(folder, FOLDERS)
    unwanted = shutil.ignore_patterns("__pycache__", "_build", *FOLDERS)
    for name in ("tests", "docs"):  # a test reads what commands are said to do
        shutil.copytree(CHECKOUT / name, folder / name, ignore=unwanted)
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    return folder


def run_alone(folder, *words):
    environ = {name: value for name, value in os.environ.items() if name != "EMBERKEEP_TEST_KEEP"}
    environ |= {"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def run_tests(folder, paths):
    options = ["-q", "--test-keep=", "-p", "no:cacheprovider", "-m", "not soak"]
    told = run_alone(folder, "-m", "pytest", *options, *paths)
    return int(re.search(r"(\d+) passed", told)[1])


def test_the_keep_is_whole_without_engines(alone):
    assert run_tests(alone, SAMPLE) > 300


def test_kernels_need_no_engine(alone):
    run_alone(alone, "-c", KERNEL, str(alone))


ONE_EACH = {
    "ode": """
from emberkeep import ode
solver = ode.Solver(ode.System("dx = -x", {"x": 1.0}), method="rk4", target="cpu")
assert "define " in solver.source()
assert not hasattr(emberkeep, "phasetype") and not hasattr(emberkeep, "trace_cache_stats")
""",
    "phasetype": """
from emberkeep import phasetype
graph = phasetype.Graph.from_matrix([[-2.0]], [1.0])
assert "trace_cache_stats" in emberkeep.__all__ and emberkeep.TooStiff
assert not hasattr(emberkeep, "ode") and not hasattr(emberkeep, "SolveFailed")
""",
}
# What an engine stands on, beside the keep.
STANDS_ON = {"ode": (), "phasetype": ("elimination", "xla")}


@pytest.mark.parametrize("engine", list(ONE_EACH))
def test_an_engine_needs_no_other(engine, tmp_path):
    copy_without(tmp_path, set(FOLDERS) - {engine, *STANDS_ON[engine]})
    run_alone(tmp_path, "-c", f"import emberkeep\n{ONE_EACH[engine]}")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_all_rooms_of_the_keep_pass_without_engines(alone):
    folders = [alone / "tests" / room for room in ROOMS]
    files = [path for folder in folders for path in folder.rglob("test_*.py")]
    chosen = [str(path) for path in files if not NEEDS_ENGINE.search(path.read_text())]
    assert len(chosen) > 0.9 * len(files)
    assert run_tests(alone, chosen) > 2000
