"""How a test or a fault program tells a lying file system what to do."""

import json
import os
import socket

PATIENCE_S = 20.0


class Controls:
    """Orders to one mounted file system; the socket is all that is needed to give them.

    See the fixture `mount` for what can be injected.
    """

    def __init__(self, control):
        self.control = control

    def inject(self, error=None, operation=None, **rule):
        """Add a lie: an error of an operation, or a kind of its own; see `mount`."""
        kinds = ("delay", "hang", "hidden", "negative", "stale", "torn", "flipped")
        chosen = {kind: rule.pop(kind) for kind in kinds if kind in rule}
        if (error is not None) + len(chosen) != 1:
            raise TypeError(f"inject one error or one of {kinds}, not {error} and {chosen}")
        kind, value = (error, None) if error else chosen.popitem()
        self._order("inject", kind=kind, value=value, operation=operation, **rule)

    def clear(self):
        """Tell the truth from now on, and release what hangs. Counts stay."""
        self._order("clear")

    def release(self):
        """Let go of what hangs now."""
        self._order("release")

    def counts(self, operation=None):
        """How often each kind of lie was told: ``{"ESTALE": 200, "hang": 1}``."""
        total = {}
        for told_at, kind, count in self._order("counts")["told"]:
            if operation in (None, told_at):
                total[kind] = total.get(kind, 0) + count
        return total

    def operations(self):
        """How many operations of each name have arrived: ``{"getattr": 12, "open": 3}``."""
        return self._order("counts")["operations"]

    def _order(self, name, **details):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(os.fspath(self.control))
            connection.sendall((json.dumps({"do": name, **details}) + "\n").encode())
            answer = json.loads(connection.makefile().readline())
        if "problem" in answer:
            raise ValueError(answer["problem"])
        return answer


def unmounting(mount):
    """The command that unmounts even what is in use or hangs."""
    if os.geteuid() == 0:
        return ["umount", "-l", mount]
    return ["fusermount3", "-u", "-z", mount]
