"""``doctor``: whether a keep can work here, with a remedy for what is wrong."""

from __future__ import annotations

import sys

from emberkeep.cli.command import Command, no_arguments
from emberkeep.cli.health import BAD, OK, Check
from emberkeep.cli.health.machines import check_machines
from emberkeep.cli.health.place import check_place, check_seal_key
from emberkeep.cli.health.versions import check_versions
from emberkeep.cli.text import table
from emberkeep.startup_records import as_dict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.cli.session import Session

OLDEST_PYTHON = (3, 11)


def _doctor(session: Session) -> int:
    checks = list(_checks(session))
    values = {"root": session.settings.root, "checks": [as_dict(c) for c in checks]}
    session.answer(values, _lines(checks))
    return int(any(check.state == BAD for check in checks))


def _lines(checks: list[Check]) -> Iterator[str]:
    yield from table([("check", "", ""), *((c.name, c.state, c.detail) for c in checks)])
    for check in checks:
        if check.remedy:
            yield f"{check.state}: {check.name}: {check.remedy}"


def _checks(session: Session) -> Iterator[Check]:
    yield _check_python()
    yield check_seal_key(session.settings.config_dir)
    root = session.settings.root
    if root is None:
        remedy = "Set EMBERKEEP_DIR to a folder of yours."
        yield Check("root", BAD, "there is no home, so there is no place for a keep", remedy)
    else:
        yield from check_place(session, root)
    if session.settings.shared:
        from emberkeep.cli.health.sharing import check_sharing

        yield from check_sharing(session)
    yield from check_versions()
    yield from check_machines()


def _check_python() -> Check:
    version = sys.version.partition(" ")[0]
    if sys.version_info >= OLDEST_PYTHON:
        return Check("python", OK, version)
    return Check("python", BAD, version, "Use Python 3.11 or newer.")


COMMAND = Command(
    no_arguments,
    _doctor,
    """\
  emberkeep doctor
  emberkeep doctor --root /scratch/keep

Each check is ok, warn or bad. The exit code is 1 if any is bad.
""",
)
