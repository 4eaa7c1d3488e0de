"""`emberkeep clear` by what users call the kinds."""

import json

import pytest

import emberkeep
from emberkeep.cli import USAGE_ERROR, main
from emberkeep.xla import CacheManager

KINDS = ("generated", "tables", "traces", "xla")


@pytest.fixture
def clear(tmp_path, capsys):
    """Run `clear` on a keep with something of each kind; exit code, answer, what is left."""
    root = str(tmp_path / "keep")
    keep = emberkeep.Keep(root, memory_size=0)
    for kind in KINDS:
        keep.get_or_build(kind, "one", {}, lambda kind=kind: {"code": kind.encode()})

    def run(*words):
        code = main(["clear", *words, "--root", root, "--format", "json"])
        out, _ = capsys.readouterr()
        left = sorted(entry["kind"] for entry in CacheManager(keep).list())
        return code, json.loads(out) if out else None, left

    return run


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        (["--kernels"], {"generated"}),
        (["--traces"], {"traces"}),
        (["--xla"], {"xla"}),
        (["--xla", "--kernels", "--xla"], {"generated", "xla"}),
        (["--all"], set(KINDS)),
        (["--traces", "--all"], set(KINDS)),
        ([], set(KINDS)),
    ],
)
def test_parts_are_cleared_and_nothing_else(clear, words, gone):
    code, answer, left = clear(*words, "--yes")
    assert code == 0
    assert answer["entries"] == len(gone)
    assert left == sorted(set(KINDS) - gone)


def test_a_part_and_a_namespace_together_mean_nothing(clear):
    code, answer, left = clear("--xla", "traces", "--yes")
    assert (code, answer) == (USAGE_ERROR, None)
    assert left == sorted(KINDS)


def test_a_part_that_is_empty_is_cleared_already(clear):
    assert clear("--xla", "--yes")[1]["entries"] == 1
    code, answer, _ = clear("--xla")
    assert (code, answer["entries"]) == (0, 0)
