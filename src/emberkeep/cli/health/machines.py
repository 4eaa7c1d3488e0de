"""What `doctor` says of the machines that kernels can be compiled for and run on."""

from __future__ import annotations

from emberkeep.cli.health import OK, WARN, Check
from emberkeep.errors import EmberkeepError
from emberkeep.keys.distributions import find_distribution
from emberkeep.targets.cpu.features import LEVELS, host, missing
from emberkeep.targets.cuda.driver import open_device
from emberkeep.targets.prebuilt import levels_here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def check_machines() -> Iterator[Check]:
    """The processor, the compilers and the GPU; nothing is compiled."""
    yield _processor()
    yield _own_kernels()
    yield _cpu_compiler()
    yield _gpu_compiler()
    yield _gpu()


def _processor() -> Check:
    here = host()
    levels = [name for name, needed in LEVELS.items() if not missing(needed, here)]
    if here.architecture != "x86-64":
        remedy = "Kernels are compiled for 'host' only; levels are those of x86-64."
        return Check("processor", WARN, here.architecture, remedy)
    return Check("processor", OK, f"{here.vendor}, runs {levels[-1]}")


def _own_kernels() -> Check:
    levels = levels_here()
    if not levels:
        return Check("emberkeep's kernels", OK, "compiled when they are needed")
    return Check("emberkeep's kernels", OK, f"came compiled, for {levels[0]}")


def _cpu_compiler() -> Check:
    if find_distribution("numba") is None:
        remedy = "Kept kernels run; to compile new ones: pip install 'emberkeep[numba]'."
        return Check("kernels on the CPU", WARN, "numba is not installed", remedy)
    return Check("kernels on the CPU", OK, "compiled by numba")


def _gpu_compiler() -> Check:
    lacking = [name for name in ("numba-cuda", "cuda-bindings") if find_distribution(name) is None]
    if lacking:
        remedy = "For kernels on GPUs: pip install 'emberkeep[cuda]'."
        detail = f"{' and '.join(lacking)} not installed (optional)"
        return Check("kernels for GPUs", OK, detail, remedy)
    return Check("kernels for GPUs", OK, "compiled by numba-cuda, with or without a GPU")


def _gpu() -> Check:
    if find_distribution("cuda-bindings") is None:
        return Check("GPU", OK, "not looked for")
    try:
        device = open_device()
    except EmberkeepError as problem:
        return Check("GPU", OK, f"none can be used: {problem}")
    driver = ".".join(map(str, device.driver_version))
    return Check("GPU", OK, f"{device.name}, {device.architecture}, driver for CUDA {driver}")
