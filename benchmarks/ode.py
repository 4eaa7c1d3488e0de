"""The ODE engine on the CPU: warm starts over NumPy alone, throughput beside three peers."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import ode_models
from measuring import HERE, Row, fresh_medians, milliseconds, peer, show

THREADS, TRAJECTORIES, END, REPEATS = 2, 10_000, 10.0, 7
PROGRAMS = HERE / "peers"
FLAGS = ["-Ofast", "-march=native", "-fschedule-insns", "-fsched-pressure"]


def starting(folder: str) -> list[Row]:
    """A fresh process that solves one trajectory with kept code, beside `import numpy`."""
    environment = {
        "EMBERKEEP_CONFIG_DIR": os.path.join(folder, "config"),
        "EMBERKEEP_DIR": os.path.join(folder, "keep"),
    }
    models = ("lorenz", "dense")
    programs = [(sys.executable, ode_models.start(model, "cpu")) for model in models]
    *ours, numpy = fresh_medians([*programs, (sys.executable, "import numpy")], 15, environment)
    return [
        Row(
            f"kept code, one trajectory of {model}, over NumPy alone",
            milliseconds(taken),
            f"{milliseconds(numpy)} (NumPy)",
            f"+{milliseconds(taken - numpy)}",
            "at most +60 ms",
            reached=taken - numpy <= 0.060,
        )
        for model, taken in zip(models, ours, strict=True)
    ]


def said(command: list[object], **environ: str) -> dict[str, object]:
    """What a peer's program says."""
    ran = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environ}
    )
    return json.loads(ran.stdout.splitlines()[-1])


def floor(folder: str) -> list[object]:
    """The command of the hand-written program; compiled here, for this processor."""
    program = os.path.join(folder, "tsit5")
    compiler = shutil.which("g++")
    assert compiler, "the floor is a program in C++: install g++"
    source = PROGRAMS / "tsit5.cpp"
    subprocess.run([compiler, "-std=c++20", "-pthread", *FLAGS, source, "-o", program], check=True)
    return [program, END, THREADS, TRAJECTORIES]


def throughput(folder: str) -> list[Row]:
    """Whole solves of a batch, the best of several, in turn with the hand-written program."""
    os.environ["EMBERKEEP_DIR"] = os.path.join(folder, "keep")
    os.environ["EMBERKEEP_CONFIG_DIR"] = os.path.join(folder, "config")
    import numpy as np

    from emberkeep import ode

    names: dict[str, object] = {"ode": ode}
    exec(ode_models.LORENZ, names)
    solver = ode.Solver(names["system"], target="cpu", threads=THREADS)
    rho = np.linspace(20.0, 30.0, TRAJECTORIES)

    def solve() -> float:
        begun = time.perf_counter()
        solver.solve((0, END), parameters={"rho": rho}, rtol=1e-6, atol=1e-9).require_success()
        return (time.perf_counter() - begun) / TRAJECTORIES

    command, ours, hand = [*map(str, floor(folder))], [], []
    solve()
    for _ in range(REPEATS):
        ours.append(solve())
        hand.append(1e-6 * float(said(command)["us_per_trajectory"]))
    best, before = min(ours), ode_models.kept(folder)
    solver.solve((0, 1), rtol=1e-3, atol=1e-3, parameters={"rho": rho[:5]})
    solver.solve((1, 0), rtol=1e-8, parameters={"sigma": 3.0})
    ode.solve(names["system"].with_constants(beta=2.5), (0, 1), target="cpu")
    builds = ode_models.kept(folder) - before
    rows = [
        Row(
            f"{TRAJECTORIES:,} trajectories of lorenz, each, on {THREADS} threads",
            milliseconds(best),
            f"{milliseconds(min(hand))} (C++ by hand)",
            f"{best / min(hand):.2f} of its time",
            "at most 3 µs",
            reached=best <= 3e-6,
        ),
        Row(
            "other tolerances, constants, parameters and spans",
            f"{builds} builds",
            "a build each (cubie)",
            "",
            "0 builds",
            reached=builds == 0,
        ),
    ]
    return rows + [against(*other, best) for other in peers()]


def peers() -> list[tuple[str, float]]:
    """Seconds for a trajectory with each peer that can be installed here."""
    found = []
    wanted = {
        "scipy": (["numpy", "scipy"], PROGRAMS / "scipy_lorenz.py"),
        # It is compiled where it is installed; with Fortran.
        "numbalsoda": (["numbalsoda==0.3.4"], PROGRAMS / "numbalsoda_lorenz.py"),
    }
    for name, (packages, program) in wanted.items():
        try:
            python = peer(name, packages)
        except subprocess.CalledProcessError:
            print(f"({name} cannot be installed here; it needs a Fortran compiler)")
            continue
        answer = said([python, str(program)], NUMBA_NUM_THREADS=str(THREADS))
        found.append((name, 1e-6 * float(answer["us_per_trajectory"])))
    return found


def against(name: str, theirs: float, ours: float) -> Row:
    """One peer's DOP853, as tight."""
    threads = "one thread" if name == "scipy" else f"{THREADS} threads"
    return Row(
        f"the same with DOP853 of {name}, {threads}",
        milliseconds(ours),
        milliseconds(theirs),
        f"{theirs / ours:.1f} times faster",
        "(none)",
        reached=True,
    )


def main() -> bool:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        return show([*starting(folder), *throughput(folder)])


if __name__ == "__main__":
    raise SystemExit(not main())
