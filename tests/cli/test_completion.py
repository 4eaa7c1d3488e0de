"""Completion by the shells themselves: what is typed, a tab, and what then stands on the line."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest

from emberkeep.cli import main

# How each begins with nothing of its user's, and what it is told first.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PS1='> '; source ./script; "),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -u -D; PS1='> ' . ./script; "),
}
FILES = ("model.py", "library file.ek", "folder/inner.py", "folder/deeper/innermost.py")
LINES = [
    ("emberkeep build mo", ["emberkeep", "build", "model.py"]),
    ("emberkeep prewarm folder/in", ["emberkeep", "prewarm", "folder/inner.py"]),
    ("emberkeep import lib", ["emberkeep", "import", "library file.ek"]),
    (
        "emberkeep --root folder build --export lib",
        ["emberkeep", "--root", "folder", "build", "--export"] + ["library file.ek"],
    ),
    ("emberkeep ls --root folder/de", ["emberkeep", "ls", "--root", "folder/deeper"]),
    ("emberkeep ls --layer sh", ["emberkeep", "ls", "--layer", "shared"]),
    ("emberkeep ls --layer fol", ["emberkeep", "ls", "--layer", "folder"]),
    ("emberkeep export library.ek gen", ["emberkeep", "export", "library.ek", "generated"]),
    ("emberkeep stat", ["emberkeep", "status"]),
    ("emberkeep trust rev", ["emberkeep", "trust", "revoke"]),
    ("emberkeep gc --dry", ["emberkeep", "gc", "--dry-run"]),
]


@pytest.fixture
def place(tmp_path, monkeypatch, capsys):
    """A folder with some files, where `emberkeep` says quickly what entries are called."""
    for name in FILES:
        (tmp_path / "place" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "place" / name).touch()
    program = tmp_path / "bin" / "emberkeep"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf 'generated\\ngenerated/lorenz\\nlorenz\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.chdir(tmp_path / "place")
    capsys.readouterr()
    return tmp_path / "place"


@pytest.fixture
def typed(place, capsys):
    """What a line has become by a tab, as words."""

    def type_in(shell, lines):
        assert main(["completion", shell]) == 0
        (place / "script").write_text(capsys.readouterr().out)
        command, prepare = SHELLS[shell]
        keyboard, screen = pty.openpty()
        out = place / "words"
        running = subprocess.Popen(command, stdin=screen, stdout=screen, stderr=screen)
        os.close(screen)
        try:
            # To the line's beginning, so that what stands there is shown in place of being run.
            show = "\x01printf '<%s>\\n' \x05 >> words\r"
            os.write(keyboard, f"{prepare}rm script\r".encode())
            wait(keyboard, lambda: not (place / "script").exists())
            found = []
            for line, words in lines:
                out.unlink(missing_ok=True)
                os.write(keyboard, f"{line}\t".encode())
                # bash lets go of a completion while more is typed.
                shown = bytearray()
                wait(keyboard, lambda s=shown, end=words[-1][-3:]: end.encode() in s, shown)
                os.write(keyboard, show.encode())
                wait(keyboard, lambda: out.exists() and out.read_text().endswith(">\n"))
                found.append([word[1:-1].rstrip("/") for word in out.read_text().splitlines()])
        finally:
            running.kill()
            running.wait()
            os.close(keyboard)
        return found

    return type_in


def wait(keyboard, until, shown=None):
    """Read what is shown, so that nobody waits for that, until something is so."""
    end = time.monotonic() + 20
    shown = bytearray() if shown is None else shown
    while not until():
        assert time.monotonic() < end, shown.decode("utf-8", "replace")
        if select.select([keyboard], [], [], 0.02)[0]:
            shown += os.read(keyboard, 65536)


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_tab_makes_of_a_line(typed, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    found = typed(shell, LINES)
    assert found == [words for _, words in LINES]


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish_offers_files_and_folders_and_what_is_kept(place, capsys):
    assert main(["completion", "fish"]) == 0
    lines = {
        "emberkeep build mo": {"model.py"},
        "emberkeep build folder/": {"folder/inner.py", "folder/deeper/"},
        "emberkeep build --export lib": {"library file.ek"},
        "emberkeep --root fol": {"folder/"},
        "emberkeep ls --layer sh": {"shared"},
        "emberkeep show gen": {"generated", "generated/lorenz"},
        "emberkeep status m": set(),
    }
    asked = "".join(f"complete -C '{line}'\necho ;\n" for line in lines)
    script = capsys.readouterr().out + asked
    done = subprocess.run(["fish", "--no-config"], input=script, capture_output=True, text=True)
    answers = done.stdout.split("\n\n")
    offered = [{row.split("\t")[0] for row in each.split("\n") if row} for each in answers]
    assert dict(zip(lines, offered, strict=False)) == lines, done.stderr
