"""Whose signatures count, by what the user has said and by the user's own keys."""

from __future__ import annotations

import time

from emberkeep.errors import Untrusted
from emberkeep.settings import private_key
from emberkeep.startup_records import final, replace
from emberkeep.trust.own_keys import OwnKeys
from emberkeep.trust.seals import OwnKeep
from emberkeep.trust.trust_list import UNREADABLE, TrustList, doubt, stranger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.settings import Settings
    from emberkeep.store.protocol import Manifest, Stamps
    from emberkeep.trust.seals import Sealer
    from emberkeep.trust.trust_list import Trust

REMEMBERED = 256  # documents that were judged last
ALTERED = "its signature is wrong: it was altered after it was signed"
REVOKED_BY_OWNER = "the key that signed it was revoked by its owner"


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
