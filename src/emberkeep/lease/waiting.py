"""Waiting for a lease: looked at ever less often, and said once when it takes long."""

from __future__ import annotations

import time

from emberkeep.light import final

SAY_SO_AFTER_S = 10.0
SLOWER = 1.5  # each wait than the one before

FOR_ONESELF = (
    "A build asked for the artifact that it is building. Builds may ask for others, "
    "not for themselves."
)


@final
class Wait:
    """How long somebody has waited, and how long until the next look."""

    def __init__(self, first_s: float) -> None:
        self._started = time.monotonic()
        self._next_s = first_s
        self._said = False

    @property
    def waited_s(self) -> float:
        """Since it began."""
        return time.monotonic() - self._started

    def pause(self, longest_s: float, reason: str) -> None:
        """Sleep until the next look; the reason is logged once, if it takes long."""
        if not self._said and self.waited_s > SAY_SO_AFTER_S:
            self._said = True
            _say(f"waiting for {reason}")
        time.sleep(min(self._next_s, longest_s))
        self._next_s = min(self._next_s * SLOWER, longest_s)


def _say(text: str) -> None:
    import logging

    logging.getLogger("emberkeep.lease").info(text)
