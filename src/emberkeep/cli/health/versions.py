"""What ``doctor`` says of what is installed: versions outside of what is known to work."""

from __future__ import annotations

from emberkeep.cli.health import OK, WARN, Check
from emberkeep.keys.distributions import find_distribution
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@final
@frozen
class Known:
    """The releases of a package that emberkeep was tried with.

    Attributes:
        name: of the distribution.
        first: the oldest, which is the bound in pyproject.toml.
        last: the newest; later bug fixes of it are taken to be like it.
        before: what follows from an older one.
        after: what may follow from a newer one.
    """

    name: str
    first: tuple[int, ...]
    last: tuple[int, ...]
    before: str
    after: str


KNOWN = (
    Known("numpy", (1, 26), (2, 5), "Nothing works for sure", "Arrays may be refused"),
    Known(
        "numba",
        (0, 62),
        (0, 68),
        "Kernels for the CPU cannot be compiled: its LLVM has pointers with types",
        "Kernels that it cannot compile say so; what is kept stays right: it is in their keys",
    ),
    Known(
        "numba-cuda",
        (0, 30),
        (0, 30),
        "Kernels for GPUs may not compile",
        "Kernels for GPUs that it cannot compile say so; what is kept stays right",
    ),
    Known(
        "jax",
        (0, 10, 2),
        (0, 12),
        "Models and programs may raise",
        "Programs of which it says more than is known here are compiled in each process, each with "
        "a warning; JAX's own cache is used where its seam has moved",
    ),
    Known("blackjax", (1, 2), (1, 7), "`mcmc` may raise", "`mcmc` may raise"),
    Known("optax", (0, 2), (0, 2), "`SVGD` may raise", "`SVGD` may raise"),
    Known("sympy", (1, 12), (1, 14), "Systems may be refused", "Systems may be refused"),
    Known("rich", (13,), (15,), "Reports may not be drawn", "Reports may look odd"),
)


def check_versions() -> Iterator[Check]:
    """Each package that is here, and what follows from its version."""
    for known in KNOWN:
        found = find_distribution(known.name)
        if found is None:
            yield Check(known.name, OK, "not installed (optional)")
        else:
            yield _judge(known, found.version)


def _judge(known: Known, version: str) -> Check:
    numbers = _numbers(version)
    tried = f"{_text(known.first)} to {_text(known.last)}"
    if numbers < known.first:
        detail, follows = f"{version}, older than what works ({tried})", known.before
    elif numbers[: len(known.last)] > known.last:
        detail, follows = f"{version}, newer than what was tried ({tried})", known.after
    else:
        return Check(known.name, OK, version)
    remedy = f"{follows}. To be sure: pip install '{known.name}>={_text(known.first)}"
    return Check(known.name, WARN, detail, f"{remedy},<{_text(_next(known.last))}'.")


def _numbers(version: str) -> tuple[int, ...]:
    """The release as numbers, as far as it is made of such."""
    found: list[int] = []
    for part in version.partition("+")[0].split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
        if digits != part:
            break
    return tuple(found)


def _next(release: tuple[int, ...]) -> tuple[int, ...]:
    return (*release[:-1], release[-1] + 1)


def _text(release: tuple[int, ...]) -> str:
    return ".".join(map(str, release))
