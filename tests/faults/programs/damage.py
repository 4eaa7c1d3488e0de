"""Flip single bits and cut files short: nothing of it is served, all of it is quarantined."""

import os
import random
import re
import sys
from collections import Counter

from workload import KIND, Heard, ask, fresh, tell

KEYS = 4
SIZE = 700


def files_below(folder):
    return sorted(
        os.path.join(place, name) for place, _, names in os.walk(folder) for name in names
    )


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def flip(content, bit):
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def flip_anywhere(content):
    return flip(content, random.randrange(8 * len(content)))


def flip_a_digit_of_the_layout(content):
    """The most harmful flip there is: another number, and still valid JSON."""
    layout = re.search(rb'"layout":\{.*?\}', content)
    digits = [place for place in range(*layout.span()) if content[place : place + 1].isdigit()]
    return flip(content, 8 * random.choice(digits) + random.randrange(3))


def flip_the_seal(content):
    return flip(content, 8 * (len(content) - 3 - random.randrange(1, 64)) + random.randrange(8))


class Place:
    """A keep with some artifacts, and what happens to whoever asks for a damaged one."""

    def __init__(self, root):
        self.root = root
        self.quarantine = os.path.join(root, "quarantine")
        self.manifests, self.blobs, self.reasons = {}, {}, Counter()
        for number in range(KEYS):
            before = set(files_below(root))
            ask(fresh(root), number, size=SIZE)
            new = set(files_below(root)) - before
            (self.manifests[number],) = (path for path in new if f"/{KIND}/" in path)
            self.blobs[number] = sorted(path for path in new if "/blobs/" in path)

    def damage(self, path, number, damaged):
        """Put damaged bytes in place and ask; they are built again, moved away, and said once."""
        good = read(path)
        assert damaged != good
        write(path, damaged)
        built = []
        with Heard() as heard:
            artifact = ask(fresh(self.root), number, size=SIZE, on_build=built.append)
        assert built == [number], f"served: {path}"
        assert not artifact.hit
        assert heard.count == 1, heard.texts
        (moved,) = os.listdir(self.quarantine)
        moved = os.path.join(self.quarantine, moved)
        assert read(moved) == damaged
        os.unlink(moved)
        with Heard() as heard:
            assert ask(fresh(self.root), number, size=SIZE).hit, f"not healed: {path}"
        assert not heard.count, heard.texts
        self.reasons[artifact.reason.partition(":")[0]] += 1


def main(place, flips):
    random.seed(flips)
    keep = Place(os.path.join(place, "keep"))
    kinds = Counter()
    for turn in range(flips):
        number = random.randrange(KEYS)
        path = keep.manifests[number]
        how = (flip_anywhere, flip_a_digit_of_the_layout, flip_anywhere, flip_the_seal)[turn % 4]
        if turn % 4 == 2:
            path = random.choice(keep.blobs[number])
        keep.damage(path, number, how(read(path)))
        kinds["manifests" if path == keep.manifests[number] else "blobs"] += 1
    flipped = dict(keep.reasons)
    cuts = 0
    for path in (keep.manifests[0], *keep.blobs[0]):
        for part in range(64):
            content = read(path)
            keep.damage(path, 0, content[: len(content) * part // 64])
            cuts += 1
    for path in (keep.manifests[0], *keep.blobs[0]):
        for added in (b"\0", b"\n", read(path)):
            keep.damage(path, 0, read(path) + added)
            cuts += 1
    assert set(keep.reasons) == {"damaged", "untrusted"}, keep.reasons
    tell(
        **{f"flips_in_{name}": count for name, count in kinds.items()},
        flips=flips,
        truncations_and_additions=cuts,
        found=flipped,
        quarantined=sum(keep.reasons.values()),
    )


main(sys.argv[1], int(sys.argv[2]))
