"""What `doctor` says of versions."""

import re
import tomllib
from pathlib import Path

import pytest

from emberkeep.cli.health import OK, WARN, versions
from emberkeep.cli.health.versions import KNOWN, check_versions

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def told(monkeypatch, **installed):
    """State, detail and remedy of each package, were these installed."""

    class Found:
        def __init__(self, version):
            self.version = version

    def find(name):
        version = installed.get(name.replace("-", "_"))
        return None if version is None else Found(version)

    monkeypatch.setattr(versions, "find_distribution", find)
    return {check.name: check for check in check_versions()}


@pytest.mark.parametrize("version", ["0.62", "0.62.0", "0.65.1", "0.68.9", "0.68.0rc1", "0.68.1+x"])
def test_what_was_tried_is_fine(version, monkeypatch):
    assert told(monkeypatch, numba=version)["numba"].state == OK


@pytest.mark.parametrize(
    ("version", "words"),
    [("0.61.2", "older"), ("0.60", "older"), ("0.69.0", "newer"), ("1.0", "newer")],
)
def test_what_was_not_tried_is_named_with_what_follows(version, words, monkeypatch):
    check = told(monkeypatch, numba=version)["numba"]
    assert check.state == WARN
    assert words in check.detail
    assert version in check.detail
    assert "'numba>=0.62,<0.69'" in check.remedy


def test_jax_after_the_newest(monkeypatch):
    assert told(monkeypatch, jax="0.12.0.1")["jax"].state == OK
    assert "compiled in each process" in told(monkeypatch, jax="0.13.0")["jax"].remedy


def test_what_is_not_installed_is_optional(monkeypatch):
    assert {check.state for check in told(monkeypatch).values()} == {OK}


def test_the_oldest_are_the_bounds_that_pip_knows():
    wanted = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        wanted += extra
    bounds = dict(re.findall(r"^([\w-]+)(?:\[\w+\])?>=([\d.]+)", "\n".join(wanted), re.MULTILINE))
    for known in KNOWN:
        assert bounds[known.name] == ".".join(map(str, known.first))
        assert known.first <= known.last
