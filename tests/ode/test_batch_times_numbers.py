"""What a solve is asked for, checked and laid out for kernels, and what it gives back."""

import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberkeep.errors import EmberkeepError, InvalidPlan, SolveFailed
from emberkeep.ode.batch import PIECE, make_batch
from emberkeep.ode.control.presets import PRESETS
from emberkeep.ode.kernel.call import SETTINGS
from emberkeep.ode.plan import make_plan
from emberkeep.ode.result import Result
from emberkeep.ode.running.passed import PARTS
from emberkeep.ode.system.system import System
from emberkeep.ode.times import make_intervals, make_times, require_room
from emberkeep.ode.tolerances import Numbers, kernel_numbers
from emberkeep.startup_records import replace

SYSTEM = System(
    "dx = a*x - b*c*y; dy = b*x - y",
    {"x": 1.0, "y": 2.0},
    {"a": 0.5, "b": 0.1},
    constants={"c": 3.0},
    name="pair",
)
NAMES = ("x", "y", "a", "b", "c")


def batch_of(parameters=None, initial=None, grid="verbatim"):
    return make_batch(SYSTEM, parameters, initial, grid)


def fetched(batch, begin=0, end=None):
    """What each trajectory of a chunk gets, found as kernels find it."""
    end = batch.runs if end is None else end
    values = np.full(batch.chunk_size(end - begin), np.nan)
    sources = np.empty(PARTS * len(batch.columns), np.int64)
    batch.fill(begin, end, values, sources).make(1)
    rows = []
    for run in range(end - begin):
        row = []
        for offset, step, stride, length in sources.reshape(-1, PARTS):
            shift = (begin + run) // stride % length if stride else step * run
            row.append(values[offset + shift])
        rows.append(row)
    return np.array(rows)


def refused(call, *arguments, **named):
    with pytest.raises(InvalidPlan) as caught:
        call(*arguments, **named)
    return str(caught.value)


