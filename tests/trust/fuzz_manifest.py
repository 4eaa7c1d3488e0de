"""Attacks on manifests: mutations that know the format, and a fuzzer that looks for new paths.

`python tests/trust/fuzz_manifest.py [corpus] [options of libFuzzer]` fuzzes with atheris, which
nothing else here needs; an option is `-max_total_time=300`. The tests choose the same mutations by
chance.
"""

import json
import os
import random
import shutil
import sys
import tempfile
from hashlib import sha256

from emberkeep.errors import StoreProblem, Untrusted
from emberkeep.store.directory import Directory
from emberkeep.store.layers import Layered
from emberkeep.store.layout import LAYOUT
from emberkeep.store.manifest import SIGNATURE_BYTES, TRAILER_BYTES, read_stamps
from emberkeep.store.manifest_writing import resealed, signed
from emberkeep.store.object_store import Folder
from emberkeep.store.protocol import ABSENT, DAMAGED, NEWER_FORMAT, UNTRUSTED, Kept, Miss
from emberkeep.testing import kept
from emberkeep.trust.edits import change_trust, with_entry
from emberkeep.trust.judge import Judge
from emberkeep.trust.others import Others
from emberkeep.trust.own_keys import OwnKeys
from emberkeep.trust.seals import OwnKeep, Sealer
from emberkeep.trust.signatures import SigningKey, manifest_message, public_half
from emberkeep.trust.trust_list import TrustedKey, TrustList

ORDER = 2**252 + 27742317777372353535851937790883648493
POLICIES = ("require", "warn", "off")
REASONS = (ABSENT, DAMAGED, UNTRUSTED, NEWER_FORMAT)
NESTED = 100_000

# What JSON can hold at a place where something else belongs; texts with @ are put in as they are.
ODD = [None, True, False, -1, 0, 1, 2, 1.5, 2**31, 2**80, "", "a\0b", "\ud800", "é", "x" * 5000]
ODD += ["0" * 64, "A" * 64, "../../../../escaped", "/etc", ".", "..", [], {}, [[]], {"a": 1}]
ODD += ["@1e400@", "@NaN@", "@-0@", "@1E2@", "@0x10@", "@\\u0041@", "@@", "@1@,@2@"]
ODD += ["@" + "9" * 5000 + "@", "@" + "[" * NESTED + "@", "@" + '{"a":' * NESTED + "@"]
ODD += ["@" + "[" * 900 + "]" * 900 + "@", "@" + '{"a":' * 900 + "1" + "}" * 900 + "@"]
ODD += ["@" + "[" * 60 + "]" * 60 + "@", 10**400, 2**63, "@" + "1" * 4000 + "@", "\x1b[2J"]


def key_of(name, seed):
    private = bytes([seed]) * 32
    return SigningKey(name, public_half(private.hex()), private.hex(), 0.0)


ALICE, EVE = key_of("alice", 1), key_of("eve", 2)


def signed_by(key, document):
    return signed(document, key.public, lambda payload: key.sign(manifest_message(payload)))


