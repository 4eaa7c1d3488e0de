"""Who is believed: each load is judged anew, and nobody vouches for what they could not check."""

import importlib.util
import os
import random
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep import StoreWarning
from emberkeep.errors import StoreProblem, Untrusted
from emberkeep.store.manifest import read_document, read_stamps
from emberkeep.store.manifest_writing import resealed
from emberkeep.store.object_store import Folder
from emberkeep.store.protocol import DAMAGED, UNTRUSTED, Manifest, Miss
from emberkeep.testing import kept
from emberkeep.trust import trust_list
from emberkeep.trust.edits import remember_revocation
from emberkeep.trust.judge import Judge
from emberkeep.trust.others import Others
from emberkeep.trust.own_keys import OwnKeys
from emberkeep.trust.seals import OwnKeep, Sealer
from emberkeep.trust.signatures import public_half, revocation_statement
from emberkeep.trust.trust_list import TrustList

_place = os.path.join(os.path.dirname(__file__), "fuzz_manifest.py")
_spec = importlib.util.spec_from_file_location("fuzz_manifest", _place)
fuzzing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fuzzing)

ALICE, EVE, signed_by = fuzzing.ALICE, fuzzing.EVE, fuzzing.signed_by
ARTIFACT = kept(blobs={"code": b"code"})
SIGNED = signed_by(ALICE, ARTIFACT.document)
BY_EVE = signed_by(EVE, ARTIFACT.document)
ALTERED = resealed(SIGNED.replace(b'"role":"code"', b'"role":"evil"'))


class Bob:
    """Somebody's judgement of the documents of others."""

    def __init__(self, make_user, shared):
        self.user = make_user("bob")
        self.shared = str(shared)
        self.told = []
        self.judge = self.make_judge()
        self.sealer = Sealer(self.user.config, pytest.fail)

    def make_judge(self, given=None):
        keys = OwnKeys(self.user.config, "default", given)
        return Judge(TrustList(self.user.config, self.told.append), keys)

    def others(self, policy="require", **options):
        revocations = Folder(self.shared)
        return Others(
            self.judge,
            self.sealer,
            policy=policy,
            revocations=revocations,
            on_problem=self.told.append,
            **options,
        )

    def own(self):
        return OwnKeep(self.sealer, self.user.config, lambda: self.judge)

    def state(self, key, statement=None):
        """Put a statement where owners revoke this key."""
        folder = os.path.join(self.shared, "revoked")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, key.public)
        if statement is not None:
            with open(path, "wb") as file:
                file.write(statement)
        return path


@pytest.fixture
def bob(make_user, shared):
    return Bob(make_user, shared)


def problem_of(place, document):
    """Why a place does not let a document be used; None where it does."""
    found = read_document(document, ARTIFACT.manifest.key, place.verify)
    return f"{found.reason}: {found.detail}" if isinstance(found, Miss) else None


# Policies -----------------------------------------------------------------------------------------


def test_whoever_is_not_trusted_counts_by_the_policy(bob):
    bob.user.trust(ALICE.public, "alice")
    unsigned = resealed(ARTIFACT.document)
    for document, strict, warned, off in (
        (SIGNED, None, None, None),
        (unsigned, "nobody signed it", None, None),
        (BY_EVE, "does not trust", None, None),
        (ALTERED, "its signature is wrong", "its signature is wrong", None),
    ):
        for policy, expected in (("require", strict), ("warn", warned), ("off", off)):
            found = problem_of(bob.others(policy), document)
            assert (found is None) == (expected is None), (policy, found)
            assert expected is None or (expected in found and found.startswith(UNTRUSTED))
    assert len(bob.told) == 2
    assert all("is used, though" in text for text in bob.told)


def test_what_was_revoked_is_not_used_by_any_policy(bob):
    stamps = read_stamps(SIGNED)
    for field, name in (
        ("revoked_keys", ALICE.public),
        ("revoked_manifests", stamps.payload),
        ("revoked_toolchains", ARTIFACT.manifest.key.build),
    ):
        bob.user.trust(ALICE.public)
        bob.user.say(field, name, "leaked")
        for policy in ("require", "warn", "off"):
            assert "was revoked (leaked)" in problem_of(bob.others(policy), SIGNED)
        if field != "revoked_keys":
            for policy in ("warn", "off"):
                assert "leaked" in problem_of(bob.others(policy), resealed(ARTIFACT.document))
        os.unlink(bob.user.trust_file)


