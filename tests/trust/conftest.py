"""Alice, who signs; Bob, who trusts her; Eve, whom nobody trusts; a folder that all can write."""

import os
import subprocess
import sys

import pytest

from emberkeep import Keep
from emberkeep.cli import main
from emberkeep.store.manifest import SIGNATURE_BYTES, TRAILER_BYTES
from emberkeep.store.manifest_writing import resealed, signed
from emberkeep.trust.edits import change_trust, with_entry
from emberkeep.trust.signatures import generate, manifest_message
from emberkeep.trust.trust_list import TrustedKey

CONTENT = b"what Alice has built"
KIND, NAME = "tables", "sample"


class User:
    """Somebody with a configuration and a keep of their own, and a view of a shared folder."""

    def __init__(self, monkeypatch, home, name, shared):
        self._monkeypatch = monkeypatch
        self.name = name
        self.config = str(home / name / "config")
        self.root = str(home / name / "keep")
        self.shared = str(shared)

    def become(self):
        self._monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", self.config)
        self._monkeypatch.setenv("EMBERKEEP_DIR", self.root)
        return self

    def keep(self, options="", **settings):
        """A keep that remembers nothing of this process."""
        self.become()
        return Keep(shared=self.shared + options, **{"memory_size": 0, **settings})

    def get(self, keep=None, build=None, *, kind=KIND, name=NAME, **ingredients):
        """The artifact of some ingredients; built as ``b"built by NAME"`` where it is not kept."""
        own = f"built by {self.name}".encode()
        keep = self.keep() if keep is None else keep
        given = {"n": 1, **ingredients}
        return keep.get_or_build(kind, name, given, build or (lambda: {"code": own}))

    def publish(self, options="", content=CONTENT, **what):
        """Build and share something."""
        keep = self.keep(options)
        made = self.get(keep, lambda: {"code": content, "source": "a source"}, **what)
        assert not made.hit
        assert keep.flush()
        return made.key

    def make_key(self, name="default"):
        return generate(self.config, name, 0.0)

    def trust(self, public, name="somebody", namespaces=(), expires=None):
        key = TrustedKey(name, tuple(namespaces), expires, 0.0)
        self.say("keys", public, key)

    def say(self, field, name, value="said so"):
        change_trust(self.config, lambda trust: with_entry(trust, field, name, value))

    @property
    def trust_file(self):
        return os.path.join(self.config, "trust.json")

    def run(self, *words):
        """A command of the command line; its exit code."""
        self.become()
        self._monkeypatch.setenv("EMBERKEEP_SHARED", self.shared)
        return main([str(word) for word in words])

    def in_process(self, program, **environment):
        """What a program prints that runs as this user, and what it says on standard error."""
        self.become()
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr


class Manifests:
    """The manifests below a root, to look at and to tamper with."""

    def __init__(self, root):
        self.root = str(root)

    def paths(self):
        """All of them, but not what was moved to quarantine."""
        return sorted(
            os.path.join(folder, name)
            for folder, _, names in os.walk(self.root)
            for name in names
            if name.endswith(".json") and "quarantine" not in folder
        )

    @property
    def path(self):
        (path,) = self.paths()
        return path

    def read(self, path=None):
        with open(path or self.path, "rb") as file:
            return file.read()

    def write(self, document, path=None):
        with open(path or self.path, "wb") as file:
            file.write(document)

    def quarantined(self):
        folder = os.path.join(self.root, "quarantine")
        return os.listdir(folder) if os.path.isdir(folder) else []


def payload_of(document):
    """The lines that are signed, of a document that is."""
    return document[: -TRAILER_BYTES - SIGNATURE_BYTES]


def unsigned(document):
    """A document without its signature, with a digest that is right."""
    return resealed(payload_of(document) + document[-TRAILER_BYTES:])


def signed_by(key, document):
    """An unsigned document with a key's signature."""
    return signed(document, key.public, lambda payload: key.sign(manifest_message(payload)))


class Forging:
    """What anybody can do to a document."""

    payload_of = staticmethod(payload_of)
    unsigned = staticmethod(unsigned)
    signed_by = staticmethod(signed_by)
    with_right_digest = staticmethod(resealed)

    @staticmethod
    def altered(document, old, new):
        """Some bytes replaced, and the digest made right."""
        assert old in document
        return resealed(document.replace(old, new))


def events(keep, event):
    """How often something has happened, by what it was."""
    return {
        what: count
        for (happened, _, what), (count, _) in keep.totals().items()
        if happened == event
    }


@pytest.fixture
def forging():
    return Forging


@pytest.fixture
def refusals():
    """What a keep has refused: how often, by reason and place."""
    return lambda keep: events(keep, "refused")


@pytest.fixture
def manifests():
    return Manifests


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    os.chmod(folder, 0o2777)
    return folder


@pytest.fixture
def make_user(monkeypatch, tmp_path, shared):
    return lambda name: User(monkeypatch, tmp_path, name, shared)


@pytest.fixture
def alice(make_user):
    user = make_user("alice")
    user.key = user.make_key()
    return user


@pytest.fixture
def bob(make_user, alice):
    """Trusts Alice, and has no key."""
    user = make_user("bob")
    user.trust(alice.key.public, "alice")
    return user


@pytest.fixture
def eve(make_user):
    user = make_user("eve")
    user.key = user.make_key()
    return user
