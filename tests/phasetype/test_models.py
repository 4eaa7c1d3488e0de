"""Models against closed forms, labelled chains solved by SciPy, and simulations by msprime."""

import itertools
import subprocess
import sys

import mpmath
import numpy as np
import pytest
from scipy import sparse, special, stats
from scipy.linalg import expm
from scipy.sparse.linalg import splu

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph, models

TIMES = np.array([0.05, 0.3, 1.0, 2.5, 7.0])


def close(found, expected, rtol=1e-11, atol=0.0):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


# References ---------------------------------------------------------------------------------------


class Chain:
    """A chain by its moves, explored with a dictionary and solved by SciPy; for references."""

    def __init__(self, begin, moves):
        numbers, waiting, entries = {begin: 0}, [begin], []
        for state in waiting:
            for following, rate in moves(state):
                if following not in numbers:
                    numbers[following] = len(waiting)
                    waiting.append(following)
                entries.append((numbers[state], numbers[following], rate))
        rows, columns, rates = map(np.array, zip(*entries, strict=True))
        self.states = waiting
        self.goes = np.isin(np.arange(len(waiting)), rows)
        out = np.bincount(rows, rates, len(waiting))
        shape = (len(waiting), len(waiting))
        self.matrix = sparse.csc_matrix((rates, (rows, columns)), shape) - sparse.diags(out)
        self._inside = splu((-self.matrix)[self.goes][:, self.goes].tocsc())

    def waiting(self, values):
        found = np.zeros(len(self.states))
        found[self.goes] = self._inside.solve(values[self.goes])
        return found

    def earned(self, reward):
        return np.array([reward(state) for state in self.states], float)

    def mean(self, reward=lambda state: 1):
        return self.waiting(self.earned(reward))[0]

    def covariance(self, reward=lambda state: 1, other=lambda state: 1):
        first, second = self.earned(reward), self.earned(other)
        means = self.waiting(first), self.waiting(second)
        product = self.waiting(first * means[1]) + self.waiting(second * means[0])
        return product[0] - means[0][0] * means[1][0]

    def cdf(self, times):
        dense = self.matrix.toarray()
        return [expm(dense * time)[0, ~self.goes].sum() for time in times]


def hypoexponential_survival(rates, times):
    """The sum over different rates, with 80 digits: its terms cancel."""
    with mpmath.workdps(80):
        given = [mpmath.mpf(float(rate)) for rate in rates]
        shares = [
            mpmath.fprod(other / (other - rate) for other in given if other != rate)
            for rate in given
        ]
        return [
            float(
                mpmath.fsum(
                    share * mpmath.exp(-rate * float(time))
                    for share, rate in zip(shares, given, strict=True)
                )
            )
            for time in times
        ]


def pairs(k):
    return k * (k - 1) / 2


# Textbook families --------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 7, 60])
def test_erlang(k):
    expected = stats.gamma(k, scale=1 / 1.7)
    graph = models.erlang(k, 1.7)
    assert len(graph) == k + 1
    close(graph.cdf(TIMES), expected.cdf(TIMES), 1e-9, 1e-13)
    close(graph.pdf(TIMES), expected.pdf(TIMES), 1e-9, 1e-10)
    close(graph.expectation(), k / 1.7)
    close(graph.variance(), k / 1.7**2)
    close(models.erlang(k).expectation([1.7]), k / 1.7)


def test_hypoexponential():
    rates = np.array([0.4, 3.0, 1.1, 2.2, 0.9])
    graph = models.hypoexponential(rates)
    close(graph.survival(TIMES), hypoexponential_survival(rates, TIMES), 1e-10)
    close(graph.expectation(), (1 / rates).sum())
    close(graph.variance(), (1 / rates**2).sum())


def test_hyperexponential():
    chances, rates = np.array([0.2, 0.5, 0.25]), np.array([0.3, 2.0, 9.0])
    graph = models.hyperexponential(chances, rates)
    close(graph.defect, 0.05)
    close(graph.survival(TIMES), np.exp(-np.outer(TIMES, rates)) @ chances, 1e-10)
    close(graph.pdf(TIMES), np.exp(-np.outer(TIMES, rates)) @ (chances * rates), 1e-10)
    second = 2 * (chances / rates**2).sum()
    close(graph.moments(2), [(chances / rates).sum(), second])


