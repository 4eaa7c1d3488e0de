"""Attacks on bundles: mutations that know the format, and a fuzzer that looks for new paths.

`python tests/sharing/fuzz_bundle.py [corpus] [options of libFuzzer]` fuzzes with atheris, which
nothing else here needs; an option is `-max_total_time=300`. The tests choose the same mutations by
chance.
"""

import io
import json
import sys
from hashlib import sha256

from emberkeep.errors import BundleRejected
from emberkeep.sharing.bundle.frames import Head, compress
from emberkeep.sharing.bundle.index import (
    BundleEntry,
    BundleIndex,
    Member,
    arrange,
    canonical,
)
from emberkeep.sharing.bundle.reader import BundleReader

CONTENTS = [b"", b"document one", b"document two", b"\x90" * 3000, bytes(range(256)) * 4]
NESTED = 100_000

# What JSON can hold at a place where something else belongs; texts with @ are put in as they are.
ODD = [
    None,
    True,
    False,
    -1,
    0,
    1,
    1.5,
    2**31,
    2**31 + 1,
    2**80,
    "",
    "a\0b",
    "\ud800",
    "é",
    "x" * 5000,
]
ODD += ["0" * 64, "A" * 64, "../../etc", [], {}, [[]], [1, 2], {"a": 1}, {"name": {}}]
ODD += ["@1e400@", "@NaN@", "@-0@", "@1E2@", "@0x10@", "@ 1@", "@\\u0041@", "@@", "@1@,@2@"]
ODD += ["@" + "9" * 5000 + "@", "@" + "[" * NESTED + "@", "@" + '{"a":' * NESTED + "@"]


def digest_of(content):
    return sha256(content).hexdigest()


def sample_index():
    zero, one, two, code, table = map(digest_of, CONTENTS)
    entries = (
        BundleEntry("generated", "lorenz", "1" * 64, "2" * 64, one, (code, zero)),
        BundleEntry("traces", "kingman", "3" * 64, "4" * 64, two, (code, table)),
    )
    members = tuple(Member(digest_of(content), len(content)) for content in CONTENTS)
    return arrange(BundleIndex("library", "1.0", "for tests", "0.1", entries, members))


def sample_pieces():
    """The members of the sample as they stand in the file."""
    by_digest = {digest_of(content): content for content in CONTENTS}
    return [packed(by_digest[member.digest]) for member in sample_index().members]


def packed(content, level=3):
    frame = compress(content, level)
    return len(frame).to_bytes(8, "big") + frame


def craft(raw, pieces, sign=lambda message: ("0" * 64, "0" * 128), **lies):
    """A bundle with a well-formed, signed head, whatever its index and members are."""
    stored = lies.get("stored", compress(raw, 3))
    head = Head(
        lies.get("stored_bytes", len(stored)),
        lies.get("size_bytes", len(raw)),
        lies.get("digest", digest_of(raw)),
    )
    return head.lines(*sign(head.message())) + stored + b"".join(pieces)


class Everything:
    """What has all digests in it."""

    def __contains__(self, digest):
        return True


def accept(signer, signature, message):
    """A judge who takes everything, so that the parser itself is attacked."""


class Half:
    """What has some digests in it and others not."""

    def __contains__(self, digest):
        return digest < "8"


