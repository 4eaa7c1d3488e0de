"""Delete the keep again and again while threads and processes use it."""

import os
import shutil
import sys
import threading
import time

from injection import in_child
from workload import Heard, ask, ask_again, fresh, tell

KEYS = 20


def delete_until(root, stop, deleted):
    while not stop.is_set():
        shutil.rmtree(root, ignore_errors=True)
        deleted.append(1)
        time.sleep(0.0005)


def use(root, seconds):
    """Four threads, a keep each; every result is right, and each keep says once what is wrong."""
    asked, problems = [], []

    def work(first):
        keep = fresh(root)
        until = time.monotonic() + seconds
        number = first
        try:
            while time.monotonic() < until:
                ask(keep, number % KEYS)
                asked.append(1)
                number += 1
        except BaseException as problem:  # noqa: BLE001 - whatever it is, it is the finding
            problems.append(repr(problem))

    with Heard() as heard:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not problems, problems
    found_missing = sum("is missing" in text for text in heard.texts)
    assert found_missing <= 4, heard.texts
    assert heard.count - found_missing <= 4, heard.texts
    return f"{len(asked)} {heard.count}"


def main(place, seconds):
    root = os.path.join(place, "keep")
    stop, deleted = threading.Event(), []
    users = [os.path.join(place, f"user-{number}") for number in range(2)]
    processes = []
    for user in users:
        process = os.fork()
        if process == 0:
            status, told = in_child(lambda: use(root, seconds))
            with open(user, "w") as file:
                file.write(told)
            os._exit(bool(status))
        processes.append(process)
    thread = threading.Thread(target=delete_until, args=(root, stop, deleted))
    thread.start()
    failed = [bool(os.waitpid(process, 0)[1]) for process in processes]
    stop.set()
    thread.join()
    told = [open_text(user) for user in users]
    assert not any(failed), "\n".join(told)
    ask_again(root, 0)
    asked, warned = (sum(int(text.split()[part]) for text in told) for part in (0, 1))
    assert len(deleted) > 10
    tell(deletions=len(deleted), asked=asked, warned=warned)


def open_text(path):
    with open(path) as file:
        return file.read()


main(sys.argv[1], float(sys.argv[2]))
