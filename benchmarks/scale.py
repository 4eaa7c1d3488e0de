"""A keep of many entries: each command beside a bare scan or copy of the same files.

    python benchmarks/scale.py [COUNT]

The floors are in the same run: `os.scandir` and `stat` of every file, reading and hashing them on
all cores, copying them with as many threads. What a command prints goes nowhere.
"""

import contextlib
import io
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from measuring import Row, milliseconds, show

from emberkeep.cli import main as emberkeep
from emberkeep.keys.fingerprint import branch
from emberkeep.store.layout import LAYOUT, blob_name, manifest_name
from emberkeep.store.manifest_writing import compose
from emberkeep.store.protocol import BlobRef, Key, Manifest
from emberkeep.trust.seals import Sealer

ENTRIES = 10_000
BLOB = 20_000
NAMES = 50
ALONE = "lorenz"
WORKERS = os.cpu_count() or 1
REPEATS = 3


def fill(root: str, config: str, count: int) -> None:
    """Entries of different ages, each with a blob of its own, written as plain files.

    The first has a name of its own.
    """
    sealer = Sealer(config, print)
    trees = {"plan": branch("ingredients", ()), "build": branch("ingredients", ())}
    now = time.time()
    os.makedirs(os.path.join(root, "temporary"), 0o700)
    with open(os.path.join(root, "format"), "wb") as file:
        file.write(LAYOUT)
    for index in range(count):
        content = os.urandom(BLOB)
        digest = sha256(content).hexdigest()
        key = Key(
            "generated", f"system{index % NAMES}" if index else ALONE, digest, trees["build"].digest
        )
        manifest = Manifest(key, (BlobRef("x", digest, BLOB),), None, 1.0, now, {})
        document = compose(manifest, trees, sealer.seal)
        for where, what in ((blob_name(digest), content), (manifest_name(key), document)):
            path = os.path.join(root, where)
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            with open(path, "wb") as file:
                file.write(what)
            os.utime(path, (now - 7200 - index, now - 7200 - index))


def scan(*roots: str) -> list[str]:
    """The floor of looking: every file's name and size, once."""
    found, folders = [], list(roots)
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    found.append(entry.path)
    return found


def in_parallel(work, items) -> None:
    size = max(1, len(items) // (8 * WORKERS))
    parts = [items[begin : begin + size] for begin in range(0, len(items), size)]
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda part: [work(item) for item in part], parts))


def hash_file(path: str) -> None:
    """The floor of checking."""
    with open(path, "rb") as file:
        sha256(file.read()).digest()


def read_and_hash(root: str) -> None:
    in_parallel(hash_file, scan(root))


def copy(root: str, target: str) -> None:
    """The floor of bringing: read, write under another name, rename."""
    paths = scan(root)
    for folder in {os.path.dirname(path) for path in paths}:
        os.makedirs(target + folder[len(root) :], exist_ok=True)

    def bring(path: str) -> None:
        with open(path, "rb") as file:
            content = file.read()
        draft = f"{target}/{os.path.basename(path)}.draft"
        with open(draft, "wb") as file:
            file.write(content)
        os.replace(draft, target + path[len(root) :])

    in_parallel(bring, paths)


def seconds(work) -> tuple[float, float]:
    """By the clock on the wall, and of all processors."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def command(*words: str) -> None:
    """A command in this process, as `emberkeep` runs it."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = emberkeep(list(words))
    if code:
        raise RuntimeError(f"emberkeep {' '.join(words)} ended with {code}: {out.getvalue()[:500]}")


def compared(measure: str, ours, floor, most: float, repeats: int = REPEATS) -> Row:
    """The median of ours beside that of the floor, taken in turn.

    What processors did is told too: where others work on the machine, it says more than the clock.
    """
    times = [(*seconds(ours), *seconds(floor)) for _ in range(repeats)]
    columns = [sorted(column)[repeats // 2] for column in zip(*times, strict=True)]
    mine, my_cpu, other, other_cpu = columns
    return Row(
        measure,
        milliseconds(mine),
        milliseconds(other),
        f"{mine / other:.2f} x, CPU {my_cpu / other_cpu:.2f} x",
        f"≤ {most} x",
        reached=mine <= most * other,
    )


def looking(root: str, small: str, count: int) -> list[Row]:
    """Commands that look at all entries, or at one."""
    rows = [
        compared("ls --all, first", lambda: command("ls", "--all"), lambda: scan(root), 3, 1),
        compared("ls --all", lambda: command("ls", "--all"), lambda: scan(root), 3),
        compared("status", lambda: command("status"), lambda: scan(root), 3),
        compared("gc, nothing to remove", lambda: command("gc"), lambda: scan(root), 3),
        compared("verify", lambda: command("verify"), lambda: read_and_hash(root), 1.3),
    ]
    rows.append(
        compared(
            f"show NAME among {count} entries, beside {NAMES}",
            lambda: command("--root", root, "show", ALONE),
            lambda: command("--root", small, "show", ALONE),
            1.5,
            9,
        )
    )
    return rows


def bringing(folder: str, root: str) -> list[Row]:
    """Push, pull, export and import, beside parallel copies of the same files."""
    # Each writes into a folder of its own, and nothing is removed on the way: file systems take
    # their time with what was just removed, and bill it to whoever writes next.
    shared, copied, copied_back, copied_again = (
        os.path.join(folder, name) for name in ("shared", "copied", "copied back", "copied again")
    )
    fresh, imported = os.path.join(folder, "fresh"), os.path.join(folder, "imported")
    os.mkdir(shared, 0o700)
    rows = [
        compared("push", lambda: command("push"), lambda: copy(root, copied), 1.5, 1),
        compared("push, nothing to do", lambda: command("push"), lambda: scan(root, shared), 1.5),
    ]
    pull = ("--root", fresh, "pull")
    rows += [
        compared("pull", lambda: command(*pull), lambda: copy(shared, copied_back), 1.5, 1),
        compared("pull, nothing to do", lambda: command(*pull), lambda: scan(fresh, shared), 1.5),
    ]
    bundle = os.path.join(folder, "all.ek")
    command("export", bundle, "--name", "all", "--version", "1")
    take = ("--root", imported, "import", bundle)
    rows.append(compared("import", lambda: command(*take), lambda: copy(root, copied_again), 3, 1))
    return rows


def main(count: int = ENTRIES) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        root, small = os.path.join(folder, "keep"), os.path.join(folder, "small")
        config = os.path.join(folder, "config")
        os.environ |= {
            "EMBERKEEP_CONFIG_DIR": config,
            "EMBERKEEP_DIR": root,
            "EMBERKEEP_SHARED": os.path.join(folder, "shared"),
        }
        fill(root, config, count)
        fill(small, config, NAMES)
        command("key", "generate")
        return [*looking(root, small, count), *bringing(folder, root)]


if __name__ == "__main__":
    raise SystemExit(not show(main(*map(int, sys.argv[1:]))))
