"""Every fault in the layers below JAX's cache: compiled again, healed, and no process ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emberkeep.trust.signatures import generate

PROGRAMS = Path(__file__).parent / "programs"
SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def run_program(tmp_path):
    """Run a program of this folder, with a key to sign with; the facts that it found."""
    config = tmp_path / "config"
    generate(str(config), "default", 0.0)

    def run(name, *arguments, before=()):
        place = tmp_path / "place"
        place.mkdir(exist_ok=True)
        done = subprocess.run(
            [*before, sys.executable, "-W", "error", PROGRAMS / f"{name}.py", place, *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path / "home"),
                "EMBERKEEP_CONFIG_DIR": str(config),
                "PYTHONPATH": str(SOURCE),
                "JAX_PLATFORMS": "cpu",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="module")
def own_mounts():
    """The command prefix under which mounts are private; skips where they are not permitted."""
    options = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
    prefix = ["unshare", *options, "--propagation", "private"]
    try:
        done = subprocess.run(
            [*prefix, "sh", "-c", "mount -t tmpfs none /tmp"], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no `unshare` here, so no file system of our own to fill")
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.decode().strip()}")
    return prefix


@pytest.mark.parametrize("layer", ["local", "shared"])
def test_what_is_damaged_is_compiled_again_and_healed(run_program, report, layer):
    report(**run_program("damage", layer))


@pytest.mark.parametrize("place", ["full", "full_shared", "mounted_read_only"])
def test_disks_that_take_nothing(run_program, report, own_mounts, place):
    report(**run_program("places", place, before=own_mounts))


@pytest.mark.parametrize("place", ["read_only", "no_folder", "orphans"])
def test_places_that_are_no_good(run_program, place):
    assert run_program("places", place)["done"]
