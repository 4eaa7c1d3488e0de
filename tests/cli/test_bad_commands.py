"""All commands with odd values at every place: one line, an exit code, and no traceback."""

import io
import os
import random
import sys

import pytest

from emberkeep import Keep
from emberkeep.cli import main
from emberkeep.cli.parser import build_parser

ODD = [
    "-1",
    "nan",
    "inf",
    "1e400",
    "zebra",
    "../../etc",
    "/",
    "-",
    "--",
    "--x",
    "/dev/null",
    "*",
    "?",
    "0",
    "99999999999999999999",
    "20270131",
    "1e3",
    "0x10",
    "é",
    "local",
    "shared",
    "empty.py",
    "junk.ek",
    "/nonexistent/x",
]
ODD += ["", " ", "x" * 5000, "a\0b", "\udcff", "new\nline", "\x1b[2J"]
GIVEN = {"export": ["--name", "n", "--version", "1"], "clear": ["--yes"]}
CODES = {0, 1, 2, 3, 4}
VERIFY = set(range(8))


def commands():
    """Every place of every command, with every odd value."""
    parser = build_parser()
    for name, command in parser.commands.items():
        command.load()
        places = [action for action in command.listed if not action.option_strings]
        needed = [action for action in places if action.nargs not in ("?", "*")]
        usual = [
            action.choices[0] if action.choices else {"file": "empty.py"}.get(action.dest, "lorenz")
            for action in needed
        ]
        for odd in ODD:
            for index, action in enumerate(places):
                given = [*usual, odd] if action not in needed else list(usual)
                if action in needed:
                    given[index] = odd
                yield [name, *GIVEN.get(name, []), *given]
            for action in command.listed:
                if action.option_strings and action.nargs != 0:
                    flag = action.option_strings[-1]
                    yield [name, *GIVEN.get(name, []), *usual, f"{flag}={odd}"]


# A bundle on standard output is no text.
COMMANDS = [words for words in commands() if not (words[0] == "export" and "-" in words)]


@pytest.fixture
def place(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "keep"))
    monkeypatch.setenv("EMBERKEEP_SHARED", str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    (tmp_path / "empty.py").touch()
    (tmp_path / "junk.ek").write_bytes(b"junk")
    assert main(["key", "generate"]) == 0
    keep = Keep(memory_size=0)
    for kind in ("generated", "traces"):
        keep.get_or_build(kind, "lorenz", {"kind": kind}, lambda: {"code": b"1"})
    assert keep.flush()
    return tmp_path


@pytest.mark.filterwarnings("ignore:.*")
@pytest.mark.parametrize(
    "count", [100, pytest.param(len(COMMANDS), marks=[pytest.mark.soak, pytest.mark.timeout(900)])]
)
def test_every_bad_command_is_answered_in_words(place, monkeypatch, capsys, report, count):
    chosen = random.Random(16).sample(COMMANDS, count)
    failed = 0
    capsys.readouterr()
    for words in chosen:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        code = main(words)
        out, err = capsys.readouterr()
        assert code in (VERIFY if words[0] == "verify" else CODES), words
        if code > 1 and words[0] != "verify":  # whose code says what it has found
            failed += 1
            assert (out, bool(err.strip())) == ("", True), words
            lines = err.strip().split("\n")
            assert lines[-1].startswith("emberkeep"), (words, err)
            said = [line for line in lines if not line.startswith(("pull ", "push "))]  # progress
            assert len(said) == 1 or "usage:" in err, (words, err)
        assert "Traceback" not in err, words
        assert "\x1b" not in out + err
        assert (place / "junk.ek").read_bytes() == b"junk", words
    report(commands=count, refused=failed)
    assert not os.path.exists(place / "x")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status", "--layer="], "no folder"),
        (["status", "--layer=a\0b"], "no folder"),
        (["gc", "--kind=--"], "needs a value"),
        *(
            ([name, *words, "--layer", "shared"], f"`emberkeep {name}` looks at no layer")
            for name, *words in (
                ["build", "empty.py"],
                ["config"],
                ["doctor"],
                ["key", "list"],
                ["trust", "list"],
                ["zero-stats"],
            )
        ),
        (["push", "--layer=/"], "no folder"),
        (["pull", "zebra"], "Nothing is kept under 'zebra'"),
        (["push", "traces/lorentz"], "Did you mean 'traces/lorenz'?"),
        (["export", "a\0b", *GIVEN["export"]], "no name that a file can have"),
        (["export", "junk.ek", *GIVEN["export"]], "is no bundle, so it is not replaced"),
        (["export", "x.ek", "--name=", "--version=1"], "says nothing"),
        (["export", "x.ek", "--name=" + "x" * 5000, "--version=1"], "5000 characters"),
        (["key", "generate", "new\nline"], "no name for a key"),
        (["key", "list", "default"], "takes no name"),
        (["key", "show", "--reason", "x"], "--reason goes with `emberkeep key revoke`"),
        (["init", ""], "no folder"),
        (["trust", "list", "--for", "x"], "--for goes with `emberkeep trust add or require`"),
        (["trust", "restore", "0" * 64], "is not revoked as a key"),
        (["trust", "unpin", "0" * 64], "is not pinned"),
    ],
)
def test_what_was_wrong_is_said(place, capsys, words, said):
    capsys.readouterr()
    assert main(words) != 0
    out, err = capsys.readouterr()
    assert (out, said in err) == ("", True), err
    assert (place / "junk.ek").read_bytes() == b"junk"


@pytest.mark.parametrize(
    "odd",
    ["", " ", "gen*", "*/x", "generated/a*b", "generated/", "/x", "generated/x?", " generated"],
)
def test_what_covers_nothing_or_everything_is_no_namespace(place, capsys, odd):
    key = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
    capsys.readouterr()
    assert main(["trust", "add", key, "--name", "alice", "--for", odd]) == 2
    assert "Write KIND, KIND/NAME or KIND/NAM*" in capsys.readouterr().err
    for good in ("*", "generated", "generated/*", "generated/lor*", "a/b/c*"):
        assert main(["trust", "add", key, "--name", "alice", "--for", good]) == 0


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("20270131", "nor a date such as 2027-01-31"),
        ("2126-12-31", "within a hundred years"),
        ("99999d", "within a hundred years"),
        ("zebra", "neither a duration"),
        ("2020-01-01", "is over already"),
        ("0", "is over already"),
    ],
)
def test_trust_ends_when_somebody_can_have_meant(place, capsys, when, said):
    key = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
    assert main(["trust", "add", key, "--name", "alice", "--expires", when]) == 2
    assert said in capsys.readouterr().err


def test_gc_of_what_is_not_there_says_so(place, capsys):
    capsys.readouterr()
    assert main(["gc", "--kind", "genrated", "--dry-run"]) == 0
    assert "nothing here has the kind 'genrated'. Did you mean 'generated'?" in (
        capsys.readouterr().err
    )
