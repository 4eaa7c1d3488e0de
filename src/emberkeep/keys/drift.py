"""What was really imported and loaded while something was built, against what its key said."""

from __future__ import annotations

import os
import sys

from emberkeep.keys.distributions import ABSENT, import_name
from emberkeep.keys.libraries import CUDA_ROLES, mapped_libraries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from emberkeep.keys.distributions import Location


def drift(
    said: Mapping[str, object], now: Mapping[str, object], locations: Mapping[str, Location | None]
) -> Iterator[str]:
    """One sentence per difference.

    Args:
        said: the toolchain's ingredients in the key.
        now: what they are after the build.
        locations: of packages, as the key said.
    """
    yield from _differences("", said, now)
    yield from _import_drift(said, locations)
    yield from _mapped_drift(said)


def _differences(path: str, said: Any, found: Any) -> Iterator[str]:
    if _is_branch(said) and _is_branch(found):
        for name in sorted({*said, *found}):
            inner = f"{path} → {name}" if path else name
            yield from _differences(inner, said.get(name, ABSENT), found.get(name, ABSENT))
    elif said != found:
        yield (
            f"{path}: the key said {said!r}, after the build it is {found!r}. Both must agree for "
            "a build to be kept: change the toolchain before a program starts, not while it builds."
        )


def _is_branch(value: object) -> bool:
    return isinstance(value, dict)


def _import_drift(
    ingredients: Mapping[str, Any], locations: Mapping[str, Location | None]
) -> Iterator[str]:
    packages: Mapping[str, Mapping[str, object]] = ingredients["packages"]
    for name, location in locations.items():
        module = sys.modules.get(import_name(name))
        if module is None:
            continue
        said = None if location is None else location.file
        found: str | None = getattr(module, "__file__", None)
        if not _same_file(said, found):
            yield (
                f"{name}: the key was made for {said or 'no file'}, but {found or 'no file'} was "
                "imported. Remove the other copy from sys.path, or import it before the key is "
                "made."
            )
        version: object = getattr(module, "__version__", None)
        keyed_version = packages[name]["version"]
        # Where the contents are keyed, no version is needed (and checkouts' ones are out of date).
        if "contents" in packages[name] or not isinstance(version, str):
            continue
        if _canonical(version) != _canonical(str(keyed_version)):
            yield (
                f"{name}: the key said version {keyed_version}, but what was imported calls "
                f"itself {version} ({found}). Install it again, so that its metadata and its "
                "code agree, and restart Python."
            )


def _same_file(said: str | None, found: str | None) -> bool:
    if said is None or found is None:
        return said is found
    return said == found or os.path.realpath(said) == os.path.realpath(found)


def _canonical(version: str) -> str:
    """A version as far as packages and their metadata spell it alike: 1.2.0 is 1.02."""
    for separator in "-_+":
        version = version.replace(separator, ".")
    parts = [part.lstrip("0") or "0" for part in version.lower().removeprefix("v").split(".")]
    while len(parts) > 1 and parts[-1] == "0":
        parts.pop()
    return ".".join(parts)


def _mapped_drift(ingredients: Mapping[str, Any]) -> Iterator[str]:
    """Libraries that were really loaded and that the key does not know."""
    cuda: Mapping[str, tuple[str, ...]] | None = ingredients.get("cuda")
    if cuda is not None:
        for library in mapped_libraries(CUDA_ROLES):
            if library.identity not in cuda[library.role]:
                yield (
                    f"cuda → {library.role}: {library.path} was loaded ({library.identity}), and "
                    f"the key knows only {', '.join(cuda[library.role]) or 'none'}. Set CUDA_HOME "
                    "to the toolkit that is used, so that it can be found beforehand."
                )
    numba: Mapping[str, object] | None = ingredients.get("numba")
    config = sys.modules.get("numba.core.config")
    if numba is not None and not numba["svml"] and getattr(config, "USING_SVML", False):
        yield (
            "numba → svml: the key said that there is no libsvml.so, but numba uses one. Put its "
            "folder on LD_LIBRARY_PATH, so that it can be found beforehand."
        )
