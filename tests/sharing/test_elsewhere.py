"""Whoever shares, shares in any place: every command, with a dictionary in place of the folder."""

import json

import pytest

from emberkeep.sharing import folder as sharing_folder
from emberkeep.store.object_store import Folder
from emberkeep.testing import Dictionary

CONTENT = {number: b"%d" % number * 300 for number in range(3)}


@pytest.fixture
def cloud(monkeypatch, shared):
    """What the shared place is, for everybody."""
    place = Dictionary(str(shared))
    monkeypatch.setattr(sharing_folder, "open_objects", lambda _: place)
    return place


@pytest.fixture
def say(capsys):
    def run(user, *words):
        capsys.readouterr()
        code = user.run(*words, "--format", "json")
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return run


def build(user, number, **settings):
    keep = user.keep(memory_size=0, **settings)
    found = keep.get_or_build("tables", "lorenz", {"n": number}, lambda: {"code": CONTENT[number]})
    assert keep.flush()
    return found


def manifests(cloud):
    return [name for name, _ in cloud.list("tables/")]


def test_what_one_builds_another_has(alice, bob, cloud):
    assert not build(alice, 1).hit
    assert len(manifests(cloud)) == 1
    found = build(bob, 1)
    assert found.hit
    assert found.blobs["code"] == CONTENT[1]


def test_push_and_pull(alice, bob, cloud, say):
    for number in CONTENT:
        build(alice, number, strategy="local")
    code, answer, _ = say(alice, "push")
    assert (code, len(answer["push"]["brought"])) == (0, 3)
    code, answer, _ = say(alice, "push")
    assert (code, answer["push"]["brought"], answer["push"]["present"]) == (0, [], 3)
    code, answer, _ = say(bob, "pull")
    assert (code, len(answer["pull"]["brought"])) == (0, 3)
    assert build(bob, 2, strategy="local").hit
    cloud.remove(manifests(cloud)[0])
    cloud.remove(next(name for name, _ in cloud.list("blobs/")))
    code, answer, _ = say(alice, "push")
    assert code == 0
    assert len(answer["push"]["brought"]) in (1, 2)
    assert say(bob, "verify", "--layer", "shared")[1]["counts"]["ok"] == 3


def test_looking_at_it(alice, bob, cloud, say):
    for number in CONTENT:
        build(alice, number)
    code, answer, _ = say(bob, "ls", "--layer", "shared")
    assert (code, [each["state"] for each in answer["entries"]]) == (0, ["ok"] * 3)
    key = answer["entries"][0]["key"]
    code, answer, _ = say(bob, "show", key, "--layer", "shared")
    assert (code, answer["signer"]) == (0, alice.public)
    code, answer, _ = say(bob, "status", "--layer", "shared")
    assert (code, answer["exists"], answer["entries"], answer["blobs"]) == (0, True, 3, 3)
    code, answer, _ = say(bob, "verify", "--layer", "shared")
    assert (code, answer["counts"]["ok"]) == (0, 3)
    cloud.write(next(name for name, _ in cloud.list("blobs/")), b"altered" * 99)
    code, answer, _ = say(bob, "verify", "--layer", "shared")
    assert (code, answer["counts"]["damaged"]) == (1, 1)
    code, answer, _ = say(bob, "doctor")
    checks = {each["name"]: each for each in answer["checks"]}
    assert checks[f"shared {bob.shared}"]["state"] == "ok"


def test_making_room_in_it(alice, cloud, say):
    for number in CONTENT:
        build(alice, number)
    code, answer, _ = say(alice, "pin", answer_key(say, alice), "--layer", "shared")
    assert code == 0
    code, answer, _ = say(alice, "gc", "--layer", "shared", "--max-size", "0", "--grace", "0")
    assert (code, answer["entries"], answer["pinned"]) == (0, 2, 1)
    assert len(manifests(cloud)) == 1
    code, answer, _ = say(alice, "clear", "tables", "--yes", "--pinned", "--layer", "shared")
    assert (code, answer["entries"]) == (0, 1)
    assert manifests(cloud) == []


def answer_key(say, user):
    return say(user, "ls", "--layer", "shared")[1]["entries"][0]["key"]


def test_bundles_from_it_and_into_it(alice, bob, cloud, say, tmp_path):
    for number in CONTENT:
        build(alice, number)
    bundle = tmp_path / "bundle.ember"
    named = ("--name", "lab", "--version", "1", "--layer", "shared")
    code, answer, said = say(alice, "export", bundle, *named)
    assert (code, len(list(manifests(cloud)))) == (0, 3), said
    code, answer, _ = say(bob, "import", bundle)
    assert code == 0, answer
    assert build(bob, 1, strategy="local").hit


def test_what_is_revoked_there_is_not_used(alice, bob, cloud, say):
    build(alice, 1)
    code, answer, _ = say(alice, "key", "revoke")
    assert code == 0, answer
    assert [name for name, _ in cloud.list("revoked/")] == [f"revoked/{alice.public}"]
    with pytest.warns(UserWarning, match="revoked by its owner"):
        assert not build(bob, 1, read_only=True).hit


def test_a_place_that_is_a_folder_is_one(shared, alice):
    opened = sharing_folder.open_objects(alice.keep().settings.shared[0])
    assert isinstance(opened.folder, Folder)
    assert opened.address("a") == f"{shared}/a"
