"""emberkeep's own kernels as its wheel carries them: compiled before anybody asked.

A folder in the package, beside the code: an index for each level of processors, and shared objects
by their digest, compressed. Who can change it can change emberkeep itself, so it needs no seal; but
it is machine code, so it is judged like all other before it is loaded. An index names the digests
of emberkeep's own files that its kernels were made from. Where those are not what is installed, a
kernel is compiled like any other. `prebuilt_writer` writes what is read here.
"""

from __future__ import annotations

import os
import warnings
import zlib
from functools import cache

from emberkeep.errors import StoreWarning
from emberkeep.keep.artifact import Artifact
from emberkeep.keep.reports import depth_of_caller, span
from emberkeep.keys.file_digests import own_digests
from emberkeep.startup_records import parse_json, sha256
from emberkeep.targets.cpu.features import LEVELS, host, missing
from emberkeep.targets.cpu.target import OWN, SHARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.targets.protocol import Request, Target

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "prebuilt")
FORMAT = 1
BEST_FIRST = ("x86-64-v4", "x86-64-v3", "x86-64-v2")


def came_with_us(target: Target, request: Request, plan: str) -> Artifact | None:
    """The kernel as it came with the package; None where it did not, or is not what is wanted.

    Args:
        target: what it is for.
        request: the kernel.
        plan: the digest of its ingredients.
    """
    if not request.own:
        return None
    index = next(map(_read_index, _levels(target)), None)
    if index is None or not {*OWN, *request.own} <= index["made from"].keys():
        return None
    entry = index["kernels"].get(plan)
    if entry is None:
        return None
    for name, digest in own_digests((*OWN, *request.own)).items():
        if index["made from"][name] != digest:
            _log(f"{request.name} is not taken as it came: {name} was changed since")
            return None
    with span(f"load prebuilt/{request.name}", "load"):
        image = _read_blob(entry["digest"])
    if image is None:
        return None
    reason = f"came with emberkeep, for {index['level']}"
    return Artifact("", {SHARED: image}, dict(entry["layout"]), hit=True, reason=reason)


def levels_here() -> tuple[str, ...]:
    """The levels that there are kernels for and that this processor has, the best first."""
    here = host()
    possible = (level for level in BEST_FIRST if not missing(LEVELS[level], here))
    return tuple(level for level in possible if _read_index(level) is not None)


def _levels(target: Target) -> tuple[str, ...]:
    """The levels whose kernels will do for a target, the best first."""
    if target.name != "cpu":
        return ()
    if target.architecture != "host":
        return (target.architecture,)
    return levels_here()


@cache
def _read_index(level: str) -> Mapping[str, Any] | None:
    """What there is for a level, if anything; read once a process, as the code is."""
    path = os.path.join(FOLDER, f"{level}.json")
    try:
        with open(path, encoding="utf-8") as file:
            index = parse_json(file.read())
        return index if index["format"] == FORMAT and index["level"] == level else None
    except FileNotFoundError:  # a checkout, or a wheel for all platforms
        return None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        _warn(f"{path} cannot be read: {problem!r}")
        return None


def _read_blob(digest: str) -> bytes | None:
    path = os.path.join(FOLDER, digest)
    try:
        with open(path, "rb") as file:
            image = zlib.decompress(file.read())
    except (OSError, zlib.error) as problem:
        _warn(f"{path} cannot be read: {problem}")
        return None
    if sha256(image).hexdigest() != digest:
        _warn(f"{path} is damaged")
        return None
    return image


def _log(text: str) -> None:
    import logging

    logging.getLogger("emberkeep.targets").debug("%s", text)


def _warn(text: str) -> None:
    warnings.warn(
        f"{text}. Kernels of emberkeep's own are compiled instead, which needs numba and takes its "
        "time. Install emberkeep anew",
        StoreWarning,
        stacklevel=depth_of_caller(),
    )
