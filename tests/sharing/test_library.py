"""`export` and `import`: libraries go out and come in whole, and do no harm when they are evil."""

import importlib.util
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from emberkeep.cli import main
from emberkeep.errors import Unkeyable
from emberkeep.sharing.bundle.index import BundleEntry, BundleIndex, Member, arrange, canonical
from emberkeep.sharing.bundle.reader import BundleReader
from emberkeep.sharing.bundle.writer import write_bundle
from emberkeep.sharing.library import _Outgoing
from emberkeep.startup_records import replace, sha256
from emberkeep.store.manifest_writing import compose, signed
from emberkeep.store.protocol import BlobRef
from emberkeep.testing.samples import kept, tree, unsealed
from emberkeep.trust.signatures import load_key, manifest_message

FOLDER = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(FOLDER, "programs")
_spec = importlib.util.spec_from_file_location(
    "fuzz_bundle", os.path.join(FOLDER, "fuzz_bundle.py")
)
attacks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(attacks)
NAMED = ("--name", "library", "--version", "1.0")


def content_of(kind, name, number, size=3000):
    return random.Random(ascii(f"{kind} {name} {number}")).randbytes(size)


def fill(user, numbers, kind="tables", name="lorenz", size=3000):
    keep = user.keep(strategy="local", memory_size=0)
    for number in numbers:
        content = content_of(kind, name, number, size)
        keep.get_or_build(kind, name, {"n": number}, lambda content=content: {"code": content})


def assert_usable(user, numbers, kind="tables", name="lorenz", size=3000):
    keep = user.keep(strategy="local", memory_size=0)
    for number in numbers:
        found = keep.get_or_build(kind, name, {"n": number}, refuse)
        assert dict(found.blobs) == {"code": content_of(kind, name, number, size)}


def refuse():
    pytest.fail("this should be kept")


def files_below(*folders):
    return sorted(
        os.path.join(f, n) for root in folders for f, _, names in os.walk(root) for n in names
    )


def entries(root):
    """Manifests, by their place in a keep."""
    kept = [os.path.relpath(path, root) for path in files_below(root)]
    apart = ("pins/", "blobs/", "quarantine/", "temporary/")
    return {path for path in kept if path.endswith(".json") and not path.startswith(apart)}


def blobs(root):
    return files_below(os.path.join(root, "blobs"))


def everything(root):
    found = {}
    for folder, _, names in os.walk(root):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            facts = os.lstat(path)
            found[path] = (facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size)
    return found


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)
    return path


@pytest.fixture
def say(capsys):
    """Run a command as JSON: exit code, answer (None where there is none), what went wrong."""

    def run(user, *words):
        capsys.readouterr()
        code = user.run(*words, "--format", "json")
        out, err = capsys.readouterr()
        assert err.count("\n") <= 1, err
        return code, json.loads(out) if out else None, err

    return run


@pytest.fixture
def library(alice, tmp_path):
    """Six artifacts of Alice's, of two kinds, exported."""
    fill(alice, range(3))
    fill(alice, range(2), name="decay")
    fill(alice, [7], kind="traces", name="kingman")
    path = str(tmp_path / "library.ek")
    assert alice.run("export", path, *NAMED) == 0
    return path


def members_of(path):
    """Index and contents of a bundle, whoever signed it."""
    with open(path, "rb") as file:
        reader = BundleReader(file, lambda *_: None)
        return reader.index, dict(reader.contents(attacks.Everything()))


# There and back --------------------------------------------------------------------------------


def test_what_was_exported_is_imported_and_used(alice, bob, say, library):
    code, answer, _ = say(bob, "import", library)
    assert (code, len(answer["entries"]), answer["present"], answer["refused"]) == (0, 6, 0, [])
    assert (answer["name"], answer["library_version"]) == ("library", "1.0")
    assert answer["signer"] == alice.public
    assert entries(bob.root) == entries(alice.root)
    assert_usable(bob, range(3))
    assert_usable(bob, range(2), name="decay")
    assert_usable(bob, [7], kind="traces", name="kingman")
    assert say(bob, "verify")[0] == 0


