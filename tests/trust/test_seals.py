"""Seals: an HMAC under a key that only this user has, and what happens where there is none."""

import hmac
import os
import subprocess
import sys
import threading
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberkeep import Keep, StoreWarning
from emberkeep.store import files
from emberkeep.trust import seals as trust
from emberkeep.trust.seals import DOMAIN, KEY_BYTES, KEY_FILE, Sealer

DIGEST = sha256(b"a manifest").hexdigest()
ELSEWHERE = 65534  # the user nobody


@pytest.fixture
def config(tmp_path):
    return str(tmp_path / "home" / "config")


def sealer_in(config):
    return Sealer(config, pytest.fail)


def key_of(config):
    with open(os.path.join(config, KEY_FILE), "rb") as file:
        return file.read()


def write_key(config, content, mode=0o600):
    os.makedirs(config, exist_ok=True)
    path = os.path.join(config, KEY_FILE)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)
    return path


@given(key=st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES), seed=st.binary(max_size=8))
def test_a_seal_is_an_hmac(key, seed):
    sealer, digest = Sealer(None, pytest.fail), sha256(seed).hexdigest()
    sealer._load = lambda: key
    expected = hmac.new(key, DOMAIN + digest.encode(), "sha256").hexdigest()
    assert sealer.seal(digest) == expected
    assert sealer.is_ours(digest, expected)


def test_a_seal_is_an_hmac_under_the_key_on_disk(config):
    seal = sealer_in(config).seal(DIGEST)
    assert seal == hmac.new(key_of(config), DOMAIN + DIGEST.encode(), "sha256").hexdigest()


def test_no_other_seal_is_good(config):
    sealer = sealer_in(config)
    seal = sealer.seal(DIGEST)
    for n in range(len(seal)):
        other = seal[:n] + ("0" if seal[n] != "0" else "1") + seal[n + 1 :]
        assert not sealer.is_ours(DIGEST, other)
    for other in ("", seal[:-1], seal + "0", seal.upper(), "0" * 64, "\xff" * 64):
        assert not sealer.is_ours(DIGEST, other)
    assert not sealer.is_ours(sha256(b"another").hexdigest(), seal)


def test_the_key_lasts(config):
    seal = sealer_in(config).seal(DIGEST)
    assert sealer_in(config).is_ours(DIGEST, seal)


def test_users_have_different_keys(config, tmp_path):
    seal = sealer_in(config).seal(DIGEST)
    assert not sealer_in(str(tmp_path / "other")).is_ours(DIGEST, seal)


def test_the_key_is_private_and_nothing_else_is_left(config):
    sealer_in(config).seal(DIGEST)
    assert os.listdir(config) == [KEY_FILE]
    assert os.stat(config).st_mode & 0o777 == 0o700
    assert os.stat(os.path.join(config, KEY_FILE)).st_mode & 0o777 == 0o600
    assert len(set(key_of(config))) > 8  # 32 random bytes


def test_the_key_is_private_whatever_the_mask(config):
    mask = os.umask(0)
    try:
        sealer_in(config).seal(DIGEST)
    finally:
        os.umask(mask)
    assert os.stat(os.path.join(config, KEY_FILE)).st_mode & 0o777 == 0o600


def test_nothing_is_made_before_it_is_needed(config):
    sealer_in(config)
    assert not os.path.exists(config)


PROGRAM = """
import sys
from emberkeep.trust.seals import Sealer
sealer = Sealer(sys.argv[1], sys.exit)
sys.stdin.readline()
print(sealer.seal("digest"))
"""


def test_processes_that_race_make_one_key(config):
    command = [sys.executable, "-c", PROGRAM, config]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    seals = {process.communicate(timeout=60)[0] for process in processes}
    assert len(seals) == 1
    assert os.listdir(config) == [KEY_FILE]
    assert seals == {sealer_in(config).seal("digest") + "\n"}


