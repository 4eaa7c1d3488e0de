"""Let every single operation on files fail, once or from then on, with several errors."""

import errno
import os
import sys
from itertools import count

import injection
from starts import STARTS
from workload import Heard, ask, ask_again, fresh, tell

ERRORS = ("EIO", "ENOSPC", "EACCES", "EROFS", "ESTALE", "EMFILE", "EDQUOT")


def use(root, number, problem, *, lasting):
    """Whoever asks gets the right result, and hears at most once of each thing that is wrong."""
    with Heard() as heard:
        counted = injection.install(injection.fail_at(number, problem, lasting=lasting))
        keep = fresh(root)
        ask(keep, 1)
        ask(keep, 1)
    topics = sorted(topic(text) for text in heard.texts)
    assert len(topics) == len(set(topics)), heard.texts
    return f"{heard.count} {int(counted[0] >= number)}"


def topic(text):
    for sign, meant in (
        ("does not have the digest", "damage that was there at the start"),
        ("was not sealed by this user", "what follows where the key cannot be read"),
        ("that seals what is kept", "the key"),
    ):
        if sign in text:
            return meant
    return "the place"


def main(place, errors, stride):
    injected = warned = hits = 0
    for start in STARTS:
        for problem in errors:
            for lasting in (False, True):
                for number in count(1, stride):
                    root = os.path.join(place, f"{start.__name__}-{problem}-{lasting:d}-{number}")
                    os.environ["EMBERKEEP_CONFIG_DIR"] = f"{root}.config"
                    start(root)
                    code = getattr(errno, problem)
                    status, told = injection.in_child(
                        lambda: use(root, number, code, lasting=lasting)
                    )
                    where = f"{start.__name__}, operation {number}, {problem}, {lasting=}"
                    assert status == 0, f"{where}: {told}"
                    heard, reached = map(int, told.split())
                    if not reached:
                        break
                    injected += 1
                    warned += heard
                    hit = ask_again(root, 1)
                    hits += hit
                    assert hit or heard, f"{where}: nothing was kept, and nothing said"
    tell(injected=injected, warned=warned, kept=hits)


main(sys.argv[1], sys.argv[2].split(","), int(sys.argv[3]))
