"""keep_kernel on @njit, and what numba's own cache does in the same places."""

import json
import os
import subprocess
import sys
import textwrap

import numba
import numpy as np
import pytest
from numba import njit

import emberkeep
from emberkeep.errors import InvalidKernel, StoreWarning
from emberkeep.keep.artifact import Artifact
from emberkeep.targets.numba_caches.cpu_code import rebuild, reduce
from emberkeep.targets.numba_caches.lookup import NotKept
from emberkeep.targets.numba_caches.types_json import decode_type, encode_type

DECORATORS = {
    "ours": "import emberkeep\nkept = emberkeep.keep_kernel",
    "stock": "kept = lambda dispatcher: (dispatcher.enable_caching(), dispatcher)[1]",
}


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Writes a main file and modules, runs them in a new process; what it printed, as JSON."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "keep"))

    def run(which, text, **modules):
        for name, content in modules.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(content))
        path = tmp_path / f"main_{which}.py"
        main = f"from numba import njit, prange\n{DECORATORS[which]}\n{textwrap.dedent(text)}"
        if not path.exists() or path.read_text() != main:  # an unchanged file keeps its time
            path.write_text(main)
        # Files that change within one second have equal times: not what is tested here.
        environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        ran = subprocess.run(
            [sys.executable, path], capture_output=True, text=True, env=environ, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout.splitlines()[-1])

    return run


CALLS = """
    import json
    from helper import callee
    @kept
    @njit
    def main(x):
        return callee(x) + 1
    result = main(2.0)
    print(json.dumps([result, sum(main.stats.cache_hits.values())]))
"""
HELPER = "from numba import njit\n@njit\ndef callee(x):\n    return {} * x\n"


@pytest.mark.parametrize(("which", "after"), [("ours", [201.0, 0]), ("stock", [5.0, 1])])
def test_a_callee_in_another_file_is_edited(program, which, after):
    """numba's own cache looks at the one file only, and runs what is out of date."""
    assert program(which, CALLS, helper=HELPER.format(2)) == [5.0, 0]
    assert program(which, CALLS, helper=HELPER.format(2)) == [5.0, 1]
    assert program(which, CALLS, helper=HELPER.format(100)) == after


GLOBAL = """
    import json
    import settings
    RATE = settings.RATE
    @kept
    @njit
    def main(x):
        return RATE * x
    print(json.dumps([main(2.0), sum(main.stats.cache_hits.values())]))
"""


@pytest.mark.parametrize(("which", "after"), [("ours", [6.0, 0]), ("stock", [4.0, 1])])
def test_a_global_is_changed(program, which, after):
    assert program(which, GLOBAL, settings="RATE = 2.0\n") == [4.0, 0]
    assert program(which, GLOBAL, settings="RATE = 3.0\n") == after


CLOSURE = """
    import json
    @njit
    def inner(x):
        return x * 3
    def make(function):
        @kept
        @njit
        def outer(x):
            return function(x) + 1
        return outer
    main = make(inner)
    print(json.dumps([main(2.0), sum(main.stats.cache_hits.values())]))
"""


@pytest.mark.parametrize(("which", "hits"), [("ours", 1), ("stock", 0)])
def test_a_closure_over_a_compiled_function(program, which, hits):
    """numba keys what is captured by a random number: it never finds it again."""
    assert program(which, CLOSURE) == [7.0, 0]
    assert program(which, CLOSURE) == [7.0, hits]


OPTIONS = """
    import json
    import options
    @kept
    @njit(**options.OPTIONS)
    def main(x, y, z):
        return (x + y) + z
    print(json.dumps([main(1e16, -1e16, 1.0), sum(main.stats.cache_hits.values())]))
"""


def test_fastmath_is_changed(program):
    program("ours", OPTIONS, options="OPTIONS = {}\n")
    assert program("ours", OPTIONS, options="OPTIONS = {}\n")[1] == 1
    assert program("ours", OPTIONS, options="OPTIONS = {'fastmath': True}\n")[1] == 0
    assert program("ours", OPTIONS, options="OPTIONS = {'error_model': 'numpy'}\n")[1] == 0
    assert program("ours", OPTIONS, options="OPTIONS = {}\n")[1] == 1


PARALLEL = """
    import json
    import numpy as np
    @kept
    @njit(parallel=True)
    def main(x):
        out = np.empty_like(x)
        for i in prange(x.size):
            out[i] = np.sin(x[i])
        return out.sum()
    x = np.linspace(0, 1, 1000)
    result = main(x)
    assert abs(result - np.sin(x).sum()) < 1e-9
    both = main(x.astype("float32")), main(x[::2])
    print(json.dumps(sum(main.stats.cache_hits.values())))
"""


