"""What is kept and how well it serves, from Python: of all kinds, by what the command line uses."""

from __future__ import annotations

import os
import warnings

from emberkeep.errors import InvalidSetting, StoreProblem, StoreWarning
from emberkeep.keep.default import default_keep
from emberkeep.keep.keep import Keep
from emberkeep.keep.reports import depth_of_caller
from emberkeep.settings import DAY_S, parse_folder, parse_places
from emberkeep.sharing.bundle_files import pin_builds, written_whole
from emberkeep.startup_records import as_dict, final
from emberkeep.store.directory import Directory
from emberkeep.store.eviction import Policy, clear, collect
from emberkeep.store.inspection import OK, is_named, usage
from emberkeep.store.pins import pinned
from emberkeep.store.protocol import DISABLED, Miss
from emberkeep.trust.judge import judge_of, own_keep
from emberkeep.trust.others import Others
from emberkeep.trust.seals import Sealer
from emberkeep.xla.jax_cache import programs_in_use, using

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builtins import list as List  # noqa: N812 - the class has a method of that name
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from emberkeep.sharing.folder import SharedFolder
    from emberkeep.sharing.library import Exported, Imported
    from emberkeep.sharing.transfer import Transferred
    from emberkeep.store.eviction import Collected
    from emberkeep.store.protocol import Entry
    from emberkeep.xla.ahead import Prewarmed
    from emberkeep.xla.config import CompilationConfig

BYTES_PER_GB = 10**9
COMPRESSION_LEVEL = 1  # of zstd; machine code gains next to nothing above


