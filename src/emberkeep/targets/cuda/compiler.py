"""What compiles for CUDA, as ingredients of a build key; nothing of it is imported."""

from __future__ import annotations

from _thread import start_new_thread

from emberkeep.errors import Unkeyable
from emberkeep.keys.toolchain import toolchain
from emberkeep.targets.protocol import PRINTED, PYTHON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.keys.toolchain import Toolchain

PACKAGES = ("numba-cuda", "numba", "llvmlite", "cuda-core", "cuda-bindings")
PACKAGES_OF_PRINTED = ("cuda-bindings",)

# emberkeep's own code that decides about the bytes.
OWN = (
    "emberkeep.targets.callees",
    "emberkeep.targets.arguments",
    "emberkeep.targets.cuda",
    "emberkeep.targets.indexed_arrays",
    "emberkeep.targets.overloads",
    "emberkeep.targets.protocol",
)


def cuda_toolchain(own: Sequence[str] = (), language: str = PYTHON) -> Toolchain:
    """The compiler as it is now, with modules of emberkeep that write the source."""
    packages = PACKAGES_OF_PRINTED if language == PRINTED else PACKAGES
    return toolchain(packages, own=(*OWN, *own), cuda=True)


def look_ahead() -> None:
    """Read what a key will be made of, on another thread, while this one waits for the driver.

    Starting the driver takes 0.2 s and no Python. What is read here is only remembered: digests of
    files by their time and size. Keys are made later, from things as they are then.
    """
    start_new_thread(_read, ())


def _read() -> None:
    try:
        cuda_toolchain()
    except (Unkeyable, OSError) as problem:
        import logging  # whoever needs the key will be told

        logging.getLogger("emberkeep.cuda").debug("looking ahead: %s", problem)
