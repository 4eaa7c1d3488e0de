"""People who share a folder; what they ask for is known, so that what they get is checked."""

import os
import warnings
from hashlib import sha256

from emberkeep import Keep, StoreWarning
from emberkeep.cli import main
from emberkeep.settings import Place
from emberkeep.trust.edits import change_trust, with_entry
from emberkeep.trust.signatures import generate
from emberkeep.trust.trust_list import TrustedKey

KIND = "tables"
COMMON = b"a part that all have" * 50


class User:
    """Somebody with a configuration and a keep of their own."""

    def __init__(self, monkeypatch, home, name):
        self._monkeypatch = monkeypatch
        self.config = os.path.join(home, name, "config")
        self.root = os.path.join(home, name, "keep")

    def become(self):
        self._monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", self.config)
        self._monkeypatch.setenv("EMBERKEEP_DIR", self.root)

    def keep(self, path, *, deadline_s=5.0, **settings):
        """A keep that remembers nothing in memory: all that it gives was read."""
        self.become()
        return Keep(shared=Place(str(path), deadline_s=deadline_s), memory_size=0, **settings)

    def make_key(self):
        return generate(self.config, "default", 0.0).public

    def trust(self, public):
        key = TrustedKey("somebody", (), None, 0.0)
        change_trust(self.config, lambda trust: with_entry(trust, "keys", public, key))

    def run(self, path, *words):
        """A command of the command line, about a shared folder; its exit code."""
        self.become()
        return main(["--layer", str(path), *words])


def content(number, version=0, size=2000):
    """Bytes that are known from a number and a version."""
    seed = sha256(f"{number} {version}".encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


def ask(keep, number, *, version=0, on_build=None, size=2000):
    """Ask for what belongs to a number, in this version if it has to be built.

    AssertionError where it is not the right one, or has parts of several versions.
    """

    def build():
        if on_build is not None:
            on_build(number)
        layout = {"number": number, "version": version}
        return {"code": content(number, version, size), "common": COMMON, "layout": layout}

    artifact = keep.get_or_build(KIND, f"sample{number}", {"number": number}, build)
    found = artifact.layout["version"]
    right = {"code": content(number, found, size), "common": COMMON}
    assert dict(artifact.blobs) == right, f"wrong bytes for {number}"
    assert artifact.layout["number"] == number
    return artifact


class Heard:
    """The warnings within a `with` block, of any thread; all must be of the keep."""

    def __enter__(self):
        self._catching = warnings.catch_warnings(record=True)
        self._caught = self._catching.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, *problem):
        self._catching.__exit__(*problem)

    @property
    def texts(self):
        assert all(issubclass(w.category, StoreWarning) for w in self._caught), self._caught
        return [str(warning.message) for warning in self._caught]


def contents(folder):
    """What lies in a folder: path → (inode, bytes)."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                found[path] = (os.fstat(file.fileno()).st_ino, file.read())
    return found
