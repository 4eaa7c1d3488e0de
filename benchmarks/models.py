"""Models that JAX differentiates: compiling them, moments by tapes, densities by uniformisation.

Peers are phasic, whose gradients are central differences; JAX's own derivative of the same
uniformisation as a scan, for memory; and SciPy, which steps the chain and gives no gradient. An
operation of a tape is a multiplication or an addition; a column of it is one of each.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
from measuring import HERE, Row, alternately, milliseconds, peer, show
from phasetype import PHASIC, limited, seconds

PROGRAM = HERE / "peers" / "phasic_models.py"
SMALL, LARGE, LARGEST = 3, 27, 82  # lineages on two islands: tapes of 1e2, 1e4 and 1e5 operations
PARTICLES, THETAS, PHASIC_THETAS = 100, 100, 2
STATES, DEGREE, PARAMETERS = 1000, 4, 5
COMPILES, REPEATS = 3, 15


def phasic(*words: object) -> dict[str, Any]:
    """What phasic's program of models says of a case."""
    command = [peer("phasic", PHASIC, alone=["phasic==0.32.1"]), PROGRAM, *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"phasic, {words}: {ran.stdout[-500:]}{ran.stderr[-2000:]}")
    return json.loads(ran.stdout.splitlines()[-1])


def operations(model: Any) -> int:
    """Of the tape of moments."""
    segments = np.asarray(model._moments["segments"])  # noqa: SLF001 - nobody else tells
    return 2 * int(segments[2].max())


# Compiling ----------------------------------------------------------------------------------------


def compiling() -> list[Row]:
    """Value and gradient of a moment, and of densities with it; JAX forgets all before each.

    Kernels are compiled once a machine, and are in the keep by then.
    """
    import jax
    import jax.numpy as jnp

    from emberkeep.phasetype import models

    times, thetas = jnp.linspace(0.1, 3.0, 100), jnp.ones((PARTICLES, 2))

    def moment(model: Any, theta: Any) -> Any:
        return model.moments(theta).sum()

    def everything(model: Any, theta: Any) -> Any:
        densities, moments = model(theta, times)
        return jnp.log(densities).sum() + moments.sum()

    def compiled(model: Any, total: Any, *, closed: bool) -> float:
        def both(model: Any, thetas: Any) -> Any:
            return jax.vmap(jax.value_and_grad(total, 1), (None, 0))(model, thetas)

        jax.clear_caches()
        if closed:
            function, arguments = jax.jit(lambda thetas: both(model, thetas)), (thetas,)
        else:
            function, arguments = jax.jit(both), (model, thetas)
        return seconds(lambda: function.lower(*arguments).compile())

    rows: list[Row] = []
    other = "269 s (unrolled, 3,000 operations; not in this run)"
    for lineages in (SMALL, LARGEST):
        model = models.islands(lineages).model(moments=1)
        for total, what in ((moment, "moment"), (everything, "densities and moment")):
            compiled(model, total, closed=False)
            for closed, how in ((False, "argument"), (True, "closed over")):
                taken = [compiled(model, total, closed=closed) for _ in range(COMPILES)]
                name = f"compiling {what} and gradient, {operations(model):,} operations, {how}"
                rows.append(limited(name, statistics.median(taken), other, 1.0))
    return rows


# Moments ------------------------------------------------------------------------------------------


def moments() -> list[Row]:
    """Value and gradient of an expectation, for 100 particles."""
    import jax

    from emberkeep.phasetype import models

    def mean(theta: Any, model: Any) -> Any:
        return model.moments(theta)[0]

    both = jax.jit(jax.vmap(jax.value_and_grad(mean), (0, None)))
    thetas = np.random.default_rng(0).uniform(0.5, 2.0, (PARTICLES, 2))
    rows: list[Row] = []
    for lineages, most, asked in ((LARGE, 1e-3, 20), (LARGEST, 15e-3, 3)):
        graph = models.islands(lineages)
        model = graph.model(moments=1)
        values, slopes = both(thetas, model)
        exact, exact_slopes = graph.gradient(thetas)
        assert np.allclose(values, np.ravel(exact), rtol=1e-9)
        assert np.allclose(slopes, np.reshape(exact_slopes, slopes.shape), rtol=1e-8)
        (taken,) = alternately([lambda model=model: jax.block_until_ready(both(thetas, model))], 41)
        theirs = PARTICLES * phasic("islands", lineages, asked)["each_s"]
        name = f"moment and gradient, {operations(model):,} operations, {PARTICLES} particles"
        other = f"{milliseconds(theirs)} (phasic, from {asked} particles)"
        rows.append(against(name, taken, other, theirs, most))
    return rows


