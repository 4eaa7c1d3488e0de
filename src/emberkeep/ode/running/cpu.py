"""Running on the CPU: blocks of lanes on all threads."""

from __future__ import annotations

import numpy as np

from emberkeep.ode.compilation import Compilation
from emberkeep.ode.plan import compiled
from emberkeep.ode.running.job import Job, Outcome, Runner
from emberkeep.ode.running.waiting import wait_for
from emberkeep.ode.status import RUNNING
from emberkeep.ode.times import make_intervals
from emberkeep.startup_records import final
from emberkeep.targets.kernel_lookup import renew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from emberkeep.keep.keep import Keep
    from emberkeep.ode.plan import Plan
    from emberkeep.targets.cpu.target import CpuTarget
    from emberkeep.targets.kernel_lookup import Obtained
    from emberkeep.targets.protocol import Runnable

    Values = np.ndarray[Any, Any]

BLOCKS_PER_THREAD = 4  # so that threads end together, and lanes are still filled again many times
STATES, FINAL = "states", "final"


@final
class CpuRunner(Runner):
    """This machine's processors.

    Args:
        target: which of them, and how many threads.
        keep: where kernels are kept.
    """

    def __init__(self, target: CpuTarget, keep: Keep) -> None:
        self.target, self._keep = target, keep
        self._kernels: dict[Plan, Obtained] = {}
        self._memory: dict[tuple[str, str], Values] = {}  # to work in; taken out while in use

    def kernel(self, plan: Plan) -> Runnable:
        """The plan's kernel, loaded: for what functions of the system do now."""
        plan = compiled(plan)  # other outputs of it may share the code
        found = self._kernels.get(plan)
        if found is None or not found.keyed.watch.unchanged():
            found = renew(self._keep, self.target, Compilation(plan), found)
            self._kernels[plan] = found
        return found.runnable

    def prepare(self, plan: Plan) -> None:
        """Find or compile what runs a plan."""
        self.kernel(plan)

    def run(self, job: Job, advance: Callable[[int], None] | None) -> Outcome:
        """Integrate all trajectories."""
        plan, batch = job.plan, job.batch
        kernel = self.kernel(plan)
        lanes = int(kernel.notes["lanes"])
        real = np.dtype(plan.precision)
        states = len(plan.system.states)
        saves = job.times.elapsed.astype(real)
        values = np.empty(batch.chunk_size(batch.runs), real)
        sources = np.empty(3 * len(batch.columns), np.int64)
        batch.fill(0, batch.runs, values, sources)
        stop = np.zeros(1, np.int64)
        status = np.full(batch.runs, RUNNING, np.int8)
        wanted = set(plan.outputs)
        saved = np.empty((batch.runs, saves.size, states) if STATES in wanted else (0, 0, 0), real)
        ended = np.empty((batch.runs, states) if FINAL in wanted else (0, 0), real)
        share = lanes
        if plan.tableau.is_adaptive:
            share = _share(batch.runs, lanes, self.target.threads)
            given = [0, batch.runs, share, values, sources, saves, job.numbers, job.max_steps, stop]
        else:
            assert job.dt is not None
            intervals = make_intervals(job.times, job.dt)
            steps = [intervals.counts, intervals.sizes.astype(real)]
            steps += [intervals.begins.astype(real), intervals.slots]
            given = [0, batch.runs, values, sources, *steps, job.numbers, stop]
        blocks = -(-batch.runs // share)
        memory = {"work": (blocks * int(kernel.notes["work"]), real)}
        if plan.tableau.is_adaptive:
            memory["places"] = (blocks * int(kernel.notes["places"]), np.dtype(np.int64))
        room = {name: self._take(name, size, kind) for name, (size, kind) in memory.items()}
        arguments = [*given, *room.values(), saved, ended, status]

        def look(seen: list[int] = [0]) -> None:  # noqa: B006 - kept from call to call
            ended_now = int(np.count_nonzero(status != RUNNING))
            if advance is not None:
                advance(ended_now - seen[0])
            seen[0] = ended_now

        wait_for(lambda: kernel(blocks, arguments), lambda: stop.fill(1), advance and look)
        look()
        for name, array in room.items():
            self._memory[(name, array.dtype.name)] = array
        return Outcome(
            saved if STATES in wanted else None, ended if FINAL in wanted else None, status
        )

    def _take(self, name: str, size: int, kind: np.dtype[Any]) -> Values:
        """Memory to work in: what an earlier solve has left, where it is large enough."""
        array = self._memory.pop((name, kind.name), None)
        return array if array is not None and array.size >= size else np.empty(size, kind)


def _share(runs: int, lanes: int, threads: int) -> int:
    """Trajectories for each block: full lanes first, then enough blocks for all threads."""
    even = -(-runs // (threads * BLOCKS_PER_THREAD))
    return max(even, min(lanes, -(-runs // threads)), 1)