def test_coxian_of_one_rate_is_a_mixture_of_erlangs():
    chances = [0.7, 0.9, 0.2]
    reached = np.append(1, np.cumprod(chances))
    shares = reached - np.append(reached[1:], 0)
    graph = models.coxian([1.3] * 4, chances)
    expected = sum(
        share * stats.gamma(k, scale=1 / 1.3).cdf(TIMES) for k, share in enumerate(shares, 1)
    )
    close(graph.cdf(TIMES), expected, 1e-10)


def test_coxian_of_several_rates():
    rates, chances = np.array([1.3, 0.2, 4.0]), [0.7, 1.0]
    reached = np.append(1, np.cumprod(chances))
    graph = models.coxian(rates, chances)
    close(graph.expectation(), (reached / rates).sum())
    survival = 0.3 * np.exp(-1.3 * TIMES) + 0.7 * np.array(hypoexponential_survival(rates, TIMES))
    close(graph.survival(TIMES), survival, 1e-10)


def test_coxian_of_one_phase_is_exponential():
    close(models.coxian([2.0], []).survival(TIMES), np.exp(-2 * TIMES), 1e-10)


# The coalescent -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [models.lineages, models.kingman])
@pytest.mark.parametrize("n", [2, 3, 9, 14])
def test_height_of_the_tree(make, n):
    ancestors = np.arange(2, n + 1)
    graph = make(n)
    close(graph.expectation([0.5]), 2 * 2 * (1 - 1 / n))
    close(graph.variance([0.5]), 4 * (4 / (ancestors * (ancestors - 1)) ** 2).sum())
    survival = hypoexponential_survival(pairs(ancestors), TIMES)
    close(graph.survival(TIMES, [1.0]), survival, 1e-9, 1e-13)
    close(make(n, theta=1.0).survival(TIMES), survival, 1e-9, 1e-13)


@pytest.mark.parametrize("n", [2, 12, 500])
def test_mean_height_by_parameter(n):
    mean, by_theta = models.lineages(n).gradient([0.8])
    close(mean, 2 * (1 - 1 / n) / 0.8)
    close(by_theta, [-2 * (1 - 1 / n) / 0.8**2])


@pytest.mark.parametrize("n", [2, 5, 40])
def test_total_branch_length(n):
    """It is distributed as the largest of n - 1 exponential times of rate 1/2."""
    below = np.arange(1, n)
    graph = models.lineages(n, theta=1.0)
    close(graph.expectation(rewards=lambda k: k), 2 * (1 / below).sum())
    close(graph.variance(rewards=lambda k: k), 4 * (1 / below**2).sum())
    length = graph.reward_transform(lambda k: k)
    close(length.cdf(TIMES), (1 - np.exp(-TIMES / 2)) ** (n - 1), 1e-9, 1e-12)


@pytest.mark.parametrize("n", [2, 6, 10])
def test_segregating_sites(n):
    """Tavaré (1984), with mutations at theta/2 along branches."""
    theta = 1.6
    graph = models.lineages(n, theta=1.0)
    found = graph.joint_probabilities([6], rewards=lambda k: [k], rate=theta / 2)
    expected = [
        sum(
            (-1) ** i * special.comb(n - 1, i - 1) * (i - 1) / (theta + i - 1)
            * (theta / (theta + i - 1)) ** sites
            for i in range(2, n + 1)
        )
        for sites in range(7)
    ]  # fmt: skip
    close(found, expected, 1e-9)