class World:
    """Somebody who trusts Alice, with what she has shared, there and in their own keep.

    Attributes:
        genuine: the document that she has signed.
        other: another of hers.
        sealed: the first, as it lies in the reader's own keep.
        accepted: how often what was offered was taken, by place.
    """

    def __init__(self, folder):
        self.folder = str(folder)
        self.config = os.path.join(self.folder, "config")
        os.makedirs(self.config)
        trusted = TrustedKey("alice", ("tables",), None, 0.0)
        change_trust(self.config, lambda trust: with_entry(trust, "keys", ALICE.public, trusted))
        self.judge = Judge(TrustList(self.config, self._fail), OwnKeys(self.config, "x", None))
        self.sealer = Sealer(self.config, self._fail)
        made = kept(blobs={"code": b"genuine", "more": b""}, layout={"n": [1, 2.5, "x"]})
        self.key = made.manifest.key
        self.genuine = signed_by(ALICE, made.document)
        self.other = signed_by(ALICE, kept(name="other", blobs={"code": b"other"}).document)
        self.sealed = resealed(self.genuine, self.sealer.seal)
        self.own = resealed(made.document, self.sealer.seal)
        self.contents = {"code": b"genuine", "more": b""}
        self.local = self._open_local()
        self.places = {policy: self._open_shared(policy) for policy in POLICIES}
        for place in (self.local, *self.places.values()):
            for content in (b"genuine", b"", b"other"):
                digest = digest_of(content)
                write(place.blob_path(digest), content)
            write(os.path.join(place.root, "format"), LAYOUT)
        self.before = self.outside()
        self.accepted = dict.fromkeys(("local", *POLICIES), 0)

    @staticmethod
    def _fail(text):
        raise AssertionError(text)

    def _open_local(self):
        own = OwnKeep(self.sealer, self.config, lambda: self.judge)
        root = os.path.join(self.folder, "reader", "local")
        return Directory(root, own.verify, endorse=own.endorse)

    def _open_shared(self, policy):
        root = os.path.join(self.folder, "place", policy)
        revocations = Folder(root)
        others = Others(
            self.judge, self.sealer, policy=policy, revocations=revocations, on_problem=str
        )
        return Directory(root, others.verify, endorse=others.endorse, label=policy, heals=False)

    def outside(self):
        """Everything that lies outside the keeps: names, sizes, times of modification."""
        return sorted(
            (path, facts.st_size, facts.st_mtime_ns)
            for folder, folders, names in os.walk(self.folder)
            if self._keeps_out(folder, folders)
            for path in [os.path.join(folder, name) for name in names]
            for facts in [os.lstat(path)]
        ) + sorted(
            os.path.join(folder, name)
            for folder, folders, _ in os.walk(self.folder)
            if self._keeps_out(folder, folders)
            for name in folders
        )

    def _keeps_out(self, folder, folders):
        parts = os.path.relpath(folder, self.folder).split(os.sep)
        is_root = len(parts) == 2 and parts[0] in ("reader", "place")
        if is_root:
            folders[:] = []
        return not is_root

    # The attack -----------------------------------------------------------------------------------

    def attack(self, document):
        """Offer a document everywhere; AssertionError where more is taken than may be."""
        for policy, place in self.places.items():
            self._offer_shared(policy, place, document)
        self._offer_local(document)

    def is_signed_by_alice(self, document):
        """Whether what she signed and her signature are as she made them.

        Any seal will do, and any signatures of others: they are as good as none.
        """
        for genuine in (self.genuine, self.other):
            payload = genuine[: -TRAILER_BYTES - SIGNATURE_BYTES]
            line = genuine[len(payload) : -TRAILER_BYTES]
            signatures = document[len(payload) : -TRAILER_BYTES]
            is_hers = ALICE.public.encode() in signatures and line[-4 - 128 : -4] in signatures
            if document.startswith(payload) and is_hers:
                return True
        return False

    def _offer_shared(self, policy, place, document):
        path = place.manifest_path(self.key)
        write(path, document)
        found = place.read(self.key)
        if isinstance(found, Miss):
            assert found.reason in REASONS, found
        else:
            self.accepted[policy] += 1
            assert found.manifest.key == self.key
            stamps = read_stamps(document)
            assert stamps is not None, "what has a wrong digest was taken"
            if policy == "require":
                assert self.is_signed_by_alice(document), "it was not vouched for, and was taken"
                assert dict(found.blobs) == self.contents
            elif policy == "warn" and stamps.signers[:1] == (ALICE.public,):
                assert self.is_signed_by_alice(document), "altered, and taken with a warning"
            self._must_not_be_endorsed(found, document)
        assert read(path) == document, "a shared place is never healed"
        self.list_entries(place)
        self._look_through_layers(place)

    @staticmethod
    def list_entries(place):
        """As commands do."""
        for entry in place.entries():
            place.read_entry(entry)

    def _must_not_be_endorsed(self, found, document):
        """Neither the own keep nor a strict place takes what neither Alice nor the reader made."""
        if self.is_signed_by_alice(document) or document == self.own:
            return
        for place in (self.local, self.places["require"]):
            before = files_below(place.root)
            try:
                place.write(found)
            except Untrusted:
                assert files_below(place.root) == before
            else:
                raise AssertionError(f"{place.label} took what nobody vouches for")

    def _look_through_layers(self, place):
        """As a keep does: what is found below is kept above, if it may be."""
        found = Layered((self.local, place), self._fail).read(self.key)
        path = self.local.manifest_path(self.key)
        if os.path.exists(path):
            assert isinstance(found, Kept)
            document = read(path)
            assert document in (self.sealed, self.own) or self.is_signed_by_alice(document), (
                "it holds what nobody vouches for"
            )
            os.unlink(path)

    def _offer_local(self, document):
        path = self.local.manifest_path(self.key)
        write(path, document)
        found = self.local.read(self.key)
        if isinstance(found, Miss):
            assert found.reason in REASONS, found
        else:
            self.accepted["local"] += 1
            assert document in (self.sealed, self.own), "the own keep gave what has no seal"
            assert dict(found.blobs) == self.contents
        self.list_entries(self.local)
        quarantine = os.path.join(self.local.root, "quarantine")
        shutil.rmtree(quarantine, ignore_errors=True)
        if os.path.exists(path):
            os.unlink(path)

    def assert_nothing_outside(self):
        assert self.outside() == self.before


def digest_of(content):
    return sha256(content).hexdigest()


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def files_below(root):
    return sorted(os.path.join(f, name) for f, _, names in os.walk(root) for name in names)