class Pipe(io.BytesIO):
    """Bytes that come as they do through a pipe: a few at a time, and in one direction."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation("seek")

    def read(self, size=-1):
        return super().read(min(size, 100))


def attack(bundle, judge=accept):
    """The index and contents of a bundle, checked again; None where it was refused as it should."""
    return read(io.BytesIO(bundle), judge, Everything())


def attack_from_all_sides(bundle):
    """The same, and read in part, from a file and from a pipe."""
    whole = attack(bundle)
    parts = [read(file, accept, Half()) for file in (io.BytesIO(bundle), Pipe(bundle))]
    assert parts[0] == parts[1]
    assert whole is None or parts[0] is not None
    return whole


def read(file, judge, wanted):
    try:
        reader = BundleReader(file, judge)
        found = list(reader.contents(wanted))
    except BundleRejected as problem:
        refusal = str(problem)
    else:
        return checked(reader.index, wanted, found)
    assert len(refusal) < 2000
    return None


def checked(index, wanted, found):
    """What was read, if it is what it says; else the format has failed."""
    assert arrange(index) == index
    expected = [member for member in index.members if member.digest in wanted]
    assert [digest for digest, _ in found] == [member.digest for member in expected]
    assert [Member(digest_of(content), len(content)) for _, content in found] == expected
    return index, dict(found)


# Mutations: `pick(n)` chooses a number below n, by chance or for the fuzzer -----------------------


def mutated(pick):
    """A bundle with something wrong, mostly deep inside a head that is right."""
    raw, pieces, lies = canonical(sample_index()), sample_pieces(), {}
    for _ in range(1 + pick(2)):
        kind = pick(6)
        if kind <= 1:
            raw = with_odd_value(pick, raw)
        elif kind == 2:
            raw = edited(pick, raw)
        elif kind == 3:
            pieces = with_odd_pieces(pick, pieces)
        elif kind == 4:
            lies = with_lie(pick, raw)
        else:
            return edited(pick, craft(raw, pieces, **lies))
    return craft(raw, pieces, **lies)


def with_odd_value(pick, raw):
    """An index in which one place has another value, is missing, or is there twice."""
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    place = tree
    while True:
        names = list(place) if isinstance(place, dict) else range(len(place))
        if not len(names):
            return raw
        name = names[pick(len(names))]
        if not isinstance(place[name], (dict, list)) or not place[name] or not pick(4):
            break
        place = place[name]
    action = pick(8)
    if action == 0:
        del place[name]
    elif action == 1 and isinstance(place, list):
        place.insert(pick(len(place)), place[name])
    elif action == 2:
        other = names[pick(len(names))]
        place[name], place[other] = place[other], place[name]
    elif action == 3 and isinstance(place[name], str):
        place[name] = edited(pick, place[name].encode()).decode("latin-1")
    else:
        place[name] = ODD[pick(len(ODD))]
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    return text.replace('"@', "").replace('@"', "").encode()


def with_odd_pieces(pick, pieces):
    """Members that are swapped, repeated, missing, other, or lie about their lengths."""
    pieces = list(pieces)
    at, other = pick(len(pieces)), pick(len(pieces))
    frame = pieces[at][8:]
    action = pick(8)
    if action == 0:
        pieces[at], pieces[other] = pieces[other], pieces[at]
    elif action == 1:
        pieces.insert(at, pieces[other])
    elif action == 2:
        del pieces[at]
    elif action == 3:
        pieces[at] = pick(2**63).to_bytes(8, "big") + frame
    elif action == 4:
        pieces[at] = packed(CONTENTS[pick(len(CONTENTS))] + bytes(pick(3)), pick(20))
    elif action == 5:
        frame += pieces[other][8:]
        pieces[at] = len(frame).to_bytes(8, "big") + frame
    else:
        frame = edited(pick, frame)
        pieces[at] = len(frame).to_bytes(8, "big") + frame
    return pieces


def with_lie(pick, raw):
    """A head that says something wrong of the index."""
    stored = edited(pick, compress(raw, 3))
    return [
        {"stored": stored},
        {"size_bytes": pick(10**10)},
        {"stored_bytes": pick(10**10)},
        {"size_bytes": pick(2000)},
        {"stored_bytes": pick(2000)},
        {"digest": "0" * 64},
        {"stored": compress(raw, 3) + compress(raw, 3)},
    ][pick(7)]


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


# The fuzzer -------------------------------------------------------------------------------------


class AtOnce:
    """In place of a pool of threads: starting those would take most of the fuzzer's time."""

    def __init__(self, *_):
        pass

    def submit(self, work, *arguments):
        from concurrent.futures import Future

        future = Future()
        try:
            future.set_result(work(*arguments))
        except BundleRejected as refusal:
            future.set_exception(refusal)
        return future

    def shutdown(self, **_):
        pass


def fuzz_one(data, provide):
    """Attack with what the fuzzer made: a whole file, an index, members, or choices."""
    way, rest = data[:1], data[1:]
    if way < b"\x30":
        attack_from_all_sides(rest)
    elif way < b"\x60":
        attack_from_all_sides(craft(rest, sample_pieces()))
    elif way < b"\x80":
        attack_from_all_sides(craft(canonical(sample_index()), [rest]))
    elif way < b"\xa0":
        attack_from_all_sides(craft(canonical(sample_index()), [], stored=rest))
    else:
        choices = provide(rest)
        attack_from_all_sides(mutated(lambda n: choices.ConsumeIntInRange(0, n - 1)))


def main():
    import atheris

    from emberkeep.sharing.bundle import frames, index, reader, window

    for module in (frames, index, reader, window):
        for name, value in list(vars(module).items()):
            if getattr(value, "__module__", None) == module.__name__ and hasattr(value, "__code__"):
                setattr(module, name, atheris.instrument_func(value))
    for name, value in list(vars(BundleReader).items()):
        if hasattr(value, "__code__"):
            setattr(BundleReader, name, atheris.instrument_func(value))
    window.ThreadPoolExecutor = AtOnce
    atheris.Setup(sys.argv, lambda data: fuzz_one(data, atheris.FuzzedDataProvider))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
