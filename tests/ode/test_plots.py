"""Pictures of results: what lies in them, not how they look."""

import matplotlib as mpl
import numpy as np
import pytest

from emberkeep import InvalidPlan, SolveWarning, ode

TIMES = np.linspace(0, 2, 5)


@pytest.fixture(autouse=True)
def pyplot():
    mpl.use("agg")
    from matplotlib import pyplot as plt

    yield plt
    plt.close("all")


@pytest.fixture
def spiral(keep):
    system = ode.System(
        "dx = v; dv = -k*x - d*v; power = d*v^2",
        {"x": 1.0, "v": 0.0},
        {"k": 4.0, "d": 0.1},
        observables=["power"],
        name="spiral",
    )
    solver = ode.Solver(system, target="cpu", keep=keep)

    def solve(save_at=TIMES, **options):
        return solver.solve((0, 2), save_at=save_at, **options)

    return solve


def drawn(line):
    return np.array(line.get_xdata()), np.array(line.get_ydata())


def test_one_trajectory_is_a_line_for_each_state_and_observable(spiral):
    result = spiral()
    ax = result.plot()
    assert [line.get_label() for line in ax.lines] == ["x", "v", "power"]
    for line, name in zip(ax.lines, result, strict=True):
        np.testing.assert_array_equal(drawn(line), (TIMES, result[name][0]))
    assert (ax.get_xlabel(), ax.get_title()) == ("t", "spiral")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["x", "v", "power"]


def test_others_axes_are_drawn_into(spiral, pyplot):
    _, ax = pyplot.subplots()
    result = spiral()
    assert result.plot("x", ax=ax) is ax
    assert ax.get_ylabel() == "x"
    assert result.plot_phase("x", "v", ax=ax) is ax
    assert len(ax.lines) == 3
    assert pyplot.get_fignums() == [1]


def test_many_trajectories_are_thinned_and_the_title_says_so(spiral):
    k = np.linspace(1, 5, 100_000)
    result = spiral(save_at=[0, 1, 2], parameters={"k": k})
    ax = result.plot("x")
    assert len(ax.lines) == 100
    assert ax.get_title() == "spiral: 100 of 100,000 trajectories"
    np.testing.assert_array_equal(drawn(ax.lines[0])[1], result["x"][0])
    np.testing.assert_array_equal(drawn(ax.lines[-1])[1], result["x"][-1])
    assert len(result.plot("x", "v", most=7).lines) == 14
    assert spiral(parameters={"k": k[:3]}).plot("x").get_title() == "spiral: 3 trajectories"
    with pytest.raises(InvalidPlan, match="most=0"):
        result.plot(most=0)


def test_times_of_their_own_are_drawn_at_them(spiral):
    rows = np.array([[0.5, 1.0], [1.0, 2.0]])
    ax = spiral(save_at=rows).plot("x")
    np.testing.assert_array_equal([drawn(line)[0] for line in ax.lines], rows)


def test_a_phase_portrait_is_one_state_against_another(spiral):
    result = spiral(parameters={"k": [1.0, 2.0]})
    ax = result.plot_phase("x", "v")
    for run in range(2):
        np.testing.assert_array_equal(drawn(ax.lines[run]), (result["x"][run], result["v"][run]))
    np.testing.assert_array_equal(drawn(ax.lines[2]), (result["x"][:, 0], result["v"][:, 0]))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "v")


def mapped(ax):
    (mesh,) = ax.collections
    corners = mesh.get_coordinates()
    return np.ma.filled(mesh.get_array().astype(float), np.nan), corners


def test_a_map_has_a_number_for_each_pair(spiral):
    k, d = [1.0, 3.0, 2.0], [0.5, 0.1]  # in no order: a map is in its own
    result = spiral(parameters={"k": k, "d": d}, grid="combinations", outputs=["states", "final"])
    expected = result.at_end("x").reshape(3, 2)[[0, 2, 1]][:, [1, 0]]  # by k and d, each ascending
    ax = result.plot_map("x", over=("k", "d"))
    values, corners = mapped(ax)
    np.testing.assert_array_equal(values, expected.T)
    np.testing.assert_allclose(corners[0, :, 0], [0.5, 1.5, 2.5, 3.5])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("k", "d", "spiral, t = 2")
    assert ax.figure.axes[1].get_ylabel() == "x"
    np.testing.assert_array_equal(mapped(result.plot_map("x", over=("d", "k")))[0], expected)
    np.testing.assert_array_equal(mapped(result.plot_map("x"))[0], expected.T)
    earlier = result.plot_map("x", at={"t": 0.5})
    assert earlier.get_title() == "spiral, t = 0.5"
    np.testing.assert_array_equal(
        mapped(earlier)[0], result["x"][:, 1].reshape(3, 2)[[0, 2, 1]][:, [1, 0]].T
    )


