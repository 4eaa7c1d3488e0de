"""A keep in a folder: its layout, the order of writing, and every fault that a disk can show."""

import json
import os
import random
import stat
import time
from hashlib import sha256

import pytest

from emberkeep.errors import StoreProblem
from emberkeep.store import directory as directory_module
from emberkeep.store import files, no_follow
from emberkeep.store.directory import Directory
from emberkeep.store.files import folder_name
from emberkeep.store.layout import LAYOUT, last_use
from emberkeep.store.manifest import SIZE_LIMIT, TRAILER, TRAILER_BYTES
from emberkeep.store.object_store import facts_of
from emberkeep.store.protocol import (
    ABSENT,
    DAMAGED,
    NEWER_FORMAT,
    UNREADABLE,
    UNTRUSTED,
    Entry,
    Kept,
    Miss,
)
from emberkeep.store.repair import repair
from emberkeep.testing import accept, kept
from emberkeep.trust.seals import OwnKeep, Sealer

BLOBS = {"code": b"some code", "table": bytes(3000), "empty": b""}
ELSEWHERE = 65534  # the user nobody


@pytest.fixture
def sealer(home):
    return Sealer(str(home / "config"), pytest.fail)


@pytest.fixture
def store(tmp_path, sealer):
    return Directory(str(tmp_path / "keep"), OwnKeep(sealer, None, pytest.fail).verify)


@pytest.fixture
def artifact(sealer):
    return kept(blobs=BLOBS, layout={"n": 1234}, seal=sealer.seal)


@pytest.fixture
def path(store, artifact):
    """The manifest of an artifact that was written."""
    store.write(artifact)
    return store.manifest_path(artifact.manifest.key)


def blob_path(store, role):
    return store.blob_path(sha256(BLOBS[role]).hexdigest())


def content_of(path):
    with open(path, "rb") as file:
        return file.read()


def overwrite(path, content):
    with open(path, "wb") as file:
        file.write(content)


def tree(root):
    """Everything below a folder that can change, access times aside."""
    found = {}
    for folder, _, names in os.walk(root):
        for each in (folder, *(os.path.join(folder, name) for name in names)):
            facts = os.lstat(each)
            content = content_of(each) if os.path.isfile(each) else None
            found[each] = (facts.st_mode, facts.st_uid, facts.st_ino, facts.st_mtime_ns, content)
    return found


def quarantined(store):
    folder = os.path.join(store.root, "quarantine")
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def reason(found):
    assert isinstance(found, Miss), found
    assert found.detail
    return found.reason


def heals(store, artifact):
    """Building again brings everything back."""
    store.write(artifact)
    return store.read(artifact.manifest.key) == artifact


# The layout -----------------------------------------------------------------------------------


def test_the_layout_is_as_documented(store, artifact, path):
    key = artifact.manifest.key
    expected = {
        "format": LAYOUT,
        f"tables/sample/{key.plan}-{key.build}.json": artifact.document,
    }
    for content in BLOBS.values():
        digest = sha256(content).hexdigest()
        expected[f"blobs/{digest[:2]}/{digest[2:]}"] = content
    found = {os.path.relpath(name, store.root): each[-1] for name, each in tree(store.root).items()}
    assert {name: content for name, content in found.items() if content is not None} == expected
    assert os.listdir(store.folder.temporary) == []


def test_only_the_user_can_look(store, artifact, path):
    for folder, _, names in os.walk(store.root):
        if folder in (store.root, store.folder.temporary, os.path.dirname(path)):
            assert os.stat(folder).st_mode & 0o777 == 0o700, folder
        for name in names:
            assert os.stat(os.path.join(folder, name)).st_mode & 0o777 == 0o600, name


def test_reading_an_empty_place_makes_nothing(store, artifact):
    assert reason(store.read(artifact.manifest.key)) == ABSENT
    assert list(store.entries()) == []
    assert not os.path.exists(store.root)


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", "a\0b", "\ud800"])
def test_no_name_leads_out(store, name, tmp_path, sealer):
    before = set(os.listdir(tmp_path)) | {"keep"}
    one = kept(kind=name, name=name, seal=sealer.seal)
    store.write(one)
    inside = os.path.realpath(store.manifest_path(one.manifest.key))
    assert inside.startswith(os.path.realpath(store.root) + os.sep)
    assert set(os.listdir(tmp_path)) == before


