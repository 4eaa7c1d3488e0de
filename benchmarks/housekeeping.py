"""10,000 entries: `status`, and garbage collection to half."""

import os
import subprocess
import sys
import tempfile
import time

from measuring import Row, milliseconds, show

from emberkeep.keys.fingerprint import branch
from emberkeep.store.directory import Directory
from emberkeep.store.manifest_writing import compose
from emberkeep.store.protocol import BlobRef, Kept, Key, Manifest
from emberkeep.trust.seals import OwnKeep, Sealer

ENTRIES = 10_000
BLOB = 2_000


def fill(directory: Directory, sealer: Sealer) -> None:
    """Entries of different ages, each with a blob of its own."""
    from hashlib import sha256

    trees = {"plan": branch("ingredients", ()), "build": branch("ingredients", ())}
    now = time.time()
    for index in range(ENTRIES):
        content = os.urandom(BLOB)
        digest = sha256(content).hexdigest()
        key = Key("tables", f"system{index % 50}", digest, trees["build"].digest)
        manifest = Manifest(key, (BlobRef("x", digest, BLOB),), None, 1.0, now, {})
        directory.write(Kept(manifest, compose(manifest, trees, sealer.seal), {"x": content}))
        used = now - 7200 - index
        os.utime(directory.manifest_path(key), (used, used))


def timed(words: list[str], root: str) -> float:
    """Seconds of one command, whole process."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "emberkeep", "--root", root, *words]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def by_hand(root: str) -> float:
    """The floor: listing and looking at every file once."""
    started = time.perf_counter()
    for folder, _, files in os.walk(root):
        for name in files:
            os.stat(os.path.join(folder, name))
    return time.perf_counter() - started


def main() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "keep")
        os.environ["EMBERKEEP_CONFIG_DIR"] = os.path.join(folder, "config")
        sealer = Sealer(os.environ["EMBERKEEP_CONFIG_DIR"], print)
        directory = Directory(root, OwnKeep(sealer, None, print).verify)
        fill(directory, sealer)
        floor = by_hand(root)
        status = sorted(timed(["status"], root) for _ in range(5))[2]
        entries = list(directory.entries())
        total = sum(entry.size_bytes for entry in entries) + ENTRIES * BLOB
        gc = timed(["gc", "--max-size", str(total // 2), "--grace", "0"], root)
        left = len(list(directory.entries()))
    return [
        Row(
            f"status of {ENTRIES} entries, whole process",
            milliseconds(status),
            f"{milliseconds(floor)} (walk and stat)",
            milliseconds(status),
            "under 300 ms",
            reached=status < 0.3,
        ),
        Row(
            f"gc to half ({left} left), whole process",
            milliseconds(gc),
            f"{milliseconds(floor)} (walk and stat)",
            milliseconds(gc),
            "under 3 s",
            reached=gc < 3 and abs(left - ENTRIES / 2) < ENTRIES / 50,
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(not show(main()))
