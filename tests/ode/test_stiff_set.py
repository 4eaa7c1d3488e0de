"""The stiff test set: its equations, written twice, agree, and lead where the literature says."""

import ctypes
import math
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.sparse import diags_array

from emberkeep import ode
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.targets.protocol import PrintedSource

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path[:0] = [str(BENCHMARKS), str(BENCHMARKS / "peers")]
import rodas5p_floor  # noqa: E402 - found by the line above
import stiff_models  # noqa: E402 - found by the line above
from stiff_problems import PROBLEMS, ends, parameters  # noqa: E402 - as above

del sys.path[:2]
SYSTEMS = {name: make() for name, make in stiff_models.SYSTEMS.items()}
BY_NAME = {problem.name: problem for problem in PROBLEMS}
machine = runpy.run_path(Path(__file__).parent / "kernel_machine.py")
OF_NUMBERS = SimpleNamespace(
    exp=math.exp, sin=math.sin, sqrt=math.sqrt, where=lambda test, a, b: a if test else b
)
# SciPy's method, its tolerance, and how far its end may be from what is printed.
WAYS = {
    "robertson-late": ("Radau", 1e-9, 1e-11),
    "hires": ("Radau", 1e-9, 1e-9),
    "orego": ("LSODA", 1e-10, 1e-6),
    "pollu": ("Radau", 1e-9, 1e-9),
    "van-der-pol": ("LSODA", 1e-10, 1e-6),
    "medakzo": ("LSODA", 1e-8, 1e-5),
    "pleiades": ("DOP853", 1e-11, 1e-7),
    "ring-modulator": ("LSODA", 1e-9, 1e-3),
}
SLOW = {"ring-modulator"}


def jumps(problem):
    return [5.0] if problem.name == "medakzo" else []


def by_scipy(problem, method, rtol, p):
    """The end, by pieces between which equations jump."""
    y, begun, options = np.array(problem.start), 0.0, {}
    if problem.band and method == "LSODA":
        options = {"lband": problem.band, "uband": problem.band}
    elif problem.band:
        near = range(-problem.band, problem.band + 1)
        ones = np.ones(len(y))
        options = {"jac_sparsity": diags_array([ones[abs(k) :] for k in near], offsets=[*near])}
    for until in (*jumps(problem), problem.end):
        inside = (begun + until) / 2

        def slopes(t, y, inside=inside):
            # At the jump itself equations are those of before.
            t = inside if problem.name == "medakzo" else t
            if problem.arrays is not None:
                return problem.arrays(t, y, p, np)
            return problem.slopes(t, y.tolist(), p, OF_NUMBERS)

        found = solve_ivp(
            slopes, (begun, until), y, method, rtol=rtol, atol=rtol * problem.floor, **options
        )
        assert found.success, found.message
        y, begun = found.y[:, -1], until
    return y


def apart(problem, found, expected):
    """The largest difference, relative to the larger of a state and the floor."""
    expected = np.asarray(expected)
    return np.max(np.abs(found - expected) / np.maximum(np.abs(expected), problem.floor))


def test_each_problem_is_a_system():
    assert [*SYSTEMS] == [*BY_NAME]


@pytest.mark.parametrize("name", BY_NAME)
def test_starts_and_usual_parameters_are_the_same(name):
    problem, system = BY_NAME[name], SYSTEMS[name]
    assert [*system.states.values()] == pytest.approx(problem.start, abs=1e-14, rel=1e-15)
    assert next(iter(system.parameters.values())) == problem.usual


@pytest.mark.parametrize("name", BY_NAME)
def test_equations_written_twice_agree_at_random(name):
    """Among states of all sizes, so that no term hides behind others at every point."""
    problem, system = BY_NAME[name], SYSTEMS[name]
    read, draw = system.read(), np.random.default_rng(5)
    varied, count = next(iter(system.parameters)), len(problem.start)
    # Larger voltages are powers of e beside which nothing else counts.
    largest = 0.05 if name == "ring-modulator" else 1.0
    for turn in range(10 if count > 100 else 40):
        y = largest * draw.uniform(0.1, 1.0, count)
        if turn % 2 and name != "pleiades":
            y = largest * 10.0 ** draw.uniform(-9.0, 0.0, count)
        time, p = problem.end * draw.uniform(), draw.uniform(problem.first, problem.last)
        for jump in jumps(problem) if turn < 4 else []:
            time = jump * (1.0 + (turn - 1.5) * 1e-3)
        names = {**system.constants, varied: p, "t": time, **dict(zip(system.states, y))}
        ours = evaluate(read.program, read.derivatives, names)
        theirs = problem.slopes(time, y.tolist(), p, OF_NUMBERS)
        assert ours == pytest.approx(theirs, abs=0, rel=1e-9)
        if problem.arrays is not None:
            assert problem.arrays(time, y, p, np) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.soak] if name in SLOW else []) for name in WAYS],
)
def test_scipy_ends_where_the_literature_says(name):
    problem, (method, rtol, near) = BY_NAME[name], WAYS[name]
    found = by_scipy(problem, method, rtol, problem.usual)
    states = [*problem.printed]
    assert apart(problem, found[states], [*problem.printed.values()]) < near


