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
from emberkeep.keys.distributions import ABSENT, Installation, import_name
from emberkeep.keys.extensions import numba_extensions
from emberkeep.keys.file_digests import contents_of, own_digests
from emberkeep.keys.libraries import (
    CUDA_ROLES,
    cuda_libraries,
    identify,
    svml_libraries,
)
from emberkeep.keys.numba_settings import numba_settings
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emberkeep.keys.distributions import Distribution, Location

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
        from emberkeep.keys.drift import drift  # a hit asks for none

        now = _toolchain(self._request)
        return tuple(drift(self.ingredients, now.ingredients, self._locations))


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
        own: packages or modules that generate code (``"emberkeep.ode.codegen"``): the bytes of
            their files count, so an edited checkout does.
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
    locations = {name: installation.location(import_name(name)) for name in request.packages}
    ingredients: dict[str, object] = {
        "python": _python(),
        "packages": {
            name: _package(installation, name, locations[name]) for name in sorted(locations)
        },
    }
    if any(import_name(name) in _NUMBA for name in request.packages):
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
        ingredients["own code"] = own_digests(request.own)
    return Toolchain(ingredients, request, locations)


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
        identity.update(contents_of(location))
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


def _cuda() -> dict[str, tuple[str, ...]]:
    libraries = cuda_libraries()
    return {
        role: tuple(library.identity for library in libraries if library.role == role)
        for role in CUDA_ROLES
    }
