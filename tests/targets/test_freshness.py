"""What was redefined since a kernel was compiled runs as it is now."""

import multiprocessing
import sys
import textwrap
import threading
import types

import numpy as np
import pytest

import emberkeep
from emberkeep.errors import InvalidKernel, StoreWarning, ToolchainWarning

DEFINITIONS = """
import numpy as np
import emberkeep

FACTOR = 1.0
TABLE = np.array([0.0, 10.0])
PARTS = (1.0, [2.0])

class Method:
    def apply(x):
        return x
    apply = staticmethod(apply)

def helper(x, by=1.0):
    return FACTOR * x * by + TABLE[0]

def maker(offset):
    def shifted(x):
        return x + offset
    def change(new):
        nonlocal offset
        offset = new
    return shifted, change

shifted, change = maker(0.0)

@emberkeep.kernel("float64[::1], float64[::1]", keep=KEEP, threads=1)
def run(i, x, out):
    out[i] = shifted(helper(x[i]))

def current():
    out = np.zeros(1)
    run(np.ones(1), out, count=1)
    return float(out[0])
"""


@pytest.fixture
def notebook(tmp_path):
    """A namespace in which cells are run, as in a notebook."""
    space = {"__name__": "__main__", "KEEP": emberkeep.Keep(tmp_path)}
    exec(DEFINITIONS, space)
    assert space["current"]() == 1.0
    assert space["current"]() == 1.0
    return space


def test_each_redefinition_counts_at_the_next_call(notebook):
    cells = {
        "def helper(x, by=1.0):\n    return 3.0 * x * by": 3.0,
        "def helper(x, by=2.0):\n    return FACTOR * x * by + TABLE[0]": 2.0,
        "FACTOR = 4.0": 8.0,
        "TABLE[0] = 100.0": 108.0,
        "helper.__defaults__ = (1.0,)": 104.0,
        "change(1000.0)": 1104.0,
        "helper.__code__ = (lambda x, by: 5.0).__code__": 1005.0,
        "run.function.__code__ = (lambda i, x, out: out.__setitem__(i, 0.5)).__code__": 0.5,
    }
    for cell, result in list(cells.items())[:-1]:
        exec(cell, notebook)
        assert notebook["current"]() == result, cell


def test_the_same_key_goes_on_with_what_is_loaded(notebook):
    before = notebook["run"]._only
    exec("def helper(x, by=1.0):\n    return FACTOR * x * by + TABLE[0]", notebook)
    assert notebook["current"]() == 1.0
    assert notebook["run"]._only is not before
    assert notebook["run"]._only[1] is before[1]


def test_a_kernel_that_is_not_declared_and_one_that_is_bound_ask_too(notebook):
    exec(
        textwrap.dedent("""
        @emberkeep.kernel(keep=KEEP, threads=1)
        def run(i, x, out):
            out[i] = helper(x[i])
        """),
        notebook,
    )
    assert notebook["current"]() == 1.0
    exec("def helper(x):\n    return 2.0 * x", notebook)
    assert notebook["current"]() == 2.0
    out = np.zeros(1)
    bound = notebook["run"].bind(np.ones(1), out, count=1)
    exec("def helper(x):\n    return 3.0 * x", notebook)
    bound()
    assert out[0] == 2.0, "what is bound stays, as the docs say"
    notebook["run"].bind(np.ones(1), out, count=1)()
    assert out[0] == 3.0


def test_a_kernel_without_a_key_is_compiled_again_too(tmp_path):
    module = types.ModuleType("users_module_of_freshness")
    exec("def helper(x):\n    return x", vars(module))

    @emberkeep.kernel("float64[::1]", keep=emberkeep.Keep(tmp_path), threads=1)
    def run(i, out):
        out[i] = module.helper(1.0)

    out = np.zeros(1)
    with pytest.warns(StoreWarning, match="not kept"):
        run(out, count=1)
    assert out[0] == 1.0
    module.helper.__code__ = (lambda x: 3.0).__code__
    with pytest.warns(StoreWarning, match="not kept"):
        run(out, count=1)
    assert out[0] == 3.0


