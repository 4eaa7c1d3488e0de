"""Work-precision diagrams: what a trajectory costs at the error that it ends with, beside others.

    work_precision.py [--write] [problem …]

Cost is processors' time of one trajectory of a batch, compiled beforehand: it means the same for
one thread or many, and little else that runs on the machine changes it. The error of a trajectory
is that of its end, relative to the end; of a batch, the median of 16. The exact ends are
extrapolated in 80-bit numbers, twice, as tight as 1e-14 and 1e-16.

With `--write`, what was measured goes to `docs/pictures/work-precision.json`, and, where there is
matplotlib, a picture of each problem beside it.
"""

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import HERE, Row, peer, show

sys.path.insert(0, str(HERE / "peers"))
from problems import PROBLEMS, SAMPLES, TOLERANCES, Problem, parameters
from work_precision_peers import cost

METHODS = ("dopri5", "tsit5", "vern7", "vern9", "dop853")
PICTURES = HERE.parent / "docs" / "pictures"
COST = "processor's time of a trajectory, µs"
BATCH = 1024
PEERS = {
    "scipy": ["numpy", "scipy"],
    "heyoka": ["numpy", "heyoka"],
    "diffrax": ["diffrax"],
    "numbalsoda": ["numbalsoda==0.3.4"],  # compiled where it is installed; with Fortran
}
DIGITS = (3, 5, 7, 9, 10, 11, 12)  # errors at which costs are compared


def exact(problem: Problem) -> Any:
    """Ends of the samples, by extrapolation to order 16 in 80-bit numbers: no method of ours."""
    given = np.array(parameters(problem, SAMPLES), np.longdouble)
    start = np.repeat(np.array(problem.start, np.longdouble)[:, None], SAMPLES, 1)

    def slopes(y: Any) -> Any:
        return np.array(problem.slopes(None, [*y], given, np.sqrt))

    def run(tolerance: float) -> Any:
        y, t, length = start, np.longdouble(0), np.longdouble(problem.end) / 64
        while t < problem.end:
            length = min(length, problem.end - t)
            first, columns = slopes(y), []
            for n in range(2, 18, 2):  # the midpoint rule in n parts: its error has even powers
                h = length / n
                before, now = y, y + h * first
                for _ in range(n - 1):
                    before, now = now, before + 2 * h * slopes(now)
                columns.append(now)
                for back in range(1, len(columns)):
                    ratio = np.longdouble(n) / (n - 2 * back)
                    after, older = columns[-back], columns[-back - 1]
                    columns[-back - 1] = after + (after - older) / (ratio * ratio - 1)
            change = np.max(np.abs(columns[0] - columns[1]) / (1 + np.abs(y)))
            if change <= tolerance:
                y, t = columns[0], t + length
            length *= min(max(0.8 * (tolerance / max(change, 1e-30)) ** (1 / 15), 0.2), 4.0)
        return y.T

    found = run(1e-16)
    apart = errors(run(1e-14), found)
    # What is found is a hundred times nearer than the two are to each other.
    assert apart < 5e-12, f"{problem.name}: exact ends are {apart} apart"
    return found


def errors(ends: Any, expected: Any) -> float:
    """The median of errors relative to the ends."""
    wanted = expected[: len(ends)]
    apart = np.linalg.norm(np.asarray(ends - wanted, float), axis=1)
    return float(np.median(apart / np.linalg.norm(np.asarray(wanted, float), axis=1)))


def ours(problem: Problem) -> list[dict[str, Any]]:
    """Each method at each tolerance, on one thread."""
    from emberkeep import SolveFailed, SolveWarning, ode

    warnings.simplefilter("ignore", SolveWarning)  # it is an error here
    states = {f"y{i}": value for i, value in enumerate(problem.start)}

    def slopes(t: Any, y: Any, p: Any) -> Any:
        return problem.slopes(t, [y[i] for i in range(len(states))], p.p, np.sqrt)

    system = ode.System(slopes, states=states, parameters={"p": problem.first}, name=problem.name)
    given, rows = np.array(parameters(problem, BATCH)), []
    for method in METHODS:
        solver = ode.Solver(system, method=method, target="cpu", threads=1)
        for tolerance in TOLERANCES:

            def solve(solver: Any = solver, tolerance: float = tolerance) -> tuple[Any]:
                options = {"rtol": tolerance, "atol": tolerance}
                result = solver.solve((0, problem.end), parameters={"p": given}, **options)
                return (result.require_success().final,)

            try:
                solve()
            except SolveFailed as failure:
                print(f"({problem.name}, {method}, {tolerance:.0e} is left out: {failure})")
                continue
            taken, ends = cost(solve, BATCH)
            rows.append(
                {
                    "problem": problem.name,
                    "tool": "emberkeep",
                    "method": method,
                    "tolerance": tolerance,
                    "cpu_us": taken,
                    "ends": ends[:SAMPLES],
                }
            )
    return rows


