"""Whose signatures count: keys that the user trusts, and what was revoked or pinned.

All of it lies in ``trust.json`` in the folder of the user's configuration, where no keep, bundle
or project can bring any. Only reading is here; a hit on what was fetched needs it.
"""

from __future__ import annotations

import os
import time

from emberkeep.startup_records import final, frozen, parse_json
from emberkeep.store import files
from emberkeep.store.manifest import MOST_SIGNATURES
from emberkeep.trust.seals import TRUST_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from emberkeep.store.protocol import Key, Manifest, Stamps

VERSION = 1
NUMBERED = 2  # the version of a file that says how many must sign; older readers trust nobody by it
SIZE_LIMIT = 16 << 20
SHOWN_DIGITS = 16  # of a public key, in messages


@final
@frozen
class TrustedKey:
    """A public key that the user trusts.

    Attributes:
        name: whose it is, in the user's words.
        namespaces: what it may sign: ``KIND``, ``KIND/NAME`` or ``KIND/NAM*``; empty for all.
        expires: seconds since the epoch; None for never.
        added: when the user said so.
    """

    name: str
    namespaces: tuple[str, ...]
    expires: float | None
    added: float

    def has_expired(self, now: float) -> bool:
        """Whether trust in it has ended by itself."""
        return self.expires is not None and not now < self.expires  # NaN has expired, too

    def objection(self, key: Key | None, now: float) -> str | None:
        """Why a signature by this key does not count (for an artifact); None where it does."""
        if self.has_expired(now):
            return f"the trust in {self.name!r} has expired; renew it by `emberkeep trust add`"
        if (
            key is not None
            and self.namespaces
            and not any(_covers(known, key) for known in self.namespaces)
        ):
            allowed = ", ".join(self.namespaces)
            return f"{self.name!r} is trusted for {allowed} alone, not for {key.kind}/{key.name}"
        return None


def _covers(namespace: str, key: Key) -> bool:
    """Whether a namespace holds a key; kinds and names may hold slashes themselves."""
    if namespace in ("*", key.kind):
        return True
    if not namespace.startswith(f"{key.kind}/"):
        return False
    name = namespace[len(key.kind) + 1 :]
    return name == key.name or (name.endswith("*") and key.name.startswith(name[:-1]))


@final
@frozen
class Trust:
    """What the user has said about others.

    Attributes:
        keys: trusted ones, by public key.
        revoked_keys: public key → why.
        revoked_manifests: digest of what was signed → why.
        revoked_toolchains: build half of a key → why.
        pinned: build halves that may run here though they were made elsewhere → where from.
        needed: namespace → how many people must have signed what it covers; else one.
    """

    keys: Mapping[str, TrustedKey] = {}
    revoked_keys: Mapping[str, str] = {}
    revoked_manifests: Mapping[str, str] = {}
    revoked_toolchains: Mapping[str, str] = {}
    pinned: Mapping[str, str] = {}
    needed: Mapping[str, int] = {}

    def revocation(self, manifest: Manifest, stamps: Stamps) -> str | None:
        """Why an artifact may not be used any more, whoever vouches for it; None where it may."""
        for what, revoked, name in (
            ("the artifact", self.revoked_manifests, stamps.payload),
            ("the toolchain that built it", self.revoked_toolchains, manifest.key.build),
        ):
            if name in revoked:
                return f"{what} was revoked ({revoked[name] or 'no reason given'})"
        return None

    def people_needed(self, key: Key) -> int:
        """How many people must have signed an artifact of this name."""
        asked = [n for namespace, n in self.needed.items() if _covers(namespace, key)]
        return max(asked, default=1)

    def expired(self, now: float) -> int:
        """In how many keys trust has ended by itself."""
        return sum([key.has_expired(now) for key in self.keys.values()])


NOBODY = Trust()
# What the user has said is there and cannot be read; what was revoked is unknown.
UNREADABLE = Trust()


@final
class TrustList:
    """The user's trust as it is now: read anew whenever its file has changed.

    Args:
        config_dir: the folder of the file; None where the user has none: then nobody is trusted.
        on_problem: told when the file cannot be used; then nobody is trusted either.
    """

    def __init__(self, config_dir: str | None, on_problem: Callable[[str], None]) -> None:
        self.config_dir = config_dir
        self._path = None if config_dir is None else os.path.join(config_dir, TRUST_FILE)
        self._on_problem = on_problem
        self._read: tuple[object, Trust] = (None, NOBODY)

    def current(self) -> Trust:
        """What the user has said so far."""
        path = self._path
        if path is None:
            return NOBODY
        try:
            facts = os.stat(path)
        except FileNotFoundError:
            return NOBODY
        except OSError as problem:
            self._on_problem(f"{path} cannot be read, so nobody is trusted: {problem}")
            return UNREADABLE
        version = (facts.st_mtime_ns, facts.st_ino, facts.st_size)
        if self._read[0] != version:
            try:
                self._read = (version, read_trust(path, facts))
            except (OSError, ValueError) as problem:
                self._read = (version, UNREADABLE)
                self._on_problem(f"Nobody is trusted: {problem}")
        return self._read[1]


