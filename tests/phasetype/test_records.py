"""Records of the phase-type engine are no tuples: they have fields, and nothing else of theirs."""

import pkgutil
from importlib import import_module

import numpy as np
import pytest

from emberkeep import phasetype
from emberkeep.phasetype import Graph, inference, models
from emberkeep.phasetype.inference.history import History
from emberkeep.phasetype.inference.posterior import Summary
from emberkeep.phasetype.structure import Definition, Vertex
from emberkeep.startup_records import values


def classes():
    for found in pkgutil.walk_packages(phasetype.__path__, "emberkeep.phasetype."):
        for value in vars(import_module(found.name)).values():
            if isinstance(value, type) and value.__module__ == found.name:
                yield value


def test_no_class_is_a_tuple_underneath():
    found = list(classes())
    assert Vertex in found
    assert inference.Posterior in found
    assert [cls for cls in found if issubclass(cls, tuple | list | dict)] == []


def records():
    graph = models.erlang(2, 3.0)
    numbers = np.array([[1.0, np.nan], [3.0, 4.0]])
    yield next(iter(graph))
    yield graph.definition()
    yield graph.edges
    yield graph.states
    yield graph.canonical
    yield graph.record()
    yield History(numbers, numbers, numbers[0])
    yield Summary(("a", "b"), numbers[0], numbers[0], numbers, None, None)
    yield inference.Gamma(2.0, 3.0)
    yield inference.Estimate(numbers[0], "moments", numbers[0])


RECORDS = list(records())


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_records_have_no_order_and_are_no_sequence(record):
    for leak in (lambda: record < record, lambda: record[0], lambda: [*record]):  # noqa: PLR0124
        with pytest.raises(TypeError):
            leak()
    assert f"{record!s}" == repr(record)
    assert record != values(record)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_equality_is_one_answer_also_where_there_are_arrays(record):
    same = type(record)(*values(record))
    assert (record == same) is True
    with pytest.raises(AttributeError, match="frozen"):
        setattr(record, next(iter(vars(record))), 1)


def test_an_array_that_differs_makes_records_differ():
    known = np.array([1.0, 2.0])
    assert History(known, known, known) == History(known.copy(), known, known)
    assert History(known, known, known) != History(known + [0.0, 1e-9], known, known)
    one, other = (models.erlang(2, rate).definition() for rate in (1.0, 2.0))
    assert isinstance(one, Definition)
    assert (one == other) is False


def test_a_graph_gives_its_vertices_alone():
    """That it can be looped over is meant: it says how many vertices it has, and which."""
    graph = models.erlang(2, 3.0)
    assert isinstance(graph, Graph)
    assert len(list(graph)) == len(graph)
    assert all(type(vertex) is Vertex for vertex in graph)
