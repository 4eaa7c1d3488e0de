"""Kinds of rewards that one chain earned, multiplied as if they were independent.

What is seen of two kinds then counts twice where both say the same, and intervals are too narrow:
85% where 95% is said. How scores of a row vary together tells how much (Godambe's information,
H J⁻¹ H). The likelihood is stretched around where it is highest until its curvature there is that
(Ribatet, Cooley and Davison 2012), so that all that samples from it is right to first order.
"""

from __future__ import annotations

import warnings

import numpy as np

from emberkeep.keep.reports import depth_of_caller
from emberkeep.phasetype.errors import InferenceWarning
from emberkeep.phasetype.inference.density import Stretch, row_logs
from emberkeep.phasetype.inference.information import measure
from emberkeep.phasetype.inference.modes import STEP, find_mode
from emberkeep.phasetype.inference.programs import program
from emberkeep.startup_records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.inference.density import Problem

    Values = np.ndarray[Any, Any]

ENOUGH_ROWS = 10  # by parameter
MOST = 1e4  # of variances of scores over those of independent kinds
DETERMINED = 1e-6  # of the largest curvature


def corrected(problem: Problem, start: Values, batch: int) -> Problem:
    """The problem with its likelihood as wide as scores say; it warns of that, once."""
    rows = int(np.sum((problem.weights > 0).sum(axis=1) > 1))
    if rows == 0:
        return problem
    mode = find_mode(problem, start, batch)
    known = measure(problem, mode, batch)
    scores = _scores(problem, known.likeliest)
    together = scores.sum(axis=1)
    crossed = together.T @ together - np.einsum("rki,rkj->ij", scores, scores)
    matrix = _stretch(known.curvature, crossed)
    stretch = Stretch(known.likeliest, matrix)
    _warn(matrix, rows)
    return replace(problem, {"stretch": stretch})


def _scores(problem: Problem, point: Values) -> Values:
    """Gradients of log densities, by row and kind."""
    shifts = STEP * np.eye(len(point))
    places = np.concatenate([point + shifts, point - shifts])
    logs = np.asarray(program("rows", (), lambda: row_logs)(problem, places))
    ahead, behind = np.split(logs, 2)
    return np.moveaxis(ahead - behind, 0, -1) / (2 * STEP)


def _stretch(curvature: Values, crossed: Values) -> Values:
    """How a point moves towards the middle: C with C' H C = H J⁻¹ H.

    Of J, kinds by themselves have the curvature that they should; only what is between kinds is
    taken from how scores vary. That is an estimate, so it is believed only where it widens. Where
    the data determine nothing, nothing is stretched.
    """
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    known = values > DETERMINED * np.abs(values).max()
    roots, vectors = np.sqrt(values[known]), vectors[:, known]
    whitened = vectors / roots
    variances, axes = np.linalg.eigh(np.eye(len(roots)) + whitened.T @ crossed @ whitened)
    variances = np.clip(variances, 1.0, MOST)
    inner = (axes / np.sqrt(variances)) @ axes.T
    outer = np.eye(len(curvature)) - vectors @ vectors.T
    return whitened @ inner @ (vectors * roots).T + outer


def _warn(matrix: Values, rows: int) -> None:
    factors = 1 / np.linalg.svd(matrix)[1]
    few = "" if rows >= ENOUGH_ROWS * len(matrix) else f", by {rows} rows alone"
    warnings.warn(
        "Kinds of rewards of one row are multiplied as if they were independent, and they were "
        f"earned by one chain. Spreads are corrected for that{few}: by a factor of "
        f"{factors.min():.2f} to {factors.max():.2f}, as scores vary. The joint density is not "
        "known; say independent=True where kinds do not depend on each other",
        InferenceWarning,
        stacklevel=depth_of_caller(),
    )
