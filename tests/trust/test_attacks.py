"""What Eve can do with a folder that she may write: nothing of it runs, all of it is told."""

import json
import os
import shutil
import subprocess
import sys
import time
import warnings

import pytest

from emberkeep import Keep, StoreWarning
from emberkeep.store.manifest import SIGNATURE_BYTES, TRAILER_BYTES, read_stamps
from emberkeep.store.manifest_writing import resealed
from emberkeep.trust.seals import Sealer
from emberkeep.trust.signatures import revocation_statement

CONTENT = b"what Alice has built"
EVIL = b"what Eve would have run"
ORDER = 2**252 + 27742317777372353535851937790883648493
STRICT = "?policy=require&read_only=true"


class Scene:
    """Alice has shared something, Bob trusts her, and Eve may write wherever she likes."""

    def __init__(self, alice, bob, eve, manifests, forging):
        self.alice, self.bob, self.eve = alice, bob, eve
        self.key = alice.publish()
        self.there = manifests(alice.shared)
        self.own = manifests(bob.root)
        self.genuine = self.there.read()
        self.forging = forging
        self.elsewhere = manifests

    def built_by_eve(self, manifests):
        """Eve's own artifact of the same key, as she has signed it; its contents lie there too."""
        place = os.path.join(os.path.dirname(self.there.root), "eve's")
        os.mkdir(place)
        before, self.eve.shared = self.eve.shared, place
        self.eve.publish(content=EVIL)
        self.eve.shared = before
        blobs = os.path.join(place, "blobs")
        shutil.copytree(blobs, os.path.join(self.there.root, "blobs"), dirs_exist_ok=True)
        return manifests(place).read()


@pytest.fixture
def scene(alice, bob, eve, manifests, forging):
    return Scene(alice, bob, eve, manifests, forging)


def refused_by(user, keep, told):
    """Ask for the artifact: it has to be built again, and the user has to be told why."""
    with pytest.warns(StoreWarning, match=f"is built again.*{told}"):
        found = user.get(keep)
    assert not found.hit
    assert found.blobs["code"] == f"built by {user.name}".encode()


# Manifests in the shared folder -------------------------------------------------------------------


def as_capitals(scene, document):
    return document.replace(
        scene.alice.key.public.encode(), scene.alice.key.public.upper().encode()
    )


def with_signature_in_capitals(scene, document):
    value = read_stamps(document).signatures[0].value
    return document.replace(value.encode(), value.upper().encode())


def with_another_scalar(scene, document):
    """S + L: the same point, which satisfies the same equation."""
    value = read_stamps(document).signatures[0].value
    scalar = int.from_bytes(bytes.fromhex(value[64:]), "little") + ORDER
    return document.replace(value[64:].encode(), scalar.to_bytes(32, "little").hex().encode())


def with_anybodys_key(scene, document):
    stamps = read_stamps(document)
    identity = b"01" + b"0" * 62
    document = document.replace(stamps.signers[0].encode(), identity)
    return document.replace(stamps.signatures[0].value.encode(), identity + b"0" * 64)


def of_another_of_hers(scene, document):
    """The signature of another manifest of Alice's, pasted."""
    scene.alice.publish(content=b"another", n=2)
    (other,) = [p for p in scene.there.paths() if scene.there.read(p) != document]
    signature = read_stamps(scene.there.read(other)).signatures[0].value
    os.unlink(other)
    return document.replace(read_stamps(document).signatures[0].value.encode(), signature.encode())


def replaced(old, new):
    def change(scene, document):
        assert old in document
        return document.replace(old, new)

    return change


