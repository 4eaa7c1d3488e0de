"""A process that asks for many things, as a host of its own, and says what came of it.

``python asking.py ORDERS``: the orders are the arguments of `main`, as JSON. It says that it is
ready, and begins when it is told to, by a line.
"""

import json
import os
import resource
import sys
import time

from users import KIND, Heard, ask

from emberkeep import Keep
from emberkeep.settings import Place
from emberkeep.sharing import publisher


def main(
    shared,
    root,
    numbers,
    *,
    deadline_s=5.0,
    patience_s=20,
    most_jobs=publisher.MOST_JOBS,
    log=None,
    build_s=0.0,
    size=2000,
):
    """Ask for all numbers.

    Args:
        shared: the shared folder.
        root: of the keep of its own.
        numbers: what to ask for.
        deadline_s: how long a call to the shared folder may take.
        patience_s: how long it is waited for at exit.
        most_jobs: how many artifacts may wait to be published.
        log: gets a line for each build.
        build_s: how long each takes.
        size: of what is built, in bytes.
    """
    publisher.EXIT_PATIENCE_S, publisher.MOST_JOBS = patience_s, most_jobs
    keep = Keep(root, shared=Place(shared, deadline_s=deadline_s), memory_size=0)

    def on_build(number):
        time.sleep(build_s)
        if log is not None:
            descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, f"{number}\n".encode())
            os.close(descriptor)

    say("ready")
    sys.stdin.readline()
    with Heard() as heard:
        hits = sum(ask(keep, number, on_build=on_build, size=size).hit for number in numbers)
    totals = {}
    for (event, kind, what), (count, _) in keep.totals().items():
        if kind == KIND:
            totals[event] = totals.get(event, 0) + count
            totals[f"{event} {what}"] = count
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    say({"hits": hits, "warnings": heard.texts, "peak_bytes": peak_bytes, "totals": totals})


def say(something):
    sys.stdout.write(json.dumps(something) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
