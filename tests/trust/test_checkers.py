"""Processes that check signatures ahead: what they find right is, and without them it is, too."""

import io
import os
import signal
import time

import pytest

from emberkeep.startup_records import sha256
from emberkeep.store.protocol import Signature, Stamps
from emberkeep.trust import checkers, signatures
from emberkeep.trust.checkers import Checkers, serve
from emberkeep.trust.signatures import SigningKey, is_signed, manifest_message, public_half

PRIVATE = sha256(b"a key").hexdigest()
KEY = SigningKey("a key", public_half(PRIVATE), PRIVATE, 0.0)
PAYLOADS = [sha256(f"payload {n}".encode()).hexdigest() for n in range(12)]


def stamps(payload, *, right=True):
    value = KEY.sign(manifest_message(payload if right else payload[::-1]))
    return Stamps("", "", payload, (Signature(KEY.public, value),))


BATCH = [stamps(payload, right=bool(n % 3)) for n, payload in enumerate(PAYLOADS)]


def verdicts(batch):
    return [
        is_signed(each.by, manifest_message(said.payload), each.value)
        for said in batch
        for each in said.signatures
    ]


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setattr(signatures, "_good", {})
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.fixture
def checking():
    """One process, which has begun."""
    with Checkers() as made:
        made.give([None, Stamps("", "", PAYLOADS[0])])
        assert made._all == []  # nobody has signed anything so far
        made.give(BATCH[:1])  # which is checked here, until one has begun
        made.settle()
        made.settle()
        (one,) = made._all
        deadline = time.monotonic() + 60
        while not one.is_ready():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        yield made


def test_what_they_find_right_is_not_checked_here(checking, monkeypatch):
    checked, check = [], signatures.check
    monkeypatch.setattr(signatures, "check", lambda *asked: checked.append(asked) or check(*asked))
    for begin in range(0, 12, 4):
        checking.give([*BATCH[begin : begin + 4], None])
    for _ in range(3):
        checking.settle()
    assert verdicts(BATCH) == [bool(n % 3) for n in range(12)]
    assert len(checked) == 4  # those that are wrong


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("given", [0, 1])
def test_where_one_fails_signatures_are_checked_here(checking, monkeypatch, number, given):
    monkeypatch.setattr(checkers, "PATIENCE_S", 0.05)
    process = checking._all[0]._process
    for _ in range(given):
        checking.give(BATCH[:4])
    os.kill(process.pid, number)
    if number == signal.SIGKILL:
        process.wait()
    for _ in range(3 - given):
        checking.give(BATCH[:4])
    for _ in range(3):
        checking.settle()
    assert verdicts(BATCH) == [bool(n % 3) for n in range(12)]


def test_one_that_answers_something_else_proves_nothing(checking, monkeypatch):
    monkeypatch.setattr(checkers._Checker, "answer", lambda _self: b"0x")
    checking.give(BATCH[1:4])
    checking.settle()
    assert signatures._good == {}
    assert verdicts(BATCH[1:4]) == [True, True, False]


def test_what_is_no_signature_is_not_handed_over(checking):
    odd = Signature(f"{KEY.public[:-1]}\n", BATCH[1].signatures[0].value)
    checking.give([Stamps("", "", PAYLOADS[0], (odd,)), BATCH[1]])
    checking.settle()
    assert len(signatures._good) == 1
    assert verdicts(BATCH[1:2]) == [True]


def test_they_end_with_their_context(checking):
    process = checking._all[0]._process
    checking.__exit__()
    assert process.returncode is not None
    checking.give(BATCH[:1])
    checking.settle()
    assert verdicts(BATCH[:2]) == [False, True]


@pytest.mark.parametrize("executable", ["", None, "/opt/modeller", "/nowhere/python"])
def test_where_none_can_be_started_there_are_none(monkeypatch, executable):
    monkeypatch.setattr(checkers.sys, "executable", executable)
    with Checkers() as made:
        made.give(BATCH)
        made.settle()
    assert verdicts(BATCH[:2]) == [False, True]


def test_with_one_processor_there_are_none(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    with Checkers() as made:
        assert made.ahead == 0
        made.give(BATCH)
        made.settle()


def test_what_a_process_does(monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    said = [(each.by, stamp.payload, each.value) for stamp in BATCH for each in stamp.signatures]
    lines = [f"{by} {payload} {value}\n".encode() for by, payload, value in said]
    answers = io.BytesIO()
    serve(io.BytesIO(b"".join([*lines[:2], b"\n", *lines[2:5], b"\n", *lines[5:]])), answers)
    assert answers.getvalue() == b"\n01\n101\n"
