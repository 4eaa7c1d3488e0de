"""What a sample's mutations look like: site frequency spectra, and what two loci have in common."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.models.coalescent import two_locus
from emberkeep.phasetype.states import TUPLE
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.graph import Graph
    from emberkeep.phasetype.joint import JointTable

    Values = np.ndarray[Any, Any]

LOCI = 3  # numbers that a state of two loci has: both, left, right


def site_frequency_spectrum(
    graph: Graph, theta: Any = None, *, mutation_rate: float = 1.0, folded: bool = False
) -> JointTable:
    """How many sites there are at which 1, 2, … of a sample have a mutation.

    Its `expectation`, `covariance`, probabilities, marginals and conditionals are those of the
    numbers of sites, kind i - 1 for those at which i of the sample have the mutation.

    Args:
        graph: a coalescent as a block counting process, such as `kingman(n)`: states are tuples
            with, at place i - 1, the number of lineages that have i descendants in the sample.
        theta: its parameters.
        mutation_rate: of a lineage. In the common scaling of `kingman`, it is theta/2.
        folded: whether i and n - i are not told apart, as where the ancestral state is not known.

    Source: Fu (1995), Statistical properties of segregating sites, Theoretical Population
    Biology 48; Hobolth, Siri-Jégousse and Bladt (2019), as of `kingman`.
    """
    rows: Values = graph.states.rows
    leaving: Values = np.diff(graph.edges.starts) > 0
    sizes = np.arange(1, int(rows.shape[1]) + 1)
    samples: Values = rows[leaving] @ sizes if graph.states.kind == TUPLE else np.empty(0)
    if not samples.size or (samples != samples[0]).any() or rows.shape[1] < samples[0] - 1:
        raise InvalidGraph(
            f"The states of {graph.name} do not count lineages by their descendants: expected "
            "tuples (a1, a2, …) with 1 a1 + 2 a2 + … = n, the same in all states, as those of "
            "models.kingman(n)"
        )
    n = int(samples[0])
    branches = rows[:, : n - 1].astype(float)
    if folded:
        half = n // 2
        branches = branches[:, :half] + np.where(
            2 * sizes[:half] == n, 0.0, branches[:, ::-1][:, :half]
        )
    return graph.joint_table(theta, rewards=branches, rate=mutation_rate)


@final
@frozen
class TwoLocusStatistics:
    """What the trees of two loci have in common.

    Attributes:
        height_covariance, height_correlation: of the times to their most recent common ancestors.
        length_covariance, length_correlation: of the sums of their branches; times the squared
            mutation rate, the first is the covariance of the numbers of segregating sites.
    """

    height_covariance: float
    height_correlation: float
    length_covariance: float
    length_correlation: float


def two_locus_statistics(graph: Graph, theta: Any = None) -> TwoLocusStatistics:
    """Covariances and correlations of the heights and lengths of two trees.

    Args:
        graph: that of `two_locus`, or one with the same states.
        theta: its parameters, one vector.
    """
    both, left, right = _lineages(graph)
    lengths = np.stack([both + left, both + right], axis=1).astype(float)
    found: list[float] = []
    for rewards in ((lengths > 0).astype(float), lengths):
        matrix = graph.covariance(rewards, theta=theta)
        if matrix.ndim != 2:  # noqa: PLR2004
            raise InvalidGraph("theta has several rows; expected one parameter vector")
        found += [
            float(matrix[0, 1]),
            float(matrix[0, 1] / np.sqrt(matrix[0, 0] * matrix[1, 1])),
        ]
    return TwoLocusStatistics(*found)


def _lineages(graph: Graph) -> Values:
    if graph.states.kind != TUPLE or graph.states.rows.shape[1] != LOCI:
        raise InvalidGraph(
            f"The states of {graph.name} are not those of two loci; expected (both, left, right), "
            "as those of models.two_locus(n)"
        )
    return graph.states.rows.T


def linkage_disequilibrium(recombination: float, *, coalescence: float = 1.0) -> float:
    """σ²: the expected squared correlation of alleles at two loci, E[D²] / E[p(1-p)q(1-q)].

    From covariances of coalescence times of pairs of which two, one or no sequence are the same.

    Args:
        recombination: the rate between the loci for each lineage; in the common scaling rho/2.
        coalescence: the rate for a pair.

    Source: Ohta and Kimura (1971), Linkage disequilibrium between two segregating nucleotide sites,
    Genetics 68; McVean (2002), A genealogical interpretation of linkage disequilibrium, Genetics
    162.
    """
    if not 0 < recombination < np.inf or not 0 < coalescence < np.inf:
        raise InvalidGraph(
            f"Rates are recombination={recombination!r} and coalescence={coalescence!r}; expected "
            "finite ones that are positive"
        )
    graph = two_locus(4, coalescence=coalescence, recombination=recombination)
    same, one, none = (
        _shared(graph.with_initial([(state, 1.0)])) for state in ((2, 0, 0), (1, 1, 1), (0, 2, 2))
    )
    mean = 1 / coalescence
    return (same - 2 * one + none) / (mean * mean + none)


def _shared(graph: Graph) -> float:
    """The covariance of the heights of both trees."""
    return two_locus_statistics(graph).height_covariance
