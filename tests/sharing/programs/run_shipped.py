"""Run parts of the shipped model, and say as JSON what came of it and what was loaded for it.

Arguments: a level of processors that stands in for this machine's, or ``-``; then the parts.
"""

import importlib.util
import json
import sys

import numpy as np

from emberkeep.errors import EmberkeepError
from emberkeep.keys.distributions import find_distribution
from emberkeep.startup_records import replace, sha256
from emberkeep.targets.cpu import features
from emberkeep.targets.cpu.target import CpuTarget

COMPILERS = ("numba", "llvmlite", "numba_cuda")


def wave():
    from shipped_model import wave

    x = np.linspace(0.0, 3.0, 1001)
    out = np.empty_like(x)
    wave(out, x, 0.7, count=x.size)
    return out


def solve():
    from shipped_model import solver

    r = np.linspace(20.0, 30.0, 37)
    saves = np.linspace(0.0, 2.0, 5)
    return solver.solve((0.0, 2.0), parameters={"r": r}, save_at=saves, dt=0.01).states


def expect():
    from shipped_graph import graph

    return np.array(graph.expectation())


def main(level, *parts):
    if level != "-":
        here = replace(features.host(), {"features": features.LEVELS[level]})
        features._machine.processor = here
    loaded, load = {}, CpuTarget.load

    def noted(self, artifact):
        runnable = load(self, artifact)
        loaded[artifact.layout["name"]] = artifact.key
        return runnable

    CpuTarget.load = noted
    said = {
        "compilers": [name for name in COMPILERS if importlib.util.find_spec(name)],
        "distributions": [
            name for name in ("numba", "llvmlite", "numba-cuda") if find_distribution(name)
        ],
        "loaded": loaded,
    }
    try:
        said["bits"] = {part: sha256(globals()[part]().tobytes()).hexdigest() for part in parts}
    except EmberkeepError as problem:
        said["error"] = f"{type(problem).__name__}: {problem}"
    said["imported"] = [name for name in COMPILERS if name in sys.modules]
    sys.stdout.write(json.dumps(said))


main(*sys.argv[1:])