SIGNATURE_END = -TRAILER_BYTES
SIGNATURE_BEGIN = SIGNATURE_END - SIGNATURE_BYTES
WRONG = "its signature is wrong: it was altered"
MOVED = "moved"
FORGERIES = {
    "stripped": (lambda s, d: s.forging.unsigned(d), "nobody signed it"),
    "signed by Eve": (
        lambda s, d: s.forging.signed_by(s.eve.key, s.forging.unsigned(d)),
        "whom this user does not trust",
    ),
    "Eve's name over Alice's signature": (
        lambda s, d: d.replace(s.alice.key.public.encode(), s.eve.key.public.encode()),
        WRONG,
    ),
    "Alice's name over Eve's signature": (
        lambda s, d: s.forging.signed_by(s.eve.key, s.forging.unsigned(d)).replace(
            s.eve.key.public.encode(), s.alice.key.public.encode()
        ),
        WRONG,
    ),
    "signature of another manifest": (of_another_of_hers, WRONG),
    "key in capitals": (as_capitals, WRONG),
    "signature in capitals": (with_signature_in_capitals, WRONG),
    "another scalar": (with_another_scalar, WRONG),
    "anybody's key": (with_anybodys_key, WRONG),
    "another kind": (replaced(b'"kind":"tables"', b'"kind":"tablez"'), WRONG),
    "another name": (replaced(b'"name":"sample"', b'"name":"simple"'), WRONG),
    "another role": (replaced(b'"role":"code"', b'"role":"data"'), WRONG),
    "another layout": (replaced(b'"layout":null', b'"layout":1   '), WRONG),
    "other ingredients": (replaced(b'"ingredients":{', b'"ingredients":{ '), WRONG),
    "a newer date": (replaced(b'"made_at":', b'"made_at":1'), WRONG),
    "a line more": (replaced(b'"signature":', b'"more":1,\n"signature":'), WRONG),
    "two signatures": (
        lambda s, d: d[:SIGNATURE_END] + d[SIGNATURE_BEGIN:],
        WRONG,
    ),
    "bytes at the end": (lambda s, d: d + b"\n", "does not have the digest"),
    "cut off": (lambda s, d: d[:-1], "does not have the digest"),
    "empty": (lambda s, d: b"", "does not have the digest"),
}
# Those whose last line is not made right again: that is what is wrong with them.
RAW = ("bytes at the end", "cut off", "empty")


@pytest.mark.parametrize("how", FORGERIES)
def test_a_forged_manifest_is_not_used_and_is_told_and_counted(scene, refusals, how):
    forge, told = FORGERIES[how]
    document = forge(scene, scene.genuine)
    assert document != scene.genuine
    if how not in RAW:
        document = resealed(document)
    scene.there.write(document)
    keep = scene.bob.keep(STRICT)
    refused_by(scene.bob, keep, told)
    (what,) = refusals(keep)
    assert what.endswith(f"in shared {scene.bob.shared}")
    assert refusals(keep)[what] >= 1
    assert scene.there.read() == document, "what others wrote is left as it is"
    assert scene.bob.get(keep).reason == "kept in local", "what was built meanwhile is kept"


def test_a_manifest_under_the_name_of_another_is_not_used(scene, refusals):
    path = scene.there.path
    scene.alice.publish(content=EVIL, n=2)
    (other,) = set(scene.there.paths()) - {path}
    os.replace(other, path)
    keep = scene.bob.keep(STRICT)
    refused_by(scene.bob, keep, MOVED)
    assert refusals(keep) == {f"damaged in shared {scene.bob.shared}": 1}


@pytest.mark.parametrize(("kind", "name"), [("tables", "other"), ("tablez", "sample")])
def test_a_manifest_is_not_used_for_another_kind_or_name(scene, kind, name):
    """The same plan, the same build and a good signature, in another folder."""
    folder = os.path.join(scene.there.root, kind, name)
    os.makedirs(folder)
    shutil.copy(scene.there.path, folder)
    keep = scene.bob.keep(STRICT)
    with pytest.warns(StoreWarning, match="is that of tables/sample, moved"):
        assert not scene.bob.get(keep, kind=kind, name=name).hit


def test_an_artifact_that_eve_has_built_and_signed_is_not_used(scene, refusals, manifests):
    scene.there.write(scene.built_by_eve(manifests))
    keep = scene.bob.keep(STRICT)
    refused_by(scene.bob, keep, f"signed by {scene.eve.key.public}, whom this user does not trust")
    assert refusals(keep) == {f"untrusted in shared {scene.bob.shared}": 1}
    blobs = [os.path.join(f, n) for f, _, names in os.walk(scene.bob.root) for n in names]
    assert not any(EVIL in open_and_read(path) for path in blobs)


