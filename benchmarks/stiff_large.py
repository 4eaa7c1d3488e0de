"""Large stiff systems whose factors fill in: bdf beside rodas5p at equal error, and what fills in.

    stiff_large.py [problem …]

Cost is processors' time of one trajectory on one thread, compiled beforehand: of one alone, which
has a vector's lanes to itself, and of a batch that fills them. Errors are those at the end, by
rodas5p at a tolerance of 1e-10, relative to the size of a state or a hundredth of the largest; of
a batch, the median. What fills in is compared with the minimum degree order of SuperLU (SciPy's),
on the same pattern.
"""

import math
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from measuring import HERE, Row, show
from stiff import environment
from stiff_models import brusselator_on_torus, network

sys.path.insert(0, str(HERE / "peers"))
from work_precision_peers import cost

TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
EXACT = 1e-10
ERRORS = (1e-4, 1e-6)
METHODS = ("rodas5p", "bdf")
BATCHES = (1, 32)
# What makes each, and where it ends.
PROBLEMS: dict[str, tuple[Callable[[], Any], float]] = {
    "torus-8": (partial(brusselator_on_torus, 8), 12.0),
    "torus-16": (partial(brusselator_on_torus, 16), 12.0),
    "network-40": (partial(network, 40), 20.0),
}


def filled(name: str, system: Any) -> Row:
    """How many entries the factors of W have, beside those of SuperLU."""
    from scipy.sparse import coo_matrix, eye_array
    from scipy.sparse.linalg import splu

    from emberkeep.ode.kernel.linear.matrix import matrix_of
    from emberkeep.ode.system.derivatives import jacobian

    read, count = system.read(), len(system.states)
    slopes = jacobian(read.program, read.derivatives, [*system.states])
    matrix = matrix_of(slopes, count)
    ours = sum(len(shape.entries) for shape in matrix.shapes)
    rows, columns = np.array([*slopes]).T
    numbers = coo_matrix((np.full(len(rows), -1e-3), (rows, columns)), shape=(count, count))
    symmetric = {"options": {"SymmetricMode": True}, "diag_pivot_thresh": 0.0}
    factors = splu((numbers + eye_array(count)).tocsc(), "MMD_AT_PLUS_A", **symmetric)
    theirs = factors.L.nnz + factors.U.nnz - count
    return Row(
        f"{name}: {count} states, {len(slopes)} slopes of slopes, {matrix.products} products",
        f"{ours} entries of factors",
        f"{theirs} (SuperLU)",
        f"{ours / theirs:.3g} times as many",
        "at most 1.2",
        reached=ours <= 1.2 * theirs,
    )


def curves(system: Any, end: float, count: int) -> dict[str, list[tuple[float, float]]]:
    """Error and cost of each method at each tolerance."""
    from emberkeep import ode

    (name, usual), *_ = system.parameters.items()
    given = {name: usual * (np.linspace(0.9, 1.1, count) if count > 1 else np.ones(1))}

    def solved(solver: Any, tolerance: float) -> tuple[Any]:
        close = {"rtol": tolerance, "atol": tolerance, "max_steps": 10**6}
        return (solver.solve((0, end), parameters=given, **close).require_success().final,)

    solvers = {
        method: ode.Solver(system, method=method, target="cpu", threads=1) for method in METHODS
    }
    [exact] = solved(solvers["rodas5p"], EXACT)
    size = np.maximum(np.abs(exact), 1e-2 * np.abs(exact).max())
    found: dict[str, list[tuple[float, float]]] = {}
    for method, solver in solvers.items():
        found[method] = []
        for tolerance in TOLERANCES:
            taken, ends = cost(partial(solved, solver, tolerance), count)
            off = float(np.median((np.abs(ends - exact) / size).max(axis=1)))
            found[method].append((off, taken))
    return found


def cost_at(curve: list[tuple[float, float]], wanted: float) -> float:
    """What an error costs, between two points of a curve; not-a-number beyond its end."""
    if curve[0][0] <= wanted:
        return curve[0][1]
    for (loose, cheap), (tight, dear) in pairwise(curve):
        if loose > wanted >= tight:
            part = math.log(wanted / loose) / math.log(tight / loose)
            return cheap ** (1 - part) * dear**part
    return math.nan


def main(arguments: list[str]) -> bool:
    """All problems, or what is named."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment(folder))
        for name, (make, end) in PROBLEMS.items():
            if arguments and name not in arguments:
                continue
            system = make()
            rows.append(filled(name, system))
            for count in BATCHES:
                found = curves(system, end, count)
                for wanted in ERRORS:
                    one, other = (cost_at(found[method], wanted) for method in METHODS)
                    rows.append(
                        Row(
                            f"{name}, {count} at once, error of {wanted:.0e}",
                            f"{other / 1e3:.3g} ms (bdf)",
                            f"{one / 1e3:.3g} ms (rodas5p)",
                            f"{one / other:.2g} times as quick",
                            "(none)",
                            reached=True,
                        )
                    )
    return show(rows)


if __name__ == "__main__":
    raise SystemExit(not main(sys.argv[1:]))
