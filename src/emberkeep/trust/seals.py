"""Seals: what this user vouches for on this machine, told from what was planted or altered.

A seal is an HMAC over a manifest's digest under a key that only this user has. The key lies with
the user's configuration, outside every keep: whoever can write into a keep cannot seal.
"""

from __future__ import annotations

import os
import time

from emberkeep.errors import Untrusted
from emberkeep.startup_records import final, sha256
from emberkeep.store import files
from emberkeep.store.manifest import NO_SEAL, read_document, read_stamps
from emberkeep.store.protocol import Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from emberkeep.store.protocol import Manifest, Stamps

    class SignatureJudge(Protocol):
        """Who says whose signatures count: a `judge.Judge`, which is loaded where there are any."""

        def standing(self) -> object:
            """All that judgements depend on."""
            ...

        def objection(
            self, manifest: Manifest, stamps: Stamps, *, at_home: bool = False
        ) -> str | None:
            """Why an artifact whose signatures are right may not be used any more."""
            ...

        def verify_signature(self, manifest: Manifest, stamps: Stamps) -> str | None:
            """None where somebody who counts has signed it."""
            ...

        def has_verified(self, stamps: Stamps) -> bool:
            """Whether it had no objection to this very document."""
            ...

        def genuine(self, stamps: Stamps) -> Stamps:
            """The same with the right signatures alone."""
            ...


KEY_FILE = "seal.key"
KEY_BYTES = 32
BLOCK_BYTES = 64  # of SHA-256
DOMAIN = b"emberkeep seal 1\0"
TRUST_FILE = "trust.json"  # beside the key: whom else the user trusts; read by `trust_list`
LOOK_EVERY_S = 0.1  # after this at the latest, a running process knows what was revoked
NOT_OURS = "the manifest was not sealed by this user on this machine"


@final
class Sealer:
    """Makes and judges seals.

    Args:
        config_dir: the folder of the key, made with it at first use; None where the user has none.
        on_problem: told when there is no lasting key: seals then hold for this process only.
    """

    def __init__(self, config_dir: str | None, on_problem: Callable[[str], None]) -> None:
        self._config_dir = config_dir
        self._on_problem = on_problem
        self._made: dict[str, tuple[bytes, bytes]] = {}

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("What seals goes into no pickle: the user's key stays where it is")

    def seal(self, digest: str) -> str:
        """The seal of a digest, hexadecimal."""
        pads = self._made.get("pads")
        if pads is None:
            # Threads that come here at once all take those of one: a passing key is random.
            pads = self._made.setdefault("pads", _pads(self._load()))
        inner, outer = pads
        # HMAC by hand: `import hmac` costs more than a hit.
        message = DOMAIN + digest.encode()
        return sha256(outer + sha256(inner + message).digest()).hexdigest()

    def is_ours(self, digest: str, seal: str) -> bool:
        """Whether the seal is this user's."""
        # Told apart in plain time: who can measure this process can read its key.
        return seal != NO_SEAL and seal == self.seal(digest)

    def _load(self) -> bytes:
        if self._config_dir is None:
            self._on_problem(
                "There is no home for the key that seals what is kept, so other processes will "
                "not use it. Set EMBERKEEP_CONFIG_DIR to a private folder."
            )
            return os.urandom(KEY_BYTES)
        path = os.path.join(self._config_dir, KEY_FILE)
        try:
            return _read_key(path)
        except FileNotFoundError:
            pass  # first use: made below
        except (OSError, ValueError) as problem:
            self._on_problem(f"The key that seals what is kept cannot be used: {problem}")
            return os.urandom(KEY_BYTES)
        try:
            return _make_key(path)
        except (OSError, ValueError) as problem:
            self._on_problem(
                f"The key that seals what is kept cannot be made: {problem}. Other processes will "
                "not use what this one keeps. Set EMBERKEEP_CONFIG_DIR to a folder you can write."
            )
            return os.urandom(KEY_BYTES)


