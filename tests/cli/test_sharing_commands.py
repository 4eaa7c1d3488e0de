"""Commands on a shared folder, and programs had in advance: `prewarm`, `build --export`."""

import importlib.util
import io
import itertools
import json
import os
import sys
import time

import pytest

from emberkeep.phasetype import ahead
from emberkeep.sharing.bundle.reader import BundleReader

_place = os.path.join(os.path.dirname(__file__), os.pardir, "sharing", "conftest.py")
_spec = importlib.util.spec_from_file_location("users_who_share", os.path.abspath(_place))
users = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(users)
shared, make_user, alice, bob = users.shared, users.make_user, users.alice, users.bob

HOUR_S = 3600.0


@pytest.fixture
def say(capsys):
    """Run a command as JSON: exit code, answer (None where there is none), what went wrong."""

    def run(user, *words):
        capsys.readouterr()
        code = user.run(*words, "--format", "json")
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return run


@pytest.fixture
def stocked(alice, say):
    """Three artifacts of Alice's in the shared folder."""
    keep = alice.keep(strategy="local")
    for number in range(3):
        keep.get_or_build(
            "tables", "lorenz", {"n": number}, lambda number=number: {"code": b"%d" % number * 99}
        )
    assert say(alice, "push")[0] == 0
    return alice


def files_below(root):
    return sorted(os.path.join(f, n) for f, _, names in os.walk(root) for n in names)


def manifests(root):
    return [path for path in files_below(os.path.join(root, "tables")) if path.endswith(".json")]


def blobs(root):
    return files_below(os.path.join(root, "blobs"))


def everything(root):
    found = {}
    for folder, _, names in os.walk(root):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            facts = os.lstat(path)
            found[path] = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
    return found


def without(found, path):
    return {place: facts for place, facts in found.items() if place != path}


def age(seconds, *paths):
    for path in paths:
        os.utime(path, (time.time() - seconds,) * 2)


def refuse():
    pytest.fail("this should be kept")


# Looking ---------------------------------------------------------------------------------------


def test_a_shared_folder_is_looked_at_like_one_s_own_keep(stocked, bob, say):
    before = everything(bob.shared)
    code, answer, _ = say(bob, "ls", "--layer", "shared")
    assert (code, len(answer["entries"]), answer["root"]) == (0, 3, bob.shared)
    assert {entry["state"] for entry in answer["entries"]} == {"ok"}
    key = answer["entries"][0]["key"]
    code, answer, _ = say(bob, "show", key, "--layer", "shared")
    assert (code, f"{answer['plan']}-{answer['build']}") == (0, key)
    assert answer["ingredients"]["plan"]["children"]
    code, answer, _ = say(bob, "why", key, "--layer", "shared")
    assert code == 0
    code, answer, _ = say(bob, "verify", "--layer", "shared")
    assert (code, answer["counts"]["ok"]) == (0, 3)
    code, answer, _ = say(bob, "status", "--layer", "shared")
    assert (code, answer["entries"], answer["root"]) == (0, 3, bob.shared)
    assert everything(bob.shared) == before
    assert not os.path.exists(bob.root)


def test_a_folder_may_be_named_in_place_of_the_configured_one(stocked, bob, say):
    bob.become()
    code, answer, _ = say(bob, "ls", "--layer", bob.shared)
    assert (code, len(answer["entries"])) == (0, 3)


def test_without_trust_entries_are_listed_as_what_they_are(stocked, make_user, say):
    carol = make_user("carol")
    _, answer, _ = say(carol, "ls", "--layer", "shared")
    assert {entry["state"] for entry in answer["entries"]} == {"untrusted"}
    code, answer, _ = say(carol, "verify", "--layer", "shared")
    assert (code, answer["counts"]["untrusted"]) == (2, 3)
    key = os.path.basename(manifests(stocked.shared)[0]).removesuffix(".json")
    code, _, said = say(carol, "show", key, "--layer", "shared")
    assert code == 4
    assert stocked.public in said


@pytest.mark.parametrize("verb", [["ls"], ["status"], ["verify"], ["gc", "--dry-run"]])
def test_a_layer_that_is_not_configured_is_a_matter_of_settings(alice, capsys, verb):
    alice.become()
    assert users.main([*verb, "--layer", "shared"]) == 2
    assert "--layer DIR" in capsys.readouterr().err


# Pins ------------------------------------------------------------------------------------------


