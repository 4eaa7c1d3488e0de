"""Programs that JAX compiled for a GPU, kept: whole, and by way of JAX's own cache."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.gpu

pytest.importorskip("jax")

KEPT = """
import jax, sys
import jax.numpy as jnp
import emberkeep.xla

jax.config.update("jax_enable_x64", True)
traced = []

def program(x, y):
    traced.append(1)
    return {"product": x @ y, "sum": jnp.sin(x).sum()}

program = emberkeep.xla.kept(program, name="program", spec={"version": 1})
x = jnp.arange(12.0).reshape(3, 4)
found = program(x, x.T)
assert list(found["product"].devices())[0].platform == "gpu"
print(len(traced), found["product"].tolist(), float(found["sum"]))
"""

CACHED = """
import jax
import jax.numpy as jnp
import emberkeep.xla

emberkeep.xla.enable()
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
print(float(jax.jit(lambda x: jnp.cos(x).sum())(jnp.arange(7.0))))
print(sum(event.endswith("compilation_cache/cache_hits") for event in events))
"""


def run(program, keep):
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "EMBERKEEP_DIR": str(keep), "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(autouse=True)
def gpu():
    import jax

    try:
        jax.devices("gpu")
    except RuntimeError as problem:
        pytest.skip(f"JAX has no GPU here: {problem}")


def test_an_executable_is_loaded_without_tracing(tmp_path):
    cold, warm = (run(KEPT, tmp_path)[-1].split(" ", 1) for _ in range(2))
    assert (cold[0], warm[0]) == ("1", "0")
    assert cold[1] == warm[1]


def test_jaxs_own_cache_is_the_keep(tmp_path):
    cold, warm = (run(CACHED, tmp_path) for _ in range(2))
    assert cold[0] == warm[0]
    assert int(cold[1]) == 0
    assert int(warm[1]) >= 1
