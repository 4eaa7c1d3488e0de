"""Errors and records pass between processes: a pool that cannot unpickle an error hangs for ever.

All classes of the package are found by walking it, so that a new one cannot be forgotten.
"""

import copy
import importlib
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from inspect import signature
from multiprocessing import get_context

import pytest

import emberkeep
from emberkeep.errors import EmberkeepError, Unkeyable
from emberkeep.startup_records import as_dict, frozen

# What needs another system than this one, or a package that is not there, cannot be walked.
OPTIONAL = ("emberkeep.targets.cuda", "emberkeep.targets.numba_caches.cuda")


@frozen
class _Sample:
    x: int


def _modules():
    for found in pkgutil.walk_packages(emberkeep.__path__, "emberkeep."):
        if found.name == "emberkeep.__main__":
            continue
        try:
            yield importlib.import_module(found.name)
        except ImportError:
            if not found.name.startswith(OPTIONAL):
                raise


@pytest.fixture(scope="module")
def classes():
    """Every class that the package defines."""
    found = {}
    for module in list(_modules()):
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__.startswith("emberkeep."):
                found[value] = None
    return list(found)


def _is_record(kind):
    return getattr(kind, "__setattr__", None) is _Sample.__setattr__


def _copies(value):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.loads(pickle.dumps(value, protocol))
    yield copy.copy(value)
    yield copy.deepcopy(value)


def test_every_error_and_warning_survives(classes):
    errors = [kind for kind in classes if issubclass(kind, BaseException)]
    assert len(errors) > 25
    assert {kind for kind in vars(emberkeep.errors).values() if isinstance(kind, type)} <= {*errors}
    for kind in errors:
        error = kind(*_texts(kind))
        error.noted = "by its user"
        for other in _copies(error):
            assert type(other) is kind
            assert (str(other), other.args, vars(other)) == (str(error), error.args, vars(error))


def _texts(kind):
    """As many texts as its own initialiser takes; one where it has none."""
    if "__init__" not in vars(kind):
        return ("what happened",)
    return [f"the {name}" for name in list(signature(kind).parameters)]


SECRET = {"SigningKey"}  # refuses, as its private half stays with its user


def test_every_record_survives(classes):
    records = [kind for kind in classes if _is_record(kind)]
    assert len(records) > 60
    for kind in records:
        record = kind(*[f"the {name}" for name in kind.__match_args__])
        if kind.__name__ in SECRET:
            with pytest.raises(TypeError, match="goes into no pickle"):
                pickle.dumps(record)
            continue
        for other in _copies(record):
            assert type(other) is kind
            assert as_dict(other) == as_dict(record), kind


def _refuse(number):
    emberkeep.Keep().get_or_build("tables", "x", {"n": object()}, dict)
    return number


def test_a_pool_hands_over_an_error():
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        problem = pool.submit(_refuse, 1).exception(timeout=60)
    assert isinstance(problem, Unkeyable)
    assert isinstance(problem, EmberkeepError)
    assert problem.path == "ingredients['n']"
    assert problem.remedy
