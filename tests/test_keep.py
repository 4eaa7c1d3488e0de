import errno
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from emberkeep import (
    BuildFailed,
    InvalidBuild,
    InvalidSetting,
    Keep,
    StoreWarning,
    TimeLogger,
    ToolchainWarning,
    Unkeyable,
)
from emberkeep.store import manifest_writing
from emberkeep.store.counts import read_totals

LAYOUT = {"columns": ["E", "nu"], "scale": 1.5, "count": 3, "nothing": None, "yes": True}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "keep"


class Builder:
    """A build function that counts its calls."""

    def __init__(self, **returned):
        self.returned = returned or {"code": b"\x7fELF", "source": b"x = 1", "layout": LAYOUT}
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return dict(self.returned)


def ask(keep, build, number=1, **options):
    return keep.get_or_build("tables", "steel", {"number": number}, build, **options)


def ask_and_hear(keep, build):
    """Ask twice; the artifacts, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        artifacts = [ask(keep, build), ask(keep, build)]
    assert all(issubclass(warning.category, StoreWarning) for warning in caught)
    expected = build.returned.get("layout")
    assert all(artifact.layout == expected for artifact in artifacts)
    return artifacts, [str(warning.message) for warning in caught]


def files_below(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def run_python(code, *arguments, **environ):
    """Run a program in a Python of its own; what it wrote."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={"PATH": os.environ["PATH"]}
        | {name: text for name, text in os.environ.items() if name.startswith(("EMBER", "XDG"))}
        | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


# Hits and misses ----------------------------------------------------------------------------------


def test_a_miss_builds_and_says_why(root):
    build = Builder()
    artifact = ask(Keep(root), build)
    assert (build.calls, artifact.hit) == (1, False)
    assert artifact.blobs == {"code": b"\x7fELF", "source": b"x = 1"}
    assert artifact.layout == LAYOUT
    assert artifact.reason.startswith("absent: ")
    assert str(root) in artifact.reason


@pytest.mark.parametrize("memory_size", [None, 0])
def test_a_second_call_is_a_hit_in_the_nearest_layer(root, memory_size):
    build = Builder()
    keep = Keep(root, memory_size=memory_size)
    cold = ask(keep, build)
    warm = ask(keep, build)
    assert (build.calls, warm.hit) == (1, True)
    assert warm.reason == ("kept in memory" if memory_size is None else "kept in local")
    assert (warm.key, warm.blobs, warm.layout) == (cold.key, cold.blobs, cold.layout)


def test_another_keep_on_the_same_root_hits(root):
    ask(Keep(root), Builder())
    unused = Builder()
    assert ask(Keep(root), unused).reason == "kept in local"
    assert unused.calls == 0


def test_another_process_hits(root):
    code = """
import sys
from emberkeep import Keep
keep = Keep(sys.argv[1])
build = lambda: {"code": b"1", "layout": [1, 2.5, "x"]}
artifact = keep.get_or_build("tables", "steel", {"number": 1}, build)
print(artifact.hit, dict(artifact.blobs), artifact.layout, artifact.key)
"""
    first, _ = run_python(code, root)
    second, _ = run_python(code, root)
    assert first.replace("False", "True", 1) == second


def test_a_key_has_two_halves_of_sha256(root):
    plan, _, build = ask(Keep(root), Builder()).key.partition("-")
    assert len(plan) == len(build) == 64


@pytest.mark.parametrize(
    ("kind", "name", "ingredients"),
    [
        ("other", "steel", {"number": 1}),
        ("tables", "other", {"number": 1}),
        ("tables", "steel", {"number": 2}),
        ("tables", "steel", {"number": 1.0}),
        ("tables", "steel", {"number": True}),
        ("tables", "steel", {"numbers": 1}),
        ("tables", "steel", {"number": 1, "more": None}),
        ("tables", "steel", {}),
    ],
)
def test_each_part_of_the_name_counts(root, kind, name, ingredients):
    keep = Keep(root)
    ask(keep, Builder())
    assert not keep.get_or_build(kind, name, ingredients, Builder()).hit


def test_the_order_of_ingredients_does_not_count(root):
    keep = Keep(root)
    cold = keep.get_or_build("t", "n", {"a": 1, "b": 2}, Builder())
    warm = keep.get_or_build("t", "n", {"b": 2, "a": 1}, Builder())
    assert warm.hit
    assert warm.key == cold.key


@pytest.mark.parametrize(
    "layout",
    [
        None,
        0,
        -0.0,
        1e-323,
        0.1 + 0.2,
        2**200,
        "ünï\0\u2028\ud800",
        [],
        {},
        [[[]]],
        {"": {"": [None, True, False]}},
        {"b": 1, "a": 2},
    ],
)
def test_a_layout_is_the_same_cold_and_warm(root, layout):
    build = Builder(code=b"", layout=layout)
    cold = ask(Keep(root), build).layout
    warm = ask(Keep(root), build).layout
    assert build.calls == 1
    assert repr(cold) == repr(layout)
    assert cold == warm
    assert type(cold) is type(warm)
    if isinstance(layout, float):
        assert repr(cold) == repr(warm)


