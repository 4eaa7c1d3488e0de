"""One process of many that want one key: waits for the start, asks, says what it got."""

import os
import signal
import sys
import time

from workload import ask, fresh, tell


def main(place, ending, seconds):
    keep = fresh(os.path.join(place, "keep"))
    touch(os.path.join(place, f"ready-{os.getpid()}"))
    wait_for(os.path.join(place, "go"))

    def on_build(_):
        count(place)
        time.sleep(seconds)
        if ending == "raises":
            wait_for(os.path.join(place, "fail"))
            raise ValueError("the table is empty")
        if ending == "dies":
            os.kill(os.getpid(), signal.SIGKILL)

    started = time.monotonic()
    try:
        artifact = ask(keep, 1, on_build=on_build)
    except Exception as problem:  # noqa: BLE001 - told to the test
        tell(problem=type(problem).__name__, text=str(problem), waited_s=elapsed(started))
    else:
        tell(hit=artifact.hit, reason=artifact.reason, waited_s=elapsed(started))


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.005)


def elapsed(started):
    return time.monotonic() - started


def touch(path):
    with open(path, "w"):
        pass


def count(place):
    """A line for each build; O_APPEND makes them whole."""
    descriptor = os.open(
        os.path.join(place, "builds"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
    )
    os.write(descriptor, f"{os.getpid()}\n".encode())
    os.close(descriptor)


main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
