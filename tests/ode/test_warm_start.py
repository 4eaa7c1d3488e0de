"""A solve whose kernel is kept: what it imports, whatever the size of the system."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys, json
import numpy
before = set(sys.modules)
from emberkeep import ode
n = {states}
if n == 1:
    system = ode.System("dx = -k*x", {{"x": 1.0}}, {{"k": 1.0}}, name="one")
else:
    # Too long to be parsed at once, by its brackets: there is little to compile.
    names = [f"x{{i}}" for i in range(n)]
    bracketed = ["(" * 45 + x + ")" * 45 for x in names[1:] + names[:1]]
    equations = [f"d{{x}} = 0.5*{{y}} - 0.1*{{x}}*{{y}}" for x, y in zip(names, bracketed)]
    system = ode.System(equations, dict.fromkeys(names, 0.1), name="many")
result = ode.solve(system, (0, 0.1), dt=0.1, method="rk4", target="cpu", save_at=0.1)
loaded = sorted(set(sys.modules) - before)
print(json.dumps([loaded, result.states.tolist()]))
"""

# What an import of emberkeep.ode and a solve on the CPU may bring along, beside emberkeep itself.
STANDARD = {
    "__future__", "_blake2", "_hashlib", "_locale", "_posixsubprocess", "_queue", "_sha2",
    "_sha256", "atexit", "fcntl", "hashlib", "locale", "mmap", "select", "selectors", "signal",
    "subprocess",
    "threading", "tomllib", "_ctypes", "ctypes", "ctypes._endian", "re", "zlib", "struct",
    "_struct",
    "typing", "warnings", "_json", "json",
}  # fmt: skip
NEVER = {"numba", "llvmlite", "sympy", "jax", "pandas", "xarray", "numba_cuda", "cuda"}
# Only a miss needs these.
MISS = {
    "emberkeep.ode.kernel.source",
    "emberkeep.ode.system.parsing",
    "emberkeep.targets.cpu.assembly",
}


def run(states, root):
    environ = {**os.environ, "EMBERKEEP_DIR": str(root)}
    command = [sys.executable, "-c", PROGRAM.format(states=states)]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.mark.parametrize("states", [1, 12])
def test_a_kept_solve_imports_no_compiler_and_parses_nothing(states, tmp_path):
    cold, first = run(states, tmp_path)
    assert "llvmlite" in cold
    assert "numba" not in cold
    warm, second = run(states, tmp_path)
    assert second == first
    tops = {name.partition(".")[0] for name in warm}
    assert not tops & NEVER
    others = {name for name in warm if not name.startswith("emberkeep")}
    assert others <= STANDARD, others - STANDARD
    if states > 1:  # a small system is parsed at once, so that mistakes show where they are made
        assert not MISS & set(warm)
    assert "emberkeep.ode.kernel.source" not in warm
    assert "emberkeep.targets.cpu.assembly" not in warm
