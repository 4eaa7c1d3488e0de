"""Kept executables: from a fresh process to the first result, against JAX's own warm cache.

The program is a value and gradient over a batch, of about 3000 equations. `import jax` is the same
for both and is taken off.
"""

import statistics
import subprocess
import sys
import tempfile

from measuring import Row, alternately, milliseconds, show

REPEATS = 5

MODEL = """
import jax, jax.numpy as jnp, numpy as np

def model(theta, x):
    # Chains of a few steps: longer ones are fused into code that takes minutes to compile.
    total = 0.0
    for index in range({size}):
        a, b = theta[0] * x[index % 8], theta[1] + 0.01 * index
        total = total + jnp.sin(a) * jnp.exp(-b * b) / (1.0 + a * b)
    return total

def batch(theta, x):
    return jax.vmap(jax.value_and_grad(model), (0, None))(theta, x)

jax.config.update("jax_enable_x64", True)
theta = np.linspace(0.1, 1.0, 200).reshape(100, 2)
x = np.linspace(0.5, 1.5, 8)
"""
TIMED = """
import time
import jax
_started = time.perf_counter()
_used = time.process_time()
{setup}
{model}
first = jax.block_until_ready({call}(theta, x))
print(time.perf_counter() - _started, time.process_time() - _used, float(first[1].sum()))
"""
KEPT = """
import os
os.environ["EMBERKEEP_DIR"] = {folder!r}
os.environ["EMBERKEEP_CONFIG_DIR"] = {folder!r} + "-config"
from emberkeep.xla.executables import kept
"""
STOCK = """
jax.config.update("jax_compilation_cache_dir", {folder!r})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_enable_xla_caches", "")
"""
SIZE = 71
EQUATIONS = "2,981"


def first_results(setup: str, call: str) -> tuple[float, float, float]:
    program = TIMED.format(setup=setup, model=MODEL.format(size=SIZE), call=call)
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise SystemExit(ran.stderr)
    wall, used, value = map(float, ran.stdout.split())
    return wall, used, value


def starting(folder: str) -> list[Row]:
    """The first process of each fills its cache; then both in turn."""
    ways = {
        "kept": (KEPT.format(folder=f"{folder}/keep"), "kept(batch, spec='benchmark')"),
        "keyed": (KEPT.format(folder=f"{folder}/keep"), "kept(batch)"),
        "stock": (STOCK.format(folder=f"{folder}/stock"), "jax.jit(batch)"),
    }
    cold = {name: first_results(*way) for name, way in ways.items()}
    walls: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            wall, _, value = first_results(*way)
            if value != cold["stock"][2]:
                raise SystemExit(f"{name} gives {value} for {cold['stock'][2]}")
            walls[name].append(wall)
    warm = {name: statistics.median(taken) for name, taken in walls.items()}
    labels = {"kept": "by its specification", "keyed": "by the function's behaviour"}
    return [
        Row(
            f"first result of {EQUATIONS} equations in a new process, {label}",
            milliseconds(warm[name]),
            f"{milliseconds(warm['stock'])} (JAX's cache; cold {milliseconds(cold['stock'][0])})",
            f"{warm[name] / warm['stock']:.0%}",
            "at most 70%",
            reached=warm[name] <= 0.7 * warm["stock"],
        )
        for name, label in labels.items()
    ]


def calling(folder: str) -> list[Row]:
    import os

    os.environ["EMBERKEEP_DIR"] = f"{folder}/calls"
    os.environ["EMBERKEEP_CONFIG_DIR"] = f"{folder}/calls-config"
    import jax
    import jax.numpy as jnp

    from emberkeep.xla.executables import kept

    def function(x: object, y: object) -> object:
        return {"sum": x + y, "product": x * y}

    ours, theirs = kept(function, spec=1), jax.jit(function)
    x = jnp.arange(4.0)
    times = 20_000

    def repeated(called: object) -> object:
        def run() -> object:
            for _ in range(times - 1):
                called(x, x)
            return called(x, x)["sum"].block_until_ready()

        return run

    repeated(ours)(), repeated(theirs)()
    mine, plain = (taken / times for taken in alternately([repeated(ours), repeated(theirs)], 5))
    return [
        Row(
            "one call of a loaded program",
            milliseconds(mine),
            f"{milliseconds(plain)} (jax.jit)",
            f"{(mine - plain) * 1e6:+.1f} µs",
            "at most +3 µs",
            reached=mine - plain <= 3e-6,
        )
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        reached = show([*starting(place), *calling(place)])
    sys.exit(not reached)
