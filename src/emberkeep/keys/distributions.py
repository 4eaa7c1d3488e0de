# pathlib costs an import of 3 ms on the way to a kept artifact:
"""Which installed distribution a name or a module's file belongs to, from folder listings.

`importlib.metadata` costs 11 to 19 ms to import; a listing of all folders on ``sys.path``, one.
What is read is remembered for as long as no such folder changes, so that an installation in the
middle of a process is seen.
"""

from __future__ import annotations

import os
import sys
import time

from emberkeep.keys.libraries import SETTLED_NS, file_digest
from emberkeep.keys.metadata import (
    SITE_FOLDERS,
    is_editable,
    name_and_version,
    normalised,
    read_record,
    record_form,
    version_within,
)
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import ModuleType

_METADATA_SUFFIXES = (".dist-info", ".egg-info")

ABSENT = "absent"  # in place of the version of what is not installed


@final
@frozen
class Distribution:
    """An installed distribution.

    Attributes:
        name: normalised as PEP 503 says: ``ruamel-yaml``.
        version: as its metadata names it.
        folder: the folder on ``sys.path`` that holds its metadata and, unless it is editable,
            its packages.
        metadata: its ``.dist-info`` or ``.egg-info``.
        editable: its code lies in somebody's checkout: the version says nothing about it.
    """

    name: str
    version: str
    folder: str
    metadata: str
    editable: bool


