# pathlib costs an import of 3 ms on the way to a kept artifact:
"""The compilers and libraries that a build uses, as ingredients of its key.

Nothing of it is imported to find out. After a build, `Toolchain.drift` compares what was really
imported with what the key said: on a difference nothing may be kept.
"""

from __future__ import annotations

import os
import sys
from _imp import extension_suffixes

from emberkeep.errors import Unkeyable
from emberkeep.keys.distributions import Installation
from emberkeep.keys.extensions import numba_extensions
from emberkeep.keys.libraries import (
    CUDA_ROLES,
    UNREADABLE,
    cuda_libraries,
    file_digest,
    identify,
    mapped_libraries,
    svml_libraries,
)
from emberkeep.keys.numba_settings import numba_settings
from emberkeep.startup_records import final, frozen, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from emberkeep.keys.distributions import Distribution, Location

ABSENT = "absent"

# What a package compiles from or with, besides Python: numba-cuda brings CUDA sources.
_SOURCE_SUFFIXES = (
    ".bc",
    ".c",
    ".cpp",
    ".cu",
    ".cuh",
    ".cxx",
    ".h",
    ".hpp",
    ".ll",
    ".ptx",
    ".py",
    ".pyx",
)
_LIBRARY_SUFFIXES = (".dll", ".dylib", ".pyd", ".so")

# One version of llvmlite is built against different LLVMs by PyPI, conda and distributions.
_CODE_GENERATORS = {"llvmlite": ("binding", "libllvmlite.so")}

_NUMBA = frozenset({"numba", "numba_cuda"})


@final
@frozen
class _Request:
    """What `toolchain` was asked for, to ask again after the build."""

    packages: tuple[str, ...]
    own: tuple[str, ...]
    cuda: bool


@final
@frozen
class Toolchain:
    """What can change the bytes that a build gives, besides the plan.

    Attributes:
        ingredients: nested mappings of text → text or a tuple of texts; what the fingerprint is
            made from. It holds no path: keys agree between machines.
    """

    ingredients: Mapping[str, object]
    _request: _Request
    _locations: Mapping[str, Location | None]

    def drift(self) -> tuple[str, ...]:
        """After a build: what was really imported, against what the key said.

        Returns:
            One sentence per difference; nothing when all agree.
        """
        now = _toolchain(self._request)
        return (
            *_differences("", self.ingredients, now.ingredients),
            *_import_drift(self.ingredients, self._locations),
            *_mapped_drift(self.ingredients),
        )


def toolchain(
    packages: Sequence[str] = ("numba", "llvmlite"),
    *,
    own: Sequence[str] = (),
    cuda: bool = False,
) -> Toolchain:
    """The toolchain as it is now.

    Args:
        packages: names of packages, or of distributions, whose versions count; ``numba`` brings
            its settings along.
        own: subpackages or modules of emberkeep that generate code (``"ode.codegen"``): the bytes
            of their files count, so an edited checkout does.
        cuda: whether CUDA's compiler libraries count.

    Raises:
        Unkeyable: something of it cannot be told for certain.
    """
    try:
        return _toolchain(_Request(_names(packages), _names(own), cuda))
    except OSError as problem:
        raise Unkeyable(
            "toolchain",
            f"cannot be read: {problem}",
            "See that the folders of Python and of its packages can be read, and that the process "
            "may open more files",
        ) from problem


def _names(given: Sequence[str]) -> tuple[str, ...]:
    """One name is a sequence of its letters to Python; here it is one name."""
    return (given,) if isinstance(given, str) else tuple(given)


def _toolchain(request: _Request) -> Toolchain:
    installation = Installation.now()
    locations = {name: installation.location(_import_name(name)) for name in request.packages}
    ingredients: dict[str, object] = {
        "python": _python(),
        "packages": {
            name: _package(installation, name, locations[name]) for name in sorted(locations)
        },
    }
    if any(_import_name(name) in _NUMBA for name in request.packages):
        ingredients["numba"] = {
            "settings": numba_settings(),
            "svml": tuple(library.identity for library in svml_libraries()),
        }
        extensions = numba_extensions()
        if extensions:
            ingredients["numba extensions"] = extensions
    if request.cuda:
        ingredients["cuda"] = _cuda()
    if request.own:
        ingredients["emberkeep"] = own_digests(request.own)
    return Toolchain(ingredients, request, locations)


