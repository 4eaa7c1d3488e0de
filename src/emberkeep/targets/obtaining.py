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


def obtain_artifact(
    keep: Keep,
    target: Target,
    request: Request,
    *,
    half: BuildHalf | None = None,
    disabled: bool = False,
) -> Artifact:
    """The compiled kernel, loaded nowhere yet.

    A kernel that cannot be keyed is compiled and not kept; the user is told why.

    Args:
        keep: where it is kept.
        target: what it is for.
        request: what it is.
        half: the build half of its key, where it is known already.
        disabled: compile it, and neither look nor keep.

    Raises:
        InvalidKernel: it cannot be compiled as it is written.
        TargetUnavailable: it is not kept, and there is no compiler.
    """

    def build() -> Mapping[str, object]:
        return target.compile(request.source(target))

    try:
        return keep.get_or_build(
            KIND,
            request.name,
            request.ingredients(),
            build,
            toolchain=half or build_half(target, request.own),
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
    if keep.settings.toolchain is not None or _lacks_compiler(half):
        runnable = _built_elsewhere(keep, target, request, half)
        if runnable is not None:
            return runnable
    try:
        return target.load(obtain_artifact(keep, target, request, half=half))
    except Unloadable as problem:
        _warn(
            f"The kernel {request.name!r} that was built for {target.architecture} cannot be "
            f"loaded here and is compiled for this machine instead: {problem}"
        )
    here = target.for_this_machine()
    for disabled in (False, True):
        try:
            return here.load(obtain_artifact(keep, here, request, disabled=disabled))
        except Unloadable as problem:
            last = problem
    raise TargetUnavailable(
        f"The kernel {request.name!r} was compiled on this machine and still cannot be loaded: "
        f"{last}. Run 'emberkeep doctor'"
    ) from last


def _built_elsewhere(
    keep: Keep, target: Target, request: Request, half: BuildHalf
) -> Runnable | None:
    """What is kept and runs here, whichever of the pinned toolchains has built it."""
    try:
        found = list(keep.find(KIND, request.name, request.ingredients(), toolchain=half))
    except Unkeyable:
        return None
    # Whoever needs most of a machine makes most of it.
    found.sort(key=lambda artifact: len(artifact.layout.get("features", ())), reverse=True)
    for artifact in found:
        try:
            return target.load(artifact)
        except Unloadable as problem:
            _log(f"{request.name} of {artifact.key} is passed over: {problem}")
    return None


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
