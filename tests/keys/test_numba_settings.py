import hashlib
import json
import os
import subprocess
import sys

import pytest

from emberkeep.keys.numba_settings import CONFIG_FILE, IGNORED, numba_settings

MATTERING = [
    "NUMBA_BOUNDSCHECK",
    "NUMBA_CPU_FEATURES",
    "NUMBA_CPU_NAME",
    "NUMBA_CUDA_DEBUGINFO",
    "NUMBA_CUDA_ENABLE_NRT",
    "NUMBA_DEBUGINFO",
    "NUMBA_DEBUG_JIT",
    "NUMBA_DEBUG_NRT",
    "NUMBA_DEVELOPER_MODE",
    "NUMBA_DIFF_IR",
    "NUMBA_DISABLE_INTEL_SVML",
    "NUMBA_DISABLE_JIT",
    "NUMBA_ENABLE_AVX",
    "NUMBA_ENABLE_PROFILING",
    "NUMBA_FORCE_CUDA_CC",
    "NUMBA_FULL_TRACEBACKS",
    "NUMBA_GDB_BINARY",
    "NUMBA_LLVM_REFPRUNE_FLAGS",
    "NUMBA_LLVM_REFPRUNE_PASS",
    "NUMBA_LOOP_VECTORIZE",
    "NUMBA_OPT",
    "NUMBA_PARFOR_MAX_TUPLE_SIZE",
    "NUMBA_SLP_VECTORIZE",
    "NUMBA_WHATEVER_A_LATER_VERSION_BRINGS",
    "VS_PROFILER",
]


@pytest.fixture(autouse=True)
def plain(tmp_path, monkeypatch):
    """No setting but those of the test, in a folder without a configuration file."""
    for name in list(os.environ):
        if name.startswith("NUMBA_") or name == "VS_PROFILER":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    # numba may have been imported by another test: what it holds is tested in processes of its own.
    monkeypatch.delitem(sys.modules, "numba.core.config", raising=False)
    return tmp_path


def in_a_process(code, **environment):
    """What numba_settings gives at the end of a program of its own."""
    program = f"import os, sys\n{code}\nfrom emberkeep.keys.numba_settings import numba_settings\n"
    program += "result = numba_settings()\nimport json\nprint(json.dumps(dict(result)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


class TestEnvironment:
    def test_nothing_set(self):
        assert numba_settings() == {}

    @pytest.mark.parametrize("name", MATTERING)
    def test_what_matters_changes_the_result(self, monkeypatch, name):
        monkeypatch.setenv(name, "1")
        assert list(numba_settings()) == [name]

    @pytest.mark.parametrize("name", sorted(IGNORED))
    def test_what_cannot_change_code_does_not(self, monkeypatch, name):
        monkeypatch.setenv(name, "1")
        assert numba_settings() == {}

    def test_another_value_is_another_setting(self, monkeypatch):
        monkeypatch.setenv("NUMBA_OPT", "1")
        before = numba_settings()
        monkeypatch.setenv("NUMBA_OPT", "2")
        assert numba_settings() != before

    def test_sorted(self, monkeypatch):
        for name in ("NUMBA_OPT", "NUMBA_BOUNDSCHECK", "NUMBA_CPU_NAME"):
            monkeypatch.setenv(name, "0")
        assert list(numba_settings()) == ["NUMBA_BOUNDSCHECK", "NUMBA_CPU_NAME", "NUMBA_OPT"]

    def test_the_ignored_names_are_numbas(self):
        """A name that numba no longer reads is a name that nobody has looked at lately."""
        import importlib.util
        from pathlib import Path

        folder = Path(importlib.util.find_spec("numba").submodule_search_locations[0])
        text = (folder / "core" / "config.py").read_text()
        text += (folder / "core" / "errors.py").read_text()
        of_numba_cuda = {"NUMBA_CUDA_TEST_BIN_DIR", "NUMBA_CUDA_TEST_WHEEL_ONLY"}
        assert [name for name in sorted(IGNORED - of_numba_cuda) if name not in text] == []


