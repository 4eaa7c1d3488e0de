"""Times at which right-hand sides jump, as they are found in programs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.ode.system.breakpoints import breakpoints
from emberkeep.ode.system.equations import equation_of
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.parsing import parse_equation
from emberkeep.ode.system.program import Program

NUMBERS = {"a": 2.0, "b": -0.5, "k": 3.0}


def read(text):
    program = Program()
    known = {name: program.name(name) for name in ("t", "x", *NUMBERS)}
    value = parse_equation(equation_of("x", text, "equation 1"), program, known, {"f": abs})
    return program, value


def times(text, until=50.0, **more):
    """All times from zero on at which a text may jump, and how many conditions are not solved."""
    program, value = read(text)
    found = breakpoints(program, [value], ["x"])
    numbers = {**NUMBERS, **more}
    all_of = [float(time) for time in evaluate(program, found.times, numbers)]
    for pair in found.periodic:
        first, period = map(float, evaluate(program, pair, numbers))
        if np.isfinite(first) and period:
            all_of += [
                first % abs(period) + n * abs(period) for n in range(int(until / abs(period)) + 1)
            ]
    return sorted({round(t, 9) for t in all_of if 0 <= t <= until}), len(found.unsolved)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where(t < 5, 1, 0)", [5]),
        ("where(5 >= t, x, 0)", [5]),
        ("where(t - a >= 0, 1, 0)", [2]),
        ("where(a < t and t < a + k, x, 0)", [2, 5]),
        ("where(a < t < a + k, x, 0)", [2, 5]),
        ("where(not (t <= k), 1, 0) + (t == 7)", [3, 7]),
        ("where(2*t + b > k*t - 4, 1, 0)", [3.5]),
        ("where((t - 1)/a < k/2, 1, 0)", [4]),
        ("where(-t < -a, 1, 0)", [2]),
        ("x*heaviside(t - k)", [3]),
        ("sign(k - t)", [3]),
        ("Piecewise((1, t < 1), (2, t < a), (3, t < 10), (4, True))", [1, 2, 10]),
        ("abs(t - a)", [2]),
        ("max(0, t - a)*x + min(t, k)", [2, 3]),
        ("clip(t, a, k)", [2, 3]),
        ("floor(t/20)", [0, 20, 40]),
        ("rint(t/20)", [10, 30, 50]),
        ("ceil((t - 1)/20) + trunc(t/40)", [0, 1, 21, 40, 41]),
        ("mod(t, 20)", [0, 20, 40]),
        ("where(mod(t, 20) < 5, x, 0)", [0, 5, 20, 25, 40, 45]),
        ("where(t % (8*k) < 8, 1, 0)", [0, 8, 24, 32, 48]),
        ("where(mod(t - a, 20) < 5, x, 0)", [2, 7, 22, 27, 42, 47]),
        ("where(2*mod(t, 20) - 1 > 9, x, 0)", [0, 5, 20, 25, 40, 45]),
        ("where(fmod(t, 20) < 5, x, 0)", [0, 5, 20, 25, 40, 45]),
        ("where(sin(pi*t/10) > 0, x, 0)", [0, 10, 20, 30, 40, 50]),
        ("where(sin(pi*t/30) > 0.5, x, 0)", [5, 25]),
        ("where(cos(pi*t/10) < 0, x, 0)", [5, 15, 25, 35, 45]),
        ("where(a > k, 1, 0)", []),
        ("where(x > 1, t, 0)", []),
        ("where(t > x, 1, 0)", []),
        ("where(t < t, 1, t)", []),
        ("where(t - t < a, 1, 2)", []),
        ("exp(t)*x", []),
        ("where(k*t > k*5, 1, 0)", [5]),
        ("where(abs(t - 20) < k, x, 0)", [17, 20, 23]),
        ("where(clip(t, a, k) > 2.5, x, 0)", [2, 2.5, 3]),
        ("where((t if t < 10 else 30 - t) > 7, 1, 0)", [7, 10, 23]),
        ("where(floor(t/20) == 1, x, 0)", [0, 20, 40]),
        ("where(mod(floor(t/20), 2) < 1, x, 0)", [0, 20, 40]),
        ("exp(floor(t/20))*x", [0, 20, 40]),
        ("where(exp(floor(t/20)) > 3, x, 0)", [0, 20, 40]),
        ("where(abs(mod(t, 20) - 10) < 1, x, 0)", [0, 9, 10, 11, 20, 29, 30, 31, 40, 49, 50]),
    ],
)  # fmt: skip
def test_conditions_in_time_are_solved(text, expected):
    assert times(text) == (pytest.approx(expected, abs=1e-8), 0)


@pytest.mark.parametrize(
    "text",
    [
        "where(t*t < 4, 1, 0)",
        "where(exp(t) < 4, 1, 0)",
        "where(sin(t*t) < 0, 1, 0)",
        "where(sin(t) < t, 1, 0)",
        "where(f(t) > 3, 1, 0)",
        "floor(t*t)",
        "fmod(a, t + 1)",
        "where(t - 20*floor(t/20) < 5, 1, 0) - floor(t/20)*0",
    ],
)
def test_what_is_not_solved_is_listed(text):
    assert times(text)[1] == 1


def test_what_never_comes_is_no_number_or_infinite():
    assert times("where(k*t > 1, 1, 0)", k=0.0) == ([], 0)
    assert times("where(sin(t) > a, 1, 0)", a=2.0) == ([], 0)


def test_parameters_move_them():
    assert times("where(t < a, 1, 0)", a=4.5)[0] == [4.5]
    assert times("where(mod(t, a) < 1, 1, 0)", a=30.0)[0] == [0, 1, 30, 31]


def test_nothing_is_found_where_there_is_no_time():
    program, value = read("where(x > 0, a, b)")
    before = len(program.instructions)
    found = breakpoints(program, [value], ["x"])
    assert (found.times, found.periodic, found.unsolved) == ((), (), ())
    assert len(program.instructions) == before


SIDES = st.sampled_from(
    ["t", "t - a", "2*t", "k - t", "mod(t, 7)", "mod(t - 1, k)", "-mod(3*t, 8)", "t % (a + k)"]
    + ["sin(t)", "2*cos(k*t) - 1", "fmod(t, 4)", "(t + b)/k", "7 - mod(-t, 5)", "floor(t/k)"]
)
LEVELS = st.sampled_from(["a", "b", "k", "1", "0", "-0.7", "2.5", "a*k"])
SIGNS = st.sampled_from(["<", ">", "<=", ">="])


@settings(max_examples=100, deadline=None)
@given(SIDES, SIGNS, LEVELS, st.booleans())
def test_no_jump_lies_between_them(side, sign, level, turned):
    condition = f"{level} {sign} {side}" if turned else f"{side} {sign} {level}"
    program, value = read(f"where({condition}, 1, 0)")
    found, unsolved = times(f"where({condition}, 1, 0)")
    grid = np.linspace(0, 50, 20_001) + 1.37e-4
    values = evaluate(program, [value], {**NUMBERS, "t": grid})[0]
    jumps = np.flatnonzero(np.diff(values))
    if not unsolved:
        for place in jumps:
            assert any(grid[place] - 1e-6 <= t <= grid[place + 1] + 1e-6 for t in found), grid[
                place
            ]
    assert not unsolved
