"""The CPU as a target: its contract, linked or not; processors that can less."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import emberkeep
from emberkeep.errors import StoreWarning, TargetUnavailable, Unloadable
from emberkeep.keep.artifact import Artifact
from emberkeep.startup_records import replace
from emberkeep.targets import kernel_lookup
from emberkeep.targets.cpu import features, load, target
from emberkeep.targets.cpu.features import LEVELS, Host, host, missing
from emberkeep.targets.cpu.link import Unlinkable
from emberkeep.targets.cpu.target import CpuTarget
from emberkeep.targets.kernel_lookup import fetch, obtain
from emberkeep.testing import key_of
from emberkeep.testing.targets import RELAX, TargetContract, overwrite, relax


class TestHost(TargetContract):
    @pytest.fixture
    def target(self):
        return CpuTarget()


class TestLevelOnOneThread(TargetContract):
    @pytest.fixture
    def target(self):
        return CpuTarget("x86-64-v2", threads=1)


class TestUnlinked(TargetContract):
    @pytest.fixture
    def target(self, monkeypatch):
        def refuse(image):
            raise Unlinkable("for a test")

        monkeypatch.setattr("emberkeep.targets.cpu.link.link", refuse)
        return CpuTarget("x86-64-v3", threads=2)

    def test_keeps_an_object_file(self, keep, target):
        artifact = fetch(keep, target, self.source(overwrite, "int64[::1]"))
        assert set(artifact.blobs) == {"object"}


SOURCE = TestHost().source(relax, RELAX)


def test_features_are_those_that_llvm_finds():
    import llvmlite.binding as llvm

    theirs = llvm.get_host_cpu_features()
    ours = {name for names in features._BITS.values() for name in names.values()}
    for name in ours & set(theirs):
        assert (name in host().features) == theirs[name], name
    assert len(ours & set(theirs)) > 40
    assert not ours - set(theirs) - {"fma4", "xop", "tbm", "sse4a"}


def test_the_system_says_the_same_where_it_has_to_be_asked(monkeypatch):
    assert features._from_system() == replace(host(), {"words": ()})
    monkeypatch.setattr(os, "memfd_create", lambda *_: (_ for _ in ()).throw(OSError("refused")))
    monkeypatch.setattr(features._machine, "processor", None)
    assert host() == features._from_system()


def test_levels_hold_each_other():
    levels = [set(LEVELS[name]) for name in ("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4")]
    assert levels[0] < levels[1] < levels[2] < levels[3]
    assert missing(("avx2", "no such"), Host("x86-64", "", 0, 0, 0, ("avx2",))) == ("no such",)


def test_every_part_of_the_processor_is_in_the_key(monkeypatch):
    real = host()
    keys = {key_of(SOURCE, CpuTarget())}
    for change in (
        {"vendor": "Other"},
        {"family": real.family + 1},
        {"model": real.model + 1},
        {"stepping": real.stepping + 1},
        {"features": real.features[1:]},
        {"words": (*real.words[:-1], real.words[-1] ^ 1)},
    ):
        other = replace(real, change)
        monkeypatch.setattr(target, "host", lambda other=other: other)
        keys.add(key_of(SOURCE, CpuTarget()))
    monkeypatch.setattr(target, "host", lambda: real)
    keys |= {key_of(SOURCE, CpuTarget(level)) for level in LEVELS}
    assert len(keys) == 7 + len(LEVELS)


def test_a_key_is_that_of_what_is_kept(tmp_path):
    key = key_of(SOURCE, CpuTarget())
    assert not (tmp_path / "generated").exists()
    artifact = fetch(emberkeep.Keep(tmp_path), CpuTarget(), SOURCE)
    assert artifact.key == f"{key.plan}-{key.build}"


def test_code_for_features_that_are_missing_is_compiled_for_this_machine(tmp_path, monkeypatch):
    keep = emberkeep.Keep(tmp_path)
    real = host()
    lesser = replace(
        real, {"features": tuple(name for name in real.features if name in LEVELS["x86-64-v2"])}
    )
    wanted = CpuTarget("x86-64-v3")
    artifact = fetch(keep, wanted, SOURCE)
    monkeypatch.setattr(target, "host", lambda: lesser)
    with pytest.raises(Unloadable, match="avx2"):
        wanted.load(artifact)
    with pytest.warns(StoreWarning, match="compiled for this machine instead"):
        kernel = obtain(keep, wanted, SOURCE)
    out = np.zeros(3)
    kernel(3, (np.ones(3), np.ones(3), 1.0, 0, out))
    assert out.tolist() == [1, 1, 1]


def test_fetching_what_was_built_elsewhere_loads_nothing(tmp_path, monkeypatch):
    """The first that this processor can run is told by its features and by what its code does."""
    good = fetch(emberkeep.Keep(tmp_path), CpuTarget("x86-64-v2"), SOURCE)
    layout = {**good.layout, "features": [*good.layout["features"], "of another processor"]}
    found = [
        Artifact("other", good.blobs, layout, hit=True, reason=""),
        Artifact("broken", {"shared object": b"\x7fELF"}, good.layout, hit=True, reason=""),
        Artifact("good", good.blobs, good.layout, hit=True, reason=""),
    ]
    monkeypatch.setattr(kernel_lookup, "_built_elsewhere", lambda *_: found)
    opened = []
    monkeypatch.setattr(load, "_open", lambda image, digest: opened.append(digest))
    monkeypatch.setattr(load._process, "objects", {})
    assert fetch(emberkeep.Keep(tmp_path), CpuTarget(), SOURCE).key == "good"
    assert opened == []


def test_code_that_never_loads_says_so(tmp_path, monkeypatch):
    def refuse(image):
        raise Unloadable("for a test")

    monkeypatch.setattr(target, "load_shared_object", refuse)
    with pytest.warns(StoreWarning), pytest.raises(TargetUnavailable, match="for a test"):
        obtain(emberkeep.Keep(tmp_path), CpuTarget(), SOURCE)


def test_without_numba_a_kept_kernel_runs_and_another_says_what_is_missing(tmp_path, monkeypatch):
    keep = emberkeep.Keep(tmp_path)
    fetch(keep, CpuTarget(), SOURCE)
    monkeypatch.setitem(sys.modules, "emberkeep.targets.cpu.lower", None)
    monkeypatch.delattr("emberkeep.targets.cpu.lower", raising=False)
    out = np.zeros(2)
    obtain(keep, CpuTarget(), SOURCE)(2, (np.ones(2), np.ones(2), 1.0, 0, out))
    assert out.tolist() == [1, 1]
    with pytest.raises(TargetUnavailable, match=r"emberkeep\[numba\]"):
        obtain(keep, CpuTarget(), TestHost().source(overwrite, "int64[::1]"))


PROGRAM = """
import sys, warnings
import numpy as np
import emberkeep
from emberkeep.errors import EmberkeepError
from emberkeep.targets.cpu.features import host
from emberkeep.targets.cpu.target import CpuTarget