def test_who_comes_second_takes_the_key_that_is_there(config, monkeypatch):
    """The other process makes its key between the look and the making."""
    first = sealer_in(config)
    read_key, looks = trust._read_key, []

    def slow(path):
        if not looks:
            looks.append(path)
            first.seal(DIGEST)
            raise FileNotFoundError(path)
        return read_key(path)

    monkeypatch.setattr(trust, "_read_key", slow)
    second = Sealer(config, pytest.fail)
    assert first.seal(DIGEST) == second.seal(DIGEST)
    assert os.listdir(config) == [KEY_FILE]


def test_without_links_there_is_a_key_all_the_same(config, monkeypatch):
    def refuse(*_):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert sealer_in(config).seal(DIGEST) == sealer_in(config).seal(DIGEST)
    assert os.listdir(config) == [KEY_FILE]


def test_threads_that_race_seal_alike():
    """With a key that lasts as long as the process, each would make its own."""
    told = []
    for _ in range(20):
        sealer, seals = Sealer(None, told.append), []
        barrier = threading.Barrier(4)

        def work(sealer=sealer, seals=seals, barrier=barrier):
            barrier.wait(30)
            seals.append(sealer.seal(DIGEST))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seals) == 4
        assert set(seals) == {sealer.seal(DIGEST)}


def test_a_thread_that_comes_in_the_middle_takes_the_key_of_the_first():
    sealer, seals = Sealer(None, lambda text: None), []
    load = sealer._load

    def slow():
        if not seals:
            seals.append(None)
            seals.append(sealer.seal(DIGEST))
        return load()

    sealer._load = slow
    assert sealer.seal(DIGEST) == seals[1]


# Without a usable key -------------------------------------------------------------------------


def make_no_home(config):
    return None


def make_short(config):
    write_key(config, b"short")


def make_empty(config):
    write_key(config, b"")


def make_long(config):
    write_key(config, bytes(KEY_BYTES + 1))


def make_readable(config):
    write_key(config, bytes(KEY_BYTES), 0o640)


def make_readable_to_all(config):
    write_key(config, bytes(KEY_BYTES), 0o604)


def make_folder(config):
    os.makedirs(os.path.join(config, KEY_FILE))


def make_fifo(config):
    os.makedirs(config)
    os.mkfifo(os.path.join(config, KEY_FILE), 0o600)


def make_link(config):
    os.symlink(write_key(config + " elsewhere", bytes(KEY_BYTES)), write_key(config, b"") + "2")
    os.replace(os.path.join(config, KEY_FILE + "2"), os.path.join(config, KEY_FILE))


def make_foreign(config):
    os.chown(write_key(config, bytes(KEY_BYTES)), ELSEWHERE, -1)


def make_file_in_the_way(config):
    os.makedirs(os.path.dirname(config))
    with open(config, "w") as file:
        file.write("in the way")


