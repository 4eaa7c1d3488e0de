"""A process that asks for many things, as a host of its own, and says what came of it.

``python asking.py ORDERS``: the orders, as JSON, say in which `shared` folder (with what
`deadline_s`), in which `root` of its own, for what `numbers`, into what `log` each build writes a
line, how long a build takes (`build_s`), and how many bytes it has (`size`).
"""

import json
import os
import resource
import sys
import time

from users import KIND, Heard, ask

from emberkeep import Keep
from emberkeep.settings import Place
from emberkeep.sharing import publishing


def main(shared, root, numbers, *, log=None, build_s=0.0, size=2000, deadline_s=5.0, patience_s=20):
    publishing.EXIT_PATIENCE_S = patience_s
    keep = Keep(root, shared=Place(shared, deadline_s=deadline_s), memory_size=0)

    def on_build(number):
        time.sleep(build_s)
        if log is not None:
            descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, f"{number}\n".encode())
            os.close(descriptor)

    began = time.monotonic()
    with Heard() as heard:
        hits = sum(ask(keep, number, on_build=on_build, size=size).hit for number in numbers)
    told = {
        "hits": hits,
        "warnings": heard.texts,
        "took_s": time.monotonic() - began,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "totals": {
            f"{event} {what}": count
            for (event, kind, what), (count, _) in keep.totals().items()
            if kind == KIND
        },
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
