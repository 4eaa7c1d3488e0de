"""Graphs as JSON, and back; and from the form in which phasic writes its own.

A document says its format and version, and has the digest of all the rest. It is read as any graph
is made: everything that can be wrong with one is found. Numbers have all their digits.
"""

from __future__ import annotations

import json

import numpy as np

from emberkeep.phasetype.constructors import define
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.states import NONE, NUMBER, TUPLE, WORD, States, read_states
from emberkeep.startup_records import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.phasetype.structure import Definition, Structure

    Values = np.ndarray[Any, Any]

FORMAT, VERSION = "emberkeep phase-type graph", 1
FIELDS = {
    "name": str,
    "discrete": bool,
    "parameters": int,
    "labels": str,
    "states": list,
    "initial": list,
    "edges": list,
}
ENDS, FEWEST = 2, 3  # numbers that an edge begins with; how many it has at least
WHOLE: Any = (int, np.integer)
MOST = 100_000_000  # vertices, or parameters
PHASIC = ("states", "edges", "start_edges", "param_edges", "param_length", "n_vertices")


def to_json(graph: Structure) -> str:
    """See `Graph.to_json`."""
    edges = graph.edges
    rows = [
        [source, target, base, *more]
        for source, target, base, more in zip(
            edges.sources.tolist(),
            edges.targets.tolist(),
            edges.base.tolist(),
            edges.coefficients.tolist(),
            strict=True,
        )
    ]
    labels = [graph.states.label(vertex) for vertex in range(len(graph))]
    body: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "name": graph.name,
        "discrete": graph.is_discrete,
        "parameters": graph.theta_length,
        "labels": graph.states.kind,
        "states": labels,
        "initial": graph.initial.tolist(),
        "edges": rows,
    }
    return json.dumps({**body, "digest": _digest(body)}, ensure_ascii=False, allow_nan=False)


def _digest(body: Mapping[str, object]) -> str:
    text = json.dumps(
        {name: value for name, value in body.items() if name != "digest"},
        sort_keys=True,
        separators=(",", ":"),
    )
    return sha256(text.encode()).hexdigest()


def _document(text: Any, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError) as problem:
        raise InvalidGraph(f"This is no {what}: it is no JSON ({problem})") from None
    if not isinstance(found, dict):
        raise InvalidGraph(f"This is no {what}: expected an object, and it is {str(found)[:80]}")
    return found  # pyright: ignore[reportUnknownVariableType]


def from_json(text: str | bytes) -> Definition:
    """See `Graph.from_json`."""
    body = _document(text, "graph")
    if body.get("format") != FORMAT:
        raise InvalidGraph(f"The format is {body.get('format')!r}; expected {FORMAT!r}")
    if body.get("version") != VERSION:
        raise InvalidGraph(
            f"The version is {body.get('version')!r}; this emberkeep reads version {VERSION}"
        )
    for name, kind in FIELDS.items():
        value = body.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InvalidGraph(
                f"{name!r} is {str(value)[:80]}; expected a value of the kind {kind.__name__}"
            )
    if body.get("digest") != _digest(body):
        raise InvalidGraph(
            "The digest is not that of the rest: the document is damaged, or was changed by hand. "
            "A graph is changed by with_edge, with_weights or with_initial"
        )
    states = _states(body["labels"], body["states"])
    count, width = len(states), _whole(body, "parameters")
    initial = np.array(_numbers("initial", body["initial"], count), float)
    edges = [_numbers("edges", edge, FEWEST + width) for edge in body["edges"]]
    table = np.array(edges, float).reshape(len(edges), FEWEST + width)
    sources, targets = _vertices(table[:, :ENDS], count).T
    return define(
        states,
        sources,
        targets,
        table[:, ENDS],
        table[:, FEWEST:],
        initial,
        discrete=body["discrete"],
        name=body["name"],
    )


def _states(kind: str, labels: list[Any]) -> States:
    """States of a kind, from their labels.

    Raises:
        InvalidGraph: they are of another kind, or there are none.
    """
    if kind == NONE:
        return States(NONE, np.empty((len(labels), 0), np.int64))
    made = read_states([tuple(each) if isinstance(each, list) else each for each in labels])  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if kind not in (NUMBER, TUPLE, WORD) or made.kind != kind:
        raise InvalidGraph(f"Labels are said to be {kind!r}; states are of the kind {made.kind!r}")
    return made