@final
class OwnKeep:
    """Who is believed in the user's own keep: whatever has the user's seal.

    What was fetched from others was sealed when its signature had been checked. Its signer is
    judged again at each load, which does not take checking the signature again.

    Args:
        sealer: of the user.
        config_dir: where the user's trust is written down.
        judge: asked for when others come into it; most keeps have only what was built here.
    """

    def __init__(
        self, sealer: Sealer, config_dir: str | None, judge: Callable[[], SignatureJudge]
    ) -> None:
        self._sealer = sealer
        self._trust_file = None if config_dir is None else os.path.join(config_dir, TRUST_FILE)
        self._judge = judge
        self._said: object = None
        self._look_at = 0.0

    def verify(self, manifest: Manifest, stamps: Stamps) -> str | None:
        """None where this user vouches for it, and nobody has taken that back."""
        if not self._sealer.is_ours(stamps.digest, stamps.seal):
            return NOT_OURS
        if not stamps.signatures and self.standing() is None:
            return None
        return self._judge().objection(manifest, stamps, at_home=True)

    def standing(self) -> object:
        """What is said of others at the moment; what was judged stands while it is the same.

        Looked up now and then: what is in memory comes faster than the answer of a file system.
        """
        now = time.monotonic()
        if now >= self._look_at:
            is_said = self._trust_file is not None and os.path.exists(self._trust_file)
            self._said = self._judge().standing() if is_said else None
            self._look_at = now + LOOK_EVERY_S
        return self._said

    def endorse(self, document: bytes) -> bytes:
        """The document with the user's seal, if it is the user's own or a trusted key signed it.

        Raises:
            Untrusted: nobody who counts vouches for it.
        """
        from emberkeep.store.manifest_writing import resealed, with_signatures

        stamps = read_stamps(document)
        if stamps is not None and self._sealer.is_ours(stamps.digest, stamps.seal):
            return document
        judge = self._judge()
        if stamps is None or not judge.has_verified(stamps):
            found = read_document(document, None, judge.verify_signature)
            if isinstance(found, Miss) or stamps is None:
                detail = found.detail if isinstance(found, Miss) else "it is damaged"
                raise Untrusted(f"It is not taken into the keep: {detail}")
        # From here on the seal says that they were checked: a wrong one must not come under it.
        right = judge.genuine(stamps).signatures
        if right != stamps.signatures:
            document = with_signatures(document, right)
        return resealed(document, self._sealer.seal)


def _pads(key: bytes) -> tuple[bytes, bytes]:
    padded = key.ljust(BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)


def _read_key(path: str) -> bytes:
    key = files.read_file(path, KEY_BYTES)
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"{path} has {len(key)} bytes instead of {KEY_BYTES}. Remove it: a new one is made, "
            "and what was kept is built again"
        )
    if hasattr(os, "geteuid"):
        facts = os.stat(path)
        if facts.st_uid != os.geteuid():
            raise ValueError(f"{path} belongs to another user. Remove it, or set your own HOME")
        if facts.st_mode & 0o077:
            raise ValueError(
                f"{path} can be read by others, who could forge what is kept. Remove it: a new "
                "key is made, and what was kept is built again"
            )
    return key


def _make_key(path: str) -> bytes:
    """Make the key, or take that of a process which was faster."""
    folder = os.path.dirname(path)
    os.makedirs(folder, files.PRIVATE, exist_ok=True)
    draft = os.path.join(folder, f".{files.unique_name()}")
    try:
        _write_new(draft, os.urandom(KEY_BYTES))
        try:
            os.link(draft, path)  # fails where the name is taken, as a rename would not
        except FileExistsError:
            pass  # the other's key is as good
        except OSError:  # a file system without links: the last one wins, the others rebuild once
            os.replace(draft, path)
    finally:
        files.remove_file(draft)
    return _read_key(path)


def _write_new(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
