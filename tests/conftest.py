"""What every test has: a home of its own, and no settings of the person who runs it.

Tests of what is computed take what they compile from the test keep, which outlives the run: the
product, used on itself; exact keys make it safe. Tests of how things are compiled and kept have
fresh keeps.
"""

import logging
import os
import shutil
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
NVIDIA = ("/dev/nvidiactl", "/dev/dxg")  # Linux, and Windows' subsystem for it
# Paths of tests that are about what is computed; one below them that is not is marked `cold`.
COMPUTING = ("elimination/", "ode/", "phasetype/", "xla/test_handlers.py")
TEST_KEEP = "EMBERKEEP_TEST_KEEP"
TEST_KEEP_SIZE = "2GB"
WORTH_KEEPING_S = 0.05  # of JAX's programs: it compiles thousands that are smaller


class Hushed(logging.Handler):
    """What was only logged: a warning that is an error to the test, and came after a build."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


def pytest_configure():
    """A machine that is busy is slow with some examples: that is no fault of theirs."""
    from hypothesis import HealthCheck, settings

    settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy")


@pytest.fixture(autouse=True)
def hushed():
    """Its texts; a test that expects some clears them."""
    handler, logger = Hushed(), logging.getLogger("emberkeep.keep")
    logger.addHandler(handler)
    yield handler.texts
    logger.removeHandler(handler)
    assert not handler.texts


def pytest_addoption(parser):
    # It stays in the environment for workers; `home` takes it out, as emberkeep would refuse it.
    place = os.environ.get(TEST_KEEP, str(TESTS.parent / ".test-keep"))
    told = f"where compiled kernels outlive the run; empty: nowhere (${TEST_KEEP}, or .test-keep)"
    parser.addoption("--test-keep", default=place, metavar="FOLDER", help=told)


class Lasting:
    """The test keep, and the key of its seals beside it: no person's own keys are ever used.

    Attributes:
        keep: opened once for all tests of this process.
    """

    def __init__(self, folder):
        self.root, self._config = folder / "keep", folder / "config"
        self.keep = self.open()

    def open(self):
        """Opened anew, as another process would."""
        from emberkeep import Keep

        with pytest.MonkeyPatch.context() as patch:
            self._set(patch, self._config)
            opened = Keep()
            opened.get_or_build("probe", "probe", {}, lambda: {"x": b""})  # reads the key of seals
        return opened

    def lend(self, home, patch):
        """Make it the keep of a test and of the processes that the test starts.

        Settings, signing keys and trust stay the test's own; of the key of seals it has a copy.
        """

        config = home / "config"
        config.mkdir(mode=0o700)
        shutil.copy2(self._config / "seal.key", config)
        self._set(patch, config)
        from emberkeep.keep.default import DefaultKeep

        patch.setattr("emberkeep.keep.default.process", DefaultKeep(self.keep))

    def _set(self, patch, config):
        forget_settings(patch)
        patch.setenv("EMBERKEEP_DIR", str(self.root))
        patch.setenv("EMBERKEEP_CONFIG_DIR", str(config))
        patch.setenv("EMBERKEEP_MAX_SIZE", TEST_KEEP_SIZE)


def forget_settings(patch):
    for name in [name for name in os.environ if name.startswith("EMBERKEEP_")]:
        patch.delenv(name)


@pytest.fixture(scope="session")
def test_keep(pytestconfig, tmp_path_factory):
    """The keep that outlives the run, or that all workers of this run share."""
    place = pytestconfig.getoption("--test-keep")
    if place:
        return Lasting(Path(place).absolute())
    base = tmp_path_factory.getbasetemp()
    return Lasting((base.parent if hasattr(pytestconfig, "workerinput") else base) / "test-keep")


@pytest.fixture(scope="module")
def lasting_programs(test_keep):
    """What JAX compiles outlives the run, too, by way of its own cache on the keep."""
    from emberkeep.xla import jax_cache

    jax_cache.enable(test_keep.keep, min_compile_time_s=WORTH_KEEPING_S)
    yield
    jax_cache.disable()


@pytest.fixture(autouse=True)
def home(request, tmp_path_factory, monkeypatch):
    """A fresh home; nothing reads or writes the real one, subprocesses included."""
    folder = tmp_path_factory.mktemp("home")
    forget_settings(monkeypatch)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(folder / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    if _is_about_computing(request.node):
        request.getfixturevalue("test_keep").lend(folder, monkeypatch)
    return folder


def _is_about_computing(item):
    path = item.path.relative_to(TESTS).as_posix()
    return path.startswith(COMPUTING) and "cold" not in item.keywords


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
