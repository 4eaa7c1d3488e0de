"""`make demo`: a sweep of differential equations, cold, then warm in a new process."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

MODEL = Path(__file__).with_name("sweep.py")


def run(root: str) -> tuple[float, str]:
    """Run the model in a new process; what its start cost, and a sum over its results."""
    figures = Path(root, "figures.txt")
    environ = {**os.environ, "EMBERKEEP_DIR": f"{root}/keep"}
    subprocess.run([sys.executable, MODEL, figures], check=True, env=environ)
    startup, total = figures.read_text().split(maxsplit=1)
    return float(startup), total


def main() -> None:
    """Cold, warm, and what the keep has to say about it."""
    with tempfile.TemporaryDirectory(prefix="emberkeep-demo-") as root:
        print("1. cold: nothing is kept yet", flush=True)
        cold, first = run(root)
        print("\n2. warm: the same model in a new process", flush=True)
        warm, second = run(root)
        print(f"   saved {cold - warm:.2f} s: {cold / warm:.0f} times faster to start")
        same = "the same" if first == second else "DIFFERENT"
        print(f"   results of both processes are {same}")
        for words in (["ls"], ["status"]):
            print(f"\n$ emberkeep {' '.join(words)}", flush=True)
            command = [sys.executable, "-m", "emberkeep", "--root", f"{root}/keep", *words]
            subprocess.run(command, check=True)
        if first != second:
            raise SystemExit("cold and warm runs gave different results")


if __name__ == "__main__":
    main()
