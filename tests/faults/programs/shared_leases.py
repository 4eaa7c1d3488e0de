"""Holders of a shared lease that are killed, or stopped and continued, at random moments.

In each round one process takes the lease and builds, and others wait for it, each as a host of
its own would: under its own owner, and with nothing but the folder in common.
"""

import os
import random
import signal
import sys
import time
from hashlib import sha256

from workload import tell

from emberkeep.lease import record
from emberkeep.lease.file_slot import FileSlot
from emberkeep.lease.shared import acquire_slot

HEARTBEAT_S, STALE_S = 0.1, 0.5
NEVER_S = 3600.0
BUILD_S = 0.03
WINDOW_S = 0.05  # a fork, a build and a release long
HEAD_START_S = 0.01  # of the holder, on average, so that it mostly is the first
WAITERS = 3
GIVE_UP_S = 60
THROUGH_S = STALE_S + 10.0  # on a loaded machine; a fraction of a second after stale elsewhere


def complain(text):
    raise AssertionError(text)


def host(process):
    return f"host {process}"


class Round:
    """One key: its lease, and the log of who built it."""

    def __init__(self, place, name, stale_s=STALE_S):
        self.folder = os.path.join(place, "leases")
        self.name, self.stale_s = name, stale_s
        self.path = os.path.join(self.folder, f"{name}.lease")
        self.log = os.path.join(place, f"{name}.log")

    def take(self):
        return acquire_slot(
            FileSlot(self.path),
            host(os.getpid()),
            complain,
            heartbeat_s=HEARTBEAT_S,
            stale_s=self.stale_s,
        )

    def ask(self):
        """As a keep does: take the lease, look again, build, release."""
        lease = self.take()
        if not self.builders():
            time.sleep(BUILD_S)
            with open(self.log, "a") as file:
                file.write(f"{os.getpid()}\n")
        lease.release(succeeded=True)

    def hold(self, said, told):
        """Take the lease, say so, and keep it until told otherwise."""
        lease = self.take()
        os.write(said, lease.token.encode())
        os.read(told, 1)
        lease.release(succeeded=True)

    def is_held_by(self, process):
        found = record.look(self.path)
        return found is not None and found.owner == sha256(host(process).encode()).hexdigest()

    def builders(self):
        """The processes that have built it."""
        try:
            with open(self.log) as file:
                return [int(line) for line in file]
        except FileNotFoundError:
            return []


def start(work):
    """Do it in a process of its own, which does not wait for ever."""
    process = os.fork()
    if process == 0:
        signal.alarm(GIVE_UP_S)
        try:
            work()
        except BaseException as problem:  # noqa: BLE001 - told by the status
            sys.stderr.write(f"{problem!r}\n")
            os._exit(1)
        os._exit(0)
    return process


def all_through(processes):
    statuses = [os.waitpid(process, 0)[1] for process in processes]
    assert not any(statuses), f"not everybody got through: {statuses}"


def undisturbed(place, name):
    """Nobody dies and nobody is taken for dead: one builds."""
    this = Round(place, name, NEVER_S)
    all_through([start(this.ask) for _ in range(1 + WAITERS)])
    assert len(this.builders()) == 1, this.builders()


def disturbed(this, number, disturb):
    """Waiters, and a holder to which something happens at a random moment.

    Every second time that is a moment at which it has the lease; else any, also those between
    two operations on files. Returns whether it had the lease, and how long the others then took.
    """
    holder = start(this.ask)
    waiters = [start(lambda: (pause(HEAD_START_S), this.ask())) for _ in range(WAITERS)]
    if number % 2:
        ends = time.monotonic() + 10 * WINDOW_S  # on a loaded machine
        while not this.is_held_by(holder) and time.monotonic() < ends:
            time.sleep(0.0005)
        pause(BUILD_S / 4)
    else:
        pause(WINDOW_S / 2)
    disturb(holder)
    began = time.monotonic()
    held = this.is_held_by(holder)
    all_through(waiters)
    return holder, held, time.monotonic() - began


def pause(mean_s):
    time.sleep(random.uniform(0, 2 * mean_s))


def kill(process):
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def stop(process):
    os.kill(process, signal.SIGSTOP)
    # It may have ended just before; then it is left to be waited for.
    os.waitid(os.P_PID, process, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def killed(place, number):
    """Whether it had the lease, how many built, how long the others took."""
    this = Round(place, f"killed{number}")
    _, held, took_s = disturbed(this, number, kill)
    return held, len(this.builders()), took_s


def stopped(place, number):
    """As `killed`, but the holder goes on while yet another has the lease."""
    this = Round(place, f"stopped{number}")
    holder, held, took_s = disturbed(this, number, stop)
    continue_beside_another(this, holder)
    return held, len(this.builders()), took_s


def continue_beside_another(this, holder):
    heard, said = os.pipe()
    told, tells = os.pipe()
    another = start(lambda: this.hold(said, told))
    token = os.read(heard, record.TOKEN_DIGITS).decode()
    os.kill(holder, signal.SIGCONT)
    ended = os.waitpid(holder, os.WNOHANG)
    ends = time.monotonic() + 4 * WINDOW_S
    while not ended[0] and time.monotonic() < ends:
        time.sleep(0.001)
        ended = os.waitpid(holder, os.WNOHANG)
    found = record.look(this.path)
    assert found is not None, "who was taken for dead removed another's lease"
    assert found.token == token, "who was taken for dead replaced another's lease"
    os.write(tells, b"!")
    for descriptor in (heard, said, told, tells):
        os.close(descriptor)
    all_through([another] if ended[0] else [another, holder])
    assert not ended[1], "who was stopped did not end well"


def main(place, rounds):
    random.seed(rounds)
    facts = {}
    for number in range(rounds):
        undisturbed(place, f"undisturbed{number}")
    for deed, allowed in ((killed, 2), (stopped, 3)):
        results = [deed(place, number) for number in range(rounds)]
        left, builds, took_s = zip(*results, strict=True)
        assert min(builds) >= 1
        # One, of those who live; and another where two find it stale at the same moment, and one
        # takes away, for an instant, what the other has just made.
        assert max(builds) <= allowed, builds
        assert max(took_s) < THROUGH_S, took_s
        facts[deed.__name__] = rounds
        facts[f"{deed.__name__}_as_holder"] = sum(left)
        facts[f"{deed.__name__}_built_again"] = sum(count > 1 for count in builds)
        facts[f"{deed.__name__}_longest_wait_ms"] = round(1000 * max(took_s))
    names = os.listdir(os.path.join(place, "leases"))
    leases = [name for name in names if name.endswith(".lease")]
    assert not leases, leases
    tell(undisturbed=rounds, **facts, temporary_files_left=len(names))


main(sys.argv[1], int(sys.argv[2]))
