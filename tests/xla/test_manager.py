"""`CacheManager`: one way to look after artifacts of all kinds."""

import os
import time

import numpy as np
import pytest

import emberkeep
from emberkeep import xla
from emberkeep.errors import (
    BundleRejected,
    InvalidArgument,
    InvalidSetting,
    StoreProblem,
    Untrusted,
)
from emberkeep.keep.default import DefaultKeep
from emberkeep.trust.edits import change_trust, with_entry
from emberkeep.trust.signatures import generate
from emberkeep.trust.trust_list import TrustedKey, TrustList
from emberkeep.xla import CacheManager, jax_cache

jax = pytest.importorskip("jax")


@pytest.fixture(autouse=True)
def switched_off():
    before = dict(jax.config.values)
    jax.clear_caches()
    yield
    xla.disable()
    assert jax.config.values == before


def stock_up(root, **settings):
    """A kernel, a trace and a program, as far as a keep can tell."""
    keep = emberkeep.Keep(root, **settings)
    for kind, size in (("generated", 3000), ("traces", 2000), ("xla", 1000)):
        keep.get_or_build(
            kind, f"a {kind}", {"size": size}, lambda size=size: {"code": b"x" * size}
        )
    keep.flush()
    return keep


@pytest.fixture
def keep(tmp_path):
    return stock_up(tmp_path / "keep")


@pytest.fixture
def public():
    return generate(os.environ["EMBERKEEP_CONFIG_DIR"], "default", 0.0).public


def kinds(manager):
    return sorted(entry["kind"] for entry in manager.list())


def age(keep, seconds):
    for place, _, names in os.walk(keep.settings.root):
        for name in names:
            os.utime(os.path.join(place, name), (time.time() - seconds,) * 2)


def test_info_counts_entries_hits_and_misses(keep, capsys):
    stock_up(keep.settings.root).totals()  # writes its counts down
    told = CacheManager(keep).info()
    assert told["root"] == keep.settings.root
    assert told["entries"] == 3
    assert sorted(told["kinds"]) == ["generated", "traces", "xla"]
    assert told["size_bytes"] > 6000
    assert (told["hits"], told["misses"], told["hit_rate"], told["builds"]) == (3, 3, 0.5, 3)
    assert xla.cache_info(keep) == told
    xla.print_cache_info(keep)
    printed = capsys.readouterr().out
    assert "hit rate       50.0% (3 hits, 3 misses)" in printed
    assert "  xla          1" in printed


def test_an_empty_keep_has_nothing_and_is_not_made(tmp_path, capsys):
    keep = emberkeep.Keep(tmp_path / "keep")
    manager = CacheManager(keep)
    assert manager.list() == []
    assert manager.info()["entries"] == 0
    assert manager.info()["hit_rate"] is None
    assert manager.clear().entries == 0
    assert manager.vacuum(max_size_gb=0).entries == 0
    xla.print_cache_info(keep)
    assert "hit rate       -" in capsys.readouterr().out
    assert not (tmp_path / "keep" / "xla").exists()


def test_list_tells_what_each_entry_is(keep):
    before = time.time()
    (entry,) = CacheManager(keep).list("traces")
    assert (entry["kind"], entry["name"], entry["state"]) == ("traces", "a traces", "ok")
    assert entry["size_bytes"] > 2000
    assert abs(entry["last_used"] - before) < 60
    assert not entry["pinned"]


def test_list_names_what_is_damaged(keep, tmp_path):
    (path,) = (tmp_path / "keep" / "traces").rglob("*.json")
    path.write_bytes(path.read_bytes()[:50])
    (entry,) = CacheManager(keep).list("traces")
    assert entry["state"] == "damaged"
    assert entry["cost_s"] is None


def test_clear_takes_a_kind_or_all(keep):
    manager = CacheManager(keep)
    assert manager.clear("xla").entries == 1
    assert kinds(manager) == ["generated", "traces"]
    assert xla.clear_cache("traces", keep).entries == 1
    assert xla.clear_cache(keep=keep).entries == 1
    assert kinds(manager) == []


