"""Whom the user trusts: namespaces, expiry, and files that nobody should believe."""

import json
import os
import subprocess
import sys
import threading
import time
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberkeep.errors import StoreProblem
from emberkeep.store.protocol import Key, Manifest, Signature, Stamps
from emberkeep.trust.edits import change_trust, with_entry, without_entry
from emberkeep.trust.signatures import public_half
from emberkeep.trust.trust_list import (
    NOBODY,
    SIZE_LIMIT,
    UNREADABLE,
    Trust,
    TrustedKey,
    TrustList,
    read_trust,
    stranger,
)

PUBLIC = public_half("44" * 32)
OTHER = public_half("55" * 32)
NOW = 1_800_000_000.0
ELSEWHERE = 65534  # the user nobody
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def key(kind="generated", name="lorenz"):
    return Key(kind, name, "1" * 64, "2" * 64)


def trusted(*namespaces, expires=None):
    return TrustedKey("bob", namespaces, expires, 0.0)


# Namespaces -------------------------------------------------------------------------------------

COVERED = [
    ((), "generated", "lorenz"),
    (("generated",), "generated", "lorenz"),
    (("generated",), "generated", ""),
    (("generated",), "generated", "a/b"),
    (("generated/lorenz",), "generated", "lorenz"),
    (("traces", "generated/lorenz"), "generated", "lorenz"),
    (("generated/lor*",), "generated", "lorenz"),
    (("generated/lor*",), "generated", "lor"),
    (("generated/*",), "generated", "lorenz"),
    (("generated/*",), "generated", "a/b"),
    (("*",), "generated", "lorenz"),
    (("a/b",), "a", "b"),
    (("a/b",), "a/b", "anything"),
    (("a/b/c",), "a/b", "c"),
    (("a/b/c",), "a", "b/c"),
    (("generated/x[1]",), "generated", "x[1]"),
]
NOT_COVERED = [
    (("generated",), "generated-evil", "lorenz"),
    (("generated-lorenz",), "generated", "lorenz"),
    (("generated",), "generated/evil", "lorenz"),
    (("generated",), "generated2", "lorenz"),
    (("generated",), "Generated", "lorenz"),
    (("generated",), "generated ", "lorenz"),
    (("generated",), "", "generated"),
    (("generated",), "generate", "d"),
    (("generated",), "x", "generated"),
    (("generated",), "../generated", "lorenz"),
    (("generated/lorenz",), "generated", "lorenz2"),
    (("generated/lorenz",), "generated", "lorenz/evil"),
    (("generated/lorenz",), "generated", "Lorenz"),
    (("generated/lorenz",), "generated", ""),
    (("generated/lorenz",), "generated", "lore"),
    (("generated/lorenz",), "generated-evil", "lorenz"),
    (("generated/lor*",), "generated/lorry", "x"),
    (("generated/lor*",), "generated", "lo"),
    (("generated/lor*",), "generated-evil", "lorenz"),
    (("generated/*",), "generated-evil", "lorenz"),
    (("generated/*",), "generated/evil", "lorenz"),
    (("gen*",), "generated", "lorenz"),
    (("generated*",), "generated-evil", "lorenz"),
    (("*/lorenz",), "generated", "lorenz"),
    (("generated/l*z",), "generated", "lorenz"),
    (("generated/?orenz",), "generated", "lorenz"),
    (("generated/[l]orenz",), "generated", "lorenz"),
    (("generated/.*",), "generated", "lorenz"),
    (("",), "generated", "lorenz"),
    (("/",), "generated", "lorenz"),
    (("generated/",), "generated", "lorenz"),
    (("generated/../traces",), "traces", "lorenz"),
    (("generated\0",), "generated", "lorenz"),
]


@pytest.mark.parametrize(("namespaces", "kind", "name"), COVERED)
def test_what_a_namespace_covers(namespaces, kind, name):
    assert trusted(*namespaces).objection(key(kind, name), NOW) is None


