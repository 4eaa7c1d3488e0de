"""Many processes and one keep; what they ask for is in `tests/faults/programs/workload.py`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"
WORKLOAD = HERE.parent / "faults" / "programs"


@pytest.fixture
def start(tmp_path):
    """Start a program of this folder; it is gone at the end of the test, whatever happens."""
    started = []

    def run(name, *arguments, python=sys.executable):
        process = subprocess.Popen(
            [python, "-W", "error", HERE / "programs" / f"{name}.py", *map(str, arguments)],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path / "home"),
                "EMBERKEEP_CONFIG_DIR": str(tmp_path / "config"),
                "PYTHONPATH": f"{SOURCE}{os.pathsep}{WORKLOAD}",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()
