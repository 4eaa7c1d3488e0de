"""Kernels that XLA calls: what is passed, what is refused, and how they fail."""

import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emberkeep.errors import InvalidKernel
from emberkeep.targets.kernel import kernel
from emberkeep.xla.handlers import Handler


@pytest.fixture(scope="module")
def keep(test_keep):
    return test_keep.keep


def shaped(shape, dtype):
    return jax.ShapeDtypeStruct(shape, dtype)


def copier(dtype, rank, keep):  # noqa: C901 - the same for each number of axes
    """A kernel that copies an array, and writes down its extents."""
    text = f"{dtype}[{', '.join([':'] * (rank - 1) + ['::1'])}]"

    if rank == 1:

        @kernel(f"{text}, {text}, int64[::1]", keep=keep, xla_results=2, name=f"copy_{dtype}_1")
        def copy(i, x, y, extents):
            if i == 0:
                extents[0] = x.shape[0]
                for a in range(x.shape[0]):
                    y[a] = x[a]

    elif rank == 2:

        @kernel(f"{text}, {text}, int64[::1]", keep=keep, xla_results=2, name=f"copy_{dtype}_2")
        def copy(i, x, y, extents):
            extents[i] = x.shape[i]
            if i == 0:
                for a in range(x.shape[0]):
                    for b in range(x.shape[1]):
                        y[a, b] = x[a, b]

    else:

        @kernel(f"{text}, {text}, int64[::1]", keep=keep, xla_results=2, name=f"copy_{dtype}_3")
        def copy(i, x, y, extents):
            extents[i] = x.shape[i]
            if i == 0:
                for a in range(x.shape[0]):
                    for b in range(x.shape[1]):
                        for c in range(x.shape[2]):
                            y[a, b, c] = x[a, b, c]

    return Handler(copy)


@pytest.mark.parametrize(
    ("dtype", "rank"),
    [("bool", 1), ("int8", 2), ("int16", 1), ("int32", 3), ("int64", 2), ("uint8", 1),
     ("uint16", 1), ("uint32", 1), ("uint64", 1), ("float32", 3), ("float64", 2), ("complex64", 1),
     ("complex128", 2)],
)  # fmt: skip
def test_arrays_of_all_kinds_are_passed(dtype, rank, keep):
    handler, rng = copier(dtype, rank, keep), np.random.default_rng(1)
    for shape in ((3, 5, 7)[:rank], (4, 1, 2)[:rank], (0, 5, 7)[:rank], (3, 0, 2)[:rank]):
        x = rng.integers(0, 120, shape).astype(dtype)
        if dtype.startswith("complex"):
            x = x + 1j * rng.integers(0, 120, shape).astype(x.real.dtype)
            x = x.astype(dtype)
        wanted = (shaped(shape, dtype), shaped((rank,), "int64"))
        y, extents = jax.jit(lambda x, w=wanted: handler(w, x))(x)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(extents, shape)


def test_arrays_in_another_order_arrive_in_order(keep):
    handler = copier("float64", 2, keep)
    x = jnp.arange(12.0).reshape(3, 4)
    call = jax.jit(lambda x: handler((shaped((4, 3), "float64"), shaped((2,), "int64")), x.T)[0])
    np.testing.assert_array_equal(call(x), np.asarray(x).T)


@pytest.fixture(scope="module")
def squares(keep):
    @kernel("float64[::1], float64[::1]", keep=keep, xla_results=1)
    def squares(i, x, y):
        if x[i] < 0:
            raise ValueError("negative")
        y[i] = x[i] * x[i]

    return Handler(squares)


@pytest.mark.parametrize("size", [0, 1, 2, 1000, 65_535, 65_536, 70_001])
def test_every_part_is_done_once(squares, size):
    x = np.arange(float(size))
    (found,) = jax.jit(lambda x: squares((shaped((size,), "float64"),), x))(x)
    np.testing.assert_array_equal(found, x * x)


@pytest.mark.parametrize(
    ("results", "arguments"),
    [
        ([((4,), "float64")], [np.ones(4, np.float32)]),
        ([((4,), "float64")], [np.ones((4, 1))]),
        ([((4,), "float64")], [np.ones(4), np.ones(4)]),
        ([((4,), "float64")], []),
        ([((4,), "int64")], [np.ones(4)]),
        ([((4, 4), "float64")], [np.ones(4)]),
        ([((4,), "float64"), ((4,), "float64")], [np.ones(4)]),
        ([((), "float64")], [np.ones(4)]),
    ],
)
def test_what_does_not_fit_is_an_error(squares, results, arguments):
    wanted = tuple(shaped(*result) for result in results)
    with pytest.raises(
        jax.errors.JaxRuntimeError, match="an array does not fit the kernel squares"
    ):
        jax.block_until_ready(jax.jit(lambda *x: squares(wanted, *x))(*arguments))


