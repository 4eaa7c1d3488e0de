"""Damage each file of a layer in each way: it is compiled again, healed, and never run."""

import os
import random
import sys

from jax_work import ask, contents, keep_at, tell

FLIPS = 3
random.seed(7)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def flipped(content):
    bit = random.randrange(8 * len(content))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


DAMAGES = {
    **{f"flipped {number}": flipped for number in range(FLIPS)},
    "torn": lambda content: content[: len(content) // 2],
    "zeros at the end": lambda content: content[:-512] + bytes(512),
    "empty": lambda _: b"",
    "of another": lambda _: b"\x7fELF" + bytes(4096),
    "gone": None,
}


def main(place, layer):
    os.mkdir(shared := os.path.join(place, "shared"))
    root = os.path.join(place, "keep")
    damaged = shared if layer == "shared" else root

    def fresh():
        return keep_at(root, shared, layer)

    assert ask(fresh())[:2] == (0, 1)
    assert ask(fresh()) == (1, 0, [])
    for role in ("manifest", "blob"):
        for name, change in DAMAGES.items():
            path = newest(damaged, role)
            content = read(path)
            os.remove(path)
            if change is not None:
                with open(path, "wb") as file:
                    file.write(change(content))
            found, compiled, warned = ask(fresh())
            assert (found, compiled) == (0, 1), (path, name, found, compiled)
            assert len(warned) <= 1, (path, name, warned)
            assert ask(fresh()) == (1, 0, []), f"{name} of {path} is not healed"
    tell(damages=2 * len(DAMAGES))


def newest(root, role):
    """XLA does not give the same bytes twice, so what was healed may be another blob."""
    files = [path for path in contents(root) if path.endswith(".json") == (role == "manifest")]
    return max(files, key=lambda path: os.stat(path).st_mtime_ns)


main(*sys.argv[1:])
