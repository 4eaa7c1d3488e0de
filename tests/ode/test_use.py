"""What people pass to a solve, what they do with its result, and how both travel."""

import numpy as np
import pandas as pd
import pytest
import sympy
import xarray as xr

from emberkeep import InvalidPlan, ode
from emberkeep.ode.batch import make_batch

PAIR = ode.System("dx = -k*m*x", {"x": 1.0}, {"k": 1.0, "m": 2.0, "μ": 0.0}, name="pair")
NETWORK = ode.System(
    "x[i]' = sum(A[i,j]*x[j] for j in 1..3) for i in 1..3",
    states={"x": [1.0, 0.0, 0.0]},
    parameters={"A": np.zeros((3, 3))},
    name="network",
)


def given(system, parameters=None, initial=None, grid="verbatim"):
    """How many trajectories, and what each column holds."""
    batch = make_batch(system, parameters, initial, grid)
    names = [column.name for column in batch.columns]
    return batch.runs, {name: batch.coordinate(name).tolist() for name in names}


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3], (1.0, 2.0, 3.0), range(1, 4), np.arange(1, 4), np.float32([1, 2, 3]),
        pd.Series([1, 2, 3], index=["a", "b", "c"]), pd.Index([1.0, 2.0, 3.0]),
        pd.Series([1, 2, 3], dtype="Int64"),
        xr.DataArray([1.0, 2.0, 3.0], dims="k"),
        xr.DataArray([0, 0, 0], dims="k", coords={"k": [1.0, 2.0, 3.0]})["k"],
    ],
)  # fmt: skip
def test_values_come_as_people_have_them(values):
    runs, columns = given(PAIR, {"k": values})
    assert runs == 3
    assert columns["k"] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("value", [2, 2.0, np.int64(2), np.array(2.0), [2], sympy.Integer(2)])
def test_one_value_is_one_for_all(value):
    runs, columns = given(PAIR, {"k": value})
    assert (runs, columns["k"]) == (1, [2.0])


def test_tables_are_columns_by_name():
    table = pd.DataFrame({"k": [1.0, 2.0], "m": [3, 4]})
    for each in (table, xr.Dataset.from_dataframe(table), dict(table)):
        runs, columns = given(PAIR, each)
        assert (runs, columns["k"], columns["m"]) == (2, [1.0, 2.0], [3.0, 4.0])
    assert given(PAIR, pd.Series({"k": 5.0, "m": 6.0}))[0] == 1


def test_names_are_taken_as_systems_take_them():
    assert given(PAIR, {sympy.Symbol("k"): 3.0})[1]["k"] == [3.0]
    assert given(PAIR, {"µ": 3.0})[1]["μ"] == [3.0]  # the sign on keyboards, and the Greek letter
    with pytest.raises(InvalidPlan, match="'k' is given twice"):
        given(PAIR, {"k": 1.0, sympy.Symbol("k"): 3.0})


