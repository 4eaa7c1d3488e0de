"""The stiff test set on two cores: us and the others at equal error, beside each other.

    stiff.py [--write] [cold] [problem …]

Cost is processors' time of one trajectory of a batch in which a parameter varies, compiled
beforehand; ours and numbalsoda's run on two threads, the others on one. The error of a trajectory
is the largest of its states' at the end, each relative to the larger of its size and the problem's
floor; of a batch, the median of the samples. Their exact ends are in `peers/stiff_ends.json`.
Tolerances are swept, and costs compared at equal error: between two points of a curve it is a
power of the error.

With `--write`, what was measured goes to `docs/pictures/stiff.json`, and pictures beside it.
"""

import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from measuring import HERE, Row, milliseconds, show, whole_processes

sys.path.insert(0, str(HERE / "peers"))
from stiff_models import SYSTEMS
from stiff_problems import PROBLEMS, SAMPLES, TOLERANCES, StiffProblem, ends, parameters
from work_precision import theirs, write
from work_precision_peers import cost

METHODS = ("rodas4", "rodas5p", "kvaerno5", "radau-iia-5", "bdf")
CONTROL = ("tsit5", "vern9", "rodas5p")  # where nothing is stiff
THREADS, BATCH = 2, 1024
FEW = {"ring-modulator": 8, "medakzo": 16}  # trajectories of a batch, where each takes long
LONGEST_US = 3e6  # of a batch: no tighter tolerance is tried
PEERS = {
    "numbalsoda": ["numbalsoda==0.3.4"],  # compiled where it is installed; with Fortran
    "diffrax": ["diffrax"],
    "scipy": ["numpy", "scipy"],
}
DIGITS = (4, 6, 8)  # errors at which costs are compared
COLD_S = 1.5  # POLLU from nothing, the whole process
POLLU = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from stiff_models import pollution
from emberkeep import ode
solved = ode.solve(pollution(), (0, 60), method="rodas5p", rtol=1e-6, atol=1e-10, target="cpu")
assert solved.require_success().final.shape == (1, 20)
"""


def environment(folder: str) -> dict[str, str]:
    """A keep and a configuration of their own."""
    return {
        "EMBERKEEP_CONFIG_DIR": os.path.join(folder, "config"),
        "EMBERKEEP_DIR": os.path.join(folder, "keep"),
    }


def cold(folder: str) -> list[Row]:
    """POLLU by rodas5p, the whole process: with nothing kept, and with kept code."""
    (nothing, worked), *_ = whole_processes(
        [POLLU], 3, lambda turn: environment(os.path.join(folder, str(turn)))
    )
    (kept, _), *_ = whole_processes([POLLU], 5, lambda _: environment(os.path.join(folder, "kept")))
    return [
        Row(
            "nothing kept, one trajectory of POLLU by rodas5p, the whole process",
            milliseconds(nothing),
            "",
            f"{milliseconds(worked)} of CPU",
            f"at most {milliseconds(COLD_S)}",
            reached=nothing <= COLD_S,
        ),
        Row("the same with kept code", milliseconds(kept), "", "", "(none)", reached=True),
    ]


def error(problem: StiffProblem, found: Any) -> float:
    """The median over samples of the largest error of a state."""
    expected = np.array(ends(problem))
    count = min(len(found), len(expected))
    found, expected = np.asarray(found)[:count], expected[:count]
    apart = np.abs(found - expected) / np.maximum(np.abs(expected), problem.floor)
    return float(np.median(np.max(apart, axis=1)))


def ours(problem: StiffProblem) -> list[dict[str, Any]]:
    """Each method at each tolerance."""
    from emberkeep import SolveFailed, SolveWarning, ode

    warnings.simplefilter("ignore", SolveWarning)  # it is an error here
    system, count = SYSTEMS[problem.name](), FEW.get(problem.name, BATCH)
    given = {next(iter(system.parameters)): np.array(parameters(problem, count))}
    rows = []
    for method in CONTROL if problem.name == "pleiades" else METHODS:
        solver = ode.Solver(system, method=method, target="cpu", threads=THREADS)
        for tolerance in TOLERANCES:

            def solve(solver: Any = solver, tolerance: float = tolerance) -> tuple[Any]:
                close = {"rtol": tolerance, "atol": tolerance * problem.floor}
                result = solver.solve((0, problem.end), parameters=given, **close)
                return (result.require_success().final,)

            begun = time.perf_counter()
            try:
                if tolerance == TOLERANCES[0]:
                    solve()
                    print(f"({problem.name}, {method}: {time.perf_counter() - begun:.1f} s)")
                taken, found = cost(solve, count)
            except SolveFailed as failure:
                print(f"({problem.name}, {method}, {tolerance:.0e} is left out: {failure})")
                continue
            rows.append(
                {
                    "problem": problem.name,
                    "tool": "emberkeep",
                    "method": method,
                    "tolerance": tolerance,
                    "cpu_us": taken,
                    "ends": found[:SAMPLES],
                }
            )
            if taken * count > LONGEST_US:
                break
    return rows


def cost_at(points: Sequence[dict[str, Any]], wanted: float) -> tuple[float, str]:
    """What the cheapest method costs that ends with an error, and its name; infinite if none."""
    best = (math.inf, "")
    for method in dict.fromkeys(point["method"] for point in points):
        curve = [point for point in points if point["method"] == method]
        # Where even the loosest tolerance is nearer, that is what it costs.
        found = [point["cpu_us"] for point in curve[:1] if point["error"] <= wanted]
        for loose, tight in pairwise(curve):
            if loose["error"] > wanted >= tight["error"]:
                part = math.log(wanted / loose["error"]) / math.log(tight["error"] / loose["error"])
                found.append(loose["cpu_us"] ** (1 - part) * tight["cpu_us"] ** part)
        best = min(best, (min(found, default=math.inf), method))
    return best


def compared(problem: StiffProblem, points: list[dict[str, Any]]) -> list[Row]:
    """Ours beside each tool, at equal error, each by its cheapest method."""
    rows = []
    for digits in DIGITS:
        wanted = 10.0**-digits
        mine, method = cost_at([p for p in points if p["tool"] == "emberkeep"], wanted)
        others = {
            tool: cost_at([point for point in points if point["tool"] == tool], wanted)
            for tool in PEERS
        }
        reached = {tool: found for tool, found in others.items() if found[0] < math.inf}
        if not reached or mine == math.inf:
            continue
        rows.append(
            Row(
                f"{problem.title}, error of 1e-{digits}",
                f"{mine:.3g} µs ({method})",
                ", ".join(f"{c:.3g} µs ({tool} {by})" for tool, (c, by) in reached.items()),
                ", ".join(f"{cost / mine:.3g}" for cost, _ in reached.values()) + " times its time",
                "at least 1",
                reached=min(cost for cost, _ in reached.values()) >= mine,
            )
        )
    return rows


def main(arguments: list[str]) -> bool:
    """How it starts from nothing, and all problems; or what is named."""
    wanted = [name for name in arguments if name != "--write"]
    problems = [problem for problem in PROBLEMS if not wanted or problem.name in wanted]
    measured = [
        row
        for tool, packages in PEERS.items()
        if problems
        for row in theirs(tool, packages, "stiff_peers.py", wanted)
    ]
    with tempfile.TemporaryDirectory() as folder:
        starts = not wanted or "cold" in wanted
        rows = cold(os.path.join(folder, "cold")) if starts else []
        os.environ.update(environment(folder))
        measured = [row for problem in problems for row in ours(problem)] + measured
    points = []
    for problem in problems:
        its = [
            {
                "problem": problem.name,
                "tool": row["tool"],
                "method": row["method"],
                "tolerance": row["tolerance"],
                "cpu_us": float(f"{row['cpu_us']:.4g}"),
                "error": float(f"{max(off, 1e-16):.4g}"),
            }
            for row in measured
            if row["problem"] == problem.name
            for off in [error(problem, row["ends"])]
            if off < 1.0  # nor is what failed
        ]
        points += its
        rows += compared(problem, its)
    if "--write" in arguments:
        write(problems, points, "stiff")
    return show(rows)


if __name__ == "__main__":
    raise SystemExit(not main(sys.argv[1:]))
