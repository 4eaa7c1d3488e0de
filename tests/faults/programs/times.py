"""Files from 1970 and from 2100: served, and neither evicted for it nor kept for ever."""

import os
import sys
import time

from workload import KIND, Heard, ask, fresh, tell

from emberkeep.store.directory import Directory
from emberkeep.store.eviction import Policy, collect
from emberkeep.trust.seals import OwnKeep

YEAR_2100 = 4_102_444_800
TIMES = (0, 1, YEAR_2100, 2**33)
KEYS = 5


def set_times(root, seconds):
    paths = [
        os.path.join(place, name)
        for place, folders, names in os.walk(root)
        for name in (*folders, *names)
    ]
    for path in paths:
        os.utime(path, (seconds, seconds))
    return len(paths)


def main(place):
    files = asked = 0
    for seconds in TIMES:
        root = os.path.join(place, str(seconds))
        with Heard() as heard:
            for number in range(KEYS):
                ask(fresh(root), number)
            files += set_times(root, seconds)
            used = range(KEYS - 1)
            assert all(ask(fresh(root), number).hit for number in used)
            asked += len(used)
            # A use says when it was, whatever stood there; what nobody asked for is old, however
            # far ahead its time is.
            directory = Directory(root, OwnKeep(fresh(root)._sealer, None, list).verify)
            soon = time.time() + 1800
            gone = collect(directory, Policy(max_age_s=86_400), now=soon)
            assert gone.entries == (seconds < soon), f"{seconds}: {gone}"
            gone = collect(directory, Policy(max_age_s=86_400), now=soon + 2 * 86_400)
            assert gone.kept_entries == 0, f"{seconds}: {gone}"
        assert not heard.count, heard.texts
        assert not any(names for _, _, names in os.walk(os.path.join(root, KIND)))
    tell(times=len(TIMES), files=files, asked=asked)


main(sys.argv[1])
