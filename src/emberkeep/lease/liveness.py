"""Whether somebody far away still lives, by what is seen of them and by one's own clock alone."""

from __future__ import annotations

import time

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.lease.record import Record

# Of the time after which a lease is stale, what may pass between two looks. A waiter that was
# itself stopped, or waited long for the server, has not watched all that time.
LONGEST_LOOK_AWAY = 0.25


@final
class Liveness:
    """For how long there was no sign of life, by the clock of this process.

    A sign is a token or a number of heartbeats that was never seen before: what a network file
    system shows again of the past is none.
    """

    def __init__(self, stale_s: float) -> None:
        self._stale_s = stale_s
        self._looked = time.monotonic()
        self._heartbeats: dict[str, int] = {}
        self._without_s = 0.0

    def is_stale(self, found: Record) -> bool:
        """Whether with what was found now there has been no sign of life for too long."""
        now = time.monotonic()
        passed_s = min(now - self._looked, self._stale_s * LONGEST_LOOK_AWAY)
        self._looked = now
        known = self._heartbeats.get(found.token)
        if known is None or found.heartbeats > known:
            self._heartbeats[found.token] = found.heartbeats
            self._without_s = 0.0
        else:
            self._without_s += passed_s
        return self._without_s > self._stale_s