def test_what_json_changes_is_changed_cold_too(root):
    build = Builder(code=b"", layout={1: (2, 3), None: {"x": (4,)}})
    cold = ask(Keep(root), build).layout
    assert cold == ask(Keep(root), build).layout == {"1": [2, 3], "null": {"x": [4]}}


def test_a_build_without_blobs_or_without_layout_is_kept(root):
    keep = Keep(root, memory_size=0)
    for number, returned in enumerate([{"layout": 5}, {"code": b"x"}, {"code": b""}]):
        build = Builder(**returned)
        ask(keep, build, number)
        warm = ask(keep, build, number)
        assert build.calls == 1
        assert warm.layout == returned.get("layout")
        assert warm.blobs == {role: content for role, content in returned.items() if role == "code"}


@pytest.mark.parametrize("content", [bytearray(b"abc"), memoryview(b"xabc")[1:], b"abc"])
def test_contents_become_bytes(root, content):
    artifact = ask(Keep(root), Builder(code=content))
    assert type(artifact.blobs["code"]) is bytes
    assert artifact.blobs["code"] == b"abc"


def test_buffers_that_change_later_change_nothing(root):
    content = bytearray(b"abc")
    artifact = ask(Keep(root), Builder(code=content))
    content[:] = b"xyz"
    assert artifact.blobs["code"] == b"abc"
    assert ask(Keep(root), Builder()).blobs["code"] == b"abc"


@pytest.mark.parametrize("memory_size", [None, 0])
def test_what_a_caller_changes_does_not_change_what_is_kept(root, memory_size):
    keep = Keep(root, memory_size=memory_size)
    build = Builder(code=b"1", layout={"list": [1, {"deep": [2]}]})
    for _ in range(3):  # the first is cold, then from each layer
        artifact = ask(keep, build)
        assert artifact.layout == {"list": [1, {"deep": [2]}]}
        assert artifact.blobs == {"code": b"1"}
        artifact.layout["list"][1]["deep"].append(3)
        artifact.layout["list"].append(4)
        artifact.layout["more"] = 5
        artifact.blobs["code"] = b"2"
        artifact.blobs["more"] = b"3"
    assert build.calls == 1


def test_what_a_build_keeps_of_its_layout_changes_nothing(root):
    mine = {"list": [1]}
    keep = Keep(root)
    ask(keep, Builder(layout=mine))
    mine["list"].append(2)
    assert ask(keep, Builder()).layout == {"list": [1]}


# Switches -----------------------------------------------------------------------------------------


def test_disabled_by_argument(root):
    build = Builder()
    keep = Keep(root, disabled=True)
    for _ in range(2):
        artifact = ask(keep, build)
    assert build.calls == 2
    assert (artifact.hit, artifact.key, artifact.reason) == (False, "", "caching is off")
    assert artifact.layout == LAYOUT
    assert not root.exists()


@pytest.mark.parametrize("value", ["1", "true", "yes", "ON"])
def test_disabled_by_environment(root, monkeypatch, value):
    monkeypatch.setenv("EMBERKEEP_DISABLE", value)
    build = Builder()
    keep = Keep(root)
    assert not ask(keep, build).hit
    assert not ask(keep, build).hit
    assert build.calls == 2
    assert not root.exists()
    assert ask(Keep(root, disabled=False), build).key, "an argument is stronger"


def test_disabled_for_one_call(root):
    build = Builder()
    keep = Keep(root)
    ask(keep, build)
    assert not ask(keep, build, disabled=True).hit
    assert build.calls == 2
    assert ask(keep, build).hit


def test_disabled_needs_no_key(root):
    artifact = ask(Keep(root, disabled=True), Builder(), number=object())
    assert artifact.reason == "caching is off"


def test_disabled_refuses_what_could_not_be_kept(root):
    with pytest.raises(InvalidBuild):
        ask(Keep(root, disabled=True), lambda: {"code": "text"})


def test_read_only_uses_and_writes_nothing(root):
    ask(Keep(root), Builder())
    before = [(path, path.stat().st_mtime_ns, path.read_bytes()) for path in files_below(root)]
    keep = Keep(root, read_only=True, memory_size=0)
    unused, needed = Builder(), Builder()
    assert ask(keep, unused).reason == "kept in local (read-only)"
    for _ in range(2):
        assert not ask(keep, needed, number=2).hit
    assert (unused.calls, needed.calls) == (0, 2)
    keep._counts.flush()
    assert before == [
        (path, path.stat().st_mtime_ns, path.read_bytes()) for path in files_below(root)
    ]


def test_read_only_leaves_damage_where_it_is(root):
    ask(Keep(root), Builder())
    path = next(root.glob("tables/*/*.json"))
    path.write_bytes(b"damaged")
    with pytest.warns(StoreWarning, match="built again"):
        assert not ask(Keep(root, read_only=True), Builder()).hit
    assert path.read_bytes() == b"damaged"


