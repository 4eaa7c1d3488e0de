"""One graph, many threads: what each gets is, bit for bit, what it would get alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from emberkeep.phasetype import Graph, models

THREADS = 8


def switching():
    """Slow and fast, with one parameter."""
    builder = Graph.builder(theta_length=1)
    for state in ("one", "two", "three", "end"):
        builder.add_vertex(state, float(state == "one"))
    edges = [(0, 1, 1.0), (1, 0, 2.0), (1, 2, 0.5), (2, 0, 0.25), (2, 3, 1.0), (0, 3, 0.125)]
    for source, target, rate in edges:
        builder.add_edge(source, target, [rate])
    return builder.build()


def discrete():
    builder = Graph.builder(theta_length=1, discrete=True)
    for state in range(3):
        builder.add_vertex(state, float(state == 0))
    for source, target, rate in [(0, 1, 0.5), (1, 0, 0.25), (1, 2, 0.125)]:
        builder.add_edge(source, target, [rate])
    return builder.build()


TIMES = np.array([0.1, 1.0, 3.0, 40.0])
REWARDS = np.array([1.0, 2.0, 0.0])
QUANTITIES = {
    "pdf": lambda g, theta, n: g.pdf(np.round(TIMES * n), theta),
    "cdf": lambda g, theta, n: g.cdf(TIMES * n, theta),
    "survival": lambda g, theta, n: g.survival(TIMES * n, theta),
    "quantile": lambda g, theta, n: g.quantile([0.1, 0.5, 1 - 1 / (n + 2)], theta),
    "expectation": lambda g, theta, n: g.expectation(theta),
    "moments": lambda g, theta, n: g.moments(3, theta),
    "variance": lambda g, theta, n: g.variance(theta),
    "gradient": lambda g, theta, n: g.gradient(theta, order=2)[1],
    "sojourn": lambda g, theta, n: g.sojourn_times(theta),
    "waiting": lambda g, theta, n: g.waiting_times(theta),
    "states": lambda g, theta, n: g.state_probabilities(np.round(TIMES * n), theta),
    "accumulated": lambda g, theta, n: g.accumulated_rewards(np.round(TIMES * n), theta),
    "laplace": lambda g, theta, n: g.laplace_transform(TIMES, theta),
    "sample": lambda g, theta, n: g.sample(5, theta, seed=n),
    "several": lambda g, theta, n: g.survival(TIMES * n, [theta, [2 * theta[0] / 3], theta]),
    "hash": lambda g, theta, n: np.frombuffer(g.content_hash.encode(), np.uint8),
}
MAKERS = {
    "continuous": switching,
    "discrete": discrete,
    "stiff": lambda: models.islands(2, start=(1, 1), migration=1.0),
}


def thetas(kind):
    return {"continuous": [0.5, 3.0], "discrete": [0.5, 1.0], "stiff": [1.0, 1e7]}[kind]


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_a_joint_table_is_for_all_threads(kind):
    rewards = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 0.0]])
    table, alone = (MAKERS[kind]().joint_table([0.5], rewards=rewards) for _ in range(2))
    begin = Barrier(THREADS)

    def work(thread):
        begin.wait()
        return [(n, thread % 4, table[n, thread % 4], table.beyond((n, 2))) for n in range(24)]

    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(work, range(THREADS)):
            for n, m, inside, outside in found:
                assert inside == alone[n, m]
                assert outside == alone.beyond((n, 2))


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        ("continuous", 120),
        ("discrete", 120),
        ("stiff", 40),
        *(pytest.param(kind, 10_000, marks=pytest.mark.soak) for kind in MAKERS),
    ],
)
def test_all_quantities_at_once(kind, calls):
    random = np.random.default_rng(calls)
    names = [*QUANTITIES]
    wanted = [
        (names[random.integers(len(names))], [thetas(kind)[random.integers(2)]],
         int(random.integers(1, 12)))
        for _ in range(calls)
    ]  # fmt: skip
    alone = {
        call: QUANTITIES[call[0]](MAKERS[kind](), [call[1]], call[2])
        for call in {(name, theta[0], n) for name, theta, n in wanted}
    }
    shared = MAKERS[kind]()
    begin = Barrier(THREADS)

    def work(thread):
        begin.wait()
        wrong = []
        for name, theta, n in wanted[thread::THREADS]:
            found = QUANTITIES[name](shared, theta, n)
            if not np.array_equal(found, alone[name, theta[0], n]):
                wrong.append((name, theta, n))
        return wrong

    with ThreadPoolExecutor(THREADS) as pool:
        wrong = [call for found in pool.map(work, range(THREADS)) for call in found]
    assert wrong == []
    # And it is right afterwards.
    for name, theta, n in wanted[:50]:
        assert np.array_equal(QUANTITIES[name](shared, theta, n), alone[name, theta[0], n])


def test_one_density_for_longer_and_longer_times():
    """The same parameters and ever more steps: what one thread extends, another reads."""
    graph = models.hypoexponential([1.0, 50.0, 100.0])
    times = np.linspace(0.01, 30, 60)
    alone = [models.hypoexponential([1.0, 50.0, 100.0]).pdf(time) for time in times]
    begin = Barrier(THREADS)

    def work(thread):
        begin.wait()
        return [graph.pdf(time) for time in times[thread % 2 :: 2]]

    for _ in range(5):
        graph = models.hypoexponential([1.0, 50.0, 100.0])
        with ThreadPoolExecutor(THREADS) as pool:
            for thread, found in enumerate(pool.map(work, range(THREADS))):
                assert found == alone[thread % 2 :: 2]
