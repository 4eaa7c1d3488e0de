"""``verify``: whether what is kept is what was written."""

from __future__ import annotations

from emberkeep.cli.command import Command, no_arguments
from emberkeep.cli.text import short_key
from emberkeep.store.inspection import OK, OTHER, inspect
from emberkeep.store.protocol import DAMAGED, UNTRUSTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.cli.session import Session
    from emberkeep.store.inspection import Finding

EXIT_BITS = {OK: 0, DAMAGED: 1, UNTRUSTED: 2, OTHER: 4}


def _verify(session: Session) -> int:
    findings: list[Finding] = []
    counts = dict.fromkeys(EXIT_BITS, 0)
    for finding in inspect(session.directory):
        counts[finding.state] += 1
        if finding.state != OK:
            findings.append(finding)
    values = {
        "root": session.root,
        "counts": counts,
        "findings": [_as_json(finding) for finding in findings],
    }
    session.answer(values, _findings(findings, counts))
    bits = 0
    for finding in findings:
        bits |= EXIT_BITS[finding.state]
    return bits


def _as_json(finding: Finding) -> dict[str, object]:
    entry = finding.entry
    return {
        "state": finding.state,
        "role": finding.role,
        "path": finding.path,
        "detail": finding.detail,
        "entry": entry and {"kind": entry.kind, "name": entry.name, "key": entry.key},
    }


def _findings(findings: list[Finding], counts: dict[str, int]) -> Iterator[str]:
    for finding in findings:
        entry = finding.entry
        what = f"{entry.kind}/{entry.name} {short_key(entry.key)}" if entry else finding.role
        yield f"{finding.state}: {what}: {finding.detail}"
        yield f"    {finding.path}"
    yield ", ".join(f"{count} {state}" for state, count in counts.items() if count or state == OK)
    if counts[DAMAGED]:
        yield "`emberkeep repair` takes the damaged ones away; they are built again when needed."


COMMAND = Command(
    no_arguments,
    _verify,
    """\
  emberkeep verify
  emberkeep verify --format json

The exit code adds up what was found: 1 something is damaged, 2 something is not trusted (sealed
by another user or machine), 4 anything else (a newer format, unreadable, stray files); 0 all well.
""",
)
