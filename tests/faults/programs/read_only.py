"""Keeps that cannot be written: a file system mounted read-only, and folders of somebody else."""

import os
import subprocess
import sys

from injection import in_child
from workload import Heard, ask, fresh, tell

NOBODY = 65534


def use(root, kept, unkept):
    """What is kept is served without a word; what is not is built, with one warning in all."""
    with Heard() as heard:
        keep = fresh(root)
        for number in kept:
            assert ask(keep, number).hit, f"{number} was kept and is not served"
    assert not heard.count, heard.texts
    with heard:
        for number in unkept:
            assert not ask(keep, number).hit
            assert not ask(keep, number).hit
    assert heard.count == 1, heard.texts
    return "done"


def in_mount(place):
    root = os.path.join(place, "keep")
    os.mkdir(root)
    subprocess.run(["mount", "-t", "tmpfs", "none", root], check=True)
    for number in range(3):
        ask(fresh(root), number)
    subprocess.run(["mount", "-o", "remount,ro", root], check=True)
    before = snapshot(root)
    use(root, range(3), range(3, 6))
    assert snapshot(root) == before
    subprocess.run(["umount", root], check=True)
    tell(kept=3, unkept=3)


def as_somebody_else(place):
    """Another user's keep: they may not even look into it, and nothing in it changes."""
    os.chmod(place, 0o755)
    import_what_is_imported_late(place)
    asked = 0
    for mode in (0o700, 0o755, 0o500):
        root = os.path.join(place, f"keep-{mode:o}")
        ask(fresh(root), 0)
        os.chmod(root, mode)
        before = snapshot(root)
        status, told = in_child(lambda: use_as_nobody(place, root))
        assert status == 0, told
        assert snapshot(root) == before
        asked += 3
    tell(folders=3, asked=asked)


def import_what_is_imported_late(place):
    """Whoever is nobody cannot read the interpreter's library either."""
    with Heard() as heard:
        ask(fresh(os.path.join(place, "keep")), 0)
        with open(os.path.join(place, "file"), "w"):
            pass
        ask(fresh(os.path.join(place, "file")), 0)
    assert heard.count


def use_as_nobody(place, root):
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    config = os.path.join(place, "nobody.config")
    os.environ["EMBERKEEP_CONFIG_DIR"] = config
    with Heard() as heard:
        keep = fresh(root)
        for number in range(3):
            assert not ask(keep, number).hit
    places = [text for text in heard.texts if "seals" not in text]
    assert len(places) == 1, heard.texts
    return "done"


def snapshot(root):
    return sorted(
        (place, name, os.stat(os.path.join(place, name)).st_mtime_ns)
        for place, _, names in os.walk(root)
        for name in names
        if "statistics" not in place
    )


{"mount": in_mount, "somebody": as_somebody_else}[sys.argv[2]](sys.argv[1])