def test_a_small_memory_layer_lets_go(root):
    keep = Keep(root, memory_size="20KB")
    for number in range(20):
        ask(keep, Builder(code=bytes(4000)), number)
    reasons = [ask(keep, Builder(), number).reason for number in range(19, -1, -1)]
    assert reasons[0] == "kept in memory"
    assert reasons[-1] == "kept in local"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"memory_size": "much"}, "memory_size_bytes.*'much'.*500MB"),
        ({"memory_size": -1}, "-1"),
        ({"disabled": "perhaps"}, "disabled.*'perhaps'.*true or false"),
        ({"read_only": "perhaps"}, "read_only"),
        ({"root": ""}, "root.*a folder"),
        ({"root": "a\0b"}, "root"),
        ({"root": 5}, "root.*5.*a folder"),
    ],
)
def test_impossible_settings_name_themselves(arguments, message):
    with pytest.raises(InvalidSetting, match=message):
        Keep(**arguments)


def test_unknown_settings_name_their_origin(root, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_DISABLED", "1")
    with pytest.raises(InvalidSetting, match="EMBERKEEP_DISABLED.*EMBERKEEP_DISABLE'"):
        Keep(root)


def test_a_root_may_be_a_path_or_a_text(root, monkeypatch):
    ask(Keep(root), Builder())
    assert ask(Keep(str(root)), Builder()).hit
    assert ask(Keep(os.path.relpath(root)), Builder()).hit
    monkeypatch.setenv("EMBERKEEP_DIR", str(root))
    assert ask(Keep(), Builder()).hit


# Names --------------------------------------------------------------------------------------------

HOSTILE = [
    "../../x",
    "..",
    ".",
    "/etc/passwd",
    "~",
    "",
    " ",
    "CON",
    "con",
    "NUL.txt",
    "a" * 300,
    "a" * 301,
    "😀",
    "😀" * 100,
    "e\u0301",
    "\u00e9",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    "a\tb",
    "a\u2028b",
    "\udc80",
    "-rf",
    "blobs",
    "leases",
    "format",
    "quarantine",
    "steel.json",
    "%2e%2e",
    "$(reboot)",
]


NO_NAMES = ["a\0b", "\udc80"]  # nor can they go into a bundle
HOSTILE_NAMES = [name for name in HOSTILE if name not in NO_NAMES]


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_is_refused_in_words(root, name):
    for given in ((name, "plain"), ("plain", name)):
        with pytest.raises(Unkeyable, match="Give it another"):
            Keep(root).get_or_build(*given, {}, Builder())


def test_hostile_names_stay_inside_and_distinct(root):
    places = [(hostile, "plain") for hostile in HOSTILE_NAMES]
    places += [("plain", hostile) for hostile in HOSTILE_NAMES]
    keep = Keep(root, memory_size=0)
    for number, (kind, name) in enumerate(places):
        content = str(number).encode()
        assert not keep.get_or_build(kind, name, {}, Builder(code=content)).hit, (kind, name)
    for number, (kind, name) in enumerate(places):
        artifact = keep.get_or_build(kind, name, {}, Builder())
        assert artifact.hit, (kind, name)
        assert artifact.blobs["code"] == str(number).encode()
    keep._counts.flush()
    assert {path.name for path in root.parent.iterdir()} <= {root.name, "config", "cache", "home"}
    assert all(path.resolve().is_relative_to(root) for path in files_below(root))
    assert len(list(root.glob("*/*/*.json"))) == len(places)


def test_hostile_names_are_counted_apart(root):
    keep = Keep(root)
    for kind in HOSTILE_NAMES:
        keep.get_or_build(kind, "plain", {}, Builder())
    keep._counts.flush()
    builds = {place: count for place, (count, _) in read_totals(str(root)).items()}
    assert sum(count for place, count in builds.items() if place[0] == "build") == len(
        HOSTILE_NAMES
    )


def test_hostile_roles_are_only_names(root):
    returned = {role: role.encode("utf-8", "surrogatepass") for role in HOSTILE}
    keep = Keep(root, memory_size=0)
    ask(keep, Builder(**returned))
    warm = ask(keep, Builder())
    assert warm.hit
    assert warm.blobs == returned
    assert all(path.resolve().is_relative_to(root) for path in files_below(root))


# Builds that go wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "build of tables/steel returned a NoneType. Return a mapping"),
        (b"code", "returned a bytes. Return a mapping"),
        ([("code", b"1")], "returned a list"),
        ({"code": "text"}, "returned a str for 'code'. Contents are bytes"),
        ({"code": None}, "returned a NoneType for 'code'"),
        ({"code": [1, 2]}, "returned a list for 'code'"),
        ({1: b"code"}, "returned the role 1; roles are text"),
        ({b"code": b"code"}, "returned the role b'code'"),
        ({"layout": float("nan")}, "layout .* is not JSON: .*NaN and infinity as text"),
        ({"layout": {"x": float("inf")}}, "is not JSON"),
        ({"layout": b"bytes"}, "layout .* is not JSON: .*bytes"),
        ({"layout": {1, 2}}, "is not JSON: .*set"),
        ({"layout": {(1, 2): 3}}, "is not JSON: .*tuple"),
        ({"layout": object()}, "is not JSON: .*object"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_kept_is_refused_by_name(root, returned, message):
    keep = Keep(root)
    with pytest.raises(InvalidBuild, match=message):
        ask(keep, lambda: returned)
    assert not list(root.glob("tables/*/*.json"))
    assert not ask(keep, Builder()).hit, "later callers try again"


def test_a_layout_that_contains_itself_is_refused(root):
    layout = []
    layout.append(layout)
    with pytest.raises(InvalidBuild, match="is not JSON"):
        ask(Keep(root), Builder(layout=layout))


def test_a_layout_too_large_to_be_read_is_not_kept_and_said(root):
    build = Builder(code=b"1", layout="x" * (17 << 20))
    artifacts, heard = ask_and_hear(Keep(root, memory_size=0), build)
    assert not any(artifact.hit for artifact in artifacts)
    assert len(heard) == 1
    assert "not kept" in heard[0]
    assert build.calls == 2
    assert not (root / "quarantine").exists()


class Peculiar(Exception):  # noqa: N818
    def __init__(self, value):
        super().__init__(value)
        self.value = value


class Unprintable(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "problem",
    [
        Peculiar({"a": 1}),
        Unprintable(),
        ValueError("\ud800"),
        OSError(28, "No space left on device"),
        BuildFailed("of another"),
        StopIteration(),
        KeyboardInterrupt(),
        SystemExit(3),
        GeneratorExit(),
    ],
)
def test_exceptions_reach_the_builder_as_they_are(root, problem):
    def build():
        raise problem

    keep = Keep(root)
    with pytest.raises(type(problem)) as caught:
        ask(keep, build)
    assert caught.value is problem
    assert not ask(keep, Builder()).hit
    assert ask(keep, Builder()).hit
    assert not list((root / "leases").iterdir())


def test_what_has_no_key_is_refused_before_it_is_built(root):
    build = Builder()
    with pytest.raises(Unkeyable, match=r"ingredients\['number'\]"):
        ask(Keep(root), build, number=object())
    assert build.calls == 0
    assert not root.exists()


def test_builds_may_ask_for_others(root):
    keep = Keep(root)
    inner, innermost = Builder(code=b"inner"), Builder(code=b"innermost")

    def middle():
        return {"code": ask(keep, innermost, 3).blobs["code"] + inner()["code"]}

    artifact = ask(keep, lambda: {"code": ask(keep, middle, 2).blobs["code"] + b"!"}, 1)
    assert artifact.blobs["code"] == b"innermostinner!"
    assert all(ask(keep, Builder(), number).hit for number in (1, 2, 3))


def test_a_build_that_asks_for_itself_is_refused(root):
    keep = Keep(root)

    def build():
        return {"code": ask(keep, build).blobs["code"]}

    with pytest.raises(InvalidBuild, match="asked for the artifact that it is building"):
        ask(keep, build)
    assert not ask(keep, Builder()).hit, "the lease was released"


def test_a_build_that_asks_for_itself_through_another_is_refused(root):
    keep = Keep(root)
    with pytest.raises(InvalidBuild, match="asked for the artifact that it is building"):
        ask(keep, lambda: ask(keep, lambda: ask(keep, Builder(), 1).blobs, 2).blobs, 1)


# The toolchain ------------------------------------------------------------------------------------


class Tools:
    def __init__(self, *drift, **ingredients):
        self.ingredients = ingredients
        self._drift = drift

    def drift(self):
        return self._drift


def test_the_toolchain_is_the_other_half_of_the_key(root):
    keep = Keep(root)
    first = ask(keep, Builder(), toolchain=Tools(numba="0.60"))
    second = ask(keep, Builder(), toolchain=Tools(numba="0.61"))
    assert not second.hit
    assert first.key.partition("-")[0] == second.key.partition("-")[0]
    assert first.key.partition("-")[2] != second.key.partition("-")[2]
    assert ask(keep, Builder(), toolchain=Tools(numba="0.60")).hit


def test_a_toolchain_that_drifted_is_not_kept(root):
    keep = Keep(root)
    tools = Tools("numba is 0.61, the key says 0.60.", numba="0.60")
    build = Builder()
    with pytest.warns(ToolchainWarning, match="steel was built but not kept: numba is"):
        assert ask(keep, build, toolchain=tools).layout == LAYOUT
    assert not ask(keep, build, toolchain=tools).hit, "and it is said once"
    assert build.calls == 2
    assert not list(root.glob("tables/*/*.json"))


# Threads and forks --------------------------------------------------------------------------------


def in_threads(count, work):
    """Run in threads that start together; what each returned or raised."""
    results = [None] * count
    barrier = threading.Barrier(count)

    def run(index):
        barrier.wait()
        try:
            results[index] = work(index)
        except BaseException as problem:  # noqa: BLE001 - looked at by the test
            results[index] = problem

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.parametrize("own_keeps", [False, True])
def test_sixteen_threads_and_one_key_cause_one_build(root, own_keeps):
    shared = Keep(root)
    calls = []

    def build():
        calls.append(1)
        time.sleep(0.1)
        return {"code": b"1", "layout": LAYOUT}

    artifacts = in_threads(16, lambda _: ask(Keep(root) if own_keeps else shared, build))
    assert len(calls) == 1
    assert sum(not artifact.hit for artifact in artifacts) == 1
    assert all(artifact.blobs == {"code": b"1"} for artifact in artifacts)
    assert all(artifact.layout == LAYOUT for artifact in artifacts)
    reasons = {artifact.reason.partition(":")[0] for artifact in artifacts}
    assert reasons <= {
        "absent",
        "built by another while we waited",
        "kept in memory",
        "kept in local",
    }


def test_threads_and_many_keys_mix_nothing(root):
    keep = Keep(root, memory_size=5000)
    calls = []

    def work(index):
        for step in range(60):
            number = (index * 7 + step) % 20
            content = str(number).encode() * 100

            def build(number=number, content=content):
                calls.append(number)
                return {"code": content, "layout": number}

            artifact = ask(keep, build, number)
            assert artifact.blobs["code"] == content
            assert artifact.layout == number
        return True

    assert in_threads(8, work) == [True] * 8
    assert sorted(calls) == list(range(20))


def test_a_build_that_fails_tells_who_waits_and_later_callers_try_again(root):
    keep = Keep(root)
    began = threading.Event()

    def work(index):
        if index == 0:
            return ask(keep, fail)
        began.wait(10)
        return ask(keep, Builder())

    def fail():
        began.set()
        time.sleep(0.3)
        raise ValueError("the table is empty")

    first, *others = in_threads(4, work)
    assert type(first) is ValueError
    for other in others:
        assert type(other) is BuildFailed
        assert "ValueError: the table is empty" in str(other)
        assert "Call again" in str(other)
    assert not ask(keep, Builder()).hit
    assert ask(keep, Builder()).hit


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_build_does_not_fail_who_waits(root, interruption):
    keep = Keep(root)
    began = threading.Event()

    def interrupted():
        began.set()
        time.sleep(0.2)
        raise interruption

    def work(index):
        if index == 0:
            return ask(keep, interrupted)
        began.wait(10)
        return ask(keep, Builder())

    first, *others = in_threads(4, work)
    assert type(first) is interruption
    assert sum(not other.hit for other in others) == 1
    assert all(other.layout == LAYOUT for other in others)


FORK = """
import fcntl, os, sys, time
from emberkeep import Keep

root, ending = sys.argv[1:]
keep = Keep(root, memory_size=0)
parent = os.getpid()
source, target = os.pipe()

def is_locked():
    names = [name for name in os.listdir(f"{root}/leases") if name.endswith(".lock")]
    assert len(names) == 1, names
    with open(f"{root}/leases/{names[0]}") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

def build():
    child = os.fork()
    if child == 0:
        if ending == "stays":
            os.read(source, 1)  # until the parent lets it go
            os._exit(0)
        if ending == "raises":
            raise ValueError("in the child")
        if ending == "exits":
            sys.exit(0)
        return {"code": b"child"}
    if ending != "stays":
        os.waitpid(child, 0)
    assert is_locked(), "the child released the lease"
    assert not [name for name in os.listdir(f"{root}/leases") if name.endswith("failed")]
    return {"code": b"parent"}

try:
    artifact = keep.get_or_build("tables", "steel", {}, build)
except ValueError:
    assert os.getpid() != parent
    os._exit(0)
if os.getpid() != parent:
    os._exit(0)
assert artifact.blobs["code"] == b"parent"
assert os.listdir(f"{root}/leases") == []
started = time.monotonic()
again = Keep(root).get_or_build("tables", "steel", {"other": 1}, lambda: {})
assert Keep(root).get_or_build("tables", "steel", {}, lambda: {}).blobs["code"] == b"parent"
os.write(target, b"x")
print("done")
"""


@pytest.mark.parametrize("ending", ["returns", "raises", "exits", "stays"])
def test_a_child_forked_in_the_middle_of_a_build_has_no_part_in_the_lease(root, ending):
    assert "done" in run_python(FORK, root, ending)[0]


def test_a_forked_child_that_lives_on_does_not_hold_the_lease_of_its_dead_parent(root):
    code = """
import os, signal, sys, time
from emberkeep import Keep

def build():
    if os.fork() == 0:
        os.close(1); os.close(2)
        time.sleep(8)
        os._exit(0)
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)

if os.fork() == 0:
    Keep(sys.argv[1]).get_or_build("tables", "steel", {"number": 1}, build)
os.wait()
"""
    run_python(code, root)
    started = time.monotonic()
    assert not ask(Keep(root), Builder()).hit
    assert time.monotonic() - started < 5


def test_a_forked_child_uses_the_keep(root):
    code = """
import os, sys
from emberkeep import Keep
keep = Keep(sys.argv[1])
ask = lambda number: keep.get_or_build("t", "n", {"n": number}, lambda: {"code": b"%d" % number})
ask(1)
children = []
for number in range(4):
    children.append(os.fork())
    if children[-1] == 0:
        assert ask(1).hit
        assert ask(10 + number).blobs["code"] == b"%d" % (10 + number)
        sys.exit(0)
assert not any(os.waitpid(child, 0)[1] for child in children)
assert all(ask(10 + number).hit for number in range(4))
print("done")
"""
    assert "done" in run_python(code, root)[0]


# What others hear of it ---------------------------------------------------------------------------


def test_hits_and_misses_are_logged(root, caplog):
    caplog.set_level(logging.DEBUG, "emberkeep.keep")
    keep = Keep(root)
    key = ask(keep, Builder()).key
    ask(keep, Builder())
    ask(Keep(root), Builder())
    miss, memory, local = [
        record.getMessage() for record in caplog.records if record.name == "emberkeep.keep"
    ]
    assert miss.startswith("miss (absent: ")
    assert miss.endswith(f": tables/steel {key}")
    assert memory == f"hit in memory: tables/steel {key}"
    assert local == f"hit in local: tables/steel {key}"


def test_what_goes_wrong_is_logged_each_time_and_warned_of_once(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "emberkeep.keep")
    (tmp_path / "file").write_text("mine")
    keep = Keep(tmp_path / "file", memory_size=0)
    with pytest.warns(StoreWarning) as caught:
        ask(keep, Builder())
    for _ in range(2):
        ask(keep, Builder())
    assert len(caught) == 1
    assert caught[0].filename == __file__, "the warning points at who called"
    assert sum("file" in record.getMessage() for record in caplog.records) >= 6


def test_loads_and_builds_are_spans(root):
    logger = TimeLogger("default")
    logger.install()
    try:
        keep = Keep(root)
        ask(keep, Builder())
        ask(keep, Builder())
        with pytest.raises(ZeroDivisionError):
            ask(keep, lambda: 1 / 0, 2)
    finally:
        logger.remove()
    spans = [(span.name, str(span.category), span.failed) for span in logger.records]
    assert spans.count(("load tables/steel", "load", False)) == 3
    assert spans.count(("build tables/steel", "build", False)) == 1
    assert spans.count(("build tables/steel", "build", True)) == 1


def test_everything_is_counted(root):
    keep = Keep(root)
    ask(keep, Builder())
    ask(keep, Builder())
    ask(Keep(root), Builder())
    ask(keep, Builder(), disabled=True)
    with pytest.raises(ZeroDivisionError):
        ask(keep, lambda: 1 / 0, 2)
    counts = {place: count for place, (count, _) in keep._counts.totals().items()}
    assert counts == {
        ("build", "tables", "built"): 2,
        ("build", "tables", "failed"): 1,
        ("miss", "tables", "absent"): 2,
        ("miss", "tables", "disabled"): 1,
        ("hit", "tables", "memory"): 1,
    }


def test_counts_that_cannot_be_read_cost_a_warning(root):
    keep = Keep(root)
    ask(keep, Builder())
    keep.totals()
    counts = os.path.join(root, "statistics")
    os.rename(counts, f"{root}-moved")
    os.symlink("statistics", counts)  # which leads to itself
    with pytest.warns(StoreWarning, match="What other processes counted is not known") as heard:
        found = keep.totals()
    assert len(heard) == 1
    assert found["build", "tables", "built"][0] == 1
    assert keep.totals() == found


@pytest.fixture
def no_descriptors(monkeypatch):
    """Our own code cannot be loaded: no file can be opened."""

    def make(_keep):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("emberkeep.keep.keep.PAUSES_S", (0.0, 0.0))
    monkeypatch.setattr(Keep, "_make_builder", make)


@pytest.mark.usefixtures("no_descriptors")
@pytest.mark.parametrize("disabled", [False, True])
def test_without_a_file_to_open_it_builds_and_warns_once(root, disabled):
    keep = Keep(root)
    built = {"code": b"content", "empty": b"", "layout": {"n": 1}, "source": "for people"}

    def use():
        found = keep.get_or_build("tables", "steel", {}, lambda: built, disabled=disabled)
        assert dict(found.blobs) == {"code": b"content", "empty": b""}
        assert (found.layout, found.hit) == ({"n": 1}, False)

    with pytest.warns(StoreWarning, match="What is built is not kept.*ulimit -n"):
        use()
    use()  # where a second warning would be an error
    with pytest.raises(ZeroDivisionError):
        keep.get_or_build("tables", "steel", {}, lambda: 1 / 0, disabled=disabled)


@pytest.mark.usefixtures("no_descriptors")
def test_without_a_file_to_open_what_others_built_is_not_published(root):
    keep = Keep(root)
    answer = keep.ask("tables", "steel", {})
    with pytest.warns(StoreWarning, match="What is built is not kept"):
        answer.publish({"code": b"content"}, 1.0)


def test_with_no_descriptor_at_all_it_builds(root):
    code = """
import os, resource, sys, warnings
from emberkeep import Keep
import emberkeep.keep.keep
emberkeep.keep.keep.PAUSES_S = (0.0,)
keep = Keep(sys.argv[1])
warnings.simplefilter("always")
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
with warnings.catch_warnings(record=True) as heard:
    for _ in range(2):
        found = keep.get_or_build("tables", "steel", {"n": 1}, lambda: {"code": b"content"})
        assert found.blobs == {"code": b"content"}
assert len(heard) == 1, heard
for descriptor in held:
    os.close(descriptor)
assert not keep.get_or_build("tables", "steel", {"n": 1}, lambda: {"code": b"content"}).hit
assert keep.get_or_build("tables", "steel", {"n": 1}, lambda: {"code": b"content"}).hit
"""
    subprocess.run([sys.executable, "-c", code, str(root)], check=True)


def test_counts_of_processes_add_up_at_exit(root):
    code = """
import sys
from emberkeep import Keep
keep = Keep(sys.argv[1])
for _ in range(3):
    keep.get_or_build("tables", "steel", {}, lambda: {"code": b"1"})
"""
    for _ in range(2):
        run_python(code, root)
    counts = {place: count for place, (count, _) in read_totals(str(root)).items()}
    assert counts[("build", "tables", "built")] == 1
    assert counts[("hit", "tables", "local")] == 1
    assert counts[("hit", "tables", "memory")] == 4


# Places that are no good --------------------------------------------------------------------------


def test_a_root_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    build = Builder()
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        _, heard = ask_and_hear(Keep(root, memory_size=0), build)
        assert len(heard) == 1, heard
        assert "is a file" in heard[0]
        assert "EMBERKEEP_DIR" in heard[0]
    assert build.calls == 4
    assert (tmp_path / "file").read_text() == "mine"


def test_a_root_that_is_a_file_is_remembered_in_memory(tmp_path):
    (tmp_path / "file").write_text("mine")
    build = Builder()
    (_, second), _ = ask_and_hear(Keep(tmp_path / "file"), build)
    assert second.hit
    assert build.calls == 1


def test_a_root_of_an_unknown_layout_is_left_alone(root):
    root.mkdir()
    (root / "format").write_bytes(b"emberkeep 99\n")
    build = Builder()
    _, heard = ask_and_hear(Keep(root, memory_size=0), build)
    assert len(heard) == 1, heard
    assert "emberkeep 99" in heard[0]
    assert build.calls == 2
    assert not (root / "tables").exists()
    assert not (root / "blobs").exists()


def test_a_manifest_of_a_newer_format_is_a_miss_and_stays(root, monkeypatch):
    monkeypatch.setattr(manifest_writing, "FORMAT", 2)
    ask(Keep(root), Builder())
    monkeypatch.undo()
    (path,) = root.glob("tables/*/*.json")
    newer = path.read_bytes()
    build = Builder()
    _, heard = ask_and_hear(Keep(root, memory_size=0), build)
    assert len(heard) == 1, heard
    assert "format 2" in heard[0]
    assert build.calls == 2
    assert path.read_bytes() == newer
    assert not (root / "quarantine").exists()


def test_a_folder_where_a_manifest_should_be(root):
    ask(Keep(root), Builder())
    (path,) = root.glob("tables/*/*.json")
    path.unlink()
    path.mkdir()
    _, heard = ask_and_hear(Keep(root, memory_size=0), Builder())
    assert len(heard) == 1, heard


@pytest.mark.parametrize("where", ["tables/*/*.json", "blobs/*/*"])
@pytest.mark.parametrize("put", ["symlink", "fifo", "dangling"])
def test_no_link_is_followed_and_no_pipe_waited_for(root, tmp_path, where, put):
    ask(Keep(root), Builder())
    path = next(root.glob(where))
    (tmp_path / "elsewhere").write_bytes(path.read_bytes())
    path.unlink()
    if put == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / ("elsewhere" if put == "symlink" else "nowhere"))
    build = Builder()
    artifacts, heard = ask_and_hear(Keep(root, memory_size=0), build)
    assert not artifacts[0].hit
    assert len(heard) <= 1
    assert artifacts[1].hit, "it healed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a home")
