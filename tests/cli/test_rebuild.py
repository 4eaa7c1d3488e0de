"""`emberkeep rebuild`: is what is kept what comes out of building it again?"""

import json
import os

import pytest

from emberkeep import Keep
from emberkeep.cli import builds, main
from emberkeep.errors import InvalidBuild
from emberkeep.targets import declaration


@pytest.fixture
def made(tmp_path, monkeypatch):
    """What a build of each of two things makes, by name; what a file declares."""
    contents = {
        "lorenz": {"code": b"0123456789", "entry": b"main", "layout": {"n": 1}},
        "other": {"code": b"always the same"},
    }
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "keep"))
    monkeypatch.setenv("EMBERKEEP_SHARED", str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    (tmp_path / "model.py").write_text("")

    def declared(_module, _noted, keep):
        for name in list(contents):

            def build(_target, name=name):
                def make():
                    if contents[name] is None:
                        raise InvalidBuild("the compiler said no")
                    return contents[name]

                return declaration.product_of(
                    keep.get_or_build("generated", name, {"of": name}, make)
                )

            yield declaration.Declared(name, "float64", None, build)

    monkeypatch.setattr(builds, "declared_in", declared)
    assert main(["key", "generate"]) == 0
    assert main(["build", "model.py"]) == 0
    return contents


@pytest.fixture
def say(capsys):
    def run(*words):
        capsys.readouterr()
        code = main([*words, "--format", "json"])
        out, err = capsys.readouterr()
        assert err == ""
        return code, {each["name"]: each for each in json.loads(out)["results"]}

    return run


def test_what_comes_out_the_same_is_the_same(made, say, tmp_path):
    before = sorted(os.walk(tmp_path / "keep" / "generated"))
    code, found = say("rebuild", "model.py")
    assert code == 0
    assert {each["outcome"] for each in found.values()} == {"same"}
    assert sorted(os.walk(tmp_path / "keep" / "generated")) == before


def test_which_bytes_differ_is_said(made, say, capsys):
    made["lorenz"] = {"code": b"0123x5678y", "more": b"new", "layout": {"n": 1}}
    code, found = say("rebuild", "model.py")
    assert code == 1
    assert found["other"]["outcome"] == "same"
    differences = {each["role"]: each for each in found["lorenz"]["differences"]}
    assert differences["code"]["detail"] == (
        "10 bytes kept, 10 built; 2 bytes differ, the first at 4"
    )
    assert len(differences["code"]["kept"]) == len(differences["code"]["built"]) == 64
    assert (differences["entry"]["detail"], differences["more"]["detail"]) == (
        "is not built now",
        "was not there",
    )
    assert main(["rebuild", "model.py", "lorenz"]) == 1
    out = capsys.readouterr().out
    assert "lorenz(float64) for any machine: other bytes than those that are kept" in out
    assert "  code: kept " in out
    assert "other" not in out.replace("other bytes", "")


def test_a_layout_is_part_of_what_is_compared(made, say):
    made["lorenz"] = {**made["lorenz"], "layout": {"n": 2}}
    code, found = say("rebuild", "model.py", "lorenz")
    assert (code, found["lorenz"]["differences"]) == (1, [])
    assert "layout" in found["lorenz"]["detail"]


def test_what_a_signature_claims_is_compared(made, say, capsys):
    assert main(["push"]) == 0
    assert say("rebuild", "model.py", "--layer", "shared")[0] == 0
    made["other"] = {"code": b"never the same"}
    code, found = say("rebuild", "model.py", "--layer", "shared")
    assert (code, found["other"]["outcome"]) == (1, "differs")
    (signer,) = found["other"]["signers"]
    assert main(["rebuild", "model.py", "other", "--layer", "shared"]) == 1
    assert f"{signer} has signed what was kept" in capsys.readouterr().out


def test_what_was_never_kept_is_no_difference(made, say, tmp_path):
    os.rename(tmp_path / "keep", tmp_path / "aside")
    code, found = say("rebuild", "model.py")
    assert code == 0
    assert {each["outcome"] for each in found.values()} == {"new"}
    assert not os.path.exists(tmp_path / "keep")


def test_what_differs_is_replaced_where_that_is_said(made, say):
    made["lorenz"] = {"code": b"another"}
    code, found = say("rebuild", "model.py", "--replace")
    assert (code, found["lorenz"]["replaced"]) == (1, True)
    assert say("rebuild", "model.py")[0] == 0
    keep = Keep(memory_size=0)
    kept = keep.get_or_build("generated", "lorenz", {"of": "lorenz"}, dict)
    assert dict(kept.blobs) == {"code": b"another"}


def test_what_cannot_be_built_is_said(made, say):
    made["lorenz"] = None
    code, found = say("rebuild", "model.py")
    assert (code, found["lorenz"]["outcome"]) == (1, "failed")
    assert "the compiler said no" in found["lorenz"]["detail"]


def test_mistakes(made, capsys):
    for words, said in (
        (["rebuild", "model.py", "lorentz"], "declares no lorentz, but: lorenz, other"),
        (["rebuild", "model.py", "--replace", "--layer", "shared"], "--replace changes your own"),
        (["rebuild", "nothing.py"], "is no file"),
    ):
        assert main(words) == 2
        assert said in capsys.readouterr().err


KERNEL = """
import emberkeep

@emberkeep.kernel("float64[::1]", name="twice")
def twice(i, x):
    x[i] = 2 * x[i]
"""


def test_a_kernel_comes_out_the_same(tmp_path, monkeypatch, say):
    """LLVM, asked twice in one process: the bytes of machine code are those of the key alone."""
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "keep"))
    path = tmp_path / "some_model.py"
    path.write_text(KERNEL)
    assert main(["build", str(path), "--cpu", "x86-64"]) == 0
    code, found = say("rebuild", str(path), "--cpu", "x86-64")
    assert (code, found["twice"]["outcome"]) == (0, "same"), found
