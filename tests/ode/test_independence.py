"""A trajectory has the same bits whoever is integrated beside it, and on however many threads."""

import numpy as np
import pytest

from emberkeep import ode

OPTIONS = {"tsit5": {}, "rk4": {"dt": 1e-2}}
CASES = [(m, s) for m in OPTIONS for s in ("lorenz", "forced", "ring")]


def solve(keep, system, method, values, threads=2, **more):
    one = ode.Solver(system, target="cpu", keep=keep, method=method, threads=threads)
    return one.solve((0, 2), initial=values, **OPTIONS[method], **more)


@pytest.mark.parametrize(("method", "name"), CASES)
def test_bits_do_not_depend_on_batch_order_or_threads(method, name, keep, request):
    system = request.getfixturevalue(name)
    state = next(iter(system.states))
    values = np.linspace(0.5, 1.5, 203)
    whole = solve(keep, system, method, {state: values}).final
    for threads in (1, 3):
        again = solve(keep, system, method, {state: values}, threads=threads).final
        np.testing.assert_array_equal(again, whole)
    order = np.random.default_rng(0).permutation(values.size)
    np.testing.assert_array_equal(
        solve(keep, system, method, {state: values[order]}).final, whole[order]
    )
    for begin, end in ((0, 1), (100, 101), (5, 38), (150, 203)):
        part = solve(keep, system, method, {state: values[begin:end]}).final
        np.testing.assert_array_equal(part, whole[begin:end])


@pytest.mark.parametrize("method", OPTIONS)
def test_saved_values_do_not_depend_on_the_batch_either(method, keep, lorenz):
    values = np.linspace(0.5, 1.5, 77)
    more = {"save_at": 0.3}
    whole = solve(keep, lorenz, method, {"x": values}, **more).states
    for run in (0, 31, 32, 76):
        alone = solve(keep, lorenz, method, {"x": values[run : run + 1]}, **more).states
        np.testing.assert_array_equal(alone[0], whole[run])


def test_times_to_save_do_not_change_the_steps(keep, lorenz):
    few = solve(keep, lorenz, "tsit5", None, save_at=[0.5, 2.0]).states[0]
    many = solve(keep, lorenz, "tsit5", None, save_at=np.linspace(0, 2, 41)).states[0]
    np.testing.assert_array_equal(few, many[[10, 40]])