def _import_name(name: str) -> str:
    return name.replace("-", "_")


def _python() -> dict[str, str]:
    implementation = sys.implementation
    python = {
        "implementation": implementation.name,
        "bytecode": implementation.cache_tag or f"hexversion {sys.hexversion:#x}",
        # Also tells debug and free-threaded builds, the machine and the C library apart.
        "extensions": extension_suffixes()[0],
        "platform": sys.platform,
        "machine": os.uname().machine,
        "byte order": sys.byteorder,
    }
    if sys.version_info.releaselevel != "final":
        # Bytecode may still change between pre-releases of one version.
        python["pre-release"] = f"{sys.hexversion:#x}"
    return python


def _package(installation: Installation, name: str, location: Location | None) -> dict[str, object]:
    """The identity of a package: its version, and its contents where a version tells too little."""
    distribution = installation.distribution(name)
    if location is None:
        return _unlocated(distribution)
    if distribution is None and location.file is not None:
        # A package of another name than its distribution: PyYAML's yaml.
        distribution = installation.owner(location.file)
    identity: dict[str, object] = {
        "version": "unknown" if distribution is None else distribution.version
    }
    if not _is_told_by_version(distribution, location):
        identity.update(_contents(location))
    parts = _CODE_GENERATORS.get(location.name)
    for folder in location.folders if parts else ():
        path = os.path.join(folder, *(parts or ()))
        if os.path.isfile(path):
            identity[os.path.basename(path)] = identify(path)
    return identity


def _unlocated(distribution: Distribution | None) -> dict[str, object]:
    if distribution is None:
        return {"version": ABSENT}
    if distribution.editable:
        raise Unkeyable(
            f"toolchain → package {distribution.name!r}",
            "it is installed as editable and no importable package has its name, so its contents "
            "cannot be found",
            "Name the package as it is imported",
        )
    return {"version": distribution.version}


def _is_told_by_version(distribution: Distribution | None, location: Location) -> bool:
    """Not for editable, unowned and shadowed packages: those are whatever lies in their folders."""
    if distribution is None or distribution.editable:
        return False
    folder = distribution.folder
    return bool(location.roots) and all(
        root == folder or os.path.realpath(root) == os.path.realpath(folder)
        for root in location.roots
    )


def _contents(location: Location) -> dict[str, object]:
    files = tuple(_files_of(location))
    if not files:
        return {"contents": "built in"}
    libraries = tuple(
        f"{name} {identify(path)}" for name, path in files if _has_suffix(name, _LIBRARY_SUFFIXES)
    )
    sources = [(name, path) for name, path in files if _has_suffix(name, _SOURCE_SUFFIXES)]
    return {"contents": _digest(sources), "libraries": libraries}


def _has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    # Versioned libraries too: libfoo.so.1.2.
    return name.endswith(suffixes) or (suffixes is _LIBRARY_SUFFIXES and ".so." in name)


def _files_of(location: Location) -> Iterator[tuple[str, str]]:
    """Name within the package, and path; in the same order on every machine."""
    if not location.folders and location.file is not None:
        yield os.path.basename(location.file), location.file
    for folder in location.folders:
        yield from _files_below(folder)


def _files_below(folder: str) -> Iterator[tuple[str, str]]:
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(
            name for name in subfolders if name != "__pycache__" and not name.startswith(".")
        )
        for name in sorted(names):
            path = os.path.join(place, name)
            # Editors' lock files are hidden links that lead nowhere.
            if not name.startswith("."):
                yield os.path.relpath(path, folder).replace(os.sep, "/"), path


def _digest(files: Sequence[tuple[str, str]]) -> str:
    lines: list[bytes] = []
    for name, path in files:
        # A name may contain anything, so its length goes before it.
        encoded = os.fsencode(name)
        lines.append(b"%d:%b %b\n" % (len(encoded), encoded, _bytes_of(path).encode()))
    return f"sha256:{sha256(b''.join(lines)).hexdigest()}"


def _bytes_of(path: str) -> str:
    try:
        return file_digest(path)
    except OSError:
        # It vanished, or was never there: generated modules name files that do not exist.
        return UNREADABLE