@final
class CacheManager:
    """Looks after a keep: compiled programs, kernels, traces and all else in it.

    Args:
        keep_or_config: a keep, or a configuration that names one; by default the one that JAX uses
            (since `CompilationConfig.apply`, say), or else the user's own.

    Attributes:
        keep: the keep.
    """

    def __init__(self, keep_or_config: Keep | CompilationConfig | None = None) -> None:
        given = keep_or_config
        if given is None:
            programs = programs_in_use()
            self.keep = default_keep() if programs is None else programs.keep
        else:
            self.keep = given if isinstance(given, Keep) else given.open_keep()
        self._settings = self.keep.settings
        self._sealer = Sealer(self._settings.config_dir, _warn)

    def __reduce__(self) -> tuple[Any, ...]:
        return CacheManager, (self.keep,)

    def __repr__(self) -> str:
        return f"CacheManager({self.keep!r})"

    def info(self) -> dict[str, Any]:
        """What is kept, by kind, and how often it was found: as ``emberkeep status --format json``.

        Raises:
            StoreProblem: it cannot be listed.
        """
        used = usage(self._directory())
        counts: dict[str, int] = {"hit": 0, "miss": 0, "build": 0}
        seconds = dict.fromkeys(counts, 0.0)
        for (event, _, what), (count, spent) in self.keep.totals().items():
            if event in counts and what != DISABLED:
                counts[event] += count
                seconds[event] += spent
        lookups = counts["hit"] + counts["miss"]
        return {
            "root": self._settings.root,
            "strategy": self._settings.strategy,
            "shared": [place.path for place in self._settings.shared],
            "entries": used.entries,
            "size_bytes": used.size_bytes,
            "pinned": used.pinned,
            "kinds": {kind: as_dict(its) for kind, its in used.kinds.items()},
            "hits": counts["hit"],
            "misses": counts["miss"],
            "hit_rate": counts["hit"] / lookups if lookups else None,
            "seconds_saved": seconds["hit"],
            "builds": counts["build"],
            "build_seconds": seconds["build"],
        }

    def list(self, kind: str | None = None) -> List[dict[str, Any]]:
        """The entries, last used first: kind, name, key, size, last use, cost, and their state.

        Args:
            kind: ``"xla"``, ``"generated"`` (kernels), ``"traces"``…; everything by default.

        Raises:
            StoreProblem: they cannot be listed.
        """
        directory = self._directory()
        pins: set[tuple[str, str, str]] = pinned(directory) if directory.is_keep() else set()
        found: List[dict[str, Any]] = []
        for entry in _entries(directory, kind):
            manifest, _ = directory.read_entry(entry)
            known = not isinstance(manifest, Miss)
            blobs = sum(blob.size_bytes for blob in manifest.blobs) if known else 0
            found.append(
                {
                    "kind": entry.kind,
                    "name": manifest.key.name if known else entry.name,
                    "key": entry.key,
                    "size_bytes": entry.size_bytes + blobs,
                    "last_used": entry.last_used,
                    "cost_s": manifest.cost_s if known else None,
                    "pinned": (entry.kind, entry.name, entry.key) in pins,
                    "state": OK if known else manifest.reason,
                }
            )
        return sorted(found, key=lambda entry: -entry["last_used"])

    def clear(self, kind: str | None = None) -> Collected:
        """Remove all entries of a kind, or of all kinds; pinned ones stay.

        What processes hold in memory they go on using.

        Raises:
            StoreProblem: the keep is only read, or cannot be listed.
        """
        return clear(self._writable(), kind)

    def vacuum(
        self,
        max_age_days: float | None = None,
        max_size_gb: float | None = None,
        *,
        grace_hours: float = 1.0,
    ) -> Collected:
        """Remove what went unused for long, then the least recently used until the rest fits.

        Args:
            max_age_days: by default that of the settings.
            max_size_gb: in 10⁹ bytes; by default that of the settings.
            grace_hours: what is younger stays.

        Raises:
            InvalidSetting: an age or a size is negative, or no number.
            StoreProblem: the keep is only read, or cannot be listed.
        """
        given = {"max_age_days": max_age_days, "max_size_gb": max_size_gb}
        for what, value in {**given, "grace_hours": grace_hours}.items():
            if value is not None and not value >= 0:
                raise InvalidSetting(f"{what} is {value!r}; a number from 0 on was expected")
        settings = self._settings
        age, size = max_age_days, max_size_gb
        policy = Policy(
            max_size_bytes=settings.max_size_bytes if size is None else int(size * BYTES_PER_GB),
            max_age_s=settings.max_age_s if age is None else age * DAY_S,
            grace_s=grace_hours * 3600.0,
        )
        return collect(self._writable(), policy)

    def prewarm_model(
        self,
        model: Callable[[Any, Any], Any],
        theta_samples: Any,
        time_grids: Any,
        *,
        functions: Iterable[Callable[..., Any]] | None = None,
    ) -> List[Prewarmed]:
        """Compile a model for the shapes of production and keep it, so that later calls find it.

        Args:
            model: any function of theta and times that JAX can trace.
            theta_samples: an array, a shape, a `jax.ShapeDtypeStruct`, or several in a list. Where
                the model says how long its parameter vectors are (`theta_length`), rows of them are
                as many samples of one.
            time_grids: the same.
            functions: what is compiled: by default ``jax.jit(model)`` and
                `value_and_gradient` of the model. Later calls find what is computed in the same
                words: pass here what your program calls.

        Raises:
            InvalidArgument: something is neither an array nor a shape.
            TargetUnavailable: JAX is not installed.
        """
        from emberkeep.xla.ahead import prewarm, single_vectors, value_and_gradient

        with using(self.keep):
            if functions is not None:
                return prewarm(functions, theta_samples, time_grids)
            thetas = single_vectors(theta_samples, getattr(model, "theta_length", None))
            return prewarm((model, value_and_gradient(model)), thetas, time_grids)

    def export_cache(
        self,
        path: str | os.PathLike[str],
        kind: str | None = None,
        *,
        name: str = "cache",
        version: str = "1",
        details: bool = True,
    ) -> Exported | Transferred:
        """Write entries as one signed file, as ``emberkeep export`` does; or to a folder.

        A folder needs no key: what is in it has the user's seal, and is for the user alone. A file
        is for others, and signed.

        Args:
            path: of the bundle; or a folder: one that is there, or a name that ends with a slash or
                has no ending such as ``.ek``.
            kind: what goes in; everything by default.
            name: of the library.
            version: of the library.
            details: whether ingredients go along, which may show captured values.

        Raises:
            StoreProblem: nothing is kept, there is no key to sign with, or it cannot be written.
        """
        from emberkeep.sharing.library import About, export_library
        from emberkeep.sharing.transfer import transfer

        directory = self._directory()
        if _is_folder(path):
            folder = self._folder(path)
            _require_keep_or_nothing(folder, path)
            return transfer(directory, folder, _wanted(directory, kind))
        others = Others(
            judge_of(self._settings, _warn), self._sealer, details=details, on_problem=_warn
        )
        with written_whole(os.fsdecode(path)) as out:
            return export_library(
                directory,
                list(_entries(directory, kind)),
                out,
                About(name, version),
                others,
                level=COMPRESSION_LEVEL,
            )

    def import_cache(
        self, path: str | os.PathLike[str], *, pin: bool = True
    ) -> Imported | Transferred:
        """Take a bundle's entries into the keep, as ``emberkeep import`` does; or a folder's.

        Args:
            path: of the bundle, or of a folder that `export_cache` wrote.
            pin: let its builds run in place of this machine's own where there is no compiler.

        Raises:
            Untrusted: it is signed by nobody whom the user trusts.
            BundleRejected: it is damaged.
            StoreProblem: there is none, or the keep cannot be written.
        """
        from emberkeep.sharing.bundle.reader import BundleReader
        from emberkeep.sharing.library import import_library
        from emberkeep.sharing.transfer import transfer

        if os.path.isdir(path):
            folder = self._folder(path)
            if not folder.is_keep():
                raise StoreProblem(
                    f"The folder {os.fsdecode(path)} is no keep: there is nothing to import"
                )
            return transfer(folder, self._writable())
        try:
            file = open(path, "rb")  # noqa: SIM115 - closed below, other errors than these apart
        except OSError as problem:
            raise StoreProblem(f"The bundle {path} cannot be read: {problem}") from problem
        with file:
            reader = BundleReader(file, judge_of(self._settings, _warn).require_signer)
            entries = reader.index.entries
            done = import_library(reader, self._writable(), entries)
        if pin:
            refused = {entry for entry, _ in done.refused}
            builds = {entry.build for entry in entries if entry not in refused}
            pin_builds(self._settings.config_dir, reader.index, builds)
        return done

    def sync_from_remote(self, place: object = None, kind: str | None = None) -> Transferred:
        """Bring what a shared folder has into the keep, as ``emberkeep pull`` does.

        A keep with that folder as a shared place needs none of this: it fetches what it lacks.

        Args:
            place: the folder, or a `Place`; by default the first of the settings.
            kind: what is brought; everything by default.

        Raises:
            InvalidSetting: there is no such place.
            StoreProblem: the folder cannot be listed, or the keep cannot be written.
        """
        from emberkeep.sharing.transfer import transfer

        places = self._settings.shared if place is None else parse_places(place)
        if not places:
            raise InvalidSetting("There is no shared place. Set EMBERKEEP_SHARED, or name a folder")
        source = self._open_shared(places[0])
        return transfer(source, self._writable(), _wanted(source, kind))

    def _directory(self) -> Directory:
        """What is looked at: the user's own keep, or where that is not used, the shared place."""
        settings = self._settings
        if settings.strategy == "shared":
            return self._open_shared(settings.shared[0]).directory
        if settings.root is None:
            raise StoreProblem(
                "There is no home, so there is no place for a keep. Set EMBERKEEP_DIR to a folder"
            )
        return self._folder(settings.root, heals=not settings.read_only)

    def _folder(self, path: str | os.PathLike[str], *, heals: bool = False) -> Directory:
        """A folder of the user's own, with the user's seals."""
        own = own_keep(self._settings, self._sealer, _warn)
        return Directory(parse_folder(path), own.verify, endorse=own.endorse, heals=heals)

    def _writable(self) -> Directory:
        settings = self._settings
        is_shared = settings.strategy == "shared" and settings.shared[0].read_only
        if settings.read_only or is_shared:
            origin = settings.origins["shared" if is_shared else "read_only"]
            raise StoreProblem(f"The keep is only read, by {origin}. Change that setting")
        return self._directory()

    def _open_shared(self, place: Any) -> SharedFolder:
        from emberkeep.sharing.folder import open_place

        return open_place(place, judge_of(self._settings, _warn), self._sealer, _warn)


