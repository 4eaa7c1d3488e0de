"""What data leave open, in words, for results and as a warning."""

from __future__ import annotations

import warnings

from emberkeep.keep.reports import depth_of_caller
from emberkeep.phasetype.errors import InferenceWarning
from emberkeep.phasetype.inference.labellings import one_sided

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import numpy as np

    from emberkeep.phasetype.inference.information import Information
    from emberkeep.phasetype.inference.setup import Posed

    Values = np.ndarray[Any, Any]


def unclear(posed: Posed, information: Information, points: Values, batch: int) -> tuple[str, ...]:
    """What the data do not determine.

    Args:
        posed: the problem.
        information: at its mode.
        points: samples, in unconstrained coordinates, by restart or chain.
        batch: of points whose densities are asked for at once.
    """
    flat = points.reshape(-1, posed.problem.size)
    open_ones = [
        f"the data do not determine {information.told(index, posed.names)}: the likelihood is flat "
        f"there, and the samples say what the prior says. Fix a parameter, give a prior that you "
        "mean, or observe something else"
        for index in information.undetermined
    ]
    exchanged = [
        f"{posed.names[first]} and {posed.names[second]} can be exchanged: the data do not say "
        "which is which. The samples are of one order, and there is another as likely. Give them "
        "bounds or priors that tell them apart"
        for first, second in one_sided(posed.problem, flat, batch)
    ]
    return (*open_ones, *exchanged)


def warn_of(unclear: Sequence[str]) -> None:
    """One warning, of all of it."""
    if unclear:
        text = "; ".join(unclear)
        warnings.warn(f"Of this posterior: {text}.", InferenceWarning, stacklevel=depth_of_caller())
