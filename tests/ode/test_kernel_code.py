"""The form that kernels are written in: printed for vectors and for threads, it means the same."""

import random
import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep.ode.kernel.code import BOOL, INT, REAL, SINGLE, TIME
from emberkeep.ode.kernel.module import print_module

machine = runpy.run_path(Path(__file__).parent / "kernel_machine.py")
fresh, trajectories = machine["fresh"], machine["trajectories"]
Compiled, Hosted, Machine = machine["Compiled"], machine["Hosted"], machine["Machine"]
needs_compiler = pytest.mark.skipif(not machine["HAS_COMPILER"], reason="there is no g++")

ROOM = 64  # numbers that a trajectory may write
RUNS = 11


class Trial:
    """Code for some trajectories, with numbers that differ between them."""

    def __init__(self, *, single=False):
        self.code = fresh(single=single)
        self.x, self.n = self.code.argument("x", REAL), self.code.argument("n", INT)
        self.out, self.counts = self.code.argument("out", REAL), self.code.argument("counts", INT)
        self.run, self.here = trajectories(self.code)
        self._real, self._whole = 0, 0

    def inputs(self):
        """A number and a whole number of each trajectory."""
        x, n = self.code.variable("x", REAL), self.code.variable("n", INT)
        with self.code.for_each(self.code.value(True, BOOL)):
            x.set(self.x.get(self.run.get()))
            n.set(self.n.get(self.run.get()))
        return x, n

    def write(self, *values):
        """Write what trajectories have found."""
        with self.code.for_each(self.here.get()):
            for value in values:
                self.write_one(value)

    def write_one(self, value):
        place = self.run.get() * ROOM
        if value.kind in (INT, BOOL):
            self.counts.set(place + self._whole, self.code.value(value, INT))
            self._whole += 1
        else:
            self.out.set(place + self._real, self.code.value(value, REAL))
            self._real += 1


def numbers(trial, runs, seed=0):
    source, real = random.Random(seed), np.float32 if trial.code.is_single else np.float64
    return {
        "x": np.array([source.randrange(-8, 9) / 2 for _ in range(runs)], real),
        "n": np.array([source.randrange(-9, 10) for _ in range(runs)], np.int64),
        "out": np.full(runs * ROOM, -77, real),
        "counts": np.full(runs * ROOM, -77, np.int64),
    }


def ran(runner, trial, runs, share=None, seed=0):
    given = numbers(trial, runs, seed)
    runner(given, runs, share)
    return given["out"], given["counts"]


def same(one, other):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def check(trial, lanes=(2, 8, 32), runs=RUNS):
    """Compiled in lanes, code does what going through it does; in whatever number of lanes."""
    found = [ran(Machine(trial.code, count), trial, runs) for count in (1, *lanes)]
    for count, expected in zip(lanes, found[1:], strict=True):
        compiled = Compiled(trial.code, count, 256)
        assert same(ran(compiled, trial, runs), expected), f"{count} lanes"
        assert same(
            ran(compiled, trial, runs, runs), ran(Machine(trial.code, count), trial, runs, runs)
        )
    return found[0]


def alike(trial, lanes=(2, 8, 32), runs=RUNS):
    """The same, of code whose trajectories do not hear of each other."""
    expected = check(trial, lanes, runs)
    for count in lanes:
        assert same(ran(Machine(trial.code, count), trial, runs), expected)
    return [each.reshape(runs, ROOM) for each in expected]


def test_arithmetic_of_numbers_that_differ_and_that_do_not():
    trial = Trial()
    x, n = trial.inputs()
    x, n = x.get(), n.get()
    trial.write(x + 1, 2 - x, x * x, x / 4, -x, 1 / (x * 0 + 4), n + 3, 5 - n, n * n, -n, n + x)
    out, counts = alike(trial)
    given = numbers(trial, RUNS)
    a, b = given["x"], given["n"]
    assert np.array_equal(out[:, :7].T, [a + 1, 2 - a, a * a, a / 4, -a, a * 0 + 0.25, b + a])
    assert np.array_equal(counts[:, :4].T, [b + 3, 5 - b, b * b, -b])


