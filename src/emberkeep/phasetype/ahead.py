"""What graphs have compiled when they are first used, for those who compile it ahead."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from emberkeep.elimination.factors import KERNELS
from emberkeep.phasetype.trace import obtain_trace
from emberkeep.startup_records import replace
from emberkeep.targets.declaration import Declared, Product
from emberkeep.targets.kernel import Kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from emberkeep.keep.keep import Keep
    from emberkeep.phasetype.structure import Structure
    from emberkeep.targets.protocol import Target

HOMES = (
    "elimination.kernels.pattern",
    "phasetype.kernels.double_double",
    "phasetype.kernels.state_space",
    "phasetype.kernels.simulation",
    "phasetype.kernels.propagation",
)


# The folders of kernels: what emberkeep's wheel carries.
FOLDERS = ("elimination.kernels", "phasetype.kernels")


def declared(graph: Structure, keep: Keep, tell: Callable[[str], None]) -> Iterator[Declared]:
    """A graph's trace, and what emberkeep itself runs to make, record and evaluate any."""
    for kernel in kernels():
        for each in kernel.__emberkeep_declares__(keep, tell):
            yield replace(each, {"only": "cpu", "named": False})

    def build(_target: Target | None) -> Product:
        trace = obtain_trace(graph, keep)
        return Product(trace.key, trace.hit, trace.reason, trace.pattern.array.nbytes)

    yield Declared(graph.name, "trace", None, build)


def kernels() -> Iterator[Kernel]:
    """All of them, once each."""
    return _kernels_of(HOMES)


def own_kernels() -> Iterator[Kernel]:
    """Those, and what models and inference have compiled: all that emberkeep itself declares."""
    folders = [import_module(f"emberkeep.{folder}") for folder in FOLDERS]
    found = zip(FOLDERS, folders, strict=True)
    return _kernels_of(
        f"{name}.{module.name}"
        for name, folder in found
        for module in iter_modules(folder.__path__)
    )


def _kernels_of(homes: Iterable[str]) -> Iterator[Kernel]:
    found = [value for home in homes for value in vars(import_module(f"emberkeep.{home}")).values()]
    found += [kernel for pair in KERNELS.values() for kernel in pair]
    yield from {id(kernel): kernel for kernel in found if isinstance(kernel, Kernel)}.values()
