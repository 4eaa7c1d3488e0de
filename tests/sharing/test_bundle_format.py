"""Bundles: what was put in comes out, and nothing else ever does."""

import importlib.util
import io
import json
import os
import random
import subprocess
import sys
import threading
import tracemalloc

import pytest
import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.errors import BundleRejected, StoreProblem, Untrusted
from emberkeep.sharing.bundle import frames, window
from emberkeep.sharing.bundle.frames import HEAD_BYTES, decompress
from emberkeep.sharing.bundle.index import (
    DOCUMENT_LIMIT,
    BundleEntry,
    BundleIndex,
    Member,
    arrange,
    canonical,
    members_named,
)
from emberkeep.sharing.bundle.reader import BundleReader
from emberkeep.sharing.bundle.writer import write_bundle
from emberkeep.startup_records import replace

_place = os.path.join(os.path.dirname(__file__), "fuzz_bundle.py")
_spec = importlib.util.spec_from_file_location("fuzz_bundle", _place)
attacks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(attacks)
accept, attack, craft = attacks.accept, attacks.attack, attacks.craft
digest_of, packed, Pipe = attacks.digest_of, attacks.packed, attacks.Pipe

PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw().hex()
EVERYTHING = attacks.Everything()
NOTHING = frozenset()


def sign(message):
    return PUBLIC, PRIVATE.sign(message).hex()


def judge(signer, signature, message):
    """As a user who trusts one key."""
    try:
        if signer != PUBLIC:
            raise Untrusted("a stranger")
        PRIVATE.public_key().verify(bytes.fromhex(signature), message)
    except InvalidSignature:
        raise Untrusted("not signed so") from None


def library(*artifacts, **fields):
    """An index and its contents; an artifact is a document and blobs."""
    entries, contents = [], {}
    for number, (document, *blobs) in enumerate(artifacts):
        document += b" of model %d" % number
        contents.update({digest_of(content): content for content in (document, *blobs)})
        plan, build = digest_of(b"plan %d" % number), digest_of(b"build")
        digests = tuple(map(digest_of, blobs))
        entries.append(
            BundleEntry("generated", f"model {number}", plan, build, digest_of(document), digests)
        )
    members = tuple(Member(digest, len(content)) for digest, content in contents.items())
    given = {"name": "library", "version": "1", "description": "", "made_by": "0.1", **fields}
    return BundleIndex(**given, entries=tuple(entries), members=members), contents


def written(index, contents, **options):
    out = io.BytesIO()
    write_bundle(out, index, contents.__getitem__, sign, **options)
    return out.getvalue()


def small():
    code = b"\x55\x48\x89\xe5" * 40
    return library((b'{"manifest":1}\n', code, b""), (b'{"manifest":2}\n', code, b"table"))


def stored_at(bundle):
    """Where each member's length stands in the file."""
    head = frames.parse_head(bundle[:HEAD_BYTES])[0]
    places, at = [], HEAD_BYTES + head.stored_bytes
    while at < len(bundle):
        places.append(at)
        at += 8 + int.from_bytes(bundle[at : at + 8], "big")
    return places


# What is put in comes out -------------------------------------------------------------------------

texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
) | st.sampled_from(["../../etc/passwd", '"\\/', "\x1b[31m", "é" * 4096])
artifacts = st.lists(st.binary(max_size=200), min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(artifacts, max_size=6),
    st.fixed_dictionaries(dict.fromkeys(["name", "version", "description", "made_by"], texts)),
    st.lists(texts, min_size=6, max_size=6),
    st.sampled_from([-5, 1, 3, 19]),
    st.randoms(use_true_random=False),
)
def test_what_is_put_in_comes_out_whatever_the_order(artifacts, fields, names, level, chance):
    index, contents = library(*artifacts, **fields)
    entries = [
        replace(entry, {"name": name}) for entry, name in zip(index.entries, names, strict=False)
    ]
    index = replace(index, {"entries": tuple(entries)})
    bundle = written(index, contents, level=level)
    reader = BundleReader(io.BytesIO(bundle), judge)
    found = list(reader.contents(EVERYTHING))
    assert (reader.signer, reader.index) == (PUBLIC, arrange(index))
    assert dict(found) == contents
    assert [digest for digest, _ in found] == list(reader.index.sizes())

    shuffled = []
    for entry in chance.sample(entries, len(entries)):
        blobs = chance.sample(entry.blobs, len(entry.blobs))
        shuffled.append(replace(entry, {"blobs": (*blobs, *blobs[:1])}))
    members = tuple(chance.sample(index.members, len(index.members)))
    again = replace(index, {"entries": tuple(shuffled), "members": members})
    assert written(again, contents, level=level) == bundle


