"""Two users who share a folder."""

import os

import pytest

from emberkeep import Keep
from emberkeep.cli import main
from emberkeep.trust.edits import change_trust, with_entry
from emberkeep.trust.signatures import generate
from emberkeep.trust.trust_list import TrustedKey


class User:
    """Somebody with a configuration and a keep of their own, and a view of a shared folder."""

    def __init__(self, monkeypatch, home, name, shared):
        self.monkeypatch = monkeypatch
        self.name = name
        self.config = str(home / name / "config")
        self.root = str(home / name / "keep")
        self.shared = str(shared)

    def become(self):
        self.monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", self.config)
        self.monkeypatch.setenv("EMBERKEEP_DIR", self.root)
        return self

    def keep(self, shared=None, **settings):
        self.become()
        return Keep(shared=self.shared if shared is None else shared, **settings)

    def make_key(self, name="default"):
        return generate(self.config, name, 0.0).public

    def trust(self, public, name="somebody", namespaces=(), expires=None):
        key = TrustedKey(name, tuple(namespaces), expires, 0.0)
        change_trust(self.config, lambda trust: with_entry(trust, "keys", public, key))

    def run(self, *words):
        """A command of the command line; its exit code."""
        self.become()
        self.monkeypatch.setenv("EMBERKEEP_SHARED", self.shared)
        return main([str(word) for word in words])


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    os.chmod(folder, 0o2775)
    return folder


@pytest.fixture
def make_user(monkeypatch, tmp_path, shared):
    return lambda name: User(monkeypatch, tmp_path, name, shared)


@pytest.fixture
def alice(make_user):
    """Has a key, and so publishes."""
    user = make_user("alice")
    user.public = user.make_key()
    return user


@pytest.fixture
def bob(make_user, alice):
    """Trusts Alice, and has no key."""
    user = make_user("bob")
    user.trust(alice.public, "alice")
    return user
