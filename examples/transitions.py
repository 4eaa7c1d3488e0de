"""An expensive table, kept: transition probabilities of a birth-death process at many times.

Run it twice: the second process loads what the first one built.
"""

import os
import sys
import time

import emberkeep


def build_table(states: int, birth: float, death: float, steps: int) -> dict[str, object]:
    """P(t) for t = 0, dt, 2 dt, …: every row of every matrix, in one block of bytes."""
    import numpy as np

    number = np.arange(states)
    generator = np.diag(birth * (states - 1 - number[:-1]), 1) + np.diag(death * number[1:], -1)
    np.fill_diagonal(generator, -generator.sum(axis=1))
    step = _exponential(generator * 1e-3)
    table = np.empty((steps, states, states))
    table[0] = np.eye(states)
    for k in range(1, steps):
        np.matmul(table[k - 1], step, out=table[k])
    rows = table[:, states // 2, :].copy()
    return {"rows": rows.tobytes(), "layout": {"shape": list(rows.shape), "dtype": "float64"}}


def _exponential(matrix: object) -> object:
    """The exponential of a small matrix, by scaling and squaring of its series."""
    import numpy as np

    scaled = np.asarray(matrix) / 1024
    result = term = np.eye(len(scaled))
    for order in range(1, 12):
        term = term @ scaled / order
        result = result + term
    for _ in range(10):
        result = result @ result
    return result


def main() -> None:
    """Get the table, and say what it cost."""
    root, birth = sys.argv[1], float(sys.argv[2])
    model = {"states": 160, "birth": birth, "death": 1.0, "steps": 400}
    started = time.perf_counter()
    keep = emberkeep.Keep(root)
    table = keep.get_or_build(
        "tables",
        "birth-death",
        {**model, "code": build_table},
        lambda: build_table(**model),
    )
    seconds = time.perf_counter() - started
    how = "loaded" if table.hit else "built"
    size = len(table.blobs["rows"])
    print(f"{how} {size} bytes in {1000 * seconds:.1f} ms ({table.reason.replace(root, '…')})")
    heavy = [name for name in ("numpy", "numba", "sympy", "jax", "json") if name in sys.modules]
    print(f"imported on the way: {', '.join(heavy) or 'none of numpy, numba, sympy, jax, json'}")
    # What a run costs is for the driver to add up; a person reads the lines above.
    if len(sys.argv) > 3:  # noqa: PLR2004 - an optional file for the figures
        with open(sys.argv[3], "w", encoding="utf-8") as file:
            file.write(f"{seconds} {os.getpid()} {table.hit}")


if __name__ == "__main__":
    main()
