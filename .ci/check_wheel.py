"""The wheel as users have it: built, installed into clean environments, run outside the checkout.

Each environment is a Python, and what is installed beside the wheel:

    bare     the wheel alone, and no compiler: what it carries has to do; then LLVM for the ODE
             engine beside it, and JAX
    newest   all extras as pip chooses them; here the pages run, too, as printed
    oldest   all extras at the oldest versions that pyproject.toml allows

What is compiled is kept in a folder that outlives the run, under exact keys: EMBERKEEP_TEST_KEEP,
or the user's cache; an empty name is for a cold run. Usage: check_wheel.py [bare|newest|oldest …]
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README", *sorted(path.stem for path in (ROOT / "docs").glob("*.md")))
ENGINES_WITHOUT_JAX = ("keep", "cli", "kernel", "numba", "ode", "phasetype")
ENGINES = (*ENGINES_WITHOUT_JAX, "xla", "inference")
OF_THE_KEEP = ("keep", "cli")
WITHOUT_COMPILER = ("keep", "cli", "phasetype")
# Of those that emberkeep does not name itself, what the oldest of the others need.
OLD_BESIDE = ("scipy<1.16",)
OLD_JAX = ("numpy==2.0", "scipy<1.16")


def main() -> int:
    """Build the wheel, and try it in the environments that are named; how many failed."""
    names = sys.argv[1:] or ["bare", "newest", "oldest"]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = os.environ.get("EMBERKEEP_TEST_KEEP", str(cache / "emberkeep-tests"))
    pythons = find_pythons()
    print("Pythons:", ", ".join(f"{'.'.join(map(str, known))}" for known in pythons))
    failed = 0
    with tempfile.TemporaryDirectory(prefix="emberkeep-wheel-") as folder:
        place = Place(Path(folder), Path(kept or folder, "wheel-test"))
        for name in ("build", *names):
            try:
                TRIALS[name](place, pythons)
                verdict = "passed"
            except subprocess.CalledProcessError as problem:
                failed += 1
                print((problem.stdout or "")[-4000:])
                verdict = f"FAILED: {' '.join(map(str, problem.cmd))}"
            print(f"{name}: {verdict}, {place.seconds()}", flush=True)
            if failed and name == "build":
                break
    return failed


class Place:
    """Folders outside the checkout, with a home of their own."""

    def __init__(self, folder: Path, kept: Path) -> None:
        self.folder, self.kept = folder, kept
        self._began = time.monotonic()
        self._number = 0
        self.wheel = folder

    def seconds(self) -> str:
        """Since this was last asked."""
        began, self._began = self._began, time.monotonic()
        return f"{self._began - began:.0f} s"

    def run(self, *command: object, keep: Path | None = None, **more: str) -> str:
        """Run a command in a home of its own, without settings of the person who runs it."""
        home = self.folder / f"home{self._number}"
        self._number += 1
        work = home / "work"
        work.mkdir(parents=True)
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EMBERKEEP_", "NUMBA_", "JAX_", "PYTHON"))
            and name not in ("XDG_CONFIG_HOME", "VIRTUAL_ENV")
        }
        cache = os.environ.get("PIP_CACHE_DIR") or Path.home() / ".cache" / "pip"
        environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), **more}
        environment |= {"PIP_CACHE_DIR": str(cache), "MPLBACKEND": "agg", "PIP_NO_INPUT": "1"}
        if keep is not None:
            # One user's: what is kept has to be sealed by the key that reads it again.
            environment |= {"EMBERKEEP_DIR": str(keep), "EMBERKEEP_CONFIG_DIR": f"{keep}.config"}
        done = subprocess.run(
            list(map(str, command)),
            cwd=work,
            env=environment,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.stdout

    def build(self) -> None:
        """The wheel, with emberkeep's own kernels for the processors of most machines."""
        self.run(
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--wheel-dir", self.folder / "wheel", ROOT),
            keep=self.kept / "wheel",
            BUILD_EMBERKEEP_KERNELS="x86-64-v3" if platform.machine() == "x86_64" else "0",
        )
        (self.wheel,) = (self.folder / "wheel").iterdir()
        print(f"{self.wheel.name}: {self.wheel.stat().st_size:,} bytes", flush=True)

    def environment(self, name: str, python: Path, *requirements: str) -> Path:
        """The Python of a new environment in which this is installed."""
        folder = self.folder / name
        self.run(python, "-m", "venv", "--without-pip", folder)
        inner = folder / "bin" / "python"
        self.install(inner, *requirements)
        return inner

    def install(self, python: Path, *requirements: str) -> None:
        """Install by the pip that runs this: one for each environment costs seconds."""
        pip = (sys.executable, "-m", "pip", "--python", python)
        self.run(*pip, "install", "--quiet", "--no-compile", *requirements)

    def smoke(self, python: Path, *engines: str, keep: Path | None = None) -> None:
        """Run engines, each in a process of its own, with warnings as errors of ours."""
        script = self.folder / "wheel_smoke.py"
        shutil.copy(ROOT / ".ci" / "wheel_smoke.py", script)
        for engine in engines:
            # What tries the keep itself has one of its own, new each time.
            told = self.run(python, script, engine, keep=None if engine in OF_THE_KEEP else keep)
            print("  ", *told.strip().splitlines()[-2:], sep="  ", flush=True)

    def pages(self, python: Path) -> None:
        """Run README and docs as printed."""
        folder = self.folder / "pages"
        folder.mkdir()
        for name in PAGES:
            page = ROOT / "README.md" if name == "README" else ROOT / "docs" / f"{name}.md"
            shutil.copy(page, folder)
        shutil.copy(ROOT / ".ci" / "run_blocks.py", folder)
        for name in PAGES:
            page = folder / f"{name}.md"
            told = self.run(python, folder / "run_blocks.py", page, keep=self.kept / "pages")
            print("  ", told.strip().splitlines()[-1].replace(f"{folder}/", ""), flush=True)


