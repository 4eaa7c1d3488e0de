"""Many processes, one key: one build, however it ends."""

import json
import os
import time

import pytest

PROCESSES = 32
WITHIN_S = 5.0  # of the death of a builder


def start_all(start, place, count, ending="returns", seconds=0.3):
    """Start processes, wait until all are ready, let them go at once."""
    processes = [start("one_key", place, ending, seconds) for _ in range(count)]
    ready = {f"ready-{process.pid}" for process in processes}
    deadline = time.monotonic() + 60
    while not ready <= set(os.listdir(place)):
        assert time.monotonic() < deadline, [process.poll() for process in processes]
        time.sleep(0.01)
    return processes


def results(processes):
    told = []
    for process in processes:
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert not errors, errors
        told.append(json.loads(output))
    return told


def builders(place):
    return (place / "builds").read_text().split()


def wait_for_builders(place, count=1):
    deadline = time.monotonic() + 20
    while not (place / "builds").exists() or len(builders(place)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return builders(place)[-1]


def test_32_processes_cause_one_build(start, tmp_path, report):
    processes = start_all(start, tmp_path, PROCESSES)
    (tmp_path / "go").touch()
    told = results(processes)
    assert len(builders(tmp_path)) == 1
    assert sum(not one["hit"] for one in told) == 1
    reasons = {one["reason"].partition(":")[0] for one in told}
    assert reasons <= {"absent", "kept in local", "built by another while we waited"}
    assert os.listdir(tmp_path / "keep" / "leases") == []
    report(processes=PROCESSES, builds=1, longest_wait_s=max(one["waited_s"] for one in told))


def test_the_death_of_a_builder_delays_the_others_by_less_than_five_seconds(
    start, tmp_path, report
):
    first = start_all(start, tmp_path, 1, seconds=60)
    (tmp_path / "go").touch()
    assert wait_for_builders(tmp_path) == str(first[0].pid)
    others = start_all(start, tmp_path, 8, seconds=0.1)
    time.sleep(0.3)  # now they wait
    assert len(builders(tmp_path)) == 1
    killed = time.monotonic()
    first[0].kill()
    told = results(others)
    delay = time.monotonic() - killed
    assert len(builders(tmp_path)) == 2
    assert sum(not one["hit"] for one in told) == 1
    assert delay < WITHIN_S
    report(waiting=len(others), killed=1, delay_s=round(delay, 3))


def test_builders_that_die_one_after_the_other(start, tmp_path, report):
    """Each is followed by one of those who wait; the last is spared."""
    doomed = start_all(start, tmp_path, 4, ending="dies", seconds=0.1)
    (tmp_path / "go").touch()
    wait_for_builders(tmp_path)
    spared = start_all(start, tmp_path, 4, seconds=0.1)
    told = results(spared)
    for process in doomed:
        process.communicate(timeout=60)
    assert sum(not one["hit"] for one in told) <= 1
    dead = sum(process.returncode == -9 for process in doomed)
    assert dead >= 1
    assert len(builders(tmp_path)) == dead + 1
    report(died=dead, served=len(told))


def test_a_build_that_raises_tells_all_who_wait(start, tmp_path, report):
    first = start_all(start, tmp_path, 1, ending="raises")
    (tmp_path / "go").touch()
    builder = wait_for_builders(tmp_path)
    others = start_all(start, tmp_path, 8)
    time.sleep(1.0)  # now they wait
    (tmp_path / "fail").touch()
    (theirs,) = results(first)
    assert (theirs["problem"], theirs["text"]) == ("ValueError", "the table is empty")
    told = results(others)
    assert {one["problem"] for one in told} == {"BuildFailed"}
    assert all(f"Process {builder} " in one["text"] for one in told)
    assert all("ValueError: the table is empty" in one["text"] for one in told)
    assert len(builders(tmp_path)) == 1
    (later,) = results(start_all(start, tmp_path, 1)[-1:])
    assert later["hit"] is False, "later callers try again"
    report(waiting=len(told), told=len(told))


@pytest.mark.parametrize(
    ("processes", "keys", "rounds"),
    [
        pytest.param(8, 20, 1),
        pytest.param(32, 50, 1),
        pytest.param(32, 500, 20, marks=pytest.mark.soak),
    ],
)
def test_many_processes_and_many_keys_cause_one_build_per_key(
    start, tmp_path, report, processes, keys, rounds
):
    program = start("many_keys", tmp_path, processes, keys, rounds)
    output, errors = program.communicate()
    assert program.returncode == 0, errors
    assert not errors, errors
    facts = json.loads(output)
    assert facts["builds"] == keys * rounds
    report(processes=processes, keys=keys, rounds=rounds, **facts)
