"""`emberkeep build`: kernels for machines that are elsewhere."""

import importlib
import json
import subprocess
import sys

import pytest

import emberkeep
from emberkeep import ode
from emberkeep.cli import main
from emberkeep.targets.cuda.target import CudaTarget
from emberkeep.targets.declaration import METHOD

MODEL = """
import emberkeep
from helper import twice

@emberkeep.kernel("float64[::1]", "float32[::1]")
def first(i, x):
    x[i] = twice(x[i])

second = emberkeep.kernel("int64[::1]", name="other")(lambda i, x: None)
again = first

@emberkeep.kernel
def untyped(i, x):
    x[i] = 0

if __name__ == "__main__":
    raise SystemExit("this is not run")
"""


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch):
    """What a file's execution adds to Python's path and modules."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield
    for name in {"helper", "some_model", "model", "wrong"} - before:
        sys.modules.pop(name, None)


@pytest.fixture
def model(tmp_path):
    (tmp_path / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    path = tmp_path / "some_model.py"
    path.write_text(MODEL)
    return path


def build(capsys, root, *words):
    code = main(["--root", str(root), "--format", "json", "build", *map(str, words)])
    out, err = capsys.readouterr()
    return code, json.loads(out)["kernels"] if out else None, err


def test_every_kernel_is_built_for_every_target(capsys, tmp_path, model):
    root = tmp_path / "keep"
    words = [model, "--arch", "sm_80", "--arch", "sm_90", "--cpu", "x86-64-v2"]
    code, kernels, said = build(capsys, root, *words)
    assert code == 0
    made = {(item["name"], item["signature"], item["architecture"]) for item in kernels}
    declared = [("first", "float64[::1]"), ("first", "float32[::1]"), ("other", "int64[::1]")]
    assert made == {
        (*kernel, target) for kernel in declared for target in ("x86-64-v2", "sm_80", "sm_90")
    }
    assert all(item["kept"] and item["built_s"] > 0 and item["size_bytes"] for item in kernels)
    assert "untyped declares no signature" in said
    _, again, _ = build(capsys, root, *words)
    assert [item["key"] for item in again] == [item["key"] for item in kernels]
    assert all(item["built_s"] is None for item in again)


def test_what_was_built_is_what_a_program_finds(capsys, tmp_path, model):
    build(capsys, tmp_path / "keep", model, "--cpu", "host")

    def twice(x):
        return 2 * x

    @emberkeep.kernel("float64[::1]", keep=emberkeep.Keep(tmp_path / "keep"))
    def first(i, x):
        x[i] = twice(x[i])

    # Captured here and global there: another function, another key; the same text run as a
    # program is the same.
    space = {"__name__": "__main__", "emberkeep": emberkeep}
    exec(
        compile("def twice(x):\n    return 2 * x\n" + MODEL.split("\n\n")[1], "other.py", "exec"),
        space,
    )
    kernel = emberkeep.kernel("float64[::1]", keep=emberkeep.Keep(tmp_path / "keep"))(
        space["first"].function
    )
    assert kernel.build()[0].hit
    assert not first.build()[0].hit


def test_without_a_target_it_is_this_machine(capsys, tmp_path, model):
    _, kernels, _ = build(capsys, tmp_path / "keep", model)
    assert {item["architecture"] for item in kernels} == {"host"}


def test_without_a_target_a_kernel_is_built_for_what_it_says(capsys, tmp_path):
    path = tmp_path / "model.py"
    path.write_text(
        "import emberkeep\n"
        "@emberkeep.kernel('float64[::1]', cpu='x86-64-v2')\ndef fill(i, x):\n    x[i] = 1\n"
    )
    _, kernels, _ = build(capsys, tmp_path / "keep", path)
    assert [item["architecture"] for item in kernels] == ["x86-64-v2"]


def test_solvers_are_built_for_every_target_and_output(capsys, tmp_path):
    path = tmp_path / "model.py"
    path.write_text(
        "from emberkeep import ode\n"
        "system = ode.System('dx = -k*x', {'x': 1.0}, {'k': 0.5}, name='decay')\n"
        "solver = ode.Solver(system, method='rk4', target='cpu')\n"
    )
    code, built, _ = build(capsys, tmp_path / "keep", path, "--arch", "sm_90", "--cpu", "host")
    assert code == 0
    assert {(item["name"], item["signature"], item["architecture"]) for item in built} == {
        ("decay", output, machine)
        for output in ("states", "final")
        for machine in ("host", "sm_90")
    }
    system = ode.System(" x'  = - k * x", {"x": 9.0}, {"k": 1.5}, name="decay")
    keep = emberkeep.Keep(tmp_path / "keep")
    solver = ode.Solver(system, method="rk4", target="cpu", keep=keep)
    assert solver.build().hit
    assert solver.build(["states"]).hit
    assert solver.build(target=CudaTarget("sm_90")).hit
    assert not solver.build(target=CudaTarget("sm_80")).hit


def test_one_that_fails_does_not_stop_the_others(capsys, tmp_path):
    path = tmp_path / "model.py"
    path.write_text(
        "import emberkeep\n"
        "@emberkeep.kernel('float64[::1]')\ndef bad(i, x):\n    x[i] = nowhere\n"
        "@emberkeep.kernel('float64[::1]')\ndef good(i, x):\n    x[i] = 1\n"
    )
    code, kernels, _ = build(capsys, tmp_path / "keep", path)
    assert code == 1
    assert [item["kept"] for item in kernels] == [False, True]
    assert "nowhere" in kernels[0]["result"]


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        (None, [], "is no file"),
        ("x = 1\n", [], "declares nothing to compile"),
        ("1 / 0\n", [], "ZeroDivisionError"),
        (MODEL, ["--arch", "sm_9x"], "sm_9x"),
        (MODEL, ["--cpu", "pentium"], "pentium"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(capsys, tmp_path, model, text, words, said):
    path = tmp_path / "wrong.py"
    if text is not None:
        path.write_text(text)
    code, kernels, error = build(capsys, tmp_path / "keep", path, *words)
    assert code == 2
    assert kernels is None
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nsys.exit(0)",
        "quit()",
        "raise BaseException('odd')",
        "import os\nos._exit(0)",
        "import os\nos.execvp('true', ['true'])",
        "import os\nos.execle('/bin/true', 'true', {})",
    ],
)
def test_a_file_that_ends_the_process_is_no_success(tmp_path, text):
    """By `os._exit` and by becoming another program, its exit code would have been ours."""
    path = tmp_path / "wrong.py"
    path.write_text(text)
    command = [sys.executable, "-m", "emberkeep", "build", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "wrong.py cannot be run: " in done.stderr
    assert done.stderr.count("\n") == 1


def test_children_of_a_file_end_as_they_like(tmp_path, capsys):
    path = tmp_path / "model.py"
    path.write_text(
        "import os\n"
        "if not os.fork():\n"
        "    os._exit(7)\n"
        "assert os.waitstatus_to_exitcode(os.wait()[1]) == 7\n"
    )
    assert main(["build", str(path)]) == 2
    assert "declares nothing to compile" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--name", "x"], ["--version", "1"], ["--export", ""]])
def test_what_only_an_export_has_is_not_passed_over(tmp_path, capsys, words):
    assert main(["build", str(tmp_path / "model.py"), *words]) == 2
    assert "--export" in capsys.readouterr().err


OTHERS = """
from emberkeep.targets.declaration import Declared, product_of

