"""Kill a publisher at every single operation on files, from several starting points."""

import os
import signal
import sys
import time
from itertools import count

import injection
from starts import STARTS, files_below
from workload import Heard, ask, ask_again, fresh, tell

from emberkeep.store.directory import Directory
from emberkeep.store.eviction import Policy, collect
from emberkeep.trust.seals import OwnKeep


def publish(root, number, *, torn):
    with Heard():
        injection.install(injection.crash_at(number, torn=torn))
        ask(fresh(root), 1)
    return "done"


def main(place, stride):
    crashes, left, sweeps, hits = 0, 0, {}, 0
    for start in STARTS:
        for torn in (False, True):
            for number in count(1, stride):
                root = os.path.join(place, f"{start.__name__}-{torn:d}-{number}")
                os.environ["EMBERKEEP_CONFIG_DIR"] = f"{root}.config"
                start(root)
                status, told = injection.in_child(lambda: publish(root, number, torn=torn))
                if told == "done":
                    break
                assert os.WIFSIGNALED(status), told
                assert os.WTERMSIG(status) == signal.SIGKILL
                crashes += 1
                left += len(files_below(root, "temporary"))
                hits += ask_again(root, 1)
                tidy(root)
            sweeps[f"{start.__name__}{' torn' * torn}"] = number - stride
    assert left, "no crash left a temporary file: the sweep missed the writing"
    tell(crashes=crashes, temporary_files_left=left, sweeps=sweeps, hits=hits)


def tidy(root):
    """What the dead left is reaped, and nothing else."""
    keep = fresh(root)
    directory = Directory(root, OwnKeep(keep._sealer, None, list).verify)
    collect(directory, Policy(), now=time.time() + 7200)
    left = files_below(root, "temporary") + files_below(root, "leases")
    assert not left, f"not reaped: {left}"
    assert ask(keep, 1).hit


main(sys.argv[1], int(sys.argv[2]))
