"""Kernels and their callees as installed packages have them: in a site folder, with a record."""

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import emberkeep

HELPERS = """
def scaled(x):
    return 3.0 * x + _shift(x)

def _shift(x):
    return 0.5
"""

KERNELS = """
import colorsys
import emberkeep
import helperlib
from helperlib import inner
from helperlib.inner import scaled

@emberkeep.kernel("float64[::1], float64[::1]")
def by_name(i, x, y):
    y[i] = scaled(x[i])

@emberkeep.kernel("float64[::1], float64[::1]")
def by_module(i, x, y):
    y[i] = helperlib.inner.scaled(x[i]) + inner.scaled(x[i])

@emberkeep.kernel("float64[::1], float64[::1]")
def of_standard_library(i, x, y):
    y[i] = colorsys.rgb_to_yiq(x[i], 0.25, 0.5)[1]
"""

CALL = """
import numpy as np
import kernellib

x, y = np.linspace(0.0, 1.0, 5), np.zeros(5)
for kernel in (kernellib.by_name, kernellib.by_module, kernellib.of_standard_library):
    expected = np.zeros(5)
    for i in range(5):
        kernel.function(i, x, expected)
    kernel(x, y, count=5)
    np.testing.assert_allclose(y, expected, rtol=1e-15)
print(kernellib.__file__)
"""


def install(site, name, files):
    """A package as pip leaves it: files, and a record with their digests."""
    rows = []
    for path, text in {**files, f"{name}-1.0.dist-info/METADATA": f"Name: {name}\n"}.items():
        place = site / path
        place.parent.mkdir(parents=True, exist_ok=True)
        content = text if isinstance(text, bytes) else text.encode()
        place.write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}")
    (site / f"{name}-1.0.dist-info/RECORD").write_text("\n".join(rows) + "\n")


def run(site, program):
    """What a program prints that finds the packages of a site folder first."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_kernel_calls_plain_functions_of_installed_packages(tmp_path):
    helpers = {
        "helperlib/__init__.py": "import helperlib.inner\n",
        # Modules hold each other, as they do.
        "helperlib/inner.py": f"import helperlib\n{HELPERS}",
    }
    install(tmp_path, "helperlib", helpers)
    install(tmp_path, "kernellib", {"kernellib.py": KERNELS})
    assert str(tmp_path) in run(tmp_path, CALL)


@pytest.fixture
def installed(tmp_path):
    """A site folder with emberkeep in it as a wheel would leave it."""
    source = Path(emberkeep.__file__).parent
    found = [
        path for path in source.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    ]
    files = {str(path.relative_to(source.parent)): path.read_bytes() for path in found}
    install(tmp_path, "emberkeep", files)
    return tmp_path


def test_own_kernels_compile_as_installed(installed):
    program = (
        "from emberkeep.elimination.kernels.tape_writer import write_solution\n"
        "from emberkeep.elimination.kernels.tape_interpreter import replay\n"
        "import emberkeep\n"
        "assert replay.build() and write_solution.build()\n"
        "print(emberkeep.__file__)"
    )
    assert str(installed) in run(installed, program)
