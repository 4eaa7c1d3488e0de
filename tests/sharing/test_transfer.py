"""`push`, `pull` and `sync`: what is missing is brought, and nothing else is touched."""

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
from emberkeep.sharing import transfer
from emberkeep.startup_records import sha256
from emberkeep.store.directory import Directory
from emberkeep.store.layout import entry_name
from emberkeep.store.manifest import read_stamps
from emberkeep.store.manifest_writing import with_signatures
from emberkeep.testing import Dictionary, accept, kept

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
KINDS = ("tables", "traces")
NAMES = ("lorenz", "decay")


def content_of(kind, name, number, size=3000):
    return random.Random(f"{kind} {name} {number}").randbytes(size)


def fill(user, numbers, kinds=("tables",), names=("lorenz",), size=3000):
    """Build artifacts in a user's own keep; nothing is shared."""
    keep = user.keep(strategy="local", memory_size=0)
    for kind in kinds:
        for name in names:
            for number in numbers:
                content = content_of(kind, name, number, size)
                keep.get_or_build(
                    kind, name, {"n": number}, lambda content=content: {"code": content}
                )


def entries(root):
    """Kind, name and key of all that is kept in a folder."""
    found = set()
    for kind in (*KINDS, "generated"):
        for folder, _, names in os.walk(os.path.join(root, kind)):
            place = os.path.relpath(folder, root)
            found |= {f"{place}/{name}" for name in names if name.endswith(".json")}
    return found


def everything(*roots):
    """All files and folders with what would show that they were touched."""
    found = {}
    for root in roots:
        for folder, _, names in os.walk(root):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                facts = os.lstat(path)
                found[path] = (facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size)
    return found


def blobs(root):
    place = os.path.join(root, "blobs")
    return sorted(os.path.join(f, name) for f, _, names in os.walk(place) for name in names)


def assert_usable(user, numbers, kind="tables", name="lorenz", size=3000):
    """All is in the user's own keep, and right."""
    keep = user.keep(strategy="local", memory_size=0)
    for number in numbers:
        found = keep.get_or_build(kind, name, {"n": number}, refuse)
        assert dict(found.blobs) == {"code": content_of(kind, name, number, size)}


def refuse():
    pytest.fail("this should be kept")


@pytest.fixture
def say(capsys):
    """Run a command as JSON: exit code and answer."""

    def run(user, *words):
        capsys.readouterr()
        code = user.run(*words, "--format", "json")
        out, err = capsys.readouterr()
        assert err == "", err
        return code, json.loads(out)

    return run


@pytest.fixture(params=["one by one", "by listing"])
def looking(request, monkeypatch):
    """How it is told what is missing: few entries are looked at, for many all names are listed."""
    if request.param == "by listing":
        monkeypatch.setattr(transfer, "FEW", 0)


# What is brought -------------------------------------------------------------------------------


@pytest.mark.usefixtures("looking")
def test_push_and_pull_bring_just_what_is_missing(alice, bob, say):
    fill(alice, range(3))
    code, answer = say(alice, "push")
    assert (code, len(answer["push"]["brought"]), answer["push"]["present"]) == (0, 3, 0)
    fill(alice, range(5))
    untouched = everything(alice.shared)
    code, answer = say(alice, "push")
    assert (code, len(answer["push"]["brought"]), answer["push"]["present"]) == (0, 2, 3)
    assert answer["push"]["size_bytes"] == 2 * 3000
    now = everything(alice.shared)
    assert {path: now[path] for path in untouched if os.path.isfile(path)} == {
        path: facts for path, facts in untouched.items() if os.path.isfile(path)
    }
    assert entries(alice.shared) == entries(alice.root)
    fill(bob, [1])
    code, answer = say(bob, "pull")
    assert (code, len(answer["pull"]["brought"]), answer["pull"]["present"]) == (0, 4, 1)
    assert entries(bob.root) == entries(alice.root)
    assert_usable(bob, range(5))


