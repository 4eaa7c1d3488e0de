"""Waiting for a lease: ever longer between two looks, said once it takes long, and not for ever."""

from __future__ import annotations

import os
import time

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SAY_SO_AFTER_S = 2.0
SLOWER = 1.5  # each pause than the one before
SHORT_S = 0.05  # pauses grow to that, and beyond it to a share of what was waited, up to
SHARE = 0.1
LONGEST_S = 1.0
FOR_EVER_S = float("inf")

FOR_ONESELF = (
    "A build asked for the artifact that it is building. Builds may ask for others, "
    "not for themselves."
)


def _log(holder: str) -> None:
    import logging

    logging.getLogger("emberkeep.lease").info("waiting for %s", holder)


@final
class Wait:
    """How long somebody has waited, for all the leases of one build, and how long they will.

    Args:
        limit_s: after which it is given up.
        on_wait: told once, when it takes long, who is waited for.

    Attributes:
        given_up: why it was given up, as half a sentence; empty while it is not.
    """

    def __init__(self, limit_s: float = FOR_EVER_S, on_wait: Callable[[str], None] = _log) -> None:
        self.given_up = ""
        self._limit_s = limit_s
        self._on_wait = on_wait
        self._started = time.monotonic()
        self._next_s = 0.0
        self._said = False

    @property
    def waited_s(self) -> float:
        """Since it began."""
        return time.monotonic() - self._started

    def goes_on(self, holder: Callable[[], str]) -> bool:
        """Whether to wait any longer; who is waited for is said once, when it is time to."""
        waited_s = self.waited_s
        if waited_s >= self._limit_s:
            self.give_up(f"after {waited_s:.3g} s there was no end of waiting for {holder()}")
        elif not self._said and waited_s >= SAY_SO_AFTER_S:
            self._said = True
            self._on_wait(holder())
        return not self.given_up

    def give_up(self, why: str) -> None:
        """Wait no longer, for any lease of this build."""
        self.given_up = why

    def pause(self, first_s: float, holder: Callable[[], str]) -> bool:
        """Sleep until the next look; whether there is one.

        Chance keeps those who wait for the same from looking all at once.
        """
        if not self.goes_on(holder):
            return False
        longest_s = min(max(SHORT_S, SHARE * self.waited_s), LONGEST_S)
        self._next_s = min(max(first_s, self._next_s * SLOWER), longest_s)
        time.sleep(min(self._next_s * (1 + os.urandom(1)[0] / 255) / 2, self.next_event_s()))
        return True

    def next_event_s(self) -> float:
        """Until there is something to be done: at most a while."""
        waited_s = self.waited_s
        events = [LONGEST_S, self._limit_s - waited_s]
        if not self._said:
            events.append(SAY_SO_AFTER_S - waited_s)
        return max(0.0, min(events))