def test_a_user_without_a_home_builds_and_is_told(tmp_path):
    code = """
import os, sys, warnings, pwd
from emberkeep import Keep
import json, logging, inspect, emberkeep.store.build_result  # what nobody may read later
warnings.simplefilter("always")
with warnings.catch_warnings(record=True):
    Keep(f"{sys.argv[1]}/warm").get_or_build("t", "n", {}, lambda: {"code": b"1"})
for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "EMBERKEEP_CONFIG_DIR"):
    os.environ.pop(name, None)
os.setuid(54321)
with warnings.catch_warnings(record=True) as caught:
    keep = Keep()
    assert keep.settings.root is None
    first = keep.get_or_build("t", "n", {}, lambda: {"code": b"1"})
    second = keep.get_or_build("t", "n", {}, lambda: {"code": b"2"})
    third = keep.get_or_build("t", "n", {"more": 1}, lambda: {"code": b"3"})
assert (first.hit, second.hit, third.hit) == (False, True, False)
assert (second.blobs["code"], third.blobs["code"]) == (b"1", b"3")
print(*[warning.message for warning in caught], sep="\\n")
"""
    told, _ = run_python(code, tmp_path)
    lines = [line for line in told.splitlines() if line]
    assert sum("EMBERKEEP_DIR" in line for line in lines) == 1
    assert sum("EMBERKEEP_CONFIG_DIR" in line for line in lines) <= 1
    assert len(lines) <= 2


