"""State of modules: what outlives a call says what it holds, and no function rebinds a global."""

import ast
from pathlib import Path

import pytest

import emberkeep

ROOT = Path(emberkeep.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def is_empty_container(value):
    if isinstance(value, ast.Call):
        named = isinstance(value.func, ast.Name) and value.func.id in {"dict", "list", "set"}
        return named and not value.args
    return (isinstance(value, ast.List) and not value.elts) or (
        isinstance(value, ast.Dict) and not value.keys
    )


def unexplained(text):
    """Lines that make a container to be filled later, with no comment on them or above."""
    lines = ["", *text.splitlines()]
    for statement in ast.parse(text).body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            above, line = lines[statement.lineno - 1 : statement.lineno + 1]
            is_explained = "#" in line or above.startswith("#")
            if is_empty_container(statement.value) and not is_explained:
                yield line


@pytest.mark.parametrize("line", ["x = []", "x: dict[str, int] = {}", "\nx = set()", "x = dict()"])
def test_an_unexplained_container_is_seen(line):
    assert list(unexplained(line)) == [line.strip()]
    assert not list(unexplained(f"# What it holds.\n{line.strip()}"))


def test_what_modules_gather_says_what_it_is():
    found = {str(path.relative_to(ROOT)): list(unexplained(path.read_text())) for path in FILES}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_function_rebinds_a_global():
    """But in a forked child, where all is new."""
    found = [
        f"{path.relative_to(ROOT)}: {function.name}"
        for path in FILES
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef) and function.name != "_after_fork"
        for node in ast.walk(function)
        if isinstance(node, ast.Global)
    ]
    assert found == []
