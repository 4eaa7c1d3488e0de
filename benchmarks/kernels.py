"""Kernels on the CPU: a start with a kept kernel, a call, and the code itself, beside numba."""

import os
import re
import sys
import tempfile
import timeit
from collections import Counter
from pathlib import Path

from measuring import Row, alternately, fresh_medians, milliseconds, show

SIGNATURE = "float64[:, :, ::1], float64, int64"
FLAGS = ("arcp", "contract", "nsz")

# The classic fourth-order method with 32 trajectories side by side; written once, for all.
MODEL = """
LANES = 32

def slope(x, y, z, s, r, b):
    return s * (y - x), x * (r - z) - y, x * y - b * z

def step(block, work, dt, steps):
    h, sixth = dt / 2, dt / 6
    for _ in range(steps):
        for k in range(LANES):
            x, y, z = work[block, 0, k], work[block, 1, k], work[block, 2, k]
            s, r, b = work[block, 3, k], work[block, 4, k], work[block, 5, k]
            ax, ay, az = slope(x, y, z, s, r, b)
            bx, by, bz = slope(x + h * ax, y + h * ay, z + h * az, s, r, b)
            cx, cy, cz = slope(x + h * bx, y + h * by, z + h * bz, s, r, b)
            dx, dy, dz = slope(x + dt * cx, y + dt * cy, z + dt * cz, s, r, b)
            work[block, 0, k] = x + sixth * (ax + 2 * (bx + cx) + dx)
            work[block, 1, k] = y + sixth * (ay + 2 * (by + cy) + dy)
            work[block, 2, k] = z + sixth * (az + 2 * (bz + cz) + dz)
"""
OURS = f"""
import numpy as np
{{before}}
import emberkeep
{MODEL}
kernel = emberkeep.kernel({SIGNATURE!r}, fastmath={FLAGS!r}, threads=1)(step)
work = np.ones((4, 6, LANES))
kernel(work, 1e-3, 1, count=4)
"""
NUMBA = f"""
import numpy as np
from numba import njit
{MODEL}
def device(function):
    return njit(fastmath=set({FLAGS!r}), error_model="numpy", forceinline=True)(function)
slope, step = device(slope), device(step)

@njit("void(int64, int64, {SIGNATURE})", fastmath=set({FLAGS!r}), error_model="numpy", cache=True)
def kernel(begin, end, work, dt, steps):
    for block in range(begin, end):
        step(block, work, dt, steps)
kernel(0, 4, np.ones((4, 6, LANES)), 1e-3, 1)
"""


def starting() -> list[Row]:
    """A fresh process with a kept kernel, beside NumPy alone and numba's own cache."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "EMBERKEEP_CONFIG_DIR": os.path.join(folder, "config"),
            "EMBERKEEP_DIR": os.path.join(folder, "keep"),
            "NUMBA_CACHE_DIR": os.path.join(folder, "numba"),
        }
        programs = {"ours.py": OURS.format(before=""), "numba_own.py": NUMBA}
        for name, text in programs.items():
            Path(folder, name).write_text(text)
        ours, theirs, numpy = fresh_medians(
            [
                (sys.executable, f"import runpy; runpy.run_path({folder + '/' + name!r})")
                for name in programs
            ]
            + [(sys.executable, "import runpy, numpy")],
            15,
            environment,
        )
    more = ours - numpy
    return [
        Row(
            "start with a kept kernel, over NumPy alone",
            milliseconds(ours),
            f"{milliseconds(numpy)} (NumPy)",
            f"+{milliseconds(more)}",
            "at most +30 ms",
            reached=more <= 0.030,
        ),
        Row(
            "start with a kept kernel, against cache=True",
            milliseconds(ours),
            milliseconds(theirs),
            f"{theirs / ours:.1f} times faster",
            "(none)",
            reached=True,
        ),
    ]


def compiled() -> tuple[object, object]:
    """The kernel and numba's function, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMBERKEEP_DIR"] = folder
        ours: dict[str, object] = {}
        exec(OURS.format(before=""), ours)
        theirs: dict[str, object] = {}
        exec(NUMBA.replace(", cache=True", ""), theirs)
    return ours["kernel"], theirs["kernel"]


def calling(ours: object, theirs: object) -> Row:
    """The shortest call: no steps, one block, one thread."""
    import numpy as np

    work, number = np.ones((1, 6, 32)), 20_000

    def timed(call: object) -> float:
        return min(timeit.repeat(call, number=number, repeat=7)) / number

    mine = timed(lambda: ours(work, 1e-3, 0, count=1))
    numbas = timed(lambda: theirs(0, 1, work, 1e-3, 0))
    return Row(
        "one call on one thread",
        milliseconds(mine),
        f"{milliseconds(numbas)} (numba)",
        milliseconds(mine),
        "at most 5 µs",
        reached=mine <= 5e-6,
    )


def running(ours: object, theirs: object) -> Row:
    """Many steps: what the code itself takes."""
    import numpy as np

    mine, numbas = np.ones((64, 6, 32)), np.ones((64, 6, 32))
    first, second = alternately(
        [lambda: ours(mine, 1e-6, 500, count=64), lambda: theirs(0, 64, numbas, 1e-6, 500)], 101
    )
    assert np.array_equal(mine, numbas), "the same loop gave different bits"
    return Row(
        "64 blocks of 32, 500 steps, one thread",
        milliseconds(first),
        f"{milliseconds(second)} (numba)",
        f"{first / second:.3f} of numba's time",
        "at most 1.03",
        reached=first <= 1.03 * second,
    )


VECTOR = re.compile(r"\bv(?:f\w+|mul|add|sub|div|sqrt)[ps][ds]\b")
# Which of its operands a fused instruction overwrites is up to the allocation of registers.
ORDER = re.compile(r"(f\w+)(?:132|213|231)")


def instructions(ours: object, theirs: object) -> Row:
    """How often each arithmetic instruction stands in the code of the two."""
    from emberkeep.targets.arguments import parse_signature
    from emberkeep.targets.cpu.lower import lower, processor_of
    from emberkeep.targets.protocol import KernelSource

    source = KernelSource("step", ours.function, parse_signature(SIGNATURE), {"fastmath": FLAGS})
    (signature,) = theirs.signatures
    mine, numbas = (
        Counter(ORDER.sub(r"\1", name) for name in VECTOR.findall(assembly))
        for assembly in (
            lower(source, *processor_of("host")).assembly,
            theirs.inspect_asm(signature),
        )
    )
    return Row(
        "arithmetic instructions in the code",
        f"{sum(mine.values())}",
        f"{sum(numbas.values())} (numba)",
        "the same" if mine == numbas else f"ours {mine - numbas}, numba's {numbas - mine}",
        "the same",
        reached=mine == numbas,
    )


if __name__ == "__main__":
    rows = starting()
    pair = compiled()
    rows += [calling(*pair), running(*pair), instructions(*pair)]
    raise SystemExit(not show(rows))
