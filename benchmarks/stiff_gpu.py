"""The stiff test set on a GPU: our kernels and solves beside CUDA C++ by hand.

    stiff_gpu.py [--write] [problem …]

By hand is Rodas5P with the Jacobian's zeros left out and its factors in straight lines
(`peers/rodas5p_floor.py`, which needs SymPy). Kernels are timed by the device's clock, all
trajectories in one launch; whole solves with transfers. Errors are those of the samples, in
tolerances. Not among what `make bench` runs: it needs a GPU.

With `--write`, tolerances are swept, and what whole solves cost at which error goes to
`docs/pictures/stiff-gpu.json`, with pictures beside it; with diffrax, where it is installed.
"""

import importlib.util
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from measuring import HERE, Row, milliseconds, show
from ode_gpu import ByHand, environment, kernel_alone
from stiff import error as median_error

sys.path.insert(0, str(HERE / "peers"))
from rodas5p_floor import entry, kernel
from stiff_models import SYSTEMS
from stiff_peers import diffrax
from stiff_problems import PROBLEMS, StiffProblem, ends, parameters
from work_precision import write

COUNTS = {
    "robertson": 1_048_576,
    "pollu": 65_536,
    "brusselator-16": 65_536,
    "brusselator-32": 65_536,
    "brusselator-64": 65_536,
}
OTHERS = ("rodas4", "kvaerno5", "radau-iia-5")  # ours alone, beside the same floor
RTOL, REPEATS = 1e-6, 5
# Of the time by hand: kernel beside kernel, and a whole solve, with all its transfers, likewise.
AT_MOST = {"robertson": 1.15, "pollu": 1.15, "brusselator-32": 1.0, "brusselator-64": 0.8}
WHOLE_AT_MOST = {"robertson": 1.3}
SWEPT = tuple(10.0**-digits for digits in range(3, 11))
DRAWN = ("robertson", "pollu", "brusselator-32")
OF_DIFFRAX, LONGEST_S = 16_384, 2.0  # its trajectories; no tighter tolerance is tried beyond


def error(problem: StiffProblem, found: Any) -> float:
    """The largest of the samples' errors, in tolerances."""
    expected = np.array(ends(problem))
    apart = np.abs(found[: len(expected)] - expected)
    return float(np.max(apart / (RTOL * np.maximum(np.abs(expected), problem.floor))))


def by_hand(
    problem: StiffProblem, given: Any, rtol: float = RTOL
) -> tuple[float, float, Any, float]:
    """The hand-written kernel's seconds, those with transfers, ends, and attempts of a step."""
    from emberkeep.targets.cuda.memory import empty_on_device, pinned_empty, to_device

    count, there = len(given), to_device(given)
    out = empty_on_device((len(problem.start), count), np.float64)
    tried = empty_on_device((count,), np.int32)
    values = (there.address, out.address, tried.address, count)
    close = (problem.end, rtol, rtol * problem.floor)
    hand = ByHand(entry(problem), kernel(problem), "float64")
    seconds = hand.best(count, "@PPPi3d", *values, *close)
    begun, found = pinned_empty(count), pinned_empty(out.shape)

    def whole() -> None:
        begun[:] = given
        there.copy_from_host(begun)
        hand.launch(count, "@PPPi3d", *values, *close)
        out.copy_to_host(found)

    return seconds, least(whole), found.T, float(tried.copy_to_host().mean())


def ours(problem: StiffProblem, method: str, given: Any) -> tuple[float, float, Any, float]:
    """Our kernel's seconds, those of a whole solve, ends, and attempts of a step."""
    from emberkeep import ode

    system = SYSTEMS[problem.name]()
    solver = ode.Solver(system, method=method, target="cuda")
    varied = next(iter(system.parameters))
    options = {"rtol": RTOL, "atol": RTOL * problem.floor}
    whole = partial(solver.solve, (0, problem.end), parameters={varied: given}, **options)
    solver.solve((0, problem.end), parameters={varied: given[:10]}, **options)
    seconds, result = kernel_alone(solver, whole)
    steps = whole(outputs=("final", "steps")).require_success().steps
    return seconds, least(whole), result.final, float(steps.sum() / len(given))