def test_the_answer_of_export_says_what_went(alice, say, tmp_path):
    fill(alice, range(2))
    path = str(tmp_path / "library.ek")
    words = (*NAMED, "--description", "for tests")
    code, answer, _ = say(alice, "export", path, *words)
    assert code == 0
    assert (answer["file"], answer["name"], answer["library_version"]) == (path, "library", "1.0")
    assert (answer["entries"], answer["refused"]) == (2, [])
    assert answer["stored_bytes"] == os.path.getsize(path)
    index, contents = members_of(path)
    assert answer["size_bytes"] == sum(map(len, contents.values()))
    assert index.description == "for tests"


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["tables"], 5),
        (["tables/decay"], 2),
        (["traces", "tables/lorenz"], 4),
        (["traces", "traces/kingman"], 1),
        ([], 6),
    ],
)
def test_a_part_is_exported_or_imported(alice, bob, say, library, tmp_path, words, count):
    part = str(tmp_path / "part.ek")
    code, answer, _ = say(alice, "export", part, *words, *NAMED)
    assert (code, answer["entries"]) == (0, count)
    index, contents = members_of(part)
    assert len(index.entries) == count
    assert len(contents) == 2 * count
    code, answer, _ = say(bob, "import", library, *words)
    assert (code, len(answer["entries"])) == (0, count)
    assert len(entries(bob.root)) == len(blobs(bob.root)) == count
    code, answer, _ = say(bob, "import", library)
    assert (code, len(answer["entries"]), answer["present"]) == (0, 6 - count, count)


@pytest.mark.parametrize("words", [["tabels"], ["tables", "tables/lorentz"]])
def test_a_part_that_is_not_there_is_told(alice, bob, say, library, tmp_path, words):
    before = read(library)
    for user, verb in ((alice, "export"), (bob, "import")):
        options = NAMED if verb == "export" else ()
        code, _, said = say(user, verb, library, *words, *options)
        assert code == 3
        assert words[-1] in said
    assert read(library) == before
    assert not os.path.exists(bob.root)


# argparse of earlier versions takes the empty selection before it sees the options.
def test_a_selection_may_stand_behind_the_options(alice, bob, say, library):
    """As the help and the documentation show it."""
    assert say(alice, "export", library, *NAMED, "--level", 3, "traces", "tables/decay")[0] == 0
    assert len(members_of(library)[0].entries) == 3
    assert say(bob, "import", library, "--no-pin", "traces")[0] == 0
    assert len(entries(bob.root)) == 1


def test_details_are_left_out_on_demand(alice, bob, tmp_path, say):
    secret = "a captured value"
    keep = alice.keep(strategy="local")
    keep.get_or_build("tables", "secret", {"n": secret}, lambda: {"code": b"1", "source": secret})
    paths = {}
    for option in ("--level=1", "--no-details"):
        paths[option] = str(tmp_path / option)
        assert say(alice, "export", paths[option], *NAMED, option)[0] == 0
    with_details, without = (
        any(secret.encode() in content for content in members_of(path)[1].values())
        for path in paths.values()
    )
    assert with_details
    assert not without
    assert say(bob, "import", paths["--no-details"])[0] == 0
    assert bob.keep().get_or_build("tables", "secret", {"n": secret}, refuse).hit
    assert not any(secret.encode() in read(path) for path in files_below(bob.root))


def test_a_higher_level_makes_a_smaller_file_of_the_same(alice, tmp_path, say):
    keep = alice.keep(strategy="local")
    text = b" ".join(b"%d" % (n * n) for n in range(20_000))
    keep.get_or_build("tables", "text", {}, lambda: {"code": text})
    sizes, held = [], []
    for level in (1, 19):
        path = str(tmp_path / f"{level}.ek")
        say(alice, "export", path, *NAMED, "--level", level)
        sizes.append(os.path.getsize(path))
        held.append(members_of(path))
    assert sizes[1] < sizes[0] < len(text)
    assert held[0] == held[1]
    for level in ("0", "20", "x"):
        assert alice.run("export", tmp_path / "x", *NAMED, "--level", level) == 2
    assert not os.path.exists(tmp_path / "x")


# The same content, the same bytes --------------------------------------------------------------


def test_the_same_content_gives_the_same_bytes(alice, library, tmp_path, say):
    again = str(tmp_path / "again.ek")
    time.sleep(0.01)
    for path in files_below(alice.root):
        os.utime(path)
    assert say(alice, "export", again, *NAMED)[0] == 0
    assert read(again) == read(library)
    assert say(alice, "export", again, "--name", "other", "--version", "1.0")[0] == 0
    assert read(again) != read(library)


def test_a_keep_that_got_it_by_a_bundle_exports_the_same_bytes(alice, library, tmp_path, say):
    again = str(tmp_path / "again.ek")
    other = str(tmp_path / "other keep")
    assert say(alice, "import", library, "--root", other)[0] == 0
    assert say(alice, "export", again, *NAMED, "--root", other)[0] == 0
    assert read(again) == read(library)


def test_a_keep_that_got_it_by_a_shared_folder_exports_the_same_bytes(
    alice, library, tmp_path, say
):
    again = str(tmp_path / "again.ek")
    other = str(tmp_path / "other keep")
    say(alice, "push")
    say(alice, "pull", "--root", other)
    assert say(alice, "export", again, *NAMED, "--root", other)[0] == 0
    assert read(again) == read(library)
    assert say(alice, "export", again, *NAMED, "--layer", "shared")[0] == 0
    assert read(again) == read(library)


