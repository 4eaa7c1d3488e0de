"""`make demo`: an expensive build cold, then warm in a new process, then with a changed number."""

import subprocess
import sys
import tempfile
from pathlib import Path

MODEL = Path(__file__).with_name("transitions.py")


def run(root: str, birth: str) -> float:
    """Run the model in a new process; the seconds it took to get its table."""
    figures = Path(root, "figures.txt")
    subprocess.run([sys.executable, MODEL, f"{root}/keep", birth, figures], check=True)
    return float(figures.read_text().split()[0])


def main() -> None:
    """Cold, warm, changed, and what the keep has to say about it."""
    with tempfile.TemporaryDirectory(prefix="emberkeep-demo-") as root:
        print("1. cold: nothing is kept yet", flush=True)
        cold = run(root, "1.5")
        print("\n2. warm: the same model in a new process", flush=True)
        warm = run(root, "1.5")
        print(f"   saved {cold - warm:.2f} s: {cold / warm:.0f} times faster", flush=True)
        print("\n3. changed: another birth rate is another table", flush=True)
        run(root, "1.6")
        for words in (["why", "birth-death"], ["status"]):
            print(f"\n$ emberkeep {' '.join(words)}", flush=True)
            command = [sys.executable, "-m", "emberkeep", "--root", f"{root}/keep", *words]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
