"""Machines by their names, and what runs on them; each is loaded when it is asked for."""

from __future__ import annotations

from emberkeep.errors import InvalidPlan, TargetUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.keep.keep import Keep
    from emberkeep.ode.running.job import Runner
    from emberkeep.targets.protocol import Target


def target_of(target: str | Target, threads: int | None) -> Target:
    """A target by its name: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.

    Raises:
        InvalidPlan: it is not known.
        TargetUnavailable: it is not there.
    """
    if threads is not None and (not isinstance(threads, int) or threads < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidPlan(f"threads={threads!r} must be a whole number, at least 1")
    if not isinstance(target, str):
        if hasattr(target, "architecture"):
            return target
        raise InvalidPlan(f"target={target!r} is not known; expected 'auto', 'cpu' or 'cuda'")
    if target == "cpu":
        return _cpu(threads)
    if target in ("cuda", "gpu"):
        from emberkeep.targets.cuda.target import CudaTarget

        return CudaTarget.of_this_machine()
    if target == "auto":
        return _best(threads)
    raise InvalidPlan(f"target={target!r} is not known; expected 'auto', 'cpu', 'cuda' or a target")


def _cpu(threads: int | None) -> Target:
    from emberkeep.targets.cpu.target import CpuTarget

    return CpuTarget("host", threads)


def _best(threads: int | None) -> Target:
    """The GPU where there is one; a machine without a driver is not asked for long."""
    from emberkeep.targets.cuda.driver import has_driver

    if has_driver():
        from emberkeep.targets.cuda.target import CudaTarget

        try:
            return CudaTarget.of_this_machine()
        except TargetUnavailable:
            return _cpu(threads)
    return _cpu(threads)


def runner_of(target: Target, keep: Keep) -> Runner:
    """What runs kernels of a target."""
    if target.name == "cpu":
        from emberkeep.ode.running.cpu import CpuRunner

        return CpuRunner(target, keep)  # pyright: ignore[reportArgumentType] - its name says so
    from emberkeep.ode.running.cuda import CudaRunner

    return CudaRunner(target, keep)