def test_a_keep_is_made_without_touching_the_disk(root):
    Keep(root)
    assert not root.exists()


def test_everything_kept_is_private(root):
    ask(Keep(root), Builder())
    for place, folders, names in os.walk(root):
        for name in (*folders, *names):
            assert os.stat(os.path.join(place, name)).st_mode & 0o077 == 0, name
    assert root.stat().st_mode & 0o077 == 0


# Imports in the midst of which others ask ---------------------------------------------------------


@pytest.mark.parametrize("module", ["logging", "emberkeep.telemetry.spans"])
def test_a_module_that_another_thread_is_importing_is_waited_for(root, module):
    """It stands in `sys.modules` before its names exist."""
    code = """
import importlib.util, sys, threading, time
from emberkeep import Keep

root, name = sys.argv[1:]
assert name not in sys.modules
keep = Keep(root)
keep.get_or_build("t", "n", {}, lambda: {"code": b"1"})
began = threading.Event()

class Slow:
    @staticmethod
    def find_spec(wanted, path=None, target=None):
        if wanted != name:
            return None
        sys.meta_path.remove(Slow)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def exec_module(module):
            began.set()
            time.sleep(0.3)
            run(module)
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Slow)
thread = threading.Thread(target=__import__, args=(name,))
thread.start()
began.wait(10)
assert name in sys.modules
assert keep.get_or_build("t", "n", {}, lambda: {}).hit
thread.join()
print("done")
"""
    assert "done" in run_python(code, root, module)[0]


