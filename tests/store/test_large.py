"""A large content is written, found again, read, checked and healed without being held twice."""

import json
import subprocess
import sys

PROGRAM = """
import json, os, resource, sys, warnings
warnings.simplefilter("ignore")
from emberkeep import Keep
root, size = sys.argv[1], int(sys.argv[2])

def content():
    return {"code": b"0123456789abcdef" * (size // 16)}

def peak_of(work):
    "How much memory a process takes for it, in contents."
    source, target = os.pipe()
    child = os.fork()
    if child == 0:
        work()
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / size
        os.write(target, b"%f" % used)
        os._exit(0)
    os.close(target)
    told = os.read(source, 100)
    os.waitpid(child, 0)
    return float(told)

def ask(number, **options):
    keep = Keep(root, **{"memory_size": 0, **options})
    found = keep.get_or_build("tables", "large", {"n": number}, content)
    assert len(found.blobs["code"]) == size

def damage():
    (path,) = [f"{d}/{n}" for d, _, names in os.walk(f"{root}/blobs") for n in names]
    with open(path, "r+b") as file:
        file.seek(1000)
        file.write(b"?")

peaks = {
    "nothing": peak_of(lambda: None),
    "build and write": peak_of(lambda: ask(1)),
    "write what is there": peak_of(lambda: ask(2)),
    "read": peak_of(lambda: ask(1)),
    "read into memory": peak_of(lambda: ask(1, memory_size="1GB")),
}
damage()
peaks["heal"] = peak_of(lambda: ask(1))
print(json.dumps(peaks))
"""
SIZE_BYTES = 96 << 20


def test_no_way_of_a_content_holds_it_twice(tmp_path, report):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "keep"), str(SIZE_BYTES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peaks = json.loads(done.stdout)
    base = peaks.pop("nothing")
    for way, peak in peaks.items():
        assert 0.9 < peak - base < 1.3, f"{way}: {peak - base:.2f} contents are held"
    report(
        **{
            f"percent_to_{way.replace(' ', '_')}": round(100 * (p - base))
            for way, p in peaks.items()
        }
    )
