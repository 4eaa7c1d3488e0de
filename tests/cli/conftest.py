import json
import os
import time

import pytest

import emberkeep
from emberkeep.cli import main


class Shop:
    """A keep with things in it, and the command line that looks after it."""

    def __init__(self, root, capsys):
        self.root = str(root)
        self.capsys = capsys
        self.keep = emberkeep.Keep(self.root)

    def build(self, name="lorenz", kind="tables", content=b"content", **ingredients):
        artifact = self.keep.get_or_build(kind, name, ingredients, lambda: {"code": content})
        self.keep._counts.flush()
        return artifact.key

    def path(self, key, name="lorenz", kind="tables"):
        return os.path.join(self.root, kind, name, f"{key}.json")

    def blobs(self):
        folder = os.path.join(self.root, "blobs")
        return [os.path.join(f, n) for f, _, names in os.walk(folder) for n in names]

    def age(self, seconds, *paths):
        for path in paths:
            os.utime(path, (time.time() - seconds,) * 2)

    def run(self, *arguments):
        """Exit code, standard output, standard error."""
        self.capsys.readouterr()
        code = main([*arguments, "--root", self.root])
        out, err = self.capsys.readouterr()
        return code, out, err

    def json(self, *arguments):
        code, out, err = self.run(*arguments, "--format", "json")
        document = json.loads(out)
        assert document["version"] == 1
        assert document["command"] == arguments[0]
        assert err == ""
        return document | {"exit": code}


@pytest.fixture
def shop(tmp_path, capsys):
    return Shop(tmp_path / "keep", capsys)
