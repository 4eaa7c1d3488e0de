"""What is in the key of a kept program: each ingredient changed alone is another program."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import emberkeep
from emberkeep.startup_records import replace
from emberkeep.targets.cpu import features
from emberkeep.xla.executables import environment, kept


@pytest.fixture
def keep(tmp_path):
    return emberkeep.Keep(tmp_path / "keep")


def builds(keep):
    return sum(count for (event, _, _), (count, _) in keep.totals().items() if event == "build")


def scaled(x):
    return {"y": x * 2}


def call(keep, function=scaled, x=1.0, **options):
    kept(function, **{"spec": "s", "name": "f", **options}, keep=keep)(x)
    return builds(keep)


@pytest.mark.parametrize(
    "changed",
    [
        {"x": np.ones(2)},
        {"x": np.ones((2, 1))},
        {"x": 1},
        {"x": np.float64(1.0)},
        {"x": np.float32(1.0)},
        {"spec": "t"},
        {"spec": {"s": 1.0}},
        {"name": "g"},
        {"donate": 0},
        {"static": 0},
        {"requires": (lambda: "emberkeep_kernel_0",)},
    ],
)
def test_arguments_and_options(changed, keep):
    assert call(keep) == 1
    assert call(keep) == 1
    assert call(keep, **changed) == 2
    assert call(keep, **changed) == 2


def test_structure(keep):
    def double(tree):
        return jax.tree.map(lambda x: x * 2, tree)

    trees = [
        {"a": 1.0},
        {"b": 1.0},
        (1.0,),
        [1.0],
        ((1.0,),),
        {"a": (1.0, None)},
        {"a": (None, 1.0)},
    ]
    assert [call(keep, double, tree) for tree in trees] == [1, 2, 3, 4, 5, 6, 7]
    assert [call(keep, double, tree) for tree in trees] == [7] * 7


def test_static_values(keep):
    def power(x, n):
        return x**n

    function = kept(power, spec=1, static="n", keep=keep)
    assert [float(function(3.0, n)) for n in (1, 2, 2)] == [3, 9, 9]
    assert builds(keep) == 2


def test_what_a_function_does_without_a_spec(keep):
    def make(factor, table):
        return lambda x: x * factor + table.sum()

    first = make(2.0, np.arange(3.0))
    for again, (function, count) in enumerate(
        [
            (first, 1),
            (make(2.0, np.arange(3.0)), 1),
            (make(3.0, np.arange(3.0)), 2),
            (make(2.0, np.arange(4.0)), 3),
            (lambda x: x * 2.0 + np.arange(3.0).sum() + 0, 4),
        ]
    ):
        assert call(keep, function, spec=None) == count, again


def test_a_closed_over_value_that_changes_is_seen_by_the_next_function(keep):
    table = np.arange(3.0)

    def total(x):
        return x + table.sum()

    assert kept(total, keep=keep)(1.0) == 4.0
    table[0] = 10.0
    assert kept(total, keep=keep)(1.0) == 14.0
    assert builds(keep) == 2


def test_with_a_spec_the_code_is_not_looked_at(keep):
    assert kept(lambda x: x + 1, name="f", spec=1, keep=keep)(1.0) == 2.0
    assert kept(lambda x: x + 5, name="f", spec=1, keep=keep)(1.0) == 2.0


@contextlib.contextmanager
def option(name, value):
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    yield
    jax.config.update(name, before)


@pytest.mark.parametrize(
    "changed",
    [
        lambda: jax.enable_x64(False),
        lambda: jax.default_matmul_precision("float32"),
        lambda: jax.numpy_dtype_promotion("strict"),
        lambda: option("jax_default_prng_impl", "rbg"),
        lambda: option("jax_threefry_partitionable", False),
        lambda: option("jax_exec_time_optimization_effort", -1.0),
        lambda: option("jax_optimization_level", "O1"),
    ],
)
def test_options_of_jax(changed, keep):
    x = np.float32([1.0])
    assert call(keep, x=x) == 1
    with changed():
        assert call(keep, x=x) == 2
        assert call(keep, x=x) == 2
    assert call(keep, x=x) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jax_log_compiles", False),
        ("jax_compilation_cache_dir", "/nowhere"),
        ("jax_traceback_filtering", "off"),
        ("jax_persistent_cache_min_compile_time_secs", 5.0),
    ],
)
def test_options_that_change_no_code_are_not_in_it(name, value, keep, monkeypatch):
    here = environment.build_half(jax.devices()[0]).ingredients
    with option(name, value):
        assert environment.build_half(jax.devices()[0]).ingredients == here


def test_sets_of_names_of_axes(monkeypatch):
    """JAX from 0.12 on has an option that is one, empty for most."""

    def told(value):
        options = {**environment.internals.options(), "jax_no_collectives": value}
        with monkeypatch.context() as patch:
            patch.setattr(environment.internals, "options", lambda: options)
            return environment.build_half(jax.devices()[0]).ingredients["jax"]["jax_no_collectives"]

    assert told(frozenset({"x", "y"})) == told(frozenset({"y", "x"}))
    assert len({told(frozenset(names)) for names in ((), ("x",), ("y",), ("x", "y"))}) == 4
    with pytest.raises(emberkeep.errors.Unkeyable, match="jax_no_collectives"):
        told(frozenset({object()}))


def test_flags_of_xla(keep, monkeypatch, tmp_path):
    assert call(keep) == 1
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    assert call(keep) == 2
    flags = tmp_path / "flags"
    flags.write_text("--xla_cpu_enable_fast_math=true")
    monkeypatch.setenv("XLA_FLAGS", str(flags))
    assert call(keep) == 3
    flags.write_text("--xla_cpu_enable_fast_math=false")
    assert call(keep) == 4
    monkeypatch.delenv("XLA_FLAGS")
    assert call(keep) == 4


def test_the_processor(keep, monkeypatch):
    assert call(keep) == 1
    here = features.host()
    fewer = replace(here, {"features": here.features[1:]})
    other = replace(here, {"words": (*here.words[:-1], here.words[-1] ^ 1)})
    for number, changed in enumerate((fewer, other), start=2):
        monkeypatch.setattr(features._machine, "processor", changed)
        assert call(keep) == number
    monkeypatch.setattr(features._machine, "processor", here)
    assert call(keep) == 3


def test_how_many_processors_there_are(keep, monkeypatch):
    assert call(keep) == 1
    monkeypatch.setattr(environment, "_processors", lambda: 1000)
    assert call(keep) == 2


class Other:
    """Says it is something else than the device here, in one thing."""

    def __init__(self, thing, **changed):
        self._thing = thing
        self.__dict__.update(changed)

    def __getattr__(self, name):
        return getattr(self._thing, name)


@pytest.mark.parametrize(
    "make",
    [
        lambda device: Other(device, device_kind="another"),
        lambda device: Other(device, id=1),
        lambda device: Other(device, client=Other(device.client, platform_version="next")),
        lambda device: Other(device, client=Other(device.client, device_count=lambda: 8)),
    ],
)
def test_the_device(make, monkeypatch):
    device = jax.devices()[0]
    monkeypatch.setattr(environment.internals, "compile_options", lambda _: b"")
    here = environment.build_half(device).ingredients
    there = environment.build_half(make(device)).ingredients
    assert emberkeep.fingerprint(here).digest != emberkeep.fingerprint(there).digest


def test_versions_and_own_code():
    told = environment.build_half(jax.devices()[0]).ingredients
    assert set(told["packages"]) == {"jax", "jaxlib", "ml_dtypes", "numpy", "opt_einsum"}
    assert told["packages"]["jaxlib"] == {"version": jax.lib.__version__}
    assert told["packages"]["jax"] == {"version": jax.__version__}
    assert told["own code"].keys() == {"emberkeep.xla.executables"}


def test_keys_hold_no_arrays_of_jax_without_a_spec(keep):
    constant = jnp.arange(3.0)
    function = kept(lambda x: x + constant, name="f", keep=keep)
    try:
        emberkeep.fingerprint(function.__wrapped__)
    except emberkeep.Unkeyable:
        with pytest.warns(emberkeep.StoreWarning, match="not kept: .*constant"):
            np.testing.assert_array_equal(function(1.0), [1, 2, 3])
    else:
        np.testing.assert_array_equal(function(1.0), [1, 2, 3])
        other = jnp.arange(1.0, 4.0)
        np.testing.assert_array_equal(
            kept(lambda x: x + other, name="f", keep=keep)(1.0), [2, 3, 4]
        )