def swept(problem: StiffProblem) -> list[dict[str, Any]]:
    """What a trajectory costs in a whole solve, by tool, method and tolerance; and its error."""
    from emberkeep import SolveWarning, ode

    warnings.simplefilter("ignore", SolveWarning)
    given, system = np.array(parameters(problem, COUNTS[problem.name])), SYSTEMS[problem.name]()
    varied = {next(iter(system.parameters)): given}
    points: list[dict[str, Any]] = []

    def add(tool: str, method: str, tolerance: float, seconds: float, found: Any) -> None:
        off = median_error(problem, found)
        if off < 1.0:  # nor is what failed
            cost, off = (float(f"{number:.4g}") for number in (seconds * 1e6, max(off, 1e-16)))
            point = {"problem": problem.name, "tool": tool, "method": method}
            points.append({**point, "tolerance": tolerance, "cpu_us": cost, "error": off})

    for method in ("rodas5p", *OTHERS):
        solver = ode.Solver(system, method=method, target="cuda")
        for rtol in SWEPT:
            close = {"rtol": rtol, "atol": rtol * problem.floor}
            whole = partial(solver.solve, (0, problem.end), parameters=varied, **close)
            result = whole()
            if not result.status.any():
                add("emberkeep", method, rtol, least(whole) / len(given), result.final)
    for rtol in SWEPT:
        _, whole, found, _ = by_hand(problem, given, rtol)
        add("by hand", "rodas5p", rtol, whole / len(given), found)
    for method, rtol, taken, found in of_diffrax(problem):
        add("diffrax", method, rtol, taken, found)
    return points


def of_diffrax(problem: StiffProblem) -> Iterator[tuple[str, float, float, Any]]:
    """Its method, tolerances, seconds of a trajectory and ends; nothing where it is not there."""
    if not importlib.util.find_spec("diffrax"):
        return
    for method, count, solve in diffrax(problem, OF_DIFFRAX):
        for rtol in SWEPT:
            (found,) = solve(rtol)
            taken = least(partial(solve, rtol))
            yield method, rtol, taken / count, found
            if taken > LONGEST_S:
                break


def least(solve: Callable[[], object]) -> float:
    """Seconds of the fastest of several."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        solve()
        times.append(time.perf_counter() - begun)
    return min(times)


def rows_of(problem: StiffProblem) -> list[Row]:
    """Kernel beside kernel; then the other methods, beside the same one by hand."""
    count = COUNTS[problem.name]
    given = np.array(parameters(problem, count))
    hand, whole_by_hand, expected, tried = by_hand(problem, given)
    other = f"{milliseconds(hand)} (CUDA C++ by hand, rodas5p)"
    rows = []
    for method in ("rodas5p", *OTHERS):
        alone, whole, found, attempts = ours(problem, method, given)
        steps = f"{attempts:.1f} attempts ({tried:.1f})"
        errors = f"error {error(problem, found):.2g} ({error(problem, expected):.2g}) tolerances"
        is_asked = method == "rodas5p"
        most = AT_MOST.get(problem.name) if is_asked else None
        most_whole = WHOLE_AT_MOST.get(problem.name) if is_asked else None
        rows += [
            Row(
                f"kernel, {method}, {count:,} of {problem.title}",
                milliseconds(alone),
                other,
                f"{alone / hand:.2f} of its time; {steps}; {errors}",
                f"at most {most}" if most else "(none)",
                reached=most is None or alone <= most * hand,
            ),
            Row(
                "the same, whole solve",
                milliseconds(whole),
                f"{milliseconds(whole_by_hand)} (by hand, with transfers)",
                f"{whole / whole_by_hand:.2f} of its time",
                f"at most {most_whole}" if most_whole else "(none)",
                reached=most_whole is None or whole <= most_whole * whole_by_hand,
            ),
        ]
    return rows


def main(arguments: list[str]) -> bool:
    """All problems, or those named."""
    wanted = [name for name in arguments if name != "--write"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment(folder))
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # diffrax shares the memory with us
        rows = [
            row
            for problem in PROBLEMS
            if problem.name in (wanted or COUNTS) and problem.name in COUNTS
            for row in rows_of(problem)
        ]
        drawn = [one for one in PROBLEMS if one.name in (wanted or DRAWN)]
        points = [point for one in drawn for point in swept(one)] if "--write" in arguments else []
    if points:
        from emberkeep.targets.cuda.driver import open_device

        cost = "time of a trajectory in a whole solve, µs"
        write(drawn, points, "stiff-gpu", cost, open_device().name)
    return show(rows)


if __name__ == "__main__":
    raise SystemExit(not main(sys.argv[1:]))
