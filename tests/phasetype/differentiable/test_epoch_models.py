"""Models of time that changes, and their derivatives, against dense matrices by complex steps."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import models
from emberkeep.phasetype.differentiable import primitives, segments

STARTS = np.array([0.4, 1.1])
TIMES = np.array([0.1, 0.7, 0.4 + 1e-9, 2.5, 1.0])


def close(found, expected, rtol=1e-9, atol=1e-12):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=rtol, atol=atol)


class Changing:
    """A dense chain with two parameters and three epochs; a pulse, perhaps, before the last."""

    def __init__(self, dense, rng, *, discrete=False, pulsed=False, rewards=None):
        self.linear = dense.random(rng, 5, 2, discrete=discrete)
        self.graph, n = self.linear.graph(), 5
        self.rewards = np.ones((3, n)) if rewards is None else rewards
        self.pulse = np.eye(n)
        if pulsed:
            self.pulse[:-1] = rng.dirichlet(np.ones(n), n - 1)
        self.order = self.linear.order(self.graph)
        self.pulsed, self.discrete = pulsed, discrete

    def epochs(self, vector):
        theta, starts = np.real(vector[:6]).reshape(3, 2), np.real(vector[6:])
        own = self.pulse[np.ix_(self.order, self.order)]
        late = (starts[1], theta[2], own) if self.pulsed else (starts[1], theta[2])
        return self.graph.epochs([(0, theta[0]), (starts[0], theta[1]), late])

    def by_vertex(self, rewards):
        return rewards[:, self.order][:, :, None]

    def step(self, vector, number, order=0):
        """Of one epoch: a matrix over all states, with copies for powers of rewards."""
        theta = vector[2 * number : 2 * number + 2]
        weights = self.linear.weights(theta)
        flow = weights - np.diag(weights.sum(axis=1))
        earned = self.rewards[number].copy()
        earned[-1] = 0.0
        shifts = [np.eye(order + 1, k=k) for k in range(order + 1)]
        if not self.discrete:
            first = np.kron(shifts[1], np.diag(earned)) if order else 0.0
            return np.kron(np.eye(order + 1), flow) + first
        powers = [np.diag(earned**k / math.factorial(k)) for k in range(order + 1)]
        return sum(
            np.kron(shift, power @ (flow + np.eye(5)))
            for shift, power in zip(shifts, powers, strict=True)
        )

    def at(self, vector, time, order=0):
        """By copy and state; after what happens at that time, unless that is just before a step."""
        row = np.zeros(5 * (order + 1), complex)
        row[:5] = self.linear.initial
        starts = [0.0, *vector[6:]]
        ends = [*vector[6:], np.inf]
        for number in range(3):
            if np.real(starts[number]) > np.real(time):
                break
            if number == 2:  # noqa: PLR2004 - the last
                row = row @ np.kron(np.eye(order + 1), self.pulse)
            last = np.real(ends[number]) > np.real(time)
            length = (time if last else ends[number]) - starts[number]
            matrix = self.step(vector, number, order)
            row = row @ (
                np.linalg.matrix_power(matrix, round(np.real(length)))
                if self.discrete
                else scipy.linalg.expm(matrix * length)
            )
        return row.reshape(order + 1, 5)

    def density(self, vector, time):
        number = int((np.real(time) >= np.real(vector[6:])).sum())
        return (
            self.at(vector, time)[0, :-1]
            @ self.linear.weights(vector[2 * number : 2 * number + 2])[:-1, -1]
        )

    def survival(self, vector, time):
        return self.at(vector, time)[0, :-1].sum()

    def mass(self, vector, step):
        begun = self.linear.initial.sum()
        before = self.survival(vector, step - 1) if step else 1.0 + 0 * vector[0]
        return before - self.survival(vector, step) if step else before - begun

    def moments(self, vector, order):
        """By going on in the last epoch until nothing is left of what is not linear: exactly."""
        before = self.at(vector, vector[-1], order)
        matrix = self.step(vector, 2, order)
        full = before.reshape(-1)
        inner = np.array([k * 5 + i for k in range(order + 1) for i in range(4)])
        own, flow = full[inner], matrix[np.ix_(inner, inner)]
        ends = np.array([k * 5 + 4 for k in range(order + 1)])
        into = matrix[np.ix_(inner, ends)]
        spent = np.linalg.solve((np.eye(len(flow)) - flow if self.discrete else -flow).T, own)
        total = before[:, 4] + spent @ into
        return np.array([math.factorial(k) * total[k] for k in range(1, order + 1)])


VECTOR = np.array([0.8, 1.3, 2.0, 0.4, 0.5, 1.5, *STARTS])


@pytest.mark.parametrize("seed", range(3))
def test_densities_survival_and_slopes(dense, seed):
    rng = np.random.default_rng(seed)
    changing = Changing(dense, rng, pulsed=seed > 0)
    model = changing.epochs(VECTOR).model()
    for name in ("density", "survival"):
        reference, own = getattr(changing, name), getattr(model, name)
        found, back = jax.vjp(own, VECTOR, TIMES)
        close(found, [np.real(reference(VECTOR, t)) for t in TIMES])
        by_vector, by_time = jax.vmap(back)(jnp.eye(len(TIMES)))
        known = [dense.slopes(lambda x, t=t: reference(x, t), VECTOR) for t in TIMES]
        close(by_vector, known, rtol=1e-8, atol=1e-10)
        known = [dense.slopes(lambda t: reference(VECTOR, t), t) for t in TIMES]
        close(jnp.diag(by_time), known, rtol=1e-8, atol=1e-10)
    close(model(VECTOR, TIMES), changing.epochs(VECTOR).pdf(TIMES), rtol=1e-12)


@pytest.mark.parametrize("pulsed", [False, True])
def test_moments_and_their_slopes(dense, pulsed):
    rng = np.random.default_rng(7)
    rewards = rng.uniform(0, 2, (3, 5)) * (rng.random((3, 5)) < 0.8)
    rewards[:, 0] = 1.0
    for earned in (None, rewards):
        changing = Changing(dense, np.random.default_rng(3), pulsed=pulsed, rewards=earned)
        by_vertex = None if earned is None else changing.by_vertex(earned)[:, :, 0][:, :, None]
        epochs = changing.epochs(VECTOR)
        model = epochs.model(moments=3, rewards=by_vertex)
        reference = lambda x, c=changing: c.moments(x, 3)  # noqa: E731
        found = np.ravel(model.moments(VECTOR))
        close(found, np.real(reference(VECTOR)))
        slopes = np.reshape(jax.jacrev(model.moments)(VECTOR), (3, -1))
        close(slopes, dense.slopes(reference, VECTOR), rtol=1e-8, atol=1e-9)
        close(found, epochs.moments(3, rewards=by_vertex), rtol=1e-11)


def test_what_is_earned_on_the_way(dense):
    rng = np.random.default_rng(8)
    rewards = rng.uniform(0.5, 2, (3, 5))
    changing = Changing(dense, rng, pulsed=True, rewards=rewards)
    epochs, by_vertex = changing.epochs(VECTOR), changing.by_vertex(rewards)
    model = epochs.model(moments=1, rewards=by_vertex)
    reference = lambda x, t: changing.at(x, t, 1)[1].sum()  # noqa: E731
    found, back = jax.vjp(model.accumulated_rewards, VECTOR, TIMES)
    close(found[:, 0], [np.real(reference(VECTOR, t)) for t in TIMES])
    close(found, epochs.accumulated_rewards(TIMES, rewards=by_vertex), rtol=1e-11)
    by_vector, by_time = jax.vmap(back)(jnp.eye(len(TIMES))[:, :, None])
    known = [dense.slopes(lambda x, t=t: reference(x, t), VECTOR) for t in TIMES]
    close(by_vector, known, rtol=1e-8, atol=1e-10)
    known = [dense.slopes(lambda t: reference(VECTOR, t), t) for t in TIMES]
    close(jnp.diag(by_time), known, rtol=1e-8, atol=1e-10)
    assert np.isnan(model.accumulated_rewards(VECTOR, np.array([np.inf, -1.0]))).all()


@pytest.mark.parametrize("pulsed", [False, True])
def test_steps(dense, pulsed):
    vector = np.array([0.8, 1.3, 2.0, 0.4, 0.5, 1.5, 3.0, 5.0]) / np.repeat([4.0, 1.0], [6, 2])
    rewards = np.array([[1, 2, 0, 1, 0], [2, 1, 3, 0, 0], [0, 1, 1, 2, 0]]).astype(float)
    changing = Changing(
        dense, np.random.default_rng(4), discrete=True, pulsed=pulsed, rewards=rewards
    )
    epochs, steps = changing.epochs(vector), np.arange(12.0)
    model = epochs.model(moments=2)
    close(model.density(vector, steps), [np.real(changing.mass(vector, s)) for s in range(12)])
    close(model.density(vector, steps), epochs.pmf(steps), rtol=1e-11)
    close(model.survival(vector, steps), epochs.survival(steps), rtol=1e-11)
    theta = lambda x: np.concatenate([x, vector[6:]])  # noqa: E731
    known = [dense.slopes(lambda x, s=s: changing.mass(theta(x), s), vector[:6]) for s in range(12)]
    found = jax.jacrev(model.density)(vector, steps)
    close(found[:, :6], known, rtol=1e-8, atol=1e-11)
    assert not found[:, 6:].any()
    earned = epochs.model(moments=2, rewards=changing.by_vertex(rewards))
    gathered = epochs.accumulated_rewards(steps, rewards=changing.by_vertex(rewards))
    close(earned.accumulated_rewards(vector, steps), gathered, rtol=1e-11)
    close(earned.moments(vector)[0], np.real(changing.moments(vector, 2)))
    close(earned.moments(vector)[0], epochs.moments(2, rewards=changing.by_vertex(rewards)), 1e-11)
    known = dense.slopes(lambda x: changing.moments(theta(x), 2), vector[:6])
    close(jax.jacrev(earned.moments)(vector)[0][:, :6], known, rtol=1e-8, atol=1e-10)


def test_epochs_that_are_all_the_same_are_the_graph():
    graph = models.kingman(5)
    epochs = graph.epochs([(0, [1.5]), (0.3, [1.5]), (0.3, [1.5]), (0.9, [1.5])])
    model, plain = epochs.model(moments=2), graph.model(moments=2)
    times = np.array([0.0, 0.2, 0.3, 1.0, 4.0])
    density, moments = model(epochs.theta, times)
    expected, known = plain(np.array([1.5]), times)
    close(density, expected, rtol=1e-12)
    close(moments, known, rtol=1e-12)
    by_theta = jax.jacrev(model.density)(epochs.theta, times)
    close(by_theta[:, :4].sum(axis=1), jax.jacrev(plain.density)(np.array([1.5]), times)[:, 0])
    moved = by_theta[np.array([0, 1, 3, 4]), 4:]  # of a boundary that changes nothing, no one knows
    close(moved, np.zeros_like(moved), atol=1e-10)


def test_two_lineages_far_in_the_tail():
    """The logarithm of the density is a sum of a few terms, and so are its slopes."""
    epochs = models.lineages(2).epochs([(0, [1.0]), (50.0, [4.0]), (100.0, [0.5])])
    model = epochs.model()
    found, slopes = jax.value_and_grad(model.log_density)(epochs.theta, 500.0)
    assert found == pytest.approx(math.log(0.5) - 50 - 200 - 200, rel=1e-12)
    close(slopes, [-50.0, -50.0, 1 / 0.5 - 400, -1 + 4.0, -4.0 + 0.5], rtol=1e-9)


def test_what_stands_beside_changes_nothing():
    epochs = models.kingman(6).epochs([(0, [1.0]), (0.2, [5.0]), (0.5, [0.5])])
    model, times = epochs.model(moments=2), np.array([0.1, 0.3, 2.0])
    many = epochs.theta * np.linspace(0.5, 3.0, 11)[:, None]
    together = jax.vmap(model, (0, None))(many, times)
    alone = [model(vector, times) for vector in many]
    np.testing.assert_array_equal(together[0], np.stack([density for density, _ in alone]))
    np.testing.assert_array_equal(together[1], np.stack([moments for _, moments in alone]))
    gradient = jax.grad(lambda vector: model.log_density(vector, times).sum())
    np.testing.assert_array_equal(jax.vmap(gradient)(many), np.stack([*map(gradient, many)]))


def test_graphs_and_numbers_of_one_size_are_one_program():
    traced = []

    @jax.jit
    def height(model, vector):
        traced.append(None)
        return model.log_density(vector, jnp.array([0.5, 1.0])).sum()

    for n, middle in ((9, 3.0), (10, 3.0), (11, 5.0)):
        epochs = models.lineages(n).epochs([(0, [1.0]), (0.2, [middle]), (middle, [0.5])])
        value = height(epochs.model(), epochs.theta)
        assert value == pytest.approx(np.log(epochs.pdf([0.5, 1.0])).sum(), rel=1e-11)
    assert len(traced) == 1


def test_arrays_are_what_kernels_are(dense, monkeypatch):
    """What is carried on, and its slopes; `seen` is what models of graphs see."""
    changing = Changing(dense, np.random.default_rng(2))
    places = changing.epochs(VECTOR).model()._places
    edges, leaving, initial = primitives.weights_of(places["chain"], VECTOR[:6].reshape(3, 2))
    rows = jnp.arange(leaving.shape[1]) < places["places"]["counts"][0]  # the others are none
    lengths = jnp.array([0.4, 0.0, 1.5])
    sought = jnp.where(rows, jnp.linspace(-1.0, 1.0, leaving.size).reshape(leaving.shape), 0.0)

    def carried():
        def function(*given):
            return segments.carried(places["places"], given, lengths)

        found, back = jax.vjp(function, edges, leaving, initial)
        return [found, *back(sought)]

    by_kernels = carried()
    monkeypatch.setattr(primitives, "is_supported", lambda: False)
    jax.clear_caches()
    inner = places["places"]["counts"][1]
    for kernel, array in zip(by_kernels, carried(), strict=True):
        many = inner if kernel.shape == edges.shape else rows.sum()
        close(array[:, :many], kernel[:, :many], rtol=1e-10)
    jax.clear_caches()


def test_pulses_that_end_chains_have_a_likelihood():
    pulse = np.eye(3)
    pulse[1] = [0.25, 0.75, 0.0]
    epochs = models.lineages(3).epochs([(0, [1.0]), (1.0, [2.0], pulse)])
    model = epochs.model(moments=2)
    assert model.likelihood(epochs.theta, 1.0) == pytest.approx(epochs.atoms[1], rel=1e-12)
    assert model.likelihood(epochs.theta, 1.5) == pytest.approx(epochs.pdf(1.5), rel=1e-12)
    close(model.moments(epochs.theta), epochs.moments(2), rtol=1e-12)


def test_what_cannot_be_is_no_number():
    epochs = models.lineages(4).epochs([(0, [1.0]), (0.5, [2.0]), (1.0, [3.0])])
    model = epochs.model(moments=1)
    late = np.array([1.0, 2.0, 3.0, 1.0, 0.5])
    negative = np.array([1.0, -2.0, 3.0, 0.5, 1.0])
    for vector in (late, negative):
        assert np.isnan(model.density(vector, 2.0))
        assert np.isnan(model.moments(vector)).all()
    assert model.density(epochs.theta, -1.0) == 0
    assert model.survival(epochs.theta, -1.0) == 1
    assert np.isnan(model.density(epochs.theta, np.nan))


def test_impossible_models_are_named():
    epochs = models.lineages(4).epochs([(0, [1.0]), (0.5, [2.0])])
    with pytest.raises(InvalidGraph, match=r"shape \(2,\); expected \(3,\): 1 parameters for each"):
        epochs.model().density([1.0, 2.0], 1.0)
    with pytest.raises(InvalidGraph, match="without moments"):
        epochs.model().moments(epochs.theta)
    with pytest.raises(InvalidGraph, match="from 0 to 8"):
        epochs.model(moments=9)
    with pytest.raises(InvalidGraph, match="gives their moments"):
        epochs.model(rewards=np.ones(4))
    earned = epochs.model(rewards=np.ones(4), moments=1)
    with pytest.raises(InvalidGraph, match="made with rewards"):
        earned.density(epochs.theta, 1.0)
    assert "2 epochs, 3 parameters, 1 moments" in repr(earned)


def test_an_epoch_that_is_far_away_costs_nothing():
    """None of its steps are taken, of which there would be too many, and it has no slopes."""
    epochs = models.lineages(6).epochs([(0, [1.0]), (1e12, [3.0])])
    model, times = epochs.model(), np.array([0.2, 1.5])
    plain = models.lineages(6).model()
    close(model.density(epochs.theta, times), plain(np.ones(1), times), rtol=1e-13)
    slopes = jax.jacrev(model.log_density)(epochs.theta, times)
    close(slopes[:, :1], jax.jacrev(plain.log_density)(np.ones(1), times))
    assert not slopes[:, 1:].any()


def test_what_a_program_depends_on_is_plain():
    """Programs are kept under it."""
    _, described = models.lineages(4).epochs([(0, [1.0])]).model(moments=1).tree_flatten()
    assert {*map(type, described)} <= {int, bool}