def test_parallel_functions_and_several_signatures(program):
    assert program("ours", PARALLEL) == 0
    assert program("ours", PARALLEL) == 3


SEVERAL = """
    import json
    import numpy as np
    @kept
    @njit
    def main(x, y=2):
        if x > 1e9:
            raise ValueError("too large")
        return (x * y, y), str(y)
    @kept
    @njit
    def other(name):
        return name + "!"
    values = [main(1), main(2.5, 3), main(1 + 1j, 2) if False else 0]
    try:
        main(1e10)
    except ValueError as problem:
        values.append(str(problem))
    @njit
    def caller(x):
        return main(x)[0][0] + 1
    values += [caller(4), other("x")]
    print(json.dumps([values, sum(main.stats.cache_hits.values())]))
"""


def test_results_defaults_exceptions_and_callers(program):
    first, second = program("ours", SEVERAL), program("ours", SEVERAL)
    assert first[0] == second[0]
    assert first[0][0] == [[2, 2], "2"]
    assert "too large" in first[0]
    assert first[1] == 0
    assert second[1] > 0


CLASH = """
    import json, sys, types
    def make(number):
        space = {"njit": njit, "NUMBER": number, "__name__": "generated"}
        sys.modules.setdefault("generated", types.ModuleType("generated"))
        exec(
            "@njit(inline='never')\\n"
            "def inner(x):\\n"
            "    total = 0.0\\n"
            "    for i in range(int(x)):\\n"
            "        total += i * NUMBER\\n"
            "    return total\\n"
            "@njit\\n"
            "def kernel(x):\\n"
            "    return inner(x)\\n",
            space,
        )
        return kept(space["kernel"])
    order = json.loads(open("order.json").read())
    print(json.dumps([make(number)(3.0) for number in order]))
"""


def test_functions_of_equal_names_run_their_own_code(program, tmp_path, monkeypatch):
    """Made in processes of their own, they have equal symbols: LLVM alone would mix them up."""
    monkeypatch.chdir(tmp_path)
    # Apart; both kept; a new one beside a kept one; three that are kept, in another order.
    for order in ([1], [2], [2, 1], [3, 1], [2, 3, 1]):
        (tmp_path / "order.json").write_text(json.dumps(order))
        assert program("ours", CLASH) == [3.0 * number for number in order]


TRUNCATED = """
    import json
    @kept
    @njit
    def main(x):
        return x + 1
    print(json.dumps([main(1.0), sum(main.stats.cache_hits.values())]))
"""


def test_every_file_is_cut_short(program, tmp_path):
    assert program("ours", TRUNCATED) == [2.0, 0]
    for path in [*(tmp_path / "keep" / "blobs").rglob("*"), *(tmp_path / "keep").rglob("*.json")]:
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert program("ours", TRUNCATED) == [2.0, 0]
    assert program("ours", TRUNCATED) == [2.0, 1]


