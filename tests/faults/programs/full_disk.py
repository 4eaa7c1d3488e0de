"""Fill real file systems of every small size, by bytes and by files, in a mount namespace."""

import os
import subprocess
import sys

from workload import Heard, ask, fresh, tell

KEYS = 6
SIZES_KIB = range(4, 132, 4)  # pages of a tmpfs
INODES = range(2, 34)


def mount(place, options):
    os.makedirs(place)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)


def use(root):
    """Everybody gets the right result, with one warning; how many were given and what was kept."""
    with Heard() as heard:
        keep = fresh(root)
        for _ in range(2):
            kept = sum(ask(keep, number).hit for number in range(KEYS))
    assert heard.count <= 1, heard.texts
    assert kept == KEYS or heard.count == 1, "something was not kept and nothing was said"
    return heard.count, kept


def recover(place, root):
    """Once there is room again, what was kept is right, and the rest is kept too."""
    subprocess.run(["mount", "-o", "remount,size=4m,nr_inodes=1000", place], check=True)
    with Heard() as heard:
        for _ in range(2):
            kept = sum(ask(fresh(root), number).hit for number in range(KEYS))
    assert kept == KEYS, kept
    assert not heard.count, heard.texts


def left_behind(root):
    folder = os.path.join(root, "temporary")
    return os.listdir(folder) if os.path.isdir(folder) else []


def main(place):
    disks = full = kept = 0
    options = [f"size={size}k" for size in SIZES_KIB]
    options += [f"size=1m,nr_inodes={inodes}" for inodes in INODES]
    for number, option in enumerate(options):
        disk = os.path.join(place, str(number))
        mount(disk, option)
        root = os.path.join(disk, "keep")
        warned, found = use(root)
        assert not left_behind(root), left_behind(root)
        recover(disk, root)
        subprocess.run(["umount", disk], check=True)
        disks, full, kept = disks + 1, full + warned, kept + found
    assert 0 < full < disks, "the sizes are not around the limit"
    tell(disks=disks, full=full, kept_on_full_disks=kept)


main(sys.argv[1])