def test_the_lines_in_front_and_the_index_are_as_documented():
    index, contents = library((b"document", b"blob"))
    bundle = written(index, contents)
    raw = canonical(arrange(index))
    first, sizes, stamp = bundle[:HEAD_BYTES].splitlines(keepends=True)
    stored_bytes, size_bytes, digest = sizes.split()
    message = b"emberkeep bundle signature 1\0emberkeep bundle 1\n%d %b" % (len(raw), digest)
    assert first == b"emberkeep bundle 1\n"
    assert (int(size_bytes), digest.decode()) == (len(raw), digest_of(raw))
    assert stamp == b" ".join(part.encode() for part in sign(message)) + b"\n"
    assert zstandard.decompress(bundle[HEAD_BYTES : HEAD_BYTES + int(stored_bytes)]) == raw
    parts = [b"document of model 0", b"blob", b"plan 0", b"build"]
    document, blob, plan, build = map(digest_of, parts)
    assert raw.decode() == (
        '{"description":"","entries":[["generated","model 0",'
        f'"{plan}","{build}","{document}",["{blob}"]]],"made_by":"0.1",'
        f'"members":[["{document}",19],["{blob}",4]],"name":"library","version":"1"}}'
    )


def test_members_follow_as_the_sorted_entries_name_them():
    index, contents = small()
    found = [
        content
        for _, content in BundleReader(io.BytesIO(written(index, contents)), judge).contents(
            EVERYTHING
        )
    ]
    one, two = arrange(index).entries
    assert found[0] == contents[one.document]
    assert {*found[1:3]} == {contents[blob] for blob in one.blobs}
    assert found[3:] == [contents[two.document], b"table"]  # the other blob has come already
    assert list(members_named([two])) == [two.document, *two.blobs]


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("wanted", ["all", "none", "last"])
def test_pipes_are_read_as_files_are(wanted, buffering):
    index, contents = library(*((b"document %d" % n, os.urandom(90_000)) for n in range(8)))
    bundle = written(index, contents)
    last = arrange(index).members[-1].digest
    digests = {"all": set(contents), "none": set(), "last": {last}}[wanted]
    readable, writable = os.pipe()

    def pour():
        with open(writable, "wb") as pipe:
            pipe.write(bundle)

    writer = threading.Thread(target=pour)
    writer.start()
    with open(readable, "rb", buffering) as pipe:
        found = dict(BundleReader(pipe, judge).contents(digests))
    writer.join()
    assert found == {digest: contents[digest] for digest in digests}


def test_what_is_not_wanted_is_neither_decompressed_nor_checked():
    index, contents = small()
    bundle = bytearray(written(index, contents))
    for at in stored_at(bundle)[:-1]:
        bundle[at + 8] ^= 0xFF
    last = arrange(index).members[-1].digest
    found = dict(BundleReader(io.BytesIO(bundle), judge).contents([last]))
    assert found == {last: contents[last]}
    with pytest.raises(BundleRejected, match="zstd frames"):
        dict(BundleReader(io.BytesIO(bundle), judge).contents(EVERYTHING))


def test_contents_are_read_once():
    reader = BundleReader(io.BytesIO(written(*small())), judge)
    assert len(list(reader.contents(EVERYTHING))) == 5
    with pytest.raises(ValueError, match="open it again"):
        reader.contents(EVERYTHING)


def test_whoever_stops_reading_leaves_no_thread_behind():
    index, contents = library(*((b"document %d" % n, os.urandom(50_000)) for n in range(50)))
    before = threading.active_count()
    found = BundleReader(io.BytesIO(written(index, contents)), judge).contents(EVERYTHING)
    next(found)
    found.close()
    del found
    assert threading.active_count() == before