@pytest.mark.usefixtures("looking")
def test_a_second_time_nothing_is_brought_and_nothing_changes(alice, bob, say):
    fill(alice, range(3))
    for user, verb in ((alice, "push"), (bob, "pull")):
        say(user, verb)
        before = everything(alice.root, alice.shared, bob.root)
        code, answer = say(user, verb)
        assert (code, answer[verb]["brought"], answer[verb]["present"]) == (0, [], 3)
        assert everything(alice.root, alice.shared, bob.root) == before


def test_where_all_is_there_names_of_the_source_are_all_that_is_listed():
    places = Dictionary("source"), Dictionary("target")
    source, target = (Directory(place, accept) for place in places)
    for number in range(transfer.FEW + 1):
        source.write(kept(name=f"n{number}"))
    assert len(transfer.transfer(source, target).brought) == transfer.FEW + 1

    class NamesAlone:
        """The source, of which nothing is asked but its layout, groups and names."""

        folder, label = None, "source"
        read, groups, names = places[0].read, places[0].groups, places[0].names

    found = transfer.transfer(Directory(NamesAlone(), accept), target)
    assert (list(found.brought), found.present) == ([], transfer.FEW + 1)
    lacking = sorted(map(entry_name, target.entries()))[7]
    places[1].remove(lacking)
    found = transfer.transfer(source, target)
    assert list(map(entry_name, found.brought)) == [lacking]
    assert found.present == transfer.FEW


@pytest.mark.parametrize(
    ("seconds", "size", "threads"),
    [(0.0, 100, {1}), (0.0, transfer.LARGE + 1, {2, 3, 4}), (0.03, 100, {2, 3, 4})],
    ids=["small", "large", "far away"],
)
def test_threads_are_for_places_far_away_and_for_large_contents(
    monkeypatch, seconds, size, threads
):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    source, target = (Directory(Dictionary(), accept) for _ in range(2))
    for number in range(4 * transfer.BATCH):
        source.write(kept(name=f"n{number}"))
    used = set()

    def bring(_source, _target, batch, *, dry_run):
        used.add(threading.get_ident())
        assert not dry_run
        begun = time.process_time()
        while time.process_time() - begun < 0.001:
            pass
        for _ in range(2 * transfer.BATCH if seconds else 0):
            time.sleep(seconds / transfer.BATCH)
        return [size] * len(batch.entries)

    monkeypatch.setattr(transfer, "_bring_together", bring)
    done = transfer.transfer(source, target)
    assert done.size_bytes == size * len(done.brought) == size * 4 * transfer.BATCH
    assert len(used) in threads


def test_a_machine_that_is_busy_is_no_place_that_is_far_away(monkeypatch):
    """Whoever waits for a processor did not give it away."""
    times = iter([(0.0, 0.0, 0.0), (9.0, 0.01, 3.0)])
    monkeypatch.setattr(transfer, "_clocks", lambda: next(times))
    monkeypatch.setattr(transfer, "MANY", 1)
    used = set()

    def bring(_source, _target, batch, *, dry_run):
        used.add(threading.get_ident())
        return [0 if dry_run else 1] * len(batch.entries)

    monkeypatch.setattr(transfer, "_bring_together", bring)
    source, target = (Directory(Dictionary(), accept) for _ in range(2))
    for number in range(4 * transfer.BATCH):
        source.write(kept(name=f"n{number}"))
    assert transfer.transfer(source, target).size_bytes == 4 * transfer.BATCH
    assert len(used) == 1


def forge(path, other):
    """Give a manifest the signature of another."""
    with open(path, "rb") as file:
        document = file.read()
    with open(other, "rb") as file:
        signatures = read_stamps(file.read()).signatures
    with open(path, "wb") as file:
        file.write(with_signatures(document, signatures))