@pytest.mark.parametrize(("namespaces", "kind", "name"), NOT_COVERED)
def test_what_a_namespace_does_not_cover(namespaces, kind, name):
    told = trusted(*namespaces).objection(key(kind, name), NOW)
    assert f"not for {kind}/{name}" in told


@given(kind=st.text(max_size=8), name=st.text(max_size=8), other=st.text(max_size=8))
def test_a_kind_covers_itself_alone(kind, name, other):
    if kind == "*":
        return
    assert trusted(kind).objection(key(kind, name), NOW) is None
    assert (trusted(kind).objection(key(kind + other, name), NOW) is None) == (other == "")


letters = st.text("ab/*", max_size=4)


@given(namespace=letters, kind=letters, name=letters)
def test_a_namespace_covers_nothing_of_a_kind_that_it_does_not_begin_with(namespace, kind, name):
    covered = trusted(namespace).objection(key(kind, name), NOW) is None
    if namespace not in ("*", kind) and not namespace.startswith(f"{kind}/"):
        assert not covered
    if covered and not namespace.endswith("*"):
        assert namespace in (kind, f"{kind}/{name}")


# Expiry -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires", "counts"),
    [
        (None, True),
        (NOW + 1e-3, True),
        (NOW, False),
        (NOW - 1e-3, False),
        (0.0, False),
        (-1.0, False),
        (float("inf"), True),
        (float("-inf"), False),
        (float("nan"), False),
    ],
)
def test_trust_ends_at_the_very_moment(expires, counts):
    told = trusted(expires=expires).objection(key(), NOW)
    assert (told is None) == counts
    assert counts or "has expired; renew it" in told


def test_expiry_goes_by_the_clock_of_each_load(monkeypatch):
    trust = Trust({PUBLIC: trusted(expires=NOW)})
    manifest = Manifest(key(), (), None, 0.0, 0.0, {})

    def told(at):
        monkeypatch.setattr(time, "time", lambda: at)
        return stranger(trust, lambda _: False, manifest, PUBLIC)

    assert told(NOW - 1) is None
    assert "expired" in told(NOW)
    assert told(NOW - 1) is None, "a clock that went back brings it back, and no state is left"


def test_expired_trust_in_a_key_of_ones_own_is_expired(monkeypatch):
    trust = Trust({PUBLIC: trusted(expires=0.0)})
    manifest = Manifest(key(), (), None, 0.0, 0.0, {})
    assert "expired" in stranger(trust, lambda _: True, manifest, PUBLIC)
    assert stranger(NOBODY, lambda _: True, manifest, PUBLIC) is None
    assert "trust add" in stranger(NOBODY, lambda _: False, manifest, PUBLIC)
    assert stranger(trust, lambda _: True, manifest, "") == "nobody signed it"


# Revocation -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "name", "told"),
    [
        ("revoked_manifests", "a" * 64, "the artifact"),
        ("revoked_toolchains", "2" * 64, "the toolchain that built it"),
    ],
)
def test_whatever_was_revoked_is_revoked_whoever_vouches_for_it(field, name, told):
    manifest = Manifest(key(), (), None, 0.0, 0.0, {})
    stamps = Stamps("d" * 64, "e" * 64, "a" * 64, (Signature(PUBLIC, "f" * 128),))
    assert NOBODY.revocation(manifest, stamps) is None
    trust = with_entry(with_entry(NOBODY, "keys", PUBLIC, trusted()), field, name, "leaked")
    assert trust.revocation(manifest, stamps) == f"{told} was revoked (leaked)"
    assert without_entry(trust, field, name).revocation(manifest, stamps) is None
    silent = with_entry(NOBODY, field, name, "")
    assert "no reason given" in silent.revocation(manifest, stamps)


# The file ---------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / "config"
    folder.mkdir(mode=0o700)
    return str(folder)


def write(config, content, mode=0o600):
    path = os.path.join(config, "trust.json")
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)
    return path


def document(revoked=MappingProxyType({}), **changes):
    one = {"name": "bob", "namespaces": [], "expires": None, "added": 0}
    fields = {
        "version": 1,
        "keys": {PUBLIC: {**one, **changes.pop("one", {})}},
        "revoked": {"keys": {}, "manifests": {}, "toolchains": {}, **revoked},
        "pinned": {},
        **changes,
    }
    return json.dumps({n: v for n, v in fields.items() if v is not ...}).encode()


