"""What the programs here have in common: something to compile, and what became of it."""

import json
import os
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np

import emberkeep
from emberkeep import xla
from emberkeep.xla.jax_cache import programs_in_use

TIMES = np.linspace(0.0, 2.0, 7)


def right(number):
    return np.exp(-(number + 1.0) * TIMES).sum()


def compute(number=0):
    """The value of a program of its own for each number, which JAX may compile or find."""

    def survival(times):
        return jnp.exp(-(number + 1.0) * times).sum()

    return float(jax.jit(survival)(TIMES))


def ask(keep, number=0):
    """As a process with nothing in memory: found, compiled, and what was warned of."""
    jax.clear_caches()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        xla.enable(keep)
        value = compute(number)
        programs = programs_in_use()
        xla.disable()
        keep.flush()
    assert abs(value - right(number)) < 1e-5 * right(number), (value, right(number))
    return programs.found, programs.compiled, [str(warning.message) for warning in caught]


def keep_at(root, shared=None, strategy=None, **settings):
    """A keep that has to read its files."""
    return emberkeep.Keep(root, shared=shared, strategy=strategy, memory_size=0, **settings)


def files_below(*folders):
    return sorted(
        os.path.join(place, name)
        for folder in folders
        for place, _, names in os.walk(folder)
        for name in names
    )


def contents(root):
    """Manifests and blobs of a keep."""
    found = files_below(os.path.join(root, "xla"), os.path.join(root, "blobs"))
    assert found, os.listdir(root)
    return found


def tell(**facts):
    sys.stdout.write(json.dumps(facts) + "\n")
