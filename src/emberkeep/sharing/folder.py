"""A folder that several hosts and users share: over NFS, as a rule, with all that this means.

It is read by way of a thread that may be left behind, since a dead server keeps readers waiting
for ever; what it holds counts if somebody trusted has signed it; and nothing that others put there
is ever moved away. The folder itself must exist: where it does not, it is not mounted.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager

from emberkeep.errors import StoreProblem
from emberkeep.settings import REQUIRE
from emberkeep.sharing.deadline import guard
from emberkeep.sharing.known_places import KnownPlace
from emberkeep.startup_records import final, replace
from emberkeep.store.directory import Directory
from emberkeep.store.files import RESERVED, as_of, folder_name
from emberkeep.store.layers import size_of
from emberkeep.store.object_store import Folder
from emberkeep.store.packed import Packed
from emberkeep.store.protocol import ABSENT, DAMAGED, UNREADABLE, Miss
from emberkeep.store.summaries import holdings, in_time, manifest_names
from emberkeep.trust.others import Others

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import TypeVar

    from emberkeep.lease.protocol import LeaseAmongHosts, Owner, Slot
    from emberkeep.lease.wait import Wait
    from emberkeep.settings import Place
    from emberkeep.sharing.deadline import Deadline
    from emberkeep.store.object_store import ObjectStore
    from emberkeep.store.protocol import Entry, Kept, Key, Manifest, Notebook
    from emberkeep.trust.judge import Judge
    from emberkeep.trust.seals import Sealer

    T = TypeVar("T")

# Between attempts: a stale handle is gone with the next open, a busy server needs a moment.
PAUSES_S = (0.0, 0.005, 0.05)

COLLECTION_S = 600.0  # for a whole collection: nobody waits for it

# What a server says that lives: one may not write there, or nothing fits in. It can be read.
REFUSALS = frozenset([errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT])


def open_objects(place: Place) -> ObjectStore:
    """The place itself, by its address: here, other kinds of places will be told apart."""
    return Packed(Folder(place.path, as_of))


def label_of(place: Place) -> str:
    """What messages call a place."""
    return f"the shared folder {place.path}"


def open_place(
    place: Place,
    judge: Judge,
    sealer: Sealer,
    on_problem: Callable[[str], None],
    outages: str | None = None,
    notebook: Notebook | None = None,
) -> SharedFolder:
    """The store of a shared place, with the policy that the user has for it.

    Where that policy lets anything run it is told each time, and so nothing is noted.

    What is found wrong on the thread that reads is told on that of the caller, who can be named
    then. `threading` has to be loaded by such a thread too: by one that may be left behind, Python
    would wait for it at the end.
    """
    import threading

    threading.main_thread()  # by which it is this thread that has loaded it
    judge.trust.current()  # what is wrong with it is told here
    said: list[str] = []
    objects = open_objects(place)
    others = Others(
        judge,
        sealer,
        policy=place.policy,
        revocations=objects,
        details=place.details,
        on_problem=said.append,
    )
    seen = KnownPlace(judge.trust.config_dir, place.path)
    if place.policy != REQUIRE:
        notebook = None

    def settle() -> None:
        others.write_down_revocations()
        while said:
            on_problem(said.pop(0))

    return SharedFolder(place, others, settle, objects, seen, outages, notebook)


def _nothing_to_settle() -> None: ...


@final
class SharedFolder:
    """A shared folder as a store.

    Args:
        place: its path and options.
        others: who is believed there.
        settle: called after each call to the place, on the caller's thread: tells what is wrong,
            and writes down what was learned.
        objects: the place itself; by default that which its address names.
        seen: whether there was a keep at this address before; by default nobody knows.
        outages: the user's own keep, in which processes tell each other of places that hang; by
            default this one is asked whatever they say.
        notebook: where to note what manifests said.

    Attributes:
        directory: the folder itself, for those who look at it without a deadline.
    """

    def __init__(
        self,
        place: Place,
        others: Others,
        settle: Callable[[], None] = _nothing_to_settle,
        objects: ObjectStore | None = None,
        seen: KnownPlace | None = None,
        outages: str | None = None,
        notebook: Notebook | None = None,
    ) -> None:
        self._seen = KnownPlace(None, place.path) if seen is None else seen
        self._settle = settle
        self.label = f"shared {place.path}"
        self.writable = not place.read_only
        self._root = place.path
        self._deadline_s = place.deadline_s
        self._limits = place.max_size_bytes, place.max_age_s
        self._details = place.details
        self._others = others
        self._guarded = guard(label_of(place), place.deadline_s, outages)
        self._objects = open_objects(place) if objects is None else objects
        self.directory = Directory(
            self._objects,
            others.verify,
            endorse=others.endorse,
            label=self.label,
            heals=False,
            notes_use=self.writable,
            standing=others.standing,
            notebook=notebook,
        )

    def read(self, key: Key) -> Kept | Miss:
        """The artifact of this key, checked; or why there is none, told in time."""
        try:
            found = self._call(lambda deadline: self._read(key, deadline))
        except OSError as problem:
            return Miss(UNREADABLE, str(problem))
        if isinstance(found, Miss) and found.reason == UNREADABLE:
            self._guarded.failed(OSError(found.detail))
        else:
            self._guarded.succeeded()
        return found

    def _read(self, key: Key, deadline: Deadline) -> Kept | Miss:
        """Read, and read again where the client of the file system may have been behind."""
        self._others.learn_revocations()
        found: Kept | Miss = Miss(ABSENT, "")
        for attempt, pause in enumerate(PAUSES_S):
            if attempt:
                time.sleep(pause)
            found = self.directory.read(key, deadline.extend)
            if not isinstance(found, Miss) or found.reason not in (ABSENT, DAMAGED, UNREADABLE):
                break
            folders = folder_name(key.kind), folder_name(key.name)
            if found.reason != UNREADABLE and (attempt or not self._refresh(*folders)):
                break
        if not isinstance(found, Miss):
            self._seen.note()
        elif found.reason == ABSENT:
            problem = self._absence()
            return found if problem is None else Miss(UNREADABLE, problem)
        return found

    def _refresh(self, *names: str) -> bool:
        """Have a folder within looked at anew: clients remember what was not there.

        Opening a folder makes a client of NFS ask the server whether it has changed; then it
        forgets what it knew to be missing in it, which may be the next one. Whether all are there.
        """
        if self.directory.folder is None:
            return False
        for depth in range(len(names) + 1):
            try:
                descriptor = os.open(os.path.join(self._root, *names[:depth]), os.O_RDONLY)
            except OSError:
                return False
            try:
                os.fstat(descriptor)
            except OSError:
                return False
            finally:
                os.close(descriptor)
        return True

    def _not_there(self) -> str:
        return (
            f"the shared folder {self._root} is not there. Mount it, or make it: "
            f"mkdir -m 2775 {self._root}"
        )

    def endorsed(self, kept: Kept) -> Kept:
        """An artifact as it goes there: signed, and without details where the user wants it so.

        Raises:
            Untrusted: nobody who counts vouches for it.
            StoreProblem: there is no key to sign with.
        """
        source = kept.source if self._details else ""
        return replace(kept, {"document": self._others.endorse(kept.document), "source": source})

    def write(self, kept: Kept) -> None:
        """Publish an artifact, whole or not at all, with a signature.

        Raises:
            StoreProblem: it cannot be published; the message says why.
            Untrusted: nobody who counts vouches for it.
        """
        self.put(kept)

    def put(self, kept: Kept) -> bool:
        """As `write`; whether it is there now: what is of a newer format stays."""

        def work(deadline: Deadline) -> bool:
            deadline.extend(2 * size_of(kept))  # what is there already is read, and compared
            self._require_place()
            is_there = self.directory.put(kept)
            self._seen.note()
            return is_there

        return self._change(work)

    def make_room(self) -> bool:
        """Collect by the limits of the place, if it is this user's; whether it was time to.

        Of a folder, its owner collects, once a day at most and whichever of the owner's processes
        comes first; of another place, whoever has set limits for it.
        """
        size, age = self._limits
        if not self.writable or (size is None and age is None):
            return False
        from emberkeep.store.schedule import collect, take_turn

        def work(deadline: Deadline) -> bool:
            deadline.renew(COLLECTION_S)
            if not self._is_mine():
                return False
            self._require_place()
            if not self.directory.is_keep() or not take_turn(self.directory):
                return False
            collect(self.directory, size, age)
            return True

        try:
            return self._call(work)
        except OSError as problem:
            raise StoreProblem(f"No room is made in {self._root}: {problem}") from problem

    def _is_mine(self) -> bool:
        folder = self.directory.folder
        if folder is None or not hasattr(os, "geteuid"):
            return True
        return os.stat(folder.root).st_uid == os.geteuid()

    def remove(self, key: Key) -> bool:
        """Forget an artifact; whether it was there."""
        return self._change(lambda _deadline: self.directory.remove(key))

    def _change(self, work: Callable[[Deadline], T]) -> T:
        """Do what changes the folder, again where the first attempts fail."""
        last: Exception | None = None
        cause: OSError | None = None
        for pause in PAUSES_S:
            if pause:
                time.sleep(pause)
            try:
                done = self._call(work)
            except StoreProblem as problem:
                if not isinstance(problem.__cause__, OSError):
                    raise  # it is not the place that fails
                last, cause = problem, problem.__cause__
                if cause.errno in REFUSALS:
                    break
            except OSError as problem:
                raise StoreProblem(str(problem)) from problem
            else:
                self._guarded.succeeded()
                return done
        if cause is not None and cause.errno not in REFUSALS:
            self._guarded.failed(cause)  # once: three that fail are another matter than one
        raise StoreProblem(str(last)) from last

    def _absence(self) -> str | None:
        """Why the place is not there to be used; None where it is."""
        if not self._objects.is_there():
            return self._not_there()
        if self.directory.has_object("format") or not self._seen.is_known():
            return None
        if self._refresh() and self.directory.has_object("format"):  # laid out just now
            return None
        return (
            f"the shared folder {self._root} was a keep, and has none in it now. Mount it; if it "
            f"was emptied on purpose, say so: emberkeep init {self._root}"
        )

    def _require_place(self) -> None:
        problem = self._absence()
        if problem is not None:
            raise StoreProblem(problem)

    def require_keep(self, *, strangers: bool = False) -> None:
        """Refuse to look at what is no keep, as if it were one in which nothing is kept.

        Args:
            strangers: whether other things may lie where there is no keep yet.

        Raises:
            StoreProblem: there is no such place, or it holds something else.
        """

        def work(_deadline: Deadline) -> None:
            self._require_place()
            is_none = not self.directory.has_object("format")
            if is_none and not (strangers or RESERVED.issuperset(self._objects.groups(""))):
                raise StoreProblem(
                    f"{self._root} is no keep: it has no file 'format', and holds other things. "
                    "Was another folder meant?"
                )

        self._change(work)

    def lay_out(self) -> bool:
        """Make a keep of the place, whatever it was before; whether it was none.

        Raises:
            StoreProblem: it cannot be written, or is of another version.
        """
        from emberkeep.store.publication import writing

        self._seen.forget()
        is_new = self._change(lambda _deadline: not self.directory.is_keep())
        with writing(self.directory):
            self._seen.note()
        return is_new

    def _require_ours(self) -> None:
        """A newer emberkeep may keep something else where leases are put."""
        self._require_place()
        self.directory.check_layout()

    def read_entry(self, entry: Entry) -> tuple[Manifest | Miss, bytes]:
        """An entry's manifest and document, checked, its contents not."""
        return self._change(lambda _deadline: self.directory.read_entry(entry))

    @contextmanager
    def putting(self) -> Generator[Callable[[Kept], bool]]:
        """What does as `put`, for many, and tries each once; within `together`."""
        self._require_place()
        with self.directory.putting() as put:
            yield put
        self._seen.note()

    def fetch(self, entry: Entry, document: bytes | None = None) -> Kept | Miss:
        """The artifact of an entry, checked.

        Args:
            entry: which one.
            document: its document, where that was read a moment ago.
        """
        return self._change(lambda deadline: self.directory.fetch(entry, document, deadline.extend))

    def documents(self, entries: Sequence[Entry]) -> list[bytes | None]:
        """The documents of several entries, for who may do without those that are large."""

        def work(deadline: Deadline) -> list[bytes | None]:
            return self.directory.documents(entries, self._renewing(deadline))

        return self._change(work)

    def names(self) -> list[str]:
        """The names of all manifests that are there, by listing names alone."""

        def work(deadline: Deadline) -> list[str]:
            self._require_place()
            return list(in_time(manifest_names(self.directory), self._renewing(deadline)))

        return self._change(work)

    def holdings(self) -> frozenset[str]:
        """The names of all manifests that are there, vouched for, with contents of right sizes."""
        return self._change(
            lambda deadline: holdings(self.directory, self._renewing(deadline)),
        )

    def _renewing(self, deadline: Deadline) -> Callable[[], None]:
        """What gives the next of several calls that are made as one the time it would have."""
        return lambda: deadline.renew(self._deadline_s)

    def together(self, work: Callable[[Callable[[], None]], T]) -> T:
        """Do several calls as one, on one thread; each has the time that it would have alone.

        Args:
            work: is given what it calls between one and the next.
        """
        try:
            return self._call(lambda deadline: work(self._renewing(deadline)))
        except OSError as problem:
            raise StoreProblem(str(problem)) from problem

    def has(self, entry: Entry) -> bool:
        """Whether an entry is there, vouched for, with contents of the right sizes."""
        return self._change(lambda _deadline: self.directory.has(entry))

    def entries(self) -> Iterator[Entry]:
        """Everything that is there."""

        def work(deadline: Deadline) -> list[Entry]:
            self._require_place()
            return list(in_time(self.directory.entries(), self._renewing(deadline)))

        yield from self._change(work)

    def builds(self, kind: str, name: str, plan: str) -> Iterator[str]:
        """The build halves of what is there for this plan."""
        yield from self._change(lambda _deadline: list(self.directory.builds(kind, name, plan)))

    def acquire(
        self,
        name: str,
        host: str,
        on_problem: Callable[[str], None],
        *,
        owner: Owner | None = None,
        wait: Wait | None = None,
    ) -> LeaseAmongHosts | None:
        """The right to build, among all hosts; None where the folder cannot give any.

        Args:
            name: of what is to be built; a plain file name.
            host: the keep of this host whose own lease is held; empty where none is.
            on_problem: told when there can be no leases here; then everybody builds.
            owner: holds it; by default, whoever releases it.
            wait: for how long others are waited for; by default, without an end.
        """
        from emberkeep.lease.shared import acquire_slot

        if not self._others.can_endorse():
            return None  # nothing will be published: others would wait in vain
        try:
            self._call(lambda _deadline: self._require_ours())
        except (OSError, StoreProblem) as problem:
            on_problem(f"Builds cannot be coordinated with other hosts: {problem}.")
            return None
        slot = self._slot(f"leases/{name}.lease")
        return acquire_slot(slot, host, on_problem, call=self._in_time, owner=owner, wait=wait)

    def _slot(self, name: str) -> Slot:
        if self.directory.folder is None:
            from emberkeep.lease.object_slot import ObjectSlot

            return ObjectSlot(self._objects, name)
        from emberkeep.lease.file_slot import FileSlot

        return FileSlot(os.path.join(self._root, *name.split("/")))

    def settle(self) -> None:
        """Tell and write down what those have found who looked at `directory` without a call."""
        self._settle()

    def _in_time(self, work: Callable[[], T]) -> T:
        return self._call(lambda _deadline: work())

    def _call(self, work: Callable[[Deadline], T]) -> T:
        try:
            return self._guarded.call(work)
        finally:
            self._settle()
