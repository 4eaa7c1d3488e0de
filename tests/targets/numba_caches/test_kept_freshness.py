"""keep_kernel on what was redefined since it compiled; names, kinds and spans."""

import pickle
import threading

import numpy as np
import pytest
from numba import njit

import emberkeep
from emberkeep.startup_records import replace
from emberkeep.telemetry import TimeLogger

FACTOR = 1.0
TABLE = np.array([0.0])


@njit
def inner(x):
    return FACTOR * x + TABLE[0]


@njit
def outer(x):
    return inner(x)


@pytest.fixture
def keep(tmp_path):
    return emberkeep.Keep(tmp_path)


def make(keep, **about):
    @emberkeep.keep_kernel(keep=keep, **about)
    @njit
    def kept(x):
        return outer(x)

    return kept


def test_each_redefinition_counts_at_the_next_call(keep, monkeypatch):
    kept = make(keep)
    assert kept(1.0) == 1.0
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert kept(1.0) == 3.0
    TABLE[0] = 100.0
    try:
        assert kept(1.0) == 103.0
    finally:
        TABLE[0] = 0.0
    monkeypatch.setitem(globals(), "FACTOR", 1.0)
    assert kept(1.0) == 1.0
    assert sum(kept.stats.cache_hits.values()) == 1, "the first one, found again"
    compiled = list(kept.overloads.values())
    monkeypatch.setitem(globals(), "FACTOR", float("1.0"))  # an equal number
    assert kept(1.0) == 1.0
    assert list(kept.overloads.values()) == compiled, "it goes on with what is loaded"


def test_it_is_called_from_other_compiled_code_and_pickled(keep):
    kept = make(keep)
    assert njit(lambda x: kept(x) + 1)(1.0) == 2.0
    assert kept(2) == 2.0
    assert kept(x=3.0) == 3.0
    again = pickle.loads(pickle.dumps(kept))
    assert again(1.0) == 1.0
    assert [str(signature) for signature in kept.signatures] == ["(float64,)", "(int64,)"]


def test_name_and_kind(keep, tmp_path):
    kept = make(keep, name="a name", kind="solvers")
    kept(1.0)
    assert [event[1:] for event in keep.totals() if event[0] == "build"] or keep.totals()
    assert (tmp_path / "manifests").exists() or list(tmp_path.rglob("solvers"))
    assert list(tmp_path.rglob("*solvers*"))


@pytest.mark.parametrize("verbosity", ["default", "verbose", "debug"])
def test_compiling_shows_at_every_level(keep, verbosity, capsys):
    logger = TimeLogger(verbosity)
    logger.install()
    try:
        make(keep)(1.0)
    finally:
        logger.remove()
    names = [record.name for record in logger.records]
    assert "build generated/kept" in names
    assert {"compile_kept", "compile_outer", "compile_inner"} <= set(names)
    capsys.readouterr()


def test_threads(keep, monkeypatch):
    kept = make(keep)
    seen, problems, done = set(), [], threading.Event()
    for factor in (2.0, 3.0):
        monkeypatch.setitem(globals(), "FACTOR", factor)
        kept(1.0)

    def call():
        try:
            while not done.is_set():
                seen.add(kept(1.0))
        except Exception as problem:  # noqa: BLE001 - told below
            problems.append(problem)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(10):
        factor = 2.0 + turn % 2
        monkeypatch.setitem(globals(), "FACTOR", factor)
        assert kept(1.0) == factor
    done.set()
    for thread in threads:
        thread.join()
    assert not problems
    assert seen <= {2.0, 3.0}


@pytest.mark.parametrize("how", ["layout", "fields", "blobs"])
def test_what_is_nobodys_is_compiled_again_and_replaced(tmp_path, how, monkeypatch):
    """Whoever is trusted may have signed anything."""
    keep = emberkeep.Keep(tmp_path, memory_size=0)
    real = type(keep).ask
    odd = {
        "layout": lambda built: {**built, "layout": [[]]},
        "fields": lambda built: {**built, "layout": {**built["layout"], "symbols": 7, "tags": 1e9}},
        "blobs": lambda built: {"layout": built["layout"], "other": b"?"},
    }[how]

    def ask(self, *given, **options):
        answer = real(self, *given, **options)
        return replace(answer, {"publish": lambda built, s: answer.publish(odd(built), s)})

    with monkeypatch.context() as patch:
        patch.setattr(type(keep), "ask", ask)
        assert make(keep)(1.0) == 1.0
    hits = []
    for _ in range(2):
        kept = make(emberkeep.Keep(tmp_path, memory_size=0))
        assert kept(1.0) == 1.0
        hits.append(sum(kept.stats.cache_hits.values()))
    assert hits == [0, 1], "it is replaced by the first, and found by the second"
