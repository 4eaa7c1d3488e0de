"""Who is believed in a place that others write too, and what goes out to them."""

from __future__ import annotations

import time

from emberkeep.errors import StoreProblem, Untrusted
from emberkeep.settings import OFF, REQUIRE
from emberkeep.startup_records import final
from emberkeep.store.manifest import read_document, read_stamps
from emberkeep.store.protocol import Miss
from emberkeep.trust.judge import ALTERED
from emberkeep.trust.seals import NOT_OURS
from emberkeep.trust.signatures import is_public_key, is_revoked_by, manifest_message
from emberkeep.trust.trust_list import UNREADABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.store.object_store import ObjectStore
    from emberkeep.store.protocol import Manifest, Stamps
    from emberkeep.trust.judge import Judge
    from emberkeep.trust.seals import Sealer
    from emberkeep.trust.signatures import SigningKey
    from emberkeep.trust.trust_list import Trust

STATEMENT_LIMIT = 4096
LOOK_AGAIN_S = 60.0  # after this, owners' statements in a place are looked for again


def statement_name(public: str) -> str:
    """The object of a shared place by which the owner of a key revokes it."""
    return f"revoked/{public}"


def signed_with(key: SigningKey, document: bytes) -> bytes:
    """A document with the signature of a key beside those that it has."""
    from emberkeep.store.manifest_writing import signed

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
        if self._revocations is None or not is_public_key(signer):
            return False
        try:
            statement, _ = self._revocations.read(statement_name(signer), STATEMENT_LIMIT)
        except (OSError, ValueError):
            return False  # there is none, or none that can be one
        return is_revoked_by(statement, signer)
