"""The one place where hit, miss and time are decided.

Look up → lease → look again → build → publish.
"""

from __future__ import annotations

import os
import sys
import time

from emberkeep import settings as settings_module
from emberkeep.errors import InvalidBuild, StoreProblem, StoreWarning, ToolchainWarning
from emberkeep.keys.fingerprint import branch, fingerprint_mapping
from emberkeep.light import final, frozen, sha256
from emberkeep.store.directory import Directory
from emberkeep.store.layers import Layered, Memory
from emberkeep.store.manifest import copy_layout
from emberkeep.store.protocol import (
    ABSENT,
    DISABLED,
    UNREADABLE,
    BlobRef,
    Kept,
    Key,
    Manifest,
    Miss,
)
from emberkeep.store.tally import Tally
from emberkeep.trust import Sealer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol

    from emberkeep.keys import Fingerprint
    from emberkeep.lease import Lease
    from emberkeep.store.built import Built
    from emberkeep.store.protocol import Layout, Store
    from emberkeep.store.tally import Totals
    from emberkeep.telemetry.spans import OpenSpan

    class BuildHalf(Protocol):
        """How something is compiled: ingredients of the build key, checked after the build."""

        @property
        def ingredients(self) -> Mapping[str, object]:
            """What the build key is made of."""
            ...

        def drift(self) -> tuple[str, ...]:
            """In what the toolchain that was used differs from the key; empty where it does not."""
            ...


@final
@frozen
class Artifact:
    """What `get_or_build` gives.

    Attributes:
        key: plan and build digests; empty where caching was off.
        blobs: contents by role.
        layout: what the build said beside them, as JSON values.
        hit: whether it was kept.
        reason: where it was kept, or why it had to be built.
    """

    key: str
    blobs: Mapping[str, bytes]
    layout: Layout
    hit: bool
    reason: str

    def __repr__(self) -> str:
        sizes = ", ".join(f"{role!r}: {len(content)} bytes" for role, content in self.blobs.items())
        how = "kept" if self.hit else "built"
        return f"<Artifact {self.key[:12] or 'without a key'}, {how} ({self.reason}): {sizes}>"


@final
@frozen
class Answer:
    """What `ask` gives.

    Attributes:
        artifact: what is kept; None where it has to be built.
        reason: where it was kept, or why it has to be built.
        publish: takes what a build function would return, and the seconds it took.
    """

    artifact: Artifact | None
    reason: str
    publish: Callable[[Mapping[str, object], float], None]


