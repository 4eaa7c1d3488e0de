"""File systems that report success and do something else."""

import os
import sys

from injection import in_child
from workload import Heard, ask, ask_again, fresh, tell

KEYS = 3
replace, write, read, utime, unlink = os.replace, os.write, os.read, os.utime, os.unlink


def no_rename():
    os.replace = lambda *_: None


def rename_leaves_an_empty_file():
    def replace_emptied(source, target):
        replace(source, target)
        os.truncate(target, 0)

    os.replace = replace_emptied


def write_drops():
    os.write = lambda _, content: len(content)


def write_zeros():
    os.write = lambda descriptor, content: write(descriptor, bytes(len(content)))


def write_tears():
    """The first half arrives, as after a power cut; both halves are reported."""

    def torn(descriptor, content):
        write(descriptor, bytes(content)[: len(content) // 2])
        return len(content)

    os.write = torn


def write_short():
    """Legal, if rare: a few bytes at a time. Nothing is lost here."""
    os.write = lambda descriptor, content: write(descriptor, bytes(content)[:97])


def read_short():
    os.read = lambda descriptor, size: read(descriptor, min(size, 101))


def read_ends_early():
    """A file that is cut while it is read."""
    counted = [0]

    def cut(descriptor, size):
        counted[0] += 1
        return read(descriptor, size // 2) if counted[0] % 2 else b""

    os.read = cut


def read_flips():
    def flipped(descriptor, size):
        content = bytearray(read(descriptor, size))
        if content:
            content[len(content) // 3] ^= 4
        return bytes(content)

    os.read = flipped


def no_touch():
    os.utime = lambda *_, **__: None


def no_unlink():
    os.unlink = lambda *_, **__: None


HONEST_ENOUGH = (write_short, read_short, no_touch, no_unlink)
LIES = (
    no_rename,
    rename_leaves_an_empty_file,
    write_drops,
    write_zeros,
    write_tears,
    read_ends_early,
    read_flips,
    *HONEST_ENOUGH,
)


def use(root, lie):
    with Heard() as heard:
        ask(fresh(root), 0)  # before the lie begins, so there is something to misread
        lie()
        keep = fresh(root)
        for _ in range(3):
            hits = sum(ask(keep, number).hit for number in range(KEYS))
    assert hits == KEYS or lie not in HONEST_ENOUGH, hits
    assert hits < KEYS or lie in HONEST_ENOUGH, "the lie was not told"
    topics = {text.partition(":")[2] for text in heard.texts}
    assert heard.count == len(topics) <= 3, heard.texts
    return f"{heard.count} {hits}"


def main(place):
    asked = warned = served = 0
    for lie in LIES:
        root = os.path.join(place, lie.__name__)
        status, told = in_child(lambda: use(root, lie))
        assert status == 0, f"{lie.__name__}: {told}"
        asked += 3 * KEYS
        warned += int(told.split()[0])
        served += int(told.split()[1])
        for number in range(KEYS):
            ask_again(root, number)
    tell(lies=len(LIES), asked=asked, warned=warned, served=served)


main(sys.argv[1])