def fu_covariance(n):
    """Of branch lengths by how many descend from them: Fu (1995), equations 1 to 3, times 4."""
    harmonic = np.append(0, np.cumsum(1 / np.arange(1, n + 1)))

    def a(i):
        return harmonic[i - 1]

    def beta(i):
        return 2 * n / ((n - i + 1) * (n - i)) * (a(n + 1) - a(i)) - 2 / (n - i)

    def sigma(i, j):
        if i == j and 2 * i < n:
            return beta(i + 1)
        if i == j and 2 * i == n:
            return 2 * (a(n) - a(i)) / (n - i) - 1 / i**2
        if i == j:
            return beta(i) - 1 / i**2
        if i + j < n:
            return (beta(i + 1) - beta(i)) / 2
        if i + j == n:
            return (
                (a(n) - a(i)) / (n - i)
                + (a(n) - a(j)) / (n - j)
                - (beta(i) + beta(j + 1)) / 2
                - 1 / (i * j)
            )
        return (beta(j) - beta(j + 1)) / 2 - 1 / (i * j)

    places = range(1, n)
    return 4 * np.array([[sigma(max(i, j), min(i, j)) for j in places] for i in places])


@pytest.mark.parametrize("n", [2, 3, 6, 9, 12])
def test_site_frequency_spectrum(n):
    graph = models.kingman(n, theta=1.0)
    spectrum = [label[:-1] for label in map(graph.states.label, range(len(graph)))]
    close(graph.expectation(rewards=np.array(spectrum)), 2 / np.arange(1, n))
    close(graph.covariance(np.array(spectrum)), fu_covariance(n), 1e-9, 1e-12)


@pytest.mark.parametrize(("n", "partitions"), [(2, 2), (10, 42), (30, 5604)])
def test_block_counts_are_partitions(n, partitions):
    graph = models.kingman(n)
    assert len(graph) == partitions
    assert (graph.states.rows @ np.arange(1, n + 1) == n).all()
    assert graph.vertex(0).state == (n, *[0] * (n - 1))
    assert [graph.states.label(end) for end in graph.absorbing] == [(*[0] * (n - 1), 1)]


# Islands ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("demes", [2, 3, 5])
def test_pairs_in_the_island_model(demes):
    """Within a deme as long as if there were no structure; Slatkin (1987)."""
    rest = [0] * (demes - 2)
    within = models.islands(2, demes)
    between = models.islands(2, demes, start=(1, 1, *rest))
    for coalescence, migration in ((1.0, 0.3), (2.5, 4.0), (1.0, 1e-6)):
        theta = [coalescence, migration]
        close(within.expectation(theta), demes / coalescence)
        close(between.expectation(theta), demes / coalescence + (demes - 1) / (2 * migration))


def labelled_islands(migration):
    """Every lineage by itself, with the deme that it is in, in two demes."""

    def moves(demes):
        if len(demes) == 1:
            return
        for one, deme in enumerate(demes):
            others = demes[:one] + demes[one + 1 :]
            yield (*others, 1 - deme), migration
        for one, other in itertools.combinations(range(len(demes)), 2):
            if demes[one] == demes[other]:
                yield demes[:other] + demes[other + 1 :], 1.0

    return moves


def test_islands_against_labelled_lineages():
    reference = Chain((0, 0, 0, 1, 1), labelled_islands(0.7))
    graph = models.islands(5, start=(3, 2), coalescence=1.0, migration=0.7)

    def ends(reward):
        return lambda demes: reward(demes) * (len(demes) > 1)

    close(graph.expectation(), reference.mean())
    close(graph.variance(), reference.covariance())
    close(graph.cdf(TIMES), reference.cdf(TIMES), 1e-9)
    for deme in (0, 1):
        there = ends(lambda demes, deme=deme: demes.count(deme))
        close(
            graph.expectation(rewards=lambda state, deme=deme: state[deme]), reference.mean(there)
        )
    close(
        graph.covariance(lambda state: state[0], lambda state: state[1]),
        reference.covariance(
            ends(lambda demes: demes.count(0)), ends(lambda demes: demes.count(1))
        ),
    )


