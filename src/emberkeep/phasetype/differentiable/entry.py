"""The way from a graph to what needs JAX, which is an extra."""

from __future__ import annotations

from contextlib import contextmanager

from emberkeep.errors import TargetUnavailable
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.structure import Structure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from emberkeep.phasetype.differentiable.epochs_model import EpochsModel
    from emberkeep.phasetype.differentiable.model import Model


def open_model(graph: Structure, rewards: Any, moments: int) -> Model:
    """See `Graph.model`.

    Raises:
        TargetUnavailable: JAX is not installed.
    """
    with _needing_jax():
        from emberkeep.phasetype.differentiable.model import make_model
    return make_model(graph, rewards, moments)


@contextmanager
def _needing_jax() -> Generator[None]:
    try:
        yield
    except ImportError as problem:
        if (problem.name or "").partition(".")[0] not in ("jax", "jaxlib"):
            raise
        raise TargetUnavailable(
            "Models need JAX, which is not installed: pip install 'emberkeep[xla]'"
        ) from problem


def open_epochs_model(epochs: Any, rewards: Any, moments: int) -> EpochsModel:
    """See `Epochs.model`.

    Raises:
        TargetUnavailable: JAX is not installed.
    """
    with _needing_jax():
        from emberkeep.phasetype.differentiable.epochs_model import make_epochs_model
    return make_epochs_model(epochs, rewards, moments)


def require_graph(graph: object) -> None:
    """Refuse what is no graph.

    Raises:
        InvalidGraph: says what it is.
    """
    if not isinstance(graph, Structure):
        raise InvalidGraph(
            f"A Graph is expected, and a {type(graph).__qualname__} was passed: make one by "
            "Graph.from_callback, from_frontier, from_matrix or builder"
        )


def check_call(graph: Structure, discrete: object, param_length: int | None) -> None:
    """Compare what a caller believes of a graph with what it is.

    Raises:
        InvalidGraph: it is something else.
    """
    require_graph(graph)
    if discrete is not None and discrete != graph.is_discrete:
        kind = "discrete" if graph.is_discrete else "continuous"
        raise InvalidGraph(
            f"discrete={discrete} was given, and {graph.name} is a graph in {kind} time. Make the "
            f"graph with discrete={discrete}"
        )
    if param_length is not None and param_length != graph.theta_length:
        raise InvalidGraph(
            f"param_length={param_length} was given, and the weights of {graph.name} depend on "
            f"{graph.theta_length} parameters"
        )