class Table:
    def __init__(self, name):
        self.name = name

    def __emberkeep_declares__(self, keep, tell):
        tell(f"{self.name} is small")
        for name, named in ((self.name, True), ("what all tables need", False)):
            def build(target, name=name):
                artifact = keep.get_or_build("tables", name, {"of": name}, lambda: {"rows": b"1"})
                return product_of(artifact)
            yield Declared(name, "rows", None, build, named=named)

one, other, again = Table("one"), Table("other"), Table
"""


def test_whatever_says_what_is_compiled_of_it_is_built(capsys, tmp_path):
    """What another distribution brings is built as what is emberkeep's own; a need of all, once."""
    path = tmp_path / "tables.py"
    path.write_text(OTHERS)
    code, kernels, error = build(capsys, tmp_path / "keep", path)
    assert code == 0
    built = [(item["name"], item["kept"], item["architecture"]) for item in kernels]
    needed = ("what all tables need", True, "any machine")
    assert built == [("one", True, "any machine"), needed, ("other", True, "any machine")]
    assert error == "emberkeep: one is small\nemberkeep: other is small\n"


@pytest.mark.parametrize("kind", ["targets.kernel.Kernel", "ode.Solver", "phasetype.Graph"])
def test_what_can_be_built_ahead_says_so_itself(kind):
    home, _, name = f"emberkeep.{kind}".rpartition(".")
    value = getattr(importlib.import_module(home), name)
    assert callable(getattr(value, METHOD))
