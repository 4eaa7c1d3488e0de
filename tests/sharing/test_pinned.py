"""Builds of pinned toolchains: shipped to machines without a compiler, they run to the same bit.

There, numba and LLVM are not hidden but absent: another set of packages, so another toolchain.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import pytest

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
MODEL = os.path.join(PROGRAMS, "shipped_model.py")
GRAPH = os.path.join(PROGRAMS, "shipped_graph.py")
LEVELS = os.path.join(PROGRAMS, "shipped_levels.py")
RUN = os.path.join(PROGRAMS, "run_shipped.py")
NEEDED = ("numpy", "cryptography", "cffi", "_cffi_backend", "zstandard", "platformdirs")
TOLD = {"PYTHONWARNINGS": "always"}  # elsewhere, warnings are errors
V2, V3 = "x86-64-v2", "x86-64-v3"


def site_without_compilers(folder):
    """A folder of links to what an import and a run need, and to nothing else."""
    os.mkdir(folder)
    for name in NEEDED:
        beside = os.path.dirname(os.path.abspath(importlib.util.find_spec(name).origin))
        beside = beside if name == "_cffi_backend" else os.path.dirname(beside)
        for found in os.listdir(beside):
            if found.split(".")[0].split("-")[0] == name:
                os.symlink(os.path.join(beside, found), os.path.join(folder, found))
    return folder


class Machine:
    """A host with a user: a configuration, a keep and packages of its own.

    Args:
        home: its folder.
        site: where its packages are; None for those of this process.
    """

    def __init__(self, home, site=None):
        self.home = str(home)
        self.config = os.path.join(self.home, "config")
        self.root = os.path.join(self.home, "keep")
        source = os.path.dirname(os.path.dirname(importlib.util.find_spec("emberkeep").origin))
        self.options = [] if site is None else ["-S"]
        path = [source] if site is None else [str(site), source]
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.home,
            "EMBERKEEP_CONFIG_DIR": self.config,
            "EMBERKEEP_DIR": self.root,
            "PYTHONPATH": os.pathsep.join(path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "error",
        }

    def python(self, *words, **settings):
        command = [sys.executable, *self.options, *map(str, words)]
        environment = {**self.environment, **settings}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, cwd=self.home
        )

    def command(self, *words, expected=0, **settings):
        """What a command of emberkeep answers."""
        ran = self.python("-m", "emberkeep", *words, "--format", "json", **settings)
        assert ran.returncode == expected, ran.stderr
        return json.loads(ran.stdout) if ran.stdout else ran.stderr

    def run(self, *parts, level="-", **settings):
        """What came of running parts of the model."""
        ran = self.python(RUN, level, *parts, **settings)
        assert ran.returncode == 0, ran.stderr
        return {**json.loads(ran.stdout), "warned": ran.stderr}


class Builder(Machine):
    """The machine with the compilers, and what it has built.

    Attributes:
        public: its key.
        bundle: the model for an sm_80 and for processors of level 3.
        levels: its kernel for processors of levels 2 and 3.
        bits: what the model gives where it was built.
    """

    def __init__(self, home):
        super().__init__(home)
        self.command("key", "generate")
        self.public = self.command("key", "show")["public"]
        self.bundle, self.levels = (os.path.join(self.home, f"{n}.ek") for n in ("model", "levels"))
        named = ("--name", "model", "--version", "1")
        words = ("--arch", "sm_80", "--cpu", V3, "--export", self.bundle, *named)
        self.built = self.command("build", MODEL, *words)["kernels"]
        words = ("--cpu", V2, "--cpu", V3, "--export", self.levels, *named)
        self.built_levels = self.command("build", LEVELS, *words)["kernels"]
        ran = self.run("wave", "solve", SHIPPED_CPU=V3)
        assert "error" not in ran, ran
        self.bits = ran["bits"]

    def key(self, name, level, signature=None):
        (found,) = {
            item["key"]
            for item in (*self.built, *self.built_levels)
            if (item["name"], item["architecture"]) == (name, level)
            and signature in (None, item["signature"])
        }
        return found


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    home = tmp_path_factory.mktemp("builder")
    return Builder(home)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return site_without_compilers(tmp_path_factory.mktemp("packages") / "site")


@pytest.fixture
def machine(tmp_path, site, builder):
    """Without compilers; trusts the builder."""
    home = tmp_path / "machine"
    home.mkdir()
    machine = Machine(home, site)
    machine.command("trust", "add", builder.public, "--name", "builder")
    return machine


@pytest.fixture
def workstation(tmp_path, builder):
    """With compilers; trusts the builder."""
    home = tmp_path / "workstation"
    home.mkdir()
    machine = Machine(home)
    machine.command("trust", "add", builder.public, "--name", "builder")
    return machine


def build_of(key):
    return key.partition("-")[2]


def is_without(said):
    """Whether a run ended since nothing was there to run, and it was said what to do."""
    return said.get("error", "").startswith("TargetUnavailable") and "needs" in said["error"]


# Without a compiler ----------------------------------------------------------------------------


def test_the_builder_has_built_for_machines_that_are_elsewhere(builder):
    made = {(item["name"], item["signature"], item["architecture"]) for item in builder.built}
    signature = "float64[::1], float64[::1], float64"
    assert made == {
        *(("wave", signature, target) for target in (V3, "sm_80")),
        *(("lorenz", output, target) for output in ("states", "final") for target in (V3, "sm_80")),
    }
    assert all(item["kept"] for item in builder.built)


def test_without_an_import_it_is_told_what_is_missing(machine):
    for part in ("wave", "solve"):
        said = machine.run(part)
        assert (said["compilers"], said["distributions"]) == ([], [])
        assert is_without(said)
        assert "pip install" in said["error"]


def test_what_was_imported_runs_to_the_same_bit(machine, builder):
    answer = machine.command("import", builder.bundle)
    assert (len(answer["entries"]), answer["refused"]) == (4, [])
    said = machine.run("wave", "solve")
    assert (said["compilers"], said["distributions"], said["imported"]) == ([], [], [])
    assert "error" not in said
    assert said["bits"] == builder.bits
    assert said["loaded"]["wave"] == builder.key("wave", V3)
    assert said["loaded"]["lorenz"] == builder.key("lorenz", V3, "states")


def test_what_is_imported_in_part_runs_in_part(machine, builder):
    machine.command("import", builder.bundle, "generated/wave")
    assert machine.run("wave")["bits"] == {"wave": builder.bits["wave"]}
    assert is_without(machine.run("solve"))


def test_without_a_pin_nothing_runs_until_it_is_pinned(machine, builder):
    machine.command("import", builder.bundle, "--no-pin")
    assert is_without(machine.run("wave"))
    build = build_of(builder.key("wave", V3))
    machine.command("trust", "pin", build)
    assert machine.run("wave")["bits"] == {"wave": builder.bits["wave"]}
    machine.command("trust", "unpin", build)
    assert is_without(machine.run("wave"))


def test_a_second_import_pins_what_the_first_has_not(machine, builder):
    machine.command("import", builder.bundle, "--no-pin")
    assert machine.command("import", builder.bundle)["present"] == 4
    assert machine.run("wave")["bits"] == {"wave": builder.bits["wave"]}


def test_a_revoked_toolchain_runs_no_more(machine, builder):
    machine.command("import", builder.bundle)
    build = build_of(builder.key("wave", V3))
    machine.command("trust", "revoke", build, "--what", "toolchain", "--reason", "bad code")
    said = machine.run("wave", **TOLD)
    assert is_without(said)
    assert "bad code" in said["warned"]
    assert len(machine.command("import", builder.bundle, expected=1)["refused"]) == 1
    machine.command("trust", "restore", build, "--what", "toolchain")
    machine.command("import", builder.bundle)
    assert machine.run("wave")["bits"] == {"wave": builder.bits["wave"]}


def test_what_was_trusted_no_more_is_there_when_it_is_trusted_again(machine, builder):
    """As when trust expires and is renewed, which is what the message asks for."""
    machine.command("import", builder.bundle)
    machine.command("trust", "remove", "builder")
    assert is_without(machine.run("wave", **TOLD))
    machine.command("trust", "add", builder.public, "--name", "builder")
    assert machine.run("wave")["bits"] == {"wave": builder.bits["wave"]}


def test_trust_that_has_ended_ends_it(machine, builder):
    machine.command("import", builder.bundle)
    machine.command("trust", "remove", "builder")
    said = machine.run("wave", **TOLD)
    assert is_without(said)
    assert builder.public in said["warned"]


def test_whoever_is_not_trusted_ships_nothing(tmp_path, site, builder):
    home = tmp_path / "stranger"
    home.mkdir()
    machine = Machine(home, site)
    assert builder.public in machine.command("import", builder.bundle, expected=4)
    machine.command("trust", "pin", build_of(builder.key("wave", V3)))
    shutil.copytree(builder.root, machine.root)
    said = machine.run("wave", **TOLD)
    assert is_without(said)
    assert "not sealed by this user" in said["warned"]


def test_a_keep_that_is_only_read_runs_what_it_has(machine, builder):
    machine.command("import", builder.bundle)
    said = machine.run("wave", EMBERKEEP_READ_ONLY="1")
    assert said["bits"] == {"wave": builder.bits["wave"]}


# Processors ------------------------------------------------------------------------------------


def test_of_two_levels_the_higher_one_that_runs_here_is_taken(machine, builder):
    answer = machine.command("import", builder.levels)
    assert len(answer["entries"]) == 2
    for level in (V2, V3, "x86-64-v4"):
        said = machine.run("wave", level=level)
        assert said["loaded"] == {"wave": builder.key("wave", min(level, V3))}
        assert said["bits"] == {"wave": builder.bits["wave"]}


def test_what_this_processor_lacks_features_for_is_passed_over(machine, builder):
    machine.command("import", builder.levels)
    assert is_without(machine.run("wave", level="x86-64"))
    machine.command("clear", "--yes")
    machine.command("import", builder.bundle)
    assert is_without(machine.run("wave", level=V2))


# By a shared folder ----------------------------------------------------------------------------


def test_a_shared_folder_ships_as_well(machine, builder, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    builder.command("push", "generated", "--layer", shared)
    assert is_without(machine.run("wave", EMBERKEEP_SHARED=str(shared)))
    machine.command("trust", "pin", build_of(builder.key("wave", V3)))
    said = machine.run("wave", EMBERKEEP_SHARED=str(shared))
    assert said["bits"] == {"wave": builder.bits["wave"]}
    # From now on it is here.
    assert machine.run("wave")["bits"] == {"wave": builder.bits["wave"]}


@pytest.mark.parametrize(
    "trouble",
    [
        "not mounted",
        "a file",
        "of a newer layout",
    ],
)
def test_a_shared_folder_in_trouble_does_not_keep_from_running_what_is_here(
    machine, builder, tmp_path, trouble
):
    machine.command("import", builder.bundle)
    shared = tmp_path / "shared"
    if trouble == "a file":
        shared.write_bytes(b"")
    elif trouble == "of a newer layout":
        shared.mkdir()
        (shared / "format").write_bytes(b"emberkeep 2\n")
    said = machine.run("wave", EMBERKEEP_SHARED=str(shared), **TOLD)
    assert said.get("bits") == {"wave": builder.bits["wave"]}, said
    assert str(shared) in said["warned"]


# Where there is a compiler ---------------------------------------------------------------------


def test_where_there_is_a_compiler_it_compiles_for_itself(workstation, builder):
    workstation.command("import", builder.bundle)
    said = workstation.run("wave")
    assert "numba" in said["imported"]
    assert build_of(said["loaded"]["wave"]) != build_of(builder.key("wave", V3))


@pytest.mark.parametrize("digits", [0, 12, 64])
def test_a_pinned_toolchain_is_taken_on_demand(workstation, builder, digits):
    workstation.command("import", builder.bundle)
    key = builder.key("wave", V3)
    wanted = build_of(key)[:digits] or "pinned"
    said = workstation.run("wave", EMBERKEEP_TOOLCHAIN=wanted)
    assert said["loaded"] == {"wave": key}
    assert said["bits"] == {"wave": builder.bits["wave"]}
    assert said["imported"] == []


def test_a_toolchain_that_is_not_pinned_is_not_taken(workstation, builder):
    workstation.command("import", builder.bundle, "--no-pin")
    key = builder.key("wave", V3)
    for wanted in ("pinned", build_of(key)[:12]):
        said = workstation.run("wave", EMBERKEEP_TOOLCHAIN=wanted)
        assert said["loaded"]["wave"] != key


def test_the_toolchain_that_was_asked_for_is_taken_though_there_is_a_build_of_one_s_own(
    workstation, builder
):
    workstation.command("import", builder.bundle)
    key = builder.key("wave", V3)
    assert workstation.run("wave")["loaded"]["wave"] != key
    said = workstation.run("wave", EMBERKEEP_TOOLCHAIN=build_of(key)[:12])
    assert said["loaded"] == {"wave": key}


# In advance ------------------------------------------------------------------------------------


def test_prewarming_finds_what_was_imported(machine, builder):
    machine.command("import", builder.bundle)
    answer = machine.command("prewarm", MODEL)
    assert all(item["kept"] and item["built_s"] is None for item in answer["kernels"])


# Chains ----------------------------------------------------------------------------------------


@pytest.mark.soak
def test_a_keep_that_is_shipped_as_a_whole_brings_what_chains_are_made_with(machine, builder):
    """On the same processor, that is: emberkeep's own kernels are compiled for the host."""
    expected = builder.run("expect")
    assert "error" not in expected, expected
    bundle = os.path.join(machine.home, "all.ek")
    builder.command("export", bundle, "--name", "all", "--version", "1")
    machine.command("import", bundle)
    said = machine.run("expect")
    assert (said["imported"], said.get("bits")) == ([], expected["bits"])


def test_a_chain_that_was_built_for_others_runs_where_there_is_no_compiler(machine, builder):
    bundle = os.path.join(machine.home, "graph.ek")
    named = ("--name", "graph", "--version", "1")
    builder.command("build", GRAPH, "--cpu", V3, "--export", bundle, *named)
    machine.command("import", bundle)
    said = machine.run("expect")
    assert "error" not in said, said
