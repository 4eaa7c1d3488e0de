"""What a build function may return, checked before anything is kept."""

from __future__ import annotations

from emberkeep.errors import InvalidBuild
from emberkeep.startup_records import final, frozen
from emberkeep.store.files import LONGEST_TEXT
from emberkeep.store.manifest import DEEPEST, MOST_BLOBS, measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from emberkeep.store.protocol import Layout

LAYOUT, SOURCE = "layout", "source"
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
        if not isinstance(role, str) or len(role) > LONGEST_TEXT:
            raise InvalidBuild(
                f"The build of {name} returned the role {role!r:.80}; roles are text of at most "
                f"{LONGEST_TEXT} characters."
            )
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
    if len(blobs) > MOST_BLOBS:
        raise InvalidBuild(
            f"The build of {name} returned {len(blobs)} contents; at most {MOST_BLOBS} are kept "
            "together. Join them."
        )
    return Built(blobs, layout, source)


def _through_json(layout: object, name: str) -> Layout:
    import json

    try:
        text = json.dumps(layout, allow_nan=False)
        value: Layout = json.loads(text)
        depth, _ = measured(value)
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
