"""Gradients by adjoints on a GPU: those of the CPU, and of forward sensitivities."""

import numpy as np
import pytest

from emberkeep import ode

pytestmark = pytest.mark.gpu

SIZES = {"lines": 7, "arrays": 26}


def ring(n):
    return ode.System(
        [
            f"dx{i} = (x{(i + 1) % n} - x{(i - 2) % n})*x{(i - 1) % n} - x{i} + F{i}"
            for i in range(n)
        ],
        {f"x{i}": 1.0 + 0.1 * i for i in range(n)},
        {f"F{i}": 3.0 + 0.1 * i for i in range(n)},
        name="forced_ring",
    )


@pytest.mark.parametrize("save_at", [None, 0.3])
@pytest.mark.parametrize("case", SIZES)
def test_gradients_agree_with_the_cpu(case, save_at, keep):
    system = ring(SIZES[case])
    names = ["F0", "F3", "x1"]
    given = {"parameters": {"F0": np.linspace(2, 4, 500)}, "save_at": save_at}
    given |= {"rtol": 1e-9, "atol": 1e-11}
    there, here = (
        ode.Solver(system, target=target, keep=keep, sensitivities=names)
        for target in ("cuda", "cpu")
    )
    result, pullback = ode.vjp(there, (0, 1), **given)
    _, other = ode.vjp(here, (0, 1), **given)
    weights = {"x0": 2 * result["x0"], "x4": np.ones_like(result["x4"])}
    one, two = pullback(weights), other(weights)
    forward = there.solve((0, 1), **given)
    for name in names:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-6, atol=1e-7)
        parts = [weight * forward.sensitivity(key, name) for key, weight in weights.items()]
        expected = sum(part.reshape(500, -1).sum(axis=1) for part in parts)
        np.testing.assert_allclose(one[name], expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("method", "share"), [("rodas5p", 1e-8), ("kvaerno5", 1e-6)])
def test_stiff_steps(method, share, keep):
    system = ode.System(
        "da = -k1*a + k2*b*c; db = k1*a - k2*b*c - k3*b^2; dc = k3*b^2",
        {"a": 1.0, "b": 0.1, "c": 0.1},
        {"k1": 0.4, "k2": 1e2, "k3": 3e3},
        name="reactions",
    )
    one = ode.Solver(system, method=method, target="cuda", keep=keep, sensitivities=["k1", "k3"])
    given = {"parameters": {"k1": np.linspace(0.1, 1, 400)}, "rtol": 1e-8, "atol": 1e-10}
    forward = one.solve((0, 2), **given)
    _, pullback = ode.vjp(one, (0, 2), **given)
    found = pullback({"a": 1.0})
    for name in ("k1", "k3"):
        expected = forward.sensitivity("a", name)
        size = np.abs(expected).max()
        np.testing.assert_allclose(found[name], expected, rtol=share, atol=share * size)


def test_fixed_steps_in_parts(keep):
    """What there is memory for at once, one part after the other."""
    system = ring(7)
    one = ode.Solver(system, method="rk4", target="cuda", keep=keep, sensitivities=["F1", "x0"])
    given = {"parameters": {"F0": np.linspace(2, 4, 300)}, "dt": 0.01}
    _, whole = ode.vjp(one, (0, 1), **given)
    _, parts = ode.vjp(one, (0, 1), memory=101 * 64 * 70, **given)
    found, other = whole({"x2": 1.0}), parts({"x2": 1.0})
    for name in ("F1", "x0"):
        np.testing.assert_array_equal(found[name], other[name])
