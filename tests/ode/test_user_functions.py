"""Functions of the user's that cannot be followed: compiled by themselves, and linked in."""

import functools
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

import emberkeep
from emberkeep import ode
from emberkeep.errors import InvalidKernel, SolveWarning, TargetUnavailable
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.kernel.user_functions import symbols_of, user_functions
from emberkeep.ode.plan import make_plan
from emberkeep.ode.status import NOT_FINITE
from emberkeep.ode.system.program import External, Program
from emberkeep.targets.cpu.target import CpuTarget
from emberkeep.targets.protocol import MIXED


def settled(x):
    """A loop of unknown length: nothing that can be written as formulas."""
    while x > 2:
        x *= 0.5
    return x


def saturating(x, half):
    if x <= 0:
        return 0  # a whole number, and so another type
    return 2 * settled(x) / (half + x)


def pools(t, y, p):
    flow = p.rate * (y.a - y.b)
    if t > 100:
        flow = 0.0
    while flow > 1e6:
        flow *= 0.5
    return -flow, flow * p.share


def many(t, y, p):
    total = 0.0
    for value in y:
        total += value
    while total > 1e6:
        total *= 0.5
    return (
        y[1] - y[0] * total, y[2] - y[1] * total, y[3] - y[2], y[4] - y[3], y[5] - y[4],
        y[6] - y[5], y[7] - y[6], y[8] - y[7], y[9] - y[8], y[10] - y[9], y[11] - y[10],
        y[12] - y[11], y[13] - y[12], y[14] - y[13], y[15] - y[14], y[16] - y[15],
        y[17] - y[16], y[18] - y[17], y[19] - y[18], y[20] - y[19], y[21] - y[20],
        y[22] - y[21], y[23] - y[22], y[24] - y[23], y[25] - y[24], p.k - y[25],
    )  # fmt: skip


def strict(x):
    if x < 0.5:
        raise ValueError("too small")
    return x


NAMES = [f"x{index}" for index in range(26)]
MANY = {name: 0.1 * (index + 1) for index, name in enumerate(NAMES)}
FORMULAS = [
    *(f"d{x} = {y} - {x}*total" for x, y in zip(NAMES[:2], NAMES[1:3], strict=True)),
    *(f"d{x} = {y} - {x}" for x, y in zip(NAMES[2:], [*NAMES[3:], "k"], strict=True)),
    f"total = {' + '.join(NAMES)}",
]

# Each with the same in formulas.
PAIRS = {
    "number": (
        ode.System(
            "da = -hill(a, k)", {"a": 1.0}, {"k": 0.5}, functions={"hill": saturating}, name="hill"
        ),
        ode.System("da = -2*a/(k + a)", {"a": 1.0}, {"k": 0.5}, name="hill"),
    ),
    "all": (
        ode.System(
            pools, {"a": 1.0, "b": 0.0}, {"rate": 2.0}, constants={"share": 0.5}, name="pools"
        ),
        ode.System(
            "da = -f; db = f*share; f = rate*(a - b)",
            {"a": 1.0, "b": 0.0}, {"rate": 2.0}, constants={"share": 0.5}, name="pools",
        ),
    ),
    "large": (
        ode.System(many, MANY, {"k": 0.5}, name="many"),
        ode.System(FORMULAS, MANY, {"k": 0.5}, name="many"),
    ),
}  # fmt: skip


def solver(system, keep, **options):
    return ode.Solver(system, target="cpu", keep=keep, **options)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("method", ["tsit5", "rk4"])
@pytest.mark.parametrize("pair", PAIRS)
def test_they_give_what_formulas_give(pair, method, precision, keep):
    """In lanes, of which some have ended and some were never used; and at saved times."""
    function, formulas = PAIRS[pair]
    state = next(iter(function.states))
    given = {
        "initial": {state: np.linspace(0.3, 1.7, 45)},
        "save_at": [0.1, 0.55],
        **({"dt": 0.01} if method == "rk4" else {"rtol": 1e-5, "atol": 1e-7}),
    }
    one, other = (
        solver(system, keep, method=method, precision=precision) for system in (function, formulas)
    )
    found, expected = (each.solve((0, 0.7), **given).states for each in (one, other))
    np.testing.assert_allclose(found, expected, rtol=1e-9 if precision == "float64" else 2e-4)