def test_large_islands_against_sparse_solution():
    n, theta = 120, (1.0, 0.35)
    graph = models.islands(n)
    assert len(graph) == (n + 1) * (n + 2) // 2 - 2
    assert [graph.states.label(end) for end in graph.absorbing] == [(0, 0)]

    def moves(state):
        i, j = state
        if i + j > 1:
            yield from [((i - 1, j), pairs(i) * theta[0])] * (i > 1)
            yield from [((i, j - 1), pairs(j) * theta[0])] * (j > 1)
            yield from [((i - 1, j + 1), i * theta[1])] * (i > 0)
            yield from [((i + 1, j - 1), j * theta[1])] * (j > 0)

    reference = Chain((n, 0), moves)
    close(graph.expectation(theta), reference.mean(), 1e-9)
    close(graph.variance(theta), reference.covariance(), 1e-9)
    close(
        graph.expectation(theta, rewards=sum),
        reference.mean(lambda state: sum(state) * (sum(state) > 1)),
        1e-9,
    )


def test_without_migration_there_is_one_deme():
    graph = models.islands(6, coalescence=1.0, migration=0)
    close(graph.expectation(), 2 * (1 - 1 / 6))
    assert len(graph) == 6


# By msprime 1.4.4, in haploid populations of size 1, 200,000 replicates each, with standard errors:
#   demography = msprime.Demography.isolated_model([1.0] * demes)
#   demography.set_symmetric_migration_rate([all populations], migration / (demes - 1))
#   msprime.sim_ancestry(samples, ploidy=1, demography=demography, num_replicates=200_000,
#                        random_seed=11 for two demes, 12 for three)
# and from each tree its height and total_branch_length. Random numbers: five standard errors.
MSPRIME_TWO_DEMES = {
    "height": (4.493424, 0.007438),
    "length": (13.443943, 0.016499),
    "variance of height": (11.064825, 0.066056),
    "covariance": (23.964719, 0.136214),
    "height up to 3": (0.399525, 0.001095),
    "height up to 6": (0.757120, 0.000959),
}
MSPRIME_THREE_DEMES = {
    "height": (8.033529, 0.010836),
    "length": (24.793740, 0.024289),
    "variance of height": (23.484837, 0.135460),
    "covariance": (50.877897, 0.281236),
}


@pytest.mark.parametrize(
    ("n", "demes", "start", "migration", "simulated"),
    [
        (20, 2, (20, 0), 0.3, MSPRIME_TWO_DEMES),
        (12, 3, (6, 4, 2), 0.5, MSPRIME_THREE_DEMES),
    ],
)
def test_islands_against_msprime(n, demes, start, migration, simulated):
    graph = models.islands(n, demes, start=start, coalescence=1.0)
    found = {
        "height": graph.expectation([migration]),
        "length": graph.expectation([migration], rewards=sum),
        "variance of height": graph.variance([migration]),
        "covariance": graph.covariance(lambda state: 1, sum, [migration]),
        "height up to 3": graph.cdf(3.0, [migration]),
        "height up to 6": graph.cdf(6.0, [migration]),
    }
    for what, (mean, error) in simulated.items():
        assert abs(found[what] - mean) < 5 * error, what


# Two loci -----------------------------------------------------------------------------------------


def left_length(state):
    return state[0] + state[1]


def right_length(state):
    return state[0] + state[2]


def left_height(state):
    return int(left_length(state) > 0)


def right_height(state):
    return int(right_length(state) > 0)


@pytest.mark.parametrize("rho", [0.01, 1.0, 12.0, 500.0])
def test_heights_of_two_pairs(rho):
    """Griffiths (1981): their covariance."""
    graph = models.two_locus(2)
    theta = [1.0, rho / 2]
    expected = (rho + 18) / (rho**2 + 13 * rho + 18)
    close(graph.covariance(left_height, right_height, theta), expected)
    close(graph.expectation(theta, rewards=left_height), 1.0)
    close(graph.variance(theta, rewards=right_height), 1.0)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_each_locus_has_a_tree_of_its_own(n):
    ancestors, theta = np.arange(2, n + 1), [1.5, 0.8]
    graph = models.two_locus(n)
    for height, length in ((left_height, left_length), (right_height, right_length)):
        close(graph.expectation(theta, rewards=height), 2 * (1 - 1 / n) / 1.5)
        close(graph.expectation(theta, rewards=length), 2 * (1 / (ancestors - 1)).sum() / 1.5)
        close(graph.variance(theta, rewards=length), 4 * (1 / (ancestors - 1) ** 2).sum() / 1.5**2)


