"""Several signatures on a manifest: keys that follow each other, and what two people must sign."""

import itertools
import json
import os
import random

import pytest

from emberkeep import settings
from emberkeep.errors import StoreProblem, StoreWarning, Untrusted
from emberkeep.startup_records import replace, sha256
from emberkeep.store.manifest import MOST_SIGNATURES, payload_of, read_document, read_stamps
from emberkeep.store.manifest_writing import resealed, signed, with_signatures
from emberkeep.store.protocol import Miss, Signature
from emberkeep.testing.samples import kept
from emberkeep.trust.judge import judge_of
from emberkeep.trust.others import signed_with
from emberkeep.trust.signatures import SigningKey, public_half

ARTIFACT = kept(kind="tables", name="sample")
TRAILER = ARTIFACT.document[len(payload_of(ARTIFACT.document)) :]


def key_of(number):
    private = sha256(f"key {number}".encode()).hexdigest()
    return SigningKey(f"key{number}", public_half(private), private, 0.0)


KEYS = [key_of(number) for number in range(MOST_SIGNATURES + 1)]
A, B, C, D = KEYS[:4]


def signed_by(*keys):
    document = ARTIFACT.document
    for key in keys:
        document = signed_with(key, document)
    return document


def wrong(key):
    """A signature of something else."""
    return Signature(key.public, key.sign(b"something else"))


@pytest.fixture
def judge(bob):
    """Bob's, with a word for a document: None where he believes it."""
    bob.become()
    made = judge_of(settings.load({}), pytest.fail)

    def say(document):
        found = read_document(document, None, made.verify_signature)
        return found.detail if isinstance(found, Miss) else None

    say.judge = made
    return say


# The form ---------------------------------------------------------------------------------------


def test_there_is_one_way_to_write_them_whatever_their_order():
    documents = {signed_by(*keys) for keys in itertools.permutations([A, B, C])}
    (document,) = documents
    stamps = read_stamps(document)
    assert stamps.signers == tuple(sorted(key.public for key in (A, B, C)))
    assert stamps.payload == sha256(payload_of(ARTIFACT.document)).hexdigest()
    assert json.loads(document)["signatures"] == [
        {"by": each.by, "value": each.value} for each in stamps.signatures
    ]
    assert payload_of(document) == payload_of(ARTIFACT.document)


def test_one_signature_is_written_as_it_always_was():
    document = signed_by(A)
    value = read_stamps(document).signatures[0].value
    line = f'"signature":{{"by":"{A.public}","value":"{value}"}},\n'.encode()
    assert payload_of(document) + line == document[: len(payload_of(document)) + len(line)]
    assert signed_by(A, A) == document
    assert with_signatures(signed_by(A, B), read_stamps(document).signatures) == document


def test_there_are_only_so_many():
    document = signed_by(*KEYS[:MOST_SIGNATURES])
    assert len(read_stamps(document).signatures) == MOST_SIGNATURES
    assert signed_with(A, document) == document
    with pytest.raises(StoreProblem, match="8 signatures, and no more"):
        signed_with(KEYS[-1], document)


def lines_that_are_odd():
    one, other = sorted(
        [Signature(A.public, "a" * 128), Signature(B.public, "b" * 128)], key=lambda each: each.by
    )
    as_text = [f'{{"by":"{each.by}","value":"{each.value}"}}' for each in (one, other)]
    yield from (
        f'"signatures":[{as_text[1]},{as_text[0]}],\n',
        f'"signatures":[{as_text[0]},{as_text[0]}],\n',
        f'"signatures":[{as_text[0]}],\n',
        f'"signatures":[{as_text[0]}, {as_text[1]}],\n',
        f'"signatures":[{as_text[0]},{as_text[1]}]  ,\n',
        f'"signatures":[{",".join(as_text)},{as_text[1]}],\n',
        '"signatures":[],\n',
        f'"signature":{as_text[0]},"signature":{as_text[1]},\n',
        f'"signature":[{as_text[0]}],\n',
        '"signatures":[' + ",".join(as_text * 5) + "],\n",
    )


@pytest.mark.parametrize("line", list(lines_that_are_odd()))
def test_what_is_written_otherwise_is_no_signature(judge, line):
    document = resealed(payload_of(ARTIFACT.document) + line.encode() + TRAILER)
    assert read_stamps(document).signatures == ()
    assert judge(document) == "nobody signed it"


