"""Run the shipped model on the CPU and the GPU, and write down every bit: OUT MODE.

MODE is ``fetched`` where nothing may be compiled, ``any`` where it may.
"""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shipped

from emberkeep import ode, to_device

out, mode = sys.argv[1:3]
x = np.linspace(0.1, 0.9, 10_000)
there, back = to_device(x), to_device(np.zeros_like(x))
here = np.zeros_like(x)
shipped.logistic(there, back, 3.9, count=x.size)
shipped.logistic(x, here, 3.9, count=x.size)
results = {"kernel on the GPU": back.copy_to_host(), "kernel on the CPU": here}
rho = np.linspace(20.0, 30.0, 5_000)
for target in ("cuda", "cpu"):
    solver = ode.Solver(shipped.lorenz.system, method="rk4", target=target)
    solved = solver.solve((0, 5), parameters={"rho": rho}, dt=0.01)
    results[f"Lorenz on {target}"] = solved.final
np.savez(out, **results)
heavy = {"numba", "llvmlite", "numba_cuda"} & set(sys.modules)
if mode == "fetched" and heavy:
    raise SystemExit(f"imported {heavy}")
