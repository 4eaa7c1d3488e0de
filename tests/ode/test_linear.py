"""Linear systems of a step: orders of elimination, and the code that follows them."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep import ode
from emberkeep.ode import status
from emberkeep.ode.kernel.code import BOOL, INT, REAL
from emberkeep.ode.kernel.drivers import Drivers
from emberkeep.ode.kernel.equations import Equations
from emberkeep.ode.kernel.linear import factors as sizes
from emberkeep.ode.kernel.linear.factors import Factors
from emberkeep.ode.kernel.linear.jacobian import Jacobian
from emberkeep.ode.kernel.linear.lines import Lines
from emberkeep.ode.kernel.linear.matrix import matrix_of
from emberkeep.ode.kernel.linear.ordering import StructurallySingular, ordering
from emberkeep.ode.kernel.vectors import Layout

machine = runpy.run_path(Path(__file__).parent / "kernel_machine.py")
fresh, trajectories, Compiled = machine["fresh"], machine["trajectories"], machine["Compiled"]
GAMMA = 0.25
ALL = st.integers(1, 8).flatmap(
    lambda size: st.tuples(
        st.just(size),
        st.sets(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))),
    )
)


# Orders -------------------------------------------------------------------------------------------


def eliminated(size, blocks, matrix, right):
    """Solve by what an ordering says, and by nothing else."""
    matrix, right, solution = dict(matrix), list(right), [0.0] * size
    for block in blocks:
        for row, column in block.outer:
            right[row] -= matrix[row, column] * solution[column]
        for place, (row, column) in enumerate(block.pivots):
            for other, _ in block.pivots[place + 1 :]:
                if (other, column) not in block.inner:
                    continue
                factor = matrix.get((other, column), 0.0) / matrix[row, column]
                for _, each in block.pivots[place + 1 :]:
                    if (row, each) in block.inner:
                        assert (other, each) in block.inner
                        before = matrix.get((other, each), 0.0)
                        matrix[other, each] = before - factor * matrix.get((row, each), 0.0)
                right[other] -= factor * right[row]
        for place, (row, column) in reversed([*enumerate(block.pivots)]):
            for _, each in block.pivots[place + 1 :]:
                right[row] -= matrix.get((row, each), 0.0) * solution[each]
            solution[column] = right[row] / matrix[row, column]
    return np.array(solution)


def rank(size, pattern):
    """The most rows that can be matched to columns: by trying all ways, for few rows."""
    best, columns_of = {0: 0}, [{c for r, c in pattern if r == row} for row in range(size)]
    for row in range(size):
        for taken, count in list(best.items()):
            for column in columns_of[row]:
                if not taken >> column & 1:
                    key = taken | 1 << column
                    best[key] = max(best.get(key, 0), count + 1)
    return max(best.values())


@settings(max_examples=300, deadline=None)
@given(ALL, st.integers(0, 1 << 30))
def test_an_order_solves_every_system_that_its_pattern_allows(given_, seed):
    size, pattern = given_
    rng = np.random.default_rng(seed)
    if rank(size, pattern) < size:
        with pytest.raises(StructurallySingular) as told:
            ordering(size, pattern)
        rows = set(told.value.rows)
        assert len({column for row, column in pattern if row in rows}) < len(rows)
        return
    numbers = {place: rng.uniform(0.5, 2) * rng.choice([-1, 1]) for place in sorted(pattern)}
    matrix = np.zeros((size, size))
    for place, number in numbers.items():
        matrix[place] = number
    right = rng.normal(size=size)
    blocks = ordering(size, pattern)
    assert sorted(column for block in blocks for _, column in block.pivots) == [*range(size)]
    assert sorted(row for block in blocks for row, _ in block.pivots) == [*range(size)]
    if np.linalg.cond(matrix) < 1e3:
        with np.errstate(all="ignore"):
            found = eliminated(size, blocks, numbers, right)
        # A pivot may be small by chance, which the pattern cannot know.
        if np.isfinite(found).all() and np.abs(found).max() < 1e3:
            np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-6, atol=1e-6)


def test_pivots_are_on_the_diagonal_where_it_is_there():
    pattern = {(0, 0), (1, 1), (2, 2), (0, 2), (2, 0), (1, 0)}
    assert {row == column for block in ordering(3, pattern) for row, column in block.pivots} == {
        True
    }


def test_a_row_without_its_own_unknown_is_matched_to_another():
    """A path that takes a row from its column."""
    blocks = ordering(3, {(0, 1), (1, 1), (1, 2), (2, 0)})
    pivots = {place for block in blocks for place in block.pivots}
    assert pivots == {(0, 1), (1, 2), (2, 0)}


def test_an_arrow_fills_nothing_in():
    size = 9
    pattern = {(i, i) for i in range(size)} | {(0, i) for i in range(size)}
    pattern |= {(i, 0) for i in range(size)}
    [block] = ordering(size, pattern)
    assert block.inner == frozenset(pattern)
    assert (0, 0) in block.pivots[-2:]  # as the hub of two that are left, either may be last


def test_a_chain_is_solved_one_by_one():
    blocks = ordering(4, {(i, i) for i in range(4)} | {(i + 1, i) for i in range(3)})
    assert [block.pivots for block in blocks] == [((i, i),) for i in range(4)]
    assert [block.outer for block in blocks] == [(), ((1, 0),), ((2, 1),), ((3, 2),)]


# Factors ------------------------------------------------------------------------------------------


def linear_system(size, pattern):
    """x' = A x, whose entries are parameters."""
    rows = [
        " + ".join(
            f"a{row}_{column}*x{column}" for column in range(size) if (row, column) in pattern
        )
        for row in range(size)
    ]
    return ode.System(
        {f"x{row}": text or "0" for row, text in enumerate(rows)},
        {f"x{row}": 0.0 for row in range(size)},
        {f"a{row}_{column}": 0.0 for row, column in sorted(pattern)},
    )


