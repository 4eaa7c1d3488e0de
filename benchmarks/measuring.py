"""What all benchmarks share: medians, fresh processes, peers in environments of their own, rows."""

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE.parent / ".peers"


@dataclass(frozen=True)
class Row:
    """One measure: ours beside the peer or floor of the same run, and what it must reach."""

    measure: str
    ours: str
    other: str
    figure: str
    target: str
    reached: bool


def show(rows: Sequence[Row]) -> bool:
    """Print rows as a table; whether all targets were reached."""
    titles = Row("measure", "ours", "peer or floor", "figure", "target", reached=True)
    table = [(*vars(row).values(),)[:5] for row in (titles, *rows)]
    widths = [max(len(line[column]) for line in table) for column in range(5)]
    for row, line in zip((None, *rows), table, strict=True):
        mark = "" if row is None else "reached" if row.reached else "MISSED"
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join([*cells, mark]).rstrip())
    return all(row.reached for row in rows)


def alternately(functions: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """The median seconds of each function, called in turn so that noise hits all alike."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, taken in zip(functions, times, strict=True):
            started = time.perf_counter()
            function()
            taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in times]


def fresh(python: str, code: str, environment: dict[str, str] | None = None) -> float:
    """Seconds that a new process reports for `code`, which prints them as its last word.

    The start of the interpreter is not in it: it is the same for everybody.
    """
    timed = f"import time\n_t = time.perf_counter()\n{code}\nprint(time.perf_counter() - _t)"
    environ = {**os.environ, **(environment or {})}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    ran = subprocess.run(
        [python, "-c", timed], capture_output=True, text=True, check=True, env=environ
    )
    return float(ran.stdout.split()[-1])


def fresh_medians(
    programs: Sequence[tuple[str, str]], repeats: int, environment: dict[str, str] | None = None
) -> list[float]:
    """Median seconds of several (python, code) in new processes, in turn; the first is warm-up."""
    times: list[list[float]] = [[] for _ in programs]
    for index in range(repeats + 1):
        for (python, code), taken in zip(programs, times, strict=True):
            seconds = fresh(python, code, environment)
            if index:
                taken.append(seconds)
    return [statistics.median(taken) for taken in times]


def whole_processes(
    programs: Sequence[str], repeats: int, environment: Callable[[int], dict[str, str]]
) -> list[tuple[float, float]]:
    """The least seconds, and processors' seconds, of new processes from start to end.

    They run in turn. The environment is given for each turn; the first one is warm-up.
    """
    least = [(math.inf, math.inf)] * len(programs)
    for turn in range(repeats + 1):
        environ = {**os.environ, **environment(turn)}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for index, code in enumerate(programs):
            before, begun = os.times(), time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, env=environ)
            took, after = time.perf_counter() - begun, os.times()
            worked = sum(after[2:4]) - sum(before[2:4])
            if turn:
                wall, cpu = least[index]
                least[index] = min(wall, took), min(cpu, worked)
    return least


def peer(name: str, packages: Sequence[str], alone: Sequence[str] = ()) -> str:
    """The Python of an environment that holds a peer; made at first use, never the project's.

    What is to be installed `alone` comes without what it says that it needs.
    """
    python = PEERS / name / "bin" / "python"
    marker = PEERS / name / "installed.json"
    if not marker.exists() or json.loads(marker.read_text()) != [*packages, *alone]:
        subprocess.run([sys.executable, "-m", "venv", PEERS / name], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *packages], check=True)
        if alone:
            subprocess.run([*install, "--no-deps", *alone], check=True)
        marker.write_text(json.dumps([*packages, *alone]))
    return str(python)


def milliseconds(seconds: float) -> str:
    """A duration as text."""
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{1e6 * seconds:.3g} µs"
