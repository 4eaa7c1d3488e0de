"""Explaining a miss: the leaf that differs, and both its values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberkeep.keys import Fingerprint, fingerprint, fingerprint_mapping
from emberkeep.keys.explain import Difference, explain
from emberkeep.keys.fingerprint import branch, leaf


def differences(a: object, b: object) -> list[tuple[str, str, str]]:
    found = explain(fingerprint(a), fingerprint(b))
    return [(each.path, each.left, each.right) for each in found]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1, 2, [("(root)", "1", "2")]),
        (1, 1.0, [("(root)", "int 1", "float 1.0")]),
        (1, True, [("(root)", "int 1", "bool True")]),
        (0.0, -0.0, [("(root)", "0.0", "-0.0")]),
        ({"a": 1}, {"a": 2}, [("a", "1", "2")]),
        ({"a": 1}, {}, [("(root)", "dict (a)", "dict (empty)")]),
        ({"a": 1, "b": 2}, {"b": 2}, [("a", "1", "(absent)")]),
        ({"b": 2}, {"a": 1, "b": 2}, [("a", "(absent)", "1")]),
        ([1, 2], [2, 1], [("0", "1", "2"), ("1", "2", "1")]),
        ([1], (1,), [("(root)", "list list (0)", "tuple tuple (0)")]),
        (
            {"system": {"rates": (1.0, [2.0, {"k": 3.0}])}},
            {"system": {"rates": (1.0, [2.0, {"k": 3.5}])}},
            [("system.rates.1.1.k", "3.0", "3.5")],
        ),
        (
            {"a": 1, "b": {"c": 2, "d": "x"}, "e": 5},
            {"a": 9, "b": {"c": 2, "d": "y"}, "e": 5},
            [("a", "1", "9"), ("b.d", "'x'", "'y'")],
        ),
        ({1: "x"}, {1: "y"}, [("1.value", "'x'", "'y'")]),
        (
            np.array([1.0]),
            np.array([2.0]),
            [("(root)", "float64 (1,) [1.0]", "float64 (1,) [2.0]")],
        ),
        (np.int64(1), np.int32(1), [("(root)", "np.int64(1)", "np.int32(1)")]),
    ],
)  # fmt: skip
def test_the_leaf_that_differs_is_named_with_both_values(
    a: object, b: object, expected: list[tuple[str, str, str]]
) -> None:
    assert differences(a, b) == expected


def test_members_of_sets_that_were_added_and_removed() -> None:
    assert set(differences({1, 2, 3}, {2, 3, 4})) == {
        ("1", "1", "(absent)"),
        ("4", "(absent)", "4"),
    }


def test_equal_trees_have_no_difference() -> None:
    value = {"a": [1, {2: np.arange(3)}], "f": lambda x: x}
    assert explain(fingerprint(value), fingerprint(value)) == ()


def test_parts_in_another_order() -> None:
    one, two = leaf("int", b"1", "1"), leaf("int", b"2", "2")
    a = branch("ordered dict", [("a", one), ("b", two)])
    b = branch("ordered dict", [("b", two), ("a", one)])
    assert explain(a, b) == (Difference("(root) (order)", "a, b", "b, a"),)
    nested = explain(branch("list", [("0", a)]), branch("list", [("0", b)]))
    assert nested == (Difference("0 (order)", "a, b", "b, a"),)


@pytest.mark.parametrize("end", ["middle", "end"])
def test_long_values_that_shorten_alike_are_told_apart(end: str) -> None:
    a = "x" * 500 + ("a" if end == "end" else "a" + "x" * 99)
    b = a.replace("a", "b")
    ((path, left, right),) = differences({"text": a}, {"text": b})
    assert path == "text"
    assert left != right
    assert max(len(left), len(right)) < 250


def test_long_arrays_are_told_apart() -> None:
    ((_, left, right),) = differences(np.zeros(100), np.ones(100))
    assert left != right


def test_named_ingredients_have_a_digest_each_and_no_order() -> None:
    tree = fingerprint_mapping({"rhs": 1, "method": "rk4"}, label="plan")
    assert tree.digest == fingerprint_mapping({"method": "rk4", "rhs": 1}, label="plan").digest
    changed = fingerprint_mapping({"rhs": 1, "method": "euler"}, label="plan")
    assert explain(tree, changed) == (Difference("method", "'rk4'", "'euler'"),)
    assert dict(tree.children)["rhs"] == dict(changed.children)["rhs"] == fingerprint(1)


def test_an_ingredient_is_keyed_without_regard_to_its_neighbours() -> None:
    def shared(x):
        return x + 1

    alone = fingerprint_mapping({"z": shared}, label="plan")
    beside = fingerprint_mapping({"a": shared, "z": shared}, label="plan")
    assert dict(alone.children)["z"] == dict(beside.children)["z"]


def test_a_change_deep_in_a_function_is_named() -> None:
    def make(gain):
        def inner(x):
            return gain * x

        return lambda x: inner(x) + 1

    (found,) = explain(fingerprint(make(2.0)), fingerprint(make(3.0)))
    assert (found.path, found.left, found.right) == (
        "captured inner.captured gain",
        "2.0",
        "3.0",
    )


def test_a_difference_reads_as_a_line() -> None:
    assert str(Difference("a.b", "1", "2")) == "a.b: 1 → 2"


def test_a_fingerprint_reads_as_its_digest_and_cannot_change() -> None:
    tree = fingerprint(1)
    assert str(tree) == tree.digest
    with pytest.raises(AttributeError, match="frozen"):
        tree.digest = "0"  # type: ignore[misc]


TREES = st.recursive(
    st.integers(0, 9).map(lambda number: leaf("int", b"%d" % number, str(number))),
    lambda inner: st.lists(st.tuples(st.sampled_from("abc"), inner), max_size=3).map(
        lambda parts: branch("dict", parts)
    ),
    max_leaves=6,
)


@given(TREES, TREES)
def test_trees_are_explained_exactly_when_they_differ(a: Fingerprint, b: Fingerprint) -> None:
    found = explain(a, b)
    assert bool(found) == (a.digest != b.digest)
    assert all(each.left != each.right for each in found)
