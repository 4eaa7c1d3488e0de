"""phasic 0.32.1, and SciPy's sparse LU on the same matrices, one core.

`phasic_cases.py CASE [N]` prints one JSON line. All times are seconds, unless the name ends in
`_ms`. "first" is on a graph that was just built (median of several such graphs), "repeat" the same
call again on the same graph; "min_degree" is the same with `dyn_ordering`, which phasic has off.
"states" counts phasic's starting vertex and the absorbing ones.

    rabbits-expectation [N=200]   N rabbits on the left island (20,302 states); each jumps to the
                                  other at rate 1; all on the left drown at rate 2, all on the right
                                  at rate 4; ends when none is left
    rabbits-pdf [N=100]           5,152 states, at 100 times linspace(0.01, 4.25)
    coalescent-pdf [N=20]         N lineages as counts of blocks of each size (628 states), every
                                  pair merges at rate 1; at 100 times linspace(0.01, 6)
    coalescent-theta [N=20]       the same with the rate theta of a pair: 100 new thetas
    joint [N=8] [LIMIT=2]         N lineages: probabilities of numbers of mutations above each size
                                  of block, at the rate 1/2, up to LIMIT of each size
    islands [N=120]               N lineages, i on the left island and j on the right, all on the
                                  left at first (7,381 states): i(i-1)/2 theta0, j(j-1)/2 theta0;
                                  each moves to the other at rate theta1; ends when i + j = 1;
                                  with what phasic keeps on disk for the next process
    build [N]                     the graphs of all cases, or one of N rabbits

Densities are judged by uniformisation of the same chain here, at the same times: `error` is the
largest absolute difference, `error_of_peak` that over the largest density.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from operator import mul

os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
# Nothing is kept but where `kept` asks for it; if it were, then not below the home directory.
os.environ.setdefault("PHASIC_CACHE_DIR", os.path.join(tempfile.gettempdir(), "phasic-cases"))

import numpy as np
import phasic
from scipy.sparse import csc_array, csr_array, diags_array
from scipy.sparse.linalg import splu
from scipy.stats import poisson

RABBITS_LAST_TIME = 4.25  # survival is 0.001
RABBITS_THETA = (1.0, 2.0, 4.0)
ISLANDS_THETA = (1.0, 0.5)
GRANULARITY = 1024  # what its pdf takes by itself for the rates here: steps of 1/1024
REPEATS = 5
# Its elimination recurses once per state: it overflows an ordinary 8 MiB stack at 5,152 states.
STACK_BYTES = 4 << 30


# The models: state -> [(next state, coefficients)]; a rate is coefficients . theta.


def rabbits(state):
    left, right = int(state[0]), int(state[1])
    moves = []
    if left:
        moves.append(([left - 1, right + 1], [float(left), 0.0, 0.0]))
        moves.append(([0, right], [0.0, 1.0, 0.0]))
    if right:
        moves.append(([left + 1, right - 1], [float(right), 0.0, 0.0]))
        moves.append(([left, 0], [0.0, 0.0, 1.0]))
    return moves


def coalescent(state):
    counts = [int(count) for count in state]
    sizes = [size for size, count in enumerate(counts) if count]
    moves = []
    for one in sizes:
        for other in sizes:
            if other < one or (other == one and counts[one] < 2):
                continue
            merged = list(counts)
            merged[one] -= 1
            merged[other] -= 1
            merged[one + other + 1] += 1
            same = one == other
            pairs = counts[one] * (counts[one] - 1) / 2 if same else counts[one] * counts[other]
            moves.append((merged, [float(pairs)]))
    return moves


def islands(state):
    left, right = int(state[0]), int(state[1])
    moves = []
    if left + right == 1:
        return moves
    if left > 1:
        moves.append(([left - 1, right], [left * (left - 1) / 2, 0.0]))
    if right > 1:
        moves.append(([left, right - 1], [right * (right - 1) / 2, 0.0]))
    if left:
        moves.append(([left - 1, right + 1], [0.0, float(left)]))
    if right:
        moves.append(([left + 1, right - 1], [0.0, float(right)]))
    return moves


def built(model, start, theta=None):
    """A phasic graph and the seconds to build it; with `theta` its rates are fixed numbers."""

    def fixed(state):
        return [(to, sum(map(mul, coefficients, theta))) for to, coefficients in model(state)]

    started = time.perf_counter()
    graph = phasic.Graph(model if theta is None else fixed, ipv=start, graph_cache=False)
    return graph, time.perf_counter() - started


def matrix(model, start, theta):
    """The same chain here: S over transient states, the first of which it starts in."""
    numbers = {tuple(start): 0}
    queue, rows, columns, rates, leaving = [list(start)], [], [], [], []
    while len(leaving) < len(queue):
        here = len(leaving)
        moves = model(queue[here])
        leaving.append(0.0)
        for to, coefficients in moves:
            rate = float(np.dot(coefficients, theta))
            leaving[here] += rate
            number = numbers.setdefault(tuple(to), len(queue))
            if number == len(queue):
                queue.append(to)
            rows.append(here)
            columns.append(number)
            rates.append(rate)
    everything = csr_array((rates, (rows, columns)), shape=(len(queue), len(queue)))
    total = np.array(leaving)
    kept = np.flatnonzero(total > 0)
    return csr_array(everything[kept][:, kept] - diags_array(total[kept]))


def uniformised(s, times):
    """Density and survival at all times, from one walk of the uniformised chain."""
    rate = float(-s.diagonal().min())
    leaves = -np.asarray(s.sum(axis=1)).ravel()
    most = rate * max(times)
    steps = int(most + 10 * most**0.5) + 60
    transposed = csr_array(s.T)
    here = np.zeros(s.shape[0])
    here[0] = 1.0
    density, alive = np.empty(steps), np.empty(steps)
    for k in range(steps):
        density[k], alive[k] = here @ leaves, here.sum()
        here = here + transposed @ here / rate
    ks = np.arange(steps)
    weights = [poisson.pmf(ks, rate * t) for t in times]
    return np.array([w @ density for w in weights]), np.array([w @ alive for w in weights])


def timed(function):
    started = time.perf_counter()
    value = function()
    return value, time.perf_counter() - started


def median_of(function, repeats=REPEATS):
    return statistics.median(timed(function)[1] for _ in range(repeats))


def median_and_best(name, seconds, unit="s"):
    scale = 1e3 if unit == "ms" else 1.0
    return {
        f"{name}_{unit}": scale * statistics.median(seconds),
        f"{name}_best_{unit}": scale * min(seconds),
    }


def sparse_lu(s):
    """SciPy's sparse LU of -S, in its default order and the one for symmetric patterns."""
    negated, ones = csc_array(-s), np.ones(s.shape[0])
    figures = {}
    for order, options in (("COLAMD", {}), ("MMD_AT_PLUS_A", {"SymmetricMode": True})):
        factored = partial(splu, negated, permc_spec=order, options=options)
        factor = factored()
        figures[order.lower()] = {
            "factor_ms": 1e3 * median_of(factored),
            "solve_ms": 1e3 * median_of(partial(factor.solve, ones)),
            "nonzeros": factor.nnz,
            "expectation": float(factor.solve(ones)[0]),
        }
    return figures


