"""Every store of the library holds the shipped contract, and agrees with a dictionary."""

import itertools
import os

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from emberkeep.store.directory import Directory
from emberkeep.store.layers import Later, Layered, Memory, ReadOnly
from emberkeep.store.protocol import ABSENT, Miss
from emberkeep.testing import Dictionary, StoreContract, accept, store_machine
from emberkeep.trust.seals import OwnKeep, Sealer

PLENTY = 1 << 30


def fail(problem):
    raise problem


def layered(*layers):
    return Layered(layers, fail)


def judged_by(sealer):
    return OwnKeep(sealer, None, pytest.fail).verify


class TestMemory(StoreContract):
    def make_store(self):
        return Memory(PLENTY)


class InFolder(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.root = str(tmp_path / "keep")
        self.other = str(tmp_path / "other")


class TestDirectory(InFolder):
    def make_store(self):
        return Directory(self.root, accept)

    def reopen(self, store):
        return Directory(self.root, accept)


class TestDirectoryInADictionary(StoreContract):
    """A keep in a place that is no folder."""

    def make_store(self):
        return Directory(Dictionary(), accept)

    def reopen(self, store):
        return Directory(store.objects, accept)


class TestSealedDirectory(InFolder):
    @pytest.fixture(autouse=True)
    def _sealer(self, tmp_path):
        self.seals = Sealer(str(tmp_path / "config"), pytest.fail)

    def seal(self, digest):
        return self.seals.seal(digest)

    def make_store(self):
        return Directory(self.root, judged_by(self.seals))

    def reopen(self, store):
        return Directory(self.root, judged_by(Sealer(self.seals._config_dir, pytest.fail)))


class TestLater(InFolder):
    def make_store(self):
        return Later("later", lambda: Directory(self.root, accept), writable=True)

    def reopen(self, store):
        return self.make_store()


class TestLaterReadOnly(InFolder):
    def make_store(self):
        return Later("later", lambda: Directory(self.root, accept, heals=False), writable=False)

    def put(self, store, artifact):
        Directory(self.root, accept).write(artifact)

    def reopen(self, store):
        return self.make_store()


class TestReadOnly(InFolder):
    def make_store(self):
        return ReadOnly(Directory(self.root, accept, heals=False))

    def put(self, store, artifact):
        Directory(self.root, accept).write(artifact)

    def reopen(self, store):
        return self.make_store()


class TestMemoryOverDirectory(InFolder):
    def make_store(self):
        return layered(Memory(PLENTY), Directory(self.root, accept))

    def reopen(self, store):
        return self.make_store()


class TestDirectoryOverDirectory(InFolder):
    def make_store(self):
        return layered(Directory(self.root, accept), Directory(self.other, accept))

    def reopen(self, store):
        return self.make_store()


class TestLayerOfOne(InFolder):
    """What a keep without memory is."""

    def make_store(self):
        return layered(Directory(self.root, accept))

    def reopen(self, store):
        return self.make_store()


class TestSmallMemoryOverDirectory(InFolder):
    """Nothing fits into the memory above: the folder below serves it all."""

    def make_store(self):
        return layered(Memory(1), Directory(self.root, accept))


@pytest.fixture
def fresh(tmp_path):
    numbers = itertools.count()
    return lambda: str(tmp_path / str(next(numbers)))


def run(machine, examples=25):
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None)
    )


def test_memory_is_a_dictionary():
    run(store_machine(lambda: Memory(PLENTY)))


def test_a_directory_is_a_dictionary(fresh):
    def reopen(store):
        return Directory(store.root, accept)

    run(store_machine(lambda: Directory(fresh(), accept), reopen=reopen))


def test_a_directory_in_another_place_is_a_dictionary():
    def reopen(store):
        return Directory(store.objects, accept)

    run(store_machine(lambda: Directory(Dictionary(), accept), reopen=reopen))


def test_memory_over_a_directory_is_a_dictionary(fresh):
    def make(root=None):
        return layered(Memory(2000), Directory(root or fresh(), accept))

    run(store_machine(make, reopen=lambda store: make(store._layers[1].root)))


def test_a_directory_over_a_directory_is_a_dictionary(fresh):
    def make(roots=None):
        return layered(*(Directory(root, accept) for root in roots or (fresh(), fresh())))

    run(store_machine(make, reopen=lambda store: make([each.root for each in store._layers])))


def test_a_sealed_directory_is_a_dictionary(fresh, home):
    seals = Sealer(str(home), pytest.fail)

    def reopen(store):
        return Directory(store.root, judged_by(seals))

    machine = store_machine(
        lambda: Directory(fresh(), judged_by(seals)), reopen=reopen, seal=seals.seal
    )
    run(machine, examples=15)


class Forgetful:
    """A store with a bug: it takes names that look alike for one."""

    label, writable = "forgetful", True

    def __init__(self):
        self.held = {}

    def read(self, key):
        return self.held.get((key.kind, key.name.lower()), Miss(ABSENT, "absent"))

    def write(self, kept):
        self.held[kept.manifest.key.kind, kept.manifest.key.name.lower()] = kept

    def remove(self, key):
        return self.held.pop((key.kind, key.name.lower()), None) is not None

    def entries(self):
        return iter(())


def test_the_machine_finds_a_bug():
    # Found is enough: making it small takes long.
    quick = settings(phases=[Phase.generate], database=None, deadline=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(store_machine(Forgetful), settings=quick)


def test_the_contract_finds_a_bug():
    class Broken(StoreContract):
        def make_store(self):
            return Forgetful()

    broken = Broken()
    with pytest.raises(AssertionError):
        broken.test_every_field_of_a_key_counts()
    with pytest.raises(AssertionError):
        broken.test_odd_names_stay_apart("name")
    with pytest.raises(AssertionError):
        broken.test_the_listing_is_exact()


def test_the_package_shows_few_names():
    import emberkeep.testing

    assert all(getattr(emberkeep.testing, name).__doc__ for name in emberkeep.testing.__all__)
    assert os.path.basename(emberkeep.testing.__file__) == "__init__.py"
