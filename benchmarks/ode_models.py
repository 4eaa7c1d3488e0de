"""The systems of the ODE benchmarks as programs: each defines `system`, from its equations on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LORENZ = """
system = ode.System(
    "dx = sigma*(y - x); dy = x*(rho - z) - y; dz = x*y - beta*z",
    states={"x": 1.0, "y": 1.0, "z": 1.0},
    parameters={"sigma": 10.0, "rho": 28.0},
    constants={"beta": 8 / 3},
    name="lorenz",
)
"""
_LORENZ_96 = """
n = {states}
system = ode.System(
    [f"dx{{i}} = (x{{(i + 1) % n}} - x{{(i - 2) % n}})*x{{i - 1 if i else n - 1}} - x{{i}} + F"
     for i in range(n)],
    states={{f"x{{i}}": 8.0 + 0.01*(i == 0) for i in range(n)}},
    parameters={{"F": 8.0}},
    name="lorenz96",
)
"""
LORENZ_96 = _LORENZ_96.format(states=50)
LORENZ_96_OF_20 = _LORENZ_96.format(states=20)
VAN_DER_POL = """
system = ode.System(
    "dx = y; dy = mu*(1 - x*x)*y - x",
    states={"x": 2.0, "y": 0.0},
    parameters={"mu": 5.0},
    name="van_der_pol",
)
"""
# Every state's derivative has 50 products of neighbours, with numbers of their own.
DENSE = """
import random
n, draw = 50, random.Random(0)
system = ode.System(
    [f"dx{i} = -x{i} " + " ".join(f"{draw.uniform(-1.0, 1.0):+.2f}*x{j}*x{(j + 1) % n}"
     for j in range(n)) for i in range(n)],
    states={f"x{i}": 0.01*(i + 1) for i in range(n)},
    name="dense",
)
"""
# Each is solved from nothing and from kept code, and must take no longer than this over the floor;
# in seconds, on a CPU and on a GPU.
MODELS = {"lorenz": LORENZ, "l96": LORENZ_96, "dense": DENSE}
COLD = {
    "cpu": {"lorenz": 0.5, "l96": 1.0, "dense": 4.0},
    "cuda": {"lorenz": 0.6, "l96": 1.0, "dense": 6.0},
}


def start(model: str, target: str) -> str:
    """A program that solves one trajectory of a model, from the import on."""
    return f"""
from emberkeep import ode
{MODELS[model]}
result = ode.solve(system, (0, 1), rtol=1e-6, atol=1e-6, target={target!r})
assert result.require_success().final.shape[0] == 1
"""


def imports_numba(target: str, environment: dict[str, str]) -> str:
    """Whether a process that finds nothing kept imports numba."""
    code = start("lorenz", target) + '\nimport sys\nprint("numba" in sys.modules)'
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    ).stdout.split()[-1]
    return {"True": "yes", "False": "no"}[said]


def load(source: str) -> Any:
    """The system of a program."""
    from emberkeep import ode

    names: dict[str, Any] = {"ode": ode}
    exec(source, names)
    return names["system"]


def kept(folder: str) -> int:
    """How much has been compiled into the keep under a folder."""
    return sum(1 for _ in Path(folder, "keep", "generated").rglob("*.json"))
