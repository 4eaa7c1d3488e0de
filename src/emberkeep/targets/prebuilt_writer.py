"""Writing what `prebuilt` reads: kernels of emberkeep's own, while its wheel is made."""

from __future__ import annotations

import json
import os
import zlib
from typing import TYPE_CHECKING, Any

from emberkeep.errors import TargetUnavailable
from emberkeep.keys.file_digests import own_digests
from emberkeep.startup_records import sha256
from emberkeep.targets.cpu.target import OWN, SHARED, CpuTarget
from emberkeep.targets.prebuilt import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emberkeep.keep.keep import Keep
    from emberkeep.targets.kernel import Kernel


def write_prebuilt(folder: str, level: str, kernels: Iterable[Kernel], keep: Keep) -> int:
    """Compile kernels for a level and write them with their index; how many bytes that are.

    The same sources and compilers give the same bytes.

    Args:
        folder: what becomes ``emberkeep/prebuilt``.
        level: such as ``x86-64-v3``.
        kernels: with their signatures declared.
        keep: where they are looked for first, and kept.

    Raises:
        TargetUnavailable: there is no compiler, or nothing that can be shared comes out of it.
    """
    target, size = CpuTarget(level), 0
    entries: dict[str, Any] = {}
    made_from: dict[str, str] = {}
    os.makedirs(folder, exist_ok=True)
    for kernel in kernels:
        made_from.update(own_digests((*OWN, *kernel.own)))
        for artifact in kernel.build(target, keep=keep):
            plan = artifact.key.partition("-")[0]
            if SHARED not in artifact.blobs or not plan:
                raise TargetUnavailable(
                    f"The kernel {kernel.name!r} did not become a shared object with a key. Make "
                    "the wheel on Linux, and where nothing is disabled"
                )
            image = artifact.blobs[SHARED]
            digest = sha256(image).hexdigest()
            content = zlib.compress(image, 9)
            with open(os.path.join(folder, digest), "wb") as file:
                file.write(content)
            size += len(content)
            entries[plan] = {"name": kernel.name, "digest": digest, "layout": artifact.layout}
    index: dict[str, Any] = {
        "format": FORMAT,
        "level": level,
        "made from": dict(sorted(made_from.items())),
        "kernels": dict(sorted(entries.items())),
    }
    with open(os.path.join(folder, f"{level}.json"), "w", encoding="utf-8") as file:
        json.dump(index, file, separators=(",", ":"))
    return size
