"""Phase-type distributions: how long a Markov chain takes to end, or what it gathers until then."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.phasetype import combinations, forms, inference, models, parameters
    from emberkeep.phasetype.epochs import Epochs
    from emberkeep.phasetype.graph import Graph, GraphBuilder
    from emberkeep.phasetype.inference import SVGD, mcmc, method_of_moments, svgd
    from emberkeep.phasetype.joint import JointTable
    from emberkeep.phasetype.paths import Path
    from emberkeep.phasetype.state_indexer import StateIndexer
    from emberkeep.phasetype.trace import Trace
    from emberkeep.phasetype.trace_cache import (
        clear_trace_cache,
        list_cached_traces,
        trace_cache_stats,
    )
    from emberkeep.phasetype.trace_cache import trace_cache_stats as get_trace_cache_stats

__all__ = [
    "SVGD",
    "Epochs",
    "Graph",
    "GraphBuilder",
    "JointTable",
    "Path",
    "StateIndexer",
    "Trace",
    "clear_trace_cache",
    "combinations",
    "forms",
    "get_trace_cache_stats",
    "inference",
    "list_cached_traces",
    "mcmc",
    "method_of_moments",
    "models",
    "parameters",
    "svgd",
    "trace_cache_stats",
]

_HOMES = {
    "SVGD": ("inference.stein_variational.descent", "SVGD"),
    "Epochs": ("epochs", "Epochs"),
    "Graph": ("graph", "Graph"),
    "GraphBuilder": ("graph", "GraphBuilder"),
    "JointTable": ("joint", "JointTable"),
    "Path": ("paths", "Path"),
    "StateIndexer": ("state_indexer", "StateIndexer"),
    "Trace": ("trace", "Trace"),
    "clear_trace_cache": ("trace_cache", "clear_trace_cache"),
    "get_trace_cache_stats": ("trace_cache", "trace_cache_stats"),
    "list_cached_traces": ("trace_cache", "list_cached_traces"),
    "mcmc": ("inference.nuts", "mcmc"),
    "method_of_moments": ("inference.moment_matching", "method_of_moments"),
    "svgd": ("inference.stein_variational.descent", "svgd"),
    "trace_cache_stats": ("trace_cache", "trace_cache_stats"),
}
_PACKAGES = ("combinations", "forms", "inference", "models", "parameters")


def __getattr__(name: str) -> object:
    if name in _PACKAGES:
        return __import__(f"emberkeep.phasetype.{name}", fromlist=(name,))
    if name not in _HOMES:
        raise AttributeError(f"module 'emberkeep.phasetype' has no attribute {name!r}")
    home, attribute = _HOMES[name]
    module = __import__(f"emberkeep.phasetype.{home}", fromlist=(attribute,))
    value = getattr(module, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
