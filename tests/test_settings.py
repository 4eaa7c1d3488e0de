"""Settings: later places win, each value knows its origin, and mistakes are told."""

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberkeep import InvalidSetting, Keep
from emberkeep import settings as settings_module
from emberkeep.settings import (
    DAY_S,
    FIELDS,
    GIB,
    MIB,
    Place,
    find_config_dir,
    load,
    parse_duration,
    parse_size,
)

# Each field: its default, then what the file, the environment and an argument say.
CASES = {
    "root": ("/home/of/somebody/.cache/emberkeep", "/file", "/environment", "/argument"),
    "disabled": (False, True, True, True),
    "read_only": (False, True, True, True),
    "memory_size_bytes": (256 * MIB, 1, 2, 3),
    "max_size_bytes": (10 * GIB, 1, 2, 3),
    "max_age_s": (180 * DAY_S, DAY_S, 2 * DAY_S, 3 * DAY_S),
    "max_wait_s": (600.0, 1.0, 120.0, 0.5),
    "verbosity": ("none", "default", "verbose", "debug"),
    "notices": ("auto", "on", "off", "auto"),
    "shared": (
        (),
        (Place("/file", read_only=True),),
        (
            Place("/one", "warn", deadline_s=2.0, max_size_bytes=2000, max_age_s=3 * DAY_S),
            Place("/two", details=False),
        ),
        (Place("/argument"),),
    ),
    "strategy": ("layered", "local", "shared", "layered"),
    "toolchain": (None, "pinned", "3f", "40"),
    "signing_key": ("default", "one", "two", "three"),
}
TEXTS = {  # how the file, the environment and an argument spell the values above
    "root": ("'/file'", "/environment", "/argument"),
    "disabled": ("true", "1", True),
    "read_only": ("'yes'", "on", "True"),
    "memory_size_bytes": ("1", "2", 3),
    "max_size_bytes": ("'1 B'", "2b", "3"),
    "max_age_s": ("1", "2d", "72h"),
    "max_wait_s": ("1", "2m", 0.5),
    "verbosity": ("'default'", " Verbose ", "DEBUG"),
    "notices": ("true", " Off", "AUTO"),
    "shared": (
        "[{path = '/file', read_only = true}]",
        "/one?policy=warn&deadline_s=2&max_size=2KB&max_age=3d, /two?details=no",
        ["/argument"],
    ),
    "strategy": ("'Local'", "shared", "layered"),
    "toolchain": ("'pinned'", "3f", "40"),
    "signing_key": ("'one'", "two", "three"),
}
BY_NAME = {field.name: field for field in FIELDS}


@pytest.fixture
def environ(tmp_path):
    """Of somebody who has set nothing."""
    return {"HOME": "/home/of/somebody", "EMBERKEEP_CONFIG_DIR": str(tmp_path)}


@pytest.fixture
def write_config(tmp_path):
    def write(text):
        path = tmp_path / "config.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_every_field_has_a_case():
    assert set(CASES) == set(TEXTS) == set(BY_NAME) == set(load({}).origins)


@pytest.mark.parametrize("name", CASES)
def test_the_default(name, environ):
    settings = load({}, environ)
    assert getattr(settings, name) == CASES[name][0]
    assert settings.origins[name] == "default"


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("places", [(1,), (2,), (3,), (1, 2), (1, 3), (2, 3), (1, 2, 3)])
def test_later_places_win(name, places, environ, write_config):
    field, arguments, origins = BY_NAME[name], {}, {}
    if 1 in places:
        path = write_config(f"{field.option} = {TEXTS[name][0]}")
        origins[1] = f"the config file {path}"
    if 2 in places:
        environ[field.variable] = TEXTS[name][1]
        origins[2] = f"environment {field.variable}"
    if 3 in places:
        arguments[name] = TEXTS[name][2]
        origins[3] = "an argument"
    settings = load(arguments, environ)
    assert getattr(settings, name) == CASES[name][max(places)]
    assert settings.origins[name] == origins[max(places)]
    others = set(CASES) - {name}
    assert {settings.origins[other] for other in others} == {"default"}


