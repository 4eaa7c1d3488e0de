"""Steps that several threads of a GPU take together, each a thread of this processor here."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep import ode
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.kernel.code import INT, REAL, Code, Value
from emberkeep.ode.kernel.linear.matrix import matrix_of
from emberkeep.ode.kernel.linear.shares import branched, dissected
from emberkeep.ode.kernel.teams import spread
from emberkeep.ode.plan import make_plan
from emberkeep.targets.cuda.target import CudaTarget

gpu = runpy.run_path(Path(__file__).parent / "gpu_on_host.py")
needs_compiler = pytest.mark.skipif(not gpu["HAS_COMPILER"], reason="no g++")


def chain(cells, name="chain"):
    """A reaction that diffuses from cell to cell."""
    equations, states = [], {}
    for i in range(cells):
        u, v, w = f"u{i}", f"v{i}", f"u{i - 1}" if i else "1"
        after = f"u{i + 1}" if i < cells - 1 else "1"
        equations += [
            f"d{u} = 1 + {u}^2*{v} - 4*{u} + d*({w} - 2*{u} + {after})",
            f"d{v} = 3*{u} - {u}^2*{v} - 0.1*t*({v} - 3)",
        ]
        states |= {u: 1 + np.sin(i + 1) / 2, v: 3.0}
    return ode.System(equations, states, {"d": 2.0}, name=name)


def knot(count):
    """All states with all others' neighbours: nothing parts it."""
    others = [(100.0 ** (i % 3), (i * 7 + 3) % count, (i * 5 + 1) % count) for i in range(count)]
    equations = [
        f"dx{i} = -k*x{i} + {rate}*(x{one}*x{other} - x{i})"
        for i, (rate, one, other) in enumerate(others)
    ]
    states = {f"x{i}": 0.3 + 0.05 * i for i in range(count)}
    return ode.System(equations, states, {"k": 0.5}, name="knot")


DENSE = ode.System(
    [f"dx{i} = -x{i}*({' + '.join(f'{j + 1}*x{j}' for j in range(30))})" for i in range(30)],
    {f"x{i}": 1.0 for i in range(30)},
    name="dense",
)


def source(system, method="rodas5p", **more):
    plan = make_plan(system, method_name=method, precision="float64", **more)
    return Compilation(plan).source(CudaTarget("sm_90"))


def on_host(system, folder, method):
    solver = ode.Solver(system, method=method, target="cpu")
    solver._runner = gpu["Threads"](folder)
    return solver


