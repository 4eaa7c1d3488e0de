"""`count` against the lengths of arrays that a kernel indexes by its index."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import emberkeep
from emberkeep.errors import InvalidArgument
from emberkeep.targets.arguments import parse_signature
from emberkeep.targets.indexed_arrays import indexed_arrays
from emberkeep.targets.protocol import KernelSource


def reads_and_writes(i, x, y, a, out):
    value = x[i] * a
    out[i, 0] = value
    y[i] += 1.0


def by_another(i, x, y, a, out):
    for k in range(int(a)):
        out[k, 0] = x[k] + y[i + 1]


def through_an_array(i, x, y, a, out):
    out[int(x[i]), 0] = y[0]


def under_another_name(i, x, y, a, out):
    row, index = out, i
    row[index, 1] = a


def in_a_loop(i, x, y, a, out):
    for k in range(2):
        out[i, k] = x[k]


def guarded(i, x, y, a, out):
    if i < x.shape[0]:
        out[i, 0] = x[i]
    y[i] = a


def returns_early(i, x, y, a, out):
    x[i] = 1.0
    if i >= out.shape[0]:
        return
    out[i, 0] = a


def by_what_is_read(i, x, y, a, out):
    if x[i] > a:
        y[i] = 1.0
    else:
        y[i] = 2.0


def changes_its_index(i, x, y, a, out):
    i = i // 2
    x[i] = a


def a_triangle(i, x, y, a, out):
    total = 0.0
    for k in range(i):
        total += x[k] + y[i]
    out[i, 0] = total


def callee(i, x):
    return x[i]


def in_a_callee(i, x, y, a, out):
    y[i] = callee(i, x)


def rows(i, x, y, a, out):
    row = out[i]
    row[0] = a


CASES = {
    reads_and_writes: "x y out",
    by_another: "",
    through_an_array: "x",
    under_another_name: "out",
    in_a_loop: "out",
    guarded: "y",
    returns_early: "x",
    by_what_is_read: "x y",
    changes_its_index: "",
    a_triangle: "out",
    in_a_callee: "y",
    rows: "out",
}
SIGNATURE = "float64[:], float64[:], float64, float64[:, :]"
NAMES = ("x", "y", "a", "out")


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_what_is_indexed_by_the_index_is_known(function):
    source = KernelSource("kernel", function, parse_signature(SIGNATURE), {})
    assert " ".join(NAMES[place] for place in indexed_arrays(source)) == CASES[function]


@pytest.fixture
def ax(tmp_path):
    @emberkeep.kernel("float64[::1], float64, float64[::1]", keep=emberkeep.Keep(tmp_path))
    def ax(i, x, a, y):
        y[i] += a * x[i]

    return ax


def test_a_count_beyond_an_array_is_refused_with_what_to_do(ax):
    x, y = np.ones(4), np.zeros(3)
    ax(x, 2.0, y, count=3)
    for count in (4, 200_000):
        with pytest.raises(InvalidArgument, match=rf"count={count}.*'y'.*ends after 3.*count=3"):
            ax(x, 2.0, y, count=count)
        with pytest.raises(InvalidArgument, match="unchecked=True"):
            ax.bind(x, 2.0, y, count=count)
    with pytest.raises(InvalidArgument, match="'x'.*ends after 4"):
        ax(x, 2.0, np.zeros(9), count=5)
    assert y.tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(InvalidArgument, match="'y' must be a NumPy array"):
        ax(x, 2.0, np.zeros(9, "int64"), count=5)


@pytest.mark.parametrize("count", [4.5, "3", None, [3], -1])
def test_a_count_is_a_number_of_indices(ax, count):
    x, y = np.arange(4.0), np.zeros(4)
    with pytest.raises(InvalidArgument, match="Pass an integer from 0 on"):
        ax(x, 2.0, y, count=count)
    with pytest.raises(InvalidArgument, match="Pass an integer from 0 on"):
        ax.bind(x, 2.0, y, count=count)
    ax(x, 2.0, y, count=np.int32(4))
    assert y.tolist() == [0.0, 2.0, 4.0, 6.0]


def test_who_has_measured_may_say_so(ax):
    memory = np.zeros(8)
    x, y = np.ones(8), memory[:4]  # the memory behind it belongs to the test
    ax(x, 1.0, y, count=8, unchecked=True)
    assert memory.tolist() == [1.0] * 8
    ax.bind(x, 1.0, y, count=8, unchecked=True)()
    assert memory.tolist() == [2.0] * 8


def test_a_warm_start_checks_and_loads_no_compiler(tmp_path):
    program = textwrap.dedent(f"""
        import sys
        import numpy as np
        import emberkeep

        @emberkeep.kernel("float64[::1]", keep=emberkeep.Keep({str(tmp_path)!r}))
        def fill(i, out):
            out[i] = i

        fill(np.zeros(4), count=4)
        try:
            fill(np.zeros(4), count=200_000)
        except emberkeep.errors.InvalidArgument as problem:
            print(problem, "numba" in sys.modules)
    """)
    (tmp_path / "program.py").write_text(program)
    for numba in ("True", "False"):
        done = subprocess.run(
            [sys.executable, tmp_path / "program.py"], capture_output=True, text=True, check=True
        )
        assert "ends after 4" in done.stdout
        assert done.stdout.strip().endswith(numba), done
