"""From a kernel's source to something that runs: kept, or compiled now and kept."""

from __future__ import annotations

import warnings

from emberkeep.errors import StoreWarning, TargetUnavailable, Unkeyable, Unloadable
from emberkeep.keep.reports import depth_of_caller
from emberkeep.keys.distributions import ABSENT
from emberkeep.keys.keyed import key_of
from emberkeep.startup_records import final, frozen, replace
from emberkeep.store.manifest import MISREAD
from emberkeep.targets.protocol import PYTHON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    from emberkeep.keep.artifact import Artifact
    from emberkeep.keep.keep import Keep
    from emberkeep.keys.keyed import Keyed
    from emberkeep.keys.toolchain import Toolchain
    from emberkeep.targets.protocol import Request, Runnable, Target

    Use = TypeVar("Use")

KIND = "generated"


@final
@frozen
class BuildHalf:
    """How a kernel is compiled: the compiler and the machine it compiles for.

    Attributes:
        ingredients: of the build key.
        has_changed: whether what is compiled has another key by now.
    """

    ingredients: Mapping[str, object]
    _toolchain: Toolchain
    has_changed: Callable[[], bool] | None = None

    def drift(self) -> tuple[str, ...]:
        """In what the compiler that was used, and what it compiled, differ from the key."""
        if self.has_changed is not None and self.has_changed():
            return (*self._toolchain.drift(), MOVED)
        return self._toolchain.drift()


MOVED = "something that it is made from was redefined or changed while it was compiled."


def build_half(target: Target, own: Sequence[str] = (), language: str = PYTHON) -> BuildHalf:
    """The build key's ingredients for a target, and for a source that `own` modules write."""
    toolchain = target.toolchain(own, language)
    return BuildHalf({**toolchain.ingredients, "machine": target.ingredients()}, toolchain)


def fetch(keep: Keep, target: Target, request: Request) -> Artifact:
    """The compiled kernel, kept or compiled now; nothing is loaded.

    A kernel that cannot be keyed is compiled and not kept; the user is told why.

    Raises:
        InvalidKernel: it cannot be compiled as it is written.
        TargetUnavailable: it is not kept, and there is no compiler.
    """
    keyed = key_of(request.ingredients)
    try:
        half = build_half(target, request.own, request.language)
    except Unkeyable as problem:  # of the compiler or the machine, not of the kernel
        return _compile_alone(keep, target, request, problem)
    elsewhere = _first_usable(request, _built_elsewhere(keep, request, keyed, half), target.check)
    if elsewhere is not None:
        return elsewhere[0]
    return _keep_or_compile(keep, target, request, keyed, half)


def fetch_for_this_machine(keep: Keep, target: Target, request: Request) -> Artifact:
    """The compiled kernel as it came with emberkeep, or as `fetch` has it."""
    came = _came_with_us(target, request, key_of(request.ingredients), target.check)
    return fetch(keep, target, request) if came is None else came[0]


def _keep_or_compile(
    keep: Keep,
    target: Target,
    request: Request,
    keyed: Keyed,
    half: BuildHalf,
    refused: Artifact | None = None,
) -> Artifact:
    half = replace(half, {"has_changed": lambda: keyed.has_changed(request.ingredients)})

    def build() -> Mapping[str, object]:
        return target.compile(request.source(target))

    try:
        return keep.get_or_build(
            KIND,
            request.name,
            keyed.ingredients(),
            build,
            toolchain=half,
            refused=refused,
        )
    except Unkeyable as problem:
        return _compile_alone(keep, target, request, problem)


def _compile_alone(keep: Keep, target: Target, request: Request, problem: Unkeyable) -> Artifact:
    """The kernel, for this process alone."""
    _warn(f"The kernel {request.name!r} is compiled in each process, not kept. {problem}")

    def build() -> Mapping[str, object]:
        return target.compile(request.source(target))

    return keep.get_or_build(KIND, request.name, {}, build, disabled=True)


@final
@frozen
class Obtained:
    """A kernel that is ready to run, and what it was made from.

    Attributes:
        keyed: whether that is still so; see `Keyed.watch`.
        runnable: the kernel.
    """

    keyed: Keyed
    runnable: Runnable


ATTEMPTS = 5  # what is redefined time and again while it is compiled is run as it was


def obtain(keep: Keep, target: Target, request: Request) -> Runnable:
    """The kernel, ready to run; see `renew`."""
    return renew(keep, target, request).runnable


def renew(keep: Keep, target: Target, request: Request, before: Obtained | None = None) -> Obtained:
    """The kernel as its source is now, ready to run.

    Args:
        keep: where it is kept.
        target: what it is for.
        request: what it is.
        before: what was obtained for the same request, as long as that has the same key.

    Raises:
        InvalidKernel: it cannot be compiled as it is written.
        TargetUnavailable: there is no such device, or no compiler and nothing kept.
    """
    obtained = before
    for _ in range(ATTEMPTS):
        keyed = key_of(request.ingredients)
        if obtained is not None and obtained.keyed.digest == keyed.digest:
            return Obtained(keyed, obtained.runnable)
        obtained = Obtained(keyed, _load(keep, target, request, keyed))
        if keyed.watch.unchanged():
            break
    assert obtained is not None
    return obtained