def test_comparisons_and_conditions():
    trial = Trial()
    x, n = trial.inputs()
    x, n = x.get(), n.get()
    nan = trial.code.value(np.nan, REAL)
    found = [x < 1, x <= 1, x > 1, x >= 1, x.equals(1), x.differs(1), n < 1, n <= 1, n > 1, n >= 1]
    found += [n.equals(1), n.differs(1), (x < 1) & (n < 1), (x < 1) | (n < 1), ~(x < 1)]
    found += [x < nan, x > nan, x.equals(nan), x.differs(nan), nan.differs(nan)]
    trial.write(*found)
    _, counts = alike(trial)
    assert counts[:, 15:20].tolist() == [[0, 0, 0, 1, 1]] * RUNS


def test_conversions_among_kinds():
    for single in (False, True):
        trial = Trial(single=single)
        x, n = trial.inputs()
        value, part = trial.code.value, x.get() / 4
        trial.write(
            value(value(x.get(), TIME), REAL),
            value(value(x.get() * 0.1, SINGLE), REAL),
            value(value(value(x.get(), SINGLE), TIME), REAL),
            value(n.get(), REAL),
            value(n.get(), SINGLE),
            value(n.get(), TIME),
            value(x.get() > 0, REAL),
            value(x.get() > 0, SINGLE),
            value(x.get() > 0, TIME),
            value(x.get() > 0, INT),
            value(True, REAL),
            n.get() + (x.get() > 0),
            part + value(part, TIME),
        )
        alike(trial)


def test_choices_by_conditions_that_differ_and_that_do_not():
    trial = Trial()
    x, n = trial.inputs()
    x, n = x.get(), n.get()
    code = trial.code
    uniform = code.begin >= 0
    trial.write(
        code.where(x > 0, x, 5.0),
        code.where(x > 0, 1.0, 2.0),
        code.where(uniform, x, -x),
        code.where(~uniform, x, -x),
        code.where(uniform, 3.0, 4.0),
        code.where(x > 0, n, code.value(3, INT)),
        code.where(x > 0, n > 1, n < 1),
        code.where(uniform, n > 1, n < 1),
        code.where(x > 0, uniform, ~uniform),
        code.smaller(x, 0.5),
        code.larger(0.5, x),
        code.smaller(n, code.begin + 1) * 0,
    )
    alike(trial)


def test_whole_numbers():
    trial = Trial()
    _, n = trial.inputs()
    code, n = trial.code, n.get()
    positive = n * n
    trial.write(
        code.quotient(positive, code.value(3, INT)),
        code.remainder(positive, code.value(7, INT)),
        code.is_multiple(n, 4),
        code.is_multiple(code.begin * 0 + 8, 4),
        code.quotient(code.end - code.begin, code.value(1, INT)) * 0,
        n * (1 << 40),
        n * (1 << 62) * 2,
    )
    alike(trial)


def test_whole_numbers_are_not_divided():
    trial = Trial()
    with pytest.raises(AssertionError):
        trial.code.value(7, INT) / trial.code.value(2, INT)
    with pytest.raises(AssertionError):
        trial.code.begin / 2


def test_variables_set_in_lanes_keep_what_the_others_had():
    trial = Trial()
    x, n = trial.inputs()
    code = trial.code
    held = [
        code.variable("real", REAL, x.get() + 1),
        code.variable("time", TIME, code.value(x.get() + 2, TIME)),
        code.variable("single", SINGLE, code.value(x.get() + 3, SINGLE)),
        code.variable("whole", INT, n.get() + 4),
        code.variable("flag", BOOL, n.get() > 0),
    ]
    with code.for_each(x.get() > 0):
        for variable in held[:-1]:
            variable.set(variable.get() * 2)
            variable.set(variable.get() + 1)
        held[-1].set(~held[-1].get())
    trial.write(*(variable.get() for variable in held))
    out, _ = alike(trial)
    a = numbers(trial, RUNS)["x"]
    assert np.array_equal(out[:, 0], np.where(a > 0, (a + 1) * 2 + 1, a + 1))


