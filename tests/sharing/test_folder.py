"""A shared folder: the contract of stores, permissions, missing mounts, what is never touched."""

import os
import stat
import time

import pytest

from emberkeep.errors import StoreProblem
from emberkeep.settings import Place
from emberkeep.sharing.folder import SharedFolder
from emberkeep.store import summaries
from emberkeep.store.protocol import ABSENT, DAMAGED, UNREADABLE, Kept
from emberkeep.testing import Dictionary, StoreContract, accept, kept


class Anybody:
    """Believes everything: here it is the folder that is tested."""

    verify = staticmethod(accept)

    def endorse(self, document):
        return document

    def can_endorse(self):
        return True

    def learn_revocations(self):
        pass

    def standing(self):
        pass


def folder(path, **options):
    return SharedFolder(Place(str(path), **options), Anybody())


class TestSharedFolder(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.root = tmp_path / "shared"
        self.root.mkdir()

    def make_store(self):
        return folder(self.root)

    def reopen(self, store):
        return folder(self.root)


class Slow:
    """A place that answers each time, and takes a moment for it."""

    MOMENT_S = 0.02

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def read(self, name, limit):
        time.sleep(self.MOMENT_S)
        return self._inner.read(name, limit)

    def list(self, prefix):
        for each in self._inner.list(prefix):
            time.sleep(self.MOMENT_S)
            yield each

    def names(self, prefix):
        for each in self._inner.names(prefix):
            time.sleep(self.MOMENT_S)
            yield each


def test_a_place_that_answers_each_time_may_take_long_for_all_of_it(monkeypatch, tmp_path):
    """How many entries there are is not the fault of the place, nor how busy this machine is."""
    monkeypatch.setattr(summaries, "AT_ONCE", 4)
    objects = Dictionary()
    fast = SharedFolder(Place(str(tmp_path)), Anybody(), objects=objects)
    count = 30
    for number in range(count):
        fast.write(kept(name=f"n{number}", blobs={"x": b"%d" % number}))
    slow = SharedFolder(Place(str(tmp_path), deadline_s=0.3), Anybody(), objects=Slow(objects))
    assert count * Slow.MOMENT_S > 0.3
    assert len(slow.names()) == count
    listed = list(slow.entries())
    assert len(slow.documents(listed)) == count
    assert len(slow.holdings()) == count


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "place"
    path.mkdir()
    return path


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o2770, 0o2775, 0o3777])
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_what_is_made_may_be_read_by_those_who_may_read_the_folder(place, mode, umask):
    os.chmod(place, mode)
    before = os.umask(umask)
    try:
        store = folder(place)
        store.write(kept(blobs={"code": b"1"}))
        lease = store.acquire("name", "", pytest.fail)
        files = [os.path.join(f, name) for f, _, names in os.walk(place) for name in names]
        # Leases of the dead are taken over by others, which a sticky folder would forbid.
        folders = [f for f, _, _ in os.walk(place) if not f.endswith("leases")]
        assert len(files) >= 4
        assert {stat.S_IMODE(os.stat(f).st_mode) for f in folders} == {mode}
        assert {stat.S_IMODE(os.stat(f).st_mode) for f in files} == {mode & 0o666}
        lease.release(succeeded=True)
    finally:
        os.umask(before)


def test_a_folder_that_is_not_there_is_told_and_not_made(tmp_path):
    missing = tmp_path / "not mounted"
    store = folder(missing)
    artifact = kept()
    found = store.read(artifact.manifest.key)
    assert found.reason == UNREADABLE
    assert "not there" in found.detail
    assert "Mount it" in found.detail
    told = []
    for change in (
        lambda: store.write(artifact),
        lambda: list(store.entries()),
    ):
        with pytest.raises(StoreProblem, match="not there"):
            change()
    assert store.acquire("name", "", told.append) is None
    assert "not there" in told[0]
    assert not missing.exists()


