"""Runs: the same again, further, from a file, until nothing moves; and what they compile."""

import jax
import numpy as np
import optax
import pytest

from emberkeep.errors import InvalidPlan, TargetUnavailable
from emberkeep.phasetype.inference import SVGD, Gamma, checkpoints, requirements, svgd
from emberkeep.phasetype.inference.density import log_likelihood
from emberkeep.phasetype.inference.observations import bucket, read_observations
from emberkeep.phasetype.inference.programs import _made
from emberkeep.phasetype.inference.setup import pose
from emberkeep.phasetype.inference.stein_variational import runs
from emberkeep.phasetype.inference.stein_variational.particles import Design

PRIOR = Gamma(3.0, 1.5)


@pytest.fixture
def data():
    return np.random.default_rng(1).exponential(0.5, 60)


def posed(model, data, **changes):
    options = dict(
        theta_dim=None,
        prior=PRIOR,
        positive=None,
        bounds=None,
        start=None,
        names=None,
        moment_weight=0.0,
        moment_count=None,
        independent=False,
        batch=32,
    )
    return pose(model, data, **(options | changes))


# Again --------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_bits(exponential, data):
    first, again, other = (
        svgd(exponential, data, prior=PRIOR, iterations=60, seed=seed).samples for seed in (1, 1, 2)
    )
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("minibatch", [None, 20])
def test_a_run_goes_on_with_the_same_bits(exponential, data, tmp_path, minibatch):
    def run(iterations, checkpoint):
        return SVGD(
            exponential,
            data,
            prior=PRIOR,
            n_iterations=iterations,
            learning_rate=0.05,
            minibatch=minibatch,
            checkpoint=checkpoint,
        ).fit()

    path = tmp_path / "run.svgd"
    whole = run(200, None)
    run(100, path)
    further = run(200, path)
    assert further.iterations == (200,)
    assert further.samples.tobytes() == whole.samples.tobytes()
    assert further.histories[0].mean.tobytes() == whole.histories[0].mean.tobytes()


def test_a_run_that_was_killed_goes_on(exponential, data, tmp_path, monkeypatch):
    path = tmp_path / "run.svgd"
    options = dict(prior=PRIOR, n_iterations=200, restarts=2, n_particles=40)
    whole = SVGD(exponential, data, **options).fit()
    monkeypatch.setattr(runs, "SECONDS_BETWEEN_SAVES", 0.0)
    saved = []

    def save(*arguments):
        checkpoints.save(*arguments)
        saved.append(arguments)
        if len(saved) >= 6:  # in the midst of the second restart, and in the end of it too
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "save", save)
        with pytest.raises(KeyboardInterrupt):
            SVGD(exponential, data, checkpoint=path, **options).fit()
    done = [run.steps for run in saved[-1][2]]
    assert done[0] == 200
    assert 0 < done[1] < 200
    further = SVGD(exponential, data, checkpoint=path, **options).fit()
    assert further.samples.tobytes() == whole.samples.tobytes()


def test_checkpoints_of_something_else_are_refused(exponential, data, tmp_path):
    path = tmp_path / "run.svgd"
    options = dict(prior=PRIOR, n_iterations=50, learning_rate=0.05, checkpoint=path)
    SVGD(exponential, data, **options).fit()
    for changes in (
        {"prior": Gamma(3.0, 1.6)},
        {"prior": lambda theta: -theta[0]},
        {"seed": 1},
        {"learning_rate": 0.1},
        {"optimizer": optax.sgd(0.1)},
    ):
        with pytest.raises(InvalidPlan, match="of another run"):
            SVGD(exponential, data, **(options | changes)).fit()
    with pytest.raises(InvalidPlan, match="of another run"):
        SVGD(exponential, data + 1e-9, **options).fit()


