"""How values on the command line are read: sizes, durations, moments, counts."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError

from emberkeep.settings import parse_duration, parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable
    from typing import TypeVar

    from emberkeep.store.protocol import Entry

    T = TypeVar("T")

DATE = "%Y-%m-%d"
MOST = 1_000_000_000


def given(parse: Callable[[str], T], expected: str) -> Callable[[str], T]:
    """A reader that says what was expected."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except (ValueError, KeyError, OverflowError) as problem:
            raise ArgumentTypeError(f"{text!r} is not {expected}") from problem

    return read


def _since(text: str) -> float:
    """The moment before which nothing is meant: so long ago, or when a day began."""
    try:
        return time.mktime(time.strptime(text, DATE))
    except ValueError:
        moment = time.time() - parse_duration(text)
        if moment < 0:  # a date without hyphens, taken for days
            raise
        return moment


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number < MOST:
        raise ValueError(text)
    return number


size = given(parse_size, "a size such as 500MB or 10GiB")
duration = given(parse_duration, "a duration such as 30d, 12h or 90m (a bare number is days)")
since = given(_since, "a duration such as 2d or 12h, or a date such as 2027-01-31")
count = given(_count, "a number, 1 or more")


def add_since(parser: ArgumentParser) -> None:
    """The option for what was used lately."""
    parser.add_argument(
        "--since",
        type=since,
        metavar="WHEN",
        help="what was used since: 2d, 12h, or a date 2027-01-31",
    )


def is_recent(entry: Entry, moment: float | None) -> bool:
    """Whether an entry was used since then; any where no moment is named."""
    return moment is None or entry.last_used >= moment
