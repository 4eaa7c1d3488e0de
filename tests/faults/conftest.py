"""Fault programs run in processes of their own: they fork, kill, patch `os` and mount."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def surroundings(tmp_path):
    """The environment of a program: nothing of the user's, nothing of this process's settings."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "EMBERKEEP_CONFIG_DIR": str(tmp_path / "config"),
        "PYTHONFAULTHANDLER": "1",
    }


@pytest.fixture
def run_program(tmp_path, surroundings):
    """Run a program of this folder in a folder of its own; the facts that it found."""

    def run(name, *arguments, before=()):
        place = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
        place.mkdir()
        done = subprocess.run(
            [*before, sys.executable, "-W", "error", PROGRAMS / f"{name}.py", place]
            + [str(argument) for argument in arguments],
            env=surroundings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        assert not done.stderr, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def own_mounts():
    """The command prefix under which mounts are private; skips where they are not permitted."""
    options = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
    prefix = ["unshare", *options, "--propagation", "private"]
    probe = "mount -t tmpfs none /tmp"
    try:
        done = subprocess.run([*prefix, "sh", "-c", probe], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `unshare` here, so no file system of our own to fill")
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.decode().strip()}")
    return prefix