@pytest.mark.parametrize("content", [b"", b"nonsense", b'{"version":2}'])
def test_where_it_is_unknown_what_was_revoked_every_policy_is_strict(bob, content):
    bob.user.trust(ALICE.public)
    bob.user.say("revoked_keys", EVE.public)
    with open(bob.user.trust_file, "wb") as file:
        file.write(content)
    for policy in ("require", "warn", "off"):
        for document in (SIGNED, BY_EVE, resealed(ARTIFACT.document)):
            assert problem_of(bob.others(policy), document) is not None
    assert "cannot be understood" in bob.told[0]


def test_own_keys_count_and_retired_ones_do_not(bob):
    key = bob.user.make_key("laptop")
    mine = signed_by(key, ARTIFACT.document)
    assert problem_of(bob.others(), mine) is None
    path = os.path.join(bob.user.config, "keys", "laptop.key")
    os.rename(path, path.replace(".key", ".revoked"))
    bob.judge = bob.make_judge()
    assert "does not trust" in problem_of(bob.others(), mine)


def test_a_key_in_the_environment_is_ones_own(bob):
    private = "66" * 32
    for text in (private, private + public_half(private)):
        bob.judge = bob.make_judge(text)
        (key,) = bob.judge.own.to_sign()
        assert problem_of(bob.others(), signed_by(key, ARTIFACT.document)) is None
        assert "does not trust" in problem_of(bob.others(), SIGNED)


# The own keep -------------------------------------------------------------------------------------


def test_a_seal_is_needed_and_does_not_outlive_trust(bob):
    bob.user.trust(ALICE.public, "alice")
    sealed = bob.own().endorse(SIGNED)
    assert problem_of(bob.own(), sealed) is None
    assert "not sealed by this user" in problem_of(bob.own(), SIGNED)
    assert "not sealed" in problem_of(bob.own(), resealed(SIGNED, lambda _: "f" * 64))
    os.unlink(bob.user.trust_file)
    assert "does not trust" in problem_of(bob.own(), sealed)
    bob.user.trust(ALICE.public, "alice")
    assert problem_of(bob.own(), sealed) is None


def test_a_seal_of_one_document_is_none_of_another(bob):
    bob.user.trust(ALICE.public)
    one = bob.own().endorse(SIGNED)
    seal = read_stamps(one).seal
    for other in (resealed(ARTIFACT.document), ALTERED, BY_EVE):
        assert "not sealed" in problem_of(bob.own(), resealed(other, lambda _: seal))
    alice_alone = resealed(ARTIFACT.document, bob.sealer.seal)
    assert problem_of(bob.own(), alice_alone) is None
    with_signature = one[:-136] + alice_alone[-136:]
    assert problem_of(bob.own(), with_signature) is not None


def test_nobody_seals_what_they_cannot_check(bob):
    for document, told in (
        (SIGNED, "does not trust"),
        (BY_EVE, "does not trust"),
        (ALTERED, "signature is wrong"),
        (resealed(ARTIFACT.document), "nobody signed it"),
        (SIGNED[:-1], "does not have the digest"),
        (b"", "does not have the digest"),
    ):
        with pytest.raises(Untrusted, match=told):
            bob.own().endorse(document)
        with pytest.raises(Untrusted, match=r"not shared"):
            bob.others("off").endorse(document)


def test_nobody_signs_what_another_has_sealed(bob, make_user):
    bob.user.make_key()
    other = Sealer(make_user("carol").config, pytest.fail)
    sealed = resealed(ARTIFACT.document, other.seal)
    with pytest.raises(Untrusted, match="not sealed by this user.*and nobody signed it"):
        bob.others("off").endorse(sealed)
    mine = resealed(ARTIFACT.document, bob.sealer.seal)
    assert read_stamps(bob.others().endorse(mine)).signers[0] == bob.judge.own.to_sign()[0].public