def test_variables_are_zero_before_they_are_set():
    trial = Trial()
    x, _ = trial.inputs()
    code = trial.code
    kinds = (REAL, TIME, SINGLE, INT, BOOL)
    held = [code.variable(f"own_{kind}", kind) for kind in kinds]
    held += [code.variable(f"all_{kind}", kind, uniform=True) for kind in kinds]
    with code.for_each(x.get() > 0):
        held[0].set(held[0].get() + 1)
    with code.for_each(trial.here.get()):
        for variable in held:
            trial.write_one(variable.get())
    out, counts = alike(trial)
    assert np.array_equal(out[:, 0], numbers(trial, RUNS)["x"] > 0)
    assert not out[:, 1:6].any()
    assert not counts[:, :4].any()


@pytest.mark.parametrize("single", [False, True])
def test_lanes_gather_from_places_of_their_own(single):
    trial = Trial(single=single)
    x, n = trial.inputs()
    places = trial.code.whole(trial.code.value(x.get() * 2 + 8, TIME))  # from 0 to 16
    far = trial.code.value(50, INT) - places
    found = [trial.out.gather(places), trial.counts.gather(places), trial.out.gather(far)]
    with trial.code.for_each(trial.here.get()):
        inside = trial.out.gather(places) + trial.out.gather(far)
        trial.write_one(inside)
    trial.write(places, *found, trial.out.gather(trial.code.value(3, INT)), n.get())

    def given(runs):
        made = numbers(trial, runs)
        made["out"][:] = np.arange(made["out"].size) / 4
        made["counts"][:] = np.arange(made["counts"].size) * 3 - (1 << 40)
        return made

    expected, runs = given(2), 2  # before anything is written over
    Machine(trial.code, 2)(expected, runs)
    for processor, bits in (("x86-64", 128), ("x86-64-v3", 256), ("x86-64-v4", 512), ("host", 0)):
        for lanes in (2, 8, 32):
            there = given(2)
            Compiled(trial.code, lanes, bits, processor)(there, runs)
            assert np.array_equal(there["out"], expected["out"])
            assert np.array_equal(there["counts"], expected["counts"])
    place = (expected["x"] * 2 + 8).astype(int)
    assert np.array_equal(expected["counts"][::ROOM][:2], place)
    assert np.array_equal(expected["out"].reshape(2, ROOM)[:, 1], place / 4)


def test_values_from_outside_and_from_before_are_the_lanes_own():
    trial = Trial()
    x, n = trial.inputs()
    code = trial.code
    outside, flag = x.get() * 3, n.get() > 0
    total = code.variable("total", REAL, 0.0)
    with code.for_each(flag):
        total.set(outside + code.value(flag, REAL))
    with code.for_each(~flag):
        total.set(outside - 1)
    again = outside + total.get()
    trial.write(outside, total.get(), again)
    alike(trial)


def test_each_lane_only_where_a_condition_holds():
    trial = Trial()
    x, _ = trial.inputs()
    code = trial.code
    count = code.variable("count", INT, 0)
    with code.for_each(x.get() > 100):
        count.set(99)
    for condition in (code.begin < 0, code.begin >= 0):  # the same in all lanes
        with code.for_each(condition):
            count.set(count.get() + 1)
    trial.write(count.get())
    _, counts = alike(trial)
    assert set(counts[:, 0]) == {1}


def test_variables_that_all_lanes_share_are_set_lane_by_lane():
    trial = Trial()
    x, _ = trial.inputs()
    code = trial.code
    shared = code.variable("shared", INT, 10, uniform=True)
    flag = code.variable("flag", BOOL, code.begin < 0, uniform=True)
    ticket = code.variable("ticket", INT, -1)
    with code.for_each(x.get() >= 0):
        shared.set(shared.get() + 1)
        ticket.set(shared.get())
        flag.set(code.value(True, BOOL))
    trial.write(ticket.get(), shared.get(), flag.get())
    check(trial)


