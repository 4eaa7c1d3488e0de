"""What a keep can look like when a fault comes: each makes a root, or leaves it to be made."""

import os

import injection
from workload import KIND, ask, content, fresh


def nothing(root):
    """A first use: the folder, the seal key and the layout's version are to be made."""


def a_neighbour(root):
    ask(fresh(root), 2)


def a_blob_without_manifest(root):
    ask(fresh(root), 1)
    for path in files_below(root, KIND):
        os.unlink(path)


def a_damaged_blob(root):
    ask(fresh(root), 1)
    damage(next(path for path in files_below(root, "blobs") if holds(path, content(1, "code"))))


def a_damaged_manifest(root):
    ask(fresh(root), 1)
    damage(*files_below(root, KIND))


def a_dead_builder(root):
    ask(fresh(root), 2)
    injection.in_child(lambda: ask(fresh(root), 1, on_build=lambda _: injection.die()))


STARTS = (
    nothing,
    a_neighbour,
    a_blob_without_manifest,
    a_damaged_blob,
    a_damaged_manifest,
    a_dead_builder,
)


def files_below(root, folder):
    return [
        os.path.join(place, name)
        for place, _, names in os.walk(os.path.join(root, folder))
        for name in names
    ]


def holds(path, wanted):
    with open(path, "rb") as file:
        return file.read() == wanted


def damage(*paths):
    for path in paths:
        with open(path, "r+b") as file:
            file.seek(100)
            file.write(b"?")
