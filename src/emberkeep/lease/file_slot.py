"""The slot of a lease in a folder: its file, and the error of a build beside it."""

from __future__ import annotations

from emberkeep.lease import failure, record
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.lease.record import Record


@final
class FileSlot:
    """A `protocol.Slot` whose folder several hosts share.

    Attributes:
        label: the path of its file.
    """

    def __init__(self, path: str) -> None:
        self.label = path
        self._failure = failure.path_for(path)

    def look(self) -> Record | None:
        """What lies there now."""
        return record.look(self.label)

    def create(self, ours: Record) -> bool:
        """Put a record there, unless there is one."""
        return record.create(self.label, ours)

    def take_away(self, judged: Record) -> None:
        """Remove the file if it still is what was judged."""
        record.take_away(self.label, judged)

    def beat(self, token: str, heartbeats: int) -> bool:
        """Write how often the heart has beaten, if it is the token's."""
        try:
            return record.beat(self.label, token, heartbeats)
        except FileNotFoundError:
            return False

    def give_back(self, token: str) -> None:
        """Remove the file if it is the token's."""
        record.give_back(self.label, token)

    def tell(self, message: bytes) -> None:
        """Leave why a build has failed."""
        record.replace(self._failure, message)

    def told(self) -> bytes:
        """What was left."""
        return record.read(self._failure, failure.MESSAGE_LIMIT)

    def forget(self) -> None:
        """Remove what was left."""
        record.discard(self._failure)