def test_without_recombination_loci_share_a_tree():
    graph = models.two_locus(8, coalescence=1.0, recombination=0.0)
    assert len(graph) == 8
    close(graph.expectation(), 2 * (1 - 1 / 8))


def labelled_loci(recombination):
    """Lineages as pairs of the samples below them at each locus; nothing is lumped."""

    def moves(lineages):
        samples = frozenset().union(*(left for left, _ in lineages))
        if any(left == samples for left, _ in lineages) and any(
            right == samples for _, right in lineages
        ):
            return
        for one, (left, right) in enumerate(lineages):
            if left and right:
                others = lineages[:one] + lineages[one + 1 :]
                yield arranged(*others, (left, frozenset()), (frozenset(), right)), recombination
        for one, other in itertools.combinations(lineages, 2):
            others = [lineage for lineage in lineages if lineage not in (one, other)]
            yield arranged(*others, (one[0] | other[0], one[1] | other[1])), 1.0

    return moves


def arranged(*lineages):
    return tuple(sorted(lineages, key=lambda pair: tuple(map(sorted, pair))))


def test_two_loci_against_labelled_lineages():
    begin = arranged(*((frozenset({i}), frozenset({i})) for i in range(3)))
    reference = Chain(begin, labelled_loci(0.6))
    graph = models.two_locus(3, coalescence=1.0, recombination=0.6)

    def length(locus):
        def count(lineages):
            there = sum(bool(lineage[locus]) for lineage in lineages)
            return there * (there > 1)

        return count

    close(graph.expectation(), reference.mean())
    close(graph.variance(), reference.covariance())
    close(graph.cdf(TIMES), reference.cdf(TIMES), 1e-9)
    close(graph.covariance(left_length, right_length), reference.covariance(length(0), length(1)))
    close(
        graph.covariance(left_height, right_length),
        reference.covariance(lambda state: length(0)(state) > 1, length(1)),
    )


# By msprime 1.4.4, 200,000 replicates, with standard errors:
#   msprime.sim_ancestry(samples=10, ploidy=1, population_size=1, sequence_length=2,
#                        recombination_rate=0.5, discrete_genome=True, num_replicates=200_000,
#                        random_seed=13)
# and the trees at 0 and 1.
MSPRIME_TWO_LOCI = {
    "larger height": (2.087222, 0.002732),
    "smaller height": (1.519234, 0.001830),
    "covariance of heights": (0.591055, 0.003986),
    "covariance of lengths": (3.606258, 0.019714),
}


def test_two_loci_against_msprime():
    graph = models.two_locus(10)
    theta = [1.0, 0.5]
    found = {
        "larger height": graph.expectation(theta),
        "smaller height": graph.expectation(
            theta, rewards=lambda state: left_height(state) * right_height(state)
        ),
        "covariance of heights": graph.covariance(left_height, right_height, theta),
        "covariance of lengths": graph.covariance(left_length, right_length, theta),
    }
    for what, (mean, error) in MSPRIME_TWO_LOCI.items():
        assert abs(found[what] - mean) < 5 * error, what


# Rabbits ------------------------------------------------------------------------------------------

RATES = (1.0, 2.0, 4.0)


def life_of_one(jump, left, right):
    """Mean time until a rabbit drowns that begins on the left island."""
    return (right + 2 * jump) / ((jump + left) * (jump + right) - jump**2)


def labelled_rabbits(places):
    """Each rabbit by itself: on an island, 0 or 1, or drowned, 2."""
    for one, place in enumerate(places):
        if place < 2:
            yield places[:one] + (1 - place,) + places[one + 1 :], RATES[0]
    for island in (0, 1):
        if island in places:
            yield tuple(2 if place == island else place for place in places), RATES[1 + island]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_rabbits_one_by_one(n):
    reference = Chain((0,) * n, labelled_rabbits)
    graph = models.rabbits(n)
    assert len(graph) == (n + 1) * (n + 2) // 2
    close(graph.expectation(RATES), reference.mean())
    close(graph.variance(RATES), reference.covariance())
    close(graph.cdf(TIMES, RATES), reference.cdf(TIMES), 1e-9)
    fixed = models.rabbits(n, jump=1, flood_left=2, flood_right=4)
    close(fixed.expectation(), reference.mean())
    close(models.rabbits(n, flood_left=2).expectation([1, 4]), reference.mean())