def _is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of a folder, or looks like one."""
    text = os.fsdecode(path)
    is_named_so = text.endswith(os.sep) or not os.path.splitext(text)[1]
    return os.path.isdir(text) or (is_named_so and not os.path.exists(text))


def _require_keep_or_nothing(folder: Directory, path: str | os.PathLike[str]) -> None:
    try:
        is_ours = not os.path.isdir(path) or not os.listdir(path) or folder.is_keep()
    except OSError as problem:
        raise StoreProblem(f"The folder {os.fsdecode(path)} cannot be read: {problem}") from problem
    if not is_ours:
        raise StoreProblem(
            f"The folder {os.fsdecode(path)} holds other things than a keep. Name an empty folder, "
            "or one that is not there yet"
        )


def _entries(source: Directory | SharedFolder, kind: str | None) -> Iterator[Entry]:
    if isinstance(source, Directory) and not source.is_keep():
        return iter(())
    return (entry for entry in source.entries() if is_named(entry.kind, kind))


def _warn(text: str) -> None:
    warnings.warn(text, StoreWarning, stacklevel=depth_of_caller())


def _wanted(source: Directory | SharedFolder, kind: str | None) -> Callable[[Entry], bool] | None:
    """Which entries are meant; None for all of them, none of what is no keep."""
    if isinstance(source, Directory) and not source.is_keep():
        return lambda _entry: False
    return None if kind is None else lambda entry: is_named(entry.kind, kind)