def test_a_line_of_signatures_is_not_part_of_what_another_signs(judge, bob):
    """A line above the last is a line of the payload, for which nobody's signature is right."""
    for key in (A, B):
        bob.trust(key.public, key.name)
    one, two = read_stamps(signed_by(A)).signatures[0], read_stamps(signed_by(B)).signatures[0]
    first = with_signatures(ARTIFACT.document, [one])
    line = first[len(payload_of(first)) : -len(TRAILER)]
    forged = with_signatures(resealed(payload_of(first) + line + b"\n" + TRAILER), [two])
    assert judge(forged) is not None


def test_whatever_is_altered_in_the_line_is_found(judge, bob):
    """Each byte of it, one after another: two people have not signed that."""
    for key in (A, B):
        bob.trust(key.public, key.name)
    bob.say("needed", "*", 2)
    document = signed_by(A, B)
    assert judge(document) is None
    begin, end = len(payload_of(document)), len(document) - len(TRAILER)
    for at in range(begin, end, 3):
        altered = bytearray(document)
        altered[at] ^= 1 << (at % 7)
        assert judge(resealed(bytes(altered))) is not None, at


# Who counts -------------------------------------------------------------------------------------


def test_any_of_those_who_signed_is_enough(judge, bob):
    assert "does not trust" in judge(signed_by(A, B))
    bob.trust(B.public, "b")
    assert judge(signed_by(A, B)) is None
    assert judge(signed_by(B)) is None
    assert "does not trust" in judge(signed_by(A, C))


def test_a_key_that_was_revoked_leaves_what_its_successor_signed(judge, bob):
    bob.trust(A.public, "alice")
    bob.trust(B.public, "alice")
    bob.say("revoked_keys", A.public)
    assert judge(signed_by(A, B)) is None
    assert "was revoked" in judge(signed_by(A))
    assert "was revoked" in judge(signed_by(A, C))


def test_two_people_must_have_signed(judge, bob):
    for key in (A, B):
        bob.trust(key.public, key.name)
    bob.say("needed", "*", 2)
    assert judge(signed_by(A, B)) is None
    assert (
        judge(signed_by(A)) == "2 people must have signed it, and of those who count only key0 did"
    )
    assert "only key0 did" in judge(signed_by(A, C)), "a stranger is nobody"
    broken = with_signatures(signed_by(A), [*read_stamps(signed_by(A)).signatures, wrong(B)])
    assert "only key0 did" in judge(broken), "nor is a signature of something else"
    bob.trust(C.public, "key0")
    assert "only key0 did" in judge(signed_by(A, C)), "two keys of one person are one"
    bob.say("revoked_keys", B.public)
    assert "only key0 did" in judge(signed_by(A, B)), "nor does a key that was revoked"


def test_ones_own_keys_are_one_person(judge, bob):
    mine, other = bob.make_key(), bob.make_key("other")
    bob.trust(other.public, "a name for a key of mine")
    bob.say("needed", "*", 2)
    assert "only you did" in judge(signed_by(mine, other))
    bob.trust(A.public, "alice")
    assert judge(signed_by(mine, A)) is None


def test_how_many_are_needed_is_the_most_of_what_covers_it(judge, bob):
    for key in (A, B):
        bob.trust(key.public, key.name)
    bob.say("needed", "other", 2)
    assert judge(signed_by(A)) is None
    bob.say("needed", "tables/sam*", 2)
    assert judge(signed_by(A)) is not None
    bob.say("needed", "tables", 3)
    assert "3 people" in judge(signed_by(A, B))


def test_no_signature_lowers_and_none_taken_off_raises_trust(judge, bob):
    """Over many sets of signatures, good, foreign, revoked and wrong."""
    for key in (A, B, C):
        bob.trust(key.public, key.name)
    bob.say("revoked_keys", C.public)
    good = {key: read_stamps(signed_by(key)).signatures[0] for key in KEYS[:6]}
    pool = [*good.values(), wrong(A), wrong(B), wrong(KEYS[6])]
    chance = random.Random(16)
    for needed in (1, 2):
        bob.say("needed", "*", needed)
        believed = 0
        for _ in range(150):
            some = chance.sample(pool, chance.randrange(1, 7))
            chosen = list({each.by: each for each in some}.values())
            counting = {each.by for each in chosen if each in (good[A], good[B])}
            verdict = judge(with_signatures(ARTIFACT.document, chosen)) is None
            assert verdict == (len(counting) >= needed)
            believed += verdict
            for each in chosen:
                fewer = [other for other in chosen if other is not each]
                if judge(with_signatures(ARTIFACT.document, fewer)) is None:
                    assert verdict, "what was taken off had kept it from being believed"
        assert 10 < believed < 140


