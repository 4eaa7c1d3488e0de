"""What goes by its version: Python's own library, NumPy, and the compilers.

All other installed libraries are keyed by what they do or consist of. These few are used by nearly
every kernel, and compilers put what they do into machine code by themselves. A file of theirs that
was edited, and what was installed as editable, goes by no version.
"""

from __future__ import annotations

import os
import sys

from emberkeep.keys.distributions import (
    Installation,
    distribution_of_module_file,
    is_standard_library,
)
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.keys.distributions import Distribution

VERSIONED = frozenset(
    {
        "cuda-bindings",
        "cuda-core",
        "cuda-pathfinder",
        "jax",
        "jaxlib",
        "llvmlite",
        "ml-dtypes",
        "numba",
        "numba-cuda",
        "numpy",
        "opt-einsum",
    }
)
_BEGINNINGS = ("jax-cuda", "jax-rocm", "nvidia-")

_SITE_FOLDERS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


@final
@frozen
class Origin:
    """Where a module comes from.

    Attributes:
        version: the library and its version, where that tells what it does.
        followed: whether it is of another installed library. Else it is the user's.
    """

    version: str | None
    followed: bool


# What each module belongs to, for as long as its file is as it was.
_known: dict[tuple[str, str | None, int, int, int], Origin] = {}


def origin(name: str, file: str | None) -> Origin:
    """Where the module of a name and a file comes from."""
    stamp = _stamp(file)
    place = (name, file, *stamp)
    if place not in _known:
        version = _version(name, file)
        # Of what lies in an archive, nothing can be read.
        readable = version is None and name != "__main__" and any(stamp)
        _known[place] = Origin(version, readable and _is_installed(file or ""))
    return _known[place]


def _is_installed(file: str) -> bool:
    in_site = any(folder in file for folder in _SITE_FOLDERS)
    return in_site or Installation.now().holder(file) is not None


def goes_by_version(distribution: Distribution) -> bool:
    """Whether a distribution goes by its version."""
    return distribution.name in VERSIONED or distribution.name.startswith(_BEGINNINGS)


def _stamp(file: str | None) -> tuple[int, int, int]:
    try:
        facts = os.stat(file or "")
    except OSError:  # built in, frozen, or inside an archive
        return (0, 0, 0)
    return (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size)


def _version(name: str, file: str | None) -> str | None:
    if name == "__main__":
        return None
    if is_standard_library(name, file):
        return python_version()
    if file is None:
        return None
    distribution = distribution_of_module_file(file)
    if distribution is None or not goes_by_version(distribution):
        return None
    return f"{distribution.name} {distribution.version}"


def python_version() -> str:
    """Python's own version: its library changes with each patch."""
    version = sys.version_info
    text = f"python {version.major}.{version.minor}.{version.micro}"
    return text if version.releaselevel == "final" else f"{text} {sys.hexversion:#x}"
