"""Stein variational gradient descent: particles that become a posterior."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from time import monotonic

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.phasetype.inference.history import History
from emberkeep.phasetype.inference.identifiability import unclear, warn_of
from emberkeep.phasetype.inference.information import measure
from emberkeep.phasetype.inference.modes import SMALLEST_BATCH, Frame, Mode, batched
from emberkeep.phasetype.inference.posterior import Posterior
from emberkeep.phasetype.inference.requirements import require
from emberkeep.phasetype.inference.ridge_walks import Places, walk
from emberkeep.phasetype.inference.setup import pose
from emberkeep.phasetype.inference.stein_variational.particles import Design
from emberkeep.phasetype.inference.stein_variational.runs import Course, begin, call, run_all
from emberkeep.phasetype.inference.transforms import forward
from emberkeep.startup_records import final
from emberkeep.xla.precision import as_set_now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any

    from emberkeep.phasetype.inference.checkpoints import Run
    from emberkeep.phasetype.inference.information import Information

    Values = np.ndarray[Any, Any]

FIRST_RATE, LAST_RATE = 0.1, 0.001  # in standard deviations of the posterior a step
RULES = ("median", "local")


@final
class SVGD:
    """Particles for a posterior; `fit` moves them there.

    Args:
        model: as `Graph.model` gives it.
        data: observations; with several kinds of rewards a column for each, NaN where not observed.
        theta_dim: how many parameters there are, if you want that checked.
        n_particles: how many particles.
        n_iterations: steps, at most.
        prior: an object with `log_prob`, a function of all parameters, or a sequence with one for
            each; weak by default, see `default_prior`.
        positive: whether parameters are, unless bounds or the prior say it; they are by default.
        bounds: (lower, upper) or a transform for each parameter, or one for all.
        start: parameters to begin the search for the mode at.
        names: of the parameters.
        optimizer: optax's; Adam by default.
        learning_rate: a number, or a schedule: a function of the step. Particles move in
            coordinates in which the posterior is about standard normal. What an optimizer that is
            given does is multiplied by it.
        bandwidth: ``"median"``, ``"local"``, or a width in these coordinates.
        minibatch: how many observations a step draws; all by default.
        moment_weight: how much a difference of moments counts, beyond the likelihood.
        moment_count: how many moments; as many as the model gives by default.
        independent: whether kinds of rewards in a row are, given the parameters. If not, spreads
            are corrected.
        restarts: runs from different starts, which are combined and compared.
        seed: of all that is random.
        tolerance: stop early once mean and standard deviation move less than that, in standard
            deviations, from one window of 50 steps to the next.
        progress: draw how far it has come.
        jit: compile; without, each operation runs by itself, for debugging.
        checkpoint: a file that a run is kept in, and goes on from.

    Raises:
        InvalidPlan: something does not fit together; says what.
        TargetUnavailable: JAX or optax is missing.
    """

    def __init__(  # noqa: PLR0913 - what can be chosen
        self,
        model: Any,
        data: Any,
        theta_dim: int | None = None,
        n_particles: int = 100,
        n_iterations: int = 1000,
        prior: Any = None,
        *,
        positive: bool | None = None,
        bounds: Any = None,
        start: Any = None,
        names: Sequence[str] | None = None,
        optimizer: Any = None,
        learning_rate: Any = None,
        bandwidth: str | float = "median",
        minibatch: int | None = None,
        moment_weight: float = 0.0,
        moment_count: int | None = None,
        independent: bool = False,
        restarts: int = 1,
        seed: int = 0,
        tolerance: float | None = None,
        progress: bool = False,
        jit: bool = True,
        checkpoint: str | None = None,
    ) -> None:
        _require_whole("n_particles", n_particles, 2)
        _require_whole("n_iterations", n_iterations, 1)
        _require_whole("restarts", restarts, 1)
        _require_whole("seed", seed, 0)
        if minibatch is not None:
            _require_whole("minibatch", minibatch, 1)
        rule, width = _bandwidth(bandwidth)
        self._jit, self._progress = jit, progress
        with _compiling(jit):
            posed = pose(
                model,
                data,
                theta_dim=theta_dim,
                prior=prior,
                positive=positive,
                bounds=bounds,
                start=start,
                names=names,
                moment_weight=moment_weight,
                moment_count=moment_count,
                independent=independent,
                batch=max(n_particles, SMALLEST_BATCH),
            )
        self._course = Course(
            posed=posed,
            design=Design(optimizer, minibatch),
            rates=_rates(learning_rate, n_iterations, own=optimizer is None),
            rule=rule,
            width=width,
            particles=n_particles,
            iterations=n_iterations,
            restarts=restarts,
            tolerance=tolerance,
            seed=seed,
            checkpoint=None if checkpoint is None else str(checkpoint),
        )

    def __repr__(self) -> str:
        course = self._course
        return (
            f"<SVGD of {course.posed.problem.model.name}: {course.particles} particles, "
            f"{course.iterations} iterations, {course.posed.observations.count:,} observations>"
        )

    def prewarm(self) -> None:
        """Compile all that `fit` needs, or take it from the keep, without a step."""
        with _compiling(self._jit):
            call(self._course, begin(self._course, 0), 0, 0)

    def fit(self) -> Posterior:
        """Move the particles."""
        began_s = monotonic()
        with _compiling(self._jit), _showing(self._course, drawn=self._progress) as advanced:
            runs = run_all(self._course, advanced)
            found = _gathered(self._course, runs, began_s)
        warn_of(found.unclear)
        return found


def svgd(  # noqa: PLR0913 - what can be chosen
    model: Any,
    data: Any,
    *,
    particles: int = 100,
    iterations: int = 1000,
    prior: Any = None,
    positive: bool | None = None,
    bounds: Any = None,
    start: Any = None,
    names: Sequence[str] | None = None,
    optimizer: Any = None,
    learning_rate: Any = None,
    bandwidth: str | float = "median",
    minibatch: int | None = None,
    moment_weight: float = 0.0,
    moment_count: int | None = None,
    independent: bool = False,
    restarts: int = 1,
    seed: int = 0,
    tolerance: float | None = None,
    progress: bool = False,
    checkpoint: str | None = None,
) -> Posterior:
    """A posterior by particles; arguments as of `SVGD`."""
    return SVGD(
        model,
        data,
        n_particles=particles,
        n_iterations=iterations,
        prior=prior,
        positive=positive,
        bounds=bounds,
        start=start,
        names=names,
        optimizer=optimizer,
        learning_rate=learning_rate,
        bandwidth=bandwidth,
        minibatch=minibatch,
        moment_weight=moment_weight,
        moment_count=moment_count,
        independent=independent,
        restarts=restarts,
        seed=seed,
        tolerance=tolerance,
        progress=progress,
        checkpoint=checkpoint,
    ).fit()


# Choices ------------------------------------------------------------------------------------------


def _rates(given: Any, iterations: int, *, own: bool) -> Callable[[int], float]:
    """A learning rate by step."""
    if given is None and own:
        decay = (LAST_RATE / FIRST_RATE) ** (1 / iterations)
        return lambda step: FIRST_RATE * decay**step
    if given is None:
        return lambda _: 1.0
    if callable(given):
        schedule = as_set_now(given)
        return lambda step: float(schedule(step))
    rate = float(given)
    if not rate > 0:
        raise InvalidPlan(f"The learning rate is {given}; expected a positive number or a schedule")
    return lambda _: rate


def _bandwidth(given: Any) -> tuple[str, float]:
    if given in RULES:
        return given, 1.0
    if isinstance(given, (int, float)) and given > 0:
        return "fixed", float(given)
    raise InvalidPlan(
        f"The bandwidth is {given!r}; expected 'median', 'local', or a positive width in "
        "standard deviations of the posterior"
    )


def _require_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, (int, np.integer)) or value < least:
        raise InvalidPlan(f"{name} is {value!r}; expected a whole number of at least {least}")


@contextmanager
def _compiling(jit: bool) -> Generator[None]:  # noqa: FBT001 - a choice, passed on
    if jit:
        yield
    else:
        with require("jax").disable_jit():
            yield


@contextmanager
def _showing(course: Course, *, drawn: bool) -> Generator[Callable[[int], None]]:
    if not drawn:
        yield lambda _: None
        return
    from emberkeep.telemetry.progress import Progress, display_for

    name = f"svgd {course.posed.problem.model.name}"
    with Progress(name, course.iterations * course.restarts, display_for(sys.stderr)) as bar:
        yield bar.advance


def _gathered(course: Course, runs: list[Run], began_s: float) -> Posterior:
    """What particles say, with their log densities from all observations."""
    problem = course.posed.problem
    batch = max(course.particles, SMALLEST_BATCH)
    frames = tuple(Frame(run.center, run.scale) for run in runs)
    known = [measure(problem, Mode(run.center, run.scale), batch) for run in runs]
    ends = [
        _ended(course, np.asarray(frame.outside(run.standard)), each, number)
        for number, (frame, run, each) in enumerate(zip(frames, runs, known, strict=True))
    ]
    points = np.stack([end.points for end in ends])
    heights = np.stack([end.heights for end in ends])
    thetas = np.asarray(forward(problem.transforms, points.reshape(-1, problem.size).T)).T
    best = int(np.argmax(heights.max(axis=1)))
    return Posterior(
        method="svgd",
        chains=thetas.reshape(points.shape),
        points=points,
        heights=heights,
        slopes=np.stack([end.slopes for end in ends]),
        frames=frames,
        histories=tuple(History(run.mean, run.std, run.level) for run in runs),
        iterations=tuple(run.steps for run in runs),
        settled=all(bool(run.settled) for run in runs),
        divergences=0,
        posed=course.posed,
        information=known[best],
        unclear=unclear(course.posed, known[best], points, batch),
        seconds=monotonic() - began_s,
    )


def _ended(course: Course, points: Values, information: Information, number: int) -> Places:
    """Particles at rest; where the data leave a direction open, they go on as chains."""
    problem, batch = course.posed.problem, max(course.particles, SMALLEST_BATCH)
    if information.undetermined:
        generator = np.random.default_rng([course.seed, number, 1])
        return walk(problem, points, generator, batch)
    return Places(points, *batched(problem, points, batch))
