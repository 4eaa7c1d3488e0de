"""The key of a plan, toolchain included; and what a span costs when nobody listens."""

import sys
import timeit

from measuring import Row, fresh_medians, milliseconds, show

PLAN = """
import emberkeep
from emberkeep.keys import fingerprint_mapping
from emberkeep.keys.toolchain import toolchain
equations = tuple(f"dx{i} = sigma{i} * (y{i} - x{i}) + forcing * sin(omega * t)" for i in range(50))
options = {f"option{i}": (i * 0.1, i, f"value{i}", i % 2 == 0)[i % 4] for i in range(20)}
plan = {"equations": equations, "options": options, "method": "tsit5", "precision": "float64"}
def key():
    made_by = toolchain(("numba", "llvmlite", "numpy"))
    return (fingerprint_mapping(plan, label="plan").digest,
            fingerprint_mapping(made_by.ingredients, label="toolchain").digest)
"""


FIRST = f"{PLAN}_t = time.perf_counter()\nkey()"
AGAIN = f"""{PLAN}
import statistics
key()
spent = []
for _ in range(200):
    _t = time.perf_counter()
    key()
    spent.append(time.perf_counter() - _t)
_t = time.perf_counter() - statistics.median(spent)
"""


def keying() -> list[Row]:
    """First and later calls in fresh processes; their medians."""
    programs = [(sys.executable, program) for program in (PLAN + "key()", FIRST, AGAIN)]
    whole, first, later = fresh_medians(programs, 15)
    return [
        Row(
            "key of 50 equations and 20 options with toolchain, first",
            milliseconds(first),
            f"{milliseconds(whole)} (with all imports)",
            milliseconds(first),
            "under 3 ms",
            reached=first < 3e-3,
        ),
        Row(
            "the same again",
            milliseconds(later),
            "-",
            milliseconds(later),
            "under 1 ms",
            reached=later < 1e-3,
        ),
    ]


# What a function of an installed library costs: followed, or by all that the library consists of.
LIBRARIES = {
    "NumPy's, by version": ("numpy as np", "np.linalg.norm(x)", 6e-3),
    "scipy.special's, in C": ("scipy.special", "scipy.special.gamma(x)", 250e-3),
    "networkx's": ("networkx", "networkx.shortest_path(x)", 250e-3),
    "pandas'": ("pandas", "pandas.concat(x)", 500e-3),
}
REACHING = """
import {library}
import emberkeep
def reaching(x):
    return {expression}
emberkeep.fingerprint(lambda: 1)
_t = time.perf_counter()
emberkeep.fingerprint(reaching)
"""


def reaching_libraries() -> list[Row]:
    """The first key in a process of a function that reaches a library, beside its import."""
    rows: list[Row] = []
    for name, (library, expression, limit) in LIBRARIES.items():
        floor = f"import {library}"
        program = REACHING.format(library=library, expression=expression)
        imported, first = fresh_medians([(sys.executable, floor), (sys.executable, program)], 5)
        rows.append(
            Row(
                f"key of a function that reaches {name}, first",
                milliseconds(first),
                f"{milliseconds(imported)} (its import)",
                milliseconds(first),
                f"under {milliseconds(limit)}",
                reached=first < limit,
            )
        )
    return rows


def span_cost() -> Row:
    """A span with no recorder, beside an empty `with` block."""
    from contextlib import nullcontext

    from emberkeep.telemetry import Category, span

    empty = nullcontext()

    def ours() -> None:
        with span("x", Category.BUILD):
            pass

    def floor() -> None:
        with empty:
            pass

    number = 100_000
    mine, bare = (min(timeit.repeat(f, number=number, repeat=7)) / number for f in (ours, floor))
    return Row(
        "a span at level None",
        milliseconds(mine),
        f"{milliseconds(bare)} (empty with)",
        milliseconds(mine),
        "under 1 µs",
        reached=mine < 1e-6,
    )


if __name__ == "__main__":
    raise SystemExit(not show([*keying(), *reaching_libraries(), span_cost()]))
