"""Kept functions within one process: what they give, and what they say where they cannot."""

import functools
import threading
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import emberkeep
from emberkeep.errors import StoreWarning
from emberkeep.xla.executables import kept


@pytest.fixture
def keep(tmp_path):
    return emberkeep.Keep(tmp_path / "keep")


def counts(keep):
    totals = keep.totals()
    return tuple(
        sum(
            count
            for (event, kind, _), (count, _) in totals.items()
            if (event, kind) == (what, "xla")
        )
        for what in ("hit", "build")
    )


def assert_same(ours, theirs):
    """The same to the bit, and the same to JAX."""
    mine, my_tree = jax.tree.flatten(ours)
    plain, plain_tree = jax.tree.flatten(theirs)
    assert my_tree == plain_tree
    for one, other in zip(mine, plain, strict=True):
        assert jax.typeof(one) == jax.typeof(other)
        assert one.committed == other.committed
        assert one.devices() == other.devices()
        if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, other = jax.random.key_data(one), jax.random.key_data(other)
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def twice(function, keep, *args, **options):
    """What was compiled, then what was loaded; the second function traces nothing."""
    first, second = (kept(function, keep=keep, **options) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        built = first(*args)
        before = counts(keep)
        loaded = second(*args)
    hits, builds = counts(keep)
    assert (hits, builds) == (before[0] + 1, before[1])
    assert_same(loaded, built)
    assert_same(second(*args), built)  # by the shortcut
    return loaded


def everything(x):
    return {"sin": jnp.sin(x), "list": [x * 2, None, (x.sum(), ())], "same": x}


@pytest.mark.parametrize(
    "x",
    [
        np.linspace(-1, 1, 7),
        np.float32([1.5, np.nan, np.inf, -np.inf, -0.0]),
        np.array([1 + 2j, np.nan * 1j, complex(np.inf, -0.0)]),
        np.array([], np.float64).reshape(0, 3),
        np.arange(6, dtype=np.int32).reshape(2, 3)[:, ::2],
        np.array([True, False]),
        np.float16(0.1),
        jnp.arange(3, dtype=jnp.bfloat16),
        3,
        2.5,
        True,
        1 + 1j,
    ],
    ids=repr,
)
def test_bits_are_those_of_jit(x, keep):
    assert_same(twice(everything, keep, x), jax.jit(everything)(x))


def test_committed_arguments_give_committed_results(keep):
    x = jax.device_put(jnp.arange(3.0), jax.devices()[0])
    assert_same(twice(everything, keep, x), jax.jit(everything)(x))
    assert_same(twice(everything, keep, jnp.arange(4.0)), jax.jit(everything)(jnp.arange(4.0)))


def test_unused_arguments_are_dropped(keep):
    def second(a, b, c):
        return b["y"] * 2, c

    args = (np.ones(3), {"x": np.ones(2), "y": np.arange(4.0)}, 1)
    assert_same(twice(second, keep, *args), jax.jit(second)(*args))


def test_states_of_optimisers_go_in_and_out(keep):
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(0.1, 10))
    )

    def step(place, state):
        change, state = optimiser.update(2 * place, state, place)
        return optax.apply_updates(place, change), state

    place = jnp.arange(3.0)
    args = (place, optimiser.init(place))
    results = twice(step, keep, *args, spec="descent")
    assert_same(results, jax.jit(step)(*args))
    assert type(results[1][1][0]) is optax.ScaleByAdamState
    assert_same(
        twice(optimiser.init, keep, place, name="init", spec=1), jax.jit(optimiser.init)(place)
    )


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg"])
def test_typed_random_keys(kind, keep):
    def draw(key):
        key, now = jax.random.split(key)
        return key, jax.random.normal(now, (3,))

    key = jax.random.key(3, impl=kind)
    assert_same(twice(draw, keep, key), jax.jit(draw)(key))
    making = functools.partial(jax.random.key, impl=kind)

    def make(seed):
        return making(seed)

    assert_same(twice(make, keep, 5, spec=kind), jax.jit(make)(5))


def test_donated_arguments_are_gone(keep):
    def add(x, y):
        return x + y, y

    first, second = (kept(add, keep=keep, donate=0) for _ in range(2))
    for function in (first, second, second):
        x, y = jnp.arange(1000.0), jnp.ones(1000)
        total, _ = function(x, y)
        assert x.is_deleted()
        assert not y.is_deleted()
        assert float(total[999]) == 1000.0
    assert counts(keep) == (1, 1)


def test_static_arguments_by_position_and_name(keep):
    def power(x, n, *, shift=0):
        return x**n + shift

    for static in ((1, "shift"), ("n", "shift")):
        function = kept(power, keep=keep, static=static)
        for n, shift in ((2, 0), (3, 0), (3, 1)):
            assert function(2.0, n, shift=shift) == 2.0**n + shift
        assert function(2.0, n=3, shift=1) == 9.0
    assert counts(keep) == (4, 4)