def own_digests(names: Sequence[str]) -> dict[str, str]:
    """The digests of emberkeep's own subpackages or modules, by the bytes of their files."""
    return {name: _own_digest(name) for name in sorted(names)}


def _own_digest(name: str) -> str:
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.path.join(root, *name.split("."))
    if os.path.isdir(path):
        return _digest([file for file in _files_below(path) if not file[0].endswith(".pyc")])
    if os.path.isfile(f"{path}.py"):
        return _digest([(os.path.basename(f"{path}.py"), f"{path}.py")])
    raise Unkeyable(
        f"toolchain → own {name!r}",
        f"emberkeep has no subpackage or module of this name in {root}",
        "Name it from emberkeep's own folder on, as in 'keys.toolchain'",
    )


def _cuda() -> dict[str, tuple[str, ...]]:
    libraries = cuda_libraries()
    return {
        role: tuple(library.identity for library in libraries if library.role == role)
        for role in CUDA_ROLES
    }


def _differences(path: str, said: Any, found: Any) -> Iterator[str]:
    if _is_branch(said) and _is_branch(found):
        for name in sorted({*said, *found}):
            inner = f"{path} → {name}" if path else name
            yield from _differences(inner, said.get(name, ABSENT), found.get(name, ABSENT))
    elif said != found:
        yield (
            f"{path}: the key said {said!r}, after the build it is {found!r}. Both must agree for "
            "a build to be kept: change the toolchain before a program starts, not while it builds."
        )


def _is_branch(value: object) -> bool:
    return isinstance(value, dict)


def _import_drift(
    ingredients: Mapping[str, Any], locations: Mapping[str, Location | None]
) -> Iterator[str]:
    packages: Mapping[str, Mapping[str, object]] = ingredients["packages"]
    for name, location in locations.items():
        module = sys.modules.get(_import_name(name))
        if module is None:
            continue
        said = None if location is None else location.file
        found: str | None = getattr(module, "__file__", None)
        if not _same_file(said, found):
            yield (
                f"{name}: the key was made for {said or 'no file'}, but {found or 'no file'} was "
                "imported. Remove the other copy from sys.path, or import it before the key is "
                "made."
            )
        version: object = getattr(module, "__version__", None)
        keyed_version = packages[name]["version"]
        # Where the contents are keyed, no version is needed (and checkouts' ones are out of date).
        if "contents" in packages[name] or not isinstance(version, str):
            continue
        if _canonical(version) != _canonical(str(keyed_version)):
            yield (
                f"{name}: the key said version {keyed_version}, but what was imported calls "
                f"itself {version} ({found}). Install it again, so that its metadata and its "
                "code agree, and restart Python."
            )


def _same_file(said: str | None, found: str | None) -> bool:
    if said is None or found is None:
        return said is found
    return said == found or os.path.realpath(said) == os.path.realpath(found)


def _canonical(version: str) -> str:
    """A version as far as packages and their metadata spell it alike: 1.2.0 is 1.02."""
    for separator in "-_+":
        version = version.replace(separator, ".")
    parts = [part.lstrip("0") or "0" for part in version.lower().removeprefix("v").split(".")]
    while len(parts) > 1 and parts[-1] == "0":
        parts.pop()
    return ".".join(parts)


def _mapped_drift(ingredients: Mapping[str, Any]) -> Iterator[str]:
    """Libraries that were really loaded and that the key does not know."""
    cuda: Mapping[str, tuple[str, ...]] | None = ingredients.get("cuda")
    if cuda is not None:
        for library in mapped_libraries(CUDA_ROLES):
            if library.identity not in cuda[library.role]:
                yield (
                    f"cuda → {library.role}: {library.path} was loaded ({library.identity}), and "
                    f"the key knows only {', '.join(cuda[library.role]) or 'none'}. Set CUDA_HOME "
                    "to the toolkit that is used, so that it can be found beforehand."
                )
    numba: Mapping[str, object] | None = ingredients.get("numba")
    config = sys.modules.get("numba.core.config")
    if numba is not None and not numba["svml"] and getattr(config, "USING_SVML", False):
        yield (
            "numba → svml: the key said that there is no libsvml.so, but numba uses one. Put its "
            "folder on LD_LIBRARY_PATH, so that it can be found beforehand."
        )