@pytest.mark.parametrize("size", [1, 50, 70_000])
def test_a_kernel_that_raises_is_an_error(squares, size):
    call = jax.jit(lambda x: squares((shaped((size,), "float64"),), x)[0])
    x = np.ones(size)
    x[size // 2] = -1.0
    with pytest.raises(jax.errors.JaxRuntimeError, match="the kernel squares raised"):
        jax.block_until_ready(call(x))
    np.testing.assert_array_equal(call(np.ones(size)), np.ones(size))  # and it goes on


@pytest.mark.parametrize(
    ("signature", "results", "told"),
    [
        ("float64[::1], float64[::1]", 3, "cannot be results"),
        ("float64[::1], float64[::1]", -1, "cannot be results"),
        ("float64[::1], float64[::1]", 0, "xla_results=1"),
        ("float64, float64[::1]", 1, "C order"),
        ("float64[:], float64[::1]", 1, "C order"),
    ],
)
def test_kernels_that_are_not_for_xla(keep, signature, results, told):
    @kernel(signature, keep=keep, xla_results=results, name="unfit")
    def unfit(i, x, y):
        y[i] = 1.0

    with pytest.raises(InvalidKernel, match=told):
        _ = Handler(unfit).target


def test_another_code_has_another_name(keep):
    def made(power):
        @kernel("float64[::1], float64[::1]", keep=keep, xla_results=1, name="powers")
        def powers(i, x, y):
            y[i] = x[i] ** power

        return Handler(powers)

    two, again, three = made(2), made(2), made(3)
    assert two.target == again.target != three.target
    assert "powers" in two.target
    for handler, power in ((two, 2), (again, 2), (three, 3)):
        (found,) = handler((shaped((2,), "float64"),), np.array([2.0, 3.0]))
        np.testing.assert_array_equal(found, [2.0**power, 3.0**power])


def test_threads_that_need_a_handler_first_register_it_once(keep):
    import threading

    @kernel("float64[::1], float64[::1]", keep=keep, xla_results=1, name="contested")
    def contested(i, x, y):
        y[i] = x[i] + 1.0

    contested.build(keep=keep)
    handler, ready, failed = Handler(contested), threading.Barrier(8), []

    def work():
        ready.wait()
        try:
            assert handler.target
        except Exception as problem:  # noqa: BLE001 - told below
            failed.append(problem)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failed
    (found,) = handler((shaped((2,), "float64"),), np.zeros(2))
    np.testing.assert_array_equal(found, np.ones(2))


PROGRAM = """
    import sys
    import jax
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_compilation_cache_dir", sys.argv[1])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    hits = []
    jax.monitoring.register_event_listener(
        lambda name, **_: hits.append(name) if name.endswith("/cache_hits") else None
    )
    import numpy as np
    from emberkeep.phasetype import Graph
    graph = Graph.from_callback(
        lambda s: [(s - 1, [1.0])] if s else [], initial=[(3, 1.0)], theta_length=1
    )
    model = graph.model()
    call = jax.jit(jax.value_and_grad(model.density))
    hits.clear()
    value, slope = call(np.array([2.0]), 1.5)
    print(float(value), float(slope[0]), len(hits),
          sorted({"numba", "sympy", "llvmlite"} & set(sys.modules)), sep=";")
"""


@pytest.mark.soak
def test_a_second_process_compiles_nothing(tmp_path):
    environ = {
        **os.environ,
        "EMBERKEEP_DIR": str(tmp_path / "keep"),
        "EMBERKEEP_CONFIG_DIR": str(tmp_path / "config"),
    }
    program = textwrap.dedent(PROGRAM)
    told = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "jax")],
            env=environ, capture_output=True, text=True, check=False, timeout=250,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.strip().split(";"))
    value, slope = 8 * 1.5**2 / 2 * np.exp(-3.0), (3 * 4 - 8 * 1.5) * 1.5**2 / 2 * np.exp(-3.0)
    for found in told:
        assert float(found[0]) == pytest.approx(value, rel=1e-12)
        assert float(found[1]) == pytest.approx(slope, abs=1e-12)
    assert int(told[1][2]) >= 1
    assert told[1][3] == "[]"
