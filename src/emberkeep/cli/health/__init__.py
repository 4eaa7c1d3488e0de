"""What `doctor` says of one thing that it looked at."""

from __future__ import annotations

from emberkeep.startup_records import final, frozen

OK, WARN, BAD = "ok", "warn", "bad"


@final
@frozen
class Check:
    """One thing that was looked at: its name, how it is, the fact, and what to do about it."""

    name: str
    state: str
    detail: str
    remedy: str = ""
