"""``key``: the user's own signing keys."""

from __future__ import annotations

import os
import time

from emberkeep.cli.command import Command, require_fitting
from emberkeep.cli.session import warn
from emberkeep.cli.text import moment, table
from emberkeep.errors import InvalidSetting, StoreProblem
from emberkeep.settings import private_key
from emberkeep.store.files import LONGEST
from emberkeep.trust.edits import change_trust, with_entry
from emberkeep.trust.others import statement_name
from emberkeep.trust.signatures import (
    RETIRED,
    SUFFIX,
    generate,
    key_path,
    load_key,
    own_keys,
    revocation_statement,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

    from emberkeep.cli.session import Session
    from emberkeep.trust.signatures import SigningKey

EXAMPLES = """\
  emberkeep key generate
  emberkeep key show
  emberkeep key list
  emberkeep key revoke --reason "laptop stolen"

What you share is signed by the key that the setting signing_key names, or by the one in
EMBERKEEP_PRIVATE_KEY. Others trust you by `emberkeep trust add YOUR-PUBLIC-KEY --name YOU`.
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("generate", "show", "list", "revoke"),
        help="make a key; print one; list all; take one back, here and in shared places",
    )
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="of the key (default: the setting signing_key)"
    )
    parser.add_argument(
        "--private", action="store_true", help="with show: the private half, for another machine"
    )
    parser.add_argument("--reason", metavar="TEXT", help="with revoke: why")


def _key(session: Session) -> int:
    require_fitting(session, "key", {"private": ("show",), "reason": ("revoke",)})
    if session.options.action == "list" and session.options.name is not None:
        raise InvalidSetting("`emberkeep key list` lists all; it takes no name")
    name = session.options.name
    if name is not None and not (name.strip() and name.isprintable() and len(name) <= LONGEST):
        raise InvalidSetting(
            f"{name[:LONGEST]!r} is no name for a key: up to {LONGEST} characters that can be "
            "shown were expected; without any, it is the setting signing_key"
        )
    return {"generate": _generate, "show": _show, "list": _list, "revoke": _revoke}[
        session.options.action
    ](session)


def _config_dir(session: Session) -> str:
    folder = session.settings.config_dir
    if folder is None:
        raise StoreProblem(
            "There is no home for keys. Set EMBERKEEP_CONFIG_DIR to a private folder"
        )
    return folder


def _name(session: Session) -> str:
    return session.options.name or session.settings.signing_key.partition(",")[0].strip()


def _generate(session: Session) -> int:
    name = _name(session)
    key = generate(_config_dir(session), name, time.time())
    path = key_path(_config_dir(session), name)
    lines = [
        f"public key   {key.public}",
        f"private key  {path}",
        "",
        "Whoever should use what you build says:",
        f"  emberkeep trust add {key.public} --name WHOSE",
    ]
    session.answer({"name": name, "public": key.public, "path": path}, lines)
    return 0


def _load(session: Session) -> SigningKey:
    given = None if session.options.name else private_key()
    name = _name(session)
    key = load_key(session.settings.config_dir, name, given)
    if key is None:
        raise InvalidSetting(
            f"There is no key {name!r}. `emberkeep key list` shows those there are, `emberkeep "
            "key generate` makes one"
        )
    return key


def _show(session: Session) -> int:
    key = _load(session)
    if session.options.private:
        warn("whoever has this can sign in your name")
        session.answer({"private": key.private + key.public}, [key.private + key.public])
    else:
        session.answer({"name": key.name, "public": key.public}, [key.public])
    return 0


def _list(session: Session) -> int:
    rows = [("name", "public key", "made")]
    found: list[dict[str, object]] = []
    for key in own_keys(session.settings.config_dir):
        if isinstance(key, str):
            warn(key)
            continue
        rows.append((key.name, key.public, moment(key.made_at)))
        found.append({"name": key.name, "public": key.public, "made_at": key.made_at})
    lines = table(rows) if found else ["There are no keys. `emberkeep key generate` makes one."]
    session.answer({"keys": found}, lines)
    return 0


def _revoke(session: Session) -> int:
    """Take a key back: for this user, and for those who share a place with them."""
    key, reason = _load(session), session.options.reason or "revoked by its owner"
    config_dir = _config_dir(session)
    change_trust(config_dir, lambda trust: with_entry(trust, "revoked_keys", key.public, reason))
    statement = revocation_statement(key)
    for own in own_keys(config_dir):  # one from the environment has no file, or one of any name
        if not isinstance(own, str) and own.public == key.public:
            path = key_path(config_dir, own.name)
            os.replace(path, path.removesuffix(SUFFIX) + RETIRED)
    told = list(_tell(session, key.public, statement))
    lines = [
        f"{key.public} is revoked. Nothing that it signed is used here any more.",
        *(f"said in {where}" for where in told),
        "Whoever trusts it and shares no place with you has to know. They say:",
        f"  emberkeep trust revoke {key.public}",
    ]
    session.answer({"public": key.public, "told": told}, lines)
    return 0


def _tell(session: Session, public: str, statement: bytes) -> Iterator[str]:
    for place in session.settings.shared:
        try:
            session.open_shared(place).directory.objects.write(statement_name(public), statement)
        except OSError as problem:
            warn(f"{place.path} was not told: {problem}")
        else:
            yield place.path


COMMAND = Command(_configure, _key, EXAMPLES)