# Pipes and files -------------------------------------------------------------------------------


def test_bundles_go_through_pipes(alice, bob, library, tmp_path):
    command = [sys.executable, "-m", "emberkeep"]
    alice.become()
    out = subprocess.run([*command, "export", "-", *NAMED], capture_output=True, check=False)
    assert out.returncode == 0, out.stderr
    assert out.stdout == read(library)
    bob.become()
    taken = subprocess.run(
        [*command, "import", "-", "traces", "--format", "json"],
        input=out.stdout,
        capture_output=True,
        check=False,
    )
    assert taken.returncode == 0, taken.stderr
    assert len(json.loads(taken.stdout)["entries"]) == 1
    assert_usable(bob, [7], kind="traces", name="kingman")


def test_named_pipes_are_read_and_written_as_such(alice, bob, library, tmp_path, say):
    """As shells make them: `emberkeep import <(curl …)`."""
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    came = []
    reader = threading.Thread(target=lambda: came.append(read(pipe)), daemon=True)
    reader.start()
    assert say(alice, "export", pipe, *NAMED)[0] == 0
    reader.join(10)
    assert came == [read(library)]
    writer = threading.Thread(target=lambda: write(pipe, came[0]), daemon=True)
    writer.start()
    code, answer, said = say(bob, "import", pipe)
    writer.join(10)
    assert (code, len(answer["entries"])) == (0, 6), said
    assert os.path.lexists(pipe)
    assert not os.path.isfile(pipe)


def test_what_is_left_out_of_a_pipe_is_told_beside_it(alice, library, capfdbinary):
    os.truncate(os.path.join(alice.root, min(entries(alice.root))), 10)
    capfdbinary.readouterr()
    assert alice.run("export", "-", *NAMED) == 1
    out, err = capfdbinary.readouterr()
    index, _ = contents_of(out)
    assert len(index.entries) == 5
    assert b"left out: tables/" in err


def contents_of(bundle):
    reader = BundleReader(io.BytesIO(bundle), lambda *_: None)
    return reader.index, dict(reader.contents(attacks.Everything()))


def test_a_file_that_is_there_is_replaced_once_the_new_one_is_whole(
    alice, library, say, tmp_path, monkeypatch
):
    before = read(library)
    path = blobs(alice.root)[3]
    content = read(path)
    write(path, b"wrong" + content[5:])
    code, answer, _ = say(alice, "export", library + "2", *NAMED)
    assert (code, answer["entries"]) == (1, 5)
    (refused,) = answer["refused"]
    assert refused["reason"].startswith("damaged: the blob 'code'")
    os.unlink(library + "2")
    write(path, content)
    fill(alice, [100])
    with monkeypatch.context() as patch:  # gone between being looked at and being written
        patch.setattr(_Outgoing, "_is_good", lambda *_: True)
        write(path, b"wrong" + content[5:])
        code, _, said = say(alice, "export", library, *NAMED)
    assert code == 4
    assert "emberkeep verify" in said
    assert read(library) == before
    write(path, content)
    assert say(alice, "export", library, *NAMED)[0] == 0
    assert len(members_of(library)[0].entries) == 7
    assert sorted(os.listdir(tmp_path)) == ["alice", "library.ek", "shared"]


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\ud800"])
@pytest.mark.parametrize("what", ["kind", "name"])
def test_what_no_bundle_can_name_is_refused_where_it_is_named(alice, what, name):
    named = {"kind": "tables", "name": "sample", what: name}
    for ask in (
        lambda keep: keep.get_or_build(**named, ingredients={}, build=refuse),
        lambda keep: keep.ask(**named, ingredients={}),
    ):
        with pytest.raises(Unkeyable, match=f"(?s)^{what}: .*Give it another"):
            ask(alice.keep())


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\ud800"])
@pytest.mark.parametrize("what", ["kind", "name"])
def test_what_was_kept_under_such_a_name_stops_nobody_else(
    alice, say, tmp_path, monkeypatch, what, name
):
    fill(alice, range(2))
    with monkeypatch.context() as patch:  # as emberkeep did before
        patch.setattr("emberkeep.keep.artifact.objection", lambda _: None)
        fill(alice, [3], **{what: name})
    code, answer, _ = say(alice, "export", str(tmp_path / "library.ek"), *NAMED)
    assert (code, answer["entries"]) == (1, 2)
    (refused,) = answer["refused"]
    assert refused["reason"].startswith("damaged" if len(name) > 4096 else f"its {what} has")