def test_one_rabbit_of_an_island_jumps_at_a_time():
    """As in the authors' programs: the rate does not depend on how many there are."""

    def steps(state):
        left, right = state
        return [
            ((left - 1, right + 1), 1.0 * (left > 0)),
            ((left + 1, right - 1), 1.0 * (right > 0)),
            ((0, right), 2.0 * (left > 0)),
            ((left, 0), 4.0 * (right > 0)),
        ]

    reference = Graph.from_callback(steps, initial=[((4, 0), 1.0)])
    graph = models.rabbits(4, jump=1, each=False, flood_left=2, flood_right=4)
    assert graph.content_hash == reference.content_hash
    assert graph.expectation() != models.rabbits(4).expectation([1, 2, 4])
    assert models.rabbits(1, each=False).expectation([1, 2, 4]) == pytest.approx(
        models.rabbits(1).expectation([1, 2, 4])
    )


@pytest.mark.parametrize("rates", [RATES, (0.3, 0.01, 5.0)])
def test_lives_of_rabbits_add_up(rates):
    """Each for itself lives as if it were alone, whatever the others do."""
    graph = models.rabbits(60)
    close(graph.expectation(rates, rewards=sum), 60 * life_of_one(*rates))
    alone = models.rabbits(1)
    close(alone.expectation(rates), life_of_one(*rates))


def test_a_thousand_rabbits():
    graph = models.rabbits(1000)
    assert len(graph) == 501_501
    assert [graph.states.label(end) for end in graph.absorbing] == [(0, 0)]
    left, right = graph.states.rows.T
    assert (left + right <= 1000).all()
    # Every rabbit can jump, and every island that has one can flood.
    rates = graph.edges.weights(np.array(RATES))
    out = np.bincount(graph.edges.sources, rates, len(graph))
    close(out, left + right + 2 * (left > 0) + 4 * (right > 0))


# Birth and death ----------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1, 2, 6, 40])
def test_mean_busy_period(capacity):
    arrival, service = 0.9, 1.4
    graph = models.mm1k_busy_period(capacity)
    assert len(graph) == capacity + 1
    expected = ((arrival / service) ** np.arange(capacity)).sum() / service
    close(graph.expectation([arrival, service] if capacity > 1 else [0.0, service]), expected)
    fixed = models.mm1k_busy_period(capacity, arrival, service)
    close(fixed.expectation(), expected)


def test_busy_period_of_a_queue_that_is_never_full():
    """M/M/1: Bessel's function, and the transform of Takács."""
    arrival, service = 0.5, 1.2
    graph = models.mm1k_busy_period(90, arrival, service)
    crossing = 2 * np.sqrt(arrival * service)
    density = (
        special.ive(1, crossing * TIMES)
        * np.exp((crossing - arrival - service) * TIMES)
        / (TIMES * np.sqrt(arrival / service))
    )
    close(graph.pdf(TIMES), density, 1e-9)
    s = np.array([0.0, 0.1, 2.0])
    total = arrival + service + s
    transform = (total - np.sqrt(total**2 - 4 * arrival * service)) / (2 * arrival)
    close(graph.laplace_transform(s), transform, 1e-10)
    load = arrival / service
    close(graph.variance(), (1 + load) / (service**2 * (1 - load) ** 3), 1e-10)


@pytest.mark.parametrize("n", [1, 4, 30])
def test_pure_death_is_the_last_of_independent_lives(n):
    graph = models.birth_death(n, np.zeros(n - 1), 0.7 * np.arange(1, n + 1))
    close(graph.cdf(TIMES), (1 - np.exp(-0.7 * TIMES)) ** n, 1e-9, 1e-12)


