"""Models written as text: two of them that differ in one thing are easy to compare."""

from __future__ import annotations

import textwrap
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from emberkeep.keys import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable


def run_text(text: str) -> SimpleNamespace:
    """Run a module's text, as an import would, without a file."""
    space: dict[str, object] = {"__name__": "model"}
    exec(compile(textwrap.dedent(text), "model.py", "exec"), space)
    return SimpleNamespace(**space, space=space)


@pytest.fixture
def load() -> Callable[[str], SimpleNamespace]:
    """A module from its text; ``space`` is its global names, as its functions see them."""
    return run_text


@pytest.fixture
def digest() -> Callable[[object], str]:
    """The digest of one value."""
    return lambda value: fingerprint(value).digest


@pytest.fixture
def digest_of_f() -> Callable[[str], str]:
    """The digest of what a module's text calls ``f``."""
    return lambda text: fingerprint(run_text(text).f).digest
