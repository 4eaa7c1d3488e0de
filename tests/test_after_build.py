"""What is built reaches its caller: whatever the keep has to say, and however long it tidies up."""

import multiprocessing
import os
import threading
import time
import warnings

import pytest

from emberkeep import Keep
from emberkeep.store import schedule
from emberkeep.store.schedule import EVERY_S, STAMP

ENDED_S = 10.0


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "keep"


def ask(keep, name="a", build=lambda: {"code": b"1"}):
    return keep.get_or_build("tables", name, {"n": name}, build)


def break_the_keep(root):
    def build():
        for path in (root, root.parent / "config"):
            if path.exists():
                os.rename(path, f"{path} is gone")
        root.write_text("a file in its place")
        return {"code": b"1"}

    return build


def test_a_warning_that_is_an_error_loses_nothing_that_was_built(root, hushed):
    keep = Keep(root, memory_size="1MB")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        built = ask(keep, build=break_the_keep(root))
    assert built.blobs == {"code": b"1"}
    assert len(hushed) == 1
    assert str(root) in hushed[0]
    hushed.clear()
    assert ask(keep, build=pytest.fail).reason == "kept in memory", "the rest was not done"


def test_before_a_build_it_is_raised(root):
    root.write_text("a file in its place")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="Nothing can be kept|cannot be read"):
            ask(Keep(root))


def test_what_a_drifted_toolchain_has_built_is_returned(root, hushed):
    class Drifted:
        ingredients = {"compiler": "1"}

        def drift(self):
            return ("The compiler is another one.",)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        built = Keep(root).get_or_build(
            "tables", "a", {}, lambda: {"code": b"1"}, toolchain=Drifted()
        )
    assert built.blobs == {"code": b"1"}
    assert "The compiler is another one" in hushed[0]
    hushed.clear()


def make_due(root):
    then = time.time() - EVERY_S - 60
    os.utime(root / STAMP, (then, then))


def test_nobody_waits_for_a_collection(root, monkeypatch):
    keep = Keep(root)
    ask(keep)
    make_due(root)
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def collect(*_):
        begun.set()
        may_end.wait(ENDED_S)
        ended.set()

    monkeypatch.setattr(schedule, "collect", collect)
    try:
        assert not ask(keep, "b").hit
        assert begun.wait(ENDED_S)
        assert not ended.is_set()
        assert os.listdir(root / "leases") == []
        assert not ask(Keep(root), "c").hit, "another's build waits for it"
    finally:
        may_end.set()
    assert ended.wait(ENDED_S)


def test_a_collection_happens_by_itself(root, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_MAX_AGE", "20d")
    keep = Keep(root)
    ask(keep)
    (manifest,) = root.glob("tables/a/*.json")
    os.utime(manifest, (1e9, 1e9))
    make_due(root)
    ask(keep, "b")
    ends = time.monotonic() + ENDED_S
    while manifest.exists() and time.monotonic() < ends:
        time.sleep(0.01)
    assert not manifest.exists()


def _work(keep):
    ask(keep)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_what_forked_workers_count_is_not_lost(root):
    keep = Keep(root, memory_size=0)
    ask(keep)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_work, args=(keep,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    hits = {what: count for (event, _, what), (count, _) in keep.totals().items() if event == "hit"}
    assert hits == {"local": 3}
