"""The phase-type engine beside phasic: expectations, densities, new parameters, kept traces."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import HERE, Row, fresh_medians, milliseconds, peer, show

PROGRAM = HERE / "peers" / "phasic_cases.py"
START = """
import numpy as np
from emberkeep.phasetype import models
print(models.islands(120).expectation([1.0, 0.5]))
"""
RABBITS, RABBITS_DENSITY, MANY_RABBITS, LINEAGES, BLOCKS = 200, 100, 1000, 120, 20
SPECTRUM, MUTATIONS = 8, 2
PHASIC = ["numpy", "scipy", "pandas", "matplotlib", "seaborn", "jax", "tqdm", "requests"]


def phasic(*words: object) -> dict[str, Any]:
    """What phasic's program says of a case."""
    python = peer("phasic", PHASIC, alone=["phasic==0.32.1"])
    command = [python, PROGRAM, *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"phasic, {words}: {ran.stdout[-500:]}{ran.stderr[-2000:]}")
    return json.loads(ran.stdout.splitlines()[-1])


def seconds(function: Callable[[], object]) -> float:
    """Of one call."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def median(function: Callable[[], object], repeats: int = 21) -> float:
    """Of several calls."""
    return statistics.median(seconds(function) for _ in range(repeats))


def first(make: Callable[[], Any], expect: Callable[[Any], object]) -> float:
    """A first expectation: of a graph that was just made, whose trace is not kept."""
    from emberkeep.phasetype import clear_trace_cache

    taken = []
    for _ in range(5):
        graph = make()
        clear_trace_cache()
        taken.append(seconds(lambda graph=graph: expect(graph)))
    return statistics.median(taken)


def limited(measure: str, ours: float, other: str, most: float) -> Row:
    """A row for a time that must not be exceeded."""
    return Row(
        measure,
        milliseconds(ours),
        other,
        milliseconds(ours),
        f"at most {milliseconds(most)}",
        reached=ours <= most,
    )


def rabbits() -> list[Row]:
    """Islands with rabbits that jump and drown: rates 1, 2 and 4."""
    import numpy as np

    from emberkeep.phasetype import models

    def make(count: int) -> Any:
        return models.rabbits(count, jump=1.0, flood_left=2.0, flood_right=4.0)

    theirs = phasic("rabbits-expectation", RABBITS)
    fixed, lu = theirs["fixed_rates"], theirs["splu"]["colamd"]
    graph = make(RABBITS)
    expected = graph.expectation()
    assert abs(expected / fixed["expectation"] - 1) < 1e-9
    known = first(lambda: make(RABBITS), lambda graph: graph.expectation())
    rows = [
        limited(
            f"rabbits, {len(graph):,} states: first expectation",
            known,
            f"{milliseconds(fixed['first_s'])} (phasic), {lu['factor_ms']:.3g} ms (SciPy's LU)",
            0.5,
        ),
        limited(
            "the same: repeated",
            median(graph.expectation),
            f"{milliseconds(fixed['repeat_s'])} (phasic), {lu['solve_ms']:.3g} ms (SciPy's LU)",
            0.005,
        ),
    ]
    theirs = phasic("rabbits-pdf", RABBITS_DENSITY)
    times = np.linspace(*theirs["times"][:2], 100)
    rows += density(make(RABBITS_DENSITY), times, theirs, 0.05)
    built = seconds(lambda: make(MANY_RABBITS))
    graph = make(MANY_RABBITS)
    rows.append(
        limited(
            f"rabbits, {len(graph):,} states: built", built, "44 s (phasic, not in this run)", 10.0
        )
    )
    found = seconds(graph.expectation)
    rows.append(limited("the same: first expectation", found, "(phasic: not tried)", 30.0))
    return rows


def density(graph: Any, times: Any, theirs: dict[str, Any], most: float) -> list[Row]:
    """A density at 100 times; its error is judged by SciPy's action of a matrix exponential."""
    import numpy as np
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import expm_multiply

    taken = []
    for _ in range(7):
        graph.remembered.pop("series", None)
        taken.append(seconds(lambda: graph.pdf(times)))
    found = graph.pdf(times)
    edges, ends = graph.edges, np.zeros(len(graph), bool)
    ends[graph.absorbing] = True
    out = np.bincount(edges.sources, edges.base, len(graph))
    rates = csr_array((edges.base, (edges.sources, edges.targets)), (len(graph), len(graph)))
    generator = (rates - csr_array((out, (range(len(graph)), range(len(graph)))))).T.tocsr()
    exit_rates = np.bincount(edges.sources, edges.base * ends[edges.targets], len(graph))
    step = times[1] - times[0]
    assert np.allclose(np.diff(times), step)
    states = expm_multiply(generator, graph.initial, times[0], times[-1], len(times))
    error = float(abs(states @ exit_rates - found).max() / found.max())
    name = f"{graph.name}, {len(graph):,} states: density at 100 times to {times[-1]:.3g}"
    return [
        limited(
            name, statistics.median(taken), f"{milliseconds(theirs['first_s'])} (phasic)", most
        ),
        Row(
            "the same: error, of its peak",
            f"{error:.1e}",
            f"{theirs['error_of_peak']:.1e} (phasic)",
            f"{error:.1e}",
            "at most 1e-10",
            reached=error <= 1e-10,
        ),
    ]