def open_and_read(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_replay_of_what_alice_has_revoked_is_not_used(scene):
    """She built it anew; Eve puts the old one back, whose signature is good."""
    payload = read_stamps(scene.genuine).payload
    os.unlink(scene.there.path)
    shutil.rmtree(scene.alice.root)
    scene.alice.publish(content=b"corrected")
    assert scene.there.read() != scene.genuine
    assert scene.bob.run("trust", "revoke", payload, "--what", "manifest", "--reason", "bad") == 0
    scene.there.write(scene.genuine)
    refused_by(scene.bob, scene.bob.keep(STRICT), r"the artifact was revoked \(bad\)")


# Contents in the shared folder --------------------------------------------------------------------


def swap_with_link(path, tmp):
    os.rename(path, tmp)
    os.symlink(tmp, path)


def put(content):
    def change(path, _):
        with open(path, "wb") as file:
            file.write(content)

    return change


def make_pipe(path, _):
    os.unlink(path)
    os.mkfifo(path)


def make_folder(path, _):
    os.unlink(path)
    os.mkdir(path)


BLOBS = {
    "replaced": put(EVIL),
    "replaced by as many bytes": put(b"x" * len(CONTENT)),
    "one bit": put(bytes([CONTENT[0] ^ 1]) + CONTENT[1:]),
    "longer": put(CONTENT + b"\0"),
    "shorter": put(CONTENT[:-1]),
    "empty": put(b""),
    "endless": lambda path, _: os.truncate(path, 1 << 40),
    "gone": lambda path, _: os.unlink(path),
    "a link to the right bytes": swap_with_link,
    "a link to an endless device": lambda path, _: (os.unlink(path), os.symlink("/dev/zero", path)),
    "a pipe": make_pipe,
    "a folder": make_folder,
}


@pytest.mark.parametrize("where", ["shared", "local"])
@pytest.mark.parametrize("how", BLOBS)
def test_contents_that_are_not_those_of_the_manifest_are_not_used(scene, tmp_path, how, where):
    if where == "local":
        assert scene.bob.get().hit
        os.rename(scene.there.root, f"{scene.there.root} is gone")
        lay_out(scene.there.root)
    root = scene.there.root if where == "shared" else scene.bob.root
    (path,) = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(os.path.join(root, "blobs"))
        for name in names
        if open_and_read(os.path.join(folder, name)) == CONTENT
    ]
    BLOBS[how](path, str(tmp_path / "aside"))
    keep = scene.bob.keep(STRICT)
    refused_by(scene.bob, keep, "")
    assert scene.bob.get(scene.bob.keep(STRICT)).blobs["code"] == b"built by bob"


@pytest.mark.parametrize(
    "make",
    [
        swap_with_link,
        make_pipe,
        make_folder,
        lambda path, _: os.truncate(path, 1 << 40),
        lambda path, _: (os.unlink(path), os.symlink("/dev/zero", path)),
        lambda path, _: (os.unlink(path), os.symlink(path, path)),
    ],
)
@pytest.mark.parametrize("where", ["shared", "local"])
def test_a_manifest_that_is_no_ordinary_file_is_not_used(scene, tmp_path, make, where):
    if where == "local":
        assert scene.bob.get().hit
        os.rename(scene.there.root, f"{scene.there.root} is gone")
        lay_out(scene.there.root)
    place = scene.there if where == "shared" else scene.own
    make(place.path, str(tmp_path / "aside"))
    refused_by(scene.bob, scene.bob.keep(STRICT), "")


# The user's own copy ------------------------------------------------------------------------------


LOCAL_FORGERIES = {
    **{how: FORGERIES[how][0] for how in FORGERIES if how != "signature of another manifest"},
    "as it lies in the shared folder": lambda s, d: s.genuine,
    "Alice's, sealed by nobody": lambda s, d: resealed(d),
    "a seal of chance": lambda s, d: resealed(d, lambda _: "ab" * 32),
    "without a signature, the seal kept": lambda s, d: resealed(
        s.forging.unsigned(d), lambda _: read_stamps(d).seal
    ),
}


