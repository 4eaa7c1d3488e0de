"""Results on disk, computed by a GPU: the same numbers as in memory, in parts and chunks."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.ode.running import cuda as running
from emberkeep.ode.stored import layout, writer

pytestmark = pytest.mark.gpu
xr = pytest.importorskip("xarray")
pytest.importorskip("zarr")

LORENZ = ode.System(
    "dx = sigma*(y - x); dy = x*(rho - z) - y; dz = x*y - beta*z",
    states={"x": 1.0, "y": 1.0, "z": 1.0},
    parameters={"sigma": 10.0, "rho": 28.0},
    constants={"beta": 8 / 3},
    name="lorenz",
)
SOLVES = {
    "verbatim": {"parameters": {"rho": np.linspace(20, 28, 10_001)}},
    "grid": {
        "parameters": {"rho": np.linspace(20, 28, 101), "sigma": np.linspace(9, 11, 53)},
        "grid": "combinations",
    },
    "spans of their own": {
        "t_span": (np.zeros(5000), np.linspace(0.5, 1, 5000)),
        "save_at": np.linspace(0.1, 0.5, 5000)[:, None],
    },
}


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "by way of stages"])
@pytest.mark.parametrize("name", SOLVES)
def test_what_is_on_disk_is_what_would_be_in_memory(name, pinned, keep, monkeypatch, tmp_path):
    given = {"t_span": (0, 1), "save_at": 0.25, **SOLVES[name], "outputs": ["states", "mean"]}
    solver = ode.Solver(LORENZ, target="cuda", keep=keep)
    expected = solver.solve(**given).to_xarray()
    monkeypatch.setattr(running, "LEAST_CHUNK", 1 << 8)
    monkeypatch.setattr(running, "MOST_PINNED_BYTES", 1 << 40 if pinned else 0)
    monkeypatch.setattr(writer, "PART_BYTES", 1 << 16)
    monkeypatch.setattr(layout, "CHUNK_BYTES", 1 << 12)
    path = tmp_path / "runs.zarr"
    found = ode.Solver(LORENZ, target="cuda", keep=keep).solve(**given, into=path).to_xarray()
    extra = {"t_start", "t_end"} & set(found.coords)
    xr.testing.assert_identical(found.drop_vars(extra).drop_attrs(), expected.drop_attrs())


ENDLESS = """
import sys
import numpy as np
from emberkeep import Keep, ode
system = ode.System("dx = -k*x + m", {"x": 1.0}, {"k": 1.0, "m": 0.0}, name="decay")
solver = ode.Solver(system, target="cuda", keep=Keep(sys.argv[1]))
solver.solve((0, 1), save_at=0.1)
print("ready", flush=True)
grid = {"parameters": {"k": np.linspace(0, 1, 20_000), "m": np.arange(2e4)}, "grid": "combinations"}
try:
    solver.solve((0, 1), save_at=0.1, **grid, into=sys.argv[2])
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(len(solver.solve((0, 1))), flush=True)
"""


def test_ctrl_c_ends_it_and_the_device_works_on(tmp_path):
    command = [sys.executable, "-c", ENDLESS, tmp_path / "keep", tmp_path / "x"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        while not (tmp_path / "x" / "status" / "c").exists():
            time.sleep(0.05)
            assert process.poll() is None
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - sent < 1
        assert process.stdout.readline() == "1\n"
    there = ode.open_result(tmp_path / "x", incomplete=True)
    assert 0 < np.count_nonzero(there.status == 0) < len(there)
