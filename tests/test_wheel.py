"""How the wheel is made, as far as it can be told without making one (`make wheel-test` does)."""

import importlib.util
import zlib
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[1] / "hatch_build.py"


@pytest.fixture
def hook():
    spec = importlib.util.spec_from_file_location("hatch_build", HOOK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_wheel_is_named_for_the_oldest_c_library_that_has_all_symbols(hook, tmp_path):
    assert hook.glibc_needed(str(tmp_path)) == (2, 17)
    for number, text in enumerate((b"\0GLIBC_2.2.5\0", b"\0GLIBC_2.29\0GLIBC_2.4\0")):
        (tmp_path / f"blob{number}").write_bytes(zlib.compress(text))
    (tmp_path / "x86-64-v3.json").write_text('{"digest": "\\u0000GLIBC_2.99"}')
    assert hook.glibc_needed(str(tmp_path)) == (2, 29)


def test_other_platforms_get_a_wheel_without(hook, monkeypatch, tmp_path):
    monkeypatch.setattr(hook.platform, "machine", lambda: "aarch64")
    assert "x86-64" in hook.compile_into(str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_what_fails_is_told_in_its_own_words(hook, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(hook, "can_compile", lambda: True)
    monkeypatch.setenv("BUILD_EMBERKEEP_KERNELS", "x86-64-v9")
    assert "x86-64-v9" in hook.compile_into(str(tmp_path))
    assert "Traceback" in capfd.readouterr().err


def test_levels_are_those_that_are_looked_for(hook):
    from emberkeep.targets.prebuilt import BEST_FIRST

    assert hook.LEVELS == BEST_FIRST
