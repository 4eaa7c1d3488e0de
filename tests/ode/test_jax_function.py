"""Solutions as functions that JAX differentiates, against closed forms."""

import subprocess
import sys

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.errors import InvalidPlan
from emberkeep.ode.adjoint import Pullback

jax = pytest.importorskip("jax")
jnp = jax.numpy

TIMES, W, X = np.array([0.5, 1.0, 2.0]), 2.0, 1.5
TIGHT = {"rtol": 1e-11, "atol": 1e-13}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def spring():
    return ode.System(
        "dx = v; dv = -w^2*x; e = v^2/2 + w^2*x^2/2",
        {"x": 1.0, "v": 0.0},
        {"w": W, "unused": 1.0},
        observables=["e"],
        name="spring",
    )


@pytest.fixture
def function(spring, keep):
    one = ode.Solver(spring, target="cpu", keep=keep, threads=1, sensitivities=["w", "x"])
    return ode.jax_function(one, (0, 2), save_at=TIMES, **TIGHT)


THETA = np.array([W, X])
JACOBIAN = np.stack([-X * TIMES * np.sin(W * TIMES), np.cos(W * TIMES)], axis=-1)


def position(function):
    return lambda theta: function(theta)["x"]


def test_values_and_names(function):
    found = function(THETA)
    assert [*found] == ["x", "v", "e"]
    np.testing.assert_allclose(found["x"], X * np.cos(W * TIMES), rtol=1e-9)
    np.testing.assert_allclose(found["e"], np.full(3, (W * X) ** 2 / 2), rtol=1e-9)
    assert function.names == ("w", "x")


@pytest.mark.parametrize("way", ["jacfwd", "jacrev"])
@pytest.mark.parametrize("jit", [False, True])
def test_jacobians(way, jit, function):
    made = getattr(jax, way)(position(function))
    made = jax.jit(made) if jit else made
    np.testing.assert_allclose(made(THETA), JACOBIAN, rtol=1e-8, atol=1e-9)


def test_a_gradient_of_a_loss_over_a_batch_is_one_solve(function, monkeypatch):
    calls = []
    solve = ode.Solver.solve

    def counted(self, *given, **options):
        calls.append(np.size(options["parameters"]["w"]))
        return solve(self, *given, **options)

    monkeypatch.setattr(ode.Solver, "solve", counted)
    w = np.linspace(1, 3, 5)
    thetas = np.stack([w, np.full(5, X)], axis=-1)

    def loss(thetas):
        return (jax.vmap(position(function))(thetas)[:, -1] ** 2).sum()

    found = jax.jit(jax.grad(loss))(thetas)
    x = X * np.cos(2 * w)
    expected = np.stack([-4 * x * X * np.sin(2 * w), 2 * x * np.cos(2 * w)], axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)
    assert calls == [5]


def test_at_the_end_with_other_numbers_given(spring, keep):
    one = ode.Solver(spring, target="cpu", keep=keep, threads=1, sensitivities=["w"])
    function = ode.jax_function(one, (0, 2), initial={"x": X}, **TIGHT)
    found, slope = jax.jvp(position(function), ([W],), ([1.0],))
    assert float(found) == pytest.approx(X * np.cos(4), rel=1e-9)
    assert float(slope) == pytest.approx(-2 * X * np.sin(4), rel=1e-9)


def test_it_is_computed_in_double_precision_whatever_jax_is_set_to(function):
    def loss(theta):
        return position(function)(theta).sum()

    with jax.enable_x64(False):
        found = jax.jit(jax.grad(loss))(THETA)
        assert found.dtype == jnp.float32
        assert position(function)(THETA).dtype == jnp.float32
    np.testing.assert_allclose(found, JACOBIAN.sum(axis=0), rtol=2e-6)


