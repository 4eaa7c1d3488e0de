"""Hypothesis strategies: layouts, keys and whole artifacts, hostile names among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from emberkeep.testing.samples import kept, unsealed
from emberkeep.testing.samples import key as make_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.store.protocol import Kept, Key, Layout

# Names that a file system could mistake for something else, or for each other.
HOSTILE_NAMES = (
    "",
    " ",
    ".",
    "..",
    "...",
    "../../x",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\0b",
    "a_b",
    "a\nb",
    "C:",
    "CON",
    "con",
    "NUL.txt",
    "COM1",
    ".hidden",
    "trailing.",
    "trailing..",
    "trailing ",
    "trailing",
    " leading",
    "lorenz",
    "Lorenz",
    "LORENZ",
    "blobs",
    "Blobs",
    "format",
    "quarantine",
    "-rf",
    "~",
    "$HOME",
    "%2e%2e",
    "a*?b",
    "name.json",
    "x" * 64,
    "x" * 65,
    "x" * 300,
    "x" * 299 + "y",
    "\N{SNOWMAN}",
    "\N{FIRE}\N{FIRE}",
    "\u00e9",  # é, in one character
    "e\u0301",  # é, in two: some file systems make them one
    "\u202eright to left",
    "\ud800",
)


def layouts() -> st.SearchStrategy[Layout]:
    """Anything that JSON can hold, as JSON gives it back."""
    numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    leaves = st.none() | st.booleans() | numbers | st.text(max_size=20)
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
        ),
        max_leaves=12,
    )


def names() -> st.SearchStrategy[str]:
    """Names of kinds and systems: everyday, hostile and arbitrary ones."""
    return st.sampled_from(("lorenz", "tables", *HOSTILE_NAMES)) | st.text(max_size=80)


def keys() -> st.SearchStrategy[Key]:
    """Keys, often alike in all but one field."""
    texts = st.sampled_from(("a", "b", "c"))
    return st.builds(make_key, kind=names(), name=names(), plan=texts, build=texts)


def artifacts(
    *,
    kinds: st.SearchStrategy[str] | None = None,
    seal: Callable[[str], str] = unsealed,
) -> st.SearchStrategy[Kept]:
    """Whole artifacts: keys that meet again, any layout, some blobs, several of them alike.

    Args:
        kinds: names for the two folders of the key; everyday and hostile ones by default.
        seal: seals the digest of a document, as the store under test expects it.
    """
    folders = names() if kinds is None else kinds
    texts = st.sampled_from(("a", "b"))
    contents = st.sampled_from((b"", b"shared", b"\0" * 1000)) | st.binary(max_size=200)
    return st.builds(
        kept,
        kind=folders,
        name=folders,
        plan=texts,
        build=texts,
        blobs=st.dictionaries(st.text(max_size=12), contents, max_size=4),
        layout=layouts(),
        seal=st.just(seal),
    )
