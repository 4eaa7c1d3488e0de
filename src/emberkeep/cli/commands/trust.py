"""``trust``: whose artifacts are used here, and which are not any more."""

from __future__ import annotations

import math
import time

from emberkeep.cli.command import Command, require_fitting
from emberkeep.cli.session import warn
from emberkeep.cli.text import moment, table
from emberkeep.errors import InvalidSetting
from emberkeep.settings import parse_duration
from emberkeep.store.manifest import MOST_SIGNATURES
from emberkeep.trust.edits import change_trust, with_entry, without_entry
from emberkeep.trust.signatures import is_public_key
from emberkeep.trust.trust_list import TrustedKey, TrustList

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator, Mapping

    from emberkeep.cli.session import Session
    from emberkeep.trust.trust_list import Trust

EXAMPLES = """\
  KEY=8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f
  emberkeep trust add $KEY --name alice
  emberkeep trust add $KEY --name alice --for generated --for 'traces/coal*' --expires 90d
  emberkeep trust require 2 --for generated
  emberkeep trust list
  emberkeep trust remove alice
  emberkeep trust revoke $KEY --reason "key leaked"
  BUILD=5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9
  emberkeep trust revoke $BUILD --what toolchain --reason "miscompiles sin"
  emberkeep trust pin $BUILD
"""
LONGEST_S = 100 * 365.25 * 86_400  # longer than anybody can mean
# What each option goes with; with another action, it would be passed over in silence.
GOES_WITH = {
    "name": ("add",),
    "namespaces": ("add", "require"),
    "expires": ("add",),
    "what": ("revoke", "restore"),
    "reason": ("revoke",),
}
WHAT = {"key": "revoked_keys", "manifest": "revoked_manifests", "toolchain": "revoked_toolchains"}
DIGITS = 64


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("add", "list", "remove", "revoke", "restore", "pin", "unpin", "require"),
        help="trust a key; list all; trust it no more; never use what a key, manifest or toolchain "
        "stands for; take that back; let a toolchain's builds run here; take that back; say how "
        "many people must have signed what is used",
    )
    parser.add_argument(
        "value", metavar="VALUE", nargs="?", help="a public key, a name, a digest, or a number"
    )
    parser.add_argument("--name", metavar="WHOSE", help="with add: whose key it is")
    parser.add_argument(
        "--for",
        dest="namespaces",
        action="append",
        default=[],
        metavar="KIND[/NAME]",
        help="with add: what it may sign, with require: what that holds for; NAME may end in *; "
        "several times; default: everything",
    )
    parser.add_argument(
        "--expires", metavar="WHEN", help="with add: a duration such as 90d, or a date 2027-01-31"
    )
    parser.add_argument(
        "--what", choices=tuple(WHAT), help="with revoke and restore (default: key)"
    )
    parser.add_argument("--reason", metavar="TEXT", help="with revoke: why")


def _trust(session: Session) -> int:
    action = session.options.action
    require_fitting(session, "trust", GOES_WITH)
    if action == "list":
        if session.options.value is not None:
            raise InvalidSetting("`emberkeep trust list` lists all; it takes no value")
        return _list(session)
    if not session.options.value:
        raise InvalidSetting(f"`emberkeep trust {action}` needs a key, a name or a digest")
    change = {
        "add": _add,
        "remove": _remove,
        "revoke": _revoke,
        "restore": _restore,
        "pin": _pin,
        "unpin": _unpin,
        "require": _require,
    }[action]
    said: list[str] = []

    def changed(trust: Trust) -> Trust:
        after, text = change(session, trust)
        said.append(text)
        return after

    change_trust(session.settings.config_dir, changed)
    session.answer({"done": said[0]}, said)
    return 0


def _add(session: Session, trust: Trust) -> tuple[Trust, str]:
    options = session.options
    public = options.value.strip().lower()
    if not is_public_key(public):
        raise InvalidSetting(
            f"{options.value!r} is no public key; 64 hexadecimal digits were expected, as "
            "`emberkeep key show` prints them"
        )
    if not (options.name or "").strip():
        raise InvalidSetting("Say whose key it is: --name WHOSE")
    for namespace in options.namespaces:
        _require_effect(namespace)
    if public in trust.revoked_keys:
        raise InvalidSetting(
            f"{public} was revoked ({trust.revoked_keys[public]}). If that was a mistake: "
            f"emberkeep trust restore {public}"
        )
    expires = None if options.expires is None else _moment(options.expires)
    key = TrustedKey(options.name, tuple(options.namespaces), expires, time.time())
    what = ", ".join(options.namespaces) or "everything"
    until = "" if expires is None else f" until {moment(expires)}"
    return with_entry(trust, "keys", public, key), f"{options.name} is trusted for {what}{until}."


def _require_effect(namespace: str) -> None:
    """Refuse what would cover nothing, or more than it looks like.

    Raises:
        InvalidSetting: says how it is written.
    """
    kind, slash, name = namespace.partition("/")
    problem = None
    if not namespace.strip():
        problem = "says nothing; without --for, a key is trusted for everything"
    elif namespace == "*":
        return
    elif "*" in kind or "*" in name[:-1]:
        problem = "covers nothing: a * stands alone, or at the end of a name"
    elif "?" in namespace:
        problem = "covers nothing: a ? stands for itself alone; for names that begin alike, use *"
    elif not kind.strip() or (slash and not name.strip()) or namespace != namespace.strip():
        problem = "names no kind, or no name after the slash"
    if problem is not None:
        raise InvalidSetting(f"--for {namespace!r} {problem}. Write KIND, KIND/NAME or KIND/NAM*")


