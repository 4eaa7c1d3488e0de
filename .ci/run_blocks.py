"""Run the Python of pages as printed: each page in one go, as its reader would.

All ```python blocks run; doctests too, since later blocks go on with their names (what they print
is looked at by `make docs`). A block that cannot run everywhere says so in the line before it:
<!-- fragment: why -->. Usage: run_blocks.py PAGE…
"""

import doctest
import os
import re
import sys
import tempfile
import time
from pathlib import Path

BLOCK = re.compile(
    r"^(?:<!-- fragment: (?P<why>[^\n]+) -->\n)?"
    r"```(?P<kind>python|\{doctest\}|\{testsetup\})\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


def run(page: Path) -> str:
    """Run a page; what there was to run."""
    text = page.read_text()
    with tempfile.TemporaryDirectory() as folder:
        names = {"__name__": "__main__", "os": os, "folder": folder}
        fragments = done = 0
        for block in BLOCK.finditer(text):
            if block["why"]:
                fragments += 1
                continue
            first = text.count("\n", 0, block.start("text"))
            if block["kind"] == "{testsetup}":  # its names alone: what is compiled is to be kept
                before = dict(os.environ)
                execute(block["text"], first, page, names)
                os.environ.clear()
                os.environ.update(before)
                continue
            if block["kind"] == "python":
                execute(block["text"], first, page, names)
            else:
                run_doctest(block["text"], first, page, names)
            done += 1
    return f"{done} blocks run, {fragments} fragments"


def run_doctest(text: str, first: int, page: Path, names: dict[str, object]) -> None:
    """Run the examples of a doctest; one that is to raise has to."""
    for example in doctest.DocTestParser().get_examples(text):
        try:
            execute(example.source, first + example.lineno, page, names)
        except Exception:
            if example.exc_msg is None:
                raise
        else:
            assert example.exc_msg is None, f"{page}: {example.source} raised nothing"


def execute(source: str, first: int, page: Path, names: dict[str, object]) -> None:
    """Run a block such that tracebacks name the lines of its page."""
    exec(compile("\n" * first + source, str(page), "exec"), names)  # noqa: S102 - pages are ours


def main() -> None:
    """Run each page that is named, each in names of its own."""
    for name in sys.argv[1:]:
        began = time.monotonic()
        print(f"{name}: {run(Path(name))}, {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