class TestBatch:
    def test_what_is_behind_a_mask_is_not_taken_for_a_number(self):
        masked = np.ma.array([1.0, 2.0], mask=[False, True])
        assert "has a mask. Pass array.filled" in refused(batch_of, {"a": masked})
        assert "has a mask" in refused(batch_of, None, {"x": masked})

    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    def test_many_numbers_are_copied_by_several_threads(self, kind):
        runs = 3 * PIECE + 17
        given = np.random.default_rng(0).random(runs)
        batch = batch_of({"a": given}, {"x": given[::-1]})
        begin, end = 5, runs - 3
        values = np.full(batch.chunk_size(end - begin), np.nan, kind)
        sources = np.empty(PARTS * len(batch.columns), np.int64)
        batch.fill(begin, end, values, sources).make(4)
        alone, started = np.full_like(values, np.nan), np.full_like(values, np.nan)
        batch.fill(begin, end, alone, sources).make(1)
        batch.fill(begin, end, started, sources).start(3).finish()
        np.testing.assert_array_equal(started, alone)
        np.testing.assert_array_equal(values, alone)
        assert not np.isnan(values).any()

    def test_defaults_are_one_trajectory(self):
        for given_ in (None, {}):
            batch = batch_of(given_, given_)
            assert (batch.runs, batch.varied, batch.shape) == (1, (), (1,))
            assert fetched(batch).tolist() == [[1.0, 2.0, 0.5, 0.1, 3.0]]

    def test_columns_are_in_the_order_of_the_code(self):
        assert tuple(column.name for column in batch_of({"b": [1, 2]}).columns) == NAMES

    def test_verbatim_takes_the_first_of_each_then_the_second(self):
        batch = batch_of({"a": [1, 2, 3], "b": 7}, {"y": np.array([4.0, 5.0, 6.0])})
        assert (batch.runs, batch.varied, batch.shape) == (3, ("a", "y"), (3,))
        assert fetched(batch).tolist() == [[1, 4, 1, 7, 3], [1, 5, 2, 7, 3], [1, 6, 3, 7, 3]]

    def test_combinations_take_each_with_each_the_last_one_fastest(self):
        batch = batch_of({"b": [1, 2], "a": [3, 4, 5]}, {"x": [6, 7]}, "combinations")
        assert (batch.runs, batch.varied, batch.shape) == (12, ("b", "a", "x"), (2, 3, 2))
        b, a, x = (axis.ravel() for axis in np.meshgrid([1, 2], [3, 4, 5], [6, 7], indexing="ij"))
        rows = fetched(batch)
        for name, expected in (("b", b), ("a", a), ("x", x)):
            np.testing.assert_array_equal(rows[:, NAMES.index(name)], expected)
        assert set(rows[:, 1]) == {2.0}

    def test_single_values_are_no_axes(self):
        for grid in ("verbatim", "combinations"):
            batch = batch_of({"a": [4.0], "b": 5}, {"x": np.float32([1, 2, 3])}, grid)
            assert (batch.runs, batch.varied, batch.shape) == (3, ("x",), (3,))
            assert fetched(batch)[:, 2:4].tolist() == [[4, 5]] * 3

    def test_combinations_of_nothing_are_one_trajectory(self):
        batch = batch_of({"a": 2}, None, "combinations")
        assert (batch.runs, batch.shape) == (1, (1,))

    @given(st.lists(st.integers(1, 4), min_size=4, max_size=4), st.data())
    def test_chunks_of_combinations_have_the_numbers_of_the_whole(self, sizes, data):
        axes = [np.arange(size) + 10.0 * place for place, size in enumerate(sizes)]
        named = dict(zip(("y", "a", "x", "b"), axes, strict=True))
        batch = batch_of(
            {name: named[name] for name in ("b", "a")},
            {name: named[name] for name in ("y", "x")},
            "combinations",
        )
        order = ("b", "a", "y", "x")
        whole = np.meshgrid(*(named[name] for name in order), indexing="ij")
        begin = data.draw(st.integers(0, batch.runs - 1))
        end = data.draw(st.integers(begin + 1, batch.runs))
        rows = fetched(batch, begin, end)
        for name, axis in zip(order, whole, strict=True):
            expected = axis.ravel()[begin:end]
            np.testing.assert_array_equal(rows[:, NAMES.index(name)], expected)

    @given(st.integers(2, 30), st.data())
    def test_chunks_of_verbatim_ones_have_the_numbers_of_the_whole(self, runs, data):
        batch = batch_of({"a": np.arange(runs) * 2.0}, {"y": -np.arange(runs), "x": 9})
        begin = data.draw(st.integers(0, runs - 1))
        end = data.draw(st.integers(begin + 1, runs))
        rows = fetched(batch, begin, end)
        np.testing.assert_array_equal(rows, fetched(batch)[begin:end])
        assert batch.chunk_size(end - begin) == 2 * (end - begin) + 3

    def test_grids_are_never_written_out(self):
        axes = {"a": np.arange(2000.0), "b": np.arange(3000.0)}
        batch = batch_of(axes, {"x": np.arange(1000.0)}, "combinations")
        assert batch.runs == 6_000_000_000
        assert batch.chunk_size(10) == batch.chunk_size(10**9) == 6002
        row = fetched(batch, batch.runs - 1, batch.runs)
        assert row.tolist() == [[999, 2, 1999, 2999, 3]]

    @pytest.mark.parametrize(
        "dtype", [np.float32, np.float64, np.int8, np.uint64, np.float16, bool]
    )
    def test_arrays_of_any_real_type(self, dtype):
        batch = batch_of({"a": np.array([0, 1], dtype)})
        assert batch.coordinate("a").dtype in (np.float32, np.float64)
        assert fetched(batch)[:, 2].tolist() == [0, 1]

    @pytest.mark.parametrize("values", [range(3), (0, 1, 2), np.arange(6)[::2] / 2])
    def test_sequences_and_views(self, values):
        assert fetched(batch_of({"a": values}))[:, 2].tolist() == [0, 1, 2]

    def test_constants_are_the_same_for_all(self):
        message = refused(batch_of, {"c": [1, 2]})
        assert message == (
            "'c' is a constant, the same for all trajectories. Use system.with_constants(c=…), or "
            "declare it as a parameter"
        )

    @pytest.mark.parametrize(
        ("parameters", "initial", "expected"),
        [
            ({"aa": 1}, None, "pair has no parameter 'aa'. Did you mean 'a'? There are a, b"),
            ({"speed": 1}, None, "pair has no parameter 'speed'. There are a, b"),
            (None, {"xx": 1}, "pair has no initial value 'xx'. Did you mean 'x'? There are x, y"),
            ({"x": 1}, None, "'x' is no parameter; pass it in initial={…}"),
            (None, {"a": 1}, "'a' is no initial value; pass it in parameters={…}"),
            ({3: 1}, None, "pair has no parameter '3'. There are a, b"),
        ],
    )
    def test_unknown_names(self, parameters, initial, expected):
        assert refused(batch_of, parameters, initial) == expected

    def test_unequal_lengths(self):
        message = refused(batch_of, {"a": [1, 2], "b": 3}, {"x": [1, 2, 3]})
        assert "must be equally many, and a has 2, x has 3" in message
        assert "grid='combinations' to combine each with each" in message

    @pytest.mark.parametrize("values", [np.ones((2, 3)), [[1, 2]], np.ones((2, 1, 1))])
    def test_arrays_with_more_dimensions(self, values):
        message = refused(batch_of, {"a": values})
        assert f"The parameter 'a' has shape {np.shape(values)}" in message
        assert "pass array.ravel()" in message

    def test_nothing_at_all(self):
        assert "The initial value 'x' has no values" in refused(batch_of, None, {"x": []})

    @pytest.mark.parametrize("values", ["one", ["one", "two"], [[1], [1, 2]], object(), {}])
    def test_what_is_no_number(self, values):
        message = refused(batch_of, {"a": values})
        assert "The parameter 'a' must be a number or an array of numbers" in message

    @pytest.mark.parametrize("values", [None, [1, None]])
    def test_none_is_no_number(self, values):
        assert "The parameter 'a' must be" in refused(batch_of, {"a": values})

    def test_complex_numbers_are_refused(self):
        assert "The parameter 'a' must be" in refused(batch_of, {"a": [1j, 2]})

    @pytest.mark.parametrize("given_", [[1, 2], 3, np.ones(2), "a"])
    def test_values_go_by_name(self, given_):
        message = refused(batch_of, given_)
        assert "The parameters must be given by name: {'a': 1.0}" in message
        assert type(given_).__name__ in message

    def test_an_unknown_grid(self):
        message = refused(batch_of, grid="product")
        assert "grid='product' is not known; expected 'verbatim'" in message
        assert "'combinations'" in message