def coalescent() -> list[Row]:
    """Kingman's coalescent of 20, by the sizes of blocks."""
    import numpy as np

    from emberkeep.phasetype import models

    theirs = phasic("coalescent-pdf", BLOCKS)
    times = np.linspace(*theirs["times"][:2], 100)
    rows = density(models.kingman(BLOCKS, theta=1.0), times, theirs, 0.02)
    theirs = phasic("coalescent-theta", BLOCKS)
    graph = models.kingman(BLOCKS)
    random = np.random.default_rng(0)
    graph.expectation([1.0])
    one = median(lambda: graph.expectation(random.uniform(0.5, 2.0, 1)), 2001)
    many = median(lambda: graph.expectation(random.uniform(0.5, 2.0, (100, 1))), 201)
    return [
        *rows,
        limited(
            f"coalescent of {BLOCKS}: new theta, and expectation",
            one,
            f"{theirs['new_theta_ms']:.3g} ms (phasic)",
            50e-6,
        ),
        limited(
            "the same: 100 thetas",
            many,
            f"{theirs['hundred_thetas_ms']:.3g} ms (phasic)",
            1e-3,
        ),
    ]


def joint() -> list[Row]:
    """Numbers of mutations above each size of block: a table of their joint probabilities."""
    from emberkeep.phasetype import models

    theirs = phasic("joint", SPECTRUM, MUTATIONS)
    graph = models.kingman(SPECTRUM)
    limits = (MUTATIONS,) * (SPECTRUM - 1)

    def table() -> Any:
        return models.site_frequency_spectrum(graph, [1.0], mutation_rate=0.5).array(limits)

    found = table()
    apart = max(
        abs(found[tuple(cell)] / probability - 1)
        for cell, probability in zip(theirs["cells"], theirs["probabilities"], strict=True)
    )
    return [
        limited(
            f"spectrum of {SPECTRUM}: {found.size:,} joint probabilities",
            median(table, 5),
            f"{milliseconds(theirs['table_s'])} (phasic, {theirs['states']:,} states)",
            theirs["table_s"] / 5,
        ),
        Row(
            "the same: the largest difference",
            f"{apart:.1e}",
            "(phasic)",
            f"{apart:.1e}",
            "at most 1e-12",
            reached=apart <= 1e-12,
        ),
    ]


def islands(folder: str) -> list[Row]:
    """Lineages on two islands: a cyclic lattice."""
    import numpy as np

    from emberkeep.phasetype import models

    theirs = phasic("islands", LINEAGES)
    graph = models.islands(LINEAGES)
    known = first(lambda: models.islands(LINEAGES), lambda graph: graph.expectation([1.0, 0.5]))
    random = np.random.default_rng(0)
    new = median(lambda: graph.expectation(random.uniform(0.5, 2.0, 2)), 201)
    trace = graph.record()
    kept = sum(path.stat().st_size for path in Path(folder, "keep", "traces").rglob("*.json"))
    from emberkeep import Keep
    from emberkeep.phasetype.trace import obtain_trace

    # A keep without a memory, so that files are read.
    load = median(lambda: obtain_trace(graph, Keep(memory_size=0)), 11)
    environment = {name: os.environ[name] for name in ("EMBERKEEP_DIR", "EMBERKEEP_CONFIG_DIR")}
    start, numpy = fresh_medians(
        [(sys.executable, START), (sys.executable, "import numpy")], 15, environment
    )
    return [
        limited(
            f"two islands, {len(graph):,} states: first expectation",
            known,
            f"{milliseconds(theirs['first_s'])} (phasic)",
            0.060,
        ),
        limited("the same: new theta", new, f"{theirs['new_theta_ms']:.3g} ms (phasic)", 0.002),
        Row(
            "the same: kept trace",
            f"{trace.size_bytes + kept:,} bytes",
            f"{theirs['kept']['bytes']:,} bytes (phasic)",
            f"{(trace.size_bytes + kept) / 1e6:.2f} MB",
            "at most 5 MB",
            reached=trace.size_bytes + kept <= 5_000_000,
        ),
        limited(
            "the same: loaded",
            load,
            f"{milliseconds(theirs['kept']['loading_first_s'])} (phasic, with its use)",
            0.005,
        ),
        Row(
            "kept trace, fresh process to first expectation, over NumPy alone",
            milliseconds(start),
            f"{milliseconds(numpy)} (NumPy)",
            f"+{milliseconds(start - numpy)}",
            "at most +60 ms",
            reached=start - numpy <= 0.060,
        ),
    ]


def main() -> bool:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMBERKEEP_DIR"] = os.path.join(folder, "keep")
        os.environ["EMBERKEEP_CONFIG_DIR"] = os.path.join(folder, "config")
        return show([*rabbits(), *coalescent(), *joint(), *islands(folder)])


if __name__ == "__main__":
    raise SystemExit(not main())
