"""The ODE engine on the CPU: starts over NumPy alone, throughput beside C++ by hand and peers."""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

import numpy as np
import ode_models
from measuring import HERE, Row, fresh_medians, milliseconds, peer, show, whole_processes

THREADS, TRAJECTORIES, REPEATS = 2, 10_000, 9
TOLERANCES = {"rtol": 1e-6, "atol": 1e-9}
PROGRAMS = HERE / "peers"
FLAGS = ["-Ofast", "-march=native", "-fschedule-insns", "-fsched-pressure"]
WIDTHS = (8, 16, 32)  # lanes of the program by hand: the fastest of them is the floor


class Case(NamedTuple):
    """A system as `peers/tsit5.cpp` has it: its name there, the parameter that varies, the end."""

    name: str
    source: str
    parameter: str
    first: float
    last: float
    end: float


CASES = (
    Case("lorenz", ode_models.LORENZ, "rho", 20.0, 30.0, 10.0),
    Case("vdp", ode_models.VAN_DER_POL, "mu", 1.0, 10.0, 10.0),
    # Later, chaos would hide a mistake in either program.
    Case("l96", ode_models.LORENZ_96_OF_20, "F", 6.0, 10.0, 2.0),
)


class Cost(NamedTuple):
    """Of one trajectory: seconds, processors' seconds, attempts of a step."""

    wall: float
    cpu: float
    attempts: float


def environment(folder: str) -> dict[str, str]:
    """A keep and a configuration of their own."""
    return {
        "EMBERKEEP_CONFIG_DIR": os.path.join(folder, "config"),
        "EMBERKEEP_DIR": os.path.join(folder, "keep"),
    }


def cold(folder: str) -> list[Row]:
    """Whole processes that solve one trajectory with nothing kept, beside `import numpy`."""
    programs = [ode_models.start(model, "cpu") for model in ode_models.MODELS]
    *ours, numpy = whole_processes(
        [*programs, "import numpy"], 5, lambda turn: environment(os.path.join(folder, str(turn)))
    )
    rows = []
    for (model, asked), (wall, cpu) in zip(ode_models.COLD["cpu"].items(), ours, strict=True):
        more = wall - numpy[0]
        rows.append(
            Row(
                f"nothing kept, one trajectory of {model}, whole process over import numpy",
                milliseconds(wall),
                f"{milliseconds(numpy[0])} (NumPy)",
                f"+{milliseconds(more)}, +{milliseconds(cpu - numpy[1])} of CPU",
                f"at most +{milliseconds(asked)}",
                reached=more <= asked,
            )
        )
    answer = ode_models.imports_numba("cpu", environment(os.path.join(folder, "numba")))
    return [*rows, Row("numba imported, nothing kept", answer, "", "", "no", answer == "no")]


def warm(folder: str) -> list[Row]:
    """A fresh process that solves one trajectory with kept code, beside `import numpy`."""
    models = ("lorenz", "dense")
    programs = [(sys.executable, ode_models.start(model, "cpu")) for model in models]
    *ours, numpy = fresh_medians(
        [*programs, (sys.executable, "import numpy")], 15, environment(folder)
    )
    return [
        Row(
            f"kept code, one trajectory of {model}, over NumPy alone",
            milliseconds(taken),
            f"{milliseconds(numpy)} (NumPy)",
            f"+{milliseconds(taken - numpy)}",
            "at most +47 ms",
            reached=taken - numpy <= 0.047,
        )
        for model, taken in zip(models, ours, strict=True)
    ]


def said(command: list[str], **environ: str) -> dict[str, Any]:
    """What a peer's program says."""
    ran = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environ}
    )
    return json.loads(ran.stdout.splitlines()[-1])


def by_hand(folder: str) -> list[str]:
    """The hand-written program in each width; compiled here, for this processor."""
    compiler = shutil.which("g++")
    assert compiler, "the floor is a program in C++: install g++"
    source, made = PROGRAMS / "tsit5.cpp", []
    for lanes in WIDTHS:
        made.append(os.path.join(folder, f"tsit5_{lanes}"))
        options = ["-std=c++20", "-pthread", f"-DLANES={lanes}", *FLAGS, "-o", made[-1]]
        subprocess.run([compiler, source, *options], check=True)
    return made


def fastest(programs: list[str], case: Case) -> str:
    """The width that suits a system, by processors' time."""

    def cost(program: str) -> float:
        return said([program, case.name, str(case.end), "1", "2000"])["cpu_us_per_trajectory"]

    return min(programs, key=lambda program: min(cost(program) for _ in range(2)))


def ours(case: Case, threads: int) -> tuple[Any, Any]:
    """A solver that has solved the case, and how it solves it."""
    from emberkeep import ode

    system = ode_models.load(case.source)
    solver = ode.Solver(system, target="cpu", threads=threads)
    values = np.linspace(case.first, case.last, TRAJECTORIES)

    def solve(outputs: tuple[str, ...] = ("final",)) -> Any:
        result = solver.solve(
            (0, case.end), parameters={case.parameter: values}, outputs=outputs, **TOLERANCES
        )
        return result.require_success()

    solve()
    return solver, solve


