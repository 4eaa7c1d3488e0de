"""`emberkeep build`: what users compile with numba themselves, and keep by `keep_kernel`."""

import json
import sys
import textwrap

import pytest

from emberkeep.cli import main

MODEL = """
    import emberkeep
    import numba
    from numba import cuda

    def twice(x):
        return 2 * x

    helper = numba.njit(twice)

    def scale(x):
        return helper(x)

    scale = emberkeep.keep_kernel(numba.njit(scale), "float64(float64)")

    @cuda.jit
    def fill(x, value):
        i = cuda.grid(1)
        if i < x.size:
            x[i] = value

    fill = emberkeep.keep_kernel(fill, "void(float64[::1], float64)")

    @cuda.jit
    def bare(x):
        x[0] = 1.0

    @emberkeep.keep_kernel
    @numba.njit
    def untyped(x):
        return x
"""


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    sys.modules.pop("numba_model", None)


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "numba_model.py"
        path.write_text(textwrap.dedent(text))
        return path

    return written


def build(capsys, root, *words):
    code = main(["--root", str(root), "--format", "json", "build", *map(str, words)])
    out, err = capsys.readouterr()
    return code, json.loads(out)["kernels"] if out else None, err


def test_what_is_kept_is_built_for_what_it_is_for(capsys, tmp_path, write):
    path, root = write(MODEL), tmp_path / "keep"
    words = (path, "--arch", "sm_80", "--arch", "sm_90", "--cpu", "host")
    code, kernels, said = build(capsys, root, *words)
    assert code == 0, kernels
    made = {(item["name"], item["architecture"]) for item in kernels}
    assert made == {("scale", "host"), ("fill", "sm_80"), ("fill", "sm_90")}
    assert all(item["kept"] and item["built_s"] > 0 for item in kernels)
    assert "bare is not built, as it is not kept: put @emberkeep.keep_kernel above it" in said
    assert "untyped is not built, as it declares no signature" in said
    _, again, _ = build(capsys, root, *words)
    assert [item["built_s"] for item in again] == [None] * 3
    assert [item["key"] for item in again] == [item["key"] for item in kernels]


def test_a_program_finds_what_was_built(capsys, tmp_path, write, monkeypatch):
    root = tmp_path / "keep"
    before, _, after = MODEL.partition("    @cuda.jit")
    assert build(capsys, root, write(before), "--cpu", "host")[0] == 0
    monkeypatch.setenv("EMBERKEEP_DIR", str(root))

    from emberkeep.keep.default import DefaultKeep

    monkeypatch.setattr("emberkeep.keep.default.process", DefaultKeep())
    space = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(before), "program.py", "exec"), space)
    assert space["scale"](3.0) == 6.0
    assert sum(space["scale"].stats.cache_hits.values()) == 1
    assert not space["scale"].stats.cache_misses


def test_numba_compiles_for_this_processor_alone(capsys, tmp_path, write):
    words = (write(MODEL), "--cpu", "x86-64-v2")
    code, kernels, said = build(capsys, tmp_path / "keep", *words)
    assert code == 1
    (scale,) = kernels
    assert "for the processor that it runs on, or for that in NUMBA_CPU_NAME" in scale["result"]
    assert "fill(void(float64[::1], float64)) is not built: no --arch is given" in said


def test_what_cannot_be_compiled_is_told_in_a_line(capsys, tmp_path, write):
    model = """
        import emberkeep, numba
        wrong = emberkeep.keep_kernel(numba.njit(lambda x: x + nowhere), "float64(float64)")
    """
    code, (wrong,), _ = build(capsys, tmp_path / "keep", write(model))
    assert code == 1
    assert "name 'nowhere' is not defined" in wrong["result"]
    assert "numba_model.py, line 3: wrong = " in wrong["result"]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("raise SystemExit", "ends the process by itself (exit code 0)"),
        ("import sys; sys.exit(0)", "(exit code 0)"),
        ("x = 1", "declares nothing to compile"),
        (
            "import emberkeep, numba\nf = emberkeep.keep_kernel(numba.njit(lambda x: x))",
            "declares nothing to compile",
        ),
    ],
)
def test_a_file_of_which_nothing_is_built_is_an_error(capsys, tmp_path, write, model, told):
    code, kernels, said = build(capsys, tmp_path / "keep", write(model))
    assert code == 2
    assert kernels is None
    assert told in said
