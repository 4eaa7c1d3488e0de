"""Other tools on the problems of the work-precision diagrams.

    work_precision_peers.py {scipy,heyoka,diffrax,numbalsoda} [problem …]

Prints one JSON line: a list of {problem, method, tolerance, cpu_us, ends}: processors' time of one
trajectory, compiled beforehand (the least of several), and the ends of the first trajectories. Each
tool stands in an environment of its own: `pip install` what its function imports.
"""

import json
import math
import sys
import time

import numpy as np
from problems import PROBLEMS, SAMPLES, TOLERANCES, parameters

LEAST_S, MOST = 0.05, 7  # how long a measure takes at least, and of how many it is the least


def cost(solve, count):
    """Microseconds of processors' time of one trajectory, and what was solved last.

    What solves may say itself how long it took, if not all of it counts.
    """
    least, begun, turns = math.inf, time.process_time(), 0
    while turns < 2 or (turns < MOST and time.process_time() - begun < LEAST_S):
        worked = time.process_time()
        ends, *own = solve()
        least = min(least, *own or [time.process_time() - worked])
        turns += 1
    return 1e6 * least / count, ends


def scipy(problem):
    from scipy.integrate import solve_ivp

    given = parameters(problem, 4)

    def slopes(t, y, p):
        return problem.slopes(t, y.tolist(), p, math.sqrt)

    for method in ("DOP853", "LSODA"):
        for tolerance in TOLERANCES:

            def solve(method=method, tolerance=tolerance):
                options = {"rtol": tolerance, "atol": tolerance, "method": method}
                ends = [
                    solve_ivp(slopes, (0, problem.end), problem.start, args=(p,), **options).y[
                        :, -1
                    ]
                    for p in given
                ]
                return (ends,)

            yield (method, tolerance, *cost(solve, len(given)))


def heyoka(problem):
    import heyoka as hy

    # Wide batches share what a call costs; those of large systems leave the nearest memory.
    width = SAMPLES if len(problem.start) < 4 else hy.recommended_simd_size()
    given = np.array(parameters(problem, SAMPLES)).reshape(-1, width)
    names = [f"y{i}" for i in range(len(problem.start))]
    states = hy.make_vars(*names)
    slopes = problem.slopes(None, states, hy.par[0], hy.sqrt)
    start = np.repeat(np.array(problem.start)[:, None], width, 1)
    for tolerance in TOLERANCES:
        compiled = hy.taylor_adaptive_batch(
            [*zip(states, slopes, strict=True)], start, pars=given[:1].copy(), tol=tolerance
        )

        def solve(compiled=compiled):
            ends, took = [], 0.0
            for row in given:
                compiled.set_time(0.0)
                compiled.state[:], compiled.pars[:] = start, row
                # What stands around it is Python of ours, and does not count.
                begun = time.thread_time()
                compiled.propagate_until(problem.end)
                took += time.thread_time() - begun
                ends.append(compiled.state.T.copy())
            return np.concatenate(ends), took

        yield (f"Taylor, {width} lanes", tolerance, *cost(solve, given.size))


def diffrax(problem):
    import jax

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - its own signature
    import diffrax as dfx
    import jax.numpy as jnp

    given = jnp.array(parameters(problem, 128))

    def slopes(t, y, p):
        return jnp.stack(problem.slopes(t, [y[i] for i in range(len(problem.start))], p, jnp.sqrt))

    for name, method in (("Tsit5", dfx.Tsit5()), ("Dopri8", dfx.Dopri8())):

        @jax.jit
        def batch(tolerance, method=method):
            def one(p):
                return dfx.diffeqsolve(
                    dfx.ODETerm(slopes),
                    method,
                    0.0,
                    problem.end,
                    None,
                    jnp.array(problem.start),
                    args=p,
                    saveat=dfx.SaveAt(t1=True),
                    stepsize_controller=dfx.PIDController(rtol=tolerance, atol=tolerance),
                    max_steps=100_000,
                ).ys[0]

            return jax.vmap(one)(given)

        batch(1e-3).block_until_ready()
        for tolerance in TOLERANCES:

            def solve(batch=batch, tolerance=tolerance):
                return (np.asarray(batch(tolerance)),)

            yield (name, tolerance, *cost(solve, len(given)))


class Text(str):
    """An expression as it is written."""

    __slots__ = ()

    def __neg__(self):
        return Text(f"(-{self})")

    def __le__(self, other):
        return Text(f"({self} <= {other})")


for _name, _sign in {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}.items():
    setattr(Text, f"__{_name}__", lambda a, b, _s=_sign: Text(f"({a} {_s} {b})"))
    setattr(Text, f"__r{_name}__", lambda a, b, _s=_sign: Text(f"({b} {_s} {a})"))


def numbalsoda(problem):
    from numba import cfunc, njit
    from numbalsoda import dop853, lsoda_sig

    # numba compiles assignments: the slopes are written out.
    states = [Text(f"y[{i}]") for i in range(len(problem.start))]
    slopes = problem.slopes(None, states, Text("p[0]"), lambda x: Text(f"math.sqrt({x})"))
    lines = [f"    dy[{i}] = {slope}" for i, slope in enumerate(slopes)]
    names = {"math": math}
    exec("\n".join(["def slopes(t, y, dy, p):", *lines]), names)
    address = cfunc(lsoda_sig)(names["slopes"]).address
    given, start = np.array(parameters(problem, SAMPLES)), np.array(problem.start)
    times = np.array([0.0, problem.end])

    @njit
    def batch(tolerance):
        ends = np.empty((len(given), len(start)))
        for i in range(len(given)):
            path, _ = dop853(
                address,
                start.copy(),
                times,
                given[i : i + 1].copy(),
                rtol=tolerance,
                atol=tolerance,
                mxstep=100_000,
            )
            ends[i] = path[-1]
        return ends

    batch(1e-3)
    for tolerance in TOLERANCES:

        def solve(tolerance=tolerance):
            return (batch(tolerance),)

        yield ("DOP853", tolerance, *cost(solve, len(given)))


def main():
    tool, *wanted = sys.argv[1:]
    rows = [
        {
            "problem": problem.name,
            "method": method,
            "tolerance": tolerance,
            "cpu_us": taken,
            "ends": np.asarray(ends)[:SAMPLES].tolist(),
        }
        for problem in PROBLEMS
        if not wanted or problem.name in wanted
        for method, tolerance, taken, ends in globals()[tool](problem)
    ]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
