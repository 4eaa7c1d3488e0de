"""Events: what one costs, beside the solve that ends where it is, and the one without it."""

import time

import numpy as np
from measuring import Row, show

from emberkeep import ode

TRAJECTORIES, REPEATS, LONGER = 2048, 100, 100
# It loses energy, and ends where so much is left.
SPRING = ode.System(
    "dx = v; dv = -k*x - 0.05*v; energy = v^2/2 + k*x^2/2",
    {"x": 1.0, "v": 0.0},
    {"k": 1.0},
    observables=["energy"],
    name="spring that rests",
)
# Shares of the energy: after some 150 steps, 700 and 1,800.
LEFT = (0.4, 0.01, 2e-5)
PASSES = ode.Event("x", name="passes")
STIFFNESS = np.linspace(1.0, 4.0, TRAJECTORIES)


def best(*solves):
    """The shortest of many times of each, in turn: other processes only make it longer."""
    times = [[] for _ in solves]
    for _ in range(REPEATS):
        for solve, taken in zip(solves, times, strict=True):
            started = time.perf_counter()
            solve()
            taken.append(time.perf_counter() - started)
    return [min(taken) for taken in times]


def solving(t_span, events=(), outputs=("final",)):
    """A solve that is compiled, to be called again and again."""
    solver = ode.Solver(SPRING, events=events, target="cpu", threads=1)

    def solve():
        return solver.solve(t_span, parameters={"k": STIFFNESS}, outputs=outputs)

    solve()
    return solve


def ending(left):
    """What it costs to end where so much of the energy is left, and where the end is known."""
    rests = ode.Event(f"energy - {left / 2}*k", name="rests", direction="falling", terminal=True)
    ended = solving((0, 1e5), [rests], ["reached", "steps"])()
    reached, steps = ended.reached, float(ended.steps.sum(axis=1).mean())
    last = float(reached.max())
    spans = (np.zeros(TRAJECTORIES), reached)
    one, other = best(solving((0, LONGER * last), [rests]), solving(spans))
    per, ratio = 1e6 / TRAJECTORIES, one / other
    row = Row(
        f"a terminal event after {steps:.0f} steps, in a span {LONGER} times as long",
        f"{one * per:.2f} µs a trajectory",
        f"{other * per:.2f} µs (the end is known)",
        f"{ratio:.2f} times",
        "at most 1.1 times",
        reached=ratio <= 1.1,
    )
    return row, last


def main() -> bool:
    """Print all rows; whether all targets were reached."""
    ends = [ending(left) for left in LEFT]
    last = ends[-1][1]
    looks, none = best(solving((0, last), [PASSES]), solving((0, last)))
    counted = solving((0, last), [PASSES], ["events"])().events["passes"].counts
    each = (looks - none) / counted.sum()
    per = 1e6 / TRAJECTORIES
    return show(
        [
            *(row for row, _ in ends),
            Row(
                f"{counted.mean():.0f} events that are counted, each",
                f"{looks * per:.2f} µs a trajectory",
                f"{none * per:.2f} µs (none)",
                f"{each * 1e9:.0f} ns an event",
                "at most 500 ns",
                reached=each <= 500e-9,
            ),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(not main())