def test_they_are_called_and_not_written_out():
    """Or else nothing here tests what it says."""
    for function, _ in PAIRS.values():
        code = compilation(function).source(CpuTarget("x86-64-v3"))
        assert [each.symbol for each in code.functions] == list(symbols(function))
        assert compilation(function).language == MIXED


def symbols(system):
    return symbols_of(system.read().program).values()


def compilation(system, method="tsit5", precision="float64"):
    plan = make_plan(system, method_name=method, outputs=None, precision=precision, saves=False)
    return Compilation(plan)


def test_where_one_raises_its_trajectory_fails_and_no_other(keep):
    system = ode.System("dx = -f(x)", {"x": 1.0}, functions={"f": strict}, name="strict")
    start = np.linspace(0.55, 3, 50)
    with pytest.warns(SolveWarning, match="not-a-number"):
        result = solver(system, keep).solve((0, 1), initial={"x": start})
    # Of these, the end is below what is allowed.
    fails = start * math.exp(-1) < 0.5
    assert 0 < fails.sum() < 50
    np.testing.assert_array_equal(result.status == NOT_FINITE, fails)
    np.testing.assert_allclose(result.final[~fails, 0], start[~fails] / math.e, rtol=1e-5)


def test_nothing_of_an_exception_is_kept(keep):
    """numba puts pickles of exceptions into its code."""
    system = ode.System("dx = -f(x)", {"x": 1.0}, functions={"f": strict}, name="strict")
    blobs = CpuTarget("x86-64-v3").compile(compilation(system).source(CpuTarget("x86-64-v3")))
    image = blobs["shared object"]
    for text in (b"too small", b"ValueError", b"pickle", b"numba", b"user_f"):
        assert text not in image


def test_what_is_bound_is_passed(keep):
    system = ode.System(
        "dx = -f(x)", {"x": 1.0},
        functions={"f": functools.partial(functools.partial(scaled, 0.5), offset=0.25)},
    )  # fmt: skip
    same = ode.System("dx = -(0.5*x + 0.25)", {"x": 1.0})
    found, expected = (solver(each, keep).solve((0, 1)).final for each in (system, same))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def scaled(factor, x, offset):
    return settled(x) * factor + offset


def test_two_right_hand_sides_in_one_program():
    program = Program()
    t, x = program.name("t"), program.name("x")
    first, second = (External(each, ("x",), ()) for each in (pools, many))
    (a,), (b,) = program.external(first, t, x), program.external(second, t, x)
    call = program.call("user f", program.arithmetic("+", a, b))
    assert call == program.call("user f", program.arithmetic("+", b, a))
    assert list(symbols_of(program).values()) == ["equations_1", "equations_2", "user_f"]
    wanted = ("user_f", "equations_2")  # what the kernel calls is compiled, and nothing else
    made = user_functions({"f": strict}, program, wanted, has_vectors=False)
    assert [(each.symbol, each.given, each.results) for each in made] == [
        ("equations_2", 2, 1), ("user_f", 1, 1)
    ]  # fmt: skip
    assert all("afn" not in each.liberties for each in made)


# What it depends on ----------------------------------------------------------------------------

RATE = 1.0


def at_a_rate(x):
    return RATE * settled(x)


def of_the_whole(t, y, p):
    return (at_a_rate(y.x),)