def test_within_other_transformations_it_is_the_function(keep):
    function = kept(lambda x: jnp.sin(x) * x, name="f", keep=keep)
    x = jnp.arange(1.0, 4.0)
    expected = np.cos(x) * x + np.sin(x)
    np.testing.assert_allclose(jax.vmap(jax.grad(function))(x), expected, rtol=1e-14)
    np.testing.assert_allclose(jax.jit(lambda x: function(x) + 1)(x), np.sin(x) * x + 1, rtol=1e-14)
    with jax.disable_jit():
        assert_same(function(x), jnp.sin(x) * x)
    assert counts(keep) == (0, 0)
    function(x)
    assert counts(keep) == (0, 1)


def test_debugging_of_nans_goes_on(keep):
    function = kept(jnp.log, name="log", spec=1, keep=keep)
    function(1.0)
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        function(-1.0)


def test_errors_of_the_function_are_its_own(keep):
    def wrong(x):
        return x.reshape(7)

    function = kept(wrong, keep=keep)
    with pytest.raises(TypeError, match="reshape"):
        function(jnp.ones(3))
    assert function(jnp.ones(7)).shape == (7,)
    with pytest.raises(TypeError, match="abstract array"):
        function("text")


def test_prewarming_calls_nothing(keep):
    called = []

    def traced(x, n):
        called.append(1)
        return x * n

    function = kept(traced, keep=keep, spec=1)
    function.prewarm(jax.ShapeDtypeStruct((3,), np.float64), 2)
    assert (called, counts(keep)) == ([1], (0, 1))
    np.testing.assert_array_equal(function(np.arange(3.0), 2), [0, 2, 4])
    assert (called, counts(keep)) == ([1], (0, 1))
    another = kept(traced, keep=keep, spec=1)
    another.prewarm(np.ones(3), 5)
    another(np.ones(3), 5)
    assert (called, counts(keep)) == ([1], (1, 1))
    with pytest.raises(TypeError, match="abstract array"):
        function.prewarm("text", 2)
    assert "stablehlo.multiply" in function.lowered_text(np.ones(3), 2)


def test_threads_share_one_program(keep):
    traced = []

    @kept(keep=keep, spec=1)
    def slow(x):
        traced.append(1)
        return jnp.cumsum(x)

    start = threading.Barrier(8)
    results = []

    def work():
        start.wait()
        results.extend(float(slow(np.ones(100))[-1]) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [100.0] * 160
    assert (len(traced), counts(keep)) == (1, (0, 1))


def test_what_has_no_key_is_compiled_and_said_once(keep):
    lock = threading.Lock()
    function = kept(lambda x: (lock, x * 2)[1], name="odd", keep=keep)
    with pytest.warns(StoreWarning, match="'odd' are compiled in each process, not kept: .*lock"):
        assert function(2.0) == 4.0
    assert function(3.0) == 6.0
    assert counts(keep) == (0, 0)


def test_callbacks_are_not_kept(keep):
    def calls(x):
        return jax.pure_callback(lambda x: np.asarray(x) + 1, jax.ShapeDtypeStruct((), x.dtype), x)

    function = kept(calls, keep=keep, spec=1)
    with pytest.warns(StoreWarning, match="calls back into Python"):
        assert function(jnp.float64(2.0)) == 3.0
    assert function(jnp.float64(3.0)) == 4.0


def test_results_only_their_maker_can_make_are_not_kept(keep):
    @functools.partial(jax.tree_util.register_dataclass, data_fields=["x"], meta_fields=["how"])
    class Local:
        def __init__(self, x, how):
            self.x, self.how = x, how

    same = kept(lambda local: local, name="same", keep=keep, spec=1)
    again = kept(lambda local: local, name="same", keep=keep, spec=1)
    for function in (same, again):  # of an argument's structure
        assert function(Local(2.0, "a")).how == "a"
    assert counts(keep) == (1, 1)
    make = kept(lambda x: Local(x, "b"), name="make", keep=keep, spec=1)
    with pytest.warns(StoreWarning, match="Local, which cannot be imported"):
        assert make(2.0).how == "b"


def test_contexts_that_have_no_key(keep):
    function = kept(lambda x: x * 2, name="f", keep=keep, spec=1)
    mesh = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    with jax.set_mesh(mesh), pytest.warns(StoreWarning, match="Leave that context"):
        assert function(2.0) == 4.0
    assert counts(keep) == (0, 0)
    assert function(2.0) == 4.0
    assert counts(keep) == (0, 1)


def test_a_keep_that_is_off_or_only_read(tmp_path):
    for options in ({"disabled": True}, {"read_only": True}):
        keep = emberkeep.Keep(tmp_path / "keep", **options)
        function = kept(lambda x: x + 1, name="f", keep=keep, spec=1)
        assert function(1.0) == 2.0
        assert function(2.0) == 3.0


def test_it_says_what_it_is(keep):
    def told(x):
        """What it does."""
        return x

    function = kept(told, keep=keep)
    assert (function.__name__, function.__doc__, function.__wrapped__) == (
        "told",
        "What it does.",
        told,
    )
    assert repr(function) == "<Kept told: 0 programs in this process>"
    function(1.0)
    assert repr(function) == "<Kept told: 1 programs in this process>"
    with pytest.raises(TypeError, match="cannot be called"):
        kept(3, keep=keep)
