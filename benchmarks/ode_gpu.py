"""The ODE engine on a GPU: starts, kernels and whole solves, beside cubie and CUDA C by hand.

Not among what `make bench` runs: it needs a GPU. Where packages cannot be installed,
CUBIE_SITE names a folder that holds cubie (see peers/README.md).
"""

import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from typing import Any

import ode_models
from measuring import HERE, Row, fresh_medians, milliseconds, peer, show

TRAJECTORIES, STEPS, REPEATS = 4_194_304, 1000, 9
# Nothing but what every process pays that uses the device at all.
BARE = """
import numpy
from cuda.bindings import driver
driver.cuInit(0)
driver.cuCtxSetCurrent(driver.cuDevicePrimaryCtxRetain(driver.cuDeviceGet(0)[1])[1])
"""
BY_HAND = r"""
extern "C" __global__ void rk4(const T *start, const T *parameters, T h, int steps, T *out, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    T x = start[i], y = start[n + i], z = start[2 * n + i];
    T s = parameters[i], r = parameters[n + i], b = parameters[2 * n + i];
    T half = h * T(0.5), sixth = h * T(1.0 / 6.0);
    for (int k = 0; k < steps; k++) {
        T ax = s * (y - x), ay = x * (r - z) - y, az = x * y - b * z;
        T u = x + half * ax, v = y + half * ay, w = z + half * az;
        T bx = s * (v - u), by = u * (r - w) - v, bz = u * v - b * w;
        u = x + half * bx; v = y + half * by; w = z + half * bz;
        T cx = s * (v - u), cy = u * (r - w) - v, cz = u * v - b * w;
        u = x + h * cx; v = y + h * cy; w = z + h * cz;
        T dx = s * (v - u), dy = u * (r - w) - v, dz = u * v - b * w;
        x += sixth * (ax + T(2) * bx + T(2) * cx + dx);
        y += sixth * (ay + T(2) * by + T(2) * cy + dy);
        z += sixth * (az + T(2) * bz + T(2) * cz + dz);
    }
    out[i] = x; out[n + i] = y; out[2 * n + i] = z;
}
"""


def cubie(case: str) -> dict[str, Any]:
    """What cubie's program says of a case."""
    site = os.environ.get("CUBIE_SITE")
    python = sys.executable if site else peer("cubie", ["cubie[cuda13]==0.17.0"])
    environ = {**os.environ, **({"PYTHONPATH": site} if site else {})}
    command = [python, HERE / "peers" / "cubie_gpu.py", case]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    if ran.returncode:
        raise SystemExit(f"cubie, {case}: {ran.stdout[-1000:]}{ran.stderr[-3000:]}")
    return json.loads(ran.stdout.splitlines()[-1])


def environment(folder: str) -> dict[str, str]:
    """A keep and a configuration of their own."""
    return {
        "EMBERKEEP_CONFIG_DIR": os.path.join(folder, "config"),
        "EMBERKEEP_DIR": os.path.join(folder, "keep"),
    }


def whole_process(code: str, folder: str) -> float:
    """Seconds from the start of a process to its end."""
    begun = time.perf_counter()
    environ = {**os.environ, **environment(folder)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environ)
    return time.perf_counter() - begun


def starting() -> list[Row]:
    """One trajectory in a new process: nothing kept; kept."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        programs = [ode_models.start(model, "cuda") for model in ode_models.MODELS]
        colds = []
        for index, code in enumerate(programs):
            each = [whole_process(code, f"{folder}/{index}-{again}") for again in range(3)]
            colds.append(statistics.median(each))
        *warms, bare = fresh_medians(
            [*((sys.executable, code) for code in programs), (sys.executable, BARE)],
            REPEATS,
            environment(folder),
        )
    for model, cold, warm in zip(ode_models.MODELS, colds, warms, strict=True):
        theirs = cubie(f"warm-{model}")
        more = warm - bare
        rows += [
            Row(
                f"kept code, one trajectory of {model}, over a bare context",
                milliseconds(warm),
                f"{milliseconds(bare)} (bare), {milliseconds(theirs['process_s'])} (cubie)",
                f"+{milliseconds(more)}",
                "at most +100 ms",
                reached=more <= 0.100,
            ),
            Row(
                f"nothing kept, one trajectory of {model}, whole process",
                milliseconds(cold),
                f"{milliseconds(theirs['cold']['process_s'])} (cubie)",
                f"{theirs['cold']['process_s'] / cold:.1f} times faster",
                "faster",
                reached=cold < theirs["cold"]["process_s"],
            ),
        ]
    return rows


class Recorder:
    """A kernel that notes how it was launched last."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._how: tuple[Any, ...] = ()

    def launch(self, *how: Any) -> None:
        """Launch it, and remember."""
        self._how = how
        self._kernel.launch(*how)

    def again(self) -> None:
        """Launch it as before."""
        self._kernel.launch(*self._how)


def best(function: Any) -> float:
    """Seconds of the fastest of several calls, the device idle before and after each."""
    from emberkeep.targets.cuda.driver import open_device

    synchronize = open_device().driver.call
    times = []
    for _ in range(REPEATS):
        synchronize("cuCtxSynchronize")
        begun = time.perf_counter()
        function()
        synchronize("cuCtxSynchronize")
        times.append(time.perf_counter() - begun)
    return min(times)


