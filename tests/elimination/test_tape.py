"""Tapes against Python that reads them one operation at a time, and against dense algebra."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.elimination import tape as taping
from emberkeep.elimination.kernels.lanes import LANES
from emberkeep.elimination.kernels.tape_interpreter import replay, replay_reverse
from emberkeep.elimination.layout import DIVIDE
from emberkeep.elimination.tape import TapeWriter
from emberkeep.errors import InvalidGraph

few = settings(max_examples=40, deadline=None)


class Plain:
    """What a writer takes down, done at once, in the order in which it is said."""

    def __init__(self):
        self.values = {}

    def put(self, slots, values):
        self.values |= dict(zip(np.ravel(slots).tolist(), np.ravel(values).tolist(), strict=True))

    def get(self, slots):
        return np.array([self.values.get(slot, 0.0) for slot in np.ravel(slots).tolist()])


def random_program(rng, theta):
    """A writer, and what all its slots should be, by complex numbers too."""
    writer, plain = TapeWriter(len(theta)), Plain()
    plain.values = {0: 1.0}
    base, coefficients = rng.uniform(0.5, 1, 6), rng.uniform(0, 1, (6, len(theta)))
    coefficients *= rng.random(coefficients.shape) < 0.5
    slots = writer.linear(base, coefficients)
    plain.put(slots, base + coefficients @ theta)
    constants = rng.integers(-2, 3, 5).astype(float)
    known = writer.constants(constants)
    plain.put(known, constants)
    positive, every = list(slots), [0, *slots, *known]
    for _ in range(int(rng.integers(1, 12))):
        many = int(rng.integers(1, 5))
        first, second = rng.choice(every, many), rng.choice(positive, many)
        kind = rng.integers(3)
        if kind == 0:
            new = writer.product(first, second)
            plain.put(new, plain.get(first) * plain.get(second))
        elif kind == 1:
            new = writer.quotient(first, second)
            plain.put(new, plain.get(first) / plain.get(second))
        else:
            new, terms = writer.slots(many), int(rng.integers(1, 4))
            total = np.zeros(many, theta.dtype)
            for _ in range(terms):
                first = rng.choice(every, many)
                writer.add(new, first, second)
                total = total + plain.get(first) * plain.get(second)
            plain.put(new, total)
        every += list(new)
    outputs = np.append(rng.choice(every, 4), -1)
    return writer.tape(outputs), plain.get(outputs)


def run(tape, thetas, room_rows=1):
    """By the kernel."""
    found = np.empty((len(thetas), len(tape.outputs)))
    room = np.full((room_rows, (tape.slots + 1) * LANES), np.nan)
    replay(
        tape.counts, tape.segments, tape.operations, tape.leaves, tape.linear, tape.coefficients,
        tape.outputs, thetas, found, room, count=room_rows,
    )  # fmt: skip
    return found


def run_reverse(tape, thetas, sought, room_rows=1):
    found = np.empty_like(thetas)
    room = np.full((room_rows, 2 * (tape.slots + 1) * LANES), np.nan)
    replay_reverse(
        tape.counts, tape.segments, tape.operations, tape.leaves, tape.linear, tape.coefficients,
        tape.outputs, thetas, sought, found, room, count=room_rows,
    )  # fmt: skip
    return found


def read(tape, theta):
    """What a tape gives, one operation at a time; theta may be complex."""
    slots = np.zeros(tape.slots, np.asarray(theta).dtype)
    slots[: len(tape.leaves)] = tape.leaves
    for slot, parameter, coefficient in zip(*tape.linear, tape.coefficients, strict=True):
        slots[slot] += coefficient * theta[parameter]
    for kind, begin, end in tape.segments.T:
        for target, first, second in tape.operations[:, begin:end].T:
            if kind == DIVIDE:
                slots[target] += slots[first] / slots[second]
            else:
                slots[target] += slots[first] * slots[second]
    return slots[tape.outputs]


@few
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_what_is_replayed_is_what_was_taken_down(seed, parameters):
    theta = np.random.default_rng(seed).uniform(0.5, 2, parameters)
    tape, expected = random_program(np.random.default_rng(seed), theta)
    np.testing.assert_allclose(read(tape, theta), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run(tape, theta[None])[0], expected, rtol=1e-12, atol=1e-12)


@few
@given(st.integers(0, 10**6), st.integers(1, 3), st.sampled_from([1, 7, 8, 9, 30]))
def test_many_vectors_and_their_gradients(seed, parameters, vectors):
    rng = np.random.default_rng(seed)
    thetas = rng.uniform(0.5, 2, (vectors, parameters))
    tape, _ = random_program(rng, thetas[0])
    sought = rng.normal(size=(vectors, len(tape.outputs)))
    rows = int(rng.integers(1, 4))
    expected = [read(tape, theta) for theta in thetas]
    np.testing.assert_allclose(run(tape, thetas, rows), expected, rtol=1e-12, atol=1e-12)
    known = np.empty_like(thetas)
    for i in range(vectors):
        for p in range(parameters):
            moved = thetas[i].astype(complex)
            moved[p] += 1e-30j
            known[i, p] = (read(tape, moved).imag / 1e-30) @ sought[i]
    size = np.abs(known).max(initial=1)
    np.testing.assert_allclose(
        run_reverse(tape, thetas, sought, rows), known, rtol=1e-10, atol=1e-11 * size
    )


@few
@given(st.integers(0, 10**6))
def test_nothing_is_read_before_its_level_is_over(seed):
    rng = np.random.default_rng(seed)
    tape, _ = random_program(rng, rng.uniform(0.5, 2, 2))
    assert tape.segments.shape[1] == tape.counts[2]
    ends, begins = tape.segments[2], tape.segments[1]
    assert (begins[1:] == ends[:-1]).all()
    for begin, end in zip(begins, ends, strict=True):
        written = set(tape.operations[0, begin:].tolist())
        assert not written & set(tape.operations[1:, begin:end].ravel().tolist())
    kinds, first, many = tape.chunks
    covered = np.concatenate(
        [np.arange(f, f + m) for f, m in zip(first, many, strict=True)] or [[]]
    )
    np.testing.assert_array_equal(covered, np.arange(tape.operations.shape[1]))
    assert (many <= taping.CHUNK).all()
    assert set(kinds.tolist()) <= {0, 1}


def test_equal_constants_share_a_slot():
    writer = TapeWriter(0)
    first, again = writer.constants(np.array([2.0, 1.0, 2.0])), writer.constants(np.ones(2))
    assert first[0] == first[2]
    assert first[1] == again[0] == again[1] == 0


def test_a_negative_weight_marks_its_vector_only():
    writer = TapeWriter(1)
    (slot,) = writer.linear(np.array([1.0]), np.array([[1.0]]))
    tape = writer.tape(writer.product(np.array([slot]), np.array([slot])))
    thetas = np.array([[0.0], [-2.0], [np.nan], [3.0], [-1.0]])
    expected = [[1.0], [np.nan], [np.nan], [16.0], [0.0]]
    np.testing.assert_array_equal(run(tape, thetas), expected)
    slopes = run_reverse(tape, thetas, np.ones((5, 1)))
    np.testing.assert_array_equal(slopes, [[2.0], [np.nan], [np.nan], [8.0], [0.0]])


def test_more_operations_than_memory_may_hold(monkeypatch):
    monkeypatch.setattr(taping, "MOST_OPERATIONS", 10)
    writer = TapeWriter(0)
    writer.product(np.zeros(10, np.int64), 0)
    with pytest.raises(InvalidGraph, match=r"10 operations.*moment_gradient|10 operations"):
        writer.product(np.zeros(1, np.int64), 0)
