"""What users make is copied, pickled and sent to other processes as a definition."""

import copy
import functools
import math
import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import emberkeep
from emberkeep import Keep, ode, phasetype

PROGRAMS = Path(__file__).parent / "programs"
LEVELS = range(2, pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def defined(monkeypatch):
    monkeypatch.syspath_prepend(str(PROGRAMS))
    monkeypatch.setenv("PYTHONPATH", str(PROGRAMS))
    import defined

    yield defined
    del sys.modules["defined"]


@pytest.fixture
def elsewhere(defined):
    """Calls in a process that was spawned, and knows what it is sent alone."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        yield lambda function, *arguments, **named: pool.submit(
            function, *arguments, **named
        ).result(timeout=120)


def through(thing):
    """A thing by way of every protocol, and both ways to copy it."""
    pickled = [pickle.loads(pickle.dumps(thing, level)) for level in LEVELS]
    return [*pickled, copy.copy(thing), copy.deepcopy(thing)]


def builds(keep):
    """How many there were, in all processes."""
    return sum(count for (event, *_), (count, _) in keep.totals().items() if event == "build")


def test_systems(defined):
    systems = [
        defined.text_system(),
        defined.text_system(constants={"c": 2.0}, name="named"),
        ode.System("dx = -rate(x, k)", {"x": 1.0}, {"k": 0.5}, functions={"rate": defined.rate}),
        ode.System(defined.decay, {"x": 1.0}, {"k": 0.5}),
    ]
    for system in systems:
        for other in through(system):
            assert other == system
            assert hash(other) == hash(system)
            assert repr(other) == repr(system)
            assert other.ingredients() == system.ingredients()
    for one in systems:
        assert [one == other for other in systems].count(True) == 1


def test_systems_are_equal_where_all_that_was_given_is(defined):
    system = defined.text_system
    assert system() == system() == ode.System("dx=-k * x", {"x": 1.0}, {"k": 0.5})
    assert system() != system(states={"x": 2.0})
    assert system() != system(parameters={"k": 0.25})
    assert system() != system(name="other")
    assert system() != ode.System("dx = -k*x*x", {"x": 1.0}, {"k": 0.5})
    assert system() != "dx = -k*x"
    constant = system(constants={"c": 1.0})
    assert constant != constant.with_constants(c=2.0)
    assert constant == constant.with_constants(c=1.0)
    assert len({system(), system(), constant}) == 2


def test_a_solver_elsewhere_gives_the_same_result(defined, elsewhere, tmp_path):
    solver = ode.Solver(
        defined.text_system(), method="rk4", target="cpu", keep=Keep(tmp_path / "keep")
    )
    given = {"parameters": {"k": [0.1, 0.2, 0.3]}, "dt": 0.01, "save_at": [0.5, 1.0]}
    here = solver.solve((0.0, 1.0), **given)
    there = elsewhere(defined.solve, solver, **given)
    assert there == here
    assert there["x"].shape == (3, 2)
    for other in through(solver):
        assert other.system == solver.system
        assert repr(other) == repr(solver)
        assert other.solve((0.0, 1.0), **given) == here
    assert builds(solver._keep) == 1


def forms(defined):
    """Every form of a Python function that a system takes."""
    law = defined.Law(0.5)
    return [defined.decay, law, law.slope, functools.partial(defined.scaled, 0.5)]


def test_systems_of_every_form_of_function(defined):
    for function in forms(defined):
        for other in through(ode.System(function, {"x": 1.0}, {"k": 0.5})):
            derivative = other.function(0.0, SimpleNamespace(x=1.0), SimpleNamespace(k=0.5))
            assert derivative == function(0.0, SimpleNamespace(x=1.0), SimpleNamespace(k=0.5))
    for function in (np.sin, math.sin, functools.partial(math.pow, 2.0)):
        system = ode.System("dx = -f(x)", {"x": 1.0}, functions={"f": function})
        assert pickle.loads(pickle.dumps(system)).functions["f"](0.5) == function(0.5)


def test_functions_of_every_form_are_solved_elsewhere_and_compiled_once(
    defined, elsewhere, tmp_path
):
    """By way of a pool, as joblib and Dask send work: a solver's method, and what it gives."""
    keep = Keep(tmp_path / "keep")
    for function in forms(defined):
        system = ode.System(function, {"x": 1.0}, {"k": 0.5})
        solver = ode.Solver(system, target="cpu", keep=keep)
        given = {"parameters": {"k": [0.1, 0.2]}, "save_at": [0.5, 1.0], "outputs": ["states"]}
        here = solver.solve((0.0, 1.0), **given)
        assert elsewhere(solver.solve, (0.0, 1.0), **given) == here
    one = {"t_span": (0.0, 1.0), "y0": [1.0, 2.0], "target": "cpu", "keep": keep}
    here, there = (
        ode.solve_ivp(defined.slope, **one),
        elsewhere(ode.solve_ivp, defined.slope, **one),
    )
    assert there == here
    assert builds(keep) == 5  # four forms and one more, all of them here


def test_a_solver_with_the_users_own_keep_uses_that_of_whoever_gets_it(defined):
    solver = ode.Solver(defined.text_system(), target="cpu")
    assert b"EMBERKEEP" not in pickle.dumps(solver).upper().replace(b"EMBERKEEP.", b"")
    assert pickle.loads(pickle.dumps(solver))._keep is solver._keep


def test_a_graph_elsewhere_has_the_same_expectation(defined, elsewhere):
    graph = phasetype.Graph.from_callback(defined.two_stages, [((0,), 1.0)], theta_length=2)
    expected = graph.expectation(defined.THETA)
    assert expected == pytest.approx(0.75)
    assert elsewhere(defined.expect, graph, defined.THETA) == expected
    for other in through(graph):
        assert other == graph
        assert hash(other) == hash(graph)
        assert other.vertex(1).state == (1,)
        assert other.content_hash == graph.content_hash
        assert other.expectation(defined.THETA) == expected
    fresh = pickle.loads(pickle.dumps(graph))
    assert fresh.remembered == {}
    assert graph != graph.instantiate(defined.THETA)
    with pytest.raises(ValueError, match="read-only"):
        fresh.initial[0] = 2.0


def test_words_are_labels_elsewhere_too():
    builder = phasetype.Graph.builder()
    first, last = builder.add_vertex("sick"), builder.add_vertex("well")
    builder.add_edge(first, last, 2.0)
    states = phasetype.Graph.from_matrix([[-1.0]], [1.0], ["sick"])
    for other in through(states):
        assert other.vertex(0).state == "sick"


def test_kernels_go_by_name(defined, elsewhere):
    for kernel, factor in ((defined.double, 2.0), (defined.beside, 3.0)):
        for other in through(kernel):
            assert repr(other) == repr(kernel)
            assert other.signatures == kernel.signatures
            assert other.function is kernel.function
        assert (elsewhere(defined.run, kernel, np.ones(3)) == factor).all()
    assert pickle.loads(pickle.dumps(defined.double)) is defined.double


def test_what_no_other_process_finds_is_refused(defined):
    def local(i, values):
        values[i] = 1.0

    kernel = emberkeep.kernel("float64[::1]")(local)
    lambdas = ode.System(lambda t, y, p: [-y.x], {"x": 1.0})
    calling = ode.System("dx = f(x)", {"x": 1.0}, functions={"f": lambda x: x})
    for thing, why in (
        (kernel, "written within another function"),
        (lambdas, "a lambda"),
        (calling, "a lambda"),
        (ode.Solver(lambdas, target="cpu"), "a lambda"),
    ):
        with pytest.raises(pickle.PicklingError, match=f"{why}.*Define it with def at the top"):
            pickle.dumps(thing)
        assert repr(copy.deepcopy(thing)) == repr(thing)


def test_a_function_that_was_replaced_is_refused(defined, monkeypatch):
    system = ode.System(defined.decay, {"x": 1.0}, {"k": 0.5})
    monkeypatch.setattr(defined, "decay", lambda t, y, p: [0.0])
    with pytest.raises(pickle.PicklingError, match="not found under that name"):
        pickle.dumps(system)


def test_keeps_are_what_they_were_given(defined, elsewhere, tmp_path, monkeypatch):
    keep = Keep(tmp_path / "keep", read_only=True, memory_size="1MB")
    assert elsewhere(defined.where, keep) == (str(tmp_path / "keep"), True)
    for other in through(keep):
        assert repr(other) == repr(keep)
        assert other.settings.memory_size_bytes == 1_000_000
    assert copy.deepcopy(keep) is keep
    plain = pickle.dumps(Keep())
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "other"))
    assert pickle.loads(plain).settings.root == str(tmp_path / "other")


