"""Who is believed: the user's own keys, those whom the user trusts, and in places of others."""

from __future__ import annotations

import os
import time

from emberkeep.errors import StoreProblem, Untrusted
from emberkeep.settings import OFF, REQUIRE, private_key
from emberkeep.startup_records import final, replace
from emberkeep.store.manifest import read_document, read_stamps
from emberkeep.store.protocol import Miss
from emberkeep.trust.seals import NOT_OURS, OwnKeep
from emberkeep.trust.trust_list import UNREADABLE, TrustList, doubt, stranger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.settings import Settings
    from emberkeep.store.object_store import ObjectStore
    from emberkeep.store.protocol import Manifest, Stamps
    from emberkeep.trust.seals import Sealer
    from emberkeep.trust.signatures import SigningKey
    from emberkeep.trust.trust_list import Trust

STATEMENT_LIMIT = 4096
REMEMBERED = 256  # documents that were judged last
LOOK_AGAIN_S = 60.0  # after this, owners' statements in a place are looked for again
ALTERED = "its signature is wrong: it was altered after it was signed"
REVOKED_BY_OWNER = "the key that signed it was revoked by its owner"


def statement_name(public: str) -> str:
    """The object of a shared place by which the owner of a key revokes it."""
    return f"revoked/{public}"


@final
class OwnKeys:
    """The user's signing keys, looked up when they are first needed.

    Args:
        config_dir: the folder that has them.
        names: of the keys to sign with, separated by commas.
        given: a private key from the environment, in place of a file.
    """

    def __init__(self, config_dir: str | None, names: str, given: str | None) -> None:
        self._config_dir = config_dir
        self._names = [name.strip() for name in names.split(",") if name.strip()]
        self._given = given
        self._public: set[str] = set()
        self._loaded: dict[str, tuple[object, SigningKey]] = {}
        self._paths: dict[str, str] = {}  # of the files of keys to sign with

    def __contains__(self, public: str) -> bool:
        """Whether a public key is one of the user's own; one that was retired is not."""
        if public not in self._public:
            from emberkeep.trust.signatures import load_key, own_keys

            found = [key for key in own_keys(self._config_dir) if not isinstance(key, str)]
            if self._given:
                found += [key for key in [load_key(None, "", self._given)] if key is not None]
            self._public.update(key.public for key in found)
        return public in self._public

    def to_sign(self) -> list[SigningKey]:
        """The keys to sign with: as a rule one, two while one follows the other.

        Raises:
            StoreProblem: there is none, or one cannot be used.
        """
        if self._given:
            return [self._to_sign("the environment")]
        # One that was taken back has gone from among several; one that never was is a mistake.
        left = [name for name in self._names if not self._is_retired(name)]
        return [self._to_sign(name) for name in left or self._names]

    def _is_retired(self, name: str) -> bool:
        from emberkeep.trust.signatures import RETIRED, SUFFIX, key_path

        if self._config_dir is None or len(self._names) == 1:
            return False
        path = key_path(self._config_dir, name)
        return os.path.exists(path.removesuffix(SUFFIX) + RETIRED) and not os.path.exists(path)

    def _to_sign(self, name: str) -> SigningKey:
        from emberkeep.trust.signatures import key_path, load_key

        version = None
        if not self._given and self._config_dir is not None:
            path = self._paths.get(name)
            if path is None:
                path = self._paths[name] = key_path(self._config_dir, name)
            try:
                facts = os.stat(path)
                version = (facts.st_ino, facts.st_mtime_ns)
            except OSError:
                pass  # loading it says what is wrong
        if name not in self._loaded or self._loaded[name][0] != version:
            key = load_key(self._config_dir, name, self._given)
            if key is None:
                raise StoreProblem(
                    f"There is no key {name!r} to sign with, and nothing unsigned is shared. "
                    "Make one: emberkeep key generate"
                )
            self._loaded[name] = (version, key)
        return self._loaded[name][1]