def double(i, x):
    for k in range(64):
        x[i, k] = 2 * x[i, k] + 1

keep = emberkeep.Keep(sys.argv[1])
said = []
for level in ("host", "x86-64-v4", "x86-64-v3", "x86-64-v2"):
    kernel = emberkeep.kernel("float64[:, ::1]", cpu=level, threads=1, keep=keep)(double)
    if sys.argv[2] == "build":
        kernel.build()
        continue
    x = np.ones((3, 64))
    sys.modules["emberkeep.targets.cpu.lower"] = None  # there is no time for numba in an emulator
    warnings.simplefilter("ignore")
    try:
        kernel(x, count=3)
    except EmberkeepError as problem:
        said.append(f"{level} refused")
    else:
        said.append(f"{level} {'ran' if (x == 3).all() else 'WRONG'}")
print(", ".join(said), "avx2" in host().features, "avx512f" in host().features)
"""


@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="qemu-user is not installed")
@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        (
            "Nehalem",
            "host refused, x86-64-v4 refused, x86-64-v3 refused, x86-64-v2 ran False False",
        ),
        ("Haswell", "host refused, x86-64-v4 refused, x86-64-v3 ran, x86-64-v2 ran True False"),
    ],
)
def test_a_lesser_processor_runs_what_it_can_and_nothing_else(tmp_path, processor, expected):
    """Under an emulator: an instruction that is not there would end the process."""
    environ = {**os.environ, "NUMBA_DISABLE_JIT": "0"}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    subprocess.run([*command, "build"], check=True, env=environ)
    emulated = ["qemu-x86_64", "-cpu", processor, *command, "run"]
    ran = subprocess.run(
        emulated, capture_output=True, text=True, env=environ, check=False, timeout=240
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip() == expected
