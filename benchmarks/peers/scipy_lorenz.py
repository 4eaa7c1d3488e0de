"""SciPy's DOP853 on 20 Lorenz trajectories, one thread.

Prints one JSON line: microseconds per trajectory (best of 3) and the end of trajectory 0.
"""

import json
import time

import numpy as np
from scipy.integrate import solve_ivp

SIGMA, BETA = 10.0, 8.0 / 3.0
TRAJECTORIES, T_END, RTOL, ATOL = 20, 10.0, 1e-6, 1e-9


def lorenz(_t: float, u: np.ndarray, rho: float) -> tuple[float, float, float]:
    x, y, z = u
    return SIGMA * (y - x), x * (rho - z) - y, x * y - BETA * z


def solve(rho: float) -> np.ndarray:
    solution = solve_ivp(
        lorenz, (0.0, T_END), np.ones(3), "DOP853", args=(rho,), rtol=RTOL, atol=ATOL
    )
    assert solution.success, solution.message
    return solution.y[:, -1]


def main() -> None:
    rhos = np.linspace(20.0, 30.0, TRAJECTORIES).tolist()
    best, ends = float("inf"), []
    for _ in range(3):
        start = time.perf_counter()
        ends = [solve(rho) for rho in rhos]
        best = min(best, time.perf_counter() - start)
    print(
        json.dumps(
            {"us_per_trajectory": round(best / TRAJECTORIES * 1e6, 1), "sample": ends[0].tolist()}
        )
    )


if __name__ == "__main__":
    main()
