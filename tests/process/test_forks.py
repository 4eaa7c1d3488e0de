"""Forks at a bad moment: a child never waits for what no thread of it will ever end."""

import subprocess
import sys

import pytest

# Another thread is in the midst of its first call, and loads a module, slowly.
PROGRAM = """
import os, sys, threading, time
from importlib.machinery import SourceFileLoader
slow, root = sys.argv[1], sys.argv[2]
import emberkeep

begun = threading.Event()
load = SourceFileLoader.exec_module
def load_slowly(self, module):
    if module.__name__ == slow:
        begun.set()
        time.sleep(0.4)
    load(self, module)
SourceFileLoader.exec_module = load_slowly

def ask(name):
    keep = emberkeep.Keep(root)
    return keep.get_or_build("tables", name, {"n": name}, lambda: {"code": b"1"})

first = threading.Thread(target=ask, args=("first",))
first.start()
assert begun.wait(10), "it was not loaded"
child = os.fork()
if child == 0:
    assert ask("second").blobs == {"code": b"1"}
    os._exit(0)
ends = time.monotonic() + 10
while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < ends:
    time.sleep(0.01)
if not ended[0]:
    os.kill(child, 9)
    os.waitpid(child, 0)
    sys.exit("the child waits for ever")
first.join()
sys.exit(ended[1])
"""


def run(*words):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "slow",
    [
        "emberkeep.store.directory",
        "emberkeep.keep.miss",
        "emberkeep.lease.local",
        "emberkeep.startup_records",
    ],
)
def test_a_fork_waits_for_what_another_threads_first_call_loads(slow, tmp_path):
    done = run(PROGRAM, slow, tmp_path / "keep")
    assert (done.returncode, done.stderr) == (0, "")


# At any moment of another thread's first call: of a plain build, or of a kernel with its compiler.
ANY_MOMENT = """
import os, sys, threading, time
import numpy
import emberkeep
root, delay_s, kind = sys.argv[1], float(sys.argv[2]), sys.argv[3]

@emberkeep.kernel
def double(i, x, out):
    out[i] = 2 * x[i]

def ask(name):
    if kind == "kernel":
        out = numpy.zeros(3)
        double(numpy.ones(3), out, count=3)
        assert out.tolist() == [2, 2, 2]
    else:
        keep = emberkeep.Keep(root)
        keep.get_or_build("tables", name, {"n": name}, lambda: {"code": b"1"})

first = threading.Thread(target=ask, args=("first",))
first.start()
time.sleep(delay_s)
child = os.fork()
if child == 0:
    ask("second")
    os._exit(0)
ends = time.monotonic() + 60
while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < ends:
    time.sleep(0.01)
if not ended[0]:
    os.kill(child, 9)
    os.waitpid(child, 0)
    sys.exit("the child waits for ever")
first.join()
sys.exit(ended[1])
"""


@pytest.mark.soak
@pytest.mark.parametrize(
    ("kind", "longest_s", "times"), [("tables", 0.06, 30), ("kernel", 3.0, 10)]
)
def test_a_fork_at_any_moment_of_a_first_call_hangs_no_child(
    kind, longest_s, times, tmp_path, monkeypatch
):
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "keep"))
    ended = [
        run(ANY_MOMENT, tmp_path / f"keep{number}", longest_s * number / times, kind)
        for number in range(times)
    ]
    assert [each.stderr for each in ended if each.returncode] == []


OTHERS = """
import os, sys, threading, time
sys.path.insert(0, sys.argv[1])

def run():
    import endless

import emberkeep
emberkeep.Keep
thread = threading.Thread(target=run)
thread.start()
while "endless" not in sys.modules:
    time.sleep(0.01)
started = time.monotonic()
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
took = time.monotonic() - started
sys.modules["endless"].ended.set()
assert took < 5, took
"""


def test_a_fork_does_not_wait_for_what_others_load(tmp_path):
    """A program may be one long import."""
    (tmp_path / "endless.py").write_text(
        "import threading; ended = threading.Event(); ended.wait(30)"
    )
    done = run(OTHERS, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
