"""Random graphs of all kinds against interval arithmetic: a sample here, in full by `make soak`."""

from fractions import Fraction

import numpy as np
import pytest

from emberkeep.phasetype import Graph

flint = pytest.importorskip("flint", reason="needs python-flint, of the extra `dev`")
arb, arb_mat, ctx = flint.arb, flint.arb_mat, flint.ctx


def counted(sample, full):
    """Seeds of a sample, and of everything."""
    return pytest.mark.parametrize(
        "seeds", [range(sample), pytest.param(range(1000, 1000 + full), marks=pytest.mark.soak)]
    )


def random_edges(random, count, weight):
    """A way through all states to an end, and others; as many ends as there is luck."""
    ends = 1 + int(random.integers(2))
    edges = [(state, state + 1, weight()) for state in range(count - 1)]
    edges += [(count - 1, count, weight())]
    for _ in range(int(random.integers(0, 3 * count))):
        source, target = random.integers(count), random.integers(count + ends)
        if source != target:
            edges.append((int(source), int(target), weight()))
    reached = {target for _, target, _ in edges}
    edges += [(0, end, weight()) for end in range(count, count + ends) if end not in reached]
    return edges, count + ends


def make(random, edges, total, *, discrete=False, names=None):
    builder = Graph.builder(discrete=discrete)
    begin = random.random(total) * (random.random(total) < 0.3)
    begin[0] += 0.1
    begin /= begin.sum() * random.choice([1.0, 1.3])
    for vertex in range(total):
        builder.add_vertex(None if names is None else names[vertex], begin[vertex])
    for edge in edges:
        builder.add_edge(*edge)
    return builder.build()


def moments(graph, rewards, order):
    """E[Y], E[Y²], … and the variance, by interval arithmetic."""
    inner = np.setdiff1d(np.arange(len(graph)), graph.absorbing).tolist()
    place = {vertex: number for number, vertex in enumerate(inner)}
    size = len(inner)
    rows = [[arb(0)] * size for _ in range(size)]
    sources, targets = graph.edges.sources.tolist(), graph.edges.targets.tolist()
    for source, target, weight in zip(sources, targets, graph.edges.base.tolist(), strict=True):
        rows[place[source]][place[source]] += arb(weight)
        if target in place:
            rows[place[source]][place[target]] -= arb(weight)
    inverse = arb_mat(rows).inv()
    earned = [arb(rewards[vertex]) for vertex in inner]
    begin = arb_mat([[arb(float(graph.initial[vertex])) for vertex in inner]])
    vector, found = arb_mat([[arb(1)] for _ in inner]), []
    for k in range(1, order + 1):
        vector = inverse * arb_mat([[k * r * vector[i, 0]] for i, r in enumerate(earned)])
        found.append((begin * vector)[0, 0])
    return [float(v.mid()) for v in found], float((found[1] - found[0] ** 2).mid())


def off(found, known):
    """The largest relative error."""
    found, known = np.asarray(found, float), np.asarray(known, float)
    return float((abs(found - known) / np.maximum(abs(known), 1e-280)).max())


@counted(6, 320)
def test_continuous_graphs(seeds, enclosed):
    worst = dict.fromkeys(("moments", "variance", "pdf", "cdf", "survival", "states"), 0.0)
    for seed in seeds:
        random = np.random.default_rng(seed)
        scale = random.uniform(0, 3)
        edges, total = random_edges(
            random, int(random.integers(1, 13)), lambda: float(10 ** random.uniform(-scale, scale))
        )
        graph = make(random, edges, total)
        rewards = random.random(total) * 10.0 ** random.uniform(-3, 3, total)
        rewards[graph.absorbing] = 0
        ctx.prec = 400
        known, variance = moments(graph, rewards, 4)
        worst["moments"] = max(worst["moments"], off(graph.moments(4, rewards=rewards), known))
        worst["variance"] = max(worst["variance"], off(graph.variance(rewards=rewards), variance))
        mean = graph.expectation()
        times = mean * 10.0 ** random.uniform(-3, 1, 5)
        fastest = np.bincount(graph.edges.sources, graph.edges.base).max()
        times = np.minimum(times, 1e5 / fastest)
        table = enclosed(graph, times)
        peak = max(table["pdf"].max(), graph.pdf(np.geomspace(mean / 1e3, mean, 30)).max())
        worst["pdf"] = max(worst["pdf"], float(abs(graph.pdf(times) - table["pdf"]).max() / peak))
        worst["cdf"] = max(worst["cdf"], off(graph.cdf(times), table["cdf"]))
        worst["survival"] = max(worst["survival"], off(graph.survival(times), table["survival"]))
        states = graph.state_probabilities(times)
        worst["states"] = max(worst["states"], float(abs(states - table["states"]).max()))
    print(f"\n{len(seeds)} continuous graphs:", shown(worst))  # noqa: T201 - the figures
    assert worst["moments"] < 1e-13
    assert worst["variance"] < 1e-12
    assert worst["pdf"] < 1e-10
    assert max(worst["cdf"], worst["survival"]) < 1e-10
    assert worst["states"] < 1e-11


