"""Kernels of a machine, loaded, with what each is passed."""

from __future__ import annotations

from emberkeep.ode.compilation import Compilation
from emberkeep.ode.kernel.call import arguments
from emberkeep.ode.plan import compiled
from emberkeep.startup_records import final, frozen
from emberkeep.targets.kernel_lookup import renew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.keep.keep import Keep
    from emberkeep.ode.plan import Plan
    from emberkeep.targets.kernel_lookup import Obtained
    from emberkeep.targets.protocol import Runnable, Target

# Kernels at hand: functions that are defined anew for each solve make plans without end.
MOST = 64


@final
@frozen
class Loaded:
    """A plan's kernel.

    Attributes:
        obtained: the kernel, and what it was made of.
        plan: what is compiled; it may give more than was asked for.
        passed: names of what it is passed, in their order.
    """

    obtained: Obtained
    plan: Plan
    passed: tuple[str, ...]

    @property
    def run(self) -> Runnable:
        """The kernel itself."""
        return self.obtained.runnable


@final
class Kernels:
    """The kernels that a runner has at hand.

    Args:
        target: the machine.
        keep: where they are kept.
    """

    def __init__(self, target: Target, keep: Keep) -> None:
        self._target, self._keep = target, keep
        self._plans: dict[Plan, Plan] = {}  # several may share the code
        self._loaded: dict[Plan, Loaded] = {}
        self._are_settled = False

    def __len__(self) -> int:
        """How many there are."""
        return len(self._loaded)

    def settle(self) -> None:
        """From now on, kernels that are there stay, whatever becomes of the system's functions."""
        self._are_settled = True

    def of(self, plan: Plan) -> Loaded:
        """The plan's kernel: for what functions of the system do now."""
        shared = self._plans.get(plan)
        if shared is None:
            shared = self._plans[plan] = compiled(plan)
        found = self._loaded.get(shared)
        if found is None or not (self._are_settled or found.obtained.keyed.watch.unchanged()):
            before = None if found is None else found.obtained
            obtained = renew(self._keep, self._target, Compilation(shared), before)
            passed = tuple(each.name for each in arguments(shared))
            if before is None and len(self._loaded) >= MOST:
                self._forget(next(iter(self._loaded)))
            found = self._loaded[shared] = Loaded(obtained, shared, passed)
        return found

    def _forget(self, oldest: Plan) -> None:
        """Leave a kernel to those that run it; it is found again in the keep."""
        self._loaded.pop(oldest, None)
        for plan, shared in (*self._plans.items(),):
            if shared == oldest:
                self._plans.pop(plan, None)
