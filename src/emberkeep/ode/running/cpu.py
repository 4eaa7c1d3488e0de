"""Running on the CPU: blocks of lanes on all threads."""

from __future__ import annotations

import numpy as np

from emberkeep.ode.kernel.call import WORK
from emberkeep.ode.plan import FIXED
from emberkeep.ode.running.job import Job, Outcome, Runner
from emberkeep.ode.running.kernels import Kernels
from emberkeep.ode.running.passed import PARTS, filled, passed_to_all, strides
from emberkeep.ode.running.waiting import wait_for
from emberkeep.ode.status import RUNNING
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import Any

    from emberkeep.keep.keep import Keep
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.running.job import Part
    from emberkeep.ode.running.kernels import Loaded
    from emberkeep.targets.cpu.target import CpuTarget

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
        self.target = target
        self._kernels = Kernels(target, keep)
        self._memory: list[Values] = []  # to work in; taken out while in use

    @property
    def busy(self) -> int:
        """How many trajectories keep all lanes filled."""
        return BUSY * self.target.threads

    def prepare(self, plan: Plan) -> None:
        """Find or compile what runs a plan."""
        self._kernels.of(plan)

    def notes(self, plan: Plan) -> Mapping[str, Any]:
        """What a plan's kernel says of itself."""
        return self._kernels.of(plan).run.notes

    def settle(self) -> None:
        """From now on, run what is loaded."""
        self._kernels.settle()

    def run(
        self, job: Job, parts: Iterable[Part], advance: Callable[[int], None] | None
    ) -> Generator[Outcome]:
        """Integrate trajectories, part after part."""
        loaded, shared = self._kernels.of(job.plan), passed_to_all(job)
        for begin, end in parts:
            yield self._part(job, begin, end, loaded, shared, advance)

    def _part(
        self,
        job: Job,
        begin: int,
        end: int,
        loaded: Loaded,
        shared: Mapping[str, Any],
        advance: Callable[[int], None] | None,
    ) -> Outcome:
        plan, batch, kernel = job.plan, job.batch, loaded.run
        lanes = int(kernel.notes["lanes"])
        real, runs = np.dtype(plan.precision), end - begin
        values = np.empty(batch.chunk_size(runs), real)
        sources = np.empty(PARTS * len(batch.columns), np.int64)
        stop = np.zeros(1, np.int64)
        status = np.full(runs, RUNNING, np.int8)
        spaces, wanted = job.results(loaded.plan), job.results()
        results = {
            name: np.empty((runs, *space.shape) if name in wanted else 0, space.kind)
            for name, space in spaces.items()
        }
        own, copies = filled(job, begin, end, values, sources)
        copies.make(self.target.threads)
        share = _share(runs, lanes, self.target.threads) if plan.stepping != FIXED else lanes
        blocks = -(-runs // share)
        room = self._take(max(blocks * int(kernel.notes["work"]) + ALIGNMENT, 1))
        given = {
            **shared,
            **own,
            **results,
            "strides": strides(job, spaces, runs, run_is_last=False),
            "share": share,
            "stop": stop,
            "status": status,
            "work": room[-room.ctypes.data % ALIGNMENT :],
        }
        packed = [given[name] for name in (*loaded.passed, WORK.name)]

        def look(seen: list[int] = [0]) -> None:  # noqa: B006 - kept from call to call
            ended_now = int(np.count_nonzero(status != RUNNING))
            if advance is not None:
                advance(ended_now - seen[0])
            seen[0] = ended_now

        wait_for(lambda: kernel(blocks, packed), lambda: stop.fill(1), advance and look)
        look()
        self._memory.append(room)
        return Outcome(status, {name: results[name] for name in wanted})

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
