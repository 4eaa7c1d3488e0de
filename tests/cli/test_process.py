"""The command line as a process of its own."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import emberkeep
from emberkeep.cli.parser import COMMANDS, build_parser

EMBERKEEP = [sys.executable, "-m", "emberkeep"]


def run(*arguments, **keywords):
    return subprocess.run([*EMBERKEEP, *arguments], capture_output=True, text=True, **keywords)


def test_exit_codes_and_streams(shop):
    shop.build(x=1)
    done = run("status", "--root", shop.root, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["entries"] == 1
    done = run("show", "nobody", "--root", shop.root)
    assert (done.returncode, done.stdout) == (3, "")
    assert "Traceback" not in done.stderr
    assert run("nonsense").returncode == 2
    assert run("status", "--root", os.devnull).returncode == 4


def test_a_reader_that_goes_away_is_no_error(shop):
    for x in range(3):
        shop.build(x=x)
    script = f'{" ".join(EMBERKEEP)} ls --root "{shop.root}" | head -1; echo ${{PIPESTATUS[0]}}'
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.startswith("kind ")
    assert done.stdout.split()[-1] in ("0", "141")


def test_a_reader_that_is_gone_from_the_start(shop):
    shop.build(x=1)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*EMBERKEEP, "ls", "--root", shop.root], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_text_that_the_terminal_has_no_letters_for(shop):
    shop.build(name="ü→", x=1)
    done = run("ls", "--root", shop.root, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xfc\\u2192" in done.stdout


def test_a_start_is_light(shop):
    program = (
        "import sys\n"
        "from emberkeep.cli import main\n"
        "main(['status'])\n"
        "heavy = {'numpy', 'rich', 'json', 'dataclasses', 'inspect', 'typing', 'shutil'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stderr == "[]\n"


def test_loading_one_command_leaves_the_others_alone():
    program = (
        "import sys\n"
        "from emberkeep.cli import main\n"
        "main(['config'])\n"
        "print([n for n in sys.modules if n.startswith('emberkeep.cli.commands.')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "['emberkeep.cli.commands.config']"


# Completion -------------------------------------------------------------------------------------


def completed_by_bash(line):
    words = line.split(" ")
    script = run("completion", "bash").stdout + (
        f"\nCOMP_WORDS=({' '.join(repr(word) for word in words)})"
        f"\nCOMP_CWORD={len(words) - 1}\n_emberkeep\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")


@needs_bash
def test_bash_completes_every_command_and_option():
    assert set(COMMANDS) <= set(completed_by_bash("emberkeep "))
    parser = build_parser()
    for name, command in parser.commands.items():
        command.load()
        flags = {flag for action in command.listed for flag in action.option_strings}
        assert flags <= set(completed_by_bash(f"emberkeep {name} -")), name


@needs_bash
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("emberkeep st", ["status"]),
        ("emberkeep gc --max-", ["--max-size", "--max-age"]),
        ("emberkeep --root status ver", ["verify"]),
        ("emberkeep ls --format ", ["text", "json"]),
        ("emberkeep completion ", ["bash", "zsh", "fish", "words"]),
        ("emberkeep status ", ["-h", "--help", "--root", "--layer", "--format"]),
        ("emberkeep status --max", []),
        ("emberkeep build ", []),  # files are left to bash
    ],
)
def test_bash_completes_in_context(line, words):
    assert completed_by_bash(line) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_can_read(shell):
    script = run("completion", shell).stdout
    for name in COMMANDS:
        assert name in script
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("emberkeep stat", {"status"}),
        ("emberkeep gc --max", {"--max-size", "--max-age"}),
        ("emberkeep ls --format ", {"text", "json"}),
        ("emberkeep completion ", {"bash", "zsh", "fish", "words"}),
    ],
)
def test_fish_completes(line, words):
    script = run("completion", "fish").stdout + f"\ncomplete -C '{line}'\n"
    done = subprocess.run(["fish", "-c", script], capture_output=True, text=True)
    assert {row.split("\t")[0] for row in done.stdout.splitlines()} == words


def keep_two(folder, monkeypatch):
    """A user's table, and a kernel of emberkeep's own as its key has it."""
    monkeypatch.setenv("EMBERKEEP_DIR", str(folder))
    keep = emberkeep.Keep()
    own = "emberkeep.elimination.kernels.lanes.solve as solve"
    for kind, name, function in (("generated", "lorenz", "f"), ("generated", "solve", own)):
        keep.get_or_build(kind, name, {"function": function}, lambda: {"a": b"1"})


def test_what_is_kept_is_completed(tmp_path, monkeypatch):
    keep_two(tmp_path / "keep", monkeypatch)
    (tmp_path / "keep" / "tables" / "$(touch x)").mkdir(parents=True)
    (tmp_path / "keep" / "tables" / "$(touch x)" / f"{'0' * 64}-{'0' * 64}.json").touch()
    words = run("completion", "words").stdout.split()
    assert {"generated", "lorenz", "generated/lorenz", "solve"} <= set(words)
    assert not any("$" in word for word in words)
    for shell in ("bash", "zsh", "fish"):
        assert "emberkeep completion words" in run("completion", shell).stdout


@needs_bash
def test_bash_completes_kinds_and_names(tmp_path, monkeypatch):
    keep_two(tmp_path / "keep", monkeypatch)
    program = tmp_path / "bin" / "emberkeep"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m emberkeep "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    assert completed_by_bash("emberkeep show lor") == ["lorenz"]
    assert completed_by_bash("emberkeep ls generated/") == ["generated/lorenz", "generated/solve"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["stauts"], "status"),
        (["ls", "--fromat", "json"], "--format"),
        (["gc", "--max-sise=1GB"], "--max-size"),
        (["completion", "bahs"], "bash"),
        (["show", "lorentz"], "lorenz"),
        (["ls", "genrated"], "generated"),
    ],
)
def test_what_was_meant(given, meant, tmp_path, monkeypatch):
    keep_two(tmp_path / "keep", monkeypatch)
    done = run(*given)
    assert f"Did you mean {meant!r}?" in done.stdout + done.stderr


def test_own_kernels_are_shown_apart(tmp_path, monkeypatch):
    keep_two(tmp_path / "keep", monkeypatch)
    text = run("ls").stdout
    assert "lorenz" in text
    assert "solve" not in text
    assert "and 1 of emberkeep's own kernels" in text
    assert "solve" in run("ls", "--all").stdout
    assert "solve" in run("ls", "generated/solve").stdout
    found = json.loads(run("ls", "--format", "json").stdout)["entries"]
    assert {entry["name"]: entry["own"] for entry in found} == {"lorenz": False, "solve": True}
    assert "emberkeep's own kernels among them: 1" in run("status").stdout
    assert json.loads(run("status", "--format", "json").stdout)["own"] == 1
