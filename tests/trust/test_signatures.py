"""Keys and signatures: what is a signature, who may read a key, and where it never shows."""

import io
import json
import logging
import os
import stat
import sys
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberkeep.errors import StoreProblem
from emberkeep.trust import signatures
from emberkeep.trust.signatures import (
    SigningKey,
    is_public_key,
    is_revoked_by,
    is_signed,
    load_key,
    manifest_message,
    own_keys,
    read_key,
    revocation_statement,
)

ORDER = 2**252 + 27742317777372353535851937790883648493  # of the group: what S is less than
FIELD = 2**255 - 19
PRIVATE = bytes(range(32)).hex()
PUBLIC = signatures.public_half(PRIVATE)
KEY = SigningKey("default", PUBLIC, PRIVATE, 0.0)
MESSAGE = b"a message"
SIGNATURE = KEY.sign(MESSAGE)
EVERYBODY = 0o777
ELSEWHERE = 65534  # the user nobody
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture
def config(tmp_path):
    return str(tmp_path / "config")


def write(path, content, mode=0o600):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)
    return path


def key_file(config, content=None, mode=0o600, **changes):
    fields = {"version": 1, "public": PUBLIC, "private": PRIVATE, "made_at": 0.0, **changes}
    kept = {name: value for name, value in fields.items() if value is not ...}
    given = json.dumps(kept).encode() if content is None else content
    return write(signatures.key_path(config, "default"), given, mode)


# Signatures -------------------------------------------------------------------------------------


def test_what_was_signed_is_signed_and_nothing_else_is():
    assert is_signed(PUBLIC, MESSAGE, SIGNATURE)
    assert not is_signed(PUBLIC, MESSAGE + b"\0", SIGNATURE)
    assert not is_signed(signatures.public_half("11" * 32), MESSAGE, SIGNATURE)
    assert not is_signed(PUBLIC, b"", SIGNATURE)


def test_no_flipped_digit_leaves_a_signature_good():
    for text, rebuilt in (
        (SIGNATURE, lambda other: (PUBLIC, MESSAGE, other)),
        (PUBLIC, lambda other: (other, MESSAGE, SIGNATURE)),
    ):
        for at, digit in enumerate(text):
            other = text[:at] + f"{int(digit, 16) ^ 1:x}" + text[at + 1 :]
            assert not is_signed(*rebuilt(other))


@pytest.mark.parametrize(
    "signature",
    [
        "",
        SIGNATURE.upper(),
        SIGNATURE[:-1],
        SIGNATURE + "0",
        " " + SIGNATURE[1:],
        SIGNATURE[:-1] + "\n",
        "0x" + SIGNATURE[2:],
        SIGNATURE[:64] + "-" + SIGNATURE[65:],
        "\N{FULLWIDTH DIGIT ONE}" * 128,
        "\xb2" * 128,
        "0" * 128,
        "f" * 128,
    ],
)
def test_a_signature_is_written_in_one_way_alone(signature):
    assert not is_signed(PUBLIC, MESSAGE, signature)


@pytest.mark.parametrize("public", ["", PUBLIC.upper(), PUBLIC[:-1], PUBLIC + "0", "g" * 64])
def test_a_public_key_is_written_in_one_way_alone(public):
    assert not is_public_key(public)
    assert not is_signed(public, MESSAGE, SIGNATURE)


@pytest.mark.parametrize("times", range(1, 15))
def test_a_signature_cannot_be_made_into_another(times):
    """S + L satisfies the equation too, where nobody looks whether S is less than L."""
    point, scalar = SIGNATURE[:64], int.from_bytes(bytes.fromhex(SIGNATURE[64:]), "little")
    other = (scalar + times * ORDER).to_bytes(32, "little").hex()
    assert not is_signed(PUBLIC, MESSAGE, point + other)


def small_points():
    """Every way to write a point of small order, those with a y that is too large included."""
    eighth = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
    other = int.from_bytes(bytes.fromhex(eighth), "little")
    for y in (0, 1, FIELD - 1, other, FIELD - other, FIELD, FIELD + 1):
        for sign in (0, 1 << 255):
            yield (y | sign).to_bytes(32, "little").hex()


