"""Each engine once, as installed: run by the Python of a clean environment, outside the checkout.

Usage: wheel_smoke.py ENGINE…, of: keep kernel numba ode phasetype inference xla cli.
"""

import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import emberkeep


def keep() -> None:
    """A build, kept and found again; shared as a signed bundle where that is installed."""
    folder = tempfile.mkdtemp()
    for hit in (False, True):
        made = emberkeep.Keep(folder).get_or_build("t", "n", {"a": 1}, lambda: {"b": b"bytes"})
        assert made.blobs["b"] == b"bytes"
        assert made.hit == hit
    with subprocess.Popen(
        [sys.executable, "-c", "import cryptography, zstandard"], stderr=subprocess.DEVNULL
    ) as asked:
        can_share = asked.wait() == 0
    if can_share:
        command("key", "generate")
        bundle = os.path.join(folder, "all.ek")
        command("export", "--root", folder, "--name", "all", "--version", "1", bundle, "t/n")


def kernel() -> None:
    """A kernel of the user's, with a callee."""

    def growth(x, rate):
        return rate * x * (1 - x)

    @emberkeep.kernel("float64[::1], float64, float64[::1]")
    def logistic(i, start, rate, out):
        out[i] = growth(start[i], rate)

    start, out = np.array([0.1, 0.5, 0.9]), np.empty(3)
    logistic(start, 2.0, out, count=3)
    np.testing.assert_allclose(out, growth(start, 2.0), rtol=1e-15)


def numba() -> None:
    """A dispatcher of the user's."""
    import numba

    @emberkeep.keep_kernel
    @numba.njit
    def total(x):
        return x.sum()

    assert total(np.ones(5)) == 5.0


def ode() -> None:
    """Exponential decay, as a table where there are tables."""
    from emberkeep import ode

    system = ode.System("dx = -k*x", {"x": 1.0}, {"k": 1.0})
    k = np.linspace(0.5, 2.0, 10)
    for method in ("tsit5", "rk4"):
        steps = {"dt": 1e-3} if method == "rk4" else {"rtol": 1e-8, "atol": 1e-10}
        result = ode.solve(
            system, (0, 1), parameters={"k": k}, method=method, target="cpu", **steps
        )
        np.testing.assert_allclose(result["x"], np.exp(-k), rtol=1e-5)
    if has("pandas"):
        assert len(result.to_pandas()) == 10
    if has("xarray"):
        assert result.to_xarray()["x"].shape == (10,)
    if has("zarr"):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/runs.zarr"
            stored = ode.solve(system, (0, 1), parameters={"k": k}, target="cpu", into=path)
            np.testing.assert_allclose(stored["x"], np.exp(-k), rtol=1e-5)


def phasetype() -> None:
    """Moments and a density, against closed forms."""
    from emberkeep.phasetype import models

    graph = models.kingman(5)
    assert math.isclose(graph.expectation([1.0]), 1.6, rel_tol=1e-12)
    erlang = models.erlang(3, 2.0)
    t = np.array([0.5, 1.0, 2.0])
    np.testing.assert_allclose(erlang.pdf(t), 4 * t**2 * np.exp(-2 * t), rtol=1e-9)
    assert erlang.sample(10, seed=1).shape == (10,)


def xla() -> None:
    """A model's gradient, and a program kept whole."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - JAX's own
    from emberkeep.phasetype import models
    from emberkeep.xla import kept

    model = models.kingman(2).model()
    slope = jax.grad(lambda theta: model(theta, jnp.array([0.5]))[0])(jnp.array([2.0]))
    np.testing.assert_allclose(slope, (1 - 2.0 * 0.5) * np.exp(-1.0), atol=1e-9)
    assert kept(lambda x: 2 * x, name="double")(jnp.float64(2.0)) == 4.0


def inference() -> None:
    """One step of SVGD, timed from after the import of JAX."""
    import jax

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - JAX's own
    began, processor = time.perf_counter(), time.process_time()
    from emberkeep.phasetype import SVGD, models

    graph = models.kingman(5)
    found = SVGD(graph.model(), [1.3, 0.4, 2.2, 1.9, 0.8], theta_dim=1, n_iterations=1).fit()
    assert np.isfinite(found.mean).all()
    spent = time.perf_counter() - began, time.process_time() - processor
    print(f"first step of SVGD: {spent[0]:.2f} s, {spent[1]:.2f} s of a processor, after JAX")


def cli() -> None:
    """The command line, by its own program and as a module."""
    assert "emberkeep" in command("--version")
    for words in (("status",), ("ls",), ("doctor",), ("config",)):
        command(*words)
    subprocess.run([sys.executable, "-m", "emberkeep", "ls"], check=True, capture_output=True)


def command(*words: str) -> str:
    """Run `emberkeep`, which has to succeed."""
    program = Path(sys.executable).with_name("emberkeep")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"emberkeep {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def has(name: str) -> bool:
    """Whether a package is installed here."""
    from importlib.util import find_spec

    return find_spec(name) is not None


def main() -> None:
    """Run what is named."""
    for name in sys.argv[1:]:
        began = time.perf_counter()
        globals()[name]()
        print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