# Writing --------------------------------------------------------------------------------------


def test_a_crash_before_the_manifest_leaves_nothing_to_see(store, artifact, monkeypatch):
    write_within, written = no_follow.write_within, []

    def crash(root, path, content, access, **options):
        written.append(path)
        if path.endswith(".json"):
            raise OSError("the power went")
        write_within(root, path, content, access, **options)

    monkeypatch.setattr(no_follow, "write_within", crash)
    with pytest.raises(StoreProblem, match="the power went"):
        store.write(artifact)
    blobs = {blob_path(store, role) for role in BLOBS}
    assert set(written[:-1]) >= blobs
    assert written[-1] == store.manifest_path(artifact.manifest.key)
    assert all(os.path.exists(path) for path in blobs)
    assert reason(store.read(artifact.manifest.key)) == ABSENT
    assert list(store.entries()) == []
    monkeypatch.undo()
    assert heals(store, artifact)


def test_a_blob_that_is_there_is_touched_not_rewritten(store, artifact, path):
    blob = blob_path(store, "table")
    os.utime(blob, (1, 1))
    inode = os.stat(blob).st_ino
    store.write(kept(name="other", blobs={"shared": BLOBS["table"]}))
    assert os.stat(blob).st_ino == inode
    assert time.time() - os.stat(blob).st_mtime < 600


@pytest.mark.parametrize("content", [b"", b"short", bytes(3001), b"\1" * 3000])
def test_a_blob_of_other_bytes_is_rewritten(store, artifact, path, content):
    blob = blob_path(store, "table")
    overwrite(blob, content)
    store.write(artifact)
    assert content_of(blob) == BLOBS["table"]


