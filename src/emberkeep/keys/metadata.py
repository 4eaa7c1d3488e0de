# pathlib costs an import of 3 ms on the way to a kept artifact:
"""What a distribution's metadata says: names, versions, records, marks of editable installs."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SITE_FOLDERS = ("site-packages", "dist-packages")


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    name = name.lower().replace("_", "-").replace(".", "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name


def name_and_version(entry: str) -> tuple[str, str]:
    """From ``name-1.0.dist-info`` or ``name-1.0-py3.11.egg-info``; the version may be missing."""
    stem, _, suffix = entry.rpartition(".")
    if suffix == "dist-info":
        # Old tools left dashes in names; versions have never had any.
        name, _, version = stem.rpartition("-")
        return (name, version) if name else (version, "")
    name, _, rest = stem.partition("-")
    return name, rest.partition("-")[0]


def version_within(metadata: str) -> str:
    """The version from the metadata's text, for folders whose name has none."""
    for path in (os.path.join(metadata, "METADATA"), os.path.join(metadata, "PKG-INFO"), metadata):
        for line in _content(path).split(b"\n"):
            if line.lower().startswith(b"version:"):
                return line.partition(b":")[2].strip().decode("utf-8", "replace")
    return "unknown"


def is_editable(name: str, metadata: str, marks: Iterable[str]) -> bool:
    """Whether a distribution's code lies in somebody's checkout."""
    # PEP 610, told from its bytes: json is one import less on the way to a kept artifact.
    origin = b"".join(_content(os.path.join(metadata, "direct_url.json")).split())
    if b'"editable":true' in origin:
        return True
    folder = os.path.dirname(metadata)
    if metadata.endswith(".egg-info") and os.path.basename(folder) not in SITE_FOLDERS:
        # `setup.py develop` leaves its metadata in the checkout, and the checkout on sys.path.
        return os.path.isdir(metadata)
    return any(_mark_names(mark, name) for mark in marks)


def _mark_names(mark: str, name: str) -> bool:
    """Whether ``__editable__.foo-1.0.pth``, ``__editable___foo_1_0_finder.py`` is about foo."""
    about = normalised(mark.removeprefix("__editable__").removeprefix("_editable_impl_"))
    about = about.strip("-.")
    rest = about.removeprefix(name)
    return rest != about and (rest in ("-pth", "-finder-py") or rest[1:2].isdigit())


def read_record(metadata: str) -> bytes:
    """The list of a distribution's files, each after a newline; empty where there is none."""
    record = _content(os.path.join(metadata, "RECORD"))
    if record:
        return b"\n" + record.replace(b"\r\n", b"\n") + b"\n"
    # setuptools before wheels: names relative to the metadata's folder, without checksums.
    lines = _content(os.path.join(metadata, "installed-files.txt")).split(b"\n")
    names = (line.strip() for line in lines)
    return b"\n" + b"".join(name[3:] + b",,\n" for name in names if name.startswith(b"../"))


def record_form(digest: str) -> bytes:
    """A hexadecimal digest as PEP 376 writes it: URL-safe base64 without padding."""
    import binascii

    encoded = binascii.b2a_base64(bytes.fromhex(digest), newline=False)
    return encoded.rstrip(b"=").replace(b"+", b"-").replace(b"/", b"_")


def _content(path: str) -> bytes:
    """A file's bytes; none where there is no such file."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""