@pytest.mark.parametrize("name", sorted({*WAYS} - {*SLOW}))
def test_exact_ends_are_those_in_print(name):
    problem = BY_NAME[name]
    found = np.array(ends(problem)[0])[[*problem.printed]]
    assert apart(problem, found, [*problem.printed.values()]) < 10.0**-problem.digits


@pytest.mark.parametrize("name", sorted({*BY_NAME} - {*SLOW}))
def test_scipy_ends_where_exact_ends_are_said_to_be(name):
    """With a parameter other than the literature's."""
    problem = BY_NAME[name]
    method, rtol, near = WAYS.get(name, ("Radau", 1e-9, 1e-8))
    p = parameters(problem, 3)[2]
    assert apart(problem, by_scipy(problem, method, rtol, p), ends(problem)[2]) < near


def test_all_problems_have_an_end_in_print_or_are_known_to_have_none():
    without = {name for name, problem in BY_NAME.items() if not problem.printed}
    assert without == {"robertson"} | {f"brusselator-{states}" for states in (16, 32, 64)}
    assert {*WAYS} == {*BY_NAME} - without


# Ours -------------------------------------------------------------------------------------------

# How many tolerances its ends may be away from the exact ones, at 1e-6 and at 1e-9.
MULTIPLES = {"rodas5p": 10, "kvaerno5": 100, "radau-iia-5": 200, "bdf": 200}
AT_ONCE = {(name, "rodas5p") for name in ("robertson-late", "orego", "pollu", "brusselator-16")}
AT_ONCE |= {
    (name, method) for name in ("robertson", "hires", "van-der-pol") for method in MULTIPLES
}
OURS = [
    pytest.param(name, method, marks=[] if (name, method) in AT_ONCE else [pytest.mark.soak])
    for name in BY_NAME
    for method in MULTIPLES
    if name not in {"pleiades", "ring-modulator", "medakzo"}
]


@pytest.mark.parametrize(("name", "method"), OURS)
def test_ours_end_within_tolerances_of_the_exact_ends(keep, name, method):
    problem, exact = BY_NAME[name], np.array(ends(BY_NAME[name]))
    solver = ode.Solver(SYSTEMS[name], method=method, target="cpu", keep=keep, threads=1)
    given = {next(iter(SYSTEMS[name].parameters)): parameters(problem, len(exact))}
    for tolerance in (1e-6, 1e-9):
        close = {"rtol": tolerance, "atol": tolerance * problem.floor}
        result = solver.solve((0, problem.end), parameters=given, **close).require_success()
        assert apart(problem, result.final, exact) < MULTIPLES[method] * tolerance


@pytest.mark.soak
def test_bdf_ends_medakzo_within_tolerances(keep):
    """Its order has to begin anew where free antibodies stop, and its tolerances add up."""
    problem, exact = BY_NAME["medakzo"], np.array(ends(BY_NAME["medakzo"]))
    solver = ode.Solver(SYSTEMS["medakzo"], method="bdf", target="cpu", keep=keep, threads=1)
    given = {"k": parameters(problem, len(exact))}
    result = solver.solve(
        (0, problem.end), parameters=given, rtol=1e-6, atol=1e-6 * problem.floor
    ).require_success()
    assert apart(problem, result.final, exact) < 100e-6


# By hand, for GPUs ------------------------------------------------------------------------------

LARGE = ("pollu", "brusselator-16", "brusselator-32", "brusselator-64")
HELD = ("robertson", *(pytest.param(name, marks=pytest.mark.soak) for name in LARGE))


def test_the_floor_of_gpus_is_compiled_for_one():
    nvrtc = pytest.importorskip("emberkeep.targets.cuda.nvrtc")
    problem = BY_NAME["robertson"]
    text, name = rodas5p_floor.kernel(problem), rodas5p_floor.entry(problem)
    source = PrintedSource(name, text, (), {})
    assert nvrtc.compile_source(source, "sm_90")[0].startswith(b"\x7fELF")


@pytest.mark.skipif(not machine["HAS_COMPILER"], reason="needs a C++ compiler")
@pytest.mark.parametrize("name", HELD)
def test_the_floor_of_gpus_ends_within_tolerances_of_the_exact_ends(name, tmp_path):
    """Compiled for this processor, a thread after the other."""
    problem, exact = BY_NAME[name], np.array(ends(BY_NAME[name]))
    given, count = np.array(parameters(problem, len(exact))), len(exact)
    out, tried = np.empty((len(problem.start), count)), np.zeros(count, np.int32)
    (tmp_path / "floor.cpp").write_text(machine["as_cpp"](rodas5p_floor.kernel(problem)))
    command = ["g++", "-O1", "-w", "-shared", "-fPIC", "floor.cpp", "-o", "floor.so"]
    subprocess.run(command, cwd=tmp_path, check=True)
    library = ctypes.CDLL(str(tmp_path / "floor.so"))
    passed = [ctypes.c_void_p(each.ctypes.data) for each in (given, out, tried)]
    close = [ctypes.c_double(value) for value in (problem.end, 1e-6, 1e-6 * problem.floor)]
    for index in range(count):
        library.place_at(ctypes.c_int64(index))
        library[rodas5p_floor.entry(problem)](*passed, ctypes.c_int(count), *close)
    assert apart(problem, out.T, exact) < 10e-6
    assert (tried > 10).all()
    assert (tried < 400).all()