class TestConfigurationFile:
    @pytest.fixture(autouse=True)
    def _yaml(self):
        pytest.importorskip("yaml", reason="numba reads the file only where PyYAML is installed")

    def write(self, folder, text):
        (folder / CONFIG_FILE).write_text(text)

    def test_its_settings_count(self, plain):
        self.write(plain, "opt: '0'\nboundscheck: 1\ncache_dir: /somewhere\n")
        assert numba_settings() == {"NUMBA_BOUNDSCHECK": "int: 1", "NUMBA_OPT": "0"}

    def test_the_environment_wins(self, plain, monkeypatch):
        self.write(plain, "opt: '0'\n")
        monkeypatch.setenv("NUMBA_OPT", "2")
        assert numba_settings() == {"NUMBA_OPT": "2"}

    def test_numbers_are_not_texts_for_numba(self, plain):
        self.write(plain, "opt: '0'\n")
        text = numba_settings()
        self.write(plain, "opt: 0\n")
        assert numba_settings() != text

    def test_a_null_is_no_setting(self, plain):
        self.write(plain, "opt:\n")
        assert numba_settings() == {}

    def test_an_empty_file_and_a_comment_are_none(self, plain):
        self.write(plain, "# nothing\n")
        assert numba_settings() == {}

    @pytest.mark.parametrize("text", ["opt: [", "- a list", "just text", "1: 2", "opt: \x00"])
    def test_one_that_cannot_be_parsed_counts_by_its_bytes(self, plain, text):
        self.write(plain, text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        assert numba_settings() == {CONFIG_FILE: f"sha256:{digest}"}

    def test_only_the_working_directorys(self, plain, monkeypatch):
        self.write(plain, "opt: '0'\n")
        (plain / "sub").mkdir()
        monkeypatch.chdir(plain / "sub")
        assert numba_settings() == {}

    def test_without_pyyaml_numba_reads_no_file(self, plain, monkeypatch):
        self.write(plain, "opt: '1'\n# not parsed before\n")
        monkeypatch.setitem(sys.modules, "yaml", None)
        assert numba_settings() == {}


class TestImportedNumba:
    def test_importing_it_changes_nothing(self):
        assert in_a_process("import numba") == {}
        assert in_a_process("import numba", NUMBA_OPT="1") == {"NUMBA_OPT": "1"}

    def test_nor_does_compiling(self):
        code = "import numba\nnumba.njit(lambda x: x)(1)"
        assert in_a_process(code) == {}

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ("OPT = 0", {"numba.config.OPT": "0"}),
            ("USING_SVML = False", {}),
            ("BOUNDSCHECK = 1", {"numba.config.BOUNDSCHECK": "1"}),
            ("CPU_NAME = 'generic'", {"numba.config.CPU_NAME": "'generic'"}),
            ("ENABLE_AVX = 7", {"numba.config.ENABLE_AVX": "7"}),
            ("CACHE_DIR = '/x'", {}),
            ("DUMP_LLVM = 1", {}),
            ("HTML = '/x'", {}),
            ("NUMBA_NUM_THREADS = 1", {}),
        ],
    )
    def test_what_a_program_sets_is_seen(self, change, expected):
        assert in_a_process(f"import numba\nnumba.config.{change}") == expected

    def test_equal_as_numbers_but_not_for_numba(self):
        # NUMBA_OPT=max is a 3 that asks for more.
        code = "import numba\nnumba.config.OPT = numba.config._OptLevel('max')"
        assert in_a_process(code) == {"numba.config.OPT": "_OptLevel('max')"}

    def test_a_changed_environment_wins_as_numba_reads_it_anew(self):
        code = (
            "import numba\nnumba.config.BOUNDSCHECK = 0\nos.environ['NUMBA_LOOP_VECTORIZE'] = '0'"
        )
        assert in_a_process(code) == {"NUMBA_LOOP_VECTORIZE": "0"}
        compiled = f"{code}\nnumba.njit(lambda x: x)(1)\nassert numba.config.BOUNDSCHECK is None"
        assert in_a_process(compiled) == {"NUMBA_LOOP_VECTORIZE": "0"}

    def test_numba_cudas_own_default_is_no_setting_of_the_program(self):
        code = "import numba, types\nsys.modules['numba.cuda'] = types.SimpleNamespace("
        code += "numba_cuda_default_ptx_cc=(7, 5))\nnumba.config.CUDA_DEFAULT_PTX_CC = (7, 5)"
        assert in_a_process(code) == {}
        assert "numba.config.CUDA_DEFAULT_PTX_CC" in in_a_process(
            code.replace("= (7, 5)", "= (8, 0)")
        )

    def test_a_value_that_numba_warns_about_warns_nobody_again(self):
        code = "import warnings; warnings.simplefilter('ignore'); import numba\n"
        code += "warnings.simplefilter('error')"
        assert in_a_process(code, NUMBA_OPT="bogus") == {"NUMBA_OPT": "bogus"}

    @pytest.mark.parametrize("value", ["True", "False"])
    def test_what_numba_cuda_adds_is_no_setting_of_the_program(self, value):
        code = f"import numba\nnumba.config.CUDA_ENABLE_NRT = {value}"
        expected = {"numba.config.CUDA_ENABLE_NRT": "True"} if value == "True" else {}
        assert in_a_process(code) == expected

    def test_numba_cuda_that_missed_its_variable(self):
        code = "import numba\nnumba.config.CUDA_ENABLE_NRT = False"
        found = in_a_process(code, NUMBA_CUDA_ENABLE_NRT="1")
        assert found["numba.config.CUDA_ENABLE_NRT"] == "False"


