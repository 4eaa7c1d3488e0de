"""Places where nothing can be written: full, mounted read-only, set so, no folder, gone."""

import os
import shutil
import subprocess
import sys

from jax_work import ask, contents, keep_at, tell


def mount(place, options):
    os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)


def full(place):
    """Disks around the size of one entry, by bytes and by files; then there is room again."""
    refused = 0
    options = [f"size={size}k" for size in range(8, 64, 8)]
    options += [f"size=1m,nr_inodes={inodes}" for inodes in (4, 10, 18)]
    for number, option in enumerate(options):
        disk = os.path.join(place, str(number))
        mount(disk, option)
        root = os.path.join(disk, "keep")
        found, compiled, warned = ask(keep_at(root))
        assert (found, compiled) == (0, 1)
        assert len(warned) <= 1, warned
        refused += len(warned)
        subprocess.run(["mount", "-o", "remount,size=4m,nr_inodes=1000", disk], check=True)
        ask(keep_at(root))
        assert ask(keep_at(root)) == (1, 0, [])
        subprocess.run(["umount", disk], check=True)
    assert 0 < refused < len(options), "the sizes are not around the limit"
    tell(disks=len(options), refused=refused)


def full_shared(place):
    """The shared folder is full: the user's own keep has it all the same."""
    shared, root = os.path.join(place, "shared"), os.path.join(place, "keep")
    mount(shared, "size=8k")
    assert ask(keep_at(root, shared))[:2] == (0, 1)
    assert ask(keep_at(root, shared))[:2] == (1, 0)
    tell(done=True)


def mounted_read_only(place):
    root = os.path.join(place, "keep")
    mount(root, "size=4m")
    ask(keep_at(root))
    subprocess.run(["mount", "-o", "remount,ro", root], check=True)
    assert ask(keep_at(root)) == (1, 0, [])
    for _ in range(2):
        found, compiled, warned = ask(keep_at(root), 1)
        assert (found, compiled, len(warned)) == (0, 1, 1), warned
    tell(done=True)


def read_only(place):
    """By the settings: what is kept is served, nothing is written or moved, damaged or not."""
    root = os.path.join(place, "keep")
    ask(keep_at(root))
    assert ask(keep_at(root, read_only=True)) == (1, 0, [])
    for path in contents(root):
        with open(path, "r+b") as file:
            file.truncate(100)
    before = contents(root)
    assert ask(keep_at(root, read_only=True))[:2] == (0, 1)
    assert contents(root) == before
    assert ask(keep_at(root))[:2] == (0, 1)
    assert ask(keep_at(root)) == (1, 0, [])
    tell(done=True)


def no_folder(place):
    """A file stands where the folder should, and a folder vanishes while it is used."""
    path = os.path.join(place, "file")
    with open(path, "w"):
        pass
    found, compiled, warned = ask(keep_at(path))
    assert (found, compiled, len(warned)) == (0, 1, 1), warned
    root = os.path.join(place, "keep")
    keep = keep_at(root)
    ask(keep)
    shutil.rmtree(root)
    assert ask(keep)[:2] == (0, 1)
    assert ask(keep_at(root)) == (1, 0, [])
    found, compiled, warned = ask(keep_at(os.path.join(place, "k"), os.path.join(place, "none")))
    assert (found, compiled) == (0, 1)
    assert len(warned) == 2, warned  # one for looking, one for publishing
    tell(done=True)


def orphans(place):
    """Files that belong to no entry are in nobody's way (one of them stops JAX's own cache)."""
    root = os.path.join(place, "keep")
    ask(keep_at(root))
    manifest = next(path for path in contents(root) if path.endswith(".json"))
    folder = os.path.dirname(manifest)
    strays = (f"{folder}/jit_f-0-atime", f"{folder}/x.json", f"{root}/blobs/zz", f"{root}/stray")
    for path in strays:
        with open(path, "w") as file:
            file.write("{")
    assert ask(keep_at(root)) == (1, 0, [])
    assert ask(keep_at(root), 1) == (0, 1, [])
    assert ask(keep_at(root), 1) == (1, 0, [])
    tell(done=True)


globals()[sys.argv[2]](sys.argv[1])