def test_any_lane():
    trial = Trial()
    x, _ = trial.inputs()
    code = trial.code
    found = code.variable("found", BOOL, code.begin < 0, uniform=True)
    for limit in (-100, 0, 3, 100):
        found.set(code.any(x.get() > limit))
        with code.for_each(trial.here.get()):
            trial.write_one(found.get())
            trial.write_one(code.any(x.get() > limit))
    assert code.any(code.begin > 0).uniform
    check(trial)


def test_loops_and_ways_out_of_them():
    trial = Trial()
    x, _ = trial.inputs()
    code = trial.code
    turns = code.variable("turns", INT, 0, uniform=True)
    total = code.variable("total", REAL, 0.0)
    with code.loop():
        code.leave(turns.get() >= 4)
        turns.set(turns.get() + 1)
        inner = code.variable("inner", INT, 0, uniform=True)
        with code.loop():
            total.set(total.get() + x.get())
            inner.set(inner.get() + 1)
            code.leave(inner.get() >= turns.get())
            with code.when(turns.get() >= 3):
                code.leave(inner.get() >= 2)
            total.set(total.get() + 0.5)
        total.set(total.get() * 2)
    trial.write(total.get())
    alike(trial)


def test_loops_within_a_lane_end_when_it_does():
    trial = Trial()
    _, n = trial.inputs()
    code = trial.code
    left, steps = code.variable("left", INT, n.get()), code.variable("steps", INT, 0)
    with code.for_each(n.get() > -5), code.loop():
        code.leave(left.get() <= 0)
        inner = code.variable("inner", INT, 0)
        with code.loop():
            steps.set(steps.get() + 1)
            inner.set(inner.get() + 1)
            code.leave(inner.get() >= left.get())
        with code.when(left.get() > 3):
            left.set(left.get() - 1)
        left.set(left.get() - 1)
    trial.write(steps.get(), left.get())
    alike(trial)


def test_counting_up():
    trial = Trial()
    x, n = trial.inputs()
    code = trial.code
    total = code.variable("total", REAL, 0.0)
    with code.count_up("i", 5) as i:
        with code.count_up("j", i + 1) as j:
            total.set(total.get() + x.get() * j)
        with code.for_each(x.get() > 0):
            total.set(total.get() + code.value(i, REAL))
        with code.when(code.is_multiple(i, 2)):
            total.set(total.get() * 2)
    with code.count_up("none", 0):
        total.set(99.0)
    with code.count_up("less than none", code.value(-3, INT)):
        total.set(99.0)
    with code.for_each(n.get() > 0), code.count_up("k", 3) as k:
        total.set(total.get() + code.value(n.get() * k, REAL))
    trial.write(total.get())
    alike(trial)


def test_a_count_within_a_lane_may_be_the_lanes_own():
    trial = Trial()
    _, n = trial.inputs()
    code = trial.code
    total = code.variable("total", INT, 0)
    with code.for_each(n.get() > 0):
        wanted = code.variable("wanted", INT, 2, uniform=True)
        wanted.set(n.get())
        with code.count_up("i", wanted.get()) as i:
            total.set(total.get() + i)
    trial.write(total.get())
    alike(trial)


def test_leaving_ends_the_innermost_loop_of_either_kind():
    trial = Trial()
    x, n = trial.inputs()
    code = trial.code
    turns = code.variable("turns", INT, 0, uniform=True)
    total = code.variable("total", REAL, 0.0)
    with code.loop():
        with code.count_up("i", 5) as i:
            code.leave(i > turns.get())
            total.set(total.get() + x.get())
        turns.set(turns.get() + 1)
        total.set(total.get() + 100)
        code.leave(turns.get() >= 3)
    own = code.variable("own", INT, 0)
    with code.for_each(n.get() > 0), code.count_up("j", 10) as j:
        code.leave(j >= n.get())
        own.set(own.get() + 1)
    trial.write(total.get(), own.get())
    out, counts = alike(trial)
    given = numbers(trial, RUNS)
    assert np.array_equal(out[:, 0], 6 * given["x"] + 300)
    assert np.array_equal(counts[:, 0], np.maximum(given["n"], 0))


