"""Coalescents in populations that change, by PhaseGen and msprime; prints one JSON line.

    python population_cases.py phasegen-density N
    python population_cases.py phasegen-admixture
    python population_cases.py msprime-admixture REPLICATES

`density`: one population whose size is 1, from 0.2 on 0.1, from 0.5 on 2; the density of the height
of the tree at 100 times. `admixture`: two demes, whose sizes and migration change, with a pulse of
migration and a split.
"""

import json
import math
import sys
import time

TIMES = [0.01 + 5.99 * i / 99 for i in range(100)]
SIZES = {0: 1.0, 0.2: 0.1, 0.5: 2.0}


def phasegen_density(n: int) -> dict[str, object]:
    """The best of several calls, each of a new object; and of several of one."""
    import numpy as np
    import phasegen

    def made() -> object:
        demography = phasegen.Demography(pop_sizes=SIZES)
        return phasegen.Coalescent(n=n, demography=demography).tree_height

    height = made()
    density = height.pdf(np.array(TIMES))
    new, again = [], []
    for _ in range(5):
        begun = time.perf_counter()
        made().pdf(np.array(TIMES))
        new.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        height.pdf(np.array(TIMES))
        again.append(time.perf_counter() - begun)
    return {
        "new_s": min(new),
        "again_s": min(again),
        "density": density.tolist(),
        "mean": float(height.mean),
        "variance": float(height.var),
    }


def phasegen_admixture() -> dict[str, object]:
    """Means and variances; pulses are windows of fast migration there, as short as may be."""
    import phasegen

    demography = phasegen.Demography(
        pop_sizes={"a": {0: 1.0, 1.0: 2.0}, "b": {0: 0.5, 1.0: 0.1}},
        migration_rates={("a", "b"): {0: 0.1, 0.4: 0.0}, ("b", "a"): {0: 0.3, 0.4: 1.0}},
        events=[
            phasegen.Pulse(time=0.5, source="a", dest="b", proportion=0.3, multiplier=1e7),
            phasegen.PopulationSplit(time=2.0, derived="b", ancestral="a", multiplier=1e6),
        ],
    )
    coalescent = phasegen.Coalescent(n={"a": 3, "b": 2}, demography=demography)
    height, length = coalescent.tree_height, coalescent.total_branch_length
    return {
        "height": [float(height.mean), float(height.var)],
        "length": [float(length.mean), float(length.var)],
        "density": height.pdf([0.2, 0.7, 1.5, 3.0]).tolist(),
    }


def msprime_admixture(replicates: int) -> dict[str, object]:
    """Means, variances and the means' standard errors, of simulated trees."""
    import msprime

    demography = msprime.Demography()
    demography.add_population(name="a", initial_size=1.0)
    demography.add_population(name="b", initial_size=0.5)
    demography.set_migration_rate(source="a", dest="b", rate=0.1)
    demography.set_migration_rate(source="b", dest="a", rate=0.3)
    demography.add_migration_rate_change(time=0.4, source="a", dest="b", rate=0.0)
    demography.add_migration_rate_change(time=0.4, source="b", dest="a", rate=1.0)
    demography.add_mass_migration(time=0.5, source="a", dest="b", proportion=0.3)
    demography.add_population_parameters_change(time=1.0, population="a", initial_size=2.0)
    demography.add_population_parameters_change(time=1.0, population="b", initial_size=0.1)
    demography.add_mass_migration(time=2.0, source="b", dest="a", proportion=1.0)
    demography.add_migration_rate_change(time=2.0, source="b", dest="a", rate=0.0)
    demography.sort_events()
    heights, lengths = [], []
    for trees in msprime.sim_ancestry(
        samples={"a": 3, "b": 2},
        demography=demography,
        ploidy=1,
        num_replicates=replicates,
        random_seed=1,
    ):
        tree = trees.first()
        heights.append(tree.time(tree.root))
        lengths.append(tree.total_branch_length)
    found = {}
    for name, values in (("height", heights), ("length", lengths)):
        mean = math.fsum(values) / len(values)
        variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
        found[name] = [mean, variance, math.sqrt(variance / len(values))]
    return found


if __name__ == "__main__":
    case, *numbers = sys.argv[1:]
    run = {
        "phasegen-density": phasegen_density,
        "phasegen-admixture": phasegen_admixture,
        "msprime-admixture": msprime_admixture,
    }[case]
    print(json.dumps(run(*map(int, numbers))))