def expectations(make, repeats=3):
    """First and repeated expectation, without and with the minimum-degree order."""
    figures = {}
    for name, dynamic in (("", False), ("min_degree_", True)):
        firsts, again, value = [], [], None
        for _ in range(repeats):
            graph = make()
            graph.dyn_ordering = dynamic
            value, first = timed(graph.expectation)
            firsts.append(first)
            again += [timed(graph.expectation)[1] for _ in range(REPEATS)]
        figures |= {
            **median_and_best(f"{name}first", firsts),
            **median_and_best(f"{name}repeat", again),
            f"{name}expectation": value,
        }
    return figures


def new_thetas(graph, thetas):
    """Seconds of each new weights and their expectation, and what they gave."""
    seconds, values = [], []
    for theta in thetas:
        started = time.perf_counter()
        graph.update_weights(theta)
        values.append(graph.expectation())
        seconds.append(time.perf_counter() - started)
    return seconds, values


def densities(model, start, theta, times):
    graphs = [built(model, start, theta)[0] for _ in range(3)]
    s = matrix(model, start, theta)
    exact, alive = uniformised(s, times)
    found = [timed(partial(graph.pdf, times)) for graph in graphs]
    values = np.asarray(found[0][0])
    finer = 10 * GRANULARITY
    fine, fine_s = timed(partial(graphs[-1].pdf, times, granularity=finer))
    error, fine_error = (float(np.abs(np.asarray(v) - exact).max()) for v in (values, fine))
    peak = float(exact.max())
    return {
        "states": graphs[0].vertices_length(),
        "theta": theta,
        "times": [float(times[0]), float(times[-1]), len(times)],
        "survival_at_last": float(alive[-1]),
        **median_and_best("first", [seconds for _, seconds in found]),
        "repeat_s": median_of(lambda: graphs[0].pdf(times)),
        "peak": peak,
        "error": error,
        "error_of_peak": error / peak,
        "largest_relative_error": float(np.abs(values / exact - 1).max()),
        "finer": {"granularity": finer, "first_s": fine_s, "error_of_peak": fine_error / peak},
        "pdf": values.tolist(),
    }