@pytest.mark.parametrize("public", sorted(small_points()))
def test_a_key_for_which_anybody_can_sign_is_none(public):
    assert not is_public_key(public)
    messages = [b"%d" % n for n in range(8)]
    for point in small_points():
        for message in messages:
            assert not is_signed(public, message, point + "0" * 64)


def test_such_keys_would_be_good_for_the_library_below():
    """If this fails, `cryptography` refuses them itself, and we need not."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    identity = (1).to_bytes(32, "little")
    for n in range(8):
        Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), b"%d" % n)


@given(st.text(max_size=130), st.binary(max_size=80), st.text(max_size=130))
def test_no_text_at_all_makes_checking_raise(signer, message, signature):
    assert not is_signed(signer, message, signature)
    assert not is_signed(PUBLIC, message, signature)
    assert not is_signed(signer, message, SIGNATURE)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_no_wellformed_forgery_is_good(public, signature):
    assert not is_signed(public.hex(), MESSAGE, signature.hex())
    assert not is_signed(PUBLIC, MESSAGE, signature.hex())


def test_what_is_remembered_is_bounded_and_does_not_change_the_answer(monkeypatch):
    monkeypatch.setattr(signatures, "REMEMBERED", 8)
    for n in range(50):
        message = b"%d" % n
        assert is_signed(PUBLIC, message, KEY.sign(message))
        assert not is_signed(PUBLIC, message, SIGNATURE)
        assert len(signatures._good) <= 8
    assert is_signed(PUBLIC, MESSAGE, SIGNATURE)


def test_a_manifest_is_signed_as_such_and_a_revocation_as_such():
    """What was signed for one purpose must not serve another; bundles begin differently again."""
    assert manifest_message("ab") == b"emberkeep manifest 1\0ab"
    assert signatures.REVOCATION_DOMAIN == b"emberkeep revocation 1\0"
    statement = revocation_statement(KEY)
    signature = statement.split(b"\n")[2].decode()
    assert not is_signed(PUBLIC, manifest_message(PUBLIC), signature)
    as_manifest = KEY.sign(manifest_message(PUBLIC))
    assert not is_revoked_by(statement.replace(signature.encode(), as_manifest.encode()), PUBLIC)


# Revocations ------------------------------------------------------------------------------------


def test_only_the_owner_can_revoke_a_key():
    other = SigningKey("eve", signatures.public_half("22" * 32), "22" * 32, 0.0)
    mine, theirs = revocation_statement(KEY), revocation_statement(other)
    assert is_revoked_by(mine, PUBLIC)
    assert not is_revoked_by(theirs, PUBLIC)
    assert not is_revoked_by(mine, other.public)
    assert not is_revoked_by(theirs.replace(other.public.encode(), PUBLIC.encode()), PUBLIC)
    liar = SigningKey("eve", other.public, "22" * 32, 0.0)
    forged = liar.sign(signatures.REVOCATION_DOMAIN + PUBLIC.encode())
    assert not is_revoked_by(f"emberkeep revocation 1\n{PUBLIC}\n{forged}\n".encode(), PUBLIC)


def test_no_flipped_byte_leaves_a_statement_good():
    statement = revocation_statement(KEY)
    for at in range(len(statement)):
        other = bytearray(statement)
        other[at] ^= 1
        assert not is_revoked_by(bytes(other), PUBLIC)


@given(st.binary(max_size=400))
def test_no_bytes_at_all_make_reading_a_statement_raise(statement):
    assert not is_revoked_by(statement, PUBLIC)


# Files of keys ----------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_key_can_be_read_by_its_owner_alone(config, umask):
    before = os.umask(umask)
    try:
        key = signatures.generate(config, "default", 7.0)
    finally:
        os.umask(before)
    path = signatures.key_path(config, "default")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert read_key(path) == key
    assert os.listdir(os.path.dirname(path)) == ["default.key"]


def test_a_key_is_never_replaced(config):
    first = signatures.generate(config, "default", 0.0)
    with pytest.raises(StoreProblem, match="already.*another name"):
        signatures.generate(config, "default", 0.0)
    assert load_key(config, "default", None) == first


@pytest.mark.parametrize(
    "name", ["../../escaped", "/etc/passwd", "..", "", "a/b", "a\0b", "x" * 300]
)
def test_no_name_of_a_key_leads_out_of_the_folder(config, name):
    before = set(os.listdir(os.path.dirname(config)))
    key = signatures.generate(config, name, 0.0)
    assert set(os.listdir(os.path.dirname(config))) == before | {"config"}
    assert os.listdir(config) == ["keys"]
    assert load_key(config, name, None).public == key.public


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o606, 0o644, 0o666, 0o601, 0o610])
def test_a_key_that_others_can_touch_is_refused_with_the_remedy(config, mode):
    path = key_file(config, mode=mode)
    with pytest.raises(StoreProblem, match=f"chmod 600 {path}"):
        load_key(config, "default", None)
    os.chmod(path, 0o400)
    assert load_key(config, "default", None) == KEY


@as_root
def test_a_key_of_somebody_else_is_refused(config):
    os.chown(key_file(config), ELSEWHERE, -1)
    with pytest.raises(StoreProblem, match="belongs to another user"):
        load_key(config, "default", None)


def test_a_link_to_a_key_is_not_followed(config, tmp_path):
    path = key_file(config)
    os.rename(path, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(StoreProblem, match="cannot be used"):
        load_key(config, "default", None)


def make_fifo(path):
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("make", [os.mkdir, make_fifo])
def test_what_is_no_file_is_no_key_and_nobody_waits_for_it(config, make):
    os.makedirs(os.path.join(config, "keys"))
    make(signatures.key_path(config, "default"))
    with pytest.raises(StoreProblem, match="cannot be used"):
        load_key(config, "default", None)


NO_KEYS = [
    {"content": b""},
    {"content": b"[]"},
    {"content": b"7"},
    {"content": b"null"},
    {"content": b'"text"'},
    {"content": b"{"},
    {"content": b"[" * 4000},
    {"content": bytes(5000)},
    {"content": b'{"private":"' + PRIVATE.encode() + b'"\xff}'},
    {"content": b'{"private":"' + PRIVATE.encode() + b'"'},
    {"version": ...},
    {"version": 2},
    {"version": None},
    {"public": ...},
    {"public": 7},
    {"public": None},
    {"public": [PUBLIC]},
    {"public": PUBLIC.upper()},
    {"private": ...},
    {"private": 7},
    {"private": PRIVATE[:-1]},
    {"private": [PRIVATE]},
    {"made_at": ...},
    {"made_at": "soon"},
    {"made_at": None},
    {"made_at": 10**400},
]


@pytest.mark.parametrize("wrong", NO_KEYS, ids=lambda wrong: str(wrong)[:40])
def test_what_is_no_key_is_told_as_such_and_never_quoted(config, wrong):
    path = key_file(config, **wrong)
    with pytest.raises(StoreProblem, match="key") as refused:
        load_key(config, "default", None)
    told = "".join(traceback.format_exception(refused.value))
    assert PRIVATE not in told
    assert PRIVATE[:-1] not in told
    (listed,) = own_keys(config)
    assert path in listed
    assert PRIVATE[:-1] not in listed


def test_a_bad_file_hides_no_good_key(config):
    key_file(config, content=b"nonsense")
    key = signatures.generate(config, "other", 0.0)
    assert [each for each in own_keys(config) if not isinstance(each, str)] == [key]


def test_halves_of_different_keys_sign_nothing(config):
    """Others could not check it, and some libraries would give the private half away by it."""
    other = signatures.public_half("33" * 32)
    key_file(config, public=other)
    for key in (load_key(config, "default", None), load_key(None, "", PRIVATE + other)):
        with pytest.raises(StoreProblem, match="does not belong to its private half"):
            key.sign(MESSAGE)


# The environment --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        PRIVATE,
        PRIVATE.upper(),
        f"  {PRIVATE}\n",
        PRIVATE + PUBLIC,
        (PRIVATE + PUBLIC).upper(),
    ],
)
def test_a_key_in_the_environment_comes_before_any_file(config, text):
    signatures.generate(config, "default", 0.0)
    key = load_key(config, "default", text)
    assert (key.public, key.private) == (PUBLIC, PRIVATE)
    assert is_signed(PUBLIC, MESSAGE, key.sign(MESSAGE))


@pytest.mark.parametrize(
    "text",
    [
        " ",
        PRIVATE[:-1],
        PRIVATE + "0",
        PRIVATE + PUBLIC[:-1],
        PRIVATE + PUBLIC + "0",
        PRIVATE + "g" * 64,
        "0x" + PRIVATE,
        PRIVATE.replace("0", "O"),
        "-----BEGIN PRIVATE KEY-----",
        "/home/me/.ssh/id_ed25519",
    ],
)
def test_another_text_in_the_environment_is_refused_and_never_quoted(config, text):
    signatures.generate(config, "default", 0.0)
    with pytest.raises(StoreProblem, match="EMBERKEEP_PRIVATE_KEY is no private key") as refused:
        load_key(config, "default", text)
    if text.strip():
        assert text.strip() not in "".join(traceback.format_exception(refused.value))


# Where a private key never shows ----------------------------------------------------------------


def test_a_key_as_text_shows_the_public_half_alone():
    for text in (repr(KEY), str(KEY), f"{KEY}", f"{KEY!r:>10}", "%s" % (KEY,), repr([KEY])):  # noqa: UP031 - one more way
        assert PRIVATE not in text
        assert PUBLIC[:16] in text


@pytest.mark.parametrize("form", ["file", "environment"])
def test_no_command_but_the_one_for_it_shows_a_private_key(alice, bob, monkeypatch, capsys, form):
    private = alice.key.private
    if form == "environment":
        private = PRIVATE
        monkeypatch.setenv("EMBERKEEP_PRIVATE_KEY", PRIVATE)
    alice.publish()
    alice.publish(n=2)
    for words in (
        ("config",),
        ("key", "list"),
        ("key", "show"),
        ("trust", "list"),
        ("doctor",),
        ("push",),
        ("status",),
        ("verify",),
        ("show", "sample"),
        ("pull",),
        ("ls",),
        ("--help",),
        ("key", "generate"),
        ("key", "show", "missing"),
        ("key", "revoke"),
    ):
        for more in ((), ("--format", "json")):
            try:
                alice.run(*words, *more)
            except SystemExit:
                continue
            finally:
                out, err = capsys.readouterr()
                assert private not in (out + err).lower()
    assert alice.run("key", "show", "--private") in (0, 2)


def test_showing_it_is_told_as_dangerous(alice, capsys):
    assert alice.run("key", "show", "--private") == 0
    out, err = capsys.readouterr()
    assert out.strip() == alice.key.private + alice.key.public
    assert "sign in your name" in err


def test_publishing_logs_no_private_key(alice, caplog, monkeypatch):
    heard = io.StringIO()
    logging.getLogger().addHandler(handler := logging.StreamHandler(heard))
    try:
        with caplog.at_level(logging.DEBUG):
            alice.publish()
            monkeypatch.setenv("EMBERKEEP_PRIVATE_KEY", PRIVATE)
            alice.publish(n=2)
    finally:
        logging.getLogger().removeHandler(handler)
    assert alice.key.private not in caplog.text + heard.getvalue()
    assert PRIVATE not in caplog.text + heard.getvalue()


def contents_below(folder):
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                yield file.name, file.read()


def test_no_private_key_is_written_outside_its_file(alice, bob, tmp_path, monkeypatch):
    secrets = [alice.key.private.encode(), PRIVATE.encode(), bytes.fromhex(PRIVATE)]
    alice.publish()
    monkeypatch.setenv("EMBERKEEP_PRIVATE_KEY", PRIVATE)
    alice.publish(n=2)
    alice.run("push")
    holding = [
        path
        for path, content in contents_below(tmp_path)
        if any(secret in content.lower() for secret in secrets)
    ]
    assert holding == [signatures.key_path(alice.config, "default")]


def test_without_cryptography_what_is_missing_is_told(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(StoreProblem, match="pip install 'emberkeep\\[sharing\\]'"):
        is_signed(PUBLIC, b"never asked before", SIGNATURE)