def test_keeps_with_shared_places(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    keep = Keep(tmp_path / "keep", shared=f"{place}?policy=warn", strategy="layered")
    for other in through(keep):
        assert other.settings.shared == keep.settings.shared


def test_no_secret_is_in_a_pickle(tmp_path):
    keep = Keep(tmp_path / "keep")
    keep.get_or_build("tables", "one", {"x": 1}, lambda: {"a": b"1"})
    secrets = [
        path.read_bytes()
        for path in Path(os.environ["EMBERKEEP_CONFIG_DIR"]).rglob("*")
        if path.is_file()
    ]
    assert secrets
    content = pickle.dumps([keep, keep.settings])
    for secret in secrets:
        assert secret.strip() not in content
    with pytest.raises(TypeError, match="no pickle"):
        pickle.dumps(keep._sealer)


def test_a_keep_with_further_layers_is_made_where_it_is_needed(tmp_path):
    from emberkeep.store.layers import Memory

    keep = Keep(tmp_path / "keep", layers=[Memory(1000)])
    with pytest.raises(pickle.PicklingError, match="Make the keep in each process"):
        pickle.dumps(keep)
    assert copy.copy(keep) is keep


def test_artifacts_and_settings(tmp_path):
    keep = Keep(tmp_path / "keep")
    artifact = keep.get_or_build("tables", "one", {"x": 1}, lambda: {"a": b"1"})
    fingerprint = emberkeep.fingerprint({"x": [1, 2.0]})
    for record in (artifact, fingerprint, keep.settings):
        assert through(record) == [record] * len(through(record))


def test_main_without_a_module(tmp_path):
    """A function in a script that is run: found by spawned processes, which read it again."""
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing\n"
        "from emberkeep import ode\n"
        "def rhs(t, y, p):\n    return (-p.k * y.x,)\n"
        "def final(solver):\n    return float(solver.solve((0.0, 1.0), dt=0.1)['x'][0])\n"
        "if __name__ == '__main__':\n"
        "    system = ode.System(rhs, {'x': 1.0}, {'k': 0.5})\n"
        "    solver = ode.Solver(system, method='rk4', target='cpu')\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(final, [solver])[0] == final(solver))\n"
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert ran.stdout == "True\n", ran.stderr


def test_cloudpickle_sends_lambdas_by_value():
    cloudpickle = pytest.importorskip("cloudpickle")
    system = ode.System(lambda t, y, p: [-y.x], {"x": 1.0})
    other = cloudpickle.loads(cloudpickle.dumps(system))
    assert other.states == system.states


def test_memory_of_a_device_is_not_copied():
    from emberkeep.targets.cuda.memory import DeviceArray

    class Device:
        name = "none"

    array = DeviceArray(Device(), 0, (2,), np.dtype(float))
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="copy_to_host"):
            attempt(array)
