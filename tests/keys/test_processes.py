"""Keys are the same in every process, wherever and however the model is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"

# A model with some of everything whose order or place could leak into a key.
MODEL = """
import enum
import functools
import math
from dataclasses import dataclass

import numpy as np


class Colour(enum.Enum):
    RED = 1
    GREEN = "two"


@dataclass(frozen=True)
class Rates:
    birth: float
    names: frozenset = frozenset({"a", "b", "c", "d"})


class Gain:
    def __init__(self, value):
        self.value = value

    def __call__(self, x):
        return self.value * x


table = {"a": 1, "b": [2.0, (3, None)], 4: {5, 6, "seven"}}
functions = {(lambda x: square(x) + 1), (lambda x: square(x) + 2), (lambda x: square(x) + 3)}
gain = Gain(2.0)


def square(x):
    return x * x


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


def make(k):
    def inner(x, *, scale=1.5):
        return scale * k * square(x)

    return inner


def nested(x):
    class Local:
        value = x

    return Local, [y for y in "abc" if y in {"a", "b", "c"}]


@functools.wraps(make)
def rhs(x):
    return np.linalg.norm(math.sin(x)) + gain(x) + len(table) + even(3) + len(functions)


everything = [rhs, make(3), nested, functions, functools.partial(rhs, 1), gain, Gain, even, odd]
plain = [table, Colour.RED, Rates(1.0), {"x", "y", "z"}, np.arange(3.0), {Colour.RED: 1, "k": 2}]
"""

JITTED = """
import numba


@numba.njit(fastmath={"nnan", "ninf", "nsz", "arcp"}, locals={"b": numba.int8, "a": numba.int8})
def kernel(x):
    return x + helper(x)


@numba.njit
def helper(x):
    return numba.float32(x)


@numba.vectorize
def ufunc(x):
    return helper(x)
"""

REPORT = """
def report(namespace):
    import json
    from emberkeep.keys import fingerprint
    parts = {name: namespace[name] for name in %s}
    each = {f"{name} {i}": fingerprint(item).digest
            for name, items in parts.items() for i, item in enumerate(items)}
    print(json.dumps({**each, "all": fingerprint(parts).digest}))
