"""What a build function may return."""

import math
from types import MappingProxyType

import pytest
from hypothesis import given

from emberkeep.errors import InvalidBuild
from emberkeep.store.build_result import read_build
from emberkeep.testing import layouts


def test_contents_become_bytes_and_the_layout_stands_apart():
    returned = {
        "a": b"1",
        "b": bytearray(b"2"),
        "c": memoryview(b"x3x")[1:2],
        "layout": {"n": (1, 2)},
    }
    built = read_build(returned, "x")
    assert built.blobs == {"a": b"1", "b": b"2", "c": b"3"}
    assert {type(content) for content in built.blobs.values()} == {bytes}
    assert built.layout == {"n": [1, 2]}


def test_any_mapping_will_do_and_an_empty_one():
    assert read_build(MappingProxyType({"a": b"1"}), "x").blobs == {"a": b"1"}
    assert (read_build({}, "x").blobs, read_build({}, "x").layout) == ({}, None)


@given(layouts())
def test_a_layout_is_what_json_gives_back(layout):
    assert read_build({"layout": layout}, "x").layout == layout


def test_what_the_builder_changes_later_is_not_kept():
    content, layout = bytearray(b"1"), {"n": [1]}
    built = read_build({"a": content, "layout": layout}, "x")
    content[0], layout["n"][0] = 50, 2
    assert (built.blobs, built.layout) == ({"a": b"1"}, {"n": [1]})


@pytest.mark.parametrize("returned", [None, b"bytes", "text", [("a", b"1")], 1, print])
def test_what_is_no_mapping_is_refused(returned):
    with pytest.raises(InvalidBuild, match="build of tables/x returned a .*Return a mapping"):
        read_build(returned, "tables/x")


@pytest.mark.parametrize("role", [1, None, b"a", ("a",)])
def test_roles_are_text(role):
    with pytest.raises(InvalidBuild, match="roles are text"):
        read_build({role: b"1"}, "x")


@pytest.mark.parametrize("content", ["text", 1, None, [b"1"], {"a": b"1"}])
def test_contents_are_bytes(content):
    with pytest.raises(InvalidBuild, match="for 'a'. Contents are bytes"):
        read_build({"a": content}, "x")


def endless():
    loop = []
    loop.append(loop)
    return loop


def deep():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    "layout", [b"1", {1, 2}, object(), math.nan, [math.inf], {("a",): 1}, endless(), deep()]
)
def test_a_layout_is_json(layout):
    with pytest.raises(InvalidBuild, match="is not JSON"):
        read_build({"layout": layout}, "x")
