"""Which lies are told when: rules, and counts of what they did."""

import errno
import fnmatch
import os
import random
import threading
import time
from collections import Counter

LONGEST_HANG_S = 120.0  # a test that forgets to release what hangs must not hang for ever

# What a rule applies to where it does not say.
EVERYTHING = "*"
USUAL_OPERATIONS = {
    "delay": (EVERYTHING,),
    "hang": (EVERYTHING,),
    "hidden": ("getattr", "readdir"),
    "negative": ("getattr",),
    "stale": ("open",),
    "torn": ("open",),
    "flipped": ("open",),
}


class Rule:
    """One lie: `kind` is an error's name or a key of `USUAL_OPERATIONS`, the rest says when."""

    def __init__(
        self,
        kind,
        *,
        value=None,
        operation=None,
        path="*",
        times=None,
        probability=1.0,
        lasts_s=None,
        after=False,
        revalidates=False,
    ):
        if kind not in USUAL_OPERATIONS and not isinstance(getattr(errno, kind, None), int):
            raise ValueError(f"{kind!r} is neither an error nor one of {list(USUAL_OPERATIONS)}")
        if operation is None and kind not in USUAL_OPERATIONS:
            raise ValueError(f"say which operation is to fail with {kind}; '*' for all")
        self.kind, self.value, self.after = kind, value, after
        self.revalidates = revalidates
        self.operations = USUAL_OPERATIONS.get(kind) if operation is None else operation
        if isinstance(self.operations, str):
            self.operations = (self.operations,)
        self.path, self.times, self.probability = path, times, probability
        self.until = None if lasts_s is None else time.monotonic() + lasts_s

    def is_for(self, operation, paths):
        wanted = operation in self.operations or EVERYTHING in self.operations
        return wanted and any(fnmatch.fnmatchcase(path, self.path) for path in paths)

    def is_over(self):
        return self.times == 0 or (self.until is not None and time.monotonic() > self.until)


class Rules:
    """All rules of one file system; asked from many threads.

    Args:
        is_interrupted: whether who asked for the operation of this thread has had a signal.
    """

    def __init__(self, is_interrupted):
        self._is_interrupted = is_interrupted
        self._lock = threading.Lock()
        self._rules = []
        self._chance = random.Random(0)
        self._told = Counter()
        self._operations = Counter()
        self._released = threading.Event()
        self._missing_since = {}
        self._own = set()  # paths that this client made since a rule was added

    # What tests do ------------------------------------------------------------------------------

    def inject(self, rule):
        with self._lock:
            self._rules.append(rule)
            self._own.clear()

    def clear(self):
        with self._lock:
            self._rules.clear()
            self._missing_since.clear()
        self.release()

    def release(self):
        """Let go of all that hangs; what comes later hangs as before."""
        with self._lock:
            released, self._released = self._released, threading.Event()
        released.set()

    def counts(self):
        with self._lock:
            return {
                "told": [[*key, count] for key, count in self._told.items()],
                "operations": dict(self._operations),
            }

    # What the file system does --------------------------------------------------------------------

    def arrive(self, operation, paths):
        """Count an operation; delay it, let it hang, or let it fail. An error to raise later."""
        with self._lock:
            self._operations[operation] += 1
            released = self._released
        for rule in self._firing(operation, paths, ("delay",)):
            time.sleep(rule.value)
        for _ in self._firing(operation, paths, ("hang",)):
            self._hang(released)
        later = None
        for rule in self._firing(operation, paths, None):
            number = getattr(errno, rule.kind)
            problem = OSError(number, os.strerror(number))
            if not rule.after:
                raise problem
            later = problem
        return later

    def _hang(self, released):
        """Wait to be released, or, as NFS does, until who waits is killed."""
        end = time.monotonic() + LONGEST_HANG_S
        while not released.wait(0.05) and time.monotonic() < end:
            if self._is_interrupted():
                raise OSError(errno.EINTR, os.strerror(errno.EINTR))

    def lies(self, kind, operation, path, *, could=lambda: True):
        """Whether to tell a lie of this kind about a path, if it could be told at all."""
        return bool(self._firing(operation, (path,), (kind,), could))

    def hides(self, operation, path):
        """Whether a file that exists is not shown. What a client made itself, it sees."""
        return self.lies("hidden", operation, path, could=lambda: path not in self._own)

    def found(self, path, *, exists):
        """Whether a client that remembers what was missing sees a path, which exists or not."""
        now = time.monotonic()
        with self._lock:
            remembering = [
                rule
                for rule in self._rules
                if rule.kind == "negative"
                and rule.is_for("getattr", (path,))
                and not rule.is_over()
            ]
            if not remembering:
                return exists
            fresh = now - self._missing_since.get(path, -1e9) < remembering[0].value
            if exists and fresh:
                self._told["getattr", "negative"] += 1
            elif not exists and not fresh:
                self._missing_since[path] = now
            return exists and not fresh

    def told_of(self, path):
        """The server has said that the path is there, to a client that asks it anew."""
        self._forget(lambda missing: missing == path)

    def opened(self, folder):
        """The folder was opened: a client that asks anew forgets what was missing in it."""
        self._forget(lambda missing: os.path.dirname(missing) == folder)

    def _forget(self, concerns):
        with self._lock:
            rules = [rule for rule in self._rules if rule.kind == "negative" and rule.revalidates]
            for path in tuple(self._missing_since):
                if concerns(path) and any(rule.is_for("getattr", (path,)) for rule in rules):
                    del self._missing_since[path]

    def made(self, path):
        """This client has made the path itself, and knows that it is there."""
        with self._lock:
            self._own.add(path)
            self._missing_since.pop(path, None)

    def _firing(self, operation, paths, kinds, could=lambda: True):
        """The rules that fire, counted; for the kinds, or for errors where there are none.

        Of several errors only the first fires, so that each that is counted is seen.
        """
        fired = []
        with self._lock:
            for rule in self._rules:
                of_kind = rule.kind in kinds if kinds else rule.kind not in USUAL_OPERATIONS
                if not of_kind or rule.is_over() or not rule.is_for(operation, paths):
                    continue
                if self._chance.random() >= rule.probability or not could():
                    continue
                if rule.times is not None:
                    rule.times -= 1
                self._told[operation, rule.kind] += 1
                fired.append(rule)
                if not kinds:
                    break
        return fired