def test_progress_tells_the_bytes_that_were_written():
    index, contents = small()
    told = []
    written(index, contents, on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == sum(map(len, contents.values()))
    assert len(told) == len(contents)


def test_memory_holds_a_few_members_and_not_the_bundle(monkeypatch, tmp_path):
    monkeypatch.setattr(window, "WINDOW_BYTES", 4 << 20)
    seeds = {digest_of(random.Random(n).randbytes(1 << 20)): n for n in range(48)}
    index, contents = library((b"document",))
    entry = replace(index.entries[0], {"blobs": tuple(seeds)})
    members = (*index.members, *(Member(digest, 1 << 20) for digest in seeds))
    index = replace(index, {"entries": (entry,), "members": members})

    def read_member(digest):
        return contents.get(digest) or random.Random(seeds[digest]).randbytes(1 << 20)

    tracemalloc.start()
    try:
        with open(tmp_path / "bundle", "wb") as out:
            write_bundle(out, index, read_member, sign)
        with open(tmp_path / "bundle", "rb") as file:
            count = sum(1 for _ in BundleReader(file, judge).contents(EVERYTHING))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 49
    assert peak < 20 << 20


# Nobody vouches for it ----------------------------------------------------------------------------


def test_a_stranger_is_refused_before_the_index_is_read():
    file = io.BytesIO(written(*small()))

    def refuse(signer, signature, message):
        assert (signer, file.tell()) == (PUBLIC, HEAD_BYTES)
        raise Untrusted("nobody knows them")

    with pytest.raises(Untrusted):
        BundleReader(file, refuse)


def test_what_was_not_signed_so_is_untrusted():
    index, contents = small()
    other = replace(index, {"name": "another"})
    lines = written(index, contents)[:HEAD_BYTES]
    rest = written(other, contents)
    mixed = rest[: HEAD_BYTES - 194] + lines[-194:] + rest[HEAD_BYTES:]
    with pytest.raises(Untrusted):
        BundleReader(io.BytesIO(mixed), judge)
    # Its index in place of the other's, under the lines that were signed:
    with pytest.raises(BundleRejected):
        BundleReader(io.BytesIO(lines + rest[HEAD_BYTES:]), judge)


# Damage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
@pytest.mark.parametrize("strict", [True, False])
def test_a_flipped_byte_changes_nothing_or_is_refused(flip, strict, report):
    bundle = bytearray(written(*small()))
    expected = attack(bytes(bundle), judge)
    refused = 0
    for at in range(len(bundle)):
        bundle[at] ^= flip
        try:
            found = attack(bytes(bundle), judge if strict else accept)
        except Untrusted:
            found = None
        refused += found is None
        assert found in (None, expected)
        bundle[at] ^= flip
    report(flipped=len(bundle), refused=refused)
    # Of the signature nobody but the judge can tell, and zstd has bits without a meaning.
    assert refused > len(bundle) - 16 - (0 if strict else 192)


@pytest.mark.parametrize("wanted", [EVERYTHING, NOTHING], ids=["all", "none"])
@pytest.mark.parametrize("seekable", [True, False])
def test_a_cut_off_bundle_is_refused_wherever_it_ends(wanted, seekable):
    bundle = written(*small())
    for length in range(len(bundle)):
        file = io.BytesIO(bundle[:length]) if seekable else Pipe(bundle[:length])
        with pytest.raises(BundleRejected, match="cut off|copied whole"):
            list(BundleReader(file, judge).contents(wanted))


@pytest.mark.parametrize("wanted", [EVERYTHING, NOTHING], ids=["all", "none"])
def test_what_comes_after_the_end_is_refused(wanted):
    bundle = written(*small())
    for more in (b"\0", b"\n", bundle):
        with pytest.raises(BundleRejected, match="after its last member"):
            list(BundleReader(io.BytesIO(bundle + more), judge).contents(wanted))


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.soak)])
def test_no_mutation_gives_anything_that_was_not_signed(count, report):
    read = sum(
        attacks.attack_from_all_sides(attacks.mutated(random.Random(seed).randrange)) is not None
        for seed in range(count)
    )
    report(mutations=count, refused=count - read, read_with_right_contents=read)
    assert 0 < read < count / 4


def test_the_fuzzer_attacks_in_all_its_ways():
    for way in range(0, 256, 16):
        for seed in range(5):
            chance = random.Random(seed)

            class Choices:
                def __init__(self, rest, chance=chance):
                    self.ConsumeIntInRange = chance.randint

            attacks.fuzz_one(bytes([way]) + chance.randbytes(60), Choices)


# Heads and indexes that say what cannot be --------------------------------------------------------


@pytest.mark.parametrize("beginning", [b"", b"PK\3\4", b"emberkeep", b"emberkeep bundle 0\n"])
def test_what_begins_otherwise_is_no_bundle(beginning):
    with pytest.raises(BundleRejected, match="This is no bundle.*right file"):
        BundleReader(io.BytesIO(beginning + bytes(400) if beginning else b""), judge)