@pytest.mark.parametrize("many", [1, 1000])
def test_what_strangers_and_forgers_sign_is_refused_whoever_checks_it(
    alice, bob, make_user, say, monkeypatch, many
):
    mallory = make_user("mallory")
    mallory.make_key()
    fill(mallory, range(3), names=["trap"])
    fill(alice, range(9))
    say(mallory, "push")
    say(alice, "push")
    one, other, *_ = sorted(each for each in entries(alice.shared) if "lorenz" in each)
    forge(os.path.join(alice.shared, one), os.path.join(alice.shared, other))
    monkeypatch.setattr(transfer, "BATCH", 2)
    monkeypatch.setattr(transfer, "FEW", 1)
    monkeypatch.setattr(transfer, "MANY", many)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    code, answer = say(bob, "pull")
    assert (code, len(answer["pull"]["brought"])) == (1, 8)
    reasons = [each["reason"] for each in answer["pull"]["refused"]]
    assert len(reasons) == 4
    assert sum("altered after it was signed" in reason for reason in reasons) == 1
    assert entries(bob.root) == {each for each in entries(alice.shared) if "lorenz" in each} - {one}


@pytest.mark.usefixtures("looking")
def test_sync_goes_both_ways(alice, bob, say):
    alice.trust(bob.make_key(), "bob")
    fill(alice, range(3))
    fill(bob, range(2, 6))
    assert say(alice, "sync")[0] == 0
    code, answer = say(bob, "sync")
    assert code == 0
    assert (len(answer["pull"]["brought"]), answer["pull"]["present"]) == (2, 1)
    # What was there when he came, and what he has from there, need not go there.
    assert (len(answer["push"]["brought"]), answer["push"]["present"]) == (3, 3)
    assert say(alice, "sync")[0] == 0
    assert entries(alice.root) == entries(bob.root) == entries(alice.shared)
    assert len(entries(alice.root)) == 6
    assert_usable(alice, range(6))
    assert_usable(bob, range(6))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tables"], {("tables", "lorenz"), ("tables", "decay")}),
        (["tables/decay"], {("tables", "decay")}),
        (["traces/lorenz"], {("traces", "lorenz")}),
        ([], {(kind, name) for kind in KINDS for name in NAMES}),
    ],
)
def test_filters_choose_kinds_and_names(alice, bob, say, words, expected):
    fill(alice, range(2), KINDS, NAMES)

    def found(root):
        return {tuple(place.split("/")[:2]) for place in entries(root)}

    assert say(alice, "push", *words)[0] == 0
    assert found(alice.shared) == expected
    say(alice, "push")
    assert say(bob, "pull", *words)[0] == 0
    assert found(bob.root) == expected


def test_sync_takes_filters_too(alice, bob, say):
    alice.trust(bob.make_key(), "bob")
    fill(alice, [1], KINDS)
    fill(bob, [2], KINDS)
    say(alice, "push")
    assert say(bob, "sync", "traces")[0] == 0
    assert len(entries(bob.root)) == 3
    assert len(entries(bob.shared)) == 3


@pytest.mark.parametrize("verb", ["push", "pull", "sync"])
def test_what_nothing_is_called_is_said_to_be_called_by_nothing(alice, verb, capsys):
    fill(alice, [1])
    alice.run("push")
    capsys.readouterr()
    assert alice.run(verb, "traces/lorenz") == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "Nothing is kept under 'traces/lorenz'" in err


def test_names_that_are_no_folder_names_go_like_all_others(alice, bob, say):
    odd = ["../../up", "con", "blobs", "a/b", "ü" * 300, "x" * 64, "new\nline", "-rf"]
    keep = alice.keep(strategy="local")
    for name in odd:
        keep.get_or_build("odd/kind", name, {}, lambda name=name: {"code": name.encode()})
    outside = everything(os.path.dirname(alice.root), os.path.dirname(alice.shared))
    code, answer = say(alice, "push")
    assert (code, len(answer["push"]["brought"])) == (0, len(odd))
    code, answer = say(bob, "pull")
    assert (code, len(answer["pull"]["brought"])) == (0, len(odd))
    bobs = bob.keep(strategy="local")
    for name in odd:
        found = bobs.get_or_build("odd/kind", name, {}, refuse)
        assert dict(found.blobs) == {"code": name.encode()}
    new = everything(os.path.dirname(alice.root), os.path.dirname(alice.shared)).keys() - outside
    meant = (alice.shared, alice.config, bob.root, bob.config)
    assert all(path.startswith(meant) for path in new), new


