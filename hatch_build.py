"""The wheel carries emberkeep's own kernels compiled, for levels of x86-64 processors.

As hatchling's hook this decides whether it can, and what the wheel is called then. As a program it
compiles: in a process of its own, whose environment has no settings of numba's. What is compiled is
kept in the keep of whoever builds, so that the next wheel takes seconds.

BUILD_EMBERKEEP_KERNELS says what is wanted: 0, a wheel for every platform without any; 1, with them
or not at all; names of levels, the same with these alone; unset, with all where numba can be had.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

LEVELS = ("x86-64-v4", "x86-64-v3", "x86-64-v2")
SOURCE = Path(__file__).resolve().parent / "src"
# What installers know of is not older.
OLDEST_GLIBC = (2, 17)


def main(folder: str, *levels: str) -> None:
    """Compile for levels into a folder, several at a time."""
    workers = min(len(levels), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        sizes = pool.map(_write, levels, [folder] * len(levels))
        for level, size in zip(levels, sizes, strict=True):
            print(f"{level}: {size:,} bytes")


def _write(level: str, folder: str) -> int:
    from emberkeep import Keep
    from emberkeep.phasetype.ahead import own_kernels
    from emberkeep.targets.prebuilt_writer import write_prebuilt

    return write_prebuilt(folder, level, own_kernels(), Keep())


def can_compile() -> bool:
    """Whether kernels for these levels can be made on this machine."""
    glibc = platform.libc_ver()[0] == "glibc"
    return sys.platform == "linux" and platform.machine() == "x86_64" and glibc


def compile_into(folder: str) -> str:
    """Compile in another process; why it could not, or nothing."""
    if not can_compile():
        return "it is made for Linux on x86-64 alone"
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NUMBA_") and name != "EMBERKEEP_DISABLED"
    }
    levels = LEVELS if wanted() in ("", "1") else tuple(wanted().split(","))
    command = [sys.executable, __file__, folder, *levels]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return f"kernels cannot be compiled: {last[0]}"
    return ""


def glibc_needed(folder: str) -> tuple[int, int]:
    """The oldest C library that has all symbols which the kernels were linked to."""
    import zlib

    needed = OLDEST_GLIBC
    for path in Path(folder).iterdir():
        if path.suffix != ".json":
            image = zlib.decompress(path.read_bytes())
            for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", image):
                needed = max(needed, (int(major), int(minor)))
    return needed


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a program
    BuildHookInterface = None  # type: ignore[assignment, misc]

if BuildHookInterface is not None:

    class OwnKernels(BuildHookInterface):  # type: ignore[type-arg, misc]
        """Adds the kernels to a wheel; leaves an editable install to compile on demand."""

        PLUGIN_NAME = "custom"

        def dependencies(self) -> list[str]:
            """Compiling needs what running needs, and numba, where that is to be had."""
            if wanted() == "0" or not can_compile():
                return []
            (numba,) = self.metadata.core.optional_dependencies["numba"]
            # numba declares no upper bound that pip could take for "not here".
            newest = "" if wanted() else '; python_version < "3.15"'
            return [*self.metadata.core.dependencies, f"{numba}{newest}"]

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Compile, and name the wheel for where it runs."""
            if version == "editable" or wanted() == "0":
                return
            self._folder = tempfile.TemporaryDirectory(prefix="emberkeep-prebuilt-")
            problem = compile_into(self._folder.name)
            if problem and wanted():
                raise RuntimeError(f"BUILD_EMBERKEEP_KERNELS is {wanted()}, and {problem}")
            if problem:
                self.app.display_warning(
                    f"The wheel is made without emberkeep's own kernels: {problem}. They are "
                    "compiled when they are needed"
                )
                return
            build_data["force_include"][self._folder.name] = "emberkeep/prebuilt"
            major, minor = glibc_needed(self._folder.name)
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-manylinux_{major}_{minor}_x86_64"

        def finalize(self, version: str, build_data: dict[str, Any], artifact: str) -> None:  # noqa: ARG002
            """Remove what was compiled on the way."""
            folder = getattr(self, "_folder", None)
            if folder is not None:
                folder.cleanup()


def wanted() -> str:
    """What the environment asks for."""
    return os.environ.get("BUILD_EMBERKEEP_KERNELS", "")


if __name__ == "__main__":
    # Not by PYTHONPATH: pip takes from it what an editable install has put on the path, too.
    sys.path.insert(0, str(SOURCE))
    main(*sys.argv[1:])