def _load(keep: Keep, target: Target, request: Request, keyed: Keyed) -> Runnable:
    """The kernel of a key, ready to run.

    Where there is no compiler, or the user prefers it so, what a pinned toolchain built elsewhere
    is as good, if this machine can run it. What was kept but cannot be loaded is compiled for this
    very machine; where even that was kept and cannot be loaded, anew.
    """
    came = _came_with_us(target, request, keyed, target.load)
    if came is not None:
        return came[1]
    try:
        half = build_half(target, request.own, request.language)
    except Unkeyable as problem:  # of the compiler or the machine, not of the kernel
        return target.load(_compile_alone(keep, target, request, problem))
    elsewhere = _first_usable(request, _built_elsewhere(keep, request, keyed, half), target.load)
    if elsewhere is not None:
        return elsewhere[1]
    try:
        return _load_or_replace(keep, target, request, keyed, half, MISREAD)
    except Unloadable as problem:
        here = target.for_this_machine()
        here_half = build_half(here, request.own, request.language)
        if here_half.ingredients != half.ingredients:  # else there is nothing else to be said
            _warn(
                f"The kernel {request.name!r} that was built for {target.architecture} cannot be "
                f"loaded here and is compiled for this machine instead: {problem}"
            )
    try:
        return _load_or_replace(keep, here, request, keyed, here_half, (Unloadable, *MISREAD))
    except Unloadable as problem:
        raise TargetUnavailable(
            f"The kernel {request.name!r} was compiled on this machine and still cannot be loaded: "
            f"{problem}. Run 'emberkeep doctor'"
        ) from problem


def _load_or_replace(
    keep: Keep,
    target: Target,
    request: Request,
    keyed: Keyed,
    half: BuildHalf,
    problems: tuple[type[Exception], ...],
) -> Runnable:
    """What is kept, ready to run; where that ends with one of these problems, it is replaced.

    Whoever signed it may have signed anything: what has not the form that the target gives it is
    no reason to fail, nor to be found again.
    """
    artifact = _keep_or_compile(keep, target, request, keyed, half)
    try:
        return target.load(artifact)
    except problems as problem:
        if not artifact.hit:
            raise
        _warn(
            f"The kernel {request.name!r} that was kept cannot be used, and is compiled again: "
            f"{type(problem).__name__}: {problem}"
        )
    return target.load(_keep_or_compile(keep, target, request, keyed, half, artifact))


def _came_with_us(
    target: Target, request: Request, keyed: Keyed, use: Callable[[Artifact], Use]
) -> tuple[Artifact, Use] | None:
    """One of emberkeep's own that its wheel carries, used; None where there is none for here."""
    if not request.own:
        return None
    from emberkeep.targets.prebuilt import came_with_us

    artifact = came_with_us(target, request, keyed.digest)
    if artifact is None:
        return None
    try:
        return artifact, use(artifact)
    except Unloadable as problem:
        _warn(
            f"The kernel {request.name!r} that came with emberkeep cannot be loaded here and is "
            f"compiled instead: {problem}"
        )
        return None


def _built_elsewhere(keep: Keep, request: Request, keyed: Keyed, half: BuildHalf) -> list[Artifact]:
    """What is kept and may run here, whichever of the pinned toolchains has built it; best first.

    Nothing where this machine compiles for itself and the user has not said otherwise.
    """
    wanted = keep.settings.toolchain
    if wanted is None and not _lacks_compiler(half):
        return []
    try:
        found = list(keep.find(KIND, request.name, keyed.ingredients(), toolchain=half))
    except Unkeyable:
        return []
    return sorted(found, key=lambda artifact: _preference(artifact, wanted))


def _first_usable(
    request: Request, candidates: list[Artifact], use: Callable[[Artifact], Use]
) -> tuple[Artifact, Use] | None:
    """The first that can be used here, and what it was used for."""
    for artifact in candidates:
        try:
            return artifact, use(artifact)
        except (Unloadable, TargetUnavailable, *MISREAD) as problem:
            _log(f"{request.name} of {artifact.key} is passed over: {problem}")
    return None


def _preference(artifact: Artifact, wanted: str | None) -> tuple[bool, int]:
    """What the user named comes first; who needs most of a machine makes most of it."""
    build = artifact.key.partition("-")[2]
    is_wanted = wanted is not None and build.startswith(wanted.lower())
    layout: Any = artifact.layout
    try:
        return not is_wanted, -len(layout["features"])
    except MISREAD:  # none of ours, as loading it will tell
        return not is_wanted, 0


def _lacks_compiler(half: BuildHalf) -> bool:
    packages: Any = half.ingredients["packages"]
    return any(identity.get("version") == ABSENT for identity in packages.values())


def _log(text: str) -> None:
    import logging

    logging.getLogger("emberkeep.targets").debug("%s", text)


def _warn(text: str) -> None:
    warnings.warn(text, StoreWarning, stacklevel=depth_of_caller())