def lay_out(root):
    """A keep with nothing in it: an empty folder would be one that is not mounted."""
    os.mkdir(root)
    with open(os.path.join(root, "format"), "wb") as file:
        file.write(b"emberkeep 1\n")


@pytest.mark.parametrize("how", LOCAL_FORGERIES)
def test_the_own_copy_is_used_as_it_was_sealed_and_not_otherwise(scene, refusals, how):
    assert scene.bob.get().hit
    sealed = scene.own.read()
    seal = read_stamps(sealed).seal
    document = LOCAL_FORGERIES[how](scene, sealed)
    assert document != sealed
    if how in FORGERIES and how not in RAW:  # the digest made right, and the seal as it was
        document = resealed(document, lambda _: seal)
    scene.own.write(document)
    os.rename(scene.there.root, f"{scene.there.root} is gone")
    lay_out(scene.there.root)
    keep = scene.bob.keep(STRICT)
    refused_by(scene.bob, keep, "")
    assert sum(refusals(keep).values()) == 1
    assert scene.own.read() not in (document, sealed), "what Bob has built is in its place"
    scene.own.write(sealed)
    assert scene.bob.get(scene.bob.keep(STRICT)).blobs["code"] == CONTENT


def test_what_is_refused_at_home_is_fetched_again(scene, refusals):
    assert scene.bob.get().hit
    scene.own.write(scene.own.read()[:-1])
    keep = scene.bob.keep(STRICT)
    found = scene.bob.get(keep)
    assert (found.hit, found.blobs["code"]) == (True, CONTENT)
    assert found.reason == f"kept in shared {scene.bob.shared}"
    assert refusals(keep) == {"damaged in local": 1}


def test_a_whole_keep_that_eve_has_built_is_not_used(scene, tmp_path):
    """As it would be unpacked from an archive, or come with a cloned repository."""
    scene.eve.get(scene.eve.keep(strategy="local"), lambda: {"code": EVIL})
    shutil.copytree(scene.eve.root, scene.bob.root)
    keep = scene.bob.keep(strategy="local")
    refused_by(scene.bob, keep, "not sealed by this user")


WITHDRAWN = {
    "expired": (lambda s: s.bob.trust(s.alice.key.public, "alice", expires=time.time()), "expired"),
    "revoked": (lambda s: s.bob.say("revoked_keys", s.alice.key.public, "lost"), "lost"),
    "artifact revoked": (
        lambda s: s.bob.say("revoked_manifests", read_stamps(s.genuine).payload, "bad"),
        "bad",
    ),
    "toolchain revoked": (
        lambda s: s.bob.say("revoked_toolchains", s.key.split("-")[1], "miscompiles"),
        "miscompiles",
    ),
    "removed": (lambda s: os.unlink(s.bob.trust_file), "does not trust"),
    "narrowed": (
        lambda s: s.bob.trust(s.alice.key.public, "alice", ["table", "tables/other"]),
        "trusted for table, tables/other alone",
    ),
}


@pytest.mark.parametrize("where", ["shared", "local"])
@pytest.mark.parametrize("how", WITHDRAWN)
def test_when_trust_ends_what_was_shared_and_what_was_fetched_end_with_it(
    scene, refusals, how, where
):
    withdraw, told = WITHDRAWN[how]
    if where == "local":
        assert scene.bob.get().hit
        os.rename(scene.there.root, f"{scene.there.root} is gone")
        lay_out(scene.there.root)
    withdraw(scene)
    keep = scene.bob.keep(STRICT)
    if how == "toolchain revoked":  # what Bob builds is of the same toolchain
        refused_by(scene.bob, keep, told)
        with pytest.warns(StoreWarning, match=told):
            assert not scene.bob.get(scene.bob.keep(STRICT)).hit
        return
    refused_by(scene.bob, keep, told)
    assert sum(refusals(keep).values()) == 1
    assert scene.bob.get(keep).blobs["code"] == b"built by bob"