@pytest.mark.parametrize("name", ["disabled", "read_only"])
def test_a_stronger_no_beats_a_weaker_yes(name, environ, write_config):
    field = BY_NAME[name]
    write_config(f"{field.option} = true")
    environ[field.variable] = "0"
    assert getattr(load({}, environ), name) is False
    environ[field.variable] = "1"
    assert getattr(load({name: False}, environ), name) is False


def test_an_argument_that_is_none_was_not_given(environ):
    environ["EMBERKEEP_MEMORY_SIZE"] = "7"
    settings = load(dict.fromkeys(CASES), environ)
    assert settings.memory_size_bytes == 7
    assert "an argument" not in settings.origins.values()


def test_the_environment_of_the_process_is_the_default(monkeypatch):
    monkeypatch.setenv("EMBERKEEP_MAX_AGE", "5")
    assert load({}).max_age_s == 5 * DAY_S


def test_a_keep_reads_it_when_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "one"))
    keep = Keep()
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "two"))
    assert keep.settings.root == str(tmp_path / "one")
    assert Keep().settings.root == str(tmp_path / "two")


# Mistakes -------------------------------------------------------------------------------------


def test_an_unknown_name_in_the_file(environ, write_config):
    path = write_config("memry_size = 1")
    with pytest.raises(InvalidSetting, match="Did you mean 'memory_size'") as caught:
        load({}, environ)
    assert f"the config file {path}" in str(caught.value)
    assert "'memry_size'" in str(caught.value)


def test_an_unknown_name_in_the_environment(environ):
    environ["EMBERKEEP_MAXSIZE"] = "1"
    with pytest.raises(InvalidSetting, match="Did you mean 'EMBERKEEP_MAX_SIZE'") as caught:
        load({}, environ)
    assert "stands in the environment" in str(caught.value)


def test_an_unknown_argument(environ):
    with pytest.raises(InvalidSetting, match="Did you mean 'disabled'"):
        load({"disable": True}, environ)


def test_a_name_that_is_like_no_other_lists_all(environ, write_config):
    write_config("[zzzzzz]\nx = 1")
    with pytest.raises(InvalidSetting, match="Known are: dir, disable, max_age"):
        load({}, environ)


def test_names_of_others_are_not_looked_at(environ):
    environ |= {"EMBERKEEPER_DIR": "x", "MY_EMBERKEEP_DIR": "y", "NUMBA_CACHE_DIR": "z"}
    assert load({}, environ).root == CASES["root"][0]


BAD = {
    "root": ["", "a\0b", 1, [], b"bytes"[0]],
    "disabled": ["maybe", 2, "01", []],
    "read_only": ["ja", 0.5],
    "memory_size_bytes": [
        "",
        "-1",
        -1,
        "10 XB",
        "ten",
        "1 2",
        True,
        "nan",
        "inf",
        "1e99",
        "10K",
        [],
    ],
    "max_size_bytes": ["GB", ".", "0x10", None.__class__],
    "max_age_s": ["-1d", "1y", "soon", "nan", "d"],
    "max_wait_s": ["-1", "soon", "nan"],
    "verbosity": ["loud", "", 1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD for value in BAD[name]])
def test_a_value_that_cannot_be(name, value, environ):
    with pytest.raises(InvalidSetting) as caught:
        load({name: value}, environ)
    text = str(caught.value)
    assert repr(value) in text  # what was wrong, where, and what was expected
    assert f"{name!r} in an argument" in text
    assert BY_NAME[name].expected in text


def test_a_bad_value_names_where_it_stands(environ, write_config):
    path = write_config("max_size = 'huge'")
    with pytest.raises(InvalidSetting, match=f"'max_size' in the config file {path} is 'huge'"):
        load({}, environ)
    write_config("")
    environ["EMBERKEEP_MAX_SIZE"] = "huge"
    with pytest.raises(InvalidSetting, match="'EMBERKEEP_MAX_SIZE' in the environment is 'huge'"):
        load({}, environ)


