"""Several Pythons share one keep: plain ingredients have one key in all of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KEYS = 10
VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def works(python):
    """Whether it is a Python at all: a shim may only say that it would be one."""
    try:
        done = subprocess.run([python, "-c", "1"], capture_output=True, check=False, timeout=20)
    except OSError:
        return False
    return done.returncode == 0


def find_pythons():
    """The Pythons on PATH, and those that pyenv's shims there stand for."""
    found = {}
    for folder in map(Path, os.environ["PATH"].split(os.pathsep)):
        places = [folder]
        if folder.name == "shims":
            places = sorted(folder.parent.glob("versions/*/bin"))
        for place in places:
            for version in VERSIONS:
                python = place / f"python{version}"
                if version not in found and python.exists() and works(python):
                    found[version] = python
    found[".".join(map(str, sys.version_info[:2]))] = Path(sys.executable)
    return found


def test_several_pythons_share_one_keep(start, tmp_path, report):
    pythons = find_pythons()
    if len(pythons) < 2:
        pytest.skip(f"only Python {', '.join(pythons)} is here")
    for turn in range(2):  # one after the other, then all at once
        root = tmp_path / f"keep-{turn}"
        running, told = [], []
        for python in pythons.values():
            running.append(start("one_version", root, KEYS, python=python))
            if turn == 0:
                running[-1].wait(60)
        for process in running:
            output, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
            assert not errors, errors
            told.append(json.loads(output))
        assert sum(one["built"] for one in told) == KEYS
        assert not any(one["warned"] for one in told), told
        if turn == 0:
            assert [one["built"] for one in told] == [KEYS, *[0] * (len(pythons) - 1)]
    report(pythons=len(pythons), versions=" ".join(sorted(pythons)), builds=KEYS)