def read_trust(path: str, facts: os.stat_result) -> Trust:
    """The file's contents.

    Raises:
        ValueError: it is not what `emberkeep trust` writes, or others could have written it.
    """
    if hasattr(os, "geteuid"):
        if facts.st_uid != os.geteuid():
            raise ValueError(f"{path} belongs to another user. Remove it, or set your own HOME")
        if facts.st_mode & 0o022:
            raise ValueError(
                f"{path} can be written by others. Look whether its keys are yours "
                f"(`emberkeep trust list`), then: chmod 600 {path}"
            )
    try:
        fields: Any = parse_json(files.read_file(path, SIZE_LIMIT).decode().strip())
        if fields["version"] not in (VERSION, NUMBERED):
            raise ValueError(fields["version"])  # noqa: TRY301 - told below, with what to do
        needed: Any = fields["needed"] if fields["version"] == NUMBERED else {}
        keys = {public.lower(): _trusted_key(each) for public, each in fields["keys"].items()}
        revoked: Any = fields["revoked"]
        return Trust(
            keys,
            _texts(revoked["keys"]),
            _texts(revoked["manifests"]),
            _texts(revoked["toolchains"]),
            _texts(fields["pinned"]),
            {str(namespace): _number(n) for namespace, n in needed.items()},
        )
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as problem:
        raise ValueError(
            f"{path} cannot be understood: {problem!r:.200}. Correct it, or remove it and say "
            "again whom you trust by `emberkeep trust add`"
        ) from problem


def _trusted_key(fields: Any) -> TrustedKey:
    namespaces, expires = fields["namespaces"], fields["expires"]
    if namespaces.__class__ is not list:  # of a text's letters, one may be the * that means all
        raise TypeError(f"the namespaces {namespaces!r} are no list")
    return TrustedKey(
        str(fields["name"]),
        tuple(map(str, namespaces)),
        None if expires is None else float(expires),
        float(fields["added"]),
    )


def _number(value: Any) -> int:
    if value.__class__ is not int or not 1 <= value <= MOST_SIGNATURES:
        raise ValueError(f"{value!r:.40} is no number of people")
    return value


def _texts(values: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in values.items()}


def doubt(
    trust: Trust,
    own: Callable[[str], bool],
    manifest: Manifest,
    signers: Sequence[str],
    *,
    at_home: bool = False,
) -> str | None:
    """Why those who signed an artifact are not enough; None where they are.

    Who counts is people: keys of one name are one person, and all of one's own are oneself. So
    nobody replaces another by signing twice, and what has the old and the new key of somebody
    counts by either.

    Args:
        trust: what the user has said.
        own: whether a public key is one of the user's own.
        manifest: what was signed.
        signers: public keys, of signatures that are right; those that were revoked are not there.
        at_home: whether it is in the user's own keep, where the user's own word is enough.
    """
    needed = trust.people_needed(manifest.key)
    reasons: dict[bool, str] = {}  # by whether it is somebody whom the user knows
    people: set[str | None] = set()
    for signer in signers:
        reason = stranger(trust, own, manifest, signer)
        if reason is not None:
            reasons.setdefault(signer in trust.keys, reason)
        elif needed > 1 and own(signer):
            people.add(None)  # the user, who has no name here
        else:
            known = trust.keys.get(signer)
            people.add(None if known is None else known.name)
    if len(people) >= needed or (at_home and people == {None}):
        return None
    if not people:
        return reasons.get(True) or reasons.get(False) or "nobody signed it"
    who = " and ".join(sorted("you" if name is None else name for name in people))
    return f"{needed} people must have signed it, and of those who count only {who} did"


def stranger(
    trust: Trust, own: Callable[[str], bool], manifest: Manifest | None, signer: str
) -> str | None:
    """Why a signer's word does not count for an artifact; None where it does.

    Args:
        trust: what the user has said.
        own: whether a public key is one of the user's own.
        manifest: what was signed; None for a bundle, which is more than one artifact.
        signer: the public key.
    """
    if not signer:
        return "nobody signed it"
    known = trust.keys.get(signer)
    if known is not None:
        problem = known.objection(None if manifest is None else manifest.key, time.time())
        return problem and f"it is signed by {signer[:SHOWN_DIGITS]}…, and {problem}"
    if own(signer):
        return None
    return (
        f"it is signed by {signer}, whom this user does not trust. If you know whose key that is: "
        f"emberkeep trust add {signer} --name WHOSE"
    )