LOOK = "from emberkeep.keys.numba_settings import numba_settings\n"
MAKE = "import numba\nnumba.njit(lambda x: x)(1)\n"


class TestCodeGenerator:
    """numba makes one per process, at the first decorator: later settings reach it in part."""

    def test_a_setting_before_it_is_made_is_just_a_setting(self):
        before = "os.environ['NUMBA_OPT'] = '1'\n"
        assert in_a_process(before + MAKE) == {"NUMBA_OPT": "1"}
        assert in_a_process(before + LOOK + "numba_settings()\n" + MAKE) == {"NUMBA_OPT": "1"}

    def test_a_setting_that_comes_too_late_is_keyed_as_such(self):
        code = LOOK + "numba_settings()\n" + MAKE + "numba_settings()\n"
        found = in_a_process(code + "os.environ['NUMBA_CPU_NAME'] = 'generic'")
        assert "CPU_NAME=None" in found["numba's code generator"]
        assert found["NUMBA_CPU_NAME"] == "generic"

    def test_one_that_is_read_each_time_is_not(self):
        code = LOOK + MAKE + "numba_settings()\nos.environ['NUMBA_BOUNDSCHECK'] = '1'"
        assert in_a_process(code) == {"NUMBA_BOUNDSCHECK": "1"}

    def test_back_again_is_as_before(self):
        code = LOOK + "numba_settings()\n" + MAKE + "numba_settings()\n"
        code += "os.environ['NUMBA_OPT'] = '1'\nassert len(numba_settings()) == 2\n"
        assert in_a_process(code + "del os.environ['NUMBA_OPT']") == {}

    def test_a_change_somewhere_around_its_making_agrees_with_no_other_key(self):
        code = LOOK + "numba_settings()\nos.environ['NUMBA_OPT'] = '1'\n" + MAKE
        one, two = in_a_process(code), in_a_process(code)
        assert one["numba's code generator"].startswith("unknown")
        assert one != two