Pythons = dict[tuple[int, int], Path]


def bare(place: Place, pythons: Pythons) -> None:
    """Nothing but the wheel, on the Python in the middle; then LLVM, and JAX; never numba."""
    python = place.environment(
        "bare", sorted(pythons.items())[len(pythons) // 2][1], str(place.wheel)
    )
    place.smoke(python, *WITHOUT_COMPILER)
    place.install(python, f"{place.wheel}[ode]")
    place.smoke(python, "ode", keep=place.folder / "ode")
    place.install(python, f"{place.wheel}[inference]")
    place.smoke(python, "inference", "xla")


def newest(place: Place, pythons: Pythons) -> None:
    """Everything, as pip chooses it today, on the newest Python."""
    python = place.environment("newest", pythons[max(pythons)], f"{place.wheel}[all]")
    place.smoke(python, *ENGINES, keep=place.kept / "smoke")
    place.pages(python)


def oldest(place: Place, pythons: Pythons) -> None:
    """Everything but JAX, which wants a newer NumPy, at its lower bound; then JAX at its own."""
    without = "numba,ode,sympy,tables,zarr,graphs,plots,sharing"
    pinned = lower_bounds(without)
    python = place.environment(
        "oldest", pythons[min(pythons)], f"{place.wheel}[{without}]", *pinned, *OLD_BESIDE
    )
    place.smoke(python, *ENGINES_WITHOUT_JAX, keep=place.kept / "smoke")
    pinned = [text for text in lower_bounds("numba,inference,xla") if not text.startswith("numpy")]
    python = place.environment(
        "oldest-jax", pythons[min(pythons)], f"{place.wheel}[numba,inference]", *pinned, *OLD_JAX
    )
    place.smoke(python, *ENGINES, keep=place.kept / "smoke")


TRIALS = {
    "build": lambda place, _: place.build(),
    "bare": bare,
    "newest": newest,
    "oldest": oldest,
}


def lower_bounds(extras: str) -> list[str]:
    """The oldest versions that emberkeep with these extras allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"]]
    for extra in extras.split(","):
        wanted += project["optional-dependencies"][extra]
    found = (re.match(r"([\w-]+)>=([\d.]+)", text) for text in wanted)
    return [f"{match[1]}=={match[2]}" for match in found if match is not None]


def find_pythons() -> Pythons:
    """The Pythons that emberkeep supports and that are here: on PATH, and pyenv's."""
    candidates = [Path(sys.executable)]
    for minor in range(11, 15):
        found = shutil.which(f"python3.{minor}")
        candidates += [Path(found)] if found else []
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates += sorted(versions.glob("3.*/bin/python"))
    found_here: Pythons = {}
    for candidate in candidates:
        asked = subprocess.run(
            [candidate, "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0:
            major, minor = map(int, asked.stdout.split())
            if (3, 11) <= (major, minor) <= (3, 13):
                found_here.setdefault((major, minor), candidate)
    return found_here


if __name__ == "__main__":
    raise SystemExit(main())