class TestTimes:
    def test_a_span_alone(self):
        times = make_times((1, 4), None)
        assert (*times.shared, times.span, times.direction) == (1.0, 4.0, 3.0, 1.0)
        assert times.saves is None
        assert times.elapsed.size == 0

    def test_backwards(self):
        times = make_times((4, 1), [4, 2.5, 1])
        assert (times.span, times.direction) == (3.0, -1.0)
        assert times.saves.tolist() == [4, 2.5, 1]
        assert times.elapsed.tolist() == [0, 1.5, 3]

    def test_no_time_at_all(self):
        times = make_times((2, 2), [2])
        assert (times.span, times.direction, times.elapsed.tolist()) == (0.0, 1.0, [0.0])

    @pytest.mark.parametrize("span", [[0, 1], np.array([0, 1]), "01", (np.float32(0), True)])
    def test_spans_of_any_sort(self, span):
        assert make_times(span, None).shared == (0.0, 1.0)

    @pytest.mark.parametrize("span", [5, (1,), (1, 2, 3), ("a", 1), None, (None, 1), (1, 1j)])
    def test_what_is_no_span(self, span):
        message = refused(make_times, span, None)
        known = f"t_span must be a start and an end, such as (0, 10), not {span!r}"
        assert message.removesuffix(". Times to save go into save_at=…") == known

    @pytest.mark.parametrize("span", [(0, math.inf), (math.nan, 1)])
    def test_endless_spans(self, span):
        assert refused(make_times, span, None) == f"t_span must be finite; it is {span!r}"

    @pytest.mark.parametrize(
        ("span", "interval", "count"),
        [
            ((0, 1), 0.1, 11),
            ((0, 1), 0.01, 101),
            ((0, 0.3), 0.1, 4),
            ((0, 0.7), 0.1, 8),
            ((0, 1), 1 / 3, 4),
            ((0, 1), 0.3, 4),
            ((0, 1), 1, 2),
            ((0, 1), 2, 1),
            ((5, 5), 2, 1),
            ((1, 0), 0.1, 11),
            ((0.3, -0.3), 0.1, 7),
            ((10, 20), np.float64(0.1), 101),
            ((0, 1), np.array(0.25), 5),
        ],
    )
    def test_so_often_from_the_start_on(self, span, interval, count):
        saves = make_times(span, interval).saves
        assert saves.size == count
        assert saves[0] == span[0]
        direction = 1 if span[1] >= span[0] else -1
        expected = span[0] + direction * interval * np.arange(count)
        np.testing.assert_allclose(saves, expected, rtol=1e-15, atol=1e-15)
        assert ((saves - span[1]) * direction).max() <= 0

    @given(st.integers(1, 1000), st.sampled_from([0.1, 0.3, 0.7, 1e-3, 2.5, 1 / 7]))
    def test_an_interval_that_divides_the_span_is_saved_at_both_ends(self, count, interval):
        for end in (count * interval, -count * interval):
            saves = make_times((0, end), interval).saves
            assert saves.size == count + 1
            assert saves[-1] == end

    @pytest.mark.parametrize(
        ("span", "interval"), [((0, 0.9), 0.3), ((0, -0.9), 0.3), ((1, 2.2), 0.4)]
    )
    def test_and_the_last_is_the_end_itself(self, span, interval):
        times = make_times(span, interval)
        assert times.saves[-1] == span[1]
        assert make_intervals(times, interval).counts.tolist() == [0, 1, 1, 1]

    @pytest.mark.parametrize("interval", [0, -1, math.nan, math.inf, 0.0])
    def test_intervals_that_are_none(self, interval):
        message = refused(make_times, (0, 1), interval)
        assert "must be times, or a positive interval between them" in message

    def test_times_are_kept_as_they_are_given(self):
        given_ = np.array([0.0, 0.1, 0.7])
        times = make_times((0, 1), given_)
        given_[:] = 0
        assert times.saves.tolist() == [0.0, 0.1, 0.7]

    def test_the_last_is_exactly_the_span(self):
        times = make_times((0.1, 0.7), [0.1, 0.3, 0.7])
        assert times.elapsed[-1] == times.span
        back = make_times((0.7, 0.1), [0.3, 0.1])
        assert back.elapsed[-1] == back.span

    @pytest.mark.parametrize(
        ("span", "saves"),
        [
            ((0, 1), [0.5, 0.2]),
            ((0, 1), [0.5, 0.5]),
            ((1, 0), [0.2, 0.5]),
            ((0, 1), [0, math.nan, 1]),
        ],
    )
    def test_times_in_the_wrong_order(self, span, saves):
        message = refused(make_times, span, saves)
        assert f"must go from the start, {span[0]}, towards the end, {span[1]}" in message
        assert "Sort them, and leave out what is there twice" in message

    @pytest.mark.parametrize(
        ("span", "saves"),
        [
            ((0, 1), [0.5, 1.5]),
            ((0, 1), [-0.5, 0.5]),
            ((1, 0), [0.5, -0.5]),
            ((1, 0), [1.5, 0.5]),
            ((0, 1), [2]),
            ((0, 1), [math.nan]),
            ((0, 1), [0.5, math.inf]),
        ],
    )
    def test_times_outside(self, span, saves):
        message = refused(make_times, span, saves)
        assert f"must lie within t_span, {span[0]} to {span[1]}" in message
        assert f"{saves[0]:g} to {saves[-1]:g}" in message

    @pytest.mark.parametrize("saves", [[], np.ones((2, 2, 2)), [[[0.5]]]])
    def test_times_of_another_shape(self, saves):
        message = refused(make_times, (0, 1), saves)
        assert f"its shape is {np.shape(saves)}" in message

    @pytest.mark.parametrize("saves", ["often", ["a"], [[1], [1, 2]], [0.1, object()]])
    def test_what_is_no_time(self, saves):
        try:
            make_times((0, 1), saves)
        except (ValueError, TypeError) as problem:
            assert isinstance(problem, InvalidPlan)  # noqa: PT017
            assert "save_at" in str(problem)  # noqa: PT017


