"""What graphs have compiled when they are first used, for those who compile it ahead."""

from __future__ import annotations

from importlib import import_module

from emberkeep.elimination.evaluate import KERNELS
from emberkeep.targets.kernel import Kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HOMES = (
    "elimination.kernels.recording",
    "phasetype.kernels.exploring",
    "phasetype.kernels.running",
    "phasetype.kernels.walking",
)


def kernels() -> Iterator[Kernel]:
    """All of them, once each."""
    found = [value for home in HOMES for value in vars(import_module(f"emberkeep.{home}")).values()]
    found += [kernel for pair in KERNELS.values() for kernel in pair]
    yield from {id(kernel): kernel for kernel in found if isinstance(kernel, Kernel)}.values()