def rabbits_expectation(n=200):
    def fixed():
        return built(rabbits, [n, 0], RABBITS_THETA)[0]

    def parameterised():
        graph = built(rabbits, [n, 0])[0]
        graph.update_weights(RABBITS_THETA)
        return graph

    graph, build_s = built(rabbits, [n, 0], RABBITS_THETA)
    return {
        "states": graph.vertices_length(),
        "theta": RABBITS_THETA,
        "build_s": build_s,
        "fixed_rates": expectations(fixed),
        "theta_rates": expectations(parameterised),
        "splu": sparse_lu(matrix(rabbits, [n, 0], RABBITS_THETA)),
    }


def rabbits_pdf(n=100):
    return densities(rabbits, [n, 0], RABBITS_THETA, np.linspace(0.01, RABBITS_LAST_TIME, 100))


def coalescent_pdf(n=20):
    start = [n] + [0] * (n - 1)
    return densities(coalescent, start, (1.0,), np.linspace(0.01, 6, 100))


def coalescent_theta(n=20):
    start = [n] + [0] * (n - 1)
    graph, build_s = built(coalescent, start)
    graph.update_weights([1.0])
    value, first_s = timed(graph.expectation)
    thetas = [[theta] for theta in np.linspace(0.5, 2.0, 100)]
    each, values = new_thetas(graph, thetas)
    each += new_thetas(graph, thetas)[0]
    hundred_s = median_of(lambda: new_thetas(graph, thetas))
    exact = [2 * (1 - 1 / n) / theta for (theta,) in thetas]
    return {
        "states": graph.vertices_length(),
        "build_s": build_s,
        "first_s": first_s,
        "expectation": value,
        **median_and_best("new_theta", each, "ms"),
        "hundred_thetas_ms": 1e3 * hundred_s,
        "largest_relative_error": max(abs(v / e - 1) for v, e in zip(values, exact, strict=True)),
    }


def joint(n=8, limit=2):
    from phasic.state_indexing import Property, StateIndexer

    indexer = StateIndexer(lineage=[Property("descendants", min_value=1, max_value=n)])
    graph = built(coalescent, [n] + [0] * (n - 1))[0]
    graph.update_weights([1.0])
    started = time.perf_counter()
    enlarged = graph.joint_prob_graph(indexer, reward_limit=limit, mutation_rate=1.0)
    enlarged.update_weights([1.0, 0.5])
    table = enlarged.joint_prob_table()
    taken = time.perf_counter() - started
    # Of the last column before the probability there is nothing: all of the sample has it.
    cells = [[*map(int, row[: n - 1])] for row in table.to_numpy()]
    return {
        "states": enlarged.vertices_length(),
        "table_s": taken,
        "cells": cells,
        "probabilities": table["prob"].tolist(),
    }