def test_what_others_have_signed_keeps_their_signature_and_loses_the_seal(bob):
    bob.user.make_key()
    bob.user.trust(ALICE.public)
    sealed = bob.own().endorse(SIGNED)
    assert read_stamps(sealed).seal != "0" * 64
    assert bob.others(details=False).endorse(sealed) == SIGNED


def test_without_details_the_signed_document_has_no_ingredients(bob):
    bob.user.make_key()
    mine = kept(plan="a captured secret", seal=bob.sealer.seal).document
    assert b"a captured secret" in mine
    outgoing = bob.others(details=False).endorse(mine)
    assert b"a captured secret" not in outgoing
    assert b'"ingredients":{}' in outgoing
    assert read_stamps(outgoing).seal == "0" * 64
    key = kept(plan="a captured secret").manifest.key
    assert isinstance(read_document(outgoing, key, bob.others().verify), Manifest)


def test_a_revoked_key_signs_nothing_more(bob):
    key = bob.user.make_key()
    mine = resealed(ARTIFACT.document, bob.sealer.seal)
    assert bob.others().can_endorse()
    bob.user.say("revoked_keys", key.public)
    assert not bob.others().can_endorse()
    for sign in (lambda: bob.others().endorse(mine), lambda: bob.others().sign(b"a bundle")):
        with pytest.raises(StoreProblem, match="was revoked"):
            sign()


# Statements of owners -----------------------------------------------------------------------------


def forged_statements():
    right, of_eve = revocation_statement(ALICE), revocation_statement(EVE)
    yield b""
    yield of_eve
    yield of_eve.replace(EVE.public.encode(), ALICE.public.encode())
    yield right[:-2]
    yield right + b"\n"
    yield right.replace(b" 1\n", b" 2\n")
    yield right.upper()
    yield right.replace(b"\n", b"\r\n")
    yield b"\n" + right
    yield right * 2
    yield bytes(5000)
    yield f"emberkeep revocation 1\n{ALICE.public}\n{'0' * 128}\n".encode()
    signature = read_stamps(SIGNED).signatures[0].value
    yield f"emberkeep revocation 1\n{ALICE.public}\n{signature}\n".encode()


@pytest.mark.parametrize("statement", list(forged_statements()), ids=range(13))
def test_a_forged_statement_is_ignored(bob, statement):
    bob.user.trust(ALICE.public)
    bob.state(ALICE, statement)
    assert problem_of(bob.others(), SIGNED) is None
    assert not bob.judge.taken_back
    assert bob.told == []


@pytest.mark.parametrize("make", ["link", "folder", "pipe"])
def test_what_is_no_file_is_no_statement(bob, tmp_path, make):
    bob.user.trust(ALICE.public)
    path = bob.state(ALICE)
    if make == "link":
        (tmp_path / "statement").write_bytes(revocation_statement(ALICE))
        os.symlink(tmp_path / "statement", path)
    else:
        {"folder": os.mkdir, "pipe": os.mkfifo}[make](path)
    assert problem_of(bob.others(), SIGNED) is None


@pytest.mark.parametrize("policy", ["require", "warn", "off"])
def test_a_true_statement_is_heeded_and_remembered(bob, policy):
    bob.user.trust(ALICE.public)
    sealed = bob.own().endorse(SIGNED)
    path = bob.state(ALICE, revocation_statement(ALICE))
    others = bob.others(policy)
    with open(bob.user.trust_file, "rb") as file:
        before = file.read()
    assert "revoked by its owner" in problem_of(others, SIGNED)
    with open(bob.user.trust_file, "rb") as file:
        assert file.read() == before, "a judgement has edited whom the user trusts"
    others.write_down_revocations()
    os.unlink(path)
    for judge in (bob.judge, bob.make_judge()):
        bob.judge = judge
        assert "revoked by its owner" in problem_of(bob.others(policy), SIGNED)
        assert "revoked by its owner" in problem_of(bob.own(), sealed)
    with pytest.raises(Untrusted, match="revoked by its owner"):
        bob.own().endorse(SIGNED)