@final
class Judge:
    """Whose signatures count, by what the user has said and by the user's own keys.

    Attributes:
        trust: what the user has said.
        own: the user's own keys.
        taken_back: keys that their owners have revoked, as shared places told this process; they
            count no more, also where the user's list cannot be written.
    """

    def __init__(self, trust: TrustList, own: OwnKeys) -> None:
        self.trust = trust
        self.own = own
        self.taken_back: set[str] = set()
        self._vouched: dict[str, object] = {}

    def standing(self) -> object:
        """All that judgements depend on; while it is the same, they stand."""
        return self._standing(self.trust.current())

    def _standing(self, trust: Trust) -> object:
        is_unknown = trust is UNREADABLE  # which is equal to that of somebody who said nothing
        return trust, is_unknown, trust.expired(time.time()), len(self.taken_back)

    def revocation(self, manifest: Manifest, stamps: Stamps) -> str | None:
        """Why an artifact may not be used any more, whoever vouches for it; None where it may."""
        return self._revocation(self.trust.current(), manifest, stamps)

    def _revocation(self, trust: Trust, manifest: Manifest, stamps: Stamps) -> str | None:
        problem = trust.revocation(manifest, stamps)
        if problem is not None:
            return problem
        left = self._not_revoked(trust, stamps)
        # One that counts is not outweighed by one that was revoked: that could be taken off.
        if len(left) == len(stamps.signatures) or any(
            stranger(trust, self.own.__contains__, manifest, public) is None for public in left
        ):
            return None
        taken = next(public for public in stamps.signers if public not in left)
        if taken in self.taken_back:
            return REVOKED_BY_OWNER
        return f"the key that signed it was revoked ({_reason(trust, taken)})"

    def _not_revoked(self, trust: Trust, stamps: Stamps) -> list[str]:
        """Those who signed with a key that was not taken back."""
        revoked = trust.revoked_keys
        return [
            public
            for public in stamps.signers
            if public not in revoked and public not in self.taken_back
        ]

    def objection(self, manifest: Manifest, stamps: Stamps, *, at_home: bool = False) -> str | None:
        """Why an artifact may not be used any more; None where it may.

        Args:
            manifest: what it is.
            stamps: with signatures that are right.
            at_home: whether it is in the user's own keep.
        """
        return self._objection(self.trust.current(), manifest, stamps, at_home=at_home)

    def _objection(
        self, trust: Trust, manifest: Manifest, stamps: Stamps, *, at_home: bool = False
    ) -> str | None:
        problem = self._revocation(trust, manifest, stamps)
        if problem is not None or not stamps.signatures:
            return problem
        signers = self._not_revoked(trust, stamps)
        return doubt(trust, self.own.__contains__, manifest, signers, at_home=at_home)

    def genuine(self, stamps: Stamps) -> Stamps:
        """The same with those signatures alone that are right; others are as good as none."""
        from emberkeep.trust.signatures import is_signed, manifest_message

        message = manifest_message(stamps.payload)
        right = [each for each in stamps.signatures if is_signed(each.by, message, each.value)]
        if len(right) == len(stamps.signatures):  # as nearly always
            return stamps
        return replace(stamps, {"signatures": tuple(right)})

    def voucher(self, manifest: Manifest, stamps: Stamps) -> str | None:
        """None where at least one who counts has signed, however many are needed."""
        genuine = self.genuine(stamps)
        trust = self.trust.current()
        problem = self._revocation(trust, manifest, genuine)
        if problem is not None:
            return problem
        alone = replace(trust, {"needed": {}})
        return doubt(alone, self.own.__contains__, manifest, self._not_revoked(trust, genuine))

    def require_signer(self, signer: str, signature: str, message: bytes) -> None:
        """Have a bundle vouched for as such; each artifact in it is judged by itself.

        Raises:
            Untrusted: the signature is wrong, or its key does not count.
        """
        from emberkeep.trust.signatures import is_signed

        trust = self.trust.current()
        problem = None
        if not is_signed(signer, message, signature):
            problem = ALTERED
        elif signer in self.taken_back:
            problem = REVOKED_BY_OWNER
        elif signer in trust.revoked_keys:
            problem = f"the key that signed it was revoked ({_reason(trust, signer)})"
        else:
            problem = stranger(trust, self.own.__contains__, None, signer)
        if problem is not None:
            raise Untrusted(f"The bundle is not opened: {problem}")

    def verify_signature(self, manifest: Manifest, stamps: Stamps) -> str | None:
        """None where somebody who counts has signed this very document."""
        trust = self.trust.current()  # once: what is said meanwhile is another matter
        if not stamps.signatures:
            return self._objection(trust, manifest, stamps) or "nobody signed it"
        said = self._standing(trust)
        genuine = self.genuine(stamps)
        if not genuine.signatures:
            return self._revocation(trust, manifest, stamps) or ALTERED
        problem = self._objection(trust, manifest, genuine)
        if problem is None:
            if len(self._vouched) >= REMEMBERED:
                self._vouched.clear()
            self._vouched[stamps.digest] = said
        return problem

    def has_verified(self, stamps: Stamps) -> bool:
        """Whether `verify_signature` had no objection to this document, by what is said now.

        A document is its digest, which covers its manifest and its signatures. What is brought is
        judged where it comes from, and a moment later where it goes.
        """
        return self._vouched.get(stamps.digest) == self.standing()


