"""JAX's cache on a keep, within one process."""

import types
import warnings

import numpy as np
import pytest

import emberkeep
from emberkeep import xla
from emberkeep.errors import StoreWarning, TargetUnavailable
from emberkeep.startup_records import replace
from emberkeep.targets.cpu import features
from emberkeep.xla import jax_cache

jax = pytest.importorskip("jax")
stock = pytest.importorskip("jax._src.compilation_cache")
opener = stock.get_file_cache


@pytest.fixture(autouse=True)
def switched_off():
    """JAX as it was; and nothing of it in memory, where a program would be found first."""
    before = dict(jax.config.values)
    jax.clear_caches()
    yield
    xla.disable()
    assert stock.get_file_cache is opener
    after = jax.config.values
    assert {
        name: (before[name], after[name]) for name in before if before[name] != after[name]
    } == {}


@pytest.fixture
def keep(tmp_path):
    return emberkeep.Keep(tmp_path / "keep", memory_size=0)


def compute(number=2.0):
    def root(x):
        return jax.numpy.sqrt(x) * number

    jax.clear_caches()
    assert np.isclose(jax.jit(root)(np.float32(9.0)), 3 * number)


def counted():
    programs = jax_cache.programs_in_use()
    return programs.found, programs.compiled


def kept(keep):
    return len(xla.CacheManager(keep).list("xla"))


def test_what_was_compiled_is_found(keep):
    xla.enable(keep)
    compute()
    assert counted() == (0, 1)
    compute()
    assert counted() == (1, 1)
    assert keep.totals()["hit", "xla", "local"][0] == 1
    (entry,) = xla.CacheManager(keep).list()
    assert (entry["kind"], entry["name"], entry["state"]) == ("xla", "jit_root", "ok")
    assert entry["cost_s"] > 0


def test_it_works_where_jax_has_compiled_before(keep):
    compute()
    xla.enable(keep)
    compute()
    assert counted() == (0, 1)


def test_another_keep_takes_over(keep, tmp_path):
    other = emberkeep.Keep(tmp_path / "other")
    for each in (keep, other):
        xla.enable(each)
        compute()
        assert counted() == (0, 1)
    assert kept(keep) == kept(other) == 1


def test_after_disable_nothing_is_asked(keep):
    xla.enable(keep)
    xla.disable()
    xla.disable()
    compute()
    assert kept(keep) == 0
    assert jax_cache.programs_in_use() is None


def test_the_users_own_folder_is_used_again_afterwards(keep, tmp_path, monkeypatch):
    own = tmp_path / "own"
    jax.config.update("jax_compilation_cache_dir", str(own))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        xla.enable(keep)
        compute()
        assert not own.exists()
        xla.disable()
        assert jax.config.jax_compilation_cache_dir == str(own)
        compute()
        assert any(path.name.startswith("jit_root-") for path in own.iterdir())
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
        stock.reset_cache()


def test_a_folder_that_the_user_names_later_is_the_users(keep, tmp_path):
    own = tmp_path / "own"
    xla.enable(keep)
    jax.config.update("jax_compilation_cache_dir", str(own))
    stock.reset_cache()
    try:
        compute()
        assert any(path.name.startswith("jit_root-") for path in own.iterdir())
        assert kept(keep) == 0
        xla.disable()
        assert jax.config.jax_compilation_cache_dir == str(own)
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
        stock.reset_cache()


def test_limits_keep_small_things_out(keep):
    xla.enable(keep, min_compile_time_s=1000.0)
    compute()
    xla.enable(keep, min_entry_size_bytes=1 << 30)
    compute()
    assert kept(keep) == 0
    xla.enable(keep)
    compute()
    assert kept(keep) == 1


def test_a_switch_of_jax_that_is_off_is_told(keep):
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        with pytest.warns(StoreWarning, match="jax_enable_compilation_cache is False"):
            xla.enable(keep)
        compute()
        assert kept(keep) == 0
    finally:
        jax.config.update("jax_enable_compilation_cache", True)


@pytest.mark.parametrize(
    "changed",
    [
        {"get_file_cache": lambda path, flavour: None},
        {"get_file_cache": None},
        {"reset_cache": None},
    ],
)
def test_a_jax_that_we_do_not_know_keeps_its_own_cache(keep, monkeypatch, changed):
    known = {"get_file_cache": opener, "reset_cache": stock.reset_cache}
    module = types.SimpleNamespace(**known | changed)
    with monkeypatch.context() as patch:
        patch.setattr(jax_cache, "import_module", lambda name: jax if name == "jax" else module)
        with pytest.warns(StoreWarning, match="its own cache stays as it is"):
            xla.enable(keep)
    assert jax_cache.programs_in_use() is None
    assert jax.config.jax_compilation_cache_dir is None


def test_a_jax_without_that_module_keeps_its_own_cache(keep, monkeypatch):
    monkeypatch.setattr(jax_cache, "PRIVATE_MODULE", "jax._src.gone")
    with pytest.warns(StoreWarning, match="its own cache stays as it is"):
        xla.enable(keep)
    monkeypatch.undo()


