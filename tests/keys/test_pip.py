"""As users have it: wheels that pip installs, into an environment of its own."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path
from typing import Any

PROGRAM = """
import alib
def f(x):
    return alib.f(x)
from emberkeep import fingerprint
print(alib.f(1.0), fingerprint(f).digest)
"""
ALIB = {"alib/__init__.py": "import blib\ndef f(x, name='g'):\n    return getattr(blib, name)(x)\n"}


def blib(factor: float) -> dict[str, str]:
    return {"blib/__init__.py": f"def g(x):\n    return {factor} * x\n"}


def test_what_pip_installs_is_told_apart(tmp_path: Path, make_wheel: Any) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    source = Path(__file__).parents[2] / "src"

    def install(name: str, version: str, files: dict[str, str], **options: Any) -> None:
        file = tmp_path / f"{name}-{version}-py3-none-any.whl"
        file.write_bytes(make_wheel(name, version, files, **options))
        command = [python, "-m", "pip", "install", "--no-index", "--no-deps", "--force-reinstall"]
        subprocess.run([*command, "-q", file], check=True, capture_output=True)

    def run() -> tuple[float, str]:
        environ = {**os.environ, "PYTHONPATH": str(source)}
        done = subprocess.run(
            [python, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        value, digest = done.stdout.split()
        return float(value), digest

    install("blib", "1.0", blib(1.0))
    install("alib", "1.0", ALIB, requires=["blib"])
    first = run()
    assert run() == first
    install("blib", "2.0", blib(2.0))
    second = run()
    install("blib", "2.0", blib(3.0))  # the same version, built from another source
    third = run()
    assert [value for value, _ in (first, second, third)] == [1.0, 2.0, 3.0]
    assert len({digest for _, digest in (first, second, third)}) == 3
    install("blib", "1.0", blib(1.0))
    assert run() == first, "what is installed as it was has the key that it had"
