"""What every test has: a home of its own, and no settings of the person who runs it."""

import os
import sys

import pytest

NVIDIA = ("/dev/nvidiactl", "/dev/dxg")  # Linux, and Windows' subsystem for it


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """A fresh home; nothing reads or writes the real one, subprocesses included."""
    folder = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith("EMBERKEEP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(folder / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


def pytest_collection_modifyitems(items):
    if any(os.path.exists(device) for device in NVIDIA):
        return
    without = pytest.mark.skip(reason="there is no NVIDIA GPU here")
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(without)


@pytest.fixture
def report(request, record_property):
    """Say what was injected how often: in the output, and as properties of the test."""

    def tell(**counts):
        for name, count in counts.items():
            record_property(name, count)
        told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        # Not stdout: the workers of pytest-xdist have none.
        sys.stderr.write(f"\n{request.node.name}: {told}\n")

    return tell
