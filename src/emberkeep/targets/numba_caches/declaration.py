"""What `keep_kernel` keeps of numba's dispatchers, as something to compile ahead."""

from __future__ import annotations

from emberkeep.errors import InvalidKernel
from emberkeep.startup_records import replace
from emberkeep.targets.declaration import Declared, Product, product_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from emberkeep.keep.keep import Keep
    from emberkeep.targets.protocol import Target

    Noted = Sequence[tuple[Any, tuple[Any, ...]]]


def of_dispatcher(
    dispatcher: Any, noted: Noted, keep: Keep, tell: Callable[[str], None]
) -> Iterator[Declared]:
    """One of numba's own, which cannot say by itself what is declared of it.

    Args:
        dispatcher: it.
        noted: what `keep_kernel` has kept, with signatures.
        keep: as of `Declares`.
        tell: the same.
    """
    name = dispatcher.py_func.__name__
    is_cuda = type(dispatcher).__module__.startswith("numba.cuda")
    signatures = [each for kept, given in noted if kept is dispatcher for each in given]
    if not any(kept is dispatcher for kept, _ in noted):
        if is_cuda and not dispatcher.targetoptions.get("device"):
            tell(f"{name} is not built, as it is not kept: put @emberkeep.keep_kernel above it")
        return
    if not signatures:
        tell(
            f"{name} is not built, as it declares no signature: "
            "keep_kernel(…, 'float64(float64)') does"
        )
    for signature in signatures:

        def build(target: Target | None, signature: Any = signature) -> Product:
            return _of_numba(dispatcher, signature, keep, target)

        own = _device_here if is_cuda else _processor_here
        kind = "cuda" if is_cuda else "cpu"
        yield Declared(name, str(signature), own, build, only=kind)


def _processor_here() -> Target:
    from emberkeep.targets.cpu.target import CpuTarget

    return CpuTarget("host")


def _device_here() -> Target:
    from emberkeep.targets.cuda.target import CudaTarget

    return CudaTarget.of_this_machine()


def _of_numba(dispatcher: Any, signature: Any, keep: Keep, target: Target | None) -> Product:
    assert target is not None  # it says on what it runs
    name = dispatcher.py_func.__name__
    if target.name == "cuda":
        from emberkeep.targets.numba_caches.cuda import build_ahead as build_for

        artifact, hit, refusal = build_for(dispatcher, signature, keep, target.architecture)
    else:
        if target.architecture != "host":
            raise InvalidKernel(
                f"numba compiles {name!r} for the processor that it runs on, or for that in "
                "NUMBA_CPU_NAME. Use --cpu host, or @emberkeep.kernel, which is built for any"
            )
        from emberkeep.targets.numba_caches.cpu import build_ahead

        artifact, hit, refusal = build_ahead(dispatcher, signature, keep)
    if artifact is None:
        raise InvalidKernel(f"{name!r} cannot be kept: {refusal}")
    return replace(product_of(artifact), {"hit": hit})