def test_vacuum_goes_by_age_and_size(keep):
    manager = CacheManager(keep)
    assert manager.vacuum(max_age_days=0, max_size_gb=0).young == 3  # used a moment ago
    age(keep, 2 * 86_400.0)
    assert manager.vacuum(max_age_days=3).entries == 0
    assert manager.vacuum(max_age_days=1).entries == 3
    stock_up(keep.settings.root)
    assert manager.vacuum(max_size_gb=1e-3, grace_hours=0).entries == 0
    assert manager.vacuum(max_size_gb=0, grace_hours=0).entries == 3


def test_what_is_only_read_is_not_changed(keep):
    manager = CacheManager(emberkeep.Keep(keep.settings.root, read_only=True))
    for change in (manager.clear, manager.vacuum, lambda: manager.import_cache("x")):
        with pytest.raises(StoreProblem):
            change()
    assert len(manager.list()) == 3


def test_it_takes_a_configuration_or_the_users_own_keep(keep, monkeypatch):
    config = xla.CompilationConfig(keep.settings.root)
    assert len(CacheManager(config).list()) == 3
    monkeypatch.setattr("emberkeep.keep.default.process", DefaultKeep())
    monkeypatch.setenv("EMBERKEEP_DIR", keep.settings.root)
    assert len(CacheManager().list()) == 3
    assert xla.cache_info()["entries"] == 3


# Bundles and places -------------------------------------------------------------------------------


def test_a_bundle_goes_to_another_keep(keep, tmp_path, public):
    done = CacheManager(keep).export_cache(tmp_path / "all.ek", name="lab", version="2")
    assert (done.index.name, done.index.version, len(done.index.entries)) == ("lab", "2", 3)
    other = emberkeep.Keep(tmp_path / "other")
    taken = CacheManager(other).import_cache(tmp_path / "all.ek")
    assert (len(taken.entries), taken.present) == (3, 0)
    assert CacheManager(other).import_cache(tmp_path / "all.ek").present == 3
    assert all(
        other.get_or_build(kind, f"a {kind}", {"size": size}, dict).hit
        for kind, size in (("generated", 3000), ("traces", 2000), ("xla", 1000))
    )


@pytest.mark.parametrize("name", ["copy", "copy/", "a folder that is there"])
def test_folders_of_ones_own_need_no_key(keep, tmp_path, name):
    """Sealed: from one keep to a folder, and from there to another keep, by the same user."""
    (tmp_path / "a folder that is there").mkdir()
    path = f"{tmp_path}/{name}"
    done = CacheManager(keep).export_cache(path)
    assert (len(done.brought), done.refused) == (3, [])
    assert CacheManager(keep).export_cache(path).present == 3
    other = CacheManager(emberkeep.Keep(tmp_path / "other"))
    assert len(other.import_cache(path).brought) == 3
    assert kinds(other) == ["generated", "traces", "xla"]
    assert other.keep.get_or_build("xla", "a xla", {"size": 1000}, dict).hit


def test_a_folder_of_somebody_else_is_not_imported(keep, tmp_path, monkeypatch):
    CacheManager(keep).export_cache(tmp_path / "copy")
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "another user"))
    other = CacheManager(emberkeep.Keep(tmp_path / "other"))
    done = other.import_cache(tmp_path / "copy")
    assert (len(done.brought), len(done.refused)) == (0, 3)