def test_a_folder_is_named_without_being_configured(alice, bob, say, tmp_path):
    place = tmp_path / "elsewhere"
    place.mkdir()
    fill(alice, range(2))
    assert say(alice, "push", "--layer", place)[0] == 0
    assert entries(alice.shared) == set()
    assert say(bob, "pull", "--layer", place)[0] == 0
    assert_usable(bob, range(2))


def test_people_are_told_how_many_went(alice, capsys):
    fill(alice, range(2))
    assert alice.run("push") == 0
    out, err = capsys.readouterr()
    assert "2 entries" in out
    assert "push" in err  # progress is no part of the answer


# Dry runs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["push", "pull", "sync"])
def test_a_dry_run_says_what_would_go_and_changes_nothing(alice, bob, say, tmp_path, verb):
    alice.trust(bob.make_key(), "bob")
    fill(alice, range(3))
    say(alice, "push")
    fill(bob, range(2, 6))
    before = everything(tmp_path)
    code, planned = say(bob, verb, "--dry-run")
    assert everything(tmp_path) == before
    assert (code, planned["dry_run"]) == (0, True)
    assert {way: len(planned[way]["brought"]) for way in ("pull", "push") if way in planned} == {
        way: size for way, size in (("pull", 2), ("push", 3)) if verb in (way, "sync")
    }
    code, done = say(bob, verb)
    assert (code, done["dry_run"]) == (0, False)
    for way in ("pull", "push"):
        for what in ("brought", "size_bytes", "refused"):
            assert planned.get(way, {}).get(what) == done.get(way, {}).get(what)


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_a_dry_run_does_not_promise_what_is_not_whole(alice, bob, say, verb, capsys):
    fill(alice, range(2))
    say(alice, "push")
    user, source = (bob, alice.shared) if verb == "pull" else (alice, alice.root)
    if verb == "push":
        shutil.rmtree(alice.shared)
        alice.run("init", alice.shared)
        capsys.readouterr()
    os.unlink(blobs(source)[0])
    code, planned = say(user, verb, "--dry-run")
    assert (code, len(planned[verb]["brought"]), len(planned[verb]["refused"])) == (1, 1, 1)


def test_a_dry_run_makes_no_keep(alice, bob, say, tmp_path):
    fill(alice, range(2))
    say(alice, "push")
    say(bob, "pull", "--dry-run")
    assert not os.path.exists(bob.root)


# Interrupted -----------------------------------------------------------------------------------


def start(words):
    command = [sys.executable, "-m", "emberkeep", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.soak)])