def against(name: str, ours: float, other: str, theirs: float, most: float) -> Row:
    """A limited row whose figure says how much less it is than the peer's."""
    row = limited(name, ours, other, most)
    return Row(row.measure, row.ours, other, f"1/{theirs / ours:,.0f}", row.target, row.reached)


# Densities ----------------------------------------------------------------------------------------


def sparse_chain() -> tuple[Any, dict[str, Any]]:
    """A chain of 1000 states with about 4 edges each, mostly forwards, and what it is made of."""
    from emberkeep.phasetype import Graph

    random = np.random.default_rng(0)
    sources = np.repeat(np.arange(STATES), DEGREE)
    jumps = random.integers(1, 50, len(sources)) * random.choice([1, 1, -1], len(sources))
    jumps[::DEGREE] = 1  # so that every state is reached
    pairs = np.unique(sources * STATES + (sources + jumps) % STATES)
    sources, targets = pairs // STATES, pairs % STATES
    weights = random.uniform(0, 1, (len(pairs), PARAMETERS))
    weights *= random.random(weights.shape) < 0.6
    weights[np.arange(len(pairs)), random.integers(0, PARAMETERS, len(pairs))] += 0.2
    leaving = np.zeros((STATES, PARAMETERS))
    ends = random.choice(STATES, STATES // 100, replace=False)
    leaving[ends] = random.uniform(0.05, 0.3, (len(ends), PARAMETERS))
    builder = Graph.builder(theta_length=PARAMETERS, name="sparse")
    initial = np.where(np.arange(STATES) < 3, 1 / 3, 0.0)
    for probability in initial:
        builder.add_vertex(initial=probability)
    end = builder.add_vertex()
    for source, target, coefficients in zip(sources, targets, weights, strict=True):
        builder.add_edge(int(source), int(target), 0.0, coefficients)
    for state in ends:
        builder.add_edge(int(state), end, 0.0, leaving[state])
    parts = {"sources": sources, "targets": targets, "weights": weights, "leaving": leaving}
    return builder.build(), parts | {"initial": initial}


def rates_of(parts: dict[str, Any], theta: Any) -> tuple[Any, Any]:
    """The subintensity matrix, and its rate of uniformisation."""
    from scipy.sparse import csr_array, diags_array

    rates = parts["weights"] @ theta
    out = np.bincount(parts["sources"], rates, STATES) + parts["leaving"] @ theta
    pairs = (parts["sources"], parts["targets"])
    return csr_array((rates, pairs), (STATES, STATES)) - diags_array(out), float(out.max())


def large_densities() -> list[Row]:
    """Densities of 1000 states for 100 particles, with gradients: time and memory."""
    import jax
    import jax.numpy as jnp
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import expm_multiply

    graph, parts = sparse_chain()
    model = graph.model()
    thetas = np.random.default_rng(1).uniform(0.5, 1.5, (PARTICLES, PARAMETERS))
    rates = np.array([rates_of(parts, theta)[1] for theta in thetas])
    times = np.linspace(1.0, 200.0 / np.median(rates), 20)
    steps = int(rates.max() * times[-1] + 6 * np.sqrt(rates.max() * times[-1]) + 20)

    def total(theta: Any, model: Any) -> Any:
        return model.density(theta, times).sum()

    both = jax.jit(jax.vmap(jax.value_and_grad(total), (0, None)))
    compiled = both.lower(thetas, model).compile()
    values, _ = jax.block_until_ready(compiled(thetas, model))
    generator, _ = rates_of(parts, thetas[0])
    begin = parts["initial"]
    states = expm_multiply(generator.T.tocsr(), begin, times[0], times[-1], len(times))
    exact = float((states @ (parts["leaving"] @ thetas[0])).sum())
    assert abs(float(values[0]) / exact - 1) < 1e-9

    transposed = csr_array(np.abs(generator.T))

    def scipy_steps() -> None:
        row = begin
        for _ in range(steps):
            row = transposed @ row
            row /= row.sum()

    taken, one = alternately(
        [lambda: jax.block_until_ready(compiled(thetas, model)), scipy_steps], REPEATS
    )
    used = memory(compiled)
    native = memory(scanned(parts, jnp.asarray(times), steps, thetas))
    reached = rates.max() * times[-1]
    name = f"density of {STATES:,} states at {len(times)} times, rate·time {reached:.0f}"
    return [
        against(
            f"{name}, and gradient, {PARTICLES} particles",
            taken,
            f"{milliseconds(PARTICLES * one)} (SciPy's steps, values alone, from 1 particle)",
            PARTICLES * one,
            0.3,
        ),
        Row(
            "the same: memory, by XLA's account",
            f"{used / 1e6:.3g} MB",
            f"{native / 1e6:,.0f} MB (JAX's derivative of a scan)",
            f"1/{native / used:,.0f}",
            "under 100 MB",
            reached=used < 100e6,
        ),
    ]


def memory(compiled: Any) -> int:
    """Bytes that a program needs beside its arguments."""
    found = compiled.memory_analysis()
    return int(found.temp_size_in_bytes + found.output_size_in_bytes)


def scanned(parts: dict[str, Any], times: Any, steps: int, thetas: Any) -> Any:
    """The same value and gradient as one writes it in JAX; compiled, not run."""
    import jax
    import jax.numpy as jnp

    sources, targets = parts["sources"], parts["targets"]

    def total(theta: Any) -> Any:
        rates, leaving = parts["weights"] @ theta, parts["leaving"] @ theta
        out = leaving.at[sources].add(rates)
        most = jax.lax.stop_gradient(out.max())
        moved, stays = rates / most, 1 - out / most

        def step(row: Any, _: Any) -> Any:
            return (row * stays).at[targets].add(row[sources] * moved), row @ leaving

        _, seen = jax.lax.scan(step, jnp.asarray(parts["initial"]), length=steps)
        counts = jnp.arange(steps)
        mean = most * times[:, None]
        logs = counts * jnp.log(mean) - mean - jax.scipy.special.gammaln(counts + 1.0)
        return (jnp.exp(logs) @ seen).sum()

    return jax.jit(jax.vmap(jax.value_and_grad(total))).lower(thetas).compile()


def coalescent() -> list[Row]:
    """Log densities of a coalescent of 20 at 100 times, and gradients, for 100 thetas."""
    import jax
    import jax.numpy as jnp

    from emberkeep.phasetype import models

    graph = models.kingman(20)
    model, times = graph.model(), np.linspace(0.05, 5.7, 100)

    def total(theta: Any, model: Any) -> Any:
        return jnp.log(model.density(theta, times)).sum()

    both = jax.jit(jax.vmap(jax.value_and_grad(total), (0, None)))
    thetas = np.linspace(0.5, 2.0, THETAS)[:, None]
    jax.block_until_ready(both(thetas, model))
    (taken,) = alternately([lambda: jax.block_until_ready(both(thetas, model))], REPEATS)
    theirs = phasic("gradient", 20, PHASIC_THETAS)
    values, slopes = both(np.array(theirs["thetas"])[:, None], model)
    near = np.array(theirs["thetas"])[:, None] + 1e-5 * np.array([0, 1, -1])
    logs = np.array([[np.log(graph.pdf(times, [x])).sum() for x in row] for row in near])
    assert np.allclose(values, logs[:, 0], rtol=1e-8)
    assert np.allclose(np.ravel(slopes), (logs[:, 1] - logs[:, 2]) / 2e-5, rtol=1e-5)
    apart = np.abs(np.array(theirs["slopes"]) / np.ravel(slopes) - 1).max()
    full = THETAS * theirs["each_s"]
    other = f"{milliseconds(full)} (phasic, from {PHASIC_THETAS}; slopes {apart:.0%} off)"
    name = f"coalescent of 20, {len(graph)} states: densities at 100 times and gradient, 100 thetas"
    return [against(name, taken, other, full, 0.2)]


def main() -> bool:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMBERKEEP_DIR"] = os.path.join(folder, "keep")
        os.environ["EMBERKEEP_CONFIG_DIR"] = os.path.join(folder, "config")
        os.environ["JAX_ENABLE_X64"] = "1"
        print(f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
        return show([*compiling(), *moments(), *large_densities(), *coalescent()])


if __name__ == "__main__":
    sys.exit(not main())