def _numbers(name: str, given: Any, count: int) -> list[float]:
    """So many numbers.

    Raises:
        InvalidGraph: there are more or fewer, or something else.
    """
    shown = str(given)[:80]
    values: list[Any] = [*given] if isinstance(given, list) else []  # pyright: ignore[reportUnknownArgumentType]
    if len(values) == count and all(type(value) in (int, float) for value in values):
        try:
            return [float(value) for value in values]
        except OverflowError:
            pass  # said below: one is larger than all floats
    raise InvalidGraph(f"{name!r} holds {shown}; expected {count} numbers")


def _vertices(given: Values, count: int) -> Values:
    """Numbers of vertices.

    Raises:
        InvalidGraph: one is none.
    """
    wrong = (given != np.floor(given)) | (given < 0) | (given >= count)
    if wrong.any():
        raise InvalidGraph(f"There is no vertex {given[wrong][0]:g}; there are {count}, from 0")
    return given.astype(np.int64)


def from_phasic(document: Any, *, discrete: bool) -> Definition:
    """See `Graph.from_phasic`."""
    data: Mapping[str, Any] = (
        _document(document, "graph of phasic") if isinstance(document, str | bytes) else document
    )
    try:
        missing = [name for name in PHASIC if name not in data]
    except TypeError:
        missing = [*PHASIC]
    if missing:
        raise InvalidGraph(
            f"This is no serialised graph of phasic: it has no {missing}. Expected what "
            "graph.serialize() gives, or JSON of it"
        )
    mode = data.get("weight_mode", "linear")
    if mode != "linear":
        raise InvalidGraph(
            f"Its weights are of the mode {mode!r}, which the document does not hold; expected "
            "'linear'. parameters.weighed() is for any function of parameters"
        )
    width, count = (_whole(data, name) for name in ("param_length", "n_vertices"))
    states = _table(data, "states", int)
    if states.ndim != 2 or len(states) != count or not np.issubdtype(states.dtype, np.integer):  # noqa: PLR2004
        raise InvalidGraph(
            f"Its states have the shape {states.shape}; expected {count} rows of whole numbers"
        )
    if len(_rows(data, "start_param_edges", width + 1)):
        raise InvalidGraph("Its beginnings have parameters: parameters.started() is for those")
    fixed = np.concatenate([_rows(data, "edges", FEWEST), _rows(data, "constant_edges", FEWEST)])
    varying, begins = _rows(data, "param_edges", ENDS + width), _rows(data, "start_edges", ENDS)
    ends = _vertices(np.concatenate([fixed[:, :ENDS], varying[:, :ENDS]]), count)
    initial = np.zeros(count)
    np.add.at(initial, _vertices(begins[:, :1], count)[:, 0], begins[:, 1])
    base = np.concatenate([fixed[:, ENDS], np.zeros(len(varying))])
    coefficients = np.concatenate([np.zeros((len(fixed), width)), varying[:, ENDS:]])
    return define(
        States(TUPLE, states.astype(np.int64)),
        ends[:, 0],
        ends[:, 1],
        base,
        coefficients,
        initial,
        discrete=discrete,
        name="phasic",
        prune=True,  # the vertex from which its edges to beginnings lead
    )


def _whole(data: Mapping[str, Any], name: str) -> int:
    value = data[name]
    if isinstance(value, bool) or not isinstance(value, WHOLE) or not 0 <= value <= MOST:
        raise InvalidGraph(f"{name!r} is {value!r:.80}; expected a whole number, at most {MOST:,}")
    return int(value)


def _table(data: Mapping[str, Any], name: str, kind: type) -> Values:
    """An array; of whole numbers, what is none stays as it is.

    Raises:
        InvalidGraph: it cannot be one.
    """
    given = data.get(name, ())
    try:
        return np.asarray(given, None if kind is int else kind)
    except (TypeError, ValueError, OverflowError) as problem:
        raise InvalidGraph(f"{name!r} is {str(given)[:80]}: {problem}") from None


def _rows(data: Mapping[str, Any], name: str, width: int) -> Values:
    """Rows of numbers; none where there are none."""
    given = _table(data, name, float)
    if not given.size:
        return np.zeros((0, width))
    if given.ndim != 2 or given.shape[1] != width or not np.isfinite(given).all():  # noqa: PLR2004
        raise InvalidGraph(
            f"{name!r} has the shape {given.shape}; expected rows of {width} finite numbers"
        )
    return given
