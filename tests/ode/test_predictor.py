"""Where stages are before anything is computed: on the polynomial of the attempt before."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from numpy.polynomial import Polynomial

from emberkeep import ode
from emberkeep.ode.kernel.code import BOOL, REAL
from emberkeep.ode.kernel.families.fully_implicit import fully_implicit_step
from emberkeep.ode.kernel.predictor import FARTHEST, Predictor
from emberkeep.ode.kernel.step import CoupledIteration
from emberkeep.ode.kernel.vectors import Layout
from emberkeep.ode.methods import numbers_of

machine = runpy.run_path(Path(__file__).parent / "kernel_machine.py")
fresh, trajectories, Compiled = machine["fresh"], machine["trajectories"], machine["Compiled"]
STATES = 2


def iteration_of(method):
    step = fully_implicit_step(numbers_of(method), is_judged=True)
    [found] = [each for each in step.operations if isinstance(each, CoupledIteration)]
    return found


def predicted(iteration, unknowns, before, now, was_accepted, *, large):
    """The unknowns of a step after an attempt, for each trajectory: trajectory, state, unknown."""
    count = len(iteration.targets)
    code = fresh()
    names = ("unknowns", "before", "now", "accepted")
    given, length, following, accepted = (code.argument(name, REAL) for name in names)
    run, here = trajectories(code)
    layout = Layout(code, large=large)
    vectors = [layout.kept(name, STATES) for name in iteration.targets]
    h, h_before = code.variable("h", REAL), code.variable("h_before", REAL)
    was = code.variable("was", BOOL)
    with code.for_each(code.value(True, BOOL)):
        for place, vector in enumerate(vectors):
            begin = (run.get() * count + place) * STATES
            layout.each(STATES, lambda i, v=vector, b=begin: v.set(i, given.get(b + i)))
        h.set(following.get(run.get()))
        h_before.set(length.get(run.get()))
        was.set(accepted.get(run.get()) > 0.0)
    predictor = Predictor(code)
    predictor.forget()
    predictor.remember(h_before.get(), was.get())
    predictor.predict(iteration, vectors, layout, h.get())
    with code.for_each(here.get()):
        for place, vector in enumerate(vectors):
            begin = (run.get() * count + place) * STATES
            layout.each(STATES, lambda i, v=vector, b=begin: given.set(b + i, v.get(i)))
    arrays = {
        "unknowns": unknowns.transpose(0, 2, 1).ravel().copy(),
        "before": np.asarray(before, float),
        "now": np.asarray(now, float),
        "accepted": np.asarray(was_accepted, float),
    }
    Compiled(code, 8, 256)(arrays, len(unknowns))
    return arrays["unknowns"].reshape(-1, count, STATES).transpose(0, 2, 1)


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize(
    "method", ["radau-iia-3", "radau-iia-5", "radau-iia-9", "gauss-legendre-4"]
)
def test_stages_are_on_the_polynomial_before(method, large):
    """Beyond its end after a step, within it after a rejected one; also backwards."""
    iteration = iteration_of(method)
    tableau = numbers_of(method)
    rng = np.random.default_rng(len(method))
    runs, count = 11, tableau.count
    unknowns = rng.normal(size=(runs, STATES, count))
    before = rng.uniform(0.5, 2, runs) * np.where(np.arange(runs) % 2, 1, -1)
    ratios = rng.uniform(0.1, 3, runs)
    accepted = np.arange(runs) % 3 > 0
    found = predicted(iteration, unknowns, before, before * ratios, accepted, large=large)
    nodes, states = np.array(tableau.nodes), np.array(iteration.states)
    for run in range(runs):
        for state in range(STATES):
            coefficients = before[run] * np.array(iteration.powers) @ unknowns[run, state]
            polynomial = Polynomial([0.0, *coefficients])
            # It goes through the stages of its own step.
            np.testing.assert_allclose(
                polynomial(nodes), before[run] * states @ unknowns[run, state], atol=1e-12
            )
            start = 1.0 if accepted[run] else 0.0
            expected = polynomial(start + ratios[run] * nodes) - polynomial(start)
            stages = before[run] * ratios[run] * states @ found[run, state]
            scale = np.abs(coefficients).max() * (1 + ratios[run]) ** count
            np.testing.assert_allclose(stages, expected, atol=1e-12 * scale)


def test_nothing_is_predicted_from_nothing():
    """Without an attempt before, from too far, in the other direction, and in a lane at rest."""
    iteration = iteration_of("radau-iia-5")
    unknowns = np.ones((5, STATES, 3))
    before = [0.0, 1.0, -1.0, 0.0, 1.0]
    now = [1.0, FARTHEST * 1.01, 1.0, 0.0, 1.0]
    found = predicted(iteration, unknowns, before, now, np.ones(5), large=False)
    assert not found[:4].any()
    assert found[4].any()


def test_what_iterations_leave_is_far_below_what_is_tolerated(keep):
    """From the start of each step, it would be a thousand times as much: 1.3e-6."""
    robertson = ode.System(
        "dx = -k1*x + 1e4*y*z; dy = k1*x - 1e4*y*z - 3e7*y^2; dz = 3e7*y^2",
        {"x": 1.0, "y": 0.0, "z": 0.0},
        {"k1": 0.04},
        name="robertson",
    )
    found = ode.Solver(robertson, method="radau-iia-5", target="cpu", keep=keep).solve(
        (0, 1e11), rtol=1e-6, atol=1e-14
    )
    x, y, _ = found.require_success().final[0]
    assert x == pytest.approx(0.2083340149701255e-07, rel=1e-7)
    assert y == pytest.approx(0.8333360770334713e-13, rel=1e-7)