@pytest.mark.parametrize("name", ["root", "shared"])
@pytest.mark.parametrize(
    "address",
    ["s3://bucket/keep", "gs://bucket", "az://container/keep", "https://host/keep", "file:///keep"],
)
def test_an_address_that_nobody_serves_becomes_no_folder(name, address, environ, tmp_path):
    for value in (address, PurePosixPath(address)):
        with pytest.raises(InvalidSetting, match="Known are folders") as caught:
            load({name: value}, environ)
        assert repr(address.partition(":")[0]) in str(caught.value)
        assert f"{name!r} in an argument" in str(caught.value)
    scheme = address.partition(":")[0]
    assert load({name: f"./{scheme}:/keep"}, environ)  # one that is really called so


def test_a_drive_is_no_scheme(environ):
    assert load({"root": "c:/keep"}, environ).root.endswith("c:/keep")


@pytest.mark.parametrize("text", ["dir = ", "a b c", "[", "dir = 1\ndir = 2", b"\xff\xfe"])
def test_a_config_file_that_is_not_toml(environ, write_config, text):
    path = write_config(text)
    with pytest.raises(InvalidSetting, match="is not TOML") as caught:
        load({}, environ)
    assert path in str(caught.value)


def test_a_config_file_that_cannot_be_read(environ, tmp_path):
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(InvalidSetting, match="cannot be read: Is a directory"):
        load({}, environ)


def test_an_empty_config_file_says_nothing(environ, write_config):
    write_config("# nothing yet\n")
    assert set(load({}, environ).origins.values()) == {"default"}