def test_a_folder_with_other_things_is_left_alone(keep, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(StoreProblem, match="holds other things"):
        CacheManager(keep).export_cache(tmp_path / "home")
    assert os.listdir(tmp_path / "home") == ["letter.txt"]
    with pytest.raises(StoreProblem, match="no keep"):
        CacheManager(keep).import_cache(tmp_path / "home")


def test_a_folder_that_is_not_there_is_told(keep, tmp_path):
    with pytest.raises(StoreProblem, match="nowhere is not there"):
        CacheManager(keep).sync_from_remote(tmp_path / "nowhere")


def test_it_looks_at_the_keep_that_jax_uses(keep, tmp_path):
    config = xla.CompilationConfig(tmp_path / "applied")
    config.apply()
    assert CacheManager().keep.settings.root == str(tmp_path / "applied")
    assert xla.cache_info()["root"] == str(tmp_path / "applied")
    xla.disable()
    assert CacheManager().keep.settings.root != str(tmp_path / "applied")


@pytest.mark.parametrize(
    "limits",
    [
        {"max_age_days": -1},
        {"max_size_gb": -0.1},
        {"grace_hours": -1.0},
        {"max_age_days": float("nan")},
    ],
)
def test_limits_below_nothing_are_refused(keep, limits):
    with pytest.raises(InvalidSetting, match="a number from 0 on was expected"):
        CacheManager(keep).vacuum(**limits)
    assert len(CacheManager(keep).list()) == 3


def test_a_bundle_may_hold_one_kind(keep, tmp_path, public):
    CacheManager(keep).export_cache(tmp_path / "one.ek", "xla")
    manager = CacheManager(emberkeep.Keep(tmp_path / "other"))
    manager.import_cache(tmp_path / "one.ek")
    assert kinds(manager) == ["xla"]


@pytest.mark.parametrize("pin", [True, False])
def test_importing_pins_builds_as_the_command_does(keep, tmp_path, public, pin):
    CacheManager(keep).export_cache(tmp_path / "all.ek", name="lab")
    builds = {entry["key"].partition("-")[2] for entry in CacheManager(keep).list()}
    CacheManager(emberkeep.Keep(tmp_path / "other")).import_cache(tmp_path / "all.ek", pin=pin)
    pinned = TrustList(keep.settings.config_dir, print).current().pinned
    assert pinned == (dict.fromkeys(builds, "lab 1") if pin else {})


def test_a_strangers_bundle_is_refused(keep, tmp_path, public, monkeypatch):
    CacheManager(keep).export_cache(tmp_path / "all.ek")
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "bob"))
    manager = CacheManager(emberkeep.Keep(tmp_path / "bobs"))
    with pytest.raises(Untrusted):
        manager.import_cache(tmp_path / "all.ek")
    alice = TrustedKey("alice", (), None, 0.0)
    change_trust(str(tmp_path / "bob"), lambda trust: with_entry(trust, "keys", public, alice))
    assert len(CacheManager(manager.keep).import_cache(tmp_path / "all.ek").entries) == 3


def test_a_bundle_that_is_torn_or_missing_is_told(keep, tmp_path, public):
    path = tmp_path / "all.ek"
    manager = CacheManager(keep)
    with pytest.raises(StoreProblem, match="cannot be read"):
        manager.import_cache(path)
    manager.export_cache(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BundleRejected):
        CacheManager(emberkeep.Keep(tmp_path / "other")).import_cache(path)


def test_an_export_that_fails_leaves_no_file(keep, tmp_path):
    with pytest.raises(StoreProblem, match="key"):
        CacheManager(keep).export_cache(tmp_path / "all.ek")
    with pytest.raises(StoreProblem, match="cannot be written"):
        CacheManager(keep).export_cache(tmp_path / "no folder" / "all.ek")
    assert [path.name for path in tmp_path.iterdir()] == ["keep"]


def test_a_shared_folder_is_brought_here(tmp_path, public):
    (tmp_path / "shared").mkdir()
    shared = str(tmp_path / "shared")
    stock_up(tmp_path / "keep", shared=shared)
    manager = CacheManager(emberkeep.Keep(tmp_path / "other"))
    with pytest.raises(InvalidSetting, match="no shared place"):
        manager.sync_from_remote()
    assert len(manager.sync_from_remote(shared, "xla").brought) == 1
    done = manager.sync_from_remote(shared)
    assert (len(done.brought), done.present) == (2, 1)
    assert kinds(manager) == ["generated", "traces", "xla"]
    again = CacheManager(emberkeep.Keep(tmp_path / "third", shared=shared)).sync_from_remote()
    assert len(again.brought) == 3


def test_where_only_the_shared_folder_is_used_it_is_what_is_managed(tmp_path, public):
    (tmp_path / "shared").mkdir()
    keep = stock_up(tmp_path / "unused", shared=str(tmp_path / "shared"), strategy="shared")
    manager = CacheManager(keep)
    assert kinds(manager) == ["generated", "traces", "xla"]
    assert manager.clear("xla").entries == 1
    assert not (tmp_path / "unused").exists()


# Prewarming ---------------------------------------------------------------------------------------


def model(theta, times):
    return theta[0] * jax.numpy.exp(-theta[0] * times)


@pytest.fixture
def empty(tmp_path):
    return emberkeep.Keep(tmp_path / "empty", memory_size=0)


def counted():
    programs = jax_cache.programs_in_use()
    return programs.found, programs.compiled


