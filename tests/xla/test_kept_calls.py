"""Kept programs that call foreign functions, or were compiled with the help of another cache."""

import json
import os
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import jax
import numpy as np
import pytest

import emberkeep
from emberkeep.xla import handlers
from emberkeep.xla.executables import kept

pytestmark = pytest.mark.skipif(not handlers.is_supported(), reason="XLA cannot call kernels here")


@pytest.fixture
def process(tmp_path):
    script = tmp_path / "program.py"  # kernels are read from their source

    def run(program):
        script.write_text(program)
        environ = {
            **os.environ,
            "EMBERKEEP_DIR": str(tmp_path / "keep"),
            "PYTHONPATH": str(Path(emberkeep.__file__).parents[1]),
            "JAX_PLATFORMS": "cpu",
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", script], env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_foreign_functions_are_registered_before_loading(process):
    """A process that has traced nothing knows the function all the same."""
    program = """
import json, sys, numpy as np, jax
jax.config.update("jax_enable_x64", True)
from emberkeep.targets.kernel import kernel
from emberkeep.xla.handlers import Handler
from emberkeep.xla.executables import kept

@kernel("float64[::1], float64[::1]", xla_results=1, threads=1, name="thrice")
def thrice(index, values, result):
    for i in range(len(values)):
        result[i] = values[i] * 3.0 + 1.0

handler = Handler(thrice)
traced = []

def function(x):
    traced.append(1)
    return handler([jax.ShapeDtypeStruct(x.shape, x.dtype)], x + 1.0)[0] * 2.0

run = kept(function, spec="thrice", requires=(lambda: handler.target,))
sys.stdout.write(json.dumps([len(run(np.arange(4.0))), traced, run(np.arange(4.0)).tolist()]))
"""
    expected = (((np.arange(4.0) + 1) * 3 + 1) * 2).tolist()
    assert process(program) == [4, [1], expected]
    assert process(program) == [4, [], expected]


def test_what_jax_has_cached_can_be_kept(tmp_path):
    def root(x):
        return jax.numpy.sqrt(x) * 7.25

    stock = import_module("jax._src.compilation_cache")
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update(names[0], str(tmp_path / "stock"))
    jax.config.update(names[1], 0)
    stock.reset_cache()
    try:
        x = np.arange(33.0)
        expected = np.asarray(jax.jit(root)(x))
        assert list((tmp_path / "stock").iterdir())
        jax.clear_caches()
        keep = emberkeep.Keep(tmp_path / "keep")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(2):  # compiled with its help, then loaded
                found = kept(root, keep=keep)(x)
                assert np.asarray(found).tobytes() == expected.tobytes()
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        stock.reset_cache()
    totals = keep.totals()
    assert sum(count for (event, _, _), (count, _) in totals.items() if event == "hit") == 1
