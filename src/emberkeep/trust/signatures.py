"""Ed25519: the user's own keys, signatures, and checking those of others.

A private key is a file ``keys/<name>.key`` in the folder of the user's configuration, which nobody
else can read, or comes from the environment. `cryptography` is imported when something is signed
or checked, and not before: whose keys are one's own is known without it.
"""

from __future__ import annotations

import os

from emberkeep.errors import StoreProblem
from emberkeep.startup_records import final, frozen, parse_json
from emberkeep.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

KEYS = "keys"
SUFFIX, RETIRED = ".key", ".revoked"
VERSION = 1
SIZE_LIMIT = 4096
PRIVATE_DIGITS = PUBLIC_DIGITS = 64
SIGNATURE_DIGITS = 128
MANIFEST_DOMAIN = b"emberkeep manifest 1\0"
REVOCATION_DOMAIN = b"emberkeep revocation 1\0"
REMEMBERED = 4096
# How the points of small order begin, but for the last byte: anybody can sign for these.
ANYBODYS = frozenset(
    [
        "00" * 31,
        "01" + "00" * 30,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03",
        "ec" + "ff" * 30,
        "ed" + "ff" * 30,
        "ee" + "ff" * 30,
    ]
)


@final
@frozen
class SigningKey:
    """A key of the user's own; its text never shows the private half.

    Attributes:
        name: what the user calls it.
        public: 64 hexadecimal digits.
        private: 64 hexadecimal digits.
        made_at: seconds since the epoch.
    """

    name: str
    public: str
    private: str
    made_at: float

    def __repr__(self) -> str:
        return f"<SigningKey {self.name!r} {self.public[:16]}…>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("A signing key goes into no pickle: its private half stays with its user")

    def sign(self, message: bytes) -> str:
        """The signature of a message, hexadecimal.

        Raises:
            StoreProblem: the two halves are not those of one key, so nobody could check it.
        """
        opened = _opened.get(self)
        if opened is None:
            opened = _open(self)
            _opened.clear()
            _opened[self] = opened
        return opened.sign(message).hex()


# The key that signed last, for to open it takes as long as to sign.
_opened: dict[SigningKey, Any] = {}


def _open(key: SigningKey) -> Any:
    opened = _ed25519().Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key.private))
    if opened.public_key().public_bytes_raw().hex() != key.public:
        raise StoreProblem(
            f"The public half of the key {key.name!r} does not belong to its private half, "
            "so nothing is signed. Restore the key from where it was made, or make another: "
            "emberkeep key generate NAME"
        )
    return opened


def manifest_message(payload: str) -> bytes:
    """What is signed of a manifest: the digest of its lines, marked as such."""
    return MANIFEST_DOMAIN + payload.encode()


def is_public_key(text: str) -> bool:
    """Whether a text is written as public keys are, and only its owner can sign for it."""
    return _is_written_as_keys_are(text) and text[:62] not in ANYBODYS


def _is_written_as_keys_are(text: str) -> bool:
    return len(text) == PUBLIC_DIGITS and not text.strip("0123456789abcdef")


_good: dict[tuple[str, bytes, str], bool] = {}  # whether each of the last asked about is right


def is_signed(signer: str, message: bytes, signature: str) -> bool:
    """Whether a signature is right; whether its key counts is another question.

    Raises:
        StoreProblem: `cryptography` is missing.
    """
    asked = (signer, message, signature)
    known = _good.get(asked)
    if known is None:
        known = check(*asked)
        remember(asked, right=known)
    return known


def remember(asked: tuple[str, bytes, str], *, right: bool) -> None:
    """Take note of what `is_signed` would find out about a signer, a message and a signature."""
    if len(_good) >= REMEMBERED:
        _good.clear()
    _good[asked] = right


def can_be_right(signer: str, signature: str) -> bool:
    """Whether a key and a signature are written as such."""
    return (
        is_public_key(signer)
        and len(signature) == SIGNATURE_DIGITS
        and not signature.strip("0123456789abcdef")
    )


def check(signer: str, message: bytes, signature: str) -> bool:
    """As `is_signed`, whatever is remembered."""
    if not can_be_right(signer, signature):
        return False
    ed25519 = _ed25519()
    try:
        public = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer))
        public.verify(bytes.fromhex(signature), message)
    except (ValueError, _invalid_signature()):
        return False
    return True


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as problem:
        raise StoreProblem(
            f"Signatures need the package cryptography, which cannot be imported ({problem}). "
            "Install it: pip install 'emberkeep[sharing]'"
        ) from problem
    return ed25519


def _invalid_signature() -> type[Exception]:
    from cryptography.exceptions import InvalidSignature

    return InvalidSignature