# Policies -----------------------------------------------------------------------------------------


def use(user, keep, told=None):
    """Ask; what was given, and that the user was told as expected."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = user.get(keep)
    texts = [str(each.message) for each in heard]
    if told is None:
        assert texts == []
    else:
        assert any(told in text for text in texts), texts
    return found


def make_unsigned(scene):
    scene.there.write(scene.forging.unsigned(scene.genuine))


def make_eves(scene):
    scene.there.write(scene.built_by_eve(scene.elsewhere))


def make_expired(scene):
    scene.bob.trust(scene.alice.key.public, "alice", expires=1.0)


def make_foreign(scene):
    os.unlink(scene.bob.trust_file)


UNVOUCHED = {
    make_unsigned: "is used, though nobody signed it",
    make_eves: "is used, though it is signed by",
    make_expired: "has expired",
    make_foreign: "does not trust",
}


@pytest.mark.parametrize("make", UNVOUCHED)
@pytest.mark.parametrize("policy", ["warn", "off"])
def test_what_nobody_vouches_for_is_used_by_leave_and_never_kept(scene, policy, make):
    make(scene)
    for _ in range(2):
        keep = scene.bob.keep(f"?policy={policy}&read_only=true")
        found = use(scene.bob, keep, UNVOUCHED[make] if policy == "warn" else None)
        assert found.reason == f"kept in shared {scene.bob.shared}"
        assert scene.own.paths() == [], "it is no more trusted for having been used"
    with pytest.warns(StoreWarning, match="is built again"):
        assert not scene.bob.get(scene.bob.keep(STRICT)).hit


@pytest.mark.parametrize("policy", ["require", "warn"])
@pytest.mark.parametrize("how", ["another layout", "another role", "another scalar"])
def test_what_was_altered_is_not_used_with_a_warning_either(scene, policy, how):
    scene.there.write(resealed(FORGERIES[how][0](scene, scene.genuine)))
    refused_by(scene.bob, scene.bob.keep(f"?policy={policy}&read_only=true"), WRONG)


@pytest.mark.parametrize("policy", ["warn", "off"])
@pytest.mark.parametrize("how", ["revoked", "artifact revoked", "toolchain revoked"])
def test_what_was_revoked_is_not_used_by_any_policy(scene, policy, how):
    withdraw, told = WITHDRAWN[how]
    withdraw(scene)
    refused_by(scene.bob, scene.bob.keep(f"?policy={policy}&read_only=true"), told)


def test_without_policy_what_was_altered_never_enters_the_own_keep(scene):
    scene.there.write(resealed(FORGERIES["another layout"][0](scene, scene.genuine)))
    assert use(scene.bob, scene.bob.keep("?policy=off&read_only=true")).layout == 1
    assert scene.own.paths() == []


def test_what_a_lax_place_gives_goes_into_no_strict_one(scene, tmp_path, manifests):
    """The nearer shared place is filled from the farther one, with what is vouched for alone."""
    near = tmp_path / "near"
    near.mkdir()
    scene.bob.make_key()
    make_unsigned(scene)
    scene.bob.become()
    places = [f"{near}?policy=require", f"{scene.there.root}?policy=off"]
    found = use(scene.bob, Keep(shared=places, memory_size=0))
    assert found.hit
    assert manifests(near).paths() == []
    scene.there.write(scene.genuine)
    assert use(scene.bob, Keep(shared=places, memory_size=0)).hit
    assert read_stamps(manifests(near).read()).signers[0] == scene.alice.key.public


# Revocation by the owner --------------------------------------------------------------------------


def revoke(scene):
    """Alice revokes her key; the statement that says so in the shared folder."""
    assert scene.alice.run("key", "revoke", "--reason", "laptop stolen") == 0
    path = os.path.join(scene.there.root, "revoked", scene.alice.key.public)
    assert os.path.exists(path)
    return path


def test_a_key_that_its_owner_revokes_counts_no_more_anywhere(scene, capsys):
    scene.alice.publish(content=b"another", n=2)
    assert scene.bob.get().hit
    sealed = scene.own.read()
    statement = revoke(scene)
    with pytest.warns(StoreWarning, match="revoked by its owner"):
        assert not scene.bob.get(scene.bob.keep(STRICT), n=2).hit
    os.unlink(statement)
    refused_by(scene.bob, scene.bob.keep(STRICT), "revoked by its owner")
    (path,) = [p for p in scene.own.paths() if scene.key in p]
    scene.own.write(sealed, path)
    refused_by(scene.bob, scene.bob.keep(strategy="local"), "revoked by its owner")


def test_a_place_that_has_nothing_else_tells_of_revocations_all_the_same(scene, capsys):
    assert scene.bob.get().hit
    revoke(scene)
    keep = scene.bob.keep(STRICT)
    assert not scene.bob.get(keep, n=2).hit
    refused_by(scene.bob, keep, "revoked by its owner")


def test_whoever_revokes_a_key_signs_no_more_with_it(scene):
    assert scene.alice.run("key", "revoke") == 0
    scene.alice.become()
    keep = scene.alice.keep()
    with pytest.warns(StoreWarning, match=r"There is no key|revoked"):
        scene.alice.get(keep, n=7)
    assert keep.flush()
    assert len(scene.there.paths()) == 1


def test_eve_cannot_revoke_the_key_of_alice(scene):
    folder = os.path.join(scene.there.root, "revoked")
    os.makedirs(folder)
    forged = revocation_statement(scene.eve.key)
    for name, statement in (
        (scene.alice.key.public, forged),
        (scene.alice.key.public.upper(), forged),
        ("..", None),
    ):
        if statement is not None:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(statement)
    assert scene.bob.get().hit
    os.unlink(os.path.join(folder, scene.alice.key.public))
    statement = forged.replace(scene.eve.key.public.encode(), scene.alice.key.public.encode())
    with open(os.path.join(folder, scene.alice.key.public), "wb") as file:
        file.write(statement)
    assert scene.bob.get().hit


def test_revoking_the_key_of_the_environment_leaves_that_of_the_file(alice, monkeypatch, capsys):
    monkeypatch.setenv("EMBERKEEP_PRIVATE_KEY", "77" * 32)
    assert alice.run("key", "revoke") == 0
    assert os.path.exists(os.path.join(alice.config, "keys", "default.key"))


# What goes out ------------------------------------------------------------------------------------


def test_what_alice_signed_keeps_her_signature_wherever_bob_takes_it(
    scene, tmp_path, manifests, capsys
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    scene.bob.make_key()
    assert scene.bob.run("pull") == 0
    assert scene.bob.run("--layer", elsewhere, "push") == 0
    assert manifests(elsewhere).read() == scene.genuine
    carol = scene.bob
    carol.shared = str(elsewhere)
    shutil.rmtree(carol.root)
    assert carol.get().blobs["code"] == CONTENT


@pytest.mark.parametrize("how", [how for how in WITHDRAWN if how != "toolchain revoked"])
def test_what_bob_may_not_trust_he_does_not_push(scene, tmp_path, manifests, capsys, how):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    scene.bob.make_key()
    assert scene.bob.run("pull") == 0
    withdraw, told = WITHDRAWN[how]
    withdraw(scene)
    capsys.readouterr()
    assert scene.bob.run("--layer", elsewhere, "push") == 1
    out = capsys.readouterr().out
    assert "1 refused" in out
    assert told in out
    assert manifests(elsewhere).paths() == []


def test_what_was_planted_in_a_keep_is_not_pushed_and_not_pulled(scene, manifests, capsys):
    make_eves(scene)
    assert scene.bob.run("pull") == 1
    assert scene.own.paths() == []
    scene.bob.make_key()
    planted = scene.there.read()
    os.unlink(scene.there.path)
    path = os.path.join(scene.bob.root, "tables", "sample")
    os.makedirs(path)
    scene.own.write(planted, os.path.join(path, f"{scene.key}.json"))
    assert scene.bob.run("push") == 1
    assert "not sealed by this user" in capsys.readouterr().out
    assert scene.there.paths() == []


def test_a_keep_signs_only_what_it_has_built(scene, manifests):
    """Planted at home: Bob builds anew, and that is what goes out under his name."""
    make_eves(scene)
    key = scene.bob.make_key()
    keep = scene.bob.keep()
    refused_by(scene.bob, keep, "does not trust")
    assert keep.flush()
    published = scene.there.read()
    assert read_stamps(published).signers[0] == key.public
    assert EVIL not in published
    assert scene.bob.get(scene.bob.keep(strategy="shared")).blobs["code"] == b"built by bob"


def test_without_details_neither_ingredients_nor_source_go_out_by_any_way(
    alice, tmp_path, capsys, monkeypatch
):
    secret = "a captured value"
    options = "?details=false"
    keep = alice.keep(options)
    built = {"code": b"code", "source": f"x = {secret!r}", "layout": {"n": 1}}
    keep.get_or_build("tables", "sample", {"value": secret}, lambda: built)
    assert keep.flush()
    other = tmp_path / "other"
    other.mkdir()
    for place in (alice.shared, str(other)):
        monkeypatch.setattr(alice, "shared", place + options)
        assert alice.run("push") == 0
        files = [os.path.join(f, n) for f, _, names in os.walk(place) for n in names]
        assert any(name.endswith(".json") for name in files)
        assert not any(name.endswith(".py") for name in files)
        assert not any(secret.encode() in open_and_read(name) for name in files)
    files = [os.path.join(f, n) for f, _, names in os.walk(alice.root) for n in names]
    assert any(secret.encode() in open_and_read(name) for name in files)


# A cloned repository ------------------------------------------------------------------------------

LOOKING = """
import json, sys, warnings
warnings.simplefilter("ignore")
from emberkeep import Keep
from emberkeep.cli import main
from emberkeep.startup_records import as_dict
keep = Keep(memory_size=0)
shown = [str(value) for value in as_dict(keep.settings).values() if not isinstance(value, dict)]
found = keep.get_or_build("tables", "sample", {"n": 1}, lambda: {"code": b"built here"})
print(json.dumps([shown, found.blobs["code"].decode()]))
main(["config", "--format", "json"])
main(["trust", "list", "--format", "json"])
main(["key", "list", "--format", "json"])
"""


def test_no_file_of_a_project_changes_anything(eve, tmp_path, home, monkeypatch):
    """Root, keys, layers, policy: by whatever name a project could try to bring them."""
    repository = tmp_path / "repository"
    repository.mkdir()
    evil = repository / "keep"
    eve.publish(content=EVIL)
    shutil.copytree(eve.shared, evil)
    text = f"""
