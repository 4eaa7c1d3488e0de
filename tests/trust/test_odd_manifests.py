"""Odd manifests under a trusted signature: every reader gets a miss with a reason, and it heals."""

import importlib.util
import json
import os
import random
import warnings

import pytest

from emberkeep import StoreWarning
from emberkeep.store.manifest import DEEPEST
from emberkeep.store.manifest_writing import resealed, signed
from emberkeep.store.protocol import NEWER_FORMAT
from emberkeep.trust.seals import Sealer
from emberkeep.trust.signatures import manifest_message

_place = os.path.join(os.path.dirname(__file__), "fuzz_manifest.py")
_spec = importlib.util.spec_from_file_location("fuzz_manifest", _place)
fuzzing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fuzzing)

LOOKING = (
    ("ls",),
    ("ls", "--all", "--format", "json"),
    ("show", "KEY", "--format", "json"),
    ("why", "KEY", "--format", "json"),
    ("status", "--format", "json"),
    ("verify", "--format", "json"),
)


class Victim:
    """Bob, who trusts Alice's key, and finds in his keep or in the shared place what it signed."""

    def __init__(self, alice, bob, manifests, capsys):
        self.bob, self.capsys = bob, capsys
        bob.make_key()
        self.names = alice.publish().split("-")
        self.there = manifests(alice.shared)
        self.path = self.there.path
        self.genuine = self.there.read()
        self.private = alice.key
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bob.get()
        self.own = manifests(bob.root).path
        self.sealer = Sealer(bob.config, pytest.fail)
        self.heard, self.kept, self.built = 0, 0, 0

    def sign(self, document):
        payload = resealed(document)
        return signed(
            payload, self.private.public, lambda p: self.private.sign(manifest_message(p))
        )

    def find(self, document, where):
        """Ask for it, look at it by every command, and ask again."""
        at_home = resealed(document, self.sealer.seal)
        for path, content in ((self.path, document), (self.own, at_home)):
            if path in where:
                self.there.write(content, path)
            elif os.path.exists(path):
                os.unlink(path)
        for words in LOOKING if self.own in where else ():
            self.look(*[self.names[0][:12] if word == "KEY" else word for word in words])
        found = self.ask()
        self.kept += found.hit
        self.built += not found.hit
        again = self.ask()
        is_newer = again.reason.startswith(NEWER_FORMAT)  # which is never ours to replace
        assert again.hit or is_newer, "it was neither used nor replaced"
        assert again.blobs == found.blobs
        assert again.layout == found.layout

    def ask(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            keep = self.bob.keep()
            found = self.bob.get(keep)
            assert keep.flush()
        assert all(issubclass(warning.category, StoreWarning) for warning in caught)
        assert len(caught) <= 2, [str(warning.message)[:200] for warning in caught]
        self.heard += len(caught)
        assert repr(found)
        json.dumps(found.layout, allow_nan=False)
        assert len(found.blobs) <= 1
        return found

    def look(self, *words):
        assert self.bob.run(*words) in (0, 1, 3, 4), words
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        assert "\x1b" not in out
        assert "\x1b" not in err
        if "json" in words and out:
            json.loads(out, parse_constant=pytest.fail)


@pytest.fixture
def victim(alice, bob, manifests, capsys):
    return Victim(alice, bob, manifests, capsys)


@pytest.mark.parametrize("depth", [DEEPEST + 1, 900])
@pytest.mark.parametrize("policy", ["require", "warn", "off"])
def test_a_layout_of_any_depth_is_a_miss_and_is_replaced(victim, depth, policy):
    victim.bob.shared += f"?policy={policy}"
    nested = b"[" * depth + b"]" * depth
    document = victim.genuine.replace(b'"layout":null', b'"layout":' + nested)
    document = victim.sign(fuzzing.unsigned(document))
    victim.find(document, [victim.path])
    victim.find(document, [victim.own])
    assert victim.built == 2


@pytest.mark.parametrize("count", [24, pytest.param(880, marks=pytest.mark.soak)])
def test_whatever_a_trusted_key_signs_every_reader_goes_on(victim, count, report):
    chance = random.Random(count)
    for _ in range(count):
        alter = fuzzing.with_odd_value if chance.random() < 0.8 else fuzzing.with_odd_ingredients
        document = victim.sign(fuzzing.unsigned(alter(None, chance.randrange, victim.genuine)))
        victim.find(
            document, chance.choice(([victim.path], [victim.own], [victim.path, victim.own]))
        )
    assert victim.built
    report(odd_manifests=count, used=victim.kept, built_again=victim.built, warnings=victim.heard)


@pytest.mark.parametrize("ingredients", [b"[]", b'{"plan":5}', b'{"plan":["a","b","c",[[1]]]}'])
def test_one_odd_entry_hides_no_other(bob, manifests, capsys, ingredients):
    """Also where it is of the kind that commands ask whether it is emberkeep's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bob.get(kind="generated", name="good")
        good = manifests(bob.root).path
        bob.get(kind="generated", name="odd")
    own = manifests(bob.root)
    (path,) = {*own.paths()} - {good}
    lines = own.read(path).split(b"\n")
    lines[1] = b'"ingredients":' + ingredients + b","
    sealer = Sealer(bob.config, pytest.fail)
    own.write(resealed(b"\n".join(lines), sealer.seal), path)
    for words in (("ls", "--all"), ("status",), ("verify",), ("gc", "--dry-run"), ("why", "good")):
        assert bob.run(*words) == 0, words
        assert "Traceback" not in capsys.readouterr().err
    bob.run("ls", "--all")
    said = capsys.readouterr().out
    assert "good" in said
    assert "odd" in said
