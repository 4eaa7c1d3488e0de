"""What a function asks while it is traced, which no key has: not kept, and said."""

import cProfile
import logging
import os
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from emberkeep import Keep, StoreWarning, xla

X = jnp.ones(3)


@pytest.fixture
def keep(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "config"))
    np.save(tmp_path / "table.npy", np.array([2.0]))
    (tmp_path / "scale.txt").write_text("2")
    monkeypatch.chdir(tmp_path)
    return Keep(tmp_path / "keep")


def count():
    """How many programs are kept, by their manifests, in the folder that tests run in."""
    return len([path for path in Path("keep", "xla").rglob("*") if path.is_file()])


def read_array(x):
    return x * jnp.asarray(np.load("table.npy"))


def read_text(x):
    return x * float(Path("scale.txt").read_text())


def read_in_a_loop(x):
    def body(carry, _):
        with open("scale.txt") as file:
            return carry * float(file.read()), None

    return lax.scan(body, x, None, length=2)[0]


def read_numbers(x):
    return x * jnp.asarray(np.loadtxt("scale.txt"))


def list_folder(x):
    return x * len(os.listdir("."))


ASKING = {
    "numpy.load": (read_array, "io.open"),
    "pathlib": (read_text, "io.open"),
    "in the body of a loop": (read_in_a_loop, "io.open"),
    "numpy.loadtxt": (read_numbers, "io.open"),
    "a folder": (list_folder, "posix.listdir"),
    "the time": (lambda x: x * time.time(), "time.time"),
    "another clock": (lambda x: x * time.perf_counter(), "time.perf_counter"),
    "the date": (lambda x: x * datetime.now(UTC).year, "datetime.now"),
    "random": (lambda x: x * random.random(), "random"),
    "a generator without a seed": (lambda x: x * np.random.default_rng().random(), "urandom"),
    "numpy's state": (lambda x: x * np.random.rand(), "numpy.random's global state"),  # noqa: NPY002
    "the process": (lambda x: x * os.getpid(), "posix.getpid"),
}


@pytest.mark.parametrize("name", ASKING)
def test_what_asks_is_not_kept(name, keep):
    function, asked = ASKING[name]
    kept = xla.kept(function, keep=keep)
    with pytest.warns(StoreWarning, match=f"not kept: .*asks [a-z.]*{asked}") as told:
        found = kept(X)
    assert found.shape == (3,)
    assert Path(__file__).name in str(told[0].message) or "global state" in asked
    assert count() == 0
    assert sys.getprofile() is None
    kept(X)  # said once


def test_what_it_is_told_is_of_now(keep, tmp_path):
    with pytest.warns(StoreWarning):
        assert xla.kept(read_array, keep=keep)(X)[0] == 2
    np.save(tmp_path / "table.npy", np.array([3.0]))
    with pytest.warns(StoreWarning):
        assert xla.kept(read_array, keep=keep)(X)[0] == 3


def test_a_spec_says_it_in_place_of_the_key(keep):
    kept = xla.kept(read_array, keep=keep, spec="of table.npy, version 1")
    assert kept(X)[0] == 2
    assert count() == 1


def imports(x):
    import colorsys

    return x * colorsys.ONE_THIRD


def logs(x):
    logging.getLogger("emberkeep tests").warning("traced")
    return x * 2


def seeded(x):
    return x * np.random.default_rng(3).random()


@pytest.mark.parametrize(
    "function", [imports, logs, seeded], ids=lambda function: function.__name__
)
def test_what_asks_for_no_number_is_kept(function, keep):
    sys.modules.pop("colorsys", None)
    kept = xla.kept(function, keep=keep)
    first = kept(X)
    assert count() == 1
    np.testing.assert_array_equal(xla.kept(function, keep=keep)(X), first)
    assert count() == 1


def test_beside_a_profiler_nothing_is_built_for_later(keep):
    kept = xla.kept(lambda x: x * 5, keep=keep)
    profile = cProfile.Profile()
    profile.enable()
    try:
        with pytest.warns(StoreWarning, match="under a profiler"):
            assert kept(X)[0] == 5
    finally:
        profile.disable()
    assert count() == 0


def test_a_function_that_raises_leaves_no_profiler(keep):
    def fails(x):
        raise ValueError("in a trace")

    with pytest.raises(ValueError, match="in a trace"):
        xla.kept(fails, keep=keep)(X)
    assert sys.getprofile() is None