def test_pins_in_a_shared_folder_hold_for_everybody(stocked, bob, say):
    key = os.path.basename(manifests(stocked.shared)[0]).removesuffix(".json")
    assert say(bob, "pin", key, "--layer", "shared")[0] == 0
    _, answer, _ = say(stocked, "ls", "--layer", "shared")
    assert [entry["key"] for entry in answer["entries"] if entry["pinned"]] == [key]
    age(2 * HOUR_S, *files_below(stocked.shared))
    code, answer, _ = say(stocked, "gc", "--layer", "shared", "--max-size", "0", "--grace", "0")
    assert (code, answer["entries"], answer["pinned"]) == (0, 2, 1)
    assert [os.path.basename(path) for path in manifests(stocked.shared)] == [f"{key}.json"]
    assert say(stocked, "unpin", key, "--layer", "shared")[0] == 0
    assert say(stocked, "status", "--layer", "shared")[1]["pinned"] == 0


def test_pins_in_a_shared_folder_can_be_read_by_those_who_may_read_the_folder(stocked, say):
    key = os.path.basename(manifests(stocked.shared)[0]).removesuffix(".json")
    assert say(stocked, "pin", key, "--layer", "shared")[0] == 0
    pins = os.path.join(stocked.shared, "pins")
    mode = os.stat(stocked.shared).st_mode
    assert {os.stat(folder).st_mode for folder, _, _ in os.walk(pins)} == {mode}
    assert {os.stat(path).st_mode & 0o777 for path in files_below(pins)} == {mode & 0o666}


# Making room -----------------------------------------------------------------------------------


def test_collecting_leaves_what_is_young_in_a_shared_folder(stocked, bob, say):
    old, *young = manifests(stocked.shared)
    age(2 * HOUR_S, old)
    before = everything(bob.shared)
    words = ["gc", "--layer", "shared", "--max-size", "0"]
    code, answer, _ = say(bob, *words, "--dry-run")
    assert (code, answer["entries"], answer["young"]) == (0, 1, 2)
    asked = os.path.join(bob.shared, "format")  # what the time is, by the clock of the folder
    assert without(everything(bob.shared), asked) == without(before, asked)
    code, answer, _ = say(bob, *words)
    assert (code, answer["entries"], answer["root"]) == (0, 1, bob.shared)
    assert manifests(bob.shared) == young
    assert len(blobs(bob.shared)) == 3, "a blob that was written a moment ago was removed"
    assert say(bob, "verify", "--layer", "shared")[1]["counts"]["damaged"] == 0
    assert not os.path.exists(bob.root)


def test_collecting_in_a_shared_folder_leaves_what_a_newer_emberkeep_has_there(stocked, bob, say):
    from emberkeep.startup_records import sha256

    path = manifests(stocked.shared)[0]
    with open(path, "rb") as file:
        document = file.read()
    body = document[: document.rindex(b'"digest":')].replace(b'"format":1', b'"format":2', 1)
    digest = sha256(body).hexdigest()
    with open(path, "wb") as file:
        file.write(body + f'"digest":"{digest}","seal":"{"0" * 64}"}}\n'.encode())
    age(2 * HOUR_S, *files_below(stocked.shared))
    code, answer, _ = say(bob, "gc", "--layer", "shared", "--max-size", "0", "--grace", "0")
    assert (code, answer["foreign"]) == (0, True)
    assert manifests(stocked.shared) == [path]
    assert len(blobs(stocked.shared)) == 3


def test_collecting_leaves_leases_that_others_hold(stocked, bob, say):
    from emberkeep.lease.file_slot import FileSlot
    from emberkeep.lease.shared import acquire_slot

    folder = os.path.join(stocked.shared, "leases")
    lease = acquire_slot(FileSlot(f"{folder}/{'0' * 64}.lease"), "", pytest.fail)
    try:
        assert say(bob, "gc", "--layer", "shared", "--max-size", "0")[0] == 0
        assert os.listdir(folder)
    finally:
        lease.release(succeeded=True)


def test_a_host_whose_clock_is_ahead_collects_nothing_that_is_young(stocked, bob, say, monkeypatch):
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3 * HOUR_S)
    say(bob, "gc", "--layer", "shared", "--max-size", "0")
    assert len(manifests(stocked.shared)) == 3


def test_clearing_a_shared_folder_asks_and_leaves_one_s_own_keep_alone(stocked, say, capsys):
    code, _, said = say(stocked, "clear", "--layer", "shared")
    assert code == 2
    assert "--yes" in said
    code, answer, _ = say(stocked, "clear", "tables/lorenz", "--layer", "shared", "--yes")
    assert (code, answer["entries"]) == (0, 3)
    assert manifests(stocked.shared) == []
    assert len(manifests(stocked.root)) == 3
    assert say(stocked, "push")[0] == 0
    assert len(manifests(stocked.shared)) == 3


