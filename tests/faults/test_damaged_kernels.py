"""Damage to kept machine code: a compile and a warning, never a crash or a wrong result."""

import json
import random
import shutil
import warnings
from hashlib import sha256

import numpy as np
import pytest

import emberkeep
from emberkeep.store.manifest_writing import resealed
from emberkeep.targets.cuda.target import CudaTarget
from emberkeep.trust.seals import Sealer

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


ODD = {
    "no layout": lambda fields: fields.update(layout=None),
    "a list": lambda fields: fields.update(layout=[[]]),
    "no types": lambda fields: fields["layout"].pop("types"),
    "types of no language": lambda fields: fields["layout"].update(types=["what[", 1]),
    "types as a number": lambda fields: fields["layout"].update(types=5),
    "arguments as a number": lambda fields: fields["layout"].update(arguments=1e300),
    "features as a number": lambda fields: fields["layout"].update(features=7),
    "features of no processor": lambda fields: fields["layout"].update(features=["warp"]),
    "indices beyond": lambda fields: fields["layout"].update(indexed=[2**70, -1]),
    "no contents": lambda fields: fields.update(blobs=[]),
    "another role": lambda fields: fields["blobs"][0].update(role="other"),
}


@pytest.fixture(scope="module")
def kept_kernel(tmp_path_factory):
    """A keep with one kernel, and the key that seals what is in it."""
    place = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBERKEEP_CONFIG_DIR", str(place / "config"))
        keep = emberkeep.Keep(place / "keep")
        emberkeep.kernel("float64[::1], float64[::1]", keep=keep)(model).build()
    return place


def sealed_anew(config, document, alter):
    """The document as if the user had built that: digest and seal are right."""
    lines = document.split(b"\n")
    outer = json.loads(lines[0][:-1] + b"}")
    alter(outer["manifest"])
    lines[0] = json.dumps(outer, sort_keys=True, separators=(",", ":")).encode()[:-1] + b","
    return resealed(b"\n".join(lines), Sealer(str(config), pytest.fail).seal)


@pytest.mark.parametrize("how", [*ODD, "machine code of no machine"])
def test_a_kernel_that_says_something_odd_is_compiled_again_and_replaced(
    kept_kernel, tmp_path, monkeypatch, how
):
    shutil.copytree(kept_kernel, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "config"))
    (path,) = (tmp_path / "keep" / "generated").rglob("*.json")
    nonsense = b"\x7fELF nonsense"
    digest = sha256(nonsense).hexdigest()
    (tmp_path / "keep" / "blobs" / digest[:2]).mkdir(exist_ok=True)
    (tmp_path / "keep" / "blobs" / digest[:2] / digest[2:]).write_bytes(nonsense)

    def with_nonsense(fields):
        fields["blobs"][0].update(digest=digest, size_bytes=len(nonsense))

    alter = ODD.get(how, with_nonsense)
    path.write_bytes(sealed_anew(tmp_path / "config", path.read_bytes(), alter))
    x = np.linspace(0, 1, 50)
    for turn in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            keep = emberkeep.Keep(tmp_path / "keep", memory_size=0)
            kernel = emberkeep.kernel("float64[::1], float64[::1]", keep=keep)(model)
            out = np.zeros(50)
            kernel(x, out, count=50)
        assert len(caught) <= (turn == 0), [str(warning.message) for warning in caught]
        np.testing.assert_allclose(out, x * 0.5**10 + 2 - 0.5**9)