@pytest.mark.parametrize("whole", [False, True])
def test_what_it_reaches_is_seen_at_once(whole, tmp_path, monkeypatch):
    system = (
        ode.System(of_the_whole, {"x": 1.0}, name="whole")
        if whole
        else ode.System("dx = f(x)", {"x": 1.0}, functions={"f": at_a_rate}, name="part")
    )
    one = solver(system, emberkeep.Keep(tmp_path), method="rk4")

    def final():
        return float(one.solve((0, 0.5), dt=0.125).final[0, 0])

    assert final() == pytest.approx(math.exp(0.5), rel=1e-4)
    monkeypatch.setitem(globals(), "RATE", -1.0)
    assert final() == pytest.approx(math.exp(-0.5), rel=1e-4)
    monkeypatch.setattr(settled, "__code__", (lambda x: x + x).__code__)
    assert final() == pytest.approx(math.exp(-1), rel=1e-3)
    monkeypatch.setitem(globals(), "RATE", 1.0)
    monkeypatch.undo()
    assert final() == pytest.approx(math.exp(0.5), rel=1e-4)


# What cannot be compiled -----------------------------------------------------------------------


def gives_two(x):
    return settled(x), x


def gives_nothing(x):
    settled(x)


def gives_complex(x):
    return complex(settled(x), 1)


def makes_arrays(x):
    work = np.zeros(3)
    work[0] = settled(x)
    return work[0]


def raises_with_numbers(x):
    if settled(x) < 0:
        raise ValueError(x)
    return x


def of_two(x, y):
    return settled(x) + y


def calls_unknown(x):
    return settled(x) + (nowhere(x) if x > 1e9 else 0.0)  # noqa: F821


REFUSALS = {
    gives_two: "Cannot cast UniTuple.* to float64\n.*def gives_two.*\nA real number is wanted",
    gives_nothing: "Cannot cast none to float64\n",
    gives_complex: "Cannot cast complex128 to float64\n",
    makes_arrays: "It makes an object while it runs: an array",
    raises_with_numbers: "exception whose arguments are not constants",
    of_two: "missing a required argument: 'y'",
    calls_unknown: "name 'nowhere' is not defined\n.*nowhere.x.*\nDefine or import it",
}


@pytest.mark.parametrize("function", REFUSALS, ids=lambda each: each.__name__)
def test_what_cannot_be_compiled_is_refused_with_its_place(function, keep):
    system = ode.System("dx = f(x)", {"x": 1.0}, functions={"f": function}, name="refused")
    target = CpuTarget("x86-64-v3")
    with pytest.raises(InvalidKernel, match=REFUSALS[function]):
        target.compile(compilation(system).source(target))


@pytest.mark.parametrize("function", [settled, math.sin])
def test_without_numba(function, keep, tmp_path, monkeypatch):
    """Functions that can be followed need none; for others, it is said what to install."""
    monkeypatch.setitem(sys.modules, "emberkeep.targets.cpu.user_functions", None)
    system = ode.System("dx = -f(x)", {"x": 1.0}, functions={"f": function}, name="without")
    one = solver(system, emberkeep.Keep(tmp_path))
    if function is settled:
        with pytest.raises(TargetUnavailable, match=r"'settled'.*numba.*emberkeep\[numba\]"):
            one.solve((0, 1))
    else:
        assert one.solve((0, 1)).final[0, 0] < 1


PROGRAM = """
import json, sys
from emberkeep import ode
def settled(x):
    while x > 2:
        x *= 0.5
    return x
system = ode.System("dx = -f(x)", {"x": 1.0}, functions={"f": settled}, name="kept")
final = ode.Solver(system, target="cpu").solve((0, 1)).final[0, 0]
print(json.dumps([final, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_once_kept_it_needs_no_compiler(tmp_path):
    environ = {**os.environ, "EMBERKEEP_DIR": str(tmp_path)}
    found = []
    for _ in range(2):
        command = [sys.executable, "-c", PROGRAM]
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        found.append(json.loads(ran.stdout))
    (first, cold), (second, warm) = found
    assert first == second == pytest.approx(math.exp(-1), rel=1e-6)
    assert {"numba", "llvmlite"} <= set(cold)
    assert not {"numba", "llvmlite"} & set(warm)
