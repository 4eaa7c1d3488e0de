"""cubie 0.17.0 on a GPU: throughput of whole solves, and cold and warm starts.

    cubie_gpu.py CASE [TRAJECTORIES]

CASE is one of

lorenz-rk4, lorenz-tsit5
    Lorenz, sigma 10, beta 8/3, rho over linspace(20, 30), 4,194,304 trajectories from (1, 1, 1),
    t in [0, 1], float32; RK4 with dt 1e-3, or tsit5 with rtol = atol = 1e-6. One Solver, two
    solves to warm up, five timed: wall time of `Solver.solve`, transfers included. cubie can give
    the end in two ways: `state` saves the start and the end, `mean` is a summary over one sample,
    the end. Both are timed; solve_ms and first_s are those of the cheaper one.
cold-lorenz, cold-l96
    One trajectory, float64, tsit5, one process with empty caches.
warm-lorenz, warm-l96, warm-dense
    The same, a second process on the caches that a first one filled.

Times of cold and warm cases run from the start of the process (before any import) to the result
on the host; process_s is what the parent saw, from spawn to exit. An untimed process imports cubie
first, so that no timed one compiles bytecode. Prints one JSON line.

NUMBA_ENABLE_CUDASIM=1 runs everything on the CPU, slowly: give a small TRAJECTORIES then (the
cases of one trajectory take t in [0, 0.02] under it).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BEGAN = time.clock_gettime(time.CLOCK_BOOTTIME)
SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
THROUGHPUT: dict[str, dict[str, Any]] = {
    "lorenz-rk4": {"algorithm": "rk4", "dt": 1e-3},
    "lorenz-tsit5": {"algorithm": "tsit5", "rtol": 1e-6, "atol": 1e-6},
}
STARTS = ("cold-lorenz", "cold-l96", "warm-lorenz", "warm-l96", "warm-dense")


def lorenz() -> dict[str, Any]:
    return {
        "dxdt": ["dx = sigma * (y - x)", "dy = x * (rho - z) - y", "dz = x * y - beta * z"],
        "states": {"x": 1.0, "y": 1.0, "z": 1.0},
        "parameters": {"sigma": 10.0, "rho": 28.0, "beta": 8.0 / 3.0},
        "swept_parameters": ["rho"],
        "name": "lorenz",
    }


def names(n: int) -> list[str]:
    """Names of one width: cubie orders states by name, whatever order they are given in."""
    return [f"x{i:02}" for i in range(n)]


def l96(n: int = 50) -> dict[str, Any]:
    x = names(n)
    return {
        "dxdt": [
            f"d{x[i]} = ({x[(i + 1) % n]} - {x[i - 2]}) * {x[i - 1]} - {x[i]} + F" for i in range(n)
        ],
        "states": {name: 8.0 + 0.01 * (i == 0) for i, name in enumerate(x)},
        "parameters": {"F": 8.0},
        "swept_parameters": ["F"],
        "name": "l96",
    }


def dense(n: int = 50) -> dict[str, Any]:
    """dx_i = -x_i + sum_j a_ij x_j x_(j+1), with constants of two digits."""
    import random

    x, draw = names(n), random.Random(0)
    equations = []
    for name in x:
        terms = [f"{draw.uniform(-1.0, 1.0):+.2f}*{x[j]}*{x[(j + 1) % n]}" for j in range(n)]
        equations.append(f"d{name} = -{name} {' '.join(terms)}")
    return {
        "dxdt": equations,
        "states": {name: 0.01 * (i + 1) for i, name in enumerate(x)},
        "parameters": {},
        "name": "dense",
    }


def throughput(case: str, trajectories: int) -> dict[str, Any]:
    """Time whole solves; the caches are this process's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(caches(folder))
        import cubie
        import numpy as np

        duration = 1.0
        system = cubie.create_ODE_system(precision=np.float32, **lorenz())
        y0 = np.ones((3, trajectories), np.float32)
        rhos = np.linspace(20.0, 30.0, trajectories, dtype=np.float32)[None, :]
        ways = {}
        for output in ("state", "mean"):
            start = time.perf_counter()
            sampled = {"sample_summaries_every": duration} if output == "mean" else {}
            solver = cubie.Solver(system, output_types=[output], **sampled, **THROUGHPUT[case])
            took = []
            for _ in range(7):
                began = time.perf_counter()
                result = solver.solve(y0, rhos, duration=duration, nan_error_trajectories=False)
                took.append(time.perf_counter() - began)
                if len(took) == 1:
                    first = time.perf_counter() - start
                rows = result.state if output == "state" else result.state_summaries
                sample, failed = rows[-1, :, 0].tolist(), bool(result.status_messages)
                del result, rows  # what lets cubie use its buffers again
            assert not failed, f"{case}, {output}: some trajectories failed"
            ways[output] = {
                "first_s": round(first, 3),
                "solve_ms": [round(1e3 * s, 2) for s in took[2:]],
                "sample": sample,
                "chunks": solver.chunks,
            }
            solver.close()
    best = min(ways, key=lambda way: statistics.median(ways[way]["solve_ms"]))
    rest = {way: values for way, values in ways.items() if way != best}
    return {"case": case, **ways[best], "output": best, "trajectories": trajectories, **rest}


