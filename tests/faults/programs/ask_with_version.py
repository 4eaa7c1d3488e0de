"""What one version of emberkeep does in a keep: the one that PYTHONPATH names.

``python ask_with_version.py ORDERS``: the orders are the arguments of `main`, as JSON.
"""

import json
import os
import sys
import time
from contextlib import redirect_stderr, redirect_stdout

from workload import Heard, ask, fresh, tell

import emberkeep
from emberkeep.cli import main as command


def main(words=None, **asking):
    """Run a command of the command line, or ask."""
    facts = {"status": run(words)} if words is not None else use(**asking)
    tell(version=emberkeep.__file__, **facts)


def run(words):
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        return command(words)


def use(root, numbers, shared=None, log=None, start_at=0.0):
    """Ask for all numbers.

    Args:
        root: of the keep.
        numbers: what to ask for.
        shared: a shared folder, for a version that knows of such.
        log: gets a line for each build.
        start_at: the time at which to begin.
    """

    def on_build(number):
        with open(log, "a") as file:
            file.write(f"{number}\n")
        time.sleep(0.02)

    keep = fresh(root, **({} if shared is None else {"shared": shared}))
    time.sleep(max(0.0, start_at - time.time()))
    with Heard() as heard:
        asked = [ask(keep, number, on_build=log and on_build) for number in numbers]
        if shared is not None:
            assert keep.flush()
    return {
        "hits": sum(artifact.hit for artifact in asked),
        "reasons": sorted({artifact.reason for artifact in asked}),
        "warnings": heard.texts,
    }


main(**json.loads(sys.argv[1]))
