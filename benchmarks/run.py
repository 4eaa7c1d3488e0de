"""Run every benchmark, each in a process of its own; fails where a target is missed."""

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "starting",
    "getting",
    "keying",
    "housekeeping",
    "scale",
    "sharing",
    "kernels",
    "ode",
    "ode_events",
    "ode_stored",
    "ode_sensitivities",
    "work_precision",
    "stiff",
    "stiff_large",
    "phasetype",
    "epochs",
    "models",
    "inference",
    "xla",
)

if __name__ == "__main__":
    environ = dict(os.environ)
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # imports are timed as users have them
    missed = []
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"\n{name}", flush=True)
        script = Path(__file__).with_name(f"{name}.py")
        if subprocess.run([sys.executable, script], check=False, env=environ).returncode:
            missed.append(name)
    print(f"\nmissed: {', '.join(missed)}" if missed else "\nall targets reached")
    raise SystemExit(bool(missed))