@pytest.mark.parametrize("verb", ["push", "pull"])
def test_killed_at_random_moments_it_goes_on_where_it_was(
    alice, bob, say, monkeypatch, report, verb, kills
):
    count, size = 60, 20_000
    chance = random.Random(kills)
    fill(alice, range(count), size=size)
    say(alice, "push")
    user, target = (bob, bob.root) if verb == "pull" else (alice, alice.shared)
    user.become()
    monkeypatch.setenv("EMBERKEEP_SHARED", alice.shared)
    left_something = went_on = 0
    shutil.rmtree(target, ignore_errors=True)
    places = os.path.join(user.config, "places")  # what was emptied here, was so on purpose
    for _ in range(kills):
        if len(blobs(target)) in (0, count):
            shutil.rmtree(target, ignore_errors=True)
            shutil.rmtree(places, ignore_errors=True)
            os.mkdir(target)
        before = len(blobs(target))
        wanted = before + chance.randrange(count - before + 1)
        process = start([verb])
        while len(blobs(target)) < wanted and process.poll() is None:
            time.sleep(0.0002)
        time.sleep(chance.uniform(0, 0.003))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        left_something += before < len(blobs(target)) < count
        went_on += bool(before)
        # Whatever is listed is whole, at any moment.
        code, answer = say(user, "verify", *(["--layer", "shared"] if verb == "push" else []))
        assert answer["counts"]["damaged"] == answer["counts"]["untrusted"] == 0
    code, answer = say(user, verb)
    assert code == 0
    assert len(answer[verb]["brought"]) + answer[verb]["present"] == count
    assert len(entries(target)) == len(blobs(target)) == count
    code, answer = say(user, verb)
    assert (answer[verb]["brought"], answer[verb]["present"]) == ([], count)
    say(bob, "pull")
    assert_usable(bob, range(count), size=size)
    assert left_something, "no kill came in the midst of a transfer"
    report(kills=kills, in_the_midst=left_something, gone_on=went_on)


# Damage ----------------------------------------------------------------------------------------


def manifest_of(root):
    (found,) = entries(root)
    return os.path.join(root, found)


def flip_manifest(root):
    path = manifest_of(root)
    with open(path, "r+b") as file:
        file.seek(40)
        letter = file.read(1)
        file.seek(40)
        file.write(bytes([letter[0] ^ 1]))


def cut_manifest(root):
    os.truncate(manifest_of(root), 100)


def empty_manifest(root):
    os.truncate(manifest_of(root), 0)


def lose_blob(root):
    os.unlink(*blobs(root))


def cut_blob(root):
    os.truncate(*blobs(root), 17)


def flip_blob(root):
    (path,) = blobs(root)
    with open(path, "r+b") as file:
        file.write(b"wrong")


DAMAGE = [flip_manifest, cut_manifest, empty_manifest, lose_blob, cut_blob]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("verb", ["push", "pull"])
def test_what_is_damaged_where_it_goes_is_replaced(alice, bob, say, verb, damage):
    fill(alice, [1])
    say(alice, "push")
    say(bob, "pull")
    user, target = (bob, bob.root) if verb == "pull" else (alice, alice.shared)
    damage(target)
    code, answer = say(user, verb)
    assert (code, len(answer[verb]["brought"])) == (0, 1)
    assert say(user, verb)[1][verb]["present"] == 1
    shutil.rmtree(bob.root)
    assert say(bob, "pull")[0] == 0
    assert_usable(bob, [1])


@pytest.mark.parametrize("damage", [*DAMAGE, flip_blob])
@pytest.mark.parametrize("verb", ["push", "pull"])
def test_what_is_damaged_where_it_comes_from_stays_there_and_is_told(alice, bob, say, verb, damage):
    fill(alice, [1])
    if verb == "pull":
        say(alice, "push")
    user, source, target = (
        (bob, alice.shared, bob.root) if verb == "pull" else (alice, alice.root, alice.shared)
    )
    damage(source)
    fill(alice, [2], names=["decay"])
    if verb == "pull":
        say(alice, "push", "tables/decay")
    code, answer = say(user, verb)
    assert code == 1
    (refused,) = answer[verb]["refused"]
    assert refused["entry"].startswith("tables/lorenz ")
    assert refused["reason"]
    assert len(answer[verb]["brought"]) == 1
    assert {place.split("/")[1] for place in entries(target)} == {"decay"}


def test_what_is_damaged_in_a_shared_folder_is_not_moved_by_those_who_pull(alice, bob, say):
    fill(alice, range(3))
    say(alice, "push")
    for path in blobs(alice.shared)[:2]:
        os.truncate(path, 5)
    before = everything(alice.shared)
    code, answer = say(bob, "pull")
    assert (code, len(answer["pull"]["refused"]), len(answer["pull"]["brought"])) == (1, 2, 1)
    assert everything(alice.shared) == before


