"""Kernels on a GPU: a start with a kept kernel, a launch, and the code itself.

Beside it in the same run: the same by hand with cuda.bindings, and numba-cuda with cache=True.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

from measuring import Row, milliseconds, show

COUNT, STEPS, REPEATS = 1 << 20, 100, 10
MANY, MANY_STEPS = 1 << 22, 1000
TYPES = "float32[:, ::1], float32[:, ::1], float32, int64, float32[:, ::1]"

# The classic fourth-order method on Lorenz's equations, a thread per trajectory.
MODEL = """
def slope(x, y, z, s, r, b):
    return s * (y - x), x * (r - z) - y, x * y - b * z

def step(h, x, y, z, s, r, b):
    half, sixth = h / TWO, h / SIX
    ax, ay, az = slope(x, y, z, s, r, b)
    bx, by, bz = slope(x + half * ax, y + half * ay, z + half * az, s, r, b)
    cx, cy, cz = slope(x + half * bx, y + half * by, z + half * bz, s, r, b)
    dx, dy, dz = slope(x + h * cx, y + h * cy, z + h * cz, s, r, b)
    return (
        x + sixth * (ax + (bx + bx) + (cx + cx) + dx),
        y + sixth * (ay + (by + by) + (cy + cy) + dy),
        z + sixth * (az + (bz + bz) + (cz + cz) + dz),
    )

def lorenz(i, start, parameters, h, steps, out):
    x, y, z = start[0, i], start[1, i], start[2, i]
    s, r, b = parameters[0, i], parameters[1, i], parameters[2, i]
    for _ in range(steps):
        x, y, z = step(h, x, y, z, s, r, b)
    out[0, i], out[1, i], out[2, i] = x, y, z
"""
CONSTANTS = "import numpy as np\nTWO, SIX = np.float32(2), np.float32(6)\n"
INPUTS = """
def inputs(count):
    parameters = np.empty((3, count), np.float32)
    parameters[0], parameters[2] = 10, 8 / 3
    parameters[1] = np.linspace(20, 30, count)
    return np.ones((3, count), np.float32), parameters
"""
OURS = f"""{CONSTANTS}
import emberkeep
from emberkeep.targets.cuda.driver import open_device
{MODEL}{INPUTS}
kernel = emberkeep.kernel({TYPES!r})(lorenz)
def prepare(count):
    start, parameters = map(emberkeep.to_device, inputs(count))
    return start, parameters, emberkeep.empty_on_device((3, count), "float32")
def launch(arrays, steps, count):
    start, parameters, out = arrays
    kernel(start, parameters, 1e-3, steps, out, count=count)
def fetch(arrays):
    return arrays[2].copy_to_host()
def wait():
    open_device().driver.call("cuCtxSynchronize")
"""
NUMBA = f"""{CONSTANTS}
from numba import cuda
{MODEL}{INPUTS}
slope, step = cuda.jit(device=True)(slope), cuda.jit(device=True)(step)
body = cuda.jit(device=True)(lorenz)

@cuda.jit("void(float32[:, ::1], float32[:, ::1], float32, int64, float32[:, ::1])", cache=True)
def kernel(start, parameters, h, steps, out):
    i = cuda.grid(1)
    if i < start.shape[1]:
        body(i, start, parameters, h, steps, out)
def prepare(count):
    start, parameters = map(cuda.to_device, inputs(count))
    return start, parameters, cuda.device_array((3, count), np.float32)