def test_there_is_no_way_out_of_a_lane_by_leaving():
    trial = Trial()
    x, _ = trial.inputs()
    code = trial.code
    with pytest.raises(AssertionError), code.loop(), code.for_each(x.get() > 0):
        code.leave(x.get() > 1)
    with pytest.raises(AssertionError):
        code.leave(code.begin > 0)


def test_stopping_ends_the_kernel():
    trial = Trial()
    x, _ = trial.inputs()
    code = trial.code
    trial.write(x.get())
    with code.count_up("i", 3) as i:
        code.stop(i > code.begin)
    trial.write(x.get() + 1)
    check(trial)
    out, _ = ran(Compiled(code, 2, 256), trial, RUNS)
    # Shares that begin at 0: 1 > 0 stops it; at 2 and beyond, nothing does.
    assert (out.reshape(RUNS, ROOM)[:, 1] == -77).tolist() == [True] * 2 + [False] * 9


def test_stopping_in_a_lane_ends_the_kernel_too():
    trial = Trial()
    x, n = trial.inputs()
    code = trial.code
    with code.for_each(trial.here.get()):
        trial.write_one(x.get())
        ends = code.variable("ends", BOOL, code.begin < 0, uniform=True)
        ends.set(n.get() > 5)
        code.stop(ends.get())
    trial.write(x.get())
    check(trial)


def test_arrays_of_a_trajectorys_own():
    for single in (False, True):
        trial = Trial(single=single)
        x, n = trial.inputs()
        code = trial.code
        kinds = {"reals": REAL, "times": TIME, "singles": SINGLE, "wholes": INT}
        arrays = {name: code.array(name, kind, 5) for name, kind in kinds.items()}
        for name, array in arrays.items():
            with code.count_up("i", 5) as i:
                array.set(i, code.value((n if name == "wholes" else x).get() + i, array.kind))
            with code.for_each(x.get() > 0):
                array.set(2, array.get(3) * 2)
                with code.count_up("j", 2) as j:
                    array.set(j + 3, array.get(j))
        for array in arrays.values():
            trial.write(*(array.get(place) for place in range(5)))
        alike(trial)


def test_functions_work_on_the_arrays_that_they_are_given():
    trial = Trial()
    x, _ = trial.inputs()
    code = trial.code
    big, small = code.array("big", REAL, 9), code.array("small", REAL, 3)
    source, target = code.parameter("source", REAL), code.parameter("target", REAL)

    def write():
        total = code.variable("sum", REAL, 0.0)
        turns = code.variable("turns", INT, 0, uniform=True)
        with code.loop():
            total.set(total.get() + source.get(turns.get()))
            target.set(turns.get(), total.get())
            turns.set(turns.get() + 1)
            code.leave(turns.get() >= 3)
        with code.for_each(total.get() > 0):
            target.set(0, -total.get())

    sums = code.function("sums", [source, target], write)
    with code.count_up("i", 9) as i:
        big.set(i, x.get() + i)
    code.invoke(sums, (big, 3), (small, 0))
    with code.count_up("i", 2) as i:
        code.invoke(sums, (small, 0), (big, i * 3))
    trial.write(*(big.get(i) for i in range(9)), *(small.get(i) for i in range(3)))
    alike(trial)