def newer(document):
    """A manifest as a later emberkeep may write it, whole."""
    body = document[: document.rindex(b'"digest":')].replace(b'"format":1', b'"format":2', 1)
    digest = sha256(body).hexdigest()
    return body + f'"digest":"{digest}","seal":"{"0" * 64}"}}\n'.encode()


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_what_a_newer_emberkeep_has_put_there_stays_and_hinders_nobody(alice, bob, say, verb):
    fill(alice, [1])
    say(alice, "push")
    say(bob, "pull")
    user, target = (bob, bob.root) if verb == "pull" else (alice, alice.shared)
    path = manifest_of(target)
    with open(path, "rb") as file:
        document = newer(file.read())
    with open(path, "wb") as file:
        file.write(document)
    fill(alice, [2], names=["decay"])
    if verb == "pull":
        say(alice, "push", "tables/decay")
    code, answer = say(user, verb)
    (refused,) = answer[verb]["refused"]
    assert "newer format" in refused["reason"]
    assert (code, len(answer[verb]["brought"])) == (1, 1)
    with open(path, "rb") as file:
        assert file.read() == document


# Strangers -------------------------------------------------------------------------------------


def test_what_strangers_signed_is_refused_by_name_and_the_rest_comes(
    alice, bob, make_user, say, capsys
):
    mallory = make_user("mallory")
    public = mallory.make_key()
    fill(mallory, range(2), names=["trap"])
    say(mallory, "push")
    fill(alice, [1])
    say(alice, "push")
    code, answer = say(bob, "pull")
    assert (code, len(answer["pull"]["brought"])) == (1, 1)
    assert {each["entry"].split()[0] for each in answer["pull"]["refused"]} == {"tables/trap"}
    assert all(public in each["reason"] for each in answer["pull"]["refused"])
    assert {place.split("/")[1] for place in entries(bob.root)} == {"lorenz"}
    assert len(blobs(bob.root)) == 1
    capsys.readouterr()
    assert bob.run("pull") == 1
    assert f"tables/trap: untrusted: it is signed by {public}" in capsys.readouterr().out


def test_a_key_that_is_trusted_for_a_part_brings_that_part(alice, make_user, say):
    carol = make_user("carol")
    carol.trust(alice.public, "alice", ["tables/dec*"])
    fill(alice, [1], KINDS, NAMES)
    say(alice, "push")
    code, answer = say(carol, "pull")
    assert (code, len(answer["pull"]["brought"]), len(answer["pull"]["refused"])) == (1, 1, 3)
    assert {"/".join(place.split("/")[:2]) for place in entries(carol.root)} == {"tables/decay"}


def test_what_came_from_somebody_whose_trust_has_ended_is_not_passed_on(alice, bob, say, tmp_path):
    bob.make_key()
    fill(alice, [1])
    say(alice, "push")
    say(bob, "pull")
    assert bob.run("trust", "remove", "alice") == 0
    place = tmp_path / "elsewhere"
    place.mkdir()
    code, answer = say(bob, "push", "--layer", place)
    assert (code, answer["push"]["brought"], len(answer["push"]["refused"])) == (1, [], 1)
    assert entries(place) == set()


def test_what_somebody_else_signed_keeps_its_signature_wherever_it_goes(alice, bob, say, tmp_path):
    """Bob has no key: he can pass on what Alice has signed, and nothing of his own."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    fill(alice, [1])
    say(alice, "push")
    say(bob, "pull")
    assert say(bob, "push", "--layer", place)[0] == 0
    assert say(bob, "pull", "--layer", place)[0] == 0
    name = entries(place).pop()
    with open(os.path.join(place, name), "rb") as file:
        document = file.read()
    assert alice.public.encode() in document


def test_a_forged_seal_brings_nothing_out(alice, make_user, say, tmp_path):
    """Entries of somebody else's keep, copied into one's own, are nobody's."""
    mallory = make_user("mallory")
    fill(mallory, [1])
    alice.become()
    shutil.copytree(mallory.root, alice.root)
    code, answer = say(alice, "push")
    assert (code, answer["push"]["brought"], len(answer["push"]["refused"])) == (1, [], 1)
    assert entries(alice.shared) == set()


