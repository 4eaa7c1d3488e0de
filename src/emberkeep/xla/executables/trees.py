"""Pytrees: as values that a key can be made from, and as JSON.

JSON holds no pickle and no code: a node of the arguments' own trees is named by its place there,
other nodes by the import path of their class, if all that belongs to them is plain.
"""

from __future__ import annotations

import sys
from importlib import import_module

from emberkeep.errors import InvalidBuild

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

LEAF = "leaf"
_BUILT_IN = {"tuple": tuple, "list": list, "dict": dict, "None": type(None)}
_NAMES = {kind: name for name, kind in _BUILT_IN.items()}
_PLAIN = (type(None), bool, int, float, str)


def describe(tree: Any, *, by_behaviour: bool) -> object:
    """A tree's structure as plain values.

    Args:
        tree: JAX's description of the structure.
        by_behaviour: whether emberkeep's own classes stand for all that they do, or for their
            names; a user's class always stands for what it does, and a library's for its version.
    """
    node = tree.node_data()
    if node is None:
        return LEAF
    kind, own = node
    shown: object = _NAMES.get(kind)
    if shown is None:
        shown = kind if by_behaviour or not _is_own(kind) else _path_of(kind)
    # A dictionary's keys are a list, and a list is a different value from a tuple: no matter.
    return (
        shown,
        own,
        tuple(describe(child, by_behaviour=by_behaviour) for child in tree.children()),
    )


def to_json(tree: Any, arguments: Any) -> object:
    """A tree's structure for a layout.

    Args:
        tree: of the results.
        arguments: the tree of the arguments, which the reader has too.

    Raises:
        InvalidBuild: a node of it can only be made by the program that made it.
    """
    return _node_to_json(tree, list(_subtrees(arguments)))


def _node_to_json(tree: Any, known: Sequence[Any]) -> object:
    node = tree.node_data()
    if node is None:
        return LEAF
    kind, own = node
    name = _NAMES.get(kind)
    if name is None and tree in known:
        return {"argument": known.index(tree)}
    children = [_node_to_json(child, known) for child in tree.children()]
    if name is None:
        return {"class": _importable(kind), "own": _plain_to_json(own, kind), "of": children}
    if kind is dict:
        return {name: children, "keys": _plain_to_json(tuple(own), kind)}
    return {name: children}


def from_json(value: Any, arguments: Any, make: Callable[[Any, Sequence[Any]], Any]) -> Any:
    """The structure that `to_json` has described.

    Raises:
        ImportError: a class is gone.
        LookupError: it describes none; so do AttributeError, TypeError, ValueError.
    """
    known = list(_subtrees(arguments))

    def read(node: Any) -> Any:
        if node == LEAF:
            return make(None, ())
        if "argument" in node:
            return known[node["argument"]]
        if "class" in node:
            kind = _imported(node["class"])
            return make((kind, _plain_from_json(node["own"])), [read(item) for item in node["of"]])
        name = next(iter(node), "")
        own = list(_plain_from_json(node["keys"])) if name == "dict" else None
        return make((_BUILT_IN[name], own), [read(item) for item in node[name]])

    return read(value)


def _subtrees(tree: Any) -> Iterator[Any]:
    """All nodes of a tree but leaves, from the root on."""
    if tree.node_data() is not None:
        yield tree
        for child in tree.children():
            yield from _subtrees(child)


def _is_own(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "emberkeep"


def _path_of(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _importable(kind: type) -> str:
    module: Any = sys.modules.get(kind.__module__)
    found: Any = module
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    if found is not kind or kind.__module__ == "__main__":
        raise InvalidBuild(
            f"the results hold a {kind.__qualname__}, which cannot be imported from "
            f"{kind.__module__!r}. Define it in a module, or return tuples and dictionaries"
        )
    return _path_of(kind)


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ImportError(f"{module} has no {name} any more") from None
    return found


def _plain_to_json(value: Any, kind: type) -> object:
    """What belongs to a node: plain values and tuples of them, so that nothing else is needed."""
    if value.__class__ is tuple:
        return {"tuple": [_plain_to_json(item, kind) for item in value]}
    # Floats by their text: JSON has no infinities.
    if type(value) is float:
        return {"float": value.hex()}
    if type(value) in _PLAIN:
        return value
    raise InvalidBuild(
        f"the results hold a {kind.__qualname__} with {value!r} in its structure, and only the "
        "program that made it can make that again. Return tuples and dictionaries, or something "
        "of the very structure that an argument has"
    )


def _plain_from_json(value: Any) -> Any:
    if value.__class__ is not dict:
        return value
    if "float" in value:
        return float.fromhex(value["float"])
    return tuple(_plain_from_json(item) for item in value["tuple"])
