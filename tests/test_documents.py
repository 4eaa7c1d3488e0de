"""What the documents for those who change emberkeep name, is there."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCE = CHECKOUT / "src" / "emberkeep"
DOCUMENTS = [
    CHECKOUT / "ARCHITECTURE.md",
    CHECKOUT / "CONTRIBUTING.md",
    *sorted((CHECKOUT / "docs" / "internals").glob("*.md")),
]
# Paths of this checkout: `store/protocol.Store`, `walk.py`, `ode/methods/`.
SLASHED = re.compile(r"(?<![\w/.<:*-])\.?[A-Za-z_][\w.-]*/[\w./-]*")
FILE = re.compile(r"(?<![\w/.-])[a-z_]\w*\.(?:py|md|ll|toml)\b")
DOTTED = re.compile(r"(?<![\w/.])emberkeep(?:\.\w+)+")
MADE = {"docs/_build/", ".test-keep/"}  # not in a fresh checkout


def _tracked():
    for top in ("src", "tests", "docs", "benchmarks", "changes", "examples", ".ci"):
        for path in (CHECKOUT / top).rglob("*"):
            if "__pycache__" not in path.parts and "_build" not in path.parts:
                yield f"/{path.relative_to(CHECKOUT)}{'/' * path.is_dir()}"
    for path in CHECKOUT.iterdir():
        yield f"/{path.name}{'/' * path.is_dir()}"


@pytest.fixture(scope="module")
def paths():
    return set(_tracked())


def exists(named, paths):
    """Whether a path, from anywhere in the checkout on, is one; `name.Attribute` must be in it."""
    if named in MADE or any(path.endswith((f"/{named}", f"/{named}/")) for path in paths):
        return True
    module, _, attribute = named.rpartition(".")
    for path in paths:
        if module and path.endswith((f"/{module}.py", f"/{module}/__init__.py")):
            text = (CHECKOUT / path[1:]).read_text()
            return re.search(rf"\b{re.escape(attribute)}\b", text) is not None
    return any(path.endswith(f"/{named}.py") for path in paths)


def is_importable(dotted):
    """Whether a dotted name is a module, or a name that its module speaks of."""
    parts = dotted.split(".")[1:]
    place = SOURCE
    for index, part in enumerate(parts):
        if (place / part).is_dir():
            place /= part
        elif (place / f"{part}.py").is_file():
            rest, text = parts[index + 1 :], (place / f"{part}.py").read_text()
            return not rest or re.search(rf"\b{rest[0]}\b", text) is not None
        else:
            return re.search(rf"\b{part}\b", (place / "__init__.py").read_text()) is not None
    return True


def named_in(document):
    text = re.sub(r"https?://\S+", "", document.read_text())
    for pattern in (SLASHED, FILE):
        for found in pattern.finditer(text):
            yield found[0].rstrip(".")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_is_named_is_there(document, paths):
    missing = sorted({named for named in named_in(document) if not exists(named, paths)})
    assert not missing, f"{document.name} names what is not there: {', '.join(missing)}"


FOR_USERS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", [*DOCUMENTS, *FOR_USERS], ids=lambda path: path.name)
def test_every_module_that_is_named_is_there(document):
    named = {found[0] for found in DOTTED.finditer(document.read_text())}
    missing = sorted(name for name in named if not is_importable(name))
    assert not missing, f"{document.name} names what is not there: {', '.join(missing)}"


def test_every_function_on_a_path_is_there():
    """Names in the paths of a hit, a solve and so on are spoken of in the source."""
    text = (CHECKOUT / "docs" / "internals" / "paths.md").read_text()
    source = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    words = set(re.findall(r"\w+", source))
    named = {
        part
        for quoted in re.findall(r"`([^`]+)`", text)
        for part in re.findall(r"[A-Za-z_]\w*", quoted)
    }
    assert named - words == set()
