"""One process with a kept function: prints how often it was traced, and what it gives.

Arguments: which function; how often the bits of the result are to be told (hexadecimal).
"""

import json
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax

from emberkeep.startup_records import replace
from emberkeep.targets.cpu import features
from emberkeep.xla.executables import kept

warnings.simplefilter("error")
jax.config.update("jax_enable_x64", True)
TRACED = []
ADAM = optax.adam(0.1)


def sums(x, y):
    TRACED.append("sums")
    return {"sum": jnp.sin(x) + y, "none": None}


def cholesky(x):
    TRACED.append("cholesky")
    return jnp.linalg.cholesky(x), jnp.linalg.eigh(x)[0]


def step(place, state, key):
    TRACED.append("step")
    key, now = jax.random.split(key)
    gradient = jax.grad(lambda x: jnp.sum(x**2))(place) + jax.random.normal(now, place.shape)
    change, state = ADAM.update(gradient, state, place)
    return optax.apply_updates(place, change), state, key


def start(place):
    """Named tuples that no argument has."""
    TRACED.append("start")
    return ADAM.init(place)


X = np.linspace(0.0, 1.0, 6)
MATRIX = np.eye(4) * 3 + 0.1
PLACE = jnp.arange(3.0)
CALLS = {
    "sums": (sums, (X, 2.0)),
    "cholesky": (cholesky, (MATRIX,)),
    "step": (step, (PLACE, ADAM.init(PLACE), jax.random.key(1))),
    "start": (start, (PLACE,)),
}


def bits(leaf):
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return [str(leaf.dtype), list(leaf.shape), np.asarray(leaf).tobytes().hex()]


def main(name, lacking=""):
    if lacking:
        here = features.host()
        fewer = tuple(known for known in here.features if known != lacking)
        features._machine.processor = replace(here, {"features": fewer})
    function, arguments = CALLS[name]
    options = {"spec": name} if name == "step" else {}  # an optimiser is made of closures
    results = kept(function, **options)(*arguments)
    leaves, tree = jax.tree.flatten(results)
    told = [len(TRACED), str(tree), [bits(leaf) for leaf in leaves]]
    sys.stdout.write(json.dumps(told))


main(*sys.argv[1:])
