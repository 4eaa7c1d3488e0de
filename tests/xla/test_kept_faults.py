"""Kept programs that are damaged, stale or not XLA's; and fresh processes."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import emberkeep
from emberkeep.errors import StoreWarning
from emberkeep.targets.cpu import features
from emberkeep.xla.executables import internals, kept, serialisation

PROGRAM = Path(__file__).parent / "programs" / "kept_program.py"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "keep"


def builds(keep):
    return sum(count for (event, _, _), (count, _) in keep.totals().items() if event == "build")


def solve(keep, **options):
    function = kept(lambda x: jnp.sin(x) * 3, name="f", keep=keep, **{"spec": 1, **options})
    np.testing.assert_allclose(function(np.ones(50)), np.sin(np.ones(50)) * 3, rtol=1e-15)


def opened(root):
    return emberkeep.Keep(root, memory_size=0)


def blob(root):
    (path,) = [path for path in (root / "blobs").rglob("*") if path.is_file()]
    return path


def manifest(root):
    (path,) = (root / "xla").rglob("*.json")
    return path


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("which", [blob, manifest])
@pytest.mark.parametrize(
    "damage",
    [flip, lambda content: content[:-7], lambda _: b"", lambda content: content + b"x"],
    ids=["flipped", "truncated", "empty", "longer"],
)
def test_damage_is_a_compile_and_heals(which, damage, root):
    solve(opened(root))
    path = which(root)
    path.chmod(0o600)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(StoreWarning, match="built again"):
        solve(opened(root))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        healed = opened(root)
        before = builds(healed)
        solve(healed)
        assert builds(healed) == before


def test_another_users_manifest_is_not_run(root, monkeypatch, tmp_path):
    solve(opened(root))
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "another"))
    keep = opened(root)
    before = builds(keep)
    with pytest.warns(StoreWarning, match="not sealed by this user"):
        solve(keep)
    assert builds(keep) == before + 1


def test_what_xla_does_not_take_is_built_again_and_kept_beside(root, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(internals, "serialise", lambda *_: b"no executable")
        solve(opened(root))
    with pytest.warns(StoreWarning, match="built again: "):
        solve(opened(root))
    keep = opened(root)
    before = builds(keep)
    with pytest.warns(StoreWarning, match="built again: "):
        solve(keep)
    assert builds(keep) == before


@pytest.mark.parametrize(
    "packed",
    [
        {},
        {"other": b"x"},
        {"executable": b"x", "layout": [[]]},
        {"executable": b"x", "layout": {"name": "f", "taken": 1e300}},
    ],
)
@pytest.mark.parametrize("verify", [False, True])
def test_what_is_no_program_is_built_again_and_kept_beside(root, monkeypatch, packed, verify):
    """Whoever is trusted may have signed anything."""
    with monkeypatch.context() as patched:
        patched.setattr(serialisation, "pack", lambda *_: packed)
        solve(opened(root))
    with pytest.warns(StoreWarning, match="built again: "):
        solve(opened(root), verify=verify)


def test_several_that_xla_does_not_take(root, monkeypatch):
    monkeypatch.setattr(internals, "serialise", lambda *_: os.urandom(16))
    solve(opened(root))
    for _ in range(4):
        with pytest.warns(StoreWarning, match="built again: "):
            solve(opened(root))


def test_a_spec_that_no_longer_tells_all(root):
    def function(factor, **options):
        return kept(lambda x: x * factor, name="f", spec=1, keep=opened(root), **options)

    assert function(2.0)(3.0) == 6.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert function(2.0, verify=True)(3.0) == 6.0
    assert function(5.0)(3.0) == 6.0  # which is what `verify` is for
    with pytest.warns(StoreWarning, match="raise the spec where the function changes"):
        assert function(5.0, verify=True)(3.0) == 15.0
    before = builds(opened(root))
    with pytest.warns(StoreWarning, match="raise the spec"):
        assert function(5.0, verify=True)(3.0) == 15.0
    assert builds(opened(root)) == before


def test_a_jax_that_is_not_known(root, monkeypatch):
    monkeypatch.delattr(internals, "dispatcher")
    with pytest.warns(StoreWarning, match="This JAX is none that programs can be kept of"):
        solve(opened(root))


def test_without_jax(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(emberkeep.TargetUnavailable, match=r"pip install 'emberkeep\[xla\]'"):
        solve(opened(root))


def test_requirements_come_before_tracing_and_loading(root):
    order = []

    def traced(x):
        order.append("traced")
        return x + 1

    for _ in range(2):
        function = kept(
            traced,
            spec=1,
            keep=opened(root),
            requires=(lambda: order.append("first"), lambda: order.append("second")),
        )
        assert (function(1.0), function(2)) == (2.0, 3)
    assert order == ["first", "second", "traced", "traced", "first", "second"]


@pytest.fixture
def process(tmp_path, home):
    def run(*words, **variables):
        environ = {
            **os.environ,
            "EMBERKEEP_DIR": str(tmp_path / "keep"),
            "PYTHONPATH": str(Path(emberkeep.__file__).parents[1]),
            "JAX_PLATFORMS": "cpu",
            **variables,
        }
        done = subprocess.run(
            [sys.executable, PROGRAM, *words], env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("name", ["sums", "cholesky", "step", "start"])
def test_a_second_process_traces_nothing(name, process):
    traced, tree, leaves = process(name)
    assert traced >= 1
    assert process(name) == [0, tree, leaves]


def test_a_lesser_processor_compiles_for_itself(process):
    assert process("sums")[0] >= 1  # once more where it counts its traces
    lacking = features.host().features[0] if features.host().features else "none"
    assert process("sums", lacking)[0] >= 1
    assert process("sums", lacking)[0] == 0
    assert process("sums")[0] == 0


@pytest.mark.soak
def test_flags_and_devices_of_a_process(process):
    assert process("sums")[0] >= 1  # once more where it counts its traces
    for flags in ("--xla_cpu_enable_fast_math=true", "--xla_force_host_platform_device_count=2"):
        assert process("sums", XLA_FLAGS=flags)[0] >= 1
        assert process("sums", XLA_FLAGS=flags)[0] == 0
    assert process("sums")[0] == 0
    assert jax.device_count() == 1
