"""What `config`, `doctor` and `status` say where places are shared."""

import json
import os
import time

import pytest

from emberkeep import InvalidSetting, Keep
from emberkeep.cli import main
from emberkeep.trust.edits import change_trust, with_entry
from emberkeep.trust.signatures import generate
from emberkeep.trust.trust_list import TrustedKey


@pytest.fixture
def shared(tmp_path, monkeypatch):
    folder = tmp_path / "shared"
    folder.mkdir()
    monkeypatch.setenv("EMBERKEEP_SHARED", str(folder))
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "keep"))
    return folder


@pytest.fixture
def config(home):
    return os.environ["EMBERKEEP_CONFIG_DIR"]


def checks(capsys):
    main(["--format", "json", "doctor"])
    return {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def test_doctor_knows_each_place_and_the_key(shared, config, capsys, monkeypatch):
    found = checks(capsys)
    assert found[f"shared {shared}"]["state"] == "ok"
    assert found["signing key"]["state"] == "warn"
    assert "emberkeep key generate" in found["signing key"]["remedy"]
    assert found["trust"]["state"] == "ok"
    key = generate(config, "default", 0.0)
    assert key.public in checks(capsys)["signing key"]["detail"]
    monkeypatch.setenv("EMBERKEEP_SHARED", f"{shared},{shared}/nowhere")
    found = checks(capsys)[f"shared {shared}/nowhere"]
    assert found["state"] == "bad"
    assert "not there" in found["detail"]
    assert main(["doctor"]) == 1


def test_doctor_tells_whose_trust_ends(shared, config, capsys):
    for name, days in (("alice", -1), ("bob", 3), ("carol", 300)):
        key = TrustedKey(name, (), time.time() + days * 86400, 0.0)
        change_trust(config, lambda t, k=key, n=name: with_entry(t, "keys", n[0] * 64, k))
    found = checks(capsys)["trust"]
    assert found["state"] == "warn"
    assert "expired: alice" in found["detail"]


def test_doctor_tells_of_a_trust_list_that_others_can_write(shared, config, capsys):
    key = TrustedKey("alice", (), None, 0.0)
    change_trust(config, lambda trust: with_entry(trust, "keys", "a" * 64, key))
    os.chmod(os.path.join(config, "trust.json"), 0o666)
    found = checks(capsys)["trust"]
    assert found["state"] == "bad"
    assert "can be written by others" in found["detail"]


def test_doctor_is_silent_of_sharing_where_nothing_is_shared(capsys):
    assert "trust" not in checks(capsys)


def test_config_shows_places_with_what_differs_from_the_usual(shared, capsys, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_SHARED", f"{shared}?policy=warn&details=no,/other")
    main(["config"])
    assert f"{shared}?policy=warn&details=false, /other" in capsys.readouterr().out
    main(["--format", "json", "config"])
    settings = json.loads(capsys.readouterr().out)["settings"]
    places = settings["shared"]["value"]
    assert [place["path"] for place in places] == [str(shared), "/other"]
    assert [place["policy"] for place in places] == ["warn", "require"]
    assert [place["details"] for place in places] == [False, True]


def test_status_counts_what_was_refused(shared, config, capsys):
    generate(config, "default", 0.0)
    keep = Keep()
    keep.get_or_build("tables", "a", {}, lambda: {"code": b"1"})
    assert keep.flush()
    for folder, _, names in os.walk(shared):
        for name in names:
            if name.endswith(".json"):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    content = file.read()
                with open(path, "wb") as file:
                    file.write(content.replace(b'"role":"code"', b'"role":"cOde"'))
    keep = Keep(strategy="shared", memory_size=0)
    with pytest.warns(UserWarning, match="built again"):
        assert not keep.get_or_build("tables", "a", {}, lambda: {"code": b"1"}).hit
    keep.flush()
    counts = {place: count for place, (count, _) in keep.totals().items()}
    assert counts["refused", "tables", f"damaged in shared {shared}"] >= 1
    keep = Keep()
    keep._counts.add("refused", "tables", "untrusted in shared /x", 0.0)
    keep._counts.flush()
    main(["status"])
    assert "refused        1 (1 untrusted in shared /x)" in capsys.readouterr().out


def test_the_strategy_shared_needs_a_place(monkeypatch):
    with pytest.raises(InvalidSetting, match="no shared place"):
        Keep(strategy="shared")


@pytest.mark.parametrize(
    "text", ["/a?policy=maybe", "/a?what=1", "/a?deadline_s=0", "?policy=warn", "/a?deadline_s=x"]
)
def test_a_place_that_cannot_be_read_says_what_was_expected(monkeypatch, text):
    monkeypatch.setenv("EMBERKEEP_SHARED", text)
    with pytest.raises(InvalidSetting, match="EMBERKEEP_SHARED.*folders, separated by commas"):
        Keep()


@pytest.mark.parametrize("name", ["emberkeep.toml", "pyproject.toml", "config.toml", ".emberkeep"])
def test_a_project_brings_no_places_keys_or_policies(tmp_path, monkeypatch, name):
    project = tmp_path / "cloned"
    project.mkdir()
    evil = "[tool.emberkeep]\ndir='/evil'\nshared=['/evil?policy=off']\nstrategy='shared'\n"
    (project / name).write_text(evil + evil.replace("[tool.emberkeep]\n", "[emberkeep]\n"))
    (project / "trust.json").write_text("{}")
    (project / "keys").mkdir()
    before = Keep().settings
    monkeypatch.chdir(project)
    assert Keep().settings == before