def test_a_link_in_place_of_a_blob_is_replaced_not_followed(store, artifact, path, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(bytes(3000))
    os.utime(target, (1, 1))
    blob = blob_path(store, "table")
    os.unlink(blob)
    os.symlink(target, blob)
    assert isinstance(store.read(artifact.manifest.key), Miss)
    assert heals(store, artifact)
    assert not os.path.islink(blob)
    assert target.stat().st_mtime == 1


def test_a_manifest_too_large_to_be_read_is_refused(store, sealer):
    large = kept(layout="x" * SIZE_LIMIT, seal=sealer.seal)
    with pytest.raises(StoreProblem, match="into blobs"):
        store.write(large)
    assert reason(store.read(large.manifest.key)) == ABSENT


def test_where_it_cannot_write_it_says_so(tmp_path, artifact):
    (tmp_path / "file").write_text("in the way")
    inside = Directory(str(tmp_path / "file" / "keep"), accept)
    with pytest.raises(StoreProblem, match="file"):
        inside.write(artifact)


def test_what_cannot_be_removed_is_told(store, artifact, path):
    os.unlink(path)
    os.mkdir(path)
    with pytest.raises(StoreProblem, match="sample"):
        store.remove(artifact.manifest.key)


# Damaged manifests ----------------------------------------------------------------------------


def test_no_flipped_bit_passes(store, artifact, path):
    chance = random.Random(1)
    good = artifact.document
    bits = {0, 7, len(good) * 8 - 1, *(chance.randrange(len(good) * 8) for _ in range(150))}
    bits |= {(len(good) - TRAILER_BYTES) * 8 + n * 8 for n in range(TRAILER_BYTES)}
    for count, bit in enumerate(sorted(bits), 1):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        overwrite(path, bad)
        # The last line's seal is not under the digest: what is flipped there is not trusted.
        assert reason(store.read(artifact.manifest.key)) in (DAMAGED, UNTRUSTED), bit
        assert not os.path.exists(path)
        assert len(quarantined(store)) == count
        assert heals(store, artifact)


def test_no_truncation_passes(store, artifact, path):
    good = artifact.document
    for length in {0, 1, 100, len(good) - 1, len(good) - TRAILER_BYTES, len(good) // 2}:
        overwrite(path, good[:length])
        assert reason(store.read(artifact.manifest.key)) == DAMAGED
        assert heals(store, artifact)
    for longer in (good + b"\n", good + b"\0", good * 2):
        overwrite(path, longer)
        assert reason(store.read(artifact.manifest.key)) == DAMAGED
        assert heals(store, artifact)


def test_a_huge_file_is_not_read(store, artifact, path):
    os.truncate(path, SIZE_LIMIT + 1)
    assert reason(store.read(artifact.manifest.key)) == DAMAGED
    assert len(quarantined(store)) == 1
    assert heals(store, artifact)


def forge(document, old, new, seal=None):
    """A document with a change and the digest that belongs to it; whoever writes can do that."""
    body, trailer = document[:-TRAILER_BYTES], document[-TRAILER_BYTES:]
    assert body.count(old) == 1
    body = body.replace(old, new)
    digest = sha256(body).hexdigest()
    sealed = trailer[-67:-3] if seal is None else seal(digest).encode()
    return body + TRAILER % (digest.encode(), sealed)


def test_a_changed_layout_without_the_seal_is_not_trusted(store, artifact, path, sealer):
    overwrite(path, forge(artifact.document, b'"n":1234', b'"n":1235'))
    assert reason(store.read(artifact.manifest.key)) == UNTRUSTED
    assert heals(store, artifact)
    # The same change by one who can seal is an artifact like any other: it was the seal.
    overwrite(path, forge(artifact.document, b'"n":1234', b'"n":1235', sealer.seal))
    assert store.read(artifact.manifest.key).manifest.layout == {"n": 1235}


def test_a_manifest_of_another_user_key_is_not_trusted(store, artifact, path, tmp_path):
    stranger = Sealer(str(tmp_path / "stranger"), pytest.fail)
    assert (
        reason(
            Directory(store.root, OwnKeep(stranger, None, pytest.fail).verify).read(
                artifact.manifest.key
            )
        )
        == UNTRUSTED
    )


@pytest.mark.parametrize(
    "fields", [{"plan": "other"}, {"build": "other"}, {"name": "other"}, {"kind": "other"}]
)
def test_a_moved_manifest_is_damage(store, artifact, path, fields):
    asked = kept(**fields).manifest.key
    target = store.manifest_path(asked)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.rename(path, target)
    found = store.read(asked)
    assert reason(found) == DAMAGED
    assert "moved" in found.detail
    assert not os.path.exists(target)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"size_bytes":9', b'"size_bytes":-9'),
        (b'"cost_s":1.5', b'"cost_s":"long"'),
        (b'"cost_s":1.5', b'"cost_s":1' + b"0" * 400),
        (b'"cost_s":1.5', b'"cost_s":1' + b"0" * 5000),
        (b'"cost_s":1.5', b'"cost_s":NaN'),
        (b'"layout":{"n":1234}', b'"layout":' + b"[" * 100_000 + b"]" * 100_000),
        (b'"made_by":{"emberkeep":"testing"}', b'"made_by":[1]'),
        (b'"kind":"tables"', b'"kind":["tables"]'),
        (b'"kind":"tables"', b'"kind":"t\xc3\xa9"'),
        (b'{"manifest":', b'{"manifesto":'),
        (b'"format":1', b'"form":1'),
    ],
)
def test_sealed_nonsense_is_damage(store, artifact, path, sealer, old, new):
    overwrite(path, forge(artifact.document, old, new, sealer.seal))
    assert reason(store.read(artifact.manifest.key)) == DAMAGED
    assert heals(store, artifact)


@pytest.mark.parametrize(
    "digest", [b"../../../../etc/passwd", b"A" * 64, b"a" * 63, b"/" + b"a" * 63]
)
def test_a_digest_that_is_none_leads_nowhere(store, artifact, path, sealer, digest):
    old = sha256(BLOBS["code"]).hexdigest().encode()
    overwrite(path, forge(artifact.document, old, digest, sealer.seal))
    assert reason(store.read(artifact.manifest.key)) == DAMAGED


# Damaged blobs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: b"",
        lambda good: good[:-1],
        lambda good: good + b"\0",
        lambda good: good * 1000,
        lambda good: b"\1" + good[1:],
        lambda good: good[:-1] + b"\1",
    ],
    ids=["emptied", "truncated", "longer", "much longer", "first byte", "last byte"],
)
def test_a_damaged_blob_is_moved_away_and_heals(store, artifact, path, damage):
    blob = blob_path(store, "table")
    overwrite(blob, damage(BLOBS["table"]))
    found = store.read(artifact.manifest.key)
    assert reason(found) == DAMAGED
    assert not os.path.exists(blob)
    assert len(quarantined(store)) == 1
    assert heals(store, artifact)


