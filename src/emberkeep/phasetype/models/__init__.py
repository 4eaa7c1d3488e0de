"""Models from the literature, each a function that returns a graph.

Rates are parameters unless they are given: `kingman(10)` depends on one, `kingman(10, theta=1.0)`
on none. Where a model has several, those that are left out are the parameters, in the order in
which they are documented.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.phasetype.models.coalescent import islands, kingman, lineages, two_locus
    from emberkeep.phasetype.models.flooding import rabbits
    from emberkeep.phasetype.models.populations import (
        demes,
        demography,
        mass_migration,
        size_history,
    )
    from emberkeep.phasetype.models.queues import birth_death, mm1k_busy_period
    from emberkeep.phasetype.models.simple import coxian, erlang, hyperexponential, hypoexponential
    from emberkeep.phasetype.models.spectra import (
        linkage_disequilibrium,
        site_frequency_spectrum,
        two_locus_statistics,
    )

__all__ = [
    "birth_death",
    "coxian",
    "demes",
    "demography",
    "erlang",
    "hyperexponential",
    "hypoexponential",
    "islands",
    "kingman",
    "lineages",
    "linkage_disequilibrium",
    "mass_migration",
    "mm1k_busy_period",
    "rabbits",
    "site_frequency_spectrum",
    "size_history",
    "two_locus",
    "two_locus_statistics",
]

_HOMES = {
    "birth_death": "queues",
    "coxian": "simple",
    "demes": "populations",
    "demography": "populations",
    "erlang": "simple",
    "hyperexponential": "simple",
    "hypoexponential": "simple",
    "islands": "coalescent",
    "kingman": "coalescent",
    "lineages": "coalescent",
    "linkage_disequilibrium": "spectra",
    "mass_migration": "populations",
    "mm1k_busy_period": "queues",
    "rabbits": "flooding",
    "site_frequency_spectrum": "spectra",
    "size_history": "populations",
    "two_locus": "coalescent",
    "two_locus_statistics": "spectra",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'emberkeep.phasetype.models' has no attribute {name!r}")
    home = __import__(f"emberkeep.phasetype.models.{_HOMES[name]}", fromlist=(name,))
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
