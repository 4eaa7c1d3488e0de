"""The sums, against counting every nanosecond."""

import contextvars
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberkeep.startup_records import replace
from emberkeep.telemetry import Category, Span, TimeLogger, span, spans
from emberkeep.telemetry.durations import (
    exclusive_by_category_ns,
    exclusive_ns,
    inclusive_ns,
    key_of,
    threads_ns,
    union_ns,
    wall_ns,
)
from emberkeep.telemetry.tree import tree_of

CATEGORIES = st.sampled_from(list(Category))
INTERVALS = st.tuples(st.integers(0, 30), st.integers(0, 12), CATEGORIES, st.integers(1, 3))
# What happens in one of three threads: a span begins, the innermost ends, or time passes.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 2), CATEGORIES),
        st.tuples(st.just("end"), st.integers(0, 2), st.none()),
        st.tuples(st.just("wait"), st.integers(0, 5), st.none()),
    ),
    max_size=40,
)


def made(number, start, duration, category, thread, parent=None, process=1):
    return Span(f"s{number}", category, start, duration, parent, number, thread, process, {}, False)


def nonzero(counts):
    return {key: value for key, value in counts.items() if value}


@given(st.lists(INTERVALS, max_size=14))
def test_sums_of_arbitrary_intervals_count_each_nanosecond_once(intervals):
    known = [made(n, *interval) for n, interval in enumerate(intervals)]
    inclusive, by_category, by_span, wall = Counter(), Counter(), Counter(), 0
    for moment in range(50):
        here = [s for s in known if s.start_ns <= moment < s.end_ns]
        wall += bool(here)
        for thread in {s.thread_id for s in here}:
            thread = [s for s in here if s.thread_id == thread]
            for category in {s.category for s in thread}:
                inclusive[category] += 1
            latest = max(thread, key=lambda s: (s.start_ns, s.span_id))
            by_category[latest.category] += 1
            by_span[key_of(latest)] += 1
    assert nonzero(inclusive_ns(known)) == inclusive
    assert nonzero(exclusive_by_category_ns(known)) == by_category
    assert nonzero(exclusive_ns(known)) == by_span
    assert wall_ns(known) == wall
    assert threads_ns(known) == sum(by_category.values())
    assert set(inclusive_ns(known)) == {s.category for s in known}


class Simulation:
    """Three threads with a clock of ours, and a count of each nanosecond made apart."""

    def __init__(self):
        self.now = 1000
        self.thread = 0
        self.contexts = [contextvars.Context() for _ in range(3)]
        self.stacks = [[], [], []]
        self.inclusive, self.exclusive, self.wall = Counter(), Counter(), 0
        self.parents = {}
        self.own = Counter()

    def begin(self, thread, category):
        self.thread = thread
        name = f"s{len(self.parents)}"
        stack = self.stacks[thread]
        self.parents[name] = stack[-1][0] if stack else None
        opened = span(name, category)
        self.contexts[thread].run(opened.__enter__)
        stack.append((name, category, opened))

    def end(self, thread):
        if self.stacks[thread]:
            self.thread = thread
            _, _, opened = self.stacks[thread].pop()
            self.contexts[thread].run(opened.__exit__, None, None, None)

    def wait(self, duration):
        for _ in range(duration):
            self.now += 1
            self.wall += any(self.stacks)
            for stack in filter(None, self.stacks):
                self.inclusive.update({category for _, category, _ in stack})
                self.exclusive[stack[-1][1]] += 1
                self.own[stack[-1][0]] += 1


