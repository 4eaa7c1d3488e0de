"""What a miss does: take the lease, look again, build, publish. A hit loads none of this."""

from __future__ import annotations

import sys
import time
from _thread import get_ident
from contextlib import contextmanager

from emberkeep.errors import InvalidBuild, StoreProblem, ToolchainWarning, Untrusted
from emberkeep.keep.artifact import Artifact, artifact_of, is_refused
from emberkeep.keep.notices import Notice, Waiting
from emberkeep.keep.reports import NO_SPAN, log, span
from emberkeep.keep.turn import Turn
from emberkeep.lease.local import open_lock
from emberkeep.lease.protocol import open_owner
from emberkeep.lease.wait import Wait
from emberkeep.settings import has_limits
from emberkeep.startup_records import final, sha256
from emberkeep.store.build_result import read_build
from emberkeep.store.layers import Layered
from emberkeep.store.manifest import copy_layout
from emberkeep.store.manifest_writing import compose
from emberkeep.store.protocol import BlobRef, Kept, Manifest, Miss
from emberkeep.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _io import FileIO
    from collections.abc import Callable, Generator, Mapping
    from typing import Any

    from emberkeep.keep.artifact import BuildHalf
    from emberkeep.keep.reports import Trouble
    from emberkeep.keys import Fingerprint
    from emberkeep.lease.protocol import LeaseAmongHosts
    from emberkeep.settings import Settings
    from emberkeep.sharing.protocol import SharedStore
    from emberkeep.sharing.publisher import Publisher
    from emberkeep.store.build_result import Built
    from emberkeep.store.counts import Counts
    from emberkeep.store.layers import Later, Places
    from emberkeep.store.protocol import Key

    Trees = Mapping[str, Fingerprint]