@pytest.mark.parametrize("start", [1, 3, None])
def test_mean_time_to_extinction(start):
    """Karlin and McGregor: from i to i - 1 it takes the sum of b_i…b_{k-1}/(d_i…d_k)."""
    births, deaths = np.array([2.0, 0.3, 1.5, 0.9]), np.array([1.0, 2.0, 0.5, 3.0, 1.2])
    expected = sum(
        np.prod(births[i - 1 : k - 1]) / np.prod(deaths[i - 1 : k])
        for i in range(1, (start or 5) + 1)
        for k in range(i, 6)
    )
    close(models.birth_death(5, births, deaths, start=start).expectation(), expected)
    # The same, with births and deaths scaled by a parameter each.
    by_birth = np.outer(births / 2, [1, 0])
    by_death = np.outer(deaths / 3, [0, 1])
    graph = models.birth_death(5, by_birth, by_death, start=start)
    close(graph.expectation([2, 3]), expected)


# All of them --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("graph", "theta_length"),
    [
        (lambda: models.erlang(2), 1),
        (lambda: models.erlang(2, 1.0), 0),
        (lambda: models.lineages(4), 1),
        (lambda: models.lineages(4, theta=1), 0),
        (lambda: models.kingman(4), 1),
        (lambda: models.kingman(4, theta=1), 0),
        (lambda: models.islands(3), 2),
        (lambda: models.islands(3, coalescence=1), 1),
        (lambda: models.two_locus(3), 2),
        (lambda: models.two_locus(3, recombination=1), 1),
        (lambda: models.rabbits(3), 3),
        (lambda: models.rabbits(3, jump=1, flood_left=2, flood_right=4), 0),
        (lambda: models.mm1k_busy_period(3), 2),
        (lambda: models.mm1k_busy_period(3, service=1.0), 1),
    ],
)
def test_rates_that_are_not_given_are_parameters(graph, theta_length):
    assert graph().theta_length == theta_length


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.erlang(0), "k is 0; expected a whole number of at least 1"),
        (lambda: models.erlang(2, -1.0), "rate=-1.0 is no rate"),
        (lambda: models.hypoexponential([]), "rates is"),
        (lambda: models.hypoexponential([1, 0]), "expected numbers that are positive"),
        (lambda: models.hyperexponential([1], [1, 2]), "1 probabilities and 2 rates"),
        (lambda: models.hyperexponential([0.9, 0.9], [1, 2]), "add up to 1.8"),
        (lambda: models.coxian([1, 2], []), "expected 1 numbers"),
        (lambda: models.coxian([1, 2], [1.1]), "at most 1"),
        (lambda: models.kingman(1), "n is 1; expected a whole number of at least 2"),
        (lambda: models.lineages(2.5), "n is 2.5"),
        (lambda: models.kingman(3, theta=float("nan")), "theta=nan is no rate"),
        (lambda: models.islands(3, 1), "demes is 1"),
        (lambda: models.islands(3, start=(1, 1)), "add up to n=3"),
        (lambda: models.islands(3, start=(4, -1)), "start is -1"),
        (lambda: models.islands(3, start=(1, 1, 1)), "2 whole numbers"),
        (lambda: models.rabbits(0), "n is 0"),
        (lambda: models.birth_death(3, [1, 2, 3], [1, 2, 3]), "expected 2 and 3"),
        (lambda: models.birth_death(2, [[1, 0]], [1, 2]), "as rates, or as rows"),
        (lambda: models.birth_death(2, [1], [1, 2], start=3), "at most 2"),
        (lambda: models.mm1k_busy_period(0), "capacity is 0"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(InvalidGraph, match=message):
        make()


def test_names_are_there_when_asked_for():
    assert dir(models) == sorted(models.__all__)
    assert all(callable(getattr(models, name)) for name in models.__all__)
    with pytest.raises(AttributeError, match="no attribute 'rabits'"):
        models.rabits  # noqa: B018
    script = (
        "import sys; from emberkeep.phasetype import models; "
        "assert 'numpy' not in sys.modules; models.rabbits"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
