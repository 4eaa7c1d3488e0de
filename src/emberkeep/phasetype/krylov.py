"""Times so long, or rates so fast, that there would be too many steps: rational Krylov spaces.

The solutions of (1 - gS)x = b are rich in what is slow, whatever is fast: a few dozen of them give
the exponential of t S to many digits where uniformisation would take λt steps. The shifted matrix
is the chain that also ends at rate 1/g, so that elimination solves with it as it does without. The
error is not proven but estimated: by what the last vectors of the space still change.
"""

from __future__ import annotations

import warnings

import numpy as np

from emberkeep.errors import EmberkeepWarning
from emberkeep.phasetype.solving import Elimination

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.graph import Graph

    Values = np.ndarray[Any, Any]

MOST_VECTORS, FIRST_LOOK, APART = 150, 12, 4
PRECISE = 1e-12  # of the largest value
SPREAD = 10.0  # how much times may differ that share a space
WORTH_A_WARNING = 1e-10


def observations(graph: Graph, theta: Values, watched: Values, times: Values) -> Values:
    """By kind and time, what is observed of the chain, for one parameter vector.

    Args:
        graph: the chain.
        theta: a parameter vector.
        watched: what is observed, by kind and vertex.
        times: positive.
    """
    found = np.empty((len(watched), len(times)))
    system = Elimination(graph, 1, np.ones(graph.rows.program.rows))
    rows = watched[:, system.vertices]
    order = np.argsort(times)
    begin = 0
    while begin < len(times):
        several = order[begin:]
        several = several[times[several] <= SPREAD * times[order[begin]]]
        found[:, several] = _in_space(system, theta, rows, times[several])
        begin += len(several)
    return found


def _in_space(system: Elimination, theta: Values, rows: Values, times: Values) -> Values:
    """Values at times that are not far apart."""
    gamma = float(np.sqrt(times.min()) * np.sqrt(times.max())) / 10
    system.update(theta[None], np.array([1 / gamma]))
    initial = system.graph.rows.initial
    norm = float(np.linalg.norm(initial))
    size = len(initial)
    most = min(MOST_VECTORS, size)
    basis = np.empty((most + 1, size))
    hessenberg = np.zeros((most + 1, most))
    basis[0] = initial / norm
    last: Values | None = None
    error, found = np.inf, np.zeros((len(rows), len(times)))
    for j in range(most):
        vector = system.solve(basis[j][None, :, None], transposed=True).reshape(-1) / gamma
        for _ in range(2):  # twice is enough
            parts = basis[: j + 1] @ vector
            hessenberg[: j + 1, j] += parts
            vector -= parts @ basis[: j + 1]
        hessenberg[j + 1, j] = np.linalg.norm(vector)
        is_last = j + 1 == most or hessenberg[j + 1, j] < 1e-14  # noqa: PLR2004
        if not is_last:
            basis[j + 1] = vector / hessenberg[j + 1, j]
        if is_last or (j + 1 >= FIRST_LOOK and (j + 1) % APART == 0):
            found = (
                norm
                * _exponentials(hessenberg[: j + 1, : j + 1], times, gamma)
                @ (basis[: j + 1] @ rows.T)
            )
            if last is not None:
                error = float((abs(found - last) / abs(found).max(axis=0, initial=1e-300)).max())
            last = found
            if is_last or error <= PRECISE:
                break
    if error > WORTH_A_WARNING and most < size:
        warnings.warn(
            f"Densities of {system.graph.name} at times from {times.min():.3g} to "
            f"{times.max():.3g} are known to {error:.1e} of the largest only: rates and times are "
            "too far apart for anything better",
            EmberkeepWarning,
            stacklevel=2,
        )
    return found.T


def _exponentials(hessenberg: Values, times: Values, gamma: float) -> Values:
    """By time, the first row of exp(t S) within the space, where (1 - gS)⁻¹ is `hessenberg`.

    By its own eigenvalues: those of what is slow are near one, and known to rounding. Of its
    inverse they would be the small ones, and lost.
    """
    algebra: Any = np.linalg
    values, vectors = algebra.eig(hessenberg)
    first = algebra.solve(vectors, np.eye(len(values))[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        rates: Any = (1 - 1 / values.astype(complex)) / gamma
    # What has no rate has gone at once; what grows does so by rounding.
    rates = np.where(np.isfinite(rates), rates, -np.inf)
    decay = np.exp(np.minimum(rates.real, 0.0) * times[:, None])
    turn = np.where(
        decay > 0, np.exp(1j * np.where(decay > 0, rates.imag, 0.0) * times[:, None]), 0
    )
    return ((decay * turn * first) @ vectors.T).real