def test_a_missing_blob_heals(store, artifact, path):
    os.unlink(blob_path(store, "code"))
    found = store.read(artifact.manifest.key)
    assert reason(found) == DAMAGED
    assert "'code'" in found.detail
    assert quarantined(store) == []
    assert heals(store, artifact)


# Files that are none --------------------------------------------------------------------------


def make_fifo(path):
    os.mkfifo(path)


def make_folder(path):
    os.mkdir(path)
    overwrite(os.path.join(path, "inside"), b"something")


def make_dangling_link(path):
    os.symlink(path + " nowhere", path)


def make_loop(path):
    os.symlink(path, path)


def make_link(path):
    os.rename(path + ".good", path + ".target")
    os.symlink(path + ".target", path)


def make_unix_socket(path):
    os.mknod(path, stat.S_IFSOCK | 0o600)


ODDITIES = [make_fifo, make_folder, make_dangling_link, make_loop, make_link, make_unix_socket]


@pytest.mark.parametrize("make", ODDITIES)
@pytest.mark.parametrize("what", ["manifest", "code", "empty"])
@pytest.mark.parametrize("healing", [True, False])
@pytest.mark.timeout(20)
def test_what_is_no_file_is_a_miss_and_heals(store, artifact, path, sealer, make, what, healing):
    victim = path if what == "manifest" else blob_path(store, what)
    os.rename(victim, victim + ".good")
    make(victim)
    reader = Directory(store.root, OwnKeep(sealer, None, pytest.fail).verify, heals=healing)
    assert reason(reader.read(artifact.manifest.key)) in (DAMAGED, UNREADABLE)
    if healing:
        assert heals(reader, artifact)
        assert os.path.isfile(victim)
        assert not os.path.islink(victim)
    else:
        assert os.path.lexists(victim)


@pytest.mark.timeout(20)
def test_a_fifo_that_somebody_writes_is_a_miss(store, artifact, path):
    os.unlink(path)
    os.mkfifo(path)
    both = os.open(path, os.O_RDWR)
    try:
        assert reason(store.read(artifact.manifest.key)) in (DAMAGED, UNREADABLE)
    finally:
        os.close(both)


# What this version does not know --------------------------------------------------------------


def test_a_newer_format_is_left_alone(store, artifact, path, sealer):
    newer = forge(artifact.document, b'"format":1', b'"format":2,"shape":"unheard of"')
    overwrite(path, newer)
    os.utime(path, (1, 1))
    before = tree(store.root)
    found = store.read(artifact.manifest.key)
    assert reason(found) == NEWER_FORMAT
    assert "2" in found.detail
    assert tree(store.root) == before
    store.write(artifact)
    assert content_of(path) == newer
    assert quarantined(store) == []


def test_a_newer_format_with_a_wrong_digest_is_damage(store, artifact, path):
    overwrite(path, artifact.document.replace(b'"format":1', b'"format":2'))
    assert reason(store.read(artifact.manifest.key)) == DAMAGED
    assert heals(store, artifact)


@pytest.mark.parametrize("layout", [b"emberkeep 2\n", b"emberkeep 10\n", b"emberkeep 0\n"])
def test_an_unknown_layout_is_not_touched(store, artifact, path, sealer, layout):
    overwrite(os.path.join(store.root, "format"), layout)
    before = tree(store.root)
    fresh = Directory(store.root, OwnKeep(sealer, None, pytest.fail).verify)
    assert reason(fresh.read(artifact.manifest.key)) == UNREADABLE
    with pytest.raises(StoreProblem, match="laid out"):
        fresh.write(artifact)
    with pytest.raises(StoreProblem, match="laid out"):
        fresh.remove(artifact.manifest.key)
    with pytest.raises(StoreProblem, match="laid out"):
        list(fresh.entries())
    assert tree(store.root) == before


DAMAGE = [b"", b"emberkeep 1", b"emb", bytes(5000), b"\xff", b"emberkeep x\n", b"emberkeep 1\n\n"]