def seen_by(config):
    """What is trusted by a file, and what the user is told of it."""
    told = []
    return TrustList(config, told.append).current(), told


def test_what_is_written_is_read_again(config):
    many = Trust(
        {PUBLIC: trusted("a/b", "c*", expires=5.5), OTHER: trusted()},
        {OTHER: "leaked"},
        {"a" * 64: ""},
        {"b" * 64: "x\N{SNOWMAN}\n"},
        {"c" * 64: "by hand"},
    )
    change_trust(config, lambda _: many)
    assert seen_by(config) == (many, [])
    assert os.stat(os.path.join(config, "trust.json")).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o664, 0o777])
def test_a_list_that_others_can_write_is_not_believed(config, mode):
    path = write(config, document(), mode)
    trust, told = seen_by(config)
    assert trust is UNREADABLE
    assert f"chmod 600 {path}" in told[0]
    with pytest.raises(StoreProblem, match="can be written by others"):
        change_trust(config, lambda trust: trust)
    os.chmod(path, 0o644)
    assert PUBLIC in seen_by(config)[0].keys


@as_root
def test_a_list_of_somebody_else_is_not_believed(config):
    os.chown(write(config, document()), ELSEWHERE, -1)
    trust, told = seen_by(config)
    assert trust is UNREADABLE
    assert "belongs to another user" in told[0]


def test_a_link_to_a_list_is_not_followed(config, tmp_path):
    path = write(config, document())
    os.rename(path, tmp_path / "elsewhere.json")
    os.symlink(tmp_path / "elsewhere.json", path)
    trust, told = seen_by(config)
    assert trust is UNREADABLE
    assert told


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_no_list_and_nobody_waits_for_it(config, make):
    make(os.path.join(config, "trust.json"))
    os.chmod(os.path.join(config, "trust.json"), 0o700)
    trust, told = seen_by(config)
    assert trust is UNREADABLE
    assert told


GARBAGE = [
    b"",
    b"\0" * 100,
    b"[]",
    b"null",
    b"7",
    b"{}",
    b"{" * 5000,
    b"[" * 200_000,
    b"\xff\xfe",
    document()[:-1],
    document() + document(),
    document(version=2),
    document(version=None),
    document(version=...),
    document(keys=...),
    document(keys=[]),
    document(keys=[PUBLIC]),
    document(keys={PUBLIC: None}),
    document(keys={PUBLIC: "bob"}),
    document().replace(b'"revoked"', b'"taken back"'),
    document(pinned=...),
    document(pinned=[]),
    document(one={"namespaces": "generated/*"}),  # of its letters, one is the * that means all
    document(one={"namespaces": ""}),
    document(one={"namespaces": {}}),
    document(one={"namespaces": None}),
    document(one={"namespaces": 7}),
    document(one={"expires": "soon"}),
    document(one={"expires": [1]}),
    document(one={"expires": 10**400}),
    document(one={"added": None}),
    document(one={"expires": 0}).replace(b'"expires": 0', b'"expires": NaN'),
    document(one={"expires": 0}).replace(b'"expires": 0', b'"expires": Infinity'),
    document(one={"expires": 0}).replace(b'"expires": 0', b'"expires": ' + b"9" * 5000),
]


@pytest.mark.parametrize("content", GARBAGE, ids=lambda content: repr(content)[:60])
def test_a_list_that_is_none_means_that_nobody_is_trusted(config, content):
    write(config, content)
    trust, told = seen_by(config)
    assert trust is UNREADABLE
    assert "cannot be understood" in told[0] or "no JSON" in told[0]
    with pytest.raises(StoreProblem, match="cannot be written down"):
        change_trust(config, lambda _: pytest.fail("it was not read"))
    with open(os.path.join(config, "trust.json"), "rb") as file:
        assert file.read() == content, "what a person may still correct is not replaced"