def solutions(
    size,
    pattern,
    matrices,
    steps,
    rights,
    *,
    large=False,
    single=False,
    gamma=GAMMA,
    transposed=False,
):
    """What kernels solve, and what they say is wrong, for each of some matrices.

    With a complex gamma, right-hand sides and solutions have a second half of imaginary parts.
    """
    width = size * (2 if isinstance(gamma, complex) else 1)
    system, count = linear_system(size, pattern), len(pattern)
    code = fresh(single=single)
    numbers, h, right, trouble = (
        code.argument(name, kind)
        for name, kind in (("numbers", REAL), ("h", REAL), ("right", REAL), ("trouble", INT))
    )
    run, here = trajectories(code)
    layout = Layout(code, large=large)
    states, inputs = layout.kept("y", size), layout.kept("p", count)
    vectors = [layout.kept(f"right{part}", size) for part in range(width // size)]
    step = code.variable("h", REAL)
    with code.for_each(code.value(True, BOOL)):
        layout.each(size, lambda i: states.set(i, code.value(0.0, REAL)))
        layout.each(count, lambda i: inputs.set(i, numbers.get(run.get() * count + i)))
        for part, vector in enumerate(vectors):
            begin = run.get() * width + part * size
            layout.each(size, lambda i, v=vector, b=begin: v.set(i, right.get(b + i)))
        step.set(h.get(run.get()))
    start = code.variable("start", "time", 0.0)
    drivers = Drivers(code, {}, lambda name: None, start, ())
    equations = Equations(system, system.read(), layout, drivers)
    jacobian = Jacobian(layout, equations, size)
    jacobian.evaluate(states, inputs, code.value(0.0, "time"))
    factors = Factors(layout, jacobian, gamma)
    factors.factor(step.get())
    if transposed:
        factors.solve_transposed(*vectors)
    else:
        factors.solve(*vectors)
    with code.for_each(here.get()):
        for part, vector in enumerate(vectors):
            begin = run.get() * width + part * size
            layout.each(size, lambda i, v=vector, b=begin: right.set(b + i, v.get(i)))
        trouble.set(run.get(), factors.trouble)
    real = np.float32 if single else np.float64
    places = sorted(pattern)
    arrays = {
        "numbers": np.array([[m[place] for place in places] for m in matrices], real).ravel(),
        "h": np.asarray(steps, real),
        "right": np.array(rights, real).ravel(),
        "trouble": np.zeros(len(matrices), np.int64),
    }
    Compiled(code, 8, 256)(arrays, len(matrices))
    return arrays["right"].reshape(len(matrices), width), arrays["trouble"]


FORMS = ["lines", "functions", "loops"]


def written_as(form, monkeypatch):
    """Ask for factors in a form; whether vectors are arrays."""
    monkeypatch.setattr(sizes, "MOST_PRODUCTS", -1 if form == "loops" else 10**6)
    return form != "lines"


PATTERNS = {
    "dense": {(i, j) for i in range(5) for j in range(5)},
    "ring": {(i, (i + k) % 7) for i in range(7) for k in (-1, 0, 1)},
    "no diagonal": {(0, 1), (1, 2), (2, 0), (3, 0), (0, 3)},
    "triangle": {(i, j) for i in range(6) for j in range(i + 1)},
    "nothing": set(),
    "pair": {(i, j) for i in range(2) for j in range(2)},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("gamma", [GAMMA, 0.16 + 0.18j], ids=["real", "complex"])
def test_systems_are_solved(name, form, gamma, monkeypatch):
    solve_systems(name, form, gamma, monkeypatch)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PATTERNS)
def test_transposed_systems_are_solved(name, form, monkeypatch):
    solve_systems(name, form, GAMMA, monkeypatch, transposed=True)


def solve_systems(name, form, gamma, monkeypatch, *, transposed=False):
    large = written_as(form, monkeypatch)
    pattern = PATTERNS[name]
    size = max((max(place) for place in pattern), default=2) + 1
    rng = np.random.default_rng(len(name))
    matrices = rng.normal(size=(33, size, size))
    for matrix in matrices:
        for place in np.ndindex(size, size):
            if place not in pattern:
                matrix[place] = 0.0
        np.fill_diagonal(matrix, -np.abs(np.diag(matrix)))
    steps = 10 ** rng.uniform(-6, 0, 33)
    rights = rng.normal(size=(33, size * (2 if isinstance(gamma, complex) else 1)))
    found, trouble = solutions(
        size, pattern, matrices, steps, rights, large=large, gamma=gamma, transposed=transposed
    )
    assert set(trouble.tolist()) == {status.RUNNING}
    if isinstance(gamma, complex):
        rights, found = (part[:, :size] + 1j * part[:, size:] for part in (rights, found))
    for matrix, h, right, solution in zip(matrices, steps, rights, found, strict=True):
        whole = np.eye(size) / gamma - h * matrix
        residual = (whole.T if transposed else whole) @ solution - right
        assert np.abs(residual).max() < 1e-11 * np.linalg.cond(whole)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("single", [False, True], ids=["double", "single"])
def test_what_cannot_be_solved_is_told_of_its_own_trajectory(form, single, monkeypatch):
    """1/γ is 4: a pivot that vanishes, an infinite entry, not-a-number, and one that is fine."""
    large = written_as(form, monkeypatch)
    pattern = PATTERNS["dense"]
    fine = -np.eye(5)
    vanishing, infinite, nothing = fine.copy(), fine.copy(), fine.copy()
    vanishing[2, 2], infinite[1, 3], nothing[4, 0] = 4.0, np.inf, np.nan
    matrices = [fine, vanishing, infinite, nothing, fine]
    _, trouble = solutions(
        5, pattern, matrices, np.ones(5), np.ones((5, 5)), large=large, single=single
    )
    assert trouble.tolist() == [
        status.RUNNING,
        status.SINGULAR,
        status.NO_JACOBIAN,
        status.NO_JACOBIAN,
        status.RUNNING,
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("single", [False, True], ids=["double", "single"])
def test_what_cannot_be_solved_in_complex_numbers_is_told(form, single, monkeypatch):
    """Of a rotation, 1/γ may be an eigenvalue; and numbers may be too large to be squared."""
    large = written_as(form, monkeypatch)
    rotation = np.array([[1.0, -2.0], [2.0, 1.0]])
    huge = np.full((2, 2), 1e30 if single else 1e200) * [[-1, 0], [1, -1]]
    endless = np.array([[-np.inf, 0.0], [0.0, 0.0]])
    matrices = [-rotation, rotation, huge, endless, rotation * np.nan, -rotation]
    found, trouble = solutions(
        2, PATTERNS["pair"], matrices, np.ones(6), np.ones((6, 4)), large=large, single=single,
        gamma=1 / (1 + 2j),
    )  # fmt: skip
    none, singular, no = status.RUNNING, status.SINGULAR, status.NO_JACOBIAN
    assert trouble.tolist() == [none, singular, none, no, no, none]
    expected = np.linalg.solve((1 + 2j) * np.eye(2) + rotation, np.full(2, 1 + 1j))
    for row in (0, 5):
        np.testing.assert_allclose(found[row, :2] + 1j * found[row, 2:], expected, rtol=1e-5)
    scale = np.abs(huge).max()
    np.testing.assert_allclose(found[2] * scale, [1, 2, 1, 2], rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_an_infinite_pivot_is_told(form, monkeypatch):
    """Its inverse is zero, and so is what would come of it."""
    large = written_as(form, monkeypatch)
    matrices = [np.array([[-np.inf, 0.0], [0.0, -1.0]]), -np.eye(2)]
    found, trouble = solutions(
        2, PATTERNS["pair"], matrices, np.ones(2), np.ones((2, 2)), large=large
    )
    assert trouble.tolist() == [status.NO_JACOBIAN, status.RUNNING]
    np.testing.assert_allclose(found[1], 1 / 5)


@pytest.mark.parametrize("form", FORMS)
def test_numbers_that_grow_and_cancel_are_not_trusted(form, monkeypatch):
    """Pivots far smaller than what they meet: what comes of it has no right digits left.

    The middle unknown takes part in both others by 1e9 while its own pivot is small.
    """
    pattern = {(i, j) for i in range(3) for j in range(3)}
    h = 1.0
    sound = np.array([[-1.0, 0, 0], [1e9, -1, 0], [0, 1e9, -1]])
    tiny = 2.0**-50  # the least that 1/γ can be missed by
    target = np.array([[tiny, 1.1, 0.7], [1.3, 1.0, 2.0], [0.9, 2.0, 1.0]])
    doubtful = np.eye(3) / GAMMA - target
    large = written_as(form, monkeypatch)
    found, trouble = solutions(3, pattern, [sound, doubtful], [h, h], np.ones((2, 3)), large=large)
    whole = np.eye(3) / GAMMA - sound
    np.testing.assert_allclose(found[0], np.linalg.solve(whole, np.ones(3)), rtol=1e-10)
    assert trouble[0] == status.RUNNING
    assert trouble[1] == status.SINGULAR
    right = np.linalg.solve(np.eye(3) / GAMMA - doubtful, np.ones(3))
    assert not np.allclose(found[1], right, rtol=1e-6)


def test_blocks_that_are_alike_are_factored_once():
    """The same entries, twice: as a system and its sensitivities have."""
    one = "{x}1*(-k) + {x}2*{z}, {x}1 - {x}2*{z}*2"
    texts = {}
    for x in "xuv":
        first, second = one.format(x=x, z="k").split(", ")
        texts |= {f"{x}1": first, f"{x}2": second}
    texts["u1"] += " + x1"
    system = ode.System(texts, dict.fromkeys(texts, 1.0), {"k": 2.0})

    code = fresh()
    layout = Layout(code, large=False)
    start = code.variable("start", "time", 0.0)
    equations = Equations(
        system, system.read(), layout, Drivers(code, {}, lambda name: None, start, ())
    )
    matrix = matrix_of(equations.jacobian(), 6, GAMMA)
    kinds = [kind for kind, *_ in Lines(code, matrix).keys()]  # noqa: SIM118 - no mapping
    assert kinds.count("inverse") == 2
    assert kinds.count("outer") == 1