@pytest.mark.parametrize("layout", DAMAGE)
def test_a_damaged_layout_is_no_newer_version_and_heals(store, artifact, path, sealer, layout):
    target = os.path.join(store.root, "format")
    overwrite(target, layout)
    fresh = Directory(store.root, OwnKeep(sealer, None, pytest.fail).verify)
    with pytest.raises(StoreProblem, match="its file 'format' is damaged.*emberkeep repair"):
        list(fresh.entries())  # what only looks mends nothing
    assert content_of(target) == layout
    assert isinstance(fresh.read(artifact.manifest.key), Kept)
    assert content_of(target) == LAYOUT
    (moved,) = os.listdir(os.path.join(store.root, "quarantine"))
    assert content_of(os.path.join(store.root, "quarantine", moved)) == layout
    overwrite(target, layout)
    Directory(store.root, OwnKeep(sealer, None, pytest.fail).verify).write(artifact)
    assert content_of(target) == LAYOUT


@pytest.mark.parametrize("what", ["manifest", "file", "name", "other"])
def test_a_damaged_layout_beside_what_is_newer_is_left_alone(store, artifact, path, sealer, what):
    target = os.path.join(store.root, "format")
    overwrite(target, b"")
    if what == "manifest":
        overwrite(path, forge(artifact.document, b'"format":1', b'"format":2,"shape":"new"'))
    else:
        places = {"file": "index", "name": "kind/file", "other": "kind/name/1.table"}
        strange = os.path.join(store.root, places[what])
        os.makedirs(os.path.dirname(strange), exist_ok=True)
        with open(strange, "wb") as file:
            file.write(b"new")
    before = tree(store.root)
    fresh = Directory(store.root, OwnKeep(sealer, None, pytest.fail).verify)
    assert reason(fresh.read(artifact.manifest.key)) == UNREADABLE
    with pytest.raises(StoreProblem, match="damaged"):
        fresh.write(artifact)
    assert tree(store.root) == before


def test_a_damaged_layout_of_others_is_left_alone(store, artifact, path, sealer):
    overwrite(os.path.join(store.root, "format"), b"")
    judge = OwnKeep(sealer, None, pytest.fail).verify
    for other in (Directory(store.root, judge, heals=False), Directory(store.root, judge)):
        if other.heals:
            os.chown(store.root, ELSEWHERE, -1)
        before = tree(store.root)
        assert reason(other.read(artifact.manifest.key)) == UNREADABLE
        with pytest.raises(StoreProblem, match="damaged"):
            other.write(artifact)
        assert tree(store.root) == before


def test_repair_lays_out_anew(store, artifact, path):
    target = os.path.join(store.root, "format")
    overwrite(target, b"emb")
    done = repair(store)
    assert [(each.action, each.path) for each in done] == [("moved to quarantine", target)]
    assert content_of(target) == LAYOUT
    assert isinstance(store.read(artifact.manifest.key), Kept)


def test_what_is_removed_is_judged_anew(store, artifact, path):
    assert isinstance(store.read(artifact.manifest.key), Kept)
    overwrite(os.path.join(store.root, "format"), b"emberkeep 2\n")
    with pytest.raises(StoreProblem, match="laid out"):
        store.remove(artifact.manifest.key)
    assert os.path.exists(path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [make_fifo, make_folder])
def test_a_layout_that_is_no_file_is_damage(store, artifact, path, sealer, make):
    target = os.path.join(store.root, "format")
    os.unlink(target)
    make(target)
    for heals in (False, True):
        fresh = Directory(store.root, OwnKeep(sealer, None, pytest.fail).verify, heals=heals)
        assert isinstance(fresh.read(artifact.manifest.key), Kept if heals else Miss)
    assert content_of(target) == LAYOUT


@pytest.mark.parametrize("below", ["", "inside"])
def test_a_root_that_is_a_file(tmp_path, artifact, below):
    (tmp_path / "file").write_text("mine")
    store = Directory(os.path.join(tmp_path / "file", below).rstrip("/"), accept)
    found = store.read(artifact.manifest.key)
    assert reason(found) == UNREADABLE
    assert "is a file" in found.detail
    assert "EMBERKEEP_DIR" in found.detail
    for work in (
        lambda: store.write(artifact),
        lambda: store.remove(artifact.manifest.key),
        lambda: list(store.entries()),
    ):
        with pytest.raises(StoreProblem, match="file"):
            work()
    assert (tmp_path / "file").read_text() == "mine"


