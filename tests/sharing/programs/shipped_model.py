"""What is built on one machine and run on another."""

import math
import os

import emberkeep
from emberkeep import ode
from emberkeep.targets.cpu.target import CpuTarget

# The builder runs what it has built for others; they take whatever runs on them.
LEVEL = os.environ.get("SHIPPED_CPU", "host")


@emberkeep.kernel("float64[::1], float64[::1], float64", cpu=LEVEL)
def wave(i, out, x, k):
    out[i] = math.exp(-k * x[i]) * math.sqrt(x[i] + 1.0)


solver = ode.Solver(
    ode.System(
        "dx = s*(y - x); dy = x*(r - z) - y; dz = x*y - b*z",
        {"x": 1.0, "y": 1.0, "z": 1.0},
        {"s": 10.0, "r": 28.0, "b": 8 / 3},
        name="lorenz",
    ),
    method="rk4",
    target=CpuTarget(LEVEL),
)