@pytest.mark.parametrize("rest", [b"", b"whatever a later format has\n", bytes(1000)])
@pytest.mark.parametrize("number", [2, 10, 999_999_999])
def test_a_newer_format_asks_for_an_upgrade(number, rest):
    file = io.BytesIO(b"emberkeep bundle %d\n" % number + rest)
    with pytest.raises(BundleRejected, match="made by a newer emberkeep.*Upgrade"):
        BundleReader(file, judge)


def evil(change):
    """The sample's index, changed as JSON."""
    tree = json.loads(canonical(attacks.sample_index()))
    change(tree)
    return json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()


def put(*path_and_value):
    *path, name, value = path_and_value

    def change(tree):
        for step in path:
            tree = tree[step]
        tree[name] = value

    return change


DOCUMENT = attacks.sample_index().entries[0].document
AT = list(attacks.sample_index().sizes()).index(DOCUMENT)
EVIL = {
    "a text for the whole": (lambda tree: None, b'"text"', "expected"),
    "no JSON": (None, b"{", "not what this format has"),
    "no ASCII": (None, '{"é":1}'.encode(), "ascii"),
    "nothing": (None, b" ", "no JSON"),
    "deep lists": (None, b"[" * 200_000, "nested"),
    "deep objects": (None, b'{"a":' * 200_000, "nested"),
    "a field too many": (put("more", 1), None, "a dict of 7 stands where"),
    "a field too few": (lambda tree: tree.pop("name"), None, "a dict of 5 stands where"),
    "a number for a name": (put("name", 1), None, "1 stands where a text"),
    "NUL in a name": (put("entries", 0, 1, "a\0b"), None, "has a NUL"),
    "half a character": (put("entries", 0, 1, "\ud800"), None, "half of a character"),
    "a long kind": (put("entries", 0, 0, "x" * 4097), None, "a text of 4097"),
    "a long description": (put("description", "x" * 4097), None, "more than the 4096"),
    "a list for a kind": (put("entries", 0, 0, ["x"]), None, "a list of 1 stands where a text"),
    "no kind": (put("entries", 0, 0, None), None, "None stands where a text"),
    "an object for the entries": (put("entries", {}), None, "where a list"),
    "an object for an entry": (put("entries", 0, {}), None, "'kind', 'name'"),
    "a short entry": (lambda tree: tree["entries"][0].pop(), None, "a list of 5 stands"),
    "capital digits": (put("entries", 0, 2, "A" * 64), None, "lower-case"),
    "a short digest": (put("entries", 0, 3, "a" * 63), None, "lower-case"),
    "a digest and a newline": (put("entries", 0, 3, "a" * 64 + "\n"), None, "lower-case"),
    "foreign digits": (put("entries", 0, 3, "\u0661" * 64), None, "lower-case"),
    "a number for a digest": (put("members", 0, 0, 7), None, "lower-case"),
    "a list for a document": (put("entries", 0, 4, []), None, "missing"),
    "a missing document": (put("entries", 0, 4, "f" * 64), None, "ffff' stands|missing"),
    "a missing blob": (put("entries", 0, 5, ["f" * 64]), None, "missing"),
    "a list for a blob": (put("entries", 0, 5, [[]]), None, "missing"),
    "an unnamed member": (lambda tree: tree["members"].append(["f" * 64, 1]), None, "no entry"),
    "a member twice": (lambda tree: tree["members"].append(tree["members"][0]), None, "twice"),
    "members in disorder": (lambda tree: tree["members"].reverse(), None, "not in the order"),
    "an entry twice": (
        lambda tree: tree["entries"].insert(0, tree["entries"][0]),
        None,
        "'generated'/'lorenz' is there twice",
    ),
    "entries in disorder": (lambda tree: tree["entries"].reverse(), None, "not sorted"),
    "one document for two": (
        lambda tree: put("entries", 1, 4, tree["entries"][0][4])(tree),
        None,
        "two of its entries name one document",
    ),
    "a blob twice": (
        lambda tree: tree["entries"][0][5].append(tree["entries"][0][5][-1]),
        None,
        "one is twice",
    ),
    "blobs in disorder": (lambda tree: tree["entries"][0][5].reverse(), None, "not sorted"),
    "true for a size": (put("members", 0, 1, True), None, "True stands where a size"),
    "a fraction for a size": (put("members", 0, 1, 13.0), None, "13.0 stands where a size"),
    "a negative size": (put("members", 0, 1, -1), None, "-1 stands where a size"),
    "a size beyond the limit": (put("members", 0, 1, 2**31 + 1), None, "at most 2147483648"),
    "an endless size": (put("members", 0, 1, 10**4000), None, "where a size"),
    "a text for a size": (put("members", 0, 1, "13"), None, "where a size"),
    "a large document": (put("members", AT, 1, DOCUMENT_LIMIT + 1), None, "at most 16777216"),
}