@pytest.mark.parametrize("words", [["gc"], ["clear", "--yes"], ["repair"], ["pin", "lorenz"]])
def test_a_folder_that_is_only_read_is_not_changed(stocked, capsys, monkeypatch, words):
    age(2 * HOUR_S, *files_below(stocked.shared))
    before = everything(stocked.shared)
    stocked.become()
    monkeypatch.setenv("EMBERKEEP_SHARED", f"{stocked.shared}?read_only=1")
    assert users.main([*words, "--layer", "shared"]) == 4
    assert "only read" in capsys.readouterr().err
    assert everything(stocked.shared) == before


# Repair ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["manifest", "blob"])
def test_repair_leaves_damaged_files_of_others_where_they_are(stocked, bob, say, damage):
    path = (manifests if damage == "manifest" else blobs)(stocked.shared)[0]
    with open(path, "r+b") as file:
        file.write(b"wrong")
    before = everything(stocked.shared)
    code, answer, _ = say(bob, "repair", "--layer", "shared")
    assert (code, {action["action"] for action in answer["actions"]}) == (1, {"left alone"})
    assert everything(stocked.shared) == before
    # Whoever has it can replace it.
    if damage == "manifest":
        assert len(say(stocked, "push")[1]["push"]["brought"]) == 1
        assert say(bob, "verify", "--layer", "shared")[0] == 0


def test_repair_leaves_manifests_of_others_whose_contents_it_does_not_see(stocked, bob, say):
    """Over NFS, a client may be behind: what it does not see yet may be there."""
    os.unlink(blobs(stocked.shared)[0])
    code, _, _ = say(bob, "repair", "--layer", "shared")
    assert len(manifests(stocked.shared)) == 3
    assert code == 1


# Prewarm ---------------------------------------------------------------------------------------

MODEL = """
import emberkeep
from emberkeep import ode, phasetype

@emberkeep.kernel("float64[::1]")
def double(i, x):
    x[i] = 2 * x[i]

decay = ode.Solver(
    ode.System("dx = -k*x", {"x": 1.0}, {"k": 0.5}, name="decay"), method="rk4", target="cpu"
)

def next_states(state):
    return [((state[0] - 1,), float(state[0]))] if state[0] else []

death = phasetype.Graph.from_callback(next_states, [((4,), 1.0)], name="death")

if __name__ == "__main__":
    raise SystemExit("this is not run")
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "prewarmed_model.py"
    path.write_text(MODEL)
    yield path
    sys.modules.pop("prewarmed_model", None)


def test_a_program_is_built_once_and_fetched_by_all_others(alice, bob, say, model, monkeypatch):
    few = list(itertools.islice(ahead.kernels(), 2))  # of those that take the suite minutes
    monkeypatch.setattr(ahead, "kernels", lambda: iter(few))
    code, answer, said = say(alice, "prewarm", model)
    assert code == 0, said
    built = {(item["name"], item["signature"]): item for item in answer["kernels"]}
    assert set(built) > {  # and what emberkeep itself needs for graphs
        ("double", "float64[::1]"),
        ("decay", "states"),
        ("decay", "final"),
        ("death", "trace"),
    }
    assert all(item["kept"] for item in built.values())
    # What graphs are made with was built when the file was run.
    assert sum(item["built_s"] is None for item in built.values()) <= 2
    assert all(item["architecture"] in ("host", "any machine") for item in built.values())
    code, answer, _ = say(alice, "prewarm", model)
    assert code == 0
    assert all(item["built_s"] is None for item in answer["kernels"])
    # Bob's is another host: nothing of Alice's but the shared folder.
    code, answer, _ = say(bob, "prewarm", model)
    assert code == 0
    assert all(item["built_s"] is None for item in answer["kernels"])
    # What is saved does not change the kernel of a fixed step: the second one is in memory by then.
    reasons = {item["reason"] for item in answer["kernels"]} - {"kept in memory"}
    assert reasons == {f"kept in shared {bob.shared}"}
    assert {item["key"] for item in answer["kernels"]} == {item["key"] for item in built.values()}
    _, answer, _ = say(bob, "ls")
    assert len(answer["entries"]) == len({item["key"] for item in built.values()})
    code, answer, _ = say(bob, "prewarm", model)
    assert {item["reason"] for item in answer["kernels"]} - {"kept in memory"} == {"kept in local"}


@pytest.mark.parametrize(
    ("text", "expected", "said"),
    [
        ("x = 1\n", 2, "declares nothing to compile"),
        ("1 / 0\n", 2, "ZeroDivisionError"),
        (None, 2, "is no file"),
    ],
)
def test_what_cannot_be_prewarmed_is_told(alice, say, model, text, expected, said):
    if text is None:
        os.unlink(model)
    else:
        model.write_text(text)
    code, answer, error = say(alice, "prewarm", model)
    assert (code, answer) == (expected, None)
    assert said in error


def test_one_that_fails_does_not_keep_the_others_from_being_had(alice, say, model):
    model.write_text(
        "import emberkeep\n"
        "@emberkeep.kernel('float64[::1]')\ndef bad(i, x):\n    x[i] = nowhere\n"
        "@emberkeep.kernel('float64[::1]')\ndef good(i, x):\n    x[i] = 1\n"
    )
    code, answer, _ = say(alice, "prewarm", model)
    assert code == 1
    assert [item["kept"] for item in answer["kernels"]] == [False, True]
    assert len(files_below(os.path.join(alice.shared, "generated"))) == 1


def test_a_keep_that_is_only_read_is_not_prewarmed(alice, say, model, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_READ_ONLY", "1")
    code, _, said = say(alice, "prewarm", model)
    assert code == 4
    assert "EMBERKEEP_READ_ONLY" in said


# Build, and export -----------------------------------------------------------------------------

SMALL = """
import emberkeep