# Faces ------------------------------------------------------------------------------------------


def test_an_artifact_is_shown_without_its_contents(tmp_path):
    keep = Keep(tmp_path / "keep")

    def call():
        return keep.get_or_build("t", "n", {"x": 1}, lambda: {"code": bytes(100_000)})

    built, kept = call(), call()
    assert repr(built).startswith(f"<Artifact {built.key[:12]}, built (absent: ")
    assert repr(kept) == f"<Artifact {kept.key[:12]}, kept (kept in memory): 'code': 100000 bytes>"


def test_a_keep_is_shown_with_its_place_and_state(tmp_path):
    assert repr(Keep(tmp_path)) == f"<Keep {tmp_path}>"
    assert repr(Keep(tmp_path, read_only=True)) == f"<Keep {tmp_path}, read_only>"


@pytest.mark.parametrize("place", ["kind", "name"])
@pytest.mark.parametrize("wrong", [None, 3, b"bytes", ("t",)])
def test_kind_and_name_are_texts(tmp_path, place, wrong):
    arguments = {"kind": "t", "name": "n", place: wrong}
    with pytest.raises(Unkeyable, match=place):
        Keep(tmp_path).get_or_build(
            arguments["kind"], arguments["name"], {}, lambda: pytest.fail("it was built")
        )


