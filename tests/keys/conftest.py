"""Models written as text: two of them that differ in one thing are easy to compare."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from emberkeep.keys import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def run_text(text: str) -> SimpleNamespace:
    """Run a module's text, as an import would, without a file."""
    module = ModuleType("model")
    sys.modules["model"] = module  # dataclasses look it up
    exec(compile(textwrap.dedent(text), "model.py", "exec"), vars(module))
    return SimpleNamespace(**vars(module), space=vars(module))


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], SimpleNamespace]:
    """A module from its text; ``space`` is its global names, as its functions see them."""
    monkeypatch.setitem(sys.modules, "model", ModuleType("model"))
    return run_text


@pytest.fixture
def digest() -> Callable[[object], str]:
    """The digest of one value."""
    return lambda value: fingerprint(value).digest


@pytest.fixture
def digest_of_f(load: Callable[[str], SimpleNamespace]) -> Callable[[str], str]:
    """The digest of what a module's text calls ``f``."""
    return lambda text: fingerprint(load(text).f).digest


@pytest.fixture(autouse=True)
def no_compiler_is_loaded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Toolchain tests put packages of their own in numba's place: none may be loaded already."""
    if request.path.name == "test_toolchain.py":
        for name in list(sys.modules):
            if name.partition(".")[0] in {"numba", "llvmlite"}:
                monkeypatch.delitem(sys.modules, name)


# Tiny distributions, as wheels made by hand ------------------------------------------------------

SOURCE = Path(__file__).parents[2] / "src"


def wheel(
    name: str,
    version: str,
    files: Mapping[str, str],
    *,
    requires: Sequence[str] = (),
    entry_points: str = "",
    checksums: bool = True,
) -> bytes:
    """A wheel's bytes, with a record of its files."""
    about = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
    contents = {file: textwrap.dedent(text) for file, text in files.items()}
    contents[f"{about}/METADATA"] = metadata
    contents[f"{about}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    if entry_points:
        contents[f"{about}/entry_points.txt"] = entry_points
    lines = [_line(file, text.encode(), checksums=checksums) for file, text in contents.items()]
    contents[f"{about}/RECORD"] = "\n".join([*lines, f"{about}/RECORD,,"]) + "\n"
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for file, text in contents.items():
            archive.writestr(file, text)
    return written.getvalue()


def _line(file: str, content: bytes, *, checksums: bool) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"{file},sha256={digest},{len(content)}" if checksums else f"{file},,"


class Site:
    """A folder of libraries, and processes that have it on their path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def install(self, name: str, version: str, files: Mapping[str, str], **options: Any) -> None:
        """Unpack a wheel, in place of what the same distribution had there."""
        for old in self.folder.glob(f"{name}-*.dist-info"):
            shutil.rmtree(old)
        with zipfile.ZipFile(io.BytesIO(wheel(name, version, files, **options))) as archive:
            archive.extractall(self.folder)
        for cache in self.folder.rglob("__pycache__"):
            shutil.rmtree(cache)  # its names are by the second, and tests are quicker

    def run(self, program: str) -> str:
        """What a program prints that finds these libraries."""
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            # Without bytecode: Python would run the old one of a file whose size and time are kept.
            env={
                **os.environ,
                "PYTHONPATH": f"{self.folder}{os.pathsep}{SOURCE}",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A folder of libraries, as tests fill it."""
    return Site(tmp_path / "site-packages")


@pytest.fixture
def make_wheel() -> Callable[..., bytes]:
    """A wheel's bytes from its files."""
    return wheel
