"""Kill publishers at random moments while a reader looks at everything they may have left."""

import mmap
import os
import random
import signal
import sys
import time

from injection import in_child
from workload import Heard, ask, ask_again, fresh, tell

from emberkeep.store import inspection
from emberkeep.store.directory import Directory
from emberkeep.trust.seals import OwnKeep

SIZE = 3000
WINDOW_S = 0.006  # some publications long
MOST = 20  # times as many kills, until one came in the midst of publishing


def publish_until_killed(root, first, progress):
    keep = fresh(root)
    for number in range(first, first + 1_000_000):
        progress[:8] = number.to_bytes(8, "little")
        ask(keep, number)


def read_until_told(root, latest, told):
    """Read what is there, all the time; a wrong byte ends this process with an error."""
    read = 0
    keep = fresh(root, read_only=True)
    while not told[0]:
        number = random.randrange(max(1, int.from_bytes(latest[:8], "little") + 1))
        ask_without_keeping(keep, number)
        read += 1
    return str(read)


def ask_without_keeping(keep, number):
    with Heard() as heard:
        ask(keep, number)
    assert not heard.count, f"damage was seen where there is none: {heard.texts}"


def main(place, kills):
    random.seed(kills)
    root = os.path.join(place, "keep")
    progress, told = mmap.mmap(-1, 8), mmap.mmap(-1, 1)
    ask(fresh(root), 0)
    reader = start_reader(root, progress, told)
    try:
        first, midway, rebuilt, killed = kill_all(root, kills, progress)
    finally:
        told[0] = 1  # the reader ends
    read = finish(reader)
    for number in range(first):
        assert ask(fresh(root, read_only=True), number).hit, f"{number} was lost"
    assert midway, "no kill left a temporary file: none came in the midst of publishing"
    tell(kills=killed, publications=first, midway=midway, rebuilt=rebuilt, reads_meanwhile=read)


def kill_all(root, kills, progress):
    """Publications, kills that left temporary files, what had to be built again, and all kills."""
    first, midway, rebuilt, killed = 1, 0, 0, 0
    while killed < kills or (not midway and killed < MOST * kills):
        killed += 1
        process = os.fork()
        if process == 0:
            publish_until_killed(root, first, progress)
        while int.from_bytes(progress[:8], "little") < first:
            time.sleep(0.0001)
        time.sleep(random.uniform(0, WINDOW_S))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGKILL
        last = int.from_bytes(progress[:8], "little")
        rebuilt += not ask_again(root, last)  # the one that was under work
        temporary = os.path.join(root, "temporary")
        midway += os.path.exists(temporary) and bool(os.listdir(temporary))
        reap(root)
        first = last + 1
    return first, midway, rebuilt, killed


def start_reader(root, progress, told):
    source, target = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(source)
        status, text = in_child(lambda: read_until_told(root, progress, told))
        os.write(target, text.encode())
        os._exit(bool(status))
    os.close(target)
    return process, source


def finish(reader):
    process, source = reader
    with os.fdopen(source, "rb") as file:
        text = file.read().decode()
    _, status = os.waitpid(process, 0)
    assert status == 0, text
    return int(text)


def reap(root):
    """The writers are dead, so what lies there is theirs: all of it goes, and nothing else."""
    inspection.reap(
        Directory(root, OwnKeep(fresh(root)._sealer, None, list).verify), time.time() + 7200
    )
    left = [
        name
        for folder in ("temporary", "leases")
        for name in os.listdir(os.path.join(root, folder))
    ]
    assert not left, f"not reaped: {left}"


main(sys.argv[1], int(sys.argv[2]))