def test_what_changes_while_it_is_compiled_is_not_kept_under_the_old_key(notebook, monkeypatch):
    from emberkeep.targets.cpu.target import CpuTarget

    compile_it = CpuTarget.compile
    compiled = []

    def slow(self, source):
        if not compiled:  # another thread runs a cell meanwhile
            exec("def helper(x, by=1.0):\n    return 9.0 * x", notebook)
        compiled.append(source)
        return compile_it(self, source)

    monkeypatch.setattr(CpuTarget, "compile", slow)
    exec("FACTOR = 5.0", notebook)
    with pytest.warns(ToolchainWarning, match="redefined or changed while it was compiled"):
        assert notebook["current"]() == 9.0
    exec("def helper(x, by=1.0):\n    return FACTOR * x * by + TABLE[0]", notebook)
    assert notebook["current"]() == 5.0, "nothing was kept under the key of what was meant first"


def test_threads_that_call_while_another_redefines(notebook):
    seen, problems, done = set(), [], threading.Event()
    for value in range(2, 5):  # compiled beforehand, to be quick
        notebook["FACTOR"] = float(value)
        notebook["current"]()

    def call():
        try:
            while not done.is_set():
                seen.add(notebook["current"]())
        except Exception as problem:  # noqa: BLE001 - told below
            problems.append(problem)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for round_ in range(30):
        notebook["FACTOR"] = value = float(2 + round_ % 3)
        assert notebook["current"]() == value
    done.set()
    for thread in threads:
        thread.join()
    assert not problems
    assert seen <= {2.0, 3.0, 4.0}


def test_a_forked_child_redefines_for_itself(notebook):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def child():
        notebook["FACTOR"] = 6.0
        queue.put(notebook["current"]())

    process = context.Process(target=child)
    process.start()
    assert queue.get(timeout=120) == 6.0
    process.join()
    assert notebook["current"]() == 1.0


def test_siblings_of_equal_names(tmp_path):
    keep = emberkeep.Keep(tmp_path)

    def make(factor):
        def deeper(n):
            return 2 * n * factor

        @emberkeep.kernel("float64[::1]", keep=keep, threads=1)
        def run(i, out):
            out[i] = deeper(1)

        return run, deeper

    (first, deeper), (second, _) = make(1), make(2)
    out = np.zeros(1)
    for kernel, result in ((first, 2.0), (second, 4.0), (first, 2.0)):
        kernel(out, count=1)
        assert out[0] == result
    cells = dict(zip(deeper.__code__.co_freevars, deeper.__closure__, strict=True))
    cells["factor"].cell_contents = 3
    first(out, count=1)
    assert out[0] == 6.0


def test_what_calls_itself_is_watched_and_refused_in_plain_words(tmp_path):
    def deeper(n):
        return 1.0 if n < 1 else deeper(n - 1)

    @emberkeep.kernel("float64[::1]", keep=emberkeep.Keep(tmp_path), threads=1)
    def run(i, out):
        out[i] = deeper(3)

    with pytest.raises(InvalidKernel, match="calls itself. Write a loop"):
        run(np.zeros(1), count=1)
    out = np.zeros(1)
    cells = dict(zip(run.function.__code__.co_freevars, run.function.__closure__, strict=True))
    cells["deeper"].cell_contents = lambda n: 2.0 * n
    run(out, count=1)
    assert out[0] == 6.0


def test_attributes_of_a_users_module(notebook, monkeypatch):
    module = types.ModuleType("users_other_module_of_freshness")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec("FACTOR = 7.0", vars(module))
    notebook["module"] = module
    exec("def helper(x):\n    return x * module.FACTOR", notebook)
    assert notebook["current"]() == 7.0
    module.FACTOR = 5.0
    assert notebook["current"]() == 5.0