def test_checkpoints_that_are_damaged_are_refused(exponential, data, tmp_path):
    path = tmp_path / "run.svgd"
    options = dict(prior=PRIOR, n_iterations=50, learning_rate=0.05, checkpoint=path)
    SVGD(exponential, data, **options).fit()
    content = path.read_bytes()
    for place in (len(content) // 2, len(content) - 1):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(InvalidPlan, match="damaged"):
            SVGD(exponential, data, **options).fit()
    path.write_bytes(content[:-20])
    with pytest.raises(InvalidPlan, match="damaged"):
        SVGD(exponential, data, **options).fit()
    path.write_text("my thesis")
    with pytest.raises(InvalidPlan, match="not overwritten"):
        SVGD(exponential, data, **options).fit()
    assert path.read_text() == "my thesis"


def test_it_stops_once_nothing_moves(exponential, data):
    found = svgd(exponential, data, prior=PRIOR, iterations=2000, tolerance=0.01)
    assert found.settled
    assert 100 <= found.iterations[0] < 1000
    history = found.histories[0]
    for values in (history.mean, history.std):
        moved = abs(values[-50:].mean() - values[-100:-50].mean())
        assert moved <= 0.01 * history.std[-50:].mean()
    assert not svgd(exponential, data, prior=PRIOR, iterations=60, tolerance=0.01).settled


@pytest.mark.soak
def test_restarts_are_combined(exponential, data):
    found = svgd(exponential, data, prior=PRIOR, iterations=150, restarts=3, particles=40)
    assert found.chains.shape == (3, 40, 1)
    assert found.samples.shape == (120, 1)
    assert len({chain.tobytes() for chain in found.chains}) == 3
    assert found.diagnostics().trustworthy


@pytest.mark.soak
def test_optimizers_are_those_of_optax(exponential, data):
    ours = svgd(exponential, data, prior=PRIOR, iterations=300)
    schedule = optax.cosine_decay_schedule(0.1, 300)
    for options in (
        dict(optimizer=optax.adam(schedule)),
        dict(optimizer=optax.sgd(0.2, momentum=0.5)),
        dict(learning_rate=schedule),
        dict(optimizer=optax.adagrad(1.0), learning_rate=optax.constant_schedule(0.5)),
    ):
        theirs = svgd(exponential, data, prior=PRIOR, iterations=300, **options)
        assert np.allclose(theirs.mean, ours.mean, rtol=0.01)
        assert np.allclose(theirs.std, ours.std, rtol=0.03)


# Compiled -----------------------------------------------------------------------------------------


def test_numbers_are_no_part_of_programs(exponential, data):
    """Other data of the bucket, another prior, seed, width and length: nothing is compiled."""
    svgd(exponential, data, prior=PRIOR, iterations=60)
    before = {key: len(program.__wrapped__) for key, program in _made.items()}
    svgd(exponential, data[:58] * 3, prior=Gamma(1.0, 2.0), iterations=110, seed=7)
    assert {key: len(program.__wrapped__) for key, program in _made.items()} == before


def test_prewarming_compiles_all_that_fit_needs(exponential):
    data = np.random.default_rng(2).exponential(1.0, 200)
    run = SVGD(exponential, data, prior=PRIOR, n_particles=37, n_iterations=60)
    run.prewarm()
    before = {key: len(program.__wrapped__) for key, program in _made.items()}
    found = run.fit()
    assert found.iterations == (60,)
    assert {key: len(program.__wrapped__) for key, program in _made.items()} == before


@pytest.mark.soak  # each operation by itself takes half a minute
def test_without_compiling_it_is_the_same(exponential):
    data = np.random.default_rng(3).exponential(1.0, 5)
    options = dict(prior=PRIOR, n_particles=5, n_iterations=2, start=[1.0])
    compiled = SVGD(exponential, data, **options).fit()
    plain = SVGD(exponential, data, jit=False, **options).fit()
    assert np.allclose(compiled.samples, plain.samples, rtol=1e-6)


def test_progress_is_drawn(exponential, data, capsys):
    svgd(exponential, data, prior=PRIOR, iterations=60, progress=True)
    assert "60/60" in capsys.readouterr().err


# Observations -------------------------------------------------------------------------------------


def test_buckets_are_few_and_padding_is_little():
    sizes = [bucket(count) for count in range(1, 5000)]
    assert all(size >= count for count, size in enumerate(sizes, 1))
    assert all(size <= 1.25 * count for count, size in enumerate(sizes, 1) if count > 16)
    assert len(set(sizes)) < 40


def test_minibatches_are_unbiased(exponential):
    """The mean over all single rows is the likelihood of all; weights and padding included."""
    data = np.array([0.5, 0.5, 0.5, 1.0, 2.0, 0.1, 0.1])
    problem = posed(exponential, data).problem
    theta = np.array([1.7])
    singles = [
        float(log_likelihood(problem, theta, np.array([row]))[0])
        for row in range(int(problem.rows))
    ]
    expected = len(data) * np.log(1.7) - 1.7 * data.sum()
    assert len(singles) == 4
    assert np.isclose(np.mean(singles), expected)
    assert np.isclose(float(log_likelihood(problem, theta)[0]), expected)


def test_nothing_observed_is_a_row_less():
    found = read_observations([[1.0, np.nan], [np.nan, np.nan], [2.0, 3.0]], 2, is_discrete=False)
    assert (found.count, found.rows) == (2, 2)
    assert found.weights[:3].tolist() == [[1, 0], [1, 1], [0, 0]]
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize(
    ("data", "kinds", "is_discrete", "message"),
    [
        ([1.0, -0.5], None, False, "Observation 1 is -0.5, which is negative"),
        ([1.0, np.inf], None, False, "Observation 1 is inf"),
        ([[1.0, 2.0]], None, False, r"shape \(1, 2\); expected \(n,\)"),
        ([1.0, 2.0], 2, False, r"shape \(2,\); expected \(n, 2\)"),
        ([[1.0, -2.0]], 2, False, r"Observation \(0, 1\)"),
        ([1.0, 2.5], None, True, "no whole number"),
        ([], None, False, "no observations"),
        ([np.nan], None, False, "no observations"),
        (["a"], None, False, "no array of numbers"),
    ],
)
def test_wrong_data_are_refused(data, kinds, is_discrete, message):
    with pytest.raises(InvalidPlan, match=message):
        read_observations(data, kinds, is_discrete=is_discrete)


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(theta_dim=2), "theta_dim is 2"),
        (dict(n_particles=1), "n_particles is 1"),
        (dict(n_iterations=0), "n_iterations is 0"),
        (dict(minibatch=0), "minibatch is 0"),
        (dict(seed=-1), "seed is -1"),
        (dict(bandwidth="wide"), "bandwidth is 'wide'"),
        (dict(learning_rate=-1), "learning rate is -1"),
        (dict(start=[1.0, 2.0]), "start has shape"),
        (dict(start=[-1.0]), "not within the bounds"),
        (dict(names=["a", "b"]), "names are"),
        (dict(moment_weight=1.0), "the model gives 0"),
    ],
)
def test_wrong_options_are_refused(exponential, data, options, message):
    with pytest.raises(InvalidPlan, match=message):
        SVGD(exponential, data, **options)


