"""What a shared place can do beyond what every store can; object stores will be others of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from emberkeep.lease.shared import SharedLease
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

        def acquire(
            self, name: str, owner: str, on_problem: Callable[[str], None]
        ) -> SharedLease | None:
            """The right to build, among all hosts; None where there is none to be had."""
            ...