# Where it is kept -------------------------------------------------------------------------------


def test_a_wrong_signature_does_not_come_under_the_seal(bob):
    """Whoever is trusted later has not signed it."""
    bob.trust(A.public, "a")
    keep = bob.keep()
    document = with_signatures(signed_by(A), [*read_stamps(signed_by(A)).signatures, wrong(B)])
    sealed = keep._own.endorse(document)
    assert read_stamps(sealed).signers == (A.public,)
    bob.say("revoked_keys", A.public)
    bob.trust(B.public, "b")
    with pytest.raises(Untrusted):
        keep._own.endorse(with_signatures(document, [wrong(B)]))
    found = read_document(sealed, None, keep._own.verify)
    assert "revoked" in found.detail


def test_a_list_that_asks_for_several_is_none_that_an_older_emberkeep_reads(bob):
    bob.say("needed", "*", 2)
    with open(bob.trust_file) as file:
        assert json.load(file)["version"] == 2
    assert bob.run("trust", "require", "1") == 0
    with open(bob.trust_file) as file:
        found = json.load(file)
    assert (found["version"], "needed" in found) == (1, False)


@pytest.mark.parametrize("number", [0, -1, 9, 1.0, "2", True, None])
def test_a_number_that_is_none_means_that_nobody_is_trusted(bob, number):
    bob.say("needed", "*", 2)
    with open(bob.trust_file) as file:
        fields = json.load(file)
    with open(bob.trust_file, "w") as file:
        json.dump({**fields, "needed": {"*": number}}, file)
    with pytest.warns(StoreWarning, match="Nobody is trusted"):
        bob.get(bob.keep())


# By the commands --------------------------------------------------------------------------------


