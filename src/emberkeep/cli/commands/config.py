"""``config``: every setting and where it comes from."""

from __future__ import annotations

import os

from emberkeep.cli.command import Command, no_arguments
from emberkeep.cli.text import duration, size, table
from emberkeep.settings import FIELDS, Place
from emberkeep.startup_records import as_dict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from emberkeep.cli.session import Session


def _config(session: Session) -> int:
    settings = session.settings
    folder = settings.config_dir
    path = None if folder is None else os.path.join(folder, "config.toml")
    exists = path is not None and os.path.exists(path)
    values = {
        "config_file": path,
        "config_file_exists": exists,
        "settings": {
            field.name: {
                "value": _plain(getattr(settings, field.name)),
                "origin": settings.origins[field.name],
                "option": field.option,
                "variable": field.variable,
            }
            for field in FIELDS
        },
    }
    session.answer(values, _lines(session, path, exists=exists))
    return 0


def _lines(session: Session, path: str | None, *, exists: bool) -> Iterator[str]:
    settings = session.settings
    rows = [("option", "value", "origin", "environment")]
    rows += [
        (
            field.option,
            _shown(field.name, getattr(settings, field.name)),
            settings.origins[field.name],
            field.variable,
        )
        for field in FIELDS
    ]
    yield from table(rows)
    yield ""
    yield f"config file: {path or '(none: there is no home)'}{'' if exists else ' (not there)'}"


def _plain(value: Any) -> Any:
    """A setting as JSON has it."""
    return [*map(as_dict, value)] if value.__class__ is tuple else value


def _shown(name: str, value: Any) -> str:
    if value.__class__ is tuple:
        return ", ".join(map(_place, value)) or "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return size(value) if name.endswith("_bytes") else duration(value)
    return "(none)" if value is None else str(value)


def _place(place: Place) -> str:
    """A shared place with what differs from the usual, as a setting spells it."""
    usual = as_dict(Place(place.path))
    options = [
        f"{name}={str(value).lower()}"
        for name, value in as_dict(place).items()
        if value != usual[name]
    ]
    return f"{place.path}?{'&'.join(options)}" if options else place.path


COMMAND = Command(
    no_arguments,
    _config,
    """\
  emberkeep config
  EMBERKEEP_MAX_SIZE=2GB emberkeep config --format json

Later ones win: default, config file, environment, argument.
""",
)
