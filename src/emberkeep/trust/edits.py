"""Changing whom the user trusts: what the commands `trust` and `key` write down."""

from __future__ import annotations

import fcntl
import os

from emberkeep.errors import InvalidSetting, StoreProblem
from emberkeep.startup_records import as_dict
from emberkeep.startup_records import replace as with_changes
from emberkeep.store import files
from emberkeep.trust.seals import TRUST_FILE
from emberkeep.trust.trust_list import NOBODY, NUMBERED, VERSION, Trust, read_trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def change_trust(config_dir: str | None, change: Callable[[Trust], Trust]) -> Trust:
    """Read the user's trust, change it, and write it; two that do so at once take turns.

    Raises:
        StoreProblem: it cannot be read or written; nothing was changed.
    """
    if config_dir is None:
        raise StoreProblem(
            "There is no home to write down whom you trust. Set EMBERKEEP_CONFIG_DIR to a "
            "private folder"
        )
    path = os.path.join(config_dir, TRUST_FILE)
    try:
        files.make_folder(config_dir)
        turn = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | files.NO_FOLLOW, 0o600)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
            changed = change(_read(path))
            files.write_file(path, _document(changed), config_dir)
        finally:
            os.close(turn)
    except InvalidSetting:
        raise  # it is the change that makes no sense
    except (OSError, ValueError) as problem:
        raise StoreProblem(f"Whom you trust cannot be written down: {problem}") from problem
    return changed


def _read(path: str) -> Trust:
    try:
        return read_trust(path, os.stat(path))
    except FileNotFoundError:
        return NOBODY


def _document(trust: Trust) -> bytes:
    import json

    fields = {
        "version": NUMBERED if trust.needed else VERSION,
        "keys": {
            public: {**as_dict(key), "namespaces": list(key.namespaces)}
            for public, key in trust.keys.items()
        },
        "revoked": {
            "keys": dict(trust.revoked_keys),
            "manifests": dict(trust.revoked_manifests),
            "toolchains": dict(trust.revoked_toolchains),
        },
        "pinned": dict(trust.pinned),
        **({"needed": dict(trust.needed)} if trust.needed else {}),
    }
    return json.dumps(fields, indent=1, sort_keys=True).encode() + b"\n"


def with_entry(trust: Trust, field: str, name: str, value: object) -> Trust:
    """The same with one more entry in one of its mappings."""
    entries: Mapping[str, object] = as_dict(trust)[field]
    return with_changes(trust, {field: {**entries, name: value}})


def without_entry(trust: Trust, field: str, name: str) -> Trust:
    """The same without an entry of one of its mappings."""
    entries: Mapping[str, object] = as_dict(trust)[field]
    return with_changes(trust, {field: {n: v for n, v in entries.items() if n != name}})


def remember_revocation(
    config_dir: str | None, public: str, on_problem: Callable[[str], None]
) -> None:
    """Write down that the owner of a key has revoked it."""
    try:
        change_trust(
            config_dir,
            lambda trust: with_entry(trust, "revoked_keys", public, "revoked by its owner"),
        )
    except StoreProblem as problem:
        on_problem(f"The key {public} was revoked by its owner. {problem}")
