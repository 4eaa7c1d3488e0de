"""An older emberkeep, this one and a newer one in one place: each leaves alone what is others'."""

import json
import subprocess
import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from emberkeep.store.manifest import NO_SEAL, TRAILER, TRAILER_BYTES

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "programs" / "ask_with_version.py"
OLD = "1996fad"  # the last commit before anything was shared
NUMBERS = list(range(10))
MORE = list(range(10, 20))


@pytest.fixture(scope="session")
def old_source(tmp_path_factory):
    """The folder that has the package of the old version."""
    folder = tmp_path_factory.mktemp("old")
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", OLD, "src"], capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip(f"the old version is not in this checkout: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return str(folder / "src")


@pytest.fixture
def start(request, tmp_path, surroundings):
    """Start a program with one of the versions; what it said comes by `finish`."""

    def start(version, user="alice", **orders):
        source = request.getfixturevalue("old_source") if version == "old" else str(ROOT / "src")
        environment = {
            **surroundings,
            "PYTHONPATH": source,
            "EMBERKEEP_CONFIG_DIR": str(tmp_path / user / "config"),
        }
        process = subprocess.Popen(
            [sys.executable, "-W", "error", PROGRAM, json.dumps(orders)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.source = source
        return process

    return start


def finish(process):
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints[-4000:]
    told = json.loads(said.splitlines()[-1])
    assert told.pop("version").startswith(process.source)
    return told


@pytest.fixture
def run(start):
    return lambda *arguments, **orders: finish(start(*arguments, **orders))


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "keep")


def artifacts(root):
    """All manifests and blobs: path → content."""
    return {
        path: path.read_bytes()
        for path in Path(root).rglob("*")
        if path.is_file() and "statistics" not in path.parts and path.name != "collected"
    }


def all_hits(numbers):
    return {"hits": len(numbers), "reasons": ["kept in local"], "warnings": []}


VERSIONS = pytest.mark.parametrize(("one", "other"), [("old", "new"), ("new", "old")])


@VERSIONS
def test_each_reads_what_the_other_has_kept(run, root, one, other):
    assert run(one, root=root, numbers=NUMBERS)["hits"] == 0
    before = artifacts(root)
    assert len(before) == len(NUMBERS) * 3 + 1  # a manifest, two blobs; the layout's version
    assert run(other, root=root, numbers=NUMBERS) == all_hits(NUMBERS)
    assert artifacts(root) == before
    assert run(other, root=root, numbers=MORE)["hits"] == 0
    assert run(one, root=root, numbers=NUMBERS + MORE) == all_hits(NUMBERS + MORE)


@pytest.fixture
def shared(tmp_path, run):
    """A shared folder; Bob trusts Alice, who has put something there."""
    folder = tmp_path / "shared"
    folder.mkdir()
    make_users(tmp_path)
    orders = {"root": str(tmp_path / "hers"), "numbers": NUMBERS, "shared": str(folder)}
    assert run("new", **orders)["warnings"] == []
    return str(folder)


def make_users(folder):
    from emberkeep.trust.edits import change_trust, with_entry
    from emberkeep.trust.signatures import generate
    from emberkeep.trust.trust_list import TrustedKey

    configs = [str(folder / user / "config") for user in ("alice", "bob")]
    public = [generate(config, "default", 0.0).public for config in configs]
    key = TrustedKey("alice", (), None, 0.0)
    change_trust(configs[1], lambda trust: with_entry(trust, "keys", public[0], key))


def test_the_old_one_reads_what_others_have_signed(run, root, shared):
    """It is in the keep of this user, under the user's own seal, with a line more at the end."""
    fetched = run("new", "bob", root=root, numbers=NUMBERS, shared=shared)
    assert fetched["reasons"] == [f"kept in shared {shared}"]
    before = artifacts(root)
    assert all(b'"signature":' in content for path, content in before.items() if is_json(path))
    assert run("old", "bob", root=root, numbers=NUMBERS) == all_hits(NUMBERS)
    assert run("old", "bob", words=["--root", root, "verify"])["status"] == 0
    assert run("old", "bob", words=["--root", root, "gc"])["status"] == 0
    assert artifacts(root) == before
    assert run("new", "bob", root=root, numbers=NUMBERS) == all_hits(NUMBERS)


def is_json(path):
    return path.suffix == ".json"


def test_what_the_old_one_has_built_can_be_shared(run, root, shared, tmp_path):
    run("old", root=root, numbers=MORE)
    assert run("new", words=["--root", root, "--layer", shared, "push"])["status"] == 0
    elsewhere = str(tmp_path / "elsewhere")
    fetched = run("new", "bob", root=elsewhere, numbers=MORE, shared=shared)
    assert fetched["reasons"] == [f"kept in shared {shared}"]


@VERSIONS
def test_repairing_and_making_room_takes_nothing_that_is_good(run, root, shared, one, other):
    """Of entries that are built here and signed elsewhere."""
    run("new", "bob", root=root, numbers=NUMBERS, shared=shared)
    for version in (one, other):
        run(version, "bob", root=root, numbers=MORE)
    before = artifacts(root)
    for version in (one, other):
        for words in (["verify"], ["repair"], ["gc"]):
            assert run(version, "bob", words=["--root", root, *words])["status"] == 0, words
        assert artifacts(root) == before
    assert run(one, "bob", words=["--root", root, "clear", "--yes"])["status"] == 0
    assert not [path for path in artifacts(root) if is_json(path)]
    assert run(other, "bob", root=root, numbers=NUMBERS)["hits"] == 0


def test_side_by_side_they_build_each_key_once(start, run, root, tmp_path, report):
    log = tmp_path / "log"
    orders = {"root": root, "numbers": list(range(40)), "log": str(log)}
    processes = [
        start(version, **orders, start_at=time.time() + 1.0) for version in ("old", "new") * 3
    ]
    told = [finish(process) for process in processes]
    assert Counter(log.read_text().split()) == {str(number): 1 for number in range(40)}
    assert not any(each["warnings"] for each in told)
    report(processes=len(told), builds=40, hits=sum(each["hits"] for each in told))


# A newer one --------------------------------------------------------------------------------------

FUTURE_BLOB = b"what only a newer one understands"


def of_the_future(document):
    """A document in a format that this version does not know."""
    body = document[:-TRAILER_BYTES].replace(b'"format":1', b'"format":2', 1)
    assert b'"format":2' in body
    return body + TRAILER % (sha256(body).hexdigest().encode(), NO_SEAL.encode())


COMMANDS = [
    ["ls"],
    ["status"],
    ["verify"],
    ["repair"],
    ["gc", "--max-size", "0", "--max-age", "0", "--grace", "0"],
    ["clear", "--yes", "--pinned"],
    ["push"],
    ["pull"],
    ["sync"],
]


def test_a_folder_that_a_newer_one_laid_out_is_left_as_it_is(run, shared, tmp_path):
    Path(shared, "format").write_bytes(b"emberkeep 2\n")
    before = artifacts(shared)
    mine = str(tmp_path / "mine")
    told = run("new", root=mine, numbers=NUMBERS[:2] + MORE[:2], shared=shared)
    assert told["hits"] == 0
    assert any("emberkeep 2" in text for text in told["warnings"])
    assert artifacts(shared) == before
    for words in COMMANDS:
        status = run("new", words=["--root", mine, "--layer", shared, *words])["status"]
        assert status != 0, words
        assert artifacts(shared) == before, words
    assert run("new", root=mine, numbers=NUMBERS[:2] + MORE[:2]) == all_hits(range(4))


def test_manifests_of_a_newer_format_are_left_as_they_are_with_all_blobs(run, shared, tmp_path):
    manifests = sorted(path for path in artifacts(shared) if is_json(path))
    future = manifests[: len(manifests) // 2]
    for path in future:
        path.write_bytes(of_the_future(path.read_bytes()))
    digest = sha256(FUTURE_BLOB).hexdigest()
    blob = Path(shared, "blobs", digest[:2], digest[2:])
    blob.parent.mkdir(exist_ok=True)
    blob.write_bytes(FUTURE_BLOB)
    before = artifacts(shared)
    mine = str(tmp_path / "mine")
    told = run("new", root=mine, numbers=NUMBERS, shared=shared)
    assert told["hits"] == len(NUMBERS) - len(future)
    assert any("format" in text for text in told["warnings"])
    assert artifacts(shared) == before, "what is published must not replace it"
    for words in COMMANDS:
        run("new", words=["--root", mine, "--layer", shared, *words])
        now = artifacts(shared)
        assert all(now.get(path) == before[path] for path in future), words
        assert all(now.get(path) == before[path] for path in before if "blobs" in path.parts), words
    assert blob.read_bytes() == FUTURE_BLOB
    told = run("new", root=str(tmp_path / "other"), numbers=NUMBERS, shared=shared)
    assert told["hits"] == len(NUMBERS) - len(future), "the rest was brought again"
    assert len(told["warnings"]) == 1
