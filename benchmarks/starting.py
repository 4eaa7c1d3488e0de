"""What a start costs: the import, and an open-and-get in a fresh process beside the peers."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import Row, fresh_medians, milliseconds, peer, show

HEAVY = ("numba", "llvmlite", "sympy", "jax", "pandas", "rich", "sqlite3")
SIZE = 200_000

OURS = """
import emberkeep
keep = emberkeep.Keep({root!r})
artifact = keep.get_or_build("tables", "bench", {{"n": 3, "rtol": 1e-6, "method": "tsit5"}}, None)
assert artifact.hit and len(artifact.blobs["x"]) == 200_000
"""
DISKCACHE = """
import diskcache
cache = diskcache.Cache({root!r})
assert len(cache[("bench", 3, 1e-6, "tsit5")]) == 200_000
"""
JOBLIB = """
import joblib
memory = joblib.Memory({root!r}, verbose=0)
def bench(n, rtol, method):
    return OUR_BYTES
cached = memory.cache(bench)
assert len(cached(3, 1e-6, "tsit5")) == 200_000
"""
FILL_OURS = """
import os, emberkeep
plan = {{"n": 3, "rtol": 1e-6, "method": "tsit5"}}
keep = emberkeep.Keep({root!r})
keep.get_or_build("tables", "bench", plan, lambda: {{"x": os.urandom(200_000)}})
"""
FILL_DISKCACHE = """
import os, diskcache
diskcache.Cache({root!r})[("bench", 3, 1e-6, "tsit5")] = os.urandom(200_000)
"""


def imports() -> Row:
    """`import emberkeep`, with a Keep ready to use, beside NumPy alone."""
    numpy, both = fresh_medians(
        [
            (sys.executable, "import numpy"),
            (sys.executable, "import numpy, emberkeep; emberkeep.Keep"),
        ],
        21,
    )
    listed = subprocess.run(
        [sys.executable, "-c", "import emberkeep, sys, json; print(json.dumps(list(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in json.loads(listed.stdout)}
    more = both - numpy
    heavy = loaded.intersection(HEAVY)
    figure = f"+{milliseconds(more)}" + (f", and {heavy}" if heavy else ", nothing heavy")
    return Row(
        "import emberkeep over NumPy alone",
        milliseconds(both),
        milliseconds(numpy),
        figure,
        "at most +15 ms",
        reached=more <= 0.015 and not heavy,
    )


def opening() -> list[Row]:
    """Open and get 200 KB in a fresh process, imports counted, beside diskcache and joblib."""
    python = peer("caches", ["diskcache==5.6.3", "joblib==1.5.2"])
    with tempfile.TemporaryDirectory() as folder:
        environment = {"EMBERKEEP_CONFIG_DIR": os.path.join(folder, "config")}
        roots = {name: os.path.join(folder, name) for name in ("ours", "diskcache", "joblib")}
        # joblib keys a function by its source file: the program has to be a file.
        script = Path(folder, "cached.py")
        script.write_text(
            JOBLIB.format(root=roots["joblib"]).replace("OUR_BYTES", f"b'x' * {SIZE}")
        )
        environ = {**os.environ, **environment}
        fill = [
            (sys.executable, FILL_OURS.format(root=roots["ours"])),
            (python, FILL_DISKCACHE.format(root=roots["diskcache"])),
        ]
        for interpreter, code in fill:
            subprocess.run([interpreter, "-c", code], check=True, env=environ)
        ours, diskcache, joblib = fresh_medians(
            [
                (sys.executable, OURS.format(root=roots["ours"])),
                (python, DISKCACHE.format(root=roots["diskcache"])),
                (python, f"import runpy; runpy.run_path({str(script)!r})"),
            ],
            21,
            environment,
        )
    return [
        Row(
            f"open and get 200 KB, fresh process, against {name}",
            milliseconds(ours),
            milliseconds(theirs),
            f"{theirs / ours:.1f} times faster",
            "at least 5",
            reached=theirs >= 5 * ours,
        )
        for name, theirs in (("diskcache", diskcache), ("joblib", joblib))
    ]


def command() -> Row:
    """The command line, whole process, beside a bare interpreter."""
    import statistics
    import time

    def run(words: list[str]) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        return time.perf_counter() - started

    with tempfile.TemporaryDirectory() as folder:
        words = ["-m", "emberkeep", "--root", folder, "status"]
        run(words)
        ours, bare = (
            statistics.median(run(line) for _ in range(15)) for line in (words, ["-c", "pass"])
        )
    return Row(
        "emberkeep status, whole process",
        milliseconds(ours),
        f"{milliseconds(bare)} (bare Python)",
        milliseconds(ours),
        "under 150 ms",
        reached=ours < 0.150,
    )


if __name__ == "__main__":
    raise SystemExit(not show([imports(), *opening(), command()]))