FAULTS = {
    make_no_home: "EMBERKEEP_CONFIG_DIR",
    make_short: "5 bytes instead of 32. Remove it",
    make_empty: "0 bytes instead of 32. Remove it",
    make_long: "cannot be used",
    make_readable: "can be read by others",
    make_readable_to_all: "can be read by others",
    make_folder: "cannot be used",
    make_fifo: "cannot be used",
    make_link: "cannot be used",
    make_foreign: "belongs to another user",
    make_file_in_the_way: "cannot be",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", FAULTS)
def test_a_key_that_cannot_be_used_gives_way_to_a_passing_one(config, make):
    if make is make_foreign and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    make(config)
    given = None if make is make_no_home else config
    before = None if given is None else sorted(os.listdir(os.path.dirname(config)))
    told = []
    sealer = Sealer(given, told.append)
    seal = sealer.seal(DIGEST)
    assert sealer.seal(DIGEST) == seal
    assert sealer.is_ours(DIGEST, seal)
    assert len(told) == 1  # once, however often it seals
    assert FAULTS[make] in told[0]
    # Nobody else has that key, and a bad one is never used.
    assert not Sealer(given, told.append).is_ours(DIGEST, seal)
    assert seal != hmac.new(bytes(KEY_BYTES), DOMAIN + DIGEST.encode(), "sha256").hexdigest()
    if given is not None:
        assert sorted(os.listdir(os.path.dirname(config))) == before


@pytest.mark.parametrize("failing", ["open", "write", "link and replace"])
def test_a_key_that_cannot_be_made_gives_way_to_a_passing_one(config, monkeypatch, failing):
    os.makedirs(config)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    if failing == "open":
        open_ = os.open
        monkeypatch.setattr(
            os,
            "open",
            lambda path, flags, *more, **options: (fail if more else open_)(
                path, flags, *more, **options
            ),
        )
    elif failing == "write":
        monkeypatch.setattr(os, "write", fail)
    else:
        monkeypatch.setattr(os, "link", fail)
        monkeypatch.setattr(os, "replace", fail)
    told = []
    sealer = Sealer(config, told.append)
    assert sealer.is_ours(DIGEST, sealer.seal(DIGEST))
    monkeypatch.undo()
    (text,) = told
    assert "cannot be made" in text
    assert "No space left" in text
    assert os.listdir(config) == []


def test_a_keep_with_a_bad_key_works_and_says_so_once(config, tmp_path, monkeypatch):
    make_readable(config)
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", config)
    keep, built = Keep(tmp_path / "keep"), []

    def build():
        built.append(1)
        return {"code": b"1"}

    with pytest.warns(StoreWarning, match="read by others") as caught:
        hits = [keep.get_or_build("tables", "x", {"n": 1}, build).hit for _ in range(3)]
    assert (hits, len(built), len(caught)) == ([False, True, True], 1, 1)


# Where keep and configuration meet ------------------------------------------------------------


@pytest.mark.parametrize("root", ["config", "config/keep", "."])
def test_a_keep_in_or_around_the_configuration_works(tmp_path, monkeypatch, root):
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "config"))
    place = tmp_path / root

    def keep():
        return Keep(place, memory_size=0)

    assert not keep().get_or_build("tables", "x", {"n": 1}, lambda: {"code": b"1"}).hit
    assert keep().get_or_build("tables", "x", {"n": 1}, pytest.fail).hit
    assert os.stat(tmp_path / "config" / KEY_FILE).st_mode & 0o777 == 0o600
    from emberkeep.store.directory import Directory

    listed = list(Directory(str(place), lambda digest, seal: None).entries())
    assert [(entry.kind, entry.name) for entry in listed] == [("tables", "x")]


def test_the_key_is_not_in_the_keep(tmp_path, config, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", config)
    Keep(tmp_path / "keep").get_or_build("tables", "x", {"n": 1}, lambda: {"code": b"1"})
    key = key_of(config)
    for folder, _, names in os.walk(tmp_path / "keep"):
        for name in names:
            content = files.read_file(os.path.join(folder, name), 1 << 20)
            assert key not in content
            assert key.hex().encode() not in content


def test_without_a_lasting_key_the_entries_of_others_stay_where_they_are(tmp_path):
    root = tmp_path / "keep"

    def call(number):
        keep = Keep(root, memory_size=0)
        return keep.get_or_build("tables", "a", {"n": number}, lambda: {"x": b"%d" % number})

    call(1)
    before = {str(path) for path in root.rglob("*.json")}
    path = os.path.join(os.environ["EMBERKEEP_CONFIG_DIR"], KEY_FILE)
    with open(path, "rb") as file:
        good = file.read()
    with open(path, "wb") as file:
        file.write(good[:5])  # as an unreadable home would do: there is a passing key only
    # Told once: there is no lasting key. What follows from it for this entry is no other trouble.
    with pytest.warns(StoreWarning, match="5 bytes") as told:
        assert not call(1).hit
    assert len(told) == 1
    with pytest.warns(StoreWarning, match="5 bytes"):
        assert not call(2).hit
    with open(path, "wb") as file:
        file.write(good)
    assert {str(path) for path in root.rglob("*.json")} == before
    assert call(1).hit