def test_a_list_that_is_too_large_is_not_read(config):
    path = write(config, b"")
    os.truncate(path, SIZE_LIMIT + 1)
    trust, told = seen_by(config)
    assert trust is UNREADABLE
    assert "larger than" in told[0]


def test_a_large_list_is_read(config):
    revoked = {f"{n:064x}": "" for n in range(20_000)}
    write(config, document(revoked={"keys": revoked}))
    assert len(seen_by(config)[0].revoked_keys) == 20_000


@given(st.binary(max_size=300))
def test_no_bytes_at_all_make_reading_raise_anything_else(tmp_path_factory, content):
    folder = str(tmp_path_factory.getbasetemp())
    path = write(folder, content)
    try:
        with pytest.raises(ValueError, match=r"trust\.json"):
            read_trust(path, os.stat(path))
    finally:
        os.unlink(path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    place=st.sampled_from(["version", "keys", "revoked", "pinned", "one"]),
    field=st.sampled_from(["namespaces", "expires", "name", "added"]),
    value=values,
)
def test_no_value_at_all_makes_a_key_count_for_more(tmp_path_factory, place, field, value):
    folder = str(tmp_path_factory.getbasetemp())
    fields = json.loads(document(one={"namespaces": ["traces"]}))
    if place == "one":
        fields["keys"][PUBLIC][field] = value
    else:
        fields[place] = value
    path = write(folder, json.dumps(fields).encode())
    try:
        trust = read_trust(path, os.stat(path))
    except ValueError:
        return
    finally:
        os.unlink(path)
    known = trust.keys.get(PUBLIC)
    if known is not None and known.objection(key(), time.time()) is None:
        assert field == "namespaces"
        assert place == "one"
        assert value == [] or "generated" in value or "*" in value


def test_keys_and_digests_in_capitals_mean_the_same(config):
    """Somebody who writes the file by hand must not revoke in vain."""
    write(
        config,
        document(
            keys={PUBLIC.upper(): {"name": "b", "namespaces": [], "expires": None, "added": 0}},
            revoked={"keys": {OTHER.upper(): ""}, "manifests": {"AB" * 32: ""}},
        ),
    )
    trust, _ = seen_by(config)
    assert PUBLIC in trust.keys
    assert OTHER in trust.revoked_keys
    assert "ab" * 32 in trust.revoked_manifests


def test_a_change_is_seen_at_once_and_what_cannot_be_read_forgets_the_old(config):
    told = []
    listed = TrustList(config, told.append)
    assert listed.current() is NOBODY
    change_trust(config, lambda trust: with_entry(trust, "keys", PUBLIC, trusted()))
    assert PUBLIC in listed.current().keys
    change_trust(config, lambda trust: without_entry(trust, "keys", PUBLIC))
    assert PUBLIC not in listed.current().keys
    change_trust(config, lambda trust: with_entry(trust, "keys", PUBLIC, trusted()))
    write(config, b"nonsense")
    assert listed.current() is UNREADABLE
    assert listed.current() is UNREADABLE
    assert len(told) == 1, "said once for each state of the file"
    os.unlink(os.path.join(config, "trust.json"))
    assert listed.current() is NOBODY


def test_without_a_home_nobody_is_trusted():
    assert TrustList(None, pytest.fail).current() is NOBODY
    with pytest.raises(StoreProblem, match="EMBERKEEP_CONFIG_DIR"):
        change_trust(None, lambda trust: trust)


# Two who change it at once ----------------------------------------------------------------------

ADDING = """
import sys
from emberkeep.trust.edits import change_trust, with_entry
config, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for n in range(first, first + count):
    change_trust(config, lambda trust: with_entry(trust, "revoked_keys", f"{n:064x}", "gone"))
"""