def test_impossible_observations_are_told(geometric):
    with pytest.raises(InvalidPlan, match="At none of 100 starting points"):
        SVGD(geometric, [0, 3, 4], bounds=(0, 1))


def test_what_is_missing_is_named():
    with pytest.raises(TargetUnavailable, match=r"pip install 'emberkeep\[inference\]'"):
        requirements.require("jax_that_nobody_has")


def test_the_default_optimizer_remembers_what_optax_does():
    design, particles = Design(None, None), np.ones((5, 2))
    known = jax.tree.leaves(design.mover.init(particles))
    for one, other in zip(design.memory(particles), known, strict=True):
        assert (one == other).all()
        assert (one.dtype, one.shape) == (other.dtype, other.shape)


def test_few_particles_and_an_outlier():
    """Starts are many decades apart, and one observation is 140 standard deviations away."""
    from emberkeep.phasetype import Graph

    model = Graph.from_callback(
        lambda s: [(s - 1, [1.0])] if s else [], initial=[(20, 1.0)], theta_length=1
    ).model()
    data = np.concatenate([np.full(4, 20.0), [650.0]])
    posterior = svgd(model, data, particles=8, iterations=100, prior=None)
    # A gamma posterior of the rate: 100 events in a time of 730.
    assert posterior.chains.mean() == pytest.approx(100 / 730, rel=0.05)


def test_observed_zeros_count_with_their_probability():
    from emberkeep.phasetype import Graph

    model = Graph.from_callback(
        lambda s: {"a": [("b", [1.0]), ("end", 1.0)], "b": [("end", 1.0)]}.get(s, []),
        initial=[("a", 1.0)],
        theta_length=1,
    ).model(rewards=lambda s: float(s == "b"))
    data = np.where(np.arange(500) % 7 < 5, 0.0, 1.0)
    posterior = svgd(model, data, particles=16, iterations=100)
    assert posterior.chains.mean() == pytest.approx(0.4, rel=0.05)


def test_search_mode_and_particles_ask_for_one_program(exponential, monkeypatch):
    """Each kind of problem that is asked about is a second of compiling."""
    from emberkeep.phasetype.inference import modes

    asked, evaluate = set(), modes.evaluate

    def noted(problem, points):
        leaves, structure = jax.tree.flatten((problem, points))
        asked.add((structure, *((type(leaf), np.shape(leaf)) for leaf in leaves)))
        return evaluate(problem, points)

    monkeypatch.setattr(modes, "evaluate", noted)
    svgd(exponential, np.random.default_rng(1).exponential(1.0, 20), iterations=10)
    assert len(asked) == 1
