"""The ODE engine on a GPU: starts, kernels and whole solves, beside CUDA C++ by hand and cubie.

Not among what `make bench` runs: it needs a GPU. Where packages cannot be installed,
CUBIE_SITE names a folder that holds cubie (see peers/README.md).
"""

import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any
from unittest.mock import patch

import numpy as np
import ode_models
from measuring import HERE, Row, fresh_medians, milliseconds, peer, show, whole_processes

TRAJECTORIES, STEPS, REPEATS, TOLERANCE = 4_194_304, 1000, 9, 1e-6
OPTIONS = {"rk4": {"dt": 1 / STEPS}, "tsit5": {"rtol": TOLERANCE, "atol": TOLERANCE}}
BLOCKS = (64, 128)  # threads of a block: by hand, the fastest counts; ours is launched as always
C_NAMES = {"float32": "float", "float64": "double"}
LETTERS = {"float32": "f", "float64": "d"}  # in packed arguments
TSIT5 = HERE / "peers" / "tsit5_floor.cu"
# Nothing but what every process pays that uses the device at all.
BARE = """
import numpy
from cuda.bindings import driver
driver.cuInit(0)
driver.cuCtxSetCurrent(driver.cuDevicePrimaryCtxRetain(driver.cuDeviceGet(0)[1])[1])
"""
RK4 = r"""
typedef REAL T;
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


@cache
def cubie(case: str) -> dict[str, Any] | None:
    """What cubie's program says of a case; None where it cannot be installed."""
    site = os.environ.get("CUBIE_SITE")
    try:
        python = sys.executable if site else peer("cubie", ["cubie[cuda13]==0.17.0"])
    except (subprocess.CalledProcessError, OSError):
        print("(cubie is left out: it cannot be installed here)")
        return None
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


def starting(folder: str) -> list[Row]:
    """One trajectory in a new process over one that opens the device: nothing kept; kept."""
    programs = [ode_models.start(model, "cuda") for model in ode_models.MODELS]
    *colds, nothing = whole_processes(
        [*programs, BARE], 3, lambda turn: environment(f"{folder}/{turn}")
    )
    kept = [(sys.executable, code) for code in (*programs, BARE)]
    *warms, bare = fresh_medians(kept, REPEATS, environment(f"{folder}/kept"))
    rows = []
    for model, (cold, worked), warm in zip(ode_models.MODELS, colds, warms, strict=True):
        theirs = cubie(f"warm-{model}")
        kept_there = f", {milliseconds(theirs['process_s'])} (cubie)" if theirs else ""
        cold_there = f", {milliseconds(theirs['cold']['process_s'])} (cubie)" if theirs else ""
        asked = ode_models.COLD["cuda"][model]
        rows += [
            Row(
                f"nothing kept, one trajectory of {model}, whole process over a bare context",
                milliseconds(cold),
                f"{milliseconds(nothing[0])} (bare){cold_there}",
                f"+{milliseconds(cold - nothing[0])}, +{milliseconds(worked - nothing[1])} of CPU",
                f"at most +{milliseconds(asked)}",
                reached=cold - nothing[0] <= asked,
            ),
            Row(
                f"kept code, one trajectory of {model}, over a bare context",
                milliseconds(warm),
                f"{milliseconds(bare)} (bare){kept_there}",
                f"+{milliseconds(warm - bare)}",
                "at most +100 ms",
                reached=warm - bare <= 0.100,
            ),
        ]
    answer = ode_models.imports_numba("cuda", environment(f"{folder}/numba"))
    return [*rows, Row("numba imported, nothing kept", answer, "", "", "no", answer == "no")]


