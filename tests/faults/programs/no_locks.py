"""A file system without `flock`: builds are not coordinated, and everything else holds."""

import errno
import fcntl
import os
import sys

from injection import in_child
from workload import Heard, ask, ask_again, fresh, tell

KEYS = 5


def use(root, problem):
    def refuse(*_):
        raise OSError(problem, os.strerror(problem))

    fcntl.flock = refuse
    with Heard() as heard:
        keep = fresh(root)
        for number in range(KEYS):
            ask(keep, number)
        hits = sum(ask(keep, number).hit for number in range(KEYS))
    assert hits == KEYS, hits
    assert heard.count <= 1, heard.texts
    return str(heard.count)


def main(place):
    warned = 0
    errors = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EIO)
    for problem in errors:
        root = os.path.join(place, errno.errorcode[problem])
        told = [in_child(lambda: use(root, problem)) for _ in range(3)]
        assert not any(status for status, _ in told), told
        # The first builds; the others find everything, so that they need no lock.
        assert [text for _, text in told] == ["1", "0", "0"], told
        warned += 1
        assert not os.listdir(os.path.join(root, "leases")), "lock files were left"
        ask_again(root, 0)
    tell(errors=len(errors), asked=len(errors) * 3 * 2 * KEYS, warned=warned)


main(sys.argv[1])