def by_hand(precision: str, rho: Any) -> tuple[float, Any]:
    """The hand-written kernel's seconds and results."""
    import numpy as np
    from cuda.core import Program, ProgramOptions

    from emberkeep.targets.cuda.driver import open_device
    from emberkeep.targets.cuda.memory import empty_on_device, to_device
    from emberkeep.targets.cuda.target import CudaTarget

    name, number = {"float32": ("float", ctypes.c_float), "float64": ("double", ctypes.c_double)}[
        precision
    ]
    call = open_device().driver.call
    architecture = CudaTarget.of_this_machine().architecture
    program = Program(f"typedef {name} T;{BY_HAND}", "c++", ProgramOptions(arch=architecture))
    module = call("cuModuleLoadData", bytes(program.compile("cubin").code))
    function = call("cuModuleGetFunction", module, b"rk4")
    count = len(rho)
    parameters = np.empty((3, count), precision)
    parameters[0], parameters[1], parameters[2] = 10.0, rho, 8 / 3
    start, there = to_device(np.ones((3, count), precision)), to_device(parameters)
    out = empty_on_device((3, count), precision)
    values = (start.address, there.address, 1 / STEPS, STEPS, out.address, count)
    types = (ctypes.c_void_p, ctypes.c_void_p, number, ctypes.c_int, ctypes.c_void_p, ctypes.c_int)

    packed = (values, types)

    def launch(block: int) -> None:
        blocks = -(-count // block)
        call("cuLaunchKernel", function, blocks, 1, 1, block, 1, 1, 0, 0, packed, 0)

    return min(best(partial(launch, block)) for block in (128, 256)), out.copy_to_host()


def kernels(precision: str, system: Any, rho: Any) -> Row:
    """RK4's kernel alone, all trajectories in one launch, beside the hand-written one."""
    import numpy as np

    from emberkeep import ode
    from emberkeep.ode.running import cuda as running

    running.CHUNKS = 1
    solver = ode.Solver(system, method="rk4", target="cuda", precision=precision)
    options = {"parameters": {"rho": rho}, "dt": 1 / STEPS}
    solver.solve((0, 1), **{**options, "parameters": {"rho": rho[:10]}})
    plan = solver.plan(outputs=("final",))
    recorder = solver._runner._kernels[plan] = Recorder(solver._runner.kernel(plan))  # noqa: SLF001
    result = solver.solve((0, 1), **options)
    running.CHUNKS = 8
    hand, expected = by_hand(precision, rho)
    ours = best(recorder.again)
    apart = float(np.max(np.abs(result.final.T - expected)))
    assert apart < {"float32": 1e-3, "float64": 1e-11}[precision], apart
    return Row(
        f"kernel, rk4, {STEPS} steps, {precision}",
        milliseconds(ours),
        f"{milliseconds(hand)} (CUDA C by hand)",
        f"{ours / hand:.3f} of its time",
        "at most 1.1",
        reached=ours <= 1.1 * hand,
    )


def solves(method: str, precision: str, system: Any, rho: Any) -> Row:
    """Whole solves by one solver, transfers included."""
    from emberkeep import ode

    solver = ode.Solver(system, method=method, target="cuda", precision=precision)
    options = {"dt": 1 / STEPS} if method == "rk4" else {"rtol": 1e-6, "atol": 1e-6}
    times = []
    for _ in range(REPEATS + 2):
        begun = time.perf_counter()
        result = solver.solve((0, 1), parameters={"rho": rho}, **options)
        times.append(time.perf_counter() - begun)
        assert not result.status.any()
        del result
    ours = statistics.median(times[2:])
    other, figure = "", ""
    if precision == "float32":
        theirs = statistics.median(cubie(f"lorenz-{method}")["solve_ms"]) / 1000
        other, figure = f"{milliseconds(theirs)} (cubie)", f"{theirs / ours:.1f} times faster"
    return Row(
        f"whole solve, {method}, {precision}",
        milliseconds(ours),
        other,
        figure,
        "at most 20 ms",
        reached=ours <= 0.020,
    )


def numbers(system: Any) -> Row:
    """Solves with other numbers, and how many of them compiled."""
    from emberkeep import ode

    folder = os.path.dirname(os.environ["EMBERKEEP_DIR"])
    solver = ode.Solver(system, target="cuda")
    solver.solve((0, 1), save_at=0.1)
    before = ode_models.kept(folder)
    solver.solve((0, 1), save_at=0.01, rtol=1e-3)
    other = ode.Solver(system.with_constants(beta=2.5), target="cuda")
    other.solve((0, 3), save_at=[1, 2], atol=1e-4, parameters={"sigma": [9, 10]})
    builds = ode_models.kept(folder) - before
    return Row(
        "another tolerance, constant, save interval",
        f"{builds} builds",
        "a build each (cubie)",
        "",
        "0 builds",
        reached=builds == 0,
    )


def main() -> bool:
    """All rows."""
    rows = starting()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment(folder))
        import numpy as np

        from emberkeep import ode

        names: dict[str, Any] = {"ode": ode}
        exec(ode_models.LORENZ, names)
        system, rho = names["system"], np.linspace(20.0, 30.0, TRAJECTORIES)
        rows += [kernels(precision, system, rho) for precision in ("float32", "float64")]
        rows += [
            solves(method, precision, system, rho)
            for precision in ("float32", "float64")
            for method in ("rk4", "tsit5")
        ]
        rows.append(numbers(system))
    return show(rows)


if __name__ == "__main__":
    raise SystemExit(not main())
