"""Sensitivities beside as many plain solves as differences would take, in the same run."""

import os
import tempfile

import numpy as np
from measuring import Row, alternately, milliseconds, show

TRAJECTORIES, REPEATS, MOST = 10_000, 9, 0.7
ROBERTSON = """
da = -k1*a + k2*b*c
db = k1*a - k2*b*c - k3*b^2
dc = k3*b^2
"""


def lorenz_of(ode):
    return ode.System(
        "dx = sigma*(y - x); dy = x*(rho - z) - y; dz = x*y - beta*z",
        states={"x": 1.0, "y": 1.0, "z": 1.0},
        parameters={"rho": 28.0, "sigma": 10.0, "beta": 8 / 3},
        name="lorenz",
    )


def robertson_of(ode):
    parameters = {"k1": 0.04, "k2": 1e4, "k3": 3e7}
    return ode.System(ROBERTSON, {"a": 1.0, "b": 0.0, "c": 0.0}, parameters, name="robertson")


def ring_of(ode, n):
    """Lorenz-96 of so many states, each with a force of its own."""
    equations = [
        f"dx{i} = (x{(i + 1) % n} - x{(i - 2) % n})*x{(i - 1) % n} - x{i} + F{i}" for i in range(n)
    ]
    states = {f"x{i}": 1.0 + 0.01 * i for i in range(n)}
    return ode.System(equations, states, {f"F{i}": 8.0 for i in range(n)}, name=f"ring of {n}")


def ratio(ode, system, method, count, end, runs) -> Row:
    """One system: its sensitivities by the first parameters and initial values."""
    names = [*system.parameters, *system.states][:count]
    first = names[0]
    varied = {first: system.parameters[first] * np.linspace(0.9, 1.1, runs)}
    given = {"parameters": varied, "rtol": 1e-6, "atol": 1e-9}
    plain, with_more = (
        ode.Solver(system, method=method, target="cpu", threads=1, sensitivities=each)
        for each in ((), names)
    )
    same = plain.solve((0, end), **given).final, with_more.solve((0, end), **given).final
    assert np.array_equal(*same), "steps are those without sensitivities"
    one, all_of_it = alternately(
        [lambda: plain.solve((0, end), **given), lambda: with_more.solve((0, end), **given)],
        REPEATS,
    )
    found = all_of_it / one / (1 + count)
    return Row(
        f"{system.name} by {method}, {count} sensitivities of {runs:,}",
        milliseconds(all_of_it),
        f"{milliseconds(one)} (none)",
        f"{found:.2f} of {1 + count} solves",
        f"at most {MOST}",
        reached=found <= MOST,
    )


def main() -> bool:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMBERKEEP_CONFIG_DIR"] = os.path.join(folder, "config")
        os.environ["EMBERKEEP_DIR"] = os.path.join(folder, "keep")
        from emberkeep import ode

        lorenz, robertson = lorenz_of(ode), robertson_of(ode)
        rows = [ratio(ode, lorenz, "tsit5", count, 10, TRAJECTORIES) for count in (1, 2, 3, 6)]
        rows += [ratio(ode, robertson, "rodas5p", count, 1e3, 2000) for count in (1, 3)]
        rows += [ratio(ode, ring_of(ode, 20), "tsit5", count, 2, 1000) for count in (1, 5, 20)]
        return show([*rows, ratio(ode, ring_of(ode, 40), "tsit5", 20, 2, 500)])


if __name__ == "__main__":
    raise SystemExit(not main())
