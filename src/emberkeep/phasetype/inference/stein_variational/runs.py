"""Runs of particles: where they begin, stretch after stretch, and when it is over."""

from __future__ import annotations

from time import monotonic

import numpy as np

from emberkeep.phasetype.inference.checkpoints import Run, identity, load, save
from emberkeep.phasetype.inference.history import STRETCH, movement
from emberkeep.phasetype.inference.modes import Frame, batched, find_mode
from emberkeep.phasetype.inference.stein_variational.stein_kernel import bandwidths
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from emberkeep.phasetype.inference.setup import Posed
    from emberkeep.phasetype.inference.stein_variational.particles import Design

    Values = np.ndarray[Any, Any]

SCATTER = 2.0  # of the starts of further restarts, in unconstrained coordinates
SECONDS_BETWEEN_SAVES = 1.0


@final
@frozen
class Course:
    """What a run of particles needs to know.

    Attributes:
        posed: the problem.
        design: what is compiled in.
        rates: learning rate by step.
        rule: of the kernel's widths; see `bandwidths`.
        width: of the kernel, likewise.
        particles: how many.
        iterations: at most.
        restarts: how many runs.
        tolerance: of early stopping; None: it goes on to the end.
        seed: of all that is random.
        checkpoint: a file, or None.
    """

    posed: Posed
    design: Design
    rates: Callable[[int], float]
    rule: str
    width: float
    particles: int
    iterations: int
    restarts: int
    tolerance: float | None
    seed: int
    checkpoint: str | None

    def identity(self) -> str:
        """Of all that has to be the same for a run to go on; not how many iterations follow.

        Functions have no digest: a prior's is known by the density at the start, an optimizer by
        what it remembers.
        """
        height = batched(self.posed.problem, self.posed.start[None, :], self.particles)[0][0]
        known = (f"{height:.9g}", self.design.kind)
        numbers = (self.posed.problem, self.posed.start, self.width)
        rates = [self.rates(step) for step in range(0, STRETCH, 7)]
        words = (self.rule, self.design.batch, self.particles, self.seed, rates, known)
        return identity(numbers, words)


def run_all(course: Course, advanced: Callable[[int], None]) -> list[Run]:
    """All restarts, going on from the checkpoint; `advanced` hears of steps done."""
    what = course.identity() if course.checkpoint else ""
    runs = load(course.checkpoint, what) if course.checkpoint else []
    advanced(sum(run.steps for run in runs))
    for number in range(course.restarts):
        if number == len(runs):
            runs.append(begin(course, number))
        _finish(course, what, runs, number, advanced)
    return runs


def _finish(
    course: Course, what: str, runs: list[Run], number: int, advanced: Callable[[int], None]
) -> None:
    """Run one restart to its end; what is done is saved, also where it is interrupted."""
    saved_s = monotonic()
    try:
        while not has_ended(course, runs[number]):
            steps = runs[number].steps
            runs[number] = stretch(course, runs[number], number)
            advanced(runs[number].steps - steps)
            if course.checkpoint and monotonic() - saved_s >= SECONDS_BETWEEN_SAVES:
                save(course.checkpoint, what, runs)
                saved_s = monotonic()
    finally:
        if course.checkpoint:
            save(course.checkpoint, what, runs)


def has_ended(course: Course, run: Run) -> bool:
    """Whether nothing is left to do."""
    return run.steps >= course.iterations or (course.tolerance is not None and bool(run.settled))


def begin(course: Course, number: int) -> Run:
    """Particles drawn around a mode; further restarts look for theirs from scattered starts."""
    posed = course.posed
    generator = np.random.default_rng([course.seed, number])
    start = posed.start
    if number:
        start = _scattered(course, generator)
    mode = find_mode(posed.problem, start, course.particles)
    standard = generator.standard_normal((course.particles, start.size))
    size = start.size
    return Run(
        center=mode.point,
        scale=mode.scale,
        standard=standard,
        memory=tuple(np.asarray(leaf) for leaf in course.design.memory(standard)),
        mean=np.empty((0, size)),
        std=np.empty((0, size)),
        level=np.empty(0),
        settled=np.array(False),  # noqa: FBT003 - an array, for the file
    )


def _scattered(course: Course, generator: Any) -> Values:
    """Some start at which everything observed is possible, not the best one."""
    start = course.posed.start
    starts = start + SCATTER * generator.standard_normal((course.particles, start.size))
    heights, _ = batched(course.posed.problem, starts, course.particles)
    possible = np.flatnonzero(np.isfinite(heights))
    return starts[possible[0]] if possible.size else start


def stretch(course: Course, run: Run, number: int) -> Run:
    """Up to STRETCH steps more."""
    count = min(STRETCH, course.iterations - run.steps)
    state, history = call(course, run, number, count)
    mean, std, level = (np.asarray(values)[:count] for values in history)
    further = Run(
        center=run.center,
        scale=run.scale,
        standard=np.asarray(state[0]),
        memory=tuple(np.asarray(leaf) for leaf in state[1]),
        mean=np.concatenate([run.mean, mean]),
        std=np.concatenate([run.std, std]),
        level=np.concatenate([run.level, level]),
        settled=np.array(False),  # noqa: FBT003 - as above
    )
    if course.tolerance is None or movement(further.mean, further.std) > course.tolerance:
        return further
    return replace(further, {"settled": np.array(True)})  # noqa: FBT003 - as above


def call(course: Course, run: Run, number: int, count: int) -> Any:
    """The compiled program; with no steps to do it is compiled and no more."""
    rates = [course.rates(run.steps + step) if step < count else 0.0 for step in range(STRETCH)]
    return course.design.advance(
        course.posed.problem,
        Frame(run.center, run.scale),
        (run.standard, run.memory),
        np.array(rates),
        bandwidths(run.standard, course.rule, course.width),
        np.int64(run.steps),
        np.int64(count),
        np.array([number, course.seed & 0xFFFFFFFF], np.uint32),  # a key of JAX's own generator
    )