def test_what_is_not_there_is_refused(function, spring, keep):
    with pytest.raises(InvalidPlan, match="second derivatives"):
        jax.hessian(lambda theta: position(function)(theta).sum())(THETA)
    with pytest.raises(InvalidPlan, match=r"shape \(3,\)"):
        function(np.ones(3))
    plain = ode.Solver(spring, target="cpu", keep=keep)
    with pytest.raises(InvalidPlan, match="no sensitivities"):
        ode.jax_function(plain, (0, 1))
    one = ode.Solver(spring, target="cpu", keep=keep, sensitivities=["w"])
    with pytest.raises(InvalidPlan, match="w is given"):
        ode.jax_function(one, (0, 1), parameters={"w": 1.0})
    with pytest.raises(InvalidPlan, match="several trajectories"):
        ode.jax_function(one, (0, [1.0, 2.0]))


def test_trajectories_that_fail_have_no_gradient(blowup, keep):
    one = ode.Solver(blowup, target="cpu", keep=keep, threads=1, sensitivities=["x"])
    function = ode.jax_function(one, (0, 2))
    gradient = jax.vmap(jax.grad(lambda theta: function(theta)["x"]))
    with pytest.warns(match="failed"):
        found = gradient(np.array([[0.25], [1.0]]))
    assert float(found[0, 0]) == pytest.approx(4.0, rel=1e-4)
    assert np.isnan(found[1, 0])


# By an adjoint ------------------------------------------------------------------------------------


@pytest.fixture
def adjoint(spring, keep):
    one = ode.Solver(spring, target="cpu", keep=keep, threads=1, sensitivities=["w", "x"])
    return ode.jax_function(one, (0, 2), save_at=TIMES, gradients="adjoint", **TIGHT)


@pytest.mark.parametrize("jit", [False, True])
def test_an_adjoint_gives_what_sensitivities_give(jit, function, adjoint):
    made = jax.jacrev(position(adjoint))
    made = jax.jit(made) if jit else made
    np.testing.assert_allclose(made(THETA), JACOBIAN, rtol=1e-8, atol=1e-9)
    one, other = (jax.grad(lambda theta, f=f: (f(theta)["e"] ** 2).sum())(THETA)
                  for f in (function, adjoint))  # fmt: skip
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_an_adjoint_of_a_batch_is_one_pass(adjoint, monkeypatch):
    calls = []
    pull = Pullback.pull

    def counted(self, weights):
        calls.append(len(weights))
        return pull(self, weights)

    monkeypatch.setattr(Pullback, "pull", counted)
    w = np.linspace(1, 3, 5)
    thetas = np.stack([w, np.full(5, X)], axis=-1)

    def loss(thetas):
        return (jax.vmap(position(adjoint))(thetas)[:, -1] ** 2).sum()

    found = jax.jit(jax.grad(loss))(thetas)
    x = X * np.cos(2 * w)
    expected = np.stack([-4 * x * X * np.sin(2 * w), 2 * x * np.cos(2 * w)], axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)
    assert calls == [5]


def test_an_adjoint_at_the_end_in_single_precision(spring, keep):
    one = ode.Solver(spring, target="cpu", keep=keep, threads=1, sensitivities=["w"])
    function = ode.jax_function(one, (0, 2), initial={"x": X}, gradients="adjoint", **TIGHT)
    with jax.enable_x64(False):
        found = jax.grad(lambda theta: function(theta)["x"])(jnp.array([W]))
        assert found.dtype == jnp.float32
    assert float(found[0]) == pytest.approx(-2 * X * np.sin(4), rel=2e-6)


def test_what_an_adjoint_does_not_do_is_refused(adjoint, spring, keep):
    with pytest.raises(InvalidPlan, match="second derivatives"):
        jax.jacrev(jax.grad(lambda theta: position(adjoint)(theta).sum()))(THETA)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jacfwd(position(adjoint))(THETA)
    one = ode.Solver(spring, target="cpu", keep=keep, sensitivities=["w"], error_norm="all")
    with pytest.raises(InvalidPlan, match="error_norm"):
        ode.jax_function(one, (0, 1), gradients="adjoint")
    with pytest.raises(InvalidPlan, match="gradients='backward'"):
        ode.jax_function(one, (0, 1), gradients="backward")


def test_jax_is_imported_only_for_it():
    code = "import sys; from emberkeep import ode; ode.jax_function; print('jax' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
