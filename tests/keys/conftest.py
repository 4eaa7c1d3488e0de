"""Models written as text: two of them that differ in one thing are easy to compare."""

from __future__ import annotations

import sys
import textwrap
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from emberkeep.keys import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable


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