def theirs(tool: str, packages: list[str], program: str, wanted: list[str]) -> list[dict[str, Any]]:
    """What a peer's program says; nothing where it cannot be installed."""
    try:
        python = peer(tool, packages)
    except (subprocess.CalledProcessError, OSError):
        print(f"({tool} is left out: it cannot be installed here)")
        return []
    command = [python, str(HERE / "peers" / program), tool, *wanted]
    one_thread = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **one_thread}
    )
    if ran.returncode:
        raise SystemExit(f"{tool}: {ran.stderr[-3000:]}")
    said = json.loads(ran.stdout.splitlines()[-1])
    return [{**row, "tool": tool, "ends": np.array(row["ends"])} for row in said]


def cost_at(points: list[dict[str, Any]], error: float) -> float:
    """What the cheapest way costs that ends with no more than an error; infinite if none does."""
    return min((p["cpu_us"] for p in points if p["error"] <= error), default=float("inf"))


def compared(problem: Problem, points: list[dict[str, Any]]) -> list[Row]:
    """At equal error, the cheapest of ours beside the cheapest of the others."""
    mine = [point for point in points if point["tool"] == "emberkeep"]
    others = [point for point in points if point["tool"] != "emberkeep"]
    rows = []
    for digits in DIGITS:
        our_cost, their_cost = cost_at(mine, 10.0**-digits), cost_at(others, 10.0**-digits)
        if their_cost == float("inf"):
            continue
        best = next(p for p in others if p["cpu_us"] == their_cost)
        ratio = our_cost / their_cost
        rows.append(
            Row(
                f"{problem.title}, error of 1e-{digits}",
                f"{our_cost:.3g} µs",
                f"{their_cost:.3g} µs ({best['tool']}, {best['method']})",
                f"{ratio:.2f} of its time",
                "at most 1",
                reached=ratio <= 1,
            )
        )
    return rows


def draw(problems: Sequence[Any], points: list[dict[str, Any]], files: str, cost: str) -> None:
    """A picture of each problem; the same bytes from the same data."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "emberkeep", "svg.fonttype": "none", "font.size": 10})
    styles = {"emberkeep": ("-", "o"), "heyoka": ("--", "s"), "diffrax": ("--", "^")}
    for problem in problems:
        its = [point for point in points if point["problem"] == problem.name]
        if not its:
            continue
        figure, axes = plt.subplots(figsize=(7.2, 4.6), layout="constrained")
        curves = dict.fromkeys((point["tool"], point["method"]) for point in its)
        for number, (tool, method) in enumerate(curves):
            curve = [p for p in its if (p["tool"], p["method"]) == (tool, method)]
            line, mark = styles.get(tool, (":", "x"))
            axes.loglog(
                [p["error"] for p in curve],
                [p["cpu_us"] for p in curve],
                line,
                marker=mark,
                markersize=4,
                color=f"C{number % 10}",
                label=f"{tool} {method}",
            )
        axes.invert_xaxis()
        axes.set_title(problem.title)
        axes.set_xlabel("relative error at the end")
        axes.set_ylabel(cost)
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
        figure.savefig(PICTURES / f"{files}-{problem.name}.svg", metadata={"Date": None})
        plt.close(figure)


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")


def write(
    problems: Sequence[Any],
    points: list[dict[str, Any]],
    files: str,
    cost: str = COST,
    machine: str | None = None,
) -> None:
    """What was measured, and pictures of it; what is known of other problems stays."""
    PICTURES.mkdir(exist_ok=True)
    numbers, names = PICTURES / f"{files}.json", {problem.name for problem in problems}
    known = json.loads(numbers.read_text())["points"] if numbers.exists() else []
    points = [*(point for point in known if point["problem"] not in names), *points]
    data = {"processor": machine or processor(), "points": points}
    numbers.write_text(json.dumps(data, indent=1) + "\n")
    if importlib.util.find_spec("matplotlib"):
        draw(problems, points, files, cost)
    else:
        print("(the pictures are left out: there is no matplotlib)")


def main(arguments: list[str]) -> bool:
    """All problems, or those named."""
    wanted = [name for name in arguments if name != "--write"]
    problems = [problem for problem in PROBLEMS if not wanted or problem.name in wanted]
    program = "work_precision_peers.py"
    measured = [row for tool in PEERS for row in theirs(tool, PEERS[tool], program, wanted)]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMBERKEEP_DIR"] = os.path.join(folder, "keep")
        os.environ["EMBERKEEP_CONFIG_DIR"] = os.path.join(folder, "config")
        measured = [row for problem in problems for row in ours(problem)] + measured
    points, rows = [], []
    for problem in problems:
        expected = exact(problem)
        mine = [
            {
                "problem": problem.name,
                "tool": row["tool"],
                "method": row["method"],
                "tolerance": row["tolerance"],
                "cpu_us": float(f"{row['cpu_us']:.4g}"),
                "error": float(f"{max(errors(row['ends'], expected), 1e-16):.4g}"),
            }
            for row in measured
            if row["problem"] == problem.name
        ]
        points += mine
        rows += compared(problem, mine)
    if "--write" in arguments:
        write(problems, points, "work-precision")
    return show(rows)


if __name__ == "__main__":
    raise SystemExit(not main(sys.argv[1:]))