"""
FUNCTIONS = REPORT % '("everything", "plain")'
IMPORTED = FUNCTIONS + "import model\nreport(vars(model))\n"


def digests(arguments: list[str], folder: Path, **environment: str) -> dict[str, str]:
    """What a Python process reports, in an environment of its own."""
    folders = os.pathsep.join([environment.get("PYTHONPATH", ""), str(SOURCE)]).strip(os.pathsep)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, "PYTHONHASHSEED": "random", **environment, "PYTHONPATH": folders},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def write(folder: Path, name: str, text: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return str(folder)


def test_keys_do_not_depend_on_how_a_model_is_found(tmp_path: Path) -> None:
    first = write(tmp_path / "first", "model.py", MODEL)
    moved = write(tmp_path / "elsewhere" / "deeper", "model.py", "\n" * 300 + MODEL)
    spaced = MODEL.replace("\n\n\n", "\n\n# a comment\n\n\n\n")
    spaced = spaced.replace("def square(x):", 'def square(x: float) -> float:\n    """Doc."""')
    edited = write(tmp_path / "edited", "model.py", spaced)
    write(tmp_path / "main", "run.py", MODEL + FUNCTIONS + "report(globals())\n")
    write(tmp_path / "package" / "inner", "__init__.py", "")
    write(tmp_path / "package" / "inner", "model.py", MODEL)
    package = FUNCTIONS + "from inner import model\nreport(vars(model))\n"
    other_order = "import statistics, decimal, scipy.special, emberkeep.keys.behaviour\n" + IMPORTED
    late = "import model, fractions, numpy.ma, numba\n" + IMPORTED
    used = IMPORTED.replace("import model\n", "import model\nmodel.rhs(1.0), model.Colour(1)\n")
    zipped = shutil.make_archive(str(tmp_path / "zipped"), "zip", first)
    with ThreadPoolExecutor(max_workers=4) as pool:

        def start(arguments: list[str], folder: Path, **environment: str) -> Future[dict[str, str]]:
            return pool.submit(digests, arguments, folder, **environment)

        ways = {
            "hash seed 0": start(["-c", IMPORTED], tmp_path, PYTHONPATH=first, PYTHONHASHSEED="0"),
            "hash seed 1": start(["-c", IMPORTED], tmp_path, PYTHONPATH=first, PYTHONHASHSEED="1"),
            "hash seed 2": start(["-c", IMPORTED], tmp_path, PYTHONPATH=first, PYTHONHASHSEED="2"),
            "from its own folder": start(["-c", IMPORTED], Path(first)),
            "moved, on other lines": start(["-c", IMPORTED], tmp_path, PYTHONPATH=moved),
            "commented and annotated": start(["-c", IMPORTED], tmp_path, PYTHONPATH=edited),
            "run as a script": start(["run.py"], tmp_path / "main"),
            "run as a module": start(["-m", "run"], tmp_path / "main"),
            "inside a package": start(["-c", package], tmp_path / "package"),
            "out of a zip file": start(["-c", IMPORTED], tmp_path, PYTHONPATH=zipped),
            "after other imports": start(["-c", other_order], tmp_path, PYTHONPATH=first),
            "before other imports": start(["-c", late], tmp_path, PYTHONPATH=first),
            "after it was used": start(["-c", used], tmp_path, PYTHONPATH=first),
            "without bytecode files": start(["-B", "-c", IMPORTED], tmp_path, PYTHONPATH=first),
        }
    reports = {way: report.result() for way, report in ways.items()}
    assert {way for way in reports if reports[way] != reports["hash seed 0"]} == set()


def test_one_changed_function_changes_the_keys_of_those_that_reach_it(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "model.py", MODEL)
    two = write(tmp_path / "two", "model.py", MODEL.replace("return x * x", "return x * x * x"))
    before = digests(["-c", IMPORTED], tmp_path, PYTHONPATH=one)
    after = digests(["-c", IMPORTED], tmp_path, PYTHONPATH=two)
    reaching = {f"everything {index}" for index in (0, 1, 3, 4)}  # rhs, make(3), functions, partial
    assert {name for name in before if before[name] != after[name]} == {*reaching, "all"}


def test_numba_objects_have_the_same_keys_in_every_process(tmp_path: Path) -> None:
    script = REPORT % '("kernels",)' + (
        "import jitted as j\nreport({'kernels': [j.kernel, j.helper, j.ufunc]})\n"
    )
    used = script.replace("import jitted as j\n", "import jitted as j\nj.kernel(1.0), j.ufunc(1)\n")
    one = write(tmp_path / "one", "jitted.py", JITTED)
    two = write(tmp_path / "two", "jitted.py", "\n" * 50 + JITTED)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(digests, ["-c", script], tmp_path, PYTHONPATH=one, PYTHONHASHSEED="0")
        second = pool.submit(digests, ["-c", used], tmp_path, PYTHONPATH=two, PYTHONHASHSEED="1")
    assert first.result() == second.result()


@cache
def interpreter(version: str) -> tuple[str | None, str]:
    """A Python of this version on the path that runs; else the reason."""
    found = shutil.which(f"python{version}")
    if found is not None:
        # One of pyenv's shims may stand for a Python that is installed and not chosen.
        behind = Path(found).parents[1].glob(f"versions/{version}.*/bin/python{version}")
        for candidate in (found, *map(str, behind)):
            process = subprocess.run([candidate, "-c", ""], capture_output=True, check=False)
            if process.returncode == 0:
                return candidate, ""
    return None, f"no python{version} on the path runs"


PLAIN = """
import json, math
from dataclasses import dataclass
from emberkeep.keys import fingerprint

@dataclass(frozen=True)
class Rates:
    birth: float
    death: float = 0.1

values = [
    None, ..., True, -(2**70), 0.1, -0.0, math.nan, -math.inf, 1 - 2j, "\\u017dlu\\0", b"\\xff",
    (1, (2.0, "a")), [1, [2, []]], {"b": 1, "a": {"c": None}}, {2: "b", 1.5: "a"}, {1, "a", None},
    frozenset({(1, 2), b"x"}), range(1, 10, 2), slice(None, 3), bytearray(b"a"), Rates(1.5),
]
print(json.dumps({repr(i): fingerprint(value).digest for i, value in enumerate(values)}))
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_plain_values_have_the_same_keys_under_every_python(version: str, tmp_path: Path) -> None:
    other, reason = interpreter(version)
    if other is None:
        pytest.skip(reason)
    process = subprocess.run(
        [other, "-c", PLAIN],
        cwd=tmp_path,
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(process.stdout) == digests(["-c", PLAIN], tmp_path)
