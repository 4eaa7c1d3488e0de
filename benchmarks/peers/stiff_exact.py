"""The ends of the stiff test set's samples, in 80-bit numbers, into `stiff_ends.json`.

    stiff_exact.py [problem …]

By collocation at Radau's seven points [HW, IV.5], of order 13: no method that is compared. Each is
run twice, with steps of different lengths, and written if the ends are alike. The 400 states of
`medakzo` are SciPy's Radau's, twice as well.
"""

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import mpmath
import numpy as np
from scipy.integrate import solve_ivp
from scipy.sparse import diags_array
from stiff_problems import PROBLEMS, SAMPLES, StiffProblem, parameters

ENDS = Path(__file__).with_name("stiff_ends.json")
STAGES = 7
REAL = np.longdouble
TOLERANCES = (1e-8, 1e-9)  # of what a polynomial of one degree less would miss: far above the error
ALIKE = 3e-13
ROUNDING = 30 * np.finfo(REAL).eps
OF_ARRAYS = SimpleNamespace(exp=np.exp, sin=np.sin, sqrt=np.sqrt, where=np.where)


def points():
    """Radau's points, integrals up to them, and the highest coefficient of a polynomial there."""
    with mpmath.workdps(60):
        degrees = range(STAGES)
        legendre = [
            [*map(mpmath.mpf, mpmath.taylor(lambda x, n=n: mpmath.legendre(n, 2 * x - 1), 0, n))]
            for n in range(STAGES + 1)
        ]
        # Where Legendre's polynomials of this degree and of one less are the same.
        smaller = [*legendre[STAGES - 1], mpmath.mpf(0)]
        found = mpmath.polyroots(
            [a - b for a, b in zip(legendre[STAGES], smaller, strict=True)][::-1],
            maxsteps=500,
            extraprec=300,
        )
        nodes = sorted(root.real for root in found)
        powers = mpmath.matrix([[node**degree for degree in degrees] for node in nodes])
        inverse = powers**-1
        upto = mpmath.matrix([[c ** (d + 1) / (d + 1) for d in degrees] for c in nodes]) * inverse
        highest = inverse[STAGES - 1, :] / legendre[STAGES - 1][-1]

        def numbers(values, *shape):
            return np.array([REAL(mpmath.nstr(v, 30)) for v in values]).reshape(shape)

        return numbers(nodes, -1), numbers(upto, STAGES, STAGES), numbers(highest, -1)


NODES, UPTO, HIGHEST = points()


def collocated(problem: StiffProblem, tolerance: float, count: int):
    """The ends of the first samples, which take the same steps; arrays are (…, state, sample)."""
    given = np.array(parameters(problem, count), REAL)
    y = np.repeat(np.array(problem.start, REAL)[:, None], count, 1)
    t, end = REAL(0), REAL(problem.end)
    length = end * REAL(1e-12)
    while t < end:
        length = min(length, end - t)
        inside = step(problem, t, y, given, length)
        if inside is None:
            length *= REAL(0.3)
            continue
        slope = slopes(problem, t + NODES[:, None] * length, y + inside, given)
        missed = length * np.abs(np.einsum("s,sij->ij", HIGHEST, slope))
        error = float(np.max(missed / np.maximum(np.abs(y + inside[-1]), REAL(problem.floor))))
        if error <= tolerance:
            t, y = min(end, t + length), y + inside[-1]
        length *= min(max(0.8 * (tolerance / max(error, 1e-30)) ** (1 / STAGES), 0.2), 3.0)
    return y.T


def step(problem, t, y, given, length):
    """What states have changed by at each point of a step; None if that is not found."""
    states, count = y.shape
    inside = np.zeros((STAGES, states, count), REAL)
    times, before = t + NODES[:, None] * length, np.inf
    size = np.maximum(np.abs(y), REAL(problem.floor))
    for _ in range(12):
        with np.errstate(all="ignore"):
            slope = slopes(problem, times, y + inside, given)
            wrong = inside - length * np.einsum("rs,sij->rij", UPTO, slope)
            # What solves need not be exact, since what is solved is.
            of_each = jacobian(problem, times, y + inside, given).astype(float)
        matrix = -float(length) * np.einsum("rs,sijk->krisj", UPTO.astype(float), of_each)
        matrix = matrix.reshape(count, STAGES * states, STAGES * states)
        matrix += np.eye(STAGES * states)
        right = wrong.reshape(STAGES * states, count).T[..., None].astype(float)
        if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
            return None
        change = np.linalg.solve(matrix, right)[..., 0].T.reshape(STAGES, states, count)
        inside -= change
        now = float(np.max(np.abs(change) / size))
        if now < ROUNDING or (before < 1e-16 and now > before / 4):
            return inside
        before = now
    return None


def slopes(problem, t, y, given):
    """Of arrays (…, state, sample)."""
    states = [y[..., i, :] for i in range(y.shape[-2])]
    found = problem.slopes(t, states, given, OF_ARRAYS)
    return np.stack([np.broadcast_to(each, states[0].shape) for each in found], -2)


def jacobian(problem, t, y, given):
    """By a step along the imaginary axis, which has no error: (…, row, column, sample)."""
    tiny, states = 1e-40, y.shape[-2]
    moved = y.astype(complex) + 1j * tiny * np.eye(states)[:, None, :, None]
    found = slopes(problem, t.astype(float), moved, given.astype(float)).imag / tiny
    return np.moveaxis(found, 0, -2)


def by_radau(problem: StiffProblem, tolerance: float, count: int):
    """SciPy's, in double precision, from jump to jump."""
    near = range(-problem.band, problem.band + 1)
    ones = np.ones(len(problem.start))
    pattern = diags_array([ones[abs(k) :] for k in near], offsets=[*near])
    found = []
    for p in parameters(problem, count):
        y = np.array(problem.start)
        for begun, until in zip((0.0, 5.0), (5.0, problem.end), strict=True):
            inside = (begun + until) / 2
            run = solve_ivp(
                lambda _, y, p=p, inside=inside: problem.arrays(inside, y, p, np),
                (begun, until),
                y,
                "Radau",
                rtol=tolerance,
                atol=tolerance * problem.floor,
                jac_sparsity=pattern,
            )
            assert run.success, run.message
            y = run.y[:, -1]
        found.append(y)
    return np.array(found)


def write(name, ends):
    """A trajectory a line; what else is known stays."""
    known = json.loads(ENDS.read_text()) if ENDS.exists() else {}
    known[name] = [[float(f"{value:.17g}") for value in end] for end in ends]
    names, between = [problem.name for problem in PROBLEMS if problem.name in known], ",\n"
    lists = [f'"{name}": [\n{between.join(map(json.dumps, known[name]))}\n]' for name in names]
    ENDS.write_text(f"{{\n{between.join(lists)}\n}}\n")


def main():
    for problem in PROBLEMS:
        if problem.name not in (sys.argv[1:] or [each.name for each in PROBLEMS]):
            continue
        begun = time.perf_counter()
        if problem.arrays is not None:
            rough, fine = (by_radau(problem, tolerance, 3) for tolerance in (1e-11, 1e-12))
        else:
            rough, fine = (collocated(problem, each, SAMPLES) for each in TOLERANCES)
        apart = np.max(np.abs(rough - fine) / np.maximum(np.abs(fine), problem.floor))
        print(f"{problem.name}: {apart:.1e} apart, {time.perf_counter() - begun:.0f} s", flush=True)
        assert apart < (ALIKE if problem.arrays is None else 1e-9)
        write(problem.name, fine)


if __name__ == "__main__":
    main()