class TestTimesOfTheirOwn:
    def test_spans(self):
        times = make_times(([0, 1, 2], 4.0), None)
        assert (times.runs, times.span, times.spans.tolist()) == (3, 4.0, [4, 3, 2])
        starts, ends = times.shared
        assert (starts.tolist(), ends.tolist()) == ([0, 1, 2], [4, 4, 4])

    def test_rows_of_times_to_save(self):
        times = make_times((1, 4), [[1, 2], [3, 4]])
        assert (times.runs, times.count) == (2, 2)
        assert times.elapsed.tolist() == [[0, 1], [2, 3]]

    def test_the_same_times_for_spans_that_begin_elsewhere(self):
        times = make_times(([0, 1], 4), [2, 4])
        assert (times.runs, times.elapsed.tolist()) == (2, [[2, 4], [1, 3]])

    def test_an_interval_from_each_start_on(self):
        assert make_times(([0, 1], [1, 2]), 0.5).saves.tolist() == [[0, 0.5, 1], [1, 1.5, 2]]
        assert "different numbers of times" in refused(make_times, ([0, 1], 2), 0.5)

    @pytest.mark.parametrize(
        ("span", "saves", "message"),
        [
            (([0, 1], [1, 2, 3]), None, "2 starts and 3 ends; expected as many"),
            (([0, 2], 1), None, "some ends are before their starts and some after"),
            ((np.ones((2, 2)), 1), None, "must be a start and an end"),
            (([], 1), None, "must be a start and an end"),
            (([0, 0.1], 1), np.ones((3, 2)), "for 2 and for 3 trajectories; expected as many"),
            (([0, 0.5], 1), [0.2, 1], "must lie within t_span, 0 to 1 and so on"),
            ((0, 1), [[0.1, 0.2], [0.2, 0.1]], "Sort them"),
        ],
    )
    def test_what_cannot_be(self, span, saves, message):
        assert message in refused(make_times, span, saves)

    def test_steps_are_as_many_for_all_and_none_is_too_long(self):
        times = make_times(([0, 0.5], 1), None)
        found = make_intervals(times, 0.1)
        assert found.counts.tolist() == [10]
        np.testing.assert_allclose(found.sizes, [[0.1], [0.05]])

    def test_as_many_trajectories_as_there_are(self):
        rows = make_times(([0, 0.5, 0.7], 1), None).rows
        assert make_batch(SYSTEM, None, None, "verbatim", rows).runs == 3
        assert make_batch(SYSTEM, {"a": [1, 2, 3]}, None, "verbatim", rows).runs == 3
        message = refused(make_batch, SYSTEM, {"a": [1, 2]}, None, "verbatim", rows)
        assert "t_span or save_at has 3" in message
        message = refused(make_batch, SYSTEM, {"a": [1, 2]}, None, "combinations", rows)
        assert "for 3 trajectories, and the grid has 2" in message


class TestRoom:
    def test_times_that_no_memory_holds_are_refused_before_they_are_made(self):
        assert "1e+10 times to save" in refused(make_times, (0, 10), 1e-9)
        assert "GiB, and this machine has" in refused(require_room, 1 << 60, "That")

    @pytest.mark.parametrize("save_at", [[0.1 * 3], [0.0, 0.1, 0.1 * 3], [-1e-17, 0.1 * 3]])
    def test_times_past_the_end_by_rounding_are_the_end(self, save_at):
        assert make_times((0, 0.3), save_at).saves[-1] == 0.3

    def test_times_of_each_past_its_end_by_rounding_are_the_end(self):
        found = make_times((0, [0.3, 0.6]), [[0.1, 0.1 * 3], [0.1, 0.1 * 6]])
        assert found.saves[:, -1].tolist() == [0.3, 0.6]

    def test_times_past_the_end_by_more_are_refused(self):
        assert "must lie within t_span" in refused(make_times, (0, 0.3), [0.3001])

    @pytest.mark.parametrize("late", [1e9, -1e9])
    def test_what_is_next_to_nothing_of_a_late_time_is_much_of_a_short_span(self, late):
        assert "must lie within" in refused(make_times, (late, late + 1), [late, late + 1.5])
        assert "must lie within" in refused(make_times, (late, late + 1), [late - 0.5, late + 1])
        assert make_times((late, late + 0.9), 0.1).count == 10
        assert make_times((late, late + 0.95), 0.1).count == 10
        few = make_times((late, late + 2.0**-14), 2.0**-21).saves  # a few of what times round to
        assert few.tolist() == [late + place * 2.0**-21 for place in range(129)]
        past = np.nextafter(late + 1, math.inf)
        assert make_times((late, late + 1), [late, past]).saves[-1] == late + 1


SPANS = st.tuples(st.floats(-10, 10), st.floats(-10, 10)).filter(lambda s: abs(s[0] - s[1]) > 1e-3)


