"""Sharing: a hit in a shared folder, one build for 32 workers on 4 hosts, bundles out and in."""

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from measuring import Row, alternately, milliseconds, show

from emberkeep import Keep
from emberkeep.cli import main
from emberkeep.sharing.bundle.reader import BundleReader
from emberkeep.trust.judge import judge_of
from emberkeep.trust.signatures import generate, is_signed

SIZE = 20_000
HITS = 2000
HOSTS, WORKERS, KEYS, BUILD_S = 4, 32, 50, 0.15
ENTRIES, ENTRY_SIZE = 1000, 200_000


def make_user(folder: str, name: str) -> None:
    config = os.path.join(folder, name, "config")
    os.environ["EMBERKEEP_CONFIG_DIR"] = config
    os.environ["EMBERKEEP_DIR"] = os.path.join(folder, name, "keep")
    if not os.path.exists(config):
        generate(config, "default", 0.0)


def hitting(folder: str) -> list[Row]:
    """Each key is met once, so that every signature is really checked."""
    make_user(folder, "hitting")
    shared = os.path.join(folder, "hits")
    os.mkdir(shared)
    both = Keep(shared=shared)
    for n in range(HITS):
        get(both, n)
    if not both.flush():
        raise SystemExit("not published in time")
    local, far = (
        Keep(strategy=strategy, shared=shared, memory_size=0) for strategy in ("local", "shared")
    )
    numbers = random.Random(1).sample(range(HITS), HITS)
    turns = {"near": iter(numbers), "far": iter(numbers)}
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw().hex()
    signed = iter([(b"%d" % n, private.sign(b"%d" % n).hex()) for n in range(HITS)])

    def verify() -> None:
        message, signature = next(signed)
        assert is_signed(public, message, signature)

    near, away, floor = alternately(
        [
            lambda: get(local, next(turns["near"])),
            lambda: get(far, next(turns["far"])),
            verify,
        ],
        HITS,
    )
    extra = away - near
    return [
        Row(
            "a hit in a shared folder on the same disk, over a local one",
            f"{milliseconds(away)} after {milliseconds(near)}",
            f"{milliseconds(floor)} (one signature)",
            f"+{extra * 1e6:.0f} µs",
            "at most +200 µs",
            reached=extra <= 200e-6,
        )
    ]


def get(keep: Keep, n: int) -> None:
    keep.get_or_build("tables", "sample", {"n": n}, lambda: {"code": random.randbytes(SIZE)})


WORKER = """
import json, os, sys, time
host, shared, keys, build_s, start, log = json.loads(sys.argv[1])
os.environ["EMBERKEEP_DIR"] = os.path.join(host, "keep")
from emberkeep import Keep
keep = Keep(shared=shared)
def build(n):
    with open(log, "a") as file:
        file.write(f"{n}\\n")
    until = time.process_time() + build_s
    while time.process_time() < until:
        sum(range(1000))
    return {"code": b"%d" % n * 5000}
open(f"{start}-{os.getpid()}", "w").close()
while not os.path.exists(start):
    time.sleep(0.001)
started = time.time()
for n in range(keys):
    found = keep.get_or_build("tables", "sample", {"n": n}, lambda: build(n))
    assert found.blobs["code"] == b"%d" % n * 5000
print(started, time.time(), keep.flush())
"""


def building(folder: str) -> list[Row]:
    """Hosts have keeps of their own, and each its own path to the shared folder."""
    alone, builds_alone = run_workers(folder, "alone", 1, 1)
    together, builds = run_workers(folder, "together", HOSTS, WORKERS)
    return [
        Row(
            f"{WORKERS} workers on {HOSTS} hosts, {KEYS} keys cold: builds",
            str(builds),
            f"{builds_alone} (one worker)",
            "",
            f"{KEYS}",
            reached=builds == KEYS,
        ),
        Row(
            "the same: wall time until the last has all",
            f"{together:.2f} s",
            f"{alone:.2f} s (one worker)",
            f"{together / alone:.2f} times",
            "at most 1.3",
            reached=together <= 1.3 * alone,
        ),
    ]