def test_what_is_not_whole_is_left_out_and_the_rest_goes(alice, say, library, tmp_path):
    manifest = os.path.join(alice.root, min(entries(alice.root)))
    with open(manifest, "r+b") as file:
        file.write(b"x")
    os.unlink(blobs(alice.root)[0])
    os.truncate(blobs(alice.root)[1], 5)
    code, answer, _ = say(alice, "export", library, *NAMED)
    assert code == 1
    assert 3 <= answer["entries"] <= 4  # the blobs may be those of the entry without a manifest
    assert answer["entries"] + len(answer["refused"]) == 6
    assert len(members_of(library)[0].entries) == answer["entries"]


def test_what_strangers_signed_is_left_out(alice, bob, say, library, tmp_path):
    bob.make_key()
    assert say(bob, "import", library)[0] == 0
    fill(bob, [9])
    assert bob.run("trust", "remove", "alice") == 0
    code, answer, _ = say(bob, "export", tmp_path / "bobs.ek", *NAMED)
    assert (code, answer["entries"], len(answer["refused"])) == (1, 1, 6)


def test_a_disk_that_is_full_is_told_and_leaves_nothing_behind(alice, say, library, tmp_path):
    before = read(library)
    fill(alice, range(50, 60), size=20_000)
    alice.become()
    program = os.path.join(PROGRAMS, "limited.py")
    command = [sys.executable, program, "100000", "export", library, *NAMED, "--format", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 4
    assert library in ran.stderr
    assert "File too large" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert read(library) == before
    assert sorted(os.listdir(tmp_path)) == ["alice", "library.ek", "shared"]


def test_without_anything_to_export_nothing_is_written(alice, bob, say, tmp_path):
    code, _, said = say(alice, "export", tmp_path / "x.ek", *NAMED)
    assert code == 4
    assert "nothing to export" in said
    fill(bob, [1])
    code, _, said = say(bob, "export", tmp_path / "x.ek", *NAMED)
    assert code == 4
    assert "emberkeep key generate" in said
    assert sorted(os.listdir(tmp_path)) == ["alice", "bob", "shared"]


def test_a_library_has_a_name_and_a_version(alice, capsys, tmp_path):
    fill(alice, [1])
    assert alice.run("export", tmp_path / "x.ek", "--name", "x") == 2
    assert alice.run("export", tmp_path / "x.ek", "--version", "1") == 2
    assert not os.path.exists(tmp_path / "x.ek")


def test_killed_at_random_moments_an_export_leaves_the_old_file(alice, library, tmp_path):
    before = read(library)
    fill(alice, range(50, 90), size=100_000)
    alice.become()
    command = [sys.executable, "-m", "emberkeep", "export", library, *NAMED, "--level", "19"]
    midway = 0
    for _ in range(3):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and not any(".ek." in name for name in os.listdir(tmp_path)):
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.02))
        midway += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert read(library) == before or len(members_of(library)[0].entries) == 46
    assert midway


# Importing -------------------------------------------------------------------------------------


def test_a_dry_run_lists_and_changes_nothing(bob, say, library, tmp_path):
    before = everything(tmp_path)
    code, answer, _ = say(bob, "import", library, "--dry-run")
    assert (code, len(answer["entries"])) == (0, 6)
    assert {(entry["kind"], entry["name"]) for entry in answer["entries"]} == {
        ("tables", "lorenz"),
        ("tables", "decay"),
        ("traces", "kingman"),
    }
    assert len(say(bob, "import", library, "traces", "--dry-run")[1]["entries"]) == 1
    assert everything(tmp_path) == before


