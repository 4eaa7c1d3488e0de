"""Sensitivities beside as many plain solves as differences would take, adjoints beside both."""

import os
import tempfile

import numpy as np
from measuring import Row, alternately, milliseconds, show

TRAJECTORIES, REPEATS, MOST = 10_000, 9, 0.7
NEURONS, MOST_SOLVES = 10, 5
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


def network_of(ode):
    """Neurons, each with a rate of its own and by all others: n (n + 1) parameters."""
    n, numbers = NEURONS, np.random.default_rng(1)
    sums = [" + ".join(f"w{i}_{j}*u{j}" for j in range(n)) for i in range(n)]
    equations = [f"u{i} = tanh(x{i})" for i in range(n)]
    equations += [f"dx{i} = -d{i}*x{i} + {sums[i]}" for i in range(n)]
    weights = {f"w{i}_{j}": float(numbers.normal()) for i in range(n) for j in range(n)}
    states = {f"x{i}": 0.1 * (i + 1) for i in range(n)}
    parameters = {**{f"d{i}": 1.0 for i in range(n)}, **weights}
    return ode.System(equations, states, parameters, name="network")


def gradient(ode, runs) -> Row:
    """The gradient of a sum of squares by all parameters of a network."""
    system = network_of(ode)
    names = [*system.parameters]
    varied = {"d0": np.linspace(0.8, 1.2, runs)}
    given = {"parameters": varied, "save_at": 0.5, "rtol": 1e-6, "atol": 1e-8}
    solver = ode.Solver(system, target="cpu", threads=1, sensitivities=names)
    plain = solver.without_sensitivities()

    def by_adjoint():
        result, pullback = ode.vjp(solver, (0, 10), **given)
        return pullback({name: 2 * result[name] for name in system.states})

    def by_sensitivities():
        result = solver.solve((0, 10), **given)
        found = dict.fromkeys(names, 0.0)
        for state in system.states:
            for name in names:
                found[name] += (2 * result[state] * result.sensitivity(state, name)).sum(axis=1)
        return found

    found = by_adjoint()
    for name, expected in by_sensitivities().items():
        size = np.abs(expected).max()
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-9 * size)
    adjoint, forward, one = alternately(
        [by_adjoint, by_sensitivities, lambda: plain.solve((0, 10), **given)], REPEATS
    )
    return Row(
        f"gradient by {len(names)} parameters of {system.name}, of {runs:,}",
        milliseconds(adjoint),
        f"{milliseconds(forward)} (forward)",
        f"{adjoint / one:.1f} solves, not {forward / one:.1f}",
        f"at most {MOST_SOLVES} solves",
        reached=adjoint / one <= MOST_SOLVES,
    )


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
        rows.append(ratio(ode, ring_of(ode, 40), "tsit5", 20, 2, 500))
        return show([*rows, gradient(ode, 512)])


if __name__ == "__main__":
    raise SystemExit(not main())
