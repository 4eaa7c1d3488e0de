# pathlib costs an import of 3 ms on the way to a kept artifact:
"""What an installed library consists of, where a part of it cannot be followed.

A function of a library is keyed by what it does. Where that cannot be seen (it is written in C, or
uses what has no key), the files stand in for it that it can run:

- All files of its distribution, by the digests in the record that the installer wrote. Records
  are claims, so they are checked. The files that the module in question runs, as its import
  statements say, are hashed. Native libraries are identified. The others are compared in size and
  time with the record; those in doubt are hashed.
- The same for each distribution that it requires, for each that those files import while they
  are being imported, and so on. What they import elsewhere (inside functions, or to see whether it
  is there) counts by its record.

Why import statements: what a distribution says that it requires is not what it imports. Which
modules are loaded depends on what else a process did before, so that keys would differ between
processes without need. The text of the files is the same in all of them.

NumPy, the compilers and Python itself are in it by their versions.
"""

from __future__ import annotations

import os
import sys

from emberkeep.keys.distributions import Installation
from emberkeep.keys.imports import absolute, read_imports
from emberkeep.keys.libraries import identify
from emberkeep.keys.record import Record, digest_of, files_below, is_native, required_names
from emberkeep.keys.versioned import goes_by_version, origin
from emberkeep.startup_records import final, frozen, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.keys.distributions import Distribution


@final
@frozen
class _Module:
    """A file that can run, and the distribution that it is of."""

    name: str
    file: str
    holder: Distribution | None


@final
@frozen
class _Node:
    """What a file or a distribution is, and what else runs because of it, at once or later."""

    line: str
    versions: tuple[str, ...]
    at_once: tuple[_Module, ...]
    later: tuple[_Module, ...]
    required: tuple[Distribution, ...]