@pytest.mark.parametrize("case", EVIL)
def test_an_index_that_is_none_is_refused_with_what_is_wrong(case):
    change, raw, words = EVIL[case]
    raw = evil(change) if raw is None else raw
    with pytest.raises(BundleRejected, match=words) as refusal:
        BundleReader(io.BytesIO(craft(raw, attacks.sample_pieces(), sign)), judge)
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"made_by":', '"made_by": '),
        ('"lorenz"', '"\\u006corenz"'),
        ('"name":"library"', '"name":"other","name":"library"'),
        (",12]", ",12.0]"),
        (",12]", ",1.2e1]"),
        (",12]", ",1e400]"),
        (",12]", ",NaN]"),
        (",12]", ",-Infinity]"),
        (",0]", ",-0]"),
        (",12]", "," + "9" * 5000 + "]"),
        ("}", "}\n"),
        ("}", "}{}"),
        ("{", " {"),
    ],
)
def test_an_index_has_one_way_to_be_written(old, new):
    raw = canonical(attacks.sample_index())
    assert raw.count(old.encode())
    raw = raw.replace(old.encode(), new.encode(), 1)
    with pytest.raises(BundleRejected):
        BundleReader(io.BytesIO(craft(raw, attacks.sample_pieces(), sign)), judge)


@pytest.mark.parametrize(
    ("lies", "words"),
    [
        ({"size_bytes": (64 << 20) + 1}, "at most 67108864 are read"),
        ({"size_bytes": 9_999_999_999}, "at most 67108864 are read"),
        ({"stored_bytes": 9_999_999_999}, "which cannot be"),
        ({"stored_bytes": 0}, "which cannot be"),
        ({"size_bytes": 600}, "its frame says"),
        ({"digest": "0" * 64}, "does not have the digest"),
    ],
)
def test_a_head_that_lies_is_refused(lies, words):
    bundle = craft(canonical(attacks.sample_index()), attacks.sample_pieces(), sign, **lies)
    with pytest.raises(BundleRejected, match=words):
        BundleReader(io.BytesIO(bundle), judge)


# Frames -------------------------------------------------------------------------------------------

FRAME = zstandard.compress(b"content" * 100)
SKIPPED = b"\x50\x2a\x4d\x18\x04\0\0\0four"
OLD = b"\x27\xb5\x2f\xfd" + FRAME[4:]  # as zstd 0.7 began


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        FRAME[:3],
        FRAME[:-1],
        FRAME + b"\0",
        FRAME + FRAME,
        FRAME + SKIPPED,
        SKIPPED + FRAME,
        SKIPPED,
        OLD,
        zstandard.ZstdCompressor(write_content_size=False).compress(b"content" * 100),
        zstandard.compress(b"content" * 101),
        zstandard.compress(b""),
    ],
)
def test_what_is_not_one_frame_of_the_right_size_is_refused(stored):
    assert decompress("member", FRAME, 700) == b"content" * 100
    with pytest.raises(BundleRejected, match="cannot be decompressed to the 700 bytes"):
        decompress("member", stored, 700)


def test_a_member_is_refused_where_its_content_is_another():
    index, contents = library((b"document", b"blob"))
    raw = canonical(arrange(index))
    with pytest.raises(BundleRejected, match="does not have the digest"):
        list(
            BundleReader(
                io.BytesIO(craft(raw, [packed(b"document of model 0"), packed(b"blub")])), accept
            ).contents(EVERYTHING)
        )


PROGRAM = """
import resource, sys
from emberkeep.errors import BundleRejected
from emberkeep.sharing.bundle import window  # threads reserve addresses too
from emberkeep.sharing.bundle.reader import BundleReader
import zstandard, json, hashlib
taken = 1024 * int(open("/proc/self/statm").read().split()[0]) * 4
resource.setrlimit(resource.RLIMIT_AS, (taken + (600 << 20), -1))
class Everything:
    def __contains__(self, digest): return True
for path in sys.argv[1:]:
    try:
        with open(path, "rb") as file:
            reader = BundleReader(file, lambda *_: None)
            for _ in reader.contents(Everything()): pass
    except BundleRejected as refusal:
        print(refusal)
"""


