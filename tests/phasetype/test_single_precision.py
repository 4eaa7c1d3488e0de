"""JAX as it comes computes in single precision; what emberkeep computes with it does not."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats

pytestmark = pytest.mark.timeout(1000)
PROGRAM = os.path.join(os.path.dirname(__file__), "programs", "single_precision.py")
TIMES, THETA, MANY = np.array([0.5, 1.5, 4.0]), 1.5, np.array([1.5, 1.0, 0.5])


def run(what):
    done = subprocess.run(
        [sys.executable, PROGRAM, what],
        env={name: value for name, value in os.environ.items() if name != "JAX_ENABLE_X64"},
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def density_of(rate):
    return np.exp(scipy.stats.gamma(3).logpdf(rate * TIMES)) * rate


def known_of_models():
    """By name, of the first parameter; the others do nothing."""
    waiting = scipy.stats.gamma(3)
    logs = [np.log(density_of(rate)).sum() for rate in MANY]
    slopes = [(3 / rate - TIMES).sum() for rate in MANY]
    fading = [
        -(TIMES * waiting.pdf(rate * TIMES) / waiting.sf(rate * TIMES)).sum() for rate in MANY
    ]
    return {
        "by times": 2 / TIMES - THETA,
        "times by row": logs,
        "grad vmap": slopes,
        "grad scan": slopes,
        "checkpoint": slopes[0],
        "jacrev": density_of(THETA) * (3 / THETA - TIMES),
        "as an argument": density_of(THETA),
        **{f"logs{how}": logs[0] for how in ("", " jit")},
        **{f"logs {how}": slopes[0] for how in ("grad", "jit grad", "grad jit")},
        **{f"logs {how}": logs for how in ("vmap", "vmap jit")},
        **{f"logs {how}": slopes for how in ("vmap grad", "vmap grad jit")},
        "survivals grad jit": fading[0],
        "survivals vmap grad jit": fading,
        "moments grad jit": -3 / THETA,
        "moments vmap grad jit": -3 / MANY,
    }


def compared(given, value, name):
    given, value = np.array(given), np.array(value)
    if given.shape != value.shape:  # by parameter
        given = given[..., 0]
    np.testing.assert_allclose(given, value, rtol=2e-6, atol=1e-6, err_msg=name)


def test_models_compute_in_double_and_round_at_the_end():
    found, known = run("models"), known_of_models()
    assert len(found) == 2 * len(known)
    for parameters in (1, 3):
        for name, value in known.items():
            compared(found[f"{parameters} {name}"], value, f"{parameters} {name}")


def test_so_they_do_without_kernels():
    found, known = run("arrays"), known_of_models()
    compared(found["3 logs"], known["logs"], "logs")
    compared(found["3 logs vmap grad"][0][0], known["logs grad"], "grad")


def test_inference_is_as_in_double_precision():
    found = run("inference")
    assert found["mean"][0] == pytest.approx(1.21, abs=0.03)
    assert found["std"][0] == pytest.approx(0.356, abs=0.03)


def test_what_users_give_sees_their_own_setting():
    run("callbacks")
