"""The layer in memory: bounded by bytes, the least recently used goes first."""

import os
import signal
import threading

import pytest

from emberkeep.store import layers as memory_module
from emberkeep.store.layers import Memory, size_of
from emberkeep.store.protocol import ABSENT, Miss
from emberkeep.testing import kept

CONTENT = bytes(10_000)


def artifact(name, content=CONTENT):
    return kept(name=name, blobs={"code": content})


ONE = size_of(artifact("a"))


def held(store):
    return [entry.name for entry in store.entries()]


def test_the_size_is_that_of_all_it_holds():
    it = kept(blobs={"a": bytes(100), "b": bytes(23)})
    assert size_of(it) == 123 + len(it.document)


def test_what_fits_stays():
    store = Memory(3 * ONE)
    for name in "abc":
        store.write(artifact(name))
    assert held(store) == ["a", "b", "c"]


def test_what_was_written_first_goes_first():
    store = Memory(3 * ONE - 1)
    for name in "abcd":
        store.write(artifact(name))
    assert held(store) == ["c", "d"]
    missed = store.read(artifact("a").manifest.key)
    assert isinstance(missed, Miss)
    assert missed.reason == ABSENT


def test_a_use_saves():
    store = Memory(2 * ONE)
    store.write(artifact("a"))
    store.write(artifact("b"))
    assert store.read(artifact("a").manifest.key) == artifact("a")
    store.write(artifact("c"))
    assert held(store) == ["a", "c"]


def test_a_look_at_the_list_is_no_use():
    store = Memory(2 * ONE)
    store.write(artifact("a"))
    store.write(artifact("b"))
    held(store)
    store.write(artifact("c"))
    assert held(store) == ["b", "c"]


def test_several_small_ones_go_for_a_large_one():
    store = Memory(3 * ONE)
    for name in "abc":
        store.write(artifact(name))
    store.write(artifact("d", bytes(12_000)))
    assert held(store) == ["c", "d"]


def test_what_is_too_large_is_not_taken_and_pushes_nobody_out():
    store = Memory(2 * ONE)
    store.write(artifact("a"))
    store.write(artifact("b", bytes(2 * ONE)))
    assert held(store) == ["a"]


def test_what_became_too_large_is_not_served_as_it_was():
    store = Memory(2 * ONE)
    store.write(artifact("a"))
    store.write(artifact("a", bytes(2 * ONE)))
    assert held(store) == []


def test_replacing_counts_once():
    store = Memory(2 * ONE)
    for _ in range(10):
        store.write(artifact("a"))
    store.write(artifact("b"))
    assert held(store) == ["a", "b"]


def test_removing_makes_room():
    store = Memory(2 * ONE)
    for name in "abab":
        store.write(artifact(name))
        assert store.remove(artifact(name).manifest.key)
    store.write(artifact("c"))
    store.write(artifact("d"))
    assert held(store) == ["c", "d"]


def test_a_limit_of_nothing_holds_nothing():
    store = Memory(0)
    store.write(kept(blobs={}))
    assert held(store) == []


def test_threads_keep_the_books_right():
    store = Memory(5 * ONE)

    def work(number):
        for count in range(300):
            name = str((number + count) % 9)
            store.write(artifact(name))
            store.read(artifact(str(count % 9)).manifest.key)
            if count % 7 == 0:
                store.remove(artifact(name).manifest.key)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held(store)) <= 5
    assert store._size_bytes == sum(size_of(each) for each, *_ in store._held.values())


@pytest.mark.timeout(60)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_while_another_thread_holds_the_lock_goes_on():
    """Fork waits for the lock, so that a child finds it free and the books in order."""
    store = Memory(2 * ONE)
    store.write(artifact("a"))
    holding, let_go = threading.Event(), threading.Event()

    def hold():
        with memory_module._lock:
            holding.set()
            let_go.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(30)
    threading.Timer(0.05, let_go.set).start()
    child = os.fork()
    if not child:
        signal.alarm(20)  # a child that waits forever must not outlive this test
        os._exit(0 if store.read(artifact("a").manifest.key) == artifact("a") else 1)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert held(store) == ["a"]  # and the parent has its lock back
