"""Standard output that is closed, full, or read by nobody; and JSON that every reader takes."""

import errno
import io
import json
import math
import os
import subprocess
import sys

import pytest

from emberkeep.cli import BROKEN_PIPE, STORE_PROBLEM, USAGE_ERROR, main
from emberkeep.cli.text import as_json
from emberkeep.store.counts import read_totals

COMMANDS = [("ls",), ("status", "--format", "json"), ("--help",), ("gc", "--dry-run"), ("config",)]


class Failing(io.StringIO):
    """A stream on which each write, or only the flush, fails."""

    def __init__(self, code, *, at_once):
        super().__init__()
        self._code, self._at_once = code, at_once

    def write(self, text):
        if self._at_once:
            self._fail()
        return super().write(text)

    def flush(self):
        self._fail()

    def _fail(self):
        raise OSError(self._code, os.strerror(self._code))


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_full_disk_is_told_and_is_no_success(words, at_once, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Failing(errno.ENOSPC, at_once=at_once))
    assert main(words) == STORE_PROBLEM
    said = capsys.readouterr().err
    assert "The answer cannot be written to standard output: No space left" in said


@pytest.mark.parametrize("words", COMMANDS)
def test_a_reader_that_has_gone_away_is_told_by_the_code_alone(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Failing(errno.EPIPE, at_once=False))
    assert main(words) == BROKEN_PIPE
    assert not capsys.readouterr().err


@pytest.mark.parametrize("words", [*COMMANDS, ("export", "-", "--all")])
def test_a_closed_stream_is_told_and_is_no_success(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(words) in (USAGE_ERROR if "export" in words else STORE_PROBLEM, STORE_PROBLEM)
    assert sys.stdout is None
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("stream", [None, Failing(errno.ENOSPC, at_once=True)])
def test_where_errors_cannot_be_told_the_code_tells(stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream)
    assert main(["show", "nothing"]) == 3
    assert main(["--nonsense"]) == USAGE_ERROR
    assert main([]) == USAGE_ERROR


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no disk that is full here")
def test_nothing_is_said_at_exit():
    for words in ("ls", "--help"):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "emberkeep", words], stdout=full, stderr=-1, text=True
            )
        assert done.returncode == STORE_PROBLEM
        assert done.stderr.count("\n") == 1, done.stderr


def test_json_has_no_words_for_what_is_no_number():
    values = {"a": [math.nan, (math.inf, 1.5)], "b": {"c": -math.inf, "d": "x"}, "e": 10**400}
    text = as_json(values)
    read = json.loads(text, parse_constant=pytest.fail)
    assert read == {"a": [None, [None, 1.5]], "b": {"c": None, "d": "x"}, "e": 10**400}


@pytest.mark.parametrize("count", ["1\tnan", "1\tinf", "-1\t1.0", "9" * 4000 + "\t1", "1\t1e300"])
def test_counts_that_nobody_has_counted_are_left_out(tmp_path, count):
    folder = tmp_path / "statistics"
    folder.mkdir()
    (folder / "1.tsv").write_text(f"hit\ta\tb\t{count}\nhit\ta\tb\t2\t0.5\n")
    assert read_totals(str(tmp_path)) == {("hit", "a", "b"): (2, 0.5)}