def test_numbas_own_cache_fails_where_a_file_is_cut_short(program, tmp_path):
    assert program("stock", TRUNCATED) == [2.0, 0]
    (index,) = (tmp_path / "numba").rglob("*.nbi")
    index.write_bytes(index.read_bytes()[: index.stat().st_size // 2])
    with pytest.raises(AssertionError, match="Error"):
        program("stock", TRUNCATED)


WRITERS = """
    import json, sys
    @kept
    @njit
    def main(x):
        return x + 1
    import numpy as np
    kinds = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32"]
    for kind in kinds:
        assert main(np.dtype(kind).type(3)) == 4
    print(json.dumps([len(main.stats.cache_hits), len(main.stats.cache_misses)]))
"""


def test_writers_at_the_same_time_lose_nothing(program, tmp_path):
    program("ours", "import json\nprint(json.dumps(1))\n")
    path = tmp_path / "main_ours.py"
    path.write_text(f"from numba import njit\n{DECORATORS['ours']}\n{textwrap.dedent(WRITERS)}")
    running = [
        subprocess.Popen([sys.executable, path], stdout=subprocess.DEVNULL) for _ in range(3)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert program("ours", WRITERS) == [9, 0]


def test_signatures_are_compiled_through_the_keep(tmp_path):
    keep = emberkeep.Keep(tmp_path)

    def make():
        @njit
        def add(x, y):
            return x + y

        return emberkeep.keep_kernel(
            add, "float64(float64, float64)", "int64(int64, int64)", keep=keep
        )

    assert make().stats.cache_misses.total() == 2
    again = make()
    assert again.stats.cache_hits.total() == 2
    assert again(1, 2) == 3


def test_a_dispatcher_that_is_compiled_already_says_so(tmp_path):
    @njit("float64(float64)")
    def eager(x):
        return x

    with pytest.warns(StoreWarning, match="compiled already"):
        emberkeep.keep_kernel(eager, keep=emberkeep.Keep(tmp_path))


@pytest.mark.parametrize("what", [lambda x: x, len, 3])
def test_what_is_no_dispatcher_is_refused(what):
    with pytest.raises(InvalidKernel, match="keep_kernel takes"):
        emberkeep.keep_kernel(what)


def test_what_cannot_be_written_down_is_compiled_with_a_reason(tmp_path):
    @njit
    def lists(x):
        return [x, x]

    kept = emberkeep.keep_kernel(lists, keep=emberkeep.Keep(tmp_path))
    with pytest.warns(StoreWarning, match="not kept: it returns"):
        assert kept(1.0) == [1.0, 1.0]

    @njit
    def applies(function, x):
        return function(x)

    @njit
    def inner(x):
        return x + 1

    kept = emberkeep.keep_kernel(applies, keep=emberkeep.Keep(tmp_path))
    with pytest.warns(StoreWarning, match="Dispatcher, for which no exact key is known"):
        assert kept(inner, 1.0) == 2.0


def test_a_keep_that_fails_costs_a_compile(tmp_path):
    (tmp_path / "file").write_text("no folder")

    @njit
    def add(x):
        return x + 1

    kept = emberkeep.keep_kernel(add, keep=emberkeep.Keep(tmp_path / "file" / "keep"))
    with pytest.warns(StoreWarning):
        assert kept(1.0) == 2.0


TYPES = [
    numba.float64,
    numba.boolean,
    numba.complex64,
    numba.types.none,
    numba.types.unicode_type,
    numba.types.Array(numba.int8, 3, "A", readonly=True, aligned=False),
    numba.types.Array(numba.float32, 1, "C"),
    numba.types.UniTuple(numba.int64, 3),
    numba.types.Tuple((numba.int64, numba.types.Array(numba.float64, 2, "F"))),
    numba.types.Optional(numba.float64),
    numba.types.NPDatetime("ms"),
]


@pytest.mark.parametrize("known", TYPES, ids=str)
def test_types_are_read_back_as_they_were(known):
    written = json.loads(json.dumps(encode_type(known)))
    assert decode_type(written) == known


@pytest.mark.parametrize(
    "written", ["no such type", "Array", ["array"], ["array", "float64", "x", "C", 1, 1], [], None]
)
def test_what_is_no_type_is_refused(written):
    with pytest.raises(NotKept):
        decode_type(written)


def test_types_that_are_not_written_down_say_so():
    with pytest.raises(NotKept, match="reflected list"):
        encode_type(numba.types.List(numba.int64, reflected=True))


def test_a_kept_layout_of_another_form_is_a_miss():
    """Past seals and digests even: whatever is missing in it costs a compile, and no more."""

    @njit
    def add(x):
        return x + 1

    add(np.float32(1))
    (compiled,) = add.overloads.values()
    built = dict(reduce(compiled))
    layout = built.pop("layout")
    for name in layout:
        rest = {key: value for key, value in layout.items() if key != name}
        artifact = Artifact("", built, rest, hit=True, reason="")
        with pytest.raises(NotKept):
            rebuild(artifact, (numba.float32,), add.targetctx, add.py_func)


NAMED_TUPLE = """
    import json
    from collections import namedtuple
    Point = namedtuple("Point", {fields!r})
    @kept
    @njit
    def first(p):
        return p.x
    print(json.dumps(first(Point(x=1.0, y=2.0))))
"""


def test_named_tuples_of_other_fields_are_other_types(program):
    # Their text is the same, Point(float64 x 2), and so is the place where the field lies not.
    for fields in ("x y", "y x", "x y"):
        assert program("ours", NAMED_TUPLE.format(fields=fields)) == 1.0


BOTH = """
    import json
    from collections import namedtuple
    @kept
    @njit
    def first(p):
        return p.x
    given = [namedtuple("Point", fields)(x=1.0, y=2.0) for fields in ("x y", "y x")]
    print(json.dumps([first(p) for p in given]))
"""


def test_two_such_types_in_one_process(program):
    for _ in range(2):
        assert program("ours", BOTH) == [1.0, 1.0]


JITCLASS = """
    import json, warnings
    from numba import float64
    from numba.experimental import jitclass
    @jitclass([("x", float64)])
    class Particle:
        def __init__(self, x):
            self.x = x
    @kept
    @njit
    def position(p):
        return p.x
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        position(Particle(1.0))
    print(json.dumps([str(item.message) for item in caught]))
"""


def test_a_jitclass_is_compiled_in_each_process_and_said_so(program):
    (message,) = program("ours", JITCLASS)
    assert "position is compiled in each process, not kept" in message
    assert "jitclass" in message or "Particle" in message
