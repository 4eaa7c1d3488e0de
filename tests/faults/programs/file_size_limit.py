"""Let writes end in the middle: a limit on the size of files, as a quota or a full disk does."""

import os
import resource
import sys

from injection import in_child
from workload import Heard, ask, ask_again, fresh, tell


def use(root, limit):
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Heard() as heard:
        keep = fresh(root)
        keep._sealer.seal("")  # its key is smaller than any limit here would allow
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        ask(keep, 1)
        hit = ask(keep, 1).hit
    assert heard.count <= 1, heard.texts
    assert hit or heard.count == 1
    return f"{heard.count} {int(hit)}"


def main(place):
    cut = whole = 0
    for limit in (*range(0, 200, 20), *range(200, 6000, 200)):
        root = os.path.join(place, str(limit))
        status, told = in_child(lambda: use(root, limit))
        assert status == 0, f"a limit of {limit} bytes: {told}"
        warned, hit = map(int, told.split())
        cut, whole = cut + warned, whole + hit
        ask_again(root, 1)
    assert cut
    assert whole
    tell(limits=cut + whole, writes_cut=cut)


main(sys.argv[1])
