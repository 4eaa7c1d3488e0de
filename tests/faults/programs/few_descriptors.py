"""Many threads of a process that may open few files ask at once, for the first time."""

import os
import resource
import sys
import threading
import traceback

from workload import Heard, ask, fresh, tell

LIMIT = 64
LEFT = 2  # of these, while the threads ask
NONE_S = 0.2  # for which there are none at all
KEYS = 40
traceback.format_exc()  # reads what it needs while there are files to be had


def main(place, threads):
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    keep = fresh(os.path.join(place, "keep"))
    held = []
    give_back = threading.Timer(NONE_S, lambda: [os.close(held.pop()) for _ in range(LEFT)])
    give_back.start()
    while True:
        try:
            held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            break
    with Heard():
        ask(keep, 0)  # all that a miss needs has to be loaded
    give_back.join()
    begin = threading.Barrier(threads)
    problems = []

    def use(first):
        begin.wait()
        for number in range(first, first + 5):
            try:
                ask(keep, number % KEYS)
            except BaseException:  # noqa: BLE001 - told below
                problems.append(traceback.format_exc())

    asking = [threading.Thread(target=use, args=(n * 5,)) for n in range(threads)]
    with Heard() as heard:
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    for descriptor in held:
        os.close(descriptor)
    assert not problems, f"{len(problems)} of {threads * 5}: {problems[0]}"
    assert heard.count <= threads
    tell(threads=threads, asked=threads * 5, warned=heard.count)


main(sys.argv[1], int(sys.argv[2]))