def test_a_second_import_takes_nothing_and_changes_nothing(bob, say, library, tmp_path):
    say(bob, "import", library)
    before = everything(tmp_path)
    code, answer, _ = say(bob, "import", library)
    assert (code, answer["entries"], answer["present"]) == (0, [], 6)
    now = everything(tmp_path)
    assert {path: now[path] for path in now if path.startswith(bob.root)} == {
        path: before[path] for path in before if path.startswith(bob.root)
    }


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.soak)])
def test_killed_at_random_moments_an_import_goes_on_where_it_was(
    alice, bob, say, tmp_path, report, kills
):
    count, size = 60, 20_000
    fill(alice, range(count), size=size)
    path = str(tmp_path / "large.ek")
    say(alice, "export", path, *NAMED)
    bob.become()
    chance = random.Random(kills)
    midway = 0
    for _ in range(kills):
        if len(entries(bob.root)) in (0, count):
            shutil.rmtree(bob.root, ignore_errors=True)
        before = len(entries(bob.root))
        wanted = before + chance.randrange(count - before + 1)
        command = [sys.executable, "-m", "emberkeep", "import", path]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(entries(bob.root)) < wanted:
            time.sleep(0.0002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        midway += before < len(entries(bob.root)) < count
        _, answer, _ = say(bob, "verify")
        assert answer["counts"]["damaged"] == answer["counts"]["untrusted"] == 0
    code, answer, _ = say(bob, "import", path)
    assert (code, len(answer["entries"]) + answer["present"]) == (0, count)
    assert len(entries(bob.root)) == len(blobs(bob.root)) == count
    assert_usable(bob, range(count), size=size)
    assert midway, "no kill came in the midst of an import"
    report(kills=kills, midway=midway)


@pytest.mark.parametrize("damage", ["blob cut", "blob wrong", "blob gone", "manifest wrong"])
def test_what_is_damaged_here_is_replaced(bob, say, library, damage):
    say(bob, "import", library)
    path = (
        os.path.join(bob.root, min(entries(bob.root)))
        if damage == "manifest wrong"
        else blobs(bob.root)[0]
    )
    if damage.endswith("wrong"):
        write(path, b"wrong" + read(path)[5:])
    elif damage.endswith("cut"):
        os.truncate(path, 5)
    else:
        os.unlink(path)
    code, answer, _ = say(bob, "import", library)
    assert (code, len(answer["entries"]), answer["present"]) == (0, 1, 5)
    assert say(bob, "verify")[1]["counts"]["damaged"] == 0
    assert_usable(bob, range(3))


def test_a_bundle_that_is_cut_off_gives_what_was_whole(bob, say, library, tmp_path):
    whole = read(library)
    path = write(str(tmp_path / "cut.ek"), whole[: len(whole) * 2 // 3])
    code, _, said = say(bob, "import", path)
    assert code == 4
    assert "cut off" in said
    assert len(entries(bob.root)) < 6
    assert say(bob, "verify")[1]["counts"]["damaged"] == 0
    code, answer, _ = say(bob, "import", library)
    assert (code, len(answer["entries"]) + answer["present"]) == (0, 6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda whole: b"", "no bundle"),
        (lambda whole: b"PK\3\4" + whole, "no bundle"),
        (lambda whole: whole[:50], "cut off"),
        (lambda whole: whole.replace(b"bundle 1\n", b"bundle 2\n", 1), "Upgrade"),
        (lambda whole: whole[:300] + bytes([whole[300] ^ 1]) + whole[301:], "damaged"),
        (lambda whole: whole[:-30] + bytes([whole[-30] ^ 1]) + whole[-29:], "damaged"),
        (lambda whole: whole + b"\0", "damaged"),
        (lambda whole: whole[:30] + b"9" + whole[31:], ""),
    ],
)
def test_a_bundle_that_is_no_good_is_refused_in_one_line(bob, say, library, tmp_path, change, said):
    path = write(str(tmp_path / "wrong.ek"), change(read(library)))
    code, answer, error = say(bob, "import", path)
    assert (code, answer) == (4, None)
    assert said in error
    assert error.count("\n") == 1
    if os.path.exists(bob.root):
        assert say(bob, "verify")[1]["counts"]["damaged"] == 0


def test_what_is_no_file_is_told(bob, say, tmp_path):
    for path in (tmp_path / "missing.ek", tmp_path):
        code, _, said = say(bob, "import", path)
        assert code == 4
        assert str(path) in said


def test_a_stranger_s_bundle_is_not_opened_and_the_key_is_shown(alice, make_user, say, library):
    carol = make_user("carol")
    for words in ([], ["--dry-run"], ["traces"]):
        code, answer, said = say(carol, "import", library, *words)
        assert (code, answer) == (4, None)
        assert f"emberkeep trust add {alice.public}" in said
    assert not os.path.exists(carol.root)
    assert carol.run("trust", "add", alice.public, "--name", "alice") == 0
    assert say(carol, "import", library)[0] == 0


def test_a_key_that_is_trusted_for_a_part_brings_that_part(alice, make_user, say, library):
    carol = make_user("carol")
    carol.trust(alice.public, "alice", ["traces"])
    code, answer, _ = say(carol, "import", library)
    assert (code, len(answer["entries"]), len(answer["refused"])) == (1, 1, 5)
    assert len(entries(carol.root)) == len(blobs(carol.root)) == 1


def test_a_keep_that_is_only_read_takes_nothing(bob, say, library, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_READ_ONLY", "1")
    code, _, said = say(bob, "import", library)
    assert code == 4
    assert "only read" in said
    assert not os.path.exists(bob.root)
    assert say(bob, "import", library, "--dry-run")[0] == 0


def test_a_keep_on_a_full_disk_takes_what_fits(alice, bob, say, tmp_path):
    fill(alice, [1], size=200_000)
    path = str(tmp_path / "large.ek")
    say(alice, "export", path, *NAMED)
    bob.become()
    program = os.path.join(PROGRAMS, "limited.py")
    command = [sys.executable, program, "50000", "import", path, "--format", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 4
    assert bob.root in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not entries(bob.root)
    assert say(bob, "import", path)[0] == 0
    assert_usable(bob, [1], size=200_000)


def test_a_library_goes_into_a_shared_folder_for_all(alice, bob, say, library):
    """Somebody who trusts the signer fetches it from there."""
    assert say(alice, "import", library, "--layer", "shared")[0] == 0
    assert len(entries(alice.shared)) == 6
    keep = bob.keep()
    found = keep.get_or_build("traces", "kingman", {"n": 7}, refuse)
    assert found.reason == f"kept in shared {bob.shared}"


# Pins ------------------------------------------------------------------------------------------


def pinned(say, user):
    return say(user, "trust", "list")[1]["pinned"]


def builds_of(path):
    return {entry.build for entry in members_of(path)[0].entries}


def test_importing_lets_its_builds_run_here(alice, bob, say, library):
    assert pinned(say, bob) == {}
    say(bob, "import", library, "--dry-run")
    assert pinned(say, bob) == {}
    say(bob, "import", library)
    assert pinned(say, bob) == dict.fromkeys(builds_of(library), "library 1.0")


def test_it_need_not(bob, say, library):
    say(bob, "import", library, "--no-pin")
    assert pinned(say, bob) == {}
    # Who changes their mind imports it again.
    say(bob, "import", library)
    assert pinned(say, bob).keys() == builds_of(library)


def test_builds_of_what_is_refused_may_not_run(alice, make_user, say, library):
    carol = make_user("carol")
    carol.trust(alice.public, "alice", ["graphs"])
    assert say(carol, "import", library)[0] == 1
    assert pinned(say, carol) == {}


def test_an_import_that_was_killed_before_the_end_is_pinned_by_the_next(bob, say, library):
    """What it took is there already, and must run all the same."""
    assert say(bob, "import", library, "--no-pin")[0] == 0  # as after a kill
    code, answer, _ = say(bob, "import", library)
    assert (code, answer["present"]) == (0, 6)
    assert pinned(say, bob).keys() == builds_of(library)


# Evil, and signed by somebody whom the user trusts ---------------------------------------------


def key_of(user):
    return load_key(user.config, "default", None)


def artifact(key, kind="tables", name="evil", **changes):
    """An artifact's document, signed, and its contents by digest."""
    made = kept(kind, name, **changes)
    return sign(key, made.manifest), made


def sign(key, manifest):
    trees = {"plan": tree("ingredients", "plan"), "build": tree("toolchain", "build")}
    document = compose(manifest, trees, unsealed)
    return signed(document, key.public, lambda payload: key.sign(manifest_message(payload)))


def index_of(*artifacts, **changes):
    """An index and its contents, of documents with what was made."""
    listed, contents = [], {}
    for document, made in artifacts:
        held = {sha256(content).hexdigest(): content for content in made.blobs.values()}
        contents |= {sha256(document).hexdigest(): document, **held}
        key = made.manifest.key
        described = BundleEntry(
            key.kind, key.name, key.plan, key.build, sha256(document).hexdigest(), tuple(held)
        )
        listed.append(replace(described, changes))
    members = tuple(Member(digest, len(content)) for digest, content in contents.items())
    return BundleIndex("evil", "1", "", "0", tuple(listed), members), contents


def pack(path, key, index, contents):
    with open(path, "wb") as out:
        write_bundle(
            out, index, contents.__getitem__, lambda message: (key.public, key.sign(message))
        )
    return str(path)


EVIL_NAMES = [
    "../../x",
    "../../../../../../../../tmp/emberkeep-evil",
    "/tmp/emberkeep-evil",
    "/",
    ".",
    "..",
    "",
    "a/../../b",
    "..\\..\\x",
    "C:\\x",
    "con",
    "NUL.txt",
    "com1",
    "x" * 4096,
    "ü" * 2000,
    "new\nline\r\x1b[2J",
    "trailing. ",
    "-rf",
    "~root",
    "blobs",
    "format",
    "pins",
    "temporary",
    "quarantine",
    "x-0123456789abcdef",
    "\u202etxt.exe",
]


@pytest.mark.parametrize("what", ["kind", "name"])
def test_no_name_leads_out_of_the_keep(alice, bob, say, tmp_path, what):
    key = key_of(alice)
    evil = [
        artifact(key, **{what: name}, blobs={"code": name.encode() + b"!"}) for name in EVIL_NAMES
    ]
    path = pack(tmp_path / "evil.ek", key, *index_of(*evil))
    bob.become()
    before = everything(tmp_path)
    code, answer, said = say(bob, "import", path)
    assert (code, len(answer["entries"])) == (0, len(EVIL_NAMES)), said
    now = everything(tmp_path)
    new = now.keys() - before.keys()
    assert all(place.startswith((bob.root, bob.config)) for place in new), new
    assert not any(os.path.islink(place) for place in new)
    assert not os.path.exists("/tmp/emberkeep-evil")
    assert max(len(name) for place in new for name in place.split(os.sep)) < 200
    assert read(os.path.join(bob.root, "format")) == b"emberkeep 1\n"
    # They are entries like all others: shown without harm to a terminal, used, and removed.
    assert say(bob, "verify")[1]["counts"]["ok"] == len(EVIL_NAMES)
    assert bob.run("ls") == 0
    assert bob.run("import", path, "--dry-run") == 0
    for _, made in evil:
        from emberkeep.store.directory import Directory

        found = Directory(bob.root, lambda *_: None, heals=False).read(made.manifest.key)
        assert found.blobs == made.blobs
    assert bob.run("clear", "--yes") == 0
    assert entries(bob.root) == set()


def test_what_a_terminal_would_obey_is_shown_as_an_escape(alice, bob, tmp_path, capsys):
    key = key_of(alice)
    path = pack(tmp_path / "evil.ek", key, *index_of(artifact(key, name="a\x1b[2J\nb")))
    for words in (["--dry-run"], []):
        assert bob.run("import", path, *words) == 0
    assert bob.run("ls") == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\nb" not in out


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\ud800"])
@pytest.mark.parametrize("what", ["kind", "name"])
def test_names_that_nothing_has_are_refused(alice, bob, say, tmp_path, name, what):
    key = key_of(alice)
    index, contents = index_of(artifact(key))
    index = arrange(index)
    raw = canonical(replace(index, {"entries": (replace(index.entries[0], {what: name}),)}))
    pieces = [attacks.packed(contents[member.digest]) for member in index.members]
    bundle = attacks.craft(raw, pieces, lambda message: (key.public, key.sign(message)))
    path = write(str(tmp_path / "evil.ek"), bundle)
    code, answer, said = say(bob, "import", path)
    assert (code, answer) == (4, None)
    assert len(said) < 1000
    assert not os.path.exists(bob.root)


@pytest.mark.parametrize("field", ["kind", "name", "plan", "build"])
def test_a_manifest_of_something_else_than_the_index_says_is_not_taken(
    alice, bob, say, tmp_path, field
):
    key = key_of(alice)
    other = "0" * 64 if field in ("plan", "build") else "innocent"
    path = pack(tmp_path / "evil.ek", key, *index_of(artifact(key), **{field: other}))
    code, answer, said = say(bob, "import", path)
    assert code in (1, 4)
    assert "tables/evil" in (said or json.dumps(answer["refused"]))
    assert entries(bob.root) == set()


def test_a_manifest_that_names_other_contents_than_the_index_is_not_taken(
    alice, bob, say, tmp_path
):
    key = key_of(alice)
    document, made = artifact(key)
    other = kept(blobs={"code": b"something else"})
    path = pack(tmp_path / "evil.ek", key, *index_of((document, other), kind="tables", name="evil"))
    code, _, said = say(bob, "import", path)
    assert code in (1, 4), said
    assert entries(bob.root) == set()


@pytest.mark.parametrize("off", [-1, 1, 10**9])
def test_a_manifest_that_is_wrong_about_sizes_is_not_taken(alice, bob, say, tmp_path, off):
    """It could never be read: every look would find it damaged."""
    key = key_of(alice)
    made = kept(name="evil")
    (blob,) = made.manifest.blobs
    wrong = BlobRef(blob.role, blob.digest, blob.size_bytes + off)
    manifest = replace(made.manifest, {"blobs": (wrong,)})
    index, contents = index_of((sign(key, manifest), made))
    path = pack(tmp_path / "evil.ek", key, index, contents)
    code, _, said = say(bob, "import", path)
    assert code == 4
    assert "tables/evil" in said
    assert entries(bob.root) == set()


def test_a_manifest_of_a_newer_format_is_refused_and_the_rest_is_taken(alice, bob, say, tmp_path):
    key = key_of(alice)
    document, made = artifact(key)
    lines = document[: document.index(b'"signature":')].replace(b'"format":1', b'"format":2', 1)
    digest = sha256(lines).hexdigest()
    unsigned = lines + f'"digest":"{digest}","seal":"{"0" * 64}"}}\n'.encode()
    newer = signed(unsigned, key.public, lambda payload: key.sign(manifest_message(payload)))
    good = artifact(key, name="good", blobs={"code": b"good"})
    path = pack(tmp_path / "newer.ek", key, *index_of((newer, made), good))
    code, answer, _ = say(bob, "import", path)
    assert (code, len(answer["entries"]), len(answer["refused"])) == (1, 1, 1)
    assert "newer format" in json.dumps(answer["refused"])
    assert len(entries(bob.root)) == len(blobs(bob.root)) == 1


def test_what_a_newer_emberkeep_keeps_here_stays(alice, bob, say, library):
    say(bob, "import", library, "traces")
    (place,) = entries(bob.root)
    path = os.path.join(bob.root, place)
    document = read(path)
    lines = document[: document.rindex(b'"digest":')].replace(b'"format":1', b'"format":2', 1)
    digest = sha256(lines).hexdigest()
    newer = lines + f'"digest":"{digest}","seal":"{"0" * 64}"}}\n'.encode()
    write(path, newer)
    code, answer, _ = say(bob, "import", library)
    assert (code, len(answer["entries"]), len(answer["refused"])) == (1, 5, 1)
    assert "newer format" in json.dumps(answer["refused"])
    assert read(path) == newer


@pytest.mark.parametrize("document", [b"", b"{}", b"not json\n" * 100, b'{"manifest":{}}\n'])
def test_a_document_that_is_none_is_not_taken(alice, bob, say, tmp_path, document):
    key = key_of(alice)
    made = kept(name="evil")
    good = artifact(key, name="good", blobs={"code": b"good"})
    path = pack(tmp_path / "evil.ek", key, *index_of((document, made), good))
    code, answer, _ = say(bob, "import", path)
    assert (code, len(answer["entries"]), len(answer["refused"])) == (1, 1, 1)
    assert len(entries(bob.root)) == 1


def test_what_the_packer_took_from_strangers_is_refused_and_the_rest_is_taken(
    alice, bob, make_user, say, tmp_path
):
    mallory = make_user("mallory")
    mallory.make_key()
    theirs = key_of(mallory)
    key = key_of(alice)
    trap = artifact(theirs, name="trap", blobs={"code": b"trap"})
    good = artifact(key, name="good", blobs={"code": b"good"})
    path = pack(tmp_path / "mixed.ek", key, *index_of(trap, good))
    code, answer, _ = say(bob, "import", path)
    assert (code, [entry["name"] for entry in answer["entries"]]) == (1, ["good"])
    assert "tables/trap" in json.dumps(answer["refused"])
    assert theirs.public in json.dumps(answer["refused"])
    assert {place.split("/")[1] for place in entries(bob.root)} == {"good"}
    assert len(blobs(bob.root)) == 1, "contents of what was refused were written"
    code, answer, _ = say(bob, "import", path)
    assert (code, answer["present"], len(answer["refused"])) == (1, 1, 1)


def test_what_nobody_signed_or_somebody_altered_is_refused(alice, bob, say, tmp_path):
    key = key_of(alice)
    unsigned = kept(name="unsigned", blobs={"code": b"1"})
    document, made = artifact(key, name="altered", blobs={"code": b"2"})
    lines = document[: document.rindex(b'"digest":')].replace(b'"cost_s":1.5', b'"cost_s":2.5', 1)
    digest = sha256(lines).hexdigest()
    altered = lines + f'"digest":"{digest}","seal":"{"0" * 64}"}}\n'.encode()
    path = pack(
        tmp_path / "evil.ek", key, *index_of((unsigned.document, unsigned), (altered, made))
    )
    code, answer, _ = say(bob, "import", path)
    assert (code, answer["entries"], len(answer["refused"])) == (1, [], 2)
    said = json.dumps(answer["refused"])
    assert "nobody signed it" in said
    assert "altered" in said
    assert entries(bob.root) == set()


def test_a_content_that_two_share_comes_for_the_one_that_is_taken(
    alice, bob, make_user, say, tmp_path
):
    mallory = make_user("mallory")
    mallory.make_key()
    key = key_of(alice)
    both = {"code": b"the same"}
    trap = artifact(key_of(mallory), name="a trap", blobs=both)
    good = artifact(key, name="good", blobs=both)
    path = pack(tmp_path / "mixed.ek", key, *index_of(trap, good))
    code, answer, _ = say(bob, "import", path)
    assert (code, [entry["name"] for entry in answer["entries"]]) == (1, ["good"])
    assert say(bob, "verify")[0] == 0


def test_a_revoked_key_opens_nothing(alice, bob, say, library):
    assert bob.run("trust", "revoke", alice.public, "--reason", "leaked") == 0
    code, _, said = say(bob, "import", library)
    assert code == 4
    assert "leaked" in said
    assert not os.path.exists(bob.root)


def test_what_was_revoked_is_refused(alice, bob, say, library):
    index, _ = members_of(library)
    build = index.entries[0].build
    assert bob.run("trust", "revoke", build, "--what", "toolchain", "--reason", "bad") == 0
    code, answer, _ = say(bob, "import", library)
    assert (code, answer["entries"], len(answer["refused"])) == (1, [], 6)
    assert pinned(say, bob) == {}
    assert main(["trust", "restore", build, "--what", "toolchain"]) == 0
    assert say(bob, "import", library)[0] == 0
