"""Solving, as a user does it."""

import logging
import math
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from emberkeep import InvalidPlan, InvalidSystem, Keep, SolveWarning, TimeLogger, ode
from emberkeep.targets.cpu.target import CpuTarget
from emberkeep.targets.cuda.target import CudaTarget
from emberkeep.telemetry import Category


def cpu(system, keep, **options):
    return ode.Solver(system, target="cpu", keep=keep, **options)


def test_one_call_is_enough(keep, decay):
    result = ode.solve(decay, (0, 2), parameters={"k": [0.5, 1, 2]}, target="cpu", keep=keep)
    np.testing.assert_allclose(result.final[:, 0], np.exp([-1, -2, -4]), rtol=1e-5)
    np.testing.assert_array_equal(result["x"], result.final[:, 0])
    assert result.states is None
    assert result.t.size == 0
    assert len(result) == 3


def test_a_grid_combines_each_with_each_the_last_fastest(keep, decay):
    k, x = np.array([0.5, 1.0, 2.0]), np.array([1.0, 3.0])
    result = cpu(decay, keep).solve(
        (0, 1), parameters={"k": k}, initial={"x": x}, grid="combinations", save_at=[0.5, 1]
    )
    assert result.states.shape == (6, 2, 1)
    expected = (x * np.exp(-k)[:, None]).reshape(-1)
    np.testing.assert_allclose(result.states[:, 1, 0], expected, rtol=1e-5)
    table = result.to_xarray()
    np.testing.assert_allclose(table.x.sel(k=2.0, x_initial=3.0, t=0.5), 3 * np.exp(-1), rtol=1e-5)


def test_a_float32_solve_takes_float64_input_and_gives_float32(keep, decay):
    result = cpu(decay, keep, precision="float32").solve((0, 1), parameters={"k": np.ones(3)})
    assert result.final.dtype == np.float32
    np.testing.assert_allclose(result.final[:, 0], np.exp(-1), rtol=1e-5)


NUMBERS = [
    {"rtol": 1e-3}, {"atol": 1e-4}, {"atol": {"x": 1e-5}}, {"dt": 0.01}, {"dt_min": 1e-6},
    {"dt_max": 0.1}, {"max_steps": 5000}, {"parameters": {"k": 3.0}}, {"initial": {"x": 4.0}},
    {"parameters": {"k": np.linspace(1, 2, 50)}}, {"t_span": (1, 5)}, {"t_span": (5, 1)},
    {"save_at": 0.1}, {"save_at": [0.2, 0.3]},
]  # fmt: skip


def test_no_number_makes_a_compile(tmp_path, decay):
    """Neither in this process nor, by its key, in any other; nothing is kept from earlier runs."""
    solver = cpu(decay, Keep(tmp_path))
    solver.solve((0, 1))
    solver.solve((0, 1), save_at=0.5)
    logger = TimeLogger("default")
    logger.install()
    try:
        for numbers in NUMBERS:
            given = {"t_span": (0, 1), **numbers}
            solver.solve(given.pop("t_span"), **given)
        same = ode.System("dx = -k*x", {"x": 9.0}, {"k": 7.0}, name="decay")
        fresh = cpu(same, Keep(tmp_path))
    finally:
        logger.remove()
    assert not [one for one in logger.records if one.category == Category.COMPILE]
    assert fresh.build().hit


def test_constants_change_without_a_compile(keep, lorenz):
    solver = cpu(lorenz, keep)
    first = solver.solve((0, 1)).final
    other = cpu(lorenz.with_constants(beta=2.0), keep)
    assert other.build().key == solver.build().key
    assert not np.array_equal(other.solve((0, 1)).final, first)


def test_hits_and_misses_can_be_seen(tmp_path, decay, caplog):
    caplog.set_level(logging.DEBUG, "emberkeep.keep")
    folder = Keep(tmp_path)
    assert not cpu(decay, folder, method="rk4").build().hit
    assert "miss (absent" in caplog.text
    again = cpu(decay, Keep(tmp_path), method="rk4").build()
    assert again.hit
    assert "hit in local" in caplog.text