def test_rotation(alice, bob, capsys):
    """The new key signs beside the old one; then the old one is revoked, and nothing is lost."""
    alice.publish()
    new = alice.make_key("new")
    assert alice.run("sign", "--layer", "shared", "--key", "new", "tables") == 0
    assert ": signed" in capsys.readouterr().out
    assert alice.run("sign", "--layer", "shared", "--key", "new", "sample") == 0
    assert "had your signature already" in capsys.readouterr().out
    assert bob.get(bob.keep(strategy="shared")).hit
    bob.trust(new.public, "alice")
    bob.say("revoked_keys", alice.key.public)
    assert bob.get(bob.keep(strategy="shared")).hit
    assert bob.run("show", "--layer", "shared", "sample", "--format", "json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["signers"] == sorted([alice.key.public, new.public])


def test_two_keys_of_ones_own_sign_while_one_follows_the_other(alice, bob, monkeypatch):
    new = alice.make_key("new")
    monkeypatch.setenv("EMBERKEEP_SIGNING_KEY", "new, default")
    alice.publish()
    monkeypatch.delenv("EMBERKEEP_SIGNING_KEY")
    bob.say("keys", alice.key.public, replace(bob_trusts(bob, alice), {"expires": 1.0}))
    with pytest.warns(StoreWarning, match="expired"):
        assert not bob.get(bob.keep(strategy="shared")).hit
    bob.trust(new.public, "alice")
    assert bob.get(bob.keep(strategy="shared")).hit


def test_a_key_that_was_taken_back_is_no_obstacle_to_the_other(alice, monkeypatch, capsys):
    new = alice.make_key("new")
    monkeypatch.setenv("EMBERKEEP_SIGNING_KEY", "new, default")
    assert alice.run("key", "revoke", "default") == 0
    alice.get(alice.keep(strategy="local"))
    assert alice.run("push") == 0
    capsys.readouterr()
    assert alice.run("show", "--layer", "shared", "sample", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["signers"] == [new.public]
    monkeypatch.setenv("EMBERKEEP_SIGNING_KEY", "new, defualt")
    alice.get(alice.keep(strategy="local"), n=2)
    assert alice.run("push") == 4
    assert "There is no key 'defualt'" in capsys.readouterr().err


def bob_trusts(bob, alice):
    from emberkeep.trust.trust_list import TrustList

    return TrustList(bob.config, pytest.fail).current().keys[alice.key.public]


def test_what_two_people_must_sign_gets_its_second(alice, bob, make_user, capsys):
    alice.publish()
    carol = make_user("carol")
    carol.key = carol.make_key()
    bob.trust(carol.key.public, "carol")
    assert bob.run("trust", "require", "2", "--for", "tables") == 0
    capsys.readouterr()
    assert bob.run("trust", "list") == 0
    assert "2 people must have signed tables" in capsys.readouterr().out
    assert bob.run("pull") == 1
    assert "only alice did" not in capsys.readouterr().err
    # Carol cannot sign what nobody vouches for whom she trusts.
    assert carol.run("sign", "--layer", "shared", "tables/sample") == 1
    assert "does not trust" in capsys.readouterr().out
    carol.trust(alice.key.public, "alice")
    carol.say("needed", "*", 2)
    assert carol.run("sign", "--layer", "shared", "tables/sample") == 0
    assert bob.run("pull") == 0
    assert bob.get(bob.keep(strategy="local")).hit
    # A bundle has to have both, too.
    both, one = (os.path.join(os.path.dirname(bob.root), name) for name in ("both", "one"))
    named = ["--name", "n", "--version", "1"]
    key = bob.make_key()
    assert bob.run("export", both, *named) == 0
    assert alice.run("export", one, *named) == 0
    dave = make_user("dave")
    for public, name in ((key.public, "bob"), (alice.key.public, "alice")):
        dave.trust(public, name)
    dave.say("needed", "*", 2)
    assert dave.run("import", both) == 1
    assert "only alice did" in capsys.readouterr().out
    dave.trust(carol.key.public, "carol")
    assert dave.run("import", one) == 1
    assert dave.run("import", both) == 0
    assert dave.get(dave.keep(strategy="local")).hit


def test_ones_own_build_that_one_has_signed_stays_ones_own(alice):
    keep = alice.keep(strategy="local")
    assert not alice.get(keep).hit
    assert alice.run("sign", "sample") == 0
    assert alice.run("trust", "require", "2") == 0
    assert alice.get(alice.keep(strategy="local")).hit


def test_what_is_damaged_is_not_signed(alice, manifests, capsys):
    alice.publish()
    for folder, _, names in os.walk(os.path.join(alice.shared, "blobs")):
        for name in names:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(b"something else")
    alice.make_key("new")
    assert alice.run("sign", "--layer", "shared", "--key", "new", "sample") == 1
    assert "it is damaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sign", "nothing"], 3, "No entry is called"),
        (["sign", "sample", "--key", "nobody"], 2, "There is no key 'nobody'"),
        (["trust", "require", "0"], 2, "no number of people"),
        (["trust", "require", "9"], 2, "no number of people"),
        (["trust", "require", "two"], 2, "no number of people"),
        (["trust", "require", "2", "--for", ""], 2, "says nothing"),
        (["trust", "require"], 2, "needs"),
    ],
)
def test_what_makes_no_sense_is_refused(alice, capsys, words, code, said):
    alice.get(alice.keep(strategy="local"))
    capsys.readouterr()
    assert alice.run(*words) == code
    assert said in capsys.readouterr().err
    assert signed  # by which documents get theirs


def test_doctor_says_where_fewer_are_trusted_than_must_sign(alice, bob, make_user, capsys):
    bob.say("needed", "tables", 2)
    bob.run("doctor")
    assert "2 people must have signed tables, and only 1 of them" in capsys.readouterr().out
    bob.trust(B.public, "b", ["traces"])
    bob.run("doctor")
    assert "only 1 of them" in capsys.readouterr().out
    bob.trust(B.public, "b", ["tables"])
    bob.run("doctor")
    assert "people must have signed" not in capsys.readouterr().out


def test_nobody_can_keep_others_from_signing_by_filling_the_room(alice, manifests, capsys):
    alice.publish()
    there = manifests(alice.shared)
    document = there.read()
    for key in KEYS[:-2]:
        document = signed_with(key, document)
    stamps = read_stamps(document)
    assert len(stamps.signatures) == MOST_SIGNATURES
    new = alice.make_key("new")
    there.write(document)
    assert alice.run("sign", "--layer", "shared", "--key", "new", "sample") == 0
    assert read_stamps(there.read()).signers == tuple(sorted([alice.key.public, new.public]))
    # Nor do wrong ones stay where somebody signs.
    one = read_stamps(there.read()).signatures
    there.write(with_signatures(there.read(), [*one, wrong(A)]))
    alice.make_key("third")
    assert alice.run("sign", "--layer", "shared", "--key", "third", "sample") == 0
    assert A.public not in read_stamps(there.read()).signers