# Mutations: `pick(n)` chooses a number below n, by chance or for the fuzzer -----------------------


def mutated(world, pick):
    """A document with something wrong, mostly deep inside one whose digest is right."""
    document = [world.genuine, world.genuine, world.sealed, world.own, world.other][pick(5)]
    for _ in range(1 + pick(2)):
        document = MUTATIONS[pick(len(MUTATIONS))](world, pick, document)
    return document


def with_edited_bytes(_world, pick, document):
    return edited(pick, document)


def with_right_digest(_world, pick, document):
    """Edited above its last line, which is made right for that; its seal stays."""
    seal = document[-TRAILER_BYTES:][-67:-3]
    body = edited(pick, document[:-TRAILER_BYTES])
    if not pick(3):
        return resealed(body + document[-TRAILER_BYTES:])
    return resealed(body + document[-TRAILER_BYTES:], lambda _: seal.decode("latin-1", "replace"))


def with_odd_value(_world, pick, document):
    """One place of the manifest has another value, is missing, or is there twice."""
    return _with_odd_line(pick, document, 0, "manifest")


def with_odd_ingredients(_world, pick, document):
    """The same of what it was made from, which is for people and for `emberkeep why`."""
    return _with_odd_line(pick, document, 1, "ingredients")


def _with_odd_line(pick, document, number, name):
    lines = document.split(b"\n")
    brace = b"" if number == 0 else b"{"
    try:
        tree = json.loads(brace + lines[number][:-1] + b"}")
        place = tree[name]
    except (ValueError, LookupError, TypeError, RecursionError):
        return document
    if not pick(20):
        tree[name], place = ODD[pick(len(ODD))], None
    while isinstance(place, (dict, list)) and place:
        names = list(place) if isinstance(place, dict) else range(len(place))
        name = names[pick(len(names))]
        if not isinstance(place[name], (dict, list)) or not place[name] or not pick(4):
            if pick(8):
                place[name] = ODD[pick(len(ODD))]
            else:
                del place[name]
            break
        place = place[name]
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    text = text.replace('"@', "").replace('@"', "").encode()
    lines[number] = text[len(brace) : -1] + b","
    return resealed(b"\n".join(lines))


def with_other_signature(world, pick, document):
    """Its signature is somebody else's, of something else, or written in another way."""
    if len(document) < TRAILER_BYTES + SIGNATURE_BYTES:
        return document
    trailer = document[-TRAILER_BYTES:]
    payload = document[: -TRAILER_BYTES - SIGNATURE_BYTES]
    line = world.genuine[-TRAILER_BYTES - SIGNATURE_BYTES : -TRAILER_BYTES]
    value = line[-4 - 128 : -4]
    scalar = int.from_bytes(bytes.fromhex(value[64:].decode()), "little")
    lines = [
        b"",
        line,
        line + line,
        world.other[-TRAILER_BYTES - SIGNATURE_BYTES : -TRAILER_BYTES],
        line.replace(ALICE.public.encode(), ALICE.public.upper().encode()),
        line.replace(ALICE.public.encode(), EVE.public.encode()),
        line.replace(ALICE.public.encode(), b"01" + b"0" * 62),
        line.replace(value, value.upper()),
        line.replace(value, b"0" * 128),
        line.replace(value, b"01" + b"0" * 126),
        line.replace(value[64:], ((scalar + ORDER) % 2**256).to_bytes(32, "little").hex().encode()),
        edited(pick, line),
        line[:-2] + b" ,\n",
        line.replace(b'"by"', b'"BY"'),
    ]
    return resealed(payload + lines[pick(len(lines))] + trailer)


def signed_by_a_stranger(_world, _pick, document):
    return _signed_anew(EVE, document)


def _signed_anew(key, document):
    if len(document) < TRAILER_BYTES:
        return document
    return signed_by(key, unsigned(document))


def unsigned(document):
    """The same without the line of a signature, if it has one."""
    body = document[:-TRAILER_BYTES]
    if read_stamps(resealed(document)).signers:
        body = body[:-SIGNATURE_BYTES]
    return body + document[-TRAILER_BYTES:]


def with_lines_moved(_world, pick, document):
    lines = document.split(b"\n")
    at, other = pick(len(lines)), pick(len(lines))
    action = pick(4)
    if action == 0:
        lines[at], lines[other] = lines[other], lines[at]
    elif action == 1:
        lines.insert(at, lines[other])
    elif action == 2:
        del lines[at]
    else:
        return document[: len(document) - pick(len(document) + 1)]
    moved = b"\n".join(lines)
    return moved if pick(2) or len(moved) < TRAILER_BYTES else resealed(moved)