def test_functions_that_go_by_vector_do_the_same():
    """Each vector of lanes by itself, also in what is called from there, and of the user's."""
    for single in (False, True):
        trial = Trial(single=single)
        x, _ = trial.inputs()
        code = trial.code
        big, small = code.array("big", REAL, 9), code.array("small", REAL, 3)
        parameters = [code.parameter(name, REAL) for name in ("source", "target")]
        source, target = parameters

        def double() -> None:
            target.set(1, source.get(0) * 2.0)  # noqa: B023 - called at once

        inner = code.function("double", parameters, double, by_vector=True)
        given, gives = (code.parameter(name, REAL) for name in ("given", "gives"))

        def write() -> None:
            total = code.variable("sum", REAL, 0.0)  # noqa: B023
            with code.count_up("i", 3) as i:  # noqa: B023
                total.set(total.get() + given.get(i))  # noqa: B023
                gives.set(i, code.where(total.get() > 0, total.get(), -given.get(i)))  # noqa: B023
            code.invoke(inner, (given, 1), (gives, 0))  # noqa: B023

        sums = code.function("sums", [given, gives], write, by_vector=True)
        with code.count_up("i", 9) as i:
            big.set(i, x.get() + i)
        code.invoke(sums, (big, 3), (small, 0))
        with code.count_up("i", 2) as i:
            code.invoke(sums, (small, 0), (big, i * 3))
        trial.write(*(big.get(i) for i in range(9)), *(small.get(i) for i in range(3)))
        alike(trial)


def test_vectors_go_one_by_one_where_lanes_are_several():
    trial = Trial()
    x, _ = trial.inputs()
    code, array = trial.code, trial.code.array("numbers", REAL, 2)
    numbers = code.parameter("numbers", REAL)
    function = code.function("f", [numbers], lambda: numbers.set(1, numbers.get(0)), by_vector=True)
    array.set(0, x.get())
    code.invoke(function, (array, 0))
    trial.write(array.get(1))
    module = print_module(code, lanes=16, vector_bits=512, title="", is_x86=True).text
    part = module.split("@f.part(ptr noalias %numbers)")[1].partition("\n}")[0]
    assert "load <8 x double>" in part
    assert "getelementptr double, ptr %numbers, i64 16" in part
    assert '"stackrealign"' in module  # what registers have no room for is a vector, too
    one = print_module(code, lanes=8, vector_bits=512, title="", is_x86=True).text
    assert ".part" not in one


def test_functions_that_a_lane_calls_leave_their_results_to_it():
    trial = Trial()
    x, _ = trial.inputs()
    code = trial.code
    given, gives = code.array("given", REAL, 2), code.array("gives", REAL, 2)
    source, target = code.parameter("source", REAL), code.parameter("target", REAL)
    with code.count_up("i", 2) as i:  # what lanes find there that do not call
        given.set(i, x.get())
    double = code.function("double", [source, target], lambda: target.set(1, source.get(0) * 2.0))
    with code.for_each(trial.here.get()):
        given.set(0, x.get() + 1.0)
        code.invoke(double, (given, 0), (gives, 0))
        trial.write_one(gives.get(1))
    alike(trial)


def test_what_is_set_aside_sees_and_changes_what_is_around_it():
    trial = Trial()
    x, n = trial.inputs()
    code = trial.code
    array = code.array("array", REAL, 3)
    found, turns = code.variable("found", REAL, 0.5), code.variable("turns", INT, 0)
    factor, is_large = code.named("factor", x.get() * 3.0), x.get() > 0.5
    with code.for_each(trial.here.get()):
        here = x.get() - 1.0
        array.set(0, 7.0)
        with code.when(is_large), code.aside():
            with code.count_up("i", 3) as i:
                array.set(i, here * factor + code.value(i, REAL))
            found.set(found.get() + array.get(2))
            with code.loop():
                code.leave(turns.get() >= n.get())
                turns.set(turns.get() + 2)
            power = code.variable("power", INT, 1, uniform=True)
            with code.count_up("j", 4):
                power.set(power.get() * 3)
            found.set(found.get() + code.value(power.get(), REAL))
        trial.write_one(found.get() + array.get(0) + code.value(turns.get(), REAL))
    alike(trial)


def test_bytes_are_read_with_their_sign():
    trial = Trial()
    letters = trial.code.argument("letters", "byte")
    with trial.code.for_each(trial.here.get()):
        found = letters.get(trial.run.get())
        trial.write_one(found + 1)
        letters.set(trial.run.get(), found * 2)
    for runner in (Compiled(trial.code, 4, 256), Machine(trial.code, 4)):
        given = {**numbers(trial, 4), "letters": np.array([-5, 0, 7, -64], np.int8)}
        runner(given, 4)
        assert given["counts"].reshape(4, ROOM)[:, 0].tolist() == [-4, 1, 8, -63]
        assert given["letters"].tolist() == [-10, 0, 14, -128]


