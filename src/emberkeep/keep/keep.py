"""Keep: look up → lease → look again → build → publish. What a hit needs; `miss` has the rest."""

from __future__ import annotations

import time
from errno import EMFILE, ENFILE

from emberkeep import settings as settings_module
from emberkeep.errors import InvalidSetting
from emberkeep.keep.artifact import (
    Answer,
    Artifact,
    artifact_of,
    is_refused,
    make_key,
    require_name,
)
from emberkeep.keep.reports import Trouble, install_time_logger, log, span
from emberkeep.startup_records import final, replace
from emberkeep.store.counts import Counts, read_totals
from emberkeep.store.directory import Directory
from emberkeep.store.layers import Later, Layered, Memory, Places, ReadOnly
from emberkeep.store.protocol import ABSENT, DAMAGED, DISABLED, UNREADABLE, Key, Miss, Notebook
from emberkeep.trust.seals import OwnKeep, Sealer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, TypeVar

    from emberkeep.keep.artifact import BuildHalf
    from emberkeep.keep.miss import Builder
    from emberkeep.settings import Place
    from emberkeep.store.counts import Totals
    from emberkeep.store.protocol import Store
    from emberkeep.trust.judge import Judge

    T = TypeVar("T")


@final
class Keep:
    """A content-addressed store of expensive builds.

    Args:
        root: the folder; by default that of the settings, in the user's cache folder.
        disabled: build always, keep nothing.
        read_only: use what is kept, write nothing.
        memory_size: bytes (or ``"64MB"``) that the memory layer holds; 0 switches it off.
        layers: further stores to look in, below the local folder.
        shared: folders that several hosts or users share, below all others: paths, texts such as
            ``"/cluster/keep?policy=warn"``, or `Place` records.
        strategy: ``"layered"``, or ``"local"`` or ``"shared"`` for one of the two alone.
        toolchain: whose builds may run in place of this machine's own: ``"pinned"``, or the
            beginning of a toolchain's digest.
    """

    def __init__(  # noqa: PLR0913 - settings, each given by its name
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        disabled: bool | None = None,
        read_only: bool | None = None,
        memory_size: int | str | None = None,
        layers: Sequence[Store] = (),
        shared: object = None,
        strategy: str | None = None,
        toolchain: str | None = None,
    ) -> None:
        self.settings = settings_module.load(
            {
                "root": root,
                "disabled": disabled,
                "read_only": read_only,
                "memory_size_bytes": memory_size,
                "shared": shared,
                "strategy": strategy,
                "toolchain": toolchain,
            }
        )
        settings = self.settings
        self._has_layers = bool(layers)
        self._trouble = Trouble()
        self._sealer = Sealer(settings.config_dir, self._without_lasting_key)
        self._own = OwnKeep(self._sealer, settings.config_dir, self._judge)
        self._judges: list[Judge] = []
        self._builders: list[Builder] = []
        if settings.strategy == "shared" and not settings.shared:
            raise InvalidSetting(
                "The strategy is 'shared', and there is no shared place. Set 'shared' to a folder, "
                "or the strategy to 'layered'"
            )
        root = None if settings.strategy == "shared" else settings.root
        self._counts = Counts(None if settings.read_only else root)
        self._local = None if root is None else self._open_local(root)
        self._places = self._open_places(layers)
        self._layers = Layered(
            (*self._places.near, *self._places.shared), self._could_not_fill, self._refused
        )
        _flush_at_exit(self._counts)
        if settings.verbosity != "none":
            install_time_logger(settings.verbosity)

    def __repr__(self) -> str:
        states = [name for name in ("disabled", "read_only") if getattr(self.settings, name)]
        return f"<Keep {', '.join([self.settings.root or 'in memory', *states])}>"

    def __copy__(self) -> Keep:
        return self

    def __deepcopy__(self, _: object) -> Keep:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """As what it was given; all else, and every key, is whose process it is."""
        settings = self.settings
        given = {
            name: getattr(settings, name)
            for name, origin in settings.origins.items()
            if origin == "an argument"
        }
        if self._has_layers:
            from pickle import PicklingError

            raise PicklingError(
                f"{self!r} cannot be pickled, since it has layers= of its own, which may hold what "
                "belongs to this process alone. Make the keep in each process"
            )
        return _keep, (given,)

    def totals(self) -> Totals:
        """Hits, misses and builds of all processes: (event, kind, what) → count, seconds."""
        self._counts.flush()
        if self._local is None or self.settings.read_only:
            return self._counts.totals()
        try:
            return read_totals(self._local.root)
        except OSError as problem:
            self._trouble("counts", f"What other processes counted is not known: {problem}.")
            return self._counts.totals()

    def flush(self, patience_s: float = 60.0) -> bool:
        """Wait until what was built has reached the shared places; whether it did in time."""
        return not self._builders or self._builders[0].flush(patience_s)

    def _open_local(self, root: str) -> Directory:
        own = self._own
        heals = not self.settings.read_only
        return Directory(
            root,
            own.verify,
            endorse=own.endorse,
            heals=heals,
            standing=own.standing,
            notebook=Notebook(root, self._sealer.seal) if heals else None,
        )

    def _open_places(self, layers: Sequence[Store]) -> Places:
        settings = self.settings
        near: list[Store] = []
        if settings.memory_size_bytes:
            near.append(Memory(settings.memory_size_bytes, self._own.standing))
        if self._local is not None:
            near.append(ReadOnly(self._local) if settings.read_only else self._local)
        # What a shared place needs is loaded when it is asked for the first time.
        shared = [
            Later(
                f"shared {place.path}",
                lambda place=place: self._open_place(place),
                writable=not (settings.read_only or place.read_only),
            )
            for place in (() if settings.strategy == "local" else settings.shared)
        ]
        return Places((*near, *layers), tuple(shared), self._local)

    def _open_place(self, place: Place) -> Store:
        from emberkeep.sharing.folder import open_place

        if self.settings.read_only:
            place = replace(place, {"read_only": True})
        local = None if self._local is None or self.settings.read_only else self.settings.root
        return open_place(
            place, self._judge(), self._sealer, lambda text: self._trouble("trust", text), local
        )

    def _judge(self) -> Judge:
        """Whose signatures count; asked only where somebody else's artifacts come into it."""
        if not self._judges:
            from emberkeep.trust.judge import judge_of

            self._judges.append(judge_of(self.settings, lambda text: self._trouble("trust", text)))
        return self._judges[0]

    def _could_not_fill(self, problem: Exception) -> None:
        self._trouble("place", str(problem))

    def _refused(self, key: Key, label: str, miss: Miss) -> None:
        """A place has something and cannot or may not give it; whether that costs, a miss tells."""
        self._counts.add("refused", key.kind, f"{miss.reason} in {label}", 0.0)
        log("refused (%s): %s/%s %s", f"{miss.reason} in {label}: {miss.detail}", key)

    def get_or_build(
        self,
        kind: str,
        name: str,
        ingredients: Mapping[str, object],
        build: Callable[[], Mapping[str, object]],
        *,
        toolchain: BuildHalf | None = None,
        disabled: bool = False,
        refused: Artifact | None = None,
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
            refused: what an earlier call has given, and what cannot be used, whoever vouches for
                it: it is built again and replaced, unless somebody has done so meanwhile.

        Raises:
            Unkeyable: an ingredient has no exact key, or kind or name is no text.
            InvalidBuild: what `build` returned cannot be kept.
            BuildFailed: the build in another process that this call was waiting for has raised.
        """
        self._trouble.begin()
        try:
            if disabled or self.settings.disabled:
                builder = self._builder()
                if builder is None:
                    return built_alone(build)
                built = builder.build(kind, name, build)
                self._counts.add("miss", kind, DISABLED, 0.0)
                return Artifact("", built.blobs, built.layout, hit=False, reason="caching is off")
            key, trees = make_key(kind, name, ingredients, toolchain)
            found = self._look_up(key, refused)
            if isinstance(found, Artifact):
                return found
            require_name(key)
            builder = self._builder()
            if builder is None:
                return built_alone(build)
            return builder.obtain(key, trees, build, found, toolchain, refused)
        finally:
            self._trouble.end()

    def _builder(self) -> Builder | None:
        """What builds and keeps; None where its code cannot be loaded, which is told."""
        if not self._builders:
            try:
                self._builders.append(patiently(self._make_builder))
            except OSError as problem:
                if problem.errno not in SCARCE:
                    raise
                self._trouble("files", f"What is built is not kept: {problem}. {SCARCE_REMEDY}")
                return None
        return self._builders[0]

    def _make_builder(self) -> Builder:
        from emberkeep.keep.miss import Builder  # a hit needs none

        return Builder(self.settings, self._places, self._counts, self._sealer.seal, self._trouble)

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
        key, trees = make_key(kind, name, ingredients, toolchain)
        self._trouble.begin()
        try:
            found = self._look_up(key)
        finally:
            self._trouble.end()

        def publish(built: Mapping[str, object], cost_s: float) -> None:
            from emberkeep.store.build_result import read_build

            self._counts.add("build", kind, "built", cost_s)
            checked = read_build(built, f"{kind}/{name}")
            builder = self._builder()
            if builder is not None:
                builder.publish(key, trees, checked, cost_s, toolchain)

        if isinstance(found, Artifact):
            return Answer(found, found.reason, publish)
        require_name(key)
        self._counts.add("miss", kind, found.reason, 0.0)
        log("miss (%s): %s/%s %s", f"{found.reason}: {found.detail}", key)
        return Answer(None, f"{found.reason}: {found.detail}", publish)

    def find(
        self,
        kind: str,
        name: str,
        ingredients: Mapping[str, object],
        *,
        toolchain: BuildHalf | None = None,
    ) -> Iterator[Artifact]:
        """What is kept for these ingredients, whoever has built it and for what machine.

        First that of this very toolchain, then those of toolchains that the user has pinned
        (`emberkeep trust pin`, or by importing a library). Nothing is built.

        Raises:
            Unkeyable: an ingredient has no exact key.
        """
        if self.settings.disabled:
            return
        key, _ = make_key(kind, name, ingredients, toolchain)
        from emberkeep.keep.pinned import pinned_builds

        trust = self._judge().trust.current()
        for build in (key.build, *pinned_builds(self._layers, trust, key, self.settings.toolchain)):
            found = self._look_up(Key(kind, name, key.plan, build))
            if isinstance(found, Artifact):
                yield found

    def _look_up(self, key: Key, refused: Artifact | None = None) -> Artifact | Miss:
        started = time.perf_counter()
        with span(f"load {key.kind}/{key.name}", "load"):
            found, layer = self._layers.locate(key)
        if isinstance(found, Miss):
            if found.reason != ABSENT:
                topic, text = found.reason, f"{key.kind}/{key.name} is built again: {found.detail}."
                if found.reason == UNREADABLE:
                    builder = self._builder()
                    if builder is None:  # which was told
                        return found
                    topic, text = "place", f"{text} {builder.remedy()}"
                self._trouble(topic, text)
            return found
        if refused is not None and is_refused(found, refused):
            return Miss(DAMAGED, f"what is kept in {layer} cannot be used")
        saved = 0.0
        if layer != Memory.label:  # within a process, the caller would have had it anyway
            saved = found.manifest.cost_s - (time.perf_counter() - started)
        self._counts.add("hit", key.kind, layer, saved)
        log("hit in %s: %s/%s %s", layer, key)
        return artifact_of(found, hit=True, reason=f"kept in {layer}")

    def _without_lasting_key(self, text: str) -> None:
        """What is good to others looks forged to this process: it leaves all as it is."""
        if self._local is not None:
            self._local.change_nothing()
        # Where nothing can be kept, that was said, and keys for it are no second trouble.
        self._trouble("place" if "place" in self._trouble.topics else "seal", text)


def _keep(given: Mapping[str, Any]) -> Keep:
    rest = {name: value for name, value in given.items() if name != "memory_size_bytes"}
    return Keep(memory_size=given.get("memory_size_bytes"), **rest)


# Of 200 threads with 64 descriptors, some find none for our own code; others give theirs back.
SCARCE = frozenset([EMFILE, ENFILE])
PAUSES_S = (0.001, 0.004, 0.016, 0.064, 0.256, 1.024, 2.048)


SCARCE_REMEDY = "Raise the limit on open files (`ulimit -n`), or close some."


def patiently(load: Callable[[], T]) -> T:
    """What needs modules that are not there yet, tried again while files cannot be opened.

    Raises:
        OSError: of the last attempt, where there are no descriptors for long.
    """
    for pause_s in PAUSES_S:
        try:
            return load()
        except OSError as problem:
            if problem.errno not in SCARCE:
                raise
        time.sleep(pause_s)
    return load()


def built_alone(build: Callable[[], Mapping[str, object]]) -> Artifact:
    """What a build gives, as it is: what would check and keep it cannot be loaded."""
    built: dict[str, Any] = dict(build())
    layout = built.pop("layout", None)
    if isinstance(built.get("source"), str):  # for people to read
        del built["source"]
    blobs = {role: bytes(content) for role, content in built.items()}
    return Artifact("", blobs, layout, hit=False, reason="no file can be opened")


def _flush_at_exit(counts: Counts) -> None:
    import atexit

    atexit.register(counts.flush)