def launch(arrays, steps, count):
    start, parameters, out = arrays
    kernel[(count + 127) // 128, 128](start, parameters, np.float32(1e-3), steps, out)
def fetch(arrays):
    return arrays[2].copy_to_host()
def wait():
    cuda.synchronize()
"""
# By hand: nothing is checked, nothing is looked up; the cubin is a file.
FLOOR = f"""{CONSTANTS}
import ctypes, struct, sys
from cuda.bindings import driver
{INPUTS}
def ok(result):
    assert int(result[0]) == 0, result
    return result[1] if len(result) > 1 else None
ok(driver.cuInit(0))
context = ok(driver.cuDevicePrimaryCtxRetain(ok(driver.cuDeviceGet(0))))
ok(driver.cuCtxSetCurrent(context))
with open(sys.argv[2], "rb") as file:
    module = ok(driver.cuModuleLoadData(file.read()))
function = ok(driver.cuModuleGetFunction(module, b"emberkeep_kernel"))
def array(address, count):
    return (0, 0, 3 * count, 4, address, 3, count, 4 * count, 4)
def prepare(count):
    addresses = [int(ok(driver.cuMemAlloc(12 * count))) for _ in range(3)]
    for address, values in zip(addresses, inputs(count)):
        ok(driver.cuMemcpyHtoD(address, values.ctypes.data, values.nbytes))
    return addresses
def launch(addresses, steps, count):
    one, two, three = (array(address, count) for address in addresses)
    packed = struct.pack("@qPPqqPqqqqPPqqPqqqqfqPPqqPqqqq", count, *one, *two, 1e-3, steps, *three)
    buffer, size = ctypes.create_string_buffer(packed, len(packed)), ctypes.c_size_t(len(packed))
    extra = (ctypes.c_void_p * 5)(1, ctypes.addressof(buffer), 2, ctypes.addressof(size), 0)
    blocks = (count + 127) // 128
    ok(driver.cuLaunchKernel(function, blocks, 1, 1, 128, 1, 1, 0, 0, 0, ctypes.addressof(extra)))
    prepare.count = count
def fetch(addresses):
    out = np.empty((3, prepare.count), np.float32)
    ok(driver.cuMemcpyDtoH(out.ctypes.data, addresses[2], out.nbytes))
    return out
def wait():
    ok(driver.cuCtxSynchronize())
"""
# What each process does: one launch with results on the host; then, if asked, timings.
RUN = f"""
import hashlib, json, sys, time
arrays = prepare({COUNT})
launch(arrays, {STEPS}, {COUNT})
result = fetch(arrays)
done = time.time()
figures = {{"done": done, "digest": hashlib.sha256(result.tobytes()).hexdigest()}}
if sys.argv[1] == "time":
    few = prepare(256)
    launch(few, 1, 256)
    wait()
    begun = time.perf_counter()
    for _ in range(2000):
        launch(few, 1, 256)
    figures["launch"] = (time.perf_counter() - begun) / 2000
    many = prepare({MANY})
    times = []
    for _ in range(12):
        begun = time.perf_counter()
        launch(many, {MANY_STEPS}, {MANY})
        wait()
        times.append(time.perf_counter() - begun)
    figures["kernel"] = min(times)
print(json.dumps(figures))
"""


def run(program: Path, mode: str, cubin: Path, environ: dict[str, str]) -> tuple[float, dict]:
    """Whole seconds from the start of a process to its results on the host, and what it said."""
    begun = time.time()
    command = [sys.executable, program, mode, cubin]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    if ran.returncode:
        raise SystemExit(f"{program.name}: {ran.stdout}{ran.stderr}")
    figures = json.loads(ran.stdout.splitlines()[-1])
    return figures["done"] - begun, figures


def main() -> bool:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            **os.environ,
            "EMBERKEEP_CONFIG_DIR": os.path.join(folder, "config"),
            "EMBERKEEP_DIR": os.path.join(folder, "keep"),
            "NUMBA_CACHE_DIR": os.path.join(folder, "numba"),
        }
        programs = {"ours": OURS, "floor": FLOOR, "numba": NUMBA}
        paths = {name: Path(folder, f"{name}_program.py") for name in programs}
        cubin = Path(folder, "kernel.cubin")
        for name, text in programs.items():
            paths[name].write_text(text + RUN)
        run(paths["ours"], "once", cubin, environ)
        (blob,) = [path for path in Path(folder, "keep", "blobs").rglob("*") if path.is_file()]
        cubin.write_bytes(zlib.decompress(blob.read_bytes()))
        manifests = Path(folder, "keep", "generated").rglob("*.json")
        our_size = blob.stat().st_size + sum(path.stat().st_size for path in manifests)
        run(paths["numba"], "once", cubin, environ)
        numbas = [path for path in Path(folder, "numba").rglob("*") if path.is_file()]
        their_size = sum(path.stat().st_size for path in numbas)
        starts: dict[str, list[float]] = {name: [] for name in programs}
        digests = set()
        for _ in range(REPEATS):
            for name, path in paths.items():
                seconds, figures = run(path, "once", cubin, environ)
                starts[name].append(seconds)
                digests.add(figures["digest"])
        median = {name: statistics.median(taken) for name, taken in starts.items()}
        timed = {name: run(path, "time", cubin, environ)[1] for name, path in paths.items()}
    ratios = {name: median["ours"] / median[name] for name in ("floor", "numba")}
    kernel = timed["ours"]["kernel"] / timed["numba"]["kernel"]
    rows = [
        ("results are the same bits", "", "", str(len(digests) == 1), "True", len(digests) == 1),
        (
            "whole process, kept kernel, results on the host",
            milliseconds(median["ours"]),
            f"{milliseconds(median['floor'])} (by hand)",
            f"{ratios['floor']:.2f} times",
            "at most 1.3",
            ratios["floor"] <= 1.3,
        ),
        (
            "the same against numba-cuda's cache=True",
            milliseconds(median["ours"]),
            milliseconds(median["numba"]),
            f"{ratios['numba']:.2f} times",
            "at most 0.3",
            ratios["numba"] <= 0.3,
        ),
        (
            "one launch",
            milliseconds(timed["ours"]["launch"]),
            ", ".join(
                f"{milliseconds(timed[name]['launch'])} ({label})"
                for name, label in (("floor", "by hand"), ("numba", "numba"))
            ),
            milliseconds(timed["ours"]["launch"]),
            "at most 20 µs",
            timed["ours"]["launch"] <= 20e-6,
        ),
        (
            f"Lorenz, {MANY:,} trajectories, {MANY_STEPS} steps, f32",
            milliseconds(timed["ours"]["kernel"]),
            f"{milliseconds(timed['numba']['kernel'])} (numba)",
            f"{kernel:.3f} of numba's time",
            "at most 1.03",
            kernel <= 1.03,
        ),
        (
            "bytes kept: cubin and manifest",
            f"{our_size:,}",
            f"{their_size:,} (numba)",
            f"{our_size / their_size:.2f} of numba's",
            "at most 0.33",
            3 * our_size <= their_size,
        ),
    ]
    return show([Row(*row) for row in rows])


if __name__ == "__main__":
    raise SystemExit(not main())
