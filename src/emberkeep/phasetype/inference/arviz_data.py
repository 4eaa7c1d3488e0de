"""Posteriors as ArviZ knows them."""

from __future__ import annotations

from emberkeep.phasetype.inference.requirements import require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.inference.samples import Samples


def to_inference_data(posterior: Samples) -> Any:
    """Groups posterior (a variable for each parameter), sample_stats (lp) and observed_data.

    Restarts of particles are its chains.
    """
    arviz = require("arviz")
    return arviz.from_dict(
        posterior={name: posterior.chains[:, :, i] for i, name in enumerate(posterior.names)},
        sample_stats={"lp": posterior.heights},
        observed_data={"observations": posterior.posed.observations.given},
        attrs={
            "inference_library": "emberkeep",
            "method": posterior.method,
            "model": str(posterior.posed.problem.model.name),
            "sampling_time": posterior.seconds,
        },
    )
