"""Other tools on the stiff test set.

    stiff_peers.py {scipy,diffrax,numbalsoda} [problem …]

Prints one JSON line: a list of {problem, method, tolerance, cpu_us, ends}, as
`work_precision_peers.py` does: processors' time of one trajectory, compiled beforehand, and the
ends of the samples; those of trajectories that failed are not numbers. Where a batch takes more
than three seconds, no tighter tolerance is tried.
"""

import contextlib
import json
import math
import os
import sys
import time
import warnings
from types import SimpleNamespace

import numpy as np
from stiff_problems import PROBLEMS, SAMPLES, TOLERANCES, parameters
from work_precision_peers import Text, cost

LONGEST_US = 3e6
OF_NUMBERS = SimpleNamespace(
    exp=math.exp, sin=math.sin, sqrt=math.sqrt, where=lambda test, a, b: a if test else b
)
# What takes minutes for each trajectory is not tried.
HOPELESS = {("scipy", "ring-modulator"), ("diffrax", "ring-modulator")}
MOST_STEPS = {"ring-modulator": 2_000_000}
MOST_ASKED = 200_000  # evaluations of a trajectory, where nothing else bounds them
FEW = {"ring-modulator": 4, "medakzo": 3}  # trajectories of a batch, where each takes long


def scipy(problem):
    """One trajectory after the other; the Jacobian by differences, within its band."""
    from scipy.integrate import solve_ivp
    from scipy.sparse import diags_array

    given = parameters(problem, 4)
    asked = 0

    def slopes(t, y, p):
        nonlocal asked
        asked += 1
        if asked > MOST_ASKED:
            raise StopIteration  # LSODA's steps may become shorter without end
        if problem.arrays is not None:
            return problem.arrays(t, y, p, np)
        return problem.slopes(t, y.tolist(), p, OF_NUMBERS)

    options = {"LSODA": {}, "BDF": {}, "Radau": {}}
    if problem.band is not None:
        near, ones = range(-problem.band, problem.band + 1), np.ones(len(problem.start))
        pattern = diags_array([ones[abs(k) :] for k in near], offsets=[*near])
        options["LSODA"] = {"lband": problem.band, "uband": problem.band}
        options["BDF"] = options["Radau"] = {"jac_sparsity": pattern}
    for method, more in options.items():

        def solve(tolerance, method=method, more=more):
            nonlocal asked
            close = {"rtol": tolerance, "atol": tolerance * problem.floor, **more}
            ends = []
            for p in given:
                asked, end = 0, np.full(len(problem.start), np.nan)
                with contextlib.suppress(StopIteration):
                    run = solve_ivp(
                        slopes, (0.0, problem.end), problem.start, method, args=(p,), **close
                    )
                    end = run.y[:, -1] if run.success else end
                ends.append(end)
            return (ends,)

        yield method, len(given), solve


def diffrax(problem, count=32):
    """Mapped over a batch by `vmap`, on one core, or on a GPU."""
    import jax

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - its own signature
    import diffrax as dfx
    import jax.numpy as jnp

    functions = SimpleNamespace(
        exp=jnp.exp, sin=jnp.sin, sqrt=jnp.sqrt, where=jnp.where, concatenate=jnp.concatenate,
        stack=jnp.stack, arange=jnp.arange, zeros=jnp.zeros,
    )  # fmt: skip
    given = jnp.array(parameters(problem, FEW.get(problem.name, count)))
    states = len(problem.start)

    def slopes(t, y, p):
        if problem.arrays is not None:
            return problem.arrays(t, y, p, functions)
        return jnp.stack(problem.slopes(t, [y[i] for i in range(states)], p, functions))

    @jax.jit
    def batch(tolerance):
        def one(p):
            solution = dfx.diffeqsolve(
                dfx.ODETerm(slopes),
                dfx.Kvaerno5(),
                0.0,
                problem.end,
                None,
                jnp.array(problem.start),
                args=p,
                saveat=dfx.SaveAt(t1=True),
                stepsize_controller=dfx.PIDController(
                    rtol=tolerance, atol=tolerance * problem.floor
                ),
                max_steps=1_000_000,
                throw=False,
            )
            good = solution.result == dfx.RESULTS.successful
            return jnp.where(good, solution.ys[0], jnp.nan)

        return jax.vmap(one)(given)

    def solve(tolerance):
        return (np.asarray(batch(tolerance)),)

    yield "Kvaerno5", len(given), solve


def numbalsoda(problem):
    """On all cores; the Jacobian by differences, dense."""
    from numba import cfunc, njit, prange
    from numbalsoda import lsoda, lsoda_sig

    # numba compiles assignments: the slopes are written out.
    functions = SimpleNamespace(
        exp=lambda x: Text(f"math.exp({x})"),
        sin=lambda x: Text(f"math.sin({x})"),
        sqrt=lambda x: Text(f"math.sqrt({x})"),
        where=lambda test, a, b: Text(f"({a} if {test} else {b})"),
    )
    states = [Text(f"y[{i}]") for i in range(len(problem.start))]
    slopes = problem.slopes(Text("t"), states, Text("p[0]"), functions)
    lines = [f"    dy[{i}] = {slope}" for i, slope in enumerate(slopes)]
    names = {"math": math}
    exec("\n".join(["def slopes(t, y, dy, p):", *lines]), names)
    address = cfunc(lsoda_sig)(names["slopes"]).address
    given = np.array(parameters(problem, FEW.get(problem.name, 128)))
    start, times = np.array(problem.start), np.array([0.0, problem.end])

    most = MOST_STEPS.get(problem.name, 100_000)

    @njit(parallel=True)
    def batch(rtol, atol, given):
        ends = np.empty((len(given), len(start)))
        for i in prange(len(given)):
            path, success = lsoda(
                address,
                start.copy(),
                times,
                given[i : i + 1].copy(),
                rtol=rtol,
                atol=atol,
                mxstep=most,
            )
            ends[i] = path[-1]
            if not success:
                ends[i] = np.nan
        return ends

    def solve(tolerance):
        return (batch(tolerance, tolerance * problem.floor, given),)

    yield "LSODA", len(given), solve


def measured(tool, problem):
    """A row for each method and tolerance, from the loosest on."""
    for method, count, solve in globals()[tool](problem):
        begun = time.perf_counter()
        solve(TOLERANCES[0])  # what has to be compiled is compiled here
        print(f"{tool} {problem.name} {time.perf_counter() - begun:.1f} s", file=sys.stderr)
        for tolerance in TOLERANCES:
            taken, ends = cost(lambda solve=solve, each=tolerance: solve(each), count)
            yield {
                "problem": problem.name,
                "method": method,
                "tolerance": tolerance,
                "cpu_us": taken,
                "ends": np.asarray(ends)[:SAMPLES].tolist(),
            }
            if taken * count > LONGEST_US:
                break


def main():
    tool, *wanted = sys.argv[1:]
    warnings.simplefilter("ignore")
    problems = [
        problem
        for problem in PROBLEMS
        if not wanted or problem.name in wanted
        if (tool, problem.name) not in HOPELESS
    ]
    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # LSODA prints what it does not like
    rows = [row for problem in problems for row in measured(tool, problem)]
    print(json.dumps(rows), file=said)


if __name__ == "__main__":
    main()