def test_what_was_verified_is_not_parsed_again_to_be_sealed(bob, monkeypatch):
    bob.user.trust(ALICE.public)
    assert problem_of(bob.others(), SIGNED) is None
    parsed = []
    reading = read_document

    def count(document, *others):
        parsed.append(document)
        return reading(document, *others)

    monkeypatch.setattr("emberkeep.trust.seals.read_document", count)
    assert problem_of(bob.own(), bob.own().endorse(SIGNED)) is None
    assert not parsed
    for other in (ALTERED, BY_EVE, SIGNED[:-9], ARTIFACT.document):
        with pytest.raises(Untrusted):
            bob.own().endorse(other)
    assert len(parsed) == 4


@pytest.mark.parametrize("how", ["expired", "revoked", "taken back", "gone", "unreadable"])
def test_what_was_verified_is_not_sealed_once_trust_has_ended(bob, how, monkeypatch):
    bob.user.trust(ALICE.public, expires=time.time() + 1000)
    assert problem_of(bob.others(), SIGNED) is None
    bob.own().endorse(SIGNED)
    if how == "expired":
        later = time.time() + 2000
        monkeypatch.setattr(time, "time", lambda: later)
    elif how == "revoked":
        remember_revocation(bob.user.config, ALICE.public, pytest.fail)
    elif how == "taken back":
        bob.judge.taken_back.add(ALICE.public)
    elif how == "gone":
        os.unlink(bob.user.trust_file)
    else:
        with open(bob.user.trust_file, "w") as file:
            file.write("{")
    with pytest.raises(Untrusted):
        bob.own().endorse(SIGNED)


def test_a_statement_about_one_key_is_learned_with_the_artifact_of_another(bob):
    bob.user.trust(ALICE.public)
    bob.user.trust(EVE.public)
    sealed = bob.own().endorse(SIGNED)
    bob.state(ALICE, revocation_statement(ALICE))
    assert problem_of(bob.others(), BY_EVE) is None
    assert "revoked by its owner" in problem_of(bob.own(), sealed)


def test_a_statement_holds_where_the_list_cannot_be_written(bob):
    bob.user.trust(ALICE.public)
    sealed = bob.own().endorse(SIGNED)
    os.unlink(f"{bob.user.trust_file}.lock")
    os.mkdir(f"{bob.user.trust_file}.lock")
    path = bob.state(ALICE, revocation_statement(ALICE))
    others = bob.others()
    assert "revoked by its owner" in problem_of(others, SIGNED)
    others.write_down_revocations()
    os.unlink(path)
    assert "revoked by its owner" in problem_of(bob.others(), SIGNED), "by the same place"
    assert "revoked by its owner" in problem_of(bob.own(), sealed), "in the own keep, too"
    with pytest.raises(Untrusted, match="revoked by its owner"):
        bob.own().endorse(SIGNED)
    with pytest.raises(Untrusted, match="revoked by its owner"):
        bob.judge.require_signer(ALICE.public, ALICE.sign(b"bundle"), b"bundle")
    assert ALICE.public in bob.told[0]
    assert "cannot be written down" in bob.told[0]


def test_of_strangers_nothing_is_written_down(bob):
    """Anybody can make keys and revoke them, and could fill the list of everybody else."""
    bob.user.trust(ALICE.public)
    before = os.stat(bob.user.trust_file).st_mtime_ns
    for seed in range(10, 30):
        key = fuzzing.key_of("anybody", seed)
        bob.state(key, revocation_statement(key))
        document = signed_by(key, ARTIFACT.document)
        others = bob.others("warn")
        assert "revoked by its owner" in problem_of(others, document)
        others.write_down_revocations()
    assert os.stat(bob.user.trust_file).st_mtime_ns == before


def test_an_own_key_that_somebody_revoked_elsewhere_is_remembered(bob):
    key = bob.user.make_key()
    bob.state(key, revocation_statement(key))
    mine = signed_by(key, ARTIFACT.document)
    others = bob.others()
    assert "revoked by its owner" in problem_of(others, mine)
    with pytest.raises(StoreProblem, match="was revoked"):
        bob.others().sign(b"")  # before that is written down, too
    others.write_down_revocations()
    assert key.public in bob.judge.trust.current().revoked_keys
    bob.judge = bob.make_judge()
    with pytest.raises(StoreProblem, match="was revoked"):
        bob.others().sign(b"")