class ByHand:
    """A kernel written in CUDA C++, for one precision.

    Args:
        entry: its name.
        text: its source, of numbers of the type `T`.
        real: the precision.
    """

    def __init__(self, entry: str, text: str, real: str) -> None:
        from emberkeep.targets.cuda.driver import open_device
        from emberkeep.targets.cuda.load import load_cubin
        from emberkeep.targets.cuda.nvrtc import compile_source
        from emberkeep.targets.protocol import PrintedSource

        device = open_device()
        source = PrintedSource(entry, f"#define REAL {C_NAMES[real]}\n{text}", (), {})
        cubin, driver = compile_source(source, device.architecture)
        self._function = load_cubin(device, cubin, entry, device.architecture, driver)

    def best(self, count: int, layout: str, *values: Any) -> float:
        """Seconds of the fastest launch, in blocks of two sizes."""
        return min(
            best(partial(self.launch, count, layout, *values, block=block)) for block in BLOCKS
        )

    def launch(self, count: int, layout: str, *values: Any, block: int = 128) -> None:
        """Launch it once."""
        self._function.launch(-(-count // block), block, struct.pack(layout, *values))


def best(launch: Callable[[], object]) -> float:
    """Seconds of the fastest of several launches, by the device's own clock."""
    from emberkeep.targets.cuda.driver import open_device

    call = open_device().driver.call
    begun, ended = call("cuEventCreate", 0), call("cuEventCreate", 0)
    times = []
    for _ in range(REPEATS):
        call("cuEventRecord", begun, 0)
        launch()
        call("cuEventRecord", ended, 0)
        call("cuEventSynchronize", ended)
        times.append(1e-3 * call("cuEventElapsedTime", begun, ended))
    return min(times)


def rk4_by_hand(precision: str, rho: Any) -> tuple[float, Any]:
    """The hand-written kernel's seconds and results."""
    from emberkeep.targets.cuda.memory import empty_on_device, to_device

    count = len(rho)
    parameters = np.empty((3, count), precision)
    parameters[0], parameters[1], parameters[2] = 10.0, rho, 8 / 3
    start, there = to_device(np.ones((3, count), precision)), to_device(parameters)
    out = empty_on_device((3, count), precision)
    kernel, real = ByHand("rk4", RK4, precision), LETTERS[precision]
    values = (start.address, there.address, 1 / STEPS, STEPS, out.address, count)
    return kernel.best(count, f"@PP{real}iPi", *values), out.copy_to_host()


def tsit5_by_hand(precision: str, rho: Any) -> tuple[float, Any, float]:
    """The hand-written kernel's seconds, results and attempts of a step."""
    from emberkeep.targets.cuda.memory import empty_on_device, to_device

    count, real = len(rho), LETTERS[precision]
    there = to_device(rho.astype(precision))
    out, attempts = empty_on_device((3, count), precision), empty_on_device((count,), np.int32)
    kernel = ByHand("tsit5", TSIT5.read_text(), precision)
    values = (there.address, out.address, attempts.address, count, 1.0, TOLERANCE, TOLERANCE)
    seconds = kernel.best(count, f"@PPPi{3 * real}", *values)
    return seconds, out.copy_to_host(), float(attempts.copy_to_host().mean())


def kernel_alone(solver: Any, solve: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a solver's kernel, all trajectories in one launch; and the result."""
    from emberkeep.ode.running import cuda as running

    kernel = solver._runner._kernels.of(solver.plan(outputs=("final",))).run  # noqa: SLF001
    with (
        patch.object(running, "CHUNKS", 1),
        patch.object(kernel, "launch", wraps=kernel.launch) as launch,
    ):
        result = solve()
    assert launch.call_count == 1
    count, passed, _, block = launch.call_args.args
    return best(partial(kernel.launch, count, passed, 0, block, **launch.call_args.kwargs)), result


def kernels(method: str, precision: str, system: Any, rho: Any) -> Row:
    """A kernel alone, all trajectories in one launch, beside the hand-written one."""
    from emberkeep import ode

    solver = ode.Solver(system, method=method, target="cuda", precision=precision)
    options = OPTIONS[method]
    solver.solve((0, 1), parameters={"rho": rho[:10]}, **options)
    whole = partial(solver.solve, (0, 1), parameters={"rho": rho}, **options)
    ours, result = kernel_alone(solver, whole)
    if method == "rk4":
        hand, expected = rk4_by_hand(precision, rho)
        near, asked, more = {"float32": 1e-3, "float64": 1e-11}[precision], 1.05, ""
    else:
        hand, expected, theirs = tsit5_by_hand(precision, rho)
        near, asked = {"float32": 1e-2, "float64": 1e-3}[precision], 1.1
        tried = whole(outputs=("final", "steps")).steps.sum() / len(rho)
        more = f"; {tried:.2f} attempts ({theirs:.2f})"
    apart = float(np.max(np.abs(result.final.T - expected)))
    assert apart < near, apart
    return Row(
        f"kernel, {method}, {len(rho):,} lorenz, {precision}",
        milliseconds(ours),
        f"{milliseconds(hand)} (CUDA C++ by hand)",
        f"{ours / hand:.3f} of its time{more}",
        f"at most {asked}",
        reached=ours <= asked * hand,
    )


def whole_by_hand(precision: str, folder: str) -> float | None:
    """Seconds of the hand-written program, transfers included; None without nvcc."""
    compiler = shutil.which("nvcc")
    if not compiler:
        print("(the whole program by hand is left out: there is no nvcc here)")
        return None
    program = os.path.join(folder, f"floor_{precision}")
    options = ["-O3", "-arch=native", "-std=c++17", f"-DREAL={C_NAMES[precision]}", "-o", program]
    subprocess.run([compiler, TSIT5, *options], check=True)
    ran = subprocess.run([program], capture_output=True, text=True, check=True)
    return 1e-3 * json.loads(ran.stdout)["whole_ms"]


def solves(method: str, precision: str, system: Any, rho: Any, folder: str) -> list[Row]:
    """Whole solves by one solver, transfers included: the best of several, as by hand."""
    from emberkeep import ode

    solver = ode.Solver(system, method=method, target="cuda", precision=precision)
    times = []
    for _ in range(REPEATS + 2):
        begun = time.perf_counter()
        result = solver.solve((0, 1), parameters={"rho": rho}, **OPTIONS[method])
        times.append(time.perf_counter() - begun)
        assert not result.status.any()
        del result
    median, ours, rows = statistics.median(times[2:]), min(times[2:]), []
    hand = whole_by_hand(precision, folder) if method == "tsit5" else None
    if hand:
        rows.append(
            Row(
                f"whole solve, {method}, {precision}, the best",
                milliseconds(ours),
                f"{milliseconds(hand)} (CUDA C++ by hand)",
                f"{ours / hand:.2f} of its time",
                "at most 1.25",
                reached=ours <= 1.25 * hand,
            )
        )
    theirs = cubie(f"lorenz-{method}") if precision == "float32" else None
    other, figure = "", ""
    if theirs:
        seconds = statistics.median(theirs["solve_ms"]) / 1000
        other, figure = f"{milliseconds(seconds)} (cubie)", f"{seconds / median:.1f} times faster"
    return [
        *rows,
        Row(
            f"whole solve, {method}, {precision}, the median",
            milliseconds(median),
            other,
            figure,
            "at most 20 ms",
            reached=median <= 0.020,
        ),
    ]


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
    with tempfile.TemporaryDirectory() as folder:
        rows = starting(os.path.join(folder, "starts"))
        os.environ.update(environment(folder))
        system = ode_models.load(ode_models.LORENZ)
        rho = np.linspace(20.0, 30.0, TRAJECTORIES)
        for precision in ("float32", "float64"):
            for method in OPTIONS:
                rows.append(kernels(method, precision, system, rho))
                rows += solves(method, precision, system, rho, folder)
        rows.append(numbers(system))
    return show(rows)


if __name__ == "__main__":
    raise SystemExit(not main())