# Healers who meet -----------------------------------------------------------------------------


def when_moving(monkeypatch, meanwhile):
    """Something that happens right before a damaged file is moved away, once."""
    move = Directory.move_away
    pending = [meanwhile]

    def slow(self, path):
        if pending:
            pending.pop()(path)
        return move(self, path)

    monkeypatch.setattr(Directory, "move_away", slow)


def put(store, path, content):
    files.write_file(path, content, store.folder.temporary)


def test_a_manifest_that_was_healed_meanwhile_is_put_back(store, artifact, path, monkeypatch):
    overwrite(path, b"damaged")
    when_moving(
        monkeypatch, lambda _: files.write_file(path, artifact.document, store.folder.temporary)
    )
    assert store.read(artifact.manifest.key) == artifact
    assert content_of(path) == artifact.document
    assert quarantined(store) == []


def test_a_blob_that_was_healed_meanwhile_is_put_back(store, artifact, path, monkeypatch):
    blob = blob_path(store, "table")
    overwrite(blob, b"damaged")
    when_moving(
        monkeypatch, lambda _: files.write_file(blob, BLOBS["table"], store.folder.temporary)
    )
    assert store.read(artifact.manifest.key) == artifact
    assert content_of(blob) == BLOBS["table"]
    assert quarantined(store) == []


def test_a_newer_format_that_came_meanwhile_is_put_back(store, artifact, path, monkeypatch):
    newer = forge(artifact.document, b'"format":1', b'"format":2')
    overwrite(path, b"damaged")
    when_moving(monkeypatch, lambda _: put(store, path, newer))
    assert reason(store.read(artifact.manifest.key)) == NEWER_FORMAT
    assert content_of(path) == newer
    assert quarantined(store) == []


@pytest.mark.parametrize("what", ["manifest", "blob"])
def test_a_damaged_file_that_vanishes_meanwhile_is_damage(store, artifact, path, monkeypatch, what):
    victim = path if what == "manifest" else blob_path(store, "table")
    overwrite(victim, b"damaged")
    when_moving(monkeypatch, os.unlink)
    assert reason(store.read(artifact.manifest.key)) == DAMAGED
    assert heals(store, artifact)


# Times of use ---------------------------------------------------------------------------------


def test_a_use_is_noted_hourly(store, artifact, path):
    now = time.time()
    for age, noted in ((60, False), (3000, False), (3700, True), (90_000, True)):
        os.utime(path, (now - age, now - age))
        before = os.stat(path).st_mtime_ns
        assert store.read(artifact.manifest.key) == artifact
        assert (os.stat(path).st_mtime_ns != before) == noted, age
        if noted:
            assert abs(os.stat(path).st_mtime - now) < 600


@pytest.mark.parametrize("when", [0, 4_102_444_800], ids=["1970", "2100"])
def test_times_that_cannot_be_are_set_right(store, artifact, path, when):
    os.utime(path, (when, when))
    (listed,) = store.entries()
    # 1970 is long ago; what claims the year 2100 was used when it was put there.
    assert listed.last_used == 0 if when == 0 else abs(listed.last_used - time.time()) < 600
    assert store.read(artifact.manifest.key) == artifact
    assert abs(os.stat(path).st_mtime - time.time()) < 600


def test_last_use_of_a_past_time_is_that_time(path):
    os.utime(path, (1e9, 1e9))
    assert last_use(facts_of(os.stat(path)), time.time()) == 1e9