@pytest.mark.parametrize("signer", ["..", "../../etc/passwd", "A" * 64, "\0" * 64, "/" * 64])
def test_a_signer_that_is_no_key_names_no_file(bob, monkeypatch, signer):
    read = []
    monkeypatch.setattr(Folder, "read", lambda _, name, limit: read.append(name) or (b"", None))
    assert not bob.others()._read_statement(signer)
    assert read == []


# Bundles ------------------------------------------------------------------------------------------


def test_whoever_signs_a_bundle_has_to_count(bob):
    signature = ALICE.sign(b"bundle")

    def opened(message=b"bundle", signature=signature):
        bob.judge.require_signer(ALICE.public, signature, message)

    with pytest.raises(Untrusted, match="does not trust"):
        opened()
    bob.user.trust(ALICE.public, namespaces=["traces"])
    opened()
    with pytest.raises(Untrusted, match="signature is wrong"):
        opened(b"another")
    with pytest.raises(Untrusted, match="signature is wrong"):
        opened(signature=signature.upper())
    bob.user.trust(ALICE.public, expires=1.0)
    with pytest.raises(Untrusted, match="expired"):
        opened()
    bob.user.trust(ALICE.public)
    bob.user.say("revoked_keys", ALICE.public, "leaked")
    with pytest.raises(Untrusted, match="leaked"):
        opened()


# Loads without cryptography -----------------------------------------------------------------------

LOADING = """
import sys, warnings
warnings.simplefilter("ignore")
from emberkeep import Keep
keep = Keep(strategy="local", memory_size=0)
found = keep.get_or_build("tables", "sample", {"n": 1}, lambda: {"code": b"rebuilt"})
again = keep.get_or_build("tables", "sample", {"n": 1}, lambda: {"code": b"rebuilt"})
keep._counts.flush()
refused = sum(count for (event, _, what), (count, _) in keep.totals().items() if event == "refused")
print(found.hit, found.blobs["code"], again.hit, refused, "cryptography" in sys.modules)
print(found.reason)
"""


def loaded_by(user):
    lines = user.in_process(LOADING)[0].splitlines()
    return lines[0], lines[1]


WITHDRAWN = {
    "expired": (lambda bob, alice: bob.trust(alice.key.public, expires=time.time()), "expired"),
    "removed": (lambda bob, alice: os.unlink(bob.trust_file), "does not trust"),
    "removed by the command": (lambda bob, alice: bob.run("trust", "remove", "alice"), "not trust"),
    "revoked": (lambda bob, alice: bob.say("revoked_keys", alice.key.public, "lost"), "lost"),
    "narrowed": (
        lambda bob, alice: bob.trust(alice.key.public, namespaces=["traces"]),
        "trusted for traces alone",
    ),
    "list damaged": (lambda bob, alice: os.truncate(bob.trust_file, 10), "does not trust"),
}


@pytest.mark.parametrize("how", WITHDRAWN)
def test_what_was_fetched_is_judged_at_each_load_without_cryptography(alice, make_user, how):
    bob = make_user("bob")
    bob.trust(alice.key.public, "alice")
    alice.publish()
    assert bob.get().hit
    assert loaded_by(bob)[0] == "True b'what Alice has built' True 0 False"
    withdraw, told = WITHDRAWN[how]
    withdraw(bob, alice)
    facts, reason = loaded_by(bob)
    assert facts == "False b'rebuilt' True 1 False"
    assert told in reason


