"""emberkeep's own kernels as a wheel carries them."""

import json
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import emberkeep
from emberkeep import Keep
from emberkeep.elimination.kernels.tape_writer import find_useful
from emberkeep.errors import StoreWarning
from emberkeep.keys.keyed import key_of
from emberkeep.phasetype.ahead import own_kernels
from emberkeep.targets import prebuilt
from emberkeep.targets.cpu import load
from emberkeep.targets.cpu.features import LEVELS, host, missing
from emberkeep.targets.cpu.target import CpuTarget
from emberkeep.targets.kernel_lookup import fetch_for_this_machine, obtain
from emberkeep.targets.prebuilt_writer import write_prebuilt

LEVEL = "x86-64-v2"

pytestmark = pytest.mark.skipif(
    bool(missing(LEVELS[LEVEL], host())) or host().architecture != "x86-64",
    reason="kernels come prebuilt for x86-64-v2 and above",
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """One small kernel, as the folder of a wheel has it."""
    folder = tmp_path_factory.mktemp("prebuilt")
    size = write_prebuilt(str(folder), LEVEL, [find_useful], Keep(tmp_path_factory.mktemp("keep")))
    assert size == sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".json")
    return folder


@pytest.fixture
def folder(written, tmp_path, monkeypatch):
    """A copy of it that a test may spoil, in the package's place."""
    for path in written.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(prebuilt, "FOLDER", str(tmp_path))
    monkeypatch.setattr(prebuilt, "_read_index", cache(prebuilt._read_index.__wrapped__))
    return tmp_path


def source(kernel=find_useful):
    return kernel._source(kernel._declared[0])


def came(level="host", request=None):
    request = request or source()
    return prebuilt.came_with_us(CpuTarget(level), request, key_of(request.ingredients).digest)