@pytest.mark.parametrize("wrong", [None, "a", [1], 3])
def test_ingredients_are_a_mapping(tmp_path, wrong):
    with pytest.raises(Unkeyable, match="ingredients: is a .*, no mapping"):
        Keep(tmp_path).get_or_build("t", "n", wrong, lambda: pytest.fail("it was built"))


def test_a_build_can_be_called(tmp_path):
    with pytest.raises(InvalidBuild, match="t/n is 5, which cannot be called"):
        Keep(tmp_path).get_or_build("t", "n", {}, 5)


PLACES = [("HOME", "/proc/nowhere"), ("EMBERKEEP_DIR", "/proc/nowhere/keep")]


@pytest.mark.parametrize(("variable", "place"), PLACES)
def test_a_place_that_cannot_be_written_is_told_once_with_what_to_set(
    monkeypatch, recwarn, variable, place
):
    for name in ("EMBERKEEP_CONFIG_DIR", "XDG_CACHE_HOME"):
        if variable == "HOME":
            monkeypatch.delenv(name)
    monkeypatch.setenv(variable, place)
    keep = Keep()
    for number in range(3):
        keep.get_or_build("tables", "one", {"x": number}, lambda: {"a": b"1"})
    (told,) = recwarn.list
    text = str(told.message)
    assert text.startswith(f"Nothing can be kept in {place}")
    assert "Set EMBERKEEP_DIR to a folder that can be written" in text
    named = "your cache folder" if variable == "HOME" else "that of environment EMBERKEEP_DIR"
    assert named in text