root = "{evil}"
dir = "{evil}"
strategy = "shared"
signing_key = "evil"
shared = ["{evil}?policy=off"]
"""
    for name in ("emberkeep.toml", "config.toml", ".emberkeep.toml", "emberkeep/config.toml"):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text(text)
    (repository / "pyproject.toml").write_text(text.replace("\nroot", "\n[tool.emberkeep]\nroot"))
    (repository / "setup.cfg").write_text(f"[emberkeep]\ndir = {evil}\nshared = {evil}?policy=off")
    environment = f"EMBERKEEP_DIR={evil}\nEMBERKEEP_SHARED={evil}?policy=off\n"
    environment += f"EMBERKEEP_CONFIG_DIR={repository}\nEMBERKEEP_PRIVATE_KEY={'11' * 32}\n"
    for name in (".env", ".envrc"):
        (repository / name).write_text(environment)
    for name in (".config", ".cache", ".emberkeep", "emberkeep", "config"):
        shutil.copytree(eve.config, repository / name / "emberkeep", dirs_exist_ok=True)
        shutil.copytree(eve.config, repository / name, dirs_exist_ok=True)
    shutil.copytree(eve.config, repository, dirs_exist_ok=True)
    eve.become()
    monkeypatch.delenv("EMBERKEEP_CONFIG_DIR")
    monkeypatch.delenv("EMBERKEEP_DIR")
    seen = []
    for place in (tmp_path / "empty", repository):
        place.mkdir(exist_ok=True)
        shutil.rmtree(home / "cache", ignore_errors=True)
        seen.append(output_in(place))
    assert seen[0] == seen[1]
    assert "built here" in seen[0]
    assert str(repository) not in seen[1]


def output_in(folder):
    environment = {n: v for n, v in os.environ.items() if not n.startswith("EMBERKEEP_")}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", LOOKING],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


# Links that lead out of the root ------------------------------------------------------------------


@pytest.mark.parametrize("place", ["local", "shared"])
@pytest.mark.parametrize("folder", ["tables", "tables/sample", "blobs"])
@pytest.mark.filterwarnings("ignore::emberkeep.StoreWarning")
def test_nothing_is_written_through_a_link_that_leads_out(alice, tmp_path, place, folder):
    """Eve, who may write there, puts a link where Alice's process expects a folder."""
    outside = tmp_path / "outside"
    outside.mkdir()
    link = os.path.join(alice.root if place == "local" else alice.shared, folder)
    os.makedirs(os.path.dirname(link), exist_ok=True)
    os.symlink(outside, link)
    keep = alice.keep()
    assert alice.get(keep).blobs["code"] == b"built by alice"
    keep.flush()
    assert os.listdir(outside) == []