def test_a_use_that_cannot_be_noted_is_no_trouble(store, artifact, path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("read-only file system")

    os.utime(path, (1, 1))
    monkeypatch.setattr(directory_module.os, "utime", refuse)
    assert store.read(artifact.manifest.key) == artifact


# Folders that are not ours --------------------------------------------------------------------


def test_without_healing_nothing_is_written(store, artifact, path, sealer):
    other = kept(name="other", blobs={"table": bytes(10)}, seal=sealer.seal)
    store.write(other)
    bad_blob = kept(name="blob", blobs={"code": b"will be damaged"}, seal=sealer.seal)
    store.write(bad_blob)
    overwrite(store.blob_path(bad_blob.manifest.blobs[0].digest), b"damage")
    overwrite(store.manifest_path(other.manifest.key), b"damage")
    os.utime(path, (1, 1))
    reader = Directory(store.root, OwnKeep(sealer, None, pytest.fail).verify, heals=False)
    before = tree(store.root)
    assert reader.read(artifact.manifest.key) == artifact
    assert reason(reader.read(other.manifest.key)) == DAMAGED
    assert reason(reader.read(bad_blob.manifest.key)) == DAMAGED
    assert reason(reader.read(kept(name="absent").manifest.key)) == ABSENT
    assert len(list(reader.entries())) == 3
    for entry in reader.entries():
        reader.read_entry(entry)
    assert tree(store.root) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["manifest", "blob"])
def test_the_file_of_another_user_is_left_where_it_is(store, artifact, path, what):
    victim = path if what == "manifest" else blob_path(store, "table")
    overwrite(victim, b"theirs, and fine to them")
    os.chown(victim, ELSEWHERE, -1)
    assert reason(store.read(artifact.manifest.key)) == DAMAGED
    assert content_of(victim) == b"theirs, and fine to them"
    assert quarantined(store) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_folder_of_another_user_is_a_miss_and_a_refusal(store, artifact, path):
    """As `nobody`, in a process of its own: root may write everywhere."""
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setuid(ELSEWHERE)
            stranger = Directory(store.root, accept)
            missed = stranger.read(artifact.manifest.key)
            refused = 0
            for work in (stranger.write, lambda each: stranger.remove(each.manifest.key)):
                try:
                    work(artifact)
                except StoreProblem:
                    refused += 1
            status = 0 if missed.reason == UNREADABLE and refused == 2 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.read(artifact.manifest.key) == artifact


# Entries --------------------------------------------------------------------------------------


def test_the_listing_skips_what_is_no_entry(store, artifact, path):
    overwrite(os.path.join(store.root, "readme.json"), b"a file among kinds")
    overwrite(os.path.join(store.root, "tables", "stray.json"), b"a file among names")
    overwrite(path[: -len(".json")] + ".py", b"a source beside its manifest")
    os.symlink(store.root, os.path.join(store.root, "loop"))
    os.makedirs(os.path.join(store.root, "pins", "tables", "sample"))
    overwrite(os.path.join(store.root, "pins", "tables", "sample", "x.json"), b"")
    (entry,) = store.entries()
    facts = os.stat(path)
    key = str(artifact.manifest.key)
    version = facts_of(facts).version
    assert entry == Entry("tables", "sample", key, facts.st_mtime, len(artifact.document), version)
    assert store.entry_path(entry) == path


def test_an_entry_is_read_without_its_blobs(store, artifact, path):
    os.unlink(blob_path(store, "table"))
    (entry,) = store.entries()
    assert store.read_entry(entry) == (artifact.manifest, artifact.document)


def test_an_entry_that_is_damaged_moved_or_gone(store, artifact, path):
    (entry,) = store.entries()
    moved = Entry(entry.kind, "elsewhere", entry.key, 0.0, 0)
    os.makedirs(os.path.dirname(store.entry_path(moved)))
    overwrite(store.entry_path(moved), artifact.document)
    assert "moved" in store.read_entry(moved)[0].detail
    overwrite(path, b"damage")
    assert reason(store.read_entry(entry)[0]) == DAMAGED
    os.unlink(path)
    assert reason(store.read_entry(entry)[0]) == UNREADABLE
    assert quarantined(store) == []


def test_a_folder_that_vanishes_while_it_is_listed(store, artifact, path, monkeypatch):
    store.write(kept(name="other"))
    scan = files.scan

    def racing(folder):
        for each in scan(folder):
            if each.name.endswith(".json"):
                os.unlink(each.path)
            yield each

    monkeypatch.setattr(files, "scan", racing)
    assert list(store.entries()) == []


def test_a_document_is_json_that_a_person_can_read(artifact):
    document = json.loads(artifact.document)
    assert list(document) == ["manifest", "ingredients", "digest", "seal"]
    assert document["manifest"]["name"] == "sample"
    assert folder_name("sample") == "sample"