def test_a_keep_whose_format_is_torn_is_warm_again(tmp_path, recwarn):
    def ask():
        keep = Keep(tmp_path / "keep", memory_size=0)
        return keep.get_or_build("tables", "one", {"x": 1}, lambda: {"a": b"1"}).hit

    assert not ask()
    (tmp_path / "keep" / "format").write_bytes(b"")
    assert ask()
    assert ask()
    (tmp_path / "keep" / "format").write_bytes(b"emberkeep 2\n")
    assert not ask()
    assert "Upgrade emberkeep" in str(recwarn.list[-1].message)


# What was given and cannot be used ----------------------------------------------------------------


@pytest.mark.parametrize("memory_size", [0, None])
def test_what_was_refused_is_built_again_and_replaced(root, memory_size):
    keep = Keep(root, memory_size=memory_size)
    ask(keep, Builder(code=b"useless"))
    refused = ask(keep, pytest.fail)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = ask(keep, Builder(code=b"useful"), refused=refused)
    assert not again.hit
    assert again.reason.startswith("damaged: what is kept in ")
    for other in (keep, Keep(root, memory_size=0)):
        found = ask(other, pytest.fail)
        assert found.blobs == {"code": b"useful"}


def test_what_another_has_replaced_meanwhile_is_used(root):
    keep, other = Keep(root, memory_size=0), Keep(root, memory_size=0)
    refused = ask(keep, Builder(code=b"useless"))
    ask(other, Builder(code=b"useful"), refused=refused)
    assert ask(keep, pytest.fail, refused=refused).blobs == {"code": b"useful"}
