"""Which entries, in which order, and how many; and what a layer's counts are."""

import json
import os
import time

import pytest

import emberkeep
from emberkeep.cli import main

DAY_S = 86_400


@pytest.fixture
def three(shop):
    """Entries that were used one, three and nine days ago, of other sizes."""
    for name, days, size in (("b", 1, 30), ("a", 3, 20), ("c", 9, 1000)):
        key = shop.build(name=name, content=bytes(size))
        shop.age(days * DAY_S, shop.path(key, name))
    return shop


def names(shop, *words):
    return [entry["name"] for entry in shop.json("ls", *words)["entries"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "abc"),
        (["--sort", "used"], "bac"),
        (["--sort", "size"], "cba"),
        (["--sort", "used", "--limit", "2"], "ba"),
        (["--limit", "7"], "abc"),
        (["--since", "2d"], "b"),
        (["--since", "100h", "--sort", "used"], "ba"),
        (["--since", "10"], "abc"),
        (["--since", "12h"], ""),
    ],
)
def test_ls_lists_which_and_how_many_and_in_which_order(three, words, expected):
    assert names(three, *words) == list(expected)


def test_a_day_begins_where_its_user_is(three):
    today = time.strftime("%Y-%m-%d", time.localtime(time.time() - 5 * DAY_S))
    assert names(three, "--since", today) == ["a", "b"]


def test_what_cost_most_comes_first(shop, monkeypatch):
    for name, cost in (("cheap", 0.0), ("dear", 0.03)):
        shop.keep.get_or_build(
            "tables", name, {}, lambda cost=cost: time.sleep(cost) or {"code": b"1"}
        )
    assert names(shop, "--sort", "cost") == ["dear", "cheap"]


def test_what_is_not_shown_is_counted(three):
    out = three.run("ls", "--limit", "1")[1]
    assert out.splitlines()[-1] == "and 2 more"
    assert three.run("ls", "--since", "1h")[1] == "Nothing is kept here.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "20270131"], "a date such as 2027-01-31"),
        (["--since", "zebra"], "a duration such as 2d"),
        (["--limit", "0"], "a number, 1 or more"),
        (["--limit", "-1"], "a number, 1 or more"),
        (["--limit", "1.5"], "a number, 1 or more"),
        (["--limit", "٣"], "a number, 1 or more"),
        (["--sort", "sise"], "Did you mean 'size'?"),
    ],
)
def test_mistakes(three, words, said):
    code, out, err = three.run("ls", *words)
    assert (code, out, said in err) == (2, "", True), err


@pytest.fixture
def sharing(tmp_path, monkeypatch, capsys):
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("EMBERKEEP_SHARED", str(shared))
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "keep"))
    assert main(["key", "generate"]) == 0
    keep = emberkeep.Keep(memory_size=0)
    for name in "ab":
        keep.get_or_build("tables", name, {}, lambda: {"code": b"1"})
    assert keep.flush()

    def say(*words):
        capsys.readouterr()
        code = main([*words, "--format", "json"])
        return code, json.loads(capsys.readouterr().out)

    say.root = str(tmp_path / "keep")
    say.shared = str(shared)
    return say


def test_what_was_used_lately_goes_alone(sharing, tmp_path):
    for folder, _, files in os.walk(os.path.join(sharing.root, "tables", "a")):
        for name in files:
            os.utime(os.path.join(folder, name), (time.time() - 5 * DAY_S,) * 2)
    other = tmp_path / "other"
    other.mkdir()
    code, answer = sharing("push", "--layer", str(other), "--since", "1d")
    assert (code, [each[:8] for each in answer["push"]["brought"]]) == (0, ["tables/b"])
    bundle = str(tmp_path / "b.ek")
    named = ["--name", "n", "--version", "1"]
    assert sharing("export", bundle, *named, "--since", "1d")[1]["entries"] == 1


def test_the_counts_of_a_layer_are_what_its_user_had_from_there(sharing, tmp_path, capsys):
    keep = emberkeep.Keep(tmp_path / "elsewhere", memory_size=0)
    assert keep.get_or_build("tables", "a", {}, dict).hit
    assert keep.get_or_build("tables", "a", {}, dict).hit
    keep._counts.flush()
    there = ["--root", str(tmp_path / "elsewhere"), "--layer", sharing.shared]
    code, status = sharing("status", *there)
    assert code == 0
    assert status["hits_by_layer"] == {f"shared {sharing.shared}": 1}
    assert (status["misses"], status["builds"], status["hit_rate"]) == (0, 0, None)
    assert status["entries"] == 2
    assert main(["status", *there]) == 0
    assert "each user counts their own" in capsys.readouterr().out
    assert main(["zero-stats", "--layer", "shared"]) == 2
    assert sharing("status", *there)[1]["hits"] == 1