def test_a_config_file_in_the_current_folder_is_not_read(environ, tmp_path, monkeypatch):
    """A cloned repository must not bring its own keep."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("config.toml", "emberkeep.toml", ".emberkeep.toml"):
        (project / name).write_text("dir = '/evil'")
    (project / "pyproject.toml").write_text("[tool.emberkeep]\ndir = '/evil'")
    monkeypatch.chdir(project)
    assert load({}, environ).root == CASES["root"][0]


# Values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (0, 0),
        (1000, 1000),
        ("2_000_000", 2_000_000),
        ("500 MB", 500_000_000),
        ("500mb", 500_000_000),
        ("10GiB", 10 * GIB),
        (" 1.5 KiB ", 1536),
        ("1e3", 1000),
        ("1e3 kB", 1_000_000),
        ("3 b", 3),
        ("1TB", 10**12),
        ("1TiB", 2**40),
        (2.9, 2),
        ("0", 0),
    ],
)
def test_sizes(text, expected):
    assert parse_size(text) == expected
    assert type(parse_size(text)) is int


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (30, 30 * DAY_S),
        ("30", 30 * DAY_S),
        ("30d", 30 * DAY_S),
        ("12h", 43_200.0),
        ("90 m", 5400.0),
        ("45S", 45.0),
        ("2w", 14 * DAY_S),
        (0.5, 43_200.0),
        ("0", 0.0),
    ],
)
def test_durations(text, expected):
    assert parse_duration(text) == expected


@given(st.integers(0, 10**17))
def test_a_number_of_bytes_is_itself(number):
    assert abs(parse_size(number) - number) <= number * 2**-52
    assert parse_size(f"{number % 10**6} KiB") == number % 10**6 * 1024


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_refused(text):
    try:
        size = parse_size(text)
    except (ValueError, KeyError):
        return
    assert size >= 0


# Folders --------------------------------------------------------------------------------------


class PathLike:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


def test_anything_that_is_a_path_is_a_folder(environ, tmp_path):
    folder = tmp_path / "f"
    for value in (folder, str(folder), PathLike(str(folder))):
        assert load({"root": value}, environ).root == str(folder)


def test_folders_are_absolute_and_of_the_user(environ, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/of/somebody")
    assert load({"root": "a/../b"}, environ).root == str(tmp_path / "b")
    assert load({"root": "~/keep"}, environ).root == "/home/of/somebody/keep"
    environ["EMBERKEEP_CONFIG_DIR"] = "~/config"
    assert load({}, environ).config_dir == "/home/of/somebody/config"


def test_the_folder_of_the_configuration_has_no_setting_of_its_own(environ):
    environ["EMBERKEEP_CONFIG_DIR"] = "/there"
    settings = load({}, environ)
    assert settings.config_dir == "/there"
    assert "config_dir" not in settings.origins


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs is asked")


@needs_linux
@pytest.mark.parametrize("user", ["/home/of/somebody", "/home/of/somebody/", "/"])
@pytest.mark.parametrize("base", [None, "", "/else/where", "/else/where/"])
def test_folders_are_where_platformdirs_says(monkeypatch, user, base):
    monkeypatch.setenv("HOME", user)
    monkeypatch.delenv("EMBERKEEP_CONFIG_DIR")
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        if base is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, base)
    settings = load({})
    same = os.path.normpath
    assert same(settings.root) == same(platformdirs.user_cache_dir("emberkeep", appauthor=False))
    expected = platformdirs.user_config_dir("emberkeep", appauthor=False)
    assert same(settings.config_dir) == same(expected)


@needs_linux
def test_elsewhere_platformdirs_is_asked(monkeypatch):
    monkeypatch.setattr(settings_module.sys, "platform", "darwin")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, **_: f"/Caches/{name}")
    assert load({}).root == "/Caches/emberkeep"


@needs_linux
def test_a_relative_base_counts_as_none():
    """As the XDG specification says: a keep must not follow the current folder."""
    environ = {"HOME": "/home/of/somebody", "XDG_CACHE_HOME": "here", "XDG_CONFIG_HOME": "here"}
    assert load({}, environ).root == CASES["root"][0]
    assert find_config_dir(environ) == "/home/of/somebody/.config/emberkeep"


@needs_linux
def test_without_a_home_in_the_environment_the_system_knows_it(monkeypatch):
    monkeypatch.delenv("HOME")
    known = os.path.expanduser("~")
    assert find_config_dir({}) == os.path.join(known, ".config", "emberkeep")


@needs_linux
def test_without_any_home_there_is_no_place(monkeypatch):
    monkeypatch.setattr(settings_module.os.path, "expanduser", lambda path: path)
    settings = load({}, {})
    assert (settings.root, settings.config_dir) == (None, None)
    assert settings.origins["root"] == "default"
    assert load({}, {"EMBERKEEP_DIR": "/there"}).root == "/there"


@needs_linux
def test_a_keep_without_any_home_builds_and_says_so(tmp_path):
    """In a process whose user has no entry and whose environment is empty."""
    program = """
import os, warnings
os.path.expanduser = lambda path: path
from emberkeep import Keep
keep = Keep()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found = [keep.get_or_build("t", "n", {"x": 1}, lambda: {"b": b"1"}) for _ in range(2)]
print([each.hit for each in found], keep.settings.root, len(caught))
print(any("EMBERKEEP_DIR" in str(each.message) for each in caught))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], env={}, cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.stderr == ""
    first, second = ran.stdout.splitlines()
    assert first.startswith("[False, True] None ")
    assert second == "True"
    assert os.listdir(tmp_path) == []


def test_documentation_is_built_beside_the_developers_own_keep(tmp_path):
    program = (
        "import runpy, os; runpy.run_path('docs/conf.py')\n"
        "from emberkeep import Keep\n"
        "keep = Keep(); keep.get_or_build('t', 'n', {}, lambda: {'a': b'1'})\n"
        "print(keep.settings.root)"
    )
    environment = {**os.environ, "EMBERKEEP_DIR": str(tmp_path / "own")}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[1],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "emberkeep-docs-" in ran.stdout
    assert not (tmp_path / "own").exists()
    assert not os.path.exists(ran.stdout.strip())


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 900, "a = " + "[" * 100_000, "max_size = " + "9" * 5000]
)
def test_a_config_file_of_any_depth_is_refused_in_words(home, text):
    config = home / "config"
    config.mkdir()
    (config / "config.toml").write_text(text)
    with pytest.raises(InvalidSetting, match="is not TOML"):
        settings_module.load({})