def islands_case(n=120):
    def make():
        graph = built(islands, [n, 0])[0]
        graph.update_weights(ISLANDS_THETA)
        return graph

    graph, build_s = built(islands, [n, 0])
    figures = {
        "states": graph.vertices_length(),
        "theta": ISLANDS_THETA,
        "build_s": build_s,
        **expectations(make),
    }
    thetas = [(a, b) for a in (0.7, 1.3, 2.0) for b in (0.25, 0.75, 1.5)]
    for name, dynamic in (("", False), ("min_degree_", True)):
        graph = make()
        graph.dyn_ordering = dynamic
        graph.expectation()
        each, values = new_thetas(graph, thetas)
        figures |= median_and_best(f"{name}new_theta", each, "ms")
        figures[f"{name}new_theta_expectations"] = values
        figures[f"{name}kept"] = kept(n, dynamic=dynamic)
    figures["thetas"] = thetas
    figures["splu"] = sparse_lu(matrix(islands, [n, 0], ISLANDS_THETA))
    return figures


def kept(n, *, dynamic):
    """What it keeps on disk, and the first expectation of processes that write and read it."""
    with tempfile.TemporaryDirectory(prefix="phasic-kept-") as folder:
        settings = {"PHASIC_CACHE_DIR": folder, "PHASIC_REWARD_COMPUTE_CACHE": "1"}
        program = [sys.executable, __file__, "islands-first", str(n), str(int(dynamic))]
        environment = {**os.environ, **settings}
        seconds = []
        for _ in range(4):
            ran = subprocess.run(
                program, capture_output=True, text=True, check=True, env=environment
            )
            seconds.append(json.loads(ran.stdout)["first_s"])
        sizes = [
            os.path.getsize(os.path.join(where, name))
            for where, _, names in os.walk(folder)
            for name in names
        ]
    return {
        "files": len(sizes),
        "bytes": sum(sizes),
        "writing_first_s": seconds[0],
        "loading_first_s": statistics.median(seconds[1:]),
    }


def islands_first(n=120, dynamic=0):
    """First expectation alone: the part of `islands` that runs in processes of its own."""
    graph, build_s = built(islands, [n, 0])
    graph.dyn_ordering = bool(dynamic)
    graph.update_weights(ISLANDS_THETA)
    value, first_s = timed(graph.expectation)
    return {"build_s": build_s, "first_s": first_s, "expectation": value}


def build(n=None):
    if n is not None:
        graph, seconds = built(rabbits, [n, 0], RABBITS_THETA)
        return {"states": graph.vertices_length(), "build_s": seconds}
    graphs = {
        "rabbits_200": (rabbits, [200, 0], RABBITS_THETA),
        "rabbits_100": (rabbits, [100, 0], RABBITS_THETA),
        "coalescent_20": (coalescent, [20] + [0] * 19, (1.0,)),
        "coalescent_20_theta": (coalescent, [20] + [0] * 19),
        "islands_120_theta": (islands, [120, 0]),
    }
    figures = {}
    for name, arguments in graphs.items():
        made = [built(*arguments) for _ in range(3)]
        states = made[0][0].vertices_length()
        figures[name] = {"states": states, "build_s": statistics.median(s for _, s in made)}
    return figures


CASES = {
    "rabbits-expectation": rabbits_expectation,
    "rabbits-pdf": rabbits_pdf,
    "coalescent-pdf": coalescent_pdf,
    "coalescent-theta": coalescent_theta,
    "joint": joint,
    "islands": islands_case,
    "islands-first": islands_first,
    "build": build,
}


def main():
    case, *rest = sys.argv[1:]
    figures = CASES[case](*map(int, rest))
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"case": case, **figures, "peak_memory_mib": peak_kib // 1024}


if __name__ == "__main__":
    threading.stack_size(STACK_BYTES)
    lines = []
    runner = threading.Thread(target=lambda: lines.append(json.dumps(main())))
    runner.start()
    runner.join()
    print(*lines)
    sys.exit(0 if lines else 1)