@final
class Contents:
    """What libraries consist of, as of one walk: each file is looked at once."""

    def __init__(self) -> None:
        self._installation = Installation.now()
        self._nodes: dict[str, _Node] = {}  # by file, or by the metadata of a distribution
        self._records: dict[str, Record] = {}
        self._holders: dict[str, Distribution | None] = {}
        self._imports: dict[tuple[str, str], tuple[str, ...] | tuple[_Module, ...]] = {}
        self._known: dict[str, str] = {}

    def of(self, module: str, file: str) -> str:
        """A digest over all that a library's module can run."""
        if file not in self._known:
            lines, files = self._closure(_Module(module, file, self._holder(file)))
            digest = sha256("\n".join(sorted(lines)).encode()).hexdigest()
            # Whatever begins within goes no further.
            for reached in files:
                self._known.setdefault(reached, digest)
        return self._known[file]

    def files(self) -> tuple[str, ...]:
        """The files that were looked at so far, and the metadata of their distributions."""
        return tuple(self._nodes)

    def _closure(self, module: _Module) -> tuple[set[str], set[str]]:
        """What can run, in lines; and the files of it that were all looked at."""
        lines: set[str] = set()
        seen: set[str] = set()
        early, late = [module], list[_Module]()
        while early or late:
            is_early = bool(early)
            at = early.pop() if is_early else late.pop()
            if at.file in seen:
                continue
            seen.add(at.file)
            node = self._file(at)
            lines.add(node.line)
            lines.update(node.versions)
            for required in self._required_by(at.holder):
                lines.add(self._distribution(required).line)
                lines.update(self._distribution(required).versions)
                early += self._distribution(required).at_once
            if is_early:
                early += node.at_once
            for other in node.later if is_early else (*node.at_once, *node.later):
                if other.holder is at.holder:
                    late.append(other)
                elif other.file not in seen:
                    lines.add(self._told(other))
        return lines, seen

    def _told(self, module: _Module) -> str:
        """Of what may be imported later: what its distribution's record says."""
        holder = module.holder
        if holder is None:
            return f"{module.name} {digest_of(module.file)}"
        return f"{holder.name} {holder.version} as recorded {self._record(holder).digest}"

    def _required_by(self, holder: Distribution | None) -> Iterator[Distribution]:
        """A distribution and all that it requires, directly or not."""
        waiting = [] if holder is None else [holder]
        found: set[str] = set()
        while waiting:
            distribution = waiting.pop()
            if distribution.metadata not in found:
                found.add(distribution.metadata)
                yield distribution
                waiting += self._distribution(distribution).required

    def _file(self, module: _Module) -> _Node:
        if module.file not in self._nodes:
            self._nodes[module.file] = self._look(module)
        return self._nodes[module.file]

    def _look(self, module: _Module) -> _Node:
        name, file, holder = module.name, module.file, module.holder
        if holder is None:
            return self._look_below(name, file)
        digest, imports = read_imports(file)
        is_package = os.path.basename(file).startswith("__init__.")
        package = name if is_package else name.rpartition(".")[0]
        record = self._record(holder)
        place = (digest, record.digest, package)
        if place not in _resolved:
            named = {(absolute(wanted, package), at_once) for wanted, at_once in imports}
            _resolved[place] = tuple(
                sorted(
                    {
                        (outer, at_once)
                        for wanted, at_once in named
                        for outer in _runs(wanted, record)
                    }
                )
            )
        versions: list[str] = []
        sides: tuple[list[_Module], list[_Module]] = ([], [])
        for wanted, is_at_once in _resolved[place]:
            for found in self._imported(wanted, holder, record):
                if isinstance(found, str):
                    versions.append(found)
                else:
                    sides[is_at_once].append(found)
        return _Node(f"{name} {digest}", tuple(versions), tuple(sides[1]), tuple(sides[0]), ())

    def _look_below(self, name: str, file: str) -> _Node:
        """A module that no record names: whatever lies in its package, and what that imports."""
        lines: list[str] = []
        versions: list[str] = []
        sides: tuple[list[_Module], list[_Module]] = ([], [])
        top = name.partition(".")[0]
        for label, path in _files_of(name, file):
            digest, imports = read_imports(path)
            lines.append(f"{label} {identify(path) if is_native(path) else digest}")
            for wanted, is_at_once in imports:
                if wanted.partition(".")[0] in ("", top, *sys.stdlib_module_names):
                    continue
                for found in self._other(wanted):
                    if isinstance(found, str):
                        versions.append(found)
                    else:
                        sides[is_at_once].append(found)
        return _Node("\n".join(lines), tuple(versions), tuple(sides[1]), tuple(sides[0]), ())

    def _imported(
        self, name: str, holder: Distribution, record: Record
    ) -> tuple[str, ...] | tuple[_Module, ...]:
        """The module that runs when a name is imported, or the version that tells as much."""
        place = (holder.metadata, name)
        if place not in self._imports:
            form = record.modules.get(name)
            if form is None:
                self._imports[place] = self._other(name)
            else:
                # What is loaded may have come from another file: a library put beside it.
                loaded = getattr(sys.modules.get(name), "__file__", None)
                file = loaded or f"{holder.folder}/{form}"
                self._imports[place] = (_Module(name, file, holder),)
        return self._imports[place]

    def _other(self, name: str) -> tuple[str, ...] | tuple[_Module, ...]:
        """What another distribution gives under a name."""
        top, *rest = name.split(".")
        location = self._installation.location(top)
        for part in rest:
            if location is None or location.file is not None:
                break
            # A namespace: what runs is what several distributions put below it.
            location = self._installation.location(f"{location.name}.{part}")
        if location is None or location.file is None:
            return ()  # absent; or a namespace, which has no code
        library = origin(location.name, location.file).version
        if library is not None:
            return (library,)
        return (_Module(location.name, location.file, self._holder(location.file)),)

    def _distribution(self, distribution: Distribution) -> _Node:
        """All files of a distribution, and what it requires."""
        known = self._nodes.get(distribution.metadata)
        if known is None:
            record = self._record(distribution)
            content = [record.digest, *record.deviations(distribution)]
            digest = sha256("\n".join(content).encode()).hexdigest()
            line = f"{distribution.name} {distribution.version} {digest}"
            known = self._nodes[distribution.metadata] = self._requiring(line, distribution)
        return known

    def _requiring(self, line: str, distribution: Distribution) -> _Node:
        versions: list[str] = []
        modules: list[_Module] = []
        required: list[Distribution] = []
        for name in required_names(distribution.metadata):
            found = self._installation.distribution(name)
            if found is None or found.editable:
                # Not there, or somewhere else than its metadata.
                for other in self._other(name.replace("-", "_")):
                    (versions if isinstance(other, str) else modules).append(other)  # type: ignore[arg-type]
            elif goes_by_version(found):
                versions.append(f"{found.name} {found.version}")
            else:
                required.append(found)
        return _Node(line, tuple(versions), tuple(modules), (), tuple(required))

    def _holder(self, file: str) -> Distribution | None:
        if file not in self._holders:
            held = self._installation.holder(file)
            self._holders[file] = None if held is None else held[0]
        return self._holders[file]

    def _record(self, distribution: Distribution) -> Record:
        if distribution.metadata not in self._records:
            text = self._installation.record(distribution)
            self._records[distribution.metadata] = Record(text)
        return self._records[distribution.metadata]


# What files import: by digest, the record beside it, and the package that they are in.
_resolved: dict[tuple[str, str, str], tuple[tuple[str, bool], ...]] = {}


def _runs(name: str, record: Record) -> tuple[str, ...]:
    """What runs when a name is imported: modules of the same record, or what others give."""
    parts = name.split(".")
    if not parts[0] or parts[0] in sys.stdlib_module_names:
        return ()
    # A module runs after the packages around it.
    outer = (".".join(parts[: end + 1]) for end in range(len(parts)))
    own = tuple(each for each in outer if each in record.modules)
    return own or (name,)


def _files_of(name: str, file: str) -> Iterator[tuple[str, str]]:
    """The files of the package that a module is in, each with its name within."""
    folder = os.path.dirname(file)
    depth = name.count(".") - (not os.path.basename(file).startswith("__init__."))
    if depth < 0:
        yield name, file
        return
    for _ in range(depth):
        folder = os.path.dirname(folder)
    top = name.partition(".")[0]
    for path in files_below(folder):
        yield f"{top}/{os.path.relpath(path, folder)}", path
