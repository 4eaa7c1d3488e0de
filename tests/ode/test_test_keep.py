"""The test keep: what one process has compiled outlives it, and homes stay the tests' own."""

import os
import subprocess
import sys

from emberkeep import Keep, ode

PROGRAM = """
from emberkeep import Keep, ode
system = ode.System("dx = -k*x", {"x": 1.0}, {"k": 1.0}, name="decay")
print(ode.Solver(system, target="cpu", method="rk4", keep=Keep()).build().hit)
"""


def test_another_process_finds_what_this_one_has_compiled(keep, decay):
    ode.Solver(decay, target="cpu", method="rk4", keep=keep).build()
    command = [sys.executable, "-c", PROGRAM]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "True\n"


def test_settings_and_keys_are_those_of_the_test(keep, home):
    assert os.environ["EMBERKEEP_CONFIG_DIR"] == str(home / "config") == Keep().settings.config_dir
    assert os.listdir(home / "config") == ["seal.key"]
    assert Keep().settings.root == keep.settings.root
    assert not keep.settings.root.startswith(str(home))
    assert keep.settings.config_dir != str(home / "config")
