"""Time that changes, beside PhaseGen: coalescents in a population whose size changes."""

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

from measuring import HERE, Row, milliseconds, peer, show

PROGRAM = HERE / "peers" / "population_cases.py"
LINEAGES, MOST_S, TIMES_FASTER = 20, 0.05, 20


def phasegen(*words: object) -> dict[str, Any]:
    """What PhaseGen's program says of a case."""
    python = peer("phasegen", ["phasegen==2.2.0"])
    command = [python, PROGRAM, *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"phasegen, {words}: {ran.stdout[-500:]}{ran.stderr[-2000:]}")
    return json.loads(ran.stdout.splitlines()[-1])


def least(function: Callable[[], object]) -> float:
    """Seconds of the fastest of several calls."""
    taken = []
    for _ in range(21):
        begun = time.perf_counter()
        function()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def densities() -> list[Row]:
    """Three epochs, 100 times: by numbers of lineages, and by blocks, of which there are 627."""
    import numpy as np

    from emberkeep.phasetype import models

    theirs = phasegen("phasegen-density", LINEAGES)
    times = 0.01 + 5.99 * np.arange(100) / 99
    rows: list[Row] = []
    for name, blocks in (("lineages", False), ("blocks", True)):
        known = models.size_history(LINEAGES, {0: 1.0, 0.2: 0.1, 0.5: 2.0}, blocks=blocks)
        given = [(epoch.start, epoch.theta) for epoch in known.epochs]
        found = known.pdf(times)
        new = least(lambda known=known, given=given: known.graph.epochs(given).pdf(times))
        again = least(lambda known=known: known.pdf(times))
        # PhaseGen has no density of blocks: there it is for lineages too, a smaller problem.
        for what, ours, other in (("new", new, "new_s"), ("asked again", again, "again_s")):
            ratio = theirs[other] / ours
            faster = 1 if blocks else TIMES_FASTER
            rows.append(
                Row(
                    f"100 densities, {len(known.graph)} states ({name}), {what}",
                    milliseconds(ours),
                    f"{milliseconds(theirs[other])} (PhaseGen)",
                    f"{ratio:.3g} times faster",
                    f"at most {milliseconds(MOST_S)}, {faster} times",
                    reached=ours <= MOST_S and ratio >= faster,
                )
            )
        apart = float(abs(found - theirs["density"]).max() / found.max())
        mean = abs(known.expectation() / theirs["mean"] - 1)
        for what, figure in (("of the peak", apart), ("of the mean", mean)):
            rows.append(
                Row(
                    f"the same: largest difference, {what}",
                    "",
                    "(PhaseGen)",
                    f"{figure:.1e}",
                    "at most 1e-10",
                    reached=figure <= 1e-10,
                )
            )
    return rows


if __name__ == "__main__":
    raise SystemExit(not show(densities()))