# Commands that look at what Eve has planted -------------------------------------------------------


PLANTS = {
    "garbage": lambda d: b"\xff" * 100,
    "unsigned": None,
    "kind is no text": lambda d: d.replace(b'"kind":"tables"', b'"kind":5'),
    "name is no text": lambda d: d.replace(b'"name":"sample"', b'"name":[]'),
    "name leads out": lambda d: d.replace(b'"name":"sample"', b'"name":"../../../../escaped"'),
    "plan leads out": lambda d: d.replace(b'"plan":"', b'"plan":"../../../../'),
    "control characters": lambda d: d.replace(b'"name":"sample"', b'"name":"\\u001b[2J"'),
}


@pytest.mark.parametrize("policy", ["require", "warn", "off"])
@pytest.mark.parametrize("how", PLANTS)
def test_commands_survive_what_was_planted_and_write_nothing_outside(
    scene, tmp_path, capsys, monkeypatch, how, policy
):
    document = scene.forging.unsigned(scene.genuine)
    if PLANTS[how] is not None:
        document = PLANTS[how](document)
        document = document if how == "garbage" else resealed(document)
    scene.there.write(document)
    scene.bob.make_key()
    Sealer(scene.bob.config, pytest.fail).seal("the key is made at first use")
    monkeypatch.setattr(scene.bob, "shared", f"{scene.bob.shared}?policy={policy}")
    seen = os.path.join(scene.bob.config, "places")  # that there is a keep may be remembered
    before = everything_but(tmp_path, scene.bob.root, scene.there.root, seen)
    for words in (
        ("--layer", "shared", "ls"),
        ("--layer", "shared", "verify"),
        ("--layer", "shared", "show", scene.key[:12]),
        ("--layer", "shared", "status"),
        ("pull",),
        ("sync",),
        ("pull", "--dry-run"),
    ):
        assert scene.bob.run(*words) in (0, 1, 2, 3, 4)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert "\x1b" not in out
    assert everything_but(tmp_path, scene.bob.root, scene.there.root, seen) == before
    assert scene.own.paths() == []


def everything_but(folder, *roots):
    return sorted(
        os.path.join(place, name)
        for place, folders, names in os.walk(folder)
        if not place.startswith(roots)
        for name in (*folders, *names)
        if os.path.join(place, name) not in roots
    )


def test_the_answer_for_programs_says_why_something_was_refused(scene, capsys):
    make_eves(scene)
    assert scene.bob.run("pull", "--format", "json") == 1
    (refused,) = json.loads(capsys.readouterr().out)["pull"]["refused"]
    assert scene.eve.key.public in refused["reason"]
    assert "trust add" in refused["reason"]
