"""Samples of a posterior: what is known of them, below all that is said about them."""

from __future__ import annotations

from abc import ABC

import numpy as np

from emberkeep.startup_records import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.inference.history import History
    from emberkeep.phasetype.inference.information import Information
    from emberkeep.phasetype.inference.modes import Frame
    from emberkeep.phasetype.inference.setup import Posed

    Values = np.ndarray[Any, Any]


@frozen
class Samples(ABC):
    """What a `Posterior` has, which says what that is; and numbers from it."""

    method: str
    chains: Values
    points: Values
    heights: Values
    slopes: Values
    frames: tuple[Frame, ...]
    histories: tuple[History, ...]
    iterations: tuple[int, ...]
    settled: bool
    divergences: int
    posed: Posed
    information: Information
    unclear: tuple[str, ...]
    seconds: float

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters."""
        return self.posed.names

    @property
    def samples(self) -> Values:
        """All samples: a row each, a column for each parameter."""
        return self.chains.reshape(-1, self.chains.shape[-1])

    @property
    def mean(self) -> Values:
        """Of each parameter."""
        return self.samples.mean(axis=0)

    @property
    def std(self) -> Values:
        """The standard deviation of each parameter."""
        return self.samples.std(axis=0)

    @property
    def cov(self) -> Values:
        """The covariances of parameters."""
        return np.cov(self.samples, rowvar=False, bias=True).reshape(self.mean.size, -1)

    def quantile(self, p: Any) -> Values:
        """Quantiles of each parameter, along the last axis."""
        return np.moveaxis(np.quantile(self.samples, p, axis=0), -1, 0)
