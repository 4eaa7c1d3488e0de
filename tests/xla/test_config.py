"""`CompilationConfig`: what is checked, what presets do, what takes effect when."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import emberkeep
from emberkeep import xla
from emberkeep.errors import EmberkeepWarning, InvalidSetting
from emberkeep.xla import CompilationConfig, jax_cache

jax = pytest.importorskip("jax")

OPTIONS = (
    "jax_disable_most_optimizations",
    "jax_optimization_level",
    "jax_exec_time_optimization_effort",
)


@pytest.fixture(autouse=True)
def switched_off():
    before = dict(jax.config.values)
    yield
    xla.disable()
    assert jax.config.values == before


def options():
    return tuple(jax.config.values[name] for name in OPTIONS)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"cache_strategy": "both"}, "cache_strategy is 'both'; local, shared, layered"),
        ({"cache_dir": 7}, "cache_dir is 7; a folder"),
        ({"shared_cache_dir": b"\0"}, "shared_cache_dir"),
        ({"shared_cache_dir": "/x?policy=maybe"}, "shared_cache_dir is '/x.policy=maybe'"),
        ({"min_compile_time_s": -1}, "min_compile_time_s is -1"),
        ({"min_compile_time_s": float("nan")}, "min_compile_time_s is nan"),
        ({"min_compile_time_s": True}, "min_compile_time_s is True"),
        ({"min_entry_size_bytes": 1.5}, "min_entry_size_bytes is 1.5"),
        ({"optimization_level": 4}, "optimization_level is 4; 0 to 3"),
        ({"optimization_level": True}, "optimization_level is True"),
        ({"xla_flags": ["xla_fast"]}, "xla_flags has 'xla_fast'"),
        ({"xla_flags": ["--xla_a=1 --xla_b=2"]}, "without spaces"),
        ({"xla_flags": [3]}, "xla_flags has 3"),
    ],
)
def test_what_cannot_be_is_refused(given, told):
    with pytest.raises(InvalidSetting, match=told):
        CompilationConfig(**given)


def test_it_is_frozen_and_shows_what_differs(tmp_path):
    config = CompilationConfig(tmp_path, optimization_level=2, xla_flags="--xla_a=1")
    assert config.cache_dir == str(tmp_path)
    with pytest.raises(AttributeError):
        config.optimization_level = 3
    assert repr(config) == (
        f"CompilationConfig(cache_dir={str(tmp_path)!r}, optimization_level=2, "
        "xla_flags=('--xla_a=1',))"
    )
    assert repr(CompilationConfig()) == "CompilationConfig()"
    assert config == CompilationConfig(**json.loads(json.dumps(config.as_dict())))
    assert hash(config) == hash(CompilationConfig(**config.as_dict()))


def test_presets_differ_in_how_jax_compiles_and_in_nothing_else(tmp_path):
    def named(preset):
        values = preset(str(tmp_path), "/shared", "layered").as_dict()
        return values.pop("optimization_level"), values

    presets = ("fast_start", "balanced", "max_performance")
    found = [named(getattr(CompilationConfig, preset)) for preset in presets]
    assert [level for level, _ in found] == [0, None, 3]
    assert found[0][1] == found[1][1] == found[2][1]
    assert found[0][1]["shared_cache_dir"] == "/shared"


def test_presets_do_what_they_say_and_leave_nothing_behind(tmp_path):
    jaxs_own = options()
    CompilationConfig.fast_start(tmp_path).apply()
    assert options() == (True, *jaxs_own[1:])
    CompilationConfig.max_performance(tmp_path).apply()
    assert options() == (False, "O3", 1.0)
    CompilationConfig.balanced(tmp_path).apply()
    assert options() == jaxs_own
    CompilationConfig.fast_start(tmp_path).apply()
    xla.disable()
    assert options() == jaxs_own


def llvm_work(config, tmp_path):
    """What XLA is told of its optimisation, as the compiled program's own options have it."""
    config.apply()
    from jax._src import compiler

    told = compiler.get_compile_options(1, 1).executable_build_options
    debug = told.debug_options
    return debug.xla_backend_optimization_level, debug.xla_llvm_disable_expensive_passes


def test_xla_hears_of_it(tmp_path):
    assert llvm_work(CompilationConfig.fast_start(tmp_path), tmp_path) == (0, True)
    level, cheap = llvm_work(CompilationConfig.max_performance(tmp_path), tmp_path)
    assert (level, cheap) == (3, False)


