"""Every system call on the way of a hit, a miss and a publication fails, one after another.

Whatever fails, and with whatever error: whoever asks gets the right answer and hears of it once,
and who asks afterwards finds nothing half-written.
"""

import os
import shutil
import sys
import warnings
from itertools import count

import pytest

from emberkeep import Keep, StoreWarning
from emberkeep.sharing import folder
from emberkeep.store import files
from emberkeep.trust.edits import change_trust, with_entry
from emberkeep.trust.signatures import generate
from emberkeep.trust.trust_list import TrustedKey

sys.path.append(os.path.dirname(__file__))

from failing_calls import ERRORS, Failing, code_of  # noqa: E402 - found by way of the line above

KIND, NAME = "tables", "steel"
CONTENT = {n: bytes([n]) * 3000 for n in range(3)}
LAYOUT = {"offsets": [1, 2.5, "x"]}


class World:
    """Alice, who publishes, and Bob, who trusts her; each with a keep of their own."""

    def __init__(self, place, patch):
        self.place, self._patch = str(place), patch
        self.shared = os.path.join(self.place, "shared")

    def config(self, who):
        return os.path.join(self.place, who, "config")

    def root(self, who):
        return os.path.join(self.place, who, "keep")

    def keep(self, who, **settings):
        """A keep that remembers nothing; of Carol, without a shared place."""
        self._patch.setenv("EMBERKEEP_CONFIG_DIR", self.config(who))
        shared = None if who == "carol" else self.shared
        return Keep(self.root(who), shared=shared, **{"memory_size": 0, **settings})

    def copy(self, place):
        shutil.copytree(self.place, place)
        return World(place, self._patch)


def ask(keep, number=1):
    """The artifact of a number; AssertionError where it is not the right one."""
    built = {"code": CONTENT[number], "source": "readable", "layout": LAYOUT}
    found = keep.get_or_build(KIND, NAME, {"n": number}, lambda: built)
    assert (dict(found.blobs), found.layout) == ({"code": CONTENT[number]}, LAYOUT)
    return found


def settle(keep):
    """Wait until all is published, and room made, for which nobody else waits."""
    done = keep.flush(10.0)
    for builder in keep._builders:
        done &= all(collector.flush(10.0) for collector in builder._collectors)
    return done


# Where things stand when somebody asks: each prepares a world, and says who asks. -----------------


def first_use(_world):
    return "carol"


def miss(world):
    ask(world.keep("carol"), 2)
    return "carol"


def hit(world):
    ask(world.keep("carol"))
    return "carol"


def damaged_manifest(world):
    ask(world.keep("carol"))
    damage(world.root("carol"), ".json")
    return "carol"


def damaged_blob(world):
    ask(world.keep("carol"))
    damage(os.path.join(world.root("carol"), "blobs"), "")
    return "carol"


def due_for_collection(world):
    for number in (0, 2):
        ask(world.keep("carol"), number)
    os.utime(os.path.join(world.root("carol"), "collected"), (1, 1))
    return "carol"


def shared_miss(world):
    return "alice"


def shared_hit(world):
    publish(world)
    return "bob"


def shared_hit_at_home(world):
    publish(world)
    ask(world.keep("bob"))
    return "bob"


def shared_damage(world):
    publish(world)
    damage(os.path.join(world.shared, "blobs"), "")
    shutil.rmtree(world.root("alice"))
    return "alice"


def publish(world):
    keep = world.keep("alice")
    ask(keep)
    assert keep.flush()


def damage(root, suffix):
    for place, _, names in os.walk(root):
        for name in names:
            if name.endswith(suffix):
                with open(os.path.join(place, name), "r+b") as file:
                    file.seek(100)
                    file.write(b"?")


STARTS = (first_use, miss, hit, damaged_manifest, damaged_blob, due_for_collection)
SHARED = (shared_miss, shared_hit, shared_hit_at_home, shared_damage)


@pytest.fixture
def patch(monkeypatch):
    """No pauses between attempts: what fails here fails at once."""
    monkeypatch.setattr(folder, "PAUSES_S", (0.0,) * 3)
    monkeypatch.setattr(files, "PAUSES_S", (0.0,) * 4)
    return monkeypatch


@pytest.fixture
def make_world(tmp_path, patch):
    def make(start):
        world = World(tmp_path / start.__name__, patch)
        os.makedirs(world.shared)
        os.chmod(world.shared, 0o2777)
        key = generate(world.config("alice"), "default", 0.0)
        trusted = TrustedKey("alice", (), None, 0.0)
        for who in ("bob", "carol"):
            change_trust(
                world.config(who), lambda trust: with_entry(trust, "keys", key.public, trusted)
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            who = start(world)
            for each in ("alice", "bob", "carol"):  # the keys of seals are there
                world.keep(each)._sealer.seal("")
        return world, who

    return make


@pytest.mark.parametrize("start", [*STARTS, *SHARED], ids=lambda start: start.__name__)
@pytest.mark.parametrize(
    ("errors", "stride", "afters"),
    [
        pytest.param(("ENOENT", "EIO", "EMFILE"), 23, (False,), id="sample"),
        pytest.param(ERRORS, 1, (False, True), id="all", marks=pytest.mark.soak),
    ],
)
def test_whatever_fails_the_answer_is_right(
    make_world, tmp_path, report, start, errors, stride, afters
):
    world, who = make_world(start)
    injected = warned = 0
    cases = [(e, lasting, after) for e in errors for lasting in (False, True) for after in afters]
    for case, (error, lasting, after) in enumerate(cases):
        for number in count(1 + case % stride, stride):
            trial = world.copy(tmp_path / f"{case}-{number}")
            failing = Failing(number, code_of(error), lasting=lasting, after=after)
            where = f"{start.__name__}: call {number}, {error}, {lasting=}, {after=}"
            heard = _use(trial, who, failing, where)
            if not failing.failed:
                shutil.rmtree(trial.place)
                break
            injected += 1
            warned += heard
            _must_be_sound(trial, who, f"{where}, {failing.failed[0]}")
            shutil.rmtree(trial.place)
    assert injected
    report(injected=injected, warned=warned)


def _use(world, who, failing, where):
    """Ask once while calls fail; how many warnings were given."""
    keep = world.keep(who)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with failing.installed():
            try:
                ask(keep)
                in_the_call = len(caught)
                settle(keep)
            except BaseException as problem:
                problem.add_note(where)
                raise
    texts = [str(warning.message) for warning in caught]
    assert all(issubclass(warning.category, StoreWarning) for warning in caught), (where, texts)
    # Who makes room meanwhile does so on another thread, and may find other things wrong.
    assert in_the_call <= (3 if where.startswith("due_for_collection") else 1), (where, texts)
    # What is published later may fail for itself, and whom to trust may be unknown to it.
    assert len(texts) <= 3, (where, texts)
    return len(texts)


def _must_be_sound(world, who, where):
    """Whoever asks next gets the right thing, then a hit, and nothing is wrong any more."""
    for turn in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            keep = world.keep(who)
            found = ask(keep)
            assert settle(keep)
        if turn:
            assert found.hit, f"{where}: not kept: {found.reason}"
            assert not caught, (where, [str(warning.message) for warning in caught])