def test_rows_are_samples_of_what_has_a_length(empty):
    """A model of parameter vectors takes one at a time, so an array of rows is several."""

    class Vectors:
        theta_length = 1
        __name__ = "vectors"

        def __call__(self, theta, times):
            assert theta.shape == (1,)
            return jax.numpy.exp(-theta[0] * times)

    done = CacheManager(empty).prewarm_model(
        Vectors(), np.ones((7, 1), "float32"), np.linspace(0, 1, 5, dtype="float32")
    )
    assert [(each.theta, each.times) for each in done] == [("float32[1]", "float32[5]")] * 2


def test_a_prewarmed_model_is_found(empty):
    theta, times = np.ones(1, "float32"), np.linspace(0, 1, 5, dtype="float32")
    done = CacheManager(empty).prewarm_model(model, theta, [times, np.ones(3, "float32")])
    assert [(each.function, each.theta, each.times, each.compiled) for each in done] == [
        ("model", "float32[1]", "float32[5]", 1),
        ("model", "float32[1]", "float32[3]", 1),
        ("model", "float32[1]", "float32[5]", 1),
        ("model", "float32[1]", "float32[3]", 1),
    ]
    assert jax_cache.programs_in_use() is None
    jax.clear_caches()
    xla.enable(empty)
    value = jax.jit(model)(theta, times)
    assert np.allclose(value, np.exp(-times), rtol=1e-5)
    total, gradient = xla.value_and_gradient(model)(theta, times)
    assert np.isclose(total, np.exp(-times).sum(), rtol=1e-5)
    assert np.allclose(gradient, ((1 - times) * np.exp(-times)).sum(), rtol=1e-5)
    assert counted() == (2, 0)
    assert xla.jax_cache_info() == {
        "enabled": True,
        "root": empty.settings.root,
        "programs": 4,
        "size_bytes": sum(entry["size_bytes"] for entry in CacheManager(empty).list()),
        "hits": 2,
        "misses": 4,
        "seconds_saved": empty.totals()["hit", "xla", "local"][1],
        "found_by_this_process": 2,
        "compiled_by_this_process": 0,
    }


def test_shapes_do_as_well_as_arrays(empty):
    manager = CacheManager(empty)
    manager.prewarm_model(model, (1,), [(5,), [4], (5,), jax.ShapeDtypeStruct((2,), "float32")])
    assert len(manager.list()) == 6  # three grids, value and gradient
    jax.clear_caches()
    xla.enable(empty)
    precision = jax.dtypes.canonicalize_dtype(float)
    jax.jit(model)(np.ones(1, precision), np.ones(4, precision))
    assert counted() == (1, 0)


def test_prewarming_again_compiles_nothing(empty):
    manager = CacheManager(empty)
    assert sum(each.compiled for each in manager.prewarm_model(model, (1,), (5,))) == 2
    jax.clear_caches()
    assert sum(each.compiled for each in manager.prewarm_model(model, (1,), (5,))) == 0


def test_what_jax_has_in_memory_is_kept_all_the_same(empty):
    plain = jax.jit(model)
    plain(np.ones(1, "float32"), np.ones(5, "float32"))
    float32 = [jax.ShapeDtypeStruct((size,), "float32") for size in (1, 5)]
    (done,) = CacheManager(empty).prewarm_model(model, *float32, functions=[model])
    assert done.compiled == 1


def test_a_programs_own_functions_can_be_prewarmed(empty):
    particles = jax.jit(jax.vmap(model, (0, None)))
    done = CacheManager(empty).prewarm_model(model, (9, 1), (5,), functions=[particles])
    assert [each.compiled for each in done] == [1]
    assert [entry["name"] for entry in CacheManager(empty).list()] == ["jit_model"]


def test_prewarming_leaves_the_keep_in_use_as_it_was(empty, keep):
    xla.enable(keep, min_compile_time_s=5.0)
    CacheManager(empty).prewarm_model(model, (1,), (5,))
    assert jax_cache.programs_in_use().keep is keep
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 5.0
    assert len(CacheManager(empty).list()) == 2


@pytest.mark.parametrize("given", [[], [1.0, 2.0], 3.0, ["x"], None])
def test_what_is_neither_array_nor_shape_is_refused(empty, given):
    with pytest.raises(InvalidArgument, match="theta_samples"):
        CacheManager(empty).prewarm_model(model, given, (5,))
    assert jax_cache.programs_in_use() is None
