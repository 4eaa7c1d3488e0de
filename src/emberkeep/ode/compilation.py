"""A plan as something that is compiled: its half of the key, and on a miss its source."""

from __future__ import annotations

from emberkeep.ode.plan import compiled
from emberkeep.startup_records import as_dict, final, frozen
from emberkeep.targets.protocol import MIXED, PRINTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.ode.plan import Plan
    from emberkeep.targets.protocol import PrintedSource, Target

# emberkeep's own code that decides about the source, beside what targets are made of.
OWN = (
    "emberkeep.ode.kernel",
    "emberkeep.ode.compilation",
    "emberkeep.ode.control",
    "emberkeep.ode.events",
    "emberkeep.ode.methods",
    "emberkeep.ode.outputs",
    "emberkeep.ode.plan",
    "emberkeep.ode.status",
    "emberkeep.ode.summary",
    "emberkeep.ode.system",
)


@final
@frozen
class Compilation:
    """What is asked of a target for a plan."""

    plan: Plan

    @property
    def name(self) -> str:
        """What it is called in the keep."""
        return self.plan.system.name

    @property
    def own(self) -> tuple[str, ...]:
        """The modules of emberkeep that write the source."""
        return OWN

    def ingredients(self) -> Mapping[str, object]:
        """Every field of what is compiled, taken apart: that is the key's first half."""
        return {
            **as_dict(compiled(self.plan)),
            "outputs": tuple(
                output if isinstance(output, str) else as_dict(output)
                for output in compiled(self.plan).outputs
            ),
            "system": self.plan.system.ingredients(),
            "events": tuple(each.ingredients() for each in self.plan.events),
            "tableau": as_dict(self.plan.tableau),
        }

    @property
    def language(self) -> str:
        """What its source is written in: functions of the user's may need numba."""
        system = self.plan.system
        return MIXED if system.functions or system.function is not None else PRINTED

    def source(self, target: Target) -> PrintedSource:
        """The generated source for a target; only where nothing is kept."""
        from emberkeep.ode.kernel.source import kernel_source

        return kernel_source(self.plan, target)