class TestIntervals:
    def test_each_time_to_save_is_hit(self):
        found = make_intervals(make_times((0, 1), [0.0, 0.25, 0.9]), 0.1)
        assert found.counts.tolist() == [0, 3, 7, 1]
        assert found.slots.tolist() == [0, 1, 2, -1]
        assert found.begins.tolist() == [[0, 0, 0.25, 0.9]]
        assert found.ends.tolist() == [[0, 0.25, 0.9, 1]]
        np.testing.assert_allclose(found.sizes[0, 1:], [0.25 / 3, 0.65 / 7, 0.1], rtol=1e-14)

    @pytest.mark.parametrize(
        ("span", "dt", "count"),
        [
            ((0, 1), 0.1, 10),
            ((0, 1), 0.3, 4),
            ((0, 1), 5, 1),
            ((1, 0), 0.01, 100),
            ((0, 0.3), 0.1, 3),
        ],
    )
    def test_without_times_to_save_there_is_one(self, span, dt, count):
        found = make_intervals(make_times(span, None), dt)
        assert (found.counts.tolist(), found.slots.tolist()) == ([count], [-1])
        assert found.sizes[0] == pytest.approx(1 / count * abs(span[1] - span[0]))

    def test_the_start_alone_takes_no_step(self):
        found = make_intervals(make_times((3, 3), [3]), 0.1)
        assert (found.counts.tolist(), found.slots.tolist()) == ([0], [0])
        assert make_intervals(make_times((3, 3), None), 0.1).counts.tolist() == [0]

    def test_where_the_end_is_saved_nothing_comes_after_it(self):
        found = make_intervals(make_times((0, 1), [0.5, 1]), 0.25)
        assert (found.counts.tolist(), found.slots.tolist()) == ([2, 2], [0, 1])

    @given(SPANS, st.lists(st.floats(0, 1), max_size=6, unique=True), st.floats(1e-3, 20))
    def test_steps_are_equal_never_longer_and_end_where_they_should(self, span, shares, dt):
        start, end = span
        saves = sorted({start + share * (end - start) for share in shares}, reverse=end < start)
        saves = [time for time in saves if (time - start) * (end - time) >= 0]
        times = make_times(span, saves or None)
        found = make_intervals(times, dt)
        assert (found.sizes <= dt * (1 + 1e-8)).all()
        ends = found.begins + found.counts * found.sizes
        np.testing.assert_allclose(ends, found.ends, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(found.begins[:, 1:], found.ends[:, :-1])
        hit = ends[0, found.slots >= 0]
        np.testing.assert_allclose(hit, times.elapsed, rtol=1e-12, atol=1e-15)
        assert found.slots[found.slots >= 0].tolist() == list(range(len(saves)))
        # One step fewer would be too long.
        assert ((found.counts - 1) * dt <= found.counts * found.sizes + 1e-9).all()

    def test_types_are_those_of_kernels(self):
        found = make_intervals(make_times((0, 1), [0.5]), 0.1)
        assert (found.counts.dtype, found.slots.dtype) == (np.int64, np.int64)
        assert (found.sizes.dtype, found.begins.dtype) == (np.float64, np.float64)

    def test_more_steps_than_can_be_counted(self):
        message = refused(make_intervals, make_times((0, 1), None), 1e-20)
        assert message == "dt=1e-20 makes 1e+20 steps; choose a larger one"


def plan_of(method_name="tsit5", precision="float64", **more):
    named = {"outputs": None, "saves": False, **more}
    return make_plan(SYSTEM, method_name=method_name, precision=precision, **named)


def numbers(span=(0, 1), plan=None, **changed):
    """What kernels get, by name."""
    given_ = {
        "rtol": 1e-6,
        "atol": 1e-9,
        "dt": None,
        "dt_min": 0.0,
        "dt_max": math.inf,
        "max_steps": 100,
        "controller": PRESETS["pi"],
        **changed,
    }
    settings, atol = kernel_numbers(plan or plan_of(), make_times(span, None), Numbers(**given_))
    return {**dict(zip(SETTINGS, settings.tolist(), strict=True)), "atol": atol.tolist()}


class TestNumbers:
    def test_what_kernels_get(self):
        found = numbers((2, -3), rtol=1e-4, atol=1e-5)
        assert found["direction"] == -1.0
        assert found["first step"] == 0.0
        assert (found["rtol"], found["atol"]) == (1e-4, [1e-5, 1e-5])
        assert found["least step"] == np.finfo(float).tiny

    @pytest.mark.parametrize("precision", ["float32", "float64"])
    def test_they_have_the_precision_of_the_plan(self, precision):
        settings, atol = kernel_numbers(
            plan_of(precision=precision),
            make_times((0, 1), None),
            Numbers(1e-3, 1e-5, None, 0.0, math.inf, 10, PRESETS["pi"]),
        )
        assert atol.dtype == precision
        assert settings[SETTINGS.index("least step")] == np.finfo(precision).tiny
        assert settings[SETTINGS.index("largest step")] == np.finfo(precision).max

    @pytest.mark.parametrize(
        ("atol", "expected"),
        [
            (1e-3, [1e-3, 1e-3]),
            (np.float32(0.5), [0.5, 0.5]),
            (np.array(0.5), [0.5, 0.5]),
            ([1e-3, 1e-4], [1e-3, 1e-4]),
            (np.array([1e-3, 1e-4]), [1e-3, 1e-4]),
            ({"y": 1e-3}, [1e-9, 1e-3]),
            ({"y": 1e-3, "x": 1}, [1.0, 1e-3]),
            ({}, [1e-9, 1e-9]),
        ],
    )
    def test_absolute_tolerances_by_state(self, atol, expected):
        assert numbers(atol=atol)["atol"] == expected

    def test_tolerances_of_unknown_states(self):
        message = refused(numbers, atol={"z": 1e-3, "x": 1e-3})
        assert message == "atol names ['z'], which are no states; there are x, y"

    @pytest.mark.parametrize("atol", [[1e-3], [1e-3] * 3, []])
    def test_too_many_tolerances(self, atol):
        message = refused(numbers, atol=atol)
        assert f"atol has {len(atol)} values for 2 states" in message
        assert "Pass one number, one for each state, or {'x': 1e-9}" in message

    @pytest.mark.parametrize("value", [0, -1e-6, math.nan, math.inf, "small", None, 1j])
    def test_tolerances_that_cannot_be(self, value):
        advice = "must be a positive number, such as 1e-6: no computation has an error of zero"
        assert refused(numbers, atol=value) == f"atol={value!r} {advice}"
        assert f"atol={value!r} {advice}" in refused(numbers, atol=[1e-3, value])
        assert f"atol={value!r} {advice}" in refused(numbers, atol={"y": value})
        if value is not None:
            assert refused(numbers, rtol=value) == f"rtol={value!r} {advice}"

    def test_no_relative_tolerance(self):
        assert "rtol=None must be a positive number" in refused(numbers, rtol=None)

    @pytest.mark.parametrize("more", [{"rtol": 1e-60}, {"atol": 1e-60}, {"atol": [1e-60, 1]}])
    def test_tolerances_that_vanish_in_single_precision(self, more):
        message = refused(numbers, plan=plan_of(precision="float32"), **more)
        assert "is zero in float32; choose larger ones, or precision='float64'" in message

    @pytest.mark.parametrize("name", ["dt", "dt_max"])
    @pytest.mark.parametrize("value", [0, -1.0, math.nan, "long", 1j])
    def test_lengths_of_steps_that_cannot_be(self, name, value):
        assert refused(numbers, **{name: value}) == f"{name}={value!r} must be a positive number"

    def test_endless_steps(self):
        assert refused(numbers, dt=math.inf) == "dt=inf must be a positive number"
        assert numbers(dt_max=math.inf)["largest step"] == np.finfo(float).max

    @pytest.mark.parametrize("value", [-1e-9, math.nan])
    def test_least_steps_that_cannot_be(self, value):
        assert (
            refused(numbers, dt_min=value) == f"dt_min={value!r} must be zero or a positive number"
        )

    @pytest.mark.parametrize(
        "more", [{"dt_min": "short"}, {"dt_min": None}, {"dt_max": None}, {"dt_min": 1j}]
    )
    def test_steps_that_are_no_numbers(self, more):
        (name,) = more
        with pytest.raises((InvalidPlan, TypeError)) as caught:
            numbers(**more)
        assert isinstance(caught.value, InvalidPlan)
        assert name in str(caught.value)

    @pytest.mark.parametrize("more", [{"dt_min": 0.5, "dt_max": 0.1}, {"dt_min": math.inf}])
    def test_the_least_step_may_not_exceed_the_largest(self, more):
        assert "dt_min" in refused(numbers, **more)

    @pytest.mark.parametrize("value", [0, -5, 1.5, 1e6, "5", None, math.inf])
    def test_counts_of_steps_that_cannot_be(self, value):
        message = refused(numbers, max_steps=value)
        assert message == f"max_steps={value!r} must be a whole number, at least 1"

    @pytest.mark.parametrize("value", [1, 10**6, np.int32(5), np.uint8(5)])
    def test_counts_of_steps(self, value):
        numbers(max_steps=value)

    @pytest.mark.parametrize(
        ("more", "first"),
        [
            ({"dt": 0.01}, 0.01),
            ({"dt": 5.0}, 5.0),
            ({"dt": 0.5, "dt_max": 0.1}, 0.1),
            ({"dt": 0.01, "dt_min": 0.1}, 0.1),
            ({"dt": 1e-310}, np.finfo(float).tiny),
            ({}, 0.0),
        ],
    )
    def test_the_first_step_is_clipped(self, more, first):
        assert numbers(**more)["first step"] == first

    def test_the_largest_step_is_as_it_was_given(self):
        assert numbers((0, 3), dt_max=7)["largest step"] == 7.0
        assert numbers((0, 3), dt_max=0.5)["largest step"] == 0.5

    def test_fixed_steps_need_a_length(self):
        plan = plan_of("rk4")
        message = refused(numbers, plan=plan)
        assert "takes steps of fixed length: pass dt=…, or use an adaptive method" in message
        assert numbers(plan=plan, dt=0.1)["first step"] == 0.1


class TestPlans:
    def test_outputs_are_states_where_they_are_saved(self):
        assert plan_of(saves=True).outputs == ("states",)
        assert plan_of(saves=False).outputs == ("final",)
        assert plan_of(outputs=["final", "states"], saves=True).outputs == ("states", "final")
        assert plan_of(outputs="final").outputs == ("final",)

    @pytest.mark.parametrize(
        ("more", "expected"),
        [
            ({"precision": "half"}, "precision='half' is not known; expected 'float64' or"),
            (
                {"method_name": "euler9"},
                "There is no method 'euler9'; expected one of bdf, bosh3",
            ),
            (
                {"outputs": ["last"]},
                r"outputs=['last'] is not known; expected any of states, final, steps",
            ),
            ({"outputs": []}, "outputs=[] is not known"),
            ({"outputs": ["states"]}, "no times to save it at. Pass save_at=…"),
            (
                {"outputs": ["final"], "saves": True},
                "outputs does not contain 'states', nor a summary",
            ),
        ],
    )
    def test_what_cannot_be_planned(self, more, expected):
        assert expected in refused(plan_of, **more)

    @pytest.mark.parametrize("name", ["double", "f64", "float64"])
    def test_precisions_have_several_names(self, name):
        assert plan_of(precision=name).precision == "float64"

    @pytest.mark.parametrize("name", ["Tsit5", "TSITOURAS5", "tsitouras"])
    def test_methods_have_several_names(self, name):
        assert plan_of(name) == plan_of("tsit5")
        assert hash(plan_of(name)) == hash(plan_of("tsit5"))


# Results ----------------------------------------------------------------------------------------


def result_of(batch=None, times=3, status=None, *, final=False, t_span=(0.0, 2.0)):
    """A result whose numbers tell trajectory, time and state: 100, 10 and 1 of them."""
    batch = batch_of({"a": [0.1, 0.2, 0.3, 0.4]}) if batch is None else batch
    run = 100.0 * np.arange(batch.runs)
    states = None
    if times:
        states = run[:, None, None] + 10 * np.arange(times)[:, None] + np.arange(2)
    ended = run[:, None] + 90 + np.arange(2) if final or not times else None
    return Result(
        "pair",
        np.linspace(*t_span, times) if times else np.empty(0),
        states,
        ended,
        np.zeros(batch.runs, np.int8) if status is None else np.array(status, np.int8),
        ("x", "y"),
        batch,
        t_span,
    )


GRID = {"b": [1.0, 2.0], "a": [3.0, 4.0, 5.0]}


class TestResults:
    def test_states_by_name(self):
        result = result_of(final=True)
        assert result["x"].shape == (4, 3)
        np.testing.assert_array_equal(result["y"], result.states[:, :, 1])
        assert np.shares_memory(result["y"], result.states)

    def test_final_states_by_name_where_no_times_were_saved(self):
        result = result_of(times=0)
        np.testing.assert_array_equal(result["y"], [91, 191, 291, 391])

    @pytest.mark.parametrize("name", ["z", "a", 0, slice(1), None])
    def test_other_names_are_unknown(self, name):
        with pytest.raises(KeyError, match="is no state; there are x, y"):
            result_of()[name]

    def test_its_length_is_the_number_of_trajectories(self):
        assert len(result_of()) == 4
        assert len(result_of(batch_of(GRID, None, "combinations"))) == 6

    def test_those_that_failed(self):
        assert result_of().failed.tolist() == []
        assert result_of(status=[0, 1, 0, 3]).failed.tolist() == [1, 3]

    def test_success_gives_the_result_itself(self):
        result = result_of()
        assert result.require_success() is result

    def test_failures_are_told(self):
        with pytest.raises(SolveFailed) as caught:
            result_of(status=[0, 3, 1, 3]).require_success()
        message = str(caught.value)
        assert "Of 4 trajectories of pair, 3 failed: " in message
        assert "1 needed a step too small" in message
        assert "2 took more than max_steps" in message
        assert "The first is number 1. End the span before" in message
        assert message.endswith("Raise max_steps, or loosen rtol and atol.")
        assert "not-a-number" not in message
        assert isinstance(caught.value, EmberkeepError)

    def test_all_sorts_of_failures_have_words(self):
        with pytest.raises(SolveFailed, match="1 reached infinity or not-a-number"):
            result_of(status=[2, 0, 0, 0]).require_success()

    def test_parameters_for_each_trajectory(self):
        batch = batch_of({"a": [1, 2, 3]}, {"y": [4, 5, 6], "x": 7})
        found = {name: values.tolist() for name, values in result_of(batch).parameters().items()}
        assert found == {"a": [1, 2, 3], "y": [4, 5, 6]}

    def test_parameters_of_a_grid(self):
        result = result_of(batch_of(GRID, {"x": [6, 7]}, "combinations"))
        axes = np.meshgrid([1, 2], [3, 4, 5], [6, 7], indexing="ij")
        found = result.parameters()
        assert list(found) == ["b", "a", "x"]
        for values, axis in zip(found.values(), axes, strict=True):
            np.testing.assert_array_equal(values, axis.ravel())

    def test_parameters_of_a_grid_with_one_axis(self):
        result = result_of(batch_of({"a": [1, 2, 3]}, None, "combinations"))
        assert result.parameters()["a"].tolist() == [1, 2, 3]
        assert result_of(batch_of()).parameters() == {}

    def test_nothing_of_it_changes(self):
        with pytest.raises(AttributeError, match="Result is frozen"):
            result_of().status = None

    def test_pickles(self):
        result = result_of(final=True)
        again = pickle.loads(pickle.dumps(result))
        np.testing.assert_array_equal(again.states, result.states)
        assert again.batch.varied == ("a",)


class TestShowing:
    def test_counts_times_names_and_sizes(self):
        text = repr(result_of(status=[0, 3, 1, 3], final=True))
        assert text.startswith("<Result of pair\n")
        assert text.endswith("\n>")
        for fact in (
            "4, 1 of them succeeded",
            "1 needed a step too small",
            "2 took more than max_steps",
            "0 to 2",
            "3 times, 0 to 2",
            "x, y",
            "a: 4 from 0.1 to 0.4",
        ):
            assert fact in text
        assert "0 reached" not in text
        assert re.search(r"\.states +4 \S+ 3 \S+ 2 float64", text)
        assert re.search(r"\.final +4 \S+ 2 float64", text)

    def test_large_numbers_are_readable(self):
        batch = batch_of({"a": np.arange(12345.0)})
        assert "12,345, 12,345 of them succeeded" in repr(result_of(batch, times=0))

    def test_without_times(self):
        text = repr(result_of(times=0))
        assert "saved at" not in text
        assert ".states" not in text
        assert ".final" in text

    def test_html_has_the_same_facts(self):
        result = result_of(status=[0, 3, 1, 3])
        html = result._repr_html_()
        assert html.startswith("<table>")
        assert html.endswith("</table>")
        assert "<caption>pair</caption>" in html
        assert "4, 1 of them succeeded" in html
        assert "2 took more than max_steps" in html
        assert html.count("<tr>") == html.count("</tr>") == len(repr(result).split("\n")) - 2

    def test_html_is_escaped(self):
        result = result_of()
        odd = replace(result, {"name": "<b>&"})
        assert "<b>" not in odd._repr_html_()
        assert "&lt;b&gt;&amp;" in odd._repr_html_()

    def test_many_states_are_not_all_listed(self):
        many = tuple(f"s{index}" for index in range(20))
        result = replace(result_of(), {"state_names": many})
        assert "s11 and 8 more" in repr(result)
        assert "s12" not in repr(result)

    def test_lines_stand_below_each_other(self):
        lines = repr(result_of(status=[0, 3, 1, 3])).split("\n")[1:-1]
        assert len({re.match(r"  .{12}  \S", line).end() for line in lines}) == 1


class TestPandas:
    @pytest.fixture(autouse=True)
    def pandas(self):
        return pytest.importorskip("pandas")

    def test_a_row_for_each_trajectory_and_time(self):
        table = result_of(status=[0, 0, 1, 0]).to_pandas()
        assert list(table.columns) == ["run", "a", "t", "x", "y", "status"]
        assert len(table) == 12
        row = table.iloc[7]
        assert row.tolist() == [2, 0.3, 1.0, 210.0, 211.0, 1]
        assert table["status"].sum() == 3

    def test_final_states(self):
        table = result_of(times=0).to_pandas()
        assert table["t"].tolist() == [2.0] * 4
        assert table["y"].tolist() == [91, 191, 291, 391]

    def test_grids_and_initial_values(self):
        batch = batch_of({"a": [3, 4, 5]}, {"x": [6, 7]}, "combinations")
        table = result_of(batch, times=0).to_pandas()
        assert list(table.columns) == ["run", "a", "x_initial", "t", "x", "y", "status"]
        assert table["a"].tolist() == [3, 3, 4, 4, 5, 5]
        assert table["x_initial"].tolist() == [6, 7, 6, 7, 6, 7]

    @pytest.mark.parametrize("name", ["run", "status"])
    def test_names_that_clash_lose_nothing(self, name):
        system = System(f"dx = {name}", {"x": 1.0}, {name: 1.0})
        batch = make_batch(system, {name: [5.0, 6.0]}, None, "verbatim")
        zeros = np.zeros(2, np.int8)
        result = Result("s", np.empty(0), None, np.ones((2, 1)), zeros, ("x",), batch, (0.0, 1.0))
        table = result.to_pandas()
        assert len(table.columns) == 5
        assert [5.0, 6.0] in [table[column].tolist() for column in table.columns]


class TestXarray:
    @pytest.fixture(autouse=True)
    def xarray(self):
        return pytest.importorskip("xarray")

    def test_trajectories_are_an_axis(self):
        data = result_of(status=[0, 0, 1, 0]).to_xarray()
        assert data["x"].dims == ("run", "t")
        assert data["y"].sel(run=2, t=1.0) == 211
        assert data["a"].dims == ("run",)
        assert data["status"].values.tolist() == [0, 0, 1, 0]
        assert data.attrs["system"] == "pair"

    def test_grids_keep_their_axes(self):
        batch = batch_of({**GRID}, {"x": [6, 7]}, "combinations")
        data = result_of(batch, final=True).to_xarray()
        assert data["x"].dims == ("b", "a", "x_initial", "t")
        assert data["x"].shape == (2, 3, 2, 3)
        assert data["y"].sel(b=2.0, a=3.0, x_initial=7.0).values.tolist() == [701, 711, 721]
        assert data["y_final"].sel(b=1.0, a=4.0, x_initial=6.0) == 291

    def test_final_states_alone_keep_their_names(self):
        data = result_of(times=0).to_xarray()
        assert data["y"].values.tolist() == [91, 191, 291, 391]
        assert "y_final" not in data

    @pytest.mark.parametrize("name", ["run", "status"])
    def test_names_that_clash_lose_nothing(self, name):
        system = System(f"dx = {name}", {"x": 1.0}, {name: 1.0})
        batch = make_batch(system, {name: [5.0, 6.0]}, None, "verbatim")
        zeros = np.zeros(2, np.int8)
        result = Result("s", np.empty(0), None, np.ones((2, 1)), zeros, ("x",), batch, (0.0, 1.0))
        data = result.to_xarray()
        assert len(data.variables) == 4


@pytest.mark.parametrize("name", ["pandas", "xarray"])
def test_a_missing_library_is_named(name, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EmberkeepError, match=rf"This needs {name}.*'emberkeep\[tables\]'"):
        getattr(result_of(), f"to_{name}")()