def run_workers(folder: str, label: str, hosts: int, workers: int) -> tuple[float, int]:
    make_user(folder, label)
    home = os.path.join(folder, label)
    shared, log = os.path.join(home, "shared"), os.path.join(home, "log")
    start = os.path.join(home, "start")
    os.mkdir(shared)
    Path(log).touch()
    running = []
    for worker in range(workers):
        host = os.path.join(home, f"host {worker % hosts}")
        os.makedirs(host, exist_ok=True)
        view = os.path.join(host, "view")
        with contextlib.suppress(FileExistsError):
            os.symlink(shared, view)
        words = json.dumps([host, view, KEYS, BUILD_S, start, log])
        command = [sys.executable, "-c", WORKER, words]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    while len(list(Path(home).glob("start-*"))) < workers:
        time.sleep(0.01)
    Path(start).touch()
    answers = [worker.communicate()[0].split() for worker in running]
    if any(worker.returncode for worker in running):
        raise SystemExit("a worker failed")
    seconds = max(float(words[1]) for words in answers) - min(float(words[0]) for words in answers)
    return seconds, len(Path(log).read_text().split())


def bundling(folder: str) -> list[Row]:
    """Contents are half like machine code, half noise; the floor is a copy of the keep, hashed."""
    make_user(folder, "bundling")
    keep = Keep(memory_size=0)
    chance = random.Random(1)
    words = [chance.randbytes(4) for _ in range(300)]
    for n in range(ENTRIES):
        content = b"".join(chance.choices(words, k=ENTRY_SIZE // 8)) + chance.randbytes(
            ENTRY_SIZE // 2
        )
        keep.get_or_build("generated", f"model {n % 50}", {"n": n}, lambda c=content: {"code": c})
    bundle, copy = os.path.join(folder, "lib.ek"), os.path.join(folder, "copy")
    keep_files = [f for f in Path(os.environ["EMBERKEEP_DIR"]).rglob("*") if f.is_file()]
    size = sum(file.stat().st_size for file in keep_files)

    def copied() -> None:
        shutil.rmtree(copy, ignore_errors=True)
        for file in keep_files:
            content = file.read_bytes()
            hashlib.sha256(content).hexdigest()
            target = Path(copy, *file.parts[-3:])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def out() -> None:
        run("export", bundle, "--name", "lib", "--version", "1")

    def into() -> None:
        root = os.path.join(folder, "imported")
        shutil.rmtree(root, ignore_errors=True)
        run("--root", root, "import", bundle)

    def listed() -> None:
        with open(bundle, "rb") as file:
            reader = BundleReader(file, judge_of(keep.settings, print).require_signer)
        assert len(reader.index.entries) == ENTRIES

    floor, exporting, importing = alternately([copied, out, into], 5)
    (listing,) = alternately([listed], 20)
    rows = [
        Row(
            f"{what} {size / 1e6:.0f} MB, {ENTRIES} kernels",
            f"{size / seconds / 1e6:.0f} MB/s",
            f"{size / floor / 1e6:.0f} MB/s (the keep copied and hashed)",
            f"{seconds / floor:.2f} times",
            "300 MB/s or the disk's",
            reached=size / seconds >= 300e6 or seconds <= floor,
        )
        for what, seconds in (("export", exporting), ("import", importing))
    ]
    return [
        *rows,
        Row(
            f"a bundle of {ENTRIES} kernels listed, signature checked",
            milliseconds(listing),
            "",
            f"{os.path.getsize(bundle) / 1e6:.0f} MB",
            "under 50 ms",
            reached=listing < 0.05,
        ),
    ]


def run(*words: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        code = main(list(words))
    if code:
        raise SystemExit(f"emberkeep {' '.join(words)} ended with {code}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        chosen = sys.argv[1:] or ["hitting", "building", "bundling"]
        rows = [row for name in chosen for row in globals()[name](place)]
    raise SystemExit(not show(rows))
