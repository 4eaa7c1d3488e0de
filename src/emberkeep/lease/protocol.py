"""What a lease is, whoever gives it: this process, the kernel, a folder, or an object store.

A lease has one owner at every moment: the call that builds, then the publication that it goes along
with. An owner is open for as long as it works, and what closes it is no line of Python that an
interrupt could skip: the end of a ``with`` over a file, or the end of a queue's job. A lease whose
owner is closed is lost, and given back by whoever notices first.
"""

from __future__ import annotations

from _io import BytesIO

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from emberkeep.lease.record import Record

    class Owner(Protocol):
        """Who holds leases."""

        @property
        def closed(self) -> bool:
            """Whether it has ended; then it holds nothing any more."""
            ...

        def close(self) -> None:
            """End."""
            ...

    class Lease(Protocol):
        """The right to build one key, held until `release`."""

        @property
        def owner(self) -> Owner:
            """Who holds it now."""
            ...

        @property
        def holder(self) -> str:
            """The same in words, as those who wait are told."""
            ...

        def renew(self) -> bool:
            """Show that its holder lives; whether the lease still is its own."""
            ...

        def fail(self, problem: Exception) -> None:
            """Leave the error of the build for those who wait on this very lease."""
            ...

        def release(self, *, succeeded: bool) -> None:
            """Let others have it, from any thread; nothing in a forked child, or once again."""
            ...

    class LeaseAmongHosts(Lease, Protocol):
        """One that outlives the call that built, until what was built is there for all."""

        def hand_over(self, owner: Owner) -> None:
            """Give it to another owner, in one step; the thread that built may wait for it then."""
            ...

    class Slot(Protocol):
        """Where the lease of one key lies, for all hosts: a file, or an object under a condition.

        All of it may raise OSError.
        """

        @property
        def label(self) -> str:
            """What messages call it; the same for the same slot."""
            ...

        def look(self) -> Record | None:
            """What lies there now."""
            ...

        def create(self, ours: Record) -> bool:
            """Put a record there, unless there is one; whether it was put."""
            ...

        def take_away(self, judged: Record) -> None:
            """Empty it if it still holds what was judged."""
            ...

        def beat(self, token: str, heartbeats: int) -> bool:
            """Write how often the heart has beaten if it still is the token's; whether it is."""
            ...

        def give_back(self, token: str) -> None:
            """Empty it if it is the token's."""
            ...

        def tell(self, message: bytes) -> None:
            """Leave why a build has failed; it outlives the lease."""
            ...

        def told(self) -> bytes:
            """What was left; FileNotFoundError where nothing was."""
            ...

        def forget(self) -> None:
            """Remove what was left, if it can be."""
            ...


def open_owner() -> BytesIO:
    """An owner for the length of a ``with``, which closes it without a line of Python.

    It takes no descriptor: a thousand threads may wait.
    """
    return BytesIO()


@final
class Job:
    """An owner that ends when it says so: work that no interrupt can reach."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        """End."""
        self.closed = True
