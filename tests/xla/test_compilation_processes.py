"""JAX's cache on a keep, in processes of their own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emberkeep.targets.cpu import features
from emberkeep.trust.signatures import generate

PROGRAMS = Path(__file__).parent / "programs"
SOURCE = Path(__file__).parents[2] / "src"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")


@pytest.fixture
def surroundings(tmp_path):
    generate(str(tmp_path / "config"), "default", 0.0)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "EMBERKEEP_CONFIG_DIR": str(tmp_path / "config"),
        "PYTHONPATH": str(SOURCE),
        "JAX_PLATFORMS": "cpu",
    }


@pytest.fixture
def process(tmp_path, surroundings):
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()

    def run(root, shared="", strategy="", lacking="", *, python=sys.executable, **variables):
        done = subprocess.run(
            [python, "-W", "error", PROGRAMS / "one_process.py", root, shared, strategy, lacking],
            env=surroundings | variables,
            cwd=nowhere,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["warned"] == []
        return told["found"], told["compiled"]

    return run


FOUND, COMPILED = (1, 0), (0, 1)


def test_a_second_process_compiles_nothing_wherever_the_keep_lies(process, tmp_path):
    assert process(tmp_path / "keep") == COMPILED
    assert process(tmp_path / "keep") == FOUND
    shutil.copytree(tmp_path / "keep", tmp_path / "elsewhere")
    assert process(tmp_path / "elsewhere") == FOUND


@pytest.mark.soak
@pytest.mark.skipif(not features.host().features, reason="nobody knows what this processor can do")
def test_another_processor_compiles_for_itself(process, tmp_path):
    lacking = features.host().features[-1]
    assert process(tmp_path / "keep") == COMPILED
    assert process(tmp_path / "keep", lacking=lacking) == COMPILED
    assert process(tmp_path / "keep") == FOUND
    assert process(tmp_path / "keep", lacking=lacking) == FOUND


@pytest.mark.soak
def test_what_is_shared_comes_to_the_local_keep(process, tmp_path):
    (tmp_path / "shared").mkdir()
    shared = str(tmp_path / "shared")
    assert process(tmp_path / "keep", shared) == COMPILED
    assert process(tmp_path / "other", shared) == FOUND
    assert process(tmp_path / "other") == FOUND
    assert process(tmp_path / "unused", shared, "shared") == FOUND
    assert not (tmp_path / "unused").exists()
    assert process(tmp_path / "third", shared, "local") == COMPILED


def test_flags_of_xla_are_in_the_key(process, tmp_path):
    flags = "--xla_llvm_disable_expensive_passes=true"
    assert process(tmp_path / "keep") == COMPILED
    assert process(tmp_path / "keep", XLA_FLAGS=flags) == COMPILED
    assert process(tmp_path / "keep", XLA_FLAGS=flags) == FOUND


PACKING = """
import jax
from jax._src import compilation_cache as cache
assert jax.__version__ == {version!r}
print("zstd" if cache.zstd or cache.zstandard else "zlib")
"""


def pythons_with_jax():
    """Pythons of other versions that have the same JAX: how they pack programs."""
    import jax

    probe = PACKING.format(version=jax.__version__)
    found = {}
    for folder in map(Path, os.environ["PATH"].split(os.pathsep)):
        places = [folder]
        if folder.name == "shims":
            places = sorted(folder.parent.glob("versions/*/bin"))
        for python in [place / f"python{version}" for place in places for version in VERSIONS]:
            if (
                python.exists()
                and python.name != f"python{sys.version_info[0]}.{sys.version_info[1]}"
            ):
                command = [python, "-c", probe]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode == 0:
                    found[python] = done.stdout.strip()
    return found


def packing_here():
    from jax._src import compilation_cache as cache

    return "zstd" if cache.zstd or cache.zstandard else "zlib"


def test_several_pythons_share_what_is_packed_alike(process, tmp_path, report):
    others = pythons_with_jax()
    if not others:
        pytest.skip("no other Python here has this JAX")
    assert process(tmp_path / "keep") == COMPILED
    packed = {packing_here()}
    for python, packing in others.items():
        expected = FOUND if packing in packed else COMPILED
        assert process(tmp_path / "keep", python=python) == expected, python
        packed.add(packing)
    report(pythons=len(others))