# Random programs --------------------------------------------------------------------------------


class Writer:
    """Writes code at random: small whole numbers, so that all sums and products are exact."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.trial = Trial(single=self.random.random() < 0.3)
        self.code = self.trial.code
        x, n = self.trial.inputs()
        code = self.code
        self.values = [x.get(), n.get(), x.get() > 0, code.begin * 0 + 3, code.begin >= 0]
        self.variables = [x, n]
        for kind in (REAL, INT, BOOL, TIME, SINGLE):
            for uniform in (False, True):
                name = f"{kind}_{'all' if uniform else 'own'}"
                first = code.value(self.random.randrange(2), kind)
                self.variables.append(code.variable(name, kind, first, uniform=uniform))
        self.arrays = [code.array("reals", REAL, 6), code.array("wholes", INT, 6)]
        for array in self.arrays:
            with code.count_up("i", 6) as i:
                array.set(i, code.value(i, array.kind))
        self.budget = 40
        self.functions = [self.function(index) for index in range(2)]
        self.block(0)
        own = [one for one in self.variables if not one.uniform]
        self.trial.write(*(variable.get() for variable in own))
        self.trial.write(*(array.get(i) for array in self.arrays for i in range(6)))

    def function(self, index):
        code = self.code
        one, two = code.parameter("one", REAL), code.parameter("two", REAL)

        def write():
            with code.count_up("i", 3) as i:
                two.set(i, self.bounded(one.get(i) * self.random.randrange(-3, 4) + two.get(2)))

        return code.function(f"made_{index}", [one, two], write)

    def pick(self, kinds=None, *, uniform=False):
        found = [
            value
            for value in self.values
            if (kinds is None or value.kind in kinds) and (value.uniform or not uniform)
        ]
        if found and self.random.random() < 0.85:
            return self.random.choice(found[-6:] if self.random.random() < 0.6 else found)
        kind = self.random.choice(kinds or [REAL, INT])
        return self.code.value(self.random.randrange(-3, 4) if kind != BOOL else True, kind)

    def bounded(self, value):
        if value.kind == BOOL:
            return value
        limit = self.code.value(50, value.kind)
        return self.code.smaller(self.code.larger(value, -limit), limit)

    def numbers(self):
        return [REAL, INT, TIME, SINGLE]

    def condition(self, *, uniform=False):
        code, draw = self.code, self.random.random()
        if draw < 0.3:
            return self.pick([BOOL], uniform=uniform)
        if draw < 0.4:
            one, two = (self.pick([BOOL], uniform=uniform) for _ in range(2))
            return self.random.choice([one & two, one | two, ~one])
        sign = self.random.choice(["<", "<=", ">", ">=", "==", "!="])
        return code.comparison(sign, *(self.pick(self.numbers(), uniform=uniform) for _ in "ab"))

    def value(self):
        code, draw = self.code, self.random.random()
        if draw < 0.35:
            sign = self.random.choice("+-*")
            found = code.arithmetic(sign, self.pick(self.numbers()), self.pick(self.numbers()))
        elif draw < 0.5:
            kind = self.random.choice([REAL, INT])
            found = code.where(self.condition(), self.pick([kind]), self.pick([kind]))
        elif draw < 0.6:
            found = self.condition()
        elif draw < 0.65:
            found = code.any(self.pick([BOOL]))
        elif draw < 0.8:
            found = self.random.choice(self.variables).get()
        elif draw < 0.9:
            found = self.random.choice(self.arrays).get(self.place())
        elif draw < 0.95:
            squared = self.bounded(code.value(self.pick([INT]), INT))
            three = code.value(3, INT)
            found = code.remainder(squared * squared, three)
        else:
            kind = self.random.choice([REAL, TIME, SINGLE])
            found = code.value(self.pick([INT, BOOL, REAL]), kind)
        self.values.append(self.bounded(found))

    def place(self):
        index = self.pick([INT], uniform=True)
        if not index.uniform or index.literal is not None:
            return self.random.randrange(6)
        index = self.bounded(index)
        return self.code.remainder(index * index, self.code.value(6, INT))

    def assignment(self):
        variable = self.random.choice(self.variables)
        kinds = {BOOL: [BOOL], INT: [INT, BOOL]}.get(variable.kind, self.numbers())
        uniform = variable.uniform and not self.code.in_lane
        variable.set(self.bounded(self.pick(kinds, uniform=uniform)))

    def block(self, depth):
        values = list(self.values)
        for _ in range(self.random.randrange(2, 7)):
            self.statement(depth)
        self.values = values

    def statement(self, depth):
        self.budget -= 1
        code, draw = self.code, self.random.random()
        uniform = not code.in_lane
        if self.budget < 0 or depth > 3 or draw < 0.4:
            self.value()
        elif draw < 0.6:
            self.assignment()
        elif draw < 0.68:
            array = self.random.choice(self.arrays)
            array.set(self.place(), self.bounded(code.value(self.pick([INT]), array.kind)))
        elif draw < 0.75:
            with code.when(self.condition(uniform=uniform)):
                self.block(depth + 1)
        elif draw < 0.83:
            self.loop(depth)
        elif draw < 0.88:
            values = list(self.values)
            with code.count_up("i", self.random.randrange(4)) as i:
                self.values.append(i)
                self.block(depth + 1)
                if self.random.random() < 0.4:
                    code.leave(self.condition(uniform=uniform))
                    self.block(depth + 1)
            self.values = values
        elif not uniform:
            self.aside(depth)
        elif draw < 0.96:
            with code.for_each(self.condition()):
                self.block(depth + 1)
        else:
            offsets = self.random.choice([(0, 3), (3, 0)])
            array = self.arrays[0]
            code.invoke(self.random.choice(self.functions), *((array, one) for one in offsets))

    def aside(self, depth):
        variables = self.variables
        self.variables = [one for one in variables if not one.uniform]
        with self.code.aside():
            self.block(depth + 1)
        self.variables = variables

    def loop(self, depth):
        code, uniform = self.code, not self.code.in_lane
        turns = code.variable("turns", INT, 0, uniform=uniform)
        with code.loop():
            code.leave(turns.get() >= self.random.randrange(1, 5))
            turns.set(turns.get() + 1)
            self.block(depth + 1)
            if self.random.random() < 0.6:
                code.leave(self.condition(uniform=uniform))
                self.block(depth + 1)


def check_random(seed):
    trial = Writer(seed).trial
    runs, lanes = 7, random.Random(seed).choice([2, 4, 8, 16])
    expected = ran(Machine(trial.code, lanes), trial, runs, None, seed)
    compiled = Compiled(trial.code, lanes, random.Random(seed).choice([0, 128, 256]))
    assert same(ran(compiled, trial, runs, None, seed), expected), f"{lanes} lanes"


@pytest.mark.parametrize("seed", range(24))
def test_random_code_in_lanes(seed):
    check_random(seed)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(20))
def test_much_random_code_in_lanes(part):
    for seed in range(100 + 50 * part, 150 + 50 * part):
        check_random(seed)


def check_as_threads(seeds, folder):
    for seed in seeds:
        place = folder / str(seed)
        place.mkdir()
        trial = Writer(seed).trial
        expected = ran(Machine(trial.code, 1), trial, 5, None, seed)
        assert same(ran(Hosted(trial.code, place), trial, 5, None, seed), expected), seed


@needs_compiler
def test_random_code_in_threads(tmp_path):
    check_as_threads(range(6), tmp_path)


@needs_compiler
@pytest.mark.soak
def test_much_random_code_in_threads(tmp_path):
    check_as_threads(range(100, 160), tmp_path)