# Places that fail ------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_where_the_target_is_full_it_ends_with_4_and_goes_on_afterwards(
    alice, bob, say, monkeypatch, verb
):
    fill(alice, [1], size=2000)
    fill(alice, [2], names=["decay"], size=200_000)
    if verb == "pull":
        say(alice, "push")
        say(bob, "pull", "tables/lorenz")
    user, target = (bob, bob.root) if verb == "pull" else (alice, alice.shared)
    user.become()
    monkeypatch.setenv("EMBERKEEP_SHARED", alice.shared)
    program = os.path.join(PROGRAMS, "limited.py")
    command = [sys.executable, program, "50000", verb, "--format", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 4, ran.stderr
    assert ran.stderr.count("\n") == 1
    assert target in ran.stderr
    assert "File too large" in ran.stderr
    assert not os.listdir(os.path.join(target, "temporary"))
    assert not any("decay" in place for place in entries(target))
    assert say(user, verb)[0] == 0
    assert len(entries(target)) == 2
    if verb == "pull":
        assert_usable(bob, [2], name="decay", size=200_000)


def test_without_a_shared_place_it_is_a_matter_of_settings(alice, capsys):
    alice.become()
    for verb in ("push", "pull", "sync"):
        assert main([verb]) == 2
        assert "EMBERKEEP_SHARED" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["push", "pull", "sync"])
def test_a_folder_that_is_not_mounted_is_told_and_not_made(alice, capsys, tmp_path, verb):
    fill(alice, [1])
    assert alice.run(verb, "--layer", tmp_path / "missing") == 4
    assert "Mount it" in capsys.readouterr().err
    assert not os.path.exists(tmp_path / "missing")


def test_without_a_key_push_says_how_to_make_one(bob, capsys):
    fill(bob, [1])
    assert bob.run("push") == 4
    assert "emberkeep key generate" in capsys.readouterr().err
    assert entries(bob.shared) == set()


def test_a_place_that_is_only_read_is_not_pushed_to(alice, bob, capsys, monkeypatch, say):
    fill(alice, [1])
    say(alice, "push")
    fill(alice, [2])
    before = everything(alice.shared)
    alice.become()
    monkeypatch.setenv("EMBERKEEP_SHARED", f"{alice.shared}?read_only=1")
    for verb in ("push", "sync"):
        capsys.readouterr()
        assert main([verb]) == 4
        assert "only read" in capsys.readouterr().err
        assert everything(alice.shared) == before
    assert main(["push", "--dry-run"]) == 0
    assert main(["pull"]) == 0


@pytest.mark.parametrize("verb", ["pull", "sync"])
def test_a_keep_that_is_only_read_is_not_pulled_into(alice, bob, capsys, monkeypatch, say, verb):
    fill(alice, [1])
    say(alice, "push")
    monkeypatch.setenv("EMBERKEEP_READ_ONLY", "1")
    assert bob.run(verb) == 4
    assert "read_only is set by environment EMBERKEEP_READ_ONLY" in capsys.readouterr().err
    assert not os.path.exists(bob.root)
    assert bob.run("pull", "--dry-run") == 0


def test_what_was_not_published_in_haste_is_brought_later(alice, bob, say):
    """The remedy that warnings name."""
    keep = alice.keep(strategy="local")
    keep.get_or_build("tables", "lorenz", {"n": 1}, lambda: {"code": b"1"})
    assert not alice.keep().get_or_build("tables", "lorenz", {"n": 2}, lambda: {"code": b"2"}).hit
    say(alice, "push")
    bobs = bob.keep()
    for number in (1, 2):
        assert bobs.get_or_build("tables", "lorenz", {"n": number}, refuse).hit
