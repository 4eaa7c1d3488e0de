"""Built for others, shipped as one file, run where there is no compiler: the same bits."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from emberkeep.cli import main
from emberkeep.targets.cuda.driver import open_device
from emberkeep.trust.edits import change_trust, with_entry
from emberkeep.trust.signatures import generate
from emberkeep.trust.trust_list import TrustedKey

pytestmark = pytest.mark.gpu
PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
NEEDED = ("numpy", "cryptography", "_cffi_backend", "cffi", "zstandard", "cuda", "platformdirs")


def site_without_compilers(folder):
    """A folder with links to what an import and a run need: numba and LLVM are not there."""
    os.mkdir(folder)
    for name in NEEDED:
        spec = importlib.util.find_spec(name)
        places = list(spec.submodule_search_locations or [spec.origin])
        for place in places:
            beside = os.path.dirname(place)
            for found in os.listdir(beside):
                is_needed = found.split(".")[0].split("-")[0] in (name, f"{name}_bindings")
                link = os.path.join(folder, found)
                if is_needed and not os.path.lexists(link):
                    os.symlink(os.path.join(beside, found), link)
    source = os.path.dirname(os.path.dirname(importlib.util.find_spec("emberkeep").origin))
    os.symlink(os.path.join(source, "emberkeep"), os.path.join(folder, "emberkeep"))
    return str(folder)


def run_model(out, mode, environment, *options):
    environ = {**os.environ, **environment}
    command = [sys.executable, *options, os.path.join(PROGRAMS, "run_shipped.py"), str(out), mode]
    ran = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert ran.returncode == 0, ran.stderr
    return dict(np.load(out))


def test_a_machine_without_a_compiler_runs_what_it_imported(tmp_path, monkeypatch):
    builder, runner = tmp_path / "builder", tmp_path / "runner"
    bundle = os.environ.get("SHIPPED_BUNDLE")
    monkeypatch.delenv("SHIPPED_BUNDLE", raising=False)
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(builder / "config"))
    monkeypatch.setenv("EMBERKEEP_DIR", str(builder / "keep"))
    public = os.environ.get("SHIPPED_KEY")
    monkeypatch.delenv("SHIPPED_KEY", raising=False)
    if bundle is None:
        public = generate(str(builder / "config"), "default", 0.0).public
        bundle = str(tmp_path / "shipped.ek")
        model = os.path.join(PROGRAMS, "shipped.py")
        architecture = open_device().architecture
        words = ["--arch", architecture, "--cpu", "x86-64-v3", "--export", bundle]
        assert main(["build", model, *words, "--name", "shipped", "--version", "1"]) == 0
    built_here = run_model(
        tmp_path / "built.npz", "any", {"EMBERKEEP_DIR": str(builder / "own builds")}
    )

    clean = {
        "EMBERKEEP_CONFIG_DIR": str(runner / "config"),
        "EMBERKEEP_DIR": str(runner / "keep"),
        "PYTHONPATH": site_without_compilers(tmp_path / "site"),
    }
    key = TrustedKey("the builder", (), None, 0.0)
    change_trust(str(runner / "config"), lambda trust: with_entry(trust, "keys", public, key))
    words = [sys.executable, "-S", "-m", "emberkeep", "import", bundle]
    subprocess.run(words, env={**os.environ, **clean}, check=True)
    fetched = run_model(tmp_path / "fetched.npz", "fetched", clean, "-S")
    assert set(fetched) == set(built_here)
    for name, values in built_here.items():
        np.testing.assert_array_equal(values, fetched[name], err_msg=name)
        assert np.all(np.isfinite(values))
    np.testing.assert_array_equal(fetched["Lorenz on cuda"], fetched["Lorenz on cpu"])