@given(STEPS)
def test_nested_spans_of_several_threads_are_accounted_as_they_ran(steps):
    simulation = Simulation()
    logger = TimeLogger("default")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "perf_counter_ns", lambda: simulation.now)
        patch.setattr(spans, "get_native_id", lambda: simulation.thread)
        logger.install()
        for action, number, category in steps:
            if action == "begin":
                simulation.begin(number, category)
            else:
                getattr(simulation, action)(number)
        for thread in range(3):
            while simulation.stacks[thread]:
                simulation.wait(1)
                simulation.end(thread)
        logger.remove()
    ns = {c: round(s * 1e9) for c, s in logger.aggregate().items()}
    own = {c: round(s * 1e9) for c, s in logger.aggregate(exclusive=True).items()}
    assert nonzero(ns) == simulation.inclusive
    assert nonzero(own) == simulation.exclusive
    assert round(logger.wall_s * 1e9) == simulation.wall
    names = {record.span_id: record.name for record in logger.records}
    assert {r.name: names.get(r.parent_id) for r in logger.records} == simulation.parents
    by_name = {names[number]: t for (_, number), t in exclusive_ns(logger.records).items()}
    assert nonzero(by_name) == simulation.own
    # The tree loses nothing of it.
    pending, total_s, count = list(logger.tree()), 0.0, 0
    while pending:
        node = pending.pop()
        total_s, count = total_s + node.exclusive_s, count + node.count
        pending.extend(node.children)
    assert round(total_s * 1e9) == sum(simulation.exclusive.values())
    assert count == len(logger.records)


@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 9)), max_size=12))
def test_union_is_the_number_of_covered_points(pairs):
    intervals = [(start, start + length) for start, length in pairs]
    covered = {moment for start, end in intervals for moment in range(start, end)}
    assert union_ns(intervals) == len(covered)


def test_a_category_nested_in_itself_counts_once_at_any_depth():
    known = [
        made(1, 0, 100, Category.COMPILE, 1),
        made(2, 10, 50, Category.LOAD, 1, parent=1),
        made(3, 20, 30, Category.COMPILE, 1, parent=2),
    ]
    assert inclusive_ns(known) == {Category.COMPILE: 100, Category.LOAD: 50}
    assert exclusive_by_category_ns(known) == {Category.COMPILE: 80, Category.LOAD: 20}


def test_threads_and_processes_add_up_but_the_wall_does_not():
    known = [
        made(1, 0, 10, Category.COMPILE, 1),
        made(2, 5, 10, Category.COMPILE, 2),
        made(1, 0, 10, Category.COMPILE, 1, process=2),
    ]
    assert inclusive_ns(known) == {Category.COMPILE: 30}
    assert wall_ns(known) == 15


def test_spans_of_one_name_in_one_place_make_one_node():
    known = [
        replace(made(1, 0, 100, Category.BUILD, 1), {"name": "build"}),
        replace(made(2, 0, 20, Category.COMPILE, 1, parent=1), {"name": "step"}),
        replace(made(3, 30, 20, Category.COMPILE, 1, parent=1), {"name": "step", "failed": True}),
        replace(made(4, 40, 5, Category.LOAD, 1, parent=3), {"name": "read"}),
        replace(made(5, 200, 7, Category.COMPILE, 1), {"name": "step"}),
    ]
    build, step = tree_of(reversed(known))
    assert (build.name, build.count, build.failed) == ("build", 1, 0)
    assert (build.inclusive_s, build.exclusive_s) == pytest.approx((100e-9, 60e-9))
    (inner,) = build.children
    assert (inner.name, inner.count, inner.failed) == ("step", 2, 1)
    assert (inner.inclusive_s, inner.exclusive_s) == pytest.approx((40e-9, 35e-9))
    assert [child.name for child in inner.children] == ["read"]
    assert (step.count, step.children) == (1, ())


def test_a_span_whose_parent_is_unknown_is_a_root():
    (node,) = tree_of([made(7, 0, 5, Category.LOAD, 1, parent=3)])
    assert node.name == "s7"


def test_trees_may_be_deeper_than_the_stack():
    depth = 5000
    known = [
        made(n, n, 20_000 - 2 * n, Category.RUNTIME, 1, n - 1 or None) for n in range(1, depth)
    ]
    (node,) = tree_of(known)
    levels = 1
    while node.children:
        (node,) = node.children
        levels += 1
    assert levels == depth - 1