@emberkeep.kernel("float64[::1]")
def fill(i, x):
    x[i] = i
"""
NAMED = ("--name", "library", "--version", "1.0")


def index_of(path):
    with open(path, "rb") as file:
        return BundleReader(io.BytesIO(file.read()), lambda *_: None).index


def test_what_was_built_is_exported_and_nothing_else(alice, bob, say, model, tmp_path):
    alice.keep(strategy="local").get_or_build("tables", "other", {}, lambda: {"code": b"1"})
    model.write_text(SMALL)
    bundle = tmp_path / "library.ek"
    words = ["build", model, "--cpu", "x86-64-v2", "--cpu", "x86-64-v3", "--export", bundle, *NAMED]
    code, answer, _ = say(alice, *words)
    assert code == 0
    index = index_of(bundle)
    assert {f"{entry.plan}-{entry.build}" for entry in index.entries} == {
        item["key"] for item in answer["kernels"]
    }
    assert len(index.entries) == 2
    assert (index.name, index.version) == ("library", "1.0")
    # What was kept before goes too, and gives the same bundle.
    before = bundle.read_bytes()
    assert say(alice, *words)[0] == 0
    assert bundle.read_bytes() == before
    code, answer, _ = say(bob, "import", bundle)
    assert (code, len(answer["entries"])) == (0, 2)


def test_a_bundle_is_built_with_a_name_into_a_file(alice, say, model, capsys):
    model.write_text(SMALL)
    assert alice.run("build", model, "--export", "x.ek", "--name", "x") == 2
    assert alice.run("build", model, "--export", "x.ek", "--version", "1") == 2
    assert "--name and --version" in capsys.readouterr().err
    assert alice.run("build", model, "--export", "-", *NAMED) == 2
    assert "needs a file" in capsys.readouterr().err


def test_what_is_built_but_not_in_the_keep_is_told(alice, say, model, tmp_path):
    model.write_text(
        f"{SMALL}\nown = emberkeep.Keep({str(tmp_path / 'own')!r})\n"
        "@emberkeep.kernel('float64[::1]', keep=own)\ndef elsewhere(i, x):\n    x[i] = -i\n"
    )
    bundle = tmp_path / "library.ek"
    code, answer, said = say(alice, "build", model, "--export", bundle, *NAMED)
    assert code == 1
    assert all(item["kept"] for item in answer["kernels"])
    assert "elsewhere(float64[::1]) is not in the bundle" in said
    assert [entry.name for entry in index_of(bundle).entries] == ["fill"]


def test_without_a_key_what_was_built_is_kept_and_not_exported(bob, model, tmp_path, capsys):
    model.write_text(SMALL)
    bundle = tmp_path / "library.ek"
    bob.become()
    assert users.main(["build", str(model), "--export", str(bundle), *NAMED]) == 4
    assert "emberkeep key generate" in capsys.readouterr().err
    assert not bundle.exists()
    assert os.listdir(os.path.join(bob.root, "generated")) == ["fill"]


def test_an_address_that_nobody_serves_is_no_layer(alice, say):
    code, _, said = say(alice, "ls", "--layer", "s3://bucket/keep")
    assert code == 2
    assert "No place of the scheme 's3' is known" in said