LABELS = {
    "series": (pd.Series([1, 2], index=["a", "b"]), pd.Series([1, 2], index=["b", "a"])),
    "dimensions": (xr.DataArray([1, 2], dims="k"), xr.DataArray([1, 2], dims="m")),
    "coordinates": tuple(
        xr.DataArray([1, 2], dims="k", coords={"k": places}) for places in ([0, 1], [1, 2])
    ),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_that_differ_are_not_put_side_by_side(name):
    k, m = LABELS[name]
    with pytest.raises(InvalidPlan, match="'k' and 'm' have different labels.*combinations"):
        given(PAIR, {"k": k, "m": m})
    assert given(PAIR, {"k": k, "m": m}, grid="combinations")[0] == 4
    assert given(PAIR, {"k": k, "m": k})[0] == 2
    assert given(PAIR, {"k": k, "m": [1, 2]})[0] == 2
    with pytest.raises(InvalidPlan, match="'k' and 'x'"):
        given(PAIR, {"k": k}, {"x": m})


def test_whole_vectors_and_matrices_are_given_by_their_names(keep):
    rotation = np.array([[-0.5, 1.0, 0.0], [-1.0, -0.5, 0.2], [0.0, -0.2, -1.0]])
    values, vectors = np.linalg.eig(rotation)
    flow = (vectors * np.exp(values)) @ np.linalg.inv(vectors)
    starts = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 1.0]])
    result = ode.solve(
        NETWORK, (0, 1), parameters={"A": rotation}, initial={"x": starts}, target="cpu", keep=keep
    )
    np.testing.assert_allclose(result.final, (starts @ flow.T).real, rtol=1e-5, atol=1e-7)
    both = ode.solve(
        NETWORK,
        (0, 1),
        parameters={"A": np.stack([rotation, 0 * rotation])},
        initial={"x": starts[0]},
        target="cpu",
        keep=keep,
    )
    np.testing.assert_array_equal(both.final[0], result.final[0])
    np.testing.assert_array_equal(both.final[1], starts[0])
    np.testing.assert_array_equal(result["x"], result.final)
    assert "x" not in result  # its parts are


def test_results_give_whole_vectors_and_matrices(keep):
    system = ode.System(
        "M[i,j]' = (i + 2*j)*k for i in 1..2, j in 1..3",
        {"M": np.zeros((2, 3))},
        {"k": 1.0},
        name="table",
    )
    solver = ode.Solver(system, target="cpu", keep=keep)
    given = {"parameters": {"k": [1.0, 2.0]}, "save_at": [0.5, 1.0], "outputs": ["states", "mean"]}
    result = solver.solve((0, 1), **given)
    slopes = np.add.outer([1, 2], [2, 4, 6])
    scale = np.multiply.outer([1.0, 2.0], [0.5, 1.0])
    np.testing.assert_allclose(result["M"], np.multiply.outer(scale, slopes), rtol=1e-6)
    assert result["M"].shape == (2, 2, 2, 3)
    assert result.summary("mean", "M").shape == (2, 2, 3)
    with pytest.raises(KeyError, match="'N' is no state"):
        result["N"]


def test_vectors_that_do_not_fit_are_told_their_shape():
    with pytest.raises(InvalidPlan, match=r"'x' is a vector of 3; .*\(2,\).* or \(runs, 3\)"):
        given(NETWORK, initial={"x": [1.0, 2.0]})
    with pytest.raises(InvalidPlan, match="a vector of 3; 1.0 was passed.*'x_1'"):
        given(NETWORK, initial={"x": 1.0})
    with pytest.raises(InvalidPlan, match="'A' is a matrix of 3 by 3"):
        given(NETWORK, {"A": np.ones(9)})
    with pytest.raises(InvalidPlan, match="a matrix of 3 by 3; expected"):
        given(NETWORK, {"A": [[1.0], [1.0, 2.0]]})
    with pytest.raises(InvalidPlan, match="'x_2' is given twice"):
        given(NETWORK, initial={"x_2": 1.0, "x": [1.0, 2.0, 3.0]})
    with pytest.raises(InvalidPlan, match="its parts vary together"):
        given(NETWORK, initial={"x": np.ones((2, 3))}, grid="combinations")
    with pytest.raises(InvalidPlan, match="no initial value 'z'"):
        given(NETWORK, initial={"z": [1.0, 2.0, 3.0]})
    scattered = ode.System("dx_1 = -x_3; dx_3 = 1", {"x_1": 1.0, "x_3": 1.0})
    with pytest.raises(InvalidPlan, match="no initial value 'x'"):
        given(scattered, initial={"x": [1.0, 2.0]})


@pytest.mark.parametrize("bad", [{"a": 1}, {1, 2}, "1", None, [[1, 2], [3, 4]], (x for x in [1])])
def test_what_is_no_number_is_refused_by_name(bad):
    with pytest.raises(InvalidPlan, match="'k'.*number"):
        given(PAIR, {"k": bad})