def test_source_lies_beside_the_manifest_and_goes_with_it(tmp_path, decay):
    keep = Keep(tmp_path)
    solver = cpu(decay, keep, method="rk4")
    solver.build()
    (source,) = tmp_path.glob("generated/decay/*.py")
    assert source.read_text() == solver.source()
    assert source.with_suffix(".json").exists()
    source.write_text("raise SystemExit('it must never be run')")  # and is never read either
    assert cpu(decay, Keep(tmp_path), method="rk4").solve((0, 1), dt=0.1).failed.size == 0
    ran = subprocess.run(
        [sys.executable, "-m", "emberkeep", "--root", tmp_path, "clear", "--yes"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert not list(tmp_path.glob("generated/decay/*"))


def test_results_own_their_memory(keep, decay):
    solver = cpu(decay, keep)
    first = solver.solve((0, 1), parameters={"k": np.ones(500)})
    kept = first.final.copy()
    for _ in range(3):
        solver.solve((0, 1), parameters={"k": np.full(500, 5.0)})
    np.testing.assert_array_equal(first.final, kept)


def test_outputs_may_change_from_solve_to_solve(keep, decay):
    solver = cpu(decay, keep)
    for outputs, save_at in (
        (None, None),
        (["states", "final"], 0.5),
        ("states", 0.25),
        ("final", None),
    ):
        result = solver.solve((0, 1), outputs=outputs, save_at=save_at)
        assert (result.states is not None) == (save_at is not None)
        assert (result.final is not None) == (outputs != "states")


@pytest.mark.parametrize(
    ("method", "codes", "options"), [("rk4", 1, {"dt": 0.05}), ("tsit5", 2, {})]
)
def test_what_is_saved_compiles_no_more_than_it_must(keep, decay, method, codes, options):
    """Whatever is saved, and whenever; and an array that is not asked for is not there."""
    solver = cpu(decay, keep, method=method)
    rates = {"k": np.linspace(0.5, 2.0, 70)}
    both = {"outputs": ["states", "final"], "parameters": rates, **options}
    whole = solver.solve((0, 1), save_at=0.25, **both)
    loaded = solver._runner._kernels
    for outputs, save_at in (
        ("final", None),
        ("states", 0.25),
        ("states", [0.0, 0.25, 0.75]),
        (["states", "final"], [1.0]),
        (None, np.linspace(0, 1, 9)),
    ):
        found = solver.solve((0, 1), outputs=outputs, save_at=save_at, parameters=rates, **options)
        wanted = "states" if outputs is None else outputs
        assert (found.states is not None, found.final is not None) == (
            "states" in wanted,
            "final" in wanted,
        )
        exact = np.exp(-rates["k"])
        if found.final is not None:
            np.testing.assert_allclose(found.final[:, 0], exact, rtol=1e-5)
        if found.states is not None:
            times = np.arange(5) * 0.25 if np.isscalar(save_at) else np.asarray(save_at)
            exact = np.exp(-np.outer(rates["k"], times))
            np.testing.assert_allclose(found.states[:, :, 0], exact, rtol=1e-5)
    assert len(loaded) == codes
    np.testing.assert_allclose(whole.final[:, 0], whole.states[:, -1, 0], rtol=1e-12)


def test_one_solver_serves_several_threads(keep, lorenz):
    solver = cpu(lorenz, keep)
    expected = {r: solver.solve((0, 1), parameters={"rho": r}).final for r in (20.0, 24.0, 28.0)}
    wrong = []

    def work(r):
        found = [solver.solve((0, 1), parameters={"rho": r}).final for _ in range(20)]
        wrong.extend(r for one in found if not np.array_equal(one, expected[r]))

    threads = [threading.Thread(target=work, args=(r,)) for r in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_progress_is_drawn_where_it_is_asked_for(keep, decay, capsys):
    cpu(decay, keep).solve((0, 1), parameters={"k": np.ones(100)}, progress=True)
    shown = capsys.readouterr().err
    assert "solve decay" in shown
    assert "100/100" in shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "rk5"}, "no method 'rk5'"),
        ({"precision": "float16"}, "float64"),
        ({"target": "tpu"}, "'auto', 'cpu', 'cuda'"),
        ({"parameters": {"q": 1}}, "no parameter 'q'"),
        ({"parameters": {"x": 1}}, "initial"),
        ({"initial": {"y": 1}}, "no initial value 'y'"),
        ({"rtol": 0}, "rtol=0"),
        ({"atol": 0}, "atol=0"),
        ({"save_at": [2.0]}, "within t_span"),
        ({"outputs": ["median"]}, "states, final"),
        ({"outputs": ["states"]}, "save_at"),
        ({"save_at": 0.1, "outputs": ["final"]}, "outputs does not contain 'states'"),
        ({"method": "rk4"}, "pass dt"),
        ({"grid": "each"}, "combinations"),
        ({"t_span": 5}, "start and an end"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(change, message, keep, decay):
    given = {"t_span": (0, 1), "target": "cpu", "keep": keep, **change}
    with pytest.raises(InvalidPlan, match=message):
        ode.solve(decay, given.pop("t_span"), **given)


def test_what_is_no_system_is_refused():
    with pytest.raises(InvalidPlan, match="must be a System; it is a str"):
        ode.solve("dx = -x", (0, 1))


def returns_list(t, y, p):
    return [-y.x]


def returns_list_by_branch(t, y, p):
    return [-y.x] if y.x > 0 else [y.x]


def test_a_function_that_is_not_followed_and_returns_a_list_is_told_so(keep):
    listed = cpu(ode.System(returns_list, {"x": 1.0}), keep).solve((0, 1))
    np.testing.assert_allclose(listed.final, np.exp(-1), rtol=1e-5)
    with pytest.raises(InvalidSystem, match="must give derivatives alone, a tuple, as in: return"):
        cpu(ode.System(returns_list_by_branch, {"x": 1.0}), keep).build()


ENDLESS = """
import sys, time
import numpy as np
from emberkeep import Keep, ode
solver = ode.Solver(
    ode.System("dx = -k*x", {"x": 1.0}, {"k": 1.0}, name="decay"), target="cpu", method="rk4",
    keep=Keep(sys.argv[1]),
)
solver.solve((0, 1), dt=0.1)
print("ready", flush=True)
began = time.perf_counter()
try:
    solver.solve((0, 1e6), dt=1e-6, max_steps=10**15, parameters={"k": np.ones(1000)})
except KeyboardInterrupt:
    print("interrupted", flush=True)
    again = solver.solve((0, 1), dt=0.1)
    print(again.failed.size, flush=True)
"""


def test_ctrl_c_ends_a_long_solve_within_a_second_and_the_solver_lives_on(tmp_path):
    command = [sys.executable, "-c", ENDLESS, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - sent < 1
        assert process.stdout.readline() == "0\n"
        assert process.wait(10) == 0


@pytest.mark.parametrize("target", [CpuTarget(), CudaTarget("sm_90")], ids=["cpu", "cuda"])
@pytest.mark.parametrize("name", ["C:\\Users\\new", 'a"""b', "x\nret void\n}\n", "*/ x \\"])
def test_a_name_is_no_code(name, target, keep):
    system = ode.System("dx = -x", {"x": 1.0}, name=name)
    source = ode.Solver(system, target=target, keep=keep).source()
    plain = ode.Solver(ode.System("dx = -x", {"x": 1.0}), target=target, keep=keep).source()
    assert source.split("\n")[1:] == plain.split("\n")[1:]


def test_comments_end_with_their_line(keep):
    system = ode.System({"x": "-x  # x\n + 5*x"}, {"x": 1.0})
    np.testing.assert_allclose(cpu(system, keep).solve((0, 1)).final, np.exp(4), rtol=1e-5)


def outside(t, y, p):
    return (math.sqrt(-1 - y.x),)


def of_two(t, y):
    return (0.0,)


def with_unknown(t, y, p):
    return (p.zz,)


def test_a_function_outside_of_its_domain_gives_no_number(keep):
    with pytest.warns(SolveWarning, match="not-a-number"):
        result = cpu(ode.System(outside, {"x": 1.0}), keep).solve((0, 1))
    assert np.isnan(result.final).all()


@pytest.mark.parametrize("function", [of_two, with_unknown])
def test_a_function_that_cannot_be_called_is_told_so(function, keep):
    with pytest.raises(InvalidSystem, match=r"as f\(t, y, p\)"):
        cpu(ode.System(function, {"x": 1.0}), keep).solve((0, 1))


@pytest.mark.parametrize(
    "change",
    [
        {"t_span": (0, 10**400)},
        {"rtol": 10**400},
        {"atol": 10**400},
        {"dt": 10**400},
        {"save_at": 10**400},
        {"save_at": 1e-320},
        {"save_at": 1e-18},
        {"dt_max": "5"},
        {"dt_min": "0"},
        {"outputs": 5},
        {"outputs": [["final"]]},
        {"parameters": {"k": 10**400}},
        {"grid": np.array([1, 2])},
        {"dt": 1e-3, "max_steps": 10, "method": "rk4"},
        {"threads": "2"},
        {"threads": 0},
        {"target": 5},
        {"target": None},
        {"keep": "folder"},
    ],
    ids=str,
)
def test_no_mistake_gives_an_error_without_words(change, keep, decay):
    given = {"t_span": (0, 1), "target": "cpu", "keep": keep, **change}
    with pytest.raises(InvalidPlan):
        ode.solve(decay, given.pop("t_span"), **given)


def test_names_of_columns_do_not_hide_each_other(keep):
    system = ode.System("dx = -x_initial*x", {"x": 1.0}, {"x_initial": 1.0})
    given = {"parameters": {"x_initial": [1, 2]}, "initial": {"x": [3, 4]}}
    result = cpu(system, keep).solve((0, 1), **given)
    assert result.to_pandas()["x_initial"].tolist() == [1, 2]
    assert result.to_xarray()["x_initial_"].values.tolist() == [3, 4]


def test_a_summary_is_built_ahead_by_its_name(keep):
    solver = cpu(ode.System("dx = -x", {"x": 1.0}), keep)
    built = solver.build(["mean"])
    result = solver.solve((0, 1), save_at=0.1, outputs=["mean", "final"])
    assert solver.build(["mean", "final"]).key == built.key
    np.testing.assert_allclose(result.summary("mean", "x"), np.exp(-np.arange(11) / 10).mean())