def test_a_map_of_a_larger_grid_is_a_slice_of_it(spiral):
    result = spiral(
        parameters={"k": [1.0, 2.0, 3.0], "d": [0.1, 0.2]},
        initial={"x": [1.0, 2.0, 3.0, 4.0]},
        grid="combinations",
        outputs=["mean", "max"],
    )
    ax = result.plot_map("v", over=("k", "x"), at={"d": 0.2}, summary="max")
    expected = result.summary("max", "v").reshape(3, 2, 4)[:, 1]
    np.testing.assert_array_equal(mapped(ax)[0], expected.T)
    assert ax.get_title() == "spiral, d = 0.2"
    assert ax.figure.axes[1].get_ylabel() == "max of v"
    with pytest.raises(InvalidPlan, match=r"'d' is varied too.*at=\{'d': 0.1\}"):
        result.plot_map("v", over=("k", "x"), summary="max")
    with pytest.raises(InvalidPlan, match=r"'d' is never 0.7 in this result; the nearest is 0.2"):
        result.plot_map("v", over=("k", "x"), at={"d": 0.7}, summary="max")
    with pytest.raises(InvalidPlan, match="over=None must be two names.*k, d, x"):
        result.plot_map("v", summary="max")
    with pytest.raises(InvalidPlan, match="at= names 'k', .*than 'k' and 'x', and the time: d, t"):
        result.plot_map("v", over=("k", "x"), at={"k": 1.0}, summary="max")
    with pytest.raises(InvalidPlan, match="outputs="):
        result.plot_map("v", over=("k", "x"), at={"d": 0.2})


def test_a_map_needs_a_grid(spiral):
    with pytest.raises(InvalidPlan, match="grid='verbatim', and varied k, d"):
        spiral(parameters={"k": [1.0, 2.0], "d": [0.1, 0.2]}).plot_map("x")


def test_quantiles_are_numpys_in_bands_around_the_middle(spiral):
    result = spiral(parameters={"k": np.linspace(1, 5, 41)})
    ax = result.plot_quantiles("x", [0.1, 0.25, 0.5, 0.75, 0.9])
    expected = np.quantile(result["x"], [0.1, 0.25, 0.5, 0.75, 0.9], axis=0)
    np.testing.assert_array_equal(drawn(ax.lines[0]), (TIMES, expected[2]))
    for band, (low, high) in zip(ax.collections, [(0, 4), (1, 3)], strict=True):
        corners = band.get_paths()[0].vertices
        for place, time in enumerate(TIMES[1:], 1):
            there = corners[corners[:, 0] == time, 1]
            assert (there.min(), there.max()) == (expected[low][place], expected[high][place])
    assert ax.get_title() == "spiral: 41 trajectories"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "0.1 to 0.9", "0.25 to 0.75", "0.5",
    ]  # fmt: skip
    assert not result.plot_quantiles("x", [0.1, 0.9]).lines
    for bad in ([], [0.5, 1.5], "many", 0.5):
        with pytest.raises(InvalidPlan, match="from 0 to 1"):
            result.plot_quantiles("x", bad)


def test_failures_count_until_they_fail(keep, blowup):
    with pytest.warns(SolveWarning):
        result = ode.solve(
            blowup, (0, 4), initial={"x": [0.1, 0.2, 0.4, 0.5]}, save_at=1, target="cpu", keep=keep
        )
    ax = result.plot_quantiles("x", [0.5])
    expected = [np.median(row[~np.isnan(row)]) for row in result["x"].T]
    np.testing.assert_allclose(drawn(ax.lines[0])[1], expected)
    assert ax.get_title() == "blowup: 4 trajectories, 2 failed and count until they do"
    result.plot()


def test_pictures_over_time_need_times(spiral):
    result = spiral(save_at=None)
    for plot in (
        result.plot,
        lambda: result.plot_phase("x", "v"),
        lambda: result.plot_quantiles("x"),
    ):
        with pytest.raises(InvalidPlan, match="save_at="):
            plot()
    with pytest.raises(KeyError, match="'z' is no state"):
        spiral().plot("z")
    with pytest.raises(InvalidPlan, match="times of its own"):
        spiral(save_at=np.array([[0.5, 1.0], [1.0, 2.0]])).plot_quantiles("x")


def test_a_vector_is_drawn_as_its_parts(keep):
    system = ode.System("x[i]' = -i*x[i] for i in 1..2", {"x": [1.0, 2.0]}, name="vector")
    ax = ode.solve(system, (0, 1), save_at=0.5, target="cpu", keep=keep).plot("x", "x_2")
    assert [line.get_label() for line in ax.lines] == ["x_1", "x_2", "x_2"]
