"""A warm get of 200 KB, digest checked, beside reading the file and hashing it by hand."""

import hashlib
import os
import tempfile
from pathlib import Path

from measuring import Row, alternately, milliseconds, show

import emberkeep


def getting() -> Row:
    """The median of many, taken in turn."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMBERKEEP_CONFIG_DIR"] = os.path.join(folder, "config")
        keep = emberkeep.Keep(os.path.join(folder, "keep"), memory_size=0)
        ingredients = {"n": 3, "rtol": 1e-6, "method": "tsit5"}

        def ours() -> None:
            keep.get_or_build("tables", "bench", ingredients, lambda: {"x": os.urandom(200_000)})

        ours()
        blobs = Path(folder, "keep", "blobs")
        path = str(next(file for file in blobs.rglob("*") if file.is_file()))

        def by_hand() -> None:
            with open(path, "rb", buffering=0) as file:
                hashlib.sha256(file.read()).hexdigest()

        floor, mine = alternately([by_hand, ours], 5000)
    return Row(
        "warm get of 200 KB, digest checked, p50",
        milliseconds(mine),
        f"{milliseconds(floor)} (by hand)",
        f"{mine / floor:.2f} times",
        "at most 1.5",
        reached=mine <= 1.5 * floor,
    )


if __name__ == "__main__":
    raise SystemExit(not show([getting()]))
