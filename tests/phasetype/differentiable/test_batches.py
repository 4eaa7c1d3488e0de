"""vmap, jit and grad in all orders against calls one by one; programs that serve other graphs."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emberkeep.phasetype.differentiable import primitives


@pytest.fixture
def made(dense):
    rng = np.random.default_rng(11)
    linear = dense.random(rng, 6, 2)
    return linear, linear.graph().model(moments=2), rng.uniform(0.3, 2, (37, 2))


@pytest.fixture
def going_back(monkeypatch):
    """As for many parameters: gradients by going back, in place of walking along directions."""
    monkeypatch.setattr(primitives, "FEW", 0)
    jax.clear_caches()
    yield
    jax.clear_caches()


def same(found, expected, rtol=1e-10):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=rtol, atol=1e-13)


def table(linear, thetas, times):
    return np.array([[linear.density(x, t) for t in times] for x in thetas])


@pytest.mark.parametrize("many", [1, 9, 37])
def test_all_ways_to_map_values(made, many):
    linear, model, thetas = made
    thetas, times = thetas[:many], np.linspace(0.1, 3, 37)[:many]
    known = table(linear, thetas, times)
    density = model.density
    same(jax.vmap(density, (0, None))(thetas, times), known)
    same(jax.vmap(density, (None, 1), 1)(thetas[0], times[None])[0], known[0])
    same(jax.vmap(density)(thetas, times), np.diag(known))
    same(jax.vmap(jax.vmap(density, (None, 0)), (0, None))(thetas, times), known)
    same(jax.vmap(jax.vmap(density, (0, None)), (None, 0))(thetas, times), known.T)
    same(jax.vmap(density, (1, None), 1)(thetas.T, times), known.T)
    same(jax.jit(jax.vmap(jax.vmap(density), (None, 0)))(thetas, times[:, None] + 0 * times),
         known.T)  # fmt: skip
    paired = jax.vmap(jax.vmap(density), (0, None))(
        np.broadcast_to(thetas, (3, *thetas.shape)) * np.array([1.0, 1.1, 1.2])[:, None, None],
        times,
    )
    same(paired[0], np.diag(known))
    same(paired[2], np.diag(table(linear, 1.2 * thetas, times)))


@pytest.mark.parametrize("many", [1, 37])
def test_all_ways_to_map_gradients(dense, made, many):
    linear, model, thetas = made
    thetas, times = thetas[:many], np.linspace(0.1, 3, 37)[:many]
    known = np.array(
        [[dense.slopes(lambda x, t=t: linear.density(x, t), x) for t in times[:5]] for x in thetas]
    )
    by_time = np.array(
        [dense.slopes(lambda t, x=x: linear.density(x, t), t) for x, t in zip(thetas, times)]
    )
    slope, times_5 = jax.grad(model.density), times[:5]
    same(jax.vmap(jax.vmap(slope, (None, 0)), (0, None))(thetas, times_5), known)
    same(jax.vmap(jax.vmap(slope, (0, None)), (None, 0))(thetas, times_5), known.swapaxes(0, 1))
    same(jax.vmap(jax.jacrev(model.density), (0, None))(thetas, times_5), known)
    paired = jax.vmap(jax.grad(model.density, (0, 1)))(thetas, times)
    few = min(many, 5)
    same(paired[0][:few], known[np.arange(few), np.arange(few)])
    same(paired[1], by_time)
    total = lambda x: jax.vmap(model.density, (0, None))(x, times_5).sum()  # noqa: E731
    same(jax.jit(jax.grad(total))(thetas), known.sum(axis=1))
    shared = lambda x, t: jax.vmap(model.density, (None, 0))(x, t).sum()  # noqa: E731
    same(jax.grad(shared)(thetas[0], times_5), known[0].sum(axis=0))
    same(jax.grad(shared, 1)(thetas[0], times_5)[0], by_time[0])


def test_moments_and_their_jacobian_under_vmap(dense, made):
    linear, model, thetas = made
    same(jax.vmap(model.moments)(thetas), [linear.moments(x, 2) for x in thetas])
    known = [dense.slopes(lambda x: linear.moments(x, 2), x) for x in thetas]
    same(jax.jit(jax.vmap(jax.jacrev(model.moments)))(thetas), known)


def test_another_graph_of_about_the_size_needs_no_new_program(dense):
    traced, rng = [], np.random.default_rng(3)

    @jax.jit
    def value_and_slope(model, theta, times):
        traced.append(True)
        return jax.value_and_grad(lambda x: model.density(x, times).sum())(theta)

    # Rounded sizes are the same; what they are rounded from is not.
    base, theta, times = np.zeros((6, 6)), np.array([0.7, 1.2]), np.array([0.5, 2.0])
    for ends in ((1, 2, 3), (2, 4, 3), (4, 1, 2)):
        coefficients = np.zeros((6, 6, 2))
        for i in range(5):
            coefficients[i, i + 1] = rng.uniform(0.2, 1, 2)
        coefficients[ends[0], 5, 0] = coefficients[ends[1], ends[2] - 1, 1] = 0.6
        linear = dense.Linear(base, coefficients, np.eye(6)[0])
        value, slope = value_and_slope(linear.graph().model(), theta, times)
        same(value, sum(linear.density(theta, t) for t in times))
        same(slope, dense.slopes(lambda x: sum(linear.density(x, t) for t in times), theta))
    assert len(traced) == 1
    assert value_and_slope._cache_size() == 1


def test_models_over_which_a_function_is_closed(dense, made):
    linear, model, thetas = made
    total = jax.jit(lambda x: jnp.log(model.density(x, jnp.array([0.3, 0.9]))).sum())
    known = lambda x: sum(np.log(linear.density(x, t)) for t in (0.3, 0.9))  # noqa: E731
    same(total(thetas[0]), known(thetas[0]))
    same(jax.grad(total)(thetas[0]), dense.slopes(known, thetas[0]))


def test_models_themselves_are_not_mapped(made):
    _, model, thetas = made
    several = jax.tree.map(lambda part: jnp.stack([part, part]), model)
    with pytest.raises(TypeError, match="models themselves"):
        jax.vmap(lambda m: m.density(thetas[0], 1.0))(several)


def test_threads_get_what_one_gets(made):
    """Far more calls at once than a handler has places for."""
    linear, model, thetas = made
    call = jax.jit(jax.vmap(jax.value_and_grad(model.density), (0, None)))
    expected = [jax.tree.map(np.asarray, call(thetas, t)) for t in (0.2, 1.0)]
    same(expected[0][0], table(linear, thetas, [0.2])[:, 0])
    wrong, done = [], []
    rounding = 0.0 if jax.default_backend() == "cpu" else 1e-12  # GPUs add up in any order

    def work():
        for number in range(40):
            running = [call(thetas, (0.2, 1.0)[(number + i) % 2]) for i in range(4)]
            for i, found in enumerate(running):
                for a, b in zip(found, expected[(number + i) % 2], strict=True):
                    if not np.allclose(a, b, rtol=rounding, atol=0):
                        wrong.append(number)
        done.append(True)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(done) == 8
    assert not wrong


@pytest.mark.parametrize("quantity", ["density", "survival"])
@pytest.mark.parametrize("many", [1, 37])
def test_going_back_gives_the_same_gradients(made, going_back, quantity, many):
    linear, model, thetas = made
    thetas, times = thetas[:many], np.array([0.05, 0.3, 1.0, 4.0])
    found = jax.vmap(jax.jacrev(getattr(model, quantity)), (0, None))(thetas, times)
    assert primitives.FEW == 0
    for theta, slopes in zip(thetas, found, strict=True):
        for place in range(2):
            moved = np.eye(2)[place] * 1e-20j
            function = linear.density if quantity == "density" else linear.survival
            known = [function(theta + moved, t).imag / 1e-20 for t in times]
            same(slopes[:, place], known, rtol=1e-9)


def test_going_back_through_rewards(dense, going_back):
    """Where it begins depends on parameters too: states without rewards are left out."""
    linear = dense.random(np.random.default_rng(3), 5, 2)
    graph = linear.graph()
    rewards = np.arange(len(graph)) % 2.0
    model, theta, times = graph.model(rewards=rewards), np.array([0.8, 1.4]), np.array([0.2, 1.5])
    found = jax.jacrev(model.density)(theta, times)
    step = 1e-6
    for place in range(2):
        moved = np.eye(2)[place] * step
        up = graph.reward_transform(rewards, theta + moved).pdf(times)
        down = graph.reward_transform(rewards, theta - moved).pdf(times)
        same(found[:, place], (up - down) / (2 * step), rtol=1e-6)


def test_a_dozen_parameters(dense):
    linear = dense.random(np.random.default_rng(5), 6, 12)
    model, theta = linear.graph().model(), np.random.default_rng(6).uniform(0.3, 2.0, 12)
    found = jax.grad(model.density)(theta, 0.7)
    known = [linear.density(theta + 1e-20j * way, 0.7).imag / 1e-20 for way in np.eye(12)]
    same(found, known, rtol=1e-9)