def test_a_bomb_takes_no_memory(tmp_path):
    """Frames of a gigabyte of zeros, with headers that say so, and that say less."""
    compressor = zstandard.ZstdCompressor().compressobj(size=1 << 30)
    zeros = bytes(1 << 24)
    bomb = b"".join(compressor.compress(zeros) for _ in range(64)) + compressor.flush()
    told = (1 << 30).to_bytes(4, "little")
    assert bomb.count(told, 0, 12) == 1
    lying = bomb.replace(told, (4_000_000).to_bytes(4, "little"), 1)
    raw = canonical(attacks.sample_index())
    index, _ = library((b"document",))
    large = replace(index, {"members": (Member(index.members[0].digest, 4_000_000),)})
    huge, _ = library((b"document", b"blob"))
    sizes = {member.digest: 2 << 30 for member in huge.members}
    sizes[huge.entries[0].document] = len(b"document of model 0")
    members = tuple(Member(*item) for item in sizes.items())
    huge = canonical(arrange(replace(huge, {"members": members})))

    def member(frame, length=None):
        return (len(frame) if length is None else length).to_bytes(8, "big") + frame

    bombs = {
        "index, honest": craft(raw, [], stored=bomb, size_bytes=60_000_000),
        "index, lying": craft(raw, [], stored=lying, size_bytes=4_000_000),
        "member, honest": craft(canonical(large), [member(bomb)]),
        "member, lying": craft(canonical(large), [member(lying)]),
        "a short frame that says much": craft(
            huge, [packed(b"document of model 0"), member(bomb[:1000])]
        ),
        "a length that is not there": craft(
            huge, [packed(b"document of model 0"), member(bomb, 2 << 30)]
        ),
    }
    paths = []
    for name, content in bombs.items():
        paths.append(str(tmp_path / name))
        with open(paths[-1], "wb") as file:
            file.write(content)
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *paths], capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(ran.stdout.splitlines()) == len(bombs), ran.stdout


# What is not written ------------------------------------------------------------------------------


def test_the_writer_refuses_contents_that_are_not_what_the_index_says():
    index, contents = small()
    for digest, content in contents.items():
        for other in (content + b"x", content[:-1] + b"\xff", bytes(len(content))):
            if other != content:
                with pytest.raises(BundleRejected, match=f"{digest}.*emberkeep verify"):
                    written(index, {**contents, digest: other})


@pytest.mark.parametrize(
    "change",
    [
        lambda index: {"name": "a\0b"},
        lambda index: {"name": "\ud83d\ude00"},
        lambda index: {"description": "x" * 4097},
        lambda index: {"entries": index.entries + index.entries[:1]},
        lambda index: {"entries": index.entries[:1]},
        lambda index: {"members": index.members[1:]},
        lambda index: {"members": (*index.members, Member("f" * 64, 1))},
        lambda index: {"members": (*index.members, *index.members)},
        lambda index: {"members": (Member("F" * 64, 1),)},
        lambda index: {"entries": (replace(index.entries[0], {"plan": "short"}),)},
    ],
)
def test_the_writer_refuses_an_index_that_no_reader_would_take(change):
    index, contents = small()
    out = io.BytesIO()
    with pytest.raises(BundleRejected):
        write_bundle(out, replace(index, change(index)), contents.__getitem__, sign)
    assert out.getvalue() == b""


def test_the_writer_refuses_signatures_that_are_none():
    index, contents = small()
    for stamp in [("", ""), (PUBLIC, "0" * 127), (PUBLIC.upper(), "0" * 128)]:
        out = io.BytesIO()
        with pytest.raises(BundleRejected):
            write_bundle(out, index, contents.__getitem__, lambda message, stamp=stamp: stamp)
        assert out.getvalue() == b""


def test_what_a_store_or_a_file_raises_comes_through():
    index, contents = small()

    def broken(digest):
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_bundle(io.BytesIO(), index, broken, sign)
    file = io.BytesIO(written(index, contents))
    reader = BundleReader(file, judge)
    file.read = broken
    with pytest.raises(OSError, match="the disk is gone"):
        list(reader.contents(EVERYTHING))


def test_without_zstandard_one_is_told_how_to_get_it(monkeypatch):
    bundle = written(*small())
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(StoreProblem, match="pip install"):
        BundleReader(io.BytesIO(bundle), judge)
    with pytest.raises(StoreProblem, match="pip install"):
        written(*small())
