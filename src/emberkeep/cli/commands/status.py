"""``status``: how well the keep serves."""

from __future__ import annotations

from emberkeep.cli.command import Command, no_arguments
from emberkeep.cli.text import duration, size, table
from emberkeep.sharing.outage import all_outages
from emberkeep.startup_records import as_dict, final, frozen
from emberkeep.store import counts
from emberkeep.store.inspection import usage
from emberkeep.store.protocol import DISABLED
from emberkeep.store.summaries import GENERATED, survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emberkeep.cli.session import Session
    from emberkeep.sharing.outage import Outage
    from emberkeep.store.counts import Totals
    from emberkeep.store.directory import Directory
    from emberkeep.store.inspection import Usage
    from emberkeep.store.protocol import Entry


@final
@frozen
class _Counts:
    """The counts that a person asks for."""

    hits: dict[str, int]  # by layer
    misses: dict[str, int]  # by reason
    refusals: dict[str, int]
    seconds_saved: float
    builds: int
    build_s: float

    @property
    def hit_rate(self) -> float | None:
        """Hits among lookups; None before the first. Where caching was off, nobody looked."""
        hits = sum(self.hits.values())
        lookups = hits + sum(n for reason, n in self.misses.items() if reason != DISABLED)
        return hits / lookups if lookups else None


def _status(session: Session) -> int:
    entries = list(session.directory.entries())
    used = usage(session.directory, entries)
    own = _count_own(session.directory, entries)
    counts = _sum_up(_totals(session))
    outages = list(all_outages(session.root if session.place is None else session.own_root))
    values = {
        "root": session.root,
        "outages": [as_dict(outage) for outage in outages],
        "exists": session.directory.objects.is_there(),
        "entries": used.entries,
        "own": own,
        "pinned": used.pinned,
        "kinds": {kind: as_dict(its) for kind, its in used.kinds.items()},
        "blobs": used.blobs,
        "blobs_size_bytes": used.blobs_size_bytes,
        "size_bytes": used.size_bytes,
        "hits": sum(counts.hits.values()),
        "hits_by_layer": counts.hits,
        "misses": sum(counts.misses.values()),
        "misses_by_reason": counts.misses,
        "refusals": sum(counts.refusals.values()),
        "refusals_by_reason": counts.refusals,
        "hit_rate": counts.hit_rate if session.place is None else None,
        "seconds_saved": counts.seconds_saved,
        "builds": counts.builds,
        "build_seconds": counts.build_s,
    }
    session.answer(values, [*_lines(session, used, counts), *_of_own(own), *map(_left, outages)])
    return 0


def _totals(session: Session) -> Totals:
    """The counts of the layer that is looked at; those of a shared place are each user's own."""
    if session.place is None:
        return counts.read_totals(session.root)
    if session.settings.root is None:
        return {}
    label = f"shared {session.place.path}"
    return {
        (event, kind, what): counted
        for (event, kind, what), counted in counts.read_totals(session.own_root).items()
        if what == label or what.endswith(f" in {label}")
    }


def _left(outage: Outage) -> str:
    return (
        f"{outage.place} hung {duration(outage.age_s)} ago ({outage.problem}), and is asked once a "
        "minute; `emberkeep doctor` asks now"
    )


def _count_own(directory: Directory, entries: Sequence[Entry]) -> int:
    """How many entries are emberkeep's own."""
    if not any(entry.kind == GENERATED for entry in entries):
        return 0
    return sum(said.own for _, said in survey(directory, entries))


def _of_own(own: int) -> list[str]:
    return [f"emberkeep's own kernels among them: {own}"] if own else []


def _sum_up(totals: Totals) -> _Counts:
    by: dict[str, dict[str, int]] = {"hit": {}, "miss": {}, "refused": {}, "build": {}}
    seconds = dict.fromkeys(by, 0.0)
    for (event, _, what), (count, spent) in sorted(totals.items()):
        if event in by:
            by[event][what] = by[event].get(what, 0) + count
            seconds[event] += spent
    builds = sum(by["build"].values())
    return _Counts(by["hit"], by["miss"], by["refused"], seconds["hit"], builds, seconds["build"])


def _lines(session: Session, used: Usage, counts: _Counts) -> Iterator[str]:
    is_there = session.directory.objects.is_there()
    where = session.root if is_there else f"{session.root} (nothing kept yet)"
    yield f"keep           {where}"
    if session.place is not None:
        yield "counted        what you had from there; each user counts their own"
    rate = counts.hit_rate if session.place is None else None
    yield f"hit rate       {'-' if rate is None else f'{rate:.1%}'}"
    yield f"hits           {_detailed(counts.hits)}"
    yield f"misses         {_detailed(counts.misses)}"
    if counts.refusals:
        yield f"refused        {_detailed(counts.refusals)}"
    yield f"time saved     {duration(counts.seconds_saved)}"
    yield f"time building  {duration(counts.build_s)} in {counts.builds} builds"
    yield ""
    rows = [("kind", "entries", "size")]
    rows += [
        (kind, str(its.entries), size(its.manifests_size_bytes)) for kind, its in used.kinds.items()
    ]
    rows.append(("(blobs)", str(used.blobs), size(used.blobs_size_bytes)))
    rows.append(("total", str(used.entries), size(used.size_bytes)))
    yield from table(rows, "<>>")
    if used.pinned:
        yield f"{used.pinned} pinned"


def _detailed(counts: dict[str, int]) -> str:
    detail = ", ".join(f"{count} {what}" for what, count in counts.items())
    return f"{sum(counts.values())}" + (f" ({detail})" if detail else "")


COMMAND = Command(
    no_arguments,
    _status,
    """\
  emberkeep status
  emberkeep status --format json

Kinds are counted with their manifests; blobs, which entries may share, on a line of their own.
""",
)
