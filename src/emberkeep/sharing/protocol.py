"""What a shared place can do beyond what every store can; object stores will be others of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from emberkeep.lease.protocol import LeaseAmongHosts, Owner
    from emberkeep.lease.wait import Wait
    from emberkeep.store.protocol import Kept, Store

    class SharedStore(Store, Protocol):
        """A store that others write too: what goes there is signed, and builders take turns."""

        def endorsed(self, kept: Kept) -> Kept:
            """An artifact as it goes there.

            Raises:
                Untrusted: nobody who counts vouches for it.
                StoreProblem: there is no key to sign with.
            """
            ...

        def make_room(self) -> bool:
            """Collect by the limits of the place, if it is this user's; whether it was time to.

            Raises:
                StoreProblem: the place cannot be listed.
            """
            ...

        def acquire(
            self,
            name: str,
            host: str,
            on_problem: Callable[[str], None],
            *,
            owner: Owner,
            wait: Wait,
        ) -> LeaseAmongHosts | None:
            """The right to build, among all hosts; None where there is none to be had.

            `emberkeep.lease.shared.acquire_slot` gives one wherever there is a slot for each key:
            a file with a heartbeat, or an object that is put on condition.
            """
            ...
