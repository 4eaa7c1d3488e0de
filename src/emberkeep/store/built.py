"""What a build function may return, checked before anything is kept."""

from __future__ import annotations

from emberkeep.errors import InvalidBuild
from emberkeep.light import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from emberkeep.store.protocol import Layout

LAYOUT, SOURCE = "layout", "source"
DEEPEST = 64  # levels of a layout: whoever reads it, in whatever depth, can recurse over it
CONTENTS = (bytes, bytearray, memoryview)


@final
@frozen
class Built:
    """Contents by role, the layout as JSON gives it back, and source text for people to read."""

    blobs: Mapping[str, bytes]
    layout: Layout
    source: str = ""


def read_build(returned: object, name: str) -> Built:
    """Check what a build function returned.

    The layout makes the round through JSON at once, so that a cold start and a warm one see the
    same value.

    Raises:
        InvalidBuild: names what is wrong with which role.
    """
    items: Any = getattr(returned, "items", None)
    if items is None:
        raise InvalidBuild(
            f"The build of {name} returned a {type(returned).__qualname__}. Return a mapping from "
            "role to bytes, such as {'cubin': b'…', 'layout': {…}}."
        )
    blobs: dict[str, bytes] = {}
    layout: Layout = None
    source = ""
    pairs: Iterable[tuple[object, Any]] = items()
    for role, content in pairs:
        if not isinstance(role, str):
            raise InvalidBuild(f"The build of {name} returned the role {role!r}; roles are text.")
        if role == LAYOUT:
            layout = _through_json(content, name)
        elif role == SOURCE and isinstance(content, str):
            source = content
        elif type(content) in CONTENTS:
            blobs[role] = bytes(content)
        else:
            raise InvalidBuild(
                f"The build of {name} returned a {type(content).__qualname__} for {role!r}. "
                "Contents are bytes; what JSON can hold belongs under 'layout'."
            )
    return Built(blobs, layout, source)


def _through_json(layout: object, name: str) -> Layout:
    import json

    try:
        text = json.dumps(layout, allow_nan=False)
        value: Layout = json.loads(text)
        depth = _depth(value)
    except (TypeError, ValueError, RecursionError) as problem:
        raise InvalidBuild(
            f"The layout that the build of {name} returned is not JSON: {problem}. Use text, "
            "numbers, lists and dictionaries; NaN and infinity as text."
        ) from problem
    if depth > DEEPEST:
        raise InvalidBuild(
            f"The layout that the build of {name} returned is nested {depth} levels deep; at most "
            f"{DEEPEST} are kept. Flatten it, or keep it as bytes."
        )
    return value


def _depth(value: Layout) -> int:
    if value.__class__ is dict:
        return 1 + max((_depth(item) for item in value.values()), default=0)
    if value.__class__ is list:
        return 1 + max((_depth(item) for item in value), default=0)
    return 0
