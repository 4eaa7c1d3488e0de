"""What a miss does: take the lease, look again, build, publish. A hit loads none of this."""

from __future__ import annotations

import os
import sys
import time

from emberkeep.cache import Artifact, artifact_of, is_refused, log, span
from emberkeep.cache.notices import Notice
from emberkeep.errors import InvalidBuild, StoreProblem, ToolchainWarning, Untrusted
from emberkeep.lease import acquire
from emberkeep.light import final, sha256
from emberkeep.store.built import read_build
from emberkeep.store.composition import compose
from emberkeep.store.layers import Layered
from emberkeep.store.manifest import copy_layout
from emberkeep.store.protocol import BlobRef, Kept, Manifest, Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from emberkeep.cache import BuildHalf, Places, Trouble
    from emberkeep.keys import Fingerprint
    from emberkeep.lease import Lease
    from emberkeep.lease.shared import SharedLease
    from emberkeep.settings import Settings
    from emberkeep.sharing.place import SharedStore
    from emberkeep.sharing.publishing import Publisher
    from emberkeep.store.built import Built
    from emberkeep.store.layers import Later
    from emberkeep.store.protocol import Key
    from emberkeep.store.tally import Tally

    Trees = Mapping[str, Fingerprint]
    Leases = list[Lease | SharedLease]