def _moment(text: str) -> float:
    """When trust ends: a duration from now, or the beginning of a day."""
    now = time.time()
    try:
        ends = time.mktime(time.strptime(text, "%Y-%m-%d"))
    except (ValueError, OverflowError):  # no date; perhaps a duration
        try:
            ends = now + parse_duration(text)
        except (ValueError, KeyError):
            ends = math.inf
    if ends - now > LONGEST_S:
        raise InvalidSetting(
            f"{text!r} is neither a duration such as 90d nor a date such as 2027-01-31, within a "
            "hundred years. For ever is what it is without --expires"
        )
    if ends <= now:
        raise InvalidSetting(f"{text!r} is over already, so the key would never be trusted")
    return ends


def _find(trust: Trust, value: str) -> str:
    """The public key that a user means: itself, its beginning, or whose it is."""
    found = [
        public
        for public, key in trust.keys.items()
        if key.name == value or public.startswith(value.lower())
    ]
    if len(found) == 1:
        return found[0]
    problem = "None of the trusted keys" if not found else f"{len(found)} of the trusted keys"
    raise InvalidSetting(
        f"{problem} is called {value!r} or begins so. `emberkeep trust list` shows them"
    )


def _remove(session: Session, trust: Trust) -> tuple[Trust, str]:
    public = _find(trust, session.options.value)
    return without_entry(trust, "keys", public), f"{trust.keys[public].name} is trusted no more."


def _digest(text: str) -> str:
    """A key, manifest or toolchain, which are all written as 64 digits."""
    digest = text.strip().lower()
    if len(digest) != DIGITS or digest.strip("0123456789abcdef"):
        raise InvalidSetting(f"{text!r} is no key and no digest: 64 hexadecimal digits")
    return digest


def _revoke(session: Session, trust: Trust) -> tuple[Trust, str]:
    options = session.options
    digest, what = _digest(options.value), options.what or "key"
    after = with_entry(trust, WHAT[what], digest, options.reason or "")
    return after, f"Nothing of the {what} {digest} is used any more."


def _restore(session: Session, trust: Trust) -> tuple[Trust, str]:
    options = session.options
    digest, what = _digest(options.value), options.what or "key"
    _require_there(digest, getattr(trust, WHAT[what]), f"revoked as a {what}")
    return without_entry(trust, WHAT[what], digest), f"{digest} is revoked no more."


def _require_there(digest: str, known: Mapping[str, str], state: str) -> None:
    """Refuse to take back what was never said: it may have been said of something else.

    Raises:
        InvalidSetting: it was not.
    """
    if digest not in known:
        raise InvalidSetting(
            f"{digest} is not {state}, so nothing was changed. `emberkeep trust list` shows what is"
        )


def _pin(session: Session, trust: Trust) -> tuple[Trust, str]:
    digest = _digest(session.options.value)
    return with_entry(trust, "pinned", digest, "by hand"), f"Builds of {digest} may run here."


def _unpin(session: Session, trust: Trust) -> tuple[Trust, str]:
    digest = _digest(session.options.value)
    _require_there(digest, trust.pinned, "pinned")
    after = without_entry(trust, "pinned", digest)
    return after, f"Builds of {digest} run here no more, unless this machine makes them itself."


def _require(session: Session, trust: Trust) -> tuple[Trust, str]:
    text = session.options.value
    if not text.isdecimal() or not 1 <= int(text[:6]) <= MOST_SIGNATURES:
        raise InvalidSetting(
            f"{text!r} is no number of people; 1 to {MOST_SIGNATURES} was expected, since an "
            "artifact has no more signatures"
        )
    number = int(text)
    for namespace in session.options.namespaces or ["*"]:
        _require_effect(namespace)
        trust = without_entry(trust, "needed", namespace)
        if number > 1:
            trust = with_entry(trust, "needed", namespace, number)
    what = ", ".join(session.options.namespaces) or "whatever others have built"
    who = "One person" if number == 1 else f"{number} people"
    return trust, f"{who} whom you trust must have signed {what}."


def _list(session: Session) -> int:
    trust = TrustList(session.settings.config_dir, warn).current()
    values = {
        "keys": [
            {
                "public": public,
                "name": key.name,
                "namespaces": list(key.namespaces),
                "expires": key.expires,
                "added": key.added,
            }
            for public, key in trust.keys.items()
        ],
        "revoked": {
            "keys": dict(trust.revoked_keys),
            "manifests": dict(trust.revoked_manifests),
            "toolchains": dict(trust.revoked_toolchains),
        },
        "pinned": dict(trust.pinned),
        "needed": dict(trust.needed),
    }
    session.answer(values, _lines(trust))
    return 0


def _lines(trust: Trust) -> Iterator[str]:
    if not trust.keys:
        yield "Nobody is trusted but you. `emberkeep trust add KEY --name WHOSE` changes that."
    else:
        rows = [("whose", "public key", "for", "until")]
        rows += [
            (
                key.name,
                public,
                ", ".join(key.namespaces) or "everything",
                "for ever" if key.expires is None else moment(key.expires),
            )
            for public, key in trust.keys.items()
        ]
        yield from table(rows)
    for namespace, number in trust.needed.items():
        what = "everything" if namespace == "*" else namespace
        yield f"{number} people must have signed {what}"
    for what, field in WHAT.items():
        entries: dict[str, str] = dict(getattr(trust, field))
        for digest, reason in entries.items():
            yield f"revoked {what} {digest}{f' ({reason})' if reason else ''}"
    for digest, origin in trust.pinned.items():
        yield f"pinned toolchain {digest} ({origin})"


COMMAND = Command(_configure, _trust, EXAMPLES)
