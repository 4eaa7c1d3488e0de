"""Every example line of every help, as if it had been copied into a shell."""

import io
import os
import re
import shlex
import subprocess
import sys

import pytest

from emberkeep import Keep
from emberkeep.cli import builds, main
from emberkeep.cli.parser import build_parser
from emberkeep.cli.text import short_key
from emberkeep.targets import declaration

ASSIGNED = re.compile(r"([A-Z_]+)=(\S*)$")


def examples():
    parser = build_parser()
    epilogs = {"": parser.epilog}
    for name, command in parser.commands.items():
        command.load()
        epilogs[name] = command.epilog
    for name, epilog in epilogs.items():
        said = epilog.partition("examples:\n")[2]
        lines = [line.strip() for line in said.split("\n") if line.startswith("  ")]
        assert lines, name
        yield pytest.param(lines, id=name or "emberkeep")


class Terminal(io.StringIO):
    """Somebody who agrees."""

    def isatty(self):
        return True


class Shell:
    """A keep, a shared folder, a key, a bundle and a model; and what a shell does to a line."""

    def __init__(self, folder, monkeypatch, capsys):
        self.patch, self.capsys, self.variables = monkeypatch, capsys, {}
        (folder / "cluster" / "keep").mkdir(parents=True)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("EMBERKEEP_DIR", str(folder / "keep"))
        monkeypatch.setenv("EMBERKEEP_SHARED", str(folder / "cluster" / "keep"))
        self.places = {
            "/cluster/": f"{folder}/cluster/",
            "/scratch/": f"{folder}/scratch/",
        }
        # What compiles takes seconds; here it is the command line that is tried.
        monkeypatch.setattr(builds, "declared_in", lambda _module, _noted, keep: [model(keep)])
        (folder / "model.py").write_text("")

    def fill(self, *, key=True):
        if key:
            assert main(["key", "generate"]) == 0
        keep = Keep(shared=(), memory_size=0)
        for kind, name in (("generated", "lorenz"), ("traces", "coalescent"), ("xla", "step")):
            keep.get_or_build(kind, name, {"of": name}, lambda: {"code": b"machine code"})
        one, other = (entry.key for entry in keep._places.local.entries() if entry.kind != "xla")
        self.keys = {
            "3f9a12bc-77de01aa": short_key(one),
            "3f9a12bc": one[:8],
            "77de01aa": other[:8],
        }
        if key:
            named = ["--name", "lorenz", "--version", "1.0"]
            assert main(["export", "lorenz.ek", *named, "generated/lorenz"]) == 0
            assert main(["push"]) == 0

    def run(self, line):
        """The exit code of a line."""
        for placeholder, meant in (self.keys | self.places).items():
            line = line.replace(placeholder, meant)
        for name, value in self.variables.items():
            line = line.replace(f"${name}", value)
        words = shlex.split(line, comments=True)
        while words and ASSIGNED.match(words[0]):
            name, value = ASSIGNED.match(words.pop(0)).groups()
            self.variables[name] = value
            if name.startswith("EMBERKEEP_"):
                self.patch.setenv(name, value)
        if not words:
            return 0
        if words[0] == "curl":
            words = words[words.index("|") + 1 :]
            with open("lorenz.ek", "rb") as file:
                self.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read())))
        elif "completion" in words or "completion" in line:
            words = ["emberkeep", "completion", re.search("completion (bash|zsh|fish)", line)[1]]
        else:
            self.patch.setattr(sys, "stdin", Terminal("y\n"))
        assert words[0] == "emberkeep", line
        self.capsys.readouterr()
        return main(words[1:])


def model(keep):
    def build(_target):
        return declaration.product_of(
            keep.get_or_build("generated", "lorenz", {}, lambda: {"a": b"b"})
        )

    return declaration.Declared("lorenz", "float64[::1]", None, build)


@pytest.mark.parametrize("lines", list(examples()))
def test_every_example_works_as_it_stands(tmp_path, monkeypatch, capsys, lines):
    subprocess.run(["bash", "-n", "-c", "\n".join(lines)], check=True)
    shell = Shell(tmp_path, monkeypatch, capsys)
    shell.fill(key="emberkeep key generate" not in lines)
    for line in lines:
        assert shell.run(line) == 0, (line, capsys.readouterr())
        if "clear" in line and "--dry-run" not in line:
            shell.fill(key=False)
    assert os.path.isdir(tmp_path / "cluster" / "keep")
