"""Models on a GPU, where XLA has no kernels of ours, against the same on the CPU."""

import numpy as np
import pytest

from emberkeep.phasetype import Graph, models

pytestmark = pytest.mark.gpu

jax = pytest.importorskip("jax")


@pytest.fixture(autouse=True)
def double_precision():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture
def devices():
    try:
        return jax.devices("cpu")[0], jax.devices("gpu")[0]
    except RuntimeError as problem:
        pytest.skip(f"JAX has no GPU here: {problem}")


def both(devices, function, *arguments):
    """What a function gives on each; arguments decide where it runs."""
    return [
        jax.tree.map(np.asarray, jax.jit(function)(*jax.device_put(arguments, device)))
        for device in devices
    ]


GRAPHS = {
    "acyclic": lambda: models.kingman(7),
    "cyclic": lambda: models.islands(5),
    "discrete": lambda: Graph.from_matrix(
        [[0.5, 0.2, 0.1], [0.1, 0.4, 0.3], [0.0, 0.3, 0.3]], [0.6, 0.3, 0.0], discrete=True
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_densities_are_those_of_the_cpu(devices, name):
    graph = GRAPHS[name]()
    model = graph.model(moments=3)
    theta = np.linspace(0.6, 1.3, graph.theta_length)
    times = np.arange(0.0, 9.0) if graph.is_discrete else np.linspace(0.0, 6.0, 50)
    here, there = both(devices, lambda m, v, t: (m(v, t), m.survival(v, t)), model, theta, times)
    for one, other in zip(jax.tree.leaves(here), jax.tree.leaves(there), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["acyclic", "cyclic"])
def test_gradients_are_those_of_the_cpu(devices, name):
    graph = GRAPHS[name]()
    model = graph.model(moments=2)
    times = np.linspace(0.05, 5.0, 40)
    many = np.random.default_rng(0).uniform(0.5, 2.0, (33, graph.theta_length))

    def score(model, theta, times):
        density, moments = model(theta, times)
        return jax.numpy.log(density).sum() + moments.sum()

    def gradients(model, many, times):
        by_theta = jax.vmap(jax.value_and_grad(score, 1), (None, 0, None))(model, many, times)
        return by_theta, jax.grad(score, 2)(model, many[0], times)

    here, there = both(devices, gradients, model, many, times)
    for one, other in zip(jax.tree.leaves(here), jax.tree.leaves(there), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-11)


def test_rewards_that_remove_states(devices):
    graph = models.islands(4)
    rewards = np.zeros((len(graph), 2))
    rewards[:, 0] = np.arange(len(graph)) % 3
    rewards[:, 1] = 1.0
    model = graph.model(rewards=rewards, moments=2)
    times = np.stack([np.linspace(0.1, 4.0, 20)] * 2, axis=1)
    theta = np.array([1.0, 0.7])
    here, there = both(devices, lambda m, v, t: m(v, t), model, theta, times)
    for one, other in zip(here, there, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-13)
