"""numbalsoda's DOP853 on 10,000 Lorenz trajectories, 2 threads (numba prange).

Prints one JSON line: microseconds per trajectory (best of 3, compiled beforehand) and the end of
trajectory 0.
"""

import json
import os
import time

os.environ.setdefault("NUMBA_NUM_THREADS", "2")

import numba
import numpy as np
from numbalsoda import dop853, lsoda_sig

SIGMA, BETA = 10.0, 8.0 / 3.0
TRAJECTORIES, T_END, RTOL, ATOL = 10_000, 10.0, 1e-6, 1e-9


@numba.cfunc(lsoda_sig)
def lorenz(_t, u, du, p):
    du[0] = SIGMA * (u[1] - u[0])
    du[1] = u[0] * (p[0] - u[2]) - u[1]
    du[2] = u[0] * u[1] - BETA * u[2]


ADDRESS = lorenz.address


@numba.njit(parallel=True)
def solve(rhos, times, ends):
    failed = 0
    for i in numba.prange(len(rhos)):
        y0 = np.ones(3)
        parameters = np.full(1, rhos[i])
        path, success = dop853(ADDRESS, y0, times, parameters, rtol=RTOL, atol=ATOL, mxstep=100_000)
        ends[i] = path[-1]
        failed += not success
    return failed


def main() -> None:
    rhos = np.linspace(20.0, 30.0, TRAJECTORIES)
    times = np.array([0.0, T_END])
    ends = np.empty((TRAJECTORIES, 3))
    solve(rhos[:4], times, ends)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        failed = solve(rhos, times, ends)
        best = min(best, time.perf_counter() - start)
        assert not failed, f"{failed} of {TRAJECTORIES} trajectories failed"
    print(
        json.dumps(
            {"us_per_trajectory": round(best / TRAJECTORIES * 1e6, 3), "sample": ends[0].tolist()}
        )
    )


if __name__ == "__main__":
    main()
