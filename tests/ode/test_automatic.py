"""method="auto": explicit where it is not stiff, implicit where it is; it says which."""

import numpy as np
import pytest
import scipy.linalg

from emberkeep import InvalidPlan, ode

VAN_DER_POL = ode.System(
    "dx = v; dv = mu*(1 - x^2)*v - x", {"x": 2.0, "v": 0.0}, {"mu": 1.0}, name="van der pol"
)
ROBERTSON = ode.System(
    "dx = -k1*x + 1e4*y*z; dy = k1*x - 1e4*y*z - 3e7*y^2; dz = 3e7*y^2",
    {"x": 1.0, "y": 0.0, "z": 0.0},
    {"k1": 0.04},
    name="robertson",
)


def solved(keep, system, span, **more):
    return ode.Solver(system, method="auto", target="cpu", keep=keep).solve(span, **more)


@pytest.mark.parametrize(
    ("mu", "span", "method"),
    [(1.0, 20, "tsit5"), (3.0, 200, "tsit5"), (1e3, 2000, "rodas5p"), (1e5, 10, "rodas5p")],
)
def test_one_system_is_stiff_or_not_by_its_parameter(keep, mu, span, method):
    values = mu * np.linspace(0.9, 1.1, 40)
    found = solved(keep, VAN_DER_POL, (0, span), parameters={"mu": values}, rtol=1e-6, atol=1e-6)
    assert found.method == method
    named = ode.Solver(VAN_DER_POL, method=method, target="cpu", keep=keep).solve(
        (0, span), parameters={"mu": values}, rtol=1e-6, atol=1e-6
    )
    np.testing.assert_array_equal(found.require_success().final, named.final)


def test_what_becomes_stiff_is_seen(keep):
    """Nothing is stiff at the start of Robertson's reactions."""
    found = solved(keep, ROBERTSON, (0, 1e5), rtol=1e-6, atol=1e-10, save_at=[1.0, 1e5])
    assert found.method == "rodas5pe"  # whose values within steps are as good as these
    assert found.require_success()["x"][0, 1] == pytest.approx(0.01786592, rel=1e-4)


def test_a_short_span_is_not_stiff(keep):
    found = solved(keep, ROBERTSON, (0, 1e-3), rtol=1e-6, atol=1e-10)
    assert found.method == "tsit5"


def test_tight_tolerances_have_a_method_of_higher_order(keep):
    assert solved(keep, VAN_DER_POL, (0, 5), rtol=1e-10, atol=1e-12).method == "vern7"


def test_what_has_no_jacobian_stays_explicit(keep):
    def steep(x):
        total = x
        while total > 1.0:
            total /= 2.0
        return -1e4 * x + 0.0 * total

    opaque = ode.System("dx = f(x)", {"x": 0.5}, functions={"f": steep}, name="opaque")
    found = solved(keep, opaque, (0, 1), rtol=1e-6, atol=1e-8)
    assert found.method == "tsit5"


def test_a_dae_has_an_implicit_method(keep):
    system = ode.System("dx = -y; 0 = y - 2*x", {"x": 1.0, "y": 2.0}, name="dae")
    found = solved(keep, system, (0, 1), rtol=1e-8, atol=1e-10)
    assert found.method == "rodas5p"
    assert found.require_success()["x"] == pytest.approx(np.exp(-2), rel=1e-6)


def test_what_comes_of_numbers_is_not_built_ahead(keep):
    one = ode.Solver(VAN_DER_POL, method="auto", target="cpu", keep=keep)
    assert "auto" in repr(one)
    for work in (one.build, one.plan, one.source):
        with pytest.raises(InvalidPlan, match="chosen when a batch is solved"):
            work()
    with pytest.raises(InvalidPlan, match="steps are fixed"):
        one.solve((0, 1), dt=0.1, controller="fixed")


# Where factors fill in ---------------------------------------------------------------------------

ALL, RATES = 30, np.geomspace(1.0, 1e5, 30)
EXCHANGE = ode.System(
    [
        "mean = (" + " + ".join(f"x{i}" for i in range(ALL)) + f")/{ALL}",
        *(f"dx{i} = {rate!r}*(k*mean - x{i})" for i, rate in enumerate(RATES.tolist())),
    ],
    {f"x{i}": 1.0 + 0.1 * i for i in range(ALL)},
    {"k": 0.5},
    name="exchange",
)


def exchanged(k):
    """The end after a unit of time: of a linear system, whose matrix is dense."""
    matrix = RATES[:, None] * (k / ALL - np.eye(ALL))
    return scipy.linalg.expm(matrix) @ (1.0 + 0.1 * np.arange(ALL))


@pytest.mark.parametrize(
    ("rtol", "options", "method"),
    [(1e-7, {}, "bdf"), (1e-5, {}, "rodas5p"), (1e-7, {"controller": "pi"}, "rodas5p")],
)
def test_factors_that_fill_in_are_kept_over_steps_where_little_is_tolerated(
    keep, rtol, options, method
):
    """Unless a controller is asked for that the multistep method does not go by."""
    k = np.array([0.2, 0.5, 0.9])
    given = {"parameters": {"k": k}, "rtol": rtol, "atol": rtol * 1e-2, **options}
    found = solved(keep, EXCHANGE, (0, 1), **given)
    assert found.method == method
    for run, each in enumerate(k):
        np.testing.assert_allclose(
            found.require_success().final[run], exchanged(each), rtol=100 * rtol
        )


def test_factors_that_stay_sparse_are_made_in_each_step(keep):
    chain = ode.System(
        [f"dx{i} = 1e4*(x{(i + 1) % 40} - 2*x{i} + x{i - 1 if i else 39})" for i in range(40)],
        {f"x{i}": float(i == 0) for i in range(40)},
        name="chain",
    )
    assert solved(keep, chain, (0, 1), rtol=1e-7, atol=1e-9).method == "rodas5p"