@final
class Builder:
    """Builds what a keep does not have.

    Args:
        settings: of the keep.
        places: where it looks and what it writes.
        tally: counts.
        seal: gives the user's seal for a digest.
        trouble: tells the user.
    """

    def __init__(
        self,
        settings: Settings,
        places: Places,
        tally: Tally,
        seal: Callable[[str], str],
        trouble: Trouble,
    ) -> None:
        self._settings = settings
        self._local = None if settings.read_only else places.local
        self._near = Layered(places.near, self._tell)
        self._all = Layered((*places.near, *places.shared), self._tell)
        self._shared = tuple(place for place in places.shared if place.writable)
        self._tally = tally
        self._seal = seal
        self._trouble = trouble
        self._publishers: list[Publisher] = []

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
        """Build under leases, unless somebody else has built it while we waited for those."""
        leases: Leases = []
        succeeded = False
        try:
            found = self._wait(key, leases, refused)
            if found is not None:
                succeeded = True
                self._tally.add("hit", key.kind, "waited", found.manifest.cost_s)
                log("hit in %s: %s/%s %s", "the keep after waiting", key)
                return artifact_of(found, hit=True, reason="built by another while we waited")
            self._tally.add("miss", key.kind, miss.reason, 0.0)
            log("miss (%s): %s/%s %s", f"{miss.reason}: {miss.detail}", key)
            started = time.perf_counter()
            try:
                built = self.build(key.kind, key.name, build)
            except Exception as problem:
                for lease in leases:
                    lease.fail(problem)
                raise
            cost = time.perf_counter() - started
            self.publish(key, trees, built, cost, toolchain, leases)
            succeeded = True
            reason = f"{miss.reason}: {miss.detail}"
            # Copies, as for a hit: the memory layer holds what was built.
            layout = copy_layout(built.layout)
            return Artifact(str(key), dict(built.blobs), layout, hit=False, reason=reason)
        finally:
            for lease in reversed(leases):
                lease.release(succeeded=succeeded)

    def _wait(self, key: Key, leases: Leases, refused: Artifact | None) -> Kept | None:
        """Take the lease of this host, then that of all hosts; what another has built meanwhile.

        Whoever waits for other hosts holds the lease here, so that one process of a host asks.
        """
        name = sha256(f"{key.kind}\0{key.name}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()
        for take in (self._acquire_here, self._acquire_among_hosts):
            lease = take(name, leases)
            if lease is not None:
                leases.append(lease)
                again = self._all.read(key)
                if isinstance(again, Miss) or (refused and is_refused(again, refused)):
                    continue
                return again
        return None

    def _acquire_here(self, name: str, _leases: Leases) -> Lease | None:
        if self._local is None:
            return None
        return acquire(os.path.join(self._local.root, "leases"), name, self._no_lease_here)

    def _no_lease_here(self, text: str) -> None:
        """A place where not even a lease can be written is one that keeps nothing."""
        root = self._settings.root
        self._trouble("place", f"Nothing can be kept in {root}. {remedy(self._settings)} {text}")

    def _acquire_among_hosts(self, name: str, leases: Leases) -> SharedLease | None:
        """Where there are several shared places, the nearest tells who builds."""
        if not self._shared:
            return None
        return _open(self._shared[0]).acquire(name, self._owner() if leases else "", self._no_lease)

    def _owner(self) -> str:
        """This host's keep: whoever holds its lease knows that nobody else of it can.

        Empty where nobody can tell: its folder may go at any moment.
        """
        if self._local is None:
            return ""
        try:
            facts = os.stat(self._local.root)
        except OSError:
            return ""
        try:
            with open("/proc/sys/kernel/random/boot_id") as file:
                host = file.read().strip()
        except OSError:
            host = os.uname().nodename
        return f"{host} {facts.st_dev} {facts.st_ino}"

    def _no_lease(self, text: str) -> None:
        self._trouble("place", text)

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
            self._tally.add("build", kind, outcome, time.perf_counter() - started)
        return built

    def publish(
        self,
        key: Key,
        trees: Trees,
        built: Built,
        cost_s: float,
        toolchain: BuildHalf | None,
        leases: Leases | None = None,
    ) -> None:
        """Keep what was built; whatever goes wrong here costs the next caller a build, no more.

        Leases of other hosts go along with what is published for them, and leave the list.
        """
        try:
            self._publish(key, trees, built, cost_s, toolchain, leases)
        except Exception as problem:  # the build is good, and its caller waits for it
            if isinstance(problem, Warning):  # the user wants to have them as errors
                raise
            self._tell(problem)

    def _publish(
        self,
        key: Key,
        trees: Trees,
        built: Built,
        cost_s: float,
        toolchain: BuildHalf | None,
        leases: Leases | None,
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
            if self._local is not None and self._local.writable:
                from emberkeep.store.schedule import collect_if_due

                limits = self._settings
                collect_if_due(self._local, limits.max_size_bytes, limits.max_age_s)
        except (StoreProblem, OSError) as problem:
            self._tell(problem)
        if self._shared:
            self._publish_to_others(kept, [] if leases is None else leases)

    def _compose(self, key: Key, trees: Trees, built: Built, cost_s: float) -> Kept:
        blobs = tuple(
            BlobRef(role, sha256(content).hexdigest(), len(content))
            for role, content in sorted(built.blobs.items())
        )
        manifest = Manifest(key, blobs, built.layout, cost_s, time.time(), _made_by())
        document = compose(manifest, trees, self._seal)
        return Kept(manifest, document, built.blobs, built.source)

    def _publish_to_others(self, kept: Kept, leases: Leases) -> None:
        """In the background, in order; those of other hosts who wait are let go afterwards."""
        from emberkeep.lease.shared import SharedLease

        theirs = [lease for lease in leases if isinstance(lease, SharedLease)]
        leases[:] = [lease for lease in leases if not isinstance(lease, SharedLease)]
        for lease in theirs:
            lease.hand_over()

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
                    self._trouble(f"publish {place.label}", f"{problem}.")

        def done() -> None:
            for lease in theirs:
                lease.release(succeeded=True)

        self._publisher().put(sum(map(len, kept.blobs.values())), work, done)

    def _publisher(self) -> Publisher:
        if not self._publishers:
            from emberkeep.sharing.publishing import Publisher

            self._publishers.append(Publisher(self._no_lease))
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
    from emberkeep.version import __version__

    return {"emberkeep": __version__, "python": sys.version.partition(" ")[0]}