@needs_compiler
@pytest.mark.parametrize(
    ("system", "method", "threads"),
    [(knot(11), "rodas5p", 2), (chain(6), "rodas3", 2), (chain(13), "rosenbrock23", 4)],
    ids=["knot", "two", "four"],
)
def test_solves_are_those_of_a_cpu(system, method, threads, tmp_path):
    name = next(iter(system.parameters))
    assert source(system, method, outputs=None, saves=False).notes["team"] == threads
    given = {"parameters": {name: np.linspace(0.2, 3, 9)}, "rtol": 1e-6, "atol": 1e-8}
    given["outputs"] = ("final", "steps")
    there = on_host(system, tmp_path, method).solve((0, 1.5), **given).require_success()
    here = ode.Solver(system, method=method, target="cpu").solve((0, 1.5), **given)
    assert here.steps.sum() > 9 * 8
    assert np.ptp(here.steps.sum(axis=1)) > 0  # lanes end one after the other
    np.testing.assert_allclose(there.final, here.final, rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(there.steps, here.steps)


@needs_compiler
@pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")
def test_states_are_saved_and_what_fails_leaves_others_alone(tmp_path):
    system = ode.System(
        ["dx0 = a*x0^2 - x1", *(f"dx{i} = -50*(x{i} - x{i - 1})" for i in range(1, 12))],
        {f"x{i}": 1.0 for i in range(12)},
        {"a": 0.5},
        name="blows_up",
    )
    given = {"parameters": {"a": np.array([0.5, 4.0, 0.9, np.nan, 0.7])}, "save_at": 0.25}
    given |= {"rtol": 1e-6, "atol": 1e-8}
    assert source(system, outputs=None, saves=True).notes["team"] == 2
    here = ode.Solver(system, method="rodas5p", target="cpu")
    there, here = (
        one.solve((0, 2), **given) for one in (on_host(system, tmp_path, "rodas5p"), here)
    )
    assert list(there.status) == list(here.status)
    assert sorted({*there.status}) != [0]
    np.testing.assert_allclose(there.states, here.states, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("system", "more"),
    [
        (chain(3), {}),
        (chain(6), {"precision": "float32"}),
        (chain(6), {"method": "kvaerno5"}),
        (chain(6), {"outputs": ["mean"], "saves": True}),
        (DENSE, {}),
    ],
    ids=["few", "single", "newton", "mean", "dense"],
)
def test_one_thread_does_all_of_what_is_small_or_no_straight_line(system, more):
    given = {"method": "rodas5p", "precision": "float64", "outputs": None, "saves": False, **more}
    method = given.pop("method")
    plan = make_plan(system, method_name=method, **given)
    found = Compilation(plan).source(CudaTarget("sm_90"))
    assert "team" not in found.notes
    assert "told" not in found.text


def test_few_states_part_a_chain():
    pattern = {(i, j) for i in range(31) for j in range(31) if abs(i - j) <= 1}
    shares = dissected(pattern, 31, 4)
    assert shares.stages.count(0) == 28
    interior = [state for state in range(31) if not shares.stages[state]]
    for state in interior:  # no interior state is next to another thread's
        for other in interior:
            if abs(state - other) == 1:
                assert shares.owners[state] == shares.owners[other]
    assert max(shares.owners.count(thread) for thread in range(4)) <= 9
    assert sorted(shares.in_turn) == [*range(31)]
    matrix = matrix_of(dict.fromkeys(pattern, 0), 31, stages=shares.stages)
    order = [column for block in matrix.blocks for _, column in block.pivots]
    assert [shares.stages[state] for state in order] == sorted(shares.stages)


def test_nothing_parts_what_is_dense():
    pattern = {(i, j) for i in range(12) for j in range(12)}
    assert dissected(pattern, 12, 2) is None


def test_branches_of_a_star_are_shared_out():
    pattern = (
        {(i, i) for i in range(13)} | {(0, i) for i in range(13)} | {(i, 0) for i in range(13)}
    )
    shares = branched(matrix_of(dict.fromkeys(pattern, 0), 13), 3)
    assert sorted(shares.owners.count(thread) for thread in range(3)) == [4, 4, 5]


# Any straight line ------------------------------------------------------------------------------

COUNT = 4


def written(draw):
    """A loop of a few turns, in which each variable is set from all others, some way."""
    code = Code()
    result = code.argument("result", REAL)
    shared = [code.variable(f"x{i}", REAL, float(i + 1)) for i in range(COUNT)]
    total, turn = code.variable("total", REAL, 0.5), code.variable("turn", INT, 0, uniform=True)
    owners = draw(st.lists(st.integers(0, 2), min_size=COUNT, max_size=COUNT))
    code.is_shared = True
    with code.loop():
        result.set(0, total.get())
        for place, variable in enumerate(shared):
            result.set(place + 2, variable.get())
        code.leave(turn.get() >= 3)
        with code.loop():
            values = [variable.get() for variable in (*shared, total)]
            for _ in range(draw(st.integers(4, 25))):
                one, other, third = (draw(st.sampled_from(values)) for _ in range(3))
                with code.work_of(draw(st.sampled_from([None, None, 0, 1, 2]))):
                    kind = draw(st.sampled_from("+-*wt"))
                    if kind == "w":
                        made = code.where(one < other, third, one * 0.5)
                    elif kind == "t":
                        made = code.told(one + other)
                    else:
                        made = code.arithmetic(kind, one, other) * 0.25
                values.append(made)
            total.set(draw(st.sampled_from(values)))
            values.append(total.get())
            for variable in draw(st.permutations(shared)):
                variable.set(draw(st.sampled_from(values)))
            turn.set(turn.get() + 1)
            with code.when(turn.get().equals(2)):
                result.set(1, values[-1])
            code.leave(turn.get() >= 3)
    return code, shared, owners


class Walk:
    """One thread's way through code, which it interrupts at each meeting."""

    def __init__(self, variables, result, memory):
        self.variables, self.result, self.memory = variables, result, memory
        self.values, self.homes = {}, {}

    def get(self, item):
        if not isinstance(item, Value):
            return item
        return item.literal if item.literal is not None else self.values[item.number]

    def go(self, instructions):  # noqa: C901 - a table
        for operation, *rest in instructions:
            if operation == "meet":
                yield
            elif operation == "loop":
                while (yield from self.go(rest[0].instructions)) != "left":
                    pass
            elif operation == "leave":
                if self.get(rest[0]):
                    return "left"
            elif operation == "when":
                if self.get(rest[0]):
                    yield from self.go(rest[1].instructions)
            elif operation == "store":
                self.result[self.get(rest[1])] = self.get(rest[2])
            elif operation == "tell":
                self.memory[rest[0]] = self.get(rest[1])
            elif operation == "hear":
                self.values[rest[0].number] = self.memory[rest[1]]
            elif operation == "get":
                home = self.homes.get(rest[1].number)
                held = self.variables[rest[1].number] if home is None else self.memory[home]
                self.values[rest[0].number] = held
            elif operation == "set":
                home = self.homes.get(rest[0].number)
                where, key = (
                    (self.variables, rest[0].number) if home is None else (self.memory, home)
                )
                where[key] = self.get(rest[1])
            elif operation == "team":
                yield from self.join(*rest)
            else:
                self.values[rest[0].number] = self.computed(operation, *map(self.get, rest[1:]))
        return "through"

    def join(self, team, *blocks):
        yield
        for variable in team.shared:
            if team.owners[variable.number] == self.thread:
                self.memory[team.homes[variable.number]] = self.variables[variable.number]
        yield
        self.homes = team.homes
        while (yield from self.go(blocks[self.thread].instructions)) != "left":
            pass
        self.homes = {}
        for variable in team.shared:
            self.variables[variable.number] = self.memory[team.homes[variable.number]]

    def computed(self, operation, *given):
        if operation in ("told", "same"):
            return given[0]
        if operation == "where":
            return given[1] if given[0] else given[2]
        known = {"+": float.__add__, "-": float.__sub__, "*": float.__mul__}
        if operation in known and isinstance(given[0], float):
            return known[operation](*map(float, given))
        return {"+": lambda a, b: a + b, "<": lambda a, b: a < b, ">=": lambda a, b: a >= b,
                "==": lambda a, b: a == b}[operation](*given)  # fmt: skip


def gone_through(code, threads):
    memory, walks, ways = {}, [], []
    for thread in range(threads):
        walk = Walk({one.number: 0 for one in code.variables}, {}, memory)
        walk.thread = thread
        walks.append(walk)
        ways.append(walk.go(code.body.instructions))
    left = list(ways)
    while left:  # from meeting to meeting, the last thread first, so that order cannot help
        still = []
        for way in reversed(left):
            try:
                next(way)
                still.insert(0, way)
            except StopIteration:
                pass
        assert len(still) in (0, threads), "threads meet a different number of times"
        left = still
    return [walk.result for walk in walks]


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_team_computes_what_one_thread_does(data):
    code, shared, owners = written(data.draw)
    (expected,) = gone_through(code, 1)
    spread(code, shared, owners, 3)
    for found in gone_through(code, 3):
        assert found == expected


def test_what_sets_states_outside_the_straight_line_is_left_to_one_thread():
    code = Code()
    state = code.variable("x", REAL, 1.0)
    with code.loop(), code.loop():
        with code.when(code.any(state.get() < 0.5)):
            state.set(2.0)
        code.leave(code.any(state.get() > 1))
    assert spread(code, [state], [0], 2) is None


def test_what_needs_more_shared_memory_than_a_gpu_has_is_left_to_one_thread(monkeypatch):
    assert "team" in source(knot(11), outputs=None, saves=False).notes
    monkeypatch.setattr("emberkeep.ode.kernel.source.MOST_SHARED_BYTES", 1000)
    found = source(knot(11), outputs=None, saves=False)
    assert "team" not in found.notes
    assert "told" not in found.text