@final
class Keep:
    """A content-addressed store of expensive builds.

    Args:
        root: the folder; by default that of the settings, in the user's cache folder.
        disabled: build always, keep nothing.
        read_only: use what is kept, write nothing.
        memory_size: bytes (or ``"64MB"``) that the memory layer holds; 0 switches it off.
        layers: further stores to look in, below the local folder.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        disabled: bool | None = None,
        read_only: bool | None = None,
        memory_size: int | str | None = None,
        layers: Sequence[Store] = (),
    ) -> None:
        self.settings = settings_module.load(
            {
                "root": root,
                "disabled": disabled,
                "read_only": read_only,
                "memory_size_bytes": memory_size,
            }
        )
        self._warned: set[str] = set()
        self._sealer = Sealer(self.settings.config_dir, self._without_lasting_key)
        self._tally = Tally(None if self.settings.read_only else self.settings.root)
        self._local: Directory | None = None
        self._layers = self._open_layers(tuple(layers))
        _flush_at_exit(self._tally)
        if self.settings.verbosity != "none":
            _install_time_logger(self.settings.verbosity)

    def __repr__(self) -> str:
        states = [name for name in ("disabled", "read_only") if getattr(self.settings, name)]
        return f"<Keep {', '.join([self.settings.root or 'in memory', *states])}>"

    def totals(self) -> Totals:
        """Hits, misses and builds of all processes: (event, kind, what) → count, seconds."""
        self._tally.flush()
        root = self.settings.root
        if root is None or self.settings.read_only:
            return self._tally.totals()
        from emberkeep.store.statistics import read_totals

        return read_totals(root)

    def _open_layers(self, below: tuple[Store, ...]) -> Layered:
        settings = self.settings
        nearest: list[Store] = []
        if settings.memory_size_bytes:
            nearest.append(Memory(settings.memory_size_bytes))
        if settings.root is not None:
            nearest.append(self._open_local(settings.root))
        return Layered((*nearest, *below), lambda problem: self._trouble("place", str(problem)))

    def _open_local(self, root: str) -> Store:
        if not self.settings.read_only:
            self._local = Directory(root, self._sealer.verify)
            return self._local
        from emberkeep.store.layers import ReadOnly

        return ReadOnly(Directory(root, self._sealer.verify, heals=False))

    def get_or_build(
        self,
        kind: str,
        name: str,
        ingredients: Mapping[str, object],
        build: Callable[[], Mapping[str, object]],
        *,
        toolchain: BuildHalf | None = None,
        disabled: bool = False,
    ) -> Artifact:
        """The artifact that these ingredients make: kept, or built now and kept.

        Args:
            kind: what sort of artifact it is, such as ``"tables"``; a folder in the keep.
            name: what a person calls it; a folder within.
            ingredients: everything that can change the bytes, by name. The build function is not
                looked at: where its text can change, pass it here too.
            build: called on a miss; gives bytes by role, and anything JSON under ``"layout"``.
            toolchain: what compiles it; see `emberkeep.toolchain`.
            disabled: build this time, and neither look nor keep.

        Raises:
            Unkeyable: an ingredient has no exact key, or kind or name is no text.
            InvalidBuild: what `build` returned cannot be kept.
            BuildFailed: the build in another process that this call was waiting for has raised.
        """
        if disabled or self.settings.disabled:
            built = self._build(kind, name, build)
            self._tally.add("miss", kind, DISABLED, 0.0)
            return Artifact("", built.blobs, built.layout, hit=False, reason="caching is off")
        key, trees = _key(kind, name, ingredients, toolchain)
        found = self._look_up(key)
        if isinstance(found, Artifact):
            return found
        return self._obtain(key, trees, build, found, toolchain)

    def ask(
        self,
        kind: str,
        name: str,
        ingredients: Mapping[str, object],
        *,
        toolchain: BuildHalf | None = None,
    ) -> Answer:
        """What is kept; and where nothing is, the means to publish what the caller builds itself.

        For those who cannot hand over the build as a function: the hooks of another library.
        Nobody else waits meanwhile, so several processes may build the same.

        Raises:
            Unkeyable: an ingredient has no exact key.
        """
        if self.settings.disabled:
            return Answer(None, "caching is off", lambda _built, _cost_s: None)
        key, trees = _key(kind, name, ingredients, toolchain)
        found = self._look_up(key)
        if isinstance(found, Artifact):
            return Answer(found, found.reason, lambda _built, _cost_s: None)
        self._tally.add("miss", kind, found.reason, 0.0)
        _log("miss (%s): %s/%s %s", f"{found.reason}: {found.detail}", key)

        def publish(built: Mapping[str, object], cost_s: float) -> None:
            from emberkeep.store.built import read_build

            self._tally.add("build", kind, "built", cost_s)
            checked = read_build(built, f"{kind}/{name}")
            self._publish(key, trees, checked, cost_s, toolchain)

        return Answer(None, f"{found.reason}: {found.detail}", publish)

    def _look_up(self, key: Key) -> Artifact | Miss:
        started = time.perf_counter()
        with _span(f"load {key.kind}/{key.name}", "load"):
            found, layer = self._layers.locate(key)
        if isinstance(found, Miss):
            if found.reason != ABSENT:
                topic = "place" if found.reason == UNREADABLE else found.reason
                self._trouble(topic, f"{key.kind}/{key.name} is built again: {found.detail}.")
            return found
        saved = 0.0
        if layer != Memory.label:  # within a process, the caller would have had it anyway
            saved = found.manifest.cost_s - (time.perf_counter() - started)
        self._tally.add("hit", key.kind, layer, saved)
        _log("hit in %s: %s/%s %s", layer, key)
        return _artifact(found, hit=True, reason=f"kept in {layer}")

    def _obtain(
        self,
        key: Key,
        trees: Mapping[str, Fingerprint],
        build: Callable[[], Mapping[str, object]],
        miss: Miss,
        toolchain: BuildHalf | None,
    ) -> Artifact:
        """Build under a lease, unless somebody else has built it while we waited for that."""
        lease = self._acquire(key)
        succeeded = False
        try:
            if lease is not None:
                again = self._layers.read(key)
                if not isinstance(again, Miss):
                    succeeded = True
                    self._tally.add("hit", key.kind, "waited", again.manifest.cost_s)
                    _log("hit in %s: %s/%s %s", "the keep after waiting", key)
                    return _artifact(again, hit=True, reason="built by another while we waited")
            self._tally.add("miss", key.kind, miss.reason, 0.0)
            _log("miss (%s): %s/%s %s", f"{miss.reason}: {miss.detail}", key)
            started = time.perf_counter()
            try:
                built = self._build(key.kind, key.name, build)
            except Exception as problem:
                if lease is not None:
                    lease.fail(problem)
                raise
            cost = time.perf_counter() - started
            self._publish(key, trees, built, cost, toolchain)
            succeeded = True
            reason = f"{miss.reason}: {miss.detail}"
            # Copies, as for a hit: the memory layer holds what was built.
            layout = copy_layout(built.layout)
            return Artifact(str(key), dict(built.blobs), layout, hit=False, reason=reason)
        finally:
            if lease is not None:
                lease.release(succeeded=succeeded)

    def _acquire(self, key: Key) -> Lease | None:
        root = self.settings.root
        if root is None or self.settings.read_only:
            return None
        name = sha256(f"{key.kind}\0{key.name}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()
        folder = os.path.join(root, "leases")
        from emberkeep.lease import acquire  # a hit needs none

        return acquire(folder, name, lambda text: self._trouble("place", text))

    def _build(self, kind: str, name: str, build: Callable[[], Mapping[str, object]]) -> Built:
        started = time.perf_counter()
        outcome = "failed"
        try:
            from emberkeep.store.built import read_build

            if not callable(build):
                raise InvalidBuild(
                    f"The build of {kind}/{name} is {build!r}, which cannot be called. Pass a "
                    "function that returns a mapping from role to bytes"
                )
            with _span(f"build {kind}/{name}", "build"):
                built = read_build(build(), f"{kind}/{name}")
            outcome = "built"
        finally:
            self._tally.add("build", kind, outcome, time.perf_counter() - started)
        return built

    def _publish(
        self,
        key: Key,
        trees: Mapping[str, Fingerprint],
        built: Built,
        cost_s: float,
        toolchain: BuildHalf | None,
    ) -> None:
        """Keep what was built; whatever goes wrong here costs the next caller a build, no more."""
        drift = () if toolchain is None else toolchain.drift()
        if drift:
            self._trouble(
                "toolchain",
                f"{key.kind}/{key.name} was built but not kept: {' '.join(drift)}",
                ToolchainWarning,
            )
            return
        if self.settings.root is None and "place" not in self._warned:
            self._trouble(
                "place",
                "There is no home, so nothing is kept beyond this process. Set EMBERKEEP_DIR to a "
                "folder.",
            )
        blobs = tuple(
            BlobRef(role, sha256(content).hexdigest(), len(content))
            for role, content in sorted(built.blobs.items())
        )
        from emberkeep.store.composition import compose  # a hit needs none

        manifest = Manifest(key, blobs, built.layout, cost_s, time.time(), _made_by())
        document = compose(manifest, trees, self._sealer.seal)
        try:
            if self._layers.writable:
                self._layers.write(Kept(manifest, document, built.blobs, built.source))
            if self._local is not None and self._local.writable:
                from emberkeep.store.schedule import collect_if_due

                limits = self.settings
                collect_if_due(self._local, limits.max_size_bytes, limits.max_age_s)
        except (StoreProblem, OSError) as problem:
            self._trouble("place", f"{problem}.")

    def _without_lasting_key(self, text: str) -> None:
        """What is good to others looks forged to this process: it leaves all as it is."""
        if self._local is not None:
            self._local.change_nothing()
        self._trouble("seal", text)

    def _trouble(self, topic: str, text: str, category: type[UserWarning] = StoreWarning) -> None:
        """Warn once about each topic; everything goes to the log."""
        import logging
        import warnings

        logging.getLogger("emberkeep.keep").debug("%s: %s", topic, text)
        if topic not in self._warned:
            self._warned.add(topic)
            warnings.warn(
                f"{text} (said once; results are right, builds may be repeated)",
                category,
                stacklevel=depth_of_caller(),
            )


NO_TOOLCHAIN = branch("ingredients", ())


def _key(
    kind: str, name: str, ingredients: Mapping[str, object], toolchain: BuildHalf | None
) -> tuple[Key, Mapping[str, Fingerprint]]:
    _require_text(kind, "kind")
    _require_text(name, "name")
    made_by: Mapping[str, object] = {} if toolchain is None else toolchain.ingredients
    trees = {
        "plan": fingerprint_mapping(ingredients, label="ingredients"),
        "build": fingerprint_mapping(made_by, label="toolchain") if made_by else NO_TOOLCHAIN,
    }
    return Key(kind, name, trees["plan"].digest, trees["build"].digest), trees


def _require_text(value: object, label: str) -> None:
    if not isinstance(value, str):
        from emberkeep.errors import Unkeyable

        kind = type(value).__qualname__
        raise Unkeyable(label, f"is {value!r}, a {kind}", "Pass text; it becomes a folder's name")


def _artifact(kept: Kept, *, hit: bool, reason: str) -> Artifact:
    layout = copy_layout(kept.manifest.layout)  # what a caller changes must not change what is kept
    return Artifact(str(kept.manifest.key), dict(kept.blobs), layout, hit, reason)


def _made_by() -> dict[str, str]:
    from emberkeep.version import __version__

    return {"emberkeep": __version__, "python": sys.version.partition(" ")[0]}


def _flush_at_exit(tally: Tally) -> None:
    import atexit

    atexit.register(tally.flush)


class _NoSpan:
    """Stands in while nothing records."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


_NO_SPAN = _NoSpan()


def _span(name: str, category: str) -> _NoSpan | OpenSpan:
    """A span, if anybody can be listening: a recorder exists only where telemetry was imported."""
    if "emberkeep.telemetry.spans" not in sys.modules:
        return _NO_SPAN
    from emberkeep.telemetry import spans  # waits, where another thread is importing it

    return spans.span(name, category)


def _install_time_logger(verbosity: str) -> None:
    from emberkeep.telemetry import TimeLogger

    if not _installed:
        level: Any = verbosity  # one of its literals: settings have checked it
        logger = TimeLogger(level)
        logger.install()
        _installed.append(logger)
        import atexit

        atexit.register(logger.close)


_installed: list[object] = []


def _log(text: str, what: str, key: Key) -> None:
    """Hits and misses for `logging`; nobody can be listening where it was never imported."""
    if "logging" in sys.modules:
        import logging  # waits, where another thread is in the midst of importing it

        logging.getLogger("emberkeep.keep").debug(text, what, key.kind, key.name, key)


def depth_of_caller() -> int:
    """The stack level of the first caller outside emberkeep: that is who should be warned."""
    import inspect

    depth, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("emberkeep."):
        depth, frame = depth + 1, frame.f_back
    return depth - 1
