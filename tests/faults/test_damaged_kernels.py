"""Damage to kept machine code: a compile and a warning, never a crash or a wrong result."""

import random
import warnings

import numpy as np
import pytest

import emberkeep
from emberkeep.targets.cuda.target import CudaTarget

FLIPS = 40


def model(i, x, out):
    value = x[i]
    for _ in range(10):
        value = value * 0.5 + 1.0
    out[i] = value


def read_files(root, artifact):
    """The files that a hit reads: the manifest, and the blobs that it names.

    Others may lie about: source, which nobody reads, and what earlier damage has left.
    """
    contents = list(artifact.blobs.values())
    blobs = [path for path in (root / "blobs").rglob("*") if path.is_file()]
    return [
        *sorted((root / "generated").rglob("*.json")),
        *(path for path in blobs if path.read_bytes() in contents),
    ]


def damage(kind, content, choose):
    """Other contents than these, damaged somewhere."""
    damaged = bytearray(content)
    place = choose.choice([at for at, byte in enumerate(content) if byte])
    if kind == "flip":
        damaged[place] ^= 1 << choose.randrange(8)
    elif kind == "cut":
        del damaged[place:]
    elif kind == "zeros":
        damaged[place : place + 64] = bytes(len(damaged[place : place + 64]))
    else:
        damaged += choose.randbytes(10)
    return bytes(damaged)


@pytest.mark.parametrize("kind", ["flip", "cut", "zeros", "appended"])
def test_random_damage_to_a_kept_kernel(tmp_path, kind, report):
    """numba's own cache ends the process in 3 of 20 cases."""
    choose, x = random.Random(kind), np.linspace(0, 1, 50)
    expected = np.zeros(50)
    for i in range(50):
        model(i, x, expected)
    for turn in range(FLIPS // 4):
        keep = emberkeep.Keep(tmp_path, memory_size=0)
        kernel = emberkeep.kernel("float64[::1], float64[::1]", keep=keep)(model)
        (artifact,) = kernel.build()
        assert artifact.hit == (turn > 0), "what was damaged has been healed"
        files = read_files(tmp_path, artifact)
        assert len(files) == 2
        path = files[turn % 2]
        path.write_bytes(damage(kind, path.read_bytes(), choose))
        out = np.zeros(50)
        again = emberkeep.kernel(
            "float64[::1], float64[::1]", keep=emberkeep.Keep(tmp_path, memory_size=0)
        )(model)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            again(x, out, count=50)
        assert any("is built again" in str(warning.message) for warning in caught), path
        np.testing.assert_array_equal(out, expected)
    report(damaged_and_compiled_again=FLIPS // 4)


def test_random_damage_to_a_kept_cubin_is_a_miss(tmp_path):
    choose, hits = random.Random(3), []
    for _ in range(8):
        keep = emberkeep.Keep(tmp_path, memory_size=0)
        kernel = emberkeep.kernel("float64[::1], float64[::1]", keep=keep)(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (artifact,) = kernel.build(CudaTarget("sm_90"))
        hits.append(artifact.hit)
        path = choose.choice(read_files(tmp_path, artifact))
        path.write_bytes(damage("flip", path.read_bytes(), choose))
    assert not any(hits)
