"""``ls``: what is kept."""

from __future__ import annotations

import time

from emberkeep.cli import arguments
from emberkeep.cli.command import Command
from emberkeep.cli.naming import (
    add_namespace,
    did_you_mean,
    split_namespace,
    words_of,
)
from emberkeep.cli.text import duration, short_key, size, table
from emberkeep.store.inspection import is_named
from emberkeep.store.pins import pinned
from emberkeep.store.summaries import OK, survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from emberkeep.cli.session import Session
    from emberkeep.store.protocol import Entry
    from emberkeep.store.summaries import Summary

# How a list may be sorted: by what comes first.
ORDERS: Mapping[str, Callable[[dict[str, Any]], tuple[Any, ...]]] = {
    "name": lambda entry: (entry["kind"], entry["name"], -entry["last_used"]),
    "used": lambda entry: (-entry["last_used"], entry["kind"], entry["name"]),
    "size": lambda entry: (-entry["size_bytes"], entry["kind"], entry["name"]),
    "cost": lambda entry: (-(entry["cost_s"] or 0.0), entry["kind"], entry["name"]),
}


def _configure(parser: ArgumentParser) -> None:
    add_namespace(parser)
    parser.add_argument("--all", action="store_true", help="emberkeep's own kernels, too")
    arguments.add_since(parser)
    parser.add_argument(
        "--sort",
        choices=tuple(ORDERS),
        default="name",
        help="by kind and name (the default), or what was used last, is largest, cost most, first",
    )
    parser.add_argument("--limit", type=arguments.count, metavar="N", help="the first N alone")


def _list(session: Session) -> int:
    options = session.options
    surveyed = survey(session.directory)
    known = [entry for entry, _ in surveyed]
    kind, name = split_namespace(options.namespace, known)
    chosen = [
        (entry, said)
        for entry, said in surveyed
        if is_named(entry.kind, kind) and is_named(entry.name, name)
    ]
    pins = pinned(session.directory)
    found = [
        _describe(entry, said, pins)
        for entry, said in chosen
        if arguments.is_recent(entry, options.since)
    ]
    found.sort(key=ORDERS[options.sort])
    shows_all = options.all or name is not None
    text = options.namespace
    if text and known and not chosen:
        lines = _unknown(text, known)
    else:
        lines = _rows(found, options.limit, shows_all=shows_all)
    session.answer({"root": session.root, "entries": found[: options.limit]}, lines)
    return 0


def _unknown(text: str, known: list[Entry]) -> Iterator[str]:
    yield f"Nothing here is called {text!r}.{did_you_mean(text, words_of(known))}"


def _describe(entry: Entry, said: Summary, pins: set[tuple[str, str, str]]) -> dict[str, Any]:
    known = said.state == OK
    return {
        "kind": entry.kind,
        "name": said.name if known else entry.name,
        "key": entry.key,
        "size_bytes": entry.size_bytes + sum(said.sizes),
        "last_used": entry.last_used,
        "cost_s": said.cost_s if known else None,
        "pinned": (entry.kind, entry.name, entry.key) in pins,
        "own": said.own,
        "state": said.state,
    }


def _rows(found: list[dict[str, Any]], limit: int | None, *, shows_all: bool) -> Iterator[str]:
    hidden = [] if shows_all else [entry for entry in found if entry["own"]]
    shown = [entry for entry in found if shows_all or not entry["own"]]
    if not shown:
        yield "Nothing of yours is kept here." if hidden else "Nothing is kept here."
    else:
        yield from _table(shown[:limit])
    if limit is not None and len(shown) > limit:
        yield f"and {len(shown) - limit} more"
    if hidden:
        total = size(sum(entry["size_bytes"] for entry in hidden))
        yield f"and {len(hidden)} of emberkeep's own kernels, {total}: emberkeep ls --all"


def _table(found: list[dict[str, Any]]) -> Iterator[str]:
    now = time.time()
    rows = [("kind", "name", "key", "size", "unused for", "cost", "")]
    rows += [
        (
            entry["kind"],
            entry["name"],
            short_key(entry["key"]),
            size(entry["size_bytes"]),
            duration(max(0.0, now - entry["last_used"])),
            "-" if entry["cost_s"] is None else duration(entry["cost_s"]),
            " ".join(["pinned"] * entry["pinned"] + [entry["state"]] * (entry["state"] != OK)),
        )
        for entry in found
    ]
    yield from table(rows, "<<<>>>")


COMMAND = Command(
    _configure,
    _list,
    """\
  emberkeep ls
  emberkeep ls generated
  emberkeep ls generated/lorenz --format json
  emberkeep ls --all
  emberkeep ls --since 2d --sort size --limit 10
""",
)
