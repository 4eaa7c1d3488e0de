"""Whose turn it is to build: the leases of one call, from the nearest to the farthest.

First among the threads of this process, then among the processes of this host, then among hosts: so
one thread of a process asks the host, and one process of a host asks the others.
"""

from __future__ import annotations

import os

from emberkeep.lease.claims import claim
from emberkeep.lease.local import acquire
from emberkeep.startup_records import final, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _io import FileIO
    from collections.abc import Callable, Iterator

    from emberkeep.lease.protocol import Lease, LeaseAmongHosts, Owner
    from emberkeep.lease.wait import Wait
    from emberkeep.sharing.protocol import SharedStore
    from emberkeep.store.protocol import Key


@final
class Turn:
    """The leases that one call holds or waits for.

    Args:
        key: what is to be built.
        owner: of the leases: whatever happens, they are given back once it is closed.
        wait: how long others are waited for.
        root: of the local keep, if anything may be written there.
        unrooted: what tells this keep from others where there is no root.

    Attributes:
        lock: the owner of the lease on this host, which takes a descriptor: only for those whose
            turn it is among the threads. Without one, there is no such lease.
        among_hosts: the lease that goes along with what is published, if there is one.
    """

    def __init__(
        self, key: Key, owner: Owner, wait: Wait, root: str | None, unrooted: object
    ) -> None:
        self.lock: FileIO | None = None
        self.among_hosts: LeaseAmongHosts | None = None
        self.wait = wait
        self._owner = owner
        self._root = root
        text = f"{key.kind}\0{key.name}\0{key}".encode("utf-8", "surrogatepass")
        self._name = sha256(text).hexdigest()
        self._place = unrooted if root is None else root
        self._leases: list[Lease] = []
        self._is_coordinated = False

    def begin(self, is_there: Callable[[], bool]) -> bool:
        """Wait until it is this thread's turn, or another has built it; whether it is its turn."""
        name = self._place, self._name
        among_threads = claim(name, owner=self._owner, wait=self.wait, is_there=is_there)
        if among_threads is not None:
            self._leases.append(among_threads)
        return among_threads is not None

    def take(
        self,
        place: Callable[[], SharedStore] | None,
        no_lease_here: Callable[[str], None],
        no_lease: Callable[[str], None],
    ) -> Iterator[None]:
        """Take the other leases, and stop after each, so that one can look again.

        Args:
            place: the nearest one that hosts share, if any.
            no_lease_here: told when there are no leases on this host.
            no_lease: told when there are none among hosts.
        """
        if not self._leases:
            return
        if self._root is not None and self.lock is not None:
            folder = os.path.join(self._root, "leases")
            here = acquire(folder, self._name, no_lease_here, owner=self.lock, wait=self.wait)
            if here is not None:
                self._leases.append(here)
                self._is_coordinated = True
        if not self.wait.given_up:
            yield
        if place is None or self.wait.given_up:
            return
        host = _host(self._root) if self._root and self._is_coordinated else ""
        self.among_hosts = place().acquire(
            self._name, host, no_lease, owner=self._owner, wait=self.wait
        )
        if self.among_hosts is not None:
            self._leases.append(self.among_hosts)
            yield

    def fail(self, problem: Exception) -> None:
        """Tell those who wait why the build has failed."""
        for lease in self._leases:
            lease.fail(problem)

    def end(self, *, succeeded: bool) -> None:
        """Give back what was not handed over, the farthest first."""
        for lease in reversed(self._leases):
            if lease.owner is self._owner or lease.owner is self.lock:
                lease.release(succeeded=succeeded)


def _host(root: str) -> str:
    """This host's keep: whoever holds its lease knows that nobody else of it can."""
    try:
        facts = os.stat(root)
    except OSError:  # it has vanished, and with it the lease
        return ""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            host = file.read().strip()
    except OSError:
        host = os.uname().nodename
    return f"{host} {facts.st_dev} {facts.st_ino}"