def test_a_long_process_stops_using_what_it_may_no_more(alice, make_user, monkeypatch):
    """Without memory: what was loaded into a process is in it."""
    bob = make_user("bob")
    bob.trust(alice.key.public, "alice", expires=2_000.0)
    alice.publish()
    keep = bob.keep("?read_only=true")
    now = [1_000.0]

    class Clock:
        time = staticmethod(lambda: now[0])

    monkeypatch.setattr(trust_list, "time", Clock)
    assert bob.get(keep).reason == f"kept in shared {bob.shared}"
    now[0] = 1_999.999
    assert bob.get(keep).reason == "kept in local"
    now[0] = 2_000.0
    with pytest.warns(StoreWarning, match="expired"):
        assert bob.get(keep).blobs["code"] == b"built by bob"


# Mutations ----------------------------------------------------------------------------------------


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.soak)])
def test_no_mutation_of_a_manifest_gives_anything_that_was_not_vouched_for(tmp_path, report, count):
    world = fuzzing.World(tmp_path / "world")
    for document in (world.genuine, world.sealed, world.own):
        world.attack(document)
    assert world.accepted == {"local": 2, "require": 2, "warn": 3, "off": 3}
    for seed in range(count):
        world.attack(fuzzing.mutated(world, random.Random(seed).randrange))
    world.assert_nothing_outside()
    assert world.accepted["require"] < count / 10
    assert world.accepted["off"] > count / 10, "most mutations are wellformed"
    report(
        mutations=count, offers=count * 7, **{f"taken_{n}": c for n, c in world.accepted.items()}
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [100, pytest.param(10_000, marks=pytest.mark.soak)])
def test_no_mutation_that_hypothesis_looks_for_gives_more_either(tmp_path, report, count):
    world = fuzzing.World(tmp_path / "world")

    @settings(max_examples=count, deadline=None, database=None)
    @given(st.randoms(use_true_random=False))
    def attack(chance):
        world.attack(fuzzing.mutated(world, chance.randrange))

    attack()
    world.assert_nothing_outside()
    report(mutations=count, **{f"taken_{n}": c for n, c in world.accepted.items()})


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [250, pytest.param(10_000, marks=pytest.mark.soak)])
def test_nothing_that_a_trusted_key_signs_breaks_a_reader(tmp_path, report, count):
    world = fuzzing.World(tmp_path / "world")
    for seed in range(count):
        fuzzing.attack_as_alice(world, random.Random(seed).randrange)
    world.assert_nothing_outside()
    report(mutations=count)


def test_the_fuzzer_attacks_in_all_its_ways(tmp_path):
    world = fuzzing.World(tmp_path / "world")
    for way in range(0, 256, 16):
        for seed in range(3):
            chance = random.Random(seed)

            class Choices:
                def __init__(self, rest, chance=chance):
                    self.ConsumeIntInRange = chance.randint

            fuzzing.fuzz_one(world, bytes([way]) + chance.randbytes(60), Choices)
    for seed in fuzzing.seeds(world):
        if seed[0] < 0x80:
            fuzzing.fuzz_one(world, seed, None)
    world.assert_nothing_outside()


BOMB = """
import resource, sys, time
from emberkeep.startup_records import sha256
from emberkeep.store.manifest import SIZE_LIMIT, TRAILER, read_document
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = b'{"manifest":{"format":1,"kind":"a","name":"b","plan":"c","build":"d","blobs":[],'
start += b'"cost_s":1,"made_at":1,"made_by":{},"layout":['
end = b'0]},\\n"ingredients":{},\\n'
part = sys.argv[1].encode()
lines = start + part * ((SIZE_LIMIT - 1000) // len(part)) + end
document = lines + TRAILER % (sha256(lines).hexdigest().encode(), b"0" * 64)
began = time.monotonic()
found = read_document(document, None, lambda manifest, stamps: "nobody signed it")
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(found.reason, used >> 10, time.monotonic() - began)
"""


@pytest.mark.parametrize("part", ["[],", "{},", '{"a":0},', "1.5,", "[[[[[[]]]]]],", '"\\u0100",'])
def test_the_largest_manifest_takes_bounded_memory(part, report):
    ran = subprocess.run([sys.executable, "-c", BOMB, part], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    reason, mebibytes, seconds = ran.stdout.split()
    assert reason in (UNTRUSTED, DAMAGED)
    assert int(mebibytes) < 1024
    report(mebibytes=int(mebibytes), milliseconds=int(float(seconds) * 1000))