def judge_of(settings: Settings, on_problem: Callable[[str], None]) -> Judge:
    """The user's judge, by the settings."""
    own = OwnKeys(settings.config_dir, settings.signing_key, private_key())
    return Judge(TrustList(settings.config_dir, on_problem), own)


def own_keep(settings: Settings, sealer: Sealer, on_problem: Callable[[str], None]) -> OwnKeep:
    """Who is believed in the user's own keep, by the settings."""
    made: list[Judge] = []

    def judge() -> Judge:
        """One for all that is judged: making another would read the user's keys again."""
        if not made:
            made.append(judge_of(settings, on_problem))
        return made[0]

    return OwnKeep(sealer, settings.config_dir, judge)


def _reason(trust: Trust, public: str) -> str:
    return trust.revoked_keys[public] or "no reason given"


def signed_with(key: SigningKey, document: bytes) -> bytes:
    """A document with the signature of a key beside those that it has."""
    from emberkeep.store.manifest_writing import signed
    from emberkeep.trust.signatures import manifest_message

    return signed(document, key.public, lambda payload: key.sign(manifest_message(payload)))


@final
class Others:
    """Who is believed in a place that others write too: whoever signed.

    Args:
        judge: whose signatures count.
        sealer: tells what the user has built, which is signed on its way out.
        policy: ``require``, ``warn`` or ``off``.
        revocations: the place in which owners revoke their keys, if there is one.
        details: whether ingredients go out with what the user has built.
        on_problem: told what is used though nobody vouches for it.
    """

    def __init__(
        self,
        judge: Judge,
        sealer: Sealer,
        *,
        policy: str = REQUIRE,
        revocations: ObjectStore | None = None,
        details: bool = True,
        on_problem: Callable[[str], None],
    ) -> None:
        self._judge = judge
        self._sealer = sealer
        self._policy = policy
        self._revocations = revocations
        self._details = details
        self._on_problem = on_problem
        self._looked_up: dict[str, float] = {}
        self._unwritten: list[str] = []

    def standing(self) -> object:
        """What is said of others at the moment; what was judged stands while it is the same."""
        self.learn_revocations()
        return self._policy, self._judge.standing()

    def verify(self, manifest: Manifest, stamps: Stamps) -> str | None:
        """None where it may be used here; what was revoked never may, whatever the policy is.

        Nothing is written: what is learned of its signers on the way waits to be written down.
        """
        trust = self._judge.trust.current()
        self._learn(trust, stamps.signers)
        # Where it cannot be known what was revoked, only what is vouched for is used.
        if self._policy == REQUIRE or trust is UNREADABLE:
            return self._judge.verify_signature(manifest, stamps)
        if self._policy == OFF:
            return self._judge.revocation(manifest, stamps)
        genuine = self._judge.genuine(stamps)
        if stamps.signatures and not genuine.signatures:
            return self._judge.revocation(manifest, stamps) or ALTERED
        revoked = self._judge.revocation(manifest, genuine)
        if revoked is not None:
            return revoked
        problem = self._judge.verify_signature(manifest, genuine)
        if problem is None:
            return None
        self._on_problem(f"{manifest.key.kind}/{manifest.key.name} is used, though {problem}.")
        return None

    def endorse(self, document: bytes) -> bytes:
        """The document as it goes to others: signed, and without this user's seal.

        Raises:
            Untrusted: it is neither this user's own nor signed by somebody trusted.
            StoreProblem: there is no key to sign with.
        """
        from emberkeep.store.manifest_writing import with_signatures, without_details

        stamps = read_stamps(document)
        if stamps is None:
            raise Untrusted("It is not shared: the manifest is damaged")
        if stamps.signatures:
            found = read_document(document, None, self._judge.verify_signature)
            if isinstance(found, Miss):
                raise Untrusted(f"It is not shared: {found.detail}")
            if self._details or any(public not in self._judge.own for public in stamps.signers):
                # What others have signed is theirs to say.
                return with_signatures(document, self._judge.genuine(stamps).signatures)
        elif not self._sealer.is_ours(stamps.digest, stamps.seal):
            raise Untrusted(f"It is not shared: {NOT_OURS}, and nobody signed it")
        outgoing = document if self._details else without_details(document)
        for key in self._signing_keys():
            outgoing = signed_with(key, outgoing)
        return outgoing

    def _signing_keys(self) -> list[SigningKey]:
        """The keys to sign with, but those that were revoked."""
        keys = self._judge.own.to_sign()
        revoked = self._judge.taken_back.union(self._judge.trust.current().revoked_keys)
        left = [key for key in keys if key.public not in revoked]
        if not left:
            raise StoreProblem(
                f"The key {keys[0].name!r} was revoked, so nothing is signed with it. Make "
                "another: emberkeep key generate NAME, and set signing_key to that name"
            )
        return left

    def sign(self, message: bytes) -> tuple[str, str]:
        """The user's public key, and the signature of a message.

        Raises:
            StoreProblem: there is no key to sign with.
        """
        key = self._signing_keys()[0]
        return key.public, key.sign(message)

    def can_endorse(self) -> bool:
        """Whether there is a key by which what the user builds can go out from here."""
        try:
            self._signing_keys()
        except StoreProblem:
            return False
        return True

    def learn_revocations(self) -> None:
        """Look whether the place holds statements by which owners have revoked their keys.

        For each key that is trusted, once a minute at most. What is found holds in this process at
        once, and for others when it is written down.
        """
        self._learn(self._judge.trust.current())

    def write_down_revocations(self) -> None:
        """Put what was learned into the user's own list, after all that has asked for a judgement.

        There it holds for what was fetched before, and removing it from the place later helps
        nobody. Of strangers nothing is written down: anybody can make and revoke keys without end.
        """
        while self._unwritten:
            from emberkeep.trust.edits import remember_revocation

            public = self._unwritten.pop(0)
            remember_revocation(self._judge.trust.config_dir, public, self._on_problem)

    def _learn(self, trust: Trust, signers: Sequence[str] = ()) -> None:
        now = time.monotonic()
        for public in (*signers, *trust.keys):
            if now < self._looked_up.get(public, now):
                continue
            self._looked_up[public] = now + LOOK_AGAIN_S
            if public not in trust.revoked_keys and self._read_statement(public):
                self._judge.taken_back.add(public)
                if public in trust.keys or public in self._judge.own:
                    self._unwritten.append(public)

    def _read_statement(self, signer: str) -> bool:
        from emberkeep.trust.signatures import is_public_key, is_revoked_by

        if self._revocations is None or not is_public_key(signer):
            return False
        try:
            statement, _ = self._revocations.read(statement_name(signer), STATEMENT_LIMIT)
        except (OSError, ValueError):
            return False  # there is none, or none that can be one
        return is_revoked_by(statement, signer)
