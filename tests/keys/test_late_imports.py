"""Libraries that a function imports by itself: by version, loaded or not, unless replaced."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
{before}
def f(x):
    {statement}
    return {expression}
from emberkeep import fingerprint
key = fingerprint(f)
print(key.digest, "{library}" in sys.modules)
"""

FORMS = {
    "import as": ("import numpy as np", "np.sin(x) + np.inf"),
    "import": ("import numpy", "numpy.linalg.norm(x)"),
    "from": ("from numpy.linalg import norm", "norm(x)"),
    "submodule": ("import numpy.linalg as la", "la.norm(x)"),
}


def run(statement, expression, before="", library="numpy"):
    program = PROGRAM.format(
        statement=statement, expression=expression, before=before, library=library
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    digest, loaded = ran.stdout.split()
    return digest, loaded == "True"


@pytest.mark.parametrize(("statement", "expression"), FORMS.values(), ids=FORMS)
def test_whether_the_library_is_loaded_does_not_matter(statement, expression):
    cold, loaded_cold = run(statement, expression)
    warm, loaded_warm = run(statement, expression, before="import numpy")
    assert (loaded_cold, loaded_warm) == (False, True), "keying must not load the library"
    assert cold == warm


REPLACED = {
    "import as": "import numpy; numpy.sin = lambda x: x",
    "import": "import numpy; numpy.linalg.norm = lambda x: x",
    "from": "import numpy; numpy.linalg.norm = lambda x: x",
    "submodule": "import numpy; numpy.linalg.norm = lambda x: x",
}


@pytest.mark.parametrize("form", REPLACED)
def test_a_replaced_function_of_the_library_shows(form):
    assert run(*FORMS[form])[0] != run(*FORMS[form], before=REPLACED[form])[0]


def test_two_replacements_differ():
    one, two = (
        run(*FORMS["import as"], before=f"import numpy; numpy.sin = lambda x: {n}") for n in (1, 2)
    )
    assert one[0] != two[0]


def test_another_library_is_another_key():
    numpy, _ = run("from numpy import sin", "sin(x)")
    math, _ = run("from math import sin", "sin(x)")
    assert numpy != math


def test_a_library_that_is_not_there_is_refused():
    with pytest.raises(AssertionError, match="Unkeyable"):
        run("import no_such_library", "no_such_library.f(x)")