def test_it_opens_the_keep_that_it_names(tmp_path):
    shared = tmp_path / "shared"
    config = CompilationConfig(
        tmp_path / "keep", f"{shared}?policy=warn&read_only=true", cache_strategy="layered"
    )
    settings = config.apply().settings
    assert settings.root == str(tmp_path / "keep")
    assert (settings.shared[0].path, settings.shared[0].policy) == (str(shared), "warn")
    assert settings.strategy == "layered"
    assert jax_cache.programs_in_use().keep.settings is settings


def test_what_it_does_not_name_is_that_of_the_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("EMBERKEEP_STRATEGY", "local")
    settings = CompilationConfig(shared_cache_dir=tmp_path / "shared").open_keep().settings
    assert (settings.root, settings.strategy) == (str(tmp_path / "mine"), "local")


def test_shared_alone_needs_a_place(tmp_path):
    with pytest.raises(InvalidSetting, match="there is no shared place"):
        CompilationConfig(tmp_path, cache_strategy="shared").apply()
    assert jax_cache.programs_in_use() is None


def test_limits_are_jaxs(tmp_path):
    CompilationConfig(tmp_path, min_compile_time_s=0.5, min_entry_size_bytes=9).apply()
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 0.5
    assert jax.config.jax_persistent_cache_min_entry_size_bytes == 9


def test_an_option_that_this_jax_does_not_have_is_told(tmp_path, monkeypatch):
    from emberkeep.xla import config

    monkeypatch.setattr(config, "NOTHING", "jax_of_another_time")
    monkeypatch.setattr(config, "LEVEL_OPTIONS", ("jax_of_another_time",))
    with pytest.warns(EmberkeepWarning, match="no option jax_of_another_time"):
        CompilationConfig.fast_start(tmp_path).apply()


# Flags --------------------------------------------------------------------------------------------

FLAG = "--xla_llvm_disable_expensive_passes=true"


def test_flags_that_come_too_late_are_told_and_not_set(tmp_path, monkeypatch):
    jax.numpy.zeros(1).block_until_ready()
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    with pytest.warns(EmberkeepWarning, match=f"{FLAG} cannot take effect"):
        CompilationConfig(tmp_path, xla_flags=[FLAG]).apply()
    assert "XLA_FLAGS" not in os.environ
    monkeypatch.setenv("XLA_FLAGS", f"--xla_x=1 {FLAG}")
    CompilationConfig(tmp_path, xla_flags=[FLAG]).apply()  # it is in force already


def test_flags_in_time_are_read_by_xla(tmp_path):
    text = f"""
import os, sys
from emberkeep import xla
config = xla.CompilationConfig(sys.argv[1], xla_flags=[{FLAG!r}])
config.apply()
config.apply()
assert os.environ["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=false {FLAG}", os.environ["XLA_FLAGS"]
from jax._src import compiler
options = compiler.get_compile_options(1, 1).executable_build_options.debug_options
assert options.xla_llvm_disable_expensive_passes
xla.disable()
assert os.environ["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=false"
"""
    environment = os.environ | {
        "XLA_FLAGS": "--xla_cpu_enable_fast_math=false",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.path.dirname(os.path.dirname(emberkeep.__file__)),
    }
    command = [sys.executable, "-W", "error", "-c", text, tmp_path / "keep"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_variable_that_lies_gives_nobody_elses_program(tmp_path, monkeypatch):
    """Set after XLA has read its flags, it changes JAX's key and no code: that key is its own."""
    jax.numpy.zeros(1).block_until_ready()

    def compute():
        jax.clear_caches()
        return float(jax.jit(lambda x: x * 3)(np.float32(2.0)))

    monkeypatch.delenv("XLA_FLAGS", raising=False)
    CompilationConfig(tmp_path).apply()
    compute()
    monkeypatch.setenv("XLA_FLAGS", FLAG)
    compute()
    programs = jax_cache.programs_in_use()
    here = {entry["key"] for entry in xla.CacheManager(programs.keep).list()}
    text = (
        "import sys; from emberkeep import xla; keep = xla.CompilationConfig(sys.argv[1]).apply()\n"
        "import jax, numpy as np; jax.jit(lambda x: x * 3)(np.float32(2.0))\n"
        "from emberkeep.xla.jax_cache import programs_in_use as p; print(p().found, p().compiled)"
    )
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    if jax.config.jax_enable_x64:
        environment["JAX_ENABLE_X64"] = "1"
    command = [sys.executable, "-W", "error", "-c", text, tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert len(here) == 2
    assert done.stdout.split() == ["0", "1"]