def beside(case: Case, program: str, threads: int) -> tuple[Cost, Cost, int]:
    """What a trajectory costs us, and by hand, in turn; and the lanes of that program."""
    _, solve = ours(case, threads)
    theirs: dict[str, Any] = {}
    wall = cpu = hand_wall = hand_cpu = math.inf
    for _ in range(REPEATS):
        begun, worked = time.perf_counter(), time.process_time()
        result = solve()
        cpu = min(cpu, time.process_time() - worked)
        wall = min(wall, time.perf_counter() - begun)
        theirs = said([program, case.name, str(case.end), str(threads), str(TRAJECTORIES)])
        hand_wall = min(hand_wall, theirs["us_per_trajectory"])
        hand_cpu = min(hand_cpu, theirs["cpu_us_per_trajectory"])
    apart = np.abs(result.final[0][:2] - theirs["sample"]).max()
    assert apart < 0.05, f"{case.name}: {apart} apart from the program by hand"
    attempts = float(solve(("final", "steps")).steps.sum() / TRAJECTORIES)
    return (
        Cost(wall / TRAJECTORIES, cpu / TRAJECTORIES, attempts),
        Cost(1e-6 * hand_wall, 1e-6 * hand_cpu, theirs["mean_steps"]),
        theirs["lanes"],
    )


def throughput(folder: str) -> tuple[list[Row], float]:
    """Whole solves of batches, the best of several, in turn with the program by hand."""
    rows, programs, lorenz = [], by_hand(folder), math.inf
    for case in CASES:
        program = fastest(programs, case)
        mine, hand, lanes = beside(case, program, THREADS)
        attempts = f"{mine.attempts:.1f} attempts ({hand.attempts:.1f})"
        rows.append(
            Row(
                f"{TRAJECTORIES:,} trajectories of {case.name}, each, on {THREADS} threads",
                milliseconds(mine.wall),
                f"{milliseconds(hand.wall)} (C++ by hand, {lanes} lanes)",
                f"{mine.wall / hand.wall:.2f} of its time; {attempts}",
                "at most 1.15",
                reached=mine.wall <= 1.15 * hand.wall,
            )
        )
        if case.name == "lorenz":
            lorenz = mine.wall
        alone, hand, lanes = beside(case, program, 1)
        rows.append(
            Row(
                "the same on one thread, processor's time",
                milliseconds(alone.cpu),
                f"{milliseconds(hand.cpu)} (C++ by hand, {lanes} lanes)",
                f"{alone.cpu / hand.cpu:.2f} of its time",
                "at most 1.15",
                reached=alone.cpu <= 1.15 * hand.cpu,
            )
        )
    return rows, lorenz


def numbers(folder: str) -> Row:
    """Solves with other numbers, and how many of them compiled."""
    from emberkeep import ode

    solver, _ = ours(CASES[0], THREADS)
    before = ode_models.kept(folder)
    assert before, "what is kept is looked for in a wrong place"
    solver.solve((0, 1), rtol=1e-3, atol=1e-3, parameters={"rho": [20, 21, 22]})
    solver.solve((1, 0), rtol=1e-8, parameters={"sigma": 3.0})
    ode.solve(solver.system.with_constants(beta=2.5), (0, 1), target="cpu")
    builds = ode_models.kept(folder) - before
    return Row(
        "other tolerances, constants, parameters and spans",
        f"{builds} builds",
        "a build each (cubie)",
        "",
        "0 builds",
        reached=builds == 0,
    )


def peers(lorenz: float) -> list[Row]:
    """The same batch with each peer that can be installed here."""
    wanted = {
        "scipy": (["numpy", "scipy"], PROGRAMS / "scipy_lorenz.py", "one thread"),
        # It is compiled where it is installed; with Fortran.
        "numbalsoda": (
            ["numbalsoda==0.3.4"],
            PROGRAMS / "numbalsoda_lorenz.py",
            f"{THREADS} threads",
        ),
    }
    rows = []
    for name, (packages, program, threads) in wanted.items():
        try:
            python = peer(name, packages)
        except (subprocess.CalledProcessError, OSError):
            print(f"({name} is left out: it cannot be installed here)")
            continue
        answer = said([python, str(program)], NUMBA_NUM_THREADS=str(THREADS))
        theirs = 1e-6 * float(answer["us_per_trajectory"])
        rows.append(
            Row(
                f"lorenz with DOP853 of {name}, {threads}",
                milliseconds(lorenz),
                milliseconds(theirs),
                f"{theirs / lorenz:.1f} times faster",
                "(none)",
                reached=True,
            )
        )
    return rows


def main() -> bool:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        starts = [*cold(os.path.join(folder, "cold")), *warm(os.path.join(folder, "warm"))]
        os.environ.update(environment(folder))
        rows, lorenz = throughput(folder)
        return show([*starts, *rows, numbers(folder), *peers(lorenz)])


if __name__ == "__main__":
    raise SystemExit(not main())