def test_what_is_damaged_stays_where_it_is_and_the_next_builder_replaces_it(place):
    store, artifact = folder(place), kept(blobs={"code": b"right"})
    store.write(artifact)
    manifest = store.directory.manifest_path(artifact.manifest.key)
    blob = store.directory.blob_path(artifact.manifest.blobs[0].digest)
    for path, content in ((blob, b"wrong"), (manifest, b"{}"), (blob, b"")):
        with open(path, "wb") as file:
            file.write(content)
        assert folder(place).read(artifact.manifest.key).reason == DAMAGED
        with open(path, "rb") as file:
            assert file.read() == content
        assert not (place / "quarantine").exists()
        folder(place).write(artifact)
        assert folder(place).read(artifact.manifest.key) == artifact


def test_a_blob_that_is_gone_is_a_miss_that_the_next_builder_heals(place):
    store, artifact = folder(place), kept(blobs={"code": b"right"})
    store.write(artifact)
    os.unlink(store.directory.blob_path(artifact.manifest.blobs[0].digest))
    assert folder(place).read(artifact.manifest.key).reason == DAMAGED
    folder(place).write(artifact)
    assert isinstance(folder(place).read(artifact.manifest.key), Kept)


def test_a_client_that_remembers_what_was_not_there_is_made_to_look_again(place, monkeypatch):
    """As over NFS: a name that was missing stays so until the folder is opened."""
    store, artifact = folder(place), kept()
    store.write(artifact)
    behind, opened = [True], []
    really_open = os.open

    def open_as_nfs(path, flags, *rest, **named):
        if str(path).endswith(".json") and behind[0]:
            raise FileNotFoundError(path)
        if os.path.isdir(path):
            opened.append(path)
            behind[0] = False
        return really_open(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", open_as_nfs)
    assert store.read(artifact.manifest.key) == artifact
    assert opened


def test_a_stale_handle_is_opened_again(place, monkeypatch):
    import errno

    store, artifact = folder(place), kept()
    store.write(artifact)
    stale, really_read = [2], os.read

    def read_as_nfs(descriptor, size):
        if stale[0]:
            stale[0] -= 1
            raise OSError(errno.ESTALE, "Stale file handle")
        return really_read(descriptor, size)

    monkeypatch.setattr(os, "read", read_as_nfs)
    assert store.read(artifact.manifest.key) == artifact
    assert stale == [0]


def test_what_fails_again_and_again_is_left_alone(place, monkeypatch):
    import errno

    store, artifact = folder(place), kept()
    store.write(artifact)
    asked, really_open = [], os.open

    def fails(path, *rest, **named):
        if str(path).endswith(".json"):
            asked.append(path)
            raise OSError(errno.EIO, "Input/output error")
        return really_open(path, *rest, **named)

    monkeypatch.setattr(os, "open", fails)
    for _ in range(3):
        assert store.read(artifact.manifest.key).reason == UNREADABLE
    count = len(asked)
    found = store.read(artifact.manifest.key)
    assert found.reason == UNREADABLE
    assert "left alone" in found.detail
    assert len(asked) == count


def test_use_is_noted_where_that_is_allowed(place):
    artifact = kept()
    folder(place).write(artifact)
    path = folder(place).directory.manifest_path(artifact.manifest.key)
    os.utime(path, (1e9, 1e9))
    folder(place, read_only=True).read(artifact.manifest.key)
    assert os.stat(path).st_mtime == 1e9
    folder(place).read(artifact.manifest.key)
    assert os.stat(path).st_mtime > 1e9


def test_a_folder_laid_out_by_a_newer_emberkeep_is_neither_read_nor_written(place):
    artifact = kept()
    folder(place).write(artifact)
    (place / "format").write_bytes(b"emberkeep 2\n")
    store = folder(place)
    found = store.read(artifact.manifest.key)
    assert found.reason == UNREADABLE
    assert "Upgrade" in found.detail
    with pytest.raises(StoreProblem, match="Upgrade"):
        store.write(kept(name="other"))
    assert store.read(kept(name="third").manifest.key).reason in (UNREADABLE, ABSENT)


def test_leases_are_not_put_where_a_link_leads(place, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    os.symlink(outside, place / "leases")
    told = []
    assert folder(place).acquire("name", "", told.append) is None
    assert "this is a link" in told[0]
    assert os.listdir(outside) == []