# The user's own keys ----------------------------------------------------------------------------


def generate(config_dir: str, name: str, now: float) -> SigningKey:
    """Make a key of the user's own.

    Raises:
        StoreProblem: there is one of that name, or it cannot be written.
    """
    private = _ed25519().Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw().hex()
    key = SigningKey(name, public, private.private_bytes_raw().hex(), now)
    path = key_path(config_dir, name)
    if os.path.lexists(path):
        raise StoreProblem(
            f"There is a key {name!r} already: {path}. Give the new one another name, or revoke "
            f"the old one by `emberkeep key revoke {name}`"
        )
    fields = {"version": VERSION, "public": public, "private": key.private, "made_at": now}
    import json

    try:
        files.write_file(path, json.dumps(fields).encode() + b"\n", os.path.dirname(path))
    except OSError as problem:
        raise StoreProblem(f"The key {name!r} cannot be written: {problem}") from problem
    return key


def key_path(config_dir: str, name: str) -> str:
    """The file of a key; its name is made safe for file systems."""
    return os.path.join(config_dir, KEYS, files.folder_name(name) + SUFFIX)


def load_key(config_dir: str | None, name: str, given: str | None) -> SigningKey | None:
    """The key to sign with: that of the environment, or the file of a name; None without any.

    Raises:
        StoreProblem: it cannot be used as it is.
    """
    if given:
        return _given_key(given)
    if config_dir is None:
        return None
    path = key_path(config_dir, name)
    try:
        return read_key(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise StoreProblem(f"The key {name!r} cannot be used: {problem}") from problem


def _given_key(text: str) -> SigningKey:
    """The key in a text: the private half, or, for a quicker start, both halves."""
    digits = text.strip().lower()
    private, public = digits[:PRIVATE_DIGITS], digits[PRIVATE_DIGITS:]
    if not _is_written_as_keys_are(private) or (public and not is_public_key(public)):
        raise StoreProblem(
            "EMBERKEEP_PRIVATE_KEY is no private key; 64 hexadecimal digits were expected, or "
            "the 128 that `emberkeep key show --private` prints"
        )
    derived = public or public_half(private)
    return SigningKey("from the environment", derived, private, 0.0)


def public_half(private: str) -> str:
    """The public key that belongs to a private one."""
    key = _ed25519().Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private))
    return key.public_key().public_bytes_raw().hex()


def read_key(path: str) -> SigningKey:
    """The key in a file.

    Raises:
        ValueError: it is none, or others can read it.
    """
    content = files.read_file(path, SIZE_LIMIT)
    if hasattr(os, "geteuid"):
        facts = os.stat(path)
        if facts.st_uid != os.geteuid():
            raise ValueError(f"{path} belongs to another user")
        if facts.st_mode & 0o077:
            raise ValueError(
                f"{path} can be read by others, who could sign in your name. If nobody did: "
                f"chmod 600 {path}; else revoke it"
            )
    try:
        fields: Any = parse_json(content.decode().strip())
        public, private = str(fields["public"]), str(fields["private"])
        made_at, version = float(fields["made_at"]), fields["version"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as problem:
        # Its kind alone, and no chain: what these say of themselves may quote the private half.
        kind = type(problem).__name__
        raise ValueError(f"{path} is no key of emberkeep ({kind})") from None
    if version != VERSION or not is_public_key(public) or not _is_written_as_keys_are(private):
        raise ValueError(f"{path} is no key that this emberkeep can read")
    return SigningKey(os.path.basename(path).removesuffix(SUFFIX), public, private, made_at)


def own_keys(config_dir: str | None) -> Iterator[SigningKey | str]:
    """The user's keys; for a file that is none, what is wrong with it."""
    if config_dir is None:
        return
    for file in sorted(files.scan(os.path.join(config_dir, KEYS)), key=lambda file: file.name):
        if file.name.endswith(SUFFIX):
            try:
                yield read_key(file.path)
            except (OSError, ValueError) as problem:
                yield str(problem)


# Revocation -------------------------------------------------------------------------------------


def revocation_statement(key: SigningKey) -> bytes:
    """What tells others that a key counts no more; only its owner can make it."""
    signature = key.sign(REVOCATION_DOMAIN + key.public.encode())
    return f"emberkeep revocation 1\n{key.public}\n{signature}\n".encode()


def is_revoked_by(statement: bytes, public: str) -> bool:
    """Whether a statement revokes this key; one that anybody else wrote does not."""
    lines = statement.decode("ascii", "replace").split("\n")
    if len(lines) != 4 or lines[0] != "emberkeep revocation 1" or lines[1] != public:  # noqa: PLR2004
        return False
    return is_signed(public, REVOCATION_DOMAIN + public.encode(), lines[2])
