"""Big batches: memory of summaries, and results on disk beside computing and writing them alone."""

import json
import subprocess
import sys
import tempfile

from measuring import Row, milliseconds, show

MEANS, STORED = 10_000_000, 600_000  # trajectories
GIB = 1 << 30
BUDGET = "512 MiB"

LORENZ = """
import json, resource, sys, time
import numpy as np
from emberkeep import ode
lorenz = ode.System(
    "dx = sigma*(y - x); dy = x*(rho - z) - y; dz = x*y - beta*z",
    {"x": 1.0, "y": 1.0, "z": 1.0}, {"sigma": 10.0, "rho": 28.0}, constants={"beta": 8 / 3},
    name="lorenz",
)
solver = ode.Solver(lorenz, target="cpu")
given = {"parameters": {"rho": np.linspace(20, 30, int(sys.argv[1]))}}
def report(**found):
    found["peak"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(found))
"""
SUMMARIES = """
solver.build(["mean"])
began = time.perf_counter()
solver.solve((0, 1), **given, save_at=0.1, outputs=["mean"])
report(seconds=time.perf_counter() - began)
"""
ON_DISK = """
solver.build(["states"])
began = time.perf_counter()
solver.solve((0, 1), **given, save_at=0.01, into=sys.argv[2], memory=sys.argv[3])
report(seconds=time.perf_counter() - began)
"""
# The same numbers computed, and then written by Zarr with the same chunks: nothing overlaps.
APART = """
import zarr
solver.build(["states"])
began = time.perf_counter()
result = solver.solve((0, 1), **given, save_at=0.01, memory=float("inf"))
computed = time.perf_counter() - began
group, model = zarr.create_group(sys.argv[3]), zarr.open_group(sys.argv[2], mode="r")
began = time.perf_counter()
for name in result:
    like = model[name]
    array = group.create_array(
        name, shape=like.shape, chunks=like.chunks, dtype=like.dtype, compressors=like.compressors
    )
    for start in range(0, len(result), like.chunks[0]):
        array[start : start + like.chunks[0]] = result[name][start : start + like.chunks[0]]
report(computed=computed, written=time.perf_counter() - began, size=result.states.nbytes)
"""


def run(program: str, *arguments: object) -> dict[str, float]:
    """What a new process reports."""
    command = [sys.executable, "-c", LORENZ + program, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def main() -> list[Row]:
    """Measure."""
    means = run(SUMMARIES, MEANS)
    with tempfile.TemporaryDirectory() as folder:
        stored = run(ON_DISK, STORED, f"{folder}/stored", BUDGET)
        apart = run(APART, STORED, f"{folder}/stored", f"{folder}/apart")
    after = apart["computed"] + apart["written"]
    floor = max(apart["computed"], apart["written"])
    size = f"{apart['size'] / 1e9:.2g} GB of states"
    return [
        Row(
            f"mean of each state over {MEANS:,} trajectories, memory of the process",
            f"{means['peak'] / GIB:.2f} GiB",
            "",
            f"in {milliseconds(means['seconds'])}",
            "under 2 GiB",
            means["peak"] < 2 * GIB,
        ),
        Row(
            f"{size} to disk, over computing and writing one after the other",
            milliseconds(stored["seconds"]),
            f"{milliseconds(after)}; the slower of both {milliseconds(floor)}",
            f"{stored['seconds'] / after:.2f}x",
            "at most 1.1x",
            stored["seconds"] <= 1.1 * after,
        ),
        Row(
            f"{size} with memory={BUDGET!r}, memory of the process",
            f"{stored['peak'] / GIB:.2f} GiB",
            f"{apart['peak'] / GIB:.2f} GiB in memory",
            "",
            "under 0.75 GiB",
            stored["peak"] < 0.75 * GIB,
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(not show(main()))
