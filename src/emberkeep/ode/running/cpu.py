"""Running on the CPU: blocks of lanes on all threads."""

from __future__ import annotations

import numpy as np

from emberkeep.ode.compilation import Compilation
from emberkeep.ode.kernel.call import WORK, arguments
from emberkeep.ode.plan import compiled
from emberkeep.ode.running.job import Job, Outcome, Runner
from emberkeep.ode.running.passed import PARTS, filled, passed_to_all, strides
from emberkeep.ode.running.waiting import wait_for
from emberkeep.ode.status import RUNNING
from emberkeep.startup_records import final
from emberkeep.targets.kernel_lookup import renew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import Any

    from emberkeep.keep.keep import Keep
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.running.job import Part
    from emberkeep.targets.cpu.target import CpuTarget
    from emberkeep.targets.kernel_lookup import Obtained
    from emberkeep.targets.protocol import Runnable

    Values = np.ndarray[Any, Any]

BLOCKS_PER_THREAD = 4  # so that threads end together, and lanes are still filled again many times
BUSY = 1 << 9  # trajectories of a thread, so that few lanes wait for the last ones
ALIGNMENT = 64  # of memory to work in, in bytes


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
        self._memory: list[Values] = []  # to work in; taken out while in use

    @property
    def busy(self) -> int:
        """How many trajectories keep all lanes filled."""
        return BUSY * self.target.threads

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

    def run(
        self, job: Job, parts: Iterable[Part], advance: Callable[[int], None] | None
    ) -> Generator[Outcome]:
        """Integrate trajectories, part after part."""
        kernel, shared = self.kernel(job.plan), passed_to_all(job)
        for begin, end in parts:
            yield self._part(job, begin, end, kernel, shared, advance)

    def _part(
        self,
        job: Job,
        begin: int,
        end: int,
        kernel: Runnable,
        shared: Mapping[str, Any],
        advance: Callable[[int], None] | None,
    ) -> Outcome:
        plan, batch = job.plan, job.batch
        lanes = int(kernel.notes["lanes"])
        real, runs = np.dtype(plan.precision), end - begin
        values = np.empty(batch.chunk_size(runs), real)
        sources = np.empty(PARTS * len(batch.columns), np.int64)
        stop = np.zeros(1, np.int64)
        status = np.full(runs, RUNNING, np.int8)
        results = {
            name: np.empty((runs, *space.shape), space.kind)
            for name, space in job.results().items()
        }
        share = _share(runs, lanes, self.target.threads) if plan.is_adaptive else lanes
        blocks = -(-runs // share)
        room = self._take(max(blocks * int(kernel.notes["work"]) + ALIGNMENT, 1))
        given = {
            **{
                name: np.empty(0, space.kind) for name, space in job.results(compiled(plan)).items()
            },
            **shared,
            **filled(job, begin, end, values, sources),
            **results,
            "strides": strides(job, runs, run_is_last=False),
            "share": share,
            "stop": stop,
            "status": status,
            "work": room[-room.ctypes.data % ALIGNMENT :],
        }
        listed = [*arguments(compiled(plan)), WORK]
        packed = [given[passed.name] for passed in listed]

        def look(seen: list[int] = [0]) -> None:  # noqa: B006 - kept from call to call
            ended_now = int(np.count_nonzero(status != RUNNING))
            if advance is not None:
                advance(ended_now - seen[0])
            seen[0] = ended_now

        wait_for(lambda: kernel(blocks, packed), lambda: stop.fill(1), advance and look)
        look()
        self._memory.append(room)
        return Outcome(status, results)

    def _take(self, size: int) -> Values:
        """Memory to work in: what an earlier solve has left, where it is large enough."""
        try:
            room = self._memory.pop()
        except IndexError:  # the first solve, or another one at the same time
            return np.empty(size, np.int8)
        return room if room.size >= size else np.empty(size, np.int8)


def _share(runs: int, lanes: int, threads: int) -> int:
    """Trajectories for each block: full lanes first, then enough blocks for all threads."""
    even = -(-runs // (threads * BLOCKS_PER_THREAD))
    return max(even, min(lanes, -(-runs // threads)), 1)
