"""From a relocatable object to a shared object, with the system's linker where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from emberkeep.errors import InvalidKernel

LINK_TIMEOUT_S = 60.0


def find_linker() -> str | None:
    """The path of ``ld``, or None where there is none."""
    return shutil.which("ld")


# The C library's parts, by the names they have at run time: development files are not needed.
_LIBRARIES = ("-l:libmvec.so.1", "-l:libm.so.6", "-l:libc.so.6")


def link(image: bytes, linker: str) -> bytes:
    """Link one object to a shared object.

    Raises:
        InvalidKernel: the linker refused it; quotes what it said.
    """
    with tempfile.TemporaryDirectory(prefix="emberkeep-link-") as folder:
        source, result = os.path.join(folder, "kernel.o"), os.path.join(folder, "kernel.so")
        with open(source, "wb") as file:
            file.write(image)
        command = [
            linker,
            "-shared",
            "--no-undefined",
            "--as-needed",
            "--build-id=none",  # the same kernel gives the same bytes
            "-z",
            "noexecstack",
            "-z",
            "now",
            "--strip-all",
            "--hash-style=gnu",
            "-o",
            result,
            source,
            *_LIBRARIES,
        ]
        done = subprocess.run(  # noqa: S603 - the linker found on the path, keyed by its identity
            command, capture_output=True, text=True, check=False, timeout=LINK_TIMEOUT_S
        )
        if done.returncode:
            raise InvalidKernel(f"{linker} could not link the kernel: {done.stderr.strip()}")
        with open(result, "rb") as file:
            return file.read()