@pytest.mark.parametrize("count", [25, pytest.param(500, marks=pytest.mark.soak)])
def test_processes_that_change_it_at_once_lose_nothing(config, count):
    processes = [
        subprocess.Popen([sys.executable, "-c", ADDING, config, str(first * count), str(count)])
        for first in range(4)
    ]
    listed, seen = TrustList(config, pytest.fail), 0
    while any(process.poll() is None for process in processes):
        now = len(listed.current().revoked_keys)
        assert now >= seen, "a reader sees each state whole, and none twice"
        seen = now
        time.sleep(0.002)
    assert [process.returncode for process in processes] == [0] * 4
    assert len(listed.current().revoked_keys) == 4 * count
    assert sorted(os.listdir(config)) == ["trust.json", "trust.json.lock"]


def test_threads_that_change_it_at_once_lose_nothing(config):
    def add(first):
        for n in range(first, first + 20):
            change_trust(config, lambda trust: with_entry(trust, "pinned", f"{n:064x}", ""))

    threads = [threading.Thread(target=add, args=(100 * first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(TrustList(config, pytest.fail).current().pinned) == 80


def test_a_change_that_fails_changes_nothing(config):
    change_trust(config, lambda trust: with_entry(trust, "keys", PUBLIC, trusted()))
    before = read_trust(os.path.join(config, "trust.json"), os.stat(f"{config}/trust.json"))

    def fail(_):
        raise RuntimeError("in the midst of it")

    with pytest.raises(RuntimeError):
        change_trust(config, fail)
    assert seen_by(config)[0] == before
    change_trust(config, lambda trust: with_entry(trust, "pinned", "a" * 64, "x"))


def test_a_lock_that_is_a_link_is_not_followed(config, tmp_path):
    victim = tmp_path / "victim"
    os.symlink(victim, os.path.join(config, "trust.json.lock"))
    with pytest.raises(StoreProblem, match="cannot be written down"):
        change_trust(config, lambda trust: trust)
    assert not victim.exists()


# The command ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("add", "short", "--name", "x"),
        ("add", PUBLIC),
        ("add", "0" * 64, "--name", "anybody's"),
        ("add", "01" + "0" * 62, "--name", "anybody's"),
        ("add", PUBLIC, "--name", "x", "--expires", "sometime"),
        ("add", PUBLIC, "--name", "x", "--expires", "nan"),
        ("add", PUBLIC, "--name", "x", "--expires", "-5d"),
        ("add", PUBLIC, "--name", "x", "--expires", "inf"),
        ("remove", "nobody"),
        ("revoke", "not a digest"),
        ("pin", "x" * 64),
        ("add",),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(alice, words, capsys):
    assert alice.run("trust", *words) == 2
    assert not os.path.exists(alice.trust_file)
    assert "Traceback" not in capsys.readouterr().err


def test_trust_comes_and_goes_by_the_command(alice, capsys):
    assert alice.run("trust", "add", PUBLIC.upper(), "--name", "bob", "--for", "traces") == 0
    assert alice.run("trust", "add", OTHER, "--name", "carol", "--expires", "1d") == 0
    known = seen_by(alice.config)[0].keys
    assert known[PUBLIC].namespaces == ("traces",)
    assert 86_000 < known[OTHER].expires - time.time() < 86_500
    assert alice.run("trust", "revoke", PUBLIC, "--reason", "stolen") == 0
    assert alice.run("trust", "add", PUBLIC, "--name", "bob") == 2, "revoked is revoked"
    assert "trust restore" in capsys.readouterr().err
    assert alice.run("trust", "restore", PUBLIC) == 0
    assert alice.run("trust", "remove", "bob") == 0
    assert list(seen_by(alice.config)[0].keys) == [OTHER]
    capsys.readouterr()
    assert alice.run("trust", "list", "--format", "json") == 0
    (listed,) = json.loads(capsys.readouterr().out)["keys"]
    assert (listed["public"], listed["name"]) == (OTHER, "carol")


def test_what_a_beginning_may_mean_twice_is_not_guessed(alice, capsys):
    for n in range(2):
        assert alice.run("trust", "add", f"abcd{n:060x}", "--name", "twin") == 0
    for value in ("abcd", "twin"):
        assert alice.run("trust", "remove", value) == 2
        assert "2 of the trusted keys" in capsys.readouterr().err
    assert len(seen_by(alice.config)[0].keys) == 2