@counted(10, 200)
def test_discrete_graphs(seeds):
    """Against fractions: nothing is rounded there."""
    worst = dict.fromkeys(("pmf", "cdf", "survival", "expectation"), 0.0)
    for seed in seeds:
        random = np.random.default_rng(seed)
        count = int(random.integers(1, 7))
        edges, total = random_edges(random, count, lambda: float(random.integers(1, 2**20)))
        out = np.zeros(total)
        for source, _, weight in edges:
            out[source] += weight
        # Powers of two: what is left, staying, is exact.
        whole = 2.0 ** np.ceil(np.log2(np.maximum(out, 1)) + random.integers(0, 6))
        edges = [(source, target, weight / whole[source]) for source, target, weight in edges]
        graph = make(random, edges, total, discrete=True)
        steps = np.unique(random.integers(0, 60, 6))
        known = in_fractions(graph, int(steps.max()))
        for name, row in zip(("pmf", "cdf", "survival"), known, strict=True):
            found = getattr(graph, name)(steps)
            worst[name] = max(worst[name], off(found, [float(row[step]) for step in steps]))
        ctx.prec = 400
        leaves = np.ones(total)
        leaves[graph.absorbing] = 0
        mean = moments(graph, leaves, 2)[0][0]
        worst["expectation"] = max(worst["expectation"], off(graph.expectation(), mean))
    print(f"\n{len(seeds)} discrete graphs:", shown(worst))  # noqa: T201 - the figures
    assert max(worst.values()) < 1e-13


def in_fractions(graph, steps):
    """By step: the probability of ending with it, of having ended, and of not."""
    weights = [*map(Fraction, graph.edges.base.tolist())]
    edges = [*zip(graph.edges.sources.tolist(), graph.edges.targets.tolist(), weights, strict=True)]
    ends = set(graph.absorbing.tolist())
    here = [*map(Fraction, graph.initial.tolist())]
    missing = Fraction(graph.defect) - sum(here[end] for end in ends)
    ended, rows = missing + sum(here[end] for end in ends), []
    rows.append((ended, ended, sum(here) - sum(here[end] for end in ends)))
    for _ in range(steps):
        after = here.copy()
        for source, target, weight in edges:
            after[source] -= weight * here[source]
            after[target] += weight * here[source]
        # Numerators would grow for ever; 400 bits are enough for all that is compared.
        now = missing + sum(after[end] for end in ends)
        left = sum(p for vertex, p in enumerate(after) if vertex not in ends)
        rows.append((now - ended, now, left))
        here, ended = after, now
    return [*zip(*rows, strict=True)]


@counted(20, 354)
def test_pairs_of_hashes(seeds):
    """Renumbered, a graph has the same hashes; with one number changed, not that of its content."""
    for seed in seeds:
        random = np.random.default_rng(seed)
        values = [1.0, 2.0, 0.1, 0.3] if seed % 2 else None
        edges, total = random_edges(
            random,
            int(random.integers(2, 9)),
            lambda: float(random.choice(values)) if values else float(random.random()),
        )
        names = [None, [*range(total)], [2**53 + v // 2 for v in range(total)]][seed % 3]
        begin = np.random.default_rng(seed)
        graph = make(begin, edges, total, names=names)
        order = random.permutation(total)
        place = np.argsort(order)
        builder = Graph.builder()
        for vertex in order:
            builder.add_vertex(None if names is None else names[vertex])
        for vertex in order:
            builder.add_initial(int(place[vertex]), float(graph.initial[vertex]))
        for number in random.permutation(len(edges)):
            source, target, weight = edges[number]
            builder.add_edge(int(place[source]), int(place[target]), weight)
        same = builder.build()
        assert same.content_hash == graph.content_hash, seed
        assert same.structure_hash == graph.structure_hash, seed
        changed = [*edges]
        source, target, weight = changed[random.integers(len(edges))]
        changed.append((source, target, weight * 1e-9))
        other = make(np.random.default_rng(seed), changed, total, names=names)
        assert other.content_hash != graph.content_hash, seed
        assert other.structure_hash == graph.structure_hash, seed
    print(f"\n{2 * len(seeds)} pairs of hashes: as they must be")  # noqa: T201 - the figures


def shown(worst):
    return ", ".join(f"{name} {error:.1e}" for name, error in worst.items())
