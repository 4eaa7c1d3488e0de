"""The commands that README and CONTRIBUTING name exist: make verbs, emberkeep subcommands."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def shell_lines(text: str) -> list[str]:
    """The lines of all fenced shell blocks."""
    blocks = re.findall(r"```(?:sh|console|bash)\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line and not line.startswith("#")]


def problem(line: str) -> str | None:
    """What is wrong with a command; None where it exists."""
    words = line.split()
    if words[0] == "make":
        check = ["make", "--dry-run", *words[1:2]]
    elif words[0] == "emberkeep":
        check = [sys.executable, "-m", "emberkeep", *words[1:2], "--help"]
    elif words[0] in ("pip", "git", "cd", "mkdir"):
        return None
    else:
        return f"is neither make, emberkeep, pip nor git: {line}"
    ran = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    return None if ran.returncode == 0 else f"{line}: {ran.stderr.strip()[:200]}"


def main() -> int:
    """Check every documented command; the number of those that fail."""
    lines = [
        line
        for name in ("README.md", "CONTRIBUTING.md")
        for line in shell_lines((ROOT / name).read_text())
    ]
    if not lines:
        print("no commands found: is the README's shell block gone?")
        return 1
    problems = [found for line in lines if (found := problem(line))]
    print(*problems, sep="\n") if problems else print(f"{len(lines)} documented commands exist")
    return len(problems)


if __name__ == "__main__":
    raise SystemExit(main())
