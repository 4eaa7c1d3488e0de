"""Names of GPU architectures, and which of them run on which."""

from __future__ import annotations

from emberkeep.errors import InvalidKernel

OLDEST = (7, 5)  # what numba-cuda with CUDA 13 compiles for


def capability(architecture: str) -> tuple[int, int]:
    """The compute capability of ``sm_90``: (9, 0).

    Raises:
        InvalidKernel: it is no name of an architecture.
    """
    digits = architecture.removeprefix("sm_")
    if not architecture.startswith("sm_") or not digits.isdigit() or len(digits) < 2:  # noqa: PLR2004
        raise InvalidKernel(
            f"{architecture!r} is no GPU architecture; expected a name such as 'sm_80' or 'sm_90'. "
            "Family-specific ones (sm_90a) run on one model only and are not built"
        )
    return int(digits[:-1]), int(digits[-1])


def runs_on(architecture: str, device: tuple[int, int]) -> bool:
    """Whether a cubin runs on a device: of the same major version, and no newer."""
    major, minor = capability(architecture)
    return major == device[0] and minor <= device[1]
