"""The stiff test set on a GPU: our kernels and solves beside CUDA C++ by hand.

    stiff_gpu.py [problem …]

By hand is Rodas5P with the Jacobian's zeros left out and its factors in straight lines
(`peers/rodas5p_floor.py`, which needs SymPy). Kernels are timed by the device's clock, all
trajectories in one launch; whole solves with transfers. Errors are those of the samples, in
tolerances. Not among what `make bench` runs: it needs a GPU.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from measuring import HERE, Row, milliseconds, show
from ode_gpu import ByHand, environment, kernel_alone

sys.path.insert(0, str(HERE / "peers"))
from rodas5p_floor import entry, kernel
from stiff_models import SYSTEMS
from stiff_problems import PROBLEMS, StiffProblem, ends, parameters

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


def error(problem: StiffProblem, found: Any) -> float:
    """The largest of the samples' errors, in tolerances."""
    expected = np.array(ends(problem))
    apart = np.abs(found[: len(expected)] - expected)
    return float(np.max(apart / (RTOL * np.maximum(np.abs(expected), problem.floor))))


def by_hand(problem: StiffProblem, given: Any) -> tuple[float, float, Any, float]:
    """The hand-written kernel's seconds, those with transfers, ends, and attempts of a step."""
    from emberkeep.targets.cuda.memory import empty_on_device, pinned_empty, to_device

    count, there = len(given), to_device(given)
    out = empty_on_device((len(problem.start), count), np.float64)
    tried = empty_on_device((count,), np.int32)
    values = (there.address, out.address, tried.address, count)
    close = (problem.end, RTOL, RTOL * problem.floor)
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


def main(wanted: list[str]) -> bool:
    """All problems, or those named."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment(folder))
        rows = [
            row
            for problem in PROBLEMS
            if problem.name in (wanted or COUNTS) and problem.name in COUNTS
            for row in rows_of(problem)
        ]
    return show(rows)


if __name__ == "__main__":
    raise SystemExit(not main(sys.argv[1:]))
