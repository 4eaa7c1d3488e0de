"""What a GPU is given, compiled for this processor, in the place of a solver's runner.

Tests take it by `runpy.run_path`.
"""

import ctypes
import runpy
import subprocess
import threading
from pathlib import Path

import numpy as np

from emberkeep.ode.compilation import Compilation
from emberkeep.ode.kernel.call import arguments
from emberkeep.ode.plan import compiled
from emberkeep.ode.running.job import Outcome
from emberkeep.ode.running.passed import PARTS, filled, passed_to_all, strides

machine = runpy.run_path(Path(__file__).parent / "kernel_machine.py")
HAS_COMPILER = machine["HAS_COMPILER"]


class Threads:
    """What a GPU is given, in chunks, on this processor: a trajectory at a time."""

    busy = 4

    def __init__(self, folder):
        self._folder, self._count = folder, 0

    def prepare(self, plan):
        """There is nothing to prepare."""

    def run(self, job, parts, advance):
        from emberkeep.targets.cuda.target import CudaTarget

        source = Compilation(job.plan).source(CudaTarget("sm_90"))
        self._team = source.notes.get("team", 1)
        self._count += 1  # what is loaded stays, by its name
        name = f"kernel{self._count}"
        (self._folder / f"{name}.cpp").write_text(machine["as_cpp"](source.text))
        command = ["g++", "-std=c++20", "-O1", "-ffp-contract=off", "-w", "-shared", "-fPIC"]
        command += ["-pthread", f"{name}.cpp", "-o", f"{name}.so"]
        subprocess.run(command, cwd=self._folder, check=True)
        library = ctypes.CDLL(str(self._folder / f"{name}.so"))
        for begin, end in parts:
            status = np.full(end - begin, 77, np.int8)
            results = {
                name: np.empty((end - begin, *space.shape), space.kind)
                for name, space in job.results().items()
            }
            for first in range(begin, end, 7):
                here = slice(first - begin, min(first + 7, end) - begin)
                given = {name: array[here] for name, array in results.items()}
                self._chunk(library, job, first, min(first + 7, end), given, status[here])
            yield Outcome(status, results)

    def _chunk(self, library, job, begin, end, results, status):
        spaces = job.results(compiled(job.plan))
        own, copies = filled(
            job,
            begin,
            end,
            np.empty(job.batch.chunk_size(end - begin), job.plan.precision),
            np.empty(PARTS * len(job.batch.columns), np.int64),
        )
        copies.make(1)
        given = {
            **passed_to_all(job),
            **own,
            **results,
            "status": status,
            "strides": strides(job, spaces, end - begin, run_is_last=False),
            "stop": np.zeros(1, np.int64),
            "share": 1,
        }
        passed = [given.get(each.name, np.empty(0)) for each in arguments(compiled(job.plan))]
        packed = [
            ctypes.c_void_p(each.ctypes.data)
            if isinstance(each, np.ndarray)
            else ctypes.c_int64(int(each))
            for each in passed
        ]
        runs = end - begin

        def run(place):
            library.place_at(ctypes.c_int64(place))
            library.emberkeep_kernel(ctypes.c_int64(runs), *packed)

        if self._team == 1:
            for index in range(runs):
                run(index)
            return
        library.gather_team(self._team, runs)
        places = [warp * 32 + lane for warp in range(self._team) for lane in range(runs)]
        threads = [threading.Thread(target=run, args=[place]) for place in places]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