@final
@frozen
class Location:
    """What ``import name`` gives in this process.

    Attributes:
        name: the name that is imported.
        file: the file that runs first; None for a namespace package and for built-in modules.
        folders: the package's own folders; empty for a plain module, several for a namespace.
    """

    name: str
    file: str | None
    folders: tuple[str, ...]

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders that its import starts from: as a rule one entry of ``sys.path``."""
        roots = self.folders or (() if self.file is None else (self.file,))
        # cuda.bindings starts where cuda lies.
        for _ in self.name.split("."):
            roots = tuple(os.path.dirname(root) for root in roots)
        return tuple(dict.fromkeys(roots))


@final
@frozen
class _Listing:
    """The metadata in one folder: normalised name → entry; and marks of editable installs."""

    stamp: int
    settled: bool
    metadata: Mapping[str, str]
    marks: tuple[str, ...]


@final
@frozen
class Installation:
    """One look at ``sys.path``: what is found is remembered as long as nothing in it changes."""

    folders: tuple[str, ...]
    finders: tuple[object, ...]
    stamps: tuple[int, ...]
    settled: bool
    # What was found out so far: the one thing here that grows.
    _distributions: dict[str, Distribution | None]
    _locations: dict[str, Location | None]
    _listings: dict[str, _Listing]
    _records: dict[str, bytes]
    _made: dict[str, Distribution]

    @classmethod
    def now(cls) -> Installation:
        """Look: the same object as before while the folders are as they were."""
        folders = _search_folders()
        finders = tuple(sys.meta_path)
        stamps = tuple(_stamp(folder) for folder in folders)
        last = _seen.installation
        if last is not None and last.settled:
            # Folders that are younger may have changed again within one tick of the clock.
            before = (last.folders, last.finders, last.stamps)
            if before == (folders, finders, stamps):
                return last
        settled = time.time_ns() - max(stamps, default=0) > SETTLED_NS
        seen = cls(folders, finders, stamps, settled, {}, {}, {}, {}, {})
        _seen.installation = seen
        return seen

    def distribution(self, name: str) -> Distribution | None:
        """The distribution of this name that comes first on ``sys.path``."""
        wanted = normalised(name)
        if wanted not in self._distributions:
            self._distributions[wanted] = self._find(wanted)
        return self._distributions[wanted]

    def location(self, name: str) -> Location | None:
        """What is imported under this name, or would be; nothing is imported to find out."""
        if name in sys.modules:
            return _location_of_loaded(sys.modules[name], name)
        if name not in self._locations:
            parent = name.rpartition(".")[0]
            within = self.location(parent) if parent else None
            missing = bool(parent) and (within is None or not within.folders)
            self._locations[name] = (
                None if missing else _locate_unloaded(name, within.folders if within else None)
            )
        return self._locations[name]

    def owner(self, file: str) -> Distribution | None:
        """The non-editable distribution whose record names this file as it is now."""
        held = self.holder(file)
        return held[0] if held is not None and held[1] else None

    def holder(self, file: str) -> tuple[Distribution, bool] | None:
        """The non-editable distribution whose record names this file; whether it is as recorded."""
        edited: Distribution | None = None
        for folder, relative in self._relative_names(file):
            for distribution in self._candidates(folder, relative):
                if distribution.editable:
                    continue
                recorded = self._records_file(distribution, relative, file)
                if recorded:
                    return distribution, True
                if recorded is False:
                    edited = edited or distribution
        return None if edited is None else (edited, False)

    def record(self, distribution: Distribution) -> bytes:
        """The list of a distribution's files, each after a newline; empty where there is none."""
        record = self._records.get(distribution.metadata)
        if record is None:
            record = self._records[distribution.metadata] = read_record(distribution.metadata)
        return record

    def metadata(self) -> Iterator[str]:
        """The metadata of all distributions that imports can find; the first of each name."""
        seen: set[str] = set()
        for folder in self.folders:
            listing = self._listing(folder) if folder not in _PYTHON_OWN else _NOTHING
            for name, entry in listing.metadata.items():
                if name not in seen:
                    seen.add(name)
                    yield f"{folder}/{entry}"

    def _find(self, wanted: str) -> Distribution | None:
        for folder in self.folders:
            if folder in _PYTHON_OWN:
                continue  # a large folder, in which nothing gets installed
            listing = self._listing(folder)
            entry = listing.metadata.get(wanted)
            if entry is not None:
                return self._distribution(folder, entry, listing)
        return None

    def _listing(self, folder: str) -> _Listing:
        if folder not in self._listings:
            self._listings[folder] = _listing(folder, _stamp(folder))
        return self._listings[folder]

    def _relative_names(self, file: str) -> Iterator[tuple[str, str]]:
        """The folders that the file lies in, and its name from there; links are followed."""
        path = os.path.abspath(file)
        real = os.path.realpath(path)
        for folder in self.folders:
            if path.startswith(folder + os.sep):
                yield folder, path[len(folder) + 1 :]
            else:
                beginning = os.path.realpath(folder) + os.sep
                if real.startswith(beginning):
                    yield folder, real[len(beginning) :]

    def _candidates(self, folder: str, relative: str) -> Iterator[Distribution]:
        """All distributions in a folder: the one with the package's own name first."""
        listing = self._listing(folder)
        top = normalised(relative.partition(os.sep)[0].partition(".")[0])
        names = sorted(listing.metadata, key=lambda name: (name != top, name))
        return (self._distribution(folder, listing.metadata[name], listing) for name in names)

    def _distribution(self, folder: str, entry: str, listing: _Listing) -> Distribution:
        place = f"{folder}/{entry}"
        if place not in self._made:
            self._made[place] = _distribution(folder, entry, listing)
        return self._made[place]

    def _records_file(self, distribution: Distribution, relative: str, file: str) -> bool | None:
        """Whether a file is as it was recorded; None where the record does not name it."""
        record = self.record(distribution)
        # PEP 376 writes names as CSV with forward slashes.
        name = relative.replace(os.sep, "/")
        if "," in name or '"' in name:
            name = '"' + name.replace('"', '""') + '"'
        start = record.find(os.fsencode(f"\n{name},"))
        if start < 0:
            return None
        line = record[start + 1 : record.find(b"\n", start + 1)]
        checksum = line[len(os.fsencode(name)) + 1 :].partition(b",")[0].strip()
        if not checksum.startswith(b"sha256="):
            return True
        # Somebody who edits an installed file in place has made it their own code.
        return checksum[len(b"sha256=") :] == record_form(file_digest(file))


_LIBRARY = os.path.dirname(os.__file__)
_PYTHON_OWN = (_LIBRARY, os.path.join(_LIBRARY, "lib-dynload"))


# Rebound by key, so that no function needs `global`.
@final
class _Seen:
    """What was seen of ``sys.path`` in this process; each is asked whether it is as it was."""

    def __init__(self) -> None:
        self.installation: Installation | None = None
        self.listings: dict[str, _Listing] = {}


_seen = _Seen()
_NOTHING = _Listing(stamp=0, settled=True, metadata={}, marks=())


