"""From a kernel's source to something that runs: kept, or compiled now and kept."""

from __future__ import annotations

import warnings

from emberkeep.cache import Keep, depth_of_caller
from emberkeep.errors import StoreWarning, TargetUnavailable, Unkeyable, Unloadable
from emberkeep.keys.toolchain import ABSENT
from emberkeep.light import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from emberkeep.cache import Artifact
    from emberkeep.keys.toolchain import Toolchain
    from emberkeep.targets.protocol import Request, Runnable, Target

KIND = "generated"


@final
@frozen
class BuildHalf:
    """How a kernel is compiled: the compiler and the machine it compiles for."""

    ingredients: Mapping[str, object]
    _toolchain: Toolchain

    def drift(self) -> tuple[str, ...]:
        """In what the compiler that was used differs from the key."""
        return self._toolchain.drift()


def build_half(target: Target, own: Sequence[str] = ()) -> BuildHalf:
    """The build key's ingredients for a target, and for a source that `own` modules write."""
    toolchain = target.toolchain(own)
    return BuildHalf({**toolchain.ingredients, "machine": target.ingredients()}, toolchain)


def obtain_artifact(keep: Keep, target: Target, request: Request) -> Artifact:
    """The compiled kernel, to be loaded by whoever wants it.

    A kernel that cannot be keyed is compiled and not kept; the user is told why.

    Raises:
        InvalidKernel: it cannot be compiled as it is written.
        TargetUnavailable: it is not kept, and there is no compiler.
    """
    half = build_half(target, request.own)
    elsewhere = _built_elsewhere(keep, target, request, half)
    return _keep_or_compile(keep, target, request, half) if elsewhere is None else elsewhere[0]


def _keep_or_compile(
    keep: Keep, target: Target, request: Request, half: BuildHalf, *, disabled: bool = False
) -> Artifact:
    def build() -> Mapping[str, object]:
        return target.compile(request.source(target))

    try:
        return keep.get_or_build(
            KIND,
            request.name,
            request.ingredients(),
            build,
            toolchain=half,
            disabled=disabled,
        )
    except Unkeyable as problem:
        _warn(f"The kernel {request.name!r} is compiled in each process, not kept. {problem}")
        return keep.get_or_build(KIND, request.name, {}, build, disabled=True)


def obtain(keep: Keep, target: Target, request: Request) -> Runnable:
    """The kernel, ready to run.

    Where there is no compiler, or the user prefers it so, what a pinned toolchain built elsewhere
    is as good, if this machine can run it. What was kept but cannot be loaded is compiled for this
    very machine; where even that was kept and cannot be loaded, anew.

    Raises:
        InvalidKernel: it cannot be compiled as it is written.
        TargetUnavailable: there is no such device, or no compiler and nothing kept.
    """
    half = build_half(target, request.own)
    elsewhere = _built_elsewhere(keep, target, request, half)
    if elsewhere is not None:
        return elsewhere[1]
    try:
        return target.load(_keep_or_compile(keep, target, request, half))
    except Unloadable as problem:
        _warn(
            f"The kernel {request.name!r} that was built for {target.architecture} cannot be "
            f"loaded here and is compiled for this machine instead: {problem}"
        )
    here = target.for_this_machine()
    half = build_half(here, request.own)
    for disabled in (False, True):
        try:
            return here.load(_keep_or_compile(keep, here, request, half, disabled=disabled))
        except Unloadable as problem:
            last = problem
    raise TargetUnavailable(
        f"The kernel {request.name!r} was compiled on this machine and still cannot be loaded: "
        f"{last}. Run 'emberkeep doctor'"
    ) from last


def _built_elsewhere(
    keep: Keep, target: Target, request: Request, half: BuildHalf
) -> tuple[Artifact, Runnable] | None:
    """What is kept and runs here, whichever of the pinned toolchains has built it.

    None where nothing is, or where this machine compiles for itself and the user has not said
    otherwise.
    """
    wanted = keep.settings.toolchain
    if wanted is None and not _lacks_compiler(half):
        return None
    try:
        found = list(keep.find(KIND, request.name, request.ingredients(), toolchain=half))
    except Unkeyable:
        return None
    for artifact in sorted(found, key=lambda artifact: _preference(artifact, wanted)):
        try:
            return artifact, target.load(artifact)
        except (Unloadable, TargetUnavailable) as problem:
            _log(f"{request.name} of {artifact.key} is passed over: {problem}")
    return None


def _preference(artifact: Artifact, wanted: str | None) -> tuple[bool, int]:
    """What the user named comes first; who needs most of a machine makes most of it."""
    build = artifact.key.partition("-")[2]
    is_wanted = wanted is not None and build.startswith(wanted.lower())
    return not is_wanted, -len(artifact.layout.get("features", ()))


def _lacks_compiler(half: BuildHalf) -> bool:
    packages: Any = half.ingredients["packages"]
    return any(identity.get("version") == ABSENT for identity in packages.values())


def _log(text: str) -> None:
    import logging

    logging.getLogger("emberkeep.targets").debug("%s", text)


def _warn(text: str) -> None:
    warnings.warn(text, StoreWarning, stacklevel=depth_of_caller())


_default: list[Keep] = []


def default_keep() -> Keep:
    """The keep of this process, with the settings as they were when it was first asked for."""
    if not _default:
        _default.append(Keep())
    return _default[0]
