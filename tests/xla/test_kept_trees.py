"""Structures of pytrees through JSON and back."""

import json
from collections import OrderedDict, defaultdict
from typing import NamedTuple

import jax
import numpy as np
import optax
import pytest

from emberkeep.errors import InvalidBuild
from emberkeep.xla.executables import trees
from emberkeep.xla.executables.internals import make_tree

NOTHING = jax.tree.structure(())


def local(x):
    """A named tuple that no module has."""

    class Local(NamedTuple):
        x: object

    return Local(x)


def through(value, arguments=NOTHING):
    text = json.dumps(trees.to_json(jax.tree.structure(value), arguments), allow_nan=False)
    return trees.from_json(json.loads(text), arguments, make_tree)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        None,
        (),
        [],
        {},
        (1, [2, None, {"b": 1, "a": (3,)}]),
        {1: 2, 0: [3]},
        {(1, "x"): 2},
        {1.5: 1, float("inf"): 2},
        OrderedDict(z=1, a=(2, 3)),
        optax.adam(0.1).init(np.ones(3)),
        optax.chain(optax.clip(1.0), optax.sgd(0.1, momentum=0.9)).init({"a": np.ones(2)}),
    ],
    ids=repr,
)
def test_structures_survive(value):
    tree = jax.tree.structure(value)
    assert through(value) == tree
    leaves = jax.tree.leaves(value)
    assert jax.tree.structure(through(value).unflatten(leaves)) == tree


def test_nodes_of_the_arguments_stand_for_themselves():
    one, counted = local(1), defaultdict(list, a=1)
    arguments = jax.tree.structure(((one, 2), {"c": counted}))
    value = [one, {"again": counted, "other": (one, 2)}]
    assert through(value, arguments) == jax.tree.structure(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (local(1), "Local, which cannot be imported"),
        (defaultdict(list, a=1), "defaultdict with .*list.* in its structure"),
    ],
)
def test_what_only_its_maker_can_make_is_refused(value, reason):
    with pytest.raises(InvalidBuild, match=reason):
        through(value)


@pytest.mark.parametrize(
    "forged",
    [
        7,
        [],
        {},
        "leaves",
        {"tuple": 3},
        {"set": []},
        {"argument": 9},
        {"class": "no.module:X", "own": None, "of": []},
    ],
    ids=repr,
)
def test_what_describes_no_structure_is_an_error(forged):
    with pytest.raises((AttributeError, ImportError, LookupError, TypeError, ValueError)):
        trees.from_json(forged, NOTHING, make_tree)


def test_descriptions_tell_structures_apart():
    values = [1, None, (), [], (1,), [1], {"a": 1}, {"b": 1}, {"a": (1,)}, ({"a": 1},)]
    told = {repr(trees.describe(jax.tree.structure(value), by_behaviour=True)) for value in values}
    assert len(told) == len(values)
