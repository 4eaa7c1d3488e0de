"""``sign``: the user's word beside that of others."""

from __future__ import annotations

from emberkeep.cli.command import Command
from emberkeep.cli.naming import NoSuchEntry, did_you_mean, is_called, split_namespace, words_of
from emberkeep.cli.session import warn
from emberkeep.cli.text import short_key
from emberkeep.errors import InvalidSetting, StoreProblem
from emberkeep.startup_records import final, sha256
from emberkeep.store.inspection import is_named
from emberkeep.store.layout import blob_name, manifest_name
from emberkeep.store.manifest import (
    MOST_SIGNATURES,
    SIZE_LIMIT,
    read_document,
    read_stamps,
)
from emberkeep.store.manifest_writing import resealed, with_signatures
from emberkeep.store.protocol import Miss
from emberkeep.trust.judge import judge_of
from emberkeep.trust.others import signed_with
from emberkeep.trust.signatures import load_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

    from emberkeep.cli.session import Session
    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import Entry, Manifest, Signature, Stamps
    from emberkeep.trust.judge import Judge
    from emberkeep.trust.signatures import SigningKey

SOME_REFUSED = 1
ATTEMPTS = 3  # where somebody else signs the same at the same moment
SIGNED, PRESENT = "signed", "had your signature already"


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "namespaces",
        metavar="WHAT",
        nargs="+",
        help="a kind, a kind and a name, a name, or a key or its beginning",
    )
    parser.add_argument(
        "--key", dest="signing_key", metavar="NAME", help="of the key (default: the setting)"
    )


def _sign(session: Session) -> int:
    entries = _chosen(session)
    key = _key(session)
    directory = session.writable_directory()
    signer = _Signer(session, directory, key)
    done: list[tuple[Entry, str]] = [(entry, signer.sign(entry)) for entry in entries]
    refused = [(entry, outcome) for entry, outcome in done if outcome not in (SIGNED, PRESENT)]
    values = {
        "root": session.root,
        "public": key.public,
        "signed": [_label(entry) for entry, outcome in done if outcome == SIGNED],
        "present": [_label(entry) for entry, outcome in done if outcome == PRESENT],
        "refused": [{"entry": _label(entry), "reason": reason} for entry, reason in refused],
    }
    session.answer(values, _lines(done))
    return SOME_REFUSED if refused else 0


def _label(entry: Entry) -> str:
    return f"{entry.kind}/{entry.name} {entry.key}"


def _lines(done: list[tuple[Entry, str]]) -> Iterator[str]:
    for entry, outcome in done:
        yield f"{entry.kind}/{entry.name} {short_key(entry.key)}: {outcome}"


def _chosen(session: Session) -> list[Entry]:
    known = list(session.directory.entries())
    chosen: dict[Entry, None] = {}
    for text in session.options.namespaces:
        kind, name = split_namespace(text, known)
        found = [
            entry
            for entry in known
            if (is_named(entry.kind, kind) and is_named(entry.name, name)) or is_called(entry, text)
        ]
        if not found:
            hint = did_you_mean(text, words_of(known))
            raise NoSuchEntry(f"No entry is called {text!r}.{hint} `emberkeep ls` lists them")
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def _key(session: Session) -> SigningKey:
    named = session.options.signing_key
    if named is None:
        return judge_of(session.settings, warn).own.to_sign()[0]
    key = load_key(session.settings.config_dir, named, None)
    if key is None:
        raise InvalidSetting(
            f"There is no key {named!r}. `emberkeep key list` shows those there are"
        )
    return key


@final
class _Signer:
    """Signs entries of a layer, each as it is there at that moment."""

    def __init__(self, session: Session, directory: Directory, key: SigningKey) -> None:
        self._judge: Judge = judge_of(session.settings, warn)
        if key.public in self._judge.trust.current().revoked_keys:
            raise StoreProblem(f"The key {key.name!r} was revoked, so nothing is signed with it")
        self._sealer = session.sealer
        self._is_own = session.place is None
        self._directory = directory
        self._key = key

    def sign(self, entry: Entry) -> str:
        """What came of it: signed, or why not."""
        outcome = PRESENT
        for _ in range(ATTEMPTS):
            try:
                document, _ = self._directory.objects.read(self._name(entry), SIZE_LIMIT)
            except (OSError, ValueError) as problem:
                return f"it cannot be read: {problem}"
            stamps = read_stamps(document)
            if stamps is not None and self._key.public in self._judge.genuine(stamps).signers:
                return outcome
            found = read_document(document, None, self._objection)
            if isinstance(found, Miss):
                return f"not signed: {found.detail}"
            if manifest_name(found.key) != self._name(entry) or not self._is_whole(found):
                return "not signed: it is damaged. `emberkeep verify` says more"
            self._write(entry, with_signatures(document, self._worth_keeping(stamps)))
            outcome = SIGNED
        return "somebody else writes it all the time; try again"

    def _objection(self, manifest: Manifest, stamps: Stamps) -> str | None:
        """What nobody who counts vouches for is not to be signed unseen."""
        if self._is_own and self._sealer.is_ours(stamps.digest, stamps.seal):
            return self._judge.revocation(manifest, stamps)
        return self._judge.voucher(manifest, stamps)

    def _is_whole(self, manifest: Manifest) -> bool:
        for blob in manifest.blobs:
            try:
                content, _ = self._directory.objects.read(blob_name(blob.digest), blob.size_bytes)
            except (OSError, ValueError):
                return False
            if sha256(content).hexdigest() != blob.digest:
                return False
        return True

    def _worth_keeping(self, stamps: Stamps | None) -> list[Signature]:
        """The signatures that are right; where there is no room for one more, of known keys alone.

        Anybody who can write a place can fill it with those of keys that nobody has heard of.
        """
        right = [] if stamps is None else list(self._judge.genuine(stamps).signatures)
        if len(right) < MOST_SIGNATURES:
            return right
        known = self._judge.trust.current().keys
        return [each for each in right if each.by in known or each.by in self._judge.own]

    def _write(self, entry: Entry, document: bytes) -> None:
        signed = signed_with(self._key, document)
        if self._is_own:
            signed = resealed(signed, self._sealer.seal)
        try:
            self._directory.objects.write(self._name(entry), signed)
        except OSError as problem:
            raise StoreProblem(f"{self._directory.root} cannot be written: {problem}") from problem

    def _name(self, entry: Entry) -> str:
        return f"{entry.kind}/{entry.name}/{entry.key}.json"


COMMAND = Command(
    _configure,
    _sign,
    """\
  emberkeep sign lorenz
  emberkeep sign --layer shared generated/lorenz
  emberkeep key generate next
  emberkeep sign --layer shared --key next generated

Your signature stands beside those that are there: so a new key comes into use before the old one
goes, and what two people must have signed gets its second. What is signed is what you have built,
or what somebody has signed whom you trust, however many you ask for.
exit codes: 0 all have your signature, 1 some were not signed, 2 wrong usage, 3 no such entry,
4 no key to sign with, or the place cannot be used
""",
)