def import_name(name: str) -> str:
    """How a distribution's package is imported, as a rule."""
    return name.replace("-", "_")


def find_distribution(name: str) -> Distribution | None:
    """The installed distribution of this name; the first on ``sys.path`` wins."""
    return Installation.now().distribution(name)


def locate_package(import_name: str) -> Location | None:
    """What ``import import_name`` would run, asked of the interpreter's own finders."""
    return Installation.now().location(import_name)


def distribution_of_module_file(file: str) -> Distribution | None:
    """The installed, non-editable distribution that a module's file belongs to.

    Decided by the file's own name in the distribution's record, and by the checksum beside it:
    packages with a name of their own (PyYAML's ``yaml``), namespace packages and files that were
    put or edited in a site folder by hand are told apart. None: treat it as the user's code.
    """
    return Installation.now().owner(file)


def distribution_of_module(module_name: str, file: str | None) -> Distribution | None:
    """As `distribution_of_module_file`; a module of the standard library has no distribution."""
    if file is None or is_standard_library(module_name, file):
        return None
    return distribution_of_module_file(file)


def is_standard_library(module_name: str, file: str | None) -> bool:
    """Whether a module is Python's own: by its name and by where its file lies.

    A user's ``random.py`` has the name, but lies elsewhere.
    """
    top = module_name.partition(".")[0]
    if top not in sys.stdlib_module_names:
        return False
    if file is None:
        return module_name in sys.builtin_module_names
    path = os.path.realpath(file)
    for folder in _standard_folders():
        if path.startswith(folder + os.sep):
            first, _, rest = path[len(folder) + 1 :].partition(os.sep)
            if first == "lib-dynload":
                first = rest
            return first not in SITE_FOLDERS and first.partition(".")[0] == top
    return False


def _standard_folders() -> tuple[str, ...]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # Extension modules may lie below another prefix (lib64) than the modules in Python.
    binary = os.path.join(sys.base_exec_prefix, sys.platlibdir, version)
    return os.path.realpath(os.path.dirname(os.__file__)), os.path.realpath(binary)


def _search_folders() -> tuple[str, ...]:
    try:
        here = os.getcwd()
    except OSError:
        # The working directory was removed: the interpreter's own finders skip it too.
        here = os.devnull
    return tuple(dict.fromkeys(os.path.normpath(os.path.join(here, entry)) for entry in sys.path))


def _stamp(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _listing(folder: str, stamp: int) -> _Listing:
    known = _seen.listings.get(folder)
    if known is not None and known.settled and known.stamp == stamp:
        return known
    settled = time.time_ns() - stamp > SETTLED_NS
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        entries = []
    metadata = {
        normalised(name_and_version(entry)[0]): entry
        for entry in entries
        if entry.endswith(_METADATA_SUFFIXES)
    }
    marks = tuple(entry for entry in entries if entry.startswith(("__editable__", "_editable_")))
    found = _Listing(stamp, settled, metadata, marks)
    _seen.listings[folder] = found
    return found


def _distribution(folder: str, entry: str, listing: _Listing) -> Distribution:
    metadata = os.path.join(folder, entry)
    spelled, version = name_and_version(entry)
    name = normalised(spelled)
    version = version or version_within(metadata)
    return Distribution(name, version, folder, metadata, is_editable(name, metadata, listing.marks))


def _location_of_loaded(module: ModuleType | None, name: str) -> Location | None:
    if module is None:  # how Python marks an import that is forbidden
        return None
    file = getattr(module, "__file__", None)
    folders: tuple[str, ...] = tuple(getattr(module, "__path__", ()))
    return Location(name, os.path.abspath(file) if file else None, _absolute(folders))


def _locate_unloaded(name: str, folders: tuple[str, ...] | None) -> Location | None:
    """As `import` looks for it, with editable installs' own finders; no module is run."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = None if find is None else find(name, folders)
        if spec is not None:
            file = os.path.abspath(spec.origin) if spec.has_location and spec.origin else None
            return Location(name, file, _absolute(spec.submodule_search_locations or ()))
    return None


def _absolute(folders: Iterable[object]) -> tuple[str, ...]:
    return tuple(os.path.abspath(str(folder)) for folder in folders)
