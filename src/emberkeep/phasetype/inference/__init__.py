"""What parameters can be, given what was observed: particles, chains, moments.

Needs JAX: ``pip install 'emberkeep[inference]'``.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.phasetype.inference.diagnostics import Diagnostics
    from emberkeep.phasetype.inference.history import History
    from emberkeep.phasetype.inference.moment_matching import Estimate, method_of_moments
    from emberkeep.phasetype.inference.nuts import mcmc
    from emberkeep.phasetype.inference.posterior import Posterior, Summary
    from emberkeep.phasetype.inference.priors import (
        Beta,
        Exponential,
        Gamma,
        HalfNormal,
        LogNormal,
        Normal,
        Uniform,
    )
    from emberkeep.phasetype.inference.stein_variational.descent import SVGD, svgd
    from emberkeep.phasetype.inference.transforms import Bounded, Positive, Softplus, Unbounded

__all__ = [
    "SVGD",
    "Beta",
    "Bounded",
    "Diagnostics",
    "Estimate",
    "Exponential",
    "Gamma",
    "HalfNormal",
    "History",
    "LogNormal",
    "Normal",
    "Positive",
    "Posterior",
    "Softplus",
    "Summary",
    "Unbounded",
    "Uniform",
    "mcmc",
    "method_of_moments",
    "svgd",
]

_HOMES = {
    "SVGD": "stein_variational.descent",
    "Beta": "priors",
    "Bounded": "transforms",
    "Diagnostics": "diagnostics",
    "Estimate": "moment_matching",
    "Exponential": "priors",
    "Gamma": "priors",
    "HalfNormal": "priors",
    "History": "history",
    "LogNormal": "priors",
    "Normal": "priors",
    "Positive": "transforms",
    "Posterior": "posterior",
    "Softplus": "transforms",
    "Summary": "posterior",
    "Unbounded": "transforms",
    "Uniform": "priors",
    "mcmc": "nuts",
    "method_of_moments": "moment_matching",
    "svgd": "stein_variational.descent",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'emberkeep.phasetype.inference' has no attribute {name!r}")
    home = __import__(f"emberkeep.phasetype.inference.{_HOMES[name]}", fromlist=(name,))
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