def test_a_kernel_is_taken_as_it_came_and_the_keep_is_not_asked(folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("empty")
    runnable = obtain(Keep(root), CpuTarget(), source())
    assert not [path for path in root.rglob("*") if path.is_file()]
    assert came().reason == f"came with emberkeep, for {LEVEL}"

    def run(call):
        rng = np.random.default_rng(5)
        slots = rng.integers(0, 20, (4, 30))
        there, wanted = rng.integers(0, 2, 20), rng.integers(0, 2, 20)
        useful = np.zeros(30, np.int64)
        call((slots, there, wanted, useful))
        return useful, there, wanted

    compiled = run(lambda arguments: runnable(1, arguments))
    plain = run(lambda arguments: find_useful.function(0, *arguments))
    assert compiled[0].any()
    for one, other in zip(compiled, plain, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_compiler_is_imported(folder):
    program = (
        "import sys\n"
        "sys.modules['numba'] = sys.modules['llvmlite'] = None\n"
        "from emberkeep.targets import prebuilt\n"
        f"prebuilt.FOLDER = {str(folder)!r}\n"
        "from emberkeep.elimination.kernels.tape_writer import find_useful as kernel\n"
        "from emberkeep.targets.cpu.target import CpuTarget\n"
        "kernel._obtain(kernel._declared[0], 'cpu', CpuTarget)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_fetching_it_loads_nothing(folder, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(load, "_open", lambda image, digest: opened.append(digest))
    monkeypatch.setattr(load._process, "objects", {})
    assert fetch_for_this_machine(Keep(tmp_path), CpuTarget(), source()).reason == came().reason
    assert opened == []


def test_changed_sources_are_not_what_was_compiled(folder, monkeypatch):
    assert came() is not None
    real = prebuilt.own_digests

    def edited(names):
        return {**real(names), "emberkeep.elimination": "sha256:other"}

    monkeypatch.setattr(prebuilt, "own_digests", edited)
    assert came() is None


@pytest.mark.parametrize("change", [{"fastmath": True}, {"max_registers": 32}])
def test_other_options_are_another_kernel(folder, change):
    from emberkeep.startup_records import replace

    assert came(request=replace(source(), {"options": change})) is None


def test_another_signature_is_another_kernel(folder):
    from emberkeep.startup_records import replace

    assert came(request=replace(source(), {"types": source().types[:-1]})) is None


def test_users_kernels_never_come_with_us(folder):
    from emberkeep.startup_records import replace

    assert came(request=replace(source(), {"own": ()})) is None


@pytest.mark.parametrize("level", ["x86-64", "x86-64-v3", "x86-64-v4"])
def test_a_level_that_was_asked_for_is_no_other(folder, level):
    assert came(level) is None
    assert came(LEVEL) is not None


def test_the_best_level_that_a_processor_has_is_taken(monkeypatch):
    monkeypatch.setattr(prebuilt, "_read_index", lambda level: {"level": level})

    def with_features(*names):
        from emberkeep.startup_records import replace

        found = replace(host(), {"features": tuple(sorted(names))})
        monkeypatch.setattr(prebuilt, "host", lambda: found)
        return prebuilt._levels(CpuTarget())

    assert with_features(*LEVELS["x86-64-v4"])[0] == "x86-64-v4"
    assert with_features(*set(LEVELS["x86-64-v4"]) - {"avx512cd"})[0] == "x86-64-v3"
    assert with_features(*set(LEVELS["x86-64-v3"]) - {"fma"}) == ("x86-64-v2",)
    assert with_features("sse3") == ()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[: len(content) // 2], "cannot be read"),
        (lambda content: zlib.compress(zlib.decompress(content) + b"\0"), "is damaged"),
    ],
)
def test_a_damaged_kernel_costs_a_warning_and_a_compile(folder, damage, words):
    (blob,) = [path for path in folder.iterdir() if path.suffix != ".json"]
    blob.write_bytes(damage(blob.read_bytes()))
    with pytest.warns(StoreWarning, match=words):
        assert came() is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1'])
def test_a_damaged_index_costs_a_warning(folder, text):
    (folder / f"{LEVEL}.json").write_text(text)
    with pytest.warns(StoreWarning, match="cannot be read"):
        assert came(LEVEL) is None


def test_an_index_of_another_format_is_left_alone(folder):
    path = folder / f"{LEVEL}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    assert came(LEVEL) is None


def test_what_cannot_be_loaded_is_compiled(folder, tmp_path_factory):
    """An index that lies about the machine code: it is judged as all other."""
    path = folder / f"{LEVEL}.json"
    index = json.loads(path.read_text())
    (entry,) = index["kernels"].values()
    image = zlib.decompress((folder / entry["digest"]).read_bytes())
    spoilt = image.replace(b"\x7fELF", b"\x7fELE")
    entry["digest"] = emberkeep.startup_records.sha256(spoilt).hexdigest()
    (folder / entry["digest"]).write_bytes(zlib.compress(spoilt))
    path.write_text(json.dumps(index))
    with pytest.warns(StoreWarning, match="cannot be loaded here and is compiled"):
        assert obtain(Keep(tmp_path_factory.mktemp("keep")), CpuTarget(LEVEL), source())


def test_the_same_sources_give_the_same_files(written, tmp_path, tmp_path_factory):
    write_prebuilt(str(tmp_path), LEVEL, [find_useful], Keep(tmp_path_factory.mktemp("other")))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in written.iterdir()
    }


def test_every_kernel_of_emberkeeps_own_is_carried():
    """Whatever is declared with `own=`, by the text of the files."""
    root = Path(emberkeep.__file__).parent
    declared = sum(path.read_text().count("own=OWN,\n") for path in root.glob("*/kernels/*.py"))
    names = [kernel.name for kernel in own_kernels()]
    lanes = 2  # evaluating declares two kernels, and makes each for one lane and for sixteen
    assert len(names) == len(set(names)) == declared + lanes
    assert all(kernel.own and kernel.signatures for kernel in own_kernels())
