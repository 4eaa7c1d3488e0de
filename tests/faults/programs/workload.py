"""What the fault programs ask for: artifacts known from their number, so that any can check."""

import json
import signal
import sys
import time
import warnings
from hashlib import sha256

from emberkeep import Keep, StoreWarning

KIND, NAME = "tables", "steel"


def content(number, role, size=3000):
    """Bytes that are known from a number; no two are equal, and none has a part of another."""
    seed = sha256(f"{number} {role}".encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


def layout(number):
    return {"number": number, "offsets": [number * 1_000_003 + step for step in range(8)]}


def expected(number, size=3000):
    blobs = {role: content(number, role, size) for role in ("code", "source")}
    return blobs, layout(number)


def ask(keep, number, *, size=3000, on_build=None):
    """Ask a keep for an artifact; AssertionError where it is not the right one."""

    def build():
        if on_build is not None:
            on_build(number)
        blobs, described = expected(number, size)
        return {**blobs, "layout": described}

    artifact = keep.get_or_build(KIND, NAME, {"number": number, "size": size}, build)
    assert (dict(artifact.blobs), artifact.layout) == expected(number, size), f"bad read: {number}"
    return artifact


def fresh(root, **options):
    """A keep that remembers nothing: all it serves was read from the folder."""
    return Keep(root, memory_size=0, **options)


def give_up(*_):
    raise AssertionError("somebody holds what is long dead")


class Heard:
    """The warnings that were given within a `with` block; only those of the keep are allowed."""

    def __enter__(self):
        self._catching = warnings.catch_warnings(record=True)
        self._caught = self._catching.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, *problem):
        self._catching.__exit__(*problem)

    @property
    def texts(self):
        for warning in self._caught:
            assert issubclass(warning.category, StoreWarning), warning
        return [str(warning.message) for warning in self._caught]

    @property
    def count(self):
        return len(self.texts)


def ask_again(root, number, within_s=20.0):
    """After a fault, at once: the right result, then a hit, and no warning of the second keep.

    Returns whether the first of these asks was a hit.
    """
    # Whoever waits for the dead would do so for ever.
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    started = time.monotonic()
    with Heard():
        first = ask(fresh(root), number)
    with Heard() as heard:
        second = ask(fresh(root), number)
    assert second.hit, f"{number} was not kept again: {second.reason}"
    assert not heard.count, heard.texts
    assert time.monotonic() - started < within_s, "somebody held what is long dead"
    signal.alarm(0)
    return first.hit


def tell(**facts):
    """The last line of a program's output."""
    sys.stdout.write(json.dumps(facts) + "\n")
