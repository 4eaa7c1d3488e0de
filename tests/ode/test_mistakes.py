"""What newcomers write, and what they read then."""

import jax.numpy as jnp
import numpy as np
import pytest

from emberkeep import ode
from emberkeep.errors import InvalidPlan, InvalidSystem

NAMES = {"states": {"x": 1.0}, "parameters": {"k": 2.0}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dx = np.exp(-k*x)", ["of no module", "Write exp(…), without 'np'", "^^^^^^"]),
        ("dx = numpy.exp(x)", ["Write exp(…), without 'numpy'"]),
        ("dx = math.sin(x)", ["Write sin(…), without 'math'"]),
        ("dx = np.linalg.norm(x)", ["of no module", "There are And"]),
        ("dx = np.arctan2(x, k)", ["Write atan2(…)"]),
        ("dx = é*x", ["'é' is no letter", "Write it in letters"]),
        ("dx = √x", ["Write sqrt(…) instead"]),
        ("dx = λ*x", ["the name 'λ' is not known"]),
        ("dx = x'", ["x' may stand on the right-hand side only where x'' has an equation"]),
        ("dx = -K*x", ["Did you mean 'k'?"]),
        ("dx = kx", ["Did you mean 'k*x'?"]),
        ("dx = sinus(x)", ["Did you mean 'sin'?"]),
        ("dx = 3j*x", ["'3j' is neither a number nor a name", "Write * between factors"]),
        ("dx = 1_000*x", ["'1_000' is neither"]),
        ("dx = lambda*x", ["a word of Python's", "call the parameter 'lambda_'"]),
        ("dx = None", ["Write a number"]),
        ("import numpy\ndx = x", ["has 0 equals signs", "nothing is imported"]),
        ("dx = k*x\n  + 1", ["Each line is an equation of its own"]),
    ],
)
def test_in_equations(text, told):
    with pytest.raises(InvalidSystem) as caught:
        ode.System(text, **NAMES)
    for part in told:
        assert part in str(caught.value)


def test_what_is_not_called_is_no_function():
    with pytest.raises(InvalidSystem) as caught:
        ode.System("dx = atan*mat", **NAMES)
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"states": ["x"]}, "{'x': 0.0}, not"),
        ({"states": [("x", 1.0)]}, r"names with default values: \{'a state': 0.0\}"),
        ({"states": {"x": "1 mM"}}, "it is '1 mM'. Numbers have no units here"),
        ({"states": {"t": 1.0}}, "it is time. Call it 't_'"),
        ({"parameters": {"lambda": 1.0}}, "Call it 'lambda_'"),
        ({"parameters": {"x": 1.0}}, "used twice"),
    ],
)
def test_in_names(changes, told):
    with pytest.raises(InvalidSystem, match=told):
        ode.System("dx = -x", **{**NAMES, **changes})


def test_bytes_are_no_text():
    with pytest.raises(InvalidSystem, match=r"equations\.decode\(\)"):
        ode.System(b"dx = -x", **NAMES)


@pytest.fixture
def decay():
    return ode.System("dx = -k*x", **NAMES)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"parameters": {"k": []}}, "'k' has no values: there is nothing to solve"),
        ({"parameters": {"k": np.empty(0)}}, "there is nothing to solve"),
        ({"initial": {"x": np.empty(0)}}, "there is nothing to solve"),
        ({"parameters": {"K": 1.0}}, "Did you mean 'k'"),
        ({"parameters": {"zeta": 1.0}}, "no parameter 'zeta'. There are k"),
        ({"parameters": {"x": 1.0}}, r"pass it in initial=\{…\}"),
        ({"parameters": {"k": None}}, "it is None"),
        ({"initial": {"x": float("nan")}}, "'x' is nan, so that no trajectory can succeed"),
        ({"initial": {"x": [np.inf, np.nan]}}, "'x' is inf"),
        ({"initial": [1.0]}, "must be given by name"),
        ({"save_at": [0.5, 0.2]}, "Sort them"),
        ({"save_at": [0.0, 2.0]}, "must lie within t_span"),
    ],
)
def test_in_a_solve(decay, options, told):
    with pytest.raises(InvalidPlan, match=told):
        ode.solve(decay, (0, 1), **options)


@pytest.mark.parametrize("span", [1.0, (0, 1, 2), np.linspace(0, 1, 10)])
def test_in_a_span(decay, span):
    with pytest.raises(InvalidPlan, match="t_span must be a start and an end") as caught:
        ode.solve(decay, span)
    assert ("save_at=" in str(caught.value)) == (np.size(span) > 2)


def test_a_default_that_is_no_number_has_to_be_given():
    open_ended = ode.System("dx = -x", states={"x": float("nan")})
    with pytest.raises(InvalidPlan, match="no trajectory can succeed"):
        ode.solve(open_ended, (0, 1))


def test_what_jax_traces_has_no_value(decay):
    import jax

    with pytest.raises(InvalidPlan, match=r"JAX traces.*outside of JAX's transformations"):
        jax.jit(lambda k: jnp.sum(ode.solve(decay, (0, 1), parameters={"k": k}).final))(1.0)