@final
class Builder:
    """Builds what a keep does not have.

    Args:
        settings: of the keep.
        places: where it looks and what it writes.
        counts: counts.
        seal: gives the user's seal for a digest.
        trouble: tells the user.
    """

    def __init__(
        self,
        settings: Settings,
        places: Places,
        counts: Counts,
        seal: Callable[[str], str],
        trouble: Trouble,
    ) -> None:
        self._settings = settings
        self._local = None if settings.read_only else places.local
        self._near = Layered(places.near, self._tell)
        self._all = Layered((*places.near, *places.shared), self._tell)
        self._shared = tuple(place for place in places.shared if place.writable)
        self._counts = counts
        self._seal = seal
        self._trouble = trouble
        self._publishers: list[Publisher] = []
        self._collectors: list[Publisher] = []
        self._has_limits = any(map(has_limits, settings.shared))

    def _tell(self, problem: Exception) -> None:
        self._trouble("place", f"{problem}. {self.remedy()}")

    def remedy(self) -> str:
        """What to do where nothing can be kept."""
        return remedy(self._settings)

    def obtain(
        self,
        key: Key,
        trees: Trees,
        build: Callable[[], Mapping[str, object]],
        miss: Miss,
        toolchain: BuildHalf | None,
        refused: Artifact | None = None,
    ) -> Artifact:
        """Build when it is our turn, unless somebody else has built it while we waited for that."""
        settings = self._settings
        wait = Wait(settings.max_wait_s, Waiting(settings.notices, f"{key.kind}/{key.name}"))
        root = None if self._local is None else self._local.root
        found: list[Kept] = []

        def is_there() -> bool:
            again = self._look_again(key, refused)
            if again is not None:
                found.append(again)
            return again is not None

        with open_owner() as owner:
            turn = Turn(key, owner, wait, root, self)
            is_ours = turn.begin(is_there)
            if found:
                return self._after_waiting(found[0])
            lock = self._open_lock() if is_ours and root is not None else None
            with NO_SPAN if lock is None else lock:
                turn.lock = lock
                artifact = self._take_turn(turn, key, trees, build, miss, toolchain, refused)
        with self._sparing():
            self._make_room()
        return artifact

    @contextmanager
    def _sparing(self) -> Generator[None]:
        """Once something is built: no warning of this thread becomes an error that loses it."""
        self._trouble.spared.add(get_ident())
        try:
            yield
        finally:
            self._trouble.spared.discard(get_ident())

    def _open_lock(self) -> FileIO | None:
        """The owner of the lease on this host; without one, there is none."""
        try:
            return open_lock()
        except OSError as problem:  # no descriptors are left
            self._no_lease(f"Builds cannot be coordinated: {problem}.")
            return None

    def _take_turn(
        self,
        turn: Turn,
        key: Key,
        trees: Trees,
        build: Callable[[], Mapping[str, object]],
        miss: Miss,
        toolchain: BuildHalf | None,
        refused: Artifact | None,
    ) -> Artifact:
        succeeded = False
        try:
            found = self._wait(turn, key, refused)
            if found is not None:
                succeeded = True
                return self._after_waiting(found)
            self._counts.add("miss", key.kind, miss.reason, 0.0)
            log("miss (%s): %s/%s %s", f"{miss.reason}: {miss.detail}", key)
            started = time.perf_counter()
            try:
                built = self.build(key.kind, key.name, build)
            except Exception as problem:
                turn.fail(problem)
                raise
            cost = time.perf_counter() - started
            self.publish(key, trees, built, cost, toolchain, turn.among_hosts)
            succeeded = True
            reason = f"{miss.reason}: {miss.detail}"
            # Copies, as for a hit: the memory layer holds what was built.
            layout = copy_layout(built.layout)
            return Artifact(str(key), dict(built.blobs), layout, hit=False, reason=reason)
        finally:
            turn.end(succeeded=succeeded)

    def _wait(self, turn: Turn, key: Key, refused: Artifact | None) -> Kept | None:
        """Take one lease after the other; what another has built meanwhile."""
        nearest = self._shared[0] if self._shared else None
        place = None if nearest is None else lambda: _open(nearest)
        for _ in turn.take(place, self._no_lease_here, self._no_lease):
            again = self._look_again(key, refused)
            if again is not None:
                return again
        if turn.wait.given_up:
            self._trouble(
                "waiting",
                f"{key.kind}/{key.name} is built here as well: {turn.wait.given_up}. "
                "EMBERKEEP_MAX_WAIT says how long others are waited for.",
            )
        return None

    def _look_again(self, key: Key, refused: Artifact | None) -> Kept | None:
        again = self._all.read(key)
        if isinstance(again, Miss) or (refused and is_refused(again, refused)):
            return None
        return again

    def _after_waiting(self, found: Kept) -> Artifact:
        key = found.manifest.key
        self._counts.add("hit", key.kind, "waited", found.manifest.cost_s)
        log("hit in %s: %s/%s %s", "the keep after waiting", key)
        return artifact_of(found, hit=True, reason="built by another while we waited")

    def _no_lease_here(self, text: str) -> None:
        """A place where not even a lease can be written is one that keeps nothing."""
        root = self._settings.root
        self._trouble("place", f"Nothing can be kept in {root}. {remedy(self._settings)} {text}")

    def _no_lease(self, text: str) -> None:
        self._trouble("place", text)

    def _tell_aside(self, text: str) -> None:
        """Tell the user from another thread, where nobody could catch what is raised."""
        with self._sparing():
            self._trouble("place", text)

    def _make_room(self) -> None:
        """Collect in the background, where it is time to: nobody waits for that, or for leases."""
        try:
            self._make_room_here()
            for place in self._shared if self._has_limits else ():
                self._collect(lambda place=place: _open(place).make_room())
        except OSError as problem:  # also where no file can be opened to load what collects
            self._tell(problem)

    def _make_room_here(self) -> None:
        local = self._local
        if local is None or not local.writable:
            return
        from emberkeep.store.schedule import collect, take_turn

        limits = self._settings
        if take_turn(local):
            self._collect(lambda: collect(local, limits.max_size_bytes, limits.max_age_s))

    def _collect(self, collect: Callable[[], object]) -> None:
        def work() -> None:
            try:
                collect()
            except (StoreProblem, OSError) as problem:
                with self._sparing():
                    self._tell(problem)

        from emberkeep.sharing.publisher import Publisher

        if not self._collectors:
            self._collectors.append(Publisher(self._tell_aside))
        self._collectors[0].put(0, work)

    def build(self, kind: str, name: str, build: Callable[[], Mapping[str, object]]) -> Built:
        """What a build function gives, timed and checked."""
        started = time.perf_counter()
        outcome = "failed"
        try:
            if not callable(build):
                raise InvalidBuild(
                    f"The build of {kind}/{name} is {build!r}, which cannot be called. Pass a "
                    "function that returns a mapping from role to bytes"
                )
            remark = ", and each time: caching is off" if self._settings.disabled else ""
            notice = Notice(self._settings.notices, f"{kind}/{name}", remark)
            with notice, span(f"build {kind}/{name}", "build"):
                built = read_build(build(), f"{kind}/{name}")
            outcome = "built"
        finally:
            self._counts.add("build", kind, outcome, time.perf_counter() - started)
        return built

    def publish(
        self,
        key: Key,
        trees: Trees,
        built: Built,
        cost_s: float,
        toolchain: BuildHalf | None,
        lease: LeaseAmongHosts | None = None,
    ) -> None:
        """Keep what was built; whatever goes wrong here costs the next caller a build, no more.

        A lease among hosts goes along with what is published for them.
        """
        with self._sparing():
            try:
                self._publish(key, trees, built, cost_s, toolchain, lease)
            except Exception as problem:  # noqa: BLE001 - what was built is good, and waited for
                self._tell(problem)

    def _publish(
        self,
        key: Key,
        trees: Trees,
        built: Built,
        cost_s: float,
        toolchain: BuildHalf | None,
        lease: LeaseAmongHosts | None,
    ) -> None:
        drift = () if toolchain is None else toolchain.drift()
        if drift:
            self._trouble(
                "toolchain",
                f"{key.kind}/{key.name} was built but not kept: {' '.join(drift)}",
                ToolchainWarning,
            )
            return
        is_homeless = self._settings.root is None and not self._shared
        if is_homeless and "place" not in self._trouble.topics:
            self._trouble(
                "place",
                "There is no home, so nothing is kept beyond this process. Set EMBERKEEP_DIR to a "
                "folder.",
            )
        kept = self._compose(key, trees, built, cost_s)
        try:
            if self._near.writable:
                self._near.write(kept)
        except (StoreProblem, OSError) as problem:
            self._tell(problem)
        if self._shared:
            self._publish_to_others(kept, lease)

    def _compose(self, key: Key, trees: Trees, built: Built, cost_s: float) -> Kept:
        blobs = tuple(
            BlobRef(role, sha256(content).hexdigest(), len(content))
            for role, content in sorted(built.blobs.items())
        )
        manifest = Manifest(key, blobs, built.layout, cost_s, time.time(), _made_by())
        document = compose(manifest, trees, self._seal)
        return Kept(manifest, document, built.blobs, built.source)

    def _publish_to_others(self, kept: Kept, lease: LeaseAmongHosts | None) -> None:
        """In the background, in order; those of other hosts who wait are let go afterwards."""
        # Here, since it loads modules: a child that is forked while another thread does so waits
        # for ever for that thread's import to end.
        ready: list[tuple[Later, Kept]] = []
        for place in self._shared:
            try:
                ready.append((place, _open(place).endorsed(kept)))
            except (StoreProblem, Untrusted) as problem:
                self._trouble(f"publish {place.label}", f"{problem}.")

        def work() -> None:
            for place, endorsed in ready:
                try:
                    place.write(endorsed)
                except StoreProblem as problem:
                    with self._sparing():
                        self._trouble(f"publish {place.label}", f"{problem}.")

        size_bytes = sum(map(len, kept.blobs.values()))
        self._publisher().put(size_bytes, work, () if lease is None else (lease,))

    def _publisher(self) -> Publisher:
        if not self._publishers:
            from emberkeep.sharing.publisher import Publisher

            self._publishers.append(Publisher(self._tell_aside))
        return self._publishers[0]

    def flush(self, patience_s: float) -> bool:
        """Wait until all is published; whether it was in time."""
        return all(publisher.flush(patience_s) for publisher in self._publishers)


def remedy(settings: Settings) -> str:
    """What to do where the place of a keep cannot be used, and who named it."""
    named = settings.origins["root"]
    if named == "an argument":
        return "Pass root= another folder; `emberkeep doctor` says more."
    of = "your cache folder" if named == "default" else f"that of {named}"
    return (
        f"Set EMBERKEEP_DIR to a folder that can be written, on a disk with room (it is {of} now), "
        "and EMBERKEEP_CONFIG_DIR, for keys, where there is no home; `emberkeep doctor` says more."
    )


def _open(place: Later) -> SharedStore:
    """A shared place, as what it is."""
    store: Any = place.store
    return store


def _made_by() -> dict[str, str]:
    return {"emberkeep": __version__, "python": sys.version.partition(" ")[0]}
