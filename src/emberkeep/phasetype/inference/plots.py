"""Posteriors as figures. Nothing is shown or saved here: that is what a figure's methods do."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.inference.requirements import require
from emberkeep.xla.precision import in_double

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.inference.samples import Samples

    Values = np.ndarray[Any, Any]

GRID = 200
BAND = (0.025, 0.5, 0.975)
SIDE_INCHES = 2.2


def _figure(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    """A figure that belongs to nobody: pyplot neither keeps it open nor shows it."""
    figure = require("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def plot_trace(posterior: Samples) -> Any:
    """Of particles, mean and standard deviation by step; of chains, draws."""
    figure, axes = _figure(len(posterior.names), 1, 7.0, 1.8 * len(posterior.names) + 0.5)
    for index, name in enumerate(posterior.names):
        axis = axes[index, 0]
        axis.set_ylabel(name)
        if posterior.histories:
            for history in posterior.histories:
                mean, std = history.mean[:, index], history.std[:, index]
                (line,) = axis.plot(mean)
                steps = np.arange(len(history))
                axis.fill_between(
                    steps, mean - std, mean + std, color=line.get_color(), alpha=0.2, linewidth=0
                )
        else:
            axis.plot(posterior.chains[:, :, index].T, linewidth=0.5)
    axes[-1, 0].set_xlabel("step" if posterior.histories else "draw")
    return figure


def plot_pairs(posterior: Samples) -> Any:
    """Histograms on the diagonal, samples below it."""
    size = len(posterior.names)
    figure, axes = _figure(size, size, SIDE_INCHES * size + 0.5, SIDE_INCHES * size + 0.5)
    for row in range(size):
        for column in range(size):
            axis = axes[row, column]
            if column > row:
                axis.set_axis_off()
                continue
            if column == row:
                axis.hist(posterior.samples[:, row], bins="auto", density=True)
            else:
                axis.plot(posterior.samples[:, column], posterior.samples[:, row], ".", alpha=0.4)
            if row == size - 1:
                axis.set_xlabel(posterior.names[column])
            if column == 0:
                axis.set_ylabel(posterior.names[row])
    return figure


def plot_predictive(posterior: Samples, draws: int) -> Any:
    """What was observed as a histogram; the median density of samples, and a band of 95%."""
    posed = posterior.posed
    given = posed.observations.given
    columns = [given] if given.ndim == 1 else list(given.T)
    is_discrete = bool(posed.problem.model.is_discrete)
    seen = [column[np.isfinite(column)] for column in columns]
    grids = [_grid(column, is_discrete=is_discrete) for column in seen]
    densities = _densities(posterior, draws, grids)
    figure, axes = _figure(1, len(columns), 5.0 * len(columns), 3.5)
    for kind, (column, grid) in enumerate(zip(seen, grids, strict=True)):
        axis = axes[0, kind]
        low, middle, high = np.quantile(densities[kind], BAND, axis=0)
        bins: Any = np.append(grid, grid[-1] + 1) - 0.5 if is_discrete else "auto"
        if column.size:
            axis.hist(column, bins=bins, density=True, alpha=0.4, label="observed")
        (line,) = axis.plot(grid, middle, label="posterior")
        axis.fill_between(grid, low, high, color=line.get_color(), alpha=0.3, linewidth=0)
        axis.set_xlabel("value" if len(columns) == 1 else f"kind {kind}")
    axes[0, 0].set_ylabel("probability" if is_discrete else "density")
    axes[0, 0].legend()
    return figure


def _grid(seen: Values, *, is_discrete: bool) -> Values:
    largest = float(seen.max()) if seen.size else 1.0
    if is_discrete:
        return np.arange(int(np.ceil(largest)) + 1, dtype=float)
    return np.linspace(0, largest * 1.05, GRID)


@in_double
def _densities(posterior: Samples, draws: int, grids: list[Values]) -> list[Values]:
    """By kind: a row for each of some samples."""
    jax = require("jax")
    model = posterior.posed.problem.model
    chosen = np.linspace(0, len(posterior.samples) - 1, min(draws, len(posterior.samples)))
    thetas = posterior.samples[chosen.astype(int)]
    length = max(map(len, grids))
    times = np.stack([np.pad(grid, (0, length - len(grid)), "edge") for grid in grids], axis=1)
    if model.kinds is None:
        times = times[:, 0]
    densities = jax.jit(jax.vmap(model.density, (0, None)))(thetas, times)
    by_kind: Values = np.moveaxis(np.asarray(densities).reshape(len(thetas), length, -1), 2, 0)
    return [np.asarray(by_kind[kind])[:, : len(grid)] for kind, grid in enumerate(grids)]
