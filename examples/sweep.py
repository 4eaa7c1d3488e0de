"""A sweep of Lorenz's equations over rho, on a GPU where there is one.

Run it twice: the second process loads the code that the first one compiled, and imports neither
numba nor SymPy.
"""

import sys
import time

import numpy as np

begun = time.perf_counter()
from emberkeep import ode  # noqa: E402 - what NumPy costs is not ours

HEAVY = ("numba", "llvmlite", "sympy", "jax")

system = ode.System(
    """
    dx = sigma*(y - x)
    dy = x*(rho - z) - y
    dz = x*y - beta*z
    """,
    states={"x": 1.0, "y": 1.0, "z": 1.0},
    parameters={"sigma": 10.0, "rho": 28.0},
    constants={"beta": 8 / 3},
    name="lorenz",
)
solver = ode.Solver(system, method="tsit5")
one = solver.solve((0, 10), rtol=1e-6, atol=1e-9)
ready = time.perf_counter()

rho = np.linspace(20.0, 30.0, 100_000)
sweep = solver.solve((0, 10), parameters={"rho": rho}, rtol=1e-6, atol=1e-9)
swept = time.perf_counter()
solver.solve((0, 5), parameters={"rho": rho[:10]}, rtol=1e-8, atol=1e-8)
again = time.perf_counter()

print(f"   first trajectory {1000 * (ready - begun):8.1f} ms after importing NumPy")
print(f"   {len(sweep):,} trajectories on {solver.target.name}: {swept - ready:.2f} s")
print(f"   another tolerance, another end: {1000 * (again - swept):.1f} ms, nothing compiled")
heavy = [name for name in HEAVY if name in sys.modules]
print(f"   imported on the way: {', '.join(heavy or ['none of', *HEAVY])}")
sweep.require_success()
if len(sys.argv) > 1:  # what a run cost is for the driver to add up
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(f"{ready - begun} {sweep.final.sum()!r}")
