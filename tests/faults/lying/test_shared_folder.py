"""A shared folder on a file system that lies: results are right, and nobody hangs or destroys.

Alice publishes, and Bob, who has no key, only reads what she has signed.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from hashlib import sha256

import pytest
from users import COMMON, Heard, User, ask, content, contents

from emberkeep.sharing import deadline
from emberkeep.store.manifest import NO_SEAL, TRAILER, TRAILER_BYTES

ASKING = os.path.join(os.path.dirname(__file__), "asking.py")
WAIT_S = 60
TOPICS = 3  # of which a keep warns once each: looking up, coordinating or filling, publishing
AGO_S = 7200.0

# How often each fails: what a lookup does many times must not keep all else from happening.
OPERATIONS = {
    "open": 0.3,
    "read": 0.3,
    "write": 0.3,
    "create": 0.3,
    "rename": 0.3,
    "link": 0.7,
    "getattr": 0.1,
    "unlink": 0.7,
    "readdir": 0.3,
    "mkdir": 0.5,
    "utimens": 0.7,
    "chmod": 0.5,
}


@pytest.fixture
def make_user(monkeypatch, tmp_path):
    return lambda name: User(monkeypatch, str(tmp_path), name)


@pytest.fixture
def alice(make_user):
    user = make_user("alice")
    user.public = user.make_key()
    return user


@pytest.fixture
def bob(make_user, alice):
    user = make_user("bob")
    user.trust(alice.public)
    return user


@pytest.fixture
def quick(monkeypatch):
    """A place that has failed is tried again at once."""
    monkeypatch.setattr(deadline, "COOL_DOWN_S", 0.0)


def samples(few, many=200):
    return pytest.mark.parametrize(
        "count", [pytest.param(few), pytest.param(many, marks=pytest.mark.soak)]
    )


def publish(keep, number, **how):
    """Have it built and shared."""
    assert not ask(keep, number, **how).hit
    assert keep.flush()


def is_shared(artifact):
    return artifact.hit and artifact.reason.startswith("kept in shared")


def below(folder, *, end="", holding=None):
    """The files below a folder whose names end so, or that hold these bytes."""
    return [
        path
        for path, (_, content) in contents(folder).items()
        if path.endswith(end) and holding in (None, content)
    ]


def grow_old(folder):
    """Have manifests look unused for long, so that a use is noted."""
    for path in below(folder, end=".json"):
        os.utime(path, (time.time() - AGO_S,) * 2)


def refused(keep):
    """How often a shared place had something and did not give it."""
    return sum(
        count
        for (event, _, what), (count, _) in keep.totals().items()
        if event == "refused" and " in shared " in what
    )


def wait_until(condition):
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "this takes too long"
        time.sleep(0.01)


# Errors -------------------------------------------------------------------------------------------


@samples(10)
@pytest.mark.parametrize("error", ["ESTALE", "EBUSY", "EIO", "ENOSPC"])
def test_errors_of_any_operation_cost_builds_at_most(
    mount, alice, bob, quick, report, error, count
):
    lying = mount()
    facts, number = Counter(), 0
    for operation, probability in OPERATIONS.items():
        place, truth = (os.path.join(root, operation) for root in (lying.path, lying.backing))
        os.mkdir(truth)
        alices, bobs = alice.keep(place), bob.keep(place)
        lying.inject(error, operation, probability=probability, times=count)
        with Heard() as heard:
            while lying.counts(operation).get(error, 0) < count:
                number += 1
                ask(alices, number)
                assert alices.flush()
                grow_old(truth)
                before = contents(truth)
                facts["hits"] += ask(bobs, number).hit
                if operation == "readdir":
                    assert bob.run(place, "pull", "--dry-run") in (0, 4)
                assert contents(truth) == before, "a reader has changed the folder"
        assert len(heard.texts) <= 2 * TOPICS, heard.texts
        lying.clear()
        facts["warnings"] += len(heard.texts)
        facts["refused"] += refused(alices) + refused(bobs)
        with Heard() as heard:  # the same keeps, as soon as it is over
            number += 1
            publish(alices, number)
            assert is_shared(ask(bobs, number)), operation
        assert heard.texts == []
    assert lying.counts() == {error: count * len(OPERATIONS)}
    assert facts["hits"]
    report(errors=count * len(OPERATIONS), asked=2 * number, **facts)


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS"])
def test_where_nothing_can_be_written_is_read_all_the_same(mount, alice, report, error):
    lying = mount()
    first = alice.keep(lying.path)
    alice.root += " of another host"
    second = alice.keep(lying.path)
    lying_to = ["create", "write", "mkdir", "rename", "link", "unlink", "utimens", "chmod"]
    for number in range(10):
        publish(first, number)
    lying.inject(error, lying_to)
    with Heard() as heard:
        for number in range(10):
            assert not ask(second, 100 + number).hit
            assert second.flush()
            assert is_shared(ask(second, number)), "what failed was only the writing"
    assert 1 <= len(heard.texts) <= TOPICS, heard.texts
    errors = lying.counts()[error]
    lying.clear()
    publish(second, 200)
    assert not below(os.path.join(lying.backing, "leases"))
    report(errors=errors, asked=20)


# Contents -----------------------------------------------------------------------------------------


@samples(10)
@pytest.mark.parametrize("kind", ["torn", "flipped", "hidden"])
def test_what_is_misread_is_never_used(mount, alice, bob, report, kind, count):
    here = mount()
    there = mount(here.backing)
    alices, bobs = alice.keep(here.path), bob.keep(there.path)
    there.inject(**{kind: True}, probability=0.1, times=count)
    number = hits = 0
    with Heard() as heard:
        while there.counts().get(kind, 0) < count:
            number += 1
            publish(alices, number)
            before = contents(here.backing)
            hits += ask(bobs, number).hit
            assert contents(here.backing) == before
    assert len(heard.texts) <= TOPICS
    report(**{kind: count}, asked=number, hits=hits, refused=refused(bobs))
    publish(alices, 0)
    assert is_shared(ask(bobs, 0))


@samples(10)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_a_manifest_of_the_past_is_not_used_with_what_is_there_now(
    mount, make_user, alice, bob, report, lasting, count
):
    """The blobs of the first version are gone, and its manifest still is seen."""
    here = mount()
    there = mount(here.backing)
    alices, bobs = alice.keep(here.path), bob.keep(there.path)
    alice.root += " of another host"
    others = alice.keep(here.path)
    hits = 0
    with Heard() as heard:
        for number in range(count):
            publish(alices, number, version=1)
            (manifest,) = below(os.path.join(here.backing, "tables", f"sample{number}"))
            for path in below(os.path.join(here.backing, "blobs")):
                os.unlink(path)
            publish(others, number, version=2)
            there.inject(stale=True, path="*.json", times=None if lasting else 1)
            before = contents(here.backing)
            found = ask(bobs, number, version=3)
            assert contents(here.backing) == before
            assert manifest in before
            assert found.layout["version"] == (3 if lasting else 2)
            hits += found.hit
            there.clear()
    assert len(heard.texts) <= 2 * TOPICS
    stale = there.counts()["stale"]
    assert stale >= count
    report(stale=stale, asked=count, hits=hits)


@samples(10)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_a_blob_of_the_past_is_not_used_with_the_manifest_of_now(
    mount, alice, bob, report, lasting, count
):
    """What was damaged has been healed, and the damage still is seen."""
    here = mount()
    there = mount(here.backing)
    alices, bobs = alice.keep(here.path), bob.keep(there.path)
    alice.root += " of another host"
    others = alice.keep(here.path)
    hits = 0
    with Heard() as heard:
        for number in range(count):
            publish(alices, number)
            for path in below(os.path.join(here.backing, "blobs")):
                with open(path, "r+b") as file:
                    file.write(b"damage")
            publish(others, number)
            there.inject(stale=True, path="blobs/*", times=None if lasting else 1)
            before = contents(here.backing)
            found = ask(bobs, number)
            assert contents(here.backing) == before
            assert found.hit != lasting
            hits += found.hit
            there.clear()
    assert len(heard.texts) <= 2 * TOPICS
    stale = there.counts()["stale"]
    assert stale >= count
    report(stale=stale, asked=count, hits=hits)


@samples(10)
def test_a_manifest_without_its_blob_is_healed_for_all_by_who_builds(
    mount, alice, bob, report, count
):
    lying = mount()
    alices, bobs = alice.keep(lying.path), bob.keep(lying.path)
    alice.root += " of another host"
    others = alice.keep(lying.path)
    with Heard() as heard:
        for number in range(count):
            publish(alices, number)
            (own,) = below(lying.backing, holding=content(number))
            (of_all,) = below(lying.backing, holding=COMMON)
            for path in [(own,), (of_all,), (own, of_all)][number % 3]:
                os.unlink(path)
            before = contents(lying.backing)
            ask(bobs, number)
            assert contents(lying.backing) == before
            ask(others, number)
            assert others.flush()
    assert len(heard.texts) == 3, heard.texts  # and that Bob has no key
    bob.root += " of another host"
    readers = bob.keep(lying.path)
    assert all(is_shared(ask(readers, number)) for number in range(count))
    report(manifests_without_a_blob=count, refused=refused(bobs))


# Newer formats ------------------------------------------------------------------------------------


def test_a_layout_of_the_future_is_not_replaced_though_it_is_not_seen(mount, alice):
    """As by a client that remembers that there was none."""
    lying = mount()
    layout = os.path.join(lying.backing, "format")
    with open(layout, "wb") as file:
        file.write(b"emberkeep 2\n")
    lying.inject(hidden=True, path="format")
    keep = alice.keep(lying.path)
    with Heard():
        ask(keep, 1)
        assert keep.flush()
    with open(layout, "rb") as file:
        assert file.read() == b"emberkeep 2\n"


def test_a_manifest_of_the_future_is_not_replaced_though_it_cannot_be_read(mount, alice):
    lying = mount()
    publish(alice.keep(lying.path), 1)
    (manifest,) = below(lying.backing, end=".json")
    of_the_future(manifest)
    before = contents(lying.backing)
    alice.root += " of another host"
    keep = alice.keep(lying.path)
    with Heard():
        ask(keep, 1, on_build=lambda _: lying.inject("EIO", "open", path="*.json", times=1))
        assert keep.flush()
    assert lying.counts() == {"EIO": 1}
    assert contents(lying.backing)[manifest] == before[manifest]


def of_the_future(path):
    """Give a manifest a format that this version does not know."""
    with open(path, "r+b") as file:
        body = file.read()[:-TRAILER_BYTES].replace(b'"format":1', b'"format":2', 1)
        file.seek(0)
        file.write(body + TRAILER % (sha256(body).hexdigest().encode(), NO_SEAL.encode()))


# Time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay_s", [0.01, pytest.param(0.05, marks=pytest.mark.soak)])
def test_a_slow_server_is_waited_for(mount, alice, bob, report, delay_s):
    lying = mount()
    alices, bobs = (user.keep(lying.path, deadline_s=WAIT_S) for user in (alice, bob))
    lying.inject(delay=delay_s)
    publish(alices, 1)
    assert is_shared(ask(bobs, 1))
    delays = lying.counts()["delay"]
    assert delays
    report(delays=delays)


def test_a_server_that_is_slower_than_the_deadline_is_left_alone(mount, alice, report):
    lying = mount()
    keep = alice.keep(lying.path, deadline_s=0.05)
    lying.inject(delay=0.5)
    began = time.monotonic()
    with Heard() as heard:
        reasons = [ask(keep, number).reason for number in range(10)]
        assert keep.flush()
    took_s = time.monotonic() - began
    assert "no answer within" in reasons[0]
    assert all("has been left alone" in reason for reason in reasons[1:])
    assert 1 <= len(heard.texts) <= TOPICS
    assert refused(keep) >= len(reasons)
    assert took_s < 10 * 0.5  # one of these costs at least 15 delays
    report(asked=len(reasons), delays=lying.counts()["delay"], took_ms=round(1000 * took_s))


@pytest.mark.parametrize("operation", ["read", "getattr", "open"])
def test_lookups_that_hang_are_left_behind_until_they_come_back(
    mount, alice, bob, report, operation
):
    lying = mount()
    alices = alice.keep(lying.path)
    for number in range(20):
        publish(alices, number)
    keep = bob.keep(lying.path, deadline_s=0.2)
    lying.inject(hang=True, operation=operation)
    with Heard() as heard:
        reasons = [ask(keep, number).reason for number in range(10)]
    assert all("left alone" in reason for reason in reasons[deadline.FAILURES :])
    assert len(heard.texts) == 2  # looking up; and that there is no key to share anything with
    assert refused(keep) >= len(reasons)
    hangs = lying.counts()["hang"]
    assert hangs == deadline.FAILURES
    lying.clear()
    numbers = iter(range(10, 20))
    wait_until(lambda: is_shared(ask(keep, next(numbers))) or time.sleep(0.1))
    report(hangs=hangs, asked=len(reasons), refused=refused(keep))


# Processes of several hosts -----------------------------------------------------------------------


@pytest.fixture
def start(tmp_path):
    """Start a process that asks for numbers, when it is told to; see `asking.py`."""
    started = []

    def start(user, path, numbers, **orders):
        user.become()
        root = str(tmp_path / f"root{len(started)}")
        told = {"shared": path, "root": root, "numbers": list(numbers), **orders}
        process = subprocess.Popen(
            [sys.executable, ASKING, json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def finish(*processes, within_s=WAIT_S):
    """Let processes begin at the same time; what they say. They must end within some time."""
    for process in processes:
        assert process.stdout.readline() == '"ready"\n', process.communicate()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    told = []
    for process in processes:
        said, complaints = process.communicate(timeout=within_s)
        assert process.returncode == 0, complaints
        assert "Traceback" not in complaints, complaints
        told.append(json.loads(said))
    return told


def counted(log):
    """How often each number was built."""
    with open(log) as file:
        return Counter(int(line) for line in file)


@pytest.mark.parametrize("path", ["*", "blobs*", "temporary*", "leases*"])
def test_a_process_ends_though_its_place_hangs_for_ever(mount, alice, start, report, path):
    """While it publishes, or already while it looks up."""
    lying = mount()
    lying.inject(hang=True, path=path)
    process = start(alice, lying.path, range(5), deadline_s=0.2, patience_s=1)
    (told,) = finish(process, within_s=20)
    assert len(told["warnings"]) <= TOPICS
    assert told["totals"]["build built"] == 5
    report(hangs=lying.counts()["hang"], warnings=len(told["warnings"]))


def test_what_waits_to_be_published_does_not_fill_the_memory(mount, alice, start, report):
    lying = mount()
    size, artifacts, most_jobs = 1_000_000, 120, 10
    orders = {"size": size, "deadline_s": 1, "patience_s": 1, "most_jobs": most_jobs}
    (before,) = finish(start(alice, lying.path, range(3), **orders))
    lying.inject(hang=True, operation="write", path="temporary/*")
    (told,) = finish(start(alice, lying.path, range(1000, 1000 + artifacts), **orders))
    grown = told["peak_bytes"] - before["peak_bytes"]
    assert any("wait to be published already" in text for text in told["warnings"])
    assert grown < (most_jobs + 50) * size
    report(artifacts=artifacts, hangs=lying.counts()["hang"], grown_bytes=grown)


COLD = {"numbers": range(10), "build_s": 0.1}


@pytest.mark.parametrize(
    "lie",
    [
        {},
        {"error": "EPERM", "operation": "link"},
        {"error": "ENOLCK", "operation": "flock"},
        {"error": "ENOSYS", "operation": "flock"},
        {"delay": 0.002},
    ],
    ids=["truth", "no-links", "no-locks", "no-flock", "slow"],
)
def test_processes_of_two_hosts_build_each_key_once(mount, alice, start, report, tmp_path, lie):
    views = [mount()]
    views.append(mount(views[0].backing))
    for view in views:
        if lie:
            view.inject(**lie)
    log = str(tmp_path / "log")
    told = finish(*[start(alice, view.path, **COLD, log=log) for view in views * 3])
    assert counted(log) == dict.fromkeys(COLD["numbers"], 1)
    assert not any(each["warnings"] for each in told), told
    assert sum(each["hits"] for each in told) == 5 * len(COLD["numbers"])
    lies = sum(sum(view.counts().values()) for view in views)
    report(builds=len(COLD["numbers"]), processes=len(told), lies=lies)


@pytest.mark.parametrize(
    ("lie", "build_s"),
    [
        pytest.param({"negative": 0.2}, 0.8, id="for-a-while"),
        pytest.param({"negative": 60.0, "revalidates": True}, 0.05, id="until-opened"),
    ],
)
def test_who_waited_for_the_lease_sees_what_was_built_though_it_had_been_missing(
    mount, alice, start, report, tmp_path, lie, build_s
):
    """Clients remember for a while that there was no such file, nor such a folder."""
    views = [mount()]
    views.append(mount(views[0].backing))
    for view in views:
        view.inject(**lie)
    log = str(tmp_path / "log")
    orders = {"numbers": range(5), "build_s": build_s, "log": log}
    told = finish(*[start(alice, view.path, **orders) for view in views])
    assert counted(log) == dict.fromkeys(orders["numbers"], 1)
    hidden = sum(view.counts().get("negative", 0) for view in views)
    assert not any(each["warnings"] for each in told)
    report(builds=5, remembered_as_missing=hidden)


@pytest.mark.parametrize("keys", [pytest.param(6), pytest.param(60, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    "lie",
    [
        {"error": "ESTALE", "operation": "*", "probability": 0.02},
        {"error": "EBUSY", "operation": "*", "probability": 0.02},
        {"error": "EIO", "operation": "*", "probability": 0.02},
        {"error": "ENOSPC", "operation": ["create", "write", "mkdir"], "probability": 0.1},
        {"torn": True, "probability": 0.05},
        {"flipped": True, "probability": 0.05},
        {"hidden": True, "probability": 0.01},
        {"negative": 0.2},
    ],
    ids=["stale-handles", "busy", "broken", "full", "torn", "flipped", "hidden", "remembered"],
)
def test_processes_of_two_hosts_are_right_whatever_they_are_told(
    mount, alice, start, report, tmp_path, lie, keys
):
    views = [mount()]
    views.append(mount(views[0].backing))
    for view in views:
        view.inject(**lie)
    log = str(tmp_path / "log")
    processes = [start(alice, view.path, range(keys), build_s=0.05, log=log) for view in views * 2]
    told = finish(*processes, within_s=20 * WAIT_S)
    builds = counted(log)
    assert sorted(builds) == list(range(keys))
    assert max(builds.values()) <= len(processes)
    assert all(len(each["warnings"]) <= TOPICS + 1 for each in told), told
    lies = sum(sum(view.counts().values()) for view in views)
    # What was remembered is a lie only if it is asked for soon: a small sample may see none.
    assert lies or ("negative" in lie and keys < 60)
    for view in views:
        view.clear()
    keep = alice.keep(views[0].path, strategy="shared")
    assert sum(ask(keep, number).hit for number in range(keys)) > 0
    assert keep.flush()
    report(lies=lies, asked=len(told) * keys, builds=sum(builds.values()))
