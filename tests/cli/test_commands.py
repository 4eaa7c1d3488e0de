import io
import os
import time

import pytest

import emberkeep
from emberkeep.cli import main
from emberkeep.cli.parser import COMMANDS, build_parser


def flip(path):
    with open(path, "r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))


# status, zero-stats -----------------------------------------------------------------------------


def test_status_counts_hits_misses_and_entries(shop):
    shop.build(x=1)
    shop.build(x=2)
    shop.keep = emberkeep.Keep(shop.root, memory_size=0)
    shop.build(x=1)
    status = shop.json("status")
    assert status["exit"] == 0
    assert (status["hits"], status["hits_by_layer"]) == (1, {"local": 1})
    assert (status["misses"], status["misses_by_reason"]) == (2, {"absent": 2})
    assert status["hit_rate"] == pytest.approx(1 / 3)
    assert (status["entries"], status["blobs"]) == (2, 1)
    assert status["kinds"]["tables"]["entries"] == 2
    assert status["root"] == shop.root
    assert status["builds"] == 2
    assert isinstance(status["seconds_saved"], float)
    text = shop.run("status")[1]
    assert "33.3%" in text
    assert "1 (1 local)" in text
    assert "2 (2 absent)" in text
    assert shop.root in text


def test_status_of_nothing_makes_nothing(shop):
    code, out, _ = shop.run("status")
    assert (code, "nothing kept yet" in out) == (0, True)
    assert shop.json("status")["hit_rate"] is None
    assert not os.path.exists(shop.root)


def test_where_caching_was_off_nobody_missed(shop):
    shop.build(x=1)
    shop.keep.get_or_build("tables", "a", {}, dict, disabled=True)
    shop.keep._counts.flush()
    status = shop.json("status")
    assert status["misses_by_reason"] == {"absent": 1, "disabled": 1}
    assert status["hit_rate"] == 0.0


def test_zero_stats(shop):
    shop.build(x=1)
    assert shop.json("zero-stats")["files"] == 1
    assert shop.json("status")["misses"] == 0
    assert shop.json("status")["entries"] == 1


# ls, show ---------------------------------------------------------------------------------------


def test_ls_lists_what_is_asked_for(shop):
    one = shop.build(x=1)
    shop.build(name="other", x=1)
    shop.build(kind="xla", x=1)
    assert len(shop.json("ls")["entries"]) == 3
    assert len(shop.json("ls", "tables")["entries"]) == 2
    (entry,) = shop.json("ls", "tables/lorenz")["entries"]
    assert (entry["kind"], entry["name"], entry["key"]) == ("tables", "lorenz", one)
    assert entry["size_bytes"] == os.path.getsize(shop.path(one)) + len(b"content")
    assert entry["pinned"] is False
    assert entry["state"] == "ok"
    assert entry["cost_s"] > 0
    assert shop.run("ls", "nothing") == (0, "Nothing here is called 'nothing'.\n", "")


@pytest.mark.parametrize(
    ("kind", "name"), [("tables", "a/b"), ("tables", "../../x"), ("ta/bles", "q"), ("a/b", "c/d")]
)
def test_kinds_and_names_with_slashes_can_be_named(shop, kind, name):
    key = shop.build(kind=kind, name=name, x=1)
    shop.build(name="other", x=1)
    for text in (name, f"{kind}/{name}"):
        assert shop.json("show", text)["name"] == name
    for text in (kind, f"{kind}/{name}"):
        assert key in [entry["key"] for entry in shop.json("ls", text)["entries"]]
    assert shop.run("clear", f"{kind}/{name}", "--yes")[0] == 0
    assert [entry["name"] for entry in shop.json("ls")["entries"]] == ["other"]


def test_clear_of_what_is_not_there_says_so(shop):
    shop.build(x=1)
    code, out, err = shop.run("clear", "nothing", "--yes")
    assert (code, out) == (3, "")
    assert "Nothing is kept under 'nothing'" in err


def test_ls_is_a_table_with_ages(shop):
    key = shop.build(x=1)
    shop.age(3 * 86400 + 10, shop.path(key))
    shop.run("pin", "lorenz")
    header, row = shop.run("ls")[1].splitlines()
    assert header.split() == ["kind", "name", "key", "size", "unused", "for", "cost"]
    plan, build = key.split("-")
    assert row.startswith(f"tables  lorenz  {plan[:8]}-{build[:8]}  ")
    assert "3.0 d" in row
    assert row.endswith("pinned")


def test_ls_shows_names_that_are_no_folder_names(shop):
    shop.build(name="a/b ü", x=1)
    (entry,) = shop.json("ls")["entries"]
    assert entry["name"] == "a/b ü"
    assert len(shop.json("ls", "tables/a/b ü")["entries"]) == 1


def test_ls_says_what_is_damaged(shop):
    flip(shop.path(shop.build(x=1)))
    assert shop.json("ls")["entries"][0]["state"] == "damaged"
    assert shop.run("ls")[1].rstrip().endswith("damaged")


def test_show_prints_manifest_blobs_and_ingredients(shop):
    key = shop.build(order=(1, 2), method="rk4")
    found = shop.json("show", "lorenz")
    assert f"{found['plan']}-{found['build']}" == key
    (blob,) = found["blobs"]
    assert (blob["role"], blob["size_bytes"]) == ("code", 7)
    assert blob["path"] == shop.blobs()[0]
    assert found["ingredients"]["plan"]["children"][0]["text"] == "'rk4'"
    text = shop.run("show", "lorenz")[1]
    assert "    method = 'rk4'\n    order (tuple)\n      0 = 1\n      1 = 2\n" in text


@pytest.mark.parametrize("digits", [1, 8, 64])
def test_entries_are_named_by_the_beginning_of_their_key(shop, digits):
    plan, build = shop.build(x=1).split("-")
    for text in (plan[:digits], f"{plan[:digits]}-{build[:digits]}", plan[:digits].upper()):
        assert shop.json("show", text)["plan"] == plan


def test_entries_are_named_by_kind_and_name_too(shop):
    shop.build(x=1)
    shop.build(kind="xla", x=1)
    assert shop.json("show", "xla/lorenz")["kind"] == "xla"
    code, _, err = shop.run("show", "lorenz")
    assert code == 3
    assert "may be any of 2 entries: " in err


def test_an_ambiguous_key_names_what_it_may_mean(shop):
    for x in range(7):
        shop.build(x=x)
    code, out, err = shop.run("show", "lorenz")
    assert (code, out) == (3, "")
    assert err.count("tables/lorenz ") == 5
    assert "and 2 more" in err


@pytest.mark.parametrize("command", ["show", "why", "pin", "unpin"])
def test_no_such_entry(shop, command):
    code, out, err = shop.run(command, "nobody")
    assert (code, out) == (3, "")
    assert err == "emberkeep: No entry is called 'nobody'. `emberkeep ls` lists what there is\n"


def test_show_refuses_a_damaged_entry(shop):
    flip(shop.path(shop.build(x=1)))
    code, _, err = shop.run("show", "lorenz")
    assert (code, err.count("\n")) == (4, 1)
    assert "is damaged" in err


def test_what_a_terminal_would_obey_is_shown_as_an_escape(shop):
    shop.build(text="\x1b[2J\n\u202e")
    out = shop.run("show", "lorenz")[1]
    assert "\x1b" not in out
    assert "\u202e" not in out


# why --------------------------------------------------------------------------------------------


def test_why_names_every_ingredient_that_differs(shop):
    old = shop.build(order=4, method="rk4", tolerance=0.1)
    new = shop.build(order=5, method="rk4", tolerance=0.2)
    found = shop.json("why", new)
    assert (found["entry"]["key"], found["other"]["key"]) == (new, old)
    assert found["differences"] == [
        {"path": "plan.order", "left": "4", "right": "5"},
        {"path": "plan.tolerance", "left": "0.1", "right": "0.2"},
    ]
    text = shop.run("why", new)[1]
    assert "had to be built:" in text
    assert "the nearest older entry." in text
    assert "2 ingredients differ:\n  plan.order\n    - 4\n    + 5\n" in text


def test_why_the_first_was_built(shop):
    first = shop.build(order=4)
    shop.build(order=5)
    found = shop.json("why", first)
    assert (found["other"], found["differences"]) == (None, [])
    assert "is the first of its kind" in shop.run("why", first)[1]


def test_why_by_name_is_about_the_entry_used_last(shop):
    old, new, middle = (shop.build(x=x) for x in (1, 2, 3))
    for key, age in ((old, 900), (middle, 500), (new, 100)):
        used = time.time() - age
        os.utime(shop.path(key), (used, used))
    assert shop.json("why", "lorenz")["entry"]["key"] == new


def test_why_does_not_choose_between_names(shop):
    shop.build(x=1)
    shop.build(kind="xla", x=1)
    code, _, err = shop.run("why", "lorenz")
    assert code == 3
    assert "may be any of 2 entries: " in err


def test_why_against_another(shop):
    first, second = shop.build(order=4), shop.build(order=5)
    found = shop.json("why", first, second)
    assert found["other"]["key"] == second
    assert found["differences"] == [{"path": "plan.order", "left": "5", "right": "4"}]
    assert "1 ingredient differs:" in shop.run("why", first, second)[1]
    assert "0 ingredients differ" in shop.run("why", first, first)[1]


# verify, repair ---------------------------------------------------------------------------------


def test_verify_adds_up_what_it_finds(shop):
    assert shop.run("verify")[0] == 0
    damaged, untrusted, fine = (shop.build(x=x, content=b"%d" % x) for x in range(3))
    assert shop.json("verify")["counts"] == {"ok": 3, "damaged": 0, "untrusted": 0, "other": 0}
    flip(shop.path(damaged))
    assert shop.run("verify")[0] == 1
    with open(shop.path(untrusted), "r+b") as file:  # another seal
        file.seek(-10, 2)
        file.write(b"0000000")
    assert shop.run("verify")[0] == 3
    with open(os.path.join(shop.root, "tables", "lorenz", "notes.json"), "wb"):
        pass
    found = shop.json("verify")
    assert found["exit"] == 7
    assert found["counts"] == {"ok": 1, "damaged": 1, "untrusted": 1, "other": 1}
    assert {finding["state"] for finding in found["findings"]} == {"damaged", "untrusted", "other"}
    os.unlink(shop.path(damaged))
    assert shop.run("verify")[0] == 6
    assert fine


def test_verify_names_the_blob(shop):
    shop.build(x=1)
    flip(shop.blobs()[0])
    code, out, _ = shop.run("verify")
    assert code == 1
    assert "the blob 'code' does not have the digest that is its name" in out
    assert shop.blobs()[0] in out


def test_repair_heals_and_says_so(shop):
    shop.build(x=1)
    assert shop.run("repair")[1] == "There was nothing to repair.\n"
    flip(shop.blobs()[0])
    actions = shop.json("repair")["actions"]
    assert [action["action"] for action in actions] == ["moved to quarantine", "removed"]
    assert shop.run("verify")[0] == 0


# gc, clear --------------------------------------------------------------------------------------


def test_gc_goes_by_its_options(shop):
    old, new = shop.build(x=1), shop.build(x=2)
    shop.age(10 * 86400, shop.path(old))
    shop.age(2 * 86400, shop.path(new))
    planned = shop.json("gc", "--max-age", "5d", "--dry-run")
    assert (planned["entries"], planned["dry_run"]) == (1, True)
    assert os.path.exists(shop.path(old))
    assert "would remove 1 entries" in shop.run("gc", "--max-age", "5d", "--dry-run")[1]
    done = shop.json("gc", "--max-age", "5d")
    assert (done["entries"], done["kept_entries"]) == (1, 1)
    assert (os.path.exists(shop.path(old)), os.path.exists(shop.path(new))) == (False, True)
    assert shop.json("gc", "--max-size", "0", "--kind", "xla")["entries"] == 0
    assert shop.json("gc", "--max-size", "0", "--name", "other")["entries"] == 0
    assert shop.json("gc", "--max-size", "0", "--grace", "3d")["young"] == 1
    assert shop.json("gc", "--max-size", "0")["entries"] == 1


def test_gc_goes_by_the_settings_otherwise(shop, monkeypatch):
    key = shop.build(x=1)
    shop.age(10 * 86400, shop.path(key))
    assert shop.json("gc")["entries"] == 0
    monkeypatch.setenv("EMBERKEEP_MAX_AGE", "9d")
    assert shop.json("gc", "--dry-run")["entries"] == 1
    monkeypatch.setenv("EMBERKEEP_MAX_AGE", "11d")
    monkeypatch.setenv("EMBERKEEP_MAX_SIZE", "1")
    assert shop.json("gc")["entries"] == 1


@pytest.mark.parametrize("option", ["--max-size", "--max-age", "--grace"])
def test_gc_refuses_what_is_no_amount(shop, option):
    code, _, err = shop.run("gc", option, "lots")
    assert code == 2
    assert "'lots' is not a " in err


def test_clear_asks_on_a_terminal(shop, monkeypatch):
    shop.build(x=1)

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, err = shop.run("clear")
    assert (code, out) == (1, "")
    assert "Remove everything, 1 entries, from" in err
    assert len(shop.json("ls")["entries"]) == 1
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert shop.run("clear")[0] == 0
    assert shop.json("ls")["entries"] == []


def test_clear_refuses_without_a_terminal(shop, monkeypatch):
    shop.build(x=1)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, _, err = shop.run("clear")
    assert (code, "--yes" in err) == (2, True)
    assert len(shop.json("ls")["entries"]) == 1


def test_clear_takes_a_namespace_and_respects_pins(shop):
    shop.build(x=1)
    shop.build(name="other", x=1)
    shop.build(kind="xla", x=1)
    shop.run("pin", "tables/other")
    assert shop.json("clear", "xla", "--yes")["entries"] == 1
    done = shop.json("clear", "tables", "--yes")
    assert (done["entries"], done["pinned"]) == (1, 1)
    assert shop.json("clear", "tables/other", "--yes", "--pinned")["entries"] == 1
    assert shop.json("clear")["entries"] == 0  # there is nothing to ask about


# pin, unpin -------------------------------------------------------------------------------------


def test_pin_and_unpin(shop):
    key = shop.build(x=1)
    assert shop.json("pin", "lorenz")["pinned"] is True
    assert shop.json("show", "lorenz")["pinned"] is True
    assert shop.json("gc", "--max-size", "0", "--grace", "0")["entries"] == 0
    assert shop.json("unpin", key[:10])["pinned"] is False
    assert shop.json("unpin", key[:10])["pinned"] is False
    assert shop.json("status")["pinned"] == 0


def test_unpin_means_what_is_pinned(shop):
    key = shop.build(x=1)
    shop.build(x=2)
    shop.run("pin", key)
    assert shop.json("unpin", "lorenz")["key"] == key


def test_what_is_gone_can_be_unpinned(shop):
    key = shop.build(x=1)
    shop.run("pin", key)
    os.unlink(shop.path(key))
    assert shop.json("unpin", "lorenz")["key"] == key
    assert shop.json("status")["pinned"] == 0


# config, doctor ---------------------------------------------------------------------------------


def test_config_names_every_value_and_its_origin(shop, monkeypatch, home):
    monkeypatch.setenv("EMBERKEEP_MAX_AGE", "9d")
    os.makedirs(home / "config")
    (home / "config" / "config.toml").write_text('max_size = "3GiB"\n')
    found = shop.json("config")
    assert found["config_file"] == str(home / "config" / "config.toml")
    assert found["config_file_exists"] is True
    values = {name: (its["value"], its["origin"]) for name, its in found["settings"].items()}
    assert values["root"] == (shop.root, "an argument")
    assert values["max_age_s"] == (9 * 86400.0, "environment EMBERKEEP_MAX_AGE")
    assert values["max_size_bytes"][0] == 3 << 30
    assert values["max_size_bytes"][1].startswith("the config file")
    assert values["disabled"] == (False, "default")
    text = shop.run("config")[1]
    assert "3.0 GiB" in text
    assert "9.0 d" in text


def checks(shop):
    found = shop.json("doctor")
    return found["exit"], {check["name"]: check for check in found["checks"]}


def test_doctor_finds_all_well(shop):
    shop.build(x=1)
    code, found = checks(shop)
    assert code == 0
    assert {check["state"] for check in found.values()} <= {"ok", "warn"}
    for name in ("python", "root", "seal key", "locks", "rename", "clock", "round trip", "layout"):
        assert found[name]["state"] == "ok", found[name]
    assert {"numba", "numba-cuda", "jax", "rich", "free space"} <= set(found)
    assert len(shop.json("ls")["entries"]) == 1
    assert os.listdir(os.path.join(shop.root, "temporary")) == []


def test_doctor_makes_no_keep_where_there_is_none(shop, home):
    code, found = checks(shop)
    assert (code, found["round trip"]["state"]) == (0, "ok")
    assert os.listdir(os.path.dirname(shop.root)) == []


def test_doctor_finds_a_seal_key_that_others_can_read(shop, home):
    shop.build(x=1)
    os.chmod(home / "config" / "seal.key", 0o644)
    code, found = checks(shop)
    assert (code, found["seal key"]["state"]) == (1, "bad")
    assert "Remove it" in found["seal key"]["remedy"]
    code, out, _ = shop.run("doctor")
    assert code == 1
    assert "bad: seal key: Remove it" in out


def test_doctor_finds_a_torn_seal_key(shop, home):
    os.makedirs(home / "config")
    (home / "config" / "seal.key").write_bytes(b"short")
    (home / "config" / "seal.key").chmod(0o600)
    assert "has 5 bytes" in checks(shop)[1]["seal key"]["detail"]


def test_doctor_finds_a_root_that_others_can_write(shop):
    shop.build(x=1)
    os.chmod(shop.root, 0o777)
    code, found = checks(shop)
    assert (code, found["root"]["state"]) == (0, "warn")
    assert found["root"]["remedy"].startswith("chmod 700")


def test_doctor_finds_a_root_that_is_a_file(shop):
    with open(shop.root, "wb"):
        pass
    code, found = checks(shop)
    assert (code, found["root"]["state"]) == (1, "bad")


def test_doctor_finds_an_unknown_layout(shop):
    os.makedirs(shop.root)
    with open(os.path.join(shop.root, "format"), "wb") as file:
        file.write(b"emberkeep 2\n")
    code, found = checks(shop)
    assert (code, found["layout"]["state"]) == (1, "bad")


def test_doctor_finds_a_full_file_system(shop, monkeypatch):
    real = os.statvfs

    def full(path):
        facts = list(real(path))
        facts[4] = 0  # f_bavail
        return os.statvfs_result(facts)

    monkeypatch.setattr(os, "statvfs", full)
    code, found = checks(shop)
    assert (code, found["free space"]["state"]) == (1, "bad")


def test_doctor_finds_a_file_system_without_locks(shop, monkeypatch):
    import fcntl

    def refuse(descriptor, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert checks(shop)[1]["locks"]["state"] == "warn"
    monkeypatch.setattr(fcntl, "flock", lambda descriptor, how: None)
    assert "locks nothing" in checks(shop)[1]["locks"]["detail"]


def test_doctor_finds_a_clock_that_is_off(shop, monkeypatch):
    from emberkeep.cli.health import place

    now = time.time()
    monkeypatch.setattr(place.time, "time", lambda: now - 7200)
    assert checks(shop)[1]["clock"]["state"] == "warn"


def test_doctor_without_a_home(capsys, monkeypatch):
    for name in ("EMBERKEEP_CONFIG_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "nowhere")
    assert main(["doctor"]) == 1
    assert "no home" in capsys.readouterr().out
    assert main(["status"]) == 4
    assert "--root" in capsys.readouterr().err


# All of them ------------------------------------------------------------------------------------


CHANGES = [
    ("repair",),
    ("gc",),
    ("clear", "--yes"),
    ("pin", "lorenz"),
    ("unpin", "lorenz"),
    ("zero-stats",),
]


@pytest.mark.parametrize("arguments", CHANGES, ids=lambda arguments: arguments[0])
def test_a_keep_that_is_only_read_is_not_changed(shop, monkeypatch, arguments):
    shop.build(x=1)
    monkeypatch.setenv("EMBERKEEP_READ_ONLY", "1")
    code, _, err = shop.run(*arguments)
    assert code == 4
    assert "environment EMBERKEEP_READ_ONLY" in err
    assert len(shop.json("ls")["entries"]) == 1


LOOKS = [("status",), ("ls",), ("show", "x"), ("why", "x"), ("verify",), *CHANGES]


@pytest.mark.parametrize("arguments", LOOKS, ids=lambda arguments: arguments[0])
def test_an_unknown_layout_is_one_line_and_an_exit_code(shop, arguments):
    key = shop.build(x=1)
    with open(os.path.join(shop.root, "format"), "wb") as file:
        file.write(b"emberkeep 2\n")
    code, out, err = shop.run(*arguments)
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert err.startswith("emberkeep: ")
    assert os.path.exists(shop.path(key))


def test_wrong_usage(shop, capsys):
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().err
    assert main(["nonsense"]) == 2
    assert main(["show"]) == 2
    assert main(["ls", "--max-size", "1"]) == 2
    assert main(["--version"]) == 0
    assert emberkeep.__version__ in capsys.readouterr().out


def test_a_setting_that_cannot_be_is_wrong_usage(shop, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_MAX_SIZE", "lots")
    code, _, err = shop.run("status")
    assert (code, err.count("\n")) == (2, 1)
    assert "EMBERKEEP_MAX_SIZE" in err


@pytest.mark.parametrize(
    ("problem", "code"), [(OSError(5, "I/O error"), 4), (KeyboardInterrupt(), 130)]
)
def test_trouble_is_one_line(shop, monkeypatch, problem, code):
    def fail(*_):
        raise problem

    monkeypatch.setattr("emberkeep.cli.commands.status.usage", fail)
    got, _, err = shop.run("status")
    assert (got, err.count("\n")) == (code, 1)


def test_global_options_stand_before_or_after_the_command(shop, capsys):
    shop.build(x=1)
    assert main(["--root", shop.root, "--format", "json", "ls"]) == 0
    before = capsys.readouterr().out
    assert main(["ls", "--root", shop.root, "--format", "json"]) == 0
    assert capsys.readouterr().out == before
    assert '"lorenz"' in before


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name, capsys):
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    examples = out[out.index("examples:") :]
    assert f"emberkeep {name}" in examples
    for option in ("--root", "--format"):
        assert option in out


def test_every_command_is_documented():
    path = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "command-line.md")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    parser = build_parser()
    for name, command in parser.commands.items():
        assert f"`emberkeep {name}" in text, name
        command.load()
        for action in command.listed:
            for flag in action.option_strings:
                if flag not in ("-h", "--help"):
                    assert f"`{flag}" in text, (name, flag)
