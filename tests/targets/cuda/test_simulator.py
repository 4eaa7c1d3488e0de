"""Tiny cases in numba-cuda's simulator: what threads do, without a GPU."""

import json
import os
import subprocess
import sys

import numpy as np

from emberkeep.testing.targets import relax

PROGRAM = """
import json
import numpy as np
from numba import cuda
from emberkeep.targets.arguments import parse_signature
from emberkeep.targets.protocol import KernelSource, guard_index
from emberkeep.testing import targets

source = KernelSource("relax", targets.relax, parse_signature(targets.RELAX), {})
body = cuda.jit(device=True)(targets.relax)
kernel = cuda.jit(guard_index(source, body, cuda))
x, y, out = np.linspace(0, 1, 7), np.linspace(1, 0, 7), np.full(7, -1.0)
kernel[3, 2](5, x, y, 0.5, 4, out)
print(json.dumps([type(kernel).__module__, out.tolist()]))
"""


def test_each_thread_takes_its_own_index_and_none_beyond_the_count():
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
    )
    module, found = json.loads(ran.stdout)
    assert "simulator" in module
    x, y, expected = np.linspace(0, 1, 7), np.linspace(1, 0, 7), np.full(7, -1.0)
    for i in range(5):
        relax(i, x, y, 0.5, 4, expected)
    assert found == expected.tolist()
