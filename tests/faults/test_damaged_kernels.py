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


def files_of(root):
    return sorted(
        path
        for folder in ("blobs", "generated")
        for path in (root / folder).rglob("*")
        if path.is_file()
    )


@pytest.mark.parametrize("kind", ["flip", "cut", "zeros", "appended"])
def test_random_damage_to_a_kept_kernel(tmp_path, kind, report):
    """numba's own cache ends the process in 3 of 20 cases."""
    choose, x = random.Random(kind), np.linspace(0, 1, 50)
    expected = np.zeros(50)
    for i in range(50):
        model(i, x, expected)
    recompiled = 0
    for _ in range(FLIPS // 4):
        keep = emberkeep.Keep(tmp_path, memory_size=0)
        kernel = emberkeep.kernel("float64[::1], float64[::1]", keep=keep)(model)
        kernel.build()
        path = choose.choice(files_of(tmp_path))
        content = bytearray(path.read_bytes())
        place = choose.randrange(len(content))
        if kind == "flip":
            content[place] ^= 1 << choose.randrange(8)
        elif kind == "cut":
            del content[place:]
        elif kind == "zeros":
            content[place : place + 64] = bytes(len(content[place : place + 64]))
        else:
            content += choose.randbytes(10)
        path.write_bytes(content)
        out = np.zeros(50)
        again = emberkeep.kernel(
            "float64[::1], float64[::1]", keep=emberkeep.Keep(tmp_path, memory_size=0)
        )(model)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            again(x, out, count=50)
        recompiled += any("is built again" in str(warning.message) for warning in caught)
        np.testing.assert_array_equal(out, expected)
    report(damaged=FLIPS // 4, compiled_again=recompiled)
    assert recompiled


def test_random_damage_to_a_kept_cubin_is_a_miss(tmp_path):
    choose, hits = random.Random(3), []
    for _ in range(8):
        keep = emberkeep.Keep(tmp_path, memory_size=0)
        kernel = emberkeep.kernel("float64[::1], float64[::1]", keep=keep)(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (artifact,) = kernel.build(CudaTarget("sm_90"))
        hits.append(artifact.hit)
        # Of what was compiled before, files may lie about that nobody reads any more.
        (cubin,) = artifact.blobs.values()
        path = choose.choice(
            [path for path in files_of(tmp_path) if path.suffix or path.read_bytes() == cubin]
        )
        content = bytearray(path.read_bytes())
        content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
        path.write_bytes(content)
    assert not any(hits)
