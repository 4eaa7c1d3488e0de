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


@pytest.fixture
def report(request, record_property):
    """Say what was counted: in the output, and as properties of the test."""

    def tell(**counts):
        for name, count in counts.items():
            record_property(name, count)
        told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        # Not stdout: the workers of pytest-xdist have none.
        sys.stderr.write(f"\n{request.node.name}: {told}\n")

    return tell