def with_other_seal(world, pick, document):
    seals = ["0" * 64, "f" * 64, world.sealer.seal("0" * 64), "\n" * 64, "\xff" * 64]
    trailer = document[-TRAILER_BYTES:]
    seal = seals[pick(len(seals))].encode("latin-1")
    return document[:-TRAILER_BYTES] + trailer[:-67] + seal + trailer[-3:]


MUTATIONS = (
    with_edited_bytes,
    with_right_digest,
    with_odd_value,
    with_odd_value,
    with_odd_ingredients,
    with_other_signature,
    with_other_signature,
    signed_by_a_stranger,
    with_lines_moved,
    with_other_seal,
)


def edited(pick, content):
    """Bytes of which a few were flipped, put in, left out, repeated or cut off."""
    content = bytearray(content)
    for _ in range(1 + pick(3)):
        at = pick(len(content) + 1)
        action = pick(6)
        if action <= 1 and at < len(content):
            content[at] ^= 1 + pick(255)
        elif action == 2:
            content[at:at] = bytes([pick(256)])
        elif action == 3:
            del content[at : at + 1 + pick(8)]
        elif action == 4:
            content[at:at] = content[at : at + 1 + pick(64)]
        elif not pick(4):
            del content[at:]
    return bytes(content)


# A trusted key that signs nonsense ----------------------------------------------------------------


def odd_and_signed(world, pick):
    """What a trusted key says, with something in it that nobody would write."""
    alter = with_odd_value if pick(4) else with_odd_ingredients
    return _signed_anew(ALICE, alter(world, pick, world.genuine))


def attack_as_alice(world, pick):
    """What a trusted key has signed may be used, and must break nothing, whatever it says."""
    document = odd_and_signed(world, pick)
    for place in world.places.values():
        path = place.manifest_path(world.key)
        write(path, document)
        found = place.read(world.key)
        assert isinstance(found, Kept) or found.reason in REASONS, found
        world.list_entries(place)
        if isinstance(found, Kept):
            assert found.manifest.key == world.key
            try:
                world.local.write(found)
            except StoreProblem:
                continue
            assert world.local.read(world.key) is not None
            os.unlink(world.local.manifest_path(world.key))


# The fuzzer ---------------------------------------------------------------------------------------


def fuzz_one(world, data, provide):
    """Attack with what the fuzzer made: a whole file, the signed lines, a signature, or choices."""
    way, rest = data[:1], data[1:]
    if way < b"\x20":
        world.attack(rest)
    elif way < b"\x50":
        world.attack(resealed(rest + world.genuine[-TRAILER_BYTES:]))
    elif way < b"\x80":
        payload = world.genuine[: -TRAILER_BYTES - SIGNATURE_BYTES]
        world.attack(resealed(payload + rest + world.genuine[-TRAILER_BYTES:]))
    elif way < b"\xa0":
        choices = provide(rest)
        attack_as_alice(world, lambda n: choices.ConsumeIntInRange(0, n - 1))
    else:
        choices = provide(rest)
        world.attack(mutated(world, lambda n: choices.ConsumeIntInRange(0, n - 1)))


def seeds(world):
    """Where the fuzzer begins: what is right, and choices."""
    end = -TRAILER_BYTES - SIGNATURE_BYTES
    for document in (world.genuine, world.sealed, world.own):
        yield b"\x00" + document
        yield b"\x30" + document[:-TRAILER_BYTES]
    yield b"\x60" + world.genuine[end:-TRAILER_BYTES]
    chance = random.Random(0)
    for way in (b"\x80", b"\xb0"):
        for _ in range(20):
            yield way + chance.randbytes(40)


def instrument(atheris):
    """Have the fuzzer see which branches are taken where documents are read and judged."""
    from emberkeep.store import directory, files, manifest, manifest_writing
    from emberkeep.trust import judge, seals, signatures, trust_list

    modules = (manifest, manifest_writing, directory, files, judge, seals, signatures, trust_list)
    classes = (Directory, Judge, Others, OwnKeep, OwnKeys, TrustList, TrustedKey, trust_list.Trust)
    for owner in (*modules, *classes):
        place = getattr(owner, "__module__", owner.__name__)
        for name, value in list(vars(owner).items()):
            if getattr(value, "__module__", None) == place and hasattr(value, "__code__"):
                setattr(owner, name, atheris.instrument_func(value))


def main():
    import atheris

    instrument(atheris)
    fast = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - memory, for speed
    world = World(os.path.join(tempfile.mkdtemp(dir=fast), "world"))
    for corpus in filter(os.path.isdir, sys.argv[1:]):
        for n, seed in enumerate(seeds(world)):
            write(os.path.join(corpus, f"seed-{n}"), seed)

    def attack(data):
        fuzz_one(world, data, atheris.FuzzedDataProvider)
        if not data[:1] or data[-1:] == b"\0":  # now and then: it lists all there is
            world.assert_nothing_outside()

    atheris.Setup(sys.argv, attack)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