def caches(folder: str) -> dict[str, str]:
    """The environment that puts every cache under `folder`: cubie's, the driver's, CUDA's tools."""
    return {
        "CUBIE_CACHE_DIR": str(Path(folder, "cubie")),
        "CUDA_CACHE_PATH": str(Path(folder, "nv")),
        "XDG_CACHE_HOME": str(Path(folder, "xdg")),
        "NUMBA_CACHE_DIR": str(Path(folder, "numba")),
    }


def environment(folder: str) -> dict[str, str]:
    """That of a child: its caches under `folder`, bytecode written as Python does by default."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return inherited | caches(folder)


def since_start() -> float:
    """Seconds since this process started, to the 10 ms of the kernel's clock tick."""
    ticks = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19]
    born = int(ticks) / os.sysconf("SC_CLK_TCK")
    # A kernel that counts its ticks in another way gives a time after this file's first line.
    return time.clock_gettime(time.CLOCK_BOOTTIME) - min(born, BEGAN)


def one_start(name: str) -> dict[str, Any]:
    """In a child: import, build, solve one trajectory; say how long each took from the start."""
    import cubie
    import numpy as np

    imported = since_start()
    model = {"lorenz": lorenz, "l96": l96, "dense": dense}[name]()
    system = cubie.create_ODE_system(precision=np.float64, **model)
    solver = cubie.Solver(system, algorithm="tsit5", rtol=1e-6, atol=1e-6)
    built = since_start()
    values = [[model["parameters"][swept]] for swept in model.get("swept_parameters", [])]
    result = solver.solve(
        None,  # the system's own initial values
        np.array(values) if values else None,
        duration=0.02 if SIMULATED else 1.0,
        fix_constant_parameters=False,
    )
    sample = result.state[-1, :3, 0].tolist()
    done = since_start()
    assert not result.status_messages, f"{name}: the trajectory failed"
    return {
        "wall_s": round(done, 3),
        "import_s": round(imported, 3),
        "build_s": round(built - imported, 3),
        "solve_s": round(done - built, 3),
        "cpu_s": round(time.process_time(), 3),
        "sample": sample,
    }


def child(name: str, folder: str) -> dict[str, Any]:
    """Run one process on the caches under `folder`; count what it left there."""
    began = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, __file__, "--child", name],
        env=environment(folder),
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    took = time.perf_counter() - began
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {
        **json.loads(ran.stdout.splitlines()[-1]),
        "process_s": round(took, 3),
        "cache_files": len(files),
        "cache_bytes": sum(path.stat().st_size for path in files),
    }


def starts(case: str) -> dict[str, Any]:
    kind, name = case.split("-")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "import cubie"]
        subprocess.run(command, env=environment(folder), cwd=folder, check=True)
    with tempfile.TemporaryDirectory() as folder:
        first = child(name, folder)
        if kind == "cold":
            return {"case": case, **first}
        second = child(name, folder)
        assert second["sample"] == first["sample"], "the cached kernel gave other numbers"
        return {"case": case, **second, "cold": first}


def main() -> None:
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] == "--child":
        print(json.dumps(one_start(arguments[1])))
    elif arguments and arguments[0] in THROUGHPUT:
        trajectories = int(arguments[1]) if len(arguments) > 1 else 4_194_304
        print(json.dumps(throughput(arguments[0], trajectories)))
    elif arguments and arguments[0] in STARTS:
        print(json.dumps(starts(arguments[0])))
    else:
        sys.exit(f"usage: cubie_gpu.py {{{','.join([*THROUGHPUT, *STARTS])}}} [TRAJECTORIES]")


if __name__ == "__main__":
    main()