def test_without_jax_it_says_what_to_install(keep, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    with monkeypatch.context() as patch:
        patch.setattr(jax_cache, "import_module", missing)
        with pytest.raises(TargetUnavailable, match=r"pip install 'emberkeep\[xla\]'"):
            xla.enable(keep)


def test_a_function_that_somebody_put_around_ours_goes_on_working(keep, tmp_path):
    xla.enable(keep)
    ours = stock.get_file_cache
    stock.get_file_cache = lambda path: ours(path)
    xla.disable()
    cache, path = stock.get_file_cache(str(tmp_path / "own"))
    assert type(cache).__name__ == "LRUCache"
    stock.get_file_cache = ours
    xla.disable()


# What is in the key -------------------------------------------------------------------------------


def asked(keep, key="jit_f-00"):
    """Whether a new process would find a program that was kept before."""
    return jax_cache.Programs(keep).get(key) is not None


@pytest.fixture
def stocked(keep):
    jax_cache.Programs(keep).put("jit_f-00", b"program")
    assert asked(keep)
    return keep


def test_jaxs_whole_key_counts(stocked):
    assert not asked(stocked, "jit_f-01")
    assert not asked(stocked, "jit_g-00")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("architecture", "riscv"),
        ("vendor", "Nobody"),
        ("family", 99),
        ("model", 99),
        ("stepping", 99),
        ("features", ("avx9",)),
        ("words", (1, 2, 3)),
    ],
)
def test_each_fact_of_the_processor_counts(stocked, monkeypatch, name, value):
    from emberkeep.startup_records import replace

    monkeypatch.setattr(features._machine, "processor", replace(features.host(), {name: value}))
    assert not asked(stocked)
    monkeypatch.undo()
    assert asked(stocked)


def test_the_way_programs_are_packed_counts(stocked, monkeypatch):
    packed = bool(stock.zstd or stock.zstandard)
    with monkeypatch.context() as patch:
        patch.setattr(stock, "zstd", None if packed else object())
        patch.setattr(stock, "zstandard", None)
        assert not asked(stocked)
    assert asked(stocked)


def test_the_build_of_jaxlib_counts(stocked, monkeypatch):
    known = jax_cache.toolchain

    def another(packages):
        found = known(packages)
        packages = {**found.ingredients["packages"], "jaxlib": {"version": "0.0"}}
        return replace(found, {"ingredients": {"packages": packages}})

    with monkeypatch.context() as patch:
        patch.setattr(jax_cache, "toolchain", another)
        assert not asked(stocked)
    assert asked(stocked)


def test_python_and_the_place_do_not_count(stocked):
    half = jax_cache._build_half()
    assert set(half.ingredients) == {"packages", "machine"}
    assert "python" not in repr(half.ingredients["packages"])


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_levels_of_optimisation_are_programs_of_their_own(tmp_path, level):
    keep = xla.CompilationConfig(tmp_path / "keep").apply()
    compute()
    xla.CompilationConfig(tmp_path / "keep", optimization_level=level).apply()
    compute()
    assert counted() == (0, 1)
    assert kept(keep) == 2
    xla.CompilationConfig(tmp_path / "keep").apply()  # JAX's own again
    compute()
    assert counted() == (1, 0)


# Programs -----------------------------------------------------------------------------------------


def test_what_nobody_asked_for_is_kept_and_replaces_what_could_not_be_used(keep):
    programs = jax_cache.Programs(keep)
    programs.put("jit_f-00", b"one")
    assert programs.get("jit_f-00") == b"one"
    programs.put("jit_f-00", b"two")  # JAX compiles what is there only where that is of no use
    assert programs.get("jit_f-00") == b"two"


@pytest.mark.parametrize(
    "key", ["jit_f", "jit__lambda_-00", "pjit-../../x-00", "jit_ä b-00", "-00"]
)
def test_any_name_of_a_module_can_be_kept(keep, tmp_path, key):
    jax_cache.Programs(keep).put(key, b"program")
    assert jax_cache.Programs(keep).get(key) == b"program"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keep"]


def test_several_threads_may_compile_at_once(keep):
    from concurrent.futures import ThreadPoolExecutor

    xla.enable(keep)

    def one(number):
        return float(jax.jit(lambda x: x * number)(np.float32(2.0)))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(32))) == [2.0 * number for number in range(32)]
    assert kept(keep) == counted()[1]


def test_a_keep_that_is_switched_off_is_in_nobodys_way(tmp_path):
    keep = emberkeep.Keep(tmp_path / "keep", disabled=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xla.enable(keep)
        compute()
    assert not (tmp_path / "keep").exists()


def test_the_package_loads_no_jax():
    import subprocess
    import sys

    text = (
        "import sys, emberkeep.xla as xla; xla.enable, xla.CompilationConfig, xla.CacheManager; "
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules; "
        "assert 'value_and_gradient' in dir(xla)"
    )
    subprocess.run([sys.executable, "-c", text], check=True)
