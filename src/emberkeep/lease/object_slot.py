"""The slot of a lease in a place that holds bytes by name: a bucket, for one.

Two conditions of such a place are all that is needed: to write what is not there yet, and to remove
what has not changed since it was read. A heartbeat is a touch: it changes the version.
"""

from __future__ import annotations

from emberkeep.lease import failure
from emberkeep.lease.record import LIMIT, Record, parse
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.store.object_store import ObjectStore


@final
class ObjectSlot:
    """A `protocol.Slot` in an object store.

    Args:
        place: holds it.
        name: of its object.

    Attributes:
        label: where people find it.
    """

    def __init__(self, place: ObjectStore, name: str) -> None:
        self.label = place.address(name)
        self._place = place
        self._name = name
        self._failure = failure.path_for(name)
        self._versions: dict[str, int] = {}  # that were seen, by when each was for the first time

    def look(self) -> Record | None:
        """What lies there now; versions that were never seen before are heartbeats."""
        found = self._read()
        return None if found is None else found[0]

    def _read(self) -> tuple[Record, str] | None:
        try:
            content, facts = self._place.read(self._name, LIMIT)
        except FileNotFoundError:
            return None
        found, version = parse(content), facts.version
        beat = self._versions.setdefault(version, len(self._versions))
        return Record(content, found.token, found.owner, beat, found.holder), version

    def create(self, ours: Record) -> bool:
        """Put a record there, unless there is one."""
        try:
            self._place.write(self._name, ours.content, replaces=False)
        except FileExistsError:
            return False
        return True

    def take_away(self, judged: Record) -> None:
        """Remove it if it still is what was judged, with no heartbeat since."""
        for version, beat in tuple(self._versions.items()):
            if beat == judged.heartbeats:
                self._place.remove(self._name, version)

    def beat(self, token: str, heartbeats: int) -> bool:  # noqa: ARG002 - the place counts
        """Touch it, if it is the token's."""
        found = self._read()
        return found is not None and found[0].token == token and self._place.touch(self._name)

    def give_back(self, token: str) -> None:
        """Remove it if it is the token's; a heartbeat in between is the token's, too."""
        while (found := self._read()) is not None and found[0].token == token:
            if self._place.remove(self._name, found[1]):
                return

    def tell(self, message: bytes) -> None:
        """Leave why a build has failed."""
        self._place.write(self._failure, message)

    def told(self) -> bytes:
        """What was left."""
        return self._place.read(self._failure, failure.MESSAGE_LIMIT)[0]

    def forget(self) -> None:
        """Remove what was left."""
        self._place.remove(self._failure)
